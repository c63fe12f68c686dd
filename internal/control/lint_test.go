package control

import (
	"testing"

	"axle"
	"axle/internal/lint"
	"axle/internal/plan"
	"axle/internal/template"
)

// TestRolesLint: the roles of bootstrap have nothing that a linter complains of,
// but for what their metadata gives a reason for.
func TestRolesLint(t *testing.T) {
	w := opened(t, "name: p\naccess: {via: axle-hub, role: axle-spoke}\nhub: {account: \"111111111111\", region: eu-west-1}\nstore: dynamodb://axle-journal\nregions: [eu-west-1]\nstacks:\n  one: {template: one.yaml, targets: hub}\n",
		map[string]string{"one": "Resources:\n  T: {Type: AWS::SNS::Topic}\n  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}}}\n"})
	spokes, _, err := spokesOf(t, w, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.hub = plan.Hub{Account: axle.Account{ID: "111111111111"}, Region: "eu-west-1"}
	hub, err := w.hubBody()
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string][]byte{"hub.yaml": hub, "store.yaml": []byte(storeTemplate)}
	for _, s := range spokes {
		bodies["spoke-"+s.accounts[0].ID+".yaml"] = s.body
	}
	for name, body := range bodies {
		parsed, problems := template.Parse(name, body)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		for _, f := range lint.Check(lint.Input{Sources: []lint.Source{{Template: parsed}}}) {
			if f.Suppressed == "" && f.Severity != lint.Advice {
				t.Errorf("%s: %s %s %s", f.Pos, f.Severity, f.Rule, f.Message)
			}
		}
	}
}
