//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"axle"
	"axle/internal/store"
	"axle/internal/store/storetest"

	"github.com/jackc/pgx/v5"
)

// server is the address of a real PostgreSQL: AXLE_TEST_POSTGRES, or one that is
// started from the programs of this machine (test/postgres.sh installs them).
// Without either the test is skipped, and AXLE_REQUIRE_POSTGRES, which CI sets,
// makes that a failure.
func server(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("AXLE_TEST_POSTGRES"); address != "" {
		return address
	}
	bin := binaries()
	if bin == "" {
		why := "PostgreSQL ISN'T TESTED: there is none on this machine; sh test/postgres.sh installs it, or set AXLE_TEST_POSTGRES"
		if os.Getenv("AXLE_REQUIRE_POSTGRES") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return startPostgres(t, bin)
}

// binaries is the folder of PostgreSQL's newest programs, or nothing.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's place
	slices.Sort(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

// startPostgres serves a new database cluster until the end of the test.
// PostgreSQL doesn't run as root: then it runs as the user postgres.
func startPostgres(t *testing.T, bin string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "axle-postgres-") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("PostgreSQL doesn't run as root, and there is no user postgres: %v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for _, args := range [][]string{
		{"initdb", "-D", data, "-U", "axle", "--auth=trust", "--no-sync"},
		{"pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", fmt.Sprintf("-p %d -k %s -c listen_addresses=127.0.0.1 -c max_connections=200", port, dir), "start"},
	} {
		cmd := exec.Command(filepath.Join(bin, args[0]), args[1:]...)
		cmd.Dir, cmd.SysProcAttr = dir, attr
		if args[0] == "initdb" {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", args[0], err, out)
			}
		} else if err := cmd.Run(); err != nil { // the server keeps its output
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("%s: %v\n%s", args[0], err, log)
		}
	}
	t.Cleanup(func() {
		cmd := exec.Command(filepath.Join(bin, "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
		cmd.Dir, cmd.SysProcAttr = dir, attr
		if err := cmd.Run(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return fmt.Sprintf("postgres://axle@127.0.0.1:%d/postgres", port)
}

// database makes an empty database and returns its address.
func database(t *testing.T, server, name string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	quoted := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)", "CREATE DATABASE " + quoted} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func openPostgres(t *testing.T, address string) *store.Postgres {
	t.Helper()
	s, err := store.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// exec runs statements beside the store.
func execPostgres(t *testing.T, address, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func TestPostgres(t *testing.T) {
	at := server(t)
	t.Run("Contract", func(t *testing.T) {
		made := map[string]string{}
		storetest.Contract(t, func(t *testing.T, name string) store.Store {
			if made[name] == "" {
				made[name] = database(t, at, "axle_"+strings.ToLower(name))
			}
			return openPostgres(t, made[name])
		})
	})
	t.Run("AtOnce", func(t *testing.T) { testPostgresAtOnce(t, database(t, at, "axle_at_once")) })
	t.Run("Dead", func(t *testing.T) { testPostgresDead(t, database(t, at, "axle_dead")) })
	t.Run("Lost", func(t *testing.T) { testPostgresLost(t, database(t, at, "axle_lost")) })
	t.Run("Errors", func(t *testing.T) { testPostgresErrors(t, at, database(t, at, "axle_errors")) })
}

// Several machines may be first at once, and one of them gets the lock.
func testPostgresAtOnce(t *testing.T, address string) {
	results := make(chan error, 8)
	for i := range 8 {
		go func() {
			s, err := store.OpenPostgres(t.Context(), address)
			if err != nil {
				results <- err
				return
			}
			t.Cleanup(func() { _ = s.Close() })
			_, err = s.Lock(t.Context(), "p", axle.Holder{Run: fmt.Sprint("r", i), Who: fmt.Sprint("user", i), Host: "here", PID: os.Getpid()})
			results <- err
		}()
	}
	got := 0
	for range 8 {
		err := <-results
		var locked *axle.LockedError
		switch {
		case err == nil:
			got++
		case !errors.As(err, &locked) || locked.Holder.Who == "" || time.Since(locked.Holder.Since) > time.Minute:
			t.Errorf("refused with %v", err)
		}
	}
	if got != 1 {
		t.Errorf("%d have the lock", got)
	}
}

// The lock of another machine's run is free a minute after its last sign of
// life, by the database's clock; on this machine at once when the process is gone.
func testPostgresDead(t *testing.T, address string) {
	s := openPostgres(t, address)
	for _, id := range []string{"far", "gone", "mine"} {
		if err := s.CreateRun(t.Context(), axle.Run{ID: id, Project: "p", Status: axle.RunRunning}, nil); err != nil {
			t.Fatal(err)
		}
	}
	lost, err := s.Lock(t.Context(), "p", axle.Holder{Run: "far", Who: "them@far", Host: "far", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	me := axle.Holder{Run: "mine", Who: "me", Host: "here", PID: os.Getpid()}
	try := func(what string, free bool) {
		t.Helper()
		unlock, err := s.Lock(t.Context(), "p", me)
		var locked *axle.LockedError
		switch {
		case free && err != nil, !free && (!errors.As(err, &locked) || locked.Holder.Who != "them@far"):
			t.Errorf("%s: %v", what, err)
		case free:
			if err := unlock(); err != nil {
				t.Error(err)
			}
		}
	}
	try("alive here", false)
	execPostgres(t, address, "UPDATE axle.lock SET place = 'another machine'") // its heart no longer finds it
	try("elsewhere, heard of now", false)
	execPostgres(t, address, "UPDATE axle.lock SET seen = seen - $1", int64(50*time.Second))
	try("elsewhere, heard of 50 s ago", false)
	execPostgres(t, address, "UPDATE axle.lock SET seen = seen - $1", int64(11*time.Second))
	try("elsewhere, heard of 61 s ago", true)
	if err := lost(); err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("unlock of what was lost: %v", err)
	}
	if _, err := s.Lock(t.Context(), "p", axle.Holder{Run: "gone", Who: "them", Host: "here", PID: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	try("gone from here", true)
	for id, want := range map[string]axle.RunStatus{"far": axle.RunInterrupted, "gone": axle.RunInterrupted, "mine": axle.RunRunning} {
		if run, _, err := s.Run(t.Context(), id); err != nil || run.Status != want {
			t.Errorf("run %s: %s, %v", id, run.Status, err)
		}
	}
}

// Connections that the server has cut are replaced; what was recorded is there.
func testPostgresLost(t *testing.T, address string) {
	s := openPostgres(t, address)
	if err := s.CreateRun(t.Context(), axle.Run{ID: "r", Project: "p", Status: axle.RunRunning}, nil); err != nil {
		t.Fatal(err)
	}
	written := 0
	for i := range 20 {
		if i%5 == 4 {
			execPostgres(t, address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'axle' AND datname = current_database()")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := s.Append(ctx, "r", []axle.Record{{Step: fmt.Sprintf("s%02d", i), Status: axle.Running}})
		cancel()
		var known *store.Error
		switch {
		case err == nil:
			written++
		case !errors.As(err, &known) || known.Hint == "":
			t.Errorf("append on a cut connection: %v", err)
		}
	}
	records, err := s.Records(t.Context(), "r")
	if err != nil || len(records) < written || written < 16 {
		t.Errorf("%d records of %d acknowledged, %v", len(records), written, err)
	}
}

// What a user can do something about says what.
func testPostgresErrors(t *testing.T, server, address string) {
	openPostgres(t, address) // makes the schema
	execPostgres(t, address, "CREATE ROLE stranger LOGIN")
	stranger, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	stranger.User = url.User("stranger")
	for _, tt := range []struct{ name, address, want string }{
		{"nobody there", "postgres://127.0.0.1:9/axle", "can't be reached"},
		{"no database", strings.Replace(server, "/postgres", "/nowhere", 1), "there is no such database"},
		{"no rights", stranger.String(), "the user may not do this"},
		{"nonsense", "postgres://[", "isn't the address of a PostgreSQL database"},
	} {
		_, err := store.OpenPostgres(t.Context(), tt.address)
		var known *store.Error
		if !errors.As(err, &known) || known.Summary != tt.want || known.Hint == "" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	execPostgres(t, address, "UPDATE axle.version SET version = 99")
	if _, err := store.OpenPostgres(t.Context(), address); err == nil || !strings.Contains(err.Error(), "was written by a newer axle (its schema is 99") {
		t.Errorf("a newer schema: %v", err)
	}
}
