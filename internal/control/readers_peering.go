package control

import (
	"context"

	"axle"
	"axle/internal/action"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// connection is whether the VPC peering connection of a request's step is there.
type connection struct {
	live bool
	err  error
}

// connect looks for the connections of the peerings among uses that weren't looked
// for yet, as their requesters see them.
func (r *references) connect(ctx context.Context, uses []plan.Use) error {
	peering := action.NewPeeringPreview(r.w.cloud)
	var requests []*axle.Step
	for _, u := range uses {
		if _, known := r.connections[u.Step.ID]; u.By == plan.ByPeering && !known {
			r.connections[u.Step.ID] = connection{}
			requests = append(requests, u.Step)
		}
	}
	found := make([]connection, len(requests))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.w.limits().Global)
	for i, s := range requests {
		g.Go(func() error {
			state, err := peering.State(gctx, s)
			found[i] = connection{state.ID != "", err}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, s := range requests {
		r.connections[s.ID] = found[i]
	}
	return nil
}

// peering is a peering as reader, at its requester.
func (r *references) peering(base Reader, u plan.Use) Reader {
	at := r.connections[u.Step.ID]
	base.Peering, base.Account, base.Region = u.Step.Name, r.account(u.Step.Account), u.Step.Region
	base.By, base.Input, base.Deployed, base.Failure = u.By, u.Input, at.live, asFailure(at.err)
	return base
}

// place is where a reader is, as placeOf has it of its step.
func (r *Reader) place() place {
	at := axle.Target{Account: r.Account.ID, Region: r.Region}
	if r.Peering != "" {
		return place{at, peeringPlace(r.Peering)}
	}
	return place{at, r.StackName}
}

// peeringPlace stands for a connection where stacks have their names.
func peeringPlace(name string) string { return "peering/" + name }

// connected are uses without those of connections that aren't there, or that can't
// be looked for, which is warned of: the roles may have been made anew without them.
func (r *references) connected(ctx context.Context, uses []plan.Use) ([]plan.Use, error) {
	if err := r.connect(ctx, uses); err != nil {
		return nil, err
	}
	var out []plan.Use
	for _, u := range uses {
		c := r.connections[u.Step.ID]
		if u.By != plan.ByPeering {
			out = append(out, u)
		} else if c.err != nil {
			r.warnOnce("whether the connection of peering %s in %s is there isn't known: %v", u.Step.Name, u.Step.Where(), c.err)
		} else if c.live {
			out = append(out, u)
		}
	}
	return out, nil
}

// holdConnected adds to held which of the surplus stacks, by their steps, have
// outputs that connections are made of which are still there, and don't go with them:
// their VPCs couldn't be deleted.
func (w *Work) holdConnected(ctx context.Context, recorded []plan.Use, byStep map[string]place, going []lapsed, held map[place]string) error {
	r := &references{w: w, connections: map[string]connection{}}
	goes := map[place]bool{}
	for _, c := range going {
		goes[place{c.Requester, peeringPlace(c.Peering)}] = true
	}
	var uses []plan.Use
	for _, u := range recorded {
		account, known := w.org.Account(u.Step.Account)
		if _, surplus := byStep[u.Producer]; surplus && u.By == plan.ByPeering && known && account.Active() && !goes[placeOf(u.Step)] {
			uses = append(uses, u)
		}
	}
	uses, err := r.connected(ctx, uses)
	for _, u := range uses {
		x := r.peering(Reader{}, u)
		held[byStep[u.Producer]] = "its output " + u.Output + " is read by " + x.label() + ", whose connection is there and isn't pruned with it"
	}
	return err
}
