package action

import (
	"context"
	"slices"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ConnectionInput is an input of a deletion that names the one connection that it is
// about. Without it a deletion is about all connections with the tags of its peering.
const ConnectionInput = "peering"

// Connection is a peering connection of a project, as its tags tell.
type Connection struct {
	ID                  string
	Peering             string // its name in axle.yaml
	Requester, Accepter axle.Target
}

// Connections finds the project's peering connections that live and that have all
// of our tags in this account and region, which may be of either side; by id.
func (p *Peering) Connections(ctx context.Context, account axle.Account, region, project string) ([]Connection, error) {
	s := &peeringStep{Peering: p, step: &axle.Step{Account: account.ID, AccountName: account.Name, Region: region, Delete: true}}
	s.client, s.as = p.clients.EC2(s.step.Target())
	found, err := s.find(ctx, filter("tag:"+tagProject, project))
	if err != nil {
		return nil, err
	}
	var out []Connection
	for i := range found {
		c, tags := &found[i], tagsOf(&found[i])
		from, to := sideOf(c.RequesterVpcInfo, region), sideOf(c.AccepterVpcInfo, region)
		if live(c) && tags[tagProject] == project && tags[tagPeering] != "" && tags[tagRequester] == from.String() {
			out = append(out, Connection{ID: id(c), Peering: tags[tagPeering], Requester: from, Accepter: to})
		}
	}
	return out, nil
}

// sideOf is where one side of a connection is. Of an older connection within one
// region EC2 may leave the region out.
func sideOf(side *types.VpcPeeringConnectionVpcInfo, here string) axle.Target {
	if side == nil {
		return axle.Target{}
	}
	t := axle.Target{Account: aws.ToString(side.OwnerId), Region: aws.ToString(side.Region)}
	if t.Region == "" {
		t.Region = here
	}
	return t
}

// doomed are the connections that a deletion is about. One that is named must have
// our tags where it is deleted and in the requester's account; the accepter's, whose
// routes go, may never have got them. What holds it counts while it lives.
func (s *peeringStep) doomed(ctx context.Context, in axle.Inputs) ([]types.VpcPeeringConnection, error) {
	name := in.Values[ConnectionInput]
	if name == "" {
		return s.findOurs(ctx)
	}
	found, err := s.find(ctx, filter("vpc-peering-connection-id", name))
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(c types.VpcPeeringConnection) bool { return id(&c) != name })
	if len(found) == 0 { // EC2 has forgotten it, and routes may still lead there
		return []types.VpcPeeringConnection{{VpcPeeringConnectionId: &name}}, nil
	}
	if (s.step.Kind == axle.KindPeeringRequest || s.step.Target().String() == s.requester) && !s.ours(&found[0]) {
		return nil, nil
	}
	if why := in.Values[axle.HeldInput]; why != "" && live(&found[0]) {
		f := s.failure("InUse", "axle prune looks anew at what nothing wants", "peering %s in %s stays: %s", s.step.Name, s.step.Where(), why)
		f.Blocked = true
		return nil, f
	}
	return found, nil
}
