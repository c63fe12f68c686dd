package report

import (
	"slices"
	"time"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/plan"
)

// Plan is the JSON of a plan.
type Plan struct {
	Plan    string      `json:"plan"`
	Project string      `json:"project"`
	Command string      `json:"command"`
	Env     string      `json:"env,omitempty"`
	Summary PlanSummary `json:"summary"`
	// Lines say in words what becomes of the targets of each stack.
	Lines []string `json:"lines,omitempty"`
	// Rollouts are those of the stacks that go wave by wave.
	Rollouts []PlanRollout `json:"rollouts,omitempty"`
	Groups   []PlanGroup   `json:"groups"`
	Steps    []PlanStep    `json:"steps"`
	Warnings []string      `json:"warnings,omitempty"`
	// Saved says where the plan was saved.
	Saved *SavedPlan `json:"saved,omitempty"`
	// Prepared is the run whose change sets wait to be executed.
	Prepared *PreparedRun `json:"prepared,omitempty"`
	// Preflight is what the doctor found where anything would be done.
	Preflight []doctor.Finding `json:"preflight,omitempty"`
	// Stale are deployed stacks with values that aren't any more what they read.
	Stale []Stale `json:"stale,omitempty"`
}

// SavedPlan is a plan in a file.
type SavedPlan struct {
	File    string    `json:"file"`
	Seal    string    `json:"seal"`
	Expires time.Time `json:"expires"`
}

// PreparedRun is what axle execute takes; without a run nothing was prepared.
type PreparedRun struct {
	Run     string    `json:"run,omitempty"`
	Steps   int       `json:"steps"`
	Expires time.Time `json:"expires"`
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
	// DataLoss counts the resources whose data would be lost.
	DataLoss int `json:"data_loss,omitempty"`
}

// Pending says whether anything would be done.
func (s PlanSummary) Pending() bool { return s.Create+s.Update+s.Replace+s.Delete > 0 }

// PlanGroup is one change and all the targets that it is the same for.
type PlanGroup struct {
	Group   int                   `json:"group"` // its number, from 1
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
	Wave        int                   `json:"wave,omitempty"`  // of its stack's rollout, from 1
	Group       int                   `json:"group,omitempty"` // the number of its group
	Action      string                `json:"action"`          // create|update|replace|delete|none|blocked
	Changes     []axle.ResourceChange `json:"changes,omitempty"`
	After       []string              `json:"after,omitempty"` // known after these stacks
	Note        string                `json:"note,omitempty"`
	Error       *axle.Failure         `json:"error,omitempty"`
}

// Blocked is the action of a step that can't be done.
const Blocked = "blocked"

// NewPlan puts a plan and what its preview found together.
func NewPlan(id string, p *plan.Plan, records []axle.Record) *Plan {
	out := &Plan{Plan: id, Project: p.Project, Command: p.Command, Env: p.Env, Groups: []PlanGroup{}, Steps: make([]PlanStep, 0, len(p.Steps))}
	byID := make(map[string]*axle.Record, len(records))
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	labels := make(map[string]string, len(p.Steps))
	for i := range p.Steps {
		labels[p.Steps[i].ID] = groupName(p.Steps[i].Kind, p.Steps[i].Name)
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		ps := PlanStep{ID: s.ID, Kind: s.Kind, Name: s.Name, Account: s.Account, AccountName: s.AccountName, Region: s.Region, Needs: s.Needs, Wave: s.Wave}
		ps.fill(byID[s.ID], labels)
		if r := byID[s.ID]; r != nil {
			for _, x := range r.Result.Stale {
				out.Stale = append(out.Stale, Stale{Stack: s.Name, Account: s.Account, AccountName: s.AccountName, Region: s.Region, StaleInput: x})
			}
		}
		out.Steps = append(out.Steps, ps)
	}
	out.fold((*PlanStep).foldKey)
	out.Lines = out.lines()
	out.Rollouts = planRollouts(p.Rollouts)
	return out
}

// fold makes the groups of the steps with the same key, and counts them.
func (p *Plan) fold(key func(*PlanStep) string) {
	groups := map[string]int{}
	for i := range p.Steps {
		ps := &p.Steps[i]
		if ps.Kind == plan.KindOutputs && ps.Error == nil {
			continue // reading changes nothing
		}
		p.Summary.add(ps.Action)
		at, ok := groups[key(ps)]
		if !ok {
			at = len(p.Groups)
			groups[key(ps)] = at
			p.Groups = append(p.Groups, PlanGroup{Group: at + 1})
		}
		p.Groups[at].fold(ps)
		ps.Group = at + 1
	}
	for i := range p.Groups {
		p.Summary.DataLoss += p.Groups[i].dataLoss() * len(p.Groups[i].Targets)
	}
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
