//go:build scenarios

package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// TestFleet is a rollout in three waves that a canary halts, a run that is killed
// and gone on with, what is taken out of axle.yaml, and the end of it all.
func TestFleet(t *testing.T) {
	on(t, fleet, sandbox(alone...), unkindSandbox(alone...), moto(), ministack(), ministackIAM())
}

func fleet(w *world) {
	w.project("fleet")
	b := w.newOrganization()
	work := b.ou(b.root, "Workloads", nil)
	var accounts []string // by ring, from 1
	for ring := 1; ring <= 5; ring++ {
		accounts = append(accounts, b.account(work, fmt.Sprint("app", ring), map[string]string{"ring": fmt.Sprint(ring)}))
	}
	if w.gaps.noEntryRole {
		w.becomeUser()
	}
	rollout(w, accounts)
	killed(w, accounts)
	pruned(w, accounts)
	w.step("destroy", func() {
		w.same("what destroy did", 4, w.run(0, "destroy", "-f", "less.yaml").actions()["stack delete"])
		for _, account := range accounts {
			cfg := w.in(account, "eu-west-1")
			w.statuses(cfg, map[string]string{})
			w.same("change sets", 0, len(w.changeSets(cfg)))
		}
		r := w.run(0, "destroy", "-f", "less.yaml")
		w.same("what another destroy did", len(r.Steps), r.Counts.Unchanged)
	})
	w.step("an account that is closed is left out, and named", func() {
		must[*organizations.CloseAccountOutput](w, "close account")(b.client.CloseAccount(w.t.Context(), &organizations.CloseAccountInput{AccountId: &accounts[4]}))
		stdout, _ := w.axle(0, "plan", "--refresh")
		w.has("the plan", stdout, "Plan: 4 to create")
		w.has("the plan", stdout, "left out, as nobody can work there: app5 ("+accounts[4]+")")
	})
}

// rollout takes the first stack to all accounts in three waves: a canary that fails
// halts it, and then what looks after the second wave.
func rollout(w *world, accounts []string) {
	name, value := "/fleet/owner", "somebody else"
	canary := ssm.NewFromConfig(w.in(accounts[0], "eu-west-1"))
	if !w.gaps.neverFails {
		w.step("the canary fails, and nothing else is begun", func() {
			must[*ssm.PutParameterOutput](w, "put parameter")(canary.PutParameter(w.t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value, Type: ssmtypes.ParameterTypeString}))
			r := w.run(1, "deploy")
			w.failed(r, "ResourceFailed", "Owned", "Owned (AWS::SSM::Parameter)")
			w.rollout(r, "halted", 1)
			w.same("skipped", 4, r.Counts.Skipped)
			w.reached(accounts, 0)
			must[*ssm.DeleteParameterOutput](w, "delete parameter")(canary.DeleteParameter(w.t.Context(), &ssm.DeleteParameterInput{Name: &name}))
		})
	}
	unwell := filepath.Join(w.dir, "unwell")
	w.step("mended, it goes on, until something isn't well after a wave", func() {
		if err := os.WriteFile(unwell, nil, 0o600); err != nil {
			w.t.Fatal(err)
		}
		if w.gaps.neverFails {
			w.rollout(w.run(3, "deploy"), "halted", 1)
		} else {
			w.rollout(w.resume(3), "halted", 1)
		}
		w.reached(accounts, 1)
		w.same("the canary's parameter", "app1", w.parameter(w.in(accounts[0], "eu-west-1"), name))
	})
	w.step("well again, the other waves follow", func() {
		if err := os.Remove(unwell); err != nil {
			w.t.Fatal(err)
		}
		w.rollout(w.resume(0), "succeeded", 3)
		w.reached(accounts, 5)
		w.axle(0, "plan", "--detailed-exitcode")
	})
}

