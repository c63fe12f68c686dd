package sandbox

import (
	"strings"
	"time"

	"axle/policy"
)

// iamRole is a role.
type iamRole struct {
	iamPrincipal
	Trust       string            `json:"trust"`
	Bound       map[string]string `json:"bound,omitempty"` // principals of the trust policy: ARN -> unique id
	Description string            `json:"description,omitempty"`
	MaxSession  int               `json:"max_session"` // seconds
	LastUsed    time.Time         `json:"last_used,omitzero"`
	// Visible is when STS learns of the role or its latest trust policy, in an
	// unkind sandbox; OldTrust is what holds until then.
	Visible  time.Time `json:"visible,omitzero"`
	OldTrust string    `json:"old_trust,omitempty"`
}

// trustAt is the trust policy as STS knows it by now; seen is false while it
// doesn't know the role.
func (r *iamRole) trustAt(now time.Time) (doc string, seen bool) {
	if now.Before(r.Visible) {
		return r.OldTrust, r.OldTrust != ""
	}
	return r.Trust, true
}

func roleOps() map[string]operation {
	return map[string]operation{
		"CreateRole":                  {run: createRole, access: createAccess("Role", "role")},
		"GetRole":                     {run: getRole, resources: onRole},
		"ListRoles":                   {run: listRoles, resources: onPath("role")},
		"UpdateRole":                  {run: updateRole, resources: onRole},
		"UpdateRoleDescription":       {run: updateRole, resources: onRole},
		"UpdateAssumeRolePolicy":      {run: updateTrust, resources: onRole},
		"DeleteRole":                  {run: deleteRole, resources: onRole},
		"CreateServiceLinkedRole":     {run: createServiceLinkedRole},
		"ListInstanceProfilesForRole": {run: noInstanceProfiles, resources: onRole},
	}
}

// role finds the role that the call names.
func (c *call) role() (*iamRole, error) {
	name := c.In.str("RoleName")
	if err := checkName("RoleName", name, 64); err != nil {
		return nil, err
	}
	if r := c.Account.IAM.Roles[name]; r != nil {
		return r, nil
	}
	return nil, iamFail("NoSuchEntity", "The role with name %s cannot be found.", name)
}

// onRole is the ARN of the role that the call names, whether it is there or not.
func onRole(c *call) []string {
	if r := c.Account.IAM.Roles[c.In.str("RoleName")]; r != nil {
		return []string{r.ARN}
	}
	return []string{"arn:aws:iam::" + c.Account.ID + ":role/" + c.In.str("RoleName")}
}

// createAccess is the permission to create a role, user or policy, whose path
// comes with the call.
func createAccess(kind, resource string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		a := access{
			Action:   "iam:" + c.Op,
			Resource: "arn:aws:iam::" + c.Account.ID + ":" + resource + c.In.or("Path", "/") + c.In.str(kind+"Name"),
			Context:  requestTags(c.In.tags("Tags")),
		}
		if b := c.In.str("PermissionsBoundary"); b != "" {
			a.Context["iam:PermissionsBoundary"] = []string{b}
		}
		needs := []access{a}
		if c.In.has("Tags") && len(c.In.list("Tags")) > 0 {
			tag := a
			tag.Action = "iam:Tag" + kind
			needs = append(needs, tag)
		}
		return needs, nil
	}
}

func createRole(c *call) (obj, error) {
	name := c.In.str("RoleName")
	if err := checkName("RoleName", name, 64); err != nil {
		return nil, err
	}
	path, err := checkPath(c.In)
	if err != nil {
		return nil, err
	}
	if takenName(c.Account.IAM.Roles, name) {
		return nil, iamFail("EntityAlreadyExists", "Role with name %s already exists.", name)
	}
	trust := c.In.str("AssumeRolePolicyDocument")
	bound, err := c.checkTrust(trust)
	if err != nil {
		return nil, err
	}
	seconds, err := maxSession(c.In)
	if err != nil {
		return nil, err
	}
	if err := c.checkIAMTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	boundary := c.In.str("PermissionsBoundary")
	if err := c.checkBoundary(boundary); err != nil {
		return nil, err
	}
	if limit := int(c.quota(quotaRoles)); len(c.Account.IAM.Roles) >= limit {
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for RolesPerAccount: %d", limit)
	}
	r := c.Account.IAM.addRole(c.Sandbox, c.Account.ID, name, path, trust)
	r.Bound, r.Description, r.MaxSession = bound, c.In.str("Description"), seconds
	r.Tags, r.Boundary = c.In.tags("Tags"), boundary
	r.Visible = c.propagates()
	return obj{"Role": c.showRole(r)}, nil
}

