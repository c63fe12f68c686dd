package template

import (
	"encoding/base64"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxText bounds a text that intrinsics make: names that name each other could
// double it without end.
const maxText = 1 << 16

func text(s string, known bool, refs ...Reference) *Node {
	if len(s) > maxText {
		s, known, refs = "${...}", false, nil
	}
	return &Node{Kind: ScalarNode, Text: s, Tag: "!!str", Known: known, Refs: refs}
}

// call gives a function's value; what can't be known is left as ${...}.
func (r *resolver) call(name string, arg *yaml.Node, depth int) *Node {
	switch name {
	case "Ref":
		return r.ref(arg.Value)
	case "GetAtt":
		logical, attr, _ := strings.Cut(arg.Value, ".")
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			logical, attr = arg.Content[0].Value, r.value(arg.Content[1], depth).Str()
		}
		value, known := r.attribute(logical, attr)
		return text(value, known, Reference{Kind: "GetAtt", Name: logical, Attr: attr})
	case "Sub":
		return r.sub(arg, depth)
	case "If":
		return r.choose(arg, depth)
	case "FindInMap":
		return r.find(arg, depth)
	case "Join", "Select", "Split":
		args := r.value(arg, depth)
		if args == nil || len(args.Items) != 2 {
			return text("${Fn::"+name+"}", false)
		}
		if name == "Join" && len(arg.Content) == 2 {
			return combine(name, args.Items[0], r.joined(arg.Content[1], args.Items[1], depth))
		}
		return combine(name, args.Items[0], args.Items[1])
	case "Base64":
		v := r.value(arg, depth)
		if v == nil || !v.Known || v.Kind != ScalarNode {
			out := text("${Fn::Base64}", false)
			if v != nil {
				out.Refs = v.Refs
			}
			return out
		}
		return text(base64.StdEncoding.EncodeToString([]byte(v.Text)), true)
	case "ToJsonString":
		v := r.value(arg, depth)
		return text(string(v.JSON()), v != nil && v.Known)
	case "ImportValue":
		v := r.value(arg, depth)
		return text("${Fn::ImportValue:"+v.Str()+"}", false)
	}
	return text("${Fn::"+name+"}", false)
}

// pseudo is the value of a pseudo parameter.
func (r *resolver) pseudo(name string) (string, bool) {
	value := ""
	switch name {
	case "AWS::AccountId":
		value = r.w.Account
	case "AWS::Region":
		value = r.w.Region
	case "AWS::Partition":
		value = r.w.Partition
	case "AWS::StackName":
		value = r.w.Stack
	case "AWS::URLSuffix":
		switch r.w.Partition {
		case "":
		case "aws-cn":
			value = "amazonaws.com.cn"
		default:
			value = "amazonaws.com"
		}
	}
	if value == "" {
		return "${" + name + "}", false
	}
	return value, true
}

func (r *resolver) ref(name string) *Node {
	ref := Reference{Kind: "Ref", Name: name}
	if name == "AWS::NoValue" {
		return nil
	}
	if strings.HasPrefix(name, "AWS::") {
		value, known := r.pseudo(name)
		return text(value, known, ref)
	}
	if p, ok := r.t.Parameters[name]; ok {
		value, known := r.parameter(&p)
		if known && p.List() {
			out := &Node{Kind: ListNode, Known: true}
			for item := range strings.SplitSeq(value, ",") {
				out.Items = append(out.Items, text(strings.TrimSpace(item), true, ref))
			}
			return out
		}
		return text(value, known, ref)
	}
	value, known := r.reference(name)
	return text(value, known, ref)
}

// parameter is a parameter's value. Secret ones aren't known to anybody here.
func (r *resolver) parameter(p *Parameter) (string, bool) {
	if !p.NoEcho && !p.SSM() {
		if v, ok := r.w.Parameters[p.Name]; ok {
			return v, v != Unknown(p.Name)
		}
		if p.Default != nil {
			return *p.Default, true
		}
	}
	return "${" + p.Name + "}", false
}

func (r *resolver) sub(arg *yaml.Node, depth int) *Node {
	body, own := arg, map[string]*Node{}
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		body = arg.Content[0]
		for _, k := range r.value(arg.Content[1], depth).Entries() {
			own[k.Name] = k.Value
		}
	}
	out := text("", true)
	rest := body.Value
	for {
		m := substitution.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		out.Text += rest[:m[0]]
		part := r.named(strings.TrimSpace(rest[m[2]:m[3]]), own)
		out.Text += part.Str()
		out.Known = out.Known && part != nil && part.Known
		if part != nil {
			out.Refs = append(out.Refs, part.Refs...)
		}
		rest = rest[m[1]:]
		if len(out.Text) > maxText {
			return text("${Fn::Sub}", false)
		}
	}
	out.Text += rest
	out.Text = strings.ReplaceAll(out.Text, "${!", "${")
	out.Known = out.Known && !strings.Contains(out.Text, "{{resolve:")
	return out
}

// joined are the items of a list that are joined, evaluated already: of those that
// a condition chooses, which isn't known, each is unknown, not all its branches.
func (r *resolver) joined(items *yaml.Node, list *Node, depth int) *Node {
	if _, tagged := shortForm(items); !list.branched || tagged || items.Kind != yaml.SequenceNode {
		return list
	}
	out := &Node{Kind: ListNode}
	for _, item := range items.Content {
		v := r.value(item, depth+1)
		switch {
		case v == nil:
			continue
		case v.Optional: // its separator isn't known either
			return list
		case v.Else != nil:
			v = text("${Fn::If}", false)
		}
		out.Items = append(out.Items, v)
	}
	return out
}

