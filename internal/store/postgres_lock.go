package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"axle"

	"github.com/jackc/pgx/v5"
)

// clock is the database's: machines that share a store needn't agree on the time.
const clock = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000"

// Lock is part of Store.
func (s *Postgres) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	mine := held{Holder: by, process: look(by.PID)}
	err := s.write(ctx, fmt.Sprintf("lock project %q", project), func(tx pgx.Tx) error {
		// Two that come at once for a project that nobody holds have no row to
		// wait for.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('axle lock'), hashtext($1))", project); err != nil {
			return err
		}
		// For update: what a run is just writing is seen by who takes its lock.
		other, now, found, err := postgresHolder(ctx, tx, project, "FOR UPDATE")
		if err != nil {
			return err
		}
		if found {
			if err := other.refuses(project, now); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE axle.run SET status = $1 WHERE id = $2 AND status = $3", string(axle.RunInterrupted), other.Run, string(axle.RunRunning)); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO axle.lock (project, run, who, host, pid, place, born, since, seen)
			VALUES ($1, $2, $3, $4, $5, $6, $7, `+clock+`, `+clock+`)
			ON CONFLICT (project) DO UPDATE SET run = excluded.run, who = excluded.who, host = excluded.host, pid = excluded.pid,
			place = excluded.place, born = excluded.born, since = excluded.since, seen = excluded.seen`,
			project, mine.Run, mine.Who, mine.Host, mine.PID, mine.place, mine.born)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.hold(ctx, project, mine), nil
}

// hold keeps a lock alive until the returned function gives it back.
func (s *Postgres) hold(ctx context.Context, project string, mine held) func() error {
	s.claims.add(project, mine)
	return keep(ctx, &s.tasks, s.closing, project, mine, func(ctx context.Context) error {
		return s.whileHeld(ctx, project, mine, "UPDATE axle.lock SET seen = "+clock)
	}, func(ctx context.Context) error {
		s.claims.drop(mine.Run)
		return s.whileHeld(ctx, project, mine, "DELETE FROM axle.lock")
	})
}

// whileHeld runs a statement on the lock's row if that is still ours.
func (s *Postgres) whileHeld(ctx context.Context, project string, mine held, statement string) error {
	return s.write(ctx, fmt.Sprintf("lock of project %q", project), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement+" WHERE project = $1 AND run = $2 AND pid = $3 AND place = $4 AND born = $5",
			project, mine.Run, mine.PID, mine.place, mine.born)
		if err == nil && tag.RowsAffected() == 0 {
			return axle.ErrNotFound
		}
		return err
	})
}

// writeFor is write for a run: when its lock was this store's, it must still be.
func (s *Postgres) writeFor(ctx context.Context, run, doing string, do func(pgx.Tx) error) error {
	return s.write(ctx, doing, func(tx pgx.Tx) error {
		err := s.claims.check(run, s.place, func(project string) (held, bool, error) {
			h, _, found, err := postgresHolder(ctx, tx, project, "FOR SHARE")
			return h, found, err
		})
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// Holder is part of Store.
func (s *Postgres) Holder(ctx context.Context, project string) (axle.Holder, bool, error) {
	h, now, found, err := postgresHolder(ctx, s.pool, project, "")
	return h.Holder, found && h.alive(now), s.explain(fmt.Sprintf("look at the lock of project %q", project), err)
}

// postgresHolder also returns the time by the clock that the lock's times are of.
// locking is what SELECT does to the row.
func postgresHolder(ctx context.Context, db asker, project, locking string) (h held, now time.Time, found bool, err error) {
	var since, seen, read sql.NullInt64
	err = db.QueryRow(ctx, "SELECT run, who, host, pid, place, born, since, seen, "+clock+" FROM axle.lock WHERE project = $1 "+locking, project).
		Scan(&h.Run, &h.Who, &h.Host, &h.PID, &h.place, &h.born, &since, &seen, &read)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, now, false, nil
	}
	h.Since, h.Seen = moment(since), moment(seen)
	return h, moment(read), err == nil, err
}
