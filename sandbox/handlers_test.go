package sandbox_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"axle/sandbox"
)

// The permissions that the registry names for the handlers of a template's
// types are enough to deploy, change and delete it.
func TestHandlersSuffice(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	body, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.in(devAccount, "eu-west-1")
	client, people := cloudformation.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	actions := []string{"ec2:DescribeAvailabilityZones"} // of Fn::GetAZs
	for _, m := range regexp.MustCompile(`Type: (AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)`).FindAllStringSubmatch(string(body), -1) {
		out := must[*cloudformation.DescribeTypeOutput](t)(client.DescribeType(ctx, &cloudformation.DescribeTypeInput{Type: cfn.RegistryTypeResource, TypeName: aws.String(m[1])}))
		var schema struct {
			Handlers map[string]struct{ Permissions []string }
		}
		if err := json.Unmarshal([]byte(*out.Schema), &schema); err != nil {
			t.Fatal(err)
		}
		for _, h := range schema.Handlers {
			actions = append(actions, h.Permissions...)
		}
	}
	slices.Sort(actions)
	actions = slices.Compact(actions)
	// A managed policy can't hold them all.
	var arns []string
	for part := range slices.Chunk(actions, 100) {
		doc := document(`{"Effect":"Allow","Resource":"*","Action":["` + strings.Join(part, `","`) + `"]}`)
		name := aws.String("handlers-" + strings.ReplaceAll(part[0], ":", "-"))
		arns = append(arns, *must[*iam.CreatePolicyOutput](t)(people.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: &doc})).Policy.Arn)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudformation.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role := must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Execution"), AssumeRolePolicyDocument: &trust})).Role.Arn
	for _, arn := range arns {
		must[*iam.AttachRolePolicyOutput](t)(people.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("Execution"), PolicyArn: &arn}))
	}
	far, peer := c.vpc(c.ec2(qaAccount, "us-east-1"), "10.2.0.0/16"), c.peerRole()
	parameters := func(revision string) []cfn.Parameter {
		var out []cfn.Parameter
		for k, v := range map[string]string{"Revision": revision, "PeerVpc": far, "PeerOwner": qaAccount, "PeerRole": peer} {
			out = append(out, cfn.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(v)})
		}
		return out
	}
	name, capabilities := aws.String("Everything"), []cfn.Capability{cfn.CapabilityCapabilityNamedIam}
	must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, RoleARN: role,
		TemplateBody: aws.String(string(body)), Parameters: parameters("1"), Capabilities: capabilities}))
	outputs(t, client, *name, "CREATE_COMPLETE")
	must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name,
		UsePreviousTemplate: aws.Bool(true), Parameters: parameters("2"), Capabilities: capabilities}))
	outputs(t, client, *name, "UPDATE_COMPLETE")
	must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	listed := must[*cloudformation.ListStacksOutput](t)(client.ListStacks(ctx, &cloudformation.ListStacksInput{}))
	outputs(t, client, *listed.StackSummaries[0].StackId, "DELETE_COMPLETE")
}
