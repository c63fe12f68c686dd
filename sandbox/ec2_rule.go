package sandbox

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// groupRule is one rule of a security group: one source or destination.
type groupRule struct {
	ID          string `json:"id"`
	Group       string `json:"group"`
	Egress      bool   `json:"egress,omitempty"`
	Protocol    string `json:"protocol"` // tcp, udp, icmp, icmpv6, -1 or a number
	From        int    `json:"from"`
	To          int    `json:"to"`
	CIDR        string `json:"cidr,omitempty"`
	CIDR6       string `json:"cidr6,omitempty"`
	Source      string `json:"source,omitempty"` // another group
	SourceOwner string `json:"source_owner,omitempty"`
	SourceVPC   string `json:"source_vpc,omitempty"` // when it is a peer's
	Peering     string `json:"peering,omitempty"`
	Description string `json:"description,omitempty"`
}

func ec2RuleOperations() map[string]operation {
	group := touching("security-group", "GroupId")
	return map[string]operation{
		"AuthorizeSecurityGroupIngress":              {run: authorize(false), resources: group},
		"AuthorizeSecurityGroupEgress":               {run: authorize(true), resources: group},
		"RevokeSecurityGroupIngress":                 {run: revoke(false), resources: group},
		"RevokeSecurityGroupEgress":                  {run: revoke(true), resources: group},
		"UpdateSecurityGroupRuleDescriptionsIngress": {run: describeRulesAnew(false), resources: group},
		"UpdateSecurityGroupRuleDescriptionsEgress":  {run: describeRulesAnew(true), resources: group},
		"DescribeSecurityGroupRules":                 {run: describeRules},
	}
}

// addRule stores a rule under a new id.
func (c *call) addRule(r *groupRule) {
	r.ID = "sgr-0" + c.id(16)
	put(&c.ec2().Rules, r.ID, r)
}

