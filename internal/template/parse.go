package template

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

// parser collects what a template says and what is wrong with it.
type parser struct {
	t     *Template
	file  string
	diags diag.List
	// loops: Fn::ForEach or a macro makes names that the text doesn't show.
	loops bool
	// rewritten: somebody's macro gets the whole template, and may give a meaning
	// to what CloudFormation itself doesn't know.
	rewritten bool
	// inConditions: below the Conditions section, where {Condition: x} is a
	// reference and not somebody's property.
	inConditions bool
	// unrolled are nodes that loops have made, unrolledText the bytes in them.
	unrolled, unrolledText int
}

var (
	sections = []string{"AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings",
		"Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform"}
	// Version is for custom resources: the documentation's own have it.
	resourceKeys = []string{"Condition", "Connectors", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata",
		"Properties", "Type", "UpdatePolicy", "UpdateReplacePolicy", "IgnoreGlobals", "Version"}
	outputKeys = []string{"Condition", "Description", "Export", "Value"}
	logicalID  = late.MustCompile(`^[A-Za-z0-9]+$`)
	typeName   = late.MustCompile(`^[A-Za-z0-9]+(::[A-Za-z0-9@_-]+)+$`)
)

// isLogicalID: up to 255 letters and digits. (A pattern that counts that far by
// itself takes long to compile, whenever the program starts.)
func isLogicalID(s string) bool { return len(s) <= 255 && logicalID.MatchString(s) }

// CloudFormation's quotas of what a template may declare.
const (
	maxParameters = 200
	maxOutputs    = 200
	maxResources  = 500
)

func (p *parser) pos(n *yaml.Node) diag.Pos {
	return diag.Pos{File: p.file, Line: n.Line, Col: n.Column}
}

// entry is one key of a mapping.
type entry struct{ key, value *yaml.Node }

// entries lists a mapping's keys; doubles are reported, the last one counts.
func (p *parser) entries(n *yaml.Node, what string) []entry {
	if n.Kind == yaml.AliasNode || n.Kind != yaml.MappingNode {
		if n.Kind != yaml.AliasNode { // reported by walk
			p.diags.Add(p.pos(n), "", "%s must be a mapping", what)
		}
		return nil
	}
	var out []entry
	index := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			p.diags.Add(p.pos(key), "", "a key of %s must be a name", what)
			continue
		}
		if at, ok := index[key.Value]; ok {
			p.diags.Add(p.pos(key), "", "%q is in %s twice", key.Value, what)
			out[at] = entry{key, value}
			continue
		}
		index[key.Value] = len(out)
		out = append(out, entry{key, value})
	}
	return out
}

func (p *parser) document(root *yaml.Node) {
	top := p.entries(root, "a template")
	for _, e := range top { // what changes how the rest is read comes first
		if e.key.Value == "Transform" {
			p.transform(e.value)
		}
	}
	p.rewritten = p.t.openOutputs
	if slices.Contains(p.t.Transforms, languageExtensions) {
		p.unroll(root, 0)
		top = p.entries(root, "a template")
	}
	resources := false
	for _, e := range top {
		switch e.key.Value {
		case "Parameters":
			p.parameters(e.value)
		case "Conditions", "Mappings":
			p.names(e)
		case "Resources":
			resources = true
			p.resources(e.value)
		case "Outputs":
			p.outputs(e.value)
		case "Description":
			p.t.Description = e.value.Value
		default:
			if !slices.Contains(sections, e.key.Value) && len(p.t.Transforms) == 0 {
				p.unknown(e.key, "template section", sections)
			}
		}
		p.inConditions = e.key.Value == "Conditions"
		if e.key.Value != "Metadata" && e.key.Value != "Parameters" {
			p.walk(e.value, 0)
		} else {
			p.aliases(e.value, 0)
		}
	}
	if root.Kind == yaml.MappingNode && !resources {
		p.diags.Add(p.pos(root), "add a Resources section with at least one resource", "the template has no Resources")
	}
}

// unknown reports a key that isn't one of those known.
func (p *parser) unknown(key *yaml.Node, what string, known []string) {
	hint := ""
	if near := diag.Nearest(key.Value, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	p.diags.Add(p.pos(key), hint, "unknown %s %q", what, key.Value)
}

func (p *parser) transform(n *yaml.Node) {
	names := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		names = n.Content
	}
	for _, name := range names {
		text := name.Value
		if name.Kind == yaml.MappingNode { // {Name: AWS::Include, Parameters: ...}
			for i := 0; i+1 < len(name.Content); i += 2 {
				if name.Content[i].Value == "Name" {
					text = name.Content[i+1].Value
				}
			}
		}
		if text == "" {
			p.diags.Add(p.pos(name), "", "a transform must be a name")
			continue
		}
		p.macro(text)
	}
}

// macro notes a transform. AWS's own make no outputs, but resources; anybody
// else's may make anything.
func (p *parser) macro(name string) {
	p.t.Transforms = append(p.t.Transforms, name)
	p.t.opaque = append(p.t.opaque, "transform "+name)
	p.loops = true
	if name != "AWS::Serverless-2016-10-31" && name != "AWS::LanguageExtensions" && name != "AWS::SecretsManager-2020-07-23" &&
		name != "AWS::SecretsManager-2024-09-16" && name != "AWS::CodeDeployBlueGreen" {
		p.t.openOutputs = true
	}
}

