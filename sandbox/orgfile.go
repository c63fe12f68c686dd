package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

// OrgFile is the organization file of DESIGN.md section 5.
type OrgFile struct {
	Management OrgAccount   `yaml:"management"`
	OUs        []OrgUnit    `yaml:"ous"`
	Accounts   []OrgAccount `yaml:"accounts"`
}

// OrgUnit is an organizational unit with what is in it.
type OrgUnit struct {
	Name     string            `yaml:"name"`
	Tags     map[string]string `yaml:"tags"`
	Accounts []OrgAccount      `yaml:"accounts"`
	OUs      []OrgUnit         `yaml:"ous"`
}

// OrgAccount is one account. Invited ones have no OrganizationAccountAccessRole;
// Status is a State of the Organizations API, ACTIVE when empty.
type OrgAccount struct {
	ID      string            `yaml:"id"`
	Name    string            `yaml:"name"`
	Email   string            `yaml:"email"`
	Tags    map[string]string `yaml:"tags"`
	Status  string            `yaml:"status"`
	Invited bool              `yaml:"invited"`
	Regions []string          `yaml:"regions"` // opted into, beyond the default ones
	// Quotas are those that aren't AWS's defaults, by code, in all regions.
	Quotas map[string]float64 `yaml:"quotas"`
}

