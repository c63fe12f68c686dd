package sandbox_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

const orgYAML = `
management: {id: "111111111111", name: management, email: root@example.com}
ous:
  - name: Workloads
    tags: {tier: apps}
    accounts:
      - {id: "222222222222", name: dev, email: dev@example.com, tags: {env: dev, net: "1"}}
    ous:
      - name: Prod
        accounts:
          - {id: "333333333333", name: prod, invited: true}
accounts:
  - {id: "444444444444", name: gone, status: SUSPENDED}
`

func orgFile(t *testing.T) *sandbox.OrgFile {
	t.Helper()
	f, err := sandbox.ParseOrgFile("org.yaml", []byte(orgYAML))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOrgFileIsStrict(t *testing.T) {
	for src, want := range map[string]string{
		"managment: {}":                                          "managment",
		"accounts: [{id: '12', name: x}]":                        "twelve digits",
		"accounts: [{id: '222222222222'}]":                       "has no name",
		"accounts: [{id: '111111111111', name: x}]":              "that of",
		"ous: [{name: A}, {name: A}]":                            "twice",
		"accounts: [{id: '222222222222', name: x, status: OFF}]": "OFF",
	} {
		_, err := sandbox.ParseOrgFile("org.yaml", []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "org.yaml: ") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestOrganizationReads(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	org, ctx := organizations.NewFromConfig(b.top), context.Background()
	roots, err := org.ListRoots(ctx, &organizations.ListRootsInput{})
	if err != nil {
		t.Fatal(err)
	}
	root := roots.Roots[0].Id
	units, err := org.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: root})
	if err != nil || len(units.OrganizationalUnits) != 1 || *units.OrganizationalUnits[0].Name != "Workloads" {
		t.Fatal(units, err)
	}
	work := units.OrganizationalUnits[0].Id
	dev, err := org.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: aws.String("222222222222")})
	if err != nil {
		t.Fatal(err)
	}
	describe, err := org.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		t.Fatal(err)
	}
	if want := *describe.Organization.Id + "/" + *root + "/" + *work + "/222222222222/"; dev.Account.Paths[0] != want || dev.Account.State != "ACTIVE" {
		t.Errorf("%+v, want path %s", dev.Account, want)
	}
	gone, err := org.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: aws.String("444444444444")})
	if err != nil || gone.Account.State != "SUSPENDED" {
		t.Error(gone, err)
	}
	_, err = org.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: aws.String("999999999999")})
	refused(t, err, "AccountNotFoundException", "")
	parents, err := org.ListParents(ctx, &organizations.ListParentsInput{ChildId: aws.String("222222222222")})
	if err != nil || *parents.Parents[0].Id != *work || parents.Parents[0].Type != types.ParentTypeOrganizationalUnit {
		t.Error(parents, err)
	}
	tags, err := org.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: work})
	if err != nil || *tags.Tags[0].Key != "tier" {
		t.Error(tags, err)
	}
	_, err = b.assume(b.top, "333333333333", "OrganizationAccountAccessRole")
	refused(t, err, "AccessDenied", "") // invited
	_, err = b.assume(b.top, "444444444444", "OrganizationAccountAccessRole")
	refused(t, err, "AccessDenied", "") // suspended
}

func TestMembersMayNotReadTheOrganization(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	member, ctx := b.in("222222222222"), context.Background()
	org := organizations.NewFromConfig(member)
	_, err := org.ListAccounts(ctx, &organizations.ListAccountsInput{})
	refused(t, err, "AccessDeniedException", "You don't have permissions to access this resource.")
	if _, err := org.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}); err != nil {
		t.Error(err)
	}
	if _, err := organizations.NewFromConfig(b.top).RegisterDelegatedAdministrator(ctx, &organizations.RegisterDelegatedAdministratorInput{
		AccountId: aws.String("222222222222"), ServicePrincipal: aws.String("account.amazonaws.com")}); err != nil {
		t.Fatal(err)
	}
	if _, err := org.ListAccounts(ctx, &organizations.ListAccountsInput{}); err != nil {
		t.Error(err)
	}
	_, err = org.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{Name: aws.String("x"), ParentId: aws.String("r-0000")})
	refused(t, err, "AccessDeniedException", "")
}

