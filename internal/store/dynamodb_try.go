package store

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Try is part of Store. What is written into the table has a condition that can't
// hold: who may not write is refused before it is looked at. An object is written
// into the bucket, and stays: only that shows whether its key may be used.
func (s *DynamoDB) Try(ctx context.Context) error {
	if err := s.closed(); err != nil {
		return err
	}
	it, never := key(keyStore, "try"), aws.String("attribute_exists(pk)")
	_, put := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.at.Table, Item: it, ConditionExpression: never})
	_, update := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.at.Table, Key: it, ConditionExpression: never,
		UpdateExpression: aws.String("ADD tried :one"), ExpressionAttributeValues: item{":one": count(1)}})
	for _, err := range []error{put, update} {
		if !refusedCondition(err) {
			return s.explain("try to write", err)
		}
	}
	err := s.transact(ctx, "", types.TransactWriteItem{Put: &types.Put{TableName: &s.at.Table, Item: it, ConditionExpression: never}},
		types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &s.at.Table, Key: key(keyStore, "tried"), ConditionExpression: never}})
	if !errors.Is(err, errTaken) {
		return s.explain("try to write", err)
	}
	in := partition(keyStore)
	in.Limit = aws.Int32(1)
	if err := s.query(ctx, in, func(item) (bool, error) { return false, nil }); err != nil {
		return s.explain("try to read", err)
	}
	object := s.at.Table + "/try"
	if err := s.put(ctx, object, []byte("axle doctor tries whether this can be written\n")); err != nil {
		return err
	}
	_, err = s.download(ctx, object)
	return err
}
