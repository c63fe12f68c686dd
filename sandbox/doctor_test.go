package sandbox_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

// What the organization file gives an account, or a request raised, is what
// Service Quotas shows and what is enforced.
func TestQuotas(t *testing.T) {
	file, err := sandbox.ParseOrgFile("accounts.yaml", []byte(`accounts:
  - {id: "222222222222", name: dev, quotas: {L-F678F1CE: 2, L-0485CB21: 1, L-B99A9384: 10, L-FE177D64: 2}}
  - {id: "333333333333", name: qa}
`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.ParseOrgFile("accounts.yaml", []byte(`accounts: [{id: "222222222222", name: dev, quotas: {L-0: 2}}]`)); err == nil {
		t.Error("an unknown quota is taken")
	}
	b, ctx := newBox(t, sandbox.Options{Organization: file}), context.Background()
	dev := b.in("222222222222")
	quotas, net := servicequotas.NewFromConfig(dev), ec2.NewFromConfig(dev)
	vpcs := func(region string) float64 {
		t.Helper()
		out, err := quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("vpc"), QuotaCode: aws.String("L-F678F1CE")},
			func(o *servicequotas.Options) { o.Region = region })
		if err != nil {
			t.Fatal(err)
		}
		return *out.Quota.Value
	}
	make := func() error {
		_, err := net.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		return err
	}
	if n := vpcs("eu-west-1"); n != 2 || make() != nil || make() != nil {
		t.Errorf("%v VPCs", n)
	}
	refused(t, make(), "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	_, err = quotas.RequestServiceQuotaIncrease(ctx, &servicequotas.RequestServiceQuotaIncreaseInput{ServiceCode: aws.String("vpc"), QuotaCode: aws.String("L-F678F1CE"), DesiredValue: aws.Float64(3)})
	if err != nil || vpcs("eu-west-1") != 3 || vpcs("us-east-1") != 2 || make() != nil {
		t.Error("the quota wasn't raised, or too far", err)
	}
	standard, err := quotas.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: aws.String("vpc"), QuotaCode: aws.String("L-F678F1CE")})
	if err != nil || *standard.Quota.Value != 5 {
		t.Error(standard, err)
	}
	stacks, body := cloudformation.NewFromConfig(dev), aws.String(`{"Resources":{"W":{"Type":"AWS::CloudFormation::WaitConditionHandle"}}}`)
	if _, err := stacks.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String("one"), TemplateBody: body}); err != nil {
		t.Fatal(err)
	}
	_, err = stacks.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String("two"), TemplateBody: body})
	refused(t, err, "LimitExceededException", "1")
	_, err = stacks.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: aws.String("two"), ChangeSetName: aws.String("c"), ChangeSetType: cfn.ChangeSetTypeCreate, TemplateBody: body})
	refused(t, err, "LimitExceededException", "1")
	b.role(dev, "second", trusting("222222222222", ""), nil)
	_, err = iam.NewFromConfig(dev).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("third"), AssumeRolePolicyDocument: trusting("222222222222", "")})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2")
	for account, want := range map[string]int32{"222222222222": 10, "333333333333": 1000} {
		out, err := lambda.NewFromConfig(b.in(account)).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
		if err != nil || out.AccountLimit.ConcurrentExecutions != want {
			t.Error(account, out, err)
		}
	}
}

// AWS gives ten concurrent executions to a new account.
func TestQuotaOfANewAccount(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{}), context.Background()
	org := organizations.NewFromConfig(b.top)
	made, err := org.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("new"), Email: aws.String("new@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	status, err := org.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.CreateAccountStatus.Id})
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambda.NewFromConfig(b.in(*status.CreateAccountStatus.AccountId)).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || out.AccountLimit.ConcurrentExecutions != 10 {
		t.Error(out, err)
	}
}

