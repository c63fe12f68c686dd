package privilege

import "testing"

// What a resource is told by another one's output isn't that other one: the role
// that a nested stack or a custom resource gives may be any, and a secret that RDS
// keeps is no database.
func TestPointedByOutputs(t *testing.T) {
	const body = `
Resources:
  Nested: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "https://b.s3.amazonaws.com/t.yaml"}}
  Maker: {Type: AWS::CloudFormation::CustomResource, Properties: {ServiceToken: "arn:aws:lambda:eu-west-1:111111111111:function:maker"}}
  Db: {Type: AWS::RDS::DBInstance, Properties: {ManageMasterUserPassword: true}}
  One: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Nested.Outputs.RoleArn, Code: {ZipFile: x}}}
  Two: {Type: AWS::Lambda::Function, Properties: {Role: !Sub "${Maker.RoleArn}", Code: {ZipFile: x}}}
  Three: {Type: AWS::Lambda::Function, Properties: {Role: !Sub "arn:aws:iam::111111111111:role/${Maker}", Code: {ZipFile: x}}}
  Rotation: {Type: AWS::SecretsManager::RotationSchedule, Properties: {SecretId: !GetAtt Db.MasterUserSecret.SecretArn}}
`
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, body), Regions: []string{"eu-west-1"}}}}
	list := For(Deploy, g, nil).Statements
	passed := map[string][]string{"iam:passedtoservice": {"lambda.amazonaws.com"}}
	if !allows(t, list, "iam:PassRole", "arn:aws:iam::111111111111:role/app-Nested-1ABC-Role-2DEF", passed) {
		t.Error("the role that the nested stack makes can't be passed")
	}
	if !allows(t, list, "secretsmanager:RotateSecret", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds!db-1234-AbCdEf", nil) {
		t.Error("the secret that RDS keeps can't be rotated")
	}
	if allows(t, list, "iam:PassRole", "arn:aws:iam::111111111111:role/x", nil) || allows(t, list, "iam:PassRole", "arn:aws:iam::222222222222:role/x", passed) {
		t.Error("roles can be passed to anybody, or from another account")
	}
}

// A name that a condition puts together is one of several: both can be made.
func TestNamesUnderConditions(t *testing.T) {
	for name, value := range map[string]string{
		"join": `!Join ["-", [shop, !If [C, prod, dev], orders]]`,
		"sub":  `!Sub ["shop-${Stage}-orders", {Stage: !If [C, prod, dev]}]`,
		"if":   `!If [C, shop-prod-orders, shop-dev-orders]`,
		"ifs":  `!If [D, !If [C, shop-prod-orders, shop-dev-orders], shop-prod-orders]`,
	} {
		body := "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [!Ref P, x], D: !Equals [!Ref P, y]}\nResources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: " + value + "}}\n"
		g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, body), Regions: []string{"eu-west-1"}}}}
		list := For(Deploy, g, nil).Statements
		for queue, want := range map[string]bool{"shop-prod-orders": true, "shop-dev-orders": true, "shop-prod-other": false, "app-Q-ABC": false} {
			if got := allows(t, list, "sqs:CreateQueue", "arn:aws:sqs:eu-west-1:111111111111:"+queue, nil); got != want {
				t.Errorf("%s: %s may be made: %v", name, queue, got)
			}
		}
	}
}
