package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/diag"
	"axle/internal/expr"

	"github.com/google/go-cmp/cmp"
)

// whole has everything that can be in a file.
const whole = `name: flights                        # tags every stack
organization:
  source: file:accounts.yaml
access:
  via: axle-hub
  role: spoke
  external_id: "abc"
  session_duration: 45m
  session_policy: '{"Version": "2012-10-17", "Statement": []}'
  source_identity: me
  overrides:
    - where: account.management
      role: none
    - {where: 'account.name == "x"', via: arn:aws:iam::111111111111:role/a/b, external_id: ""}
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
vars: {net: {eu-west-1: "10.1", us-east-1: "10.2"}, n: 3, f: 0.5, on: true, none: , id: 012345678901, l: [a, 1]}
environments:
  prod: {vars: {net: {eu-west-1: "10.101"}, n: {x: 1}}, regions: [us-east-1], targets: {spoke-network: account.management}}
  dev:
stacks:
  hub-network:
    template: templates/hub.yaml
    targets: hub
    parameters: {Cidr: "10.0.0.0/16", Count: 0080, On: yes}
  spoke-network:
    template: s3://bucket/key.yaml
    targets: account.ou.startsWith("/Workloads") && account.tags["env"] in ["dev", "qa"]
    regions: [eu-west-1, us-east-1]
    parameters:
      HubVpcId: ${{ output("hub-network", "VpcId") }}
      Cidr: ${{ vars.net[region] + "." + account.tags["net"] + ".0/24" }}
      Policy: |
        {"a": "${{ env }}"}
    tags: {team: network}
    depends_on: [hub-network]
    capabilities: [CAPABILITY_NAMED_IAM]
    stack_name: my-stack
    protect: true
    execution_role: arn:aws:iam::111111111111:role/cfn
    rollout: {order_by: account.ou, canary: 1, wave: 25%, max_concurrent: 50, failure_tolerance: 5%, pause: 1m}
  third:
    template: https://example.com/x.yaml
    targets: account.id == "222222222222"
    regions: enabled
  fourth: {template: x.yaml, targets: true, regions: home}

peerings:
  spoke-to-hub:
    requester: {stack: spoke-network, vpc: VpcId, cidr: VpcCidr, route_tables: [RouteTableId]}
    accepter:  {stack: hub-network,   vpc: VpcId, cidr: VpcCidr, route_tables: [RouteTableA, RouteTableB]}
    dns: true
`

