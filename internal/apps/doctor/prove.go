package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/apps/access"
)

// Need is one thing that a target's role must be allowed to do.
type Need struct {
	Stack    string // in axle.yaml
	Role     string // an execution role; "": the access role
	Action   string
	Resource string // an ARN, or *
}

// Policies prove from the policies of both sides.
type Policies struct {
	// facts know only what could be read; lenient ones take a role whose own
	// policies can't be read to be allowed everything, so that what the
	// organization's policies forbid still shows.
	facts, lenient *access.Facts
	source         access.Source
	org            *axle.Organization
	Caller         string // the ARN of who starts
	// Hop is the first hop into an account.
	Hop func(axle.Account) Hop
	// Role is the role of an account with its external id.
	Role func(axle.Account) (arn, externalID string)
	// Needs are what a target's stacks need; those of a stack with an
	// execution role aren't the role's business.
	Needs func(*Target) []Need
}

// Hop is a role that is assumed on the way into an account's own.
type Hop struct {
	ARN   string // "" for none
	Place string // where axle.yaml says so
	// Own: by an override, for the accounts that it matches. Bootstrap lets it in
	// there, and doesn't make it.
	Own bool
	// Foreign: the account's role is an override's, which bootstrap doesn't make.
	Foreign bool
	// Given by its ARN: bootstrap doesn't make it.
	Given bool
}

// NewPolicies proves from what the source reads.
func NewPolicies(org *axle.Organization, from access.Source, role func(axle.Account) (arn, externalID string)) *Policies {
	return &Policies{Role: role, source: from, org: org, facts: access.New(org, from, nil, time.Now()), lenient: access.New(org, lenient{from, role}, nil, time.Now())}
}

// lenient is a source that stands in for roles which it can't read.
type lenient struct {
	access.Source
	role func(axle.Account) (arn, externalID string)
}

// Account implements access.Source.
func (l lenient) Account(ctx context.Context, a axle.Account) (*access.Account, error) {
	found, err := l.Source.Account(ctx, a)
	if err == nil || ctx.Err() != nil {
		return found, err
	}
	arn, _ := l.role(a)
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	nobody := access.Document{Name: "trust policy that isn't known", Text: `{"Version":"2012-10-17","Statement":[]}`}
	return &access.Account{ID: a.ID, Principals: []*access.Principal{
		{ARN: arn, Policies: []access.Document{{Name: "policies that aren't known", Text: all}}, Trust: &nobody}}}, nil
}

