package sandbox

import "reflect"

// kmsProviders are KMS's resource types.
func kmsProviders() map[string]provider {
	return map[string]provider{
		"AWS::KMS::Key":   keyProvider(),
		"AWS::KMS::Alias": aliasProvider(),
	}
}

// keyProvider makes keys. Deleting one schedules its deletion.
func keyProvider() provider {
	return provider{
		properties: map[string]property{"BypassPolicyLockoutSafetyCheck": mutable, "Description": mutable, "Enabled": mutable,
			"EnableKeyRotation": mutable, "KeyPolicy": mutable, "KeySpec": mayReplace, "KeyUsage": mayReplace, "MultiRegion": mayReplace,
			"Origin": mayReplace, "PendingWindowInDays": mutable, "RotationPeriodInDays": mutable, "Tags": mutable},
		attributes: []string{"Arn", "KeyId"},
		tags:       "Tags",
		create:     createKeyResource,
		update:     updateKeyResource,
		remove:     removeKeyResource,
	}
}

// onKeyID calls an operation on the resource's key.
func (rc *resourceCall) onKeyID(id, op string, in params) error {
	if in == nil {
		in = params{}
	}
	in["KeyId"] = id
	_, err := rc.do("kms", op, in)
	return err
}

// enabled is true unless the properties say otherwise.
func enabled(props params) bool { return !props.has("Enabled") || props.bool("Enabled") }

// rotation is the input for turning it on; nil when it is off.
func rotation(props params) params {
	if !props.bool("EnableKeyRotation") {
		return nil
	}
	in := params{}
	if props.has("RotationPeriodInDays") {
		in["RotationPeriodInDays"] = props.str("RotationPeriodInDays")
	}
	return in
}

// keyTagList is tagList as KMS writes tags.
func (rc *resourceCall) keyTagList() []any {
	var out []any
	tags := rc.tags(rc.Props["Tags"])
	for _, k := range sortedKeys(tags) {
		out = append(out, map[string]any{"TagKey": k, "TagValue": tags[k]})
	}
	return out
}

func createKeyResource(rc *resourceCall) (string, map[string]any, error) {
	in := rc.pass("BypassPolicyLockoutSafetyCheck", "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
	if rc.Props.has("KeyPolicy") {
		in["Policy"] = documentText(rc.Props["KeyPolicy"])
	}
	in["Tags"] = rc.keyTagList()
	out, err := rc.do("kms", "CreateKey", in)
	if err != nil {
		return "", nil, err
	}
	made, _ := out["KeyMetadata"].(obj)
	id, attrs := text(made["KeyId"]), map[string]any{"Arn": made["Arn"], "KeyId": made["KeyId"]}
	rc.noteTags(attrs)
	if on := rotation(rc.Props); on != nil {
		if err := rc.onKeyID(id, "EnableKeyRotation", on); err != nil {
			return id, attrs, err
		}
	}
	if !enabled(rc.Props) {
		return id, attrs, rc.onKeyID(id, "DisableKey", nil)
	}
	return id, attrs, nil
}

// updateKeyResource turns the key on first and off last, as rotation is
// refused for one that is off.
func updateKeyResource(rc *resourceCall) (map[string]any, error) {
	id, was, now := rc.PhysicalID, rc.OldProps, rc.Props
	if err := rc.sameKey(id); err != nil {
		return nil, err
	}
	type step struct {
		needed bool
		op     string
		in     params
	}
	on := rotation(now)
	rotates, rotated := on != nil, rotation(was) != nil
	steps := []step{
		{enabled(now) && !enabled(was), "EnableKey", nil},
		{rotates && (!rotated || now.str("RotationPeriodInDays") != was.str("RotationPeriodInDays")), "EnableKeyRotation", on},
		{!rotates && rotated, "DisableKeyRotation", nil},
		{now.str("Description") != was.str("Description"), "UpdateKeyDescription", params{"Description": now.str("Description")}},
	}
	if !reflect.DeepEqual(now["KeyPolicy"], was["KeyPolicy"]) {
		doc := defaultKeyPolicy(rc.Account.ID)
		if now.has("KeyPolicy") {
			doc = documentText(now["KeyPolicy"])
		}
		steps = append(steps, step{true, "PutKeyPolicy", params{"Policy": doc, "BypassPolicyLockoutSafetyCheck": now.bool("BypassPolicyLockoutSafetyCheck")}})
	}
	var stale []any
	wanted := rc.tags(now["Tags"])
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, k)
		}
	}
	tagged := !reflect.DeepEqual(now["Tags"], was["Tags"]) || len(stale) > 0 || len(wanted) != len(listOf(rc.OldAttrs[taggedAttribute]))
	steps = append(steps, step{len(stale) > 0, "UntagResource", params{"TagKeys": stale}},
		step{tagged, "TagResource", params{"Tags": rc.keyTagList()}},
		step{!enabled(now) && enabled(was), "DisableKey", nil})
	for _, s := range steps {
		if !s.needed {
			continue
		}
		if err := rc.onKeyID(id, s.op, s.in); err != nil {
			return nil, err
		}
	}
	attrs := map[string]any{"Arn": rc.OldAttrs["Arn"], "KeyId": rc.OldAttrs["KeyId"]}
	rc.noteTags(attrs)
	return attrs, nil
}

