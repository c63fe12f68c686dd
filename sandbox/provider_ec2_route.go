package sandbox

import (
	"errors"
	"strings"
)

// routeTargets are the properties of a route that say where it leads.
var routeTargets = []string{"CarrierGatewayId", "CoreNetworkArn", "EgressOnlyInternetGatewayId", "GatewayId", "InstanceId", "LocalGatewayId",
	"NatGatewayId", "NetworkInterfaceId", "OdbNetworkArn", "TransitGatewayId", "VpcEndpointId", "VpcPeeringConnectionId"}

// routeProvider makes routes; their ids are "rtb-...|10.0.0.0/16".
func routeProvider() provider {
	destinations := []string{"DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"}
	properties := map[string]property{"RouteTableId": required | replaces}
	for _, name := range destinations {
		properties[name] = replaces
	}
	for _, name := range routeTargets {
		properties[name] = mutable
	}
	all := append(append([]string{"RouteTableId"}, destinations...), routeTargets...)
	return provider{
		properties: properties,
		attributes: []string{"CidrBlock"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			if _, err := rc.do("ec2", "CreateRoute", rc.pass(all...)); err != nil {
				return "", nil, err
			}
			dest := rc.Props.str("DestinationCidrBlock")
			return rc.Props.str("RouteTableId") + "|" + dest, map[string]any{"CidrBlock": dest}, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) {
			_, err := rc.do("ec2", "ReplaceRoute", rc.pass(all...))
			return map[string]any{"CidrBlock": rc.Props.str("DestinationCidrBlock")}, err
		},
		remove: func(rc *resourceCall) error {
			table, dest, _ := strings.Cut(rc.PhysicalID, "|")
			_, err := rc.do("ec2", "DeleteRoute", params{"RouteTableId": table, "DestinationCidrBlock": dest})
			return tolerate(err, "NotFound")
		},
	}
}

// tableAssociationProvider binds subnets to route tables. CloudFormation makes
// the new association before it removes the old one, which works for the same
// subnet because it then replaces the association that is there.
func tableAssociationProvider() provider {
	return provider{
		properties: map[string]property{"RouteTableId": required | replaces, "SubnetId": required | replaces},
		attributes: []string{"Id"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			out, err := rc.do("ec2", "AssociateRouteTable", rc.pass("RouteTableId", "SubnetId"))
			id := text(out["associationId"])
			if api := (*apiError)(nil); errors.As(err, &api) && api.Code == "Resource.AlreadyAssociated" {
				out, err = rc.do("ec2", "ReplaceRouteTableAssociation",
					params{"AssociationId": rc.associationOf(rc.Props.str("SubnetId")), "RouteTableId": rc.Props.str("RouteTableId")})
				id = text(out["newAssociationId"])
			}
			if err != nil {
				return "", nil, err
			}
			return id, map[string]any{"Id": id}, nil
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.do("ec2", "DisassociateRouteTable", params{"AssociationId": rc.PhysicalID})
			return tolerate(err, "NotFound")
		},
	}
}

// associationOf is the id of a subnet's association.
func (rc *resourceCall) associationOf(subnet string) string {
	for _, t := range rc.ec2().RouteTables {
		for _, a := range t.Associations {
			if a.Subnet == subnet {
				return a.ID
			}
		}
	}
	return ""
}
