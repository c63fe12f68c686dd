package sandbox

import (
	"slices"
	"strings"
)

func orgReadOps() map[string]operation {
	return map[string]operation{
		"DescribeOrganization":             {run: describeOrganization},
		"ListRoots":                        {run: listRoots},
		"ListAccounts":                     {run: listAccounts},
		"ListAccountsForParent":            {run: listAccountsForParent, resources: onOrg("ParentId")},
		"ListOrganizationalUnitsForParent": {run: listUnitsForParent, resources: onOrg("ParentId")},
		"ListChildren":                     {run: listChildren, resources: onOrg("ParentId")},
		"ListParents":                      {run: listParents, resources: onOrg("ChildId")},
		"DescribeAccount":                  {run: describeAccount, resources: onOrg("AccountId")},
		"DescribeOrganizationalUnit":       {run: describeUnit, resources: onOrg("OrganizationalUnitId")},
		"ListTagsForResource":              {run: listOrgTags, resources: onOrg("ResourceId")},
		"TagResource":                      {run: tagOrg, access: tagOrgAccess},
		"UntagResource":                    {run: untagOrg, resources: onOrg("ResourceId")},
	}
}

// onOrg is the ARN of what the call names in a field.
func onOrg(field string) func(*call) []string {
	return func(c *call) []string { return []string{c.st.Org.arnOf(c.In.str(field))} }
}

// arnOf is the ARN of an account, OU, root or policy; "*" if it is none.
func (o *orgState) arnOf(id string) string {
	switch {
	case id == o.Root:
		return o.arn("root", id)
	case strings.HasPrefix(id, "ou-"):
		return o.arn("ou", id)
	case accountIDs.MatchString(id):
		return o.arn("account", id)
	case o.Policies[id] != nil:
		return o.policyARN(o.Policies[id])
	}
	return "*"
}

func describeOrganization(c *call) (obj, error) {
	o := &c.st.Org
	return obj{"Organization": obj{
		"Id": o.ID, "Arn": o.arn("organization", ""), "FeatureSet": "ALL",
		"MasterAccountArn": o.arn("account", o.Management), "MasterAccountId": o.Management,
		"MasterAccountEmail":   o.Members[o.Management].Email,
		"AvailablePolicyTypes": []obj{{"Type": scpType, "Status": "ENABLED"}},
	}}, nil
}

func listRoots(c *call) (obj, error) {
	o := &c.st.Org
	types := []obj{}
	for _, t := range sortedKeys(o.Types) {
		types = append(types, obj{"Type": t, "Status": "ENABLED"})
	}
	return obj{"Roots": []obj{{"Id": o.Root, "Arn": o.arn("root", o.Root), "Name": "Root", "PolicyTypes": types}}}, nil
}

func (c *call) showAccount(id string) obj {
	o := &c.st.Org
	m := o.Members[id]
	return obj{
		"Id": m.ID, "Arn": o.arn("account", m.ID), "Email": m.Email, "Name": m.Name,
		"State": m.State, "Status": m.status(), "JoinedMethod": m.Method, "JoinedTimestamp": m.Joined,
		"Paths": []string{c.orgPath(m.Parent) + m.ID + "/"},
	}
}

func (c *call) showUnit(id string) obj {
	u := c.st.Org.Units[id]
	return obj{"Id": u.ID, "Arn": c.st.Org.arn("ou", u.ID), "Name": u.Name, "Path": c.orgPath(u.ID)}
}

func listAccounts(c *call) (obj, error) {
	return orgPage(c, "Accounts", c.tree().all, same, c.showAccount)
}

// parent checks that the call's parent is an OU or the root.
func (c *call) parent() (string, error) {
	if err := c.need("ParentId"); err != nil {
		return "", err
	}
	id := c.In.str("ParentId")
	if !strings.HasPrefix(id, "ou-") && !strings.HasPrefix(id, "r-") {
		return "", orgInvalid("INVALID_PATTERN", "You provided a value that does not match the required pattern.")
	}
	if c.st.Org.Units[id] == nil {
		return "", fail("ParentNotFoundException", "You specified parent that doesn't exist.")
	}
	return id, nil
}

func listAccountsForParent(c *call) (obj, error) {
	parent, err := c.parent()
	if err != nil {
		return nil, err
	}
	return orgPage(c, "Accounts", c.tree().accounts[parent], same, c.showAccount)
}

func listUnitsForParent(c *call) (obj, error) {
	parent, err := c.parent()
	if err != nil {
		return nil, err
	}
	return orgPage(c, "OrganizationalUnits", c.tree().units[parent], same, c.showUnit)
}

func listChildren(c *call) (obj, error) {
	parent, err := c.parent()
	if err != nil {
		return nil, err
	}
	kind := c.In.str("ChildType")
	var ids []string
	switch kind {
	case "ACCOUNT":
		ids = c.tree().accounts[parent]
	case "ORGANIZATIONAL_UNIT":
		ids = c.tree().units[parent]
	default:
		return nil, orgInvalid("INVALID_ENUM", "You specified an invalid value.")
	}
	return orgPage(c, "Children", ids, same, func(id string) obj { return obj{"Id": id, "Type": kind} })
}

