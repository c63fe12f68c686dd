package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
)

// A Rollout is how a run goes through the targets of one stack: wave by wave.
// The stack's steps have the number of their wave; a wave begins when the gate
// of the one before has ended well.
type Rollout struct {
	Stack string `json:"stack"`
	Waves []Wave `json:"waves"`
	// MaxConcurrent is how many of the stack's steps are at work at once; 0: any
	// number.
	MaxConcurrent int `json:"max_concurrent,omitempty"`
	// Tolerance is how many of all the stack's targets may fail.
	Tolerance int `json:"tolerance"`
	// Rollback: the stacks of a wave at which the rollout halts are put back.
	Rollback bool `json:"rollback,omitempty"`
}

// A Wave is a part of a stack's targets.
type Wave struct {
	Targets int `json:"targets"`
	// Tolerance is how many of them may fail.
	Tolerance int  `json:"tolerance"`
	Canary    bool `json:"canary,omitempty"`
	// Gate is what must come true after the wave; nil: nothing follows.
	Gate *axle.WaveSpec `json:"gate,omitempty"`
	// Alarms are those of each target, as the gate's inputs.
	Alarms map[string]axle.Value `json:"alarms,omitempty"`
}

// Kinds of steps that a rollout adds to a run. They aren't among a plan's Steps.
const (
	KindWave     = "wave"     // the gate after a wave
	KindRollback = "rollback" // puts back what a step has done
)

// WaveStep is the id of the gate after a wave.
func WaveStep(stack string, wave int) string {
	return KindWave + "/" + stack + "/" + strconv.Itoa(wave)
}

// RollbackStep is the id of the step that puts back what another has done.
func RollbackStep(id string) string { return KindRollback + "/" + id }

// RunSteps are the plan's steps and those that its rollouts add.
func (p *Plan) RunSteps() []axle.Step {
	out := slices.Clone(p.Steps)
	for i := range p.Rollouts {
		r := &p.Rollouts[i]
		for k := range r.Waves {
			w := &r.Waves[k]
			if w.Gate == nil {
				continue
			}
			out = append(out, axle.Step{ID: WaveStep(r.Stack, k+1), Kind: KindWave, Name: r.Stack, Wave: k + 1,
				Account: p.Hub.Account.ID, AccountName: p.Hub.Account.Name, Region: p.Hub.Region,
				Spec: &axle.Spec{Wave: w.Gate}, Input: w.Alarms})
		}
		for j := range p.Steps {
			s := &p.Steps[j]
			if r.Rollback && s.Kind == KindStack && s.Name == r.Stack && s.Wave > 0 {
				back := *s
				back.ID, back.Kind, back.Needs, back.Input, back.Review = RollbackStep(s.ID), KindRollback, nil, nil, nil
				out = append(out, back)
			}
		}
	}
	return out
}

// rolledOut puts a stack's targets of this run in the order of its rollout, and
// says in which wave each is. Without a rollout they stay in theirs.
func (b *builder) rolledOut(s *config.Stack, of *instances) (targets []axle.Target, waves []int) {
	for _, t := range of.all {
		if of.narrowed[t] {
			targets = append(targets, t)
		}
	}
	waves = make([]int, len(targets))
	if s.Rollout == nil || len(targets) == 0 {
		return targets, waves
	}
	if b.in.Destroy { // what is removed has no canary; only the limit holds
		if s.Rollout.MaxConcurrent.N == 0 {
			return targets, waves
		}
		for i := range waves {
			waves[i] = 1
		}
		all := Wave{Targets: len(targets), Tolerance: len(targets)}
		b.plan.Rollouts = append(b.plan.Rollouts, Rollout{Stack: s.Name, Waves: []Wave{all}, Tolerance: len(targets),
			MaxConcurrent: atLeastOne(s.Rollout.MaxConcurrent, len(targets))})
		return targets, waves
	}
	if s.Rollout.OrderBy != nil {
		targets = b.orderBy(s, targets)
	}
	r := Rollout{Stack: s.Name, MaxConcurrent: atLeastOne(s.Rollout.MaxConcurrent, len(targets)),
		Tolerance: share(s.Rollout.OverallTolerance, len(targets)), Rollback: s.Rollout.Rollback}
	at := 0
	for k, size := range waveSizes(s.Rollout, len(targets)) {
		w := Wave{Targets: size, Tolerance: share(s.Rollout.WaveTolerance, size), Canary: k == 0 && s.Rollout.Canary.N > 0}
		for i := at; i < at+size; i++ {
			waves[i] = k + 1
		}
		if s.Rollout.Health != nil {
			w.Alarms = b.alarms(s, targets[at:at+size])
		}
		at += size
		r.Waves = append(r.Waves, w)
	}
	for k := range r.Waves {
		r.Waves[k].Gate = gate(s.Rollout, &r, k)
	}
	b.plan.Rollouts = append(b.plan.Rollouts, r)
	return targets, waves
}

