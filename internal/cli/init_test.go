package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"axle"
	"axle/internal/config"
	"axle/sandbox"
)

func TestProjectName(t *testing.T) {
	for folder, want := range map[string]string{
		"flights": "flights", "My Project": "My-Project", "a_b.c": "a-b-c", "2026": "project-2026", "-x-": "x", "...": "project", "": "project", "größe": "gr-e",
		strings.Repeat("long-", 20): strings.TrimSuffix(strings.Repeat("long-", 13)[:64], "-"),
	} {
		got := projectName(folder)
		if got != want {
			t.Errorf("%q: got %q, want %q", folder, got, want)
		}
		if _, problems := config.Parse("axle.yaml", []byte("name: \""+got+"\"\nstacks: {}\n"), ""); problems.Err() != nil {
			t.Errorf("%q: axle.yaml doesn't take the name %q: %v", folder, got, problems)
		}
	}
}

func TestGuesses(t *testing.T) {
	account := func(id, name, ou, status string) axle.Account {
		return axle.Account{ID: id, Name: name, OU: ou, Status: status, Management: id == "1"}
	}
	org := &axle.Organization{Management: "1", Accounts: []axle.Account{account("1", "management", "/", "ACTIVE"), account("2", "old-tools", "/Infra", "SUSPENDED"),
		account("3", "web", "/Workloads/Prod", "ACTIVE"), account("4", "Network-Hub", "/Infra", "ACTIVE"), account("5", "app", "/Workloads/Dev", "ACTIVE")}}
	if got := guessHub(org); got != "4" {
		t.Errorf("hub %s", got)
	}
	if got := guessOU(org); got != "/Workloads" {
		t.Errorf("OU %s", got)
	}
	org.Accounts = org.Accounts[:3]
	if got := guessHub(org); got != "3" {
		t.Errorf("without a name that tells, a member account, not %s", got)
	}
	org.Accounts = org.Accounts[:1]
	if hub, ou := guessHub(org), guessOU(org); hub != "1" || ou != "/" {
		t.Errorf("alone: hub %s, OU %s", hub, ou)
	}
}

// The sample has as many workload accounts as asked for, each with a network of
// its own, and is a project that Axle takes.
func TestDemoProject(t *testing.T) {
	for n, want := range map[int]int{0: 13, 7: 13, 8: 14, maxDemoAccounts: 6 + maxDemoAccounts} {
		dir, err := demoProject(demoFlags{accounts: n, dir: filepath.Join(t.TempDir(), "new")})
		if err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(filepath.Join(dir, "accounts.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		org, err := sandbox.ParseOrgFile("accounts.yaml", body)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(body, []byte("{id:")); got != want || org == nil {
			t.Errorf("--accounts %d: %d accounts, want %d", n, got, want)
		}
		nets := map[string]bool{}
		for _, part := range strings.Split(string(body), `net: "`)[1:] {
			net, _, _ := strings.Cut(part, `"`)
			if nets[net] || len(net) > 3 || len(net) == 3 && net > "255" {
				t.Errorf("--accounts %d: network %s", n, net)
			}
			nets[net] = true
		}
		if _, problems := config.Load(filepath.Join(dir, "axle.yaml"), ""); problems.Err() != nil {
			t.Error(problems)
		}
		if _, err := demoProject(demoFlags{dir: dir}); err == nil || !strings.Contains(err.Error(), "has an axle.yaml already") {
			t.Errorf("a project was overwritten: %v", err)
		}
	}
}
