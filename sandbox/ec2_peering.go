package sandbox

import (
	"slices"
	"strings"
	"time"
)

// peering is a VPC peering connection. Its status moves by itself with time:
// nothing is scheduled, whoever looks at it settles it first.
type peering struct {
	ID        string      `json:"id"`
	Requester peeringSide `json:"requester"`
	Accepter  peeringSide `json:"accepter"`
	Status    string      `json:"status"`
	Message   string      `json:"message"`
	Since     time.Time   `json:"since"`            // of the status
	Next      time.Time   `json:"next,omitzero"`    // when initiating, provisioning or deleting end
	Expires   time.Time   `json:"expires,omitzero"` // of the request
	By        string      `json:"by,omitempty"`     // account that deleted it
}

// peeringSide is one of the two VPCs.
type peeringSide struct {
	side
	CIDRs []string `json:"cidrs,omitempty"` // as they were when the connection was accepted
	DNS   bool     `json:"dns,omitempty"`   // AllowDnsResolutionFromRemoteVpc
}

// side names a VPC of the organization.
type side struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	VPC     string `json:"vpc"`
}

func ec2PeeringOperations() map[string]operation {
	connection := touching("vpc-peering-connection", "VpcPeeringConnectionId")
	connectionAndVPC := func(c *call) []string {
		out := connection(c)
		if p := c.peering(c.In.str("VpcPeeringConnectionId")); p != nil && p.Accepter.Account == c.Account.ID {
			out = append(out, c.ec2ARN("vpc", p.Accepter.VPC))
		}
		return out
	}
	return map[string]operation{
		"CreateVpcPeeringConnection":        {run: createPeering, resources: touching("vpc-peering-connection", "", "vpc", "VpcId")},
		"AcceptVpcPeeringConnection":        {run: acceptPeering, resources: connectionAndVPC},
		"RejectVpcPeeringConnection":        {run: rejectPeering, resources: connection},
		"DeleteVpcPeeringConnection":        {run: deletePeering, resources: connection},
		"DescribeVpcPeeringConnections":     {run: describePeerings},
		"ModifyVpcPeeringConnectionOptions": {run: modifyPeeringOptions, resources: connection},
	}
}

// vpcAt finds any account's VPC, without making anything.
func (s *Sandbox) vpcAt(at side) *vpc {
	a := s.account(at.Account)
	if a == nil || a.Regions[at.Region] == nil {
		return nil
	}
	return a.Regions[at.Region].EC2.VPCs[at.VPC]
}

// peering finds a connection that the caller's account sees in the call's
// region, settled; nil if there is none.
func (c *call) peering(id string) *peering {
	st := c.ec2()
	p := st.Peerings[id]
	if home, ok := st.Peered[id]; p == nil && ok {
		p = c.account(home.Account).region(home.Region).EC2.Peerings[id]
	}
	if p == nil {
		return nil
	}
	c.settlePeering(p)
	if !c.shows(p) {
		return nil
	}
	return p
}

// settlePeering moves a connection to where time has brought it.
func (s *Sandbox) settlePeering(p *peering) {
	now := s.now()
	if p.Status == "initiating-request" && !now.Before(p.Next) {
		if s.peerable(p) {
			p.become("pending-acceptance", "Pending Acceptance by "+p.Accepter.Account, p.Next)
		} else {
			p.become("failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range", p.Next)
		}
	}
	switch {
	case p.Status == "pending-acceptance" && !now.Before(p.Expires):
		p.become("expired", "Expired", p.Expires)
	case p.Status == "provisioning" && !now.Before(p.Next):
		p.become("active", "Active", p.Next)
	case p.Status == "deleting" && !now.Before(p.Next):
		p.become("deleted", "Deleted by "+p.By, p.Next)
	}
}

func (p *peering) become(status, message string, at time.Time) {
	p.Status, p.Message, p.Since = status, message, at
}

// peerable checks a request once EC2 has found both VPCs.
func (s *Sandbox) peerable(p *peering) bool {
	from, to := s.vpcAt(p.Requester.side), s.vpcAt(p.Accepter.side)
	if from == nil || to == nil || from == to {
		return false
	}
	return !slices.ContainsFunc(from.Blocks, func(b cidrBlock) bool { return to.overlaps(b.CIDR) })
}

