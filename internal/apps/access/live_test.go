package access

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/cloud"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

const sandboxYAML = `
management: {id: "111111111111", name: management}
ous:
  - name: Workloads
    accounts: [{id: "200000000001", name: dev}, {id: "200000000002", name: data}]
`

// served is a sandbox at its most unkind (throttles, small pages), and the door
// to it.
func served(t *testing.T) (*cloud.Cloud, *axle.Organization, *sandbox.Sandbox) {
	t.Helper()
	org, err := sandbox.ParseOrgFile("test", []byte(sandboxYAML))
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Options{Organization: org, Unkind: true, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() { server.Close(); _ = box.Close() })
	key, secret := box.Credentials()
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "eu-west-1",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(k, v)
	}
	c, err := cloud.New(t.Context(), cloud.Options{Region: "eu-west-1", Access: cloud.Access{For: func(a axle.Account) cloud.Role {
		if a.Management {
			return cloud.Role{Name: cloud.None}
		}
		return cloud.Role{Name: "OrganizationAccountAccessRole"}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Organization(t.Context(), cloud.Discover{})
	if err != nil {
		t.Fatal(err)
	}
	c.Know(found.Accounts)
	return c, found, box
}

func TestLiveReads(t *testing.T) {
	c, org, box := served(t)
	ctx := t.Context()
	client, opt := c.IAM(axle.Target{Account: dev, Region: "eu-west-1"})
	trust := aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`)
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	for _, name := range names {
		_, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/PowerUserAccess"),
			Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("blue")}}}, opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(doc(allow("s3:*", "*")))}, opt); err != nil {
			t.Fatal(err)
		}
	}
	management, orgOpt := c.Organizations(axle.Target{Account: "111111111111", Region: "eu-west-1"})
	made, err := management.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("NoKeys"), Description: aws.String("x"), Type: orgtypes.PolicyTypeServiceControlPolicy,
		Content: aws.String(doc(`{"Effect":"Deny","Action":"kms:*","Resource":"*"}`))}, orgOpt)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := org.Account(dev)
	if _, err = management.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: &a.OUIDs[1]}, orgOpt); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "access")
	cache := func(now time.Time) *Cache { return &Cache{Dir: dir, Key: "k", Age: time.Minute, Now: now} }
	now := time.Now()
	live := &Live{Cloud: c, Org: org, Home: "eu-west-1", Cache: cache(now)}
	account, err := live.Account(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	checkRoles(t, account, names)
	rails, err := live.Guardrails(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if len(rails.SCP) != 3 || !slices.ContainsFunc(rails.SCP[1], func(d Document) bool {
		return strings.HasPrefix(d.Name, "SCP NoKeys (p-") && strings.HasSuffix(d.Name, ") at OU /Workloads") && strings.Contains(d.Text, "kms:*")
	}) {
		t.Errorf("guardrails: %+v", rails.SCP)
	}

	// From the files: the same, with no call; not when they are old, or of others.
	calls := box.Calls()["iam:GetAccountAuthorizationDetails"]
	again := &Live{Cloud: c, Org: org, Home: "eu-west-1", Cache: cache(now.Add(30 * time.Second))}
	if account, err = again.Account(ctx, a); err != nil || box.Calls()["iam:GetAccountAuthorizationDetails"] != calls {
		t.Errorf("read again: %v", err)
	}
	checkRoles(t, account, names)
	for _, c := range []*Cache{cache(now.Add(2 * time.Minute)), {Dir: dir, Key: "other", Age: time.Minute, Now: now}, {Dir: dir, Key: "k", Age: time.Minute, Now: now, Since: now.Add(time.Second)}} {
		if c.account(dev) != nil {
			t.Errorf("used: %+v", c)
		}
	}
	info, err := os.Stat(filepath.Join(dir, dev+".json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(dir, dev+".json"), []byte(`{"version":1,"key":"k","taken":"2026-01-01T00:00:00Z","account":"200000000001","principals":[{"trust":{"text":7}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged := cache(time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)).account(dev); damaged != nil {
		t.Errorf("damaged: %+v", damaged)
	}
}

func checkRoles(t *testing.T, account *Account, names []string) {
	t.Helper()
	for _, name := range names {
		p := account.byARN(roleARN(dev, name))
		switch {
		case p == nil:
			t.Errorf("role %s is missing", name)
		case len(p.Policies) != 1 || p.Policies[0].Name != "role "+name+" of dev (200000000001), inline policy p" || !strings.Contains(p.Policies[0].Text, "s3:*"):
			t.Errorf("policies of %s: %+v", name, p.Policies)
		case p.Boundary == nil || p.Boundary.Unread != "" || !strings.Contains(p.Boundary.Text, "NotAction"):
			t.Errorf("boundary of %s: %+v", name, p.Boundary)
		case p.Trust == nil || !strings.Contains(p.Trust.Text, "lambda") || p.Tags["Team"] != "blue":
			t.Errorf("%s: %+v", name, p)
		}
	}
	if admin := account.byARN(roleARN(dev, "OrganizationAccountAccessRole")); admin == nil || len(admin.Policies) != 1 || !strings.Contains(admin.Policies[0].Text, "Allow") {
		t.Errorf("the access role: %+v", admin)
	}
}
