package sandbox_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

// role makes a role that the principal (as JSON) may assume, with one policy.
func (t *cfnTest) role(name, principal, statement string) string {
	t.Helper()
	client := iam.NewFromConfig(configOf(t.box, t.url))
	made, err := client.CreateRole(t.ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": ` + principal + `, "Action": "sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutRolePolicy(t.ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version": "2012-10-17", "Statement": [` + statement + `]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return *made.Role.Arn
}

// as is the same sandbox for who has assumed the role.
func (t *cfnTest) as(role string) *cfnTest {
	t.Helper()
	out, err := sts.NewFromConfig(configOf(t.box, t.url)).AssumeRole(t.ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("tester")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := configOf(t.box, t.url)
	c := out.Credentials
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	other := *t
	other.Client = cf.NewFromConfig(cfg)
	return &other
}

func TestServiceRole(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	service := t.role("maker", `{"Service": "cloudformation.amazonaws.com"}`, `{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}`)
	account := strings.Split(service, ":")[4]
	deployer := t.role("deployer", `{"AWS": "`+account+`"}`,
		`{"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "`+service+`"}`)
	outsider := t.role("outsider", `{"AWS": "`+account+`"}`, `{"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}`)
	topic := `{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}`

	d := t.as(deployer)
	if _, err := d.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: &topic, RoleARN: &service}); err != nil {
		t.Fatal(err)
	}
	if st := t.want(t.settled("s"), "CREATE_COMPLETE"); aws.ToString(st.RoleARN) != service {
		t.Errorf("role %q", aws.ToString(st.RoleARN))
	}
	_, err := t.as(outsider).CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("x"), TemplateBody: &topic, RoleARN: &service})
	t.refused(err, "AccessDenied", "is not authorized to perform: iam:PassRole on resource: "+service)
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("x"), TemplateBody: &topic, RoleARN: &deployer})
	t.refused(err, "ValidationError", "Role "+deployer+" is invalid or cannot be assumed")

	if _, err := d.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("two"), TemplateBody: aws.String(topicTemplate), RoleARN: &service}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("two"), "ROLLBACK_COMPLETE")
	if h := t.history("two"); !slices.ContainsFunc(h, func(l string) bool {
		return strings.HasPrefix(l, "Value CREATE_FAILED") && strings.Contains(l, "maker/AWSCloudFormation is not authorized to perform: ssm:PutParameter") &&
			strings.Contains(l, "HandlerErrorCode: AccessDenied")
	}) {
		t.Errorf("events:\n%s", strings.Join(h, "\n"))
	}
	// Without a role the caller's own permissions count.
	if _, err := d.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("own"), TemplateBody: &topic}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("own"), "ROLLBACK_COMPLETE")
}

func TestPermissionsOnStacks(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("mine-1", chain)
	t.create("other", chain)
	role := t.role("reader", `{"AWS": "111111111111"}`, `{"Effect": "Allow", "Action": "cloudformation:Describe*", "Resource": "arn:aws:cloudformation:*:*:stack/mine-*/*"}`)
	r := t.as(role)
	r.settled("mine-1")
	_, err := r.DescribeStacks(t.ctx, &cf.DescribeStacksInput{StackName: aws.String("other")})
	t.refused(err, "AccessDenied", "is not authorized to perform: cloudformation:DescribeStacks")
	_, err = r.DeleteStack(t.ctx, &cf.DeleteStackInput{StackName: aws.String("mine-1")})
	t.refused(err, "AccessDenied", "cloudformation:DeleteStack")
}

func TestTagsReachResources(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(topicTemplate),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}}})
	if err != nil {
		t.Fatal(err)
	}
	st := t.settled("s")
	topic := t.output(st, "TopicArn")
	check := func(want string) {
		t.Helper()
		out, err := sns.NewFromConfig(configOf(t.box, t.url)).ListTagsForResource(t.ctx, &sns.ListTagsForResourceInput{ResourceArn: &topic})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, x := range out.Tags {
			got[*x.Key] = *x.Value
		}
		if got["team"] != want || got["aws:cloudformation:stack-name"] != "s" || got["aws:cloudformation:logical-id"] != "Topic" {
			t.Errorf("tags %v", got)
		}
	}
	check("net")
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), UsePreviousTemplate: aws.Bool(true),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("app")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_COMPLETE")
	check("app")
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), UsePreviousTemplate: aws.Bool(true)})
	t.refused(err, "ValidationError", "No updates are to be performed.")
}

