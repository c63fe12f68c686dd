package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCase(rt)
		var problem string
		d.Within(t, func(t *testing.T) { problem = c.run(t.Context(), d) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// randomCase is a world, and how its run is limited and stopped. Everything is
// drawn before the run, as rapid has to work outside of a bubble.
type randomCase struct {
	world  *World
	steps  []axle.Step
	ends   []axle.Status // that the steps must come to
	limits []plan.Limits // attempt by attempt
	stops  []time.Duration
}

func drawCase(t *rapid.T) *randomCase {
	c := &randomCase{world: NewWorld()}
	c.steps, c.ends = drawSteps(t, c.world)
	for range rapid.IntRange(0, 5).Draw(t, "attempts") {
		c.limits = append(c.limits, plan.Limits{Global: rapid.IntRange(0, 3).Draw(t, "global"), PerAccount: rapid.IntRange(0, 3).Draw(t, "per account")})
		c.stops = append(c.stops, rapid.SampledFrom([]time.Duration{0, time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute}).Draw(t, "stop"))
	}
	return c
}

// run returns what was wrong.
func (c *randomCase) run(ctx context.Context, d Driver) string {
	for attempt := 0; ; attempt++ {
		o := c.world.Options()
		if attempt < len(c.stops) {
			o.Limits, o.Stop = c.limits[attempt], after(c.stops[attempt])
		}
		out, err := d.Run(ctx, "r", c.steps, c.world.Journal(), o)
		problems := c.world.problems(c.steps, out, err)
		interrupted := errors.Is(err, engine.ErrInterrupted)
		switch {
		case err != nil && !interrupted:
			problems = append(problems, err.Error())
		case interrupted != (out.Status == axle.RunInterrupted):
			problems = append(problems, fmt.Sprintf("the run is %s, its error %v", out.Status, err))
		case interrupted && attempt >= len(c.stops):
			problems = append(problems, "a run was interrupted that nobody stopped")
		case !interrupted:
			for i, r := range out.Records {
				if r.Status != c.ends[i] {
					problems = append(problems, fmt.Sprintf("%s ended as %s, not as %s", r.Step, r.Status, c.ends[i]))
				}
			}
		}
		if len(problems) > 0 || !interrupted {
			return strings.Join(problems, "\n")
		}
	}
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
