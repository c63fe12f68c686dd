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
func (w *Work) inputs(ctx context.Context, p *plan.Plan) func(*axle.Step, plan.Outputs) (axle.Inputs, error) {
	if !p.Reads() {
		return p.Inputs
	}
	values := w.cloud.Values()
	evaluate := p.Reading(func(reads []axle.Read) map[axle.Read]axle.Found { return values.Read(ctx, reads) })
	stacks := map[string]axle.Target{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Kind == plan.KindStack {
			stacks[s.ID] = s.Target()
		}
	}
	var ended sync.Map // ids of stacks' steps that others have waited for
	return func(s *axle.Step, outputs plan.Outputs) (axle.Inputs, error) {
		for _, need := range s.Needs {
			if t, ok := stacks[need]; ok {
				if _, known := ended.LoadOrStore(need, true); !known {
					values.Forget(t)
				}
			}
		}
		return evaluate(s, outputs)
	}
}
