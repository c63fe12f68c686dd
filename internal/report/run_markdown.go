package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// Markdown prints the run as a comment of a pull request: how it ended, the
// causes with the accounts' names, a table by stack.
func (r *Run) Markdown(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s %s %s\n\n**%s**\n\n", capital(r.Command), code(r.Run), r.Status, r.Counts.line())
	m := &limited{out: &b, left: maxMarkdown - 400}
	all := r.regions()
	m.section("causes", len(r.Causes), func(i int) string {
		c := &r.Causes[i]
		text := fmt.Sprintf("- **%s** in %s: %s", plural(c.Count, "step"), plainText(c.where(strings.Join(c.Accounts, ", "), all)), plainText(c.Cause))
		if c.Hint != "" {
			text += " — " + plainText(c.Hint)
		}
		return text + "\n"
	})
	rows := r.groupRows(NewStyle(io.Discard, false))
	if len(rows) > 0 {
		m.add("| | stack | | |\n|---|---|---|---|\n")
	}
	m.section("rows", len(rows), func(i int) string {
		return fmt.Sprintf("| %s | %s | %s | %s |\n", rows[i][0], cell(code(rows[i][1])), cell(plainText(rows[i][2])), cell(plainText(rows[i][3])))
	})
	m.section("warnings", len(r.Warnings), func(i int) string { return "> warning: " + plainText(r.Warnings[i]) + "\n" })
	if len(m.omitted) > 0 {
		fmt.Fprintf(&b, "\n_Left out, since a comment has at most 65,536 characters: %s. `axle show %s` shows all._\n", strings.Join(m.omitted, ", "), r.Run)
	}
	if r.Status == axle.RunFailed || r.Status == axle.RunPartial || r.Status == axle.RunInterrupted {
		fmt.Fprintf(&b, "\nTo go on with what is left: %s\n", code("axle resume "+r.Run))
	}
	_, _ = io.WriteString(w, b.String()) // a stream that is gone has nobody to tell
}
