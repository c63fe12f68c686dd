package action

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

func TestStackLife(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "20261121-090000-abcd")
	step := w.step("topic", topicTemplate, nil)

	res := w.must(a, step, values("Title", "one"))
	calls := w.called()
	if res.Change != axle.Create || !strings.Contains(res.Outputs["TopicArn"], w.account()) {
		t.Errorf("create: %+v", res)
	}
	if len(calls) > 6 {
		t.Errorf("a created stack took %d calls: %v", len(calls), calls)
	}
	res = w.must(a, step, values("Title", "one"))
	if calls := w.called(); res.Change != axle.None || res.Outputs["TopicArn"] == "" || len(calls) > 2 {
		t.Errorf("unchanged: %+v with %v", res, calls)
	}
	res = w.must(a, step, values("Title", "two"))
	if res.Change != axle.Update || len(res.Changes) == 0 {
		t.Errorf("update: %+v with %v", res, w.called())
	}
	w.called()

	verify := w.driver()
	verify.Verify = true
	res = w.must(NewStack(verify, "20261121-090001-abcd"), step, values("Title", "two"))
	if res.Change != axle.None {
		t.Errorf("verified without a change: %+v with %v", res, w.called())
	}

	// ministack takes an update of outputs alone for an empty one.
	onlyOutputs := w.step("topic", topicTemplate+"  Second: {Value: x}\n", nil)
	res = w.must(a, onlyOutputs, values("Title", "two"))
	if !w.witness && (res.Change != axle.Update || res.Outputs["Second"] != "x") {
		t.Errorf("an output more: %+v with %v", res, w.called())
	}
	res = w.must(a, w.step("topic", topicTemplate, func(s *axle.StackSpec) { s.Tags = map[string]string{"team": "other"} }), values("Title", "two"))
	if res.Change != axle.Update {
		t.Errorf("another tag: %+v", res)
	}

	live := *step
	live.Kind = "outputs"
	if res := w.must(NewOutputs(w.driver()), &live, axle.Inputs{}); res.Outputs["TopicArn"] == "" {
		t.Errorf("outputs: %+v", res)
	}
	gone := *step
	gone.Delete = true
	if res = w.must(a, &gone, axle.Inputs{}); res.Change != axle.Delete {
		t.Errorf("delete: %+v", res)
	}
	if res = w.must(a, &gone, axle.Inputs{}); res.Change != axle.None {
		t.Errorf("delete again: %+v", res)
	}
	w.fails(NewOutputs(w.driver()), &live, axle.Inputs{}, "NotDeployed", `stack "topic" is not deployed in dev`)
}

// TestStackUnkind: stale answers, short pages, throttled calls, and stacks that
// take their time.
func TestStackUnkind(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{Unkind: true, Seed: 3, StackTime: 2 * time.Second})
	if w.witness {
		t.Skip("only the sandbox can be unkind")
	}
	d := w.driver()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := NewStack(d, "r1")
			step := w.step(fmt.Sprint("topic", i), topicTemplate, nil)
			for n, want := range []axle.Change{axle.Create, axle.Update, axle.Update} {
				res, err := w.do(a, step, values("Title", fmt.Sprint("title", n)))
				if err != nil || res.Change != want || res.Outputs["TopicArn"] == "" {
					t.Errorf("%s, %d: %+v, %v", step.ID, n, res, err)
				}
			}
			step.Delete = true
			if res, err := w.do(a, step, values()); err != nil || res.Change != axle.Delete {
				t.Errorf("delete %s: %+v, %v", step.ID, res, err)
			}
		})
	}
	wg.Wait()
	if left, err := d.List(t.Context(), w.step("x", topicTemplate, nil).Target(), ""); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestStackMemory(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(cfn.New(w, w, w), "r1")
	step := w.step("topic", topicTemplate, nil)
	w.must(a, step, values())
	w.called()
	if res := w.must(a, step, values()); res.Change != axle.None || len(w.called()) > 1 {
		t.Errorf("unchanged with memory: %+v", res)
	}
}

