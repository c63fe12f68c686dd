package report_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"axle"
	"axle/internal/plan"
	"axle/internal/report"
)

// A plan of any size is a comment that can be sent, says what isn't in it, and
// has no markup of anybody else's.
func TestPlanMarkdownIsBounded(t *testing.T) {
	p := &plan.Plan{Project: "big", Command: "deploy"}
	var records []axle.Record
	for i := range 3000 {
		id := fmt.Sprintf("stack/s%d/%012d/eu-west-1", i, i)
		p.Steps = append(p.Steps, axle.Step{ID: id, Kind: plan.KindStack, Name: fmt.Sprintf("s%d", i), Account: fmt.Sprintf("%012d", i), AccountName: "<b>@team</b>|x", Region: "eu-west-1"})
		records = append(records, record(id, 1, axle.Succeeded, axle.Result{Change: axle.Update, Changes: []axle.ResourceChange{
			{Action: "Remove", LogicalID: "Table", Type: "AWS::DynamoDB::Table"}}}, nil))
	}
	v := report.NewPlan("r1", p, records)
	got := string(text(func(w io.Writer, _ report.Style) { v.Markdown(w) }))
	if n := len(got); n > 65536 || n < 50000 {
		t.Errorf("%d bytes", n)
	}
	for _, want := range []string{"_Left out, since a comment has at most 65,536 characters: ", "of 3000 losses of data", "of 3000 rows"} {
		if !strings.Contains(got, want) {
			t.Errorf("it doesn't say %q", want)
		}
	}
	for _, never := range []string{"<b>", "@team", "</b>|x"} {
		if strings.Contains(got, never) {
			t.Errorf("it has %q", never)
		}
	}
}
