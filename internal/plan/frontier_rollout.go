package plan

import (
	"fmt"
	"strings"

	"axle"
)

// rollout is where the rollout of one stack stands. Its waves open one after
// the other: the first at once, the next when the gate of the one before has
// ended well, which becomes startable when all steps of its wave have ended
// within tolerance. A failure beyond that, or of a gate, halts the rollout: what
// hasn't started is skipped, and when what runs has ended, the rollbacks of the
// wave become startable.
type rollout struct {
	*Rollout
	pool   int32 // of max_concurrent, -1 for none
	waves  []wave
	left   int // steps of open waves that haven't ended: retried ones of early waves too
	bad    int // targets that failed, or couldn't begin
	halted int // the wave at which it halted, -1
	reason string
}

type wave struct {
	steps []int32
	gate  int32 // -1 for none
	backs []int32
	open  bool
	left  int // steps that haven't ended
	bad   int
}

// part is what a step is to a rollout.
type part struct {
	rollout, wave int32 // -1: none
	role          role
	of            int32 // of a rollback: the step
}

type role uint8

const (
	isStep role = iota
	isGate
	isBack
)

func (f *Frontier) rolloutOf(i int32) int32 {
	if f.part == nil {
		return -1
	}
	return f.part[i].rollout
}

// isGate is 1 for a gate.
func (f *Frontier) isGate(i int32) int {
	if f.part == nil || f.part[i].rollout < 0 || f.part[i].role != isGate {
		return 0
	}
	return 1
}

func (f *Frontier) rolloutPool(r int32) int32 {
	if r < 0 {
		return -1
	}
	if to := &f.rollouts[r]; to.pool < 0 && to.MaxConcurrent > 0 {
		to.pool = f.newPool(to.MaxConcurrent)
	}
	return f.rollouts[r].pool
}

// makeRollouts finds the steps of each rollout. A rollback is dormant until its
// rollout halts; one that an earlier attempt began comes before its step.
func (f *Frontier) makeRollouts(steps []axle.Step, done []axle.Record) {
	if len(f.limits.Rollouts) == 0 {
		return
	}
	byStack := make(map[string]int32)
	for i := range f.limits.Rollouts {
		r := &f.limits.Rollouts[i]
		byStack[r.Stack] = int32(i)
		f.rollouts = append(f.rollouts, rollout{Rollout: r, pool: -1, halted: -1, waves: make([]wave, len(r.Waves))})
		for k := range r.Waves {
			f.rollouts[i].waves[k].gate = -1
		}
	}
	f.part = make([]part, len(steps))
	for i := range steps {
		s := &steps[i]
		f.part[i] = part{rollout: -1}
		n, ok := byStack[s.Name]
		if !ok || s.Wave < 1 || s.Wave > len(f.rollouts[n].waves) {
			continue
		}
		w := &f.rollouts[n].waves[s.Wave-1]
		f.part[i] = part{rollout: n, wave: int32(s.Wave - 1)}
		switch s.Kind {
		case KindWave:
			f.part[i].role = isGate
			w.gate = int32(i)
		case KindRollback:
			f.part[i].role = isBack
			f.part[i].of = f.index[strings.TrimPrefix(s.ID, KindRollback+"/")]
			f.status[i] = stateDormant
			w.backs = append(w.backs, int32(i))
		default:
			w.steps = append(w.steps, int32(i))
		}
	}
	f.resumeRollbacks(done)
}

// resumeRollbacks lets rollbacks that were at work go on, before their steps.
func (f *Frontier) resumeRollbacks(done []axle.Record) {
	for _, r := range done {
		i, ok := f.index[r.Step]
		if ok && f.part[i].rollout >= 0 && f.part[i].role == isBack && r.Status == axle.Running {
			f.status[i] = statePending
			of := f.part[i].of
			f.status[of] = statePending // whatever it was: it isn't any more
			f.waits[of]++
		}
	}
}

// beginRollouts opens the waves that an earlier attempt had opened, and the
// first. Steps of the others wait for one thing more.
func (f *Frontier) beginRollouts() {
	for n := range f.rollouts {
		r := &f.rollouts[n]
		passed := true
		for k := range r.waves {
			w := &r.waves[k]
			w.open = passed
			passed = passed && w.gate >= 0 && f.status[w.gate].ok()
			for _, i := range w.steps {
				if f.status[i] == statePending {
					w.left++
					if !w.open {
						f.waits[i]++
					}
				}
			}
			if w.open {
				r.left += w.left
			}
			if w.gate >= 0 && f.status[w.gate] == statePending && !(w.open && r.left == 0) {
				f.waits[w.gate]++
			}
		}
	}
}

// settle tells the rollouts of a step that ended, and of all that couldn't run
// because of it, which may halt rollouts and so on.
func (f *Frontier) settle(i int32) {
	f.settling = append(f.settling, i)
	for k := 0; k < len(f.settling); k++ {
		if d := f.settling[k]; f.part != nil && f.part[d].rollout >= 0 {
			f.settleOne(d)
		}
	}
	f.settling = f.settling[:0]
}

