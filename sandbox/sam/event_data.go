package sam

import (
	"encoding/json"
	"slices"
)

// topic subscribes the function to a topic: itself, or through a queue.
func (e *event) topic() ([]*resource, error) {
	p := e.props
	if !truthy(p.get("SqsSubscription")) {
		return []*resource{e.permission("sns.amazonaws.com", p.get("Topic"), ""), e.subscription("lambda", e.function.arn())}, nil
	}
	var more []*resource
	var arn, url any
	policyID := e.id + "QueuePolicy"
	batch := any(json.Number("10"))
	if p.get("SqsSubscription") == true {
		queue := e.new("AWS::SQS::Queue", e.id+"Queue", NewDict())
		fifo, err := e.resolved(e.resources().dict(referred(p.get("Topic"))).dict("Properties").get("FifoTopic"))
		if err != nil {
			return nil, err
		}
		if truthy(fifo) {
			queue.props.Set("FifoQueue", fifo)
		}
		arn, url = getAtt(queue.id, "Arn"), ref(queue.id)
		more = append(more, queue)
	} else {
		given := p.dict("SqsSubscription")
		if given == nil {
			return nil, badEvent(e.name, "Property 'SqsSubscription' should be a map.")
		}
		arn, url = given.get("QueueArn"), given.get("QueueUrl")
		if !truthy(arn) || !truthy(url) {
			return nil, badEvent(e.name, "No QueueARN or QueueURL provided.")
		}
		if s, _ := given.get("QueuePolicyLogicalId").(string); s != "" {
			policyID = s
		}
		if truthy(given.get("BatchSize")) {
			batch = given.get("BatchSize")
		}
	}
	mapping := e.mapping(e.id+"EventSourceMapping", made("BatchSize", batch, "Enabled", true, "EventSourceArn", arn))
	e.linkPolicy("service-role/AWSLambdaSQSQueueExecutionRole", nil)
	more = append(more, e.queuePolicy(policyID, url, arn, p.get("Topic"), "*"), e.subscription("sqs", arn))
	return append([]*resource{mapping}, more...), nil
}

func (e *event) subscription(protocol string, endpoint any) *resource {
	props := made("Protocol", protocol, "Endpoint", endpoint, "TopicArn", e.props.get("Topic"))
	copyProps(props, e.props, "Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy")
	return e.new("AWS::SNS::Subscription", e.id, props)
}

func (e *event) mapping(id string, props *Dict) *resource {
	props.Set("FunctionName", e.function.name())
	return e.new("AWS::Lambda::EventSourceMapping", id, props)
}

// linkPolicy gives the function's role what it needs to read the source, and to
// send what failed elsewhere.
func (e *event) linkPolicy(managed string, destination *Dict) {
	arn := e.managedARN(managed)
	have := e.role.props.list("ManagedPolicyArns")
	if !slices.Contains(have, any(arn)) {
		e.role.props.Set("ManagedPolicyArns", append(have, arn))
	}
	if destination != nil {
		e.addPolicy(destination)
	}
}

// pullSources are the events that Lambda fetches: the property that names the
// source, and the policy that lets the function's role read it.
var pullSources = map[string][2]string{
	"SQS":      {"Queue", "service-role/AWSLambdaSQSQueueExecutionRole"},
	"DynamoDB": {"Stream", "service-role/AWSLambdaDynamoDBExecutionRole"},
	"Kinesis":  {"Stream", "service-role/AWSLambdaKinesisExecutionRole"},
}

// pull is a mapping of a queue or stream to the function.
func (e *event) pull() ([]*resource, error) {
	p := e.props
	source := pullSources[e.function.props.dict("Events").dict(e.name).text("Type")]
	props := made("EventSourceArn", p.get(source[0]))
	copyProps(props, p, "StartingPosition", "StartingPositionTimestamp", "BatchSize", "Enabled", "MaximumBatchingWindowInSeconds", "MaximumRetryAttempts",
		"BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds", "ParallelizationFactor", "Topics", "Queues", "SourceAccessConfigurations",
		"TumblingWindowInSeconds", "FunctionResponseTypes", "FilterCriteria", "KmsKeyArn", "ScalingConfig", "ProvisionedPollerConfig", "MetricsConfig", "LoggingConfig")
	if filter := p.dict("FilterCriteria"); filter.len() > 0 && !isIntrinsic(filter) {
		if filter.len() != 1 || !filter.has("Filters") {
			return nil, badEvent(e.name, "FilterCriteria field has a wrong format")
		}
	}
	if truthy(p.get("KafkaBootstrapServers")) {
		props.Set("SelfManagedEventSource", made("Endpoints", made("KafkaBootstrapServers", p.get("KafkaBootstrapServers"))))
	}
	if truthy(p.get("ConsumerGroupId")) {
		return nil, badEvent(e.id, "Property ConsumerGroupId not defined for resource of type %s.", e.function.props.dict("Events").dict(e.name).text("Type"))
	}
	policy, err := e.onFailure()
	if err != nil {
		return nil, err
	}
	if truthy(p.get("DestinationConfig")) {
		props.Set("DestinationConfig", p.get("DestinationConfig"))
	}
	e.linkPolicy(source[1], policy)
	return []*resource{e.mapping(e.id, props)}, nil
}

