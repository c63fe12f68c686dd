package sandbox

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeQuery(t *testing.T) {
	tests := map[string]params{
		"Action=X&Version=1&A=b":                                {"A": "b"},
		"Tags.member.1.Key=k&Tags.member.1.Value=v":             {"Tags": []any{map[string]any{"Key": "k", "Value": "v"}}},
		"Tag.2.Key=b&Tag.1.Key=a":                               {"Tag": []any{map[string]any{"Key": "a"}, map[string]any{"Key": "b"}}},
		"N.member.10=j&N.member.2=b":                            {"N": []any{"b", "j"}},
		"Attributes.entry.1.key=K&Attributes.entry.1.value=V":   {"Attributes": map[string]any{"K": "V"}},
		"M.entry.1.Name=K&M.entry.1.Value.DataType=String":      {"M": map[string]any{"K": map[string]any{"DataType": "String"}}},
		"Filter.1.Name=n&Filter.1.Value.1=x&Filter.1.Value.2=y": {"Filter": []any{map[string]any{"Name": "n", "Value": []any{"x", "y"}}}},
		"Empty=":  {"Empty": ""},
		"A.B.C=d": {"A": map[string]any{"B": map[string]any{"C": "d"}}},
	}
	for in, want := range tests {
		form, err := url.ParseQuery(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, decodeQuery(form)); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

// Whatever is sent, decoding and reading it never panics.
func FuzzDecodeQuery(f *testing.F) {
	f.Add("A.member.1=x&A=y&A.1.B=z", "A")
	f.Add("A.entry.1.key=&A.entry=1", "A")
	f.Fuzz(func(_ *testing.T, in, name string) {
		form, err := url.ParseQuery(in)
		if err != nil {
			return
		}
		read(decodeQuery(form), name, 0)
	})
}

// FuzzDecodeJSON does the same for JSON bodies.
func FuzzDecodeJSON(f *testing.F) {
	f.Add(`{"A":[{"B":null},1,"x"]}`, "A")
	f.Add(`null`, "")
	f.Fuzz(func(_ *testing.T, in, name string) {
		if p, err := decodeJSON([]byte(in)); err == nil {
			read(p, name, 0)
		}
	})
}

func read(p params, name string, depth int) {
	_, _, _, _ = p.str(name), p.bool(name), p.int(name, 1), p.has(name)
	_, _, _, _ = p.strs(name), p.tags(name), p.strMap(name), p.or(name, "x")
	if depth > 3 {
		return
	}
	read(p.obj(name), name, depth+1)
	for _, e := range p.list(name) {
		read(e, name, depth+1)
	}
}
