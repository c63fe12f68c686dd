package sandbox

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
	return map[string]operation{}
}
