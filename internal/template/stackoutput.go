package template

import (
	"slices"
	"strings"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// StackOutput is one Fn::GetStackOutput, evaluated as far as the place is known:
// what isn't known stays as ${...}. See AWS's Template Reference,
// "Fn::GetStackOutput".
type StackOutput struct {
	Stack  string // name of the stack
	Output string // logical id of its output
	Region string // the stack's own when the template gives none
	Role   string // ARN of the role that reads; "" is the stack's own
	Pos    diag.Pos
}

// Account is the account that is read in: that of the role, else own; "" when
// the role isn't known.
func (o StackOutput) Account(own string) string {
	if o.Role == "" {
		return own
	}
	parts := strings.SplitN(o.Role, ":", 6)
	if len(parts) < 6 || parts[2] != "iam" || strings.Contains(parts[4], "$") {
		return ""
	}
	return parts[4]
}

// stackOutputKeys are what Fn::GetStackOutput takes.
var stackOutputKeys = []string{"OutputName", "Region", "RoleArn", "StackName"}

// stackOutput notes one use, and what CloudFormation would refuse of it.
func (p *parser) stackOutput(arg *yaml.Node) {
	pos := p.pos(arg)
	if p.inConditions {
		p.diags.Add(pos, "pass the value as a parameter", "CloudFormation doesn't take Fn::GetStackOutput in Conditions")
	}
	if arg.Kind != yaml.MappingNode {
		p.diags.Add(pos, "", "Fn::GetStackOutput takes StackName, OutputName, Region and RoleArn")
		return
	}
	given := map[string]bool{}
	_, short := shortForm(arg)
	for i := 0; i+1 < len(arg.Content); i += 2 {
		key := arg.Content[i].Value
		given[key] = true
		if !slices.Contains(stackOutputKeys, key) {
			p.diags.Add(p.pos(arg.Content[i]), "it takes "+strings.Join(stackOutputKeys, ", "), "Fn::GetStackOutput has no %s", key)
		}
		if _, inner := shortForm(arg.Content[i+1]); short && inner {
			p.diags.Add(p.pos(arg.Content[i+1]), "write Fn::GetStackOutput: on a line of its own",
				"!GetStackOutput can't have other functions in short form inside")
		}
	}
	for _, key := range []string{"StackName", "OutputName"} {
		if !given[key] {
			p.diags.Add(pos, "", "Fn::GetStackOutput needs %s", key)
		}
	}
	bare := *arg
	bare.Tag = ""
	p.t.stackOutputs = append(p.t.stackOutputs, &bare)
}

// StackOutputs are the uses of Fn::GetStackOutput, in the order of the text. Those
// in a branch that isn't taken are among them.
func (t *Template) StackOutputs(w World) []StackOutput {
	if len(t.stackOutputs) == 0 {
		return nil
	}
	r := newResolver(t, w)
	out := make([]StackOutput, 0, len(t.stackOutputs))
	for _, n := range t.stackOutputs {
		v := r.value(n, 0)
		o := StackOutput{Stack: v.Get("StackName").Str(), Output: v.Get("OutputName").Str(), Region: v.Get("Region").Str(),
			Role: v.Get("RoleArn").Str(), Pos: diag.Pos{File: t.File, Line: n.Line, Col: n.Column}}
		if o.Region == "" {
			o.Region = w.Region
		}
		out = append(out, o)
	}
	return out
}

// HasStackOutputs says whether the template uses Fn::GetStackOutput.
func (t *Template) HasStackOutputs() bool { return len(t.stackOutputs) > 0 }

// ImportNames are the names of the exports that the template imports, as far as
// they are known; sorted, each once.
func (t *Template) ImportNames(w World) []string {
	if len(t.imports) == 0 {
		return nil
	}
	r := newResolver(t, w)
	var out []string
	for _, n := range t.imports {
		if v := r.value(n, 0); v != nil && v.Known && v.Str() != "" {
			out = append(out, v.Str())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
