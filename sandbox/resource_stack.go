package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// stackProviders are CloudFormation's own resource types.
func stackProviders() map[string]provider {
	return map[string]provider{
		customType: customProvider(),
		"AWS::CloudFormation::WaitConditionHandle": {
			create: func(rc *resourceCall) (string, map[string]any, error) {
				return "https://cloudformation-waitcondition-" + rc.Region + ".s3." + rc.Region + ".amazonaws.com/" +
					escape(rc.StackID+"/"+rc.LogicalID, false), nil, nil
			},
			remove: func(*resourceCall) error { return nil },
		},
		"AWS::CloudFormation::Stack": nestedStackProvider(),
	}
}

// nestedStackProvider makes stacks inside of stacks.
func nestedStackProvider() provider {
	return provider{
		properties: map[string]property{"TemplateURL": required, "Parameters": mutable, "Tags": mutable,
			"TimeoutInMinutes": mutable, "NotificationARNs": mutable},
		attributes: []string{"Outputs.*"},
		tags:       "Tags",
		create: func(rc *resourceCall) (string, map[string]any, error) {
			in := nestedInput(rc)
			in["StackName"] = rc.generatedName(128)
			in["DisableRollback"] = false
			if rc.Props.has("TimeoutInMinutes") {
				in["TimeoutInMinutes"] = rc.Props.str("TimeoutInMinutes")
			}
			out, err := rc.invoke("cloudformation", "CreateStack", rc.Region, in)
			if err != nil {
				return "", nil, err
			}
			id := text(out["StackId"])
			child, parent := rc.cfn().Stacks[id], rc.cfn().Stacks[rc.StackID]
			child.Parent, child.Root = rc.StackID, rc.StackID
			if parent.Root != "" {
				child.Root = parent.Root
			}
			return id, nil, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) {
			in := nestedInput(rc)
			in["StackName"] = rc.PhysicalID
			_, err := rc.invoke("cloudformation", "UpdateStack", rc.Region, in)
			if err != nil && strings.Contains(err.Error(), "No updates are to be performed.") {
				err = nil
			}
			return rc.OldAttrs, err
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.invoke("cloudformation", "DeleteStack", rc.Region, params{"StackName": rc.PhysicalID})
			return err
		},
		settle: settleNested,
	}
}

// nestedInput is what a nested stack is made or updated with: what was
// acknowledged for the parent holds for it, too.
func nestedInput(rc *resourceCall) params {
	in := params{"TemplateURL": rc.Props.str("TemplateURL"), "Capabilities": anyList(rc.cfn().Stacks[rc.StackID].Capabilities)}
	var list []any
	given := rc.Props.obj("Parameters")
	for _, k := range slices.Sorted(maps.Keys(given)) {
		value := scalarText(given[k])
		if items, ok := given[k].([]any); ok {
			value = joinText(items, ",")
		}
		list = append(list, map[string]any{"ParameterKey": k, "ParameterValue": value})
	}
	in["Parameters"] = list
	var tags []any
	for _, t := range tagList(rc.tags(rc.Props["Tags"])) {
		if !strings.HasPrefix(text(t["Key"]), "aws:") {
			tags = append(tags, t)
		}
	}
	in["Tags"] = tags
	if v := rc.Props["NotificationARNs"]; v != nil {
		in["NotificationARNs"] = v
	}
	return in
}

// settleNested waits for a nested stack and reads its outputs.
func settleNested(rc *resourceCall, verb string) (bool, map[string]any, error) {
	st := rc.cfn().Stacks[rc.PhysicalID]
	if st == nil {
		return true, nil, nil
	}
	if st.busy() {
		return false, nil, nil
	}
	good, done := []string{"CREATE_COMPLETE", "UPDATE_COMPLETE"}, verb+"d"
	switch verb {
	case "delete":
		good = []string{"DELETE_COMPLETE"}
	case "rollback":
		good, done = append(good, "UPDATE_ROLLBACK_COMPLETE"), "rolled back"
	}
	if !slices.Contains(good, st.Status) {
		return true, nil, invalid("Embedded stack %s was not successfully %s: %s", st.ID, done, st.whyNot())
	}
	attrs := map[string]any{}
	for _, o := range st.Outputs {
		attrs["Outputs."+o.Key] = o.Value
	}
	return true, attrs, nil
}

// whyNot is the reason of the stack's last failure.
func (st *stack) whyNot() string {
	for i := len(st.Events) - 1; i >= 0; i-- {
		if e := st.Events[i]; e.Resource == "" && e.Reason != "" {
			return strings.TrimSuffix(e.Reason, " Rollback requested by user.")
		}
	}
	return st.Status
}
