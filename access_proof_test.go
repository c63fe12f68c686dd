package axle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"axle/internal/cli"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	proofApps, proofData = "200000000001", "200000000002"
	proofTable           = "arn:aws:dynamodb:eu-west-1:" + proofData + ":table/orders"
)

// proof is an organization in which the three patterns of access have been
// generated and deployed.
type proof struct {
	*testing.T
	ctx    context.Context
	base   aws.Config
	secret string // ARN
	key    string
	token  string // of the service account
	admin  map[string]aws.Config
}

// TestEveryStatementCounts generates the three patterns of access, deploys them,
// and takes away each statement in turn. Before each use axle access can says
// what will happen, and it does; each statement is needed for something.
func TestEveryStatementCounts(t *testing.T) {
	p := newProof(t)
	for _, pattern := range p.patterns() {
		t.Run(pattern.name, func(t *testing.T) {
			p := *p
			p.T = t
			if broken := p.broken(pattern); len(broken) > 0 {
				t.Fatalf("with everything there: %v refused", broken)
			}
			removed := 0
			for _, d := range pattern.documents(&p) {
				for i := range d.statements {
					if d.owners(i) {
						continue
					}
					removed++
					d.put(d.without(i))
					if broken := p.broken(pattern); len(broken) == 0 {
						t.Errorf("%s: statement %d can be removed and nothing is refused: %s", d.name, i, d.statements[i])
					}
					d.put(d.text)
				}
			}
			if removed < pattern.least {
				t.Errorf("%d statements were tried, want at least %d", removed, pattern.least)
			}
			if broken := p.broken(pattern); len(broken) > 0 {
				t.Errorf("after all: %v refused", broken)
			}
		})
	}
}

func newProof(t *testing.T) *proof {
	t.Chdir(t.TempDir())
	accounts := `management: {id: "111111111111", name: management, email: root@example.com}
accounts:
  - {id: "` + proofApps + `", name: apps, email: apps@example.com}
  - {id: "` + proofData + `", name: data, email: data@example.com}
`
	org, err := sandbox.ParseOrgFile("accounts.yaml", []byte(accounts))
	check(t, err)
	box, err := sandbox.New(sandbox.Options{Organization: org, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	id, secret := box.Credentials()
	for _, kv := range os.Environ() { // what whoever runs the tests has set
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "NO_COLOR": "1"} {
		t.Setenv(k, v)
	}
	p := &proof{T: t, ctx: t.Context(), admin: map[string]aws.Config{}}
	p.base = sdkConfig(server.URL, "eu-west-1", credentials.NewStaticCredentialsProvider(id, secret, ""))
	for _, account := range []string{proofApps, proofData} {
		p.admin[account] = p.as(p.base, "arn:aws:iam::"+account+":role/OrganizationAccountAccessRole")
	}
	p.generate()
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as is the configuration of who assumes the role.
func (p *proof) as(cfg aws.Config, role string) aws.Config {
	out := cfg.Copy()
	out.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role))
	return out
}

// axle runs a command line and returns its exit code and stdout.
func (p *proof) axle(args ...string) (int, string) {
	var out, errs bytes.Buffer
	app := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: os.Getenv}
	code := app.Run(p.ctx, args)
	if code > 1 {
		p.Fatalf("axle %s: exit code %d\n%s%s", strings.Join(args, " "), code, out.String(), errs.String())
	}
	return code, out.String()
}

