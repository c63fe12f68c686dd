package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/internal/expr"
)

const defaultRole = "axle-spoke"

// parser builds a project from nodes that have been checked against the table.
// What is bad has been reported, and is left out.
type parser struct {
	problems diag.List
	project  *Project
	known    expr.Names
}

// Parse is Load for a file that has been read, without the files of parameters:
// file is its path, for positions and for Project.Dir.
func Parse(file string, src []byte, env string) (*Project, diag.List) {
	p := parse(file, src, env)
	p.problems.Sort()
	return p.project, p.problems
}

func parse(file string, src []byte, env string) *parser {
	p := &parser{project: &Project{File: file, Dir: filepath.Dir(file), Env: env}}
	p.project.Access.Role.Value = defaultRole
	p.project.Organization.Kind = "aws"
	if root := read(file, src, &p.problems); root != nil {
		p.parse(root)
	}
	return p
}

func (p *parser) parse(root *node) {
	file.check(root, "", &p.problems)
	if root.bad {
		return
	}
	project := p.project
	project.Name = root.get("name").Text()
	project.Store = Store{Said: root.has("store"), Address: root.get("store").Text()}
	stacks := root.get("stacks")
	p.known.Stacks = []string{}
	if stacks != nil {
		for _, s := range stacks.pairs {
			p.known.Stacks = append(p.known.Stacks, s.key.text)
		}
	}
	chosen := p.environments(root)
	p.vars(root, chosen)
	p.organization(root.get("organization"))
	p.access(root.get("access"))
	p.hub(root.get("hub"))
	project.Regions = root.get("regions").texts()
	if r := chosen.get("regions"); r != nil {
		project.Regions = r.texts()
	}
	if stacks != nil {
		for _, s := range stacks.pairs {
			if s.value.kind == mapping && !s.value.bad {
				p.stack(s, chosen)
			}
		}
	}
	p.peerings(root.get("peerings"))
	p.checkWhole(root)
}

// environments finds the chosen environment (nil: none) and checks all of them.
func (p *parser) environments(root *node) *node {
	all := root.get("environments")
	var chosen *node
	if all != nil {
		for _, e := range all.pairs {
			p.project.Environments = append(p.project.Environments, e.key.text)
			if e.key.text == p.project.Env && !e.value.bad {
				chosen = e.value
			}
			p.environmentTargets(e)
			p.environmentFiles(e)
		}
	}
	slices.Sort(p.project.Environments)
	if p.project.Env != "" && !slices.Contains(p.project.Environments, p.project.Env) {
		pos, hint := root.pos, "there are none: add it under environments"
		if all != nil {
			pos = all.pos
		}
		if names := p.project.Environments; len(names) > 0 {
			hint = "there are " + strings.Join(names, ", ")
			if near := diag.Nearest(p.project.Env, names); near != "" {
				hint = fmt.Sprintf("did you mean %s? ", near) + hint
			}
		}
		p.problems.Add(pos, hint, "unknown environment %q", p.project.Env)
	}
	return chosen
}

// environmentTargets checks the targets of an environment that isn't chosen;
// those of the chosen one are compiled with their stacks.
func (p *parser) environmentTargets(e pair) {
	targets := e.value.get("targets")
	if targets == nil {
		return
	}
	for _, t := range targets.pairs {
		if !slices.Contains(p.known.Stacks, t.key.text) {
			p.unknownStack(t.key.pos, t.key.text, "targets of environment "+e.key.text)
			continue
		}
		if e.key.text != p.project.Env && !t.value.bad && t.value.text != "hub" {
			p.selector(t.value, expr.Names{}) // its vars are others
		}
	}
}

func (p *parser) unknownStack(pos diag.Pos, name, in string) {
	hint := "the stacks are " + strings.Join(p.known.Stacks, ", ")
	if len(p.known.Stacks) == 0 {
		hint = "the file has no stacks"
	}
	if near := diag.Nearest(name, p.known.Stacks); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	p.problems.Add(pos, hint, "unknown stack %q in %s", name, in)
}

func (p *parser) selector(n *node, known expr.Names) *expr.Selector {
	if n == nil {
		return nil
	}
	s, problems := n.expression().Selector(known)
	p.problems = append(p.problems, problems...)
	return s
}

func (p *parser) organization(n *node) {
	o := &p.project.Organization
	source := n.get("source").Text()
	if n != nil {
		o.Pos = n.pos
	}
	if source.Value == "" {
		return
	}
	o.Pos = source.Pos
	o.Kind, o.Arg, _ = strings.Cut(source.Value, ":")
}

