package sandbox_test

import (
	"bytes"
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
	"github.com/aws/aws-sdk-go-v2/service/s3"
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
      Timeout: !If [Reserved, 900, 600]
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
	qa := lambda.NewFromConfig(c.in(qaAccount, "eu-west-1"))
	inTheEnd(t, "AccessDeniedException", "because no resource-based policy allows the lambda:InvokeFunction action", func() error {
		_, err := qa.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(made["Arn"])})
		return err
	})
	if out, _ := invoked(t, qa, made["Arn"], `{}`); out["color"] != "red" {
		t.Errorf("answered %v", out)
	}
	must[*cloudformation.UpdateStackOutput](t)(client.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, UsePreviousTemplate: aws.Bool(true),
		Parameters: parameters("blue", "256"), Capabilities: []cfn.Capability{cfn.CapabilityCapabilityIam}}))
	for ; ; time.Sleep(pollTime) { // a describe may be of before
		out := must[*cloudformation.DescribeStacksOutput](t)(client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}))
		if out.Stacks[0].StackStatus != cfn.StackStatusCreateComplete {
			break
		}
	}
	if changed := outputs(t, client, *name, "UPDATE_COMPLETE"); changed["Arn"] != made["Arn"] {
		t.Errorf("the function was replaced: %v", changed)
	}
	got := must[*lambda.GetFunctionOutput](t)(functions.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(made["Name"])}))
	if f := got.Configuration; f.Environment.Variables["COLOR"] != "blue" || *f.MemorySize != 256 || *f.Timeout != 900 || got.Tags["color"] != "blue" ||
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
	for len(must[*lambda.ListFunctionsOutput](t)(functions.ListFunctions(ctx, &lambda.ListFunctionsInput{})).Functions) > 0 {
		time.Sleep(pollTime)
	}
}

// A layer that a stack publishes is used by functions of other accounts that it
// lets, and by those that have it after it is gone.
func TestLayerStack(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	store := c.s3(devAccount, "eu-west-1")
	bucket := c.bucket(store, "layers-of-dev", "eu-west-1")
	layer := zipped(t, map[string]string{"python/shared.py": "def greet(name): return 'Hello ' + name"})
	must[*s3.PutObjectOutput](t)(store.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("l.zip"), Body: bytes.NewReader(layer)}))
	client, name := cloudformation.NewFromConfig(c.in(devAccount, "eu-west-1")), aws.String("layers")
	must[*cloudformation.CreateStackOutput](t)(client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(`
Resources:
  Layer:
    Type: AWS::Lambda::LayerVersion
    Properties: {LayerName: shared, Content: {S3Bucket: layers-of-dev, S3Key: l.zip}, CompatibleRuntimes: [python3.12]}
  Permission:
    Type: AWS::Lambda::LayerVersionPermission
    Properties: {LayerVersionArn: !Ref Layer, Action: lambda:GetLayerVersion, Principal: "333333333333"}
Outputs:
  Layer: {Value: !Ref Layer}
`)}))
	arn := outputs(t, client, *name, "CREATE_COMPLETE")["Layer"]
	if arn != "arn:aws:lambda:eu-west-1:222222222222:layer:shared:1" {
		t.Errorf("the layer is %s", arn)
	}
	qa := c.lambda(qaAccount)
	with := func(in *lambda.CreateFunctionInput) { in.Layers = []string{arn} }
	code := map[string]string{"index.py": "import shared\ndef handler(event, context): return {'said': shared.greet('Ann')}"}
	c.function(qa, "greeter", c.lambdaRole(qaAccount, "Runs"), "python3.12", code, with)
	must[*cloudformation.DeleteStackOutput](t)(client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
	for ; ; time.Sleep(pollTime) {
		if _, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name}); err != nil {
			break
		}
	}
	if out, _ := invoked(t, qa, "greeter", `{}`); out["said"] != "Hello Ann" {
		t.Errorf("answered %v", out)
	}
	_, err := qa.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("greeter"), Layers: []string{arn}})
	refused(t, err, "AccessDeniedException", "lambda:GetLayerVersion")
}
