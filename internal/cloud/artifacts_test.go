package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"axle"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

var artifactHub = axle.Target{Account: "222222222222", Region: "eu-west-1"}

func some(text string) func() (io.ReadSeekCloser, error) {
	return func() (io.ReadSeekCloser, error) { return noClose{strings.NewReader(text)}, nil }
}

// keysOf are the keys of the hub that Axle made, by state.
func keysOf(t *testing.T, c *Cloud) map[types.KeyState]int {
	t.Helper()
	client, opt := c.KMS(artifactHub)
	list, err := client.ListKeys(context.Background(), &kms.ListKeysInput{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	out := map[types.KeyState]int{}
	for _, k := range list.Keys {
		d, err := client.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: k.KeyId}, opt)
		if err != nil {
			t.Fatal(err)
		}
		if aws.ToString(d.KeyMetadata.Description) == keyDescription {
			out[d.KeyMetadata.KeyState]++
		}
	}
	return out
}

// Runs that begin at the same time come to one bucket and one key.
func TestArtifactsAtOnce(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	ctx := context.Background()
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		c := h.cloud(t, Access{For: members})
		wg.Go(func() {
			errs[i] = c.Artifacts(artifactHub, Readers{Accounts: []string{"333333333333"}}).Put(ctx, "files/a", some("a"))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	c := h.cloud(t, Access{For: members})
	if keys := keysOf(t, c); keys[types.KeyStateEnabled] != 1 {
		t.Errorf("keys %v", keys)
	}
	client, opt := c.KMS(artifactHub)
	key, err := c.Artifacts(artifactHub, Readers{}).aliased(ctx)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key.Arn, PolicyName: aws.String("default")}, opt)
	if err != nil || strings.Contains(aws.ToString(policy.Policy), "ScheduleKeyDeletion") {
		t.Errorf("who has made the key may delete it for ever: %s, %v", aws.ToString(policy.Policy), err)
	}
	if err := c.Artifacts(artifactHub, Readers{}).Prove(ctx, "files/a", axle.Account{ID: "333333333333"}); err != nil {
		t.Error(err)
	}
}

// Two runs may find the same key without an alias, and a third one's key gets it.
func TestKeyGivenUpTwice(t *testing.T) {
	c := newHouse(t, sandbox.Options{}).cloud(t, Access{For: members})
	ctx, a := context.Background(), c.Artifacts(artifactHub, Readers{})
	named, err := a.makeKey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := a.firstPolicy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client, opt := c.KMS(artifactHub)
	found, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(keyDescription), Policy: &policy}, opt)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		key, err := a.nameKey(ctx, found.KeyMetadata)
		if err != nil || aws.ToString(key.KeyId) != aws.ToString(named.KeyId) {
			t.Errorf("got %+v, %v", key, err)
		}
	}
	if keys := keysOf(t, c); keys[types.KeyStateEnabled] != 1 || keys[types.KeyStatePendingDeletion] != 1 {
		t.Errorf("keys %v", keys)
	}
}

