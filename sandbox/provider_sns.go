package sandbox

import "reflect"

// snsProviders are SNS's resource types.
func snsProviders() map[string]provider {
	return map[string]provider{
		"AWS::SNS::Topic":        topicProvider(),
		"AWS::SNS::TopicPolicy":  topicPolicyProvider(),
		"AWS::SNS::Subscription": subscriptionProvider(),
	}
}

// topicProperties are the topic's properties that are attributes of the same
// name; all but FifoTopic can change.
var topicProperties = []string{"ArchivePolicy", "ContentBasedDeduplication", "DisplayName", "FifoThroughputScope", "KmsMasterKeyId",
	"SignatureVersion", "TracingConfig"}

func topicProvider() provider {
	p := provider{
		properties: map[string]property{"TopicName": replaces, "FifoTopic": replaces, "Subscription": mutable,
			"DataProtectionPolicy": mutable, "DeliveryStatusLogging": mutable, "Tags": mutable},
		attributes: []string{"TopicArn", "TopicName"},
		name:       "TopicName",
		tags:       "Tags",
	}
	for _, name := range topicProperties {
		p.properties[name] = mutable
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse("DataProtectionPolicy", "DeliveryStatusLogging"); err != nil {
			return "", nil, err
		}
		name, attributes := rc.Props.str("TopicName"), map[string]any{}
		if name == "" {
			name = rc.generatedName(251)
			if rc.Props.bool("FifoTopic") {
				name += ".fifo"
			}
		}
		for _, k := range topicProperties {
			if rc.Props.has(k) {
				attributes[k] = documentText(rc.Props[k])
			}
		}
		if rc.Props.bool("FifoTopic") {
			attributes["FifoTopic"] = "true"
		}
		if rc.here().SNS.Topics[name] != nil { // SNS would give it to us; CloudFormation doesn't take it
			return "", nil, &resourceError{Service: "sns", Err: fail("AlreadyExists", "Topic already exists: %s", name)}
		}
		out, err := rc.do("sns", "CreateTopic", params{"Name": name, "Attributes": attributes, "Tags": rc.tagList(rc.Props["Tags"])})
		if err != nil {
			return "", nil, err
		}
		arn := text(out["TopicArn"])
		attrs := map[string]any{"TopicArn": arn, "TopicName": name}
		rc.noteTags(attrs)
		return arn, attrs, rc.topicSubscriptions(arn)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.refuse("DataProtectionPolicy", "DeliveryStatusLogging"); err != nil {
			return nil, err
		}
		for _, k := range topicProperties {
			if reflect.DeepEqual(rc.Props[k], rc.OldProps[k]) {
				continue
			}
			in := params{"TopicArn": rc.PhysicalID, "AttributeName": k, "AttributeValue": documentText(rc.Props[k])}
			if _, err := rc.do("sns", "SetTopicAttributes", in); err != nil {
				return nil, err
			}
		}
		if err := rc.topicSubscriptions(rc.PhysicalID); err != nil {
			return nil, err
		}
		attrs := map[string]any{"TopicArn": rc.PhysicalID, "TopicName": rc.OldAttrs["TopicName"]}
		return attrs, rc.retagBy("sns", "TagResource", "UntagResource", params{"ResourceArn": rc.PhysicalID}, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("sns", "DeleteTopic", params{"TopicArn": rc.PhysicalID})
		return err
	}
	return p
}

// refuse fails for properties that the sandbox knows but doesn't serve.
func (rc *resourceCall) refuse(names ...string) error {
	for _, n := range names {
		if rc.Props.has(n) {
			return fail("UnsupportedOperation", "The sandbox doesn't serve %s of %s", n, rc.Type)
		}
	}
	return nil
}

// retagBy is retag for services with tag and untag operations that take Tags
// and TagKeys beside what names the resource.
func (rc *resourceCall) retagBy(service, tag, untag string, name params, attrs map[string]any) error {
	wanted := rc.tags(rc.Props["Tags"])
	var stale []any
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, k)
		}
	}
	call := func(op, field string, v any) error {
		in := params{field: v}
		for k, n := range name {
			in[k] = n
		}
		_, err := rc.do(service, op, in)
		return err
	}
	if len(stale) > 0 {
		if err := call(untag, "TagKeys", stale); err != nil {
			return err
		}
	}
	rc.noteTags(attrs)
	return call(tag, "Tags", rc.tagList(rc.Props["Tags"]))
}

