package sandbox

import (
	"errors"
	"slices"
	"strings"
)

// ec2Providers are EC2's resource types. Properties that the sandbox's EC2
// doesn't know (IPv6, IPAM) are passed on, so that EC2's own refusal fails them.
func ec2Providers() map[string]provider {
	return map[string]provider{
		"AWS::EC2::VPC":                         vpcProvider(),
		"AWS::EC2::Subnet":                      subnetProvider(),
		"AWS::EC2::InternetGateway":             internetGatewayProvider(),
		"AWS::EC2::VPCGatewayAttachment":        gatewayAttachmentProvider(),
		"AWS::EC2::EIP":                         addressProvider(),
		"AWS::EC2::NatGateway":                  natProvider(),
		"AWS::EC2::VPCPeeringConnection":        peeringProvider(),
		"AWS::EC2::RouteTable":                  routeTableProvider(),
		"AWS::EC2::Route":                       routeProvider(),
		"AWS::EC2::SubnetRouteTableAssociation": tableAssociationProvider(),
		"AWS::EC2::SecurityGroup":               groupProvider(),
		"AWS::EC2::SecurityGroupIngress":        groupRuleProvider(false),
		"AWS::EC2::SecurityGroupEgress":         groupRuleProvider(true),
	}
}

// pass copies properties that are given to an input of the same names.
func (rc *resourceCall) pass(names ...string) params {
	in := params{}
	for _, n := range names {
		if v, ok := rc.Props[n]; ok {
			in[n] = v
		}
	}
	return in
}

// specify adds the resource's tags to an EC2 input, as a TagSpecification.
func (rc *resourceCall) specify(in params, kind string) params {
	in["TagSpecification"] = []any{map[string]any{"ResourceType": kind, "Tag": rc.tagList(rc.Props["Tags"])}}
	return in
}

// tagged is the attribute under which a provider keeps the keys of the tags
// that it set, so that an update takes away those that are no longer wanted and
// leaves those that somebody else added. Fn::GetAtt can't read it.
const taggedAttribute = "aws:tagged"

// retag brings an EC2 resource's tags to what template and stack say now, and
// notes them among the attributes.
func (rc *resourceCall) retag(id string, attrs map[string]any) error {
	wanted := rc.tags(rc.Props["Tags"])
	var stale []any
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, map[string]any{"Key": k})
		}
	}
	if len(stale) > 0 {
		if _, err := rc.do("ec2", "DeleteTags", params{"ResourceId": []any{id}, "Tag": stale}); err != nil {
			return err
		}
	}
	if len(wanted) > 0 {
		if _, err := rc.do("ec2", "CreateTags", params{"ResourceId": []any{id}, "Tag": rc.tagList(rc.Props["Tags"])}); err != nil {
			return err
		}
	}
	rc.noteTags(attrs)
	return nil
}

// noteTags remembers which tags the resource was given.
func (rc *resourceCall) noteTags(attrs map[string]any) {
	keys := []any{}
	for _, k := range sortedKeys(rc.tags(rc.Props["Tags"])) {
		keys = append(keys, k)
	}
	attrs[taggedAttribute] = keys
}

// listOf reads a list of strings from an attribute, which may have been stored
// and loaded again.
func listOf(v any) []string {
	switch l := v.(type) {
	case []string:
		return l
	case []any:
		out := make([]string, 0, len(l))
		for _, e := range l {
			out = append(out, text(e))
		}
		return out
	}
	return nil
}

// anyList is a list as attributes hold it.
func anyList[T any](items []T) []any {
	out := make([]any, 0, len(items))
	for _, e := range items {
		out = append(out, e)
	}
	return out
}

// tolerate drops an error whose code has one of the endings: the resource was
// gone already.
func tolerate(err error, endings ...string) error {
	var api *apiError
	if errors.As(err, &api) && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(api.Code, e) }) {
		return nil
	}
	return err
}

