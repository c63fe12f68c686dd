package action

import (
	"context"
	"fmt"
	"slices"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// wanted is the connection that a request step is for.
type wanted struct{ vpc, peerVPC, peerAccount, peerRegion string }

func (s *peeringStep) wanted(in axle.Inputs) (w wanted, err error) {
	for _, v := range []struct {
		name string
		to   *string
	}{{"vpc", &w.vpc}, {"peer_vpc", &w.peerVPC}, {"peer_account", &w.peerAccount}, {"peer_region", &w.peerRegion}} {
		if *v.to, err = s.input(in, v.name); err != nil {
			return w, err
		}
	}
	return w, nil
}

// joins says whether a connection leads from the one VPC to the other.
func (w wanted) joins(c *types.VpcPeeringConnection) bool {
	from, to := c.RequesterVpcInfo, c.AccepterVpcInfo
	return from != nil && to != nil && aws.ToString(from.VpcId) == w.vpc && aws.ToString(to.VpcId) == w.peerVPC &&
		aws.ToString(to.OwnerId) == w.peerAccount && (aws.ToString(to.Region) == w.peerRegion || aws.ToString(to.Region) == "")
}

// startRequest finds the connection by its tags, or makes it. One with our tags
// between other VPCs is what is left of a VPC that was replaced: it goes. Those
// that failed, expired, were rejected or deleted are ignored; AWS forgets them.
func (s *peeringStep) startRequest(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	found, err := s.findOurs(ctx)
	if err != nil {
		return axle.Progress{}, err
	}
	if after := unknown(in); len(after) > 0 {
		return s.previewUnknown(found, after), nil
	}
	want, err := s.wanted(in)
	if err != nil {
		return axle.Progress{}, err
	}
	var match *types.VpcPeeringConnection
	var retire []string
	for i := range found {
		switch c := &found[i]; {
		case !live(c):
		case !want.joins(c):
			retire = append(retire, id(c))
		case match == nil || status(c) == types.VpcPeeringConnectionStateReasonCodeActive:
			match = c
		}
	}
	switch {
	case match != nil && (s.preview || len(retire) == 0):
		return s.adopt(ctx, match)
	case s.preview:
		if _, err := s.joined(ctx, want); err != nil {
			return axle.Progress{}, err
		}
		return s.previewRequest(retire), nil
	}
	if err := s.delete(ctx, retire); err != nil {
		return axle.Progress{}, err
	}
	if match != nil {
		return s.adopt(ctx, match)
	}
	return s.request(ctx, want, retire)
}

// adopt takes a connection that is there; one that has only just been requested
// must still show that it doesn't fail.
func (s *peeringStep) adopt(ctx context.Context, c *types.VpcPeeringConnection) (axle.Progress, error) {
	if status(c) == types.VpcPeeringConnectionStateReasonCodeInitiatingRequest && !s.preview {
		return s.checkRequest(ctx, s.begin(id(c)))
	}
	p := done(axle.None)
	p.Result.Outputs = map[string]string{"PeeringId": id(c)}
	return p, nil
}

// request makes the connection, unless one joins the VPCs already.
func (s *peeringStep) request(ctx context.Context, want wanted, retired []string) (axle.Progress, error) {
	w := s.begin("")
	w.Change = axle.Create
	if len(retired) > 0 {
		w.Change = axle.Replace
	}
	switch c, err := s.joined(ctx, want); {
	case err != nil:
		return axle.Progress{}, err
	case c != nil:
		return s.adopt(ctx, c) // made by an earlier attempt that the look by tags didn't show yet
	}
	input := &ec2.CreateVpcPeeringConnectionInput{
		VpcId: aws.String(want.vpc), PeerVpcId: aws.String(want.peerVPC), PeerOwnerId: aws.String(want.peerAccount),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVpcPeeringConnection, Tags: s.tags()}},
	}
	if want.peerRegion != s.step.Region {
		input.PeerRegion = aws.String(want.peerRegion)
	}
	out, err := s.client.CreateVpcPeeringConnection(ctx, input, s.as)
	if err != nil {
		return axle.Progress{}, s.translate(err, fmt.Sprintf("request peering connection from %s to %s of %s/%s", want.vpc, want.peerVPC, want.peerAccount, want.peerRegion))
	}
	if out.VpcPeeringConnection == nil {
		return axle.Progress{}, fmt.Errorf("request peering connection from %s to %s: EC2 answered without a connection", want.vpc, want.peerVPC)
	}
	w.Peering, w.Retired = id(out.VpcPeeringConnection), retired
	return s.wait(w, settledWithin, "request peering connection "+w.Peering, "")
}

