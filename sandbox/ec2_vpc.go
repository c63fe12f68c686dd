package sandbox

import (
	"net/netip"
	"slices"
)

// vpc is a virtual private cloud.
type vpc struct {
	ID        string      `json:"id"`
	Blocks    []cidrBlock `json:"blocks"` // the primary one first
	Tenancy   string      `json:"tenancy"`
	DNS       bool        `json:"dns"`       // EnableDnsSupport
	Hostnames bool        `json:"hostnames"` // EnableDnsHostnames
	Metrics   bool        `json:"metrics,omitempty"`
	MainTable string      `json:"main_table"`
	ACL       string      `json:"acl"`
	Group     string      `json:"group"` // the default security group
}

// cidrBlock is a range of a VPC.
type cidrBlock struct {
	ID   string       `json:"id"`
	CIDR netip.Prefix `json:"cidr"`
}

func ec2VPCOperations() map[string]operation {
	return map[string]operation{
		"CreateVpc":                {run: createVPC, resources: touching("vpc", "")},
		"DeleteVpc":                {run: deleteVPC, resources: touching("vpc", "VpcId")},
		"DescribeVpcs":             {run: describeVPCs},
		"DescribeVpcAttribute":     {run: describeVPCAttribute, resources: touching("vpc", "VpcId")},
		"ModifyVpcAttribute":       {run: modifyVPCAttribute, resources: touching("vpc", "VpcId")},
		"AssociateVpcCidrBlock":    {run: associateVPCBlock, resources: touching("vpc", "VpcId")},
		"DisassociateVpcCidrBlock": {run: disassociateVPCBlock},
		"DescribeNetworkAcls":      {run: describeNetworkACLs},
		"DescribeDhcpOptions":      {run: describeDHCPOptions},
	}
}

// parseCIDR reads an IPv4 range; host bits are cleared, as EC2 does.
func parseCIDR(s, param string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return p, fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", s, param)
	}
	return p.Masked(), nil
}

