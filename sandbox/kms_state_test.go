package sandbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgs "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
)

// What was encrypted and stored is there after a restart.
func TestKMSDynamoDBState(t *testing.T) {
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "state.json")
	b := newBox(t, sandbox.Options{State: file})
	c := &cloud{t: t, url: b.url, top: b.top}
	keys, tables := c.kms(managementAccount), c.dynamo(managementAccount)
	key := must[*kms.CreateKeyOutput](t)(keys.CreateKey(ctx, &kms.CreateKeyInput{})).KeyMetadata.Arn
	sealed := must[*kms.EncryptOutput](t)(keys.Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: []byte("secret")})).CiphertextBlob
	c.table(tables, "orders")
	item := attributes{"pk": text("a"), "sk": number("1")}
	_ = must[*dynamodb.PutItemOutput](t)(tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: item}))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = newBox(t, sandbox.Options{State: file})
	c = &cloud{t: t, url: b.url, top: b.top}
	opened := must[*kms.DecryptOutput](t)(c.kms(managementAccount).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed}))
	got := must[*dynamodb.GetItemOutput](t)(c.dynamo(managementAccount).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("orders"), Key: item}))
	if string(opened.Plaintext) != "secret" || len(got.Item) != 2 {
		t.Errorf("%q, %v", opened.Plaintext, got.Item)
	}
}

// An alias's name is one of the caller's account; its ARN is what it says. What
// a key's aliases are, and by which one it is called, can be conditions.
func TestKMSAliasesAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key, dev := c.key(devAccount), c.kms(devAccount)
	_ = must[*kms.CreateAliasOutput](t)(dev.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/shared"), TargetKeyId: &key}))
	c.keyPolicy(devAccount, key, fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:RequestAlias":"alias/shared"}}}`, qaAccount))
	encrypt := func(id string) error {
		_, err := c.kms(qaAccount).Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
		return err
	}
	arn := "arn:aws:kms:eu-west-1:" + devAccount + ":alias/shared"
	if err := encrypt(arn); err != nil {
		t.Error(err)
	}
	refused(t, encrypt(key), "AccessDeniedException", "because no resource-based policy allows the kms:Encrypt action")
	refused(t, encrypt("alias/shared"), "NotFoundException", "Alias arn:aws:kms:eu-west-1:"+qaAccount+":alias/shared is not found.")
	refused(t, encrypt(key[strings.Index(key, "/")+1:]), "NotFoundException", "Key 'arn:aws:kms:eu-west-1:"+qaAccount)
	refused(t, encrypt(arn+"x"), "AccessDeniedException", "because the resource does not exist in this Region, no resource-based policies allow access")
	refused(t, encrypt(strings.Replace(key, "eu-west-1", "us-east-1", 1)), "NotFoundException", "Invalid arn us-east-1")
	_, err := c.kms(qaAccount).CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/mine"), TargetKeyId: &key})
	refused(t, err, "AccessDeniedException", "kms:CreateAlias")
}

// A resource control policy holds for the keys of customers, not for AWS's own.
func TestKMSResourceControlPolicy(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key, dev, org := c.key(devAccount), c.kms(devAccount), organizations.NewFromConfig(c.top)
	root := must[*organizations.ListRootsOutput](t)(org.ListRoots(ctx, nil)).Roots[0].Id
	_, err := org.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: root, PolicyType: orgs.PolicyTypeResourceControlPolicy})
	if err != nil {
		t.Fatal(err)
	}
	made := must[*organizations.CreatePolicyOutput](t)(org.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("NoKeys"), Description: aws.String(""),
		Type:    orgs.PolicyTypeResourceControlPolicy,
		Content: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}]}`)}))
	_ = must[*organizations.AttachPolicyOutput](t)(org.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: aws.String(devAccount)}))
	_, err = dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "AccessDeniedException", "with an explicit deny in a resource control policy")
	_ = must[*kms.DescribeKeyOutput](t)(dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/ssm")}))
}

// Tags of keys and tables are conditions, and the tagging API finds them.
func TestKMSDynamoDBTags(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.dynamo(devAccount)
	arn := c.table(dev, "orders")
	reader := dynamodb.NewFromConfig(c.actor(devAccount, "Reader",
		`{"Effect":"Allow","Action":"dynamodb:DescribeTable","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}`))
	describe := func() error {
		_, err := reader.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
		return err
	}
	refused(t, describe(), "AccessDeniedException", "because no identity-based policy allows the dynamodb:DescribeTable action")
	_, err := dev.TagResource(ctx, &dynamodb.TagResourceInput{ResourceArn: &arn, Tags: dynamoTags("team", "a")})
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(); err != nil {
		t.Error(err)
	}
	found := must[*resourcegroupstaggingapi.GetResourcesOutput](t)(resourcegroupstaggingapi.NewFromConfig(c.in(devAccount, "eu-west-1")).GetResources(ctx,
		&resourcegroupstaggingapi.GetResourcesInput{ResourceTypeFilters: []string{"dynamodb:table"}}))
	if len(found.ResourceTagMappingList) != 1 {
		t.Errorf("%+v", found.ResourceTagMappingList)
	}
}
