package policy

import (
	"slices"
	"strings"
)

// Grant is a piece of access that one policy gives and another doesn't.
type Grant struct {
	// Principal is whom a resource or trust policy names: "*", an account id, an
	// ARN, a service. "" in policies that have no principals.
	Principal string `json:"principal,omitempty"`
	Action    string `json:"action"` // a pattern; "all but ..." of a NotAction
	// Resource is a pattern; "" in trust policies.
	Resource    string `json:"resource,omitempty"`
	Conditional bool   `json:"conditional,omitempty"` // under conditions
	// Undenied: a statement that denied it is gone or denies less.
	Undenied bool `json:"undenied,omitempty"`
}

// String says it for people.
func (g Grant) String() string {
	var b strings.Builder
	if g.Undenied {
		b.WriteString("no longer denied: ")
	}
	switch g.Principal {
	case "":
	case "*":
		b.WriteString("anybody may ")
	default:
		b.WriteString(g.Principal + " may ")
	}
	b.WriteString(g.Action)
	if g.Resource != "" {
		b.WriteString(" on " + g.Resource)
	}
	if g.Conditional {
		b.WriteString(" (under conditions)")
	}
	return b.String()
}

// Widening is what after gives and before doesn't, in the order of after's
// statements; a nil policy gives nothing. It compares patterns with patterns,
// so it may name access that several statements of before gave together, but
// misses none: what isn't named was allowed, by one statement and under the
// same conditions or fewer. An account that is named is taken to let its own in,
// though in the account itself their policies have a say, too.
func Widening(before, after *Policy) []Grant {
	had, has := grantsOf(before, Allow), grantsOf(after, Allow)
	denied, denies := grantsOf(before, Deny), grantsOf(after, Deny)
	var out []Grant
	add := func(p part, undenied bool) {
		g := Grant{Principal: p.principal, Action: p.action, Resource: p.resource, Conditional: len(p.conditions) > 0, Undenied: undenied}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	for _, p := range has {
		if !slices.ContainsFunc(had, func(b part) bool { return b.covers(p) }) {
			add(p, false)
		}
	}
	for _, p := range denied {
		if !slices.ContainsFunc(denies, func(a part) bool { return a.covers(p) }) {
			add(p, true)
		}
	}
	return out
}

// part is one combination of a statement's principals, actions and resources.
type part struct {
	principal, action, resource string
	conditions                  []string // all must hold; sorted
}

// allBut begins the text of a Not element: its patterns are one piece together.
const allBut = "all but "

func grantsOf(p *Policy, effect Effect) []part {
	if p == nil {
		return nil
	}
	var out []part
	for i := range p.Statements {
		s := &p.Statements[i]
		if s.Effect != effect {
			continue
		}
		var conditions []string
		for _, c := range s.raw.conditions {
			conditions = append(conditions, strings.ToLower(c.operator+" "+c.key)+" "+strings.Join(slices.Sorted(slices.Values(c.values)), " "))
		}
		slices.Sort(conditions)
		for _, who := range s.who() {
			for _, action := range s.raw.patterns(actionElement) {
				for _, resource := range s.raw.patterns(resourceElement) {
					out = append(out, part{who, action, resource, conditions})
				}
			}
		}
	}
	return out
}

// patterns are those of an element; of its Not form they are one; one that is
// empty when there is none.
func (s *rawStatement) patterns(plain int) []string {
	switch {
	case s.has[plain+1]:
		return []string{allBut + strings.Join(slices.Sorted(slices.Values(s.lists[plain+1])), ", ")}
	case s.has[plain]:
		return s.lists[plain]
	}
	return []string{""}
}

// who are the principals of a statement; one that is empty when it has none.
func (s *Statement) who() []string {
	p := s.principals
	if p == nil {
		return []string{""}
	}
	all := slices.Concat(p.accounts, p.arns, p.services, p.federated, p.canonical)
	if p.everyone {
		all = append(all, "*")
	}
	if s.notPrincipal {
		return []string{allBut + strings.Join(slices.Sorted(slices.Values(all)), ", ")}
	}
	return all
}

// covers says whether p speaks of all that q does.
func (p part) covers(q part) bool {
	return (p.principal == q.principal || p.principal == "*" || samePrincipalAccount(p.principal, q.principal)) &&
		contains(strings.ToLower(p.action), strings.ToLower(q.action)) && contains(p.resource, q.resource) &&
		!slices.ContainsFunc(p.conditions, func(c string) bool { return !slices.Contains(q.conditions, c) })
}

// samePrincipalAccount: an account that is named lets its own roles and users in.
func samePrincipalAccount(account, arn string) bool {
	a := splitARN(arn)
	return isAccount(account) && a.ok && a.parts[4] == account
}

// contains says whether everything that the pattern q matches p matches too, as
// far as that is seen by taking q's wildcards as text.
func contains(p, q string) bool {
	if strings.HasPrefix(p, allBut) || strings.HasPrefix(q, allBut) {
		return p == q || p == "*"
	}
	return Covers(p, q)
}
