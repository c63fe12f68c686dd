package sandbox

import (
	"maps"
	"slices"
)

// outputOf is what Fn::GetStackOutput asks for.
type outputOf struct{ stack, output, region, role string }

// stackOutput serves Fn::GetStackOutput, as AWS's Template Reference describes it:
// a weak reference, read when the stack is created or updated.
func (e *evaluation) stackOutput(arg any) (any, error) {
	given, ok := arg.(map[string]any)
	if !ok {
		return nil, invalid("Template error: Fn::GetStackOutput requires an object with StackName and OutputName")
	}
	var ask outputOf
	dark := false
	for _, name := range slices.Sorted(maps.Keys(given)) {
		into := map[string]*string{"StackName": &ask.stack, "OutputName": &ask.output, "Region": &ask.region, "RoleArn": &ask.role}[name]
		if into == nil {
			return nil, invalid("Template error: Fn::GetStackOutput does not support %s", name)
		}
		v, err := e.value(given[name])
		if err != nil {
			return nil, err
		}
		switch v.(type) {
		case noValue:
			continue
		case []any, map[string]any:
			return nil, invalid("Template error: %s of Fn::GetStackOutput must have a String-typed value.", name)
		}
		dark = dark || isUnknown(v)
		*into = scalarText(v)
	}
	if dark {
		return unknown{}, nil
	}
	if ask.stack == "" || ask.output == "" {
		return nil, invalid("Template error: Fn::GetStackOutput requires StackName and OutputName")
	}
	if v, seen := e.read[ask]; seen {
		return v, nil
	}
	v, err := e.other(ask)
	if err != nil {
		return nil, err
	}
	put(&e.read, ask, v)
	return v, nil
}

// readOutput reads another stack's output, with the role of the caller or with the
// one that is named, in whose account it looks.
func (c *call) readOutput(ask outputOf) (string, error) {
	region := ask.region
	if region == "" {
		region = c.Region
	}
	if partition(region) != partition(c.Region) {
		return "", invalid("Template error: Fn::GetStackOutput does not support cross-partition references")
	}
	reader := c
	if ask.role != "" {
		session, err := c.invoke("sts", "AssumeRole", "", params{"RoleArn": ask.role, "RoleSessionName": "AWSCloudFormation"})
		if err != nil {
			return "", unread(ask, err)
		}
		key, _ := session["Credentials"].(obj)["AccessKeyId"].(string)
		id := c.st.Keys[key]
		delete(c.st.Keys, key) // nobody else gets to know it
		reader = c.as(id, nil)
	}
	found, err := reader.invoke("cloudformation", "DescribeStacks", region, params{"StackName": ask.stack})
	if err != nil {
		return "", unread(ask, err)
	}
	stacks, _ := found["Stacks"].([]obj)
	if len(stacks) == 1 {
		outputs, _ := stacks[0]["Outputs"].([]obj)
		for _, o := range outputs {
			if text(o["OutputKey"]) == ask.output {
				return text(o["OutputValue"]), nil
			}
		}
	}
	return "", invalid("Template error: output %s does not exist in stack %s", ask.output, ask.stack)
}

func unread(ask outputOf, err error) error {
	message := err.Error()
	if aerr := asAPIError(services["cloudformation"], err); aerr != nil {
		message = aerr.Message
	}
	return invalid("Template error: unable to read output %s of stack %s: %s", ask.output, ask.stack, message)
}

// checkStackOutputs refuses Fn::GetStackOutput where CloudFormation does.
func (t *template) checkStackOutputs() error {
	for _, v := range t.conditions {
		if uses(v, "Fn::GetStackOutput") {
			return invalid("Template error: Cannot use Fn::GetStackOutput in Conditions")
		}
	}
	for _, o := range t.outputs {
		if uses(o.export, "Fn::GetStackOutput") {
			return invalid("Template error: The Name field of Export must not depend on any resources, imported values, or Fn::GetAZs")
		}
	}
	for _, r := range t.resources {
		if importsWhatItReads(map[string]any(r.props)) {
			return invalid("Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs")
		}
	}
	return nil
}

// uses says whether an intrinsic is anywhere in a value.
func uses(v any, intrinsic string) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, func(c any) bool { return uses(c, intrinsic) })
	case map[string]any:
		for k, c := range x {
			if k == intrinsic || uses(c, intrinsic) {
				return true
			}
		}
	}
	return false
}

func importsWhatItReads(v any) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, importsWhatItReads)
	case map[string]any:
		for k, c := range x {
			if k == "Fn::ImportValue" && uses(c, "Fn::GetStackOutput") || importsWhatItReads(c) {
				return true
			}
		}
	}
	return false
}
