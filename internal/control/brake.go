package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"axle"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/store"
)

// The brake of a run. Targets are stacks in an account and region, and of a prune
// the peering connections that it deletes, which need no stack to go along.
const (
	// brakeLeast is how many targets must be at stake: smaller differences, and
	// deletions of fewer stacks, are let through.
	brakeLeast = 10
	// brakeDeletes is the part of the project's stacks, in percent, that may be
	// deleted.
	brakeDeletes = 5
	// brakeRuns is how far back an earlier run is looked for.
	brakeRuns = 50
)

// targetsOf counts what a plan acts on.
func targetsOf(p *plan.Plan) int {
	n := 0
	for i := range p.Steps {
		if kind := p.Steps[i].Kind; kind == plan.KindStack || kind == axle.KindPeeringRequest && p.Command == "prune" {
			n++
		}
	}
	return n
}

// Brake refuses a plan whose targets have jumped since the last run of the same
// command, environment and narrowing, or that deletes a good part of the
// project, unless the user names the exact number of targets.
func (w *Work) Brake(ctx context.Context, p *plan.Plan) error {
	db, err := readStore(ctx, w.opts)
	if errors.Is(err, axle.ErrNotFound) {
		return w.brake(ctx, nil, p)
	}
	if err != nil {
		return err
	}
	defer db.Close()
	return w.brake(ctx, db, p)
}

func (w *Work) brake(ctx context.Context, db store.Store, p *plan.Plan) error {
	now := targetsOf(p)
	last, was, err := w.lastLike(ctx, db, p)
	if err != nil {
		return err
	}
	w.warnPeerings(last, was)
	if n := w.opts.ConfirmTargets; n > 0 {
		if n == now {
			return nil
		}
		return braked(fmt.Sprintf("--confirm-targets %d, but this %s has %d targets", n, p.Command, now), p.Command, now)
	}
	if p.Command == "destroy" || p.Command == "prune" {
		all, what, err := w.projectTargets(ctx, p)
		if err != nil {
			return err
		}
		if now >= brakeLeast && now*100 > all*brakeDeletes {
			return braked(fmt.Sprintf("this %s would delete %d of the project's %d %s, more than %d%%", p.Command, now, all, what, brakeDeletes), p.Command, now)
		}
	}
	if was == nil {
		return nil
	}
	then, word := targetsOf(was), ""
	switch {
	case max(now-then, then-now) < brakeLeast:
	case now > 2*then:
		word = "more than twice"
	case 2*now < then:
		word = "less than half"
	}
	if word == "" {
		return nil
	}
	return braked(fmt.Sprintf("this %s would touch %d targets, %s the %d of the last one (%s of %s)",
		p.Command, now, word, then, last.ID, last.Started.Format("2006-01-02 15:04")), p.Command, now)
}

func braked(message, command string, now int) error {
	look := map[string]string{"destroy": "axle status", "prune": "axle prune without --yes"}[command]
	if look == "" {
		look = "axle plan"
	}
	return &axle.Failure{Code: "Brake", Blocked: true, Message: message + "; nothing was done",
		Hint: fmt.Sprintf("look whether that is meant (%s shows them; targets, tags or OUs may have changed), then add --confirm-targets %d", look, now)}
}

// lastLike is the project's last run of the same command, environment and
// narrowing, with its plan, or nil; one that was blocked touched nothing and
// doesn't count.
func (w *Work) lastLike(ctx context.Context, db store.Store, p *plan.Plan) (last axle.Run, was *plan.Plan, err error) {
	if db == nil {
		return last, nil, nil
	}
	err = recordedPlans(ctx, db, p.Project, brakeRuns,
		func(r axle.Run) bool { return r.Command == p.Command && r.Env == p.Env && r.Status != axle.RunBlocked },
		func(r axle.Run, of *plan.Plan) bool {
			if slices.Equal(of.Narrowed, p.Narrowed) {
				last, was = r, of
			}
			return was == nil
		})
	return last, was, err
}

// warnPeerings tells of peerings that the last deploy had and axle.yaml has no more:
// like stacks they stay until a prune.
func (w *Work) warnPeerings(last axle.Run, was *plan.Plan) {
	if last.Command != "deploy" {
		return
	}
	var gone []string
	for _, key := range slices.Sorted(maps.Keys(was.Specs)) {
		of := was.Specs[key].Peering
		if of != nil && !slices.ContainsFunc(w.project.Peerings, func(p config.Peering) bool { return p.Name == of.Peering }) {
			gone = append(gone, of.Peering)
		}
	}
	switch len(gone) {
	case 0:
	case 1:
		w.warn("peering %s, which %s had, isn't in axle.yaml any more: its connections and routes stay until axle prune removes them", gone[0], last.ID)
	default:
		w.warn("peerings %s, which %s had, aren't in axle.yaml any more: their connections and routes stay until axle prune removes them", listed(gone), last.ID)
	}
}

// projectTargets counts what the project has of what a plan deletes: for a prune
// what is deployed, else the stacks that axle.yaml has.
func (w *Work) projectTargets(ctx context.Context, p *plan.Plan) (n int, what string, err error) {
	switch {
	case p.Command == "prune" && w.peered > 0:
		return w.deployed + w.peered, "stacks and peering connections", nil
	case p.Command == "prune":
		return w.deployed, "stacks", nil
	case p.Narrowed == nil:
		return targetsOf(p), "stacks", nil
	}
	whole := *w
	whole.where, whole.opts.Where, whole.opts.Regions, whole.Warnings = nil, "", nil, nil
	all, err := whole.build(ctx, true)
	if err != nil {
		return 0, "", err
	}
	return targetsOf(all), "stacks", nil
}

// narrowing is what narrows a run's targets: runs of other narrowings aren't
// compared with each other.
func (w *Work) narrowing() []string {
	var out []string
	if w.opts.Where != "" {
		out = append(out, "where "+w.opts.Where)
	}
	for _, r := range slices.Sorted(slices.Values(w.opts.Regions)) {
		out = append(out, "region "+r)
	}
	if w.opts.Stale {
		out = append(out, "stale")
	}
	for _, s := range slices.Sorted(slices.Values(w.opts.Adopt)) {
		out = append(out, "stack "+s)
	}
	return out
}
