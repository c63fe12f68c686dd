package privilege

import (
	"testing"

	"axle/internal/template"
)

// Nested templates that are known are computed as stacks with names that
// CloudFormation makes, with the parameters that the outer template gives them.
func TestNested(t *testing.T) {
	outer := "Resources:\n  Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml, Parameters: {Name: orders}}}\n  Other: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: https://x/y.yaml}}\n"
	inner := "Parameters: {Name: {Type: String, Default: wrong}}\nResources:\n  Made: {Type: AWS::SQS::Queue}\n  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}\n"
	g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, outer), Regions: []string{"eu-west-1"},
		Nested: map[string]*template.Nested{"Inner": {Template: parsed(t, inner)}}}}}
	r := For(Deploy, g, nil)
	if len(r.Gaps) != 1 || r.Gaps[0].Type != "AWS::CloudFormation::Stack" {
		t.Errorf("gaps of the other: %v", r.Gaps)
	}
	for action, resources := range map[string]map[string]bool{
		"sqs:CreateQueue": {"sqs:eu-west-1:111111111111:app-Inner-ABCDEFGHIJKL-Made-ABC": true, "sqs:eu-west-1:111111111111:orders": true,
			"sqs:eu-west-1:111111111111:wrong": false, "sqs:eu-west-1:111111111111:app-Made-ABC": false},
		"cloudformation:CreateStack":         {"cloudformation:eu-west-1:111111111111:stack/app-Inner-ABC/1": true, "cloudformation:eu-west-1:111111111111:stack/other/1": false},
		"cloudformation:DescribeStackEvents": {"cloudformation:eu-west-1:111111111111:stack/app-Inner-ABC/1": true},
	} {
		for resource, want := range resources {
			if got := allows(t, r.Statements, action, "arn:aws:"+resource, nil); got != want {
				t.Errorf("%s on %s: %v", action, resource, got)
			}
		}
	}
}
