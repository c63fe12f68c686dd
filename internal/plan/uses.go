package plan

import (
	"path"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/template"
)

// How an output is read.
const (
	ByOutput      = "output()"
	ByOutputs     = "outputs()"
	ByExport      = "export()"
	ByImport      = "Fn::ImportValue"
	ByStackOutput = "Fn::GetStackOutput"
	ByPeering     = "peering"
)

// A Use is one output of a stack that another stack's step reads, or a peering.
type Use struct {
	Step     *axle.Step // that reads; of a peering its request
	Producer string     // id of the stack's step whose output it is, also where the plan only reads it
	Output   string
	By       string
	// Input is the parameter that has the value, or "tag:" and the tag; of a peering
	// its key in axle.yaml, such as accepter.cidr; "" where the template reads by itself.
	Input string
}

// peeringKeys are the keys of axle.yaml that the inputs of a peering's parts have
// their values from.
var peeringKeys = map[string]map[string]string{
	"request":          {"vpc": "requester.vpc", "peer_vpc": "accepter.vpc"},
	"routes-requester": {"cidr": "accepter.cidr", "route_tables": "requester.route_tables"},
	"routes-accepter":  {"cidr": "requester.cidr", "route_tables": "accepter.route_tables"},
}

// Whole is the plan of all instances, whatever the input narrows to: what reads
// what. It is tolerant of values that can't be had, and nothing to be run.
func Whole(in Input) (*Plan, diag.List) {
	in.Where, in.Regions, in.Only, in.Exactly, in.NoPeering = nil, nil, nil, nil, false
	in.Destroy, in.whole = true, true
	return Build(in)
}

// Uses are the outputs that the plan's stacks read from each other, and those that
// its peerings read, in the order of the steps.
func (p *Plan) Uses() []Use {
	var out []Use
	requests := map[string]*axle.Step{} // by connection
	for i := range p.Steps {
		s := &p.Steps[i]
		from := len(out)
		switch s.Kind {
		case KindStack:
			for name, v := range s.Input {
				for _, r := range v.Refs {
					by := ByOutput
					if r.List {
						by = ByOutputs
					}
					out = append(out, usesOf(Use{Step: s, Output: r.Key, By: by, Input: name}, r)...)
				}
			}
		case axle.KindPeeringRequest, axle.KindPeeringRoutes:
			connection, part := path.Split(s.ID)
			if s.Kind == axle.KindPeeringRequest {
				requests[connection] = s
			}
			for name, key := range peeringKeys[part] {
				for _, r := range s.Input[name].Refs {
					out = append(out, usesOf(Use{Step: requests[connection], Output: r.Key, By: ByPeering, Input: key}, r)...)
				}
			}
		}
		for _, r := range s.Reads {
			out = append(out, Use{Step: s, Producer: r.Steps[0], Output: r.Key, By: ByStackOutput})
		}
		slices.SortFunc(out[from:], func(a, b Use) int {
			return strings.Compare(a.Input+" "+a.Producer+" "+a.Output, b.Input+" "+b.Producer+" "+b.Output)
		})
		out = append(out[:from], slices.Compact(out[from:])...)
	}
	return out
}

// usesOf is u for each step that a reference reads.
func usesOf(u Use, r axle.Ref) []Use {
	var out []Use
	for _, step := range r.Steps {
		u.Producer = StackStep(StackOf(step))
		out = append(out, u)
	}
	return out
}

// StackOf is the name in axle.yaml and the target of a stack's step, given its id.
func StackOf(step string) (string, axle.Target) {
	parts := strings.Split(step, "/")
	if len(parts) != 4 {
		return step, axle.Target{}
	}
	return parts[1], axle.Target{Account: parts[2], Region: parts[3]}
}

// world is what is known of a step's stack before the run.
func (b *builder) world(step *axle.Step) template.World {
	return WorldOf(step, nil)
}

// WorldOf is what is known of the place and the parameters of a step's stack:
// those that live has, else the literal ones. The partition is only for the form
// of ARNs.
func WorldOf(step *axle.Step, live map[string]string) template.World {
	w := template.World{Partition: "aws", Account: step.Account, Region: step.Region, Stack: step.Spec.Stack.StackName, Parameters: map[string]string{}}
	for name, v := range step.Input {
		w.Parameters[name] = v.Literal
		if v.Expr != "" || len(v.Refs) > 0 || v.Secret {
			w.Parameters[name] = "${" + name + "}"
		}
	}
	for name, v := range live {
		w.Parameters[name] = v
	}
	return w
}

// templateReads makes the step need the stacks of the project whose outputs its
// template reads by Fn::GetStackOutput.
func (b *builder) templateReads(s *config.Stack, step *axle.Step, needs map[string]bool) {
	t := b.in.Templates[s.Name]
	if t == nil || !t.HasStackOutputs() {
		return
	}
	for _, o := range t.StackOutputs(b.world(step)) {
		stack, at, ok := b.producer(o, step)
		if !ok {
			continue
		}
		if made := b.in.Templates[stack]; made != nil && !b.in.Destroy {
			if wrong := made.CheckOutput(o.Output, o.Pos); wrong.Err() != nil && !strings.Contains(o.Output, "${") {
				if b.reported[o.Pos.String()]++; b.reported[o.Pos.String()] == 1 {
					b.problems = append(b.problems, wrong...)
				}
				continue
			}
		}
		id := StackStep(stack, at)
		step.Reads = append(step.Reads, axle.Ref{Call: ByStackOutput, Steps: []string{id}, Key: o.Output})
		if b.instances[stack].narrowed[at] && id != step.ID {
			needs[id] = true
		}
	}
}

// producer finds the instance that a Fn::GetStackOutput reads, if it is one of the
// project: in the account of the role, or where there is only one.
func (b *builder) producer(o template.StackOutput, step *axle.Step) (string, axle.Target, bool) {
	account := o.Account(step.Account)
	for i := range b.in.Project.Stacks {
		s := &b.in.Project.Stacks[i]
		of := b.instances[s.Name]
		if of == nil || b.spec(s).Stack.StackName != o.Stack {
			continue
		}
		at := axle.Target{Account: account, Region: o.Region}
		if account == "" && len(of.byRegion[o.Region]) == 1 {
			at = of.byRegion[o.Region][0]
		}
		if of.has[at] {
			return s.Name, at, true
		}
	}
	return "", axle.Target{}, false
}

// Exports are the exports that a step's inputs ask for by export(), by input.
func (p *Plan) Exports(s *axle.Step) map[string][]axle.Read {
	var out map[string][]axle.Read
	for name, v := range s.Input {
		if !strings.Contains(v.Expr, axle.ReadExport+"(") {
			continue
		}
		known, _ := p.evaluate(s, v, func(string) (map[string]string, bool) { return nil, false }, nil)
		for _, r := range known.Reads {
			if r.Kind == axle.ReadExport {
				if out == nil {
					out = map[string][]axle.Read{}
				}
				out[name] = append(out[name], r)
			}
		}
	}
	return out
}

// unread names the stacks that come first, whose outputs the step's template reads
// by itself, and whose outputs aren't known yet; sorted.
func unread(s *axle.Step, outputs Outputs) []string {
	var out []string
	for _, r := range s.Reads {
		if !slices.Contains(s.Needs, r.Steps[0]) {
			continue
		}
		if _, known := outputs(r.Steps[0]); !known {
			out = append(out, stepName(r.Steps[0]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
