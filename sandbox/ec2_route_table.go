package sandbox

import "slices"

// routeTable is a VPC's route table. Its routes hold what was asked for; whether
// they lead anywhere is worked out when they are shown.
type routeTable struct {
	ID           string             `json:"id"`
	VPC          string             `json:"vpc"`
	Routes       []route            `json:"routes,omitempty"` // beside the local ones
	Associations []tableAssociation `json:"associations,omitempty"`
}

// tableAssociation binds a table to a subnet or a gateway, or makes it the main one.
type tableAssociation struct {
	ID      string `json:"id"`
	Subnet  string `json:"subnet,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	Main    bool   `json:"main,omitempty"`
}

func ec2RouteTableOperations() map[string]operation {
	return map[string]operation{
		"CreateRouteTable":             {run: createRouteTable, resources: touching("route-table", "", "vpc", "VpcId")},
		"DeleteRouteTable":             {run: deleteRouteTable, resources: touching("route-table", "RouteTableId")},
		"DescribeRouteTables":          {run: describeRouteTables},
		"AssociateRouteTable":          {run: associateRouteTable, resources: touching("route-table", "RouteTableId", "subnet", "SubnetId", "internet-gateway", "GatewayId")},
		"DisassociateRouteTable":       {run: disassociateRouteTable, resources: touchingAssociation},
		"ReplaceRouteTableAssociation": {run: replaceRouteTableAssociation, resources: touchingAssociation},
	}
}

// touchingAssociation is what a change of an association is about: the route
// tables, that of now and the one asked for, and the subnet.
func touchingAssociation(c *call) []string {
	out := touching("route-table", "RouteTableId")(c)
	if t, a, err := c.ec2().association(c.In.str("AssociationId")); err == nil {
		if arn := c.ec2ARN("route-table", t.ID); !slices.Contains(out, arn) {
			out = append(out, arn)
		}
		if a.Subnet != "" {
			out = append(out, c.ec2ARN("subnet", a.Subnet))
		}
	}
	if len(out) == 0 {
		out = append(out, c.ec2ARN("route-table", "*"))
	}
	return out
}

// newRouteTable makes an empty table of a VPC.
func (c *call) newRouteTable(v *vpc) *routeTable {
	t := &routeTable{ID: "rtb-0" + c.id(16), VPC: v.ID}
	put(&c.ec2().RouteTables, t.ID, t)
	c.born(t.ID)
	return t
}

func createRouteTable(c *call) (obj, error) {
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	tags, err := c.specTags("route-table")
	if err != nil {
		return nil, err
	}
	token := c.In.str("ClientToken")
	t := c.ec2().RouteTables[c.ec2().Tokens["rtb:"+token]]
	if token == "" || t == nil {
		t = c.newRouteTable(v)
		if err := c.setTags(t.ID, tags); err != nil {
			return nil, err
		}
	}
	out := obj{}
	if token != "" {
		put(&c.ec2().Tokens, "rtb:"+token, t.ID)
		out["clientToken"] = token
	}
	shown := c.showRouteTable(t)
	shown["tagSet"] = c.tagSet(t.ID)
	out["routeTable"] = shown
	return out, nil
}

// showRouteTable is a table without its tags.
func (c *call) showRouteTable(t *routeTable) obj {
	associations := []obj{}
	for _, a := range t.Associations {
		o := obj{"routeTableAssociationId": a.ID, "routeTableId": t.ID, "main": a.Main,
			"associationState": obj{"state": "associated"}}
		if a.Subnet != "" {
			o["subnetId"] = a.Subnet
		}
		if a.Gateway != "" {
			o["gatewayId"] = a.Gateway
		}
		associations = append(associations, o)
	}
	return obj{"routeTableId": t.ID, "vpcId": t.VPC, "ownerId": c.Account.ID, "routeSet": c.showRoutes(t),
		"associationSet": associations, "propagatingVgwSet": []obj{}}
}

func describeRouteTables(c *call) (obj, error) {
	each := func(read func(tableAssociation) string) func(*routeTable) []string {
		return func(t *routeTable) []string {
			var out []string
			for _, a := range t.Associations {
				if v := read(a); v != "" {
					out = append(out, v)
				}
			}
			return out
		}
	}
	routes := func(field string) func(*routeTable) []string {
		return func(t *routeTable) []string {
			var out []string
			for _, r := range c.showRoutes(t) {
				if v := text(r[field]); v != "" {
					out = append(out, v)
				}
			}
			return out
		}
	}
	return describe(c, listing[routeTable]{
		set: "routeTableSet", param: "RouteTableId", prefix: "rtb-", all: c.ec2().RouteTables, show: c.showRouteTable,
		filters: map[string]func(*routeTable) []string{
			"route-table-id":                         func(t *routeTable) []string { return one(t.ID) },
			"vpc-id":                                 func(t *routeTable) []string { return one(t.VPC) },
			"owner-id":                               func(*routeTable) []string { return one(c.Account.ID) },
			"association.main":                       each(func(a tableAssociation) string { return text(a.Main) }),
			"association.subnet-id":                  each(func(a tableAssociation) string { return a.Subnet }),
			"association.gateway-id":                 each(func(a tableAssociation) string { return a.Gateway }),
			"association.route-table-association-id": each(func(a tableAssociation) string { return a.ID }),
			"association.route-table-id":             func(t *routeTable) []string { return one(t.ID) },
			"route.destination-cidr-block":           routes("destinationCidrBlock"),
			"route.destination-prefix-list-id":       routes("destinationPrefixListId"),
			"route.destination-ipv6-cidr-block":      routes("destinationIpv6CidrBlock"),
			"route.gateway-id":                       routes("gatewayId"),
			"route.nat-gateway-id":                   routes("natGatewayId"),
			"route.vpc-peering-connection-id":        routes("vpcPeeringConnectionId"),
			"route.transit-gateway-id":               routes("transitGatewayId"),
			"route.instance-id":                      routes("instanceId"),
			"route.origin":                           routes("origin"),
			"route.state":                            routes("state"),
		},
	})
}

func deleteRouteTable(c *call) (obj, error) {
	t, err := need(c, c.ec2().RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, fail("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", t.ID)
	}
	delete(c.ec2().RouteTables, t.ID)
	delete(c.ec2().Tags, t.ID)
	return done()
}

// drop removes the associations that a test picks.
func (t *routeTable) drop(pick func(tableAssociation) bool) {
	t.Associations = slices.DeleteFunc(t.Associations, pick)
}

// association finds an association by id in any table of the region.
func (st *ec2State) association(id string) (*routeTable, tableAssociation, error) {
	for _, t := range st.RouteTables {
		for _, a := range t.Associations {
			if a.ID == id {
				return t, a, nil
			}
		}
	}
	return nil, tableAssociation{}, fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func associateRouteTable(c *call) (obj, error) {
	st := c.ec2()
	t, err := need(c, st.RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	a := tableAssociation{Subnet: c.In.str("SubnetId"), Gateway: c.In.str("GatewayId")}
	home := ""
	switch {
	case a.Subnet != "":
		s := st.Subnets[a.Subnet]
		if s == nil {
			return nil, noSuch("subnet-", a.Subnet)
		}
		home = s.VPC
	case a.Gateway != "":
		g := st.Gateways[a.Gateway]
		if g == nil {
			return nil, noSuch("igw-", a.Gateway)
		}
		home = g.VPC
	default:
		return nil, fail("MissingParameter", "Either 'subnetId' or 'gatewayId' must be provided.")
	}
	if home != t.VPC {
		what, id := "subnet", a.Subnet
		if id == "" {
			what, id = "network gateway", a.Gateway
		}
		return nil, fail("InvalidParameterValue", "route table %s and %s %s belong to different networks", t.ID, what, id)
	}
	for _, other := range st.RouteTables {
		for _, b := range other.Associations {
			if b.Subnet != a.Subnet || b.Gateway != a.Gateway || b.Main {
				continue
			}
			if other != t {
				return nil, fail("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
			}
			return obj{"associationId": b.ID, "associationState": obj{"state": "associated"}}, nil
		}
	}
	a.ID = "rtbassoc-0" + c.id(16)
	t.Associations = append(t.Associations, a)
	return obj{"associationId": a.ID, "associationState": obj{"state": "associated"}}, nil
}

func disassociateRouteTable(c *call) (obj, error) {
	id := c.In.str("AssociationId")
	t, a, err := c.ec2().association(id)
	if err != nil {
		return nil, err
	}
	if a.Main {
		return nil, fail("InvalidParameterValue", "cannot disassociate the main route table association %s", id)
	}
	t.drop(func(b tableAssociation) bool { return b.ID == id })
	return done()
}

// replaceRouteTableAssociation moves a subnet, or the VPC's main role, to
// another table of the same VPC.
func replaceRouteTableAssociation(c *call) (obj, error) {
	st := c.ec2()
	id := c.In.str("AssociationId")
	from, a, err := st.association(id)
	if err != nil {
		return nil, err
	}
	to, err := need(c, st.RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	if to.VPC != from.VPC {
		return nil, fail("InvalidParameterValue", "route table %s and route table %s belong to different networks", to.ID, from.ID)
	}
	if to != from {
		from.drop(func(b tableAssociation) bool { return b.ID == id })
		a.ID = "rtbassoc-0" + c.id(16)
		to.Associations = append(to.Associations, a)
		if a.Main {
			st.VPCs[to.VPC].MainTable = to.ID
		}
	}
	return obj{"newAssociationId": a.ID, "associationState": obj{"state": "associated"}}, nil
}
