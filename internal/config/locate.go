package config

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// The styles of scalars whose text isn't in the file as it is.
const (
	quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
	block  = yaml.LiteralStyle | yaml.FoldedStyle
)

// cursor is a place in a file: line and column count from 1, in characters.
type cursor struct {
	lines     []string
	line, col int
	rest      string // of the line
}

func newCursor(lines []string, line, col int) *cursor {
	c := &cursor{lines: lines, line: line - 1}
	c.down()
	for c.col < col && c.rest != "" {
		c.next()
	}
	return c
}

// down moves to the beginning of the next line.
func (c *cursor) down() {
	c.line, c.col, c.rest = c.line+1, 1, ""
	if c.line >= 1 && c.line <= len(c.lines) {
		c.rest = c.lines[c.line-1]
	}
}

// rune is what stands at the cursor: '\n' at the end of a line, 0 at that of
// the file.
func (c *cursor) rune() rune {
	switch {
	case c.rest != "":
		r, _ := utf8.DecodeRuneInString(c.rest)
		return r
	case c.line < len(c.lines):
		return '\n'
	}
	return 0
}

// next moves on by one character.
func (c *cursor) next() {
	if c.rest == "" {
		c.down()
		return
	}
	_, size := utf8.DecodeRuneInString(c.rest)
	c.rest = c.rest[size:]
	c.col++
}

func (c *cursor) skipSpace() {
	for r := c.rune(); r != 0 && unicode.IsSpace(r); r = c.rune() {
		c.next()
	}
}

// locate finds the character at an offset of a scalar's text in the file. YAML
// changes only white space (folding, indentation) and escapes, so that the other
// characters are the same in the same order.
func (n *node) locate(offset int) diag.Pos {
	at := newCursor(n.lines, n.content.Line, n.content.Col)
	for _, r := range n.text {
		if offset <= 0 {
			break
		}
		offset--
		if !unicode.IsSpace(r) {
			n.skipBlank(at)
			n.skipOne(at)
		}
	}
	n.skipBlank(at)
	if at.rune() == 0 {
		return n.content
	}
	return diag.Pos{File: n.content.File, Line: at.line, Col: at.col}
}

// skipBlank moves over white space, and escapes that stand for it.
func (n *node) skipBlank(at *cursor) {
	for {
		at.skipSpace()
		if n.style&yaml.DoubleQuotedStyle == 0 || len(at.rest) == 0 || at.rest[0] != '\\' ||
			len(at.rest) > 1 && !strings.ContainsRune(" tnrvNLP_\t", rune(at.rest[1])) {
			return
		}
		at.next()
		at.next()
	}
}

// skipOne moves over one character of the text, as it is written.
func (n *node) skipOne(at *cursor) {
	r := at.rune()
	at.next()
	switch {
	case r == '\'' && n.style&yaml.SingleQuotedStyle != 0: // '' is '
		at.next()
	case r == '\\' && n.style&yaml.DoubleQuotedStyle != 0:
		digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[at.rune()]
		for range digits + 1 {
			at.next()
		}
	}
}
