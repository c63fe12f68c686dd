package control

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"axle"
	"axle/internal/plan"
	"axle/internal/store"
)

// titled is a project with a topic in two accounts.
func titled(name string) string {
	return "name: " + name + `
access: {role: OrganizationAccountAccessRole}
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
environments: {prod: {}}
stacks:
  topic: {template: topic.yaml, targets: account.ou == "/Workloads", parameters: {Title: one}}
`
}

// full is a journal that takes no new run.
type full struct{ store.Store }

var errFull = errors.New("the disk is full")

func (full) CreateRun(context.Context, axle.Run, []byte) error { return errFull }

// preparation prepares a project, opened for it.
func preparation(t *testing.T, o Options) (*Work, *Prepared, error) {
	t.Helper()
	w, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	left, err := w.Prepare(t.Context(), time.Hour, nil, nil)
	return w, left, err
}

// topicProject are the files of titled, and of another project beside it.
func topicProject(t *testing.T) Options {
	t.Helper()
	return Options{Version: "test", File: project(t, map[string]string{
		"axle.yaml":  titled("mine"),
		"other.yaml": titled("other"),
		"topic.yaml": "Parameters:\n  Title: {Type: String}\nResources:\n  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Title}}\n",
	})}
}

// A preparation that can't be recorded leaves nothing.
func TestPrepareLeavesNothingUnrecorded(t *testing.T) {
	serve(t, twoAccounts)
	ctx, o := t.Context(), topicProject(t)
	o.wrap = func(s store.Store) store.Store { return full{s} }
	w, _, err := preparation(t, o)
	if !errors.Is(err, errFull) {
		t.Fatalf("prepare: %v", err)
	}
	driver := w.driver(ctx, w.cloud, &plan.Plan{}, nil)
	for _, account := range []string{"222222222222", "333333333333"} {
		at := axle.Target{Account: account, Region: "eu-west-1"}
		if st, err := driver.Describe(ctx, at, "mine-topic"); !errors.Is(err, axle.ErrNotFound) {
			t.Errorf("left in %s: %+v, %v", account, st, err)
		}
	}
}

// What is recorded of a preparation are neither inputs nor values. It is executed
// under the project's lock, which is given back, as of no other project or
// environment, and once.
func TestExecute(t *testing.T) {
	serve(t, twoAccounts)
	ctx, o := t.Context(), topicProject(t)
	w, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := w.Deploy(ctx, nil, nil, nil); err != nil || done.Run.Status != axle.RunSucceeded {
		t.Fatalf("deploy: %v", err)
	}
	file := o.File
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte("Title: one"), []byte("Title: two"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, made, err := preparation(t, o)
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := read(t, o).Run(ctx, made.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := plan.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "steps", len(kept.Steps), 2)
	for _, s := range kept.Steps {
		if s.Input != nil || s.Review == nil || !s.Review.Known || len(s.Review.Changes) != 1 || s.Review.Changes[0].Details != nil {
			t.Errorf("recorded of %s: input %v, review %+v", s.ID, s.Input, s.Review)
		}
	}

	execute := func(o Options) error {
		_, _, err := Execute(ctx, o, made.Run.ID, nil, nil)
		return err
	}
	elsewhere, prod := o, o
	elsewhere.File, prod.Env = filepath.Join(filepath.Dir(file), "other.yaml"), "prod"
	failsAs(t, "another project", execute(elsewhere), "OtherProject")
	failsAs(t, "another environment", execute(prod), "OtherEnvironment")
	unlock, err := read(t, o).Lock(ctx, "mine", axle.Holder{Run: "r-theirs", Who: "ann@laptop", Host: "laptop", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	failsAs(t, "locked", execute(o), "Locked")
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := execute(o); err != nil {
		t.Errorf("execute: %v", err)
	}
	failsAs(t, "again", execute(o), "RunOver")
	if w, err = Open(ctx, o); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Deploy(ctx, nil, nil, nil); err != nil || done.Run.Status != axle.RunSucceeded {
		t.Errorf("deploy after it: %v", err)
	}
}

// read opens the journal of a project.
func read(t *testing.T, o Options) store.Store {
	t.Helper()
	db, err := openStore(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // the test is over
	return db
}

// failsAs wants a blocked failure.
func failsAs(t *testing.T, what string, err error, code string) {
	t.Helper()
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != code || !f.Blocked {
		t.Errorf("%s: %v, want a blocked %s", what, err, code)
	}
}
