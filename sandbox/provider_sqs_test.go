package sandbox_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

const queuesAndSecrets = `
Parameters:
  Revision: {Type: String}
  Topic: {Type: String}
Resources:
  Dead: {Type: AWS::SQS::Queue}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !Ref Revision
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
      Tags: [{Key: revision, Value: !Ref Revision}]
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: sns.amazonaws.com}, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn,
          Condition: {ArnEquals: {"aws:SourceArn": !Ref Topic}}}]
  Subscription:
    Type: AWS::SNS::Subscription
    DependsOn: QueuePolicy
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn, RawMessageDelivery: true}
  Generated:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString: {SecretStringTemplate: '{"user":"app"}', GenerateStringKey: password, PasswordLength: 40, ExcludePunctuation: true}
  Given:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: given, SecretString: !Sub "hush-${Revision}", Description: !Ref Revision}
  GivenPolicy:
    Type: AWS::SecretsManager::ResourcePolicy
    Properties:
      SecretId: !Ref Given
      BlockPublicPolicy: true
      ResourcePolicy:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "333333333333"}, Action: "secretsmanager:GetSecretValue", Resource: "*"}]
  User:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub "{{resolve:secretsmanager:${Generated}:SecretString:user}}-{{resolve:secretsmanager:given}}"}
    DependsOn: Given
Outputs:
  Url: {Value: !Ref Queue}
  Arn: {Value: !GetAtt Queue.Arn}
  Name: {Value: !GetAtt Queue.QueueName}
  Generated: {Value: !Ref Generated}
  Given: {Value: !GetAtt Given.Id}
  User: {Value: !Ref User}
`

// Queues, secrets and their policies are made, changed and removed with no more
// than the permissions that their handlers need, and no event shows a secret.
func TestQueuesAndSecretsOfStacks(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	topics := c.sns(qaAccount, "eu-west-1")
	topic := *must[*sns.CreateTopicOutput](t)(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders")})).TopicArn
	allow := allows(`{"AWS":"`+devAccount+`"}`, "sns:Subscribe", topic, "")
	_ = must[*sns.SetTopicAttributesOutput](t)(topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &allow}))
	role := c.executionRole(`"sqs:CreateQueue","sqs:GetQueueAttributes","sqs:SetQueueAttributes","sqs:DeleteQueue","sqs:TagQueue","sqs:UntagQueue","sqs:ListQueueTags","sqs:GetQueueUrl",
		"sns:Subscribe","sns:Unsubscribe","sns:GetSubscriptionAttributes","secretsmanager:CreateSecret","secretsmanager:TagResource","secretsmanager:UntagResource","secretsmanager:UpdateSecret",
		"secretsmanager:DescribeSecret","secretsmanager:DeleteSecret","secretsmanager:GetRandomPassword","secretsmanager:GetSecretValue",
		"secretsmanager:GetResourcePolicy","secretsmanager:PutResourcePolicy","secretsmanager:DeleteResourcePolicy",
		"ssm:PutParameter","ssm:DeleteParameter","ssm:AddTagsToResource","ssm:RemoveTagsFromResource","ssm:GetParameters","ssm:ListTagsForResource"`)
	cfg := c.in(devAccount, "eu-west-1")
	client, name := cloudformation.NewFromConfig(cfg), aws.String("Messages")
	parameters := func(revision string) []cfn.Parameter {
		return []cfn.Parameter{{ParameterKey: aws.String("Revision"), ParameterValue: &revision}, {ParameterKey: aws.String("Topic"), ParameterValue: &topic}}
	}
	_ = must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, RoleARN: &role,
		TemplateBody: aws.String(queuesAndSecrets), Parameters: parameters("10")}))
	out := outputs(t, client, *name, "CREATE_COMPLETE")
	for k, pattern := range map[string]string{"Url": `^http://.*/222222222222/Messages-Queue-[A-Z0-9]{12}$`, "Arn": `^arn:aws:sqs:eu-west-1:222222222222:Messages-Queue-`,
		"Name": `^Messages-Queue-`, "Generated": `:secret:Generated-[0-9a-f]{12}-[0-9a-f]{6}$`, "Given": `:secret:given-[0-9a-f]{6}$`} {
		if !regexp.MustCompile(pattern).MatchString(out[k]) {
			t.Errorf("output %s = %q, want %s", k, out[k], pattern)
		}
	}
	_ = must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Message: aws.String("hello")}))
	queues := sqs.NewFromConfig(cfg)
	if got := bodies(t, queues, out["Url"], 0); len(got) != 1 || got[0] != "hello" {
		t.Errorf("received %v", got)
	}
	value := func(id string) string {
		t.Helper()
		return *must[*secretsmanager.GetSecretValueOutput](t)(secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})).SecretString
	}
	if got := value(out["Generated"]); !regexp.MustCompile(`^{"password":"[A-Za-z0-9]{40}","user":"app"}$`).MatchString(got) {
		t.Errorf("generated %s", got)
	}
	user := must[*ssm.GetParameterOutput](t)(ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(out["User"])}))
	if *user.Parameter.Value != "app-hush-10" {
		t.Errorf("the references gave %s", *user.Parameter.Value)
	}

	_ = must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true), Parameters: parameters("20")}))
	again := outputs(t, client, *name, "UPDATE_COMPLETE")
	shown := must[*sqs.GetQueueAttributesOutput](t)(queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(again["Url"]), AttributeNames: []sqstypes.QueueAttributeName{"All"}}))
	if again["Url"] != out["Url"] || shown.Attributes["VisibilityTimeout"] != "20" || value("given") != "hush-20" {
		t.Errorf("after the update: %v, %v", again, shown.Attributes)
	}
	events := must[*cloudformation.DescribeStackEventsOutput](t)(client.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: name}))
	for _, e := range events.StackEvents {
		if strings.Contains(aws.ToString(e.ResourceProperties), "hush") {
			t.Fatalf("an event shows the secret: %s", *e.ResourceProperties)
		}
	}
	stack := must[*cloudformation.DescribeStacksOutput](t)(client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})).Stacks[0].StackId
	_ = must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	outputs(t, client, *stack, "DELETE_COMPLETE")
	left := must[*sqs.ListQueuesOutput](t)(queues.ListQueues(ctx, nil)).QueueUrls
	secrets := must[*secretsmanager.ListSecretsOutput](t)(secretsmanager.NewFromConfig(cfg).ListSecrets(ctx, nil)).SecretList
	if len(left)+len(secrets) != 0 {
		t.Errorf("left behind: %v %v", left, secrets)
	}
}

// executionRole makes a role of the dev account that CloudFormation works as.
func (c *cloud) executionRole(actions string) string {
	c.t.Helper()
	ctx, client := context.Background(), iam.NewFromConfig(c.in(devAccount, "us-east-1"))
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudformation.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[%s],"Resource":"*"}]}`, actions)
	out := must[*iam.CreateRoleOutput](c.t)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Execution"), AssumeRolePolicyDocument: &trust}))
	_ = must[*iam.PutRolePolicyOutput](c.t)(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("Execution"), PolicyName: aws.String("work"), PolicyDocument: &doc}))
	return *out.Role.Arn
}