// deleteEC2 makes the remove of a resource that one operation deletes by id.
func deleteEC2(op, param string) func(*resourceCall) error {
	return func(rc *resourceCall) error {
		_, err := rc.do("ec2", op, params{param: rc.PhysicalID})
		return tolerate(err, "NotFound")
	}
}

func vpcProvider() provider {
	p := provider{
		properties: map[string]property{"CidrBlock": replaces, "EnableDnsHostnames": mutable, "EnableDnsSupport": mutable,
			"InstanceTenancy": mayReplace, "Ipv4IpamPoolId": replaces, "Ipv4NetmaskLength": replaces, "Tags": mutable},
		attributes: []string{"CidrBlock", "CidrBlockAssociations", "DefaultNetworkAcl", "DefaultSecurityGroup", "Ipv6CidrBlocks", "VpcId"},
		tags:       "Tags",
		remove:     deleteEC2("DeleteVpc", "VpcId"),
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		out, err := rc.do("ec2", "CreateVpc", rc.specify(rc.pass("CidrBlock", "InstanceTenancy", "Ipv4IpamPoolId", "Ipv4NetmaskLength"), "vpc"))
		if err != nil {
			return "", nil, err
		}
		id := text(out["vpc"].(obj)["vpcId"])
		attrs, err := rc.vpcAttributes(id)
		return id, attrs, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if rc.Props.or("InstanceTenancy", "default") != rc.OldProps.or("InstanceTenancy", "default") {
			return nil, errReplace
		}
		attrs, err := rc.vpcAttributes(rc.PhysicalID)
		if err != nil {
			return nil, err
		}
		return attrs, rc.retag(rc.PhysicalID, attrs)
	}
	return p
}

// vpcAttributes sets the VPC's DNS attributes and reads what GetAtt gives.
func (rc *resourceCall) vpcAttributes(id string) (map[string]any, error) {
	for name, def := range map[string]string{"EnableDnsSupport": "true", "EnableDnsHostnames": "false"} {
		want := rc.Props.or(name, def)
		if rc.OldProps == nil && want == def || rc.OldProps != nil && rc.OldProps.or(name, def) == want {
			continue
		}
		in := params{"VpcId": id, name: map[string]any{"Value": want}}
		if _, err := rc.do("ec2", "ModifyVpcAttribute", in); err != nil {
			return nil, err
		}
	}
	v := rc.ec2().VPCs[id]
	if v == nil {
		return nil, &resourceError{Service: "ec2", Err: noSuch("vpc-", id)}
	}
	var blocks []any
	for _, b := range v.Blocks {
		blocks = append(blocks, b.ID)
	}
	attrs := map[string]any{"CidrBlock": v.Blocks[0].CIDR.String(), "CidrBlockAssociations": blocks, "DefaultNetworkAcl": v.ACL,
		"DefaultSecurityGroup": v.Group, "Ipv6CidrBlocks": []any{}, "VpcId": v.ID}
	rc.noteTags(attrs)
	return attrs, nil
}

func subnetProvider() provider {
	p := provider{
		properties: map[string]property{"VpcId": required | replaces, "CidrBlock": replaces, "AvailabilityZone": replaces,
			"AvailabilityZoneId": replaces, "MapPublicIpOnLaunch": mutable, "AssignIpv6AddressOnCreation": mutable,
			"EnableDns64": mutable, "EnableLniAtDeviceIndex": mutable, "Ipv4IpamPoolId": replaces, "Ipv4NetmaskLength": replaces,
			"Ipv6CidrBlock": mutable, "Ipv6IpamPoolId": replaces, "Ipv6Native": replaces, "Ipv6NetmaskLength": replaces,
			"OutpostArn": replaces, "PrivateDnsNameOptionsOnLaunch": mutable, "Tags": mutable},
		attributes: []string{"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "Ipv6CidrBlocks", "NetworkAclAssociationId",
			"OutpostArn", "SubnetId", "VpcId"},
		tags:   "Tags",
		remove: deleteEC2("DeleteSubnet", "SubnetId"),
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "Ipv4IpamPoolId", "Ipv4NetmaskLength",
			"Ipv6CidrBlock", "Ipv6IpamPoolId", "Ipv6Native", "Ipv6NetmaskLength", "OutpostArn")
		out, err := rc.do("ec2", "CreateSubnet", rc.specify(in, "subnet"))
		if err != nil {
			return "", nil, err
		}
		id := text(out["subnet"].(obj)["subnetId"])
		attrs, err := rc.subnetAttributes(id)
		return id, attrs, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		attrs, err := rc.subnetAttributes(rc.PhysicalID)
		if err != nil {
			return nil, err
		}
		return attrs, rc.retag(rc.PhysicalID, attrs)
	}
	return p
}

