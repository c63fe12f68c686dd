package cfn

import (
	"context"
	"net/http"
	"net/url"
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