// ParseOrgFile reads an organization file strictly: an unknown key, a bad id
// or an id given twice is an error. name is for messages.
func ParseOrgFile(name string, src []byte) (*OrgFile, error) {
	f := &OrgFile{}
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

const defaultManagement = "111111111111"

var (
	accountIDs    = late.MustCompile(`^[0-9]{12}$`)
	accountStates = map[string]bool{"PENDING_ACTIVATION": true, "ACTIVE": true, "SUSPENDED": true, "PENDING_CLOSURE": true, "CLOSED": true}
)

// check fills in what may be left out and finds mistakes, all of them.
func (f *OrgFile) check() error {
	var errs []error
	seen := map[string]string{}
	m := &f.Management
	if m.ID == "" {
		m.ID = defaultManagement
	}
	if m.Name == "" {
		m.Name = "management"
	}
	one := func(a *OrgAccount) {
		if !accountIDs.MatchString(a.ID) {
			errs = append(errs, fmt.Errorf("account %q: id %q isn't twelve digits", a.Name, a.ID))
		}
		if other, dup := seen[a.ID]; dup {
			errs = append(errs, fmt.Errorf("account %q: id %s is that of %q too", a.Name, a.ID, other))
		}
		seen[a.ID] = a.Name
		if a.Name == "" {
			errs = append(errs, fmt.Errorf("account %s has no name", a.ID))
		}
		if a.Email == "" {
			a.Email = "aws+" + a.ID + "@example.com"
		}
		if a.Status == "" {
			a.Status = "ACTIVE"
		}
		for code := range a.Quotas {
			if quotaOf(code) == nil {
				errs = append(errs, fmt.Errorf("account %s (%s): the sandbox has no quota %q", a.ID, a.Name, code))
			}
		}
		if !accountStates[a.Status] {
			errs = append(errs, fmt.Errorf("account %s (%s): status %q isn't a state of the Organizations API", a.ID, a.Name, a.Status))
		}
	}
	one(m)
	for i := range f.Accounts {
		one(&f.Accounts[i])
	}
	var walk func(ous []OrgUnit, path string)
	walk = func(ous []OrgUnit, path string) {
		names := map[string]bool{}
		for i := range ous {
			if ous[i].Name == "" {
				errs = append(errs, fmt.Errorf("an OU in %q has no name", path))
			}
			if names[ous[i].Name] {
				errs = append(errs, fmt.Errorf("OU %q is twice in %q", ous[i].Name, path))
			}
			names[ous[i].Name] = true
			for j := range ous[i].Accounts {
				one(&ous[i].Accounts[j])
			}
			walk(ous[i].OUs, path+ous[i].Name+"/")
		}
	}
	walk(f.OUs, "/")
	return errors.Join(errs...)
}

// Generate makes an organization of n member accounts in nested OUs, the same
// for the same n: workloads of two businesses and three environments, shared
// services and a sandbox OU. The tags env, net and team are there for use in
// expressions; net is a number from 1 to 254.
func Generate(n int) *OrgFile {
	f := &OrgFile{Management: OrgAccount{ID: defaultManagement, Name: "management", Email: "root@example.com"}}
	f.OUs = []OrgUnit{
		{Name: "Infrastructure", Tags: map[string]string{"tier": "shared"}},
		{Name: "Workloads", Tags: map[string]string{"tier": "apps"}},
		{Name: "Sandbox", Tags: map[string]string{"tier": "play"}},
	}
	envs := []string{"dev", "qa", "prod"}
	businesses := []string{"Flights", "Hotels"}
	work := &f.OUs[1]
	for _, b := range businesses {
		ou := OrgUnit{Name: b}
		for _, e := range []string{"Dev", "QA", "Prod"} {
			ou.OUs = append(ou.OUs, OrgUnit{Name: e})
		}
		work.OUs = append(work.OUs, ou)
	}
	teams := []string{"booking", "airmiles", "search", "payments", "crew"}
	for i := range n {
		a := OrgAccount{
			ID:   fmt.Sprintf("%012d", 200000000000+int64(i+1)*1000003),
			Tags: map[string]string{"net": fmt.Sprint(i%254 + 1)},
		}
		switch {
		case i == 0:
			a.Name, a.Tags["env"], a.Tags["team"] = "tools", "prod", "platform"
			f.OUs[0].Accounts = append(f.OUs[0].Accounts, a)
		case i%12 == 11:
			a.Name, a.Tags["env"], a.Tags["team"] = fmt.Sprintf("sandbox-%d", i/12+1), "sandbox", teams[i/12%len(teams)]
			f.OUs[2].Accounts = append(f.OUs[2].Accounts, a)
		default:
			env, business, team := (i-1)%3, (i-1)/3%2, teams[(i-1)/6%len(teams)]
			a.Tags["env"], a.Tags["team"] = envs[env], team
			a.Name = fmt.Sprintf("%s-%s-%d", []string{"flights", "hotels"}[business], envs[env], (i-1)/6+1)
			ou := &work.OUs[business].OUs[env]
			ou.Accounts = append(ou.Accounts, a)
		}
	}
	return f
}

// found makes the state of a new organization.
func (s *Sandbox) found() (*state, error) {
	f := s.opts.Organization
	if f == nil {
		f = Generate(s.opts.Accounts)
	} else if s.opts.Accounts > 0 {
		return nil, errors.New("give an organization file or a number of accounts, not both")
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("organization: %w", err)
	}
	st := &state{Accounts: map[string]*account{}, Keys: map[string]*identity{}}
	s.st = st
	o := &st.Org
	o.init("o-"+s.id(10), "r-"+s.id(4), f.Management.ID)
	founded := time.Date(2024, 1, 1, 9, 0, 0, 0, time.UTC)
	join := func(a OrgAccount, parent string) {
		method := "CREATED"
		if a.Invited || a.ID == f.Management.ID {
			method = "INVITED"
		}
		o.Members[a.ID] = &member{
			ID: a.ID, Name: a.Name, Email: a.Email, Parent: parent, State: a.Status,
			Method: method, Joined: founded.Add(time.Duration(len(o.Members)) * time.Minute),
			Tags: a.Tags, Policies: []string{fullAWSAccess}, Regions: a.Regions, Quotas: a.Quotas,
		}
	}
	join(f.Management, o.Root)
	for _, a := range f.Accounts {
		join(a, o.Root)
	}
	var walk func(ous []OrgUnit, parent string)
	walk = func(ous []OrgUnit, parent string) {
		for _, ou := range ous {
			u := &unit{ID: s.unitID(), Name: ou.Name, Parent: parent, Tags: ou.Tags, Policies: []string{fullAWSAccess}}
			o.Units[u.ID] = u
			for _, a := range ou.Accounts {
				join(a, u.ID)
			}
			walk(ou.OUs, u.ID)
		}
	}
	walk(f.OUs, o.Root)
	s.enthrone(f.Management.ID)
	return st, nil
}

// enthrone makes the administrator of the management account, whose keys are
// a function of the seed.
func (s *Sandbox) enthrone(management string) {
	a := s.account(management)
	u := a.IAM.addUser(s, management, "admin", "/")
	u.Attached = []string{awsManaged + "AdministratorAccess"}
	key := s.key("AKIA", 20)
	u.Keys = append(u.Keys, key)
	s.st.Keys[key] = &identity{
		Account: management, ARN: u.ARN, Type: "user", User: u.Name, UserID: u.ID,
		Secret: s.id(40), Created: s.now(),
	}
	s.st.Admin = key
}
