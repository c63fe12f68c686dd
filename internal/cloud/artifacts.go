package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// maxBucketPolicy is S3's limit, in bytes.
const maxBucketPolicy = 20 * 1024

// Readers are who may read artifacts: the organization when its id is known,
// else the listed accounts.
type Readers struct {
	Organization string // o-...
	Accounts     []string
}

// Artifacts is the bucket of the hub for what is too large to be sent along:
// private, encrypted, owned by the hub, readable by the accounts that are
// deployed to.
type Artifacts struct {
	cloud   *Cloud
	hub     axle.Target
	bucket  string
	readers Readers
	ready   *once[struct{}]

	mu  sync.Mutex
	put map[string]*once[string] // by key
}

// Artifacts returns the bucket of a hub, axle-artifacts-<account>-<region>;
// nothing is called before the first Put.
func (c *Cloud) Artifacts(hub axle.Target, readers Readers) *Artifacts {
	return &Artifacts{cloud: c, hub: hub, bucket: "axle-artifacts-" + hub.Account + "-" + hub.Region, readers: readers,
		ready: newOnce[struct{}](), put: map[string]*once[string]{}}
}

// Bucket is the bucket's name.
func (a *Artifacts) Bucket() string { return a.bucket }

// Put stores content once, under a key made of its digest and the extension of
// name, and returns its https URL for CloudFormation's TemplateURL. The bucket
// is made when it doesn't exist.
func (a *Artifacts) Put(ctx context.Context, name string, body []byte) (string, error) {
	digest := sha256.Sum256(body)
	key := "templates/" + hex.EncodeToString(digest[:]) + path.Ext(name)
	a.mu.Lock()
	o := a.put[key]
	if o == nil {
		o = newOnce[string]()
		a.put[key] = o
	}
	a.mu.Unlock()
	return o.get(ctx, func(ctx context.Context) (string, error) {
		if _, err := a.ready.get(ctx, a.ensure); err != nil {
			return "", a.explain(err, "prepare bucket "+a.bucket)
		}
		if err := a.upload(ctx, key, body); err != nil {
			return "", a.explain(err, "store "+key+" in bucket "+a.bucket)
		}
		return a.url(ctx, key)
	})
}

func (a *Artifacts) explain(err error, what string) error {
	return Translate(err, what, a.cloud.account(a.hub.Account), a.hub.Region)
}

func (a *Artifacts) upload(ctx context.Context, key string, body []byte) error {
	client, opt := a.cloud.S3(a.hub)
	_, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &a.bucket, Key: &key, ExpectedBucketOwner: &a.hub.Account}, opt)
	if err == nil || !isMissing(err) {
		return err
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, Body: bytes.NewReader(body), ExpectedBucketOwner: &a.hub.Account}, opt)
	return err
}

// url is in the form of the region's partition, or under AWS_ENDPOINT_URL.
func (a *Artifacts) url(ctx context.Context, key string) (string, error) {
	client, _ := a.cloud.S3(a.hub)
	o := client.Options()
	endpoint, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &a.bucket, Region: &a.hub.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle,
	})
	if err != nil {
		return "", fmt.Errorf("find the address of bucket %s: %w", a.bucket, err)
	}
	return endpoint.URI.JoinPath(key).String(), nil
}

// ensure makes the bucket what it must be. The policy is put last, so that its
// presence says that the rest has been done.
func (a *Artifacts) ensure(ctx context.Context) (struct{}, error) {
	var done struct{}
	client, opt := a.cloud.S3(a.hub)
	_, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account}, opt)
	switch {
	case isMissing(err):
		in := &s3.CreateBucketInput{Bucket: &a.bucket, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
		if a.hub.Region != "us-east-1" { // which has no name there
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(a.hub.Region)}
		}
		var ours *types.BucketAlreadyOwnedByYou // somebody was faster
		if _, err := client.CreateBucket(ctx, in, opt); err != nil && !errors.As(err, &ours) {
			return done, err
		}
	case err != nil:
		return done, err
	}
	current, err := a.policy(ctx)
	if err != nil {
		return done, err
	}
	wanted, changed, err := a.readable(ctx, current)
	if err != nil || !changed {
		return done, err
	}
	if err := a.harden(ctx); err != nil {
		return done, err
	}
	_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &a.bucket, Policy: &wanted, ExpectedBucketOwner: &a.hub.Account}, opt)
	return done, err
}

func (a *Artifacts) harden(ctx context.Context) error {
	client, opt := a.cloud.S3(a.hub)
	yes := aws.Bool(true)
	if _, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
		}}, opt); err != nil {
		return err
	}
	// Not with a KMS key: its default can't be used by other accounts.
	_, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
		}}}}, opt)
	return err
}

// policy reads the bucket's policy; "" when it has none.
func (a *Artifacts) policy(ctx context.Context) (string, error) {
	client, opt := a.cloud.S3(a.hub)
	out, err := client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account}, opt)
	if err != nil {
		if code(err) == "NoSuchBucketPolicy" {
			return "", nil
		}
		return "", err
	}
	return aws.ToString(out.Policy), nil
}

// readSid marks our statement of the policy; others stay as they are.
const readSid = "AxleRead"

// readable puts our statement into a policy.
func (a *Artifacts) readable(ctx context.Context, current string) (policy string, changed bool, err error) {
	id, err := a.cloud.Identity(ctx)
	if err != nil {
		return "", false, err
	}
	statement := map[string]any{"Sid": readSid, "Effect": "Allow", "Action": "s3:GetObject",
		"Resource": "arn:" + id.Partition + ":s3:::" + a.bucket + "/*"}
	if a.readers.Organization != "" {
		statement["Principal"] = "*"
		statement["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": a.readers.Organization}}
	} else {
		var principals []any
		for _, account := range slices.Sorted(slices.Values(append([]string{a.hub.Account}, a.readers.Accounts...))) {
			principals = append(principals, "arn:"+id.Partition+":iam::"+account+":root")
		}
		statement["Principal"] = map[string]any{"AWS": slices.CompactFunc(principals, func(a, b any) bool { return a == b })}
	}
	document := map[string]any{"Version": "2012-10-17"}
	if current != "" {
		document = map[string]any{}
		if err := json.Unmarshal([]byte(current), &document); err != nil {
			return "", false, fmt.Errorf("read the policy of bucket %s: %w", a.bucket, err)
		}
	}
	var others []any
	statements, ok := document["Statement"].([]any)
	if one := document["Statement"]; !ok && one != nil {
		statements = []any{one}
	}
	for _, s := range statements {
		m, _ := s.(map[string]any)
		if m["Sid"] != readSid {
			others = append(others, s)
		} else if reflect.DeepEqual(m, statement) {
			return current, false, nil
		}
	}
	document["Statement"] = append(others, statement)
	body, err := json.Marshal(document)
	if err == nil && len(body) > maxBucketPolicy {
		err = fmt.Errorf("the policy of bucket %s would be %d bytes, S3 allows %d: so many accounts can be let in only by the organization's id (organization.source: aws)", a.bucket, len(body), maxBucketPolicy)
	}
	return string(body), true, err
}

// isMissing matches what HEAD answers, which has no body to read a code from.
func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{"NotFound", "NoSuchBucket", "NoSuchKey"}, api.ErrorCode())
}
