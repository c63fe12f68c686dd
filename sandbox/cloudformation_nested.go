package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// Change sets that include nested stacks: one for each nested stack that is added
// or may change, below the root's. What an outer change set can't know yet is
// CloudFormation's placeholder in the parameters of the inner ones. See "Change
// sets for nested stacks" in the CloudFormation User Guide.

const nestedStackType = "AWS::CloudFormation::Stack"

// nested works the change sets of nested stacks out. Those that stay as they are
// are left out, and then what refers to them doesn't change for their sake.
func (c *call) nested(st *stack, cs *changeSet, diff *changes) error {
	still := map[string]bool{}
	for {
		before := len(still)
		for i := range diff.list {
			change := &diff.list[i]
			if change.Type != nestedStackType || change.Action != "Add" && change.Action != "Modify" {
				continue
			}
			inner, err := c.nestedChangeSet(st, cs, change, diff.e)
			if err != nil {
				return err
			}
			switch {
			case inner.Status == "CREATE_COMPLETE":
				change.Nested, change.PhysicalID = inner.ID, inner.Stack
			case inner.Reason != emptyChangeSet:
				return invalid("Nested change set %s was not successfully created: Currently in %s.", inner.ID, inner.Status)
			case len(change.Details) == 1 && change.Details[0].Source == "Automatic":
				still[change.ID] = true
			}
		}
		if len(still) == before {
			return nil
		}
		c.dropNested(cs)
		again, err := c.planBeside(st, c.keptTemplate(cs.Template), cs.stackVersion, still)
		if err != nil {
			return err
		}
		*diff = again
	}
}

// nestedChangeSet makes the change set of one nested stack, and the stack, in
// review, when there is none yet.
func (c *call) nestedChangeSet(st *stack, cs *changeSet, change *resourceChange, e *evaluation) (*changeSet, error) {
	v, err := e.value(map[string]any(e.t.resources[change.ID].props))
	if err != nil {
		return nil, err
	}
	props, _ := foretold(v).(map[string]any)
	sub := *c
	sub.Op = "CreateChangeSet"
	sub.In = params{"TemplateURL": params(props)["TemplateURL"], "Capabilities": anyList(cs.Capabilities), "Tags": tagsIn(cs.stackVersion.Tags)}
	var list []any
	given := params(props).obj("Parameters")
	for _, k := range slices.Sorted(maps.Keys(given)) {
		value := scalarText(given[k])
		if items, ok := given[k].([]any); ok {
			value = joinText(items, ",")
		}
		list = append(list, map[string]any{"ParameterKey": k, "ParameterValue": value})
	}
	sub.In["Parameters"] = list

	inner := c.cfn().Stacks[change.PhysicalID]
	kind, old := "UPDATE", inner
	if inner == nil || inner.Status == "REVIEW_IN_PROGRESS" {
		kind, old = "CREATE", nil
		inner = c.newStack(st.Name[:min(len(st.Name), 80)]+"-"+change.ID+"-"+strings.ToUpper(c.id(12)), "")
		inner.Parent, inner.Root = st.ID, st.ID
		if st.Root != "" {
			inner.Root = st.Root
		}
		c.setStatus(inner, "REVIEW_IN_PROGRESS", "User Initiated")
	}
	sub.In["StackName"] = inner.Name
	out := &changeSet{ID: c.arn("changeSet/" + cs.Name + "-" + change.ID + "/" + c.uuid()), Name: cs.Name + "-" + change.ID, Stack: inner.ID, Type: kind,
		Status: "FAILED", Execution: "UNAVAILABLE", Created: c.now(), Who: cs.Who, Nested: true, Parent: cs.ID, Root: cs.ID}
	if cs.Root != "" {
		out.Root = cs.Root
	}
	put(&inner.ChangeSets, out.ID, out)
	req, err := sub.readRequest(old)
	if err == nil && req.broken != nil {
		err = req.broken
	}
	if err != nil {
		out.Reason = message(err)
		return out, nil
	}
	out.stackVersion = req.next
	sub.prepare(inner, out)
	return out, nil
}

func tagsIn(tags map[string]string) []any {
	var out []any
	for _, t := range tagList(tags) {
		if !strings.HasPrefix(text(t["Key"]), "aws:") {
			out = append(out, map[string]any(t))
		}
	}
	return out
}

// dropNested removes the change sets below one, and nested stacks that are only in
// review for them.
func (c *call) dropNested(cs *changeSet) {
	for _, st := range c.cfn().Stacks {
		for id, inner := range st.ChangeSets {
			if inner.Parent != cs.ID {
				continue
			}
			delete(st.ChangeSets, id)
			c.dropNested(inner)
			if st.Status == "REVIEW_IN_PROGRESS" && len(st.ChangeSets) == 0 {
				delete(c.cfn().Names, st.Name)
				delete(c.cfn().Stacks, st.ID)
			}
		}
	}
}
