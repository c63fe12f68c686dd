package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"axle"
	"axle/internal/plan"
)

const (
	// maxBatch bounds how many records go to the journal at once.
	maxBatch = 5000
	// gather is how long ends that nothing waits for are gathered, so that one
	// write does for many of them. A run that is killed meanwhile looks at these
	// steps again when it is resumed.
	gather = 25 * time.Millisecond
)

// run is a run under way. The goroutine of loop owns it; workers touch only
// what is said to be shared.
type run struct {
	id       string
	o        Options
	frontier *plan.Frontier
	records  []axle.Record
	queue    []entry // what the journal is to take next, in order
	writing  []entry // what it is taking now; nil when it isn't
	written  chan error
	broken   error           // why the journal can't be written any more
	atWork   int             // workers that haven't reported yet
	whole    context.Context // of the run
	grace    <-chan time.Time
	gathered <-chan time.Time // when the ends in the queue are to be written; nil: not before there is more

	// Shared with the workers:
	steps    []axle.Step
	ended    []atomic.Pointer[axle.Result] // of steps that ended well
	inbox    inbox
	events   *events
	stopping chan struct{}   // closed at the stop
	calls    context.Context // of actions: the grace of a soft stop ends it
	workers  sync.WaitGroup
}

// entry is a record on its way to the journal. A start waits for it to be
// there, and so does a worker that has a new token (ack).
type entry struct {
	step   int
	record axle.Record
	start  bool
	before *axle.Record // of a start: what an earlier attempt recorded, if it did
	undo   bool         // takes back a start that the journal had already
	ack    chan<- error
}

func newRun(id string, steps []axle.Step, earlier []axle.Record, f *plan.Frontier, o Options) *run {
	r := &run{
		id: id, o: o, steps: steps, frontier: f,
		records:  make([]axle.Record, len(steps)),
		ended:    make([]atomic.Pointer[axle.Result], len(steps)),
		written:  make(chan error, 1),
		inbox:    inbox{ready: make(chan struct{}, 1)},
		events:   newEvents(o.Observer),
		stopping: make(chan struct{}),
	}
	for i := range steps {
		r.records[i] = axle.Record{Step: steps[i].ID, Status: f.Status(i)}
	}
	for _, old := range earlier {
		i, ok := f.Index(old.Step)
		if !ok || f.Status(i) == "" { // of a rollback that was for an earlier attempt
			continue
		}
		// Until the step starts again, what it came to last time stands.
		r.records[i] = old
		if f.Status(i).OK() {
			r.ended[i].Store(&old.Result)
		}
	}
	return r
}

// loop takes the run to its end, or to where it is left.
func (r *run) loop(ctx context.Context) error {
	calls, cancelCalls := context.WithCancel(ctx)
	defer cancelCalls()
	r.whole, r.calls = ctx, calls
	soft, hard := r.o.Stop, ctx.Done()
	var linger <-chan time.Time
	for left := false; !left; {
		r.start()
		r.flush()
		if r.atWork == 0 && r.writing == nil && (len(r.queue) == 0 || r.broken != nil) {
			break
		}
		select {
		case <-r.inbox.ready:
			r.receive()
		case err := <-r.written:
			r.acknowledge(err)
		case <-soft:
			soft = nil
			r.stop()
		case <-r.grace:
			cancelCalls()
		case <-r.gathered:
			r.write()
		case <-hard:
			hard = nil
			r.stop()
			linger = time.After(r.o.Linger)
		case <-linger:
			left = true
		}
	}
	if linger == nil {
		r.workers.Wait()
	}
	return r.finish()
}

// start queues what the frontier says. A step starts once the journal has it.
func (r *run) start() {
	for _, i := range r.frontier.Next(0) {
		rec := &r.records[i]
		e := entry{step: i, start: true}
		if rec.Status != axle.Pending {
			before := *rec
			e.before = &before
		}
		if rec.Status != axle.Running { // else its work may be going on, and is gone on with
			*rec = axle.Record{Step: rec.Step, Status: axle.Running, Attempts: rec.Attempts, Started: time.Now().UTC()}
		}
		e.record = *rec
		r.queue = append(r.queue, e)
	}
}

// unstart takes back a start that won't happen, and says whether that changes
// the record.
func (r *run) unstart(e *entry) bool {
	rec := &r.records[e.step]
	if e.before == nil {
		*rec = axle.Record{Step: rec.Step, Status: axle.Pending}
	} else {
		*rec = *e.before
	}
	return rec.Status != axle.Running
}

// stop makes nothing more start. What isn't with the journal yet stays pending.
func (r *run) stop() {
	if r.stopped() {
		return
	}
	close(r.stopping)
	r.frontier.Stop()
	r.grace = time.After(r.o.Grace)
	kept := r.queue[:0]
	for _, e := range r.queue {
		if e.start {
			r.unstart(&e)
		} else {
			kept = append(kept, e)
		}
	}
	r.queue = kept
}

func (r *run) stopped() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return false
	}
}

// flush hands the queue to the journal as soon as it should have it.
func (r *run) flush() {
	if r.writing != nil || len(r.queue) == 0 || r.broken != nil {
		return
	}
	if r.atWork > 0 && !r.stopped() && !slices.ContainsFunc(r.queue, entry.urgent) {
		if r.gathered == nil {
			r.gathered = time.After(gather)
		}
		return
	}
	r.write()
}

// urgent says that something waits for the entry to be in the journal.
func (e entry) urgent() bool { return e.start || e.ack != nil }

