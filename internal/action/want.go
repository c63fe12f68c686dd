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
	w := cfn.Want{Spec: spec, Values: maps.Clone(in.Values)}
	for name, value := range in.Values {
		if rest, ok := strings.CutPrefix(name, axle.ImportInput); ok {
			takeIn(&w, rest, value)
			delete(w.Values, name)
			continue
		}
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
			w.Spec = &own
		}
		w.Spec.Tags[key] = value
		delete(w.Values, name)
	}
	return w
}

// takeIn adds an identifier, LogicalId|Type|Key, to what is to be imported.
func takeIn(w *cfn.Want, rest, value string) {
	if w.Imports == nil {
		w.Imports = map[string]cfn.Import{}
	}
	parts := strings.SplitN(rest, "|", 3)
	if len(parts) < 3 {
		return
	}
	r := w.Imports[parts[0]]
	if r.ID == nil {
		r = cfn.Import{Type: parts[1], ID: map[string]string{}}
	}
	r.ID[parts[2]] = value
	w.Imports[parts[0]] = r
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
