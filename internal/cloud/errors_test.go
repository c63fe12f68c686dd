package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"axle"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func api(code, message string) error {
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeVpcs",
		Err: &smithy.GenericAPIError{Code: code, Message: message}}
}

// sent is what the SDK makes of a call that got no answer.
func sent(err error) error {
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeVpcs", Err: &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{}}, Err: &smithyhttp.RequestSendError{Err: err}}}}
}

func TestTranslate(t *testing.T) {
	for _, x := range []struct {
		name      string
		err       error
		region    string
		code      string
		message   string
		hint      string // a part of it
		transient bool
	}{
		{name: "plain", err: api("ValidationError", "Stack with id x does not exist"), region: "eu-west-1",
			code: "ValidationError", message: "look in dev (222222222222) eu-west-1: ValidationError: Stack with id x does not exist"},
		{name: "throttled", err: api("Throttling", "Rate exceeded"), code: "Throttling", message: "look in dev (222222222222): Throttling: Rate exceeded", transient: true},
		{name: "quota", err: api("LimitExceededException", "Limit for stack has been exceeded"), code: "LimitExceededException"},
		{name: "region", err: api("AuthFailure", "AWS was not able to validate the provided access credentials"), region: "me-south-1",
			code: CodeRegionDisabled, hint: "enable-region --region-name me-south-1"},
		{name: "key", err: api("AuthFailure", "AWS was not able to validate the provided access credentials"), region: "eu-west-1",
			code: "AuthFailure", hint: "doesn't know the access key"},
		{name: "expired", err: api("ExpiredToken", "The security token included in the request is expired"), code: "ExpiredToken", hint: "sign in again"},
		{name: "scp", err: api("AccessDenied", "User: u is not authorized to perform: ec2:DescribeVpcs with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/p"),
			code: "AccessDenied", hint: "service control policy denies it"},
		{name: "no organization", err: api("AWSOrganizationsNotInUseException", "Your account is not a member of an organization."), code: "AWSOrganizationsNotInUseException", hint: "file:accounts.yaml"},
		{name: "request ids don't make causes differ", err: api("X", "Denied (Service: Sns, Status Code: 403, Request ID: 1f-2e)"),
			code: "X", message: "look in dev (222222222222): X: Denied (Service: Sns, Status Code: 403)"},
		{name: "refused connection", err: &url.Error{Op: "Post", URL: "http://127.0.0.1:1/?X-Amz-Security-Token=secret", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}},
			code: CodeUnreachable, message: "look in dev (222222222222): Post http://127.0.0.1:1/: dial: connection refused", transient: true},
		{name: "no such host", err: &url.Error{Op: "Post", URL: "https://ec2.eu-west-9.amazonaws.com/", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "ec2.eu-west-9.amazonaws.com", IsNotFound: true}}},
			code: CodeUnreachable, hint: "region's name"},
		{name: "no such host, as the SDK wraps it", err: sent(&url.Error{Op: "Post", URL: "https://ec2.eu-west-9.amazonaws.com/", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "ec2.eu-west-9.amazonaws.com", IsNotFound: true}}}),
			code: CodeUnreachable, message: "look in dev (222222222222): Post https://ec2.eu-west-9.amazonaws.com/: dial: lookup ec2.eu-west-9.amazonaws.com: no such host", hint: "this machine's DNS"},
		{name: "cancelled", err: fmt.Errorf("wait: %w", context.Canceled), code: CodeCancelled, message: "look in dev (222222222222): cancelled"},
	} {
		t.Run(x.name, func(t *testing.T) {
			err := Translate(x.err, "look", dev, x.region)
			var f *axle.Failure
			if !errors.As(err, &f) {
				t.Fatalf("got %T", err)
			}
			if f.Code != x.code {
				t.Errorf("code %s, want %s", f.Code, x.code)
			}
			if x.message != "" && f.Message != x.message {
				t.Errorf("message %q, want %q", f.Message, x.message)
			}
			if !strings.Contains(f.Hint, x.hint) {
				t.Errorf("hint %q, want %q in it", f.Hint, x.hint)
			}
			var tr interface{ Transient() bool }
			if got := errors.As(err, &tr) && tr.Transient(); got != x.transient {
				t.Errorf("transient %v, want %v", got, x.transient)
			}
			if again := Translate(fmt.Errorf("outer: %w", err), "other", axle.Account{}, ""); again != error(f) {
				t.Errorf("translated twice: %v", again)
			}
		})
	}
	if Translate(nil, "look", dev, "") != nil {
		t.Error("nil isn't nil")
	}
	if err := Translate(fmt.Errorf("x: %w", context.Canceled), "look", dev, ""); !errors.Is(err, context.Canceled) {
		t.Error("a cancelled call can't be told from others")
	}
}

