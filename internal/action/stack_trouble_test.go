package action

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/template"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// TestStackCrash leaves a step after each call and goes on with what was
// journaled: the stack is made once, and the step's end is the same.
func TestStackCrash(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	for _, lost := range []string{"start", "changeset", "execute"} {
		step := w.step("crash"+lost, topicTemplate, nil)
		ctx := t.Context()
		first := NewStack(w.driver(), "r1")
		p, err := first.Start(ctx, step, values())
		if err != nil || !strings.HasPrefix(p.Token, "changeset:") {
			t.Fatalf("%s: %+v %v", lost, p, err)
		}
		token := p.Token
		switch lost {
		case "start": // the token never came to the journal
			token = ""
		case "changeset": // executed, but not journaled
			if _, err := first.Check(ctx, step, token); err != nil {
				t.Fatal(err)
			}
		case "execute":
			if p, err = first.Check(ctx, step, token); err != nil {
				t.Fatal(err)
			}
			token = p.Token
		}
		second := NewStack(w.driver(), "r1")
		if token == "" {
			p, err = second.Start(ctx, step, values())
			token = p.Token
		}
		for err == nil && !p.Done {
			p, err = second.Check(ctx, step, token)
			token = p.Token
		}
		if err != nil || p.Result.Change != axle.Create || p.Result.Outputs["TopicArn"] == "" {
			t.Errorf("lost at %s: %+v, %v", lost, p.Result, err)
		}
	}
	stacks, err := w.driver().List(t.Context(), w.step("x", topicTemplate, nil).Target(), "flights")
	names := map[string]int{}
	for _, s := range stacks {
		names[s.Name]++
	}
	if want := map[string]int{"flights-crashstart": 1, "flights-crashchangeset": 1, "flights-crashexecute": 1}; err != nil || !maps.Equal(names, want) {
		t.Errorf("stacks: %v, %v", names, err)
	}
}

func TestStackProtected(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	step := w.step("kept", topicTemplate, func(s *axle.StackSpec) { s.Protect = aws.Bool(true) })
	w.must(a, step, values())
	gone := *step
	gone.Delete = true
	if f := w.fails(a, &gone, values(), "Protected", "termination protection"); !f.Blocked || !strings.Contains(f.Hint, "protect: false") {
		t.Errorf("%+v", f)
	}
	w.fails(NewStackPreview(w.driver(), "r1"), &gone, values(), "Protected", "")
}

func TestStackExportInUse(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	out := w.step("out", strings.Replace(topicTemplate, "{Value: !Ref Topic}", "{Value: !Ref Topic, Export: {Name: the-topic}}", 1), nil)
	in := w.step("in", "Resources:\n  P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /in, Value: !ImportValue the-topic}}\n", nil)
	w.must(a, out, values())
	w.must(a, in, values())
	gone := *out
	gone.Delete = true
	_, err := w.do(a, &gone, values())
	var f *axle.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Message, "flights-in") || !w.witness && !strings.Contains(f.Hint, "flights-in") {
		t.Errorf("deleting an export in use: %v, %+v", err, f)
	}
	importer := *in
	importer.Delete = true
	w.must(a, &importer, values())
	if res := w.must(a, &gone, values()); res.Change != axle.Delete { // not the same request again
		t.Errorf("deleting it now that nobody imports it: %+v", res)
	}
}

// TestStackBusy: somebody else's update is waited for, then ours follows.
func TestStackBusy(t *testing.T) {
	t.Parallel()
	onItsClock(t, testStackBusy)
}

