package cfn

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// unreachable is a network on which nobody answers.
type unreachable struct{}

func (unreachable) Do(r *http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: syscall.ECONNREFUSED}
}

func (u unreachable) CloudFormation(t axle.Target) (*cloudformation.Client, func(*cloudformation.Options)) {
	return cloudformation.New(cloudformation.Options{Region: t.Region, HTTPClient: u, Retryer: aws.NopRetryer{},
		Credentials: aws.AnonymousCredentials{}}), func(*cloudformation.Options) {}
}

// vanished answers as CloudFormation does when a stack is described, and is gone
// when more is asked of it.
type vanished struct{}

func (vanished) Do(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	answer, status := `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack [`+stackID+`] does not exist</Message></Error></ErrorResponse>`, 400
	switch r.Form.Get("Action") {
	case "DescribeStacks":
		answer, status = `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackId>`+stackID+`</StackId><StackName>net</StackName>
			<StackStatus>REVIEW_IN_PROGRESS</StackStatus><CreationTime>2026-11-21T10:00:00Z</CreationTime></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, 200
	case "DeleteStack":
		answer, status = `<DeleteStackResponse/>`, 200
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (v vanished) CloudFormation(t axle.Target) (*cloudformation.Client, func(*cloudformation.Options)) {
	return cloudformation.New(cloudformation.Options{Region: t.Region, HTTPClient: v, Retryer: aws.NopRetryer{},
		Credentials: aws.AnonymousCredentials{}}), func(*cloudformation.Options) {}
}

// TestShellVanishes: two plans of a new stack share its shell. When the other one
// removes it there is nothing to be swept, and no error.
func TestShellVanishes(t *testing.T) {
	d, at := New(vanished{}, nil, nil), axle.Target{Account: "111111111111", Region: "eu-west-1"}
	st, err := d.Describe(t.Context(), at, "net")
	if err != nil || st.State() != Shell {
		t.Fatalf("%+v, %v", st, err)
	}
	if gone, err := d.Sweep(t.Context(), at, st, time.Now()); err != nil || gone {
		t.Errorf("sweep: %v, %v", gone, err)
	}
}

// TestChangeSetUnreachable: calls that don't get through are the engine's to repeat,
// which says so and has a bound.
func TestChangeSetUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		d := New(unreachable{}, nil, nil)
		_, err := d.ChangeSet(ctx, axle.Target{Account: "111111111111", Region: "eu-west-1"}, Operation{Kind: axle.Create, StackID: stackID, ChangeSet: "arn:x"})
		if !transient(err) || ctx.Err() != nil {
			t.Errorf("a change set that can't be looked at: %v (%v)", err, ctx.Err())
		}
	})
}
