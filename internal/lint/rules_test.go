package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/internal/template"
	"axle/policy"

	"github.com/rogpeppe/go-internal/txtar"
)

// A file testdata/rules/AXnnn.txtar has an example that breaks the rule and one
// that doesn't: "bad" and "good" are policy documents or templates by
// themselves; "bad/STACK@ACCOUNT[@REGION]" are the templates of a project, in
// the order of deployment. Lines that the rule finds end in "#!", with the
// severity after it when it isn't the rule's own. The comment may have lines
//
//	wire: STACK.PARAMETER = STACK.OUTPUT
//	set: STACK.PARAMETER = VALUE
//	needs: STACK STACK
//	peering: STACK.OUTPUT STACK.OUTPUT TABLES TABLES
//	kind: scp | rcp
//	also: AXnnn ...      others that the good example breaks on purpose
type fixture struct {
	id      string
	archive *txtar.Archive
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var out []fixture
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fixture{strings.TrimSuffix(filepath.Base(f), ".txtar"), txtar.Parse(body)})
	}
	return out
}

// testOrg has the management account 999999999999.
func testOrg() *axle.Organization {
	org := &axle.Organization{ID: "o-test", Management: "999999999999"}
	for _, id := range []string{"111111111111", "222222222222", "333333333333", "999999999999"} {
		org.Accounts = append(org.Accounts, axle.Account{ID: id, Name: "a" + id[:1], Management: id == "999999999999"})
	}
	org.Sort()
	return org
}

// findings lints the bad or good half of a fixture.
func (f fixture) findings(t testing.TB, half string) []Finding {
	t.Helper()
	in := Input{}
	var found []Finding
	comment := string(f.archive.Comment)
	if strings.Contains(comment, "org: yes") {
		in.Org = testOrg()
	}
	for _, file := range f.archive.Files {
		name := strings.Split(file.Name, ".")[0]
		if name != half && !strings.HasPrefix(name, half+"/") {
			continue
		}
		tmpl, doc, more, problems := Read(file.Name, file.Data)
		found = append(found, more...)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", file.Name, problems)
		}
		if doc != nil {
			switch {
			case strings.Contains(comment, "kind: scp"):
				doc.Kind = policy.ServiceControlPolicy
			case strings.Contains(comment, "kind: rcp"):
				doc.Kind = policy.ResourceControlPolicy
			}
			in.Docs = append(in.Docs, *doc)
			continue
		}
		src := Source{Template: tmpl}
		if _, place, ok := strings.Cut(name, "/"); ok {
			in.Org = testOrg()
			parts := strings.Split(place, "@")
			src.Name, src.ID = parts[0], place
			src.World = template.World{Account: parts[1], Region: "eu-west-1", Partition: "aws", Stack: parts[0], Parameters: map[string]string{}}
			if len(parts) > 2 {
				src.World.Region = parts[2]
				if strings.HasPrefix(parts[2], "cn-") {
					src.World.Partition = "aws-cn"
				}
			}
			f.wire(&src, in.Sources)
		}
		in.Sources = append(in.Sources, src)
	}
	for line := range strings.Lines(comment) {
		var p Peering
		if _, err := fmt.Sscanf(line, "peering: %s %s %d %d", &p.Requester.Stack, &p.Accepter.Stack, &p.Requester.Tables, &p.Accepter.Tables); err == nil {
			p.Name, p.Pos.File, p.Pos.Line = "p", half+"/axle", 1
			p.Requester.Stack, p.Requester.CIDR, _ = strings.Cut(p.Requester.Stack, ".")
			p.Accepter.Stack, p.Accepter.CIDR, _ = strings.Cut(p.Accepter.Stack, ".")
			if half == "good" {
				p.Requester.Tables, p.Accepter.Tables = 1, 1
			}
			in.Peerings = append(in.Peerings, p)
		}
	}
	return append(found, Check(in)...)
}

var directive = regexp.MustCompile(`^(wire|set|needs): ([^ .=]+)(?:\.(\S+) = (.+)|(.*))$`)

func (f fixture) wire(src *Source, before []Source) {
	for line := range strings.Lines(string(f.archive.Comment)) {
		m := directive.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[2] != src.Name {
			continue
		}
		id := func(stack string) string {
			i := slices.IndexFunc(before, func(s Source) bool { return s.Name == stack })
			if i < 0 {
				return stack
			}
			return before[i].ID
		}
		switch m[1] {
		case "wire":
			stack, output, _ := strings.Cut(m[4], ".")
			if src.Wired == nil {
				src.Wired = map[string]Wire{}
			}
			src.Wired[m[3]] = Wire{id(stack), output}
			src.Needs = append(src.Needs, id(stack))
		case "set":
			src.World.Parameters[m[3]] = m[4]
		case "needs":
			for _, s := range strings.Fields(m[5]) {
				src.Needs = append(src.Needs, id(s))
			}
		}
	}
}

// marks are the places of "#!" in the bad half.
func (f fixture) marks() []string {
	var out []string
	for _, file := range f.archive.Files {
		if !strings.HasPrefix(file.Name, "bad") {
			continue
		}
		for i, line := range strings.Split(string(file.Data), "\n") {
			if _, mark, ok := strings.Cut(line, "#!"); ok {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s", file.Name, i+1, strings.TrimSpace(mark))))
			}
		}
	}
	if strings.Contains(string(f.archive.Comment), "peering:") && len(out) == 0 {
		out = append(out, "bad/axle:1")
	}
	return out
}

