package sandbox

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// params is a decoded input with readers that never panic: what is missing or
// of another type reads as the zero value.
type params map[string]any

// has says whether the caller gave the field at all, even empty.
func (p params) has(name string) bool { _, ok := p[name]; return ok }

// str reads a string; numbers and booleans are given as their text.
func (p params) str(name string) string { return text(p[name]) }

// or reads a string, with a default for the empty one.
func (p params) or(name, def string) string {
	if v := p.str(name); v != "" {
		return v
	}
	return def
}

func (p params) bool(name string) bool {
	b, _ := strconv.ParseBool(p.str(name))
	return b
}

// int reads a number, def when it isn't there or isn't one.
func (p params) int(name string, def int) int {
	n, err := strconv.Atoi(p.str(name))
	if err != nil {
		return def
	}
	return n
}

// float reads a number, 0 when it isn't there or isn't one.
func (p params) float(name string) float64 {
	f, _ := strconv.ParseFloat(p.str(name), 64)
	return f
}

// obj reads a structure; it is never nil.
func (p params) obj(name string) params {
	if m := asParams(p[name]); m != nil {
		return m
	}
	return params{}
}

// list reads a list of structures.
func (p params) list(name string) []params {
	items, _ := p[name].([]any)
	out := make([]params, 0, len(items))
	for _, v := range items {
		if m := asParams(v); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// strs reads a list of strings.
func (p params) strs(name string) []string {
	switch items := p[name].(type) {
	case []any:
		out := make([]string, 0, len(items))
		for _, v := range items {
			out = append(out, text(v))
		}
		return out
	case []string:
		return items
	}
	return nil
}

// strMap reads a map of strings: SNS attributes, or a JSON object.
func (p params) strMap(name string) map[string]string {
	out := map[string]string{}
	for k, v := range p.obj(name) {
		out[k] = text(v)
	}
	return out
}

// tags reads a list of Key and Value structures.
func (p params) tags(name string) map[string]string {
	out := map[string]string{}
	for _, t := range p.list(name) {
		out[t.str("Key")] = t.str("Value")
	}
	return out
}

// duplicate finds a value of a member that two of a list have.
func duplicate(list []params, name string) (value string, found bool) {
	seen := map[string]bool{}
	for _, p := range list {
		if value = p.str(name); seen[value] {
			return value, true
		}
		seen[value] = true
	}
	return "", false
}

func asParams(v any) params {
	switch m := v.(type) {
	case params:
		return m
	case map[string]any:
		return m
	}
	return nil
}

func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int:
		return strconv.Itoa(x)
	case json.Number:
		return x.String()
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case fmt.Stringer:
		return x.String()
	}
	return ""
}

// maxNesting bounds how deep a form may nest; AWS's own go to about ten.
const maxNesting = 32

// decodeQuery turns a form into nested structures: "Tags.member.1.Key" of the
// query protocol and EC2's "Tag.1.Key" both become {"Tag(s)": [{"Key": ..}]},
// and "Attributes.entry.1.key" becomes a map.
func decodeQuery(form map[string][]string) params {
	root := map[string]any{}
	for name, values := range form {
		if name == "Action" || name == "Version" || len(values) == 0 {
			continue
		}
		node, parts := root, strings.SplitN(name, ".", maxNesting)
		for _, part := range parts[:len(parts)-1] {
			next, ok := node[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				node[part] = next
			}
			node = next
		}
		last := parts[len(parts)-1]
		if _, taken := node[last].(map[string]any); !taken {
			node[last] = values[0]
		}
	}
	for k, v := range root {
		root[k] = settle(v)
	}
	return root
}

// settle replaces numbered members by lists and entries by maps, bottom up.
func settle(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, child := range m {
		m[k] = settle(child)
	}
	if len(m) == 1 {
		if items, ok := m["member"]; ok {
			return asList(items)
		}
		if items, ok := m["entry"].([]any); ok {
			return asMap(items)
		}
	}
	return numbered(m)
}

func asList(v any) any {
	if _, ok := v.([]any); ok {
		return v
	}
	return []any{}
}

func asMap(items []any) any {
	out := map[string]any{}
	for _, item := range items {
		e := asParams(item)
		key, value := "key", "value"
		if e.has("Name") {
			key, value = "Name", "Value"
		}
		out[e.str(key)] = e[value]
	}
	return out
}

// numbered gives a list if all keys are numbers (gaps are closed).
func numbered(m map[string]any) any {
	at := make([]int, 0, len(m))
	for k := range m {
		n, err := strconv.Atoi(k)
		if err != nil || n < 0 || strconv.Itoa(n) != k {
			return m
		}
		at = append(at, n)
	}
	sort.Ints(at)
	list := make([]any, len(at))
	for i, n := range at {
		list[i] = m[strconv.Itoa(n)]
	}
	return list
}
