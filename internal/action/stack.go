// Package action is what steps do, one file a kind of step: stacks, outputs of
// live stacks, the parts of peerings, the gates after waves, and putting back
// what a wave did. An action is started and checked, and finds what an earlier
// start of the same step left behind. It knows nothing of order, retries or
// other steps.
package action

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
)

const (
	// checkTime is how long a check waits inside.
	checkTime = 20 * time.Second
	// OtherTime is how long somebody else's operation on a stack is waited for,
	// unless told otherwise.
	OtherTime = 15 * time.Minute
)

// Stack makes, updates and deletes stacks.
type Stack struct {
	driver *cfn.Driver
	run    string
	Recovery
	Guard Guard // may be nil
	// exact: what ended without our change set having been executed isn't a success.
	exact bool
	// changes keeps, by step, what was reviewed until it is executed: part of
	// the record of a step, not of its state.
	changes sync.Map
	// touched are the steps whose stacks this process has deleted or rolled back to
	// begin anew: that they aren't what was reviewed is its own doing.
	touched sync.Map
}

// Guard is asked before an update takes outputs away; nil: everything goes.
type Guard = func(ctx context.Context, step *axle.Step, st *cfn.Stack, gone []string) error

// Recovery is what the user allows to be done with stacks that can't go on by
// themselves.
type Recovery struct {
	// OtherTime is how long somebody else's operation on a stack is waited for.
	OtherTime time.Duration
	// Continue continues rollbacks that failed, without the resources of Skip.
	Continue bool
	Skip     []string
	// Retain names resources that couldn't be deleted, to be left alone; with
	// RetainFailed all of those are.
	Retain       []string
	RetainFailed bool
}

// NewStack returns the action on stacks for a run, whose id makes change sets
// findable after a crash.
func NewStack(driver *cfn.Driver, run string) *Stack {
	return &Stack{driver: driver, run: run, Recovery: Recovery{OtherTime: OtherTime}}
}

// staleError is a start that was overtaken: the next one sees what happens to
// the stack, and waits for it.
type staleError struct{ error }

// Transient makes the engine start the step again.
func (staleError) Transient() bool { return true }

func (e staleError) Unwrap() error { return e.error }

// Start compares the stack with what it shall be, and asks for a change set
// where they differ. Nothing is executed before the change set is journaled.
func (a *Stack) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	p, err := a.start(ctx, step, in)
	if errors.Is(err, cfn.ErrBusy) {
		return axle.Progress{}, staleError{err}
	}
	return p, explain(step, err)
}

func (a *Stack) start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	st, err := find(ctx, a.driver, step)
	switch {
	case err != nil:
		return axle.Progress{}, err
	case a.moved(step, st) != nil:
		return axle.Progress{}, a.moved(step, st)
	case st != nil && st.State() == cfn.Busy:
		return waitFor(st), nil
	case step.Delete:
		return a.startDelete(ctx, step, in, st)
	}
	t, w := step.Target(), want(step.Spec.Stack, in)
	if res, nothing := a.notAdopted(w, st); nothing {
		return axle.Progress{Done: true, Result: res}, nil
	}
	if err := a.guard(ctx, step, st); err != nil {
		return axle.Progress{}, err
	}
	if w.Imports, err = a.driver.ToImport(ctx, t, w, st); err != nil {
		return axle.Progress{}, err
	}
	ph := phase{name: phaseChangeSet, note: w.Adoption(st)}
	if st != nil {
		switch st.State() {
		case cfn.Halted:
			return a.startContinue(ctx, step, st)
		case cfn.Stuck, cfn.Undeleted:
			return axle.Progress{}, cfn.StuckFailure(st)
		case cfn.Dead:
			if err := a.clear(ctx, step, st); err != nil {
				return axle.Progress{}, err
			}
			ph.note, st = noteDead, nil
		case cfn.Settled:
			same, err := a.driver.Unchanged(ctx, t, w, st)
			if err != nil {
				return axle.Progress{}, err
			}
			if same && len(w.Imports) == 0 {
				return a.unchanged(ctx, step, st)
			}
		}
	}
	name := cfn.ChangeSetName(a.run, step.ID, w, in.Secret)
	if ph.name, err = a.lookInto(ctx, step, w, st, name); err != nil {
		return axle.Progress{}, err
	}
	if ph.name == "" {
		return a.unchanged(ctx, step, st)
	}
	ph.op, err = a.driver.CreateChangeSet(ctx, t, w, st, name)
	return axle.Progress{Token: ph.String()}, err
}

