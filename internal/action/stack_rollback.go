package action

import (
	"context"
	"errors"
	"strings"
	"time"

	"axle"
	"axle/internal/cfn"
)

// startContinue goes on with the rollback of an update when the user wants it:
// the step then begins anew.
func (a *Stack) startContinue(ctx context.Context, step *axle.Step, st *cfn.Stack) (axle.Progress, error) {
	if !a.Continue {
		return axle.Progress{}, cfn.StuckFailure(st)
	}
	ph := phase{name: phaseContinue, since: time.Now(), op: cfn.Operation{Kind: axle.Update, StackID: st.ID, Digest: "rollback"}}
	token := ph.String()
	ph, err := parsePhase(token) // with the request that the token has
	if err != nil {
		return axle.Progress{}, err
	}
	note := "continuing the rollback of stack " + st.Name
	if len(a.Skip) > 0 {
		note += " without " + strings.Join(a.Skip, ", ")
	}
	a.touched.Store(step.ID, true)
	err = a.driver.ContinueRollback(ctx, step.Target(), st, ph.op, a.Skip)
	return axle.Progress{Token: token, Result: axle.Result{Note: note}}, err
}

func (a *Stack) checkContinue(ctx context.Context, step *axle.Step, ph phase) (axle.Progress, error) {
	st, err := a.driver.AwaitRollback(ctx, step.Target(), ph.op)
	switch {
	case err != nil:
		return axle.Progress{}, err
	case st.State() == cfn.Halted:
		return axle.Progress{}, a.driver.RollbackFailure(ctx, step.Target(), ph.op, st)
	}
	return axle.Progress{}, again(errors.New("the rollback of stack " + st.Name + " is complete: now it is updated"))
}

// previewHalted tells of a stack whose rollback is continued first. A change
// set of it can't be had: the texts of the templates are compared.
func (a *StackPreview) previewHalted(ctx context.Context, step *axle.Step, in axle.Inputs, st *cfn.Stack) (axle.Result, error) {
	if !a.Continue {
		return axle.Result{}, cfn.StuckFailure(st)
	}
	res, err := a.guess(ctx, step, in, st)
	res.Change = axle.Update
	res.Note = "the stack is in " + st.Status + ": its rollback is continued first"
	if len(a.Skip) > 0 {
		res.Note += ", without " + strings.Join(a.Skip, ", ")
	}
	return res, err
}
