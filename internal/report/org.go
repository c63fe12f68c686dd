package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"axle"
)

// Org is the JSON of an organization.
type Org struct {
	*axle.Organization
	Calls map[string]int `json:"calls,omitempty"`
}

// OrgTree prints the tree of OUs with their accounts.
func OrgTree(w io.Writer, st Style, org *axle.Organization) {
	title := org.ID
	if title == "" {
		title = org.Source
	}
	fmt.Fprintf(w, "%s  %s, %s\n", st.bold.Render(title), plural(len(org.Accounts), "account"), plural(max(len(org.OUs)-1, 0), "OU"))
	children := map[string][]axle.OU{}
	for _, ou := range org.OUs {
		if ou.Path != "/" {
			children[parentPath(ou.Path)] = append(children[parentPath(ou.Path)], ou)
		}
	}
	accounts := map[string][]axle.Account{}
	for _, a := range org.Accounts {
		accounts[a.OU] = append(accounts[a.OU], a)
	}
	var walk func(path, indent string)
	walk = func(path, indent string) {
		list := accounts[path]
		slices.SortFunc(list, func(a, b axle.Account) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
		shown := list
		if len(shown) > 24 {
			shown = shown[:20]
		}
		var rows [][]string
		for _, a := range shown {
			rows = append(rows, []string{a.Name, st.dim.Render(a.ID), accountNotes(st, a)})
		}
		columns(w, indent, rows)
		if more := len(list) - len(shown); more > 0 {
			fmt.Fprintf(w, "%s%s\n", indent, st.dim.Render(fmt.Sprintf("... %d more accounts (axle org accounts lists all)", more)))
		}
		for _, ou := range children[path] {
			fmt.Fprintf(w, "%s%s\n", indent, st.bold.Render(ou.Name+"/"))
			walk(ou.Path, indent+"  ")
		}
	}
	walk("/", "  ")
}

func parentPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func accountNotes(st Style, a axle.Account) string {
	var notes []string
	if a.Management {
		notes = append(notes, "management")
	}
	if !a.Active() {
		notes = append(notes, st.warn.Render(a.Status))
	}
	if t := Tags(a.Tags); t != "" {
		notes = append(notes, st.dim.Render(t))
	}
	return strings.Join(notes, "  ")
}

// Tags prints tags as key=value, sorted.
func Tags(tags map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		parts = append(parts, k+"="+tags[k])
	}
	return strings.Join(parts, " ")
}

// Accounts prints accounts as a table.
func Accounts(w io.Writer, st Style, accounts []axle.Account) {
	rows := [][]string{{"ID", "NAME", "OU", "STATUS", "TAGS"}}
	for i := range rows[0] {
		rows[0][i] = st.dim.Render(rows[0][i])
	}
	for _, a := range accounts {
		rows = append(rows, []string{a.ID, a.Name, a.OU, a.Status, Tags(a.Tags)})
	}
	columns(w, "", rows)
}

// Explanation is the JSON of axle org explain: why an account is in or out.
type Explanation struct {
	Account  axle.Account `json:"account"`
	Where    string       `json:"where"`
	Selected bool         `json:"selected"`
	Reason   string       `json:"reason,omitempty"`
	Clauses  []Clause     `json:"clauses"`
}

// Clause is one part of an expression and whether it holds.
type Clause struct {
	Text  string `json:"text"`
	Holds bool   `json:"holds"`
	Depth int    `json:"depth,omitempty"`
	// Because has what the clause looks at, such as account.tags["env"] = "dev".
	Because []string `json:"because,omitempty"`
}

// Text prints the explanation.
func (e *Explanation) Text(w io.Writer, st Style) {
	word := st.bad.Render("is out")
	if e.Selected {
		word = st.good.Render("is in")
	}
	fmt.Fprintf(w, "%s %s", st.bold.Render(e.Account.Label()), word)
	if e.Reason != "" {
		fmt.Fprintf(w, ": %s", e.Reason)
	}
	fmt.Fprintln(w)
	for _, c := range e.Clauses {
		mark := st.bad.Render("✗")
		if c.Holds {
			mark = st.good.Render("✓")
		}
		because := ""
		if len(c.Because) > 0 {
			because = "  " + st.dim.Render("("+strings.Join(c.Because, ", ")+")")
		}
		fmt.Fprintf(w, "  %s%s %s%s\n", strings.Repeat("  ", c.Depth), mark, c.Text, because)
	}
	facts := "ou " + e.Account.OU + ", status " + e.Account.Status
	for _, t := range []struct {
		word string
		tags map[string]string
	}{{"tags", e.Account.Tags}, {"ou_tags", e.Account.OUTags}} {
		if len(t.tags) > 0 {
			facts += ", " + t.word + " " + Tags(t.tags)
		}
	}
	fmt.Fprintf(w, "  %s\n", st.dim.Render(facts))
}
