package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/plan"
	"axle/internal/privilege"

	"golang.org/x/sync/errgroup"
)

// SetPhase is the spoke role by way of a stack set.
type SetPhase struct {
	Name     string `json:"name"` // of the stack set
	Role     string `json:"role"`
	Region   string `json:"region"`
	Account  string `json:"account"`             // that administers it
	Delegate bool   `json:"delegated,omitempty"` // without being the management account
	// Accounts get the role now; Targets say the same in OUs.
	Accounts []axle.Account  `json:"accounts"`
	Targets  []cfn.SetTarget `json:"targets"`
	// Follow: accounts that come into the OUs get the role by themselves. NotFollow
	// says why not.
	Follow     bool              `json:"auto_deployment"`
	NotFollow  string            `json:"no_auto_deployment,omitempty"`
	Parameters map[string]string `json:"parameters"`
	Template   string            `json:"template"`
	// Change is what is to be done: create, update or none; Lacking are the
	// accounts that don't have it as it shall be.
	Change  axle.Change `json:"change"`
	Lacking []string    `json:"lacking,omitempty"`
	// Others have the stack set's stack and aren't meant (any more): they keep it.
	Others []string `json:"others,omitempty"`
	// Blocked says why nothing can be done.
	Blocked *axle.Failure `json:"blocked,omitempty"`
	set     *cfn.StackSet
	entry   *cloud.Cloud
	enable  bool
	reached map[string]bool // accounts of the project that the stack set is for

	administrator axle.Account // Account, with its name where that is known
}

