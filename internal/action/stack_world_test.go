package action

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/template"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
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
	onCall func(operation string) // may be nil
	deny   string                 // an operation that is refused
	record map[string]recorded
}

type recorded struct {
	digest string
	at     time.Time
}

func newStackWorld(t *testing.T, opts sandbox.Options) *stackWorld {
	w := &stackWorld{t: t, at: "222222222222", bodies: map[string][]byte{}, record: map[string]recorded{}}
	endpoint, calls := os.Getenv("AXLE_WITNESS_ENDPOINT"), aws.HTTPClient(cloud.WholeBodies(http.DefaultClient))
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
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		endpoint, calls = "http://aws.test", &http.Client{Transport: direct{s}}
		key, secret := s.Credentials()
		door := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, HTTPClient: calls, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
		w.creds = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(door, "arn:aws:iam::"+w.at+":role/OrganizationAccountAccessRole"))
	}
	w.client = cloudformation.New(cloudformation.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, HTTPClient: calls})
	return w
}

// direct calls a sandbox without a network, which works on a bubble's clock too.
type direct struct{ box http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context()) // as a server has it
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	if r.Context().Err() == nil {
		d.box.ServeHTTP(rec, in)
	}
	out := rec.Result()
	out.Request = r
	return out, r.Context().Err() // who has given up gets no answer
}

// onItsClock runs a test that needs a stack to stay where it is for a while: on a
// clock that only goes on when nobody has anything to do, however busy the machine is.
// The witness has the usual clock.
func onItsClock(t *testing.T, test func(*testing.T)) {
	if os.Getenv("AXLE_WITNESS_ENDPOINT") != "" {
		test(t)
		return
	}
	synctest.Test(t, test)
}

// CloudFormation implements cfn.Clients.
func (w *stackWorld) CloudFormation(at axle.Target) (*cloudformation.Client, func(*cloudformation.Options)) {
	return w.client, func(o *cloudformation.Options) {
		o.Region, o.Credentials = at.Region, w.creds
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			w.mu.Lock()
			w.calls = append(w.calls, s.ID())
			on := w.onCall
			w.mu.Unlock()
			if on != nil {
				on(s.ID())
			}
			w.mu.Lock()
			denied := w.deny == s.ID()
			w.mu.Unlock()
			if denied {
				return &smithy.GenericAPIError{Code: "AccessDenied", Message: "not authorized to perform: cloudformation:" + s.ID()}
			}
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

func (w *stackWorld) Store(context.Context, *axle.StackSpec, axle.Target) error { return nil }

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
	ctx := w.t.Context()
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