// joined returns our connection that joins the VPCs already, or nil. Somebody
// else's is an error: AWS lets two VPCs have one.
func (s *peeringStep) joined(ctx context.Context, want wanted) (*types.VpcPeeringConnection, error) {
	existing, err := s.find(ctx, filter("requester-vpc-info.vpc-id", want.vpc), filter("accepter-vpc-info.vpc-id", want.peerVPC))
	for i := range existing {
		switch c := &existing[i]; {
		case !live(c) || !want.joins(c):
		case s.ours(c):
			return c, nil
		default:
			return nil, s.notOurs(c, want)
		}
	}
	return nil, err
}

func (s *peeringStep) notOurs(c *types.VpcPeeringConnection, want wanted) error {
	spec := s.step.Spec.Peering
	whose := "isn't ours"
	hint := fmt.Sprintf("delete it, leave the peering out, or hand it over to Axle by tagging it %s=%s, %s=%s, %s=%s",
		tagProject, spec.Project, tagPeering, spec.Peering, tagRequester, s.requester)
	if has := tagsOf(c); has[tagProject] == spec.Project && has[tagPeering] != "" {
		whose = "is peering " + has[tagPeering] + " of this project"
		hint = fmt.Sprintf("leave one of the two out; if %s was renamed, tag the connection %s=%s, or let it have its name again", has[tagPeering], tagPeering, spec.Peering)
	}
	f := s.failure("NotOurs", hint, "request peering connection in %s: %s joins %s and %s already and %s", s.step.Where(), id(c), want.vpc, want.peerVPC, whose)
	f.Blocked = true
	return f
}

func tagsOf(c *types.VpcPeeringConnection) map[string]string {
	tags := map[string]string{}
	for _, t := range c.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags
}

// checkRequest waits until the request has arrived: a wrong VPC or overlapping
// ranges turn it to failed a moment after it was accepted by EC2.
func (s *peeringStep) checkRequest(ctx context.Context, w peeringWork) (axle.Progress, error) {
	c, err := s.get(ctx, w.Peering)
	if err != nil {
		return axle.Progress{}, err
	}
	what := "request peering connection " + w.Peering
	switch {
	case c == nil:
		return s.wait(w, visibleWithin, what, "EC2 doesn't show the connection that it made: deploy again")
	case status(c) == types.VpcPeeringConnectionStateReasonCodeInitiatingRequest:
		return s.wait(w, settledWithin, what, "look at it with aws ec2 describe-vpc-peering-connections")
	case status(c) == types.VpcPeeringConnectionStateReasonCodeFailed:
		return axle.Progress{}, s.broken(c, what)
	case !live(c):
		// Gone while this step wasn't looking: begin again.
		return axle.Progress{}, fmt.Errorf("%s in %s: it is %s: %w", what, s.step.Where(), status(c), axle.ErrNotFound)
	}
	p := done(w.Change)
	p.Result.Outputs = map[string]string{"PeeringId": w.Peering}
	if w.Change != axle.None {
		p.Result.Changes = s.connectionChanges(w.Change)
	}
	if len(w.Retired) > 0 {
		p.Result.Note = fmt.Sprintf("in place of %v, whose VPCs were replaced", w.Retired)
	}
	return p, nil
}

func (s *peeringStep) connectionChanges(change axle.Change) []axle.ResourceChange {
	action := map[axle.Change]string{axle.Create: "Add", axle.Replace: "Replace", axle.Update: "Modify", axle.Delete: "Remove"}[change]
	if action == "" {
		return nil
	}
	return []axle.ResourceChange{s.change(action, s.step.Name, typeConnection)}
}

