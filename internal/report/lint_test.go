package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"axle/internal/diag"
	"axle/internal/lint"
)

func lintSample() *Lint {
	_, docs, found, _ := lint.Read("p.yaml", []byte("Version: \"2012-10-17\"\nStatement:\n  - Effect: Allow\n    Action: kms:Decrypt\n    Resource: *\n"))
	found = append(found, lint.Check(lint.Input{Docs: []lint.Doc{*docs}})...)
	found[0].Suppressed = "shown as it is"
	return NewLint(found, 1, []string{"template s3://x wasn't read"}, diag.List{{Pos: diag.Pos{File: "broken.yaml", Line: 2}, Summary: "not YAML"}})
}

// TestSARIF checks the members that the SARIF 2.1.0 schema requires, and those
// that code scanning needs.
func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := lintSample().SARIF(&b, "1.0"); err != nil {
		t.Fatal(err)
	}
	var log map[string]any
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if log["version"] != "2.1.0" || !strings.Contains(log["$schema"].(string), "sarif-schema-2.1.0") {
		t.Errorf("version %v, schema %v", log["version"], log["$schema"])
	}
	run := log["runs"].([]any)[0].(map[string]any)
	driver := run["tool"].(map[string]any)["driver"].(map[string]any)
	rules := driver["rules"].([]any)
	if driver["name"] != "axle" || len(rules) != len(lint.Rules()) {
		t.Errorf("driver %v with %d rules", driver["name"], len(rules))
	}
	for _, r := range rules {
		r := r.(map[string]any)
		if r["id"] == "" || r["shortDescription"].(map[string]any)["text"] == "" || r["help"].(map[string]any)["text"] == "" {
			t.Errorf("a rule lacks members: %v", r)
		}
	}
	levels := map[string]bool{"none": true, "note": true, "warning": true, "error": true}
	results := run["results"].([]any)
	if len(results) != 2 {
		t.Fatalf("%d results, want 2", len(results))
	}
	for _, x := range results {
		x := x.(map[string]any)
		if x["message"].(map[string]any)["text"] == "" || !levels[x["level"].(string)] {
			t.Errorf("a result lacks members: %v", x)
		}
		if rules[int(x["ruleIndex"].(float64))].(map[string]any)["id"] != x["ruleId"] {
			t.Errorf("ruleIndex of %v points elsewhere", x["ruleId"])
		}
		place := x["locations"].([]any)[0].(map[string]any)["physicalLocation"].(map[string]any)
		if place["artifactLocation"].(map[string]any)["uri"] != "p.yaml" || place["region"].(map[string]any)["startLine"].(float64) != 5 {
			t.Errorf("place %v", place)
		}
	}
	if s := results[0].(map[string]any)["suppressions"].([]any)[0].(map[string]any); s["kind"] != "inSource" || s["justification"] == "" {
		t.Errorf("suppression %v", s)
	}
	inv := run["invocations"].([]any)[0].(map[string]any)
	if inv["executionSuccessful"] != false || len(inv["toolExecutionNotifications"].([]any)) != 2 {
		t.Errorf("invocation %v", inv)
	}
}

func TestLintText(t *testing.T) {
	var b bytes.Buffer
	lintSample().Text(&b, NewStyle(&b, false))
	for _, want := range []string{"p.yaml:5:15: warning AX083 ", "    why: ", "    fix: ", "broken.yaml:2: not YAML", "not looked at: template s3://x",
		"0 errors, 1 warning, 0 advice in 1 file; 1 can't be read; 1 suppressed with a reason"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