// subnetAttributes sets what ModifySubnetAttribute sets and reads what GetAtt gives.
func (rc *resourceCall) subnetAttributes(id string) (map[string]any, error) {
	in := params{"SubnetId": id}
	for _, name := range []string{"MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation", "EnableDns64"} {
		if want := rc.Props.or(name, "false"); want != rc.OldProps.or(name, "false") {
			in[name] = map[string]any{"Value": want}
		}
	}
	dns := rc.Props.obj("PrivateDnsNameOptionsOnLaunch")
	for name, wire := range map[string]string{"EnableResourceNameDnsARecord": "EnableResourceNameDnsARecordOnLaunch",
		"EnableResourceNameDnsAAAARecord": "EnableResourceNameDnsAAAARecordOnLaunch"} {
		if dns.has(name) {
			in[wire] = map[string]any{"Value": dns[name]}
		}
	}
	if dns.has("HostnameType") {
		in["PrivateDnsHostnameTypeOnLaunch"] = dns["HostnameType"]
	}
	if len(in) > 1 {
		if _, err := rc.do("ec2", "ModifySubnetAttribute", in); err != nil {
			return nil, err
		}
	}
	s := rc.ec2().Subnets[id]
	if s == nil {
		return nil, &resourceError{Service: "ec2", Err: noSuch("subnet-", id)}
	}
	attrs := map[string]any{"AvailabilityZone": s.Zone, "AvailabilityZoneId": zoneID(s.Zone), "CidrBlock": s.CIDR.String(),
		"Ipv6CidrBlocks": []any{}, "NetworkAclAssociationId": s.ACLAssociation, "OutpostArn": "", "SubnetId": s.ID, "VpcId": s.VPC}
	rc.noteTags(attrs)
	return attrs, nil
}

// simpleProvider is a tagged EC2 resource whose only attribute is its id.
func simpleProvider(create, output, idField, idAttribute, kind string, passed ...string) provider {
	p := provider{attributes: []string{idAttribute}, tags: "Tags"}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		out, err := rc.do("ec2", create, rc.specify(rc.pass(passed...), kind))
		if err != nil {
			return "", nil, err
		}
		id := text(out[output].(obj)[idField])
		attrs := map[string]any{idAttribute: id}
		rc.noteTags(attrs)
		return id, attrs, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		attrs := map[string]any{idAttribute: rc.PhysicalID}
		return attrs, rc.retag(rc.PhysicalID, attrs)
	}
	return p
}

func internetGatewayProvider() provider {
	p := simpleProvider("CreateInternetGateway", "internetGateway", "internetGatewayId", "InternetGatewayId", "internet-gateway")
	p.properties = map[string]property{"Tags": mutable}
	p.remove = deleteEC2("DeleteInternetGateway", "InternetGatewayId")
	return p
}

func routeTableProvider() provider {
	p := simpleProvider("CreateRouteTable", "routeTable", "routeTableId", "RouteTableId", "route-table", "VpcId")
	p.properties = map[string]property{"VpcId": required | replaces, "Tags": mutable}
	p.remove = deleteEC2("DeleteRouteTable", "RouteTableId")
	return p
}
