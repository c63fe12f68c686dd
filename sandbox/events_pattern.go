package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// eventPattern is a compiled event pattern: all tests and inner patterns must
// hold, and one pattern of each $or.
type eventPattern struct {
	tests map[string][]valueTest
	inner map[string]*eventPattern
	or    [][]*eventPattern
}

// valueTest holds one value of a field against a pattern. An absent test is of
// fields that aren't there.
type valueTest struct {
	absent bool
	holds  func(v any) bool
}

// badPattern is how EventBridge refuses a pattern.
func badPattern(format string, args ...any) error {
	return fail("InvalidEventPatternException", "Event pattern is not valid. Reason: "+format, args...)
}

// parsePattern compiles an event pattern.
func parsePattern(doc string) (*eventPattern, error) {
	if !json.Valid([]byte(doc)) {
		return nil, badPattern("Invalid JSON")
	}
	fields, err := decodeEvent([]byte(doc))
	if err != nil {
		return nil, badPattern("Filter is not an object")
	}
	return compilePattern(fields)
}

func compilePattern(fields map[string]any) (*eventPattern, error) {
	if len(fields) == 0 {
		return nil, badPattern("Empty objects are not allowed")
	}
	p := &eventPattern{tests: map[string][]valueTest{}, inner: map[string]*eventPattern{}}
	for _, name := range sortedKeys(fields) {
		switch v := fields[name].(type) {
		case map[string]any:
			inner, err := compilePattern(v)
			if err != nil {
				return nil, err
			}
			p.inner[name] = inner
		case []any:
			if err := p.take(name, v); err != nil {
				return nil, err
			}
		default:
			return nil, badPattern("%q must be an object or an array", name)
		}
	}
	return p, nil
}

// take compiles the list of a field, or the alternatives of $or.
func (p *eventPattern) take(name string, list []any) error {
	if len(list) == 0 {
		return badPattern("Empty arrays are not allowed")
	}
	if patterns, ok := alternatives(name, list); ok {
		var or []*eventPattern
		for _, fields := range patterns {
			one, err := compilePattern(fields)
			if err != nil {
				return err
			}
			or = append(or, one)
		}
		p.or = append(p.or, or)
		return nil
	}
	for _, v := range list {
		test, err := compileTest(v)
		if err != nil {
			return err
		}
		p.tests[name] = append(p.tests[name], test)
	}
	return nil
}

// alternatives are the patterns of an $or: two objects at least. Anything else
// is a field of that name.
func alternatives(name string, list []any) ([]map[string]any, bool) {
	if name != "$or" || len(list) < 2 {
		return nil, false
	}
	var out []map[string]any
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		out = append(out, m)
	}
	return out, true
}

func compileTest(v any) (valueTest, error) {
	m, ok := v.(map[string]any)
	if !ok {
		if _, list := v.([]any); list {
			return valueTest{}, badPattern("Match value must be String, number, true, false, or null")
		}
		return valueTest{holds: func(got any) bool { return got == v }}, nil
	}
	if len(m) != 1 {
		return valueTest{}, badPattern("Only one key allowed in match expression")
	}
	op := sortedKeys(m)[0]
	arg := m[op]
	switch op {
	case "exists":
		there, ok := arg.(bool)
		if !ok {
			return valueTest{}, badPattern("exists match pattern must be either true or false")
		}
		return valueTest{absent: !there, holds: func(any) bool { return there }}, nil
	case "anything-but":
		holds, err := compileAnythingBut(arg)
		return valueTest{holds: holds}, err
	case "numeric":
		holds, err := compileNumeric(arg)
		return valueTest{holds: holds}, err
	}
	holds, err := compileTextTest(op, arg)
	if err != nil {
		return valueTest{}, err
	}
	return valueTest{holds: ofText(holds)}, nil
}

// ofText makes a test of texts one of values: other values never pass.
func ofText(holds func(string) bool) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && holds(s)
	}
}

// compileTextTest compiles the operators that texts are held against.
func compileTextTest(op string, arg any) (func(string) bool, error) {
	switch op {
	case "prefix", "suffix", "equals-ignore-case", "wildcard", "cidr":
	default:
		return nil, badPattern("Unrecognized match type %s", op)
	}
	fold := false
	if m, ok := arg.(map[string]any); ok && len(m) == 1 && (op == "prefix" || op == "suffix") {
		if inner, there := m["equals-ignore-case"]; there {
			arg, fold = inner, true
		}
	}
	want, ok := arg.(string)
	if !ok {
		return nil, badPattern("%s match pattern must be a string", op)
	}
	plain := func(s string) string { return s }
	if fold {
		plain, want = strings.ToLower, strings.ToLower(want)
	}
	switch op {
	case "prefix":
		return func(s string) bool { return strings.HasPrefix(plain(s), want) }, nil
	case "suffix":
		return func(s string) bool { return strings.HasSuffix(plain(s), want) }, nil
	case "equals-ignore-case":
		return func(s string) bool { return strings.EqualFold(s, want) }, nil
	case "wildcard":
		return compileWildcard(want)
	}
	network, err := netip.ParsePrefix(want)
	if err != nil {
		return nil, badPattern("Malformed CIDR %s", want)
	}
	return func(s string) bool {
		ip, err := netip.ParseAddr(s)
		return err == nil && network.Contains(ip)
	}, nil
}

