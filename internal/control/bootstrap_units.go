package control

import (
	"slices"
	"strings"

	"axle"
	"axle/internal/cfn"
)

// An ouTree has the accounts of an organization below each of its OUs.
type ouTree struct {
	below    map[string][]axle.Account // OU or root -> active accounts in it and below, without the management account
	children map[string][]string
	root     string
	hub      string
	meant    map[string]bool // accounts of the project
}

func newOUTree(org *axle.Organization, hub string, all []axle.Account) (ouTree, error) {
	t := ouTree{below: map[string][]axle.Account{}, children: map[string][]string{}, hub: hub, meant: map[string]bool{}}
	for _, a := range all {
		t.meant[a.ID] = true
	}
	for _, a := range org.Accounts {
		if !strings.HasPrefix(strings.Join(a.OUIDs, " "), "r-") {
			if !t.meant[a.ID] {
				continue
			}
			return t, &axle.Failure{Code: "NoOrganizationalUnits", Blocked: true, Message: "the OU of account " + a.Label() + " isn't known by its id, which --stackset needs",
				Hint: "organization: {source: aws} finds the ids; or bootstrap without --stackset"}
		}
		for i, u := range a.OUIDs {
			if i == 0 {
				t.root = u
			} else if parent := a.OUIDs[i-1]; !slices.Contains(t.children[parent], u) {
				t.children[parent] = append(t.children[parent], u)
			}
			if !a.Management && a.ID != org.Management && a.Active() {
				t.below[u] = append(t.below[u], a)
			}
		}
	}
	for _, units := range t.children {
		slices.Sort(units)
	}
	return t, nil
}

// cover finds the largest OUs all of whose accounts are meant, and the OUs of
// the accounts that are left. The hub's account doesn't count: it is in many
// places for reasons of its own, and gets a direct stack when its OU isn't whole.
func (t *ouTree) cover() (whole, parts []string) {
	var visit func(unit string)
	visit = func(unit string) {
		accounts, meant, own := 0, 0, false
		for _, a := range t.below[unit] {
			if a.ID == t.hub {
				continue
			}
			accounts++
			if t.meant[a.ID] {
				meant++
				own = own || a.OUIDs[len(a.OUIDs)-1] == unit
			}
		}
		switch {
		case meant == 0:
		case meant == accounts:
			whole = append(whole, unit)
		default:
			if own {
				parts = append(parts, unit)
			}
			for _, u := range t.children[unit] {
				visit(u)
			}
		}
	}
	visit(t.root)
	return whole, parts
}

// reached says whether the stack set gives the account its role.
func (t *ouTree) reached(a axle.Account, whole []string) bool {
	if a.Management || !t.meant[a.ID] {
		return false
	}
	return a.ID != t.hub || slices.ContainsFunc(a.OUIDs, func(u string) bool { return slices.Contains(whole, u) })
}

// targets are the OUs of accounts: the whole ones, when all of their accounts are
// asked for, and the others with the accounts by name.
func (t *ouTree) targets(whole []string, accounts []axle.Account) []cfn.SetTarget {
	asked := map[string]bool{}
	for _, a := range accounts {
		asked[a.ID] = true
	}
	full := slices.DeleteFunc(slices.Clone(whole), func(u string) bool {
		return slices.ContainsFunc(t.below[u], func(a axle.Account) bool { return !asked[a.ID] })
	})
	var some cfn.SetTarget
	for _, a := range accounts {
		if slices.ContainsFunc(a.OUIDs, func(u string) bool { return slices.Contains(full, u) }) {
			continue
		}
		if own := a.OUIDs[len(a.OUIDs)-1]; !slices.Contains(some.Units, own) {
			some.Units = append(some.Units, own)
		}
		some.Accounts = append(some.Accounts, a.ID)
	}
	var out []cfn.SetTarget
	if len(full) > 0 {
		out = append(out, cfn.SetTarget{Units: full})
	}
	if len(some.Accounts) > 0 {
		out = append(out, some)
	}
	return out
}
