package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/store"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// filling is a journal on a disk that has room for some records only.
type filling struct {
	store.Store
	room atomic.Int64
	full atomic.Bool
}

func (f *filling) take(n int) error {
	if f.full.Load() || f.room.Add(-int64(n)) < 0 {
		f.full.Store(true)
		return &store.Error{Path: "axle.db", Summary: "the disk is full", Hint: "free some space and resume the run", Err: syscall.ENOSPC}
	}
	return nil
}

func (f *filling) Append(ctx context.Context, run string, records []axle.Record) error {
	if err := f.take(len(records)); err != nil {
		return err
	}
	return f.Store.Append(ctx, run, records)
}

func (f *filling) FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error {
	if err := f.take(1); err != nil {
		return err
	}
	return f.Store.FinishRun(ctx, id, status, at)
}

func (f *filling) Remember(ctx context.Context, stackID, digest string, updated time.Time) error {
	if err := f.take(1); err != nil {
		return err
	}
	return f.Store.Remember(ctx, stackID, digest, updated)
}

// TestFullAnywhere fills the disk after each number of records. The run says so,
// with what to do, starts nothing more, and goes on once there is space again:
// to the same end, with nothing done twice.
func TestFullAnywhere(t *testing.T) {
	u := newUniverse(t, netAccounts(1))
	want := u.unkilled(t, crash{})
	var g errgroup.Group
	g.SetLimit(8) // they wait more than they work
	writes := 0
	for _, what := range want.transitions {
		if strings.HasPrefix(what, "record") || strings.HasPrefix(what, "finish") || strings.HasPrefix(what, "remember") {
			writes++
		}
	}
	for room := range writes {
		g.Go(func() error {
			if err := u.fill(room, want); err != nil {
				t.Errorf("room for %d records: %v", room, err)
			}
			return nil
		})
	}
	_ = g.Wait() // each has told what was wrong
}

func (u *universe) fill(room int, want expect) error {
	w, err := u.world("", network)
	if err != nil {
		return err
	}
	defer w.close()
	disk := &filling{}
	disk.room.Store(int64(room))
	done, err := (*Done)(nil), w.live(&process{}, func(ctx context.Context, o Options) error {
		o.wrap = func(s store.Store) store.Store { disk.Store = s; return disk }
		work, err := Open(ctx, o)
		if err != nil {
			return err
		}
		_, err = work.Deploy(ctx, nil, nil, nil)
		return err
	})
	var full *store.Error
	if !disk.full.Load() {
		return errors.New("the disk was never full")
	}
	// At the very end only the record of the run's end may be missing.
	var journal *engine.JournalError
	if !errors.As(err, &full) || full.Hint == "" || !errors.As(err, &journal) && !strings.Contains(err.Error(), "record the end") {
		return fmt.Errorf("the run says: %w", err)
	}
	if done, err = w.goOn(&process{}, false); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if diff := cmp.Diff(want.ends, ends(done)); diff != "" {
		return fmt.Errorf("how steps ended (-with space +resumed):\n%s", diff)
	}
	state, err := w.look()
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want.state, state); diff != "" {
		return fmt.Errorf("what is there (-with space +resumed):\n%s", diff)
	}
	if again := w.repeats(); len(again) > 0 {
		return fmt.Errorf("done again: %s", strings.Join(again, "\n"))
	}
	return nil
}

// TestFullDisk has a disk that is really full: a file system of its own, which
// only root can mount.
func TestFullDisk(t *testing.T) {
	u := newUniverse(t, netAccounts(8))
	w, err := u.world("", network)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	disk := filepath.Join(filepath.Dir(w.file), ".axle")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=200k", "none", disk).CombinedOutput(); err != nil {
		t.Skipf("A REALLY FULL DISK ISN'T TESTED: no file system can be mounted here: %v: %s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}()
	_, err = w.run(&process{}, false)
	var full *store.Error
	if !errors.As(err, &full) || full.Hint == "" || full.Summary != "the disk is full" && full.Summary != "can't be read or written" {
		t.Fatalf("on a full disk: %v", err)
	}
	t.Log(err)
	if out, err := exec.Command("mount", "-o", "remount,size=20m", disk).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
	done, err := w.goOn(&process{}, false)
	if err != nil || done.Run.Status != axle.RunSucceeded {
		t.Fatalf("with space again: %v", err)
	}
	if again := w.repeats(); len(again) > 0 {
		t.Errorf("done again: %s", strings.Join(again, "\n"))
	}
}
