package sandbox_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"axle/sandbox"
)

// setTest is an organization with OUs: root {Apps {Prod}, Other}; accounts a1,
// a2 in Apps, p1 in Prod, o1 in Other.
type setTest struct {
	*cfnTest
	org   *organizations.Client
	units map[string]string
	root  string
}

const (
	a1, a2, p1, o1 = "200000000001", "200000000002", "200000000003", "200000000004"
	setTemplate    = "Parameters: {Name: {Type: String, Default: x}}\nResources:\n  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Name}}\n"
)

func newSets(t *testing.T, opts sandbox.Options) *setTest {
	t.Helper()
	opts.Organization = unitsOfAccounts()
	return setsOf(newCFN(t, opts))
}

// stillSets is the same for a bubble of synctest.
func stillSets(t *testing.T, opts sandbox.Options) *setTest {
	t.Helper()
	opts.Organization = unitsOfAccounts()
	return setsOf(stillCFN(t, opts))
}

func unitsOfAccounts() *sandbox.OrgFile {
	return &sandbox.OrgFile{Management: sandbox.OrgAccount{ID: "111111111111", Name: "management", Email: "root@example.com"},
		OUs: []sandbox.OrgUnit{
			{Name: "Apps", Accounts: []sandbox.OrgAccount{{ID: a1, Name: "a1", Email: "a1@example.com"}, {ID: a2, Name: "a2", Email: "a2@example.com"}},
				OUs: []sandbox.OrgUnit{{Name: "Prod", Accounts: []sandbox.OrgAccount{{ID: p1, Name: "p1", Email: "p1@example.com"}}}}},
			{Name: "Other", Accounts: []sandbox.OrgAccount{{ID: o1, Name: "o1", Email: "o1@example.com"}}},
		}}
}

func setsOf(t *cfnTest) *setTest {
	t.Helper()
	st := &setTest{cfnTest: t, units: map[string]string{}}
	st.org = organizations.NewFromConfig(configOf(st.box, st.url))
	roots, err := st.org.ListRoots(st.ctx, &organizations.ListRootsInput{})
	st.ok(err)
	st.root = *roots.Roots[0].Id
	for _, parent := range []string{st.root, "Apps"} {
		id := parent
		if u := st.units[parent]; u != "" {
			id = u
		}
		list, err := st.org.ListOrganizationalUnitsForParent(st.ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &id})
		st.ok(err)
		for _, u := range list.OrganizationalUnits {
			st.units[*u.Name] = *u.Id
		}
	}
	return st
}

func (t *setTest) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *setTest) refused(err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Fatalf("got %v, want %s: %s", err, code, text)
	}
}

// trust lets StackSets into the organization.
func (t *setTest) trust() {
	t.Helper()
	_, err := t.ActivateOrganizationsAccess(t.ctx, &cf.ActivateOrganizationsAccessInput{})
	t.ok(err)
}

// serviceSet makes a service-managed stack set.
func (t *setTest) serviceSet(auto *types.AutoDeployment) {
	t.Helper()
	_, err := t.CreateStackSet(t.ctx, &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: aws.String(setTemplate),
		PermissionModel: types.PermissionModelsServiceManaged, AutoDeployment: auto, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}}})
	t.ok(err)
}

func (t *setTest) deploy(d *types.DeploymentTargets, p *types.StackSetOperationPreferences, regions ...string) *types.StackSetOperation {
	t.Helper()
	out, err := t.CreateStackInstances(t.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), DeploymentTargets: d, Regions: regions, OperationPreferences: p})
	t.ok(err)
	return t.over(*out.OperationId)
}

// over waits for the end of an operation.
func (t *setTest) over(id string) *types.StackSetOperation {
	t.Helper()
	for ; ; time.Sleep(pollTime) {
		out, err := t.DescribeStackSetOperation(t.ctx, &cf.DescribeStackSetOperationInput{StackSetName: aws.String("set"), OperationId: &id})
		t.ok(err)
		if s := out.StackSetOperation.Status; s != "RUNNING" && s != "QUEUED" && s != "STOPPING" {
			return out.StackSetOperation
		}
	}
}

