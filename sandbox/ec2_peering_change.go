package sandbox

// namedPeering is need for a connection: it may be in another account, too.
func (c *call) namedPeering() (*peering, error) {
	id := c.In.str("VpcPeeringConnectionId")
	if id == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter vpcPeeringConnectionId")
	}
	if p := c.peering(id); p != nil {
		return p, nil
	}
	return nil, noSuch("pcx-", id)
}

// takePart finds the connection that a call names and checks that the caller is
// the side that may do this to it. verb goes into AWS's message.
func (c *call) takePart(verb string) (*peering, error) {
	p, err := c.namedPeering()
	if err != nil {
		return nil, err
	}
	if c.Account.ID != p.Accepter.Account {
		return nil, fail("OperationNotPermitted", "User %s cannot %s peering %s", c.Account.ID, verb, p.ID)
	}
	if c.Region != p.Accepter.Region {
		return nil, fail("OperationNotPermitted", "Incorrect region (%s) specified for this request. VPC peering connection %s must be %sed in region %s",
			c.Region, p.ID, verb, p.Accepter.Region)
	}
	return p, nil
}

func badTransition(p *peering, to string) error {
	return fail("InvalidStateTransition", "Invalid state transition for %s, attempted to transition from %s to %s", p.ID, p.Status, to)
}

// acceptPeering makes a pending connection active. Both VPCs are looked at
// anew, and there can be one connection between two VPCs.
func acceptPeering(c *call) (obj, error) {
	p, err := c.takePart("accept")
	if err != nil {
		return nil, err
	}
	if p.Status != "pending-acceptance" {
		return nil, badTransition(p, "active")
	}
	from, to := c.vpcAt(p.Requester.side), c.vpcAt(p.Accepter.side)
	if to == nil {
		return nil, noSuch("vpc-", p.Accepter.VPC)
	}
	if from == nil || !c.peerable(p) {
		p.become("failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range", c.now())
		return nil, badTransition(p, "active")
	}
	if c.peersWith(p.Accepter.side, p.Requester.side) != nil {
		return nil, fail("VpcPeeringConnectionAlreadyExists", "The vpc peering connection identified by %s already exists.", p.ID)
	}
	for _, s := range []side{p.Requester.side, p.Accepter.side} {
		there := c.as(nil, c.account(s.Account))
		there.Region = s.Region
		if there.activePeerings(s) >= int(there.quota(quotaPeerings)) {
			return nil, fail("ActiveVpcPeeringConnectionPerVpcLimitExceeded", "You've reached the limit on the number of active VPC peering connections you can have for the specified VPC: %s", s.VPC)
		}
	}
	p.Requester.CIDRs, p.Accepter.CIDRs = from.cidrs(), to.cidrs()
	p.become("provisioning", "Provisioning", c.now())
	p.Next = c.soon()
	return obj{"vpcPeeringConnection": c.showPeering(p, true)}, nil
}

func rejectPeering(c *call) (obj, error) {
	p, err := c.takePart("reject")
	if err != nil {
		return nil, err
	}
	if p.Status != "pending-acceptance" {
		return nil, badTransition(p, "rejected")
	}
	p.become("rejected", "Rejected by "+c.Account.ID, c.now())
	return done()
}

// deletePeering ends an active connection by either side, a pending one by its
// requester.
func deletePeering(c *call) (obj, error) {
	p, err := c.namedPeering()
	if err != nil {
		return nil, err
	}
	switch p.Status {
	case "active", "provisioning":
	case "pending-acceptance", "initiating-request":
		if c.Account.ID != p.Requester.Account {
			return nil, fail("OperationNotPermitted", "User %s cannot delete peering %s", c.Account.ID, p.ID)
		}
	case "deleting":
		return done()
	default:
		return nil, badTransition(p, "deleting")
	}
	p.By = c.Account.ID
	p.become("deleting", "Deleting", c.now())
	p.Next = c.soon()
	return done()
}

// modifyPeeringOptions sets the options of one side or, where one account owns
// both VPCs in one region, of both.
func modifyPeeringOptions(c *call) (obj, error) {
	p, err := c.namedPeering()
	if err != nil {
		return nil, err
	}
	out := obj{}
	set := map[*peeringSide]bool{}
	for _, half := range []struct {
		name, title string
		side        *peeringSide
	}{{"requester", "Requester", &p.Requester}, {"accepter", "Accepter", &p.Accepter}} {
		param := half.title + "PeeringConnectionOptions"
		if !c.In.has(param) {
			continue
		}
		options := c.In.obj(param)
		if err := c.mayModify(p, half.name, half.side); err != nil {
			return nil, err
		}
		for _, classic := range []string{"AllowEgressFromLocalClassicLinkToRemoteVpc", "AllowEgressFromLocalVpcToRemoteClassicLink"} {
			if options.bool(classic) {
				return nil, fail("InvalidParameterValue", "ClassicLink is retired: %s can't be true", lowerFirst(classic))
			}
		}
		if options.has("AllowDnsResolutionFromRemoteVpc") {
			set[half.side] = options.bool("AllowDnsResolutionFromRemoteVpc")
		}
		out[half.name+"PeeringConnectionOptions"] = half.side
	}
	if len(out) == 0 {
		return nil, fail("MissingParameter", "The request must contain accepterPeeringConnectionOptions or requesterPeeringConnectionOptions")
	}
	if p.Status != "active" {
		return nil, fail("OperationNotPermitted", "Peering %s is not active. Peering options can be added only to active peerings.", p.ID)
	}
	for s, dns := range set {
		if dns && !c.resolves(p) {
			return nil, fail("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", "To enable DNS hostname resolution for the VPC peering connection, DNS hostname support must be enabled for the VPCs.")
		}
		s.DNS = dns
	}
	for name, s := range out {
		out[name] = peeringOptions(s.(*peeringSide).DNS)
	}
	return out, nil
}

// mayModify checks that a side's options are the caller's to change, here.
func (c *call) mayModify(p *peering, name string, s *peeringSide) error {
	if s.Account != c.Account.ID {
		return fail("OperationNotPermitted", "User %s does not have permission to modify the %s side peering options", c.Account.ID, name)
	}
	if s.Region != c.Region {
		title := "Requester"
		if name == "accepter" {
			title = "Accepter"
		}
		return fail("OperationNotPermitted", "%s's VPC Peering connection options cannot be modified for a different region", title)
	}
	return nil
}

// resolves says whether both VPCs have DNS names that could be resolved.
func (c *call) resolves(p *peering) bool {
	for _, s := range []side{p.Requester.side, p.Accepter.side} {
		if v := c.vpcAt(s); v == nil || !v.DNS || !v.Hostnames {
			return false
		}
	}
	return true
}