// others are the spoke roles of accounts that the stack set doesn't reach.
func (p *SetPhase) others(spokes []spoke) []spoke {
	var out []spoke
	for _, s := range spokes {
		s.accounts = slices.DeleteFunc(s.accounts, func(a axle.Account) bool {
			return slices.ContainsFunc(p.Accounts, func(b axle.Account) bool { return a.ID == b.ID })
		})
		if len(s.accounts) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// planSet splits the accounts: those that StackSets reaches get the spoke role by
// way of one stack set, the same for all; the others are left for direct stacks.
func (w *Work) planSet(ctx context.Context, o BootstrapOptions, b *Bootstrap) (*SetPhase, error) {
	everybody := *w
	everybody.where = nil // what the stack set is doesn't depend on whom this run is for
	all, err := everybody.bootstrapAccounts()
	if err != nil {
		return nil, err
	}
	chosen, err := w.bootstrapAccounts()
	if err != nil {
		return nil, err
	}
	var tree ouTree
	if tree, err = newOUTree(w.org, w.hub.Account.ID, all); err != nil {
		return nil, err
	}
	role := roleName(w.project.Access.Role.Value)
	p := &SetPhase{Name: stackPrefix + role, Role: role, Region: w.hub.Region, Account: b.id.Account, Delegate: b.id.Account != w.org.Management}
	p.administrator, _ = w.org.Account(b.id.Account)
	p.administrator.ID = b.id.Account
	whole, parts := tree.cover()
	p.Follow = !o.NoAutoDeployment && len(parts) == 0
	switch {
	case o.NoAutoDeployment:
		p.NotFollow = "--no-auto-deployment"
	case len(parts) > 0:
		p.NotFollow = "it would take whole OUs, also where only some accounts of one are meant (" + names(w.org, parts) + ")"
	}
	p.reached = map[string]bool{}
	for _, a := range all {
		p.reached[a.ID] = tree.reached(a, whole)
	}
	p.Accounts = slices.DeleteFunc(chosen, func(a axle.Account) bool { return !p.reached[a.ID] })
	p.Targets = tree.targets(whole, p.Accounts)
	members := slices.DeleteFunc(slices.Clone(all), func(a axle.Account) bool { return !p.reached[a.ID] })
	if err := b.oneTrust(members); err != nil {
		return nil, err
	}
	if p.Template, err = everybody.setTemplate(ctx, o, b, members); err != nil {
		return nil, err
	}
	if p.entry, err = w.entry(ctx, o.EntryRole); err != nil {
		return nil, err
	}
	p.enable = o.EnableTrustedAccess
	p.set = cfn.NewStackSet(p.entry, axle.Target{Account: p.Account, Region: p.Region}, p.Delegate, p.Name)
	return p, nil
}

// setTemplate is the spoke role for all accounts of the stack set: it may do
// what any of them takes.
func (w *Work) setTemplate(ctx context.Context, o BootstrapOptions, b *Bootstrap, members []axle.Account) (string, error) {
	g, err := w.union(members)
	if err != nil {
		return "", err
	}
	given, err := givenPolicies(o.Policies)
	if err != nil {
		return "", err
	}
	var statements []privilege.Statement
	if given != nil {
		seen := map[string]bool{}
		for _, a := range members {
			list, err := given.statements([]string{a.ID})
			if err != nil {
				return "", err
			}
			for _, s := range list {
				key, err := json.Marshal(s)
				if err != nil {
					return "", fmt.Errorf("read --policies: %w", err)
				}
				if !seen[string(key)] {
					seen[string(key)] = true
					statements = append(statements, s)
				}
			}
		}
	} else {
		schemas, err := w.schemas(ctx, []*privilege.Group{g}, o.DescribeTypes)
		if err != nil {
			return "", err
		}
		g.Extra, g.Room = o.Allow, !o.Exact
		r := privilege.For(privilege.Deploy, g, schemas)
		statements = r.Statements
		b.Gaps = JoinGaps(b.Gaps, r.Gaps)
	}
	body, err := spokeBody(w, statements)
	if err != nil {
		return "", err
	}
	// A stack set's template goes along with the call.
	if body = bytes.TrimSpace(body); len(body) > inlineTemplate {
		return "", &axle.Failure{Code: "TemplateTooLarge", Blocked: true, Message: fmt.Sprintf("the template of the spoke role for all accounts has %d bytes, and a stack set takes %d", len(body), inlineTemplate),
			Hint: "give stacks an execution_role, or bootstrap without --stackset"}
	}
	return string(body), nil
}

// union describes accounts as if each had all the stacks that any has.
func (w *Work) union(members []axle.Account) (*privilege.Group, error) {
	in := map[string]bool{}
	for _, a := range members {
		in[a.ID] = true
	}
	var stacks []int
	for i := range w.project.Stacks {
		chosen, problems := plan.SelectAccounts(w.project, &w.project.Stacks[i], w.hub, w.org)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(chosen, func(a axle.Account) bool { return in[a.ID] }) {
			stacks = append(stacks, i)
		}
	}
	return w.group(members, stacks), nil
}

func (p *SetPhase) content(project string) cfn.SetContent {
	return cfn.SetContent{Template: p.Template, Parameters: p.Parameters, Follow: p.Follow, Tags: map[string]string{cfn.TagProject: project, cfn.TagStack: "bootstrap-spoke"}}
}

// look compares with what there is, and finds what would be in the way before
// anything is touched.
func (p *SetPhase) look(ctx context.Context, b *Bootstrap) error {
	if len(p.Accounts) == 0 { // narrowed to others: the stack set isn't needed
		p.Change = axle.None
		return nil
	}
	p.Change = axle.Create
	if enabled, known := p.set.Access(ctx); known && !enabled && !p.enable {
		p.Blocked = cfn.NoSetAccess()
	}
	if p.enable && p.Delegate {
		p.Blocked = &axle.Failure{Code: "NotAdministrator", Blocked: true, Message: "only the management account can enable trusted access",
			Hint: "run it with credentials of the management account, once"}
	}
	st, err := p.set.Look(ctx, p.Region)
	if err != nil {
		if f := asFailure(err); p.Blocked == nil && f.Blocked {
			p.Blocked = f
		} else if p.Blocked == nil {
			return cloud.Translate(err, "look for stack set "+p.Name, p.administrator, p.Region)
		}
		return nil
	}
	var fresh []axle.Account
	for _, a := range p.Accounts {
		i, there := st.Instances[a.ID]
		if !there {
			fresh = append(fresh, a)
		}
		if i.Status != "CURRENT" {
			p.Lacking = append(p.Lacking, a.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Instances)) {
		if !p.reached[id] {
			a, _ := b.w.org.Account(id)
			a.ID = id
			p.Others = append(p.Others, a.Label())
		}
	}
	if st.Exists {
		p.Change = axle.None
		if len(p.Lacking) > 0 || !p.same(st, b.Project) {
			p.Change = axle.Update
		}
		if of := st.Content.Tags[cfn.TagProject]; of != b.Project {
			p.Blocked = &axle.Failure{Code: "NotOurs", Blocked: true, Message: fmt.Sprintf("stack set %s in %s is there already, of project %q", p.Name, p.Region, of),
				Hint: "give this project a role of its own (access.role)"}
		}
	}
	if p.Blocked == nil {
		p.Blocked = p.collisions(ctx, fresh)
	}
	return nil
}

// same says whether the stack set is what it shall be; OUs count only when
// accounts are to follow them.
func (p *SetPhase) same(st *cfn.SetState, project string) bool {
	if !st.Content.Same(p.content(project)) {
		return false
	}
	for _, t := range p.Targets {
		for _, u := range t.Units {
			if p.Follow && len(t.Accounts) == 0 && !slices.Contains(st.Units, u) {
				return false
			}
		}
	}
	return true
}

// collisions finds accounts that have a role of that name without the stack set:
// there the stack would fail. Accounts that can't be entered are left to the
// stack set, whose failure is told.
func (p *SetPhase) collisions(ctx context.Context, fresh []axle.Account) *axle.Failure {
	have := make([]bool, len(fresh))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i, a := range fresh {
		g.Go(func() error {
			exists, err := p.entry.RoleExists(ctx, a, p.Role)
			have[i] = exists && err == nil
			return nil
		})
	}
	_ = g.Wait() // none gives an error
	var there []string
	for i, a := range fresh {
		if have[i] {
			there = append(there, a.Label())
		}
	}
	if len(there) == 0 {
		return nil
	}
	return &axle.Failure{Code: "RoleExists", Blocked: true, Resource: p.Role,
		Message: fmt.Sprintf("role %s is there already, without the stack set, in %s", p.Role, list(there, 10)),
		Hint: fmt.Sprintf("axle bootstrap without --stackset made it: keep to that, or delete stack %s in %s in each of these accounts (aws cloudformation delete-stack --stack-name %s, as %s), and run this again; until then they can't be deployed to",
			p.Name, p.Region, p.Name, DefaultEntryRole)}
}

// direct refuses to make stacks beside a stack set that has made the same roles.
func (b *Bootstrap) direct(ctx context.Context, entry *cloud.Cloud) error {
	for i := range b.Phases {
		p := &b.Phases[i]
		if p.Name != "spoke" {
			continue
		}
		set := cfn.NewStackSet(entry, axle.Target{Account: b.id.Account, Region: p.Region}, b.id.Account != b.w.org.Management, p.StackName)
		st, err := set.Look(ctx, p.Region)
		if err != nil || !st.Exists || st.Content.Tags[cfn.TagProject] != b.Project {
			return nil // who may not look has no stack set; the stacks will tell
		}
		var there []string
		for _, a := range slices.Concat(b.spokeAccounts()...) {
			if _, has := st.Instances[a.ID]; has {
				there = append(there, a.Label())
			}
		}
		if len(there) == 0 {
			return nil
		}
		return &axle.Failure{Code: "RoleExists", Blocked: true, Resource: p.Role, Message: fmt.Sprintf("stack set %s has made role %s in %s", p.StackName, p.Role, list(there, 10)),
			Hint: "bootstrap with --stackset, as before; or delete the stack set's instances there first"}
	}
	return nil
}

// spokeAccounts are the accounts that get a direct stack, by phase.
func (b *Bootstrap) spokeAccounts() [][]axle.Account {
	var out [][]axle.Account
	for i := range b.Phases {
		if b.Phases[i].Name == "spoke" {
			out = append(out, b.Phases[i].Accounts)
		}
	}
	return out
}

// list names some of many.
func list(items []string, most int) string {
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:most], ", "), len(items)-most)
}

// names are the paths of OUs.
func names(org *axle.Organization, units []string) string {
	var out []string
	for _, u := range units {
		out = append(out, ouPath(org, u))
	}
	return list(out, 5)
}

// ouPath is the path of an OU by names, or its id where the name isn't known.
func ouPath(org *axle.Organization, id string) string {
	for i := range org.OUs {
		if org.OUs[i].ID == id {
			return org.OUs[i].Path
		}
	}
	return id
}

// OUPath is the path of an OU by names.
func (b *Bootstrap) OUPath(id string) string { return ouPath(b.w.org, id) }
