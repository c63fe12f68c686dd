package sandbox

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// update is one action of an update expression.
type update struct {
	verb   string // SET, REMOVE, ADD or DELETE
	path   docPath
	value  operand
	plus   *operand // of SET a = b + c
	negate bool     // of SET a = b - c
}

// updates reads the request's UpdateExpression.
func (x *expressions) updates() ([]update, error) {
	e, err := x.read("UpdateExpression")
	if e == nil || err != nil {
		return nil, err
	}
	var out []update
	seen := map[string]bool{}
	for e.peek() != "" {
		verb := strings.ToUpper(e.next())
		if !slices.Contains([]string{"SET", "REMOVE", "ADD", "DELETE"}, verb) {
			return nil, e.fail(verb)
		}
		if seen[verb] {
			return nil, fail("ValidationException", "Invalid UpdateExpression: The %q section can only be used once in an update expression;", verb)
		}
		seen[verb] = true
		for {
			u, err := e.action(verb)
			if err != nil {
				return nil, err
			}
			for _, other := range out {
				if overlap(other.path, u.path) {
					return nil, fail("ValidationException", "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [%s], path two: [%s]", other.path.top(), u.path.top())
				}
			}
			out = append(out, u)
			if e.peek() != "," {
				break
			}
			e.at++
		}
	}
	return out, nil
}

// action reads one action of a section.
func (e *expression) action(verb string) (update, error) {
	p, err := e.path()
	u := update{verb: verb, path: p}
	if err != nil || verb == "REMOVE" {
		return u, err
	}
	if verb != "SET" {
		u.value, err = e.operand()
		if err == nil && u.value.value == nil {
			err = fail("ValidationException", "Invalid UpdateExpression: %s needs a value", verb)
		}
		return u, err
	}
	if err := e.want("="); err != nil {
		return u, err
	}
	if u.value, err = e.operand("if_not_exists", "list_append"); err != nil {
		return u, err
	}
	if t := e.peek(); t == "+" || t == "-" {
		e.at++
		second, err := e.operand("if_not_exists", "list_append")
		u.plus, u.negate = &second, t == "-"
		return u, err
	}
	return u, nil
}

// overlap: one path leads to or through the other.
func overlap(a, b docPath) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// apply gives the item as the updates make it; all values are those from before.
func applyUpdates(item dynamoItem, updates []update) (dynamoItem, error) {
	out := dynamoItem{}
	raw, err := json.Marshal(item)
	if err == nil {
		err = json.Unmarshal(raw, &out) // a deep copy, so that what fails changes nothing
	}
	if err != nil {
		return nil, err
	}
	// Elements of lists are counted as they were: those that are set or added go
	// in their order, and those that are removed after them, from the end.
	ordered := slices.Clone(updates)
	turn := func(u update) (int, int) {
		switch i, element := u.path[len(u.path)-1].(int); {
		case !element:
			return 0, 0
		case u.verb == "REMOVE":
			return 2, -i
		default:
			return 1, i
		}
	}
	slices.SortStableFunc(ordered, func(a, b update) int {
		one, i := turn(a)
		two, j := turn(b)
		return cmp.Or(one-two, i-j)
	})
	for _, u := range ordered {
		if err := u.apply(item, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u update) apply(was, out dynamoItem) error {
	switch u.verb {
	case "REMOVE":
		return u.path.set(out, nil)
	case "SET":
		v, err := u.value.evaluate(was)
		if err == nil && u.plus != nil {
			var second any
			if second, err = u.plus.evaluate(was); err == nil {
				v, err = addNumbers(v, second, u.negate)
			}
		}
		if err != nil {
			return err
		}
		return u.path.set(out, v)
	}
	old, there := u.path.find(was)
	kind, content := typed(u.value.value)
	set, isSet := content.([]any)
	isSet = isSet && len(kind) == 2
	if !isSet && (kind != "N" || u.verb == "DELETE") {
		return fail("ValidationException", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: %s, operand type: %s", u.verb, kind)
	}
	if !there {
		if u.verb == "DELETE" {
			return nil
		}
		return u.path.set(out, u.value.value)
	}
	held, have := typed(old)
	if held != kind {
		return fail("ValidationException", "An operand in the update expression has an incorrect data type")
	}
	if kind == "N" {
		v, err := addNumbers(old, u.value.value, false)
		if err != nil {
			return err
		}
		return u.path.set(out, v)
	}
	list := slices.Clone(have.([]any))
	for _, e := range set {
		at := slices.Index(list, e)
		switch {
		case u.verb == "ADD" && at < 0:
			list = append(list, e)
		case u.verb == "DELETE" && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	if len(list) == 0 { // no set is empty
		return u.path.set(out, nil)
	}
	return u.path.set(out, valueOf(kind, list))
}

// evaluate is the value of an operand of SET.
func (o operand) evaluate(item dynamoItem) (any, error) {
	switch o.call {
	case "if_not_exists":
		if v, ok := o.args[0].in(item); ok {
			return v, nil
		}
		return o.args[1].evaluate(item)
	case "list_append":
		var all []any
		for _, a := range o.args {
			v, err := a.evaluate(item)
			if err != nil {
				return nil, err
			}
			kind, content := typed(v)
			list, _ := content.([]any)
			if kind != "L" {
				return nil, fail("ValidationException", "An operand in the update expression has an incorrect data type")
			}
			all = append(all, list...)
		}
		return valueOf("L", all), nil
	}
	v, ok := o.in(item)
	if !ok {
		return nil, fail("ValidationException", "The provided expression refers to an attribute that does not exist in the item")
	}
	return v, nil
}

func addNumbers(a, b any, negate bool) (any, error) {
	ka, va := typed(a)
	kb, vb := typed(b)
	if ka != "N" || kb != "N" {
		return nil, fail("ValidationException", "An operand in the update expression has an incorrect data type")
	}
	x, y := number(text(va)), number(text(vb))
	if negate {
		y = new(big.Rat).Neg(y)
	}
	shortest := numberText(new(big.Rat).Add(x, y))
	return valueOf("N", shortest), checkNumber(shortest)
}

// set puts a value where the path leads, or takes it away (nil).
func (p docPath) set(item dynamoItem, v any) error {
	bad := fail("ValidationException", "The document path provided in the update expression is invalid for update")
	into := map[string]any(item)
	for i, step := range p[:len(p)-1] {
		name, ok := step.(string)
		if !ok {
			return fail("ValidationException", "Invalid UpdateExpression: the sandbox doesn't change what is inside of lists")
		}
		kind, content := typed(into[name])
		if _, listed := p[i+1].(int); listed && kind == "L" {
			return setElement(into, name, content.([]any), p[i+1:], v)
		}
		if kind != "M" {
			return bad
		}
		into = asParams(content)
	}
	name, ok := p[len(p)-1].(string)
	switch {
	case !ok:
		return bad
	case v == nil:
		delete(into, name)
	default:
		into[name] = v
	}
	return nil
}

// setElement changes one element of a list, which must be where the path ends.
func setElement(into map[string]any, name string, list []any, rest docPath, v any) error {
	if len(rest) > 1 {
		return fail("ValidationException", "Invalid UpdateExpression: the sandbox doesn't change what is inside of lists")
	}
	i := rest[0].(int)
	switch {
	case v == nil && i < len(list):
		list = slices.Delete(list, i, i+1)
	case v == nil:
	case i < len(list):
		list[i] = v
	default:
		list = append(list, v)
	}
	into[name] = valueOf("L", list)
	return nil
}
