package policy

import (
	"fmt"
	"strings"
)

// rawStatement is a statement as it was written, with the places that errors
// found while compiling need.
type rawStatement struct {
	at         ParseError // where the statement begins
	sid        string
	effect     string
	actions    []string
	notActions []string
	resources  []string
	notRes     []string
	principal  *principalSet
	notPrinc   *principalSet
	conditions []rawCondition
	has        map[string]ParseError // element -> its place
}

type rawCondition struct {
	at       ParseError
	operator string
	key      string
	values   []string
}

func (r *reader) place() ParseError {
	at, _ := r.fail("").(*ParseError)
	return *at
}

func (r *reader) statement() (rawStatement, error) {
	s := rawStatement{at: r.place(), has: map[string]ParseError{}}
	err := r.object(true, func(key string) (err error) {
		s.has[key] = r.place()
		switch key {
		case "Sid":
			s.sid, err = r.string()
		case "Effect":
			s.effect, err = r.string()
			if err == nil && s.effect != "Allow" && s.effect != "Deny" {
				err = r.fail(`Effect is "Allow" or "Deny", not %q`, s.effect)
			}
		case "Action":
			s.actions, err = r.strings()
		case "NotAction":
			s.notActions, err = r.strings()
		case "Resource":
			s.resources, err = r.strings()
		case "NotResource":
			s.notRes, err = r.strings()
		case "Principal":
			s.principal, err = r.principals()
		case "NotPrincipal":
			s.notPrinc, err = r.principals()
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
			c := rawCondition{at: r.place(), operator: operator, key: key}
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

// one checks that exactly one of an element and its Not form is there.
func (s *rawStatement) one(element string, optional bool) error {
	_, plain := s.has[element]
	notAt, not := s.has["Not"+element]
	switch {
	case plain && not:
		return notAt.problem("%s and Not%s exclude each other", element, element)
	case !plain && !not && !optional:
		return s.at.problem("%s or Not%s is missing", element, element)
	}
	return nil
}

// problem returns a copy of the place with a problem at it.
func (e ParseError) problem(format string, args ...any) error {
	e.Problem = fmt.Sprintf(format, args...)
	return &e
}

func (s *rawStatement) compile(variables bool) (Statement, error) {
	out := Statement{SID: s.sid, Effect: Allow, Line: s.at.Line}
	if s.effect == "" {
		return out, s.at.problem("Effect is missing")
	}
	if s.effect == "Deny" {
		out.Effect = Deny
	}
	for _, e := range []struct {
		name     string
		optional bool
	}{{"Action", false}, {"Resource", true}, {"Principal", true}} {
		if err := s.one(e.name, e.optional); err != nil {
			return out, err
		}
	}
	_, out.notAction = s.has["NotAction"]
	if err := s.compileActions(&out); err != nil {
		return out, err
	}
	if err := s.compileResources(&out, variables); err != nil {
		return out, err
	}
	out.principals = s.principal
	if s.notPrinc != nil {
		out.principals, out.notPrincipal = s.notPrinc, true
	}
	for _, raw := range s.conditions {
		c, err := compileCondition(raw.operator, raw.key, raw.values, variables)
		if err != nil {
			return out, raw.at.problem("%v", err)
		}
		out.conditions = append(out.conditions, c)
	}
	return out, nil
}

func (s *rawStatement) compileActions(out *Statement) error {
	at, list := s.has["Action"], s.actions
	if out.notAction {
		at, list = s.has["NotAction"], s.notActions
	}
	for _, a := range list {
		if a != "*" && !strings.Contains(a, ":") {
			return at.problem("an action is \"*\" or \"service:Operation\", not %q", a)
		}
		out.actions = append(out.actions, glob(lower(string(compileGlob(a)))))
	}
	return nil
}

func (s *rawStatement) compileResources(out *Statement, variables bool) error {
	at, there := s.has["Resource"]
	list := s.resources
	if notAt, not := s.has["NotResource"]; not {
		at, there, list, out.notResource = notAt, true, s.notRes, true
	}
	if !there {
		return nil
	}
	out.resources = make([]resourcePattern, 0, len(list))
	for _, raw := range list {
		g, t, err := compileVariables(raw, true, variables)
		if err != nil {
			return at.problem("%v", err)
		}
		if raw != "*" && t == nil && !strings.Contains(raw, ":") {
			return at.problem("a resource is \"*\" or an ARN, not %q", raw)
		}
		r := resourcePattern{template: t}
		if t == nil {
			r.pattern = compileARN(g)
		}
		out.resources = append(out.resources, r)
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
