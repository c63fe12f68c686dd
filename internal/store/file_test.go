package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"axle"
)

func openFile(t *testing.T, path string) *SQLite {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// exec runs a statement on the writing connection.
func exec(t *testing.T, s *SQLite, statement string) {
	t.Helper()
	err := s.write(t.Context(), statement, func(ctx context.Context) error {
		_, err := s.conn.ExecContext(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "project", ".axle")
	s := openFile(t, filepath.Join(dir, "axle.db"))
	exec(t, s, "DELETE FROM run") // so that there is a log
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %s, %v", info.Mode(), err)
	}
}

func TestFilesThatCantBeUsed(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		spoil      func(t *testing.T, path string)
	}{
		{"newer", "was written by a newer axle (its schema is 99", func(t *testing.T, path string) {
			s := openFile(t, path)
			exec(t, s, "PRAGMA user_version = 99")
			_ = s.Close()
		}},
		{"foreign", "is a database of another program", func(t *testing.T, path string) {
			s := openFile(t, path)
			exec(t, s, "PRAGMA application_id = 0")
			exec(t, s, "PRAGMA user_version = 0")
			_ = s.Close()
		}},
		{"text", "is damaged, or not a journal of Axle", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("hello ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"torn", "is damaged, or not a journal of Axle", func(t *testing.T, path string) {
			s := openFile(t, path)
			_ = s.Close()
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(body[100:], make([]byte, 8000))
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"cut short", "is damaged, or not a journal of Axle", func(t *testing.T, path string) {
			s := openFile(t, path)
			_ = s.Close()
			if err := os.Truncate(path, 4096); err != nil {
				t.Fatal(err)
			}
		}},
		{"folder", "can't be", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "axle.db")
			tt.spoil(t, path)
			s, err := Open(t.Context(), path)
			var known *Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), tt.want) || known.Hint == "" || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one with %q and a hint", err, tt.want)
			}
			if err == nil {
				_ = s.Close()
			}
		})
	}
}

// Several processes may be first at once.
// A plan that can't be unpacked any more is the file's damage, and said so.
func TestDamagedPlan(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "axle.db"))
	if err := s.CreateRun(t.Context(), axle.Run{ID: "r1", Project: "p", Command: "deploy", Status: axle.RunSucceeded}, []byte("a plan")); err != nil {
		t.Fatal(err)
	}
	exec(t, s, "UPDATE plan SET body = substr(body, 1, length(body) - 6)")
	_, _, err := s.Run(t.Context(), "r1")
	var known *Error
	if !errors.As(err, &known) || !strings.Contains(known.Summary, "is damaged: the plan of run r1") || !strings.Contains(known.Hint, "move the file away") {
		t.Errorf("error %v, want the file's damage with a hint", err)
	}
}

func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "axle.db")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.CreateRun(t.Context(), axle.Run{ID: fmt.Sprint(i)}, nil); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	runs, err := openFile(t, path).Runs(t.Context(), "", 0)
	if err != nil || len(runs) != 8 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// A full disk fails the write, says so, loses nothing, and once there is space
// again the store goes on.
func TestDiskFull(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "axle.db"))
	if err := s.CreateRun(t.Context(), axle.Run{ID: "r"}, nil); err != nil {
		t.Fatal(err)
	}
	exec(t, s, "PRAGMA max_page_count = 30")
	note := strings.Repeat("x", 5000)
	written := 0
	var err error
	for err == nil && written < 100 {
		err = s.Append(t.Context(), "r", []axle.Record{{Step: fmt.Sprintf("s%03d", written), Result: axle.Result{Note: note}}})
		if err == nil {
			written++
		}
	}
	var full *Error
	if !errors.As(err, &full) || full.Summary != "the disk is full" || full.Hint == "" {
		t.Fatalf("after %d records: %v", written, err)
	}
	exec(t, s, "PRAGMA max_page_count = 100000")
	if err := s.Append(t.Context(), "r", []axle.Record{{Step: "t"}}); err != nil {
		t.Fatal(err)
	}
	records, err := s.Records(t.Context(), "r")
	if err != nil || len(records) != written+1 {
		t.Errorf("%d records of %d, %v", len(records), written+1, err)
	}
}

