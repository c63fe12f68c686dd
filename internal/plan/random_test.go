package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/internal/plan"

	"pgregory.net/rapid"
)

// randomWorld is a project of a few stacks that use each other's outputs in all
// ways, in any direction: some have circles or no nearest instance.
func randomWorld(t *rapid.T) world {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	w := world{templates: map[string]string{}}
	var stacks strings.Builder
	count := rapid.IntRange(1, 5).Draw(t, "stacks")
	for i := range count {
		targets := pick("targets", `hub`, `"true"`, `account.ou == "/Workloads"`, `account.name == "dev"`, `"false"`)
		regions := pick("regions", "[eu-west-1]", "[eu-west-1, us-east-1]", "home")
		fmt.Fprintf(&stacks, "  s%d:\n    template: t.yaml\n    targets: %s\n    regions: %s\n", i, targets, regions)
		// Mostly earlier stacks are used, so that most projects have no circle.
		others := i
		if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
			others = count
		}
		var parameters []string
		if others > 0 {
			fmt.Fprintf(&stacks, "    parameters:\n")
			for k := range rapid.IntRange(0, 3).Draw(t, "parameters") {
				other := rapid.IntRange(0, others-1).Draw(t, "other")
				form := pick("form", `output("s%d", "A")`, `outputs("s%d", "A")`, `output("s%d", "A", {"region": "eu-west-1"})`, `output("s%d", "A", {"account": hub.account.id})`)
				fmt.Fprintf(&stacks, "      P%d: 'x${{ "+form+" }}'\n", k, other)
				parameters = append(parameters, fmt.Sprintf("P%d", k))
			}
			if rapid.Bool().Draw(t, "depends") {
				if on := rapid.IntRange(0, others-1).Draw(t, "on"); on != i {
					fmt.Fprintf(&stacks, "    depends_on: [s%d]\n", on)
				}
			}
		}
		w.templates[fmt.Sprintf("s%d", i)] = body(parameters, []string{"A", "B"})
	}
	w.yaml = head(stacks.String())
	if count > 1 && rapid.Bool().Draw(t, "peering") {
		w.yaml += "peerings:\n  link:\n    requester: {stack: s1, vpc: A, cidr: A, route_tables: [A, B]}\n    accepter: {stack: s0, vpc: A, cidr: B, route_tables: [B]}\n"
	}
	w.where = pick("where", "", "", `account.name == "dev"`, `account.ou == "/Workloads"`)
	w.destroy = rapid.Bool().Draw(t, "destroy")
	return w
}

// TestRandomProjects: a plan is in topological order, has no step twice, every
// need and every reference is a step of it, and a reference is always a need.
// Where there is no plan, there is an error with a place.
func TestRandomProjects(t *testing.T) {
	plans := 0
	rapid.Check(t, func(r *rapid.T) {
		w := randomWorld(r)
		in := w.input(t)
		if plan.Check(in.Project, in.Templates).Err() != nil {
			return // as the use cases do
		}
		p, problems := plan.Build(in)
		if p == nil {
			if problems.Err() == nil {
				r.Fatal("no plan, and no reason")
			}
			for _, d := range problems {
				if d.Pos.Line == 0 || d.Hint == "" {
					r.Errorf("without place or hint: %v", d)
				}
			}
			return
		}
		plans++
		checkPlan(r, p, w)
		again, _ := plan.Build(in)
		if !slices.EqualFunc(p.Steps, again.Steps, func(a, b axle.Step) bool { return a.ID == b.ID && slices.Equal(a.Needs, b.Needs) }) {
			r.Error("the same input gives another plan")
		}
	})
	if plans == 0 {
		t.Error("no random project had a plan")
	}
}

func checkPlan(t *rapid.T, p *plan.Plan, w world) {
	seen := map[string]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if seen[s.ID] {
			t.Errorf("%s is there twice", s.ID)
		}
		if !slices.IsSorted(s.Needs) || len(slices.Compact(slices.Clone(s.Needs))) != len(s.Needs) {
			t.Errorf("needs of %s: %v", s.ID, s.Needs)
		}
		for _, need := range s.Needs {
			if !seen[need] {
				t.Errorf("%s comes before %s, which it needs", s.ID, need)
			}
		}
		for name, v := range s.Input {
			for _, ref := range v.Refs {
				for _, id := range ref.Steps {
					if !slices.Contains(s.Needs, id) {
						t.Errorf("input %s of %s refers to %s, which it doesn't need", name, s.ID, id)
					}
				}
			}
		}
		seen[s.ID] = true
		if _, ok := p.Accounts[s.Account]; !ok || s.Spec == nil {
			t.Errorf("%s has no account or spec", s.ID)
		}
		if s.Delete != w.destroy {
			t.Errorf("%s: delete is %v", s.ID, s.Delete)
		}
	}
	out := map[string]string{"A": "a", "B": "b", "PeeringId": "pcx-1"}
	for i := range p.Steps {
		if _, err := p.Inputs(&p.Steps[i], func(string) (map[string]string, bool) { return out, true }); err != nil {
			t.Errorf("inputs: %v", err)
		}
	}
}
