package sandbox

import "reflect"

// groupProvider makes security groups with their inline rules.
func groupProvider() provider {
	p := provider{
		properties: map[string]property{"GroupDescription": required | replaces, "GroupName": replaces, "VpcId": replaces,
			"SecurityGroupIngress": mutable, "SecurityGroupEgress": mutable, "Tags": mutable},
		attributes: []string{"GroupId", "Id", "VpcId"},
		name:       "GroupName",
		tags:       "Tags",
		remove:     deleteEC2("DeleteSecurityGroup", "GroupId"),
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass("GroupDescription", "GroupName", "VpcId")
		if !in.has("GroupName") {
			in["GroupName"] = rc.generatedName(255)
		}
		out, err := rc.do("ec2", "CreateSecurityGroup", rc.specify(in, "security-group"))
		if err != nil {
			return "", nil, err
		}
		id := text(out["groupId"])
		if err := rc.groupRules(id); err != nil {
			return id, nil, err
		}
		return id, rc.groupAttributes(id), nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.groupRules(rc.PhysicalID); err != nil {
			return nil, err
		}
		attrs := rc.groupAttributes(rc.PhysicalID)
		return attrs, rc.retag(rc.PhysicalID, attrs)
	}
	return p
}

func (rc *resourceCall) groupAttributes(id string) map[string]any {
	attrs := map[string]any{"GroupId": id, "Id": id, "VpcId": rc.Props.str("VpcId")}
	rc.noteTags(attrs)
	return attrs
}

// groupRules brings a group's inline rules from what they were to what they
// are. A group with egress rules of its own loses the one that lets all out.
func (rc *resourceCall) groupRules(id string) error {
	open := map[string]any{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
	for _, egress := range []bool{false, true} {
		prop, title := "SecurityGroupIngress", "Ingress"
		if egress {
			prop, title = "SecurityGroupEgress", "Egress"
		}
		was, wanted := rc.OldProps.list(prop), rc.Props.list(prop)
		if egress && len(was) == 0 {
			was = []params{open}
		}
		if egress && len(wanted) == 0 {
			wanted = []params{open}
		}
		if gone := without(was, wanted); len(gone) > 0 {
			in := params{"GroupId": id, "IpPermissions": permissionInputs(gone, egress)}
			if _, err := rc.do("ec2", "RevokeSecurityGroup"+title, in); tolerate(err, "NotFound") != nil {
				return err
			}
		}
		if added := without(wanted, was); len(added) > 0 {
			in := params{"GroupId": id, "IpPermissions": permissionInputs(added, egress)}
			if _, err := rc.do("ec2", "AuthorizeSecurityGroup"+title, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// without are the rules of a that b doesn't have.
func without(a, b []params) []params {
	var out []params
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || reflect.DeepEqual(x, y)
		}
		if !found {
			out = append(out, x)
		}
	}
	return out
}

// permissionInputs are rules of CloudFormation's form as EC2 takes them.
func permissionInputs(rules []params, egress bool) []any {
	other, list := "Source", "SourcePrefixListId"
	if egress {
		other, list = "Destination", "DestinationPrefixListId"
	}
	var out []any
	for _, r := range rules {
		p := map[string]any{"IpProtocol": r.str("IpProtocol"), "FromPort": r.str("FromPort"), "ToPort": r.str("ToPort")}
		describe := func(m map[string]any) []any {
			if d := r.str("Description"); d != "" {
				m["Description"] = d
			}
			return []any{m}
		}
		switch {
		case r.has("CidrIp"):
			p["IpRanges"] = describe(map[string]any{"CidrIp": r.str("CidrIp")})
		case r.has("CidrIpv6"):
			p["Ipv6Ranges"] = describe(map[string]any{"CidrIpv6": r.str("CidrIpv6")})
		case r.has(list):
			p["PrefixListIds"] = describe(map[string]any{"PrefixListId": r.str(list)})
		default:
			g := map[string]any{"GroupId": r.str(other + "SecurityGroupId"), "GroupName": r.str(other + "SecurityGroupName")}
			if owner := r.str(other + "SecurityGroupOwnerId"); owner != "" {
				g["UserId"] = owner
			}
			p["Groups"] = describe(g)
		}
		out = append(out, p)
	}
	return out
}

// groupRuleProvider makes single rules; their ids are those of the rules.
func groupRuleProvider(egress bool) provider {
	title, other := "Ingress", "Source"
	if egress {
		title, other = "Egress", "Destination"
	}
	properties := map[string]property{"GroupId": replaces, "IpProtocol": required | replaces, "CidrIp": replaces, "CidrIpv6": replaces,
		"Description": mutable, "FromPort": replaces, "ToPort": replaces,
		other + "PrefixListId": replaces, other + "SecurityGroupId": replaces}
	if egress {
		properties["GroupId"] = required | replaces
	} else {
		properties["GroupName"], properties["SourceSecurityGroupName"], properties["SourceSecurityGroupOwnerId"] = replaces, replaces, replaces
	}
	return provider{
		properties: properties,
		attributes: []string{"Id"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			out, err := rc.do("ec2", "AuthorizeSecurityGroup"+title,
				params{"GroupId": rc.Props.str("GroupId"), "IpPermissions": permissionInputs([]params{rc.Props}, egress)})
			if err != nil {
				return "", nil, err
			}
			id := text(out["securityGroupRuleSet"].([]obj)[0]["securityGroupRuleId"])
			return id, map[string]any{"Id": id}, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) {
			_, err := rc.do("ec2", "UpdateSecurityGroupRuleDescriptions"+title, params{"GroupId": rc.Props.str("GroupId"),
				"SecurityGroupRuleDescription": []any{map[string]any{"SecurityGroupRuleId": rc.PhysicalID, "Description": rc.Props.str("Description")}}})
			return map[string]any{"Id": rc.PhysicalID}, err
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.do("ec2", "RevokeSecurityGroup"+title,
				params{"GroupId": rc.Props.str("GroupId"), "SecurityGroupRuleId": []any{rc.PhysicalID}})
			return tolerate(err, "NotFound")
		},
	}
}
