package action

import (
	"maps"
	"strings"

	"axle"
	"axle/internal/cfn"
)

// tagInput begins the names of those inputs that are tags of the stack; the
// others are its parameters.
const tagInput = "tag:"

// want is a stack as the step's inputs make it in its target.
func want(spec *axle.StackSpec, in axle.Inputs) cfn.Want {
	w := cfn.Want{Spec: spec, Values: in.Values}
	for name, value := range in.Values {
		key, isTag := strings.CutPrefix(name, tagInput)
		if !isTag {
			continue
		}
		if w.Spec == spec { // shared by all targets: copied before it is changed
			own := *spec
			own.Tags = maps.Clone(spec.Tags)
			if own.Tags == nil {
				own.Tags = map[string]string{}
			}
			w.Spec, w.Values = &own, maps.Clone(in.Values)
		}
		w.Spec.Tags[key] = value
		delete(w.Values, name)
	}
	return w
}
