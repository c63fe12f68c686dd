package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"axle/sandbox"
)

// outputs makes a stack whose outputs are the expressions, and gives their values.
func (t *cfnTest) outputs(head string, exprs map[string]string, params ...string) map[string]string {
	t.Helper()
	body := head + "\nResources: {H: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}\nOutputs:\n"
	for k, v := range exprs {
		body += fmt.Sprintf("  %s: {Value: %s}\n", k, v)
	}
	st := t.want(t.create("outputs", body, params...), "CREATE_COMPLETE")
	out := map[string]string{}
	for _, o := range st.Outputs {
		out[*o.OutputKey] = *o.OutputValue
	}
	return out
}

func TestIntrinsics(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	head := `
Transform: AWS::LanguageExtensions
Parameters:
  Env: {Type: String, Default: prod}
  Items: {Type: CommaDelimitedList, Default: "a, b,c"}
  N: {Type: Number, Default: 3}
Mappings: {M: {eu-west-1: {x: ireland, l: [p, q]}}}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  Big: !And [!Condition Prod, !Not [!Equals [!Ref N, "4"]], !Or [!Equals [1, 1], !Equals [1, 2]]]
  Never: !Equals [a, b]
`
	cases := map[string][2]string{
		"join":     {`!Join ["-", !Ref Items]`, "a-b-c"},
		"joinif":   {`!Join [",", [x, !If [Never, y, !Ref "AWS::NoValue"], z]]`, "x,z"},
		"select":   {`!Select [1, !Split ["|", "p|q|r"]]`, "q"},
		"selectp":  {`!Select ["2", !Ref Items]`, "c"},
		"sub":      {`!Sub "${Env}-${AWS::Region}-${!Raw}-${AWS::AccountId}"`, "prod-eu-west-1-${Raw}-111111111111"},
		"submap":   {`!Sub ["${A}/${Env}", {A: !Select [0, !Ref Items]}]`, "a/prod"},
		"subonce":  {`!Sub ["${A}${!A}", {A: "${!B}"}]`, "${!B}${A}"},
		"iff":      {`!If [Big, yes it is, no]`, "yes it is"},
		"find":     {`!FindInMap [M, !Ref "AWS::Region", x]`, "ireland"},
		"findl":    {`!Join ["", !FindInMap [M, eu-west-1, l]]`, "pq"},
		"findd":    {`!FindInMap [M, nowhere, x, {DefaultValue: none}]`, "none"},
		"base64":   {`!Base64 hello`, "aGVsbG8="},
		"cidr":     {`!Join [" ", !Cidr [10.1.0.0/16, 3, 8]]`, "10.1.0.0/24 10.1.1.0/24 10.1.2.0/24"},
		"cidr6":    {`!Select [1, !Cidr ["2001:db8::/56", 2, 64]]`, "2001:db8:0:1::/64"},
		"azs":      {`!Select [0, !GetAZs ""]`, "eu-west-1a"},
		"length":   {`!Length [1, 2, 3]`, "3"},
		"json":     {`!ToJsonString {b: [1, !Ref N], a: "<&>"}`, `{"a":"<&>","b":[1,"3"]}`},
		"number":   {`1.50`, "1.50"},
		"boolean":  {`true`, "true"},
		"account":  {`"012345678901"`, "012345678901"},
		"suffix":   {`!Sub "${AWS::Partition} ${AWS::URLSuffix} ${AWS::StackName}"`, "aws amazonaws.com outputs"},
		"longform": {`{"Fn::Join": ["", ["a", {"Ref": "Env"}]]}`, "aprod"},
		"date":     {`2012-10-17`, "2012-10-17"},
	}
	exprs := map[string]string{}
	for k, c := range cases {
		exprs[k] = c[0]
	}
	got := t.withExpand().outputs(head, exprs)
	for k, c := range cases {
		if got[k] != c[1] {
			t.Errorf("%s: %s gives %q, want %q", k, c[0], got[k], c[1])
		}
	}
}

// withExpand acknowledges transforms too, in create and update.
func (t *cfnTest) withExpand() *cfnTest {
	other := *t
	other.capabilities = append(other.capabilities, types.CapabilityCapabilityAutoExpand)
	return &other
}

