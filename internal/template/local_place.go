package template

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// Place is where an artifact is. Bucket and URL may have pseudo parameters in
// them, ${AWS::Region}: so one text is right in every region. Those of the home
// forms must not.
type Place struct{ Bucket, Key, URL string }

// Relocated is the template's text with local paths replaced by places in S3.
// All the rest stays as it is, to the byte: lines keep their numbers.
func (t *Template) Relocated(at map[diag.Pos]Place) ([]byte, diag.List) {
	var problems diag.List
	text := bytes.TrimPrefix(t.Body, []byte("\xef\xbb\xbf"))
	type cut struct {
		from, to int
		with     string
	}
	var cuts []cut
	for _, l := range t.Locals() {
		place, ok := at[l.Pos]
		if !ok {
			continue
		}
		from, to, found := span(text, l.node)
		if !found {
			problems.Add(l.Pos, "write it on one line, without tags and anchors", "%s: the path can't be replaced as it is written", l.Says())
			continue
		}
		cuts = append(cuts, cut{from, to, place.text(l.Form)})
	}
	slices.SortFunc(cuts, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	done := 0
	for _, c := range cuts {
		out.Write(text[done:c.from])
		out.WriteString(c.with)
		done = c.to
	}
	out.Write(text[done:])
	return out.Bytes(), problems
}

// text is the place in a form: JSON, which YAML takes too.
func (p Place) text(form Form) string {
	object := func(bucket, key string) string {
		return "{" + quote(bucket) + ": " + substituted(p.Bucket) + ", " + quote(key) + ": " + quote(p.Key) + "}"
	}
	switch form {
	case FormS3:
		return object("S3Bucket", "S3Key")
	case FormBucket:
		return object("Bucket", "Key")
	case FormURI, FormHomeURI:
		return substituted("s3://" + p.Bucket + "/" + p.Key)
	}
	return substituted(p.URL)
}

func substituted(s string) string {
	if strings.Contains(s, "${") {
		return `{"Fn::Sub": ` + quote(s) + "}"
	}
	return quote(s)
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil { // a string can't fail
		return `""`
	}
	return string(text)
}

// span finds the text of a scalar. Columns are counted in characters by the
// YAML parser and in bytes by ours for JSON: what is there decides.
func span(text []byte, n *yaml.Node) (from, to int, ok bool) {
	start := 0
	for line := 1; line < n.Line; line++ {
		next := bytes.IndexByte(text[start:], '\n')
		if next < 0 {
			return 0, 0, false
		}
		start += next + 1
	}
	inChars := start
	for i := 1; i < n.Column && inChars < len(text); i++ {
		_, size := utf8.DecodeRune(text[inChars:])
		inChars += size
	}
	for _, from := range []int{inChars, start + n.Column - 1} {
		if from >= len(text) {
			continue
		}
		if size := scalarSize(text[from:], n.Value); size > 0 {
			return from, from + size, true
		}
	}
	return 0, 0, false
}

// scalarSize is the length of the scalar that text begins with, 0 when it isn't
// of that value.
func scalarSize(text []byte, value string) int {
	size := 0
	switch quote := text[0]; quote {
	case '"', '\'':
		for i := 1; i < len(text) && size == 0; i++ {
			switch {
			case quote == '"' && text[i] == '\\':
				i++
			case quote == '\'' && text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
				i++
			case text[i] == quote:
				size = i + 1
			}
		}
		var is string
		if size == 0 || yaml.Unmarshal(text[:size], &is) != nil && json.Unmarshal(text[:size], &is) != nil || is != value {
			return 0
		}
	default:
		if !bytes.HasPrefix(text, []byte(value)) {
			return 0
		}
		size = len(value)
	}
	return size
}
