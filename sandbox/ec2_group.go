package sandbox

import (
	"strings"

	"axle/internal/late"
)

// securityGroup is a VPC's security group; its rules are kept beside it, by id.
type securityGroup struct {
	ID          string `json:"id"`
	VPC         string `json:"vpc"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

var groupText = naming{late.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`), 1, 255}

func ec2GroupOperations() map[string]operation {
	return map[string]operation{
		"CreateSecurityGroup":    {run: createGroup, resources: touching("security-group", "", "vpc", "VpcId")},
		"DeleteSecurityGroup":    {run: deleteGroup, resources: touching("security-group", "GroupId")},
		"DescribeSecurityGroups": {run: describeGroups},
	}
}

// newGroup makes a group with the rule that every group begins with: all may leave.
func (c *call) newGroup(vpc, name, description string) *securityGroup {
	g := &securityGroup{ID: "sg-0" + c.id(16), VPC: vpc, Name: name, Description: description}
	put(&c.ec2().Groups, g.ID, g)
	c.born(g.ID)
	c.addRule(&groupRule{Group: g.ID, Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"})
	return g
}

func createGroup(c *call) (obj, error) {
	name, description := c.In.str("GroupName"), c.In.str("GroupDescription")
	switch {
	case name == "":
		return nil, fail("MissingParameter", "The request must contain the parameter GroupName")
	case description == "":
		return nil, fail("MissingParameter", "The request must contain the parameter GroupDescription")
	case c.In.str("VpcId") == "":
		return nil, fail("VPCIdNotSpecified", "No default VPC for this user")
	}
	v, err := need(c, c.ec2().VPCs, "VpcId", "vpc-")
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(name, "sg-"):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	case name == "default":
		return nil, fail("InvalidParameterValue", "Cannot use reserved security group name: default")
	case !groupText.MatchString(name):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", name)
	case !groupText.MatchString(description):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", description)
	}
	for _, g := range c.ec2().Groups {
		if g.VPC == v.ID && g.Name == name {
			return nil, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.ID)
		}
	}
	tags, err := c.specTags("security-group")
	if err != nil {
		return nil, err
	}
	g := c.newGroup(v.ID, name, description)
	if err := c.setTags(g.ID, tags); err != nil {
		return nil, err
	}
	return obj{"groupId": g.ID, "securityGroupArn": c.ec2ARN("security-group", g.ID), "tagSet": c.tagSet(g.ID)}, nil
}

// deleteGroup removes a group that no other group's rule refers to.
func deleteGroup(c *call) (obj, error) {
	st := c.ec2()
	if c.In.str("GroupId") == "" && c.In.str("GroupName") != "" {
		return nil, fail("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC 'none'", c.In.str("GroupName"))
	}
	g, err := need(c, st.Groups, "GroupId", "sg-")
	if err != nil {
		return nil, err
	}
	if g.Name == "default" {
		return nil, fail("CannotDelete", "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", g.ID, g.Name)
	}
	for _, r := range st.Rules {
		if r.Source == g.ID && r.Group != g.ID {
			return nil, fail("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
	}
	for id, r := range st.Rules {
		if r.Group == g.ID {
			delete(st.Rules, id)
			delete(st.Tags, id)
		}
	}
	delete(st.Groups, g.ID)
	delete(st.Tags, g.ID)
	return obj{"return": true, "groupId": g.ID}, nil
}

func describeGroups(c *call) (obj, error) {
	names := c.In.strs("GroupName")
	named := anyOf(names)
	of := c.rulesByGroup()
	rules := func(egress bool, read func(*groupRule) string) func(*securityGroup) []string {
		return func(g *securityGroup) []string {
			var out []string
			for _, r := range of(g.ID, egress) {
				if v := read(r); v != "" {
					out = append(out, v)
				}
			}
			return out
		}
	}
	filters := map[string]func(*securityGroup) []string{
		"group-id":    func(g *securityGroup) []string { return one(g.ID) },
		"group-name":  func(g *securityGroup) []string { return one(g.Name) },
		"description": func(g *securityGroup) []string { return one(g.Description) },
		"owner-id":    func(*securityGroup) []string { return one(c.Account.ID) },
		"vpc-id":      func(g *securityGroup) []string { return one(g.VPC) },
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		for field, read := range map[string]func(*groupRule) string{
			"cidr": func(r *groupRule) string { return r.CIDR }, "ipv6-cidr": func(r *groupRule) string { return r.CIDR6 },
			"from-port": func(r *groupRule) string { return text(r.From) }, "to-port": func(r *groupRule) string { return text(r.To) },
			"protocol": func(r *groupRule) string { return r.Protocol }, "group-id": func(r *groupRule) string { return r.Source },
			"user-id": func(r *groupRule) string { return r.SourceOwner },
		} {
			filters[prefix+field] = rules(egress, read)
		}
	}
	return describe(c, listing[securityGroup]{
		set: "securityGroupInfo", param: "GroupId", prefix: "sg-", all: c.ec2().Groups, filters: filters,
		hidden: func(g *securityGroup) bool { return len(names) > 0 && !named(g.Name) },
		show: func(g *securityGroup) obj {
			return obj{"groupId": g.ID, "groupName": g.Name, "groupDescription": g.Description, "vpcId": g.VPC,
				"ownerId": c.Account.ID, "securityGroupArn": c.ec2ARN("security-group", g.ID),
				"ipPermissions": permissions(of(g.ID, false)), "ipPermissionsEgress": permissions(of(g.ID, true))}
		},
	})
}
