//go:build scenarios

package scenarios

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// TestPrepared is change sets that one role prepares and another executes, each
// with the permissions that are computed for it and no others.
func TestPrepared(t *testing.T) {
	on(t, prepared, sandbox(alone...), unkindSandbox(alone...), ministackIAM())
}

func prepared(w *world) {
	w.project("prepared")
	b := w.newOrganization()
	work := b.ou(b.root, "Workloads", nil)
	accounts := []string{b.account(work, "dev", nil), b.account(work, "qa", nil)}
	if w.gaps.noEntryRole {
		w.becomeUser()
	}
	w.step("two roles in each account, as they are computed", func() {
		w.computedRole(accounts, "plan")
		w.computedRole(accounts, "execute")
	})
	var id string
	w.step("one prepares, and can't execute", func() {
		stdout, _ := w.axle(0, "plan", "--prepare", "--role", "axle-plan", "--output", "json")
		var p struct {
			Prepared struct {
				Run   string
				Steps int
			}
		}
		if err := json.Unmarshal([]byte(stdout), &p); err != nil {
			w.t.Fatal(err)
		}
		id = p.Prepared.Run
		w.same("prepared", 2, p.Prepared.Steps)
		for _, account := range accounts {
			w.statuses(w.in(account, "eu-west-1"), map[string]string{"prepared-base": "REVIEW_IN_PROGRESS"})
		}
		stdout, _ = w.axle(1, "execute", id, "--role", "axle-plan")
		w.has("the planner's execute", stdout, "cloudformation:ExecuteChangeSet")
	})
	w.step("the other can't prepare, and executes", func() {
		w.axle(4, "plan", "--prepare", "--role", "axle-execute")
		stdout, _ := w.axle(0, "execute", id, "--role", "axle-execute", "--output", "json")
		w.same("what it did", map[string]int{"stack create": 2}, w.read(stdout).actions())
		for _, account := range accounts {
			w.same("the parameter", "first", w.parameter(w.in(account, "eu-west-1"), "/prepared/title"))
		}
	})
	w.step("an update, one of which somebody executes by hand", func() {
		w.edit("axle.yaml", "Title: first", "Title: second")
		stdout, _ := w.axle(0, "plan", "--prepare", "--role", "axle-plan", "--output", "json")
		var p struct{ Prepared struct{ Run string } }
		if err := json.Unmarshal([]byte(stdout), &p); err != nil {
			w.t.Fatal(err)
		}
		client := cloudformation.NewFromConfig(w.in(accounts[0], "eu-west-1"))
		sets := must[*cloudformation.ListChangeSetsOutput](w, "list change sets")(client.ListChangeSets(w.t.Context(), &cloudformation.ListChangeSetsInput{StackName: aws.String("prepared-base")}))
		for _, s := range sets.Summaries {
			if s.ExecutionStatus == "AVAILABLE" {
				must[*cloudformation.ExecuteChangeSetOutput](w, "execute")(client.ExecuteChangeSet(w.t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: s.ChangeSetId}))
			}
		}
		w.axle(0, "execute", p.Prepared.Run, "--role", "axle-execute")
		for _, account := range accounts {
			w.same("the parameter", "second", w.parameter(w.in(account, "eu-west-1"), "/prepared/title"))
			w.same("change sets", 0, len(w.changeSets(w.in(account, "eu-west-1"))))
		}
	})
}

// computedRole makes a role in the accounts that may do what axle computed, and
// that the management account may assume.
func (w *world) computedRole(accounts []string, role string) {
	w.t.Helper()
	stdout, _ := w.axle(0, "access", "least-privilege", "--role", role, "--where", `account.ou == "/Workloads"`, "--output", "json")
	var computed struct {
		Groups []struct{ Policies []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(stdout), &computed); err != nil || len(computed.Groups) != 1 {
		w.t.Fatalf("%s: %d groups of accounts, %v:\n%s", w.name, len(computed.Groups), err, tail(stdout, 20))
	}
	for _, account := range accounts {
		client, name := iam.NewFromConfig(w.in(account, "us-east-1")), aws.String("axle-"+role)
		must[*iam.CreateRoleOutput](w, "create role")(client.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(rootOf111)}))
		for i, policy := range computed.Groups[0].Policies {
			must[*iam.PutRolePolicyOutput](w, "put role policy")(client.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: name,
				PolicyName: aws.String(fmt.Sprint("computed", i)), PolicyDocument: aws.String(string(policy))}))
		}
	}
}