// Resource implements access.Source: what a deploy would make has no policy
// yet; a key's is the one that leaves it to the account's own policies.
func (l lenient) Resource(_ context.Context, arn, account string) (*access.Resource, error) {
	r := &access.Resource{ARN: arn}
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[2] == "kms" {
		r.Policy = &access.Document{Name: "the key's default policy", Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:` +
			parts[1] + `:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}]}`}
	}
	return r, nil
}

// Enter implements Prover.
func (p *Policies) Enter(ctx context.Context, account axle.Account, refused error) Proof {
	role, externalID := p.Role(account)
	hop, entered := p.Hop(account), account
	from := cmp.Or(hop.ARN, p.Caller)
	var f *axle.Failure
	atHop := errors.As(refused, &f) && hop.ARN != "" && f.Resource == hop.ARN
	if atHop {
		role, externalID, from = hop.ARN, "", p.Caller
		account, _ = p.org.Account(strings.Split(hop.ARN, ":")[4])
	}
	if role == "" {
		return Proof{}
	}
	a, err := p.facts.CanAssume(ctx, from, role, externalID)
	if err != nil {
		return Proof{}
	}
	out := Proof{Allowed: a.Verdict == access.Allowed, Known: len(a.Missing) == 0, Detail: lines(a)}
	name := role[strings.LastIndexByte(role, '/')+1:]
	caller := from[strings.LastIndexByte(from, '/')+1:]
	place := account.Label()
	switch {
	case strings.HasSuffix(a.Note, "isn't there"):
		out.Side = SideMissing
		out.Cause = fmt.Sprintf("role %s isn't in %s", name, place)
		out.Fix = "axle bootstrap --yes makes it"
		out.Detail = nil
	case a.Verdict == access.Denied:
		var whose string
		out.Side, whose = side(a)
		out.Cause, out.Fix = refusal(out.Side, name, place, caller, externalID)
		if out.Side == SideIdentity || out.Side == SideSCP || out.Side == SideRCP || out.Side == SideBoundary {
			out.Cause += ": " + whose
			out.Fix = changes(a)
		}
	case a.Verdict == access.Allowed:
		out.Side = SideOther
		out.Cause = fmt.Sprintf("the policies let %s assume %s in %s, and AWS refuses: they may have changed a moment ago", caller, name, place)
		out.Fix = "try again in a minute"
	default:
		return Proof{}
	}
	hop.explain(&out, atHop, from, entered)
	return out
}

// explain says of a refusal that it is the hop's own, and what to do where
// bootstrap wouldn't mend it.
func (h Hop) explain(out *Proof, atHop bool, from string, entered axle.Account) {
	if atHop {
		into := "every account"
		if h.Own {
			into = entered.Label()
		}
		out.Cause = h.Place + ", the way into " + into + ": " + out.Cause
	}
	byHand := h.Foreign
	if atHop {
		byHand = h.Own || h.Given
	}
	if out.Side != SideMissing && out.Side != SideTrust || !byHand {
		return
	}
	out.Fix = "let " + from + " in there"
	if out.Side == SideMissing {
		out.Fix = "make it, and let " + from + " in"
	}
	switch {
	case !atHop:
		out.Fix += ": axle bootstrap makes access.role, and access.overrides names another role for this account"
	case h.Own:
		out.Fix += ", or name another role in " + h.Place + ": axle bootstrap makes that of access.via alone"
	default:
		out.Fix += ", or name another role in " + h.Place + ": axle bootstrap makes it only when it is told by name"
	}
}

// side is the first policy that says no, a denial before the lack of an
// allowance. A trust that refuses for the external id alone refuses for that.
func side(a *access.Answer) (found Side, policy string) {
	found = SideOther
	for _, s := range a.Policies {
		switch {
		case s.Says == "denies":
			return sideOfKind(s.Kind), s.Name + " denies it"
		case s.Says != "doesn't allow" && s.Says != "isn't there", found != SideOther && sideOfKind(s.Kind) != SideTrust:
			continue
		}
		// One of several identity policies needn't allow it.
		if sideOfKind(s.Kind) == SideIdentity && slices.ContainsFunc(a.Policies, func(o access.Says) bool { return sideOfKind(o.Kind) == SideIdentity && o.Says == "allows" }) {
			continue
		}
		found, policy = sideOfKind(s.Kind), s.Name+" doesn't allow it"
		if why := strings.ToLower(s.Why); found == SideTrust && strings.Contains(why, "sts:externalid") && !strings.Contains(why, "principalarn") {
			found = SideExternalID
		}
	}
	return found, policy
}

// sideOfKind translates the kind of a policy.
func sideOfKind(kind string) Side {
	switch {
	case strings.Contains(kind, "trust"), strings.Contains(kind, "resource-based"):
		return SideTrust
	case strings.Contains(kind, "service control"):
		return SideSCP
	case strings.Contains(kind, "resource control"):
		return SideRCP
	case strings.Contains(kind, "boundary"):
		return SideBoundary
	case strings.Contains(kind, "session"):
		return SideSession
	case strings.Contains(kind, "identity"):
		return SideIdentity
	}
	return SideOther
}

// refusal says which side refuses, and what to do there.
func refusal(side Side, role, place, caller, externalID string) (cause, fix string) {
	switch side {
	case SideExternalID:
		sent := "none is sent"
		if externalID != "" {
			sent = "another one is sent"
		}
		return fmt.Sprintf("the trust policy of %s in %s wants an external id, and %s", role, place, sent),
			"set access.external_id in axle.yaml to what the trust policy wants, or axle bootstrap --yes, which makes both sides agree"
	case SideTrust:
		return fmt.Sprintf("the trust policy of %s in %s doesn't let %s in", role, place, caller), "axle bootstrap --yes mends it"
	case SideIdentity:
		return fmt.Sprintf("%s isn't allowed sts:AssumeRole on %s in %s", caller, role, place), "allow it in the identity policy of " + caller
	case SideSCP:
		return fmt.Sprintf("a service control policy keeps %s from assuming %s in %s", caller, role, place), hintFor(SideSCP)
	case SideRCP:
		return fmt.Sprintf("a resource control policy of %s keeps %s from assuming %s", place, caller, role), hintFor(SideRCP)
	case SideBoundary:
		return fmt.Sprintf("the permissions boundary of %s leaves out sts:AssumeRole on %s in %s", caller, role, place), "widen the boundary"
	}
	return fmt.Sprintf("%s can't assume %s in %s", caller, role, place), ""
}

// Trust implements Prover.
func (p *Policies) Trust(ctx context.Context, account axle.Account, role string) (arn, document string, ok bool) {
	a, err := p.source.Account(ctx, account)
	if err != nil {
		return "", "", false
	}
	for _, found := range a.Principals {
		if found.Trust != nil && strings.HasSuffix(found.ARN, "/"+role) {
			return found.ARN, found.Trust.Text, true
		}
	}
	return "", "", false
}

// Act implements Prover.
func (p *Policies) Act(ctx context.Context, t *Target) []Finding {
	own, _ := p.Role(t.Account)
	if own == "" || p.Needs == nil {
		return nil
	}
	role := own
	type cause struct {
		side              Side
		stack, name, role string
	}
	var order []cause
	actions := map[cause][]string{}
	fixes := map[cause]string{}
	for _, need := range p.Needs(t) {
		if role = own; need.Role != "" {
			role = executionARN(own, need.Role)
		}
		a, err := p.lenient.Can(ctx, access.Request{Principal: role, Action: need.Action, Resource: need.Resource, Direct: true,
			ResourceAccount: t.Account.ID, Context: map[string][]string{"aws:RequestedRegion": {t.Region}}})
		if err != nil || a.Verdict != access.Denied {
			continue
		}
		c := cause{stack: need.Stack, side: SideOther, role: role[strings.LastIndexByte(role, '/')+1:]}
		c.side, c.name = side(a)
		if actions[c] == nil {
			order = append(order, c)
			fixes[c] = changes(a)
		}
		actions[c] = append(actions[c], need.Action)
	}
	var out []Finding
	for _, c := range order {
		list := actions[c]
		slices.Sort(list)
		list = slices.Compact(list)
		shown := strings.Join(list[:min(4, len(list))], ", ")
		if len(list) > 4 {
			shown += fmt.Sprintf(" and %d more", len(list)-4)
		}
		f := Finding{Stack: c.stack, State: Blocked, Side: c.side, Proof: "policies", Fix: hintFor(c.side),
			Cause: fmt.Sprintf("stack %s needs %s of %s in %s, and %s", c.stack, shown, c.role, t.Account.Label(), c.name)}
		if f.Fix == "" {
			f.Fix = fixes[c]
		}
		out = append(out, f)
	}
	return out
}

// executionARN is the ARN of an execution role in the account of ours.
func executionARN(own, role string) string {
	if strings.HasPrefix(role, "arn:") {
		return role
	}
	prefix, _, _ := strings.Cut(own, ":role/")
	return prefix + ":role/" + strings.TrimPrefix(role, "/")
}

// changes is the smallest set of changes that would allow it, as text.
func changes(a *access.Answer) string {
	var out []string
	for _, c := range a.Changes {
		out = append(out, c.Text)
	}
	return strings.Join(out, "; and ")
}

// lines are what each policy says, for the curious.
func lines(a *access.Answer) []string {
	var out []string
	for _, s := range a.Policies {
		line := s.Name + " " + s.Says
		if s.SID != "" {
			line += " (" + s.SID + ")"
		}
		if s.Why != "" {
			line += ": " + s.Why
		}
		out = append(out, line)
	}
	return out
}