// instances are account/region -> status and detail.
func (t *setTest) instances() map[string]string {
	t.Helper()
	out := map[string]string{}
	for p := cf.NewListStackInstancesPaginator(t.Client, &cf.ListStackInstancesInput{StackSetName: aws.String("set")}); p.HasMorePages(); {
		page, err := p.NextPage(t.ctx)
		t.ok(err)
		for _, i := range page.Summaries {
			out[*i.Account+"/"+*i.Region] = string(i.Status) + " " + string(i.StackInstanceStatus.DetailedStatus)
		}
	}
	return out
}

func (t *setTest) want(want map[string]string) {
	t.Helper()
	if got := t.instances(); !maps.Equal(got, want) {
		t.Fatalf("instances are %v, want %v", got, want)
	}
}

// in is a client of a member's administrator.
func (t *setTest) in(account string) aws.Config {
	cfg := configOf(t.box, t.url)
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), "arn:aws:iam::"+account+":role/OrganizationAccountAccessRole"))
	return cfg
}

// stacks are the names of a member's stacks.
func (t *setTest) stacks(account, region string) []string {
	t.Helper()
	cfg := t.in(account)
	cfg.Region = region
	out, err := cf.NewFromConfig(cfg).DescribeStacks(t.ctx, &cf.DescribeStacksInput{})
	t.ok(err)
	var names []string
	for _, s := range out.Stacks {
		names = append(names, *s.StackName+" "+string(s.StackStatus))
	}
	slices.Sort(names)
	return names
}

func TestServiceManagedNeedsTrustedAccess(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	in := &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: aws.String(setTemplate), PermissionModel: types.PermissionModelsServiceManaged}
	_, err := s.CreateStackSet(s.ctx, in)
	s.refused(err, "ValidationError", "You must enable organizations access")
	s.trust()
	_, err = s.CreateStackSet(s.ctx, in)
	s.ok(err)
	_, err = s.CreateStackSet(s.ctx, in) // the SDK has put its token into the input: the same call again
	s.ok(err)
	in.ClientRequestToken = nil
	_, err = s.CreateStackSet(s.ctx, in)
	s.refused(err, "NameAlreadyExistsException", "set")
	_, err = s.DescribeStackSet(s.ctx, &cf.DescribeStackSetInput{StackSetName: aws.String("none")})
	s.refused(err, "StackSetNotFoundException", "none")
	if _, ok := errorAs[*types.StackSetNotFoundException](err); !ok {
		t.Errorf("the SDK doesn't know the error: %v", err)
	}
}

func errorAs[E error](err error) (E, bool) {
	var e E
	return e, errors.As(err, &e)
}

func TestServiceManagedTargets(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	s.trust()
	s.serviceSet(nil)
	op := s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}, Accounts: []string{a1, p1}, AccountFilterType: types.AccountFilterTypeIntersection}, nil, "eu-west-1")
	if op.Status != "SUCCEEDED" {
		t.Fatalf("operation %v", op)
	}
	s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED", p1 + "/eu-west-1": "CURRENT SUCCEEDED"})
	if got := s.stacks(p1, "eu-west-1"); len(got) != 1 || !strings.HasPrefix(got[0], "StackSet-set-") || !strings.HasSuffix(got[0], "CREATE_COMPLETE") {
		t.Fatalf("stacks %v", got)
	}
	// The whole organization: all but the management account.
	s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.root}}, nil, "eu-west-1", "us-east-1")
	if got := s.instances(); len(got) != 8 || got["111111111111/eu-west-1"] != "" {
		t.Fatalf("instances %v", got)
	}
	_, err := s.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), Accounts: []string{a1}, Regions: []string{"eu-west-1"}})
	s.refused(err, "ValidationError", "OrganizationalUnit as target")
	_, err = s.DeleteStackSet(s.ctx, &cf.DeleteStackSetInput{StackSetName: aws.String("set")})
	s.refused(err, "StackSetNotEmptyException", "not empty")
	out, err := s.DeleteStackInstances(s.ctx, &cf.DeleteStackInstancesInput{StackSetName: aws.String("set"), RetainStacks: aws.Bool(false), Regions: []string{"eu-west-1", "us-east-1"},
		DeploymentTargets: &types.DeploymentTargets{OrganizationalUnitIds: []string{s.root}}})
	s.ok(err)
	s.over(*out.OperationId)
	s.want(map[string]string{})
	if got := s.stacks(p1, "eu-west-1"); len(got) != 0 {
		t.Fatalf("stacks %v are left", got)
	}
	_, err = s.DeleteStackSet(s.ctx, &cf.DeleteStackSetInput{StackSetName: aws.String("set")})
	s.ok(err)
}

