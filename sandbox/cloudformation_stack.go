package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// newStack makes a stack without anything in it.
func (c *call) newStack(name, status string) *stack {
	now := c.now()
	st := &stack{ID: c.arn("stack/" + name + "/" + c.uuid()), Name: name, Status: status, Since: now, Created: now}
	put(&c.cfn().Stacks, st.ID, st)
	put(&c.cfn().Names, name, st.ID)
	return st
}

// roomForStack refuses a stack beyond the region's quota.
func (c *call) roomForStack() error {
	if limit := int(c.quota(quotaStacks)); len(c.cfn().Names) >= limit {
		return fail("LimitExceededException", "Limit on number of stacks exceeded: the account may have %d in a region", limit)
	}
	return nil
}

func (c *call) newName() (string, error) {
	name := c.In.str("StackName")
	if !stackNames.MatchString(name) {
		return "", invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	return name, nil
}

func createStack(c *call) (obj, error) {
	name, err := c.newName()
	if err != nil {
		return nil, err
	}
	st := c.findStack(name)
	if again, err := c.repeated(st); again || err != nil {
		return c.started(st), err
	}
	if st != nil {
		return nil, fail("AlreadyExistsException", "Stack [%s] already exists", name)
	}
	if c.In.has("DisableRollback") && c.In.has("OnFailure") {
		return nil, invalid("You cannot specify both DisableRollback and OnFailure")
	}
	req, err := c.readRequest(nil)
	if err != nil {
		return nil, err
	}
	policy, err := c.requestedPolicy("StackPolicy")
	if err != nil {
		return nil, err
	}
	if err := c.roomForStack(); err != nil {
		return nil, err
	}
	draft := &stack{ID: c.arn("stack/" + name + "/preview"), Name: name}
	if _, err := c.as(&req.who, c.Account).planChanges(draft, req.t, req.next); err != nil {
		return nil, err
	}
	st = c.newStack(name, "")
	st.stackVersion = req.next
	st.Protected = c.In.bool("EnableTerminationProtection")
	st.Timeout = c.In.int("TimeoutInMinutes", 0)
	st.DisableRollback = c.In.bool("DisableRollback")
	st.Policy = policy
	op := &stackOperation{Kind: "create", Token: c.In.str("ClientRequestToken"), Who: req.who,
		OnFailure: c.onFailure(), DropNew: c.In.bool("RetainExceptOnCreate")}
	if st.Timeout > 0 {
		op.Deadline = c.now().Add(time.Duration(st.Timeout) * time.Minute)
	}
	c.begin(st, op, "CREATE_IN_PROGRESS")
	return c.started(st), nil
}

// onFailure reads what is to happen to a stack that can't be created.
func (c *call) onFailure() string {
	if c.In.bool("DisableRollback") {
		return "DO_NOTHING"
	}
	return c.In.or("OnFailure", c.In.or("OnStackFailure", "ROLLBACK"))
}

func (c *call) started(st *stack) obj {
	if st == nil {
		return nil
	}
	return obj{"StackId": st.ID, "OperationId": optional(st.lastID())}
}

func (st *stack) lastID() string {
	if st.Last == nil {
		return ""
	}
	return st.Last.ID
}

// updatable refuses an update in the stack's present state.
func (st *stack) updatable() error {
	switch st.Status {
	case "CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE":
		return nil
	}
	return invalid("Stack:%s is in %s state and can not be updated.", st.ID, st.Status)
}

func updateStack(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	if again, err := c.repeated(st); again || err != nil {
		return c.started(st), err
	}
	if err := st.updatable(); err != nil {
		return nil, err
	}
	req, err := c.readRequest(st)
	if err != nil {
		return nil, err
	}
	diff, err := c.as(&req.who, c.Account).planChanges(st, req.t, req.next)
	if err != nil {
		return nil, err
	}
	if diff.none() {
		return nil, invalid("No updates are to be performed.")
	}
	op := &stackOperation{Token: c.In.str("ClientRequestToken"), Who: req.who, OnFailure: c.onFailure(), DropNew: c.In.bool("RetainExceptOnCreate")}
	policy, err := c.requestedPolicy("StackPolicy")
	if err != nil {
		return nil, err
	}
	if op.Policy, err = c.requestedPolicy("StackPolicyDuringUpdate"); err != nil {
		return nil, err
	}
	op.Policy = cmp.Or(op.Policy, st.Policy)
	if err := policyAllows(op.Policy, diff.list); err != nil {
		return nil, err
	}
	st.Policy = cmp.Or(policy, st.Policy)
	for _, cs := range st.ChangeSets {
		cs.outdate()
	}
	c.beginUpdate(st, req.next, op)
	return c.started(st), nil
}

// beginUpdate starts an update, remembering what its rollback goes back to.
func (c *call) beginUpdate(st *stack, next stackVersion, op *stackOperation) {
	before := st.stackVersion
	op.Kind, op.Before, op.Imported, op.Resources = "update", &before, st.Imports, map[string]*stackResource{}
	for id, r := range st.Resources {
		if r.live() && r.PhysicalID != "" {
			saved := *r
			op.Resources[id] = &saved
		}
	}
	c.begin(st, op, "UPDATE_IN_PROGRESS")
	st.stackVersion, st.Updated = next, c.now()
}

func deleteStack(c *call) (obj, error) {
	name := c.In.str("StackName")
	if name == "" {
		return nil, missing("stackName")
	}
	st := c.findStack(name)
	if st == nil || st.Status == "DELETE_COMPLETE" || st.Status == "DELETE_IN_PROGRESS" {
		return nil, nil // as AWS: deleting what isn't there succeeds
	}
	if again, err := c.repeated(st); again || err != nil {
		return nil, err
	}
	for _, cs := range st.ChangeSets {
		c.dropNested(cs)
	}
	retain := c.In.strs("RetainResources")
	switch {
	case c.In.or("DeletionMode", "STANDARD") != "STANDARD":
		return nil, invalid("DeletionMode %s isn't supported by this version of the sandbox", c.In.str("DeletionMode"))
	case st.Protected:
		return nil, invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", st.Name)
	case st.Status == "UPDATE_IN_PROGRESS" || strings.HasPrefix(st.Status, "UPDATE_") && st.busy():
		return nil, invalid("Stack [%s] cannot be deleted while in status %s", st.ID, st.Status)
	case len(retain) > 0 && st.Status != "DELETE_FAILED":
		return nil, invalid("Invalid operation on stack [%s]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state.", st.ID)
	}
	role := c.In.or("RoleARN", st.Role)
	who, err := c.stackPrincipal(role)
	if err != nil {
		return nil, err
	}
	op := &stackOperation{Kind: "delete", Token: c.In.str("ClientRequestToken"), Who: who, Retain: retain, Settled: st.Status}
	if st.Op != nil { // a stalled rollback, or a creation that is given up
		op.Leftovers = st.Op.Leftovers
	}
	c.begin(st, op, "DELETE_IN_PROGRESS")
	if len(st.Resources) == 0 {
		op.Until = c.now()
	}
	return nil, nil
}

// continueUpdateRollback takes a failed rollback up again.
func continueUpdateRollback(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	if again, err := c.repeated(st); again || err != nil {
		return obj{}, err
	}
	if st.Status != "UPDATE_ROLLBACK_FAILED" || st.Op == nil {
		return nil, invalid("Stack:%s is in %s state and can not continue rollback.", st.ID, st.Status)
	}
	skip := c.In.strs("ResourcesToSkip")
	for _, id := range skip {
		if !slices.Contains(st.Op.Failed, id) {
			return nil, invalid("[%s] is not in a state that can be skipped: only resources that failed to update can be", id)
		}
	}
	if role := c.In.str("RoleARN"); role != "" {
		if st.Op.Who, err = c.stackPrincipal(role); err != nil {
			return nil, err
		}
	}
	st.Op.Token, st.Op.Retain = c.In.str("ClientRequestToken"), skip
	st.Last = &lastOperation{Op: c.Op, Token: st.Op.Token, ID: st.Op.ID}
	c.setStatus(st, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
	w := &work{call: c.callAs(st.Op.Who, "cloudformation", c.Region), st: st, op: st.Op}
	w.rollBack()
	c.advanceAfter(st, 0)
	return obj{}, nil
}

// cancelUpdateStack turns an update that is under way into its rollback.
func cancelUpdateStack(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	if st.Status != "UPDATE_IN_PROGRESS" || st.Op == nil {
		return nil, invalid("CancelUpdateStack cannot be called from current stack status")
	}
	st.Op.Reason, st.Op.OnFailure = "User Initiated", ""
	w := &work{call: c.callAs(st.Op.Who, "cloudformation", c.Region), st: st, op: st.Op}
	w.cancelRunning()
	c.setStatus(st, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
	w.op.Reason = ""
	w.rollBack()
	c.advanceAfter(st, 0)
	return nil, nil
}

func updateTerminationProtection(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	if !c.In.has("EnableTerminationProtection") {
		return nil, missing("enableTerminationProtection")
	}
	st.Protected = c.In.bool("EnableTerminationProtection")
	return obj{"StackId": st.ID}, nil
}

func describeStacks(c *call) (obj, error) {
	if name := c.In.str("StackName"); name != "" {
		st := c.findStack(name)
		if st == nil {
			return nil, invalid("Stack with id %s does not exist", name)
		}
		return obj{"Stacks": []obj{c.stackObj(st)}}, nil
	}
	stacks := c.newestFirst(func(st *stack) bool { return st.Status != "DELETE_COMPLETE" })
	page, next, ok := paginate(c.Sandbox, stacks, newestKey, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := make([]obj, len(page))
	for i, st := range page {
		out[i] = c.stackObj(st)
	}
	return obj{"Stacks": out, "NextToken": optional(next)}, nil
}

func (c *call) newestFirst(pick func(*stack) bool) []*stack {
	var out []*stack
	for _, st := range c.cfn().Stacks {
		if pick(st) {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(a, b *stack) int { return cmp.Compare(newestKey(a), newestKey(b)) })
	return out
}

// newestKey sorts younger stacks first.
func newestKey(st *stack) string {
	return fmt.Sprintf("%020d %s", 1<<62-st.Created.UnixNano(), st.ID)
}

// visible is what a describe shows: in an unkind sandbox now and then still
// what was before the last change, for a short time after it.
func (c *call) visible(st *stack) stackView {
	if st.old != nil && c.stale(st.Since) {
		return *st.old
	}
	return st.view()
}

func (c *call) stackObj(st *stack) obj {
	v := c.visible(st)
	o := obj{
		"StackId": st.ID, "StackName": st.Name, "CreationTime": st.Created, "StackStatus": v.status,
		"StackStatusReason": optional(v.reason), "DisableRollback": st.DisableRollback, "NotificationARNs": []string{},
		"Capabilities": nil, "RoleARN": optional(v.version.Role), "Tags": tagList(v.version.Tags),
		"EnableTerminationProtection": st.Protected, "RollbackConfiguration": obj{},
		"DriftInformation": st.driftInformation(),
		"ParentId":         optional(st.Parent), "RootId": optional(st.Root), "ChangeSetId": optional(v.changeSet),
	}
	if len(v.version.Capabilities) > 0 {
		o["Capabilities"] = v.version.Capabilities
	}
	if v.version.Template != "" {
		t := c.keptTemplate(v.version.Template)
		o["Description"] = optional(t.description)
		o["Parameters"] = shownParameters(t, v.version.Parameters)
	}
	if !v.updated.IsZero() {
		o["LastUpdatedTime"] = v.updated
	}
	if !st.Deleted.IsZero() && v.status == "DELETE_COMPLETE" {
		o["DeletionTime"] = st.Deleted
	}
	if st.Timeout > 0 {
		o["TimeoutInMinutes"] = st.Timeout
	}
	var outputs []obj
	for _, out := range v.outputs {
		outputs = append(outputs, obj{"OutputKey": out.Key, "OutputValue": out.Value,
			"Description": optional(out.Description), "ExportName": optional(out.Export)})
	}
	if len(outputs) > 0 {
		o["Outputs"] = outputs
	}
	return o
}

func nonNil(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}

// shownParameters are a stack's parameters as callers see them.
func shownParameters(t *template, values map[string]stackParameter) any {
	var out []obj
	for _, name := range sortedKeys(values) {
		v := values[name]
		o := obj{"ParameterKey": name, "ParameterValue": v.Value, "ResolvedValue": optional(v.Resolved)}
		if p := t.parameters[name]; p != nil && p.noEcho {
			o["ParameterValue"], o["ResolvedValue"] = "****", nil
		}
		out = append(out, o)
	}
	if out == nil {
		return nil
	}
	return out
}

// stackStatuses are all that a stack can be in.
const stackStatuses = "CREATE_IN_PROGRESS CREATE_FAILED CREATE_COMPLETE ROLLBACK_IN_PROGRESS ROLLBACK_FAILED ROLLBACK_COMPLETE " +
	"DELETE_IN_PROGRESS DELETE_FAILED DELETE_COMPLETE UPDATE_IN_PROGRESS UPDATE_COMPLETE_CLEANUP_IN_PROGRESS " +
	"UPDATE_COMPLETE UPDATE_FAILED UPDATE_ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_FAILED " +
	"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE REVIEW_IN_PROGRESS IMPORT_IN_PROGRESS " +
	"IMPORT_COMPLETE IMPORT_ROLLBACK_IN_PROGRESS IMPORT_ROLLBACK_FAILED IMPORT_ROLLBACK_COMPLETE"

func listStacks(c *call) (obj, error) {
	filter := c.In.strs("StackStatusFilter")
	for _, status := range filter {
		if all := strings.Fields(stackStatuses); !slices.Contains(all, status) {
			return nil, invalid("1 validation error detected: Value '[%s]' at 'stackStatusFilter' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [%s]]",
				strings.Join(filter, ", "), strings.Join(all, ", "))
		}
	}
	stacks := c.newestFirst(func(st *stack) bool { return len(filter) == 0 || slices.Contains(filter, st.Status) })
	page, next, ok := paginate(c.Sandbox, stacks, newestKey, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := make([]obj, len(page))
	for i, st := range page {
		full := c.stackObj(st)
		out[i] = obj{"TemplateDescription": full["Description"]}
		for _, k := range []string{"StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus",
			"StackStatusReason", "ParentId", "RootId", "DriftInformation"} {
			out[i][k] = full[k]
		}
	}
	return obj{"StackSummaries": out, "NextToken": optional(next)}, nil
}
