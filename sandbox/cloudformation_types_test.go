package sandbox

import (
	"slices"
	"testing"
)

// Every type that stacks can hold has its schema, with what CloudFormation
// always has in one.
func TestTypeSchemas(t *testing.T) {
	for name, p := range providers() {
		s, ok := typeSchemas[name]
		if !ok {
			t.Errorf("%s has no schema", name)
			continue
		}
		out := schemaOf(name, p)
		if s.create == "" {
			continue
		}
		handlers := out["handlers"].(obj)
		for _, verb := range []string{"create", "read", "delete"} {
			if handlers[verb] == nil {
				t.Errorf("%s has no handler %s", name, verb)
			}
		}
		if p.update != nil && s.update == "" {
			t.Errorf("%s can be updated, and has no handler for it", name)
		}
		if ids := out["primaryIdentifier"].([]string); len(ids) == 0 {
			t.Errorf("%s has no primary identifier", name)
		}
		if taggable := p.tags != ""; taggable && s.tag == "" || taggable != out["tagging"].(obj)["taggable"].(bool) {
			t.Errorf("%s: taggable is %t, and its tagging permissions are %q", name, taggable, s.tag)
		}
	}
	if h := schemaOf("AWS::IAM::Role", providers()["AWS::IAM::Role"])["handlers"].(obj)["create"].(obj)["permissions"].([]string); !slices.Contains(h, "iam:TagRole") {
		t.Errorf("create needs %v", h)
	}
}
