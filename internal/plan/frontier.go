package plan

import (
	"slices"

	"axle"
)

// Limits bound how many steps run at once: in all, in one account, in one
// region of all accounts, and in one region of one account. 0 is no limit.
// Rollouts bound those of single stacks, and in which order they start.
type Limits struct {
	Global, PerAccount, PerRegion, PerTarget int
	Rollouts                                 []Rollout
}

// Frontier is the pure state of a run: which steps wait, may start, run, have
// ended. Events go in (End, Stop, Cancel), commands come out (Next); the same
// events give the same commands. It knows no clock and does no I/O, and isn't
// safe for concurrent use.
//
// Steps that may start wait in lanes, one for each target. A lane whose first
// step is held up by a limit is parked at that limit and costs nothing until a
// place there is free, so a saturated account never holds up another one, and
// each step costs O(log n) however many wait. Of the steps that may start,
// those that the longest chains wait for go first.
type Frontier struct {
	limits  Limits
	index   map[string]int32
	graph   graph
	status  []state
	waits   []int32 // needs that haven't ended well, by step
	blame   []int32 // the step at fault for a skip, or -1
	rank    []int32 // place in the starting order, by step
	order   []int32 // step, by place
	lane    []int32 // by step
	lanes   []lane
	pools   []pool
	open    ranks // lanes whose first step may be startable
	counts  [stateCount]int
	stopped bool

	rollouts []rollout
	gates    int     // running: they wait more than they work, and take no place
	undone   int32   // the step that the event at hand has put back, or -1
	part     []part  // of which rollout each step is a part; nil without rollouts
	lost     []int32 // steps that the event at hand keeps from running
	settling []int32 // steps that ended, and that their rollout hasn't heard of
}

// NewFrontier makes the state of a run of steps. Of what an earlier attempt of
// the run recorded, steps that ended well are kept, those that were running
// come first (their work may still be going on), and the rest starts anew;
// records of other steps are ignored. The error is a *GraphError.
func NewFrontier(steps []axle.Step, limits Limits, done []axle.Record) (*Frontier, error) {
	index, err := indexSteps(steps)
	if err != nil {
		return nil, err
	}
	g, heights, err := newGraph(steps, index)
	if err != nil {
		return nil, err
	}
	n := len(steps)
	f := &Frontier{
		limits: limits, index: index, graph: g,
		status: make([]state, n), blame: make([]int32, n), waits: g.needs,
	}
	running := make(map[int32]bool)
	for _, r := range done {
		i, ok := index[r.Step]
		switch {
		case !ok:
		case r.Status.OK():
			f.status[i] = stateOf(r.Status)
		case r.Status == axle.Running:
			running[i] = true
		}
	}
	for i := range f.blame {
		f.blame[i] = -1
	}
	f.makeRollouts(steps, done)
	f.rank, f.order = startingOrder(heights, running)
	f.makeLanes(steps)
	f.begin()
	return f, nil
}

// begin counts the states and lets go of what the kept steps held up.
func (f *Frontier) begin() {
	for i, s := range f.status {
		f.counts[s]++
		if s.ok() {
			for _, d := range f.graph.dependants(int32(i)) {
				f.waits[d]--
			}
		}
	}
	f.beginRollouts()
	for _, i := range f.order {
		if f.status[i] == statePending && f.waits[i] == 0 {
			f.ready(i)
		}
	}
}

// Next returns the steps to start now, in order, at most max of them (any
// number if max is 0), and takes them as running.
func (f *Frontier) Next(max int) []int {
	var out []int
	for !f.stopped && len(f.open) > 0 && (max <= 0 || len(out) < max) &&
		(f.limits.Global <= 0 || f.counts[stateRunning]-f.gates < f.limits.Global) {
		e := f.open.pop()
		l := &f.lanes[e.lane]
		if !l.is(atOpen, e.rank) || f.prune(e.lane) {
			continue
		}
		if p := f.full(l); p >= 0 {
			l.at = p
			f.pools[p].parked.push(e)
			f.wake(l)
			continue
		}
		i := f.order[l.ready.pop().rank]
		for _, p := range l.pools {
			if p >= 0 {
				f.pools[p].used++
			}
		}
		f.set(i, stateRunning)
		f.gates += f.isGate(i)
		out = append(out, int(i))
		if len(l.ready) > 0 {
			f.open.push(entry{l.ready[0].rank, e.lane})
		} else {
			l.at = atNone
			f.wake(l)
		}
	}
	return out
}