func TestParameters(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	body := `
Parameters:
  Env: {Type: String, AllowedValues: [dev, prod]}
  Name: {Type: String, AllowedPattern: "[a-z]+", MinLength: 2, MaxLength: 4, Default: abc}
  Port: {Type: Number, MinValue: 1, MaxValue: 9, Default: 5}
  Word: {Type: String, AllowedPattern: "x.*", ConstraintDescription: must begin with x, Default: x}
  Pass: {Type: String, NoEcho: true, Default: initial}
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "${Pass}-${Port}"}}
`
	for _, c := range []struct{ params, want string }{
		{"", "Parameters: [Env] must have values"},
		{"Env=qa", "Parameter 'Env' must be one of AllowedValues"},
		{"Env=dev Port=2 Env=prod", "Duplicate parameter key: Env"},
		{"Env=dev Nope=1 Nor=2", "Parameters: [Nope, Nor] do not exist in the template"},
		{"Env=dev Name=ABC", "Parameter 'Name' must match pattern [a-z]+"},
		{"Env=dev Name=a", "Parameter 'Name' must contain at least 2 characters"},
		{"Env=dev Name=abcde", "Parameter 'Name' must contain at most 4 characters"},
		{"Env=dev Port=x", "Parameter 'Port' must be a number"},
		{"Env=dev Port=0", "Parameter 'Port' must be a number not less than 1"},
		{"Env=dev Port=10", "Parameter 'Port' must be a number not greater than 9"},
		{"Env=dev Word=y", "Parameter Word failed to satisfy constraint: must begin with x"},
	} {
		_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: &body, Parameters: pairs(strings.Fields(c.params))})
		t.refused(err, "ValidationError", c.want)
	}
	tag := func(value string) types.Tag { return types.Tag{Key: aws.String("team"), Value: &value} }
	twice := &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"), ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: &body,
		Parameters: pairs([]string{"Env=dev"}), Tags: []types.Tag{tag("a"), tag("b")}}
	_, err := t.CreateChangeSet(t.ctx, twice)
	t.refused(err, "ValidationError", "Tags contain duplicate keys; tag keys must be unique")
	twice.Tags, twice.Parameters = nil, pairs([]string{"Env=dev", "Env=dev"})
	_, err = t.CreateChangeSet(t.ctx, twice)
	t.refused(err, "ValidationError", "Duplicate parameter key: Env")
	st := t.want(t.create("s", body, "Env=dev", "Pass=hush"), "CREATE_COMPLETE")
	for _, p := range st.Parameters {
		if *p.ParameterKey == "Pass" && *p.ParameterValue != "****" {
			t.Errorf("the secret shows: %s", *p.ParameterValue)
		}
	}
	events, err := t.DescribeStackEvents(t.ctx, &cf.DescribeStackEventsInput{StackName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.StackEvents {
		if strings.Contains(aws.ToString(e.ResourceProperties), "hush") {
			t.Errorf("the secret shows: %s", *e.ResourceProperties)
		}
	}
	missing := `{"Parameters": {"V": {"Type": "AWS::EC2::VPC::Id"}}, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}`
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("v"), TemplateBody: &missing, Parameters: pairs([]string{"V=vpc-0123456789abcdef0"})})
	t.refused(err, "ValidationError", "Parameter validation failed: parameter value vpc-0123456789abcdef0 for parameter name V does not exist")
}

func TestParameterStore(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	store := ssm.NewFromConfig(configOf(t.box, t.url))
	for i, v := range []string{"one", "two"} {
		if _, err := store.PutParameter(t.ctx, &ssm.PutParameterInput{Name: aws.String("/a/b"), Value: &v, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(i > 0)}); err != nil {
			t.Fatal(err)
		}
	}
	body := `
Parameters: {P: {Type: "AWS::SSM::Parameter::Value<String>", Default: /a/b}}
Resources:
  A: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "{{resolve:ssm:/a/b:1}} {{resolve:ssm:/a/b}} ${P}"}}
  B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /out, Value: !GetAtt A.Value}}
`
	st := t.want(t.create("s", body), "CREATE_COMPLETE")
	if aws.ToString(st.Parameters[0].ResolvedValue) != "two" || *st.Parameters[0].ParameterValue != "/a/b" {
		t.Errorf("parameter: %+v", st.Parameters[0])
	}
	got, err := store.GetParameter(t.ctx, &ssm.GetParameterInput{Name: aws.String("/out")})
	if err != nil || *got.Parameter.Value != "one two two" {
		t.Errorf("resolved: %v %v", got, err)
	}
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("n"), TemplateBody: &body, Parameters: pairs([]string{"P=/nowhere"})})
	t.refused(err, "ValidationError", "Unable to fetch parameters [/nowhere] from parameter store for this account.")
	secret := `{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "{{resolve:ssm-secure:/x:1}}"}}}}`
	t.want(t.create("secure", secret), "ROLLBACK_COMPLETE")
}

