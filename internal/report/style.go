// Package report turns results into what a person or a program reads: text for
// a terminal with a live view of a run, JSON, Markdown for a pull request, and
// SARIF. It computes nothing that a command needs to decide on and talks to
// nobody; the same input gives the same bytes.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"axle"
	"axle/internal/late"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"
)

// Style colours words when the output can show it.
type Style struct {
	good, bad, warn, dim, bold lipgloss.Style

	file, env string // of commands that are told to run next
}

// NewStyle is for an output that is, or isn't, a terminal with colours.
func NewStyle(w io.Writer, color bool) Style {
	r := lipgloss.NewRenderer(w)
	r.SetColorProfile(termenv.Ascii)
	if color {
		r.SetColorProfile(termenv.ANSI)
	}
	return Style{
		good: r.NewStyle().Foreground(lipgloss.Color("2")),
		bad:  r.NewStyle().Foreground(lipgloss.Color("1")),
		warn: r.NewStyle().Foreground(lipgloss.Color("3")),
		dim:  r.NewStyle().Faint(true),
		bold: r.NewStyle().Bold(true),
	}
}

// For is the style for what is told of the project in a file, in an environment.
func (s Style) For(file, env string) Style {
	s.file, s.env = "", ""
	if file != "axle.yaml" {
		s.file = "-f " + Word(file) + " "
	}
	if env != "" {
		s.env = " --env " + Word(env)
	}
	return s
}

// Next is a command to run next, on a run or a file; again is one that reads
// axle.yaml anew, in the same environment.
func (s Style) Next(command string) string  { return s.bold.Render("axle " + s.file + command) }
func (s Style) again(command string) string { return s.Next(command + s.env) }

var notPlain = late.MustCompile(`[^\pL\pN_./:@%+=,-]`)

// Word is text as one word of a shell's command line.
func Word(text string) string {
	if text != "" && !notPlain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// mark is the sign and colour of a step's status.
func (s Style) mark(st axle.Status) string {
	switch st {
	case axle.Succeeded:
		return s.good.Render("✓")
	case axle.Unchanged:
		return s.dim.Render("=")
	case axle.Failed:
		return s.bad.Render("✗")
	case axle.Skipped:
		return s.warn.Render("-")
	case axle.Cancelled:
		return s.warn.Render("!")
	case axle.Running:
		return s.warn.Render("▸")
	}
	return s.dim.Render("·")
}

// columns prints rows under each other, as wide as the widest cell; the last
// column isn't padded.
func columns(w io.Writer, indent string, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// duration is d with the precision that a person wants.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// plural is "1 step", "2 steps".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