func TestParseWhole(t *testing.T) {
	p, problems := Parse("dir/axle.yaml", []byte(whole), "")
	expect(t, "whole", problems, nil)
	at := func(line, col int) diag.Pos { return diag.Pos{File: "dir/axle.yaml", Line: line, Col: col} }
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"dir", p.Dir, "dir"},
		{"name", p.Name, Text{"flights", at(1, 7)}},
		{"organization", p.Organization, Organization{"file", "accounts.yaml", at(3, 11)}},
		{"via", p.Access.Via, Text{"axle-hub", at(5, 8)}},
		{"role", p.Access.Role, Text{"spoke", at(6, 9)}},
		{"external id", p.Access.ExternalID, Text{"abc", at(7, 17)}},
		{"session", p.Access.SessionDuration, 45 * time.Minute},
		{"identity", p.Access.SourceIdentity.Value, "me"},
		{"overrides", len(p.Access.Overrides), 2},
		{"where", p.Access.Overrides[0].Where.String(), "account.management"},
		{"override", p.Access.Overrides[0].Role.Value + p.Access.Overrides[1].Via.Value, "nonearn:aws:iam::111111111111:role/a/b"},
		{"hub", p.Hub.Account.String() + p.Hub.AccountID, `account.name == "tools"`},
		{"hub region", p.Hub.Region, Text{"eu-west-1", at(15, 49)}},
		{"hub is defined", p.Hub.Defined(), true},
		{"regions", p.Regions, []Text{{"eu-west-1", at(16, 11)}}},
		{"environments", p.Environments, []string{"dev", "prod"}},
		{"vars", p.Vars, any(map[string]any{"net": map[string]any{"eu-west-1": "10.1", "us-east-1": "10.2"}, "n": int64(3), "f": 0.5,
			"on": true, "none": nil, "id": "012345678901", "l": []any{"a", int64(1)}})},
		{"stacks", len(p.Stacks), 4},
		{"targets hub", p.Stacks[0].Hub && p.Stacks[0].Targets == nil, true},
		{"template", p.Stacks[1].Template, Text{"s3://bucket/key.yaml", at(27, 15)}},
		{"targets", p.Stacks[1].Targets.NeedsTags(), true},
		{"targets' place", p.Stacks[1].TargetsPos, at(28, 14)},
		{"default regions", p.Stacks[0].Regions, Regions{Kind: RegionsDefault}},
		{"list of regions", p.Stacks[1].Regions, Regions{RegionsList, []Text{{"eu-west-1", at(29, 15)}, {"us-east-1", at(29, 26)}}, at(29, 14)}},
		{"enabled regions", p.Stacks[2].Regions.Kind, RegionsEnabled},
		{"home region", p.Stacks[3].Regions.Kind, RegionsHome},
		{"depends on", p.Stacks[1].DependsOn, []Text{{"hub-network", at(36, 18)}}},
		{"capabilities", p.Stacks[1].Capabilities[0].Value, "CAPABILITY_NAMED_IAM"},
		{"stack name", p.Stacks[1].StackName.Value, "my-stack"},
		{"default stack name", p.Stacks[0].StackName.Value, "flights-hub-network"},
		{"protect", p.Stacks[1].Protect != nil && *p.Stacks[1].Protect && p.Stacks[0].Protect == nil, true},
		{"execution role", p.Stacks[1].ExecutionRole.Value, "arn:aws:iam::111111111111:role/cfn"},
		{"tags", p.Stacks[1].Tags[0].Name, "team"},
		{"wave", p.Stacks[1].Rollout.Wave, Amount{25, true}},
		{"pause", p.Stacks[1].Rollout.Pause, time.Minute},
		{"peerings", p.Peerings, []Peering{{Name: "spoke-to-hub", Pos: at(49, 3), DNS: true,
			Requester: Side{Text{"spoke-network", at(50, 24)}, Text{"VpcId", at(50, 44)}, Text{"VpcCidr", at(50, 57)},
				[]Text{{"RouteTableId", at(50, 81)}}, at(50, 16)},
			Accepter: Side{Text{"hub-network", at(51, 24)}, Text{"VpcId", at(51, 44)}, Text{"VpcCidr", at(51, 57)},
				[]Text{{"RouteTableA", at(51, 81)}, {"RouteTableB", at(51, 94)}}, at(51, 16)}}}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
	sc := expr.Scope{Account: axle.Account{Tags: map[string]string{"net": "7"}}, Region: "us-east-1", Vars: p.Vars, Env: "e"}
	for i, want := range map[int][]string{0: {"10.0.0.0/16", "0080", "yes"}, 1: {"", "10.2.7.0/24", "{\"a\": \"e\"}\n"}} {
		for j, parameter := range p.Stacks[i].Parameters {
			if got, ok, err := parameter.Value.Eval(sc, unknown{}); err != nil || got != want[j] || ok != (want[j] != "") {
				t.Errorf("%s: got %q, %v, %v, want %q", parameter.Name, got, ok, err, want[j])
			}
		}
	}
}

func TestTolerance(t *testing.T) {
	for text, want := range map[string][2]Amount{
		"3":                     {{3, false}, {3, false}},
		"5%":                    {{5, true}, {5, true}},
		"{wave: 1}":             {{1, false}, {100, true}},
		"{overall: 10%}":        {{100, true}, {10, true}},
		"{wave: 1, overall: 2}": {{1, false}, {2, false}},
		"100%":                  {{100, true}, {100, true}},
	} {
		p, problems := Parse("axle.yaml", []byte("name: a\nregions: [eu-west-1]\nstacks: {a: {template: x, targets: true, rollout: {failure_tolerance: "+text+"}}}"), "")
		expect(t, text, problems, nil)
		if r := p.Stacks[0].Rollout; r.WaveTolerance != want[0] || r.OverallTolerance != want[1] {
			t.Errorf("%s: wave %v, overall %v", text, r.WaveTolerance, r.OverallTolerance)
		}
	}
}

