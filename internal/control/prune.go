package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/action"
	"axle/internal/cfn"
	"axle/internal/config"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// surplus is a stack of the project that nothing in axle.yaml asks for.
type surplus struct {
	target axle.Target
	stack  cfn.Stack
}

// PlanPrune opens the project and finds its stacks and peerings that axle.yaml has
// no more, or that are where nothing targets any more: in every account of the
// organization that can be entered, in every region that it has enabled. What any
// environment wants stays. The plan deletes the stacks in the reverse order of their
// references, and before them the peerings of their VPCs.
//
// What has left the targets is deleted: so the organization is discovered anew,
// with all tags, as an environment that isn't the chosen one may select by them.
func PlanPrune(ctx context.Context, o Options) (*Work, *plan.Plan, error) {
	o.Refresh = true
	w, err := Load(o)
	if err != nil {
		return nil, nil, err
	}
	if err := w.connect(ctx, true, true); err != nil {
		return nil, nil, err
	}
	if err := w.fetchTemplates(ctx); err != nil {
		return nil, nil, err
	}
	p, err := w.planPrune(ctx)
	return w, p, err
}

func (w *Work) planPrune(ctx context.Context) (*plan.Plan, error) {
	places, regions, err := w.everywhere(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := w.wanted(regions)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{Project: w.project.Name.Value, Command: "prune", Env: w.project.Env, Hub: w.hub, Narrowed: w.narrowing(),
		Accounts: map[string]axle.Account{}, Specs: map[string]*axle.Spec{}, Templates: map[string][]byte{}}
	driver := w.driver(ctx, w.cloud, p, nil)
	found, stays, err := w.findSurplus(ctx, driver, places, wanted.stacks)
	if err != nil {
		return nil, err
	}
	lapsed, err := w.findLapsed(ctx, slices.SortedFunc(maps.Keys(stays), axle.Target.Compare), wanted)
	if err != nil {
		return nil, err
	}
	before, err := w.formerReaders(ctx, found)
	if err != nil {
		return nil, err
	}
	held, err := exporters(ctx, driver, found, before)
	if err != nil {
		return nil, err
	}
	if err := w.holdRead(ctx, found, lapsed, stays, held); err != nil {
		return nil, err
	}
	steps, removals := w.pruneSteps(p, found, before, held), w.removePeerings(p, lapsed)
	if p.Steps, err = plan.Arrange(afterPeerings(steps, removals)); err != nil { // references of different times contradict each other
		for i := range steps {
			steps[i].Needs = nil
		}
		p.Steps, err = plan.Arrange(afterPeerings(steps, removals))
	}
	return p, err
}

// everywhere are the accounts and regions to look into. Accounts that can't be
// entered are told of.
func (w *Work) everywhere(ctx context.Context) ([]axle.Target, map[string][]string, error) {
	var mu sync.Mutex
	regions := map[string][]string{}
	var closed []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, a := range w.org.Accounts {
		if !a.Active() {
			closed = append(closed, a.Label()+" is "+a.Status)
			continue
		}
		g.Go(func() error {
			list, err := w.cloud.Regions(gctx, a)
			mu.Lock()
			defer mu.Unlock()
			if err != nil { // it may still be let in where the project works
				list = w.workRegions()
			}
			regions[a.ID] = list
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	if len(closed) > 0 {
		w.warn("not looked into: %s", listed(closed))
	}
	var out []axle.Target
	for _, a := range w.org.Accounts {
		for _, region := range regions[a.ID] {
			if len(w.opts.Regions) > 0 && !slices.Contains(w.opts.Regions, region) {
				continue
			}
			if w.where != nil {
				sc := w.Scope(a)
				sc.Region = region
				ok, err := w.where.Match(sc)
				if err != nil {
					return nil, nil, err
				}
				if !ok {
					continue
				}
			}
			out = append(out, axle.Target{Account: a.ID, Region: region})
		}
	}
	return out, regions, nil
}

// workRegions are the regions that axle.yaml names, sorted.
func (w *Work) workRegions() []string {
	all := map[string]bool{w.Region(): true}
	for _, r := range w.project.Regions {
		all[r.Value] = true
	}
	for i := range w.project.Stacks {
		for _, r := range w.project.Stacks[i].Regions.List {
			all[r.Value] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// listed names a few, and counts many.
func listed(names []string) string {
	if len(names) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:4], ", "), len(names)-4)
	}
	return strings.Join(names, ", ")
}

// wants is what axle.yaml asks for: names of stacks in each target, and connections
// of peerings.
type wants struct {
	stacks   map[axle.Target]map[string]bool
	peerings map[plan.Peering]bool
}

// wanted is what axle.yaml asks for in any of its environments and without
// narrowing. An environment with a mistake is an error: what it wants isn't known.
func (w *Work) wanted(regions map[string][]string) (*wants, error) {
	out := &wants{map[axle.Target]map[string]bool{}, map[plan.Peering]bool{}}
	for _, env := range append([]string{""}, w.project.Environments...) {
		project, problems := config.Load(w.project.File, env)
		err := problems.Err()
		var p *plan.Plan
		if err == nil {
			in := plan.Input{Project: project, Org: w.org, Enabled: regions, Destroy: true}
			p, problems = plan.Build(in)
			if err = problems.Err(); err != nil && env == "" && len(w.project.Environments) > 0 { // its stacks may make sense without its peerings
				in.NoPeering = true
				p, problems = plan.Build(in)
				err = problems.Err()
			}
		}
		switch {
		case err != nil && env == "" && len(w.project.Environments) > 0:
			continue // a file that only makes sense with an environment
		case err != nil && env != "":
			return nil, fmt.Errorf("environment %s: %w", env, err)
		case err != nil:
			return nil, err
		}
		for i := range p.Steps {
			s := &p.Steps[i]
			if s.Kind != plan.KindStack {
				continue
			}
			if out.stacks[s.Target()] == nil {
				out.stacks[s.Target()] = map[string]bool{}
			}
			out.stacks[s.Target()][s.Spec.Stack.StackName] = true
		}
		for _, c := range p.Peerings() {
			out.peerings[c] = true
		}
	}
	return out, nil
}

// findSurplus lists the project's stacks everywhere, counts them, and tells those
// that nobody wants from those that stay. Roles of bootstrap are the project's, and
// neither. stays has no entry for a target that wasn't, or couldn't be, looked into.
func (w *Work) findSurplus(ctx context.Context, driver *cfn.Driver, places []axle.Target, wanted map[axle.Target]map[string]bool) (found []surplus, stays map[axle.Target]map[string]bool, err error) {
	var mu sync.Mutex
	stays = map[axle.Target]map[string]bool{}
	var closed []string
	why := ""
	w.deployed = 0
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limits().Global)
	for _, t := range places {
		g.Go(func() error {
			live, err := driver.List(gctx, t, w.Project())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				account, _ := w.org.Account(t.Account)
				closed, why = append(closed, account.Label()+" "+t.Region), asFailure(cfnFailure(err, account, t.Region)).Message
				return gctx.Err()
			}
			stays[t] = map[string]bool{}
			for _, s := range live {
				if strings.HasPrefix(s.Tags[cfn.TagStack], "bootstrap-") {
					continue
				}
				w.deployed++
				if !wanted[t][s.Name] {
					found = append(found, surplus{t, s})
				} else if s.State() != cfn.Shell {
					stays[t][s.Name] = true
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	if len(closed) > 0 {
		slices.Sort(closed)
		w.warn("not looked into: %s: %s", listed(closed), why)
	}
	slices.SortFunc(found, func(a, b surplus) int {
		if a.stack.Name != b.stack.Name {
			return strings.Compare(a.stack.Name, b.stack.Name)
		}
		return a.target.Compare(b.target)
	})
	return found, stays, nil
}

// place names a stack by where it is and what CloudFormation calls it.
type place struct {
	axle.Target
	name string
}

// formerReaders reads from the plans of earlier runs which of the surplus stacks
// read outputs of which others: before has, for each stack, what is deleted
// before it.
func (w *Work) formerReaders(ctx context.Context, found []surplus) (before map[place][]place, err error) {
	before = map[place][]place{}
	db, err := readStore(ctx, w.opts)
	if err != nil || len(found) < 2 {
		return before, nil // no record: the exports still count
	}
	defer db.Close()
	byStep := map[string]place{}
	for _, s := range found {
		byStep[plan.StackStep(s.stack.Tags[cfn.TagStack], s.target)] = place{s.target, s.stack.Name}
	}
	open := len(byStep)
	seen := map[string]bool{}
	err = recordedPlans(ctx, db, w.Project(), brakeRuns, isDeploy, func(_ axle.Run, was *plan.Plan) bool {
		for i := range was.Steps {
			s := &was.Steps[i]
			reader, ok := byStep[s.ID]
			if !ok || seen[s.ID] {
				continue
			}
			seen[s.ID] = true
			open--
			for _, need := range s.Needs {
				if producer, ok := byStep[need]; ok {
					before[producer] = append(before[producer], reader)
				}
			}
		}
		return open > 0
	})
	return before, err
}

// exporters adds to before who imports what the surplus stacks export. Those
// whose exports are imported by stacks that stay are held, with the reason.
func exporters(ctx context.Context, driver *cfn.Driver, found []surplus, before map[place][]place) (map[place]string, error) {
	goes := map[place]bool{}
	for _, s := range found {
		goes[place{s.target, s.stack.Name}] = true
	}
	held := map[place]string{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, s := range found {
		for export := range s.stack.Exports {
			g.Go(func() error {
				readers, err := driver.Importers(gctx, s.target, export)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				at := place{s.target, s.stack.Name}
				for _, r := range readers {
					reader := place{s.target, r}
					if goes[reader] {
						before[at] = append(before[at], reader)
					} else {
						held[at] = fmt.Sprintf("its export %s is imported by stack %s, which stays", export, r)
					}
				}
				return nil
			})
		}
	}
	return held, g.Wait()
}

// pruneSteps makes a deletion of each surplus stack. Stacks of one name in
// axle.yaml that CloudFormation calls differently have CloudFormation's name.
func (w *Work) pruneSteps(p *plan.Plan, found []surplus, before map[place][]place, held map[place]string) []axle.Step {
	names := map[string]string{} // of axle.yaml -> of CloudFormation
	for _, s := range found {
		tag := s.stack.Tags[cfn.TagStack]
		if was, ok := names[tag]; ok && was != s.stack.Name {
			names[tag] = ""
		} else if !ok {
			names[tag] = s.stack.Name
		}
	}
	ids := map[place]string{}
	steps := make([]axle.Step, 0, len(found))
	for _, s := range found {
		tag := s.stack.Tags[cfn.TagStack]
		name := tag
		if names[tag] == "" || tag == "" {
			name = s.stack.Name
		}
		account, _ := w.org.Account(s.target.Account)
		p.Accounts[account.ID] = account
		spec := p.Specs["stack/"+name]
		if spec == nil {
			spec = &axle.Spec{Stack: &axle.StackSpec{Project: p.Project, Stack: tag, StackName: s.stack.Name}}
			p.Specs["stack/"+name] = spec
		}
		at := place{s.target, s.stack.Name}
		step := axle.Step{ID: plan.StackStep(name, s.target), Kind: plan.KindStack, Name: name, Account: account.ID,
			AccountName: account.Name, Region: s.target.Region, Delete: true, Spec: spec}
		if why := held[at]; why != "" {
			step.Input = map[string]axle.Value{axle.HeldInput: {Literal: why}}
		}
		ids[at] = step.ID
		steps = append(steps, step)
	}
	for i, s := range found {
		for _, reader := range before[place{s.target, s.stack.Name}] {
			if id := ids[reader]; id != "" && id != steps[i].ID {
				steps[i].Needs = append(steps[i].Needs, id)
			}
		}
		slices.Sort(steps[i].Needs)
		steps[i].Needs = slices.Compact(steps[i].Needs)
	}
	return steps
}

// holdAgain gives the steps of a prune that goes on the reasons of now to stay: what
// held a stack may be gone, and what nobody wanted may be wanted again.
func holdAgain(p, now *plan.Plan) {
	inputs, lapsed := map[place]map[string]axle.Value{}, map[string]bool{}
	for i := range now.Steps {
		if s := &now.Steps[i]; s.Kind == plan.KindStack {
			inputs[placeOf(s)] = s.Input
		} else {
			lapsed[s.Input[action.ConnectionInput].Literal] = true
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		surplus := lapsed[s.Input[action.ConnectionInput].Literal]
		if s.Kind == plan.KindStack {
			var input map[string]axle.Value
			if input, surplus = inputs[placeOf(s)]; s.Input[axle.HeldInput].Literal != "" {
				s.Input = input
			}
		}
		if !surplus {
			if s.Input == nil {
				s.Input = map[string]axle.Value{}
			}
			s.Input[axle.HeldInput] = axle.Value{Literal: "axle.yaml asks for it now, or its account couldn't be looked into"}
		}
	}
}

// PreviewPlan finds out what a plan would do, as Preview does.
func (w *Work) PreviewPlan(ctx context.Context, p *plan.Plan, watch Watch, stop <-chan struct{}) (*Preview, error) {
	return w.preview(ctx, p, false, watch, stop)
}

// Prune deletes what PlanPrune found.
func (w *Work) Prune(ctx context.Context, p *plan.Plan, watch Watch, stop <-chan struct{}) (*Done, error) {
	return w.start(ctx, &Preview{ID: w.run, Plan: p}, true, watch, stop)
}
