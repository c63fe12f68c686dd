package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"axle/sandbox"
)

// trusting is a trust policy for a principal, with an optional condition.
func trusting(principal, condition string) *string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]` + condition + `}]}`)
}

func allowing(action string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`)
}

// role makes a role with one inline policy.
func (b *box) role(cfg aws.Config, name string, trust, policy *string, change ...func(*iam.CreateRoleInput)) {
	b.Helper()
	client, ctx := iam.NewFromConfig(cfg), context.Background()
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust}
	for _, fn := range change {
		fn(in)
	}
	if _, err := client.CreateRole(ctx, in); err != nil {
		b.Fatal(err)
	}
	if policy == nil {
		return
	}
	if _, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: policy}); err != nil {
		b.Fatal(err)
	}
}

func TestAssumeRole(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 2})
	member := b.in(firstAccount)
	const second = "200002000006"
	b.role(b.top, "hub", trusting(managementAccount, ""), allowing("sts:*"))
	b.role(b.top, "mute", trusting(managementAccount, ""), allowing("s3:*"))
	hub, err := b.assume(b.top, managementAccount, "hub")
	if err != nil {
		t.Fatal(err)
	}
	mute, err := b.assume(b.top, managementAccount, "mute")
	if err != nil {
		t.Fatal(err)
	}
	b.role(member, "spoke", trusting("arn:aws:iam::"+managementAccount+":role/hub", `{"StringEquals":{"sts:ExternalId":"x-1"}}`), allowing("ssm:*"),
		func(in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(7200) })
	b.role(member, "byname", trusting("arn:aws:iam::"+managementAccount+":root", `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::`+managementAccount+`:role/hub"}}`), nil)
	external := func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("x-1") }
	lasting := func(seconds int32) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.DurationSeconds = &seconds }
	}
	tests := []struct {
		name          string
		from          aws.Config
		account, role string
		change        []func(*sts.AssumeRoleInput)
		code, message string
	}{
		{"trusted", hub, firstAccount, "spoke", []func(*sts.AssumeRoleInput){external}, "", ""},
		{"by condition on the principal's ARN", hub, firstAccount, "byname", nil, "", ""},
		{"no external id", hub, firstAccount, "spoke", nil, "AccessDenied", "User: arn:aws:sts::111111111111:assumed-role/hub/test is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::200001000003:role/spoke"},
		{"not trusted", b.top, firstAccount, "spoke", []func(*sts.AssumeRoleInput){external}, "AccessDenied", "user/admin is not authorized"},
		{"trusted without permission", mute, firstAccount, "OrganizationAccountAccessRole", nil, "AccessDenied", "role/OrganizationAccountAccessRole"},
		{"no such role", hub, firstAccount, "nope", nil, "AccessDenied", "role/nope"},
		{"no such account", hub, "999999999999", "spoke", nil, "AccessDenied", "999999999999"},
		{"from another member", member, second, "OrganizationAccountAccessRole", nil, "AccessDenied", ""},
		{"the management account has no access role", b.top, managementAccount, "OrganizationAccountAccessRole", nil, "AccessDenied", ""},
		{"chained for two hours", hub, firstAccount, "spoke", []func(*sts.AssumeRoleInput){external, lasting(7200)}, "ValidationError", "1 hour session limit for roles assumed by role chaining"},
		{"longer than the role allows", b.top, firstAccount, "OrganizationAccountAccessRole", []func(*sts.AssumeRoleInput){lasting(7200)}, "ValidationError", "MaxSessionDuration"},
		{"too short", b.top, firstAccount, "OrganizationAccountAccessRole", []func(*sts.AssumeRoleInput){lasting(60)}, "ValidationError", "900"},
		{"bad session name", b.top, firstAccount, "OrganizationAccountAccessRole",
			[]func(*sts.AssumeRoleInput){func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }}, "ValidationError", "roleSessionName"},
		{"bad ARN", b.top, "1", "r", nil, "ValidationError", "is invalid"},
		{"source identity without permission on the trusting side", b.top, firstAccount, "OrganizationAccountAccessRole",
			[]func(*sts.AssumeRoleInput){func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("ann") }}, "AccessDenied", "sts:SetSourceIdentity"},
		{"session tags", hub, firstAccount, "byname",
			[]func(*sts.AssumeRoleInput){func(in *sts.AssumeRoleInput) {
				in.Tags = []ststypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
			}}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := b.assume(tt.from, tt.account, tt.role, tt.change...)
			if tt.code != "" {
				refused(t, err, tt.code, tt.message)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			who, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
			if err != nil || *who.Arn != "arn:aws:sts::"+tt.account+":assumed-role/"+tt.role+"/test" || !strings.HasSuffix(*who.UserId, ":test") {
				t.Errorf("%v, %v", who, err)
			}
		})
	}
}

