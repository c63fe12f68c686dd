package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"axle"
)

// Lock is part of Store.
func (s *SQLite) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	mine := held{Holder: by, process: look(by.PID)}
	err := s.write(ctx, fmt.Sprintf("lock project %q", project), func(ctx context.Context) error {
		now := time.Now()
		other, found, err := queryHolder(ctx, &s.often, project)
		if err != nil {
			return err
		}
		if found {
			if err := other.refuses(project, now); err != nil {
				return err
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
	s.claims.add(project, mine)
	return keep(ctx, &s.tasks, s.closing, project, mine, func(ctx context.Context) error {
		return s.whileHeld(ctx, project, mine, "UPDATE lock SET seen = ?", time.Now().UnixNano())
	}, func(ctx context.Context) error {
		s.claims.drop(mine.Run)
		return s.whileHeld(ctx, project, mine, "DELETE FROM lock")
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

// claimed is an error when a run's lock was this store's and isn't any more. It is
// asked in the transaction of what is written for the run.
func (s *SQLite) claimed(ctx context.Context, run string) error {
	return s.claims.check(run, s.path, func(project string) (held, bool, error) { return queryHolder(ctx, &s.often, project) })
}

// Holder is part of Store.
func (s *SQLite) Holder(ctx context.Context, project string) (axle.Holder, bool, error) {
	h, found, err := queryHolder(ctx, &s.asked, project)
	return h.Holder, found && h.alive(time.Now()), s.explain(fmt.Sprintf("look at the lock of project %q", project), err)
}

func queryHolder(ctx context.Context, db *statements, project string) (h held, found bool, err error) {
	var since, seen sql.NullInt64
	err = db.row(ctx, "SELECT run, who, host, pid, place, born, since, seen FROM lock WHERE project = ?", []any{project},
		&h.Run, &h.Who, &h.Host, &h.PID, &h.place, &h.born, &since, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return h, false, nil
	}
	h.Since, h.Seen = moment(since), moment(seen)
	return h, err == nil, err
}