// broken is the failure for a connection in a state from which it never
// becomes active, with AWS's own words.
func (s *peeringStep) broken(c *types.VpcPeeringConnection, what string) error {
	said := string(status(c))
	if c.Status != nil && aws.ToString(c.Status.Message) != "" {
		said += ": " + aws.ToString(c.Status.Message)
	}
	hint := "somebody has deleted the connection: deploy again"
	switch status(c) {
	case types.VpcPeeringConnectionStateReasonCodeFailed:
		hint = "the two VPCs' ranges overlap, or the VPC, account or region on the other side is wrong: give the stacks different CIDRs (vars.net, account tags)"
	case types.VpcPeeringConnectionStateReasonCodeExpired:
		hint = "it wasn't accepted within 7 days: deploy again"
	case types.VpcPeeringConnectionStateReasonCodeRejected:
		hint = "somebody in the accepter's account rejected it: ask there, then deploy again"
	}
	return s.failure("PeeringFailed", hint, "%s in %s: the connection is %s", what, s.step.Where(), said)
}

// previewRequest tells what will happen when no connection fits.
func (s *peeringStep) previewRequest(retire []string) axle.Progress {
	change := axle.Create
	if len(retire) > 0 {
		change = axle.Replace
	}
	p := done(change)
	p.Result.Changes = s.connectionChanges(change)
	return p
}

// previewUnknown tells what is likely while the VPCs aren't known yet: what is
// there under our tags stays. It gives no outputs: if a VPC is replaced, the
// connection is too, and the steps that need it are known after it.
func (s *peeringStep) previewUnknown(found []types.VpcPeeringConnection, after []string) axle.Progress {
	p := s.previewRequest(nil)
	for i := range found {
		if live(&found[i]) {
			p = done(axle.None)
			break
		}
	}
	p.Result.After = after
	return p
}

// startDelete deletes the connections that it is about.
func (s *peeringStep) startDelete(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	found, err := s.doomed(ctx, in)
	if err != nil {
		return axle.Progress{}, err
	}
	var doomed, going []string
	for i := range found {
		if c := &found[i]; live(c) {
			doomed = append(doomed, id(c))
		} else if status(c) == types.VpcPeeringConnectionStateReasonCodeDeleting {
			going = append(going, id(c))
		}
	}
	w := s.begin("")
	w.Retired = append(going, doomed...)
	if len(doomed) > 0 {
		w.Change = axle.Delete
	}
	if s.preview || len(w.Retired) == 0 {
		p := done(w.Change)
		p.Result.Changes = s.connectionChanges(w.Change)
		return p, nil
	}
	if err := s.delete(ctx, doomed); err != nil {
		return axle.Progress{}, err
	}
	return s.checkDelete(ctx, w)
}

// delete asks for the end of connections. One that is gone, or on its way, is
// what was wanted.
func (s *peeringStep) delete(ctx context.Context, ids []string) error {
	for _, pcx := range ids {
		_, err := s.client.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: aws.String(pcx)}, s.as)
		if err != nil && !hasCode(err, noPeering) && !hasCode(err, wrongState) {
			return s.translate(err, "delete peering connection "+pcx)
		}
	}
	return nil
}

// checkDelete waits until the connections are deleted: until then they may keep
// their VPCs from being deleted.
func (s *peeringStep) checkDelete(ctx context.Context, w peeringWork) (axle.Progress, error) {
	found, err := s.find(ctx, filter("vpc-peering-connection-id", w.Retired...))
	if err != nil {
		return axle.Progress{}, err
	}
	for i := range found {
		c := &found[i]
		if !slices.Contains(w.Retired, id(c)) {
			continue
		}
		if live(c) || status(c) == types.VpcPeeringConnectionStateReasonCodeDeleting {
			return s.wait(w, settledWithin, "delete peering connection "+id(c), "look at it with aws ec2 describe-vpc-peering-connections")
		}
	}
	p := done(w.Change)
	p.Result.Changes = s.connectionChanges(w.Change)
	return p, nil
}
