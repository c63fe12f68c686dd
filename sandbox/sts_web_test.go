package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/golang-jwt/jwt/v5"

	"axle/sandbox"
)

const eks = "oidc.eks.eu-west-1.amazonaws.com/id/prod"

// trustingWeb is a trust policy for identities of the cluster prod.
func trustingWeb(account, conditions string) *string {
	return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::%s:oidc-provider/%s"},
		"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Condition":{"StringEquals":{%s}}}]}`, account, eks, conditions))
}

func cart(audience string) string {
	return fmt.Sprintf(`"%s:sub":"system:serviceaccount:shop:cart","%[1]s:aud":"%s"`, eks, audience)
}

// trustCluster makes the identity provider of the cluster prod.
func (b *box) trustCluster(cfg aws.Config) *string {
	b.Helper()
	out, err := iam.NewFromConfig(cfg).CreateOpenIDConnectProvider(context.Background(),
		&iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://" + eks), ClientIDList: []string{"sts.amazonaws.com", "vault"}})
	if err != nil {
		b.Fatal(err)
	}
	return out.OpenIDConnectProviderArn
}

func (b *box) mint(req sandbox.TokenRequest) string {
	b.Helper()
	if req.Namespace == "" {
		req.Namespace = "shop"
	}
	if req.ServiceAccount == "" {
		req.ServiceAccount = "cart"
	}
	t, err := b.MintToken("prod", req)
	if err != nil {
		b.Fatal(err)
	}
	return t.Token
}

// enter assumes a role with a token and no other credentials.
func (b *box) enter(role, token string, change ...func(*sts.AssumeRoleWithWebIdentityInput)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: &token}
	for _, fn := range change {
		fn(in)
	}
	cfg := b.top.Copy()
	cfg.Credentials = nil
	return sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(context.Background(), in)
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 2})
	dev := b.in(firstAccount)
	role := "arn:aws:iam::" + firstAccount + ":role/cart"
	b.role(dev, "cart", trustingWeb(firstAccount, cart("sts.amazonaws.com")), allowing("s3:*"))
	_, err := b.enter(role, b.mint(sandbox.TokenRequest{}))
	refused(t, err, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://"+eks)
	b.trustCluster(b.top) // the management account's is none of the member's
	_, err = b.enter(role, b.mint(sandbox.TokenRequest{}))
	refused(t, err, "InvalidIdentityToken", "No OpenIDConnect provider found")
	provider := b.trustCluster(dev)

	for _, algorithm := range []string{"RS256", "ES256"} {
		out, err := b.enter(role, b.mint(sandbox.TokenRequest{Algorithm: algorithm}))
		if err != nil {
			t.Fatal(algorithm, err)
		}
		if *out.Provider != *provider || *out.Audience != "sts.amazonaws.com" || *out.SubjectFromWebIdentityToken != "system:serviceaccount:shop:cart" {
			t.Errorf("%s: %+v", algorithm, out)
		}
		me, err := sts.NewFromConfig(with(b.top, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)).
			GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
		if err != nil || *me.Arn != "arn:aws:sts::"+firstAccount+":assumed-role/cart/pod" {
			t.Error(me, err)
		}
	}
	good := b.mint(sandbox.TokenRequest{})
	lasting := func(n int32) func(*sts.AssumeRoleWithWebIdentityInput) {
		return func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = &n }
	}
	head, rest, _ := strings.Cut(good, ".")
	payload, sig, _ := strings.Cut(rest, ".")
	unsigned, _ := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": "https://" + eks, "sub": "x", "aud": "vault"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	const denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	for _, c := range []struct {
		name, role, token, code, text string
		change                        func(*sts.AssumeRoleWithWebIdentityInput)
	}{
		{"another service account", role, b.mint(sandbox.TokenRequest{ServiceAccount: "till"}), "AccessDenied", denied, nil},
		{"another namespace", role, b.mint(sandbox.TokenRequest{Namespace: "test"}), "AccessDenied", denied, nil},
		{"an audience that the trust doesn't name", role, b.mint(sandbox.TokenRequest{Audience: "vault"}), "AccessDenied", denied, nil},
		{"an audience that the provider doesn't have", role, b.mint(sandbox.TokenRequest{Audience: "x"}), "InvalidIdentityToken", "Incorrect token audience", nil},
		{"expired", role, b.mint(sandbox.TokenRequest{Seconds: -301}), "ExpiredTokenException", "Token expired: current date/time", nil},
		{"not yet valid", role, b.mint(sandbox.TokenRequest{Claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}}), "InvalidIdentityToken", "not valid yet", nil},
		{"no expiry", role, b.mint(sandbox.TokenRequest{Claims: map[string]any{"exp": nil}}), "InvalidIdentityToken", "", nil},
		{"signature of another token", role, head + "." + payload + "." + strings.Repeat("A", len(sig)), "InvalidIdentityToken", "signature", nil},
		{"no signature", role, unsigned, "InvalidIdentityToken", "", nil},
		{"no token", role, "nonsense", "InvalidIdentityToken", "not a valid JWT", nil},
		{"no role", role + "x", good, "AccessDenied", denied, nil},
		{"no account", "arn:aws:iam::999999999999:role/cart", good, "AccessDenied", denied, nil},
		{"longer than the role allows", role, good, "ValidationError", "MaxSessionDuration", lasting(7200)},
		{"shorter than any", role, good, "ValidationError", "900", lasting(60)},
	} {
		change := c.change
		if change == nil {
			change = func(*sts.AssumeRoleWithWebIdentityInput) {}
		}
		t.Run(c.name, func(t *testing.T) {
			_, err := b.enter(c.role, c.token, change)
			refused(t, err, c.code, c.text)
		})
	}
	if _, err := b.enter(role, b.mint(sandbox.TokenRequest{Seconds: -200})); err != nil {
		t.Errorf("five minutes beyond the expiry are leeway: %v", err)
	}
}

// An issuer that the sandbox knows nothing of can't be asked for its keys; one
// of its own clusters may have any URL.
func TestIssuers(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	client, ctx := iam.NewFromConfig(b.top), context.Background()
	for _, url := range []string{"https://example.com/strange", "https://token.actions.githubusercontent.com"} {
		if _, err := client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &url, ClientIDList: []string{"sts.amazonaws.com"}}); err != nil {
			t.Fatal(err)
		}
	}
	const github = "token.actions.githubusercontent.com"
	b.role(b.top, "ci", aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/`+github+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"`+github+`:repository_id":"7"},"StringLike":{"`+github+`:sub":"repo:us/app:*"}}}]}`), nil)
	const role = "arn:aws:iam::111111111111:role/ci"
	claims := map[string]any{"sub": "repo:us/app:ref:refs/heads/main", "repository_id": "7"}
	if _, err := b.enter(role, b.mint(sandbox.TokenRequest{Issuer: "https://" + github, Claims: claims})); err != nil {
		t.Error(err)
	}
	claims["repository_id"] = "8"
	_, err := b.enter(role, b.mint(sandbox.TokenRequest{Issuer: "https://" + github, Claims: claims}))
	refused(t, err, "AccessDenied", "")
	strange, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "https://example.com/strange", "sub": "x", "aud": "sts.amazonaws.com", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("k"))
	_, err = b.enter(role, strange)
	refused(t, err, "IDPCommunicationError", "example.com/strange")
	if _, err := b.MintToken("other", sandbox.TokenRequest{Namespace: "a", ServiceAccount: "b", Issuer: "https://" + github}); err == nil {
		t.Error("two clusters share an issuer")
	}
}

// A token's tags and the provider follow into the session.
func TestWebIdentitySession(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	b.trustCluster(b.top)
	b.role(b.top, "cart", trustingWeb(managementAccount, cart("sts.amazonaws.com")),
		aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*","Condition":{"StringEquals":{
			"aws:PrincipalTag/team":"shop","aws:FederatedProvider":"arn:aws:iam::111111111111:oidc-provider/`+eks+`"}}}]}`))
	list := func(claims map[string]any) error {
		out, err := b.enter("arn:aws:iam::111111111111:role/cart", b.mint(sandbox.TokenRequest{Claims: claims}))
		if err != nil {
			return err
		}
		cfg := with(b.top, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
		_, err = iam.NewFromConfig(cfg).ListRoles(context.Background(), &iam.ListRolesInput{})
		return err
	}
	refused(t, list(nil), "AccessDenied", "because no identity-based policy")
	if err := list(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"team": []string{"shop"}}}}); err != nil {
		t.Error(err)
	}
	refused(t, list(map[string]any{"https://aws.amazon.com/source_identity": "ann"}), "AccessDenied", "Not authorized") // no sts:SetSourceIdentity
}

