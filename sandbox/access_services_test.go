package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// kmsKey makes a key in the dev account that its own identities use, and gives
// its ARN and what lets others use it through a service.
func (c *cloud) kmsKey() (arn string, open func(principal, service string)) {
	c.t.Helper()
	ctx, client := context.Background(), kms.NewFromConfig(c.in(devAccount, "eu-west-1"))
	id := must[*kms.CreateKeyOutput](c.t)(client.CreateKey(ctx, nil)).KeyMetadata
	return *id.Arn, func(principal, service string) {
		c.t.Helper()
		condition := ""
		if service != "" {
			condition = `,"Condition":{"StringEquals":{"kms:ViaService":"` + service + `.eu-west-1.amazonaws.com"}}`
		}
		doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},
			{"Effect":"Allow","Principal":%s,"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"%s}]}`, devAccount, principal, condition)
		_ = must[*kms.PutKeyPolicyOutput](c.t)(client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: id.Arn, PolicyName: aws.String("default"), Policy: &doc}))
	}
}

// A secret is read from another account by its ARN, when the secret's policy,
// the reader's own and the key's policy allow it; never under the default key.
func TestSecretAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key, open := c.kmsKey()
	dev, qa := secretsmanager.NewFromConfig(c.in(devAccount, "eu-west-1")), secretsmanager.NewFromConfig(c.in(qaAccount, "eu-west-1"))
	made := must[*secretsmanager.CreateSecretOutput](t)(dev.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String("hidden")}))
	read := func(id string) error {
		out, err := qa.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err == nil && *out.SecretString != "hidden" {
			t.Errorf("read %q", *out.SecretString)
		}
		return err
	}
	refused(t, read(*made.ARN), "AccessDeniedException", "because no resource-based policy allows the secretsmanager:GetSecretValue action")
	_ = must[*secretsmanager.PutResourcePolicyOutput](t)(dev.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN,
		ResourcePolicy: aws.String(allows(`{"AWS":"`+qaAccount+`"}`, "secretsmanager:*SecretValue", "*", ""))}))
	refused(t, read(*made.ARN), "InvalidRequestException", "default KMS service key")
	_ = must[*secretsmanager.UpdateSecretOutput](t)(dev.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, KmsKeyId: &key}))
	refused(t, read(*made.ARN), "AccessDeniedException", "Access to KMS is not allowed")
	open(`{"AWS":"`+qaAccount+`"}`, "secretsmanager")
	if err := read(*made.ARN); err != nil {
		t.Fatal(err)
	}
	_ = must[*secretsmanager.UpdateSecretOutput](t)(dev.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: made.ARN, KmsKeyId: aws.String(key[strings.LastIndex(key, "/")+1:])}))
	if err := read(*made.ARN); err != nil {
		t.Fatal(err)
	}
	_, err := qa.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("x")})
	refused(t, err, "EncryptionFailure", "Key 'arn:aws:kms:eu-west-1:"+qaAccount) // an id is one of the caller's account
	refused(t, read("db"), "ResourceNotFoundException", "can't find")
	refused(t, read((*made.ARN)[:len(*made.ARN)-7]), "AccessDeniedException", "secretsmanager:GetSecretValue")
	_, err = dev.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, BlockPublicPolicy: aws.Bool(true),
		ResourcePolicy: aws.String(allows(`"*"`, "secretsmanager:GetSecretValue", "*", ""))})
	refused(t, err, "PublicPolicyException", "broad access")
}

// A writer without the data key's permission can't write; what a deny in its own
// policy says of KMS holds through the service.
func TestSecretStages(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := secretsmanager.NewFromConfig(c.in(devAccount, "eu-west-1"))
	first := must[*secretsmanager.CreateSecretOutput](t)(dev.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String("one")}))
	second := must[*secretsmanager.PutSecretValueOutput](t)(dev.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: first.ARN,
		SecretString: aws.String("two"), VersionStages: []string{"AWSPENDING"}}))
	value := func(stage string) string {
		t.Helper()
		return *must[*secretsmanager.GetSecretValueOutput](t)(dev.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: first.ARN, VersionStage: &stage})).SecretString
	}
	if value("AWSCURRENT") != "one" || value("AWSPENDING") != "two" {
		t.Fatal("a pending version is current")
	}
	move := &secretsmanager.UpdateSecretVersionStageInput{SecretId: first.ARN, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: second.VersionId}
	_, err := dev.UpdateSecretVersionStage(ctx, move)
	refused(t, err, "InvalidParameterException", "RemoveFromVersionId")
	move.RemoveFromVersionId = first.VersionId
	_ = must[*secretsmanager.UpdateSecretVersionStageOutput](t)(dev.UpdateSecretVersionStage(ctx, move))
	if value("AWSCURRENT") != "two" || value("AWSPREVIOUS") != "one" {
		t.Fatal("the stages didn't move")
	}
}

// Objects under a key of another account's are read by who may use both.
func TestObjectsUnderKeys(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key, open := c.kmsKey()
	dev, qa := c.s3(devAccount, "eu-west-1"), c.s3(qaAccount, "eu-west-1")
	bucket := c.bucket(dev, "shared-objects", "eu-west-1")
	encrypt := func(key *string) {
		t.Helper()
		_ = must[*s3.PutBucketEncryptionOutput](t)(dev.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: bucket,
			ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
				ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: key}}}}}))
	}
	doc := allows(`{"AWS":"`+qaAccount+`"}`, "s3:*Object", "arn:aws:s3:::shared-objects/*", "")
	_ = must[*s3.PutBucketPolicyOutput](t)(dev.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &doc}))
	put := func(client *s3.Client, name string) error {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &name, Body: strings.NewReader("text")})
		return err
	}
	get := func(client *s3.Client, name string) error {
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &name})
		if err == nil {
			if body, _ := io.ReadAll(out.Body); string(body) != "text" {
				t.Errorf("read %q", body)
			}
		}
		return err
	}
	for _, err := range []error{put(qa, "plain"), get(qa, "plain"), get(dev, "plain")} { // BucketOwnerEnforced: the bucket's owner has it
		if err != nil {
			t.Fatal(err)
		}
	}
	encrypt(nil)
	if err := put(dev, "managed"); err != nil {
		t.Fatal(err)
	}
	refused(t, get(qa, "managed"), "AccessDenied", "kms:Decrypt")
	encrypt(&key)
	if err := put(dev, "ours"); err != nil {
		t.Fatal(err)
	}
	refused(t, get(qa, "ours"), "AccessDenied", "kms:Decrypt")
	refused(t, put(qa, "theirs"), "AccessDenied", "kms:GenerateDataKey")
	if _, err := qa.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("ours")}); err != nil {
		t.Fatal(err)
	}
	open(`{"AWS":"`+qaAccount+`"}`, "s3")
	for _, err := range []error{get(qa, "ours"), put(qa, "theirs"), get(dev, "theirs")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := qa.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("acl"), Body: strings.NewReader("x"), ACL: s3types.ObjectCannedACLPublicRead})
	refused(t, err, "AccessControlListNotSupported", "does not allow ACLs")
}

// An encrypted queue needs its key of sender and receiver, and of SNS.
func TestQueuesAndTopicsUnderKeys(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key, open := c.kmsKey()
	dev, qa := c.sqs(devAccount), c.sqs(qaAccount)
	url, arn := c.queue(dev, devAccount, "orders", map[string]string{"KmsMasterKeyId": "alias/aws/sqs"})
	topics := c.sns(devAccount, "eu-west-1")
	topic := must[*sns.CreateTopicOutput](t)(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders"), Attributes: map[string]string{"KmsMasterKeyId": key}})).TopicArn
	doc := strings.Replace(allows(`{"AWS":"`+qaAccount+`","Service":"sns.amazonaws.com"}`, "sqs:*", arn, ""), "sqs:*", `sqs:SendMessage","sqs:ReceiveMessage`, 1)
	doc = strings.Replace(doc, `"Action":"sqs:SendMessage","sqs:ReceiveMessage"`, `"Action":["sqs:SendMessage","sqs:ReceiveMessage"]`, 1)
	if err := setQueue(t, dev, url, "Policy", doc); err != nil {
		t.Fatal(err)
	}
	send := func(client *sqs.Client) error {
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("sent")})
		return err
	}
	publish := func() {
		t.Helper()
		_ = must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("published")}))
	}
	_ = must[*sns.SubscribeOutput](t)(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"}}))
	if err := send(dev); err != nil {
		t.Fatal(err)
	}
	refused(t, send(qa), "KMS.AccessDeniedException", "kms:GenerateDataKey")
	_, err := qa.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
	refused(t, err, "KMS.AccessDeniedException", "kms:Decrypt")
	publish() // lost: nobody can let SNS use the AWS-managed key
	if got := bodies(t, dev, url, 0); len(got) != 1 || got[0] != "sent" {
		t.Fatalf("received %v", got)
	}
	if err := setQueue(t, dev, url, "KmsMasterKeyId", key); err != nil {
		t.Fatal(err)
	}
	open(`{"AWS":"`+qaAccount+`"}`, "sqs")
	if err := send(qa); err != nil {
		t.Fatal(err)
	}
	open(`{"Service":"sns.amazonaws.com"}`, "")
	publish()
	if got := bodies(t, dev, url, 0); len(got) != 2 || got[1] != "published" {
		t.Fatalf("received %v", got)
	}
	far := c.sns(qaAccount, "eu-west-1")
	allow := allows(`{"AWS":"`+qaAccount+`"}`, "sns:Publish", *topic, "")
	_ = must[*sns.SetTopicAttributesOutput](t)(topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("Policy"), AttributeValue: &allow}))
	_, err = far.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("x")})
	refused(t, err, "KMSAccessDenied", "kms:GenerateDataKey")
}

// A SecureString is decrypted for who may use its key; another account's
// parameters aren't there without a resource share.
func TestParametersAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := ssm.NewFromConfig(c.in(devAccount, "eu-west-1")), ssm.NewFromConfig(c.in(qaAccount, "eu-west-1"))
	key, _ := c.kmsKey()
	for name, id := range map[string]*string{"/p/own": &key, "/p/default": nil} {
		_ = must[*ssm.PutParameterOutput](t)(dev.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: aws.String("v"), Type: ssmtypes.ParameterTypeSecureString, KeyId: id}))
	}
	_, err := qa.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("arn:aws:ssm:eu-west-1:" + devAccount + ":parameter/p/own")})
	refused(t, err, "AccessDeniedException", "because no resource-based policy allows the ssm:GetParameter action")
	_, err = qa.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/p/x"), Value: aws.String("v"), Type: ssmtypes.ParameterTypeSecureString, KeyId: &key})
	refused(t, err, "AccessDeniedException", "kms:Encrypt")
	_, err = kms.NewFromConfig(c.in(devAccount, "eu-west-1")).DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	_, err = dev.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: aws.String("/p"), WithDecryption: aws.Bool(true)})
	refused(t, err, "InvalidKeyId", "is disabled")
	out := must[*ssm.GetParameterOutput](t)(dev.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/p/default"), WithDecryption: aws.Bool(true)}))
	if *out.Parameter.Value != "v" {
		t.Fatalf("value %q", *out.Parameter.Value)
	}
}
