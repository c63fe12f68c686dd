package cfn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// StuckFailure says what to do about a stack that needs a person.
func StuckFailure(s *Stack) *axle.Failure {
	f := &axle.Failure{Code: s.Status, Resource: s.Name, Blocked: true,
		Message: fmt.Sprintf("stack %s is in %s", s.Name, s.Status)}
	if s.Reason != "" {
		f.Message += ": " + s.Reason
	}
	switch types.StackStatus(s.Status) {
	case types.StackStatusUpdateRollbackFailed:
		f.Hint = "mend what stops the rollback, then axle deploy --continue-rollback; --skip RESOURCE leaves a resource as it is"
	case types.StackStatusDeleteFailed:
		f.Hint = "its deletion was begun and failed: axle destroy tries again once what stops it is gone (--retain-failed leaves out what can't be deleted); a deploy never recreates it by itself"
	case types.StackStatusRollbackFailed:
		f.Hint = "its creation failed and couldn't be undone: remove what stops it and delete the stack (axle destroy), then deploy again"
	case types.StackStatusImportRollbackFailed:
		f.Hint = "an import failed and couldn't be undone: look at its events in the CloudFormation console; a resource that the stack lost is retained, and can be imported again"
	default:
		f.Hint = "look at its events in the CloudFormation console"
	}
	return f
}

// ToImport are those of the wanted imports that the stack doesn't have yet.
func (d *Driver) ToImport(ctx context.Context, t axle.Target, w Want, st *Stack) (map[string]Import, error) {
	if len(w.Imports) == 0 || st == nil || st.State() != Settled {
		return w.Imports, nil
	}
	has, err := d.failedResources(ctx, t, st.ID, "")
	if err != nil {
		return nil, err
	}
	left := map[string]Import{}
	for id, r := range w.Imports {
		if !slices.Contains(has, id) {
			left[id] = r
		}
	}
	return left, nil
}

