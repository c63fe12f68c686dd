package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// keyDescription tells our keys from others, as long as they have no alias.
const keyDescription = "What Axle deploys: code and templates in the buckets axle-artifacts-*"

// makeSid marks the statement of a key's policy that lets its maker finish the
// work; deleteKey is the action of it that goes once the key has its alias.
const (
	makeSid   = "AxleMake"
	deleteKey = "kms:ScheduleKeyDeletion"
)

// ensureKey gives the ARN of the key that the bucket is encrypted with, made and
// with a policy that lets the readers use it.
func (a *Artifacts) ensureKey(ctx context.Context) (string, error) {
	key, err := a.aliased(ctx)
	if code(err) == "NotFoundException" {
		key, err = a.makeKey(ctx)
	}
	if err != nil {
		return "", a.explain(err, "look at key "+ArtifactAlias)
	}
	if key.KeyState != types.KeyStateEnabled {
		return "", &axle.Failure{Code: "KeyUnusable", Resource: aws.ToString(key.Arn), Blocked: true,
			Message: fmt.Sprintf("key %s of the hub in %s is in state %s: nothing can be encrypted with it", ArtifactAlias, a.hub.Region, key.KeyState),
			Hint:    "aws kms enable-key, or cancel-key-deletion before: what is in the bucket can't be read without it"}
	}
	client, opt := a.cloud.KMS(a.hub)
	out, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key.Arn, PolicyName: aws.String("default")}, opt)
	if err != nil {
		return "", a.explain(err, "read the policy of key "+ArtifactAlias)
	}
	statement, err := a.decryptStatement(ctx)
	if err != nil {
		return "", err
	}
	wanted, has, err := withStatement(aws.ToString(out.Policy), statement, maxKeyPolicy, "key "+ArtifactAlias)
	if err != nil || has {
		return aws.ToString(key.Arn), err
	}
	if _, err := client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: key.Arn}, opt); err != nil {
		return "", a.explain(err, "rotate key "+ArtifactAlias)
	}
	_, err = client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.Arn, PolicyName: aws.String("default"), Policy: &wanted}, opt)
	a.changed.Store(time.Now().UnixNano())
	return aws.ToString(key.Arn), a.explain(err, "let the accounts use key "+ArtifactAlias)
}

// aliased is the key that has the alias.
func (a *Artifacts) aliased(ctx context.Context) (*types.KeyMetadata, error) {
	client, opt := a.cloud.KMS(a.hub)
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(ArtifactAlias)}, opt)
	if err != nil {
		return nil, err
	}
	return out.KeyMetadata, nil
}

// makeKey makes a key and names it. A key that a run made which was killed before it
// could name it is taken.
func (a *Artifacts) makeKey(ctx context.Context) (*types.KeyMetadata, error) {
	key, err := a.orphan(ctx)
	if err != nil {
		return nil, err
	}
	if key == nil {
		policy, err := a.firstPolicy(ctx)
		if err != nil {
			return nil, err
		}
		client, opt := a.cloud.KMS(a.hub)
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(keyDescription), Policy: &policy}, opt)
		if err != nil {
			return nil, err
		}
		key = out.KeyMetadata
	}
	return a.nameKey(ctx, key)
}

// nameKey gives the key its alias. An alias is given once: of those that make keys at
// the same time, the first gives the key, and the others give theirs up; one that
// several found without an alias is given up by each of them.
func (a *Artifacts) nameKey(ctx context.Context, key *types.KeyMetadata) (*types.KeyMetadata, error) {
	client, opt := a.cloud.KMS(a.hub)
	_, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(ArtifactAlias), TargetKeyId: key.KeyId}, opt)
	_, taken := errors.AsType[*types.AlreadyExistsException](err)
	if !taken && !isGivenUp(err) {
		return key, err
	}
	named, err := a.aliased(ctx)
	if err != nil || aws.ToString(named.KeyId) == aws.ToString(key.KeyId) {
		return named, err
	}
	_, err = client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}, opt)
	if isGivenUp(err) {
		err = nil
	}
	return named, err
}

// isGivenUp is KMS's refusal of a key that will be deleted.
func isGivenUp(err error) bool {
	_, ok := errors.AsType[*types.KMSInvalidStateException](err)
	return ok
}

// orphan finds a key of ours that has no alias. Keys that we may not look at are
// none.
func (a *Artifacts) orphan(ctx context.Context) (*types.KeyMetadata, error) {
	client, opt := a.cloud.KMS(a.hub)
	pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, err
		}
		for _, k := range page.Keys {
			out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyArn}, opt)
			switch {
			case isDenied(err), code(err) == "NotFoundException":
			case err != nil:
				return nil, err
			case aws.ToString(out.KeyMetadata.Description) == keyDescription && out.KeyMetadata.KeyState == types.KeyStateEnabled:
				return out.KeyMetadata, nil
			}
		}
	}
	return nil, nil
}

// firstPolicy leaves the key to the hub account, and lets whoever makes it finish
// the work: before the key has its alias, nothing tells it from others in the
// role's own policies.
func (a *Artifacts) firstPolicy(ctx context.Context) (string, error) {
	client, opt := a.cloud.STS(a.hub)
	who, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, opt)
	if err != nil {
		return "", err
	}
	id := Identity{Account: aws.ToString(who.Account), ARN: aws.ToString(who.Arn), Partition: a.partition(ctx)}
	names := []string{id.ARN}
	if account, role, ok := id.Role(); ok { // which may have a path that the session's ARN lacks
		names = []string{"arn:" + id.Partition + ":iam::" + account + ":role/" + role, "arn:" + id.Partition + ":iam::" + account + ":role/*/" + role}
	}
	root := "arn:" + id.Partition + ":iam::" + a.hub.Account + ":root"
	body, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Id": strings.TrimPrefix(ArtifactAlias, "alias/"), "Statement": []statement{
		{"Sid": "AxleAccount", "Effect": "Allow", "Principal": map[string]any{"AWS": root}, "Action": "kms:*", "Resource": "*"},
		{"Sid": makeSid, "Effect": "Allow", "Principal": map[string]any{"AWS": "*"}, "Resource": "*",
			"Action":    []string{"kms:CreateAlias", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:PutKeyPolicy", deleteKey},
			"Condition": map[string]any{"ArnLike": map[string]any{"aws:PrincipalArn": names}}},
	}})
	return string(body), err
}
