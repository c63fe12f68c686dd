package sam

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// templates are those that are compared with AWS's translator, as JSON.
func templates(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("../../test/sam/testdata/*.yaml")
	more, merr := filepath.Glob("../../test/sam/testdata/refused/*.yaml")
	if err != nil || merr != nil || len(files) == 0 {
		t.Fatal(files, err, merr)
	}
	var out [][]byte
	for _, f := range append(files, more...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(f, err)
		}
		raw, err := json.Marshal(spelledOut(doc.Content[0]))
		if err != nil {
			t.Fatal(f, err)
		}
		out = append(out, raw)
	}
	return out
}

// spelledOut reads YAML with the short forms of functions.
func spelledOut(n *yaml.Node) any {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = spelledOut(n.Content[i+1])
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, spelledOut(c))
		}
		v = list
	default:
		v = n.Value
		if n.Style == 0 && (n.Tag == "!!int" || n.Tag == "!!bool" || n.Tag == "!!null") {
			_ = n.Decode(&v)
		}
	}
	switch name, own := strings.CutPrefix(n.Tag, "!"); {
	case !own || strings.HasPrefix(name, "!"):
		return v
	case name == "Ref" || name == "Condition":
		return map[string]any{name: v}
	case name == "GetAtt":
		if s, ok := v.(string); ok {
			id, attribute, _ := strings.Cut(s, ".")
			v = []any{id, attribute}
		}
		fallthrough
	default:
		return map[string]any{"Fn::" + name: v}
	}
}

func run(text []byte) (any, error) {
	v, err := ReadJSON(text)
	d, ok := v.(*Dict)
	if err != nil || !ok {
		return nil, errors.New("no map")
	}
	out, err := Transform(d, Options{Region: "eu-west-1", Parameters: map[string]any{"Given": "value", "List": []any{"a", "b"}}})
	if err != nil {
		return nil, err
	}
	return Plain(out), nil
}

// FuzzTransform: no template breaks the transform, and it refuses in its words.
func FuzzTransform(f *testing.F) {
	for _, raw := range templates(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 50_000 {
			return
		}
		out, err := run(text)
		var refused *Error
		if err != nil {
			if errors.As(err, &refused) && len(refused.Causes) == 0 {
				t.Error("refused for nothing")
			}
			return
		}
		if _, err := json.Marshal(out); err != nil {
			t.Error(err)
		}
	})
}

// hostile are values that stand where something else is expected.
var hostile = []any{nil, true, false, "", "x", "${A}", json.Number("0"), json.Number("-1.5"), json.Number("99999999999999999999"), []any{}, []any{nil}, []any{"a", []any{}},
	map[string]any{}, map[string]any{"Ref": "AWS::NoValue"}, map[string]any{"Ref": nil}, map[string]any{"Ref": []any{}}, map[string]any{"Fn::If": []any{}},
	map[string]any{"Fn::If": "x"}, map[string]any{"Fn::If": []any{"C", map[string]any{"Ref": "AWS::NoValue"}, "y"}}, map[string]any{"Fn::If": []any{map[string]any{}, []any{}, nil}},
	map[string]any{"Fn::Sub": []any{}}, map[string]any{"Fn::Sub": map[string]any{}}, map[string]any{"Fn::GetAtt": "A"}, map[string]any{"Fn::GetAtt": []any{"A", nil}},
	map[string]any{"a": map[string]any{"b": []any{}}}, map[string]any{"Type": "Api", "Properties": nil}}

// TestHostileTemplates puts every hostile value in every place of every
// template: the transform never panics.
func TestHostileTemplates(t *testing.T) {
	for _, raw := range templates(t) {
		var root any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&root); err != nil {
			t.Fatal(err)
		}
		replaceEach(root, func() {
			text, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%v\n%s\n%s", p, text, debug.Stack())
				}
			}()
			_, _ = run(text)
		})
	}
}

// replaceEach calls do with every place of a value replaced once by a hostile
// one, in turn, and left out once.
func replaceEach(v any, do func()) {
	n := 0
	next := func() any { n++; return hostile[n%len(hostile)] }
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, was := range x {
				for range 3 {
					x[k] = next()
					do()
				}
				delete(x, k)
				do()
				x[k] = was
				walk(was)
			}
		case []any:
			for i, was := range x {
				for range 3 {
					x[i] = next()
					do()
				}
				x[i] = was
				walk(was)
			}
		}
	}
	walk(v)
}
