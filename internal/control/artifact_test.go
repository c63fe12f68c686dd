package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle"
	"axle/internal/cloud"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A wait is told when it lasts, then now and again, and never after its end.
func TestWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var told []time.Duration
		w := &Work{opts: Options{Say: func(line string) {
			if line != "far" {
				t.Errorf("told %q", line)
			}
			told = append(told, time.Since(began))
		}}}
		line := func() string { return "far" }
		over := w.whileWaiting(line)
		time.Sleep(waitToTell - time.Nanosecond)
		over()
		if len(told) > 0 {
			t.Errorf("a short wait was told after %s", told)
		}
		began = time.Now()
		over = w.whileWaiting(line)
		time.Sleep(waitToTell + waitToRenew + time.Second)
		over()
		if want := []time.Duration{waitToTell, waitToTell + waitToRenew}; !slices.Equal(told, want) {
			t.Errorf("told after %s, want %s", told, want)
		}
		(&Work{}).whileWaiting(line)() // nobody listens
	})
}

// What is told of storing names the buckets, how far it is, and the API that AWS
// throttles there.
func TestStoring(t *testing.T) {
	box, err := sandbox.New(sandbox.Options{Accounts: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"))
			return
		}
		box.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.Close(); _ = box.Close() })
	key, secret := box.Credentials()
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(k, v)
	}
	ctx := context.Background()
	c, err := cloud.New(ctx, cloud.Options{Region: "eu-west-1", Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Identity(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ts := &templates{cloud: c, hub: axle.Target{Account: id.Account, Region: "eu-west-1"}, buckets: &buckets{open: map[bucketKey]*cloud.Artifacts{}}}
	ts.bucket("eu-west-1")
	same(t, "at first", ts.storing(0, 2), "Storing what stacks are made of in bucket axle-artifacts-"+id.Account+"-eu-west-1: 0 of 2 so far")

	ts.bucket("us-east-1")
	client, opt := c.S3(axle.Target{Account: id.Account, Region: "us-east-1"})
	put := &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader("x")}
	if _, err := client.PutObject(ctx, put, opt, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
		t.Fatal("it wasn't throttled")
	}
	same(t, "throttled", ts.storing(1, 2), "Storing what stacks are made of in the hub's buckets in eu-west-1, us-east-1: 1 of 2 so far; AWS throttles S3:PutObject in us-east-1, which is tried again")
}
