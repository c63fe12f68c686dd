package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

var (
	// intrinsics are the functions of templates, as they follow "!" or "Fn::".
	intrinsics = []string{"And", "Base64", "Cidr", "Condition", "Contains", "EachMemberEquals", "EachMemberIn", "Equals",
		"FindInMap", "GetAZs", "GetAtt", "GetStackOutput", "If", "ImportValue", "Implies", "Join", "Length", "Not", "Or", "Ref",
		"RefAll", "Select", "Split", "Sub", "ToJsonString", "Transform", "ValueOf", "ValueOfAll"}
	pseudoParameters = []string{"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region",
		"AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}
	substitution = late.MustCompile(`\$\{([^!{}][^{}]*)\}`)
)

// walk visits every value below n, and notes references and what makes the
// template opaque.
func (p *parser) walk(n *yaml.Node, depth int) {
	if depth > maxDepth {
		p.diags.Add(p.pos(n), "", "nested too deeply")
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		p.alias(n)
		return
	case yaml.ScalarNode:
		if strings.Contains(n.Value, "{{resolve:") {
			p.t.opaque = append(p.t.opaque, fmt.Sprintf("dynamic reference in line %d", n.Line))
		}
	}
	if name, ok := shortForm(n); ok {
		if p.function(n, "!", name) {
			p.call(name, n)
		}
	}
	if n.Kind == yaml.MappingNode {
		p.merges(n)
		if depth > 1 { // of a section's entries and their attributes it is an error
			p.doubles(n)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, ok := longForm(n.Content[i])
			alone := len(n.Content) == 2 && (name != "Condition" || p.inConditions)
			if ok && (alone || name == "Transform") && (p.rewritten || strings.HasPrefix(name, "ForEach::") || p.function(n.Content[i], "Fn::", name)) {
				p.call(name, n.Content[i+1])
			}
		}
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		p.walk(c, depth+1)
	}
}

// function says whether there is such a function, and reports one that isn't.
func (p *parser) function(n *yaml.Node, before, name string) bool {
	if slices.Contains(intrinsics, name) {
		return true
	}
	hint := ""
	if near := diag.Nearest(name, intrinsics); near != "" {
		hint = "did you mean " + before + near + "?"
	}
	p.diags.Add(p.pos(n), hint, "unknown function %s%s", before, name)
	return false
}

// aliases looks for YAML aliases where nothing else is of interest.
func (p *parser) aliases(n *yaml.Node, depth int) {
	if n.Kind == yaml.AliasNode {
		p.alias(n)
		return
	}
	if depth > maxDepth {
		return
	}
	for _, c := range n.Content {
		p.aliases(c, depth+1)
	}
}

func (p *parser) alias(n *yaml.Node) {
	p.diags.Add(p.pos(n), "write the value out, or run the template through `aws cloudformation package`",
		"CloudFormation doesn't take YAML aliases")
}

func (p *parser) merges(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" && n.Content[i+1].Kind != yaml.AliasNode {
			p.diags.Add(p.pos(n.Content[i]), "write the keys out", "CloudFormation doesn't take YAML merge keys")
		}
	}
}

// doubles warns of keys that a mapping has twice.
func (p *parser) doubles(n *yaml.Node) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, ok := seen[key.Value]; ok {
			p.diags.Warn(p.pos(key), "keep one of them", "key %q is here for the second time; the first is in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
	}
}

// shortForm gives the name after the "!" of a tag.
func shortForm(n *yaml.Node) (string, bool) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && len(n.Tag) > 1 {
		return n.Tag[1:], true
	}
	return "", false
}

// longForm gives the function's name of a mapping's only key.
func longForm(key *yaml.Node) (string, bool) {
	if key.Value == "Ref" || key.Value == "Condition" { // the latter also is an ordinary key
		return key.Value, true
	}
	name, ok := strings.CutPrefix(key.Value, "Fn::")
	return name, ok
}

