package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// pseudoParameters are what Ref knows beside parameters and resources.
func isPseudo(name string) bool {
	switch name {
	case "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region",
		"AWS::StackId", "AWS::StackName", "AWS::URLSuffix":
		return true
	}
	return false
}

// reference is a Ref or Fn::GetAtt (attr) found in a value.
type reference struct{ name, attr string }

// references calls fn for each reference in v, those of Fn::Sub included, and
// cond for each condition that v asks for.
func references(v any, fn func(reference), cond func(string)) {
	switch x := v.(type) {
	case []any:
		for _, c := range x {
			references(c, fn, cond)
		}
	case map[string]any:
		if len(x) != 1 {
			for _, c := range x {
				references(c, fn, cond)
			}
			return
		}
		for k, c := range x {
			switch k {
			case "Ref":
				if s, ok := c.(string); ok {
					fn(reference{name: s})
					return
				}
			case "Condition":
				if s, ok := c.(string); ok {
					cond(s)
					return
				}
			case "Fn::GetAtt":
				id, attr := getAttParts(c)
				if id != "" {
					fn(reference{name: id, attr: attr})
				}
				if list, ok := c.([]any); ok && len(list) > 1 {
					references(list[1:], fn, cond)
				}
				return
			case "Fn::Sub":
				subReferences(c, fn, cond)
				return
			case "Fn::If":
				if list, ok := c.([]any); ok && len(list) > 0 {
					if s, ok := list[0].(string); ok {
						cond(s)
					}
				}
			}
			references(c, fn, cond)
		}
	}
}

// getAttParts reads the argument of Fn::GetAtt: a list, or "Id.Attr".
func getAttParts(v any) (id, attr string) {
	switch x := v.(type) {
	case string:
		id, attr, _ = strings.Cut(x, ".")
	case []any:
		if len(x) > 0 {
			id, _ = x[0].(string)
		}
		if len(x) > 1 {
			attr, _ = x[1].(string)
		}
	}
	return id, attr
}

func subReferences(v any, fn func(reference), cond func(string)) {
	text, _ := v.(string)
	var vars map[string]any
	if list, ok := v.([]any); ok && len(list) > 0 {
		text, _ = list[0].(string)
		if len(list) > 1 {
			vars, _ = list[1].(map[string]any)
			for _, val := range vars {
				references(val, fn, cond)
			}
		}
	}
	for _, m := range subPlaceholder.FindAllStringSubmatch(text, -1) {
		name := strings.TrimSpace(m[1])
		if _, own := vars[name]; own {
			continue
		}
		id, attr, _ := strings.Cut(name, ".")
		if isPseudo(name) {
			id, attr = name, ""
		}
		fn(reference{name: id, attr: attr})
	}
}

// check holds the template against itself and the known types, and orders it.
func (t *template) check(types map[string]provider) error {
	if err := t.checkTypes(types); err != nil {
		return err
	}
	if err := t.checkConditions(); err != nil {
		return err
	}
	var bad error
	note := func(err error) {
		if bad == nil {
			bad = err
		}
	}
	if err := t.checkStackOutputs(); err != nil {
		return err
	}
	unresolved := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		r := t.resources[id]
		needs := map[string]bool{}
		t.checkCondition(r.condition, "Resources", note)
		references([]any{r.props, r.metadata, r.policies}, func(ref reference) {
			t.checkReference(ref, "Resources", unresolved, note, types)
			if t.resources[ref.name] != nil {
				needs[ref.name] = true
			}
		}, func(c string) { t.checkCondition(c, "Resources", note) })
		for _, d := range r.dependsOn {
			if t.resources[d] == nil {
				unresolved[d] = true
			}
			needs[d] = true
		}
		r.needs = slices.Sorted(maps.Keys(needs))
	}
	if len(unresolved) > 0 {
		return unresolvedIn(unresolved, "Resources")
	}
	for _, name := range slices.Sorted(maps.Keys(t.outputs)) {
		o := t.outputs[name]
		t.checkCondition(o.condition, "Outputs", note)
		references([]any{o.value, o.export}, func(ref reference) {
			t.checkReference(ref, "Outputs", unresolved, note, types)
		}, func(c string) { t.checkCondition(c, "Outputs", note) })
	}
	if len(unresolved) > 0 {
		return unresolvedIn(unresolved, "Outputs")
	}
	if bad != nil {
		return bad
	}
	return t.sort()
}

