package cfn

import (
	"context"
	"fmt"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Protected is the failure of deleting a stack under termination protection.
func Protected(name string) *axle.Failure {
	return &axle.Failure{Code: "Protected", Resource: name, Blocked: true,
		Message: fmt.Sprintf("stack %s has termination protection", name),
		Hint:    "set protect: false in axle.yaml and deploy, then destroy; or aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name " + name}
}

// Delete starts the deletion of a stack by its id; one that is gone is fine.
func (d *Driver) Delete(ctx context.Context, t axle.Target, op Operation) error {
	client, opt := d.clients.CloudFormation(t)
	_, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &op.StackID, ClientRequestToken: aws.String(token(op)), RetainResources: op.Retain}, opt)
	what := "delete stack " + baseName(op.StackID)
	switch {
	case err == nil, noStack(err), says(err, "TokenAlreadyExistsException"):
		d.poll.begin(op.StackID, op.learnAs())
		return nil
	case protected(err):
		return Protected(baseName(op.StackID))
	case busy(err):
		return fmt.Errorf("%s: %w: %w", what, ErrBusy, err)
	}
	return refused(what, err)
}

// DeleteFailure tells why a deletion that has ended left the stack there; nil
// when it didn't.
func (d *Driver) DeleteFailure(ctx context.Context, t axle.Target, op Operation, st *Stack) error {
	if st == nil || st.State() == Gone {
		return nil
	}
	if by, ok := exportInUse(st.Reason); ok {
		return &axle.Failure{Code: "ExportInUse", Resource: st.Name,
			Message: fmt.Sprintf("stack %s isn't deleted: %s", st.Name, st.Reason),
			Hint:    "change or delete " + by + " first: it imports the export"}
	}
	return d.Failure(ctx, t, op, st)
}