func createVPC(c *call) (obj, error) {
	for _, param := range []string{"Ipv4IpamPoolId", "Ipv6IpamPoolId", "Ipv6Pool", "Ipv6CidrBlock", "AmazonProvidedIpv6CidrBlock"} {
		if v := c.In.str(param); v != "" && v != "false" {
			return nil, fail("UnsupportedOperation", "The sandbox has no IPAM and no IPv6: %s can't be given", param)
		}
	}
	if c.In.str("CidrBlock") == "" {
		return nil, fail("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	cidr, err := parseCIDR(c.In.str("CidrBlock"), "cidrBlock")
	if err != nil {
		return nil, err
	}
	if cidr.Bits() < 16 || cidr.Bits() > 28 {
		return nil, fail("InvalidVpc.Range", "The CIDR '%s' is invalid.", c.In.str("CidrBlock"))
	}
	tags, err := c.specTags("vpc")
	if err != nil {
		return nil, err
	}
	if len(c.ec2().VPCs) >= int(c.quota(quotaVPCs)) {
		return nil, fail("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	}
	v := &vpc{ID: "vpc-0" + c.id(16), DNS: true, Tenancy: c.In.or("InstanceTenancy", "default"),
		Blocks: []cidrBlock{{ID: "vpc-cidr-assoc-0" + c.id(16), CIDR: cidr}}}
	if v.Tenancy != "default" && v.Tenancy != "dedicated" {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter instanceTenancy is invalid.", v.Tenancy)
	}
	put(&c.ec2().VPCs, v.ID, v)
	c.born(v.ID)
	c.furnish(v)
	if err := c.setTags(v.ID, tags); err != nil {
		return nil, err
	}
	out := c.showVPC(v)
	out["state"], out["tagSet"] = "pending", c.tagSet(v.ID)
	return obj{"vpc": out}, nil
}

// furnish gives a VPC what every VPC has from the start: the main route table,
// the default network ACL and the default security group.
func (c *call) furnish(v *vpc) {
	t := c.newRouteTable(v)
	t.Associations = []tableAssociation{{ID: "rtbassoc-0" + c.id(16), Main: true}}
	v.MainTable = t.ID
	v.ACL = "acl-0" + c.id(16)
	put(&c.ec2().ACLs, v.ACL, &networkACL{ID: v.ACL, VPC: v.ID})
	g := c.newGroup(v.ID, "default", "default VPC security group")
	v.Group = g.ID
	c.addRule(&groupRule{Group: g.ID, Protocol: "-1", From: -1, To: -1, Source: g.ID, SourceOwner: c.Account.ID})
}

// showVPC is a VPC without its tags.
func (c *call) showVPC(v *vpc) obj {
	var blocks []obj
	for _, b := range v.Blocks {
		blocks = append(blocks, obj{"associationId": b.ID, "cidrBlock": b.CIDR.String(),
			"cidrBlockState": obj{"state": "associated"}})
	}
	return obj{"vpcId": v.ID, "ownerId": c.Account.ID, "state": "available", "cidrBlock": v.Blocks[0].CIDR.String(),
		"cidrBlockAssociationSet": blocks, "dhcpOptionsId": c.dhcpOptions(), "instanceTenancy": v.Tenancy,
		"isDefault": false, "blockPublicAccessStates": obj{"internetGatewayBlockMode": "off"}}
}

func describeVPCs(c *call) (obj, error) {
	return describe(c, listing[vpc]{
		set: "vpcSet", param: "VpcId", prefix: "vpc-", all: c.ec2().VPCs, show: c.showVPC,
		filters: map[string]func(*vpc) []string{
			"vpc-id":          func(v *vpc) []string { return one(v.ID) },
			"cidr":            func(v *vpc) []string { return one(v.Blocks[0].CIDR.String()) },
			"cidr-block":      func(v *vpc) []string { return one(v.Blocks[0].CIDR.String()) },
			"state":           func(*vpc) []string { return one("available") },
			"owner-id":        func(*vpc) []string { return one(c.Account.ID) },
			"is-default":      func(*vpc) []string { return one("false") },
			"isDefault":       func(*vpc) []string { return one("false") },
			"dhcp-options-id": func(*vpc) []string { return one(c.dhcpOptions()) },
			"cidr-block-association.cidr-block": func(v *vpc) []string {
				return v.cidrs()
			},
			"cidr-block-association.association-id": func(v *vpc) []string {
				var out []string
				for _, b := range v.Blocks {
					out = append(out, b.ID)
				}
				return out
			},
			"cidr-block-association.state": func(*vpc) []string { return one("associated") },
		},
	})
}

// cidrs are the VPC's ranges as text.
func (v *vpc) cidrs() []string {
	var out []string
	for _, b := range v.Blocks {
		out = append(out, b.CIDR.String())
	}
	return out
}

// holds says whether a range lies within the VPC.
func (v *vpc) holds(p netip.Prefix) bool {
	return slices.ContainsFunc(v.Blocks, func(b cidrBlock) bool {
		return b.CIDR.Bits() <= p.Bits() && b.CIDR.Contains(p.Addr())
	})
}

func (v *vpc) overlaps(p netip.Prefix) bool {
	return slices.ContainsFunc(v.Blocks, func(b cidrBlock) bool { return b.CIDR.Overlaps(p) })
}

// deleteVPC takes the main table, the default ACL and the default group with
// the VPC; whatever else is in it is in the way.
func deleteVPC(c *call) (obj, error) {
	st := c.ec2()
	v, err := need(c, st.VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	if c.vpcInUse(v) {
		return nil, fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	}
	for id, r := range st.Rules {
		if r.Group == v.Group {
			delete(st.Rules, id)
			delete(st.Tags, id)
		}
	}
	delete(st.RouteTables, v.MainTable)
	delete(st.ACLs, v.ACL)
	delete(st.Groups, v.Group)
	delete(st.VPCs, v.ID)
	for _, id := range []string{v.ID, v.MainTable, v.ACL, v.Group} {
		delete(st.Tags, id)
	}
	return done()
}

func (c *call) vpcInUse(v *vpc) bool {
	st := c.ec2()
	for _, s := range st.Subnets {
		if s.VPC == v.ID {
			return true
		}
	}
	for _, t := range st.RouteTables {
		if t.VPC == v.ID && t.ID != v.MainTable {
			return true
		}
	}
	for _, g := range st.Groups {
		if g.VPC == v.ID && g.ID != v.Group {
			return true
		}
	}
	for _, g := range st.Gateways {
		if g.VPC == v.ID {
			return true
		}
	}
	return c.peeredVPC(v.ID)
}

func describeVPCAttribute(c *call) (obj, error) {
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	out := obj{"vpcId": v.ID}
	switch name := c.In.str("Attribute"); name {
	case "enableDnsSupport":
		out[name] = obj{"value": v.DNS}
	case "enableDnsHostnames":
		out[name] = obj{"value": v.Hostnames}
	case "enableNetworkAddressUsageMetrics":
		out[name] = obj{"value": v.Metrics}
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown VPC attribute.", name)
	}
	return out, nil
}

// modifyVPCAttribute sets one attribute: EC2 refuses more than one a call.
func modifyVPCAttribute(c *call) (obj, error) {
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	set := 0
	for name, field := range map[string]*bool{"EnableDnsSupport": &v.DNS, "EnableDnsHostnames": &v.Hostnames,
		"EnableNetworkAddressUsageMetrics": &v.Metrics} {
		if c.In.has(name) {
			set++
			defer func() {
				if set == 1 {
					*field = c.In.obj(name).bool("Value")
				}
			}()
		}
	}
	if set > 1 {
		return nil, fail("InvalidParameterCombination", "Fields for multiple attribute types specified")
	}
	if set == 0 {
		return nil, fail("MissingParameter", "Either 'enableDnsSupport' or 'enableDnsHostnames' must be specified")
	}
	return done()
}

func associateVPCBlock(c *call) (obj, error) {
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	if c.In.str("CidrBlock") == "" {
		return nil, fail("UnsupportedOperation", "The sandbox associates IPv4 blocks only: cidrBlock must be given")
	}
	cidr, err := parseCIDR(c.In.str("CidrBlock"), "cidrBlock")
	if err != nil {
		return nil, err
	}
	if cidr.Bits() < 16 || cidr.Bits() > 28 {
		return nil, fail("InvalidVpc.Range", "The CIDR '%s' is invalid.", cidr)
	}
	if v.overlaps(cidr) {
		return nil, fail("InvalidVpc.Conflict", "The CIDR '%s' conflicts with another CIDR of the VPC", cidr)
	}
	if len(v.Blocks) >= 5 {
		return nil, fail("CidrLimitExceeded", "This network '%s' has met its maximum number of allowed CIDRs: 5", v.ID)
	}
	b := cidrBlock{ID: "vpc-cidr-assoc-0" + c.id(16), CIDR: cidr}
	v.Blocks = append(v.Blocks, b)
	return obj{"vpcId": v.ID, "cidrBlockAssociation": obj{"associationId": b.ID, "cidrBlock": cidr.String(),
		"cidrBlockState": obj{"state": "associating"}}}, nil
}

func disassociateVPCBlock(c *call) (obj, error) {
	id := c.In.str("AssociationId")
	for _, v := range c.ec2().VPCs {
		i := slices.IndexFunc(v.Blocks, func(b cidrBlock) bool { return b.ID == id })
		if i < 0 {
			continue
		}
		if i == 0 {
			return nil, fail("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
		}
		b := v.Blocks[i]
		for _, s := range c.ec2().Subnets {
			if s.VPC == v.ID && b.CIDR.Overlaps(s.CIDR) {
				return nil, fail("InvalidCidrBlock.InUse", "The vpc currently has a subnet within CIDR '%s'", b.CIDR)
			}
		}
		v.Blocks = slices.Delete(v.Blocks, i, i+1)
		return obj{"vpcId": v.ID, "cidrBlockAssociation": obj{"associationId": b.ID, "cidrBlock": b.CIDR.String(),
			"cidrBlockState": obj{"state": "disassociating"}}}, nil
	}
	return nil, fail("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", id)
}

// networkACL is a VPC's default network ACL: it allows everything. The sandbox
// has no others.
type networkACL struct {
	ID  string `json:"id"`
	VPC string `json:"vpc"`
}

func describeNetworkACLs(c *call) (obj, error) {
	st := c.ec2()
	subnets := func(a *networkACL) []string {
		var out []string
		for _, id := range sortedKeys(st.Subnets) {
			if st.Subnets[id].VPC == a.VPC {
				out = append(out, id)
			}
		}
		return out
	}
	return describe(c, listing[networkACL]{
		set: "networkAclSet", param: "NetworkAclId", prefix: "acl-", all: st.ACLs,
		show: func(a *networkACL) obj {
			associations := []obj{}
			for _, id := range subnets(a) {
				associations = append(associations, obj{"networkAclAssociationId": st.Subnets[id].ACLAssociation,
					"networkAclId": a.ID, "subnetId": id})
			}
			var entries []obj
			for _, egress := range []bool{true, false} {
				entries = append(entries,
					obj{"ruleNumber": 100, "protocol": "-1", "ruleAction": "allow", "egress": egress, "cidrBlock": "0.0.0.0/0"},
					obj{"ruleNumber": 32767, "protocol": "-1", "ruleAction": "deny", "egress": egress, "cidrBlock": "0.0.0.0/0"})
			}
			return obj{"networkAclId": a.ID, "vpcId": a.VPC, "ownerId": c.Account.ID, "default": true,
				"associationSet": associations, "entrySet": entries}
		},
		filters: map[string]func(*networkACL) []string{
			"network-acl-id":        func(a *networkACL) []string { return one(a.ID) },
			"vpc-id":                func(a *networkACL) []string { return one(a.VPC) },
			"owner-id":              func(*networkACL) []string { return one(c.Account.ID) },
			"default":               func(*networkACL) []string { return one("true") },
			"association.subnet-id": subnets,
		},
	})
}
