package sandbox

import "net/netip"

// subnet is a range of a VPC in one availability zone.
type subnet struct {
	ID             string       `json:"id"`
	VPC            string       `json:"vpc"`
	CIDR           netip.Prefix `json:"cidr"`
	Zone           string       `json:"zone"`
	PublicIP       bool         `json:"public_ip,omitempty"` // MapPublicIpOnLaunch
	Hostname       string       `json:"hostname,omitempty"`
	ARecord        bool         `json:"a_record,omitempty"`
	AAAARecord     bool         `json:"aaaa_record,omitempty"`
	DNS64          bool         `json:"dns64,omitempty"`
	ACLAssociation string       `json:"acl_association"`
}

func ec2SubnetOperations() map[string]operation {
	return map[string]operation{
		"CreateSubnet":          {run: createSubnet, resources: touching("subnet", "", "vpc", "VpcId")},
		"DeleteSubnet":          {run: deleteSubnet, resources: touching("subnet", "SubnetId")},
		"DescribeSubnets":       {run: describeSubnets},
		"ModifySubnetAttribute": {run: modifySubnetAttribute, resources: touching("subnet", "SubnetId")},
	}
}

func createSubnet(c *call) (obj, error) {
	st := c.ec2()
	v, err := need(c, st.VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	for _, param := range []string{"Ipv6CidrBlock", "Ipv6Native", "OutpostArn", "Ipv4IpamPoolId", "Ipv6IpamPoolId"} {
		if p := c.In.str(param); p != "" && p != "false" {
			return nil, fail("UnsupportedOperation", "The sandbox has no IPAM, IPv6 or Outposts: %s can't be given", param)
		}
	}
	if c.In.str("CidrBlock") == "" {
		return nil, fail("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	cidr, err := parseCIDR(c.In.str("CidrBlock"), "cidrBlock")
	if err != nil {
		return nil, err
	}
	if cidr.Bits() < 16 || cidr.Bits() > 28 || !v.holds(cidr) {
		return nil, fail("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	for _, s := range st.Subnets {
		if s.VPC == v.ID && s.CIDR.Overlaps(cidr) {
			return nil, fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", cidr)
		}
	}
	zone, err := c.chooseZone(c.In.str("AvailabilityZone"), c.In.str("AvailabilityZoneId"))
	if err != nil {
		return nil, err
	}
	tags, err := c.specTags("subnet")
	if err != nil {
		return nil, err
	}
	s := &subnet{ID: "subnet-0" + c.id(16), VPC: v.ID, CIDR: cidr, Zone: zone, Hostname: "ip-name",
		ACLAssociation: "aclassoc-0" + c.id(16)}
	put(&st.Subnets, s.ID, s)
	c.born(s.ID)
	if err := c.setTags(s.ID, tags); err != nil {
		return nil, err
	}
	out := c.showSubnet(s)
	out["tagSet"] = c.tagSet(s.ID)
	return obj{"subnet": out}, nil
}

// free is how many addresses a subnet has: AWS keeps five, a NAT gateway takes one.
func (c *call) free(s *subnet) int {
	n := 1<<(32-s.CIDR.Bits()) - 5
	for _, g := range c.ec2().NATs {
		if g.Subnet == s.ID && !g.gone(c) {
			n--
		}
	}
	return n
}

// showSubnet is a subnet without its tags.
func (c *call) showSubnet(s *subnet) obj {
	return obj{"subnetId": s.ID, "subnetArn": c.ec2ARN("subnet", s.ID), "state": "available", "ownerId": c.Account.ID,
		"vpcId": s.VPC, "cidrBlock": s.CIDR.String(), "availableIpAddressCount": c.free(s),
		"availabilityZone": s.Zone, "availabilityZoneId": zoneID(s.Zone), "defaultForAz": false,
		"mapPublicIpOnLaunch": s.PublicIP, "mapCustomerOwnedIpOnLaunch": false, "assignIpv6AddressOnCreation": false,
		"ipv6CidrBlockAssociationSet": []obj{}, "enableDns64": s.DNS64, "ipv6Native": false,
		"privateDnsNameOptionsOnLaunch": obj{"hostnameType": s.Hostname, "enableResourceNameDnsARecord": s.ARecord,
			"enableResourceNameDnsAAAARecord": s.AAAARecord},
		"blockPublicAccessStates": obj{"internetGatewayBlockMode": "off"}}
}

func describeSubnets(c *call) (obj, error) {
	cidr := func(s *subnet) []string { return one(s.CIDR.String()) }
	zone := func(s *subnet) []string { return one(s.Zone) }
	return describe(c, listing[subnet]{
		set: "subnetSet", param: "SubnetId", prefix: "subnet-", all: c.ec2().Subnets, show: c.showSubnet,
		filters: map[string]func(*subnet) []string{
			"subnet-id":               func(s *subnet) []string { return one(s.ID) },
			"subnet-arn":              func(s *subnet) []string { return one(c.ec2ARN("subnet", s.ID)) },
			"vpc-id":                  func(s *subnet) []string { return one(s.VPC) },
			"cidr":                    cidr,
			"cidr-block":              cidr,
			"cidrBlock":               cidr,
			"availability-zone":       zone,
			"availabilityZone":        zone,
			"availability-zone-id":    func(s *subnet) []string { return one(zoneID(s.Zone)) },
			"availabilityZoneId":      func(s *subnet) []string { return one(zoneID(s.Zone)) },
			"owner-id":                func(*subnet) []string { return one(c.Account.ID) },
			"state":                   func(*subnet) []string { return one("available") },
			"default-for-az":          func(*subnet) []string { return one("false") },
			"defaultForAz":            func(*subnet) []string { return one("false") },
			"map-public-ip-on-launch": func(s *subnet) []string { return one(text(s.PublicIP)) },
		},
	})
}

func deleteSubnet(c *call) (obj, error) {
	st := c.ec2()
	s, err := need(c, st.Subnets, "SubnetId", "subnet-")
	if err != nil {
		return nil, err
	}
	for _, g := range st.NATs {
		if g.Subnet == s.ID && !g.gone(c) {
			return nil, fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", s.ID)
		}
	}
	for _, t := range st.RouteTables {
		t.drop(func(a tableAssociation) bool { return a.Subnet == s.ID })
	}
	delete(st.Subnets, s.ID)
	delete(st.Tags, s.ID)
	return done()
}

func modifySubnetAttribute(c *call) (obj, error) {
	s, err := need(c, c.ec2().Subnets, "SubnetId", "subnet-")
	if err != nil {
		return nil, err
	}
	for name, field := range map[string]*bool{"MapPublicIpOnLaunch": &s.PublicIP, "EnableDns64": &s.DNS64,
		"EnableResourceNameDnsARecordOnLaunch": &s.ARecord, "EnableResourceNameDnsAAAARecordOnLaunch": &s.AAAARecord} {
		if c.In.has(name) {
			*field = c.In.obj(name).bool("Value")
		}
	}
	switch h := c.In.str("PrivateDnsHostnameTypeOnLaunch"); h {
	case "":
	case "ip-name", "resource-name":
		s.Hostname = h
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter hostnameType is invalid.", h)
	}
	for _, name := range []string{"AssignIpv6AddressOnCreation", "MapCustomerOwnedIpOnLaunch"} {
		if c.In.obj(name).bool("Value") {
			return nil, fail("InvalidParameterValue", "Invalid value 'true' for %s: the subnet '%s' has no such addresses", lowerFirst(name), s.ID)
		}
	}
	return done()
}