func TestStackFailure(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	broken := w.step("broken", strings.Replace(topicTemplate, "Type: String, Name", "Type: Nonsense, Name", 1), nil)
	f := w.fails(a, broken, values(), "ResourceFailed", "Param (AWS::SSM::Parameter): ")
	if f.Resource != "Param" {
		t.Errorf("failure: %+v", f)
	}
	st, err := w.driver().Describe(t.Context(), broken.Target(), "flights-broken")
	if err != nil || st.State() != cfn.Dead {
		t.Fatalf("after the failure: %+v, %v", st, err)
	}
	pre := w.must(NewStackPreview(w.driver(), "r2"), broken, values())
	if pre.Change != axle.Create || !strings.Contains(pre.Note, "ROLLBACK_COMPLETE") {
		t.Errorf("preview of a dead stack: %+v", pre)
	}
	mended := w.step("broken", topicTemplate, nil)
	if res := w.must(a, mended, values()); res.Change != axle.Create || !strings.Contains(res.Note, "ROLLBACK_COMPLETE") {
		t.Errorf("mended: %+v", res)
	}
	f = w.fails(a, broken, values(), "ResourceFailed", "Param (AWS::SSM::Parameter): ")
	if f.Resource != "Param" {
		t.Errorf("failed update: %+v", f)
	}
	if res := w.must(a, mended, values("Title", "later")); res.Change != axle.Update {
		t.Errorf("after a failed update: %+v", res)
	}
}

func TestStackNotOurs(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	step := w.step("theirs", topicTemplate, nil)
	client, opt := w.CloudFormation(step.Target())
	if _, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("flights-theirs"), TemplateBody: aws.String(topicTemplate)}, opt); err != nil {
		t.Fatal(err)
	}
	a := NewStack(w.driver(), "r1")
	if f := w.fails(a, step, values(), "NotOurs", "no tag axle:project"); !f.Blocked || f.Hint == "" {
		t.Errorf("%+v", f)
	}
	gone := *step
	gone.Delete = true
	w.fails(a, &gone, values(), "NotOurs", "no tag axle:project")
	w.fails(NewStackPreview(w.driver(), "r1"), step, values(), "NotOurs", "")

	other := w.step("mine", topicTemplate, func(s *axle.StackSpec) { s.Project = "hotels"; s.StackName = "shared" })
	w.must(a, other, values())
	w.fails(a, w.step("mine", topicTemplate, func(s *axle.StackSpec) { s.StackName = "shared" }), values(), "NotOurs", `belongs to project "hotels"`)
}

