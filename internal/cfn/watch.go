package cfn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// ErrBusy says that another operation is under way on the stack, or that it
// was made or deleted since it was described: describe it again.
var ErrBusy = errors.New("the stack has changed meanwhile")

// looks is the poller's view of CloudFormation.
type looks struct{ *Driver }

func (l looks) stack(ctx context.Context, t axle.Target, id string) (*Stack, error) {
	return l.Describe(ctx, t, id)
}

// underWay are the statuses in which something happens to a stack; a shell
// whose change set was just executed may still be seen as one.
func underWay() []types.StackStatus {
	out := []types.StackStatus{types.StackStatusReviewInProgress}
	for _, s := range types.StackStatus("").Values() {
		if strings.HasSuffix(string(s), "_IN_PROGRESS") && s != types.StackStatusReviewInProgress {
			out = append(out, s)
		}
	}
	return out
}

func (l looks) busy(ctx context.Context, t axle.Target) (map[string]bool, error) {
	client, opt := l.clients.CloudFormation(t)
	found := map[string]bool{}
	pages := cloudformation.NewListStacksPaginator(client, &cloudformation.ListStacksInput{StackStatusFilter: underWay()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("list stacks", err)
		}
		for _, s := range page.StackSummaries {
			// A caller that doesn't filter sends them all.
			if strings.HasSuffix(string(s.StackStatus), "_IN_PROGRESS") {
				found[aws.ToString(s.StackId)] = true
			}
		}
	}
	return found, nil
}

// Await waits until an operation that was started has ended, well or not, and
// returns the stack; nil after a deletion when it isn't found any more. When
// ctx ends first, the error is ctx's.
func (d *Driver) Await(ctx context.Context, t axle.Target, op Operation) (*Stack, error) {
	return d.poll.await(ctx, t, op.StackID, op.learnAs(), func(ctx context.Context, st *Stack, seen sight) (bool, error) {
		switch {
		case st == nil && op.Kind == axle.Delete:
			return true, nil
		case st == nil && seen.elapsed < appears:
			return false, nil
		case st == nil:
			return false, fmt.Errorf("stack %s: %w", baseName(op.StackID), axle.ErrNotFound)
		}
		state := st.State()
		switch {
		case state == Busy:
			return false, nil
		case op.Kind == axle.Delete:
			return d.deleteEnded(ctx, t, op, st, seen)
		case op.Kind == axle.Create:
			return state != Shell, nil
		case !strings.HasPrefix(st.Status, "UPDATE_") && !strings.HasPrefix(st.Status, "IMPORT_") && seen.elapsed < appears:
			return false, nil // an answer from before
		case seen.moving && st.ChangeSet == op.ChangeSet:
			return true, nil
		}
		return d.executed(ctx, t, op, st, seen) // it may be one from before: the change set tells
	})
}

// Trouble is why the last look at a stack that is waited for didn't get through;
// nil when it did.
func (d *Driver) Trouble(stackID string) error {
	d.poll.mu.Lock()
	defer d.poll.mu.Unlock()
	if op := d.poll.ops[stackID]; op != nil {
		return op.why
	}
	return nil
}

// Settle waits until nothing is happening to a stack any more, whoever began it.
func (d *Driver) Settle(ctx context.Context, t axle.Target, stackID string) (*Stack, error) {
	// Others' operations teach nothing about each other.
	return d.poll.await(ctx, t, stackID, "settle "+stackID, func(_ context.Context, st *Stack, _ sight) (bool, error) {
		return st == nil || st.State() != Busy, nil
	})
}

// deleteEnded says whether a deletion is over. The status from before is seen
// for a moment; where it stays, CloudFormation has given up at once ("Delete
// canceled. Cannot delete export ..."), or failed as quickly as an earlier
// deletion had, which the events tell.
func (d *Driver) deleteEnded(ctx context.Context, t axle.Target, op Operation, st *Stack, seen sight) (bool, error) {
	if st.State() == Gone || seen.moving || seen.elapsed > appears {
		return true, nil
	}
	if _, inUse := exportInUse(st.Reason); inUse && seen.elapsed > appears/10 {
		return true, nil
	}
	if st.State() != Undeleted {
		return false, nil
	}
	events, err := d.lastEvents(ctx, t, st.ID, func(e event) bool {
		return e.Status == string(types.StackStatusDeleteInProgress) && e.Token == token(op)
	})
	return len(events) > 0 && events[0].Physical == st.ID && events[0].Status == st.Status, err
}

// executed says whether a change set's execution is over.
func (d *Driver) executed(ctx context.Context, t axle.Target, op Operation, st *Stack, seen sight) (bool, error) {
	client, opt := d.clients.CloudFormation(t)
	out, err := client.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &op.ChangeSet, StackName: &op.StackID}, opt)
	switch {
	case noChangeSet(err):
		return st.ChangeSet == op.ChangeSet || seen.elapsed > appears, nil
	case err != nil:
		return false, called("describe change set "+baseName(op.ChangeSet), err)
	}
	over := out.ExecutionStatus == types.ExecutionStatusExecuteComplete || out.ExecutionStatus == types.ExecutionStatusExecuteFailed
	// The stack was described before the change set: an answer from before the
	// execution names another one, and has the outputs of then.
	return over && (st.ChangeSet == "" || st.ChangeSet == op.ChangeSet || seen.elapsed > appears), nil
}

func isGone(st *Stack, err error) bool {
	return errors.Is(err, axle.ErrNotFound) || err == nil && st.State() == Gone
}
