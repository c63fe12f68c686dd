package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"axle"

	"github.com/jackc/pgx/v5"
)

// CreateRun is part of Store.
func (s *Postgres) CreateRun(ctx context.Context, run axle.Run, plan []byte) error {
	packed, err := pack(plan)
	if err != nil {
		return fmt.Errorf("create run %s: compress its plan: %w", run.ID, err)
	}
	return s.writeFor(ctx, run.ID, "create run "+run.ID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "INSERT INTO axle.run ("+runColumns+", plan) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) ON CONFLICT DO NOTHING",
			run.ID, run.Project, run.Env, run.Command, string(run.Status), nanos(run.Started), nanos(run.Finished), run.Steps, packed)
		if err == nil && tag.RowsAffected() == 0 {
			return errors.New("a run of this id exists already")
		}
		return err
	})
}

// Runs is part of Store.
func (s *Postgres) Runs(ctx context.Context, project string, limit int) ([]axle.Run, error) {
	runs, err := s.queryRuns(ctx, "WHERE $1 IN ('', project) ORDER BY seq DESC LIMIT NULLIF($2::bigint, 0)", project, max(limit, 0))
	return runs, s.explain("list runs", err)
}

func (s *Postgres) queryRuns(ctx context.Context, where string, args ...any) ([]axle.Run, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+runColumns+" FROM axle.run "+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (axle.Run, error) {
		var r axle.Run
		var started, finished sql.NullInt64
		err := row.Scan(&r.ID, &r.Project, &r.Env, &r.Command, &r.Status, &started, &finished, &r.Steps)
		r.Started, r.Finished = moment(started), moment(finished)
		return r, err
	})
}

// Run is part of Store.
func (s *Postgres) Run(ctx context.Context, id string) (axle.Run, []byte, error) {
	where, args := "WHERE id = $1 OR left(id, length($1)) = $1 ORDER BY (id = $1) DESC, seq DESC LIMIT 10", []any{id}
	if id == "latest" || id == "" {
		where, args = "ORDER BY seq DESC LIMIT 1", nil
	}
	runs, err := s.queryRuns(ctx, where, args...)
	if err != nil {
		return axle.Run{}, nil, s.explain(fmt.Sprintf("find run %q", id), err)
	}
	run, err := oneOf(runs, id)
	if err != nil {
		return run, nil, fmt.Errorf("find run %q: %w", id, err)
	}
	var packed []byte
	if err := s.pool.QueryRow(ctx, "SELECT plan FROM axle.run WHERE id = $1", run.ID).Scan(&packed); err != nil {
		return run, nil, s.explain("read the plan of run "+run.ID, err)
	}
	plan, err := unpack(packed)
	if err != nil {
		return run, nil, fmt.Errorf("read the plan of run %s: %w", run.ID, err)
	}
	return run, plan, nil
}

// FinishRun is part of Store.
func (s *Postgres) FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error {
	return s.writeFor(ctx, id, "record the status of run "+id, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE axle.run SET status = $1, finished = $2 WHERE id = $3", string(status), nanos(at), id)
		if err == nil && tag.RowsAffected() == 0 {
			return axle.ErrNotFound
		}
		return err
	})
}

