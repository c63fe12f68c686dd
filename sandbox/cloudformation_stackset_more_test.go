package sandbox_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"axle/sandbox"
)

// A deletion that fails leaves the instance inoperable; retained, it goes.
func TestStackSetInoperable(t *testing.T) {
	s := newSets(t, sandbox.Options{Faults: []sandbox.Fault{{Kind: "fail", Account: a1, Type: "AWS::SNS::Topic", On: "delete", Message: "in use"}}})
	s.trust()
	s.serviceSet(nil)
	apps := &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}
	s.deploy(apps, nil, "eu-west-1")
	drop := func(retain bool, accounts ...string) types.StackSetOperationStatus {
		d := *apps
		if len(accounts) > 0 {
			d.Accounts, d.AccountFilterType = accounts, types.AccountFilterTypeIntersection
		}
		out, err := s.DeleteStackInstances(s.ctx, &cf.DeleteStackInstancesInput{StackSetName: aws.String("set"), DeploymentTargets: &d, Regions: []string{"eu-west-1"}, RetainStacks: &retain,
			OperationPreferences: &types.StackSetOperationPreferences{FailureToleranceCount: aws.Int32(3)}})
		s.ok(err)
		return s.over(*out.OperationId).Status
	}
	if status := drop(false); status != "SUCCEEDED" { // one failure is tolerated
		t.Fatalf("operation %s", status)
	}
	s.want(map[string]string{a1 + "/eu-west-1": "INOPERABLE INOPERABLE"})
	// Updates leave it out.
	out, err := s.UpdateStackSet(s.ctx, &cf.UpdateStackSetInput{StackSetName: aws.String("set"), UsePreviousTemplate: aws.Bool(true), Parameters: pairs([]string{"Name=y"})})
	s.ok(err)
	s.over(*out.OperationId)
	s.want(map[string]string{a1 + "/eu-west-1": "INOPERABLE INOPERABLE"})
	drop(true, a1)
	s.want(map[string]string{})
	if got := s.stacks(a1, "eu-west-1"); len(got) != 1 {
		t.Fatalf("stacks %v", got)
	}
}

// Managed execution queues what would be refused.
func TestStackSetManagedExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stillSets(t, sandbox.Options{StackTime: 50 * time.Millisecond})
		s.trust()
		_, err := s.CreateStackSet(s.ctx, &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: aws.String(setTemplate), PermissionModel: types.PermissionModelsServiceManaged,
			ManagedExecution: &types.ManagedExecution{Active: aws.Bool(true)}})
		s.ok(err)
		var last string
		for _, u := range []string{"Other", "Prod"} {
			out, err := s.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), Regions: []string{"eu-west-1"}, DeploymentTargets: &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units[u]}}})
			s.ok(err)
			last = *out.OperationId
		}
		out, err := s.DescribeStackSetOperation(s.ctx, &cf.DescribeStackSetOperationInput{StackSetName: aws.String("set"), OperationId: &last})
		s.ok(err)
		if out.StackSetOperation.Status != types.StackSetOperationStatusQueued {
			t.Errorf("the second operation is %s", out.StackSetOperation.Status)
		}
		s.over(last)
		s.want(map[string]string{o1 + "/eu-west-1": "CURRENT SUCCEEDED", p1 + "/eu-west-1": "CURRENT SUCCEEDED"})
	})
}

// Regions go one after another in the order that is asked for.
func TestStackSetRegionOrder(t *testing.T) {
	s := newSets(t, sandbox.Options{Faults: []sandbox.Fault{{Kind: "fail", Region: "us-east-1", Type: "AWS::SNS::Topic", Message: "no room"}}})
	s.trust()
	s.serviceSet(nil)
	op := s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Other"]}}, &types.StackSetOperationPreferences{RegionOrder: []string{"us-east-1", "eu-west-1"}}, "eu-west-1", "us-east-1")
	if op.Status != "FAILED" {
		t.Errorf("operation %s", op.Status)
	}
	s.want(map[string]string{o1 + "/us-east-1": "OUTDATED FAILED", o1 + "/eu-west-1": "OUTDATED CANCELLED"})
	op = s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Other"]}}, &types.StackSetOperationPreferences{RegionOrder: []string{"us-east-1", "eu-west-1"}, FailureToleranceCount: aws.Int32(1)}, "eu-west-1", "us-east-1")
	if op.Status != "SUCCEEDED" {
		t.Errorf("operation %s", op.Status)
	}
	s.want(map[string]string{o1 + "/us-east-1": "OUTDATED FAILED", o1 + "/eu-west-1": "CURRENT SUCCEEDED"})
}