// The simulator decides as the services do, and says which side refuses.
func TestSimulatePrincipalPolicy(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{Organization: orgFile(t)}), context.Background()
	member := b.in("222222222222")
	client, role := iam.NewFromConfig(member), "arn:aws:iam::222222222222:role/tried"
	b.role(member, "tried", trusting("222222222222", ""), aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:*","sns:*","ec2:*"],"Resource":"*"},
		{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"},
		{"Effect":"Allow","Action":"ssm:GetParameter","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`))
	boundary, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("b"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"sns:*","Resource":"*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("tried"), PermissionsBoundary: boundary.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	b.control("222222222222", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:*","Resource":"*"}]}`)
	try := func(action string, context ...iamtypes.ContextEntry) iamtypes.EvaluationResult {
		t.Helper()
		out, err := client.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: []string{action}, ContextEntries: context})
		if err != nil || len(out.EvaluationResults) != 1 {
			t.Fatal(out, err)
		}
		return out.EvaluationResults[0]
	}
	for action, want := range map[string]string{
		"s3:GetObject": "allowed true true", "s3:DeleteBucket": "explicitDeny true true", "sns:Publish": "implicitDeny true false",
		"ec2:DescribeVpcs": "explicitDeny false true", "kms:Decrypt": "implicitDeny true true", "ssm:GetParameter": "implicitDeny true true",
	} {
		r := try(action)
		yes := map[bool]string{true: " true", false: " false"}
		if got := string(r.EvalDecision) + yes[r.OrganizationsDecisionDetail.AllowedByOrganizations] + yes[r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary]; got != want {
			t.Errorf("%s: %s, want %s", action, got, want)
		}
	}
	if r := try("s3:DeleteBucket"); len(r.MatchedStatements) != 1 || *r.MatchedStatements[0].SourcePolicyId != "role_tried_p" || r.MatchedStatements[0].StartPosition.Line != 3 {
		t.Errorf("%+v", r.MatchedStatements)
	}
	if r := try("ssm:GetParameter"); !slices.Equal(r.MissingContextValues, []string{"aws:SourceIp"}) {
		t.Errorf("%+v", r.MissingContextValues)
	}
	inside := iamtypes.ContextEntry{ContextKeyName: aws.String("aws:SourceIp"), ContextKeyType: "ip", ContextKeyValues: []string{"10.1.2.3"}}
	if r := try("ssm:GetParameter", inside); r.EvalDecision != "allowed" {
		t.Errorf("%+v", r)
	}
}

// control attaches an SCP to an account.
func (b *box) control(account, doc string) {
	b.Helper()
	org, ctx := organizations.NewFromConfig(b.top), context.Background()
	p, err := org.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("scp"), Description: aws.String(""), Type: orgtypes.PolicyTypeServiceControlPolicy, Content: &doc})
	if err == nil {
		_, err = org.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: p.Policy.PolicySummary.Id, TargetId: &account})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// The details have everybody with what they may do, page by page.
func TestAuthorizationDetails(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{}), context.Background()
	client := iam.NewFromConfig(b.top)
	b.role(b.top, "r", trusting(managementAccount, ""), allowing("s3:*"))
	own, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("own"), PolicyDocument: allowing("sns:*")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: own.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	var roles []iamtypes.RoleDetail
	var users []iamtypes.UserDetail
	var policies []iamtypes.ManagedPolicyDetail
	n := 0
	for p := iam.NewGetAccountAuthorizationDetailsPaginator(client, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1)}); p.HasMorePages(); n++ {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		roles, users, policies = append(roles, out.RoleDetailList...), append(users, out.UserDetailList...), append(policies, out.Policies...)
	}
	if n != 4 || len(roles) != 1 || len(users) != 1 || len(policies) != 2 {
		t.Fatalf("%d pages: %d roles, %d users, %d policies", n, len(roles), len(users), len(policies))
	}
	text := func(s *string) string { v, _ := url.QueryUnescape(*s); return v }
	r := roles[0]
	if *r.RoleName != "r" || text(r.AssumeRolePolicyDocument) != *trusting(managementAccount, "") || len(r.RolePolicyList) != 1 ||
		text(r.RolePolicyList[0].PolicyDocument) != *allowing("s3:*") || *r.AttachedManagedPolicies[0].PolicyArn != *own.Policy.Arn {
		t.Errorf("%+v", r)
	}
	if p := policies[0]; *p.PolicyName != "own" || len(p.PolicyVersionList) != 1 || text(p.PolicyVersionList[0].Document) != *allowing("sns:*") {
		t.Errorf("%+v", p)
	}
}

// The message of an explicit deny has the statement that denies, for the
// account that was refused only.
func TestDecodeAuthorizationMessage(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{Accounts: 1}), context.Background()
	member := b.in(firstAccount)
	b.role(member, "r", trusting(firstAccount, ""), aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Sid":"NoNetworks","Effect":"Deny","Action":"ec2:Create*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"us-east-1"}}}]}`))
	cfg, err := b.assume(member, firstAccount, "r")
	if err != nil {
		t.Fatal(err)
	}
	_, err = ec2.NewFromConfig(cfg).CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	refused(t, err, "UnauthorizedOperation", "with an explicit deny in an identity-based policy. Encoded authorization failure message: ")
	_, encoded, _ := strings.Cut(err.Error(), "failure message: ")
	out, err := sts.NewFromConfig(member).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	if err != nil {
		t.Fatal(err)
	}
	type list struct{ Items []struct{ Key, Value string } }
	var m struct {
		Allowed, ExplicitDeny bool
		MatchedStatements     struct {
			Items []struct {
				StatementID, Effect string
				Actions, Conditions list
			}
		}
		Context struct {
			Principal  struct{ ARN string }
			Action     string
			Conditions list
		}
	}
	if err := json.Unmarshal([]byte(*out.DecodedMessage), &m); err != nil {
		t.Fatal(err)
	}
	s := m.MatchedStatements.Items
	if m.Allowed || !m.ExplicitDeny || len(s) != 1 || s[0].StatementID != "NoNetworks" || s[0].Effect != "DENY" || s[0].Actions.Items[0].Value != "ec2:Create*" ||
		s[0].Conditions.Items[0].Key != "aws:RequestedRegion" || m.Context.Action != "ec2:CreateVpc" || !strings.HasSuffix(m.Context.Principal.ARN, "/r/test") || len(m.Context.Conditions.Items) < 5 {
		t.Errorf("%s", *out.DecodedMessage)
	}
	for _, wrong := range []string{encoded[:len(encoded)-4], "x"} {
		_, err = sts.NewFromConfig(member).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &wrong})
		refused(t, err, "InvalidAuthorizationMessageException", "")
	}
	_, err = sts.NewFromConfig(b.top).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	refused(t, err, "InvalidAuthorizationMessageException", "")
}

