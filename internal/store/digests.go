package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Remember is part of Store.
func (s *SQLite) Remember(ctx context.Context, stackID, digest string, updated time.Time) error {
	return s.write(ctx, "remember the template of stack "+stackID, func(ctx context.Context) error {
		return s.often.exec(ctx, `INSERT INTO template (stack, digest, updated) VALUES (?,?,?)
			ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated`, stackID, digest, nanos(updated))
	})
}

// Digest is part of Store.
func (s *SQLite) Digest(ctx context.Context, stackID string) (string, time.Time, bool, error) {
	var digest string
	var updated sql.NullInt64
	err := s.asked.row(ctx, "SELECT digest, updated FROM template WHERE stack = ?", []any{stackID}, &digest, &updated)
	if errors.Is(err, sql.ErrNoRows) {
		return "", time.Time{}, false, nil
	}
	if err != nil {
		return "", time.Time{}, false, s.explain("look up the template of stack "+stackID, err)
	}
	return digest, moment(updated), true, nil
}

// Deployed is part of Store. The region is the fourth part of a stack's ARN.
func (s *SQLite) Deployed(ctx context.Context, digest, region string) (bool, error) {
	var found bool
	err := s.readers.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM template WHERE digest = ? AND stack LIKE 'arn:%:cloudformation:' || ? || ':%')",
		digest, region).Scan(&found)
	if err != nil {
		return false, s.explain("look whether template "+digest+" was deployed in "+region, err)
	}
	return found, nil
}
