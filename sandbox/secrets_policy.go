package sandbox

import "strings"

// secretPolicy is the secret's policy by which requests are judged now: in an
// unkind sandbox for a moment still the one before.
func (c *call) secretPolicy(sec *secret) string {
	if c.stale(sec.PolicyChanged) {
		return sec.PolicyWas
	}
	return c.bound(sec.Policy, sec.Bound)
}

// checkSecretPolicy gives the ids of the policy's principals, or what is wrong
// with it.
func (c *call) checkSecretPolicy(doc string) (map[string]string, error) {
	if doc == "" || len(doc) > 20480 {
		return nil, fail("InvalidParameterException", "The resource policy must have 1 to 20480 characters.")
	}
	bound, err := c.checkResourcePolicy(doc, "secretsmanager:")
	if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
		return nil, fail("MalformedPolicyDocumentException", "This resource policy contains an unsupported principal.")
	}
	if err != nil {
		return nil, fail("MalformedPolicyDocumentException", "This resource policy contains a syntax error: %s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	return bound, nil
}

func putSecretPolicy(c *call, sec *secret) (obj, error) {
	doc := c.In.str("ResourcePolicy")
	bound, err := c.checkSecretPolicy(doc)
	if err != nil {
		return nil, err
	}
	if c.In.bool("BlockPublicPolicy") && publicPolicy(doc) {
		return nil, fail("PublicPolicyException", "You can't attach a resource policy that allows broad access to the secret.")
	}
	sec.setPolicy(c, doc, bound)
	return obj{"ARN": sec.ARN, "Name": sec.Name}, nil
}

func (sec *secret) setPolicy(c *call, doc string, bound map[string]string) {
	sec.PolicyWas, sec.PolicyChanged = sec.Policy, c.now()
	sec.Policy, sec.Bound = doc, bound
}

func getSecretPolicy(c *call, sec *secret) (obj, error) {
	return obj{"ARN": sec.ARN, "Name": sec.Name, "ResourcePolicy": optional(c.bound(sec.Policy, sec.Bound))}, nil
}

func deleteSecretPolicy(c *call, sec *secret) (obj, error) {
	sec.setPolicy(c, "", nil)
	return obj{"ARN": sec.ARN, "Name": sec.Name}, nil
}
