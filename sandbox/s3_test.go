package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (c *cloud) s3(account, region string) *s3.Client {
	c.t.Helper()
	cfg := c.in(account, region)
	cfg.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported // as LoadDefaultConfig sets it
	return s3.NewFromConfig(cfg)
}

func inRegion(region string) *types.CreateBucketConfiguration {
	return &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
}

func (c *cloud) bucket(client *s3.Client, name, region string) *string {
	c.t.Helper()
	_, err := client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: inRegion(region)})
	if err != nil {
		c.t.Fatal(err)
	}
	return &name
}

func TestBucketNames(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.s3(devAccount, "eu-west-1"), c.s3(qaAccount, "eu-west-1")
	name := c.bucket(dev, "artifacts-of-dev", "eu-west-1")
	_, err := dev.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: inRegion("eu-west-1")})
	refused(t, err, "BucketAlreadyOwnedByYou", "")
	_, err = qa.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: inRegion("eu-west-1")})
	refused(t, err, "BucketAlreadyExists", "")
	_, err = dev.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("other-of-dev")})
	refused(t, err, "IllegalLocationConstraintException", "The unspecified location constraint")
	_, err = dev.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("Other_of_dev"), CreateBucketConfiguration: inRegion("eu-west-1")})
	refused(t, err, "InvalidBucketName", "")
	_, err = qa.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: name})
	refused(t, err, "Forbidden", "")
	_, err = dev.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("not-there")})
	refused(t, err, "NotFound", "")
	_, err = c.s3(devAccount, "us-east-1").ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name})
	refused(t, err, "PermanentRedirect", "")
}

func TestObjects(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.s3(devAccount, "eu-west-1")
	name := c.bucket(dev, "objects-of-dev", "eu-west-1")
	var want []string
	for i := range 7 {
		key := fmt.Sprintf("dir %d/a+b&ü.txt", i)
		want = append(want, key)
		out := must[*s3.PutObjectOutput](t)(dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &key, Body: strings.NewReader("hello"),
			ContentType: aws.String("text/plain"), Metadata: map[string]string{"n": fmt.Sprint(i)}}))
		if aws.ToString(out.ChecksumCRC32) == "" || *out.ETag != `"5d41402abc4b2a76b9719d911017c592"` {
			t.Fatalf("put %+v", out)
		}
	}
	var got []string
	pages := s3.NewListObjectsV2Paginator(dev, &s3.ListObjectsV2Input{Bucket: name, MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, o := range must[*s3.ListObjectsV2Output](t)(pages.NextPage(ctx)).Contents {
			got = append(got, *o.Key)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q", got)
	}
	dirs := must[*s3.ListObjectsV2Output](t)(dev.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name, Delimiter: aws.String("/"), Prefix: aws.String("dir")}))
	if len(dirs.CommonPrefixes) != 7 || len(dirs.Contents) != 0 {
		t.Fatalf("prefixes %+v", dirs.CommonPrefixes)
	}
	object := must[*s3.GetObjectOutput](t)(dev.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &want[3], Range: aws.String("bytes=1-3")}))
	body, err := io.ReadAll(object.Body)
	if err != nil || string(body) != "ell" || object.Metadata["n"] != "3" || *object.ContentType != "text/plain" {
		t.Fatalf("got %q %+v, %v", body, object, err)
	}
	_, err = dev.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("nothing")})
	refused(t, err, "NoSuchKey", "The specified key does not exist.")
	_, err = dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &want[0], IfNoneMatch: aws.String("*"), Body: strings.NewReader("x")})
	refused(t, err, "PreconditionFailed", "")
	_, err = dev.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name})
	refused(t, err, "BucketNotEmpty", "")

	signed := throughURL(t, dev, name, &want[0])
	if signed != "hello" {
		t.Fatalf("by presigned URL: %q", signed)
	}
	var ids []types.ObjectIdentifier
	for _, k := range want {
		ids = append(ids, types.ObjectIdentifier{Key: aws.String(k)})
	}
	deleted := must[*s3.DeleteObjectsOutput](t)(dev.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: name, Delete: &types.Delete{Objects: ids}}))
	if len(deleted.Deleted) != 7 || len(deleted.Errors) != 0 {
		t.Fatalf("deleted %+v", deleted)
	}
	_ = must[*s3.DeleteBucketOutput](t)(dev.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name}))
}