// lookInto compares what would happen in nested stacks with what was reviewed, and
// says how to go on; "" means that there is nothing to do. A change set that can be
// executed tells of nested stacks only that they may change.
func (a *Stack) lookInto(ctx context.Context, step *axle.Step, w cfn.Want, st *cfn.Stack, name string) (string, error) {
	res, ok, err := a.driver.LookInto(ctx, step.Target(), w, st, name)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return phaseChangeSet, nil
	case res.Change == axle.None:
		return "", nil
	}
	if unseen := step.Review.Unreviewed(res.Changes); len(unseen) > 0 {
		return "", unreviewed(step.Spec.Stack, unseen)
	}
	if other := step.Review.Other(res.Changes); other != nil {
		return "", unreviewed(step.Spec.Stack, []axle.ResourceChange{*other})
	}
	return phaseLooked, nil
}

// guard asks whether the outputs that the stack has and its template doesn't may
// go. Stacks that are about to be made anew have none that count.
func (a *Stack) guard(ctx context.Context, step *axle.Step, st *cfn.Stack) error {
	if a.Guard == nil || st == nil || st.State() != cfn.Settled || step.Spec.Stack.Outputs == nil {
		return nil
	}
	var gone []string
	for name := range st.Outputs {
		if !slices.Contains(step.Spec.Stack.Outputs, name) {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	return a.Guard(ctx, step, st, gone)
}

// notAdopted is the result of an adoption where there is nothing to adopt.
func (a *Stack) notAdopted(w cfn.Want, st *cfn.Stack) (axle.Result, bool) {
	switch {
	case !a.driver.Adopts:
		return axle.Result{}, false
	case st == nil || st.State() == cfn.Shell:
		return axle.Result{Change: axle.None, Note: "there is no stack to adopt: axle deploy makes it"}, true
	case w.Adoption(st) == "":
		return axle.Result{Change: axle.None, Note: "the stack is this project's already", Outputs: st.Outputs}, true
	}
	return axle.Result{}, false
}

// noteDead is told of a stack that had to be removed before it could be made.
const noteDead = "deleted the stack in ROLLBACK_COMPLETE first"

// clear removes what a failed creation left: it can't be used for anything.
func (a *Stack) clear(ctx context.Context, step *axle.Step, st *cfn.Stack) error {
	if st.Protected {
		return protectedDead(st)
	}
	a.touched.Store(step.ID, true)
	t := step.Target()
	op := cfn.Operation{Kind: axle.Delete, StackID: st.ID, Digest: "dead"}
	if err := a.driver.Delete(ctx, t, op); err != nil {
		return err
	}
	end, err := a.driver.Await(ctx, t, op)
	if err != nil {
		return err
	}
	return a.driver.DeleteFailure(ctx, t, op, end)
}

// protectedDead is the failure of a stack that would have to be deleted first.
func protectedDead(st *cfn.Stack) *axle.Failure {
	return &axle.Failure{Code: "Protected", Resource: st.Name, Blocked: true,
		Message: fmt.Sprintf("stack %s is in ROLLBACK_COMPLETE and must be deleted before it can be made, but has termination protection", st.Name),
		Hint:    "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name " + st.Name}
}

// unchanged ends a step whose stack is as it shall be, but for protection.
func (a *Stack) unchanged(ctx context.Context, step *axle.Step, st *cfn.Stack) (axle.Progress, error) {
	res := axle.Result{Change: axle.None, Outputs: st.Outputs}
	changed, err := a.driver.Finish(ctx, step.Target(), step.Spec.Stack, st)
	if changed {
		res.Change, res.Note = axle.Update, "termination protection only"
	}
	return axle.Progress{Done: true, Result: res}, err
}

func (a *Stack) startDelete(ctx context.Context, step *axle.Step, in axle.Inputs, st *cfn.Stack) (axle.Progress, error) {
	spec := step.Spec.Stack
	switch {
	case st == nil:
		return axle.Progress{Done: true, Result: axle.Result{Change: axle.None}}, nil
	case st.Protected, spec.Protect != nil && *spec.Protect:
		return axle.Progress{}, cfn.Protected(st.Name)
	case in.Values[axle.HeldInput] != "":
		return axle.Progress{}, &axle.Failure{Code: "InUse", Resource: st.Name, Blocked: true,
			Message: "stack " + st.Name + " stays: " + in.Values[axle.HeldInput], Hint: "change or delete what uses it first"}
	}
	ph := phase{name: phaseDoomed, since: time.Now(), op: cfn.Operation{Kind: axle.Delete, StackID: st.ID}}
	var err error
	if ph.op.Retain, err = a.driver.Retained(ctx, step.Target(), st, a.Retain, a.RetainFailed); err != nil {
		return axle.Progress{}, err
	}
	if len(ph.op.Retain) > 0 {
		ph.note = "retains " + strings.Join(ph.op.Retain, ", ") + ", which couldn't be deleted"
	}
	return axle.Progress{Token: ph.String(), Result: axle.Result{Note: ph.note}}, nil
}

// Check goes on from where the token says.
func (a *Stack) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	ph, err := parsePhase(token)
	if err != nil {
		return axle.Progress{}, err
	}
	ph.op.Digest = step.Spec.Stack.Template
	inner, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var p axle.Progress
	switch ph.name {
	case phaseWait:
		p, err = a.checkWait(inner, step, ph)
	case phaseChangeSet, phaseLooked:
		p, err = a.checkChangeSet(inner, step, ph)
	case phaseExecute:
		p, err = a.checkExecute(inner, step, ph)
	case phaseContinue:
		p, err = a.checkContinue(inner, step, ph)
	case phaseDoomed:
		p, err = a.checkDoomed(inner, step, ph)
	case phaseDelete:
		p, err = a.checkDelete(inner, step, ph)
	}
	if err != nil && inner.Err() != nil && ctx.Err() == nil && !errors.Is(err, cfn.ErrUnanswered) { // nothing yet
		return axle.Progress{Token: token, Result: axle.Result{Note: a.trouble(step, ph.op.StackID)}}, nil
	}
	return p, explain(step, err)
}

// trouble says, while a stack is waited for, that it can't be looked at; "" when it
// can.
func (a *Stack) trouble(step *axle.Step, stackID string) string {
	err := a.driver.Trouble(stackID)
	if err == nil {
		return ""
	}
	why := err.Error()
	if f, ok := errors.AsType[*axle.Failure](explain(step, err)); ok {
		why = strings.TrimSuffix(f.Code+": "+f.Hint, ": ")
	}
	return "its state can't be read for now, and is asked for again (" + why + ")"
}

// checkWait waits for somebody else's operation, after which the step begins
// anew.
func (a *Stack) checkWait(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	if time.Since(ph.since) > a.OtherTime {
		return axle.Progress{}, &axle.Failure{Code: "Busy", Resource: step.Spec.Stack.StackName, Blocked: true,
			Message: fmt.Sprintf("stack %s was busy with somebody else's operation for %s", step.Spec.Stack.StackName, a.OtherTime),
			Hint:    "look at what is going on there (its events tell), then axle resume; --wait-others waits longer"}
	}
	ctx, cancel := context.WithDeadline(ctx, ph.since.Add(a.OtherTime+10*time.Millisecond))
	defer cancel()
	if _, err := a.driver.Settle(ctx, step.Target(), ph.op.StackID); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // the next check says so
		}
		return axle.Progress{Token: ph.String()}, err
	}
	return axle.Progress{}, again(errors.New("stack " + step.Spec.Stack.StackName + " was busy with somebody else's operation"))
}

