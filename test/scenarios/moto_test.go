//go:build scenarios

package scenarios

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

const networkTemplate = `Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/24}}
  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
Outputs:
  Vpc: {Value: !Ref Vpc}
`

// TestMotoNeedsMending fails when moto does by itself what moto_start.py mends.
func TestMotoNeedsMending(t *testing.T) {
	t.Parallel()
	plain := moto()
	plain.command = func(t *testing.T) *exec.Cmd {
		return exec.Command(needVenv(t, "python"), script("moto_start.py"), "--plain")
	}
	w := plain.start(t)
	cfg := w.config("eu-west-1")
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	client := cloudformation.NewFromConfig(cfg)
	set := must[*cloudformation.CreateChangeSetOutput](w, "create change set")(client.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{
		StackName: aws.String("net"), ChangeSetName: aws.String("first"), ChangeSetType: cfntypes.ChangeSetTypeCreate, TemplateBody: aws.String(networkTemplate)}))
	must[*cloudformation.ExecuteChangeSetOutput](w, "execute change set")(client.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.Id}))
	if stack := w.stacks(cfg)["net"]; len(stack.Outputs) > 0 {
		t.Error("moto's stacks have outputs after ExecuteChangeSet: drop mend_outputs")
	}
	if _, err := client.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: aws.String("net")}); err == nil {
		t.Error("moto's DeleteStack deletes route tables: drop mend_route_tables")
	}
	for _, what := range []string{"made", "made again"} {
		set, err := client.CreateChangeSet(t.Context(), &cloudformation.CreateChangeSetInput{
			StackName: aws.String("twice"), ChangeSetName: aws.String("one"), ChangeSetType: cfntypes.ChangeSetTypeCreate, TemplateBody: aws.String(networkTemplate)})
		if err == nil {
			_, err = client.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.Id})
			_, again := client.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.Id})
			err = errors.Join(err, again)
		}
		if err != nil {
			t.Errorf("moto's change set was %s, and executed twice: %v: look whether mend_change_sets can go", what, err)
		}
	}
	began := time.Now()
	for range 2 { // the first loads cfn-lint
		began = time.Now()
		must[*cloudformation.ValidateTemplateOutput](w, "validate")(client.ValidateTemplate(t.Context(), &cloudformation.ValidateTemplateInput{TemplateBody: aws.String(networkTemplate)}))
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("moto's ValidateTemplate took %s: drop mend_validation", took)
	}
}
