package sandbox

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// liveType reads resources of a type as their service has them: for drift
// detection and for imports. Types that aren't in liveTypes can do neither.
type liveType struct {
	// identifier is the property that names an existing resource in an import;
	// its value is the physical id.
	identifier string
	// read gives the properties that can be read, in the template's form, and
	// what Fn::GetAtt reads. A resource that is gone is the service's own error.
	read func(*resourceCall) (props, attrs map[string]any, err error)
	// unordered are properties whose lists have no order.
	unordered []string
}

// liveTypes are the types whose live state can be read.
func liveTypes() map[string]liveType {
	return map[string]liveType{
		"AWS::SNS::Topic":      {identifier: "TopicArn", read: liveTopic},
		"AWS::SQS::Queue":      {identifier: "QueueUrl", read: liveQueue},
		"AWS::SSM::Parameter":  {identifier: "Name", read: liveParameter},
		"AWS::IAM::Role":       {identifier: "RoleName", read: liveRole, unordered: []string{"ManagedPolicyArns"}},
		"AWS::S3::Bucket":      {identifier: "BucketName", read: liveBucket},
		"AWS::DynamoDB::Table": {identifier: "TableName", read: liveTable},
	}
}

// plainParams is a value as JSON has it.
func plainParams(v any) params {
	out := params{}
	if err := json.Unmarshal([]byte(canonical(v)), &out); err != nil {
		return params{}
	}
	return out
}

// jsonOrText is a JSON text as a structure, or the text when it is none.
func jsonOrText(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// pick takes the properties that an answer has under their own names.
func pick(from params, names ...string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		if v, ok := from[n]; ok && v != nil && v != "" {
			out[n] = v
		}
	}
	return out
}

func liveTopic(rc *resourceCall) (props, attrs map[string]any, err error) {
	out, err := rc.do("sns", "GetTopicAttributes", params{"TopicArn": rc.PhysicalID})
	if err != nil {
		return nil, nil, err
	}
	name := arnTail(rc.PhysicalID)
	props = pick(plainParams(out["Attributes"]), append(slices.Clone(topicProperties), "FifoTopic")...)
	props["TopicName"] = name
	return props, map[string]any{"TopicArn": rc.PhysicalID, "TopicName": name}, nil
}

// arnTail is what follows the last colon.
func arnTail(arn string) string {
	for i := len(arn) - 1; i >= 0; i-- {
		if arn[i] == ':' {
			return arn[i+1:]
		}
	}
	return arn
}

func liveQueue(rc *resourceCall) (props, attrs map[string]any, err error) {
	out, err := rc.do("sqs", "GetQueueAttributes", params{"QueueUrl": rc.PhysicalID, "AttributeNames": []any{"All"}})
	if err != nil {
		return nil, nil, err
	}
	have := plainParams(out["Attributes"])
	props = pick(have, append(slices.Clone(queueProperties), "FifoQueue")...)
	for _, name := range []string{"RedrivePolicy", "RedriveAllowPolicy"} {
		if props[name] != nil {
			props[name] = jsonOrText(text(props[name]))
		}
	}
	_, name := queueParts(rc.PhysicalID)
	props["QueueName"] = name
	return props, map[string]any{"Arn": have["QueueArn"], "QueueName": name, "QueueUrl": rc.PhysicalID}, nil
}

func liveParameter(rc *resourceCall) (props, attrs map[string]any, err error) {
	out, err := rc.do("ssm", "GetParameters", params{"Names": []any{rc.PhysicalID}}) // as the type's schema says
	if err != nil {
		return nil, nil, err
	}
	found := plainParams(out).list("Parameters")
	if len(found) == 0 {
		return nil, nil, fail("ParameterNotFound", "Parameter %s not found.", rc.PhysicalID)
	}
	have := plainParams(found[0])
	props = pick(have, "Name", "Type", "Value", "DataType")
	return props, map[string]any{"Type": have["Type"], "Value": have["Value"]}, nil
}

