package enginetest

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
)

// rollout makes a rollout of one target in the canary and two in each of two
// waves, with gates and rollbacks.
func rollout(rollback bool) (plan.Rollout, []axle.Step) {
	r := plan.Rollout{Stack: "net", Rollback: rollback, Waves: []plan.Wave{{Targets: 1, Canary: true}, {Targets: 2}, {Targets: 2}}}
	var steps, extra []axle.Step
	for k, w := range r.Waves {
		for i := range w.Targets {
			s := thing(fmt.Sprintf("%c%d", 'a'+k, i))
			s.Name, s.Wave = "net", k+1
			steps = append(steps, s)
			if rollback {
				s.ID, s.Kind = plan.RollbackStep(s.ID), plan.KindRollback
				extra = append(extra, s)
			}
		}
		if k < 2 {
			extra = append(extra, axle.Step{ID: plan.WaveStep("net", k+1), Kind: plan.KindWave, Name: "net", Wave: k + 1})
		}
	}
	return r, append(steps, extra...)
}

// rolling are the options of a run with a rollout.
func (w *World) rolling(r plan.Rollout) engine.Options {
	o := w.Options()
	o.Actions[plan.KindWave], o.Actions[plan.KindRollback] = w, w
	o.Limits.Rollouts = []plan.Rollout{r}
	return o
}

// testRolloutPauses has gates that take an hour: no step is before its wave.
func testRolloutPauses(t *testing.T, d Driver) {
	w := NewWorld()
	r, steps := rollout(false)
	for _, s := range steps {
		if s.Kind == plan.KindWave {
			w.Plans[s.ID] = Plan{Checks: 1, Again: time.Hour, Change: axle.None}
		}
	}
	out, err := run(t, d, w, steps, nil, w.rolling(r))
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "a0 succeeded, b0 succeeded, b1 succeeded, c0 succeeded, c1 succeeded, wave/net/1 unchanged, wave/net/2 unchanged")
	if apart := out.Records[1].Started.Sub(out.Records[0].Finished); apart < time.Hour {
		t.Errorf("the second wave began %s after the first", apart)
	}
}

// testRolloutWaits has a gate that waits for a person; the rest goes on, though only
// one step may be at work.
func testRolloutWaits(t *testing.T, d Driver) {
	w := NewWorld()
	r, steps := rollout(false)
	steps = append(steps, thing("other"))
	w.Plans["wave/net/1"] = Plan{Checks: 1, CheckErrors: []error{axle.ErrWaiting, axle.ErrWaiting}, Change: axle.None}
	w.Plans["other"] = Plan{Checks: 3, Again: time.Minute}
	o := w.rolling(r)
	o.Limits.Global, o.Limits.PerAccount, o.Limits.PerRegion = 1, 1, 1
	for range 2 {
		out, err := run(t, d, w, steps, w.Journal(), o)
		if !errors.Is(err, engine.ErrInterrupted) || w.starts["b0"] != 0 {
			t.Fatalf("error %v, %d starts of the second wave", err, w.starts["b0"])
		}
		want(t, out, axle.RunInterrupted, "a0 succeeded, b0 pending, b1 pending, c0 pending, c1 pending, wave/net/1 running, wave/net/2 pending, other succeeded")
	}
	out, err := run(t, d, w, steps, w.Journal(), o)
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "a0 succeeded, b0 succeeded, b1 succeeded, c0 succeeded, c1 succeeded, wave/net/1 unchanged, wave/net/2 succeeded, other succeeded")
}

// testRolloutHalts has a canary that fails, and is mended.
func testRolloutHalts(t *testing.T, d Driver) {
	w := NewWorld()
	r, steps := rollout(false)
	steps = append(steps, thing("after", "b0"))
	w.Plans["a0"] = Plan{Fail: &axle.Failure{Code: "X", Message: "no"}}
	out, err := run(t, d, w, steps, nil, w.rolling(r))
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunFailed, "a0 failed, b0 skipped, b1 skipped, c0 skipped, c1 skipped, wave/net/1 skipped, wave/net/2 skipped, after skipped")
	if f := out.Records[3].Failure; f == nil || f.Code != axle.CodeHalted || f.Message != "halted after the canary: 1 of 1 failed, tolerance 0" || out.Records[3].SkippedFor != "a0" {
		t.Errorf("%+v", out.Records[3])
	}
	if r := out.Records[7]; r.Failure != nil || r.SkippedFor != "a0" {
		t.Errorf("what needs the rollout: %+v", r)
	}
	w.Plans["a0"] = Plan{}
	out, err = run(t, d, w, steps, w.Journal(), w.rolling(r))
	if err != nil || out.Status != axle.RunSucceeded {
		t.Errorf("resumed: %+v, %v", out, err)
	}
}

