// Package enginetest is what every engine must do, as a test. Engines differ in
// where they run; what a run does to the world and to the journal is the same.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
)

// Driver is an engine under test.
type Driver struct {
	Run func(ctx context.Context, run string, steps []axle.Step, earlier []axle.Record, o engine.Options) (*engine.Outcome, error)
	// Within runs a test. An engine on this machine's clock runs it in a
	// synctest bubble, where the hours of a test pass at once.
	Within func(t *testing.T, test func(t *testing.T))
}

// Conformance tests an engine.
func Conformance(t *testing.T, d Driver) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, d Driver)
	}{
		{"OutputsFlow", testOutputsFlow},
		{"FailureSkipsDescendants", testFailureSkipsDescendants},
		{"Panic", testPanic},
		{"RetriesWhatPasses", testRetriesWhatPasses},
		{"ThrottledCheckIsNoFailure", testThrottledCheckIsNoFailure},
		{"GivesUp", testGivesUp},
		{"Limits", testLimits},
		{"Resume", testResume},
		{"ForgottenToken", testForgottenToken},
		{"SoftStop", testSoftStop},
		{"StopBeforeTheStart", testStopBeforeTheStart},
		{"StopAfterTheEnd", testStopAfterTheEnd},
		{"HardStop", testHardStop},
		{"BrokenJournal", testBrokenJournal},
		{"CrashAnywhere", testCrashAnywhere},
		{"SecretsStayInside", testSecretsStayInside},
		{"Refuses", testRefuses},
		{"RolloutPauses", testRolloutPauses},
		{"RolloutWaits", testRolloutWaits},
		{"RolloutHalts", testRolloutHalts},
		{"RolloutRollsBack", testRolloutRollsBack},
		{"RolloutKeepsUnchanged", testRolloutKeepsUnchanged},
		{"RolloutCrash", testRolloutCrash},
		{"RolloutCrashMended", testRolloutCrashMended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.Within(t, func(t *testing.T) { tt.test(t, d) })
		})
	}
	t.Run("RandomRuns", func(t *testing.T) { testRandomRuns(t, d) })
}

func thing(id string, needs ...string) axle.Step {
	return axle.Step{ID: id, Kind: "thing", Account: "111111111111", Region: "eu-west-1", Needs: needs}
}

// run runs the steps in w and checks what holds for every run.
func run(t *testing.T, d Driver, w *World, steps []axle.Step, earlier []axle.Record, o engine.Options) (*engine.Outcome, error) {
	t.Helper()
	out, err := d.Run(t.Context(), "r", steps, earlier, o)
	for _, p := range w.problems(steps, out, err) {
		t.Error(p)
	}
	return out, err
}

// problems are what an engine must not have done, whatever the run.
func (w *World) problems(steps []axle.Step, out *engine.Outcome, err error) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.faults)
	for id, n := range w.made {
		if n != 1 {
			all = append(all, fmt.Sprintf("%s was made %d times", id, n))
		}
	}
	if out == nil {
		return all
	}
	if len(out.Records) != len(steps) {
		return append(all, fmt.Sprintf("%d records of %d steps", len(out.Records), len(steps)))
	}
	for i, r := range out.Records {
		if r.Step != steps[i].ID {
			all = append(all, fmt.Sprintf("record %d is of %s, not %s", i, r.Step, steps[i].ID))
		}
		written := w.journal[r.Step].Status
		if r.Status == "" {
			continue // a rollback that wasn't called for
		}
		if written == "" {
			written = axle.Pending
		}
		if written != r.Status && (err == nil || errors.Is(err, engine.ErrInterrupted)) {
			all = append(all, fmt.Sprintf("%s is %s, but the journal says %s", r.Step, r.Status, written))
		}
	}
	return all
}

// want compares how steps ended, written as "id status, id status".
func want(t *testing.T, out *engine.Outcome, status axle.RunStatus, steps string) {
	t.Helper()
	if out == nil {
		t.Fatal("no outcome")
	}
	var got []string
	for _, r := range out.Records {
		got = append(got, r.Step+" "+string(r.Status))
	}
	if text := strings.Join(got, ", "); text != steps || out.Status != status {
		t.Errorf("the run is %s with\n  %s\nwant %s with\n  %s", out.Status, text, status, steps)
	}
}