// gate is what must come true after wave k of a rollout.
func gate(from *config.Rollout, r *Rollout, k int) *axle.WaveSpec {
	last := k == len(r.Waves)-1
	if last && from.Health == nil {
		return nil
	}
	w := &r.Waves[k]
	g := &axle.WaveSpec{Stack: r.Stack, Wave: k + 1, Of: len(r.Waves), Canary: w.Canary, Pause: from.Pause,
		Approval: !last && (from.Approval == config.ApprovalWaves || from.Approval == config.ApprovalCanary && w.Canary)}
	if h := from.Health; h != nil {
		g.Alarms, g.Timeout = len(h.Alarms) > 0, h.Timeout
		for _, word := range h.Command {
			g.Command = append(g.Command, word.Value)
		}
	}
	return g
}

// waveSizes divides n targets: the canary, then waves of one size, and a last
// one of what is left. A percentage is of all targets, rounded down, at least 1.
func waveSizes(r *config.Rollout, n int) []int {
	var sizes []int
	left := n
	if c := min(atLeastOne(r.Canary, n), left); c > 0 {
		sizes, left = append(sizes, c), left-c
	}
	size := atLeastOne(r.Wave, n)
	if size == 0 {
		size = left
	}
	for left > 0 {
		sizes = append(sizes, min(size, left))
		left -= min(size, left)
	}
	return sizes
}

// share is an amount of n, rounded down.
func share(a config.Amount, n int) int {
	if a.Percent {
		return n * a.N / 100
	}
	return a.N
}

// atLeastOne is an amount of n, rounded down but not to nothing; 0 is 0.
func atLeastOne(a config.Amount, n int) int {
	if a.N == 0 {
		return 0
	}
	return max(share(a, n), 1)
}

