package sandbox

// ssmProviders are Systems Manager's resource types.
func ssmProviders() map[string]provider {
	return map[string]provider{"AWS::SSM::Parameter": parameterProvider()}
}

// parameterProvider makes parameters. CloudFormation makes no SecureString.
func parameterProvider() provider {
	p := provider{
		properties: map[string]property{"Type": required, "Value": required, "Name": replaces, "Description": mutable,
			"AllowedPattern": mutable, "DataType": mutable, "Policies": mutable, "Tier": mutable, "Tags": mutable},
		attributes: []string{"Type", "Value"},
		name:       "Name",
		tags:       "Tags",
	}
	check := func(rc *resourceCall) error {
		if t := rc.Props.str("Type"); t != "String" && t != "StringList" {
			return fail("ValidationException", "Properties validation failed for resource %s with message: #/Type: %s is not a valid enum value", rc.LogicalID, t)
		}
		return nil
	}
	put := func(rc *resourceCall, name string, overwrite bool) (map[string]any, error) {
		if err := check(rc); err != nil {
			return nil, err
		}
		in := rc.pass("Type", "Value", "Description", "AllowedPattern", "DataType", "Policies", "Tier")
		in["Name"], in["Overwrite"] = name, overwrite
		if !overwrite {
			in["Tags"] = rc.tagList(rc.Props["Tags"])
		}
		if _, err := rc.do("ssm", "PutParameter", in); err != nil {
			return nil, err
		}
		return map[string]any{"Type": rc.Props.str("Type"), "Value": rc.Props.str("Value")}, nil
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		name := rc.Props.str("Name")
		if name == "" {
			name = "CFN-" + rc.LogicalID + "-" + rc.id(12)
		}
		attrs, err := put(rc, name, false)
		if err != nil {
			return "", nil, err
		}
		rc.noteTags(attrs)
		return name, attrs, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		attrs, err := put(rc, rc.PhysicalID, true)
		if err != nil {
			return nil, err
		}
		return attrs, rc.retagBy("ssm", "AddTagsToResource", "RemoveTagsFromResource",
			params{"ResourceType": "Parameter", "ResourceId": rc.PhysicalID}, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("ssm", "DeleteParameter", params{"Name": rc.PhysicalID})
		return tolerate(err, "NotFound")
	}
	return p
}
