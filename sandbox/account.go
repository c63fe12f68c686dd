package sandbox

import (
	"slices"
	"time"
)

// account gives the account's part, made on first use; nil if the
// organization has no such account.
func (s *Sandbox) account(id string) *account {
	if a := s.st.Accounts[id]; a != nil {
		return a
	}
	m := s.st.Org.Members[id]
	if m == nil || m.State == "CLOSED" {
		return nil
	}
	a := &account{ID: id, Regions: map[string]*region{}}
	for _, r := range m.Regions {
		if a.OptedIn == nil {
			a.OptedIn = map[string]bool{}
		}
		a.OptedIn[r] = true
	}
	s.st.Accounts[id] = a
	if m.Method == "CREATED" {
		role := m.AccessRole
		if role == "" {
			role = "OrganizationAccountAccessRole"
		}
		a.IAM.addAccessRole(s, id, role, s.st.Org.Management, m.Joined)
	}
	return a
}

// awsRegion is a region of the partition aws.
type awsRegion struct {
	name  string
	optIn bool // has to be enabled by each account
}

// awsRegions are those of the partition aws, late 2026, by name.
var awsRegions = []awsRegion{
	{"af-south-1", true}, {"ap-east-1", true}, {"ap-east-2", true},
	{"ap-northeast-1", false}, {"ap-northeast-2", false}, {"ap-northeast-3", false},
	{"ap-south-1", false}, {"ap-south-2", true},
	{"ap-southeast-1", false}, {"ap-southeast-2", false}, {"ap-southeast-3", true},
	{"ap-southeast-4", true}, {"ap-southeast-5", true}, {"ap-southeast-6", true}, {"ap-southeast-7", true},
	{"ca-central-1", false}, {"ca-west-1", true},
	{"eu-central-1", false}, {"eu-central-2", true}, {"eu-north-1", false},
	{"eu-south-1", true}, {"eu-south-2", true},
	{"eu-west-1", false}, {"eu-west-2", false}, {"eu-west-3", false},
	{"il-central-1", true}, {"me-central-1", true}, {"me-south-1", true}, {"mx-central-1", true},
	{"sa-east-1", false},
	{"us-east-1", false}, {"us-east-2", false}, {"us-west-1", false}, {"us-west-2", false},
}

// regionStatus is the account's standing in a region, "" for no such region:
// ENABLED_BY_DEFAULT, ENABLED, DISABLED, ENABLING or DISABLING.
func (a *account) regionStatus(name string) string {
	for _, r := range awsRegions {
		switch {
		case r.name != name:
		case !r.optIn:
			return "ENABLED_BY_DEFAULT"
		case a.Switching[name] != "":
			return a.Switching[name]
		case a.OptedIn[name]:
			return "ENABLED"
		default:
			return "DISABLED"
		}
	}
	return ""
}

func (s *Sandbox) accountOps() map[string]operation {
	return map[string]operation{
		"ListRegions":           {run: listRegions, access: accountAccess},
		"GetRegionOptStatus":    {run: getRegionStatus, access: accountAccess},
		"EnableRegion":          {run: enableRegion, access: accountAccess},
		"DisableRegion":         {run: disableRegion, access: accountAccess},
		"GetAccountInformation": {run: getAccountInformation, access: accountAccess},
	}
}

// accountAccess is the permission on the own account, or on a member's, whose
// ARN is that of Organizations.
func accountAccess(c *call) ([]access, error) {
	a := access{Action: "account:" + c.Op, Resource: "arn:aws:account::" + c.Account.ID + ":account"}
	if id := c.In.str("AccountId"); id != "" {
		o := &c.st.Org
		a.Resource = "arn:aws:account::" + o.Management + ":account/" + o.ID + "/" + id
	}
	if name := c.In.str("RegionName"); name != "" {
		a.Context = map[string][]string{"account:TargetRegion": {name}}
	}
	return []access{a}, nil
}

// subject is the account that the call is about: the caller's, or a member's
// when the management account, or a delegated administrator, names one.
func (c *call) subject() (*account, error) {
	id := c.In.str("AccountId")
	if id == "" {
		return c.Account, nil
	}
	o := &c.st.Org
	_, delegate := o.Delegates[c.Account.ID]["account.amazonaws.com"]
	switch {
	case !accountIDs.MatchString(id):
		return nil, invalidField("accountId", "Member must satisfy regular expression pattern: \\d{12}")
	case c.Account.ID != o.Management && !delegate:
		return nil, c.accountDenied()
	case id == o.Management:
		return nil, c.accountDenied() // it must leave out its own id
	}
	a := c.account(id)
	if a == nil {
		return nil, c.accountDenied()
	}
	if _, trusted := o.Trusted["account.amazonaws.com"]; !trusted {
		return nil, c.accountDenied()
	}
	return a, nil
}

