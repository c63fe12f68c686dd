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

// hideOld takes what secret inputs were before out of a preview, where
// CloudFormation shows it because the parameter isn't NoEcho. What they are now
// is taken out of all that a step says.
func hideOld(res axle.Result, st *cfn.Stack, in axle.Inputs) axle.Result {
	if st == nil {
		return res
	}
	var old []string
	for name := range in.Secret {
		if v := st.Parameters[name]; len(v) > 3 && v != "****" {
			old = append(old, v, "(secret)")
		}
	}
	if len(old) == 0 {
		return res
	}
	return res.Cleaned(strings.NewReplacer(old...).Replace)
}
