package sandbox

import (
	"slices"
	"strings"

	"axle/policy"
)

// principalOps are what roles and users have in common: inline and attached
// policies, the permissions boundary, tags. kind is "Role", "User" or "Group".
func principalOps(kind string) map[string]operation {
	find, on := (*call).rolePrincipal, onRole
	switch kind {
	case "User":
		find, on = (*call).userPrincipal, onUser
	case "Group":
		find, on = (*call).groupPrincipal, onGroup
	}
	with := func(fn func(*call, *iamPrincipal) (obj, error)) operation {
		return operation{resources: on, run: func(c *call) (obj, error) {
			p, err := find(c)
			if err != nil {
				return nil, err
			}
			return fn(c, p)
		}}
	}
	attach := with(attachPolicy)
	attach.access = attachAccess(on)
	detach := with(detachPolicy)
	detach.access = attachAccess(on)
	return map[string]operation{
		"Put" + kind + "Policy":                 with(putInline),
		"Get" + kind + "Policy":                 with(getInline(kind)),
		"List" + kind + "Policies":              with(listInline),
		"Delete" + kind + "Policy":              with(deleteInline(kind)),
		"Attach" + kind + "Policy":              attach,
		"Detach" + kind + "Policy":              detach,
		"ListAttached" + kind + "Policies":      with(listAttached),
		"Put" + kind + "PermissionsBoundary":    with(putBoundary),
		"Delete" + kind + "PermissionsBoundary": with(deleteBoundary),
		"Tag" + kind:                            with(tagPrincipal),
		"Untag" + kind:                          with(untagPrincipal),
		"List" + kind + "Tags":                  with(listPrincipalTags),
	}
}

func (c *call) rolePrincipal() (*iamPrincipal, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Path, "/aws-service-role/") && !strings.HasPrefix(c.Op, "Get") && !strings.HasPrefix(c.Op, "List") {
		return nil, iamFail("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name)
	}
	return &r.iamPrincipal, nil
}

func (c *call) userPrincipal() (*iamPrincipal, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return &u.iamPrincipal, nil
}

// attachAccess names the policy in the condition key that limits what may be
// attached.
func attachAccess(on func(*call) []string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		return []access{{
			Action: "iam:" + c.Op, Resource: on(c)[0],
			Context: map[string][]string{"iam:PolicyARN": {c.In.str("PolicyArn")}},
		}}, nil
	}
}

// maxInline is the total size of a role's inline policies (a user's is 2,048),
// white space not counted.
const maxInline = 10240

func putInline(c *call, p *iamPrincipal) (obj, error) {
	name, doc := c.In.str("PolicyName"), c.In.str("PolicyDocument")
	if err := checkName("PolicyName", name, 128); err != nil {
		return nil, err
	}
	if err := checkDocument(doc, policy.IdentityPolicy); err != nil {
		return nil, err
	}
	size := len(compact(doc))
	for other, d := range p.Inline {
		if other != name {
			size += len(compact(d))
		}
	}
	if size > maxInline {
		return nil, iamFail("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", maxInline, strings.ToLower(strings.TrimSuffix(c.Op[3:], "Policy")), p.Name)
	}
	if p.Inline == nil {
		p.Inline = map[string]string{}
	}
	p.Inline[name] = doc
	return nil, nil
}

func getInline(kind string) func(*call, *iamPrincipal) (obj, error) {
	return func(c *call, p *iamPrincipal) (obj, error) {
		doc, ok := p.Inline[c.In.str("PolicyName")]
		if !ok {
			return nil, noInline(c, kind)
		}
		return obj{kind + "Name": p.Name, "PolicyName": c.In.str("PolicyName"), "PolicyDocument": iamDocument(doc)}, nil
	}
}

func noInline(c *call, kind string) error {
	return iamFail("NoSuchEntity", "The %s policy with name %s cannot be found.", strings.ToLower(kind), c.In.str("PolicyName"))
}

