//go:build scenarios

package scenarios

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// TestSaved is plans that are kept: deployed as they were reviewed, or refused.
func TestSaved(t *testing.T) {
	on(t, saved, sandbox(alone...), ministack())
}

func saved(w *world) {
	cfg := w.config("eu-west-1")
	w.project("saved")
	w.step("plan, save, apply", func() {
		w.axle(0, "plan", "--save", "first.plan")
		w.statuses(cfg, map[string]string{})
		w.axle(0, "deploy", "first.plan", "--yes")
		w.same("the parameter", "first", w.parameter(cfg, "/kept/title"))
	})
	w.step("applied again, it is stale", func() { w.axle(4, "deploy", "first.plan", "--yes") })
	w.step("the file rules, not axle.yaml", func() {
		w.edit("axle.yaml", "Title: first", "Title: second")
		w.axle(0, "plan", "--save", "second.plan")
		w.edit("axle.yaml", "Title: second", "Title: third")
		w.axle(0, "deploy", "second.plan", "--yes")
		w.same("the parameter", "second", w.parameter(cfg, "/kept/title"))
	})
	w.step("somebody updates the stack: refused", func() {
		w.axle(0, "plan", "--save", "third.plan")
		client := cloudformation.NewFromConfig(cfg)
		must[*cloudformation.UpdateStackOutput](w, "update the stack")(client.UpdateStack(w.t.Context(), &cloudformation.UpdateStackInput{
			StackName: aws.String("kept-base"), UsePreviousTemplate: aws.Bool(true),
			Parameters: []types.Parameter{{ParameterKey: aws.String("Title"), ParameterValue: aws.String("somebody's")}},
			Tags:       []types.Tag{{Key: aws.String("axle:project"), Value: aws.String("kept")}, {Key: aws.String("axle:stack"), Value: aws.String("base")}}}))
		err := cloudformation.NewStackUpdateCompleteWaiter(client).Wait(w.t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("kept-base")}, time.Minute)
		w.same("the wait for the update", error(nil), err)
		w.axle(4, "deploy", "third.plan", "--yes")
		w.same("the parameter", "somebody's", w.parameter(cfg, "/kept/title"))
	})
}
