package config

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Schema returns the JSON Schema (2020-12) of axle.yaml, for editors. It is kept
// in docs/axle.schema.json.
func Schema() []byte {
	s := file.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "axle.yaml"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil { // maps, strings and numbers only
		return nil
	}
	return b.Bytes()
}

func (f *form) schema() map[string]any {
	s := map[string]any{}
	if f.doc != "" {
		s["description"] = f.doc
	}
	if f.deflt != "" {
		s["default"] = f.deflt
	}
	switch f.is {
	case object:
		s["additionalProperties"] = false
		properties, required := map[string]any{}, []string{}
		for _, k := range f.keys {
			if k.form.is == missing {
				continue
			}
			properties[k.name] = k.form.schema()
			if k.required {
				required = append(required, k.name)
			}
		}
		s["properties"] = properties
		s["type"] = types("object", "null")
		if len(required) > 0 {
			s["type"], s["required"] = "object", required
		}
	case names:
		s["type"] = types("object", "null")
		s["additionalProperties"] = f.of.schema()
		if f.name != nil {
			s["propertyNames"] = f.name.schema(map[string]any{})
		}
	case items:
		s["type"] = types("array", "null")
		s["items"] = f.of.schema()
		if !f.twice && f.of.is != object {
			s["uniqueItems"] = true
		}
		if f.least > 0 {
			s["type"], s["minItems"] = "array", f.least
		}
	case truth:
		s["type"] = "boolean"
		if f.deflt != "" {
			s["default"] = f.deflt == "true"
		}
	case value:
		s["type"] = []string{"string", "number", "boolean"}
	case text:
		s["type"] = types("string", f.also...)
		if len(f.choices) > 0 {
			s["enum"] = f.choices
		}
		if f.match != nil {
			f.match.schema(s)
		}
		if slices.Contains(f.also, "integer") && !f.match.matches("-1") {
			s["minimum"] = 0 // patterns are for strings only
		}
	}
	if f.or == nil {
		return s
	}
	delete(s, "description")
	other := f.or.schema()
	if kinds, ok := other["type"].([]string); ok { // nothing is never the other form
		other["type"] = slices.DeleteFunc(kinds, func(kind string) bool { return kind == "null" })
	}
	return map[string]any{"description": f.doc, "anyOf": []any{s, other}}
}

func (m *match) schema(s map[string]any) map[string]any {
	s["pattern"] = m.pattern.String()
	if m.max > 0 {
		s["maxLength"] = m.max
	}
	return s
}

func types(first string, more ...string) any {
	if len(more) == 0 {
		return first
	}
	return append([]string{first}, more...)
}