// onFailure is the policy for where failed records go. Its type is SAM's own
// and not passed on.
func (e *event) onFailure() (*Dict, error) {
	config := e.props.dict("DestinationConfig")
	if config.len() == 0 {
		return nil, nil
	}
	to := config.dict("OnFailure")
	if to == nil {
		return nil, badEvent(e.id, "Property 'DestinationConfig.OnFailure' should be a map.")
	}
	kind := to.get("Type")
	if !truthy(kind) {
		return nil, nil
	}
	to.drop("Type")
	switch kind {
	case "SQS", "SNS", "S3":
		return destinationPolicy(kind.(string), e.id, to.get("Destination")), nil
	case "Kafka":
		return nil, nil
	}
	return nil, badEvent(e.id, "The only valid values for 'Type' are 'SQS', 'SNS', 'S3', and 'Kafka'")
}

// bucket has a bucket of the template notify the function.
func (e *event) bucket() ([]*resource, error) {
	id := e.props.dict("Bucket").text("Ref")
	bucket := e.resources().dict(id)
	if bucket == nil {
		return nil, badEvent(e.name, "S3 events must reference an S3 bucket in the same template.")
	}
	permission := e.permission("s3.amazonaws.com", nil, "")
	permission.props.Set("SourceAccount", ref("AWS::AccountId"))
	props := bucket.dict("Properties")
	if bucket.get("Properties") == nil {
		props = NewDict()
		bucket.Set("Properties", props)
	}
	if props == nil {
		return nil, badResource(id, "Properties should be a map.")
	}
	condition, _ := e.attributes.get("Condition").(string)
	if condition != "" {
		if err := e.dependByTag(id, props, permission, condition); err != nil {
			return nil, err
		}
	} else if err := e.dependOn(bucket, permission.id); err != nil {
		return nil, err
	}
	if err := e.notify(id, props, condition); err != nil {
		return nil, err
	}
	out := &resource{id: id, typ: "AWS::S3::Bucket", dependsOn: bucket.get("DependsOn"), attributes: attributesOf(bucket), props: props.shallow()}
	return []*resource{permission, out}, nil
}

// dependOn has the bucket made after the permission, which S3 wants to see.
func (e *event) dependOn(bucket *Dict, id string) error {
	var list []any
	switch d := bucket.get("DependsOn").(type) {
	case nil:
	case string:
		list = []any{d}
	case []any:
		list = d
	default:
		return badResource(e.id, "Invalid type for field 'DependsOn'. Expected a string or list of strings.")
	}
	if !slices.ContainsFunc(list, func(v any) bool { return v == any(id) }) {
		list = append(slices.Clone(list), id)
	}
	bucket.Set("DependsOn", list)
	return nil
}

// dependByTag is the same for a permission that exists on a condition only.
func (e *event) dependByTag(id string, props *Dict, permission *resource, condition string) error {
	var tags []any
	if v := props.get("Tags"); v != nil {
		list, ok := v.([]any)
		if !ok {
			return badResource(id, "Property 'Tags' should be a list.")
		}
		tags = slices.Clone(list)
	}
	props.Set("Tags", append(tags, made("Key", "sam:ConditionalDependsOn:"+permission.id,
		"Value", conditional(condition, ref(permission.id), "no dependency"))))
	return nil
}

func (e *event) notify(id string, props *Dict, condition string) error {
	if props.get("NotificationConfiguration") == nil {
		props.Set("NotificationConfiguration", NewDict())
	}
	config := props.dict("NotificationConfiguration")
	if config == nil {
		return badResource(id, "Property 'NotificationConfiguration' should be a map.")
	}
	list, ok := config.get("LambdaConfigurations").([]any)
	if !ok && config.get("LambdaConfigurations") != nil {
		return badResource(id, "Invalid type for LambdaConfigurations. Must be a list.")
	}
	for _, kind := range listOf(e.props.get("Events")) {
		one := made("Function", e.function.arn())
		copyProps(one, e.props, "Filter")
		one.Set("Event", kind)
		if condition != "" {
			one = ifElseNothing(condition, one)
		}
		if !slices.ContainsFunc(list, func(v any) bool { return digest(v) == digest(one) }) {
			list = append(list, one)
		}
	}
	config.Set("LambdaConfigurations", list)
	return nil
}
