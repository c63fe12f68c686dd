package privilege

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Schema is what a type's own schema says that its handlers call.
type Schema struct {
	// Actions of create, read, update and delete, and of tagging; sorted.
	Actions []string `json:"actions"`
}

// ParseSchema reads a resource type's schema, as cloudformation:DescribeType
// gives it. Handlers name all that they may call, for any property: it is more
// than one resource needs.
func ParseSchema(text []byte) (Schema, error) {
	var doc struct {
		Handlers map[string]struct{ Permissions []string }
		Tagging  struct{ Permissions []string }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Schema{}, fmt.Errorf("read the schema of a resource type: %w", err)
	}
	set := map[string]bool{}
	take := func(list []string) {
		for _, a := range list {
			if service, name, ok := strings.Cut(a, ":"); ok && service != "" && name != "" {
				set[a] = true
			}
		}
	}
	for _, verb := range []string{"create", "read", "update", "delete"} {
		take(doc.Handlers[verb].Permissions)
	}
	take(doc.Tagging.Permissions)
	return Schema{Actions: slices.Sorted(maps.Keys(set))}, nil
}
