package sandbox_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"axle/sandbox"
)

// chain is three parameters, each after the one before, and one beside them.
const chain = `
Parameters: {V: {Type: String, Default: one}, Extra: {Type: String, Default: "no"}}
Conditions: {Extra: !Equals [!Ref Extra, "yes"]}
Resources:
  A: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref V}}
  B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "${A} ${V}"}}
  C: {Type: AWS::SSM::Parameter, DependsOn: B, Properties: {Type: String, Value: x, Description: !Ref V}}
  X: {Type: AWS::SSM::Parameter, Condition: Extra, Properties: {Type: String, Value: x}}
Outputs:
  A: {Value: !Ref A}
  V: {Value: !GetAtt B.Value}
`

func fails(resource, on string, count int) sandbox.Options {
	return sandbox.Options{Faults: []sandbox.Fault{{Kind: "fail", Resource: resource, On: on, Message: "it broke", Count: count}}}
}

func (t *cfnTest) sameHistory(stack string, want ...string) {
	t.Helper()
	if got := t.history(stack); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events of %s:\n%s\nwant:\n%s", stack, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// parameters are the names of the SSM parameters there are.
func (t *cfnTest) parameters() []string {
	t.Helper()
	out, err := ssm.NewFromConfig(configOf(t.box, t.url)).DescribeParameters(t.ctx, &ssm.DescribeParametersInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range out.Parameters {
		names = append(names, *p.Name)
	}
	return names
}

func (t *cfnTest) delete(name string) {
	t.Helper()
	if _, err := t.DeleteStack(t.ctx, &cf.DeleteStackInput{StackName: &name}); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

func TestCreationRollsBack(tt *testing.T) {
	t := newCFN(tt, fails("B", "create", 0))
	st := t.want(t.create("s", chain), "ROLLBACK_COMPLETE")
	t.sameHistory("s", "s CREATE_IN_PROGRESS User Initiated", "A CREATE_IN_PROGRESS", "A CREATE_IN_PROGRESS Resource creation Initiated",
		"A CREATE_COMPLETE", "B CREATE_IN_PROGRESS", "B CREATE_FAILED it broke",
		"s ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [B]. Rollback requested by user.",
		"B DELETE_COMPLETE", "A DELETE_IN_PROGRESS", "A DELETE_COMPLETE", "s ROLLBACK_COMPLETE")
	if left := t.parameters(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain)})
	t.refused(err, "ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated.")
	t.delete("s")
	_, err = t.DescribeStacks(t.ctx, &cf.DescribeStacksInput{StackName: aws.String("s")})
	t.refused(err, "ValidationError", "Stack with id s does not exist")
	t.want(t.settled(*st.StackId), "DELETE_COMPLETE")
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), OnFailure: types.OnFailureDelete})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := t.ListStacks(t.ctx, &cf.ListStacksInput{StackStatusFilter: []types.StackStatus{types.StackStatusDeleteComplete}})
	if err != nil || len(listed.StackSummaries) != 2 {
		t.Fatalf("two deleted stacks: %v %v", listed, err)
	}
	_, err = t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), DisableRollback: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "CREATE_FAILED")
	if left := t.parameters(); len(left) != 1 {
		t.Errorf("with rollback disabled: %v", left)
	}
}

func TestSiblingsOfAFailureAreCancelled(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{StackTime: 100 * time.Millisecond,
		Faults: []sandbox.Fault{{Kind: "fail", Resource: "Z", Message: "no"}}})
	t.want(t.create("s", `{"Resources": {"A": {"Type": "AWS::SNS::Topic"}, "Z": {"Type": "AWS::SNS::Topic"}}}`), "ROLLBACK_COMPLETE")
	if h := t.history("s"); !slices.Contains(h, "A CREATE_FAILED Resource creation cancelled") ||
		!slices.Contains(h, "s ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [A, Z]. Rollback requested by user.") {
		t.Errorf("events:\n%s", strings.Join(h, "\n"))
	}
}

func TestUpdate(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	first := t.want(t.create("s", chain), "CREATE_COMPLETE")
	if first.LastUpdatedTime != nil {
		t.Error("a new stack was updated")
	}
	st := t.want(t.update("s", chain, "V=two", "Extra=yes"), "UPDATE_COMPLETE")
	if t.output(st, "V") != t.output(st, "A")+" two" || st.LastUpdatedTime == nil {
		t.Errorf("after the update: %+v", st.Outputs)
	}
	if n := len(t.parameters()); n != 4 {
		t.Errorf("%d parameters", n)
	}
	_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String("# a remark\n" + chain),
		Parameters: []types.Parameter{{ParameterKey: aws.String("V"), UsePreviousValue: aws.Bool(true)}, {ParameterKey: aws.String("Extra"), UsePreviousValue: aws.Bool(true)}}})
	t.refused(err, "ValidationError", "No updates are to be performed.")
	t.want(t.update("s", chain, "V=two"), "UPDATE_COMPLETE")
	if n := len(t.parameters()); n != 3 {
		t.Errorf("%d parameters", n)
	}
	h := t.history("s")
	tail := []string{"s UPDATE_IN_PROGRESS User Initiated", "s UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "X DELETE_IN_PROGRESS", "X DELETE_COMPLETE", "s UPDATE_COMPLETE"}
	if got := h[len(h)-len(tail):]; !slices.Equal(got, tail) {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(strings.Replace(chain, "A: {Type: AWS::SSM::Parameter", "A: {Type: AWS::SNS::Topic", 1))})
	t.refused(err, "ValidationError", "Update of resource type is not permitted.")
}

