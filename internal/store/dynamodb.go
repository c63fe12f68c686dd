package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// DynamoDB is a store that several machines share: a table of DynamoDB, and a
// bucket of S3 for what an item can't hold. The table's key is pk and sk, both
// text; its items are
//
//	pk               sk                what
//	store            store             schema, and how many runs were made
//	runs             <run>             where the run is: project and number
//	project#<name>   <number>          a run; its plan is in the bucket
//	run#<run>        <number>          one Append: all its records, compressed
//	lock#<project>   lock              who holds the project, or held it last
//	stack#<id>       template          what Remember recorded
//	template#<sha>   <region>          that it was deployed there
//
// An Append is one item, however many records it has, and its number is one more
// than the last one's: what two processes write has an order, and neither
// overwrites the other. What is written by a run whose lock this store holds is
// written in a transaction that looks whether it still does: a holder that lost
// its lock, and doesn't know, writes nothing any more.
type DynamoDB struct {
	at      TableAddress
	account string
	place   string // for messages
	db      *dynamodb.Client
	s3      *s3.Client
	skew    atomic.Int64 // what AWS's clock is ahead of ours, in nanoseconds
	// Watching, unless nil, is told before Lock watches a holder that seems dead,
	// which takes so long.
	Watching func(project string, h axle.Holder, silent, takes time.Duration)

	closing chan struct{}
	close   func()
	tasks   sync.WaitGroup

	mu    sync.Mutex
	logs  map[string]*runLog // by run
	locks map[string]grip    // by run
	known map[string]bool    // templates and regions that are recorded
}

var _ Store = (*DynamoDB)(nil)

// tableSchema is the version of the items' form.
const tableSchema = 1

// Keys of the table.
const (
	keyStore   = "store"
	keyRuns    = "runs"
	keyProject = "project#"
	keyRun     = "run#"
	keyLock    = "lock#"
	keyStack   = "stack#"
	keyDigest  = "template#"
)

// OpenDynamoDB opens the store at an address that is complete (see
// TableAddress.In), with clients that act in the account. Neither the table nor
// the bucket is made: an *Error says what is missing.
func OpenDynamoDB(ctx context.Context, at TableAddress, account string, table *dynamodb.Client, bucket *s3.Client) (*DynamoDB, error) {
	s := &DynamoDB{at: at, account: account, s3: bucket,
		place:   fmt.Sprintf("dynamodb://%s (%s %s)", at.Table, account, at.Region),
		closing: make(chan struct{}), logs: map[string]*runLog{}, locks: map[string]grip{}, known: map[string]bool{}}
	s.db = dynamodb.New(table.Options(), func(o *dynamodb.Options) { o.Retryer = contention{o.Retryer} })
	s.close = sync.OnceFunc(func() {
		close(s.closing)
		s.tasks.Wait()
	})
	var errs [3]error
	var all sync.WaitGroup
	for i, look := range []func(context.Context) error{s.lookAtTable, s.lookAtSchema, s.lookAtBucket} {
		all.Go(func() { errs[i] = look(ctx) })
	}
	all.Wait()
	for _, err := range errs { // the table's first: the others may follow from it
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close ends the heartbeats. The lock of a run that still holds it ends when it
// hasn't been heard of for a minute.
func (s *DynamoDB) Close() error {
	s.close()
	return nil
}

func (s *DynamoDB) closed() error {
	select {
	case <-s.closing:
		return errClosed
	default:
		return nil
	}
}

func (s *DynamoDB) lookAtTable(ctx context.Context) error {
	out, err := s.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.at.Table})
	if err != nil {
		return s.explain("open", err)
	}
	s.notice(out.ResultMetadata)
	bad := &Error{Path: s.place}
	keys, kinds := map[types.KeyType]string{}, map[string]types.ScalarAttributeType{}
	for _, k := range out.Table.KeySchema {
		keys[k.KeyType] = aws.ToString(k.AttributeName)
	}
	for _, a := range out.Table.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	switch status := out.Table.TableStatus; {
	case keys[types.KeyTypeHash] != "pk" || keys[types.KeyTypeRange] != "sk" || kinds["pk"] != types.ScalarAttributeTypeS || kinds["sk"] != types.ScalarAttributeTypeS:
		bad.Summary, bad.Hint = "is a table of another program: its key isn't pk and sk, both text", "name another table; axle bootstrap --only-store --yes makes it"
	case status == types.TableStatusCreating:
		bad.Summary, bad.Hint = "is being made", "try again in a few seconds"
	case status != types.TableStatusActive && status != types.TableStatusUpdating:
		bad.Summary, bad.Hint = fmt.Sprintf("can't be used: it is %s", status), "restore the table, or name another"
	default:
		return nil
	}
	return bad
}

