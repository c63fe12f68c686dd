package sandbox

import "strings"

// gatewayAttachmentProvider attaches an internet gateway. Its id is
// "IGW|vpc-...", as CloudFormation's is.
func gatewayAttachmentProvider() provider {
	attach := func(rc *resourceCall, props params) error {
		_, err := rc.do("ec2", "AttachInternetGateway", params{"InternetGatewayId": props.str("InternetGatewayId"), "VpcId": props.str("VpcId")})
		return err
	}
	detach := func(rc *resourceCall, props params) error {
		_, err := rc.do("ec2", "DetachInternetGateway", params{"InternetGatewayId": props.str("InternetGatewayId"), "VpcId": props.str("VpcId")})
		return tolerate(err, "NotFound", "NotAttached")
	}
	check := func(rc *resourceCall) error {
		switch {
		case rc.Props.str("VpnGatewayId") != "":
			return fail("UnsupportedOperation", "The sandbox has no VPN gateways")
		case rc.Props.str("InternetGatewayId") == "":
			return fail("ValidationError", "Either InternetGatewayId or VpnGatewayId must be set, but not both")
		}
		return nil
	}
	return provider{
		properties: map[string]property{"VpcId": required | replaces, "InternetGatewayId": mutable, "VpnGatewayId": mutable},
		attributes: []string{"AttachmentType"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			if err := check(rc); err != nil {
				return "", nil, err
			}
			if err := attach(rc, rc.Props); err != nil {
				return "", nil, err
			}
			return "IGW|" + rc.Props.str("VpcId"), map[string]any{"AttachmentType": "IGW"}, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) {
			if err := check(rc); err != nil {
				return nil, err
			}
			if rc.Props.str("InternetGatewayId") != rc.OldProps.str("InternetGatewayId") {
				if err := detach(rc, rc.OldProps); err != nil {
					return nil, err
				}
				if err := attach(rc, rc.Props); err != nil {
					return nil, err
				}
			}
			return map[string]any{"AttachmentType": "IGW"}, nil
		},
		remove: func(rc *resourceCall) error { return detach(rc, rc.Props) },
	}
}

// addressProvider allocates an Elastic IP; Ref gives the address itself.
func addressProvider() provider {
	p := provider{
		properties: map[string]property{"Domain": mutable, "InstanceId": mutable, "NetworkBorderGroup": replaces,
			"PublicIpv4Pool": mutable, "TransferAddress": replaces, "Address": replaces, "IpamPoolId": replaces, "Tags": mutable},
		attributes: []string{"AllocationId", "PublicIp"},
		tags:       "Tags",
	}
	allocation := func(rc *resourceCall) string {
		for id, a := range rc.ec2().Addresses {
			if a.Address == rc.PhysicalID {
				return id
			}
		}
		return ""
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		for _, unknown := range []string{"InstanceId", "TransferAddress", "Address", "IpamPoolId"} {
			if rc.Props.str(unknown) != "" {
				return "", nil, fail("UnsupportedOperation", "The sandbox has no %s for addresses", unknown)
			}
		}
		out, err := rc.do("ec2", "AllocateAddress", rc.specify(rc.pass("Domain", "NetworkBorderGroup", "PublicIpv4Pool"), "elastic-ip"))
		if err != nil {
			return "", nil, err
		}
		attrs := map[string]any{"AllocationId": out["allocationId"], "PublicIp": out["publicIp"]}
		rc.noteTags(attrs)
		return text(out["publicIp"]), attrs, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		attrs := map[string]any{"AllocationId": rc.OldAttrs["AllocationId"], "PublicIp": rc.PhysicalID}
		return attrs, rc.retag(text(rc.OldAttrs["AllocationId"]), attrs)
	}
	p.remove = func(rc *resourceCall) error {
		id := allocation(rc)
		if id == "" {
			return nil
		}
		_, err := rc.do("ec2", "ReleaseAddress", params{"AllocationId": id})
		return tolerate(err, "NotFound")
	}
	return p
}