func TestOrganizationChanges(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	org, ctx := organizations.NewFromConfig(b.top), context.Background()
	roots, _ := org.ListRoots(ctx, &organizations.ListRootsInput{})
	root := roots.Roots[0].Id
	unit, err := org.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{Name: aws.String("New"), ParentId: root})
	if err != nil {
		t.Fatal(err)
	}
	_, err = org.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{Name: aws.String("New"), ParentId: root})
	refused(t, err, "DuplicateOrganizationalUnitException", "")
	made, err := org.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("a"), Email: aws.String("a@example.com"), RoleName: aws.String("Entry"),
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("dev")}}})
	if err != nil || made.CreateAccountStatus.State != types.CreateAccountStateInProgress {
		t.Fatal(made, err)
	}
	status, err := org.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.CreateAccountStatus.Id})
	if err != nil || status.CreateAccountStatus.State != types.CreateAccountStateSucceeded {
		t.Fatal(status, err)
	}
	id := status.CreateAccountStatus.AccountId
	if _, err := b.assume(b.top, *id, "Entry"); err != nil {
		t.Error(err)
	}
	move := &organizations.MoveAccountInput{AccountId: id, SourceParentId: root, DestinationParentId: unit.OrganizationalUnit.Id}
	if _, err := org.MoveAccount(ctx, move); err != nil {
		t.Error(err)
	}
	_, err = org.MoveAccount(ctx, move)
	refused(t, err, "SourceParentNotFoundException", "")
	_, err = org.DeleteOrganizationalUnit(ctx, &organizations.DeleteOrganizationalUnitInput{OrganizationalUnitId: unit.OrganizationalUnit.Id})
	refused(t, err, "OrganizationalUnitNotEmptyException", "")
	again, _ := org.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("b"), Email: aws.String("A@example.com")})
	status, err = org.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: again.CreateAccountStatus.Id})
	if err != nil || status.CreateAccountStatus.FailureReason != types.CreateAccountFailureReasonEmailAlreadyExists {
		t.Error(status, err)
	}
	if _, err := org.CloseAccount(ctx, &organizations.CloseAccountInput{AccountId: id}); err != nil {
		t.Error(err)
	}
	_, err = b.assume(b.top, *id, "Entry")
	refused(t, err, "AccessDenied", "")
	_, err = org.CloseAccount(ctx, &organizations.CloseAccountInput{AccountId: aws.String(managementAccount)})
	refused(t, err, "ConstraintViolationException", "")
}