func maxSession(in params) (int, error) {
	seconds := in.int("MaxSessionDuration", 3600)
	if seconds < 3600 || seconds > 43200 {
		return 0, iamFail("ValidationError", "1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200", seconds)
	}
	return seconds, nil
}

func (c *call) showRole(r *iamRole) obj {
	out := obj{
		"RoleName": r.Name, "RoleId": r.ID, "Arn": r.ARN, "Path": r.Path, "CreateDate": r.Created,
		"AssumeRolePolicyDocument": iamDocument(c.bound(r.Trust, r.Bound)),
		"Description":              optional(r.Description), "MaxSessionDuration": r.MaxSession,
		"RoleLastUsed": obj{},
	}
	if !r.LastUsed.IsZero() {
		out["RoleLastUsed"] = obj{"LastUsedDate": r.LastUsed, "Region": "us-east-1"}
	}
	r.iamPrincipal.decorate(out)
	return out
}

// decorate adds what is shown only when it is there.
func (p *iamPrincipal) decorate(out obj) {
	if p.Boundary != "" {
		out["PermissionsBoundary"] = obj{"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": p.Boundary}
	}
	if len(p.Tags) > 0 {
		out["Tags"] = tagList(p.Tags)
	}
}

func getRole(c *call) (obj, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return obj{"Role": c.showRole(r)}, nil
}

func listRoles(c *call) (obj, error) {
	var roles []*iamRole
	for _, name := range sortedKeys(c.Account.IAM.Roles) {
		if r := c.Account.IAM.Roles[name]; strings.HasPrefix(r.Path, c.In.or("PathPrefix", "/")) {
			roles = append(roles, r)
		}
	}
	return iamPage(c, "Roles", roles, func(r *iamRole) string { return r.Name }, func(r *iamRole) any {
		out := c.showRole(r) // lists leave these out
		delete(out, "Tags")
		delete(out, "PermissionsBoundary")
		delete(out, "RoleLastUsed")
		return out
	})
}

func updateRole(c *call) (obj, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	if c.In.has("MaxSessionDuration") {
		if r.MaxSession, err = maxSession(c.In); err != nil {
			return nil, err
		}
	}
	if c.In.has("Description") {
		r.Description = c.In.str("Description")
	}
	if c.Op == "UpdateRoleDescription" {
		return obj{"Role": c.showRole(r)}, nil
	}
	return obj{}, nil
}

func updateTrust(c *call) (obj, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	trust := c.In.str("PolicyDocument")
	bound, err := c.checkTrust(trust)
	if err != nil {
		return nil, err
	}
	old, _ := r.trustAt(c.now())
	r.Trust, r.Bound, r.OldTrust, r.Visible = trust, bound, old, c.propagates()
	return nil, nil
}

func deleteRole(c *call) (obj, error) {
	r, err := c.role()
	switch {
	case err != nil:
		return nil, err
	case len(r.Attached) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(r.Inline) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	delete(c.Account.IAM.Roles, r.Name)
	return nil, nil
}

// createServiceLinkedRole makes the role of an AWS service, which only that
// service can assume.
func createServiceLinkedRole(c *call) (obj, error) {
	principal := c.In.str("AWSServiceName")
	prefix, ok := strings.CutSuffix(principal, ".amazonaws.com")
	if !ok || prefix == "" {
		return nil, iamFail("InvalidInput", "AWS service name %s is not valid.", principal)
	}
	var b strings.Builder
	for _, part := range strings.FieldsFunc(prefix, func(r rune) bool { return r == '.' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	name := "AWSServiceRoleFor" + b.String()
	if c.Account.IAM.Roles[name] != nil {
		return nil, iamFail("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
	r := c.Account.IAM.addRole(c.Sandbox, c.Account.ID, name, "/aws-service-role/"+principal+"/", trust)
	return obj{"Role": c.showRole(r)}, nil
}

func noInstanceProfiles(c *call) (obj, error) {
	if _, err := c.role(); err != nil {
		return nil, err
	}
	return obj{"InstanceProfiles": []any{}, "IsTruncated": false}, nil
}

// propagates is when a change of IAM reaches other services: at once, or after
// a seeded delay of up to three seconds in an unkind sandbox.
func (c *call) propagates() time.Time {
	if !c.opts.Unkind {
		return time.Time{}
	}
	return c.now().Add(time.Duration(c.random() * float64(3*time.Second)))
}

// checkTrust refuses a trust policy that IAM refuses, and gives the unique ids
// of the principals that it names: a role that is deleted and made again is
// another one to those who trusted the first.
func (c *call) checkTrust(doc string) (map[string]string, error) {
	if len(doc) > 8192 {
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	}
	if err := checkDocument(doc, policy.TrustPolicy); err != nil {
		return nil, err
	}
	return c.checkPrincipals(doc)
}
