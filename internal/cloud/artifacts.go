package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// ArtifactAlias is the name of the key in each region that artifacts are
// encrypted with.
const ArtifactAlias = "alias/axle-artifacts"

// Readers are who may read artifacts: the organization when its id is known,
// else the listed accounts.
type Readers struct {
	Organization string // o-...
	Accounts     []string
}

// Artifacts is the hub's bucket of one region for what stacks are made of: code,
// nested templates, templates that are too large to be sent along. It is
// private, encrypted with a key of the hub, and readable by the accounts that are
// deployed to. What is in it is never deleted: a rollback may need it.
type Artifacts struct {
	cloud   *Cloud
	hub     axle.Target
	bucket  string
	readers Readers
	ready   *once[struct{}]
	changed atomic.Int64 // when a policy was, in nanoseconds: it takes a moment until AWS knows

	mu    sync.Mutex
	put   map[string]*once[struct{}] // by key
	proof map[string]*once[struct{}] // by the account that can read
}

// ArtifactBucket is the name of the bucket of a hub account in a region.
func ArtifactBucket(account, region string) string { return "axle-artifacts-" + account + "-" + region }

// Artifacts returns the bucket of a hub; nothing is called before the first Put.
func (c *Cloud) Artifacts(hub axle.Target, readers Readers) *Artifacts {
	return &Artifacts{cloud: c, hub: hub, bucket: ArtifactBucket(hub.Account, hub.Region), readers: readers,
		ready: newOnce[struct{}](), put: map[string]*once[struct{}]{}, proof: map[string]*once[struct{}]{}}
}

// Bucket is the bucket's name.
func (a *Artifacts) Bucket() string { return a.bucket }

func (a *Artifacts) once(of map[string]*once[struct{}], name string) *once[struct{}] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of[name] == nil {
		of[name] = newOnce[struct{}]()
	}
	return of[name]
}

// Put stores content under a key that is made of its digest, unless it is there
// already; open is called only when it isn't. Bucket and key are made, and their
// policies kept, when they aren't as they must be.
func (a *Artifacts) Put(ctx context.Context, key string, open func() (io.ReadSeekCloser, error)) error {
	_, err := a.once(a.put, key).get(ctx, func(ctx context.Context) (struct{}, error) {
		if _, err := a.ready.get(ctx, a.ensure); err != nil {
			return struct{}{}, a.explain(err, "prepare bucket "+a.bucket)
		}
		return struct{}{}, a.explain(a.upload(ctx, key, open), "store "+key+" in bucket "+a.bucket)
	})
	return err
}

func (a *Artifacts) explain(err error, what string) error {
	return Translate(err, what, a.cloud.account(a.hub.Account), a.hub.Region)
}

func (a *Artifacts) upload(ctx context.Context, key string, open func() (io.ReadSeekCloser, error)) error {
	client, opt := a.cloud.S3(a.hub)
	_, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.bucket, Key: &key, ExpectedBucketOwner: &a.hub.Account}, opt)
	if err == nil || !isMissing(err) {
		return err
	}
	body, err := open()
	if err != nil {
		return err
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, Body: body, ExpectedBucketOwner: &a.hub.Account}, opt)
	return errors.Join(err, body.Close())
}

// Prove makes sure that an account can read the bucket, by reading from it. A
// policy that was changed just now takes a moment: until then the failure is
// transient, unless it isn't that policy which refuses.
func (a *Artifacts) Prove(ctx context.Context, key string, by axle.Account) error {
	if by.ID == a.hub.Account {
		return nil
	}
	_, err := a.once(a.proof, by.ID).get(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.prove(ctx, key, by)
	})
	return err
}

func (a *Artifacts) prove(ctx context.Context, key string, by axle.Account) error {
	client, opt := a.cloud.S3(axle.Target{Account: by.ID, Region: a.hub.Region})
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &a.bucket, Key: &key, Range: aws.String("bytes=0-0"), ExpectedBucketOwner: &a.hub.Account}, opt)
	if err == nil {
		return out.Body.Close()
	}
	if code(err) == "InvalidRange" { // it is empty, and may be read
		return nil
	}
	failure := Translate(err, "read "+key+" in the artifact bucket "+a.bucket, by, a.hub.Region)
	var f *axle.Failure
	if !isDenied(err) || isCredential(err) || !errors.As(failure, &f) {
		return failure
	}
	var api smithy.APIError
	said := ""
	if errors.As(err, &api) {
		said = api.ErrorMessage()
	}
	if !LacksPermission(err) && !strings.Contains(said, "explicit deny") && a.changedFor() < longestPolicyTime {
		return a.justChanged()
	}
	f.Resource = a.bucket
	f.Hint = "s3:GetObject on the bucket is needed: axle bootstrap gives it to the role, and the bucket's policy must let the account in; " + denied(said)
	if strings.Contains(said, "kms:") {
		f.Hint = "kms:Decrypt on the key " + ArtifactAlias + " of the hub is needed: axle bootstrap gives it to the role, and the key's policy must let the account in; " + denied(said)
	}
	return failure
}

// How long a policy that was changed is waited for: where nobody can prove that
// it holds, and at most.
const (
	policyTime        = 5 * time.Second
	longestPolicyTime = time.Minute
)

// changedFor is the time since a policy was changed; long when none was.
func (a *Artifacts) changedFor() time.Duration { return time.Since(time.Unix(0, a.changed.Load())) }

// Settled is for readers that can't be tried out: it fails for a moment after a
// policy was changed, to be asked again.
func (a *Artifacts) Settled() error {
	if a.changedFor() > policyTime {
		return nil
	}
	return a.justChanged()
}

func (a *Artifacts) justChanged() error {
	return &axle.Failure{Code: "JustChanged", Resource: a.bucket, Err: &transientError{errors.New("a policy was changed")},
		Message: fmt.Sprintf("who may read bucket %s was changed just now, and AWS takes a moment until it knows", a.bucket)}
}

// URL is a key's address for CloudFormation's TemplateURL.
func (a *Artifacts) URL(ctx context.Context, key string) (string, error) {
	return a.cloud.ArtifactURL(ctx, a.hub.Account, a.hub.Region, a.hub.Region, key)
}

// ArtifactURL is the address of a key in the bucket of a hub account: in the form
// of region's partition, or under AWS_ENDPOINT_URL. The region in it is written as
// given, which may be a pseudo parameter of templates.
func (c *Cloud) ArtifactURL(ctx context.Context, account, region, written, key string) (string, error) {
	client, _ := c.S3(axle.Target{Account: account, Region: region})
	o := client.Options()
	if o.BaseEndpoint != nil {
		return strings.TrimSuffix(*o.BaseEndpoint, "/") + "/" + ArtifactBucket(account, written) + "/" + key, nil
	}
	bucket := ArtifactBucket(account, region)
	endpoint, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{Bucket: &bucket, Region: &region, ForcePathStyle: &o.UsePathStyle})
	if err != nil {
		return "", fmt.Errorf("find the address of bucket %s: %w", bucket, err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(endpoint.URI.String(), "/"), region, written) + "/" + key, nil
}

// isMissing matches what HEAD answers, which has no body to read a code from.
func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{"NotFound", "NoSuchBucket", "NoSuchKey"}, api.ErrorCode())
}
