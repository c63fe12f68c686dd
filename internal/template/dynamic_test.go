package template

import (
	"strings"
	"testing"
)

func TestUndynamic(t *testing.T) {
	const head = "Parameters:\n  P: {Type: String, NoEcho: true}\n  N: {Type: Number}\n  L: {Type: String, MaxLength: 10}\n"
	for _, tt := range []struct{ name, parameter, body, why string }{
		{"ref", "P", "Resources:\n  R: {Type: AWS::RDS::DBInstance, Properties: {MasterUserPassword: !Ref P}}", ""},
		{"long ref", "P", `Resources: {R: {Type: "AWS::SNS::Topic", Properties: {DisplayName: {Ref: P}}}}`, ""},
		{"sub, join and if", "P", "Conditions: {C: !Equals [a, a]}\nResources:\n  R: {Type: AWS::SNS::Topic, Properties: {A: !Sub 'x${P}', B: !Join ['', [a, !Ref P]], C: !If [C, !Ref P, {'Fn::Sub': '${P}'}], D: [{E: !Ref P}]}}", ""},
		{"unused", "P", "Resources:\n  R: {Type: AWS::SNS::Topic}", ""},
		{"base64", "P", "Resources:\n  R: {Type: AWS::EC2::Instance, Properties: {UserData: !Base64 {Ref: P}}}", "line 6 uses it"},
		{"long base64", "P", "Resources:\n  R: {Type: AWS::EC2::Instance, Properties: {UserData: {'Fn::Base64': !Sub 'x${P}'}}}", "line 6 uses it"},
		{"split", "P", "Resources:\n  R: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Select [0, !Split [',', !Ref P]]}}", "line 6 uses it"},
		{"condition", "P", "Conditions: {C: !Equals [!Ref P, a]}\nResources:\n  R: {Type: AWS::SNS::Topic}", "line 5 uses it"},
		{"output", "P", "Resources:\n  R: {Type: AWS::SNS::Topic}\nOutputs:\n  O: {Value: !Ref P}", "line 8 uses it"},
		{"metadata", "P", "Resources:\n  R: {Type: AWS::SNS::Topic, Metadata: {A: !Ref P}}", "line 6 uses it"},
		{"custom resource", "P", "Resources:\n  R: {Type: Custom::Thing, Properties: {ServiceToken: a, A: !Ref P}}", "line 6 uses it"},
		{"nested stack", "P", "Resources:\n  R: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: a, Parameters: {A: !Ref P}}}", "line 6 uses it"},
		{"number", "N", "Resources:\n  R: {Type: AWS::SNS::Topic}", "its type is Number"},
		{"limits", "L", "Resources:\n  R: {Type: AWS::SNS::Topic}", "the limits"},
		{"transform", "P", "Transform: AWS::Serverless-2016-10-31\nResources:\n  R: {Type: AWS::SNS::Topic}", "transform AWS::Serverless-2016-10-31"},
	} {
		parsed, problems := Parse("t.yaml", []byte(head+tt.body))
		if err := problems.Err(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		why, at := parsed.Undynamic(tt.parameter)
		if tt.why == "" && why != "" || !strings.Contains(why, tt.why) {
			t.Errorf("%s: got %q, want %q", tt.name, why, tt.why)
		}
		if why != "" && at.Line == 0 {
			t.Errorf("%s: no place", tt.name)
		}
	}
}