func listParents(c *call) (obj, error) {
	if err := c.need("ChildId"); err != nil {
		return nil, err
	}
	id, parent := c.In.str("ChildId"), ""
	if m := c.st.Org.Members[id]; m != nil {
		parent = m.Parent
	} else if u := c.st.Org.Units[id]; u != nil {
		parent = u.Parent
	}
	if parent == "" {
		return nil, fail("ChildNotFoundException", "You specified a child that doesn't exist.")
	}
	kind := "ORGANIZATIONAL_UNIT"
	if parent == c.st.Org.Root {
		kind = "ROOT"
	}
	return obj{"Parents": []obj{{"Id": parent, "Type": kind}}}, nil
}

// member finds the account that the call names.
func (c *call) member() (*member, error) {
	if err := c.need("AccountId"); err != nil {
		return nil, err
	}
	id := c.In.str("AccountId")
	if !accountIDs.MatchString(id) {
		return nil, orgInvalid("INVALID_PATTERN", "You provided a value that does not match the required pattern.")
	}
	if m := c.st.Org.Members[id]; m != nil {
		return m, nil
	}
	return nil, fail("AccountNotFoundException", "You specified an account that doesn't exist.")
}

func describeAccount(c *call) (obj, error) {
	m, err := c.member()
	if err != nil {
		return nil, err
	}
	return obj{"Account": c.showAccount(m.ID)}, nil
}

// unit finds the OU that the call names.
func (c *call) unit() (*unit, error) {
	if err := c.need("OrganizationalUnitId"); err != nil {
		return nil, err
	}
	u := c.st.Org.Units[c.In.str("OrganizationalUnitId")]
	if u == nil || u.Parent == "" {
		return nil, fail("OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist.")
	}
	return u, nil
}

func describeUnit(c *call) (obj, error) {
	u, err := c.unit()
	if err != nil {
		return nil, err
	}
	return obj{"OrganizationalUnit": c.showUnit(u.ID)}, nil
}

// orgTags finds the tags of what the call names.
func (c *call) orgTags() (*map[string]string, error) {
	if err := c.need("ResourceId"); err != nil {
		return nil, err
	}
	id, o := c.In.str("ResourceId"), &c.st.Org
	if m := o.Members[id]; m != nil {
		return &m.Tags, nil
	}
	if u := o.Units[id]; u != nil {
		return &u.Tags, nil
	}
	if p := o.Policies[id]; p != nil && !p.AWS {
		return &p.Tags, nil
	}
	return nil, fail("TargetNotFoundException", "You specified a target that doesn't exist.")
}

func listOrgTags(c *call) (obj, error) {
	tags, err := c.orgTags()
	if err != nil {
		return nil, err
	}
	list := tagList(*tags) // all in one answer, unless the sandbox is unkind
	page, next, ok := paginate(c.Sandbox, list, func(t obj) string { return text(t["Key"]) }, c.In.str("NextToken"), len(list))
	if !ok {
		return nil, orgInvalid("INVALID_NEXT_TOKEN", "You specified an invalid value for next token.")
	}
	return obj{"Tags": page, "NextToken": optional(next)}, nil
}

func tagOrgAccess(c *call) ([]access, error) {
	return []access{{
		Action: "organizations:TagResource", Resource: c.st.Org.arnOf(c.In.str("ResourceId")),
		Context: requestTags(c.In.tags("Tags")),
	}}, nil
}

func checkOrgTags(tags []params) error {
	seen := map[string]bool{}
	for _, t := range tags {
		k := t.str("Key")
		switch {
		case k == "":
			return orgInvalid("MIN_LENGTH_EXCEEDED", "A tag's key is empty.")
		case len(k) > 128 || len(t.str("Value")) > 256:
			return orgInvalid("MAX_LENGTH_EXCEEDED", "A tag's key has at most 128 characters, its value 256.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return orgInvalid("INVALID_SYSTEM_TAGS_PARAMETER", "You can't add, edit, or delete system tags.")
		case seen[k]:
			return orgInvalid("DUPLICATE_TAG_KEY", "Tag keys must be unique.")
		}
		seen[k] = true
	}
	return nil
}

func tagOrg(c *call) (obj, error) {
	tags, err := c.orgTags()
	if err != nil {
		return nil, err
	}
	if err := checkOrgTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	merged := map[string]string{}
	for k, v := range *tags {
		merged[k] = v
	}
	for k, v := range c.In.tags("Tags") {
		merged[k] = v
	}
	if len(merged) > 50 {
		return nil, violation("MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource.")
	}
	*tags = merged
	return nil, nil
}

func untagOrg(c *call) (obj, error) {
	tags, err := c.orgTags()
	if err != nil {
		return nil, err
	}
	left := map[string]string{}
	for k, v := range *tags {
		if !slices.Contains(c.In.strs("TagKeys"), k) {
			left[k] = v
		}
	}
	*tags = left
	return nil, nil
}
