package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"axle/policy"
)

// iamPolicy is a customer managed policy.
type iamPolicy struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ARN         string            `json:"arn"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Tags        map[string]string `json:"tags,omitempty"`
	Versions    []iamVersion      `json:"versions"` // oldest first
	Default     string            `json:"default"`
	Next        int               `json:"next"` // number of the next version
}

// iamVersion is one version of a managed policy.
type iamVersion struct {
	ID       string    `json:"id"`
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// version finds a version, the default one for "".
func (p *iamPolicy) version(id string) *iamVersion {
	if id == "" {
		id = p.Default
	}
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// managed is the document of a managed policy, the customer's or AWS's.
func (st *iamState) managed(arn string) (string, bool) {
	if doc, ok := awsPolicies[arn]; ok {
		return doc, true
	}
	if p := st.Policies[arn]; p != nil {
		return p.version("").Document, true
	}
	return "", false
}

// awsPolicy makes AWS's managed policy look like a customer's.
func awsPolicy(arn string) *iamPolicy {
	doc, ok := awsPolicies[arn]
	if !ok {
		return nil
	}
	rest := strings.TrimPrefix(arn, "arn:aws:iam::aws:policy")
	cut := strings.LastIndex(rest, "/") + 1
	at := time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)
	return &iamPolicy{
		Name: rest[cut:], Path: rest[:cut], ARN: arn, ID: "ANPA" + strings.ToUpper(fmt.Sprintf("%017x", len(doc)*7919+len(arn)*104729)),
		Created: at, Updated: at, Default: "v1", Versions: []iamVersion{{ID: "v1", Document: doc, Created: at}},
	}
}

func managedPolicyOps() map[string]operation {
	on := onPolicy
	return map[string]operation{
		"CreatePolicy":            {run: createPolicy, access: createAccess("Policy", "policy")},
		"GetPolicy":               {run: getPolicy, resources: on},
		"ListPolicies":            {run: listPolicies, resources: onPath("policy")},
		"DeletePolicy":            {run: deletePolicy, resources: on},
		"CreatePolicyVersion":     {run: createPolicyVersion, resources: on},
		"GetPolicyVersion":        {run: getPolicyVersion, resources: on},
		"ListPolicyVersions":      {run: listPolicyVersions, resources: on},
		"DeletePolicyVersion":     {run: deletePolicyVersion, resources: on},
		"SetDefaultPolicyVersion": {run: setDefaultVersion, resources: on},
		"ListEntitiesForPolicy":   {run: listEntities, resources: on},
		"TagPolicy":               {run: tagPolicy, resources: on},
		"UntagPolicy":             {run: untagPolicy, resources: on},
		"ListPolicyTags":          {run: listPolicyTags, resources: on},
	}
}

func onPolicy(c *call) []string { return []string{c.In.str("PolicyArn")} }

// policy finds the managed policy that the call names; own refuses AWS's.
func (c *call) policy(own bool) (*iamPolicy, error) {
	arn := c.In.str("PolicyArn")
	if p := awsPolicy(arn); p != nil {
		if own {
			return nil, &apiError{Status: 403, Code: "AccessDenied", Message: "User: " + c.Who.ARN + " is not authorized to perform: iam:" + c.Op + " on resource: policy " + arn}
		}
		return p, nil
	}
	if p := c.Account.IAM.Policies[arn]; p != nil {
		return p, nil
	}
	if !strings.HasPrefix(arn, "arn:") {
		return nil, iamFail("ValidationError", "Invalid ARN:  Could not be parsed!")
	}
	return nil, iamFail("NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
}

// maxManaged is the size of a managed policy, white space not counted.
const maxManaged = 6144

func checkManaged(doc string) error {
	if err := checkDocument(doc, policy.IdentityPolicy); err != nil {
		return err
	}
	if len(compact(doc)) > maxManaged {
		return iamFail("LimitExceeded", "Cannot exceed quota for PolicySize: %d", maxManaged)
	}
	return nil
}

func createPolicy(c *call) (obj, error) {
	name, doc := c.In.str("PolicyName"), c.In.str("PolicyDocument")
	if err := checkName("PolicyName", name, 128); err != nil {
		return nil, err
	}
	path, err := checkPath(c.In)
	if err != nil {
		return nil, err
	}
	arn := "arn:aws:iam::" + c.Account.ID + ":policy" + path + name
	for _, p := range c.Account.IAM.Policies {
		if strings.EqualFold(p.Name, name) {
			return nil, iamFail("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
		}
	}
	if err := checkManaged(doc); err != nil {
		return nil, err
	}
	if err := c.checkIAMTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	now := c.now().Truncate(time.Second)
	p := &iamPolicy{
		Name: name, Path: path, ARN: arn, ID: c.key("ANPA", 21), Description: c.In.str("Description"),
		Created: now, Updated: now, Tags: c.In.tags("Tags"), Default: "v1", Next: 2,
		Versions: []iamVersion{{ID: "v1", Document: doc, Created: now}},
	}
	if c.Account.IAM.Policies == nil {
		c.Account.IAM.Policies = map[string]*iamPolicy{}
	}
	c.Account.IAM.Policies[arn] = p
	return obj{"Policy": c.showPolicy(p)}, nil
}

func (c *call) showPolicy(p *iamPolicy) obj {
	out := obj{
		"PolicyName": p.Name, "PolicyId": p.ID, "Arn": p.ARN, "Path": p.Path, "DefaultVersionId": p.Default,
		"AttachmentCount": len(c.Account.IAM.entities(p.ARN, "")), "PermissionsBoundaryUsageCount": 0, "IsAttachable": true,
		"CreateDate": p.Created, "UpdateDate": p.Updated, "Description": optional(p.Description),
	}
	if len(p.Tags) > 0 {
		out["Tags"] = tagList(p.Tags)
	}
	return out
}

// entities are the roles, users and groups that the policy is attached to;
// kind narrows to "Role", "User" or "Group".
func (st *iamState) entities(arn, kind string) []*iamPrincipal {
	var found []*iamPrincipal
	add := func(of string, p *iamPrincipal) {
		if (kind == "" || kind == of) && slices.Contains(p.Attached, arn) {
			found = append(found, p)
		}
	}
	for _, name := range sortedKeys(st.Roles) {
		add("Role", &st.Roles[name].iamPrincipal)
	}
	for _, name := range sortedKeys(st.Users) {
		add("User", &st.Users[name].iamPrincipal)
	}
	for _, name := range sortedKeys(st.Groups) {
		add("Group", &st.Groups[name].iamPrincipal)
	}
	return found
}

func getPolicy(c *call) (obj, error) {
	p, err := c.policy(false)
	if err != nil {
		return nil, err
	}
	return obj{"Policy": c.showPolicy(p)}, nil
}

func listPolicies(c *call) (obj, error) {
	var all []*iamPolicy
	if scope := c.In.str("Scope"); scope != "Local" {
		for _, arn := range sortedKeys(awsPolicies) {
			all = append(all, awsPolicy(arn))
		}
	}
	if c.In.str("Scope") != "AWS" {
		for _, arn := range sortedKeys(c.Account.IAM.Policies) {
			all = append(all, c.Account.IAM.Policies[arn])
		}
	}
	all = slices.DeleteFunc(all, func(p *iamPolicy) bool {
		return !strings.HasPrefix(p.Path, c.In.or("PathPrefix", "/")) ||
			c.In.bool("OnlyAttached") && len(c.Account.IAM.entities(p.ARN, "")) == 0
	})
	slices.SortFunc(all, func(a, b *iamPolicy) int { return strings.Compare(a.ARN, b.ARN) })
	return iamPage(c, "Policies", all, func(p *iamPolicy) string { return p.ARN }, func(p *iamPolicy) any {
		out := c.showPolicy(p)
		delete(out, "Description")
		delete(out, "Tags")
		return out
	})
}

func deletePolicy(c *call) (obj, error) {
	p, err := c.policy(true)
	switch {
	case err != nil:
		return nil, err
	case len(c.Account.IAM.entities(p.ARN, "")) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return nil, iamFail("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	delete(c.Account.IAM.Policies, p.ARN)
	return nil, nil
}

func createPolicyVersion(c *call) (obj, error) {
	p, err := c.policy(true)
	if err != nil {
		return nil, err
	}
	doc := c.In.str("PolicyDocument")
	if err := checkManaged(doc); err != nil {
		return nil, err
	}
	if len(p.Versions) >= 5 {
		return nil, iamFail("LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	}
	v := iamVersion{ID: fmt.Sprintf("v%d", p.Next), Document: doc, Created: c.now().Truncate(time.Second)}
	p.Next++
	p.Versions = append(p.Versions, v)
	if c.In.bool("SetAsDefault") {
		p.Default, p.Updated = v.ID, v.Created
	}
	return obj{"PolicyVersion": showVersion(p, v)}, nil
}

func showVersion(p *iamPolicy, v iamVersion) obj {
	return obj{"VersionId": v.ID, "IsDefaultVersion": v.ID == p.Default, "CreateDate": v.Created}
}

// policyVersion finds the version that the call names.
func (c *call) policyVersion(own bool) (*iamPolicy, *iamVersion, error) {
	p, err := c.policy(own)
	if err != nil {
		return nil, nil, err
	}
	v := p.version(c.In.str("VersionId"))
	if v == nil || !c.In.has("VersionId") {
		return nil, nil, iamFail("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", p.ARN, c.In.str("VersionId"))
	}
	return p, v, nil
}

func getPolicyVersion(c *call) (obj, error) {
	p, v, err := c.policyVersion(false)
	if err != nil {
		return nil, err
	}
	out := showVersion(p, *v)
	out["Document"] = iamDocument(v.Document)
	return obj{"PolicyVersion": out}, nil
}

func listPolicyVersions(c *call) (obj, error) {
	p, err := c.policy(false)
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(p.Versions)
	slices.SortFunc(versions, func(a, b iamVersion) int { return strings.Compare(a.ID, b.ID) })
	return iamPage(c, "Versions", versions, func(v iamVersion) string { return v.ID }, func(v iamVersion) any { return showVersion(p, v) })
}

func deletePolicyVersion(c *call) (obj, error) {
	p, v, err := c.policyVersion(true)
	if err != nil {
		return nil, err
	}
	if v.ID == p.Default {
		return nil, iamFail("DeleteConflict", "Cannot delete the default version of a policy.")
	}
	id := v.ID
	p.Versions = slices.DeleteFunc(p.Versions, func(v iamVersion) bool { return v.ID == id })
	return nil, nil
}

func setDefaultVersion(c *call) (obj, error) {
	p, v, err := c.policyVersion(true)
	if err != nil {
		return nil, err
	}
	p.Default, p.Updated = v.ID, c.now().Truncate(time.Second)
	return nil, nil
}

func listEntities(c *call) (obj, error) {
	p, err := c.policy(false)
	if err != nil {
		return nil, err
	}
	out := obj{"IsTruncated": false}
	for _, kind := range []string{"Role", "User", "Group"} {
		list := []any{}
		if want := c.In.str("EntityFilter"); want == "" || want == kind {
			for _, e := range c.Account.IAM.entities(p.ARN, kind) {
				list = append(list, obj{kind + "Name": e.Name, kind + "Id": e.ID})
			}
		}
		out["Policy"+kind+"s"] = list
	}
	return out, nil
}

func tagPolicy(c *call) (obj, error) {
	p, err := c.policy(true)
	if err == nil {
		err = c.checkIAMTags(c.In.list("Tags"))
	}
	if err != nil {
		return nil, err
	}
	for k, v := range c.In.tags("Tags") {
		p.Tags[k] = v
	}
	return nil, nil
}

func untagPolicy(c *call) (obj, error) {
	p, err := c.policy(true)
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(p.Tags, k)
	}
	return nil, nil
}

func listPolicyTags(c *call) (obj, error) {
	p, err := c.policy(false)
	if err != nil {
		return nil, err
	}
	return iamPage(c, "Tags", sortedKeys(p.Tags), same, func(k string) any { return obj{"Key": k, "Value": p.Tags[k]} })
}
