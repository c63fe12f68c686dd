package sandbox

import (
	"reflect"
	"slices"
)

// sqsProviders are SQS's resource types.
func sqsProviders() map[string]provider {
	return map[string]provider{
		"AWS::SQS::Queue":       queueProvider(),
		"AWS::SQS::QueuePolicy": queuePolicyProvider(),
	}
}

// queueProperties are the queue's properties that are attributes of the same
// name; all but FifoQueue can change.
var queueProperties = []string{"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoThroughputLimit",
	"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
	"RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout"}

// queueProvider makes queues; Ref gives the URL.
func queueProvider() provider {
	p := provider{
		properties: map[string]property{"QueueName": replaces, "FifoQueue": replaces, "Tags": mutable},
		attributes: []string{"Arn", "QueueName", "QueueUrl"},
		name:       "QueueName",
		tags:       "Tags",
		create:     createQueueResource,
		update:     updateQueueResource,
	}
	for _, name := range queueProperties {
		p.properties[name] = mutable
	}
	p.remove = func(rc *resourceCall) error {
		if _, err := rc.queueAttributes(); err != nil {
			return tolerate(err, "QueueDoesNotExist")
		}
		_, err := rc.do("sqs", "DeleteQueue", params{"QueueUrl": rc.PhysicalID})
		return tolerate(err, "QueueDoesNotExist")
	}
	p.settle = func(rc *resourceCall, verb string) (bool, map[string]any, error) {
		owner, name := queueParts(rc.PhysicalID)
		q := rc.queueAt(owner, rc.Region, name)
		if verb == "delete" {
			return true, nil, nil
		}
		if q != nil && rc.stale(q.Created) {
			return false, nil, nil
		}
		attrs, err := rc.queueAttributes()
		return err == nil, attrs, err
	}
	return p
}

// queueAttributes are what GetAtt reads of the queue.
func (rc *resourceCall) queueAttributes() (map[string]any, error) {
	out, err := rc.do("sqs", "GetQueueAttributes", params{"QueueUrl": rc.PhysicalID, "AttributeNames": []any{"All"}})
	if err != nil {
		return nil, err
	}
	_, name := queueParts(rc.PhysicalID)
	attributes, _ := out["Attributes"].(obj)
	attrs := map[string]any{"Arn": attributes["QueueArn"], "QueueName": name, "QueueUrl": rc.PhysicalID}
	rc.noteTags(attrs)
	return attrs, nil
}

func createQueueResource(rc *resourceCall) (string, map[string]any, error) {
	name, attributes := rc.Props.str("QueueName"), map[string]any{}
	if name == "" {
		name = rc.generatedName(75)
		if rc.Props.bool("FifoQueue") {
			name += ".fifo"
		}
	}
	for _, k := range queueProperties {
		if rc.Props.has(k) {
			attributes[k] = documentText(rc.Props[k])
		}
	}
	if rc.Props.bool("FifoQueue") {
		attributes["FifoQueue"] = "true"
	}
	if rc.here().SQS.Queues[name] != nil { // SQS would give it to us; CloudFormation doesn't take it
		return "", nil, &resourceError{Service: "sqs", Err: fail("AlreadyExists", "A queue already exists with the name %s.", name)}
	}
	tags := map[string]any{}
	for k, v := range rc.tags(rc.Props["Tags"]) {
		tags[k] = v
	}
	out, err := rc.do("sqs", "CreateQueue", params{"QueueName": name, "Attributes": attributes, "tags": tags})
	if err != nil {
		return "", nil, err
	}
	return text(out["QueueUrl"]), nil, nil // settle gives the attributes
}

func updateQueueResource(rc *resourceCall) (map[string]any, error) {
	changed := map[string]any{}
	for _, k := range queueProperties {
		if reflect.DeepEqual(rc.Props[k], rc.OldProps[k]) {
			continue
		}
		if changed[k] = documentText(rc.Props[k]); changed[k] == "" && k != "KmsMasterKeyId" { // as SQS has it from the start
			if changed[k] = queueDefaults[k]; k == "ContentBasedDeduplication" {
				changed[k] = "false"
			}
		}
	}
	if len(changed) > 0 {
		if _, err := rc.do("sqs", "SetQueueAttributes", params{"QueueUrl": rc.PhysicalID, "Attributes": changed}); err != nil {
			return nil, err
		}
	}
	return rc.OldAttrs, rc.retagQueue()
}

// retagQueue brings the queue's tags to what they should be now.
func (rc *resourceCall) retagQueue() error {
	wanted, tags := rc.tags(rc.Props["Tags"]), map[string]any{}
	var stale []any
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, k)
		}
	}
	for k, v := range wanted {
		tags[k] = v
	}
	if len(stale) > 0 {
		if _, err := rc.do("sqs", "UntagQueue", params{"QueueUrl": rc.PhysicalID, "TagKeys": stale}); err != nil {
			return err
		}
	}
	_, err := rc.do("sqs", "TagQueue", params{"QueueUrl": rc.PhysicalID, "Tags": tags})
	return err
}

// queuePolicyProvider sets one policy on queues.
func queuePolicyProvider() provider {
	set := func(rc *resourceCall, queues []string, doc string) error {
		for _, url := range queues {
			in := params{"QueueUrl": url, "Attributes": map[string]any{"Policy": doc}}
			if _, err := rc.do("sqs", "SetQueueAttributes", in); err != nil && (doc != "" || tolerate(err, "QueueDoesNotExist") != nil) {
				return err
			}
		}
		return nil
	}
	p := provider{
		properties: map[string]property{"PolicyDocument": required, "Queues": required},
		attributes: []string{"Id"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		id := rc.generatedName(255)
		return id, map[string]any{"Id": id}, set(rc, rc.Props.strs("Queues"), documentText(rc.Props["PolicyDocument"]))
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		wanted := rc.Props.strs("Queues")
		if err := set(rc, wanted, documentText(rc.Props["PolicyDocument"])); err != nil {
			return nil, err
		}
		left := slices.DeleteFunc(slices.Clone(rc.OldProps.strs("Queues")), func(url string) bool { return slices.Contains(wanted, url) })
		return map[string]any{"Id": rc.PhysicalID}, set(rc, left, "")
	}
	p.remove = func(rc *resourceCall) error { return set(rc, rc.Props.strs("Queues"), "") }
	return p
}
