package store

import (
	"context"
	"fmt"
)

// applicationID marks the file as ours: "AXLE".
const applicationID = 0x41584c45

// migrations lead from one version of the schema to the next; the version is
// their number. One that was released is never changed.
var migrations = []string{`
CREATE TABLE run (
	seq      INTEGER PRIMARY KEY, -- in the order of their beginning
	id       TEXT NOT NULL UNIQUE,
	project  TEXT NOT NULL,
	env      TEXT NOT NULL,
	command  TEXT NOT NULL,
	status   TEXT NOT NULL,
	started  INTEGER,             -- times are nanoseconds since 1970; NULL is none
	finished INTEGER,
	steps    INTEGER NOT NULL
) STRICT;
CREATE INDEX run_project ON run (project, seq);
CREATE TABLE plan (
	run  INTEGER PRIMARY KEY REFERENCES run (seq) ON DELETE CASCADE,
	body BLOB NOT NULL            -- gzip
) STRICT;
CREATE TABLE record (
	run      INTEGER NOT NULL REFERENCES run (seq) ON DELETE CASCADE,
	step     TEXT NOT NULL,
	status   TEXT NOT NULL,
	token    TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	started  INTEGER,
	finished INTEGER,
	result   TEXT,                -- JSON
	failure  TEXT,                -- JSON
	skipped_for TEXT NOT NULL,
	PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE lock (
	project TEXT PRIMARY KEY,
	run     TEXT NOT NULL,
	who     TEXT NOT NULL,
	host    TEXT NOT NULL,
	pid     INTEGER NOT NULL,
	place   TEXT NOT NULL,        -- where pid means something: see process
	born    TEXT NOT NULL,        -- when pid began, in its own terms
	since   INTEGER NOT NULL,
	seen    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE template (
	stack   TEXT PRIMARY KEY,
	digest  TEXT NOT NULL,
	updated INTEGER
) STRICT, WITHOUT ROWID;
`}

// migrate brings the file to the schema of this version.
func (s *SQLite) migrate(ctx context.Context) error {
	app, version, err := s.version(ctx)
	switch {
	case err != nil:
		return err
	case app != applicationID && (app != 0 || version != 0):
		return &Error{Path: s.path, Summary: "is a database of another program", Hint: "move the file away"}
	case version > len(migrations):
		return &Error{
			Path:    s.path,
			Summary: fmt.Sprintf("was written by a newer axle (its schema is %d, this one knows %d)", version, len(migrations)),
			Hint:    "use that version of axle, or move the file away: only the record of earlier runs is in it",
		}
	case version == len(migrations):
		return nil
	}
	// WAL lets others read while we write. It is a property of the file, and
	// can't be set inside a transaction.
	if _, err := s.conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	return s.transact(ctx, func(ctx context.Context) error {
		_, version, err := s.version(ctx) // again: another process may have been first
		if err != nil {
			return err
		}
		for ; version < len(migrations); version++ {
			if _, err := s.conn.ExecContext(ctx, migrations[version]); err != nil {
				return fmt.Errorf("bring to schema %d: %w", version+1, err)
			}
		}
		_, err = s.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations)))
		return err
	})
}

// version reads the marks of the file, in one statement: another process may be
// setting them. A file without marks is ours only if it is empty.
func (s *SQLite) version(ctx context.Context) (app, version int, err error) {
	var tables int
	err = s.conn.QueryRowContext(ctx, `SELECT t.n, a.application_id, u.user_version
FROM (SELECT count(*) AS n FROM sqlite_master) t, pragma_application_id a, pragma_user_version u`).Scan(&tables, &app, &version)
	if app == 0 && version == 0 && tables > 0 {
		app = -1
	}
	return app, version, err
}
