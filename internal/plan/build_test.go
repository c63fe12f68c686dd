package plan_test

import (
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/internal/plan"
)

// head is the top of a project whose stacks follow.
func head(stacks string) string {
	return "name: p\nhub: {account: \"000000000001\", region: eu-west-1}\nregions: [eu-west-1]\nstacks:\n" + stacks
}

// TestStepOfAStack has all that a step takes from axle.yaml and the template.
func TestStepOfAStack(t *testing.T) {
	w := world{yaml: `
name: p
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
vars: {size: {dev: 3}}
environments:
  test: {vars: {size: {dev: 4}}}
stacks:
  net:
    template: net.yaml
    targets: account.name == "dev"
    parameters:
      Size: ${{ vars.size[account.tags["env"]] }}
      Name: net-${{ account.name }}-${{ region }}-${{ env }}-${{ hub.account.id }}
    tags: {owner: "${{ account.name }}"}
    capabilities: [CAPABILITY_IAM]
    protect: true
    execution_role: arn:aws:iam::000000000002:role/cfn
    stack_name: other
`, env: "test", templates: map[string]string{"net": body([]string{"Size", "Name", "Color , Default: red", "Secret , NoEcho: true, Default: x"}, nil)}}
	p := w.build(t)
	if len(p.Steps) != 1 {
		t.Fatalf("steps %v", ids(p))
	}
	protect := true
	spec := &axle.StackSpec{Project: "p", Stack: "net", StackName: "other", Tags: nil, Capabilities: []string{"CAPABILITY_IAM"}, Protect: &protect,
		ExecutionRole: "arn:aws:iam::000000000002:role/cfn", Defaults: map[string]string{"Color": "red"}, NoEcho: []string{"Secret"}, Outputs: []string{},
		Template: p.Steps[0].Spec.Stack.Template, Opaque: p.Steps[0].Spec.Stack.Opaque}
	same(t, "step", p.Steps[0], axle.Step{ID: "stack/net/000000000002/eu-west-1", Kind: plan.KindStack, Name: "net", Account: "000000000002", AccountName: "dev", Region: "eu-west-1",
		Spec: &axle.Spec{Stack: spec}, Input: map[string]axle.Value{
			"Size": {Literal: "4"}, "Name": {Literal: "net-dev-eu-west-1-test-000000000001"}, "tag:owner": {Literal: "dev"}}})
	if spec.Opaque == "" || !strings.HasPrefix(spec.Template, "sha256:") || len(p.Templates[spec.Template]) == 0 {
		t.Errorf("a NoEcho parameter makes a template opaque, and its body is part of the plan: %+v", spec)
	}
	same(t, "accounts", len(p.Accounts), 1)
	same(t, "header", []string{p.Project, p.Command, p.Env, p.Hub.Account.Name, p.Hub.Region}, []string{"p", "deploy", "test", "tools", "eu-west-1"})
}

func TestRegions(t *testing.T) {
	w := world{yaml: `
name: p
hub: {account: "000000000001", region: eu-west-2}
regions: [eu-west-1, us-east-1]
stacks:
  default: {template: t.yaml, targets: account.name == "dev"}
  list: {template: t.yaml, targets: account.name == "dev", regions: [eu-north-1]}
  home: {template: t.yaml, targets: account.name == "dev", regions: home}
  enabled: {template: t.yaml, targets: account.ou == "/Workloads", regions: enabled}
`, enabled: map[string][]string{"000000000002": {"us-west-2", "ap-east-1"}, "000000000003": {}}}
	same(t, "steps", ids(w.build(t)), []string{
		"stack/default/000000000002/eu-west-1", "stack/default/000000000002/us-east-1", "stack/list/000000000002/eu-north-1",
		"stack/home/000000000002/eu-west-2", "stack/enabled/000000000002/ap-east-1", "stack/enabled/000000000002/us-west-2"})
}

// Accounts that aren't ACTIVE are targets only of expressions that ask for the status.
func TestSuspendedAccounts(t *testing.T) {
	accounts := append(someAccounts(), account(5, "gone!", "/Workloads"))
	for where, want := range map[string]int{
		`"true"`:                                   4,
		`account.ou == "/Workloads"`:               3,
		`account.status != ""`:                     5,
		`account.status == "SUSPENDED"`:            1,
		`account.ou != "" && account.status != ""`: 5,
	} {
		w := world{accounts: accounts, yaml: head("  s:\n    template: t.yaml\n    targets: " + where + "\n")}
		if got := len(w.build(t).Steps); got != want {
			t.Errorf("%s: %d targets, want %d", where, got, want)
		}
	}
}