// checkChangeSet waits for the change set, compares it with what was reviewed,
// and executes it.
func (a *Stack) checkChangeSet(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	t, spec := step.Target(), step.Spec.Stack
	cs, err := a.driver.ChangeSet(ctx, t, ph.op)
	switch {
	case err != nil:
		return axle.Progress{}, err
	case cs.Empty:
		if err := a.driver.Discard(ctx, t, ph.op); err != nil {
			return axle.Progress{}, err
		}
		st, err := a.driver.Describe(ctx, t, ph.op.StackID)
		if err != nil {
			return axle.Progress{}, err
		}
		return a.unchanged(ctx, step, st)
	case cs.Reason != "":
		return axle.Progress{}, a.discard(ctx, t, ph.op, cfn.ChangeSetFailure(spec, cs))
	}
	if !cs.Executed {
		review := step.Review
		if ph.name == phaseLooked { // compared already, with more detail
			review = nil
		}
		if unseen := review.Unreviewed(cs.Changes); len(unseen) > 0 {
			return axle.Progress{}, a.discard(ctx, t, ph.op, unreviewed(spec, unseen))
		}
		if other := review.Other(cs.Changes); other != nil {
			return axle.Progress{}, a.discard(ctx, t, ph.op, unreviewed(spec, []axle.ResourceChange{*other}))
		}
		if err := a.driver.Execute(ctx, t, ph.op); err != nil {
			if errors.Is(err, cfn.ErrBusy) {
				err = again(err)
			}
			return axle.Progress{}, err
		}
	}
	ph.name, ph.change = phaseExecute, ph.op.Change(cs.Changes)
	a.changes.Store(step.ID, cs.Changes)
	return axle.Progress{Token: ph.String()}, nil
}

