package sam

import (
	"slices"
	"strings"
)

// event is an event of a function under way.
type event struct {
	*function
	id    string // the function's and its own
	name  string
	props *Dict
	api   *apiLink // of an API's event
}

// triggers make what an event needs, by its type.
var triggers = map[string]func(*event) ([]*resource, error){
	"Api": (*event).restRoute, "HttpApi": (*event).httpRoute, "SNS": (*event).topic, "S3": (*event).bucket,
	"Schedule": (*event).schedule, "ScheduleV2": (*event).scheduler, "CloudWatchEvent": (*event).rule, "EventBridgeRule": (*event).rule,
	"SQS": (*event).pull, "DynamoDB": (*event).pull, "Kinesis": (*event).pull, "CloudWatchLogs": (*event).logs,
}

// events makes what the function's events need, in the order of their paths.
func (f *function) events() error {
	all := f.props.dict("Events")
	names := all.names()
	for _, name := range names {
		if err := checkEvent(f.id, name, all.dict(name)); err != nil {
			return err
		}
	}
	links := map[string]*apiLink{}
	for _, name := range names {
		e := all.dict(name)
		link, err := f.link(name, e.text("Type"), e.dict("Properties"))
		if err != nil {
			return err
		}
		links[name] = link
	}
	order := func(name string) string {
		if path, ok := textOf(all.dict(name).dict("Properties").get("Path")); ok {
			return path
		}
		return name
	}
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	for _, name := range names {
		given := all.dict(name)
		props := given.dict("Properties")
		if props == nil {
			props = NewDict()
		}
		e := &event{function: f, id: f.id + name, name: name, props: props, api: links[name]}
		made, err := triggers[given.text("Type")](e)
		if err != nil {
			return err
		}
		f.made = append(f.made, made...)
	}
	return nil
}

func checkEvent(function, name string, e *Dict) error {
	typ, ok := e.get("Type").(string)
	if !ok {
		return badEvent(name, "Resource dict has missing or invalid value for field Type.")
	}
	if triggers[typ] == nil {
		return badEvent(name, "Events of type %s are not supported by this version of the sandbox.", typ)
	}
	if v := e.get("Properties"); v != nil && asDict(v) == nil {
		return badEvent(name, "Properties should be a map.")
	}
	if !alphanumeric(name) {
		return badResource(function+name, "Logical ids must be alphanumeric.")
	}
	return checkProperties(function+name, typ, e.dict("Properties"))
}

// permission lets a service invoke the function.
func (e *event) permission(service string, source any, suffix string) *resource {
	id := hashed(e.id+"Permission", suffix)
	if alphanumeric(suffix) {
		id = e.id + "Permission" + suffix
	}
	props := made("Action", "lambda:InvokeFunction", "FunctionName", e.function.name(), "Principal", service)
	props.set("SourceArn", source)
	return e.new("AWS::Lambda::Permission", id, props)
}

// state is ENABLED or DISABLED, if the event says so.
func (e *event) state() (any, error) {
	state, enabled := e.props.get("State"), e.props.get("Enabled")
	switch {
	case truthy(state) && enabled != nil:
		return nil, badEvent(e.name, "State and Enabled Properties cannot both be specified.")
	case enabled != nil && truthy(enabled):
		return "ENABLED", nil
	case enabled != nil:
		return "DISABLED", nil
	case truthy(state):
		return state, nil
	}
	return nil, nil
}

// schedule is a rule of EventBridge that fires at times.
func (e *event) schedule() ([]*resource, error) {
	state, err := e.state()
	if err != nil {
		return nil, err
	}
	rule := e.new("AWS::Events::Rule", e.id, made("ScheduleExpression", e.props.get("Schedule")))
	rule.props.set("State", state)
	copyProps(rule.props, e.props, "Name", "Description")
	letters, more, err := e.deadLetters(true)
	if err != nil {
		return nil, err
	}
	rule.props.Set("Targets", []any{e.target(e.targetID(), letters, "Input", "RetryPolicy")})
	return append(append([]*resource{rule}, more...), e.permission("events.amazonaws.com", getAtt(e.id, "Arn"), "")), nil
}

// rule is a rule of EventBridge that fires at events.
func (e *event) rule() ([]*resource, error) {
	state, err := e.state()
	if err != nil {
		return nil, err
	}
	rule := e.new("AWS::Events::Rule", e.id, NewDict())
	copyProps(rule.props, e.props, "EventBusName")
	rule.props.set("EventPattern", e.props.get("Pattern"))
	rule.props.set("Name", e.props.get("RuleName"))
	rule.props.set("State", state)
	letters, more, err := e.deadLetters(true)
	if err != nil {
		return nil, err
	}
	var id any = e.targetID()
	if target := e.props.dict("Target"); target.has("Id") {
		id = target.get("Id")
	}
	rule.props.Set("Targets", []any{e.target(id, letters, "Input", "InputPath", "RetryPolicy", "InputTransformer")})
	return append(more, rule, e.permission("events.amazonaws.com", getAtt(e.id, "Arn"), "")), nil
}

// targetID is at most 64 characters long.
func (e *event) targetID() string {
	const suffix, most = "LambdaTarget", 64
	return e.id[:min(len(e.id), most-len(suffix))] + suffix
}

