package action

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/template"
)

// StackPreview finds out what Stack would do, and leaves nothing behind.
type StackPreview struct {
	Stack
	// Digests reads the digest of each stack's template for States.
	Digests bool
	// Keep leaves the change sets to be executed.
	Keep bool
	// Began is when the run did: leftovers of ours from before are removed, from
	// shells and from stacks that get a change set; with SweepAll from all.
	Began     time.Time
	SweepAll  bool
	templates sync.Map // digest -> *template.Template
	states    sync.Map // step -> axle.StackState
}

// NewStackPreview returns the preview of stack steps. run makes its change
// sets' names differ from those of other runs.
func NewStackPreview(driver *cfn.Driver, run string) *StackPreview {
	return &StackPreview{Stack: Stack{driver: driver, run: cfn.PreviewRun + run, Recovery: Recovery{OtherTime: OtherTime}}}
}

// Start previews the step by a real change set where its inputs are known, and
// by comparing template and known values where they aren't.
func (a *StackPreview) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	st, err := find(ctx, a.driver, step)
	if err == nil && st != nil && st.State() == cfn.Busy {
		return waitFor(st), nil
	}
	var res axle.Result
	if err == nil {
		st, err = a.sweep(ctx, step, st)
	}
	if err == nil {
		err = a.note(ctx, step, st)
	}
	if err == nil {
		res, err = a.preview(ctx, step, in, st)
		res.Stale = staleInputs(step, in, st)
	}
	if errors.Is(err, cfn.ErrBusy) || errors.Is(err, errSwept) {
		err = staleError{err}
	}
	return axle.Progress{Done: err == nil, Result: res}, explain(step, err)
}

// errSwept says that another plan took our change set for a leftover.
var errSwept = errors.New("somebody removed the change set of the preview")

// sweep removes what killed previews left of a shell, or of any stack.
func (a *StackPreview) sweep(ctx context.Context, step *axle.Step, st *cfn.Stack) (*cfn.Stack, error) {
	if a.Began.IsZero() || st == nil || st.State() != cfn.Shell && !a.SweepAll {
		return st, nil
	}
	gone, err := a.driver.Sweep(ctx, step.Target(), st, a.Began)
	if gone {
		st = nil
	}
	return st, err
}

func (a *StackPreview) preview(ctx context.Context, step *axle.Step, in axle.Inputs, st *cfn.Stack) (axle.Result, error) {
	spec := step.Spec.Stack
	if step.Delete {
		p, err := a.startDelete(ctx, step, in, st)
		if err == nil && !p.Done {
			p.Result.Change = axle.Delete
		}
		return p.Result, err
	}
	w := want(spec, in)
	if res, nothing := a.notAdopted(w, st); nothing {
		return res, nil
	}
	if err := a.guard(ctx, step, st); err != nil {
		return axle.Result{}, err
	}
	var err error
	if w.Imports, err = a.driver.ToImport(ctx, step.Target(), w, st); err != nil {
		return axle.Result{}, err
	}
	switch {
	case st == nil:
	case st.State() == cfn.Stuck, st.State() == cfn.Undeleted:
		return axle.Result{}, cfn.StuckFailure(st)
	case a.Keep && (st.State() == cfn.Halted || st.State() == cfn.Dead):
		return axle.Result{}, notPreparable(spec, st)
	case st.State() == cfn.Halted:
		return a.previewHalted(ctx, step, in, st)
	case st.State() == cfn.Dead:
		return a.previewDead(spec, st, in)
	case st.State() == cfn.Settled && len(in.Unknown) == 0 && len(w.Imports) == 0:
		same, err := a.driver.Unchanged(ctx, step.Target(), w, st)
		if err != nil {
			return axle.Result{}, err
		}
		if same {
			return a.previewUnchanged(spec, st), nil
		}
	}
	if a.Keep && len(in.Unknown) > 0 {
		return axle.Result{}, needsOutputs(spec, in)
	}
	if len(in.Unknown) > 0 {
		res, err := a.guess(ctx, step, in, st)
		res.Note = w.Adoption(st)
		return res, err
	}
	if st != nil && st.State() != cfn.Shell && !a.Began.IsZero() && !a.SweepAll {
		if _, err := a.driver.Sweep(ctx, step.Target(), st, a.Began); err != nil {
			return axle.Result{}, err
		}
	}
	propose := a.driver.Preview
	if a.Keep {
		propose = a.prepare
	}
	res, err := propose(ctx, step.Target(), w, st, cfn.ChangeSetName(a.run, step.ID, w, in.Secret), func(cs *cfn.ChangeSet) { judge(cs, in) })
	switch {
	case errors.Is(err, axle.ErrNotFound):
		err = errors.Join(errSwept, err)
	case err == nil && res.Change == axle.None:
		return a.previewUnchanged(spec, st), nil
	}
	res.Note = w.Adoption(st)
	return hideOld(res, st, in), err
}

