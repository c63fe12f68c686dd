package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"axle"
	"axle/internal/action"
	"axle/internal/cfn"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"

	"golang.org/x/sync/errgroup"
)

// commandExecute is the command of runs that execute what was prepared.
const commandExecute = "execute"

// Prepared is a preview whose change sets wait to be executed.
type Prepared struct {
	*Preview
	Run     axle.Run // without an id: there was nothing to prepare
	Expires time.Time
}

// Prepare makes the change sets of all stacks whose inputs are known, leaves
// them, and records them as a run for Execute. When it is interrupted nothing
// is left.
func (w *Work) Prepare(ctx context.Context, validFor time.Duration, watch Watch, stop <-chan struct{}) (*Prepared, error) {
	before, started := UntilStopped(ctx, stop)
	defer started()
	p, err := w.buildChecked(before, false)
	if err != nil {
		return nil, err
	}
	if len(p.Rollouts) > 0 {
		return nil, &axle.Failure{Code: "RolloutPrepared", Blocked: true, Message: fmt.Sprintf("stack %q goes wave by wave, and what is prepared is executed all at once", p.Rollouts[0].Stack),
			Hint: "axle plan --save and axle deploy FILE keep to the waves; or take rollout out of axle.yaml for this"}
	}
	db, err := openStore(ctx, w.opts)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	unlock, err := db.Lock(ctx, p.Project, holder(w.run))
	if err != nil {
		return nil, lockedFailure(err)
	}
	defer w.unlock(unlock)
	if err := w.stock(before, p, nil); err != nil { // who executes reads it then, and can't store it
		return nil, err
	}
	out := &Prepared{Expires: time.Now().UTC().Add(validFor).Truncate(time.Second)}
	templates := w.templatesOf(w.cloud, p, nil)
	templates.all, templates.later = true, true
	driver := w.driverOn(ctx, w.cloud, p, nil, templates)
	driver.Description = cfn.Prepared(w.run, out.Expires)
	actions := w.previewActions(ctx, p)
	stack := action.NewStackPrepare(driver, w.run)
	stack.Recovery, stack.Began, stack.Guard = w.recovery(), w.began, w.outputGuard(p)
	actions[plan.KindStack] = stack
	cutOff, over := w.mark(w.whole(p))
	stack.SweepAll = cutOff
	done, err := engine.Run(ctx, w.run, p.Steps, nil, engine.Options{Actions: actions, Journal: discard{}, Inputs: previewInputs(w.inputs(p)),
		Limits: w.limits(), Observer: observer(watch, w.run, p.Steps), Stop: stop})
	if done == nil {
		return nil, err
	}
	out.Preview = &Preview{ID: w.run, Plan: p, Records: done.Records}
	execution := prepared(p, done.Records, out.Expires)
	if err == nil && len(execution.Steps) > 0 {
		out.Run = axle.Run{ID: w.run, Project: p.Project, Env: p.Env, Command: commandExecute, Status: axle.RunPrepared, Started: time.Now(), Steps: len(execution.Steps)}
		err = record(ctx, db, out.Run, execution)
	}
	over(ctx, err)
	if err != nil { // nobody will know of them
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		w.drop(late, execution)
		return nil, err
	}
	return out, nil
}

func record(ctx context.Context, db store.Store, run axle.Run, p *plan.Plan) error {
	body, err := p.Encode()
	if err != nil {
		return err
	}
	if err := db.CreateRun(ctx, run, body); err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

// prepared is the plan that executes what was prepared: no inputs, no templates,
// nothing to be evaluated.
func prepared(p *plan.Plan, records []axle.Record, expires time.Time) *plan.Plan {
	out := &plan.Plan{Project: p.Project, Command: commandExecute, Env: p.Env, Hub: p.Hub, Accounts: p.Accounts, Specs: p.Specs, Expires: expires}
	byID := map[string]*axle.Record{}
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	kept := map[string]bool{}
	for _, s := range p.Steps {
		r := byID[s.ID]
		if s.Kind != plan.KindStack || r == nil || !r.Status.OK() || r.Result.Prepared == "" {
			continue
		}
		kept[s.ID] = true
		s.Input = nil
		s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), func(need string) bool { return !kept[need] })
		s.Review = &axle.Review{Known: true, Change: r.Result.Change, Changes: bare(r.Result.Changes), Prepared: r.Result.Prepared}
		out.Steps = append(out.Steps, s)
	}
	return out
}

// bare are changes without the values of properties: a journal needs none.
func bare(changes []axle.ResourceChange) []axle.ResourceChange {
	out := slices.Clone(changes)
	for i := range out {
		out[i].Details = nil
	}
	return out
}

