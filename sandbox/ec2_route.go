package sandbox

import (
	"net/netip"
	"slices"
)

// route leads from a destination to one target.
type route struct {
	Destination string `json:"destination"`
	Field       string `json:"field"` // output field of the target: gatewayId, natGatewayId, vpcPeeringConnectionId
	Target      string `json:"target"`
}

func ec2RouteOperations() map[string]operation {
	table := touching("route-table", "RouteTableId")
	return map[string]operation{
		"CreateRoute":  {run: createRoute, resources: table},
		"ReplaceRoute": {run: replaceRoute, resources: table},
		"DeleteRoute":  {run: deleteRoute, resources: table},
	}
}

// showRoutes are the local routes of the VPC's ranges and then the table's own,
// those that lead nowhere as blackholes.
func (c *call) showRoutes(t *routeTable) []obj {
	var out []obj
	if v := c.ec2().VPCs[t.VPC]; v != nil {
		for _, b := range v.Blocks {
			out = append(out, obj{"destinationCidrBlock": b.CIDR.String(), "gatewayId": "local",
				"origin": "CreateRouteTable", "state": "active"})
		}
	}
	for _, r := range t.Routes {
		state := "blackhole"
		if c.leads(t, r) {
			state = "active"
		}
		out = append(out, obj{"destinationCidrBlock": r.Destination, r.Field: r.Target, "origin": "CreateRoute", "state": state})
	}
	return out
}

// leads says whether a route's target is there and works.
func (c *call) leads(t *routeTable, r route) bool {
	st := c.ec2()
	switch r.Field {
	case "gatewayId":
		g := st.Gateways[r.Target]
		return g != nil && g.VPC == t.VPC
	case "natGatewayId":
		g := st.NATs[r.Target]
		return g != nil && g.state(c) == "available"
	case "vpcPeeringConnectionId":
		p := c.peering(r.Target)
		return p != nil && p.Status == "active"
	}
	return false
}

// destination reads where a route goes to; the sandbox has IPv4 only.
func (c *call) destination() (string, error) {
	for _, param := range []string{"DestinationIpv6CidrBlock", "DestinationPrefixListId"} {
		if c.In.str(param) != "" {
			return "", fail("UnsupportedOperation", "The sandbox routes IPv4 blocks only: %s can't be given", lowerFirst(param))
		}
	}
	s := c.In.str("DestinationCidrBlock")
	if s == "" {
		return "", fail("MissingParameter", "The request must contain the parameter destinationCidrBlock")
	}
	p, err := parseCIDR(s, "destinationCidrBlock")
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// target reads where a route leads, and checks that the table may use it.
func (c *call) target(t *routeTable) (field, id string, err error) {
	st := c.ec2()
	for _, param := range []string{"GatewayId", "NatGatewayId", "VpcPeeringConnectionId", "InstanceId", "NetworkInterfaceId",
		"TransitGatewayId", "EgressOnlyInternetGatewayId", "VpcEndpointId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn", "OdbNetworkArn"} {
		v := c.In.str(param)
		if v == "" {
			continue
		}
		if id != "" {
			return "", "", fail("InvalidParameterCombination", "The parameters %s and %s cannot be used together", field, lowerFirst(param))
		}
		field, id = lowerFirst(param), v
	}
	home := ""
	switch field {
	case "":
		return "", "", fail("MissingParameter", "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn, or odbNetworkArn")
	case "gatewayId":
		g := st.Gateways[id]
		if g == nil {
			return "", "", noSuch("igw-", id)
		}
		home = g.VPC
	case "natGatewayId":
		g := st.NATs[id]
		if g == nil || g.gone(c) {
			return "", "", fail("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", id)
		}
		home = g.VPC
	case "vpcPeeringConnectionId":
		p := c.peering(id)
		if p == nil {
			return "", "", noSuch("pcx-", id)
		}
		if p.alive() && p.has(side{c.Account.ID, c.Region, t.VPC}) {
			home = t.VPC
		}
	default:
		return "", "", fail("UnsupportedOperation", "The sandbox has no such route target: %s", field)
	}
	if home != t.VPC {
		return "", "", fail("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, id)
	}
	return field, id, nil
}

func createRoute(c *call) (obj, error) {
	t, err := need(c, c.ec2().RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	dest, err := c.destination()
	if err != nil {
		return nil, err
	}
	if v := c.ec2().VPCs[t.VPC]; v.holds(netip.MustParsePrefix(dest)) {
		return nil, fail("InvalidParameterValue", "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.", dest)
	}
	field, id, err := c.target(t)
	if err != nil {
		return nil, err
	}
	if t.find(dest) >= 0 {
		return nil, fail("RouteAlreadyExists", "The route identified by %s already exists.", dest)
	}
	if len(t.Routes) >= 1000 {
		return nil, fail("RouteLimitExceeded", "You've reached the limit on the number of routes that you can add to a route table.")
	}
	t.Routes = append(t.Routes, route{dest, field, id})
	return done()
}

// find is the index of the route to a destination, -1 if there is none.
func (t *routeTable) find(dest string) int {
	return slices.IndexFunc(t.Routes, func(r route) bool { return r.Destination == dest })
}

func replaceRoute(c *call) (obj, error) {
	t, err := need(c, c.ec2().RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	dest, err := c.destination()
	if err != nil {
		return nil, err
	}
	i := t.find(dest)
	if i < 0 {
		return nil, fail("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", dest)
	}
	field, id, err := c.target(t)
	if err != nil {
		return nil, err
	}
	t.Routes[i] = route{dest, field, id}
	return nil, nil
}

func deleteRoute(c *call) (obj, error) {
	t, err := need(c, c.ec2().RouteTables, "RouteTableId", "rtb-")
	if err != nil {
		return nil, err
	}
	dest, err := c.destination()
	if err != nil {
		return nil, err
	}
	if v := c.ec2().VPCs[t.VPC]; slices.Contains(v.cidrs(), dest) {
		return nil, fail("InvalidParameterValue", "cannot remove local route %s in route table %s", dest, t.ID)
	}
	i := t.find(dest)
	if i < 0 {
		return nil, fail("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", dest, t.ID)
	}
	t.Routes = slices.Delete(t.Routes, i, i+1)
	return done()
}
