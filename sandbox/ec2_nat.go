package sandbox

import (
	"fmt"
	"time"
)

// elasticIP is a public address of the account.
type elasticIP struct {
	ID      string `json:"id"`
	Address string `json:"address"`
}

// natGateway lets a subnet's neighbours reach out. It is pending for a moment,
// and stays visible for an hour after its deletion, as in AWS.
type natGateway struct {
	ID       string    `json:"id"`
	VPC      string    `json:"vpc"`
	Subnet   string    `json:"subnet"`
	Address  string    `json:"address,omitempty"` // allocation id; private gateways have none
	Private  string    `json:"private"`
	Created  time.Time `json:"created"`
	Ready    time.Time `json:"ready"`
	Deleted  time.Time `json:"deleted,omitzero"`
	DeadAt   time.Time `json:"dead_at,omitzero"`
	Internal bool      `json:"internal,omitempty"`
}

func ec2NATOperations() map[string]operation {
	return map[string]operation{
		"AllocateAddress":     {run: allocateAddress, resources: touching("elastic-ip", "")},
		"ReleaseAddress":      {run: releaseAddress, resources: touching("elastic-ip", "AllocationId")},
		"DescribeAddresses":   {run: describeAddresses},
		"CreateNatGateway":    {run: createNATGateway, resources: touching("natgateway", "", "subnet", "SubnetId", "elastic-ip", "AllocationId")},
		"DeleteNatGateway":    {run: deleteNATGateway, resources: touching("natgateway", "NatGatewayId")},
		"DescribeNatGateways": {run: describeNATGateways},
	}
}

func allocateAddress(c *call) (obj, error) {
	tags, err := c.specTags("elastic-ip")
	if err != nil {
		return nil, err
	}
	if d := c.In.or("Domain", "vpc"); d != "vpc" {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter domain is invalid.", d)
	}
	n := c.serial() // 198.18.0.0/15 is kept for benchmarks: no real host is named by accident
	a := &elasticIP{ID: "eipalloc-0" + c.id(16), Address: fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&255, n&255)}
	put(&c.ec2().Addresses, a.ID, a)
	return obj{"allocationId": a.ID, "publicIp": a.Address, "domain": "vpc", "networkBorderGroup": c.Region,
		"publicIpv4Pool": "amazon"}, c.setTags(a.ID, tags)
}

// userOf is the NAT gateway that an address belongs to.
func (c *call) userOf(address string) *natGateway {
	for _, g := range c.ec2().NATs {
		if g.Address == address && g.state(c) != "deleted" {
			return g
		}
	}
	return nil
}

func (c *call) findAddress() (*elasticIP, error) {
	st := c.ec2()
	if ip := c.In.str("PublicIp"); ip != "" && c.In.str("AllocationId") == "" {
		for _, a := range st.Addresses {
			if a.Address == ip {
				return a, nil
			}
		}
		return nil, fail("InvalidAddress.NotFound", "Address '%s' not found.", ip)
	}
	return need(c, st.Addresses, "AllocationId", "eipalloc-")
}

func releaseAddress(c *call) (obj, error) {
	a, err := c.findAddress()
	if err != nil {
		return nil, err
	}
	if c.userOf(a.ID) != nil {
		return nil, fail("InvalidIPAddress.InUse", "Address %s is in use.", a.Address)
	}
	delete(c.ec2().Addresses, a.ID)
	delete(c.ec2().Tags, a.ID)
	return done()
}

func describeAddresses(c *call) (obj, error) {
	ips := c.In.strs("PublicIp")
	by := anyOf(ips)
	return describe(c, listing[elasticIP]{
		set: "addressesSet", param: "AllocationId", prefix: "eipalloc-", all: c.ec2().Addresses,
		hidden: func(a *elasticIP) bool { return len(ips) > 0 && !by(a.Address) },
		show: func(a *elasticIP) obj {
			o := obj{"allocationId": a.ID, "publicIp": a.Address, "domain": "vpc", "networkBorderGroup": c.Region,
				"publicIpv4Pool": "amazon"}
			if g := c.userOf(a.ID); g != nil {
				o["associationId"], o["privateIpAddress"] = "eipassoc-"+g.ID[4:], g.Private
				o["networkInterfaceId"], o["networkInterfaceOwnerId"] = "eni-"+g.ID[4:], c.Account.ID
			}
			return o
		},
		filters: map[string]func(*elasticIP) []string{
			"allocation-id": func(a *elasticIP) []string { return one(a.ID) },
			"public-ip":     func(a *elasticIP) []string { return one(a.Address) },
			"domain":        func(*elasticIP) []string { return one("vpc") },
		},
	})
}

