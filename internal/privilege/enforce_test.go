package privilege_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"axle/internal/cloud"
	"axle/internal/privilege"
	"axle/internal/template"
	"axle/sandbox"
)

// world is a sandbox whose CloudFormation works as the role "maker", which has
// one policy.
type world struct {
	cfn  *cf.Client
	iam  *iam.Client
	role string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() {
		server.Close()
		_ = box.Close()
	})
	key, secret := box.Credentials()
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""), HTTPClient: cloud.WholeBodies(&http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()})}
	w := &world{cfn: cf.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg)}
	made, err := w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("maker"), AssumeRolePolicyDocument: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	w.role = *made.Role.Arn
	// Whom the stacks' policies are for, beside roles of theirs.
	if _, err := w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.iam.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("people")}); err != nil {
		t.Fatal(err)
	}
	return w
}

// grant gives the role this policy and no other.
func (w *world) grant(ctx context.Context, list []privilege.Statement) error {
	_, err := w.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("maker"), PolicyName: aws.String("p"), PolicyDocument: aws.String(string(privilege.Document(list)))})
	return err
}

// story is what happens to a stack: created, then changed at each step, and
// deleted in the end.
type story struct {
	name  string
	steps []step
}

// step is a stack as it is to be.
type step struct {
	body       string
	parameters map[string]string
	colour     string // a tag
}

// usual changes V in place, then a tag alone, then what R names.
func usual(name, body string) story {
	out := story{name: name}
	for _, v := range [][3]string{{"one", "a", "red"}, {"two", "a", "blue"}, {"two", "a", ""}, {"two", "b", "red"}, {"one", "b", "red"}} {
		out.steps = append(out.steps, step{body, map[string]string{"V": v[0], "R": v[1]}, v[2]})
	}
	return out
}

// live lets the story happen. It returns what the first failure says.
func (w *world) live(ctx context.Context, of story) error {
	name := &of.name
	for i, s := range of.steps {
		var parameters []types.Parameter
		for k, v := range s.parameters {
			parameters = append(parameters, types.Parameter{ParameterKey: &k, ParameterValue: &v})
		}
		tags := []types.Tag{{Key: aws.String("axle:stack"), Value: aws.String("x")}}
		if s.colour != "" {
			tags = append(tags, types.Tag{Key: aws.String("colour"), Value: &s.colour})
		}
		var err error
		caps := []types.Capability{types.CapabilityCapabilityNamedIam}
		if i == 0 {
			_, err = w.cfn.CreateStack(ctx, &cf.CreateStackInput{StackName: name, TemplateBody: &s.body, Parameters: parameters, Tags: tags, RoleARN: &w.role, Capabilities: caps})
		} else {
			_, err = w.cfn.UpdateStack(ctx, &cf.UpdateStackInput{StackName: name, TemplateBody: &s.body, Parameters: parameters, Tags: tags, RoleARN: &w.role, Capabilities: caps})
		}
		if err != nil {
			return err
		}
		if err := w.settled(ctx, of.name, "CREATE_COMPLETE", "UPDATE_COMPLETE"); err != nil {
			return err
		}
	}
	out, err := w.cfn.DescribeStacks(ctx, &cf.DescribeStacksInput{StackName: name})
	if err != nil {
		return err
	}
	id := *out.Stacks[0].StackId
	if _, err := w.cfn.DeleteStack(ctx, &cf.DeleteStackInput{StackName: &id}); err != nil {
		return err
	}
	return w.settled(ctx, id, "DELETE_COMPLETE")
}

// settled waits for the end of what goes on with a stack; any other end than
// those wanted is an error that says what failed. Also a replaced resource that
// couldn't be cleaned up is a failure, which the stack's status doesn't show.
func (w *world) settled(ctx context.Context, name string, want ...string) error {
	for {
		out, err := w.cfn.DescribeStacks(ctx, &cf.DescribeStacksInput{StackName: &name})
		if err != nil {
			return err
		}
		status := string(out.Stacks[0].StackStatus)
		if strings.HasSuffix(status, "_IN_PROGRESS") {
			time.Sleep(time.Millisecond) // as any client polls
			continue
		}
		events, err := w.cfn.DescribeStackEvents(ctx, &cf.DescribeStackEventsInput{StackName: &name})
		if err != nil {
			return err
		}
		var reasons []string
		for _, e := range events.StackEvents {
			if strings.HasSuffix(string(e.ResourceStatus), "_FAILED") && e.ResourceStatusReason != nil {
				reasons = append(reasons, *e.LogicalResourceId+": "+*e.ResourceStatusReason)
			}
		}
		if !slices.Contains(want, status) || len(reasons) > 0 {
			slices.Reverse(reasons)
			return fmt.Errorf("%s: %s", status, strings.Join(reasons, "\n"))
		}
		return nil
	}
}

// executionPolicy computes what CloudFormation needs for one template.
func executionPolicy(t *testing.T, name, body string) []privilege.Statement {
	t.Helper()
	parsed, problems := template.Parse(name+".yaml", []byte(body))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g := &privilege.Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []privilege.Stack{{Name: name, Template: parsed, Regions: []string{"eu-west-1"}, ExecutionRole: "maker"}}}
	r := privilege.For(privilege.Execution, g, nil)
	if len(r.Gaps) > 0 {
		t.Fatalf("gaps: %v", r.Gaps)
	}
	return r.Statements
}

