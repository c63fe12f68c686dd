package pattern

import (
	"bytes"
	"encoding/json"
	"strings"

	"axle/internal/late"
)

// Map is an object whose keys keep their order. Values are string, int, bool,
// []any, Map, and the intrinsics ref, sub and attr.
type Map []Pair

// Pair is one key of a Map.
type Pair struct {
	Key   string
	Value any
}

// The intrinsics that templates here use.
type (
	ref  string                    // !Ref
	sub  string                    // !Sub
	attr struct{ of, name string } // !GetAtt
)

// MarshalJSON writes the keys in their order. Intrinsics take their long form.
func (m Map) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		value := p.Value
		switch v := value.(type) {
		case ref:
			value = Map{{"Ref", string(v)}}
		case sub:
			value = Map{{"Fn::Sub", string(v)}}
		case attr:
			value = Map{{"Fn::GetAtt", []any{v.of, v.name}}}
		}
		key, err := json.Marshal(p.Key)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// compact is the map as JSON without white space; "" can't be.
func (m Map) compact() string {
	raw, err := m.MarshalJSON()
	if err != nil {
		return ""
	}
	return string(raw)
}

// Indented is the map as JSON for people.
func (m Map) Indented() string {
	var b strings.Builder
	writeJSON(&b, m, "")
	return b.String() + "\n"
}

func writeJSON(b *strings.Builder, value any, indent string) {
	inner := indent + "  "
	switch v := value.(type) {
	case Map:
		for i, p := range v {
			b.WriteString(before(i, "{", inner) + jsonText(p.Key) + ": ")
			writeJSON(b, p.Value, inner)
		}
		b.WriteString(after(len(v), "{}", indent))
	case []any:
		for i, item := range v {
			b.WriteString(before(i, "[", inner))
			writeJSON(b, item, inner)
		}
		b.WriteString(after(len(v), "[]", indent))
	default:
		b.WriteString(jsonText(v))
	}
}

// before is what stands before member i, and after what stands after n of them.
func before(i int, opening, indent string) string {
	if i > 0 {
		opening = ","
	}
	return opening + "\n" + indent
}

func after(n int, brackets, indent string) string {
	if n == 0 {
		return brackets
	}
	return "\n" + indent + brackets[1:]
}

// jsonText is a text, number or truth as JSON, with <, > and & as they are.
func jsonText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
}

// yaml is the map as YAML, block style.
func (m Map) yaml() string {
	var b strings.Builder
	writeMap(&b, m, 0)
	return b.String()
}

func writeMap(b *strings.Builder, m Map, depth int) {
	for i, p := range m {
		if i > 0 || depth == 0 {
			b.WriteString(strings.Repeat("  ", depth))
		}
		b.WriteString(scalar(p.Key) + ":")
		writeValue(b, p.Value, depth)
	}
}

// writeValue writes what follows a key at depth, to the end of its last line.
func writeValue(b *strings.Builder, value any, depth int) {
	switch v := value.(type) {
	case Map:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteString("\n" + strings.Repeat("  ", depth+1))
		writeMap(b, v, depth+1)
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteByte('\n')
		for _, item := range v {
			b.WriteString(strings.Repeat("  ", depth+1) + "-")
			if m, ok := item.(Map); ok && len(m) > 0 {
				b.WriteByte(' ')
				writeMap(b, m, depth+2)
				continue
			}
			writeValue(b, item, depth+1)
		}
	default:
		b.WriteString(" " + inline(v) + "\n")
	}
}

func inline(value any) string {
	switch v := value.(type) {
	case string:
		return scalar(v)
	case ref:
		return "!Ref " + scalar(string(v))
	case sub:
		return "!Sub " + quoted(string(v))
	case attr:
		return "!GetAtt " + v.of + "." + v.name
	}
	return jsonText(value)
}

// plain is what YAML reads as the same text without quotes; words that it reads
// as something else are in notText.
var (
	plain   = late.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./:+=@*-]*( [A-Za-z0-9_./(),;=+-]+)*$`)
	notText = late.MustCompile(`(?i)^(true|false|yes|no|on|off|null|y|n)$`)
)

func scalar(s string) string {
	if plain.MatchString(s) && !strings.Contains(s, ": ") && !notText.MatchString(s) && !strings.HasSuffix(s, ":") {
		return s
	}
	return quoted(s)
}

// quoted is a text in quotes: single ones where it has double ones itself.
func quoted(s string) string {
	if strings.ContainsAny(s, `"\\`) && !strings.ContainsAny(s, "'\n\t") {
		return "'" + s + "'"
	}
	return jsonText(s)
}
