package sandbox

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// errReplace is what a provider's update returns when this change of a
// mayReplace property can't be made in place.
var errReplace = errors.New("resource must be replaced")

const replacing = "Requested update requires the creation of a new physical resource; hence creating one."

// encode keeps a value in the state as JSON text.
func encode(v any) json.RawMessage {
	if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
		return nil
	}
	return json.RawMessage(canonical(v))
}

// decode reads kept properties or attributes; never nil.
func decode(raw json.RawMessage) params {
	out := params{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			return params{}
		}
	}
	return out
}

// apply brings one resource to what the stack's template says.
func (w *work) apply(t *stackTask) {
	tr := w.keptTemplate(w.st.Template).resources[t.ID]
	old := w.st.Resources[t.ID]
	e := w.evaluation(w.st, w.keptTemplate(w.st.Template), w.st.stackVersion)
	wanted, err := w.desired(e, tr)
	if old == nil || old.PhysicalID == "" {
		t.Verb = "create"
		r := wanted
		w.setResource(r)
		w.resourceStatus(w.st, r, "CREATE_IN_PROGRESS", "")
		if err == nil {
			err = w.create(r)
		}
		w.outcome(t, err)
		return
	}
	if err != nil {
		t.Verb = "update"
		w.resourceStatus(w.st, old, "UPDATE_IN_PROGRESS", "")
		w.outcome(t, err)
		return
	}
	diff := w.compare(old, wanted)
	if tr.typ == nestedStackType { // its template may be another one: it is always asked to update
		diff.any, diff.props = true, true
	}
	if !diff.any {
		kept := *old
		kept.Needs, kept.Keep, kept.KeepOld = wanted.Needs, wanted.Keep, wanted.KeepOld
		w.setResource(&kept)
		t.State = "done"
		return
	}
	t.Verb = "update"
	w.outcome(t, w.change(old, wanted, diff))
}

// change updates in place or replaces.
func (w *work) change(old, wanted *stackResource, diff difference) error {
	p := w.types()[old.Type]
	wanted.PhysicalID, wanted.Attrs = old.PhysicalID, old.Attrs
	w.setResource(wanted)
	replace := diff.replace || p.update == nil && diff.props
	if !replace {
		w.resourceStatus(w.st, wanted, "UPDATE_IN_PROGRESS", "")
		if !diff.props && !diff.tags {
			return nil
		}
		err := w.update(wanted, old)
		if !errors.Is(err, errReplace) {
			return err
		}
	}
	w.resourceStatus(w.st, wanted, "UPDATE_IN_PROGRESS", replacing)
	if err := policyAllows(w.op.Policy, []resourceChange{{Action: "Modify", ID: old.ID, Type: old.Type, Replacement: "True"}}); err != nil {
		return err
	}
	if name := decode(wanted.Props).str(p.name); p.name != "" && name != "" && name == decode(old.Props).str(p.name) {
		return invalid("CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename %s and update the stack again.", name)
	}
	fresh := *wanted
	fresh.PhysicalID, fresh.Attrs = "", nil
	w.setResource(&fresh)
	if err := w.create(&fresh); err != nil {
		return err
	}
	leftover := *old
	leftover.KeepOld = wanted.KeepOld // as the change set says
	w.op.Leftovers = append(w.op.Leftovers, &leftover)
	return nil
}

func (w *work) outcome(t *stackTask, err error) {
	if err != nil {
		w.failTask(t, w.resourceCall(w.st.Resources[t.ID]).reason(err))
	}
}

func (w *work) setResource(r *stackResource) { put(&w.st.Resources, r.ID, r) }

