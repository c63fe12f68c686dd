package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const functionTemplate = `
Parameters:
  Color: {Type: String}
  Size: {Type: Number, Default: 128}
Conditions:
  Reserved: !Equals [!Ref Size, 256]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Runtime: python3.12
      Handler: index.handler
      MemorySize: !Ref Size
      Timeout: !If [Reserved, 10, !Ref AWS::NoValue]
      ReservedConcurrentExecutions: !If [Reserved, 5, !Ref AWS::NoValue]
      Environment: {Variables: {COLOR: !Ref Color}}
      Tags: [{Key: color, Value: !Ref Color}]
      Code:
        ZipFile: |
          import os
          def handler(event, context):
              return {"color": os.environ["COLOR"]}
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Function, Action: lambda:InvokeFunction, Principal: "333333333333"}
  Version:
    Type: AWS::Lambda::Version
    Properties: {FunctionName: !Ref Function}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version, Name: live}
  Async:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {FunctionName: !Ref Function, Qualifier: live, MaximumRetryAttempts: 1, DependsOn: !Ref AWS::NoValue}
    DependsOn: Alias
Outputs:
  Name: {Value: !Ref Function}
  Arn: {Value: !GetAtt Function.Arn}
  Alias: {Value: !Ref Alias}
  Version: {Value: !Ref Version}
`

// A function with its role is deployed although roles are slow to be known,
// changed in place, and removed.
func TestFunctionStack(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{Unkind: true, Seed: 3})
	cfg := c.in(devAccount, "eu-west-1")
	client, functions := cloudformation.NewFromConfig(cfg), lambda.NewFromConfig(cfg)
	name, template := aws.String("functions"), aws.String(strings.Replace(functionTemplate, ", DependsOn: !Ref AWS::NoValue", "", 1))
	parameters := func(color, size string) []cfn.Parameter {
		return []cfn.Parameter{{ParameterKey: aws.String("Color"), ParameterValue: &color}, {ParameterKey: aws.String("Size"), ParameterValue: &size}}
	}
	must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: template,
		Parameters: parameters("red", "128"), Capabilities: []cfn.Capability{cfn.CapabilityCapabilityIam}}))
	made := outputs(t, client, *name, "CREATE_COMPLETE")
	if !strings.HasPrefix(made["Name"], "functions-Function-") || made["Arn"] != "arn:aws:lambda:eu-west-1:222222222222:function:"+made["Name"] ||
		made["Alias"] != made["Arn"]+":live" || made["Version"] != made["Arn"]+":1" {
		t.Errorf("outputs are %v", made)
	}
	if out, _ := invoked(t, lambda.NewFromConfig(c.in(qaAccount, "eu-west-1")), made["Arn"], `{}`); out["color"] != "red" {
		t.Errorf("answered %v", out)
	}
	must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true),
		Parameters: parameters("blue", "256"), Capabilities: []cfn.Capability{cfn.CapabilityCapabilityIam}}))
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // a describe may be of before
		out := must[*cloudformation.DescribeStacksOutput](t)(client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))
		if out.Stacks[0].StackStatus != cfn.StackStatusCreateComplete {
			break
		}
	}
	if changed := outputs(t, client, *name, "UPDATE_COMPLETE"); changed["Arn"] != made["Arn"] {
		t.Errorf("the function was replaced: %v", changed)
	}
	got := must[*lambda.GetFunctionOutput](t)(functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(made["Name"])}))
	if f := got.Configuration; f.Environment.Variables["COLOR"] != "blue" || *f.MemorySize != 256 || *f.Timeout != 10 || got.Tags["color"] != "blue" ||
		f.State != types.StateActive || *got.Concurrency.ReservedConcurrentExecutions != 5 {
		t.Errorf("the function is %+v, %+v", f, got)
	}
	if out, _ := invoked(t, functions, made["Name"], `{}`); out["color"] != "blue" {
		t.Errorf("answered %v", out)
	}
	if out, _ := invoked(t, functions, made["Alias"], `{}`); out["color"] != "red" { // the version is as it was published
		t.Errorf("the alias answered %v", out)
	}
	must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := must[*lambda.ListFunctionsOutput](t)(functions.ListFunctions(ctx, &lambda.ListFunctionsInput{}))
		if len(left.Functions) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is left", *left.Functions[0].FunctionName)
		}
	}
}
