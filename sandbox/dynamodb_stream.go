package sandbox

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dynamoStream is the stream of a table: its changes in order, in one shard.
type dynamoStream struct {
	Label   string         `json:"label"`
	View    string         `json:"view"` // KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES
	Off     bool           `json:"off,omitempty"`
	Created time.Time      `json:"created"`
	Last    int64          `json:"last"` // the number of the last record
	Records []streamRecord `json:"records,omitempty"`

	more chan struct{} // closed when a record comes
}

// streamRecord is one change of an item. What it shows is decided when it is read.
type streamRecord struct {
	Number int64      `json:"number"`
	ID     string     `json:"id"`
	At     time.Time  `json:"at"`
	Old    dynamoItem `json:"old,omitempty"`
	New    dynamoItem `json:"new,omitempty"`
}

const (
	// streamAge is how long records are kept.
	streamAge   = 24 * time.Hour
	streamShard = "shardId-00000000000000000000-00000001"
)

var streamViews = []string{"KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"}

func (t *dynamoTable) streamARN() string { return t.arn() + "/stream/" + t.Stream.Label }

// note records a change of an item; one that changes nothing isn't recorded.
func (t *dynamoTable) note(old, item dynamoItem) {
	s := t.Stream
	if s == nil || s.Off || old == nil && item == nil || canonical(old) == canonical(item) {
		return
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.Last++
	s.Records = append(s.Records, streamRecord{Number: s.Last, ID: digestOf(s.Label + strconv.FormatInt(s.Last, 10))[:32], At: now, Old: old, New: item})
	for now.Sub(s.Records[0].At) > streamAge {
		s.Records = s.Records[1:]
	}
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// arrival is closed when the next record comes.
func (s *dynamoStream) arrival() <-chan struct{} {
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return s.more
}

// setStreamOf starts or ends the table's stream as the input says.
func (c *call) setStreamOf(t *dynamoTable) error {
	if !c.In.has("StreamSpecification") {
		return nil
	}
	spec := c.In.obj("StreamSpecification")
	on := t.Stream != nil && !t.Stream.Off
	switch {
	case spec.bool("StreamEnabled") && on:
		return fail("ValidationException", "Table already has an enabled stream: TableName: %s", t.Name)
	case spec.bool("StreamEnabled") && !slices.Contains(streamViews, spec.str("StreamViewType")):
		return invalidTable("StreamViewType is required when a stream is enabled, one of %s", strings.Join(streamViews, ", "))
	case spec.bool("StreamEnabled"):
		t.Stream = &dynamoStream{Label: c.now().Format("2006-01-02T15:04:05.000"), View: spec.str("StreamViewType"), Created: c.now()}
	case spec.has("StreamViewType"):
		return invalidTable("StreamViewType is given, but no stream is enabled")
	case on:
		ended := *t.Stream
		ended.Off = true
		t.Stream = &ended
	case c.Op == "UpdateTable":
		return fail("ValidationException", "Table is already stream disabled: TableName: %s", t.Name)
	}
	return nil
}

// describeStreamOf adds the stream to the table's description.
func (t *dynamoTable) describeStreamOf(out obj) {
	if t.Stream == nil {
		return
	}
	if !t.Stream.Off {
		out["StreamSpecification"] = obj{"StreamEnabled": true, "StreamViewType": t.Stream.View}
	}
	out["LatestStreamArn"], out["LatestStreamLabel"] = t.streamARN(), t.Stream.Label
}

// streamAt finds a table by the ARN of its stream; nil if there is none.
func (s *Sandbox) streamAt(arn string) *dynamoTable {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[2] != "dynamodb" {
		return nil
	}
	name, _, found := strings.Cut(strings.TrimPrefix(p[5], "table/"), "/stream/")
	a := s.account(p[4])
	if !found || a == nil || a.Regions[p[3]] == nil {
		return nil
	}
	if t := a.Regions[p[3]].Dynamo.Tables[name]; t != nil && t.Stream != nil && t.streamARN() == arn {
		return t
	}
	return nil
}

// streamEnd is the number of the stream's last record.
func (s *Sandbox) streamEnd(arn string) int64 {
	if t := s.streamAt(arn); t != nil {
		return t.Stream.Last
	}
	return 0
}

// onStream is an operation of DynamoDB Streams, whose requests are signed for
// DynamoDB.
func onStream(run func(*call, *dynamoTable) (obj, error)) operation {
	return operation{access: streamAccess, run: func(c *call) (obj, error) {
		t := c.streamAt(c.streamNamed())
		if t == nil || t.Account != c.Account.ID || t.Region != c.Region {
			return nil, fail("ResourceNotFoundException", "Requested resource not found: Stream: %s not found", c.streamNamed())
		}
		return run(c, t)
	}}
}

// streamNamed is the ARN of the stream that the input, or its iterator, names.
func (c *call) streamNamed() string {
	if c.In.has("ShardIterator") {
		arn, _ := readIterator(c.In.str("ShardIterator"))
		return arn
	}
	return c.In.str("StreamArn")
}

func streamAccess(c *call) ([]access, error) {
	return []access{{Action: "dynamodb:" + c.Op, Resource: c.streamNamed()}}, nil
}

// iterator is where a reader of a shard is: after a record.
func iterator(arn string, after int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(after, 10) + " " + arn))
}

