package report_test

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"axle"
	"axle/internal/report"
)

func organization() *axle.Organization {
	account := func(id, name, ou string, tags map[string]string) axle.Account {
		return axle.Account{ID: id, Name: name, Email: name + "@example.com", OU: ou, Status: "ACTIVE", Tags: tags}
	}
	org := &axle.Organization{ID: "o-exampleorg", Management: "111111111111", Source: "aws", Tagged: true, Taken: noon,
		OUs: []axle.OU{{ID: "r-1", Name: "Root", Path: "/"}, {ID: "ou-1", Name: "Empty", Path: "/Empty"}, {ID: "ou-2", Name: "Workloads", Path: "/Workloads"}, {ID: "ou-3", Name: "Prod", Path: "/Workloads/Prod"}},
		Accounts: []axle.Account{
			account("111111111111", "management", "/", nil), account("222222222222", "dev", "/Workloads", map[string]string{"net": "1", "env": "dev"}),
			account("333333333333", "a-much-longer-name", "/Workloads/Prod", map[string]string{"env": "prod"}), account("444444444444", "gone", "/Workloads/Prod", nil)},
		Calls: map[string]int{"ListAccounts": 1}}
	org.Accounts[0].Management = true
	org.Accounts[3].Status = "SUSPENDED"
	return org
}

func TestOrg(t *testing.T) {
	org := organization()
	golden(t, "org", text(func(w io.Writer, st report.Style) { report.OrgTree(w, st, org) }))
	golden(t, "org-json", asJSON(t, report.Org{Organization: org, Calls: org.Calls}))
	golden(t, "accounts", text(func(w io.Writer, st report.Style) { report.Accounts(w, st, org.Accounts) }))
	for i := range 40 {
		org.Accounts = append(org.Accounts, axle.Account{ID: fmt.Sprintf("5%011d", i), Name: fmt.Sprintf("team-%02d", i), OU: "/Workloads/Prod", Status: "ACTIVE"})
	}
	golden(t, "org-many", text(func(w io.Writer, st report.Style) { report.OrgTree(w, st, org) }))
}

func TestExplanation(t *testing.T) {
	dev := organization().Accounts[1]
	e := &report.Explanation{Account: dev, Where: `account.tags["env"] in ["dev", "qa"] && (account.ou == "/" || account.management)`, Clauses: []report.Clause{
		{Text: `account.tags["env"] in ["dev", "qa"]`, Holds: true}, {Text: "&&"}, {Text: `account.ou == "/"`, Depth: 1}, {Text: "|| account.management", Depth: 1}}}
	golden(t, "explain-out", text(e.Text))
	golden(t, "explain-json", asJSON(t, e))
	golden(t, "explain-in", text((&report.Explanation{Account: dev, Selected: true, Clauses: []report.Clause{{Text: "true", Holds: true}}}).Text))
	gone := organization().Accounts[3]
	golden(t, "explain-suspended", text((&report.Explanation{Account: gone, Reason: "its status is SUSPENDED, and the expression doesn't ask for account.status", Clauses: []report.Clause{{Text: "true", Holds: true}}}).Text))
}

func someStacks() *report.Stacks {
	stack := func(name, account, accountName, region, status string) report.Stack {
		return report.Stack{Stack: name, StackName: "flights-" + name, Account: account, AccountName: accountName, Region: region, Status: status, Configured: true}
	}
	s := &report.Stacks{Project: "flights", Stacks: []report.Stack{
		stack("hub-network", "111111111111", "tools", "eu-west-1", "CREATE_COMPLETE"),
		stack("spoke-network", "222222222222", "dev", "eu-west-1", "UPDATE_ROLLBACK_COMPLETE"),
		stack("spoke-network", "333333333333", "a-much-longer-name", "us-east-1", report.NotDeployed),
		stack("spoke-network", "444444444444", "prod", "eu-west-1", "CREATE_IN_PROGRESS"),
		stack("spoke-network", "555555555555", "locked", "eu-west-1", report.NotDeployed),
		stack("old", "222222222222", "dev", "eu-west-1", "CREATE_COMPLETE")}}
	s.Stacks[0].Outputs = map[string]string{"VpcId": "vpc-1", "VpcCidr": "10.0.0.0/16"}
	s.Stacks[0].Updated = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	s.Stacks[1].Reason = "The following resource(s) failed to update: [Route]."
	s.Stacks[1].Outputs = map[string]string{"VpcId": "vpc-2"}
	s.Stacks[4].Error = &axle.Failure{Code: "AccessDenied", Message: "assume role axle-spoke in account 555555555555 (locked): denied", Hint: "check its trust policy"}
	s.Stacks[5].Configured = false
	return s
}

