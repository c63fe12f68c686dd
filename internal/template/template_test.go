package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"axle/internal/diag"

	"github.com/google/go-cmp/cmp"
)

const network = `AWSTemplateFormatVersion: "2010-09-09"
Description: a network
Parameters:
  Cidr: {Type: String, AllowedPattern: '\d+\.\d+\.\d+\.\d+/\d+'}
  Size:
    Type: Number
    Default: 2
    MinValue: 1
    MaxValue: 4
  Env: {Type: String, Default: dev, AllowedValues: [dev, prod]}
Mappings:
  Sizes: {dev: {n: 1}}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  NotProd: !Not [{Condition: Prod}]
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: !Ref Cidr
      Tags: [{Key: Name, Value: !Sub "${AWS::StackName}-${Env}-${!Literal}"}]
  Topic:
    Type: AWS::SNS::Topic
    Condition: Prod
    DependsOn: Vpc
    Properties:
      DisplayName: !FindInMap [Sizes, dev, n]
      TopicName: {"Fn::Sub": ["${x}-${Vpc.CidrBlock}", {x: !ImportValue shared}]}
Outputs:
  VpcId:
    Value: !Ref Vpc
    Export: {Name: !Sub "${AWS::StackName}-VpcId"}
  TopicName: {Condition: Prod, Value: !GetAtt Topic.TopicName, Export: {Name: topic}}
`

func TestParse(t *testing.T) {
	tp, l := Parse("n.yaml", []byte(network))
	if len(l) != 0 {
		t.Fatal(l)
	}
	if tp.Opaque() != "" {
		t.Errorf("opaque: %s", tp.Opaque())
	}
	if got, want := sortedKeys(tp.Parameters), []string{"Cidr", "Env", "Size"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got := tp.Outputs["VpcId"]; got.Export != "!Sub ${AWS::StackName}-VpcId" || got.Pos.Line != 30 || got.Pos.Col != 3 {
		t.Errorf("VpcId = %+v", got)
	}
	if got := tp.Outputs["TopicName"]; got.Export != "topic" || got.Condition != "Prod" {
		t.Errorf("TopicName = %+v", got)
	}
	if r := tp.Resources["Topic"]; r.Type != "AWS::SNS::Topic" || r.Condition != "Prod" || !cmp.Equal(r.DependsOn, []string{"Vpc"}) {
		t.Errorf("Topic = %+v", r)
	}
	if len(tp.Imports) != 1 || tp.Imports[0].Name != "shared" || !tp.Imports[0].Literal {
		t.Errorf("imports = %+v", tp.Imports)
	}
	if got := tp.Defaults(map[string]bool{"Env": true}); !cmp.Equal(got, map[string]string{"Size": "2"}) {
		t.Errorf("defaults = %v", got)
	}
}

func TestMistakes(t *testing.T) {
	const topic = "Resources:\n  T: {Type: AWS::SNS::Topic}\n"
	for name, c := range map[string]struct{ src, want string }{
		"empty":              {"", "t: the template is empty"},
		"not yaml":           {"Resources: [\n", "not well-formed YAML"},
		"tabs":               {"Resources:\n\tT: x\n", "indent with spaces"},
		"not json":           {"{\"Resources\": {\n \"a\" }}", "t:2:"},
		"no resources":       {"Description: x\n", "t:1:1: the template has no Resources"},
		"section":            {topic + "Output: {}\n", `t:3:1: unknown template section "Output"` + "\n  hint: did you mean Outputs?"},
		"no type":            {"Resources:\n  T: {Properties: {}}\n", "t:2:3: resource T has no Type"},
		"attribute":          {"Resources:\n  T: {Type: AWS::SNS::Topic, Propertys: {}}\n", "did you mean Properties?"},
		"undeclared":         {"Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nam}}\nParameters: {Name: {Type: String}}\n", `t:2:54: Ref refers to "Nam"`},
		"pseudo":             {"Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref AWS::Regio}}\n", "did you mean AWS::Region?"},
		"function":           {"Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: !Reff X}}\n", "did you mean !Ref?"},
		"condition":          {"Resources:\n  T: {Type: AWS::SNS::Topic, Condition: C}\n", "no such condition"},
		"depends":            {"Resources:\n  T: {Type: AWS::SNS::Topic, DependsOn: [U]}\n", `DependsOn refers to "U"`},
		"alias":              {"Resources:\n  T: &a {Type: AWS::SNS::Topic}\n  U: *a\n", "t:3:6: CloudFormation doesn't take YAML aliases"},
		"twice":              {"Resources:\n  T: {Type: AWS::SNS::Topic}\n  T: {Type: AWS::SNS::Topic}\n", `t:3:3: "T" is in Resources twice`},
		"parameter type":     {topic + "Parameters: {P: {Type: Strin}}\n", "did you mean String?"},
		"parameter no type":  {topic + "Parameters: {P: {Default: x}}\n", "parameter P has no Type"},
		"parameter default":  {topic + "Parameters: {P: {Type: String, Default: c, AllowedValues: [a, b]}}\n", `"c" is not one of the allowed values a, b`},
		"parameter number":   {topic + "Parameters: {P: {Type: Number, Default: c}}\n", `"c" is not a number`},
		"parameter key":      {topic + "Parameters: {P: {Type: String, Defalt: c}}\n", "did you mean Default?"},
		"output value":       {topic + "Outputs: {O: {Export: {Name: x}}}\n", "t:3:11: output O has no Value"},
		"output name":        {topic + "Outputs: {a-b: {Value: x}}\n", "not alphanumeric"},
		"json undeclared":    {`{"Resources": {"T": {"Type": "AWS::SNS::Topic",` + "\n\t" + `"Properties": {"TopicName": {"Ref": "X"}}}}}`, `t:2:38: Ref refers to "X"`},
		"json characters":    {`{"Description": "für alle", "Resources": {"T": {"Type": "AWS::SNS::Topic",` + "\n" + `"Properties": {"DisplayName": "größer", "TopicName": {"Ref": "X"}}}}}`, `t:2:62: Ref refers to "X"`},
		"long function":      {"Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: {'Fn::Subb': x}}}\n", `t:2:55: unknown function Fn::Subb` + "\n  hint: did you mean Fn::Sub?"},
		"second document":    {topic + "---\n" + topic, "t:4:1: the template has a second YAML document"},
		"key twice":          {"Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties:\n      TopicName: a\n      TopicName: b\n", `t:6:7: warning: key "TopicName" is here for the second time; the first is in line 5`},
		"scalar for mapping": {"Resources: 5\n", "Resources must be a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			_, l := Parse("t", []byte(c.src))
			if !strings.Contains(l.Error(), c.want) {
				t.Errorf("got %q, want %q", l.Error(), c.want)
			}
		})
	}
}