// shows says whether the caller sees a connection: the accepter only once the
// request has arrived, and either side for some hours after its end.
func (c *call) shows(p *peering) bool {
	me := place{c.Account.ID, c.Region}
	requester := p.Requester.place() == me
	age := c.now().Sub(p.Since)
	switch p.Status {
	case "initiating-request":
		return requester
	case "failed":
		return requester && age < 2*time.Hour
	case "expired":
		return age < 48*time.Hour
	case "rejected":
		return age < 2*time.Hour || requester && age < 48*time.Hour
	case "deleted":
		return age < 2*time.Hour || p.By == me.Account && age < 4*time.Hour
	}
	return true
}

func (a side) place() place { return place{a.Account, a.Region} }

// alive connections may still carry traffic: routes to them can be made.
func (p *peering) alive() bool {
	return p.Status == "pending-acceptance" || p.Status == "provisioning" || p.Status == "active"
}

// has says whether a VPC is one of the two.
func (p *peering) has(v side) bool { return p.Requester.side == v || p.Accepter.side == v }

// joins says whether a connection is between two VPCs, in either direction.
func (p *peering) joins(a, b side) bool { return p.has(a) && p.has(b) && a != b }

// peeringConditions adds the condition keys of a connection that is asked for
// ("*") or there.
func (c *call) peeringConditions(id string, ctx map[string][]string) {
	arn := func(s side) []string { return []string{"arn:aws:ec2:" + s.Region + ":" + s.Account + ":vpc/" + s.VPC} }
	if id == "*" {
		ctx["ec2:RequesterVpc"] = arn(side{c.Account.ID, c.Region, c.In.str("VpcId")})
		ctx["ec2:AccepterVpc"] = arn(side{c.In.or("PeerOwnerId", c.Account.ID), c.In.or("PeerRegion", c.Region), c.In.str("PeerVpcId")})
		return
	}
	if p := c.peering(id); p != nil {
		ctx["ec2:VpcPeeringConnectionID"] = []string{id}
		ctx["ec2:RequesterVpc"], ctx["ec2:AccepterVpc"] = arn(p.Requester.side), arn(p.Accepter.side)
	}
}

// soon is when something that AWS does asynchronously is done.
func (c *call) soon() time.Time {
	if !c.opts.Unkind {
		return c.now()
	}
	return c.now().Add(50*time.Millisecond + time.Duration(c.random()*float64(400*time.Millisecond)))
}

