package cloud

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// members are entered as the management account enters those it has made.
func members(a axle.Account) Role {
	if a.ID == "111111111111" {
		return Role{Name: None}
	}
	return Role{Name: "OrganizationAccountAccessRole"}
}

// The calls that an organization of 1,000 accounts takes: FIELD.md section 7
// has 262 for the best way that it knows.
func TestDiscoveryCalls(t *testing.T) {
	h := newHouse(t, sandbox.Options{Accounts: 1000})
	org, err := h.cloud(t, Access{}).Organization(context.Background(), Discover{Tags: true})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range org.Calls {
		total += n
	}
	if len(org.Accounts) != 1001 || total > 262 {
		t.Errorf("%d calls for %d accounts in %d OUs: %v", total, len(org.Accounts), len(org.OUs), org.Calls)
	}
}

// A delegated administrator doesn't see the tags through the tagging API, which
// shows the caller's account alone: an empty answer isn't believed.
func TestDiscoveryByDelegatedAdministrator(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	ctx := context.Background()
	c := h.cloud(t, Access{For: members})
	want, err := c.Organization(ctx, Discover{Tags: true})
	if err != nil {
		t.Fatal(err)
	}
	client, opt := c.organizationsAs(c.base, "111111111111")
	if _, err := client.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: aws.String("config.amazonaws.com")}, opt); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterDelegatedAdministrator(ctx, &organizations.RegisterDelegatedAdministratorInput{
		AccountId: aws.String("222222222222"), ServicePrincipal: aws.String("config.amazonaws.com")}, opt); err != nil {
		t.Fatal(err)
	}
	got, err := memberEnvironment(t, h, "222222222222").Organization(ctx, Discover{Tags: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Accounts {
		w, g := want.Accounts[i], got.Accounts[i]
		if w.ID != g.ID || w.Tags["env"] != g.Tags["env"] || w.OUTags["tier"] != g.OUTags["tier"] || w.Management != g.Management {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
}

func TestRefusedByTheRole(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	ctx := context.Background()
	c := h.cloud(t, Access{For: members})
	org, err := c.Organization(ctx, Discover{})
	if err != nil {
		t.Fatal(err)
	}
	dev, _ := org.Account("222222222222")
	client, opt := c.IAM(axle.Target{Account: dev.ID, Region: "eu-west-1"})
	if _, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("axle-spoke"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"right"}}}]}`)}, opt); err != nil {
		t.Fatal(err)
	}
	for external, ok := range map[string]bool{"right": true, "wrong": false, "": false} {
		c := h.cloud(t, Access{For: all(Role{Name: "axle-spoke", ExternalID: external})})
		_, err := c.Credentials(ctx, dev)
		if ok != (err == nil) {
			t.Errorf("external id %q: %v", external, err)
		}
		if err == nil {
			continue
		}
		var f *axle.Failure
		if !errors.As(err, &f) {
			t.Fatalf("got %T %v", err, err)
		}
		for _, want := range []string{"dev (222222222222)", "arn:aws:iam::222222222222:role/axle-spoke", "arn:aws:iam::111111111111:user/"} {
			if !strings.Contains(f.Message, want) {
				t.Errorf("message %q lacks %q", f.Message, want)
			}
		}
		if !strings.Contains(f.Hint, "trust policy") || !strings.Contains(f.Hint, "external id") {
			t.Errorf("hint %q", f.Hint)
		}
	}
	// What isn't there looks the same, and is waited for within a bound.
	c = h.cloud(t, Access{For: all(spoke("axle-other"))})
	start := time.Now()
	if _, err := c.CredentialsWait(ctx, dev, 2*time.Second); !isDenied(err) || time.Since(start) < time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestRegions(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{For: members})
	for _, x := range []struct {
		account string
		optedIn bool
		listed  bool
	}{{"222222222222", false, true}, {"222222222222", false, false}} {
		if !x.listed {
			h.between = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/listRegions" {
					return false
				}
				http.Error(w, `{"message":"no"}`, http.StatusForbidden)
				return true
			}
		}
		regions, err := c.Regions(context.Background(), axle.Account{ID: x.account})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(regions) || !slices.Contains(regions, "eu-west-1") || slices.Contains(regions, "me-south-1") != x.optedIn || len(regions) < 15 {
			t.Errorf("account %s, listed %v: %v", x.account, x.listed, regions)
		}
	}
}

func TestRegionThatIsOff(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{For: members})
	client, opt := c.CloudFormation(axle.Target{Account: "222222222222", Region: "me-south-1"})
	_, err := client.DescribeStacks(context.Background(), &cloudformation.DescribeStacksInput{}, opt)
	var f *axle.Failure
	if err = Translate(err, "list stacks", axle.Account{ID: "222222222222", Name: "dev"}, "me-south-1"); !errors.As(err, &f) || f.Code != CodeRegionDisabled {
		t.Errorf("got %v", err)
	}
}

func TestFromSSM(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{Via: "axle-hub", For: members}) // the hub isn't known: the caller's own credentials
	ctx := context.Background()
	client, opt := h.cloud(t, Access{For: members}).SSM(axle.Target{Account: "111111111111", Region: "eu-west-1"})
	put := func(value string) {
		t.Helper()
		if _, err := client.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/axle/accounts"), Value: &value, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)}, opt); err != nil {
			t.Fatal(err)
		}
	}
	put("222222222222,333333333333")
	org, err := c.FromSSM(ctx, "/axle/accounts")
	if err != nil || len(org.Accounts) != 2 || org.Source != "ssm:/axle/accounts" {
		t.Errorf("got %+v, %v", org, err)
	}
	put(organizationYAML)
	if org, err = c.FromSSM(ctx, "/axle/accounts"); err != nil || len(org.Accounts) != 4 {
		t.Errorf("got %+v, %v", org, err)
	}
	put("222")
	if _, err = c.FromSSM(ctx, "/axle/accounts"); err == nil || !strings.Contains(err.Error(), `ssm:/axle/accounts: bad account id "222"`) {
		t.Errorf("got %v", err)
	}
	var f *axle.Failure
	if _, err = c.FromSSM(ctx, "/axle/none"); !errors.As(err, &f) || f.Code != "ParameterNotFound" {
		t.Errorf("got %v", err)
	}
}

func TestArtifacts(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	ctx := context.Background()
	c := h.cloud(t, Access{For: members})
	org, err := c.Organization(ctx, Discover{})
	if err != nil {
		t.Fatal(err)
	}
	hub := axle.Target{Account: "222222222222", Region: "eu-west-1"}
	body := []byte("Resources: {}\n" + strings.Repeat("# long\n", 10000))
	a := c.Artifacts(hub, Readers{Organization: org.ID})
	const key = "templates/0123.yaml"
	opened := 0
	content := func() (io.ReadSeekCloser, error) { opened++; return noClose{bytes.NewReader(body)}, nil }
	if err := a.Put(ctx, key, content); err != nil {
		t.Fatal(err)
	}
	address, err := a.URL(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(address, h.URL+"/axle-artifacts-222222222222-eu-west-1/templates/") || !strings.HasSuffix(address, ".yaml") {
		t.Errorf("address %s", address)
	}
	if err := a.Put(ctx, key, content); err != nil || opened != 1 {
		t.Errorf("the same content again: opened %d times, %v", opened, err)
	}
	// Another run finds it all there.
	before := h.Calls()
	if err := h.cloud(t, Access{For: members}).Artifacts(hub, Readers{Organization: org.ID}).Put(ctx, key, content); err != nil || opened != 1 {
		t.Errorf("another run: opened %d times, %v", opened, err)
	}
	for _, op := range []string{"s3:PutObject", "s3:CreateBucket", "s3:PutBucketPolicy", "s3:PutBucketEncryption", "kms:CreateKey", "kms:CreateAlias", "kms:PutKeyPolicy"} {
		if h.Calls()[op] != before[op] {
			t.Errorf("%s is called again", op)
		}
	}
	// A target's role reads it; a stranger doesn't.
	reader, opt := c.S3(axle.Target{Account: "333333333333", Region: "eu-west-1"})
	out, err := reader.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(a.Bucket()), Key: aws.String(key)}, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != string(body) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	// Without the organization's id, accounts are listed, and a change is seen.
	for _, accounts := range [][]string{{"444444444444"}, {"333333333333"}} {
		a := c.Artifacts(hub, Readers{Accounts: accounts})
		if err := a.Put(ctx, key, content); err != nil {
			t.Fatal(err)
		}
		_, err := reader.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(a.Bucket()), Key: aws.String(key)}, opt)
		if allowed := accounts[0] == "333333333333"; allowed != (err == nil) {
			t.Errorf("readers %v: 333333333333 gets %v", accounts, err)
		}
	}
}

// An organization as unkind as AWS: pages of two, stale roles, throttles.
func TestUnkind(t *testing.T) {
	h := newHouse(t, sandbox.Options{Unkind: true, Seed: 1})
	c := h.cloud(t, Access{For: members})
	org, err := c.Organization(context.Background(), Discover{Tags: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(org.Accounts) != 6 || org.Accounts[1].Tags["env"] != "dev" {
		t.Errorf("got %+v", org.Accounts)
	}
	for _, a := range org.Accounts {
		if a.Active() && a.Name != "tools" {
			if _, err := c.Credentials(context.Background(), a); err != nil {
				t.Error(err)
			}
		}
	}
}

// A session that AWS revokes in the middle of a run is replaced.
func TestExpiryInTheMiddle(t *testing.T) {
	h := newHouse(t, sandbox.Options{Faults: []sandbox.Fault{{Kind: "expire", Service: "cloudformation", Nth: 2}, {Kind: "throttle", Service: "cloudformation", After: 4, Count: 3}, {Kind: "drop", Service: "cloudformation", Nth: 10}}})
	c := h.cloud(t, Access{For: members})
	for range 10 {
		client, opt := c.CloudFormation(axle.Target{Account: "222222222222", Region: "eu-west-1"})
		if _, err := client.DescribeStacks(context.Background(), &cloudformation.DescribeStacksInput{}, opt); err != nil {
			t.Error(err)
		}
	}
	if n := h.Calls()["sts:AssumeRole"]; n != 2 {
		t.Errorf("AssumeRole called %d times, want 2", n)
	}
}