// rollout checks how the run's one rollout stands, which has three waves.
func (w *world) rollout(r run, state string, wave int) {
	w.t.Helper()
	if len(r.Rollouts) != 1 {
		w.t.Fatalf("%s: rollouts: %+v", w.name, r.Rollouts)
	}
	got := r.Rollouts[0]
	w.same("the rollout", []any{"base", state, wave, 3}, []any{got.Stack, got.State, got.Wave, got.Of})
}

// reached checks that the first n accounts have the stack, and the others don't.
// One that was rolled back is still there.
func (w *world) reached(accounts []string, n int) {
	w.t.Helper()
	for i, account := range accounts {
		status := w.stackStatus(w.in(account, "eu-west-1"), "fleet-base")
		if i < n {
			w.same("the stack of "+account, "CREATE_COMPLETE", status)
		} else if status != "" && !(i == 0 && status == "ROLLBACK_COMPLETE") {
			w.t.Errorf("%s: the rollout went on to %s: %s", w.name, account, status)
		}
	}
}

// killed kills a run in the middle, and goes on with it: the ten stacks are there,
// and those that were made before weren't made again.
func killed(w *world, accounts []string) {
	ids := func() map[string]string {
		out := map[string]string{}
		for _, account := range accounts {
			for _, region := range regions {
				if s, ok := w.stacks(w.in(account, region))["fleet-extra"]; ok {
					out[account+" "+region] = *s.StackId
				}
			}
		}
		return out
	}
	var before map[string]string
	w.step("a run that is killed", func() {
		w.kill("ExecuteChangeSet", 5, "deploy", "--yes", "--max-concurrent", "2", "-f", "more.yaml", "--confirm-targets", "15")
		before = ids()
		if n := len(before); n < 3 || n > 9 {
			w.t.Fatalf("%s: killed in the middle of ten, and %d are there", w.name, n)
		}
		stdout, _ := w.axle(0, "runs", "-f", "more.yaml")
		w.has("runs", stdout, "interrupted")
	})
	w.step("is gone on with", func() {
		r := w.resume(0, "-f", "more.yaml")
		w.same("status", "succeeded", r.Status)
		after := ids()
		w.same("stacks", 10, len(after))
		for where, id := range before {
			w.same("the stack that was there in "+where, id, after[where])
		}
		again := w.run(0, "deploy", "-f", "more.yaml")
		w.same("what a deploy after it did", len(again.Steps), again.Counts.Unchanged)
	})
}

// pruned takes a stack and an account out of axle.yaml: a deploy deletes nothing,
// a prune exactly that, once the number is confirmed.
func pruned(w *world, accounts []string) {
	names := func(account, region string) []string {
		var out []string
		for name := range w.stacks(w.in(account, region)) {
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	w.step("a deploy deletes nothing", func() {
		w.axle(4, "deploy", "--yes", "-f", "less.yaml") // is that few meant?
		w.same("failed", 0, w.run(0, "deploy", "-f", "less.yaml", "--confirm-targets", "4").Counts.Failed)
		w.same("stacks", []string{"fleet-base", "fleet-extra"}, names(accounts[4], "eu-west-1"))
	})
	w.step("prune", func() {
		w.axle(4, "prune", "--yes", "-f", "less.yaml")
		w.same("stacks", []string{"fleet-base", "fleet-extra"}, names(accounts[4], "eu-west-1"))
		r := w.run(0, "prune", "-f", "less.yaml", "--confirm-targets", "11")
		w.same("what prune did", map[string]int{"stack delete": 11}, r.actions())
		for i, account := range accounts {
			want := []string{"fleet-base"}
			if i == 4 {
				want = nil
			}
			w.same("stacks of "+account, want, names(account, "eu-west-1"))
			w.same("stacks elsewhere of "+account, []string(nil), names(account, "us-east-1"))
		}
		_, stderr := w.axle(0, "prune", "--yes", "-f", "less.yaml")
		w.has("another prune", stderr, "Nothing to prune")
	})
}
