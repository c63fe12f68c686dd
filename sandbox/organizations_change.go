package sandbox

import (
	"fmt"
	"strings"
	"time"

	"axle/internal/late"
)

// accountRequest is a CreateAccount and what became of it.
type accountRequest struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Email     string            `json:"email"`
	Role      string            `json:"role,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	State     string            `json:"state"` // IN_PROGRESS | SUCCEEDED | FAILED
	Account   string            `json:"account,omitempty"`
	Failure   string            `json:"failure,omitempty"`
	Requested time.Time         `json:"requested"`
	Completed time.Time         `json:"completed,omitzero"`
}

func orgAccountOps() map[string]operation {
	return map[string]operation{
		"CreateAccount":                 {run: createAccount},
		"DescribeCreateAccountStatus":   {run: describeAccountRequest},
		"ListCreateAccountStatus":       {run: listAccountRequests},
		"MoveAccount":                   {run: moveAccount, resources: moveResources},
		"CloseAccount":                  {run: closeAccount, resources: onOrg("AccountId")},
		"RemoveAccountFromOrganization": {run: removeAccount, resources: onOrg("AccountId")},
	}
}

func orgUnitOps() map[string]operation {
	return map[string]operation{
		"CreateOrganizationalUnit": {run: createUnit, resources: onOrg("ParentId")},
		"UpdateOrganizationalUnit": {run: updateUnit, resources: onOrg("OrganizationalUnitId")},
		"DeleteOrganizationalUnit": {run: deleteUnit, resources: onOrg("OrganizationalUnitId")},
	}
}

var emails = late.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

func createAccount(c *call) (obj, error) {
	if err := c.need("Email", "AccountName"); err != nil {
		return nil, err
	}
	email := c.In.str("Email")
	if len(email) < 6 || len(email) > 64 || !emails.MatchString(email) {
		return nil, orgInvalid("INVALID_PATTERN", "You provided a value that does not match the required pattern.")
	}
	if role := c.In.str("RoleName"); role != "" && (len(role) > 64 || !iamNames.MatchString(role)) {
		return nil, orgInvalid("INVALID_ROLE_NAME", "You provided a role name that isn't valid.")
	}
	if err := checkOrgTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	r := &accountRequest{
		ID: "car-" + c.id(32), Name: c.In.str("AccountName"), Email: email, Role: c.In.str("RoleName"),
		Tags: c.In.tags("Tags"), State: "IN_PROGRESS", Requested: c.now(),
	}
	c.st.Org.Requests[r.ID] = r
	out := obj{"CreateAccountStatus": showRequest(r)}
	c.schedule(r)
	return out, nil
}

// schedule completes a request: after the time that a stack takes, as there is
// no other measure of how slow this sandbox is.
func (s *Sandbox) schedule(r *accountRequest) {
	s.after(s.opts.StackTime, "account/"+r.ID, func() {
		r.Completed = s.now()
		for _, m := range s.st.Org.Members {
			if strings.EqualFold(m.Email, r.Email) {
				r.State, r.Failure = "FAILED", "EMAIL_ALREADY_EXISTS"
				return
			}
		}
		m := &member{
			ID: s.accountNumber(), Name: r.Name, Email: r.Email, Parent: s.st.Org.Root, State: "ACTIVE", Method: "CREATED",
			Joined: s.now(), Tags: r.Tags, Policies: s.defaultPolicies(), AccessRole: r.Role,
			Quotas: map[string]float64{quotaConcurrency: 10}, // what AWS gives to new accounts
		}
		s.st.Org.Members[m.ID] = m
		r.State, r.Account = "SUCCEEDED", m.ID
		s.reorganized()
		s.accountMoved(m.ID, "", m.Parent)
	})
}

// defaultPolicies are attached to whatever is new.
func (s *Sandbox) defaultPolicies() []string {
	if s.st.Org.Types[scpType] {
		return []string{fullAWSAccess}
	}
	return nil
}

// accountNumber is a twelve-digit number that no account has.
func (s *Sandbox) accountNumber() string {
	for {
		var n int64
		_, _ = fmt.Sscanf(s.id(10), "%x", &n)
		id := fmt.Sprintf("%012d", 300000000000+n%600000000000)
		if s.st.Org.Members[id] == nil {
			return id
		}
	}
}

// resumeOrganizations takes up account requests that a saved state left open.
func (s *Sandbox) resumeOrganizations() {
	for _, id := range sortedKeys(s.st.Org.Requests) {
		if r := s.st.Org.Requests[id]; r.State == "IN_PROGRESS" {
			s.schedule(r)
		}
	}
}

func showRequest(r *accountRequest) obj {
	out := obj{
		"Id": r.ID, "AccountName": r.Name, "State": r.State, "RequestedTimestamp": r.Requested,
		"AccountId": optional(r.Account), "FailureReason": optional(r.Failure),
	}
	if !r.Completed.IsZero() {
		out["CompletedTimestamp"] = r.Completed
	}
	return out
}

func describeAccountRequest(c *call) (obj, error) {
	r := c.st.Org.Requests[c.In.str("CreateAccountRequestId")]
	if r == nil {
		return nil, fail("CreateAccountStatusNotFoundException", "You specified an account creation request that doesn't exist.")
	}
	return obj{"CreateAccountStatus": showRequest(r)}, nil
}

func listAccountRequests(c *call) (obj, error) {
	want := map[string]bool{}
	for _, s := range c.In.strs("States") {
		want[s] = true
	}
	var ids []string
	for _, id := range sortedKeys(c.st.Org.Requests) {
		if len(want) == 0 || want[c.st.Org.Requests[id].State] {
			ids = append(ids, id)
		}
	}
	return orgPage(c, "CreateAccountStatuses", ids, same, func(id string) obj { return showRequest(c.st.Org.Requests[id]) })
}

func moveResources(c *call) []string {
	o := &c.st.Org
	return []string{o.arnOf(c.In.str("AccountId")), o.arnOf(c.In.str("SourceParentId")), o.arnOf(c.In.str("DestinationParentId"))}
}

func moveAccount(c *call) (obj, error) {
	m, err := c.member()
	if err != nil {
		return nil, err
	}
	from, to := c.In.str("SourceParentId"), c.In.str("DestinationParentId")
	switch {
	case c.st.Org.Units[from] == nil || m.Parent != from:
		return nil, fail("SourceParentNotFoundException", "You specified a source parent that doesn't exist or doesn't contain the account.")
	case c.st.Org.Units[to] == nil:
		return nil, fail("DestinationParentNotFoundException", "You specified a destination parent that doesn't exist.")
	case from == to:
		return nil, fail("DuplicateAccountException", "The account is already in the destination.")
	}
	m.Parent = to
	c.reorganized()
	c.accountMoved(m.ID, from, to)
	return nil, nil
}

// closeAccount suspends the account for good; AWS keeps it for 90 days.
func closeAccount(c *call) (obj, error) {
	m, err := c.member()
	switch {
	case err != nil:
		return nil, err
	case m.ID == c.st.Org.Management:
		return nil, violation("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "You can't close the management account.")
	case m.State != "ACTIVE":
		return nil, fail("AccountAlreadyClosedException", "You attempted to close an account that is already closed.")
	}
	m.State = "PENDING_CLOSURE"
	c.after(c.opts.StackTime, "close/"+m.ID, func() {
		if m.State == "PENDING_CLOSURE" {
			m.State = "SUSPENDED"
			c.reorganized()
		}
	})
	c.reorganized()
	return nil, nil
}

func removeAccount(c *call) (obj, error) {
	m, err := c.member()
	switch {
	case err != nil:
		return nil, err
	case m.ID == c.st.Org.Management:
		return nil, fail("MasterCannotLeaveOrganizationException", "You can't remove a management account from an organization.")
	case len(c.st.Org.Delegates[m.ID]) > 0:
		return nil, violation("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", "You can't remove an account that is a delegated administrator.")
	case m.Method == "CREATED":
		return nil, violation("ACCOUNT_CANNOT_LEAVE_WITHOUT_EULA", "The member account is missing the information that it needs to stand alone.")
	}
	delete(c.st.Org.Members, m.ID)
	c.reorganized()
	c.accountMoved(m.ID, m.Parent, "")
	return nil, nil
}

const maxDepth = 5 // levels of OUs under the root

func createUnit(c *call) (obj, error) {
	parent, err := c.parent()
	if err != nil {
		return nil, err
	}
	name := c.In.str("Name")
	if err := c.checkUnitName(parent, name, ""); err != nil {
		return nil, err
	}
	if err := checkOrgTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	if len(c.st.Org.chain(parent)) > maxDepth {
		return nil, violation("OU_DEPTH_LIMIT_EXCEEDED", "You attempted to create an OU tree that is too many levels deep.")
	}
	u := &unit{ID: c.unitID(), Name: name, Parent: parent, Tags: c.In.tags("Tags"), Policies: c.defaultPolicies()}
	c.st.Org.Units[u.ID] = u
	c.reorganized()
	return obj{"OrganizationalUnit": c.showUnit(u.ID)}, nil
}

func (c *call) checkUnitName(parent, name, self string) error {
	if name == "" || len(name) > 128 {
		return orgInvalid("INVALID_PATTERN", "An OU's name has 1 to 128 characters.")
	}
	for _, id := range c.tree().units[parent] {
		if id != self && c.st.Org.Units[id].Name == name {
			return fail("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")
		}
	}
	return nil
}

func updateUnit(c *call) (obj, error) {
	u, err := c.unit()
	if err != nil {
		return nil, err
	}
	if name := c.In.str("Name"); name != "" {
		if err := c.checkUnitName(u.Parent, name, u.ID); err != nil {
			return nil, err
		}
		u.Name = name
		c.reorganized()
	}
	return obj{"OrganizationalUnit": c.showUnit(u.ID)}, nil
}

func deleteUnit(c *call) (obj, error) {
	u, err := c.unit()
	if err != nil {
		return nil, err
	}
	if len(c.tree().units[u.ID]) > 0 || len(c.tree().accounts[u.ID]) > 0 {
		return nil, fail("OrganizationalUnitNotEmptyException", "The specified OU isn't empty. Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.")
	}
	delete(c.st.Org.Units, u.ID)
	c.reorganized()
	return nil, nil
}
