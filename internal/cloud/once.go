package cloud

import "context"

// gate is a mutex that one can stop waiting for.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryEnter enters if nobody is inside.
func (g gate) tryEnter() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) leave() { <-g }

// once holds a value that is fetched by whoever needs it first. Others wait for
// the fetch, or for their own context; a failed fetch is tried again by the
// next in line, so that nobody fails for another one's cancelled context.
type once[T any] struct {
	gate  gate
	done  bool
	value T
}

func newOnce[T any]() *once[T] { return &once[T]{gate: newGate()} }

func (o *once[T]) get(ctx context.Context, fetch func(context.Context) (T, error)) (T, error) {
	if err := o.gate.enter(ctx); err != nil {
		var zero T
		return zero, err
	}
	defer o.gate.leave()
	if o.done {
		return o.value, nil
	}
	value, err := fetch(ctx)
	if err == nil {
		o.value, o.done = value, true
	}
	return value, err
}
