package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"axle"
	"axle/internal/diag"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"
)

// Done is a run with its plan and records.
type Done struct {
	Run     axle.Run
	Plan    *plan.Plan
	Records []axle.Record
	// Stale are stacks outside of the run with values that it has changed.
	Stale []Stale
	// Warnings are what the user should be told of a run that is cancelled.
	Warnings []string
}

// Deploy runs a plan: a reviewed one, or nil for one made now and reviewed by
// nobody. The error says why there is no run at all, or ErrInterrupted.
func (w *Work) Deploy(ctx context.Context, reviewed *Preview, watch Watch, stop <-chan struct{}) (*Done, error) {
	return w.start(ctx, reviewed, false, watch, stop)
}

// Destroy removes what the project has deployed, in reverse order.
func (w *Work) Destroy(ctx context.Context, reviewed *Preview, watch Watch, stop <-chan struct{}) (*Done, error) {
	return w.start(ctx, reviewed, true, watch, stop)
}

func (w *Work) start(ctx context.Context, reviewed *Preview, destroy bool, watch Watch, stop <-chan struct{}) (*Done, error) {
	before, started := UntilStopped(ctx, stop)
	defer started()
	var p *plan.Plan
	if reviewed != nil {
		p = reviewed.Plan
		review(p, reviewed.Records, reviewed.States)
	} else {
		var err error
		if p, err = w.buildChecked(before, destroy); err != nil {
			return nil, err
		}
		defer w.cloud.EnterAhead(ctx, firstAccounts(p), w.limits().Global)()
	}
	db, err := openStore(ctx, w.opts)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	run := axle.Run{ID: w.run, Project: p.Project, Env: p.Env, Command: p.Command, Status: axle.RunRunning, Started: time.Now(), Steps: len(p.Steps)}
	unlock, err := db.Lock(ctx, p.Project, holder(run.ID))
	if err != nil {
		return nil, lockedFailure(err)
	}
	defer w.unlock(unlock)
	if reviewed != nil && reviewed.States != nil {
		if err := w.unmoved(before, reviewed); err != nil {
			return nil, err
		}
	}
	if err := w.brake(before, db, p); err != nil {
		return nil, err
	}
	if err := w.refuseRead(before, p); err != nil {
		return nil, err
	}
	if !destroy {
		if err := w.validate(before, p, db); err != nil {
			return nil, err
		}
		if err := w.stock(before, p, db); err != nil {
			return nil, err
		}
	}
	if err := w.cloud.Certain(before); err != nil {
		return nil, err
	}
	body, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if err := before.Err(); err != nil { // looking at templates gives way to it without a word
		return nil, err
	}
	if err := db.CreateRun(ctx, run, body); err != nil {
		return nil, fmt.Errorf("record the run: %w", err)
	}
	return w.drive(ctx, db, run, p, nil, watch, stop)
}

// firstAccounts are those that a run of the plan enters first, a few hundred at
// most: none for a step that waits for another, or for an earlier wave.
func firstAccounts(p *plan.Plan) []string {
	const most = 256
	var out []string
	seen := map[string]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if len(out) == most {
			break
		}
		if len(s.Needs) == 0 && s.Wave <= 1 && !seen[s.Account] {
			seen[s.Account] = true
			out = append(out, s.Account)
		}
	}
	return out
}

// drive runs a plan to its end, or to where it is stopped, and records it.
func (w *Work) drive(ctx context.Context, db store.Store, run axle.Run, p *plan.Plan, earlier []axle.Record, watch Watch, stop <-chan struct{}) (*Done, error) {
	rolling, err := newRollouts(run.ID, db, earlier)
	if err != nil {
		return nil, err
	}
	table := w.runActions(ctx, p, run.ID, db)
	rolling.actions(ctx, w, p, table)
	limits := w.limits()
	limits.Rollouts = p.Rollouts
	out, err := engine.Run(ctx, run.ID, p.RunSteps(), earlier, engine.Options{
		Actions: table, Journal: db, Inputs: runInputs(p, w.inputs(p)), Limits: limits,
		Observer: observer(watch, run.ID, p.Steps), Stop: stop})
	if out == nil {
		return nil, err
	}
	w.noteRun()
	run.Status = out.Status
	var lost *engine.JournalError
	if errors.Is(err, engine.ErrInterrupted) || errors.As(err, &lost) {
		run.Status = axle.RunInterrupted
	} else {
		run.Finished = time.Now()
	}
	// The record of how it ended is written even when the run was cancelled.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if ferr := db.FinishRun(late, run.ID, run.Status, run.Finished); ferr != nil && err == nil {
		err = fmt.Errorf("record the end of run %s: %w", run.ID, ferr)
	}
	done := &Done{Run: run, Plan: p, Records: out.Records}
	if err == nil {
		var unseen error
		if done.Stale, unseen = w.leftStale(ctx, p, out.Records); unseen != nil {
			w.warn("what reads what was changed isn't known: %v", unseen)
		}
	}
	return done, err
}

