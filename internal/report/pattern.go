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

// Advice prints which pattern is for which resource, why, and how to get it.
func Advice(w io.Writer, st Style, a *pattern.Advice) {
	for _, r := range a.Resources {
		fmt.Fprintf(w, "%s  %s\n", st.bold.Render(r.Pattern), r.Resource)
		fmt.Fprintf(w, "  %s\n", st.dim.Render(strings.Join(r.Actions, ", ")))
		for _, why := range r.Why {
			fmt.Fprintf(w, "  - %s\n", why)
		}
	}
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(w, "\n%s\n", st.bold.Render(title))
		for _, l := range lines {
			fmt.Fprintf(w, "  - %s\n", l)
		}
	}
	if len(a.Endpoints) > 0 {
		fmt.Fprintf(w, "\n%s\n", st.bold.Render("VPC endpoints, and what their policies must allow:"))
		for _, e := range a.Endpoints {
			fmt.Fprintf(w, "  - %s (%s), %s\n", e.Service, e.Type, e.Why)
			for _, line := range strings.Split(strings.TrimRight(e.Statement.Indented(), "\n"), "\n") {
				fmt.Fprintf(w, "      %s\n", line)
			}
		}
	}
	list("Order:", a.Order)
	list("To know:", a.Notes)
	if len(a.Commands) > 0 {
		fmt.Fprintf(w, "\n%s\n", st.bold.Render("Next:"))
		for _, c := range a.Commands {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(c, " --", " \\\n    --"))
		}
	}
}
