package sandbox

import (
	"cmp"
	"fmt"
	"slices"
)

func describeChangeSet(c *call) (obj, error) {
	st, cs, err := c.namedChangeSet()
	if err != nil {
		return nil, err
	}
	positions := make([]int, len(cs.Changes))
	for i := range positions {
		positions[i] = i
	}
	page, next, ok := paginate(c.Sandbox, positions, func(i int) string { return fmt.Sprintf("%06d", i) }, c.In.str("NextToken"), 50)
	if !ok {
		return nil, badToken(c)
	}
	lines := []obj{}
	for _, i := range page {
		lines = append(lines, obj{"Type": "Resource", "ResourceChange": cs.Changes[i].shown(c.In.bool("IncludePropertyValues"))})
	}
	o := changeSetSummary(st, cs)
	o["Changes"], o["NextToken"] = lines, optional(next)
	o["NotificationARNs"], o["RollbackConfiguration"] = []string{}, obj{}
	o["Tags"], o["Parameters"] = tagList(cs.stackVersion.Tags), shownParameters(c.keptTemplate(cs.Template), cs.Parameters)
	o["OnStackFailure"] = optional(cs.OnFailure)
	if cs.Revert {
		o["DeploymentMode"] = "REVERT_DRIFT"
	}
	if len(cs.Capabilities) > 0 {
		o["Capabilities"] = cs.Capabilities
	}
	return o, nil
}

func changeSetSummary(st *stack, cs *changeSet) obj {
	return obj{
		"ChangeSetName": cs.Name, "ChangeSetId": cs.ID, "StackId": st.ID, "StackName": st.Name, "Description": optional(cs.Description),
		"CreationTime": cs.Created, "ExecutionStatus": cs.Execution, "Status": cs.Status, "StatusReason": optional(cs.Reason),
		"IncludeNestedStacks": cs.Nested, "ImportExistingResources": false, "ParentChangeSetId": optional(cs.Parent), "RootChangeSetId": optional(cs.Root),
	}
}

// shown is a change as DescribeChangeSet has it.
func (ch resourceChange) shown(values bool) obj {
	details := []obj{}
	for _, d := range ch.Details {
		target := obj{"Attribute": d.Attribute, "Name": optional(d.Name), "RequiresRecreation": optional(d.Recreation)}
		if values && d.Attribute == "Properties" {
			target["Path"] = "/Properties/" + d.Name
			target["BeforeValue"], target["AfterValue"] = optional(d.Before), optional(d.After)
			target["AttributeChangeType"] = "Modify"
			switch {
			case d.Before == "":
				target["AttributeChangeType"] = "Add"
			case d.After == "":
				target["AttributeChangeType"] = "Remove"
			}
		}
		details = append(details, obj{"Target": target, "Evaluation": d.Evaluation, "ChangeSource": d.Source, "CausingEntity": optional(d.Cause)})
	}
	o := obj{
		"Action": ch.Action, "LogicalResourceId": ch.ID, "PhysicalResourceId": optional(ch.PhysicalID), "ResourceType": ch.Type,
		"Replacement": optional(ch.Replacement), "PolicyAction": optional(ch.Policy), "Scope": nonNil(ch.Scope), "Details": details, "ChangeSetId": optional(ch.Nested),
	}
	if values {
		o["BeforeContext"], o["AfterContext"] = optional(ch.Before), optional(ch.After)
	}
	return o
}

func listChangeSets(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	var sets []*changeSet
	for _, cs := range st.ChangeSets {
		sets = append(sets, cs)
	}
	slices.SortFunc(sets, func(a, b *changeSet) int { return cmp.Compare(a.ID, b.ID) })
	page, next, ok := paginate(c.Sandbox, sets, func(cs *changeSet) string { return cs.ID }, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, cs := range page {
		out = append(out, changeSetSummary(st, cs))
	}
	return obj{"Summaries": out, "NextToken": optional(next)}, nil
}

func getTemplate(c *call) (obj, error) {
	stage := c.In.or("TemplateStage", "Original")
	if stage != "Original" && stage != "Processed" {
		return nil, invalid("1 validation error detected: Value '%s' at 'templateStage' failed to satisfy constraint: Member must satisfy enum value set: [Original, Processed]", stage)
	}
	var version *stackVersion
	if c.In.str("ChangeSetName") != "" {
		_, cs, err := c.namedChangeSet()
		if err != nil {
			return nil, err
		}
		version = &cs.stackVersion
	} else {
		st, err := c.anyStack("Stack with id %s does not exist")
		if err != nil {
			return nil, err
		}
		version = &st.stackVersion
	}
	body := c.st.Templates[version.original()]
	if stage == "Processed" && version.Original != "" {
		body = withoutTransform(c.st.Templates[version.Template])
	}
	return obj{"TemplateBody": body, "StagesAvailable": []string{"Original", "Processed"}}, nil
}

// givenTemplate is the template that ValidateTemplate and GetTemplateSummary
// are about.
func (c *call) givenTemplate() (*template, error) {
	if c.In.str("StackName") == "" {
		return c.requestedTemplate(nil)
	}
	st, err := c.anyStack("Stack with id %s does not exist")
	if err != nil {
		return nil, err
	}
	if st.Template == "" {
		return nil, invalid("Stack %s has no template yet", st.Name)
	}
	return c.keptTemplate(st.original()), nil
}

func validateTemplate(c *call) (obj, error) {
	t, err := c.requestedTemplate(nil)
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, name := range sortedKeys(t.parameters) {
		p := t.parameters[name]
		o := obj{"ParameterKey": name, "NoEcho": p.noEcho, "Description": optional(p.description)}
		if p.def != nil {
			o["DefaultValue"] = *p.def
		}
		list = append(list, o)
	}
	return c.withCapabilities(t, obj{"Parameters": list, "Description": optional(t.description)}), nil
}

func (c *call) withCapabilities(t *template, o obj) obj {
	if caps, why := t.capabilities(c.types()); len(caps) > 0 {
		o["Capabilities"], o["CapabilitiesReason"] = caps, optional(why)
	}
	if len(t.transforms) > 0 {
		o["DeclaredTransforms"] = t.transforms
	}
	return o
}

func getTemplateSummary(c *call) (obj, error) {
	t, err := c.givenTemplate()
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, name := range sortedKeys(t.parameters) {
		p := t.parameters[name]
		constraints := obj{}
		if len(p.allowed) > 0 {
			constraints["AllowedValues"] = p.allowed
		}
		o := obj{"ParameterKey": name, "ParameterType": p.typ, "NoEcho": p.noEcho, "Description": optional(p.description),
			"ParameterConstraints": constraints}
		if p.def != nil {
			o["DefaultValue"] = *p.def
		}
		list = append(list, o)
	}
	var kinds []string
	byKind := map[string][]string{}
	for _, id := range sortedKeys(t.resources) {
		r := t.resources[id]
		if byKind[r.typ] == nil {
			kinds = append(kinds, r.typ)
		}
		byKind[r.typ] = append(byKind[r.typ], id)
	}
	slices.Sort(kinds)
	var identifiers []obj
	for _, k := range kinds {
		identifiers = append(identifiers, obj{"ResourceType": k, "LogicalResourceIds": byKind[k]})
	}
	o := obj{"Parameters": list, "Description": optional(t.description), "ResourceTypes": kinds, "Version": optional(t.version),
		"ResourceIdentifierSummaries": identifiers}
	if t.metadata != nil {
		o["Metadata"] = canonical(t.metadata)
	}
	return c.withCapabilities(t, o), nil
}
