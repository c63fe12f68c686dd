//go:build unix

package control

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"
	"axle/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
)

// A journal in PostgreSQL or DynamoDB is the team's: a run that was killed on one machine is
// seen and resumed from another folder, and two at once are refused, with who
// is at work, where and since when. In a file the latter is the same.
func TestTwoAtOnce(t *testing.T) {
	for _, kind := range []string{"file", "postgres", "dynamodb"} {
		t.Run(kind, func(t *testing.T) {
			address := ""
			switch kind {
			case "postgres":
				address = storetest.Database(t, storetest.Postgres(t), "axle_team")
			case "dynamodb":
				address = "dynamodb://axle-team"
			}
			t.Setenv(storeEnv, address)
			u := newUniverse(t, netAccounts(1))
			if kind == "dynamodb" {
				u.prepare = makeTable
			}
			want := u.unkilled(t, crash{})
			if kind == "postgres" {
				address = storetest.Database(t, address, "axle_team_2")
				t.Setenv(storeEnv, address)
			}
			w, err := u.world("", network)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()

			p := &process{kill: 12}
			if _, err := w.run(p, false); !p.killed() {
				t.Fatalf("the run wasn't killed: %v", err)
			}
			if address != "" {
				w.file = copied(t, w.file)
			}
			refused(t, w)
			done, err := w.goOn(&process{}, false)
			if err != nil || done.Run.Status != axle.RunSucceeded {
				t.Fatalf("resume: %v", err)
			}
			if diff := cmp.Diff(want.ends, ends(done)); diff != "" {
				t.Errorf("how steps ended (-unkilled +killed):\n%s", diff)
			}
			if again := w.repeats(); len(again) > 0 {
				t.Errorf("done again: %s", strings.Join(again, "\n"))
			}
		})
	}
}