func (e *event) target(id, letters any, names ...string) *Dict {
	out := made("Arn", e.function.arn(), "Id", id)
	copyProps(out, e.props, names...)
	if letters != nil {
		out.Set("DeadLetterConfig", made("Arn", letters))
	}
	return out
}

// deadLetters is the queue for events that can't be delivered: a given one, or
// one that is made, for a rule with the policy that lets it in.
func (e *event) deadLetters(ofRule bool) (any, []*resource, error) {
	v := e.props.get("DeadLetterConfig")
	if v == nil {
		return nil, nil, nil
	}
	config := orEmpty(asDict(v))
	switch {
	case config.has("Arn") && config.has("Type"):
		return nil, nil, badEvent(e.id, "You can either define 'Arn' or 'Type' property of DeadLetterConfig.")
	case config.has("Type") && config.get("Type") != "SQS":
		return nil, nil, badEvent(e.id, "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.")
	case !config.has("Type") && !config.has("Arn"):
		return nil, nil, badEvent(e.id, "No 'Arn' or 'Type' property provided for DeadLetterConfig.")
	case config.get("Arn") != nil:
		return config.get("Arn"), nil, nil
	}
	id := e.id + "Queue"
	if given := config.get("QueueLogicalId"); given != nil {
		s, ok := given.(string)
		if !ok {
			return nil, nil, badEvent(e.id, "QueueLogicalId must be a string")
		}
		if s != "" {
			id = s
		}
	}
	queue := e.new("AWS::SQS::Queue", id, NewDict())
	arn := getAtt(id, "Arn")
	if !ofRule {
		return arn, []*resource{queue}, nil
	}
	policy := e.queuePolicy(e.id+"QueuePolicy", ref(id), arn, getAtt(e.id, "Arn"), made("Service", "events.amazonaws.com"))
	return arn, []*resource{queue, policy}, nil
}

// queuePolicy lets a source send to a queue.
func (e *event) queuePolicy(id string, url, arn, source, principal any) *resource {
	return e.new("AWS::SQS::QueuePolicy", id, made("PolicyDocument", made("Version", "2012-10-17", "Statement", []any{
		made("Action", "sqs:SendMessage", "Effect", "Allow", "Principal", principal, "Resource", arn,
			"Condition", made("ArnEquals", made("aws:SourceArn", source)))}), "Queues", []any{url}))
}

// scheduler is a schedule of EventBridge Scheduler, with the role that it works with.
func (e *event) scheduler() ([]*resource, error) {
	p := e.props
	schedule := e.new("AWS::Scheduler::Schedule", e.id, NewDict())
	copyProps(schedule.props, p, "ScheduleExpression", "Description", "StartDate", "EndDate", "ScheduleExpressionTimezone", "GroupName", "KmsKeyArn")
	if truthy(p.get("State")) {
		schedule.props.Set("State", p.get("State"))
	}
	switch {
	case p.get("OmitName") != true && truthy(p.get("Name")):
		schedule.props.Set("Name", p.get("Name"))
	case p.get("OmitName") != true:
		schedule.props.Set("Name", e.id)
	case truthy(p.get("Name")):
		return nil, badEvent(e.id, "Name cannot be set when OmitName is True")
	}
	schedule.props.Set("FlexibleTimeWindow", made("Mode", "OFF"))
	if truthy(p.get("FlexibleTimeWindow")) {
		schedule.props.Set("FlexibleTimeWindow", p.get("FlexibleTimeWindow"))
	}
	letters, more, err := e.deadLetters(false)
	if err != nil {
		return nil, err
	}
	out := append([]*resource{schedule}, more...)
	role := p.get("RoleArn")
	if !truthy(role) {
		policies := []any{inlinePolicy(e.id+"LambdaPolicy", statement("lambda:InvokeFunction", e.function.arn()))}
		if letters != nil {
			policies = append(policies, inlinePolicy(e.id+"SQSPolicy", statement("sqs:SendMessage", letters)))
		}
		made := e.new("AWS::IAM::Role", e.id+"Role", made("AssumeRolePolicyDocument", trust("scheduler.amazonaws.com"), "Policies", policies))
		if truthy(p.get("PermissionsBoundary")) {
			made.props.Set("PermissionsBoundary", p.get("PermissionsBoundary"))
		}
		out = append(out, made)
		role = getAtt(made.id, "Arn")
	}
	target := made("Arn", e.function.arn(), "RoleArn", role)
	copyProps(target, p, "Input", "RetryPolicy")
	if letters != nil {
		target.Set("DeadLetterConfig", made("Arn", letters))
	}
	schedule.props.Set("Target", target)
	return out, nil
}

// logs subscribes the function to a log group.
func (e *event) logs() ([]*resource, error) {
	source := made("Fn::Sub", []any{"arn:" + e.partition + ":logs:${AWS::Region}:${AWS::AccountId}:log-group:${__LogGroupName__}:*",
		made("__LogGroupName__", e.props.get("LogGroupName"))})
	permission := e.permission("logs.amazonaws.com", source, "")
	filter := e.new("AWS::Logs::SubscriptionFilter", e.id, made("DestinationArn", e.function.arn()))
	copyProps(filter.props, e.props, "LogGroupName", "FilterPattern")
	filter.dependsOn = []any{permission.id}
	return []*resource{permission, filter}, nil
}