func TestStacks(t *testing.T) {
	s := someStacks()
	golden(t, "status", text(s.Text))
	golden(t, "status-json", asJSON(t, s))
	golden(t, "outputs", text(s.OutputsText))
	if n := s.Failures(); n != 1 {
		t.Errorf("%d failures", n)
	}
	none := &report.Stacks{Project: "flights", Stacks: []report.Stack{}}
	golden(t, "status-nothing", append(text(none.Text), text(none.OutputsText)...))

	many := &report.Stacks{}
	for i := range 60 {
		one := report.Stack{Stack: "net", Account: fmt.Sprintf("%012d", i), AccountName: fmt.Sprintf("team-%02d", i), Region: "eu-west-1", Status: "CREATE_COMPLETE", Configured: true}
		switch {
		case i < 5:
			one.Status = report.NotDeployed
		case i < 7:
			one.Error = &axle.Failure{Message: "assume role axle-spoke in account " + one.Account + " (" + one.AccountName + "): denied"}
		}
		many.Stacks = append(many.Stacks, one)
	}
	golden(t, "status-many", text(many.Text))
}

// A refusal that many targets share is told once in text, and with each in JSON.
func TestStacksRefused(t *testing.T) {
	s := someStacks()
	s.Stacks[4].Error = nil
	for _, i := range []int{1, 2, 3, 5} {
		at := &s.Stacks[i]
		at.Status, at.Reason, at.Outputs = report.NotDeployed, "", nil
		at.Error = &axle.Failure{Code: "AccessDenied", Message: "assume role arn:aws:iam::" + at.Account + ":role/axle-spoke in " + at.AccountName + " (" + at.Account + ") as arn:aws:iam::111111111111:user/ci: denied",
			Hint: "the trust policy of " + at.AccountName + " doesn't let it in"}
	}
	s.Stacks[0].Outputs = nil
	s.Stacks[0].Error = &axle.Failure{Code: "Throttling", Message: "list stacks in tools: Rate exceeded"}
	golden(t, "status-refused", text(s.Text))
	golden(t, "outputs-refused", text(s.OutputsText))
	var back report.Stacks
	if err := json.Unmarshal(asJSON(t, s), &back); err != nil {
		t.Fatal(err)
	}
	for i, stack := range back.Stacks {
		if want := s.Stacks[i].Error; want != nil && (stack.Error == nil || stack.Error.Message != want.Message || stack.Error.Hint != want.Hint) {
			t.Errorf("%s in %s: %v, want %v", stack.Stack, stack.Account, stack.Error, want)
		}
	}
}

func TestRuns(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	golden(t, "runs", text(func(w io.Writer, st report.Style) {
		report.Runs(w, st, []axle.Run{
			{ID: "r20261121-120000-3fa2c1", Project: "flights", Env: "prod", Command: "destroy", Status: axle.RunRunning, Steps: 12, Started: noon},
			{ID: "r20261120-080000-aaaaaa", Project: "flights", Command: "deploy", Status: axle.RunPartial, Steps: 1200, Started: noon.Add(-28 * time.Hour), Finished: noon.Add(-27 * time.Hour)}})
		report.Runs(w, st, nil)
	}))
}
