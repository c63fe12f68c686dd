package sandbox

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// orgState is the organization: its tree, its policies, what it delegates.
type orgState struct {
	ID         string                          `json:"id"`
	Root       string                          `json:"root"`
	Management string                          `json:"management"`
	Units      map[string]*unit                `json:"units"` // the root too
	Members    map[string]*member              `json:"members"`
	Policies   map[string]*orgPolicy           `json:"policies"`
	Requests   map[string]*accountRequest      `json:"requests"`
	Delegates  map[string]map[string]time.Time `json:"delegates,omitempty"` // account -> service principal -> since
	Trusted    map[string]time.Time            `json:"trusted,omitempty"`   // service principal -> since
	Types      map[string]bool                 `json:"types"`               // policy types that are enabled
}

// unit is an organizational unit, or the root.
type unit struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Parent   string            `json:"parent,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Policies []string          `json:"policies,omitempty"`
}

// member is an account as the organization sees it.
type member struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Email      string            `json:"email"`
	Parent     string            `json:"parent"`
	State      string            `json:"state"`
	Method     string            `json:"method"` // CREATED | INVITED
	Joined     time.Time         `json:"joined"`
	Tags       map[string]string `json:"tags,omitempty"`
	Policies   []string          `json:"policies,omitempty"`
	Regions    []string          `json:"regions,omitempty"`     // opted into at the start
	AccessRole string            `json:"access_role,omitempty"` // name, when it isn't the usual
	// Quotas are those that aren't AWS's defaults, by code.
	Quotas map[string]float64 `json:"quotas,omitempty"`
}

// status is what the API called Status before it had State.
func (m *member) status() string {
	switch m.State {
	case "CLOSED":
		return "SUSPENDED"
	case "PENDING_ACTIVATION":
		return "ACTIVE"
	}
	return m.State
}

const (
	fullAWSAccess = "p-FullAWSAccess"
	scpType       = "SERVICE_CONTROL_POLICY"
	rcpType       = "RESOURCE_CONTROL_POLICY"
)

func (o *orgState) init(id, root, management string) {
	o.ID, o.Root, o.Management = id, root, management
	o.Units = map[string]*unit{root: {ID: root, Name: "Root", Policies: []string{fullAWSAccess}}}
	o.Members = map[string]*member{}
	o.Requests = map[string]*accountRequest{}
	o.Delegates = map[string]map[string]time.Time{}
	o.Trusted = map[string]time.Time{}
	o.Types = map[string]bool{scpType: true}
	o.Policies = map[string]*orgPolicy{fullAWSAccess: {
		ID: fullAWSAccess, Name: "FullAWSAccess", Description: "Allows access to every operation",
		Type: scpType, AWS: true,
		Content: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	}}
}

// usable says whether anything can be done in the account.
func (o *orgState) usable(account string) bool {
	m := o.Members[account]
	return m != nil && m.State == "ACTIVE"
}

func (o *orgState) arn(kind, id string) string {
	base := "arn:aws:organizations::" + o.Management + ":"
	if kind == "organization" {
		return base + "organization/" + o.ID
	}
	return base + kind + "/" + o.ID + "/" + id
}

// unitID makes the id of an OU: it carries the root's.
func (s *Sandbox) unitID() string {
	return "ou-" + s.st.Org.Root[len("r-"):] + "-" + s.id(8)
}

// orgIndex is the tree from above, derived from the state.
type orgIndex struct {
	accounts map[string][]string // parent -> account ids, sorted
	units    map[string][]string // parent -> unit ids, sorted
	all      []string            // account ids, sorted
}

func (s *Sandbox) tree() *orgIndex {
	if s.index != nil {
		return s.index
	}
	x := &orgIndex{accounts: map[string][]string{}, units: map[string][]string{}}
	for id, m := range s.st.Org.Members {
		x.accounts[m.Parent] = append(x.accounts[m.Parent], id)
		x.all = append(x.all, id)
	}
	for id, u := range s.st.Org.Units {
		if u.Parent != "" {
			x.units[u.Parent] = append(x.units[u.Parent], id)
		}
	}
	sort.Strings(x.all)
	for _, ids := range x.accounts {
		sort.Strings(ids)
	}
	for _, ids := range x.units {
		sort.Strings(ids)
	}
	s.index = x
	return x
}

func (s *Sandbox) organizationsOps() map[string]operation {
	ops := map[string]operation{}
	for _, part := range []map[string]operation{orgReadOps(), orgAccountOps(), orgUnitOps(), orgPolicyOps(), orgTrustOps()} {
		for name, op := range part {
			ops[name] = guarded(name, op)
		}
	}
	return ops
}

// guarded lets only the management account call an operation; delegated
// administrators may read, and any member may describe the organization.
func guarded(name string, op operation) operation {
	run := op.run
	reads := strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe")
	op.run = func(c *call) (obj, error) {
		o := &c.st.Org
		switch {
		case c.Account.ID == o.Management, name == "DescribeOrganization":
		case name == "DescribeEffectivePolicy" && c.In.or("TargetId", c.Account.ID) == c.Account.ID:
		case reads && len(o.Delegates[c.Account.ID]) > 0:
		default:
			return nil, fail("AccessDeniedException", "You don't have permissions to access this resource.")
		}
		return run(c)
	}
	return op
}

// orgInvalid is the error for an input that the API's model excludes.
func orgInvalid(reason, format string, args ...any) error {
	e := fail("InvalidInputException", format, args...)
	e.Extra = obj{"Reason": reason}
	return e
}

// violation is the error for a limit of the organization.
func violation(reason, format string, args ...any) error {
	e := fail("ConstraintViolationException", format, args...)
	e.Extra = obj{"Reason": reason}
	return e
}

// need refuses when a required member is missing.
func (c *call) need(names ...string) error {
	for _, n := range names {
		if !c.In.has(n) || c.In[n] == "" {
			return orgInvalid("INPUT_REQUIRED", "You specified an invalid value: %s is required.", n)
		}
	}
	return nil
}

// orgPage cuts a page of at most 20 out of items.
func orgPage[T any](c *call, field string, items []T, key func(T) string, show func(T) obj) (obj, error) {
	size := c.In.int("MaxResults", 20)
	switch {
	case size < 1:
		return nil, orgInvalid("MIN_VALUE_EXCEEDED", "You provided a value that does not match the required pattern.")
	case size > 20:
		return nil, orgInvalid("MAX_VALUE_EXCEEDED", "You provided a value that does not match the required pattern.")
	}
	page, next, ok := paginate(c.Sandbox, items, key, c.In.str("NextToken"), size)
	if !ok {
		return nil, orgInvalid("INVALID_NEXT_TOKEN", "You specified an invalid value for next token.")
	}
	list := make([]obj, 0, len(page))
	for _, item := range page {
		list = append(list, show(item))
	}
	return obj{field: list, "NextToken": optional(next)}, nil
}

// chain are the ids from the root to the parent given.
func (o *orgState) chain(parent string) []string {
	var ids []string
	for parent != "" && o.Units[parent] != nil {
		ids = append(ids, parent)
		parent = o.Units[parent].Parent
	}
	slices.Reverse(ids)
	return ids
}
