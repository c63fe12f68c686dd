package expr

import (
	"fmt"
	"slices"
	"strings"

	"axle/internal/diag"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// vars is a map of axle.yaml's vars that knows its path, for the message when
// a key is missing.
type vars struct {
	traits.Mapper
	m    map[string]any
	path string
	sc   *Scope
}

func newVars(m map[string]any, path string, sc *Scope) vars {
	return vars{types.NewStringInterfaceMap(types.DefaultTypeAdapter, m), m, path, sc}
}

// Find implements traits.Mapper.
func (v vars) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return v.Mapper.Find(key)
	}
	child, ok := v.m[string(name)]
	if m, isMap := child.(map[string]any); isMap {
		return newVars(m, v.path+"."+string(name), v.sc), true
	}
	if ok {
		return types.DefaultTypeAdapter.NativeToValue(child), true
	}
	if v.sc == nil {
		return nil, false
	}
	where := v.sc.Account.Label()
	if v.sc.Region != "" {
		where += " " + v.sc.Region
	}
	return types.WrapErr(&missing{
		key:     string(name),
		summary: fmt.Sprintf("%s has no key %q, which %s needs", v.path, string(name), where),
		hint:    keysHint(string(name), v.m),
	}), false
}

// Get implements traits.Mapper.
func (v vars) Get(key ref.Val) ref.Val {
	found, ok := v.Find(key)
	if found == nil && !ok {
		return types.NewErr("no such key: %v", key)
	}
	return found
}

// keysHint says what keys there are, the nearest first of all.
func keysHint(name string, m map[string]any) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if n := diag.Nearest(name, keys); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	switch {
	case len(keys) == 0:
		return "it is empty"
	case len(keys) > 8:
		return "it has " + strings.Join(keys[:8], ", ") + ", ..."
	}
	return "it has " + strings.Join(keys, ", ")
}
