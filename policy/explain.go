package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Explanation is a decision and why it is so.
type Explanation struct {
	Decision  Decision    // its Verdict may be Unsupported
	Consulted []Consulted // every policy that has a say, in the order of evaluation
	Changes   []Change    // the smallest set of changes that would allow it; nil when it is allowed or none would
	Unknown   []string    // the condition keys on which it depends, when Conditional
	Contested []string    // the rules in doubt on which the verdict rests, see Contested
	Note      string      // such as why a service doesn't support it

	action string
}

// Consulted is what one policy says about the request.
type Consulted struct {
	Kind          Kind
	Account       string // whose side it is on
	Level, Policy int    // as in Decision
	Name          string // Policy.Name, or its kind and index
	Says          string // "allows", "denies", "doesn't allow", "depends", "isn't there"
	Statement     int    // the one that says so, or the nearest miss; -1: none
	SID           string
	Line          int
	Why           string // for "doesn't allow": which element of the nearest statement doesn't match
}

// Change is one change to one policy.
type Change struct {
	Kind    Kind
	Account string
	Name    string          // the policy's
	Add     json.RawMessage // the statement to add, or nil
	Text    string          // the change as a sentence

	at place // of the statement to remove, or where to add
}

// What a policy says.
const (
	saysAllow   = "allows"
	saysDeny    = "denies"
	saysNothing = "doesn't allow"
	saysDepends = "depends"
	saysAbsent  = "isn't there"
)

// Explain decides like Evaluate and says why. It is for people: slower, and it
// allocates.
func Explain(req *Request, p *Policies) *Explanation {
	x := &Explanation{Decision: Evaluate(req, p), Contested: Contested(req, p), action: req.Action}
	c := consultation{e: newEvaluation(req, p, 0), p: p, x: x}
	c.all()
	foreign := req.Principal.hasPolicies() && req.Principal.Account != req.resourceAccount()
	unsupported, why := "", ""
	if foreign {
		unsupported = crossAccount(req)
	}
	switch x.Decision.Verdict {
	case Allowed:
		if unsupported != "" {
			x.Decision.Verdict, x.Note = Unsupported, unsupported
		}
	case Conditional:
		slices.Sort(c.keys)
		x.Unknown = slices.Compact(c.keys)
	default:
		if unsupported != "" {
			x.Note = unsupported
			break
		}
		if x.Changes, why = c.changes(); why != "" {
			x.Note = why
		}
	}
	return x
}

// consultation asks policies one by one.
type consultation struct {
	e    evaluation
	p    *Policies
	x    *Explanation
	keys []string // whose values would decide, of those that aren't known
}

func (c *consultation) all() {
	who, owner := &c.e.req.Principal, c.e.req.resourceAccount()
	if c.p.Endpoint != nil {
		c.one(EndpointPolicy, who.Account, place{}, c.p.Endpoint)
	}
	if !who.serviceLinked() && !c.e.req.ResourceInManagement && rcpCoverage(c.e.req.Action) != uncovered {
		c.levels(ResourceControlPolicy, owner, c.p.RCP)
	}
	if who.hasPolicies() && !who.Management && !who.serviceLinked() {
		c.levels(ServiceControlPolicy, who.Account, c.p.SCP)
	}
	kind := resourceKind(c.e.req)
	switch {
	case c.p.Resource != nil:
		c.one(kind, owner, place{}, c.p.Resource)
	case !who.hasPolicies(), who.Account != owner, needsResourcePolicy(c.e.req.Action, c.e.req.Resource):
		c.absent(kind, owner, "")
	}
	if !who.hasPolicies() {
		return
	}
	if who.Type != Root || len(c.p.Identity) > 0 {
		c.list(IdentityPolicy, c.p.Identity)
		if len(c.p.Identity) == 0 {
			c.absent(IdentityPolicy, who.Account, "")
		}
	}
	if c.p.Boundary != nil {
		c.one(BoundaryPolicy, who.Account, place{}, c.p.Boundary)
	}
	c.list(SessionPolicy, c.p.Session)
	if c.p.Session != nil && len(c.p.Session) == 0 {
		c.absent(SessionPolicy, who.Account, "the list of session policies is empty")
	}
}

func (c *consultation) list(kind Kind, policies []*Policy) {
	for i, p := range policies {
		c.one(kind, c.e.req.Principal.Account, place{policy: i}, p)
	}
}

func (c *consultation) levels(kind Kind, account string, levels [][]*Policy) {
	for level, list := range levels {
		for i, p := range list {
			c.one(kind, account, place{level: level, policy: i}, p)
		}
		if len(list) == 0 && kind == ServiceControlPolicy {
			c.absent(kind, account, fmt.Sprintf("level %d has none", level))
			c.x.Consulted[len(c.x.Consulted)-1].Level = level
		}
	}
}

func (c *consultation) absent(kind Kind, account, why string) {
	c.x.Consulted = append(c.x.Consulted, Consulted{Kind: kind, Account: account, Policy: -1, Statement: -1, Name: kind.String(), Says: saysAbsent, Why: why})
}

