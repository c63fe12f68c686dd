package policy

import "unicode/utf8"

// Tokens of a resource pattern that spills; others are characters.
const (
	boundRun = -1 - iota // * within one of the first five segments: no colon
	freeRun              // * at such a segment's end, or in the sixth
	boundOne             // ? in the first five segments: no colon
	freeOne
)

func spillTokens(pattern string) []rune {
	tokens := make([]rune, 0, len(pattern))
	colons := 0
	for i := 0; i < len(pattern); {
		last := len(tokens) - 1
		run := last >= 0 && (tokens[last] == boundRun || tokens[last] == freeRun)
		switch c := pattern[i]; {
		case c == anyRun && run: // beside an empty value of a variable
			if colons >= 5 || i+1 == len(pattern) || pattern[i+1] == ':' {
				tokens[last] = freeRun
			}
		case c == anyRun && (colons >= 5 || i+1 == len(pattern) || pattern[i+1] == ':'):
			tokens = append(tokens, freeRun)
		case c == anyRun:
			tokens = append(tokens, boundRun)
		case c == anyOne && colons >= 5:
			tokens = append(tokens, freeOne)
		case c == anyOne:
			tokens = append(tokens, boundOne)
		default:
			r, size := utf8.DecodeRuneInString(pattern[i:])
			tokens = append(tokens, r)
			i += size
			if r == ':' {
				colons++
			}
			continue
		}
		i++
	}
	return tokens
}

// positions is a set of places in a pattern.
type positions []uint64

func (b positions) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b positions) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

const (
	slots      = 64 // of a table of characters; a power of two
	smallWords = 4  // patterns of up to 255 tokens need no memory of their own
)

// spillTable has, for characters that came up, the positions where a pattern
// takes them. A slot is made anew when another character wants it.
type spillTable struct {
	tokens []rune
	words  int
	of     [slots]rune // the character and one, 0 for none
	takes  positions   // slots * words
	runs   positions   // positions of runs
	free   positions   // of those that take a colon, too
}

func (t *spillTable) row(r rune) positions {
	slot := int(r) & (slots - 1)
	row := t.takes[slot*t.words : (slot+1)*t.words]
	if t.of[slot] == r+1 {
		return row
	}
	t.of[slot] = r + 1
	clear(row)
	for i, token := range t.tokens {
		if token == r || token == freeOne || (token == boundOne && r != ':') {
			row.add(i)
		}
	}
	return row
}

// matchSpilling simulates the pattern as an automaton whose states are the
// positions in it, 64 of them at once: the time is bounded by a 64th of the
// product of the lengths.
func matchSpilling(tokens []rune, s string) bool {
	t := spillTable{tokens: tokens, words: len(tokens)/64 + 1}
	var small [(slots + 3) * smallWords]uint64
	memory := positions(small[:])
	if t.words > smallWords {
		memory = make(positions, (slots+3)*t.words)
	}
	cut := func() positions {
		b := memory[:t.words]
		memory = memory[t.words:]
		return b
	}
	t.runs, t.free = cut(), cut()
	at := cut()
	t.takes = memory[:slots*t.words]
	for i, token := range tokens {
		if token == boundRun || token == freeRun {
			t.runs.add(i)
		}
		if token == freeRun {
			t.free.add(i)
		}
	}
	at.add(0)
	t.skipRuns(at)
	for _, r := range s {
		if !t.step(at, r) {
			return false
		}
	}
	return at.has(len(tokens))
}

// step moves all positions over a character; false when none is left.
func (t *spillTable) step(at positions, r rune) bool {
	row, runs := t.row(r), t.runs
	if r == ':' {
		runs = t.free
	}
	carry, live := uint64(0), uint64(0)
	for w := range at {
		moved := at[w] & row[w]
		at[w] = at[w]&runs[w] | moved<<1 | carry
		carry = moved >> 63
		live |= at[w]
	}
	t.skipRuns(at)
	return live != 0
}

// skipRuns adds what is reached by letting a run match nothing. Two runs are
// never neighbours.
func (t *spillTable) skipRuns(at positions) {
	carry := uint64(0)
	for w := range at {
		moved := at[w] & t.runs[w]
		at[w] |= moved<<1 | carry
		carry = moved >> 63
	}
}