// sameKey refuses another kind of key: "If you change the value of the KeySpec,
// KeyUsage, Origin, or MultiRegion properties of an existing KMS key, the update
// request fails" (AWS::KMS::Key).
func (rc *resourceCall) sameKey(id string) error {
	out, err := rc.do("kms", "DescribeKey", params{"KeyId": id})
	if err != nil {
		return err
	}
	is, _ := out["KeyMetadata"].(obj)
	for _, fixed := range [][2]string{{"KeySpec", "SYMMETRIC_DEFAULT"}, {"KeyUsage", "ENCRYPT_DECRYPT"}, {"MultiRegion", "false"}, {"Origin", "AWS_KMS"}} {
		if rc.Props.or(fixed[0], fixed[1]) != text(is[fixed[0]]) {
			return &resourceError{Service: "kms", Err: fail("ValidationException", "You cannot change the %s property of an existing KMS key", fixed[0])}
		}
	}
	return nil
}

func removeKeyResource(rc *resourceCall) error {
	out, err := rc.do("kms", "DescribeKey", params{"KeyId": rc.PhysicalID})
	if err != nil {
		return tolerate(err, "NotFoundException")
	}
	if made, _ := out["KeyMetadata"].(obj); made["KeyState"] == "PendingDeletion" {
		return nil
	}
	in := params{}
	if rc.Props.has("PendingWindowInDays") {
		in["PendingWindowInDays"] = rc.Props.str("PendingWindowInDays")
	}
	return rc.onKeyID(rc.PhysicalID, "ScheduleKeyDeletion", in)
}

// aliasProvider makes aliases; Ref gives the name.
func aliasProvider() provider {
	call := func(rc *resourceCall, op string) error {
		_, err := rc.do("kms", op, rc.pass("AliasName", "TargetKeyId"))
		return err
	}
	return provider{
		properties: map[string]property{"AliasName": required | replaces, "TargetKeyId": required},
		name:       "AliasName",
		create: func(rc *resourceCall) (string, map[string]any, error) {
			if err := call(rc, "CreateAlias"); err != nil {
				return "", nil, err
			}
			return rc.Props.str("AliasName"), nil, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) { return nil, call(rc, "UpdateAlias") },
		remove: func(rc *resourceCall) error {
			_, err := rc.do("kms", "DeleteAlias", params{"AliasName": rc.PhysicalID})
			return tolerate(err, "NotFoundException")
		},
	}
}
