package policy

import "strings"

// Policies are all that have a say in one request.
type Policies struct {
	// Identity are the policies of the user (and its groups) or role.
	Identity []*Policy
	// Boundary is the permissions boundary of the user or role, or nil.
	Boundary *Policy
	// Session are the policies passed when the session was made: together they
	// are one union. Nil: none was passed; a policy without statements denies.
	Session []*Policy
	// Resource is the resource's own policy, or nil: for sts:AssumeRole and
	// its kin the role's trust policy, for KMS the key policy.
	Resource *Policy
	// SCP are the service control policies of the principal's account by
	// level, the root first and the account last: each level must allow. Nil
	// when the account is in no organization.
	SCP [][]*Policy
	// RCP are the resource control policies of the resource's account;
	// RCPFullAWSAccess is implied.
	RCP [][]*Policy
	// Endpoint is the policy of the VPC endpoint that the request passes, or nil.
	Endpoint *Policy
}

// finding is what the policies of one kind say about the request.
type finding struct {
	deny, allow truth
	denyAt      place
	allowAt     place
}

// place names a statement: indexes into Policies.
type place struct{ level, policy, statement int }

// scan evaluates the statements of policies that apply to whom they are
// attached to, and adds them to f.
func (e *evaluation) scan(f *finding, level int, policies []*Policy) {
	for i, p := range policies {
		for j := range p.Statements {
			s := &p.Statements[j]
			if s.resources == nil {
				continue // IAM wouldn't have saved it
			}
			e.add(f, s, place{level, i, j})
		}
	}
}

func (e *evaluation) add(f *finding, s *Statement, at place) truth {
	if s.Effect == Deny {
		if f.deny == yes {
			return no
		}
		t := s.applies(e)
		if t > f.deny {
			f.deny, f.denyAt = t, at
		}
		return t
	}
	t := s.applies(e)
	if t > f.allow {
		f.allow, f.allowAt = t, at
	}
	return t
}

// facts are everything that the policies say, before the rules that combine it.
type facts struct {
	identity, boundary, session, endpoint, rcp finding
	scp                                        finding // allow: the least of its levels
	scpMissing                                 int     // the level that allows least
	resource                                   finding
	grants                                     [grantDirect + 1]truth // by how directly the resource policy names the caller
	grantAt                                    [grantDirect + 1]place
}

func (e *evaluation) gather(p *Policies) (f facts) {
	who := &e.req.Principal
	if p.Resource != nil {
		e.scanResource(&f, p.Resource)
	}
	if !who.ServiceLinked && !e.req.ResourceInManagement {
		for level, list := range p.RCP {
			e.scan(&f.rcp, level, list)
		}
	}
	if p.Endpoint != nil {
		e.scanPrincipals(&f.endpoint, p.Endpoint)
	}
	if who.Type == Service || who.Type == WebIdentity || who.Type == Anonymous {
		return f // no policies of its own
	}
	e.scanSCP(&f, p.SCP)
	if who.Type == Root {
		f.identity.allow = yes // the root user needs no policy
	}
	e.scan(&f.identity, 0, p.Identity)
	if p.Boundary != nil {
		e.scan(&f.boundary, 0, []*Policy{p.Boundary})
	} else {
		f.boundary.allow = yes
	}
	if p.Session != nil {
		e.scan(&f.session, 0, p.Session)
	} else {
		f.session.allow = yes
	}
	return f
}

func (e *evaluation) scanSCP(f *facts, levels [][]*Policy) {
	f.scp.allow = yes
	if e.req.Principal.Management || e.req.Principal.ServiceLinked {
		return
	}
	for level, list := range levels {
		here := finding{}
		e.scan(&here, level, list)
		if here.deny > f.scp.deny {
			f.scp.deny, f.scp.denyAt = here.deny, here.denyAt
		}
		if here.allow < f.scp.allow {
			f.scp.allow, f.scpMissing = here.allow, level
		}
	}
}

// scanResource evaluates the resource's policy, and notes how directly those
// who are allowed are named.
func (e *evaluation) scanResource(f *facts, p *Policy) {
	for j := range p.Statements {
		s := &p.Statements[j]
		g := e.named(s)
		if g == grantNone {
			continue
		}
		t := e.add(&f.resource, s, place{0, 0, j})
		if s.Effect == Allow && t > f.grants[g] {
			f.grants[g], f.grantAt[g] = t, place{0, 0, j}
		}
	}
}

func (e *evaluation) scanPrincipals(f *finding, p *Policy) {
	for j := range p.Statements {
		if s := &p.Statements[j]; e.named(s) != grantNone {
			e.add(f, s, place{0, 0, j})
		}
	}
}

