package report

import (
	"fmt"
	"io"
	"strings"

	"axle/policy/pattern"
)

// Pattern is the JSON of generated access: the bundle, and where it was written.
type Pattern struct {
	*pattern.Bundle
	Folder string `json:"folder,omitempty"`
}

// Text prints every file under a heading, or what was written where.
func (p *Pattern) Text(w io.Writer, st Style) {
	if p.Folder == "" {
		for _, f := range p.Files {
			fmt.Fprintf(w, "%s\n%s\n", st.bold.Render("# ==== "+f.Path+": "+f.For), f.Text)
		}
	} else {
		fmt.Fprintf(w, "Wrote %s to %s:\n", plural(len(p.Files), "file"), p.Folder)
		var rows [][]string
		for _, f := range p.Files {
			rows = append(rows, []string{f.Path, st.dim.Render(f.For)})
		}
		columns(w, "  ", rows)
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, st.bold.Render("# Deployed in this order:"))
	var rows [][]string
	for i, s := range p.Stacks {
		rows = append(rows, []string{fmt.Sprintf("#   %d.", i+1), s.Name, strings.Join(s.Accounts, ", "), s.Region, st.dim.Render(s.Why)})
	}
	columns(w, "", rows)
	patternNotes(w, st, p.Notes)
}

func patternNotes(w io.Writer, st Style, notes []string) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintln(w, st.bold.Render("# To know:"))
	for _, n := range notes {
		fmt.Fprintf(w, "#   - %s\n", n)
	}
}
