package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/action"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/late"
	"axle/internal/plan"
	"axle/internal/template"

	"golang.org/x/sync/errgroup"
)

// paramsAtOnce is how many targets' parameters are worked out at a time.
const paramsAtOnce = 64

// Param is a parameter of a stack in one target, with where its value comes from.
type Param struct {
	Stack, Name, Type string
	Account           axle.Account
	Region            string
	NoEcho            bool
	// Value is empty when it is Secret, not known before the stacks of After are
	// deployed, or when Failure says why there is none.
	Value   string
	Secret  bool
	After   []string
	From    []string
	Failure *axle.Failure
}

// Params finds the value of each parameter of the project's stacks, or of one of
// them, in every target, in the order of axle.yaml. It changes nothing.
func (w *Work) Params(ctx context.Context, stack string) ([]Param, error) {
	if _, ok := w.project.Stack(stack); !ok && stack != "" {
		return nil, w.unknownStack(stack)
	}
	p, err := w.build(ctx, false)
	if err != nil {
		return nil, err
	}
	values := w.cloud.Values()
	read := func(reads []axle.Read) map[axle.Read]axle.Found { return values.Read(ctx, reads) }
	live := w.liveOutputs(ctx, p)
	found := make([][]Param, len(p.Steps))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(paramsAtOnce)
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.KindStack || stack != "" && s.Name != stack {
			continue
		}
		g.Go(func() error {
			found[i] = w.params(p, s, p.Evaluate(s, live.outputs, read), live)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	rank := w.ranks()
	out := slices.Concat(found...)
	slices.SortStableFunc(out, func(a, b Param) int { return rank[a.Stack] - rank[b.Stack] })
	return out, nil
}

// ranks are the places of the stacks in axle.yaml, from 1.
func (w *Work) ranks() map[string]int {
	out := make(map[string]int, len(w.project.Stacks))
	for i := range w.project.Stacks {
		out[w.project.Stacks[i].Name] = i + 1
	}
	return out
}

func (w *Work) unknownStack(name string) error {
	var names []string
	for i := range w.project.Stacks {
		names = append(names, w.project.Stacks[i].Name)
	}
	hint := "the stacks are " + strings.Join(names, ", ")
	if near := diag.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &axle.Failure{Code: "UnknownStack", Message: fmt.Sprintf("%s has no stack %q", w.project.File, name), Hint: hint, Blocked: true}
}

// liveOutputs reads outputs of deployed stacks, each once.
type liveOutputs struct {
	read  func(*axle.Step) (map[string]string, error)
	steps map[string]*axle.Step
	mu    sync.Mutex
	once  map[string]func() (map[string]string, error)
}

func (w *Work) liveOutputs(ctx context.Context, p *plan.Plan) *liveOutputs {
	reader := action.NewOutputs(w.driver(ctx, w.cloud, p, nil))
	l := &liveOutputs{steps: map[string]*axle.Step{}, once: map[string]func() (map[string]string, error){}}
	l.read = func(s *axle.Step) (map[string]string, error) {
		done, err := reader.Start(ctx, s, axle.Inputs{})
		return done.Result.Outputs, err
	}
	for i := range p.Steps {
		l.steps[p.Steps[i].ID] = &p.Steps[i]
	}
	return l
}

func (l *liveOutputs) get(id string) (map[string]string, error) {
	l.mu.Lock()
	once := l.once[id]
	if once == nil {
		once = sync.OnceValues(func() (map[string]string, error) { return l.read(l.steps[id]) })
		l.once[id] = once
	}
	l.mu.Unlock()
	return once()
}

func (l *liveOutputs) outputs(id string) (map[string]string, bool) {
	out, err := l.get(id)
	return out, err == nil
}

// failure is why one of the outputs that a value refers to couldn't be read;
// that the stack isn't deployed yet is none.
func (l *liveOutputs) failure(v axle.Value) error {
	for _, ref := range v.Refs {
		for _, id := range ref.Steps {
			var f *axle.Failure
			if _, err := l.get(id); err != nil && !(errors.As(err, &f) && f.Code == "NotDeployed") {
				return err
			}
		}
	}
	return nil
}

// params are the parameters of one step, sorted by name.
func (w *Work) params(p *plan.Plan, s *axle.Step, known map[string]plan.InputValue, live *liveOutputs) []Param {
	stack, _ := w.project.Stack(s.Name)
	given := map[string]*config.Parameter{}
	for i := range stack.Parameters {
		given[stack.Parameters[i].Name] = &stack.Parameters[i]
	}
	declared := map[string]template.Parameter{}
	if t := w.templates[s.Name]; t != nil {
		declared = t.Parameters
	}
	names := slices.Collect(maps.Keys(given))
	for name := range declared {
		if given[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make([]Param, 0, len(names))
	for _, name := range names {
		d := declared[name]
		one := Param{Stack: s.Name, Name: name, Type: d.Type, NoEcho: d.NoEcho, Account: p.Accounts[s.Account], Region: s.Region}
		if given[name] != nil {
			w.given(&one, given[name], s, known[name], live)
		} else {
			w.notGiven(&one, d)
		}
		if one.Secret = one.Secret || one.NoEcho; one.Secret {
			one.Value = ""
		}
		out = append(out, one)
	}
	return out
}

// given fills in a parameter that axle.yaml or a file of parameters sets.
func (w *Work) given(one *Param, from *config.Parameter, s *axle.Step, v plan.InputValue, live *liveOutputs) {
	one.From = w.sources(from, s, v)
	one.Value, one.Secret, one.After = v.Value, v.Secret, v.After
	err := v.Err
	if len(v.After) > 0 {
		if failed := live.failure(s.Input[one.Name]); failed != nil {
			err, one.After = failed, nil
		}
	}
	if err != nil {
		f := *asFailure(err)
		one.Failure = &f
	}
}

// notGiven fills in a parameter that has its default, or stays what it is.
func (w *Work) notGiven(one *Param, d template.Parameter) {
	if d.Default == nil {
		one.From = []string{"the stack: it stays what it is"}
		return
	}
	one.Value, one.From = *d.Default, []string{"default, " + w.line(d.Pos)}
}

// sources tells where a value comes from, the nearest first.
func (w *Work) sources(from *config.Parameter, s *axle.Step, v plan.InputValue) []string {
	out := []string{w.line(from.Pos)}
	if w.fromEnvironment(from.Value.String()) {
		out = append(out, "environment "+w.project.Env)
	}
	for _, ref := range s.Input[from.Name].Refs {
		out = append(out, w.outputSource(ref, s.Target()))
	}
	for _, r := range v.Reads {
		out = append(out, w.readSource(r, s.Target()))
	}
	if slices.ContainsFunc(from.Value.Calls(), func(c expr.Call) bool { return c.Dynamic }) {
		out = append(out, "secret, read by CloudFormation")
	}
	return out
}

// line is a position as people cite it: relative to the project's folder.
func (w *Work) line(pos diag.Pos) string {
	file := pos.File
	if near, err := filepath.Rel(w.project.Dir, file); err == nil && !strings.HasPrefix(near, "..") {
		file = near
	}
	return fmt.Sprintf("%s:%d", file, pos.Line)
}

var varsKey = late.MustCompile(`\bvars(?:\.(\w+)|\[["'](\w+)["']\])`)

// fromEnvironment says whether an expression reads vars of the environment.
func (w *Work) fromEnvironment(source string) bool {
	for _, m := range varsKey.FindAllStringSubmatch(source, -1) {
		if slices.Contains(w.project.EnvVars, m[1]+m[2]) {
			return true
		}
	}
	return false
}

func (w *Work) outputSource(ref axle.Ref, at axle.Target) string {
	if ref.List || len(ref.Steps) != 1 {
		return fmt.Sprintf("outputs %s of %d instances", ref.Key, len(ref.Steps))
	}
	parts := strings.Split(ref.Steps[0], "/") // kind/stack/account/region
	if (axle.Target{Account: parts[2], Region: parts[3]}) == at {
		return fmt.Sprintf("output %s of %s", ref.Key, parts[1])
	}
	return fmt.Sprintf("output %s of %s in %s %s", ref.Key, parts[1], w.label(parts[2]), parts[3])
}

func (w *Work) readSource(r axle.Read, at axle.Target) string {
	name := r.Kind + " " + r.Name
	if r.Key != "" {
		name += "#" + r.Key
	}
	switch {
	case r.Target() == at:
		return name
	case r.Target() == axle.Target{Account: w.hub.Account.ID, Region: w.hub.Region}:
		return name + " of the hub"
	}
	return fmt.Sprintf("%s in %s %s", name, w.label(r.Account), r.Region)
}

func (w *Work) label(account string) string {
	if a, ok := w.org.Account(account); ok {
		return a.Label()
	}
	return account
}
