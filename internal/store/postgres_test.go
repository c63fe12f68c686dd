//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/store"
	"axle/internal/store/storetest"

	"github.com/jackc/pgx/v5"
)

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
	at := storetest.Postgres(t)
	t.Run("Contract", func(t *testing.T) {
		made := map[string]string{}
		storetest.Contract(t, func(t *testing.T, name string) store.Store {
			if made[name] == "" {
				made[name] = storetest.Database(t, at, "axle_"+strings.ToLower(name))
			}
			return openPostgres(t, made[name])
		})
	})
	t.Run("AtOnce", func(t *testing.T) { testPostgresAtOnce(t, storetest.Database(t, at, "axle_at_once")) })
	t.Run("Dead", func(t *testing.T) { testPostgresDead(t, storetest.Database(t, at, "axle_dead")) })
	t.Run("Lost", func(t *testing.T) { testPostgresLost(t, storetest.Database(t, at, "axle_lost")) })
	t.Run("Errors", func(t *testing.T) { testPostgresErrors(t, at, storetest.Database(t, at, "axle_errors")) })
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
	ago := func(d time.Duration) {
		execPostgres(t, address, "UPDATE axle.lock SET seen = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 - $1", int64(d))
	}
	ago(30 * time.Second)
	try("elsewhere, heard of 30 s ago", false)
	ago(61 * time.Second)
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
		err := s.Append(t.Context(), "r", []axle.Record{{Step: fmt.Sprintf("s%02d", i), Status: axle.Running}})
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
	execPostgres(t, address, "GRANT USAGE ON SCHEMA axle TO stranger; GRANT SELECT ON ALL TABLES IN SCHEMA axle TO stranger")
	reader := openPostgres(t, stranger.String())
	for _, grant := range []string{"INSERT, UPDATE ON axle.run, axle.record, axle.template", "INSERT, UPDATE ON axle.lock", "DELETE ON axle.lock"} {
		var known *store.Error
		if err := reader.Try(t.Context()); !errors.As(err, &known) || known.Summary != "the user may not do this" {
			t.Errorf("try before GRANT %s: %v", grant, err)
		}
		execPostgres(t, address, "GRANT "+grant+" TO stranger")
	}
	if err := reader.Try(t.Context()); err != nil {
		t.Errorf("try with all rights: %v", err)
	}
	execPostgres(t, address, "UPDATE axle.version SET version = 99")
	if _, err := store.OpenPostgres(t.Context(), address); err == nil || !strings.Contains(err.Error(), "was written by a newer axle (its schema is 99") {
		t.Errorf("a newer schema: %v", err)
	}
}