// What a pod does: its token is in a file, and the SDK finds everything. The
// cluster's key outlives the sandbox, with its state.
func TestTokensSurvive(t *testing.T) {
	opts := sandbox.Options{State: filepath.Join(t.TempDir(), "state.json")}
	first, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(first)
	before := &box{T: t, Sandbox: first, url: server.URL, top: configOf(first, server.URL)}
	before.trustCluster(before.top)
	before.role(before.top, "cart", trustingWeb(managementAccount, cart("sts.amazonaws.com")), nil)
	token := before.mint(sandbox.TokenRequest{})
	server.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, opts)
	cfg := b.top.Copy()
	cfg.Credentials = nil
	web := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), "arn:aws:iam::111111111111:role/cart", tokenText(token))
	cfg.Credentials = aws.NewCredentialsCache(web)
	if me, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); err != nil || !strings.Contains(*me.Arn, ":assumed-role/cart/") {
		t.Error(me, err)
	}
}

type tokenText string

func (s tokenText) GetIdentityToken() ([]byte, error) { return []byte(s), nil }

// The issuer publishes what a relying party needs, and its keys verify tokens.
func TestIssuerIsServed(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	b.mint(sandbox.TokenRequest{})
	fetch := func(path string, into any) int {
		t.Helper()
		res, err := http.Get(b.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %s", path, text)
		}
		return res.StatusCode
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if fetch("/oidc/id/prod/.well-known/openid-configuration", &doc); doc.Issuer != "https://"+eks || doc.Keys != b.url+"/oidc/id/prod/keys" {
		t.Errorf("%+v", doc)
	}
	var keys struct{ Keys []map[string]string }
	if fetch("/oidc/id/prod/keys", &keys); len(keys.Keys) != 1 || keys.Keys[0]["kty"] != "RSA" || keys.Keys[0]["e"] != "AQAB" {
		t.Errorf("%+v", keys)
	}
	if status := fetch("/oidc/id/nobody/keys", &struct{}{}); status != http.StatusNotFound {
		t.Error(status)
	}
	res, err := http.Post(b.url+"/oidc/id/prod/token", "application/json", strings.NewReader(`{"namespace":"A B"}`))
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Error(res, err)
	}
	_ = res.Body.Close()
	unsigned := b.top.Copy()
	unsigned.Credentials = credentials.NewStaticCredentialsProvider("AKIANOBODY", "x", "")
	_, err = sts.NewFromConfig(unsigned).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "")
}
