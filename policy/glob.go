package policy

import (
	"strings"
	"unicode/utf8"
)

// Compiled patterns are strings in which two bytes that can't occur in valid
// UTF-8 stand for the wildcards, so that a literal asterisk (from "${*}" or a
// variable's value) is just text.
const (
	anyRun = '\xff' // * : any run of characters, also none
	anyOne = '\xfe' // ? : exactly one character
)

// glob is a compiled pattern with wildcards.
type glob string

// compileGlob turns * and ? of raw into wildcards. Runs of * become one.
func compileGlob(raw string) glob {
	if !strings.ContainsAny(raw, "*?") {
		return glob(raw)
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '?':
			b = append(b, anyOne)
		case c != '*':
			b = append(b, c)
		case len(b) == 0 || b[len(b)-1] != anyRun:
			b = append(b, anyRun)
		}
	}
	return glob(b)
}

// Match says whether the whole of text fits a pattern with * and ?, as a Resource
// or StringLike does.
func Match(pattern, text string) bool { return compileGlob(pattern).match(text) }

// MatchAction is Match for actions, whose case doesn't matter.
func MatchAction(pattern, action string) bool { return compileGlob(lower(pattern)).matchFold(action) }

// Covers says whether everything that the pattern narrow matches wide matches
// too, as far as that is seen by taking narrow's wildcards as text.
func Covers(wide, narrow string) bool {
	// star and mark are where the last * of wide stands, and how far it reaches.
	i, j, star, mark := 0, 0, -1, 0
	for j < len(narrow) {
		switch {
		case i < len(wide) && wide[i] == '*':
			star, mark = i, j
			i++
		case i < len(wide) && narrow[j] != '*' && (wide[i] == narrow[j] || wide[i] == '?'):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(wide) && wide[i] == '*' {
		i++
	}
	return i == len(wide)
}

// lower folds the ASCII letters of a pattern or text, which leaves wildcards
// alone; actions are ASCII.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// match says whether the whole of s fits the pattern. What is between two * and
// has no ? is searched for, in linear time; else it goes back to the last *, and
// when that gets long the pattern becomes an automaton.
func (g glob) match(s string) bool {
	ok, _ := g.matchBytes(s, false)
	return ok
}

// matchFold is match with ASCII case folded; the pattern must be in lower case.
func (g glob) matchFold(s string) bool {
	ok, _ := g.matchBytes(s, true)
	return ok
}

// patience is how many steps a character of the text may take before matching
// goes on as an automaton.
const patience = 16

// matchBytes also gives the number of steps that it took.
func (g glob) matchBytes(s string, fold bool) (matches bool, steps int) {
	p := string(g)
	i, j := 0, 0        // in p, in s
	back, from := -1, 0 // where to go on in p, and from which byte of s
	for ; j < len(s); steps++ {
		if steps > patience*(len(s)+patience) {
			if fold {
				s = lower(s)
			}
			tokens := spillTokens(":::::" + p)[5:]
			return matchSpilling(tokens, s), steps + len(s)*(len(tokens)/64+1)
		}
		if i < len(p) {
			switch c := p[i]; c {
			case anyRun:
				if i+1 == len(p) {
					return true, steps
				}
				i++
				back, from = i, j
				end := g.literal(i)
				switch {
				case fold || end < len(p) && p[end] == anyOne:
				case end == len(p):
					return len(s)-j >= end-i && s[len(s)-(end-i):] == p[i:], steps + end - i
				default:
					found := strings.Index(s[j:], p[i:end])
					if found < 0 {
						return false, steps + len(s) - j
					}
					steps += found
					i, j = end, j+found+end-i
				}
				continue
			case anyOne:
				_, n := utf8.DecodeRuneInString(s[j:])
				i, j = i+1, j+n
				continue
			default:
				d := s[j]
				if fold {
					d = lowerByte(d)
				}
				if c == d {
					i, j = i+1, j+1
					continue
				}
			}
		}
		if back < 0 {
			return false, steps
		}
		_, n := utf8.DecodeRuneInString(s[from:])
		from += n
		i, j = back, from
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p), steps
}

// literal is where the characters end with which the pattern goes on at i.
func (g glob) literal(i int) int {
	for i < len(g) && g[i] < anyOne {
		i++
	}
	return i
}