func (p *proof) must(args ...string) string {
	p.Helper()
	code, out := p.axle(args...)
	if code != 0 {
		p.Fatalf("axle %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// generate makes and deploys the patterns.
func (p *proof) generate() {
	deployer := "arn:aws:iam::" + proofApps + ":role/OrganizationAccountAccessRole"
	p.must("access", "generate", "resource-policy", "--create", "--caller", "arn:aws:iam::"+proofApps+":role/web", "--create-caller", "--caller-trust", deployer,
		"--resource", proofTable, "--resource", "arn:aws:secretsmanager:eu-west-1:"+proofData+":secret:db", "--need", "read",
		"--access-role", "OrganizationAccountAccessRole", "--out", "policy")
	p.must("deploy", "--yes", "--quiet", "-f", "policy/axle.yaml")
	data := p.admin[proofData]
	_, err := dynamodb.NewFromConfig(data).PutItem(p.ctx, &dynamodb.PutItemInput{TableName: aws.String("orders"),
		Item: map[string]dynamodbtypes.AttributeValue{"id": &dynamodbtypes.AttributeValueMemberS{Value: "1"}}})
	check(p.T, err)
	secret, err := secretsmanager.NewFromConfig(data).DescribeSecret(p.ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("db")})
	check(p.T, err)
	p.secret, p.key = *secret.ARN, *secret.KmsKeyId
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + deployer + `"},"Action":"sts:AssumeRole"}]}`
	_, err = iam.NewFromConfig(p.admin[proofApps]).CreateRole(p.ctx, &iam.CreateRoleInput{RoleName: aws.String("batch"), AssumeRolePolicyDocument: &trust})
	check(p.T, err)
	p.must("access", "generate", "role", "--caller", "arn:aws:iam::"+proofApps+":role/batch", "--caller-exists", "--resource", proofTable, "--resource", p.secret,
		"--kms-key", p.key, "--need", "read", "--access-role", "OrganizationAccountAccessRole", "--out", "role")
	p.must("deploy", "--yes", "--quiet", "-f", "role/axle.yaml")
	p.must("access", "generate", "kubernetes", "--issuer", "https://oidc.eks.eu-west-1.amazonaws.com/id/prod", "--service-account", "shop/cart",
		"--resource", proofTable, "--resource", p.secret, "--kms-key", p.key, "--need", "read", "--access-role", "OrganizationAccountAccessRole", "--out", "pods")
	p.must("deploy", "--yes", "--quiet", "-f", "pods/axle.yaml")
	var token struct{ Token string }
	check(p.T, json.Unmarshal([]byte(p.must("sandbox", "token", "--cluster", "prod", "--namespace", "shop", "--service-account", "cart", "--output", "json")), &token))
	p.token = token.Token
}

// use is one thing that a pattern is for: as it is predicted, and as it is done.
type use struct {
	name      string
	principal string
	action    string
	resource  string
	context   []string
	do        func() error
}

// accessPattern is one of the three with its uses and policies.
type accessPattern struct {
	name, project string
	uses          []use
	documents     func(*proof) []*document
	least         int // statements
}

func (p *proof) patterns() []accessPattern {
	web, batch := p.as(p.admin[proofApps], "arn:aws:iam::"+proofApps+":role/web"), p.as(p.admin[proofApps], "arn:aws:iam::"+proofApps+":role/batch")
	role := "arn:aws:iam::" + proofData + ":role/access-batch-orders"
	pod := "arn:aws:iam::" + proofData + ":role/access-cart-orders"
	issuer := "oidc.eks.eu-west-1.amazonaws.com/id/prod"
	return []accessPattern{
		{name: "resource policy", project: "policy", least: 5,
			uses: p.reads("arn:aws:iam::"+proofApps+":role/web", func() (aws.Config, error) { return web, nil }),
			documents: func(p *proof) []*document {
				return slices.Concat(p.roleDocuments(proofApps, "web", false), p.resourceDocuments())
			}},
		{name: "role", project: "role", least: 4,
			uses: append(p.reads(role, func() (aws.Config, error) { return p.fresh(batch, role) }),
				use{"assume", "arn:aws:iam::" + proofApps + ":role/batch", "sts:AssumeRole", role, nil, func() error { _, err := p.fresh(batch, role); return err }}),
			documents: func(p *proof) []*document {
				return append(p.roleDocuments(proofApps, "batch", false), p.roleDocuments(proofData, "access-batch-orders", true)...)
			}},
		{name: "kubernetes", project: "pods", least: 3,
			uses: append(p.reads(pod, func() (aws.Config, error) { return p.web(pod) }),
				use{"assume", "arn:aws:iam::" + proofData + ":oidc-provider/" + issuer, "sts:AssumeRoleWithWebIdentity", pod,
					[]string{issuer + ":sub=system:serviceaccount:shop:cart", issuer + ":aud=sts.amazonaws.com"}, func() error { _, err := p.web(pod); return err }}),
			documents: func(p *proof) []*document { return p.roleDocuments(proofData, "access-cart-orders", true) }},
	}
}

// fresh is a session that is opened now.
func (p *proof) fresh(cfg aws.Config, role string) (aws.Config, error) {
	out := p.as(cfg, role)
	_, err := out.Credentials.Retrieve(p.ctx)
	return out, err
}

// web is the session that a service account's token gives.
func (p *proof) web(role string) (aws.Config, error) {
	out, err := sts.NewFromConfig(p.base, func(o *sts.Options) { o.Credentials = aws.AnonymousCredentials{} }).AssumeRoleWithWebIdentity(p.ctx,
		&sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: &p.token})
	if err != nil {
		return aws.Config{}, err
	}
	cfg := p.base.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return cfg, nil
}

// reads are what every pattern is for. A session that can't be had is
// the business of another use.
func (p *proof) reads(principal string, session func() (aws.Config, error)) []use {
	with := func(do func(aws.Config) error) func() error {
		return func() error {
			cfg, err := session()
			if err != nil {
				return errNoSession
			}
			return do(cfg)
		}
	}
	return []use{
		{"item", principal, "dynamodb:GetItem", proofTable, nil, with(func(cfg aws.Config) error {
			_, err := dynamodb.NewFromConfig(cfg).GetItem(p.ctx, &dynamodb.GetItemInput{TableName: aws.String(proofTable),
				Key: map[string]dynamodbtypes.AttributeValue{"id": &dynamodbtypes.AttributeValueMemberS{Value: "1"}}})
			return err
		})},
		{"query", principal, "dynamodb:Query", proofTable, nil, with(func(cfg aws.Config) error {
			_, err := dynamodb.NewFromConfig(cfg).Query(p.ctx, &dynamodb.QueryInput{TableName: aws.String(proofTable), KeyConditionExpression: aws.String("id = :i"),
				ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":i": &dynamodbtypes.AttributeValueMemberS{Value: "1"}}})
			return err
		})},
		{"secret", principal, "secretsmanager:GetSecretValue", p.secret, nil, with(func(cfg aws.Config) error {
			_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(p.ctx, &secretsmanager.GetSecretValueInput{SecretId: &p.secret})
			return err
		})},
	}
}