// A file that is too large, or becomes so by its aliases, is refused before it is
// taken apart.
func TestTooLarge(t *testing.T) {
	_, problems := Parse("axle.yaml", []byte("name: a"+strings.Repeat("\n", maxBytes)), "")
	expect(t, "bytes", problems, []string{"1:1: the file is larger than 4 MiB"})
	laughs := "name: a\nvars:\n  a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
	for i := range 5 {
		laughs += fmt.Sprintf("  a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	_, problems = Parse("axle.yaml", []byte(laughs), "")
	expect(t, "aliases", problems, []string{"3:39: the file is nested too deep, or too large once its aliases are filled in"})
}

// unknown knows no outputs yet.
type unknown struct{}

func (unknown) Call(string, string, []string, map[string]string) (any, bool, error) {
	return nil, false, nil
}

func TestEnvironment(t *testing.T) {
	p, problems := Parse("axle.yaml", []byte(whole), "prod")
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	want := map[string]any{"net": map[string]any{"eu-west-1": "10.101", "us-east-1": "10.2"}, "n": map[string]any{"x": int64(1)}, "f": 0.5,
		"on": true, "none": nil, "id": "012345678901", "l": []any{"a", int64(1)}}
	if d := cmp.Diff(any(want), p.Vars); d != "" {
		t.Error(d)
	}
	if p.Env != "prod" || len(p.Regions) != 1 || p.Regions[0].Value != "us-east-1" {
		t.Errorf("env %q, regions %v", p.Env, p.Regions)
	}
	if s, ok := p.Stack("spoke-network"); !ok || s.Targets.String() != "account.management" || s.TargetsPos.Line != 19 {
		t.Errorf("targets: %v", s)
	}
	if _, ok := p.Stack("none"); ok {
		t.Error("a stack that isn't there")
	}
	if p, problems = Parse("axle.yaml", []byte(whole), "dev"); problems.Err() != nil || p.Regions[0].Value != "eu-west-1" {
		t.Error(problems)
	}
}

// expect compares problems, "line:col: summary | hint", each with the beginning
// of a summary and a part of a hint.
func expect(t *testing.T, what string, problems diag.List, want []string) {
	t.Helper()
	for i, d := range problems {
		if i >= len(want) {
			t.Errorf("%s: unexpected %v", what, d)
			continue
		}
		summary, hint, _ := strings.Cut(want[i], " | ")
		got := d.Pos.String() + ": "
		if d.Warning {
			got += "warning: "
		}
		got = strings.TrimPrefix(strings.TrimPrefix(got+d.Summary, "dir/"), "axle.yaml:")
		if !strings.HasPrefix(got, summary) || !strings.Contains(d.Hint, hint) {
			t.Errorf("%s:\n got %s | %s\nwant %s", what, got, d.Hint, want[i])
		}
	}
	for _, w := range want[min(len(problems), len(want)):] {
		t.Errorf("%s: missing %s", what, w)
	}
}

// One look at a file finds all that is wrong with it.
func TestAllMistakesAtOnce(t *testing.T) {
	_, problems := Parse("axle.yaml", []byte(`name: flights
hub: {account: "12345", region: eu-west-1}
regions: [eu-west-1]
stacks:
  hub-network:
    templte: hub.yaml
    targets: hub
  network:
    template: network.yaml
    targets: account.ou == 1
    parameters:
      A: ${{ output("hub-netwrk", "VpcId") }}
      B: ${{ account.nam + 1 }}
      C: ${{ 1 + "a" }}
`), "")
	expect(t, "mistakes", problems, []string{
		`2:17: "12345" is not an account id | 12 digits`,
		`6:5: unknown key "templte" in stacks.hub-network | did you mean "template"?`,
		`10:25: == doesn't work on (string, int)`,
		`12:21: unknown stack "hub-netwrk" in output() | did you mean "hub-network"?`,
		`13:22: there is no field "nam" | did you mean "name"?`,
		`14:16: + doesn't work on (int, string)`,
	})
}

func TestMistakes(t *testing.T) {
	const head = "name: a\nregions: [eu-west-1]\n"
	const hub = head + "hub: {account: '111111111111', region: eu-west-1}\nstacks:\n"
	for _, c := range []struct {
		src  string
		want []string
	}{
		{"", []string{"1:1: the file is empty | axle init"}},
		{"# nothing\n", []string{"1:1: the file is empty | axle init"}},
		{"---\n", []string{"1:1: the file is empty"}},
		{"name: a\n---\nname: b\n", []string{"2:1: the file has a second YAML document"}},
		{"name: a\n---\n: [", []string{"2:1: not YAML"}},
		{"name: [", []string{"1:1: not YAML"}},
		{"name: a\nvars:\n<<<<<<< HEAD\n  x: 1\n=======\n  x: 2\n>>>>>>> main\n", []string{"3:1: not YAML | marks of a merge"}},
		{"name: a\nvars:\n  x: caf\xe9\n", []string{"3:3: not YAML | save the file as UTF-8"}},
		{"name: a\nvars:\n\tx: 1", []string{"3:2: not YAML | spaces, not with tabs"}},
		{"- a", []string{"1:1: axle.yaml is a list, where a mapping"}},
		{"x", []string{"1:1: axle.yaml is text, where a mapping"}},
		{"{}", []string{`1:1: axle.yaml has no "name" | name: flights`}},
		{"nme: a", []string{`1:1: unknown key "nme" in axle.yaml | did you mean "name"?`}},
		{"name: a\nname: b", []string{`2:1: key "name" is here for the second time; the first is in line 1`}},
		{"name:", []string{"1:6: name has no value | name: flights"}},
		{"name: [a]", []string{"1:7: name is a list, where a project's name is needed"}},
		{"name: 1a", []string{`1:7: name: "1a" is not a project's name | letters`}},
		{"name: a_b", []string{`1:7: name: "a_b" is not a project's name`}},
		{"? [a]\n: b\nname: a", []string{"1:3: a key must be text"}},
		{"name: !x y", []string{"1:7: YAML tag !x has no meaning here"}},
		{"name: a\n<<: 1", []string{"2:5: only a mapping can be merged"}},
		{"name: a\nvars: {x: &a [*a]}", []string{"2:15: the file is nested too deep"}},
		{"name: a\nvars: " + strings.Repeat("{a: ", 200) + "1" + strings.Repeat("}", 200), []string{"2:260: the file is nested too deep"}},
		{"name: a\npipelines: {}\ntagging:\n", []string{`2:1: "pipelines" isn't available`, `3:1: "tagging" isn't available`}},
		{"name: a\nzzzzzzzzzzzzzzzzzzz: 1", []string{"2:1: unknown key \"zzzzzzzzzzzzzzzzzzz\" in axle.yaml | the keys are name, organization"}},
		{"name: a\norganization: {source: azure}", []string{`2:24: organization.source: "azure" is not a source of accounts | ssm:/axle/accounts`}},
		{"name: a\norganization: aws", []string{"2:15: organization is text, where a mapping with the keys source is needed | organization: {source: aws}"}},
		{"name: a\nregions: eu-west-1", []string{"2:10: regions is text, where a list is needed | regions: [eu-west-1]"}},
		{"name: a\nregions: []", []string{"2:10: regions is empty"}},
		{"name: a\nregions:", []string{"2:9: regions is empty"}},
		{"name: a\nregions: [eu-west, europe, us-gov-west-1, eusc-de-east-1, eu-west-1, eu-west-1]", []string{
			`2:11: regions[0]: "eu-west" is not a region`, `2:20: regions[1]: "europe" is not a region | eu-west-1`, `2:70: "eu-west-1" is in regions twice`}},
		// The hub.
		{head + "hub:", []string{`3:5: hub has no "account" | account: account.name`, `3:5: hub has no "region"`}},
		{head + "hub: {account: 12345678901, region: eu-west-1}", []string{`3:16: "12345678901" is not an account id | quote it`}},
		{head + "hub: {account: 1111-2222-3333, region: eu-west-1}", []string{`3:16: "1111-2222-3333" is not an account id`}},
		{head + "hub: {account: '1', region: eu-west-1}", []string{`3:17: "1" is not an account id | an account id has 12 digits`}},
		{head + "hub: {account: 012345678901, region: eu-west-1}", nil},
		{head + "hub: {account: 111111111111, region: eu-west-1}", nil},
		{head + "hub: {account: account.nme == 'x', region: eu-west-1}", []string{`3:24: there is no field "nme"`}},
		{head + "access: {via: axle-hub}", []string{"3:15: the first hop is role axle-hub of the hub account, and there is no hub"}},
		{head + "access: {role: x, overrides: [{where: account.management, via: none}, {where: account.management, via: own-hub}]}", []string{"3:104: the first hop is role own-hub of the hub account, and there is no hub"}},
		{head + "access: {via: 'arn:aws:iam::111111111111:role/x'}", nil},
		{hub + "  a: {template: x, targets: hub}", nil},
		{head + "stacks: {a: {template: x, targets: hub}, b: {template: x, targets: true, regions: home}}", []string{
			`3:36: stack "a" goes to the hub, and there is no hub`, `3:83: stack "b" goes to the hub's region, and there is no hub`}},
		{"name: a\nstacks: {a: {template: x, targets: true}}", []string{`1:1: axle.yaml has no "regions", and stack "a" names none`}},
		{"name: a\nstacks: {a: {template: x, targets: true, regions: [eu-west-1]}}", nil},
		{"name: a\nstacks: {}", nil},
		{"name: a\nstacks:", nil},
		// Access.
		{head + "access: {session_duration: 1 hour, source_identity: 'x y', role: 'a b'}", []string{
			`3:28: access.session_duration: "1 hour" is not a duration | 45m`, `3:53: access.source_identity`, `3:66: access.role: "a b" is not a role`}},
		{head + "access: {session_duration: 1m}", []string{"3:28: a session of 1m is not possible"}},
		{head + "access: {session_duration: 999999999999h}", []string{`3:28: "999999999999h" is not a duration`}},
		{head + "access: {via: 'arn:aws:iam::111111111111:role/x', session_duration: 2h}", []string{"3:69: warning: AWS ends a session after one hour"}},
		{head + "access: {session_policy: '{', overrides: [{where: true}, {role: none}, x]}", []string{
			"3:27: session_policy is not JSON", "3:43: an override that changes nothing", `3:58: access.overrides[1] has no "where"`, "3:72: access.overrides[2] is text, where a mapping"}},
		{head + "access: {session_policy: '{}'}", []string{"3:27: session_policy has no Statement"}},
		// Environments.
		{head + "environments: {prod: {targets: {x: hub}, hub: 1}}", []string{`3:33: unknown stack "x" in targets of environment prod | the file has no stacks`, `3:42: unknown key "hub" in environments.prod`}},
		{head + "vars: x", []string{"3:7: vars is text, where a mapping"}},
		{head + "vars: {a: 007, b: .inf, c: 99999999999999999999, d: \"${{ env }}\", e: 0b2, 2: 3, f: 0x1F, g: 1_000}", []string{
			`3:11: 007 could be a number or a text | "007"`, "3:19: .inf is no number", "3:28: 99999999999999999999 is too large", "3:54: vars can't have expressions"}},
		{head + "vars: {ids: []}\nstacks: {a: {template: x, targets: account.id in vars.idz}}", []string{`4:55: vars has no key "idz" | did you mean "ids"?`}},
		// Stacks.
		{hub + "  1a: {template: x, targets: true}", []string{`5:3: "1a" in stacks is not a stack's name`}},
		{hub + "  a:", []string{`5:5: stacks.a has no "template"`, `5:5: stacks.a has no "targets"`}},
		{hub + "  a: x", []string{`5:6: stacks.a is text, where a mapping with the keys template,`}},
		{hub + "  a: {template: 'http://x/y', targets: ''}", []string{`5:17: stacks.a.template: "http://x/y" is not a template`, `5:40: stacks.a.targets: "" is not text`}},
		{hub + "  a: {template: x, targets: [hub]}", []string{`5:29: stacks.a.targets is a list, where text is needed | targets: account.ou`}},
		{hub + "  a: {template: x, targets: true, regions: hom}", []string{`5:44: stacks.a.regions can't be "hom" | did you mean home?`}},
		{hub + "  a: {template: x, targets: true, regions: eu-west-1}", []string{`5:44: stacks.a.regions can't be "eu-west-1" | a list, such as [eu-west-1]`}},
		{hub + "  a: {template: x, targets: true, regions: }", []string{`5:44: stacks.a.regions is empty`}},
		{hub + "  a: {template: x, targets: true, protect: 'true', capabilities: [IAM, CAPABILITY_IAM]}", []string{
			`5:44: stacks.a.protect is true or false, not "true"`, `5:67: stacks.a.capabilities[0] can't be "IAM"`}},
		{hub + "  a: {template: x, targets: true, depends_on: [a, b, hub-net]}", []string{
			`5:48: stack "a" depends on itself`, `5:51: unknown stack "b" in depends_on of stack a`, `5:54: unknown stack "hub-net"`}},
		{hub + "  a: {template: x, targets: true, stack_name: a_b, tags: {'aws:x': y, 'AXLE:x': z}}", []string{
			`5:47: stacks.a.stack_name: "a_b" is not a name that CloudFormation takes`, `5:59: tags that begin with`, `5:71: tags that begin with`}},
		{hub + "  " + strings.Repeat("a", 100) + ": {template: x, targets: true}", nil},
		{strings.Replace(hub, "name: a", "name: "+strings.Repeat("b", 40), 1) + "  " + strings.Repeat("a", 100) + ": {template: x, targets: true}", []string{"5:3: stack name bbb"}},
		{hub + "  a: {template: x, targets: true, stack_name: same}\n  b: {template: x, targets: true, stack_name: same}", []string{`6:47: warning: stacks "a" and "b" have one name in CloudFormation: same`}},
		{hub + "  a: {template: x, targets: true, parameters: {A-b: 1, B: [x], C: {d: e}, D: , E: ~, F: ''}}", []string{
			`5:48: "A-b" in stacks.a.parameters is not a parameter's name`, "5:59: stacks.a.parameters.B is a list", "5:67: stacks.a.parameters.C is a mapping",
			"5:78: stacks.a.parameters.D has no value", "5:83: stacks.a.parameters.E has no value"}},
		{hub + "  a: {template: x, targets: true, rollout: {canary: few, wave: 200%, pause: 5, order_by: account.x}}", []string{
			`5:53: stacks.a.rollout.canary: "few" is not a number or a percentage`, `5:64: "200%" is more than all`,
			`5:77: stacks.a.rollout.pause: "5" is not a duration`, `5:98: there is no field "x"`}},
		{hub + "  a: {template: x, targets: true, rollout: {wave: 0, approval: {after: canary}, health: {timeout: 1m}}}", []string{
			`5:51: rollout.wave is 0`, `5:64: an approval after the canary, and there is no canary`, `5:89: rollout.health checks nothing`}},
		{hub + "  a: {template: x, targets: true, rollout: {approval: yes, health: {alarms: ['${{ account.x }}']}, on_failure: panic}}", []string{
			`5:55: stacks.a.rollout.approval can't be "yes"`, `5:91: there is no field "x"`, `5:112: stacks.a.rollout.on_failure can't be "panic"`}},
		// YAML's own ways.
		{hub + "  a: {template: x, targets: !account.management}", []string{"5:3: not YAML | put the expression into '...'"}},
		{hub + "  a:\n    template: x\n    targets: !account.management\n", []string{"7:14: YAML tag !account.management has no meaning here | quotes"}},
		{hub + "  a:\n    template: x\n    targets: \"x\" in account.tags\n", []string{"7:5: not YAML | put the expression into '...'"}},
		{hub + "  a:\n    template: x\n    targets: true\n    parameters:\n      A: ${{ output(\"a\", \"b\", {\"account\": \"1\"}) }}\n", []string{"9:7: not YAML | put the expression into '...'"}},
		{hub + "  a:\n    template: x\n    targets: true\n    parameters:\n      A: ${{ region #}}\n", []string{"9:10: ${{ without }} | quotes around the whole"}},
		// Peerings.
		{hub + "  a: {template: x, targets: true}\npeerings:\n  p: {requester: {stack: b, vpc: v_1, cidr: C}, accepter: {stack: a, vpc: V}, dns: maybe}", []string{
			`7:26: unknown stack "b" in requester of peering p | did you mean "a"?`, `7:34: peerings.p.requester.vpc: "v_1" is not the name of an output`,
			`7:59: peerings.p.accepter has no "cidr"`, `7:84: peerings.p.dns is true or false, not "maybe"`}},
		{head + "peerings: {p: {requester: {stack: a, vpc: V, cidr: C}}}", []string{`3:15: peerings.p has no "accepter"`, `3:35: unknown stack "a" in requester of peering p`}},
	} {
		p, problems := Parse("axle.yaml", []byte(c.src), "")
		if p == nil {
			t.Fatalf("%q: no project", c.src)
		}
		expect(t, c.src, problems, c.want)
	}
}

// TestStoreAddress: a password has no place in axle.yaml, and isn't repeated in
// what is said of it.
func TestStoreAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"postgres://db": true,
		"postgres://axle@db.example.com:5432/axle?sslmode=require":           true,
		"postgresql://axle@/axle?host=/var/run&search_path=a&a.b=1":          true,
		"postgres://axle@db/axle?sslrootcert=/a&port=1&statement_timeout=5s": true,
		"dynamodb://axle-journal?region=eu-west-1&bucket=b":                  true,
		"postgres://axle:hunter2@db/axle":                                    false,
		"postgres://axle@db/axle?password=hunter2":                           false,
		"postgres://axle@db/axle?sslmode=require&password=hunter2":           false,
		"postgres://db?password=hunter2":                                     false,
		"postgres://axle@db/axle?sslpassword=hunter2&sslmode=require":        false,
		"postgres://axle@db/axle?passfile=/hunter2":                          false,
		"mysql://axle@db/axle":                                               false,
	} {
		_, problems := Parse("axle.yaml", []byte("name: a\nstore: "+strconv.Quote(address)+"\nregions: [eu-west-1]\nstacks: {a: {template: a.yaml, targets: true}}\n"), "")
		text := fmt.Sprint(problems)
		if good != (len(problems) == 0) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", address, text)
		}
	}
}

