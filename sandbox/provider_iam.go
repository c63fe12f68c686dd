package sandbox

import "slices"

// iamProviders are IAM's resource types.
func iamProviders() map[string]provider {
	return map[string]provider{
		"AWS::IAM::Role":          roleProvider(),
		"AWS::IAM::Policy":        inlinePolicyProvider(),
		"AWS::IAM::ManagedPolicy": managedPolicyProvider(),
		"AWS::IAM::OIDCProvider":  oidcTypeProvider(),
	}
}

func roleProvider() provider {
	p := provider{
		properties: map[string]property{"AssumeRolePolicyDocument": required, "Description": mutable, "ManagedPolicyArns": mutable,
			"MaxSessionDuration": mutable, "Path": replaces, "PermissionsBoundary": mutable, "Policies": mutable,
			"RoleName": replaces, "Tags": mutable},
		attributes: []string{"Arn", "RoleId"},
		name:       "RoleName",
		tags:       "Tags",
		iam:        "CAPABILITY_IAM",
	}
	p.create = createRoleResource
	p.update = updateRoleResource
	p.remove = func(rc *resourceCall) error {
		rc.OldProps, rc.Props = rc.Props, params{}
		if err := rc.rolePolicies(rc.PhysicalID); tolerate(err, "NoSuchEntity") != nil {
			return err
		}
		_, err := rc.do("iam", "DeleteRole", params{"RoleName": rc.PhysicalID})
		return tolerate(err, "NoSuchEntity")
	}
	return p
}

func createRoleResource(rc *resourceCall) (string, map[string]any, error) {
	name := rc.Props.str("RoleName")
	if name == "" {
		name = rc.generatedName(64)
	}
	in := rc.pass("Description", "MaxSessionDuration", "Path", "PermissionsBoundary")
	in["RoleName"], in["AssumeRolePolicyDocument"] = name, documentText(rc.Props["AssumeRolePolicyDocument"])
	in["Tags"] = rc.tagList(rc.Props["Tags"])
	out, err := rc.do("iam", "CreateRole", in)
	if err != nil {
		return "", nil, err
	}
	role := out["Role"].(obj)
	attrs := map[string]any{"Arn": role["Arn"], "RoleId": role["RoleId"]}
	rc.noteTags(attrs)
	return name, attrs, rc.rolePolicies(name)
}

func updateRoleResource(rc *resourceCall) (map[string]any, error) {
	name := rc.PhysicalID
	if doc := documentText(rc.Props["AssumeRolePolicyDocument"]); doc != documentText(rc.OldProps["AssumeRolePolicyDocument"]) {
		if _, err := rc.do("iam", "UpdateAssumeRolePolicy", params{"RoleName": name, "PolicyDocument": doc}); err != nil {
			return nil, err
		}
	}
	if rc.Props.str("Description") != rc.OldProps.str("Description") || rc.Props.str("MaxSessionDuration") != rc.OldProps.str("MaxSessionDuration") {
		in := params{"RoleName": name, "Description": rc.Props.str("Description"), "MaxSessionDuration": rc.Props.or("MaxSessionDuration", "3600")}
		if _, err := rc.do("iam", "UpdateRole", in); err != nil {
			return nil, err
		}
	}
	switch b := rc.Props.str("PermissionsBoundary"); {
	case b == rc.OldProps.str("PermissionsBoundary"):
	case b == "":
		if _, err := rc.do("iam", "DeleteRolePermissionsBoundary", params{"RoleName": name}); err != nil {
			return nil, err
		}
	default:
		if _, err := rc.do("iam", "PutRolePermissionsBoundary", params{"RoleName": name, "PermissionsBoundary": b}); err != nil {
			return nil, err
		}
	}
	if err := rc.rolePolicies(name); err != nil {
		return nil, err
	}
	attrs := map[string]any{"Arn": rc.OldAttrs["Arn"], "RoleId": rc.OldAttrs["RoleId"]}
	return attrs, rc.retagBy("iam", "TagRole", "UntagRole", params{"RoleName": name}, attrs)
}

