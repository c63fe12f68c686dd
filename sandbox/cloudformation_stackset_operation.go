package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// setOperation is work on a stack set's stacks. It is data alone, so that a
// saved state can be taken up again.
type setOperation struct {
	ID      string    `json:"id"`
	Action  string    `json:"action"` // CREATE | UPDATE | DELETE
	Status  string    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
	Retain  bool      `json:"retain,omitempty"`
	setPreferences
	Targets params     `json:"targets,omitempty"`
	Tasks   []*setTask `json:"tasks,omitempty"`
	Who     identity   `json:"who"` // who asked for it
}

// setTask is what an operation does in one account and region.
type setTask struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Unit    string `json:"unit,omitempty"`
	Status  string `json:"status,omitempty"` // "" is PENDING
	Reason  string `json:"reason,omitempty"`
	// Doing is what the stack is at: create, update, delete, or clear when a
	// stack that could never be made is removed first.
	Doing string `json:"doing,omitempty"`
}

func (op *setOperation) over() bool {
	return op.Status == "SUCCEEDED" || op.Status == "FAILED" || op.Status == "STOPPED"
}

func (t *setTask) over() bool {
	return t.Status == "SUCCEEDED" || t.Status == "FAILED" || t.Status == "CANCELLED"
}

// running is the first operation that isn't over.
func (set *stackSet) running() *setOperation {
	for _, op := range set.Operations {
		if !op.over() {
			return op
		}
	}
	return nil
}

func (set *stackSet) inProgress(op *setOperation) error {
	return conflict("OperationInProgressException", "Another Operation on StackSet %s is in progress: %s", set.arn(), op.ID)
}

func (set *stackSet) operation(id string) *setOperation {
	at := slices.IndexFunc(set.Operations, func(op *setOperation) bool { return op.ID == id })
	if at < 0 {
		return nil
	}
	return set.Operations[at]
}

