package sandbox

// revoke removes rules by their ids or by what they allow.
func revoke(egress bool) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		g, err := need(c, c.ec2().Groups, "GroupId", "sg-")
		if err != nil {
			return nil, err
		}
		found, err := c.named(g, egress)
		if err != nil {
			return nil, err
		}
		revoked := []obj{}
		for _, r := range found {
			delete(c.ec2().Rules, r.ID)
			delete(c.ec2().Tags, r.ID)
			o := r.show(c)
			if r.Source != "" {
				o["referencedGroupId"] = r.Source
			}
			for _, k := range []string{"securityGroupRuleArn", "groupOwnerId", "referencedGroupInfo"} {
				delete(o, k)
			}
			revoked = append(revoked, o)
		}
		return obj{"return": true, "revokedSecurityGroupRuleSet": revoked}, nil
	}
}

// named finds the rules of a group that a call names; all of them must exist.
func (c *call) named(g *securityGroup, egress bool) ([]*groupRule, error) {
	if ids := c.In.strs("SecurityGroupRuleId"); len(ids) > 0 {
		var out []*groupRule
		for _, id := range ids {
			r := c.ec2().Rules[id]
			if r == nil || r.Group != g.ID || r.Egress != egress {
				return nil, noSuch("sgr-", id)
			}
			out = append(out, r)
		}
		return out, nil
	}
	wanted, err := c.asked(g, egress)
	if err != nil {
		return nil, err
	}
	var out []*groupRule
	have := c.rulesOf(g.ID, egress)
	for _, w := range wanted {
		found := false
		for _, r := range have {
			if r.same(w) {
				out, found = append(out, r), true
			}
		}
		if !found {
			return nil, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	return out, nil
}

// describeRulesAnew changes the descriptions of rules, and nothing else of them.
func describeRulesAnew(egress bool) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		g, err := need(c, c.ec2().Groups, "GroupId", "sg-")
		if err != nil {
			return nil, err
		}
		for _, d := range c.In.list("SecurityGroupRuleDescription") {
			r := c.ec2().Rules[d.str("SecurityGroupRuleId")]
			if r == nil || r.Group != g.ID || r.Egress != egress {
				return nil, noSuch("sgr-", d.str("SecurityGroupRuleId"))
			}
			r.Description = d.str("Description")
		}
		if len(c.In.list("SecurityGroupRuleDescription")) > 0 {
			return done()
		}
		wanted, err := c.asked(g, egress)
		if err != nil {
			return nil, err
		}
		if _, err := c.named(g, egress); err != nil {
			return nil, err
		}
		for _, w := range wanted {
			for _, r := range c.rulesOf(g.ID, egress) {
				if r.same(w) {
					r.Description = w.Description
				}
			}
		}
		return done()
	}
}

func describeRules(c *call) (obj, error) {
	return describe(c, listing[groupRule]{
		set: "securityGroupRuleSet", param: "SecurityGroupRuleId", prefix: "sgr-", all: c.ec2().Rules,
		show: func(r *groupRule) obj { return r.show(c) },
		filters: map[string]func(*groupRule) []string{
			"group-id":               func(r *groupRule) []string { return one(r.Group) },
			"security-group-rule-id": func(r *groupRule) []string { return one(r.ID) },
		},
	})
}