// discard removes a change set that isn't executed because of a failure.
func (a *Stack) discard(ctx context.Context, t axle.Target, op cfn.Operation, why *axle.Failure) error {
	if err := a.driver.Discard(ctx, t, op); err != nil {
		why.Hint = strings.TrimPrefix(why.Hint+"; its change set is left behind: "+err.Error(), "; ")
	}
	return why
}

// unreviewed is the failure of a change set that would do what nobody has seen.
func unreviewed(spec *axle.StackSpec, unseen []axle.ResourceChange) *axle.Failure {
	var what []string
	for _, c := range unseen {
		line := strings.ToLower(c.Action) + " " + c.LogicalID + " (" + c.Type + ")"
		if c.Replacement != "" {
			line = "replace " + c.LogicalID + " (" + c.Type + ")"
		}
		what = append(what, line)
	}
	return &axle.Failure{Code: "UnreviewedChange", Resource: unseen[0].LogicalID, Blocked: true,
		Message: fmt.Sprintf("stack %s would change in a way that the plan didn't show: %s", spec.StackName, strings.Join(what, ", ")),
		Hint:    "plan again now that more is known, look at it, and deploy"}
}

// checkExecute waits for the end of a creation or update.
func (a *Stack) checkExecute(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	t, spec := step.Target(), step.Spec.Stack
	st, err := a.driver.Await(ctx, t, ph.op)
	if err != nil {
		return axle.Progress{}, err
	}
	if a.exact && st.ChangeSet != "" && st.ChangeSet != ph.op.ChangeSet {
		return axle.Progress{}, overtaken(step, errors.New("another change set was executed"))
	}
	if !cfn.Succeeded(ph.op, st) {
		err = a.driver.Failure(ctx, t, ph.op, st)
	} else {
		_, err = a.driver.Finish(ctx, t, spec, st)
	}
	if err != nil {
		return axle.Progress{}, err
	}
	res := axle.Result{Change: ph.change, Outputs: st.Outputs, Note: ph.note}
	changes, known := a.changes.Load(step.ID)
	if known {
		res.Changes = changes.([]axle.ResourceChange)
	}
	if ph.op.Kind == axle.Update && (!known || slices.ContainsFunc(res.Changes, cleansUp)) {
		if res.Warning, err = a.driver.Leftovers(ctx, t, st); err != nil {
			return axle.Progress{}, err
		}
	}
	a.changes.Delete(step.ID)
	return axle.Progress{Done: true, Result: res}, nil
}

