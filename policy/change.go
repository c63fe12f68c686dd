package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxChanges bounds the search: what takes more is beyond a hint.
const maxChanges = 24

// changes are the fewest that allow the request, found by taking away what
// stands in the way one by one, on all sides, and then what turned out not to be
// needed. Each set is tried before it is told.
func (c *consultation) changes() ([]Change, string) {
	best, why := c.search(false)
	// In the same account a user can be named by the resource's policy, which
	// needs neither its own policies nor its boundary.
	if req := c.e.req; len(best) > 1 && c.p.Resource != nil && req.Principal.Type == User && req.Principal.Account == req.resourceAccount() {
		if direct, _ := c.search(true); direct != nil && len(direct) < len(best) {
			best = direct
		}
	}
	return best, why
}

func (c *consultation) search(viaResource bool) (changes []Change, why string) {
	try := *c.p
	for {
		d := Evaluate(c.e.req, &try)
		switch {
		case d.Allowed():
			return c.needed(changes), ""
		case len(changes) == maxChanges:
			return nil, fmt.Sprintf("more than %d statements stand in the way", maxChanges)
		}
		change := c.change(&try, d, viaResource)
		next, ok := change.apply(&try)
		if !ok {
			return nil, "no statement could allow it: " + abridge(c.e.req.Resource) + " can't be the Resource of one"
		}
		changes, try = append(changes, change), next
	}
}

// needed leaves out the changes without which it is allowed, too.
func (c *consultation) needed(changes []Change) []Change {
	for i := 0; i < len(changes) && len(changes) > 1; {
		without := slices.Delete(slices.Clone(changes), i, i+1)
		if p, ok := applyAll(c.p, without); ok && Evaluate(c.e.req, &p).Allowed() {
			changes = without
			continue
		}
		i++
	}
	return changes
}

// applyAll makes changes: what is removed leaves a gap and what is added comes
// last, so that they don't move each other.
func applyAll(p *Policies, changes []Change) (Policies, bool) {
	out := *p
	for _, c := range changes {
		next, ok := c.apply(&out)
		if !ok {
			return out, false
		}
		out = next
	}
	return out, true
}

// change is what takes the obstacle away that d names.
func (c *consultation) change(p *Policies, d Decision, viaResource bool) Change {
	ch := Change{Kind: d.Kind, Account: d.Account, at: place{d.Level, d.Policy, d.Statement}}
	if d.Verdict == ExplicitDeny {
		target := *policyAt(p, d.Kind, ch.at)
		s := &target.Statements[d.Statement]
		ch.Name = c.name(d.Kind, ch.at, target)
		sid := ""
		if s.SID != "" {
			sid = " (" + s.SID + ")"
		}
		ch.Text = fmt.Sprintf("remove or narrow statement %d%s of %s in %s", d.Statement, sid, ch.Name, d.Account)
		if why := c.conditions(s); why != "" {
			ch.Text += ", which denies because " + why
		}
		return ch
	}
	if viaResource && d.Kind == IdentityPolicy {
		ch.Kind, ch.Account = resourceKind(c.e.req), c.e.req.resourceAccount()
	}
	ch.at.policy, ch.at.statement = 0, -1
	add := c.grant(ch.Kind)
	ch.Add = add
	ch.Name = c.target(&ch)
	ch.Text = fmt.Sprintf("add to %s: %s", ch.Name, add)
	if m, at := c.nearest(ch.Kind, ch.at.level); m != nil && m.condition {
		ch.Text = fmt.Sprintf("meet the condition of statement %d of %s (%s), or %s", at, ch.Name, strings.ReplaceAll(strings.Join(m.differs, "; "), conditionDiffers, ""), ch.Text)
	}
	return ch
}

// nearest is what comes nearest to allowing on one side.
func (c *consultation) nearest(kind Kind, level int) (*miss, int) {
	var best *miss
	bestAt := -1
	for _, p := range policiesOf(c.p, kind, level) {
		for j := range p.Statements {
			s := &p.Statements[j]
			if s.Effect != Allow {
				continue
			}
			if m := c.miss(kind, s); len(m.differs) > 0 && (best == nil || m.matched > best.matched) {
				best, bestAt = &m, j
			}
		}
	}
	return best, bestAt
}

// target names the policy that a statement is added to.
func (c *consultation) target(ch *Change) string {
	req := c.e.req
	list := policiesOf(c.p, ch.Kind, ch.at.level)
	in := ""
	if ch.Account != "" {
		in = " in " + ch.Account
	}
	if len(list) > 0 && list[0].Name != "" {
		return list[0].Name + in
	}
	switch ch.Kind {
	case ResourcePolicy, TrustPolicy:
		what, of := ch.Kind.String(), req.Resource
		switch service, _, _ := strings.Cut(lower(req.Action), ":"); service {
		case "s3":
			what = "bucket policy"
			of, _, _ = strings.Cut(of, "/")
		case "kms":
			what = "key policy"
		}
		return fmt.Sprintf("the %s of %s%s", what, of, in)
	case ServiceControlPolicy:
		level := "the root"
		if ch.at.level > 0 {
			level = fmt.Sprintf("level %d", ch.at.level)
		}
		return fmt.Sprintf("a service control policy at %s for %s", level, ch.Account)
	case IdentityPolicy:
		return fmt.Sprintf("an identity-based policy of %s", c.caller())
	case EndpointPolicy:
		return "the VPC endpoint policy"
	}
	return fmt.Sprintf("the %s of %s", ch.Kind, c.caller())
}