// orderBy orders targets by the stack's expression, then account and region.
// Whole numbers are ordered as numbers, before all else.
func (b *builder) orderBy(s *config.Stack, targets []axle.Target) []axle.Target {
	type ranked struct {
		target axle.Target
		text   string
		number int
		is     bool
	}
	list := make([]ranked, len(targets))
	for i, t := range targets {
		text, _, err := s.Rollout.OrderBy.Eval(b.plan.scope(b.accounts[t.Account], t.Region), nil)
		if err != nil {
			b.once(s.Rollout.Pos, fmt.Sprintf("order_by of stack %q", s.Name), t, err, "")
		}
		list[i] = ranked{target: t, text: text}
		if n, err := strconv.Atoi(text); err == nil {
			list[i].number, list[i].is = n, true
		}
	}
	slices.SortStableFunc(list, func(x, y ranked) int {
		switch {
		case x.is && y.is:
			return cmp.Or(cmp.Compare(x.number, y.number), x.target.Compare(y.target))
		case x.is != y.is:
			if x.is {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(x.text, y.text), x.target.Compare(y.target))
	})
	out := make([]axle.Target, len(list))
	for i := range list {
		out[i] = list[i].target
	}
	return out
}

// alarmInput begins the names of a gate's inputs: alarm/<n>/<account>/<region>.
const alarmInput = "alarm/"

// alarms are the alarms of some targets, as inputs of their wave's gate.
func (b *builder) alarms(s *config.Stack, targets []axle.Target) map[string]axle.Value {
	out := map[string]axle.Value{}
	for i := range s.Rollout.Health.Alarms {
		for _, t := range targets {
			v := b.value(&s.Rollout.Health.Alarms[i], s.Name, t, false, map[string]bool{})
			if v.Secret {
				b.once(s.Rollout.Health.Alarms[i].ValuePos, "alarm of stack "+s.Name, t, errors.New("the name of an alarm can't be a secret"), "")
			}
			out[alarmInput+strconv.Itoa(i)+"/"+t.String()] = v
		}
	}
	return out
}

// WaveInputs are the inputs of a gate: "alarm/<n>/<account>/<region>" for the
// targets of the wave that are deployed, and their accounts as "accounts".
func (p *Plan) WaveInputs(gate *axle.Step, outputs func(step string) (map[string]string, bool)) (axle.Inputs, error) {
	in := axle.Inputs{Values: map[string]string{}}
	var accounts []string
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Name != gate.Name || s.Wave != gate.Wave || s.Kind != KindStack {
			continue
		}
		if _, ok := outputs(s.ID); !ok {
			continue // it failed, and is tolerated
		}
		accounts = append(accounts, s.Account)
		own := axle.Step{ID: s.ID, Kind: s.Kind, Name: s.Name, Account: s.Account, AccountName: s.AccountName, Region: s.Region, Input: map[string]axle.Value{}}
		for n := 0; ; n++ {
			name := alarmInput + strconv.Itoa(n) + "/" + s.Target().String()
			v, ok := gate.Input[name]
			if !ok {
				break
			}
			own.Input[name] = v
		}
		values, err := p.Inputs(&own, outputs)
		if err != nil {
			return in, err
		}
		for name, after := range values.Unknown {
			return in, fmt.Errorf("alarm of %s isn't known before %s is deployed (%s)", s.Where(), strings.Join(after, ", "), name)
		}
		for name, v := range values.Values {
			in.Values[name] = v
		}
	}
	slices.Sort(accounts)
	in.Values["accounts"] = strings.Join(slices.Compact(accounts), ",")
	return in, nil
}

// checkRollouts refuses waves that would wait for each other for ever: a step of
// an early wave that needs another stack's step of a late one, and the reverse.
func (b *builder) checkRollouts() {
	if len(b.plan.Rollouts) == 0 {
		return
	}
	steps := slices.Clone(b.steps)
	gated := map[string]*Rollout{}
	for i := range b.plan.Rollouts {
		r := &b.plan.Rollouts[i]
		gated[r.Stack] = r
		for k := range r.Waves {
			steps = append(steps, axle.Step{ID: WaveStep(r.Stack, k+1)})
		}
	}
	at, err := indexSteps(steps)
	if err != nil {
		return // told elsewhere
	}
	for i := range b.steps {
		s := &steps[i]
		if r := gated[s.Name]; r != nil && s.Wave > 0 {
			g := at[WaveStep(s.Name, s.Wave)]
			steps[g].Needs = append(steps[g].Needs, s.ID)
			if s.Wave > 1 {
				s.Needs = append(slices.Clone(s.Needs), WaveStep(s.Name, s.Wave-1))
			}
		}
	}
	if _, err := order(steps); err != nil {
		var pos diag.Pos
		if s := b.stack(b.plan.Rollouts[0].Stack); s != nil {
			pos = s.Rollout.Pos
		}
		b.problems.Add(pos, "order the rollouts of stacks that need each other's outputs alike, so that a target's steps are in waves of the same rank",
			"the rollouts wait for each other: %v", err)
	}
}
