package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// Drift is the JSON of axle drift.
type Drift struct {
	Project string       `json:"project"`
	Summary DriftSummary `json:"summary"`
	Groups  []DriftGroup `json:"groups"`
	Stacks  []DriftStack `json:"stacks"`
	// Warnings are what a user should know beside the stacks.
	Warnings []string `json:"warnings,omitempty"`
}

// DriftSummary counts the stacks.
type DriftSummary struct {
	InSync  int `json:"in_sync"`
	Drifted int `json:"drifted"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
}

// DriftStack is one stack.
type DriftStack struct {
	Stack       string         `json:"stack"`
	StackName   string         `json:"stack_name"`
	Account     string         `json:"account"`
	AccountName string         `json:"account_name,omitempty"`
	Region      string         `json:"region"`
	Status      string         `json:"status"` // in_sync, drifted, skipped, failed
	Resources   []axle.Drifted `json:"resources,omitempty"`
	Phantoms    []string       `json:"phantoms,omitempty"`
	Reason      string         `json:"reason,omitempty"` // of skipped
	Error       *axle.Failure  `json:"error,omitempty"`
}

// DriftGroup is one difference and all the targets that have it.
type DriftGroup struct {
	Stack     string         `json:"stack"`
	Status    string         `json:"status"`
	Resources []axle.Drifted `json:"resources,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Error     *axle.Failure  `json:"error,omitempty"`
	Targets   []PlanTarget   `json:"targets"`
}

// Fold sums the stacks up, and puts together those that differ in the same way;
// account ids, names and regions aside.
func (d *Drift) Fold() {
	d.Groups = []DriftGroup{}
	at := map[string]int{}
	phantoms := map[string]bool{}
	for i := range d.Stacks {
		s := &d.Stacks[i]
		for _, p := range s.Phantoms {
			if name := s.Stack + " " + p; !phantoms[name] {
				phantoms[name] = true
				d.Warnings = append(d.Warnings, fmt.Sprintf("%s of %s isn't counted: it is read by Fn::GetStackOutput, which drift detection doesn't evaluate", p, s.Stack))
			}
		}
		switch s.Status {
		case "in_sync":
			d.Summary.InSync++
			continue
		case "drifted":
			d.Summary.Drifted++
		case "skipped":
			d.Summary.Skipped++
		default:
			d.Summary.Failed++
		}
		key := s.foldKey()
		n, ok := at[key]
		if !ok {
			n = len(d.Groups)
			at[key] = n
			d.Groups = append(d.Groups, DriftGroup{Stack: s.Stack, Status: s.Status, Resources: s.Resources, Reason: s.Reason, Error: s.Error})
		}
		d.Groups[n].Targets = append(d.Groups[n].Targets, PlanTarget{s.Account, s.AccountName, s.Region})
	}
}

func (s *DriftStack) foldKey() string {
	var b strings.Builder
	b.WriteString(s.Stack + "|" + s.Status + "|" + s.Reason)
	own := strings.NewReplacer(s.Account, "(account)", s.Region, "(region)")
	for _, r := range s.Resources {
		fmt.Fprintf(&b, "|%s %s", r.LogicalID, r.Status)
		for _, p := range r.Properties {
			b.WriteString("|" + own.Replace(fmt.Sprintf("%s %s %q %q", p.Path, p.Kind, p.Expected, p.Actual)))
		}
	}
	if s.Error != nil {
		b.WriteString("|" + s.Error.Code + fold(s.Error.Message, s.AccountName))
	}
	return b.String()
}

// Text prints what has drifted, folded.
func (d *Drift) Text(w io.Writer, st Style) {
	for _, g := range d.Groups {
		mark := map[string]string{"drifted": st.warn.Render("≠"), "skipped": st.dim.Render("·"), "failed": st.bad.Render("✗")}[g.Status]
		fmt.Fprintf(w, "%s %s  %s  %s\n", mark, st.bold.Render(g.Stack), g.Status, st.dim.Render(targets(g.Targets)))
		if g.Reason != "" {
			fmt.Fprintf(w, "    %s\n", g.Reason)
		}
		if g.Error != nil {
			fmt.Fprintf(w, "    %s\n", failureText(g.Error))
		}
		for _, r := range g.Resources {
			if r.Status == "DELETED" {
				fmt.Fprintf(w, "    - %s  %s  %s\n", r.LogicalID, st.dim.Render(r.Type), st.bad.Render("deleted"))
				continue
			}
			fmt.Fprintf(w, "    ~ %s  %s\n", r.LogicalID, st.dim.Render(r.Type))
			for _, p := range r.Properties {
				fmt.Fprintf(w, "        %s: %s, but is %s\n", strings.ReplaceAll(strings.Trim(p.Path, "/"), "/", "."), clip(p.Expected), clip(p.Actual))
			}
		}
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(w, "%s %s\n", st.warn.Render("warning:"), warning)
	}
	s := d.Summary
	fmt.Fprintf(w, "%s %d drifted, %d in sync", st.bold.Render("Drift:"), s.Drifted, s.InSync)
	if s.Skipped > 0 {
		fmt.Fprintf(w, ", %d skipped", s.Skipped)
	}
	if s.Failed > 0 {
		fmt.Fprintf(w, ", %d failed", s.Failed)
	}
	fmt.Fprintln(w)
	if s.Drifted > 0 {
		fmt.Fprintf(w, "To bring it back to the templates: %s\n", st.again("drift --revert"))
	}
}

// clip shortens a value for a line.
func clip(v string) string {
	if v == "" || v == "null" {
		return "nothing"
	}
	if r := []rune(v); len(r) > 100 {
		return string(r[:97]) + "..."
	}
	return v
}
