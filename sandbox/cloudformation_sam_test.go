package sandbox_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"axle/sandbox"
)

const serverless = `
Transform: AWS::Serverless-2016-10-31
Description: A function, a queue and a table
Parameters: {Text: {Type: String, Default: one}, Alias: {Type: String, Default: live}}
Globals: {Function: {Timeout: 7, Runtime: python3.12, Handler: index.handler}}
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: !Sub "def handler(e, c): return '${Text}'"
      AutoPublishAlias: !Ref Alias
      Policies: [DynamoDBReadPolicy: {TableName: !Ref Table}]
      Events: {Topic: {Type: SNS, Properties: {Topic: !Ref Topic}}}
  Table: {Type: AWS::Serverless::SimpleTable}
  Topic: {Type: AWS::SNS::Topic}
Outputs: {Alias: {Value: !Ref Worker.Alias}, Text: {Value: !Ref Text}}
`

// samSet makes a change set and waits for it.
func (t *cfnTest) samSet(kind types.ChangeSetType, name, body string, params ...string) *cf.DescribeChangeSetOutput {
	t.Helper()
	in := &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: &name, ChangeSetType: kind, Parameters: pairs(params),
		Capabilities: []types.Capability{types.CapabilityCapabilityIam}}
	if body == "" {
		in.UsePreviousTemplate = aws.Bool(true)
	} else {
		in.TemplateBody = &body
	}
	made, err := t.CreateChangeSet(t.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	for {
		out, err := t.DescribeChangeSet(t.ctx, &cf.DescribeChangeSetInput{ChangeSetName: made.Id})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status == types.ChangeSetStatusCreateComplete || out.Status == types.ChangeSetStatusFailed {
			return out
		}
	}
}

func changedTypes(set *cf.DescribeChangeSetOutput) []string {
	var out []string
	for _, c := range set.Changes {
		out = append(out, string(c.ResourceChange.Action)+" "+aws.ToString(c.ResourceChange.ResourceType))
	}
	slices.Sort(out)
	return out
}

// TestServerless: a change set shows what the transform makes, an update with
// the template that is there transforms it anew with other parameters.
func TestServerless(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	set := t.samSet(types.ChangeSetTypeCreate, "one", serverless)
	want := []string{"Add AWS::DynamoDB::Table", "Add AWS::IAM::Role", "Add AWS::Lambda::Alias", "Add AWS::Lambda::Function", "Add AWS::Lambda::Permission",
		"Add AWS::Lambda::Version", "Add AWS::SNS::Subscription", "Add AWS::SNS::Topic"}
	if got := changedTypes(set); !slices.Equal(got, want) {
		t.Fatalf("changes %v, %s", got, aws.ToString(set.StatusReason))
	}
	execute := func(id *string) {
		t.Helper()
		if _, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: id}); err != nil {
			t.Fatal(err)
		}
	}
	execute(set.ChangeSetId)
	st := t.want(t.settled("s"), "CREATE_COMPLETE")
	if v := t.output(st, "Alias"); !strings.HasSuffix(v, ":live") {
		t.Errorf("alias %q", v)
	}
	set = t.samSet(types.ChangeSetTypeUpdate, "same", "")
	if set.Status != types.ChangeSetStatusFailed || !strings.HasPrefix(aws.ToString(set.StatusReason), "The submitted information didn't contain changes.") {
		t.Errorf("no change: %s %s", set.Status, aws.ToString(set.StatusReason))
	}
	set = t.samSet(types.ChangeSetTypeUpdate, "two", "", "Text=two")
	want = []string{"Add AWS::Lambda::Version", "Modify AWS::Lambda::Alias", "Modify AWS::Lambda::Function", "Remove AWS::Lambda::Version"}
	if got := changedTypes(set); !slices.Equal(got, want) {
		t.Errorf("changes %v, %s", got, aws.ToString(set.StatusReason))
	}
	execute(set.ChangeSetId)
	t.want(t.settled("s"), "UPDATE_COMPLETE")
	for stage, part := range map[types.TemplateStage]string{types.TemplateStageOriginal: "AWS::Serverless::Function", types.TemplateStageProcessed: "AWS::Lambda::Function"} {
		out, err := t.GetTemplate(t.ctx, &cf.GetTemplateInput{StackName: aws.String("s"), TemplateStage: stage})
		if err != nil || !strings.Contains(*out.TemplateBody, part) {
			t.Errorf("%s: %v %s", stage, err, aws.ToString(out.TemplateBody))
		}
		if stage == types.TemplateStageProcessed && (!json.Valid([]byte(*out.TemplateBody)) || strings.Contains(*out.TemplateBody, "Transform")) {
			t.Errorf("processed: %s", *out.TemplateBody)
		}
	}
	sum, err := t.GetTemplateSummary(t.ctx, &cf.GetTemplateSummaryInput{StackName: aws.String("s")})
	if err != nil || !slices.Contains(sum.ResourceTypes, "AWS::Serverless::SimpleTable") || !slices.Equal(sum.DeclaredTransforms, []string{"AWS::Serverless-2016-10-31"}) {
		t.Errorf("summary: %v %+v", err, sum)
	}
}

