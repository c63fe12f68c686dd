package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// outputs waits for a stack and gives its outputs, or says what failed.
func outputs(t *testing.T, client *cloudformation.Client, stack, want string) map[string]string {
	t.Helper()
	ctx := context.Background()
	for ; ; time.Sleep(pollTime) {
		out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
		if err != nil {
			t.Fatal(err)
		}
		s := out.Stacks[0]
		if string(s.StackStatus) == want {
			values := map[string]string{}
			for _, o := range s.Outputs {
				values[*o.OutputKey] = *o.OutputValue
			}
			return values
		}
		if !strings.HasSuffix(string(s.StackStatus), "IN_PROGRESS") {
			events, err := client.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events.StackEvents {
				if strings.HasSuffix(string(e.ResourceStatus), "FAILED") {
					t.Logf("%s %s: %s", *e.LogicalResourceId, e.ResourceStatus, aws.ToString(e.ResourceStatusReason))
				}
			}
			t.Fatalf("stack is %s, want %s", s.StackStatus, want)
		}
	}
}

// Every type is created, updated in place or by replacement, and removed, and
// nothing is left.
func TestProviders(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	body, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	far := c.vpc(c.ec2(qaAccount, "us-east-1"), "10.2.0.0/16")
	role := c.peerRole()
	parameters := func(revision string) []cfn.Parameter {
		var out []cfn.Parameter
		for k, v := range map[string]string{"Revision": revision, "PeerVpc": far, "PeerOwner": qaAccount, "PeerRole": role} {
			out = append(out, cfn.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(v)})
		}
		return out
	}
	cfg := c.in(devAccount, "eu-west-1")
	client := cloudformation.NewFromConfig(cfg)
	name := aws.String("Everything")
	capabilities := []cfn.Capability{cfn.CapabilityCapabilityNamedIam}
	tags := func(v string) []cfn.Tag { return []cfn.Tag{{Key: aws.String(v), Value: aws.String(v)}} }
	_ = must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name,
		TemplateBody: aws.String(string(body)), Parameters: parameters("1"), Capabilities: capabilities, Tags: tags("one")}))
	first := outputs(t, client, *name, "CREATE_COMPLETE")
	for k, pattern := range map[string]string{
		"VpcId": `^vpc-[0-9a-f]{17}$`, "DefaultGroup": `^sg-`, "Zone": `^eu-west-1b$`, "SubnetCidr": `^10\.1\.0\.0/24$`,
		"Address": `^198\.`, "Nat": `^nat-`, "Attachment": `^IGW\|vpc-`, "Route": `^rtb-[0-9a-f]+\|0\.0\.0\.0/0$`,
		"Association": `^rtbassoc-`, "Peering": `^pcx-`, "Topic": `^arn:aws:sns:eu-west-1:222222222222:Everything-Topic-[A-Z0-9]{12}$`,
		"TopicName": `^Everything-Topic-`, "Parameter": `^CFN-Parameter-`, "ParameterValue": `^1$`, "Role": `^Everything-Role-[A-Z0-9]{12}$`,
		"RoleArn": `^arn:aws:iam::222222222222:role/Everything-Role-`, "Managed": `^arn:aws:iam::222222222222:policy/Everything-Managed-`,
		"Oidc":        `^arn:aws:iam::222222222222:oidc-provider/oidc\.eks\.eu-west-1\.amazonaws\.com/id/everything$`,
		"WebEndpoint": `^https://[0-9a-f]{10}\.execute-api\.eu-west-1\.amazonaws\.com$`, "WebStage": `^\$default$`, "RestRoot": `^[0-9a-f]{10}$`, "RestStage": `^prod$`, "RestMethod": `^[0-9a-f]{10}\|[0-9a-f]{6}\|GET$`,
		"Schedule":     `^arn:aws:scheduler:eu-west-1:222222222222:schedule/default/Everything-Schedule-[A-Z0-9]{12}$`,
		"FunctionName": `^Everything-Function-[A-Z0-9]{12}$`, "FunctionUrl": `^https://[0-9a-f]{32}\.lambda-url\.eu-west-1\.on\.aws/$`, "FunctionPermission": `^Everything-FunctionPermission-`,
		"BusRule": `^everything\|Everything-BusRule-[A-Z0-9]{12}$`, "BusRuleArn": `^arn:aws:events:eu-west-1:222222222222:rule/everything/Everything-BusRule-`, "Timer": `^Everything-Timer-[A-Z0-9]{12}$`,
		"Bucket": `^everything-bucket-[a-z0-9]{12}$`, "BucketDomain": `\.s3\.eu-west-1\.amazonaws\.com$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(first[k]) {
			t.Errorf("output %s = %q, want %s", k, first[k], pattern)
		}
	}
	net := ec2.NewFromConfig(cfg)
	if p := seen(t, net, first["Peering"]); p.Status.Code != "active" {
		t.Errorf("peering %+v", p.Status)
	}
	vpcTags := func() string {
		out := must[*ec2.DescribeVpcsOutput](t)(net.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{first["VpcId"]}}))
		var s []string
		for _, tag := range out.Vpcs[0].Tags {
			if !strings.HasPrefix(*tag.Key, "aws:") {
				s = append(s, *tag.Key+"="+*tag.Value)
			}
		}
		return strings.Join(s, " ")
	}
	if got := vpcTags(); got != "Name=vpc-1 one=one" {
		t.Errorf("tags %s", got)
	}

	_ = must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name,
		UsePreviousTemplate: aws.Bool(true), Parameters: parameters("2"), Capabilities: capabilities, Tags: tags("two")}))
	second := outputs(t, client, *name, "UPDATE_COMPLETE")
	for k := range first {
		changed := first[k] != second[k]
		if replaced := k == "Association" || k == "ParameterValue"; changed != replaced {
			t.Errorf("output %s: %q, then %q", k, first[k], second[k])
		}
	}
	if got := vpcTags(); got != "Name=vpc-2 two=two" {
		t.Errorf("tags %s", got)
	}
	trusted := must[*iam.GetOpenIDConnectProviderOutput](t)(iam.NewFromConfig(cfg).GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(second["Oidc"])}))
	if got := strings.Join(trusted.ClientIDList, " "); got != "sts.amazonaws.com client-2" || len(trusted.ThumbprintList) != 1 {
		t.Errorf("identity provider: %+v", trusted)
	}
	groups := must[*ec2.DescribeSecurityGroupsOutput](t)(net.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("ip-permission.from-port"), Values: []string{"8443"}}}}))
	if len(groups.SecurityGroups) != 1 {
		t.Errorf("the inline rule didn't change: %+v", groups.SecurityGroups)
	}

	_ = must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	listed := must[*cloudformation.ListStacksOutput](t)(client.ListStacks(ctx, &cloudformation.ListStacksInput{}))
	outputs(t, client, *listed.StackSummaries[0].StackId, "DELETE_COMPLETE")
	if left := c.left(devAccount, "eu-west-1"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// peerRole makes a role of the qa account that accepts peering connections.
func (c *cloud) peerRole() string {
	c.t.Helper()
	ctx, client := context.Background(), iam.NewFromConfig(c.in(qaAccount, "us-east-1"))
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}]}`, devAccount)
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:AcceptVpcPeeringConnection","Resource":"*"}]}`
	out := must[*iam.CreateRoleOutput](c.t)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Peer"), AssumeRolePolicyDocument: &trust}))
	_ = must[*iam.PutRolePolicyOutput](c.t)(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("Peer"), PolicyName: aws.String("accept"), PolicyDocument: &allow}))
	return *out.Role.Arn
}