// createPeering asks for a connection. A second request between the same VPCs
// gives the first one's, as long as that lives.
func createPeering(c *call) (obj, error) {
	st := c.ec2()
	v, err := need(c, st.VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	from := side{c.Account.ID, c.Region, v.ID}
	to := side{c.In.or("PeerOwnerId", c.Account.ID), c.In.or("PeerRegion", c.Region), c.In.str("PeerVpcId")}
	switch {
	case to.VPC == "":
		return nil, fail("MissingParameter", "The request must contain the parameter peerVpcId")
	case !strings.HasPrefix(to.VPC, "vpc-"):
		return nil, noSuch("vpc-", to.VPC)
	case c.Account.regionStatus(to.Region) == "":
		return nil, fail("InvalidParameterValue", "Invalid value '%s' for peerRegion", to.Region)
	case to.place() == from.place() && st.VPCs[to.VPC] == nil:
		return nil, noSuch("vpc-", to.VPC)
	}
	tags, err := c.specTags("vpc-peering-connection")
	if err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(st.Peerings) {
		p := st.Peerings[id]
		c.settlePeering(p)
		if p.Requester.side == from && p.Accepter.side == to && (p.alive() || p.Status == "initiating-request") {
			return obj{"vpcPeeringConnection": c.showPeering(p, true)}, nil
		}
	}
	now := c.now()
	p := &peering{ID: "pcx-0" + c.id(16), Requester: peeringSide{side: from, CIDRs: v.cidrs()}, Accepter: peeringSide{side: to},
		Status: "initiating-request", Message: "Initiating Request to " + to.Account, Since: now, Next: c.soon(),
		Expires: now.Add(7 * 24 * time.Hour).Truncate(time.Second)}
	put(&st.Peerings, p.ID, p)
	c.born(p.ID)
	if to.place() != from.place() && c.vpcAt(to) != nil {
		put(&c.account(to.Account).region(to.Region).EC2.Peered, p.ID, from.place())
	}
	if err := c.setTags(p.ID, tags); err != nil {
		return nil, err
	}
	return obj{"vpcPeeringConnection": c.showPeering(p, true)}, nil
}

// showPeering is a connection; its tags are those of the caller's side.
func (c *call) showPeering(p *peering, tags bool) obj {
	known := p.Status == "provisioning" || p.Status == "active" || p.Status == "deleting" || p.Status == "deleted"
	info := func(s peeringSide, full bool) obj {
		o := obj{"ownerId": s.Account, "vpcId": s.VPC, "region": s.Region}
		if full {
			o["peeringOptions"] = peeringOptions(s.DNS)
		}
		cidrs := s.CIDRs
		if v := c.vpcAt(s.side); v != nil && p.Status == "active" {
			cidrs = v.cidrs() // ranges that were added since count too
		}
		if full && len(cidrs) > 0 {
			blocks := []obj{}
			for _, b := range cidrs {
				blocks = append(blocks, obj{"cidrBlock": b})
			}
			o["cidrBlock"], o["cidrBlockSet"] = cidrs[0], blocks
		}
		return o
	}
	o := obj{"vpcPeeringConnectionId": p.ID, "status": obj{"code": p.Status, "message": p.Message},
		"requesterVpcInfo": info(p.Requester, true), "accepterVpcInfo": info(p.Accepter, known)}
	if p.Status == "initiating-request" || p.Status == "pending-acceptance" {
		o["expirationTime"] = p.Expires
	}
	if tags {
		o["tagSet"] = c.tagSet(p.ID)
	}
	return o
}

func peeringOptions(dns bool) obj {
	return obj{"allowDnsResolutionFromRemoteVpc": dns, "allowEgressFromLocalClassicLinkToRemoteVpc": false,
		"allowEgressFromLocalVpcToRemoteClassicLink": false}
}

// visiblePeerings are all connections that the caller sees here, by id.
func (c *call) visiblePeerings(ids []string) map[string]*peering {
	st := c.ec2()
	out := map[string]*peering{}
	if len(ids) == 0 {
		ids = append(sortedKeys(st.Peerings), sortedKeys(st.Peered)...)
	}
	for _, id := range ids {
		if p := c.peering(id); p != nil {
			out[id] = p
		}
	}
	return out
}

func describePeerings(c *call) (obj, error) {
	cidrs := func(s peeringSide) []string { return s.CIDRs }
	return describe(c, listing[peering]{
		set: "vpcPeeringConnectionSet", param: "VpcPeeringConnectionId", prefix: "pcx-",
		all:  c.visiblePeerings(c.In.strs("VpcPeeringConnectionId")),
		show: func(p *peering) obj { return c.showPeering(p, false) },
		filters: map[string]func(*peering) []string{
			"vpc-peering-connection-id":     func(p *peering) []string { return one(p.ID) },
			"status-code":                   func(p *peering) []string { return one(p.Status) },
			"status-message":                func(p *peering) []string { return one(p.Message) },
			"expiration-time":               func(p *peering) []string { return one(p.Expires.Format(timeXML)) },
			"requester-vpc-info.vpc-id":     func(p *peering) []string { return one(p.Requester.VPC) },
			"requester-vpc-info.owner-id":   func(p *peering) []string { return one(p.Requester.Account) },
			"requester-vpc-info.cidr-block": func(p *peering) []string { return cidrs(p.Requester) },
			"accepter-vpc-info.vpc-id":      func(p *peering) []string { return one(p.Accepter.VPC) },
			"accepter-vpc-info.owner-id":    func(p *peering) []string { return one(p.Accepter.Account) },
			"accepter-vpc-info.cidr-block":  func(p *peering) []string { return cidrs(p.Accepter) },
		},
	})
}

// peeredVPC says whether a peering connection keeps a VPC of the caller's from
// being deleted. Somebody else's mere request doesn't.
func (c *call) peeredVPC(id string) bool {
	me := side{c.Account.ID, c.Region, id}
	for _, p := range c.visiblePeerings(nil) {
		switch p.Status {
		case "active", "provisioning":
			if p.has(me) {
				return true
			}
		case "pending-acceptance", "initiating-request":
			if p.Requester.side == me {
				return true
			}
		}
	}
	return false
}

// activePeerings counts the active connections of one of the caller's VPCs.
func (c *call) activePeerings(mine side) int {
	n := 0
	for _, p := range c.visiblePeerings(nil) {
		if p.Status == "active" && (p.Requester.side == mine || p.Accepter.side == mine) {
			n++
		}
	}
	return n
}

// peersWith says whether an active connection joins two VPCs.
func (c *call) peersWith(mine, other side) *peering {
	for _, p := range c.visiblePeerings(nil) {
		if p.Status == "active" && p.joins(mine, other) {
			return p
		}
	}
	return nil
}
