// Package lint finds what goes wrong with access across AWS accounts before it
// does: in templates, in policy documents, and between the templates of a
// project, where both sides of an access are known. Every rule is a row of a
// table (Rules) with a stable id; findings point at the offending node. It is
// pure and needs no account: what it can't know it leaves alone, or says that it
// didn't look at it. It never rewrites a template, and it doesn't judge what has
// nothing to do with access or with a deployment to many accounts.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/internal/template"
)

// Severity is how bad a finding is.
type Severity string

// The severities. An error won't work, or lets strangers in.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Advice  Severity = "advice"
)

// Rule is one row of the table.
type Rule struct {
	ID       string   `json:"id"` // AXnnn; never given to another rule
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`
	Why      string   `json:"why"` // one sentence
	Fix      string   `json:"fix"`
	// Where it is seen: T in a template, L in live policies, P between the
	// templates of a project.
	Where string `json:"where"`
	// Blind says why this rule sees only a sign of its trouble, or nothing.
	Blind string `json:"blind,omitempty"`

	check func(*run) // nil: found elsewhere, or not by a linter
}

// Finding is one place that breaks a rule.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Pos      diag.Pos `json:"position"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Why      string   `json:"why"`
	Fix      string   `json:"fix"`
	// Suppressed is the reason that the template's metadata gives.
	Suppressed string `json:"suppressed,omitempty"`

	resource string // logical id, for suppressions
}

// Source is a template in one of the places where it is deployed.
type Source struct {
	Template *template.Template
	World    template.World
	// ID names the place, such as stack/app/111111111111/eu-west-1; Name is the
	// stack's name in axle.yaml. Both are empty for a file alone.
	ID, Name string
	// Wired are parameters that are outputs of other sources.
	Wired map[string]Wire
	// Needs are the IDs of the sources that are deployed before this one.
	Needs []string
}

// Wire is an output of another source.
type Wire struct {
	Source string // its ID
	Output string
}

// Input is all that is looked at together.
type Input struct {
	Sources []Source // those that Wired names come before those that use them
	Docs    []Doc
	// Org is the organization, or nil when it isn't known.
	Org *axle.Organization
	// Hub is the account that the others are entered from, and where axle.yaml
	// says so; "" isn't known.
	Hub    string
	HubPos diag.Pos
	// Peerings are the project's.
	Peerings []Peering
}

// Peering is a VPC peering of the project.
type Peering struct {
	Name                string
	Pos                 diag.Pos
	Requester, Accepter Side
}

// Side is one side of a peering: a stack, the output that is its address range,
// and the number of its route tables.
type Side struct {
	Stack, CIDR string
	Tables      int
}

// Check runs the rules over the input. The findings are in the order of files
// and lines; suppressed ones are among them.
func Check(in Input) []Finding {
	r := &run{in: in, seen: map[string]bool{}}
	r.load()
	rules := Rules()
	for i := range rules {
		if r.rule = &rules[i]; r.rule.check != nil {
			r.rule.check(r)
		}
	}
	r.suppress()
	Sort(r.out)
	return r.out
}

// Sort orders findings by place, then rule.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col),
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message))
	})
}

// Rules is the table, by id.
func Rules() []Rule {
	all := slices.Concat(syntaxRules(), conditionRules(), oidcRules(), trustRules(), principalRules(), assumeRules(), hubRules(),
		resourceRules(), kmsRules(), secretRules(), lambdaRules(), messagingRules(), broadRules(), pipelineRules(),
		customRules(), parameterRules(), placementRules(), networkRules(), kubernetesRules(), metadataRules())
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// run is one check under way.
type run struct {
	in    Input
	rule  *Rule
	out   []Finding
	seen  map[string]bool
	units []*unit
	byID  map[string]*unit
	docs  []*document // of all units, and bare ones
	index *index
	// suppressions found in metadata.
	ignores []*ignore
}

// at adds a finding of the present rule.
func (r *run) at(pos diag.Pos, resource, format string, args ...any) *Finding {
	f := Finding{Rule: r.rule.ID, Severity: r.rule.Severity, Pos: pos, Title: r.rule.Title, Why: r.rule.Why, Fix: r.rule.Fix,
		Message: fmt.Sprintf(format, args...), resource: resource}
	key := f.Rule + pos.String() + f.Message
	if !r.seen[key] {
		// A template that goes to many accounts breaks a rule in each of them
		// in the same words; told once.
		r.seen[key] = true
		r.out = append(r.out, f)
		return &r.out[len(r.out)-1]
	}
	return &Finding{}
}

// in adds a finding at a node of a policy document.
func (r *run) inDoc(d *document, n *template.Node, format string, args ...any) *Finding {
	pos := d.node.Place()
	if n != nil {
		pos = n.Pos
	}
	name := ""
	if d.owner != nil {
		name = d.owner.Name
	}
	return r.at(pos, name, format, args...)
}

// inResource adds a finding at a node of a resource, or at the resource.
func (r *run) inResource(d *template.Declared, n *template.Node, format string, args ...any) *Finding {
	pos := d.Pos
	if n != nil && n.Pos.Line > 0 {
		pos = n.Pos
	}
	return r.at(pos, d.Name, format, args...)
}

// eachStatement makes a check of one that looks at a statement at a time.
func eachStatement(check func(*run, *statement)) func(*run) {
	return func(r *run) {
		for _, d := range r.docs {
			for _, s := range d.statements {
				check(r, s)
			}
		}
	}
}

// eachDocument makes a check of one that looks at a policy at a time.
func eachDocument(check func(*run, *document)) func(*run) {
	return func(r *run) {
		for _, d := range r.docs {
			check(r, d)
		}
	}
}

// eachUnit makes a check of one that looks at a template in its place.
func eachUnit(check func(*run, *unit)) func(*run) {
	return func(r *run) {
		for _, u := range r.units {
			check(r, u)
		}
	}
}

// eachResource makes a check of one that looks at resources of some types; none
// means all.
func eachResource(check func(*run, *unit, *template.Declared), types ...string) func(*run) {
	return func(r *run) {
		for _, u := range r.units {
			for _, d := range u.resources {
				if len(types) == 0 || slices.Contains(types, d.Type) {
					check(r, u, d)
				}
			}
		}
	}
}

// checks joins several checks of one rule.
func checks(list ...func(*run)) func(*run) {
	return func(r *run) {
		for _, c := range list {
			c(r)
		}
	}
}
