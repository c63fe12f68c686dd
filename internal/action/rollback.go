package action

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"axle"
	"axle/internal/cfn"
)

// Before is what a stack was like before a run changed it: enough to put it
// back, the text of its template aside.
type Before struct {
	// Exists is false for a stack that the run makes.
	Exists       bool              `json:"exists"`
	Template     string            `json:"template,omitempty"` // digest
	Parameters   map[string]string `json:"parameters,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Capabilities []string          `json:"capabilities,omitempty"`
	Role         string            `json:"role,omitempty"`
}

// Keeper records what stacks were like before a run, durably.
type Keeper interface {
	// Keep records a step's stack, and the text of its template.
	Keep(ctx context.Context, step string, before Before, body []byte) error
	// Kept returns what was recorded first of a step in this run.
	Kept(step string) (Before, bool)
	// Undo records that a step is put back once more, and returns how often it
	// was. Undone returns that number.
	Undo(ctx context.Context, step string) (int, error)
	Undone(step string) int
}

// KeepingStack is Stack that records what each stack was like before, for a
// Rollback.
type KeepingStack struct {
	driver *cfn.Driver
	keeper Keeper
	rounds rounds
}

// NewKeepingStack returns the action on stacks that may be put back; guard is
// Stack's.
func NewKeepingStack(driver *cfn.Driver, keeper Keeper, run string, r Recovery, guard Guard) *KeepingStack {
	return &KeepingStack{driver: driver, keeper: keeper, rounds: rounds{driver: driver, run: run, recovery: r, guard: guard}}
}

// rounds are the actions on stacks by how often a stack was put back: after that
// its change sets have other names, since those of the first time, executed long
// ago, would be taken for its own.
type rounds struct {
	driver   *cfn.Driver
	run      string
	recovery Recovery
	guard    Guard
	mu       sync.Mutex
	stacks   map[int]*Stack
}

func (r *rounds) stack(n int) *Stack {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stacks == nil {
		r.stacks = map[int]*Stack{}
	}
	if r.stacks[n] == nil {
		run := r.run
		if n > 0 {
			run = fmt.Sprintf("%s-again%d", run, n)
		}
		r.stacks[n] = NewStack(r.driver, run)
		r.stacks[n].Recovery, r.stacks[n].Guard = r.recovery, r.guard
	}
	return r.stacks[n]
}

// hidden is what CloudFormation shows of a NoEcho parameter, and what is recorded of
// one whose value is a secret.
const hidden = "****"

// Start records the stack, once in a run, and goes on as Stack does.
func (a *KeepingStack) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	if _, known := a.keeper.Kept(step.ID); !known && !step.Delete {
		if p, err := a.keep(ctx, step, in); err != nil || p.Token != "" {
			return p, explain(step, err)
		}
	}
	return a.stack(step).Start(ctx, step, in)
}

// Check goes on.
func (a *KeepingStack) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	return a.stack(step).Check(ctx, step, token)
}

func (a *KeepingStack) stack(step *axle.Step) *Stack {
	return a.rounds.stack(a.keeper.Undone(step.ID))
}

// keep records the stack as the run finds it. What somebody else is doing to it is
// waited for first: the stack was, before the run, what that comes to. Of a stack
// that the run mustn't touch nothing is recorded: there is nothing to put back.
func (a *KeepingStack) keep(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	st, err := find(ctx, a.driver, step)
	if err != nil {
		return axle.Progress{}, err
	}
	var before Before
	var body []byte
	if st != nil {
		switch st.State() {
		case cfn.Busy:
			return waitFor(st), nil
		case cfn.Stuck, cfn.Undeleted:
			return axle.Progress{}, cfn.StuckFailure(st)
		case cfn.Halted:
			if !a.rounds.recovery.Continue {
				return axle.Progress{}, cfn.StuckFailure(st)
			}
		}
	}
	if st != nil && (st.State() == cfn.Settled || st.State() == cfn.Halted) {
		if body, err = a.driver.Template(ctx, step.Target(), st.ID); err != nil {
			return axle.Progress{}, err
		}
		before = Before{Exists: true, Template: cfn.Digest(body), Parameters: maps.Clone(st.Parameters), Tags: maps.Clone(st.Tags),
			Capabilities: st.Capabilities, Role: st.Role}
		for name := range in.Secret {
			if _, has := before.Parameters[name]; has {
				before.Parameters[name] = hidden
			}
		}
		maps.DeleteFunc(before.Tags, func(k, _ string) bool { return k == cfn.TagProject || k == cfn.TagStack })
	}
	if err := a.keeper.Keep(ctx, step.ID, before, body); err != nil {
		return axle.Progress{}, fmt.Errorf("record what stack %s was like: %w", step.Spec.Stack.StackName, err)
	}
	return axle.Progress{}, nil
}

// Rollback puts a stack back to what it was before the run: its template,
// parameters, tags and role. A stack that the run made is deleted. What has a
// value that can't be read (NoEcho), or is a secret, keeps the one that it has now.
type Rollback struct {
	keeper Keeper
	rounds rounds
}

// NewRollback returns the action that puts stacks back. The driver has the
// templates that the keeper keeps.
func NewRollback(driver *cfn.Driver, keeper Keeper, run string, r Recovery) *Rollback {
	return &Rollback{keeper: keeper, rounds: rounds{driver: driver, run: "rollback-" + run, recovery: r}}
}

// Start begins to put the stack back, or finds that nothing was done to it.
func (a *Rollback) Start(ctx context.Context, step *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	own, in, ok := a.derive(step)
	if !ok {
		return axle.Progress{Done: true, Result: axle.Result{Change: axle.None}}, nil
	}
	n, err := a.keeper.Undo(ctx, undoes(step))
	if err != nil {
		return axle.Progress{}, fmt.Errorf("record that stack %s is put back: %w", step.Name, err)
	}
	return a.rounds.stack(n).Start(ctx, own, in)
}

// Check goes on.
func (a *Rollback) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	own, _, ok := a.derive(step)
	if !ok {
		return axle.Progress{}, fmt.Errorf("what stack %s was like before the run: %w", step.Name, axle.ErrNotFound)
	}
	return a.rounds.stack(a.keeper.Undone(undoes(step))).Check(ctx, own, token)
}

// undoes is the step that a rollback is of.
func undoes(step *axle.Step) string { return strings.TrimPrefix(step.ID, "rollback/") }

// derive makes the step that brings back what was; false when the run never
// came to the stack.
func (a *Rollback) derive(step *axle.Step) (*axle.Step, axle.Inputs, bool) {
	before, ok := a.keeper.Kept(undoes(step))
	if !ok {
		return nil, axle.Inputs{}, false
	}
	own := *step
	spec := *step.Spec.Stack
	own.Spec, own.Delete = &axle.Spec{Stack: &spec}, !before.Exists
	in := axle.Inputs{Values: map[string]string{}}
	if before.Exists {
		spec.Template, spec.Tags, spec.Capabilities, spec.ExecutionRole = before.Template, before.Tags, before.Capabilities, before.Role
		spec.Defaults, spec.NoEcho, spec.Opaque = nil, nil, "it is put back"
		for name, value := range before.Parameters {
			if value == hidden {
				spec.NoEcho = append(spec.NoEcho, name)
			} else {
				in.Values[name] = value
			}
		}
	}
	return &own, in, true
}
