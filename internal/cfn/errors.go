package cfn

import (
	"context"
	"errors"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

// This is the only place of the package that reads the text of AWS's messages;
// each match stands beside the message as AWS writes it.

// CallError is a call that AWS refused or that didn't reach it.
type CallError struct {
	What string // what was being done to which noun
	Err  error
}

func (e *CallError) Error() string { return e.What + ": " + e.Err.Error() }
func (e *CallError) Unwrap() error { return e.Err }

// Transient says that the same call may succeed later.
func (e *CallError) Transient() bool { return transient(e.Err) }

func called(what string, err error) error { return &CallError{What: what, Err: err} }

// transient says that the same call may do better later. A connection that took
// too long is a context.DeadlineExceeded too (net): who has a deadline of one's own
// looks at that first.
func transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var t interface{ Transient() bool }
	if errors.As(err, &t) {
		return t.Transient()
	}
	var f *axle.Failure
	if errors.As(err, &f) {
		return false
	}
	if throttled(err) {
		return true
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) && status.HTTPStatusCode() >= 500 {
		return status.HTTPStatusCode() != 501
	}
	return retry.RetryableConnectionError{}.IsErrorRetryable(err).Bool()
}

// final says that the same call won't do better when it is made again.
func final(ctx context.Context, err error) bool {
	return err != nil && !transient(err) && ctx.Err() == nil
}

