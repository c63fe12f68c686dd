package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/plan"
)

// Plan is the JSON of a plan.
type Plan struct {
	Plan     string      `json:"plan"`
	Project  string      `json:"project"`
	Command  string      `json:"command"`
	Summary  PlanSummary `json:"summary"`
	Groups   []PlanGroup `json:"groups"`
	Steps    []PlanStep  `json:"steps"`
	Warnings []string    `json:"warnings,omitempty"`
	// Preflight is what the doctor found where anything would be done.
	Preflight []doctor.Finding `json:"preflight,omitempty"`
}

// AddPreflight adds what the doctor found: what blocks, and what couldn't be
// found out.
func (p *Plan) AddPreflight(found []doctor.Finding) {
	for _, f := range found {
		if f.State == doctor.Blocked || f.State == doctor.Unknown {
			p.Preflight = append(p.Preflight, f)
		}
	}
}

// Blocked says whether a deploy would fail somewhere, as far as can be seen.
func (p *Plan) Blocked() bool {
	return p.Summary.Blocked > 0 || slices.ContainsFunc(p.Preflight, func(f doctor.Finding) bool { return f.State == doctor.Blocked })
}

// PlanSummary counts the steps by what they will do.
type PlanSummary struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Replace int `json:"replace"`
	Delete  int `json:"delete"`
	None    int `json:"none"`
	Blocked int `json:"blocked"`
}

// Pending says whether anything would be done.
func (s PlanSummary) Pending() bool { return s.Create+s.Update+s.Replace+s.Delete > 0 }

// PlanGroup is one change and all the targets that it is the same for.
type PlanGroup struct {
	Kind    string                `json:"kind"`
	Name    string                `json:"name"`
	Change  string                `json:"change"`
	Changes []axle.ResourceChange `json:"changes,omitempty"`
	After   []string              `json:"after,omitempty"`
	Note    string                `json:"note,omitempty"`
	Error   *axle.Failure         `json:"error,omitempty"`
	Targets []PlanTarget          `json:"targets"`
}

// PlanTarget is where a change happens.
type PlanTarget struct {
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
}

// PlanStep is one step of the plan.
type PlanStep struct {
	ID          string                `json:"id"`
	Kind        string                `json:"kind"`
	Name        string                `json:"name"`
	Account     string                `json:"account"`
	AccountName string                `json:"account_name,omitempty"`
	Region      string                `json:"region"`
	Needs       []string              `json:"needs,omitempty"`
	Action      string                `json:"action"` // create|update|replace|delete|none|blocked
	Changes     []axle.ResourceChange `json:"changes,omitempty"`
	After       []string              `json:"after,omitempty"` // known after these stacks
	Note        string                `json:"note,omitempty"`
	Error       *axle.Failure         `json:"error,omitempty"`
}

// Blocked is the action of a step that can't be done.
const Blocked = "blocked"

// NewPlan puts a plan and what its preview found together.
func NewPlan(id string, p *plan.Plan, records []axle.Record) *Plan {
	out := &Plan{Plan: id, Project: p.Project, Command: p.Command, Groups: []PlanGroup{}, Steps: make([]PlanStep, 0, len(p.Steps))}
	byID := make(map[string]*axle.Record, len(records))
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	labels := make(map[string]string, len(p.Steps))
	for i := range p.Steps {
		labels[p.Steps[i].ID] = groupName(p.Steps[i].Kind, p.Steps[i].Name)
	}
	groups := map[string]int{}
	for i := range p.Steps {
		s := &p.Steps[i]
		ps := PlanStep{ID: s.ID, Kind: s.Kind, Name: s.Name, Account: s.Account, AccountName: s.AccountName, Region: s.Region, Needs: s.Needs}
		ps.fill(byID[s.ID], labels)
		out.Steps = append(out.Steps, ps)
		if s.Kind == plan.KindOutputs && ps.Error == nil {
			continue // reading changes nothing
		}
		out.Summary.add(ps.Action)
		key := ps.foldKey()
		at, ok := groups[key]
		if !ok {
			at = len(out.Groups)
			groups[key] = at
			g := PlanGroup{Kind: s.Kind, Name: s.Name, Change: ps.Action, Changes: ps.Changes, After: ps.After, Note: ps.Note, Error: ps.Error}
			out.Groups = append(out.Groups, g)
		}
		g := &out.Groups[at]
		g.Targets = append(g.Targets, PlanTarget{s.Account, s.AccountName, s.Region})
		if g.Error != nil && ps.Error != nil && g.Error.Message != ps.Error.Message {
			folded := *g.Error
			folded.Message = fold(ps.Error.Message, ps.AccountName)
			g.Error = &folded
		}
	}
	return out
}