// named says how the statement's principals name the caller.
func (e *evaluation) named(s *Statement) grant {
	who := &e.req.Principal
	switch {
	case s.principals == nil:
		return grantNone // a resource policy must say for whom it is
	case !s.notPrincipal:
		return s.principals.names(who)
	case s.Effect == Deny:
		// "NotPrincipal with Deny always denies principals that have a
		// permissions boundary attached, whatever its values."
		return grantIf(e.bounded || !s.principals.excludes(who), grantDirect)
	}
	return grantIf(s.principals.names(who) == grantNone, grantDirect)
}

// needsResourcePolicy says whether ownership alone gives nothing: a role can
// only be assumed by whom its trust policy names, a KMS key only be used by
// whom its key policy names.
func needsResourcePolicy(action, resource string) bool {
	service, _, _ := strings.Cut(action, ":")
	switch {
	case strings.EqualFold(service, "sts"):
		return strings.Contains(resource, ":role/")
	case strings.EqualFold(service, "kms"):
		return strings.Contains(resource, ":key/")
	}
	return false
}

// Evaluate decides a request. It allocates nothing unless a policy variable or
// a condition's parsing makes it, and may be called concurrently.
func Evaluate(req *Request, p *Policies) Decision {
	e := evaluation{req: req, resource: splitARN(req.Resource), bounded: p.Boundary != nil}
	f := e.gather(p)
	strict := f.decide(req, p, false)
	if len(req.Unknown) == 0 {
		return strict
	}
	lenient := f.decide(req, p, true)
	if strict.Verdict != Allowed && lenient.Verdict == Allowed {
		strict.Verdict = Conditional
	}
	return strict
}

// decide combines the facts. What isn't known counts against the request, or
// for it when hopeful.
func (f *facts) decide(req *Request, p *Policies, hopeful bool) Decision {
	allows := func(t truth) bool { return t == yes || (hopeful && t == maybe) }
	denies := func(t truth) bool { return t == yes || (!hopeful && t == maybe) }
	who := &req.Principal
	mine, theirs := who.Account, req.resourceAccount()
	resourceKind := ResourcePolicy
	needed := needsResourcePolicy(req.Action, req.Resource)
	if needed && strings.EqualFold(req.Action[:4], "sts:") {
		resourceKind = TrustPolicy
	}
	// 1. An explicit deny anywhere wins.
	for _, d := range [...]struct {
		kind    Kind
		f       *finding
		account string
	}{
		{ServiceControlPolicy, &f.scp, mine},
		{ResourceControlPolicy, &f.rcp, theirs},
		{resourceKind, &f.resource, theirs},
		{IdentityPolicy, &f.identity, mine},
		{BoundaryPolicy, &f.boundary, mine},
		{SessionPolicy, &f.session, mine},
		{EndpointPolicy, &f.endpoint, mine},
	} {
		if denies(d.f.deny) {
			return Decision{ExplicitDeny, d.kind, d.account, d.f.denyAt.level, d.f.denyAt.policy, d.f.denyAt.statement}
		}
	}
	silent := func(kind Kind, account string) Decision {
		return Decision{ImplicitDeny, kind, account, 0, -1, -1}
	}
	// 2. How directly the resource's policy names the caller.
	best := grantNone
	for g := grantDirect; g > grantNone && best == grantNone; g-- {
		if allows(f.grants[g]) {
			best = g
		}
	}
	granted := Decision{Allowed, resourceKind, theirs, 0, 0, f.grantAt[best].statement}
	if p.Endpoint != nil && !allows(f.endpoint.allow) {
		return silent(EndpointPolicy, mine)
	}
	if who.Type == Service || who.Type == WebIdentity || who.Type == Anonymous {
		if best == grantNone {
			return silent(resourceKind, theirs)
		}
		return granted
	}
	// 3. Every level of SCPs above the caller must allow.
	if !allows(f.scp.allow) {
		d := silent(ServiceControlPolicy, mine)
		d.Level = f.scpMissing
		return d
	}
	own := Decision{Allowed, IdentityPolicy, mine, 0, f.identity.allowAt.policy, f.identity.allowAt.statement}
	if who.Type == Root {
		own.Policy, own.Statement = -1, -1
	}
	// 4. The caller's side, as far as it still has a say. In another account
	// both sides must allow, and naming the session there lifts nothing here.
	if mine == theirs && best == grantDirect {
		return granted
	}
	if !allows(f.identity.allow) && (mine != theirs || best != grantRole) {
		return silent(IdentityPolicy, mine)
	}
	if !allows(f.boundary.allow) {
		return silent(BoundaryPolicy, mine)
	}
	if !allows(f.session.allow) {
		return silent(SessionPolicy, mine)
	}
	switch {
	case best != grantNone && (mine != theirs || needed || best == grantRole):
		return granted
	case best == grantNone && (mine != theirs || needed):
		return silent(resourceKind, theirs)
	}
	return own
}
