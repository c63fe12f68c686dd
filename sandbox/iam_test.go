package sandbox_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"axle/sandbox"
)

func TestRoleLifeCycle(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1})
	client, ctx := iam.NewFromConfig(b.top), context.Background()
	name := aws.String("r")
	trust := trusting(managementAccount, "")
	made, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, Path: aws.String("/a/b/"), AssumeRolePolicyDocument: trust,
		Description: aws.String("d"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	if err != nil {
		t.Fatal(err)
	}
	if *made.Role.Arn != "arn:aws:iam::111111111111:role/a/b/r" || *made.Role.MaxSessionDuration != 3600 {
		t.Errorf("made %+v", made.Role)
	}
	if doc, err := url.PathUnescape(*made.Role.AssumeRolePolicyDocument); err != nil || doc != *trust {
		t.Errorf("trust policy is %s, %v", doc, err)
	}
	_, err = client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust})
	refused(t, err, "EntityAlreadyExists", "Role with name r already exists.")
	_, err = client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(strings.ToUpper(*name)), AssumeRolePolicyDocument: trust})
	refused(t, err, "EntityAlreadyExists", "Role with name R already exists.")
	_, err = client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("none")})
	refused(t, err, "NoSuchEntity", "The role with name none cannot be found.")
	_, err = client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("x"), AssumeRolePolicyDocument: allowing("*")})
	refused(t, err, "MalformedPolicyDocument", "")

	managed, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("m"), PolicyDocument: allowing("s3:*")})
	if err != nil {
		t.Fatal(err)
	}
	attach := &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: managed.Policy.Arn}
	if _, err := client.AttachRolePolicy(ctx, attach); err != nil {
		t.Fatal(err)
	}
	_, err = client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/Nope")})
	refused(t, err, "NoSuchEntity", "does not exist or is not attachable")
	_, err = client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	refused(t, err, "DeleteConflict", "must detach all policies first")
	_, err = client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: managed.Policy.Arn})
	refused(t, err, "DeleteConflict", "attached to entities")
	entities, err := client.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: managed.Policy.Arn})
	if err != nil || len(entities.PolicyRoles) != 1 {
		t.Errorf("%v, %v", entities, err)
	}
	if _, err := client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: managed.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	put := &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: allowing("sns:*")}
	if _, err := client.PutRolePolicy(ctx, put); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: put.PolicyName})
	if err != nil || *got.RoleName != "r" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	refused(t, err, "DeleteConflict", "must delete policies first")
	if _, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: put.PolicyName}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); err != nil {
		t.Fatal(err)
	}
}

func TestPolicyVersions(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	client, ctx := iam.NewFromConfig(b.top), context.Background()
	made, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("m"), PolicyDocument: allowing("s3:*")})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.Policy.Arn
	for i := 2; i <= 5; i++ {
		v, err := client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: allowing("sns:*"), SetAsDefault: i == 3})
		if err != nil || *v.PolicyVersion.VersionId != fmt.Sprint("v", i) {
			t.Fatal(v, err)
		}
	}
	_, err = client.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: allowing("sns:*")})
	refused(t, err, "LimitExceeded", "5 versions")
	_, err = client.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v3")})
	refused(t, err, "DeleteConflict", "default version")
	_, err = client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	refused(t, err, "DeleteConflict", "more than one version")
	for _, v := range []string{"v1", "v2", "v4", "v5"} {
		if _, err := client.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: &v}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
}

func TestUsersAndKeys(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	client, ctx := iam.NewFromConfig(b.top), context.Background()
	name := aws.String("ann")
	if _, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: name}); err != nil {
		t.Fatal(err)
	}
	key, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		t.Fatal(err)
	}
	ann := iam.NewFromConfig(with(b.top, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""))
	_, err = ann.ListRoles(ctx, &iam.ListRolesInput{})
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: iam:ListRoles")
	if _, err := client.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}); err != nil {
		t.Fatal(err)
	}
	if me, err := ann.GetUser(ctx, &iam.GetUserInput{}); err != nil || *me.User.UserName != "ann" {
		t.Error(me, err)
	}
	_, err = ann.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	refused(t, err, "AccessDenied", "iam:DeleteUser on resource: user ann")
	_, err = client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	refused(t, err, "DeleteConflict", "access keys")
	if _, err := client.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: key.AccessKey.AccessKeyId, Status: types.StatusTypeInactive}); err != nil {
		t.Fatal(err)
	}
	_, err = ann.GetUser(ctx, &iam.GetUserInput{})
	refused(t, err, "InvalidClientTokenId", "")
}

// An unkind sandbox gives pages of two, and all of them.
func TestPagesOfTwo(t *testing.T) {
	b := newBox(t, sandbox.Options{Unkind: true, Seed: 1})
	cfg := b.top.Copy()
	cfg.RetryMaxAttempts = 10
	client, ctx := iam.NewFromConfig(cfg), context.Background()
	for i := range 5 {
		if _, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(fmt.Sprint("r", i)), AssumeRolePolicyDocument: trusting(managementAccount, "")}); err != nil {
			t.Fatal(err)
		}
	}
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{})
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Roles) > 2 {
			t.Errorf("a page of %d", len(page.Roles))
		}
		for _, r := range page.Roles {
			got = append(got, *r.RoleName)
		}
	}
	if fmt.Sprint(got) != "[r0 r1 r2 r3 r4]" {
		t.Errorf("got %v", got)
	}
}
