package sam

import (
	"strings"

	"axle/internal/late"
)

var subReference = late.MustCompile(`\$\{([A-Za-z0-9.]+|AWS::[A-Z][A-Za-z]*)\}`)

func isIntrinsic(v any) bool {
	key, _, ok := asDict(v).only()
	return ok && (key == "Ref" || key == "Condition" || strings.HasPrefix(key, "Fn::"))
}

func isIf(v any) bool {
	key, _, ok := asDict(v).only()
	return ok && key == "Fn::If"
}

func isNoValue(v any) bool {
	key, val, ok := asDict(v).only()
	name, _ := textOf(val)
	return ok && key == "Ref" && name == "AWS::NoValue"
}

// ifParts are the condition and the two values of Fn::If.
func ifParts(v any) (cond, yes, no any, err error) {
	list := asDict(v).list("Fn::If")
	if len(list) != 3 {
		return nil, nil, nil, badTemplate("Fn::If requires 3 arguments")
	}
	return list[0], list[1], list[2], nil
}

func ref(name string) *Dict               { return made("Ref", name) }
func getAtt(id, attribute string) *Dict   { return made("Fn::GetAtt", []any{id, attribute}) }
func conditional(c, yes, no any) *Dict    { return made("Fn::If", []any{c, yes, no}) }
func ifElseNothing(c string, v any) *Dict { return conditional(c, v, ref("AWS::NoValue")) }
func sub(text string) *Dict               { return made("Fn::Sub", text) }

// referred is the logical id that Ref or Fn::GetAtt names.
func referred(v any) string {
	key, val, ok := asDict(v).only()
	if !ok {
		return ""
	}
	switch key {
	case "Ref":
		s, _ := val.(string)
		return s
	case "Fn::GetAtt":
		if list, ok := val.([]any); ok && len(list) > 0 {
			s, _ := list[0].(string)
			return s
		}
		s, _ := val.(string)
		return strings.SplitN(s, ".", 2)[0]
	}
	return ""
}

// resolver replaces an intrinsic function; others are left as they are.
type resolver func(key string, v *Dict) (any, error)

// walk replaces intrinsic functions in v and what it holds, in place.
func walk(v any, r resolver) (any, error) {
	return walkTo(v, r, 0)
}

func walkTo(v any, r resolver, depth int) (any, error) {
	if depth > 2*maxDepth {
		return nil, badTemplate("It is nested too deeply.")
	}
	if key, _, ok := asDict(v).only(); ok {
		var err error
		if v, err = r(key, asDict(v)); err != nil {
			return nil, err
		}
	}
	var err error
	switch x := v.(type) {
	case *Dict:
		for _, k := range x.names() {
			if x.vals[k], err = walkTo(x.vals[k], r, depth+1); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range x {
			if x[i], err = walkTo(x[i], r, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// resolve puts the values of parameters in, also into v itself.
func (t *transform) resolve(v any) (any, error) {
	return walk(v, func(key string, d *Dict) (any, error) {
		switch key {
		case "Ref":
			name, ok := textOf(d.get(key))
			if ok && t.params.has(name) {
				return clone(t.params.get(name)), nil
			}
		case "Fn::Sub":
			return d, replaceIn(d, func(whole, name string) (string, error) {
				if !t.params.has(name) {
					return whole, nil
				}
				s, ok := textOf(t.params.get(name))
				if !ok {
					return "", badTemplate("Invalid Fn::Sub variable value %s. Fn::Sub expects all variables to be strings.", oldText(t.params.get(name)))
				}
				return s, nil
			})
		}
		return d, nil
	})
}

// resolved is resolve of a copy.
func (t *transform) resolved(v any) (any, error) { return t.resolve(clone(v)) }

// replaceIn replaces the references in the text of Fn::Sub.
func replaceIn(d *Dict, by func(whole, name string) (string, error)) error {
	var failed error
	change := func(text string) string {
		return subReference.ReplaceAllStringFunc(text, func(whole string) string {
			out, err := by(whole, whole[2:len(whole)-1])
			if err != nil {
				failed = err
			}
			return out
		})
	}
	switch x := d.get("Fn::Sub").(type) {
	case string:
		d.Set("Fn::Sub", change(x))
	case word:
		d.Set("Fn::Sub", word(change(string(x))))
	case []any:
		if len(x) > 0 {
			if s, ok := x[0].(string); ok {
				x[0] = change(s)
			}
		}
	}
	return failed
}

// findInMap looks up a mapping whose keys are literals.
func (t *transform) findInMap(v any) any {
	key, val, ok := asDict(v).only()
	args, isList := val.([]any)
	if !ok || key != "Fn::FindInMap" || !isList || len(args) != 3 {
		return v
	}
	at := t.template.dict("Mappings")
	var found any = v
	for i, a := range args {
		name, ok := a.(string)
		if !ok || !at.has(name) {
			return v
		}
		if found = at.get(name); i < 2 {
			if at = asDict(found); at == nil {
				return v
			}
		}
	}
	return found
}

// followIDs turns references to logical ids that the transform changed.
func (t *transform) followIDs(v any) (any, error) {
	if len(t.renamed) == 0 {
		return v, nil
	}
	return walk(v, func(key string, d *Dict) (any, error) {
		switch key {
		case "Ref":
			if to := t.renamed[d.text("Ref")]; to != "" {
				return ref(to), nil
			}
		case "Fn::Sub":
			return d, replaceIn(d, func(whole, name string) (string, error) {
				id := strings.SplitN(name, ".", 2)[0]
				if to := t.renamed[id]; to != "" {
					return strings.ReplaceAll(whole, id, to), nil
				}
				return whole, nil
			})
		case "Fn::GetAtt":
			if parts := attParts(d); len(parts) > 0 && t.renamed[parts[0]] != "" {
				d.Set(key, attList(t.renamed[parts[0]], parts[1:]))
			}
		}
		return d, nil
	})
}

// followProperties turns references like MyFunction.Version into the logical
// ids of what was generated.
func (t *transform) followProperties(v any) (any, error) {
	if len(t.refs) == 0 {
		return v, nil
	}
	return walk(v, func(key string, d *Dict) (any, error) {
		switch key {
		case "Ref":
			id, property, ok := strings.Cut(d.text("Ref"), ".")
			if to := t.refs[id][property]; ok && to != "" {
				return ref(to), nil
			}
		case "Fn::Sub":
			return d, replaceIn(d, func(whole, name string) (string, error) {
				parts := strings.Split(name, ".")
				if len(parts) < 2 || t.refs[parts[0]][parts[1]] == "" {
					return whole, nil
				}
				return strings.ReplaceAll(whole, parts[0]+"."+parts[1], t.refs[parts[0]][parts[1]]), nil
			})
		case "Fn::GetAtt":
			if parts := attParts(d); len(parts) > 1 && t.refs[parts[0]][parts[1]] != "" {
				d.Set(key, attList(t.refs[parts[0]][parts[1]], parts[2:]))
			}
		}
		return d, nil
	})
}

// attParts is the argument of Fn::GetAtt, apart at every dot.
func attParts(d *Dict) []string {
	list := d.list("Fn::GetAtt")
	if len(list) < 2 {
		return nil
	}
	var words []string
	for _, e := range list {
		s, ok := textOf(e)
		if !ok {
			return nil
		}
		words = append(words, s)
	}
	return strings.Split(strings.Join(words, "."), ".")
}

func attList(id string, rest []string) []any {
	out := []any{id}
	for _, r := range rest {
		out = append(out, r)
	}
	return out
}
