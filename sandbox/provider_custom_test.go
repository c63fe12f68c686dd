package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// The function answers with the properties that it was given; "Id" is the
// resource's physical id, "Do" how it fails. Each request goes to a parameter.
const customTemplate = `
Parameters:
  Id: {Type: String}
  Color: {Type: String}
  Do: {Type: String, Default: work}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Runtime: python3.12
      Handler: index.handler
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              p = event["ResourceProperties"]
              print(event["RequestType"], event.get("PhysicalResourceId"), event["ResourceType"])
              if p["Do"] == "fail" and event["RequestType"] != "Delete":
                  cfnresponse.send(event, context, cfnresponse.FAILED, {}, p["Id"], reason="as told")
                  return
              was = event.get("OldResourceProperties", {}).get("Color", "nothing")
              cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Answer": f"{event['RequestType']} {was} to {p['Color']}", "Deep": {"Er": p["Flag"]}}, p["Id"])
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Function.Arn, ServiceTimeout: 3600, Id: !Ref Id, Color: !Ref Color, Do: !Ref Do, Flag: true}
Outputs:
  Ref: {Value: !Ref Thing}
  Answer: {Value: !GetAtt Thing.Answer}
  Deep: {Value: !GetAtt Thing.Deep.Er}
`

// Custom resources are made, changed, replaced and removed by their function,
// and fail as it says.
func TestCustomResources(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := cloudformation.NewFromConfig(c.in(devAccount, "eu-west-1"))
	parameters := func(values ...string) []cfn.Parameter {
		var out []cfn.Parameter
		for i, k := range []string{"Id", "Color", "Do"} {
			out = append(out, cfn.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(values[i])})
		}
		return out
	}
	iam := []cfn.Capability{cfn.CapabilityCapabilityIam}
	name := aws.String("custom")
	update := func(values ...string) {
		t.Helper()
		must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true), Parameters: parameters(values...), Capabilities: iam}))
	}
	must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(customTemplate), Parameters: parameters("one", "red", "work"), Capabilities: iam}))
	want := func(status, ref, answer string) {
		t.Helper()
		if out := outputs(t, client, *name, status); out["Ref"] != ref || out["Answer"] != answer || out["Deep"] != "true" {
			t.Errorf("outputs are %v, want %s and %q", out, ref, answer)
		}
	}
	want("CREATE_COMPLETE", "one", "Create nothing to red")
	update("one", "blue", "work")
	want("UPDATE_COMPLETE", "one", "Update red to blue")
	update("two", "green", "work")
	want("UPDATE_COMPLETE", "two", "Update blue to green")
	if got := reasons(t, client, *name, "Thing"); !strings.Contains(got, "DELETE_COMPLETE one") {
		t.Errorf("the resource that was replaced is still there: %s", got)
	}
	update("two", "black", "fail")
	want("UPDATE_ROLLBACK_COMPLETE", "two", "Update blue to green") // outputs are those of before
	if got := reasons(t, client, *name, "Thing"); !strings.Contains(got, "Received response status [FAILED] from custom resource. Message returned: as told (RequestId: ") {
		t.Errorf("the reason is %s", got)
	}
	must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	for ; ; time.Sleep(pollTime) {
		out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
		if err != nil {
			break
		}
		if out.Stacks[0].StackStatus == cfn.StackStatusDeleteFailed {
			t.Fatalf("the stack isn't deleted: %s", reasons(t, client, *name, "Thing"))
		}
	}
}

// A custom resource that nobody answers for fails when its time is up, and is
// then removed by who answers for that.
func TestCustomResourceWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := context.Background(), &cloud{t: t}
		box, cfg := still(t, sandbox.Options{})
		arn, url := c.queueFor(cfg, "requests", `{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"QUEUE"}`)
		topics, client := sns.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg)
		topic := must[*sns.CreateTopicOutput](t)(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("requests")})).TopicArn
		must[*sns.SubscribeOutput](t)(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &arn,
			Attributes: map[string]string{"RawMessageDelivery": "true"}}))
		name, began := aws.String("silent"), time.Now()
		must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name,
			TemplateBody: aws.String(`{"Resources":{"Thing":{"Type":"Custom::Thing","Properties":{"ServiceToken":"` + *topic + `","ServiceTimeout":30}}}}`)}))
		asked := func(want string, after time.Duration) (r struct{ RequestType, RequestId, ResponseURL, PhysicalResourceId string }) {
			t.Helper()
			body := received(t, sqs.NewFromConfig(cfg), url)
			if err := json.Unmarshal([]byte(body), &r); err != nil || r.RequestType != want {
				t.Fatalf("asked %s, want %s: %v", body, want, err)
			}
			if took := time.Since(began).Round(time.Second); took != after {
				t.Errorf("asked for %s after %s, want %s", want, took, after)
			}
			return r
		}
		asked("Create", 0)
		last := asked("Delete", 30*time.Second)
		answer := fmt.Sprintf(`{"Status":"SUCCESS","RequestId":%q,"PhysicalResourceId":%q}`, last.RequestId, last.PhysicalResourceId)
		put, err := http.NewRequest(http.MethodPut, last.ResponseURL, strings.NewReader(answer))
		if err != nil {
			t.Fatal(err)
		}
		if out := must[*http.Response](t)(onSandbox{box}.Do(put)); out.StatusCode != http.StatusOK {
			t.Errorf("the answer is refused: %d", out.StatusCode)
		}
		outputs(t, client, *name, "ROLLBACK_COMPLETE")
		if got := reasons(t, client, *name, "Thing"); !strings.Contains(got, "CloudFormation did not receive a response from your Custom Resource.") {
			t.Errorf("the reason is %s", got)
		}
	})
}

// reasons are the events of a resource: status, physical id and reason.
func reasons(t *testing.T, client *cloudformation.Client, stack, id string) string {
	t.Helper()
	events := must[*cloudformation.DescribeStackEventsOutput](t)(client.DescribeStackEvents(context.Background(), &cloudformation.DescribeStackEventsInput{StackName: &stack}))
	var lines []string
	for _, e := range events.StackEvents {
		if *e.LogicalResourceId == id {
			lines = append(lines, string(e.ResourceStatus)+" "+aws.ToString(e.PhysicalResourceId)+" "+aws.ToString(e.ResourceStatusReason))
		}
	}
	return strings.Join(lines, "\n")
}