func TestStackSetFailureTolerance(t *testing.T) {
	fails := []sandbox.Fault{{Kind: "fail", Account: a1, Type: "AWS::SNS::Topic", Message: "no room"}}
	s := newSets(t, sandbox.Options{Faults: fails})
	s.trust()
	s.serviceSet(nil)
	everywhere := &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}
	op := s.deploy(everywhere, nil, "eu-west-1", "us-east-1")
	if op.Status != "FAILED" || aws.ToInt32(op.StatusDetails.FailedStackInstancesCount) != 1 {
		t.Fatalf("operation %+v", op)
	}
	// One at a time, and none may fail: the others aren't tried, in the second region neither.
	if got := s.instances(); got[a1+"/eu-west-1"] != "OUTDATED FAILED" || got[a2+"/eu-west-1"] != "OUTDATED CANCELLED" || got[a1+"/us-east-1"] != "OUTDATED CANCELLED" {
		t.Fatalf("instances %v", got)
	}
	results, err := s.ListStackSetOperationResults(s.ctx, &cf.ListStackSetOperationResultsInput{StackSetName: aws.String("set"), OperationId: op.OperationId,
		Filters: []types.OperationResultFilter{{Name: types.OperationResultFilterNameOperationResultStatus, Values: aws.String("FAILED")}}})
	s.ok(err)
	if len(results.Summaries) != 1 || !strings.Contains(*results.Summaries[0].StatusReason, "ResourceLogicalId:Topic, ResourceType:AWS::SNS::Topic, ResourceStatusReason:") {
		t.Fatalf("results %+v", results.Summaries)
	}
	op = s.deploy(everywhere, &types.StackSetOperationPreferences{FailureTolerancePercentage: aws.Int32(50), MaxConcurrentCount: aws.Int32(10)}, "eu-west-1", "us-east-1")
	if op.Status != "SUCCEEDED" {
		t.Fatalf("operation %+v", op)
	}
	if got := s.instances(); got[a1+"/eu-west-1"] != "OUTDATED FAILED" || got[p1+"/us-east-1"] != "CURRENT SUCCEEDED" {
		t.Fatalf("instances %v", got)
	}
}

func TestStackSetUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stillSets(t, sandbox.Options{StackTime: 50 * time.Millisecond})
		s.trust()
		s.serviceSet(nil)
		s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}, nil, "eu-west-1")
		in := &cf.UpdateStackSetInput{StackSetName: aws.String("set"), UsePreviousTemplate: aws.Bool(true), Parameters: pairs([]string{"Name=y"}),
			OperationPreferences: &types.StackSetOperationPreferences{MaxConcurrentCount: aws.Int32(3), ConcurrencyMode: types.ConcurrencyModeSoftFailureTolerance}}
		out, err := s.UpdateStackSet(s.ctx, in)
		s.ok(err)
		_, err = s.UpdateStackSet(s.ctx, in) // with the id that the SDK made for the first
		s.refused(err, "OperationIdAlreadyExistsException", *out.OperationId)
		in.OperationId = nil
		_, err = s.UpdateStackSet(s.ctx, in)
		s.refused(err, "OperationInProgressException", *out.OperationId)
		if op := s.over(*out.OperationId); op.Status != "SUCCEEDED" || op.Action != "UPDATE" {
			t.Fatalf("operation %+v", op)
		}
		s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED", a2 + "/eu-west-1": "CURRENT SUCCEEDED", p1 + "/eu-west-1": "CURRENT SUCCEEDED"})
		// Part of the instances: the others are outdated.
		in.OperationId, in.Parameters = nil, pairs([]string{"Name=z"})
		in.DeploymentTargets, in.Regions = &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Prod"]}}, []string{"eu-west-1"}
		out, err = s.UpdateStackSet(s.ctx, in)
		s.ok(err)
		s.over(*out.OperationId)
		s.want(map[string]string{a1 + "/eu-west-1": "OUTDATED PENDING", a2 + "/eu-west-1": "OUTDATED PENDING", p1 + "/eu-west-1": "CURRENT SUCCEEDED"})
		// Stopped: what hasn't begun is cancelled.
		out, err = s.UpdateStackSet(s.ctx, &cf.UpdateStackSetInput{StackSetName: aws.String("set"), UsePreviousTemplate: aws.Bool(true), Parameters: pairs([]string{"Name=w"})})
		s.ok(err)
		_, err = s.StopStackSetOperation(s.ctx, &cf.StopStackSetOperationInput{StackSetName: aws.String("set"), OperationId: out.OperationId})
		s.ok(err)
		if op := s.over(*out.OperationId); op.Status != "STOPPED" {
			t.Fatalf("operation %+v", op)
		}
		s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED", a2 + "/eu-west-1": "OUTDATED CANCELLED", p1 + "/eu-west-1": "OUTDATED CANCELLED"})
	})
}

