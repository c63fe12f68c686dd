package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
)

// after closes the returned channel when d has passed.
func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// testSoftStop stops a run while one step is being started and one checked for a
// short and one each for a long time, one waits between checks, one to be tried
// again, and one for its turn.
func testSoftStop(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["starting"] = Plan{Takes: 12 * time.Second, Checks: 5}
	w.Plans["checking"] = Plan{Takes: 2 * time.Second, Checks: 100}
	w.Plans["ending"] = Plan{Takes: 6 * time.Second, Checks: 1}
	w.Plans["stuck"] = Plan{Takes: 8 * time.Second, Checks: 2}
	w.Plans["beginning"] = Plan{Takes: 20 * time.Second, Checks: 1}
	w.Plans["waiting"] = Plan{Checks: 5, Again: time.Hour}
	w.Plans["retrying"] = Plan{StartErrors: []error{Throttled{}}}
	steps := []axle.Step{
		thing("starting"), thing("checking"), thing("ending"), thing("waiting"), thing("retrying"), thing("stuck"), thing("beginning"),
		thing("next", "starting"), thing("after-end", "ending"), thing("queued"),
	}
	o := w.Options()
	o.Limits = plan.Limits{Global: 7}
	o.Retry = engine.Retry{First: time.Hour, Most: time.Hour}
	o.Stop = after(9 * time.Second)
	begin := time.Now()
	out, err := run(t, d, w, steps, nil, o)
	if !errors.Is(err, engine.ErrInterrupted) {
		t.Errorf("error %v", err)
	}
	// 9 s to the stop, 5 s for starts and checks to return.
	if took := time.Since(begin); took < 12*time.Second || took > 15*time.Second {
		t.Errorf("took %s", took)
	}
	want(t, out, axle.RunInterrupted, "starting running, checking running, ending succeeded, waiting running, retrying running, stuck running, beginning running, next pending, after-end pending, queued pending")
	for _, r := range w.Journal() {
		if token := "token of " + r.Step; (r.Step == "starting" || r.Step == "checking" || r.Step == "waiting") && r.Token != token {
			t.Errorf("journal of %s has token %q", r.Step, r.Token)
		}
	}
	w.Plans["waiting"] = Plan{Checks: 1}
	out, err = run(t, d, w, steps, w.Journal(), w.Options())
	if err != nil || out.Status != axle.RunSucceeded {
		t.Errorf("resumed: %s, %v", out.Status, err)
	}
	if w.starts["starting"] != 1 || w.starts["retrying"] != 2 || w.starts["beginning"] != 2 {
		t.Errorf("starts: %v", w.starts)
	}
}

// testStopBeforeTheStart has a stop that comes while the journal is taking the
// start of a step: it never started, and the journal says so.
func testStopBeforeTheStart(t *testing.T, d Driver) {
	w := NewWorld()
	w.Slow = 2 * time.Second
	o := w.Options()
	o.Stop = after(time.Second)
	out, err := run(t, d, w, []axle.Step{thing("a")}, nil, o)
	if !errors.Is(err, engine.ErrInterrupted) {
		t.Errorf("error %v", err)
	}
	want(t, out, axle.RunInterrupted, "a pending")
	if j := w.Journal(); w.starts["a"] != 0 || len(j) != 1 || j[0].Status != axle.Pending {
		t.Errorf("%d starts, journal %+v", w.starts["a"], j)
	}
}

// testStopAfterTheEnd has a stop that comes when nothing is left to do.
func testStopAfterTheEnd(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["a"] = Plan{Takes: 2 * time.Second, Checks: 1}
	o := w.Options()
	o.Stop = after(3 * time.Second)
	out, err := run(t, d, w, []axle.Step{thing("a")}, nil, o)
	if err != nil {
		t.Errorf("error %v", err)
	}
	want(t, out, axle.RunSucceeded, "a succeeded")
}

