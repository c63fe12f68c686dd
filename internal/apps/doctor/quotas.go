package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"axle"
	"axle/internal/cloud"
	"axle/internal/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/smithy-go"
)

// quota is one of Service Quotas' (General Reference, "Service endpoints and
// quotas").
type quota struct{ service, code, what string }

var (
	quotaStacks   = quota{"cloudformation", "L-0485CB21", "CloudFormation stacks in a region"}
	quotaVPCs     = quota{"vpc", "L-F678F1CE", "VPCs in a region"}
	quotaPeerings = quota{"vpc", "L-7E9ECCDB", "active peering connections of a VPC"}
)

// keptUnreserved is what AWS keeps of an account's Lambda concurrency for
// functions without a reservation (Lambda Developer Guide, "Configuring
// reserved concurrency").
const keptUnreserved = 100

// quotas compares what a deploy would add with what the account may have. Only
// the quotas that the target's templates touch are asked for.
func (d *Doctor) quotas(ctx context.Context, t *Target) {
	fine := true
	report := func(f *Finding) {
		if f != nil {
			fine = false
			f.Check = CheckQuota
			d.add(t.Account, t.Region, *f)
		}
	}
	fresh, vpcs, reserved := t.adds()
	if len(fresh) > 0 {
		report(d.stackQuota(ctx, t, len(fresh)))
	}
	if vpcs > 0 {
		report(d.vpcQuota(ctx, t, vpcs))
	}
	if reserved > 0 {
		report(d.concurrency(ctx, t, reserved))
	}
	for stack, n := range t.Peerings {
		if limit, err := d.limit(ctx, t, quotaPeerings); err == nil && float64(n) > limit {
			f := exceeded(t, quotaPeerings, 0, n, limit)
			f.Stack = stack
			report(f)
		}
	}
	if fine {
		d.add(t.Account, t.Region, Finding{Check: CheckQuota, State: OK, Proof: "call"})
	}
}

// adds are the stacks that aren't there yet, and what they would add.
func (t *Target) adds() (fresh []string, vpcs, reserved int) {
	for i := range t.Stacks {
		s := &t.Stacks[i]
		if s.live {
			continue
		}
		fresh = append(fresh, s.Spec.StackName)
		if s.Template == nil {
			continue
		}
		for _, r := range s.Template.Resolve(template.World{Account: t.Account.ID, Region: t.Region, Stack: s.Spec.StackName, Parameters: s.Known}) {
			switch r.Type {
			case "AWS::EC2::VPC":
				vpcs++
			case "AWS::Lambda::Function", "AWS::Serverless::Function":
				if n, err := strconv.Atoi(r.Properties.Get("ReservedConcurrentExecutions").Str()); err == nil {
					reserved += n
				}
			}
		}
	}
	return fresh, vpcs, reserved
}

// limit is the account's quota, or AWS's default where none was ever applied.
func (d *Doctor) limit(ctx context.Context, t *Target, q quota) (limit float64, err error) {
	err = d.read(ctx, func(c *cloud.Cloud) (err error) {
		limit, err = readLimit(ctx, c, t, q)
		return err
	})
	return limit, err
}

func readLimit(ctx context.Context, c *cloud.Cloud, t *Target, q quota) (float64, error) {
	client, opt := c.ServiceQuotas(t.at())
	out, err := client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code}, opt)
	if err == nil && out.Quota != nil && out.Quota.Value != nil {
		return *out.Quota.Value, nil
	}
	var api smithy.APIError
	if err != nil && (!errors.As(err, &api) || api.ErrorCode() != "NoSuchResourceException") {
		return 0, err
	}
	std, err := client.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &q.service, QuotaCode: &q.code}, opt)
	if err != nil {
		return 0, err
	}
	if std.Quota == nil || std.Quota.Value == nil {
		return 0, errors.New("no value in the answer")
	}
	return *std.Quota.Value, nil
}

func (d *Doctor) stackQuota(ctx context.Context, t *Target, adds int) *Finding {
	have := 0
	err := d.read(ctx, func(c *cloud.Cloud) error {
		client, opt := c.CloudFormation(t.at())
		have = 0
		pages := cloudformation.NewDescribeStacksPaginator(client, &cloudformation.DescribeStacksInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, opt)
			if err != nil {
				return err
			}
			have += len(page.Stacks)
		}
		return nil
	})
	if err != nil {
		return unread(t, quotaStacks, err)
	}
	limit, err := d.limit(ctx, t, quotaStacks)
	if err != nil {
		return unread(t, quotaStacks, err)
	}
	if float64(have+adds) > limit {
		return exceeded(t, quotaStacks, have, adds, limit)
	}
	return nil
}