func unresolvedIn(names map[string]bool, block string) error {
	return invalid("Template format error: Unresolved resource dependencies [%s] in the %s block of the template",
		strings.Join(slices.Sorted(maps.Keys(names)), ", "), block)
}

func (t *template) checkTypes(types map[string]provider) error {
	unknown := map[string]bool{}
	for _, r := range t.resources {
		customTypes(types, r.typ)
		if _, ok := types[r.typ]; !ok {
			unknown[r.typ] = true
		}
	}
	if len(unknown) > 0 {
		return invalid("Template format error: Unrecognized resource types: [%s]", strings.Join(slices.Sorted(maps.Keys(unknown)), ", "))
	}
	return nil
}

func (t *template) checkConditions() error {
	unresolved := map[string]bool{}
	for _, v := range t.conditions {
		references(v, func(ref reference) {
			if ref.attr != "" || (t.parameters[ref.name] == nil && !isPseudo(ref.name)) {
				unresolved[ref.name] = true
			}
		}, func(c string) {
			if _, ok := t.conditions[c]; !ok {
				unresolved[c] = true
			}
		})
	}
	if len(unresolved) > 0 {
		return invalid("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template",
			strings.Join(slices.Sorted(maps.Keys(unresolved)), ", "))
	}
	return t.conditionCycles()
}

func (t *template) conditionCycles() error {
	state := map[string]int{}
	var visit func(string) bool
	visit = func(name string) bool {
		if state[name] != 0 {
			return state[name] == 1
		}
		state[name] = 1
		cyclic := false
		references(t.conditions[name], func(reference) {}, func(c string) { cyclic = cyclic || visit(c) })
		state[name] = 2
		return cyclic
	}
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		if visit(name) {
			return invalid("Template error: Found circular condition dependency: [%s]", name)
		}
	}
	return nil
}

func (t *template) checkCondition(name, block string, note func(error)) {
	if _, ok := t.conditions[name]; name != "" && !ok {
		note(invalid("Template format error: Unresolved condition dependency %s in the %s block of the template", name, block))
	}
}

func (t *template) checkReference(ref reference, block string, unresolved map[string]bool, note func(error), types map[string]provider) {
	r := t.resources[ref.name]
	switch {
	case ref.attr == "" && (isPseudo(ref.name) || t.parameters[ref.name] != nil || r != nil):
	case ref.attr == "":
		unresolved[ref.name] = true
	case r == nil:
		note(invalid("Template error: instance of Fn::GetAtt references undefined resource %s", ref.name))
	case !types[r.typ].hasAttribute(ref.attr):
		note(invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", ref.name, ref.attr))
	}
}

// hasAttribute says whether Fn::GetAtt takes the name. An attribute "Outputs.*"
// in the table stands for all with that beginning.
func (p provider) hasAttribute(name string) bool {
	for _, a := range p.attributes {
		if prefix, any := strings.CutSuffix(a, "*"); a == name || any && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// sort finds an order in which each resource comes after what it needs.
func (t *template) sort() error {
	waits := map[string]int{}
	users := map[string][]string{}
	var ready []string
	for id, r := range t.resources {
		waits[id] = len(r.needs)
		for _, n := range r.needs {
			users[n] = append(users[n], id)
		}
		if len(r.needs) == 0 {
			ready = append(ready, id)
		}
	}
	slices.Sort(ready)
	for len(ready) > 0 {
		id := ready[0]
		ready = ready[1:]
		t.order = append(t.order, id)
		next := users[id]
		slices.Sort(next)
		for _, u := range next {
			if waits[u]--; waits[u] == 0 {
				ready = append(ready, u)
			}
		}
		delete(waits, id)
	}
	if len(waits) > 0 {
		return invalid("Circular dependency between resources: [%s]", strings.Join(onCycle(waits, t), ", "))
	}
	return nil
}

// onCycle are the resources that lie on a cycle, without those that only need one.
func onCycle(left map[string]int, t *template) []string {
	for again := true; again; {
		again = false
		for id := range left {
			used := false
			for other := range left {
				used = used || slices.Contains(t.resources[other].needs, id)
			}
			if !used {
				delete(left, id)
				again = true
			}
		}
	}
	return slices.Sorted(maps.Keys(left))
}
