package sandbox

import (
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// changeSet is a prepared change of a stack.
type changeSet struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Stack       string    `json:"stack"` // id
	Description string    `json:"description,omitempty"`
	Type        string    `json:"type"` // CREATE or UPDATE
	Status      string    `json:"status"`
	Reason      string    `json:"reason,omitempty"`
	Execution   string    `json:"execution"`
	Created     time.Time `json:"created"`
	Token       string    `json:"token,omitempty"`
	OnFailure   string    `json:"on_failure,omitempty"`
	Revert      bool      `json:"revert,omitempty"` // compares with the live state
	Nested      bool      `json:"nested,omitempty"` // includes nested stacks
	Parent      string    `json:"parent,omitempty"` // change sets above it, by id
	Root        string    `json:"root,omitempty"`
	Broken      string    `json:"broken,omitempty"` // why its template couldn't be transformed
	stackVersion
	Imports map[string]importedResource `json:"imports,omitempty"` // by logical id
	Who     identity                    `json:"who"`
	Changes []resourceChange            `json:"changes,omitempty"`
}

const (
	emptyChangeSet = "The submitted information didn't contain changes. Submit different information to create a change set."
	maxChangeSets  = 20 // obsolete ones that a stack keeps
)

var changeSetNames = naming{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 1, 128}

func createChangeSet(c *call) (obj, error) {
	name := c.In.str("ChangeSetName")
	if !changeSetNames.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	kind := c.In.or("ChangeSetType", "UPDATE")
	if kind != "CREATE" && kind != "UPDATE" && kind != "IMPORT" {
		return nil, invalid("ChangeSetType %s is not supported by this version of the sandbox", kind)
	}
	if kind != "CREATE" && c.In.str("OnStackFailure") == "DELETE" {
		return nil, invalid("OnStackFailure can be DELETE only when the ChangeSetType is CREATE")
	}
	st, err := c.changeSetStack(kind, name)
	if err != nil {
		return nil, err
	}
	var old *stack
	if kind != "CREATE" && st != nil && st.Status != "REVIEW_IN_PROGRESS" {
		old = st
	}
	if old == nil && c.In.bool("UsePreviousTemplate") {
		return nil, invalid("Cannot use previous template for a new stack")
	}
	req, err := c.readRequest(old)
	if err != nil {
		return nil, err
	}
	if st != nil {
		for _, cs := range st.ChangeSets {
			if cs.Name == name {
				return c.sameChangeSet(cs, req, kind)
			}
		}
	}
	var imports map[string]importedResource
	if kind == "IMPORT" && req.broken == nil {
		if imports, err = c.requestedImports(req.t, st); err != nil {
			return nil, err
		}
	}
	subject := st
	if subject == nil {
		subject = &stack{ID: c.arn("stack/" + c.In.str("StackName") + "/preview"), Name: c.In.str("StackName")}
	}
	broken := ""
	if req.broken != nil {
		broken = message(req.broken)
	} else if _, err := c.as(&req.who, c.Account).planChanges(subject, req.t, req.next); err != nil {
		return nil, err
	}
	if st == nil {
		if err := c.roomForStack(); err != nil {
			return nil, err
		}
		st = c.newStack(c.In.str("StackName"), "")
		c.setStatus(st, "REVIEW_IN_PROGRESS", "User Initiated")
	}
	cs := &changeSet{ID: c.arn("changeSet/" + name + "/" + c.uuid()), Name: name, Stack: st.ID, Type: kind,
		Description: c.In.str("Description"), Status: "CREATE_PENDING", Execution: "UNAVAILABLE", Created: c.now(),
		Token: c.In.str("ClientToken"), OnFailure: c.In.str("OnStackFailure"), stackVersion: req.next, Who: req.who,
		Revert: c.In.str("DeploymentMode") == "REVERT_DRIFT", Imports: imports, Broken: broken,
		Nested: c.In.bool("IncludeNestedStacks")}
	put(&st.ChangeSets, cs.ID, cs)
	st.bury()
	c.prepareLater(cs, c.Account.ID, c.Region)
	return obj{"Id": cs.ID, "StackId": st.ID}, nil
}

// changeSetStack is the stack that a new change set is for; nil for one that
// doesn't exist yet.
func (c *call) changeSetStack(kind, set string) (*stack, error) {
	name := c.In.str("StackName")
	if name == "" {
		return nil, missing("stackName")
	}
	st := c.findStack(name)
	if st != nil && st.Status == "DELETE_COMPLETE" {
		st = nil
	}
	switch {
	case kind == "UPDATE" && st == nil:
		return nil, invalid("Stack [%s] does not exist", name)
	case kind == "UPDATE":
		return st, st.updatable()
	case kind == "IMPORT" && st != nil && st.Status != "REVIEW_IN_PROGRESS":
		return st, st.updatable()
	case st != nil && st.Status != "REVIEW_IN_PROGRESS":
		return nil, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", name, set)
	case st == nil:
		_, err := c.newName()
		return nil, err
	}
	return st, nil
}

