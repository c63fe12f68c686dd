package cfn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"axle"
)

// looker is what the poller asks CloudFormation.
type looker interface {
	// stack describes one stack by id.
	stack(ctx context.Context, t axle.Target, id string) (*Stack, error)
	// busy lists the ids of the target's stacks that something is happening to.
	busy(ctx context.Context, t axle.Target) (map[string]bool, error)
}

// poller watches stacks until what happens to them has ended. For each account
// and region one of those who wait decides for all of them when to look, and
// hands that over when it leaves: so there is one poller for each as long as
// somebody waits, and no goroutine beside theirs.
type poller struct {
	look    looker
	learned *learner

	mu    sync.Mutex
	pairs map[axle.Target]*pair
	// ops are the operations that were watched and haven't ended, by stack id:
	// what was seen of them survives a caller that waits in several turns.
	ops map[string]*operation
	// scouts has, by what it is, the operation that finds out how long it takes:
	// always one, as that may change.
	scouts map[string]*operation
	begun  int // operations, for their spread
}

// pair is one account and region that somebody waits for.
type pair struct {
	lead    chan struct{} // held by who decides for all
	nudged  chan struct{} // something is due earlier than was thought
	watches map[*watch]bool
	listed  time.Time     // when the last list was read
	slow    time.Duration // between lists: grows when they are throttled
	noList  bool          // lists aren't allowed here
}

// operation is one thing that happens to a stack.
type operation struct {
	key   string
	start time.Time
	// spread is when, from 0 to 1, this one looks among those that needn't.
	spread float64
	// blind: when it began, nobody knew how long such ones take, so that others
	// may be waiting for it to tell.
	blind bool
	looks int
	last  time.Duration // of the last look that saw it run, from start
	fails int           // looks in a row that were throttled or didn't get through
	until time.Time     // no look before, after such a failure
	since time.Time     // of the first of those failures
	why   error         // of the last of them, or of a list's; nil when the last look got through
	// moving: it was seen under way, so that a status at rest is its end and
	// not a stale answer from before.
	moving bool
}

// sight is what is known of an operation when a stack is looked at.
type sight struct {
	elapsed time.Duration
	moving  bool
}

// watch is one caller that waits for an operation.
type watch struct {
	id      string
	op      *operation
	ripe    chan struct{} // look now
	looking bool
}

const (
	// listFrom is how many must wait in one account and region before one list
	// replaces their single looks.
	listFrom = 4
	// patience is how long looks may fail to get through before it is an error.
	patience = 10 * time.Minute
	// longestBackoff is the longest wait after a throttled look.
	longestBackoff = 10 * time.Second
	// appears is how long a stack that was just made may seem not to exist.
	appears = 30 * time.Second
)

func newPoller(look looker) *poller {
	return &poller{look: look, learned: &learner{}, pairs: map[axle.Target]*pair{},
		ops: map[string]*operation{}, scouts: map[string]*operation{}}
}

// begin notes that an operation starts now.
func (p *poller) begin(id, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(id, p.ops[id])
	p.ops[id] = p.newOperation(key)
}

func (p *poller) newOperation(key string) *operation {
	p.begun++
	_, spread := math.Modf(float64(p.begun) * math.Phi) // evenly, however many there are
	op := &operation{key: key, start: time.Now(), spread: spread, blind: !p.learned.estimate(key).known}
	if p.scouts[key] == nil {
		p.scouts[key] = op
	}
	return op
}

// await returns the stack as soon as a look satisfies ended. A stack that
// doesn't exist (any more) is nil. When ctx ends first, the error is ctx's.
func (p *poller) await(ctx context.Context, t axle.Target, id, key string, ended func(context.Context, *Stack, sight) (bool, error)) (*Stack, error) {
	w, pr := p.join(t, id, key)
	defer p.leave(t, w)
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.ripe:
			asked := time.Now()
			st, err := p.look.stack(ctx, t, id)
			done := false
			if err == nil || errors.Is(err, axle.ErrNotFound) {
				done, err = ended(ctx, st, p.sight(w.op, st))
			}
			if done && err == nil {
				p.end(id, w.op)
				return st, nil
			}
			if err != nil && ctx.Err() != nil {
				return nil, p.unanswered(ctx, id, w.op, asked)
			}
			if err := p.looked(pr, w, err); err != nil {
				p.forget(id, w.op)
				return nil, err
			}
		case pr.lead <- struct{}{}:
			p.tend(ctx, t, pr, w)
			<-pr.lead
		}
	}
}

func (p *poller) join(t axle.Target, id, key string) (*watch, *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.pairs[t]
	if pr == nil {
		pr = &pair{lead: make(chan struct{}, 1), nudged: make(chan struct{}, 1), watches: map[*watch]bool{}}
		p.pairs[t] = pr
	}
	op := p.ops[id]
	if op == nil {
		op = p.newOperation(key)
		p.ops[id] = op
	}
	w := &watch{id: id, op: op, ripe: make(chan struct{}, 1)}
	pr.watches[w] = true
	pr.nudge()
	return w, pr
}

func (p *poller) leave(t axle.Target, w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.pairs[t]
	delete(pr.watches, w)
	if len(pr.watches) == 0 {
		delete(p.pairs, t)
	}
}

