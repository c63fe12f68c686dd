package template

import (
	"strings"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// World is what is known of the place where a template is deployed; what is ""
// isn't known.
type World struct {
	Partition, Account, Region, Stack string
	// Parameters are the values that are known, and Unknown for those that are
	// given and not known. Others take their defaults. NoEcho parameters and those
	// read from SSM are never known.
	Parameters map[string]string
}

// Unknown stands in a World for the value of a parameter that is given and isn't
// known: not its default.
func Unknown(parameter string) string { return "${" + parameter + "}" }

// Declared is a resource with its properties.
type Declared struct {
	Resource
	Properties, Metadata *Node
	// Of is the resource of AWS SAM that a transform makes this of, and As how the
	// template refers to it, where that isn't its name: Function.Alias.
	Of, As string

	ignored    []string // IgnoreGlobals
	connectors bool
}

// Emitted is an output with its value.
type Emitted struct {
	Output
	Value, ExportName *Node
}

// Resolve gives the template's resources with intrinsics evaluated as far as
// the world is known, in the order of the text, and the Globals of AWS SAM put
// under those of its types. Those whose condition is known to be false are left
// out.
func (t *Template) Resolve(w World) []*Declared {
	r := newResolver(t, w)
	var out []*Declared
	var shared *Node
	if t.Serverless() {
		shared = globals(r)
	}
	r.eachEntry("Resources", func(key, body *yaml.Node) {
		res, ok := t.Resources[key.Value]
		if !ok || res.Condition != "" && r.condition(res.Condition) == no {
			return
		}
		d := &Declared{Resource: res}
		for i := 0; i+1 < len(body.Content); i += 2 {
			switch body.Content[i].Value {
			case "Properties":
				d.Properties = r.value(body.Content[i+1], 0)
			case "Metadata":
				d.Metadata = r.value(body.Content[i+1], 0)
			default:
				d.serverlessAttributes(body.Content[i], body.Content[i+1])
			}
		}
		d.withGlobals(shared)
		out = append(out, d)
	})
	return out
}

// ResolveOutputs gives the template's outputs in the same way.
func (t *Template) ResolveOutputs(w World) []*Emitted {
	r := newResolver(t, w)
	var out []*Emitted
	r.eachEntry("Outputs", func(key, body *yaml.Node) {
		o, ok := t.Outputs[key.Value]
		if !ok || o.Condition != "" && r.condition(o.Condition) == no {
			return
		}
		e := &Emitted{Output: o}
		for i := 0; i+1 < len(body.Content); i += 2 {
			switch body.Content[i].Value {
			case "Value":
				e.Value = r.value(body.Content[i+1], 0)
			case "Export":
				e.ExportName = r.value(body.Content[i+1], 0).Get("Name")
			}
		}
		out = append(out, e)
	})
	return out
}

// Metadata is the template's own Metadata section.
func (t *Template) Metadata() *Node {
	r := newResolver(t, World{})
	return r.value(r.sections["Metadata"], 0)
}

// resolver evaluates the values of one template in one world.
type resolver struct {
	t          *Template
	w          World
	sections   map[string]*yaml.Node
	bodies     map[string]*yaml.Node // Properties by logical id
	conditions map[string]truth
	naming     map[string]bool
	names      map[string]*Node
	steps      int
}

// maxSteps bounds the work on one template: names that name each other, and
// mappings that refer to themselves, could take for ever.
const maxSteps = 1 << 21

// truth is a condition's value.
type truth uint8

const (
	unknown truth = iota
	yes
	no
)

func newResolver(t *Template, w World) *resolver {
	r := &resolver{t: t, w: w, sections: map[string]*yaml.Node{}, bodies: map[string]*yaml.Node{},
		conditions: map[string]truth{}, naming: map[string]bool{}, names: map[string]*Node{}}
	if t.root != nil && t.root.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(t.root.Content); i += 2 {
			r.sections[t.root.Content[i].Value] = t.root.Content[i+1]
		}
	}
	r.eachEntry("Resources", func(key, body *yaml.Node) {
		for i := 0; i+1 < len(body.Content); i += 2 {
			if body.Content[i].Value == "Properties" {
				r.bodies[key.Value] = body.Content[i+1]
			}
		}
	})
	return r
}

// eachEntry visits the mappings of a section in the order of the text.
func (r *resolver) eachEntry(section string, visit func(key, body *yaml.Node)) {
	s := r.sections[section]
	if s == nil || s.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(s.Content); i += 2 {
		if s.Content[i+1].Kind == yaml.MappingNode {
			visit(s.Content[i], s.Content[i+1])
		}
	}
}

// property evaluates one property of a resource.
func (r *resolver) property(logical, name string) *Node {
	body := r.bodies[logical]
	if body == nil || body.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(body.Content); i += 2 {
		if body.Content[i].Value == name {
			return r.value(body.Content[i+1], 0)
		}
	}
	return nil
}

// value evaluates n. It is nil for AWS::NoValue.
func (r *resolver) value(n *yaml.Node, depth int) *Node {
	if n == nil {
		return nil
	}
	pos := diag.Pos{File: r.t.File, Line: n.Line, Col: n.Column}
	r.steps++
	if depth > maxDepth || r.steps > maxSteps || n.Kind == yaml.AliasNode { // both are reported by Parse
		return &Node{Kind: NullNode, Pos: pos}
	}
	if name, ok := shortForm(n); ok {
		bare := *n
		bare.Tag = "" // its own kind again
		if bare.Kind == yaml.ScalarNode {
			bare.Tag = "!!str"
		}
		return r.called(name, &bare, pos, depth)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		tag := n.ShortTag()
		if tag == "!!null" && n.Value == "" {
			return &Node{Kind: NullNode, Known: true, Pos: pos}
		}
		return &Node{Kind: ScalarNode, Text: n.Value, Tag: tag, Known: !strings.Contains(n.Value, "{{resolve:"), Pos: pos}
	case yaml.SequenceNode:
		return r.list(n.Content, pos, depth)
	case yaml.MappingNode:
		if len(n.Content) == 2 {
			if name, ok := longForm(n.Content[0]); ok && name != "Condition" {
				return r.called(name, n.Content[1], pos, depth)
			}
		}
		out := &Node{Kind: MapNode, Known: true, Pos: pos}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if v := r.value(n.Content[i+1], depth+1); v != nil {
				out.Keys = append(out.Keys, Key{key.Value, diag.Pos{File: r.t.File, Line: key.Line, Col: key.Column}, v})
				out.Known = out.Known && v.Known
			}
		}
		return out
	}
	return &Node{Kind: NullNode, Pos: pos}
}

func (r *resolver) list(items []*yaml.Node, pos diag.Pos, depth int) *Node {
	out := &Node{Kind: ListNode, Known: true, Pos: pos}
	for _, item := range items {
		v := r.value(item, depth+1)
		if v == nil {
			continue
		}
		out.Known = out.Known && v.Known
		out.branched = out.branched || v.Else != nil || v.Optional
		for v != nil { // each branch is an item
			one := *v
			v, one.Else = v.Else, nil
			out.Items = append(out.Items, &one)
		}
	}
	return out
}

// called evaluates a function.
func (r *resolver) called(name string, arg *yaml.Node, pos diag.Pos, depth int) *Node {
	out := r.call(name, arg, depth+1)
	if out == nil {
		return nil
	}
	copied := *out // may be shared
	copied.Pos, copied.Func = pos, name
	return &copied
}
