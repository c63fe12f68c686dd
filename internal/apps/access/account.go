package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/policy"
)

// Account is what is known of who is in an account.
type Account struct {
	ID         string
	Principals []*Principal // sorted by ARN
}

// Principal is a user or role with its policies.
type Principal struct {
	ARN, ID  string
	Policies []Document
	Boundary *Document
	Trust    *Document // of a role
	Tags     map[string]string
	// Planned is the stack that makes it; "" when it exists.
	Planned string
}

func (p *Principal) role() bool { return p.Trust != nil }

// name is the last part of the ARN.
func (p *Principal) name() string { return p.ARN[strings.LastIndexByte(p.ARN, '/')+1:] }

func (p *Principal) kind() string {
	if p.role() {
		return "role"
	}
	return "user"
}

func (a *Account) find(match func(*Principal) bool) *Principal {
	if i := slices.IndexFunc(a.Principals, match); i >= 0 {
		return a.Principals[i]
	}
	return nil
}

func (a *Account) byARN(arn string) *Principal {
	return a.find(func(p *Principal) bool { return p.ARN == arn })
}

// subject is a principal that asks.
type subject struct {
	policy.Principal
	name    string       // for people: "role app of dev (222222222222)"
	account axle.Account // the zero value outside of the organization
	inside  bool
	facts   *Principal // nil for services, roots, strangers, and where it couldn't be read
	missing *Gap       // why the policies aren't known
}

// assumes says whether it may go on as another role.
func (s *subject) assumes() bool {
	return s.Type == policy.User || s.Type == policy.AssumedRole || s.Type == policy.FederatedUser || s.Type == policy.WebIdentity
}

// subject finds who asks.
func (f *Facts) subject(ctx context.Context, text string) (*subject, error) {
	if account, name, ok := strings.Cut(text, "/"); ok && !strings.HasPrefix(text, "arn:") {
		found, err := f.org.One(account)
		if err != nil {
			return nil, err
		}
		return f.named(ctx, found, name)
	}
	p := policy.ParsePrincipal(text)
	s := &subject{Principal: p, name: text}
	if p.Type == policy.Anonymous {
		s.name = "anybody"
		return s, nil
	}
	if p.Type == policy.Service || p.Type == policy.WebIdentity {
		return s, nil
	}
	if !axle.ValidAccountID(p.Account) {
		return nil, unknownPrincipal(text, "its account isn't one of 12 digits")
	}
	if s.account, s.inside = f.org.Account(p.Account); !s.inside {
		s.name = p.ARN + " (outside of the organization)"
		s.missing = &Gap{What: "the policies of " + p.ARN, Why: "account " + p.Account + " isn't in the organization: its own side can't be read"}
		return s, nil
	}
	s.Management = s.account.Management
	if p.Type == policy.Root {
		s.name = "the root user of " + s.account.Label()
		return s, nil
	}
	return s, f.complete(ctx, s)
}

// named finds a role or user of an account by its name.
func (f *Facts) named(ctx context.Context, account axle.Account, name string) (*subject, error) {
	if name == "root" {
		return f.subject(ctx, "arn:aws:iam::"+account.ID+":root")
	}
	facts, err := f.account(ctx, account)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		g := gapOf("the roles of "+account.Label(), err)
		return nil, &axle.Failure{Code: "Unreadable", Message: "find " + name + " in " + account.Label() + ": " + g.Why, Hint: g.Hint, Err: err}
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	p := facts.find(func(p *Principal) bool { return p.role() && p.name() == name })
	if p == nil {
		p = facts.find(func(p *Principal) bool { return p.name() == name })
	}
	if p == nil {
		return nil, f.noPrincipal(account, facts, name)
	}
	return f.subjectOf(p), nil
}

func (f *Facts) noPrincipal(account axle.Account, facts *Account, name string) error {
	var names []string
	for _, p := range facts.Principals {
		names = append(names, p.name())
	}
	hint := "a role that isn't deployed yet needs --planned; one that was made in the last minutes --refresh"
	if near := diag.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return &axle.Failure{Code: "UnknownPrincipal", Message: fmt.Sprintf("%s has no role or user %q", account.Label(), name), Hint: hint}
}

