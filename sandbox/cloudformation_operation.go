package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// stackOperation is work on a stack that is under way. It is data alone, so
// that a saved state can be taken up again: advance looks at what is due, what
// can start and what has ended, and says when to look again.
type stackOperation struct {
	ID    string   `json:"id"`
	Kind  string   `json:"kind"`  // create, update or delete
	Phase string   `json:"phase"` // apply, undo, cleanup, delete, or stalled (an update's rollback that failed)
	Token string   `json:"token,omitempty"`
	Who   identity `json:"who"` // as whom the resources are made
	// Before, Imported and Resources are what an update's rollback goes back to.
	Before    *stackVersion               `json:"before,omitempty"`
	Imported  []string                    `json:"imported,omitempty"`
	Resources map[string]*stackResource   `json:"resources,omitempty"`
	Tasks     []*stackTask                `json:"tasks,omitempty"`
	Leftovers []*stackResource            `json:"leftovers,omitempty"` // what the cleanup deletes
	Failed    []string                    `json:"failed,omitempty"`
	Reason    string                      `json:"reason,omitempty"`  // why the stack as a whole fails
	Each      time.Duration               `json:"each,omitempty"`    // how long a resource takes
	Until     time.Time                   `json:"until"`             // not over earlier
	Deadline  time.Time                   `json:"deadline,omitzero"` // of a creation: when its timeout is over
	ChangeSet string                      `json:"change_set,omitempty"`
	Retain    []string                    `json:"retain,omitempty"` // logical ids that a deletion leaves alone
	OnFailure string                      `json:"on_failure,omitempty"`
	Policy    string                      `json:"policy,omitempty"` // the stack policy of an update
	Imports   map[string]importedResource `json:"imports,omitempty"`
	Revert    bool                        `json:"revert,omitempty"`   // from the live state
	DropNew   bool                        `json:"drop_new,omitempty"` // RetainExceptOnCreate
	// Settled is the status before a deletion, which one that is refused goes
	// back to.
	Settled string `json:"settled,omitempty"`
}

// stackTask is what an operation does to one resource.
type stackTask struct {
	ID       string         `json:"id"`
	Do       string         `json:"do"`              // apply, undo or delete
	After    []string       `json:"after,omitempty"` // ids of tasks that come first
	State    string         `json:"state,omitempty"` // "", running, done, failed or blocked
	Verb     string         `json:"verb,omitempty"`  // create or update, once running
	Until    time.Time      `json:"until,omitzero"`
	Resource *stackResource `json:"resource,omitempty"` // what to delete
}

// work is an operation as it runs: the stack, and a call as its principal.
type work struct {
	*call
	st *stack
	op *stackOperation
}

// begin starts an operation. The work itself begins when the request is over.
func (c *call) begin(st *stack, op *stackOperation, status string) {
	op.ID, op.Until = c.uuid(), c.now().Add(c.opts.StackTime)
	op.Leftovers, st.Leftovers = append(op.Leftovers, st.Leftovers...), nil
	st.Op = op
	st.Last = &lastOperation{Op: c.Op, Token: op.Token, ID: op.ID}
	c.setStatus(st, status, "User Initiated")
	c.advanceAfter(st, 0)
}

func (s *Sandbox) advanceAfter(st *stack, d time.Duration) {
	s.after(d, "cloudformation/"+st.ID, func() { s.advance(st) })
}

// resumeCloudformation takes up what a saved state left unfinished.
func (s *Sandbox) resumeCloudformation() {
	for _, a := range s.st.Accounts {
		for name, r := range a.Regions {
			for _, st := range r.CFN.Stacks {
				if st.Op != nil {
					st.relink()
					s.advanceAfter(st, 0)
				}
				for _, cs := range st.ChangeSets {
					if cs.Status == "CREATE_PENDING" {
						s.prepareLater(cs, a.ID, name)
					}
				}
			}
		}
	}
}

// relink makes the tasks that delete resources of the stack point at them
// again: in a saved state they are copies.
func (st *stack) relink() {
	for _, t := range st.Op.Tasks {
		if t.Resource == nil {
			continue
		}
		if r := st.Resources[t.Resource.ID]; r != nil && r.PhysicalID == t.Resource.PhysicalID {
			t.Resource = r
		}
	}
}

