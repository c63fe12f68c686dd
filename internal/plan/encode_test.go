package plan_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"axle"
	"axle/internal/plan"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// reread is the plan as it comes back from the journal, and the journal's text.
func reread(t *testing.T, p *plan.Plan) (*plan.Plan, string) {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	out, err := plan.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return out, string(text)
}

func TestEncodeDecode(t *testing.T) {
	p := peered.build(t)
	p.Steps[0].Review = &axle.Review{Known: true, Change: axle.Create, Changes: []axle.ResourceChange{{Action: "Add", LogicalID: "Topic"}}}
	back, _ := reread(t, p)
	equal := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	equal("steps", back.Steps, p.Steps)
	equal("the rest", []any{back.Project, back.Command, back.Env, back.Hub, back.Accounts, back.Specs, back.Templates},
		[]any{p.Project, p.Command, p.Env, p.Hub, p.Accounts, p.Specs, p.Templates})
	if back.MissingSecrets() {
		t.Error("there are no secrets to miss")
	}
	for _, garbage := range []string{"", "no gzip", "\x1f\x8b\x08\x00"} {
		if _, err := plan.Decode([]byte(garbage)); err == nil || !strings.HasPrefix(err.Error(), "decode the plan: ") {
			t.Errorf("decode %q: %v", garbage, err)
		}
	}
}

// secretive has a NoEcho parameter in each way to write one.
var secretive = world{yaml: head(`
  maker: {template: maker.yaml, targets: hub}
  user:
    template: user.yaml
    targets: account.name == "dev"
    parameters:
      Plain: ${{ "plain-" + output("maker", "A") + vars.plain }}
      Text: hunter2-text
      Var: ${{ vars.password }}
      Mixed: hunter2-${{ output("maker", "A") }}
      Empty: ""
vars: {password: hunter2-var, plain: p}
`), templates: map[string]string{"user": body([]string{"Plain", "Text , NoEcho: true", "Var , NoEcho: true", "Mixed , NoEcho: true", "Empty , NoEcho: true"}, nil)}}

func known(string) (map[string]string, bool) { return map[string]string{"A": "a"}, true }

func TestSecretsStayOutOfTheJournal(t *testing.T) {
	w := secretive
	p := w.build(t)
	want := map[string]string{"Plain": "plain-ap", "Text": "hunter2-text", "Var": "hunter2-var", "Mixed": "hunter2-a", "Empty": ""}
	in, err := p.Inputs(&p.Steps[1], known)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "values", in.Values, want)
	same(t, "secret", in.Secret, map[string]bool{"Text": true, "Var": true, "Mixed": true, "Empty": true})

	back, text := reread(t, p)
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret is in the journal: %s", text)
	}
	if !back.MissingSecrets() || p.MissingSecrets() {
		t.Error("only the plan from the journal misses secrets")
	}
	if in, err := back.Inputs(&back.Steps[1], known); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a missing secret was taken for an empty one: %v, %v", in.Values, err)
	}
	again, _ := reread(t, back)
	for name, q := range map[string]*plan.Plan{"from the journal": back, "from the journal's journal": again} {
		q.FillSecrets(w.build(t))
		if in, err = q.Inputs(&q.Steps[1], known); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, name, in.Values, want)
		if q.MissingSecrets() {
			t.Errorf("%s: secrets are missing still", name)
		}
		if _, text := reread(t, q); strings.Contains(text, "hunter2") {
			t.Errorf("%s: a secret is in the journal: %s", name, text)
		}
	}
}

// A secret that the files don't have any more is an error of the step that
// needs it, never an empty value.
func TestSecretThatIsGone(t *testing.T) {
	back, _ := reread(t, secretive.build(t))
	w := secretive
	w.yaml = strings.Replace(w.yaml, "      Text: hunter2-text\n", "", 1)
	back.FillSecrets(w.build(t))
	_, err := back.Inputs(&back.Steps[1], known)
	if err == nil || !strings.HasPrefix(err.Error(), "Text of user in dev (000000000002) eu-west-1: it is secret") {
		t.Errorf("got %v", err)
	}
	w.yaml = strings.Replace(w.yaml, `account.name == "dev"`, `account.name == "qa"`, 1)
	back, _ = reread(t, secretive.build(t))
	back.FillSecrets(w.build(t))
	if !back.MissingSecrets() {
		t.Error("a step that the files don't have any more has no secrets to take")
	}
}

func TestInputsUnknownAndMissing(t *testing.T) {
	w := world{yaml: head(`
  one: {template: t.yaml, targets: hub}
  two: {template: t.yaml, targets: hub}
  user:
    template: t.yaml
    targets: account.name == "dev"
    parameters:
      One: ${{ output("one", "A") }}
      Both: ${{ output("two", "A") + output("one", "B") + output("one", "A") }}
      List: ${{ outputs("two", "A") }}
      None: none
`), templates: map[string]string{"user": body([]string{"One", "Both", "List", "None"}, nil)}}
	p := w.build(t)
	user := find(t, p, "stack/user/000000000002/eu-west-1")
	in, err := p.Inputs(user, func(string) (map[string]string, bool) { return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unknown", in.Unknown, map[string][]string{"One": {"one"}, "Both": {"one", "two"}, "List": {"two"}})
	same(t, "known", in.Values, map[string]string{"None": "none"})

	in, err = p.Inputs(user, func(id string) (map[string]string, bool) {
		return map[string]string{"A": "1", "B": "2"}, strings.Contains(id, "/one/")
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unknown", in.Unknown, map[string][]string{"Both": {"two"}, "List": {"two"}})
	same(t, "known", in.Values, map[string]string{"One": "1", "None": "none"})

	_, err = p.Inputs(user, func(string) (map[string]string, bool) { return map[string]string{}, true })
	var missing *plan.MissingOutputError
	if !errors.As(err, &missing) || missing.Key != "A" || strings.Count(err.Error(), "dev (000000000002)") != 1 {
		t.Errorf("got %v", err)
	}
}
