package action

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/template"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

// stackWorld is a CloudFormation to test against, and what was called there:
// the sandbox, or the emulator at AXLE_WITNESS_ENDPOINT (ministack).
type stackWorld struct {
	t       *testing.T
	witness bool
	at      string // account
	bodies  map[string][]byte
	client  *cloudformation.Client
	creds   aws.CredentialsProvider

	mu     sync.Mutex
	calls  []string
	record map[string]recorded
}

type recorded struct {
	digest string
	at     time.Time
}

func newStackWorld(t *testing.T, opts sandbox.Options) *stackWorld {
	w := &stackWorld{t: t, at: "222222222222", bodies: map[string][]byte{}, record: map[string]recorded{}}
	endpoint := os.Getenv("AXLE_WITNESS_ENDPOINT")
	if endpoint != "" { // access keys that look like account ids choose the account
		var n int64
		for _, c := range t.Name() {
			n = (n*31 + int64(c)) % 1e9
		}
		w.witness, w.at = true, fmt.Sprintf("%012d", 1e11+n*100+int64(os.Getpid()%100))
		w.creds = credentials.NewStaticCredentialsProvider(w.at, "secret", "")
	} else {
		opts.Organization = &sandbox.OrgFile{Accounts: []sandbox.OrgAccount{{ID: w.at, Name: "dev"}}}
		s, err := sandbox.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s)
		t.Cleanup(func() {
			server.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		endpoint = server.URL
		key, secret := s.Credentials()
		door := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
		w.creds = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(door, "arn:aws:iam::"+w.at+":role/OrganizationAccountAccessRole"))
	}
	w.client = cloudformation.New(cloudformation.Options{Region: "eu-west-1", BaseEndpoint: &endpoint})
	return w
}

// CloudFormation implements cfn.Clients.
func (w *stackWorld) CloudFormation(at axle.Target) (*cloudformation.Client, func(*cloudformation.Options)) {
	return w.client, func(o *cloudformation.Options) {
		o.Region, o.Credentials = at.Region, w.creds
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, s.ID())
			return nil
		})
	}
}

func (w *stackWorld) Body(digest string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if body, ok := w.bodies[digest]; ok {
		return body, nil
	}
	return nil, fmt.Errorf("template %s: %w", digest, axle.ErrNotFound)
}

func (w *stackWorld) URL(context.Context, string, axle.Target) (string, error) {
	return "", errors.New("no bucket here")
}

func (w *stackWorld) Digest(id string) (string, time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.record[id]
	return r.digest, r.at, ok
}

func (w *stackWorld) Remember(id, digest string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record[id] = recorded{digest, at}
}

// called returns the calls since the last time.
func (w *stackWorld) called() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// step is a stack step with a template's text.
func (w *stackWorld) step(name, body string, more func(*axle.StackSpec)) *axle.Step {
	tp, problems := template.Parse(name, []byte(body))
	if err := problems.Err(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.bodies[tp.Digest] = tp.Body
	w.mu.Unlock()
	spec := &axle.StackSpec{Project: "flights", Stack: name, StackName: "flights-" + name, Template: tp.Digest,
		Tags: map[string]string{"team": "network"}, Defaults: tp.Defaults(nil), NoEcho: tp.NoEcho(), Opaque: tp.Opaque()}
	if more != nil {
		more(spec)
	}
	return &axle.Step{ID: "stack/" + name + "/" + w.account() + "/eu-west-1", Kind: "stack", Name: name,
		Account: w.account(), AccountName: "dev", Region: "eu-west-1", Spec: &axle.Spec{Stack: spec}}
}

func (w *stackWorld) account() string { return w.at }

type starter interface {
	Start(context.Context, *axle.Step, axle.Inputs) (axle.Progress, error)
	Check(context.Context, *axle.Step, string) (axle.Progress, error)
}

// do drives a step to its end, as the engine does.
func (w *stackWorld) do(a starter, step *axle.Step, in axle.Inputs) (axle.Result, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	token := ""
	var again interface{ Transient() bool }
	for range 100 {
		var p axle.Progress
		var err error
		if token == "" {
			p, err = a.Start(ctx, step, in)
		} else {
			p, err = a.Check(ctx, step, token)
		}
		switch {
		case errors.Is(err, axle.ErrNotFound) && token != "":
			token = ""
			continue
		case errors.As(err, &again) && again.Transient():
			continue
		case err != nil || p.Done:
			return p.Result, err
		}
		token = p.Token
	}
	w.t.Fatal("the step doesn't come to an end")
	return axle.Result{}, nil
}

func (w *stackWorld) driver() *cfn.Driver { return cfn.New(w, w, nil) }

func (w *stackWorld) must(a starter, step *axle.Step, in axle.Inputs) axle.Result {
	w.t.Helper()
	res, err := w.do(a, step, in)
	if err != nil {
		w.t.Fatalf("%s: %v", step.ID, err)
	}
	return res
}

func values(kv ...string) axle.Inputs {
	in := axle.Inputs{Values: map[string]string{}}
	for i := 0; i < len(kv); i += 2 {
		in.Values[kv[i]] = kv[i+1]
	}
	return in
}

func (w *stackWorld) fails(a starter, step *axle.Step, in axle.Inputs, code, text string) *axle.Failure {
	w.t.Helper()
	res, err := w.do(a, step, in)
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.Message, text) {
		w.t.Fatalf("%s: got %+v, %v (%#v); want failure %s with %q", step.ID, res, err, f, code, text)
	}
	return f
}

const topicTemplate = `Parameters:
  Title: {Type: String, Default: a}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Ref Title}
  Param:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Sub "/${AWS::StackName}/title", Value: !Ref Title}
Outputs:
  TopicArn: {Value: !Ref Topic}
`

func TestStackLife(t *testing.T) {
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

// TestStackCrash leaves a step after each call and goes on with what was
// journaled: the stack is made once, and the step's end is the same.
func TestStackCrash(t *testing.T) {
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
	w := newStackWorld(t, sandbox.Options{})
	a := NewStack(w.driver(), "r1")
	step := w.step("kept", topicTemplate, func(s *axle.StackSpec) { s.Protect = true })
	w.must(a, step, values())
	gone := *step
	gone.Delete = true
	if f := w.fails(a, &gone, values(), "Protected", "termination protection"); !f.Blocked || !strings.Contains(f.Hint, "protect: false") {
		t.Errorf("%+v", f)
	}
	w.fails(NewStackPreview(w.driver(), "r1"), &gone, values(), "Protected", "")
}

func TestStackExportInUse(t *testing.T) {
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
}
