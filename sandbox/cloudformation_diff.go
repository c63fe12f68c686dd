package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
)

// resourceChange is a line of a change set.
type resourceChange struct {
	Action      string         `json:"action"` // Add, Modify or Remove
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	PhysicalID  string         `json:"physical_id,omitempty"`
	Replacement string         `json:"replacement,omitempty"` // of a Modify: True, False, Conditional
	Policy      string         `json:"policy,omitempty"`
	Scope       []string       `json:"scope,omitempty"`
	Details     []changeDetail `json:"details,omitempty"`
	// Before and After are the resource's properties, as JSON.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Nested is the change set of a nested stack, by id.
	Nested string `json:"nested,omitempty"`
}

// changeDetail is one reason why one property changes.
type changeDetail struct {
	Attribute  string `json:"attribute"` // Properties, Tags, Metadata
	Name       string `json:"name,omitempty"`
	Recreation string `json:"recreation,omitempty"` // Never, Conditionally, Always
	Evaluation string `json:"evaluation"`           // Static, Dynamic
	Source     string `json:"source"`
	Cause      string `json:"cause,omitempty"`
	Before     string `json:"before,omitempty"`
	After      string `json:"after,omitempty"`
}

// knownAfterApply is how CloudFormation shows a value that it can't tell yet.
const knownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"

// changes is the difference between a stack and what it is to become.
type changes struct {
	list  []resourceChange // sorted by logical id
	other bool             // outputs or tags change
	// outputs: those change.
	outputs bool
	e       *evaluation // with the imports seen
}

func (c changes) none() bool { return len(c.list) == 0 && !c.other }

// planning finds the changes, resource by resource in the order of their
// dependencies: what a changed resource will give to others is unknown.
type planning struct {
	still map[string]bool // nested stacks that are known to stay as they are
	*call
	st    *stack
	t     *template
	next  stackVersion
	e     *evaluation
	state map[string]string // logical id -> added, True, Conditional, False (modified in place)
	refs  []reference       // of the property at hand
}

// planChanges is the difference, and the check that the template can be
// evaluated at all.
func (c *call) planChanges(st *stack, t *template, next stackVersion) (changes, error) {
	return c.planBeside(st, t, next, nil)
}

