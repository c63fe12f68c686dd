package cloud

import (
	"context"
	"sort"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Regions returns the regions that are enabled in an account, sorted: from
// account:ListRegions, else, if that isn't allowed or known, from
// ec2:DescribeRegions.
func (c *Cloud) Regions(ctx context.Context, in axle.Account) ([]string, error) {
	home := axle.Target{Account: in.ID, Region: c.region}
	regions, err := c.listRegions(ctx, home)
	if err != nil {
		if ctx.Err() != nil || isTransient(err) || isCredential(err) {
			return nil, Translate(err, "list the enabled regions", in, "")
		}
		c.log.Debug("account:ListRegions", "account", in.ID, "error", err)
		regions, err = c.describeRegions(ctx, home)
		if err != nil {
			return nil, Translate(err, "list the enabled regions", in, "")
		}
	}
	sort.Strings(regions)
	return regions, nil
}

func (c *Cloud) listRegions(ctx context.Context, home axle.Target) ([]string, error) {
	client, opt := c.AccountAPI(home)
	pages := account.NewListRegionsPaginator(client, &account.ListRegionsInput{
		MaxResults:              aws.Int32(50),
		RegionOptStatusContains: []types.RegionOptStatus{types.RegionOptStatusEnabled, types.RegionOptStatusEnabledByDefault},
	})
	var regions []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Regions {
			regions = append(regions, aws.ToString(r.RegionName))
		}
	}
	return regions, nil
}

func (c *Cloud) describeRegions(ctx context.Context, home axle.Target) ([]string, error) {
	client, opt := c.EC2(home)
	out, err := client.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}, opt) // without AllRegions: the enabled
	if err != nil {
		return nil, err
	}
	var regions []string
	for _, r := range out.Regions {
		regions = append(regions, aws.ToString(r.RegionName))
	}
	return regions, nil
}