const named = `
Parameters: {N: {Type: String}, D: {Type: String, Default: d}}
Resources:
  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref N, DisplayName: !Ref D}}
  P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /p, Value: !Ref T}}
`

func (t *cfnTest) topics() []string {
	t.Helper()
	out, err := sns.NewFromConfig(configOf(t.box, t.url)).ListTopics(t.ctx, &sns.ListTopicsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range out.Topics {
		names = append(names, (*x.TopicArn)[strings.LastIndex(*x.TopicArn, ":")+1:])
	}
	return names
}

func TestReplacement(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.want(t.create("s", named, "N=one"), "CREATE_COMPLETE")
	t.want(t.update("s", named, "N=two"), "UPDATE_COMPLETE")
	if got := t.topics(); !slices.Equal(got, []string{"two"}) {
		t.Errorf("topics %v", got)
	}
	h := t.history("s")
	for _, line := range []string{"T UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource; hence creating one.",
		"T UPDATE_IN_PROGRESS Resource creation Initiated", "T UPDATE_COMPLETE", "T DELETE_COMPLETE"} {
		if !slices.Contains(h, line) {
			t.Errorf("no event %q in\n%s", line, strings.Join(h, "\n"))
		}
	}
}

func TestUpdateRollsBack(tt *testing.T) {
	t := newCFN(tt, fails("P", "update", 1))
	t.want(t.create("s", named, "N=one"), "CREATE_COMPLETE")
	st := t.want(t.update("s", named, "N=two", "D=new"), "UPDATE_ROLLBACK_COMPLETE")
	if got := t.topics(); !slices.Equal(got, []string{"one"}) {
		t.Errorf("topics %v", got)
	}
	if *st.Parameters[1].ParameterValue != "one" {
		t.Errorf("parameters %v", st.Parameters)
	}
	if h := t.history("s"); !slices.Contains(h, "s UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to update: [P].") {
		t.Errorf("events:\n%s", strings.Join(h, "\n"))
	}
	t.want(t.update("s", named, "N=two", "D=new"), "UPDATE_COMPLETE")
}

func TestUpdateWithoutRollback(tt *testing.T) {
	t := newCFN(tt, fails("P", "update", 1))
	t.want(t.create("s", named, "N=one"), "CREATE_COMPLETE")
	in := &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(named), Parameters: pairs([]string{"N=two"}), DisableRollback: aws.Bool(true)}
	if _, err := t.UpdateStack(t.ctx, in); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_FAILED")
	if got := t.topics(); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("topics %v", got)
	}
	if _, err := t.UpdateStack(t.ctx, in); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_COMPLETE")
	if got := t.topics(); !slices.Equal(got, []string{"two"}) {
		t.Errorf("topics %v", got)
	}
}