func testHardStop(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["hanging"] = Plan{Takes: time.Hour}
	w.Plans["stubborn"] = Plan{Takes: 3 * time.Second, Stubborn: true}
	w.Slow = 50 * time.Millisecond
	w.Plans["quick"] = Plan{Takes: 1930 * time.Millisecond} // its end is being written at the stop
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	steps := []axle.Step{thing("quick"), thing("hanging"), thing("stubborn"), thing("next", "hanging")}
	o := w.Options()
	o.Linger = 100 * time.Millisecond
	begin := time.Now()
	out, err := d.Run(ctx, "r", steps, nil, o)
	for _, p := range w.problems(steps, out, err) {
		t.Error(p)
	}
	if !errors.Is(err, engine.ErrInterrupted) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 2200*time.Millisecond {
		t.Errorf("took %s", took)
	}
	want(t, out, axle.RunInterrupted, "quick succeeded, hanging running, stubborn running, next pending")
	if r := w.Journal()[1]; r.Step != "quick" || r.Status != axle.Succeeded {
		t.Errorf("journal: %+v", r)
	}
	time.Sleep(2 * time.Second) // for the stubborn one to return; nobody listens any more
}

func testBrokenJournal(t *testing.T, d Driver) {
	w := NewWorld()
	w.Room = 3
	w.Plans["a"] = Plan{Takes: time.Second}
	w.Plans["b"] = Plan{Takes: 2 * time.Second, Checks: 1}
	out, err := run(t, d, w, []axle.Step{thing("a"), thing("b"), thing("c", "a")}, nil, w.Options())
	var journal *engine.JournalError
	if !errors.As(err, &journal) || !errors.Is(err, errFull) || journal.Lost == 0 {
		t.Errorf("error %v", err)
	}
	if out.Status != axle.RunInterrupted || w.starts["c"] != 0 {
		t.Errorf("the run is %s, c was started %d times", out.Status, w.starts["c"])
	}
}

// testCrashAnywhere breaks the journal after each number of records, takes what
// is in it for all that is left, and resumes: everything is made once, and the
// end is that of a run that wasn't broken.
func testCrashAnywhere(t *testing.T, d Driver) {
	steps := []axle.Step{
		thing("hub"), thing("a", "hub"), thing("b", "hub"), thing("bad", "a"), thing("c", "b"), thing("after-bad", "bad"), thing("last", "a", "c"),
	}
	const end = "hub succeeded, a succeeded, b succeeded, bad failed, c succeeded, after-bad skipped, last succeeded"
	for room := 1; ; room++ {
		w := NewWorld()
		w.Plans["hub"] = Plan{Checks: 2, Again: time.Second}
		w.Plans["b"] = Plan{Checks: 1, Takes: time.Second}
		w.Plans["bad"] = Plan{Fail: &axle.Failure{Code: "X", Message: "bad"}}
		w.Room = room
		out, err := run(t, d, w, steps, nil, w.Options())
		if err == nil {
			want(t, out, axle.RunPartial, end)
			if room < 2*len(steps) {
				t.Errorf("a run was complete with %d records", room)
			}
			return
		}
		w.Room = 0
		before := len(w.Journal())
		out, err = run(t, d, w, steps, w.Journal(), w.Options())
		if err != nil {
			t.Fatalf("resumed with %d of %d records: %v", before, room, err)
		}
		want(t, out, axle.RunPartial, end)
	}
}

func testSecretsStayInside(t *testing.T, d Driver) {
	w := NewWorld()
	s := thing("a")
	s.Input = map[string]axle.Value{"Password": {Literal: "hunter22", Secret: true}}
	w.Plans["a"] = Plan{Fail: &axle.Failure{Code: "ValidationError", Message: "value 'hunter22' is too short", Hint: "not hunter22"}}
	seen := &notes{}
	o := w.Options()
	o.Observer = seen
	out, err := run(t, d, w, []axle.Step{s}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(out.Records[0].Failure, w.Journal()[0].Failure, seen.events)
	if strings.Contains(text, "hunter22") || out.Records[0].Failure.Message != "value '(secret)' is too short" {
		t.Error(text)
	}
}

// notes is an observer that keeps what it sees.
type notes struct{ events []engine.Event }

func (n *notes) Observe(e engine.Event) { n.events = append(n.events, e) }

func testRefuses(t *testing.T, d Driver) {
	w := NewWorld()
	odd := thing("odd")
	odd.Kind = "unheard-of"
	for _, steps := range [][]axle.Step{{odd}, {thing("a", "a")}, {thing("a"), thing("a")}, {thing("a", "b")}} {
		if out, err := d.Run(t.Context(), "r", steps, nil, w.Options()); err == nil || out != nil || w.appends > 0 {
			t.Errorf("%s was run: %v", steps[0].ID, err)
		}
	}
	out, err := d.Run(t.Context(), "r", nil, nil, w.Options())
	if err != nil || out.Status != axle.RunSucceeded {
		t.Errorf("nothing to do: %v", err)
	}
}
