package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"axle"
	"axle/internal/engine"
	"axle/internal/plan"
)

// testRandomRuns runs random graphs of steps that behave randomly, stops them
// at random times and resumes them until they are through. Each step must be
// made once and end as its own plan and those of its ancestors say.
func testRandomRuns(t *testing.T, d Driver) {
	// Without Deadline, which tests in a bubble don't have.
	rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
		w := NewWorld()
		steps, ends := drawSteps(rt, w)
		for attempt := 0; ; attempt++ {
			o := w.Options()
			o.Limits = plan.Limits{Global: rapid.IntRange(0, 3).Draw(rt, "global"), PerAccount: rapid.IntRange(0, 3).Draw(rt, "per account")}
			if attempt < 5 {
				o.Stop = after(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Hour}).Draw(rt, "stop"))
			}
			out, err := d.Run(t.Context(), "r", steps, w.Journal(), o)
			w.verify(rt, steps, out)
			if errors.Is(err, engine.ErrInterrupted) {
				if out.Status != axle.RunInterrupted {
					rt.Fatalf("an interrupted run is %s", out.Status)
				}
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			for i, r := range out.Records {
				if r.Status != ends[i] {
					rt.Errorf("%s ended as %s, not as %s", r.Step, r.Status, ends[i])
				}
			}
			return
		}
	})
}

// drawSteps draws steps, their plans, and says how they must end.
func drawSteps(t *rapid.T, w *World) ([]axle.Step, []axle.Status) {
	n := rapid.IntRange(1, 12).Draw(t, "steps")
	steps, ends := make([]axle.Step, n), make([]axle.Status, n)
	for i := range steps {
		s := thing(fmt.Sprintf("s%02d", i))
		s.Account = rapid.SampledFrom([]string{"111111111111", "222222222222"}).Draw(t, "account")
		p := Plan{
			Checks: rapid.IntRange(0, 3).Draw(t, "checks"),
			Takes:  rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, time.Second, 30 * time.Second}).Draw(t, "takes"),
			Again:  rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "again"),
			Forget: rapid.IntRange(0, 9).Draw(t, "forget") == 0,
		}
		p.StartErrors = slices.Repeat([]error{Throttled{}}, rapid.IntRange(0, 2).Draw(t, "start errors"))
		p.CheckErrors = slices.Repeat([]error{Throttled{}}, rapid.IntRange(0, 2).Draw(t, "check errors"))
		ends[i] = axle.Succeeded
		if rapid.IntRange(0, 7).Draw(t, "fail") == 0 {
			p.Fail, ends[i] = &axle.Failure{Code: "X", Message: "no"}, axle.Failed
		}
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "need") == 0 {
				s.Needs = append(s.Needs, steps[j].ID)
				if !ends[j].OK() {
					ends[i] = axle.Skipped
				}
			}
		}
		steps[i], w.Plans[s.ID] = s, p
	}
	return steps, ends
}