// planBeside is planChanges when some nested stacks are known to stay as they are.
func (c *call) planBeside(st *stack, t *template, next stackVersion, still map[string]bool) (changes, error) {
	p := &planning{call: c, st: st, t: t, next: next, still: still, state: map[string]string{}, e: c.evaluation(st, t, next)}
	p.lookups()
	out := changes{e: p.e}
	active := map[string]bool{}
	for _, id := range t.order {
		tr := t.resources[id]
		holds, err := p.e.condition(tr.condition)
		if err != nil {
			return out, err
		}
		if !holds {
			continue
		}
		active[id] = true
		change, err := p.resource(tr)
		if err != nil {
			return out, err
		}
		if change != nil {
			out.list = append(out.list, *change)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if r := st.Resources[id]; !active[id] && r.live() {
			out.list = append(out.list, resourceChange{Action: "Remove", ID: id, Type: r.Type, PhysicalID: r.PhysicalID, Policy: policyAction(r.Keep), Before: p.before(r)})
		}
	}
	slices.SortFunc(out.list, func(a, b resourceChange) int { return compareText(a.ID, b.ID) })
	var err error
	if out.other, err = p.outputsChange(); err != nil {
		return out, err
	}
	out.outputs = out.other
	out.other = out.other || !maps.Equal(st.stackVersion.Tags, next.Tags)
	return out, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// live says whether the resource exists, or may.
func (r *stackResource) live() bool {
	return r.Status != "DELETE_COMPLETE" && r.Status != "DELETE_SKIPPED"
}

func policyAction(policy string) string {
	switch policy {
	case "Retain", "RetainExceptOnCreate":
		return "Retain"
	case "Snapshot":
		return "Snapshot"
	}
	return "Delete"
}

// lookups make references to what changes unknown.
func (p *planning) lookups() {
	ref, attr := p.e.ref, p.e.attr
	p.e.seen = func(r reference) { p.refs = append(p.refs, r) }
	p.e.ref = func(id string) (any, error) {
		if s := p.state[id]; s == "added" || s == "True" || s == "Conditional" {
			return unknown{}, nil
		}
		return ref(id)
	}
	p.e.attr = func(id, name string) (any, error) {
		if p.state[id] != "" {
			return unknown{}, nil
		}
		return attr(id, name)
	}
	p.e.export = func(name string) (any, error) {
		if x, ok := p.cfn().Exports[name]; ok {
			return x.Value, nil
		}
		return unknown{}, nil
	}
}

// resource plans one resource; nil when it stays as it is.
func (p *planning) resource(tr *templateResource) (*resourceChange, error) {
	old := p.st.Resources[tr.id]
	if old == nil || !old.live() || old.PhysicalID == "" {
		if _, err := p.e.value(tr.metadata); err != nil {
			return nil, err
		}
		after, err := p.after(tr)
		if err != nil {
			return nil, err
		}
		p.state[tr.id] = "added"
		return &resourceChange{Action: "Add", ID: tr.id, Type: tr.typ, After: after}, nil
	}
	if old.Type != tr.typ {
		return nil, invalid("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", tr.id)
	}
	details, err := p.details(tr, old)
	if len(details) == 0 && tr.typ == nestedStackType && !p.still[tr.id] { // its template may have changed: nobody looks before it is updated
		details = []changeDetail{{Attribute: "Properties", Recreation: "Never", Evaluation: "Dynamic", Source: "Automatic"}}
	}
	if len(details) == 0 && old.failed() {
		details = []changeDetail{{Attribute: "Properties", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"}}
	}
	if err != nil || len(details) == 0 {
		return nil, err
	}
	change := &resourceChange{Action: "Modify", ID: tr.id, Type: tr.typ, PhysicalID: old.PhysicalID, Replacement: "False", Details: details, Before: p.before(old)}
	if change.After, err = p.after(tr); err != nil {
		return nil, err
	}
	for _, d := range details {
		if !slices.Contains(change.Scope, d.Attribute) {
			change.Scope = append(change.Scope, d.Attribute)
		}
		switch {
		case d.Recreation == "Always" && d.Evaluation == "Static":
			change.Replacement = "True"
		case d.Recreation == "Always" || d.Recreation == "Conditionally":
			if change.Replacement == "False" {
				change.Replacement = "Conditional"
			}
		}
	}
	slices.Sort(change.Scope)
	if change.Replacement == "True" {
		change.Policy = "ReplaceAnd" + policyAction(tr.keepReplaced)
	}
	if slices.Contains(change.Scope, "Properties") { // tags change no attribute
		p.state[tr.id] = change.Replacement
	}
	return change, nil
}

// before has an existing resource's properties, with secrets masked.
func (p *planning) before(r *stackResource) string {
	return canonical(obj{"Properties": decode(r.shown())})
}

// after has the properties that a resource is to have, as far as they are
// known, with secrets masked.
func (p *planning) after(tr *templateResource) (string, error) {
	v, err := p.e.value(map[string]any(tr.props))
	if err != nil {
		return "", err
	}
	props, _ := foretold(p.types()[tr.typ].handed(v)).(map[string]any)
	if secret := p.types()[tr.typ].secret; props[secret] != nil {
		props[secret] = "****"
	}
	return p.hide(canonical(obj{"Properties": props})), nil
}

// foretold puts CloudFormation's placeholder in the place of what isn't known.
func foretold(v any) any {
	switch x := v.(type) {
	case unknown:
		return knownAfterApply
	case []any:
		for i := range x {
			x[i] = foretold(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = foretold(x[k])
		}
	}
	return v
}

// details are the reasons why an existing resource changes.
func (p *planning) details(tr *templateResource, old *stackResource) ([]changeDetail, error) {
	kind := p.types()[tr.typ]
	before := decode(old.Props)
	names := maps.Clone(map[string]any(before))
	maps.Copy(names, tr.props)
	var out []changeDetail
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d, err := p.property(kind, tr, before, name)
		if err != nil {
			return nil, err
		}
		out = append(out, d...)
	}
	stackTags := digestOf(canonical(p.next.Tags))[:16]
	taggedAlready := slices.ContainsFunc(out, func(d changeDetail) bool { return d.Attribute == "Tags" })
	if kind.tags != "" && old.Tags != stackTags && !taggedAlready {
		out = append(out, changeDetail{Attribute: "Tags", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"})
	}
	meta, err := p.e.value(tr.metadata)
	if err != nil {
		return nil, err
	}
	if !isUnknown(meta) && string(encode(meta)) != string(old.Metadata) {
		out = append(out, changeDetail{Attribute: "Metadata", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"})
	}
	return out, nil
}

// property compares one property's value with the old one.
func (p *planning) property(kind provider, tr *templateResource, before params, name string) ([]changeDetail, error) {
	p.refs = nil
	var after any
	if raw, has := tr.props[name]; has {
		v, err := p.e.value(raw)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			after = kind.handedAs(name, v)
		}
	}
	base := changeDetail{Attribute: "Properties", Name: name, Recreation: "Never", Evaluation: "Static", Source: "DirectModification"}
	switch {
	case kind.tags == name:
		base.Attribute, base.Name = "Tags", ""
	case kind.update == nil || kind.properties[name]&replaces != 0:
		base.Recreation = "Always"
	case kind.properties[name]&mayReplace != 0:
		base.Recreation = "Conditionally"
	}
	dark := isUnknown(after)
	if !dark && canonical(before[name]) == canonical(after) {
		return nil, nil
	}
	if before.has(name) {
		base.Before = unquoted(p.masked(p.st, canonical(before[name])))
	}
	switch {
	case dark:
		base.After = knownAfterApply
	case after != nil:
		base.After = unquoted(p.hide(canonical(after)))
	}
	if kind.secret == name && base.After != knownAfterApply {
		base.Before, base.After = hidden(base.Before), hidden(base.After)
	}
	if dark {
		return p.dynamic(base), nil
	}
	var out []changeDetail
	for _, r := range p.refs {
		if p.parameterChanged(r.name) && r.attr == "" {
			d := base
			d.Source, d.Cause = "ParameterReference", r.name
			out = append(out, d)
		}
	}
	if len(out) > 0 {
		base.Evaluation = "Dynamic"
	}
	return append(out, base), nil
}

// dynamic are the details of a value that only the operation will tell: one
// for each reference to a resource that changes.
func (p *planning) dynamic(base changeDetail) []changeDetail {
	base.Evaluation = "Dynamic"
	var out []changeDetail
	for _, r := range p.refs {
		if p.state[r.name] == "" {
			continue
		}
		d := base
		d.Source, d.Cause = "ResourceReference", r.name
		if r.attr != "" {
			d.Source, d.Cause = "ResourceAttribute", r.name+"."+r.attr
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		out = append(out, base)
	}
	return out
}

func (p *planning) parameterChanged(name string) bool {
	old, had := p.st.Parameters[name]
	now, has := p.next.Parameters[name]
	return has && (!had || old.Value != now.Value || old.Resolved != now.Resolved)
}

// hide masks the NoEcho values of the version to come.
func (p *planning) hide(text string) string {
	return maskSecrets(p.t, p.next.Parameters, text)
}

// unquoted is a JSON text as CloudFormation shows a single value: a string
// without its quotes.
func unquoted(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) == nil {
		return s
	}
	return text
}

// outputsChange says whether any output, with what is known, differs.
func (p *planning) outputsChange() (bool, error) {
	p.e.block = "Outputs"
	old := map[string]stackOutput{}
	for _, o := range p.st.Outputs {
		old[o.Key] = o
	}
	count, changed := 0, false
	for _, name := range slices.Sorted(maps.Keys(p.t.outputs)) {
		o, holds, err := p.e.output(p.t.outputs[name])
		if err != nil {
			return false, err
		}
		if holds {
			count++
			changed = changed || old[name] != o
		}
	}
	return changed || count != len(old), nil
}
