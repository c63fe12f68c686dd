package action

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"axle"
	"axle/internal/cfn"
)

// NewStackPrepare returns the preview of stack steps that leaves the change sets
// to be executed: Result.Prepared finds them.
func NewStackPrepare(driver *cfn.Driver, run string) *StackPreview {
	a := NewStackPreview(driver, run)
	a.run, a.Keep = cfn.PreparedRun+run, true
	return a
}

func (a *StackPreview) prepare(ctx context.Context, t axle.Target, w cfn.Want, st *cfn.Stack, name string, judge func(*cfn.ChangeSet)) (axle.Result, error) {
	res, op, err := a.driver.Prepare(ctx, t, w, st, name, judge)
	if err == nil && res.Change != axle.None {
		res.Prepared = phase{name: phaseChangeSet, op: op}.String()
	}
	return res, err
}

// needsOutputs is the failure of a stack that can't be prepared yet.
func needsOutputs(spec *axle.StackSpec, in axle.Inputs) *axle.Failure {
	return &axle.Failure{Code: "NeedsOutputs", Resource: spec.StackName, Blocked: true,
		Message: fmt.Sprintf("stack %s can't be prepared: it needs outputs of %s, which changes too", spec.StackName, strings.Join(after(in), ", ")),
		Hint:    "execute what is prepared, then prepare again; axle deploy does both in one run"}
}

func notPreparable(spec *axle.StackSpec, st *cfn.Stack) *axle.Failure {
	return &axle.Failure{Code: st.Status, Resource: spec.StackName, Blocked: true,
		Message: fmt.Sprintf("stack %s is in %s: no change set of it can be prepared", spec.StackName, st.Status),
		Hint:    "axle deploy mends it"}
}

// Discard removes a change set that was prepared, and its shell.
func Discard(ctx context.Context, d *cfn.Driver, step *axle.Step, prepared string) error {
	ph, err := parsePhase(prepared)
	if err == nil {
		err = d.Discard(ctx, step.Target(), ph.op)
	}
	return explain(step, err)
}

// StackExecute executes what was prepared, and nothing else.
type StackExecute struct{ Stack }

// NewStackExecute returns the execution of prepared stack steps.
func NewStackExecute(driver *cfn.Driver, run string) *StackExecute {
	a := &StackExecute{*NewStack(driver, run)}
	a.exact = true
	return a
}

// Start executes the step's change set. One that somebody has executed is
// watched to its end as well.
func (a *StackExecute) Start(ctx context.Context, step *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	p, err := a.start(ctx, step)
	if errors.Is(err, cfn.ErrBusy) {
		return p, staleError{err}
	}
	return p, explain(step, err)
}

func (a *StackExecute) start(ctx context.Context, step *axle.Step) (axle.Progress, error) {
	r := step.Review
	if r == nil || r.Prepared == "" { // there was nothing to change
		return axle.Progress{Done: true, Result: axle.Result{Change: axle.None}}, nil
	}
	ph, err := parsePhase(r.Prepared)
	if err != nil {
		return axle.Progress{}, err
	}
	ph.op.Digest = step.Spec.Stack.Template
	cs, err := a.driver.ChangeSet(ctx, step.Target(), ph.op)
	switch {
	case errors.Is(err, axle.ErrNotFound):
		return axle.Progress{}, overtaken(step, err)
	case err != nil:
		return axle.Progress{}, err
	case cs.Reason != "":
		return axle.Progress{}, cfn.ChangeSetFailure(step.Spec.Stack, cs)
	case cs.Executed:
		ph.note = "its change set had been executed already"
	default:
		if err := a.driver.Execute(ctx, step.Target(), ph.op); errors.Is(err, axle.ErrNotFound) {
			return axle.Progress{}, overtaken(step, err)
		} else if err != nil {
			return axle.Progress{}, err
		}
	}
	ph.name, ph.change = phaseExecute, r.Change
	a.changes.Store(step.ID, r.Changes)
	return axle.Progress{Token: ph.String()}, nil
}

// overtaken is the failure of a change set that can't be executed any more.
func overtaken(step *axle.Step, why error) *axle.Failure {
	name := step.Spec.Stack.StackName
	return &axle.Failure{Code: "Overtaken", Resource: name, Blocked: true, Err: why,
		Message: fmt.Sprintf("the change set that was prepared for stack %s is gone or out of date: the stack was changed, or somebody removed it", name),
		Hint:    "prepare it again: axle plan --prepare"}
}
