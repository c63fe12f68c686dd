package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/action"
	"axle/internal/artifact"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/engine"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// Preview is a plan with what it would do.
type Preview struct {
	ID      string
	Plan    *plan.Plan
	Records []axle.Record
	// States are the stacks as they were seen, by step; nil when the plan is
	// deployed to whatever is there.
	States map[string]axle.StackState
	// Saved says when and of what the plan was saved; nil for one made now.
	Saved *PlanFile

	seen    map[string]axle.StackState // what the preview saw, for a saved plan
	secrets *sync.Map                  // values of secret inputs that must not be saved
}

// buildChecked is build for what CloudFormation is going to be asked: it must have
// the capabilities that the templates need.
func (w *Work) buildChecked(ctx context.Context, destroy bool) (*plan.Plan, error) {
	if !destroy {
		if err := plan.CheckCapabilities(w.project, w.templates, artifact.Nested).Err(); err != nil {
			return nil, err
		}
	}
	return w.build(ctx, destroy)
}

// build makes the plan from what is known of the organization.
func (w *Work) build(ctx context.Context, destroy bool) (*plan.Plan, error) {
	enabled, err := w.enabledRegions(ctx)
	if err != nil {
		return nil, err
	}
	var exactly map[string]bool
	if w.opts.Stale {
		if exactly, err = w.staleSteps(ctx); err != nil {
			return nil, err
		}
	}
	templates := w.templates
	if !destroy {
		if templates, err = w.pack(ctx); err != nil {
			return nil, err
		}
	}
	p, problems := plan.Build(plan.Input{Exactly: exactly, Project: w.project, Templates: templates, Org: w.org, Enabled: enabled,
		Where: w.where, Regions: w.opts.Regions, NoPeering: w.opts.NoPeering, Destroy: destroy, Only: w.opts.Adopt})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p.Narrowed = w.narrowing()
	p.Refer(w.refers)
	if w.opts.RevertDrift {
		p.Command = "revert"
	}
	if w.opts.Adopt != nil {
		p.Command = "adopt"
	}
	if err := w.addImports(p); err != nil {
		return nil, err
	}
	for _, d := range problems.Warnings() {
		w.warn("%s", d.Summary)
	}
	if left := plan.LeftOut(w.project, w.hub, w.org, w.where); left != "" {
		w.warn("left out, as nobody can work there: %s", left)
	}
	if len(p.Steps) == 0 {
		if w.opts.Stale {
			w.warn("no stack is stale")
		} else {
			w.warn("no stack has a target here")
		}
	}
	return p, nil
}

