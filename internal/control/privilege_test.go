package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/internal/cloud"
	"axle/internal/privilege"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// lifeFiles are two peered networks: the hub's in the management account, where
// the sandbox's administrator is.
func lifeFiles(hub, spoke string) map[string]string {
	network := func(name, cidr, tenancy, more string) string {
		return "Resources:\n  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: " + cidr + ", EnableDnsHostnames: true, InstanceTenancy: " + tenancy + "}}\n" +
			"  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}\n" + more +
			"Outputs:\n  VpcId: {Value: !Ref Vpc}\n  Cidr: {Value: !GetAtt Vpc.CidrBlock}\n  Table: {Value: !Ref Table}\n"
	}
	return map[string]string{
		"axle.yaml": `
name: life
access: {role: axle-spoke}
hub: {account: account.management, region: eu-west-1}
regions: [eu-west-1]
stacks:
  hub: {template: hub.yaml, targets: hub}
  spoke: {template: spoke.yaml, targets: account.name == "dev"}
peerings:
  to-hub:
    requester: {stack: spoke, vpc: VpcId, cidr: Cidr, route_tables: [Table]}
    accepter: {stack: hub, vpc: VpcId, cidr: Cidr, route_tables: [Table]}
    dns: true
`,
		"hub.yaml":   network("hub", "10.1.0.0/16", hub, ""),
		"spoke.yaml": network("spoke", "10.2.0.0/16", spoke, "  Parameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}\n"),
	}
}

// life is a project on a sandbox of its own.
type life struct {
	*testing.T
	ctx  context.Context
	file string
	said []string // every failure
}

func (l *life) write(files map[string]string) {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(filepath.Dir(l.file), name), []byte(text), 0o600); err != nil {
			l.Fatal(err)
		}
	}
}

func (l *life) open() *Work {
	w, err := Open(l.ctx, Options{File: l.file, Version: "test"})
	if err != nil {
		l.Fatal(err)
	}
	return w
}

// note keeps what went wrong.
func (l *life) note(what string, records []axle.Record, err error) {
	if err != nil {
		l.said = append(l.said, what+": "+err.Error())
	}
	for _, r := range records {
		if r.Failure != nil {
			l.said = append(l.said, what+": "+r.Step+": "+r.Failure.Error())
		}
	}
}

func (l *life) deploy(what string) {
	d, err := l.open().Deploy(l.ctx, nil, nil, nil)
	var records []axle.Record
	if d != nil {
		records = d.Records
	}
	l.note(what, records, err)
}

// shells leave what a run that was killed leaves: stacks with nothing in them
// but a change set of ours.
func (l *life) shells() {
	config := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")), HTTPClient: cloud.WholeBodies(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")}
	shell := func(name string) {
		_, err := cloudformation.NewFromConfig(config).CreateChangeSet(l.ctx, &cloudformation.CreateChangeSetInput{StackName: &name, ChangeSetName: aws.String("axle-r1-0"),
			ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String("Resources:\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n")})
		if err != nil {
			l.Fatal(err)
		}
	}
	shell("life-hub")
	in, err := sts.NewFromConfig(config).AssumeRole(l.ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::333333333333:role/OrganizationAccountAccessRole"), RoleSessionName: aws.String("test")})
	if err != nil {
		l.Fatal(err)
	}
	config.Credentials = credentials.NewStaticCredentialsProvider(*in.Credentials.AccessKeyId, *in.Credentials.SecretAccessKey, *in.Credentials.SessionToken)
	shell("life-spoke")
}

// all is everything that a project goes through, with these policies for the
// spoke role; it ends at the first step of which something fails.
func (l *life) all(policies []byte) []string {
	b, err := l.open().PlanBootstrap(l.ctx, BootstrapOptions{EntryRole: DefaultEntryRole, Policies: policies})
	if err != nil {
		l.Fatal(err)
	}
	d, err := b.Run(l.ctx, nil, nil)
	if l.note("bootstrap", d.Records, err); l.said != nil {
		l.Fatal(l.said)
	}
	l.shells()
	for _, step := range []func(){
		func() { l.preview("plan") },
		func() { l.deploy("deploy") },
		func() {
			if err := os.RemoveAll(stateDir(l.file)); err != nil {
				l.Fatal(err)
			}
			l.deploy("deploy without the record")
		},
		func() { l.write(lifeFiles("dedicated", "dedicated")); l.preview("plan again") },
		func() { l.write(lifeFiles("dedicated", "default")); l.deploy("replace the hub's network") },
		func() { l.write(lifeFiles("dedicated", "dedicated")); l.deploy("replace the spoke's network") },
		l.failing,
		l.status,
		l.orphan,
		func() { l.deploy("deploy after the prune") },
		func() {
			gone, err := l.open().Destroy(l.ctx, nil, nil, nil)
			l.note("destroy", gone.Records, err)
		},
	} {
		if step(); l.said != nil {
			break
		}
	}
	return l.said
}

func (l *life) preview(what string) {
	p, err := l.open().Preview(l.ctx, false, nil, nil)
	if err != nil {
		l.Fatal(err)
	}
	l.note(what, p.Records, nil)
}

