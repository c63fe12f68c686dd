package action

import (
	"context"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// State is what a review holds on to of the peering that a step works on, as
// the step's own account sees it: the connections with our tags that live, and
// the routes or options that the step is about.
func (p *Peering) State(ctx context.Context, step *axle.Step) (axle.StackState, error) {
	s, err := p.open(step, axle.Inputs{})
	if err != nil {
		return axle.StackState{}, err
	}
	found, err := s.findOurs(ctx)
	if err != nil {
		return axle.StackState{}, err
	}
	var ids, statuses []string
	var state axle.StackState
	for i := range found {
		if c := &found[i]; live(c) {
			ids, statuses = append(ids, id(c)), append(statuses, string(status(c)))
			if step.Kind == axle.KindPeeringDNS {
				state.Options += optionsOf(c)
			}
		}
	}
	state.ID, state.Status = strings.Join(ids, ","), strings.Join(statuses, ",")
	if step.Kind == axle.KindPeeringRoutes && len(found) > 0 {
		routes, err := s.ourRoutes(ctx)
		if err != nil {
			return axle.StackState{}, err
		}
		texts := make(map[string]string, len(routes))
		for _, r := range routes {
			texts[r.table+" "+destination(&r.route)] = aws.ToString(r.route.VpcPeeringConnectionId) + " " + string(r.route.State)
		}
		state.Routes = digestOf(texts)
	}
	return state, nil
}

// optionsOf are the DNS options of both sides, for comparison.
func optionsOf(c *types.VpcPeeringConnection) string {
	var on []string
	for side, info := range map[string]*types.VpcPeeringConnectionVpcInfo{"requester": c.RequesterVpcInfo, "accepter": c.AccepterVpcInfo} {
		if info != nil && info.PeeringOptions != nil && aws.ToBool(info.PeeringOptions.AllowDnsResolutionFromRemoteVpc) {
			on = append(on, side)
		}
	}
	slices.Sort(on)
	return id(c) + ":" + strings.Join(on, ",") + ";"
}
