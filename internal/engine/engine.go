// Package engine runs steps on this machine: it starts what plan.Frontier says,
// drives each action to its end, retries what is transient, and journals every
// start before it acts and every end with its result. It knows neither what an
// action does nor where the journal is kept, and never learns that AWS exists.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"axle"
	"axle/internal/plan"
)

// An Action is what steps of one kind do. It is started and checked, not
// awaited, so that a run can be left at any time and gone on with elsewhere.
//
// Errors are *axle.Failure, or any other error. One with Transient() true in
// its chain is tried again; one from Check that is axle.ErrNotFound says that
// the token leads nowhere, and the step is started again.
type Action interface {
	// Start begins the step's work, or finds and adopts what an earlier Start
	// of the same step has left behind: it may be cancelled anywhere, as by a crash.
	Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error)
	// Check looks how the work is getting on. It may wait inside for something
	// to happen, for about 20 s at most.
	Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error)
}

// A Journal keeps the records of runs.
type Journal interface {
	// Append returns when the records are durable. Of several records of one
	// step the last one counts.
	Append(ctx context.Context, run string, records []axle.Record) error
}

// Options say how to run.
type Options struct {
	Actions map[string]Action // by kind of step
	Journal Journal
	// Inputs gives a step's input values; outputs has those of the steps that
	// ended well. Nil: steps have no inputs.
	Inputs func(ctx context.Context, step *axle.Step, outputs func(id string) (map[string]string, bool)) (axle.Inputs, error)
	Limits plan.Limits
	Retry  Retry
	// Observer is told what happens; may be nil.
	Observer Observer
	// Stop, when closed, ends the run softly: nothing more starts, what runs is
	// left at its next safe point, to be gone on with by a later run.
	Stop <-chan struct{}
	// Grace is how long a start or a check that is under way at a soft stop may
	// take to return before it is cancelled. Default 5 s.
	Grace time.Duration
	// Linger is how long, after ctx is cancelled, actions that haven't returned
	// are waited for. Default 1 s.
	Linger time.Duration
}

// Outcome is what became of a run.
type Outcome struct {
	Status axle.RunStatus
	// Records has one record for each step, in the order of the steps: that of
	// an earlier attempt if this one didn't come to the step.
	Records []axle.Record
}

// Defaults of Options. Most steps at work wait for AWS: an organization of a
// thousand accounts is done in the time of one stack, not of four.
const (
	DefaultGlobal = 1024
	defaultGrace  = 5 * time.Second
	defaultLinger = time.Second
)

// ErrInterrupted says that the run was left before its end; what is left can be
// resumed.
var ErrInterrupted = errors.New("run interrupted")

// Run runs the steps that earlier doesn't show as ended well, earlier being the
// records of an earlier attempt of the same run, if there was one.
//
// A failed step is not an error: look at the outcome. The error is
// ErrInterrupted when the run was stopped or ctx cancelled before its end, a
// *JournalError when records couldn't be written, a *plan.GraphError or another
// one when the steps can't be run at all; only then the outcome is nil.
func Run(ctx context.Context, run string, steps []axle.Step, earlier []axle.Record, o Options) (*Outcome, error) {
	for i := range steps {
		if o.Actions[steps[i].Kind] == nil {
			return nil, fmt.Errorf("run step %s: no action for kind %q", steps[i].ID, steps[i].Kind)
		}
	}
	if o.Limits.Global <= 0 {
		o.Limits.Global = DefaultGlobal
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	if o.Linger <= 0 {
		o.Linger = defaultLinger
	}
	o.Retry = o.Retry.withDefaults()
	frontier, err := plan.NewFrontier(steps, o.Limits, earlier)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run, err)
	}
	r := newRun(run, steps, earlier, frontier, o)
	err = r.loop(ctx)
	out := &Outcome{Status: Status(counted(steps, r.records)), Records: r.records}
	if errors.Is(err, ErrInterrupted) {
		out.Status = axle.RunInterrupted // even if all that is left failed before
	}
	return out, err
}

// JournalError says that records couldn't be made durable. The run was stopped
// as if it had been interrupted; what was acknowledged before is safe.
type JournalError struct {
	Run  string
	Lost int // records of ended steps that aren't in the journal
	Err  error
}

func (e *JournalError) Error() string {
	if e.Lost == 0 {
		return fmt.Sprintf("journal of run %s: %v", e.Run, e.Err)
	}
	return fmt.Sprintf("journal of run %s: the ends of %d steps are not recorded, a resumed run looks at them again: %v", e.Run, e.Lost, e.Err)
}

func (e *JournalError) Unwrap() error { return e.Err }
