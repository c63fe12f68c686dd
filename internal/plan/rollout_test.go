package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/plan"
)

// TestRolloutOfAStack has waves in the order of the expression, with their
// gates, and the steps that they add to a run.
func TestRolloutOfAStack(t *testing.T) {
	accounts := []axle.Account{account(1, "tools", "/")}
	for i := range 9 {
		accounts = append(accounts, account(i+2, fmt.Sprintf("a%d", i), "/W", "rank="+fmt.Sprint(20-i)))
	}
	w := world{accounts: accounts, templates: map[string]string{"net": body(nil, []string{"Alarm"})}, yaml: head(`
  net:
    template: net.yaml
    targets: account.ou == "/W"
    rollout:
      order_by: account.tags["rank"]
      canary: 10%
      wave: 40%
      max_concurrent: 25%
      failure_tolerance: {wave: 50%, overall: 2}
      pause: 1m
      approval: {after: canary}
      health: {alarms: [down, '${{ output("net", "Alarm") }}'], command: [true], timeout: 5m}
      on_failure: rollback
`)}
	p := w.build(t)
	var waves []string
	for _, s := range p.Steps {
		waves = append(waves, fmt.Sprintf("%s:%d", s.AccountName, s.Wave))
	}
	same(t, "waves", strings.Join(waves, " "), "a8:1 a7:2 a6:2 a5:2 a4:3 a3:3 a2:3 a1:4 a0:4")
	r := p.Rollouts[0]
	if r.MaxConcurrent != 2 || r.Tolerance != 2 || !r.Rollback || len(r.Waves) != 4 || r.Waves[1].Tolerance != 1 || !r.Waves[0].Canary {
		t.Errorf("%+v", r)
	}
	g := r.Waves[0].Gate
	if !g.Approval || !g.Alarms || g.Pause != time.Minute || g.Timeout != 5*time.Minute || r.Waves[1].Gate.Approval || r.Waves[3].Gate == nil {
		t.Errorf("%+v", g)
	}
	if n := len(p.RunSteps()); n != 9+4+9 {
		t.Errorf("%d steps of the run", n)
	}
	again, err := plan.Decode(must(t, p))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rollouts after the journal", again.Rollouts, p.Rollouts)
	gate := again.RunSteps()[9]
	in, err := again.WaveInputs(&gate, func(id string) (map[string]string, bool) {
		return map[string]string{"Alarm": "arn of " + id}, true
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "inputs of the first gate", in.Values, map[string]string{"accounts": "000000000010",
		"alarm/0/000000000010/eu-west-1": "down", "alarm/1/000000000010/eu-west-1": "arn of stack/net/000000000010/eu-west-1"})
}

// A gate looks at the targets of its own stack's wave, not at those of others.
func TestGatesOfTwoStacks(t *testing.T) {
	w := world{templates: map[string]string{"a": body(nil, nil), "b": body(nil, nil)}, yaml: head(`
  a:
    template: a.yaml
    targets: account.name == "dev"
    rollout: {wave: 1, health: {alarms: [of-a]}}
  b:
    template: b.yaml
    targets: account.name == "qa"
    rollout: {wave: 1, health: {alarms: [of-b]}}
`)}
	p := w.build(t)
	var got []string
	for _, s := range p.RunSteps() {
		if s.Kind != plan.KindWave {
			continue
		}
		in, err := p.WaveInputs(&s, func(string) (map[string]string, bool) { return nil, true })
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(s.Name, in.Values))
	}
	same(t, "inputs of the gates", strings.Join(got, " "), "amap[accounts:000000000002 alarm/0/000000000002/eu-west-1:of-a] bmap[accounts:000000000003 alarm/0/000000000003/eu-west-1:of-b]")
}

func must(t *testing.T, p *plan.Plan) []byte {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Two stacks' rollouts may have opposite orders: one waits for the other's
// targets one by one.
func TestRolloutsOfTwoStacks(t *testing.T) {
	w := world{templates: map[string]string{"a": body(nil, []string{"Id"}), "b": body([]string{"Id"}, nil)}, yaml: head(`
  a:
    template: a.yaml
    targets: account.name in ["dev", "qa"]
    rollout: {wave: 1, order_by: account.name}
  b:
    template: b.yaml
    targets: account.name in ["dev", "qa"]
    parameters: {Id: '${{ output("a", "Id") }}'}
    rollout: {wave: 1, order_by: '0 - size(account.name)'}
`)}
	if p := w.build(t); len(p.Rollouts) != 2 { // b waits, and a never waits for b
		t.Errorf("%+v", p.Rollouts)
	}
}
