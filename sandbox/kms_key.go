package sandbox

import (
	"encoding/hex"
	"strings"
	"time"
)

// onKey is an operation on the key that KeyId names.
func onKey(run func(*call, *kmsKey) (obj, error)) operation {
	return operation{
		access: func(c *call) ([]access, error) {
			k, a, err := c.keyAccess(c.In.str("KeyId"), "kms:"+c.Op, c.In.strMap("EncryptionContext"))
			if err != nil {
				return nil, err
			}
			c.keyInput(a.Context)
			return nil, c.mayUseKey(k, a)
		},
		run: func(c *call) (obj, error) {
			n, err := c.readKeyName(c.In.str("KeyId"))
			if err != nil {
				return nil, err
			}
			return run(c, c.keyAt(n))
		},
	}
}

// changing is onKey for operations that a key to be deleted doesn't take. One
// of AWS's is safe by its policy.
func changing(run func(*call, *kmsKey) (obj, error)) operation {
	return onKey(func(c *call, k *kmsKey) (obj, error) {
		if !k.Deletion.IsZero() {
			return nil, fail("KMSInvalidStateException", "%s is pending deletion.", k.arn())
		}
		return run(c, k)
	})
}

// keyInput are the condition keys that some operations have of their input.
func (c *call) keyInput(ctx map[string][]string) {
	for k, v := range requestTags(c.keyTags()) {
		ctx[k] = v
	}
	if c.In.has("BypassPolicyLockoutSafetyCheck") {
		ctx["kms:BypassPolicyLockoutSafetyCheck"] = []string{c.In.str("BypassPolicyLockoutSafetyCheck")}
	}
	switch c.Op {
	case "UntagResource":
		ctx["aws:TagKeys"] = c.In.strs("TagKeys")
	case "ScheduleKeyDeletion":
		ctx["kms:ScheduleKeyDeletionPendingWindowInDays"] = []string{c.In.or("PendingWindowInDays", "30")}
	case "EnableKeyRotation":
		ctx["kms:RotationPeriodInDays"] = []string{c.In.or("RotationPeriodInDays", "365")}
	case "Encrypt", "Decrypt":
		ctx["kms:EncryptionAlgorithm"] = []string{c.In.or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")}
	case "CreateGrant":
		ctx["kms:GrantOperations"], ctx["kms:GranteePrincipal"] = c.In.strs("Operations"), []string{c.In.str("GranteePrincipal")}
		ctx["kms:GrantIsForAWSResource"] = []string{"false"}
	}
}

// newKey is a key of an account in the call's region, not yet kept.
func (c *call) newKey(account string) *kmsKey {
	material, _ := hex.DecodeString(c.id(64))
	return &kmsKey{ID: c.uuid(), Account: account, Region: c.Region, Created: c.now(), Material: material}
}

func createKeyAccess(c *call) ([]access, error) {
	ctx := requestTags(c.keyTags())
	ctx["kms:CallerAccount"] = []string{c.Account.ID}
	ctx["kms:KeyOrigin"], ctx["kms:MultiRegion"] = []string{c.In.or("Origin", "AWS_KMS")}, []string{text(c.In.bool("MultiRegion"))}
	ctx["kms:KeySpec"], ctx["kms:KeyUsage"] = []string{c.In.or("KeySpec", "SYMMETRIC_DEFAULT")}, []string{c.In.or("KeyUsage", "ENCRYPT_DECRYPT")}
	ctx["kms:BypassPolicyLockoutSafetyCheck"] = []string{text(c.In.bool("BypassPolicyLockoutSafetyCheck"))}
	needs := []access{{Action: "kms:CreateKey", Context: ctx}}
	if len(c.In.list("Tags")) > 0 {
		// No key has its ARN yet, and no policy: the account decides.
		needs = append(needs, access{Action: "kms:TagResource", Resource: c.arn("key/*"), Policy: defaultKeyPolicy(c.Account.ID), Context: ctx})
	}
	return needs, nil
}

func createKey(c *call) (obj, error) {
	spec, usage := c.In.or("KeySpec", c.In.or("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")), c.In.or("KeyUsage", "ENCRYPT_DECRYPT")
	switch {
	case spec != "SYMMETRIC_DEFAULT" || usage != "ENCRYPT_DECRYPT":
		return nil, fail("UnsupportedOperationException", "The sandbox has symmetric encryption keys only, not KeySpec %s with KeyUsage %s.", spec, usage)
	case c.In.bool("MultiRegion"):
		return nil, fail("UnsupportedOperationException", "The sandbox has no multi-Region keys.")
	case c.In.or("Origin", "AWS_KMS") != "AWS_KMS" || c.In.has("CustomKeyStoreId") || c.In.has("XksKeyId"):
		return nil, fail("UnsupportedOperationException", "The sandbox makes key material itself: it has no Origin %s.", c.In.or("Origin", "AWS_CLOUDHSM"))
	}
	tags := c.keyTags()
	if err := c.checkKeyTags(tags); err != nil {
		return nil, err
	}
	k := c.newKey(c.Account.ID)
	k.Description, k.Tags, k.Policy.Text = c.In.str("Description"), tags, defaultKeyPolicy(k.Account)
	if doc := c.In.str("Policy"); doc != "" {
		bound, err := c.checkKeyPolicy(k, doc, c.In.bool("BypassPolicyLockoutSafetyCheck"))
		if err != nil {
			return nil, err
		}
		k.Policy = policyText{Text: doc, Bound: bound}
	}
	put(&c.here().KMS.Keys, k.ID, k)
	return obj{"KeyMetadata": k.metadata()}, nil
}

// metadata is how KMS shows a key.
func (k *kmsKey) metadata() obj {
	out := obj{"AWSAccountId": k.Account, "KeyId": k.ID, "Arn": k.arn(), "CreationDate": k.Created, "Enabled": k.state() == "Enabled",
		"Description": k.Description, "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": k.state(), "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
		"CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT", "EncryptionAlgorithms": []string{"SYMMETRIC_DEFAULT"},
		"MultiRegion": false}
	if k.Service != "" {
		out["KeyManager"] = "AWS"
	}
	if !k.Deletion.IsZero() {
		out["DeletionDate"] = k.Deletion
	}
	return out
}

func describeKey(_ *call, k *kmsKey) (obj, error) { return obj{"KeyMetadata": k.metadata()}, nil }

func listKMSKeys(c *call) (obj, error) {
	keys := c.here().KMS.Keys
	page, next, err := kmsPage(c, sortedKeys(keys), 100)
	if err != nil {
		return nil, err
	}
	list := make([]obj, 0, len(page))
	for _, id := range page {
		list = append(list, obj{"KeyId": id, "KeyArn": keys[id].arn()})
	}
	return kmsList("Keys", list, next), nil
}

// kmsPage cuts a page out of names, as KMS does with Marker and Limit.
func kmsPage(c *call, names []string, size int) ([]string, string, error) {
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("Marker"), c.In.int("Limit", size))
	if !ok {
		return nil, "", fail("InvalidMarkerException", "The marker is not valid.")
	}
	return page, next, nil
}

