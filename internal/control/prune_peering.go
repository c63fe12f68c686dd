package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/action"
	"axle/internal/cloud"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// lapsed is a peering connection of the project that nothing in axle.yaml asks for.
type lapsed struct {
	action.Connection
	// at is where it is deleted: in the requester's account or, when that is closed
	// or has left, in the accepter's.
	at axle.Target
	// stays says why the accepter's routes can't be removed; "" when they can.
	stays string
}

// findLapsed looks for the project's peering connections in these places, counts
// them, and returns those that nobody wants, by name and place. A connection is
// looked at where it was requested, or where it was accepted when the requester's
// account can't be entered ever again.
func (w *Work) findLapsed(ctx context.Context, places []axle.Target, wanted *wants) ([]lapsed, error) {
	seen, err := w.connections(ctx, places, wanted)
	if err != nil {
		return nil, err
	}
	w.peered = 0
	var out []lapsed
	for _, at := range places {
		for _, c := range seen[at] {
			if c.Requester != at && w.closed(c.Requester.Account) == "" {
				continue
			}
			w.peered++
			if !wanted.peerings[plan.Peering{Name: c.Peering, Requester: c.Requester, Accepter: c.Accepter}] {
				out = append(out, lapsed{Connection: c, at: at})
			}
		}
	}
	slices.SortFunc(out, func(a, b lapsed) int {
		if a.Peering != b.Peering {
			return strings.Compare(a.Peering, b.Peering)
		}
		if c := a.Requester.Compare(b.Requester); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, w.findAccepters(ctx, out, seen)
}

// closed says why nobody can enter an account ever again; "" when it is there.
func (w *Work) closed(id string) string {
	switch account, known := w.org.Account(id); {
	case !known:
		return "it isn't in the organization"
	case !account.Active():
		return "it is " + account.Status
	}
	return ""
}

// whereabouts names a target, whose account may have left, for people.
func (w *Work) whereabouts(t axle.Target) string {
	return w.label(t.Account) + " " + t.Region
}

// connections are those that the places show. Places that don't answer have no
// entry, and are told of.
func (w *Work) connections(ctx context.Context, places []axle.Target, wanted *wants) (map[axle.Target][]action.Connection, error) {
	var mu sync.Mutex
	seen, failed := map[axle.Target][]action.Connection{}, map[axle.Target]error{}
	found := len(wanted.peerings) > 0
	peering := action.NewPeeringPreview(w.cloud)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limits().Global)
	for _, t := range places {
		g.Go(func() error {
			account, _ := w.org.Account(t.Account)
			list, err := peering.Connections(gctx, account, t.Region, w.Project())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[t] = err
				return gctx.Err()
			}
			seen[t] = list
			found = found || len(list) > 0
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return seen, w.tellUnseen(ctx, failed, found)
}

// tellUnseen tells where peerings couldn't be looked for. Roles that may not look
// are as they should be where the project has no peerings and never had any.
func (w *Work) tellUnseen(ctx context.Context, failed map[axle.Target]error, found bool) error {
	if !found && len(failed) > 0 {
		had, err := w.hadPeerings(ctx)
		if err != nil {
			return err
		}
		if !had {
			maps.DeleteFunc(failed, func(_ axle.Target, err error) bool { return cloud.LacksPermission(err) })
		}
	}
	if len(failed) == 0 {
		return nil
	}
	at := slices.SortedFunc(maps.Keys(failed), axle.Target.Compare)
	names := make([]string, len(at))
	for i, t := range at {
		names[i] = w.whereabouts(t)
	}
	w.warn("peerings weren't looked for in %s: %s", listed(names), asFailure(failed[at[0]]).Message)
	return nil
}

// hadPeerings says whether any recorded deploy had peerings. Where none is recorded
// there may have been some.
func (w *Work) hadPeerings(ctx context.Context) (bool, error) {
	db, err := readStore(ctx, w.opts)
	if errors.Is(err, axle.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer db.Close()
	had := true
	err = recordedPlans(ctx, db, w.Project(), brakeRuns, isDeploy, func(_ axle.Run, was *plan.Plan) bool {
		had = false
		for _, spec := range was.Specs {
			had = had || spec.Peering != nil
		}
		return !had
	})
	return had, err
}

// findAccepters finds out whose accepter's routes can't be removed, and tells what
// stays there.
func (w *Work) findAccepters(ctx context.Context, found []lapsed, seen map[axle.Target][]action.Connection) error {
	why := map[axle.Target]string{}
	peering := action.NewPeeringPreview(w.cloud)
	for i := range found {
		c := &found[i]
		if _, looked := seen[c.Accepter]; looked {
			continue
		}
		if _, asked := why[c.Accepter]; !asked {
			why[c.Accepter] = w.closed(c.Accepter.Account)
			if account, _ := w.org.Account(c.Accepter.Account); why[c.Accepter] == "" {
				if _, err := peering.Connections(ctx, account, c.Accepter.Region, w.Project()); err != nil {
					why[c.Accepter] = asFailure(err).Message
				}
			}
		}
		c.stays = why[c.Accepter]
	}
	for _, at := range slices.SortedFunc(maps.Keys(why), axle.Target.Compare) {
		if why[at] == "" {
			continue
		}
		var names []string
		for _, c := range found {
			if c.Accepter == at {
				names = append(names, fmt.Sprintf("%s of peering %s with %s", c.ID, c.Peering, w.whereabouts(c.Requester)))
			}
		}
		w.warn("routes in %s stay, and lead nowhere once their connection is deleted: those over %s; the account can't be entered: %s", w.whereabouts(at), listed(names), why[at])
	}
	return ctx.Err()
}

// removePeerings makes the steps that a destroy of the connections would have, each
// about one connection: routes on both sides, then the connection.
func (w *Work) removePeerings(p *plan.Plan, found []lapsed) []axle.Step {
	var steps []axle.Step
	taken := map[string]bool{}
	for _, c := range found {
		spec := p.Specs["peering/"+c.Peering]
		if spec == nil {
			spec = &axle.Spec{Peering: &axle.PeeringSpec{Project: p.Project, Peering: c.Peering}}
			p.Specs["peering/"+c.Peering] = spec
		}
		more := "" // of connections of one peering and requester each after the first has its own id in its steps'
		if id := plan.PeeringStep(c.Peering, c.Requester, "request"); taken[id] {
			more = "-" + c.ID
		} else {
			taken[id] = true
		}
		add := func(kind, part string, at axle.Target, needs []string) string {
			account, _ := w.org.Account(at.Account)
			p.Accounts[at.Account] = account
			steps = append(steps, axle.Step{ID: plan.PeeringStep(c.Peering, c.Requester, part+more), Kind: kind, Name: c.Peering, Account: at.Account,
				AccountName: account.Name, Region: at.Region, Delete: true, Spec: spec, Needs: needs,
				Input: map[string]axle.Value{"requester": {Literal: c.Requester.String()}, action.ConnectionInput: {Literal: c.ID}}})
			return steps[len(steps)-1].ID
		}
		var routes []string
		if c.stays == "" {
			routes = append(routes, add(axle.KindPeeringRoutes, "routes-accepter", c.Accepter, nil))
		}
		if c.at == c.Requester {
			routes = append(routes, add(axle.KindPeeringRoutes, "routes-requester", c.Requester, nil))
		}
		add(axle.KindPeeringRequest, "request", c.at, routes)
	}
	return steps
}

// afterPeerings are the deletions of stacks with the removals of peerings before
// them. Which stack a VPC and its route tables belong to isn't known for sure: each
// waits for the peerings that begin or end where it is.
func afterPeerings(stacks, removals []axle.Step) []axle.Step {
	before := map[axle.Target][]string{}
	routes := map[string]axle.Target{} // where a connection's routes are removed
	for i := range removals {
		s := &removals[i]
		if s.Kind != axle.KindPeeringRequest {
			routes[s.ID] = s.Target()
			continue
		}
		at := map[axle.Target]bool{s.Target(): true}
		for _, need := range s.Needs {
			at[routes[need]] = true
		}
		for t := range at {
			before[t] = append(before[t], s.ID)
		}
	}
	all := slices.Clone(removals)
	for _, s := range stacks {
		s.Needs = slices.Concat(s.Needs, before[s.Target()])
		slices.Sort(s.Needs)
		s.Needs = slices.Compact(s.Needs)
		all = append(all, s)
	}
	return all
}
