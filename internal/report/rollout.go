package report

import (
	"fmt"
	"io"

	"axle/internal/plan"
)

// rolloutsText tells of each rollout that isn't through where it stands, why,
// and what a person has to do.
func (r *Run) rolloutsText(w io.Writer, st Style) {
	for i := range r.Rollouts {
		ro := &r.Rollouts[i]
		at := fmt.Sprintf("wave %d of %d", ro.Wave, ro.Of)
		switch ro.State {
		case plan.RolloutHalted:
			fmt.Fprintf(w, "%s rollout of %s %s\n", st.bad.Render("✗"), ro.Stack, ro.Why)
			if ro.Hint != "" {
				fmt.Fprintf(w, "  hint: %s\n", ro.Hint)
			}
			if ro.RolledBack > 0 {
				fmt.Fprintf(w, "  %s of %s put back to what they were before the run\n", plural(ro.RolledBack, "stack"), at)
			}
			for _, line := range ro.NotRolledBack {
				fmt.Fprintf(w, "  not put back: %s\n", line)
			}
		case plan.RolloutFailed:
			fmt.Fprintf(w, "%s rollout of %s: more have failed than are tolerated\n", st.bad.Render("✗"), ro.Stack)
		case plan.RolloutWaiting:
			fmt.Fprintf(w, "%s rollout of %s: %s has ended; wave %d waits for approval: %s\n", st.warn.Render("…"), ro.Stack, at, ro.Wave+1,
				st.Next(fmt.Sprintf("approve %s %s", r.Run, r.waveToApprove(ro))))
		case plan.RolloutRunning, plan.RolloutPausing, plan.RolloutChecking:
			fmt.Fprintf(w, "%s rollout of %s: %s, %s\n", st.warn.Render("…"), ro.Stack, at, ro.State)
		}
	}
}

// waveToApprove is the wave's number, with its stack where others wait too.
func (r *Run) waveToApprove(ro *plan.RolloutState) string {
	for i := range r.Rollouts {
		if o := &r.Rollouts[i]; o.State == plan.RolloutWaiting && o.Stack != ro.Stack && o.Wave == ro.Wave {
			return fmt.Sprintf("%s/%d", ro.Stack, ro.Wave+1)
		}
	}
	return fmt.Sprint(ro.Wave + 1)
}

// Waiting are the waves that wait for approval, as axle approve takes them,
// each with a question to a person.
func (r *Run) Waiting() (waves, questions []string) {
	for i := range r.Rollouts {
		if ro := &r.Rollouts[i]; ro.State == plan.RolloutWaiting {
			waves = append(waves, fmt.Sprintf("%s/%d", ro.Stack, ro.Wave+1))
			questions = append(questions, fmt.Sprintf("Wave %d of %d of %s has ended well. Approve wave %d?", ro.Wave, ro.Of, ro.Stack, ro.Wave+1))
		}
	}
	return waves, questions
}