func TestStackSetFollowsAccounts(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	s.trust()
	s.serviceSet(&types.AutoDeployment{Enabled: aws.Bool(true)})
	s.deploy(&types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}, nil, "eu-west-1")
	move := func(account, from, to string) {
		t.Helper()
		_, err := s.org.MoveAccount(s.ctx, &organizations.MoveAccountInput{AccountId: &account, SourceParentId: &from, DestinationParentId: &to})
		s.ok(err)
	}
	made, err := s.org.CreateAccount(s.ctx, &organizations.CreateAccountInput{AccountName: aws.String("fresh"), Email: aws.String("fresh@example.com")})
	s.ok(err)
	status, err := s.org.DescribeCreateAccountStatus(s.ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.CreateAccountStatus.Id})
	s.ok(err)
	if status.CreateAccountStatus.State != orgtypes.CreateAccountStateSucceeded {
		t.Fatalf("account %v", status.CreateAccountStatus)
	}
	fresh := *status.CreateAccountStatus.AccountId
	move(fresh, s.root, s.units["Prod"])
	move(o1, s.units["Other"], s.units["Apps"])
	move(a1, s.units["Apps"], s.units["Other"])
	move(a2, s.units["Apps"], s.units["Prod"]) // still below Apps
	s.want(map[string]string{a2 + "/eu-west-1": "CURRENT SUCCEEDED", p1 + "/eu-west-1": "CURRENT SUCCEEDED", o1 + "/eu-west-1": "CURRENT SUCCEEDED", fresh + "/eu-west-1": "CURRENT SUCCEEDED"})
	if got := s.stacks(a1, "eu-west-1"); len(got) != 0 {
		t.Fatalf("stacks %v are left", got)
	}
	// Retained on removal.
	out, err := s.UpdateStackSet(s.ctx, &cf.UpdateStackSetInput{StackSetName: aws.String("set"), UsePreviousTemplate: aws.Bool(true),
		AutoDeployment: &types.AutoDeployment{Enabled: aws.Bool(true), RetainStacksOnAccountRemoval: aws.Bool(true)}})
	s.ok(err)
	s.over(*out.OperationId)
	move(o1, s.units["Apps"], s.units["Other"])
	if got := s.stacks(o1, "eu-west-1"); len(got) != 1 || len(s.instances()) != 3 {
		t.Fatalf("stacks %v, instances %v", got, s.instances())
	}
}