var operationIDs = naming{late.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]*$`), 1, 128}

// mayOperate refuses an operation beside another one, which only managed
// execution queues, and ids that were used before.
func (c *call) mayOperate(set *stackSet) error {
	id := c.In.str("OperationId")
	switch {
	case id != "" && !operationIDs.MatchString(id):
		return invalid("1 validation error detected: Value '%s' at 'operationId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9][-a-zA-Z0-9]*", id)
	case id != "" && set.operation(id) != nil:
		return conflict("OperationIdAlreadyExistsException", "Operation %s already exists", id)
	}
	if op := set.running(); op != nil && !set.Managed {
		return set.inProgress(op)
	}
	return nil
}

func (c *call) newOperation(action string) (*setOperation, error) {
	p, err := c.setPreferences()
	if err != nil {
		return nil, err
	}
	who := *c.Who
	who.Secret, who.Token = "", ""
	op := &setOperation{ID: c.In.str("OperationId"), Action: action, Status: "QUEUED", Created: c.now(), setPreferences: p, Who: who, Targets: c.In.obj("DeploymentTargets")}
	if op.ID == "" {
		op.ID = c.uuid()
	}
	return op, nil
}

func (c *call) startOperation(set *stackSet, op *setOperation) obj {
	set.Operations = append(set.Operations, op)
	for _, t := range op.Tasks {
		if i := set.Instances[t.Account+"/"+t.Region]; i != nil {
			i.Operation, i.Detail = op.ID, "PENDING"
		}
	}
	c.operateLater(set, 0)
	return obj{"OperationId": op.ID}
}

func (s *Sandbox) operateLater(set *stackSet, d time.Duration) {
	s.after(d, "stackset/"+set.ID, func() { s.operate(set) })
}

// resumeStackSets takes up what a saved state left unfinished.
func (s *Sandbox) resumeStackSets() {
	for _, a := range s.st.Accounts {
		for _, r := range a.Regions {
			for _, set := range r.CFN.Sets {
				if set.running() != nil {
					s.operateLater(set, 0)
				}
			}
		}
	}
}

// operate moves a stack set's first operation that isn't over on as far as its
// stacks allow, and looks again a little later.
func (s *Sandbox) operate(set *stackSet) {
	op := set.running()
	if op == nil {
		return
	}
	if op.Status == "QUEUED" {
		op.Status = "RUNNING"
	}
	moved := false
	for _, t := range op.Tasks {
		if t.Status == "RUNNING" {
			moved = s.finishSetTask(set, op, t) || moved
		}
	}
	moved = s.startSetTasks(set, op) || moved
	if !slices.ContainsFunc(op.Tasks, func(t *setTask) bool { return !t.over() }) {
		s.endOperation(set, op)
		s.operateLater(set, 0)
		return
	}
	if moved { // a stack may have ended meanwhile
		s.operateLater(set, 0)
		return
	}
	s.operateLater(set, settlePoll)
}

func (s *Sandbox) endOperation(set *stackSet, op *setOperation) {
	op.Ended = s.now()
	if op.Status == "STOPPING" {
		op.Status = "STOPPED"
		return
	}
	op.Status = "SUCCEEDED"
	for _, r := range op.order() {
		if accounts, failed := op.counts(r); failed > op.tolerance(accounts) {
			op.Status, op.Reason = "FAILED", fmt.Sprintf("The operation exceeded its failure tolerance in %s", r)
			return
		}
	}
}

// counts are the accounts of a region, and those that failed.
func (op *setOperation) counts(region string) (accounts, failed int) {
	for _, t := range op.Tasks {
		if t.Region == region {
			accounts++
			if t.Status == "FAILED" {
				failed++
			}
		}
	}
	return accounts, failed
}

// startSetTasks starts what the preferences let start: region after region, or
// all at once.
func (s *Sandbox) startSetTasks(set *stackSet, op *setOperation) bool {
	moved := false
	for _, r := range op.order() {
		accounts, failed := op.counts(r)
		if op.Status == "STOPPING" {
			moved = op.cancel(set, "Cancelled by user") || moved
			break
		}
		if failed > op.tolerance(accounts) {
			moved = op.cancel(set, "Cancelled since failure tolerance has exceeded") || moved
			break
		}
		busy, waiting := 0, false
		for _, t := range op.Tasks {
			if t.Region == r && t.Status == "RUNNING" {
				busy++
			}
		}
		for _, t := range op.Tasks {
			if t.Region != r || t.Status != "" {
				continue
			}
			if _, failed = op.counts(r); failed > op.tolerance(accounts) || busy >= op.concurrency(accounts, failed) {
				waiting = true
				break
			}
			moved = true
			s.startSetTask(set, op, t)
			if t.Status == "RUNNING" {
				busy++
			}
		}
		if !op.Parallel && (busy > 0 || waiting) {
			break
		}
	}
	return moved
}

// cancel gives up what hasn't begun.
func (op *setOperation) cancel(set *stackSet, why string) bool {
	any := false
	for _, t := range op.Tasks {
		if t.Status == "" {
			any = true
			t.Status, t.Reason = "CANCELLED", why
			if i := set.Instances[t.Account+"/"+t.Region]; i != nil {
				i.Detail, i.Reason = "CANCELLED", why
			}
		}
	}
	return any
}

func (op *setOperation) shown(c *call, set *stackSet) obj {
	failed := 0
	for _, t := range op.Tasks {
		if t.Status == "FAILED" {
			failed++
		}
	}
	o := obj{"OperationId": op.ID, "Action": op.Action, "Status": op.Status, "StatusReason": optional(op.Reason), "CreationTimestamp": op.Created,
		"OperationPreferences": op.setPreferences.shown(), "StatusDetails": obj{"FailedStackInstancesCount": failed}}
	switch {
	case op.over() && c.stale(op.Ended): // an unkind sandbox's answer comes from before
		o["Status"], o["StatusReason"] = "RUNNING", nil
	case !op.Ended.IsZero():
		o["EndTimestamp"] = op.Ended
	}
	return o
}

// namedOperation finds the operation that the call names.
func (c *call) namedOperation(set *stackSet) (*setOperation, error) {
	id := c.In.str("OperationId")
	if id == "" {
		return nil, missing("operationId")
	}
	op := set.operation(id)
	if op == nil {
		return nil, notFound("OperationNotFoundException", "Operation %s not found", id)
	}
	return op, nil
}

func describeSetOperation(c *call, set *stackSet) (obj, error) {
	op, err := c.namedOperation(set)
	if err != nil {
		return nil, err
	}
	o := op.shown(c, set)
	o["StackSetId"], o["AdministrationRoleARN"], o["ExecutionRoleName"] = set.ID, optional(set.Admin), optional(set.Execution)
	if op.Action == "DELETE" {
		o["RetainStacks"] = op.Retain
	}
	if len(op.Targets) > 0 {
		targets := obj{"AccountFilterType": optional(op.Targets.str("AccountFilterType"))}
		for _, k := range []string{"Accounts", "OrganizationalUnitIds"} {
			targets[k] = nonNil(op.Targets.strs(k))
		}
		o["DeploymentTargets"] = targets
	}
	return obj{"StackSetOperation": o}, nil
}

func listSetOperations(c *call, set *stackSet) (obj, error) {
	newest := make([]int, len(set.Operations))
	for i := range newest {
		newest[i] = len(newest) - 1 - i
	}
	page, next, ok := paginate(c.Sandbox, newest, func(i int) string { return fmt.Sprintf("%09d", 999_999_999-i) }, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, i := range page {
		out = append(out, set.Operations[i].shown(c, set))
	}
	return obj{"Summaries": out, "NextToken": optional(next)}, nil
}

func listSetResults(c *call, set *stackSet) (obj, error) {
	op, err := c.namedOperation(set)
	if err != nil {
		return nil, err
	}
	var at []int
	for i, t := range op.Tasks {
		keep := true
		for _, f := range c.In.list("Filters") {
			keep = keep && f.str("Values") == t.shownStatus()
		}
		if keep {
			at = append(at, i)
		}
	}
	page, next, ok := paginate(c.Sandbox, at, func(i int) string { return fmt.Sprintf("%09d", i) }, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, i := range page {
		t := op.Tasks[i]
		o := obj{"Account": t.Account, "Region": t.Region, "Status": t.shownStatus(), "StatusReason": optional(t.Reason), "OrganizationalUnitId": optional(t.Unit)}
		if t.over() && t.Status != "CANCELLED" {
			o["AccountGateResult"] = obj{"Status": "SKIPPED", "StatusReason": fmt.Sprintf("Function not found: arn:aws:lambda:%s:%s:function:AWSCloudFormationStackSetAccountGate", t.Region, t.Account)}
		}
		out = append(out, o)
	}
	return obj{"Summaries": out, "NextToken": optional(next)}, nil
}

func (t *setTask) shownStatus() string {
	if t.Status == "" {
		return "PENDING"
	}
	return t.Status
}

func stopSetOperation(c *call, set *stackSet) (obj, error) {
	op, err := c.namedOperation(set)
	if err != nil {
		return nil, err
	}
	if op.over() {
		e := fail("InvalidOperationException", "Operation %s is in %s state and cannot be stopped", op.ID, op.Status)
		return nil, e
	}
	op.Status = "STOPPING"
	c.operateLater(set, 0)
	return obj{}, nil
}

// firstFailure words why a stack failed, as StackSets does.
func (st *stack) firstFailure() string {
	since := 0
	for i, e := range st.Events {
		if e.Resource == "" && (e.Status == "CREATE_IN_PROGRESS" || e.Status == "UPDATE_IN_PROGRESS" || e.Status == "DELETE_IN_PROGRESS") && e.Reason == "User Initiated" {
			since = i
		}
	}
	for _, e := range st.Events[since:] {
		if e.Resource != "" && strings.HasSuffix(e.Status, "_FAILED") && !strings.HasSuffix(e.Reason, "cancelled") {
			return fmt.Sprintf("ResourceLogicalId:%s, ResourceType:%s, ResourceStatusReason:%s.", e.Resource, e.Type, strings.TrimSuffix(e.Reason, "."))
		}
	}
	return st.whyNot()
}
