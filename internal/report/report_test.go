package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/plan"
	"axle/internal/report"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/<name>.golden; -update writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update if it is right:\n%s", path, diff)
	}
}

// plain is a style without colours.
func plain() report.Style { return report.NewStyle(io.Discard, false) }

// text and asJSON give what a command would print.
func text(f func(io.Writer, report.Style)) []byte {
	var b bytes.Buffer
	f(&b, plain())
	return b.Bytes()
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// steps of a small project: a hub, three spokes in two regions, one peering.
func smallPlan() *plan.Plan {
	p := &plan.Plan{Project: "flights", Command: "deploy"}
	stack := func(name, account, accountName, region string, needs ...string) {
		p.Steps = append(p.Steps, axle.Step{ID: "stack/" + name + "/" + account + "/" + region, Kind: plan.KindStack, Name: name, Account: account, AccountName: accountName, Region: region, Needs: needs})
	}
	stack("hub-network", "111111111111", "tools", "eu-west-1")
	stack("hub-network", "111111111111", "tools", "us-east-1")
	for i, name := range []string{"dev", "qa", "prod"} {
		account := strings.Repeat(fmt.Sprint(i+2), 12)
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			stack("spoke-network", account, name, region, "stack/hub-network/111111111111/"+region)
		}
	}
	for _, s := range []struct{ kind, part, account, name string }{
		{axle.KindPeeringRequest, "request", "222222222222", "dev"}, {axle.KindPeeringAccept, "accept", "111111111111", "tools"},
		{axle.KindPeeringRoutes, "routes-requester", "222222222222", "dev"}, {axle.KindPeeringRoutes, "routes-accepter", "111111111111", "tools"}} {
		p.Steps = append(p.Steps, axle.Step{ID: "peering/spoke-to-hub/222222222222/eu-west-1/" + s.part, Kind: s.kind, Name: "spoke-to-hub", Account: s.account, AccountName: s.name, Region: "eu-west-1"})
	}
	return p
}

// record is how a step ended, n seconds after noon.
func record(id string, n float64, status axle.Status, r axle.Result, f *axle.Failure) axle.Record {
	return axle.Record{Step: id, Status: status, Attempts: 1, Started: after(n - 1.5), Finished: after(n), Result: r, Failure: f}
}

// mixedRecords has a step of each status and failures that fold.
func mixedRecords(p *plan.Plan) []axle.Record {
	var out []axle.Record
	refused := func(account, name string) *axle.Failure {
		return &axle.Failure{Code: "AccessDenied", Message: "assume role axle-spoke in account " + account + " (" + name + "): its trust policy doesn't allow arn:aws:iam::111111111111:role/axle-hub",
			Hint: "check the trust policy of role axle-spoke there; axle bootstrap --yes makes it anew"}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		switch {
		case i == 0:
			out = append(out, record(s.ID, 3, axle.Succeeded, axle.Result{Change: axle.Create, Outputs: map[string]string{"VpcId": "vpc-1"}}, nil))
		case i == 1:
			out = append(out, record(s.ID, 3, axle.Unchanged, axle.Result{Change: axle.None}, nil))
		case s.AccountName == "dev" && s.Kind == plan.KindStack:
			out = append(out, record(s.ID, 64, axle.Succeeded, axle.Result{Change: axle.Update, Note: "deleted ROLLBACK_COMPLETE first"}, nil))
		case s.Kind == plan.KindStack && s.AccountName == "qa" && s.Region == "us-east-1":
			out = append(out, record(s.ID, 5, axle.Failed, axle.Result{}, &axle.Failure{Code: "ResourceFailed", Message: "Route was not stabilized", Resource: "DefaultRoute"}))
		case s.Kind == plan.KindStack:
			out = append(out, record(s.ID, 4, axle.Failed, axle.Result{}, refused(s.Account, s.AccountName)))
		case s.Kind == axle.KindPeeringRequest:
			out = append(out, axle.Record{Step: s.ID, Status: axle.Cancelled})
		case s.Kind == axle.KindPeeringAccept:
			out = append(out, axle.Record{Step: s.ID, Status: axle.Skipped, SkippedFor: p.Steps[i-1].ID})
		case strings.HasSuffix(s.ID, "routes-requester"):
			out = append(out, axle.Record{Step: s.ID, Status: axle.Running, Attempts: 2, Started: after(3)})
		}
	}
	return out
}

func TestRun(t *testing.T) {
	p := smallPlan()
	run := axle.Run{ID: "r20261121-120000-3fa2c1", Project: "flights", Command: "deploy", Status: axle.RunPartial, Started: noon, Finished: after(65)}
	r := report.NewRun(run, p, mixedRecords(p))
	r.Warnings = []string{`stack "spoke-network" has no targets`}
	golden(t, "run", text(r.Text))
	golden(t, "run-json", asJSON(t, r))

	var done []axle.Record
	for _, s := range p.Steps {
		done = append(done, record(s.ID, 2, axle.Unchanged, axle.Result{Change: axle.None}, nil))
	}
	run.Status, run.Finished = axle.RunSucceeded, after(0.412)
	golden(t, "run-unchanged", text(report.NewRun(run, p, done).Text))

	run.Status, run.Finished = axle.RunInterrupted, time.Time{}
	golden(t, "run-interrupted", text(report.NewRun(run, p, done[:3]).Text))

	run.Command, run.Status, run.Finished = "destroy", axle.RunSucceeded, after(3)
	golden(t, "run-nothing", text(report.NewRun(run, &plan.Plan{Project: "flights"}, nil).Text))
	golden(t, "run-nothing-json", asJSON(t, report.NewRun(run, &plan.Plan{Project: "flights"}, nil)))
}

