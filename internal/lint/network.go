package lint

import (
	"net/netip"
	"slices"
	"strings"

	"axle/internal/template"
)

func networkRules() []Rule {
	return []Rule{
		{ID: "AX069", Severity: Advice, Where: "TP", Title: "Private access without an endpoint for STS",
			Why:   "Calls that assume roles leave the VPC, or fail where there is no way out.",
			Fix:   "Add an interface endpoint for STS, and allow the other account's resources in the endpoints' policies.",
			Blind: "Which way traffic takes depends on routes and DNS; a template with endpoints for others, but not for STS, is a sign.",
			check: checks(eachUnit(checkEndpoints), eachStatement(checkEndpointPolicy))},
		{ID: "AX103", Severity: Warning, Where: "TP", Title: "A peering with routes on one side only",
			Why:   "Packets arrive, and no answer comes back.",
			Fix:   "Name route_tables of both sides.",
			check: checks(checkPeerings, eachUnit(checkRoutes))},
		{ID: "AX104", Severity: Error, Where: "P", Title: "Peered networks with overlapping addresses",
			Why:   "AWS refuses the peering, or addresses mean two things.",
			Fix:   "Give each network a range of its own.",
			check: checkOverlaps},
	}
}

func checkEndpoints(r *run, u *unit) {
	var endpoint *template.Declared
	for _, d := range u.resources {
		if d.Type != "AWS::EC2::VPCEndpoint" {
			continue
		}
		name := d.Properties.Get("ServiceName").Str()
		if strings.HasSuffix(name, ".sts") || u.open(name) && !strings.Contains(name, ".") {
			return
		}
		if d.Properties.Get("VpcEndpointType").Str() == "Interface" {
			endpoint = d
		}
	}
	if endpoint == nil {
		return
	}
	for _, doc := range u.docs {
		for _, s := range doc.statements {
			if doc.identity() && s.allow && s.does("sts:AssumeRole") && !s.does("iam:CreateUser") {
				r.inResource(endpoint, nil, "%s makes calls private, but there is no endpoint for STS, which %s calls", endpoint.Name, doc.label())
				return
			}
		}
	}
}

// checkEndpointPolicy: an endpoint for STS whose policy lets nobody assume roles
// of other accounts.
func checkEndpointPolicy(r *run, s *statement) {
	d := s.doc
	if d.owner == nil || d.owner.Type != "AWS::EC2::VPCEndpoint" || s != d.statements[0] {
		return
	}
	if !strings.HasSuffix(d.owner.Properties.Get("ServiceName").Str(), ".sts") {
		return
	}
	assumes := slices.ContainsFunc(d.statements, func(o *statement) bool { return o.allow && (o.does("sts:AssumeRole") || o.notAction != nil) })
	if !assumes {
		r.inDoc(d, nil, "the policy of endpoint %s doesn't allow sts:AssumeRole", d.owner.Name).Severity = Warning
	}
}

func checkPeerings(r *run) {
	for _, p := range r.in.Peerings {
		switch {
		case p.Requester.Tables == 0 && p.Accepter.Tables == 0:
		case p.Requester.Tables == 0:
			r.at(p.Pos, "", "peering %s has no route tables of the requester", p.Name)
		case p.Accepter.Tables == 0:
			r.at(p.Pos, "", "peering %s has no route tables of the accepter", p.Name)
		}
	}
}

// checkRoutes: a peering that a template makes between its own two networks,
// with routes to one of them.
func checkRoutes(r *run, u *unit) {
	for _, d := range u.resources {
		if d.Type != "AWS::EC2::VPCPeeringConnection" {
			continue
		}
		a, b := d.Properties.Get("VpcId"), d.Properties.Get("PeerVpcId")
		if u.vpc(a) == "" || u.vpc(b) == "" {
			continue // the other side is somebody else's
		}
		sides := map[string]bool{}
		for _, route := range u.resources {
			if route.Type == "AWS::EC2::Route" && u.refers(route.Properties.Get("VpcPeeringConnectionId"), d) {
				for _, table := range u.resources {
					if table.Type == "AWS::EC2::RouteTable" && u.refers(route.Properties.Get("RouteTableId"), table) {
						sides[u.vpc(table.Properties.Get("VpcId"))] = true
					}
				}
			}
		}
		if len(sides) == 1 {
			r.inResource(d, nil, "%s has routes in one of its networks only", d.Name)
		}
	}
}

// vpc is the logical id of the network that a value refers to.
func (u *unit) vpc(n *template.Node) string {
	if n == nil {
		return ""
	}
	for _, ref := range n.Refs {
		if d := u.byName[ref.Name]; d != nil && d.Type == "AWS::EC2::VPC" {
			return d.Name
		}
	}
	return ""
}

// checkOverlaps compares each network with those that it is peered with: by the
// rules of output() the one of its own region, where there is one.
func checkOverlaps(r *run) {
	for _, p := range r.in.Peerings {
		accepters := r.ranges(p.Accepter)
		for _, a := range r.ranges(p.Requester) {
			near := slices.ContainsFunc(accepters, func(b network) bool { return b.region == a.region })
			for _, b := range accepters {
				if a.prefix.Overlaps(b.prefix) && a.where != b.where && (!near || a.region == b.region) {
					r.at(p.Pos, "", "peering %s: %s of %s overlaps %s of %s", p.Name, a.prefix, a.where, b.prefix, b.where)
				}
			}
		}
	}
}

// network is an address range in a place.
type network struct {
	prefix        netip.Prefix
	region, where string
}

// ranges are the address ranges of a side, as far as they are known.
func (r *run) ranges(s Side) []network {
	var out []network
	for _, u := range r.units {
		e := u.outputs[s.CIDR]
		if u.src.Name != s.Stack || e == nil {
			continue
		}
		text := e.Value.Str()
		for _, ref := range e.Value.Refs {
			if d := u.byName[ref.Name]; d != nil && ref.Attr == "CidrBlock" {
				text = d.Properties.Get("CidrBlock").Str()
			}
		}
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out = append(out, network{prefix, u.region, u.src.Name + " in " + u.account + "/" + u.region})
		}
	}
	return out
}
