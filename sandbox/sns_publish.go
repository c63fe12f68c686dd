package sandbox

import (
	"encoding/json"
	"strings"
	"time"
)

// publication is one message that is published to a topic.
type publication struct {
	ID         string
	Subject    string
	Message    string
	Texts      map[string]string // by protocol, of MessageStructure json
	Attributes map[string]any    // as they were given
	Group      string
	Dedup      string
	At         time.Time
}

// text is the message for a protocol.
func (p *publication) text(protocol string) string {
	if t, ok := p.Texts[protocol]; ok {
		return t
	}
	if t, ok := p.Texts["default"]; ok {
		return t
	}
	return p.Message
}

// maxPublication is SNS's limit for a message with its attributes.
const maxPublication = 262144

// publicationOf checks an input of Publish, or an entry of its batch.
func (c *call) publicationOf(t *topic, in params) (*publication, error) {
	p := &publication{ID: c.uuid(), Subject: in.str("Subject"), Message: in.str("Message"), Attributes: in.obj("MessageAttributes"),
		Group: in.str("MessageGroupId"), Dedup: in.str("MessageDeduplicationId"), At: c.now()}
	if p.Message == "" {
		return nil, fail("InvalidParameter", "Invalid parameter: Empty message")
	}
	size, err := checkMessage(p.Message, p.Attributes)
	if err != nil {
		return nil, fail("ParameterValueInvalid", "%s", asAPIError(services["sns"], err).Message)
	}
	if size > maxPublication {
		return nil, fail("InvalidParameter", "Invalid parameter: Message too long")
	}
	if len(p.Subject) > 100 || strings.ContainsAny(p.Subject, "\r\n") || in.has("Subject") && p.Subject == "" {
		return nil, fail("InvalidParameter", "Invalid parameter: Subject")
	}
	switch structure := in.str("MessageStructure"); {
	case structure == "json":
		if json.Unmarshal([]byte(p.Message), &p.Texts) != nil {
			return nil, fail("InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse")
		}
		if _, ok := p.Texts["default"]; !ok {
			return nil, fail("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body")
		}
	case structure != "":
		return nil, fail("InvalidParameter", "Invalid parameter: MessageStructure")
	}
	return p, t.checkOrder(p)
}

// checkOrder holds what a message of a FIFO topic needs.
func (t *topic) checkOrder(p *publication) error {
	fifo := t.Attributes["FifoTopic"] == "true"
	switch {
	case !fifo && p.Dedup != "":
		return fail("InvalidParameter", "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case !fifo:
		return nil
	case p.Group == "":
		return fail("InvalidParameter", "Invalid parameter: The MessageGroupId parameter is required for FIFO topics")
	case p.Dedup == "" && t.Attributes["ContentBasedDeduplication"] != "true":
		return fail("InvalidParameter", "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case p.Dedup == "":
		p.Dedup = digestOf(p.Message)
	}
	return nil
}

// publishedTo is the topic of a publication.
func (c *call) publishedTo() (*topic, error) {
	if c.In.has("PhoneNumber") {
		return nil, fail("InvalidParameter", "Invalid parameter: PhoneNumber Reason: the sandbox sends no text messages")
	}
	if !c.In.has("TopicArn") && c.In.has("TargetArn") {
		return c.topic("TargetArn")
	}
	return c.topic("TopicArn")
}

// publishAccess is sns:Publish on the topic, also for a batch.
func publishAccess(c *call) ([]access, error) {
	param := "TopicArn"
	if !c.In.has(param) {
		param = "TargetArn"
	}
	needs, err := topicAccess(param)(c)
	for i := range needs {
		needs[i].Action = "sns:Publish"
	}
	return needs, err
}

// mayEncrypt checks that the publisher may use the key of the topic; subscribers
// need not.
func (c *call) mayEncrypt(t *topic) error {
	id := t.Attributes["KmsMasterKeyId"]
	if id == "" {
		return nil
	}
	_, err := c.useKeys(t.Owner, id, "sns", map[string]string{"aws:sns:topicArn": t.arn()}, "kms:GenerateDataKey", "kms:Decrypt")
	return err
}

func publish(c *call) (obj, error) {
	t, err := c.publishedTo()
	if err != nil {
		return nil, err
	}
	p, err := c.publicationOf(t, c.In)
	if err != nil {
		return nil, err
	}
	if err := c.mayEncrypt(t); err != nil {
		return nil, err
	}
	return c.publish(t, p), nil
}

func publishBatch(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	if err := c.mayEncrypt(t); err != nil {
		return nil, err
	}
	entries := c.In.list("PublishBatchRequestEntries")
	switch {
	case len(entries) == 0:
		return nil, fail("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(entries) > 10:
		return nil, fail("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen, size := map[string]bool{}, 0
	for _, e := range entries {
		id := e.str("Id")
		if size += len(e.str("Message")); !batchID.MatchString(id) {
			return nil, fail("InvalidBatchEntryId", "The Id of a batch entry in the batch request doesn't abide by the specification.")
		}
		if seen[id] {
			return nil, fail("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[id] = true
	}
	if size > maxPublication {
		return nil, fail("BatchRequestTooLong", "The length of all the batch messages put together is more than the limit.")
	}
	done, failed := []obj{}, []obj{}
	for _, e := range entries {
		p, err := c.publicationOf(t, e)
		if err != nil {
			api := asAPIError(services["sns"], err)
			failed = append(failed, obj{"Id": e.str("Id"), "Code": api.Code, "Message": api.Message, "SenderFault": api.Status < 500})
			continue
		}
		out := c.publish(t, p)
		out["Id"] = e.str("Id")
		done = append(done, out)
	}
	return obj{"Successful": done, "Failed": failed}, nil
}

// publish gives the message to all subscriptions, and says its ids. A FIFO
// topic takes a message a second time without giving it on.
func (c *call) publish(t *topic, p *publication) obj {
	out := obj{"MessageId": p.ID}
	if t.Attributes["FifoTopic"] == "true" {
		for k, old := range t.Sent {
			if p.At.Sub(old.At) > dedupWindow {
				delete(t.Sent, k)
			}
		}
		if old, again := t.Sent[p.Dedup]; again {
			return obj{"MessageId": old.ID, "SequenceNumber": old.Sequence}
		}
		t.Sequence++
		out["SequenceNumber"] = sequenceNumber(t.Sequence)
		put(&t.Sent, p.Dedup, sent{p.ID, sequenceNumber(t.Sequence), p.At})
	}
	for _, arn := range sortedKeys(t.Subs) {
		home := t.Subs[arn]
		if s := c.account(home.Account).region(home.Region).SNS.Subscriptions[arn]; s != nil {
			c.deliver(t, s, p)
		}
	}
	return out
}
