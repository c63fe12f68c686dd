package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"axle"
	"axle/internal/plan"
)

// drawRollouts draws rollouts and their steps, gates and rollbacks.
func drawRollouts(t *rapid.T) ([]plan.Rollout, []axle.Step) {
	var rollouts []plan.Rollout
	var steps, extra []axle.Step
	for s := range rapid.IntRange(1, 3).Draw(t, "stacks") {
		r := plan.Rollout{Stack: fmt.Sprintf("s%d", s), MaxConcurrent: rapid.IntRange(0, 3).Draw(t, "concurrent"),
			Tolerance: rapid.IntRange(0, 4).Draw(t, "overall"), Rollback: rapid.Bool().Draw(t, "rollback")}
		waves := rapid.IntRange(1, 4).Draw(t, "waves")
		for k := range waves {
			w := plan.Wave{Targets: rapid.IntRange(1, 4).Draw(t, "size"), Tolerance: rapid.IntRange(0, 2).Draw(t, "tolerance"), Canary: k == 0}
			for i := range w.Targets {
				step := axle.Step{ID: fmt.Sprintf("%s/%d/%d", r.Stack, k, i), Kind: "stack", Name: r.Stack, Wave: k + 1, Account: fmt.Sprint(i), Region: "x"}
				steps = append(steps, step)
				if r.Rollback {
					step.ID, step.Kind = plan.RollbackStep(step.ID), plan.KindRollback
					extra = append(extra, step)
				}
			}
			if k < waves-1 || rapid.Bool().Draw(t, "last gate") {
				extra = append(extra, axle.Step{ID: plan.WaveStep(r.Stack, k+1), Kind: plan.KindWave, Name: r.Stack, Wave: k + 1})
			}
			r.Waves = append(r.Waves, w)
		}
		rollouts = append(rollouts, r)
	}
	return rollouts, append(steps, extra...)
}

// rolling drives a frontier, and says what it must not have done.
type rolling struct {
	*testing.T
	rapid    *rapid.T
	f        *plan.Frontier
	rollouts map[string]*plan.Rollout
	steps    []axle.Step
	fate     map[string]axle.Status
	running  []int
	journal  []axle.Record
}

func (r *rolling) note(i int, st axle.Status) {
	r.journal = append(r.journal, axle.Record{Step: r.steps[i].ID, Status: st})
}

// failed counts the failures of a stack and of one of its waves.
func (r *rolling) failed(s *axle.Step) (wave, all int) {
	for i := range r.steps {
		o := &r.steps[i]
		if st := r.f.Status(i); o.Name == s.Name && o.Kind == "stack" && (st == axle.Failed || st == axle.Skipped) {
			all++
			if o.Wave == s.Wave {
				wave++
			}
		}
	}
	return wave, all
}

// mayStart checks a step that the frontier lets start.
func (r *rolling) mayStart(i int) {
	s := &r.steps[i]
	ro := r.rollouts[s.Name]
	wave, all := r.failed(s)
	busy := 1
	for _, j := range r.running {
		if o := &r.steps[j]; o.Name == s.Name && o.Kind != plan.KindWave {
			busy++
		}
	}
	if s.Kind != plan.KindWave && ro.MaxConcurrent > 0 && busy > ro.MaxConcurrent {
		r.rapid.Fatalf("%s is the %d. at once of %d", s.ID, busy, ro.MaxConcurrent)
	}
	_, halted := r.f.Halted(i)
	switch s.Kind {
	case plan.KindRollback:
		if of, _ := r.f.Index(strings.TrimPrefix(s.ID, "rollback/")); halted != r.f.Status(of).Ended() { // not halted: goes on after a crash

			r.rapid.Fatalf("%s begins: halted %v, its step is %s", s.ID, halted, r.f.Status(of))
		}
		return
	case plan.KindWave:
		for j := range r.steps {
			if o := &r.steps[j]; o.Kind == "stack" && o.Name == s.Name && o.Wave == s.Wave && !r.f.Status(j).Ended() {
				r.rapid.Fatalf("%s begins before %s has ended", s.ID, o.ID)
			}
		}
	default:
		if gate, ok := r.f.Index(plan.WaveStep(s.Name, s.Wave-1)); s.Wave > 1 && (!ok || !r.f.Status(gate).OK()) {
			r.rapid.Fatalf("%s begins before its wave", s.ID)
		}
	}
	if halted || wave > ro.Waves[s.Wave-1].Tolerance || all > ro.Tolerance {
		r.rapid.Fatalf("%s begins with %d failures of its wave, %d of all; halted %v", s.ID, wave, all, halted)
	}
}

