package privilege

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"axle/internal/template"
	"axle/policy"
)

// parsed is a template that must have no mistakes.
func parsed(t testing.TB, body string) *template.Template {
	t.Helper()
	out, problems := template.Parse("t.yaml", []byte(body))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every entry of the table is well-formed: actions with a service, patterns with
// known placeholders.
func TestTable(t *testing.T) {
	action := regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9]+$`)
	target := regexp.MustCompile(`^(\*|[a-z-]+|\{[A-Za-z.]+\}|[a-z0-9-]+:(\{r\}|\*)?:(\{a\}|\*)?:[^ ]+)$`)
	count := 0
	for _, table := range kindTables() {
		for name, k := range table {
			count++
			lists := k.lists()
			for _, w := range k.when {
				if w.properties == "" {
					t.Errorf("%s: actions for no property", name)
				}
				lists = append(lists, w.actions)
			}
			for self := range strings.FieldsSeq(k.self) {
				if !target.MatchString(self) {
					t.Errorf("%s: ARN %s", name, self)
				}
			}
			for token := range strings.FieldsSeq(strings.Join(lists, " ")) {
				if token == serviceToken {
					continue
				}
				a, on, given := strings.Cut(token, "@")
				if !action.MatchString(a) {
					t.Errorf("%s: action %s", name, a)
				}
				for o := range strings.SplitSeq(on, "+") {
					if given && !target.MatchString(o) {
						t.Errorf("%s: %s on %s", name, a, o)
					}
				}
			}
		}
	}
	if count < 60 {
		t.Errorf("%d types", count)
	}
}

const example = `
Parameters:
  Suffix: {Type: String}
  Image: {Type: AWS::SSM::Parameter::Value<String>, Default: /images/base}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Named: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "orders-${Suffix}", KmsMasterKeyId: alias/aws/sns}}
  Role:
    Type: AWS::IAM::Role
    Properties: {RoleName: worker, Path: /jobs/, AssumeRolePolicyDocument: {}, Policies: [{PolicyName: p, PolicyDocument: {}}]}
  Made: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  Function:
    Type: AWS::Lambda::Function
    Properties: {Role: !GetAtt Role.Arn, Code: {S3Bucket: code}, VpcConfig: {SubnetIds: [subnet-1]}}
  Other:
    Type: AWS::Lambda::Function
    Properties: {Role: !GetAtt Made.Arn, Code: {ZipFile: x}}
  Permission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Function, Action: x, Principal: y}}
  Policy: {Type: AWS::IAM::Policy, Properties: {PolicyName: p, PolicyDocument: {}, Roles: [!Ref Role, theirs]}}
  Bucket: {Type: AWS::S3::Bucket}
  BucketPolicy: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref Bucket, PolicyDocument: {}}}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {Name: db}}
  Parameter: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub "/${AWS::StackName}/x", Type: String, Value: "{{resolve:secretsmanager:other:SecretString:p}}"}}
  Custom: {Type: "Custom::Thing", Properties: {ServiceToken: !GetAtt Other.Arn}}
  New: {Type: AWS::Brand::New}
