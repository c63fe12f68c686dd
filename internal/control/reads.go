package control

import (
	"context"
	"sync"

	"axle"
	"axle/internal/plan"
)

// inputs evaluates the inputs of a run's steps. What they ask AWS for is read
// when a step starts and kept for the run; after a stack has been worked on, what
// was read beside it is read again: the stack may have made or changed it.
func (w *Work) inputs(p *plan.Plan) stepInputs {
	if !p.Reads() {
		return inputsOf(p)
	}
	values := w.cloud.Values()
	stacks := map[string]axle.Target{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Kind == plan.KindStack {
			stacks[s.ID] = s.Target()
		}
	}
	var ended sync.Map // ids of stacks' steps that others have waited for
	return func(ctx context.Context, s *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
		for _, need := range s.Needs {
			if t, ok := stacks[need]; ok {
				if _, known := ended.LoadOrStore(need, true); !known {
					values.Forget(t)
				}
			}
		}
		read := func(reads []axle.Read) map[axle.Read]axle.Found { return values.Read(ctx, reads) }
		return p.Reading(read)(s, outputs)
	}
}

// inputsOf are the inputs of a plan in which nothing is read from AWS.
func inputsOf(p *plan.Plan) stepInputs {
	return func(_ context.Context, s *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
		return p.Inputs(s, outputs)
	}
}
