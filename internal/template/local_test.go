package template

import (
	"fmt"
	"strings"
	"testing"

	"axle/internal/diag"
)

const localYAML = `# a comment that stays
Transform:
  - AWS::Serverless-2016-10-31
  - {Name: AWS::Include, Parameters: {Location: top.yaml}}
Globals:
  Function: {Runtime: provided.al2023, Architectures: [arm64], CodeUri: ./shared}
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: "./ä\u0041", Runtime: python3.12}   # quoted
  B: {Type: AWS::Serverless::Function, Properties: {Handler: x}}
  Inline: {Type: AWS::Serverless::Function, Properties: {InlineCode: "x"}}
  C:
    Type: AWS::Lambda::Function
    Metadata: {BuildMethod: makefile}
    Properties:
      Code:
        ../c's   # on its own line
  D: {Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: "x"}}}
  E: {Type: AWS::Lambda::Function, Properties: {Code: !If [X, ./a, ./b]}}
  F: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'it''s.yaml'}}
  G: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: https://example.com/x}}
  G2: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: "ssm-doc://arn:aws:ssm:x"}}
  H: {Type: AWS::Glue::Job, Properties: {Command: {ScriptLocation: job.py}}}
  I:
    Type: AWS::Serverless::GraphQLApi
    Properties:
      SchemaUri: s3://bucket/key
      Resolvers: {Query: {get: {CodeUri: get.js}}}
  J: {Type: AWS::Serverless::Application, Properties: {Location: app/template.yaml}}
  K:
    Type: AWS::SNS::Topic
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: part.yaml}}
  "Fn::ForEach::Many":
    - N
    - [x, y]
    - "L${N}": {Type: AWS::Lambda::LayerVersion, Properties: {Content: layer}}
`