func TestUnknownEnvironment(t *testing.T) {
	for _, env := range []string{"prd", "zzzzzzzz"} {
		_, problems := Parse("axle.yaml", []byte(strings.Replace(whole, "    rollout: ", "    # ", 1)), env)
		if len(problems) != 1 || !strings.Contains(problems[0].Summary, "unknown environment") || !strings.Contains(problems[0].Hint, "there are dev, prod") {
			t.Errorf("%s: %v", env, problems)
		}
	}
	_, problems := Parse("axle.yaml", []byte("name: a"), "prod")
	expect(t, "none", problems, []string{`1:1: unknown environment "prod" | there are none`})
}

func TestVarsOfAnotherEnvironment(t *testing.T) {
	src := `name: a
regions: [eu-west-1]
environments: {dev: {vars: {size: small}}, prod: {vars: {size: large}}}
stacks: {a: {template: x, targets: true, parameters: {Size: '${{ vars.size }}'}}}
`
	_, problems := Parse("axle.yaml", []byte(src), "")
	expect(t, "no environment", problems, []string{`4:71: vars has no key "size" | choose one with --env dev, prod`})
	if _, problems = Parse("axle.yaml", []byte(src), "prod"); problems.Err() != nil {
		t.Error(problems)
	}
}

// A mistake is shown where it is, however YAML lets its scalar be written.
func TestPlacesInScalars(t *testing.T) {
	const head = "name: a\nregions: [eu-west-1]\nstacks:\n  a:\n    template: x\n    targets: true\n    parameters:\n"
	for src, want := range map[string]string{
		"      A: ${{ foo }}":                                  "8:14",
		"      A: '${{ foo }}'":                                "8:15",
		"      A: \"${{ foo }}\"":                              "8:15",
		"      A: '''${{ foo }}'":                              "8:17",
		"      A: \"\\u00e4\\n\\\"${{ foo }}\"":                "8:25",
		"      A: \"\\x41\\U0001F600 ${{ foo }}\"":             "8:30",
		"      A: \"é ${{ foo }}\"":                            "8:17",
		"      A: \"a\n        b ${{\n\n        foo }}\"":      "11:9",
		"      A: \"a\\\n        b ${{ foo }}\"":               "9:15",
		"      A: a\n        b ${{ foo\n        }}":            "9:15",
		"      A: |\n        x\n          ${{ foo }}":          "10:15",
		"      A: |-\n\n        ${{ foo }}":                    "10:13",
		"      A: >\n        x\n        y\n        ${{ foo }}": "11:13",
		"      A: |2\n          ${{ foo }}":                    "9:15",
		"      A: &anchor ${{ foo }}":                          "8:22",
		"      A: !!str '${{ foo }}'":                          "8:21",
		"      A: &x\n        '${{ foo }}'":                    "9:14",
		"      A: ${{ foo }}\r":                                "8:14",
	} {
		_, problems := Parse("axle.yaml", []byte(head+src+"\n"), "")
		expect(t, src, problems, []string{want + `: unknown name "foo"`})
	}
}

