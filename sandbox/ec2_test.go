package sandbox_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// cloud is a sandbox with an organization of three accounts, and how to get
// into each of them.
type cloud struct {
	t   *testing.T
	url string
	top aws.Config // administrator of the management account
}

const (
	managementAccount = "111111111111"
	devAccount        = "222222222222"
	qaAccount         = "333333333333"
)

// newCloud starts a sandbox with accounts dev and qa.
func newCloud(t *testing.T, opts sandbox.Options) *cloud {
	t.Helper()
	opts.Organization = threeAccounts()
	sb, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = sb.Close() })
	key, secret := sb.Credentials()
	c := &cloud{t: t, url: server.URL, top: aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient:  plainBodies{},
	}}
	if opts.Unkind {
		c.top.Retryer = untilServed
	}
	return c
}

// stillCloud is the same without a network, for a bubble of synctest: no time
// passes there but while the test sleeps, so that what an unkind sandbox shows
// late is seen to be late, and then to come.
func stillCloud(t *testing.T, opts sandbox.Options) *cloud {
	t.Helper()
	opts.Organization = threeAccounts()
	_, cfg := still(t, opts)
	cfg.Retryer = untilServed
	return &cloud{t: t, url: *cfg.BaseEndpoint, top: cfg}
}

func threeAccounts() *sandbox.OrgFile {
	room := map[string]float64{"L-F678F1CE": 20} // VPCs in a region
	return &sandbox.OrgFile{
		Management: sandbox.OrgAccount{ID: managementAccount, Name: "management", Email: "root@example.com", Quotas: room},
		Accounts: []sandbox.OrgAccount{{ID: devAccount, Name: "dev", Email: "dev@example.com", Quotas: room},
			{ID: qaAccount, Name: "qa", Email: "qa@example.com"}},
	}
}

// untilServed repeats what an unkind sandbox throttles, at once and as often as
// it does, and nothing else: no test depends on how often that is.
func untilServed() aws.Retryer { return persistent{} }

type persistent struct{ aws.NopRetryer }

func (persistent) IsErrorRetryable(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{"RequestLimitExceeded", "RequestThrottled", "SlowDown", "Throttled",
		"ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException"}, api.ErrorCode())
}

func (persistent) MaxAttempts() int { return 0 } // no limit

func (persistent) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// in is the configuration for an account and region, through the access role.
func (c *cloud) in(account, region string) aws.Config {
	c.t.Helper()
	cfg := c.top.Copy()
	cfg.Region = region
	if account == managementAccount {
		return cfg
	}
	out, err := sts.NewFromConfig(c.top).AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/OrganizationAccountAccessRole"), RoleSessionName: aws.String("test")})
	if err != nil {
		c.t.Fatal(err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return cfg
}

func (c *cloud) ec2(account, region string) *ec2.Client {
	c.t.Helper()
	return ec2.NewFromConfig(c.in(account, region))
}

// must fails the test unless the call worked.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused fails the test unless the call was refused with the code, in words
// that contain the text.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	switch {
	case err == nil:
		t.Fatalf("want %s, got success", code)
	case !errors.As(err, &api):
		t.Fatalf("want %s, got %v", code, err)
	case api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text):
		t.Fatalf("want %s (%s), got %s: %s", code, text, api.ErrorCode(), api.ErrorMessage())
	}
}

// inTheEnd repeats a call that is refused with the code until it is served.
func inTheEnd(t *testing.T, code, text string, call func() error) {
	t.Helper()
	for ; ; time.Sleep(pollTime) {
		err := call()
		if err == nil {
			return
		}
		refused(t, err, code, text)
	}
}

func (c *cloud) vpc(client *ec2.Client, cidr string) string {
	c.t.Helper()
	out, err := client.CreateVpc(context.Background(), &ec2.CreateVpcInput{CidrBlock: &cidr})
	if err != nil {
		c.t.Fatal(err)
	}
	return *out.Vpc.VpcId
}

