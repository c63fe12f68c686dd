package policy

import "strings"

// rawStatement is a statement as it was written, with the places that errors
// found while compiling need.
type rawStatement struct {
	at         pos
	path       string // "Statement[0]"
	sid        string
	effect     string
	lists      [notResourceElement + 1][]string
	places     [elements]pos
	has        [elements]bool
	principals *principalSet
	conditions []rawCondition
}

// Elements of which there is a plain and a Not form; Not follows plain.
const (
	actionElement = iota
	notActionElement
	resourceElement
	notResourceElement
	principalElement
	notPrincipalElement
	elements
)

var elementNames = [elements]string{"Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal"}

type rawCondition struct {
	at       pos
	operator string
	key      string
	values   []string
}

func (r *reader) statement() (rawStatement, error) {
	s := rawStatement{at: r.at}
	err := r.object(true, func(key string) (err error) {
		for i, name := range elementNames {
			if name == key {
				s.has[i], s.places[i] = true, r.at
				if i >= principalElement {
					s.principals, err = r.principals()
				} else {
					s.lists[i], err = r.strings()
				}
				return err
			}
		}
		switch key {
		case "Sid":
			s.sid, err = r.string()
		case "Effect":
			s.effect, err = r.string()
			if err == nil && s.effect != "Allow" && s.effect != "Deny" {
				err = r.fail(`Effect is "Allow" or "Deny", not %q`, abridge(s.effect))
			}
		case "Condition":
			s.conditions, err = r.conditions()
		default:
			err = r.fail("unknown element%s", suggest(key, statementElements))
		}
		return err
	})
	return s, err
}

func (r *reader) conditions() ([]rawCondition, error) {
	var out []rawCondition
	err := r.object(false, func(operator string) error {
		return r.object(false, func(key string) error {
			c := rawCondition{at: r.at, operator: operator, key: key}
			var err error
			c.values, err = r.strings()
			if err == nil && len(c.values) == 0 {
				err = r.fail("a condition needs at least one value")
			}
			out = append(out, c)
			return err
		})
	})
	return out, err
}

// form says which of an element's two forms is there, and whether any is.
func (s *rawStatement) form(r *reader, plain int) (element int, there bool, err error) {
	switch {
	case s.has[plain] && s.has[plain+1]:
		err = r.failAt(s.places[plain+1], s.path, "%s and %s exclude each other", elementNames[plain], elementNames[plain+1])
		return plain, true, err
	case s.has[plain+1]:
		return plain + 1, true, nil
	}
	return plain, s.has[plain], nil
}

func (s *rawStatement) compile(r *reader, variables bool) (Statement, error) {
	out := Statement{SID: s.sid, Effect: Allow, Line: s.at.line + 1, raw: s}
	if s.effect == "" {
		return out, r.failAt(s.at, s.path, "Effect is missing")
	}
	if s.effect == "Deny" {
		out.Effect = Deny
	}
	if err := s.compileActions(r, &out); err != nil {
		return out, err
	}
	if err := s.compileResources(r, &out, variables); err != nil {
		return out, err
	}
	element, _, err := s.form(r, principalElement)
	if err != nil {
		return out, err
	}
	out.principals, out.notPrincipal = s.principals, element == notPrincipalElement
	for _, raw := range s.conditions {
		c, err := compileCondition(raw.operator, raw.key, raw.values, variables)
		if err != nil {
			return out, r.failAt(raw.at, s.path+".Condition."+raw.operator+"."+raw.key, "%v", err)
		}
		out.conditions = append(out.conditions, c)
	}
	return out, nil
}

func (s *rawStatement) compileActions(r *reader, out *Statement) error {
	element, there, err := s.form(r, actionElement)
	if err != nil {
		return err
	}
	if !there {
		return r.failAt(s.at, s.path, "Action or NotAction is missing")
	}
	out.notAction = element == notActionElement
	for _, a := range s.lists[element] {
		if a != "*" && !strings.Contains(a, ":") {
			return r.failAt(s.places[element], s.path+"."+elementNames[element], `an action is "*" or "service:Operation", not %q`, abridge(a))
		}
		out.actions = append(out.actions, glob(lower(string(compileGlob(a)))))
	}
	return nil
}

func (s *rawStatement) compileResources(r *reader, out *Statement, variables bool) error {
	element, there, err := s.form(r, resourceElement)
	if err != nil || !there {
		return err
	}
	out.notResource = element == notResourceElement
	path := s.path + "." + elementNames[element]
	out.resources = make([]resourcePattern, 0, len(s.lists[element]))
	for _, raw := range s.lists[element] {
		g, t, err := compileVariables(raw, true, variables)
		if err != nil {
			return r.failAt(s.places[element], path, "%v", err)
		}
		if raw != "*" && t == nil && !strings.Contains(raw, ":") {
			return r.failAt(s.places[element], path, `a resource is "*" or an ARN, not %q`, abridge(raw))
		}
		p := resourcePattern{template: t}
		if t == nil {
			p.pattern = compileARN(g)
		}
		out.resources = append(out.resources, p)
	}
	return nil
}

// resourcePattern is one value of Resource or NotResource.
type resourcePattern struct {
	pattern  arnGlob
	template template // when it has variables
}

// applies says whether the statement is about the request: action, resource
// and conditions. principal has been matched by the caller.
func (s *Statement) applies(e *evaluation) truth {
	if !s.matchesAction(e) {
		return no
	}
	t := s.matchesResource(e)
	for i := range s.conditions {
		if t == no {
			return no
		}
		t = min(t, s.conditions[i].holds(e))
	}
	return t
}

func (s *Statement) matchesAction(e *evaluation) bool {
	for _, a := range s.actions {
		if a.matchFold(e.req.Action) {
			return !s.notAction
		}
	}
	return s.notAction
}

func (s *Statement) matchesResource(e *evaluation) truth {
	if s.resources == nil {
		return yes // only where that is allowed: see Check and evaluation.scan
	}
	found := no
	for i := range s.resources {
		r := &s.resources[i]
		if r.template == nil {
			if r.pattern.matchResource(&e.resource) {
				found = yes
				break
			}
			continue
		}
		g, ok := r.template.expand(e)
		switch ok {
		case no:
			// "If the variable can't be resolved, the statement doesn't
			// match": not even a NotResource, whose list would be incomplete.
			if s.notResource {
				return no
			}
		case maybe:
			found = max(found, maybe)
		default:
			p := compileARN(g)
			found = max(found, truthOf(p.matchResource(&e.resource)))
		}
	}
	if s.notResource {
		return found.not()
	}
	return found
}