// What CloudFormation or a macro takes isn't called a mistake.
func TestNoMistakes(t *testing.T) {
	for name, src := range map[string]string{
		"version of a custom resource": "Resources:\n  C: {Type: Custom::X, Version: '1.0', Properties: {ServiceToken: x}}\n",
		"an empty document":            "Resources:\n  C: {Type: AWS::SNS::Topic}\n---\n",
		"attribute for a macro":        "Transform: Count\nResources:\n  B: {Type: AWS::S3::Bucket, Count: 3}\nOutputs: {O: {Each: x}}\n",
	} {
		if _, l := Parse("t", []byte(src)); len(l) > 0 {
			t.Errorf("%s: %v", name, l)
		}
	}
	if _, l := Parse("t", []byte("Transform: AWS::LanguageExtensions\nResources:\n  B: {Type: AWS::S3::Bucket, Count: 3}\n")); len(l) != 1 {
		t.Errorf("AWS's own transforms give no attributes: %v", l)
	}
}

// A loop that would write out gigabytes stays a loop.
func TestLoopsAreBounded(t *testing.T) {
	for name, body := range map[string]string{
		"texts": "'T${X}': {Type: AWS::SNS::Topic, Properties: {DisplayName: '" + strings.Repeat("${X}", 50_000) + "'}}",
		"nodes": "'T${X}': {Type: AWS::SNS::Topic, Properties: {Tags: [" + strings.Repeat("a,", 100_000) + "]}}",
	} {
		src := "Transform: AWS::LanguageExtensions\nResources:\n  'Fn::ForEach::L':\n  - X\n  - [" + strings.Repeat("b", 100_000) + ", c, d, e]\n  - " + body + "\n"
		tp, _ := Parse("t", []byte(src))
		if !tp.Loops() || len(tp.Resources) != 0 {
			t.Errorf("%s: %d resources", name, len(tp.Resources))
		}
	}
}

