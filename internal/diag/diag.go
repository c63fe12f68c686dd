// Package diag is a problem with a place: file, line, column, summary and hint,
// and lists of them. All mistakes of an input are reported at once.
package diag

import (
	"fmt"
	"sort"
	"strings"
)

// Pos is a place in a file. Line and Col count from 1; 0 means unknown.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"column,omitempty"`
}

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Diagnostic is one problem. Summary says what is wrong, Hint what to do.
type Diagnostic struct {
	Pos     Pos    `json:"position"`
	Summary string `json:"summary"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

func (d Diagnostic) Error() string {
	var b strings.Builder
	if p := d.Pos.String(); p != "" {
		b.WriteString(p + ": ")
	}
	if d.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Summary)
	if d.Hint != "" {
		b.WriteString("\n  hint: " + d.Hint)
	}
	return b.String()
}

// List is any number of problems.
type List []Diagnostic

// Add appends an error.
func (l *List) Add(pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Pos: pos, Summary: fmt.Sprintf(format, args...), Hint: hint})
}

// Warn appends a warning.
func (l *List) Warn(pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Pos: pos, Summary: fmt.Sprintf(format, args...), Hint: hint, Warning: true})
}

// Errors returns the list without its warnings.
func (l List) Errors() List { return l.pick(false) }

// Warnings returns only the warnings.
func (l List) Warnings() List { return l.pick(true) }

func (l List) pick(warning bool) List {
	var out List
	for _, d := range l {
		if d.Warning == warning {
			out = append(out, d)
		}
	}
	return out
}

// Err returns the list sorted as an error, or nil when it has no errors.
func (l List) Err() error {
	if len(l.Errors()) == 0 {
		return nil
	}
	out := append(List(nil), l...)
	out.Sort()
	return out
}

// Sort orders by file, line and column; equal places keep their order.
func (l List) Sort() {
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
}

func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Nearest returns the candidate that is closest to s by edit distance, or ""
// when none is near enough to be what was meant.
func Nearest(s string, candidates []string) string {
	return NearestWithin(s, candidates, len(s)/3+1)
}

// NearestWithin is Nearest with at most that many edits.
func NearestWithin(s string, candidates []string, edits int) string {
	best := ""
	for _, c := range candidates {
		if d := distance(strings.ToLower(s), strings.ToLower(c)); d < edits || d == edits && (best == "" || c < best) {
			best, edits = c, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
