package action

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (s *peeringStep) startRoutes(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	if after := unknown(in); len(after) > 0 {
		return s.previewRoutes(ctx, after)
	}
	pcx, err := s.input(in, "peering")
	if err != nil {
		return axle.Progress{}, err
	}
	w := s.begin(pcx)
	if w.CIDRs, err = s.ranges(in); err != nil {
		return axle.Progress{}, err
	}
	if w.Tables, err = s.list(in, "route_tables"); err != nil {
		return axle.Progress{}, err
	}
	return s.route(ctx, w)
}

// list is a comma-separated input as a sorted list.
func (s *peeringStep) list(in axle.Inputs, name string) ([]string, error) {
	text, err := s.input(in, name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range strings.Split(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ranges are the other side's CIDR blocks, as EC2 writes them: 10.1.2.3/16 is
// stored as 10.1.0.0/16.
func (s *peeringStep) ranges(in axle.Inputs) ([]string, error) {
	cidrs, err := s.list(in, "cidr")
	for i, c := range cidrs {
		p, bad := netip.ParsePrefix(c)
		if bad != nil {
			return nil, s.failure("InvalidInput", "the output that the peering names as cidr must be a CIDR block, or a comma-separated list of them",
				"route to peering %q in %s: %q isn't a CIDR block", s.step.Name, s.step.Where(), c)
		}
		cidrs[i] = p.Masked().String()
	}
	return cidrs, err
}

// routeTo is a change of one route: Add, Modify (turned to our connection) or
// Remove.
type routeTo struct {
	action, table, cidr string
	was                 types.Route // what Modify and Remove find there
}

// route looks at all tables in one call and makes what is missing.
func (s *peeringStep) route(ctx context.Context, w peeringWork) (axle.Progress, error) {
	tables, err := s.tables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: w.Tables})
	if hasCode(err, noTable) && !s.preview && s.now().Sub(w.Since) < visibleWithin/3 {
		// The stack that made the table has only just ended.
		return s.wait(w, visibleWithin, "look at route tables", "")
	}
	if err != nil {
		return axle.Progress{}, err
	}
	todo, err := s.compare(ctx, tables, w)
	if err != nil {
		return axle.Progress{}, err
	}
	p := done(axle.None)
	for _, r := range todo {
		p.Result.Changes = append(p.Result.Changes, s.change(r.action, r.table+" "+r.cidr, typeRoute))
		switch {
		case r.action == "Add":
			p.Result.Change = axle.Create
		case p.Result.Change == axle.None:
			p.Result.Change = axle.Update
		}
		if s.preview {
			continue
		}
		switch err := s.point(ctx, r, w.Peering); {
		case hasCode(err, routeExists), hasCode(err, noPeering) && s.now().Sub(w.Since) < visibleWithin:
			// Somebody was quicker, or the connection doesn't show here yet.
			return s.wait(w, visibleWithin, "add route to "+r.table, "")
		case err != nil:
			return axle.Progress{}, err
		}
	}
	return p, nil
}

func (s *peeringStep) tables(ctx context.Context, in *ec2.DescribeRouteTablesInput) ([]types.RouteTable, error) {
	var tables []types.RouteTable
	pages := ec2.NewDescribeRouteTablesPaginator(s.client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, s.as)
		if err != nil {
			return nil, s.translate(err, "look at route tables")
		}
		tables = append(tables, page.RouteTables...)
	}
	slices.SortFunc(tables, func(a, b types.RouteTable) int {
		return strings.Compare(aws.ToString(a.RouteTableId), aws.ToString(b.RouteTableId))
	})
	return tables, nil
}