func TestStackPreview(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	step := w.step("topic", topicTemplate, nil)
	preview := NewStackPreview(w.driver(), "r1")
	nothing := func(when string) {
		t.Helper()
		client, opt := w.CloudFormation(step.Target())
		out, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{}, opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range out.Stacks {
			if s.StackStatus == types.StackStatusReviewInProgress {
				t.Errorf("%s: %s is left in %s", when, *s.StackName, s.StackStatus)
			}
			sets, err := client.ListChangeSets(t.Context(), &cloudformation.ListChangeSetsInput{StackName: s.StackName}, opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range sets.Summaries {
				if strings.Contains(*c.ChangeSetName, "preview") && c.StackId != nil && *c.StackId == *s.StackId {
					t.Errorf("%s: change set %s is left", when, *c.ChangeSetName)
				}
			}
		}
	}
	unknown := axle.Inputs{Unknown: map[string][]string{"Title": {"vpc", "dns"}}}
	if res := w.must(preview, step, unknown); res.Change != axle.Create || strings.Join(res.After, ",") != "dns,vpc" {
		t.Errorf("new and unknown: %+v", res)
	}
	if res := w.must(preview, step, values()); res.Change != axle.Create || len(res.Changes) != 2 || res.Outputs != nil {
		t.Errorf("new: %+v", res)
	}
	nothing("new")
	w.must(NewStack(w.driver(), "r1"), step, values())
	if res := w.must(preview, step, values()); res.Change != axle.None || res.Outputs["TopicArn"] == "" {
		t.Errorf("unchanged: %+v", res)
	}
	if res := w.must(preview, step, values("Title", "x")); res.Change != axle.Update || len(res.Changes) == 0 {
		t.Errorf("changed: %+v", res)
	}
	nothing("changed")
	if res := w.must(preview, step, unknown); res.Change != axle.None || len(res.After) != 2 {
		t.Errorf("nothing known changes: %+v", res)
	}
	less := w.step("topic", strings.Replace(topicTemplate, "  Param:", "  Parameter:", 1), nil)
	res := w.must(preview, less, unknown)
	if res.Change != axle.Update || len(res.Changes) != 2 || res.Changes[0].Action != "Remove" || res.Changes[1].Action != "Add" {
		t.Errorf("another template: %+v", res)
	}
	gone := *step
	gone.Delete = true
	if res := w.must(preview, &gone, values()); res.Change != axle.Delete {
		t.Errorf("delete: %+v", res)
	}
	nothing("at the end")
}

func TestStackUnreviewed(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	step := w.step("topic", topicTemplate, nil)
	w.must(a, step, values())
	less := w.step("topic", topicTemplate[:strings.Index(topicTemplate, "  Param:")]+topicTemplate[strings.Index(topicTemplate, "Outputs:"):], nil)
	less.Review = &axle.Review{Known: true, Change: axle.Update}
	f := w.fails(a, less, values(), "UnreviewedChange", "remove Param (AWS::SSM::Parameter)")
	if !f.Blocked {
		t.Errorf("%+v", f)
	}
	less.Review.Changes = []axle.ResourceChange{{Action: "Remove", LogicalID: "Param"}}
	if res := w.must(a, less, values()); res.Change != axle.Update {
		t.Errorf("reviewed: %+v", res)
	}
}

func TestStackSecret(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	body := strings.Replace(topicTemplate, "Parameters:\n", "Parameters:\n  Secret: {Type: String, NoEcho: true}\n", 1)
	step := w.step("secret", body, nil)
	in := values("Secret", "hunter2-correct-horse")
	in.Secret = map[string]bool{"Secret": true}
	w.must(a, step, in)
	w.called()
	if res := w.must(a, step, values()); res.Change != axle.None { // keeps its value
		t.Errorf("without the value: %+v", res)
	}
	if calls := w.called(); !strings.Contains(strings.Join(calls, " "), "CreateChangeSet") {
		t.Errorf("a secret's stack was unchanged without a change set: %v", calls)
	}
}

// TestStackSecretDefault: a new stack takes the default of a NoEcho parameter that
// isn't given.
func TestStackSecretDefault(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	body := strings.Replace(topicTemplate, "Parameters:\n", "Parameters:\n  Secret: {Type: String, NoEcho: true, Default: hunter2}\n", 1)
	step := w.step("secret", body, nil)
	a := NewStack(w.driver(), "r1")
	if res := w.must(a, step, values()); res.Change != axle.Create {
		t.Errorf("first: %+v", res)
	}
	if res := w.must(a, step, values("Title", "two")); res.Change != axle.Update {
		t.Errorf("then: %+v", res)
	}
}

// TestStackDynamic: what a dynamic reference stands for may have changed where
// nothing else has, so only a change set tells.
func TestStackDynamic(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	w.must(a, w.step("other", topicTemplate, nil), values("Title", "one"))
	step := w.step("topic", topicTemplate, nil)
	in := values("Title", "{{resolve:ssm:/flights-other/title}}")
	w.must(a, step, in)
	w.must(a, w.step("other", topicTemplate, nil), values("Title", "two"))
	w.called()
	res := w.must(a, step, in)
	if calls := w.called(); !slices.Contains(calls, "CreateChangeSet") {
		t.Errorf("%+v without a change set: %v", res, calls)
	}
}

// TestStackMoved: what was reviewed is applied to the stack that it was reviewed
// on, and what wasn't agreed to isn't applied at all, however late it turns out.
func TestStackMoved(t *testing.T) {
	t.Parallel()
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	step := w.step("topic", topicTemplate, nil)
	w.must(a, step, values("Title", "one"))
	state, err := State(t.Context(), w.driver(), step, false)
	if err != nil {
		t.Fatal(err)
	}
	reviewed := func(r axle.Review) *axle.Step {
		again := *step
		again.Review = &r
		return &again
	}
	title := func(want string) {
		t.Helper()
		st, err := w.driver().Describe(t.Context(), step.Target(), "flights-topic")
		if err != nil || st.Parameters["Title"] != want {
			t.Errorf("%+v, %v, want title %s", st, err, want)
		}
	}
	w.fails(a, reviewed(axle.Review{Refused: "its preview failed"}), values("Title", "two"), "NotReviewed", "its preview failed")
	title("one")
	shown := w.must(NewStackPreview(w.driver(), "r1"), step, values("Title", "two")).Changes
	w.must(a, reviewed(axle.Review{Known: true, Change: axle.Update, Changes: shown, State: &state}), values("Title", "two"))
	title("two")
	gone := reviewed(axle.Review{Known: true, Change: axle.Delete, State: &state})
	gone.Delete = true
	for _, step := range []*axle.Step{reviewed(axle.Review{Known: true, Change: axle.Update, State: &state}), gone} {
		if f := w.fails(a, step, values("Title", "three"), "Moved", "isn't what the plan was made on"); !f.Blocked {
			t.Errorf("%+v", f)
		}
		title("two")
	}
}
