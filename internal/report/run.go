package report

import (
	"fmt"
	"io"
	"regexp"
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
	Status      axle.Status       `json:"status"`
	Action      axle.Change       `json:"action,omitempty"`
	Attempts    int               `json:"attempts"`
	Started     time.Time         `json:"started,omitzero"`
	Finished    time.Time         `json:"finished,omitzero"`
	Outputs     map[string]string `json:"outputs,omitempty"`
	Note        string            `json:"note,omitempty"`
	Error       *axle.Failure     `json:"error,omitempty"`
	SkippedFor  string            `json:"skipped_for,omitempty"`
}

// Cause is one reason with all that it stopped.
type Cause struct {
	Cause    string   `json:"cause"`
	Count    int      `json:"count"`
	Accounts []string `json:"accounts"`
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
			Region: s.Region, Status: axle.Pending}
		if r := byID[s.ID]; r != nil {
			rs.Status, rs.Attempts, rs.Started, rs.Finished = r.Status, r.Attempts, r.Started, r.Finished
			rs.Action, rs.Outputs, rs.Note = r.Result.Change, r.Result.Outputs, r.Result.Note
			rs.Error, rs.SkippedFor = r.Failure, r.SkippedFor
		}
		out.count(rs.Status)
		out.Steps = append(out.Steps, rs)
	}
	out.Causes = causes(out.Steps)
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

// What differs from target to target in messages of one cause.
var (
	digits12 = regexp.MustCompile(`\b[0-9]{12}\b`)
	hexIDs   = regexp.MustCompile(`\b((?:[a-z]+-)[0-9a-f]{8,17}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)
	regions  = regexp.MustCompile(`\b[a-z]{2}(-[a-z]+)+-[0-9]\b`)
	sessions = regexp.MustCompile(`(assumed-role/[^/ ]+/)[^ ,:]+`)
	requests = regexp.MustCompile(`(?i)\(?(Service: [^)]*|request ?id: ?[^),; ]+)\)?`)
)

// fold removes from a message what names one target, so that the same cause in
// many targets is one line. names are the target's own.
func fold(message string, names ...string) string {
	for _, n := range names {
		if len(n) > 2 {
			message = strings.ReplaceAll(message, n, "<account>")
		}
	}
	message = digits12.ReplaceAllString(message, "<account>")
	message = hexIDs.ReplaceAllString(message, "<id>")
	message = regions.ReplaceAllString(message, "<region>")
	message = sessions.ReplaceAllString(message, "${1}<session>")
	message = requests.ReplaceAllString(message, "")
	message = strings.ReplaceAll(message, "<account> (<account>)", "<account>")
	return strings.Join(strings.Fields(message), " ")
}

// causes folds the failures of steps. A cause that reads the same for all of
// its targets keeps its words; the largest comes first.
func causes(steps []RunStep) []Cause {
	type group struct {
		Cause
		first  string
		differ bool // the words do, from target to target
		names  map[string]bool
	}
	groups := map[string]*group{}
	for i := range steps {
		s := &steps[i]
		if s.Status != axle.Failed || s.Error == nil {
			continue
		}
		text := failureText(s.Error)
		key := s.Error.Code + "\x00" + fold(text, s.AccountName)
		g := groups[key]
		if g == nil {
			g = &group{Cause: Cause{Cause: fold(text, s.AccountName), Hint: s.Error.Hint}, first: text, names: map[string]bool{}}
			groups[key] = g
		}
		g.Count++
		g.differ = g.differ || text != g.first
		name := s.AccountName
		if name == "" {
			name = s.Account
		}
		if !g.names[name] {
			g.names[name] = true
			g.Accounts = append(g.Accounts, name)
		}
	}
	out := make([]Cause, 0, len(groups))
	for _, g := range groups {
		if !g.differ {
			g.Cause.Cause = g.first
		}
		slices.Sort(g.Accounts)
		out = append(out, g.Cause)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Cause, b.Cause)
	})
	return out
}

// failureText is what failed and why; many messages name the resource already.
func failureText(f *axle.Failure) string {
	if f.Resource == "" || strings.Contains(f.Message, f.Resource) {
		return f.Message
	}
	return f.Resource + ": " + f.Message
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
		axle.RunRunning: st.warn.Render("is running")}[r.Status]
	fmt.Fprintf(w, "%s %s%s: %s\n", st.bold.Render(capital(r.Command)+" "+r.Run), word, took, r.Counts.line())
	columns(w, "  ", r.groupRows(st))
	r.causesText(w, st)
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "%s %s\n", st.warn.Render("warning:"), warning)
	}
	switch r.Status {
	case axle.RunFailed, axle.RunPartial, axle.RunInterrupted, axle.RunBlocked:
		next := "axle resume " + r.Run
		if r.Command == "bootstrap" {
			next = "axle bootstrap --yes"
		}
		fmt.Fprintf(w, "What is left can go on: %s\n", st.bold.Render(next))
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
			g = &group{name: key, counts: map[string]int{}, worst: axle.Unchanged}
			groups[key] = g
			order = append(order, g)
		}
		g.total++
		word := string(s.Status)
		if s.Status == axle.Succeeded {
			word = pastTense(s.Action)
		}
		g.counts[word]++
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
		row := []string{st.mark(g.worst), g.name, strings.Join(parts, ", ")}
		if g.longest >= 10*time.Millisecond {
			row = append(row, st.dim.Render("longest "+duration(g.longest)))
		}
		rows = append(rows, row)
	}
	return rows
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

func (r *Run) causesText(w io.Writer, st Style) {
	for _, c := range r.Causes {
		where := strings.Join(c.Accounts, ", ")
		if len(c.Accounts) > 5 {
			where = strings.Join(c.Accounts[:4], ", ") + fmt.Sprintf(" and %d more", len(c.Accounts)-4)
		}
		fmt.Fprintf(w, "%s %s in %s: %s\n", st.bad.Render("✗"), plural(c.Count, "step"), where, c.Cause)
		if c.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", c.Hint)
		}
	}
}
