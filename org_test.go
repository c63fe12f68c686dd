package axle_test

import (
	"testing"

	"axle"

	"github.com/google/go-cmp/cmp"
)

func TestOrganization(t *testing.T) {
	org := &axle.Organization{
		OUs: []axle.OU{
			{ID: "ou-2", Path: "/Workloads/Prod", Tags: map[string]string{"tier": "gold", "only": "prod"}},
			{ID: "r-1", Path: "/", Tags: map[string]string{"company": "acme", "tier": "none"}},
			{ID: "ou-1", Path: "/Workloads", Tags: map[string]string{"tier": "silver", "kind": "apps"}},
			{ID: "ou-3", Path: "/Empty"},
		},
		Accounts: []axle.Account{
			{ID: "333333333333", Name: "twin", OU: "/", OUIDs: []string{"r-1"}, OUTags: map[string]string{"stale": "tag"}},
			{ID: "111111111111", Name: "deep", OU: "/Workloads/Prod", OUIDs: []string{"r-1", "ou-1", "ou-2"}, Tags: map[string]string{"tier": "own"}},
			{ID: "222222222222", Name: "twin", OU: "/Empty", OUIDs: []string{"ou-3", "ou-unknown"}},
		},
	}
	org.Sort()
	var ids, paths []string
	for _, a := range org.Accounts {
		ids = append(ids, a.ID)
	}
	for _, ou := range org.OUs {
		paths = append(paths, ou.Path)
	}
	same(t, "accounts", ids, []string{"111111111111", "222222222222", "333333333333"})
	same(t, "OUs", paths, []string{"/", "/Empty", "/Workloads", "/Workloads/Prod"})

	deep, ok := org.Account("111111111111")
	same(t, "found", ok, true)
	same(t, "inherited, the nearest OU first", deep.OUTags, map[string]string{"company": "acme", "kind": "apps", "tier": "gold", "only": "prod"})
	same(t, "own tags stay apart", deep.Tags, map[string]string{"tier": "own"})
	same(t, "of the root alone", org.Accounts[2].OUTags, map[string]string{"company": "acme", "tier": "none"})
	same(t, "of nobody", org.Accounts[1].OUTags, map[string]string(nil))

	for _, id := range []string{"", "000000000000", "150000000000", "999999999999", "twin"} {
		if a, ok := org.Account(id); ok {
			t.Errorf("account %q is %v", id, a)
		}
	}
	same(t, "by id", org.Find("333333333333"), []axle.Account{org.Accounts[2]})
	same(t, "by name, of all who have it", org.Find("twin"), []axle.Account{org.Accounts[1], org.Accounts[2]})
	same(t, "of nobody", org.Find("nobody"), []axle.Account(nil))
}

func TestJoinOU(t *testing.T) {
	same(t, "under the root", axle.JoinOU("/", "Prod"), "/Prod")
	same(t, "deeper", axle.JoinOU("/Workloads", "Prod"), "/Workloads/Prod")
}

func TestAccount(t *testing.T) {
	for status, want := range map[string]bool{"": true, "ACTIVE": true, "SUSPENDED": false, "PENDING_ACTIVATION": false, "PENDING_CLOSURE": false, "CLOSED": false} {
		if got := (axle.Account{Status: status}).Active(); got != want {
			t.Errorf("%q active: %v", status, got)
		}
	}
	for id, want := range map[string]bool{"123456789012": true, "000000000000": true, "12345678901": false, "1234567890123": false, "12345678901a": false, "": false, "123456789012\n": false} {
		if axle.ValidAccountID(id) != want {
			t.Errorf("%q valid: %v", id, !want)
		}
	}
	same(t, "label", axle.Account{ID: "1", Name: "dev"}.Label(), "dev (1)")
	same(t, "label without a name", axle.Account{ID: "1"}.Label(), "1")
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