// What a request says badly is refused, and not read as left out.
func TestBadObjectRequests(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.s3(devAccount, "eu-west-1")
	name, key := c.bucket(dev, "bad-requests-of-dev", "eu-west-1"), aws.String("k")
	for md5, code := range map[string]string{"AAAA": "InvalidDigest", "1B2M2Y8AsgTpgAmY7PhCfg==": "BadDigest"} {
		_, err := dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("x"), ContentMD5: aws.String(md5)})
		refused(t, err, code, "The Content-MD5 you specified")
	}
	_, err := dev.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name, MaxKeys: aws.Int32(-1)})
	refused(t, err, "InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
	_, err = dev.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: name, MaxKeys: aws.Int32(-1)})
	refused(t, err, "InvalidArgument", "Argument maxKeys")
	id := must[*s3.CreateMultipartUploadOutput](t)(dev.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: key})).UploadId
	var parts []types.CompletedPart
	for n := int32(2); n > 0; n-- {
		out := must[*s3.UploadPartOutput](t)(dev.UploadPart(ctx, &s3.UploadPartInput{Bucket: name, Key: key, UploadId: id, PartNumber: &n, Body: strings.NewReader("x")}))
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(n)})
	}
	complete := func() error {
		_, err := dev.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: name, Key: key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return err
	}
	refused(t, complete(), "InvalidPartOrder", "ascending order")
	slices.Reverse(parts)
	refused(t, complete(), "EntityTooSmall", "")
}

// throughURL reads an object through a presigned URL.
func throughURL(t *testing.T, client *s3.Client, bucket, key *string) string {
	t.Helper()
	request, err := s3.NewPresignClient(client).PresignGetObject(context.Background(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(request.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestObjectVersions(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.s3(devAccount, "eu-west-1")
	name, key := c.bucket(dev, "versions-of-dev", "eu-west-1"), aws.String("k")
	_ = must[*s3.PutBucketVersioningOutput](t)(dev.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))
	first := must[*s3.PutObjectOutput](t)(dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("1")}))
	_ = must[*s3.PutObjectOutput](t)(dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("2")}))
	marker := must[*s3.DeleteObjectOutput](t)(dev.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: key}))
	if !*marker.DeleteMarker {
		t.Fatalf("deleted %+v", marker)
	}
	_, err := dev.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key})
	refused(t, err, "NoSuchKey", "")
	old := must[*s3.GetObjectOutput](t)(dev.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key, VersionId: first.VersionId}))
	if body, _ := io.ReadAll(old.Body); string(body) != "1" {
		t.Fatalf("old version %q", body)
	}
	all := must[*s3.ListObjectVersionsOutput](t)(dev.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: name}))
	if len(all.Versions) != 2 || len(all.DeleteMarkers) != 1 || !*all.DeleteMarkers[0].IsLatest {
		t.Fatalf("versions %+v, markers %+v", all.Versions, all.DeleteMarkers)
	}
	_, err = dev.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name})
	refused(t, err, "BucketNotEmpty", "You must delete all versions in the bucket.")
}

