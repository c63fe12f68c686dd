package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// importedResource is an existing resource that a change set brings into a
// stack.
type importedResource struct {
	Type string `json:"type"`
	ID   string `json:"id"` // physical
}

// requestedImports reads ResourcesToImport and holds them against the template.
func (c *call) requestedImports(t *template, st *stack) (map[string]importedResource, error) {
	list := c.In.list("ResourcesToImport")
	if len(list) == 0 {
		return nil, invalid("ResourcesToImport must be specified for a change set of type IMPORT")
	}
	out := map[string]importedResource{}
	var unkept []string
	for _, item := range list {
		id, typ := item.str("LogicalResourceId"), item.str("ResourceType")
		tr, kind := t.resources[id], liveTypes()[typ]
		switch {
		case tr == nil:
			return nil, invalid("Resource [%s] is not present in the template", id)
		case tr.typ != typ:
			return nil, invalid("Resource type %s of [%s] doesn't match the template's %s", typ, id, tr.typ)
		case kind.read == nil:
			return nil, invalid("ResourceTypes [%s] are not supported for Import", typ)
		case st != nil && st.Resources[id] != nil && st.Resources[id].live():
			return nil, invalid("Resource [%s] is already in stack %s", id, st.Name)
		}
		given := item.obj("ResourceIdentifier")
		if len(given) != 1 || given.str(kind.identifier) == "" {
			return nil, invalid("The identifiers of [%s] don't fit its type: %s takes [%s]", id, typ, kind.identifier)
		}
		if !tr.keepGiven {
			unkept = append(unkept, id)
		}
		out[id] = importedResource{Type: typ, ID: given.str(kind.identifier)}
	}
	if len(unkept) > 0 {
		slices.Sort(unkept)
		return nil, invalid("The following resources to import [%s] must have DeletionPolicy attribute specified in the template.", strings.Join(unkept, ", "))
	}
	for _, other := range c.cfn().Stacks {
		for _, r := range other.Resources {
			for id, in := range out {
				if other.Status != "DELETE_COMPLETE" && r.live() && r.Type == in.Type && r.PhysicalID == in.ID {
					return nil, invalid("Resource %s of [%s] already exists in stack %s", in.ID, id, other.ID)
				}
			}
		}
	}
	return out, nil
}

// asImport makes a change set's lines those of an import, which may do nothing
// else.
func (cs *changeSet) asImport(st *stack, list []resourceChange, outputs bool) ([]resourceChange, error) {
	var added, changed []string
	for i := range list {
		line := &list[i]
		in, ours := cs.Imports[line.ID]
		switch {
		case ours:
			line.Action, line.PhysicalID = "Import", in.ID
		case line.Action == "Add":
			added = append(added, line.ID)
		default:
			changed = append(changed, line.ID)
		}
	}
	switch {
	case len(changed) > 0:
		return nil, invalid("You have modified resources [%s] in your template that are not being imported. Update, create or delete operations cannot be executed during import operations.", strings.Join(changed, ", "))
	case len(added) > 0:
		return nil, invalid("Resources [%s] is missing from ResourceToImport list", strings.Join(added, ", "))
	case outputs && st.Template != "":
		return nil, invalid("As part of the import operation, you cannot modify or add [Outputs]")
	}
	return list, nil
}

// beginImport starts an import, remembering what its rollback goes back to.
func (c *call) beginImport(st *stack, cs *changeSet, op *stackOperation) {
	before := st.stackVersion
	op.Kind, op.Before, op.Imports, op.Resources = "import", &before, cs.Imports, map[string]*stackResource{}
	c.begin(st, op, "IMPORT_IN_PROGRESS")
	st.stackVersion, st.Updated = cs.stackVersion, c.now()
}

// openImport sets one task for each resource to import.
func (w *work) openImport() {
	var tasks []*stackTask
	for _, id := range slices.Sorted(maps.Keys(w.op.Imports)) {
		tasks = append(tasks, &stackTask{ID: id, Do: "import"})
	}
	w.plan("apply", tasks, nil)
}

// bring takes one existing resource into the stack, if it is there.
func (w *work) bring(t *stackTask) {
	tmpl := w.keptTemplate(w.st.Template)
	r, err := w.desired(w.evaluation(w.st, tmpl, w.st.stackVersion), tmpl.resources[t.ID])
	t.Verb = "import"
	r.PhysicalID = w.op.Imports[t.ID].ID
	w.setResource(r)
	w.resourceStatus(w.st, r, "IMPORT_IN_PROGRESS", "Resource import started.")
	if err == nil {
		err = w.fault(r, "import")
	}
	var attrs map[string]any
	if err == nil {
		var gone bool
		if _, attrs, _, gone, err = w.liveState(w.st, r); gone {
			err = invalid("Resource of type '%s' with identifier '%s' was not found.", r.Type, r.PhysicalID)
		}
	}
	r.Attrs = encode(attrs)
	w.outcome(t, err)
}

// undoImport lets go of what was imported: the resources stay, outside.
func (w *work) undoImport() {
	w.setStatus(w.st, "IMPORT_ROLLBACK_IN_PROGRESS", w.failures(""))
	w.st.stackVersion = *w.op.Before
	w.op.Failed, w.op.Reason, w.op.Until = nil, "", w.now()
	var tasks []*stackTask
	for _, id := range slices.Sorted(maps.Keys(w.op.Imports)) {
		if w.st.Resources[id] != nil {
			tasks = append(tasks, &stackTask{ID: id, Do: "release"})
		}
	}
	w.plan("release", tasks, nil)
}

// release is the rollback of one import.
func (w *work) release(t *stackTask) {
	t.Verb = "import_rollback"
	r := w.st.Resources[t.ID]
	w.resourceStatus(w.st, r, "IMPORT_ROLLBACK_IN_PROGRESS", "")
	w.outcome(t, w.fault(r, "rollback"))
}

// endImport closes a rollback of an import.
func (w *work) endImport() {
	if len(w.op.Failed) > 0 {
		w.end("IMPORT_ROLLBACK_FAILED", "The following resource(s) failed to roll back: ["+strings.Join(w.op.Failed, ", ")+"].")
		return
	}
	for id := range w.op.Imports {
		delete(w.st.Resources, id)
	}
	w.end("IMPORT_ROLLBACK_COMPLETE", "")
}