func kmsList(field string, list any, next string) obj {
	return obj{field: list, "Truncated": next != "", "NextMarker": optional(next)}
}

func getKeyPolicy(c *call, k *kmsKey) (obj, error) {
	if name := c.In.or("PolicyName", "default"); name != "default" {
		return nil, fail("NotFoundException", "No such policy exists")
	}
	return obj{"Policy": c.bound(k.Policy.Text, k.Policy.Bound), "PolicyName": "default"}, nil
}

func putKeyPolicy(c *call, k *kmsKey) (obj, error) {
	if name := c.In.or("PolicyName", "default"); name != "default" {
		return nil, fail("NotFoundException", "No such policy exists")
	}
	doc := c.In.str("Policy")
	bound, err := c.checkKeyPolicy(k, doc, c.In.bool("BypassPolicyLockoutSafetyCheck"))
	if err != nil {
		return nil, err
	}
	k.Policy.change(doc, bound, c.now())
	return nil, nil
}

func setKeyEnabled(enabled bool) func(*call, *kmsKey) (obj, error) {
	return func(_ *call, k *kmsKey) (obj, error) {
		k.Disabled = !enabled
		return nil, nil
	}
}

func scheduleKeyDeletion(c *call, k *kmsKey) (obj, error) {
	days := c.In.int("PendingWindowInDays", 30)
	if days < 7 || days > 30 {
		return nil, fail("ValidationException", "PendingWindowInDays must be between 7 and 30 days (inclusive).")
	}
	k.Deletion = c.now().AddDate(0, 0, days)
	return obj{"KeyId": k.arn(), "DeletionDate": k.Deletion, "KeyState": k.state(), "PendingWindowInDays": days}, nil
}

