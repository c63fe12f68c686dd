package sandbox

import (
	"encoding/json"
	"reflect"
)

// secretsProviders are Secrets Manager's resource types.
func secretsProviders() map[string]provider {
	return map[string]provider{
		"AWS::SecretsManager::Secret":         secretProvider(),
		"AWS::SecretsManager::ResourcePolicy": secretPolicyProvider(),
	}
}

// secretProvider makes secrets; Ref gives the ARN. The value is in no attribute.
func secretProvider() provider {
	p := provider{
		properties: map[string]property{"Name": replaces, "Description": mutable, "KmsKeyId": mutable, "SecretString": mutable,
			"GenerateSecretString": mutable, "ReplicaRegions": mutable, "Type": mutable, "Tags": mutable},
		attributes: []string{"Id"},
		name:       "Name",
		tags:       "Tags",
		secret:     "SecretString",
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass("Description", "KmsKeyId")
		if in["Name"] = rc.Props.str("Name"); in.str("Name") == "" {
			in["Name"] = rc.LogicalID + "-" + rc.id(12)
		}
		value, err := rc.secretString()
		if err != nil {
			return "", nil, err
		}
		if value != "" {
			in["SecretString"] = value
		}
		in["Tags"] = rc.tagList(rc.Props["Tags"])
		out, err := rc.do("secretsmanager", "CreateSecret", in)
		if err != nil {
			return "", nil, err
		}
		arn := text(out["ARN"])
		attrs := map[string]any{"Id": arn}
		rc.noteTags(attrs)
		return arn, attrs, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		in := params{"SecretId": rc.PhysicalID}
		for _, k := range []string{"Description", "KmsKeyId"} {
			if rc.Props.str(k) != rc.OldProps.str(k) {
				in[k] = rc.Props.str(k)
			}
		}
		if rc.Props.str("SecretString") != rc.OldProps.str("SecretString") || !reflect.DeepEqual(rc.Props["GenerateSecretString"], rc.OldProps["GenerateSecretString"]) {
			value, err := rc.secretString()
			if err != nil {
				return nil, err
			}
			if value != "" {
				in["SecretString"] = value
			}
		}
		if len(in) > 1 {
			if _, err := rc.do("secretsmanager", "UpdateSecret", in); err != nil {
				return nil, err
			}
		}
		attrs := map[string]any{"Id": rc.PhysicalID}
		return attrs, rc.retagBy("secretsmanager", "TagResource", "UntagResource", params{"SecretId": rc.PhysicalID}, attrs)
	}
	p.remove = func(rc *resourceCall) error { // at once: a stack's secret has no recovery window
		if _, err := rc.do("secretsmanager", "DescribeSecret", params{"SecretId": rc.PhysicalID}); err != nil {
			return tolerate(err, "ResourceNotFoundException")
		}
		_, err := rc.do("secretsmanager", "DeleteSecret", params{"SecretId": rc.PhysicalID, "ForceDeleteWithoutRecovery": true})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// secretString is the value that the template gives or has generated; "" for
// none.
func (rc *resourceCall) secretString() (string, error) {
	if err := rc.refuse("ReplicaRegions", "Type"); err != nil {
		return "", err
	}
	given := rc.Props.str("SecretString")
	if !rc.Props.has("GenerateSecretString") {
		return given, nil
	}
	if given != "" {
		return "", fail("InvalidRequest", "You can't specify both SecretString and GenerateSecretString.")
	}
	spec := rc.Props.obj("GenerateSecretString")
	in := params{}
	for _, k := range []string{"ExcludeCharacters", "ExcludeLowercase", "ExcludeNumbers", "ExcludePunctuation", "ExcludeUppercase",
		"IncludeSpace", "PasswordLength", "RequireEachIncludedType"} {
		if spec.has(k) {
			in[k] = spec.str(k)
		}
	}
	key, template := spec.str("GenerateStringKey"), spec.str("SecretStringTemplate")
	var doc map[string]any
	if (key == "") != (template == "") || template != "" && json.Unmarshal([]byte(template), &doc) != nil {
		return "", fail("InvalidRequest", "GenerateStringKey and SecretStringTemplate belong together, and the template must be a JSON object.")
	}
	out, err := rc.do("secretsmanager", "GetRandomPassword", in)
	if err != nil || key == "" {
		return text(out["RandomPassword"]), err
	}
	doc[key] = out["RandomPassword"]
	return documentText(doc), nil
}

// secretPolicyProvider puts a secret's policy; its id is the secret's ARN.
func secretPolicyProvider() provider {
	set := func(rc *resourceCall, id string) error {
		in := params{"SecretId": id, "ResourcePolicy": documentText(rc.Props["ResourcePolicy"])}
		if rc.Props.has("BlockPublicPolicy") {
			in["BlockPublicPolicy"] = rc.Props.str("BlockPublicPolicy")
		}
		_, err := rc.do("secretsmanager", "PutResourcePolicy", in)
		return err
	}
	return provider{
		properties: map[string]property{"SecretId": required | replaces, "ResourcePolicy": required, "BlockPublicPolicy": mutable},
		attributes: []string{"Id"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			id := rc.Props.str("SecretId")
			held, err := rc.do("secretsmanager", "GetResourcePolicy", params{"SecretId": id})
			if err != nil {
				return "", nil, err
			}
			if held["ResourcePolicy"] != nil {
				return "", nil, &resourceError{Service: "secretsmanager", Err: fail("AlreadyExists", "The secret %s has a resource policy already.", id)}
			}
			if err := set(rc, id); err != nil {
				return "", nil, err
			}
			arn := text(held["ARN"])
			return arn, map[string]any{"Id": arn}, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) {
			return map[string]any{"Id": rc.PhysicalID}, set(rc, rc.PhysicalID)
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.do("secretsmanager", "DeleteResourcePolicy", params{"SecretId": rc.PhysicalID})
			return tolerate(err, "ResourceNotFoundException")
		},
	}
}
