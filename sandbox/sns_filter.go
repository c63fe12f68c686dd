package sandbox

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// What SNS takes of a filter policy.
const (
	maxFilterKeys   = 5
	maxFilterValues = 150 // combined, one of each key
)

// readFilter compiles a filter policy, which is written as EventBridge's event
// patterns are; nil is that of everything.
func readFilter(doc, scope string) (*eventPattern, error) {
	if doc == "" {
		return nil, nil
	}
	invalid := func(why string) error { return fail("InvalidParameter", "Invalid parameter: FilterPolicy: %s", why) }
	var fields map[string]any
	if json.Unmarshal([]byte(doc), &fields) != nil {
		return nil, invalid("failed to parse JSON.")
	}
	if fields != nil && len(fields) == 0 { // takes a policy away
		return nil, nil
	}
	p, err := parsePattern(plainNumbers(fields))
	var e *apiError
	if errors.As(err, &e) {
		_, why, _ := strings.Cut(e.Message, "Reason: ")
		return nil, invalid(why)
	}
	keys, values, nested := p.extent()
	switch {
	case nested && scope != "MessageBody":
		return nil, invalid("Filter policy scope MessageAttributes does not support nested filter policy")
	case keys > maxFilterKeys:
		return nil, invalid("Filter policy can not have more than 5 keys")
	case values > maxFilterValues:
		return nil, invalid("Filter policy is too complex")
	}
	return p, nil
}

// extent counts a pattern's keys and the combinations of their values, and says
// whether some are below others.
func (p *eventPattern) extent() (keys, values int, nested bool) {
	values = 1
	for _, tests := range p.tests {
		keys, values = keys+1, min(values*len(tests), maxFilterValues+1)
	}
	for _, inner := range p.inner {
		k, v, _ := inner.extent()
		keys, values, nested = keys+k, min(values*v, maxFilterValues+1), true
	}
	for _, or := range p.or {
		sum := 0
		for _, one := range or {
			k, v, below := one.extent()
			keys, sum, nested = keys+k, sum+v, nested || below
		}
		values = min(values*sum, maxFilterValues+1)
	}
	return keys, values, nested
}

// plainNumbers is a document with every number in one form: SNS compares them
// by value, event patterns as they are written.
func plainNumbers(doc map[string]any) string {
	b, err := json.Marshal(doc)
	if err != nil {
		return ""
	}
	return string(b)
}

// wants says whether a subscription's filter lets a publication through.
func (s *subscription) wants(p *publication) bool {
	scope := s.Attributes["FilterPolicyScope"]
	filter, err := readFilter(s.Attributes["FilterPolicy"], scope)
	if filter == nil || err != nil {
		return err == nil
	}
	values := map[string]any{}
	if scope == "MessageBody" {
		if json.Unmarshal([]byte(p.text("sqs")), &values) != nil {
			return false
		}
	} else {
		values = p.filterable()
	}
	doc, err := decodeEvent([]byte(plainNumbers(values)))
	return err == nil && filter.matches(doc)
}

// filterable are the attributes that filters look at.
func (p *publication) filterable() map[string]any {
	values := map[string]any{}
	for name, v := range p.Attributes {
		a := asParams(v)
		value, kind := a.str("StringValue"), a.str("DataType")
		var list []any
		switch {
		case kind == "String.Array" && json.Unmarshal([]byte(value), &list) == nil:
			values[name] = list
		case strings.HasPrefix(kind, "Number"):
			if n, err := strconv.ParseFloat(value, 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
				values[name] = n
			}
		case strings.HasPrefix(kind, "String"):
			values[name] = value
		}
	}
	return values
}
