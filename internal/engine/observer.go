package engine

import (
	"sync"
	"time"

	"axle"
)

// An Observer is told what happens in a run: one event at a time, in order,
// from one goroutine. It doesn't slow the run down, however long it takes.
type Observer interface {
	Observe(Event)
}

// Event is something that happened to a step.
type Event struct {
	Kind EventKind
	At   time.Time
	Step *axle.Step
	// Record is the step's record as of now. That of an ended step is durable.
	Record axle.Record
	// Note is what the action says of its progress, for Progressed.
	Note string
	// Failure and Wait say why a step is tried again and after how long, for
	// Retrying.
	Failure *axle.Failure
	Wait    time.Duration
}

// EventKind says what an event is about.
type EventKind int

// The kinds of events.
const (
	Started EventKind = iota
	Progressed
	Retrying
	Ended   // also for steps that never started: skipped, cancelled
	Left    // still at work when the run was interrupted
	Waiting // for what the run can't bring about, such as an approval
)

// events passes events on to an observer. Sending never blocks.
type events struct {
	to    Observer
	mu    sync.Mutex
	queue []Event
	shut  bool
	wake  chan struct{}
	done  sync.WaitGroup
}

func newEvents(to Observer) *events {
	e := &events{to: to, wake: make(chan struct{}, 1)}
	if to != nil {
		e.done.Go(e.run)
	}
	return e
}

func (e *events) send(ev Event) {
	if e.to == nil {
		return
	}
	ev.At = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut {
		return
	}
	e.queue = append(e.queue, ev)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// close waits until the observer has seen everything. What is sent after it,
// by an action that didn't return in time, is dropped.
func (e *events) close() {
	e.mu.Lock()
	e.shut = true
	close(e.wake)
	e.mu.Unlock()
	e.done.Wait()
}

func (e *events) run() {
	for open := true; open; {
		_, open = <-e.wake
		e.mu.Lock()
		queue := e.queue
		e.queue = nil
		e.mu.Unlock()
		for i := range queue {
			e.to.Observe(queue[i])
		}
	}
}
