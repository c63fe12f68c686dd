package sandbox

import (
	"slices"
	"strings"
)

// templateRule is an entry of the Rules section: assertions over parameters that
// are checked before anything is made. Operations that have no parameters' values,
// such as ValidateTemplate, look at its shape only.
type templateRule struct {
	name       string
	when       any // nil: always
	assertions []ruleAssertion
}

type ruleAssertion struct {
	assert      any
	description string
}

func (t *template) readRule(name string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return invalid("Template format error: [/Rules/%s] rule definition is malformed", name)
	}
	r := &templateRule{name: name, when: m["RuleCondition"]}
	list, ok := m["Assertions"].([]any)
	if !ok || len(list) == 0 {
		return invalid("Template format error: Every Rules object must contain a list of Assertions. [/Rules/%s]", name)
	}
	for _, one := range list {
		a, ok := one.(map[string]any)
		if !ok || a["Assert"] == nil {
			return invalid("Template format error: Every Assertions member must contain an Assert. [/Rules/%s]", name)
		}
		r.assertions = append(r.assertions, ruleAssertion{a["Assert"], scalarText(a["AssertDescription"])})
	}
	t.rules = append(t.rules, r)
	return nil
}

// checkRules refuses parameters that a rule of the template doesn't allow.
func (e *evaluation) checkRules() error {
	for _, r := range e.t.rules {
		if r.when != nil {
			holds, err := e.rule(r.when)
			if err != nil {
				return err
			}
			if !holds {
				continue
			}
		}
		for _, a := range r.assertions {
			holds, err := e.rule(a.assert)
			if err != nil {
				return err
			}
			if !holds {
				if a.description != "" {
					return invalid("%s", a.description)
				}
				return invalid("Assertion of rule %s failed", r.name)
			}
		}
	}
	return nil
}

func (e *evaluation) rule(v any) (bool, error) {
	val, err := e.ruleValue(v)
	if err != nil {
		return false, err
	}
	return truth(val)
}

// ruleValue evaluates a rule's functions; those of conditions as they are there.
func (e *evaluation) ruleValue(v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return e.value(v)
	}
	for name, arg := range m {
		switch name {
		case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
			list, _ := arg.([]any)
			vals := make([]any, len(list))
			for i, a := range list {
				val, err := e.ruleValue(a)
				if err != nil {
					return nil, err
				}
				vals[i] = val
			}
			return e.logic(name, vals)
		case "Fn::Contains", "Fn::EachMemberIn", "Fn::EachMemberEquals":
			return e.ruleList(name, arg)
		case "Fn::RefAll":
			return e.refAll(scalarText(arg)), nil
		case "Fn::ValueOf", "Fn::ValueOfAll":
			return nil, invalid("Template error: %s is not supported by this version of the sandbox", name)
		}
	}
	return e.value(v)
}

// ruleList compares lists of texts.
func (e *evaluation) ruleList(name string, arg any) (any, error) {
	args, ok := arg.([]any)
	if !ok || len(args) != 2 {
		return nil, invalid("Template error: every %s object requires a list of two parameters", name)
	}
	lists := make([][]string, 2)
	for i, a := range args {
		val, err := e.ruleValue(a)
		if err != nil {
			return nil, err
		}
		lists[i] = stringOrList(val)
		if items, isList := val.([]any); isList && len(items) == 0 {
			lists[i] = nil
		}
	}
	each := func(list []string, holds func(string) bool) bool {
		return !slices.ContainsFunc(list, func(s string) bool { return !holds(s) })
	}
	switch name {
	case "Fn::Contains":
		return slices.ContainsFunc(lists[1], func(s string) bool { return slices.Contains(lists[0], s) }), nil
	case "Fn::EachMemberIn":
		return each(lists[0], func(s string) bool { return slices.Contains(lists[1], s) }), nil
	}
	return each(lists[0], func(s string) bool { return slices.Contains(lists[1], s) }), nil
}

// refAll are the values of all parameters of a type.
func (e *evaluation) refAll(kind string) []any {
	var out []any
	for _, name := range sortedKeys(e.t.parameters) {
		if e.t.parameters[name].typ != kind {
			continue
		}
		if list, ok := e.params[name].([]any); ok {
			out = append(out, list...)
		} else if text := scalarText(e.params[name]); strings.TrimSpace(text) != "" {
			out = append(out, text)
		}
	}
	return out
}
