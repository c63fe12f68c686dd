package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// maxMarkdown is the longest comment that GitHub takes, in characters.
const maxMarkdown = 65536

// Markdown prints the plan as a comment of a pull request: the summary, what
// must not be overlooked, a table, and the details, of which as many as fit.
func (p *Plan) Markdown(w io.Writer) {
	var b strings.Builder
	title := "### Axle plan of " + code(p.Project)
	if p.Env != "" {
		title += " in " + code(p.Env)
	}
	totals := strings.Join(p.totals(), ", ")
	if totals == "" {
		totals = "nothing to do"
	}
	fmt.Fprintf(&b, "%s\n\n**%s**\n\n", title, totals)
	m := &limited{out: &b, left: maxMarkdown - 400} // room for what was left out
	m.section("lines", len(p.Lines), func(i int) string { return "- " + plainText(p.Lines[i]) + "\n" })
	p.dangers(m)
	p.blocked(m)
	p.table(m)
	p.details(m)
	m.section("warnings", len(p.Warnings), func(i int) string { return "> warning: " + plainText(p.Warnings[i]) + "\n" })
	if s := p.Saved; s != nil {
		m.add(fmt.Sprintf("\nSaved in %s until %s, %s\n", code(s.File), s.Expires.Format("2006-01-02 15:04 MST"), code(s.Seal)))
	}
	if len(m.omitted) > 0 {
		fmt.Fprintf(&b, "\n_Left out, since a comment has at most 65,536 characters: %s. `axle plan` shows all._\n", strings.Join(m.omitted, ", "))
	}
	_, _ = io.WriteString(w, b.String()) // a stream that is gone has nobody to tell
}

// limited writes as long as there is room, and notes what was left out.
type limited struct {
	out     *strings.Builder
	left    int
	omitted []string
}

func (m *limited) add(text string) bool {
	if m.out.Len()+len(text) > m.left {
		return false
	}
	m.out.WriteString(text)
	return true
}

// section adds n pieces, and an empty line after them. None takes more than a
// third of the room, so that others have some.
func (m *limited) section(what string, n int, piece func(int) string) {
	start := m.out.Len()
	for i := range n {
		text := piece(i)
		if m.out.Len()-start+len(text) > m.left/3 || !m.add(text) {
			m.omitted = append(m.omitted, fmt.Sprintf("%d of %d %s", n-i, n, what))
			break
		}
	}
	if n > 0 {
		m.add("\n")
	}
}

// dangers calls out lost data and added access.
func (p *Plan) dangers(m *limited) {
	var lost, access []string
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Changes {
			c := &g.Changes[j]
			if c.LosesData() {
				_, note := changeNote(c)
				lost = append(lost, fmt.Sprintf("- **data loss**: %s %s of %s is %s, in %s\n", noun(c.Type), code(c.LogicalID), code(g.Name), plainText(strings.TrimSuffix(strings.ReplaceAll(note, " "+dataLoss, ""), " ")), plainText(targets(g.Targets))))
			}
			for _, a := range c.Access {
				access = append(access, fmt.Sprintf("- **access** by %s of %s: %s, in %s\n", code(c.LogicalID), code(g.Name), plainText(a), plainText(targets(g.Targets))))
			}
		}
	}
	m.section("losses of data", len(lost), func(i int) string { return lost[i] })
	m.section("additions of access", len(access), func(i int) string { return access[i] })
}

// blocked tells what stands in the way, with the accounts' names.
func (p *Plan) blocked(m *limited) {
	var out []string
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Error != nil {
			text := fmt.Sprintf("- **blocked**: %s in %s: %s", code(groupName(g.Kind, g.Name)), plainText(targets(g.Targets)), plainText(g.Error.Message))
			if g.Error.Hint != "" {
				text += " — " + plainText(g.Error.Hint)
			}
			out = append(out, text+"\n")
		}
	}
	m.section("causes", len(out), func(i int) string { return out[i] })
	if len(p.Preflight) > 0 {
		var text strings.Builder
		ailments(&text, NewStyle(io.Discard, false), p.Preflight)
		m.section("findings of the preflight", 1, func(int) string {
			return "Preflight:\n\n```text\n" + strings.ReplaceAll(text.String(), "```", "~~~") + "```\n"
		})
	}
}

// table has a row for each group.
func (p *Plan) table(m *limited) {
	if len(p.Groups) == 0 {
		return
	}
	m.add("| | stack | change | targets |\n|---|---|---|---|\n")
	signs := map[string]string{"create": "+", "update": "~", "replace": "±", "delete": "-", "none": "=", Blocked: "✗"}
	m.section("rows", len(p.Groups), func(i int) string {
		g := &p.Groups[i]
		sign := signs[g.Change]
		if g.later() {
			sign = "?"
		}
		phrase := g.phrase()
		if g.Error != nil {
			phrase = Blocked
		}
		return fmt.Sprintf("| %s | %s | %s | %d: %s |\n", sign, cell(code(groupName(g.Kind, g.Name))), cell(plainText(phrase)), len(g.Targets), cell(plainText(targets(g.Targets))))
	})
}

// details have all changes of each group, folded away.
func (p *Plan) details(m *limited) {
	var shown []*PlanGroup
	for i := range p.Groups {
		if g := &p.Groups[i]; len(g.Changes) > 0 {
			shown = append(shown, g)
		}
	}
	m.section("groups' details", len(shown), func(i int) string {
		g := shown[i]
		var b strings.Builder
		fmt.Fprintf(&b, "<details><summary>%s: %s, %s</summary>\n\n", plainText(groupName(g.Kind, g.Name)), plainText(g.phrase()), plural(len(g.Targets), "target"))
		if len(g.After) > 0 {
			fmt.Fprintf(&b, "Details are known after %s.\n\n", plainText(strings.Join(g.After, ", ")))
		}
		b.WriteString("| | resource | type | |\n|---|---|---|---|\n")
		for j := range g.Changes {
			sign, note := changeNote(&g.Changes[j])
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", sign, cell(code(g.Changes[j].LogicalID)), cell(plainText(g.Changes[j].Type)), cell(plainText(note)))
		}
		b.WriteString("\nIn " + plainText(allTargets(g.Targets)) + ".\n\n</details>\n")
		return b.String()
	})
}

// allTargets names all of them.
func allTargets(list []PlanTarget) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = (axle.Account{ID: t.Account, Name: t.AccountName}).Label() + " " + t.Region
	}
	return strings.Join(names, ", ")
}

// code is a text as code: nothing in it is markup.
func code(text string) string {
	return "`" + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "`", "'") + "`"
}

// plainText takes what would be markup, a mention or HTML in a text for what it is.
func plainText(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "[", `\[`, "]", `\]`,
		"|", `\|`, "@", "@\u200b", "#", `\#`, "~", `\~`, "!", `\!`).Replace(text)
}

// cell is a text in a table's cell; | of code isn't escaped yet.
func cell(text string) string {
	if strings.HasPrefix(text, "`") {
		return strings.ReplaceAll(text, "|", `\|`)
	}
	return text
}
