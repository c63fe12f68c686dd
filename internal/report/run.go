package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/plan"
)

// Run is the JSON of a run: deploy, resume, destroy, show.
type Run struct {
	Run      string         `json:"run"`
	Project  string         `json:"project"`
	Command  string         `json:"command"`
	Status   axle.RunStatus `json:"status"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Counts   Counts         `json:"counts"`
	Steps    []RunStep      `json:"steps"`
	Causes   []Cause        `json:"causes"`
	// Rollouts are those of the stacks that go wave by wave.
	Rollouts []plan.RolloutState `json:"rollouts,omitempty"`
	// Stale are stacks outside of the run with values that it has changed.
	Stale []Stale `json:"stale,omitempty"`
	// Warnings are what a user should know beside the steps.
	Warnings []string `json:"warnings,omitempty"`
}

// Counts are the steps that ended, by status.
type Counts struct {
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
	Unchanged int `json:"unchanged"`
	Cancelled int `json:"cancelled"`
	Pending   int `json:"pending,omitempty"` // left for resume
}

// RunStep is one step of a run.
type RunStep struct {
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Account     string            `json:"account"`
	AccountName string            `json:"account_name,omitempty"`
	Region      string            `json:"region"`
	Wave        int               `json:"wave,omitempty"`
	Status      axle.Status       `json:"status"`
	Action      axle.Change       `json:"action,omitempty"`
	Attempts    int               `json:"attempts"`
	Started     time.Time         `json:"started,omitzero"`
	Finished    time.Time         `json:"finished,omitzero"`
	Outputs     map[string]string `json:"outputs,omitempty"`
	Note        string            `json:"note,omitempty"`
	Warning     string            `json:"warning,omitempty"`
	Error       *axle.Failure     `json:"error,omitempty"`
	SkippedFor  string            `json:"skipped_for,omitempty"`
}

// Cause is one reason with all that it stopped.
type Cause struct {
	Cause    string   `json:"cause"`
	Count    int      `json:"count"`
	Accounts []string `json:"accounts"`
	Regions  []string `json:"regions,omitempty"`
	Hint     string   `json:"hint,omitempty"`
}

// NewRun puts a run's plan and records together.
func NewRun(run axle.Run, p *plan.Plan, records []axle.Record) *Run {
	out := &Run{Run: run.ID, Project: run.Project, Command: run.Command, Status: run.Status, Started: run.Started,
		Finished: run.Finished, Steps: make([]RunStep, 0, len(p.Steps)), Causes: []Cause{}}
	byID := make(map[string]*axle.Record, len(records))
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		rs := RunStep{ID: s.ID, Kind: s.Kind, Name: s.Name, Account: s.Account, AccountName: s.AccountName,
			Region: s.Region, Wave: s.Wave, Status: axle.Pending}
		if r := byID[s.ID]; r != nil {
			rs.Status, rs.Attempts, rs.Started, rs.Finished = r.Status, r.Attempts, r.Started, r.Finished
			rs.Action, rs.Outputs, rs.Note = r.Result.Change, r.Result.Outputs, r.Result.Note
			rs.Error, rs.SkippedFor, rs.Warning = r.Failure, r.SkippedFor, r.Result.Warning
			if rs.Warning != "" {
				out.Warnings = append(out.Warnings, groupName(s.Kind, s.Name)+" in "+place(s)+": "+rs.Warning)
			}
		}
		out.count(rs.Status)
		out.Steps = append(out.Steps, rs)
	}
	out.Causes = causes(out.failures())
	out.Rollouts = p.RolloutStates(records)
	return out
}

func (r *Run) count(st axle.Status) {
	switch st {
	case axle.Succeeded:
		r.Counts.Succeeded++
	case axle.Failed:
		r.Counts.Failed++
	case axle.Skipped:
		r.Counts.Skipped++
	case axle.Unchanged:
		r.Counts.Unchanged++
	case axle.Cancelled:
		r.Counts.Cancelled++
	default:
		r.Counts.Pending++
	}
}

// Text prints the summary of a run: by stack, the causes, what to do next.
func (r *Run) Text(w io.Writer, st Style) {
	took := ""
	if !r.Finished.IsZero() {
		took = " in " + duration(r.Finished.Sub(r.Started))
	}
	word := map[axle.RunStatus]string{axle.RunSucceeded: st.good.Render("succeeded"), axle.RunFailed: st.bad.Render("failed"),
		axle.RunPartial: st.bad.Render("partly failed"), axle.RunBlocked: st.bad.Render("was blocked before anything was touched"),
		axle.RunInterrupted: st.warn.Render("was interrupted"), axle.RunCancelled: st.warn.Render("was cancelled"),
		axle.RunPrepared: st.good.Render("is prepared"), axle.RunRunning: st.warn.Render("is running")}[r.Status]
	fmt.Fprintf(w, "%s %s%s: %s\n", st.bold.Render(capital(r.Command)+" "+r.Run), word, took, r.Counts.line())
	columns(w, "  ", r.groupRows(st))
	causesText(w, st, r.Causes, "step", r.regions())
	r.rolloutsText(w, st)
	staleText(w, st, "Stale now, outside of this run:", r.Stale)
	staleNext(w, st, r.Stale)
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "%s %s\n", st.warn.Render("warning:"), warning)
	}
	switch r.Status {
	case axle.RunFailed, axle.RunPartial, axle.RunInterrupted, axle.RunBlocked:
		next := st.Next("resume " + r.Run)
		if r.Command == "bootstrap" {
			next = st.again("bootstrap --yes")
			if slices.ContainsFunc(r.Steps, func(s RunStep) bool { return s.Kind == plan.KindSet }) {
				next = st.again("bootstrap --stackset --yes") // direct roles would be in its way
			}
		}
		fmt.Fprintf(w, "To go on with what is left: %s\n", next)
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (c Counts) line() string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{c.Succeeded, "succeeded"}, {c.Unchanged, "unchanged"}, {c.Failed, "failed"}, {c.Skipped, "skipped"}, {c.Cancelled, "cancelled"}, {c.Pending, "left"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// groupRows has one row for each stack or peering: how its steps ended, and
// how long the longest took.
func (r *Run) groupRows(st Style) [][]string {
	type group struct {
		name    string
		counts  map[string]int
		blamed  map[string]bool // steps that kept others from beginning
		longest time.Duration
		worst   axle.Status
		total   int
	}
	var order []*group
	groups := map[string]*group{}
	for i := range r.Steps {
		s := &r.Steps[i]
		key := groupName(s.Kind, s.Name)
		g := groups[key]
		if g == nil {
			g = &group{name: key, counts: map[string]int{}, blamed: map[string]bool{}, worst: axle.Unchanged}
			groups[key] = g
			order = append(order, g)
		}
		g.total++
		word := string(s.Status)
		if s.Status == axle.Succeeded {
			word = pastTense(s.Action)
		}
		g.counts[word]++
		if s.SkippedFor != "" {
			g.blamed[s.SkippedFor] = true
		}
		if worse(s.Status, g.worst) {
			g.worst = s.Status
		}
		if !s.Started.IsZero() && !s.Finished.IsZero() {
			g.longest = max(g.longest, s.Finished.Sub(s.Started))
		}
	}
	var rows [][]string
	for _, g := range order {
		var parts []string
		for _, word := range []string{"created", "updated", "replaced", "deleted", "done", "unchanged", "failed", "skipped", "cancelled", "running", "pending"} {
			if n := g.counts[word]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, word))
			}
		}
		row := []string{st.mark(g.worst), g.name, strings.Join(parts, ", "), ""}
		if g.longest >= 10*time.Millisecond {
			row[3] = st.dim.Render("longest " + duration(g.longest))
		}
		if len(g.blamed) > 0 {
			row[3] = st.dim.Render("needs " + r.blamed(g.blamed))
		}
		rows = append(rows, row)
	}
	return rows
}

// blamed names one of the steps that others had needed, and counts the rest.
func (r *Run) blamed(ids map[string]bool) string {
	first := slices.Min(slices.Collect(maps.Keys(ids)))
	name := first
	if parts := strings.Split(first, "/"); len(parts) == 3 && parts[0] == plan.KindWave {
		return "wave " + parts[2] + " of " + parts[1] + " to be well"
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.ID == first {
			name = groupName(s.Kind, s.Name) + " in " + (axle.Account{ID: s.Account, Name: s.AccountName}).Label() + " " + s.Region
		}
	}
	if len(ids) > 1 {
		name += fmt.Sprintf(" and %d more", len(ids)-1)
	}
	return name
}

// groupName is how steps of one kind and name are counted together.
func groupName(kind, name string) string {
	switch kind {
	case plan.KindStack:
		return name
	case plan.KindOutputs:
		return name + " (outputs read)"
	}
	if part, ok := strings.CutPrefix(kind, "peering-"); ok {
		return name + " " + part
	}
	return name
}

func pastTense(c axle.Change) string {
	switch c {
	case axle.Create:
		return "created"
	case axle.Update:
		return "updated"
	case axle.Replace:
		return "replaced"
	case axle.Delete:
		return "deleted"
	}
	return "done"
}

// worse orders statuses by how much a person wants to know of them.
func worse(a, b axle.Status) bool {
	rank := []axle.Status{axle.Unchanged, axle.Succeeded, axle.Pending, axle.Running, axle.Cancelled, axle.Skipped, axle.Failed}
	return slices.Index(rank, a) > slices.Index(rank, b)
}