// sameChangeSet answers a second creation under one name: the same again is
// the first, anything else is refused.
func (c *call) sameChangeSet(cs *changeSet, req *request, kind string) (obj, error) {
	mismatch := ""
	switch {
	case cs.Token != c.In.str("ClientToken"):
		mismatch = "ClientToken"
	case cs.Template != req.next.Template:
		mismatch = "Template"
	case canonical(cs.Parameters) != canonical(req.next.Parameters):
		mismatch = "Parameters"
	case canonical(cs.stackVersion.Tags) != canonical(req.next.Tags):
		mismatch = "Tags"
	case cs.Role != req.next.Role:
		mismatch = "RoleARN"
	case cs.Type != kind:
		mismatch = "ChangeSetType"
	case canonical(cs.Capabilities) != canonical(req.next.Capabilities):
		mismatch = "Capabilities"
	}
	if mismatch != "" {
		return nil, fail("AlreadyExistsException", "ChangeSet %s cannot be created due to a mismatch with existing attribute %s", cs.Name, mismatch)
	}
	return obj{"Id": cs.ID, "StackId": cs.Stack}, nil
}

// prepareLater computes a change set when its time has come: a fiftieth of
// what a stack takes. An unkind sandbox always lets its caller wait.
func (s *Sandbox) prepareLater(cs *changeSet, account, region string) {
	delay := min(s.opts.StackTime/50, time.Second)
	if s.opts.Unkind {
		delay = max(delay, 20*time.Millisecond)
	}
	s.after(delay, "changeset/"+cs.ID, func() {
		c := s.callAs(cs.Who, "cloudformation", region)
		c.Account = s.account(account)
		st := c.cfn().Stacks[cs.Stack]
		if st == nil || st.ChangeSets[cs.ID] != cs {
			return
		}
		c.prepare(st, cs)
	})
}

func (c *call) prepare(st *stack, cs *changeSet) {
	if cs.Broken != "" {
		cs.Status, cs.Reason = "FAILED", cs.Broken
		return
	}
	t := c.keptTemplate(cs.Template)
	was, err := st, error(nil)
	if cs.Revert {
		was, err = c.actual(st)
	}
	var diff changes
	if err == nil {
		diff, err = c.planChanges(was, t, cs.stackVersion)
	}
	if err == nil {
		err = c.missingExport(t, diff.e)
	}
	if err == nil && cs.Nested {
		err = c.nested(st, cs, &diff)
	}
	if err == nil && cs.Type == "IMPORT" {
		diff.list, err = cs.asImport(st, diff.list, diff.outputs)
	}
	switch {
	case err != nil:
		cs.Status, cs.Reason = "FAILED", message(err)
	case cs.Type == "UPDATE" && diff.none():
		cs.Status, cs.Reason = "FAILED", emptyChangeSet
	default:
		cs.Status, cs.Changes = "CREATE_COMPLETE", diff.list
		if cs.Execution != "OBSOLETE" { // the stack changed meanwhile
			cs.Execution = "AVAILABLE"
		}
	}
}

// outdate marks a change set whose stack was updated directly.
func (cs *changeSet) outdate() {
	if cs.Execution == "AVAILABLE" || cs.Status == "CREATE_PENDING" {
		cs.Execution = "OBSOLETE"
	}
}

// bury drops the oldest change sets that can't be executed any more.
func (st *stack) bury() {
	var dead []*changeSet
	for _, cs := range st.ChangeSets {
		if cs.Execution == "OBSOLETE" {
			dead = append(dead, cs)
		}
	}
	slices.SortFunc(dead, func(a, b *changeSet) int { return b.Created.Compare(a.Created) })
	for _, cs := range dead[min(len(dead), maxChangeSets):] {
		delete(st.ChangeSets, cs.ID)
	}
}

// lastExecuted is the id of the change set that made the stack what it is.
func (st *stack) lastExecuted() string {
	var last *changeSet
	for _, cs := range st.ChangeSets {
		if strings.HasPrefix(cs.Execution, "EXECUTE_") && (last == nil || cs.Created.After(last.Created)) {
			last = cs
		}
	}
	if last == nil {
		return ""
	}
	return last.ID
}

