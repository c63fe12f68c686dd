package store

import (
	"context"
	"errors"
	"fmt"
)

// maxGroup bounds how many writes share a transaction.
const maxGroup = 1000

// A write is something to do in a transaction that it may share with others.
// do may be called again after a transaction was rolled back.
type write struct {
	ctx  context.Context
	do   func(ctx context.Context) error
	done chan error // has room for one
}

var errClosed = errors.New("the store is closed")

// write queues a write and waits until it is durable.
func (s *SQLite) write(ctx context.Context, doing string, do func(ctx context.Context) error) error {
	w := &write{ctx: ctx, do: do, done: make(chan error, 1)}
	select {
	case <-s.closing:
		return fmt.Errorf("%s: %w", doing, errClosed)
	default:
	}
	select {
	case s.writes <- w:
	case <-s.closing:
		return fmt.Errorf("%s: %w", doing, errClosed)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	select {
	case err := <-w.done:
		return s.explain(doing, err)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
}

// commits writes until the store is closed: all that is queued, in one
// transaction, then what has been queued meanwhile. One sync of the disk does
// for all of it.
func (s *SQLite) commits() {
	for {
		select {
		case w := <-s.writes:
			s.commit(s.gather(w))
		case <-s.closing:
			for _, w := range s.gather(nil) {
				w.done <- errClosed
			}
			return
		}
	}
}

func (s *SQLite) gather(first *write) []*write {
	var group []*write
	if first != nil {
		group = append(group, first)
	}
	for len(group) < maxGroup {
		select {
		case w := <-s.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit does a group of writes in one transaction. If one of them fails, each
// gets a transaction of its own, so that none fails for another's fault.
func (s *SQLite) commit(group []*write) {
	ctx := context.WithoutCancel(group[0].ctx)
	err := s.transact(ctx, func(ctx context.Context) error {
		for _, w := range group {
			if err := w.run(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || len(group) == 1 {
		for _, w := range group {
			w.done <- err
		}
		return
	}
	for _, w := range group {
		w.done <- s.transact(ctx, w.run)
	}
}

// run does the write, unless nobody waits for it any more.
func (w *write) run(ctx context.Context) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.do(ctx)
}

// transact runs do in a transaction on the writing connection.
func (s *SQLite) transact(ctx context.Context, do func(context.Context) error) error {
	if err := s.often.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(ctx)
	if err == nil {
		err = s.often.exec(ctx, "COMMIT")
	}
	if err != nil {
		// After some errors, a full disk among them, SQLite has rolled back
		// by itself and says that there is no transaction: either is right.
		_, _ = s.conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}
