package sandbox_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"axle/sandbox"
)

// What a detection found is told of the resources, too, by all that describes them.
func TestDriftIsToldOfResources(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", "Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Name: /x, Type: String, Value: v}}}")
	told := func() (list, describe types.StackResourceDriftStatus) {
		out, err := t.ListStackResources(t.ctx, &cf.ListStackResourcesInput{StackName: aws.String("s")})
		if err != nil {
			t.Fatal(err)
		}
		one, err := t.DescribeStackResource(t.ctx, &cf.DescribeStackResourceInput{StackName: aws.String("s"), LogicalResourceId: aws.String("P")})
		if err != nil {
			t.Fatal(err)
		}
		return out.StackResourceSummaries[0].DriftInformation.StackResourceDriftStatus, one.StackResourceDetail.DriftInformation.StackResourceDriftStatus
	}
	if a, b := told(); a != "NOT_CHECKED" || b != "NOT_CHECKED" {
		t.Errorf("before: %s, %s", a, b)
	}
	_, err := ssm.NewFromConfig(configOf(t.box, t.url)).PutParameter(t.ctx, &ssm.PutParameterInput{Name: aws.String("/x"), Value: aws.String("w"), Overwrite: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := t.DetectStackDrift(t.ctx, &cf.DetectStackDriftInput{StackName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	for ; ; time.Sleep(pollTime) {
		out, err := t.DescribeStackDriftDetectionStatus(t.ctx, &cf.DescribeStackDriftDetectionStatusInput{StackDriftDetectionId: d.StackDriftDetectionId})
		if err != nil {
			t.Fatal(err)
		}
		if out.DetectionStatus != types.StackDriftDetectionStatusDetectionInProgress {
			break
		}
	}
	if a, b := told(); a != "MODIFIED" || b != "MODIFIED" {
		t.Errorf("after: %s, %s", a, b)
	}
}
