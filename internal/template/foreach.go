package template

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	forEach            = "Fn::ForEach::"
	languageExtensions = "AWS::LanguageExtensions"
	// maxUnrolled and maxUnrolledText bound what loops within loops may write out,
	// in nodes and in bytes: CloudFormation takes 1 MiB after transforms.
	maxUnrolled     = 1 << 18
	maxUnrolledText = 8 << 20
)

// unroll writes the loops of AWS::LanguageExtensions out, keeping the places of
// their bodies. Loops over what isn't written out, such as a parameter, stay: what
// they make isn't known.
func (p *parser) unroll(n *yaml.Node, depth int) {
	if depth > maxDepth {
		return
	}
	if n.Kind == yaml.MappingNode {
		var content []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			made, ok := p.loopOf(key, value)
			if !ok {
				content = append(content, key, value)
				continue
			}
			content = append(content, made...)
		}
		n.Content = content
	}
	for _, c := range n.Content {
		p.unroll(c, depth+1)
	}
}

// loopOf gives the entries that a loop makes.
func (p *parser) loopOf(key, arg *yaml.Node) ([]*yaml.Node, bool) {
	if !strings.HasPrefix(key.Value, forEach) || arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, false
	}
	name, items, body := arg.Content[0], arg.Content[1], arg.Content[2]
	if _, tagged := shortForm(items); tagged || name.Kind != yaml.ScalarNode || name.Value == "" || items.Kind != yaml.SequenceNode || body.Kind != yaml.MappingNode {
		return nil, false
	}
	var out []*yaml.Node
	for _, item := range items.Content {
		if _, tagged := shortForm(item); tagged || item.Kind != yaml.ScalarNode {
			return nil, false
		}
		made := p.replaced(body, newRound(name.Value, item.Value))
		if p.unrolled > maxUnrolled || p.unrolledText > maxUnrolledText {
			return nil, false
		}
		out = append(out, made.Content...)
	}
	return out, true
}

// round is one round of a loop: what its variable stands for.
type round struct {
	name, item      string
	braced, letters string // ${X} and &{X}
	replacer        *strings.Replacer
}

func newRound(name, item string) *round {
	r := &round{name: name, item: item, braced: "${" + name + "}", letters: "&{" + name + "}"}
	r.replacer = strings.NewReplacer(r.braced, item, r.letters, alphanumeric(item))
	return r
}

// replaced copies a node with a loop's variable replaced: ${X} by the item, &{X}
// by its letters and digits, and a Ref. Beyond the bounds it does nothing.
func (p *parser) replaced(n *yaml.Node, r *round) *yaml.Node {
	p.unrolled++
	p.unrolledText += len(n.Value) + len(r.item)*(strings.Count(n.Value, r.braced)+strings.Count(n.Value, r.letters))
	if n.Value == r.name { // perhaps a Ref
		p.unrolledText += len(r.item)
	}
	out := *n
	if p.unrolled > maxUnrolled || p.unrolledText > maxUnrolledText {
		return &out
	}
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!Ref" && n.Value == r.name {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: r.item, Line: n.Line, Column: n.Column}
		}
		out.Value = r.replacer.Replace(n.Value)
		return &out
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "Ref" && n.Content[1].Value == r.name {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: r.item, Line: n.Line, Column: n.Column}
	}
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = p.replaced(c, r)
	}
	return &out
}

// Loops says whether the template has loops that make what its text doesn't show.
func (t *Template) Loops() bool { return t.loops }
