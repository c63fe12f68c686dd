package action

import (
	"context"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (s *peeringStep) startDNS(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	if after := unknown(in); len(after) > 0 {
		p, err := s.previewOurs(ctx, after)
		if p.Result.Change == axle.Create {
			p.Result.Change, p.Result.Changes = axle.Update, s.connectionChanges(axle.Update)
		}
		return p, err
	}
	pcx, err := s.input(in, "peering")
	if err != nil {
		return axle.Progress{}, err
	}
	w := s.begin(pcx)
	if w.Side, err = s.input(in, "side"); err != nil {
		return axle.Progress{}, err
	}
	return s.dns(ctx, w)
}

// dns lets names that the other VPC asks for resolve to private addresses of
// this side's VPC. Each side sets its own option, and only once the connection
// is active.
func (s *peeringStep) dns(ctx context.Context, w peeringWork) (axle.Progress, error) {
	c, err := s.get(ctx, w.Peering)
	if err != nil {
		return axle.Progress{}, err
	}
	what := "set DNS options of peering connection " + w.Peering
	switch {
	case c != nil && status(c) == types.VpcPeeringConnectionStateReasonCodeActive:
	case s.preview:
		return s.previewChange(axle.Update), nil
	case c == nil:
		return s.wait(w, visibleWithin, what, "the connection doesn't show here: check the accepter's account and region")
	case live(c):
		return s.wait(w, settledWithin, what, "the connection doesn't become active: look at it with aws ec2 describe-vpc-peering-connections")
	default:
		return axle.Progress{}, s.broken(c, what)
	}
	info := c.RequesterVpcInfo
	if w.Side == "accepter" {
		info = c.AccepterVpcInfo
	}
	if info != nil && info.PeeringOptions != nil && aws.ToBool(info.PeeringOptions.AllowDnsResolutionFromRemoteVpc) {
		return done(axle.None), nil
	}
	if s.preview {
		return s.previewChange(axle.Update), nil
	}
	options := &types.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: aws.Bool(true)}
	input := &ec2.ModifyVpcPeeringConnectionOptionsInput{VpcPeeringConnectionId: aws.String(w.Peering)}
	if w.Side == "accepter" {
		input.AccepterPeeringConnectionOptions = options
	} else {
		input.RequesterPeeringConnectionOptions = options
	}
	if _, err := s.client.ModifyVpcPeeringConnectionOptions(ctx, input, s.as); err != nil {
		err := s.translate(err, what)
		if f, ok := err.(*axle.Failure); ok && hasCode(f, dnsDisabled) {
			f.Hint = "both VPCs need EnableDnsHostnames and EnableDnsSupport: set them in the templates, or dns: false in the peering"
		}
		return axle.Progress{}, err
	}
	p := s.previewChange(axle.Update)
	p.Result.Changes[0].Properties = []string{"AllowDnsResolutionFromRemoteVpc"}
	return p, nil
}