// TestServerlessCapabilities: roles are acknowledged always, the transform where
// no change set shows what it makes.
func TestServerlessCapabilities(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	_, err := t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(serverless)})
	t.refused(err, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(serverless)})
	t.refused(err, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM, CAPABILITY_AUTO_EXPAND]")
	out, err := t.ValidateTemplate(t.ctx, &cf.ValidateTemplateInput{TemplateBody: aws.String(serverless)})
	if err != nil || !slices.Contains(out.Capabilities, types.CapabilityCapabilityAutoExpand) || len(out.Parameters) != 2 {
		t.Errorf("validate: %v %+v", err, out)
	}
	t.want(t.withExpand().create("direct", serverless), "CREATE_COMPLETE")

	url := t.upload("child.yaml", "Transform: AWS::Serverless-2016-10-31\nResources: {T: {Type: AWS::Serverless::SimpleTable}}\n")
	parent := "Resources: {Child: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: '" + url + "'}}}\n"
	st := t.create("without", parent)
	t.want(st, "ROLLBACK_COMPLETE")
	if h := strings.Join(t.history("without"), "\n"); !strings.Contains(h, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]") {
		t.Errorf("events:\n%s", h)
	}
	t.want(t.withExpand().create("with", parent), "CREATE_COMPLETE")

	nested := "Transform: AWS::Serverless-2016-10-31\nResources: {App: {Type: AWS::Serverless::Application, Properties: {Location: '" + url + "'}}}\n"
	_, err = t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("n"), ChangeSetName: aws.String("c"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: &nested})
	t.refused(err, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
	t.want(t.withExpand().create("nested", nested), "CREATE_COMPLETE")
}

// TestServerlessRefused: what the transform refuses fails the change set, in its words.
func TestServerlessRefused(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	for name, c := range map[string][2]string{
		"handler":     {"{F: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, InlineCode: x}}}", "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. Runtime and Handler needs to be present when PackageType is of type `Zip`"},
		"unknown":     {"{A: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: x}}}", "Resource with id [A] is invalid. Resources of type AWS::Serverless::StateMachine are not supported by this version of the sandbox."},
		"connectors":  {"{T: {Type: AWS::Serverless::SimpleTable, Connectors: {}}}", "Resource with id [T] is invalid. Connectors are not supported by this version of the sandbox."},
		"types":       {"{T: {Type: AWS::No::Such}, U: {Type: AWS::Serverless::SimpleTable}}", "Template format error: Unrecognized resource types: [AWS::No::Such]"},
		"unresolved":  {"{T: {Type: AWS::Serverless::SimpleTable, Properties: {TableName: !Ref Nobody}}}", "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template"},
		"deployments": {"{F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: python3.12, InlineCode: x, DeploymentPreference: {Type: AllAtOnce}}}}", "DeploymentPreference is not supported by this version of the sandbox, unless Enabled is false."},
	} {
		set := t.samSet(types.ChangeSetTypeCreate, name, "Transform: AWS::Serverless-2016-10-31\nResources: "+c[0])
		if set.Status != types.ChangeSetStatusFailed || !strings.Contains(aws.ToString(set.StatusReason), c[1]) {
			t.Errorf("%s: %s %s", name, set.Status, aws.ToString(set.StatusReason))
		}
		_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("direct"), TemplateBody: aws.String("Transform: AWS::Serverless-2016-10-31\nResources: " + c[0]),
			Capabilities: []types.Capability{types.CapabilityCapabilityIam, types.CapabilityCapabilityAutoExpand}})
		t.refused(err, "ValidationError", c[1])
	}
}

// TestServerlessLoops: loops are written out before the transform, and functions
// of AWS::LanguageExtensions work in what it makes.
func TestServerlessLoops(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	st := t.want(t.withExpand().create("s", `
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Resources:
  Fn::ForEach::Tables:
    - Name
    - [Orders, Customers]
    - "${Name}Table": {Type: AWS::Serverless::SimpleTable, Properties: {TableName: !Sub "shop-${Name}"}}
Outputs:
  Both: {Value: !ToJsonString [!Ref OrdersTable, !Ref CustomersTable, !Length [a, b, c]]}
`), "CREATE_COMPLETE")
	if v := t.output(st, "Both"); v != `["shop-Orders","shop-Customers",3]` && v != `["shop-Orders","shop-Customers","3"]` {
		t.Errorf("output %q", v)
	}
}

// TestServerlessStackSet: a set that manages itself takes the transform, in each
// of its instances; one that the service manages doesn't, as on AWS.
func TestServerlessStackSet(tt *testing.T) {
	s := newSets(tt, sandbox.Options{})
	body := "Transform: AWS::Serverless-2016-10-31\nResources: {T: {Type: AWS::Serverless::SimpleTable}}\n"
	_, err := s.CreateStackSet(s.ctx, &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: &body})
	s.refused(err, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
	_, err = s.CreateStackSet(s.ctx, &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityAutoExpand}})
	s.ok(err)
	for _, r := range []struct {
		client    *iam.Client
		name, who string
	}{
		{iam.NewFromConfig(configOf(s.box, s.url)), "AWSCloudFormationStackSetAdministrationRole", `{"Service":"cloudformation.amazonaws.com"}`},
		{iam.NewFromConfig(s.in(a1)), "AWSCloudFormationStackSetExecutionRole", `{"AWS":"arn:aws:iam::111111111111:role/AWSCloudFormationStackSetAdministrationRole"}`},
	} {
		_, err := r.client.CreateRole(s.ctx, &iam.CreateRoleInput{RoleName: &r.name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + r.who + `}]}`)})
		s.ok(err)
		_, err = r.client.AttachRolePolicy(s.ctx, &iam.AttachRolePolicyInput{RoleName: &r.name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
		s.ok(err)
	}
	out, err := s.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), Accounts: []string{a1}, Regions: []string{"eu-west-1"}})
	s.ok(err)
	if op := s.over(*out.OperationId); op.Status != "SUCCEEDED" {
		tt.Errorf("operation %s", op.Status)
	}
	s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED"})
}
