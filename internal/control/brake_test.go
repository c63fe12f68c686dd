package control

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/store"
)

// planned is a plan with so many stacks.
func planned(command string, n int, narrowed ...string) *plan.Plan {
	p := &plan.Plan{Project: "p", Command: command, Narrowed: narrowed}
	for i := range n {
		p.Steps = append(p.Steps, axle.Step{ID: fmt.Sprintf("stack/s/%012d/eu-west-1", i), Kind: plan.KindStack, Name: "s"})
	}
	return p
}

// The brake is where its description says it is: to the target.
func TestBrakeBounds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		then, now int // targets of the last deploy and of this one
		braked    bool
	}{
		{"nine more are few", 3, 12, false},
		{"ten more, and more than twice", 3, 13, true},
		{"exactly twice", 20, 40, false},
		{"one more than twice", 20, 41, true},
		{"exactly half", 40, 20, false},
		{"one less than half", 40, 19, true},
		{"none is left", 10, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, db := braking(t)
			ran(t, db, "r1", axle.RunSucceeded, planned("deploy", tt.then))
			held(t, w.brake(t.Context(), db, planned("deploy", tt.now)), tt.braked, tt.now)
		})
	}
	for _, tt := range []struct {
		all, now int // stacks that are deployed, and that a prune deletes
		braked   bool
	}{{20, 9, false}, {20, 10, true}, {200, 10, false}, {199, 10, true}} {
		w, db := braking(t)
		w.deployed = tt.all
		held(t, w.brake(t.Context(), db, planned("prune", tt.now)), tt.braked, tt.now)
	}
}

// A prune's connections count, among all that is deployed; a destroy's go with its
// stacks.
func TestBrakeCountsPeerings(t *testing.T) {
	peered := func(command string, n int) *plan.Plan {
		p := planned(command, 2)
		for i := range n {
			id := plan.PeeringStep("link", axle.Target{Account: fmt.Sprintf("%012d", i), Region: "eu-west-1"}, "request")
			p.Steps = append(p.Steps, axle.Step{ID: id, Kind: axle.KindPeeringRequest, Name: "link"},
				axle.Step{ID: id + "-routes", Kind: axle.KindPeeringRoutes, Name: "link"})
		}
		return p
	}
	w, db := braking(t)
	w.deployed, w.peered = 20, 10
	held(t, w.brake(t.Context(), db, peered("prune", 7)), false, 9)
	err := w.brake(t.Context(), db, peered("prune", 8))
	held(t, err, true, 10)
	if err != nil && !strings.HasPrefix(err.Error(), "this prune would delete 10 of the project's 30 stacks and peering connections, more than 5%") {
		t.Error(err)
	}
	held(t, w.brake(t.Context(), db, peered("destroy", 8)), false, 2)
	w.opts.ConfirmTargets = 10
	held(t, w.brake(t.Context(), db, peered("prune", 8)), false, 10)
}

// What was taken out is told of, also where the number of targets is confirmed.
func TestBrakeTellsOfPeerings(t *testing.T) {
	w, db := braking(t)
	w.project = &config.Project{Peerings: []config.Peering{{Name: "kept"}}}
	was := planned("deploy", 2)
	was.Specs = map[string]*axle.Spec{}
	for _, name := range []string{"kept", "gone", "another"} {
		was.Specs["peering/"+name] = &axle.Spec{Peering: &axle.PeeringSpec{Project: "p", Peering: name}}
	}
	ran(t, db, "r1", axle.RunSucceeded, was)
	w.opts.ConfirmTargets = 2
	for range 2 { // before it is asked about, and before it runs
		held(t, w.brake(t.Context(), db, planned("deploy", 2)), false, 2)
	}
	same(t, "warnings", w.Warnings, []string{"peerings another, gone, which r1 had, aren't in axle.yaml any more: their connections and routes stay until axle prune removes them"})
}

// A run is compared with the last one of its like that touched anything.
func TestBrakeComparesLikes(t *testing.T) {
	w, db := braking(t)
	ran(t, db, "r1", axle.RunSucceeded, planned("deploy", 40))
	ran(t, db, "r2", axle.RunSucceeded, planned("revert", 10))
	ran(t, db, "r3", axle.RunBlocked, planned("deploy", 10))
	ran(t, db, "r4", axle.RunSucceeded, planned("deploy", 10, "region eu-west-1"))
	prod := planned("deploy", 10)
	prod.Env = "prod"
	ran(t, db, "r5", axle.RunSucceeded, prod)
	later := axle.Run{ID: "r6", Project: "p", Command: "deploy", Status: axle.RunSucceeded, Started: time.Date(2026, 11, 21, 12, 0, 6, 0, time.UTC)}
	if err := db.CreateRun(t.Context(), later, []byte("a plan that this version can't read")); err != nil {
		t.Fatal(err)
	}
	held(t, w.brake(t.Context(), db, planned("deploy", 40)), false, 40)
	held(t, w.brake(t.Context(), db, planned("deploy", 10)), true, 10)
	held(t, w.brake(t.Context(), db, planned("deploy", 40, "region eu-west-1")), true, 40)
	held(t, w.brake(t.Context(), db, planned("deploy", 40, "region us-east-1")), false, 40)

	w.opts = Options{Where: "true", Regions: []string{"us-east-1", "eu-west-1"}, Stale: true, Adopt: []string{"b", "a"}}
	same(t, "narrowing", w.narrowing(), []string{"where true", "region eu-west-1", "region us-east-1", "stale", "stack a", "stack b"})
}

func braking(t *testing.T) (*Work, store.Store) {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "axle.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // the test is over
	return &Work{}, db
}

// ran records a run: those of later ids began later.
func ran(t *testing.T, db store.Store, id string, status axle.RunStatus, p *plan.Plan) {
	t.Helper()
	body, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 21, 12, 0, int(id[1]-'0'), 0, time.UTC)
	run := axle.Run{ID: id, Project: p.Project, Env: p.Env, Command: p.Command, Status: status, Started: began, Steps: len(p.Steps)}
	if err := db.CreateRun(t.Context(), run, body); err != nil {
		t.Fatal(err)
	}
}

// held wants the brake's refusal with the number that releases it, or none.
func held(t *testing.T, err error, want bool, now int) {
	t.Helper()
	var f *axle.Failure
	switch errors.As(err, &f); {
	case !want && err != nil:
		t.Errorf("braked: %v", err)
	case want && (f == nil || f.Code != "Brake" || !f.Blocked || !strings.HasSuffix(f.Hint, fmt.Sprintf("--confirm-targets %d", now))):
		t.Errorf("not braked with %d targets: %v", now, err)
	}
}