// cancelKeyDeletion leaves the key disabled.
func cancelKeyDeletion(_ *call, k *kmsKey) (obj, error) {
	if k.Deletion.IsZero() {
		return nil, fail("KMSInvalidStateException", "%s is not pending deletion.", k.arn())
	}
	k.Deletion, k.Disabled = time.Time{}, true
	return obj{"KeyId": k.arn()}, nil
}

func enableKeyRotation(c *call, k *kmsKey) (obj, error) {
	days := c.In.int("RotationPeriodInDays", 365)
	switch {
	case k.Disabled:
		return nil, fail("DisabledException", "%s is disabled.", k.arn())
	case days < 90 || days > 2560:
		return nil, fail("ValidationException", "RotationPeriodInDays must be between 90 and 2560 days (inclusive).")
	}
	k.RotationDays, k.Rotating = days, c.now()
	return nil, nil
}

func disableKeyRotation(_ *call, k *kmsKey) (obj, error) {
	if k.Disabled {
		return nil, fail("DisabledException", "%s is disabled.", k.arn())
	}
	k.RotationDays, k.Rotating = 0, time.Time{}
	return nil, nil
}

func getKeyRotationStatus(_ *call, k *kmsKey) (obj, error) {
	out := obj{"KeyRotationEnabled": k.RotationDays > 0, "KeyId": k.arn()}
	if k.RotationDays > 0 {
		out["RotationPeriodInDays"], out["NextRotationDate"] = k.RotationDays, k.Rotating.AddDate(0, 0, k.RotationDays)
	}
	return out, nil
}

func updateKeyDescription(c *call, k *kmsKey) (obj, error) {
	k.Description = c.In.str("Description")
	return nil, nil
}

// keyTags reads the tags of the input, which KMS writes in its own way.
func (c *call) keyTags() map[string]string {
	tags := map[string]string{}
	for _, t := range c.In.list("Tags") {
		tags[t.str("TagKey")] = t.str("TagValue")
	}
	return tags
}

func (c *call) checkKeyTags(tags map[string]string) error {
	if len(tags) > 50+3 {
		return fail("LimitExceededException", "A key has at most 50 tags.")
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return fail("TagException", "The tag %s is not valid.", k)
		}
	}
	return nil
}

func tagKey(c *call, k *kmsKey) (obj, error) {
	all := map[string]string{}
	for _, tags := range []map[string]string{k.Tags, c.keyTags()} {
		for name, v := range tags {
			all[name] = v
		}
	}
	if err := c.checkKeyTags(all); err != nil {
		return nil, err
	}
	k.Tags = all
	return nil, nil
}

func untagKey(c *call, k *kmsKey) (obj, error) {
	for _, name := range c.In.strs("TagKeys") {
		delete(k.Tags, name)
	}
	return nil, nil
}

func listKeyTags(c *call, k *kmsKey) (obj, error) {
	page, next, err := kmsPage(c, sortedKeys(k.Tags), 50)
	if err != nil {
		return nil, err
	}
	list := make([]obj, 0, len(page))
	for _, name := range page {
		list = append(list, obj{"TagKey": name, "TagValue": k.Tags[name]})
	}
	return kmsList("Tags", list, next), nil
}

func taggedKeys(c *call) []taggedResource {
	var list []taggedResource
	for _, k := range c.here().KMS.Keys {
		list = append(list, taggedResource{k.arn(), k.Tags})
	}
	return list
}
