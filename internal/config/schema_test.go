package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"

	"axle/internal/diag"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/axle.schema.json")

const schemaFile = "../../docs/axle.schema.json"

// The schema that editors use is that of the parser's own table.
func TestSchemaIsUpToDate(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Schema()) {
		t.Error("docs/axle.schema.json is out of date: go test ./internal/config -update")
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
}

// Every key says what it is for.
func TestFormatIsDocumented(t *testing.T) {
	var walk func(f *form, path string)
	walk = func(f *form, path string) {
		for _, k := range f.keys {
			if k.form.doc == "" && k.form.is != missing {
				t.Errorf("%s has no doc", join(path, k.name))
			}
			walk(&k.form, join(path, k.name))
		}
		if f.of != nil {
			walk(f.of, path+"[]")
		}
	}
	walk(&file, "")
}

// What editors accept by the schema is what the parser accepts, as far as the
// shape goes: documents drawn from the table, with mistakes in them. Texts without
// quotes that YAML takes for numbers aren't drawn: the parser takes them as they are
// written, and the schema asks for the quotes, except where numbers are usual.
func TestSchemaIsTheParsers(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			src, err := json.Marshal(drawForm(t, &file, "axle.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			if err := json.Unmarshal(src, &doc); err != nil {
				t.Fatal(err)
			}
			var problems diag.List
			if root := read("axle.yaml", src, &problems); root != nil {
				file.check(root, "", &problems)
			}
			if why := violates(doc, schema); (why == "") != (problems.Err() == nil) {
				t.Fatalf("%s\nschema: %s\nparser: %v", src, why, problems.Err())
			}
		}
	})
}

// drawForm draws a value of a form, or now and then another one.
func drawForm(t *rapid.T, f *form, path string) any {
	if rapid.IntRange(0, 150).Draw(t, path) == 150 {
		return rapid.SampledFrom([]any{nil, "x", "", map[string]any{"other": "x"}, []any{"x", "x"}}).Draw(t, path)
	}
	if f.or != nil && rapid.Bool().Draw(t, path) {
		return drawForm(t, f.or, path)
	}
	switch f.is {
	case object:
		m := map[string]any{}
		for i := range f.keys {
			k := &f.keys[i]
			if k.form.is != missing && (k.required || rapid.IntRange(0, 3).Draw(t, k.name) == 0) {
				m[k.name] = drawForm(t, &k.form, join(path, k.name))
			}
		}
		return m
	case names:
		m := map[string]any{}
		for range rapid.IntRange(0, 2).Draw(t, path) {
			name := drawText(t, f.name, []string{"a", "Ab1", "x-y", "a_b", "1", "ä", ""}, path)
			m[name] = drawForm(t, f.of, join(path, name))
		}
		return m
	case items:
		list := []any{}
		for range rapid.IntRange(f.least, 3).Draw(t, path) {
			list = append(list, drawForm(t, f.of, path+"[]"))
		}
		return list
	case truth:
		return rapid.Bool().Draw(t, path)
	case value:
		return rapid.SampledFrom([]any{true, 7, 1.5, "", "x"}).Draw(t, path)
	case text:
		if slices.Contains(f.also, "integer") && rapid.Bool().Draw(t, path) {
			return rapid.SampledFrom([]any{11, 25, -31}).Draw(t, path)
		}
		if len(f.choices) > 0 {
			return rapid.SampledFrom(f.choices).Draw(t, path)
		}
		return drawText(t, f.match, []string{"", "x", "eu-west-1", "us-east-1", "10%", "1h30m", "a b", "aws", "file:x", "none", "postgres://h/d"}, path)
	}
	return "x"
}

// drawText draws a text that mostly matches.
func drawText(t *rapid.T, m *match, from []string, path string) string {
	if fits := slices.DeleteFunc(slices.Clone(from), func(s string) bool { return !m.matches(s) }); len(fits) > 0 && rapid.IntRange(0, 100).Draw(t, path) > 0 {
		from = fits
	}
	return rapid.SampledFrom(from).Draw(t, path)
}

// violates says where v isn't what a schema wants, of the keywords that ours has.
func violates(v any, s map[string]any) string {
	if either, ok := s["anyOf"].([]any); ok {
		why := ""
		for _, one := range either {
			if why = violates(v, one.(map[string]any)); why == "" {
				return ""
			}
		}
		return why
	}
	want, _ := s["type"].([]any)
	if one, ok := s["type"].(string); ok {
		want = []any{one}
	}
	if is := jsonTypes(v); want != nil && !slices.ContainsFunc(want, func(t any) bool { return slices.Contains(is, t.(string)) }) {
		return fmt.Sprintf("%v is %v, not %v", v, is, want)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%v is none of %v", v, enum)
	}
	switch v := v.(type) {
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return fmt.Sprintf("%q isn't %s", v, p)
		}
		if most, ok := s["maxLength"].(float64); ok && utf8.RuneCountInString(v) > int(most) {
			return fmt.Sprintf("%q is too long", v)
		}
	case float64:
		if least, ok := s["minimum"].(float64); ok && v < least {
			return fmt.Sprintf("%v is less than %v", v, least)
		}
	case []any:
		return violatesList(v, s)
	case map[string]any:
		return violatesObject(v, s)
	}
	return ""
}

func violatesList(list []any, s map[string]any) string {
	if least, ok := s["minItems"].(float64); ok && len(list) < int(least) {
		return "too few items"
	}
	for i, item := range list {
		if of, ok := s["items"].(map[string]any); ok {
			if why := violates(item, of); why != "" {
				return why
			}
		}
		if s["uniqueItems"] == true && slices.ContainsFunc(list[:i], func(o any) bool { return reflect.DeepEqual(o, item) }) {
			return fmt.Sprintf("%v twice", item)
		}
	}
	return ""
}

func violatesObject(m map[string]any, s map[string]any) string {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := m[name.(string)]; !ok {
			return fmt.Sprintf("no %s", name)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for name, v := range m {
		if of, ok := s["propertyNames"].(map[string]any); ok {
			if why := violates(name, of); why != "" {
				return why
			}
		}
		of, ok := properties[name].(map[string]any)
		if !ok {
			if s["additionalProperties"] == false {
				return "unknown key " + name
			}
			of, _ = s["additionalProperties"].(map[string]any)
		}
		if why := violates(v, of); why != "" {
			return name + ": " + why
		}
	}
	return ""
}

func jsonTypes(v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{"null"}
	case bool:
		return []string{"boolean"}
	case float64:
		if v == float64(int(v)) {
			return []string{"integer", "number"}
		}
		return []string{"number"}
	case string:
		return []string{"string"}
	case []any:
		return []string{"array"}
	}
	return []string{"object"}
}
