"""EC2."""


def exercise(world):
    me, other = world.member, world.other
    places(me)
    v = me.do("ec2", "CreateVpc", CidrBlock="10.1.0.0/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "conformance"}]}])["Vpc"]["VpcId"]
    subnets_and_tables(me, v)
    groups(me, v)
    peering(me, other, v)
    nat(me, v)
    tags(me, v)
    me.do("ec2", "DescribeVpcs")
    me.do("ec2", "DescribeVpcs", VpcIds=[v])
    me.do("ec2", "DescribeVpcs", MaxResults=5)
    me.do("ec2", "DescribeNetworkAcls")
    me.do("ec2", "DescribeDhcpOptions")
    for attribute in ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"):
        me.do("ec2", "DescribeVpcAttribute", VpcId=v, Attribute=attribute)
    me.do("ec2", "ModifyVpcAttribute", VpcId=v, EnableDnsHostnames={"Value": True})
    block = me.do("ec2", "AssociateVpcCidrBlock", VpcId=v, CidrBlock="10.99.0.0/16")["CidrBlockAssociation"]["AssociationId"]
    me.do("ec2", "DisassociateVpcCidrBlock", AssociationId=block)
    me.fails("InvalidVpcID.NotFound", "ec2", "DescribeVpcs", VpcIds=["vpc-0123456789abcdef0"])
    me.fails("DryRunOperation", "ec2", "DeleteVpc", VpcId=v, DryRun=True)
    empty = me.do("ec2", "CreateVpc", CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    me.do("ec2", "DeleteVpc", VpcId=empty)


def places(me):
    me.do("ec2", "DescribeRegions", AllRegions=True)
    me.do("ec2", "DescribeAvailabilityZones")
    me.do("ec2", "DescribeAccountAttributes")


def subnets_and_tables(me, v):
    s = me.do("ec2", "CreateSubnet", VpcId=v, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    me.do("ec2", "DescribeSubnets", Filters=[{"Name": "vpc-id", "Values": [v]}])
    me.do("ec2", "ModifySubnetAttribute", SubnetId=s, MapPublicIpOnLaunch={"Value": True})
    t = me.do("ec2", "CreateRouteTable", VpcId=v)["RouteTable"]["RouteTableId"]
    second = me.do("ec2", "CreateRouteTable", VpcId=v, ClientToken="x")["RouteTable"]["RouteTableId"]
    a = me.do("ec2", "AssociateRouteTable", RouteTableId=t, SubnetId=s)["AssociationId"]
    a = me.do("ec2", "ReplaceRouteTableAssociation", AssociationId=a, RouteTableId=second)["NewAssociationId"]
    g = me.do("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    me.do("ec2", "AttachInternetGateway", InternetGatewayId=g, VpcId=v)
    me.do("ec2", "DescribeInternetGateways")
    me.do("ec2", "CreateRoute", RouteTableId=t, DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    me.fails("RouteAlreadyExists", "ec2", "CreateRoute", RouteTableId=t, DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    me.do("ec2", "ReplaceRoute", RouteTableId=t, DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    me.do("ec2", "DescribeRouteTables")
    me.do("ec2", "DeleteRoute", RouteTableId=t, DestinationCidrBlock="0.0.0.0/0")
    me.do("ec2", "DisassociateRouteTable", AssociationId=a)
    me.do("ec2", "DeleteRouteTable", RouteTableId=t)
    me.do("ec2", "DetachInternetGateway", InternetGatewayId=g, VpcId=v)
    me.do("ec2", "DeleteInternetGateway", InternetGatewayId=g)
    me.do("ec2", "DeleteSubnet", SubnetId=s)
    me.fails("DependencyViolation", "ec2", "DeleteVpc", VpcId=v)


def groups(me, v):
    g = me.do("ec2", "CreateSecurityGroup", GroupName="web", Description="web", VpcId=v)["GroupId"]
    rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}],
             "Ipv6Ranges": [{"CidrIpv6": "fd00::/8"}], "UserIdGroupPairs": [{"GroupId": g}]}]
    rules = me.do("ec2", "AuthorizeSecurityGroupIngress", GroupId=g, IpPermissions=rule)["SecurityGroupRules"]
    me.do("ec2", "AuthorizeSecurityGroupEgress", GroupId=g, IpPermissions=rule)
    me.do("ec2", "DescribeSecurityGroups")
    me.do("ec2", "DescribeSecurityGroupRules")
    me.do("ec2", "UpdateSecurityGroupRuleDescriptionsIngress", GroupId=g, SecurityGroupRuleDescriptions=[
        {"SecurityGroupRuleId": rules[0]["SecurityGroupRuleId"], "Description": "x"}])
    me.do("ec2", "UpdateSecurityGroupRuleDescriptionsEgress", GroupId=g, IpPermissions=rule)
    me.do("ec2", "RevokeSecurityGroupIngress", GroupId=g, SecurityGroupRuleIds=[r["SecurityGroupRuleId"] for r in rules])
    me.do("ec2", "RevokeSecurityGroupEgress", GroupId=g, IpPermissions=rule)
    me.do("ec2", "DeleteSecurityGroup", GroupId=g)


def peering(me, other, v):
    theirs = [other.do("ec2", "CreateVpc", CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (21, 22)]
    asked = [me.do("ec2", "CreateVpcPeeringConnection", VpcId=v, PeerVpcId=t, PeerOwnerId=other.account)
             ["VpcPeeringConnection"]["VpcPeeringConnectionId"] for t in theirs]
    other.do("ec2", "DescribeVpcPeeringConnections")
    other.do("ec2", "RejectVpcPeeringConnection", VpcPeeringConnectionId=asked[1])
    me.fails("OperationNotPermitted", "ec2", "AcceptVpcPeeringConnection", VpcPeeringConnectionId=asked[0])
    other.do("ec2", "AcceptVpcPeeringConnection", VpcPeeringConnectionId=asked[0])
    me.do("ec2", "DescribeVpcPeeringConnections")
    me.do("ec2", "ModifyVpcPeeringConnectionOptions", VpcPeeringConnectionId=asked[0],
          RequesterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": False})
    me.do("ec2", "DeleteVpcPeeringConnection", VpcPeeringConnectionId=asked[0])
    me.do("ec2", "DescribeVpcPeeringConnections", Filters=[{"Name": "status-code", "Values": ["deleted", "rejected"]}])


def nat(me, v):
    s = me.do("ec2", "CreateSubnet", VpcId=v, CidrBlock="10.1.9.0/24")["Subnet"]["SubnetId"]
    a = me.do("ec2", "AllocateAddress", Domain="vpc")["AllocationId"]
    n = me.do("ec2", "CreateNatGateway", SubnetId=s, AllocationId=a)["NatGateway"]["NatGatewayId"]
    me.do("ec2", "DescribeAddresses")
    me.do("ec2", "DescribeNatGateways")
    me.do("ec2", "DeleteNatGateway", NatGatewayId=n)
    me.do("ec2", "DescribeNatGateways")
    me.do("ec2", "ReleaseAddress", AllocationId=a)
    me.do("ec2", "DeleteSubnet", SubnetId=s)


def tags(me, v):
    me.do("ec2", "CreateTags", Resources=[v], Tags=[{"Key": "a", "Value": "b"}])
    me.do("ec2", "DescribeTags")
    me.do("ec2", "DeleteTags", Resources=[v], Tags=[{"Key": "a"}])