// Trying to write finds what opening the file doesn't.
func TestTryWhatCantBeWritten(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "axle.db"))
	if err := s.Try(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, s, "PRAGMA query_only = 1")
	var known *Error
	if err := s.Try(t.Context()); !errors.As(err, &known) || known.Summary != "can't be written" || known.Hint == "" {
		t.Errorf("try what can't be written: %v", err)
	}
}

// A write whose context has ended while it waited isn't done later.
func TestAbandonedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "axle.db")
	synctest.Test(t, func(t *testing.T) {
		s := openFile(t, path)
		defer s.Close()
		hold, first := make(chan struct{}), make(chan error, 1)
		go func() {
			first <- s.write(t.Context(), "wait", func(context.Context) error {
				<-hold
				return nil
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() { second <- s.CreateRun(ctx, axle.Run{ID: "r"}, nil) }()
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("abandoned write: %v", err)
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if runs, err := s.Runs(t.Context(), "", 0); err != nil || len(runs) != 0 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
	})
}

// A holder on another machine is known by its heartbeat: alive for a minute
// after the last one.
func TestLockFromElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "axle.db")
	synctest.Test(t, func(t *testing.T) {
		s := openFile(t, path)
		defer s.Close()
		if err := s.CreateRun(t.Context(), axle.Run{ID: "far", Status: axle.RunRunning}, nil); err != nil {
			t.Fatal(err)
		}
		far := held{Holder: axle.Holder{Run: "far", Who: "them", PID: os.Getpid()}, process: process{place: "far", born: "1"}}
		exec(t, s, fmt.Sprintf("INSERT INTO lock VALUES ('p', 'far', 'them', 'far', %d, 'far', '1', %d, %d)", far.PID, time.Now().UnixNano(), time.Now().UnixNano()))
		give := s.hold(t.Context(), "p", far)
		time.Sleep(10 * time.Minute)
		me := axle.Holder{Run: "mine", PID: os.Getpid()}
		var locked *axle.LockedError
		if _, err := s.Lock(t.Context(), "p", me); !errors.As(err, &locked) || time.Since(locked.Holder.Seen) > heartbeat {
			t.Errorf("lock of one that beats: %v", err)
		}
		exec(t, s, "UPDATE lock SET place = 'further'") // its heart no longer finds it
		time.Sleep(stale - heartbeat - time.Second)
		if _, err := s.Lock(t.Context(), "p", me); !errors.As(err, &locked) || locked.Silent < 50*time.Second || locked.Silent > locked.Free {
			t.Errorf("lock of one that may live: %v", err)
		}
		time.Sleep(heartbeat + time.Second)
		unlock, err := s.Lock(t.Context(), "p", me)
		if err != nil {
			t.Fatal(err)
		}
		if run, _, err := s.Run(t.Context(), "far"); err != nil || run.Status != axle.RunInterrupted {
			t.Errorf("the run of the lost holder: %s, %v", run.Status, err)
		}
		if err := give(); err == nil || !strings.Contains(err.Error(), "taken over") {
			t.Errorf("unlock of what was lost: %v", err)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
}

// A number that the system has given to another process is not the holder.
func TestLockOfAReusedNumber(t *testing.T) {
	here := look(os.Getpid())
	if here.place == "" {
		t.Skip("processes can't be told apart on this system")
	}
	h := held{Holder: axle.Holder{PID: os.Getpid(), Seen: time.Now()}, process: here}
	if !h.alive(time.Now()) {
		t.Error("this process isn't alive")
	}
	h.born += "0"
	if h.alive(time.Now()) {
		t.Error("an earlier process of the same number is alive")
	}
}

// A file that another program keeps to itself is an error with a hint, in time.
func TestBusyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "axle.db")
	s := openFile(t, path)
	if err := s.CreateRun(t.Context(), axle.Run{ID: "r"}, nil); err != nil {
		t.Fatal(err)
	}
	other := openFile(t, path)
	if _, err := other.conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err := s.Append(t.Context(), "r", []axle.Record{{Step: "s"}})
	var known *Error
	if !errors.As(err, &known) || known.Summary != "is kept busy by another process" || known.Hint == "" {
		t.Errorf("append: %v", err)
	}
	if _, err := other.conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), "r", []axle.Record{{Step: "s"}}); err != nil {
		t.Errorf("append later: %v", err)
	}
}