// rulesOf are a group's rules of one direction, in order of their ids.
func (c *call) rulesOf(group string, egress bool) []*groupRule {
	var out []*groupRule
	for _, r := range c.ec2().Rules {
		if r.Group == group && r.Egress == egress {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *groupRule) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// rulesByGroup sorts out all rules once, for calls about many groups.
func (c *call) rulesByGroup() func(group string, egress bool) []*groupRule {
	type place struct {
		group  string
		egress bool
	}
	all := map[place][]*groupRule{}
	for _, id := range sortedKeys(c.ec2().Rules) {
		r := c.ec2().Rules[id]
		all[place{r.Group, r.Egress}] = append(all[place{r.Group, r.Egress}], r)
	}
	return func(group string, egress bool) []*groupRule { return all[place{group, egress}] }
}

// same says whether two rules allow the same, whatever they are called.
func (r *groupRule) same(o *groupRule) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && r.From == o.From && r.To == o.To &&
		r.CIDR == o.CIDR && r.CIDR6 == o.CIDR6 && r.Source == o.Source
}

// permissions folds rules into AWS's older form: an entry for each protocol and
// port range, with its sources.
func permissions(rules []*groupRule) []obj {
	out := []obj{}
	at := map[string]obj{}
	for _, r := range rules {
		key := fmt.Sprintf("%s/%d/%d", r.Protocol, r.From, r.To)
		p := at[key]
		if p == nil {
			p = obj{"ipProtocol": r.Protocol, "groups": []obj{}, "ipRanges": []obj{}, "ipv6Ranges": []obj{}, "prefixListIds": []obj{}}
			if r.Protocol != "-1" {
				p["fromPort"], p["toPort"] = r.From, r.To
			}
			at[key] = p
			out = append(out, p)
		}
		list, entry := "groups", obj{"groupId": r.Source, "userId": r.SourceOwner}
		switch {
		case r.CIDR != "":
			list, entry = "ipRanges", obj{"cidrIp": r.CIDR}
		case r.CIDR6 != "":
			list, entry = "ipv6Ranges", obj{"cidrIpv6": r.CIDR6}
		case r.Peering != "":
			entry["vpcId"], entry["vpcPeeringConnectionId"], entry["peeringStatus"] = r.SourceVPC, r.Peering, "active"
		}
		if r.Description != "" {
			entry["description"] = r.Description
		}
		p[list] = append(p[list].([]obj), entry)
	}
	return out
}

// show is a rule without its tags.
func (r *groupRule) show(c *call) obj {
	o := obj{"securityGroupRuleId": r.ID, "securityGroupRuleArn": c.ec2ARN("security-group-rule", r.ID), "groupId": r.Group,
		"groupOwnerId": c.Account.ID, "isEgress": r.Egress, "ipProtocol": r.Protocol, "fromPort": r.From, "toPort": r.To}
	switch {
	case r.CIDR != "":
		o["cidrIpv4"] = r.CIDR
	case r.CIDR6 != "":
		o["cidrIpv6"] = r.CIDR6
	default:
		g := obj{"groupId": r.Source, "userId": r.SourceOwner}
		if r.Peering != "" {
			g["vpcId"], g["vpcPeeringConnectionId"], g["peeringStatus"] = r.SourceVPC, r.Peering, "active"
		}
		o["referencedGroupInfo"] = g
	}
	if r.Description != "" {
		o["description"] = r.Description
	}
	return o
}

// asked reads the rules that a call names, in either of its two forms.
func (c *call) asked(g *securityGroup, egress bool) ([]*groupRule, error) {
	list := c.In.list("IpPermissions")
	if len(list) == 0 && c.In.str("IpProtocol") != "" {
		p := params{"IpProtocol": c.In.str("IpProtocol"), "FromPort": c.In.str("FromPort"), "ToPort": c.In.str("ToPort")}
		if cidr := c.In.str("CidrIp"); cidr != "" {
			p["IpRanges"] = []any{map[string]any{"CidrIp": cidr}}
		}
		list = []params{p}
	}
	if len(list) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter ipPermissions")
	}
	var out []*groupRule
	for _, p := range list {
		rules, err := c.readPermission(g, egress, p)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	return out, nil
}

// readPermission reads one entry: a rule for each of its sources.
func (c *call) readPermission(g *securityGroup, egress bool, p params) ([]*groupRule, error) {
	base := groupRule{Group: g.ID, Egress: egress}
	if err := base.readPorts(p); err != nil {
		return nil, err
	}
	var out []*groupRule
	add := func(r groupRule, description string) error {
		if !groupText.MatchString(description) && description != "" {
			return fail("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
		}
		r.Description = description
		out = append(out, &r)
		return nil
	}
	for _, v := range p.list("IpRanges") {
		r := base
		cidr, err := netip.ParsePrefix(v.str("CidrIp"))
		if err != nil || !cidr.Addr().Is4() {
			return nil, fail("InvalidParameterValue", "CIDR block %s is malformed", v.str("CidrIp"))
		}
		r.CIDR = cidr.Masked().String()
		if err := add(r, v.str("Description")); err != nil {
			return nil, err
		}
	}
	for _, v := range p.list("Ipv6Ranges") {
		r := base
		cidr, err := netip.ParsePrefix(v.str("CidrIpv6"))
		if err != nil || !cidr.Addr().Is6() {
			return nil, fail("InvalidParameterValue", "CIDR block %s is malformed", v.str("CidrIpv6"))
		}
		r.CIDR6 = cidr.Masked().String()
		if err := add(r, v.str("Description")); err != nil {
			return nil, err
		}
	}
	for _, v := range p.list("Groups") {
		r := base
		if err := c.readSource(g, &r, v); err != nil {
			return nil, err
		}
		if err := add(r, v.str("Description")); err != nil {
			return nil, err
		}
	}
	if len(p.list("PrefixListIds")) > 0 {
		return nil, fail("UnsupportedOperation", "The sandbox has no prefix lists")
	}
	if len(out) == 0 {
		return nil, fail("MissingParameter", "Invalid parameter: the rule names no source or destination")
	}
	return out, nil
}

// readPorts reads protocol and ports and checks them.
func (r *groupRule) readPorts(p params) error {
	numbers := map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
	r.Protocol = strings.ToLower(p.str("IpProtocol"))
	if name := numbers[r.Protocol]; name != "" {
		r.Protocol = name
	}
	r.From, r.To = p.int("FromPort", -1), p.int("ToPort", -1)
	switch r.Protocol {
	case "":
		return fail("MissingParameter", "The request must contain the parameter ipProtocol")
	case "-1":
		r.From, r.To = -1, -1
	case "tcp", "udp":
		if p.str("FromPort") == "" || p.str("ToPort") == "" {
			return fail("MissingParameter", "The request must contain the parameter fromPort and toPort for protocol %s", r.Protocol)
		}
		if r.From == -1 && r.To == -1 {
			r.From, r.To = 0, 65535
		}
		if r.From < 0 || r.To > 65535 || r.From > r.To {
			return fail("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", r.From, r.To)
		}
	case "icmp", "icmpv6":
	default:
		if n, err := strconv.Atoi(r.Protocol); err != nil || n < 0 || n > 255 {
			return fail("InvalidPermission.Malformed", "Unsupported IP protocol \"%s\"  - supported: [tcp, udp, icmp]", r.Protocol)
		}
		r.From, r.To = -1, -1
	}
	return nil
}

// readSource reads a reference to a group: of this VPC, or of one that an
// active peering connection joins with it.
func (c *call) readSource(g *securityGroup, r *groupRule, v params) error {
	r.Source, r.SourceOwner = v.str("GroupId"), v.or("UserId", c.Account.ID)
	if r.Source == "" {
		for _, o := range c.ec2().Groups {
			if o.VPC == g.VPC && o.Name == v.str("GroupName") {
				r.Source = o.ID
			}
		}
	}
	if o := c.ec2().Groups[r.Source]; o != nil && r.SourceOwner == c.Account.ID && o.VPC == g.VPC {
		return nil
	}
	if a := c.account(r.SourceOwner); a != nil && a.Regions[c.Region] != nil {
		if o := a.Regions[c.Region].EC2.Groups[r.Source]; o != nil {
			p := c.peersWith(side{c.Account.ID, c.Region, g.VPC}, side{r.SourceOwner, c.Region, o.VPC})
			if p != nil {
				r.SourceVPC, r.Peering = o.VPC, p.ID
				return nil
			}
		}
	}
	return noSuch("sg-", v.or("GroupId", "sg-"+v.str("GroupName")))
}

func authorize(egress bool) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		g, err := need(c, c.ec2().Groups, "GroupId", "sg-")
		if err != nil {
			return nil, err
		}
		rules, err := c.asked(g, egress)
		if err != nil {
			return nil, err
		}
		tags, err := c.specTags("security-group-rule")
		if err != nil {
			return nil, err
		}
		have := c.rulesOf(g.ID, egress)
		for i, r := range rules {
			if slices.ContainsFunc(append(have, rules[:i]...), r.same) {
				return nil, fail("InvalidPermission.Duplicate", "the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists",
					r.peer(), strings.ToUpper(r.Protocol), r.From, r.To)
			}
		}
		if len(have)+len(rules) > 60 {
			return nil, fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
		out := []obj{}
		for _, r := range rules {
			c.addRule(r)
			if err := c.setTags(r.ID, tags); err != nil {
				return nil, err
			}
			o := r.show(c)
			o["tagSet"] = c.tagSet(r.ID)
			out = append(out, o)
		}
		return obj{"return": true, "securityGroupRuleSet": out}, nil
	}
}

func (r *groupRule) peer() string { return r.CIDR + r.CIDR6 + r.Source }
