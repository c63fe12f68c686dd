package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Elements of a list are those from before the update, whatever it removes and
// adds besides.
func TestDynamoDBLists(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, name := c.dynamo(devAccount), aws.String("lists")
	c.table(client, *name)
	key := attributes{"pk": text("a"), "sk": number("1")}
	for expression, want := range map[string]string{
		"REMOVE l[0], l[1]":                      "c d",
		"REMOVE l[2], l[0], l[9]":                "b d",
		"REMOVE l[0] SET l[1] = :x":              "x c d",
		"SET l[9] = :y, l[7] = :x":               "a b c d x y",
		"REMOVE l[3] SET l[0] = l[3], l[8] = :x": "d b c x",
	} {
		item := attributes{"pk": text("a"), "sk": number("1"), "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("a"), text("b"), text("c"), text("d")}}}
		must[*dynamodb.PutItemOutput](t)(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: item}))
		values := attributes{}
		for _, v := range []string{"x", "y"} {
			if strings.Contains(expression, ":"+v) {
				values[":"+v] = text(v)
			}
		}
		if len(values) == 0 {
			values = nil
		}
		out := must[*dynamodb.UpdateItemOutput](t)(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: name, Key: key, ReturnValues: "ALL_NEW",
			UpdateExpression: &expression, ExpressionAttributeValues: values}))
		var got []string
		for _, v := range out.Attributes["l"].(*types.AttributeValueMemberL).Value {
			got = append(got, v.(*types.AttributeValueMemberS).Value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", expression, got, want)
		}
	}
}

// Sizes are those of the developer guide, "Item sizes and formats": of names and
// values as they are, not of how they travel.
func TestDynamoDBSizes(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, name := c.dynamo(devAccount), aws.String("sizes")
	c.table(client, *name)
	put := func(change func(attributes)) error {
		item := attributes{"pk": text("a"), "sk": number("1")}
		change(item)
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: item})
		return err
	}
	for what, value := range map[string]types.AttributeValue{
		"binary": &types.AttributeValueMemberB{Value: make([]byte, 400_000)},
		"HTML":   text(strings.Repeat("<", 400_000)),
	} {
		if err := put(func(a attributes) { a["v"] = value }); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused(t, put(func(a attributes) { a["v"] = text(strings.Repeat("x", 409_600)) }), "ValidationException", "Item size has exceeded the maximum allowed size")
	refused(t, put(func(a attributes) { a["pk"] = text(strings.Repeat("x", 2049)) }), "ValidationException", "Size of hashkey has exceeded the maximum size limit of2048 bytes")
	refused(t, put(func(a attributes) { a["v"] = number("1e-131") }), "ValidationException", "Number underflow")
	refused(t, put(func(a attributes) { a["v"] = number("1e126") }), "ValidationException", "Number overflow")
	refused(t, put(func(a attributes) { a["v"] = number(strings.Repeat("1", 39)) }), "ValidationException", "more than 38 significant digits")
	for _, n := range []string{"1e-130", "9.9999999999999999999999999999999999999e125", "-1e-130"} {
		if err := put(func(a attributes) { a["v"] = number(n) }); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
}

// What AWS refuses of indexes is refused: capacity that is missing, two changes
// at once, and reads that can't be consistent.
func TestDynamoDBIndexes(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := c.dynamo(devAccount)
	index := func(name string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{IndexName: &name, KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("sk"), KeyType: "HASH"}}, Projection: &types.Projection{ProjectionType: "ALL"}}
	}
	in := &dynamodb.CreateTableInput{TableName: aws.String("indexed"), BillingMode: types.BillingModeProvisioned,
		ProvisionedThroughput:  &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)},
		AttributeDefinitions:   []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "N"}},
		KeySchema:              []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{index("by-sk")}}
	_, err := client.CreateTable(ctx, in)
	refused(t, err, "ValidationException", "ProvisionedThroughput must be specified for index: by-sk")
	in.BillingMode, in.ProvisionedThroughput = types.BillingModePayPerRequest, nil
	in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: "INCLUDE"}
	_, err = client.CreateTable(ctx, in)
	refused(t, err, "ValidationException", "NonKeyAttributes")
	in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: "ALL"}
	must[*dynamodb.CreateTableOutput](t)(client.CreateTable(ctx, in))
	create := func(name string) types.GlobalSecondaryIndexUpdate {
		i := index(name)
		return types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: i.IndexName, KeySchema: i.KeySchema, Projection: i.Projection}}
	}
	_, err = client.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: in.TableName, AttributeDefinitions: in.AttributeDefinitions,
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("two"), create("three")}})
	refused(t, err, "LimitExceededException", "Only 1 online index can be created or deleted simultaneously per table")
	ask := &dynamodb.QueryInput{TableName: in.TableName, IndexName: aws.String("by-sk"), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("sk = :n"), ExpressionAttributeValues: attributes{":n": number("1")}}
	_, err = client.Query(ctx, ask)
	refused(t, err, "ValidationException", "Consistent reads are not supported on global secondary indexes")
	ask.ConsistentRead, ask.FilterExpression = nil, aws.String("sk < :n")
	_, err = client.Query(ctx, ask)
	refused(t, err, "ValidationException", "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk")
}

// A page that is full says where it ends, though nothing may come after it.
func TestDynamoDBFullPage(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, name := c.dynamo(devAccount), aws.String("pages")
	c.table(client, *name)
	for i := range 2 {
		must[*dynamodb.PutItemOutput](t)(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: attributes{"pk": text("a"), "sk": number(fmt.Sprint(i))}}))
	}
	first := must[*dynamodb.ScanOutput](t)(client.Scan(ctx, &dynamodb.ScanInput{TableName: name, Limit: aws.Int32(2)}))
	if first.Count != 2 || first.LastEvaluatedKey == nil {
		t.Fatalf("%+v", first)
	}
	next := must[*dynamodb.ScanOutput](t)(client.Scan(ctx, &dynamodb.ScanInput{TableName: name, Limit: aws.Int32(2), ExclusiveStartKey: first.LastEvaluatedKey}))
	if next.Count != 0 || next.LastEvaluatedKey != nil {
		t.Errorf("%+v", next)
	}
}

// The token of a transaction is forgotten when its time is over.
func TestDynamoDBForgetsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c, opts := context.Background(), &cloud{t: t}, sandbox.Options{State: t.TempDir() + "/state.json"}
		box, cfg := still(t, opts)
		client := dynamodb.NewFromConfig(cfg)
		c.table(client, "tokens")
		write := func(token, id string) {
			must[*dynamodb.TransactWriteItemsOutput](t)(client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token,
				TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: aws.String("tokens"), Item: attributes{"pk": text(id), "sk": number("1")}}}}}))
		}
		write("one", "a")
		time.Sleep(9 * time.Minute)
		write("one", "a")
		_, err := client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String("one"),
			TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: aws.String("tokens"), Item: attributes{"pk": text("b"), "sk": number("1")}}}}})
		refused(t, err, "IdempotentParameterMismatchException", "")
		time.Sleep(2 * time.Minute)
		write("two", "b")
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
		state, err := os.ReadFile(opts.State)
		if n := strings.Count(string(state), `"digest"`); err != nil || n != 1 {
			t.Errorf("%d tokens are kept, %v", n, err)
		}
	})
}
