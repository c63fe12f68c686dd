package sandbox_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func (c *cloud) dynamo(account string) *dynamodb.Client {
	c.t.Helper()
	return dynamodb.NewFromConfig(c.in(account, "eu-west-1"))
}

// actor makes a role of an account with one inline policy (none when ""), and
// gives a session of it.
func (c *cloud) actor(account, name, allow string) aws.Config {
	c.t.Helper()
	ctx, client := context.Background(), iam.NewFromConfig(c.in(account, "us-east-1"))
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}]}`, managementAccount)
	role := must[*iam.CreateRoleOutput](c.t)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
	if allow != "" {
		doc := `{"Version":"2012-10-17","Statement":[` + allow + `]}`
		_ = must[*iam.PutRolePolicyOutput](c.t)(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &doc}))
	}
	out := must[*sts.AssumeRoleOutput](c.t)(sts.NewFromConfig(c.top).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("test")}))
	cfg := c.top.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return cfg
}

func text(v string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: v} }
func number(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

func dynamoTags(key, value string) []types.Tag { return []types.Tag{{Key: &key, Value: &value}} }

type attributes = map[string]types.AttributeValue

// table makes a table with a hash key "pk" and a range key "sk", a number.
func (c *cloud) table(client *dynamodb.Client, name string, change ...func(*dynamodb.CreateTableInput)) string {
	c.t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "N"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}}}
	for _, f := range change {
		f(in)
	}
	out := must[*dynamodb.CreateTableOutput](c.t)(client.CreateTable(context.Background(), in))
	if out.TableDescription.TableStatus != "CREATING" {
		c.t.Fatalf("table is %s", out.TableDescription.TableStatus)
	}
	return *out.TableDescription.TableArn
}

func TestDynamoDBItems(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	client, name := c.dynamo(devAccount), aws.String("orders")
	c.table(client, *name)
	for i := range 5 {
		_ = must[*dynamodb.PutItemOutput](t)(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name,
			Item: attributes{"pk": text("a"), "sk": number(fmt.Sprint(i * 5)), "name": text(fmt.Sprint("n", i)), "count": number("1.50")}}))
	}
	key := attributes{"pk": text("a"), "sk": number("10.0")}
	got := must[*dynamodb.GetItemOutput](t)(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: key}))
	if n, ok := got.Item["count"].(*types.AttributeValueMemberN); !ok || n.Value != "1.5" || len(got.Item) != 4 {
		t.Fatalf("item %+v", got.Item)
	}
	_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: attributes{"pk": text("a")}})
	refused(t, err, "ValidationException", "The provided key element does not match the schema")
	_, err = client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: key, ConditionExpression: aws.String("attribute_not_exists(pk)")})
	refused(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	updated := must[*dynamodb.UpdateItemOutput](t)(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: name, Key: key, ReturnValues: "UPDATED_NEW",
		UpdateExpression:         aws.String("SET #c = #c + :one, seen = if_not_exists(seen, :one) REMOVE gone ADD tags :tags"),
		ExpressionAttributeNames: map[string]string{"#c": "count"}, ExpressionAttributeValues: attributes{":one": number("1"), ":tags": &types.AttributeValueMemberSS{Value: []string{"x"}}}}))
	if n := updated.Attributes["count"].(*types.AttributeValueMemberN); n.Value != "2.5" || len(updated.Attributes) != 3 {
		t.Fatalf("updated %+v", updated.Attributes)
	}
	_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: name, Key: key, UpdateExpression: aws.String("SET pk = :v"), ExpressionAttributeValues: attributes{":v": text("b")}})
	refused(t, err, "ValidationException", "Cannot update attribute pk. This attribute is part of the key")
	_, err = client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: name, Key: key, UpdateExpression: aws.String("SET a = = :v"), ExpressionAttributeValues: attributes{":v": text("b")}})
	refused(t, err, "ValidationException", "Syntax error")

	for condition, want := range map[string]int{"sk > :v": 3, "sk >= :v": 4, "sk BETWEEN :v AND :w": 2, "sk = :v": 1} {
		values := attributes{":a": text("a"), ":v": number("5")}
		if condition == "sk BETWEEN :v AND :w" {
			values[":w"] = number("10")
		}
		out := must[*dynamodb.QueryOutput](t)(client.Query(ctx, &dynamodb.QueryInput{TableName: name,
			KeyConditionExpression: aws.String("pk = :a AND " + condition), ExpressionAttributeValues: values}))
		if int(out.Count) != want {
			t.Errorf("%s: %d, want %d", condition, out.Count, want)
		}
	}
	var order []string
	pages := dynamodb.NewQueryPaginator(client, &dynamodb.QueryInput{TableName: name, Limit: aws.Int32(2), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression: aws.String("pk = :a"), FilterExpression: aws.String("NOT begins_with(#n, :n) OR attribute_exists(seen)"), ProjectionExpression: aws.String("sk"),
		ExpressionAttributeNames: map[string]string{"#n": "name"}, ExpressionAttributeValues: attributes{":a": text("a"), ":n": text("n1")}})
	for pages.HasMorePages() {
		out := must[*dynamodb.QueryOutput](t)(pages.NextPage(ctx))
		for _, item := range out.Items {
			order = append(order, item["sk"].(*types.AttributeValueMemberN).Value)
		}
	}
	if fmt.Sprint(order) != "[20 15 10 0]" {
		t.Errorf("order %v", order)
	}
	scanned := must[*dynamodb.ScanOutput](t)(client.Scan(ctx, &dynamodb.ScanInput{TableName: name, Select: "COUNT"}))
	if scanned.Count != 5 {
		t.Errorf("%d items", scanned.Count)
	}
	_ = must[*dynamodb.BatchWriteItemOutput](t)(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		*name: {{DeleteRequest: &types.DeleteRequest{Key: key}}, {PutRequest: &types.PutRequest{Item: attributes{"pk": text("b"), "sk": number("1")}}}}}}))
	batch := must[*dynamodb.BatchGetItemOutput](t)(client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		*name: {Keys: []map[string]types.AttributeValue{key, {"pk": text("b"), "sk": number("1")}}}}}))
	if len(batch.Responses[*name]) != 1 {
		t.Errorf("batch %+v", batch.Responses)
	}
	_, err = client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("nothing"), Key: key})
	refused(t, err, "ResourceNotFoundException", "Requested resource not found")
}

// A table is reached from another account by its ARN only, when its policy and
// the caller's own both allow; never for what DynamoDB keeps to the account.
func TestDynamoDBAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.dynamo(devAccount)
	arn := c.table(dev, "orders")
	key := attributes{"pk": text("a"), "sk": number("1")}
	_ = must[*dynamodb.PutItemOutput](t)(dev.PutItem(ctx, &dynamodb.PutItemInput{TableName: &arn, Item: key}))
	reader := dynamodb.NewFromConfig(c.actor(qaAccount, "Reader", `{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:DescribeTimeToLive"],"Resource":"*"}`))
	bare := dynamodb.NewFromConfig(c.actor(qaAccount, "Bare", ""))
	local := dynamodb.NewFromConfig(c.actor(devAccount, "Local", ""))
	get := func(client *dynamodb.Client, table, pk string) error {
		_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: attributes{"pk": text(pk), "sk": number("1")}})
		return err
	}
	refused(t, get(reader, arn, "a"), "AccessDeniedException", "because no resource-based policy allows the dynamodb:GetItem action")
	allow := func(principal, action, condition string) *dynamodb.PutResourcePolicyInput {
		return &dynamodb.PutResourcePolicyInput{ResourceArn: &arn, Policy: aws.String(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":%q,"Resource":%q%s}]}`, principal, action, arn, condition))}
	}
	_, err := dev.PutResourcePolicy(ctx, allow("arn:aws:iam::"+qaAccount+":role/Nobody", "dynamodb:*", ""))
	refused(t, err, "ValidationException", "Invalid policy document")
	_, err = dev.PutResourcePolicy(ctx, allow("*", "dynamodb:*", ""))
	refused(t, err, "ValidationException", "Block Public Access")
	_, err = dev.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: &arn})
	refused(t, err, "PolicyNotFoundException", "Resource-based policy not found")
	first := must[*dynamodb.PutResourcePolicyOutput](t)(dev.PutResourcePolicy(ctx, allow(qaAccount, "dynamodb:*", "")))
	if err := get(reader, arn, "a"); err != nil {
		t.Fatal(err)
	}
	refused(t, get(bare, arn, "a"), "AccessDeniedException", "because no identity-based policy allows the dynamodb:GetItem action")
	refused(t, get(reader, "orders", "a"), "ResourceNotFoundException", "")
	_, err = reader.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &arn})
	refused(t, err, "AccessDeniedException", "dynamodb:DescribeTimeToLive")

	leading := `,"Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["a"]}}`
	second := allow(qaAccount, "dynamodb:GetItem", leading)
	second.ExpectedRevisionId = aws.String("1")
	_, err = dev.PutResourcePolicy(ctx, second)
	refused(t, err, "PolicyNotFoundException", "")
	second.ExpectedRevisionId = first.RevisionId
	_ = must[*dynamodb.PutResourcePolicyOutput](t)(dev.PutResourcePolicy(ctx, second))
	if err := get(reader, arn, "a"); err != nil {
		t.Fatal(err)
	}
	refused(t, get(reader, arn, "b"), "AccessDeniedException", "because no resource-based policy")
	_ = must[*dynamodb.PutResourcePolicyOutput](t)(dev.PutResourcePolicy(ctx, allow("arn:aws:iam::"+devAccount+":role/Local", "dynamodb:GetItem", "")))
	if err := get(local, "orders", "a"); err != nil {
		t.Fatal("a role that the policy names needs no policy of its own: ", err)
	}
	refused(t, get(reader, arn, "a"), "AccessDeniedException", "")
	_ = must[*dynamodb.DeleteResourcePolicyOutput](t)(dev.DeleteResourcePolicy(ctx, &dynamodb.DeleteResourcePolicyInput{ResourceArn: &arn}))
	refused(t, get(local, "orders", "a"), "AccessDeniedException", "because no identity-based policy")
}

