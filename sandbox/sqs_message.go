package sandbox

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"axle/internal/late"
)

// queueMessage is a message in a queue until it is deleted or too old.
type queueMessage struct {
	ID         string            `json:"id"`
	Body       string            `json:"body"`
	Attributes map[string]any    `json:"attributes,omitempty"` // as they were sent
	System     map[string]string `json:"system,omitempty"`     // SenderId, AWSTraceHeader, MessageGroupId, ...
	Sent       time.Time         `json:"sent"`
	Visible    time.Time         `json:"visible"` // when it can be received next
	First      time.Time         `json:"first,omitzero"`
	Receives   int               `json:"receives,omitempty"`
	Key        string            `json:"key,omitempty"` // ARN of the KMS key that it is under
}

func (m *queueMessage) group() string { return m.System["MessageGroupId"] }

// sent is what a FIFO queue remembers of a message for five minutes.
type sent struct {
	ID, Sequence string
	At           time.Time
}

const dedupWindow = 5 * time.Minute

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// attributesDigest is SQS's MD5 of message attributes: name, type and value of
// each by name, every one after its length.
func attributesDigest(attributes map[string]any) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(v []byte) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) }
	for _, name := range sortedKeys(attributes) {
		a := asParams(attributes[name])
		add([]byte(name))
		add([]byte(a.str("DataType")))
		if strings.HasPrefix(a.str("DataType"), "Binary") {
			raw, _ := base64.StdEncoding.DecodeString(a.str("BinaryValue"))
			b = append(b, 2)
			add(raw)
			continue
		}
		b = append(b, 1)
		add([]byte(a.str("StringValue")))
	}
	return md5Hex(b)
}

var (
	attributeName = naming{late.MustCompile(`^[A-Za-z0-9_.-]+$`), 1, 256}
	batchID       = naming{late.MustCompile(`^[A-Za-z0-9_-]+$`), 1, 80}
	groupID       = naming{late.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]+$"), 1, 128}
)

