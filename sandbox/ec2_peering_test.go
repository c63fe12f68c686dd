package sandbox_test

import (
	"context"
	"testing"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// seen is a connection as one side sees it, nil if it doesn't.
func seen(t *testing.T, client *ec2.Client, id string) *types.VpcPeeringConnection {
	t.Helper()
	out, err := client.DescribeVpcPeeringConnections(context.Background(), &ec2.DescribeVpcPeeringConnectionsInput{
		Filters: []types.Filter{{Name: aws.String("vpc-peering-connection-id"), Values: []string{id}}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.VpcPeeringConnections) == 0 {
		return nil
	}
	return &out.VpcPeeringConnections[0]
}

func TestPeering(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.ec2(devAccount, "eu-west-1"), c.ec2(qaAccount, "us-east-1")
	spoke, hub := c.vpc(dev, "10.1.0.0/16"), c.vpc(qa, "10.2.0.0/16")

	ask := &ec2.CreateVpcPeeringConnectionInput{VpcId: &spoke, PeerVpcId: &hub, PeerOwnerId: aws.String(qaAccount), PeerRegion: aws.String("us-east-1"),
		TagSpecifications: []types.TagSpecification{{ResourceType: "vpc-peering-connection", Tags: []types.Tag{{Key: aws.String("side"), Value: aws.String("requester")}}}}}
	made := must[*ec2.CreateVpcPeeringConnectionOutput](t)(dev.CreateVpcPeeringConnection(ctx, ask)).VpcPeeringConnection
	id := made.VpcPeeringConnectionId
	if made.Status.Code != types.VpcPeeringConnectionStateReasonCodeInitiatingRequest || made.AccepterVpcInfo.CidrBlock != nil ||
		*made.RequesterVpcInfo.CidrBlock != "10.1.0.0/16" || made.ExpirationTime.Before(time.Now().Add(6*24*time.Hour)) {
		t.Fatalf("made %+v", made)
	}
	again := must[*ec2.CreateVpcPeeringConnectionOutput](t)(dev.CreateVpcPeeringConnection(ctx, ask)).VpcPeeringConnection
	if *again.VpcPeeringConnectionId != *id {
		t.Fatal("the same request twice made two connections")
	}
	arrived := seen(t, qa, *id)
	if arrived == nil || arrived.Status.Code != "pending-acceptance" || *arrived.Status.Message != "Pending Acceptance by "+qaAccount || len(arrived.Tags) != 0 {
		t.Fatalf("the accepter sees %+v", arrived)
	}
	if seen(t, c.ec2(qaAccount, "eu-west-1"), *id) != nil {
		t.Fatal("visible in a region that isn't a party's")
	}

	_, err := dev.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	refused(t, err, "OperationNotPermitted", "cannot accept peering")
	_, err = qa.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	refused(t, err, "OperationNotPermitted", "")
	options := &ec2.ModifyVpcPeeringConnectionOptionsInput{VpcPeeringConnectionId: id,
		RequesterPeeringConnectionOptions: &types.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: aws.Bool(true)}}
	_, err = dev.ModifyVpcPeeringConnectionOptions(ctx, options)
	refused(t, err, "OperationNotPermitted", "Peering options can be added only to active peerings.")

	_ = must[*ec2.AcceptVpcPeeringConnectionOutput](t)(qa.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id}))
	_, err = qa.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	refused(t, err, "InvalidStateTransition", "from active to active")
	active := seen(t, dev, *id)
	if active.Status.Code != "active" || *active.AccepterVpcInfo.CidrBlock != "10.2.0.0/16" || *active.AccepterVpcInfo.Region != "us-east-1" ||
		len(active.AccepterVpcInfo.CidrBlockSet) != 1 || active.ExpirationTime != nil || len(active.Tags) != 1 {
		t.Fatalf("active %+v", active)
	}

	_, err = qa.ModifyVpcPeeringConnectionOptions(ctx, options)
	refused(t, err, "OperationNotPermitted", "User "+qaAccount+" does not have permission to modify the requester side peering options")
	_, err = dev.ModifyVpcPeeringConnectionOptions(ctx, options)
	refused(t, err, "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", "")
	for client, id := range map[*ec2.Client]string{dev: spoke, qa: hub} {
		_ = must[*ec2.ModifyVpcAttributeOutput](t)(client.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &id,
			EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))
	}
	_ = must[*ec2.ModifyVpcPeeringConnectionOptionsOutput](t)(dev.ModifyVpcPeeringConnectionOptions(ctx, options))
	if p := seen(t, qa, *id); !*p.RequesterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc || *p.AccepterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc {
		t.Fatalf("options %+v", p.RequesterVpcInfo.PeeringOptions)
	}

	table := mainTable(t, dev, spoke)
	_ = must[*ec2.CreateRouteOutput](t)(dev.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: aws.String("10.2.0.0/16"), VpcPeeringConnectionId: id}))
	other := c.vpc(dev, "10.3.0.0/16")
	_, err = dev.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: aws.String(mainTable(t, dev, other)), DestinationCidrBlock: aws.String("10.2.0.0/16"), VpcPeeringConnectionId: id})
	refused(t, err, "InvalidParameterValue", "belong to different networks")
	_, err = dev.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &spoke})
	refused(t, err, "DependencyViolation", "")

	_ = must[*ec2.DeleteVpcPeeringConnectionOutput](t)(qa.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id}))
	if p := seen(t, dev, *id); p.Status.Code != "deleted" || *p.Status.Message != "Deleted by "+qaAccount {
		t.Fatalf("deleted %+v", p.Status)
	}
	out := must[*ec2.DescribeRouteTablesOutput](t)(dev.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{
		Filters: []types.Filter{{Name: aws.String("route.vpc-peering-connection-id"), Values: []string{*id}}}}))
	if len(out.RouteTables) != 1 || out.RouteTables[0].Routes[1].State != "blackhole" {
		t.Fatalf("routes to a deleted peering: %+v", out.RouteTables)
	}
	_ = must[*ec2.DeleteVpcOutput](t)(dev.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &spoke}))
}

