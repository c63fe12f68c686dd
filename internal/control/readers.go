package control

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// A Reader is one stack that reads an output of another one, or a peering.
type Reader struct {
	// Producer is the project's name of the stack whose output it is.
	Producer        string
	ProducerAccount axle.Account
	ProducerRegion  string
	Output          string
	Export          string // name under which the output is exported, if it is

	Stack     string // in axle.yaml; "" when it isn't the project's
	StackName string
	Peering   string // in axle.yaml, where it isn't a stack that reads
	Account   axle.Account
	Region    string
	By        string        // output(), export(), Fn::ImportValue, ...
	Input     string        // the parameter that has the value, if one does
	Deployed  bool          // of a peering: the connection is there
	Failure   *axle.Failure // it isn't known whether it is deployed
}

// OutputReaders are the readers of one output of a deployed stack.
type OutputReaders struct {
	Stack, StackName string
	Account          axle.Account
	Region           string
	Output, Value    string
	Export           string
	Readers          []Reader
	Failure          *axle.Failure // the stack, or who imports from it, can't be read
}

// Readers finds who reads the outputs of the project's stacks: other stacks of
// the project by axle.yaml and by their templates, peerings, and whatever stack
// imports their exports. What is narrowed are the stacks that are read, not the readers.
func (w *Work) Readers(ctx context.Context) ([]OutputReaders, error) {
	narrowed, err := w.build(ctx, true)
	if err != nil {
		return nil, err
	}
	refs, err := w.whatReads(ctx)
	if err != nil {
		return nil, err
	}
	var producers []*axle.Step
	for i := range narrowed.Steps {
		if s := refs.steps[narrowed.Steps[i].ID]; s != nil {
			producers = append(producers, s)
		}
	}
	if err := refs.list(ctx, refs.targets(refs.plan.Steps)); err != nil {
		return nil, err
	}
	var uses []plan.Use
	for _, s := range producers {
		uses = append(uses, refs.uses[s.ID]...)
	}
	if err := refs.connect(ctx, uses); err != nil {
		return nil, err
	}
	out := make([][]OutputReaders, len(producers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limits().Global)
	for i, s := range producers {
		g.Go(func() error {
			out[i] = refs.outputsOf(gctx, s)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	rank := w.ranks()
	all := slices.Concat(out...)
	slices.SortStableFunc(all, func(a, b OutputReaders) int {
		return cmp.Or(cmp.Compare(rank[a.Stack], rank[b.Stack]), strings.Compare(a.Account.ID, b.Account.ID),
			strings.Compare(a.Region, b.Region), strings.Compare(a.Output, b.Output))
	})
	return all, nil
}

// references is what reads what in the project, with what is deployed of it.
type references struct {
	w      *Work
	plan   *plan.Plan            // whole
	steps  map[string]*axle.Step // of its stacks
	uses   map[string][]plan.Use // by the id of the producer's step
	driver *cfn.Driver

	live        map[axle.Target]*listing
	connections map[string]connection // of peerings, by the id of the request's step
	mu          sync.Mutex            // of the warnings
}

// listing is what is deployed in one target.
type listing struct {
	stacks map[string]*cfn.Stack // by name in CloudFormation
	err    error
}

func (w *Work) whatReads(ctx context.Context) (*references, error) {
	enabled, err := w.enabledRegions(ctx)
	if err != nil {
		return nil, err
	}
	whole, problems := plan.Whole(plan.Input{Project: w.project, Templates: w.templates, Org: w.org, Enabled: enabled})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	r := &references{w: w, plan: whole, steps: map[string]*axle.Step{}, uses: map[string][]plan.Use{},
		driver: w.driver(ctx, w.cloud, whole, nil), live: map[axle.Target]*listing{}, connections: map[string]connection{}}
	for i := range whole.Steps {
		if s := &whole.Steps[i]; s.Kind == plan.KindStack {
			r.steps[s.ID] = s
		}
	}
	for _, u := range whole.Uses() {
		r.uses[u.Producer] = append(r.uses[u.Producer], u)
	}
	return r, nil
}

// targets are those of steps, each once.
func (r *references) targets(steps []axle.Step) map[axle.Target]bool {
	out := map[axle.Target]bool{}
	for i := range steps {
		out[steps[i].Target()] = true
	}
	return out
}

// list reads what is deployed in the targets that weren't read yet.
func (r *references) list(ctx context.Context, targets map[axle.Target]bool) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.w.limits().Global)
	for t := range targets {
		if r.live[t] != nil {
			continue
		}
		l := &listing{stacks: map[string]*cfn.Stack{}}
		r.live[t] = l
		g.Go(func() error {
			found, err := r.driver.List(gctx, t, r.plan.Project)
			for i := range found {
				l.stacks[found[i].Name] = &found[i]
			}
			l.err = explainAt(err, "list the stacks", r.account(t.Account), t.Region)
			return gctx.Err()
		})
	}
	return g.Wait()
}

func (r *references) account(id string) axle.Account {
	if a, ok := r.w.org.Account(id); ok {
		return a
	}
	return axle.Account{ID: id}
}

// stack is the deployed stack of a step; nil when there is none.
func (r *references) stack(s *axle.Step) *cfn.Stack {
	l := r.live[s.Target()]
	if l == nil {
		return nil
	}
	st := l.stacks[s.Spec.Stack.StackName]
	if st == nil || st.State() == cfn.Shell || st.State() == cfn.Gone {
		return nil
	}
	return st
}

// outputsOf are the outputs of one stack, with their readers.
func (r *references) outputsOf(ctx context.Context, s *axle.Step) []OutputReaders {
	base := OutputReaders{Stack: s.Name, StackName: s.Spec.Stack.StackName, Account: r.account(s.Account), Region: s.Region}
	if l := r.live[s.Target()]; l != nil && l.err != nil {
		base.Failure = asFailure(l.err)
		return []OutputReaders{base}
	}
	st := r.stack(s)
	if st == nil {
		return nil
	}
	var out []OutputReaders
	for name, value := range st.Outputs {
		o := base
		o.Output, o.Value, o.Export = name, value, st.Exported[name]
		var err error
		if o.Readers, err = r.readersOf(ctx, s, name, o.Export); err != nil {
			o.Failure = asFailure(err)
		}
		out = append(out, o)
	}
	return out
}

// readersOf are the readers of one output of a step's stack, sorted. Those that
// CloudFormation names are there also when the error says that it didn't answer.
func (r *references) readersOf(ctx context.Context, s *axle.Step, output, export string) ([]Reader, error) {
	base := Reader{Producer: s.Name, ProducerAccount: r.account(s.Account), ProducerRegion: s.Region, Output: output, Export: export}
	var out []Reader
	for _, u := range r.uses[s.ID] {
		switch {
		case u.Output != output:
		case u.By == plan.ByPeering:
			out = append(out, r.peering(base, u))
		default:
			out = append(out, r.reader(base, u.Step, u.By, u.Input))
		}
	}
	var err error
	if export != "" {
		var imported []Reader
		imported, err = r.importers(ctx, base, s.Target())
		out = append(append(out, r.exportCalls(base)...), imported...)
	}
	slices.SortFunc(out, func(a, b Reader) int {
		return cmp.Or(strings.Compare(a.StackName, b.StackName), strings.Compare(a.Peering, b.Peering), strings.Compare(a.Account.ID, b.Account.ID),
			strings.Compare(a.Region, b.Region), strings.Compare(a.By, b.By), strings.Compare(a.Input, b.Input))
	})
	return out, err
}

// reader is a stack of the project as reader.
func (r *references) reader(base Reader, s *axle.Step, by, input string) Reader {
	base.Stack, base.StackName, base.Account, base.Region = s.Name, s.Spec.Stack.StackName, r.account(s.Account), s.Region
	base.By, base.Input, base.Deployed = by, input, r.stack(s) != nil
	if l := r.live[s.Target()]; l != nil {
		base.Failure = asFailure(l.err)
	}
	return base
}

// importers are the stacks that import an export: those that CloudFormation
// knows, and those of the project that will.
func (r *references) importers(ctx context.Context, base Reader, t axle.Target) ([]Reader, error) {
	names, err := r.driver.Importers(ctx, t, base.Export)
	byName := map[string]*axle.Step{}
	for i := range r.plan.Steps {
		if s := &r.plan.Steps[i]; s.Kind == plan.KindStack && s.Target() == t {
			byName[s.Spec.Stack.StackName] = s
		}
	}
	var out []Reader
	for _, name := range names {
		x := base
		x.StackName, x.Account, x.Region, x.By, x.Deployed = name, base.ProducerAccount, t.Region, plan.ByImport, true
		if s := byName[name]; s != nil {
			x.Stack = s.Name
		}
		out = append(out, x)
	}
	for name, s := range byName {
		made := r.w.templates[s.Name]
		if made == nil || slices.Contains(names, name) {
			continue
		}
		if slices.Contains(made.ImportNames(plan.WorldOf(s, nil)), base.Export) {
			x := r.reader(base, s, plan.ByImport, "")
			x.Deployed = false // what is deployed doesn't import it
			out = append(out, x)
		}
	}
	return out, explainAt(err, "list what imports export "+base.Export, base.ProducerAccount, t.Region)
}

// exportCalls are the stacks whose parameters have the export by export().
func (r *references) exportCalls(base Reader) []Reader {
	var out []Reader
	for i := range r.plan.Steps {
		s := &r.plan.Steps[i]
		if s.Kind != plan.KindStack {
			continue
		}
		for name, reads := range r.plan.Exports(s) {
			if slices.ContainsFunc(reads, func(x axle.Read) bool {
				return x.Name == base.Export && x.Account == base.ProducerAccount.ID && x.Region == base.ProducerRegion
			}) {
				out = append(out, r.reader(base, s, plan.ByExport, name))
			}
		}
	}
	return out
}

// explainAt makes an error of the driver one for people.
func explainAt(err error, what string, account axle.Account, region string) error {
	var call *cfn.CallError
	if errors.As(err, &call) {
		return cloud.Translate(call.Err, call.What, account, region)
	}
	return cloud.Translate(err, what, account, region)
}