// What a run that was killed has left is caught up with, at whatever step.
func TestArtifactsLeftOver(t *testing.T) {
	ctx := context.Background()
	readers := Readers{Accounts: []string{"333333333333"}}
	for name, leave := range map[string]func(*testing.T, *Cloud, *Artifacts){
		"a key without a name": func(t *testing.T, c *Cloud, a *Artifacts) {
			policy, err := a.firstPolicy(ctx)
			if err != nil {
				t.Fatal(err)
			}
			client, opt := c.KMS(artifactHub)
			if _, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(keyDescription), Policy: &policy}, opt); err != nil {
				t.Fatal(err)
			}
		},
		"a key nobody may use": func(t *testing.T, c *Cloud, a *Artifacts) {
			if _, err := a.makeKey(ctx); err != nil {
				t.Fatal(err)
			}
		},
		"an empty bucket": func(t *testing.T, c *Cloud, a *Artifacts) {
			if _, err := a.bucketThere(ctx); err != nil {
				t.Fatal(err)
			}
		},
		"all but the bucket's policy": func(t *testing.T, c *Cloud, a *Artifacts) {
			if _, err := a.ensure(ctx); err != nil {
				t.Fatal(err)
			}
			client, opt := c.S3(artifactHub)
			if _, err := client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &a.bucket}, opt); err != nil {
				t.Fatal(err)
			}
		},
		"a bucket as it was before there were keys": func(t *testing.T, c *Cloud, a *Artifacts) {
			if _, err := a.ensure(ctx); err != nil {
				t.Fatal(err)
			}
			client, opt := c.S3(artifactHub)
			if _, err := client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &a.bucket}, opt); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Options{})
			c := h.cloud(t, Access{For: members})
			leave(t, c, c.Artifacts(artifactHub, readers))
			a := h.cloud(t, Access{For: members}).Artifacts(artifactHub, readers)
			if err := a.Put(ctx, "files/a", some("a")); err != nil {
				t.Fatal(err)
			}
			if keys := keysOf(t, c); len(keys) != 1 || keys[types.KeyStateEnabled] != 1 {
				t.Errorf("keys %v", keys)
			}
			client, opt := c.S3(artifactHub)
			head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.bucket, Key: aws.String("files/a")}, opt)
			if err != nil || head.ServerSideEncryption != "aws:kms" || !aws.ToBool(head.BucketKeyEnabled) {
				t.Errorf("got %+v, %v", head, err)
			}
			if err := a.Prove(ctx, "files/a", axle.Account{ID: "333333333333"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A bucket that is somebody else's is never opened to the accounts.
func TestArtifactsNotOurs(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		owner axle.Target
		put   string
		code  string
	}{
		"in the hub, filled by a user": {artifactHub, "holiday.jpg", "BucketNotOurs"},
		"of another account":           {axle.Target{Account: "333333333333", Region: "eu-west-1"}, "", "Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Options{})
			door := h.cloud(t, Access{For: members})
			a := door.Artifacts(artifactHub, Readers{Accounts: []string{"333333333333"}})
			client, opt := door.S3(c.owner)
			if _, err := door.Artifacts(axle.Target{Account: c.owner.Account, Region: "eu-west-1"}, Readers{}).bucketThere(ctx); err != nil {
				t.Fatal(err)
			}
			if c.owner.Account != artifactHub.Account {
				// bucketThere names the bucket after its owner: this one is named after the hub.
				other := &Artifacts{cloud: door, hub: c.owner, bucket: a.bucket}
				if _, err := other.bucketThere(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if c.put != "" {
				if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &a.bucket, Key: &c.put, Body: strings.NewReader("x")}, opt); err != nil {
					t.Fatal(err)
				}
			}
			err := a.Put(ctx, "files/a", some("a"))
			var f *axle.Failure
			if !errors.As(err, &f) || f.Code != c.code || !f.Blocked || f.Hint == "" {
				t.Errorf("got %+v, %v", f, err)
			}
			if h.Calls()["s3:PutBucketPolicy"] != 0 {
				t.Error("its policy was changed")
			}
		})
	}
}