`

// allows evaluates a statement list as a role's only policy.
func allows(t *testing.T, list []Statement, action, resource string, keys map[string][]string) bool {
	t.Helper()
	p, err := policy.Parse(Document(list))
	if err != nil {
		t.Fatal(err)
	}
	req := &policy.Request{Principal: policy.Principal{Type: policy.AssumedRole, ARN: "arn:aws:sts::111111111111:assumed-role/axle-spoke/s", RoleARN: "arn:aws:iam::111111111111:role/axle-spoke", Account: "111111111111"},
		Action: action, Resource: resource, ResourceAccount: "111111111111", Context: keys}
	return policy.Evaluate(req, &policy.Policies{Identity: []*policy.Policy{p}}).Allowed()
}

func TestDeployRole(t *testing.T) {
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, example), Regions: []string{"eu-west-1"}}}}
	r := For(Deploy, g, nil)
	if len(r.Gaps) != 1 || r.Gaps[0].Type != "AWS::Brand::New" {
		t.Errorf("gaps %v", r.Gaps)
	}
	passed := func(service string) map[string][]string {
		return map[string][]string{"iam:passedtoservice": {service + ".amazonaws.com"}}
	}
	for _, tt := range []struct {
		action, resource string
		keys             map[string][]string
		want             bool
	}{
		{"sns:CreateTopic", "arn:aws:sns:eu-west-1:111111111111:app-Topic-ABC", nil, true},
		{"sns:CreateTopic", "arn:aws:sns:eu-west-1:111111111111:orders-dev", nil, true},
		{"sns:CreateTopic", "arn:aws:sns:eu-west-1:111111111111:invoices", nil, false},
		{"sns:CreateTopic", "arn:aws:sns:us-east-1:111111111111:app-Topic-ABC", nil, false},
		{"sns:CreateTopic", "arn:aws:sns:eu-west-1:222222222222:app-Topic-ABC", nil, false},
		{"sns:SetTopicAttributes", "arn:aws:sns:eu-west-1:111111111111:orders-dev", nil, true},
		{"sns:SetTopicAttributes", "arn:aws:sns:eu-west-1:111111111111:app-Topic-ABC", nil, false},
		{"iam:CreateRole", "arn:aws:iam::111111111111:role/jobs/worker", nil, true},
		{"iam:CreateRole", "arn:aws:iam::111111111111:role/worker", nil, false},
		{"iam:CreateRole", "arn:aws:iam::111111111111:role/app-Made-X", nil, true},
		{"iam:PutRolePolicy", "arn:aws:iam::111111111111:role/jobs/worker", nil, true},
		{"iam:PutRolePolicy", "arn:aws:iam::111111111111:role/theirs", nil, true},
		{"iam:PutRolePolicy", "arn:aws:iam::111111111111:role/app-Made-X", nil, false},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/jobs/worker", passed("lambda"), true},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/app-Made-X", passed("lambda"), true},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/jobs/worker", passed("ec2"), false},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/admin", passed("lambda"), false},
		{"ec2:DescribeSubnets", "*", nil, true},
		{"ec2:CreateVpc", "arn:aws:ec2:eu-west-1:111111111111:vpc/vpc-1", nil, false},
		{"s3:GetObject", "arn:aws:s3:::code/x.zip", nil, true},
		{"s3:GetObject", "arn:aws:s3:::other/x.zip", nil, false},
		{"s3:PutBucketPolicy", "arn:aws:s3:::app-bucket-abc", nil, true},
		{"s3:PutBucketVersioning", "arn:aws:s3:::app-bucket-abc", nil, false},
		{"lambda:AddPermission", "arn:aws:lambda:eu-west-1:111111111111:function:app-Function-X", nil, true},
		{"lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111111111111:function:app-Other-X", nil, true},
		{"lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111111111111:function:app-Function-X", nil, false},
		{"secretsmanager:CreateSecret", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-AbCdEf", nil, true},
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:other-AbCdEf", nil, true},
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-AbCdEf", nil, false},
		{"ssm:PutParameter", "arn:aws:ssm:eu-west-1:111111111111:parameter/app/x", nil, true},
		{"ssm:GetParameters", "arn:aws:ssm:eu-west-1:111111111111:parameter/images/base", nil, true},
		{"cloudformation:ExecuteChangeSet", "arn:aws:cloudformation:eu-west-1:111111111111:stack/app/1", nil, true},
		{"cloudformation:ExecuteChangeSet", "arn:aws:cloudformation:eu-west-1:111111111111:stack/apple/1", nil, false},
	} {
		if got := allows(t, r.Statements, tt.action, tt.resource, tt.keys); got != tt.want {
			t.Errorf("%s on %s: %v", tt.action, tt.resource, got)
		}
	}
}

// With room a resource may get other properties of its own, and nothing else.
func TestRoom(t *testing.T) {
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Room: true, Stacks: []Stack{{Name: "app", Template: parsed(t, example), Regions: []string{"eu-west-1"}}}}
	list := For(Deploy, g, nil).Statements
	for action, on := range map[string]string{"sns:SetTopicAttributes": "arn:aws:sns:eu-west-1:111111111111:app-Topic-ABC", "s3:PutBucketVersioning": "arn:aws:s3:::app-bucket-abc"} {
		if !allows(t, list, action, on, nil) {
			t.Errorf("no room for %s", action)
		}
	}
	for action, on := range map[string]string{"sns:SetTopicAttributes": "arn:aws:sns:eu-west-1:111111111111:other", "sns:Unsubscribe": "*", "kms:CreateGrant": "*", "ec2:CreateVpc": "*"} {
		if allows(t, list, action, on, nil) {
			t.Errorf("too much room: %s", action)
		}
	}
}

// With an execution role the resources are its business.
func TestRolesDivideTheWork(t *testing.T) {
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, example), Regions: []string{"eu-west-1"}, ExecutionRole: "cfn/maker"}}}
	topic, stack := "arn:aws:sns:eu-west-1:111111111111:app-Topic-ABC", "arn:aws:cloudformation:eu-west-1:111111111111:stack/app/1"
	role := map[string][]string{"iam:passedtoservice": {"cloudformation.amazonaws.com"}}
	for _, tt := range []struct {
		role                      Role
		makes, pass, change, exec bool
	}{{Deploy, false, true, true, true}, {Plan, false, true, true, false}, {Execution, true, false, false, false}, {Execute, false, false, false, true}} {
		list := For(tt.role, g, nil).Statements
		for what, pair := range map[string][2]bool{
			"make":    {allows(t, list, "sns:CreateTopic", topic, nil), tt.makes},
			"pass":    {allows(t, list, "iam:PassRole", "arn:aws:iam::111111111111:role/cfn/maker", role), tt.pass},
			"change":  {allows(t, list, "cloudformation:CreateChangeSet", stack, nil), tt.change},
			"execute": {allows(t, list, "cloudformation:ExecuteChangeSet", stack, nil), tt.exec},
		} {
			if pair[0] != pair[1] {
				t.Errorf("the %s role may %s: %v", tt.role, what, pair[0])
			}
		}
	}
}

func TestSplitKeepsAllWithinIAMsLimits(t *testing.T) {
	var body strings.Builder
	body.WriteString("Resources:\n")
	for i := range 200 {
		name := "Topic" + strings.Repeat(string(rune('a'+i%26)), 1+i/26)
		body.WriteString("  " + name + ": {Type: AWS::SNS::Topic}\n")
	}
	g := &Group{Partition: "aws", Stacks: []Stack{{Name: strings.Repeat("long", 10), Template: parsed(t, body.String()), Regions: []string{"eu-west-1"}}}}
	list := For(Deploy, g, nil).Statements
	count := func(list []Statement) (n int) {
		for _, s := range list {
			n += len(s.Actions) * len(s.Resources)
		}
		return n
	}
	total := 0
	parts := Split(list, MaxManaged)
	for _, part := range parts {
		total += count(part)
		if size := Size(part); size > MaxManaged {
			t.Errorf("a policy of %d", size)
		}
		var sids []string
		for _, s := range part {
			sids = append(sids, s.Sid)
		}
		slices.Sort(sids)
		if len(slices.Compact(sids)) != len(part) {
			t.Errorf("Sids twice: %v", sids)
		}
	}
	if len(parts) < 2 || total != count(list) {
		t.Errorf("%d policies with %d of %d permissions", len(parts), total, count(list))
	}
}

// The parts of a statement that is divided twice have Sids of their own: two of
// them may come into one policy.
func TestSplitSids(t *testing.T) {
	var resources []string
	for i, length := range []int{65, 30, 30, 65} {
		for k := range 60 {
			resources = append(resources, fmt.Sprintf("arn:aws:s3:::%d-%02d-%s", i, k, strings.Repeat("x", length-16)))
		}
	}
	for _, part := range Split([]Statement{{Sid: "S3", Actions: []string{"s3:GetObject"}, Resources: resources}}, MaxManaged) {
		p, err := policy.Parse(Document(part))
		if err == nil {
			err = p.Check(policy.IdentityPolicy)
		}
		if err != nil {
			t.Errorf("%v in %s", err, Document(part))
		}
	}
}

func TestDocumentsComeBack(t *testing.T) {
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, example), Regions: []string{"eu-west-1"}}}}
	list := For(Deploy, g, nil).Statements
	back, err := ParseDocument(Document(list))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(list)
	b, _ := json.Marshal(back)
	if string(a) != string(b) {
		t.Errorf("%s\nis not\n%s", b, a)
	}
	for _, bad := range []string{`{"Statement": [{"Effect": "Deny", "Action": ["a:B"], "Resource": ["*"]}]}`, `{"Statement": [{"Effect": "Allow", "Action": ["a:B"], "Resource": ["*"], "Condition": {"Bool": {"x": ["true"]}}}]}`, `{`} {
		if _, err := ParseDocument([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestSchemasFillGaps(t *testing.T) {
	s, err := ParseSchema([]byte(`{"typeName": "AWS::Brand::New", "handlers": {"create": {"permissions": ["brand:CreateNew", "bad"]}, "list": {"permissions": ["brand:ListNews"]}}, "tagging": {"permissions": ["brand:TagResource"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Actions, []string{"brand:CreateNew", "brand:TagResource"}) {
		t.Errorf("actions %v", s.Actions)
	}
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, example), Regions: []string{"eu-west-1"}}}}
	if got := UnknownTypes([]*Group{g}); !slices.Equal(got, []string{"AWS::Brand::New"}) {
		t.Errorf("unknown types %v", got)
	}
	r := For(Deploy, g, map[string]Schema{"AWS::Brand::New": s})
	if len(r.Gaps) > 0 || !allows(t, r.Statements, "brand:CreateNew", "*", nil) {
		t.Errorf("gaps %v", r.Gaps)
	}
}

// TestStackOutputs: what Fn::GetStackOutput reads by a role takes assuming it, and
// without one describing the stack.
func TestStackOutputs(t *testing.T) {
	parsed, problems := template.Parse("t.yaml", []byte(`
Resources:
  A: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: {"Fn::GetStackOutput": {StackName: hub, OutputName: V, RoleArn: "arn:aws:iam::333333333333:role/outputs"}}}}
  B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: {"Fn::GetStackOutput": {StackName: own, OutputName: V}}}}
Outputs:
  O: {Value: x, Export: {Name: x}}
`))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "s", Template: parsed, Regions: []string{"eu-west-1"}}}}
	got := map[string][]string{}
	for _, s := range For(Deploy, g, nil).Statements {
		for _, a := range s.Actions {
			got[a] = append(got[a], s.Resources...)
		}
	}
	if r := got["sts:AssumeRole"]; len(r) != 1 || r[0] != "arn:aws:iam::333333333333:role/outputs" {
		t.Errorf("sts:AssumeRole on %q", r)
	}
	if r := got["cloudformation:ListImports"]; len(r) != 1 || r[0] != "*" {
		t.Errorf("cloudformation:ListImports on %q", r)
	}
}
