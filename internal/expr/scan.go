package expr

import (
	"strings"
	"unicode/utf8"
)

// piece is a part of a scalar: literal text, or what stands inside a ${{ }}.
type piece struct {
	text   string
	expr   bool
	offset int // in runes, of text in the scalar
}

// split cuts a scalar into its pieces. open is the offset in runes of a ${{
// that never ends, or -1.
func split(src string) (pieces []piece, open int) {
	rest, offset := src, 0
	for {
		i := strings.Index(rest, "${{")
		if i < 0 {
			if rest != "" {
				pieces = append(pieces, piece{text: rest, offset: offset})
			}
			return pieces, -1
		}
		if i > 0 {
			pieces = append(pieces, piece{text: rest[:i], offset: offset})
			offset += utf8.RuneCountInString(rest[:i])
		}
		end := closing(rest[i+3:])
		if end < 0 {
			return pieces, offset
		}
		inner := rest[i+3 : i+3+end]
		pieces = append(pieces, piece{text: inner, expr: true, offset: offset + 3})
		offset += utf8.RuneCountInString(inner) + 5
		rest = rest[i+3+end+2:]
	}
}

// closing finds the }} that ends an expression: not in a string or a comment,
// and not the end of a map in a map. It returns -1 when there is none.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i = next(s, i) {
		switch {
		case s[i] == '{':
			depth++
		case s[i] == '}' && depth > 0:
			depth--
		case strings.HasPrefix(s[i:], "}}"):
			return i
		}
	}
	return -1
}

// next returns the index after the token at i, as far as tokens matter here: a
// string literal and a comment are one, everything else is a byte at a time.
func next(s string, i int) int {
	switch {
	case s[i] == '"' || s[i] == '\'':
		return stringEnd(s, i)
	case strings.HasPrefix(s[i:], "//"):
		if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
			return i + n
		}
		return len(s)
	}
	return i + 1
}

// stringEnd returns the index after the string literal that begins at i.
func stringEnd(s string, i int) int {
	raw := i > 0 && (s[i-1] == 'r' || s[i-1] == 'R')
	quote := s[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(s); j++ {
		switch {
		case strings.HasPrefix(s[j:], quote):
			return j + len(quote)
		case s[j] == '\\' && !raw:
			j++
		case s[j] == '\n' && len(quote) == 1:
			return j // CEL reports it
		}
	}
	return len(s)
}

// span is a part of an expression's text, in bytes.
type span struct{ from, to int }

// cut splits s[in.from:in.to] at every sep that is outside of brackets, strings
// and comments.
func cut(s string, in span, sep string) []span {
	var out []span
	depth, from := 0, in.from
	for i := in.from; i < in.to; i = next(s, i) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		if depth == 0 && i >= from && strings.HasPrefix(s[i:in.to], sep) {
			out = append(out, span{from, i})
			from = i + len(sep)
		}
	}
	return append(out, span{from, in.to})
}

// trim takes white space from both ends.
func trim(s string, sp span) span {
	t := strings.TrimLeft(s[sp.from:sp.to], " \t\r\n")
	from := sp.to - len(t)
	return span{from, from + len(strings.TrimRight(t, " \t\r\n"))}
}

// matching returns the index of the bracket that closes the one at i, or -1.
func matching(s string, i int) int {
	depth := 0
	for ; i < len(s); i = next(s, i) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// wordBefore returns where the identifier that ends before i begins.
func wordBefore(s string, i int) int {
	end := strings.TrimRight(s[:i], " \t\r\n")
	return len(strings.TrimRight(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
}