// left names what an account still has of the types that providers make.
func (c *cloud) left(account, region string) string {
	c.t.Helper()
	ctx, cfg := context.Background(), c.in(account, region)
	net, out := ec2.NewFromConfig(cfg), []string{}
	count := func(what string, n int) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	count("VPCs", len(must[*ec2.DescribeVpcsOutput](c.t)(net.DescribeVpcs(ctx, nil)).Vpcs))
	count("subnets", len(must[*ec2.DescribeSubnetsOutput](c.t)(net.DescribeSubnets(ctx, nil)).Subnets))
	count("route tables", len(must[*ec2.DescribeRouteTablesOutput](c.t)(net.DescribeRouteTables(ctx, nil)).RouteTables))
	count("security groups", len(must[*ec2.DescribeSecurityGroupsOutput](c.t)(net.DescribeSecurityGroups(ctx, nil)).SecurityGroups))
	count("internet gateways", len(must[*ec2.DescribeInternetGatewaysOutput](c.t)(net.DescribeInternetGateways(ctx, nil)).InternetGateways))
	count("addresses", len(must[*ec2.DescribeAddressesOutput](c.t)(net.DescribeAddresses(ctx, nil)).Addresses))
	count("tags", len(must[*ec2.DescribeTagsOutput](c.t)(net.DescribeTags(ctx, &ec2.DescribeTagsInput{
		Filters: []types.Filter{{Name: aws.String("resource-type"), Values: []string{"vpc", "subnet", "route-table", "security-group"}}}})).Tags))
	count("topics", len(must[*sns.ListTopicsOutput](c.t)(sns.NewFromConfig(cfg).ListTopics(ctx, nil)).Topics))
	count("parameters", len(must[*ssm.DescribeParametersOutput](c.t)(ssm.NewFromConfig(cfg).DescribeParameters(ctx, nil)).Parameters))
	count("buckets", len(must[*s3.ListBucketsOutput](c.t)(s3.NewFromConfig(cfg).ListBuckets(ctx, nil)).Buckets))
	count("identity providers", len(must[*iam.ListOpenIDConnectProvidersOutput](c.t)(iam.NewFromConfig(cfg).ListOpenIDConnectProviders(ctx, nil)).OpenIDConnectProviderList))
	bridge := eventbridge.NewFromConfig(cfg)
	count("rules", len(must[*eventbridge.ListRulesOutput](c.t)(bridge.ListRules(ctx, &eventbridge.ListRulesInput{})).Rules))
	count("buses", len(must[*eventbridge.ListEventBusesOutput](c.t)(bridge.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{})).EventBuses)-1)
	count("REST APIs", len(must[*apigateway.GetRestApisOutput](c.t)(apigateway.NewFromConfig(cfg).GetRestApis(ctx, &apigateway.GetRestApisInput{})).Items))
	count("HTTP APIs", len(must[*apigatewayv2.GetApisOutput](c.t)(apigatewayv2.NewFromConfig(cfg).GetApis(ctx, &apigatewayv2.GetApisInput{})).Items))
	roles := must[*iam.ListRolesOutput](c.t)(iam.NewFromConfig(cfg).ListRoles(ctx, nil)).Roles
	for _, r := range roles {
		if *r.RoleName != "OrganizationAccountAccessRole" {
			out = append(out, "role "+*r.RoleName)
		}
	}
	return strings.Join(out, ", ")
}