// desired is the resource as the template has it now, properties evaluated.
func (w *work) desired(e *evaluation, tr *templateResource) (*stackResource, error) {
	r := &stackResource{ID: tr.id, Type: tr.typ, Keep: tr.keep, KeepOld: tr.keepReplaced,
		Tags: digestOf(canonical(w.st.stackVersion.Tags))[:16]}
	for _, n := range tr.needs {
		if holds, err := e.condition(e.t.resources[n].condition); err == nil && holds {
			r.Needs = append(r.Needs, n)
		}
	}
	props, err := e.value(map[string]any(tr.props))
	if err != nil {
		return r, err
	}
	r.Props = encode(w.types()[tr.typ].handed(props))
	w.conceal(w.st, r)
	meta, err := e.value(tr.metadata)
	if err != nil {
		return r, err
	}
	r.Metadata = encode(meta)
	return r, nil
}

// difference says what of a resource changes.
type difference struct {
	any, props, tags, replace bool
	names                     []string // properties, sorted
}

// failed says whether the last update of the resource failed.
func (r *stackResource) failed() bool { return r.Status == "UPDATE_FAILED" }

func (s *Sandbox) compare(old, wanted *stackResource) difference {
	p := s.types()[wanted.Type]
	a, b := decode(old.Props), decode(wanted.Props)
	var d difference
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if canonical(a[name]) == canonical(b[name]) {
			continue
		}
		d.names = append(d.names, name)
		d.props = true
		d.replace = d.replace || p.properties[name]&replaces != 0
	}
	d.props = d.props || old.failed() // nobody knows how far it came
	d.tags = p.tags != "" && old.Tags != wanted.Tags
	d.any = d.props || d.tags || string(old.Metadata) != string(wanted.Metadata)
	return d
}

func (w *work) resourceCall(r *stackResource) *resourceCall {
	return &resourceCall{call: w.call, StackName: w.st.Name, StackID: w.st.ID, StackTags: w.st.stackVersion.Tags,
		LogicalID: r.ID, Type: r.Type, PhysicalID: r.PhysicalID, Token: w.op.ID + "/" + r.ID}
}

// create makes the resource, and keeps what was made even if that failed.
func (w *work) create(r *stackResource) error {
	p := w.types()[r.Type]
	rc := w.resourceCall(r)
	rc.PhysicalID = ""
	var err error
	if rc.Props, err = w.resolved(r); err != nil {
		return err
	}
	if err := p.checkProperties(r.ID, rc.Props); err != nil {
		return err
	}
	if why := w.fault(r, "create"); why != nil {
		return why
	}
	id, attrs, err := p.create(rc)
	r.PhysicalID, r.Attrs = id, encode(attrs)
	if err != nil {
		return err
	}
	rc.PhysicalID = id
	if err := rc.read(); err != nil {
		return err
	}
	verb := "CREATE_IN_PROGRESS"
	if strings.HasPrefix(r.Status, "UPDATE") {
		verb = "UPDATE_IN_PROGRESS"
	}
	w.resourceStatus(w.st, r, verb, "Resource creation Initiated")
	return nil
}

func (w *work) update(r, old *stackResource) error {
	p := w.types()[r.Type]
	rc := w.resourceCall(r)
	var err error
	if rc.Props, err = w.resolved(r); err != nil {
		return err
	}
	if rc.OldProps, err = w.resolved(old); err != nil {
		rc.OldProps = decode(old.Props)
	}
	rc.OldAttrs = decode(old.Attrs)
	if err := p.checkProperties(r.ID, rc.Props); err != nil {
		return err
	}
	verb := "update"
	if w.op.Phase == "undo" {
		verb = "rollback"
	}
	if why := w.fault(r, verb); why != nil {
		return why
	}
	if p.update == nil { // only the stack's tags changed
		return nil
	}
	attrs, err := p.update(rc)
	if err != nil {
		return err
	}
	r.Attrs = encode(attrs)
	return rc.read()
}

func (w *work) fault(r *stackResource, verb string) error {
	if why := w.faultFor(w.Account.ID, w.Region, w.st.Name, r.ID, r.Type, verb); why != "" {
		return errors.New(why)
	}
	return nil
}