// Append is part of Store: one statement, whatever the number of records.
func (s *Postgres) Append(ctx context.Context, run string, records []axle.Record) error {
	if len(records) == 0 {
		return nil
	}
	// Of several records of one step the last counts; a statement can't write a
	// row twice.
	last := make(map[string]int, len(records))
	for i := range records {
		last[records[i].Step] = i
	}
	var columns [10][]any
	for i := range records {
		if last[records[i].Step] != i {
			continue
		}
		var row [10]any
		if err := encodeRecord(&row, &records[i]); err != nil {
			return fmt.Errorf("journal of run %s: encode step %s: %w", run, records[i].Step, err)
		}
		for c := 1; c < len(row); c++ {
			columns[c] = append(columns[c], row[c])
		}
	}
	return s.writeFor(ctx, run, "journal of run "+run, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
INSERT INTO axle.record (run, step, status, token, attempts, started, finished, result, failure, skipped_for)
SELECT run.seq, new.* FROM axle.run,
	unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[]) AS new
WHERE run.id = $1
ON CONFLICT (run, step) DO UPDATE SET status = excluded.status, token = excluded.token, attempts = excluded.attempts,
	started = excluded.started, finished = excluded.finished, result = excluded.result,
	failure = excluded.failure, skipped_for = excluded.skipped_for`,
			run, columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7], columns[8], columns[9])
		if err == nil && tag.RowsAffected() == 0 {
			return axle.ErrNotFound
		}
		return err
	})
}

// errTried rolls back what was only tried.
var errTried = errors.New("tried")

// Try is part of Store: each right that a run needs, in a transaction that is
// rolled back.
func (s *Postgres) Try(ctx context.Context) error {
	err := s.write(ctx, "try to write", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
INSERT INTO axle.run (id, project, env, command, status, steps, plan) VALUES ('', '', '', '', '', 0, '');
UPDATE axle.run SET status = 'tried' WHERE id = '';
INSERT INTO axle.record (run, step, status, token, attempts, skipped_for) SELECT seq, '', '', '', 0, '' FROM axle.run WHERE id = '';
UPDATE axle.record SET status = 'tried' WHERE run = (SELECT seq FROM axle.run WHERE id = '');
INSERT INTO axle.lock (project, run, who, host, pid, place, born, since, seen) VALUES ('', '', '', '', 0, '', '', 0, 0);
UPDATE axle.lock SET seen = 1 WHERE project = '';
DELETE FROM axle.lock WHERE project = '';
INSERT INTO axle.template (stack, digest) VALUES ('', '');
UPDATE axle.template SET digest = 'tried' WHERE stack = ''`)
		if err == nil {
			err = errTried
		}
		return err
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// Records is part of Store.
func (s *Postgres) Records(ctx context.Context, run string) ([]axle.Record, error) {
	doing := "read the journal of run " + run
	var seq int64
	err := s.pool.QueryRow(ctx, "SELECT seq FROM axle.run WHERE id = $1", run).Scan(&seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", doing, axle.ErrNotFound)
	}
	if err != nil {
		return nil, s.explain(doing, err)
	}
	rows, err := s.pool.Query(ctx, `SELECT step, status, token, attempts, started, finished, result, failure, skipped_for
		FROM axle.record WHERE run = $1 ORDER BY step`, seq)
	if err != nil {
		return nil, s.explain(doing, err)
	}
	records, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (axle.Record, error) {
		var r axle.Record
		var started, finished sql.NullInt64
		var result, failure []byte
		err := row.Scan(&r.Step, &r.Status, &r.Token, &r.Attempts, &started, &finished, &result, &failure, &r.SkippedFor)
		r.Started, r.Finished = moment(started), moment(finished)
		if err == nil && len(result) > 0 {
			err = json.Unmarshal(result, &r.Result)
		}
		if err == nil && len(failure) > 0 {
			err = json.Unmarshal(failure, &r.Failure)
		}
		return r, err
	})
	return records, s.explain(doing, err)
}

// Remember is part of Store.
func (s *Postgres) Remember(ctx context.Context, stackID, digest string, updated time.Time) error {
	return s.write(ctx, "remember the template of stack "+stackID, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO axle.template (stack, digest, updated) VALUES ($1, $2, $3)
			ON CONFLICT (stack) DO UPDATE SET digest = excluded.digest, updated = excluded.updated`, stackID, digest, nanos(updated))
		return err
	})
}

// Digest is part of Store.
func (s *Postgres) Digest(ctx context.Context, stackID string) (string, time.Time, bool, error) {
	var digest string
	var updated sql.NullInt64
	err := s.pool.QueryRow(ctx, "SELECT digest, updated FROM axle.template WHERE stack = $1", stackID).Scan(&digest, &updated)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", time.Time{}, false, nil
	}
	if err != nil {
		return "", time.Time{}, false, s.explain("look up the template of stack "+stackID, err)
	}
	return digest, moment(updated), true, nil
}

// Deployed is part of Store. The region is the fourth part of a stack's ARN.
func (s *Postgres) Deployed(ctx context.Context, digest, region string) (bool, error) {
	var found bool
	err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM axle.template WHERE digest = $1 AND split_part(stack, ':', 3) = 'cloudformation' AND split_part(stack, ':', 4) = $2)",
		digest, region).Scan(&found)
	if err != nil {
		return false, s.explain("look whether template "+digest+" was deployed in "+region, err)
	}
	return found, nil
}
