package cloud

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

var dev = axle.Account{ID: "222222222222", Name: "dev"}

func all(role Role) func(axle.Account) Role { return func(axle.Account) Role { return role } }

func TestCredentialsAreFetchedOnceForAll(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := c.Credentials(context.Background(), dev); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count("AKIDBASE AssumeRole"); n != 1 {
		t.Errorf("AssumeRole called %d times, want once", n)
	}
	if n := w.count("AKIDBASE GetCallerIdentity"); n != 1 {
		t.Errorf("GetCallerIdentity called %d times, want once", n)
	}
}

func TestFirstHop(t *testing.T) {
	w := newWire(t)
	access := Access{Via: "axle-hub", HubAccount: "999999999999", Duration: 2 * time.Hour, SourceIdentity: "me", SessionPolicy: `{}`,
		For: all(Role{Name: "team/axle-spoke", ExternalID: "x1"})}

	c := w.cloud(t, access)
	creds, err := c.Credentials(context.Background(), dev)
	if err != nil {
		t.Fatal(err)
	}
	if creds.AccessKeyID != "222222222222-axle-spoke.1" || w.count("AKIDBASE AssumeRole") != 1 || w.count("999999999999-axle-hub AssumeRole") != 1 {
		t.Errorf("entered with %s after calls %v", creds.AccessKeyID, w.calls)
	}
	in := w.last("AssumeRole")
	for field, want := range map[string]string{
		"RoleArn": "arn:aws:iam::222222222222:role/team/axle-spoke", "ExternalId": "x1", "SourceIdentity": "me", "Policy": "{}",
		"RoleSessionName": "axle-r1-dev",
		"DurationSeconds": "3600", // chained: AWS allows no more than an hour
	} {
		if got := in.Get(field); got != want {
			t.Errorf("%s = %q, want %q", field, got, want)
		}
	}

	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDROLE") // the caller is axle-hub already
	c = w.cloud(t, access)
	if _, err := c.Credentials(context.Background(), dev); err != nil {
		t.Fatal(err)
	}
	if w.count("AKIDROLE AssumeRole") != 1 {
		t.Errorf("hop isn't skipped: %v", w.calls)
	}

	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER") // another role of the hub account isn't axle-hub
	c = w.cloud(t, access)
	before := w.count("999999999999-axle-hub AssumeRole")
	if _, err := c.Credentials(context.Background(), dev); err != nil {
		t.Fatal(err)
	}
	if w.count("AKIDOTHER AssumeRole") != 1 || w.count("999999999999-axle-hub AssumeRole") != before+1 {
		t.Errorf("another role enters the spokes itself: %v", w.calls)
	}
}

// A first hop that is refused is what the failure names, and no role behind it was
// asked for. Of one that axle.yaml gives by ARN nobody says that bootstrap makes it.
func TestFirstHopRefused(t *testing.T) {
	const hop = "arn:aws:iam::111111111111:role/axle-hub"
	for via, hint := range map[string]string{"axle-hub": "axle bootstrap --yes makes it", hop: "it must be there and trust " + hubARN} {
		w := newWire(t)
		w.refuse = func(_, action string, form url.Values) (string, string) {
			if action == "AssumeRole" {
				return "AccessDenied", "User: " + hubARN + " is not authorized to perform: sts:AssumeRole on resource: " + form.Get("RoleArn")
			}
			return "", ""
		}
		c := w.cloud(t, Access{Via: via, HubAccount: "111111111111", For: all(spoke("axle-spoke"))})
		_, err := c.Credentials(context.Background(), dev)
		f, ok := errors.AsType[*axle.Failure](err)
		if !ok {
			t.Fatalf("got %T %v", err, err)
		}
		if f.Resource != hop || strings.Contains(f.Message, "axle-spoke") || !strings.Contains(f.Hint, hint) {
			t.Errorf("via %s: %s is refused: %s\n  hint: %s", via, f.Resource, f.Message, f.Hint)
		}
		if !isDenied(err) {
			t.Errorf("via %s: what waits for new roles would not wait: %v", via, err)
		}
		if last := w.last("AssumeRole").Get("RoleArn"); last != hop {
			t.Errorf("via %s: asked for %s", via, last)
		}
	}
}

func TestHopWithoutHub(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{Via: "axle-hub", For: all(spoke("axle-spoke"))})
	_, err := c.Credentials(context.Background(), dev)
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != "HubUnknown" {
		t.Fatalf("got %v", err)
	}
	c.UseHub("999999999999")
	if _, err := c.Credentials(context.Background(), dev); err != nil {
		t.Fatal(err)
	}
}

