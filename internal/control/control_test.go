package control

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/diag"
	"axle/internal/plan"
	"axle/sandbox"

	"github.com/google/go-cmp/cmp"
)

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// project writes files into a new folder and returns the path of axle.yaml.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "axle.yaml")
}

// serve starts a sandbox and makes it this process's AWS.
func serve(t *testing.T, org string) *sandbox.Sandbox {
	t.Helper()
	file, err := sandbox.ParseOrgFile("accounts.yaml", []byte(org))
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Options{Organization: file, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(box)
	t.Cleanup(func() {
		server.Close()
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	key, secret := box.Credentials()
	none := filepath.Join(t.TempDir(), "none")
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(k, v)
	}
	return box
}

const twoAccounts = `
management: {id: "111111111111", name: management}
ous:
  - name: Workloads
    accounts:
      - {id: "222222222222", name: tools}
      - {id: "333333333333", name: dev}
`

// A whole life, with an execution role: bootstrap gives the right to pass it.
func TestLife(t *testing.T) {
	serve(t, twoAccounts)
	o := Options{Version: "test", File: project(t, map[string]string{
		"axle.yaml": `
name: life
access: {via: axle-hub, role: axle-spoke, external_id: some-id}
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
stacks:
  roles:
    template: roles.yaml
    targets: account.ou == "/Workloads"
    capabilities: [CAPABILITY_NAMED_IAM]
  topic:
    template: topic.yaml
    targets: account.ou == "/Workloads"
    depends_on: [roles]
    execution_role: cloudformation-of-topic
`,
		"roles.yaml": `
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: cloudformation-of-topic
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: cloudformation.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
        - PolicyName: topics
          PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sns:*", Resource: "*"}]}
`,
		"topic.yaml": "Resources:\n  Topic: {Type: AWS::SNS::Topic}\nOutputs:\n  Arn: {Value: !Ref Topic}\n",
	})}
	ctx := t.Context()
	open := func() *Work {
		t.Helper()
		w, err := Open(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	b, err := open().PlanBootstrap(t.Context(), BootstrapOptions{EntryRole: DefaultEntryRole})
	if err != nil {
		t.Fatal(err)
	}
	ended := func(what string, d *Done, err error, want axle.RunStatus) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, r := range d.Records {
			if r.Failure != nil {
				t.Errorf("%s: %s: %v", what, r.Step, r.Failure)
			}
		}
		same(t, what, d.Run.Status, want)
	}
	roles, err := b.Run(ctx, nil, nil)
	ended("bootstrap", roles, err, axle.RunSucceeded)
	deployed, err := open().Deploy(ctx, nil, nil, nil)
	ended("deploy", deployed, err, axle.RunSucceeded)
	again, err := open().Deploy(ctx, nil, nil, nil)
	ended("deploy again", again, err, axle.RunSucceeded)
	if slices.ContainsFunc(again.Records, func(r axle.Record) bool { return r.Status != axle.Unchanged }) {
		t.Errorf("nothing was left to do: %v", again.Records)
	}
	found, err := open().Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		if d.Live == nil || d.Failure != nil || !d.Configured {
			t.Errorf("%s in %s: %+v", d.Stack, d.Account.Name, d)
		}
	}
	same(t, "stacks", len(found), 4)

	runs, err := Runs(ctx, o, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "recorded runs", []string{runs[0].ID, runs[1].ID}, []string{again.Run.ID, deployed.Run.ID})
	shown, err := Show(ctx, o, deployed.Run.ID[:len(deployed.Run.ID)-1])
	if err != nil {
		t.Fatal(err)
	}
	same(t, "shown", shown.Run.ID, deployed.Run.ID)
	var f *axle.Failure
	if _, _, err := Resume(ctx, o, "", nil, nil); !errors.As(err, &f) || f.Code != "NothingToResume" {
		t.Errorf("resume: %v", err)
	}
	if _, err := Cancel(ctx, o, again.Run.ID); !errors.As(err, &f) || f.Code != "RunOver" {
		t.Errorf("cancel: %v", err)
	}
	if _, err := Show(ctx, o, "r1999"); !errors.As(err, &f) || f.Code != "UnknownRun" || !errors.Is(err, axle.ErrNotFound) {
		t.Errorf("show: %v", err)
	}
	gone, err := open().Destroy(ctx, nil, nil, nil)
	ended("destroy", gone, err, axle.RunSucceeded)
	if found, err = open().Status(ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		if d.Live != nil {
			t.Errorf("%s in %s is still there", d.Stack, d.Account.Name)
		}
	}
}

// Load finds all mistakes without calling anybody.
func TestLoad(t *testing.T) {
	file := project(t, map[string]string{
		"axle.yaml": `
name: p
hub: {account: account.nam == "tools", region: eu-west-1}
regions: [eu-west-1]
stacks:
  a: {template: missing.yaml, targets: hub}
  b: {template: t.yaml, targets: hub, parameters: {Siz: 1}}
  c: {template: bad.yaml, targets: hub}
`,
		"t.yaml":   "Parameters:\n  Size: {Type: String, Default: x}\nResources:\n  T: {Type: AWS::SNS::Topic}\n",
		"bad.yaml": "Resources: [\n",
	})
	_, err := Load(Options{File: file, Where: "account.tags[1]", Regions: []string{"eu-west-1", "europe"}})
	var list diag.List
	if !errors.As(err, &list) || !IsConfig(err) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`there is no field "nam"`, "template missing.yaml: no such file or directory", `parameter "Siz"`, "bad.yaml", "--where", `"europe" is not a region`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s in\n%v", want, err)
		}
	}
	same(t, "errors", len(list.Errors()), 6)
	if IsConfig(errors.New("x")) {
		t.Error("not every error is the user's")
	}
}

