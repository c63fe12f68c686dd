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

// driftTime is how long a detection may take.
const driftTime = 15 * time.Minute

// Drift has CloudFormation compare the stack's resources with its template,
// waits for that, and returns those that differ, sorted. Resources of types that
// can't be compared count as equal.
func (d *Driver) Drift(ctx context.Context, t axle.Target, st *Stack) ([]axle.Drifted, error) {
	client, opt := d.clients.CloudFormation(t)
	begun, err := client.DetectStackDrift(ctx, &cloudformation.DetectStackDriftInput{StackName: &st.ID}, opt)
	if err != nil {
		return nil, refused("detect drift of stack "+st.Name, err)
	}
	found, err := d.awaitDrift(ctx, t, st, aws.ToString(begun.StackDriftDetectionId))
	if err != nil || found.StackDriftStatus == types.StackDriftStatusInSync {
		return nil, err
	}
	var out []axle.Drifted
	pages := cloudformation.NewDescribeStackResourceDriftsPaginator(client, &cloudformation.DescribeStackResourceDriftsInput{StackName: &st.ID,
		StackResourceDriftStatusFilters: []types.StackResourceDriftStatus{types.StackResourceDriftStatusModified, types.StackResourceDriftStatusDeleted}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("read the drift of stack "+st.Name, err)
		}
		for i := range page.StackResourceDrifts {
			out = append(out, driftedOf(&page.StackResourceDrifts[i]))
		}
	}
	slices.SortFunc(out, func(a, b axle.Drifted) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	return out, nil
}

func driftedOf(r *types.StackResourceDrift) axle.Drifted {
	out := axle.Drifted{LogicalID: aws.ToString(r.LogicalResourceId), PhysicalID: aws.ToString(r.PhysicalResourceId),
		Type: aws.ToString(r.ResourceType), Status: string(r.StackResourceDriftStatus)}
	for _, p := range r.PropertyDifferences {
		out.Properties = append(out.Properties, axle.Difference{Path: aws.ToString(p.PropertyPath), Kind: string(p.DifferenceType),
			Expected: aws.ToString(p.ExpectedValue), Actual: aws.ToString(p.ActualValue)})
	}
	slices.SortFunc(out.Properties, func(a, b axle.Difference) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// awaitDrift waits for the end of a detection. Throttled looks are repeated.
func (d *Driver) awaitDrift(ctx context.Context, t axle.Target, st *Stack, id string) (*cloudformation.DescribeStackDriftDetectionStatusOutput, error) {
	client, opt := d.clients.CloudFormation(t)
	start, delay := time.Now(), shortestDelay
	for {
		if err := pause(ctx, delay); err != nil {
			return nil, err
		}
		out, err := client.DescribeStackDriftDetectionStatus(ctx, &cloudformation.DescribeStackDriftDetectionStatusInput{StackDriftDetectionId: &id}, opt)
		switch {
		case err != nil && !(transient(err) && ctx.Err() == nil):
			return nil, called("look at the drift detection of stack "+st.Name, err)
		case err != nil, out.DetectionStatus == types.StackDriftDetectionStatusDetectionInProgress:
		case out.DetectionStatus == types.StackDriftDetectionStatusDetectionFailed:
			return nil, &axle.Failure{Code: "DriftDetectionFailed", Resource: st.Name,
				Message: fmt.Sprintf("drift detection of stack %s: %s", st.Name, aws.ToString(out.DetectionStatusReason)),
				Hint:    "the access role must be allowed to read every resource of the stack"}
		default:
			return out, nil
		}
		took := time.Since(start)
		if took > driftTime {
			return nil, &axle.Failure{Code: "DriftDetectionSlow", Resource: st.Name,
				Message: fmt.Sprintf("drift detection of stack %s has taken %s", st.Name, took.Round(time.Second)), Hint: "try again later"}
		}
		delay = min(max(took/4, shortestDelay), 5*time.Second)
	}
}
