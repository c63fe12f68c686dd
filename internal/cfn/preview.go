package cfn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"axle"
)

// cleanup bounds how long a preview may take to remove what it made, also
// after its caller has given up.
const cleanup = 30 * time.Second

// Preview finds out by a change set what a deploy of the stack would do, and
// removes the change set again, and the shell of a stack that isn't there. st
// is the stack as described; nil when there is none. What the change set says,
// with the values of properties, is given to judge, which may add to it.
func (d *Driver) Preview(ctx context.Context, t axle.Target, w Want, st *Stack, name string, judge func(*ChangeSet)) (axle.Result, error) {
	if res, ok, err := d.lookInto(ctx, t, w, st, name, judge); ok || err != nil {
		return res, err
	}
	res, _, err := d.propose(ctx, t, w, st, name, judge, false)
	return res, err
}

// Prepare is Preview, but leaves the change set to be executed, and says where
// it is. One that changes nothing is removed. What would change in nested stacks
// is looked up by a change set of its own: the one that stays tells of those only
// that they may change.
func (d *Driver) Prepare(ctx context.Context, t axle.Target, w Want, st *Stack, name string, judge func(*ChangeSet)) (axle.Result, Operation, error) {
	within, looked, err := d.lookInto(ctx, t, w, st, name, judge)
	if err != nil || looked && within.Change == axle.None {
		return within, Operation{}, err
	}
	res, op, err := d.propose(ctx, t, w, st, name, judge, true)
	if err == nil && looked {
		res.Change, res.Changes = within.Change, within.Changes
	}
	return res, op, err
}

func (d *Driver) propose(ctx context.Context, t axle.Target, w Want, st *Stack, name string, judge func(*ChangeSet), keep bool) (res axle.Result, op Operation, err error) {
	op, err = d.CreateChangeSet(ctx, t, w, st, name)
	if err != nil {
		return res, op, err
	}
	kept := false
	defer func() {
		if kept {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		if left := d.Discard(ctx, t, op); left != nil {
			err = errors.Join(err, fmt.Errorf("remove what the preview made of stack %s: %w", w.Spec.StackName, left))
		}
	}()
	op.Values = true
	cs, err := d.ChangeSet(ctx, t, op)
	if err != nil {
		return res, op, err
	}
	if cs.Empty {
		return axle.Result{Change: axle.None}, op, nil
	}
	if w.nested && nestedFailed(cs.Reason) {
		return res, op, errNested
	}
	if cs.Reason != "" {
		return res, op, ChangeSetFailure(w.Spec, cs)
	}
	judge(cs)
	kept = keep
	return axle.Result{Change: op.Change(cs.Changes), Changes: cs.Changes}, op, nil
}

// ChangeSetFailure is the failure of a change set that couldn't be worked out.
func ChangeSetFailure(spec *axle.StackSpec, cs *ChangeSet) *axle.Failure {
	return &axle.Failure{Code: "ChangeSetFailed", Resource: spec.StackName,
		Message: fmt.Sprintf("change set of stack %s: %s", spec.StackName, cs.Reason), Hint: hintFor(cs.Reason)}
}

// Finish does what is left to do with a stack that is as it shall be:
// termination protection, and our record of its template. It says whether
// protection had to be changed.
func (d *Driver) Finish(ctx context.Context, t axle.Target, spec *axle.StackSpec, st *Stack) (changed bool, err error) {
	if want, change := spec.Protection(st.Protected); change {
		if err := d.Protect(ctx, t, st.ID, want); err != nil {
			return false, err
		}
		changed = true
	}
	if spec.Opaque == "" {
		d.remember(spec.Template, st)
	}
	return changed, nil
}