// end forgets an operation that has ended and learns from it.
func (p *poller) end(id string, op *operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ops[id] != op {
		return // another waiter of the same stack was first
	}
	p.learned.add(op.key, op.last, time.Since(op.start))
	p.drop(id, op)
}

// forget leaves an operation that can't be watched.
func (p *poller) forget(id string, op *operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(id, op)
}

// drop removes an operation. Those that waited for it as their scout look again
// when they are due.
func (p *poller) drop(id string, op *operation) {
	if op == nil || p.ops[id] != op {
		return
	}
	delete(p.ops, id)
	if p.scouts[op.key] == op {
		delete(p.scouts, op.key)
		if !op.blind {
			return
		}
		for _, pr := range p.pairs {
			pr.nudge()
		}
	}
}

func (p *poller) sight(op *operation, st *Stack) sight {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st != nil && st.State() == Busy {
		op.moving = true
	}
	return sight{time.Since(op.start), op.moving}
}

func (pr *pair) nudge() {
	select {
	case pr.nudged <- struct{}{}:
	default:
	}
}

// silence is how long a look takes that counts as one that didn't get through:
// behind a connection that swallows everything, the caller's time is up before
// any error comes.
const silence = 10 * time.Second

// ErrUnanswered says that looks at a stack have had no answer for so long that
// it isn't waited for any more.
var ErrUnanswered = errors.New("CloudFormation doesn't answer")

// unanswered notes a look that was under way when the caller's time was up, and
// returns the error of the caller.
func (p *poller) unanswered(ctx context.Context, id string, op *operation, asked time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || time.Since(asked) < silence {
		return ctx.Err()
	}
	if op.fails == 0 {
		op.since = asked
	}
	op.why = ErrUnanswered
	op.fails++
	if time.Since(op.since) > patience {
		return fmt.Errorf("watch stack %s: %w", baseName(id), ErrUnanswered)
	}
	return ctx.Err()
}

// looked notes a look that didn't find the end. A look that was throttled or
// didn't get through is no failure: the next one comes later.
func (p *poller) looked(pr *pair, w *watch, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer pr.nudge()
	w.looking = false
	op, now := w.op, time.Now()
	if err == nil {
		op.seen(now)
		return nil
	}
	if !transient(err) {
		return err
	}
	if op.fails == 0 {
		op.since = now
	}
	if now.Sub(op.since) > patience {
		return fmt.Errorf("watch stack %s: %w", baseName(w.id), err)
	}
	op.why = err
	op.until = now.Add(min(time.Second<<min(op.fails, 5), longestBackoff))
	op.fails++
	return nil
}

// seen notes that the operation was still under way.
func (op *operation) seen(now time.Time) {
	op.looks++
	op.last = now.Sub(op.start)
	op.fails, op.until, op.why = 0, time.Time{}, nil
}

// tend decides when to look, for all who wait in the pair, until own is to
// look itself or ctx ends.
func (p *poller) tend(ctx context.Context, t axle.Target, pr *pair, own *watch) {
	for ctx.Err() == nil && !p.isLooking(own) {
		wait, _ := p.due(pr) // own isn't looking, so there is one
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			p.turn(ctx, t, pr)
		case <-pr.nudged:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (p *poller) isLooking(w *watch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.looking
}

// due is how long until the next look; false when all are looking.
func (p *poller) due(pr *pair) (wait time.Duration, any bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for w := range pr.watches {
		if w.looking {
			continue
		}
		if d := p.dueAt(w).Sub(now); !any || d < wait {
			wait, any = d, true
		}
	}
	if any && len(pr.watches) >= listFrom && !pr.noList {
		wait = max(wait, pr.listed.Add(max(pr.slow, shortGap)).Sub(now))
	}
	return max(wait, 0), any
}

func (p *poller) dueAt(w *watch) time.Time {
	op := w.op
	at := op.start.Add(next(op.looks, op.last, p.learned.estimate(op.key), p.scouts[op.key] == op, op.spread))
	if at.Before(op.until) {
		return op.until
	}
	return at
}

// turn lets those look whose time has come. Where many wait, one list tells
// for which of them it is worth while.
func (p *poller) turn(ctx context.Context, t axle.Target, pr *pair) {
	p.mu.Lock()
	many := len(pr.watches) >= listFrom && !pr.noList
	if !many {
		now := time.Now()
		for w := range pr.watches {
			if !w.looking && !p.dueAt(w).After(now) {
				w.start()
			}
		}
	}
	p.mu.Unlock()
	if !many {
		return
	}
	busy, err := p.look.busy(ctx, t)
	p.mu.Lock()
	defer p.mu.Unlock()
	pr.listed = time.Now()
	switch {
	case err != nil && transient(err):
		pr.slow = min(max(2*pr.slow, time.Second), longestBackoff)
		for w := range pr.watches {
			w.op.why = err
		}
		return
	case err != nil:
		pr.noList = ctx.Err() == nil
		return
	}
	pr.slow = 0
	now := time.Now()
	for w := range pr.watches {
		if w.looking {
			continue
		}
		if busy[w.id] {
			w.op.seen(now)
		} else {
			w.start()
		}
	}
}

func (w *watch) start() {
	w.looking = true
	select {
	case w.ripe <- struct{}{}:
	default:
	}
}
