package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/template"
)

// Check finds what is wrong with a project and its templates without knowing
// any account: outputs that no template declares, parameters that don't fit,
// stacks that need each other. Templates may lack those that couldn't be read.
func Check(p *config.Project, templates map[string]*Source) diag.List {
	var problems diag.List
	edges := map[string]map[string]diag.Pos{} // stack -> what it needs, and where it says so
	for i := range p.Stacks {
		s := &p.Stacks[i]
		edges[s.Name] = map[string]diag.Pos{}
		if t := templates[s.Name]; t != nil {
			problems = append(problems, checkParameters(s, t)...)
		}
		for _, list := range [][]config.Parameter{s.Parameters, s.Tags} {
			for j := range list {
				checkCalls(&list[j], s, templates, edges[s.Name], &problems)
			}
		}
		checkReads(s, templates[s.Name], &problems)
		for _, d := range s.DependsOn {
			edges[s.Name][d.Value] = d.Pos
		}
	}
	for i := range p.Peerings {
		checkSide(&p.Peerings[i].Requester, templates, &problems)
		checkSide(&p.Peerings[i].Accepter, templates, &problems)
	}
	problems = append(problems, checkCycles(p, edges)...)
	return problems
}

// checkParameters compares what axle.yaml gives with what the template takes.
func checkParameters(s *config.Stack, t *Source) diag.List {
	var problems diag.List
	given := map[string]bool{}
	for _, p := range s.Parameters {
		given[p.Name] = true
		declared, ok := t.Parameters[p.Name]
		if !ok {
			problems.Add(p.Pos, nearestHint(p.Name, slices.Collect(maps.Keys(t.Parameters)), "parameters of "+t.File),
				"stack %q sets parameter %q, which its template doesn't have", s.Name, p.Name)
			continue
		}
		if p.Value == nil {
			continue
		}
		if text, literal := p.Value.Literal(); literal && len(declared.Allowed) > 0 && !slices.Contains(declared.Allowed, text) {
			shown := fmt.Sprintf("%q", text)
			if declared.NoEcho {
				shown = "(a NoEcho value)"
			}
			problems.Add(p.ValuePos, "allowed: "+strings.Join(declared.Allowed, ", "), "parameter %q of stack %q can't be %s", p.Name, s.Name, shown)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		if p := t.Parameters[name]; p.Default == nil && !given[name] && !p.NoEcho {
			problems.Add(s.Pos, "set it under parameters, or give it a Default in "+p.Pos.String(),
				"stack %q doesn't set parameter %q, which has no default", s.Name, name)
		}
	}
	return problems
}

// CheckCapabilities says which capabilities CloudFormation will ask for that
// stacks don't have. nested finds the templates that are nested in one.
func CheckCapabilities(p *config.Project, templates map[string]*Source, nested func(*Source) map[string]*template.Nested) diag.List {
	var problems diag.List
	for i := range p.Stacks {
		if t := templates[p.Stacks[i].Name]; t != nil {
			problems = append(problems, checkCapabilities(&p.Stacks[i], t.Capabilities(nested(t)))...)
		}
	}
	return problems
}

// checkCapabilities is that of one stack. CAPABILITY_NAMED_IAM covers
// CAPABILITY_IAM.
func checkCapabilities(s *config.Stack, needs []template.Need) diag.List {
	var problems diag.List
	var have []string
	for _, c := range s.Capabilities {
		have = append(have, c.Value)
	}
	want := slices.Clone(have)
	for _, n := range needs {
		if !slices.Contains(want, n.Capability) && (n.Capability != template.CapabilityIAM || !slices.Contains(want, template.CapabilityNamedIAM)) {
			want = append(want, n.Capability)
		}
	}
	for _, n := range needs {
		if slices.Contains(want, n.Capability) && !slices.Contains(have, n.Capability) {
			problems.Add(s.Pos, "write: capabilities: ["+strings.Join(want, ", ")+"]",
				"stack %q needs %s: %s of %s %s", s.Name, n.Capability, n.Resource, n.Pos, n.Why)
		}
	}
	return problems
}

func checkCalls(p *config.Parameter, s *config.Stack, templates map[string]*Source, needs map[string]diag.Pos, problems *diag.List) {
	if p.Value == nil {
		return
	}
	for _, c := range p.Value.Calls() {
		if isRead(c.Func) {
			continue
		}
		stack, key := firstArg(c), secondArg(c)
		if c.Account == nil && c.Region == nil {
			needs[stack] = c.Pos
		}
		if t := templates[stack]; t != nil {
			checkOutput(c.Pos, stack, key, t, problems)
		}
	}
}

func checkOutput(pos diag.Pos, stack, key string, t *Source, problems *diag.List) {
	if _, ok := t.Outputs[key]; !ok {
		problems.Add(pos, nearestHint(key, slices.Collect(maps.Keys(t.Outputs)), "outputs of "+t.File),
			"stack %q has no output %q in its template", stack, key)
	}
}

func checkSide(s *config.Side, templates map[string]*Source, problems *diag.List) {
	t := templates[s.Stack.Value]
	if t == nil {
		return
	}
	for _, key := range append([]config.Text{s.VPC, s.CIDR}, s.RouteTables...) {
		if key.Value != "" {
			checkOutput(key.Pos, s.Stack.Value, key.Value, t, problems)
		}
	}
}

func nearestHint(name string, from []string, what string) string {
	slices.Sort(from)
	if near := diag.Nearest(name, from); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(from) == 0 {
		return "there are no " + what
	}
	return what + ": " + strings.Join(from, ", ")
}

// checkCycles reports each circle of stacks once, at the reference that closes
// it. A reference that names account or region is left to the real graph.
func checkCycles(p *config.Project, edges map[string]map[string]diag.Pos) diag.List {
	var problems diag.List
	const (
		unseen = iota
		open
		closed
	)
	state := map[string]int{}
	var path []string
	var visit func(string)
	visit = func(name string) {
		state[name] = open
		path = append(path, name)
		for _, next := range slices.Sorted(maps.Keys(edges[name])) {
			switch {
			case state[next] == unseen && edges[next] != nil:
				visit(next)
			case state[next] == open:
				circle := append(slices.Clone(path[slices.Index(path, next):]), next)
				problems.Add(edges[name][next], "one of them must do without the other's outputs; give it a stack of its own",
					"stacks need each other: %s", strings.Join(circle, " -> "))
			}
		}
		path = path[:len(path)-1]
		state[name] = closed
	}
	for _, s := range p.Stacks {
		if state[s.Name] == unseen {
			visit(s.Name)
		}
	}
	return problems
}
