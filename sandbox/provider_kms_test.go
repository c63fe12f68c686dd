package sandbox_test

import (
	"context"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const keyedTable = `
Parameters:
  Revision: {Type: String, Default: "1"}
Conditions:
  Second: !Equals [!Ref Revision, "2"]
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      Description: !Sub "r${Revision}"
      EnableKeyRotation: !If [Second, false, true]
      Enabled: !If [Second, false, true]
      PendingWindowInDays: 7
      KeyPolicy:
        Version: "2012-10-17"
        Statement: {Effect: Allow, Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}, Action: "kms:*", Resource: "*"}
      Tags: [{Key: revision, Value: !Ref Revision}]
  Alias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/app, TargetKeyId: !Ref Key}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: !If
        - Second
        - [{AttributeName: pk, AttributeType: S}]
        - [{AttributeName: pk, AttributeType: S}, {AttributeName: email, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      GlobalSecondaryIndexes: !If
        - Second
        - !Ref AWS::NoValue
        - [{IndexName: byEmail, KeySchema: [{AttributeName: email, KeyType: HASH}], Projection: {ProjectionType: ALL}}]
      SSESpecification: !If [Second, !Ref AWS::NoValue, {SSEEnabled: true, SSEType: KMS, KMSMasterKeyId: !GetAtt Key.Arn}]
      TimeToLiveSpecification: {AttributeName: !Sub "ttl${Revision}", Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [Second, false, true]}
      ResourcePolicy:
        PolicyDocument:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "333333333333"}, Action: "dynamodb:GetItem", Resource: "*"}
      Tags: [{Key: revision, Value: !Ref Revision}]
Outputs:
  Key: {Value: !Ref Key}
  KeyArn: {Value: !GetAtt Key.Arn}
  Alias: {Value: !Ref Alias}
  Table: {Value: !Ref Table}
  TableArn: {Value: !GetAtt Table.Arn}
`

// The types of KMS and DynamoDB are made, changed in place and removed by a
// role that may do exactly what their handlers do.
func TestKMSDynamoDBProviders(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	may := `{"Effect":"Allow","Action":["cloudformation:*",
		"kms:CreateKey","kms:TagResource","kms:UntagResource","kms:DescribeKey","kms:EnableKeyRotation","kms:DisableKeyRotation","kms:DisableKey",
		"kms:UpdateKeyDescription","kms:ScheduleKeyDeletion","kms:CreateAlias","kms:DeleteAlias","kms:CreateGrant",
		"kms:GetKeyPolicy","kms:GetKeyRotationStatus","kms:ListResourceTags","kms:ListAliases","dynamodb:ListTagsOfResource","dynamodb:GetResourcePolicy",
		"dynamodb:CreateTable","dynamodb:DescribeTable","dynamodb:UpdateTable","dynamodb:DeleteTable","dynamodb:TagResource","dynamodb:UntagResource",
		"dynamodb:PutResourcePolicy","dynamodb:DescribeTimeToLive","dynamodb:UpdateTimeToLive",
		"dynamodb:DescribeContinuousBackups","dynamodb:UpdateContinuousBackups"],"Resource":"*"}`
	maker := c.actor(devAccount, "Maker", may)
	client, name := cloudformation.NewFromConfig(maker), aws.String("keyed")
	_ = must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(keyedTable)}))
	first := outputs(t, client, *name, "CREATE_COMPLETE")
	if !strings.HasPrefix(first["Table"], "keyed-Table-") || first["Alias"] != "alias/app" || !strings.HasSuffix(first["KeyArn"], ":key/"+first["Key"]) ||
		first["TableArn"] != "arn:aws:dynamodb:eu-west-1:222222222222:table/"+first["Table"] {
		t.Errorf("outputs %v", first)
	}
	tables, keys := c.dynamo(devAccount), c.kms(devAccount)
	table := func() *dynamodb.DescribeTableOutput {
		return must[*dynamodb.DescribeTableOutput](t)(tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(first["Table"])}))
	}
	if shown := table().Table; *shown.SSEDescription.KMSMasterKeyArn != first["KeyArn"] || len(shown.GlobalSecondaryIndexes) != 1 {
		t.Errorf("table %+v", shown)
	}
	_ = must[*dynamodb.GetResourcePolicyOutput](t)(tables.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: aws.String(first["TableArn"])}))

	_ = must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true),
		Parameters: []cfn.Parameter{{ParameterKey: aws.String("Revision"), ParameterValue: aws.String("2")}}}))
	second := outputs(t, client, *name, "UPDATE_COMPLETE")
	for k := range first {
		if first[k] != second[k] {
			t.Errorf("%s was replaced", k)
		}
	}
	if shown := table().Table; shown.SSEDescription != nil || len(shown.GlobalSecondaryIndexes) != 0 {
		t.Errorf("table %+v", shown)
	}
	ttl := must[*dynamodb.DescribeTimeToLiveOutput](t)(tables.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(first["Table"])}))
	if aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl2" {
		t.Errorf("ttl %+v", ttl.TimeToLiveDescription)
	}
	key := must[*kms.DescribeKeyOutput](t)(keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(first["Key"])})).KeyMetadata
	if *key.Description != "r2" || key.KeyState != "Disabled" {
		t.Errorf("key %+v", key)
	}

	_ = must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	listed := must[*cloudformation.ListStacksOutput](t)(client.ListStacks(ctx, nil))
	outputs(t, client, *listed.StackSummaries[0].StackId, "DELETE_COMPLETE")
	key = must[*kms.DescribeKeyOutput](t)(keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(first["Key"])})).KeyMetadata
	if left := must[*dynamodb.ListTablesOutput](t)(tables.ListTables(ctx, nil)); len(left.TableNames) != 0 || key.KeyState != "PendingDeletion" {
		t.Errorf("left %v, key %s", left.TableNames, key.KeyState)
	}

	// One permission less, and the stack fails with the service's own words.
	less := cloudformation.NewFromConfig(c.actor(devAccount, "Less", strings.Replace(may, `"dynamodb:UpdateTimeToLive",`, "", 1)))
	_ = must[*cloudformation.CreateStackOutput](t)(less.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String("less"), TemplateBody: aws.String(keyedTable)}))
	outputs(t, less, "less", "ROLLBACK_COMPLETE")
	events := must[*cloudformation.DescribeStackEventsOutput](t)(less.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: aws.String("less")}))
	found := false
	for _, e := range events.StackEvents {
		found = found || strings.Contains(aws.ToString(e.ResourceStatusReason), "is not authorized to perform: dynamodb:UpdateTimeToLive on resource")
	}
	if !found {
		t.Error("no event says what wasn't allowed")
	}
}

// What can't be changed of a key isn't changed by making another one: that would
// lose what the first has encrypted.
func TestKeysAreNotReplaced(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	body := "Resources: {Key: {Type: AWS::KMS::Key, Properties: {Description: a, MultiRegion: false}}}\nOutputs: {Key: {Value: !Ref Key}}"
	before := t.output(t.want(t.create("s", body), "CREATE_COMPLETE"), "Key")
	changed := strings.Replace(body, "false", "true", 1)
	if set := t.changeSet("s", "c", changed); set.Changes[0].ResourceChange.Replacement == cfn.ReplacementTrue {
		t.Errorf("the change set says %s", lines(set))
	}
	after := t.want(t.update("s", changed), "UPDATE_ROLLBACK_COMPLETE")
	if t.output(after, "Key") != before {
		t.Error("there is another key")
	}
	key, err := kms.NewFromConfig(configOf(t.box, t.url)).DescribeKey(t.ctx, &kms.DescribeKeyInput{KeyId: &before})
	if err != nil || key.KeyMetadata.KeyState != "Enabled" {
		t.Errorf("%v, %v", key, err)
	}
}
