package sandbox

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLeeway is how long after its time, or how much before, a token is
// still taken (IAM User Guide, OIDC federation).
const tokenLeeway = 5 * time.Minute

// anonymousOps are the operations that are called without a signature: what
// they carry says who calls.
var anonymousOps = map[string]bool{"sts:AssumeRoleWithWebIdentity": true, "sns:ConfirmSubscription": true, "sns:Unsubscribe": true}

// anonymous lets an unsigned request of such an operation in, on behalf of the
// account whose role it names.
func (s *Sandbox) anonymous(c *call, svc service) bool {
	if svc.name != "sts" && svc.name != "sns" || decodeRequest(c, svc) != nil || !anonymousOps[c.Service+":"+c.Op] {
		c.Op, c.In = "", nil
		return false
	}
	if svc.name == "sns" {
		return s.visitor(c)
	}
	c.Who, c.Region = &identity{Type: "web", Account: s.st.Org.Management}, "us-east-1"
	if m := roleARN.FindStringSubmatch(c.In.str("RoleArn")); m != nil {
		s.lock()
		if s.account(m[1]) != nil {
			c.Who.Account = m[1]
		}
		s.unlock()
	}
	return true
}

func notByWebIdentity() error {
	return &apiError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
}

// assumeRoleWithWebIdentity follows
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
// for OpenID Connect tokens; the OAuth 2.0 tokens of ProviderId aren't served.
func assumeRoleWithWebIdentity(c *call) (obj, error) {
	if err := checkAssumeRole(c.In); err != nil {
		return nil, err
	}
	raw := c.In.str("WebIdentityToken")
	switch {
	case len(raw) < 4 || len(raw) > 20000:
		return nil, fail("ValidationError", "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length between 4 and 20000")
	case c.In.has("ProviderId"):
		return nil, fail("InvalidIdentityToken", "The sandbox takes OpenID Connect tokens only, which go without ProviderId")
	}
	arn := c.In.str("RoleArn")
	m := roleARN.FindStringSubmatch(arn)
	target := c.account(m[1])
	if target == nil || !c.st.Org.usable(m[1]) {
		return nil, notByWebIdentity()
	}
	w, err := c.verifyToken(raw, target)
	if err != nil {
		return nil, err
	}
	role := target.IAM.Roles[m[3]]
	if role == nil || role.ARN != arn {
		return nil, notByWebIdentity()
	}
	trust, seen := role.trustAt(c.now())
	if !seen {
		return nil, notByWebIdentity()
	}
	// What the token says in the place of AssumeRole's parameters.
	c.In["Tags"], c.In["TransitiveTagKeys"], c.In["SourceIdentity"] = w.tags, w.transitive, w.source
	c.Who, c.Account = &identity{Type: "web", ARN: w.provider.ARN, Account: target.ID}, target
	if !c.mayAssumeByToken(w, role, trust) {
		return nil, notByWebIdentity()
	}
	out, err := c.openSession(role, target)
	if err != nil {
		return nil, err
	}
	c.st.Keys[out["Credentials"].(obj)["AccessKeyId"].(string)].Federated = w.provider.ARN
	out["Provider"], out["Audience"], out["SubjectFromWebIdentityToken"] = w.provider.ARN, w.audience, w.subject
	return out, nil
}

// webToken is a verified token.
type webToken struct {
	provider          *oidcProvider
	claims            jwt.MapClaims
	audience, subject string
	tags, transitive  []any
	source            string
}

func invalidToken(format string, args ...any) error {
	return fail("InvalidIdentityToken", format, args...)
}