func liveRole(rc *resourceCall) (props, attrs map[string]any, err error) {
	out, err := rc.do("iam", "GetRole", params{"RoleName": rc.PhysicalID})
	if err != nil {
		return nil, nil, err
	}
	have := plainParams(out["Role"])
	props = pick(have, "Description", "MaxSessionDuration", "Path", "RoleName")
	props["AssumeRolePolicyDocument"] = jsonOrText(unescape(have.str("AssumeRolePolicyDocument")))
	attached, err := rc.do("iam", "ListAttachedRolePolicies", params{"RoleName": rc.PhysicalID})
	if err != nil {
		return nil, nil, err
	}
	var arns []any
	for _, p := range plainParams(map[string]any(attached)).list("AttachedPolicies") {
		arns = append(arns, p.str("PolicyArn"))
	}
	if len(arns) > 0 {
		props["ManagedPolicyArns"] = arns
	}
	return props, map[string]any{"Arn": have["Arn"], "RoleId": have["RoleId"]}, nil
}

func liveBucket(rc *resourceCall) (props, attrs map[string]any, err error) {
	if _, err := rc.do("s3", "HeadBucket", params{"Bucket": rc.PhysicalID}); err != nil {
		return nil, nil, err
	}
	name := rc.PhysicalID
	return map[string]any{"BucketName": name}, map[string]any{"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com",
		"RegionalDomainName": name + ".s3." + rc.Region + ".amazonaws.com"}, nil
}

func liveTable(rc *resourceCall) (props, attrs map[string]any, err error) {
	out, err := rc.do("dynamodb", "DescribeTable", params{"TableName": rc.PhysicalID})
	if err != nil {
		return nil, nil, err
	}
	have := plainParams(out["Table"])
	props = pick(have, "TableName", "DeletionProtectionEnabled")
	return props, map[string]any{"Arn": have["TableArn"]}, nil
}

// liveState reads a resource of a stack; known is false for types that can't be
// read, gone says that it isn't there any more.
func (c *call) liveState(st *stack, r *stackResource) (props, attrs map[string]any, known, gone bool, err error) {
	kind, known := liveTypes()[r.Type]
	if !known || r.PhysicalID == "" || !r.live() {
		return nil, nil, false, false, nil
	}
	rc := &resourceCall{call: c, StackName: st.Name, StackID: st.ID, StackTags: st.stackVersion.Tags, LogicalID: r.ID, Type: r.Type,
		PhysicalID: r.PhysicalID, Props: decode(r.Props)}
	props, attrs, err = kind.read(rc)
	var api *apiError
	if errors.As(err, &api) && handlerErrorCode(api.Code) == "NotFound" {
		return nil, nil, true, true, nil
	}
	if err != nil {
		return nil, nil, true, false, errors.New(rc.reason(err))
	}
	rc.noteTags(attrs)
	return props, attrs, true, false, nil
}

// driftedProps are the properties that the template sets and the service has
// otherwise, by name: nil where the service has nothing.
func driftedProps(r *stackResource, props map[string]any) map[string]any {
	unordered := liveTypes()[r.Type].unordered
	out := map[string]any{}
	for name, expected := range decode(r.Props) {
		actual, has := props[name]
		if !has && !slices.Contains(meaningful(r.Type), name) {
			continue // it can't be read
		}
		a, b := asText(expected), asText(actual)
		if slices.Contains(unordered, name) {
			a, b = sortedList(a), sortedList(b)
		}
		if canonical(a) != canonical(b) {
			out[name] = actual
		}
	}
	return out
}

// meaningful are the properties whose absence means something.
func meaningful(typ string) []string {
	switch typ {
	case "AWS::SNS::Topic":
		return topicProperties
	case "AWS::SQS::Queue":
		return queueProperties
	case "AWS::IAM::Role":
		return []string{"Description", "ManagedPolicyArns"}
	}
	return nil
}

func sortedList(v any) any {
	items, ok := v.([]any)
	if !ok {
		return v
	}
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b any) int { return compareText(canonical(a), canonical(b)) })
	return items
}

// actual is the stack with its resources as they are rather than as the
// template made them: what is gone is missing, what was changed differs.
func (c *call) actual(st *stack) (*stack, error) {
	now := *st
	now.Resources = maps.Clone(st.Resources)
	for id, r := range st.Resources {
		props, _, known, gone, err := c.liveState(st, r)
		switch {
		case err != nil:
			return nil, err
		case !known:
			continue
		case gone:
			delete(now.Resources, id)
			continue
		}
		changed := driftedProps(r, props)
		if len(changed) == 0 {
			continue
		}
		other := *r
		is := decode(r.Props)
		for name, v := range changed {
			if v == nil {
				delete(is, name)
			} else {
				is[name] = v
			}
		}
		other.Props = encode(map[string]any(is))
		c.conceal(st, &other)
		now.Resources[id] = &other
	}
	return &now, nil
}
