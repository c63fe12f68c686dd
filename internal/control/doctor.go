package control

import (
	"context"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/plan"
	"axle/internal/template"
)

// Health is what the doctor found.
type Health struct {
	Project  string
	Targets  [][2]string // account, region
	Findings []doctor.Finding
}

// Doctor looks at every target of the project before anything is touched.
func (w *Work) Doctor(ctx context.Context) (*Health, error) {
	p, err := w.build(ctx, false)
	if err != nil {
		return nil, err
	}
	project := doctor.Project{Partition: w.identity.Partition, Hub: axle.Target{Account: w.hub.Account.ID, Region: w.hub.Region},
		Targets: w.patients(p), Concurrency: w.limits().Global}
	d := doctor.New(w.cloud, w.driver(ctx, w.cloud, p, nil), project, nil)
	if m, ok := w.org.Account(w.org.Management); ok {
		d.StackSets(ctx, m)
	}
	found, err := d.Examine(ctx)
	if err != nil {
		return nil, err
	}
	h := &Health{Project: p.Project, Findings: found}
	for _, t := range project.Targets {
		h.Targets = append(h.Targets, [2]string{t.Account.ID, t.Region})
	}
	return h, nil
}

// patients are the plan's targets as the doctor looks at them.
func (w *Work) patients(p *plan.Plan) []doctor.Target {
	index := map[axle.Target]int{}
	owner := map[string]*axle.Step{} // of a stack's id
	var out []doctor.Target
	parsed := map[string]*template.Template{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.KindStack {
			continue
		}
		at, ok := index[s.Target()]
		if !ok {
			at = len(out)
			index[s.Target()] = at
			out = append(out, doctor.Target{Account: p.Accounts[s.Account], Region: s.Region, Peerings: map[string]int{}})
		}
		digest := s.Spec.Stack.Template
		t := parsed[digest]
		if t == nil {
			t, _ = template.Parse(digest, p.Templates[digest]) // its mistakes were reported when it was loaded
			parsed[digest] = t
		}
		known := map[string]string{}
		for k, v := range s.Input {
			if len(v.Refs) == 0 && v.Expr == "" && !v.Secret {
				known[k] = v.Literal
			}
		}
		out[at].Stacks = append(out[at].Stacks, doctor.Stack{Name: s.Name, Spec: s.Spec.Stack, Template: t, Known: known, Large: len(t.Body) > inlineTemplate})
		owner[s.ID] = s
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.KindRequest {
			continue
		}
		for _, side := range []string{"vpc", "peer_vpc"} {
			for _, ref := range s.Input[side].Refs {
				for _, step := range ref.Steps {
					if stack := owner[step]; stack != nil {
						out[index[stack.Target()]].Peerings[stack.Name]++
					}
				}
			}
		}
	}
	return out
}