// failedResources are the logical ids of a stack's resources that are in a
// status, or of all that exist when it is empty, sorted.
func (d *Driver) failedResources(ctx context.Context, t axle.Target, stackID string, status types.ResourceStatus) ([]string, error) {
	client, opt := d.clients.CloudFormation(t)
	var out []string
	pages := cloudformation.NewListStackResourcesPaginator(client, &cloudformation.ListStackResourcesInput{StackName: &stackID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("list the resources of stack "+baseName(stackID), err)
		}
		for _, r := range page.StackResourceSummaries {
			if r.ResourceStatus == status || status == "" && r.ResourceStatus != types.ResourceStatusDeleteComplete {
				out = append(out, aws.ToString(r.LogicalResourceId))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// Retained are the resources of a stack in DELETE_FAILED that its next deletion
// leaves alone: those that couldn't be deleted, all of them or the named ones.
// CloudFormation takes no others.
func (d *Driver) Retained(ctx context.Context, t axle.Target, st *Stack, names []string, all bool) ([]string, error) {
	if st.State() != Undeleted || !all && len(names) == 0 {
		return nil, nil
	}
	failed, err := d.failedResources(ctx, t, st.ID, types.ResourceStatusDeleteFailed)
	if err != nil || all {
		return failed, err
	}
	return slices.DeleteFunc(failed, func(id string) bool { return !slices.Contains(names, id) }), nil
}

// ContinueRollback goes on with the rollback of an update that failed. Of skip
// it leaves out the resources that the stack couldn't roll back; those of nested
// stacks are named Nested.Resource. op.Request makes it another request than an
// earlier attempt.
func (d *Driver) ContinueRollback(ctx context.Context, t axle.Target, st *Stack, op Operation, skip []string) error {
	var leave []string
	if len(skip) > 0 {
		failed, err := d.failedResources(ctx, t, st.ID, types.ResourceStatusUpdateFailed)
		if err != nil {
			return err
		}
		for _, s := range skip {
			if strings.Contains(s, ".") || slices.Contains(failed, s) {
				leave = append(leave, s)
			}
		}
	}
	client, opt := d.clients.CloudFormation(t)
	_, err := client.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{
		StackName: &st.ID, ResourcesToSkip: leave, ClientRequestToken: aws.String(token(op))}, opt)
	what := "continue the rollback of stack " + st.Name
	switch {
	case err == nil, says(err, "TokenAlreadyExistsException"):
		d.poll.begin(op.StackID, op.learnAs())
		return nil
	case busy(err):
		return fmt.Errorf("%s: %w: %w", what, ErrBusy, err)
	}
	return refused(what, err)
}

// AwaitRollback waits for the end of a rollback that was continued. The stack
// seems to be in UPDATE_ROLLBACK_FAILED before it moves, and may be there again
// after it: its events tell which.
func (d *Driver) AwaitRollback(ctx context.Context, t axle.Target, op Operation) (*Stack, error) {
	return d.poll.await(ctx, t, op.StackID, op.learnAs(), func(ctx context.Context, st *Stack, seen sight) (bool, error) {
		switch {
		case st == nil:
			return false, fmt.Errorf("stack %s: %w", baseName(op.StackID), axle.ErrNotFound)
		case st.State() == Busy:
			return false, nil
		case st.State() != Halted, seen.moving, seen.elapsed > appears:
			return true, nil
		}
		events, err := d.lastEvents(ctx, t, op.StackID, rollbackBegan(token(op)))
		return len(events) > 0 && events[0].Physical == op.StackID && events[0].Status == st.Status, err
	})
}

// rollbackBegan finds the event with which a continued rollback began.
func rollbackBegan(token string) func(event) bool {
	return func(e event) bool {
		return e.Status == string(types.StackStatusUpdateRollbackInProgress) && e.Token == token
	}
}

// RollbackFailure tells why a rollback that was continued failed again.
func (d *Driver) RollbackFailure(ctx context.Context, t axle.Target, op Operation, st *Stack) error {
	f := StuckFailure(st)
	f.Blocked = false
	events, err := d.lastEvents(ctx, t, st.ID, rollbackBegan(token(op)))
	if err != nil {
		if !final(ctx, err) {
			return err
		}
		f.Hint += "; " + untold(err, "which resource failed")
	}
	if cause := firstCause(events, st.ID); cause != nil && cause.Physical != st.ID {
		f.Resource = cause.Logical
		f.Message = fmt.Sprintf("the rollback of stack %s failed again: %s (%s): %s", st.Name, cause.Logical, cause.Type, cause.Reason)
		f.Hint = "mend it and try again, or leave it as it is: axle deploy --continue-rollback --skip " + cause.Logical
	}
	return f
}

// lastEvents are a stack's newest events down to the one with which something
// began; none when that isn't found.
func (d *Driver) lastEvents(ctx context.Context, t axle.Target, stackID string, began func(event) bool) ([]event, error) {
	client, opt := d.clients.CloudFormation(t)
	pages := cloudformation.NewDescribeStackEventsPaginator(client, &cloudformation.DescribeStackEventsInput{StackName: &stackID})
	var events []event
	for pages.HasMorePages() && len(events) < maxEvents {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("read the events of stack "+baseName(stackID), err)
		}
		for i := range page.StackEvents {
			e := eventOf(&page.StackEvents[i])
			if began(e) && e.Physical == stackID {
				return events, nil
			}
			events = append(events, e)
		}
	}
	return nil, nil
}

// Leftovers says what an update couldn't delete when it cleaned up after
// itself: CloudFormation forgets those resources, and still says UPDATE_COMPLETE.
func (d *Driver) Leftovers(ctx context.Context, t axle.Target, st *Stack) (string, error) {
	events, err := d.lastEvents(ctx, t, st.ID, func(e event) bool {
		return e.Status == string(types.StackStatusUpdateCompleteCleanupInProgress)
	})
	if final(ctx, err) { // the update has succeeded all the same
		return untold(err, "whether the update has left something behind that it couldn't delete"), nil
	}
	var left []string
	for _, e := range slices.Backward(events) {
		if e.Physical == st.ID || e.Status != string(types.ResourceStatusDeleteFailed) {
			continue
		}
		line := fmt.Sprintf("%s (%s, %s)", e.Logical, e.Type, e.Physical)
		if e.Reason != "" {
			line += ": " + e.Reason
		}
		if !slices.Contains(left, line) {
			left = append(left, line)
		}
	}
	if len(left) == 0 || err != nil {
		return "", err
	}
	return "updated, but not deleted afterwards, and not part of the stack any more: " + strings.Join(left, "; "), nil
}
