package access

import (
	"context"
	"errors"
	"strings"
	"sync"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/sync/errgroup"
)

// withPolicies are services whose resources can have policies of their own, and
// which aren't read here.
var withPolicies = map[string]bool{"acm-pca": true, "aoss": true, "apigateway": true, "backup": true, "codeartifact": true,
	"ecr": true, "elasticfilesystem": true, "es": true, "events": true, "execute-api": true, "glacier": true, "glue": true,
	"iot": true, "kinesis": true, "logs": true, "mediastore": true, "redshift-serverless": true, "rekognition": true,
	"schemas": true, "serverlessrepo": true, "ses": true, "signer": true, "vpc-lattice": true}

// one is a read of one resource.
type one struct {
	live    *Live
	arn     string
	account axle.Account
	at      axle.Target
	name    string // what comes last in the ARN
}

// Resource implements Source.
func (l *Live) Resource(ctx context.Context, arn, account string) (*Resource, error) {
	a, ok := l.Org.Account(account)
	if !ok {
		a = axle.Account{ID: account}
	}
	region := regionOf(arn)
	if region == "" {
		region = l.Home
	}
	r := one{live: l, arn: arn, account: a, at: axle.Target{Account: account, Region: region}, name: restOf(arn)}
	switch service := serviceOf(arn); service {
	case "s3":
		return r.bucket(ctx)
	case "kms":
		return r.key(ctx)
	case "secretsmanager":
		return r.secret(ctx)
	case "sns":
		return r.topic(ctx)
	case "sqs":
		return r.queue(ctx)
	case "dynamodb":
		return r.table(ctx)
	case "lambda":
		return r.function(ctx)
	case "ssm":
		return r.parameter(ctx)
	default:
		out := &Resource{ARN: arn}
		if withPolicies[service] {
			out.Policy = &Document{Name: "the policy of " + arn, Unread: "Axle doesn't read the resource policies of " + service}
		}
		return out, nil
	}
}

func (r one) fail(err error, call string) error {
	return unreadable(err, "read the policy of "+r.arn+" ("+call+")", r.account, r.at.Region)
}

func (r one) document(kind, name string, text *string) *Document {
	if aws.ToString(text) == "" {
		return nil
	}
	return &Document{Name: kind + " of " + name + " in " + r.account.Label(), Text: *text}
}

// encrypted says which key encrypts; aliases that begin with aws/ are AWS's own.
func encrypted(id *string) *Key {
	k := aws.ToString(id)
	return &Key{ID: k, Managed: k == "" || strings.Contains(k, "alias/aws/")}
}

func (r one) bucket(ctx context.Context) (*Resource, error) {
	bucket, _, _ := strings.Cut(r.name, "/")
	region, err := r.live.bucketRegion(ctx, bucket, r.account)
	if err != nil {
		return nil, err
	}
	r.at.Region = region
	client, opt := r.live.Cloud.S3(r.at)
	out := &Resource{ARN: r.arn}
	got, err := client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket}, opt)
	switch {
	case codeOf(err) == "NoSuchBucketPolicy":
	case err != nil:
		return nil, r.fail(err, "s3:GetBucketPolicy")
	default:
		out.Policy = r.document("bucket policy", bucket, got.Policy)
	}
	enc, err := client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &bucket}, opt)
	switch {
	case codeOf(err) == "ServerSideEncryptionConfigurationNotFoundError":
	case err != nil:
		out.Key = &Key{Unread: gapOf("", r.fail(err, "s3:GetEncryptionConfiguration")).Why}
	case enc.ServerSideEncryptionConfiguration != nil:
		for _, rule := range enc.ServerSideEncryptionConfiguration.Rules {
			if by := rule.ApplyServerSideEncryptionByDefault; by != nil && by.SSEAlgorithm != s3types.ServerSideEncryptionAes256 {
				out.Key = encrypted(by.KMSMasterKeyID)
			}
		}
	}
	return out, nil
}

// bucketRegion finds where a bucket of an account is.
func (l *Live) bucketRegion(ctx context.Context, bucket string, a axle.Account) (string, error) {
	l.mu.Lock()
	region, ok := l.buckets[bucket]
	l.mu.Unlock()
	if ok {
		return region, nil
	}
	region, err := l.hasBucket(ctx, bucket, a)
	if err == nil && region == "" {
		err = &axle.Failure{Code: "NoSuchBucket", Message: a.Label() + " has no bucket " + bucket, Err: ErrNotFound}
	}
	return region, err
}