func TestAnchorsAndMerge(t *testing.T) {
	p, problems := Parse("axle.yaml", []byte(`name: a
regions: &r [eu-west-1]
stacks:
  one: &one
    template: x
    targets: &all account.name != ""
    protect: true
    parameters: &parameters {A: "1", B: "2"}
  two:
    <<: *one
    protect: false
    regions: *r
    parameters:
      <<: [*parameters, {C: "4", A: "5"}]
      B: "3"
  three: {template: y, targets: *all}
`), "")
	if len(problems.Errors()) != 0 {
		t.Fatal(problems)
	}
	two := p.Stacks[1]
	got := map[string]string{}
	for _, v := range two.Parameters {
		got[v.Name], _ = v.Value.Literal()
	}
	if d := cmp.Diff(map[string]string{"A": "1", "B": "3", "C": "4"}, got); d != "" {
		t.Error(d)
	}
	if two.Protect == nil || *two.Protect || two.Template.Value != "x" || two.Targets == nil || p.Stacks[2].Targets.String() != `account.name != ""` {
		t.Errorf("%+v", two)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "axle.yaml")
	p, problems := Load(path, "")
	if p == nil || problems.Err() == nil || !strings.Contains(problems.Error(), "axle init") {
		t.Error(p, problems)
	}
	if err := os.WriteFile(path, []byte("name: a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, problems = Load(path, ""); problems.Err() != nil || p.Dir != dir || p.File != path || p.Organization.Kind != "aws" || p.Access.Role.Value != "axle-spoke" {
		t.Error(p, problems)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole), "prod")
	f.Add([]byte("name: a\nvars: &x {a: *x}"), "")
	f.Add([]byte("name: a\nstacks: {a: {<<: [{template: x}], targets: 'true'}}"), "")
	f.Add([]byte("a: \"\\u00e4\\\n  ${{ x }}\"\n---\n"), "x")
	f.Add([]byte("name: >\n  ${{ x }}\nhub: {account: !!int 1}"), "")
	f.Fuzz(func(t *testing.T, src []byte, env string) {
		p, problems := Parse("axle.yaml", src, env)
		if p == nil {
			t.Fatal("no project")
		}
		for _, d := range problems {
			if d.Summary == "" || d.Pos.Line < 1 || d.Pos.Col < 1 {
				t.Fatalf("%+v", d)
			}
		}
		for _, s := range p.Stacks {
			if problems.Err() == nil && (s.Template.Value == "" || !s.Hub && s.Targets == nil) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