func TestLocals(t *testing.T) {
	tpl, problems := Parse("t.yaml", []byte(localYAML))
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	var got []string
	for _, l := range tpl.Locals() {
		line := fmt.Sprintf("%d %s %s %s", l.Pos.Line, l.Resource, l.Property, l.Path)
		for _, f := range l.Functions {
			line += fmt.Sprintf(" [%s %s %s %s]", f.Resource, f.Runtime, f.Architecture, f.BuildMethod)
		}
		got = append(got, line)
	}
	want := `4  Location top.yaml
6 Globals Function.CodeUri ./shared [B provided.al2023 arm64 ]
10 A CodeUri ./äA [A python3.12 arm64 ]
18 C Code ../c's [C  x86_64 makefile]
21 F TemplateURL it's.yaml
24 H Command.ScriptLocation job.py
29 I Resolvers.Query.get.CodeUri get.js
30 J Location app/template.yaml
34  Location part.yaml
38 L${N} Content layer`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// All but the paths stays, to the byte, and what is there instead means the place.
func TestRelocated(t *testing.T) {
	tpl, _ := Parse("t.yaml", []byte(localYAML))
	at := map[diag.Pos]Place{}
	for i, l := range tpl.Locals() {
		at[l.Pos] = Place{Bucket: "b-${AWS::Region}", Key: fmt.Sprintf("k%d", i), URL: fmt.Sprintf("https://b/k%d", i)}
	}
	body, problems := tpl.Relocated(at)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	bucket := `{"Fn::Sub": "b-${AWS::Region}"}`
	for _, line := range []string{
		`  - {Name: AWS::Include, Parameters: {Location: {"Fn::Sub": "s3://b-${AWS::Region}/k0"}}}`,
		`CodeUri: {"Bucket": ` + bucket + `, "Key": "k1"}}`,
		`    Properties: {CodeUri: {"Bucket": ` + bucket + `, "Key": "k2"}, Runtime: python3.12}   # quoted`,
		`        {"S3Bucket": ` + bucket + `, "S3Key": "k3"}   # on its own line`,
		`Properties: {TemplateURL: "https://b/k4"}}`,
		`{ScriptLocation: {"Fn::Sub": "s3://b-${AWS::Region}/k5"}}`,
	} {
		if !strings.Contains(string(body), line) {
			t.Errorf("no line %s in\n%s", line, body)
		}
	}
	again, problems := Parse("t.yaml", body)
	if problems.Err() != nil || len(again.Locals()) != 0 {
		t.Errorf("left: %v, %v", again.Locals(), problems)
	}
	if strings.Count(string(body), "\n") != strings.Count(localYAML, "\n") {
		t.Error("lines have moved")
	}
}

func TestRelocatedForms(t *testing.T) {
	const yamlText = "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Code: %s}}\n"
	for _, c := range []struct{ name, text, want string }{
		{"plain", fmt.Sprintf(yamlText, "./src"), "./src"},
		{"after characters of several bytes", "Description: ä\nResources:\n  F: {Metadata: {Ä: ß}, Type: AWS::Lambda::Function, Properties: {Code: ./ü}}\n", "./ü"},
		{"other line ends", strings.ReplaceAll("Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: ./src\n", "\n", "\r\n"), "./src"},
		{"JSON", `{"Resources": {"F": {"Metadata": "ä", "Type": "AWS::Lambda::Function", "Properties": {"Code": ".\/src\u0041"}}}}`, "./srcA"},
		{"JSON, with tabs", "{\n\t\"Resources\": {\n\t\t\"F\": {\"Type\": \"AWS::Lambda::Function\",\n\t\t\t\"Properties\": {\"Code\":\t\".\"}}}}", "."},
		{"a byte order mark", "\xef\xbb\xbf" + fmt.Sprintf(yamlText, "'.'"), "."},
	} {
		tpl, problems := Parse("t", []byte(c.text))
		found := tpl.Locals()
		if problems.Err() != nil || len(found) != 1 || found[0].Path != c.want {
			t.Errorf("%s: %+v, %v", c.name, found, problems)
			continue
		}
		body, problems := tpl.Relocated(map[diag.Pos]Place{found[0].Pos: {Bucket: "b", Key: "k"}})
		if problems.Err() != nil || !strings.Contains(string(body), `{"S3Bucket": "b", "S3Key": "k"}`) {
			t.Errorf("%s: %s, %v", c.name, body, problems)
		}
		if again, problems := Parse("t", body); problems.Err() != nil || len(again.Locals()) > 0 {
			t.Errorf("%s: %s, %v", c.name, body, problems)
		}
	}
	// What can't be replaced safely is refused.
	for _, text := range []string{"!!str ./src", "&x ./src", ">-\n        ./src", "|\n        ./src"} {
		tpl, _ := Parse("t", []byte("Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: "+text+"\n"))
		found := tpl.Locals()
		if len(found) != 1 {
			t.Errorf("%s: %+v", text, found)
			continue
		}
		if _, problems := tpl.Relocated(map[diag.Pos]Place{found[0].Pos: {Bucket: "b", Key: "k"}}); problems.Err() == nil {
			t.Errorf("%s is replaced", text)
		}
	}
}

// Whatever the template, paths are replaced by places or refused, and nothing else
// changes.
func FuzzRelocated(f *testing.F) {
	f.Add([]byte(localYAML))
	f.Add([]byte(`{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "./src"}}}}`))
	f.Add([]byte("Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Code: 'it''s'}}\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		tpl, problems := Parse("t", body)
		found := tpl.Locals()
		if problems.Err() != nil || len(found) == 0 {
			return
		}
		at := map[diag.Pos]Place{}
		for _, l := range found {
			at[l.Pos] = Place{Bucket: "b-${AWS::Region}", Key: "k", URL: "https://b/k"}
		}
		after, problems := tpl.Relocated(at)
		if problems.Err() != nil {
			return
		}
		again, problems := Parse("t", after)
		if problems.Err() != nil {
			t.Fatalf("%q became %q: %v", body, after, problems)
		}
		if left := again.Locals(); len(left) > 0 {
			t.Fatalf("%q became %q: left %v", body, after, left)
		}
		if len(again.Resources) != len(tpl.Resources) {
			t.Fatalf("%q became %q", body, after)
		}
	})
}