func readIterator(token string) (arn string, after int64) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", 0
	}
	number, arn, _ := strings.Cut(string(raw), " ")
	after, _ = strconv.ParseInt(number, 10, 64)
	return arn, after
}

// streamNumber is a sequence number as DynamoDB writes it.
func streamNumber(n int64) string { return fmt.Sprintf("%021d", n*100) }

func describeStream(c *call, t *dynamoTable) (obj, error) {
	status, span := "ENABLED", obj{"StartingSequenceNumber": streamNumber(1)}
	if t.Stream.Off {
		status, span["EndingSequenceNumber"] = "DISABLED", streamNumber(t.Stream.Last)
	}
	return obj{"StreamDescription": obj{"StreamArn": t.streamARN(), "StreamLabel": t.Stream.Label, "StreamStatus": status, "StreamViewType": t.Stream.View,
		"CreationRequestDateTime": t.Stream.Created, "TableName": t.Name, "KeySchema": t.Keys.shown(),
		"Shards": []obj{{"ShardId": streamShard, "SequenceNumberRange": span}}}}, nil
}

func getShardIterator(c *call, t *dynamoTable) (obj, error) {
	if c.In.str("ShardId") != streamShard {
		return nil, fail("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
	}
	after := int64(0)
	at, err := strconv.ParseInt(c.In.or("SequenceNumber", "0"), 10, 64)
	switch kind := c.In.str("ShardIteratorType"); {
	case kind == "TRIM_HORIZON":
	case kind == "LATEST":
		after = t.Stream.Last
	case err == nil && kind == "AT_SEQUENCE_NUMBER":
		after = at/100 - 1
	case err == nil && kind == "AFTER_SEQUENCE_NUMBER":
		after = at / 100
	default:
		return nil, fail("ValidationException", "1 validation error detected: Value '%s' at 'shardIteratorType' failed to satisfy constraint", kind)
	}
	return obj{"ShardIterator": iterator(t.streamARN(), after)}, nil
}

// after are the records after one, at most so many.
func (s *dynamoStream) after(number int64, most int) []streamRecord {
	var out []streamRecord
	for _, r := range s.Records {
		if r.Number > number && len(out) < most {
			out = append(out, r)
		}
	}
	return out
}

func getRecords(c *call, t *dynamoTable) (obj, error) {
	_, after := readIterator(c.In.str("ShardIterator"))
	limit := c.In.int("Limit", 1000)
	if limit < 1 || limit > 1000 {
		return nil, fail("ValidationException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 1000", limit)
	}
	found, out := t.Stream.after(after, limit), []obj{}
	for _, r := range found {
		out = append(out, t.shownRecord(r))
		after = r.Number
	}
	if t.Stream.Off && after >= t.Stream.Last {
		return obj{"Records": out}, nil
	}
	return obj{"Records": out, "NextShardIterator": iterator(t.streamARN(), after)}, nil
}

// shownRecord is a record as the stream's view has it.
func (t *dynamoTable) shownRecord(r streamRecord) obj {
	kind, item := "MODIFY", r.New
	switch {
	case r.Old == nil:
		kind = "INSERT"
	case r.New == nil:
		kind, item = "REMOVE", r.Old
	}
	keys := obj{}
	for _, name := range t.Keys.names() {
		keys[name] = item[name]
	}
	change := obj{"ApproximateCreationDateTime": r.At.Truncate(time.Second), "Keys": keys, "SequenceNumber": streamNumber(r.Number),
		"SizeBytes": itemSize(item), "StreamViewType": t.Stream.View}
	if r.New != nil && (t.Stream.View == "NEW_IMAGE" || t.Stream.View == "NEW_AND_OLD_IMAGES") {
		change["NewImage"] = r.New
	}
	if r.Old != nil && (t.Stream.View == "OLD_IMAGE" || t.Stream.View == "NEW_AND_OLD_IMAGES") {
		change["OldImage"] = r.Old
	}
	return obj{"eventID": r.ID, "eventName": kind, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": t.Region, "dynamodb": change}
}

func listStreams(c *call) (obj, error) {
	var found []obj
	for _, name := range sortedKeys(c.here().Dynamo.Tables) {
		t := c.here().Dynamo.Tables[name]
		if only := c.In.str("TableName"); t.Stream != nil && (only == "" || only == name) && c.In.str("ExclusiveStartStreamArn") < t.streamARN() {
			found = append(found, obj{"StreamArn": t.streamARN(), "TableName": name, "StreamLabel": t.Stream.Label})
		}
	}
	out := obj{"Streams": found}
	if size := c.In.int("Limit", 100); len(found) > size {
		out["Streams"], out["LastEvaluatedStreamArn"] = found[:size], found[size-1]["StreamArn"]
	}
	if found == nil {
		out["Streams"] = []obj{}
	}
	return out, nil
}
