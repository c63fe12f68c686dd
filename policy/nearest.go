package policy

import (
	"fmt"
	"slices"
	"strings"
)

// miss is why a statement doesn't match a request.
type miss struct {
	matched   int // how much of it does: the more, the nearer
	matches   []string
	differs   []string
	condition bool // nothing but conditions differ
}

const conditionDiffers = "Condition doesn't: "

func (m miss) String() string {
	s := strings.Join(m.differs, "; ")
	switch len(m.matches) {
	case 0:
		return s
	case 1:
		return m.matches[0] + " matches, " + s
	}
	last := len(m.matches) - 1
	return strings.Join(m.matches[:last], ", ") + " and " + m.matches[last] + " match, " + s
}

// miss says which elements of a statement match and which don't.
func (c *consultation) miss(kind Kind, s *Statement) miss {
	var m miss
	element := func(name string, matches bool, why func() string) {
		if matches {
			m.matched += 10
			m.matches = append(m.matches, name)
			return
		}
		m.differs = append(m.differs, name+" doesn't: "+why())
	}
	req := c.e.req
	if hasPrincipals(kind) {
		element(form("Principal", s.notPrincipal), c.e.named(s) != grantNone, func() string {
			if s.principals == nil {
				return "there is none"
			}
			return c.caller() + differs(s.notPrincipal) + abridgeList(s.principals.texts())
		})
	}
	element(form("Action", s.notAction), s.matchesAction(&c.e), func() string {
		return req.Action + differs(s.notAction) + abridgeList(s.texts(actionElement))
	})
	if s.resources != nil {
		element(form("Resource", s.notResource), s.matchesResource(&c.e) != no, func() string {
			if text := c.unresolved(s); text != "" {
				return "a variable in " + abridge(text) + " has no value"
			}
			return req.Resource + differs(s.notResource) + abridgeList(s.texts(resourceElement))
		})
	} else if !hasPrincipals(kind) {
		m.differs = append(m.differs, "Resource is missing")
	}
	m.condition = len(m.differs) == 0
	for i := range s.conditions {
		if s.conditions[i].holds(&c.e) == no {
			m.differs = append(m.differs, conditionDiffers+c.condition(s, i))
		} else {
			m.matched++
		}
	}
	return m
}

// unresolved is a resource of the statement with a variable that has no value.
func (c *consultation) unresolved(s *Statement) string {
	for i := range s.resources {
		if t := s.resources[i].template; t != nil {
			if _, found := t.expand(&c.e); found == no {
				return s.texts(resourceElement)[i]
			}
		}
	}
	return ""
}

func form(name string, not bool) string {
	if not {
		return "Not" + name
	}
	return name
}

func differs(not bool) string {
	if not {
		return " is among "
	}
	return " isn't "
}

// caller is the principal as a policy would name it.
func (c *consultation) caller() string {
	p := &c.e.req.Principal
	switch {
	case p.Type == Anonymous:
		return "an anonymous caller"
	case p.RoleARN != "":
		return p.RoleARN
	}
	return p.ARN
}

// conditions tells the conditions of a statement as they stand.
func (c *consultation) conditions(s *Statement) string {
	var all []string
	for i := range s.conditions {
		all = append(all, c.condition(s, i))
	}
	return strings.Join(all, "; ")
}

// condition tells one condition: operator, key, the request's values and the
// policy's.
func (c *consultation) condition(s *Statement, i int) string {
	cond, raw := &s.conditions[i], &s.raw.conditions[i]
	values, known := c.e.lookup(cond.key)
	has := abridgeList(values)
	switch {
	case known == maybe:
		has = "isn't known"
	case len(values) == 0:
		has = "isn't in the request"
	default:
		has = "is " + has
	}
	return fmt.Sprintf("%s %s %s, the policy has %s", raw.operator, raw.key, has, abridgeList(raw.values))
}

// texts are the values of an element as they were written.
func (s *Statement) texts(plain int) []string {
	if s.raw.has[plain+1] {
		return s.raw.lists[plain+1]
	}
	return s.raw.lists[plain]
}

// texts are all principals of the set.
func (s *principalSet) texts() []string {
	var all []string
	if s.everyone {
		all = append(all, "*")
	}
	return append(all, slices.Concat(s.arns, s.accounts, s.services, s.federated, s.canonical)...)
}

// abridgeList names the first few of a list.
func abridgeList(list []string) string {
	const some = 3
	var b strings.Builder
	for i, v := range list {
		if i == some {
			fmt.Fprintf(&b, " or %d more", len(list)-some)
			break
		}
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(abridge(v))
	}
	if len(list) == 0 {
		return "nothing"
	}
	return b.String()
}