var errNoSession = errors.New("no session")

// broken predicts every use of a pattern, then does it, and returns those that
// are refused. A prediction that doesn't come true fails the test.
func (p *proof) broken(pattern accessPattern) (refused []string) {
	p.Helper()
	for _, u := range pattern.uses {
		args := []string{"access", "can", u.principal, u.action, u.resource, "--direct", "--refresh", "--output", "json", "-f", pattern.project + "/axle.yaml"}
		for _, c := range u.context {
			args = append(args, "--context", c)
		}
		code, out := p.axle(args...)
		var said struct{ Verdict string }
		check(p.T, json.Unmarshal([]byte(out), &said))
		if (said.Verdict == "allowed") != (code == 0) {
			p.Errorf("%s: verdict %s with exit code %d", u.name, said.Verdict, code)
		}
		err := u.do()
		if errors.Is(err, errNoSession) {
			continue
		}
		if err != nil {
			refused = append(refused, u.name)
		}
		if err == nil != (said.Verdict == "allowed") {
			p.Errorf("%s: predicted %s, and it ended in %v\n%s", u.name, said.Verdict, err, out)
		}
	}
	return refused
}

// document is one policy that can be changed.
type document struct {
	name       string
	text       string
	statements []string
	put        func(text string)
}

func (p *proof) document(name, text string, put func(string) error) *document {
	var doc struct{ Statement []json.RawMessage }
	check(p.T, json.Unmarshal([]byte(text), &doc))
	d := &document{name: name, text: text, put: func(text string) {
		p.Helper()
		if err := put(text); err != nil {
			p.Fatalf("%s: %v", name, err)
		}
	}}
	for _, s := range doc.Statement {
		d.statements = append(d.statements, string(s))
	}
	return d
}