// A table under a key of KMS needs the key for every read, also across
// accounts; the AWS-managed key keeps the table to its account.
func TestDynamoDBKeys(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.dynamo(devAccount)
	key := c.key(devAccount)
	encrypted := func(id *string) func(*dynamodb.CreateTableInput) {
		return func(in *dynamodb.CreateTableInput) {
			in.SSESpecification = &types.SSESpecification{Enabled: aws.Bool(true), SSEType: "KMS", KMSMasterKeyId: id}
			in.ResourcePolicy = aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"dynamodb:GetItem","Resource":"*"}]}`, qaAccount))
		}
	}
	own, managed := c.table(dev, "own", encrypted(&key)), c.table(dev, "managed", encrypted(nil))
	reader := dynamodb.NewFromConfig(c.actor(qaAccount, "Reader", `{"Effect":"Allow","Action":["dynamodb:GetItem","kms:Decrypt"],"Resource":"*"}`))
	get := func(client *dynamodb.Client, table string) error {
		_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: attributes{"pk": text("a"), "sk": number("1")}})
		return err
	}
	for _, table := range []string{own, managed} {
		refused(t, get(reader, table), "AccessDeniedException", "KMS key access denied error")
		if err := get(dev, table); err != nil {
			t.Fatal(err)
		}
	}
	c.keyPolicy(devAccount, key, fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"kms:Decrypt","Resource":"*",
		"Condition":{"StringEquals":{"kms:ViaService":"dynamodb.eu-west-1.amazonaws.com","kms:EncryptionContext:aws:dynamodb:tableName":"own"}}}`, qaAccount))
	if err := get(reader, own); err != nil {
		t.Fatal(err)
	}
	refused(t, get(reader, managed), "AccessDeniedException", "KMS key access denied error")
	shown := must[*dynamodb.DescribeTableOutput](t)(dev.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &own}))
	if *shown.Table.SSEDescription.KMSMasterKeyArn != key {
		t.Errorf("%+v", shown.Table.SSEDescription)
	}
}