func mainTable(t *testing.T, client *ec2.Client, vpc string) string {
	t.Helper()
	out := must[*ec2.DescribeRouteTablesOutput](t)(client.DescribeRouteTables(context.Background(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("association.main"), Values: []string{"true"}}}}))
	return *out.RouteTables[0].RouteTableId
}

// Requests that can't work fail after they were made, as AWS's do.
func TestPeeringFails(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.ec2(devAccount, "eu-west-1"), c.ec2(qaAccount, "eu-west-1")
	mine, same := c.vpc(dev, "10.1.0.0/16"), c.vpc(qa, "10.1.128.0/17")
	for _, ask := range []*ec2.CreateVpcPeeringConnectionInput{
		{VpcId: &mine, PeerVpcId: &same, PeerOwnerId: aws.String(qaAccount)},
		{VpcId: &mine, PeerVpcId: aws.String("vpc-0123456789abcdef0"), PeerOwnerId: aws.String(qaAccount)},
		{VpcId: &mine, PeerVpcId: &same, PeerOwnerId: aws.String("999999999999")},
		{VpcId: &mine, PeerVpcId: &same, PeerOwnerId: aws.String(qaAccount), PeerRegion: aws.String("us-east-1")},
	} {
		id := must[*ec2.CreateVpcPeeringConnectionOutput](t)(dev.CreateVpcPeeringConnection(ctx, ask)).VpcPeeringConnection.VpcPeeringConnectionId
		p := seen(t, dev, *id)
		if p.Status.Code != "failed" || *p.Status.Message != "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range" {
			t.Errorf("%+v: %+v", ask, p.Status)
		}
		if seen(t, qa, *id) != nil {
			t.Error("the accepter sees a request that failed")
		}
		_, err := dev.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
		refused(t, err, "InvalidStateTransition", "from failed to deleting")
	}
	_, err := dev.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{VpcId: &mine, PeerVpcId: aws.String("vpc-0123456789abcdef0")})
	refused(t, err, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
	_, err = dev.DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{"pcx-0123456789abcdef0"}})
	refused(t, err, "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID 'pcx-0123456789abcdef0' does not exist")
}

// A second connection in the other direction can be asked for, but not accepted.
func TestPeeringTwice(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.ec2(devAccount, "eu-west-1"), c.ec2(qaAccount, "eu-west-1")
	a, b := c.vpc(dev, "10.1.0.0/16"), c.vpc(qa, "10.2.0.0/16")
	there := must[*ec2.CreateVpcPeeringConnectionOutput](t)(dev.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{VpcId: &a, PeerVpcId: &b, PeerOwnerId: aws.String(qaAccount)}))
	back := must[*ec2.CreateVpcPeeringConnectionOutput](t)(qa.CreateVpcPeeringConnection(ctx, &ec2.CreateVpcPeeringConnectionInput{VpcId: &b, PeerVpcId: &a, PeerOwnerId: aws.String(devAccount)}))
	_ = must[*ec2.AcceptVpcPeeringConnectionOutput](t)(qa.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: there.VpcPeeringConnection.VpcPeeringConnectionId}))
	_, err := dev.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: back.VpcPeeringConnection.VpcPeeringConnectionId})
	refused(t, err, "VpcPeeringConnectionAlreadyExists", "")
	_ = must[*ec2.RejectVpcPeeringConnectionOutput](t)(dev.RejectVpcPeeringConnection(ctx, &ec2.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: back.VpcPeeringConnection.VpcPeeringConnectionId}))
	if p := seen(t, qa, *back.VpcPeeringConnection.VpcPeeringConnectionId); p.Status.Code != "rejected" {
		t.Fatalf("rejected: %+v", p.Status)
	}
}