// TestRules: the bad example is found where it says, the good one isn't, by any
// rule that isn't excused.
func TestRules(t *testing.T) {
	rules := map[string]Rule{}
	for _, r := range Rules() {
		rules[r.ID] = r
	}
	have := map[string]bool{}
	for _, f := range fixtures(t) {
		have[f.id] = true
		t.Run(f.id, func(t *testing.T) {
			var got []string
			for _, x := range f.findings(t, "bad") {
				if x.Rule != f.id {
					continue
				}
				at := fmt.Sprintf("%s:%d", x.Pos.File, x.Pos.Line)
				if x.Severity != rules[f.id].Severity {
					at += " " + string(x.Severity)
				}
				got = append(got, at)
				if x.Message == "" || x.Fix == "" || x.Why == "" {
					t.Errorf("a finding without words: %+v", x)
				}
			}
			want := f.marks()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(slices.Compact(got), want) || len(want) == 0 {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				for _, x := range f.findings(t, "bad") {
					t.Logf("%s %s %s %s", x.Pos, x.Severity, x.Rule, x.Message)
				}
			}
			for _, x := range f.findings(t, "good") {
				if x.Suppressed == "" && (x.Rule == f.id || !strings.Contains(string(f.archive.Comment), x.Rule) && x.Severity != Advice) {
					t.Errorf("the good example: %s %s %s %s", x.Pos, x.Severity, x.Rule, x.Message)
				}
			}
		})
	}
	for id, r := range rules {
		if !have[id] && r.check != nil {
			t.Errorf("%s has no example in testdata/rules", id)
		}
	}
}

// TestHub: the hub of axle.yaml is no template's, and is looked at by itself.
func TestHub(t *testing.T) {
	for hub, want := range map[string]int{"999999999999": 1, "111111111111": 0, "": 0} {
		if got := Check(Input{Org: testOrg(), Hub: hub}); len(got) != want {
			t.Errorf("hub %q: %v", hub, got)
		}
	}
}

// TestBranches: what a condition chooses that isn't known may be any of its branches.
func TestBranches(t *testing.T) {
	const text = `Parameters: {P: {Type: String}}
Conditions: {C: !Equals [!Ref P, x]}
Resources:
  Value:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {AWS: !If [C, "111111111111", "*"]}}]}
  Element:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: !If [C, {AWS: "111111111111"}, "*"]}]}
  Statements:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: !If [C, [{Effect: Allow, Action: sts:AssumeRole, Principal: {AWS: "111111111111"}}], [{Effect: Allow, Action: sts:AssumeRole, Principal: "*"}]]
  Document:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: !If
        - C
        - {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {AWS: "111111111111"}}]}
        - {Version: "2012-10-17", Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: "*"}]}
`
	tmpl, _, _, problems := Read("t.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var lines []int
	for _, f := range Check(Input{Sources: []Source{{Template: tmpl}}}) {
		if f.Rule == "AX014" {
			lines = append(lines, f.Pos.Line)
		}
	}
	if !slices.Equal(lines, []int{7, 11, 17, 24}) {
		t.Errorf("everybody is let in by lines %v", lines)
	}
}

// TestSuppressedInTemplate: the template's own metadata holds for all of it.
func TestSuppressedInTemplate(t *testing.T) {
	const text = `Metadata: {axle: {ignore: [{rule: ax048, reason: the topics come later}]}}
Resources:
  A: {Type: AWS::Lambda::Permission, Properties: {FunctionName: a, Action: lambda:InvokeFunction, Principal: sns.amazonaws.com}}
  B: {Type: AWS::Lambda::Permission, Properties: {FunctionName: b, Action: lambda:InvokeFunction, Principal: sns.amazonaws.com}}
`
	tmpl, _, _, _ := Read("t.yaml", []byte(text))
	got := Check(Input{Sources: []Source{{Template: tmpl}}})
	if len(got) != 2 || got[0].Suppressed == "" || got[1].Suppressed == "" {
		t.Errorf("%+v", got)
	}
}

// TestTable: every rule of the catalogue is there, with words.
func TestTable(t *testing.T) {
	rules := Rules()
	for i := range 111 {
		id := fmt.Sprintf("AX%03d", i)
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
		if n < 0 {
			t.Errorf("no rule %s", id)
			continue
		}
		r := rules[n]
		if r.Title == "" || r.Why == "" || r.Fix == "" || r.Severity == "" || r.check == nil && r.Blind == "" && !slices.Contains([]string{"AX000", "AX074", "AX076", "AX109", "AX110"}, id) {
			t.Errorf("%s lacks something: %+v", id, r)
		}
	}
	for i := 1; i < len(rules); i++ {
		if rules[i].ID == rules[i-1].ID {
			t.Errorf("%s is there twice", rules[i].ID)
		}
	}
}

// FuzzCheck: whatever the text, nothing panics, and findings have places.
func FuzzCheck(f *testing.F) {
	for _, x := range fixtures(f) {
		for _, file := range x.archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tmpl, doc, found, _ := Read("f", body)
		in := Input{Org: testOrg()}
		if tmpl != nil {
			in.Sources = []Source{{Template: tmpl}, {Template: tmpl, ID: "a", Name: "a", World: template.World{Account: "111111111111", Region: "eu-west-1"}}}
		}
		if doc != nil {
			in.Docs = []Doc{*doc}
		}
		for _, x := range append(found, Check(in)...) {
			if x.Rule == "" || x.Pos.File == "" {
				t.Fatalf("a finding without a place: %+v", x)
			}
		}
	})
}
