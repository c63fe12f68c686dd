package sandbox

import (
	"encoding/json"
	"slices"
	"strings"

	"axle/policy"
)

// farKeyOps are the operations that KMS takes for a key of another account;
// whatever a key policy says of others has no effect (KMS Developer Guide,
// "Allowing users in other accounts to use a KMS key").
var farKeyOps = []string{"CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
	"GetKeyRotationStatus", "ListGrants", "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "RevokeGrant"}

// keyAccess is the permission on the key that a name stands for. A key that
// isn't there is refused: as such to those who may know, who are those that
// would be allowed if it had the default policy.
func (c *call) keyAccess(name, action string, context map[string]string) (*kmsKey, access, error) {
	n, err := c.readKeyName(name)
	if err != nil {
		return nil, access{}, err
	}
	k := c.keyAt(n)
	a := access{Action: action, Resource: n.arn(c.Region), Owner: n.Account, Context: c.keyConditions(k, n, context)}
	if k == nil {
		if n.Account != c.Account.ID {
			return nil, a, c.keyDenied(a)
		}
		a.Policy = defaultKeyPolicy(n.Account)
		if d, req := c.decide(a); !d.Allowed() {
			return nil, a, refuse(services["kms"], accessDenied, c.denial(d, req))
		}
		if n.Alias != "" {
			return nil, a, fail("NotFoundException", "Alias %s is not found.", a.Resource)
		}
		return nil, a, fail("NotFoundException", "Key '%s' does not exist", a.Resource)
	}
	a.Resource, a.Policy, a.Exempt = k.arn(), c.inForce(&k.Policy), k.Service != ""
	return k, a, nil
}

// keyDenied is KMS's refusal that doesn't tell whether the key exists.
func (c *call) keyDenied(a access) error {
	return refuse(services["kms"], accessDenied, "User: "+c.Who.ARN+" is not authorized to perform: "+a.Action+" on resource: "+a.Resource+
		" because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
}

// mayUseKey refuses unless policies or a grant let the caller.
func (c *call) mayUseKey(k *kmsKey, a access) error {
	_, op, _ := strings.Cut(a.Action, ":")
	if k.Account != c.Who.Account && c.Who.Type != "service" && !slices.Contains(farKeyOps, op) {
		return c.keyDenied(a)
	}
	d, req := c.decide(a)
	if d.Allowed() || d.Verdict == policy.ImplicitDeny && c.granted(k, a) {
		return nil
	}
	return refuse(services["kms"], accessDenied, c.denial(d, req))
}

// keyConditions are the condition keys of a request about a key.
func (c *call) keyConditions(k *kmsKey, n keyName, context map[string]string) map[string][]string {
	ctx := map[string][]string{}
	if c.Who.Type != "service" {
		ctx["kms:CallerAccount"] = []string{c.Who.Account}
	}
	if n.Alias != "" {
		ctx["kms:RequestAlias"] = []string{n.Alias}
	}
	for _, name := range sortedKeys(context) {
		ctx["kms:EncryptionContext:"+name] = []string{context[name]}
		ctx["kms:EncryptionContextKeys"] = append(ctx["kms:EncryptionContextKeys"], name)
	}
	if k == nil {
		return ctx
	}
	for name, v := range k.Tags {
		ctx["aws:ResourceTag/"+name] = []string{v}
	}
	ctx["kms:KeyOrigin"], ctx["kms:KeySpec"], ctx["kms:KeyUsage"] = []string{"AWS_KMS"}, []string{"SYMMETRIC_DEFAULT"}, []string{"ENCRYPT_DECRYPT"}
	ctx["kms:MultiRegion"] = []string{"false"}
	if names := c.aliasesOf(k); len(names) > 0 {
		ctx["kms:ResourceAliases"] = names
	}
	return ctx
}

// aliasesOf are the names of a key, sorted.
func (c *call) aliasesOf(k *kmsKey) []string {
	var names []string
	aliases := c.account(k.Account).region(k.Region).KMS.Aliases
	for _, name := range sortedKeys(aliases) {
		if aliases[name].Key == k.ID {
			names = append(names, name)
		}
	}
	return names
}

// checkKeyPolicy refuses what isn't a key policy, and one after which the
// caller couldn't change it again.
func (c *call) checkKeyPolicy(k *kmsKey, doc string, bypass bool) (map[string]string, error) {
	if len(doc) > 32768 {
		return nil, fail("LimitExceededException", "The key policy is larger than 32768 bytes.")
	}
	if !json.Valid([]byte(doc)) {
		return nil, fail("MalformedPolicyDocumentException", "Policy is not valid JSON.")
	}
	bound, err := c.checkResourcePolicy(doc, "kms:")
	if err == nil {
		err = c.known(bound)
	}
	if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
		return nil, fail("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
	}
	if err != nil {
		return nil, fail("MalformedPolicyDocumentException", "%s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	if bypass {
		return bound, nil
	}
	d, _ := c.decide(access{Action: "kms:PutKeyPolicy", Resource: k.arn(), Owner: k.Account, Policy: doc,
		Context: c.keyConditions(k, keyName{}, nil)})
	// What the key policy leaves to the account, its administrators can give themselves.
	if !d.Allowed() && d.Kind == policy.ResourcePolicy {
		return nil, fail("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	return bound, nil
}

// known refuses principals that were made a moment ago: an unkind sandbox's
// other services haven't heard of them yet.
func (c *call) known(bound map[string]string) error {
	for arn := range bound {
		m := principalARN.FindStringSubmatch(arn)
		if m == nil {
			continue
		}
		kind, rest, _ := strings.Cut(m[3], "/")
		if a := c.account(m[2]); a != nil && kind == "role" {
			if r := a.IAM.Roles[rest[strings.LastIndex(rest, "/")+1:]]; r != nil && c.stale(r.Created) {
				return fail("PrincipalNotFound", "%s", arn)
			}
		}
	}
	return nil
}

// keyTrouble is a refusal of KMS in the words of the service that used it.
// foreign: the key is the AWS-managed one of another account.
func keyTrouble(via string, foreign bool, action string, err error) error {
	e, ok := err.(*apiError)
	if !ok {
		return err
	}
	denied, missing := e.Code == "AccessDeniedException", e.Code == "NotFoundException" || e.Code == "InvalidArnException"
	svc := services[via]
	switch via {
	case "secretsmanager":
		switch {
		case foreign:
			return fail("InvalidRequestException", "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.")
		case denied:
			return refuse(svc, accessDenied, "Access to KMS is not allowed")
		case action == "kms:Decrypt":
			return fail("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key. %s", e.Message)
		}
		return fail("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key. %s", e.Message)
	case "ssm":
		if !denied {
			return fail("InvalidKeyId", "%s (Service: AWSKMS; Status Code: 400; Error Code: %s)", e.Message, e.Code)
		}
	case "s3":
		if !denied {
			return &apiError{Status: 400, Code: "KMS." + e.Code, Message: e.Message}
		}
	case "sqs":
		return &apiError{Status: 400, Code: "KMS." + strings.Replace(e.Code, "KMSInvalid", "Invalid", 1), Message: e.Message}
	case "sns":
		code := map[string]string{"DisabledException": "KMSDisabled", "KMSInvalidStateException": "KMSInvalidState"}[e.Code]
		switch {
		case denied:
			code = "KMSAccessDenied"
		case missing:
			code = "KMSNotFound"
		}
		return &apiError{Status: 400, Code: code, Message: e.Message}
	case "dynamodb":
		if !denied {
			return fail("ValidationException", "One or more parameter values were invalid: %s", e.Message)
		}
		return refuse(svc, accessDenied, "KMS key access denied error: "+e.Message+" (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)")
	}
	return refuse(svc, accessDenied, e.Message)
}