func TestHub(t *testing.T) {
	accounts := append(someAccounts(), account(5, "gone!", "/"), account(6, "tools", "/Old"))
	for _, tt := range []struct{ hub, want string }{
		{`account.name == "dev"`, "000000000002"},
		{`account.status == "SUSPENDED"`, "000000000005"},
		{`"000000000003"`, "000000000003"},
		{`account.name == "gone"`, `axle.yaml:2:15: no account matches hub.account: account.name == "gone"` + "\n  hint: axle org accounts lists names, tags and OUs"},
		{`account.name == "tools"`, "2 accounts match hub.account: tools (000000000001), tools (000000000006)\n  hint: make the expression choose one, for example by id"},
		{`account.ou != "nowhere"`, "5 accounts match hub.account: tools (000000000001), dev (000000000002), qa (000000000003), prod (000000000004), tools (000000000006)"},
		{`"999999999999"`, "hub account 999999999999 is not in the organization\n  hint: axle org accounts lists what file:accounts.yaml has"},
		{`"000000000005"`, "hub account gone (000000000005) is SUSPENDED\n  hint: choose an account that is ACTIVE"},
	} {
		in := world{accounts: accounts, yaml: "name: p\nhub: {account: " + tt.hub + ", region: eu-west-1}\nregions: [eu-west-1]\nstacks:\n  s: {template: t.yaml, targets: hub}\n"}.input(t)
		in.Project.Hub.Pos.Line, in.Project.Hub.Pos.Col = 2, 15
		hub, problems := plan.FindHub(in.Project, in.Org)
		if err := problems.Err(); err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %s", tt.hub, err, tt.want)
			}
			if p, again := plan.Build(in); p != nil || again.Err() == nil {
				t.Errorf("%s: a plan without a hub", tt.hub)
			}
			continue
		}
		same(t, tt.hub, hub.Account.ID, tt.want)
	}
}

// TestBuildProblems: what is wrong has a place, and is told for the first target.
func TestBuildProblems(t *testing.T) {
	for _, tt := range []struct{ name, stacks, want string }{
		{"a tag that an account lacks", `
  s:
    template: t.yaml
    targets: "true"
    parameters:
      X: ${{ account.tags["env"] }}
`, "axle.yaml:10:26: X of stack \"s\": account tools (000000000001) has no tag \"env\""},
		{"a circle of instances, through an option", `
  a:
    template: t.yaml
    targets: account.name == "dev"
    parameters:
      X: '${{ output("b", "A", {"account": "000000000002"}) }}'
  b:
    template: t.yaml
    targets: account.name == "dev"
    parameters:
      X: ${{ output("a", "A") }}
`, "axle.yaml:10:15: steps need each other: stack/a/000000000002/eu-west-1 -> stack/b/000000000002/eu-west-1 -> stack/a/000000000002/eu-west-1\n  hint: break the circle"},
		{"a stack's own output", `
  a:
    template: t.yaml
    targets: account.name == "dev"
    parameters:
      X: '${{ output("a", "A", {"account": account.id}) }}'
`, "axle.yaml:10:15: steps need each other: stack/a/000000000002/eu-west-1 -> stack/a/000000000002/eu-west-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{yaml: head(tt.stacks), templates: map[string]string{}}
			for _, s := range []string{"s", "a", "b"} {
				w.templates[s] = body([]string{"X"}, []string{"A"})
			}
			if got := w.problems(t); !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The same stack may read another instance of itself when it says which.
func TestOutputOfAnotherInstance(t *testing.T) {
	w := world{yaml: head(`
  first:
    template: t.yaml
    targets: account.ou == "/Workloads"
    parameters:
      X: '${{ account.name == "dev" ? "" : output("first", "A", {"account": "000000000002"}) }}'
`), templates: map[string]string{"first": body([]string{"X"}, []string{"A"})}}
	// A call that isn't evaluated is an edge all the same: dev needs itself.
	if got := w.problems(t); !strings.Contains(got, "steps need each other: stack/first/000000000002/eu-west-1 -> stack/first/000000000002/eu-west-1") {
		t.Errorf("got %s", got)
	}
}

func TestNoTargets(t *testing.T) {
	w := world{yaml: head("  s: {template: t.yaml, targets: \"false\"}\n")}
	p, problems := plan.Build(w.input(t))
	if err := problems.Err(); err != nil || len(p.Steps) != 0 {
		t.Fatalf("no targets is no error: %v", err)
	}
	if len(problems) != 1 || !problems[0].Warning || problems[0].Summary != `stack "s" has no targets` || problems[0].Pos.Line != 5 {
		t.Errorf("problems %v", problems)
	}
}

func TestWhereThatFails(t *testing.T) {
	w := world{yaml: head("  s: {template: t.yaml, targets: \"true\"}\n"), where: `account.ou_ids[3] == "ou-1"`}
	if got := w.problems(t); !strings.HasPrefix(got, "--where:1:15: tools (000000000001) eu-west-1: ") {
		t.Errorf("got %s", got)
	}
}

// Plans are the same, byte for byte, however the accounts come.
func TestDeterministic(t *testing.T) {
	build := func(turn int) []byte {
		w := peered
		accounts := someAccounts()
		w.accounts = append(slices.Clone(accounts[turn:]), accounts[:turn]...)
		in := w.input(t)
		in.Org.Sort()
		p, problems := plan.Build(in)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := build(0)
	for turn := range 4 {
		if string(build(turn)) != string(first) {
			t.Fatalf("turn %d gives another plan", turn)
		}
	}
}
