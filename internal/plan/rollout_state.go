package plan

import (
	"strings"

	"axle"
)

// RolloutState is where the rollout of one stack stands in a run.
type RolloutState struct {
	Stack string `json:"stack"`
	// Wave is the one that it has come to, of Of.
	Wave  int    `json:"wave"`
	Of    int    `json:"of"`
	State string `json:"state"`
	// Why says what halted it, or what it waits for.
	Why string `json:"why,omitempty"`
	// Hint says what to do about it.
	Hint string `json:"hint,omitempty"`
	// RolledBack is how many stacks of the wave were put back; NotRolledBack has
	// those that couldn't be, with the reason.
	RolledBack    int      `json:"rolled_back,omitempty"`
	NotRolledBack []string `json:"not_rolled_back,omitempty"`
}

// The states of a rollout.
const (
	RolloutPending   = "pending"
	RolloutRunning   = "running"
	RolloutPausing   = "pausing"
	RolloutChecking  = "checking" // its health
	RolloutWaiting   = "waiting"  // for approval of the next wave
	RolloutHalted    = "halted"
	RolloutFailed    = "failed" // through, with failures beyond what is tolerated
	RolloutSucceeded = "succeeded"
)

// RolloutStates tells where the plan's rollouts stand by the records of a run.
// A destroy has none.
func (p *Plan) RolloutStates(records []axle.Record) []RolloutState {
	if len(p.Rollouts) == 0 || p.Command == "destroy" {
		return nil
	}
	byID := make(map[string]*axle.Record, len(records))
	for i := range records {
		byID[records[i].Step] = &records[i]
	}
	steps := map[string][]*axle.Step{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Wave > 0 {
			steps[s.Name] = append(steps[s.Name], s)
		}
	}
	var out []RolloutState
	for i := range p.Rollouts {
		out = append(out, p.Rollouts[i].state(steps[p.Rollouts[i].Stack], byID))
	}
	return out
}

func (r *Rollout) state(steps []*axle.Step, byID map[string]*axle.Record) RolloutState {
	st := RolloutState{Stack: r.Stack, Wave: 1, Of: len(r.Waves), State: RolloutPending}
	for st.Wave < st.Of {
		gate := byID[WaveStep(r.Stack, st.Wave)]
		if gate == nil || !gate.Status.OK() {
			break
		}
		st.Wave++
	}
	left, failed, begun := 0, 0, false
	byWave := make([]int, len(r.Waves)+1)
	for _, s := range steps {
		rec := byID[s.ID]
		switch {
		case rec == nil || !rec.Status.Ended():
			left++
			begun = begun || rec != nil && rec.Status == axle.Running
			continue
		case !rec.Status.OK():
			failed++
			byWave[s.Wave]++
		}
		begun = true
		if rec.Failure != nil && rec.Failure.Code == axle.CodeHalted {
			st.State, st.Why = RolloutHalted, rec.Failure.Message
		}
		if rec.Failure != nil && rec.Failure.Code == axle.CodeRolledBack {
			st.RolledBack++
			_, st.Why, _ = strings.Cut(rec.Failure.Message, "the rollout was ")
			st.State = RolloutHalted
		}
		if back := byID[RollbackStep(s.ID)]; back != nil && back.Status == axle.Failed && back.Failure != nil {
			st.NotRolledBack = append(st.NotRolledBack, s.Where()+": "+back.Failure.Message)
		}
	}
	gate := byID[WaveStep(r.Stack, st.Wave)]
	switch {
	case gate != nil && gate.Status == axle.Failed && gate.Failure != nil:
		st.State = RolloutHalted
		st.Why = "halted after " + axle.WaveName(st.Wave, st.Of, r.Waves[st.Wave-1].Canary) + ": " + gate.Failure.Message
		st.Hint = gate.Failure.Hint
	case st.State == RolloutHalted:
	case gate != nil && gate.Status == axle.Running:
		phase, _, _ := strings.Cut(gate.Token, " ")
		st.State = map[string]string{"pause": RolloutPausing, "health": RolloutChecking, "approval": RolloutWaiting}[phase]
		if st.State == "" {
			st.State = RolloutChecking
		}
	case left == 0 && (failed > r.Tolerance || r.beyond(byWave)):
		st.State = RolloutFailed
	case left == 0:
		st.State = RolloutSucceeded
	case begun:
		st.State = RolloutRunning
	}
	if st.State != RolloutHalted {
		st.RolledBack, st.NotRolledBack = 0, nil
	}
	return st
}

// beyond says whether more of a wave have failed than it tolerates.
func (r *Rollout) beyond(failed []int) bool {
	for k := range r.Waves {
		if failed[k+1] > r.Waves[k].Tolerance {
			return true
		}
	}
	return false
}