// SCPs bind members, by every level of the tree, and never the management
// account.
func TestServiceControlPolicies(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	org, ctx := organizations.NewFromConfig(b.top), context.Background()
	member := b.in("222222222222")
	describe := func(cfg aws.Config) error {
		_, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{})
		return err
	}
	roots, _ := org.ListRoots(ctx, &organizations.ListRootsInput{})
	deny := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"us-east-1"}}}]}`)
	scp, err := org.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("deny"), Description: aws.String(""), Type: types.PolicyTypeServiceControlPolicy, Content: deny})
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(member); err != nil {
		t.Error(err)
	}
	attach := &organizations.AttachPolicyInput{PolicyId: scp.Policy.PolicySummary.Id, TargetId: roots.Roots[0].Id}
	if _, err := org.AttachPolicy(ctx, attach); err != nil {
		t.Fatal(err)
	}
	refused(t, describe(member), "AccessDeniedException", "with an explicit deny in a service control policy")
	elsewhere := member.Copy()
	elsewhere.Region = "us-east-1"
	if err := describe(elsewhere); err != nil {
		t.Error(err)
	}
	if err := describe(b.top); err != nil {
		t.Error(err)
	}
	_, err = org.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: aws.String("222222222222")})
	refused(t, err, "ConstraintViolationException", "")
	_, err = org.DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: attach.PolicyId})
	refused(t, err, "PolicyInUseException", "")
	if _, err := org.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: attach.PolicyId, TargetId: attach.TargetId}); err != nil {
		t.Fatal(err)
	}
	if err := describe(member); err != nil {
		t.Error(err)
	}
}

// RCPs bind who comes from outside of the account.
func TestResourceControlPolicies(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	org, ctx := organizations.NewFromConfig(b.top), context.Background()
	roots, _ := org.ListRoots(ctx, &organizations.ListRootsInput{})
	deny := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}`)
	create := &organizations.CreatePolicyInput{Name: aws.String("r"), Description: aws.String(""), Type: types.PolicyTypeResourceControlPolicy, Content: deny}
	rcp, err := org.CreatePolicy(ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	attach := &organizations.AttachPolicyInput{PolicyId: rcp.Policy.PolicySummary.Id, TargetId: aws.String("222222222222")}
	_, err = org.AttachPolicy(ctx, attach)
	refused(t, err, "PolicyTypeNotEnabledException", "")
	if _, err := org.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: roots.Roots[0].Id, PolicyType: types.PolicyTypeResourceControlPolicy}); err != nil {
		t.Fatal(err)
	}
	if _, err := org.AttachPolicy(ctx, attach); err != nil {
		t.Fatal(err)
	}
	_, err = b.assume(b.top, "222222222222", "OrganizationAccountAccessRole")
	refused(t, err, "AccessDenied", "resource control policy")
}

func TestTagsOfAccounts(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	ctx := context.Background()
	org := organizations.NewFromConfig(b.top)
	if _, err := org.TagResource(ctx, &organizations.TagResourceInput{ResourceId: aws.String("333333333333"),
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("prod")}}}); err != nil {
		t.Fatal(err)
	}
	get := func(cfg aws.Config, region string) map[string]int {
		cfg = cfg.Copy()
		cfg.Region = region
		out, err := resourcegroupstaggingapi.NewFromConfig(cfg).GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"organizations:account"}})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, m := range out.ResourceTagMappingList {
			found[(*m.ResourceARN)[strings.LastIndex(*m.ResourceARN, "/")+1:]] = len(m.Tags)
		}
		return found
	}
	if got := get(b.top, "us-east-1"); len(got) != 2 || got["222222222222"] != 2 || got["333333333333"] != 1 {
		t.Errorf("got %v", got)
	}
	if got := get(b.top, "eu-west-1"); len(got) != 0 {
		t.Errorf("got %v in another region", got)
	}
	if got := get(b.in("222222222222"), "us-east-1"); len(got) != 0 {
		t.Errorf("got %v in a member account", got)
	}
}

func TestRegionsOfAnAccount(t *testing.T) {
	b := newBox(t, sandbox.Options{Organization: orgFile(t)})
	cfg, ctx := b.in("222222222222"), context.Background()
	client := account.NewFromConfig(cfg)
	count := func() int {
		out, err := client.ListRegions(ctx, &account.ListRegionsInput{
			RegionOptStatusContains: []accounttypes.RegionOptStatus{accounttypes.RegionOptStatusEnabled, accounttypes.RegionOptStatusEnabledByDefault}})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Regions)
	}
	if n := count(); n != 17 {
		t.Errorf("%d regions by default", n)
	}
	cfg.Region = "af-south-1"
	who := func() error {
		_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return err
	}
	refused(t, who(), "InvalidClientTokenId", "")
	if _, err := client.EnableRegion(ctx, &account.EnableRegionInput{RegionName: aws.String("af-south-1")}); err != nil {
		t.Fatal(err)
	}
	if err := who(); err != nil || count() != 18 {
		t.Error(err)
	}
	_, err := client.EnableRegion(ctx, &account.EnableRegionInput{RegionName: aws.String("eu-west-1")})
	refused(t, err, "ValidationException", "enabled by default")
}
