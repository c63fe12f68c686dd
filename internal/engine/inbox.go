package engine

import (
	"sync"

	"axle"
)

// A message is what a worker reports to the loop.
type message struct {
	kind     messageKind
	step     int
	token    string
	attempts int
	// Of hasEnded:
	status  axle.Status
	result  axle.Result
	failure *axle.Failure
	// ack answers saveToken once the token is durable; it has room for one.
	ack chan<- error
}

type messageKind int

const (
	saveToken messageKind = iota
	hasEnded
	wasLeft
	isWaiting
)

// inbox collects messages, so that the loop takes many at a time.
type inbox struct {
	mu    sync.Mutex
	queue []message
	ready chan struct{} // has one while there is something to take
}

func (b *inbox) put(m message) {
	b.mu.Lock()
	b.queue = append(b.queue, m)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queue
	b.queue = nil
	return queue
}
