package storetest

import (
	"testing"
	"time"

	"axle/internal/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Table makes a table and a bucket for a store, by name and without ado.
func Table(t *testing.T, cfg aws.Config, at store.TableAddress) {
	t.Helper()
	cfg.Region = at.Region
	db := dynamodb.NewFromConfig(cfg)
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &at.Table, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableExistsWaiter(db, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &at.Table}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &at.Bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(at.Region)}})
	if err != nil {
		t.Fatal(err)
	}
}

// OpenTable opens a store in DynamoDB with a configuration of the SDK.
func OpenTable(t *testing.T, cfg aws.Config, account string, at store.TableAddress) (*store.DynamoDB, error) {
	t.Helper()
	cfg.Region = at.Region
	return store.OpenDynamoDB(t.Context(), at, account, dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }))
}
