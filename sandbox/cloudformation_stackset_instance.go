package sandbox

import (
	"maps"
	"slices"
)

// overrides are the parameters that a call sets for its instances alone.
func (c *call) overrides(set *stackSet) (map[string]string, error) {
	if !c.In.has("ParameterOverrides") {
		return nil, nil
	}
	out := map[string]string{}
	t := c.keptTemplate(set.Template)
	for _, p := range c.In.list("ParameterOverrides") {
		key := p.str("ParameterKey")
		switch {
		case t.parameters[key] == nil:
			return nil, invalid("Parameters: [%s] do not exist in the template", key)
		case p.bool("UsePreviousValue"):
			return nil, invalid("UsePreviousValue in ParameterOverrides isn't supported by this version of the sandbox")
		}
		out[key] = p.str("ParameterValue")
	}
	return out, nil
}

func createStackInstances(c *call, set *stackSet) (obj, error) {
	return c.onInstances(set, "CREATE", true, func(p setPlace, overrides map[string]string) (bool, error) {
		i := set.Instances[p.key()]
		if i == nil {
			set.add(p, overrides)
			return true, nil
		}
		if overrides != nil {
			i.Overrides = overrides
		}
		return i.Status != "INOPERABLE", nil
	})
}

func updateStackInstances(c *call, set *stackSet) (obj, error) {
	return c.onInstances(set, "UPDATE", false, func(p setPlace, overrides map[string]string) (bool, error) {
		i := set.Instances[p.key()]
		if i == nil {
			if set.Model == serviceManaged {
				return false, nil
			}
			return false, notFound("StackInstanceNotFoundException", "Stack instance(s) not found for account %s and region %s", p.Account, p.Region)
		}
		i.Overrides = overrides // those that aren't named again go back to the stack set's
		return i.Status != "INOPERABLE", nil
	})
}

func deleteStackInstances(c *call, set *stackSet) (obj, error) {
	if !c.In.has("RetainStacks") {
		return nil, missing("retainStacks")
	}
	out, err := c.onInstances(set, "DELETE", false, func(p setPlace, _ map[string]string) (bool, error) {
		return set.Instances[p.key()] != nil, nil
	})
	if err != nil {
		return nil, err
	}
	if d := c.In.obj("DeploymentTargets"); len(d.strs("Accounts")) == 0 {
		set.Units = slices.DeleteFunc(set.Units, func(u string) bool { return slices.Contains(d.strs("OrganizationalUnitIds"), u) })
	}
	return out, nil
}

// onInstances starts an operation on the instances that the call names and that
// pick takes.
func (c *call) onInstances(set *stackSet, action string, creating bool, pick func(setPlace, map[string]string) (bool, error)) (obj, error) {
	if len(c.In.strs("Regions")) == 0 {
		return nil, missing("regions")
	}
	overrides, err := c.overrides(set)
	if err != nil {
		return nil, err
	}
	places, err := c.setPlaces(set, creating)
	if err != nil {
		return nil, err
	}
	if err := c.mayOperate(set); err != nil {
		return nil, err
	}
	op, err := c.newOperation(action)
	if err != nil {
		return nil, err
	}
	op.Retain = c.In.bool("RetainStacks")
	for _, p := range places {
		take, err := pick(p, maps.Clone(overrides))
		if err != nil {
			return nil, err
		}
		if take {
			op.Tasks = append(op.Tasks, &setTask{Account: p.Account, Region: p.Region, Unit: p.Unit})
		}
	}
	if creating {
		for _, u := range c.In.obj("DeploymentTargets").strs("OrganizationalUnitIds") {
			if !slices.Contains(set.Units, u) {
				set.Units = append(set.Units, u)
			}
		}
		for _, r := range c.In.strs("Regions") {
			if !slices.Contains(set.Regions, r) {
				set.Regions = append(set.Regions, r)
			}
		}
	}
	return c.startOperation(set, op), nil
}

func (i *stackInstance) shown(set *stackSet) obj {
	return obj{"StackSetId": set.ID, "Region": i.Region, "Account": i.Account, "StackId": optional(i.Stack), "Status": i.Status, "StatusReason": optional(i.Reason),
		"StackInstanceStatus": obj{"DetailedStatus": i.Detail}, "OrganizationalUnitId": optional(i.Unit), "DriftStatus": "NOT_CHECKED", "LastOperationId": optional(i.Operation)}
}

func listStackInstances(c *call, set *stackSet) (obj, error) {
	var keys []string
	for _, key := range sortedKeys(set.Instances) {
		i := set.Instances[key]
		keep := true
		for name, want := range map[string]string{i.Account: c.In.str("StackInstanceAccount"), i.Region: c.In.str("StackInstanceRegion")} {
			keep = keep && (want == "" || want == name)
		}
		for _, f := range c.In.list("Filters") {
			have := map[string]string{"DETAILED_STATUS": i.Detail, "LAST_OPERATION_ID": i.Operation, "DRIFT_STATUS": "NOT_CHECKED"}[f.str("Name")]
			keep = keep && have == f.str("Values")
		}
		if keep {
			keys = append(keys, key)
		}
	}
	page, next, ok := paginate(c.Sandbox, keys, same, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, key := range page {
		out = append(out, set.Instances[key].shown(set))
	}
	return obj{"Summaries": out, "NextToken": optional(next)}, nil
}

func describeStackInstance(c *call, set *stackSet) (obj, error) {
	i := set.Instances[c.In.str("StackInstanceAccount")+"/"+c.In.str("StackInstanceRegion")]
	if i == nil {
		return nil, notFound("StackInstanceNotFoundException", "Stack instance for account %s and region %s not found in stack set %s", c.In.str("StackInstanceAccount"), c.In.str("StackInstanceRegion"), set.ID)
	}
	o := i.shown(set)
	list := []obj{}
	for _, k := range sortedKeys(i.Overrides) {
		list = append(list, obj{"ParameterKey": k, "ParameterValue": i.Overrides[k]})
	}
	o["ParameterOverrides"] = list
	return obj{"StackInstance": o}, nil
}
