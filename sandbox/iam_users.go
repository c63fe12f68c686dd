package sandbox

import (
	"slices"
	"strings"
	"time"
)

func userOps() map[string]operation {
	return map[string]operation{
		"CreateUser":      {run: createUser, access: createAccess("User", "user")},
		"GetUser":         {run: getUser, resources: onUser},
		"ListUsers":       {run: listUsers, resources: onPath("user")},
		"DeleteUser":      {run: deleteUser, resources: onUser},
		"CreateAccessKey": {run: createAccessKey, resources: onUser},
		"ListAccessKeys":  {run: listAccessKeys, resources: onUser},
		"UpdateAccessKey": {run: updateAccessKey, resources: onUser},
		"DeleteAccessKey": {run: deleteAccessKey, resources: onUser},
	}
}

// ofCaller are the operations in which the user whose key signed needn't be named.
var ofCaller = []string{"GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "ListMFADevices",
	"ListSigningCertificates", "ListServiceSpecificCredentials", "ListSSHPublicKeys"}

// user finds the user that the call names, or whose key signed it.
func (c *call) user() (*iamUser, error) {
	name := c.In.str("UserName")
	if name == "" && slices.Contains(ofCaller, c.Op) {
		if c.Who.User == "" {
			return nil, iamFail("ValidationError", "Must specify userName when calling with non-User credentials")
		}
		name = c.Who.User
	}
	if err := checkName("UserName", name, 64); err != nil {
		return nil, err
	}
	if u := c.Account.IAM.Users[name]; u != nil {
		return u, nil
	}
	return nil, iamFail("NoSuchEntity", "The user with name %s cannot be found.", name)
}

func onUser(c *call) []string {
	name := c.In.or("UserName", c.Who.User)
	if u := c.Account.IAM.Users[name]; u != nil {
		return []string{u.ARN}
	}
	return []string{"arn:aws:iam::" + c.Account.ID + ":user/" + name}
}

func createUser(c *call) (obj, error) {
	name := c.In.str("UserName")
	if err := checkName("UserName", name, 64); err != nil {
		return nil, err
	}
	path, err := checkPath(c.In)
	if err != nil {
		return nil, err
	}
	if takenName(c.Account.IAM.Users, name) {
		return nil, iamFail("EntityAlreadyExists", "User with name %s already exists.", name)
	}
	if err := c.checkIAMTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	if err := c.checkBoundary(c.In.str("PermissionsBoundary")); err != nil {
		return nil, err
	}
	u := c.Account.IAM.addUser(c.Sandbox, c.Account.ID, name, path)
	u.Tags, u.Boundary = c.In.tags("Tags"), c.In.str("PermissionsBoundary")
	return obj{"User": showUser(u)}, nil
}

func showUser(u *iamUser) obj {
	out := obj{"UserName": u.Name, "UserId": u.ID, "Arn": u.ARN, "Path": u.Path, "CreateDate": u.Created}
	u.decorate(out)
	return out
}

func getUser(c *call) (obj, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return obj{"User": showUser(u)}, nil
}

func listUsers(c *call) (obj, error) {
	var users []*iamUser
	for _, name := range sortedKeys(c.Account.IAM.Users) {
		if u := c.Account.IAM.Users[name]; strings.HasPrefix(u.Path, c.In.or("PathPrefix", "/")) {
			users = append(users, u)
		}
	}
	return iamPage(c, "Users", users, func(u *iamUser) string { return u.Name }, func(u *iamUser) any {
		out := showUser(u)
		delete(out, "Tags")
		delete(out, "PermissionsBoundary")
		return out
	})
}

func deleteUser(c *call) (obj, error) {
	u, err := c.user()
	switch {
	case err != nil:
		return nil, err
	case len(u.Keys) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must delete access keys first.")
	case len(u.Groups) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must remove users from group first.")
	case len(u.Attached) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(u.Inline) > 0:
		return nil, iamFail("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	delete(c.Account.IAM.Users, u.Name)
	return nil, nil
}

func createAccessKey(c *call) (obj, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	if len(u.Keys) >= 2 {
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	}
	key := c.key("AKIA", 20)
	id := &identity{
		Account: c.Account.ID, ARN: u.ARN, Type: "user", User: u.Name, UserID: u.ID,
		Secret: c.id(40), Created: c.now().Truncate(time.Second),
	}
	c.st.Keys[key] = id
	u.Keys = append(u.Keys, key)
	return obj{"AccessKey": obj{
		"UserName": u.Name, "AccessKeyId": key, "Status": "Active", "SecretAccessKey": id.Secret, "CreateDate": id.Created,
	}}, nil
}

func listAccessKeys(c *call) (obj, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return iamPage(c, "AccessKeyMetadata", slices.Sorted(slices.Values(u.Keys)), same, func(key string) any {
		status := "Active"
		if c.st.Keys[key].Inactive {
			status = "Inactive"
		}
		return obj{"UserName": u.Name, "AccessKeyId": key, "Status": status, "CreateDate": c.st.Keys[key].Created}
	})
}

// accessKey finds the key that the call names among the user's.
func (c *call) accessKey() (*iamUser, string, error) {
	u, err := c.user()
	if err != nil {
		return nil, "", err
	}
	key := c.In.str("AccessKeyId")
	if !slices.Contains(u.Keys, key) {
		return nil, "", iamFail("NoSuchEntity", "The Access Key with id %s cannot be found.", key)
	}
	return u, key, nil
}

func updateAccessKey(c *call) (obj, error) {
	_, key, err := c.accessKey()
	if err != nil {
		return nil, err
	}
	switch status := c.In.str("Status"); status {
	case "Active", "Inactive":
		c.st.Keys[key].Inactive = status == "Inactive"
	default:
		return nil, iamFail("ValidationError", "1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", status)
	}
	return nil, nil
}

func deleteAccessKey(c *call) (obj, error) {
	u, key, err := c.accessKey()
	if err != nil {
		return nil, err
	}
	delete(c.st.Keys, key)
	u.Keys = slices.DeleteFunc(slices.Clone(u.Keys), func(k string) bool { return k == key })
	return nil, nil
}

// The sandbox has no MFA devices or other credentials of users: the lists that
// tools read before they delete a user are truly empty.
func listMFADevices(c *call) (obj, error) { return emptyUserList("MFADevices")(c) }

func emptyUserList(field string) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		if _, err := c.user(); err != nil {
			return nil, err
		}
		return obj{field: []any{}, "IsTruncated": false}, nil
	}
}
