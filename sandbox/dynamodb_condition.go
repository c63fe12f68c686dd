package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// conditionFunctions by how many operands they take.
var conditionFunctions = map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}

// condition reads one of the request's condition expressions; nil when it has
// none.
func (x *expressions) condition(kind string) (*condition, error) {
	e, err := x.read(kind)
	if e == nil || err != nil {
		return nil, err
	}
	c, err := e.or()
	if err == nil {
		err = e.end()
	}
	return c, err
}

func (e *expression) or() (*condition, error) {
	left, err := e.and()
	for err == nil && e.word("OR") {
		var right *condition
		right, err = e.and()
		left = &condition{op: "or", sub: []*condition{left, right}}
	}
	return left, err
}

func (e *expression) and() (*condition, error) {
	left, err := e.not()
	for err == nil && e.word("AND") {
		var right *condition
		right, err = e.not()
		left = &condition{op: "and", sub: []*condition{left, right}}
	}
	return left, err
}

func (e *expression) not() (*condition, error) {
	if e.depth++; e.depth > maxClauses {
		return nil, e.fail(e.peek())
	}
	defer func() { e.depth-- }()
	if e.word("NOT") {
		c, err := e.not()
		return &condition{op: "not", sub: []*condition{c}}, err
	}
	if e.peek() == "(" {
		e.at++
		c, err := e.or()
		if err == nil {
			err = e.want(")")
		}
		return c, err
	}
	return e.predicate()
}

// predicate reads a function or a comparison.
func (e *expression) predicate() (*condition, error) {
	if n, ok := conditionFunctions[e.peek()]; ok && e.at+1 < len(e.tokens) && e.tokens[e.at+1] == "(" {
		name := e.next()
		args, err := e.arguments()
		if err == nil && (len(args) != n || args[0].path == nil) {
			err = e.fail(name)
		}
		return &condition{op: name, args: args}, err
	}
	left, err := e.operand("size")
	if err != nil {
		return nil, err
	}
	switch op := e.next(); {
	case slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, op):
		right, err := e.operand("size")
		return &condition{op: op, args: []operand{left, right}}, err
	case strings.EqualFold(op, "BETWEEN"):
		low, err := e.operand("size")
		if err == nil && !e.word("AND") {
			err = e.fail(e.peek())
		}
		if err != nil {
			return nil, err
		}
		high, err := e.operand("size")
		return &condition{op: "between", args: []operand{left, low, high}}, err
	case strings.EqualFold(op, "IN"):
		args, err := e.arguments("size")
		return &condition{op: "in", args: append([]operand{left}, args...)}, err
	default:
		return nil, e.fail(op)
	}
}

// in finds an operand's value; ok is false for an attribute that isn't there.
func (o operand) in(item dynamoItem) (v any, ok bool) {
	switch {
	case o.path != nil:
		return o.path.find(item)
	case o.call == "size":
		v, ok := o.args[0].in(item)
		if !ok {
			return nil, false
		}
		switch kind, content := typed(v); x := content.(type) {
		case string:
			n := len(x)
			if kind == "B" {
				n = len(plain(x))
			}
			return valueOf("N", strconv.Itoa(n)), kind == "S" || kind == "B"
		case []any:
			return valueOf("N", strconv.Itoa(len(x))), true
		case map[string]any:
			return valueOf("N", strconv.Itoa(len(x))), true
		}
		return nil, false
	}
	return o.value, true
}

// holds evaluates a condition on an item; nil holds always.
func (c *condition) holds(item dynamoItem) bool {
	if c == nil {
		return true
	}
	switch c.op {
	case "and":
		return c.sub[0].holds(item) && c.sub[1].holds(item)
	case "or":
		return c.sub[0].holds(item) || c.sub[1].holds(item)
	case "not":
		return !c.sub[0].holds(item)
	}
	values := make([]any, len(c.args))
	all := true
	for i, a := range c.args {
		v, ok := a.in(item)
		values[i], all = v, all && ok
	}
	_, first := c.args[0].in(item)
	switch c.op {
	case "attribute_exists":
		return first
	case "attribute_not_exists":
		return !first
	case "<>":
		return !all || !equalValues(values[0], values[1])
	case "in":
		return first && slices.ContainsFunc(values[1:], func(v any) bool { return v != nil && equalValues(values[0], v) })
	}
	return all && compares(c.op, values)
}

// among is one of some attributes that the condition looks at; "" for none.
func (c *condition) among(names []string) string {
	if c == nil {
		return ""
	}
	for _, one := range c.sub {
		if name := one.among(names); name != "" {
			return name
		}
	}
	for _, a := range c.args {
		for _, o := range append([]operand{a}, a.args...) {
			if o.path != nil && slices.Contains(names, o.path.top()) {
				return o.path.top()
			}
		}
	}
	return ""
}

// compares applies an operator to values that are all there.
func compares(op string, v []any) bool {
	switch op {
	case "=":
		return equalValues(v[0], v[1])
	case "between":
		return compares(">=", []any{v[0], v[1]}) && compares("<=", []any{v[0], v[2]})
	case "begins_with":
		k0, c0 := typed(v[0])
		k1, c1 := typed(v[1])
		if k0 == "B" && k1 == "B" {
			return strings.HasPrefix(string(plain(c0)), string(plain(c1)))
		}
		return k0 == "S" && k1 == "S" && strings.HasPrefix(text(c0), text(c1))
	case "attribute_type":
		kind, _ := typed(v[0])
		_, want := typed(v[1])
		return kind == text(want)
	case "contains":
		return holdsValue(v[0], v[1])
	}
	order, ok := compareValues(v[0], v[1])
	if !ok {
		return false
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// holdsValue: a string in a string, an element in a set or list.
func holdsValue(all, one any) bool {
	kind, content := typed(all)
	k1, c1 := typed(one)
	switch x := content.(type) {
	case string:
		return kind == "S" && k1 == "S" && strings.Contains(x, text(c1))
	case []any:
		if kind == "L" {
			return slices.ContainsFunc(x, func(e any) bool { return equalValues(e, one) })
		}
		return kind == k1+"S" && slices.ContainsFunc(x, func(e any) bool { return equalValues(valueOf(k1, e), one) })
	}
	return false
}

// paths reads a list of paths: a projection. Elements of lists aren't served.
func (x *expressions) paths(kind string) ([]docPath, error) {
	e, err := x.read(kind)
	if e == nil || err != nil {
		return nil, err
	}
	var out []docPath
	for {
		p, err := e.path()
		if err != nil {
			return nil, err
		}
		for _, step := range p {
			if _, ok := step.(int); ok {
				return nil, fail("ValidationException", "Invalid %s: the sandbox doesn't project elements of lists", kind)
			}
		}
		out = append(out, p)
		if e.peek() != "," {
			return out, e.end()
		}
		e.at++
	}
}

// project keeps what paths name of an item; all of it without paths.
func project(item dynamoItem, paths []docPath) dynamoItem {
	if paths == nil {
		return item
	}
	out := dynamoItem{}
	for _, p := range paths {
		v, ok := p.find(item)
		if !ok {
			continue
		}
		into := out
		for _, step := range p[:len(p)-1] {
			name := step.(string)
			held, _ := typed(into[name])
			if held != "M" {
				into[name] = valueOf("M", map[string]any{})
			}
			_, content := typed(into[name])
			into = asParams(content)
		}
		into[p[len(p)-1].(string)] = v
	}
	return out
}