func TestNewRunID(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("", 3600))
	a, b := NewRunID(now), NewRunID(now)
	if a == b || !strings.HasPrefix(a, "r20261121-110000-") || len(a) != len("r20261121-110000-3fa2c1") {
		t.Errorf("ids %s and %s", a, b)
	}
	if later := NewRunID(now.Add(time.Second)); later < a {
		t.Errorf("%s sorts before %s", later, a)
	}
}

// review puts what was seen into the steps; what wasn't seen is an empty review,
// which lets nothing dangerous pass.
func TestReview(t *testing.T) {
	p := &plan.Plan{Steps: []axle.Step{{ID: "seen"}, {ID: "later"}, {ID: "failed"}, {ID: "never"}}}
	changes := []axle.ResourceChange{{Action: "Remove", LogicalID: "Old"}}
	review(p, []axle.Record{
		{Step: "seen", Status: axle.Succeeded, Result: axle.Result{Change: axle.Update, Changes: changes}},
		{Step: "later", Status: axle.Succeeded, Result: axle.Result{Change: axle.Create, After: []string{"hub"}}},
		{Step: "failed", Status: axle.Failed},
	}, nil)
	var got []axle.Review
	for _, s := range p.Steps {
		got = append(got, *s.Review)
	}
	same(t, "reviews", got, []axle.Review{{Known: true, Change: axle.Update, Changes: changes}, {Change: axle.Create}, {}, {}})

	// A saved plan holds each step to what was seen, and has none that wasn't.
	review(p, []axle.Record{{Step: "seen", Status: axle.Succeeded}, {Step: "failed", Status: axle.Failed}}, map[string]axle.StackState{"seen": {ID: "one"}})
	for _, s := range p.Steps {
		if want := s.ID == "seen"; (s.Review.State != nil && s.Review.State.ID == "one") != want || (s.Review.Refused == "") != want {
			t.Errorf("%s: %+v", s.ID, s.Review)
		}
	}
}