// names reads sections of which only the names matter: Conditions, Mappings.
func (p *parser) names(section entry) {
	into := p.t.Conditions
	if section.key.Value == "Mappings" {
		into = p.t.Mappings
	}
	for _, e := range p.entries(section.value, section.key.Value) {
		if p.loop(e) {
			continue
		}
		into[e.key.Value] = p.pos(e.key)
	}
}

// loop says whether the entry makes others, which its text doesn't name.
func (p *parser) loop(e entry) bool {
	if strings.HasPrefix(e.key.Value, forEach) || e.key.Value == "Fn::Transform" {
		p.loops, p.t.loops = true, true
		return true
	}
	return false
}

func (p *parser) resources(n *yaml.Node) {
	all := p.entries(n, "Resources")
	if len(all) == 0 && n.Kind == yaml.MappingNode {
		p.diags.Add(p.pos(n), "", "Resources has no resource")
	}
	if len(all) > maxResources {
		p.diags.Add(p.pos(n), "split it into several stacks", "the template has %d resources; CloudFormation allows %d", len(all), maxResources)
	}
	for _, e := range all {
		if !p.loop(e) {
			p.resource(e)
		}
	}
}

func (p *parser) resource(e entry) {
	name := e.key.Value
	if !isLogicalID(name) {
		p.diags.Add(p.pos(e.key), "use letters and digits only", "resource name %q is not alphanumeric", name)
	}
	r := Resource{Name: name, Pos: p.pos(e.key), Digest: digestOf(e.value)}
	for _, f := range p.entries(e.value, "resource "+name) {
		switch f.key.Value {
		case "Type":
			r.Type = f.value.Value
			if f.value.Kind != yaml.ScalarNode || !typeName.MatchString(r.Type) {
				p.diags.Add(p.pos(f.value), "such as AWS::SNS::Topic", "resource %s has no valid type: %q", name, r.Type)
			}
		case "Condition":
			r.Condition = f.value.Value
			p.t.References = append(p.t.References, Reference{Kind: "Condition", Name: r.Condition, Pos: p.pos(f.value)})
		case "DependsOn":
			r.DependsOn = p.dependsOn(f.value)
		default:
			if !slices.Contains(resourceKeys, f.key.Value) && !p.loop(f) && !p.rewritten {
				p.unknown(f.key, "attribute of resource "+name, resourceKeys)
			}
		}
	}
	if r.Type == "" && e.value.Kind == yaml.MappingNode && !p.loops {
		p.diags.Add(p.pos(e.key), "such as Type: AWS::SNS::Topic", "resource %s has no Type", name)
	}
	if r.Type == "AWS::CloudFormation::Stack" {
		p.t.opaque = append(p.t.opaque, "nested stack "+name)
	}
	if strings.HasSuffix(r.Type, "::MODULE") {
		p.t.opaque = append(p.t.opaque, "module "+r.Type)
		p.loops = true
	}
	p.t.Resources[name] = r
}

func (p *parser) dependsOn(n *yaml.Node) []string {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var names []string
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.Value == "" {
			if !p.loops {
				p.diags.Add(p.pos(item), "", "DependsOn must name resources")
			}
			continue
		}
		names = append(names, item.Value)
		p.t.References = append(p.t.References, Reference{Kind: "DependsOn", Name: item.Value, Pos: p.pos(item)})
	}
	return names
}

func (p *parser) outputs(n *yaml.Node) {
	all := p.entries(n, "Outputs")
	if len(all) > maxOutputs {
		p.diags.Add(p.pos(n), "", "the template has %d outputs; CloudFormation allows %d", len(all), maxOutputs)
	}
	for _, e := range all {
		if p.loop(e) {
			p.t.openOutputs = true
			continue
		}
		name := e.key.Value
		if !isLogicalID(name) {
			p.diags.Add(p.pos(e.key), "use letters and digits only", "output name %q is not alphanumeric", name)
		}
		out := Output{Name: name, Pos: p.pos(e.key)}
		value := false
		for _, f := range p.entries(e.value, "output "+name) {
			switch f.key.Value {
			case "Value":
				value = true
			case "Condition":
				out.Condition = f.value.Value
				p.t.References = append(p.t.References, Reference{Kind: "Condition", Name: out.Condition, Pos: p.pos(f.value)})
			case "Export":
				out.Export = p.export(name, f.value)
			default:
				if !slices.Contains(outputKeys, f.key.Value) && !p.loop(f) && !p.rewritten {
					p.unknown(f.key, "attribute of output "+name, outputKeys)
				}
			}
		}
		if !value && e.value.Kind == yaml.MappingNode && !p.rewritten {
			p.diags.Add(p.pos(e.key), "", "output %s has no Value", name)
		}
		p.t.Outputs[name] = out
	}
}

func (p *parser) export(output string, n *yaml.Node) string {
	for _, e := range p.entries(n, "Export of output "+output) {
		if e.key.Value == "Name" {
			return textOf(e.value)
		}
		p.unknown(e.key, "attribute of Export", []string{"Name"})
	}
	p.diags.Add(p.pos(n), "", "the export of output %s has no Name", output)
	return ""
}
