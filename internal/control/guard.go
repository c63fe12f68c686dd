package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/cfn"
	"axle/internal/config"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// StillReadError refuses to take away what others read.
type StillReadError struct {
	Readers []Reader
	failure *axle.Failure
}

func (e *StillReadError) Error() string { return e.failure.Message }
func (e *StillReadError) Unwrap() error { return e.failure }

// stillRead refuses because of readers.
func stillRead(readers []Reader) error {
	var lines []string
	index := map[string]int{}
	var names [][]string
	var nouns []string
	for i := range readers {
		x := &readers[i]
		key := fmt.Sprintf("%s of stack %q in %s %s", x.Output, x.Producer, x.ProducerAccount.Label(), x.ProducerRegion)
		at, ok := index[key]
		if !ok {
			at = len(lines)
			index[key] = at
			lines, names, nouns = append(lines, key), append(names, nil), append(nouns, x.noun())
		}
		names[at] = append(names[at], x.label())
		if nouns[at] != x.noun() {
			nouns[at] = "reader"
		}
	}
	for i := range lines {
		verb := "s"
		if len(names[i]) > 1 {
			verb = ""
		}
		lines[i] = fmt.Sprintf("%s: %s read%s it: %s", lines[i], count(len(names[i]), nouns[i]), verb, listed(names[i]))
	}
	hint := "let the readers go in the same run or change them first; axle outputs --readers shows all; --force-references goes on all the same"
	if slices.ContainsFunc(readers, func(r Reader) bool { return r.Peering != "" }) {
		hint = "a peering goes with its requester's stack: destroy that in the same run or before, or remove what axle.yaml doesn't have any more with axle prune; --force-references goes on all the same"
	}
	return &StillReadError{readers, &axle.Failure{Code: "StillRead", Blocked: true, Message: "what others still read would be gone; nothing was touched:\n  " + strings.Join(lines, "\n  "), Hint: hint}}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (r *Reader) noun() string {
	if r.Peering != "" {
		return "peering"
	}
	return "stack"
}

// label names a reader: what, where and how.
func (r *Reader) label() string {
	name, by, there := cmp.Or(r.Stack, r.StackName), r.By, "deployed"
	if r.Peering != "" {
		name, by, there = r.Peering, r.By+" as "+r.Input, "there"
	}
	text := fmt.Sprintf("%s in %s %s (%s)", name, r.Account.Label(), r.Region, by)
	if r.Failure != nil {
		text += ", if it is " + there + ": " + r.Failure.Message
	}
	return text
}

// refuseRead refuses to destroy what stacks and connections that stay read.
func (w *Work) refuseRead(ctx context.Context, p *plan.Plan) error {
	if w.opts.ForceReferences || p.Command != "destroy" {
		return nil
	}
	r, err := w.whatReads(ctx)
	if err != nil {
		return err
	}
	recorded, err := w.recordedUses(ctx, w.sameEnv)
	if err != nil {
		return err
	}
	inFile := map[string]bool{}
	for i := range r.plan.Steps {
		inFile[r.plan.Steps[i].ID] = true
	}
	// What was deployed once, and axle.yaml doesn't have any more.
	recorded = slices.DeleteFunc(recorded, func(u plan.Use) bool { return inFile[u.Step.ID] })
	if recorded, err = r.connected(ctx, recorded); err != nil {
		return err
	}
	for _, u := range recorded {
		r.uses[u.Producer] = append(r.uses[u.Producer], u)
	}
	var doomed []*axle.Step
	goes := map[place]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if r.steps[s.ID] != nil {
			doomed = append(doomed, r.steps[s.ID])
		}
		if s.Kind == plan.KindStack || s.Kind == axle.KindPeeringRequest {
			goes[placeOf(s)] = true
		}
	}
	readers, err := r.leftReading(ctx, doomed, goes)
	if err != nil {
		return err
	}
	if len(readers) > 0 {
		return stillRead(readers)
	}
	return nil
}

