package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"axle"
	"axle/internal/cfn"
	"axle/internal/plan"
)

// Stale is a deployed stack with a value that isn't any more what it reads.
type Stale struct {
	Stack, StackName string
	Account          axle.Account
	Region           string
	axle.StaleInput

	step string // id
}

// readsWhat names the outputs of references: "VpcId of hub-network".
func readsWhat(refs []axle.Ref) []string {
	var out []string
	for _, r := range refs {
		for _, step := range r.Steps {
			stack, _ := plan.StackOf(step)
			out = append(out, r.Key+" of "+stack)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Stale finds the deployed stacks among those of the project that are narrowed to,
// whose values aren't any more what they read. found is what Status returned; nil
// reads it anew.
func (w *Work) Stale(ctx context.Context, found []Deployed) ([]Stale, error) {
	r, err := w.whatReads(ctx)
	if err != nil {
		return nil, err
	}
	r.know(found)
	narrowed := map[place]bool{}
	for _, d := range found {
		narrowed[place{axle.Target{Account: d.Account.ID, Region: d.Region}, d.StackName}] = true
	}
	consumers := r.consumers(func(s *axle.Step) bool { return found == nil || narrowed[placeOf(s)] })
	if err := r.listFor(ctx, consumers); err != nil {
		return nil, err
	}
	return r.stale(consumers, r.liveOutputs), nil
}

// know takes over what was read already.
func (r *references) know(found []Deployed) {
	for _, d := range found {
		t := axle.Target{Account: d.Account.ID, Region: d.Region}
		l := r.live[t]
		if l == nil {
			l = &listing{stacks: map[string]*cfn.Stack{}}
			r.live[t] = l
		}
		if d.Live != nil {
			l.stacks[d.StackName] = d.Live
		}
		if d.Failure != nil {
			l.err = d.Failure
		}
	}
}

// consumers are the steps that read outputs, and that keep wants.
func (r *references) consumers(keep func(*axle.Step) bool) []*axle.Step {
	seen := map[string]bool{}
	var out []*axle.Step
	for i := range r.plan.Steps {
		s := &r.plan.Steps[i]
		reads := len(s.Reads) > 0 || len(r.plan.Exports(s)) > 0
		for _, v := range s.Input {
			reads = reads || len(v.Refs) > 0
		}
		if s.Kind == plan.KindStack && reads && !seen[s.ID] && keep(s) {
			seen[s.ID] = true
			out = append(out, s)
		}
	}
	return out
}

// listFor reads the targets of consumers and of what they read.
func (r *references) listFor(ctx context.Context, consumers []*axle.Step) error {
	look := map[axle.Target]bool{}
	for _, s := range consumers {
		look[s.Target()] = true
		for _, refs := range r.refsOf(s) {
			for _, ref := range refs {
				for _, step := range ref.Steps {
					_, t := plan.StackOf(step)
					look[t] = true
				}
			}
		}
		for _, reads := range r.plan.Exports(s) {
			for _, x := range reads {
				look[x.Target()] = true
			}
		}
	}
	return r.list(ctx, look)
}

// refsOf are the references of a step, by input; "" for those of the template.
func (r *references) refsOf(s *axle.Step) map[string][]axle.Ref {
	out := map[string][]axle.Ref{}
	for name, v := range s.Input {
		if len(v.Refs) > 0 {
			out[name] = v.Refs
		}
	}
	if len(s.Reads) > 0 {
		out[""] = s.Reads
	}
	return out
}

// liveOutputs are the outputs of a step's deployed stack.
func (r *references) liveOutputs(step string) (map[string]string, bool) {
	s := r.steps[step]
	if s == nil {
		return nil, false
	}
	st := r.stack(s)
	if st == nil {
		return nil, false
	}
	return st.Outputs, true
}

// readExport answers export() from what is deployed of the project.
func (r *references) readExport(reads []axle.Read) map[axle.Read]axle.Found {
	out := map[axle.Read]axle.Found{}
	for _, x := range reads {
		out[x] = axle.Found{Err: errNotLooked}
		if l := r.live[x.Target()]; l != nil && x.Kind == axle.ReadExport {
			for _, st := range l.stacks {
				if value, ok := st.Exports[x.Name]; ok {
					out[x] = axle.Found{Value: value}
				}
			}
		}
	}
	return out
}

var errNotLooked = errors.New("not looked at")

// stale compares what consumers have with what the outputs are.
func (r *references) stale(consumers []*axle.Step, outputs plan.Outputs) []Stale {
	var out []Stale
	for _, s := range consumers {
		st := r.stack(s)
		if st == nil {
			continue
		}
		base := Stale{Stack: s.Name, StackName: st.Name, Account: r.account(s.Account), Region: s.Region, step: s.ID}
		exports := r.plan.Exports(s)
		only := *s
		only.Input = map[string]axle.Value{}
		for name, v := range s.Input {
			if (len(v.Refs) > 0 || len(exports[name]) > 0) && !v.Secret && !slices.Contains(s.Spec.Stack.NoEcho, name) {
				only.Input[name] = v
			}
		}
		known := r.plan.Evaluate(&only, outputs, r.readExport)
		for _, name := range sortedNames(known) {
			v := known[name]
			has, ok := st.Parameters[name]
			if tag, is := strings.CutPrefix(name, "tag:"); is {
				has, ok = st.Tags[tag]
			}
			if v.Err != nil || len(v.After) > 0 || v.Secret || !ok || has == v.Value {
				continue
			}
			x := base
			x.StaleInput = axle.StaleInput{Input: name, Reads: readsWhat(s.Input[name].Refs), Has: has, Is: v.Value}
			for _, e := range exports[name] {
				x.Reads = append(x.Reads, e.String())
			}
			out = append(out, x)
		}
		if newer := r.newerReads(s, st); len(newer) > 0 {
			x := base
			x.StaleInput = axle.StaleInput{Reads: readsWhat(newer), Maybe: true}
			out = append(out, x)
		}
	}
	return out
}

// newerReads are the outputs that the stack's template reads of stacks that
// changed after it.
func (r *references) newerReads(s *axle.Step, st *cfn.Stack) []axle.Ref {
	var out []axle.Ref
	for _, ref := range s.Reads {
		producer := r.steps[ref.Steps[0]]
		if producer == nil {
			continue
		}
		if made := r.stack(producer); made != nil && made.Changed().After(st.Changed()) {
			out = append(out, ref)
		}
	}
	return out
}

// staleSteps are the ids of the steps whose stacks are stale.
func (w *Work) staleSteps(ctx context.Context) (map[string]bool, error) {
	found, err := w.Stale(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, s := range found {
		out[s.step] = true
	}
	return out, nil
}

// leftStale are the stacks outside of a run that has ended which read what it has
// changed.
func (w *Work) leftStale(ctx context.Context, p *plan.Plan, records []axle.Record) ([]Stale, error) {
	if p.Command == "destroy" || p.Command == "prune" || len(p.Narrowed) == 0 {
		return nil, nil
	}
	made, places := map[string]map[string]string{}, map[axle.Target]bool{}
	for i := range records {
		if x := &records[i]; x.Status == axle.Succeeded && x.Result.Change != axle.None && x.Result.Outputs != nil {
			made[x.Step] = x.Result.Outputs
			_, t := plan.StackOf(x.Step)
			places[t] = true
		}
	}
	if len(made) == 0 {
		return nil, nil
	}
	r, err := w.whatReads(ctx)
	if err != nil {
		return nil, err
	}
	inRun := map[string]bool{}
	for i := range p.Steps {
		inRun[p.Steps[i].ID] = true
	}
	consumers := r.consumers(func(s *axle.Step) bool {
		if inRun[s.ID] {
			return false
		}
		for _, reads := range r.plan.Exports(s) {
			if slices.ContainsFunc(reads, func(x axle.Read) bool { return places[x.Target()] }) {
				return true
			}
		}
		for _, refs := range r.refsOf(s) {
			for _, ref := range refs {
				if slices.ContainsFunc(ref.Steps, func(id string) bool { return made[id] != nil }) {
					return true
				}
			}
		}
		return false
	})
	if err := r.listFor(ctx, consumers); err != nil {
		return nil, err
	}
	return r.stale(consumers, func(id string) (map[string]string, bool) {
		if out := made[id]; out != nil {
			return out, true
		}
		return r.liveOutputs(id)
	}), nil
}
