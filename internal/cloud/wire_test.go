package cloud

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is the least of AWS that the tests of credentials and limits need: it
// answers query calls, lets every role be assumed, and goes wrong where a test
// says so. What needs a real organization is tested against the sandbox.
type wire struct {
	*httptest.Server
	connections atomic.Int64
	// refuse is asked first; it returns an AWS error code and message, or "".
	refuse func(who, action string, form url.Values) (code, message string)
	// status breaks an action: an HTTP status without a body, or 0.
	status func(action string) int

	mu    sync.Mutex
	calls map[string]int        // by "who action"
	forms map[string]url.Values // the last of each action
}

const hubARN = "arn:aws:iam::999999999999:user/dev"

func newWire(t *testing.T) *wire {
	w := &wire{calls: map[string]int{}, forms: map[string]url.Values{}}
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.connections.Add(1)
		}
	}
	w.Start()
	t.Cleanup(w.Close)
	t.Setenv("AWS_ENDPOINT_URL", w.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDBASE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "base-secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	return w
}

func (w *wire) cloud(t *testing.T, access Access) *Cloud {
	t.Helper()
	c, err := New(context.Background(), Options{Region: "eu-west-1", Access: access, Run: "r1", MaxConcurrent: 16})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *wire) count(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[key]
}

func (w *wire) last(action string) url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.forms[action]
}

// ServeHTTP knows the caller by the access key of the signature: a session's
// key is the role's ARN in the characters that a key may have, with a number.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	who, _, _ := strings.Cut(credential, "/")
	who, number, _ := strings.Cut(who, ".")
	action := form.Get("Action")
	w.mu.Lock()
	w.calls[who+" "+action]++
	n := w.calls[who+" "+action]
	w.forms[action] = form
	w.mu.Unlock()
	if w.status != nil && w.status(action) != 0 {
		rw.WriteHeader(w.status(action))
		return
	}
	if w.refuse != nil {
		if code, message := w.refuse(who+"."+number, action, form); code != "" {
			rw.WriteHeader(400)
			if action == "DescribeVpcs" {
				fmt.Fprintf(rw, `<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r-%d</RequestID></Response>`, code, message, n)
				return
			}
			fmt.Fprintf(rw, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r-%d</RequestId></ErrorResponse>`, code, message, n)
			return
		}
	}
	switch action {
	case "GetCallerIdentity":
		arn := hubARN
		switch who {
		case "AKIDROLE":
			arn = "arn:aws:sts::999999999999:assumed-role/axle-hub/dev"
		case "AKIDOTHER":
			arn = "arn:aws:sts::999999999999:assumed-role/boss/dev"
		}
		fmt.Fprintf(rw, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn><UserId>U</UserId><Account>999999999999</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, arn)
	case "AssumeRole":
		arn := form.Get("RoleArn")
		fmt.Fprintf(rw, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s.%d</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			key(arn), n, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	case "DescribeVpcs":
		fmt.Fprint(rw, `<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>`)
	default:
		http.Error(rw, "unknown action "+action, 400)
	}
}

// key is the access key of a role's sessions, without the number.
func key(arn string) string { return arnAccount(arn) + "-" + lastPart(arn) }

func spoke(name string) Role { return Role{Name: name} }
