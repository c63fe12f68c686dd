package config

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

// Limits of a file: aliases can make a small one huge.
const (
	maxBytes = 4 << 20
	maxNodes = 200_000
	maxDepth = 64
)

// node is a YAML node with aliases and merge keys resolved.
type node struct {
	kind kind
	// tag is what YAML takes a scalar for: !!str, !!int, !!null, ...
	tag   string
	text  string // of a scalar, as written: 007 stays 007
	plain bool   // a scalar without quotes
	pos   diag.Pos
	// content is where a scalar's text begins: after a quote, or on the line
	// after a | or >. lines are the file's, to find the rest of the text.
	content diag.Pos
	style   yaml.Style
	lines   []string
	pairs   []pair  // of a mapping
	items   []*node // of a list
	// bad: a mistake is reported; nothing should be made of it.
	bad bool
}

type kind int

const (
	scalar kind = iota
	mapping
	list
)

type pair struct {
	key   *node
	value *node
}

// get returns the value of a key, or nil if it isn't there or isn't usable.
func (n *node) get(name string) *node {
	if n == nil || n.kind != mapping {
		return nil
	}
	for _, p := range n.pairs {
		if p.key.text == name && !p.value.bad {
			return p.value
		}
	}
	return nil
}

// has says whether a key is there, usable or not.
func (n *node) has(name string) bool {
	if n == nil {
		return false
	}
	for _, p := range n.pairs {
		if p.key.text == name {
			return true
		}
	}
	return false
}

// Text returns a scalar's text and place; zero for nil.
func (n *node) Text() Text {
	if n == nil || n.kind != scalar || n.tag == "!!null" {
		return Text{}
	}
	return Text{n.text, n.content}
}

// expression returns a scalar for its expressions to be compiled.
func (n *node) expression() expr.Scalar {
	return expr.Scalar{Text: n.text, At: n.content, Locate: n.locate}
}

// texts returns the usable items of a list.
func (n *node) texts() []Text {
	if n == nil {
		return nil
	}
	var out []Text
	for _, i := range n.items {
		if !i.bad && i.kind == scalar {
			out = append(out, i.Text())
		}
	}
	return out
}

// reader turns YAML into nodes.
type reader struct {
	file  string
	lines []string
	count int
	full  bool // a limit is reached, and reported
	diag.List
}

var yamlError = late.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// read parses a file with one document. It returns nil when nothing can be
// made of it.
func read(file string, src []byte, problems *diag.List) *node {
	start := diag.Pos{File: file, Line: 1, Col: 1}
	if len(src) > maxBytes {
		problems.Add(start, "", "the file is larger than %d MiB", maxBytes>>20)
		return nil
	}
	r := &reader{file: file, lines: strings.Split(string(src), "\n")}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			problems.Add(start, "axle init writes one to begin with", emptyFile)
		} else {
			r.syntaxError(err, problems)
		}
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		problems.Add(diag.Pos{File: file, Line: second.Line, Col: second.Column}, "put everything into one, and remove the ---", "the file has a second YAML document")
	} else if !errors.Is(err, io.EOF) {
		r.syntaxError(err, problems)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		problems.Add(start, "axle init writes one to begin with", emptyFile)
		return nil
	}
	root := r.node(doc.Content[0], 0)
	*problems = append(*problems, r.List...)
	return root
}

// syntaxError reports what YAML says. It knows the line only, and often that
// where the surrounding mapping begins: the mistake is in the line without which
// the file has another or none. The column is that of the first character.
func (r *reader) syntaxError(err error, problems *diag.List) {
	pos, hint := diag.Pos{File: r.file, Line: 1, Col: 1}, ""
	text, n := yamlMessage(err)
	if n > 0 && n <= len(r.lines) {
		pos.Line = n
		fails := func(i int) bool {
			var doc yaml.Node
			again, _ := yamlMessage(yaml.Unmarshal([]byte(strings.Join(r.lines[:n+i], "\n")), &doc))
			return again == text
		}
		if last := len(r.lines) - n; fails(last) { // else it is in a second document
			pos.Line += sort.Search(last, fails)
		}
	}
	marked := slices.IndexFunc(r.lines, func(line string) bool { return strings.HasPrefix(line, "<<<<<<< ") })
	foreign := slices.IndexFunc(r.lines, func(line string) bool { return !utf8.ValidString(line) })
	switch {
	case marked >= 0:
		pos.Line = marked + 1
	case n == 0 && foreign >= 0: // "invalid trailing UTF-8 octet", without a line
		pos.Line = foreign + 1
	}
	line := r.lines[pos.Line-1]
	pos.Col = utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeft(line, " \t")) + 1
	switch {
	case marked >= 0:
		hint = "git has left its marks of a merge here: take one side, and remove them"
	case n == 0 && foreign >= 0:
		hint = "save the file as UTF-8"
	case strings.Contains(line, "\t") && strings.Contains(text, "cannot start any token"):
		hint = "indent with spaces, not with tabs"
	case strings.Contains(line, "${{") || strings.Contains(line, "account.") || strings.Contains(line, "vars."):
		hint = `put the expression into '...': it begins with a quote, a bracket or !, or has ": " or " #" in it`
	}
	problems.Add(pos, hint, "not YAML: %s", text)
}

