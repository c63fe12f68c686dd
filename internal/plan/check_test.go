package plan_test

import (
	"strings"
	"testing"

	"axle/internal/plan"
)

// TestCheck has each mistake that is found without knowing an account, each
// with its place and what to do.
func TestCheck(t *testing.T) {
	templates := map[string]string{
		"maker": body(nil, []string{"VpcId", "VpcCidr"}),
		"user":  body([]string{"VpcId", `Size , AllowedValues: [small, large], Default: small`, `Secret , NoEcho: true, AllowedValues: [hidden]`}, []string{"Out"}),
	}
	project := func(user string) string {
		return head("  maker: {template: maker.yaml, targets: hub}\n  user:\n    template: user.yaml\n    targets: \"true\"\n" + user)
	}
	for _, tt := range []struct{ name, user, want string }{
		{"nothing wrong", `
    parameters:
      VpcId: ${{ output("maker", "VpcId") }}
      Size: large
`, ""},
		{"an undeclared output, near one", `
    parameters:
      VpcId: ${{ output("maker", "VpcID") }}
`, `axle.yaml:10:18: stack "maker" has no output "VpcID" in its template
  hint: did you mean "VpcId"?`},
		{"an undeclared output, near none", `
    parameters:
      VpcId: x${{ outputs("maker", "SubnetList")[0] }}
`, `axle.yaml:10:19: stack "maker" has no output "SubnetList" in its template
  hint: outputs of maker.yaml: VpcCidr, VpcId`},
		{"in a tag", `
    parameters: {VpcId: x}
    tags:
      net: ${{ output("maker", "vpc") }}
`, `axle.yaml:11:16: stack "maker" has no output "vpc" in its template
  hint: did you mean "VpcId"?`},
		{"a missing parameter", `
    parameters: {Size: small}
`, `axle.yaml:6:3: stack "user" doesn't set parameter "VpcId", which has no default
  hint: set it under parameters, or give it a Default in user.yaml:2:3`},
		{"an unknown parameter", `
    parameters:
      VpcId: x
      Sizes: small
`, `axle.yaml:11:7: stack "user" sets parameter "Sizes", which its template doesn't have
  hint: did you mean "Size"?`},
		{"a value that isn't allowed", `
    parameters:
      VpcId: x
      Size: huge
`, `axle.yaml:11:13: parameter "Size" of stack "user" can't be "huge"
  hint: allowed: small, large`},
		{"a secret value that isn't allowed", `
    parameters:
      VpcId: x
      Secret: hunter2
`, `axle.yaml:11:15: parameter "Secret" of stack "user" can't be (a NoEcho value)
  hint: allowed: hidden`},
		{"a secret where everybody sees it", `
    parameters: {VpcId: "${{ ssm('/vpc') }}"}
    tags:
      Token: ${{ secret("/token") }}
`, `axle.yaml:11:18: a secret can't be in a tag
  hint: everybody who may see the stack sees its tags`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := world{yaml: project(strings.TrimPrefix(tt.user, "\n")), templates: templates}.input(t)
			got := ""
			if err := plan.Check(in.Project, in.Templates).Err(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCheckCycles(t *testing.T) {
	for _, tt := range []struct{ name, stacks, want string }{
		{"two stacks", `
  a: {template: a.yaml, targets: hub, parameters: {X: '${{ output("b", "A") }}'}}
  b: {template: b.yaml, targets: hub, parameters: {X: '${{ output("a", "A") }}'}}
`, `axle.yaml:7:60: stacks need each other: a -> b -> a`},
		{"itself", `
  a: {template: a.yaml, targets: hub, parameters: {X: '${{ output("a", "A") }}'}}
`, `axle.yaml:6:60: stacks need each other: a -> a`},
		{"by order", `
  a: {template: a.yaml, targets: hub, parameters: {X: x}, depends_on: [c]}
  b: {template: b.yaml, targets: hub, parameters: {X: '${{ output("a", "A") }}'}}
  c: {template: c.yaml, targets: hub, parameters: {X: x}, tags: {t: '${{ outputs("b", "A")[0] }}'}}
`, `axle.yaml:7:60: stacks need each other: a -> c -> b -> a`},
		{"two circles", `
  a: {template: a.yaml, targets: hub, parameters: {X: '${{ output("b", "A") }}'}}
  b: {template: b.yaml, targets: hub, parameters: {X: '${{ output("a", "A") + output("c", "A") }}'}}
  c: {template: c.yaml, targets: hub, parameters: {X: '${{ output("b", "A") }}'}}
`, "axle.yaml:7:60: stacks need each other: a -> b -> a\n  hint: one of them must do without the other's outputs; give it a stack of its own\naxle.yaml:8:60: stacks need each other: b -> c -> b"},
		{"an instance that is named isn't a circle of stacks", `
  a: {template: a.yaml, targets: hub, parameters: {X: '${{ output("b", "A", {"account": "000000000002"}) }}'}}
  b: {template: b.yaml, targets: "true", parameters: {X: '${{ output("a", "A") }}'}}
`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{yaml: head(tt.stacks), templates: map[string]string{}}
			for _, s := range []string{"a", "b", "c"} {
				w.templates[s] = body([]string{"X"}, []string{"A"})
			}
			in := w.input(t)
			got := ""
			if err := plan.Check(in.Project, in.Templates).Err(); err != nil {
				got = err.Error()
			}
			if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) || tt.want != "" && strings.Count(got, "need each other") != strings.Count(tt.want, "need each other") {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCheckPeering(t *testing.T) {
	w := peered
	w.yaml = strings.Replace(w.yaml, "vpc: Vpc, cidr: Cidr, route_tables: [Table]", "vpc: Vcp, cidr: Range, route_tables: [Table, TableB]", 1)
	in := w.input(t)
	got := plan.Check(in.Project, in.Templates).Err().Error()
	for _, want := range []string{
		`axle.yaml:18:36: stack "spoke" has no output "Vcp" in its template` + "\n  hint: did you mean \"Vpc\"?",
		`axle.yaml:18:47: stack "spoke" has no output "Range" in its template` + "\n  hint: outputs of spoke.yaml: Cidr, Table, Vpc\n", `stack "spoke" has no output "TableB" in its template` + "\n  hint: did you mean \"Table\"?"} {
		if !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
