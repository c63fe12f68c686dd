package cfn

import (
	"context"
	"fmt"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// PreviewRun and PreparedRun begin what previews and preparations take as their
// run's name: change sets of deploys, which resume adopts, have neither.
const (
	PreviewRun  = "preview-"
	PreparedRun = "prepared-"
)

// expiresMark is in the description of a prepared change set, before its end.
const expiresMark = "expires "

// Prepared describes the change sets of a run that somebody is to execute.
func Prepared(run string, expires time.Time) string {
	return fmt.Sprintf("prepared by axle run %s, %s%s", run, expiresMark, expires.UTC().Format(time.RFC3339))
}

// Sweep removes from a stack what earlier previews left that were killed, and
// what was prepared and has expired: change sets of ours that were made before
// the time given. A shell that has nothing left then is removed too; gone says so.
func (d *Driver) Sweep(ctx context.Context, t axle.Target, st *Stack, before time.Time) (gone bool, err error) {
	sets, err := d.changeSets(ctx, t, st.ID)
	if err != nil {
		return false, err
	}
	left := 0
	for _, c := range sets {
		if !dead(c, before) {
			left++
			continue
		}
		if err := d.deleteChangeSet(ctx, t, Operation{ChangeSet: aws.ToString(c.ChangeSetId), StackID: st.ID}); err != nil {
			return false, err
		}
	}
	if st.State() != Shell || left > 0 || len(sets) == 0 {
		return false, nil
	}
	return true, d.deleteShell(ctx, t, st.ID)
}

// dead says whether nobody will execute or remove a change set of ours.
func dead(c types.ChangeSetSummary, before time.Time) bool {
	name := aws.ToString(c.ChangeSetName)
	if strings.HasPrefix(name, changeSetPrefix+PreviewRun) {
		return aws.ToTime(c.CreationTime).Before(before)
	}
	if !strings.HasPrefix(name, changeSetPrefix+PreparedRun) {
		return false
	}
	_, end, ok := strings.Cut(aws.ToString(c.Description), expiresMark)
	expires, err := time.Parse(time.RFC3339, end)
	return ok && err == nil && expires.Before(before)
}

// changeSets lists those of a stack; of one that is gone there are none.
func (d *Driver) changeSets(ctx context.Context, t axle.Target, stack string) ([]types.ChangeSetSummary, error) {
	client, opt := d.clients.CloudFormation(t)
	var out []types.ChangeSetSummary
	pages := cloudformation.NewListChangeSetsPaginator(client, &cloudformation.ListChangeSetsInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if noStack(err) { // two plans of a new stack share its shell, and the last removes it
			return nil, nil
		}
		if err != nil {
			return nil, called("list change sets of stack "+baseName(stack), err)
		}
		out = append(out, page.Summaries...)
	}
	return out, nil
}
