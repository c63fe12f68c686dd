package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"axle/sandbox"
)

// cfnTest is a sandbox with a CloudFormation client of its administrator.
type cfnTest struct {
	testing.TB
	*cf.Client
	box *sandbox.Sandbox
	url string
	ctx context.Context
	// capabilities that create and update acknowledge
	capabilities []types.Capability
}

func newCFN(t testing.TB, opts sandbox.Options) *cfnTest {
	t.Helper()
	box, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() {
		server.Close()
		_ = box.Close()
	})
	return cfnOf(t, box, server.URL)
}

// stillCFN is the same without a network, for a bubble of synctest: what has
// begun there is under way until the test lets time pass.
func stillCFN(t *testing.T, opts sandbox.Options) *cfnTest {
	t.Helper()
	box, _ := still(t, opts)
	return cfnOf(t, box, inMemory)
}

func cfnOf(t testing.TB, box *sandbox.Sandbox, url string) *cfnTest {
	return &cfnTest{TB: t, Client: cf.NewFromConfig(configOf(box, url)), box: box, url: url, ctx: context.Background(),
		capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}}
}

// inMemory is the address of a sandbox that is called without a network.
const inMemory = "http://sandbox"

// configOf is an SDK configuration of the administrator, without retries.
func configOf(box *sandbox.Sandbox, url string) aws.Config {
	key, secret := box.Credentials()
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient:  plainBodies{},
	}
	if url == inMemory {
		cfg.HTTPClient = onSandbox{box}
	}
	return cfg
}

// plainBodies sends each request's body from memory. The SDK's own can write
// themselves: closed, they answer io.EOF then, which net/http takes for a failed
// write, and it breaks the connection under a response that came fast, so that
// the call is repeated or lost (smithy-go 1.28). Every client of these tests that
// calls over a connection has it.
type plainBodies struct{}

func (plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body)) // which net/http knows to be in memory
	}
	return transport.RoundTrip(r)
}

// transport is not the default one, whose idle connections every httptest.Server
// closes when it ends.
var transport = http.DefaultTransport.(*http.Transport).Clone()

// create makes a stack and waits for the end of it.
func (t *cfnTest) create(name, body string, params ...string) types.Stack {
	t.Helper()
	_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: &name, TemplateBody: &body, Parameters: pairs(params),
		Capabilities: t.capabilities})
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return t.settled(name)
}

func (t *cfnTest) update(name, body string, params ...string) types.Stack {
	t.Helper()
	_, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: &name, TemplateBody: &body, Parameters: pairs(params),
		Capabilities: t.capabilities})
	if err != nil {
		t.Fatalf("update %s: %v", name, err)
	}
	return t.settled(name)
}

func pairs(params []string) []types.Parameter {
	var out []types.Parameter
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		out = append(out, types.Parameter{ParameterKey: &k, ParameterValue: &v})
	}
	return out
}

// pollTime is between two looks at what tells nobody when it is done. Such a loop
// has no deadline but the test binary's own: how long it takes is the machine's.
const pollTime = 5 * time.Millisecond

// forever is what the SDK's waiters get for a deadline, for the same reason.
const forever = 24 * time.Hour

// settled waits until no operation runs on the stack.
func (t *cfnTest) settled(name string) types.Stack {
	t.Helper()
	for ; ; time.Sleep(pollTime) {
		out, err := t.DescribeStacks(t.ctx, &cf.DescribeStacksInput{StackName: &name})
		if err != nil {
			t.Fatalf("describe %s: %v", name, err)
		}
		if !strings.HasSuffix(string(out.Stacks[0].StackStatus), "_IN_PROGRESS") || out.Stacks[0].StackStatus == types.StackStatusReviewInProgress {
			return out.Stacks[0]
		}
	}
}

func (t *cfnTest) want(st types.Stack, status string) types.Stack {
	t.Helper()
	if string(st.StackStatus) != status {
		t.Fatalf("stack %s is %s (%s), want %s\n%s", *st.StackName, st.StackStatus, aws.ToString(st.StackStatusReason), status,
			strings.Join(t.history(*st.StackId), "\n"))
	}
	return st
}

func (t *cfnTest) output(st types.Stack, key string) string {
	t.Helper()
	for _, o := range st.Outputs {
		if *o.OutputKey == key {
			return *o.OutputValue
		}
	}
	t.Fatalf("stack %s has no output %s", *st.StackName, key)
	return ""
}

// events are the stack's, youngest first.
func (t *cfnTest) events(stack string) []types.StackEvent {
	t.Helper()
	var out []types.StackEvent
	pages := cf.NewDescribeStackEventsPaginator(t, &cf.DescribeStackEventsInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.ctx)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.StackEvents...)
	}
	return out
}

// history is the stack's events, oldest first: "LogicalId STATUS reason".
func (t *cfnTest) history(stack string) []string {
	t.Helper()
	var out []string
	for _, e := range t.events(stack) {
		line := aws.ToString(e.LogicalResourceId) + " " + string(e.ResourceStatus)
		if e.ResourceStatusReason != nil {
			line += " " + *e.ResourceStatusReason
		}
		out = append([]string{line}, out...)
	}
	return out
}

// refused checks an error's code and a part of its message.
func (t *cfnTest) refused(err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("no refusal: %v", err)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Fatalf("refused with %s: %s\nwant %s: ...%s...", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

const topicTemplate = `
Description: a topic and a parameter
Parameters:
  Name: {Type: String, Default: hello}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Ref Name
  Value:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Name: !Sub /${AWS::StackName}/value
      Value: !Sub "${Name} ${Topic.TopicName}"
Outputs:
  TopicArn: {Value: !Ref Topic, Export: {Name: !Sub "${AWS::StackName}-topic"}}
  Name: {Value: !GetAtt Topic.TopicName}
`

func TestChangeSetCreatesAStack(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	created, err := t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{
		StackName: aws.String("demo"), ChangeSetName: aws.String("first"), ChangeSetType: types.ChangeSetTypeCreate,
		TemplateBody: aws.String(topicTemplate), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := t.DescribeChangeSet(t.ctx, &cf.DescribeChangeSetInput{ChangeSetName: created.Id})
	if err != nil {
		t.Fatal(err)
	}
	if set.Status != types.ChangeSetStatusCreateComplete || len(set.Changes) != 2 || set.Changes[0].ResourceChange.Action != types.ChangeActionAdd {
		t.Fatalf("change set: %+v", set)
	}
	t.want(t.settled("demo"), "REVIEW_IN_PROGRESS")
	if _, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: created.Id, ClientRequestToken: aws.String("tok")}); err != nil {
		t.Fatal(err)
	}
	st := t.want(t.settled("demo"), "CREATE_COMPLETE")
	if arn := t.output(st, "TopicArn"); !strings.HasPrefix(arn, "arn:aws:sns:eu-west-1:") {
		t.Errorf("topic %q", arn)
	}
	want := []string{"demo REVIEW_IN_PROGRESS User Initiated", "demo CREATE_IN_PROGRESS User Initiated", "Topic CREATE_IN_PROGRESS",
		"Topic CREATE_IN_PROGRESS Resource creation Initiated", "Topic CREATE_COMPLETE", "Value CREATE_IN_PROGRESS",
		"Value CREATE_IN_PROGRESS Resource creation Initiated", "Value CREATE_COMPLETE", "demo CREATE_COMPLETE"}
	if got := t.history("demo"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
}
