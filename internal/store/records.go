package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"axle"
)

const insertRecord = `
INSERT INTO record (run, step, status, token, attempts, started, finished, result, failure, skipped_for)
VALUES (?,?,?,?,?,?,?,?,?,?)
ON CONFLICT DO UPDATE SET status = excluded.status, token = excluded.token, attempts = excluded.attempts,
	started = excluded.started, finished = excluded.finished, result = excluded.result,
	failure = excluded.failure, skipped_for = excluded.skipped_for`

// Append is part of Store.
func (s *SQLite) Append(ctx context.Context, run string, records []axle.Record) error {
	if len(records) == 0 {
		return nil
	}
	rows := make([][10]any, len(records)) // encoded here, to keep the writer free
	for i := range records {
		if err := encodeRecord(&rows[i], &records[i]); err != nil {
			return fmt.Errorf("journal of run %s: encode step %s: %w", run, records[i].Step, err)
		}
	}
	return s.write(ctx, "journal of run "+run, func(ctx context.Context) error {
		if err := s.claimed(ctx, run); err != nil {
			return err
		}
		var seq int64
		err := s.often.row(ctx, "SELECT seq FROM run WHERE id = ?", []any{run}, &seq)
		if errors.Is(err, sql.ErrNoRows) {
			return axle.ErrNotFound
		}
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i][0] = seq
			if err := s.often.exec(ctx, insertRecord, rows[i][:]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// encodeRecord fills a row but for its run.
func encodeRecord(row *[10]any, r *axle.Record) error {
	*row = [10]any{nil, r.Step, string(r.Status), r.Token, r.Attempts, nanos(r.Started), nanos(r.Finished), nil, nil, r.SkippedFor}
	if !reflect.ValueOf(&r.Result).Elem().IsZero() {
		body, err := json.Marshal(&r.Result)
		if err != nil {
			return err
		}
		row[7] = string(body)
	}
	if r.Failure != nil {
		body, err := json.Marshal(r.Failure)
		if err != nil {
			return err
		}
		row[8] = string(body)
	}
	return nil
}

// Records is part of Store.
func (s *SQLite) Records(ctx context.Context, run string) ([]axle.Record, error) {
	records, err := s.queryRecords(ctx, run)
	return records, s.explain("read the journal of run "+run, err)
}

func (s *SQLite) queryRecords(ctx context.Context, run string) ([]axle.Record, error) {
	var seq int64
	err := s.readers.QueryRowContext(ctx, "SELECT seq FROM run WHERE id = ?", run).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, axle.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT step, status, token, attempts, started, finished, result, failure, skipped_for
		FROM record WHERE run = ? ORDER BY step`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []axle.Record
	var started, finished sql.NullInt64
	var result, failure sql.RawBytes
	for rows.Next() {
		var r axle.Record
		if err := rows.Scan(&r.Step, &r.Status, &r.Token, &r.Attempts, &started, &finished, &result, &failure, &r.SkippedFor); err != nil {
			return nil, err
		}
		r.Started, r.Finished = moment(started), moment(finished)
		if len(result) > 0 {
			if err := json.Unmarshal(result, &r.Result); err != nil {
				return nil, fmt.Errorf("step %s: %w", r.Step, err)
			}
		}
		if len(failure) > 0 {
			if err := json.Unmarshal(failure, &r.Failure); err != nil {
				return nil, fmt.Errorf("step %s: %w", r.Step, err)
			}
		}
		records = append(records, r)
	}
	return records, rows.Err()
}
