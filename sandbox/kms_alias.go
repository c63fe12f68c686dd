package sandbox

import "strings"

// aliasARN is the ARN of an alias of the caller's account.
func (c *call) aliasARN(name string) string { return c.arn(name) }

// aliasAccess is what changing an alias needs: the action on the alias, by
// identity policies, and on each key that it names or named, by key policies.
func aliasAccess(targets ...func(*call) (string, error)) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		if !strings.HasPrefix(c.In.str("AliasName"), "alias/") {
			return nil, fail("ValidationException", "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
		}
		if err := c.check(access{Action: "kms:" + c.Op, Resource: c.aliasARN(c.In.str("AliasName"))}); err != nil {
			return nil, err
		}
		for _, target := range targets {
			id, err := target(c)
			if err != nil {
				return nil, err
			}
			k, a, err := c.keyAccess(id, "kms:"+c.Op, nil)
			if err == nil {
				err = c.mayUseKey(k, a)
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// aliasTarget is the key that the input wants for the alias.
func aliasTarget(c *call) (string, error) {
	id := c.In.str("TargetKeyId")
	if strings.Contains(id, "alias/") {
		return "", fail("ValidationException", "Aliases must refer to keys. Not aliases")
	}
	return id, nil
}

// aliasKey is the key that the alias has.
func aliasKey(c *call) (string, error) {
	alias, ok := c.here().KMS.Aliases[c.In.str("AliasName")]
	if !ok {
		return "", fail("NotFoundException", "Alias %s is not found.", c.aliasARN(c.In.str("AliasName")))
	}
	return alias.Key, nil
}

// aliased finds the key for an alias, which must be the caller's own.
func (c *call) aliased() (*kmsKey, error) {
	n, err := c.readKeyName(c.In.str("TargetKeyId"))
	if err != nil {
		return nil, err
	}
	k := c.keyAt(n)
	switch {
	case k == nil || k.Account != c.Account.ID:
		return nil, fail("NotFoundException", "Key '%s' does not exist", n.arn(c.Region))
	case !k.Deletion.IsZero():
		return nil, fail("KMSInvalidStateException", "%s is pending deletion.", k.arn())
	}
	return k, nil
}

// checkAliasName refuses names that aren't aliases, and those of AWS.
func checkAliasName(name string) error {
	switch {
	case strings.HasPrefix(name, "alias/aws/"):
		return fail("InvalidAliasNameException", "Alias must not use the reserved prefix alias/aws/.")
	case !aliasNames.MatchString(name):
		return fail("InvalidAliasNameException", "Alias contains invalid characters.")
	}
	return nil
}

func createAlias(c *call) (obj, error) {
	name, st := c.In.str("AliasName"), &c.here().KMS
	if err := checkAliasName(name); err != nil {
		return nil, err
	}
	if _, taken := st.Aliases[name]; taken {
		return nil, fail("AlreadyExistsException", "An alias with the name %s already exists", c.aliasARN(name))
	}
	k, err := c.aliased()
	if err != nil {
		return nil, err
	}
	put(&st.Aliases, name, kmsAlias{Key: k.ID, Created: c.now(), Updated: c.now()})
	return nil, nil
}

func updateAlias(c *call) (obj, error) {
	name, st := c.In.str("AliasName"), &c.here().KMS
	if err := checkAliasName(name); err != nil {
		return nil, err
	}
	k, err := c.aliased()
	if err != nil {
		return nil, err
	}
	alias := st.Aliases[name]
	alias.Key, alias.Updated = k.ID, c.now()
	st.Aliases[name] = alias
	return nil, nil
}

func deleteAlias(c *call) (obj, error) {
	name := c.In.str("AliasName")
	if err := checkAliasName(name); err != nil {
		return nil, err
	}
	delete(c.here().KMS.Aliases, name)
	return nil, nil
}

func listAliases(c *call) (obj, error) {
	aliases, only := c.here().KMS.Aliases, ""
	if id := c.In.str("KeyId"); id != "" {
		n, err := c.readKeyName(id)
		if err != nil {
			return nil, err
		}
		k := c.keyAt(n)
		if k == nil || k.Account != c.Account.ID {
			return nil, fail("NotFoundException", "Key '%s' does not exist", n.arn(c.Region))
		}
		only = k.ID
	}
	var names []string
	for _, name := range sortedKeys(aliases) {
		if only == "" || aliases[name].Key == only {
			names = append(names, name)
		}
	}
	page, next, err := kmsPage(c, names, 50)
	if err != nil {
		return nil, err
	}
	list := make([]obj, 0, len(page))
	for _, name := range page {
		a := aliases[name]
		list = append(list, obj{"AliasName": name, "AliasArn": c.aliasARN(name), "TargetKeyId": a.Key, "CreationDate": a.Created, "LastUpdatedDate": a.Updated})
	}
	return kmsList("Aliases", list, next), nil
}