func testOutputsFlow(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["hub"] = Plan{Checks: 2, Again: time.Second}
	w.Plans["same"] = Plan{Change: axle.None}
	spoke := thing("spoke", "hub")
	spoke.Input = map[string]axle.Value{"VpcId": {Refs: []axle.Ref{{Steps: []string{"hub"}, Key: "Id"}}}, "Name": {Literal: "n"}}
	steps := []axle.Step{spoke, thing("hub"), thing("same", "spoke")}
	out, err := run(t, d, w, steps, nil, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "spoke succeeded, hub succeeded, same unchanged")
	if got := w.values["spoke"]; got["VpcId"] != "id of hub" || got["Name"] != "n" {
		t.Errorf("inputs of spoke: %v", got)
	}
	for _, r := range w.Journal() {
		if !r.Status.OK() || r.Attempts != 1 || r.Started.IsZero() || r.Finished.Before(r.Started) || r.Result.Outputs["Id"] != "id of "+r.Step {
			t.Errorf("journal: %+v", r)
		}
	}
}

func testFailureSkipsDescendants(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["bad"] = Plan{Checks: 1, Fail: fmt.Errorf("deploy: %w", &axle.Failure{Code: "ResourceFailed", Message: "Vpc: no more", Resource: "Vpc", Hint: "ask"})}
	w.Plans["odd"] = Plan{Fail: errors.New("odd")}
	steps := []axle.Step{thing("bad"), thing("child", "bad"), thing("grandchild", "child", "good"), thing("good"), thing("other", "good"), thing("odd")}
	out, err := run(t, d, w, steps, nil, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunPartial, "bad failed, child skipped, grandchild skipped, good succeeded, other succeeded, odd failed")
	bad, odd := out.Records[0], out.Records[5]
	if f := bad.Failure; f == nil || f.Code != "ResourceFailed" || f.Message != "Vpc: no more" || f.Hint != "ask" || bad.Attempts != 1 {
		t.Errorf("bad: %+v of %+v", f, bad)
	}
	if f := odd.Failure; f == nil || f.Code != "Error" || f.Message != "odd" {
		t.Errorf("odd: %+v", f)
	}
	if r := out.Records[2]; r.SkippedFor != "bad" || w.starts["grandchild"] != 0 {
		t.Errorf("grandchild: %+v", r)
	}
}

func testPanic(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["bad"] = Plan{Panic: "index out of range"}
	out, err := run(t, d, w, []axle.Step{thing("bad"), thing("good")}, nil, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunPartial, "bad failed, good succeeded")
	if f := out.Records[0].Failure; f.Code != "Panic" || !strings.Contains(f.Message, "index out of range") || f.Hint == "" {
		t.Errorf("failure: %+v", f)
	}
}

func testRetriesWhatPasses(t *testing.T, d Driver) {
	w := NewWorld()
	throttled := fmt.Errorf("create: %w", Throttled{})
	w.Plans["a"] = Plan{Checks: 1, StartErrors: []error{throttled, throttled}}
	w.Plans["b"] = Plan{StartErrors: []error{throttled, errors.New("no")}}
	out, err := run(t, d, w, []axle.Step{thing("a"), thing("b")}, nil, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunPartial, "a succeeded, b failed")
	if a, b := out.Records[0], out.Records[1]; a.Attempts != 3 || b.Attempts != 2 || b.Failure.Message != "no" {
		t.Errorf("attempts: %d, %d; failure %+v", a.Attempts, b.Attempts, b.Failure)
	}
}

func testThrottledCheckIsNoFailure(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["a"] = Plan{Checks: 2, CheckErrors: slices.Repeat([]error{Throttled{}}, 25)}
	// The starts that a step has used up don't count against its checks.
	w.Plans["b"] = Plan{StartErrors: slices.Repeat([]error{Throttled{}}, 3), Checks: 2, CheckErrors: []error{Throttled{}}}
	o := w.Options()
	o.Retry = engine.Retry{Starts: 4}
	out, err := run(t, d, w, []axle.Step{thing("a"), thing("b")}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "a succeeded, b succeeded")
	if w.starts["a"] != 1 || w.starts["b"] != 4 {
		t.Errorf("starts: %v", w.starts)
	}
}

