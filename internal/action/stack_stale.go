package action

import (
	"slices"
	"strings"

	"axle"
	"axle/internal/cfn"
)

// staleInputs are the values that the stack was given of others' outputs and that
// these don't have any more.
func staleInputs(step *axle.Step, in axle.Inputs, st *cfn.Stack) []axle.StaleInput {
	if st == nil || step.Delete || st.State() != cfn.Settled {
		return nil
	}
	var out []axle.StaleInput
	for name, v := range step.Input {
		has, given := st.Parameters[name]
		is, known := in.Values[name]
		if len(v.Refs) == 0 || !given || !known || has == is || in.Secret[name] || slices.Contains(step.Spec.Stack.NoEcho, name) {
			continue
		}
		x := axle.StaleInput{Input: name, Has: has, Is: is}
		for _, r := range v.Refs {
			for _, id := range r.Steps {
				if parts := strings.Split(id, "/"); len(parts) > 1 {
					x.Reads = append(x.Reads, r.Key+" of "+parts[1])
				}
			}
		}
		slices.Sort(x.Reads)
		x.Reads = slices.Compact(x.Reads)
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b axle.StaleInput) int { return strings.Compare(a.Input, b.Input) })
	return out
}
