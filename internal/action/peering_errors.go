package action

import (
	"errors"
	"slices"

	"github.com/aws/smithy-go"
)

// EC2's codes that a step of a peering acts on
// (docs.aws.amazon.com/AWSEC2, "Error codes for the Amazon EC2 API").
var (
	noPeering   = []string{"InvalidVpcPeeringConnectionID.NotFound", "InvalidVpcPeeringConnectionId.NotFound"}
	noTable     = []string{"InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"}
	noRoute     = []string{"InvalidRoute.NotFound"}
	routeExists = []string{"RouteAlreadyExists"}
	wrongState  = []string{"InvalidStateTransition"}
	dnsDisabled = []string{"InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", "OperationNotPermitted"}
)

// peeringHints say what to do about what EC2 refuses.
var peeringHints = map[string]string{
	"InvalidVpcID.NotFound":                        "the output that the peering names as vpc isn't a VPC of this account and region: check requester.vpc and accepter.vpc",
	"VpcPeeringConnectionAlreadyExists":            "a peering connection joins the two VPCs already, made by somebody else: delete it or leave this peering out",
	"OutstandingVpcPeeringConnectionLimitExceeded": "25 requests of the account wait to be accepted: accept or delete some, or raise the quota (VPC, outstanding VPC peering connection requests)",
	"VpcPeeringConnectionsPerVpcLimitExceeded":     "raise the quota of active peering connections per VPC (50 by default, at most 125), or use a transit gateway",
	"RouteLimitExceeded":                           "the route table is full (50 routes by default): raise the quota of routes per route table, or use larger CIDRs",
	"InvalidRouteTableID.NotFound":                 "the output that the peering names under route_tables isn't a route table of this account and region",
	"InvalidVpcPeeringConnectionId.Malformed":      "this isn't the id of a peering connection",
	"InvalidVpcPeeringConnectionID.NotFound":       "the connection was deleted while this ran: deploy again",
	"InvalidVpcPeeringConnectionState.Invalid":     "the connection isn't active: look at it with aws ec2 describe-vpc-peering-connections",
}

func hasCode(err error, codes []string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}
