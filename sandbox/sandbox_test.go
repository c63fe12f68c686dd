package sandbox_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

// box is a running sandbox, seen by the administrator of its management
// account, whose SDK doesn't retry.
type box struct {
	*testing.T
	*sandbox.Sandbox
	url string
	top aws.Config
}

func newBox(t *testing.T, opts sandbox.Options) *box {
	t.Helper()
	sb, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(func() {
		server.Close()
		_ = sb.Close()
	})
	return &box{T: t, Sandbox: sb, url: server.URL, top: configOf(sb, server.URL)}
}

// with is the configuration with other credentials.
func with(cfg aws.Config, key, secret, token string) aws.Config {
	out := cfg.Copy()
	out.Credentials = credentials.NewStaticCredentialsProvider(key, secret, token)
	return out
}

// assume is the configuration as a role of an account.
func (b *box) assume(from aws.Config, account, role string, change ...func(*sts.AssumeRoleInput)) (aws.Config, error) {
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: aws.String("test")}
	for _, fn := range change {
		fn(in)
	}
	out, err := sts.NewFromConfig(from).AssumeRole(context.Background(), in)
	if err != nil {
		return aws.Config{}, err
	}
	return with(from, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
}

// in is the configuration as the access role of a member account.
func (b *box) in(account string) aws.Config {
	b.Helper()
	cfg, err := b.assume(b.top, account, "OrganizationAccountAccessRole")
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

const firstAccount = "200001000003" // of a generated organization: "tools"

func TestCredentialsAreVerified(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1})
	key, secret := b.Credentials()
	ctx := context.Background()
	calls := map[string]func(aws.Config) error{
		"sts": func(c aws.Config) error {
			_, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		},
		"ec2": func(c aws.Config) error {
			_, err := ec2.NewFromConfig(c).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
			return err
		},
		"ssm": func(c aws.Config) error {
			_, err := ssm.NewFromConfig(c).DescribeParameters(ctx, &ssm.DescribeParametersInput{})
			return err
		},
	}
	wrongKey := map[string]string{"sts": "InvalidClientTokenId", "ec2": "AuthFailure", "ssm": "UnrecognizedClientException"}
	wrongSecret := map[string]string{"sts": "SignatureDoesNotMatch", "ec2": "AuthFailure", "ssm": "InvalidSignatureException"}
	for service, do := range calls {
		if err := do(b.top); err != nil {
			t.Errorf("%s: %v", service, err)
		}
		refused(t, do(with(b.top, "AKIAXXXXXXXXXXXXXXXX", secret, "")), wrongKey[service], "")
		refused(t, do(with(b.top, key, "wrong", "")), wrongSecret[service], "")
		refused(t, do(with(b.top, key, secret, "sometoken")), wrongKey[service], "")
		elsewhere := b.top.Copy()
		elsewhere.Region = "af-south-1" // not opted into
		refused(t, do(elsewhere), wrongKey[service], "")
	}
}

func TestUnknownOperationIsRefused(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	ctx := context.Background()
	_, err := iam.NewFromConfig(b.top).ListServerCertificates(ctx, &iam.ListServerCertificatesInput{})
	refused(t, err, "InvalidAction", "ListServerCertificates")
	_, err = ec2.NewFromConfig(b.top).DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	refused(t, err, "InvalidAction", "DescribeInstances")
	_, err = ssm.NewFromConfig(b.top).ListDocuments(ctx, &ssm.ListDocumentsInput{})
	refused(t, err, "UnknownOperationException", "ListDocuments")
}

// A state that was saved is the same after it is loaded, with what was pending.
func TestStateSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	ctx := context.Background()
	opts := sandbox.Options{Accounts: 3, State: file}
	first, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(first)
	cfg := configOf(first, server.URL)
	name, value := "/a/b", "v"
	if _, err := ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &value, Type: ssmtypes.ParameterTypeString}); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, opts)
	if got, _ := b.Credentials(); got != mustKey(t, cfg) {
		t.Error("the administrator's key has changed")
	}
	out, err := ssm.NewFromConfig(b.top).GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil || *out.Parameter.Value != value {
		t.Errorf("parameter is lost: %v", err)
	}
}

func TestPendingAccountIsResumed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	ctx := context.Background()
	first, err := sandbox.New(sandbox.Options{State: file, StackTime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(first)
	org := organizations.NewFromConfig(configOf(first, server.URL))
	made, err := org.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("new"), Email: aws.String("new@example.com")})
	if err != nil || made.CreateAccountStatus.State != "IN_PROGRESS" {
		t.Fatal(made, err)
	}
	server.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, sandbox.Options{State: file})
	out, err := organizations.NewFromConfig(b.top).DescribeCreateAccountStatus(ctx,
		&organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.CreateAccountStatus.Id})
	if err != nil || out.CreateAccountStatus.State != "SUCCEEDED" {
		t.Fatal(out, err)
	}
	b.in(*out.CreateAccountStatus.AccountId)
}

func mustKey(t *testing.T, cfg aws.Config) string {
	t.Helper()
	c, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKeyID
}

// The same seed gives the same organization, ids and credentials.
func TestSeedRepeats(t *testing.T) {
	var seen []string
	for range 2 {
		b := newBox(t, sandbox.Options{Accounts: 5, Seed: 7})
		key, secret := b.Credentials()
		roots, err := organizations.NewFromConfig(b.top).ListRoots(context.Background(), &organizations.ListRootsInput{})
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, key+secret+*roots.Roots[0].Arn)
	}
	if seen[0] != seen[1] {
		t.Errorf("%s is not %s", seen[0], seen[1])
	}
}

func TestTenThousandAccounts(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := newBox(t, sandbox.Options{Accounts: 10000})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if made := after.Mallocs - before.Mallocs; made > 50*10000 { // what it costs to start, on any machine
		t.Errorf("makes %d objects", made)
	}
	if used := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20; used > 100 { // less than 0 when tests before it let go of more
		t.Errorf("uses %d MiB", used)
	}
	pages := organizations.NewListAccountsPaginator(organizations.NewFromConfig(b.top), &organizations.ListAccountsInput{})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Accounts)
	}
	if n != 10001 {
		t.Errorf("%d accounts", n)
	}
	if calls := b.Calls()["organizations:ListAccounts"]; calls != 501 {
		t.Errorf("%d calls", calls)
	}
}

// SNS speaks with maps, which the query protocol writes as entries.
func TestMapsInTheQueryProtocol(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	ctx := context.Background()
	client := sns.NewFromConfig(b.top)
	topic, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t"), Attributes: map[string]string{"DisplayName": "a b & <c>"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic.TopicArn})
	if err != nil || out.Attributes["DisplayName"] != "a b & <c>" {
		t.Errorf("%v, %v", out, err)
	}
}
