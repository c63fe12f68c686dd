package sandbox

import (
	"encoding/json"
	"time"
)

// iamState is what IAM keeps of one account.
type iamState struct {
	Roles    map[string]*iamRole    `json:"roles,omitempty"`
	Users    map[string]*iamUser    `json:"users,omitempty"`
	Policies map[string]*iamPolicy  `json:"policies,omitempty"` // customer managed, by ARN
	Profiles map[string]*iamProfile `json:"profiles,omitempty"` // instance profiles, by name
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

// iamRole is a role.
type iamRole struct {
	iamPrincipal
	Trust       string    `json:"trust"`
	Description string    `json:"description,omitempty"`
	MaxSession  int       `json:"max_session"` // seconds
	LastUsed    time.Time `json:"last_used,omitzero"`
	// Visible is when other services see the role or its latest trust policy,
	// in an unkind sandbox.
	Visible time.Time `json:"visible,omitzero"`
	// OldTrust is the trust policy that holds until then.
	OldTrust string `json:"old_trust,omitempty"`
}

// iamUser is a user; its access keys are in state.Keys.
type iamUser struct {
	iamPrincipal
	Keys []string `json:"keys,omitempty"`
}

// iamPolicy is a customer managed policy.
type iamPolicy struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ARN         string            `json:"arn"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Tags        map[string]string `json:"tags,omitempty"`
	Versions    []iamVersion      `json:"versions"` // oldest first
	Default     string            `json:"default"`
	Next        int               `json:"next"` // number of the next version
}

// iamVersion is one version of a managed policy.
type iamVersion struct {
	ID       string    `json:"id"`
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// iamProfile is an instance profile.
type iamProfile struct {
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ARN     string    `json:"arn"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Role    string    `json:"role,omitempty"`
}

const awsManaged = "arn:aws:iam::aws:policy/"

func (st *iamState) addUser(s *Sandbox, account, name, path string) *iamUser {
	if st.Users == nil {
		st.Users = map[string]*iamUser{}
	}
	u := &iamUser{iamPrincipal: iamPrincipal{
		Name: name, Path: path, ARN: "arn:aws:iam::" + account + ":user" + path + name,
		ID: s.key("AIDA", 21), Created: s.now(),
	}}
	st.Users[name] = u
	return u
}

func (st *iamState) addRole(s *Sandbox, account, name, path, trust string) *iamRole {
	if st.Roles == nil {
		st.Roles = map[string]*iamRole{}
	}
	r := &iamRole{Trust: trust, MaxSession: 3600, iamPrincipal: iamPrincipal{
		Name: name, Path: path, ARN: "arn:aws:iam::" + account + ":role" + path + name,
		ID: s.key("AROA", 21), Created: s.now(),
	}}
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

func (s *Sandbox) iamOps() map[string]operation { return map[string]operation{} }