// What a session may do is the intersection of the role's policies, its
// boundary, the session policy and the SCPs.
func TestSessionIsLimited(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1})
	member, ctx := b.in(firstAccount), context.Background()
	b.role(member, "wide", trusting(firstAccount, ""), allowing("*"))
	boundary, err := iam.NewFromConfig(member).CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("edge"), PolicyDocument: allowing("ssm:Get*")})
	if err != nil {
		t.Fatal(err)
	}
	b.role(member, "bounded", trusting(firstAccount, ""), allowing("*"), func(in *iam.CreateRoleInput) { in.PermissionsBoundary = boundary.Policy.Arn })
	describe := func(cfg aws.Config) error {
		_, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{})
		return err
	}
	wide, err := b.assume(member, firstAccount, "wide")
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(wide); err != nil {
		t.Error(err)
	}
	narrow, err := b.assume(member, firstAccount, "wide", func(in *sts.AssumeRoleInput) { in.Policy = allowing("sns:*") })
	if err != nil {
		t.Fatal(err)
	}
	refused(t, describe(narrow), "AccessDeniedException", "because no session policy allows the ssm:DescribeParameters action")
	bounded, err := b.assume(member, firstAccount, "bounded")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, describe(bounded), "AccessDeniedException", "because no permissions boundary allows the ssm:DescribeParameters action")
	if _, err := b.assume(member, firstAccount, "wide", func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{") }); err == nil {
		t.Error("a session policy that isn't one was taken")
	} else {
		refused(t, err, "MalformedPolicyDocument", "")
	}
	// A session is worth nothing once its role is gone, even when one of the
	// same name is made.
	client := iam.NewFromConfig(member)
	if _, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("wide"), PolicyName: aws.String("p")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("wide")}); err != nil {
		t.Fatal(err)
	}
	b.role(member, "wide", trusting(firstAccount, ""), allowing("*"))
	refused(t, describe(wide), "AccessDeniedException", "")
}

// Whoever is named in a trust policy is bound by unique id: made anew, it is
// somebody else.
func TestTrustIsBoundToTheRole(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1})
	member, ctx := b.in(firstAccount), context.Background()
	b.role(b.top, "hub", trusting(managementAccount, ""), nil)
	hubARN := "arn:aws:iam::" + managementAccount + ":role/hub"
	b.role(member, "spoke", trusting(hubARN, ""), nil)
	top := iam.NewFromConfig(b.top)
	if _, err := top.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("hub")}); err != nil {
		t.Fatal(err)
	}
	b.role(b.top, "hub", trusting(managementAccount, ""), allowing("sts:*"))
	hub, err := b.assume(b.top, managementAccount, "hub")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.assume(hub, firstAccount, "spoke")
	refused(t, err, "AccessDenied", "role/spoke")
	got, err := iam.NewFromConfig(member).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("spoke")})
	if err != nil || strings.Contains(*got.Role.AssumeRolePolicyDocument, "hub") || !strings.Contains(*got.Role.AssumeRolePolicyDocument, "AROA") {
		t.Errorf("shows %v, %v", *got.Role.AssumeRolePolicyDocument, err)
	}
	_, err = iam.NewFromConfig(member).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("spoke"), PolicyDocument: trusting(hubARN+"x", "")})
	refused(t, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+hubARN+`x"`)
}

// In an unkind sandbox a new role can't be assumed at once.
func TestRolesPropagate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := stillCloud(t, sandbox.Options{Unkind: true, Seed: 3})
		b := &box{T: t, top: c.top}
		b.role(b.top, "new", trusting(managementAccount, ""), nil)
		assume := func() error {
			_, err := b.assume(b.top, managementAccount, "new")
			return err
		}
		refused(t, assume(), "AccessDenied", "sts:AssumeRole")
		inTheEnd(t, "AccessDenied", "sts:AssumeRole", assume)
	})
}

// A session in a chain keeps its source identity and its transitive tags.
func TestChainedSessionsKeepWhatTheyInherit(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	for _, name := range []string{"one", "two"} {
		b.role(b.top, name, trusting(managementAccount, ""), allowing("sts:*"))
	}
	tag := func(key string) []ststypes.Tag { return []ststypes.Tag{{Key: &key, Value: aws.String("v")}} }
	one, err := b.assume(b.top, managementAccount, "one", func(in *sts.AssumeRoleInput) {
		in.SourceIdentity, in.Tags, in.TransitiveTagKeys = aws.String("ann"), tag("team"), []string{"team"}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.assume(one, managementAccount, "two", func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("bob") })
	refused(t, err, "AccessDenied", "sts:SetSourceIdentity")
	_, err = b.assume(one, managementAccount, "two", func(in *sts.AssumeRoleInput) { in.Tags = tag("Team") })
	refused(t, err, "ValidationError", "conflicts with a transitive tag key")
	_, err = b.assume(one, managementAccount, "two", func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"other"} })
	refused(t, err, "ValidationError", "must be included in the requested tags")
	if _, err = b.assume(one, managementAccount, "two", func(in *sts.AssumeRoleInput) {
		in.SourceIdentity, in.Tags = aws.String("ann"), tag("other")
	}); err != nil {
		t.Error(err)
	}
}