func (p *parser) access(n *node) {
	a := &p.project.Access
	a.Via = n.get("via").Text()
	if r := n.get("role").Text(); r.Value != "" {
		a.Role = r
	}
	a.ExternalID = n.get("external_id").Text()
	a.SessionPolicy = n.get("session_policy").Text()
	a.SourceIdentity = n.get("source_identity").Text()
	p.sessionPolicy(a.SessionPolicy)
	p.sessionDuration(n.get("session_duration"))
	if o := n.get("overrides"); o != nil {
		for _, i := range o.items {
			if i.kind != mapping || i.bad {
				continue
			}
			if !i.has("role") && !i.has("via") && !i.has("external_id") {
				p.problems.Add(i.pos, "give it a role, such as role: none", "an override that changes nothing")
			}
			a.Overrides = append(a.Overrides, Override{Where: p.selector(i.get("where"), p.known), Role: i.get("role").Text(),
				Via: i.get("via").Text(), ExternalID: i.get("external_id").Text(), Pos: i.pos})
		}
	}
}

func (p *parser) hub(n *node) {
	if n == nil {
		return
	}
	h := &p.project.Hub
	h.Pos, h.Region = n.pos, n.get("region").Text()
	account := n.get("account")
	t := account.Text()
	switch {
	case account == nil:
	case axle.ValidAccountID(t.Value):
		h.AccountID = t.Value
	case strings.Trim(t.Value, "0123456789-_.e+ ") == "" || account.tag == "!!int" || account.tag == "!!float":
		hint := "an account id has 12 digits"
		if account.plain {
			hint += `; quote it, so that it stays as it is: "012345678901"`
		}
		p.problems.Add(t.Pos, hint, "%q is not an account id", t.Value)
	default:
		h.Account = p.selector(account, p.known)
	}
}

func (p *parser) peerings(n *node) {
	if n == nil {
		return
	}
	for _, e := range n.pairs {
		if e.value.bad || e.value.kind != mapping {
			continue
		}
		p.project.Peerings = append(p.project.Peerings, Peering{
			Name: e.key.text, Pos: e.key.pos,
			Requester: p.side(e.value.get("requester"), "requester of peering "+e.key.text),
			Accepter:  p.side(e.value.get("accepter"), "accepter of peering "+e.key.text),
			DNS:       isTrue(e.value.get("dns")),
		})
	}
}

func (p *parser) side(n *node, in string) Side {
	if n == nil {
		return Side{}
	}
	s := Side{Stack: n.get("stack").Text(), VPC: n.get("vpc").Text(), CIDR: n.get("cidr").Text(),
		RouteTables: n.get("route_tables").texts(), Pos: n.pos}
	if s.Stack.Value != "" && !slices.Contains(p.known.Stacks, s.Stack.Value) {
		p.unknownStack(s.Stack.Pos, s.Stack.Value, in)
	}
	return s
}

// isTrue reads a checked true or false.
func isTrue(n *node) bool { return n != nil && strings.EqualFold(n.text, "true") }

// checkWhole finds what is missing because of something elsewhere in the file.
func (p *parser) checkWhole(root *node) {
	project := p.project
	hub := func(pos diag.Pos, why string) {
		if !root.has("hub") {
			p.problems.Add(pos, `add hub: {account: account.name == "tools", region: eu-west-1}`, "%s, and there is no hub", why)
		}
	}
	if via := project.Access.Via; via.Value != "" && !strings.HasPrefix(via.Value, "arn:") {
		hub(via.Pos, fmt.Sprintf("the first hop is role %s of the hub account", via.Value))
	}
	for i := range project.Access.Overrides {
		if via := project.Access.Overrides[i].Via; via.Value != "" && via.Value != "none" && !strings.HasPrefix(via.Value, "arn:") {
			hub(via.Pos, fmt.Sprintf("the first hop is role %s of the hub account", via.Value))
		}
	}
	needRegions := ""
	for _, s := range project.Stacks {
		switch {
		case s.Hub:
			hub(s.TargetsPos, fmt.Sprintf("stack %q goes to the hub", s.Name))
		case s.Regions.Kind == RegionsHome:
			hub(s.Regions.Pos, fmt.Sprintf("stack %q goes to the hub's region", s.Name))
		}
		if s.Regions.Kind == RegionsDefault && needRegions == "" {
			needRegions = s.Name
		}
	}
	if needRegions != "" && len(project.Regions) == 0 && !root.has("regions") {
		p.problems.Add(root.pos, "add regions: [eu-west-1]", "axle.yaml has no \"regions\", and stack %q names none of its own", needRegions)
	}
	p.stackNames()
}

// stackNames warns of stacks that CloudFormation can't tell apart.
func (p *parser) stackNames() {
	seen := map[string]string{}
	for _, s := range p.project.Stacks {
		if other, ok := seen[s.StackName.Value]; ok {
			p.problems.Warn(s.StackName.Pos, "it works only if they never go to the same account and region",
				"stacks %q and %q have one name in CloudFormation: %s", other, s.Name, s.StackName.Value)
		}
		seen[s.StackName.Value] = s.Name
	}
}
