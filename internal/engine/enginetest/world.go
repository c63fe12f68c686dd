package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
)

// World is what the steps of a test act on, and the journal of their run. As
// an action it makes one thing for each step, finds what an earlier start has
// made, and notes whatever an engine must not do.
type World struct {
	// Plans say how steps behave that don't just succeed at once, by id.
	Plans map[string]Plan
	// Slow is how long a write to the journal takes; 1 ms at first.
	Slow time.Duration
	// Room is how many records the journal takes before it breaks; 0: any number.
	Room int

	mu      sync.Mutex
	made    map[string]int // effects, by step
	starts  map[string]int
	checks  map[string]int
	atWork  map[string]bool
	most    int // at work at once
	appends int
	written int
	journal map[string]axle.Record
	faults  []string
	values  map[string]map[string]string // inputs seen, by step
}

// Plan says how a step behaves.
type Plan struct {
	Checks int           // how many checks it takes to be done; 0: done at start
	Takes  time.Duration // how long each call takes
	Again  time.Duration // how long to wait between checks
	Fail   error         // how it ends
	Panic  any           // ends in a panic
	// StartErrors and CheckErrors are what the first calls return.
	StartErrors, CheckErrors []error
	Change                   axle.Change // default create
	// Forget makes the token unknown to checks.
	Forget bool
	// Stubborn calls don't return when they are cancelled, but after Takes.
	Stubborn bool
}

// Throttled is an error that passes.
type Throttled struct{}

func (Throttled) Error() string   { return "Rate exceeded" }
func (Throttled) Transient() bool { return true }

var errFull = errors.New("no space left on device")

// NewWorld returns an empty world.
func NewWorld() *World {
	return &World{
		Slow:  time.Millisecond,
		Plans: map[string]Plan{}, made: map[string]int{}, starts: map[string]int{}, checks: map[string]int{},
		atWork: map[string]bool{}, journal: map[string]axle.Record{}, values: map[string]map[string]string{},
	}
}

// Options are those of a run in this world.
func (w *World) Options() engine.Options {
	return engine.Options{Actions: map[string]engine.Action{"thing": w}, Journal: w, Inputs: w.inputs}
}

// inputs evaluates Refs of one step each; a literal is itself.
func (w *World) inputs(_ context.Context, step *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
	in := axle.Inputs{Values: map[string]string{}, Secret: map[string]bool{}}
	for name, v := range step.Input {
		in.Values[name] = v.Literal
		in.Secret[name] = v.Secret
		for _, ref := range v.Refs {
			found, ok := outputs(ref.Steps[0])
			if !ok {
				return in, fmt.Errorf("no outputs of %s", ref.Steps[0])
			}
			in.Values[name] = found[ref.Key]
		}
	}
	return in, nil
}

// Start is part of engine.Action.
func (w *World) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	p := w.Plans[step.ID]
	w.enter(step, true)
	defer w.leave(step)
	if err := sleep(ctx, p); err != nil {
		return axle.Progress{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values[step.ID] = in.Values
	if n := w.starts[step.ID]; n <= len(p.StartErrors) {
		return axle.Progress{}, p.StartErrors[n-1]
	}
	if w.made[step.ID] == 0 {
		w.made[step.ID]++
	}
	if p.Checks == 0 {
		return w.result(step, p)
	}
	return axle.Progress{Token: "token of " + step.ID, Again: p.Again}, nil
}

// Check is part of engine.Action.
func (w *World) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	p := w.Plans[step.ID]
	w.enter(step, false)
	defer w.leave(step)
	if err := sleep(ctx, p); err != nil {
		return axle.Progress{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if token != "token of "+step.ID {
		w.fault("check of %s with token %q", step.ID, token)
	}
	if w.journal[step.ID].Token != token {
		w.fault("check of %s before its token was durable", step.ID)
	}
	n := w.checks[step.ID]
	switch {
	case p.Forget && w.starts[step.ID] < 2:
		return axle.Progress{}, fmt.Errorf("token of %s: %w", step.ID, axle.ErrNotFound)
	case n <= len(p.CheckErrors):
		return axle.Progress{}, p.CheckErrors[n-1]
	case n < p.Checks+len(p.CheckErrors):
		return axle.Progress{Token: token, Again: p.Again}, nil
	}
	return w.result(step, p)
}

func (w *World) result(step *axle.Step, p Plan) (axle.Progress, error) {
	if p.Panic != nil {
		panic(p.Panic)
	}
	if p.Fail != nil {
		return axle.Progress{}, p.Fail
	}
	change := p.Change
	if change == "" {
		change = axle.Create
	}
	return axle.Progress{Done: true, Result: axle.Result{Change: change, Outputs: map[string]string{"Id": "id of " + step.ID}}}, nil
}

func (w *World) enter(step *axle.Step, start bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if start {
		w.starts[step.ID]++
	} else {
		w.checks[step.ID]++
	}
	if w.atWork[step.ID] {
		w.fault("two calls of %s at once", step.ID)
	}
	w.atWork[step.ID] = true
	w.most = max(w.most, len(w.atWork))
	if w.journal[step.ID].Status != axle.Running {
		w.fault("%s acts while the journal says %q", step.ID, w.journal[step.ID].Status)
	}
	if gate := w.journal[plan.WaveStep(step.Name, step.Wave-1)]; step.Wave > 1 && step.Kind == "thing" && !gate.Status.OK() {
		w.fault("%s acts before its wave", step.ID)
	}
	for _, id := range step.Needs {
		if w.made[id] != 1 {
			w.fault("%s acts before %s", step.ID, id)
		}
	}
}

func (w *World) leave(step *axle.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.atWork, step.ID)
}

// Append is part of engine.Journal.
func (w *World) Append(ctx context.Context, _ string, records []axle.Record) error {
	if err := sleep(ctx, Plan{Takes: w.Slow}); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.appends++
	if w.Room > 0 && w.written+len(records) > w.Room {
		return errFull
	}
	w.written += len(records)
	for _, r := range records {
		if before := w.journal[r.Step]; before.Status.Ended() && before.Status != r.Status && r.Status.Ended() &&
			(r.Failure == nil || r.Failure.Code != axle.CodeRolledBack) {
			w.fault("%s ended as %s and then as %s", r.Step, before.Status, r.Status)
		}
		w.journal[r.Step] = r
	}
	return nil
}

// Journal returns what is durable, ordered by step.
func (w *World) Journal() []axle.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []axle.Record
	for _, id := range slices.Sorted(maps.Keys(w.journal)) {
		out = append(out, w.journal[id])
	}
	return out
}

// fault notes what an engine did and must not do.
func (w *World) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func sleep(ctx context.Context, p Plan) error {
	if p.Stubborn {
		time.Sleep(p.Takes)
		return nil
	}
	if p.Takes == 0 {
		return nil
	}
	t := time.NewTimer(p.Takes)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
