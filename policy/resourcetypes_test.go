package policy

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestActionsForIsTheUnionOfItsTypes(t *testing.T) {
	got, unknown := ActionsFor([]string{"AWS::SNS::Topic", "AWS::SSM::Parameter", "Custom::Lookup", "AWS::Example::Thing", "AWS::SNS::Topic"})
	for _, want := range []string{"sns:CreateTopic", "sns:DeleteTopic", "ssm:PutParameter", "ssm:DeleteParameter"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("not sorted and unique: %v", got)
	}
	if !slices.Equal(unknown, []string{"AWS::Example::Thing"}) {
		t.Errorf("unknown types: %v", unknown)
	}
}

// Who can make something must be able to look at it and to take it back: a
// rollback runs with the same permissions.
func TestEveryTypeCanBeRolledBack(t *testing.T) {
	action := regexp.MustCompile(`^[a-z0-9-]+:[A-Z][A-Za-z0-9]+$`)
	makes := regexp.MustCompile(`:(Create|Allocate|Attach|Add|Authorize|Associate|Publish|Put|Subscribe|POST)`)
	undoes := regexp.MustCompile(`:(Delete|Release|Detach|Remove|Revoke|Disassociate|Unsubscribe|Schedule|Replace|Set|DELETE)`)
	for name, list := range typeActions {
		for _, a := range strings.Fields(list) {
			if !action.MatchString(a) {
				t.Errorf("%s: %q isn't an action", name, a)
			}
		}
		if makes.MatchString(list) && !undoes.MatchString(list) && name != "AWS::EC2::VPCDHCPOptionsAssociation" {
			t.Errorf("%s can be made and not taken back: %s", name, list)
		}
	}
}