// one asks one policy, and says which statement answers, or nearly does.
func (c *consultation) one(kind Kind, account string, at place, p *Policy) {
	said := Consulted{Kind: kind, Account: account, Level: at.level, Policy: at.policy, Name: c.name(kind, at, p), Says: saysNothing, Statement: -1}
	deny, allow := no, no
	denyAt, allowAt := -1, -1
	nearest := miss{matched: -1}
	nearestAt := -1
	for j := range p.Statements {
		s := &p.Statements[j]
		t := c.statement(kind, s)
		switch {
		case s.Effect == Deny && t > deny:
			deny, denyAt = t, j
		case s.Effect == Allow && t > allow:
			allow, allowAt = t, j
		}
		if s.Effect == Allow && t == no {
			if m := c.miss(kind, s); m.matched > nearest.matched {
				nearest, nearestAt = m, j
			}
		}
	}
	switch {
	case deny == yes:
		said.Says, said.Statement, said.Why = saysDeny, denyAt, c.conditions(&p.Statements[denyAt])
	case deny == maybe:
		said.Says, said.Statement, said.Why = saysDepends, denyAt, "it may deny: "+c.conditions(&p.Statements[denyAt])
	case kind == ResourceControlPolicy:
		said.Says = saysAllow // RCPFullAWSAccess is always attached beside it
	case allow == yes:
		said.Says, said.Statement = saysAllow, allowAt
		if (kind == ResourcePolicy || kind == TrustPolicy) && c.e.named(&p.Statements[allowAt]) == grantAccount {
			said.Why = "it names the account, whose own policies decide"
		}
	case allow == maybe:
		said.Says, said.Statement, said.Why = saysDepends, allowAt, c.conditions(&p.Statements[allowAt])
	case nearestAt >= 0:
		said.Statement, said.Why = nearestAt, nearest.String()
	default:
		said.Why = "it has no Allow statement"
	}
	if said.Statement >= 0 {
		said.SID, said.Line = p.Statements[said.Statement].SID, p.Statements[said.Statement].Line
	}
	c.x.Consulted = append(c.x.Consulted, said)
}

// statement evaluates one statement as a policy of its kind would, and notes the
// keys on which it depends.
func (c *consultation) statement(kind Kind, s *Statement) truth {
	if hasPrincipals(kind) {
		if c.e.named(s) == grantNone {
			return no
		}
	} else if s.resources == nil {
		return no
	}
	var keys []string
	c.e.unknown = &keys
	t := s.applies(&c.e)
	c.e.unknown = nil
	if t == maybe {
		c.keys = append(c.keys, keys...)
	}
	return t
}

// hasPrincipals says whether policies of a kind say for whom they are.
func hasPrincipals(kind Kind) bool {
	return kind == ResourcePolicy || kind == TrustPolicy || kind == EndpointPolicy
}

func (c *consultation) name(kind Kind, at place, p *Policy) string {
	if p.Name != "" {
		return p.Name
	}
	level := "the root"
	if at.level > 0 {
		level = fmt.Sprintf("level %d", at.level)
	}
	switch kind {
	case ServiceControlPolicy:
		return fmt.Sprintf("SCP %d at %s", at.policy, level)
	case ResourceControlPolicy:
		return fmt.Sprintf("RCP %d at %s", at.policy, level)
	case IdentityPolicy:
		if len(c.p.Identity) > 1 {
			return fmt.Sprintf("identity-based policy %d", at.policy)
		}
	case SessionPolicy:
		if len(c.p.Session) > 1 {
			return fmt.Sprintf("session policy %d", at.policy)
		}
	}
	return kind.String()
}

// Tree is the explanation as indented lines, short: the verdict, what the
// policies say of which it follows, and what would allow it.
func (x *Explanation) Tree() []string {
	lines := []string{x.headline()}
	for i := range x.Consulted {
		if c := &x.Consulted[i]; x.matters(c) {
			lines = append(lines, "  "+c.String())
		}
	}
	if x.Note != "" && x.Decision.Verdict != Unsupported {
		lines = append(lines, "  note: "+x.Note)
	}
	for i := range x.Changes {
		lines = append(lines, "  to allow it: "+x.Changes[i].Text)
	}
	return lines
}

func (x *Explanation) headline() string {
	d := &x.Decision
	if len(x.Contested) > 0 {
		return fmt.Sprintf("%s: AWS's documentation leaves open %s; by its nearer reading: %s", WordUnknown, strings.Join(x.Contested, " and "), d.Verdict)
	}
	switch d.Verdict {
	case ImplicitDeny:
		in := ""
		if d.Account != "" {
			in = " in " + d.Account
		}
		return fmt.Sprintf("%s: no %s%s allows %s", d.Verdict, d.Kind, in, x.action)
	case ExplicitDeny:
		return fmt.Sprintf("%s %s", d.Verdict, d.Reason(x.action))
	case Conditional:
		return fmt.Sprintf("%s: it depends on %s", d.Verdict, strings.Join(x.Unknown, ", "))
	case Unsupported:
		return fmt.Sprintf("%s: %s", d.Verdict, x.Note)
	}
	return d.Verdict.String()
}

// matters says whether a policy is worth a line: one that doesn't allow is so
// only where that is missing.
func (x *Explanation) matters(c *Consulted) bool {
	if c.Says != saysNothing && c.Says != saysAbsent {
		return true
	}
	if len(x.Changes) == 0 {
		return c.Kind == x.Decision.Kind && c.Level == x.Decision.Level && x.Decision.Verdict == ImplicitDeny
	}
	return slices.ContainsFunc(x.Changes, func(ch Change) bool { return ch.Add != nil && ch.Kind == c.Kind && ch.at.level == c.Level })
}

// String is one line, without the account's side.
func (c *Consulted) String() string {
	line := c.Name + " " + c.Says
	if c.Account != "" {
		line = c.Account + ": " + line
	}
	if c.Statement >= 0 {
		at := fmt.Sprintf(" (statement %d", c.Statement)
		if c.SID != "" {
			at += " " + c.SID
		}
		if c.Line > 1 {
			at += fmt.Sprintf(", line %d", c.Line)
		}
		line += at + ")"
	}
	if c.Why != "" {
		line += ": " + c.Why
	}
	return line
}