// named is the value of ${name} in a Fn::Sub.
func (r *resolver) named(name string, own map[string]*Node) *Node {
	if v, ok := own[name]; ok {
		if v.Else != nil {
			return text("${Fn::If}", false)
		}
		if v.Kind == ListNode {
			return combine("Join", text(",", true), v)
		}
		return v
	}
	if logical, attr, ok := strings.Cut(name, "."); ok {
		value, known := r.attribute(logical, attr)
		return text(value, known, Reference{Kind: "GetAtt", Name: logical, Attr: attr})
	}
	v := r.ref(name)
	if v != nil && v.Kind == ListNode {
		return combine("Join", text(",", true), v)
	}
	return v
}

// choose is Fn::If.
func (r *resolver) choose(arg *yaml.Node, depth int) *Node {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return text("${Fn::If}", false)
	}
	switch r.condition(arg.Content[0].Value) {
	case yes:
		return r.value(arg.Content[1], depth)
	case no:
		return r.value(arg.Content[2], depth)
	}
	then, other := r.value(arg.Content[1], depth), r.value(arg.Content[2], depth)
	if then == nil {
		then, other = other, nil
	}
	if then == nil {
		return nil
	}
	out := *then
	if other != nil {
		out = *either(then, other) // behind the branches that it has by itself
	}
	out.Known, out.Optional = false, other == nil || then.Optional || other.Optional
	return &out
}

func (r *resolver) find(arg *yaml.Node, depth int) *Node {
	args := r.value(arg, depth)
	if args == nil || len(args.Items) < 3 {
		return text("${Fn::FindInMap}", false)
	}
	at := r.sections["Mappings"]
	for _, key := range args.Items[:3] {
		var next *yaml.Node
		if at != nil && key.Known && at.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(at.Content); i += 2 {
				if at.Content[i].Value == key.Str() {
					next = at.Content[i+1]
				}
			}
		}
		at = next
	}
	if at == nil {
		return text("${Fn::FindInMap}", false)
	}
	return r.value(at, depth)
}

// combine is Join, Select and Split of evaluated arguments.
func combine(name string, first, second *Node) *Node {
	unknowable := text("${Fn::"+name+"}", false)
	switch name {
	case "Join":
		if second.Kind != ListNode || second.branched {
			return unknowable
		}
		out := text("", first.Known && second.Known)
		for i, item := range second.Items {
			if item.Kind != ScalarNode {
				return unknowable
			}
			if i > 0 {
				out.Text += first.Str()
			}
			out.Text += item.Text
			out.Refs = append(out.Refs, item.Refs...)
			if len(out.Text) > maxText {
				return unknowable
			}
		}
		return out
	case "Select":
		i, err := strconv.Atoi(first.Str())
		if err != nil || second.Kind != ListNode || second.branched || i < 0 || i >= len(second.Items) {
			return unknowable
		}
		return second.Items[i]
	}
	if second.Kind != ScalarNode || !second.Known || first.Str() == "" {
		return unknowable
	}
	out := &Node{Kind: ListNode, Known: true}
	for part := range strings.SplitSeq(second.Text, first.Str()) {
		out.Items = append(out.Items, text(part, true, second.Refs...))
	}
	return out
}

// condition evaluates one of the template's conditions.
func (r *resolver) condition(name string) truth {
	if v, ok := r.conditions[name]; ok {
		return v
	}
	r.conditions[name] = unknown // one that refers to itself
	s := r.sections["Conditions"]
	if s == nil || s.Kind != yaml.MappingNode {
		return unknown
	}
	for i := 0; i+1 < len(s.Content); i += 2 {
		if s.Content[i].Value == name {
			r.conditions[name] = r.truthOf(s.Content[i+1], 0)
		}
	}
	return r.conditions[name]
}

func (r *resolver) truthOf(n *yaml.Node, depth int) truth {
	name, ok := shortForm(n)
	arg := n
	if !ok && n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		name, ok = longForm(n.Content[0])
		arg = n.Content[1]
	}
	if !ok || depth > maxDepth {
		return unknown
	}
	switch name {
	case "Condition":
		return r.condition(arg.Value)
	case "Not":
		if len(arg.Content) == 1 {
			return map[truth]truth{yes: no, no: yes}[r.truthOf(arg.Content[0], depth+1)]
		}
	case "And", "Or":
		decides, out := no, yes // of And
		if name == "Or" {
			decides, out = yes, no
		}
		for _, c := range arg.Content {
			switch v := r.truthOf(c, depth+1); v {
			case decides:
				return decides
			case unknown:
				out = unknown
			}
		}
		return out
	case "Equals":
		if len(arg.Content) != 2 {
			return unknown
		}
		a, b := r.value(arg.Content[0], depth+1), r.value(arg.Content[1], depth+1)
		if a == nil || b == nil || !a.Known || !b.Known {
			return unknown
		}
		if string(a.JSON()) == string(b.JSON()) || a.Kind == ScalarNode && b.Kind == ScalarNode && a.Text == b.Text {
			return yes
		}
		return no
	}
	return unknown
}