// rolePolicies brings a role's inline and attached policies from what the
// template had to what it has; those that others added stay.
func (rc *resourceCall) rolePolicies(role string) error {
	inline := func(props params) map[string]string {
		out := map[string]string{}
		for _, p := range props.list("Policies") {
			out[p.str("PolicyName")] = documentText(p["PolicyDocument"])
		}
		return out
	}
	was, wanted := inline(rc.OldProps), inline(rc.Props)
	for _, name := range sortedKeys(was) {
		if _, ok := wanted[name]; ok {
			continue
		}
		if _, err := rc.do("iam", "DeleteRolePolicy", params{"RoleName": role, "PolicyName": name}); tolerate(err, "NoSuchEntity") != nil {
			return err
		}
	}
	for _, name := range sortedKeys(wanted) {
		if was[name] == wanted[name] {
			continue
		}
		in := params{"RoleName": role, "PolicyName": name, "PolicyDocument": wanted[name]}
		if _, err := rc.do("iam", "PutRolePolicy", in); err != nil {
			return err
		}
	}
	return rc.attach([]string{role}, "Role", rc.OldProps.strs("ManagedPolicyArns"), rc.Props.strs("ManagedPolicyArns"))
}

// attach brings the managed policies of principals from one list to another.
func (rc *resourceCall) attach(names []string, kind string, was, wanted []string) error {
	for _, name := range names {
		for _, arn := range was {
			if slices.Contains(wanted, arn) {
				continue
			}
			_, err := rc.do("iam", "Detach"+kind+"Policy", params{kind + "Name": name, "PolicyArn": arn})
			if tolerate(err, "NoSuchEntity") != nil {
				return err
			}
		}
		for _, arn := range wanted {
			if slices.Contains(was, arn) {
				continue
			}
			if _, err := rc.do("iam", "Attach"+kind+"Policy", params{kind + "Name": name, "PolicyArn": arn}); err != nil {
				return err
			}
		}
	}
	return nil
}

// inlinePolicyProvider puts one inline policy on roles, users and groups.
func inlinePolicyProvider() provider {
	p := provider{
		properties: map[string]property{"PolicyDocument": required, "PolicyName": required, "Groups": mutable, "Roles": mutable, "Users": mutable},
		attributes: []string{"Id"},
		iam:        "CAPABILITY_IAM",
	}
	check := func(rc *resourceCall) error {
		if len(rc.Props.strs("Roles"))+len(rc.Props.strs("Users"))+len(rc.Props.strs("Groups")) == 0 {
			return fail("ValidationError", "At least one of [Groups,Roles,Users] must be non-empty.")
		}
		return nil
	}
	put := func(rc *resourceCall) error {
		for _, kind := range []string{"Role", "User", "Group"} {
			for _, name := range rc.Props.strs(kind + "s") {
				in := params{kind + "Name": name, "PolicyName": rc.Props.str("PolicyName"), "PolicyDocument": documentText(rc.Props["PolicyDocument"])}
				if _, err := rc.do("iam", "Put"+kind+"Policy", in); err != nil {
					return err
				}
			}
		}
		return nil
	}
	// drop removes it from those that the old properties name and the new don't.
	drop := func(rc *resourceCall, old, wanted params) error {
		renamed := old.str("PolicyName") != wanted.str("PolicyName")
		for _, kind := range []string{"Role", "User", "Group"} {
			for _, name := range old.strs(kind + "s") {
				if !renamed && slices.Contains(wanted.strs(kind+"s"), name) {
					continue
				}
				_, err := rc.do("iam", "Delete"+kind+"Policy", params{kind + "Name": name, "PolicyName": old.str("PolicyName")})
				if tolerate(err, "NoSuchEntity") != nil {
					return err
				}
			}
		}
		return nil
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := check(rc); err != nil {
			return "", nil, err
		}
		id := rc.generatedName(128)
		return id, map[string]any{"Id": id}, put(rc)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := check(rc); err != nil {
			return nil, err
		}
		if err := put(rc); err != nil {
			return nil, err
		}
		return map[string]any{"Id": rc.PhysicalID}, drop(rc, rc.OldProps, rc.Props)
	}
	p.remove = func(rc *resourceCall) error { return drop(rc, rc.Props, params{}) }
	return p
}

