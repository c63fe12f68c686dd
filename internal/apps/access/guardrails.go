package access

import (
	"context"
	"errors"
	"strings"
	"sync"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"golang.org/x/sync/errgroup"
)

// place is one level of an account's path: the root, an OU, or the account.
type place struct{ id, label string }

// Guardrails implements Source. The policies of each level are listed once for
// all accounts below it, and each policy is read once: for the few accounts that
// a question is about that is less than listing the targets of every policy.
func (l *Live) Guardrails(ctx context.Context, a axle.Account) (*Guardrails, error) {
	path, err := l.path(ctx, a)
	if err != nil {
		if codeOf(err) == "AWSOrganizationsNotInUseException" {
			return &Guardrails{}, nil
		}
		return nil, organizationHint(cloud.Translate(err, "read the organization's policies (organizations:ListPoliciesForTarget, organizations:DescribePolicy)", a, ""))
	}
	out := &Guardrails{SCP: make([][]Document, len(path)), RCP: make([][]Document, len(path))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4) // Organizations' limits are low, and the whole organization's
	var mu sync.Mutex
	for i, level := range path {
		out.Levels = append(out.Levels, level.label)
		for _, kind := range []types.PolicyType{types.PolicyTypeServiceControlPolicy, types.PolicyTypeResourceControlPolicy} {
			g.Go(func() error {
				docs, err := l.attached(gctx, level, kind)
				mu.Lock()
				defer mu.Unlock()
				if kind == types.PolicyTypeServiceControlPolicy {
					out.SCP[i] = docs
				} else {
					out.RCP[i] = docs
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, organizationHint(cloud.Translate(err, "read the organization's policies (organizations:ListPoliciesForTarget, organizations:DescribePolicy)", a, ""))
	}
	// Where SCPs aren't enabled no level has any, not even FullAWSAccess.
	some := false
	for _, docs := range out.SCP {
		some = some || len(docs) > 0
	}
	if !some {
		out.SCP = nil
	}
	return out, nil
}

// organizationHint says who needs what.
func organizationHint(err error) error {
	var f *axle.Failure
	if errors.As(err, &f) && strings.HasPrefix(f.Code, "AccessDenied") {
		f.Hint = "allow organizations:ListPoliciesForTarget, organizations:DescribePolicy and organizations:ListParents to the caller, or to the access role of the management account (axle bootstrap --allow), or use a delegated administrator"
	}
	return err
}

// ask asks Organizations by the first way that may: the access role of the
// management account, then the credentials that discovery uses.
func (l *Live) ask(ctx context.Context, call func(*organizations.Client, func(*organizations.Options)) error) error {
	client, ways, err := l.Cloud.OrganizationsAtHome(ctx)
	if err != nil {
		return err
	}
	if l.Org.Management != "" {
		_, opt := l.Cloud.Organizations(axle.Target{Account: l.Org.Management, Region: l.Home})
		ways = append([]func(*organizations.Options){opt}, ways...)
	}
	l.mu.Lock()
	first := l.way
	l.mu.Unlock()
	for i := first; i < len(ways); i++ {
		if err = call(client, ways[i]); err == nil || ctx.Err() != nil || codeOf(err) == "AWSOrganizationsNotInUseException" {
			l.mu.Lock()
			l.way = max(l.way, i)
			l.mu.Unlock()
			return err
		}
	}
	return err
}

// path leads from the root to the account. An organization that was read from a
// file has no ids of OUs: AWS is asked for the parents.
func (l *Live) path(ctx context.Context, a axle.Account) ([]place, error) {
	var path []place
	if l.Org.ID != "" {
		for i, id := range a.OUIDs {
			label := "the root"
			if i > 0 {
				label = id
			}
			for _, ou := range l.Org.OUs {
				if i > 0 && ou.ID == id {
					label = "OU " + ou.Path
				}
			}
			path = append(path, place{id, label})
		}
		return append(path, place{a.ID, a.Label()}), nil
	}
	path = []place{{a.ID, a.Label()}}
	for range 8 { // "You can nest OUs up to five levels deep"
		child := path[0].id
		var out *organizations.ListParentsOutput
		err := l.ask(ctx, func(client *organizations.Client, opt func(*organizations.Options)) (err error) {
			out, err = client.ListParents(ctx, &organizations.ListParentsInput{ChildId: &child}, opt)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out.Parents) != 1 {
			break
		}
		id := aws.ToString(out.Parents[0].Id)
		if out.Parents[0].Type == types.ParentTypeRoot {
			return append([]place{{id, "the root"}}, path...), nil
		}
		path = append([]place{{id, "OU " + id}}, path...)
	}
	return nil, errors.New("AWS answered without the parents of " + a.ID)
}

// attached are the policies of one type of a root, OU or account.
func (l *Live) attached(ctx context.Context, at place, kind types.PolicyType) ([]Document, error) {
	l.mu.Lock()
	if l.targets == nil {
		l.targets, l.contents = map[string]*once[[]Document]{}, map[string]*once[string]{}
	}
	key := string(kind) + " " + at.id
	o := l.targets[key]
	if o == nil {
		o = &once[[]Document]{}
		l.targets[key] = o
	}
	l.mu.Unlock()
	o.Do(func() {
		if docs, ok := l.Cache.rails(key); ok {
			o.value = docs
			return
		}
		if o.value, o.err = l.list(ctx, at, kind); o.err == nil {
			l.Cache.keepRails(key, o.value)
		}
	})
	return o.value, o.err
}

func (l *Live) list(ctx context.Context, at place, kind types.PolicyType) ([]Document, error) {
	word := "SCP"
	if kind == types.PolicyTypeResourceControlPolicy {
		word = "RCP"
	}
	var found []types.PolicySummary
	err := l.ask(ctx, func(client *organizations.Client, opt func(*organizations.Options)) error {
		found = nil
		pages := organizations.NewListPoliciesForTargetPaginator(client, &organizations.ListPoliciesForTargetInput{TargetId: &at.id, Filter: kind})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, opt)
			if err != nil {
				return err
			}
			found = append(found, page.Policies...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	docs := []Document{}
	for _, p := range found {
		id := aws.ToString(p.Id)
		if id == "p-RCPFullAWSAccess" { // implied
			continue
		}
		text, err := l.content(ctx, id)
		if err != nil {
			return nil, err
		}
		docs = append(docs, Document{Name: word + " " + aws.ToString(p.Name) + " (" + id + ") at " + at.label, Text: text})
	}
	return docs, nil
}

// content is the text of a policy.
func (l *Live) content(ctx context.Context, id string) (string, error) {
	if id == "p-FullAWSAccess" {
		return allowAll, nil
	}
	l.mu.Lock()
	o := l.contents[id]
	if o == nil {
		o = &once[string]{}
		l.contents[id] = o
	}
	l.mu.Unlock()
	o.Do(func() {
		var out *organizations.DescribePolicyOutput
		err := l.ask(ctx, func(client *organizations.Client, opt func(*organizations.Options)) (err error) {
			out, err = client.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: &id}, opt)
			return err
		})
		switch {
		case err != nil:
			o.err = err
		case out.Policy == nil:
			o.err = errors.New("AWS answered without policy " + id)
		default:
			o.value = aws.ToString(out.Policy.Content)
		}
	})
	return o.value, o.err
}
