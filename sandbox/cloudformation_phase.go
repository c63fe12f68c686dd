package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// open sets the first tasks of an operation. It is false when the operation is
// refused and over.
func (w *work) open() bool {
	if w.op.Kind == "delete" {
		if why := w.exportInUse(nil); why != "" {
			w.end(w.op.Settled, why)
			return false
		}
		w.unpublish() // at once: nobody begins to import what goes
		w.plan("delete", deletions(append(w.liveResources(), w.op.Leftovers...)), nil)
		return true
	}
	if w.op.Kind == "import" {
		w.openImport()
		return true
	}
	t := w.keptTemplate(w.st.Template)
	var changes changes
	err := w.takeActual()
	if err == nil {
		changes, err = w.planChanges(w.st, t, w.st.stackVersion)
	}
	if err == nil {
		err = w.missingExport(t, changes.e)
	}
	if err != nil {
		w.op.Reason = message(err)
		w.plan("apply", nil, nil)
		return true
	}
	w.hold(changes.e.imports)
	e := w.evaluation(w.st, t, w.st.stackVersion)
	active := map[string]bool{}
	for id, r := range t.resources {
		holds, err := e.condition(r.condition)
		active[id] = err == nil && holds
	}
	var tasks []*stackTask
	for _, id := range t.order {
		if active[id] {
			after := slices.DeleteFunc(slices.Clone(t.resources[id].needs), func(n string) bool { return !active[n] })
			tasks = append(tasks, &stackTask{ID: id, Do: "apply", After: after})
		}
	}
	w.plan("apply", tasks, func(id string) bool {
		return slices.ContainsFunc(changes.list, func(p resourceChange) bool { return p.ID == id && p.Action != "Remove" })
	})
	return true
}

// takeActual lets an operation that reverts drift begin with the resources as
// they are, and its rollback go back to them.
func (w *work) takeActual() error {
	if !w.op.Revert {
		return nil
	}
	is, err := w.actual(w.st)
	if err != nil {
		return err
	}
	w.st.Resources = is.Resources
	for id := range w.op.Resources {
		if r := is.Resources[id]; r != nil {
			saved := *r
			w.op.Resources[id] = &saved
		} else {
			delete(w.op.Resources, id)
		}
	}
	return nil
}

// message is an error's text without its code.
func message(err error) string {
	if api, ok := err.(*apiError); ok {
		return api.Message
	}
	return err.Error()
}

// liveResources are the stack's resources that still exist.
func (w *work) liveResources() []*stackResource {
	var out []*stackResource
	for _, id := range slices.Sorted(maps.Keys(w.st.Resources)) {
		if r := w.st.Resources[id]; r.Status != "DELETE_COMPLETE" && r.Status != "DELETE_SKIPPED" {
			out = append(out, r)
		}
	}
	return out
}

// endPhase goes on to what follows when all tasks have ended.
func (w *work) endPhase() {
	failed := len(w.op.Failed) > 0 || w.op.Reason != ""
	switch w.op.Phase {
	case "apply":
		if !failed {
			if err := w.publish(); err != nil {
				w.op.Reason, failed = message(err), true
			}
		}
		switch {
		case failed:
			w.fail()
		case w.op.Kind == "create":
			w.end("CREATE_COMPLETE", "")
		case w.op.Kind == "import":
			w.end("IMPORT_COMPLETE", "")
		default:
			w.cleanup("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", w.dropped())
		}
	case "undo":
		if len(w.op.Failed) > 0 {
			w.op.Phase = "stalled"
			w.setStatus(w.st, "UPDATE_ROLLBACK_FAILED", w.failures(""))
			w.settleChangeSet()
			return
		}
		w.cleanup("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", w.added())
	case "cleanup":
		// What can't be cleaned up is left behind, as CloudFormation does.
		if w.op.Before != nil && w.st.Status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" {
			w.end("UPDATE_ROLLBACK_COMPLETE", "")
			return
		}
		w.end("UPDATE_COMPLETE", "")
	case "release":
		w.endImport()
	case "delete":
		w.endDelete()
	}
}

func (w *work) endDelete() {
	ended, broke := "DELETE_COMPLETE", "DELETE_FAILED"
	if w.op.Kind == "create" && w.op.OnFailure != "DELETE" {
		ended, broke = "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"
	}
	if len(w.op.Failed) > 0 {
		w.end(broke, w.failures(""))
		return
	}
	w.end(ended, "")
}

// fail turns an apply that failed into what the caller wished for then.
func (w *work) fail() {
	if w.op.Kind == "import" {
		w.undoImport()
		return
	}
	keep := w.op.OnFailure == "DO_NOTHING"
	if w.op.Kind == "update" {
		why := w.failures("")
		if keep {
			w.st.Leftovers = append(w.st.Leftovers, w.op.Leftovers...)
			w.end("UPDATE_FAILED", why)
			return
		}
		w.setStatus(w.st, "UPDATE_ROLLBACK_IN_PROGRESS", why)
		w.rollBack()
		return
	}
	switch {
	case keep:
		w.end("CREATE_FAILED", w.failures(""))
		return
	case w.op.OnFailure == "DELETE":
		w.setStatus(w.st, "DELETE_IN_PROGRESS", w.failures("Delete requested by user."))
	default:
		w.setStatus(w.st, "ROLLBACK_IN_PROGRESS", w.failures("Rollback requested by user."))
	}
	w.op.Failed, w.op.Reason = nil, ""
	w.op.Until = w.now()
	w.plan("delete", deletions(w.liveResources()), nil)
}