// managedPolicyProvider makes customer managed policies; Ref gives the ARN.
func managedPolicyProvider() provider {
	p := provider{
		properties: map[string]property{"PolicyDocument": required, "ManagedPolicyName": replaces, "Description": replaces, "Path": replaces,
			"Groups": mutable, "Roles": mutable, "Users": mutable},
		attributes: []string{"AttachmentCount", "CreateDate", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount",
			"PolicyArn", "PolicyId", "UpdateDate"},
		name: "ManagedPolicyName",
		iam:  "CAPABILITY_IAM",
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass("Description", "Path")
		in["PolicyName"], in["PolicyDocument"] = rc.Props.str("ManagedPolicyName"), documentText(rc.Props["PolicyDocument"])
		if in.str("PolicyName") == "" {
			in["PolicyName"] = rc.generatedName(128)
		}
		out, err := rc.do("iam", "CreatePolicy", in)
		if err != nil {
			return "", nil, err
		}
		arn := text(out["Policy"].(obj)["Arn"])
		if err := rc.attachEverywhere(arn, params{}, rc.Props); err != nil {
			return arn, nil, err
		}
		return arn, rc.managedPolicyAttributes(arn), nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		arn, doc := rc.PhysicalID, documentText(rc.Props["PolicyDocument"])
		if doc != documentText(rc.OldProps["PolicyDocument"]) {
			if held := rc.Account.IAM.Policies[arn]; held != nil && len(held.Versions) >= 5 {
				for _, v := range held.Versions {
					if v.ID == held.Default {
						continue
					}
					if _, err := rc.do("iam", "DeletePolicyVersion", params{"PolicyArn": arn, "VersionId": v.ID}); err != nil {
						return nil, err
					}
					break
				}
			}
			in := params{"PolicyArn": arn, "PolicyDocument": doc, "SetAsDefault": "true"}
			if _, err := rc.do("iam", "CreatePolicyVersion", in); err != nil {
				return nil, err
			}
		}
		return rc.managedPolicyAttributes(arn), rc.attachEverywhere(arn, rc.OldProps, rc.Props)
	}
	p.remove = func(rc *resourceCall) error {
		arn := rc.PhysicalID
		if err := rc.attachEverywhere(arn, rc.Props, params{}); err != nil {
			return err
		}
		if held := rc.Account.IAM.Policies[arn]; held != nil {
			for _, v := range slices.Clone(held.Versions) {
				if v.ID == held.Default {
					continue
				}
				if _, err := rc.do("iam", "DeletePolicyVersion", params{"PolicyArn": arn, "VersionId": v.ID}); err != nil {
					return err
				}
			}
		}
		_, err := rc.do("iam", "DeletePolicy", params{"PolicyArn": arn})
		return tolerate(err, "NoSuchEntity")
	}
	return p
}

// attachEverywhere moves one managed policy from the principals of the old
// properties to those of the new.
func (rc *resourceCall) attachEverywhere(arn string, old, wanted params) error {
	for _, kind := range []string{"Role", "User", "Group"} {
		for _, name := range old.strs(kind + "s") {
			if slices.Contains(wanted.strs(kind+"s"), name) {
				continue
			}
			if err := rc.attach([]string{name}, kind, []string{arn}, nil); err != nil {
				return err
			}
		}
		for _, name := range wanted.strs(kind + "s") {
			if slices.Contains(old.strs(kind+"s"), name) {
				continue
			}
			if err := rc.attach([]string{name}, kind, nil, []string{arn}); err != nil {
				return err
			}
		}
	}
	return nil
}

// managedPolicyAttributes are what GetAtt gives, as text.
func (rc *resourceCall) managedPolicyAttributes(arn string) map[string]any {
	held := rc.Account.IAM.Policies[arn]
	if held == nil {
		return map[string]any{"PolicyArn": arn}
	}
	return map[string]any{"PolicyArn": arn, "PolicyId": held.ID, "DefaultVersionId": held.Default, "IsAttachable": "true",
		"AttachmentCount": text(len(rc.Props.strs("Roles")) + len(rc.Props.strs("Users")) + len(rc.Props.strs("Groups"))), "PermissionsBoundaryUsageCount": "0",
		"CreateDate": held.Created.Format(timeXML), "UpdateDate": held.Updated.Format(timeXML)}
}
