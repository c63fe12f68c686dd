package policy

import (
	"slices"
	"strings"
)

// Request is one request for which a decision is wanted.
type Request struct {
	Principal Principal
	Action    string // "s3:GetObject"
	// Resource is the ARN, or "*" for an action without resources.
	Resource string
	// ResourceAccount owns the resource; "" means the principal's own. It is
	// never taken from the ARN: a bucket's has none.
	ResourceAccount string
	// ResourceInManagement: the resource is in the management account, to
	// whose resources RCPs don't apply.
	ResourceInManagement bool
	// Context has the condition keys, whose case doesn't matter, each with one
	// value or many. What follows from the principal and the resource needn't
	// be in it: aws:PrincipalArn, aws:PrincipalAccount, aws:PrincipalType,
	// aws:PrincipalIsAWSService, aws:PrincipalServiceName, aws:ResourceAccount,
	// aws:username.
	Context map[string][]string
	// Unknown names keys whose value, and presence, isn't known; the name may
	// end in *, and "*" is every key that isn't in Context. When the outcome
	// depends on one the verdict is Conditional.
	Unknown []string
}

// resourceAccount is the account that owns the resource.
func (r *Request) resourceAccount() string {
	if r.ResourceAccount == "" {
		return r.Principal.Account
	}
	return r.ResourceAccount
}

// evaluation is one request being evaluated. It lives on the stack.
type evaluation struct {
	req      *Request
	resource arn
	bounded  bool // a permissions boundary is attached to the principal
	as, met  reading
	unknown  *[]string // collects the keys that aren't known, when not nil
	one      [1]string
}

// lookup finds a key of the context, which must be in lower case: yes when it
// is there, no when it is absent, maybe when it isn't known.
func (e *evaluation) lookup(key string) ([]string, truth) {
	if v, ok := e.req.Context[key]; ok {
		return v, yes
	}
	first := ""
	for k := range e.req.Context {
		// Of keys that differ in case only, always take the same one.
		if len(k) == len(key) && strings.EqualFold(k, key) && (first == "" || k < first) {
			first = k
		}
	}
	if first != "" {
		return e.req.Context[first], yes
	}
	if v := e.derived(key); v != "" {
		e.one[0] = v
		return e.one[:], yes
	}
	for _, u := range e.req.Unknown {
		prefix, open := strings.CutSuffix(u, "*")
		if strings.EqualFold(u, key) || (open && len(prefix) <= len(key) && strings.EqualFold(prefix, key[:len(prefix)])) {
			if e.unknown != nil && !slices.Contains(*e.unknown, key) {
				*e.unknown = append(*e.unknown, key)
			}
			return nil, maybe
		}
	}
	return nil, no
}

// derived is the value of a key that follows from the principal and resource;
// AWS sets these in every request.
func (e *evaluation) derived(key string) string {
	p := &e.req.Principal
	switch key {
	case "aws:principalarn":
		return p.principalARN()
	case "aws:principalaccount":
		switch p.Type {
		case Service, WebIdentity:
		case Anonymous:
			return "anonymous"
		default:
			return p.Account
		}
	case "aws:principaltype":
		return p.Type.contextValue()
	case "aws:principalisawsservice":
		switch p.Type {
		case Service:
			return "true"
		case Anonymous, WebIdentity: // such requests aren't signed
		default:
			return "false"
		}
	case "aws:username":
		if p.Type == User {
			return p.ARN[strings.LastIndexByte(p.ARN, '/')+1:]
		}
	case "aws:principalservicename":
		if p.Type == Service {
			return p.ARN
		}
	case "aws:resourceaccount":
		return e.req.resourceAccount()
	}
	return ""
}

// contextValue is the value of aws:PrincipalType.
func (t PrincipalType) contextValue() string {
	switch t {
	case Anonymous:
		return "Anonymous"
	case Root:
		return "Account"
	case User:
		return "User"
	case AssumedRole:
		return "AssumedRole"
	case FederatedUser:
		return "FederatedUser"
	}
	return ""
}