// A cause that stopped many is one line, with a few of the accounts.
func TestRunManyCauses(t *testing.T) {
	p := &plan.Plan{Project: "flights"}
	var records []axle.Record
	for i := range 90 {
		account, name := fmt.Sprintf("%012d", i), fmt.Sprintf("team-%02d", i)
		id := "stack/net/" + account + "/eu-west-1"
		p.Steps = append(p.Steps, axle.Step{ID: id, Kind: plan.KindStack, Name: "net", Account: account, AccountName: name, Region: "eu-west-1"})
		message := "assume role axle-spoke in account " + account + " (" + name + "): AccessDenied (request id: 1b671a64-40d5-491e-99b0-da01ff1f3341)"
		if i%3 == 0 {
			message = fmt.Sprintf("VPC vpc-%017x in eu-west-1 has dependencies", i)
		}
		records = append(records, record(id, 2, axle.Failed, axle.Result{}, &axle.Failure{Code: "X", Message: message}))
	}
	run := axle.Run{ID: "r1", Project: "flights", Command: "deploy", Status: axle.RunFailed, Started: noon, Finished: after(3725)}
	golden(t, "run-many", text(report.NewRun(run, p, records).Text))
}

func TestPlan(t *testing.T) {
	p := smallPlan()
	var records []axle.Record
	for i := range p.Steps {
		s := &p.Steps[i]
		r := record(s.ID, 1, axle.Succeeded, axle.Result{Change: axle.Create, After: []string{"hub-network", "spoke-network"}}, nil)
		switch {
		case i == 0:
			r.Result = axle.Result{Change: axle.Replace, Changes: []axle.ResourceChange{
				{Action: "Add", LogicalID: "Topic", Type: "AWS::SNS::Topic"},
				{Action: "Modify", LogicalID: "Subnet", Type: "AWS::EC2::Subnet", Replacement: "Conditional", Properties: []string{"CidrBlock"}},
				{Action: "Modify", LogicalID: "RouteTableOfThePublicSubnets", Type: "AWS::EC2::RouteTable", Properties: []string{"Tags", "VpcId"}},
				{Action: "Modify", LogicalID: "Vpc", Type: "AWS::EC2::VPC", Replacement: "True", Properties: []string{"CidrBlock"}},
				{Action: "Remove", LogicalID: "Old", Type: "AWS::S3::Bucket"}}}
		case i == 1:
			r.Status, r.Result = axle.Unchanged, axle.Result{Change: axle.None}
		case s.AccountName == "prod":
			r.Status, r.Result = axle.Failed, axle.Result{}
			r.Failure = &axle.Failure{Code: "NotOurs", Blocked: true, Message: "stack flights-spoke-network in prod (444444444444) isn't of this project: it has no tag axle:project", Hint: "give the stack another stack_name, or delete it"}
		case s.AccountName == "qa":
			r.Result = axle.Result{Change: axle.Update, Note: "the stack ROLLBACK_COMPLETE is deleted first", After: []string{"hub-network"}}
		case s.Kind == plan.KindStack:
			r.Result = axle.Result{Change: axle.Create, After: []string{"hub-network"}}
		case s.Kind == axle.KindPeeringAccept:
			r = axle.Record{Step: s.ID, Status: axle.Skipped, SkippedFor: p.Steps[i-1].ID}
		case s.Kind == axle.KindPeeringRoutes:
			continue // the preview never came to it
		}
		records = append(records, r)
	}
	v := report.NewPlan("r20261121-120000-3fa2c1", p, records)
	v.Warnings = []string{"the organization is from a snapshot of 2026-11-20"}
	golden(t, "plan", text(v.Text))
	golden(t, "plan-json", asJSON(t, v))

	golden(t, "plan-nothing", text(report.NewPlan("r1", &plan.Plan{Project: "flights"}, nil).Text))
	golden(t, "plan-nothing-json", asJSON(t, report.NewPlan("r1", &plan.Plan{Project: "flights", Command: "deploy"}, nil)))
}

// 300 targets of one change are one line; a change of 30 resources is cut.
func TestPlanFolds(t *testing.T) {
	p := &plan.Plan{Project: "flights", Command: "deploy"}
	var changes []axle.ResourceChange
	for i := range 30 {
		changes = append(changes, axle.ResourceChange{Action: "Add", LogicalID: fmt.Sprintf("Resource%02d", i), Type: "AWS::SNS::Topic"})
	}
	var records []axle.Record
	for i := range 100 {
		for _, region := range []string{"eu-west-1", "us-east-1", "ap-south-1"} {
			account := fmt.Sprintf("%012d", i)
			id := "stack/net/" + account + "/" + region
			p.Steps = append(p.Steps, axle.Step{ID: id, Kind: plan.KindStack, Name: "net", Account: account, AccountName: fmt.Sprintf("team-%02d", i), Region: region})
			result := axle.Result{Change: axle.Create, Changes: changes}
			if region == "ap-south-1" && i%2 == 0 {
				result = axle.Result{Change: axle.None}
			}
			records = append(records, record(id, 1, axle.Succeeded, result, nil))
		}
	}
	v := report.NewPlan("r1", p, records)
	if len(v.Groups) != 2 {
		t.Errorf("%d groups, want 2", len(v.Groups))
	}
	golden(t, "plan-folded", text(v.Text))
}
