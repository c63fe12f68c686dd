package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// jsonError is a mistake in JSON text, with its place.
type jsonError struct {
	line, col int
	text      string
}

func (e *jsonError) Error() string { return "the template is not well-formed JSON: " + e.text }

// jsonReader makes YAML nodes of JSON text, so that everything after has one
// form to deal with. The YAML parser itself doesn't take all JSON (tabs,
// surrogate pairs).
type jsonReader struct {
	body []byte
	dec  *json.Decoder
	// line and col follow offset, so that positions cost O(text) in all; col is
	// that of the byte at counted.
	offset, line, col, counted int
}

// maxDepth bounds nesting; real templates stay below 30.
const maxDepth = 500

func decodeJSON(body []byte) (*yaml.Node, error) {
	r := &jsonReader{body: body, dec: json.NewDecoder(bytes.NewReader(body)), line: 1, col: 1}
	r.dec.UseNumber()
	node, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, r.fail("text after the end of the template")
	}
	return node, nil
}

// at moves to where the next token starts and gives its place; columns are
// characters, as the YAML parser's are.
func (r *jsonReader) at() (line, col int) {
	next := int(r.dec.InputOffset())
	for next < len(r.body) && strings.IndexByte(" \t\r\n,:", r.body[next]) >= 0 {
		next++
	}
	for ; r.offset < next; r.offset++ {
		if r.body[r.offset] == '\n' {
			r.line, r.col, r.counted = r.line+1, 1, r.offset+1
		}
	}
	r.col += utf8.RuneCount(r.body[r.counted:next])
	r.counted = next
	return r.line, r.col
}

func (r *jsonReader) fail(format string, args ...any) error {
	line, col := r.at()
	return &jsonError{line, col, fmt.Sprintf(format, args...)}
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, r.fail("nested too deeply")
	}
	line, col := r.at()
	tok, err := r.dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, r.fail("it ends too early")
		}
		return nil, r.fail("%v", err)
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: line, Column: col}
	switch v := tok.(type) {
	case json.Delim:
		return node, r.collection(node, v, depth)
	case string:
		node.Tag, node.Value, node.Style = "!!str", v, yaml.DoubleQuotedStyle
	case json.Number:
		node.Tag, node.Value = "!!float", v.String()
	case bool:
		node.Tag, node.Value = "!!bool", fmt.Sprint(v)
	case nil:
		node.Tag, node.Value = "!!null", "null"
	}
	return node, nil
}

func (r *jsonReader) collection(node *yaml.Node, open json.Delim, depth int) error {
	node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		node.Content = append(node.Content, item)
		if open == '{' {
			if item, err = r.value(depth + 1); err != nil {
				return err
			}
			node.Content = append(node.Content, item)
		}
	}
	if _, err := r.dec.Token(); err != nil {
		return r.fail("%v", err)
	}
	return nil
}