func listInline(c *call, p *iamPrincipal) (obj, error) {
	return iamPage(c, "PolicyNames", sortedKeys(p.Inline), same, func(n string) any { return n })
}

func deleteInline(kind string) func(*call, *iamPrincipal) (obj, error) {
	return func(c *call, p *iamPrincipal) (obj, error) {
		if _, ok := p.Inline[c.In.str("PolicyName")]; !ok {
			return nil, noInline(c, kind)
		}
		delete(p.Inline, c.In.str("PolicyName"))
		return nil, nil
	}
}

func attachPolicy(c *call, p *iamPrincipal) (obj, error) {
	arn := c.In.str("PolicyArn")
	if _, ok := c.Account.IAM.managed(arn); !ok {
		return nil, unknownPolicy(arn)
	}
	if slices.Contains(p.Attached, arn) {
		return nil, nil
	}
	kind, code := "Role", quotaAttached
	switch c.Op {
	case "AttachUserPolicy":
		kind, code = "User", quotaAttachedUser
	case "AttachGroupPolicy":
		kind, code = "Group", quotaAttachedGroup
	}
	if limit := int(c.quota(code)); len(p.Attached) >= limit {
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for PoliciesPer%s: %d", kind, limit)
	}
	p.Attached = append(p.Attached, arn)
	return nil, nil
}

func unknownPolicy(arn string) error {
	if !strings.HasPrefix(arn, "arn:") {
		return iamFail("ValidationError", "ARN %s is not valid.", arn)
	}
	return iamFail("NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
}

func detachPolicy(c *call, p *iamPrincipal) (obj, error) {
	i := slices.Index(p.Attached, c.In.str("PolicyArn"))
	if i < 0 {
		return nil, iamFail("NoSuchEntity", "Policy %s was not found.", c.In.str("PolicyArn"))
	}
	p.Attached = slices.Delete(slices.Clone(p.Attached), i, i+1)
	return nil, nil
}

func listAttached(c *call, p *iamPrincipal) (obj, error) {
	arns := slices.Sorted(slices.Values(p.Attached))
	return iamPage(c, "AttachedPolicies", arns, same, func(arn string) any {
		return obj{"PolicyArn": arn, "PolicyName": arn[strings.LastIndex(arn, "/")+1:]}
	})
}

// checkBoundary refuses a boundary that isn't a managed policy; empty is none.
func (c *call) checkBoundary(arn string) error {
	if arn == "" {
		return nil
	}
	if _, ok := c.Account.IAM.managed(arn); !ok {
		return iamFail("NoSuchEntity", "Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil
}

func putBoundary(c *call, p *iamPrincipal) (obj, error) {
	arn := c.In.str("PermissionsBoundary")
	if err := c.required("PermissionsBoundary"); err != nil {
		return nil, err
	}
	if err := c.checkBoundary(arn); err != nil {
		return nil, err
	}
	p.Boundary = arn
	return nil, nil
}

func deleteBoundary(c *call, p *iamPrincipal) (obj, error) {
	if p.Boundary == "" {
		return nil, iamFail("NoSuchEntity", "%s %s does not have a permissions boundary.", c.Op[6:10], p.Name)
	}
	p.Boundary = ""
	return nil, nil
}

func tagPrincipal(c *call, p *iamPrincipal) (obj, error) {
	if err := c.required("Tags"); err != nil {
		return nil, err
	}
	if err := c.checkIAMTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	if p.Tags == nil {
		p.Tags = map[string]string{}
	}
	for k, v := range c.In.tags("Tags") {
		p.Tags[k] = v
	}
	return nil, nil
}

func untagPrincipal(c *call, p *iamPrincipal) (obj, error) {
	if err := c.required("TagKeys"); err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(p.Tags, k)
	}
	return nil, nil
}

func listPrincipalTags(c *call, p *iamPrincipal) (obj, error) {
	return iamPage(c, "Tags", sortedKeys(p.Tags), same, func(k string) any { return obj{"Key": k, "Value": p.Tags[k]} })
}
