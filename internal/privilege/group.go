package privilege

import (
	"maps"
	"slices"
	"strings"

	"axle/internal/template"
)

// Stack is a stack of the project, as it is in the accounts of a group.
type Stack struct {
	Name     string // CloudFormation's name for it
	Template *template.Template
	Regions  []string // none: any region
	// Parameters are the values that are known, by region.
	Parameters map[string]map[string]string
	// ExecutionRole is the role that CloudFormation works as: a name, path and
	// name, or an ARN. When empty it has the caller's permissions.
	ExecutionRole string
	// Protect: termination protection is set or may have to be taken away.
	Protect bool
	// Dynamic are the secrets that CloudFormation reads for the parameters.
	Dynamic []Read
	// Nested are the templates of its nested stacks that are known.
	Nested map[string]*template.Nested
	// Large: the template goes by way of the hub's bucket.
	Large bool
	// Stored are the kinds of artifacts in the hub's buckets that the template
	// refers to, by local paths.
	Stored []string
}

// Group are accounts with the same stacks, which share a policy.
type Group struct {
	Partition string
	Accounts  []string // ids
	Stacks    []Stack
	Peering   Peering
	// Artifacts are the hub's buckets, without the region at the end of their
	// names; "" when the project needs none. Hub says that they are in this
	// account, which has to make and fill them.
	Artifacts       string
	ArtifactRegions []string // none: any region
	ArtifactKinds   []string // what is in them
	ArtifactHub     string   // the hub's account
	ArtifactHome    string   // the hub's region, where some are whatever the stack's is
	Hub             bool
	// Room leaves room for changes: resources may get any property that takes
	// nothing but actions on themselves.
	Room bool
	// AnyRegion: the enabled regions of the account are asked for.
	AnyRegion bool
	// Alarms: the health of a rollout's waves is looked at in the account.
	Alarms bool
	// Reads are what values of the project ask for in these accounts.
	Reads []Read
	// Extra are actions that are allowed on all resources beside what is computed.
	Extra []string
}

// Peering says what the project's VPC peerings need here.
type Peering struct {
	Requests, Accepts, DNS bool
	Regions                []string
}

// Gap is a type whose needs aren't known.
type Gap struct {
	Type   string   `json:"type"`
	Stacks []string `json:"stacks"`
	Why    string   `json:"why"`
}

// Role is what a role is for.
type Role string

// The roles.
const (
	Deploy    Role = "deploy"    // creates, changes and deletes the stacks
	Plan      Role = "plan"      // finds out what a deploy would do
	Execution Role = "execution" // CloudFormation works as it
	Execute   Role = "execute"   // executes change sets that others prepared
)

// Roles are all roles.
func Roles() []Role { return []Role{Deploy, Plan, Execution, Execute} }

// Result is what a role needs in the accounts of a group.
type Result struct {
	Role       Role        `json:"role"`
	Accounts   []string    `json:"accounts"`
	Stacks     []string    `json:"stacks"`
	Statements []Statement `json:"-"`
	Gaps       []Gap       `json:"gaps,omitempty"`
}

// resources adds what the resources of a group's stacks take, of those that
// pick chooses, and says which types aren't known.
func (g *Group) resources(schemas map[string]Schema, pick func(*Stack) bool, into grants) []Gap {
	var gaps []Gap
	for i := range g.Stacks {
		s := &g.Stacks[i]
		if s.Template == nil || !pick(s) {
			continue
		}
		for _, w := range g.worlds(s) {
			gaps = g.template(s, &template.Nested{Template: s.Template, Inner: s.Nested}, w, schemas, into, gaps)
		}
	}
	return gaps
}

// template adds what a template and those nested in it take.
func (g *Group) template(s *Stack, n *template.Nested, w template.World, schemas map[string]Schema, into grants, gaps []Gap) []Gap {
	p, declared := newPlace(n.Template, w)
	p.room = g.Room
	p.text(n.Template, declared, into)
	if n.Template.Loops() {
		gaps = note(gaps, s.Name, Gap{Type: "Fn::ForEach or Fn::Transform", Why: "which resources it makes isn't written in the template"})
	}
	for _, d := range declared {
		gap := p.resource(d, schemas, into)
		if inner := n.Inner[d.Name]; inner != nil && d.Type == nestedStack {
			gaps, gap = g.template(s, inner, within(w, d), schemas, into, gaps), Gap{}
		}
		gaps = note(gaps, s.Name, gap)
	}
	return gaps
}

