package cloud

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"golang.org/x/sync/errgroup"
)

// organizationsRegion is where the tagging API knows of accounts.
var organizationsRegion = map[string]string{"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}

// sample is how many accounts are asked one by one whether an empty answer for
// all of them can be true.
const sample = 10

// bulkTags gets the tags of all accounts, a hundred at a time. Accounts without
// tags are missing from the answer.
func (d *discovery) bulkTags(ctx context.Context) (map[string]map[string]string, error) {
	region, ok := organizationsRegion[d.id.Partition]
	if !ok {
		return nil, fmt.Errorf("partition %s: unknown where the tagging API has the accounts", d.id.Partition)
	}
	client, opt := d.cloud.taggingAs(d.source, d.source.owner(d.id), region)
	counted := func(o *resourcegroupstaggingapi.Options) {
		opt(o)
		o.APIOptions = append(o.APIOptions, d.count)
	}
	pages := resourcegroupstaggingapi.NewGetResourcesPaginator(client, &resourcegroupstaggingapi.GetResourcesInput{
		ResourceTypeFilters: []string{"organizations:account"}, ResourcesPerPage: aws.Int32(100),
	})
	found := map[string]map[string]string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, counted)
		if err != nil {
			return nil, err
		}
		for _, r := range page.ResourceTagMappingList {
			if len(r.Tags) == 0 {
				continue
			}
			tags := make(map[string]string, len(r.Tags))
			for _, t := range r.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			found[lastPart(aws.ToString(r.ResourceARN))] = tags
		}
	}
	return found, nil
}

// tags fills in the tags of accounts and OUs.
func (d *discovery) tags(ctx context.Context, bulk map[string]map[string]string, bulkErr error) error {
	each := bulkErr != nil
	switch {
	case bulkErr != nil:
		d.late = append(d.late, "the tags of all accounts at once (tag:GetResources) aren't to be had, so it took a call for each: "+code(bulkErr))
	case len(bulk) == 0:
		// Nothing is tagged, or the tagging API doesn't tell: it shows what
		// belongs to the caller's account, and accounts belong to the
		// management account.
		if each = d.source.owner(d.id) != d.org.Management; !each {
			tagged, err := d.anyTagged(ctx)
			if err != nil {
				return err
			}
			each = tagged
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(discoverConcurrent)
	for i := range d.org.Accounts {
		a := &d.org.Accounts[i]
		if !each {
			a.Tags = bulk[a.ID]
			continue
		}
		g.Go(func() (err error) {
			a.Tags, err = d.tagsOf(gctx, a.ID)
			return err
		})
	}
	var mu sync.Mutex
	tagged := map[string]axle.OU{}
	for _, ou := range d.ous {
		g.Go(func() error {
			tags, err := d.tagsOf(gctx, ou.ID)
			ou.Tags = tags
			mu.Lock()
			defer mu.Unlock()
			tagged[ou.ID] = ou
			return err
		})
	}
	err := g.Wait()
	d.ous = tagged
	return err
}

var errTagged = errors.New("tagged")

// anyTagged asks a few accounts, spread over all, for their tags.
func (d *discovery) anyTagged(ctx context.Context) (bool, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(discoverConcurrent)
	step := max(1, len(d.org.Accounts)/sample)
	for i := 0; i < len(d.org.Accounts); i += step {
		g.Go(func() error {
			tags, err := d.tagsOf(gctx, d.org.Accounts[i].ID)
			if err == nil && len(tags) > 0 {
				err = errTagged
			}
			return err
		})
	}
	err := g.Wait()
	if errors.Is(err, errTagged) {
		return true, nil
	}
	return false, err
}

// tagsOf gets the tags of one account or OU; nil when it has none.
func (d *discovery) tagsOf(ctx context.Context, id string) (map[string]string, error) {
	pages := organizations.NewListTagsForResourcePaginator(d.client, &organizations.ListTagsForResourceInput{ResourceId: &id})
	var tags map[string]string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, d.opt)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Tags {
			if tags == nil {
				tags = map[string]string{}
			}
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags, nil
}
