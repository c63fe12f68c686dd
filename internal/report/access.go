package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"axle/internal/apps/access"
)

// AccessAnswer prints whether somebody can do something, and why, as a short
// tree. label gives accounts their names; all prints also what the policies of
// those accesses say that aren't in doubt.
func AccessAnswer(w io.Writer, st Style, a *access.Answer, label func(string) string, all bool) {
	fmt.Fprintf(w, "%s: %s, %s on %s\n", verdictWord(st, a.Verdict), st.bold.Render(a.Name), a.Action, a.Resource)
	p := accessPrinter{w, st, label, all}
	if len(a.Via) > 0 {
		p.chain(a)
		return
	}
	p.answer(a, "  ")
}

type accessPrinter struct {
	w     io.Writer
	st    Style
	label func(string) string
	all   bool
}

func verdictWord(st Style, v access.Verdict) string {
	switch v {
	case access.Allowed:
		return st.good.Render(string(v))
	case access.Denied, access.Unsupported:
		return st.bad.Render(string(v))
	}
	return st.warn.Render(string(v))
}

// chain tells of the roles to assume, and then why it doesn't go directly.
func (p accessPrinter) chain(a *access.Answer) {
	names := make([]string, len(a.Via))
	for i, arn := range a.Via {
		names[i] = p.role(arn)
	}
	fmt.Fprintf(p.w, "  can, by assuming %s\n", strings.Join(names, ", then "))
	for _, hop := range a.Hops {
		fmt.Fprintf(p.w, "  %s: %s, %s on %s\n", verdictWord(p.st, hop.Verdict), hop.Name, hop.Action, hop.Resource)
		p.answer(hop, "    ")
	}
	fmt.Fprintf(p.w, "  directly: %s\n", verdictWord(p.st, a.Direct))
	direct := *a
	direct.Keys = nil
	p.answer(&direct, "    ")
}

// role is "axle-spoke in data (222222222222)".
func (p accessPrinter) role(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return arn
	}
	return parts[5][strings.LastIndexByte(parts[5], '/')+1:] + " in " + p.label(parts[4])
}

func (p accessPrinter) answer(a *access.Answer, indent string) {
	if a.Note != "" {
		fmt.Fprintf(p.w, "%s%s\n", indent, a.Note)
	}
	if len(a.Keys) > 0 {
		fmt.Fprintf(p.w, "%sdepends on %s: say it with --context KEY=VALUE\n", indent, strings.Join(a.Keys, ", "))
	}
	for _, says := range a.Policies {
		p.says(says, indent)
	}
	if a.Verdict == access.Unknown {
		for _, g := range a.Missing {
			fmt.Fprintf(p.w, "%s%s %s: %s\n", indent, p.st.warn.Render("missing:"), g.What, g.Why)
			if g.Hint != "" {
				fmt.Fprintf(p.w, "%s  hint: %s\n", indent, g.Hint)
			}
		}
	}
	for _, c := range a.Changes {
		fmt.Fprintf(p.w, "%s%s %s\n", indent, p.st.bold.Render("to allow it:"), c.Text)
	}
	if e := a.Encryption; e != nil {
		fmt.Fprintf(p.w, "%s%s: its key, %s on %s\n", indent, verdictWord(p.st, e.Verdict), e.Action, keyName(e.Resource))
		p.answer(e, indent+"  ")
	}
}

func keyName(id string) string {
	if id == "" {
		return "AWS's own key"
	}
	return id
}

// says prints what one policy says. What only doesn't stand in the way is left
// out unless everything is wanted.
func (p accessPrinter) says(s access.Says, indent string) {
	limit := strings.HasPrefix(s.Kind, "service control") || strings.HasPrefix(s.Kind, "resource control")
	if !p.all && (!s.Matters || limit && s.Says == "allows") {
		return
	}
	mark := p.st.dim.Render("·")
	switch s.Says {
	case "allows":
		mark = p.st.good.Render("✓")
	case "denies", "doesn't allow", "isn't there":
		mark = p.st.bad.Render("✗")
	case "depends", "isn't known":
		mark = p.st.warn.Render("?")
	}
	where := ""
	if s.Statement >= 0 && (s.Says == "allows" || s.Says == "denies" || s.Says == "depends") {
		where = fmt.Sprintf(" (statement %d", s.Statement+1)
		if s.SID != "" {
			where += ", " + s.SID
		}
		where += ")"
	}
	why := ""
	if s.Why != "" {
		why = ": " + s.Why
	}
	name := s.Name
	if s.Account != "" && !strings.Contains(name, s.Account) && !limit {
		name += " in " + p.label(s.Account)
	}
	fmt.Fprintf(p.w, "%s%s %s %s%s%s\n", indent, mark, name, s.Says, where, why)
}