func TestNoneIsOnlyForTheOwnAccount(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{For: all(Role{Name: None})})
	creds, err := c.Credentials(context.Background(), axle.Account{ID: "999999999999"})
	if err != nil || creds.AccessKeyID != "AKIDBASE" {
		t.Errorf("own account: %v, %v", creds.AccessKeyID, err)
	}
	_, err = c.Credentials(context.Background(), dev)
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != CodeWrongAccount || !f.Blocked {
		t.Errorf("other account: %v", err)
	}
	c = w.cloud(t, Access{For: all(spoke("arn:aws:iam::333333333333:role/x"))})
	if _, err = c.Credentials(context.Background(), dev); !errors.As(err, &f) || f.Code != CodeWrongAccount {
		t.Errorf("a role of another account: %v", err)
	}
}

func TestLongSessionsFallBackToAnHour(t *testing.T) {
	w := newWire(t)
	w.refuse = func(_, action string, form url.Values) (string, string) {
		if action == "AssumeRole" && form.Get("DurationSeconds") != "3600" {
			return "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
		}
		return "", ""
	}
	c := w.cloud(t, Access{Duration: 4 * time.Hour, For: all(spoke("axle-spoke"))})
	if _, err := c.Credentials(context.Background(), dev); err != nil {
		t.Fatal(err)
	}
}

func TestRenewal(t *testing.T) {
	w := newWire(t)
	var broken atomic.Bool
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" && broken.Load() {
			return "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	ctx := context.Background()
	get := func() (string, error) {
		creds, err := c.Credentials(ctx, dev)
		return creds.AccessKeyID, err
	}
	if key, err := get(); err != nil || !strings.HasSuffix(key, ".1") {
		t.Fatalf("first: %s, %v", key, err)
	}
	_, src := c.target(dev.ID).known()
	s := src.(*session)

	due := func() { s.current.Load().refresh.Store(time.Now().Add(-time.Second).UnixNano()) }
	due()
	if key, err := get(); err != nil || !strings.HasSuffix(key, ".2") {
		t.Errorf("due for renewal: %s, %v", key, err)
	}
	broken.Store(true)
	due()
	if key, err := get(); err != nil || !strings.HasSuffix(key, ".2") {
		t.Errorf("a renewal that fails isn't fatal while the old is valid: %s, %v", key, err)
	}
	before := w.count("AKIDBASE AssumeRole")
	if _, err := get(); err != nil || w.count("AKIDBASE AssumeRole") != before {
		t.Errorf("renewal is tried again at once: %v", err)
	}
	s.drop(s.generation())
	for range 3 {
		if _, err := get(); !isDenied(err) {
			t.Errorf("nothing valid is left, got %v", err)
		}
	}
	if n := w.count("AKIDBASE AssumeRole"); n != before {
		t.Errorf("the refusal of the renewal isn't remembered: %d more calls", n-before)
	}
	broken.Store(false)
	s.mu.Lock()
	s.until = time.Now()
	s.mu.Unlock()
	last, err := get()
	if err != nil {
		t.Errorf("a refusal is remembered for ever: %v", err)
	}
	expired := &lease{creds: s.current.Load().creds, number: s.generation()}
	expired.creds.Expires = time.Now().Add(-time.Second)
	expired.refresh.Store(time.Now().Add(time.Hour).UnixNano())
	s.current.Store(expired)
	if key, err := get(); err != nil || key == last {
		t.Errorf("expired credentials are used on: %s, %v", key, err)
	}
}

func TestOneCallersCancelIsNotAnothers(t *testing.T) {
	w := newWire(t)
	held, free := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" && first.CompareAndSwap(false, true) {
			close(held)
			<-free
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := c.Credentials(ctx, dev)
		gone <- err
	}()
	<-held
	other := make(chan error)
	go func() {
		_, err := c.Credentials(context.Background(), dev)
		other <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled one got %v", err)
	}
	close(free)
	if err := <-other; err != nil {
		t.Errorf("the other one got %v", err)
	}
}

func TestExpiredSessionIsReplacedWithinACall(t *testing.T) {
	w := newWire(t)
	revoked := "222222222222-axle-spoke.1"
	w.refuse = func(who, action string, _ url.Values) (string, string) {
		if action == "DescribeVpcs" && who == revoked {
			return "ExpiredToken", "The security token included in the request is expired"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "us-east-1"})
	if _, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt); err != nil {
		t.Fatal(err)
	}
	if n := w.count("AKIDBASE AssumeRole"); n != 2 {
		t.Errorf("AssumeRole called %d times, want 2", n)
	}
}

