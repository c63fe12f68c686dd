package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"axle"
)

// The life of a lock, the same in every store: a holder beats while it works. One
// whose process can be looked at from here is dead when that process is gone, or
// its number now belongs to another one; any other when it hasn't been heard of
// for a minute.
const (
	heartbeat = 5 * time.Second
	stale     = 60 * time.Second
)

// held is a lock as its row has it.
type held struct {
	axle.Holder
	process
}

// refuses is the error for somebody who wants the lock of a holder that lives.
func (h *held) refuses(project string, now time.Time) error {
	if !h.alive(now) {
		return nil
	}
	silent := now.Sub(h.Seen)
	if h.nearby() { // it is seen to be alive, however long its last beat takes
		silent = 0
	}
	return &axle.LockedError{Project: project, Holder: h.Holder, Silent: silent, Free: stale}
}

// alive says whether the holder still works, as far as can be told from here.
func (h *held) alive(now time.Time) bool {
	here := look(h.PID)
	if h.place != "" && h.place == here.place {
		return here.born != "" && here.born == h.born
	}
	return now.Sub(h.Seen) < stale
}

// claims are the locks that a store holds, by run. What is written for such a run
// is written in a transaction that looks whether its lock is still held: a holder
// that lost it, and doesn't know, writes nothing any more.
type claims struct {
	mu    sync.Mutex
	byRun map[string]claim
}

type claim struct {
	project string
	held
}

func (c *claims) add(project string, mine held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byRun == nil {
		c.byRun = map[string]claim{}
	}
	c.byRun[mine.Run] = claim{project, mine}
}

func (c *claims) drop(run string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byRun, run)
}

// check compares a run's claim, if there is one, with who holds the lock now.
func (c *claims) check(run, place string, holder func(project string) (held, bool, error)) error {
	c.mu.Lock()
	mine, claimed := c.byRun[run]
	c.mu.Unlock()
	if !claimed {
		return nil
	}
	now, found, err := holder(mine.project)
	if err != nil || found && now.Run == mine.Run && now.PID == mine.PID && now.process == mine.process {
		return err
	}
	return lost(place, mine.project, run, now.Holder)
}

// lost is the error of a run that goes on without its lock.
func lost(place, project, run string, now axle.Holder) error {
	by := ""
	if now.Run != "" {
		by = fmt.Sprintf(" by run %s of %s", now.Run, now.Who)
	}
	return &Error{Path: place, Summary: fmt.Sprintf("the lock of project %q was taken over%s while run %s held it", project, by, run),
		Hint: "this machine wasn't heard of for a minute; nothing more of the run is recorded from here: axle runs tells who goes on with it"}
}

// nearby says whether the holder's process can be looked at from here.
func (h *held) nearby() bool { return h.place != "" && h.place == look(h.PID).place }

// keep beats for a holder until the returned function gives the lock back, or
// the store is closed. beat and release find axle.ErrNotFound when the lock has
// become another's.
func keep(ctx context.Context, tasks *sync.WaitGroup, closing <-chan struct{}, project string, mine held, beat, release func(context.Context) error) func() error {
	ctx = context.WithoutCancel(ctx) // the lock ends with unlock, not before
	given := make(chan struct{})
	tasks.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				// A beat that can't be written is followed by another; unlock
				// tells whether the lock was lost meanwhile.
				ctx, cancel := context.WithTimeout(ctx, heartbeat)
				_ = beat(ctx)
				cancel()
			case <-given:
				return
			case <-closing:
				return
			}
		}
	})
	return sync.OnceValue(func() error {
		close(given)
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := release(ctx)
		if errors.Is(err, axle.ErrNotFound) {
			return fmt.Errorf("the lock of project %q was taken over while run %s held it", project, mine.Run)
		}
		return err
	})
}

// process identifies a process beyond its number, which the system uses again.
type process struct {
	place string // what the number counts in; empty if that can't be told
	born  string // when it began; empty if there is none of this number
}