func (d *Doctor) vpcQuota(ctx context.Context, t *Target, adds int) *Finding {
	have := 0
	err := d.read(ctx, func(c *cloud.Cloud) error {
		client, opt := c.EC2(t.at())
		have = 0
		pages := ec2.NewDescribeVpcsPaginator(client, &ec2.DescribeVpcsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, opt)
			if err != nil {
				return err
			}
			have += len(page.Vpcs)
		}
		return nil
	})
	if err != nil {
		return unread(t, quotaVPCs, err)
	}
	limit, err := d.limit(ctx, t, quotaVPCs)
	if err != nil {
		return unread(t, quotaVPCs, err)
	}
	if float64(have+adds) > limit {
		return exceeded(t, quotaVPCs, have, adds, limit)
	}
	return nil
}

// concurrency: a reservation must leave 100 unreserved, which an account that
// starts with 10 hasn't got.
func (d *Doctor) concurrency(ctx context.Context, t *Target, adds int) *Finding {
	var out *lambda.GetAccountSettingsOutput
	err := d.read(ctx, func(c *cloud.Cloud) (err error) {
		client, opt := c.Lambda(t.at())
		out, err = client.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{}, opt)
		return err
	})
	if err != nil || out.AccountLimit == nil {
		return unread(t, quota{what: "Lambda's concurrent executions"}, err)
	}
	free := int(aws.ToInt32(out.AccountLimit.UnreservedConcurrentExecutions))
	if free-adds >= keptUnreserved {
		return nil
	}
	return &Finding{State: Blocked, Side: SideQuota, Proof: "call",
		Cause: fmt.Sprintf("the templates reserve %d of Lambda's concurrent executions, and %s has %d unreserved, of which AWS keeps %d", adds, t.Account.Label(), free, keptUnreserved),
		Fix:   "ask for more in Service Quotas (lambda, L-B99A9384; new accounts start low), or reserve none"}
}

func exceeded(t *Target, q quota, have, adds int, limit float64) *Finding {
	return &Finding{State: Blocked, Side: SideQuota, Proof: "call",
		Cause: fmt.Sprintf("%s in %s has %d of %g %s, and the plan adds %d", t.Account.Label(), t.Region, have, limit, q.what, adds),
		Fix: fmt.Sprintf("aws service-quotas request-service-quota-increase --region %s --service-code %s --quota-code %s --desired-value %d in the account, or delete what isn't needed",
			t.Region, q.service, q.code, have+adds)}
}

// unread is a quota that couldn't be compared: worth a note, no more.
func unread(t *Target, q quota, err error) *Finding {
	if err == nil {
		err = errors.New("AWS answered without a value")
	}
	return &Finding{State: Note, Cause: "the quota of " + q.what + " wasn't compared: " + message(cloud.Translate(err, "read it", t.Account, t.Region)),
		Fix: "allow servicequotas:GetServiceQuota, servicequotas:GetAWSDefaultServiceQuota, ec2:DescribeVpcs, lambda:GetAccountSettings and cloudformation:DescribeStacks to the access role"}
}

// StackSets says whether CloudFormation may act in the organization by itself:
// service-managed stack sets need it, nothing else does.
func (d *Doctor) StackSets(ctx context.Context, management axle.Account) {
	var out *cloudformation.DescribeOrganizationsAccessOutput
	err := d.read(ctx, func(c *cloud.Cloud) (err error) {
		client, opt := c.CloudFormation(axle.Target{Account: management.ID, Region: d.project.Hub.Region})
		out, err = client.DescribeOrganizationsAccess(ctx, &cloudformation.DescribeOrganizationsAccessInput{}, opt)
		return err
	})
	f := Finding{Check: CheckStackSets, State: Note, Proof: "call"}
	switch {
	case err != nil:
		f.Cause = "whether CloudFormation has trusted access to the organization isn't known: " + message(cloud.Translate(err, "read it", management, ""))
	case out.Status == "ENABLED":
		f.State = OK
	default:
		f.Cause = "CloudFormation has no trusted access to the organization: service-managed stack sets don't work; axle deploy needs none"
		f.Fix = "aws cloudformation activate-organizations-access in the management account, if you want them"
	}
	d.add(management, "", f)
}
