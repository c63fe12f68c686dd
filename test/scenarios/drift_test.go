//go:build scenarios

package scenarios

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// TestDrift is what somebody changed and deleted behind CloudFormation's back.
func TestDrift(t *testing.T) {
	on(t, drift, sandbox(alone...), unkindSandbox(alone...), ministack())
}

func drift(w *world) {
	w.project("drift")
	found := func(code int) (drifted, inSync int) {
		w.t.Helper()
		stdout, _ := w.axle(code, "drift", "--detailed-exitcode", "--output", "json")
		var d struct {
			Summary struct {
				Drifted int
				InSync  int `json:"in_sync"`
			}
			Groups []struct {
				Resources []struct {
					LogicalID  string `json:"logical_id"`
					Status     string
					Properties []struct{ Path, Expected, Actual string }
				}
			}
		}
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			w.t.Fatal(err)
		}
		for _, g := range d.Groups {
			for _, r := range g.Resources {
				switch {
				case r.LogicalID == "Setting" && r.Status == "DELETED":
				case r.LogicalID == "Topic" && len(r.Properties) == 1:
					p := r.Properties[0]
					w.same("the topic's difference", []string{"/DisplayName", "Alerts", "mine"}, []string{p.Path, p.Expected, p.Actual})
				default:
					w.t.Errorf("%s: %+v is said to have drifted", w.name, r)
				}
			}
		}
		return d.Summary.Drifted, d.Summary.InSync
	}
	w.step("in sync after a deploy", func() {
		w.run(0, "deploy")
		drifted, inSync := found(0)
		w.same("drifted, in sync", []int{0, 2}, []int{drifted, inSync})
	})
	w.step("a property changed in one region, a resource deleted in the other", func() {
		topic := "arn:aws:sns:eu-west-1:111111111111:alerts"
		must[*sns.SetTopicAttributesOutput](w, "set topic attributes")(sns.NewFromConfig(w.config("eu-west-1")).SetTopicAttributes(w.t.Context(),
			&sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("DisplayName"), AttributeValue: aws.String("mine")}))
		must[*ssm.DeleteParameterOutput](w, "delete parameter")(ssm.NewFromConfig(w.config("us-east-1")).DeleteParameter(w.t.Context(),
			&ssm.DeleteParameterInput{Name: aws.String("/app/setting")}))
		drifted, inSync := found(5)
		w.same("drifted, in sync", []int{2, 0}, []int{drifted, inSync})
	})
	if w.gaps.noRevert {
		return
	}
	w.step("brought back", func() {
		w.axle(0, "drift", "--revert", "--yes")
		w.same("the setting", "on", w.parameter(w.config("us-east-1"), "/app/setting"))
		drifted, inSync := found(0)
		w.same("drifted, in sync", []int{0, 2}, []int{drifted, inSync})
	})
}