// write hands the queue to the journal, which must not be at work.
func (r *run) write() {
	r.gathered = nil
	n := min(len(r.queue), maxBatch)
	r.writing, r.queue = r.queue[:n:n], r.queue[n:]
	batch := make([]axle.Record, n)
	for i := range r.writing {
		batch[i] = r.writing[i].record
	}
	// What has happened is to be recorded even when the run is cancelled.
	ctx := context.WithoutCancel(r.whole)
	r.workers.Go(func() { r.written <- r.o.Journal.Append(ctx, r.id, batch) })
}

// acknowledge goes on with what was waiting for the journal.
func (r *run) acknowledge(err error) {
	entries := r.writing
	r.writing = nil
	if err != nil {
		r.broken = err
		r.stop()
		r.unwritten(entries)
		return
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.ack != nil:
			e.ack <- nil
		case !e.start:
			if e.record.Status.Ended() && !e.undo {
				r.events.send(Event{Kind: Ended, Step: &r.steps[e.step], Record: e.record})
			}
		case !r.stopped():
			r.dispatch(e.step)
		case r.unstart(e):
			r.queue = append(r.queue, entry{step: e.step, record: r.records[e.step], undo: true})
		}
	}
}

// unwritten sorts out what the journal didn't take: ends are kept for a last
// try, workers are sent away, and starts never happened.
func (r *run) unwritten(entries []entry) {
	all := append(entries[:len(entries):len(entries)], r.queue...)
	r.queue = nil
	for _, e := range all {
		if e.start {
			r.unstart(&e)
			continue
		}
		if e.ack != nil {
			e.ack <- r.broken
		}
		r.queue = append(r.queue, e)
	}
}

func (r *run) dispatch(i int) {
	r.atWork++
	step := &r.steps[i]
	r.events.send(Event{Kind: Started, Step: step, Record: r.records[i]})
	w := &worker{run: r, n: i, step: step, action: r.o.Actions[step.Kind], token: r.records[i].Token, attempts: r.records[i].Attempts}
	w.begun = w.token != ""
	r.workers.Go(func() { r.inbox.put(w.work()) })
}

// receive takes what the workers report.
func (r *run) receive() {
	for _, m := range r.inbox.take() {
		rec := &r.records[m.step]
		rec.Token, rec.Attempts = m.token, m.attempts
		switch m.kind {
		case saveToken:
			if r.broken != nil {
				m.ack <- r.broken
			}
			r.queue = append(r.queue, entry{step: m.step, record: *rec, ack: m.ack})
		case hasEnded:
			r.atWork--
			r.end(m)
		case isWaiting: // a gate, which holds no place that another step needs
			r.atWork--
			r.events.send(Event{Kind: Waiting, Step: &r.steps[m.step], Record: *rec})
		case wasLeft:
			r.atWork--
			r.events.send(Event{Kind: Left, Step: &r.steps[m.step], Record: *rec})
		}
	}
}

// end records how a step ended, and those that can't run because of it.
func (r *run) end(m message) {
	now := time.Now().UTC()
	rec := &r.records[m.step]
	rec.Status, rec.Result, rec.Failure, rec.Finished = m.status, m.result, m.failure, now
	lost := r.frontier.End(m.step, m.status)
	if of, ok := r.frontier.PutBack(); ok { // recorded first: a rollback that isn't recorded goes on
		r.putBack(of, now)
	}
	r.queue = append(r.queue, entry{step: m.step, record: *rec})
	if m.status.OK() {
		r.ended[m.step].Store(&m.result)
	}
	for _, i := range lost {
		s := &r.records[i]
		*s = axle.Record{Step: s.Step, Status: r.frontier.Status(i), Attempts: s.Attempts, Finished: now}
		if blame, ok := r.frontier.Blame(i); ok {
			s.SkippedFor = r.steps[blame].ID
		}
		if why, ok := r.frontier.Halted(i); ok {
			s.Failure = &axle.Failure{Code: axle.CodeHalted, Message: why}
		}
		r.queue = append(r.queue, entry{step: i, record: *s})
	}
}

// putBack records that what a step had done was undone: it is to be done again.
func (r *run) putBack(i int, now time.Time) {
	rec := &r.records[i]
	why, _ := r.frontier.Halted(i)
	rec.Status, rec.Finished, rec.Result = axle.Failed, now, axle.Result{Change: rec.Result.Change}
	rec.Failure = &axle.Failure{Code: axle.CodeRolledBack, Message: "put back to what it was before the run: the rollout was " + why}
	r.ended[i].Store(nil)
	r.queue = append(r.queue, entry{step: i, record: *rec})
}

// finish writes what is still to be written, and says how it went.
func (r *run) finish() error {
	// What the journal is still taking when the run is left is given to it once
	// more: it takes things in order, and of two records of a step the last.
	left := append(r.writing[:len(r.writing):len(r.writing)], r.queue...)
	lost := 0
	if len(left) > 0 {
		batch := make([]axle.Record, len(left))
		for i, e := range left {
			batch[i] = e.record
			if e.record.Status.Ended() {
				lost++
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.whole), r.o.Linger)
		err := r.o.Journal.Append(ctx, r.id, batch)
		cancel()
		if err != nil {
			r.broken = err
		} else {
			lost = 0
		}
	}
	r.events.close()
	switch {
	case r.broken != nil:
		return &JournalError{Run: r.id, Lost: lost, Err: r.broken}
	case !r.frontier.Finished():
		return ErrInterrupted
	}
	return nil
}

// output gives the workers the outputs of steps that ended well.
func (r *run) output(id string) (map[string]string, bool) {
	i, ok := r.frontier.Index(id)
	if !ok {
		return nil, false
	}
	res := r.ended[i].Load()
	if res == nil {
		return nil, false
	}
	return res.Outputs, true
}