// verifyToken checks a token against the identity provider of the role's
// account, as STS does: provider, signature, time, audience.
func (c *call) verifyToken(raw string, target *account) (*webToken, error) {
	claims := jwt.MapClaims{}
	unverified, _, err := jwt.NewParser().ParseUnverified(raw, claims)
	issuer, _ := claims.GetIssuer()
	if err != nil || issuer == "" {
		return nil, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	host, herr := issuerHost(issuer)
	provider := target.IAM.OIDC[oidcARN(target.ID, host)]
	if herr != nil || provider == nil {
		return nil, invalidToken("No OpenIDConnect provider found in your account for %s", issuer)
	}
	kid, _ := unverified.Header["kid"].(string)
	key, known := c.publicKey(issuer, kid, unverified.Method.Alg())
	switch {
	case !known:
		return nil, fail("IDPCommunicationError", "The identity provider %s couldn't be reached: the sandbox knows the issuers that it minted tokens for", issuer)
	case key == nil:
		return nil, invalidToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	claims = jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256", "ES256"}), jwt.WithLeeway(tokenLeeway), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithTimeFunc(c.now))
	_, err = parser.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		exp, _ := claims.GetExpirationTime()
		return nil, fail("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time %d", c.now().Unix(), exp.Unix())
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return nil, invalidToken("Missing a required claim: exp")
	case errors.Is(err, jwt.ErrTokenNotValidYet) || errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return nil, invalidToken("The ID Token provided is not valid yet")
	case err != nil:
		return nil, invalidToken("The signature of the ID Token provided is not valid")
	}
	w := &webToken{provider: provider, claims: claims}
	return w, w.read()
}

// read takes out of the claims what STS uses. A token for several audiences is
// taken for the one that azp names, else for the first that the provider has.
func (w *webToken) read() error {
	w.subject, _ = w.claims.GetSubject()
	audiences, err := w.claims.GetAudience()
	if w.subject == "" || err != nil || len(audiences) == 0 {
		return invalidToken("Missing a required claim: sub or aud")
	}
	azp, _ := w.claims["azp"].(string)
	if azp != "" {
		audiences = []string{azp}
	}
	i := slices.IndexFunc(audiences, func(a string) bool { return slices.Contains(w.provider.Clients, a) })
	if i < 0 {
		return invalidToken("Incorrect token audience")
	}
	w.audience = audiences[i]
	w.source, _ = w.claims["https://aws.amazon.com/source_identity"].(string)
	session := asParams(w.claims["https://aws.amazon.com/tags"])
	for k, v := range asParams(session["principal_tags"]) {
		values := params{"v": v}.strs("v")
		if len(values) != 1 {
			return invalidToken("A session tag has one value")
		}
		w.tags = append(w.tags, map[string]any{"Key": k, "Value": values[0]})
	}
	w.transitive, _ = session["transitive_tag_keys"].([]any)
	return nil
}

// tokenKeys are the claims of any issuer's tokens that trust policies can ask
// for, as ISSUER:claim.
var tokenKeys = []string{"sub", "amr", "email"}

// issuerKeys are those of issuers that STS knows by name.
var issuerKeys = map[string][]string{
	"token.actions.githubusercontent.com": {"actor", "actor_id", "job_workflow_ref", "repository", "repository_id", "workflow", "ref", "environment", "enterprise_id"},
	"accounts.google.com":                 {"google/organization_number"},
}

// mayAssumeByToken asks the role's trust policy, and what else has a say,
// about the identity that the provider vouches for.
func (c *call) mayAssumeByToken(w *webToken, role *iamRole, trust string) bool {
	ctx := requestTags(c.In.tags("Tags"))
	set := func(key string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			ctx[key] = values
		}
	}
	host := w.provider.URL
	set(host+":aud", w.audience)
	if w.claims["azp"] != nil {
		original, _ := w.claims.GetAudience()
		set(host+":oaud", original...)
	}
	for _, claim := range append(slices.Clone(tokenKeys), issuerKeys[host]...) {
		switch v := w.claims[claim].(type) {
		case []any:
			set(host+":"+claim, params{"v": v}.strs("v")...)
		default:
			set(host+":"+claim, text(v))
		}
	}
	set("sts:rolesessionname", c.In.str("RoleSessionName"))
	set("sts:sourceidentity", w.source)
	set("sts:transitivetagkeys", c.In.strs("TransitiveTagKeys")...)
	for k, v := range role.Tags {
		ctx["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
		ctx["iam:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if len(w.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if w.source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		d, _ := c.decide(access{Action: action, Resource: role.ARN, Owner: role.account(), Policy: c.bound(trust, role.Bound), Context: ctx})
		if !d.Allowed() {
			return false
		}
	}
	return true
}

// account is where the principal is.
func (p *iamPrincipal) account() string { return strings.Split(p.ARN, ":")[4] }