func TestStackPolicy(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", chain)
	_, err := t.SetStackPolicy(t.ctx, &cf.SetStackPolicyInput{StackName: aws.String("s"), StackPolicyBody: aws.String(
		`{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
		{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "LogicalResourceId/A"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), Parameters: pairs([]string{"V=two"})})
	t.refused(err, "ValidationError", "Action denied by stack policy")
	t.want(t.update("s", chain, "Extra=yes"), "UPDATE_COMPLETE")
}

// A policy that comes with a creation or an update is read like any other, by URL
// too, and holds for replacements that only the update finds out.
func TestStackPoliciesThatComeAlong(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	body := `
Parameters: {N: {Type: String, Default: one}}
Resources:
  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref N}}
  P: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub "/${T.TopicName}", Type: String, Value: x}}
`
	policy := func(deny string) *string {
		return aws.String(`{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
		{"Effect": "Deny", "Action": ["Update:Replace"], "Principal": "*", "Resource": "LogicalResourceId/` + deny + `"}]}`)
	}
	_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("bad"), TemplateBody: &body, StackPolicyBody: aws.String("nonsense")})
	t.refused(err, "ValidationError", "Invalid stack policy")
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("bad"), TemplateBody: &body, StackPolicyURL: aws.String("https://nobody.s3.amazonaws.com/p.json")})
	t.refused(err, "ValidationError", "S3 error")
	if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: &body, StackPolicyBody: policy("P")}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "CREATE_COMPLETE")
	t.want(t.update("s", body, "N=two"), "UPDATE_ROLLBACK_COMPLETE")
	if got := strings.Join(t.history("s"), "\n"); !strings.Contains(got, "P UPDATE_FAILED Action denied by stack policy") {
		t.Errorf("history:\n%s", got)
	}
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: &body, Parameters: pairs([]string{"N=three"}),
		StackPolicyDuringUpdateBody: policy("none"), StackPolicyBody: policy("T")})
	if err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_COMPLETE")
	now, err := t.GetStackPolicy(t.ctx, &cf.GetStackPolicyInput{StackName: aws.String("s")})
	if err != nil || aws.ToString(now.StackPolicyBody) != *policy("T") {
		t.Errorf("the policy is now %s, %v", aws.ToString(now.StackPolicyBody), err)
	}
}

func TestUpdateIsCancelled(tt *testing.T) {
	synctest.Test(tt, func(tt *testing.T) {
		t := stillCFN(tt, sandbox.Options{StackTime: 400 * time.Millisecond})
		t.want(t.create("s", chain), "CREATE_COMPLETE")
		_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), Parameters: pairs([]string{"V=two"})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), Parameters: pairs([]string{"V=three"})})
		t.refused(err, "ValidationError", "is in UPDATE_IN_PROGRESS state and can not be updated.")
		_, err = t.DeleteStack(t.ctx, &cf.DeleteStackInput{StackName: aws.String("s")})
		t.refused(err, "ValidationError", "cannot be deleted while in status UPDATE_IN_PROGRESS")
		if _, err := t.CancelUpdateStack(t.ctx, &cf.CancelUpdateStackInput{StackName: aws.String("s")}); err != nil {
			t.Fatal(err)
		}
		st := t.want(t.settled("s"), "UPDATE_ROLLBACK_COMPLETE")
		if v := t.output(st, "V"); !strings.HasSuffix(v, " one") {
			t.Errorf("output %q", v)
		}
	})
}

// An unkind sandbox pages by two, and describes a stack for a moment as it was.
func TestUnkindPagesAndDescribes(tt *testing.T) {
	synctest.Test(tt, func(tt *testing.T) {
		c := stillCloud(tt, sandbox.Options{Unkind: true, Seed: 7, StackTime: time.Second})
		t := &cfnTest{TB: tt, Client: cf.NewFromConfig(c.top), ctx: context.Background()}
		names := []string{"a", "b", "c", "d", "e"}
		for _, name := range names {
			t.create(name, `{"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}`)
		}
		seen, pages := 0, cf.NewDescribeStacksPaginator(t, &cf.DescribeStacksInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if seen += len(page.Stacks); len(page.Stacks) > 2 {
				t.Errorf("a page of %d", len(page.Stacks))
			}
		}
		if seen != 5 {
			t.Errorf("%d stacks", seen)
		}
		for _, name := range names {
			status := func() string {
				out, err := t.DescribeStacks(t.ctx, &cf.DescribeStacksInput{StackName: &name})
				if err != nil {
					t.Fatal(err)
				}
				return string(out.Stacks[0].StackStatus)
			}
			_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: &name, TemplateBody: aws.String(
				`{"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}, "I": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}`)})
			if err != nil {
				t.Fatal(err)
			}
			if got := status(); got != "CREATE_COMPLETE" {
				t.Errorf("right after its update, stack %s is shown as %s", name, got)
			}
			for status() != "UPDATE_COMPLETE" {
				time.Sleep(pollTime)
			}
		}
	})
}
