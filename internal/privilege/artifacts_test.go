package privilege

import (
	"strings"
	"testing"

	"axle/internal/template"
)

// Each role reads what it is that reads for its stacks, and no other kind.
func TestArtifacts(t *testing.T) {
	tpl, _ := template.Parse("t.yaml", []byte("Resources: {Topic: {Type: AWS::SNS::Topic}}"))
	group := func(change func(*Group)) *Group {
		g := &Group{Partition: "aws", Accounts: []string{"222222222222"}, Artifacts: "axle-artifacts-111111111111-", ArtifactHub: "111111111111",
			ArtifactRegions: []string{"eu-west-1"}, ArtifactKinds: []string{"code", "templates"},
			Stacks: []Stack{{Name: "app", Template: tpl, Regions: []string{"eu-west-1"}, Stored: []string{"code", "templates"}}}}
		if change != nil {
			change(g)
		}
		return g
	}
	const code, templates, files = `"arn:aws:s3:::axle-artifacts-111111111111-eu-west-1/code/*"`, `axle-artifacts-111111111111-eu-west-1/templates/*`, "/files/*"
	const key = `"kms:Decrypt"],"Resource":["arn:aws:kms:eu-west-1:111111111111:key/*"],"Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":["arn:*:s3:::axle-artifacts-111111111111-*"],"kms:ViaService":["s3.*"]}}`
	worked := func(g *Group) { g.Stacks[0].ExecutionRole = "worker" }
	hub := func(g *Group) { g.Hub = true }
	for name, c := range map[string]struct {
		role      Role
		change    func(*Group)
		has, lack []string
	}{
		"deploys":                       {Deploy, nil, []string{code, templates, key}, []string{files, "kms:CreateKey", "PutObject"}},
		"deploys, another role works":   {Deploy, worked, []string{templates, key}, []string{code}},
		"works":                         {Execution, worked, []string{code, templates, key}, nil},
		"executes":                      {Execute, nil, []string{code, key}, []string{"PutObject"}},
		"executes, another role works":  {Execute, worked, nil, []string{"s3:", "kms:"}},
		"plans":                         {Plan, nil, []string{templates, key}, []string{code}},
		"keeps the buckets":             {Deploy, hub, []string{code, `"kms:CreateKey"`, `{"aws:RequestedRegion":["eu-west-1"]}`, "alias/axle-artifacts", `"kms:ResourceAliases":["alias/axle-artifacts"]`, "s3:PutObject"}, []string{files, "kms:ScheduleKeyDeletion", "kms:*"}},
		"keeps the buckets, in no case": {Execution, func(g *Group) { hub(g); worked(g) }, nil, []string{"PutObject", "CreateKey"}},
		"a large template":              {Deploy, func(g *Group) { g.Stacks[0].Stored, g.Stacks[0].Large = nil, true }, []string{templates, key}, []string{code}},
		"nothing stored":                {Deploy, func(g *Group) { g.Stacks[0].Stored = nil }, nil, []string{"s3:", "kms:"}},
		"at home":                       {Deploy, func(g *Group) { g.ArtifactHome = "us-east-1" }, []string{"axle-artifacts-111111111111-us-east-1/templates/*", "arn:aws:kms:us-east-1:"}, []string{"us-east-1/code"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(Document(For(c.role, group(c.change), nil).Statements))
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			for _, bad := range c.lack {
				if strings.Contains(text, bad) {
					t.Errorf("%s in %s", bad, text)
				}
			}
			again, err := ParseDocument([]byte(text))
			if err != nil || string(Document(again)) != text {
				t.Errorf("it isn't the same when it was read again: %v", err)
			}
		})
	}
}