// cleansUp says whether something is deleted after the update.
func cleansUp(c axle.ResourceChange) bool { return c.Action == "Remove" || c.Replacement != "" }

// checkDoomed deletes a stack that is journaled to be deleted: after a crash
// the step doesn't take its absence for somebody else's work.
func (a *Stack) checkDoomed(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	err := a.driver.Delete(ctx, step.Target(), ph.op)
	if errors.Is(err, cfn.ErrBusy) {
		err = again(err)
	}
	ph.name = phaseDelete
	return axle.Progress{Token: ph.String()}, err
}

func (a *Stack) checkDelete(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	st, err := a.driver.Await(ctx, step.Target(), ph.op)
	if err == nil {
		err = a.driver.DeleteFailure(ctx, step.Target(), ph.op, st)
	}
	return axle.Progress{Done: err == nil, Result: axle.Result{Change: axle.Delete, Note: ph.note}}, err
}

// find describes the step's stack, and makes sure that it is ours; nil when
// there is none.
func find(ctx context.Context, d *cfn.Driver, step *axle.Step) (*cfn.Stack, error) {
	st, err := d.Describe(ctx, step.Target(), step.Spec.Stack.StackName)
	if errors.Is(err, axle.ErrNotFound) || err == nil && st.State() == cfn.Gone {
		return nil, nil
	}
	if err == nil {
		err = d.Owned(ctx, step.Target(), st, step.Spec.Stack)
	}
	return st, err
}

// againError makes the engine start the step anew.
type againError struct{ error }

func again(err error) error { return againError{err} }

// Is makes it what the engine starts anew for.
func (e againError) Is(target error) bool { return target == axle.ErrNotFound }

func (e againError) Unwrap() error { return e.error }

// explain makes a failure for people of a call that went wrong. Of exports in use
// it says where the stacks are that import them: beside the one that exports.
func explain(step *axle.Step, err error) error {
	var told *axle.Failure
	if errors.As(err, &told) {
		if by, ok := cfn.ExportUsers(told.Message); ok {
			f := *told
			f.Err, f.Hint = err, fmt.Sprintf("change or delete %s in %s first: it imports the export", by, step.Where())
			return &f
		}
	}
	var call *cfn.CallError
	if errors.As(err, &call) {
		return narrow(cloud.Translate(call.Err, call.What, axle.Account{ID: step.Account, Name: step.AccountName}, step.Region), step.Delete)
	}
	return err
}

// narrow says of a call that the access role's own policies refuse how it comes to
// what it needs. Bootstrap computes that from the stacks of axle.yaml.
func narrow(err error, deletes bool) error {
	var f *axle.Failure
	if !cloud.LacksPermission(err) || !errors.As(err, &f) {
		return err
	}
	f.Hint = "axle bootstrap --yes gives the roles that it made what the templates need; another role needs the action in its policies"
	if deletes {
		f.Hint = "axle bootstrap --yes gives the roles that it made what the stacks of axle.yaml need: bootstrap with this stack in it, and without it only when it is deleted; another role needs the action in its policies"
	}
	return err
}
