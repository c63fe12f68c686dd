// Package storetest is what every store must do, as a test.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"axle"
	"axle/internal/store"
)

// Contract tests a store. open returns one that is empty; a second call within
// one test, with the same name, opens the same one again.
func Contract(t *testing.T, open func(t *testing.T, name string) store.Store) {
	tests := []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"Runs", testRuns},
		{"FindRun", testFindRun},
		{"FinishRun", testFinishRun},
		{"Records", testRecords},
		{"AppendToNoRun", testAppendToNoRun},
		{"ConcurrentAppends", testConcurrentAppends},
		{"Lock", testLock},
		{"Digests", testDigests},
		{"Try", testTry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t, tt.name)) })
	}
	t.Run("Fencing", func(t *testing.T) { testFencing(t, open(t, "Fencing"), open(t, "Fencing")) })
	t.Run("Reopen", func(t *testing.T) { testReopen(t, func() store.Store { return open(t, "Reopen") }) })
}

var start = time.Date(2026, 11, 21, 8, 0, 0, 123456789, time.UTC)

func newRun(id, project string) axle.Run {
	return axle.Run{ID: id, Project: project, Env: "prod", Command: "deploy", Status: axle.RunRunning, Started: start, Steps: 3}
}

func create(t *testing.T, s store.Store, runs ...axle.Run) {
	t.Helper()
	for _, r := range runs {
		if err := s.CreateRun(t.Context(), r, []byte("plan of "+r.ID)); err != nil {
			t.Fatal(err)
		}
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func testRuns(t *testing.T, s store.Store) {
	a1, b1, a2 := newRun("a1", "a"), newRun("b1", "b"), newRun("a2", "a")
	a2.Started, a2.Finished = time.Time{}, start
	create(t, s, a1, b1, a2)
	list := func(project string, limit int) []axle.Run {
		t.Helper()
		runs, err := s.Runs(t.Context(), project, limit)
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	equal(t, "all runs", list("", 0), []axle.Run{a2, b1, a1})
	equal(t, "runs of a", list("a", 0), []axle.Run{a2, a1})
	equal(t, "one run", list("", 1), []axle.Run{a2})
	equal(t, "runs of nobody", len(list("c", 0)), 0)
	if err := s.CreateRun(t.Context(), a1, nil); err == nil {
		t.Error("a second run with the same id was accepted")
	}
}

func testFindRun(t *testing.T, s store.Store) {
	if _, _, err := s.Run(t.Context(), "latest"); !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("latest of none: %v", err)
	}
	create(t, s, newRun("ab", "p"), newRun("abc", "p"), newRun("abd", "p"), newRun("x%", "p"))
	for _, tt := range []struct{ id, want string }{
		{"ab", "ab"}, {"abc", "abc"}, {"x", "x%"}, {"latest", "x%"},
	} {
		run, plan, err := s.Run(t.Context(), tt.id)
		if err != nil || run.ID != tt.want || !bytes.Equal(plan, []byte("plan of "+tt.want)) {
			t.Errorf("run %q: got %q with %q, %v; want %q", tt.id, run.ID, plan, err, tt.want)
		}
	}
	var ambiguous *store.AmbiguousError
	if _, _, err := s.Run(t.Context(), "a"); !errors.As(err, &ambiguous) || len(ambiguous.IDs) != 3 {
		t.Errorf("ambiguous prefix: %v", err)
	}
	for _, id := range []string{"abcd", "%", "_b", "AB"} {
		if _, _, err := s.Run(t.Context(), id); !errors.Is(err, axle.ErrNotFound) {
			t.Errorf("run %q: %v, want not found", id, err)
		}
	}
}

func testFinishRun(t *testing.T, s store.Store) {
	want := newRun("r", "p")
	create(t, s, want)
	for _, at := range []time.Time{start.Add(time.Hour), {}} {
		want.Status, want.Finished = axle.RunPartial, at
		if err := s.FinishRun(t.Context(), "r", axle.RunPartial, at); err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Run(t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "finished run", got, want)
	}
	if err := s.FinishRun(t.Context(), "none", axle.RunFailed, start); !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("finish a run that isn't: %v", err)
	}
}

func testRecords(t *testing.T, s store.Store) {
	create(t, s, newRun("r", "p"), newRun("other", "p"))
	full := axle.Record{
		Step: "stack/a/1/x", Status: axle.Succeeded, Token: "arn:1", Attempts: 2, Started: start, Finished: start.Add(time.Minute),
		Result: axle.Result{
			Change: axle.Replace, Outputs: map[string]string{"VpcId": "vpc-1", "Empty": ""}, Note: "deleted first",
			Changes: []axle.ResourceChange{{Action: "Modify", LogicalID: "Vpc", Type: "AWS::EC2::VPC", Replacement: "True", Properties: []string{"Cidr"}}},
		},
	}
	failed := axle.Record{Step: "stack/b/1/x", Status: axle.Failed, Attempts: 1, Started: start, Finished: start,
		Failure: &axle.Failure{Code: "AccessDenied", Message: "no \"way\"\x00\n", Resource: "Vpc", Hint: "ask", Blocked: true}}
	skipped := axle.Record{Step: "stack/c/1/x", Status: axle.Skipped, SkippedFor: "stack/b/1/x", Finished: start}
	running := axle.Record{Step: "stack/a/1/x", Status: axle.Running, Started: start}
	appendTo := func(run string, records ...axle.Record) {
		t.Helper()
		if err := s.Append(t.Context(), run, records); err != nil {
			t.Fatal(err)
		}
	}
	appendTo("r", running)
	appendTo("r", skipped, failed, full)
	appendTo("other", running)
	appendTo("r")
	got, err := s.Records(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "records", got, []axle.Record{full, failed, skipped})
	running.Token = "t"
	appendTo("r", full, running) // the last one counts, within a call too
	got, err = s.Records(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "records", got, []axle.Record{running, failed, skipped})
}

func testAppendToNoRun(t *testing.T, s store.Store) {
	if err := s.Append(t.Context(), "none", []axle.Record{{Step: "s", Status: axle.Running}}); !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("append to a run that isn't: %v", err)
	}
	if _, err := s.Records(t.Context(), "none"); !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("records of a run that isn't: %v", err)
	}
}