// failing deploys what can't be made: the reason must be found.
func (l *life) failing() {
	bad := lifeFiles("dedicated", "dedicated")
	for _, name := range []string{"hub.yaml", "spoke.yaml"} {
		bad[name] = strings.Replace(bad[name], "Outputs:", "  Bad: {Type: AWS::SSM::Parameter, Properties: {Type: Wrong, Value: x}}\nOutputs:", 1)
	}
	l.write(bad)
	d, err := l.open().Deploy(l.ctx, nil, nil, nil)
	if err != nil {
		l.Fatal(err)
	}
	for _, r := range d.Records {
		if r.Failure != nil && !strings.Contains(r.Failure.Error(), "not a valid enum value") {
			l.said = append(l.said, "a failure without its reason: "+r.Failure.Error()+"; "+r.Failure.Hint)
		}
	}
	l.write(lifeFiles("dedicated", "dedicated"))
}

func (l *life) status() {
	found, err := l.open().Status(l.ctx)
	l.note("status", nil, err)
	for _, s := range found {
		if s.Failure != nil {
			l.said = append(l.said, "status: "+s.Failure.Error())
		}
	}
}

// orphan prunes the peering from the hub's side, as when the spoke's account has left.
func (l *life) orphan() {
	left := filepath.Join(filepath.Dir(l.file), "left.yaml")
	l.write(map[string]string{"left.yaml": `
name: life
organization: {source: file:left-accounts.yaml}
access: {role: axle-spoke}
hub: {account: account.management, region: eu-west-1}
regions: [eu-west-1]
stacks:
  hub: {template: hub.yaml, targets: hub}
`, "left-accounts.yaml": `management: {id: "111111111111", name: management}` + "\n"})
	w, p, err := PlanPrune(l.ctx, Options{File: left, Version: "test"})
	if err != nil {
		l.Fatal(err)
	}
	if w.Warnings != nil { // it couldn't look everywhere
		l.note("look for what to prune", nil, errors.New(strings.Join(w.Warnings, "; ")))
		return
	}
	if len(p.Steps) != 2 {
		l.Errorf("pruned are %v, want the routes and the connection of the hub's side", p.Steps)
	}
	d, err := w.Prune(l.ctx, p, nil, nil)
	l.note("prune", d.Records, err)
}

func newLife(t *testing.T) *life {
	serve(t, strings.Replace(twoAccounts, "tools", "spare", 1))
	l := &life{T: t, ctx: t.Context(), file: project(t, nil)}
	l.write(lifeFiles("default", "default"))
	return l
}

// What the deploy role gets beside what its resources take is enough for all
// that Axle does, and without any action of it something fails and names it.
// (What the resources take is tested in package privilege.)
func TestDeployRoleIsEnoughAndNoMore(t *testing.T) {
	l := newLife(t)
	list, err := l.open().LeastPrivilege(t.Context(), PrivilegeOptions{Role: privilege.Deploy})
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]bool{} // what the resources take, by group and action
	groups, err := l.open().groups()
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range groups {
		for _, s := range privilege.For(privilege.Execution, g, nil).Statements {
			for _, a := range s.Actions {
				resources[fmt.Sprint(i, s.Sid, a)] = true
			}
		}
	}
	if said := l.all(without(t, list, -1, "", "")); len(said) > 0 {
		t.Fatalf("with all that was computed:\n%s", strings.Join(said, "\n"))
	}
	if testing.Short() {
		return
	}
	for i, group := range list {
		for _, s := range group.Statements {
			for _, action := range s.Actions {
				name := fmt.Sprintf("%d/%s/%s", i, s.Sid, action)
				if why := unproved[action]; resources[fmt.Sprint(i, s.Sid, action)] || why != "" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					said := strings.Join(newLife(t).all(without(t, list, i, s.Sid, action)), "\n")
					if said == "" {
						t.Fatalf("nothing fails without %s", action)
					}
					if !strings.Contains(strings.ToLower(said), strings.ToLower(action)) {
						t.Errorf("without %s: %s", action, said)
					}
				})
			}
		}
	}
}

// unproved are actions without which nothing fails here: why they are granted.
var unproved = map[string]string{
	"cloudformation:ListStacks":       "many stacks of a place are watched with one call by it; without it each is described",
	"cloudformation:ValidateTemplate": "a template that CloudFormation refuses is found before anything is begun",
	"cloudformation:TagResource":      "AWS's documentation isn't clear whether change sets with tags take it",
	// axle deploy --continue-rollback, axle destroy --retain-failed, axle drift.
	"cloudformation:ContinueUpdateRollback":            "a rollback that failed is continued when asked",
	"cloudformation:ListStackResources":                "what a failed deletion left is listed",
	"cloudformation:DetectStackDrift":                  "drift is found when asked",
	"cloudformation:DescribeStackResourceDrifts":       "drift is found when asked",
	"cloudformation:DescribeStackDriftDetectionStatus": "drift is found when asked",
}

// without is what bootstrap takes, less one action of one group.
func without(t *testing.T, list []Privilege, group int, sid, action string) []byte {
	t.Helper()
	type part struct {
		Accounts []string          `json:"accounts"`
		Policies []json.RawMessage `json:"policies"`
	}
	doc := struct {
		Role   privilege.Role `json:"role"`
		Groups []part         `json:"groups"`
	}{Role: privilege.Deploy}
	for i, p := range list {
		var kept []privilege.Statement
		for _, s := range p.Statements {
			if i == group && s.Sid == sid {
				s.Actions = slices.DeleteFunc(slices.Clone(s.Actions), func(a string) bool { return a == action })
			}
			if len(s.Actions) > 0 {
				kept = append(kept, s)
			}
		}
		doc.Groups = append(doc.Groups, part{p.Accounts, []json.RawMessage{privilege.Document(kept)}})
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
