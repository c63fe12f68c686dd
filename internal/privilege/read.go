package privilege

import (
	"strings"

	"axle/internal/template"
)

// Read is a parameter, a secret or the exports that values of the project ask
// for in a group's accounts.
type Read struct {
	Kind   string // ssm, secret or export
	Region string
	Name   string // may end with *; not of exports
}

// reads adds what it takes to read what the project's values ask for. Keys of
// KMS that encrypt it aren't known: those that AWS manages let everybody in the
// account use them through the service.
func (g *Group) reads(list []Read, into grants) {
	for _, r := range list {
		p := &place{world: template.World{Partition: g.Partition, Account: g.account(), Region: r.Region}}
		switch r.Kind {
		case "ssm":
			into.on("ssm:GetParameters", p.parameter(r.Name))
		case "secret":
			into.on("secretsmanager:GetSecretValue", p.secret(r.Name))
		case "export":
			into.on("cloudformation:ListExports", "*")
		}
	}
}

// dynamicReads adds what CloudFormation reads for parameters of the stacks that
// pick chooses.
func (g *Group) dynamicReads(pick func(*Stack) bool, into grants) {
	for i := range g.Stacks {
		if s := &g.Stacks[i]; pick(s) {
			g.reads(s.Dynamic, into)
			g.stackOutputs(s, into)
		}
	}
}

// stackOutputs adds what Fn::GetStackOutput takes: the role that reads is assumed,
// and without one the stack is described by the stack's own role.
func (g *Group) stackOutputs(s *Stack, into grants) {
	if s.Template == nil {
		return
	}
	for _, w := range g.worlds(s) {
		for _, o := range s.Template.StackOutputs(w) {
			switch {
			case strings.Contains(o.Role+o.Stack+o.Region, "${"):
			case o.Role != "":
				into.on("sts:AssumeRole", o.Role)
			default:
				into.on("cloudformation:DescribeStacks", g.arns("cloudformation", []string{o.Region}, "stack/"+o.Stack+"/*")...)
			}
		}
	}
}