// enabledRegions asks the accounts of the stacks that say "regions: enabled". An
// account that doesn't answer keeps the home region, where its step then says why.
func (w *Work) enabledRegions(ctx context.Context) (map[string][]string, error) {
	ask := map[string]axle.Account{}
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		if s.Regions.Kind != config.RegionsEnabled {
			continue
		}
		accounts, problems := plan.SelectAccounts(w.project, s, w.hub, w.org)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		for _, a := range accounts {
			ask[a.ID] = a
		}
	}
	var mu sync.Mutex
	out := make(map[string][]string, len(ask))
	var failed []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, a := range ask {
		g.Go(func() error {
			regions, err := w.cloud.Regions(gctx, a)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				regions = []string{w.hub.Region}
				failed = append(failed, fmt.Sprintf("the enabled regions of %s aren't known: %v", a.Label(), err))
			}
			out[a.ID] = regions
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(failed)
	w.Warnings = append(w.Warnings, failed...)
	return out, nil
}

// Watch is told of a run's steps: it makes an observer once the steps are known.
type Watch func(run string, steps []axle.Step) engine.Observer

// Preview finds out what a deploy or a destroy would do, step by step, with real
// change sets where a stack's inputs are known. It leaves nothing behind.
func (w *Work) Preview(ctx context.Context, destroy bool, watch Watch, stop <-chan struct{}) (*Preview, error) {
	before, started := UntilStopped(ctx, stop)
	defer started()
	p, err := w.buildChecked(before, destroy)
	if err != nil {
		return nil, err
	}
	if err := w.refuseRead(before, p); err != nil {
		return nil, err
	}
	return w.preview(ctx, p, w.whole(p), watch, stop)
}

// PreviewTarget is Preview of one target: an account by id or name, and a region
// of it or all. What its steps need elsewhere is looked at too.
func (w *Work) PreviewTarget(ctx context.Context, target string, watch Watch, stop <-chan struct{}) (*Preview, error) {
	before, started := UntilStopped(ctx, stop)
	defer started()
	p, err := w.buildChecked(before, false)
	if err != nil {
		return nil, err
	}
	name, region, _ := strings.Cut(target, "/")
	account, err := w.Account(name)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	chosen := func(s *axle.Step) bool { return s.Account == account.ID && (region == "" || s.Region == region) }
	for i := len(p.Steps) - 1; i >= 0; i-- { // in topological order: needs come before
		s := &p.Steps[i]
		if keep[s.ID] = keep[s.ID] || chosen(s); keep[s.ID] {
			for _, need := range s.Needs {
				keep[need] = true
			}
		}
	}
	if !slices.ContainsFunc(p.Steps, func(s axle.Step) bool { return chosen(&s) }) {
		place := account.Label()
		if region != "" {
			place = region + " of " + account.Label()
		}
		return nil, &axle.Failure{Code: "NoSuchTarget", Blocked: true, Message: "the plan has nothing in " + place, Hint: "axle plan shows its targets"}
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(s axle.Step) bool { return !keep[s.ID] })
	out, err := w.preview(ctx, p, false, watch, stop)
	if err != nil {
		return nil, err
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(s axle.Step) bool { return !chosen(&s) })
	return out, nil
}

// preview looks at the steps of a plan, which may be the whole of the project.
func (w *Work) preview(ctx context.Context, p *plan.Plan, whole bool, watch Watch, stop <-chan struct{}) (*Preview, error) {
	actions := w.previewActions(ctx, p)
	inputs, seen := w.seenSecrets(previewInputs(w.inputs(p)))
	stack := actions[plan.KindStack].(*action.StackPreview)
	cutOff, done := w.mark(whole)
	stack.SweepAll = cutOff
	out, err := engine.Run(ctx, w.run, p.Steps, nil, engine.Options{
		Actions: actions, Journal: discard{}, Inputs: inputs, Limits: w.limits(), Retry: engine.Retry{Except: cloud.IsNewcomer},
		Observer: observer(watch, w.run, p.Steps), Stop: stop})
	done(ctx, err)
	if err != nil {
		return nil, err
	}
	return &Preview{ID: w.run, Plan: p, Records: out.Records, secrets: seen, seen: stack.States()}, nil
}

// previewInputs treats the outputs of what will change as unknown: a preview
// gives outputs only for what stays as it is.
func previewInputs(inputs stepInputs) stepInputs {
	return func(ctx context.Context, s *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
		return inputs(ctx, s, func(id string) (map[string]string, bool) {
			out, ok := outputs(id)
			return out, ok && out != nil
		})
	}
}

func observer(watch Watch, run string, steps []axle.Step) engine.Observer {
	if watch == nil {
		return nil
	}
	return watch(run, steps)
}

// discard is the journal of what keeps no record.
type discard struct{}

func (discard) Append(context.Context, string, []axle.Record) error { return nil }

// limits are wide: what AWS throttles, the cloud's limiter slows down.
func (w *Work) limits() plan.Limits {
	global := w.opts.MaxConcurrent
	if global <= 0 {
		global = engine.DefaultGlobal
	}
	return plan.Limits{Global: global, PerTarget: 25}
}

// review puts what was previewed into the plan's steps, so that nothing
// dangerous happens that wasn't seen.
// States hold the steps to the stacks that were seen; nil: to nothing.
func review(p *plan.Plan, records []axle.Record, states map[string]axle.StackState) {
	byID := make(map[string]*axle.Record, len(records))
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	for i := range p.Steps {
		r := byID[p.Steps[i].ID]
		if r == nil || !r.Status.OK() {
			p.Steps[i].Review = &axle.Review{}
			if states != nil {
				p.Steps[i].Review.Refused = "it was blocked when the plan was made"
			}
			continue
		}
		p.Steps[i].Review = &axle.Review{Known: len(r.Result.After) == 0, Change: r.Result.Change, Changes: r.Result.Changes}
		if state, ok := states[p.Steps[i].ID]; ok {
			p.Steps[i].Review.State = &state
			if cfn.RuleOf(state.Status).State == cfn.Halted { // its templates were compared: there is no change set before the rollback
				p.Steps[i].Review.Known = false
			}
		}
	}
}