// changeSet finds a change set by ARN, or by name in the stack of the call.
func (c *call) changeSet(nameOrARN string) (*stack, *changeSet) {
	if strings.HasPrefix(nameOrARN, "arn:") {
		for _, st := range c.cfn().Stacks {
			if cs := st.ChangeSets[nameOrARN]; cs != nil {
				return st, cs
			}
		}
		return nil, nil
	}
	st := c.findStack(c.In.str("StackName"))
	if st == nil {
		return nil, nil
	}
	for _, cs := range st.ChangeSets {
		if cs.Name == nameOrARN {
			return st, cs
		}
	}
	return st, nil
}

// namedChangeSet is the change set of the call, or CloudFormation's refusal.
func (c *call) namedChangeSet() (*stack, *changeSet, error) {
	name := c.In.str("ChangeSetName")
	if name == "" {
		return nil, nil, missing("changeSetName")
	}
	if !strings.HasPrefix(name, "arn:") {
		if c.In.str("StackName") == "" {
			return nil, nil, invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
		}
		if st := c.findStack(c.In.str("StackName")); st == nil || st.Status == "DELETE_COMPLETE" {
			return nil, nil, invalid("Stack [%s] does not exist", c.In.str("StackName"))
		}
	}
	st, cs := c.changeSet(name)
	if cs == nil {
		return nil, nil, &apiError{Status: 404, Code: "ChangeSetNotFound", Message: "ChangeSet [" + name + "] does not exist"}
	}
	return st, cs, nil
}

func executeChangeSet(c *call) (obj, error) {
	st, cs, err := c.namedChangeSet()
	if err != nil {
		return nil, err
	}
	if again, err := c.repeated(st); again || err != nil {
		return obj{}, err
	}
	switch {
	case cs.Parent != "":
		return nil, invalid("ChangeSet [%s] of a nested stack must be executed from its root change set", cs.ID)
	case cs.Status != "CREATE_COMPLETE":
		return nil, fail("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current status of [%s]", cs.ID, cs.Status)
	case cs.OnFailure != "" && c.In.has("DisableRollback"):
		return nil, invalid("You cannot specify DisableRollback for ChangeSet [%s], which has OnStackFailure", cs.ID)
	case cs.Execution != "AVAILABLE":
		return nil, fail("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current execution status of [%s]", cs.ID, cs.Execution)
	}
	if cs.Type == "UPDATE" {
		if err := st.updatable(); err != nil {
			return nil, err
		}
		if err := policyAllows(st.Policy, cs.Changes); err != nil {
			return nil, err
		}
	}
	c.dropNested(cs)
	who := cs.Who
	if cs.Role == "" { // then it is the session of who executes, not of who prepared
		if who, err = c.stackPrincipal(""); err != nil {
			return nil, err
		}
	}
	op := &stackOperation{Token: c.In.str("ClientRequestToken"), Who: who, ChangeSet: cs.ID, OnFailure: "ROLLBACK", Policy: st.Policy,
		DropNew: c.In.bool("RetainExceptOnCreate"), Revert: cs.Revert}
	switch {
	case c.In.bool("DisableRollback"):
		op.OnFailure = "DO_NOTHING"
	case cs.OnFailure != "":
		op.OnFailure = cs.OnFailure
	}
	switch cs.Type {
	case "UPDATE":
		c.beginUpdate(st, cs.stackVersion, op)
	case "IMPORT":
		c.beginImport(st, cs, op)
	default:
		op.Kind = "create"
		c.begin(st, op, "CREATE_IN_PROGRESS")
		st.stackVersion, st.Updated = cs.stackVersion, c.now()
		st.DisableRollback = op.OnFailure == "DO_NOTHING"
	}
	// After begin: stale answers name the one before.
	cs.Execution = "EXECUTE_IN_PROGRESS"
	for id, other := range st.ChangeSets { // they aren't valid for the changed stack
		if other != cs {
			c.dropNested(other)
			delete(st.ChangeSets, id)
		}
	}
	return obj{}, nil
}

func deleteChangeSet(c *call) (obj, error) {
	st, cs, err := c.namedChangeSet()
	if err != nil {
		if api, ok := err.(*apiError); ok && api.Code == "ChangeSetNotFound" {
			return obj{}, nil // as AWS: deleting what isn't there succeeds
		}
		return nil, err
	}
	if cs.Execution == "EXECUTE_IN_PROGRESS" {
		return nil, fail("InvalidChangeSetStatus", "ChangeSet [%s] cannot be deleted in its current execution status of [%s]", cs.ID, cs.Execution)
	}
	if cs.Parent != "" {
		return nil, invalid("ChangeSet [%s] of a nested stack must be deleted from its root change set", cs.ID)
	}
	c.dropNested(cs)
	delete(st.ChangeSets, cs.ID)
	return obj{}, nil
}
