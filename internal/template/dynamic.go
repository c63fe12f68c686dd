package template

import (
	"fmt"
	"slices"
	"strings"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// plainFunctions pass a text on as it is, or as part of another one.
var plainFunctions = []string{"Ref", "Sub", "Join", "If"}

// Undynamic says why CloudFormation wouldn't resolve a dynamic reference to a
// secret that is a parameter's value, and where; "" when it would. It does in
// the properties of resources, but not in those of custom resources, not before
// a transform has run, and not inside of functions that look into the text.
func (t *Template) Undynamic(parameter string) (why string, at diag.Pos) {
	p, ok := t.Parameters[parameter]
	switch {
	case !ok || t.root == nil:
		return "", at
	case len(t.Transforms) > 0:
		return "transform " + t.Transforms[0] + " gets the reference's text", p.Pos
	case p.Type != "String":
		return "its type is " + p.Type, p.Pos
	case len(p.Allowed) > 0, p.AllowedPattern != "", p.MinLength != nil, p.MaxLength != nil:
		return "the limits that the template sets would be held against the reference's text", p.Pos
	}
	good := map[diag.Pos]bool{}
	resources := child(t.root, "Resources")
	for i := 0; resources != nil && i+1 < len(resources.Content); i += 2 {
		if r := t.Resources[resources.Content[i].Value]; !strings.HasPrefix(r.Type, "Custom::") && !strings.HasPrefix(r.Type, "AWS::CloudFormation::") {
			t.resolved(child(resources.Content[i+1], "Properties"), good, 0)
		}
	}
	for _, ref := range t.References {
		if ref.Name == parameter && (ref.Kind == "Ref" || ref.Kind == "Sub") && !good[ref.Pos] {
			return fmt.Sprintf("line %d uses it where only its text counts", ref.Pos.Line), ref.Pos
		}
	}
	return "", at
}

// resolved collects the places below n in which dynamic references are resolved.
func (t *Template) resolved(n *yaml.Node, good map[diag.Pos]bool, depth int) {
	if n == nil || depth > maxDepth {
		return
	}
	if name, ok := shortForm(n); ok && !slices.Contains(plainFunctions, name) {
		return
	}
	good[diag.Pos{File: t.File, Line: n.Line, Col: n.Column}] = true
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue
			}
			if name, ok := longForm(n.Content[i-1]); ok && len(n.Content) == 2 && !slices.Contains(plainFunctions, name) {
				continue
			}
		}
		t.resolved(c, good, depth+1)
	}
}

// child is the value of a mapping's key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
