package report

import (
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/plan"
)

// folded says whether there is more to see of a group, target by target.
func (g *PlanGroup) folded() bool {
	return len(g.Targets) > 1 && (len(g.Changes) > 0 || g.Error != nil)
}

// Group is the part of a plan that was folded into one group, by its number:
// each target with its own values. It has no warnings and nothing that was
// saved; nil when the plan has no such group.
func (p *Plan) Group(number int) *Plan {
	if number < 1 || number > len(p.Groups) {
		return nil
	}
	return p.part(func(s *PlanStep) bool { return s.Group == number })
}

// Target is the part of a plan in one account and region, or all regions when
// region is empty; nil when it has nothing there. The account is an id or a name.
func (p *Plan) Target(account, region string) *Plan {
	part := p.part(func(s *PlanStep) bool {
		return (s.Account == account || s.AccountName == account) && (region == "" || s.Region == region)
	})
	if len(part.Steps) == 0 {
		return nil
	}
	return part
}

// part has some of a plan's steps, each by itself.
func (p *Plan) part(keep func(*PlanStep) bool) *Plan {
	out := &Plan{Plan: p.Plan, Project: p.Project, Command: p.Command, Env: p.Env, Groups: []PlanGroup{}, Steps: []PlanStep{}}
	for i := range p.Steps {
		if keep(&p.Steps[i]) {
			out.Steps = append(out.Steps, p.Steps[i])
		}
	}
	out.fold(func(s *PlanStep) string { return s.ID })
	for _, stale := range p.Stale {
		if slices.ContainsFunc(out.Steps, func(s PlanStep) bool {
			return s.Name == stale.Stack && s.Account == stale.Account && s.Region == stale.Region
		}) {
			out.Stale = append(out.Stale, stale)
		}
	}
	return out
}

// PlanRollout is how a run will go through the targets of a stack.
type PlanRollout struct {
	Stack string     `json:"stack"`
	Waves []PlanWave `json:"waves"`
	// MaxConcurrent is how many are at work at once; 0: any number.
	MaxConcurrent int `json:"max_concurrent,omitempty"`
	// FailureTolerance is how many of all targets may fail.
	FailureTolerance int  `json:"failure_tolerance"`
	Rollback         bool `json:"rollback,omitempty"`
}

// PlanWave is a wave, and what must come true after it.
type PlanWave struct {
	Targets          int    `json:"targets"`
	Canary           bool   `json:"canary,omitempty"`
	FailureTolerance int    `json:"failure_tolerance"`
	Approval         bool   `json:"approval,omitempty"`
	Health           bool   `json:"health,omitempty"`
	Pause            string `json:"pause,omitempty"`
}

func planRollouts(all []plan.Rollout) []PlanRollout {
	var out []PlanRollout
	for i := range all {
		r := &all[i]
		ro := PlanRollout{Stack: r.Stack, MaxConcurrent: r.MaxConcurrent, FailureTolerance: r.Tolerance, Rollback: r.Rollback}
		for k := range r.Waves {
			w := PlanWave{Targets: r.Waves[k].Targets, Canary: r.Waves[k].Canary, FailureTolerance: r.Waves[k].Tolerance}
			if g := r.Waves[k].Gate; g != nil {
				w.Approval, w.Health = g.Approval, g.Alarms || len(g.Command) > 0
				if g.Pause > 0 {
					w.Pause = g.Pause.String()
				}
			}
			ro.Waves = append(ro.Waves, w)
		}
		out = append(out, ro)
	}
	return out
}

// text says in one line how a rollout goes: "net goes in 3 waves: the canary
// of 1, then 4 and 2; a person approves after wave 1".
func (r *PlanRollout) text() string {
	var sizes []string
	for k := 0; k < len(r.Waves); {
		same := k + 1
		for same < len(r.Waves) && r.Waves[same].Targets == r.Waves[k].Targets && !r.Waves[k].Canary {
			same++
		}
		switch n := r.Waves[k].Targets; {
		case r.Waves[k].Canary:
			sizes = append(sizes, fmt.Sprintf("%s of %d", axle.WaveName(1, len(r.Waves), true), n))
		case same-k > 2:
			sizes = append(sizes, fmt.Sprintf("%d times %d", same-k, n))
		default:
			sizes = append(sizes, slices.Repeat([]string{fmt.Sprint(n)}, same-k)...)
		}
		k = same
	}
	text := fmt.Sprintf("%s goes in %s: %s", r.Stack, plural(len(r.Waves), "wave"), strings.Join(sizes, ", then "))
	if r.MaxConcurrent > 0 {
		text += fmt.Sprintf("; at most %d at once", r.MaxConcurrent)
	}
	for _, gate := range []struct {
		what string
		has  func(*PlanWave) bool
	}{{"health is checked", func(w *PlanWave) bool { return w.Health }}, {"a person approves", func(w *PlanWave) bool { return w.Approval }}} {
		var after []string
		for k := range r.Waves {
			if gate.has(&r.Waves[k]) {
				after = append(after, fmt.Sprint(k+1))
			}
		}
		switch {
		case len(after) == 0:
		case len(after) > 1 && len(after) >= len(r.Waves)-1:
			text += "; " + gate.what + " after each"
		default:
			text += "; " + gate.what + " after wave " + strings.Join(after, ", ")
		}
	}
	text += fmt.Sprintf("; %d may fail", r.FailureTolerance)
	if r.Rollback {
		text += ", and a wave that halts is put back"
	}
	return text
}
