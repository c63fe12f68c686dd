package action

import (
	"context"
	"fmt"
	"strings"

	"axle"
	"axle/internal/cfn"
)

// Outputs reads the outputs of a stack that is deployed already, for steps that
// need them while the stack itself isn't part of the run. It changes nothing.
type Outputs struct{ driver *cfn.Driver }

// NewOutputs returns the action that reads outputs.
func NewOutputs(driver *cfn.Driver) *Outputs { return &Outputs{driver} }

// Start reads them.
func (a *Outputs) Start(ctx context.Context, step *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	st, err := find(ctx, a.driver, step)
	if err != nil {
		return axle.Progress{}, explain(step, err)
	}
	if st == nil || !haveOutputs(st) {
		return axle.Progress{}, notDeployed(step, st)
	}
	return axle.Progress{Done: true, Result: axle.Result{Change: axle.None, Outputs: st.Outputs}}, nil
}

// Check reads them again: a start has nothing to go on with.
func (a *Outputs) Check(ctx context.Context, step *axle.Step, _ string) (axle.Progress, error) {
	return a.Start(ctx, step, axle.Inputs{})
}

// haveOutputs says whether the stack was made at all; while it is updated, and
// after an update that failed, its outputs are those from before.
func haveOutputs(st *cfn.Stack) bool {
	return strings.HasPrefix(st.Status, "UPDATE_") || strings.HasPrefix(st.Status, "IMPORT_") || st.Status == "CREATE_COMPLETE"
}

func notDeployed(step *axle.Step, st *cfn.Stack) *axle.Failure {
	f := &axle.Failure{Code: "NotDeployed", Resource: step.Spec.Stack.Stack, Blocked: true,
		Message: fmt.Sprintf("stack %q is not deployed in %s", step.Spec.Stack.Stack, step.Where()),
		Hint:    fmt.Sprintf("deploy it there first (without --where and --region, or with ones that include %s), or narrow the targets of what needs it", step.Where())}
	if st != nil {
		f.Message += ": it is in " + st.Status
	}
	return f
}
