package sam

import "slices"

// eventInvoke makes EventInvokeConfig: where the results of asynchronous calls
// go. It gives the policies that the role needs for that.
func (f *function) eventInvoke() ([]any, error) {
	if f.props.dict("EventInvokeConfig").len() == 0 {
		return nil, nil
	}
	v, err := f.resolve(f.props.get("EventInvokeConfig"))
	config := asDict(v)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return nil, badResource(f.id, "Property 'EventInvokeConfig' should be a map.")
	}
	id := f.id + "EventInvokeConfig"
	out := &resource{id: id, typ: "AWS::Lambda::EventInvokeConfig", attributes: f.attributes, props: made("FunctionName", ref(f.id), "Qualifier", "$LATEST")}
	if f.alias != nil {
		out.dependsOn = []any{f.alias.id}
		out.props.Set("Qualifier", f.alias.props.get("Name"))
	}
	destinations := NewDict()
	var policies []any
	if truthy(config.get("DestinationConfig")) {
		given := config.dict("DestinationConfig")
		if given == nil {
			return nil, badResource(f.id, "Property 'EventInvokeConfig.DestinationConfig' should be a map.")
		}
		for _, when := range []string{"OnSuccess", "OnFailure"} {
			if given.get(when) == nil {
				continue
			}
			d := given.dict(when)
			if d == nil {
				return nil, badResource(f.id, "Property 'EventInvokeConfig.DestinationConfig.%s' should be a map.", when)
			}
			to, policy, err := f.destination(d, id, when)
			if err != nil {
				return nil, err
			}
			destinations.Set(when, made("Destination", to))
			if policy != nil {
				policies = append(policies, policy)
			}
		}
	}
	out.props.Set("DestinationConfig", destinations)
	copyProps(out.props, config, "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
	f.made = append(f.made, out)
	return policies, nil
}

// destination is where a result goes: what is given, or a queue or topic that
// is made for it, also on a condition.
func (f *function) destination(d *Dict, id, when string) (any, *Dict, error) {
	kind, _ := d.get("Type").(string)
	if !slices.Contains([]string{"SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"}, kind) {
		return nil, nil, badResource(f.id, "'Type: %s' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda', 'S3Bucket']", kind)
	}
	given := d.get("Destination")
	condition, arn, err := f.destinationCondition(given, id)
	if err != nil {
		return nil, nil, err
	}
	if given != nil && condition == "" {
		return given, destinationPolicy(kind, id+when, given), nil
	}
	var made *resource
	switch kind {
	case "SQS":
		made = f.new("AWS::SQS::Queue", id+when+"Queue", NewDict())
	case "SNS":
		made = f.new("AWS::SNS::Topic", id+when+"Topic", NewDict())
	default:
		return nil, nil, badResource(f.id, "Destination is required if Type is not ['SQS', 'SNS']")
	}
	own, _ := f.attributes.get("Condition").(string)
	both := condition
	if own != "" && condition != "" {
		both = own + "AND" + condition
		both += digest(f.id)[:hashLength]
		f.addCondition(both, fnAnd(own, condition))
	} else if own != "" {
		both = own
	}
	if both != "" {
		made.attributes.Set("Condition", both)
	}
	var to any = getAtt(made.id, "Arn")
	if kind == "SNS" {
		to = ref(made.id)
	}
	if condition != "" {
		to = conditional(condition, to, arn)
	}
	f.made = append(f.made, made)
	return to, destinationPolicy(kind, id+when, to), nil
}

// fnAnd wraps each condition twice, as the transform on AWS does, for which
// CloudFormation refuses the result.
func fnAnd(conditions ...string) *Dict {
	var list []any
	for _, c := range conditions {
		list = append(list, made("Condition", made("Condition", c)))
	}
	return made("Fn::And", list)
}

// destinationCondition is the condition on which a destination is to be made,
// and what is given otherwise.
func (f *function) destinationCondition(v any, id string) (string, any, error) {
	if !isIf(v) {
		return "", nil, nil
	}
	cond, yes, no, err := ifParts(v)
	if err != nil {
		return "", nil, badResource(id, "Malformed 'Destination' property: Fn::If requires 3 arguments.")
	}
	name, _ := cond.(string)
	switch {
	case isNoValue(yes) && isNoValue(no):
		return "", nil, nil
	case isNoValue(yes):
		return name, no, nil
	case isNoValue(no):
		not := "NOT" + name + digest(id)[:hashLength]
		f.addCondition(not, made("Fn::Not", []any{made("Condition", name)}))
		return not, yes, nil
	}
	return "", nil, nil
}

// destinationPolicy lets the function send its results there.
func destinationPolicy(kind, id string, to any) *Dict {
	switch kind {
	case "SQS":
		return inlinePolicy(id+"SQSPolicy", statement("sqs:SendMessage", to))
	case "SNS":
		return inlinePolicy(id+"SNSPolicy", statement("sns:publish", to))
	case "EventBridge":
		return inlinePolicy(id+"EventBridgePolicy", statement("events:PutEvents", to))
	case "Lambda":
		return inlinePolicy(id+"LambdaPolicy", statement("lambda:InvokeFunction", to))
	case "S3", "S3Bucket":
		return inlinePolicy(id+"S3Policy", statement("s3:PutObject", made("Fn::Join", []any{"/", []any{to, "*"}})), statement("s3:ListBucket", to))
	}
	return nil
}