func throttled(err error) bool {
	code := codeOf(err)
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok && code != "LimitExceededException" // that one is a quota
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func messageOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

func says(err error, code string, texts ...string) bool {
	if codeOf(err) != code {
		return false
	}
	for _, text := range texts {
		if strings.Contains(messageOf(err), text) {
			return true
		}
	}
	return len(texts) == 0
}

// noStack: "Stack with id flights-spoke does not exist" (DescribeStacks,
// DescribeStackEvents), "Stack [flights-spoke] does not exist" (DeleteStack,
// CreateChangeSet).
func noStack(err error) bool {
	return says(err, "ValidationError", "does not exist") && strings.Contains(messageOf(err), "Stack ")
}

// noChangeSet: code ChangeSetNotFound, "ChangeSet [arn:...] does not exist".
func noChangeSet(err error) bool {
	return says(err, "ChangeSetNotFound") || says(err, "ChangeSetNotFoundException") ||
		says(err, "ValidationError", "ChangeSet [") && strings.Contains(messageOf(err), "does not exist")
}

// changeSetExists: code AlreadyExistsException, "ChangeSet axle-... cannot be
// created due to a mismatch with existing attribute" or "ChangeSet axle-...
// already exists". The SDK's documentation names both the code with and
// without "Exception".
func changeSetExists(err error) bool {
	return says(err, "AlreadyExistsException") || says(err, "AlreadyExists")
}

// stackExists: "Stack [flights-spoke] already exists and cannot be created
// again with the changeSet [axle-...]."
func stackExists(err error) bool {
	return says(err, "ValidationError", "already exists and cannot be created again")
}

// busy: "Stack:arn:aws:cloudformation:... is in UPDATE_IN_PROGRESS state and
// can not be updated.", "Stack [x] cannot be deleted while in status
// UPDATE_IN_PROGRESS", and code OperationInProgressException.
func busy(err error) bool {
	return says(err, "OperationInProgressException") ||
		says(err, "ValidationError", "_IN_PROGRESS") && !says(err, "ValidationError", "REVIEW_IN_PROGRESS")
}

// notExecutable: code InvalidChangeSetStatus, "ChangeSet [arn:...] cannot be
// executed in its current execution status of [EXECUTE_IN_PROGRESS]"; a client
// token that was used already has code TokenAlreadyExistsException.
func notExecutable(err error) bool {
	return says(err, "InvalidChangeSetStatus") || says(err, "InvalidChangeSetStatusException") ||
		says(err, "TokenAlreadyExistsException")
}

// obsolete: the same code, "ChangeSet [arn:...] cannot be executed in its current
// execution status of [OBSOLETE]": the stack was changed by other means.
func obsolete(err error) bool {
	return notExecutable(err) && strings.Contains(messageOf(err), "[OBSOLETE]")
}

// protected: "Stack [x] cannot be deleted while TerminationProtection is
// enabled".
func protected(err error) bool {
	return says(err, "ValidationError", "TerminationProtection is enabled")
}

// emptyReason: a change set's status reason "The submitted information didn't
// contain changes. Submit different information to create a change set.", or,
// with a transform, "No updates are to be performed."
func emptyReason(reason string) bool {
	return strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed")
}

// cancelledReason: events of resources that were stopped because another one
// failed say "Resource creation cancelled", "Resource update cancelled" or
// "Resource deletion cancelled".
func cancelledReason(reason string) bool {
	return strings.HasPrefix(reason, "Resource ") && strings.HasSuffix(strings.TrimSuffix(reason, "."), " cancelled")
}

// exportInUse: "Delete canceled. Cannot delete export flights-VpcId as it is in
// use by flights-spoke and flights-dns." as a stack's status reason, and
// "Export flights-VpcId cannot be deleted as it is in use by flights-spoke" as
// an answer.
func exportInUse(text string) (by string, ok bool) {
	if !strings.Contains(text, "xport ") {
		return "", false
	}
	_, by, ok = strings.Cut(text, "as it is in use by ")
	return strings.TrimSuffix(strings.TrimSpace(by), "."), ok
}

// noSetAccess: "You must enable organizations access to operate a service managed
// stack set".
func noSetAccess(err error) bool {
	return strings.Contains(messageOf(err), "enable organizations access")
}

// noSetAdministrator: "You must be the management account or delegated admin
// account of an organization before operating a SERVICE_MANAGED stack set" and
// "Account used is not a delegated administrator".
func noSetAdministrator(err error) bool {
	return strings.Contains(messageOf(err), "delegated admin")
}

// ExportUsers names the stacks that keep an export from being changed or deleted,
// if that is what a text says.
func ExportUsers(text string) (by string, ok bool) { return exportInUse(text) }

// notImported: "Export 'flights-VpcId' is not imported by any stack."
func notImported(err error) bool {
	return says(err, "ValidationError", "is not imported by any stack")
}

// hints are what to do about reasons that CloudFormation gives often.
var hints = []struct{ says, hint string }{
	// "Resource handler returned message: "... already exists (Service: ...)", "flights-topic already exists in stack arn:..."
	{"already exists", "something of that name is there already: remove it, choose another name, or import it into the stack"},
	// "API: sns:CreateTopic User: arn:... is not authorized to perform: sns:CreateTopic on resource: ..."
	{"is not authorized to perform", "give the access role (or the execution role) that permission in this account: axle bootstrap does when the templates ask for more than they did"},
	// "Access denied for operation 'AWS::IAM::Role'"
	{"Access denied for operation", "give the access role (or the execution role) the permissions of that resource type in this account"},
	// "... is not authorized to perform: iam:PassRole on resource: ..." stands above; "Role arn:... is invalid or cannot be assumed"
	{"is invalid or cannot be assumed", "the execution role must exist in this account and trust cloudformation.amazonaws.com"},
	// "Requires capabilities : [CAPABILITY_NAMED_IAM]"
	{"Requires capabilities", "add them to the stack's capabilities in axle.yaml"},
	// "No transform named 123456789012::OurMacro found."
	{"No transform named", "deploy the stack that makes the macro (AWS::CloudFormation::Macro) in this account and region first, or take it out of the template"},
	// "No export named flights-VpcId found. Rollback requested by user."
	{"No export named", "deploy the stack that exports it in this account and region first (depends_on, or output() instead of Fn::ImportValue)"},
	// "Parameters: [DbPassword] must have values"
	{"must have values", "set them under the stack's parameters in axle.yaml"},
	// "Limit exceeded for resource of type ...", "The maximum number of VPCs has been reached."
	{"imit exceeded", "ask for a higher quota in this account and region, or remove what isn't needed"},
	{"maximum number of", "ask for a higher quota in this account and region, or remove what isn't needed"},
	// "The bucket you tried to delete is not empty"
	{"is not empty", "empty it first"},
	// "has dependencies and cannot be deleted", "DependencyViolation"
	{"has dependencies and cannot be deleted", "something that the stack didn't make still uses it: remove that first"},
	{"DependencyViolation", "something that the stack didn't make still uses it: remove that first"},
	// "Unrecognized resource types: [AWS::X::Y]"
	{"Unrecognized resource types", "check the type's spelling, and that it exists in this region"},
}

// hintFor is what to do about a reason; "" when nobody knows.
func hintFor(reason string) string {
	if by, ok := exportInUse(reason); ok {
		return "change or delete " + by + " first: it imports the export"
	}
	for _, h := range hints {
		if strings.Contains(reason, h.says) {
			return h.hint
		}
	}
	return ""
}

// refused makes a failure of an answer that tells what is wrong with what was
// asked, and leaves everything else (permissions, network) to the caller.
func refused(what string, err error) error {
	switch codeOf(err) {
	case "ValidationError", "InsufficientCapabilitiesException", "LimitExceededException", "InvalidOperationException":
		text := messageOf(err)
		f := &axle.Failure{Code: codeOf(err), Message: what + ": " + text, Hint: hintFor(text), Err: err}
		if f.Code == "InsufficientCapabilitiesException" && f.Hint == "" {
			f.Hint = "add them to the stack's capabilities in axle.yaml"
		}
		return f
	}
	return called(what, err)
}
