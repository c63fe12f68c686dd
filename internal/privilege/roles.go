package privilege

import (
	"slices"
	"strings"

	"axle/internal/template"
)

// What the steps themselves call on a stack.
const (
	lookAtStack = "cloudformation:DescribeStacks cloudformation:GetTemplate cloudformation:ListChangeSets cloudformation:DescribeChangeSet"
	prepare     = "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:TagResource"
	execute     = "cloudformation:ExecuteChangeSet cloudformation:DescribeStackEvents"
	// For bad days: rollbacks are continued, what failed is listed, drift is found.
	mend = "cloudformation:ContinueUpdateRollback cloudformation:ListStackResources cloudformation:DetectStackDrift cloudformation:DescribeStackResourceDrifts"
)

// For computes what a role needs in the accounts of a group. schemas are those
// of types that the table doesn't have; nil when nobody asked for them.
func For(role Role, g *Group, schemas map[string]Schema) *Result {
	r := &Result{Role: role, Accounts: g.Accounts}
	for _, s := range g.Stacks {
		r.Stacks = append(r.Stacks, s.Name)
	}
	all := grants{}
	own := func(s *Stack) bool { return s.ExecutionRole == "" }
	switch role {
	case Deploy:
		r.Gaps = g.resources(schemas, own, all)
		g.stacks(all, true)
		g.passRoles(all)
		g.peering(all)
		g.artifacts(role, all)
	case Plan:
		g.texts(all)
		g.stacks(all, false)
		g.passRoles(all)
		if g.Peering.Requests || g.Peering.Accepts {
			all.on("ec2:DescribeRouteTables ec2:DescribeVpcPeeringConnections", "*")
		}
		g.artifacts(role, all)
	case Execution:
		r.Gaps = g.resources(schemas, func(*Stack) bool { return true }, all)
		g.dynamicReads(func(*Stack) bool { return true }, all)
		g.artifacts(role, all)
	case Execute:
		r.Gaps = g.resources(schemas, own, all)
		g.dynamicReads(own, all)
		for _, s := range g.Stacks {
			on := g.arns("cloudformation", s.Regions, "stack/"+s.Name+"/*")
			all.on("cloudformation:DescribeStacks cloudformation:DescribeChangeSet "+execute, on...)
			all.on("cloudformation:DescribeStackEvents", g.nested(&s)...)
			if s.Protect { // set once the stack is there
				all.on("cloudformation:UpdateTerminationProtection", on...)
			}
		}
		all.on("cloudformation:ListStacks", "*")
		g.artifacts(role, all)
	}
	if role == Deploy || role == Plan {
		g.reads(g.Reads, all)
		g.dynamicReads(own, all)
		all.on("cloudformation:DescribeStacks cloudformation:ListStacks cloudformation:ValidateTemplate", "*")
		if slices.ContainsFunc(g.Stacks, exports) {
			all.on("cloudformation:ListImports", "*")
		}
		if g.AnyRegion {
			all.on("account:ListRegions", "*")
		}
		if role == Deploy {
			all.on("cloudformation:DescribeStackDriftDetectionStatus", "*")
		}
		if g.Alarms && role == Deploy {
			all.on("cloudwatch:DescribeAlarms", "*")
		}
	}
	all.on(strings.Join(g.Extra, " "), "*")
	all.prune()
	r.Statements = statements(all)
	return r
}

// exports says whether a stack has exports: who imports them is looked up before
// it is deleted.
func exports(s Stack) bool {
	if s.Template == nil {
		return false
	}
	for _, o := range s.Template.Outputs {
		if o.Export != "" {
			return true
		}
	}
	return false
}

// ExecutionRoles are the execution roles of a group, in order.
func (g *Group) ExecutionRoles() []string {
	var out []string
	for _, s := range g.Stacks {
		if s.ExecutionRole != "" {
			out = append(out, s.ExecutionRole)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// WorkedBy is the part of a group that one execution role works on.
func (g *Group) WorkedBy(role string) *Group {
	part := *g
	part.Stacks = slices.DeleteFunc(slices.Clone(g.Stacks), func(s Stack) bool { return s.ExecutionRole != role })
	return &part
}

// stacks adds what deploying, or previewing, the stacks takes.
func (g *Group) stacks(into grants, deploy bool) {
	for _, s := range g.Stacks {
		on := g.arns("cloudformation", s.Regions, "stack/"+s.Name+"/*")
		// A preview removes the empty stack that its change set leaves behind.
		into.on(lookAtStack+" "+prepare+" cloudformation:DeleteStack", on...)
		// Previews look into nested stacks, which may be made for that and removed.
		into.on(lookAtStack+" "+prepare+" cloudformation:DeleteStack", g.nested(&s)...)
		if deploy {
			into.on(execute+" "+mend, on...)
			into.on("cloudformation:DescribeStackEvents", g.nested(&s)...)
			if s.Protect {
				into.on("cloudformation:UpdateTerminationProtection", on...)
			}
		}
	}
}

// nested are the ARNs of the stacks that CloudFormation makes for a stack's nested
// stacks, and of those in them. What failed is read from their events.
func (g *Group) nested(s *Stack) []string {
	if s.Template == nil {
		return nil
	}
	var out []string
	for _, d := range s.Template.Expanded(template.World{}) {
		if d.Type == nestedStack {
			out = append(out, g.arns("cloudformation", s.Regions, "stack/"+s.Name+"-"+d.Name+"-*")...)
		}
	}
	return out
}

// passRoles lets the execution roles be handed to CloudFormation.
func (g *Group) passRoles(into grants) {
	for _, role := range g.ExecutionRoles() {
		if !strings.HasPrefix(role, "arn:") {
			role = "arn:" + orElse(g.Partition, partition) + ":iam::" + orElse(g.account(), account) + ":role/" + strings.TrimPrefix(role, "/")
		}
		into.pass("cloudformation.amazonaws.com", role)
	}
}

// texts adds what working out a change set takes: reading the template. With an
// execution role CloudFormation reads as that.
func (g *Group) texts(into grants) {
	for i := range g.Stacks {
		s := &g.Stacks[i]
		if s.Template == nil || s.ExecutionRole != "" {
			continue
		}
		for _, w := range g.worlds(s) {
			p, declared := newPlace(s.Template, w)
			p.text(s.Template, declared, into)
		}
	}
}

// peering adds what VPC peerings take on this side. Both delete: the accepter does
// when the requester's account is closed.
func (g *Group) peering(into grants) {
	p := g.Peering
	if !p.Requests && !p.Accepts {
		return
	}
	connection := g.arns("ec2", p.Regions, "vpc-peering-connection/*")
	into.on("ec2:DescribeRouteTables ec2:DescribeVpcPeeringConnections", "*")
	into.on("ec2:CreateRoute ec2:DeleteRoute ec2:ReplaceRoute", g.arns("ec2", p.Regions, "route-table/*")...)
	into.on("ec2:CreateTags ec2:DeleteVpcPeeringConnection", connection...)
	vpcs := g.arns("ec2", p.Regions, "vpc/*")
	if p.Requests {
		into.on("ec2:CreateVpcPeeringConnection", append(connection, vpcs...)...)
	}
	if p.Accepts {
		into.on("ec2:AcceptVpcPeeringConnection", append(connection, vpcs...)...)
	}
	if p.DNS {
		into.on("ec2:ModifyVpcPeeringConnectionOptions", connection...)
	}
}
