package sandbox

// internetGateway connects one VPC with the internet once it is attached.
type internetGateway struct {
	ID  string `json:"id"`
	VPC string `json:"vpc,omitempty"` // attached to
}

func ec2GatewayOperations() map[string]operation {
	both := touching("internet-gateway", "InternetGatewayId", "vpc", "VpcId")
	return map[string]operation{
		"CreateInternetGateway":    {run: createInternetGateway, resources: touching("internet-gateway", "")},
		"DeleteInternetGateway":    {run: deleteInternetGateway, resources: touching("internet-gateway", "InternetGatewayId")},
		"DescribeInternetGateways": {run: describeInternetGateways},
		"AttachInternetGateway":    {run: attachInternetGateway, resources: both},
		"DetachInternetGateway":    {run: detachInternetGateway, resources: both},
	}
}

func createInternetGateway(c *call) (obj, error) {
	tags, err := c.specTags("internet-gateway")
	if err != nil {
		return nil, err
	}
	g := &internetGateway{ID: "igw-0" + c.id(16)}
	put(&c.ec2().Gateways, g.ID, g)
	c.born(g.ID)
	if err := c.setTags(g.ID, tags); err != nil {
		return nil, err
	}
	out := c.showGateway(g)
	out["tagSet"] = c.tagSet(g.ID)
	return obj{"internetGateway": out}, nil
}

// showGateway is a gateway without its tags. AWS calls an attached one available.
func (c *call) showGateway(g *internetGateway) obj {
	attached := []obj{}
	if g.VPC != "" {
		attached = append(attached, obj{"vpcId": g.VPC, "state": "available"})
	}
	return obj{"internetGatewayId": g.ID, "ownerId": c.Account.ID, "attachmentSet": attached}
}

func describeInternetGateways(c *call) (obj, error) {
	return describe(c, listing[internetGateway]{
		set: "internetGatewaySet", param: "InternetGatewayId", prefix: "igw-", all: c.ec2().Gateways, show: c.showGateway,
		filters: map[string]func(*internetGateway) []string{
			"internet-gateway-id": func(g *internetGateway) []string { return one(g.ID) },
			"owner-id":            func(*internetGateway) []string { return one(c.Account.ID) },
			"attachment.vpc-id": func(g *internetGateway) []string {
				if g.VPC == "" {
					return nil
				}
				return one(g.VPC)
			},
			"attachment.state": func(g *internetGateway) []string {
				if g.VPC == "" {
					return nil
				}
				return one("available")
			},
		},
	})
}

func deleteInternetGateway(c *call) (obj, error) {
	g, err := need(c, c.ec2().Gateways, "InternetGatewayId", "igw-")
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, fail("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.ID)
	}
	delete(c.ec2().Gateways, g.ID)
	delete(c.ec2().Tags, g.ID)
	return done()
}

func attachInternetGateway(c *call) (obj, error) {
	g, err := need(c, c.ec2().Gateways, "InternetGatewayId", "igw-")
	if err != nil {
		return nil, err
	}
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, fail("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
	}
	for _, other := range c.ec2().Gateways {
		if other.VPC == v.ID {
			return nil, fail("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
		}
	}
	g.VPC = v.ID
	return done()
}

func detachInternetGateway(c *call) (obj, error) {
	st := c.ec2()
	g, err := need(c, st.Gateways, "InternetGatewayId", "igw-")
	if err != nil {
		return nil, err
	}
	v, err := need(c, st.VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	if g.VPC != v.ID {
		return nil, fail("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, v.ID)
	}
	for _, n := range st.NATs {
		if n.VPC == v.ID && n.Address != "" && !n.gone(c) {
			return nil, fail("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.ID)
		}
	}
	for _, t := range st.RouteTables {
		t.drop(func(a tableAssociation) bool { return a.Gateway == g.ID })
	}
	g.VPC = ""
	return done()
}