// call notes one use of a function.
func (p *parser) call(name string, arg *yaml.Node) {
	add := func(kind, name, attr string) {
		if name != "" {
			p.t.References = append(p.t.References, Reference{kind, name, attr, p.pos(arg)})
		}
	}
	first := arg
	if arg.Kind == yaml.SequenceNode && len(arg.Content) > 0 {
		first = arg.Content[0]
	}
	switch name {
	case "Ref":
		if arg.Kind == yaml.ScalarNode {
			add("Ref", arg.Value, "")
		}
	case "Condition":
		if arg.Kind == yaml.ScalarNode {
			add("Condition", arg.Value, "")
		}
	case "GetAtt":
		resource, attr, _ := strings.Cut(first.Value, ".")
		if arg.Kind == yaml.SequenceNode && len(arg.Content) > 1 {
			resource, attr = first.Value, arg.Content[1].Value
		}
		add("GetAtt", resource, attr)
	case "If":
		if arg.Kind == yaml.SequenceNode && first.Kind == yaml.ScalarNode {
			add("Condition", first.Value, "")
		}
	case "FindInMap":
		if _, tagged := shortForm(first); arg.Kind == yaml.SequenceNode && first.Kind == yaml.ScalarNode && !tagged {
			add("FindInMap", first.Value, "")
		}
	case "Sub":
		p.sub(arg, first, add)
	case "ImportValue":
		_, tagged := shortForm(arg)
		literal := arg.Kind == yaml.ScalarNode && (!tagged || arg.Tag == "!ImportValue")
		text := textOf(arg)
		if literal {
			text = arg.Value
		}
		p.t.Imports = append(p.t.Imports, Import{text, literal, p.pos(arg)})
		bare := *arg
		if arg.Tag == "!ImportValue" {
			bare.Tag = ""
			if arg.Kind == yaml.ScalarNode {
				bare.Tag = "!!str"
			}
		}
		p.t.imports = append(p.t.imports, &bare)
	case "Transform":
		p.transform(&yaml.Node{Kind: yaml.MappingNode, Content: arg.Content, Line: arg.Line, Column: arg.Column})
	case "GetStackOutput":
		p.t.opaque = append(p.t.opaque, fmt.Sprintf("Fn::GetStackOutput in line %d", arg.Line))
		p.stackOutput(arg)
	}
}

// sub notes the names in a Fn::Sub, except those that its own map sets.
func (p *parser) sub(arg, text *yaml.Node, add func(kind, name, attr string)) {
	own := map[string]bool{}
	if arg.Kind == yaml.SequenceNode && len(arg.Content) > 1 && arg.Content[1].Kind == yaml.MappingNode {
		for i := 0; i < len(arg.Content[1].Content); i += 2 {
			own[arg.Content[1].Content[i].Value] = true
		}
	}
	if text.Kind != yaml.ScalarNode {
		return
	}
	for _, m := range substitution.FindAllStringSubmatch(text.Value, -1) {
		name := strings.TrimSpace(m[1])
		if own[name] {
			continue
		}
		resource, attr, _ := strings.Cut(name, ".")
		add("Sub", resource, attr)
	}
}

// checkReferences reports names that nothing declares. Where a transform or
// loop makes names, the text can't tell.
func (p *parser) checkReferences() {
	if p.loops {
		return
	}
	params, resources := sortedKeys(p.t.Parameters), sortedKeys(p.t.Resources)
	for _, r := range p.t.References {
		var known []string
		what := "resource"
		switch r.Kind {
		case "Ref", "Sub":
			if slices.Contains(pseudoParameters, r.Name) {
				continue
			}
			known, what = slices.Concat(params, resources), "parameter or resource"
			if strings.HasPrefix(r.Name, "AWS::") {
				known, what = pseudoParameters, "pseudo parameter"
			}
			if r.Attr != "" {
				known, what = resources, "resource"
			}
		case "GetAtt", "DependsOn":
			known = resources
		case "Condition":
			known, what = sortedKeys(p.t.Conditions), "condition"
		case "FindInMap":
			known, what = sortedKeys(p.t.Mappings), "mapping"
		}
		if slices.Contains(known, r.Name) {
			continue
		}
		hint := ""
		if near := diag.Nearest(r.Name, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.diags.Add(r.Pos, hint, "%s refers to %q, but the template declares no such %s", r.Kind, r.Name, what)
	}
}

// textOf is a value for people: a literal, or "!Sub text" and the like.
func textOf(n *yaml.Node) string {
	name, short := shortForm(n)
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		if long, ok := longForm(n.Content[0]); ok {
			return strings.TrimSpace("!" + long + " " + argText(n.Content[1]))
		}
	}
	if short {
		return strings.TrimSpace("!" + name + " " + argText(n))
	}
	return argText(n)
}

func argText(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
		return n.Content[0].Value
	}
	return "..."
}

// digestOf is the same for values that say the same.
func digestOf(n *yaml.Node) string {
	h := sha256.New()
	canonical(h, n, 0)
	return hex.EncodeToString(h.Sum(nil))
}

// canonical writes a value without its layout: short forms as long ones, keys
// sorted.
func canonical(w io.Writer, n *yaml.Node, depth int) {
	if depth > maxDepth {
		return
	}
	if name, ok := shortForm(n); ok {
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		fmt.Fprintf(w, "{%q:", name)
		defer fmt.Fprint(w, ",}")
	}
	switch n.Kind {
	case yaml.ScalarNode:
		fmt.Fprintf(w, "%q", n.Value)
	case yaml.SequenceNode:
		fmt.Fprint(w, "[")
		for _, c := range n.Content {
			canonical(w, c, depth+1)
			fmt.Fprint(w, ",")
		}
		fmt.Fprint(w, "]")
	case yaml.MappingNode:
		order := make([]int, 0, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			order = append(order, i)
		}
		slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(n.Content[a].Value, n.Content[b].Value) })
		fmt.Fprint(w, "{")
		for _, i := range order {
			fmt.Fprintf(w, "%q:", n.Content[i].Value)
			canonical(w, n.Content[i+1], depth+1)
			fmt.Fprint(w, ",")
		}
		fmt.Fprint(w, "}")
	}
}