// testConcurrentAppends has good and bad writes at once: each gets its own answer.
func testConcurrentAppends(t *testing.T, s store.Store) {
	create(t, s, newRun("r", "p"))
	const n = 100
	errs := make(chan error, n)
	for i := range n {
		go func() {
			run := "r"
			if i%10 == 0 {
				run = "none"
			}
			err := s.Append(t.Context(), run, []axle.Record{{Step: fmt.Sprintf("s%03d", i), Status: axle.Running}})
			if (err != nil) != (run == "none") {
				errs <- fmt.Errorf("append to %s: %w", run, err)
				return
			}
			errs <- nil
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got, err := s.Records(t.Context(), "r")
	if err != nil || len(got) != n*9/10 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func testLock(t *testing.T, s store.Store) {
	create(t, s, newRun("r1", "p"), newRun("r2", "p"))
	me := axle.Holder{Run: "r1", Who: "me@here", Host: "here", PID: os.Getpid()}
	unlock, err := s.Lock(t.Context(), "p", me)
	if err != nil {
		t.Fatal(err)
	}
	you := me
	you.Run, you.Who = "r2", "you@here"
	var locked *axle.LockedError
	if _, err := s.Lock(t.Context(), "p", you); !errors.As(err, &locked) || locked.Project != "p" || locked.Holder.Who != "me@here" {
		t.Errorf("second lock: %v", err)
	}
	other, err := s.Lock(t.Context(), "q", you)
	if err != nil {
		t.Fatalf("lock of another project: %v", err)
	}
	if h, held, err := s.Holder(t.Context(), "p"); err != nil || !held || h.Run != "r1" || h.PID != me.PID || h.Since.IsZero() || h.Seen.IsZero() {
		t.Errorf("holder: %+v, %v, %v", h, held, err)
	}
	for range 2 { // a second time does nothing
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
	if _, held, err := s.Holder(t.Context(), "p"); err != nil || held {
		t.Errorf("held after unlock: %v, %v", held, err)
	}
	again, err := s.Lock(t.Context(), "p", you)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	if err := errors.Join(again(), other()); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"r1", "r2"} {
		if run, _, err := s.Run(t.Context(), id); err != nil || run.Status != axle.RunRunning {
			t.Errorf("run %s after locking: %q, %v", id, run.Status, err)
		}
	}
}

// testFencing has a holder lose its lock: it is told at its next write, and
// nothing of it is recorded.
func testFencing(t *testing.T, far, here store.Store) {
	create(t, far, newRun("r", "p"), newRun("other", "q"))
	unlock, err := far.Lock(t.Context(), "p", axle.Holder{Run: "r", Who: "them@far", PID: 1 << 30}) // dead, as far as can be seen
	if err != nil {
		t.Fatal(err)
	}
	if err := far.Append(t.Context(), "r", []axle.Record{{Step: "a", Status: axle.Running}}); err != nil {
		t.Fatal(err)
	}
	mine, err := here.Lock(t.Context(), "p", axle.Holder{Run: "r", Who: "me@here", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error, summary string) {
		t.Helper()
		var known *store.Error
		if !errors.As(err, &known) || known.Summary != summary || known.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	const taken = `the lock of project "p" was taken over by run r of me@here while run r held it`
	refused("append", far.Append(t.Context(), "r", []axle.Record{{Step: "a", Status: axle.Failed}}), taken)
	refused("finish", far.FinishRun(t.Context(), "r", axle.RunFailed, start), taken)
	if err := here.Append(t.Context(), "r", []axle.Record{{Step: "a", Status: axle.Succeeded}}); err != nil {
		t.Error(err)
	}
	if err := mine(); err != nil {
		t.Error(err)
	}
	if err := far.Append(t.Context(), "r", []axle.Record{{Step: "a", Status: axle.Failed}}); err == nil {
		t.Error("append of who lost the lock, once nobody has it")
	}
	if err := far.Append(t.Context(), "other", []axle.Record{{Step: "a", Status: axle.Running}}); err != nil {
		t.Errorf("append to another run: %v", err)
	}
	if records, err := here.Records(t.Context(), "r"); err != nil || len(records) != 1 || records[0].Status != axle.Succeeded {
		t.Errorf("records: %v, %v", records, err)
	}
	if run, plan, err := here.Run(t.Context(), "r"); err != nil || run.Status != axle.RunInterrupted || string(plan) != "plan of r" {
		t.Errorf("run: %v, %q, %v", run, plan, err)
	}
	if err := unlock(); err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("unlock of what was lost: %v", err)
	}
}

func testDigests(t *testing.T, s store.Store) {
	if _, _, ok, err := s.Digest(t.Context(), "arn:a"); ok || err != nil {
		t.Errorf("digest of the unknown: %v, %v", ok, err)
	}
	for _, updated := range []time.Time{start, {}} {
		if err := s.Remember(t.Context(), "arn:a", "sha256:"+updated.String(), updated); err != nil {
			t.Fatal(err)
		}
		digest, got, ok, err := s.Digest(t.Context(), "arn:a")
		if err != nil || !ok || !got.Equal(updated) || digest != "sha256:"+updated.String() {
			t.Errorf("digest: %q, %v, %v, %v", digest, got, ok, err)
		}
	}
	stack := "arn:aws-cn:cloudformation:cn-north-1:222222222222:stack/a/1"
	if err := s.Remember(t.Context(), stack, "sha256:there", start); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		digest, region string
		want           bool
	}{{"sha256:there", "cn-north-1", true}, {"sha256:there", "cn-northwest-1", false}, {"sha256:other", "cn-north-1", false}, {"sha256:there", "222222222222", false}} {
		if got, err := s.Deployed(t.Context(), tt.digest, tt.region); err != nil || got != tt.want {
			t.Errorf("deployed %s in %s: %v, %v", tt.digest, tt.region, got, err)
		}
	}
}

// testTry tries several times at once: nothing of it is to be seen.
func testTry(t *testing.T, s store.Store) {
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- s.Try(t.Context()) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if runs, err := s.Runs(t.Context(), "", 0); err != nil || len(runs) != 0 {
		t.Errorf("runs: %v, %v", runs, err)
	}
	for _, project := range []string{"", "p"} {
		if _, held, err := s.Holder(t.Context(), project); err != nil || held {
			t.Errorf("project %q is locked: %v, %v", project, held, err)
		}
	}
	if _, _, found, err := s.Digest(t.Context(), ""); err != nil || found {
		t.Errorf("a digest: %v, %v", found, err)
	}
	create(t, s, newRun("r", "p"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Try(t.Context()); err == nil {
		t.Error("a closed store can be written")
	}
}

func testReopen(t *testing.T, open func() store.Store) {
	s := open()
	create(t, s, newRun("r", "p"))
	want := []axle.Record{{Step: "s", Status: axle.Running, Token: "t"}}
	if err := s.Append(t.Context(), "r", want); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), "r", want); err == nil {
		t.Error("append to a closed store succeeded")
	}
	got, err := open().Records(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "records after reopening", got, want)
}
