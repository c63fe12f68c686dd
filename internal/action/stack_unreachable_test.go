package action

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"axle"
	"axle/internal/cfn"

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

// TestStackOutOfSight: a stack that can't be looked at is waited for, and said to be.
func TestStackOutOfSight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := &axle.Step{ID: "stack/x/222222222222/eu-west-1", Kind: "stack", Name: "x", Account: "222222222222", AccountName: "dev",
			Region: "eu-west-1", Spec: &axle.Spec{Stack: &axle.StackSpec{Stack: "x", StackName: "flights-x"}}}
		token := phase{name: phaseExecute, op: cfn.Operation{Kind: axle.Create, StackID: "arn:stack", ChangeSet: "arn:set"}}.String()
		p, err := NewStack(cfn.New(unreachable{}, nil, nil), "r1").Check(t.Context(), step, token)
		if err != nil || p.Done || p.Token != token || !strings.Contains(p.Result.Note, "Unreachable: check the network") {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
