package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// artifacts reads a byte of the hub's bucket with the target's credentials,
// where a stack takes something from it. A bucket that isn't there yet is made by
// the deploy, with a policy that fits.
func (d *Doctor) artifacts(ctx context.Context, t *Target) {
	stack, kind := "", ""
	for i := range t.Stacks {
		if s := &t.Stacks[i]; s.Stored != "" {
			stack, kind = s.Name, s.Stored
		}
	}
	if stack == "" || d.project.Hub.Account == "" {
		return
	}
	hub := axle.Target{Account: d.project.Hub.Account, Region: t.Region}
	bucket := d.cloud.Artifacts(hub, cloud.Readers{}).Bucket()
	f := Finding{Check: CheckArtifacts, Stack: stack, State: OK, Proof: "call"}
	defer func() { d.add(t.Account, t.Region, f) }()
	client, opt := d.cloud.S3(hub)
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(1), Prefix: aws.String(kind + "/")}, opt)
	var api smithy.APIError
	if errors.As(err, &api) && (api.ErrorCode() == "NoSuchBucket" || api.ErrorCode() == "NotFound") {
		return
	}
	if err != nil {
		f.State, f.Cause = Unknown, message(cloud.Translate(err, "list bucket "+bucket, axle.Account{ID: hub.Account}, hub.Region))
		return
	}
	if len(list.Contents) == 0 {
		return
	}
	reader, readerOpt := d.cloud.S3(t.at())
	out, err := reader.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: list.Contents[0].Key, Range: aws.String("bytes=0-0")}, readerOpt)
	if err == nil {
		_, _ = io.Copy(io.Discard, out.Body) // one byte
		_ = out.Body.Close()
		return
	}
	f.State, f.Cause = Unknown, message(cloud.Translate(err, "read what is in bucket "+bucket, t.Account, t.Region))
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDenied" {
		return
	}
	said := api.ErrorMessage()
	f.State, f.Side = Blocked, SideArtifacts
	f.Cause = fmt.Sprintf("%s can't read the artifact bucket %s of the hub: %s", t.Account.Label(), bucket, said)
	f.Fix = "the bucket's policy must allow s3:GetObject to the account or the organization: remove the statement that keeps it out; a deploy adds ours again"
	switch {
	case strings.Contains(said, "kms:"):
		f.Side = SideKey
		f.Fix = "the role must be allowed kms:Decrypt (axle bootstrap does that), and the key's policy must let the account or the organization in"
	case sideOf(said) != SideOther:
		f.Side = sideOf(said)
		f.Fix = hintFor(f.Side)
	}
}

// hintFor says what to do about a side that AWS's message named.
func hintFor(s Side) string {
	switch s {
	case SideSCP, SideRCP:
		return "ask who runs the organization to except this access, or leave the account out"
	case SideIdentity:
		return "axle bootstrap --yes gives the role what the templates need; --allow adds more"
	case SideBoundary:
		return "widen the permissions boundary of the access role"
	case SideSession:
		return "widen access.session_policy in axle.yaml"
	}
	return ""
}