func (g *natGateway) state(c *call) string {
	now := c.now()
	switch {
	case !g.Deleted.IsZero() && !now.Before(g.DeadAt):
		return "deleted"
	case !g.Deleted.IsZero():
		return "deleting"
	case now.Before(g.Ready):
		return "pending"
	}
	return "available"
}

// gone gateways hold nothing back any more.
func (g *natGateway) gone(c *call) bool { return g.state(c) == "deleted" }

func createNATGateway(c *call) (obj, error) {
	st := c.ec2()
	s, err := need(c, st.Subnets, "SubnetId", "subnet-")
	if err != nil {
		return nil, err
	}
	tags, err := c.specTags("natgateway")
	if err != nil {
		return nil, err
	}
	token := c.In.str("ClientToken")
	if g := st.NATs[st.Tokens["nat:"+token]]; token != "" && g != nil {
		out := c.showNAT(g)
		out["tagSet"] = c.tagSet(g.ID)
		return obj{"natGateway": out, "clientToken": token}, nil
	}
	g := &natGateway{VPC: s.VPC, Subnet: s.ID, Internal: c.In.str("ConnectivityType") == "private"}
	if !g.Internal {
		a, err := need(c, st.Addresses, "AllocationId", "eipalloc-")
		if err != nil {
			return nil, err
		}
		if c.userOf(a.ID) != nil {
			return nil, fail("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.ID)
		}
		g.Address = a.ID
	}
	if c.free(s) < 1 {
		return nil, fail("InsufficientFreeAddressesInSubnet", "Insufficient free addresses in subnet %s", s.ID)
	}
	host := s.CIDR.Addr().As4()
	host[3] |= byte(4 + len(st.NATs)%8)
	g.Private = fmt.Sprintf("%d.%d.%d.%d", host[0], host[1], host[2], host[3])
	g.ID, g.Created, g.Ready = "nat-0"+c.id(16), c.now(), c.soon()
	put(&st.NATs, g.ID, g)
	if err := c.setTags(g.ID, tags); err != nil {
		return nil, err
	}
	out := c.showNAT(g)
	out["state"], out["tagSet"] = "pending", c.tagSet(g.ID)
	res := obj{"natGateway": out}
	if token != "" {
		put(&st.Tokens, "nat:"+token, g.ID)
		res["clientToken"] = token
	}
	return res, nil
}

func (c *call) showNAT(g *natGateway) obj {
	address := obj{"privateIp": g.Private, "networkInterfaceId": "eni-" + g.ID[4:], "isPrimary": true, "status": "succeeded"}
	if a := c.ec2().Addresses[g.Address]; a != nil {
		address["allocationId"], address["publicIp"], address["associationId"] = a.ID, a.Address, "eipassoc-"+g.ID[4:]
	}
	connectivity := "public"
	if g.Internal {
		connectivity = "private"
	}
	o := obj{"natGatewayId": g.ID, "vpcId": g.VPC, "subnetId": g.Subnet, "state": g.state(c), "createTime": g.Created,
		"connectivityType": connectivity, "natGatewayAddressSet": []obj{address}}
	if !g.Deleted.IsZero() {
		o["deleteTime"] = g.Deleted
	}
	return o
}

func deleteNATGateway(c *call) (obj, error) {
	g, err := need(c, c.ec2().NATs, "NatGatewayId", "nat-")
	if err != nil {
		return nil, err
	}
	if g.gone(c) {
		return nil, noSuch("nat-", g.ID)
	}
	if g.Deleted.IsZero() {
		g.Deleted, g.DeadAt = c.now(), c.soon()
	}
	return obj{"natGatewayId": g.ID}, nil
}

func describeNATGateways(c *call) (obj, error) {
	return describe(c, listing[natGateway]{
		set: "natGatewaySet", param: "NatGatewayId", prefix: "nat-", all: c.ec2().NATs, show: c.showNAT,
		hidden: func(g *natGateway) bool { return g.gone(c) && c.now().Sub(g.Deleted) > time.Hour },
		filters: map[string]func(*natGateway) []string{
			"nat-gateway-id": func(g *natGateway) []string { return one(g.ID) },
			"state":          func(g *natGateway) []string { return one(g.state(c)) },
			"subnet-id":      func(g *natGateway) []string { return one(g.Subnet) },
			"vpc-id":         func(g *natGateway) []string { return one(g.VPC) },
		},
	})
}
