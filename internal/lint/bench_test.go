package lint

import (
	"fmt"
	"os"
	"testing"

	"axle/internal/template"
)

// BenchmarkCheck is a project of two templates in 1,000 accounts each.
func BenchmarkCheck(b *testing.B) {
	in := Input{}
	for _, name := range []string{"../privilege/testdata/stacks/identity.yaml", "../privilege/testdata/stacks/messages.yaml"} {
		body, err := os.ReadFile(name)
		if err != nil {
			b.Skip(err)
		}
		t, _ := template.Parse(name, body)
		for i := range 1000 {
			account := fmt.Sprintf("%012d", 100000000000+i)
			in.Sources = append(in.Sources, Source{Template: t, ID: name + account, Name: "s",
				World: template.World{Partition: "aws", Account: account, Region: "eu-west-1", Stack: "s"}})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(Check(in)) == 0 {
			b.Fatal("nothing found")
		}
	}
}

// BenchmarkReach is a thousand roles of which each may assume all others.
func BenchmarkReach(b *testing.B) {
	t, _ := template.Parse("t.yaml", []byte(`Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: spoke
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {AWS: "111111111111"}, Action: sts:AssumeRole, Condition: {ArnEquals: {aws:PrincipalArn: "arn:aws:iam::111111111111:role/hub"}}}]}
      Policies: [{PolicyName: p, PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: sts:AssumeRole, Resource: "arn:aws:iam::*:role/spoke"}]}}]
`))
	in := Input{Org: testOrg()}
	for i := range 1000 {
		account := fmt.Sprintf("%012d", 100000000000+i)
		in.Sources = append(in.Sources, Source{Template: t, ID: account, Name: "s", World: template.World{Partition: "aws", Account: account, Region: "eu-west-1", Stack: "s"}})
	}
	for b.Loop() {
		Check(in)
	}
}