// A table takes a while to be made, an unkind one in sight; its pages are short,
// and its policy takes a moment to hold.
func TestDynamoDBTableLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := stillCloud(t, sandbox.Options{Unkind: true})
		client := dynamodb.NewFromConfig(c.in(devAccount, "eu-west-1"))
		arn := c.table(client, "slow", func(in *dynamodb.CreateTableInput) { in.DeletionProtectionEnabled = aws.Bool(true) })
		item := &dynamodb.PutItemInput{TableName: &arn, Item: attributes{"pk": text("a"), "sk": number("1")}}
		_, err := client.PutItem(ctx, item)
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
		_, err = client.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &arn, DeletionProtectionEnabled: aws.Bool(false)})
		refused(t, err, "ResourceInUseException", "Table is being created: slow")
		for ; ; time.Sleep(pollTime) {
			out := must[*dynamodb.DescribeTableOutput](t)(client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &arn}))
			if out.Table.TableStatus == "ACTIVE" {
				break
			}
		}
		_ = must[*dynamodb.PutItemOutput](t)(client.PutItem(ctx, item))
		_, err = client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &arn})
		refused(t, err, "ValidationException", "currently protected against deletion")
		for i := range 4 {
			item.Item["sk"] = number(fmt.Sprint(i))
			_ = must[*dynamodb.PutItemOutput](t)(client.PutItem(ctx, item))
		}
		pages, n := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &arn}), 0
		for pages.HasMorePages() {
			n += int(must[*dynamodb.ScanOutput](t)(pages.NextPage(ctx)).Count)
		}
		if n != 4 {
			t.Errorf("%d items in pages", n)
		}
		_ = must[*dynamodb.PutResourcePolicyOutput](t)(client.PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: &arn, Policy: aws.String(fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"dynamodb:Scan","Resource":%q}]}`, qaAccount, arn))}))
		qa := dynamodb.NewFromConfig(c.in(qaAccount, "eu-west-1"))
		scan := func() error {
			_, err := qa.Scan(ctx, &dynamodb.ScanInput{TableName: &arn})
			return err
		}
		refused(t, scan(), "AccessDeniedException", "because no resource-based policy")
		inTheEnd(t, "AccessDeniedException", "because no resource-based policy", scan)
	})
}
