package control

import (
	"testing"

	"axle"
	"axle/internal/cfn"

	"github.com/google/go-cmp/cmp"
)

// TestCover: which OUs a stack set is for, when some accounts of the tree
//
//	r-1 {management, lobby} > ou-apps {a, b} > ou-prod {p, q}
//	                        > ou-infra {hub, audit}
//	                        > ou-gone {closed}
//
// are the project's.
func TestCover(t *testing.T) {
	at := func(id string, units ...string) axle.Account { return axle.Account{ID: id, OUIDs: units} }
	org := &axle.Organization{Management: "management", Accounts: []axle.Account{
		at("a", "r-1", "ou-apps"), at("audit", "r-1", "ou-infra"), at("b", "r-1", "ou-apps"), {ID: "closed", OUIDs: []string{"r-1", "ou-gone"}, Status: "SUSPENDED"},
		at("hub", "r-1", "ou-infra"), at("lobby", "r-1"), {ID: "management", OUIDs: []string{"r-1"}, Management: true},
		at("p", "r-1", "ou-apps", "ou-prod"), at("q", "r-1", "ou-apps", "ou-prod")}}
	some := func(accounts ...string) []axle.Account {
		var out []axle.Account
		for _, id := range accounts {
			a, _ := org.Account(id)
			out = append(out, a)
		}
		return out
	}
	for _, test := range []struct {
		name         string
		project      []axle.Account
		whole, parts []string
		targets      []cfn.SetTarget
	}{
		{"an OU with those below it; the hub doesn't count", some("management", "hub", "a", "b", "p", "q"), []string{"ou-apps"}, nil,
			[]cfn.SetTarget{{Units: []string{"ou-apps"}}}},
		{"a nested OU alone", some("p", "q"), []string{"ou-prod"}, nil, []cfn.SetTarget{{Units: []string{"ou-prod"}}}},
		{"some of an OU, all of the one below", some("a", "p", "q"), []string{"ou-prod"}, []string{"ou-apps"},
			[]cfn.SetTarget{{Units: []string{"ou-prod"}}, {Units: []string{"ou-apps"}, Accounts: []string{"a"}}}},
		{"everybody: the root, closed accounts don't count, and the hub is reached", some("management", "a", "audit", "b", "hub", "lobby", "p", "q"), []string{"r-1"}, nil,
			[]cfn.SetTarget{{Units: []string{"r-1"}}}},
		{"an account at the root", some("lobby"), nil, []string{"r-1"}, []cfn.SetTarget{{Units: []string{"r-1"}, Accounts: []string{"lobby"}}}},
		{"the hub alone is none of it", some("management", "hub"), nil, nil, nil},
		{"nobody", nil, nil, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree, err := newOUTree(org, "hub", test.project)
			if err != nil {
				t.Fatal(err)
			}
			whole, parts := tree.cover()
			if d := cmp.Diff([][]string{test.whole, test.parts}, [][]string{whole, parts}); d != "" {
				t.Errorf("cover (-want +got):\n%s", d)
			}
			var reached []axle.Account
			for _, a := range test.project {
				if tree.reached(a, whole) {
					reached = append(reached, a)
				}
			}
			if d := cmp.Diff(test.targets, tree.targets(whole, reached)); d != "" {
				t.Errorf("targets (-want +got):\n%s", d)
			}
		})
	}
	// Narrowed to some accounts of a whole OU: these by name.
	tree, err := newOUTree(org, "hub", some("a", "b", "p", "q"))
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := tree.cover()
	if d := cmp.Diff([]cfn.SetTarget{{Units: []string{"ou-apps", "ou-prod"}, Accounts: []string{"b", "q"}}}, tree.targets(whole, some("b", "q"))); d != "" {
		t.Errorf("narrowed (-want +got):\n%s", d)
	}
}