func unknownPrincipal(text, why string) error {
	return &axle.Failure{Code: "UnknownPrincipal", Message: fmt.Sprintf("%q is no principal: %s", text, why),
		Hint: "an ARN of a role, user, session or root, ACCOUNT/ROLE, or a service such as lambda.amazonaws.com"}
}

// subjectOf is a user or role that has been read.
func (f *Facts) subjectOf(p *Principal) *subject {
	s := &subject{Principal: policy.ParsePrincipal(p.ARN), facts: p, inside: true}
	s.account, _ = f.org.Account(s.Account)
	s.Management, s.ID = s.account.Management, p.ID
	s.ServiceLinked = strings.Contains(p.ARN, ":role/aws-service-role/")
	s.name = p.kind() + " " + p.name() + " of " + s.account.Label()
	return s
}

// complete finds the policies of a principal that is given by its ARN.
func (f *Facts) complete(ctx context.Context, s *subject) error {
	facts, err := f.account(ctx, s.account)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wanted := s.ARN
	if s.RoleARN != "" {
		wanted = s.RoleARN
	}
	base := wanted[strings.LastIndexByte(wanted, '/')+1:]
	kind := "user"
	if s.Type == policy.AssumedRole {
		kind = "role"
	}
	s.name = kind + " " + base + " of " + s.account.Label()
	p := facts.byARN(wanted)
	if p == nil && s.ARN != s.RoleARN && s.RoleARN != "" { // a session's ARN lacks its role's path
		p = facts.find(func(p *Principal) bool { return p.kind() == kind && p.name() == base })
	}
	switch {
	case p != nil:
		known := f.subjectOf(p)
		known.ARN, known.Type = s.ARN, s.Type
		if known.RoleARN = ""; s.RoleARN != "" {
			known.RoleARN = p.ARN
		}
		if s.ARN != p.ARN {
			known.name += ", session " + s.ARN[strings.LastIndexByte(s.ARN, '/')+1:]
		}
		*s = *known
	case err != nil:
		g := gapOf("the policies of "+s.name, err)
		s.missing = &g
	default:
		return f.noPrincipal(s.account, facts, base)
	}
	return nil
}

// gapOf makes a gap of an error.
func gapOf(what string, err error) Gap {
	g := Gap{What: what, Why: err.Error()}
	var failure *axle.Failure
	if errors.As(err, &failure) {
		g.Why, g.Hint = failure.Message, failure.Hint
	}
	return g
}

// own are a principal's policies, compiled.
type own struct {
	most, least   []*policy.Policy
	bound, bound2 *policy.Policy // the boundary's most and least
	keys          []string
	gaps          []Gap
}

// ownOf compiles the policies of a principal, once.
func (f *Facts) ownOf(p *Principal) *own {
	f.mu.Lock()
	o := f.own[p]
	f.mu.Unlock()
	if o != nil {
		return o
	}
	o = &own{}
	for _, d := range p.Policies {
		r := f.read(d, false)
		o.most, o.least = append(o.most, r.most.Named(d.Name)), append(o.least, r.least.Named(d.Name))
		o.keys = append(o.keys, r.keys...)
		if r.why != "" {
			o.gaps = append(o.gaps, Gap{What: d.Name, Why: r.why})
		}
	}
	if p.Boundary != nil {
		r := f.read(*p.Boundary, false)
		o.bound, o.bound2 = r.most.Named(p.Boundary.Name), r.least.Named(p.Boundary.Name)
		o.keys = append(o.keys, r.keys...)
		if r.why != "" {
			o.gaps = append(o.gaps, Gap{What: p.Boundary.Name, Why: r.why})
		}
	}
	slices.Sort(o.keys)
	o.keys = slices.Compact(o.keys)
	f.mu.Lock()
	f.own[p] = o
	f.mu.Unlock()
	return o
}
