package sandbox

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"axle/internal/late"
)

// iamState is what IAM keeps of one account.
type iamState struct {
	Roles    map[string]*iamRole      `json:"roles,omitempty"`
	Users    map[string]*iamUser      `json:"users,omitempty"`
	Policies map[string]*iamPolicy    `json:"policies,omitempty"` // customer managed, by ARN
	Alias    string                   `json:"alias,omitempty"`
	OIDC     map[string]*oidcProvider `json:"oidc,omitempty"` // by ARN
	Groups   map[string]*iamGroup     `json:"groups,omitempty"`
}

// iamPrincipal is what users and roles have in common.
type iamPrincipal struct {
	Name     string            `json:"name"`
	Path     string            `json:"path"`
	ARN      string            `json:"arn"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Tags     map[string]string `json:"tags,omitempty"`
	Inline   map[string]string `json:"inline,omitempty"`   // name -> document
	Attached []string          `json:"attached,omitempty"` // ARNs of managed policies
	Boundary string            `json:"boundary,omitempty"` // ARN
}

// iamUser is a user; its access keys are in state.Keys.
type iamUser struct {
	iamPrincipal
	Keys   []string `json:"keys,omitempty"`
	Groups []string `json:"groups,omitempty"` // sorted
}

const awsManaged = "arn:aws:iam::aws:policy/"

func (s *Sandbox) newPrincipal(account, kind, prefix, name, path string) iamPrincipal {
	return iamPrincipal{
		Name: name, Path: path, ARN: "arn:aws:iam::" + account + ":" + kind + path + name,
		ID: s.key(prefix, 21), Created: s.now().Truncate(time.Second),
	}
}

func (st *iamState) addUser(s *Sandbox, account, name, path string) *iamUser {
	if st.Users == nil {
		st.Users = map[string]*iamUser{}
	}
	u := &iamUser{iamPrincipal: s.newPrincipal(account, "user", "AIDA", name, path)}
	st.Users[name] = u
	return u
}

func (st *iamState) addRole(s *Sandbox, account, name, path, trust string) *iamRole {
	if st.Roles == nil {
		st.Roles = map[string]*iamRole{}
	}
	r := &iamRole{Trust: trust, MaxSession: 3600, iamPrincipal: s.newPrincipal(account, "role", "AROA", name, path)}
	st.Roles[name] = r
	return r
}

// addAccessRole makes the role that Organizations puts into accounts that it
// creates: administrator, trusting the management account.
func (st *iamState) addAccessRole(s *Sandbox, account, name, management string, at time.Time) {
	trust, _ := json.Marshal(obj{"Version": "2012-10-17", "Statement": []obj{{
		"Effect": "Allow", "Principal": obj{"AWS": "arn:aws:iam::" + management + ":root"}, "Action": "sts:AssumeRole",
	}}})
	r := st.addRole(s, account, name, "/", string(trust))
	r.Attached = []string{awsManaged + "AdministratorAccess"}
	r.Created = at
}

func (s *Sandbox) iamOps() map[string]operation {
	ops := map[string]operation{
		"ListAccountAliases":             {run: listAccountAliases},
		"CreateAccountAlias":             {run: createAccountAlias},
		"DeleteAccountAlias":             {run: deleteAccountAlias},
		"ListMFADevices":                 {run: listMFADevices},
		"ListSigningCertificates":        {run: emptyUserList("Certificates")},
		"ListServiceSpecificCredentials": {run: emptyUserList("ServiceSpecificCredentials")},
		"ListSSHPublicKeys":              {run: emptyUserList("SSHPublicKeys")},
	}
	for _, more := range []map[string]operation{roleOps(), userOps(), managedPolicyOps(), principalOps("Role"), principalOps("User"),
		groupOps(), oidcOps(), simulateOps(), detailsOps()} {
		for name, op := range more {
			ops[name] = op
		}
	}
	return ops
}

// onPath is the ARN that a list needs permission on: the beginning of those
// that it gives.
func onPath(kind string) func(*call) []string {
	return func(c *call) []string {
		return []string{"arn:aws:iam::" + c.Account.ID + ":" + kind + c.In.or("PathPrefix", "/")}
	}
}

// iamFail makes IAM's errors, whose statuses differ by code.
func iamFail(code, format string, args ...any) error {
	e := fail(code, format, args...)
	switch code {
	case "NoSuchEntity":
		e.Status = 404
	case "EntityAlreadyExists", "DeleteConflict", "LimitExceeded":
		e.Status = 409
	}
	return e
}

var (
	iamNames = late.MustCompile(`^[\w+=,.@-]+$`)
	iamPaths = late.MustCompile(`^/(?:[!-~]*/)?$`)
)

// checkName refuses names that IAM refuses; field is the parameter's.
func checkName(field, name string, longest int) error {
	lower := strings.ToLower(field[:1]) + field[1:]
	switch {
	case name == "":
		return iamFail("ValidationError", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", lower)
	case len(name) > longest:
		return iamFail("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", name, lower, longest)
	case !iamNames.MatchString(name):
		return iamFail("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", lower)
	}
	return nil
}

// takenName says whether an entity of an account has a name, which "are not
// distinguished by case" (CreateRole, CreateUser, CreateGroup).
func takenName[T any](entities map[string]T, name string) bool {
	if _, taken := entities[name]; taken {
		return true
	}
	for other := range entities {
		if strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

// required refuses a call that lacks what the operation can't do without.
func (c *call) required(names ...string) error {
	for _, n := range names {
		if !c.In.has(n) {
			return iamFail("ValidationError", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", strings.ToLower(n[:1])+n[1:])
		}
	}
	return nil
}

// checkPath gives the path of a new entity.
func checkPath(in params) (string, error) {
	path := in.or("Path", "/")
	if len(path) > 512 || !iamPaths.MatchString(path) {
		return "", iamFail("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return path, nil
}

// checkIAMTags applies IAM's restrictions. Only services may set aws: tags.
func (c *call) checkIAMTags(tags []params) error {
	if len(tags) > 50 {
		return iamFail("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	for _, t := range tags {
		switch k := t.str("Key"); {
		case k == "" || len(k) > 128 || len(t.str("Value")) > 256:
			return iamFail("InvalidInput", "Tag keys have 1 to 128 characters, values at most 256.")
		case strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "":
			return iamFail("InvalidInput", "Tag keys that begin with aws: are reserved.")
		}
	}
	return nil
}

// iamDocument is how IAM shows a policy document.
func iamDocument(doc string) string { return strings.ReplaceAll(url.QueryEscape(doc), "+", "%20") }

// iamPage adds a page of items to an output, in IAM's way.
func iamPage[T any](c *call, field string, items []T, key func(T) string, show func(T) any) (obj, error) {
	size := c.In.int("MaxItems", 100)
	if size < 1 || size > 1000 {
		return nil, iamFail("ValidationError", "1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", size)
	}
	page, next, ok := paginate(c.Sandbox, items, key, c.In.str("Marker"), size)
	if !ok {
		return nil, iamFail("ValidationError", "Invalid Marker.")
	}
	list := make([]any, 0, len(page))
	for _, item := range page {
		list = append(list, show(item))
	}
	return obj{field: list, "IsTruncated": next != "", "Marker": optional(next)}, nil
}

func listAccountAliases(c *call) (obj, error) {
	aliases := []string{}
	if c.Account.IAM.Alias != "" {
		aliases = append(aliases, c.Account.IAM.Alias)
	}
	return obj{"AccountAliases": aliases, "IsTruncated": false}, nil
}

func createAccountAlias(c *call) (obj, error) {
	if err := c.required("AccountAlias"); err != nil {
		return nil, err
	}
	c.Account.IAM.Alias = c.In.str("AccountAlias")
	return nil, nil
}

func deleteAccountAlias(c *call) (obj, error) {
	if c.Account.IAM.Alias == "" || c.Account.IAM.Alias != c.In.str("AccountAlias") {
		return nil, iamFail("NoSuchEntity", "The account alias %s does not exist.", c.In.str("AccountAlias"))
	}
	c.Account.IAM.Alias = ""
	return nil, nil
}