// compileWildcard compiles a pattern in which * is any text and a backslash
// takes the meaning of what follows away.
func compileWildcard(want string) (func(string) bool, error) {
	parts := []string{""}
	for i := 0; i < len(want); i++ {
		last := len(parts) - 1
		switch ch := want[i]; {
		case ch == '\\':
			if i++; i == len(want) || want[i] != '*' && want[i] != '\\' {
				return nil, badPattern("Invalid escape character at pos %d", i-1)
			}
			parts[last] += want[i : i+1]
		case ch == '*' && last > 0 && parts[last] == "":
			return nil, badPattern("Consecutive wildcard characters at pos %d", i-1)
		case ch == '*':
			parts = append(parts, "")
		default:
			parts[last] += want[i : i+1]
		}
	}
	return func(s string) bool {
		first, last := parts[0], parts[len(parts)-1]
		if len(parts) == 1 {
			return s == first
		}
		if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
			return false
		}
		s = s[len(first) : len(s)-len(last)]
		for _, part := range parts[1 : len(parts)-1] {
			i := strings.Index(s, part)
			if i < 0 {
				return false
			}
			s = s[i+len(part):]
		}
		return true
	}, nil
}

// compileNumeric compiles ["=", 1], [">", 0, "<=", 5] and the like.
func compileNumeric(arg any) (func(any) bool, error) {
	list, ok := arg.([]any)
	if !ok || len(list) < 2 {
		return nil, badPattern("Value of numeric must be an array.")
	}
	if len(list) > 4 {
		return nil, badPattern("Too many elements in numeric expression")
	}
	var ops []string
	var bounds []float64
	for len(list) > 0 {
		op, ok := list[0].(string)
		if !ok || !strings.Contains(" = < <= > >= ", " "+op+" ") || len(ops) == 1 && (ops[0] == "=" || op == "=" || ops[0][0] == op[0] || ops[0][0] == '<') {
			return nil, badPattern("Bad numeric range operator: %v", list[0])
		}
		if len(list) < 2 {
			return nil, badPattern("Value of %s must be numeric", op)
		}
		bound, ok := asNumber(list[1])
		if !ok {
			return nil, badPattern("Value of %s must be numeric", op)
		}
		ops, bounds, list = append(ops, op), append(bounds, bound), list[2:]
	}
	if len(bounds) == 2 && bounds[0] >= bounds[1] {
		return nil, badPattern("Bottom must be less than top")
	}
	return func(v any) bool {
		n, ok := asNumber(v)
		for i := 0; ok && i < len(ops); i++ {
			switch ops[i] {
			case "=":
				ok = n == bounds[i]
			case "<":
				ok = n < bounds[i]
			case "<=":
				ok = n <= bounds[i]
			case ">":
				ok = n > bounds[i]
			case ">=":
				ok = n >= bounds[i]
			}
		}
		return ok
	}, nil
}

func asNumber(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil
}

// compileAnythingBut compiles what a value must not be: scalars, or one of the
// operators of texts over one text or several.
func compileAnythingBut(arg any) (func(any) bool, error) {
	bad := badPattern("Value of anything-but must be an array or single string/number value.")
	if m, ok := arg.(map[string]any); ok {
		if len(m) != 1 {
			return nil, bad
		}
		op := sortedKeys(m)[0]
		var tests []func(string) bool
		for _, one := range listed(m[op]) {
			if op == "cidr" {
				return nil, badPattern("Unsupported anything-but pattern: %s", op)
			}
			test, err := compileTextTest(op, one)
			if err != nil {
				return nil, err
			}
			if one == "" {
				return nil, badPattern("Null prefix/suffix not allowed")
			}
			tests = append(tests, test)
		}
		if len(tests) == 0 {
			return nil, bad
		}
		return ofText(func(s string) bool {
			for _, test := range tests {
				if test(s) {
					return false
				}
			}
			return true
		}), nil
	}
	list := listed(arg)
	if len(list) == 0 {
		return nil, bad
	}
	for _, v := range list {
		switch v.(type) {
		case string, json.Number:
		default:
			return nil, badPattern("Inside anything but list, start|null|boolean is not supported.")
		}
	}
	return func(v any) bool {
		for _, not := range list {
			if v == not {
				return false
			}
		}
		return true
	}, nil
}

// listed is a list, or one value as a list of it.
func listed(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// decodeEvent reads an event, or any JSON object, for matches.
func decodeEvent(doc []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	if _, err := d.Token(); out == nil || err != io.EOF {
		return nil, errors.New("not a JSON object")
	}
	return out, nil
}

// matches says whether an event, whose numbers are json.Number, is what the
// pattern wants.
func (p *eventPattern) matches(event map[string]any) bool {
	for name, tests := range p.tests {
		if !passes(tests, event[name], event, name) {
			return false
		}
	}
	for name, inner := range p.inner {
		if !inner.within(event[name]) {
			return false
		}
	}
	for _, or := range p.or {
		if !anyMatches(or, event) {
			return false
		}
	}
	return true
}

func anyMatches(patterns []*eventPattern, event map[string]any) bool {
	for _, p := range patterns {
		if p.matches(event) {
			return true
		}
	}
	return false
}

// within matches what is below a field: of a list, one and the same element
// has to have it all.
func (p *eventPattern) within(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return p.matches(v)
	case []any:
		objects := false
		for _, e := range v {
			m, ok := e.(map[string]any)
			if ok && p.matches(m) {
				return true
			}
			objects = objects || ok
		}
		if objects {
			return false
		}
	}
	return p.matches(nil) // nothing is there, which is what absent tests want
}

// passes says whether a field has a value that one of the tests wants. Objects
// aren't values: what has one is absent.
func passes(tests []valueTest, v any, event map[string]any, name string) bool {
	values := []any{v}
	if list, ok := v.([]any); ok {
		values = list
	}
	there := false
	if _, given := event[name]; given {
		for _, v := range values {
			if _, object := v.(map[string]any); object {
				continue
			}
			there = true
			for _, t := range tests {
				if !t.absent && t.holds(v) {
					return true
				}
			}
		}
	}
	for _, t := range tests {
		if t.absent && !there {
			return true
		}
	}
	return false
}