// makeTable makes the table and bucket that the world's journal is in.
func makeTable(w *world) {
	err := w.live(&process{}, func(ctx context.Context, o Options) error {
		work, err := Open(ctx, o)
		if err != nil {
			return err
		}
		at, _, err := work.tableStore()
		if err != nil {
			return err
		}
		_, db, bucket, err := work.cloud.TableAndBucket(ctx, work.hub.Account.ID, at.Region)
		if err == nil {
			storetest.Table(w.t, at, db, bucket)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// refused has somebody else hold the project's lock meanwhile.
func refused(t *testing.T, w *world) {
	t.Helper()
	version, leave := w.enter(w.gate(&process{}))
	defer leave()
	db, err := openStore(t.Context(), Options{File: w.file, Version: version})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	unlock, err := db.Lock(t.Context(), "net", axle.Holder{Run: "r-theirs", Who: "ann@laptop", Host: "laptop", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	for name, do := range map[string]func() error{
		"deploy": func() error { _, err := w.run(&process{}, false); return err },
		"resume": func() error { _, err := w.goOn(&process{}, false); return err },
	} {
		err := do()
		var locked *axle.LockedError
		var f *axle.Failure
		if !errors.As(err, &locked) || !errors.As(err, &f) || !f.Blocked || f.Hint == "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h := locked.Holder
		if h.Who != "ann@laptop" || h.Run != "r-theirs" || time.Since(h.Since) > time.Minute || !strings.Contains(err.Error(), `project "net" is being worked on by run r-theirs of ann@laptop`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// copied is the project in another folder, without its journal.
func copied(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(file))
}

// In a shared journal the runs of other projects aren't this one's.
func TestSharedJournalIsScoped(t *testing.T) {
	address := storetest.Database(t, storetest.Postgres(t), "axle_scope")
	file := project(t, map[string]string{"axle.yaml": "name: mine\nstore: " + address + "\n"})
	db, err := store.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, r := range []axle.Run{{ID: "r1", Project: "mine"}, {ID: "r2", Project: "theirs"}} {
		if err := db.CreateRun(context.Background(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := Runs(t.Context(), Options{File: file}, 0)
	if err != nil || len(runs) != 1 || runs[0].ID != "r1" {
		t.Errorf("runs: %v, %v", runs, err)
	}
	for _, id := range []string{"", "latest"} {
		if run, _, err := findRun(t.Context(), db, id, scope(Options{File: file}), false); err != nil || run.ID != "r1" {
			t.Errorf("run %q: %s, %v", id, run.ID, err)
		}
	}
}

// A store that can't be what it says is an error: the run isn't recorded in
// another place instead.
func TestStoreAddress(t *testing.T) {
	for text, want := range map[string]string{
		"store: mysql://h/db":               "is not the address of a store",
		"store: postgres://me:hunter2@h/db": `"postgres://me:(secret)@h/db" is not the address of a store`,
		"store: postgres://me:hun@er2@h/db": `"postgres://me:(secret)@h/db" is not the address of a store`,
		"store: postgres://127.0.0.1:9/db":  "can't be reached",
	} {
		file := project(t, map[string]string{"axle.yaml": "name: mine\n" + text + "\n"})
		if _, err := Runs(t.Context(), Options{File: file}, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Setenv(storeEnv, "nonsense")
	if _, err := Runs(t.Context(), Options{File: project(t, map[string]string{"axle.yaml": "name: mine\n"})}, 0); err == nil || !strings.Contains(err.Error(), storeEnv) {
		t.Errorf("%s=nonsense: %v", storeEnv, err)
	}
}

// robbed is the journal of a machine that isn't heard of any more, and whose lock
// is taken while it works.
type robbed struct {
	store.Store
	take func(run string) // called once, before the third write
	mu   sync.Mutex
	n    int
}

func (r *robbed) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	by.PID = nobody
	return r.Store.Lock(ctx, project, by)
}

func (r *robbed) Append(ctx context.Context, run string, records []axle.Record) error {
	r.mu.Lock()
	r.n++
	if r.n == 3 {
		r.take(run)
	}
	r.mu.Unlock()
	return r.Store.Append(ctx, run, records)
}

// overtaken is a journal in which something happens between a look at a run and
// its lock.
type overtaken struct {
	store.Store
	meanwhile func(store.Store)
}

func (o *overtaken) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	if o.meanwhile != nil {
		o.meanwhile(o.Store)
		o.meanwhile = nil
	}
	return o.Store.Lock(ctx, project, by)
}

// A run that was given up, or that another has followed, while somebody was about to
// go on with it isn't gone on with; one that has ended isn't given up.
func TestOvertakenBeforeTheLock(t *testing.T) {
	u := newUniverse(t, netAccounts(1))
	w, err := u.world("", network)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	change := func(status axle.RunStatus) func(store.Store) {
		return func(db store.Store) {
			if err := db.FinishRun(t.Context(), "r1", status, time.Now()); err != nil {
				t.Error(err)
			}
		}
	}
	follow := func(db store.Store) {
		if err := db.CreateRun(t.Context(), axle.Run{ID: "r2", Project: "net", Command: "deploy", Status: axle.RunSucceeded}, nil); err != nil {
			t.Error(err)
		}
	}
	resume := func(ctx context.Context, o Options, id string) error {
		_, _, err := Resume(ctx, o, id, nil, nil)
		return err
	}
	giveUp := func(ctx context.Context, o Options, id string) error {
		_, err := Cancel(ctx, o, id)
		return err
	}
	for _, tt := range []struct {
		name, id  string
		meanwhile func(store.Store)
		do        func(context.Context, Options, string) error
		code      string
	}{
		{"resumed, cancelled", "r1", change(axle.RunCancelled), resume, "RunOver"},
		{"latest resumed, followed", "", follow, resume, "RunOvertaken"},
		{"named resumed, followed", "r1", follow, resume, ""},
		{"cancelled, succeeded", "r1", change(axle.RunSucceeded), giveUp, "RunOver"},
	} {
		err := w.live(&process{}, func(ctx context.Context, o Options) error {
			if err := os.Remove(filepath.Join(stateDir(w.file), "axle.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			db, err := openStore(ctx, o)
			if err != nil {
				return err
			}
			defer db.Close()
			body, err := (&plan.Plan{Project: "net", Command: "deploy"}).Encode()
			if err == nil {
				err = db.CreateRun(ctx, axle.Run{ID: "r1", Project: "net", Command: "deploy", Status: axle.RunInterrupted}, body)
			}
			if err != nil {
				return err
			}
			o.wrap = func(s store.Store) store.Store { return &overtaken{s, tt.meanwhile} }
			return tt.do(ctx, o, tt.id)
		})
		var f *axle.Failure
		if errors.As(err, &f); tt.code == "" && err != nil || tt.code != "" && (f == nil || f.Code != tt.code || f.Hint == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Who finds the lock of a run that may be dead is told when it would be free; one
// that is seen to be alive is waited for.
func TestLockedBySomebodySilent(t *testing.T) {
	for _, tt := range []struct {
		silent time.Duration
		want   string
	}{
		{0, "wait for it to end; axle show r1 tells how far it is"},
		{4 * time.Second, "wait for it to end; axle show r1 tells how far it is"},
		{40 * time.Second, "it hasn't been heard of for 40s; if it was killed, the lock is free in 21s: try again then"},
	} {
		err := lockedFailure(&axle.LockedError{Project: "p", Holder: axle.Holder{Run: "r1"}, Silent: tt.silent, Free: time.Minute})
		if f := asFailure(err); f.Hint != tt.want {
			t.Errorf("%s: %q", tt.silent, f.Hint)
		}
	}
}

// A run that lost its lock to another machine is stopped by its journal, says who
// has it, and goes on there.
func TestLockTakenWhileAtWork(t *testing.T) {
	t.Run("File", func(t *testing.T) { testLockTaken(t, newUniverse(t, netAccounts(1))) })
	t.Run("DynamoDB", func(t *testing.T) {
		t.Setenv(storeEnv, "dynamodb://axle-team")
		u := newUniverse(t, netAccounts(1))
		u.prepare = makeTable
		testLockTaken(t, u)
	})
}

func testLockTaken(t *testing.T, u *universe) {
	w, err := u.world("", network)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	var give func() error
	var done *Done
	err = w.live(&process{}, func(ctx context.Context, o Options) (err error) {
		o.wrap = func(s store.Store) store.Store {
			return &robbed{Store: s, take: func(run string) {
				other, err := openStore(ctx, Options{File: w.file, Version: o.Version})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = other.Close() })
				if give, err = other.Lock(ctx, "net", axle.Holder{Run: run, Who: "bob@desk", PID: os.Getpid()}); err != nil {
					t.Fatal(err)
				}
			}}
		}
		work, err := Open(ctx, o)
		if err != nil {
			return err
		}
		done, err = work.Deploy(ctx, nil, nil, nil)
		if give != nil {
			err = errors.Join(err, give())
		}
		return err
	})
	var lost *engine.JournalError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "was taken over by run ") || !strings.Contains(err.Error(), "of bob@desk") {
		t.Fatalf("the run that lost its lock: %v", err)
	}
	t.Log(err)
	if done == nil || done.Run.Status != axle.RunInterrupted {
		t.Errorf("its end: %+v", done)
	}
	if done, err = w.goOn(&process{}, false); err != nil || done.Run.Status != axle.RunSucceeded {
		t.Errorf("resume: %v", err)
	}
	if again := w.repeats(); len(again) > 0 {
		t.Errorf("done again: %s", strings.Join(again, "\n"))
	}
}