func TestVPC(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")

	for cidr, code := range map[string]string{"10.0.0.0/15": "InvalidVpc.Range", "10.0.0.0/29": "InvalidVpc.Range", "ten": "InvalidParameterValue"} {
		_, err := dev.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &cidr})
		refused(t, err, code, cidr)
	}
	out := must[*ec2.CreateVpcOutput](t)(dev.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.1.2.3/16"),
		TagSpecifications: []types.TagSpecification{{ResourceType: "vpc", Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("main")}}}}}))
	id := *out.Vpc.VpcId
	if *out.Vpc.CidrBlock != "10.1.0.0/16" || out.Vpc.State != "pending" || *out.Vpc.OwnerId != devAccount || len(out.Vpc.Tags) != 1 {
		t.Fatalf("created %+v", out.Vpc)
	}
	byTag := must[*ec2.DescribeVpcsOutput](t)(dev.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{
		{Name: aws.String("tag:Name"), Values: []string{"ma*"}}, {Name: aws.String("cidr"), Values: []string{"10.1.0.0/16", "x"}}}}))
	if len(byTag.Vpcs) != 1 || *byTag.Vpcs[0].VpcId != id {
		t.Fatalf("by tag: %+v", byTag.Vpcs)
	}
	if _, err := dev.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("nonsense"), Values: []string{"x"}}}}); err == nil {
		t.Fatal("unknown filter accepted")
	}
	_, err := c.ec2(qaAccount, "eu-west-1").DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	refused(t, err, "InvalidVpcID.NotFound", "The vpc ID '"+id+"' does not exist")
	_, err = c.ec2(devAccount, "us-east-1").DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	refused(t, err, "InvalidVpcID.NotFound", id)
	_, err = dev.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"x"}})
	refused(t, err, "InvalidVpcID.Malformed", "x")

	_ = must[*ec2.ModifyVpcAttributeOutput](t)(dev.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &id,
		EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))
	attr := must[*ec2.DescribeVpcAttributeOutput](t)(dev.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: "enableDnsHostnames"}))
	if !*attr.EnableDnsHostnames.Value {
		t.Fatal("attribute isn't kept")
	}
	subnet := must[*ec2.CreateSubnetOutput](t)(dev.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: aws.String("10.1.1.0/24")}))
	if *subnet.Subnet.AvailableIpAddressCount != 251 || *subnet.Subnet.AvailabilityZoneId != "euw1-az1" {
		t.Fatalf("subnet %+v", subnet.Subnet)
	}
	_, err = dev.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: aws.String("10.1.1.128/25")})
	refused(t, err, "InvalidSubnet.Conflict", "10.1.1.128/25")
	_, err = dev.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: aws.String("10.2.1.0/24")})
	refused(t, err, "InvalidSubnet.Range", "10.2.1.0/24")
	_, err = dev.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id})
	refused(t, err, "DependencyViolation", "has dependencies and cannot be deleted")
	_ = must[*ec2.DeleteSubnetOutput](t)(dev.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: subnet.Subnet.SubnetId}))
	_ = must[*ec2.DeleteVpcOutput](t)(dev.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id}))
	groups := must[*ec2.DescribeSecurityGroupsOutput](t)(dev.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{}))
	tables := must[*ec2.DescribeRouteTablesOutput](t)(dev.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{}))
	if len(groups.SecurityGroups)+len(tables.RouteTables) != 0 {
		t.Fatal("the VPC left something behind")
	}
}

func TestPaging(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	var want []string
	for range 12 {
		want = append(want, c.vpc(dev, "10.0.0.0/16"))
	}
	var got []string
	pages := ec2.NewDescribeVpcsPaginator(dev, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(5)})
	n := 0
	for pages.HasMorePages() {
		page := must[*ec2.DescribeVpcsOutput](t)(pages.NextPage(ctx))
		n++
		for _, v := range page.Vpcs {
			got = append(got, *v.VpcId)
		}
	}
	slices.Sort(want)
	if n != 3 || !slices.Equal(got, want) {
		t.Fatalf("%d pages: %v, want %v", n, got, want)
	}
	_, err := dev.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(5), VpcIds: want[:1]})
	refused(t, err, "InvalidParameterCombination", "")
}

