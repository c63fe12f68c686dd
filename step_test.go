package axle_test

import (
	"errors"
	"slices"
	"testing"

	"axle"
)

// A change that can destroy data or widen access must have been seen.
func TestUnreviewed(t *testing.T) {
	change := func(action, id, kind, replacement string) axle.ResourceChange {
		return axle.ResourceChange{Action: action, LogicalID: id, Type: kind, Replacement: replacement}
	}
	removed := change("Remove", "Table", "AWS::DynamoDB::Table", "")
	replaced := change("Modify", "Vpc", "AWS::EC2::VPC", "True")
	perhaps := change("Modify", "Subnet", "AWS::EC2::Subnet", "Conditional")
	role := change("Modify", "Role", "AWS::IAM::Role", "")
	harmless := []axle.ResourceChange{change("Add", "Topic", "AWS::SNS::Topic", ""), change("Modify", "Topic", "AWS::SNS::Topic", ""), change("Add", "Role", "AWS::IAM::Role", "")}
	all := append(slices.Clone(harmless), removed, replaced, perhaps, role)
	dangerous := []axle.ResourceChange{removed, replaced, perhaps, role}

	same(t, "nobody asked for a review", (*axle.Review)(nil).Unreviewed(all), []axle.ResourceChange(nil))
	same(t, "nothing was shown", (&axle.Review{}).Unreviewed(all), dangerous)
	same(t, "all was shown", (&axle.Review{Known: true, Changes: dangerous}).Unreviewed(all), []axle.ResourceChange(nil))
	same(t, "harmless ones need no review", (&axle.Review{}).Unreviewed(harmless), []axle.ResourceChange(nil))
	for _, shown := range []axle.ResourceChange{change("Modify", "Vpc", "AWS::EC2::VPC", ""), change("Modify", "Vpc", "AWS::EC2::VPC", "Conditional"), change("Remove", "Vpc", "AWS::EC2::VPC", ""), change("Modify", "Other", "AWS::EC2::VPC", "True")} {
		same(t, "another change was shown", (&axle.Review{Known: true, Changes: []axle.ResourceChange{shown}}).Unreviewed([]axle.ResourceChange{replaced}), []axle.ResourceChange{replaced})
	}
}

func TestStatus(t *testing.T) {
	for status, want := range map[axle.Status][2]bool{ // ended, OK
		"": {false, false}, axle.Pending: {false, false}, axle.Running: {false, false}, axle.Succeeded: {true, true}, axle.Unchanged: {true, true},
		axle.Failed: {true, false}, axle.Skipped: {true, false}, axle.Cancelled: {true, false}} {
		if got := [2]bool{status.Ended(), status.OK()}; got != want {
			t.Errorf("%q: ended and OK are %v", status, got)
		}
	}
}

func TestTargets(t *testing.T) {
	targets := []axle.Target{{Account: "2", Region: "a"}, {Account: "1", Region: "b"}, {Account: "1", Region: "a"}}
	slices.SortFunc(targets, axle.Target.Compare)
	same(t, "by account, then region", targets, []axle.Target{{Account: "1", Region: "a"}, {Account: "1", Region: "b"}, {Account: "2", Region: "a"}})
	same(t, "text", targets[0].String(), "1/a")
	same(t, "where", (&axle.Step{Account: "1", AccountName: "dev", Region: "a"}).Where(), "dev (1) a")
}

func TestFailure(t *testing.T) {
	cause := errors.New("cause")
	f := &axle.Failure{Code: "X", Message: "what people read", Hint: "h", Err: cause}
	if f.Error() != "what people read" || !errors.Is(f, cause) {
		t.Errorf("got %v", f)
	}
}
