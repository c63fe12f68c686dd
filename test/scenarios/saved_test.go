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
	on(t, saved, sandbox(alone...), moto(), ministack(), ministackIAM())
}

func saved(w *world) {
	w.project("saved")
	b := w.newOrganization()
	work := b.ou(b.root, "Workloads", nil)
	dev, qa := b.account(work, "dev", nil), b.account(work, "qa", nil)
	if w.gaps.noEntryRole {
		w.becomeUser()
	}
	titles := func(want ...string) {
		w.t.Helper()
		w.same("the parameters in dev and qa", want, []string{w.parameter(w.in(dev, "eu-west-1"), "/kept/title"), w.parameter(w.in(qa, "eu-west-1"), "/kept/title")})
	}
	w.step("plan, save, apply", func() {
		w.axle(0, "plan", "--save", "first.plan")
		w.statuses(w.in(dev, "eu-west-1"), map[string]string{})
		w.axle(0, "deploy", "first.plan", "--yes")
		titles("first", "first")
	})
	w.step("applied again, it is stale", func() { w.axle(4, "deploy", "first.plan", "--yes") })
	w.step("the file rules, not the template", func() {
		w.edit("base.yaml", "Value: first", "Value: second")
		w.axle(0, "plan", "--save", "second.plan")
		w.edit("base.yaml", "Value: second", "Value: third")
		w.axle(0, "deploy", "second.plan", "--yes")
		titles("second", "second")
	})
	w.step("somebody updates the stack in one of them: refused in both", func() {
		w.axle(0, "plan", "--save", "third.plan")
		client := cloudformation.NewFromConfig(w.in(qa, "eu-west-1"))
		must[*cloudformation.UpdateStackOutput](w, "update the stack")(client.UpdateStack(w.t.Context(), &cloudformation.UpdateStackInput{
			StackName:    aws.String("kept-base"),
			TemplateBody: aws.String(`Resources: {Kept: {Type: AWS::SSM::Parameter, Properties: {Name: /kept/title, Type: String, Value: somebody's}}}`),
			Tags:         []types.Tag{{Key: aws.String("axle:project"), Value: aws.String("kept")}, {Key: aws.String("axle:stack"), Value: aws.String("base")}}}))
		err := cloudformation.NewStackUpdateCompleteWaiter(client).Wait(w.t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("kept-base")}, time.Minute)
		w.same("the wait for the update", error(nil), err)
		_, stderr := w.axle(4, "deploy", "third.plan", "--yes")
		w.has("the refusal", stderr, "qa")
		titles("second", "somebody's")
	})
}
