package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"axle"
	"axle/internal/cfn"
)

// stateOf is what a review holds on to of a stack; nil is none.
func stateOf(st *cfn.Stack) axle.StackState {
	if st == nil || st.State() == cfn.Shell || st.State() == cfn.Gone {
		return axle.StackState{}
	}
	return axle.StackState{ID: st.ID, Status: st.Status, Updated: st.Changed(), Parameters: digestOf(st.Parameters),
		Outputs: digestOf(st.Outputs), Drift: st.Drift}
}

func digestOf(m map[string]string) string {
	text, err := json.Marshal(m) // sorted by key
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// State reads a step's stack as a review holds on to it.
func State(ctx context.Context, d *cfn.Driver, step *axle.Step, digest bool) (axle.StackState, error) {
	st, err := find(ctx, d, step)
	if err != nil {
		return axle.StackState{}, explain(step, err)
	}
	s := stateOf(st)
	if digest && s.ID != "" {
		s.Template, err = d.TemplateDigest(ctx, step.Target(), st)
	}
	return s, explain(step, err)
}

// note keeps the state of a stack as the preview saw it.
func (a *StackPreview) note(ctx context.Context, step *axle.Step, st *cfn.Stack) error {
	s := stateOf(st)
	if a.Digests && s.ID != "" {
		var err error
		if s.Template, err = a.driver.TemplateDigest(ctx, step.Target(), st); err != nil {
			return err
		}
	}
	a.states.Store(step.ID, s)
	return nil
}

// States are the stacks as the preview saw them, by step.
func (a *StackPreview) States() map[string]axle.StackState {
	out := map[string]axle.StackState{}
	a.states.Range(func(step, state any) bool {
		out[step.(string)] = state.(axle.StackState)
		return true
	})
	return out
}

// moved is moved below, but for what the step has done itself.
func (a *Stack) moved(step *axle.Step, st *cfn.Stack) error {
	if _, own := a.touched.Load(step.ID); own {
		return nil
	}
	return moved(step, st)
}

// moved is the failure of a step whose stack isn't what was reviewed any more,
// or which wasn't part of what was agreed to.
func moved(step *axle.Step, st *cfn.Stack) error {
	r := step.Review
	switch {
	case r == nil:
		return nil
	case r.Refused != "":
		return &axle.Failure{Code: "NotReviewed", Resource: step.Spec.Stack.StackName, Blocked: true,
			Message: fmt.Sprintf("stack %s isn't part of the plan: %s", step.Spec.Stack.StackName, r.Refused),
			Hint:    "plan again, look at it, and deploy that"}
	case r.State == nil:
		return nil
	}
	what := r.State.Moved(stateOf(st))
	if what == "" {
		return nil
	}
	return &axle.Failure{Code: "Moved", Resource: step.Spec.Stack.StackName, Blocked: true,
		Message: fmt.Sprintf("stack %s isn't what the plan was made on: it %s", step.Spec.Stack.StackName, what),
		Hint:    "plan again, look at it, and deploy that"}
}