// leftReading are the deployed stacks and connections that read outputs of the
// doomed stacks, and aren't among what goes.
func (r *references) leftReading(ctx context.Context, doomed []*axle.Step, goes map[place]bool) ([]Reader, error) {
	look := map[axle.Target]bool{}
	var producers []*axle.Step
	var stay []plan.Use
	for _, s := range doomed {
		open := r.exports(s)
		for _, u := range r.uses[s.ID] {
			if !goes[placeOf(u.Step)] {
				open = true
				stay = append(stay, u)
				look[u.Step.Target()] = true
			}
		}
		if open {
			producers = append(producers, s)
			look[s.Target()] = true
		}
	}
	if err := r.list(ctx, look); err != nil {
		return nil, err
	}
	if err := r.connect(ctx, stay); err != nil {
		return nil, err
	}
	found := make([][]Reader, len(producers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, s := range producers {
		g.Go(func() error {
			found[i] = r.deployedReaders(gctx, s, goes)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// placeOf is where the stack of a step is, or the connection of a request.
func placeOf(s *axle.Step) place {
	if s.Kind == axle.KindPeeringRequest {
		return place{s.Target(), peeringPlace(s.Name)}
	}
	return place{s.Target(), s.Spec.Stack.StackName}
}

// exports says whether the stack may have exports; of a template that isn't known
// nobody can say.
func (r *references) exports(s *axle.Step) bool {
	t := r.w.templates[s.Name]
	if t == nil {
		return true
	}
	for _, o := range t.Outputs {
		if o.Export != "" {
			return true
		}
	}
	return false
}

// deployedReaders are those of a stack that are deployed, or may be, and don't go.
func (r *references) deployedReaders(ctx context.Context, s *axle.Step, goes map[place]bool) []Reader {
	st := r.stack(s)
	if st == nil {
		return nil // nothing is there to be deleted
	}
	var out []Reader
	for _, name := range sortedNames(st.Outputs) {
		readers, err := r.readersOf(ctx, s, name, st.Exported[name])
		if err != nil { // CloudFormation itself protects exports
			r.warnOnce("who imports %s isn't known: %v", st.Exported[name], err)
		}
		for _, x := range readers {
			if (x.Deployed || x.Failure != nil) && !goes[x.place()] {
				out = append(out, x)
			}
		}
	}
	return out
}

// warnOnce warns of what several may come to at the same time.
func (r *references) warnOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.w.Warnings, text) {
		r.w.warn("%s", text)
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sameEnv are the runs of this environment.
func (w *Work) sameEnv(run axle.Run) bool { return run.Env == w.project.Env }

// recordedUses are what earlier deployments read, each stack's latest.
func (w *Work) recordedUses(ctx context.Context, chosen func(axle.Run) bool) ([]plan.Use, error) {
	db, err := readStore(ctx, w.opts)
	if errors.Is(err, axle.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var out []plan.Use
	seen := map[string]bool{}
	err = recordedPlans(ctx, db, w.Project(), recordedRuns, func(r axle.Run) bool { return isDeploy(r) && chosen(r) }, func(_ axle.Run, was *plan.Plan) bool {
		for _, u := range was.Uses() {
			if !seen[u.Step.ID] {
				out = append(out, u)
			}
		}
		for i := range was.Steps {
			seen[was.Steps[i].ID] = true
		}
		return true
	})
	return out, err
}

// recordedRuns is how many earlier runs are looked at.
const recordedRuns = 10

// outputGuard refuses updates that take outputs away which stacks outside of the
// plan read. It looks only when an update takes outputs away at all.
func (w *Work) outputGuard(p *plan.Plan) func(context.Context, *axle.Step, *cfn.Stack, []string) error {
	if w.opts.ForceReferences {
		return nil
	}
	goes := map[place]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Kind == plan.KindStack {
			goes[placeOf(s)] = true
		}
	}
	var mu sync.Mutex
	var refs *references
	load := func(ctx context.Context) error {
		r, err := w.whatReads(ctx)
		if err != nil {
			return err
		}
		recorded, err := w.recordedUses(ctx, w.sameEnv)
		if err != nil {
			return err
		}
		for _, u := range recorded {
			r.uses[u.Producer] = append(r.uses[u.Producer], u)
		}
		refs = r
		return nil
	}
	return func(ctx context.Context, step *axle.Step, st *cfn.Stack, gone []string) error {
		mu.Lock() // the loading and the listing; few stacks lose outputs
		defer mu.Unlock()
		if refs == nil {
			if err := load(ctx); err != nil {
				return err
			}
		}
		return refs.refuseGone(ctx, step, st, gone, goes)
	}
}

// refuseGone refuses because of the readers of outputs that an update takes away;
// peerings aren't among them: what axle.yaml's name is checked before a run, and a
// connection that was made doesn't need the output any more.
// Those that import within the same run must be updated before: CloudFormation
// says so itself.
func (r *references) refuseGone(ctx context.Context, step *axle.Step, st *cfn.Stack, gone []string, goes map[place]bool) error {
	look := map[axle.Target]bool{}
	for _, u := range r.uses[step.ID] {
		if slices.Contains(gone, u.Output) && !goes[placeOf(u.Step)] {
			look[u.Step.Target()] = true
		}
	}
	if err := r.list(ctx, look); err != nil {
		return err
	}
	var lines []string
	hint := ""
	for _, name := range gone {
		readers, err := r.readersOf(ctx, step, name, st.Exported[name])
		if err != nil {
			r.warnOnce("who imports %s isn't known: %v", st.Exported[name], err)
		}
		var names []string
		for _, x := range readers {
			if (x.Deployed || x.Failure != nil) && (!goes[x.place()] || x.By == plan.ByImport) {
				names = append(names, x.label())
			}
		}
		slices.Sort(names)
		if names = slices.Compact(names); len(names) > 0 {
			verb := " reads"
			if len(names) > 1 {
				verb = "s read"
			}
			lines = append(lines, fmt.Sprintf("output %s is removed, %d stack%s it: %s", name, len(names), verb, listed(names)))
			hint = "keep the output until they are changed; --force-references goes on all the same"
			if st.Exported[name] != "" {
				hint = "keep the output and its export until they are changed: CloudFormation refuses to delete an export in use"
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return &axle.Failure{Code: "StillRead", Blocked: true, Resource: st.Name, Message: strings.Join(lines, "; "), Hint: hint}
}

// stackOutputReaders tells for stacks that axle.yaml doesn't have any more which
// templates of the project read them by Fn::GetStackOutput.
func (r *references) stackOutputReaders() map[place][]string {
	out := map[place][]string{}
	for i := range r.plan.Steps {
		s := &r.plan.Steps[i]
		t := r.w.templates[s.Name]
		if s.Kind != plan.KindStack || t == nil {
			continue
		}
		for _, o := range t.StackOutputs(plan.WorldOf(s, nil)) {
			at := place{axle.Target{Account: o.Account(s.Account), Region: o.Region}, o.Stack}
			out[at] = append(out[at], fmt.Sprintf("%s in %s", s.Name, s.Where()))
		}
	}
	return out
}

// holdRead adds to held which of the surplus stacks are read by stacks that stay:
// by output(), as far as the runs that deployed these tell, and by their templates.
// Those of a target that wasn't looked into count as staying, unless the account
// is closed or has left.
func (w *Work) holdRead(ctx context.Context, found []surplus, going []lapsed, stays map[axle.Target]map[string]bool, held map[place]string) error {
	if w.opts.ForceReferences || len(found) == 0 {
		return nil
	}
	byStep := map[string]place{}
	for _, s := range found {
		byStep[plan.StackStep(s.stack.Tags[cfn.TagStack], s.target)] = place{s.target, s.stack.Name}
	}
	recorded, err := w.recordedUses(ctx, func(axle.Run) bool { return true })
	if err != nil {
		return err
	}
	for _, u := range recorded {
		there, looked := stays[u.Step.Target()]
		if u.By == plan.ByPeering {
			continue
		}
		account, known := w.org.Account(u.Step.Account)
		if at, ok := byStep[u.Producer]; ok && known && account.Active() && (!looked || there[u.Step.Spec.Stack.StackName]) {
			held[at] = fmt.Sprintf("its output %s is read by stack %s in %s, which stays and was last deployed with it", u.Output, u.Step.Name, u.Step.Where())
		}
	}
	if err := w.holdConnected(ctx, recorded, byStep, going, held); err != nil {
		return err
	}
	if !slices.ContainsFunc(w.project.Stacks, func(s config.Stack) bool {
		t := w.templates[s.Name]
		return t != nil && t.HasStackOutputs()
	}) {
		return nil
	}
	r, err := w.whatReads(ctx)
	if err != nil {
		return err
	}
	readers := r.stackOutputReaders()
	for _, s := range found {
		at := place{s.target, s.stack.Name}
		if names := readers[at]; len(names) > 0 {
			held[at] = "its outputs are read by " + plan.ByStackOutput + " in the template of " + listed(names)
		}
	}
	return nil
}
