package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"axle"
)

// Text prints the folded plan.
func (p *Plan) Text(w io.Writer, st Style) {
	if len(p.Groups) == 0 {
		fmt.Fprintln(w, "Nothing to do: no stack has a target here.")
	}
	sign := map[string]string{"create": st.good.Render("+"), "update": st.warn.Render("~"), "replace": st.bad.Render("±"),
		"delete": st.bad.Render("-"), "none": st.dim.Render("="), Blocked: st.bad.Render("✗")}
	for _, g := range p.Groups {
		mark, word := sign[g.Change], g.Change
		switch {
		case g.later():
			mark, word = st.warn.Render("?"), "known after "+strings.Join(g.After, ", ")
		case g.Change == string(axle.None):
			word = "unchanged"
		}
		where := targets(g.Targets)
		if g.folded() {
			where += fmt.Sprintf("  #%d", g.Group)
		}
		fmt.Fprintf(w, "%s %s  %s  %s\n", mark, st.bold.Render(groupName(g.Kind, g.Name)), word, st.dim.Render(where))
		p.changesText(w, st, &g)
	}
	if len(p.Preflight) > 0 {
		fmt.Fprintf(w, "\n%s\n", st.bold.Render("Preflight:"))
		ailments(w, st, p.Preflight)
	}
	staleText(w, st, "Stale until deployed:", p.Stale)
	parts := p.totals()
	if len(parts) > 0 {
		fmt.Fprintf(w, "%s %s\n", st.bold.Render("Plan:"), strings.Join(parts, ", "))
	}
	for _, line := range p.Lines {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(line, dataLoss, st.bad.Render(dataLoss)))
	}
	for i := range p.Rollouts {
		if !p.Summary.Pending() {
			break
		}
		fmt.Fprintf(w, "  %s\n", p.Rollouts[i].text())
	}
	switch r := p.Prepared; {
	case r == nil:
	case r.Run == "":
		fmt.Fprintln(w, "Nothing was prepared.")
	default:
		fmt.Fprintf(w, "Prepared %s as run %s, until %s\n", plural(r.Steps, "change set"), r.Run, r.Expires.Format(time.RFC3339))
		fmt.Fprintf(w, "To execute exactly these: %s\n", st.Next("execute "+r.Run))
	}
	if s := p.Saved; s != nil {
		fmt.Fprintf(w, "Saved in %s, valid until %s, %s\n", s.File, s.Expires.Format(time.RFC3339), s.Seal)
		fmt.Fprintf(w, "To do exactly this: %s\n", st.Next("deploy "+Word(s.File)))
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "%s %s\n", st.warn.Render("warning:"), warning)
	}
}

// dataLoss is how lost data is called out.
const dataLoss = "(data loss!)"

// totals count the steps by what becomes of them, in words.
func (p *Plan) totals() []string {
	later := 0
	for i := range p.Groups {
		if p.Groups[i].later() {
			later += len(p.Groups[i].Targets)
		}
	}
	s := p.Summary
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{s.Create, "to create"}, {s.Update, "to update"}, {s.Replace, "to replace"}, {s.Delete, "to delete"}, {s.None - later, "unchanged"}, {later, "known later"}, {s.Blocked, "blocked"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return parts
}

// later says whether what is there may stay as it is: it depends on outputs
// that change.
func (g *PlanGroup) later() bool { return g.Change == string(axle.None) && len(g.After) > 0 }

func (p *Plan) changesText(w io.Writer, st Style, g *PlanGroup) {
	if g.Error != nil {
		fmt.Fprintf(w, "    %s\n", g.Error.Message)
		if g.Error.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", g.Error.Hint)
		}
	}
	if g.Note != "" {
		fmt.Fprintf(w, "    %s\n", g.Note)
	}
	if len(g.After) > 0 && g.Change != string(axle.None) {
		fmt.Fprintf(w, "    %s\n", st.dim.Render("details known after "+strings.Join(g.After, ", ")))
	}
	var rows [][]string
	shown := g.Changes
	if len(shown) > 22 {
		shown = shown[:20]
	}
	for i := range shown {
		sign, note := changeNote(&shown[i])
		switch {
		case shown[i].Action == "Remove", shown[i].Replacement == "True":
			note = st.bad.Render(note)
		case shown[i].Replacement != "":
			note = st.warn.Render(note)
		}
		rows = append(rows, []string{sign, shown[i].LogicalID, st.dim.Render(shown[i].Type), note})
	}
	columns(w, "    ", rows)
	accessText(w, st, g.Changes)
	if more := len(g.Changes) - len(shown); more > 0 {
		fmt.Fprintf(w, "    %s\n", st.dim.Render(fmt.Sprintf("and %d more resources (--output json has all)", more)))
	}
}