// Suspended accounts are skipped, SCPs hold for the role of StackSets, and
// callers need permission on the stack set.
func TestStackSetPermissions(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	s.trust()
	s.serviceSet(nil)
	_, err := s.org.CloseAccount(s.ctx, &organizations.CloseAccountInput{AccountId: aws.String(p1)})
	s.ok(err)
	policy, err := s.org.CreatePolicy(s.ctx, &organizations.CreatePolicyInput{Name: aws.String("NoTopics"), Description: aws.String("d"), Type: "SERVICE_CONTROL_POLICY",
		Content: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sns:*","Resource":"*"}]}`)})
	s.ok(err)
	_, err = s.org.AttachPolicy(s.ctx, &organizations.AttachPolicyInput{PolicyId: policy.Policy.PolicySummary.Id, TargetId: aws.String(a2)})
	s.ok(err)
	op := s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}, &types.StackSetOperationPreferences{FailureToleranceCount: aws.Int32(1)}, "eu-west-1")
	if op.Status != "SUCCEEDED" {
		t.Errorf("operation %s", op.Status)
	}
	s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED", a2 + "/eu-west-1": "OUTDATED FAILED", p1 + "/eu-west-1": "OUTDATED SKIPPED_SUSPENDED_ACCOUNT"})

	client := iam.NewFromConfig(configOf(s.box, s.url))
	_, err = client.CreateUser(s.ctx, &iam.CreateUserInput{UserName: aws.String("reader")})
	s.ok(err)
	_, err = client.PutUserPolicy(s.ctx, &iam.PutUserPolicyInput{UserName: aws.String("reader"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudformation:DescribeStackSet","Resource":"arn:aws:cloudformation:*:111111111111:stackset/set:*"}]}`)})
	s.ok(err)
	key, err := client.CreateAccessKey(s.ctx, &iam.CreateAccessKeyInput{UserName: aws.String("reader")})
	s.ok(err)
	cfg := configOf(s.box, s.url)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	reader := cf.NewFromConfig(cfg)
	_, err = reader.DescribeStackSet(s.ctx, &cf.DescribeStackSetInput{StackSetName: aws.String("set")})
	s.ok(err)
	_, err = reader.UpdateStackSet(s.ctx, &cf.UpdateStackSetInput{StackSetName: aws.String("set"), UsePreviousTemplate: aws.Bool(true)})
	s.refused(err, "AccessDenied", "cloudformation:UpdateStackSet on resource: arn:aws:cloudformation:eu-west-1:111111111111:stackset/set:")
}

// An operation goes on after the sandbox was stopped and started again.
func TestStackSetGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := sandbox.Options{State: filepath.Join(t.TempDir(), "state.json"), StackTime: 100 * time.Millisecond}
		s := stillSets(t, opts)
		s.trust()
		s.serviceSet(nil)
		out, err := s.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), Regions: []string{"eu-west-1"}, DeploymentTargets: &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}})
		s.ok(err)
		s.ok(s.box.Close())
		again := &setTest{cfnTest: stillCFN(t, opts)}
		if op := again.over(*out.OperationId); op.Status != "SUCCEEDED" {
			t.Errorf("operation %s", op.Status)
		}
		again.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED", a2 + "/eu-west-1": "CURRENT SUCCEEDED", p1 + "/eu-west-1": "CURRENT SUCCEEDED"})
	})
}