func (f *Frontier) settleOne(i int32) {
	p := f.part[i]
	r := &f.rollouts[p.rollout]
	w := &r.waves[p.wave]
	switch p.role {
	case isGate:
		switch {
		case f.status[i].ok():
			f.openWave(r, int(p.wave)+1)
		case r.halted < 0:
			f.halt(r, int(p.wave), i, fmt.Sprintf("halted after %s: its health check failed", r.waveName(int(p.wave))))
			f.rollBack(r)
		}
		return
	case isBack:
		f.endRollback(i, p.of)
		return
	}
	w.left--
	if w.open {
		r.left--
	}
	if !f.status[i].ok() && r.halted < 0 {
		w.bad++
		r.bad++
		if allowed := r.Waves[p.wave].Tolerance; w.bad > allowed {
			f.halt(r, int(p.wave), i, fmt.Sprintf("halted after %s: %d of %d failed, tolerance %d", r.waveName(int(p.wave)), w.bad, len(w.steps), allowed))
		} else if r.bad > r.Tolerance {
			k := r.latest()
			f.halt(r, k, i, fmt.Sprintf("halted after %s: %d of all %d targets failed, tolerance %d", r.waveName(k), r.bad, r.targets(), r.Tolerance))
		}
	}
	switch {
	case r.halted >= 0:
		f.rollBack(r)
	case w.open && r.left == 0:
		f.reachGate(r)
	}
}

// reachGate lets the gate of the latest wave begin.
func (f *Frontier) reachGate(r *rollout) {
	if g := r.waves[r.latest()].gate; g >= 0 && f.status[g] == statePending {
		f.let(g)
	}
}

// let takes one thing from those that a step waits for.
func (f *Frontier) let(i int32) {
	if f.waits[i]--; f.waits[i] == 0 && f.status[i] == statePending {
		f.ready(i)
	}
}

// openWave lets a wave begin. One whose steps have all ended, because what they
// need failed, is over at once.
func (f *Frontier) openWave(r *rollout, k int) {
	if k >= len(r.waves) || r.waves[k].open || r.halted >= 0 {
		return
	}
	w := &r.waves[k]
	w.open = true
	r.left += w.left
	for _, i := range w.steps {
		if f.status[i] == statePending {
			f.let(i)
		}
	}
	if r.left == 0 {
		f.reachGate(r)
	}
}

// halt keeps everything of a rollout from starting.
func (f *Frontier) halt(r *rollout, k int, blame int32, reason string) {
	r.halted, r.reason = k, reason
	for n := range r.waves {
		w := &r.waves[n]
		for _, i := range w.steps {
			f.drop(i, blame)
		}
		if w.gate >= 0 {
			f.drop(w.gate, blame)
		}
	}
}

func (f *Frontier) drop(i, blame int32) {
	if f.status[i] == statePending {
		f.lose(i, blame, stateSkipped)
		f.giveUp(i, blame, stateSkipped)
	}
}

// rollBack wakes the rollbacks of the wave at which a rollout halted, once
// nothing of the wave runs any more.
func (f *Frontier) rollBack(r *rollout) {
	w := &r.waves[r.halted]
	if w.left > 0 {
		return
	}
	for _, b := range w.backs {
		of := f.status[f.part[b].of]
		if f.status[b] == stateDormant && (of == stateSucceeded || of == stateFailed) {
			f.set(b, statePending)
			f.ready(b)
		}
	}
}

// endRollback goes on after a rollback: a step that was put back has failed. One
// that waited for the rollback of an earlier attempt may begin; the rollback may
// be called for again.
func (f *Frontier) endRollback(b, of int32) {
	switch {
	case f.status[of] == statePending:
		f.set(b, stateDormant)
		f.let(of)
	case f.status[b].ok() && f.status[of] == stateSucceeded:
		f.set(of, stateFailed)
		f.undone = of
		f.giveUp(of, of, stateSkipped)
	}
}

func (r *rollout) waveName(k int) string {
	return axle.WaveName(k+1, len(r.waves), r.Waves[k].Canary)
}

// latest is the wave that the rollout has come to.
func (r *rollout) latest() int {
	k := 0
	for k+1 < len(r.waves) && r.waves[k+1].open {
		k++
	}
	return k
}

func (r *rollout) targets() int {
	n := 0
	for k := range r.waves {
		n += len(r.waves[k].steps)
	}
	return n
}

// Halted says why step i was kept from running by the halt of its rollout.
func (f *Frontier) Halted(i int) (reason string, halted bool) {
	if f.part == nil || f.part[i].rollout < 0 {
		return "", false
	}
	r := &f.rollouts[f.part[i].rollout]
	return r.reason, r.halted >= 0
}

// PutBack returns the step that the event at hand, the end of a rollback, has
// undone: one that had ended well.
func (f *Frontier) PutBack() (step int, ok bool) { return int(f.undone), f.undone >= 0 }