// accessText calls out what access the changes add; what several resources give
// alike is one line.
func accessText(w io.Writer, st Style, changes []axle.ResourceChange) {
	var order []string
	by := map[string][]string{} // resources, by the access that they add
	for i := range changes {
		for _, access := range changes[i].Access {
			if by[access] == nil {
				order = append(order, access)
			}
			by[access] = append(by[access], changes[i].LogicalID)
		}
	}
	for i, access := range order {
		if i == maxAccess-1 && len(order) > maxAccess {
			fmt.Fprintf(w, "    %s\n", st.warn.Render(fmt.Sprintf("! access: and %d more (--output json has all)", len(order)-i)))
			break
		}
		fmt.Fprintf(w, "    %s %s: %s\n", st.warn.Render("! access:"), few(by[access]), access)
	}
}

// maxAccess is how many lines the access of a group may take.
const maxAccess = 20

// changeNote is a change's sign, and what happens to the resource.
func changeNote(c *axle.ResourceChange) (sign, note string) {
	note = values(c)
	because := ""
	if note != "" {
		because = " because of " + note
	}
	switch {
	case c.Action == "Add":
		return "+", note
	case c.Action == "Import":
		return "<", "imported as it is"
	case c.Action == "Remove":
		sign, note = "-", "deleted"
		if strings.HasSuffix(c.Policy, "Retain") {
			note = "left behind (DeletionPolicy)"
		}
	case c.Replacement == "True":
		sign, note = "±", "replaced"
	case c.Replacement == "Conditional":
		sign, note = "~", "may be replaced"
		if axle.HoldsData(c.Type) {
			note += " (it holds data)"
		}
	default:
		return "~", note
	}
	if c.LosesData() {
		note += " " + dataLoss
	}
	return sign, note + because
}

// values are the properties that change, with their values where these are
// known and short.
func values(c *axle.ResourceChange) string {
	var parts []string
	named := map[string]bool{}
	for _, d := range c.Details {
		top, _, _ := strings.Cut(d.Path, "/")
		named[top] = true
		parts = append(parts, strings.ReplaceAll(d.Path, "/", ".")+between(d))
	}
	for _, name := range c.Properties {
		if !named[name] {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	if len(parts) > 5 {
		parts = append(parts[:4], fmt.Sprintf("and %d more", len(parts)-4))
	}
	return strings.Join(parts, ", ")
}

// between is how a value goes from one to another.
func between(d axle.PropertyChange) string {
	text := ""
	switch before, after := short(d.Before), short(d.After); {
	case before == "" && after == "":
	case before == "":
		text = ": " + after
	case after == "":
		text = ": " + before + " → (gone)"
	default:
		text = ": " + before + " → " + after
	}
	if d.PerTarget {
		text += " (per target)"
	}
	return text
}

// short is a value for a line; "" for documents, which say nothing when cut.
func short(value string) string {
	if len(value) > 1 && (value[0] == '{' || value[0] == '[') {
		return ""
	}
	value = strings.Join(strings.Fields(value), " ")
	if len(value) > 48 {
		value = strings.TrimSuffix(firstWords(value, 44), " …") + "…"
	}
	return value
}

// targets names a few targets, and counts many.
func targets(list []PlanTarget) string {
	byRegion := map[string][]string{}
	times := map[PlanTarget]int{}
	var order []string
	for _, t := range list {
		if times[t]++; times[t] > 1 {
			continue
		}
		if byRegion[t.Region] == nil {
			order = append(order, t.Region)
		}
		name := t.AccountName
		if name == "" {
			name = t.Account
		}
		byRegion[t.Region] = append(byRegion[t.Region], name)
	}
	slices.Sort(order)
	var parts []string
	for len(order) > 0 { // regions with the same accounts are named together
		names := byRegion[order[0]]
		var same, rest []string
		for _, r := range order {
			if slices.Equal(byRegion[r], names) {
				same = append(same, r)
			} else {
				rest = append(rest, r)
			}
		}
		order = rest
		list := strings.Join(names, ", ")
		if len(names) > 6 {
			list = fmt.Sprintf("%s and %d more accounts", strings.Join(names[:4], ", "), len(names)-4)
		}
		parts = append(parts, strings.Join(same, ", ")+": "+list)
	}
	if n := len(times); n > 6 {
		return fmt.Sprintf("%d targets in %s", n, strings.Join(parts, "; "))
	}
	return strings.Join(parts, "; ")
}