// A session that expires again while a call is repeated is renewed again.
func TestExpiredTwice(t *testing.T) {
	w := newWire(t)
	left := 2
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "DescribeVpcs" && left > 0 {
			left--
			return "ExpiredToken", "The security token included in the request is expired"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "us-east-1"})
	if _, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt); err != nil {
		t.Fatal(err)
	}
	if n := w.count("AKIDBASE AssumeRole"); n != 3 {
		t.Errorf("AssumeRole called %d times, want 3", n)
	}
}

func TestExpiredForGood(t *testing.T) {
	w := newWire(t)
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "DescribeVpcs" {
			return "ExpiredToken", "The security token included in the request is expired"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "us-east-1"})
	_, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt)
	if !isExpired(err) || w.count("222222222222-axle-spoke DescribeVpcs") != 1+maxRenewals {
		t.Errorf("got %v after %v", err, w.calls)
	}
}

func TestCredentialsWait(t *testing.T) {
	w := newWire(t)
	var asked atomic.Int32
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" && asked.Add(1) == 1 {
			return "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	if _, err := c.CredentialsWait(context.Background(), dev, time.Millisecond); !isDenied(err) {
		t.Errorf("past the bound: %v", err)
	}
	if _, err := c.CredentialsWait(context.Background(), dev, time.Minute); err != nil {
		t.Errorf("within the bound: %v", err)
	}
}

// A refused AssumeRole is not retried by the call that wanted the credentials,
// and arrives as it was explained.
func TestRefusalThroughACall(t *testing.T) {
	w := newWire(t)
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" {
			return "AccessDenied", "User: " + hubARN + " is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::222222222222:role/axle-spoke because no identity-based policy allows the sts:AssumeRole action"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	c.Know([]axle.Account{dev})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "us-east-1"})
	_, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt)
	err = Translate(err, "list VPCs", dev, "us-east-1")
	var f *axle.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %T %v", err, err)
	}
	for _, want := range []string{"dev (222222222222)", "role/axle-spoke", hubARN, "AccessDenied"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("message %q lacks %q", f.Message, want)
		}
	}
	if !strings.Contains(f.Hint, "the caller's side refuses") {
		t.Errorf("hint %q", f.Hint)
	}
	if n := w.count("AKIDBASE AssumeRole"); n != 1 {
		t.Errorf("AssumeRole called %d times", n)
	}
}

func TestSecretsStayOut(t *testing.T) {
	w := newWire(t)
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "DescribeVpcs" {
			return "AuthFailure", "AWS was not able to validate the provided access credentials"
		}
		return "", ""
	}
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	client, opt := c.EC2(axle.Target{Account: dev.ID, Region: "me-south-1"})
	_, err := client.DescribeVpcs(context.Background(), &ec2.DescribeVpcsInput{}, opt)
	err = Translate(err, "list VPCs", dev, "me-south-1")
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != CodeRegionDisabled {
		t.Fatalf("got %v", err)
	}
	for _, secret := range []string{"base-secret", "token", "AKIDBASE"} {
		if strings.Contains(f.Message+f.Hint, secret) {
			t.Errorf("%q tells %q", f.Message+f.Hint, secret)
		}
	}
}

func TestSessionName(t *testing.T) {
	for _, x := range []struct{ run, who, want string }{
		{"", "", "axle"},
		{"20261121-ab", "jane@example.com", "axle-20261121-ab-jane@example.com"},
		{"r 1/2", "päter", "axle-r-1-2-p-ter"},
		{strings.Repeat("r", 80), "x", "axle-" + strings.Repeat("r", 59)},
	} {
		if got := sessionName(x.run, x.who); got != x.want {
			t.Errorf("sessionName(%q, %q) = %q, want %q", x.run, x.who, got, x.want)
		}
	}
}

func TestRefreshAt(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		lasts, early time.Duration
		jitter       float64
	}{
		{time.Hour, 5 * time.Minute, 0},
		{time.Hour, 6 * time.Minute, 1},
		{8 * time.Minute, 2 * time.Minute, 0},
	} {
		expires := now.Add(x.lasts)
		if got := expires.Sub(refreshAt(now, expires, x.jitter)); got != x.early {
			t.Errorf("a session of %v is renewed %v early, want %v", x.lasts, got, x.early)
		}
	}
}
