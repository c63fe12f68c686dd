package plan_test

import (
	"regexp"
	"strings"
	"testing"

	"axle"
)

// consumer is a project in which stack "user" asks for an output of "maker".
func consumer(maker, user, call string) string {
	return `
name: p
hub: {account: "000000000001", region: eu-west-1}
regions: [eu-west-1, us-east-1]
stacks:
  maker:
    template: maker.yaml
    ` + lines(maker) + `
  user:
    template: user.yaml
    ` + lines(user) + `
    parameters:
      X: '${{ ` + call + ` }}'
`
}

// lines puts the keys of a stack on lines of their own: in one line between
// braces YAML would take the expressions' brackets and commas for its own.
func lines(keys string) string { return strings.ReplaceAll(keys, "; ", "\n    ") }

const (
	onlyDev = `targets: account.name == "dev"; regions: [eu-west-1]`
	userQA  = `targets: account.name == "qa"; regions: [us-east-1]`
)

var at = regexp.MustCompile(`(?m)^axle.yaml:1[2-5]:15: X of stack`)

// TestOutput has a line for each rule of output() in DESIGN.md section 2, and
// for each of its errors.
func TestOutput(t *testing.T) {
	for _, tt := range []struct {
		name              string
		maker, user, call string
		want              string // step, or part of the error
	}{
		{"the only one", onlyDev, userQA, `output("maker", "A")`, "stack/maker/000000000002/eu-west-1"},
		{"the hub's only one", `targets: hub; regions: home`, userQA, `output("maker", "A")`, "stack/maker/000000000001/eu-west-1"},
		{"same account and region", `targets: "true"`, userQA, `output("maker", "A")`, "stack/maker/000000000003/us-east-1"},
		{"same account and region before the hub's", `targets: account.name in ["tools", "qa"]`, userQA, `output("maker", "A")`, "stack/maker/000000000003/us-east-1"},
		{"same account", `targets: "true"; regions: [eu-west-1]`, userQA, `output("maker", "A")`, "stack/maker/000000000003/eu-west-1"},
		{"same account before the hub's region", `targets: account.name in ["tools", "qa"]; regions: [eu-west-1]`, userQA, `output("maker", "A")`, "stack/maker/000000000003/eu-west-1"},
		{"the hub in the consumer's region", `targets: hub`, userQA, `output("maker", "A")`, "stack/maker/000000000001/us-east-1"},
		{"the hub among others", `targets: account.name in ["tools", "dev"]`, userQA, `output("maker", "A")`, "stack/maker/000000000001/us-east-1"},
		{"several in the account, none in the region, not even the hub's", `targets: account.name in ["tools", "qa"]; regions: [eu-west-1, eu-west-2]`, strings.Replace(userQA, "us-east-1", "eu-central-1", 1), `output("maker", "A")`,
			`stack "maker" has 4 instances and none is nearest to 000000000003/eu-central-1: 000000000001/eu-west-1, 000000000001/eu-west-2, 000000000003/eu-west-1, 000000000003/eu-west-2`},
		{"none is nearest", `targets: account.name in ["dev", "prod"]; regions: [eu-west-1]`, userQA, `output("maker", "A")`,
			`X of stack "user" in qa (000000000003) us-east-1: stack "maker" has 2 instances and none is nearest to 000000000003/us-east-1: 000000000002/eu-west-1, 000000000004/eu-west-1`},
		{"the error counts many candidates", `targets: account.name != "qa"; regions: [eu-west-1, eu-west-2, eu-west-3]`, userQA, `output("maker", "A")`, "has 9 instances and none is nearest to 000000000003/us-east-1: 000000000001/eu-west-1, 000000000001/eu-west-2, 000000000001/eu-west-3, 000000000002/eu-west-1, 000000000002/eu-west-2, 000000000002/eu-west-3 and 3 more"},
		{"no instance at all", `targets: account.name == "nobody"`, userQA, `output("maker", "A")`, `stack "maker" has no instance: its targets match no account`},

		{"account and region given", `targets: "true"`, userQA, `output("maker", "A", {"account": "000000000002", "region": "eu-west-1"})`, "stack/maker/000000000002/eu-west-1"},
		{"account and region given, not there", `targets: "true"`, userQA, `output("maker", "A", {"account": "000000000002", "region": "eu-north-1"})`, `stack "maker" has no instance in 000000000002/eu-north-1`},
		{"account given: its only one", `targets: "true"; regions: [eu-west-1]`, userQA, `output("maker", "A", {"account": "000000000004"})`, "stack/maker/000000000004/eu-west-1"},
		{"account given: in the consumer's region", `targets: "true"`, userQA, `output("maker", "A", {"account": "000000000004"})`, "stack/maker/000000000004/us-east-1"},
		{"account given: never the hub's instead", `targets: hub`, userQA, `output("maker", "A", {"account": "000000000004"})`, `stack "maker" has no instance in 000000000004`},
		{"account given: several, none in the region", `targets: "true"; regions: [eu-west-1, eu-west-2]`, userQA, `output("maker", "A", {"account": "000000000004"})`, "has 2 instances and none is nearest to 000000000003/us-east-1: 000000000004/eu-west-1, 000000000004/eu-west-2"},
		{"account by expression", `targets: "true"`, userQA, `output("maker", "A", {"account": hub.account.id})`, "stack/maker/000000000001/us-east-1"},
		{"region given: its only one", onlyDev, userQA, `output("maker", "A", {"region": "eu-west-1"})`, "stack/maker/000000000002/eu-west-1"},
		{"region given: in the consumer's account", `targets: "true"`, userQA, `output("maker", "A", {"region": "eu-west-1"})`, "stack/maker/000000000003/eu-west-1"},
		{"region given: the hub's", `targets: account.name in ["tools", "dev"]`, userQA, `output("maker", "A", {"region": hub.region})`, "stack/maker/000000000001/eu-west-1"},
		{"region given, not there", `targets: "true"`, userQA, `output("maker", "A", {"region": "eu-north-1"})`, `stack "maker" has no instance in eu-north-1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{yaml: consumer(tt.maker, tt.user, tt.call), templates: map[string]string{"user": body([]string{"X"}, nil)}}
			if !strings.HasPrefix(tt.want, "stack/maker/") {
				got := w.problems(t)
				if !strings.Contains(got, tt.want) {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if !at.MatchString(got) || !strings.Contains(got, "\n  hint: ") {
					t.Errorf("no position of the call, or no hint: %s", got)
				}
				return
			}
			p := w.build(t)
			user := p.Steps[len(p.Steps)-1]
			same(t, "needs", user.Needs, []string{tt.want})
			same(t, "input", user.Input["X"], axle.Value{Expr: "${{ " + tt.call + " }}",
				Refs: []axle.Ref{{Call: tt.call, Steps: []string{tt.want}, Key: "A"}}})
		})
	}
}

// An error that thousands of targets share is told once.
func TestOutputErrorIsToldOnce(t *testing.T) {
	w := world{yaml: consumer(`targets: account.name in ["dev", "prod"]; regions: [eu-west-1]`, `targets: account.name in ["qa", "tools"]`, `output("maker", "A")`),
		templates: map[string]string{"user": body([]string{"X"}, nil)}}
	if got := w.problems(t); strings.Count(got, "axle.yaml:") != 1 || !strings.Contains(got, "tools (000000000001)") {
		t.Errorf("got %s", got)
	}
}

// outputs() is every instance, by account and then region.
func TestOutputs(t *testing.T) {
	w := world{yaml: consumer(`targets: account.name in ["dev", "prod"]`, userQA, `outputs("maker", "A")`), templates: map[string]string{"user": body([]string{"X"}, nil)}}
	p := w.build(t)
	all := []string{"stack/maker/000000000002/eu-west-1", "stack/maker/000000000002/us-east-1", "stack/maker/000000000004/eu-west-1", "stack/maker/000000000004/us-east-1"}
	user := p.Steps[len(p.Steps)-1]
	same(t, "needs", user.Needs, all)
	same(t, "refs", user.Input["X"].Refs, []axle.Ref{{Call: `outputs("maker", "A")`, Steps: all, Key: "A", List: true}})
	in, err := p.Inputs(&user, func(id string) (map[string]string, bool) { return map[string]string{"A": "of-" + id[12:]}, true })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "value", in.Values["X"], "of-000000000002/eu-west-1,of-000000000002/us-east-1,of-000000000004/eu-west-1,of-000000000004/us-east-1")

	none := world{yaml: consumer(`targets: account.name == "nobody"`, userQA, `outputs("maker", "A")`), templates: w.templates}.build(t)
	in, err = none.Inputs(&none.Steps[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "no instance is an empty list", in.Values, map[string]string{"X": ""})
}

// Candidates are counted before a run is narrowed; an instance outside of what
// it acts on is read live and never deployed.
func TestNarrowing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		where   string
		regions []string
		maker   string
		want    []string // steps
		needs   []string // of the last
	}{
		{"by account", `account.name == "qa"`, nil, `targets: "true"`,
			[]string{"stack/maker/000000000003/eu-west-1", "stack/maker/000000000003/us-east-1", "stack/user/000000000003/us-east-1"}, []string{"stack/maker/000000000003/us-east-1"}},
		{"what isn't acted on is read", `account.name == "qa"`, nil, `targets: hub`,
			[]string{"outputs/maker/000000000001/us-east-1", "stack/user/000000000003/us-east-1"}, []string{"outputs/maker/000000000001/us-east-1"}},
		{"by region, which doesn't make another the only one", "", []string{"us-east-1"}, `targets: account.name == "qa"; regions: [eu-west-1, us-east-1]`,
			[]string{"stack/maker/000000000003/us-east-1", "stack/user/000000000003/us-east-1"}, []string{"stack/maker/000000000003/us-east-1"}},
		{"the same account's in a region left out", "", []string{"us-east-1"}, `targets: account.name in ["dev", "qa"]; regions: [eu-west-1]`,
			[]string{"outputs/maker/000000000003/eu-west-1", "stack/user/000000000003/us-east-1"}, []string{"outputs/maker/000000000003/eu-west-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{yaml: consumer(tt.maker, userQA, `output("maker", "A")`), where: tt.where, regions: tt.regions,
				templates: map[string]string{"user": body([]string{"X"}, nil)}}
			p := w.build(t)
			same(t, "steps", ids(p), tt.want)
			same(t, "needs", p.Steps[len(p.Steps)-1].Needs, tt.needs)
		})
	}
	t.Run("ambiguous stays ambiguous", func(t *testing.T) {
		w := world{yaml: consumer(`targets: account.name in ["dev", "prod"]; regions: [eu-west-1]`, userQA, `output("maker", "A")`),
			where: `account.name in ["dev", "qa"]`, templates: map[string]string{"user": body([]string{"X"}, nil)}}
		if got := w.problems(t); !strings.Contains(got, "has 2 instances and none is nearest") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a read is one step for all", func(t *testing.T) {
		w := world{yaml: consumer(`targets: hub; regions: home`, `targets: account.ou == "/Workloads"`, `output("maker", "A") + outputs("maker", "B")[0]`),
			where: `account.ou == "/Workloads"`, templates: map[string]string{"user": body([]string{"X"}, nil)}}
		p := w.build(t)
		if len(p.Steps) != 7 || p.Steps[0].ID != "outputs/maker/000000000001/eu-west-1" || p.Steps[0].Spec.Stack.StackName != "p-maker" {
			t.Errorf("steps %v", ids(p))
		}
	})
}

// TestDependsOn: the instance in the same account and region, else those in the
// same account, else all.
func TestDependsOn(t *testing.T) {
	for _, tt := range []struct {
		name, first string
		where       string
		want        []string
	}{
		{"same account and region", `targets: "true"`, "", []string{"stack/first/000000000003/us-east-1"}},
		{"same account", `targets: "true"; regions: [eu-west-1, eu-west-2]`, "", []string{"stack/first/000000000003/eu-west-1", "stack/first/000000000003/eu-west-2"}},
		{"all", `targets: account.name in ["dev", "prod"]; regions: [eu-west-1]`, "", []string{"stack/first/000000000002/eu-west-1", "stack/first/000000000004/eu-west-1"}},
		{"none", `targets: "false"`, "", nil},
		{"those that aren't acted on aren't waited for", `targets: account.name in ["dev", "prod"]; regions: [eu-west-1]`, `account.name in ["qa", "prod"]`, []string{"stack/first/000000000004/eu-west-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{where: tt.where, yaml: `
name: p
hub: {account: "000000000001", region: eu-west-1}
regions: [eu-west-1, us-east-1]
stacks:
  then:
    template: then.yaml
    targets: account.name == "qa"
    regions: [us-east-1]
    depends_on: [first]
  first:
    template: first.yaml
    ` + lines(tt.first) + `
`}
			p := w.build(t)
			got := find(t, p, "stack/then/000000000003/us-east-1").Needs
			if len(got) == 0 {
				got = nil
			}
			same(t, "needs", got, tt.want)
		})
	}
}
