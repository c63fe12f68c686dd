package policy

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// comparison is what an operator compares as; Not forms share it.
type comparison uint8

const (
	stringEquals comparison = iota
	stringEqualsFold
	stringLike
	numeric
	date
	boolean
	binary
	ipAddress
	arnLike
	null
)

// order is which results of a comparison of numbers or dates hold.
type order uint8

const (
	equal order = 1 << iota
	less
	greater
)

// operator is one of the 27 condition operators.
type operator struct {
	name    string
	compare comparison
	order   order
	negated bool
}

var operators = []operator{
	{"StringEquals", stringEquals, 0, false},
	{"StringNotEquals", stringEquals, 0, true},
	{"StringEqualsIgnoreCase", stringEqualsFold, 0, false},
	{"StringNotEqualsIgnoreCase", stringEqualsFold, 0, true},
	{"StringLike", stringLike, 0, false},
	{"StringNotLike", stringLike, 0, true},
	{"NumericEquals", numeric, equal, false},
	{"NumericNotEquals", numeric, equal, true},
	{"NumericLessThan", numeric, less, false},
	{"NumericLessThanEquals", numeric, less | equal, false},
	{"NumericGreaterThan", numeric, greater, false},
	{"NumericGreaterThanEquals", numeric, greater | equal, false},
	{"DateEquals", date, equal, false},
	{"DateNotEquals", date, equal, true},
	{"DateLessThan", date, less, false},
	{"DateLessThanEquals", date, less | equal, false},
	{"DateGreaterThan", date, greater, false},
	{"DateGreaterThanEquals", date, greater | equal, false},
	{"Bool", boolean, 0, false},
	{"BinaryEquals", binary, 0, false},
	{"IpAddress", ipAddress, 0, false},
	{"NotIpAddress", ipAddress, 0, true},
	{"ArnEquals", arnLike, 0, false},
	{"ArnLike", arnLike, 0, false},
	{"ArnNotEquals", arnLike, 0, true},
	{"ArnNotLike", arnLike, 0, true},
	{"Null", null, 0, false},
}

// quantifier says how the values of a multivalued key count.
type quantifier uint8

const (
	unquantified quantifier = iota
	forAllValues
	forAnyValue
)

// condition is one operator with one key and its values.
type condition struct {
	operator
	quantifier quantifier
	ifExists   bool
	key        string // in lower case
	values     []operand
}

// operand is a policy's value, made ready for its comparison.
type operand struct {
	text     glob
	arn      arnGlob
	number   number
	time     time.Time
	flag     bool
	prefix   netip.Prefix
	template template // when it has variables
}

func compileCondition(name, key string, values []string, variables bool) (condition, error) {
	c := condition{key: lower(strings.TrimSpace(key))}
	if c.key == "" {
		return c, fmt.Errorf("a condition needs a key")
	}
	base, found := name, false
	if prefix, rest, ok := strings.Cut(name, ":"); ok {
		switch {
		case strings.EqualFold(prefix, "ForAllValues"):
			c.quantifier, base = forAllValues, rest
		case strings.EqualFold(prefix, "ForAnyValue"):
			c.quantifier, base = forAnyValue, rest
		default:
			return c, fmt.Errorf("unknown condition operator %q%s", abridge(name), suggest(prefix, []string{"ForAllValues", "ForAnyValue"}))
		}
	}
	if n := len(base) - len("IfExists"); n > 0 && strings.EqualFold(base[n:], "IfExists") {
		c.ifExists, base = true, base[:n]
	}
	for _, o := range operators {
		// IAM saves operators in any case, so that live policies have them.
		if strings.EqualFold(o.name, base) {
			c.operator, found = o, true
			break
		}
	}
	if !found {
		return c, fmt.Errorf("unknown condition operator %q%s", abridge(name), suggest(base, operatorNames()))
	}
	if c.compare == null && c.ifExists {
		return c, fmt.Errorf("IfExists can't be added to Null")
	}
	for _, v := range values {
		o, err := c.compileOperand(v, variables)
		if err != nil {
			return c, fmt.Errorf("%s: %w", name, err)
		}
		c.values = append(c.values, o)
	}
	return c, nil
}

func operatorNames() []string {
	names := make([]string, len(operators))
	for i, o := range operators {
		names[i] = o.name
	}
	return names
}

func (c *condition) compileOperand(raw string, variables bool) (operand, error) {
	switch c.compare {
	case stringEquals, stringEqualsFold, stringLike, arnLike, boolean:
		wild := c.compare == stringLike || c.compare == arnLike
		g, t, err := compileVariables(raw, wild, variables)
		if err != nil || t != nil {
			return operand{template: t}, err
		}
		return c.operandOf(g)
	}
	return c.operandOf(glob(raw))
}