// hasBucket is the region of the bucket, "" when the account doesn't have it.
func (l *Live) hasBucket(ctx context.Context, bucket string, a axle.Account) (string, error) {
	client, opt := l.Cloud.S3(axle.Target{Account: a.ID, Region: l.Home})
	pages := s3.NewListBucketsPaginator(client, &s3.ListBucketsInput{Prefix: &bucket, MaxBuckets: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return "", cloud.Translate(err, "list buckets (s3:ListAllMyBuckets)", a, "")
		}
		for _, b := range page.Buckets {
			if aws.ToString(b.Name) != bucket {
				continue
			}
			region := aws.ToString(b.BucketRegion)
			if region == "" {
				region = l.Home
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.buckets == nil {
				l.buckets = map[string]string{}
			}
			l.buckets[bucket] = region
			return region, nil
		}
	}
	return "", nil
}

// Owner implements Source: the first account, which is asked alone, is the most
// likely.
func (l *Live) Owner(ctx context.Context, arn string, among []axle.Account) (string, error) {
	bucket, _, _ := strings.Cut(restOf(arn), "/")
	if len(among) == 0 {
		return "", nil
	}
	first, firstErr := l.hasBucket(ctx, bucket, among[0])
	if first != "" {
		return among[0].ID, nil
	}
	var mu sync.Mutex
	owner, failed := "", 0
	err := firstErr
	if firstErr != nil {
		failed = 1
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrent)
	for _, a := range among[1:] {
		g.Go(func() error {
			region, problem := l.hasBucket(gctx, bucket, a)
			mu.Lock()
			defer mu.Unlock()
			if problem != nil && gctx.Err() == nil {
				failed++
				err = problem
			}
			if region != "" {
				owner = a.ID
				return errFound // the others needn't be asked
			}
			return nil
		})
	}
	_ = g.Wait() // errFound, or nothing
	switch {
	case owner != "" || failed == 0:
		return owner, ctx.Err()
	case failed == 1:
		return "", err
	}
	g2 := gapOf("", err)
	return "", &axle.Failure{Code: "Unreadable", Message: "it is in none of the accounts whose buckets could be listed; of those that couldn't: " + g2.Why, Hint: g2.Hint, Err: err}
}

var errFound = errors.New("found")

func (r one) key(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.KMS(r.at)
	described, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &r.arn}, opt)
	if err != nil {
		return nil, r.fail(err, "kms:DescribeKey")
	}
	out := &Resource{ARN: r.arn}
	if described.KeyMetadata != nil {
		out.ARN = aws.ToString(described.KeyMetadata.Arn)
	}
	got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &out.ARN}, opt)
	if err != nil {
		return nil, r.fail(err, "kms:GetKeyPolicy")
	}
	out.Policy = r.document("key policy", strings.TrimPrefix(restOf(out.ARN), "key/"), got.Policy)
	return out, nil
}

func (r one) secret(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.SecretsManager(r.at)
	got, err := client.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &r.arn}, opt)
	if err != nil {
		return nil, r.fail(err, "secretsmanager:GetResourcePolicy")
	}
	out := &Resource{ARN: r.arn}
	if got.ARN != nil {
		out.ARN = *got.ARN
	}
	out.Policy = r.document("resource policy", "secret "+strings.TrimPrefix(restOf(out.ARN), "secret:"), got.ResourcePolicy)
	described, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &r.arn}, opt)
	if err != nil {
		out.Key = &Key{Unread: gapOf("", r.fail(err, "secretsmanager:DescribeSecret")).Why}
		return out, nil
	}
	out.Key = encrypted(described.KmsKeyId)
	return out, nil
}

func (r one) topic(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.SNS(r.at)
	got, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &r.arn}, opt)
	if err != nil {
		return nil, r.fail(err, "sns:GetTopicAttributes")
	}
	out := &Resource{ARN: r.arn}
	if text, ok := got.Attributes["Policy"]; ok {
		out.Policy = r.document("policy", "topic "+r.name, &text)
	}
	if id := got.Attributes["KmsMasterKeyId"]; id != "" {
		out.Key = encrypted(&id)
	}
	return out, nil
}

