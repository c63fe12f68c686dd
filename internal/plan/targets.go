package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
)

// Input is what a plan is made from.
type Input struct {
	Project *config.Project
	// Templates by the name of the stack. A destroy needs none.
	Templates map[string]*Source
	Org       *axle.Organization
	// Enabled has the enabled regions of accounts, for the stacks that ask for
	// "regions: enabled".
	Enabled map[string][]string
	// Where and Regions narrow the plan's targets; nil means all.
	Where   *expr.Selector
	Regions []string
	// Only are the stacks that the plan acts on; nil means all.
	Only []string
	// NoPeering leaves peerings out.
	NoPeering bool
	Destroy   bool
	// Exactly narrows to these steps of stacks; nil means all.
	Exactly map[string]bool
	// whole: see Whole.
	whole bool
}

// FindHub evaluates the project's hub against the organization.
func FindHub(p *config.Project, org *axle.Organization) (Hub, diag.List) {
	var problems diag.List
	hub := Hub{Region: p.Hub.Region.Value}
	if p.Hub.AccountID != "" {
		a, ok := org.Account(p.Hub.AccountID)
		if !ok {
			problems.Add(p.Hub.Pos, "axle org accounts lists what "+org.Source+" has", "hub account %s is not in the organization", p.Hub.AccountID)
		} else if !a.Active() {
			problems.Add(p.Hub.Pos, "choose an account that is ACTIVE", "hub account %s is %s", a.Label(), a.Status)
		}
		hub.Account = a
		return hub, problems
	}
	if p.Hub.Account == nil {
		return hub, problems
	}
	var found []axle.Account
	for _, a := range org.Accounts {
		if !a.Active() && !p.Hub.Account.MentionsStatus() {
			continue
		}
		ok, err := p.Hub.Account.Match(expr.Scope{Account: a, Vars: p.Vars, Env: p.Env})
		if err != nil {
			addFailure(&problems, err, p.Hub.Pos, "hub.account")
			return hub, problems
		}
		if ok {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 1:
		hub.Account = found[0]
	case 0:
		problems.Add(p.Hub.Pos, "axle org accounts lists names, tags and OUs", "no account matches hub.account: %s", p.Hub.Account)
	default:
		problems.Add(p.Hub.Pos, "make the expression choose one, for example by id", "%d accounts match hub.account: %s", len(found), labels(found))
	}
	return hub, problems
}

func labels(accounts []axle.Account) string {
	names := make([]string, 0, 5)
	for i, a := range accounts {
		if i == 4 && len(accounts) > 5 {
			names = append(names, "...")
			break
		}
		names = append(names, a.Label())
	}
	return strings.Join(names, ", ")
}

// SelectAccounts are the accounts of a stack: those that its targets match.
// Accounts that aren't ACTIVE match only expressions that ask for the status.
func SelectAccounts(p *config.Project, s *config.Stack, hub Hub, org *axle.Organization) ([]axle.Account, diag.List) {
	if s.Hub {
		return []axle.Account{hub.Account}, nil
	}
	var problems diag.List
	var out []axle.Account
	if s.Targets == nil {
		return nil, nil
	}
	for _, a := range org.Accounts {
		if !a.Active() && !s.Targets.MentionsStatus() {
			continue
		}
		ok, err := s.Targets.Match(expr.Scope{Account: a, HubAccount: hub.Account, HubRegion: hub.Region, Vars: p.Vars, Env: p.Env})
		if err != nil {
			addFailure(&problems, err, s.TargetsPos, fmt.Sprintf("targets of stack %q", s.Name))
			return nil, problems
		}
		if ok {
			out = append(out, a)
		}
	}
	return out, nil
}

// instances are the targets of one stack, with the indexes that output() needs.
type instances struct {
	all       []axle.Target // by account, then region
	byAccount map[string][]axle.Target
	byRegion  map[string][]axle.Target
	has       map[axle.Target]bool
	narrowed  map[axle.Target]bool // those that this plan acts on
}

// regionsOf are the regions of a stack in an account.
func regionsOf(in *Input, s *config.Stack, hub Hub, account string) []string {
	switch s.Regions.Kind {
	case config.RegionsHome:
		return []string{hub.Region}
	case config.RegionsEnabled:
		return in.Enabled[account]
	}
	list := s.Regions.List
	if s.Regions.Kind == config.RegionsDefault {
		list = in.Project.Regions
	}
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.Value
	}
	return out
}

func (b *builder) findInstances(s *config.Stack) (*instances, bool) {
	accounts, problems := SelectAccounts(b.in.Project, s, b.plan.Hub, b.in.Org)
	b.problems = append(b.problems, problems...)
	if problems.Err() != nil {
		return nil, false
	}
	out := &instances{byAccount: map[string][]axle.Target{}, byRegion: map[string][]axle.Target{},
		has: map[axle.Target]bool{}, narrowed: map[axle.Target]bool{}}
	for _, a := range accounts {
		for _, region := range regionsOf(&b.in, s, b.plan.Hub, a.ID) {
			t := axle.Target{Account: a.ID, Region: region}
			if out.has[t] {
				continue
			}
			out.has[t] = true
			out.all = append(out.all, t)
			keep, err := b.keep(a, region)
			if err != nil {
				addFailure(&b.problems, err, diag.Pos{File: "--where"}, "")
				return nil, false
			}
			if keep && (b.in.Only == nil || slices.Contains(b.in.Only, s.Name)) && (b.in.Exactly == nil || b.in.Exactly[StackStep(s.Name, t)]) {
				out.narrowed[t] = true
			}
			b.accounts[a.ID] = a
		}
	}
	slices.SortFunc(out.all, axle.Target.Compare)
	for _, t := range out.all {
		out.byAccount[t.Account] = append(out.byAccount[t.Account], t)
		out.byRegion[t.Region] = append(out.byRegion[t.Region], t)
	}
	return out, true
}

// keep says whether the run's narrowing leaves a target in.
func (b *builder) keep(a axle.Account, region string) (bool, error) {
	if len(b.in.Regions) > 0 && !slices.Contains(b.in.Regions, region) {
		return false, nil
	}
	if b.in.Where == nil {
		return true, nil
	}
	return b.in.Where.Match(b.plan.scope(a, region))
}

// warnRegions tells of a --region that no stack is in: it is easily mistyped.
func (b *builder) warnRegions() {
	all := map[string]bool{}
	for _, of := range b.instances {
		for region := range of.byRegion {
			all[region] = true
		}
	}
	known := slices.Sorted(maps.Keys(all))
	for _, r := range b.in.Regions {
		if !all[r] && len(known) > 0 {
			b.problems.Warn(diag.Pos{File: "--region"}, "", "--region %s: no stack is in it; they are in %s", r, strings.Join(known, ", "))
		}
	}
}
