package sandbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"axle/sandbox"
)

// "Each resource to import must have a DeletionPolicy attribute", so that undoing
// the import can't delete it ("Import AWS resources into a CloudFormation stack").
func TestImportWantsADeletionPolicy(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	_, err := ssm.NewFromConfig(configOf(t.box, t.url)).PutParameter(t.ctx, &ssm.PutParameterInput{Name: aws.String("/x"),
		Value: aws.String("v"), Type: ssmtypes.ParameterTypeString})
	if err != nil {
		t.Fatal(err)
	}
	body := "Resources:\n  P: {Type: AWS::SSM::Parameter, Properties: {Name: /x, Type: String, Value: v}}\n"
	bring := func(body string) error {
		_, err := t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("bring"),
			ChangeSetType: types.ChangeSetTypeImport, TemplateBody: &body, ResourcesToImport: []types.ResourceToImport{{
				LogicalResourceId: aws.String("P"), ResourceType: aws.String("AWS::SSM::Parameter"), ResourceIdentifier: map[string]string{"Name": "/x"}}}})
		return err
	}
	t.refused(bring(body), "ValidationError", "The following resources to import [P] must have DeletionPolicy attribute specified in the template.")
	if err := bring(strings.Replace(body, "P: {", "P: {DeletionPolicy: Delete, ", 1)); err != nil {
		t.Error(err)
	}
}
