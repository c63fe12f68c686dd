package action

import (
	"context"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (s *peeringStep) startAccept(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	if after := unknown(in); len(after) > 0 {
		return s.previewOurs(ctx, after)
	}
	pcx, err := s.input(in, "peering")
	if err != nil {
		return axle.Progress{}, err
	}
	return s.accept(ctx, s.begin(pcx))
}

// accept brings the connection to active, one state after the other, and tags
// it on this side. The other account's or region's request shows here only
// after a moment.
func (s *peeringStep) accept(ctx context.Context, w peeringWork) (axle.Progress, error) {
	c, err := s.get(ctx, w.Peering)
	if err != nil {
		return axle.Progress{}, err
	}
	what := "accept peering connection " + w.Peering
	if c == nil {
		if s.preview {
			return s.previewChange(axle.Create), nil
		}
		return s.wait(w, visibleWithin, what, "the request never arrived here: check that the accepter's account and region are right")
	}
	switch status(c) {
	case types.VpcPeeringConnectionStateReasonCodeActive:
		return s.tagAccepter(ctx, w, c)
	case types.VpcPeeringConnectionStateReasonCodePendingAcceptance:
		if s.preview {
			return s.previewChange(axle.Create), nil
		}
		return s.acceptPending(ctx, w, what)
	case types.VpcPeeringConnectionStateReasonCodeInitiatingRequest, types.VpcPeeringConnectionStateReasonCodeProvisioning:
		if s.preview {
			return s.previewChange(axle.Create), nil
		}
		return s.wait(w, settledWithin, what, "look at it with aws ec2 describe-vpc-peering-connections")
	}
	return axle.Progress{}, s.broken(c, what)
}

func (s *peeringStep) acceptPending(ctx context.Context, w peeringWork, what string) (axle.Progress, error) {
	w.Change = axle.Create
	out, err := s.client.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: aws.String(w.Peering)}, s.as)
	switch {
	case hasCode(err, wrongState), hasCode(err, noPeering):
		// Accepted in the meantime, or the look was stale: look again.
		return s.wait(w, settledWithin, what, "look at it with aws ec2 describe-vpc-peering-connections")
	case err != nil:
		return axle.Progress{}, s.translate(err, what)
	}
	if c := out.VpcPeeringConnection; c != nil && status(c) == types.VpcPeeringConnectionStateReasonCodeActive {
		return s.tagAccepter(ctx, w, c)
	}
	return s.wait(w, settledWithin, what, "look at it with aws ec2 describe-vpc-peering-connections")
}

// tagAccepter puts our tags on this side, by which the routes are found when
// the peering is destroyed.
func (s *peeringStep) tagAccepter(ctx context.Context, w peeringWork, c *types.VpcPeeringConnection) (axle.Progress, error) {
	if !s.ours(c) {
		if w.Change == axle.None {
			w.Change = axle.Update
		}
		if !s.preview {
			_, err := s.client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{w.Peering}, Tags: s.tags()}, s.as)
			if err != nil {
				return axle.Progress{}, s.translate(err, "tag peering connection "+w.Peering)
			}
		}
	}
	return s.previewChange(w.Change), nil
}

// previewChange is a result about the connection.
func (s *peeringStep) previewChange(change axle.Change) axle.Progress {
	p := done(change)
	p.Result.Changes = s.connectionChanges(change)
	return p
}

// previewOurs tells what is likely while inputs aren't known: nothing for a
// connection that is there under our tags.
func (s *peeringStep) previewOurs(ctx context.Context, after []string) (axle.Progress, error) {
	found, err := s.findOurs(ctx)
	if err != nil {
		return axle.Progress{}, err
	}
	p := s.previewUnknown(found, after)
	p.Result.Outputs = nil
	return p, nil
}
