//go:build scenarios

package scenarios

import (
	"strings"
	"testing"

	"axle/internal/store"
	"axle/internal/store/storetest"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestStore is the journal of a team in DynamoDB and S3: what every store must do,
// and two people in two folders.
func TestStore(t *testing.T) {
	on(t, teamStore, sandbox(alone...), unkindSandbox(alone...), moto(), ministack(), ministackIAM())
}

func teamStore(w *world) {
	w.project("store")
	b := w.newOrganization()
	tools := b.account(b.ou(b.root, "Infrastructure", nil), "tools", nil)
	work := b.ou(b.root, "Workloads", nil)
	var apps []string
	for _, name := range []string{"app1", "app2", "app3", "app4"} {
		apps = append(apps, b.account(work, name, nil))
	}
	if w.gaps.noEntryRole {
		w.becomeUser()
	}
	w.t.Run("contract", func(t *testing.T) { contract(t, w, tools) })
	w.step("without a table nothing is done", func() {
		_, stderr := w.axle(1, "deploy", "--yes", "-f", "entered.yaml")
		w.has("deploy", stderr, "there is no such table")
		w.has("deploy", stderr, "hint: axle bootstrap --only-store --yes makes the table and its bucket")
	})
	w.step("bootstrap makes it, and the roles", func() { w.axle(0, "bootstrap", "--yes") })
	ann, bob := w, w.colleague()
	w.step("a run that is killed", func() { ann.kill("ExecuteChangeSet", 4, "deploy", "--yes", "--max-concurrent", "2") })
	w.step("is gone on with by somebody else", func() {
		stdout, _ := bob.axle(0, "runs")
		w.has("runs", stdout, "interrupted")
		bob.kill("CreateChangeSet", 1, "resume") // made, and in no journal
		r := bob.resume(0)
		w.same("status", "succeeded", r.Status)
		stdout, _ = ann.axle(0, "runs")
		w.has("runs", stdout, r.Run)
		w.has("runs", stdout, "succeeded")
		again := ann.run(0, "deploy")
		w.same("what a deploy after it did", map[string]int{"stack none": 8}, again.actions())
		for _, app := range apps {
			for _, region := range regions {
				w.same("topics in "+app+" "+region, 1, w.topics(w.in(app, region)))
			}
		}
	})
	w.step("two at once", func() {
		ann.during("DeleteStack", 1, func() {
			_, stderr := bob.axle(4, "deploy", "--yes")
			w.has("the other's deploy", stderr, `project "team" is being worked on by run r`)
		}, "destroy", "--yes", "--max-concurrent", "1")
		w.same("status", "unchanged", bob.run(0, "destroy").Steps[0].Status)
	})
	w.step("plans are in the bucket", func() {
		bucket, cfg := "axle-journal-"+tools+"-eu-west-1", w.in(tools, "eu-west-1")
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		n := 0
		for p := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket}); p.HasMorePages(); {
			n += len(must[*s3.ListObjectsV2Output](w, "list objects")(p.NextPage(w.t.Context())).Contents)
		}
		w.same("plans of runs", 4, n)
	})
}

// contract is what every store must do, in an account.
func contract(t *testing.T, w *world, account string) {
	db, bucket := storetest.Clients(w.in(account, "eu-west-1"))
	made := map[string]bool{}
	storetest.Contract(t, func(t *testing.T, name string) store.Store {
		at := store.TableAddress{Table: "axle-" + strings.ToLower(name)}.In(account, "eu-west-1")
		if !made[name] {
			storetest.Table(t, at, db, bucket)
			made[name] = true
		}
		s, err := store.OpenDynamoDB(t.Context(), at, account, db, bucket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}

// colleague is the same world with another folder for the same project.
func (w *world) colleague() *world {
	w.t.Helper()
	other := *w
	other.dir = w.t.TempDir()
	other.project("store")
	return &other
}
