package policy

import (
	"encoding/json"
	"slices"
	"strings"
)

// PrincipalType is the sort of principal that makes a request.
type PrincipalType uint8

// The sorts of principals.
const (
	Anonymous     PrincipalType = iota // unsigned
	Root                               // an account's root user
	User                               // an IAM user
	AssumedRole                        // a session of a role
	FederatedUser                      // a session from GetFederationToken
	WebIdentity                        // whoever an identity provider vouches for, in AssumeRoleWithWebIdentity and ...SAML
	Service                            // an AWS service on its own behalf
)

// Principal is who makes a request. A caller that uses a role is always the
// session; the role itself is RoleARN.
type Principal struct {
	Type PrincipalType
	// ARN is the user's, the session's, or the identity provider's; for a
	// Service its name, such as "sns.amazonaws.com".
	ARN     string
	Account string
	// RoleARN is the role of an AssumedRole, with its path, and the user of a
	// FederatedUser.
	RoleARN string
	// ID is the unique id (AIDA..., AROA...) of the user or role; may be empty.
	ID string
	// CanonicalID is the account's canonical user id, for S3; may be empty.
	CanonicalID string
	// Management: the principal is in the management account, to which SCPs
	// don't apply.
	Management bool
	// ServiceLinked: the role is service-linked, exempt from SCPs and RCPs. A
	// role whose path is /aws-service-role/ is so without it.
	ServiceLinked bool
}

func (p *Principal) serviceLinked() bool {
	return p.ServiceLinked || (p.Type == AssumedRole && strings.Contains(p.RoleARN, ":role/aws-service-role/"))
}

// ParsePrincipal reads a principal as it is written in a policy or in
// GetCallerIdentity: an ARN, a service's name, or "anonymous". A session's ARN
// doesn't have its role's path: set RoleARN afterwards where it is known.
func ParsePrincipal(s string) Principal {
	a := splitARN(s)
	if !a.ok {
		switch {
		case s == "" || s == "*" || s == "anonymous":
			return Principal{}
		case isAccount(s):
			return Principal{Type: Root, ARN: "arn:aws:iam::" + s + ":root", Account: s}
		case s == "accounts.google.com" || s == "graph.facebook.com" || s == "www.amazon.com" || s == "cognito-identity.amazonaws.com":
			return Principal{Type: WebIdentity, ARN: s}
		}
		return Principal{Type: Service, ARN: s}
	}
	p := Principal{ARN: s, Account: a.parts[4]}
	kind, rest, _ := strings.Cut(a.parts[5], "/")
	iam := "arn:" + a.parts[1] + ":iam::" + a.parts[4] + ":"
	switch {
	case a.parts[5] == "root":
		p.Type = Root
	case a.parts[2] == "sts" && kind == "assumed-role":
		name, _, _ := strings.Cut(rest, "/")
		p.Type, p.RoleARN = AssumedRole, iam+"role/"+name
	case a.parts[2] == "sts" && kind == "federated-user":
		p.Type, p.RoleARN = FederatedUser, iam+"user/"+rest
	case kind == "oidc-provider" || kind == "saml-provider":
		p.Type = WebIdentity
	case kind == "role":
		// Nobody calls as a role itself; it stands for any of its sessions.
		p.Type, p.RoleARN = AssumedRole, s
	default:
		p.Type = User
	}
	return p
}

// principalARN is the value of aws:PrincipalArn: for a session its role.
func (p *Principal) principalARN() string {
	switch p.Type {
	case AssumedRole:
		if p.RoleARN != "" {
			return p.RoleARN
		}
		return p.ARN
	case Root, User, FederatedUser:
		return p.ARN
	}
	return ""
}

// hasPolicies says whether the principal has policies of its own, and an account
// whose SCPs hold for it.
func (p *Principal) hasPolicies() bool {
	return p.Type != Service && p.Type != WebIdentity && p.Type != Anonymous
}

// principalSet is a compiled Principal or NotPrincipal.
type principalSet struct {
	everyone  bool     // "*" or {"AWS": "*"}
	accounts  []string // delegation to an account
	arns      []string // users, roles, sessions; and unique ids
	services  []string
	federated []string
	canonical []string
}