// checkProperties holds properties against the type's table.
func (p provider) checkProperties(id string, props params) error {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if _, known := p.properties[name]; !known && !p.open {
			wrong = append(wrong, "#: extraneous key ["+name+"] is not permitted")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.properties)) {
		if p.properties[name]&required != 0 && !props.has(name) {
			wrong = append(wrong, "#: required key ["+name+"] not found")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New("Properties validation failed for resource " + id + " with message:\n" + strings.Join(wrong, "\n"))
}

// remove deletes what a task names, unless it is to stay.
func (w *work) remove(t *stackTask) {
	r := t.Resource
	switch {
	case r.Status == "DELETE_COMPLETE" || r.Status == "DELETE_SKIPPED":
		t.State = "done"
		return
	case r.PhysicalID == "":
		t.State = "done"
		w.resourceStatus(w.st, r, "DELETE_COMPLETE", "")
		return
	case w.stays(r):
		t.State = "done"
		w.resourceStatus(w.st, r, "DELETE_SKIPPED", "")
		return
	}
	w.resourceStatus(w.st, r, "DELETE_IN_PROGRESS", "")
	rc := w.resourceCall(r)
	rc.Props, rc.OldAttrs = decode(r.Props), decode(r.Attrs)
	err := w.fault(r, "delete")
	if err == nil {
		err = rc.readBeforeRemove()
	}
	if err == nil {
		err = w.types()[r.Type].remove(rc)
	}
	if err != nil {
		w.failTask(t, rc.reason(err))
	}
}

// stays says whether a policy or the caller keeps the resource.
func (w *work) stays(r *stackResource) bool {
	if slices.Contains(w.op.Retain, r.ID) {
		return true
	}
	current := w.st.Resources[r.ID]
	if w.op.Phase == "cleanup" && current != nil && current.PhysicalID != r.PhysicalID {
		return r.KeepOld == "Retain" && w.op.Reason == "" && len(w.op.Failed) == 0
	}
	isNew := w.op.Kind == "create" || w.op.Kind == "update" && w.op.Resources[r.ID] == nil
	switch r.Keep {
	case "Retain":
		return !(isNew && w.op.DropNew)
	case "RetainExceptOnCreate":
		return !isNew
	}
	return false
}

// undo brings one resource back to what it was before the update.
func (w *work) undo(t *stackTask) {
	before := w.op.Resources[t.ID]
	now := w.st.Resources[t.ID]
	if slices.Contains(w.op.Retain, t.ID) { // skipped by ContinueUpdateRollback
		restored := *before
		w.setResource(&restored)
		t.Verb, t.State = "update", "done"
		w.resourceStatus(w.st, &restored, "UPDATE_COMPLETE", "")
		return
	}
	t.Verb = "update"
	restored := *before
	if now != nil && now.PhysicalID != before.PhysicalID {
		if now.PhysicalID != "" {
			leftover := *now
			leftover.KeepOld, leftover.Keep = "Delete", "Delete"
			w.op.Leftovers = append(w.op.Leftovers, &leftover)
		}
		w.op.Leftovers = slices.DeleteFunc(w.op.Leftovers, func(r *stackResource) bool {
			return r.ID == before.ID && r.PhysicalID == before.PhysicalID
		})
		w.setResource(&restored)
		w.resourceStatus(w.st, &restored, "UPDATE_IN_PROGRESS", "")
		return
	}
	from := *now
	w.setResource(&restored)
	w.resourceStatus(w.st, &restored, "UPDATE_IN_PROGRESS", "")
	if diff := w.compare(&from, &restored); diff.props || diff.tags {
		w.outcome(t, w.update(&restored, &from))
	}
	if t.State == "failed" { // it is still what the update made of it
		from.Status, from.Reason, from.Updated = restored.Status, restored.Reason, restored.Updated
		w.setResource(&from)
	}
}