// rollBack sets the tasks that undo an update. It is repeated by
// ContinueUpdateRollback.
func (w *work) rollBack() {
	w.st.stackVersion = *w.op.Before
	w.op.Failed = nil
	w.op.Until = w.now()
	var tasks []*stackTask
	pending := map[string]bool{}
	for _, id := range w.undoOrder() {
		before, now := w.op.Resources[id], w.st.Resources[id]
		settled := now != nil && strings.HasSuffix(now.Status, "_COMPLETE")
		if now != nil && settled && now.PhysicalID == before.PhysicalID && !w.compare(now, before).any {
			continue
		}
		after := slices.DeleteFunc(slices.Clone(before.Needs), func(n string) bool { return !pending[n] })
		tasks = append(tasks, &stackTask{ID: id, Do: "undo", After: after})
		pending[id] = true
	}
	w.plan("undo", tasks, nil)
}

// undoOrder is the resources of before the update, each after what it needs.
func (w *work) undoOrder() []string {
	var order []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(id string) {
		r := w.op.Resources[id]
		if seen[id] || r == nil {
			return
		}
		seen[id] = true
		for _, n := range r.Needs {
			visit(n)
		}
		order = append(order, id)
	}
	for _, id := range slices.Sorted(maps.Keys(w.op.Resources)) {
		visit(id)
	}
	return order
}

// dropped are the resources that the template no longer has; added those that
// the update made.
func (w *work) dropped() []*stackResource {
	t := w.keptTemplate(w.st.Template)
	e := w.evaluation(w.st, t, w.st.stackVersion)
	return w.resourcesWhere(func(r *stackResource) bool {
		tr := t.resources[r.ID]
		if tr == nil {
			return true
		}
		holds, err := e.condition(tr.condition)
		return err == nil && !holds
	})
}

func (w *work) added() []*stackResource {
	return w.resourcesWhere(func(r *stackResource) bool { return w.op.Resources[r.ID] == nil })
}

func (w *work) resourcesWhere(pick func(*stackResource) bool) []*stackResource {
	return slices.DeleteFunc(w.liveResources(), func(r *stackResource) bool { return !pick(r) })
}

// cleanup deletes what the operation leaves behind.
func (w *work) cleanup(status string, unwanted []*stackResource) {
	w.setStatus(w.st, status, "")
	w.op.Failed = nil
	w.plan("cleanup", deletions(append(unwanted, w.op.Leftovers...)), nil)
	w.op.Each /= 4 // the stack is usable already; what is slow about AWS here is of no interest
}

// failures words why an operation fails.
func (w *work) failures(then string) string {
	var parts []string
	for _, verb := range []string{"create", "update", "import", "delete"} {
		var names []string
		for _, t := range w.op.Tasks {
			if t.State == "failed" && (t.Verb == verb || t.Do == "delete" && verb == "delete") {
				names = append(names, strings.TrimRight(t.ID, "'"))
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			parts = append(parts, fmt.Sprintf("The following resource(s) failed to %s: [%s].", verb, strings.Join(names, ", ")))
		}
	}
	if w.op.Reason != "" {
		parts = append(parts, strings.TrimSuffix(w.op.Reason, ".")+".")
	}
	if then != "" {
		parts = append(parts, then)
	}
	return strings.Join(parts, " ")
}

// end closes the operation.
func (w *work) end(status, reason string) {
	st := w.st
	w.setStatus(st, status, reason)
	w.settleChangeSet()
	if w.op.Kind == "update" {
		maps.DeleteFunc(st.Resources, func(_ string, r *stackResource) bool {
			return r.Status == "DELETE_COMPLETE" || r.Status == "DELETE_SKIPPED"
		})
	}
	switch {
	case status == "DELETE_COMPLETE" || strings.HasPrefix(status, "ROLLBACK"):
		st.Imports = nil
	case status == "UPDATE_ROLLBACK_COMPLETE":
		st.Imports = w.op.Imported
	}
	if status == "DELETE_COMPLETE" {
		w.freeName(st)
	}
	st.Op = nil
}

// freeName makes a deleted stack's name free, and forgets what nobody asks for.
func (c *call) freeName(st *stack) {
	if c.cfn().Names[st.Name] == st.ID {
		delete(c.cfn().Names, st.Name)
	}
	st.ChangeSets, st.Leftovers, st.Protected = nil, nil, false
	for _, r := range st.Resources {
		r.Props, r.Shown, r.Attrs, r.Metadata = nil, nil, nil, nil
	}
}

// settleChangeSet tells how the change set that was executed ended.
func (w *work) settleChangeSet() {
	cs := w.st.ChangeSets[w.op.ChangeSet]
	if cs == nil {
		return
	}
	cs.Execution = "EXECUTE_FAILED"
	if w.st.Status == "CREATE_COMPLETE" || w.st.Status == "UPDATE_COMPLETE" || w.st.Status == "IMPORT_COMPLETE" {
		cs.Execution = "EXECUTE_COMPLETE"
	}
}