// End tells that a running step ended, and how. It returns the steps that can
// no longer run because of that: all that need it, directly or not, and what
// is left of a rollout that halts. After a failure they are skipped, after a
// cancellation cancelled; the first step that reaches one decides. A step that
// isn't running is left alone.
func (f *Frontier) End(i int, st axle.Status) []int {
	if i < 0 || i >= len(f.status) || f.status[i] != stateRunning || !st.Ended() {
		return nil
	}
	f.release(int32(i))
	f.set(int32(i), stateOf(st))
	f.lost, f.undone = f.lost[:0], -1
	if st.OK() {
		for _, d := range f.graph.dependants(int32(i)) {
			f.waits[d]--
			if f.waits[d] == 0 && f.status[d] == statePending {
				f.ready(d)
			}
		}
	} else {
		to := stateSkipped
		if st == axle.Cancelled {
			to = stateCancelled
		}
		f.giveUp(int32(i), int32(i), to)
	}
	f.settle(int32(i))
	if len(f.lost) == 0 {
		return nil
	}
	out := make([]int, len(f.lost))
	for k, l := range f.lost {
		out[k] = int(l)
	}
	slices.Sort(out)
	return out
}

// giveUp marks all pending descendants of i, because of blame.
func (f *Frontier) giveUp(i, blame int32, to state) {
	for stack := []int32{i}; len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, d := range f.graph.dependants(at) {
			if f.status[d] != statePending {
				continue
			}
			f.lose(d, blame, to)
			stack = append(stack, d)
		}
	}
}

// lose keeps a pending step from running.
func (f *Frontier) lose(d, blame int32, to state) {
	f.set(d, to)
	f.blame[d] = blame
	f.lost = append(f.lost, d)
	f.settling = append(f.settling, d)
}

// Stop makes Next return nothing from now on. What is pending stays so: the
// run can be resumed.
func (f *Frontier) Stop() { f.stopped = true }

// Status says where step i is; "" for a rollback that isn't called for.
func (f *Frontier) Status(i int) axle.Status { return statuses[f.status[i]] }

// Blame returns the step whose failure or cancellation kept step i from
// running.
func (f *Frontier) Blame(i int) (int, bool) { return int(f.blame[i]), f.blame[i] >= 0 }

// Index finds a step by its id.
func (f *Frontier) Index(id string) (int, bool) {
	i, ok := f.index[id]
	return int(i), ok
}

// Count says how many steps have the status.
func (f *Frontier) Count(st axle.Status) int { return f.counts[stateOf(st)] }

// Finished says whether every step has ended.
func (f *Frontier) Finished() bool { return f.counts[statePending] == 0 && f.counts[stateRunning] == 0 }

func (f *Frontier) set(i int32, s state) {
	f.counts[f.status[i]]--
	f.counts[s]++
	f.status[i] = s
}

// state is a status in a byte.
type state uint8

const (
	statePending state = iota
	stateRunning
	stateSucceeded
	stateUnchanged
	stateFailed
	stateSkipped
	stateCancelled
	stateDormant // of a rollback that nobody needs; never told
	stateCount
)

func (s state) ok() bool { return s == stateSucceeded || s == stateUnchanged }

var statuses = [stateCount]axle.Status{axle.Pending, axle.Running, axle.Succeeded, axle.Unchanged, axle.Failed, axle.Skipped, axle.Cancelled, ""}

func stateOf(st axle.Status) state {
	if i := slices.Index(statuses[:], st); i >= 0 {
		return state(i)
	}
	return statePending
}
