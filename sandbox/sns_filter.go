package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// checkFilter refuses what isn't a filter policy, and the operators that the
// sandbox doesn't evaluate: $or and cidr.
func checkFilter(doc, scope string) error {
	if doc == "" {
		return nil
	}
	var policy map[string]any
	if json.Unmarshal([]byte(doc), &policy) != nil {
		return fail("InvalidParameter", "Invalid parameter: FilterPolicy: failed to parse JSON.")
	}
	return checkFilterLevel(policy, scope == "MessageBody")
}

func checkFilterLevel(policy map[string]any, nested bool) error {
	invalid := func(why string) error { return fail("InvalidParameter", "Invalid parameter: FilterPolicy: %s", why) }
	for _, key := range sortedKeys(policy) {
		if key == "$or" {
			return invalid("the sandbox doesn't evaluate $or")
		}
		if inner, ok := policy[key].(map[string]any); ok && nested {
			if err := checkFilterLevel(inner, true); err != nil {
				return err
			}
			continue
		}
		rules, ok := policy[key].([]any)
		if !ok || len(rules) == 0 {
			return invalid(strconv.Quote(key) + " must be an object or an array")
		}
		for _, rule := range rules {
			m, isObject := rule.(map[string]any)
			if !isObject {
				continue
			}
			for op := range m {
				if len(m) != 1 || !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists"}, op) {
					return invalid("unrecognized match type " + op + " (the sandbox doesn't evaluate cidr)")
				}
			}
		}
	}
	return nil
}

// wants says whether a subscription's filter lets a publication through.
func (s *subscription) wants(p *publication) bool {
	var policy map[string]any
	doc := s.Attributes["FilterPolicy"]
	if doc == "" || json.Unmarshal([]byte(doc), &policy) != nil {
		return true
	}
	if s.Attributes["FilterPolicyScope"] == "MessageBody" {
		var body map[string]any
		return json.Unmarshal([]byte(p.text("sqs")), &body) == nil && filterMatches(policy, body)
	}
	values := map[string]any{}
	for name, v := range p.Attributes {
		a := asParams(v)
		value, kind := a.str("StringValue"), a.str("DataType")
		switch {
		case kind == "String.Array":
			var list []any
			if json.Unmarshal([]byte(value), &list) == nil {
				values[name] = list
			}
		case strings.HasPrefix(kind, "Number"):
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				values[name] = n
			}
		case strings.HasPrefix(kind, "String"):
			values[name] = value
		}
	}
	return filterMatches(policy, values)
}

// filterMatches: every key of the policy has a value that one of its rules takes.
func filterMatches(policy, values map[string]any) bool {
	for key, rules := range policy {
		value, there := values[key]
		if inner, ok := rules.(map[string]any); ok {
			deeper, _ := value.(map[string]any)
			if !filterMatches(inner, deeper) {
				return false
			}
			continue
		}
		some, _ := rules.([]any)
		if !slices.ContainsFunc(some, func(rule any) bool { return ruleTakes(rule, value, there) }) {
			return false
		}
	}
	return true
}

// ruleTakes applies one rule; of a list any value will do.
func ruleTakes(rule, value any, there bool) bool {
	m, operator := rule.(map[string]any)
	if want, ok := m["exists"].(bool); ok {
		return want == there
	}
	if list, ok := value.([]any); ok && there {
		return slices.ContainsFunc(list, func(v any) bool { return ruleTakes(rule, v, true) })
	}
	if !there {
		return false
	}
	if !operator {
		return rule == value
	}
	word, isText := value.(string)
	for op, arg := range m {
		wanted, _ := arg.(string)
		switch op {
		case "prefix":
			return isText && strings.HasPrefix(word, wanted)
		case "suffix":
			return isText && strings.HasSuffix(word, wanted)
		case "equals-ignore-case":
			return isText && strings.EqualFold(word, wanted)
		case "numeric":
			number, ok := value.(float64)
			conditions, _ := arg.([]any)
			return ok && inRange(number, conditions)
		case "anything-but":
			if list, ok := arg.([]any); ok {
				return !slices.Contains(list, value)
			}
			return !ruleTakes(arg, value, true)
		}
	}
	return false
}

// inRange applies comparisons in pairs: "=", 1 or ">", 0, "<=", 5.
func inRange(n float64, conditions []any) bool {
	for i := 0; i+1 < len(conditions); i += 2 {
		limit, ok := conditions[i+1].(float64)
		holds := map[any]bool{"=": n == limit, "<": n < limit, "<=": n <= limit, ">": n > limit, ">=": n >= limit}[conditions[i]]
		if !ok || !holds {
			return false
		}
	}
	return len(conditions) >= 2
}
