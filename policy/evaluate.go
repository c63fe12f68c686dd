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
	kinds      [kinds]finding // of SCPs, allow is the least of their levels
	scpMissing int            // the level of SCPs that allows least
	// grants are what the resource's policy allows, by how directly it names
	// the caller; grantAt are the statements.
	grants  [grantDirect + 1]truth
	grantAt [grantDirect + 1]place
}

func (e *evaluation) gather(p *Policies) (f facts) {
	who := &e.req.Principal
	if p.Resource != nil {
		e.scanResource(&f, p.Resource)
	}
	if len(p.RCP) > 0 && !who.serviceLinked() && !e.req.ResourceInManagement {
		e.scanRCP(&f.kinds[ResourceControlPolicy], p.RCP)
	}
	f.kinds[EndpointPolicy].allow = truthOf(p.Endpoint == nil)
	if p.Endpoint != nil {
		e.scanPrincipals(&f.kinds[EndpointPolicy], p.Endpoint)
	}
	if !who.hasPolicies() {
		return f
	}
	e.scanSCP(&f, p.SCP)
	f.kinds[IdentityPolicy].allow = truthOf(who.Type == Root) // who needs none
	e.scan(&f.kinds[IdentityPolicy], 0, p.Identity)
	f.kinds[BoundaryPolicy].allow = truthOf(p.Boundary == nil)
	if p.Boundary != nil {
		e.scan(&f.kinds[BoundaryPolicy], 0, []*Policy{p.Boundary})
	}
	f.kinds[SessionPolicy].allow = truthOf(p.Session == nil)
	e.scan(&f.kinds[SessionPolicy], 0, p.Session)
	return f
}

func (e *evaluation) scanRCP(f *finding, levels [][]*Policy) {
	how := rcpCoverage(e.req.Action)
	if how == uncovered {
		return
	}
	for level, list := range levels {
		e.scan(f, level, list)
	}
	if how == perhapsCovered && f.deny != no && e.second(rcpUncovered) {
		*f = finding{}
	}
}

func (e *evaluation) scanSCP(f *facts, levels [][]*Policy) {
	scp := &f.kinds[ServiceControlPolicy]
	scp.allow = yes
	if e.req.Principal.Management || e.req.Principal.serviceLinked() {
		return
	}
	for level, list := range levels {
		here := finding{}
		e.scan(&here, level, list)
		if here.deny > scp.deny {
			scp.deny, scp.denyAt = here.deny, here.denyAt
		}
		if here.allow < scp.allow {
			scp.allow, f.scpMissing = here.allow, level
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
		t := e.add(&f.kinds[ResourcePolicy], s, place{0, 0, j})
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
		return e.names(s.principals)
	case s.Effect == Deny && e.bounded:
		// "NotPrincipal with Deny always denies principals that have a
		// permissions boundary attached, whatever its values."
		return grantDirect
	}
	how := s.principals.excludes(who)
	if how == halfListed {
		return grantIf(e.second(halfExcluded) != (s.Effect == Deny), grantDirect)
	}
	return grantIf(how == notListed, grantDirect)
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

// Evaluate decides a request. It allocates nothing unless a policy variable
// makes it, and may be called concurrently.
func Evaluate(req *Request, p *Policies) Decision {
	d, _ := evaluate(req, p, 0)
	return d
}

// evaluate decides with contested rules read as as; met are those that came up.
func evaluate(req *Request, p *Policies, as reading) (d Decision, met reading) {
	e := newEvaluation(req, p, as)
	f := e.gather(p)
	r := e.decide(&f, yes, maybe)
	if len(req.Unknown) > 0 && r.verdict != Allowed && e.decide(&f, maybe, yes).verdict == Allowed {
		r.verdict = Conditional
	}
	d = Decision{Verdict: r.verdict, Kind: r.kind, Account: req.Principal.Account, Level: r.at.level, Policy: r.at.policy, Statement: r.at.statement}
	if r.kind == ResourcePolicy || r.kind == ResourceControlPolicy {
		d.Account = req.resourceAccount()
	}
	if r.kind == ResourcePolicy {
		d.Kind = resourceKind(req)
	}
	return d, e.met
}

func newEvaluation(req *Request, p *Policies, as reading) evaluation {
	return evaluation{req: req, resource: splitARN(req.Resource), bounded: p.Boundary != nil, as: as}
}

// resourceKind is what the resource's policy is.
func resourceKind(req *Request) Kind {
	if isTrust(req) {
		return TrustPolicy
	}
	return ResourcePolicy
}

// isTrust says whether the resource's policy is a role's trust policy.
func isTrust(req *Request) bool {
	return len(req.Action) > 4 && strings.EqualFold(req.Action[:4], "sts:") && needsResourcePolicy(req.Action, req.Resource)
}

// ruling is a Decision before names are put in.
type ruling struct {
	verdict Verdict
	kind    Kind
	at      place
}

// denyOrder is the order in which kinds are asked for an explicit deny: of
// several that deny one is named, as AWS does.
var denyOrder = [...]Kind{ServiceControlPolicy, ResourceControlPolicy, ResourcePolicy, IdentityPolicy, BoundaryPolicy, SessionPolicy, EndpointPolicy}

// decide applies the rules to the facts. allow and deny are what counts as
// such: what isn't known may count against the request, or for it.
func (e *evaluation) decide(f *facts, allow, deny truth) ruling {
	req := e.req
	for _, kind := range denyOrder {
		if f.kinds[kind].deny >= deny {
			return ruling{ExplicitDeny, kind, f.kinds[kind].denyAt}
		}
	}
	if f.kinds[EndpointPolicy].allow < allow {
		return ruling{ImplicitDeny, EndpointPolicy, place{0, -1, -1}}
	}
	best := grantDirect
	for best > grantNone && f.grants[best] < allow {
		best--
	}
	granted := ruling{Allowed, ResourcePolicy, f.grantAt[best]}
	if best == grantNone {
		granted = ruling{ImplicitDeny, ResourcePolicy, place{0, -1, -1}}
	}
	if !req.Principal.hasPolicies() {
		return granted
	}
	if f.kinds[ServiceControlPolicy].allow < allow {
		return ruling{ImplicitDeny, ServiceControlPolicy, place{f.scpMissing, -1, -1}}
	}
	// The caller's own side, as far as it still has a say. Across accounts both
	// sides must allow, and naming the session there lifts nothing here.
	foreign := req.Principal.Account != req.resourceAccount()
	if !foreign && best == grantDirect {
		if f.kinds[SessionPolicy].allow < allow && e.second(sessionLimits) {
			return ruling{ImplicitDeny, SessionPolicy, place{0, -1, -1}}
		}
		return granted
	}
	if f.kinds[IdentityPolicy].allow < allow && (foreign || best != grantRole) {
		return ruling{ImplicitDeny, IdentityPolicy, place{0, -1, -1}}
	}
	for _, limit := range [...]Kind{BoundaryPolicy, SessionPolicy} {
		if f.kinds[limit].allow < allow {
			return ruling{ImplicitDeny, limit, place{0, -1, -1}}
		}
	}
	if foreign || best == grantRole || needsResourcePolicy(req.Action, req.Resource) {
		return granted
	}
	if req.Principal.Type == Root {
		return ruling{Allowed, IdentityPolicy, place{0, -1, -1}}
	}
	return ruling{Allowed, IdentityPolicy, f.kinds[IdentityPolicy].allowAt}
}