// point makes, turns or removes one route.
func (s *peeringStep) point(ctx context.Context, r routeTo, pcx string) error {
	if r.action == "Remove" {
		return s.deleteRoute(ctx, tableRoute{r.table, r.was})
	}
	v4, v6 := aws.String(r.cidr), (*string)(nil)
	if strings.Contains(r.cidr, ":") {
		v4, v6 = nil, v4
	}
	var err error
	if r.action == "Modify" {
		_, err = s.client.ReplaceRoute(ctx, &ec2.ReplaceRouteInput{RouteTableId: aws.String(r.table),
			DestinationCidrBlock: v4, DestinationIpv6CidrBlock: v6, VpcPeeringConnectionId: aws.String(pcx)}, s.as)
	} else {
		_, err = s.client.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: aws.String(r.table),
			DestinationCidrBlock: v4, DestinationIpv6CidrBlock: v6, VpcPeeringConnectionId: aws.String(pcx)}, s.as)
	}
	if err != nil {
		return s.translate(err, fmt.Sprintf("route %s in %s to %s", r.cidr, r.table, pcx))
	}
	return nil
}

// compare finds what the tables lack. A route that leads elsewhere is turned
// only when nothing is lost: it leads nowhere, or to a connection of this
// peering. What is left of earlier connections of this very peering goes.
func (s *peeringStep) compare(ctx context.Context, tables []types.RouteTable, w peeringWork) ([]routeTo, error) {
	others, err := s.otherConnections(ctx, tables, w)
	if err != nil {
		return nil, err
	}
	var todo []routeTo
	for i := range tables {
		table := aws.ToString(tables[i].RouteTableId)
		for _, cidr := range w.CIDRs {
			r := routeFor(&tables[i], cidr)
			switch {
			case r == nil:
				todo = append(todo, routeTo{action: "Add", table: table, cidr: cidr})
			case aws.ToString(r.VpcPeeringConnectionId) == w.Peering:
			case s.needed(r, others):
				return nil, s.failure("RouteConflict", "remove that route, take this table out of the peering's route_tables, or give the VPCs other CIDRs",
					"route %s to peering %q in %s: route table %s has a route for it already, to %s", cidr, s.step.Name, s.step.Where(), table, target(r))
			default:
				todo = append(todo, routeTo{"Modify", table, cidr, *r})
			}
		}
		for _, r := range tables[i].Routes {
			old := others[aws.ToString(r.VpcPeeringConnectionId)]
			if old != nil && !live(old) && s.ours(old) && !slices.Contains(w.CIDRs, destination(&r)) {
				todo = append(todo, routeTo{"Remove", table, destination(&r), r})
			}
		}
	}
	return todo, nil
}

