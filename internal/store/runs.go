package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"axle"
)

const runColumns = "id, project, env, command, status, started, finished, steps"

// CreateRun is part of Store.
func (s *SQLite) CreateRun(ctx context.Context, run axle.Run, plan []byte) error {
	packed, err := pack(plan)
	if err != nil {
		return fmt.Errorf("create run %s: compress its plan: %w", run.ID, err)
	}
	return s.write(ctx, "create run "+run.ID, func(ctx context.Context) error {
		if err := s.claimed(ctx, run.ID); err != nil {
			return err
		}
		res, err := s.conn.ExecContext(ctx, "INSERT INTO run ("+runColumns+") VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
			run.ID, run.Project, run.Env, run.Command, string(run.Status), nanos(run.Started), nanos(run.Finished), run.Steps)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(errors.New("a run of this id exists already"), err)
		}
		seq, err := res.LastInsertId()
		if err != nil {
			return err
		}
		_, err = s.conn.ExecContext(ctx, "INSERT INTO plan (run, body) VALUES (?,?)", seq, packed)
		return err
	})
}

// Runs is part of Store.
func (s *SQLite) Runs(ctx context.Context, project string, limit int) ([]axle.Run, error) {
	if limit <= 0 {
		limit = -1
	}
	runs, err := s.queryRuns(ctx, "WHERE ?1 IN ('', project) ORDER BY seq DESC LIMIT ?2", project, limit)
	return runs, s.explain("list runs", err)
}

func (s *SQLite) queryRuns(ctx context.Context, where string, args ...any) ([]axle.Run, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT "+runColumns+" FROM run "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var runs []axle.Run
	for rows.Next() {
		var r axle.Run
		var started, finished sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Project, &r.Env, &r.Command, &r.Status, &started, &finished, &r.Steps); err != nil {
			return nil, err
		}
		r.Started, r.Finished = moment(started), moment(finished)
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// Run is part of Store.
func (s *SQLite) Run(ctx context.Context, id string) (axle.Run, []byte, error) {
	run, err := s.findRun(ctx, id)
	if err != nil {
		return axle.Run{}, nil, s.explain(fmt.Sprintf("find run %q", id), err)
	}
	var packed []byte
	err = s.readers.QueryRowContext(ctx, "SELECT body FROM plan JOIN run ON plan.run = run.seq WHERE run.id = ?", run.ID).Scan(&packed)
	if err != nil {
		return run, nil, s.explain("read the plan of run "+run.ID, err)
	}
	plan, err := unpack(packed)
	if err != nil {
		return run, nil, &Error{Path: s.path, Summary: "is damaged: the plan of run " + run.ID, Hint: hintDamaged, Err: err}
	}
	return run, plan, nil
}

// findRun finds by id, by "latest" or by prefix, in this order.
func (s *SQLite) findRun(ctx context.Context, id string) (axle.Run, error) {
	where, args := "WHERE id = ?1 OR substr(id, 1, length(?1)) = ?1 ORDER BY id = ?1 DESC, seq DESC LIMIT 10", []any{id}
	if id == "latest" || id == "" {
		where, args = "ORDER BY seq DESC LIMIT 1", nil
	}
	runs, err := s.queryRuns(ctx, where, args...)
	if err != nil {
		return axle.Run{}, err
	}
	return oneOf(runs, id)
}

// oneOf is the run of this id or the only one.
func oneOf(runs []axle.Run, id string) (axle.Run, error) {
	switch {
	case len(runs) == 0:
		return axle.Run{}, axle.ErrNotFound
	case len(runs) == 1 || runs[0].ID == id:
		return runs[0], nil
	}
	ambiguous := &AmbiguousError{Prefix: id}
	for _, r := range runs {
		ambiguous.IDs = append(ambiguous.IDs, r.ID)
	}
	return axle.Run{}, ambiguous
}

// FinishRun is part of Store.
func (s *SQLite) FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error {
	return s.write(ctx, "record the status of run "+id, func(ctx context.Context) error {
		if err := s.claimed(ctx, id); err != nil {
			return err
		}
		res, err := s.conn.ExecContext(ctx, "UPDATE run SET status = ?, finished = ? WHERE id = ?", string(status), nanos(at), id)
		return oneRow(res, err)
	})
}

// Try is part of Store. What is written goes to the disk, and is gone.
func (s *SQLite) Try(ctx context.Context) error {
	return s.write(ctx, "try to write", func(ctx context.Context) error {
		_, err := s.conn.ExecContext(ctx, "INSERT OR REPLACE INTO template (stack, digest) VALUES ('', ''); DELETE FROM template WHERE stack = ''")
		return err
	})
}

// oneRow makes an update that found nothing an error.
func oneRow(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return axle.ErrNotFound
	}
	return err
}

func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unpack(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}