// testRolloutRollsBack has a second wave that is unhealthy: its two targets are
// put back, and done again by the next attempt.
func testRolloutRollsBack(t *testing.T, d Driver) {
	w := NewWorld()
	r, steps := rollout(true)
	w.Plans["wave/net/2"] = Plan{Fail: &axle.Failure{Code: axle.CodeUnhealthy, Message: "alarm"}}
	out, err := run(t, d, w, steps, nil, w.rolling(r))
	if err != nil {
		t.Fatal(err)
	}
	const rest = "wave/net/1 succeeded, "
	want(t, out, axle.RunPartial, "a0 succeeded, b0 failed, b1 failed, c0 skipped, c1 skipped, rollback/a0 , "+rest+
		"rollback/b0 succeeded, rollback/b1 succeeded, wave/net/2 failed, rollback/c0 , rollback/c1 ")
	if f := out.Records[1].Failure; f == nil || f.Code != axle.CodeRolledBack {
		t.Errorf("%+v", out.Records[1])
	}
	w.Plans["wave/net/2"] = Plan{}
	out, err = run(t, d, w, steps, w.Journal(), w.rolling(r))
	if err != nil || out.Status != axle.RunSucceeded || w.starts["b0"] != 2 || w.starts["a0"] != 1 {
		t.Errorf("resumed: %+v, %v; starts %v", out, err, w.starts)
	}
}

// testRolloutKeepsUnchanged has a target that the unhealthy wave didn't change:
// there is nothing to put back.
func testRolloutKeepsUnchanged(t *testing.T, d Driver) {
	w := NewWorld()
	r, steps := rollout(true)
	w.Plans["b1"] = Plan{Change: axle.None}
	w.Plans["wave/net/2"] = Plan{Fail: &axle.Failure{Code: axle.CodeUnhealthy, Message: "alarm"}}
	out, err := run(t, d, w, steps, nil, w.rolling(r))
	if err != nil {
		t.Fatal(err)
	}
	if b1 := out.Records[2]; b1.Status != axle.Unchanged || w.starts["rollback/b0"] != 1 || w.starts["rollback/b1"] != 0 {
		t.Errorf("%+v; starts %v", b1, w.starts)
	}
}

// testRolloutCrash breaks the journal after each number of records of a run that
// is rolled back, and resumes it: the end is the same.
func testRolloutCrash(t *testing.T, d Driver) {
	for room := 1; ; room++ {
		w := NewWorld()
		r, steps := rollout(true)
		w.Plans["b1"] = Plan{Checks: 1, Takes: time.Second}
		w.Plans["wave/net/2"] = Plan{Fail: &axle.Failure{Code: axle.CodeUnhealthy, Message: "alarm"}}
		w.Room = room
		out, err := run(t, d, w, steps, nil, w.rolling(r))
		whole := err == nil
		if !whole {
			w.Room = 0
			out, err = run(t, d, w, steps, w.Journal(), w.rolling(r))
		}
		if err != nil {
			t.Fatalf("resumed with %d records: %v", room, err)
		}
		for i, st := range []axle.Status{axle.Succeeded, axle.Failed, axle.Failed, axle.Skipped, axle.Skipped} {
			if out.Records[i].Status != st || out.Status != axle.RunPartial {
				t.Errorf("resumed with %d records: the run is %s, %+v", room, out.Status, out.Records[i])
			}
		}
		if whole {
			return
		}
	}
}

// testRolloutCrashMended is the same with a wave that is well when the run is
// resumed: what the rollbacks had begun to put back is put back, and done again.
func testRolloutCrashMended(t *testing.T, d Driver) {
	again := 0
	for room := 1; ; room++ {
		w := NewWorld()
		r, steps := rollout(true)
		w.Plans["wave/net/2"] = Plan{Fail: &axle.Failure{Code: axle.CodeUnhealthy, Message: "alarm"}}
		for _, b := range []string{"b0", "b1"} {
			w.Plans[plan.RollbackStep(b)] = Plan{Checks: 1, Takes: time.Second}
		}
		w.Room = room
		if _, err := run(t, d, w, steps, nil, w.rolling(r)); err == nil {
			break
		}
		w.Room = 0
		w.Plans["wave/net/2"] = Plan{}
		before := maps.Clone(w.starts)
		out, err := run(t, d, w, steps, w.Journal(), w.rolling(r))
		if err != nil || out.Status != axle.RunSucceeded {
			t.Errorf("resumed with %d records: %+v, %v", room, out, err)
		}
		for _, b := range []string{"b0", "b1"} {
			if before[plan.RollbackStep(b)] == 0 {
				continue
			}
			again++
			if w.starts[b] == before[b] {
				t.Errorf("resumed with %d records: %s was being put back, and isn't done again", room, b)
			}
		}
	}
	if again == 0 {
		t.Error("no run broke while it was rolled back")
	}
}
