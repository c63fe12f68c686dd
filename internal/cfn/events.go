package cfn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// event is what a stack's events tell of one step of an operation.
type event struct {
	ID, Logical, Physical, Type, Status, Reason, Token string
	At                                                 time.Time
}

func eventOf(e *types.StackEvent) event {
	return event{aws.ToString(e.EventId), aws.ToString(e.LogicalResourceId), aws.ToString(e.PhysicalResourceId),
		aws.ToString(e.ResourceType), string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason), aws.ToString(e.ClientRequestToken), aws.ToTime(e.Timestamp)}
}

// maxEvents bounds how far back events are read.
const maxEvents = 5000

// Succeeded says whether an operation that has ended did what it should.
func Succeeded(op Operation, st *Stack) bool {
	switch types.StackStatus(st.Status) {
	case types.StackStatusCreateComplete:
		return op.Kind == axle.Create
	case types.StackStatusImportComplete: // of an import, into a new stack or one that was there
		return op.Kind == axle.Create || op.Kind == axle.Update
	case types.StackStatusUpdateComplete:
		return op.Kind == axle.Update || op.Kind == axle.Create
	}
	return false
}

// Failure tells why an operation failed: the first resource that did, and its
// reason, from the stack's events.
func (d *Driver) Failure(ctx context.Context, t axle.Target, op Operation, st *Stack) error {
	f := &axle.Failure{Code: "ResourceFailed", Resource: st.Name,
		Message: fmt.Sprintf("stack %s is in %s", st.Name, st.Status)}
	if st.Reason != "" {
		f.Message += ": " + st.Reason
	}
	cause, err := d.firstFailure(ctx, t, st.ID, time.Time{}, 0)
	if err != nil && !final(ctx, err) {
		return err
	}
	if cause != nil {
		f.Resource = cause.Logical
		f.Message = fmt.Sprintf("%s (%s): %s", cause.Logical, cause.Type, cause.Reason)
		if cause.Reason == "" {
			f.Message = fmt.Sprintf("%s (%s) is in %s", cause.Logical, cause.Type, cause.Status)
		}
		f.Hint = hintFor(cause.Reason)
	}
	if f.Hint == "" {
		f.Hint = hintFor(st.Reason)
	}
	switch {
	case st.State() == Stuck, st.State() == Halted, st.State() == Undeleted:
		f.Hint = strings.TrimPrefix(f.Hint+"; the stack is in "+st.Status+": "+StuckFailure(st).Hint, "; ")
	case f.Hint == "" && st.State() == Dead:
		f.Hint = "nothing is left of the stack; mend the cause and deploy again"
	case f.Hint == "":
		f.Hint = "the stack is as it was before; mend the cause and deploy again"
	}
	if err != nil {
		f.Hint += "; " + untold(err, "which resource failed")
	}
	return f
}

// untold says that something isn't known because a stack's events can't be read.
func untold(err error, what string) string {
	why := codeOf(err)
	if why == "" {
		why = err.Error()
	}
	return what + " isn't known, as its events can't be read (cloudformation:DescribeStackEvents: " + why + ")"
}

// firstFailure finds the first resource that failed in the last operation, in
// a nested stack if it is the nested stack that failed. A nested stack may have
// been updated again since, to what it was before: what failed in it is looked
// for from when the outermost operation began.
func (d *Driver) firstFailure(ctx context.Context, t axle.Target, stackID string, began time.Time, depth int) (*event, error) {
	client, opt := d.clients.CloudFormation(t)
	pages := cloudformation.NewDescribeStackEventsPaginator(client, &cloudformation.DescribeStackEventsInput{StackName: &stackID})
	var events []event // newest first
	for pages.HasMorePages() && len(events) < maxEvents {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("read the events of stack "+baseName(stackID), err)
		}
		for _, e := range page.StackEvents {
			events = append(events, eventOf(&e))
		}
		if n := since(events, stackID, began); n < len(events) {
			break
		}
	}
	events = events[:since(events, stackID, began)]
	if began.IsZero() && len(events) > 0 {
		began = events[len(events)-1].At
	}
	cause := firstCause(events, stackID)
	if cause == nil || depth > 4 || cause.Type != "AWS::CloudFormation::Stack" || cause.Physical == "" || cause.Physical == stackID {
		return cause, nil
	}
	inner, err := d.firstFailure(ctx, t, cause.Physical, began, depth+1)
	if err != nil || inner == nil {
		return cause, nil // the outer reason is better than none
	}
	inner.Logical = cause.Logical + "/" + inner.Logical
	return inner, nil
}

// since is how many of the newest events are not before a time; when none is given,
// of the last operation.
func since(events []event, stackID string, began time.Time) int {
	if began.IsZero() {
		return sinceStart(events, stackID)
	}
	if i := slices.IndexFunc(events, func(e event) bool { return e.At.Before(began) }); i >= 0 {
		return i
	}
	return len(events)
}

// sinceStart is how many of the newest events belong to the last operation: it
// began where the stack itself came into progress, other than by a rollback.
func sinceStart(events []event, stackID string) int {
	for i, e := range events {
		if e.Physical != stackID {
			continue
		}
		switch types.ResourceStatus(e.Status) {
		case types.ResourceStatusCreateInProgress, types.ResourceStatusUpdateInProgress, types.ResourceStatusDeleteInProgress,
			types.ResourceStatusImportInProgress:
			return i + 1
		}
	}
	return len(events)
}

// firstCause is the oldest failure that isn't only the consequence of another.
func firstCause(events []event, stackID string) *event {
	var stack *event
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		own := e.Physical == stackID
		switch {
		case own && stack == nil && (strings.HasSuffix(e.Status, "_FAILED") || strings.HasSuffix(e.Status, "ROLLBACK_IN_PROGRESS")) && e.Reason != "":
			stack = &e
		case !own && strings.HasSuffix(e.Status, "_FAILED") && !cancelledReason(e.Reason):
			return &e
		}
	}
	return stack
}
