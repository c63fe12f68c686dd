package control

import (
	"fmt"
	"slices"
	"strings"

	"axle"
)

// CheckAdopt makes sure that the stacks to adopt are in axle.yaml.
func (w *Work) CheckAdopt() *axle.Failure {
	var names []string
	for i := range w.project.Stacks {
		names = append(names, w.project.Stacks[i].Name)
	}
	for _, s := range w.opts.Adopt {
		if !slices.Contains(names, s) {
			return &axle.Failure{Code: "UnknownStack", Resource: s, Blocked: true, Message: fmt.Sprintf("axle.yaml has no stack %q", s),
				Hint: "describe it there first, with its stack_name, template and targets; there are " + strings.Join(names, ", ")}
		}
	}
	return nil
}
