package sandbox

import (
	"slices"
)

func detailsOps() map[string]operation {
	return map[string]operation{"GetAccountAuthorizationDetails": {run: getDetails}}
}

// detail is one entity of the account's authorization details. Pages go
// through users, roles, groups, the account's policies and AWS's, in this order.
type detail struct {
	key, list string
	show      func() obj
}

// getDetails shows who is in the account and what they may do, in pages.
func getDetails(c *call) (obj, error) {
	kinds := []string{"User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}
	want := c.In.strs("Filter")
	for _, f := range want {
		if !slices.Contains(kinds, f) {
			return nil, iamFail("ValidationError", "1 validation error detected: Value '[%s]' at 'filter' failed to satisfy constraint: Member must satisfy enum value set: [Role, AWSManagedPolicy, User, LocalManagedPolicy, Group]", f)
		}
	}
	asked := func(kind string) bool { return len(want) == 0 || slices.Contains(want, kind) }
	st, all := &c.Account.IAM, []detail{}
	if asked("User") {
		for _, name := range sortedKeys(st.Users) {
			all = append(all, detail{"1" + name, "UserDetailList", func() obj { return userDetail(st.Users[name]) }})
		}
	}
	if asked("Role") {
		for _, name := range sortedKeys(st.Roles) {
			all = append(all, detail{"2" + name, "RoleDetailList", func() obj { return c.roleDetail(st.Roles[name]) }})
		}
	}
	if asked("Group") {
		for _, name := range sortedKeys(st.Groups) {
			all = append(all, detail{"3" + name, "GroupDetailList", func() obj {
				out := showGroup(st.Groups[name])
				st.Groups[name].detail(out, "GroupPolicyList")
				return out
			}})
		}
	}
	if asked("LocalManagedPolicy") {
		for _, arn := range sortedKeys(st.Policies) {
			all = append(all, detail{"4" + arn, "Policies", func() obj { return c.policyDetail(st.Policies[arn]) }})
		}
	}
	if asked("AWSManagedPolicy") {
		for _, arn := range sortedKeys(awsPolicies) {
			if len(st.entities(arn, "")) > 0 { // the others aren't shown
				all = append(all, detail{"5" + arn, "Policies", func() obj { return c.policyDetail(awsPolicy(arn)) }})
			}
		}
	}
	page, err := iamPage(c, "page", all, func(d detail) string { return d.key }, func(d detail) any { return d })
	if err != nil {
		return nil, err
	}
	out := obj{"IsTruncated": page["IsTruncated"], "Marker": page["Marker"],
		"UserDetailList": []any{}, "RoleDetailList": []any{}, "GroupDetailList": []any{}, "Policies": []any{}}
	for _, item := range page["page"].([]any) {
		d := item.(detail)
		out[d.list] = append(out[d.list].([]any), d.show())
	}
	return out, nil
}

func userDetail(u *iamUser) obj {
	out := showUser(u)
	out["GroupList"] = append([]string{}, u.Groups...)
	u.detail(out, "UserPolicyList")
	return out
}

func (c *call) roleDetail(r *iamRole) obj {
	out := c.showRole(r)
	delete(out, "Description")
	delete(out, "MaxSessionDuration")
	out["InstanceProfileList"] = []any{}
	r.detail(out, "RolePolicyList")
	return out
}

// detail adds the policies of a user or role.
func (p *iamPrincipal) detail(out obj, inline string) {
	list := []obj{}
	for _, name := range sortedKeys(p.Inline) {
		list = append(list, obj{"PolicyName": name, "PolicyDocument": iamDocument(p.Inline[name])})
	}
	out[inline] = list
	attached := []obj{}
	for _, arn := range slices.Sorted(slices.Values(p.Attached)) {
		attached = append(attached, obj{"PolicyArn": arn, "PolicyName": policyName(arn)})
	}
	out["AttachedManagedPolicies"] = attached
}

func (c *call) policyDetail(p *iamPolicy) obj {
	out := c.showPolicy(p)
	delete(out, "Tags")
	versions := []obj{}
	for _, v := range p.Versions {
		shown := showVersion(p, v)
		shown["Document"] = iamDocument(v.Document)
		versions = append(versions, shown)
	}
	out["PolicyVersionList"] = versions
	return out
}