// advance moves a stack's operation on as far as the time allows.
func (s *Sandbox) advance(st *stack) {
	for st.Op != nil && st.Op.Phase != "stalled" {
		w := &work{call: s.callAs(st.Op.Who, "cloudformation", arnRegion(st.ID)), st: st, op: st.Op}
		if st.Op.Phase == "" && !w.open() {
			continue
		}
		if w.timesOut() || w.finishTasks() || w.startTasks() {
			continue
		}
		if next, waits := w.nextMoment(); waits {
			s.advanceAfter(st, max(next.Sub(s.now()), time.Millisecond))
			return
		}
		w.endPhase()
	}
}

// arnRegion is the region of an ARN.
func arnRegion(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[3]
}

// nextMoment is when something is due: a running resource, or, when the tasks
// are through without failure, the end of the operation's time.
func (w *work) nextMoment() (at time.Time, waits bool) {
	for _, t := range w.op.Tasks {
		if t.State == "running" && (at.IsZero() || t.Until.Before(at)) {
			at = t.Until
		}
	}
	if at.IsZero() && len(w.op.Failed) == 0 && w.op.Reason == "" && w.op.Phase != "cleanup" && w.now().Before(w.op.Until) {
		at = w.op.Until
	}
	if !at.IsZero() && !w.op.Deadline.IsZero() && w.op.Deadline.Before(at) {
		at = w.op.Deadline
	}
	return at, !at.IsZero()
}

// timesOut fails a creation that takes longer than its caller lets it.
func (w *work) timesOut() bool {
	if w.op.Deadline.IsZero() || w.now().Before(w.op.Deadline) {
		return false
	}
	w.op.Deadline = time.Time{}
	if w.op.Phase != "apply" {
		return false
	}
	w.op.Reason = "Stack creation time exceeded the specified timeout"
	w.cancelRunning()
	return true
}

// finishTasks completes the resources whose time is up.
func (w *work) finishTasks() bool {
	any, now := false, w.now()
	for _, t := range w.op.Tasks {
		if t.State == "running" && !now.Before(t.Until) {
			w.finish(t)
			any = any || t.State != "running"
		}
	}
	return any
}

// startTasks starts the resources whose predecessors are done. A failure stops
// an apply; a deletion goes on with what doesn't depend on the failed one.
func (w *work) startTasks() bool {
	if w.op.Phase == "apply" && (len(w.op.Failed) > 0 || w.op.Reason != "") {
		return w.cancelRunning()
	}
	state := make(map[string]string, len(w.op.Tasks))
	for _, t := range w.op.Tasks {
		state[t.ID] = t.State
	}
	any := false
	for _, t := range w.op.Tasks {
		if t.State != "" {
			continue
		}
		ready := true
		for _, a := range t.After {
			switch state[a] {
			case "failed", "blocked":
				t.State = "blocked"
			case "done":
			default:
				ready = false
			}
		}
		if t.State == "" && ready {
			w.start(t)
		}
		any = any || t.State != ""
		if w.op.Phase == "apply" && len(w.op.Failed) > 0 {
			return true
		}
	}
	return any
}

// cancelRunning ends what runs beside a failed resource.
func (w *work) cancelRunning() bool {
	any := false
	for _, t := range w.op.Tasks {
		if t.State != "running" {
			continue
		}
		reason := "Resource creation cancelled"
		if t.Verb == "update" {
			reason = "Resource update cancelled"
		}
		w.failTask(t, reason)
		any = true
	}
	return any
}

func (w *work) failTask(t *stackTask, reason string) {
	t.State = "failed"
	verb := strings.ToUpper(t.Verb)
	r := w.st.Resources[t.ID]
	if t.Do == "delete" {
		verb, r = "DELETE", t.Resource
	}
	w.op.Failed = append(w.op.Failed, t.ID)
	w.resourceStatus(w.st, r, verb+"_FAILED", reason)
}