// Another account needs both: the bucket's policy and its own.
func TestBucketPolicy(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.s3(devAccount, "eu-west-1"), c.s3(qaAccount, "eu-west-1")
	name, key := c.bucket(dev, "shared-by-dev", "eu-west-1"), aws.String("shared/a")
	_ = must[*s3.PutObjectOutput](t)(dev.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key, Body: strings.NewReader("hello")}))
	get := &s3.GetObjectInput{Bucket: name, Key: key}
	_, err := qa.GetObject(ctx, get)
	refused(t, err, "AccessDenied", "")
	allow := func(principal, resource string) *string {
		return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"s3:GetObject","Resource":"%s"}]}`, principal, resource))
	}
	for _, wrong := range []struct{ doc, code, text string }{
		{*allow("arn:aws:iam::"+qaAccount+":role/Nobody", "arn:aws:s3:::shared-by-dev/*"), "MalformedPolicy", "Invalid principal in policy"},
		{*allow(qaAccount, "arn:aws:s3:::another/x"), "MalformedPolicy", "Policy has invalid resource"},
		{*allow(qaAccount, "arn:aws:s3:::another/*"), "MalformedPolicy", "Policy has invalid resource"},
		{*allow(qaAccount, "arn:aws:s3:::shared-by-dev-too*"), "MalformedPolicy", "Policy has invalid resource"},
		{*allow("*", "arn:aws:s3:::shared-by-dev/*"), "AccessDenied", "BlockPublicPolicy"},
	} {
		_, err := dev.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: &wrong.doc})
		refused(t, err, wrong.code, wrong.text)
	}
	_ = must[*s3.PutBucketPolicyOutput](t)(dev.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: allow(qaAccount, "arn:aws:s3:::shared-by-dev/shared/*")}))
	_ = must[*s3.GetObjectOutput](t)(qa.GetObject(ctx, get))
	_, err = qa.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("private")})
	refused(t, err, "AccessDenied", "")
	_, err = qa.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("shared/nothing")})
	refused(t, err, "AccessDenied", "") // may not list, so doesn't learn
	_ = must[*s3.DeleteBucketPolicyOutput](t)(dev.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: name}))
	_, err = qa.GetObject(ctx, get)
	refused(t, err, "AccessDenied", "")
	_, err = dev.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name})
	refused(t, err, "NoSuchBucketPolicy", "")
}

func TestMultipart(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.s3(devAccount, "eu-west-1")
	name, key := c.bucket(dev, "parts-of-dev", "eu-west-1"), aws.String("big")
	up := must[*s3.CreateMultipartUploadOutput](t)(dev.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: key}))
	var parts []types.CompletedPart
	for i, size := range []int{5 << 20, 3} {
		out := must[*s3.UploadPartOutput](t)(dev.UploadPart(ctx, &s3.UploadPartInput{Bucket: name, Key: key, UploadId: up.UploadId,
			PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(make([]byte, size))}))
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(int32(i + 1)), ChecksumCRC32: out.ChecksumCRC32})
	}
	done := must[*s3.CompleteMultipartUploadOutput](t)(dev.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: name, Key: key,
		UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}))
	head := must[*s3.HeadObjectOutput](t)(dev.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: key}))
	if *head.ContentLength != 5<<20+3 || !strings.HasSuffix(*done.ETag, `-2"`) {
		t.Fatalf("%d bytes, etag %s", *head.ContentLength, *done.ETag)
	}
}

// Buckets have addresses of their own too.
func TestVirtualHost(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.s3(devAccount, "eu-west-1")
	name := c.bucket(dev, "hosted-by-dev", "eu-west-1")
	cfg := c.in(devAccount, "eu-west-1")
	cfg.BaseEndpoint = aws.String(strings.Replace(c.url, "127.0.0.1", "localhost", 1))
	hosted := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = toLocalhost{}
	})
	_ = must[*s3.PutObjectOutput](t)(hosted.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("a/b"), Body: strings.NewReader("x")}))
	_ = must[*s3.HeadObjectOutput](t)(dev.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: aws.String("a/b")}))
}

// toLocalhost sends what is meant for bucket.localhost to localhost, as a
// resolver does, and leaves the Host header.
type toLocalhost struct{}

func (toLocalhost) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Host = "127.0.0.1:" + r.URL.Port()
	return plainBodies{}.Do(r)
}