// CloudFormation's trusted access is Organizations' of StackSets.
func TestOrganizationsAccess(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{Accounts: 1}), context.Background()
	client, org := cloudformation.NewFromConfig(b.top), organizations.NewFromConfig(b.top)
	status := func() cfn.OrganizationStatus {
		t.Helper()
		out, err := client.DescribeOrganizationsAccess(ctx, &cloudformation.DescribeOrganizationsAccessInput{})
		if err != nil {
			t.Fatal(err)
		}
		return out.Status
	}
	if s := status(); s != "DISABLED" {
		t.Error(s)
	}
	if _, err := client.ActivateOrganizationsAccess(ctx, &cloudformation.ActivateOrganizationsAccessInput{}); err != nil {
		t.Fatal(err)
	}
	list, err := org.ListAWSServiceAccessForOrganization(ctx, &organizations.ListAWSServiceAccessForOrganizationInput{})
	if s := status(); s != "ENABLED" || err != nil || len(list.EnabledServicePrincipals) != 1 || *list.EnabledServicePrincipals[0].ServicePrincipal != "member.org.stacksets.cloudformation.amazonaws.com" {
		t.Error(s, list, err)
	}
	_, err = cloudformation.NewFromConfig(b.in(firstAccount)).DescribeOrganizationsAccess(ctx, &cloudformation.DescribeOrganizationsAccessInput{})
	refused(t, err, "InvalidOperationException", "management account")
}

// A user has what its groups have, within its boundary.
func TestGroups(t *testing.T) {
	b, ctx := newBox(t, sandbox.Options{}), context.Background()
	client := iam.NewFromConfig(b.top)
	user, group := aws.String("ann"), aws.String("readers")
	if _, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: user}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: group, PolicyName: aws.String("p"), PolicyDocument: allowing("iam:List*")}); err != nil {
		t.Fatal(err)
	}
	key, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user})
	if err != nil {
		t.Fatal(err)
	}
	ann := iam.NewFromConfig(with(b.top, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""))
	list := func() error { _, err := ann.ListRoles(ctx, &iam.ListRolesInput{}); return err }
	refused(t, list(), "AccessDenied", "because no identity-based policy allows the iam:ListRoles action")
	if _, err := client.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: group, UserName: user}); err != nil {
		t.Fatal(err)
	}
	if err := list(); err != nil {
		t.Error(err)
	}
	out, err := client.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::111111111111:user/ann"), ActionNames: []string{"iam:ListUsers"}})
	if err != nil || out.EvaluationResults[0].EvalDecision != "allowed" || out.EvaluationResults[0].MatchedStatements[0].SourcePolicyType != iamtypes.PolicySourceTypeGroup {
		t.Error(out, err)
	}
	_, err = client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user})
	refused(t, err, "DeleteConflict", "")
	if _, err := client.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: group, UserName: user}); err != nil {
		t.Fatal(err)
	}
	refused(t, list(), "AccessDenied", "")
}

// Active peerings of a VPC have a quota, which either side can reach.
func TestQuotaOfPeerings(t *testing.T) {
	file := &sandbox.OrgFile{Accounts: []sandbox.OrgAccount{{ID: "222222222222", Name: "dev", Quotas: map[string]float64{"L-7E9ECCDB": 1}}}}
	b, ctx := newBox(t, sandbox.Options{Organization: file}), context.Background()
	net := ec2.NewFromConfig(b.in("222222222222"))
	vpc := func(cidr string) *string {
		out, err := net.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &cidr})
		if err != nil {
			t.Fatal(err)
		}
		return out.Vpc.VpcId
	}
	hub := vpc("10.0.0.0/16")
	peer := func(cidr string) error {
		out, err := net.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{VpcId: vpc(cidr), PeerVpcId: hub})
		if err != nil {
			t.Fatal(err)
		}
		_, err = net.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: out.VpcPeeringConnection.VpcPeeringConnectionId})
		return err
	}
	if err := peer("10.1.0.0/16"); err != nil {
		t.Fatal(err)
	}
	refused(t, peer("10.2.0.0/16"), "ActiveVpcPeeringConnectionPerVpcLimitExceeded", *hub)
}