func testStackBusy(t *testing.T) {
	w := newStackWorld(t, sandbox.Options{StackTime: 3 * time.Second})
	a := NewStack(w.driver(), "r1")
	step := w.step("topic", topicTemplate, nil)
	w.must(a, step, values())
	client, opt := w.CloudFormation(step.Target())
	_, err := client.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{StackName: aws.String("flights-topic"), UsePreviousTemplate: aws.Bool(true),
		Parameters: []types.Parameter{{ParameterKey: aws.String("Title"), ParameterValue: aws.String("theirs")}}}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if !w.witness {
		p, err := a.Start(t.Context(), step, values("Title", "ours"))
		if err != nil || !strings.HasPrefix(p.Token, "wait:") || !strings.Contains(p.Result.Note, "UPDATE_IN_PROGRESS") {
			t.Errorf("start while busy: %+v, %v", p, err)
		}
		impatient := NewStack(w.driver(), "r1")
		impatient.OtherTime = -1
		if _, err := impatient.Check(t.Context(), step, p.Token); err == nil || !strings.Contains(err.Error(), "busy with somebody else's operation") {
			t.Errorf("out of patience: %v", err)
		}
	}
	if res := w.must(a, step, values("Title", "ours")); res.Change != axle.Update {
		t.Errorf("after somebody else: %+v", res)
	}
	st, err := w.driver().Describe(t.Context(), step.Target(), "flights-topic")
	if err != nil || st.Parameters["Title"] != "ours" {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestStackPreviewCancelled: who gives up leaves nothing behind.
func TestStackPreviewCancelled(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	step := w.step("topic", topicTemplate, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.onCall = func(operation string) {
		if operation == "DescribeChangeSet" {
			cancel()
		}
	}
	if _, err := NewStackPreview(w.driver(), "r1").Start(ctx, step, values()); err == nil {
		t.Error("a cancelled preview succeeded")
	}
	w.onCall = nil
	if st, err := w.driver().Describe(t.Context(), step.Target(), "flights-topic"); !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("left behind: %+v, %v", st, err)
	}
}

// TestStackShell: a shell that a killed preview left is used; one with
// somebody else's change set isn't touched.
func TestStackShell(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	client, opt := w.CloudFormation(axle.Target{Account: w.account(), Region: "eu-west-1"})
	shell := func(stack, name string) {
		t.Helper()
		if _, err := client.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{StackName: &stack, ChangeSetName: &name,
			ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(topicTemplate)}, opt); err != nil {
			t.Fatal(err)
		}
	}
	shell("flights-left", "axle-preview-r0-0123")
	shell("flights-theirs", "their-review")
	left, theirs := w.step("left", topicTemplate, nil), w.step("theirs", topicTemplate, nil)
	if res := w.must(NewStackPreview(w.driver(), "r1"), left, values()); res.Change != axle.Create {
		t.Errorf("preview: %+v", res)
	}
	shell("flights-left", "axle-preview-r00-0123")
	if res := w.must(NewStack(w.driver(), "r1"), left, values()); res.Change != axle.Create {
		t.Errorf("deploy: %+v", res)
	}
	w.fails(NewStack(w.driver(), "r1"), theirs, values(), "NotOurs", "their-review")
	gone := *theirs
	gone.Delete = true
	w.fails(NewStack(w.driver(), "r1"), &gone, values(), "NotOurs", "their-review")
}

// TestStackDeadProtected: what failed to be made isn't recreated under
// termination protection.
func TestStackDeadProtected(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	broken := w.step("broken", strings.Replace(topicTemplate, "Type: String, Name", "Type: Nonsense, Name", 1), nil)
	w.fails(a, broken, values(), "ResourceFailed", "Param")
	if err := w.driver().Protect(t.Context(), broken.Target(), "flights-broken", true); err != nil {
		t.Fatal(err)
	}
	w.fails(a, broken, values(), "Protected", "ROLLBACK_COMPLETE")
	w.fails(NewStackPreview(w.driver(), "r1"), broken, values(), "Protected", "ROLLBACK_COMPLETE")
}

// TestStackProtection: it follows axle.yaml both ways, without touching
// anything else, and stays as it is where axle.yaml doesn't say.
func TestStackProtection(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	on := w.step("kept", topicTemplate, func(s *axle.StackSpec) { s.Protect = aws.Bool(true) })
	w.must(a, on, values())
	if calls := w.called(); len(calls) > 6 {
		t.Errorf("a protected stack took %d calls: %v", len(calls), calls)
	}
	w.must(a, on, values())
	if calls := w.called(); len(calls) > 2 {
		t.Errorf("an unchanged one took %v", calls)
	}
	unsaid := w.step("kept", topicTemplate, nil)
	if res := w.must(a, unsaid, values()); res.Change != axle.None {
		t.Errorf("not said: %+v", res)
	}
	off := w.step("kept", topicTemplate, func(s *axle.StackSpec) { s.Protect = aws.Bool(false) })
	if res := w.must(NewStackPreview(w.driver(), "r1"), off, values()); res.Change != axle.Update || res.Note == "" {
		t.Errorf("preview: %+v", res)
	}
	if res := w.must(a, off, values()); res.Change != axle.Update || res.Note == "" {
		t.Errorf("off: %+v", res)
	}
	off.Delete = true
	if res := w.must(a, off, values()); res.Change != axle.Delete {
		t.Errorf("delete: %+v", res)
	}
}

// TestStackCapabilities: AWS's refusal comes with what to write where.
func TestStackCapabilities(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	if w.witness {
		t.Skip("ministack checks capabilities only when it checks permissions")
	}
	role := w.step("role", `{"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17",
		"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}}}}}`, nil)
	f := w.fails(NewStack(w.driver(), "r1"), role, values(), "InsufficientCapabilitiesException", "CAPABILITY_IAM")
	if !strings.Contains(f.Hint, "capabilities in axle.yaml") {
		t.Errorf("%+v", f)
	}
	role.Spec.Stack.Capabilities = []string{"CAPABILITY_IAM"}
	w.must(NewStack(w.driver(), "r1"), role, values())
	w.called()
	if res := w.must(NewStack(w.driver(), "r1"), role, values()); res.Change != axle.None || len(w.called()) > 2 {
		t.Errorf("unchanged: %+v", res)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	good := w.step("good", topicTemplate, nil)
	d := w.driver()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := d.Validate(t.Context(), good.Target(), good.Spec.Stack.Template); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if calls := w.called(); len(calls) != 1 {
		t.Errorf("ten targets: %v", calls)
	}
	bad := template.Digest([]byte("Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nothing}}}"))
	w.bodies[bad] = []byte("Resources: {T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nothing}}}")
	for range 2 {
		err := d.Validate(t.Context(), good.Target(), bad)
		if !w.witness && (!cfn.IsInvalidTemplate(err) || !strings.Contains(err.Error(), "Nothing")) { // ministack doesn't look at references
			t.Errorf("a bad template: %v", err)
		}
	}
}

// TestStackEventsDenied: events tell people more, and change nothing about how a
// step has ended.
func TestStackEventsDenied(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{Faults: []sandbox.Fault{
		{Kind: "deny", Operation: "DescribeStackEvents"},
		{Kind: "fail", Stack: "flights-broken", Resource: "Param", Message: "no room"}}})
	a := NewStack(w.driver(), "r1")
	step := w.step("told", topicTemplate, nil)
	w.must(a, step, values())
	other := w.step("told", strings.NewReplacer("  Param:", "  Other:", "/title", "/other").Replace(topicTemplate), nil) // Param goes
	if res := w.must(a, other, values("Title", "b")); res.Change != axle.Update || res.Outputs["TopicArn"] == "" || !strings.Contains(res.Warning, "AccessDenied") {
		t.Errorf("an update that succeeded: %+v", res)
	}
	f := w.fails(a, w.step("broken", topicTemplate, nil), values(), "ResourceFailed", "stack flights-broken is in ROLLBACK_COMPLETE")
	if !strings.Contains(f.Hint, "deploy again; which resource failed isn't known") {
		t.Errorf("%+v", f)
	}
}

// TestStackOvertaken: another run makes the stack while this one's change set is in
// its shell. This one goes on, and the stack is as it wants it.
func TestStackOvertaken(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	step := w.step("raced", topicTemplate, nil)
	a := NewStack(w.driver(), "r1")
	p, err := a.Start(t.Context(), step, values("Title", "ours"))
	if err != nil {
		t.Fatal(err)
	}
	w.must(NewStack(w.driver(), "r2"), step, values("Title", "theirs"))
	if w.witness { // CloudFormation removes the other change sets with the execution of one
		client, opt := w.CloudFormation(step.Target())
		ph, _ := parsePhase(p.Token)
		_, err = client.DeleteChangeSet(t.Context(), &cloudformation.DeleteChangeSetInput{ChangeSetName: &ph.op.ChangeSet, StackName: &ph.op.StackID}, opt)
	}
	for err == nil && !p.Done {
		p, err = a.Check(t.Context(), step, p.Token)
	}
	if errors.Is(err, axle.ErrNotFound) { // the engine starts it anew
		p.Result = w.must(a, step, values("Title", "ours"))
	}
	st, derr := w.driver().Describe(t.Context(), step.Target(), "flights-raced")
	if derr != nil || st.Parameters["Title"] != "ours" {
		t.Errorf("the step ended with %+v, %v, and the stack is %+v, %v", p.Result, err, st, derr)
	}
}

// TestStackObsolete: somebody updates the stack directly between our look at the
// change set and its execution, which is refused then. Theirs isn't taken for ours.
func TestStackObsolete(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	if w.witness {
		t.Skip("moto executes an obsolete change set")
	}
	step := w.step("raced", topicTemplate, nil)
	a := NewStack(w.driver(), "r1")
	w.must(a, step, values("Title", "first"))
	client, opt := w.CloudFormation(step.Target())
	var once sync.Once
	w.onCall = func(op string) {
		if op != "ExecuteChangeSet" {
			return
		}
		once.Do(func() {
			_, err := client.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{StackName: aws.String("flights-raced"), UsePreviousTemplate: aws.Bool(true),
				Parameters: []types.Parameter{{ParameterKey: aws.String("Title"), ParameterValue: aws.String("theirs")}}}, opt)
			if err != nil {
				t.Error(err)
			}
		})
	}
	if res := w.must(a, step, values("Title", "ours")); res.Change != axle.Update {
		t.Errorf("overtaken, and done anew: %+v", res)
	}
	st, err := w.driver().Describe(t.Context(), step.Target(), "flights-raced")
	if err != nil || st.Parameters["Title"] != "ours" {
		t.Errorf("the stack is %+v, %v", st, err)
	}
}
