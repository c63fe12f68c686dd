package template

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

var here = World{Partition: "aws", Account: "222222222222", Region: "eu-west-1", Stack: "s"}

// resolved gives the properties of the resource R as JSON.
func resolved(t *testing.T, w World, body string) *Declared {
	t.Helper()
	tm, diags := Parse("t.yaml", []byte(body))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, d := range tm.Resolve(w) {
		if d.Name == "R" {
			return d
		}
	}
	t.Fatal("no resource R")
	return nil
}

func TestResolve(t *testing.T) {
	const head = `
Parameters:
  Plain: {Type: String, Default: plain}
  Open: {Type: String}
  Secret: {Type: String, NoEcho: true, Default: hush}
  Ids: {Type: CommaDelimitedList, Default: "111111111111, 333333333333"}
Mappings: {M: {eu-west-1: {net: "10.1"}}}
Conditions:
  Here: !Equals [!Ref AWS::Region, eu-west-1]
  There: !Not [!Condition Here]
  Who: !Equals [!Ref Open, x]
  Other: !Equals [!Ref Open, y]
Resources:
  Role: {Type: AWS::IAM::Role, Properties: {RoleName: app, Path: /team/}}
  Made: {Type: AWS::IAM::Role, Properties: {}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Secret1: {Type: AWS::SecretsManager::Secret, Properties: {Name: db}}
  Parameter: {Type: AWS::SSM::Parameter, Properties: {Name: /a/b, Type: String, Value: x}}
  R:
    Type: AWS::SNS::Topic
    Properties:
      P: `
	for value, want := range map[string]string{
		`!Ref Plain`:                     `"plain"`,
		`!Ref Open`:                      `"${Open}" unknown`,
		`!Ref Secret`:                    `"${Secret}" unknown`,
		`!Ref Ids`:                       `["111111111111","333333333333"]`,
		`!Sub "${Plain}-${Open}"`:        `"plain-${Open}" unknown`,
		`!Sub "${!aws:username}-${Ids}"`: `"${aws:username}-111111111111,333333333333"`,
		`"${aws:username}"`:              `"${aws:username}"`,
		`!Sub ["${a}.${AWS::Partition}", {a: !Ref Plain}]`: `"plain.aws"`,
		`!GetAtt Role.Arn`:                     `"arn:aws:iam::222222222222:role/team/app"`,
		`!Ref Role`:                            `"app"`,
		`!GetAtt Made.Arn`:                     `"arn:aws:iam::222222222222:role/${Made}" unknown`,
		`!GetAtt Made.RoleId`:                  `"${Made.RoleId}" unknown`,
		`!Ref Topic`:                           `"arn:aws:sns:eu-west-1:222222222222:news"`,
		`!GetAtt [Topic, TopicName]`:           `"news"`,
		`!Ref Secret1`:                         `"arn:aws:secretsmanager:eu-west-1:222222222222:secret:db-${Secret1}" unknown`,
		`!Ref Parameter`:                       `"/a/b"`,
		`!Join ["", [a, !Ref Plain]]`:          `"aplain"`,
		`!Join ["-", [a, !If [Who, b, c], d]]`: `"a-${Fn::If}-d" unknown`,
		`!Join ["-", [a, !If [Who, b, !Ref AWS::NoValue]]]`:    `"${Fn::Join}" unknown`,
		`!Join ["-", !If [Who, [a], [b]]]`:                     `"${Fn::Join}" unknown`,
		`!Sub ["${x}-d", {x: !If [Who, b, c]}]`:                `"${Fn::If}-d" unknown`,
		`!Select [1, [!If [Who, b, c], d]]`:                    `"${Fn::Select}" unknown`,
		`!Select [0, !If [Who, [b], [c]]]`:                     `"${Fn::Select}" unknown`,
		`!Select [1, !Ref Ids]`:                                `"333333333333"`,
		`!Split ["-", "a-b"]`:                                  `["a","b"]`,
		`!FindInMap [M, !Ref AWS::Region, net]`:                `"10.1"`,
		`!FindInMap [M, !Ref Open, net]`:                       `"${Fn::FindInMap}" unknown`,
		`!If [Here, a, b]`:                                     `"a"`,
		`!If [There, a, !Ref AWS::NoValue]`:                    `null`,
		`[x, !If [Who, a, b]]`:                                 `["x","a","b"] unknown`,
		`[!If [Who, !If [Other, a, b], !If [Other, c, d]], e]`: `["a","b","c","d","e"] unknown`,
		`!If [Who, a, b]`:                                      `"a" unknown`,
		`{n: 3, b: true, s: "3"}`:                              `{"n":3,"b":true,"s":"3"}`,
		`!ImportValue vpc`:                                     `"${Fn::ImportValue:vpc}" unknown`,
		`"{{resolve:ssm:/x}}"`:                                 `"{{resolve:ssm:/x}}" unknown`,
		`{Fn::Sub: "${Role.Arn}"}`:                             `"arn:aws:iam::222222222222:role/team/app"`,
		`!ToJsonString {a: !Ref Plain}`:                        `"{\"a\":\"plain\"}"`,
	} {
		p := resolved(t, here, head+value).Properties.Get("P")
		got := string(p.JSON())
		if p != nil && !p.Known {
			got += " unknown"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestResolveWithoutWorld(t *testing.T) {
	d := resolved(t, World{}, `
Resources:
  R: {Type: AWS::SNS::Topic, Properties: {A: !Sub "arn:${AWS::Partition}:x:${AWS::Region}:${AWS::AccountId}:y"}}`)
	if got := d.Properties.Get("A").Str(); got != "arn:${AWS::Partition}:x:${AWS::Region}:${AWS::AccountId}:y" {
		t.Error(got)
	}
}

func TestNodeAt(t *testing.T) {
	d := resolved(t, here, `Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          Effect: Allow
          Condition:
            StringEquals:
              oidc.example.com/id/1:sub: x
`)
	doc := d.Properties.Get("AssumeRolePolicyDocument")
	for path, line := range map[string]int{
		"Statement[0].Effect": 7,
		"Statement[0].Condition.StringEquals.oidc.example.com/id/1:sub": 10,
		"Statement[0].Condition.StringEquals":                           10,
		"Statement[0].Action":                                           7, // nothing there: the statement, whose first key is in line 7
		"":                                                              6,
	} {
		if got := doc.At(path).Pos.Line; got != line {
			t.Errorf("%q: line %d, want %d", path, got, line)
		}
	}
	var none *Node
	if none.Get("a", "b").Str() != "" || none.List() != nil || string(none.JSON()) != "null" {
		t.Error("a nil node has something")
	}
}

// Names that name each other must not take for ever.
func TestResolveIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range 60 {
		next := string(rune('A'+(i+1)%26)) + strings.Repeat("x", (i+1)%60/26+1)
		name := string(rune('A'+i%26)) + strings.Repeat("x", i/26+1)
		b.WriteString("  " + name + ": {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub \"${" + next + "}${" + next + "}\"}}\n")
	}
	tm, _ := Parse("t.yaml", []byte(b.String()))
	if n := len(tm.Resolve(here)); n != 60 { // were it not bounded, it wouldn't end
		t.Errorf("%d resources", n)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add([]byte("Resources:\n  R: {Type: AWS::IAM::Role, Properties: {RoleName: !Sub '${R.Arn}', X: !If [C, !Ref R, 1]}}\nConditions: {C: !Not [!Condition C]}\n"))
	f.Add([]byte(`{"Mappings":{"M":{"a":{"b":{"Fn::FindInMap":["M","a","b"]}}}},"Resources":{"R":{"Type":"A::B::C","Properties":{"Fn::FindInMap":["M","a","b"]}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		tm, _ := Parse("t.yaml", body)
		for _, w := range []World{{}, here} {
			for _, d := range tm.Resolve(w) {
				if js := d.Properties.JSON(); !json.Valid(js) {
					t.Fatalf("not JSON: %q", js)
				}
				d.Properties.At("Statement[0].Condition[1].a.b")
			}
			tm.ResolveOutputs(w)
		}
		_ = slices.Collect(slices.Values(tm.NoEcho()))
	})
}