// operandOf makes the text of a value, in which variables have been replaced,
// ready for its comparison.
func (c *condition) operandOf(g glob) (o operand, err error) {
	o.text = g
	switch c.compare {
	case arnLike:
		o.arn = compileARN(g)
	case numeric:
		o.number, err = parseNumber(string(g))
	case date:
		o.time, err = parseTime(string(g))
	case boolean, null:
		o.flag, err = parseBool(string(g))
	case binary:
		var b []byte
		b, err = base64.StdEncoding.DecodeString(string(g))
		o.text = glob(b)
	case ipAddress:
		o.prefix, err = parsePrefix(string(g))
	}
	return o, err
}

// holds evaluates the condition. A missing key makes it false; true when it is
// negated, has IfExists, or is about all values.
func (c *condition) holds(e *evaluation) truth {
	values, known := e.lookup(c.key)
	if known == maybe {
		return maybe
	}
	if c.compare == null {
		return c.anyOperand(e, func(o *operand) bool { return o.flag == (len(values) == 0) })
	}
	// "A null data set, such as an empty string" is as good as none to the
	// quantifiers (IAM User Guide, multivalued context keys).
	if len(values) == 0 || (c.quantifier != unquantified && len(values) == 1 && values[0] == "") {
		switch {
		case c.quantifier == forAllValues:
			return yes
		case c.quantifier == forAnyValue:
			// With IfExists and the key missing, AWS's two sentences
			// contradict each other; an empty list is a key that is present.
			return truthOf(c.ifExists && known == no && !e.second(anyIfExists))
		}
		return truthOf(c.ifExists || c.negated)
	}
	if c.quantifier == forAllValues {
		t := yes
		for _, v := range values {
			t = min(t, c.matches(e, v))
		}
		return t
	}
	if c.quantifier == forAnyValue {
		t := no
		for _, v := range values {
			t = max(t, c.matches(e, v))
		}
		return t
	}
	// Without a quantifier a key should have one value; with more, any of them
	// may match, and for a negated operator none.
	t := no
	for _, v := range values {
		m := c.matches(e, v)
		if c.negated {
			m = m.not()
		}
		t = max(t, m)
	}
	if c.negated {
		return t.not()
	}
	return t
}

// matches compares one value of the request with those of the policy, of which
// any may match; a negated operator holds when none does.
func (c *condition) matches(e *evaluation, v string) truth {
	t := c.anyMatch(e, v)
	if c.negated {
		return t.not()
	}
	return t
}

func (c *condition) anyMatch(e *evaluation, v string) truth {
	switch c.compare {
	case stringEquals:
		return c.anyOperand(e, func(o *operand) bool { return string(o.text) == v })
	case stringEqualsFold:
		return c.anyOperand(e, func(o *operand) bool { return strings.EqualFold(string(o.text), v) })
	case stringLike:
		return c.anyOperand(e, func(o *operand) bool { return o.text.match(v) })
	case arnLike:
		a := splitARN(v)
		return c.anyOperand(e, func(o *operand) bool { return o.arn.match(&a) })
	case numeric:
		n, err := parseNumber(v)
		return c.anyOperand(e, func(o *operand) bool { return err == nil && c.order&n.compare(&o.number) != 0 })
	case date:
		t, err := parseTime(v)
		return c.anyOperand(e, func(o *operand) bool { return err == nil && c.order&orderOf(t.Compare(o.time)) != 0 })
	case boolean:
		b, err := parseBool(v)
		return c.anyOperand(e, func(o *operand) bool { return err == nil && b == o.flag })
	case binary:
		b, err := base64.StdEncoding.DecodeString(v)
		return c.anyOperand(e, func(o *operand) bool { return err == nil && string(b) == string(o.text) })
	case ipAddress:
		a, err := netip.ParseAddr(v)
		return c.anyOperand(e, func(o *operand) bool { return err == nil && o.prefix.Contains(a.Unmap()) })
	}
	return no
}

// anyOperand tests the policy's values until one matches. One with a variable
// that has no value matches nothing.
func (c *condition) anyOperand(e *evaluation, match func(*operand) bool) truth {
	t := no
	for i := range c.values {
		o := &c.values[i]
		if o.template != nil {
			g, found := o.template.expand(e)
			if found != yes {
				t = max(t, found)
				continue
			}
			expanded, err := c.operandOf(g)
			if err != nil {
				continue
			}
			o = &expanded
		}
		if match(o) {
			return yes
		}
	}
	return t
}