func (c *call) accountDenied() error {
	e := fail("AccessDeniedException", "User: %s is not authorized to perform: account:%s (The specified account is not a member of the organization, trusted access isn't enabled, or the caller isn't its administrator)", c.Who.ARN, c.Op)
	e.Status = 403
	return e
}

func invalidField(name, why string) error {
	e := fail("ValidationException", "1 validation error detected: '%s': %s", name, why)
	e.Extra = obj{"reason": "fieldValidationFailed", "fieldList": []obj{{"name": name, "message": why}}}
	return e
}

func listRegions(c *call) (obj, error) {
	a, err := c.subject()
	if err != nil {
		return nil, err
	}
	size := c.In.int("MaxResults", 50)
	if size < 1 || size > 50 {
		return nil, invalidField("MaxResults", "Member must have value between 1 and 50")
	}
	want := c.In.strs("RegionOptStatusContains")
	var names []string
	for _, r := range awsRegions {
		if len(want) == 0 || slices.Contains(want, a.regionStatus(r.name)) {
			names = append(names, r.name)
		}
	}
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), size)
	if !ok {
		return nil, invalidField("NextToken", "The token isn't valid")
	}
	list := make([]obj, 0, len(page))
	for _, name := range page {
		list = append(list, obj{"RegionName": name, "RegionOptStatus": a.regionStatus(name)})
	}
	return obj{"Regions": list, "NextToken": optional(next)}, nil
}

// subjectRegion is the account and region that the call is about.
func (c *call) subjectRegion() (*account, string, error) {
	a, err := c.subject()
	if err != nil {
		return nil, "", err
	}
	name := c.In.str("RegionName")
	if a.regionStatus(name) == "" {
		return nil, "", invalidField("RegionName", "There is no region "+name)
	}
	return a, name, nil
}

func getRegionStatus(c *call) (obj, error) {
	a, name, err := c.subjectRegion()
	if err != nil {
		return nil, err
	}
	return obj{"RegionName": name, "RegionOptStatus": a.regionStatus(name)}, nil
}

func enableRegion(c *call) (obj, error)  { return c.switchRegion("ENABLING", true) }
func disableRegion(c *call) (obj, error) { return c.switchRegion("DISABLING", false) }

// switchRegion opts in or out, which takes as long as a stack.
func (c *call) switchRegion(passing string, in bool) (obj, error) {
	a, name, err := c.subjectRegion()
	if err != nil {
		return nil, err
	}
	switch a.regionStatus(name) {
	case "ENABLED_BY_DEFAULT":
		return nil, invalidField("RegionName", "The region "+name+" is enabled by default and can't be changed")
	case "ENABLING", "DISABLING":
		e := fail("ConflictException", "The region %s is being enabled or disabled.", name)
		e.Status = 409
		return nil, e
	}
	if a.Switching == nil {
		a.Switching = map[string]string{}
	}
	a.Switching[name] = passing
	c.after(c.opts.StackTime, "region/"+a.ID+"/"+name, func() { a.settle(name, in) })
	return obj{}, nil
}

// settle ends the change of a region.
func (a *account) settle(name string, in bool) {
	delete(a.Switching, name)
	if a.OptedIn == nil {
		a.OptedIn = map[string]bool{}
	}
	a.OptedIn[name] = in
}

// resumeAccounts ends changes of regions that a saved state left open.
func (s *Sandbox) resumeAccounts() {
	for _, a := range s.st.Accounts {
		for name, passing := range a.Switching {
			s.after(s.opts.StackTime, "region/"+a.ID+"/"+name, func() { a.settle(name, passing == "ENABLING") })
		}
	}
}

func getAccountInformation(c *call) (obj, error) {
	a, err := c.subject()
	if err != nil {
		return nil, err
	}
	m := c.st.Org.Members[a.ID]
	return obj{
		"AccountId": m.ID, "AccountName": m.Name, "AccountCreatedDate": m.Joined.Format(time.RFC3339), "AccountState": m.State,
	}, nil
}