// natProvider makes NAT gateways. CloudFormation waits until they are
// available, or deleted; the sandbox lets that moment pass at once.
func natProvider() provider {
	p := simpleProvider("CreateNatGateway", "natGateway", "natGatewayId", "NatGatewayId", "natgateway",
		"SubnetId", "AllocationId", "ConnectivityType")
	p.properties = map[string]property{"SubnetId": replaces, "AllocationId": replaces, "ConnectivityType": replaces,
		"PrivateIpAddress": replaces, "MaxDrainDurationSeconds": mutable, "SecondaryAllocationIds": mutable,
		"SecondaryPrivateIpAddresses": mutable, "SecondaryPrivateIpAddressCount": mutable, "VpcId": replaces, "Tags": mutable}
	create := p.create
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		for _, unknown := range []string{"PrivateIpAddress", "SecondaryAllocationIds", "SecondaryPrivateIpAddresses", "SecondaryPrivateIpAddressCount"} {
			if rc.Props.has(unknown) {
				return "", nil, fail("UnsupportedOperation", "The sandbox has no %s for NAT gateways", unknown)
			}
		}
		id, attrs, err := create(rc)
		if g := rc.ec2().NATs[id]; g != nil {
			g.Ready = g.Created
		}
		return id, attrs, err
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("ec2", "DeleteNatGateway", params{"NatGatewayId": rc.PhysicalID})
		if g := rc.ec2().NATs[rc.PhysicalID]; g != nil && err == nil {
			g.DeadAt = g.Deleted
		}
		return tolerate(err, "NotFound")
	}
	return p
}

// peeringProvider requests a connection and, as CloudFormation does, accepts it
// on the other side: with the stack's own permissions in the same account, as
// PeerRoleArn in another one. A connection that doesn't become active fails.
func peeringProvider() provider {
	p := simpleProvider("CreateVpcPeeringConnection", "vpcPeeringConnection", "vpcPeeringConnectionId", "Id", "vpc-peering-connection",
		"VpcId", "PeerVpcId", "PeerOwnerId", "PeerRegion")
	p.properties = map[string]property{"VpcId": required | replaces, "PeerVpcId": required | replaces, "PeerOwnerId": replaces,
		"PeerRegion": replaces, "PeerRoleArn": replaces, "AssumeRoleRegion": mutable, "Tags": mutable}
	create := p.create
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		id, attrs, err := create(rc)
		if err != nil {
			return id, attrs, err
		}
		con := rc.ec2().Peerings[id]
		con.Next = con.Since // CloudFormation waits for the request to arrive
		rc.settlePeering(con)
		if con.Status == "pending-acceptance" {
			if err := rc.acceptPeering(con); err != nil {
				return id, attrs, err
			}
		}
		if con.Status == "provisioning" {
			con.Next = con.Since
			rc.settlePeering(con)
		}
		if con.Status != "active" {
			return id, attrs, fail("NotStabilized", "VpcPeeringConnection failed to stabilize. State: [%s] Message: [%s]", con.Status, con.Message)
		}
		return id, attrs, nil
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("ec2", "DeleteVpcPeeringConnection", params{"VpcPeeringConnectionId": rc.PhysicalID})
		if con := rc.ec2().Peerings[rc.PhysicalID]; con != nil && con.Status == "deleting" {
			con.Next = con.Since
		}
		return tolerate(err, "NotFound", "InvalidStateTransition")
	}
	return p
}

// acceptPeering accepts on the other side, as the stack or as PeerRoleArn.
func (rc *resourceCall) acceptPeering(con *peering) error {
	in := params{"VpcPeeringConnectionId": con.ID}
	role := rc.Props.str("PeerRoleArn")
	if con.Accepter.Account == rc.Account.ID && role == "" {
		_, err := rc.doIn(con.Accepter.Region, "ec2", "AcceptVpcPeeringConnection", in)
		return err
	}
	if role == "" || !strings.Contains(role, ":"+con.Accepter.Account+":role/") {
		return nil // stays pending, and so fails to stabilize
	}
	out, err := rc.do("sts", "AssumeRole", params{"RoleArn": role, "RoleSessionName": "CloudFormation"})
	if err != nil {
		return err
	}
	key := text(out["Credentials"].(obj)["AccessKeyId"])
	other := rc.as(rc.st.Keys[key], nil)
	if _, err := other.invoke("ec2", "AcceptVpcPeeringConnection", con.Accepter.Region, in); err != nil {
		return &resourceError{Service: "ec2", Err: err}
	}
	return nil
}