// An unkind sandbox pages by two and shows some things late, but in the end all.
func TestLateDescriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := stillCloud(t, sandbox.Options{Unkind: true, Seed: 3})
		dev := c.ec2(managementAccount, "eu-west-1") // a role would not be assumable yet
		for range 20 {
			c.vpc(dev, "10.0.0.0/16")
		}
		for late := false; ; late = true {
			got := map[string]bool{}
			for pages := ec2.NewDescribeVpcsPaginator(dev, &ec2.DescribeVpcsInput{}); pages.HasMorePages(); {
				page := must[*ec2.DescribeVpcsOutput](t)(pages.NextPage(ctx))
				if len(page.Vpcs) > 2 {
					t.Fatalf("%d on a page", len(page.Vpcs))
				}
				for _, v := range page.Vpcs {
					got[*v.VpcId] = true
				}
			}
			if len(got) == 20 {
				if !late {
					t.Error("everything was seen at once")
				}
				return
			}
			time.Sleep(pollTime)
		}
	})
}

func TestRoutes(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	id := c.vpc(dev, "10.0.0.0/16")
	table := must[*ec2.CreateRouteTableOutput](t)(dev.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &id})).RouteTable.RouteTableId
	gateway := must[*ec2.CreateInternetGatewayOutput](t)(dev.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})).InternetGateway.InternetGatewayId
	route := &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: gateway}
	_, err := dev.CreateRoute(ctx, route)
	refused(t, err, "InvalidParameterValue", "belong to different networks")
	_ = must[*ec2.AttachInternetGatewayOutput](t)(dev.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{VpcId: &id, InternetGatewayId: gateway}))
	_ = must[*ec2.CreateRouteOutput](t)(dev.CreateRoute(ctx, route))
	_, err = dev.CreateRoute(ctx, route)
	refused(t, err, "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists.")
	_, err = dev.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("10.0.7.0/24"), GatewayId: gateway})
	refused(t, err, "InvalidParameterValue", "equal to or more specific")
	_, err = dev.ReplaceRoute(ctx, &ec2.ReplaceRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("10.9.0.0/16"), GatewayId: gateway})
	refused(t, err, "InvalidParameterValue", "Use CreateRoute instead")
	_, err = dev.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("10.9.0.0/16")})
	refused(t, err, "InvalidRoute.NotFound", "10.9.0.0/16")

	_ = must[*ec2.DetachInternetGatewayOutput](t)(dev.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{VpcId: &id, InternetGatewayId: gateway}))
	_ = must[*ec2.DeleteInternetGatewayOutput](t)(dev.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: gateway}))
	out := must[*ec2.DescribeRouteTablesOutput](t)(dev.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{*table}}))
	routes := out.RouteTables[0].Routes
	if len(routes) != 2 || *routes[0].GatewayId != "local" || routes[1].State != types.RouteStateBlackhole {
		t.Fatalf("routes %+v", routes)
	}

	subnet := must[*ec2.CreateSubnetOutput](t)(dev.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: aws.String("10.0.1.0/24")})).Subnet.SubnetId
	a := must[*ec2.AssociateRouteTableOutput](t)(dev.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: subnet}))
	second := must[*ec2.CreateRouteTableOutput](t)(dev.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &id})).RouteTable.RouteTableId
	_, err = dev.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: second, SubnetId: subnet})
	refused(t, err, "Resource.AlreadyAssociated", "")
	_, err = dev.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table})
	refused(t, err, "DependencyViolation", "")
	b := must[*ec2.ReplaceRouteTableAssociationOutput](t)(dev.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{
		AssociationId: a.AssociationId, RouteTableId: second}))
	if *b.NewAssociationId == *a.AssociationId {
		t.Fatal("association kept its id")
	}
	_ = must[*ec2.DeleteRouteTableOutput](t)(dev.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table}))
}

