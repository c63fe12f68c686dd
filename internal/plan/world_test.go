package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/plan"
	"axle/internal/template"
)

// world is what a plan is made from, in the words of the tests.
type world struct {
	yaml      string
	accounts  []axle.Account
	templates map[string]string // by stack; others have parameters and outputs of every name used
	env       string
	where     string
	regions   []string
	enabled   map[string][]string
	noPeering bool
	destroy   bool
}

// account is an account with a name and tags "key=value", ACTIVE unless the
// name ends in "!" (then it is SUSPENDED).
func account(id int, name, ou string, tags ...string) axle.Account {
	a := axle.Account{ID: fmt.Sprintf("%012d", id), Name: strings.TrimSuffix(name, "!"), OU: ou, Status: "ACTIVE", Tags: map[string]string{}}
	if strings.HasSuffix(name, "!") {
		a.Status = "SUSPENDED"
	}
	for _, t := range tags {
		k, v, _ := strings.Cut(t, "=")
		a.Tags[k] = v
	}
	return a
}

// tools is the hub of most tests; dev, qa and prod are workloads.
func someAccounts() []axle.Account {
	return []axle.Account{
		account(1, "tools", "/Infra"),
		account(2, "dev", "/Workloads", "env=dev"),
		account(3, "qa", "/Workloads", "env=qa"),
		account(4, "prod", "/Workloads", "env=prod"),
	}
}

// body is a template with the named parameters and outputs.
func body(parameters, outputs []string) string {
	var b strings.Builder
	if len(parameters) > 0 {
		b.WriteString("Parameters:\n")
	}
	for _, p := range parameters {
		name, more, _ := strings.Cut(p, " ")
		fmt.Fprintf(&b, "  %s: {Type: String%s}\n", name, more)
	}
	b.WriteString("Resources:\n  Topic: {Type: AWS::SNS::Topic}\n")
	if len(outputs) > 0 {
		b.WriteString("Outputs:\n")
	}
	for _, o := range outputs {
		fmt.Fprintf(&b, "  %s: {Value: !Ref Topic}\n", o)
	}
	return b.String()
}

// input parses everything; mistakes of axle.yaml itself end the test.
func (w world) input(t testing.TB) plan.Input {
	t.Helper()
	project, problems := config.Parse("axle.yaml", []byte(w.yaml), w.env)
	if err := problems.Err(); err != nil {
		t.Fatalf("axle.yaml: %v", err)
	}
	in := plan.Input{Project: project, Templates: map[string]*plan.Source{}, Enabled: w.enabled,
		Regions: w.regions, NoPeering: w.noPeering, Destroy: w.destroy,
		Org: &axle.Organization{Accounts: w.accounts, Source: "file:accounts.yaml"}}
	if in.Org.Accounts == nil {
		in.Org.Accounts = someAccounts()
	}
	for i := range project.Stacks {
		name := project.Stacks[i].Name
		text, ok := w.templates[name]
		if !ok {
			text = body(nil, []string{"A", "B"})
		}
		parsed, problems := template.Parse(name+".yaml", []byte(text))
		if err := problems.Err(); err != nil {
			t.Fatalf("template of %s: %v\n%s", name, err, text)
		}
		in.Templates[name] = parsed
	}
	if w.where != "" {
		selector, problems := expr.CompileSelector(w.where, diag.Pos{File: "--where", Line: 1, Col: 1})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		in.Where = selector
	}
	return in
}

func (w world) build(t testing.TB) *plan.Plan {
	t.Helper()
	p, problems := plan.Build(w.input(t))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// problems are the mistakes that building finds, one text for all.
func (w world) problems(t testing.TB) string {
	t.Helper()
	p, problems := plan.Build(w.input(t))
	err := problems.Err()
	if err == nil {
		return ""
	}
	if p != nil {
		t.Errorf("a plan in spite of %v", err)
	}
	return err.Error()
}

// find is a step of the plan by id.
func find(t testing.TB, p *plan.Plan, id string) *axle.Step {
	t.Helper()
	for i := range p.Steps {
		if p.Steps[i].ID == id {
			return &p.Steps[i]
		}
	}
	t.Fatalf("the plan has no step %s, only %s", id, strings.Join(ids(p), ", "))
	return nil
}

func ids(p *plan.Plan) []string {
	out := make([]string, len(p.Steps))
	for i := range p.Steps {
		out[i] = p.Steps[i].ID
	}
	return out
}
