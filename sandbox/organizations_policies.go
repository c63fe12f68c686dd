package sandbox

import (
	"slices"
	"strings"

	"axle/policy"
)

// orgPolicy is a policy of the organization.
type orgPolicy struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Type        string            `json:"type"`
	Content     string            `json:"content"`
	AWS         bool              `json:"aws,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func (o *orgState) policyARN(p *orgPolicy) string {
	kind := strings.ToLower(p.Type)
	if p.AWS {
		return "arn:aws:organizations::aws:policy/" + kind + "/" + p.ID
	}
	return "arn:aws:organizations::" + o.Management + ":policy/" + o.ID + "/" + kind + "/" + p.ID
}

func orgPolicyOps() map[string]operation {
	return map[string]operation{
		"CreatePolicy":          {run: createOrgPolicy},
		"UpdatePolicy":          {run: updateOrgPolicy, resources: onOrg("PolicyId")},
		"DeletePolicy":          {run: deleteOrgPolicy, resources: onOrg("PolicyId")},
		"DescribePolicy":        {run: describeOrgPolicy, resources: onOrg("PolicyId")},
		"ListPolicies":          {run: listOrgPolicies},
		"ListPoliciesForTarget": {run: listTargetPolicies, resources: onOrg("TargetId")},
		"ListTargetsForPolicy":  {run: listPolicyTargets, resources: onOrg("PolicyId")},
		"AttachPolicy":          {run: attachOrgPolicy, resources: onAttachment},
		"DetachPolicy":          {run: detachOrgPolicy, resources: onAttachment},
		"EnablePolicyType":      {run: enableType, resources: onOrg("RootId")},
		"DisablePolicyType":     {run: disableType, resources: onOrg("RootId")},
	}
}

func onAttachment(c *call) []string {
	return []string{c.st.Org.arnOf(c.In.str("PolicyId")), c.st.Org.arnOf(c.In.str("TargetId"))}
}

// orgPolicyTypes are those that the sandbox enforces or keeps; the documents of
// the last two are kept as they are.
var orgPolicyTypes = map[string]policy.Kind{
	scpType: policy.ServiceControlPolicy, rcpType: policy.ResourceControlPolicy, "TAG_POLICY": 0, "BACKUP_POLICY": 0,
}

func (c *call) policyType(field string) (string, error) {
	t := c.In.str(field)
	if _, ok := orgPolicyTypes[t]; !ok {
		return "", orgInvalid("INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type string.")
	}
	return t, nil
}

// checkContent refuses what isn't a policy of the type.
func checkContent(kind, content string) error {
	if len(content) > 10240 {
		return violation("POLICY_CONTENT_LIMIT_EXCEEDED", "You attempted to create a policy that is larger than the maximum size.")
	}
	if k := orgPolicyTypes[kind]; k != 0 {
		p, err := policy.Parse([]byte(content))
		if err == nil {
			err = p.Check(k)
		}
		if err != nil {
			return fail("MalformedPolicyDocumentException", "The provided policy document does not meet the requirements of the specified policy type: %s", strings.TrimPrefix(err.Error(), "policy: "))
		}
	} else if _, err := decodeJSON([]byte(content)); err != nil || content == "" {
		return fail("MalformedPolicyDocumentException", "The provided policy document does not meet the requirements of the specified policy type.")
	}
	return nil
}

func createOrgPolicy(c *call) (obj, error) {
	if err := c.need("Content", "Name", "Type"); err != nil {
		return nil, err
	}
	kind, err := c.policyType("Type")
	if err != nil {
		return nil, err
	}
	if err := checkContent(kind, c.In.str("Content")); err != nil {
		return nil, err
	}
	if err := c.uniquePolicy(c.In.str("Name"), ""); err != nil {
		return nil, err
	}
	p := &orgPolicy{
		ID: "p-" + c.id(8), Name: c.In.str("Name"), Description: c.In.str("Description"), Type: kind,
		Content: c.In.str("Content"), Tags: c.In.tags("Tags"),
	}
	c.st.Org.Policies[p.ID] = p
	return obj{"Policy": c.showOrgPolicy(p)}, nil
}

func (c *call) uniquePolicy(name, self string) error {
	for _, p := range c.st.Org.Policies {
		if p.Name == name && p.ID != self {
			return fail("DuplicatePolicyException", "A policy with the same name already exists.")
		}
	}
	return nil
}

func (c *call) showSummary(p *orgPolicy) obj {
	return obj{
		"Id": p.ID, "Arn": c.st.Org.policyARN(p), "Name": p.Name, "Description": p.Description,
		"Type": p.Type, "AwsManaged": p.AWS,
	}
}

func (c *call) showOrgPolicy(p *orgPolicy) obj {
	return obj{"PolicySummary": c.showSummary(p), "Content": p.Content}
}

// orgPolicy finds the policy that the call names; own refuses AWS's.
func (c *call) orgPolicy(own bool) (*orgPolicy, error) {
	if err := c.need("PolicyId"); err != nil {
		return nil, err
	}
	p := c.st.Org.Policies[c.In.str("PolicyId")]
	switch {
	case p == nil:
		return nil, fail("PolicyNotFoundException", "You specified a policy that doesn't exist.")
	case own && p.AWS:
		return nil, orgInvalid("IMMUTABLE_POLICY", "You specified a policy that is managed by Amazon Web Services and can't be modified.")
	}
	return p, nil
}

func updateOrgPolicy(c *call) (obj, error) {
	p, err := c.orgPolicy(true)
	if err != nil {
		return nil, err
	}
	if content := c.In.str("Content"); content != "" {
		if err := checkContent(p.Type, content); err != nil {
			return nil, err
		}
		p.Content = content
	}
	if name := c.In.str("Name"); name != "" {
		if err := c.uniquePolicy(name, p.ID); err != nil {
			return nil, err
		}
		p.Name = name
	}
	if c.In.has("Description") {
		p.Description = c.In.str("Description")
	}
	c.reorganized()
	return obj{"Policy": c.showOrgPolicy(p)}, nil
}

func deleteOrgPolicy(c *call) (obj, error) {
	p, err := c.orgPolicy(true)
	if err != nil {
		return nil, err
	}
	if len(c.targets(p.ID)) > 0 {
		return nil, fail("PolicyInUseException", "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.")
	}
	delete(c.st.Org.Policies, p.ID)
	return nil, nil
}

func describeOrgPolicy(c *call) (obj, error) {
	p, err := c.orgPolicy(false)
	if err != nil {
		return nil, err
	}
	return obj{"Policy": c.showOrgPolicy(p)}, nil
}

func (c *call) policyPage(ids []string) (obj, error) {
	return orgPage(c, "Policies", ids, same, func(id string) obj { return c.showSummary(c.st.Org.Policies[id]) })
}

func listOrgPolicies(c *call) (obj, error) {
	kind, err := c.policyType("Filter")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range sortedKeys(c.st.Org.Policies) {
		if c.st.Org.Policies[id].Type == kind {
			ids = append(ids, id)
		}
	}
	return c.policyPage(ids)
}

// attached are the policies of the root, OU or account that the call names.
func (c *call) attached() (*[]string, error) {
	if err := c.need("TargetId"); err != nil {
		return nil, err
	}
	id := c.In.str("TargetId")
	if m := c.st.Org.Members[id]; m != nil {
		return &m.Policies, nil
	}
	if u := c.st.Org.Units[id]; u != nil {
		return &u.Policies, nil
	}
	return nil, fail("TargetNotFoundException", "You specified a target that doesn't exist.")
}

func listTargetPolicies(c *call) (obj, error) {
	kind, err := c.policyType("Filter")
	if err != nil {
		return nil, err
	}
	attached, err := c.attached()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range *attached {
		if c.st.Org.Policies[id].Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return c.policyPage(ids)
}

// targets are the ids of all that the policy is attached to, sorted.
func (s *Sandbox) targets(policy string) []string {
	var ids []string
	for id, u := range s.st.Org.Units {
		if slices.Contains(u.Policies, policy) {
			ids = append(ids, id)
		}
	}
	for id, m := range s.st.Org.Members {
		if slices.Contains(m.Policies, policy) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func listPolicyTargets(c *call) (obj, error) {
	p, err := c.orgPolicy(false)
	if err != nil {
		return nil, err
	}
	return orgPage(c, "Targets", c.targets(p.ID), same, func(id string) obj {
		out := obj{"TargetId": id, "Arn": c.st.Org.arnOf(id)}
		switch u := c.st.Org.Units[id]; {
		case u == nil:
			out["Name"], out["Type"] = c.st.Org.Members[id].Name, "ACCOUNT"
		case u.Parent == "":
			out["Name"], out["Type"] = u.Name, "ROOT"
		default:
			out["Name"], out["Type"] = u.Name, "ORGANIZATIONAL_UNIT"
		}
		return out
	})
}

const maxAttached = 5 // policies of one type on one target

func attachOrgPolicy(c *call) (obj, error) {
	p, err := c.orgPolicy(false)
	if err != nil {
		return nil, err
	}
	attached, err := c.attached()
	if err != nil {
		return nil, err
	}
	switch {
	case !c.st.Org.Types[p.Type]:
		return nil, fail("PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types.")
	case slices.Contains(*attached, p.ID):
		return nil, fail("DuplicatePolicyAttachmentException", "A policy with the specified name and type is already attached to the specified target.")
	case c.countOf(*attached, p.Type) >= maxAttached:
		return nil, violation("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You have exceeded the number of policies of this type that can be attached.")
	}
	*attached = append(slices.Clone(*attached), p.ID)
	c.reorganized()
	return nil, nil
}

func (s *Sandbox) countOf(ids []string, kind string) int {
	n := 0
	for _, id := range ids {
		if s.st.Org.Policies[id].Type == kind {
			n++
		}
	}
	return n
}

func detachOrgPolicy(c *call) (obj, error) {
	p, err := c.orgPolicy(false)
	if err != nil {
		return nil, err
	}
	attached, err := c.attached()
	if err != nil {
		return nil, err
	}
	i := slices.Index(*attached, p.ID)
	switch {
	case i < 0:
		return nil, fail("PolicyNotAttachedException", "The policy isn't attached to the specified target in the specified root.")
	case p.Type == scpType && c.countOf(*attached, scpType) == 1:
		return nil, violation("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.")
	}
	*attached = slices.Delete(slices.Clone(*attached), i, i+1)
	c.reorganized()
	return nil, nil
}

func (c *call) rootAndType() (string, error) {
	if err := c.need("RootId"); err != nil {
		return "", err
	}
	if c.In.str("RootId") != c.st.Org.Root {
		return "", fail("RootNotFoundException", "You specified a root that doesn't exist.")
	}
	return c.policyType("PolicyType")
}

func enableType(c *call) (obj, error) {
	kind, err := c.rootAndType()
	if err != nil {
		return nil, err
	}
	if c.st.Org.Types[kind] {
		return nil, fail("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled in the specified root.")
	}
	c.st.Org.Types[kind] = true
	if kind == scpType {
		c.attachEverywhere(fullAWSAccess)
	}
	c.reorganized()
	return describeRoot(c)
}

// attachEverywhere is what happens when SCPs are switched on.
func (c *call) attachEverywhere(id string) {
	for _, u := range c.st.Org.Units {
		u.Policies = append(slices.Clone(u.Policies), id)
	}
	for _, m := range c.st.Org.Members {
		m.Policies = append(slices.Clone(m.Policies), id)
	}
}

// disableType detaches all policies of the type, as AWS does.
func disableType(c *call) (obj, error) {
	kind, err := c.rootAndType()
	if err != nil {
		return nil, err
	}
	if !c.st.Org.Types[kind] {
		return nil, fail("PolicyTypeNotEnabledException", "The specified policy type isn't currently enabled in this root.")
	}
	delete(c.st.Org.Types, kind)
	keep := func(ids []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return c.st.Org.Policies[id].Type == kind })
	}
	for _, u := range c.st.Org.Units {
		u.Policies = keep(u.Policies)
	}
	for _, m := range c.st.Org.Members {
		m.Policies = keep(m.Policies)
	}
	c.reorganized()
	return describeRoot(c)
}

func describeRoot(c *call) (obj, error) {
	roots, err := listRoots(c)
	if err != nil {
		return nil, err
	}
	return obj{"Root": roots["Roots"].([]obj)[0]}, nil
}
