package sandbox

import (
	"sort"
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
}

// orgPolicy is a policy of the organization.
type orgPolicy struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Type        string            `json:"type"`
	Content     string            `json:"content"`
	AWS         bool              `json:"aws,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// accountRequest is a CreateAccount and what became of it.
type accountRequest struct {
	ID, Name, Email, State, Account, Failure string
	Requested, Completed                     time.Time
	Role                                     string
	Tags                                     map[string]string
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
	return map[string]operation{}
}

func (s *Sandbox) resumeOrganizations() {}