// drop removes prepared change sets, and says what it couldn't.
func (w *Work) drop(ctx context.Context, p *plan.Plan) {
	driver := w.driver(ctx, w.cloud, p, nil)
	var mu sync.Mutex
	var left []string
	var g errgroup.Group
	g.SetLimit(w.limits().Global)
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Review == nil || s.Review.Prepared == "" {
			continue
		}
		g.Go(func() error {
			if err := action.Discard(ctx, driver, s, s.Review.Prepared); err != nil {
				mu.Lock()
				left = append(left, fmt.Sprintf("the change set of %s in %s is left behind: %v", s.Name, s.Where(), err))
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait() // errors are warnings
	slices.Sort(left)
	w.Warnings = append(w.Warnings, left...)
}

// DropExpired removes what was prepared and has expired, for the next plan.
func (w *Work) DropExpired(ctx context.Context) error {
	db, err := readStore(ctx, w.opts)
	if errors.Is(err, axle.ErrNotFound) {
		return nil
	}
	if bad, ok := errors.AsType[*store.Error](err); ok { // looking doesn't need the journal; a deploy says so
		w.warn("the journal can't be read, so nothing that has expired is removed: %s: %s", bad.Path, bad.Summary)
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	runs, err := db.Runs(ctx, w.Project(), 100)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Status != axle.RunPrepared {
			continue
		}
		_, body, err := db.Run(ctx, r.ID)
		if err != nil {
			return err
		}
		p, err := plan.Decode(body)
		if err != nil || time.Now().Before(p.Expires) {
			continue
		}
		w.drop(ctx, p)
		if err := db.FinishRun(ctx, r.ID, axle.RunCancelled, time.Now()); err != nil {
			return fmt.Errorf("record that run %s has expired: %w", r.ID, err)
		}
		w.warn("run %s, which was prepared until %s, has expired: its change sets are removed", r.ID, p.Expires.Format(time.RFC3339))
	}
	return nil
}

// Execute carries out what was prepared, by whoever may execute change sets.
// One that was interrupted or partly failed goes on.
func Execute(ctx context.Context, o Options, id string, watch Watch, stop <-chan struct{}) (*Done, *Work, error) {
	db, err := readStore(ctx, o)
	if err != nil {
		return nil, nil, noRun(err, id, false)
	}
	defer db.Close()
	run, body, err := findRun(ctx, db, id, ownProject(o), false)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.Decode(body)
	if err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", run.ID, err)
	}
	switch {
	case run.Command != commandExecute:
		return nil, nil, &axle.Failure{Code: "NotPrepared", Blocked: true, Message: fmt.Sprintf("run %s is a %s: it has prepared nothing", run.ID, run.Command), Hint: "axle plan --prepare makes one that can be executed"}
	case refuseOver(&run) != nil:
		return nil, nil, refuseOver(&run)
	case run.Status == axle.RunPrepared && time.Now().After(p.Expires):
		return nil, nil, &axle.Failure{Code: "PlanExpired", Blocked: true, Message: fmt.Sprintf("run %s was prepared until %s", run.ID, p.Expires.Format(time.RFC3339)), Hint: "axle plan --prepare prepares anew, and removes its change sets"}
	}
	before, started := UntilStopped(ctx, stop)
	defer started()
	w, err := openFor(before, o, &run)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := db.Lock(ctx, p.Project, holder(run.ID))
	if err != nil {
		return nil, w, lockedFailure(err)
	}
	defer w.unlock(unlock)
	if err := lookAgain(ctx, db, &run, false, refuseOver); err != nil {
		return nil, w, err
	}
	records, err := db.Records(ctx, run.ID)
	if err != nil {
		return nil, w, fmt.Errorf("read the records of run %s: %w", run.ID, err)
	}
	if err := db.FinishRun(ctx, run.ID, axle.RunRunning, time.Time{}); err != nil {
		return nil, w, fmt.Errorf("record that run %s goes on: %w", run.ID, err)
	}
	done, err := w.drive(ctx, db, run, p, records, watch, stop)
	return done, w, err
}

// openFor opens the project for a run whose stacks are in its record.
func openFor(ctx context.Context, o Options, run *axle.Run) (*Work, error) {
	if err := otherEnv(o, run); err != nil {
		return nil, err
	}
	o.Env, o.run = run.Env, run.ID
	w, err := load(o, false)
	if err != nil {
		return nil, err
	}
	if w.Project() != run.Project {
		return nil, &axle.Failure{Code: "OtherProject", Blocked: true, Message: fmt.Sprintf("run %s is of project %q, and %s is of %q", run.ID, run.Project, o.File, w.Project())}
	}
	return w, w.connect(ctx, w.needsTags(), true)
}

// cancelPrepared removes the change sets of a run that nobody shall execute.
func cancelPrepared(ctx context.Context, o Options, run *axle.Run, body []byte) (*Work, error) {
	p, err := plan.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run.ID, err)
	}
	w, err := openFor(ctx, o, run)
	if err != nil {
		return nil, err
	}
	w.drop(ctx, p)
	return w, nil
}
