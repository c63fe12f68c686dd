package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxReaders is how many connections read at once.
const maxReaders = 4

// SQLite is a store in one file. Several processes may use the file at once.
type SQLite struct {
	path    string
	writer  *sql.DB
	readers *sql.DB
	conn    *sql.Conn  // the one connection that writes; owned by commits
	often   statements // of conn
	asked   statements // of readers
	writes  chan *write
	closing chan struct{}
	close   func() error
	tasks   sync.WaitGroup
	claims  claims
}

var _ Store = (*SQLite)(nil)

// Open opens the store in a file, which it makes, with its folder, if there is
// none: readable by the user alone. An *Error says what is wrong with a file
// that can't be used.
func Open(ctx context.Context, path string) (*SQLite, error) {
	if err := create(path); err != nil {
		return nil, &Error{Path: path, Summary: "can't be made", Hint: "the journal of runs is written there: check the folder's permissions and space", Err: err}
	}
	s := &SQLite{path: path, writes: make(chan *write, 64), closing: make(chan struct{})}
	s.close = sync.OnceValue(s.shut)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.explain("open", err), s.closeAll())
	}
	s.tasks.Go(s.commits)
	return s, nil
}

func (s *SQLite) open(ctx context.Context) (err error) {
	if s.writer, err = sql.Open("sqlite", dsn(s.path, "synchronous(FULL)", "fullfsync(1)", "foreign_keys(1)")); err != nil {
		return err
	}
	if s.conn, err = s.writer.Conn(ctx); err != nil {
		return err
	}
	s.often.of = s.conn
	if err = s.migrate(ctx); err != nil {
		return err
	}
	s.readers, err = sql.Open("sqlite", dsn(s.path, "query_only(1)"))
	if err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(maxReaders)
	s.readers.SetMaxIdleConns(maxReaders)
	s.asked.of = s.readers
	return nil
}

// dsn names the file for the driver: a URI, as the path may have any character.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append(pragmas, "busy_timeout(10000)")}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
}

// create makes the file if it doesn't exist. SQLite's side files take over its
// permissions.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Close waits for the writes under way, and gives up the file.
func (s *SQLite) Close() error { return s.close() }

func (s *SQLite) shut() error {
	close(s.closing)
	s.tasks.Wait()
	return s.closeAll()
}

func (s *SQLite) closeAll() error {
	errs := []error{s.often.close(), s.asked.close()}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

const hintDamaged = "move the file away: stacks are found from CloudFormation itself, only the record of earlier runs is lost"

// explain turns the driver's errors that a user can do something about into an
// *Error, and leaves others as they are, with what was being done.
func (s *SQLite) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	out := &Error{Path: s.path, Summary: doing, Err: err}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		out.Summary, out.Hint = "is damaged, or not a journal of Axle", hintDamaged
	case sqlite3.SQLITE_FULL:
		out.Summary, out.Hint = "the disk is full", "free some space and resume the run: what was recorded before is safe"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		out.Summary, out.Hint = "can't be written", "check who owns the file and its folder"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		out.Summary, out.Hint = "is kept busy by another process", "see whether another axle or a database tool has the file open"
	case sqlite3.SQLITE_IOERR:
		out.Summary, out.Hint = "can't be read or written", "check the disk; a folder on a network share doesn't do for the journal"
	}
	return out
}