// checkMessage gives the size of a message, or SQS's refusal.
func checkMessage(body string, attributes map[string]any) (int, error) {
	if body == "" {
		return 0, fail("MissingRequiredParameterException", "The request must contain the parameter MessageBody.")
	}
	bad := func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	}
	if !utf8.ValidString(body) || strings.ContainsFunc(body, bad) {
		return 0, fail("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	if len(attributes) > 10 {
		return 0, invalidQueueValue(text(len(attributes)), "MessageAttributes", "Number of message attributes exceeds the allowed maximum of 10.")
	}
	size := len(body)
	for _, name := range sortedKeys(attributes) {
		a := asParams(attributes[name])
		kind, _, _ := strings.Cut(a.str("DataType"), ".")
		value := a.str("StringValue")
		if kind == "Binary" {
			value = a.str("BinaryValue")
		}
		lower := strings.ToLower(name)
		_, notNumber := strconv.ParseFloat(value, 64)
		switch {
		case !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
			return 0, fail("InvalidParameterValueException", "The message attribute name '%s' is invalid.", name)
		case kind != "String" && kind != "Number" && kind != "Binary", kind == "Number" && notNumber != nil:
			return 0, fail("InvalidParameterValueException", "The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		case value == "":
			return 0, fail("InvalidParameterValueException", "The message attribute '%s' must contain a non-empty message attribute value.", name)
		}
		size += len(name) + len(a.str("DataType")) + len(value)
	}
	return size, nil
}

// newMessage makes a message of an entry of SendMessage or its batch.
func (c *call) newMessage(q *queue, in params) (*queueMessage, int, error) {
	now, attributes := c.now(), in.obj("MessageAttributes")
	size, err := checkMessage(in.str("MessageBody"), attributes)
	if err != nil {
		return nil, 0, err
	}
	settings := params{}
	for k, v := range c.shownQueue(q) {
		settings[k] = v
	}
	if limit := settings.int("MaximumMessageSize", 0); size > limit {
		return nil, 0, fail("InvalidParameterValueException", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	delay := in.int("DelaySeconds", settings.int("DelaySeconds", 0))
	if delay < 0 || delay > 900 {
		return nil, 0, invalidQueueValue(in.str("DelaySeconds"), "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	}
	m := &queueMessage{ID: c.uuid(), Body: in.str("MessageBody"), Sent: now, Visible: now.Add(time.Duration(delay) * time.Second), System: map[string]string{"SenderId": c.Who.UserID}}
	if len(attributes) > 0 {
		m.Attributes = attributes
	}
	if trace := in.obj("MessageSystemAttributes").obj("AWSTraceHeader").str("StringValue"); trace != "" {
		m.System["AWSTraceHeader"] = trace
	}
	for _, k := range []string{"MessageGroupId", "MessageDeduplicationId"} {
		if v := in.str(k); v != "" {
			if !groupID.MatchString(v) {
				return nil, 0, invalidQueueValue(v, k, k+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
			}
			m.System[k] = v
		}
	}
	return m, size, q.checkOrder(m, in, settings)
}

// checkOrder holds what a message needs, and may not have, in its kind of queue.
func (q *queue) checkOrder(m *queueMessage, in, settings params) error {
	switch {
	case !q.fifo() && in.has("MessageDeduplicationId"):
		return invalidQueueValue(in.str("MessageDeduplicationId"), "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
	case !q.fifo():
		return nil
	case m.group() == "":
		return fail("MissingRequiredParameterException", "The request must contain the parameter MessageGroupId.")
	case in.has("DelaySeconds"):
		return invalidQueueValue(in.str("DelaySeconds"), "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	}
	if m.System["MessageDeduplicationId"] == "" {
		if !settings.bool("ContentBasedDeduplication") {
			return fail("InvalidParameterValueException", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
		m.System["MessageDeduplicationId"] = digestOf(m.Body)
	}
	return nil
}

// enqueue puts a message into a queue and wakes who waits for one. What a FIFO
// queue got within five minutes it takes again without keeping it.
func (s *Sandbox) enqueue(q *queue, m *queueMessage) {
	if q.fifo() {
		dedup := m.System["MessageDeduplicationId"]
		if q.Attributes["DeduplicationScope"] == "messageGroup" {
			dedup = m.group() + " " + dedup
		}
		for k, old := range q.Sent {
			if s.now().Sub(old.At) > dedupWindow {
				delete(q.Sent, k)
			}
		}
		if old, again := q.Sent[dedup]; again {
			m.ID, m.System["SequenceNumber"] = old.ID, old.Sequence
			return
		}
		q.Sequence++
		m.System["SequenceNumber"] = sequenceNumber(q.Sequence)
		put(&q.Sent, dedup, sent{m.ID, m.System["SequenceNumber"], s.now()})
	}
	q.Messages = append(q.Messages, m)
	s.arrived(q)
}

// sequenceNumber has twenty digits, not consecutive.
func sequenceNumber(n int64) string { return fmt.Sprintf("188%017d", n*256) }

// arrived wakes everybody who waits for messages of the queue.
func (s *Sandbox) arrived(q *queue) {
	if ch := s.arrivals[q.arn()]; ch != nil {
		close(ch)
		delete(s.arrivals, q.arn())
	}
}

// arrival is closed when something changes for those who wait.
func (s *Sandbox) arrival(q *queue) <-chan struct{} {
	ch := s.arrivals[q.arn()]
	if ch == nil {
		ch = make(chan struct{})
		put(&s.arrivals, q.arn(), ch)
	}
	return ch
}

// encryptFor checks that the caller may send under the queue's key, which it gives.
func (c *call) encryptFor(q *queue) (string, error) {
	id := c.effective(q)["KmsMasterKeyId"]
	if id == "" {
		return "", nil
	}
	ctx := map[string]string{"aws:sqs:arn": q.arn()}
	key, err := c.useKeys(q.Owner, id, "sqs", ctx, "kms:GenerateDataKey", "kms:Decrypt")
	return key, queueKeyError(err)
}

func sendMessage(c *call, q *queue) (obj, error) {
	m, _, err := c.newMessage(q, c.In)
	if err != nil {
		return nil, err
	}
	if m.Key, err = c.encryptFor(q); err != nil {
		return nil, err
	}
	c.enqueue(q, m)
	return m.receipt(), nil
}

// receipt is what the sender of a message is told.
func (m *queueMessage) receipt() obj {
	return obj{"MessageId": m.ID, "MD5OfMessageBody": md5Hex([]byte(m.Body)), "MD5OfMessageAttributes": optional(attributesDigest(m.Attributes)),
		"SequenceNumber": optional(m.System["SequenceNumber"])}
}

// batch runs each entry of a batch by itself; what fails doesn't hinder others.
func (c *call) batch(each func(params) (obj, error)) (obj, error) {
	entries := c.In.list("Entries")
	switch {
	case len(entries) == 0:
		return nil, fail("EmptyBatchRequest", "There should be at least one %sRequestEntry in the request.", c.Op)
	case len(entries) > 10:
		return nil, fail("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id := e.str("Id")
		if !batchID.MatchString(id) {
			return nil, fail("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return nil, fail("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	done, failed := []obj{}, []obj{}
	for _, e := range entries {
		out, err := each(e)
		if err != nil {
			api := asAPIError(services["sqs"], err)
			failed = append(failed, obj{"Id": e.str("Id"), "SenderFault": api.Status < 500, "Code": sqsQueryCode(api.Code), "Message": api.Message})
			continue
		}
		out["Id"] = e.str("Id")
		done = append(done, out)
	}
	return obj{"Successful": done, "Failed": failed}, nil
}

func sendMessageBatch(c *call, q *queue) (obj, error) {
	total := 0
	for _, e := range c.In.list("Entries") {
		total += len(e.str("MessageBody"))
	}
	if total > queueRanges["MaximumMessageSize"][1] {
		return nil, fail("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", queueRanges["MaximumMessageSize"][1], total)
	}
	key, err := c.encryptFor(q)
	if err != nil {
		return nil, err
	}
	return c.batch(func(e params) (obj, error) {
		m, _, err := c.newMessage(q, e)
		if err != nil {
			return nil, err
		}
		m.Key = key
		c.enqueue(q, m)
		return m.receipt(), nil
	})
}

// handle is the receipt handle of the message's last receive.
func (m *queueMessage) handle() string {
	return base64.StdEncoding.EncodeToString([]byte(m.ID + " " + strconv.Itoa(m.Receives)))
}

// byHandle finds the message of a receipt handle; nil when it is gone.
func (q *queue) byHandle(handle string) (m *queueMessage, latest bool, err error) {
	raw, e := base64.StdEncoding.DecodeString(handle)
	id, count, ok := strings.Cut(string(raw), " ")
	if _, bad := strconv.Atoi(count); e != nil || !ok || bad != nil {
		return nil, false, fail("ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", handle)
	}
	for _, m := range q.Messages {
		if m.ID == id {
			return m, count == strconv.Itoa(m.Receives), nil
		}
	}
	return nil, false, nil
}

func deleteMessage(c *call, q *queue) (obj, error) { return nil, c.drop(q, c.In) }

// drop deletes a message; one that is gone is no error. A FIFO queue takes only
// the last handle, while the message isn't visible.
func (c *call) drop(q *queue, in params) error {
	m, latest, err := q.byHandle(in.str("ReceiptHandle"))
	if err != nil || m == nil {
		return err
	}
	if q.fifo() && (!latest || !m.Visible.After(c.now())) {
		return invalidQueueValue(in.str("ReceiptHandle"), "ReceiptHandle", "The receipt handle has expired.")
	}
	q.Messages = slices.DeleteFunc(q.Messages, func(o *queueMessage) bool { return o == m })
	c.arrived(q) // the next of its group can be received
	return nil
}

func deleteMessageBatch(c *call, q *queue) (obj, error) {
	return c.batch(func(e params) (obj, error) { return obj{}, c.drop(q, e) })
}

func changeVisibility(c *call, q *queue) (obj, error) { return nil, c.postpone(q, c.In) }

func (c *call) postpone(q *queue, in params) error {
	seconds := in.int("VisibilityTimeout", -1)
	if seconds < 0 || seconds > 43200 {
		return invalidQueueValue(in.str("VisibilityTimeout"), "VisibilityTimeout", "VisibilityTimeout must be between 0 and 43200.")
	}
	m, _, err := q.byHandle(in.str("ReceiptHandle"))
	if err != nil {
		return err
	}
	if m == nil || !m.Visible.After(c.now()) {
		return fail("MessageNotInflight", "The message referred to isn't in flight.")
	}
	m.Visible = c.now().Add(time.Duration(seconds) * time.Second)
	c.arrived(q)
	return nil
}

func changeVisibilityBatch(c *call, q *queue) (obj, error) {
	return c.batch(func(e params) (obj, error) { return obj{}, c.postpone(q, e) })
}
