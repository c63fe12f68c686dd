package template

import "slices"

// Ids of the APIs that the transform makes for events that name none.
const (
	implicitRest = "ServerlessRestApi"
	implicitHTTP = "ServerlessHttpApi"
)

// event adds what an event source of a function makes. on is the function, or its
// alias.
func (s *serverless) event(function string, on *Node, name string, e *Node) {
	p := e.Get("Properties")
	permit := func() { s.add(name+"Permission", "AWS::Lambda::Permission", fields("FunctionName", on)) }
	switch e.Get("Type").Str() {
	case "Api":
		s.implicit(p.Get("RestApiId"), implicitRest)
		s.add(name+"Permission"+s.stageOf(p.Get("RestApiId")), "AWS::Lambda::Permission", fields("FunctionName", on))
	case "HttpApi":
		s.implicit(p.Get("ApiId"), implicitHTTP)
		permit()
	case "SNS":
		s.topic(name, on, p)
	case "SQS", "Kinesis", "DynamoDB", "MSK", "MQ", "SelfManagedKafka", "DocumentDB":
		s.add(name, "AWS::Lambda::EventSourceMapping", fields("FunctionName", on, "KmsKeyArn", p.Get("KmsKeyArn")))
	case "Schedule":
		s.rule(name, p, p.Get("Name"))
		permit()
	case "EventBridgeRule", "CloudWatchEvent":
		s.rule(name, p, p.Get("RuleName"))
		permit()
	case "ScheduleV2":
		s.schedule(name, p)
	case "S3":
		permit()
		s.notify(p.Get("Bucket"))
	case "CloudWatchLogs":
		s.add(name, "AWS::Logs::SubscriptionFilter", fields("LogGroupName", p.Get("LogGroupName")))
		permit()
	case "IoTRule":
		s.add(name, "AWS::IoT::TopicRule", nil)
		permit()
	case "Cognito":
		s.add(function+"CognitoPermission", "AWS::Lambda::Permission", fields("FunctionName", on))
	case "AlexaSkill":
		permit()
	}
}

// stateMachineEvent adds what an event source of a state machine makes: the
// service gets a role to start it with.
func (s *serverless) stateMachineEvent(name string, e *Node) {
	p := e.Get("Properties")
	role := fields("AssumeRolePolicyDocument", some(), "Policies", some(), "PermissionsBoundary", p.Get("PermissionsBoundary"))
	switch e.Get("Type").Str() {
	case "Api":
		s.implicit(p.Get("RestApiId"), implicitRest)
		s.add(name+"Role", "AWS::IAM::Role", role)
		s.once(name+"Credentials", "AWS::ApiGateway::Method", fields("Integration", fields("Credentials", pointTo(name+"Role"))))
	case "ScheduleV2":
		s.schedule(name, p)
	case "Schedule", "EventBridgeRule", "CloudWatchEvent":
		given := p.Get("RoleArn")
		if given == nil {
			s.add(name+"Role", "AWS::IAM::Role", role)
			given = pointTo(name + "Role")
		}
		named := p.Get("Name")
		if named == nil {
			named = p.Get("RuleName")
		}
		rule := s.rule(name, p, named)
		rule.Properties = rule.Properties.with("Targets", fields("RoleArn", given))
	}
}

// implicit makes the API of events that name none, once.
func (s *serverless) implicit(given *Node, name string) {
	if given != nil || s.made[name] != nil {
		return
	}
	before := s.from
	s.from = &Declared{Resource: Resource{Pos: before.Pos, Digest: before.Digest}}
	if name == implicitRest {
		s.api(name, merge(s.globals.Get("Api"), fields("StageName", text("Prod", true))))
	} else {
		s.httpAPI(name, merge(s.globals.Get("HttpApi"), fields()))
	}
	s.from = before
	s.made[name] = s.out[len(s.out)-1]
}

// topic subscribes a function to a topic, straight or through a queue.
func (s *serverless) topic(name string, on, p *Node) {
	subscription := fields("TopicArn", p.Get("Topic"), "FilterPolicy", p.Get("FilterPolicy"), "FilterPolicyScope", p.Get("FilterPolicyScope"), "RedrivePolicy", p.Get("RedrivePolicy"))
	through := p.Get("SqsSubscription")
	if through == nil || through.Str() == "false" {
		s.add(name, "AWS::SNS::Subscription", subscription)
		s.add(name+"Permission", "AWS::Lambda::Permission", fields("FunctionName", on))
		return
	}
	queue := through.Get("QueueArn")
	if queue == nil {
		s.add(name+"Queue", "AWS::SQS::Queue", nil)
		queue = pointTo(name + "Queue")
	} else if url := through.Get("QueueUrl"); url != nil {
		queue = url
	}
	s.add(name, "AWS::SNS::Subscription", subscription)
	s.add(name+"EventSourceMapping", "AWS::Lambda::EventSourceMapping", fields("FunctionName", on))
	policy := name + "QueuePolicy"
	if id := through.Get("QueuePolicyLogicalId").Str(); id != "" {
		policy = id
	}
	s.add(policy, "AWS::SQS::QueuePolicy", fields("Queues", queue))
}

// rule makes a rule of EventBridge, and the queue of what it couldn't deliver.
func (s *serverless) rule(name string, p, named *Node) *Declared {
	s.deadLetters(name, p)
	return s.add(name, "AWS::Events::Rule", fields("Name", named, "EventBusName", p.Get("EventBusName"), "Targets", fields("Id", some()), "State", p.Get("State"), "Enabled", p.Get("Enabled")))
}

func (s *serverless) schedule(name string, p *Node) {
	role := p.Get("RoleArn")
	if role == nil {
		s.add(name+"Role", "AWS::IAM::Role", fields("AssumeRolePolicyDocument", some(), "Policies", some(), "PermissionsBoundary", p.Get("PermissionsBoundary")))
		role = pointTo(name + "Role")
	}
	named := p.Get("Name")
	if named == nil {
		named = text(name, true)
	}
	if omit := p.Get("OmitName"); omit != nil && omit.Str() == "true" {
		named = nil
	}
	s.deadLetters(name, p)
	s.add(name, "AWS::Scheduler::Schedule", fields("Name", named, "GroupName", p.Get("GroupName"), "KmsKeyArn", p.Get("KmsKeyArn"), "Target", fields("RoleArn", role)))
}

// deadLetters makes the queue that DeadLetterConfig asks for.
func (s *serverless) deadLetters(name string, p *Node) {
	config := p.Get("DeadLetterConfig")
	if config.Get("Type").Str() != "SQS" || config.Get("Arn") != nil {
		return
	}
	queue := name + "Queue"
	if id := config.Get("QueueLogicalId").Str(); id != "" {
		queue = id
	}
	s.add(queue, "AWS::SQS::Queue", nil)
	s.add(name+"QueuePolicy", "AWS::SQS::QueuePolicy", fields("Queues", pointTo(queue)))
}

// notify gives a bucket of the template its notification.
func (s *serverless) notify(bucket *Node) {
	if bucket == nil || len(bucket.Refs) != 1 {
		return
	}
	change := fields("NotificationConfiguration", some())
	name := bucket.Refs[0].Name
	if i := slices.IndexFunc(s.out, func(d *Declared) bool { return d.Name == name }); i >= 0 {
		changed := *s.out[i]
		changed.Properties = merge(change, changed.Properties)
		s.out[i] = &changed
		return
	}
	s.made[name] = &Declared{Properties: change}
}