// otherConnections looks up the connections, other than ours, to which routes
// lead that are in the way or lead nowhere. Those that AWS has forgotten aren't
// in the answer.
func (s *peeringStep) otherConnections(ctx context.Context, tables []types.RouteTable, w peeringWork) (map[string]*types.VpcPeeringConnection, error) {
	var ids []string
	for i := range tables {
		for _, r := range tables[i].Routes {
			pcx := aws.ToString(r.VpcPeeringConnectionId)
			if pcx != "" && pcx != w.Peering && (r.State == types.RouteStateBlackhole || slices.Contains(w.CIDRs, destination(&r))) {
				ids = append(ids, pcx)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	slices.Sort(ids)
	found, err := s.find(ctx, filter("vpc-peering-connection-id", slices.Compact(ids)...))
	others := make(map[string]*types.VpcPeeringConnection, len(found))
	for i := range found {
		others[id(&found[i])] = &found[i]
	}
	return others, err
}

// needed says whether a route to elsewhere must be left to somebody else.
func (s *peeringStep) needed(r *types.Route, others map[string]*types.VpcPeeringConnection) bool {
	if pcx := aws.ToString(r.VpcPeeringConnectionId); pcx != "" {
		c := others[pcx]
		return c != nil && live(c) && !s.ourProject(c)
	}
	return r.State != types.RouteStateBlackhole
}

// ourProject says whether a connection is of this peering, of any requester.
func (s *peeringStep) ourProject(c *types.VpcPeeringConnection) bool {
	var project, peering bool
	for _, t := range c.Tags {
		project = project || (aws.ToString(t.Key) == tagProject && aws.ToString(t.Value) == s.step.Spec.Peering.Project)
		peering = peering || (aws.ToString(t.Key) == tagPeering && aws.ToString(t.Value) == s.step.Spec.Peering.Peering)
	}
	return project && peering
}

// routeFor finds the route with exactly this destination.
func routeFor(t *types.RouteTable, cidr string) *types.Route {
	for i := range t.Routes {
		r := &t.Routes[i]
		if destination(r) == cidr {
			return r
		}
	}
	return nil
}

// destination is what a route is for; it has exactly one of the three.
func destination(r *types.Route) string {
	return aws.ToString(r.DestinationCidrBlock) + aws.ToString(r.DestinationIpv6CidrBlock) + aws.ToString(r.DestinationPrefixListId)
}

// target names what a route leads to.
func target(r *types.Route) string {
	for _, v := range []*string{r.VpcPeeringConnectionId, r.TransitGatewayId, r.GatewayId, r.NatGatewayId, r.NetworkInterfaceId, r.InstanceId,
		r.EgressOnlyInternetGatewayId, r.LocalGatewayId, r.CarrierGatewayId, r.CoreNetworkArn} {
		if aws.ToString(v) != "" {
			return *v
		}
	}
	return "an unknown target"
}

// previewRoutes tells what is likely while inputs aren't known: routes are
// there if any leads to a connection with our tags.
func (s *peeringStep) previewRoutes(ctx context.Context, after []string) (axle.Progress, error) {
	routes, err := s.ourRoutes(ctx)
	if err != nil {
		return axle.Progress{}, err
	}
	p := done(axle.None)
	if len(routes) == 0 {
		p.Result.Change = axle.Create
	}
	p.Result.After = after
	return p, nil
}

// tableRoute is a route and the table that it is in.
type tableRoute struct {
	table string
	route types.Route
}

// ourRoutes finds the routes to connections with our tags. Deleted connections
// count: their routes stay, as blackholes, as long as nobody removes them.
func (s *peeringStep) ourRoutes(ctx context.Context) ([]tableRoute, error) {
	found, err := s.findOurs(ctx)
	if err != nil {
		return nil, err
	}
	return s.routesTo(ctx, found)
}

// routesTo finds the routes to connections in all route tables of the account and
// region.
func (s *peeringStep) routesTo(ctx context.Context, found []types.VpcPeeringConnection) ([]tableRoute, error) {
	if len(found) == 0 {
		return nil, nil
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = id(&found[i])
	}
	tables, err := s.tables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("route.vpc-peering-connection-id", ids...)}})
	if err != nil {
		return nil, err
	}
	var out []tableRoute
	for i := range tables {
		for _, r := range tables[i].Routes {
			if slices.Contains(ids, aws.ToString(r.VpcPeeringConnectionId)) {
				out = append(out, tableRoute{aws.ToString(tables[i].RouteTableId), r})
			}
		}
	}
	return out, nil
}

// deleteRoutes removes the routes to the connections that it is about.
func (s *peeringStep) deleteRoutes(ctx context.Context, in axle.Inputs) (axle.Progress, error) {
	found, err := s.doomed(ctx, in)
	if err != nil {
		return axle.Progress{}, err
	}
	routes, err := s.routesTo(ctx, found)
	if err != nil {
		return axle.Progress{}, err
	}
	p := done(axle.None)
	for _, r := range routes {
		p.Result.Change = axle.Delete
		p.Result.Changes = append(p.Result.Changes, s.change("Remove", r.table+" "+destination(&r.route), typeRoute))
		if s.preview {
			continue
		}
		if err := s.deleteRoute(ctx, r); err != nil {
			return axle.Progress{}, err
		}
	}
	return p, nil
}

// deleteRoute removes a route; one that is gone is what was wanted.
func (s *peeringStep) deleteRoute(ctx context.Context, r tableRoute) error {
	_, err := s.client.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: aws.String(r.table), DestinationCidrBlock: r.route.DestinationCidrBlock,
		DestinationIpv6CidrBlock: r.route.DestinationIpv6CidrBlock, DestinationPrefixListId: r.route.DestinationPrefixListId}, s.as)
	if err != nil && !hasCode(err, noRoute) && !hasCode(err, noTable) {
		return s.translate(err, fmt.Sprintf("delete route %s from %s", destination(&r.route), r.table))
	}
	return nil
}
