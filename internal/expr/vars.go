package expr

import (
	"fmt"
	"maps"
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
	branch
	m map[string]any
}

func newVars(m map[string]any, path string, sc *Scope) *vars {
	b := branch{path, sc}
	return &vars{types.NewStringInterfaceMap(b, m), b, m}
}

// branch is the adapter of what stands at a path of vars: the maps in it are
// vars too, however deep in lists.
type branch struct {
	path string
	sc   *Scope
}

// NativeToValue implements types.Adapter.
func (b branch) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case map[string]any:
		return newVars(value, b.path, b.sc)
	case []any:
		return types.NewDynamicList(branch{b.path + "[...]", b.sc}, value)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// Iterator implements traits.Iterable: keys come in order, so that an expression
// gives the same every time.
func (v *vars) Iterator() traits.Iterator { return sorted(v.m) }

// sorted iterates over the keys of a map in order.
func sorted[V any](m map[string]V) traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, slices.Sorted(maps.Keys(m))).Iterator()
}

// Find implements traits.Mapper.
func (v *vars) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return v.Mapper.Find(key)
	}
	if child, ok := v.m[string(name)]; ok {
		return branch{v.path + "." + string(name), v.sc}.NativeToValue(child), true
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
func (v *vars) Get(key ref.Val) ref.Val {
	found, ok := v.Find(key)
	if found == nil && !ok {
		return types.NewErr("no such key: %v", key)
	}
	return found
}

// keysHint says what keys there are, the nearest first of all.
func keysHint(name string, m map[string]any) string {
	keys := slices.Sorted(maps.Keys(m))
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