func (s *DynamoDB) lookAtSchema(ctx context.Context) error {
	item, err := s.get(ctx, keyStore, keyStore)
	if err != nil {
		return s.explain("open", err)
	}
	if version := number(item, "schema"); version > tableSchema {
		return &Error{Path: s.place, Hint: "use that version of axle",
			Summary: fmt.Sprintf("was written by a newer axle (its schema is %d, this one knows %d)", version, tableSchema)}
	}
	return nil
}

func (s *DynamoDB) lookAtBucket(ctx context.Context) error {
	_, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.at.Bucket, ExpectedBucketOwner: &s.account})
	return s.explainBucket("open", err)
}

// notice learns AWS's clock from an answer: machines that share a store needn't
// agree on the time.
func (s *DynamoDB) notice(answer middleware.Metadata) {
	if there, ok := awsmiddleware.GetServerTime(answer); ok {
		s.skew.Store(int64(time.Until(there)))
	}
}

// now is the time by AWS's clock.
func (s *DynamoDB) now() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

type item = map[string]types.AttributeValue

func (s *DynamoDB) get(ctx context.Context, pk, sk string) (item, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.at.Table, Key: key(pk, sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	s.notice(out.ResultMetadata)
	return out.Item, nil
}

// query reads the items of a partition in the order of their keys, page by page,
// until each returns false.
func (s *DynamoDB) query(ctx context.Context, in *dynamodb.QueryInput, each func(item) (bool, error)) error {
	in.TableName, in.ConsistentRead = &s.at.Table, aws.Bool(true)
	for {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return err
		}
		for _, it := range out.Items {
			if more, err := each(it); err != nil || !more {
				return err
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return nil
		}
	}
}

// partition is a query for the items of a partition.
func partition(pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": text(pk)}}
}

// errTaken says that the condition of the first write of a transaction didn't hold.
var errTaken = errors.New("it has been written by another")

// transact carries out writes for a run, all or none. When this store holds the
// run's lock, it must still be so. The error is errTaken when the condition of a
// write doesn't hold.
func (s *DynamoDB) transact(ctx context.Context, run string, writes ...types.TransactWriteItem) error {
	if err := s.closed(); err != nil {
		return err
	}
	s.mu.Lock()
	g, holding := s.locks[run]
	s.mu.Unlock()
	if holding {
		writes = append(writes[:len(writes):len(writes)], types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &s.at.Table, Key: key(keyLock+g.project, "lock"),
			ConditionExpression:                 aws.String("#token = :mine"),
			ExpressionAttributeNames:            map[string]string{"#token": "token"},
			ExpressionAttributeValues:           item{":mine": text(g.token)},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}})
	}
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return err
	}
	for i, reason := range cancelled.CancellationReasons {
		if aws.ToString(reason.Code) != "ConditionalCheckFailed" {
			continue
		}
		if holding && i == len(writes)-1 {
			return lost(s.place, g.project, run, holderOf(reason.Item))
		}
		return errTaken
	}
	return err
}

// key is the key of an item.
func key(pk, sk string) item { return item{"pk": text(pk), "sk": text(sk)} }

func text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func count(v int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(v)}
}

// moments are in nanoseconds since 1970; 0 is none.
func when(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return count(0)
	}
	return count(t.UnixNano())
}

func words(it item, name string) string {
	v, _ := it[name].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

func number(it item, name string) (n int64) {
	if v, ok := it[name].(*types.AttributeValueMemberN); ok {
		_, _ = fmt.Sscan(v.Value, &n) // what isn't a number is none
	}
	return n
}

func point(it item, name string) time.Time {
	n := number(it, name)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func octets(it item, name string) []byte {
	v, _ := it[name].(*types.AttributeValueMemberB)
	if v == nil {
		return nil
	}
	return v.Value
}

// ordinal is a number as a sort key.
func ordinal(n int64) string { return fmt.Sprintf("%012d", n) }

// holderOf reads who holds a lock.
func holderOf(it item) axle.Holder {
	return axle.Holder{Run: words(it, "run"), Who: words(it, "who"), Host: words(it, "host"), PID: int(number(it, "pid")),
		Since: point(it, "since"), Seen: point(it, "seen")}
}
