package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"axle/internal/diag"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Text is a scalar with any number of ${{ }} in it, which gives a text.
type Text struct {
	source string
	parts  []part
	calls  []Call
	broken bool
}

// Broken stands for a scalar whose mistakes are reported: it is no literal, asks
// for nothing and has no value. With it the search for other mistakes goes on.
func Broken(src string) *Text { return &Text{source: src, broken: true} }

// part is literal text or an expression.
type part struct {
	literal string
	expr    *compiled
}

// CompileText compiles the scalar src, whose first character is at at. Stacks
// that its expressions name must be known.
func CompileText(src string, at diag.Pos, known Names) (*Text, diag.List) {
	return Scalar{Text: src, At: at}.Value(known)
}

// Value compiles the scalar as a value: text with any number of ${{ }} in it.
func (s Scalar) Value(known Names) (*Text, diag.List) {
	pieces, open := split(s.Text)
	var list diag.List
	if open >= 0 {
		list.Add(s.pos(open), "end it with }}; a value with : or # in it needs quotes around the whole", "${{ without }}")
		return nil, list
	}
	t := &Text{source: s.Text}
	for _, p := range pieces {
		if !p.expr {
			t.parts = append(t.parts, part{literal: p.text})
			continue
		}
		c, problems := compile(p.text, s, p.offset, forValue, known)
		list = append(list, problems...)
		if c != nil {
			t.parts = append(t.parts, part{expr: c})
			t.calls = append(t.calls, c.calls...)
		}
	}
	if len(list) > 0 {
		return nil, list
	}
	return t, nil
}

// Expression compiles the scalar as one expression that stands alone, without
// ${{ }} around it, and gives a text.
func (s Scalar) Expression(known Names) (*Text, diag.List) {
	c, list := compile(s.Text, s, 0, forValue, known)
	if c == nil {
		return nil, list
	}
	return &Text{source: s.Text, parts: []part{{expr: c}}, calls: c.calls}, nil
}

// Literal returns the text if there is nothing to evaluate.
func (t *Text) Literal() (string, bool) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr != nil {
			return "", false
		}
		b.WriteString(p.literal)
	}
	return b.String(), !t.broken
}

// String is the scalar as written.
func (t *Text) String() string { return t.source }

// Calls returns what the expressions ask of others, in the order of the text.
func (t *Text) Calls() []Call { return t.calls }

// NeedsTags says whether tags of accounts or of OUs are read.
func (t *Text) NeedsTags() bool {
	for _, p := range t.parts {
		if p.expr != nil && p.expr.tags {
			return true
		}
	}
	return false
}

// Eval gives the text for a target. ok is false when lookup doesn't know all
// that is needed yet. lookup may be nil if there are no calls.
func (t *Text) Eval(sc Scope, lookup Lookup) (value string, ok bool, err error) {
	if t.broken {
		return "", false, fmt.Errorf("evaluate %s: it has mistakes", t.source)
	}
	var b strings.Builder
	ok = true
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
			continue
		}
		out, _, err := p.expr.program.Eval(&activation{sc: &sc, caller: &caller{lookup, p.expr.byPlace}})
		if err != nil {
			return "", false, p.expr.failure(err, &sc)
		}
		if types.IsUnknown(out) {
			ok = false
			continue
		}
		if err := writeText(&b, out, true); err != nil {
			return "", false, p.expr.failure(err, &sc)
		}
	}
	if !ok {
		return "", false, nil
	}
	return b.String(), true, nil
}

// writeText writes a value the way CloudFormation takes parameters: a list as
// its elements with commas between.
func writeText(b *strings.Builder, v ref.Val, lists bool) error {
	switch v := v.(type) {
	case types.String:
		b.WriteString(string(v))
	case types.Int:
		b.WriteString(strconv.FormatInt(int64(v), 10))
	case types.Uint:
		b.WriteString(strconv.FormatUint(uint64(v), 10))
	case types.Double:
		b.WriteString(strconv.FormatFloat(float64(v), 'f', -1, 64))
	case types.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case types.Bytes:
		b.WriteString(string(v))
	case types.Timestamp:
		b.WriteString(v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		b.WriteString(strconv.FormatFloat(v.Seconds(), 'f', -1, 64) + "s")
	case traits.Lister:
		if !lists {
			return fmt.Errorf("a list in a list has no text")
		}
		size, _ := v.Size().(types.Int)
		for i := range int64(size) {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeText(b, v.Get(types.Int(i)), false); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%s has no text", typeName(v.Type().TypeName()))
	}
	return nil
}
