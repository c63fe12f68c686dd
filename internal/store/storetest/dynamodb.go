package storetest

import (
	"errors"
	"testing"
	"time"

	"axle/internal/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Table makes a table and a bucket for a store. A call that the SDK has repeated
// finds what it made: the first answer was lost.
func Table(t *testing.T, at store.TableAddress, db *dynamodb.Client, bucket *s3.Client) {
	t.Helper()
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &at.Table, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS}}})
	var table *types.ResourceInUseException
	if err != nil && !errors.As(err, &table) {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableExistsWaiter(db, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &at.Table}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &at.Bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(at.Region)}})
	var owned *s3types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &owned) {
		t.Fatal(err)
	}
}

// Clients are those of a configuration of the SDK.
func Clients(cfg aws.Config) (*dynamodb.Client, *s3.Client) {
	return dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// OpenTable opens a store in DynamoDB with a configuration of the SDK.
func OpenTable(t *testing.T, cfg aws.Config, account string, at store.TableAddress) (*store.DynamoDB, error) {
	t.Helper()
	db, bucket := Clients(cfg)
	return store.OpenDynamoDB(t.Context(), at, account, db, bucket)
}
