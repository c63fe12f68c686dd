package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ensure makes bucket and key what they must be. The policies, which let others
// in, are put last, so that their presence says that the rest has been done: a
// run that was killed on the way is caught up with.
func (a *Artifacts) ensure(ctx context.Context) (struct{}, error) {
	var done struct{}
	made, err := a.bucketThere(ctx)
	if err != nil {
		return done, err
	}
	current, err := a.policy(ctx)
	if err != nil {
		return done, err
	}
	statement, err := a.readStatement(ctx)
	if err != nil {
		return done, err
	}
	wanted, has, err := withStatement(current, statement, maxBucketPolicy, "bucket "+a.bucket)
	if err != nil {
		return done, err
	}
	if !made && !strings.Contains(current, readSid) {
		if err := a.onlyOurs(ctx); err != nil {
			return done, err
		}
	}
	key, err := a.ensureKey(ctx)
	if err != nil {
		return done, err
	}
	if err := a.encrypted(ctx, key); err != nil || has {
		return done, err
	}
	if err := a.closed(ctx); err != nil {
		return done, err
	}
	client, opt := a.cloud.S3(a.hub)
	_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &a.bucket, Policy: &wanted, ExpectedBucketOwner: &a.hub.Account}, opt)
	a.changed.Store(time.Now().UnixNano())
	return done, err
}

// bucketThere makes the bucket when there is none, and says whether it did.
func (a *Artifacts) bucketThere(ctx context.Context) (made bool, err error) {
	client, opt := a.cloud.S3(a.hub)
	_, err = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account}, opt)
	switch {
	case err == nil:
		return false, nil
	case slices.Contains([]string{"Forbidden", "AccessDenied"}, code(err)):
		f, _ := errors.AsType[*axle.Failure](a.explain(err, "look at bucket "+a.bucket)) // an explained error is one
		f.Resource, f.Blocked = a.bucket, true
		f.Hint = "either the role in the hub account may not use the bucket (axle bootstrap gives it what it takes), or the bucket's policy keeps it out, or somebody else has a bucket of that name"
		return false, f
	case slices.Contains([]string{"MovedPermanently", "PermanentRedirect"}, code(err)):
		return false, &axle.Failure{Code: "BucketElsewhere", Resource: a.bucket, Blocked: true, Err: err,
			Message: fmt.Sprintf("bucket %s of the hub is in another region than its name says", a.bucket),
			Hint:    "Axle hasn't made it: move what is in it, and delete it"}
	case !isMissing(err):
		return false, err
	}
	in := &s3.CreateBucketInput{Bucket: &a.bucket, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if a.hub.Region != "us-east-1" { // which has no name there
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(a.hub.Region)}
	}
	_, err = client.CreateBucket(ctx, in, opt)
	if _, ours := errors.AsType[*types.BucketAlreadyOwnedByYou](err); ours { // somebody was faster
		return true, nil
	}
	if _, taken := errors.AsType[*types.BucketAlreadyExists](err); taken {
		return false, &axle.Failure{Code: "BucketTaken", Resource: a.bucket, Blocked: true, Err: err,
			Message: fmt.Sprintf("bucket %s belongs to another account than the hub", a.bucket),
			Hint:    "whoever owns it must delete it: the name has the hub's account number in it, and nobody else has use for it"}
	}
	return true, err
}

// onlyOurs refuses a bucket that somebody else fills: one that doesn't let our
// readers in, and has something else than artifacts.
func (a *Artifacts) onlyOurs(ctx context.Context) error {
	client, opt := a.cloud.S3(a.hub)
	out, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &a.bucket, Delimiter: aws.String("/"), ExpectedBucketOwner: &a.hub.Account}, opt)
	if err != nil {
		return err
	}
	foreign := ""
	for _, o := range out.Contents {
		foreign = aws.ToString(o.Key)
	}
	for _, p := range out.CommonPrefixes {
		if name := strings.TrimSuffix(aws.ToString(p.Prefix), "/"); !slices.Contains([]string{axle.ArtifactTemplates, axle.ArtifactCode, axle.ArtifactFiles}, name) {
			foreign = name + "/"
		}
	}
	if foreign == "" {
		return nil
	}
	return &axle.Failure{Code: "BucketNotOurs", Resource: a.bucket, Blocked: true,
		Message: fmt.Sprintf("bucket %s isn't one that Axle has made: it has %s in it", a.bucket, foreign),
		Hint:    "move that elsewhere: the accounts that are deployed to would be let in to read it"}
}

// closed keeps the public out.
func (a *Artifacts) closed(ctx context.Context) error {
	client, opt := a.cloud.S3(a.hub)
	yes := aws.Bool(true)
	_, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
		}}, opt)
	return err
}

// encrypted has everything that is written to the bucket encrypted with our key.
// The bucket's own key spares a call to KMS for each object.
func (a *Artifacts) encrypted(ctx context.Context, key string) error {
	client, opt := a.cloud.S3(a.hub)
	out, err := client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account}, opt)
	if err != nil && code(err) != "ServerSideEncryptionConfigurationNotFoundError" {
		return err
	}
	if err == nil && out.ServerSideEncryptionConfiguration != nil {
		for _, r := range out.ServerSideEncryptionConfiguration.Rules {
			d := r.ApplyServerSideEncryptionByDefault
			if d != nil && d.SSEAlgorithm == types.ServerSideEncryptionAwsKms && aws.ToString(d.KMSMasterKeyID) == key && aws.ToBool(r.BucketKeyEnabled) {
				return nil
			}
		}
	}
	_, err = client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &a.bucket, ExpectedBucketOwner: &a.hub.Account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			BucketKeyEnabled: aws.Bool(true),
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
				SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key},
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