// plan sets the tasks of a phase and how long each takes: the stack's time over
// the length of the longest chain of those that act.
func (w *work) plan(phase string, tasks []*stackTask, acts func(id string) bool) {
	w.op.Phase, w.op.Tasks = phase, tasks
	if tasks == nil {
		w.op.Tasks = []*stackTask{}
	}
	depth := map[string]int{}
	longest := 1
	// Tasks are in an order in which predecessors come first.
	for _, t := range tasks {
		d := 0
		for _, a := range t.After {
			d = max(d, depth[a])
		}
		if acts == nil || acts(t.ID) {
			d++
		}
		depth[t.ID] = d
		longest = max(longest, d)
	}
	w.op.Each = w.opts.StackTime / time.Duration(longest)
}

// deletions are tasks that delete resources, each after those that need it.
func deletions(resources []*stackResource) []*stackTask {
	users := map[string][]string{}
	byID := map[string]*stackResource{}
	for _, r := range resources {
		key := r.ID
		for byID[key] != nil { // two physical resources of one logical id
			key += "'"
		}
		byID[key] = r
		for _, n := range r.Needs {
			users[n] = append(users[n], key)
		}
	}
	var tasks []*stackTask
	placed := map[string]bool{}
	var place func(id string)
	place = func(id string) {
		if placed[id] || byID[id] == nil {
			return
		}
		placed[id] = true
		after := slices.Sorted(slices.Values(users[id]))
		for _, u := range after {
			place(u)
		}
		tasks = append(tasks, &stackTask{ID: id, Do: "delete", After: after, Resource: byID[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		place(id)
	}
	return tasks
}

// start does the work on one resource; its time passes after that.
func (w *work) start(t *stackTask) {
	t.State, t.Until = "running", w.now().Add(w.op.Each)
	switch t.Do {
	case "apply":
		w.apply(t)
	case "undo":
		w.undo(t)
	case "import":
		w.bring(t)
	case "release":
		w.release(t)
	case "delete":
		w.remove(t)
	}
}

// settlePoll is how often a resource that isn't ready is asked again.
const settlePoll = 20 * time.Millisecond

// settled asks a resource whether it is ready, and fails its task if it can't
// become so.
func (w *work) settled(t *stackTask) bool {
	r, verb := w.st.Resources[t.ID], t.Verb
	switch {
	case t.Do == "delete":
		r, verb = t.Resource, "delete"
	case t.Do == "undo":
		verb = "rollback"
	}
	settle := w.types()[r.Type].settle
	if settle == nil || t.Do == "import" || t.Do == "release" {
		return true
	}
	rc := w.resourceCall(r)
	rc.Props, rc.OldAttrs = decode(r.Props), decode(r.Attrs)
	done, attrs, err := settle(rc, verb)
	if id, ok := attrs[physicalAttribute].(string); ok && verb != "delete" {
		w.renamed(r, verb, id)
	}
	delete(attrs, physicalAttribute)
	switch {
	case err != nil:
		w.failTask(t, rc.reason(err))
	case !done:
		t.Until = w.now().Add(settlePoll)
	case verb != "delete":
		r.Attrs = encode(attrs)
	}
	return done && err == nil
}

// renamed notes the physical id that a resource has found for itself. One that
// an update has changed stands for another resource: the old one goes.
func (w *work) renamed(r *stackResource, verb, id string) {
	if id == r.PhysicalID {
		return
	}
	if verb != "create" {
		leftover := *r
		w.op.Leftovers = append(w.op.Leftovers, &leftover)
	}
	r.PhysicalID = id
}

// finish ends a task that went well.
func (w *work) finish(t *stackTask) {
	if !w.settled(t) {
		return
	}
	t.State = "done"
	switch {
	case t.Do == "delete":
		if t.Resource.Status == "DELETE_IN_PROGRESS" {
			w.resourceStatus(w.st, t.Resource, "DELETE_COMPLETE", "")
		}
	case t.Verb != "":
		w.resourceStatus(w.st, w.st.Resources[t.ID], strings.ToUpper(t.Verb)+"_COMPLETE", "")
	}
}
