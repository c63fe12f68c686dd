package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/engine/enginetest"
	"axle/internal/plan"
)

func TestConformance(t *testing.T) {
	enginetest.Conformance(t, enginetest.Driver{Run: engine.Run, Within: synctest.Test})
}

func things(n int) []axle.Step {
	steps := make([]axle.Step, n)
	for i := range steps {
		steps[i] = axle.Step{ID: fmt.Sprintf("s%04d", i), Kind: "thing"}
	}
	return steps
}

// journal counts what it is given.
type journal struct{ appends, records int }

func (j *journal) Append(_ context.Context, _ string, records []axle.Record) error {
	time.Sleep(5 * time.Millisecond)
	j.appends++
	j.records += len(records)
	return nil
}

// The journal gets the starts and ends of many steps at once.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, j := enginetest.NewWorld(), &journal{}
		o := w.Options()
		o.Journal = j
		o.Limits = plan.Limits{Global: 100}
		if _, err := engine.Run(t.Context(), "r", things(1000), nil, o); err != nil {
			t.Fatal(err)
		}
		if j.records != 2000 || j.appends > 30 {
			t.Errorf("%d records in %d appends", j.records, j.appends)
		}
	})
}

// Ends that nothing waits for share a write, soon; a start that needs one of them
// takes it along at once.
func TestEndsShareWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, steps := enginetest.NewWorld(), things(100)
		for i := range steps {
			w.Plans[steps[i].ID] = enginetest.Plan{Takes: time.Duration(i) * time.Millisecond}
		}
		next := axle.Step{ID: "next", Kind: "thing", Needs: []string{"s0010"}}
		var writes, ends int
		o := w.Options()
		o.Limits = plan.Limits{Global: 1000}
		o.Journal = journalFunc(func(ctx context.Context, run string, records []axle.Record) error {
			writes++
			for _, r := range records {
				if late := time.Since(r.Finished); r.Status.Ended() && late > 30*time.Millisecond {
					t.Errorf("%s was written %s after its end", r.Step, late)
				}
				if r.Status.Ended() {
					ends++
				}
			}
			return w.Append(ctx, run, records)
		})
		out, err := engine.Run(t.Context(), "r", append(steps, next), nil, o)
		if err != nil {
			t.Fatal(err)
		}
		if ends != 101 || writes > 10 {
			t.Errorf("%d ends in %d writes", ends, writes)
		}
		if wait := out.Records[100].Finished.Sub(out.Records[10].Finished); wait > 5*time.Millisecond {
			t.Errorf("the step that needed another waited %s for its record", wait)
		}
	})
}

// A run whose journal hangs can be left, and says what isn't recorded.
func TestStuckJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enginetest.NewWorld()
		o := w.Options()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		hang, release := context.WithCancel(t.Context())
		defer release()
		o.Journal = journalFunc(func(ctx context.Context, run string, records []axle.Record) error {
			if records[0].Status == axle.Running {
				return w.Append(ctx, run, records)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-hang.Done():
				return hang.Err()
			}
		})
		begin := time.Now()
		_, err := engine.Run(ctx, "r", things(3), nil, o)
		var broken *engine.JournalError
		if !errors.As(err, &broken) || broken.Lost != 3 {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > time.Minute+3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// journalFunc is a journal of one function.
type journalFunc func(ctx context.Context, run string, records []axle.Record) error

func (f journalFunc) Append(ctx context.Context, run string, records []axle.Record) error {
	return f(ctx, run, records)
}

// observer notes the kinds of events of each step, and takes its time.
type observer struct {
	slow time.Duration
	seen map[string][]engine.EventKind
	last engine.Event
}

func (o *observer) Observe(e engine.Event) {
	time.Sleep(o.slow)
	o.seen[e.Step.ID] = append(o.seen[e.Step.ID], e.Kind)
	o.last = e
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enginetest.NewWorld()
		w.Plans["s0000"] = enginetest.Plan{StartErrors: []error{enginetest.Throttled{}}, Checks: 1}
		w.Plans["s0001"] = enginetest.Plan{Fail: &axle.Failure{Code: "X"}}
		steps := things(3)
		steps[2].Needs = []string{"s0001"}
		seen := &observer{seen: map[string][]engine.EventKind{}}
		o := w.Options()
		o.Observer = seen
		if _, err := engine.Run(t.Context(), "r", steps, nil, o); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string][]engine.EventKind{
			"s0000": {engine.Started, engine.Retrying, engine.Ended},
			"s0001": {engine.Started, engine.Ended},
			"s0002": {engine.Ended},
		} {
			if !slices.Equal(seen.seen[id], want) {
				t.Errorf("events of %s: %v, want %v", id, seen.seen[id], want)
			}
		}
		if r := seen.last.Record; r.Step != "s0000" || r.Status != axle.Succeeded || r.Attempts != 2 {
			t.Errorf("last event: %+v", r)
		}
	})
}

// An observer that takes a second for each event sees them all, and steps don't
// wait for it.
func TestSlowObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enginetest.NewWorld()
		seen := &observer{slow: time.Second, seen: map[string][]engine.EventKind{}}
		o := w.Options()
		o.Observer = seen
		out, err := engine.Run(t.Context(), "r", things(10), nil, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(seen.seen) != 10 {
			t.Errorf("events of %d steps", len(seen.seen))
		}
		for _, r := range out.Records {
			if took := r.Finished.Sub(r.Started); took > 100*time.Millisecond {
				t.Errorf("%s took %s", r.Step, took)
			}
		}
	})
}

