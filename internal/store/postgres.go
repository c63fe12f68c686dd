package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Postgres is a store that several machines share: a schema named axle in a
// database of PostgreSQL.
type Postgres struct {
	place   string // for messages: without user and password
	pool    *pgxpool.Pool
	closing chan struct{}
	close   func()
	tasks   sync.WaitGroup
	claims  claims
}

var _ Store = (*Postgres)(nil)

// postgresMigrations lead from one version of the schema to the next; the
// version is their number. One that was released is never changed.
var postgresMigrations = []string{`
CREATE TABLE axle.run (
	seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of their beginning
	id       TEXT NOT NULL UNIQUE,
	project  TEXT NOT NULL,
	env      TEXT NOT NULL,
	command  TEXT NOT NULL,
	status   TEXT NOT NULL,
	started  BIGINT,              -- times are nanoseconds since 1970; NULL is none
	finished BIGINT,
	steps    BIGINT NOT NULL,
	plan     BYTEA NOT NULL       -- gzip
);
CREATE INDEX run_project ON axle.run (project, seq);
CREATE TABLE axle.record (
	run      BIGINT NOT NULL REFERENCES axle.run (seq) ON DELETE CASCADE,
	step     TEXT COLLATE "C" NOT NULL,
	status   TEXT NOT NULL,
	token    TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	started  BIGINT,
	finished BIGINT,
	result   TEXT,                -- JSON
	failure  TEXT,                -- JSON
	skipped_for TEXT NOT NULL,
	PRIMARY KEY (run, step)
);
CREATE TABLE axle.lock (
	project TEXT PRIMARY KEY,
	run     TEXT NOT NULL,
	who     TEXT NOT NULL,
	host    TEXT NOT NULL,
	pid     BIGINT NOT NULL,
	place   TEXT NOT NULL,        -- where pid means something: see process
	born    TEXT NOT NULL,        -- when pid began, in its own terms
	since   BIGINT NOT NULL,      -- by the database's clock
	seen    BIGINT NOT NULL
);
CREATE TABLE axle.template (
	stack   TEXT PRIMARY KEY,
	digest  TEXT NOT NULL,
	updated BIGINT
);
CREATE INDEX template_digest ON axle.template (digest);
`}

// IsPostgres says whether a store's address is one of PostgreSQL.
func IsPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// patience bounds how long a connection may take to be made, and a lock to be
// given back.
const patience = 15 * time.Second

// OpenPostgres opens the store at postgres://user@host:port/database?options,
// and makes its tables if there are none. What the address doesn't say comes
// from PostgreSQL's own variables and files (PGPASSWORD, ~/.pgpass, ...).
func OpenPostgres(ctx context.Context, address string) (*Postgres, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil { // it hides the password
		return nil, &Error{Path: "store", Summary: "isn't the address of a PostgreSQL database", Hint: "postgres://user@host:5432/database?sslmode=verify-full; the password in PGPASSWORD or ~/.pgpass", Err: err}
	}
	cfg.MaxConns = 8
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = patience
	}
	cfg.ConnConfig.RuntimeParams["application_name"] = "axle"
	// What is acknowledged is on disk, whatever the server's default is.
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	s := &Postgres{closing: make(chan struct{}),
		place: fmt.Sprintf("postgres://%s:%d/%s", cfg.ConnConfig.Host, cfg.ConnConfig.Port, cfg.ConnConfig.Database)}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, s.explain("open", err)
	}
	s.close = sync.OnceFunc(func() {
		close(s.closing)
		s.tasks.Wait()
		s.pool.Close()
	})
	if err := s.migrate(ctx); err != nil {
		s.close()
		return nil, s.explain("open", err)
	}
	return s, nil
}

// Close gives up the connections. The lock of a run that still holds it ends
// when its heartbeat hasn't been heard of for a minute.
func (s *Postgres) Close() error {
	s.close()
	return nil
}

// migrate brings the schema to this version; one process at a time.
func (s *Postgres) migrate(ctx context.Context) error {
	if version, err := s.version(ctx, s.pool); err != nil || version == len(postgresMigrations) {
		return err
	}
	return s.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('axle schema'))"); err != nil {
			return err
		}
		version, err := s.version(ctx, tx) // again: another process may have been first
		if err != nil {
			return err
		}
		if version == 0 {
			if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS axle; CREATE TABLE axle.version (version BIGINT NOT NULL); INSERT INTO axle.version VALUES (0)"); err != nil {
				return err
			}
		}
		for ; version < len(postgresMigrations); version++ {
			if _, err := tx.Exec(ctx, postgresMigrations[version]); err != nil {
				return fmt.Errorf("bring to schema %d: %w", version+1, err)
			}
		}
		_, err = tx.Exec(ctx, "UPDATE axle.version SET version = $1", version)
		return err
	})
}

// asker is a pool or a transaction.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s *Postgres) version(ctx context.Context, db asker) (version int, err error) {
	var there bool
	if err := db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'axle' AND tablename = 'version')").Scan(&there); err != nil || !there {
		return 0, err
	}
	err = db.QueryRow(ctx, "SELECT version FROM axle.version").Scan(&version)
	if err == nil && version > len(postgresMigrations) {
		err = &Error{Path: s.place, Hint: "use that version of axle",
			Summary: fmt.Sprintf("was written by a newer axle (its schema is %d, this one knows %d)", version, len(postgresMigrations))}
	}
	return version, err
}

// transact runs do in a transaction. One that couldn't even be begun on a
// connection that had been lost is begun again on another.
func (s *Postgres) transact(ctx context.Context, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, do)
	if err != nil && pgconn.SafeToRetry(err) && ctx.Err() == nil {
		err = pgx.BeginFunc(ctx, s.pool, do)
	}
	return err
}

// write is transact with an error for people.
func (s *Postgres) write(ctx context.Context, doing string, do func(pgx.Tx) error) error {
	select {
	case <-s.closing:
		return fmt.Errorf("%s: %w", doing, errClosed)
	default:
	}
	return s.explain(doing, s.transact(ctx, do))
}

// explain turns errors that a user can do something about into an *Error.
func (s *Postgres) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	out := &Error{Path: s.place, Summary: doing, Err: err}
	var refused *pgconn.PgError
	var connect *pgconn.ConnectError
	if errors.As(err, &refused) {
		switch code := refused.Code; { // SQLSTATE, appendix A of PostgreSQL's documentation
		case code == "3D000":
			out.Summary, out.Hint = "there is no such database", "create it (createdb), or correct the address"
		case strings.HasPrefix(code, "28"):
			out.Summary, out.Hint = "the database lets this user not in", "check user and password (PGPASSWORD, ~/.pgpass) and the server's pg_hba.conf"
		case code == "42501":
			out.Summary, out.Hint = "the user may not do this", "it needs CREATE on the database for the first time, or USAGE on the schema axle and its tables"
		case code == "53100":
			out.Summary, out.Hint = "the disk of the database is full", "free some space and resume the run: what was recorded before is safe"
		case code == "25006":
			out.Summary, out.Hint = "the database is read-only", "name the primary in the address (target_session_attrs=read-write)"
		case strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "53"):
			out.Summary, out.Hint = "the database doesn't serve now", "when it is back, axle resume goes on"
		}
		return out
	}
	if errors.As(err, &connect) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		out.Summary, out.Hint = "can't be reached", "check the address and the network; when the database is back, axle resume goes on"
		return out
	}
	return fmt.Errorf("%s: %w", doing, err)
}