func (w *Work) unlock(unlock func() error) {
	if err := unlock(); err != nil {
		w.warn("the project's lock wasn't given back: %v", err)
	}
}

// holder is who we are, for those that find the project locked.
func holder(run string) axle.Holder {
	host, _ := os.Hostname()
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return axle.Holder{Run: run, Who: who + "@" + host, Host: host, PID: os.Getpid(), Since: time.Now()}
}

func lockedFailure(err error) error {
	var locked *axle.LockedError
	if !errors.As(err, &locked) {
		return fmt.Errorf("lock the project: %w", err)
	}
	f := &axle.Failure{Code: "Locked", Message: locked.Error(), Blocked: true, Err: err,
		Hint: "wait for it to end; axle show " + locked.Holder.Run + " tells how far it is"}
	if locked.Silent > locked.Free/4 {
		f.Hint = fmt.Sprintf("it hasn't been heard of for %s; if it was killed, the lock is free in %s: try again then",
			locked.Silent.Round(time.Second), (locked.Free-locked.Silent).Round(time.Second)+time.Second)
	}
	return f
}

// Resume goes on with a run: what ended well is kept, the rest is done.
// The id may be a unique prefix, or empty for the project's latest run: what
// came before it may have been overtaken by it, and must be named.
func Resume(ctx context.Context, o Options, id string, watch Watch, stop <-chan struct{}) (*Done, *Work, error) {
	db, err := readStore(ctx, o)
	if err != nil {
		return nil, nil, noRun(err, id, true)
	}
	defer db.Close()
	run, body, err := findRun(ctx, db, id, ownProject(o), true)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(refuseResume(&run), otherEnv(o, &run)); err != nil {
		return nil, nil, err
	}
	o.Env, o.run = run.Env, run.ID
	before, started := UntilStopped(ctx, stop)
	defer started()
	w, surplus, err := openAgain(before, o, run.Command)
	if err != nil {
		return nil, w, err
	}
	p, err := plan.Decode(body)
	if err != nil {
		return nil, w, fmt.Errorf("run %s: %w", run.ID, err)
	}
	if p.Project != w.Project() {
		return nil, w, &axle.Failure{Code: "OtherProject", Blocked: true, Message: fmt.Sprintf("run %s is of project %q, and %s is of %q", run.ID, p.Project, o.File, w.Project())}
	}
	if surplus != nil {
		holdAgain(p, surplus)
	}
	w.warnChanged(before, p)
	if p.MissingSecrets() {
		fresh, err := w.build(before, p.Command == "destroy")
		if err != nil {
			return nil, w, err
		}
		p.FillSecrets(fresh)
	}
	unlock, err := db.Lock(ctx, p.Project, holder(run.ID))
	if err != nil {
		return nil, w, lockedFailure(err)
	}
	defer w.unlock(unlock)
	if err := lookAgain(ctx, db, &run, id == "" || id == "latest", refuseResume); err != nil {
		return nil, w, err
	}
	records, err := db.Records(ctx, run.ID)
	if err != nil {
		return nil, w, fmt.Errorf("read the records of run %s: %w", run.ID, err)
	}
	letGo(p, records)
	if err := db.FinishRun(ctx, run.ID, axle.RunRunning, time.Time{}); err != nil {
		return nil, w, fmt.Errorf("record that run %s goes on: %w", run.ID, err)
	}
	done, err := w.drive(ctx, db, run, p, records, watch, stop)
	return done, w, err
}

