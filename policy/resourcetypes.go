package policy

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// actionsOfTypes has, for each CloudFormation resource type, the actions that
// its handlers declare for creating, reading, updating, deleting and tagging.
// The source is the handlers' permissions in AWS's public resource schemas.
//
//go:embed actions.json.gz
var actionsOfTypes []byte

var readActions = sync.OnceValues(func() (map[string][]string, error) {
	z, err := gzip.NewReader(bytes.NewReader(actionsOfTypes))
	if err != nil {
		return nil, fmt.Errorf("read the actions of resource types: %w", err)
	}
	out := map[string][]string{}
	if err := json.NewDecoder(z).Decode(&out); err != nil {
		return nil, fmt.Errorf("read the actions of resource types: %w", err)
	}
	return out, nil
})

// ActionsFor returns the actions that CloudFormation needs to manage resources
// of the types, sorted, and the types that it knows nothing of: their handlers
// don't declare what they need.
func ActionsFor(types []string) (actions, unknown []string, err error) {
	known, err := readActions()
	if err != nil {
		return nil, nil, err
	}
	set := map[string]bool{}
	for _, t := range types {
		list, ok := known[t]
		if !ok {
			unknown = append(unknown, t)
			continue
		}
		for _, a := range list {
			set[a] = true
		}
	}
	slices.Sort(unknown)
	return slices.Sorted(maps.Keys(set)), slices.Compact(unknown), nil
}