// fill takes what the preview found; labels are the names of steps for people.
func (ps *PlanStep) fill(r *axle.Record, labels map[string]string) {
	switch {
	case r == nil:
		ps.Action = Blocked
		ps.Error = &axle.Failure{Code: "NotPreviewed", Message: "the preview was stopped before it came to this step"}
	case r.Status == axle.Skipped:
		ps.Action = Blocked
		ps.Error = &axle.Failure{Code: "Skipped", Message: "needs " + labels[r.SkippedFor] + ", which is blocked"}
	case r.Failure != nil:
		ps.Action, ps.Error = Blocked, r.Failure
	default:
		ps.Action, ps.Changes, ps.After, ps.Note = string(r.Result.Change), r.Result.Changes, r.Result.After, r.Result.Note
		if ps.Action == "" {
			ps.Action = string(axle.None)
		}
	}
}

// foldKey is equal for steps whose change reads the same.
func (ps *PlanStep) foldKey() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%s|%v|%s", groupName(ps.Kind, ps.Name), ps.Action, "", ps.After, ps.Note)
	for _, c := range ps.Changes {
		fmt.Fprintf(&b, "|%s %s %s %s %v", c.Action, c.LogicalID, c.Type, c.Replacement, c.Properties)
	}
	if ps.Error != nil {
		b.WriteString("|" + ps.Error.Code + fold(ps.Error.Message, ps.AccountName))
	}
	return b.String()
}

func (s *PlanSummary) add(action string) {
	switch action {
	case string(axle.Create):
		s.Create++
	case string(axle.Update):
		s.Update++
	case string(axle.Replace):
		s.Replace++
	case string(axle.Delete):
		s.Delete++
	case Blocked:
		s.Blocked++
	default:
		s.None++
	}
}

// Text prints the folded plan.
func (p *Plan) Text(w io.Writer, st Style) {
	if len(p.Groups) == 0 {
		fmt.Fprintln(w, "Nothing to do: no stack has a target here.")
	}
	sign := map[string]string{"create": st.good.Render("+"), "update": st.warn.Render("~"), "replace": st.bad.Render("±"),
		"delete": st.bad.Render("-"), "none": st.dim.Render("="), Blocked: st.bad.Render("✗")}
	later := 0
	for _, g := range p.Groups {
		mark, word := sign[g.Change], g.Change
		switch {
		case g.later():
			mark, word = st.warn.Render("?"), "known after "+strings.Join(g.After, ", ")
			later += len(g.Targets)
		case g.Change == string(axle.None):
			word = "unchanged"
		}
		fmt.Fprintf(w, "%s %s  %s  %s\n", mark, st.bold.Render(groupName(g.Kind, g.Name)), word, st.dim.Render(targets(g.Targets)))
		p.changesText(w, st, &g)
	}
	if len(p.Preflight) > 0 {
		fmt.Fprintf(w, "\n%s\n", st.bold.Render("Preflight:"))
		ailments(w, st, p.Preflight)
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
	if len(parts) > 0 {
		fmt.Fprintf(w, "%s %s\n", st.bold.Render("Plan:"), strings.Join(parts, ", "))
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "%s %s\n", st.warn.Render("warning:"), warning)
	}
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
	for _, c := range shown {
		sign, note := "~", strings.Join(c.Properties, ", ")
		switch {
		case c.Action == "Add":
			sign = "+"
		case c.Action == "Remove":
			sign, note = "-", st.bad.Render("deleted")
		case c.Replacement == "True":
			sign, note = "±", st.bad.Render("replaced")+because(note)
		case c.Replacement == "Conditional":
			note = st.warn.Render("may be replaced") + because(note)
		}
		rows = append(rows, []string{sign, c.LogicalID, st.dim.Render(c.Type), note})
	}
	columns(w, "    ", rows)
	if more := len(g.Changes) - len(shown); more > 0 {
		fmt.Fprintf(w, "    %s\n", st.dim.Render(fmt.Sprintf("and %d more resources (--output json has all)", more)))
	}
}

func because(properties string) string {
	if properties == "" {
		return ""
	}
	return " because of " + properties
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