func TestSecurityGroups(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	id := c.vpc(dev, "10.0.0.0/16")
	create := &ec2.CreateSecurityGroupInput{VpcId: &id, GroupName: aws.String("web"), Description: aws.String("web servers")}
	web := must[*ec2.CreateSecurityGroupOutput](t)(dev.CreateSecurityGroup(ctx, create)).GroupId
	_, err := dev.CreateSecurityGroup(ctx, create)
	refused(t, err, "InvalidGroup.Duplicate", "already exists for VPC")
	db := must[*ec2.CreateSecurityGroupOutput](t)(dev.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &id, GroupName: aws.String("db"), Description: aws.String("db")})).GroupId
	rule := &ec2.AuthorizeSecurityGroupIngressInput{GroupId: db, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432),
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: web, Description: aws.String("from web")}},
		IpRanges:         []types.IpRange{{CidrIp: aws.String("10.0.0.0/16")}}}}}
	added := must[*ec2.AuthorizeSecurityGroupIngressOutput](t)(dev.AuthorizeSecurityGroupIngress(ctx, rule))
	if len(added.SecurityGroupRules) != 2 {
		t.Fatalf("rules %+v", added.SecurityGroupRules)
	}
	_, err = dev.AuthorizeSecurityGroupIngress(ctx, rule)
	refused(t, err, "InvalidPermission.Duplicate", "already exists")
	_, err = dev.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: web})
	refused(t, err, "DependencyViolation", "has a dependent object")
	shown := must[*ec2.DescribeSecurityGroupsOutput](t)(dev.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*db}}))
	in := shown.SecurityGroups[0].IpPermissions
	if len(in) != 1 || *in[0].UserIdGroupPairs[0].Description != "from web" || len(shown.SecurityGroups[0].IpPermissionsEgress) != 1 {
		t.Fatalf("permissions %+v", in)
	}
	_ = must[*ec2.RevokeSecurityGroupIngressOutput](t)(dev.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: db, IpPermissions: rule.IpPermissions}))
	_, err = dev.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: db, IpPermissions: rule.IpPermissions})
	refused(t, err, "InvalidPermission.NotFound", "")
	_ = must[*ec2.DeleteSecurityGroupOutput](t)(dev.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: web}))
}

func TestTags(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	id := c.vpc(dev, "10.0.0.0/16")
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	_ = must[*ec2.CreateTagsOutput](t)(dev.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("a", "1"), tag("b", "2")}}))
	_ = must[*ec2.DeleteTagsOutput](t)(dev.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("a", "other"), {Key: aws.String("b")}}}))
	out := must[*ec2.DescribeTagsOutput](t)(dev.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-type"), Values: []string{"vpc"}}}}))
	if len(out.Tags) != 1 || *out.Tags[0].Key != "a" || *out.Tags[0].ResourceId != id {
		t.Fatalf("tags %+v", out.Tags)
	}
	_, err := dev.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("aws:x", "1")}})
	refused(t, err, "InvalidParameterValue", "reserved for internal use")
	_, err = dev.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{"subnet-0"}, Tags: []types.Tag{tag("x", "1")}})
	refused(t, err, "InvalidSubnetID.NotFound", "subnet-0")
}

func TestRegions(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	usable := must[*ec2.DescribeRegionsOutput](t)(dev.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}))
	all := must[*ec2.DescribeRegionsOutput](t)(dev.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true)}))
	if len(usable.Regions) != 17 || len(all.Regions) < 33 {
		t.Fatalf("%d usable regions of %d", len(usable.Regions), len(all.Regions))
	}
	zones := must[*ec2.DescribeAvailabilityZonesOutput](t)(dev.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{}))
	if len(zones.AvailabilityZones) != 3 || *zones.AvailabilityZones[2].ZoneName != "eu-west-1c" {
		t.Fatalf("zones %+v", zones.AvailabilityZones)
	}
}

func TestNATGateway(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.ec2(devAccount, "eu-west-1")
	id := c.vpc(dev, "10.0.0.0/16")
	subnet := must[*ec2.CreateSubnetOutput](t)(dev.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: aws.String("10.0.1.0/24")})).Subnet.SubnetId
	address := must[*ec2.AllocateAddressOutput](t)(dev.AllocateAddress(ctx, &ec2.AllocateAddressInput{})).AllocationId
	nat := must[*ec2.CreateNatGatewayOutput](t)(dev.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: subnet, AllocationId: address})).NatGateway.NatGatewayId
	_, err := dev.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address})
	refused(t, err, "InvalidIPAddress.InUse", "")
	w := ec2.NewNatGatewayAvailableWaiter(dev)
	if err := w.Wait(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*nat}}, forever); err != nil {
		t.Fatal(err)
	}
	_ = must[*ec2.DeleteNatGatewayOutput](t)(dev.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: nat}))
	_ = must[*ec2.ReleaseAddressOutput](t)(dev.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address}))
}