// documentText is a property that may be written as text or as a structure.
func documentText(v any) string {
	switch v.(type) {
	case map[string]any, []any, params:
		return canonical(v)
	}
	return text(v)
}

// topicSubscriptions brings the topic's inline subscriptions to what they are now.
func (rc *resourceCall) topicSubscriptions(arn string) error {
	was, wanted := rc.OldProps.list("Subscription"), rc.Props.list("Subscription")
	t := rc.topicAt(arn)
	for _, s := range without(was, wanted) {
		for id, home := range t.Subs {
			o := rc.account(home.Account).region(home.Region).SNS.Subscriptions[id]
			if o == nil || o.Protocol != s.str("Protocol") || o.Endpoint != s.str("Endpoint") {
				continue
			}
			if _, err := rc.do("sns", "Unsubscribe", params{"SubscriptionArn": id}); err != nil {
				return err
			}
		}
	}
	for _, s := range without(wanted, was) {
		in := params{"TopicArn": arn, "Protocol": s.str("Protocol"), "Endpoint": s.str("Endpoint")}
		if _, err := rc.do("sns", "Subscribe", in); err != nil {
			return err
		}
	}
	return nil
}

// topicPolicyProvider sets one policy on topics; without it they have AWS's
// default policy again.
func topicPolicyProvider() provider {
	set := func(rc *resourceCall, topics []string, doc string) error {
		for _, arn := range topics {
			in := params{"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": doc}
			if _, err := rc.do("sns", "SetTopicAttributes", in); err != nil {
				return err
			}
		}
		return nil
	}
	p := provider{
		properties: map[string]property{"PolicyDocument": required, "Topics": required},
		attributes: []string{"Id"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		id := rc.generatedName(255)
		return id, map[string]any{"Id": id}, set(rc, rc.Props.strs("Topics"), documentText(rc.Props["PolicyDocument"]))
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		kept := map[string]bool{}
		for _, arn := range rc.Props.strs("Topics") {
			kept[arn] = true
		}
		for _, arn := range rc.OldProps.strs("Topics") {
			if !kept[arn] {
				rc.forgetTopicPolicy(arn)
			}
		}
		return map[string]any{"Id": rc.PhysicalID}, set(rc, rc.Props.strs("Topics"), documentText(rc.Props["PolicyDocument"]))
	}
	p.remove = func(rc *resourceCall) error {
		for _, arn := range rc.Props.strs("Topics") {
			rc.forgetTopicPolicy(arn)
		}
		return nil
	}
	return p
}

// forgetTopicPolicy gives a topic its default policy, if it is still there.
func (rc *resourceCall) forgetTopicPolicy(arn string) {
	if t := rc.topicAt(arn); t != nil && t.Owner == rc.Account.ID {
		delete(t.Attributes, "Policy")
		t.Bound = nil
	}
}

func subscriptionProvider() provider {
	attributes := []string{"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy",
		"ReplayPolicy", "SubscriptionRoleArn"}
	p := provider{
		properties: map[string]property{"TopicArn": required | replaces, "Protocol": required | replaces, "Endpoint": replaces, "Region": mutable},
		attributes: []string{"Arn"},
	}
	for _, name := range attributes {
		p.properties[name] = mutable
	}
	region := func(rc *resourceCall) string { return rc.Props.or("Region", rc.Region) }
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		set := map[string]any{}
		for _, k := range attributes {
			if rc.Props.has(k) {
				set[k] = documentText(rc.Props[k])
			}
		}
		out, err := rc.doIn(region(rc), "sns", "Subscribe", params{"TopicArn": rc.Props.str("TopicArn"),
			"Protocol": rc.Props.str("Protocol"), "Endpoint": rc.Props.str("Endpoint"), "Attributes": set, "ReturnSubscriptionArn": "true"})
		if err != nil {
			return "", nil, err
		}
		arn := text(out["SubscriptionArn"])
		return arn, map[string]any{"Arn": arn}, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		for _, k := range attributes {
			if reflect.DeepEqual(rc.Props[k], rc.OldProps[k]) {
				continue
			}
			in := params{"SubscriptionArn": rc.PhysicalID, "AttributeName": k, "AttributeValue": documentText(rc.Props[k])}
			if _, err := rc.doIn(region(rc), "sns", "SetSubscriptionAttributes", in); err != nil {
				return nil, err
			}
		}
		return map[string]any{"Arn": rc.PhysicalID}, nil
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.doIn(region(rc), "sns", "Unsubscribe", params{"SubscriptionArn": rc.PhysicalID})
		return err
	}
	return p
}
