package control

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"axle"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// topics are stacks that don't wait for each other: a plan makes a change set
// for each.
var topics = map[string]string{
	"axle.yaml": `
name: net
access: {role: OrganizationAccountAccessRole}
organization: {source: file:accounts.yaml}
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
stacks:
  topic: {template: topic.yaml, targets: account.ou == "/Workloads"}
`,
	"topic.yaml": "Resources: {Topic: {Type: AWS::SNS::Topic}}\n",
}

// plans is axle plan, in a process that may be killed.
func (w *world) plans(p *process) (preview *Preview, err error) {
	err = w.live(p, func(ctx context.Context, o Options) error {
		work, err := Open(ctx, o)
		if err != nil {
			return err
		}
		if err := work.DropExpired(ctx); err != nil {
			return err
		}
		preview, err = work.Preview(ctx, false, nil, nil)
		return err
	})
	return preview, err
}

// there is what is in the accounts but for stacks that are deleted: a preview of
// a new stack makes a shell and deletes it.
func (w *world) there() ([]string, error) {
	lines, err := w.look()
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasSuffix(line, " DELETE_COMPLETE") }), err
}

// TestKilledPreview kills a plan before and after each call that changes
// something. The next plan shows what one that wasn't killed does, and leaves
// nothing behind, of itself or of the one before; after a deploy too.
func TestKilledPreview(t *testing.T) {
	u := newUniverse(t, netAccounts(2))
	deployed := u.stateOf(t, topics)
	const other = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: other}}}\n"
	for _, tt := range []struct {
		name, state string
		planned     string // the template of the plan that is killed
		next        string // and that of the next
		deploy      bool   // before the next plan
	}{
		{name: "of new stacks", planned: topics["topic.yaml"], next: topics["topic.yaml"]},
		{name: "of new stacks, then a deploy", planned: topics["topic.yaml"], next: topics["topic.yaml"], deploy: true},
		{name: "of changes", state: deployed, planned: other, next: other},
		{name: "of changes, then a deploy", state: deployed, planned: other, next: other, deploy: true},
		{name: "of changes that are taken back", state: deployed, planned: other, next: topics["topic.yaml"]},
		{name: "of changes that are taken back, then a deploy", state: deployed, planned: other, next: topics["topic.yaml"], deploy: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := previewKill{universe: u, state: tt.state, planned: tt.planned, next: tt.next, deploy: tt.deploy}
			want, transitions, err := k.try(0, false)
			if err != nil || transitions == 0 {
				t.Fatalf("%d transitions, %v", transitions, err)
			}
			t.Logf("%d transitions", transitions)
			var g errgroup.Group
			g.SetLimit(8) // they wait more than they work
			for n := range transitions {
				for _, after := range []bool{false, true} {
					g.Go(func() error {
						got, _, err := k.try(n+1, after)
						if err != nil {
							t.Errorf("killed at %d: %v", n+1, err)
						} else if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("killed at %d, after: %v (-unkilled +killed):\n%s", n+1, after, diff)
						}
						return nil
					})
				}
			}
			_ = g.Wait() // each has told what was wrong
		})
	}
}

// stateOf is the state of an organization in which a project is deployed.
func (u *universe) stateOf(t *testing.T, files map[string]string) string {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state.json")
	w, err := u.world(state, files)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.run(&process{}, false)
	w.close()
	if err != nil || done.Run.Status != axle.RunSucceeded {
		t.Fatalf("deploy: %v", err)
	}
	return state
}

// previewKill is a plan that is to be killed, and what comes after it.
type previewKill struct {
	*universe
	state, planned, next string
	deploy               bool
}

// try kills the plan at a transition, unless that is 0, goes on, and tells what
// the next plan shows and what is there then.
func (k *previewKill) try(n int, after bool) (seen []string, transitions int, err error) {
	state := ""
	if k.state != "" {
		was, err := os.ReadFile(k.state)
		if err != nil {
			return nil, 0, err
		}
		state = filepath.Join(k.t.TempDir(), "state.json")
		if err := os.WriteFile(state, was, 0o600); err != nil {
			return nil, 0, err
		}
	}
	w, err := k.world(state, topics)
	if err != nil {
		return nil, 0, err
	}
	defer w.close()
	template := filepath.Join(filepath.Dir(w.file), "topic.yaml")
	if err := os.WriteFile(template, []byte(k.planned), 0o600); err != nil {
		return nil, 0, err
	}
	p := &process{kill: n, after: after}
	if _, err := w.plans(p); p.killed() != (n > 0) {
		return nil, 0, err
	}
	if err := os.WriteFile(template, []byte(k.next), 0o600); err != nil {
		return nil, 0, err
	}
	var records []axle.Record
	if k.deploy {
		done, err := w.run(&process{}, false)
		if err != nil {
			return nil, 0, err
		}
		records = done.Records
	}
	preview, err := w.plans(&process{})
	if err != nil {
		return nil, 0, err
	}
	for _, r := range append(records, preview.Records...) {
		line := r.Step + " " + string(r.Status) + " " + string(r.Result.Change)
		if r.Failure != nil {
			line += " " + r.Failure.Error()
		}
		seen = append(seen, line)
	}
	slices.Sort(seen)
	left, err := w.there()
	return append(seen, left...), len(p.transitions()), err
}
