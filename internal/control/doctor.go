package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/apps/access"
	"axle/internal/apps/doctor"
	"axle/internal/cloud"
	"axle/internal/plan"
	"axle/internal/privilege"
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
	return w.examine(ctx, p, func(axle.Target) bool { return true }, true)
}

// Preflight looks at the targets in which a previewed deploy would do anything,
// or that the preview couldn't get at.
func (w *Work) Preflight(ctx context.Context, preview *Preview) (*Health, error) {
	steps := map[string]*axle.Step{}
	for i := range preview.Plan.Steps {
		steps[preview.Plan.Steps[i].ID] = &preview.Plan.Steps[i]
	}
	busy := map[axle.Target]bool{}
	for i := range preview.Records {
		r := &preview.Records[i]
		if s := steps[r.Step]; s != nil && s.Kind == plan.KindStack && (r.Failure != nil || r.Result.Change != axle.None) {
			busy[s.Target()] = true
		}
	}
	if len(busy) == 0 {
		return &Health{Project: preview.Plan.Project}, nil
	}
	return w.examine(ctx, preview.Plan, func(t axle.Target) bool { return busy[t] }, false)
}

func (w *Work) examine(ctx context.Context, p *plan.Plan, chosen func(axle.Target) bool, whole bool) (*Health, error) {
	project := doctor.Project{Partition: w.identity.Partition, Hub: axle.Target{Account: w.hub.Account.ID, Region: w.hub.Region},
		Targets:     slices.DeleteFunc(w.patients(p), func(t doctor.Target) bool { return !chosen(axle.Target{Account: t.Account.ID, Region: t.Region}) }),
		Concurrency: w.limits().Global, Wait: w.recovery().OtherTime}
	prover, err := w.prover(ctx)
	if err != nil {
		return nil, err
	}
	other, err := w.entry(ctx, DefaultEntryRole)
	if err != nil {
		return nil, err
	}
	d := doctor.New(w.cloud, other, w.driver(ctx, w.cloud, p, nil), project, prover)
	if m, ok := w.org.Account(w.org.Management); ok && whole {
		d.StackSets(ctx, m)
	}
	found, err := d.Examine(ctx)
	if err != nil {
		return nil, err
	}
	if whole {
		found = append(found, w.setFindings(ctx, other)...)
		found = slices.Insert(found, 0, w.journalFinding(ctx))
	}
	h := &Health{Project: p.Project, Findings: found}
	for _, t := range project.Targets {
		h.Targets = append(h.Targets, [2]string{t.Account.ID, t.Region})
	}
	return h, nil
}

// prover reads policies afresh: a doctor doesn't look at yesterday's chart.
func (w *Work) prover(ctx context.Context) (*doctor.Policies, error) {
	source, err := w.source(ctx, &access.Live{Cloud: w.cloud, Org: w.org, Home: w.Region()})
	if err != nil {
		return nil, err
	}
	p := doctor.NewPolicies(w.org, source, w.roleARN)
	p.Needs = w.needs()
	p.Caller = w.cloud.CallerRole(ctx)
	if p.Caller == "" {
		p.Caller = principalARN(w.identity)
	}
	p.Hop = w.hop
	return p, nil
}

// hop is the first hop into an account: that of its override, or access.via.
func (w *Work) hop(a axle.Account) doctor.Hop {
	via, h := w.project.Access.Via.Value, doctor.Hop{Place: "access.via", Foreign: !w.makesRole(a)}
	if own := w.roleFor(a).Via; own != "" && own != via {
		via, h.Place, h.Own = own, "access.overrides", true
	}
	h.ARN, h.Given = w.hopARN(via), strings.HasPrefix(via, "arn:")
	return h
}

// hopARN is the ARN of a first hop; "" for none.
func (w *Work) hopARN(via string) string {
	switch {
	case via == "" || via == cloud.None:
		return ""
	case strings.HasPrefix(via, "arn:"):
		return via
	}
	return "arn:" + w.identity.Partition + ":iam::" + w.hub.Account.ID + ":role/" + strings.TrimPrefix(via, "/")
}

// roleARN is the access role of an account, "" when none is assumed.
func (w *Work) roleARN(a axle.Account) (arn, externalID string) {
	role := w.roleFor(a)
	switch {
	case role.Name == "" || role.Name == cloud.None:
		return "", ""
	case strings.HasPrefix(role.Name, "arn:"):
		return role.Name, role.ExternalID
	}
	return "arn:" + w.identity.Partition + ":iam::" + a.ID + ":role/" + strings.TrimPrefix(role.Name, "/"), role.ExternalID
}

// needs computes what a target's stacks take, once for each.
func (w *Work) needs() func(*doctor.Target) []doctor.Need {
	var mu sync.Mutex
	known := map[string][]privilege.Statement{}
	return func(t *doctor.Target) []doctor.Need {
		var out []doctor.Need
		for i := range t.Stacks {
			s := &t.Stacks[i]
			role := privilege.Deploy
			if s.Spec.ExecutionRole != "" {
				role = privilege.Execution
			}
			key := fmt.Sprintf("%s %s %s %s %s %v", role, t.Account.ID, s.Spec.StackName, s.Spec.Template, t.Region, s.Known)
			mu.Lock()
			statements, ok := known[key]
			if !ok {
				g := &privilege.Group{Partition: w.identity.Partition, Accounts: []string{t.Account.ID}, Stacks: []privilege.Stack{{Name: s.Spec.StackName,
					Template: s.Template, Regions: []string{t.Region}, Parameters: map[string]map[string]string{t.Region: s.Known}, ExecutionRole: s.Spec.ExecutionRole}}}
				statements = privilege.For(role, g, nil).Statements
				known[key] = statements
			}
			mu.Unlock()
			place := strings.NewReplacer("${AWS::Partition}", w.identity.Partition, "${AWS::AccountId}", t.Account.ID)
			for _, st := range statements {
				for _, action := range st.Actions {
					if action == "iam:PassRole" || action == "sts:AssumeRole" {
						continue // to whom is a condition: proven where the role is; this run may make the one that is assumed
					}
					for _, resource := range st.Resources {
						if strings.Contains(resource, ":::"+cloud.ArtifactBucket(w.hub.Account.ID, "")) {
							continue // proven by reading it; the role has less than all of the bucket
						}
						out = append(out, doctor.Need{Stack: s.Name, Role: s.Spec.ExecutionRole, Action: action, Resource: place.Replace(resource)})
					}
				}
			}
		}
		return out
	}
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
			known[k] = template.Unknown(k)
			if len(v.Refs) == 0 && v.Expr == "" && !v.Secret {
				known[k] = v.Literal
			}
		}
		out[at].Stacks = append(out[at].Stacks, doctor.Stack{Name: s.Name, Spec: s.Spec.Stack, Template: t, Known: known, Stored: w.storedKind(p, s, len(t.Body))})
		owner[s.ID] = s
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != axle.KindPeeringRequest {
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