// A run that is recorded as running is at work only while its own process holds
// the project's lock.
func TestStanding(t *testing.T) {
	for _, tt := range []struct {
		holder string
		want   axle.RunStatus
	}{{"", axle.RunInterrupted}, {"r-other", axle.RunInterrupted}, {"r1", axle.RunRunning}} {
		_, db := braking(t)
		if tt.holder != "" {
			unlock, err := db.Lock(t.Context(), "p", holder(tt.holder))
			if err != nil {
				t.Fatal(err)
			}
			defer unlock() //nolint:errcheck // the journal goes with the test
		}
		run := axle.Run{ID: "r1", Project: "p", Status: axle.RunRunning}
		if err := standing(t.Context(), db, &run); err != nil || run.Status != tt.want {
			t.Errorf("locked by %q: %s, %v", tt.holder, run.Status, err)
		}
		over := axle.Run{ID: "r1", Project: "p", Status: axle.RunPartial}
		if err := standing(t.Context(), db, &over); err != nil || over.Status != axle.RunPartial {
			t.Errorf("locked by %q: %s, %v", tt.holder, over.Status, err)
		}
	}
}

// Where the journal is isn't guessed: a file that can't be read may name the team's.
func TestJournalIsNotGuessed(t *testing.T) {
	t.Setenv(storeEnv, "")
	for text, want := range map[string]string{"name: p\n": "", "name: p\nstore: dynamodb://table\n": "dynamodb://table",
		"name: [\n": "error", "name: p\nstore: mysql://x\n": "error"} {
		got, err := journalAt(Options{File: project(t, map[string]string{"axle.yaml": text})})
		if err != nil {
			got = "error"
		}
		same(t, text, got, want)
	}
	got, err := journalAt(Options{File: filepath.Join(t.TempDir(), "axle.yaml")})
	if got != "" || err != nil {
		t.Errorf("without axle.yaml: %q, %v", got, err)
	}
	t.Setenv(storeEnv, "mysql://x")
	if got, err := journalAt(Options{}); err == nil {
		t.Errorf("%s: %q", storeEnv, got)
	}
}

// What a run of a saved plan has begun isn't held to what was seen before it: but
// for a stack that it found moved, and steps that it never came to.
func TestLetGo(t *testing.T) {
	p := &plan.Plan{}
	for _, id := range []string{"done", "failed", "moved", "skipped", "left"} {
		p.Steps = append(p.Steps, axle.Step{ID: id, Review: &axle.Review{State: &axle.StackState{}}})
	}
	p.Steps = append(p.Steps, axle.Step{ID: "unreviewed"})
	letGo(p, []axle.Record{
		{Step: "done", Status: axle.Succeeded, Attempts: 1},
		{Step: "failed", Status: axle.Failed, Attempts: 2, Failure: &axle.Failure{Code: "Error"}},
		{Step: "moved", Status: axle.Failed, Attempts: 1, Failure: &axle.Failure{Code: "Moved"}},
		{Step: "skipped", Status: axle.Skipped},
		{Step: "unreviewed", Status: axle.Succeeded, Attempts: 1},
	})
	var held []string
	for _, s := range p.Steps {
		if s.Review != nil && s.Review.State != nil {
			held = append(held, s.ID)
		}
	}
	same(t, "held to what was seen", held, []string{"moved", "skipped", "left"})
}

// An account whose role failed isn't entered; without the hub's role none is.
func TestReachable(t *testing.T) {
	access := []axle.Step{{ID: "access/1", Account: "1"}, {ID: "access/2", Account: "2"}}
	spoke, hub := "stack/bootstrap-spoke/1/eu-west-1", "stack/"+hubStack+"/9/eu-west-1"
	left, records := reachable(access, []axle.Record{{Step: spoke, Status: axle.Failed}, {Step: hub, Status: axle.Unchanged}})
	same(t, "left", left, access[1:])
	same(t, "skipped", records[2:], []axle.Record{{Step: "access/1", Status: axle.Skipped, SkippedFor: spoke}})

	left, records = reachable(access, []axle.Record{{Step: hub, Status: axle.Failed}})
	same(t, "left without a hub role", len(left), 0)
	same(t, "skipped without a hub role", len(records), 3)
}