// openAgain opens the project for a run that goes on. For a prune it looks anew what
// is too many.
func openAgain(ctx context.Context, o Options, command string) (w *Work, surplus *plan.Plan, err error) {
	if command == "prune" {
		return PlanPrune(ctx, o)
	}
	w, err = Open(ctx, o)
	return w, nil, err
}

func refuseResume(run *axle.Run) error {
	switch run.Status {
	case axle.RunPrepared:
		return &axle.Failure{Code: "Prepared", Message: fmt.Sprintf("run %s is prepared, and hasn't begun", run.ID), Hint: "axle execute " + run.ID + " carries it out", Blocked: true}
	case axle.RunCancelled:
		return &axle.Failure{Code: "RunOver", Message: fmt.Sprintf("run %s was cancelled: it isn't resumed", run.ID), Hint: "axle deploy plans anew", Blocked: true}
	}
	return nil
}

func refuseOver(run *axle.Run) error {
	if run.Status != axle.RunSucceeded && run.Status != axle.RunCancelled {
		return nil
	}
	return &axle.Failure{Code: "RunOver", Message: fmt.Sprintf("run %s is over: %s", run.ID, run.Status), Hint: "axle plan shows what there is to do now", Blocked: true}
}

// lookAgain looks at a run once more, now that its project is locked: since it was
// found it may have been carried out or given up elsewhere. One that was found as
// the latest must still be that.
func lookAgain(ctx context.Context, db store.Store, run *axle.Run, latest bool, refuse func(*axle.Run) error) error {
	now, _, err := db.Run(ctx, run.ID)
	if err != nil {
		return fmt.Errorf("read run %s: %w", run.ID, err)
	}
	if err := refuse(&now); err != nil || !latest {
		return err
	}
	runs, err := db.Runs(ctx, run.Project, 1)
	if err != nil {
		return fmt.Errorf("look for the latest run: %w", err)
	}
	if runs[0].ID == run.ID {
		return nil
	}
	return &axle.Failure{Code: "RunOvertaken", Blocked: true, Message: fmt.Sprintf("run %s isn't the latest any more: %s %s has come meanwhile", run.ID, runs[0].Command, runs[0].ID),
		Hint: "axle show " + runs[0].ID + " tells what it did; run " + run.ID + " goes on only by its name, with what was planned then"}
}

// otherEnv refuses an environment that isn't the run's: a run goes on in its own.
func otherEnv(o Options, run *axle.Run) error {
	if o.Env == "" || o.Env == run.Env {
		return nil
	}
	return &axle.Failure{Code: "OtherEnvironment", Blocked: true, Message: fmt.Sprintf("run %s is of environment %q, not %q", run.ID, run.Env, o.Env),
		Hint: "leave --env out, or name a run of that environment: axle runs lists them"}
}

// warnChanged tells of stacks that axle.yaml or their templates say something
// else of now: a run goes on as it was planned.
func (w *Work) warnChanged(ctx context.Context, p *plan.Plan) {
	templates, err := w.pack(ctx)
	if err != nil { // what the run needs was stored when it began
		w.warn("what the templates refer to can't be packaged now: %v", err)
		templates = nil
	}
	var changed []string
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		spec, t := p.Specs["stack/"+s.Name], templates[s.Name]
		if spec == nil || spec.Stack == nil || p.Command == "destroy" || p.Command == "prune" {
			continue
		}
		same := len(s.Capabilities) == len(spec.Stack.Capabilities) && s.ExecutionRole.Value == spec.Stack.ExecutionRole
		for j := range s.Capabilities {
			same = same && s.Capabilities[j].Value == spec.Stack.Capabilities[j]
		}
		if !same || t != nil && t.Digest != spec.Stack.Template {
			changed = append(changed, s.Name)
		}
	}
	if len(changed) > 0 {
		w.warn("changed since the run was planned: %s; resume goes on with what was planned, axle deploy plans anew", strings.Join(changed, ", "))
	}
}

