package control

import (
	"context"
	"path/filepath"

	"axle"
	"axle/internal/apps/access"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/template"
)

// needsCloud says whether the templates can't be told without AWS: some are
// URLs, or go to the regions that accounts have enabled.
func (w *Work) needsCloud() bool {
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		if remote(s.Template.Value) || s.Regions.Kind == config.RegionsEnabled {
			return true
		}
	}
	return false
}

// readOrganization reads the organization from its file, without AWS.
func (w *Work) readOrganization() error {
	path := w.project.Organization.Arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.project.Dir, path)
	}
	org, problems := cloud.FromFile(path)
	if err := problems.Err(); err != nil {
		return err
	}
	w.org = org
	var err error
	found, problems := plan.FindHub(w.project, org)
	if err = problems.Err(); err == nil {
		w.hub = found
	}
	return err
}

// planned are the principals and policies of all stacks as their templates
// declare them, each in every target. Outputs that one stack takes from another
// are those that the other's template gives.
func (w *Work) planned(ctx context.Context, partition string) (*access.Planned, error) {
	p, err := w.build(ctx, false)
	if err != nil {
		return nil, err
	}
	known := map[string]map[string]string{} // outputs by step
	outputs := func(step string) (map[string]string, bool) {
		out, ok := known[step]
		return out, ok
	}
	planned := access.NewPlanned()
	for _, s := range inOrder(p.Steps) {
		t := w.templates[s.Name]
		if s.Kind != plan.KindStack || t == nil {
			continue
		}
		in, err := p.Inputs(s, outputs)
		if err != nil {
			return nil, err
		}
		world := template.World{Partition: partition, Account: s.Account, Region: s.Region, Stack: s.Spec.Stack.StackName, Parameters: in.Values}
		for name := range in.Unknown {
			world.Parameters[name] = "${" + name + " of " + s.Name + "}"
		}
		account, _ := w.org.Account(s.Account)
		stack := access.Stack{Name: world.Stack, Account: account, World: world, Declared: t.Resolve(world)}
		planned.Add(stack)
		clean := stack.Generated()
		out := map[string]string{}
		for _, o := range t.ResolveOutputs(world) {
			out[o.Name] = clean(o.Value.Str())
		}
		known[s.ID] = out
	}
	return planned, nil
}

// inOrder puts steps after those that they need; the plan has no cycles.
func inOrder(steps []axle.Step) []*axle.Step {
	byID := make(map[string]*axle.Step, len(steps))
	for i := range steps {
		byID[steps[i].ID] = &steps[i]
	}
	var out []*axle.Step
	seen := map[string]bool{}
	var visit func(*axle.Step)
	visit = func(s *axle.Step) {
		if seen[s.ID] {
			return
		}
		seen[s.ID] = true
		for _, id := range s.Needs {
			if need := byID[id]; need != nil {
				visit(need)
			}
		}
		out = append(out, s)
	}
	for i := range steps {
		visit(&steps[i])
	}
	return out
}