func testGivesUp(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["start"] = Plan{StartErrors: slices.Repeat([]error{Throttled{}}, 1000)}
	w.Plans["check"] = Plan{Checks: 1, CheckErrors: slices.Repeat([]error{Throttled{}}, 1000)}
	o := w.Options()
	o.Retry = engine.Retry{Starts: 4, Window: 10 * time.Minute}
	begin := time.Now()
	out, err := run(t, d, w, []axle.Step{thing("start"), thing("check")}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunFailed, "start failed, check failed")
	if took := time.Since(begin); took < 10*time.Minute || took > 11*time.Minute {
		t.Errorf("took %s", took)
	}
	if w.starts["start"] != 4 || w.starts["check"] != 1 || out.Records[0].Failure.Message != "Rate exceeded" {
		t.Errorf("starts %d and %d, %+v", w.starts["start"], w.starts["check"], out.Records[0].Failure)
	}
}

func testLimits(t *testing.T, d Driver) {
	w := NewWorld()
	var steps []axle.Step
	for i := range 20 {
		s := thing(fmt.Sprintf("s%02d", i))
		w.Plans[s.ID] = Plan{Takes: time.Second}
		steps = append(steps, s)
	}
	o := w.Options()
	o.Limits = plan.Limits{PerAccount: 3}
	if _, err := run(t, d, w, steps, nil, o); err != nil {
		t.Fatal(err)
	}
	if w.most != 3 {
		t.Errorf("%d at once", w.most)
	}
}

func testResume(t *testing.T, d Driver) {
	w := NewWorld()
	steps := []axle.Step{thing("done"), thing("same"), thing("checked", "done"), thing("started", "done"), thing("failed"), thing("skipped", "failed"), thing("new")}
	w.Plans["checked"] = Plan{Checks: 3}
	done := axle.Record{Step: "done", Status: axle.Succeeded, Attempts: 1, Result: axle.Result{Change: axle.Create, Outputs: map[string]string{"Id": "kept"}}}
	earlier := []axle.Record{
		{Step: "gone", Status: axle.Succeeded}, done, {Step: "same", Status: axle.Unchanged},
		{Step: "checked", Status: axle.Running, Token: "token of checked", Attempts: 1},
		{Step: "started", Status: axle.Running, Attempts: 1},
		{Step: "failed", Status: axle.Failed, Attempts: 1, Failure: &axle.Failure{Code: "X"}},
		{Step: "skipped", Status: axle.Skipped, SkippedFor: "failed"},
	}
	for _, s := range []string{"done", "same", "checked", "started"} {
		w.made[s] = 1
	}
	for _, r := range earlier {
		w.journal[r.Step] = r
	}
	steps[3].Input = map[string]axle.Value{"V": {Refs: []axle.Ref{{Steps: []string{"done"}, Key: "Id"}}}}
	out, err := run(t, d, w, steps, earlier, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "done succeeded, same unchanged, checked succeeded, started succeeded, failed succeeded, skipped succeeded, new succeeded")
	for id, n := range map[string]int{"done": 0, "same": 0, "checked": 0, "started": 1, "failed": 1, "skipped": 1, "new": 1} {
		if w.starts[id] != n {
			t.Errorf("%s was started %d times, want %d", id, w.starts[id], n)
		}
	}
	if r := out.Records[4]; r.Attempts != 2 || r.Failure != nil {
		t.Errorf("failed: %+v", r)
	}
	if v := w.values["started"]["V"]; v != "kept" || out.Records[0].Result.Outputs["Id"] != "kept" {
		t.Errorf("output of a kept step: %q", v)
	}
}

func testForgottenToken(t *testing.T, d Driver) {
	w := NewWorld()
	w.Plans["a"] = Plan{Checks: 1, Forget: true}
	w.Plans["b"] = Plan{Checks: 1, Forget: true}
	w.made["b"], w.starts["b"] = 1, 0
	earlier := []axle.Record{{Step: "b", Status: axle.Running, Token: "token of b", Attempts: 1}}
	out, err := run(t, d, w, []axle.Step{thing("a"), thing("b")}, earlier, w.Options())
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, axle.RunSucceeded, "a succeeded, b succeeded")
}