// findRun finds a run by id or prefix. Without an id it is the latest of the
// project, or of all when project is empty; one that is to be resumed must not
// be over.
func findRun(ctx context.Context, db store.Store, id, project string, resumable bool) (axle.Run, []byte, error) {
	if id == "" || id == "latest" {
		runs, err := db.Runs(ctx, project, 1)
		if err != nil {
			return axle.Run{}, nil, err
		}
		if len(runs) == 0 {
			return axle.Run{}, nil, noRun(axle.ErrNotFound, "", resumable)
		}
		if resumable && (runs[0].Status == axle.RunSucceeded || runs[0].Status == axle.RunCancelled) {
			return axle.Run{}, nil, &axle.Failure{Code: "NothingToResume", Message: "the latest run has nothing left to do", Hint: "an older one goes on only by its name, with what was planned then: axle runs lists them", Blocked: true, Err: axle.ErrNotFound}
		}
		id = runs[0].ID
	}
	run, body, err := db.Run(ctx, id)
	return run, body, noRun(err, id, false)
}

// noRun explains that a run isn't there; other errors stay what they are.
func noRun(err error, id string, resumable bool) error {
	switch {
	case !errors.Is(err, axle.ErrNotFound):
		return err
	case id == "" || id == "latest":
		code := "UnknownRun"
		if resumable {
			code = "NothingToResume"
		}
		return &axle.Failure{Code: code, Message: "no run is recorded here yet", Hint: "axle deploy makes the first; they are kept in .axle beside axle.yaml, or in the store that it names", Blocked: true, Err: err}
	}
	return &axle.Failure{Code: "UnknownRun", Message: fmt.Sprintf("no run %q is recorded here", id), Hint: "axle runs lists those that there are", Blocked: true, Err: err}
}

// Runs lists the recorded runs, the newest first.
func Runs(ctx context.Context, o Options, limit int) ([]axle.Run, error) {
	db, err := readStore(ctx, o)
	if errors.Is(err, axle.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	runs, err := db.Runs(ctx, scope(o), limit)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if err := standing(ctx, db, &runs[i]); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// standing corrects the status of a run that is recorded as running, and whose
// process is gone.
func standing(ctx context.Context, db store.Store, run *axle.Run) error {
	if run.Status != axle.RunRunning {
		return nil
	}
	holder, alive, err := db.Holder(ctx, run.Project)
	if err != nil {
		return fmt.Errorf("look who works on project %q: %w", run.Project, err)
	}
	if !alive || holder.Run != run.ID {
		run.Status = axle.RunInterrupted
	}
	return nil
}

// Show reads a run with its plan and records; the latest when id is empty.
func Show(ctx context.Context, o Options, id string) (*Done, error) {
	db, err := readStore(ctx, o)
	if err != nil {
		return nil, noRun(err, id, false)
	}
	defer db.Close()
	run, body, err := findRun(ctx, db, id, scope(o), false)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run.ID, err)
	}
	if err := standing(ctx, db, &run); err != nil {
		return nil, err
	}
	records, err := db.Records(ctx, run.ID)
	if err != nil {
		return nil, fmt.Errorf("read the records of run %s: %w", run.ID, err)
	}
	return &Done{Run: run, Plan: p, Records: records}, nil
}

// Cancel gives up a run that was interrupted or failed: it can't be resumed.
func Cancel(ctx context.Context, o Options, id string) (*Done, error) {
	db, err := readStore(ctx, o)
	if err != nil {
		return nil, noRun(err, id, true)
	}
	defer db.Close()
	run, body, err := findRun(ctx, db, id, ownProject(o), true)
	if err != nil {
		return nil, err
	}
	if err := refuseOver(&run); err != nil {
		return nil, err
	}
	unlock, err := db.Lock(ctx, run.Project, holder(run.ID))
	if err != nil {
		return nil, lockedFailure(err)
	}
	if err := lookAgain(ctx, db, &run, id == "latest", refuseOver); err != nil {
		return nil, errors.Join(err, unlock())
	}
	var left []string
	if run.Command == commandExecute {
		w, err := cancelPrepared(ctx, o, &run, body)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		left = w.Warnings
	}
	if err := errors.Join(db.FinishRun(ctx, run.ID, axle.RunCancelled, time.Now()), unlock()); err != nil {
		return nil, fmt.Errorf("cancel run %s: %w", run.ID, err)
	}
	done, err := Show(ctx, o, run.ID)
	if err == nil {
		done.Warnings = left
	}
	return done, err
}

// configError is a problem of one place in the configuration.
func configError(pos diag.Pos, hint, format string, args ...any) error {
	var problems diag.List
	problems.Add(pos, hint, format, args...)
	return problems.Err()
}