func TestRollbackFailsAndContinues(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{Faults: []sandbox.Fault{
		{Kind: "fail", Resource: "C", On: "update", Message: "it broke", Count: 1},
		{Kind: "fail", Resource: "A", On: "rollback", Message: "still broken", Count: 2}}})
	t.want(t.create("s", chain), "CREATE_COMPLETE")
	st := t.want(t.update("s", chain, "V=two"), "UPDATE_ROLLBACK_FAILED")
	if !strings.Contains(*st.StackStatusReason, "failed to update: [A]") {
		t.Errorf("reason %q", *st.StackStatusReason)
	}
	again := &cf.ContinueUpdateRollbackInput{StackName: aws.String("s")}
	if _, err := t.ContinueUpdateRollback(t.ctx, again); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_ROLLBACK_FAILED")
	again.ResourcesToSkip = []string{"B"}
	_, err := t.ContinueUpdateRollback(t.ctx, again)
	t.refused(err, "ValidationError", "[B]")
	again.ResourcesToSkip = []string{"A"}
	if _, err := t.ContinueUpdateRollback(t.ctx, again); err != nil {
		t.Fatal(err)
	}
	st = t.want(t.settled("s"), "UPDATE_ROLLBACK_COMPLETE")
	_, err = t.ContinueUpdateRollback(t.ctx, again)
	t.refused(err, "ValidationError", "can not continue rollback")
	t.delete("s")
	t.want(t.settled(*st.StackId), "DELETE_COMPLETE")
	if left := t.parameters(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDeleteFailsAndRetains(tt *testing.T) {
	t := newCFN(tt, fails("A", "delete", 1))
	id := *t.want(t.create("s", chain), "CREATE_COMPLETE").StackId
	t.delete("s")
	st := t.want(t.settled("s"), "DELETE_FAILED")
	if want := "The following resource(s) failed to delete: [A]."; *st.StackStatusReason != want {
		t.Errorf("reason %q", *st.StackStatusReason)
	}
	if _, err := t.DeleteStack(t.ctx, &cf.DeleteStackInput{StackName: aws.String("s"), RetainResources: []string{"A"}}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled(id), "DELETE_COMPLETE")
	if left := t.parameters(); len(left) != 1 {
		t.Errorf("retained: %v", left)
	}
	if h := t.history(id); !slices.Contains(h, "A DELETE_SKIPPED") {
		t.Errorf("events:\n%s", strings.Join(h, "\n"))
	}
}

func TestDeletionPolicy(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	id := *t.create("s", `{"Resources": {"T": {"Type": "AWS::SNS::Topic", "DeletionPolicy": "Retain"}}}`).StackId
	t.delete("s")
	t.want(t.settled(id), "DELETE_COMPLETE")
	if len(t.topics()) != 1 {
		t.Error("the topic is gone")
	}
}

func TestTerminationProtection(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", chain)
	protect := &cf.UpdateTerminationProtectionInput{StackName: aws.String("s"), EnableTerminationProtection: aws.Bool(true)}
	if _, err := t.UpdateTerminationProtection(t.ctx, protect); err != nil {
		t.Fatal(err)
	}
	_, err := t.DeleteStack(t.ctx, &cf.DeleteStackInput{StackName: aws.String("s")})
	t.refused(err, "ValidationError", "Stack [s] cannot be deleted while TerminationProtection is enabled")
}

func TestOperationsTakeTheirTimeAndSurviveARestart(tt *testing.T) {
	synctest.Test(tt, func(tt *testing.T) {
		opts := sandbox.Options{StackTime: 3 * time.Second, State: filepath.Join(tt.TempDir(), "state.json")}
		start := func() (*cfnTest, aws.Config) {
			box, cfg := still(tt, opts)
			return &cfnTest{TB: tt, Client: cf.NewFromConfig(cfg), box: box, ctx: context.Background()}, cfg
		}
		begun := time.Now()
		t, _ := start()
		if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain)}); err != nil {
			t.Fatal(err)
		}
		if err := t.box.Close(); err != nil {
			t.Fatal(err)
		}
		t, _ = start()
		t.want(t.settled("s"), "CREATE_COMPLETE")
		if took := time.Since(begun); took < opts.StackTime || took > opts.StackTime+time.Second {
			t.Errorf("took %s", took)
		}
		t.delete("s")
		if err := t.box.Close(); err != nil {
			t.Fatal(err)
		}
		t, cfg := start()
		time.Sleep(opts.StackTime + time.Second) // the deletion goes on
		left, err := ssm.NewFromConfig(cfg).DescribeParameters(t.ctx, &ssm.DescribeParametersInput{})
		if err != nil || len(left.Parameters) > 0 {
			t.Errorf("of the stack there are %v, %v", left, err)
		}
	})
}

func TestTokens(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	in := &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), ClientRequestToken: aws.String("t1")}
	first, err := t.CreateStack(t.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	second, err := t.CreateStack(t.ctx, in)
	if err != nil || *first.StackId != *second.StackId {
		t.Fatalf("repeated: %v %v", second, err)
	}
	_, err = t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), ClientRequestToken: aws.String("t1")})
	t.refused(err, "TokenAlreadyExistsException", "t1")
	in.ClientRequestToken = nil
	_, err = t.CreateStack(t.ctx, in)
	t.refused(err, "AlreadyExistsException", "Stack [s] already exists")
}

// A stack of a saved state is to CloudFormation what it was before.
func TestSavedStackIsUnchanged(tt *testing.T) {
	opts := sandbox.Options{State: filepath.Join(tt.TempDir(), "state.json")}
	body := "Resources: {T: {Type: AWS::SNS::Topic, Metadata: {why: a < b && c}, Properties: {DisplayName: a & b}}}"
	first := newCFN(tt, opts)
	first.want(first.create("s", body), "CREATE_COMPLETE")
	if err := first.box.Save(); err != nil {
		tt.Fatal(err)
	}
	t := newCFN(tt, opts)
	_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("s"), TemplateBody: &body})
	t.refused(err, "ValidationError", "No updates are to be performed.")
}

// The policy that an update brings along is the one that its change set shows.
func TestReplacedResourceStaysByTheNewPolicy(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	body := "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: one}}\n"
	t.create("s", body)
	set := t.changeSet("s", "c", strings.NewReplacer("T: {", "T: {UpdateReplacePolicy: Retain, ", "one", "two").Replace(body))
	if p := set.Changes[0].ResourceChange.PolicyAction; p != types.PolicyActionReplaceAndRetain {
		t.Fatalf("the change set says %s", p)
	}
	if _, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: set.ChangeSetId}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "UPDATE_COMPLETE")
	topics, err := sns.NewFromConfig(configOf(t.box, t.url)).ListTopics(t.ctx, &sns.ListTopicsInput{})
	if err != nil || len(topics.Topics) != 2 {
		t.Errorf("%d topics are left, %v", len(topics.Topics), err)
	}
}