// previewUnchanged has the stack's outputs: they stay what they are.
func (a *StackPreview) previewUnchanged(spec *axle.StackSpec, st *cfn.Stack) axle.Result {
	res := axle.Result{Change: axle.None, Outputs: st.Outputs}
	if _, change := spec.Protection(st.Protected); change {
		res.Change, res.Note = axle.Update, "termination protection only"
	}
	return res
}

// previewDead tells of a stack that is deleted and made anew. A change set of
// it can't be had.
func (a *StackPreview) previewDead(spec *axle.StackSpec, st *cfn.Stack, in axle.Inputs) (axle.Result, error) {
	if st.Protected {
		return axle.Result{}, protectedDead(st)
	}
	return axle.Result{Change: axle.Create, After: after(in), Changes: a.additions(spec.Template),
		Note: "the stack is in ROLLBACK_COMPLETE: it is deleted and made anew"}, nil
}

// guess tells what can be said while inputs are unknown: what the template's
// text and the known values change.
func (a *StackPreview) guess(ctx context.Context, step *axle.Step, in axle.Inputs, st *cfn.Stack) (axle.Result, error) {
	spec := step.Spec.Stack
	res := axle.Result{Change: axle.Create, After: after(in)}
	if st == nil || st.State() == cfn.Shell {
		res.Changes = a.additions(spec.Template)
		return res, nil
	}
	w := want(spec, in)
	same, err := a.driver.SameTemplate(ctx, step.Target(), spec.Template, st)
	if err != nil {
		return res, err
	}
	res.Change = axle.Update
	if !same {
		old, err := a.driver.Template(ctx, step.Target(), st.ID)
		if err != nil {
			return res, err
		}
		was, _ := template.Parse(spec.StackName, old)
		res.Changes = compare(was, a.template(spec.Template))
		judge(&cfn.ChangeSet{Changes: res.Changes}, in)
	} else if w.Fits(st, in.Unknown) {
		res.Change = axle.None
	}
	return res, nil
}

// after names the stacks whose outputs are needed to know more, sorted.
func after(in axle.Inputs) []string {
	var names []string
	for _, stacks := range in.Unknown {
		names = append(names, stacks...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// template parses a template of the plan, once for all its targets.
func (a *StackPreview) template(digest string) *template.Template {
	if t, ok := a.templates.Load(digest); ok {
		return t.(*template.Template)
	}
	body, err := a.driver.Body(digest)
	if err != nil { // one that only CloudFormation reads
		body = nil
	}
	t, _ := template.Parse(digest, body)
	a.templates.Store(digest, t)
	return t
}

func (a *StackPreview) additions(digest string) []axle.ResourceChange {
	return compare(&template.Template{}, a.template(digest))
}

// compare lists the resources that differ between two templates, sorted by
// name. Whether a change replaces a resource isn't known here.
func compare(was, will *template.Template) []axle.ResourceChange {
	var out []axle.ResourceChange
	for name, r := range will.Resources {
		old, had := was.Resources[name]
		switch {
		case !had:
			out = append(out, axle.ResourceChange{Action: "Add", LogicalID: name, Type: r.Type})
		case old.Type != r.Type:
			out = append(out, axle.ResourceChange{Action: "Modify", LogicalID: name, Type: r.Type, Replacement: "True"})
		case old.Digest != r.Digest:
			out = append(out, axle.ResourceChange{Action: "Modify", LogicalID: name, Type: r.Type})
		}
	}
	for name, r := range was.Resources {
		if _, stays := will.Resources[name]; !stays {
			out = append(out, axle.ResourceChange{Action: "Remove", LogicalID: name, Type: r.Type})
		}
	}
	slices.SortFunc(out, func(a, b axle.ResourceChange) int {
		switch {
		case a.LogicalID < b.LogicalID:
			return -1
		case a.LogicalID > b.LogicalID:
			return 1
		}
		return 0
	})
	return out
}
