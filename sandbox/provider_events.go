package sandbox

import (
	"maps"
	"strings"
)

// eventsProviders are EventBridge's resource types.
func eventsProviders() map[string]provider {
	return map[string]provider{
		"AWS::Events::Rule":           ruleProvider(),
		"AWS::Events::EventBus":       busProvider(),
		"AWS::Events::EventBusPolicy": busPolicyProvider(),
	}
}

// ruleProvider makes rules with their targets. Ref gives the rule's name, with
// the bus and a bar before it for a bus other than the default one.
func ruleProvider() provider {
	p := provider{
		properties: map[string]property{"Name": replaces, "EventBusName": replaces, "Description": mutable, "EventPattern": mutable,
			"ScheduleExpression": mutable, "State": mutable, "RoleArn": mutable, "Targets": mutable, "Tags": mutable},
		attributes: []string{"Arn"},
		name:       "Name",
		tags:       "Tags",
		documents:  []string{"EventPattern"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		name, bus := rc.Props.str("Name"), rc.Props.str("EventBusName")
		if name == "" {
			name = rc.generatedName(64)
		}
		id := name
		if b := rc.busNamed(bus); b != nil {
			if b.Name != "default" {
				id = b.Name + "|" + name
			}
			if b.Rules[name] != nil { // PutRule would take it over
				return "", nil, &resourceError{Service: "events", Err: fail("ResourceAlreadyExistsException", "%s already exists.", b.ruleARN(name))}
			}
		}
		in := rc.ruleInput(name)
		in["Tags"] = rc.tagList(rc.Props["Tags"])
		out, err := rc.do("events", "PutRule", in)
		if err != nil {
			return "", nil, err
		}
		attrs := map[string]any{"Arn": text(out["RuleArn"])}
		rc.noteTags(attrs)
		return id, attrs, rc.ruleTargets(name)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		name := ruleOfID(rc.PhysicalID)
		if _, err := rc.do("events", "PutRule", rc.ruleInput(name)); err != nil {
			return nil, err
		}
		if err := rc.ruleTargets(name); err != nil {
			return nil, err
		}
		attrs := map[string]any{"Arn": rc.OldAttrs["Arn"]}
		return attrs, rc.retagBy("events", "TagResource", "UntagResource", params{"ResourceARN": text(attrs["Arn"])}, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		name := ruleOfID(rc.PhysicalID)
		in := params{"Rule": name, "EventBusName": rc.Props.or("EventBusName", "default")}
		for {
			out, err := rc.do("events", "ListTargetsByRule", in)
			if err != nil {
				return tolerate(err, "NotFoundException")
			}
			var ids []any
			list, _ := out["Targets"].([]obj)
			for _, t := range list {
				ids = append(ids, text(t["Id"]))
			}
			if len(ids) == 0 {
				break
			}
			if _, err := rc.do("events", "RemoveTargets", params{"Rule": name, "EventBusName": in["EventBusName"], "Ids": ids}); err != nil {
				return err
			}
		}
		_, err := rc.do("events", "DeleteRule", params{"Name": name, "EventBusName": in["EventBusName"]})
		return err
	}
	return p
}

func ruleOfID(id string) string { return id[strings.LastIndexByte(id, '|')+1:] }

// ruleInput is PutRule's input. An event pattern is a structure in templates.
func (rc *resourceCall) ruleInput(name string) params {
	in := rc.pass("EventBusName", "Description", "ScheduleExpression", "State", "RoleArn")
	in["Name"] = name
	if rc.Props.has("EventPattern") {
		in["EventPattern"] = documentText(rc.Props["EventPattern"])
	}
	return in
}

// ruleTargets brings the rule's targets to those of the template.
func (rc *resourceCall) ruleTargets(name string) error {
	wanted := rc.Props.list("Targets")
	in := params{"Rule": name, "EventBusName": rc.Props.or("EventBusName", "default")}
	ids, keep := []any{}, map[string]bool{}
	for _, t := range wanted {
		keep[t.str("Id")] = true
	}
	for _, t := range rc.OldProps.list("Targets") {
		if !keep[t.str("Id")] {
			ids = append(ids, t.str("Id"))
		}
	}
	if len(ids) > 0 {
		in["Ids"] = ids
		if _, err := rc.do("events", "RemoveTargets", in); err != nil {
			return err
		}
		delete(in, "Ids")
	}
	if len(wanted) == 0 {
		return nil
	}
	in["Targets"] = rc.Props["Targets"]
	_, err := rc.do("events", "PutTargets", in)
	return err
}

// busProvider makes event buses; Ref gives the name.
func busProvider() provider {
	p := provider{
		properties: map[string]property{"Name": required | replaces, "EventSourceName": replaces, "Description": mutable, "Policy": mutable,
			"KmsKeyIdentifier": mutable, "DeadLetterConfig": mutable, "LogConfig": mutable, "Tags": mutable},
		attributes: []string{"Arn", "Name", "Policy"},
		name:       "Name",
		tags:       "Tags",
	}
	shown := func(rc *resourceCall) map[string]any {
		attrs := map[string]any{"Name": rc.Props.str("Name"), "Policy": documentText(rc.Props["Policy"])}
		if b := rc.busNamed(rc.Props.str("Name")); b != nil {
			attrs["Arn"] = b.arn()
		}
		rc.noteTags(attrs)
		return attrs
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		name := rc.Props.str("Name")
		in := rc.pass("Name", "EventSourceName", "Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")
		in["Tags"] = rc.tagList(rc.Props["Tags"])
		if _, err := rc.do("events", "CreateEventBus", in); err != nil {
			return "", nil, err
		}
		if rc.Props.has("Policy") {
			if _, err := rc.do("events", "PutPermission", params{"EventBusName": name, "Policy": documentText(rc.Props["Policy"])}); err != nil {
				return name, nil, err
			}
		}
		return name, shown(rc), nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		in := rc.pass("Name", "Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")
		if _, err := rc.do("events", "UpdateEventBus", in); err != nil {
			return nil, err
		}
		was, is := documentText(rc.OldProps["Policy"]), documentText(rc.Props["Policy"])
		change, in := "PutPermission", params{"EventBusName": rc.PhysicalID, "Policy": is}
		if is == "" {
			change, in = "RemovePermission", params{"EventBusName": rc.PhysicalID, "RemoveAllPermissions": true}
		}
		if was != is {
			if _, err := rc.do("events", change, in); err != nil {
				return nil, err
			}
		}
		attrs := shown(rc)
		return attrs, rc.retagBy("events", "TagResource", "UntagResource", params{"ResourceARN": text(attrs["Arn"])}, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("events", "DeleteEventBus", params{"Name": rc.PhysicalID})
		return err
	}
	return p
}

// busPolicyProvider puts one statement into a bus's policy.
func busPolicyProvider() provider {
	p := provider{
		properties: map[string]property{"EventBusName": replaces, "StatementId": required | replaces, "Statement": mutable,
			"Action": mutable, "Principal": mutable, "Condition": mutable},
	}
	set := func(rc *resourceCall) error {
		in := rc.pass("EventBusName", "StatementId", "Action", "Principal", "Condition")
		if rc.Props.has("Statement") { // the operation takes whole policies: the others' statements stay
			b, err := rc.inEvents().bus("EventBusName")
			if err != nil {
				return &resourceError{Service: "events", Err: err}
			}
			statement := maps.Clone(rc.Props.obj("Statement"))
			statement["Sid"] = rc.Props.str("StatementId")
			in = params{"EventBusName": rc.Props.str("EventBusName"), "Policy": b.withStatement(statement.str("Sid"), statement)}
		}
		_, err := rc.do("events", "PutPermission", in)
		return err
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		bus := rc.Props.or("EventBusName", "default")
		return bus + "|" + rc.Props.str("StatementId"), nil, set(rc)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) { return nil, set(rc) }
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("events", "RemovePermission", params{"EventBusName": rc.Props.or("EventBusName", "default"), "StatementId": rc.Props.str("StatementId")})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// inEvents is the call with the resource's properties as its input.
func (rc *resourceCall) inEvents() *call {
	c := *rc.call
	c.In = rc.Props
	return &c
}

// eventReads is what the handlers of EventBridge's types read.
func (rc *resourceCall) eventReads(of string) []look {
	if of != "Rule" {
		bus := rc.Props.or("Name", rc.Props.str("EventBusName"))
		out := []look{{"events", "DescribeEventBus", params{"Name": bus}}}
		if b := rc.busNamed(bus); b != nil && of == "EventBus" {
			out = append(out, look{"events", "ListTagsForResource", params{"ResourceARN": b.arn()}})
		}
		return out
	}
	name, bus := ruleOfID(rc.PhysicalID), rc.Props.or("EventBusName", "default")
	out := []look{{"events", "DescribeRule", params{"Name": name, "EventBusName": bus}}, {"events", "ListTargetsByRule", params{"Rule": name, "EventBusName": bus}}}
	if b := rc.busNamed(bus); b != nil {
		out = append(out, look{"events", "ListTagsForResource", params{"ResourceARN": b.ruleARN(name)}})
	}
	return out
}
