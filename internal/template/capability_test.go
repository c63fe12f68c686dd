package template

import (
	"strings"
	"testing"
)

func TestCapabilities(t *testing.T) {
	const sam = "Transform: AWS::Serverless-2016-10-31\n"
	const role = "R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}"
	for name, tt := range map[string]struct{ text, want string }{
		"none":        {"Resources:\n  T: {Type: AWS::SNS::Topic}\n", ""},
		"role":        {"Resources:\n  " + role + "}}\n", "CAPABILITY_IAM R"},
		"named":       {"Resources:\n  " + role + ", RoleName: r}}\n  P: {Type: AWS::IAM::Policy}\n", "CAPABILITY_NAMED_IAM R"},
		"conditional": {"Conditions: {C: !Equals [!Ref AWS::Region, x]}\nResources:\n  " + role + "}, Condition: C}\n", ""},
		"maybe named": {"Conditions: {C: !Equals [!Ref AWS::Region, x]}\nResources:\n  " + role + ", RoleName: !If [C, r, !Ref AWS::NoValue]}}\n", "CAPABILITY_IAM R"},
		"function":    {sam + "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://b/k}}\n", "CAPABILITY_IAM F"},
		"with a role": {sam + "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://b/k, Role: arn}}\n", ""},
		"nested":      {sam + "Resources:\n  A: {Type: AWS::Serverless::Application, Properties: {Location: x}}\n", "CAPABILITY_AUTO_EXPAND A"},
	} {
		parsed, problems := Parse("t.yaml", []byte(tt.text))
		if err := problems.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, n := range parsed.Capabilities(nil) {
			got = append(got, n.Capability+" "+n.Resource)
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %q, want %q", name, s, tt.want)
		}
	}
}

func TestNestedCapabilities(t *testing.T) {
	read := func(text string) *Template {
		parsed, problems := Parse("t.yaml", []byte(text))
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	inner := read("Transform: AWS::LanguageExtensions\nResources:\n  R: {Type: AWS::IAM::Role, Properties: {RoleName: r, AssumeRolePolicyDocument: {}}}\n")
	outer := read("Resources:\n  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: x}}\n")
	got := outer.Capabilities(map[string]*Nested{"N": {Template: inner}})
	if len(got) != 2 || got[0].Capability != CapabilityNamedIAM || got[0].Resource != "R" || got[1].Capability != CapabilityAutoExpand {
		t.Errorf("%+v", got)
	}
}