// owners says whether a statement is what leaves a resource to its own account.
func (d *document) owners(i int) bool {
	return strings.Contains(d.statements[i], `"arn:aws:iam::`+proofData+`:root"`)
}

// without is the document without a statement; one that can't do without is
// left with one that lets nobody do anything.
func (d *document) without(i int) string {
	rest := slices.Delete(slices.Clone(d.statements), i, i+1)
	if len(rest) == 0 {
		var s map[string]any
		if err := json.Unmarshal([]byte(d.statements[i]), &s); err != nil {
			return ""
		}
		s["Effect"] = "Deny"
		none, _ := json.Marshal(s) // it came from JSON
		rest = []string{string(none)}
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(rest, ",") + `]}`
}

// roleDocuments are a role's policies, and its trust if it is part of the pattern.
func (p *proof) roleDocuments(account, role string, trust bool) (out []*document) {
	client := iam.NewFromConfig(p.admin[account])
	names, err := client.ListRolePolicies(p.ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	check(p.T, err)
	for _, name := range names.PolicyNames {
		got, err := client.GetRolePolicy(p.ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		check(p.T, err)
		text, err := url.QueryUnescape(*got.PolicyDocument)
		check(p.T, err)
		out = append(out, p.document(role+"/"+name, text, func(text string) error {
			_, err := client.PutRolePolicy(p.ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &text})
			return err
		}))
	}
	attached, err := client.ListAttachedRolePolicies(p.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	check(p.T, err)
	for _, a := range attached.AttachedPolicies {
		out = append(out, p.managed(client, *a.PolicyArn))
	}
	if trust {
		got, err := client.GetRole(p.ctx, &iam.GetRoleInput{RoleName: &role})
		check(p.T, err)
		text, err := url.QueryUnescape(*got.Role.AssumeRolePolicyDocument)
		check(p.T, err)
		out = append(out, p.document(role+"'s trust", text, func(text string) error {
			_, err := client.UpdateAssumeRolePolicy(p.ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &text})
			return err
		}))
	}
	return out
}

// managed is a managed policy, whose versions are changed.
func (p *proof) managed(client *iam.Client, arn string) *document {
	policy, err := client.GetPolicy(p.ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	check(p.T, err)
	version, err := client.GetPolicyVersion(p.ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: policy.Policy.DefaultVersionId})
	check(p.T, err)
	text, err := url.QueryUnescape(*version.PolicyVersion.Document)
	check(p.T, err)
	return p.document(arn, text, func(text string) error {
		made, err := client.CreatePolicyVersion(p.ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &text, SetAsDefault: true})
		if err != nil {
			return err
		}
		list, err := client.ListPolicyVersions(p.ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn})
		for _, v := range list.Versions {
			if err == nil && *v.VersionId != *made.PolicyVersion.VersionId {
				_, err = client.DeletePolicyVersion(p.ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: v.VersionId})
			}
		}
		return err
	})
}

// resourceDocuments are the policies of the table, the secret and the key.
func (p *proof) resourceDocuments() []*document {
	data := p.admin[proofData]
	tables, secrets, keys := dynamodb.NewFromConfig(data), secretsmanager.NewFromConfig(data), kms.NewFromConfig(data)
	table, err := tables.GetResourcePolicy(p.ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: aws.String(proofTable)})
	check(p.T, err)
	secret, err := secrets.GetResourcePolicy(p.ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &p.secret})
	check(p.T, err)
	key, err := keys.GetKeyPolicy(p.ctx, &kms.GetKeyPolicyInput{KeyId: &p.key})
	check(p.T, err)
	return []*document{
		p.document("the table's policy", *table.Policy, func(text string) error {
			_, err := tables.PutResourcePolicy(p.ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: aws.String(proofTable), Policy: &text})
			return err
		}),
		p.document("the secret's policy", *secret.ResourcePolicy, func(text string) error {
			_, err := secrets.PutResourcePolicy(p.ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &p.secret, ResourcePolicy: &text})
			return err
		}),
		p.document("the key's policy", *key.Policy, func(text string) error {
			_, err := keys.PutKeyPolicy(p.ctx, &kms.PutKeyPolicyInput{KeyId: &p.key, Policy: &text})
			return err
		}),
	}
}