// removal is the policy without one action of one statement.
func removal(list []privilege.Statement, statement int, action string) []privilege.Statement {
	out := slices.Clone(list)
	s := out[statement]
	s.Actions = slices.DeleteFunc(slices.Clone(s.Actions), func(a string) bool { return a == action })
	out[statement] = s
	if len(s.Actions) == 0 {
		out = slices.Delete(out, statement, statement+1)
	}
	return out
}

// What is computed is enough to make, change, replace and delete the resources,
// and without any one action of any one statement something of that fails, and
// says which permission it lacks. The sandbox asks for permissions by rules that
// are written apart from the table.
func TestEnoughAndNoMore(t *testing.T) {
	entries, err := os.ReadDir("testdata/stacks")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		body, err := os.ReadFile("testdata/stacks/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enough(t, usual(name, string(body)), elsewhere[name])
		})
	}
}

// elsewhere are actions that nothing fails without in a story, and why they are
// granted.
var elsewhere = map[string]map[string]string{
	"apis": {
		"apigateway:POST":            "an HTTP API with a Body is imported by PUT; without one it is made by POST",
		"iam:UpdateAssumeRolePolicy": "the story leaves the role's trust as it is; identity.yaml changes one",
	},
	"functions": {
		"lambda:GetFunction":                  handlers,
		"lambda:GetFunctionCodeSigningConfig": handlers,
		"lambda:GetFunctionRecursionConfig":   handlers,
		"lambda:GetRuntimeManagementConfig":   handlers,
		"lambda:GetPolicy":                    handlers,
		"lambda:GetAlias":                     handlers,
		"lambda:GetFunctionUrlConfig":         handlers,
		"lambda:ListVersionsByFunction":       handlers,
		"lambda:ListTags":                     handlers,
		"iam:UpdateAssumeRolePolicy":          "the story leaves the role's trust as it is; identity.yaml changes one",
	},
}

const handlers = "the types' schemas say that CloudFormation's handlers read it; the sandbox's read less"

// The demo's own stacks: its roles are computed like everybody's.
func TestDemoEnoughAndNoMore(t *testing.T) {
	read := func(name string) string {
		body, err := os.ReadFile("../cli/demo/templates/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	hub, spoke := read("hub.yaml"), read("spoke.yaml")
	moved := func(body, from, to string) string { // a subnet to another route table
		if !strings.Contains(body, from) {
			t.Fatalf("the demo has no %s any more", from)
		}
		return strings.Replace(body, from, to, 1)
	}
	for _, s := range []story{
		{"flights-hub-network", []step{
			{hub, map[string]string{"Cidr": "10.1.0.0/16"}, "red"},
			{hub, map[string]string{"Cidr": "10.1.0.0/16"}, ""},
			{moved(hub, "RouteTableId: !Ref InternalRouteTableB", "RouteTableId: !Ref InternalRouteTableA"), map[string]string{"Cidr": "10.1.0.0/16"}, ""}}},
		{"flights-spoke-network", []step{
			{spoke, map[string]string{"Cidr": "10.1.0.0/24", "Env": "dev", "HubVpcId": "vpc-1"}, "red"},
			{spoke, map[string]string{"Cidr": "10.1.0.0/24", "Env": "qa", "HubVpcId": "vpc-2"}, ""},
			{moved(spoke, "  Events:", "  Spare: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}\n  Events:"), map[string]string{"Cidr": "10.1.0.0/24", "Env": "qa", "HubVpcId": "vpc-2"}, ""},
			{moved(moved(spoke, "  Events:", "  Spare: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}\n  Events:"), "RouteTableId: !Ref RouteTable", "RouteTableId: !Ref Spare"), map[string]string{"Cidr": "10.1.0.0/24", "Env": "qa", "HubVpcId": "vpc-2"}, ""},
			{spoke, map[string]string{"Cidr": "10.2.0.0/24", "Env": "qa", "HubVpcId": "vpc-2"}, ""}}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			enough(t, s, map[string]string{
				"ec2:ReplaceRoute": "the demo's VPC has one gateway, so its route has no other target to go to; network.yaml has one",
			})
		})
	}
}

// enough tests one story, first with all that is computed for its first step,
// then without each action, but those that are explained.
func enough(t *testing.T, s story, explained map[string]string) {
	list := executionPolicy(t, s.name, s.steps[0].body)
	w := newWorld(t)
	if err := w.grant(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := w.live(t.Context(), s); err != nil {
		t.Fatalf("with all that was computed: %v", err)
	}
	for i, statement := range list {
		for _, action := range statement.Actions {
			if explained[action] != "" {
				continue
			}
			t.Run(statement.Sid+"/"+action, func(t *testing.T) {
				t.Parallel()
				needed(t, s, removal(list, i, action), action)
			})
		}
	}
}

// needed says that the stack's life fails for want of an action.
func needed(t *testing.T, s story, list []privilege.Statement, action string) {
	w := newWorld(t)
	if err := w.grant(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	err := w.live(t.Context(), s)
	if err == nil {
		t.Fatalf("nothing fails without %s", action)
	}
	said := strings.ToLower(err.Error())
	if strings.HasPrefix(action, "kms:") && strings.Contains(said, "access to kms is not allowed") { // as Secrets Manager words it
		return
	}
	if errors.Is(err, context.Canceled) || !strings.Contains(said, strings.ToLower(action)) {
		t.Errorf("without %s: %v", action, err)
	}
}