func (r one) queue(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.SQS(r.at)
	url, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &r.name}, opt)
	if err != nil {
		return nil, r.fail(err, "sqs:GetQueueUrl")
	}
	got, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNamePolicy, sqstypes.QueueAttributeNameKmsMasterKeyId}}, opt)
	if err != nil {
		return nil, r.fail(err, "sqs:GetQueueAttributes")
	}
	out := &Resource{ARN: r.arn}
	if text, ok := got.Attributes["Policy"]; ok {
		out.Policy = r.document("policy", "queue "+r.name, &text)
	}
	if id := got.Attributes["KmsMasterKeyId"]; id != "" {
		out.Key = encrypted(&id)
	}
	return out, nil
}

// table reads the policy of a table, which holds for its indexes too; a stream
// has its own.
func (r one) table(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.DynamoDB(r.at)
	arn, _, _ := strings.Cut(r.arn, "/index/")
	out := &Resource{ARN: r.arn}
	got, err := client.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: &arn}, opt)
	switch {
	case codeOf(err) == "PolicyNotFoundException":
	case err != nil:
		return nil, r.fail(err, "dynamodb:GetResourcePolicy")
	default:
		out.Policy = r.document("resource policy", r.name, got.Policy)
	}
	table, _, _ := strings.Cut(arn, "/stream/")
	described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table}, opt)
	switch {
	case err != nil && missingCodes[codeOf(err)]:
		return nil, r.fail(err, "dynamodb:DescribeTable")
	case err != nil:
		out.Key = &Key{Unread: gapOf("", r.fail(err, "dynamodb:DescribeTable")).Why}
	case described.Table != nil && described.Table.SSEDescription != nil && described.Table.SSEDescription.KMSMasterKeyArn != nil:
		out.Key = r.tableKey(ctx, described.Table.SSEDescription.KMSMasterKeyArn)
	}
	return out, nil
}

// tableKey says whether a table's key is AWS's own: DynamoDB names both by ARN.
func (r one) tableKey(ctx context.Context, arn *string) *Key {
	client, opt := r.live.Cloud.KMS(r.at)
	described, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: arn}, opt)
	if err != nil {
		return &Key{ID: *arn, Unread: gapOf("", r.fail(err, "kms:DescribeKey")).Why}
	}
	return &Key{ID: *arn, Managed: described.KeyMetadata != nil && described.KeyMetadata.KeyManager == types.KeyManagerTypeAws}
}

func (r one) function(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.Lambda(r.at)
	name := strings.TrimPrefix(r.name, "function:")
	name, qualifier, qualified := strings.Cut(name, ":")
	in := &lambda.GetPolicyInput{FunctionName: &name}
	if qualified {
		in.Qualifier = &qualifier
	}
	out := &Resource{ARN: r.arn}
	got, err := client.GetPolicy(ctx, in, opt)
	switch {
	case codeOf(err) == "ResourceNotFoundException": // the function, or its policy
	case err != nil:
		return nil, r.fail(err, "lambda:GetPolicy")
	default:
		out.Policy = r.document("policy", "function "+name, got.Policy)
	}
	return out, nil
}

// parameter looks whether a key encrypts it; policies of its own only advanced
// parameters that are shared through RAM have.
func (r one) parameter(ctx context.Context) (*Resource, error) {
	client, opt := r.live.Cloud.SSM(r.at)
	name := strings.TrimPrefix(r.name, "parameter")
	out := &Resource{ARN: r.arn}
	for _, candidate := range []string{name, strings.TrimPrefix(name, "/")} {
		got, err := client.DescribeParameters(ctx, &ssm.DescribeParametersInput{
			ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Name"), Values: []string{candidate}}}}, opt)
		if err != nil {
			out.Key = &Key{Unread: gapOf("", r.fail(err, "ssm:DescribeParameters")).Why}
			return out, nil
		}
		for _, p := range got.Parameters {
			if p.Type == ssmtypes.ParameterTypeSecureString {
				out.Key = encrypted(p.KeyId)
			}
			return out, nil
		}
	}
	return out, nil
}