// The types of nested stacks, and of resources that functions of one's own make.
const (
	nestedStack    = "AWS::CloudFormation::Stack"
	customResource = "AWS::CloudFormation::CustomResource"
)

// within is the world of a nested stack: CloudFormation names it, and its
// parameters are what the outer template says, as far as that is known.
func within(w template.World, d *template.Declared) template.World {
	w.Stack += "-" + d.Name + "-*"
	w.Parameters = map[string]string{}
	for _, k := range d.Properties.Get("Parameters").Entries() {
		w.Parameters[k.Name] = template.Unknown(k.Name)
		if k.Value.Kind == template.ScalarNode && k.Value.Known {
			w.Parameters[k.Name] = k.Value.Text
		}
	}
	return w
}

// resource adds what one resource takes. A type that isn't known is returned.
func (p *place) resource(d *template.Declared, schemas map[string]Schema, into grants) (unknown Gap) {
	name := d.Type
	if strings.HasPrefix(name, "Custom::") {
		name = customResource
	}
	if k, ok := kindOf(name); ok {
		p.needs(&k, d, into)
		if name == nestedStack {
			return Gap{Type: name, Why: "the nested template isn't a file, so what is in it isn't looked at"}
		}
		return Gap{}
	}
	if s, ok := schemas[name]; ok && len(s.Actions) > 0 {
		into.on(strings.Join(s.Actions, " "), "*")
		return Gap{}
	}
	switch {
	case name == "AWS::CDK::Metadata":
		return Gap{}
	case strings.HasPrefix(name, "AWS::Serverless::"):
		return Gap{Type: name, Why: "what AWS SAM makes of it isn't computed: allow the actions with --allow"}
	case schemas != nil:
		return Gap{Type: name, Why: "neither Axle's table nor the type's schema has its permissions"}
	}
	return Gap{Type: name, Why: "it isn't in Axle's table; --describe-types asks CloudFormation"}
}

func note(gaps []Gap, stack string, g Gap) []Gap {
	if g.Type == "" {
		return gaps
	}
	for i := range gaps {
		if gaps[i].Type == g.Type {
			if !slices.Contains(gaps[i].Stacks, stack) {
				gaps[i].Stacks = append(gaps[i].Stacks, stack)
			}
			return gaps
		}
	}
	g.Stacks = []string{stack}
	return append(gaps, g)
}

// maxRegions is how many regions get ARNs of their own; with more the region
// is left open.
const maxRegions = 4

// regionsOf are the regions to name in ARNs; "" leaves the region open.
func regionsOf(list []string) []string {
	if len(list) == 0 || len(list) > maxRegions {
		return []string{""}
	}
	return list
}

func (g *Group) worlds(s *Stack) []template.World {
	var out []template.World
	for _, region := range regionsOf(s.Regions) {
		out = append(out, template.World{Partition: g.Partition, Account: g.account(), Region: region, Stack: s.Name, Parameters: s.Parameters[region]})
	}
	return out
}

// account is the account's id when there is only one.
func (g *Group) account() string {
	if len(g.Accounts) == 1 {
		return g.Accounts[0]
	}
	return ""
}

// arns are ARNs of a service in the group's account, one a region.
func (g *Group) arns(service string, regions []string, resource string) []string {
	var out []string
	for _, r := range regionsOf(regions) {
		out = append(out, "arn:"+orElse(g.Partition, partition)+":"+service+":"+orElse(r, "*")+":"+orElse(g.account(), account)+":"+resource)
	}
	return out
}

// UnknownTypes are the types of the groups' stacks that the table doesn't have
// and that a schema could tell of, sorted.
func UnknownTypes(groups []*Group) []string {
	set := map[string]bool{}
	for _, g := range groups {
		for _, gap := range g.resources(nil, func(*Stack) bool { return true }, grants{}) {
			if _, listed := kindOf(gap.Type); !listed && !strings.HasPrefix(gap.Type, "AWS::Serverless::") && !strings.HasPrefix(gap.Type, "Fn::") {
				set[gap.Type] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}
