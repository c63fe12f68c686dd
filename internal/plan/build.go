package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/template"
)

// Source is a stack's template.
type Source = template.Template

// builder collects a plan's steps and what is wrong with them.
type builder struct {
	in        Input
	plan      *Plan
	problems  diag.List
	instances map[string]*instances // by stack
	accounts  map[string]axle.Account
	steps     []axle.Step
	reads     map[string]bool       // outputs steps that are in steps already
	checked   map[checkedValue]bool // against the template's limits
	reported  map[string]int        // how often a problem of one value was met: told once
}

// Build makes the plan. The list has errors (then the plan is nil) or warnings.
func Build(in Input) (*Plan, diag.List) {
	b := &builder{in: in, instances: map[string]*instances{}, accounts: map[string]axle.Account{},
		reads: map[string]bool{}, reported: map[string]int{}}
	hub, problems := FindHub(in.Project, in.Org)
	if problems.Err() != nil {
		return nil, problems
	}
	b.plan = &Plan{Project: in.Project.Name.Value, Command: "deploy", Env: in.Project.Env, Hub: hub, Vars: in.Project.Vars,
		Specs: map[string]*axle.Spec{}, Templates: map[string][]byte{}}
	if in.Destroy {
		b.plan.Command = "destroy"
	}
	for i := range in.Project.Stacks {
		s := &in.Project.Stacks[i]
		found, ok := b.findInstances(s)
		if !ok {
			continue
		}
		b.instances[s.Name] = found
		if len(found.all) == 0 {
			b.problems.Warn(s.TargetsPos, "axle org explain ACCOUNT --where EXPR tells why an account is in or out", "stack %q has no targets", s.Name)
		}
	}
	if b.problems.Err() != nil {
		return nil, b.problems
	}
	b.warnRegions()
	for i := range in.Project.Stacks {
		b.addStack(&in.Project.Stacks[i])
	}
	if !in.NoPeering {
		for i := range in.Project.Peerings {
			b.addPeering(&in.Project.Peerings[i])
		}
	}
	if in.Destroy && !in.whole {
		b.turnAround()
	}
	return b.finish()
}

func (b *builder) finish() (*Plan, diag.List) {
	if b.problems.Err() != nil {
		b.problems.Sort()
		return nil, b.problems
	}
	sorted, err := order(b.steps)
	if err != nil {
		b.problems.Add(b.whereNeeded(err), "break the circle: one of these must not need the other's outputs", "%v", err)
		return nil, b.problems
	}
	if b.checkRollouts(); b.problems.Err() != nil {
		return nil, b.problems
	}
	b.plan.Steps = sorted
	b.plan.Accounts = map[string]axle.Account{}
	for i := range sorted {
		b.plan.Accounts[sorted[i].Account] = b.accounts[sorted[i].Account]
	}
	return b.plan, b.problems
}

// whereNeeded finds the reference of axle.yaml that closes a circle of steps:
// the first that names an account or region, since without those the circle is
// one of stacks, which Check finds.
func (b *builder) whereNeeded(err error) diag.Pos {
	at := diag.Pos{File: b.in.Project.File}
	var graph *GraphError
	if !errors.As(err, &graph) {
		return at
	}
	for i := 1; i < len(graph.Cycle); i++ {
		user, needed := b.stack(stepName(graph.Cycle[i-1])), stepName(graph.Cycle[i])
		if user == nil {
			continue // of a peering: nothing needs one
		}
		for _, p := range slices.Concat(user.Parameters, user.Tags) {
			for _, c := range p.Value.Calls() {
				if !isRead(c.Func) && firstArg(c) == needed && (c.Account != nil || c.Region != nil) {
					return c.Pos
				}
			}
		}
		if at.Line == 0 {
			at = user.Pos
		}
	}
	return at
}