func TestTemplatesRefused(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	for _, c := range []struct{ body, code, want string }{
		{"Resources: {", "ValidationError", "Template format error: YAML not well-formed."},
		{`{"Resources": {`, "ValidationError", "Template format error: JSON not well-formed. (line 1"},
		{"hello", "ValidationError", "Template format error: unsupported structure."},
		{"Description: x", "ValidationError", "Template format error: At least one Resources member must be defined."},
		{"Resurces: {}\nResources: {}", "ValidationError", "Invalid template property or properties [Resurces]"},
		{"Resources: {T: {Properties: {}}}", "ValidationError", "Template format error: [/Resources/T] Every Resources object must contain a Type member."},
		{"Resources: {T: {Type: AWS::No::Such}, U: {Type: 'Foo::Bar'}}", "ValidationError", "Template format error: Unrecognized resource types: [AWS::No::Such, Foo::Bar]"},
		{"Resources: {a-b: {Type: AWS::SNS::Topic}}", "ValidationError", "Template format error: Resource name a-b is non alphanumeric."},
		{"Resources: {T: {Type: AWS::SNS::Topic, Props: {}}}", "ValidationError", "Invalid template resource property 'Props'"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref X}, DependsOn: Y}}", "ValidationError", "Template format error: Unresolved resource dependencies [X, Y] in the Resources block of the template"},
		{"Resources: {T: {Type: AWS::SNS::Topic}}\nOutputs: {O: {Value: !Ref X}}", "ValidationError", "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !GetAtt X.Y}}}", "ValidationError", "Template error: instance of Fn::GetAtt references undefined resource X"},
		{"Resources: {T: {Type: AWS::SNS::Topic}}\nOutputs: {O: {Value: !GetAtt T.Nope}}", "ValidationError", "Template error: resource T does not support attribute type Nope in Fn::GetAtt"},
		{"Resources: {A: {Type: AWS::SNS::Topic, DependsOn: B}, B: {Type: AWS::SNS::Topic, DependsOn: A}, C: {Type: AWS::SNS::Topic, DependsOn: A}}", "ValidationError", "Circular dependency between resources: [A, B]"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: null}}}", "ValidationError", "[/Resources/T/Properties/DisplayName] 'null' values are not allowed in templates"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Condition: C}}", "ValidationError", "Unresolved condition dependency C in the Resources block"},
		{"Conditions: {C: !Equals [!Ref T, x]}\nResources: {T: {Type: AWS::SNS::Topic}}", "ValidationError", "Template format error: Unresolved dependencies [T]. Cannot reference resources in the Conditions block of the template"},
		{"Parameters: {P: {Default: x}}\nResources: {T: {Type: AWS::SNS::Topic}}", "ValidationError", "Template format error: Every Parameters object must contain a Type member."},
		{"Transform: Mine\nResources: {T: {Type: AWS::SNS::Topic}}", "ValidationError", "No transform named Mine found."},
		{"Globals: {}\nResources: {T: {Type: AWS::SNS::Topic}}", "ValidationError", "Invalid template property or properties [Globals]"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub 'a${}'}}}", "ValidationError", "Template error: variable names in Fn::Sub syntax must contain only"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Select [3, [a, b]]}}}", "ValidationError", "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{"Mappings: {M: {a: {b: c}}}\nResources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !FindInMap [M, a, x]}}}", "ValidationError", "Template error: Unable to get mapping for M::a::x"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: {'Fn::GetStackOutput': {}}}}}", "ValidationError", "Fn::GetStackOutput requires StackName and OutputName"},
		{"Conditions: {C: !Equals [{'Fn::GetStackOutput': {StackName: s, OutputName: o}}, x]}\nResources: {T: {Type: AWS::SNS::Topic}}", "ValidationError", "Cannot use Fn::GetStackOutput in Conditions"},
		{"Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: {'Fn::GetStackOutput': {StackName: nobody, OutputName: o}}}}}", "ValidationError", "Stack with id nobody does not exist"},
		{"Resources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Statement: []}}}}", "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"},
		{"Resources: {R: {Type: AWS::IAM::Role, Properties: {RoleName: r, AssumeRolePolicyDocument: {Statement: []}}}}", "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"},
		{"# " + strings.Repeat("x", 51_200), "ValidationError", "at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"},
	} {
		_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(c.body)})
		t.refused(err, c.code, c.want)
	}
	_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s_1"), TemplateBody: aws.String(chain)})
	t.refused(err, "ValidationError", "at 'stackName' failed to satisfy constraint")
}

func TestValidateTemplate(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	out, err := t.ValidateTemplate(t.ctx, &cf.ValidateTemplateInput{TemplateBody: aws.String(topicTemplate)})
	if err != nil || *out.Description != "a topic and a parameter" || *out.Parameters[0].DefaultValue != "hello" {
		t.Errorf("validated: %+v %v", out, err)
	}
	role := "Resources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}}"
	sum, err := t.GetTemplateSummary(t.ctx, &cf.GetTemplateSummaryInput{TemplateBody: &role})
	if err != nil || sum.Capabilities[0] != types.CapabilityCapabilityIam ||
		*sum.CapabilitiesReason != "The following resource(s) require capabilities: [AWS::IAM::Role]" || sum.ResourceTypes[0] != "AWS::IAM::Role" {
		t.Errorf("summary: %+v %v", sum, err)
	}
}