// teller says all that it knows.
type teller struct{}

func (teller) Start(context.Context, *axle.Step, axle.Inputs) (axle.Progress, error) {
	return axle.Progress{Token: "begun", Result: axle.Result{Note: "with hunter2-hunter2"}}, nil
}

func (teller) Check(context.Context, *axle.Step, string) (axle.Progress, error) {
	return axle.Progress{Done: true, Result: axle.Result{Change: axle.Update, Note: "set to hunter2-hunter2", Warning: "hunter2-hunter2 was left"}}, nil
}

// The reading of inputs is given up like the rest of a start.
func TestStopWhileInputsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := enginetest.NewWorld().Options()
		o.Inputs = func(ctx context.Context, _ *axle.Step, _ func(string) (map[string]string, bool)) (axle.Inputs, error) {
			<-ctx.Done()
			return axle.Inputs{}, ctx.Err()
		}
		stop := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(stop) })
		o.Stop = stop
		begin := time.Now()
		out, err := engine.Run(t.Context(), "r", things(1), nil, o)
		if !errors.Is(err, engine.ErrInterrupted) || out.Records[0].Status != axle.Running {
			t.Errorf("%v: %+v", err, out)
		}
		if took := time.Since(begin); took > time.Minute+6*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// What a step says is without its secret inputs, also when an earlier attempt of the
// run has started it.
func TestSecretsStayOut(t *testing.T) {
	for name, earlier := range map[string][]axle.Record{
		"begun":   nil,
		"resumed": {{Step: "s0000", Status: axle.Running, Token: "begun", Attempts: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := enginetest.NewWorld().Options()
			o.Actions["thing"] = teller{}
			o.Inputs = func(context.Context, *axle.Step, func(string) (map[string]string, bool)) (axle.Inputs, error) {
				return axle.Inputs{Values: map[string]string{"Password": "hunter2-hunter2"}, Secret: map[string]bool{"Password": true}}, nil
			}
			out, err := engine.Run(t.Context(), "r", things(1), earlier, o)
			if err != nil {
				t.Fatal(err)
			}
			if r := out.Records[0].Result; r.Note != "set to (secret)" || r.Warning != "(secret) was left" {
				t.Errorf("%s: %+v", name, r)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	ok, same := axle.Record{Status: axle.Succeeded}, axle.Record{Status: axle.Unchanged}
	failed, skipped := axle.Record{Status: axle.Failed, Failure: &axle.Failure{}}, axle.Record{Status: axle.Skipped}
	blocked := axle.Record{Status: axle.Failed, Failure: &axle.Failure{Blocked: true}}
	for _, tt := range []struct {
		want    axle.RunStatus
		records []axle.Record
	}{
		{axle.RunSucceeded, nil},
		{axle.RunSucceeded, []axle.Record{ok, same}},
		{axle.RunPartial, []axle.Record{ok, failed, skipped}},
		{axle.RunPartial, []axle.Record{same, failed}},
		{axle.RunPartial, []axle.Record{ok, blocked}},
		{axle.RunFailed, []axle.Record{failed, skipped}},
		{axle.RunFailed, []axle.Record{failed, blocked}},
		{axle.RunBlocked, []axle.Record{blocked, skipped}},
		{axle.RunBlocked, []axle.Record{same, blocked}},
		{axle.RunInterrupted, []axle.Record{ok, failed, {Status: axle.Running}}},
		{axle.RunInterrupted, []axle.Record{ok, {Status: axle.Cancelled}, {Status: axle.Pending}}},
		{axle.RunCancelled, []axle.Record{ok, {Status: axle.Cancelled}}},
	} {
		if got := engine.Status(tt.records); got != tt.want {
			t.Errorf("status of %v is %s, want %s", tt.records, got, tt.want)
		}
	}
}

// slowOne's first step takes a second, and the others ten minutes.
type slowOne struct{}

func (slowOne) Start(_ context.Context, s *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	if s.ID != "s0000" {
		return axle.Progress{Token: "t"}, nil
	}
	time.Sleep(time.Second)
	return axle.Progress{Done: true}, nil
}

func (slowOne) Check(context.Context, *axle.Step, string) (axle.Progress, error) {
	time.Sleep(10 * time.Minute)
	return axle.Progress{Done: true}, nil
}

// An end is in the journal, and told, a moment later, also when nothing waits for it
// and nothing else happens for long.
func TestEndsAreWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := enginetest.NewWorld().Options()
		o.Actions["thing"] = slowOne{}
		begin, written := time.Now(), map[string]time.Duration{}
		o.Journal = journalFunc(func(_ context.Context, _ string, records []axle.Record) error {
			for _, r := range records {
				if r.Status.Ended() {
					written[r.Step] = time.Since(begin)
				}
			}
			return nil
		})
		if _, err := engine.Run(t.Context(), "r", things(2), nil, o); err != nil {
			t.Fatal(err)
		}
		if at := written["s0000"]; at < time.Second || at > time.Second+100*time.Millisecond {
			t.Errorf("the end was written after %s", at)
		}
		if at := written["s0001"]; at != 10*time.Minute {
			t.Errorf("the last end, for which nothing is gathered, was written after %s", at)
		}
	})
}