// spec is the part that all instances of a stack share.
func (b *builder) spec(s *config.Stack) *axle.Spec {
	key := "stack/" + s.Name
	if sp := b.plan.Specs[key]; sp != nil {
		return sp
	}
	st := &axle.StackSpec{Project: b.plan.Project, Stack: s.Name, StackName: s.StackName.Value,
		Protect: s.Protect, ExecutionRole: s.ExecutionRole.Value}
	if st.StackName == "" {
		st.StackName = b.plan.Project + "-" + s.Name
	}
	for _, c := range s.Capabilities {
		st.Capabilities = append(st.Capabilities, c.Value)
	}
	if t := b.in.Templates[s.Name]; t != nil {
		st.Template = t.Digest
		b.plan.Templates[t.Digest] = t.Body
		st.Opaque, st.Outputs = t.Opaque(), t.OutputNames()
		given := map[string]bool{}
		for _, p := range s.Parameters {
			given[p.Name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
			p := t.Parameters[name]
			if p.NoEcho {
				st.NoEcho = append(st.NoEcho, name)
			}
			if p.Default != nil && !given[name] && !p.NoEcho {
				if st.Defaults == nil {
					st.Defaults = map[string]string{}
				}
				st.Defaults[name] = *p.Default
			}
		}
	}
	sp := &axle.Spec{Stack: st}
	b.plan.Specs[key] = sp
	return sp
}

// addStack adds a step for each instance of a stack that the run acts on.
func (b *builder) addStack(s *config.Stack) {
	of := b.instances[s.Name]
	spec := b.spec(s)
	targets, waves := b.rolledOut(s, of)
	for i, t := range targets {
		account := b.accounts[t.Account]
		step := axle.Step{ID: StackStep(s.Name, t), Kind: KindStack, Name: s.Name, Account: t.Account, Wave: waves[i],
			AccountName: account.Name, Region: t.Region, Spec: spec, Input: map[string]axle.Value{}}
		needs := map[string]bool{}
		for i := range s.Parameters {
			p := &s.Parameters[i]
			step.Input[p.Name] = b.value(p, s.Name, t, slices.Contains(spec.Stack.NoEcho, p.Name), needs)
			b.checkValue(p, s.Name, t, step.Input[p.Name])
		}
		for i := range s.Tags {
			step.Input["tag:"+s.Tags[i].Name] = b.value(&s.Tags[i], s.Name, t, false, needs)
		}
		for _, d := range s.DependsOn {
			b.dependOn(d, t, needs)
		}
		b.templateReads(s, &step, needs)
		step.Needs = slices.Sorted(maps.Keys(needs))
		b.steps = append(b.steps, step)
	}
}

func (b *builder) dependOn(on config.Text, t axle.Target, needs map[string]bool) {
	of := b.instances[on.Value]
	if of == nil {
		return // config has reported it
	}
	for _, d := range of.depends(t) {
		if of.narrowed[d] {
			needs[StackStep(on.Value, d)] = true
		}
	}
}

// value makes a step's input of a parameter: evaluated now when it refers to
// no other stack, else bound to the steps that it refers to.
func (b *builder) value(p *config.Parameter, stack string, t axle.Target, secret bool, needs map[string]bool) axle.Value {
	sc := b.plan.scope(b.accounts[t.Account], t.Region)
	if secret && strings.Contains(p.Value.String(), "vars") && !onlySecret(p.Value) {
		b.plan.secretVars = true
	}
	if text, ok := p.Value.Literal(); ok {
		return axle.Value{Literal: text, Secret: secret}
	}
	calls := p.Value.Calls()
	if len(calls) == 0 {
		text, _, err := p.Value.Eval(sc, nil)
		if err != nil && !b.in.Destroy {
			b.once(p.ValuePos, fmt.Sprintf("%s of stack %q", p.Name, stack), t, err, "")
		}
		return axle.Value{Literal: text, Secret: secret}
	}
	v := axle.Value{Expr: p.Value.String(), Secret: secret || slices.ContainsFunc(calls, givesSecret)}
	asks := false
	for _, c := range calls {
		if isRead(c.Func) {
			asks = true
			continue
		}
		ref, err := b.bind(c, sc, t, needs)
		if err != nil && !b.in.Destroy {
			hint := `say which, in quotes: '${{ output("` + firstArg(c) + `", "` + secondArg(c) + `", {"account": ..., "region": ...}) }}'; or narrow the stack's targets`
			b.once(c.Pos, fmt.Sprintf("%s of stack %q", p.Name, stack), t, err, hint)
			continue
		}
		if err == nil {
			v.Refs = append(v.Refs, ref)
		}
	}
	if asks && !b.in.Destroy {
		// Nothing is read yet: this finds names that can't be, and missing tags.
		look := &lookup{refs: v.Refs, outputs: func(string) (map[string]string, bool) { return nil, false }, plan: b.plan, at: t}
		if _, _, err := p.Value.Eval(sc, look); err != nil {
			b.once(p.ValuePos, fmt.Sprintf("%s of stack %q", p.Name, stack), t, err, "")
		}
	}
	return v
}

// givesSecret says whether the value of a call must not be shown. Whether that of
// ssm() must not is known when it is read.
func givesSecret(c expr.Call) bool { return c.Func == axle.ReadSecret && !c.Dynamic }

func firstArg(c expr.Call) string  { return arg(c, 0) }
func secondArg(c expr.Call) string { return arg(c, 1) }

func arg(c expr.Call, i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// once reports a problem that may be the same for thousands of targets once,
// with the first of them.
func (b *builder) once(pos diag.Pos, what string, t axle.Target, err error, hint string) {
	key := pos.String() + what
	if b.reported[key]++; b.reported[key] > 1 {
		return
	}
	var inside diag.Diagnostic
	if errors.As(err, &inside) {
		addFailure(&b.problems, err, pos, what)
		return
	}
	account := b.accounts[t.Account]
	b.problems.Add(pos, hint, "%s in %s %s: %v", what, account.Label(), t.Region, err)
}

// addFailure reports what went wrong in an expression: it knows its own place,
// and names the account itself.
func addFailure(problems *diag.List, err error, pos diag.Pos, what string) {
	d := diag.Diagnostic{Summary: err.Error()}
	errors.As(err, &d)
	if d.Pos.Line == 0 {
		d.Pos = pos
	}
	if what != "" {
		d.Summary = what + ": " + d.Summary
	}
	*problems = append(*problems, d)
}

// bind resolves one call to the steps that it reads.
func (b *builder) bind(c expr.Call, sc expr.Scope, t axle.Target, needs map[string]bool) (axle.Ref, error) {
	ref := axle.Ref{Call: c.Source, Key: secondArg(c)}
	stack := firstArg(c)
	switch c.Func {
	case "outputs":
		ref.List = true
		of := b.instances[stack]
		if of == nil {
			return ref, fmt.Errorf("stack %q is unknown", stack)
		}
		for _, at := range of.all {
			ref.Steps = append(ref.Steps, b.need(stack, at, needs))
		}
		return ref, nil
	case "output":
		account, err := b.option(c.Account, sc)
		if err != nil {
			return ref, err
		}
		region, err := b.option(c.Region, sc)
		if err != nil {
			return ref, err
		}
		at, err := b.resolve(stack, t, account, region)
		if err != nil {
			return ref, err
		}
		ref.Steps = []string{b.need(stack, at, needs)}
		return ref, nil
	}
	return ref, fmt.Errorf("%s() names no stack", c.Func)
}

func (b *builder) option(text *expr.Text, sc expr.Scope) (string, error) {
	if text == nil {
		return "", nil
	}
	value, ok, err := text.Eval(sc, nil)
	if err == nil && !ok {
		err = fmt.Errorf("the account and region of output() can't depend on other outputs")
	}
	return value, err
}

// need returns the step that gives a stack's outputs in a target: its own step
// when the run acts on it, else a live read, which is added.
func (b *builder) need(stack string, at axle.Target, needs map[string]bool) string {
	if b.instances[stack].narrowed[at] {
		id := StackStep(stack, at)
		needs[id] = true
		return id
	}
	id := outputsStep(stack, at)
	needs[id] = true
	if !b.reads[id] && !b.in.Destroy {
		b.reads[id] = true
		account := b.accounts[at.Account]
		b.steps = append(b.steps, axle.Step{ID: id, Kind: KindOutputs, Name: stack, Account: at.Account,
			AccountName: account.Name, Region: at.Region, Spec: b.spec(b.stack(stack))})
	}
	return id
}

func (b *builder) stack(name string) *config.Stack {
	s, _ := b.in.Project.Stack(name)
	return s
}