// A server fault is retried a few times, not as long as a throttle, and then
// left to the engine.
func TestServerFaultIsTransient(t *testing.T) {
	w := newWire(t)
	w.status = func(action string) int {
		if action == "DescribeVpcs" {
			return 503
		}
		return 0
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "us-east-1"})
	_, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt)
	err = Translate(err, "list VPCs", dev, "us-east-1")
	var tr interface{ Transient() bool }
	if !errors.As(err, &tr) || !tr.Transient() {
		t.Errorf("got %v", err)
	}
	if n := w.count("222222222222-axle-spoke DescribeVpcs"); n != maxFaults {
		t.Errorf("%d attempts, want %d", n, maxFaults)
	}
}

func TestAssumeFailureNamesTheSide(t *testing.T) {
	const role = "arn:aws:iam::222222222222:role/axle-spoke"
	const says = "User: " + hubARN + " is not authorized to perform: sts:AssumeRole on resource: " + role
	for tail, hint := range map[string]string{
		"": "either the caller's identity policy",
		" because no identity-based policy allows the sts:AssumeRole action":          "the caller's side refuses",
		" because no resource-based policy allows the sts:AssumeRole action":          "the role's side refuses: its trust policy doesn't let " + hubARN + " in (an external id is sent)",
		" because no role trust policy allows the sts:AssumeRole action":              "the role's side refuses",
		" with an explicit deny in a service control policy":                          "service control policy denies it",
		" because no permissions boundary allows the sts:AssumeRole action":           "permissions boundary",
		" with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/p": "the caller's side refuses",
	} {
		err := assumeFailure(api("AccessDenied", says+tail), role, dev, hubARN, "x", firstHop{})
		f := err.(*axle.Failure)
		if !strings.Contains(f.Hint, hint) {
			t.Errorf("%q: hint %q", tail, f.Hint)
		}
		for _, want := range []string{role, "dev (222222222222)", hubARN, says} {
			if !strings.Contains(f.Message, want) {
				t.Errorf("%q: message %q lacks %q", tail, f.Message, want)
			}
		}
	}
}

func TestOrganizationFailure(t *testing.T) {
	for _, x := range []struct{ says, account, hint string }{
		{"You don't have permissions to access this resource.", "222222222222", "only the management account (111111111111) and delegated administrators"},
		{"You don't have permissions to access this resource.", "111111111111", "allow organizations:List*"},
		{"User: u is not authorized to perform: organizations:ListAccounts on resource: * because no identity-based policy allows the organizations:ListAccounts action", "222222222222", "no identity policy of the caller allows it"},
	} {
		f := organizationFailure(api("AccessDeniedException", x.says), "list", hubARN, x.account, "111111111111").(*axle.Failure)
		if !strings.Contains(f.Hint, x.hint) || !strings.Contains(f.Message, hubARN) || !strings.Contains(f.Message, x.says) {
			t.Errorf("%q in %s: %q, hint %q", x.says, x.account, f.Message, f.Hint)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	_, err := New(context.Background(), Options{})
	var f *axle.Failure
	if !errors.Is(err, ErrNoCredentials) || !errors.As(err, &f) || f.Code != CodeNoCredentials || !strings.Contains(f.Hint, "aws sso login") {
		t.Errorf("got %#v", err)
	}
	t.Setenv("AWS_PROFILE", "nowhere")
	if _, err = New(context.Background(), Options{}); !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), `"nowhere"`) {
		t.Errorf("got %v", err)
	}
}

// A certificate that nobody vouches for is told with what to do about it.
func TestUntrustedCertificate(t *testing.T) {
	w := newWire(t)
	stranger := httptest.NewUnstartedServer(w)
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	t.Setenv("AWS_ENDPOINT_URL", stranger.URL)
	_, err := w.cloud(t, Access{}).Identity(context.Background())
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != CodeUnreachable || !strings.Contains(f.Hint, "AWS_CA_BUNDLE") {
		t.Errorf("got %v, want a failure whose hint names AWS_CA_BUNDLE", err)
	}
}
