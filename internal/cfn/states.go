package cfn

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// State is what a stack's status lets one do with it.
type State int

// The states of a stack.
const (
	Settled   State = iota // may be updated
	Shell                  // REVIEW_IN_PROGRESS: nothing but change sets
	Busy                   // an operation is under way
	Dead                   // ROLLBACK_COMPLETE: can only be deleted
	Halted                 // UPDATE_ROLLBACK_FAILED: its rollback waits to be continued
	Undeleted              // DELETE_FAILED: its deletion waits to be tried again
	Stuck                  // can only be deleted, and a person must look at it first
	Gone                   // deleted
)

// A Behaviour is what a command does with a stack, as the documentation says it.
type Behaviour string

// What deploy and destroy do with a stack, and what plan says of it.
const (
	Updates   Behaviour = "updated by a change set; unchanged where nothing differs"
	Creates   Behaviour = "created"
	Fills     Behaviour = "ours: created in it; with a change set that isn't ours: blocked"
	Waits     Behaviour = "waited for (`--wait-others`, 15m), then looked at anew; blocked when that is over"
	Remakes   Behaviour = "deleted and created anew, which the plan shows; blocked under termination protection"
	Continues Behaviour = "blocked; with `--continue-rollback [--skip RESOURCE]` its rollback is continued, then it is updated"
	Refuses   Behaviour = "blocked: never recreated by itself"
	Deletes   Behaviour = "deleted"
	Drops     Behaviour = "ours: removed; with a change set that isn't ours: blocked"
	Retries   Behaviour = "deleted again; `--retain RESOURCE` and `--retain-failed` leave out what couldn't be deleted"
	Nothing   Behaviour = "nothing to do"

	Compares  Behaviour = "shown by a real change set, which is removed again"
	Previews  Behaviour = "shown as to create; what the preview made is removed, and the shell with it"
	Foretells Behaviour = "shown as deleted and created anew"
	Warns     Behaviour = "shown as blocked, with what to do"
)

// Rule says what is done with a stack in one of CloudFormation's statuses.
type Rule struct {
	Status                types.StackStatus
	State                 State
	Deploy, Plan, Destroy Behaviour
}

// Rules has a rule for every status that CloudFormation has. docs/recovery.md
// is held against it, and a test takes a stack through each.
var Rules = []Rule{
	{types.StackStatusReviewInProgress, Shell, Fills, Previews, Drops},
	{types.StackStatusCreateInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusCreateFailed, Settled, Updates, Compares, Deletes},
	{types.StackStatusCreateComplete, Settled, Updates, Compares, Deletes},
	{types.StackStatusRollbackInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusRollbackFailed, Stuck, Refuses, Warns, Deletes},
	{types.StackStatusRollbackComplete, Dead, Remakes, Foretells, Deletes},
	{types.StackStatusUpdateInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusUpdateCompleteCleanupInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusUpdateComplete, Settled, Updates, Compares, Deletes},
	{types.StackStatusUpdateFailed, Settled, Updates, Compares, Deletes},
	{types.StackStatusUpdateRollbackInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusUpdateRollbackFailed, Halted, Continues, Warns, Deletes},
	{types.StackStatusUpdateRollbackCompleteCleanupInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusUpdateRollbackComplete, Settled, Updates, Compares, Deletes},
	{types.StackStatusImportInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusImportComplete, Settled, Updates, Compares, Deletes},
	{types.StackStatusImportRollbackInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusImportRollbackFailed, Stuck, Refuses, Warns, Deletes},
	{types.StackStatusImportRollbackComplete, Settled, Updates, Compares, Deletes},
	{types.StackStatusDeleteInProgress, Busy, Waits, Waits, Waits},
	{types.StackStatusDeleteFailed, Undeleted, Refuses, Warns, Retries},
	{types.StackStatusDeleteComplete, Gone, Creates, Previews, Nothing},
}

// RuleOf is the rule for a status. One that CloudFormation adds some day is
// waited for when it says that something is in progress, else refused.
func RuleOf(status string) Rule {
	for _, r := range Rules {
		if string(r.Status) == status {
			return r
		}
	}
	if strings.HasSuffix(status, "_IN_PROGRESS") {
		return Rule{types.StackStatus(status), Busy, Waits, Waits, Waits}
	}
	return Rule{types.StackStatus(status), Stuck, Refuses, Warns, Deletes}
}

// State says what can be done with the stack.
func (s *Stack) State() State { return RuleOf(s.Status).State }

// StatesMarkdown is the table of Rules for the documentation.
func StatesMarkdown() string {
	var b strings.Builder
	b.WriteString("| status | deploy | plan | destroy |\n|---|---|---|---|\n")
	for _, r := range Rules {
		b.WriteString("| `" + string(r.Status) + "` | " + string(r.Deploy) + " | " + string(r.Plan) + " | " + string(r.Destroy) + " |\n")
	}
	return b.String()
}