func (r *reader) principals() (*principalSet, error) {
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	if t == "*" {
		return &principalSet{everyone: true}, nil
	}
	if t != json.Delim('{') {
		return nil, r.fail(`expected "*" or an object, found %s`, describe(t))
	}
	set := &principalSet{}
	err = r.object(true, func(key string) error {
		values, err := r.strings()
		if err != nil {
			return err
		}
		switch key {
		case "AWS":
			for _, v := range values {
				set.addAWS(v)
			}
		case "Service":
			set.services = append(set.services, values...)
		case "Federated":
			set.federated = append(set.federated, values...)
		case "CanonicalUser":
			set.canonical = append(set.canonical, values...)
		default:
			return r.fail("a principal is AWS, Service, Federated or CanonicalUser")
		}
		return nil
	})
	return set, err
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

func (s *principalSet) addAWS(v string) {
	a := splitARN(v)
	switch {
	case v == "*":
		s.everyone = true
	case isAccount(v):
		s.accounts = append(s.accounts, v)
	case a.ok && a.parts[2] == "iam" && a.parts[5] == "root":
		s.accounts = append(s.accounts, a.parts[4])
	default:
		// A wildcard within is no wildcard here: such a principal never
		// matches ("You can't use a wildcard to match part of a principal
		// name or ARN").
		s.arns = append(s.arns, v)
	}
}

// grant says how directly a resource policy names the caller, which decides
// what the caller's own policies still have to say in the same account.
type grant uint8

const (
	grantNone    grant = iota
	grantAccount       // the account: its own policies decide
	grantRole          // the role (or the user of a federated session): boundary and session policy still limit
	grantDirect        // the user, the session, or everyone: nothing else is needed
)

// names finds how the set names the caller.
func (e *evaluation) names(s *principalSet) grant {
	p := &e.req.Principal
	g := s.names(p)
	if g >= grantRole || p.Type != AssumedRole {
		return g
	}
	for _, a := range s.arns {
		switch {
		case a != p.ARN && strings.EqualFold(a, p.ARN) && p.ARN != p.RoleARN && e.second(foldRoleName):
			return grantDirect
		case a != p.RoleARN && strings.EqualFold(a, p.RoleARN) && e.second(foldRoleName):
			g = grantRole
		}
	}
	return g
}

// names finds how the set names the principal.
func (s *principalSet) names(p *Principal) grant {
	if s.everyone {
		return grantDirect
	}
	switch p.Type {
	case Anonymous:
		return grantNone
	case Service:
		return grantIf(slices.Contains(s.services, p.ARN), grantDirect)
	case WebIdentity:
		return grantIf(slices.Contains(s.federated, p.ARN), grantDirect)
	}
	// Of a role itself (ParsePrincipal) only what it gives all its sessions counts.
	if (p.ARN != p.RoleARN && slices.Contains(s.arns, p.ARN)) || (p.CanonicalID != "" && slices.Contains(s.canonical, p.CanonicalID)) {
		return grantDirect
	}
	if p.ID != "" && slices.Contains(s.arns, p.ID) {
		if p.Type == User {
			return grantDirect
		}
		return grantRole
	}
	if p.RoleARN != "" && slices.Contains(s.arns, p.RoleARN) {
		return grantRole
	}
	return grantIf(slices.Contains(s.accounts, p.Account), grantAccount)
}

// exclusion says how far a NotPrincipal lists the caller.
type exclusion uint8

const (
	notListed exclusion = iota
	halfListed
	listed
)

// excludes says how far the set, as a NotPrincipal, lists the principal. "You
// must also specify the account ARN of the not-denied principal", and for a
// session the role and the session; with less than that "AWS might validate the
// account first".
func (s *principalSet) excludes(p *Principal) exclusion {
	if s.everyone {
		return listed
	}
	has := func(b bool) exclusion {
		if b {
			return listed
		}
		return notListed
	}
	switch p.Type {
	case Anonymous:
		return notListed
	case Service:
		return has(slices.Contains(s.services, p.ARN))
	case WebIdentity:
		return has(slices.Contains(s.federated, p.ARN))
	}
	account := slices.Contains(s.accounts, p.Account)
	if p.Type == Root {
		return has(account)
	}
	self := slices.Contains(s.arns, p.ARN) || (p.ID != "" && slices.Contains(s.arns, p.ID))
	role := p.RoleARN == "" || slices.Contains(s.arns, p.RoleARN)
	switch {
	case account && self && role:
		return listed
	case account, self, p.RoleARN != "" && role, s.names(p) != grantNone:
		return halfListed
	}
	return notListed
}

func grantIf(b bool, g grant) grant {
	if b {
		return g
	}
	return grantNone
}