func TestStackSetDelegate(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	s.trust()
	member := cf.NewFromConfig(s.in(a1))
	in := &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: aws.String(setTemplate), PermissionModel: types.PermissionModelsServiceManaged}
	_, err := member.CreateStackSet(s.ctx, in)
	s.refused(err, "ValidationError", "must be the management account or delegated admin")
	in.CallAs = types.CallAsDelegatedAdmin
	_, err = member.CreateStackSet(s.ctx, in)
	s.refused(err, "ValidationError", "not a delegated administrator")
	_, err = s.org.RegisterDelegatedAdministrator(s.ctx, &organizations.RegisterDelegatedAdministratorInput{AccountId: aws.String(a1), ServicePrincipal: aws.String("member.org.stacksets.cloudformation.amazonaws.com")})
	s.ok(err)
	_, err = member.CreateStackSet(s.ctx, in)
	s.ok(err)
	// It is the management account's.
	set, err := s.DescribeStackSet(s.ctx, &cf.DescribeStackSetInput{StackSetName: aws.String("set")})
	s.ok(err)
	if !strings.Contains(*set.StackSet.StackSetARN, ":111111111111:stackset/set:") {
		t.Errorf("ARN %s", *set.StackSet.StackSetARN)
	}
	_, err = member.DescribeStackSet(s.ctx, &cf.DescribeStackSetInput{StackSetName: aws.String("set")})
	s.refused(err, "StackSetNotFoundException", "set")
	out, err := member.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), CallAs: types.CallAsDelegatedAdmin, Regions: []string{"eu-west-1"},
		DeploymentTargets: &types.DeploymentTargets{OrganizationalUnitIds: []string{s.units["Apps"]}}})
	s.ok(err)
	if op := s.over(*out.OperationId); op.Status != "SUCCEEDED" {
		t.Fatalf("operation %+v", op)
	}
}

func TestStackSetSelfManaged(t *testing.T) {
	s := newSets(t, sandbox.Options{})
	_, err := s.CreateStackSet(s.ctx, &cf.CreateStackSetInput{StackSetName: aws.String("set"), TemplateBody: aws.String(setTemplate)})
	s.ok(err)
	run := func() (types.StackSetOperationStatus, string) {
		out, err := s.CreateStackInstances(s.ctx, &cf.CreateStackInstancesInput{StackSetName: aws.String("set"), Accounts: []string{a1}, Regions: []string{"eu-west-1"}, ParameterOverrides: pairs([]string{"Name=mine"})})
		s.ok(err)
		op := s.over(*out.OperationId)
		i, err := s.DescribeStackInstance(s.ctx, &cf.DescribeStackInstanceInput{StackSetName: aws.String("set"), StackInstanceAccount: aws.String(a1), StackInstanceRegion: aws.String("eu-west-1")})
		s.ok(err)
		return op.Status, aws.ToString(i.StackInstance.StatusReason)
	}
	if status, why := run(); status != "FAILED" || !strings.Contains(why, "must have trust relationship with CloudFormation") {
		t.Fatalf("%s %s", status, why)
	}
	role := func(cfg aws.Config, name, trust, policy string) {
		client := iam.NewFromConfig(cfg)
		_, err := client.CreateRole(s.ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + trust + `}]}`)})
		s.ok(err)
		_, err = client.PutRolePolicy(s.ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + policy + `,"Resource":"*"}]}`)})
		s.ok(err)
	}
	role(configOf(s.box, s.url), "AWSCloudFormationStackSetAdministrationRole", `{"Service":"cloudformation.amazonaws.com"}`, `"sts:AssumeRole"`)
	if status, why := run(); status != "FAILED" || why != "Account "+a1+" should have 'AWSCloudFormationStackSetExecutionRole' role with trust relationship to Role 'AWSCloudFormationStackSetAdministrationRole'." {
		t.Fatalf("%s %s", status, why)
	}
	role(s.in(a1), "AWSCloudFormationStackSetExecutionRole", `{"AWS":"arn:aws:iam::111111111111:role/AWSCloudFormationStackSetAdministrationRole"}`, `["cloudformation:*","s3:*"]`)
	if status, why := run(); status != "FAILED" || !strings.Contains(why, "SNS:CreateTopic") {
		t.Fatalf("%s %s", status, why) // the execution role isn't allowed to
	}
	_, err = iam.NewFromConfig(s.in(a1)).PutRolePolicy(s.ctx, &iam.PutRolePolicyInput{RoleName: aws.String("AWSCloudFormationStackSetExecutionRole"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:*","sns:*"],"Resource":"*"}]}`)})
	s.ok(err)
	if status, why := run(); status != "SUCCEEDED" {
		t.Fatalf("%s %s", status, why)
	}
	s.want(map[string]string{a1 + "/eu-west-1": "CURRENT SUCCEEDED"})
}