// grant is the smallest statement of a kind that allows the request.
func (c *consultation) grant(kind Kind) json.RawMessage {
	type values map[string]string
	s := struct {
		Effect    string
		Principal any `json:",omitempty"`
		Action    string
		Resource  string            `json:",omitempty"`
		Condition map[string]values `json:",omitempty"`
	}{Effect: "Allow", Action: c.e.req.Action, Resource: literal(c.e.req.Resource)}
	req := c.e.req
	if hasPrincipals(kind) {
		s.Principal = c.principal()
		conditions := values{}
		for k, v := range req.Context {
			if len(v) == 1 && narrows(req.Principal.Type, k) {
				conditions[k] = literal(v[0])
			}
		}
		if len(conditions) > 0 {
			s.Condition = map[string]values{"StringEquals": conditions}
		}
	}
	switch {
	case kind == TrustPolicy:
		s.Resource = ""
	case kind == ResourcePolicy && needsResourcePolicy(req.Action, req.Resource):
		s.Resource = "*" // in a key policy: this key
	case req.Resource == "*":
		s.Resource = "*"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings only
	return bytes.TrimSpace(b.Bytes())
}

// narrows says whether a key of the request belongs into the condition of a
// grant: without it anybody could make the service or the identity provider act.
func narrows(t PrincipalType, key string) bool {
	switch t {
	case Service:
		return strings.EqualFold(key, "aws:SourceArn") || strings.EqualFold(key, "aws:SourceAccount")
	case WebIdentity:
		return strings.HasSuffix(key, ":sub") || strings.HasSuffix(key, ":aud")
	}
	return false
}

// principal names the caller in a grant.
func (c *consultation) principal() any {
	p := &c.e.req.Principal
	switch p.Type {
	case Anonymous:
		return "*"
	case Service:
		return map[string]string{"Service": p.ARN}
	case WebIdentity:
		return map[string]string{"Federated": p.ARN}
	}
	return map[string]string{"AWS": c.caller()}
}

// literal escapes what is a wildcard or a variable in a policy.
func literal(s string) string {
	return strings.NewReplacer("${", "${$}{", "*", "${*}", "?", "${?}").Replace(s)
}

// policiesOf are the policies of one kind; level counts for SCPs and RCPs.
func policiesOf(p *Policies, kind Kind, level int) []*Policy {
	one := func(p *Policy) []*Policy {
		if p == nil {
			return nil
		}
		return []*Policy{p}
	}
	switch kind {
	case IdentityPolicy:
		return p.Identity
	case SessionPolicy:
		return p.Session
	case BoundaryPolicy:
		return one(p.Boundary)
	case ResourcePolicy, TrustPolicy:
		return one(p.Resource)
	case EndpointPolicy:
		return one(p.Endpoint)
	case ServiceControlPolicy:
		return p.SCP[level]
	case ResourceControlPolicy:
		return p.RCP[level]
	}
	return nil
}

// policyAt is where the policy is kept that at names.
func policyAt(p *Policies, kind Kind, at place) **Policy {
	switch kind {
	case IdentityPolicy:
		return &p.Identity[at.policy]
	case SessionPolicy:
		return &p.Session[at.policy]
	case BoundaryPolicy:
		return &p.Boundary
	case EndpointPolicy:
		return &p.Endpoint
	case ServiceControlPolicy:
		return &p.SCP[at.level][at.policy]
	case ResourceControlPolicy:
		return &p.RCP[at.level][at.policy]
	}
	return &p.Resource
}

// apply makes the change on a copy.
func (ch *Change) apply(p *Policies) (Policies, bool) {
	out := *p
	out.Identity, out.Session = slices.Clone(p.Identity), slices.Clone(p.Session)
	out.SCP, out.RCP = slices.Clone(p.SCP), slices.Clone(p.RCP)
	for i := range out.SCP {
		out.SCP[i] = slices.Clone(out.SCP[i])
	}
	for i := range out.RCP {
		out.RCP[i] = slices.Clone(out.RCP[i])
	}
	if ch.Add == nil {
		at := policyAt(&out, ch.Kind, ch.at)
		changed := **at
		changed.Statements = slices.Clone(changed.Statements)
		// An empty statement in its place: the others keep their numbers.
		changed.Statements[ch.at.statement] = Statement{Effect: Deny, raw: (*at).Statements[ch.at.statement].raw}
		*at = &changed
		return out, true
	}
	added, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[` + string(ch.Add) + `]}`))
	if err != nil || added.Check(ch.Kind) != nil {
		return out, false
	}
	merge := func(p **Policy) {
		if *p != nil {
			both := **p
			both.Statements = slices.Concat(both.Statements, added.Statements)
			added = &both
		}
		*p = added
	}
	switch ch.Kind {
	case IdentityPolicy:
		out.Identity = append(out.Identity, added)
	case SessionPolicy:
		out.Session = append(out.Session, added)
	case BoundaryPolicy:
		merge(&out.Boundary)
	case EndpointPolicy:
		merge(&out.Endpoint)
	case ServiceControlPolicy:
		out.SCP[ch.at.level] = append(out.SCP[ch.at.level], added)
	default:
		merge(&out.Resource)
	}
	return out, true
}
