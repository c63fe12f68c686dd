package action

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/template"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPhaseToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9:/ _.-]*`)
		p := phase{
			name:   rapid.SampledFrom([]string{phaseWait, phaseChangeSet, phaseLooked, phaseExecute, phaseContinue, phaseDoomed, phaseDelete}).Draw(t, "name"),
			change: axle.Change(text.Draw(t, "change")), note: text.Draw(t, "note"),
			op: cfn.Operation{StackID: text.Draw(t, "stack"), ChangeSet: text.Draw(t, "set"), Kind: axle.Change(text.Draw(t, "kind"))}}
		if at := rapid.Int64Range(0, 1<<61).Draw(t, "before"); at != 0 {
			p.since = time.Unix(0, at)
		}
		got, err := parsePhase(p.String())
		got.op.Request = "" // made of since
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("%+v came back as %+v, %v", p, got, err)
		}
	})
	for _, bad := range []string{"", "x", "execute:", "execute:a|b", "changeset:a|b|c|d|e|f", "other:a|b|c|0|e|f"} {
		if _, err := parsePhase(bad); err == nil {
			t.Errorf("token %q was read", bad)
		}
	}
}

func TestCompareTemplates(t *testing.T) {
	parse := func(src string) *template.Template {
		tp, _ := template.Parse("t", []byte(src))
		return tp
	}
	was := parse("Resources:\n  A: {Type: AWS::SNS::Topic}\n  B: {Type: AWS::SNS::Topic}\n  C: {Type: AWS::SNS::Topic}\n  D: {Type: AWS::IAM::Role}\n")
	will := parse("Resources:\n  A: {Type: AWS::SNS::Topic} # the same\n  B: {Type: AWS::SQS::Queue}\n  D: {Type: AWS::IAM::Role, Properties: {RoleName: x}}\n  E: {Type: AWS::SNS::Topic}\n")
	want := []axle.ResourceChange{
		{Action: "Modify", LogicalID: "B", Type: "AWS::SQS::Queue", Replacement: "True"},
		{Action: "Remove", LogicalID: "C", Type: "AWS::SNS::Topic"},
		{Action: "Modify", LogicalID: "D", Type: "AWS::IAM::Role"},
		{Action: "Add", LogicalID: "E", Type: "AWS::SNS::Topic"},
	}
	if d := cmp.Diff(want, compare(was, will)); d != "" {
		t.Error(d)
	}
}

func TestUnreviewed(t *testing.T) {
	f := unreviewed(&axle.StackSpec{StackName: "flights-db"}, []axle.ResourceChange{
		{Action: "Modify", LogicalID: "Db", Type: "AWS::RDS::DBInstance", Replacement: "True"}, {Action: "Remove", LogicalID: "T", Type: "AWS::SNS::Topic"}})
	if !f.Blocked || !strings.HasSuffix(f.Message, "replace Db (AWS::RDS::DBInstance), remove T (AWS::SNS::Topic)") {
		t.Errorf("%+v", f)
	}
}
