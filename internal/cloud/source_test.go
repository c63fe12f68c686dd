package cloud

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"axle"

	"github.com/google/go-cmp/cmp"
)

const organizationYAML = `
management: {id: "111111111111", name: management, email: root@example.com, tags: {}}
ous:
  - name: Workloads
    tags: &apps {tier: apps, cost: 1}
    accounts:
      - {id: 222222222222, name: dev, email: dev@example.com, tags: {env: dev, net: "1"}}
    ous:
      - name: Prod
        tags: {tier: prod}
        accounts:
          - {id: "033333333333", name: prod, status: SUSPENDED, invited: true}
accounts:
  - {id: "444444444444", name: tools, tags: *apps}
`

func TestFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.yaml")
	if err := os.WriteFile(path, []byte(organizationYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	org, problems := FromFile(path)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []axle.Account{
		{ID: "033333333333", Name: "prod", OU: "/Workloads/Prod", OUIDs: []string{"/", "/Workloads", "/Workloads/Prod"},
			OUTags: map[string]string{"tier": "prod", "cost": "1"}, Status: "SUSPENDED", JoinedMethod: "INVITED"},
		{ID: "111111111111", Name: "management", Email: "root@example.com", OU: "/", OUIDs: []string{"/"}, Status: "ACTIVE", Management: true, JoinedMethod: "CREATED"},
		{ID: "222222222222", Name: "dev", Email: "dev@example.com", OU: "/Workloads", OUIDs: []string{"/", "/Workloads"},
			Tags: map[string]string{"env": "dev", "net": "1"}, OUTags: map[string]string{"tier": "apps", "cost": "1"}, Status: "ACTIVE", JoinedMethod: "CREATED"},
		{ID: "444444444444", Name: "tools", OU: "/", OUIDs: []string{"/"}, Tags: map[string]string{"tier": "apps", "cost": "1"}, Status: "ACTIVE", JoinedMethod: "CREATED"},
	}
	if diff := cmp.Diff(want, org.Accounts); diff != "" {
		t.Error(diff)
	}
	if org.Management != "111111111111" || org.Source != "file:"+path || !org.Tagged || len(org.OUs) != 3 {
		t.Errorf("got %+v", org)
	}
	if _, problems = FromFile(path + ".no"); problems.Err() == nil {
		t.Error("a file that isn't there is read")
	}
}

func TestOrganizationMistakes(t *testing.T) {
	_, problems := parseOrganization("a.yaml", "file:a.yaml", []byte(`management: {id: "1111", name: m}
acounts: []
ous:
  - name: A
    accounts:
      - {id: "222222222222", name: dev, tgas: {}}
      - {id: "222222222222", name: again}
      - {name: nobody}
      - {id: "333333333333", status: ASLEEP}
    tags: [x]
  - name: A
  - {}
  - name: B/C
    accounts: {id: "444444444444"}
accounts:
  - just text
`))
	for _, want := range []string{
		`a.yaml:1:18: bad account id "1111"`,
		`a.yaml:2:1: unknown key "acounts" of the organization` + "\n  hint: did you mean accounts?",
		`a.yaml:6:41: unknown key "tgas" of an account` + "\n  hint: did you mean tags?",
		`a.yaml:7:14: account 222222222222 is listed already, at a.yaml:6:14`,
		`a.yaml:8:9: an account needs an id`,
		`a.yaml:9:9: an account needs a name`,
		`a.yaml:9:38: unknown status "ASLEEP"`,
		`a.yaml:10:11: tags must be a mapping`,
		`a.yaml:11:11: second OU "A" in /`,
		`a.yaml:12:5: an OU needs a name`,
		`a.yaml:13:11: the name of an OU can't have a slash: "B/C"`,
		`a.yaml:14:15: accounts must be a list`,
		`a.yaml:16:5: an account must be a mapping`,
	} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("missing %s", want)
		}
	}
	if len(problems) != 13 {
		t.Errorf("%d problems:\n%v", len(problems), problems)
	}
}

func TestLists(t *testing.T) {
	for _, body := range []string{
		"222222222222,033333333333", "222222222222, 033333333333\n", "222222222222\n033333333333\n",
		`["222222222222", "033333333333"]`, "- 222222222222\n- '033333333333'\n", `[{"id": "222222222222", "name": "a"}, "033333333333"]`,
	} {
		org, problems := parseOrganization("ssm:/x", "ssm:/x", []byte(body))
		if problems.Err() != nil || len(org.Accounts) != 2 || org.Accounts[0].ID != "033333333333" || org.Accounts[1].OU != "/" {
			t.Errorf("%q: %+v, %v", body, org, problems)
		}
	}
	for _, body := range []string{"ous: &o [{name: x, ous: *o}]", "", "hello", "222222222222,22", "{", "[[1]]"} {
		if _, problems := parseOrganization("ssm:/x", "ssm:/x", []byte(body)); problems.Err() == nil {
			t.Errorf("%q passes", body)
		}
	}
}

func FuzzOrganization(f *testing.F) {
	f.Add(organizationYAML)
	f.Add(`["222222222222"]`)
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, body string) {
		org, problems := parseOrganization("f", "file:f", []byte(body))
		if (org == nil) != (problems.Err() != nil) {
			t.Errorf("organization %v with problems %v", org, problems)
		}
	})
}