// AccessListing prints who can do something with a resource, folded: the same
// role of many accounts is one line.
func AccessListing(w io.Writer, st Style, l *access.Listing, label func(string) string) {
	owner := ""
	if l.ResourceAccount != "" {
		owner = " in " + label(l.ResourceAccount)
	}
	fmt.Fprintf(w, "%s%s  %s\n", st.bold.Render(l.Resource), owner, st.dim.Render(strings.Join(l.Actions, ", ")))
	if len(l.Rows) == 0 {
		fmt.Fprintln(w, "  nobody")
	}
	path := ""
	var rows [][]string
	flush := func() {
		columns(w, "    ", rows)
		rows = nil
	}
	for _, f := range foldRows(l.Rows, label) {
		if f.path != path {
			flush()
			path = f.path
			fmt.Fprintf(w, "  %s\n", st.bold.Render(path))
		}
		rows = append(rows, f.cells(st))
	}
	flush()
	for _, g := range l.Missing {
		fmt.Fprintf(w, "  %s %s: %s\n", st.warn.Render("not known:"), g.What, g.Why)
		if g.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", g.Hint)
		}
	}
}

// foldedRow are rows that differ in their account only.
type foldedRow struct {
	path, who, actions, verdict, by string
	conditional                     bool
	accounts                        []string
}

func foldRows(rows []access.Row, label func(string) string) []foldedRow {
	p := accessPrinter{label: label}
	var out []foldedRow
	for _, r := range rows {
		f := foldedRow{path: r.Path, actions: strings.Join(r.Actions, ", "), verdict: string(r.Verdict), who: rowName(r)}
		if r.Verdict == access.Conditional {
			f.verdict, f.conditional = "if "+strings.Join(r.Keys, ", "), true
		}
		if r.Verdict == access.Allowed {
			f.verdict = ""
		}
		var by []string
		for _, g := range r.Grants {
			if r.Account != "" {
				g = strings.ReplaceAll(g, " of "+label(r.Account), "")
			}
			by = append(by, g)
		}
		if len(r.Via) > 0 {
			by = by[:0]
			for _, arn := range r.Via {
				by = append(by, p.role(arn))
			}
			by = []string{"assumes " + strings.Join(by, ", then ")}
		}
		f.by = strings.Join(by, "; ")
		i := slices.IndexFunc(out, func(have foldedRow) bool {
			return have.path == f.path && have.who == f.who && have.actions == f.actions && have.verdict == f.verdict && have.by == f.by
		})
		if i < 0 {
			i = len(out)
			out = append(out, f)
		}
		if r.Account != "" && r.Kind != "outside" {
			out[i].accounts = append(out[i].accounts, label(r.Account))
		}
	}
	return out
}

// rowName is how a principal is called.
func rowName(r access.Row) string {
	name := r.Principal
	switch r.Kind {
	case "role", "user":
		name = r.Kind + " " + name[strings.LastIndexByte(name, '/')+1:]
	case "root":
		name = "root user"
	case "public":
		name = "anybody"
	}
	if len(r.Subjects) > 0 {
		name = strings.Join(r.Subjects, ", ") + " by " + name[strings.Index(name, "/")+1:]
	}
	return name
}

func (f foldedRow) cells(st Style) []string {
	accounts := strings.Join(f.accounts, ", ")
	if len(f.accounts) > 3 {
		accounts = fmt.Sprintf("%s, %s and %d more accounts", f.accounts[0], f.accounts[1], len(f.accounts)-2)
	}
	verdict := f.verdict
	if verdict != "" {
		verdict = st.warn.Render(verdict)
	}
	return []string{f.who, accounts, f.actions, verdict, st.dim.Render(f.by)}
}