func TestOpaque(t *testing.T) {
	const topic = "Resources:\n  T: {Type: AWS::SNS::Topic}\n"
	for want, src := range map[string]string{
		"":                                     topic,
		"NoEcho parameter P":                   topic + "Parameters: {P: {Type: String, NoEcho: true}}\n",
		"parameter P is read from SSM":         topic + "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a}}\n",
		"dynamic reference in line 2":          "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: '{{resolve:ssm:/a}}'}}\n",
		"transform AWS::Serverless-2016-10-31": "Transform: AWS::Serverless-2016-10-31\nResources:\n  F: {Type: AWS::Serverless::Function, Properties: {Role: !GetAtt FRole.Arn}}\nGlobals: {}\n",
		"transform AWS::Include":               "Resources:\n  T: {Type: AWS::SNS::Topic, Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/k}}}\n",
		"nested stack N":                       "Resources:\n  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: x}}\n",
		"Fn::GetStackOutput in line 2":         "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: {'Fn::GetStackOutput': {StackName: a, OutputName: b}}}}\n",
	} {
		tp, l := Parse("t", []byte(src))
		if len(l) > 0 {
			t.Errorf("%s: %v", want, l)
		}
		if got := tp.Opaque(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCheckParameters(t *testing.T) {
	tp, _ := Parse("n.yaml", []byte(network))
	l := tp.CheckParameters([]Given{
		{Name: "Env", Value: "qa", Known: true, ValuePos: diag.Pos{File: "axle.yaml", Line: 3, Col: 9}},
		{Name: "Sise", Value: "1", Known: true, Pos: diag.Pos{File: "axle.yaml", Line: 4, Col: 5}},
		{Name: "Size", Value: "9", Known: true},
	}, diag.Pos{File: "axle.yaml", Line: 1, Col: 1})
	for _, want := range []string{
		`axle.yaml:3:9: parameter Env: "qa" is not one of the allowed values dev, prod`,
		`axle.yaml:4:5: template n.yaml has no parameter "Sise"` + "\n  hint: did you mean Size?",
		`parameter Size: "9" is more than 4`,
		`axle.yaml:1:1: template n.yaml needs parameter Cidr, which is not set`,
	} {
		if !strings.Contains(l.Error(), want) {
			t.Errorf("missing %q in:\n%s", want, l)
		}
	}
	if l := tp.CheckParameters([]Given{{Name: "Cidr", Value: "10.0.0.0/16", Known: true}, {Name: "Size"}}, diag.Pos{}); len(l) > 0 {
		t.Errorf("fine parameters: %v", l)
	}
	if l := tp.CheckOutput("VpcID", diag.Pos{}); len(l) != 1 || l[0].Hint != "did you mean VpcId?" {
		t.Errorf("CheckOutput = %v", l)
	}
	list := Parameter{Name: "P", Type: "CommaDelimitedList", Allowed: []string{"one", "two", "three,four"}}
	for value, fine := range map[string]bool{"one, two": true, "three,four": true, "three": false, "one,three,four": false} {
		if err := list.Check(value); (err == nil) != fine {
			t.Errorf("list %q: %v", value, err)
		}
	}
	longest := 3
	if err := (Parameter{Name: "P", Type: "List<AWS::EC2::Subnet::Id>", MaxLength: &longest}).Check("abc,def"); err != nil {
		t.Errorf("a list of short items: %v", err)
	}
	secret := Parameter{Name: "P", Type: "String", NoEcho: true, Allowed: []string{"a"}}
	if err := secret.Check("hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret's value in %v", err)
	}
}

func TestSameMeaningSameDigest(t *testing.T) {
	yml, _ := Parse("a", []byte("Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties:\n      # a comment\n      TopicName: !Ref AWS::StackName\n      DisplayName: 'x'\n"))
	jsn, _ := Parse("b", []byte(`{"Resources": {"T": {"Properties": {"DisplayName": "x", "TopicName": {"Ref": "AWS::StackName"}}, "Type": "AWS::SNS::Topic"}}}`))
	if yml.Resources["T"].Digest != jsn.Resources["T"].Digest {
		t.Error("the same resource in YAML and JSON has two digests")
	}
	if yml.Digest == jsn.Digest {
		t.Error("two texts have one digest")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(network))
	f.Add([]byte(`{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"A": {"Fn::Sub": ["${x}", {"x": 1}]}}}}}`))
	f.Add([]byte("Resources: {T: &a {Type: !X::Y, Condition: *a}}"))
	files, _ := filepath.Glob("../../testdata/*/*.yaml")
	for _, name := range files {
		if body, err := os.ReadFile(name); err == nil {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tp, l := Parse("t", body)
		if tp == nil || tp.Digest != Digest(body) {
			t.Fatal("no template")
		}
		for _, d := range l {
			if d.Summary == "" || d.Pos.File != "t" || d.Pos.Line > strings.Count(string(body), "\n")+strings.Count(string(body), "\r")+3 {
				t.Errorf("bad diagnostic %+v", d)
			}
		}
		tp.CheckParameters([]Given{{Name: "X", Value: string(body), Known: true}}, diag.Pos{})
		tp.CheckOutput("X", diag.Pos{})
	})
}