// Other people's statements and other projects' accounts stay in the policies.
func TestWithStatement(t *testing.T) {
	ours := func(accounts ...any) statement {
		return statement{"Sid": readSid, "Effect": "Allow", "Action": "s3:GetObject", "Principal": map[string]any{"AWS": accounts}}
	}
	first, has, err := withStatement("", ours("arn:aws:iam::1:root"), 1000, "x")
	if err != nil || has {
		t.Fatalf("%s, %t, %v", first, has, err)
	}
	// As AWS may give it back: a list of one as its item, and another order.
	given := strings.Replace(first, `["arn:aws:iam::1:root"]`, `"arn:aws:iam::1:root"`, 1)
	if same, has, err := withStatement(given, ours("arn:aws:iam::1:root"), 1000, "x"); err != nil || !has || same != given {
		t.Errorf("%s, %t, %v", same, has, err)
	}
	with := `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny"},` + given[strings.Index(given, `{"Action"`):]
	more, has, err := withStatement(with, ours("arn:aws:iam::2:root"), 1000, "x")
	var doc struct {
		Statement []struct {
			Sid       string
			Principal struct{ AWS []string }
		}
	}
	if err != nil || has || json.Unmarshal([]byte(more), &doc) != nil || len(doc.Statement) != 2 || doc.Statement[0].Sid != "Theirs" || len(doc.Statement[1].Principal.AWS) != 2 {
		t.Errorf("%s, %t, %v", more, has, err)
	}
	org := statement{"Sid": readSid, "Principal": map[string]any{"AWS": "*"}, "Condition": map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": "o-1"}}}
	if wide, _, err := withStatement(more, org, 1000, "x"); err != nil || strings.Contains(wide, ":root") {
		t.Errorf("%s, %v", wide, err)
	}
	if _, _, err := withStatement("", ours("a"), 10, "bucket b"); err == nil || !strings.Contains(err.Error(), "the policy of bucket b would be") {
		t.Errorf("got %v", err)
	}
}

// Who can't read is told at once, unless it is a policy of ours that AWS may not
// know yet.
func TestArtifactsProve(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	ctx := context.Background()
	first := h.cloud(t, Access{For: members}).Artifacts(artifactHub, Readers{Accounts: []string{"333333333333"}})
	if err := first.Put(ctx, "files/a", some("a")); err != nil {
		t.Fatal(err)
	}
	outsider := axle.Account{ID: "444444444444", Name: "else"}
	var f *axle.Failure
	if err := first.Prove(ctx, "files/a", outsider); !errors.As(err, &f) || f.Code != "JustChanged" || !isTransient(err) {
		t.Errorf("got %v", err)
	}
	later := h.cloud(t, Access{For: members}).Artifacts(artifactHub, Readers{Accounts: []string{"333333333333"}})
	err := later.Prove(ctx, "files/a", outsider)
	if !errors.As(err, &f) || f.Code != "AccessDenied" || isTransient(err) || !strings.Contains(f.Hint, "the bucket's policy must let the account in") ||
		!strings.Contains(f.Message, "read files/a in the artifact bucket axle-artifacts-222222222222-eu-west-1 in else (444444444444)") {
		t.Errorf("got %+v, %v", f, err)
	}
	if err := later.Prove(ctx, "files/a", axle.Account{ID: "333333333333"}); err != nil {
		t.Error(err)
	}
	if err := first.Settled(); !isTransient(err) {
		t.Errorf("got %v", err)
	}
	if err := later.Settled(); err != nil {
		t.Error(err)
	}
}

// S3 tells of a throttle by 503 alone where it answers a HEAD: it is waited out as
// any other is.
func TestHeadThrottled(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	h.between = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return r.Method == http.MethodHead
	}
	c := h.cloud(t, Access{For: members})
	client, opt := c.S3(artifactHub)
	once := func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
	_, err := client.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}, opt, once)
	if !isThrottle(err) {
		t.Errorf("%v isn't taken for a throttle", err)
	}
	if wait, err := newRetryer().RetryDelay(maxFaults+1, err); err != nil || wait <= 0 {
		t.Errorf("given up after %d attempts: %v", maxFaults, err)
	}
	if api := c.Throttled(artifactHub); api != "S3:HeadObject" {
		t.Errorf("%q is throttled", api)
	}
	h.between = nil
	if _, err = client.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}, opt, once); isThrottle(err) || err == nil {
		t.Errorf("%v", err)
	}
	if api := c.Throttled(artifactHub); api != "" {
		t.Errorf("%q is throttled still", api)
	}
}
