package cloud

import (
	"context"
	"errors"
	"slices"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"golang.org/x/sync/errgroup"
)

// branch is an OU that the walk has reached, with the ids from the root to it.
type branch struct {
	ou  axle.OU
	ids []string
}

// walk goes through the OUs from the root down, each once, level by level.
func (d *discovery) walk(ctx context.Context) error {
	out, err := d.client.ListRoots(ctx, &organizations.ListRootsInput{}, d.opt)
	if err != nil {
		return err
	}
	if len(out.Roots) != 1 {
		return errors.New("list the roots of the organization: AWS answered without exactly one")
	}
	root := aws.ToString(out.Roots[0].Id)
	level := []branch{{axle.OU{ID: root, Name: "Root", Path: "/"}, []string{root}}}
	all := map[string]axle.OU{}
	seen := map[string]bool{}
	for len(level) > 0 {
		next, accounts, err := d.descend(ctx, level)
		if err != nil {
			return err
		}
		for _, b := range level {
			all[b.ou.ID] = b.ou
		}
		for _, a := range accounts {
			if !seen[a.ID] { // it may have moved while we looked
				seen[a.ID] = true
				d.org.Accounts = append(d.org.Accounts, a)
			}
		}
		level = next
	}
	for _, a := range d.org.Accounts {
		for _, id := range a.OUIDs {
			d.ous[id] = all[id]
		}
	}
	return nil
}

// descend looks into all OUs of one level at once.
func (d *discovery) descend(ctx context.Context, level []branch) ([]branch, []axle.Account, error) {
	var mu sync.Mutex
	var next []branch
	var accounts []axle.Account
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(discoverConcurrent)
	for _, b := range level {
		g.Go(func() error {
			found, err := d.childAccounts(gctx, b.ou, b.ids)
			mu.Lock()
			defer mu.Unlock()
			accounts = append(accounts, found...)
			return err
		})
		g.Go(func() error {
			found, err := d.childOUs(gctx, b.ou.ID)
			mu.Lock()
			defer mu.Unlock()
			for _, child := range found {
				ou := axle.OU{ID: aws.ToString(child.Id), Name: aws.ToString(child.Name), Parent: b.ou.ID}
				ou.Path = axle.JoinOU(b.ou.Path, ou.Name)
				next = append(next, branch{ou, append(slices.Clone(b.ids), ou.ID)})
			}
			return err
		})
	}
	err := g.Wait()
	return next, accounts, err
}
