package cfn

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

const stackID = "arn:aws:cloudformation:eu-west-1:111111111111:stack/flights-vpc/1b2c"

// own is an event of the stack itself.
func own(status, reason string) event {
	return event{Logical: "flights-vpc", Physical: stackID, Type: "AWS::CloudFormation::Stack", Status: status, Reason: reason}
}

func resource(name, status, reason string) event {
	return event{Logical: name, Physical: name + "-1", Type: "AWS::SNS::Topic", Status: status, Reason: reason}
}

func TestFirstCause(t *testing.T) {
	earlier := []event{
		own("CREATE_COMPLETE", ""),
		resource("Old", "CREATE_FAILED", "from long ago"),
		own("CREATE_IN_PROGRESS", "User Initiated"),
		own("REVIEW_IN_PROGRESS", "User Initiated"),
	}
	for name, c := range map[string]struct {
		events []event // newest first
		want   string
	}{
		"the first, not those it stopped": {[]event{
			own("UPDATE_ROLLBACK_COMPLETE", ""),
			own("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [A, B]."),
			resource("C", "UPDATE_FAILED", "a later one"),
			resource("A", "UPDATE_FAILED", "Topic is broken"),
			resource("B", "UPDATE_FAILED", "Resource update cancelled"),
			resource("A", "UPDATE_IN_PROGRESS", ""),
			own("UPDATE_IN_PROGRESS", "User Initiated"),
		}, "A: Topic is broken"},
		"only the stack": {[]event{
			own("UPDATE_ROLLBACK_COMPLETE", ""),
			own("UPDATE_ROLLBACK_IN_PROGRESS", "Export x cannot be deleted as it is in use by y"),
			own("UPDATE_IN_PROGRESS", "User Initiated"),
		}, "flights-vpc: Export x cannot be deleted as it is in use by y"},
		"a deletion": {[]event{
			own("DELETE_FAILED", "The following resource(s) failed to delete: [A]."),
			resource("A", "DELETE_FAILED", "bucket is not empty"),
			own("DELETE_IN_PROGRESS", "User Initiated"),
		}, "A: bucket is not empty"},
		"nothing": {[]event{own("UPDATE_COMPLETE", ""), own("UPDATE_IN_PROGRESS", "")}, ""},
	} {
		events := append(c.events, earlier...)
		n := sinceStart(events, stackID)
		if n != len(c.events) {
			t.Errorf("%s: the operation has %d events, not %d", name, n, len(c.events))
		}
		got := ""
		if e := firstCause(events[:n], stackID); e != nil {
			got = e.Logical + ": " + e.Reason
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func api(code, message string) error {
	return fmt.Errorf("operation error CloudFormation: %w", &smithy.GenericAPIError{Code: code, Message: message})
}

// TestTexts has AWS's messages as they come.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		name string
		is   func(error) bool
		err  error
		want bool
	}{
		{"no stack", noStack, api("ValidationError", "Stack with id flights-spoke does not exist"), true},
		{"no stack to delete", noStack, api("ValidationError", "Stack [flights-spoke] does not exist"), true},
		{"no export", noStack, api("ValidationError", "No export named x found"), false},
		{"no change set", noChangeSet, api("ChangeSetNotFound", "ChangeSet [x] does not exist"), true},
		{"change set there", changeSetExists, api("AlreadyExistsException", "ChangeSet x already exists"), true},
		{"stack there", stackExists, api("ValidationError", "Stack [x] already exists and cannot be created again with the changeSet [y]."), true},
		{"busy", busy, api("ValidationError", "Stack:arn:aws:cloudformation:eu-west-1:1:stack/x/1 is in UPDATE_IN_PROGRESS state and can not be updated."), true},
		{"a shell", busy, api("ValidationError", "Stack:arn is in REVIEW_IN_PROGRESS state and can not be updated."), false},
		{"executed", notExecutable, api("InvalidChangeSetStatus", "ChangeSet [x] cannot be executed in its current execution status of [EXECUTE_COMPLETE]"), true},
		{"protected", protected, api("ValidationError", "Stack [x] cannot be deleted while TerminationProtection is enabled"), true},
		{"throttled", transient, api("Throttling", "Rate exceeded"), true},
		{"a quota", transient, api("LimitExceededException", "Limit for stack has been exceeded"), false},
		{"denied", transient, api("AccessDenied", "no"), false},
		{"a failure", transient, &axle.Failure{Code: "AccessDenied"}, false},
	} {
		if got := c.is(c.err); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !emptyReason("The submitted information didn't contain changes. Submit different information to create a change set.") ||
		!emptyReason("No updates are to be performed.") || emptyReason("Transform AWS::Serverless-2016-10-31 failed with: no") {
		t.Error("emptyReason")
	}
	if by, ok := exportInUse("Delete canceled. Cannot delete export flights-VpcId as it is in use by flights-spoke and flights-dns."); !ok || by != "flights-spoke and flights-dns" {
		t.Errorf("exportInUse: %q", by)
	}
	var f *axle.Failure
	if err := refused("create change set", api("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")); !errors.As(err, &f) || !strings.Contains(f.Hint, "capabilities") {
		t.Errorf("refused: %v", err)
	}
	if err := refused("x", api("AccessDenied", "no")); errors.As(err, &f) && f.Code == "AccessDenied" {
		t.Error("permissions are explained by the door to AWS, not here")
	}
}

func TestChangeSetName(t *testing.T) {
	spec := &axle.StackSpec{Project: "p", Stack: "s", StackName: "p-s", Template: "sha256:1", Defaults: map[string]string{"A": "1"}, NoEcho: []string{"Secret"}}
	w := Want{Spec: spec, Values: map[string]string{"B": "2", "Secret": "x", "Db": "y"}}
	secret := map[string]bool{"Db": true}
	name := ChangeSetName("20261121-090000/äb", "stack/s/1/eu-west-1", w, secret)
	if !regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`).MatchString(name) || len(name) > 128-2 {
		t.Errorf("name %q", name)
	}
	long := ChangeSetName(strings.Repeat("x", 500), "step", w, nil)
	if len(long) > 120 {
		t.Errorf("name of %d characters", len(long))
	}
	other := Want{Spec: spec, Values: map[string]string{"B": "2", "Secret": "another", "Db": "another"}}
	if ChangeSetName("20261121-090000/äb", "stack/s/1/eu-west-1", other, secret) != name {
		t.Error("a secret's value is in the name")
	}
	other.Values["B"] = "3"
	if ChangeSetName("20261121-090000/äb", "stack/s/1/eu-west-1", other, secret) == name {
		t.Error("two inputs have one name")
	}
}

func TestSameSettings(t *testing.T) {
	spec := &axle.StackSpec{Project: "p", Stack: "s", StackName: "p-s", Tags: map[string]string{"team": "x"}, Capabilities: []string{"CAPABILITY_IAM"}, Defaults: map[string]string{"A": "1"}}
	w := Want{Spec: spec, Values: map[string]string{"B": "2"}}
	stack := func(change func(*Stack)) *Stack {
		s := &Stack{Parameters: map[string]string{"A": "1", "B": "2"}, Capabilities: []string{"CAPABILITY_IAM"},
			Tags: map[string]string{"team": "x", TagProject: "p", TagStack: "s"}}
		change(s)
		return s
	}
	d := New(nil, nil, nil)
	for _, c := range []struct {
		name   string
		change func(*Stack)
		want   bool
	}{
		{"equal", func(*Stack) {}, true},
		{"parameter", func(s *Stack) { s.Parameters["B"] = "3" }, false},
		{"a parameter more", func(s *Stack) { s.Parameters["C"] = "3" }, false},
		{"a parameter less", func(s *Stack) { delete(s.Parameters, "A") }, false},
		{"tag", func(s *Stack) { s.Tags["team"] = "y" }, false},
		{"other capabilities", func(s *Stack) { s.Capabilities = []string{"CAPABILITY_NAMED_IAM"} }, false},
		{"no capabilities were needed", func(s *Stack) { s.Capabilities = nil }, true},
		{"a role that stays", func(s *Stack) { s.Role = "arn:aws:iam::1:role/x" }, true},
	} {
		if got, err := d.sameSettings(axle.Target{}, w, stack(c.change)); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	spec.ExecutionRole = "deployer"
	if _, err := d.sameSettings(axle.Target{Account: "1"}, w, stack(func(*Stack) {})); err == nil {
		t.Error("a role's ARN without a partition")
	}
	d.Partition = "aws-cn"
	if same, _ := d.sameSettings(axle.Target{Account: "1"}, w, stack(func(s *Stack) { s.Role = "arn:aws-cn:iam::1:role/deployer" })); !same {
		t.Error("a role by name")
	}
}

func TestChangeOf(t *testing.T) {
	got := changeOf(&types.ResourceChange{Action: types.ChangeActionModify, LogicalResourceId: aws.String("T"), ResourceType: aws.String("AWS::SNS::Topic"),
		Replacement: types.ReplacementFalse, PolicyAction: types.PolicyActionReplaceAndDelete,
		Details: []types.ResourceChangeDetail{
			{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: aws.String("TopicName")}},
			{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeTags}},
			{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: aws.String("TopicName")}}, {}}})
	want := axle.ResourceChange{Action: "Modify", LogicalID: "T", Type: "AWS::SNS::Topic", Replacement: "True", Properties: []string{"Tags", "TopicName"}, Policy: "ReplaceAndDelete"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c := (Operation{Kind: axle.Update}).Change([]axle.ResourceChange{got}); c != axle.Replace {
		t.Errorf("change: %s", c)
	}
	if c := (Operation{Kind: axle.Create}).Change(nil); c != axle.Create {
		t.Errorf("change: %s", c)
	}
}
