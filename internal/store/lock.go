package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"axle"
)

// held is a lock as its row has it.
type held struct {
	axle.Holder
	process
}

// Lock is part of Store. A holder whose process can be looked at from here is
// dead when that process is gone, or its number now belongs to another one;
// any other holder when it hasn't been heard of for a minute.
func (s *SQLite) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	mine := held{Holder: by, process: look(by.PID)}
	err := s.write(ctx, fmt.Sprintf("lock project %q", project), func(ctx context.Context) error {
		now := time.Now()
		other, found, err := queryHolder(ctx, s.conn, project)
		if err != nil {
			return err
		}
		if found {
			if other.alive(now) {
				return &axle.LockedError{Project: project, Holder: other.Holder}
			}
			_, err := s.conn.ExecContext(ctx, "UPDATE run SET status = ? WHERE id = ? AND status = ?", string(axle.RunInterrupted), other.Run, string(axle.RunRunning))
			if err != nil {
				return err
			}
		}
		_, err = s.conn.ExecContext(ctx, `INSERT OR REPLACE INTO lock (project, run, who, host, pid, place, born, since, seen) VALUES (?,?,?,?,?,?,?,?,?)`,
			project, mine.Run, mine.Who, mine.Host, mine.PID, mine.place, mine.born, now.UnixNano(), now.UnixNano())
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.hold(ctx, project, mine), nil
}

// hold keeps a lock alive until the returned function gives it back.
func (s *SQLite) hold(ctx context.Context, project string, mine held) func() error {
	ctx = context.WithoutCancel(ctx) // the lock ends with unlock, not before
	given := make(chan struct{})
	s.tasks.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				// A beat that can't be written is followed by another; unlock
				// tells whether the lock was lost meanwhile.
				_ = s.whileHeld(ctx, project, mine, "UPDATE lock SET seen = ?", time.Now().UnixNano())
			case <-given:
				return
			case <-s.closing:
				return
			}
		}
	})
	return sync.OnceValue(func() error {
		close(given)
		err := s.whileHeld(ctx, project, mine, "DELETE FROM lock")
		if errors.Is(err, axle.ErrNotFound) {
			return fmt.Errorf("the lock of project %q was taken over while run %s held it", project, mine.Run)
		}
		return err
	})
}

// whileHeld runs a statement on the lock's row if that is still ours.
func (s *SQLite) whileHeld(ctx context.Context, project string, mine held, statement string, args ...any) error {
	return s.write(ctx, fmt.Sprintf("lock of project %q", project), func(ctx context.Context) error {
		res, err := s.conn.ExecContext(ctx, statement+" WHERE project = ? AND run = ? AND pid = ? AND place = ? AND born = ?",
			append(args[:len(args):len(args)], project, mine.Run, mine.PID, mine.place, mine.born)...)
		return oneRow(res, err)
	})
}

// Holder is part of Store.
func (s *SQLite) Holder(ctx context.Context, project string) (axle.Holder, bool, error) {
	h, found, err := queryHolder(ctx, s.readers, project)
	return h.Holder, found && h.alive(time.Now()), s.explain(fmt.Sprintf("look at the lock of project %q", project), err)
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func queryHolder(ctx context.Context, db querier, project string) (h held, found bool, err error) {
	var since, seen sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT run, who, host, pid, place, born, since, seen FROM lock WHERE project = ?", project).
		Scan(&h.Run, &h.Who, &h.Host, &h.PID, &h.place, &h.born, &since, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return h, false, nil
	}
	h.Since, h.Seen = moment(since), moment(seen)
	return h, err == nil, err
}

// alive says whether the holder still works, as far as can be told from here.
func (h *held) alive(now time.Time) bool {
	here := look(h.PID)
	if h.place != "" && h.place == here.place {
		return here.born != "" && here.born == h.born
	}
	return now.Sub(h.Seen) < stale
}

// process identifies a process beyond its number, which the system uses again.
type process struct {
	place string // what the number counts in; empty if that can't be told
	born  string // when it began; empty if there is none of this number
}