// run drives to the end; pick chooses which of the running steps ends next.
func (r *rolling) run(pick func(n int) int) {
	for {
		for _, i := range r.f.Next(0) {
			r.mayStart(i)
			r.running = append(r.running, i)
			r.note(i, axle.Running)
		}
		if len(r.running) == 0 {
			break
		}
		k := pick(len(r.running))
		i := r.running[k]
		r.running = slices.Delete(r.running, k, k+1)
		lost := r.f.End(i, r.fate[r.steps[i].ID])
		if of, ok := r.f.PutBack(); ok {
			r.note(of, axle.Failed)
		}
		r.note(i, r.fate[r.steps[i].ID])
		for _, l := range lost {
			r.note(l, r.f.Status(l))
		}
	}
	if !r.f.Finished() {
		r.rapid.Fatalf("nothing runs, and it isn't finished: %v", r.ends())
	}
}

// ends are the final statuses; of a wave at which a rollout halted, what ran
// depends on the time, so all of its steps are "halted".
func (r *rolling) ends() map[string]string {
	out := map[string]string{}
	for i := range r.steps {
		s := &r.steps[i]
		out[s.ID] = string(r.f.Status(i))
		if s.Kind == plan.KindRollback {
			delete(out, s.ID)
		}
		// What failed in an early wave is tried again by a resumed run, unless the
		// rollout halts before its turn comes.
		if _, halted := r.f.Halted(i); halted && out[s.ID] == string(axle.Skipped) {
			out[s.ID] = string(axle.Failed)
		}
	}
	for name, ro := range r.rollouts {
		for k := range ro.Waves {
			var failed, over bool
			for i := range r.steps {
				if s := &r.steps[i]; s.Name == name && s.Wave == k+1 {
					reason, halted := r.f.Halted(i)
					at := "the canary"
					if k > 0 {
						at = fmt.Sprintf("wave %d of", k+1)
					}
					failed = failed || halted && strings.Contains(reason, at)
					over = over || s.Kind == "stack"
				}
			}
			if failed {
				for i := range r.steps {
					if s := &r.steps[i]; s.Name == name && s.Wave == k+1 && s.Kind == "stack" {
						out[s.ID] = "halted"
					}
				}
			}
		}
	}
	return out
}

func newRolling(rt *rapid.T, rollouts []plan.Rollout, steps []axle.Step, fate map[string]axle.Status, done []axle.Record) *rolling {
	f, err := plan.NewFrontier(steps, plan.Limits{Rollouts: rollouts}, done)
	if err != nil {
		rt.Fatal(err)
	}
	r := &rolling{rapid: rt, f: f, rollouts: map[string]*plan.Rollout{}, steps: steps, fate: fate}
	for i := range rollouts {
		r.rollouts[rollouts[i].Stack] = &rollouts[i]
	}
	return r
}

// Whatever fails and in which order steps end: nothing begins before its wave,
// or once more have failed than is tolerated; no more are at work than may be;
// and a run that is resumed from any beginning of its journal ends alike.
func TestRollouts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rollouts, steps := drawRollouts(rt)
		fate := map[string]axle.Status{}
		for i := range steps {
			fate[steps[i].ID] = axle.Succeeded
			if steps[i].Kind != plan.KindRollback && rapid.IntRange(0, 5).Draw(rt, "fails") == 0 {
				fate[steps[i].ID] = axle.Failed
			}
		}
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "ends") }
		whole := newRolling(rt, rollouts, steps, fate, nil)
		whole.run(pick)
		want := whole.ends()
		for cut := range whole.journal {
			latest := map[string]axle.Record{}
			for _, rec := range whole.journal[:cut] {
				latest[rec.Step] = rec
			}
			again := newRolling(rt, rollouts, steps, fate, slices.SortedFunc(maps.Values(latest), func(a, b axle.Record) int { return strings.Compare(a.Step, b.Step) }))
			again.run(func(n int) int { return n - 1 })
			if got := again.ends(); !maps.Equal(got, want) {
				for id := range want {
					if got[id] != want[id] {
						rt.Fatalf("resumed after %d of %d records, %s is %s, not %s", cut, len(whole.journal), id, got[id], want[id])
					}
				}
			}
		}
	})
}