// yamlMessage is an error of YAML without its line, and the line, or 0.
func yamlMessage(err error) (text string, line int) {
	if err == nil {
		return "", 0
	}
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 0
	}
	line, _ = strconv.Atoi(m[1]) // no number: 0
	return m[2], line
}

// node converts n. Depth and number are limited: an alias may stand for
// something that has it inside.
func (r *reader) node(n *yaml.Node, depth int) *node {
	out := &node{pos: diag.Pos{File: r.file, Line: n.Line, Col: n.Column}}
	out.content = out.pos
	if n.Kind == yaml.AliasNode {
		if n.Alias == nil {
			out.bad = true
			return out
		}
		n = n.Alias
	}
	r.count++
	if r.count > maxNodes || depth > maxDepth {
		if !r.full {
			r.Add(out.pos, "is an alias inside of what it stands for?", "the file is nested too deep, or too large once its aliases are filled in")
		}
		r.full = true
		out.bad = true
		return out
	}
	switch n.Kind {
	case yaml.MappingNode:
		out.kind = mapping
		r.pairs(out, n, depth)
	case yaml.SequenceNode:
		out.kind = list
		for _, c := range n.Content {
			out.items = append(out.items, r.node(c, depth+1))
		}
	default:
		out.tag, out.text = n.ShortTag(), n.Value
		out.plain = n.Style&^yaml.TaggedStyle == 0
		out.style, out.lines = n.Style, r.lines
		out.content = r.content(n)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		r.Add(out.pos, "an expression that begins with ! needs quotes around it", "YAML tag %s has no meaning here", n.Tag)
		out.bad = true
	}
	return out
}

// pairs fills in a mapping. Keys of a merge (<<) count where there is no key of
// the mapping's own.
func (r *reader) pairs(out *node, n *yaml.Node, depth int) {
	seen := map[string]diag.Pos{}
	var merged []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := r.node(n.Content[i], depth+1), r.node(n.Content[i+1], depth+1)
		if key.kind != scalar || key.bad {
			if !r.full { // else what is wrong is told already
				r.Add(key.pos, "", "a key must be text")
			}
			continue
		}
		if key.tag == "!!merge" {
			switch value.kind {
			case mapping:
				merged = append(merged, value)
			case list:
				merged = append(merged, value.items...)
			default:
				r.Add(value.pos, "write <<: *name", "only a mapping can be merged")
			}
			continue
		}
		if first, ok := seen[key.text]; ok {
			r.Add(key.pos, "keep one of them", "key %q is here for the second time; the first is in line %d", key.text, first.Line)
			continue
		}
		seen[key.text] = key.pos
		out.pairs = append(out.pairs, pair{key, value})
	}
	for _, m := range merged {
		for _, p := range m.pairs {
			if _, ok := seen[p.key.text]; !ok {
				seen[p.key.text] = p.key.pos
				out.pairs = append(out.pairs, p)
			}
		}
	}
}

// content finds where the text of a scalar begins: after anchor and tag, and
// after a quote, or where there is something on the lines after a | or >.
func (r *reader) content(n *yaml.Node) diag.Pos {
	at := newCursor(r.lines, n.Line, n.Column)
	for c := at.rune(); c == '&' || c == '!'; c = at.rune() {
		for c := at.rune(); c != ' ' && c != '\n' && c != 0; c = at.rune() {
			at.next()
		}
		at.skipSpace()
	}
	switch {
	case n.Style&quoted != 0:
		at.next()
	case n.Style&block != 0:
		at.down()
		at.skipSpace()
	}
	return diag.Pos{File: r.file, Line: at.line, Col: at.col}
}
