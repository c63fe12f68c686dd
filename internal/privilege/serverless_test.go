package privilege

import "testing"

const application = `
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap}}
Resources:
  Front:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://code/front.zip
      AutoPublishAlias: live
      Layers: [!Ref Libs]
      Events:
        Get: {Type: HttpApi, Properties: {Path: /, Method: get}}
        Tick: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
        Bus: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop]}}}
  Named:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: orders, CodeUri: s3://code/orders.zip, Role: !GetAtt Own.Arn}
  Own: {Type: AWS::IAM::Role, Properties: {RoleName: worker, AssumeRolePolicyDocument: {}}}
  Libs: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: s3://code/libs.zip}}
  Seats: {Type: AWS::Serverless::SimpleTable}
  Permission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Front.Alias, Action: x, Principal: y}}
`

// What AWS SAM makes is computed, and narrowed to names, as if it were written out.
func TestServerless(t *testing.T) {
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, application), Regions: []string{"eu-west-1"}}}}
	r := For(Deploy, g, nil)
	if len(r.Gaps) > 0 {
		t.Errorf("gaps %v", r.Gaps)
	}
	passed := func(service string) map[string][]string {
		return map[string][]string{"iam:passedtoservice": {service + ".amazonaws.com"}}
	}
	const in = ":eu-west-1:111111111111:"
	for _, tt := range []struct {
		action, resource string
		keys             map[string][]string
		want             bool
	}{
		{"lambda:CreateFunction", "arn:aws:lambda" + in + "function:app-Front-ABC", nil, true},
		{"lambda:CreateFunction", "arn:aws:lambda" + in + "function:orders", nil, true},
		{"lambda:CreateFunction", "arn:aws:lambda" + in + "function:other", nil, false},
		{"lambda:AddPermission", "arn:aws:lambda" + in + "function:app-Front-ABC:live", nil, true},
		{"lambda:PublishVersion", "arn:aws:lambda" + in + "function:orders", nil, false},
		{"lambda:PublishLayerVersion", "arn:aws:lambda" + in + "layer:Libs", nil, true},
		{"lambda:GetLayerVersion", "arn:aws:lambda" + in + "layer:Libs:3", nil, true},
		{"iam:CreateRole", "arn:aws:iam::111111111111:role/app-FrontRole-ABC", nil, true},
		{"iam:CreateRole", "arn:aws:iam::111111111111:role/app-NamedRole-ABC", nil, false},
		{"iam:AttachRolePolicy", "arn:aws:iam::111111111111:role/app-FrontRole-ABC", nil, true},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/app-FrontRole-ABC", passed("lambda"), true},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/app-FrontTickRole-ABC", passed("scheduler"), true},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/app-FrontTickRole-ABC", passed("lambda"), false},
		{"iam:PassRole", "arn:aws:iam::111111111111:role/worker", passed("lambda"), true},
		{"scheduler:CreateSchedule", "arn:aws:scheduler" + in + "schedule/default/FrontTick", nil, true},
		{"events:PutRule", "arn:aws:events" + in + "rule/app-FrontBus-ABC", nil, true},
		{"apigateway:POST", "arn:aws:apigateway:eu-west-1::/apis", nil, true},
		{"apigateway:POST", "arn:aws:apigateway:eu-west-1::/restapis", nil, false},
		{"dynamodb:CreateTable", "arn:aws:dynamodb" + in + "table/app-Seats-ABC", nil, true},
		{"s3:GetObject", "arn:aws:s3:::code/front.zip", nil, true},
		{"cloudformation:CreateChangeSet", "arn:aws:cloudformation:eu-west-1:aws:transform/Serverless-2016-10-31", nil, true},
	} {
		if got := allows(t, r.Statements, tt.action, tt.resource, tt.keys); got != tt.want {
			t.Errorf("%s on %s: %v", tt.action, tt.resource, got)
		}
	}
}

// A type of AWS SAM whose making isn't known is a gap.
func TestServerlessGap(t *testing.T) {
	body := "Transform: AWS::Serverless-2016-10-31\nResources:\n  A: {Type: AWS::Serverless::GraphQLApi, Properties: {}}\n  T: {Type: AWS::SNS::Topic, Connectors: {C: {Properties: {Destination: {Id: A}, Permissions: [Read]}}}}\n"
	r := For(Deploy, &Group{Stacks: []Stack{{Name: "app", Template: parsed(t, body)}}}, nil)
	if len(r.Gaps) != 2 || r.Gaps[0].Type != "AWS::Serverless::GraphQLApi" || r.Gaps[1].Type != "AWS::Serverless::Connector" {
		t.Errorf("gaps %v", r.Gaps)
	}
}

// Whoever executes a prepared change set protects the stack, where that is asked.
func TestExecuteProtects(t *testing.T) {
	stack := Stack{Name: "app", Template: parsed(t, "Resources:\n  T: {Type: AWS::SNS::Topic}\n"), Regions: []string{"eu-west-1"}, ExecutionRole: "maker", Protect: true}
	const action, on = "cloudformation:UpdateTerminationProtection", "arn:aws:cloudformation:eu-west-1:111111111111:stack/app/1"
	for _, protect := range []bool{true, false} {
		stack.Protect = protect
		for _, role := range []Role{Execute, Deploy} {
			r := For(role, &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{stack}}, nil)
			if got := allows(t, r.Statements, action, on, nil); got != protect {
				t.Errorf("%s, protect: %v: %v", role, protect, got)
			}
		}
	}
}
