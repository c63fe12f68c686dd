package policy

import "fmt"

// Kind is a kind of policy.
type Kind uint8

// The kinds of policies.
const (
	IdentityPolicy Kind = iota + 1
	ResourcePolicy
	TrustPolicy
	BoundaryPolicy
	SessionPolicy
	ServiceControlPolicy
	ResourceControlPolicy
	EndpointPolicy

	kinds = iota + 1 // for arrays indexed by Kind
)

// String is the kind's name in AWS's error messages.
func (k Kind) String() string {
	switch k {
	case IdentityPolicy:
		return "identity-based policy"
	case ResourcePolicy:
		return "resource-based policy"
	case TrustPolicy:
		return "role trust policy"
	case BoundaryPolicy:
		return "permissions boundary"
	case SessionPolicy:
		return "session policy"
	case ServiceControlPolicy:
		return "service control policy"
	case ResourceControlPolicy:
		return "resource control policy"
	case EndpointPolicy:
		return "VPC endpoint policy"
	}
	return "policy"
}

func (k Kind) withArticle() string {
	if k == IdentityPolicy {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// Verdict is what a decision comes to.
type Verdict uint8

// The verdicts. The zero Decision denies.
const (
	ImplicitDeny Verdict = iota // nothing allows it
	ExplicitDeny                // a statement denies it
	Allowed
	Conditional // it depends on keys of Request.Unknown
	// Unsupported: the policies allow it, but the service doesn't take this
	// action from other accounts. Explain gives it, Evaluate never does.
	Unsupported
)

func (v Verdict) String() string {
	switch v {
	case ExplicitDeny:
		return "ExplicitlyDenied"
	case Allowed:
		return "Allowed"
	case Conditional:
		return "Conditional"
	case Unsupported:
		return "Unsupported"
	}
	return "ImplicitlyDenied"
}

// Decision is the answer to a request: the verdict and what it rests on.
type Decision struct {
	Verdict Verdict
	// Kind is the kind of policy that decided: the one that denies, the one
	// that ought to allow and doesn't, or the one that grants.
	Kind Kind
	// Account is where those policies are: whose side says no.
	Account string
	// Level of an SCP or RCP, the root being 0.
	Level int
	// Policy and Statement are indexes into the policies of Kind, -1 when no
	// statement decided.
	Policy, Statement int
}

// Allowed says whether the request may go on.
func (d Decision) Allowed() bool { return d.Verdict == Allowed }

// Reason is the end of AWS's message for a denial, such as "because no
// identity-based policy allows the sts:AssumeRole action" or "with an explicit
// deny in a service control policy" (IAM User Guide, Troubleshoot access denied
// error messages); "" for what is allowed.
func (d Decision) Reason(action string) string {
	switch d.Verdict {
	case Allowed:
		return ""
	case ExplicitDeny:
		in := d.Kind.withArticle()
		if d.Kind == TrustPolicy {
			in = "the " + d.Kind.String()
		}
		return "with an explicit deny in " + in
	}
	return fmt.Sprintf("because no %s allows the %s action", d.Kind, action)
}

// Message is AWS's sentence for a denied request, for those services that use
// the common form; "" for what is allowed.
func (d Decision) Message(req *Request) string {
	if d.Verdict == Allowed {
		return ""
	}
	on := ""
	if req.Resource != "" && req.Resource != "*" {
		on = " on resource: " + req.Resource
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s%s %s", req.Principal.ARN, req.Action, on, d.Reason(req.Action))
}
