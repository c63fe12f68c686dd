package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"axle/policy"
)

// queueDefaults are the attributes that every queue has.
var queueDefaults = map[string]string{"VisibilityTimeout": "30", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true"}

// queueRanges are the attributes that are numbers.
var queueRanges = map[string][2]int{"VisibilityTimeout": {0, 43200}, "MaximumMessageSize": {1024, 1048576},
	"MessageRetentionPeriod": {60, 1209600}, "DelaySeconds": {0, 900}, "ReceiveMessageWaitTimeSeconds": {0, 20},
	"KmsDataKeyReusePeriodSeconds": {60, 86400}}

// queueComputed are the attributes that only SQS sets.
var queueComputed = []string{"QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
	"ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp"}

// fifoAttributes are those of FIFO queues alone.
var fifoAttributes = []string{"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}

// setAttributes checks all, then stores all. An empty policy takes it away.
func (c *call) setAttributes(q *queue, given map[string]string, creating bool) error {
	next, bound := map[string]string{}, q.Bound
	for k, v := range q.Attributes {
		next[k] = v
	}
	for _, name := range sortedKeys(given) {
		value := given[name]
		if err := c.checkAttribute(q, name, value, creating); err != nil {
			return err
		}
		if name == "Policy" {
			var err error
			if bound, err = c.checkQueuePolicy(value); err != nil {
				return err
			}
		}
		if next[name] = value; value == "" {
			delete(next, name)
		}
	}
	if given["KmsMasterKeyId"] != "" { // one encryption takes the other's place
		if given["SqsManagedSseEnabled"] == "true" {
			return fail("InvalidAttributeValue", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
		}
		delete(next, "SqsManagedSseEnabled")
	} else if given["SqsManagedSseEnabled"] == "true" {
		delete(next, "KmsMasterKeyId")
	}
	if !creating {
		q.Was = q.Attributes
	}
	q.Attributes, q.Bound, q.Modified = next, bound, c.now()
	return nil
}

func (c *call) checkAttribute(q *queue, name, value string, creating bool) error {
	invalid := fail("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
	if span, ok := queueRanges[name]; ok {
		if n, err := strconv.Atoi(value); err != nil || n < span[0] || n > span[1] {
			return invalid
		}
		return nil
	}
	switch name {
	case "Policy", "KmsMasterKeyId":
		return nil
	case "RedrivePolicy":
		return c.checkRedrive(q, value)
	case "RedriveAllowPolicy":
		return checkRedriveAllow(value)
	case "SqsManagedSseEnabled", "ContentBasedDeduplication", "FifoQueue":
		if value != "true" && value != "false" {
			return invalid
		}
	case "DeduplicationScope":
		if value != "queue" && value != "messageGroup" {
			return invalid
		}
	case "FifoThroughputLimit":
		if value != "perQueue" && value != "perMessageGroupId" {
			return invalid
		}
	default:
		return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
	}
	switch {
	case !slices.Contains(fifoAttributes, name):
	case !q.fifo():
		return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
	case name == "FifoQueue" && (!creating || value != "true"):
		return fail("InvalidAttributeValue", "You can't change the value of FifoQueue.")
	}
	return nil
}

// checkQueuePolicy checks a policy and that its principals exist.
func (c *call) checkQueuePolicy(doc string) (map[string]string, error) {
	if doc == "" {
		return nil, nil
	}
	bound, err := c.checkResourcePolicy(doc, "sqs:")
	if err == nil {
		return bound, nil
	}
	if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
		return nil, fail("InvalidAttributeValue", "Invalid value for the parameter Policy. Reason: the principal %s doesn't exist.", e.Message)
	}
	return nil, fail("InvalidAttributeValue", "Invalid value for the parameter Policy. Reason: %s", strings.TrimPrefix(err.Error(), "policy: "))
}

// redrive reads a redrive policy: where messages go, after how many receives.
func redrive(doc string) (target string, receives int) {
	p := params{}
	if json.Unmarshal([]byte(doc), &p) != nil {
		return "", 0
	}
	return p.str("deadLetterTargetArn"), p.int("maxReceiveCount", 0)
}

func (c *call) checkRedrive(q *queue, doc string) error {
	if doc == "" {
		return nil
	}
	target, receives := redrive(doc)
	invalid := func(why string) error { return invalidQueueValue(doc, "RedrivePolicy", why) }
	switch dead := c.queueByARN(target); {
	case target == "" || receives < 1 || receives > 1000:
		return invalid("Redrive policy must have deadLetterTargetArn and a maxReceiveCount from 1 to 1000.")
	case dead == nil:
		return invalid("Dead letter target does not exist.")
	case dead.Owner != q.Owner || dead.Region != q.Region:
		return invalid("Dead letter target owner or region doesn't match that of the queue.")
	case dead.fifo() != q.fifo():
		return invalid("Dead-letter queue must be same type of queue as the source.")
	case !allowsRedrive(dead, q.arn()):
		return invalid("Queue does not have permission to use the dead letter target.")
	}
	return nil
}

// redriveAllow says which queues may use one as their dead-letter queue.
type redriveAllow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueArns   []string `json:"sourceQueueArns"`
}

func checkRedriveAllow(doc string) error {
	if doc == "" {
		return nil
	}
	var p redriveAllow
	err := json.Unmarshal([]byte(doc), &p)
	known := slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, p.RedrivePermission)
	if err != nil || !known || (p.RedrivePermission == "byQueue") != (len(p.SourceQueueArns) > 0) || len(p.SourceQueueArns) > 10 {
		return invalidQueueValue(doc, "RedriveAllowPolicy", "Redrive allow policy is not valid.")
	}
	return nil
}

func allowsRedrive(dead *queue, source string) bool {
	var p redriveAllow
	doc := dead.Attributes["RedriveAllowPolicy"]
	if doc == "" || json.Unmarshal([]byte(doc), &p) != nil {
		return true
	}
	return p.RedrivePermission == "allowAll" || slices.Contains(p.SourceQueueArns, source)
}

// shownQueue are all attributes of a queue.
func (c *call) shownQueue(q *queue) map[string]string {
	out := map[string]string{"QueueArn": q.arn(), "CreatedTimestamp": text(int(q.Created.Unix())), "LastModifiedTimestamp": text(int(q.Modified.Unix()))}
	attributes := c.effective(q)
	for k, v := range queueDefaults {
		out[k] = v
	}
	if q.fifo() {
		out["FifoQueue"], out["ContentBasedDeduplication"] = "true", "false"
		out["DeduplicationScope"], out["FifoThroughputLimit"] = "queue", "perQueue"
	}
	for k, v := range attributes {
		out[k] = v
	}
	if attributes["Policy"] != "" {
		out["Policy"] = c.bound(attributes["Policy"], q.Bound)
	}
	if attributes["KmsMasterKeyId"] != "" {
		out["SqsManagedSseEnabled"] = "false"
		if out["KmsDataKeyReusePeriodSeconds"] == "" {
			out["KmsDataKeyReusePeriodSeconds"] = "300"
		}
	}
	c.expire(q)
	visible, flying, delayed := 0, 0, 0
	for _, m := range q.Messages {
		switch {
		case !m.Visible.After(c.now()):
			visible++
		case m.Receives == 0:
			delayed++
		default:
			flying++
		}
	}
	out["ApproximateNumberOfMessages"], out["ApproximateNumberOfMessagesNotVisible"] = text(visible), text(flying)
	out["ApproximateNumberOfMessagesDelayed"] = text(delayed)
	return out
}

func getQueueAttributes(c *call, q *queue) (obj, error) {
	all, out := c.shownQueue(q), obj{}
	for _, name := range c.In.strs("AttributeNames") {
		if name == "All" {
			for k, v := range all {
				out[k] = v
			}
			continue
		}
		if !knownQueueAttribute(name) {
			return nil, fail("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	if len(out) == 0 {
		return obj{}, nil
	}
	return obj{"Attributes": out}, nil
}

func knownQueueAttribute(name string) bool {
	_, number := queueRanges[name]
	_, standard := queueDefaults[name]
	return number || standard || slices.Contains(queueComputed, name) || slices.Contains(fifoAttributes, name) ||
		slices.Contains([]string{"Policy", "KmsMasterKeyId", "RedrivePolicy", "RedriveAllowPolicy"}, name)
}

func setQueueAttributes(c *call, q *queue) (obj, error) {
	given := c.In.strMap("Attributes")
	if len(given) == 0 {
		return nil, fail("MissingRequiredParameterException", "The request must contain the parameter Attribute.Name.")
	}
	return nil, c.setAttributes(q, given, false)
}

// addQueuePermission adds a statement to the queue's policy under a label.
func addQueuePermission(c *call, q *queue) (obj, error) {
	label := c.In.str("Label")
	doc := params{"Version": "2012-10-17", "Id": q.arn() + "/SQSDefaultPolicy"}
	statements, err := c.queueStatements(q, doc)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if asParams(s).str("Sid") == label {
			return nil, invalidQueueValue(label, "Label", "Already exists.")
		}
	}
	var accounts, actions []string
	for _, id := range c.In.strs("AWSAccountIds") {
		if !accountIDs.MatchString(id) {
			return nil, invalidQueueValue("["+id+"]", "PrincipalId", "Unable to verify.")
		}
		accounts = append(accounts, "arn:aws:iam::"+id+":root")
	}
	for _, action := range c.In.strs("Actions") {
		if _, known := c.ops["sqs"][action]; action != "*" && !known || slices.Contains(localQueueOps, action) {
			return nil, invalidQueueValue("SQS:"+action, "ActionName", "Only the queue owner is allowed to invoke this action.")
		}
		actions = append(actions, "SQS:"+action)
	}
	if !queueName.MatchString(label) || len(accounts) == 0 || len(actions) == 0 {
		return nil, fail("MissingRequiredParameterException", "The request must contain Label, AWSAccountIds and Actions.")
	}
	if len(actions) > 7 {
		return nil, fail("OverLimit", "7 actions is the maximum.")
	}
	doc["Statement"] = append(statements, obj{"Sid": label, "Effect": "Allow", "Principal": obj{"AWS": accounts}, "Action": actions, "Resource": q.arn()})
	return nil, c.setAttributes(q, map[string]string{"Policy": documentText(doc)}, false)
}

// queueStatements reads the queue's policy into doc and gives its statements.
func (c *call) queueStatements(q *queue, doc params) ([]any, error) {
	text := q.Attributes["Policy"]
	if text == "" {
		return nil, nil
	}
	if _, err := policy.Parse([]byte(text)); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	if many, ok := doc["Statement"].([]any); ok {
		return many, nil
	}
	return []any{doc["Statement"]}, nil
}

func removeQueuePermission(c *call, q *queue) (obj, error) {
	doc, label := params{}, c.In.str("Label")
	statements, err := c.queueStatements(q, doc)
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(statements), func(s any) bool { return asParams(s).str("Sid") == label })
	if len(kept) == len(statements) {
		return nil, invalidQueueValue(label, "Label", "can't find label on existing policy.")
	}
	text := ""
	if len(kept) > 0 {
		doc["Statement"] = kept
		text = documentText(doc)
	}
	return nil, c.setAttributes(q, map[string]string{"Policy": text}, false)
}
