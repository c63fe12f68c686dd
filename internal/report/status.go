package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"axle"
)

// Stack is what is deployed of a stack in one target.
type Stack struct {
	Stack       string            `json:"stack"` // in axle.yaml
	StackName   string            `json:"stack_name"`
	Account     string            `json:"account"`
	AccountName string            `json:"account_name,omitempty"`
	Region      string            `json:"region"`
	Status      string            `json:"status"` // CloudFormation's, or NOT_DEPLOYED
	Reason      string            `json:"reason,omitempty"`
	Updated     time.Time         `json:"updated,omitzero"`
	Outputs     map[string]string `json:"outputs,omitempty"`
	Configured  bool              `json:"configured"` // axle.yaml has it for this target
	Error       *axle.Failure     `json:"error,omitempty"`
}

// NotDeployed is the status of a stack that axle.yaml has and CloudFormation doesn't.
const NotDeployed = "NOT_DEPLOYED"

// Stacks is the JSON of axle status and axle outputs.
type Stacks struct {
	Project string  `json:"project"`
	Stacks  []Stack `json:"stacks"`
	// Stale are deployed stacks with values that aren't any more what they read.
	Stale []Stale `json:"stale,omitempty"`
}

// Failures counts the targets that couldn't be read.
func (s *Stacks) Failures() int { return len(s.unread()) }

// Text prints the stacks by name, statuses folded where many are equal; why some
// couldn't be read comes below, each cause once.
func (s *Stacks) Text(w io.Writer, st Style) {
	if len(s.Stacks) == 0 {
		fmt.Fprintln(w, "No stack has a target here.")
		return
	}
	var order []string
	byStack := map[string][]Stack{}
	for _, stack := range s.Stacks {
		if byStack[stack.Stack] == nil {
			order = append(order, stack.Stack)
		}
		byStack[stack.Stack] = append(byStack[stack.Stack], stack)
	}
	for _, name := range order {
		list := byStack[name]
		fmt.Fprintf(w, "%s  %s\n", st.bold.Render(name), st.dim.Render(plural(len(list), "instance")))
		if len(list) > 40 {
			s.folded(w, st, list)
			continue
		}
		var rows [][]string
		for _, stack := range list {
			rows = append(rows, []string{stackMark(st, stack), stack.AccountName, stack.Account, stack.Region, stack.state(), stack.note()})
		}
		columns(w, "  ", rows)
	}
	s.causesText(w, st)
	staleText(w, st, "Stale:", s.Stale)
	staleNext(w, st, s.Stale)
}

// causesText tells why targets couldn't be read: each cause once, and what to do.
func (s *Stacks) causesText(w io.Writer, st Style) {
	list := causes(s.unread())
	if len(list) == 0 {
		return
	}
	all := make([]string, len(s.Stacks))
	for i := range s.Stacks {
		all[i] = s.Stacks[i].Region
	}
	causesText(w, st, list, "instance", all)
	fmt.Fprintf(w, "To see what is in the way: %s\n", st.again("doctor"))
}

func (s Stack) state() string {
	if s.Error != nil {
		return "unknown"
	}
	return s.Status
}

func (s Stack) note() string {
	switch {
	case s.Error != nil:
		return s.Error.Code
	case !s.Configured:
		return "not in axle.yaml any more"
	}
	return s.Reason
}

func stackMark(st Style, s Stack) string {
	switch {
	case s.Error != nil, strings.HasSuffix(s.Status, "FAILED"), strings.Contains(s.Status, "ROLLBACK"):
		return st.bad.Render("✗")
	case s.Status == NotDeployed, strings.HasSuffix(s.Status, "IN_PROGRESS"):
		return st.warn.Render("·")
	}
	return st.good.Render("✓")
}

// folded prints one line for each state of many instances.
func (s *Stacks) folded(w io.Writer, st Style, list []Stack) {
	type key struct{ state, note string }
	counts := map[key][]Stack{}
	var order []key
	for _, stack := range list {
		k := key{stack.state(), fold(stack.note(), stack.AccountName)}
		if counts[k] == nil {
			order = append(order, k)
		}
		counts[k] = append(counts[k], stack)
	}
	slices.SortStableFunc(order, func(a, b key) int { return len(counts[b]) - len(counts[a]) })
	var rows [][]string
	for _, k := range order {
		list := counts[k]
		names := make([]string, 0, 4)
		for i, stack := range list {
			if i == 3 {
				names = append(names, "...")
				break
			}
			names = append(names, stack.AccountName+"/"+stack.Region)
		}
		rows = append(rows, []string{stackMark(st, list[0]), fmt.Sprint(len(list)), k.state, strings.Join(names, ", "), k.note})
	}
	columns(w, "  ", rows)
}

// OutputsText prints the outputs of stacks.
func (s *Stacks) OutputsText(w io.Writer, st Style) {
	var rows [][]string
	for _, stack := range s.Stacks {
		if stack.Error != nil {
			rows = append(rows, []string{stack.Stack, stack.AccountName, stack.Region, st.bad.Render("unknown"), stack.note()})
		}
		keys := make([]string, 0, len(stack.Outputs))
		for k := range stack.Outputs {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			rows = append(rows, []string{stack.Stack, stack.AccountName, stack.Region, k, stack.Outputs[k]})
		}
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "No outputs: nothing is deployed here.")
		return
	}
	columns(w, "", rows)
	s.causesText(w, st)
}

// Runs prints the record of runs, the newest first.
func Runs(w io.Writer, st Style, runs []axle.Run) {
	if len(runs) == 0 {
		fmt.Fprintln(w, "No runs yet: axle deploy makes the first.")
		return
	}
	rows := [][]string{{"RUN", "COMMAND", "ENV", "STATUS", "STEPS", "STARTED", "TOOK"}}
	for i := range rows[0] {
		rows[0][i] = st.dim.Render(rows[0][i])
	}
	for _, r := range runs {
		took := ""
		if !r.Finished.IsZero() {
			took = duration(r.Finished.Sub(r.Started))
		}
		rows = append(rows, []string{r.ID, r.Command, r.Env, string(r.Status), fmt.Sprint(r.Steps), r.Started.Local().Format("2006-01-02 15:04:05"), took})
	}
	columns(w, "", rows)
}
