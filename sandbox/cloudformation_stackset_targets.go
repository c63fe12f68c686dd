package sandbox

import (
	"slices"
	"strings"
)

// setPlace is an account and region that an operation is for, and the OU by
// which the account is meant.
type setPlace struct{ Account, Region, Unit string }

func (p setPlace) key() string { return p.Account + "/" + p.Region }

// setTargets are what a call names as its targets.
type setTargets struct {
	units, accounts []string
	filter          string
	given           bool
}

func (c *call) setTargets(set *stackSet) (setTargets, error) {
	d := c.In.obj("DeploymentTargets")
	t := setTargets{units: d.strs("OrganizationalUnitIds"), accounts: append(d.strs("Accounts"), c.In.strs("Accounts")...), filter: d.str("AccountFilterType")}
	t.given = len(t.units) > 0 || len(t.accounts) > 0
	switch {
	case d.has("AccountsUrl"):
		return t, invalid("DeploymentTargets.AccountsUrl isn't supported by this version of the sandbox")
	case len(d) > 0 && c.In.has("Accounts"):
		return t, invalid("You can specify either Accounts or DeploymentTargets, but not both")
	case set.Model == selfManaged && (len(t.units) > 0 || t.filter != ""):
		return t, invalid("StackSets with SELF_MANAGED permission model can only have accounts as target")
	case set.Model == serviceManaged && c.In.has("Accounts"):
		return t, invalid("StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target")
	case t.filter != "" && !slices.Contains([]string{"NONE", "INTERSECTION", "DIFFERENCE", "UNION"}, t.filter):
		return t, invalid("1 validation error detected: Value '%s' at 'deploymentTargets.accountFilterType' failed to satisfy constraint: Member must satisfy enum value set: [NONE, INTERSECTION, DIFFERENCE, UNION]", t.filter)
	case (t.filter == "INTERSECTION" || t.filter == "DIFFERENCE") && (len(t.accounts) == 0 || len(t.units) == 0):
		return t, invalid("AccountFilterType %s needs both Accounts and OrganizationalUnitIds", t.filter)
	case t.filter == "NONE" && len(t.accounts) > 0:
		return t, invalid("Accounts cannot be specified when AccountFilterType is NONE")
	}
	for _, a := range t.accounts {
		if !accountIDs.MatchString(a) {
			return t, invalid("1 validation error detected: Value '%s' at 'accounts' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9]{12}$", a)
		}
	}
	for _, u := range t.units {
		if c.st.Org.Units[u] == nil {
			return t, invalid("Organizational unit %s not found in the organization", u)
		}
	}
	return t, nil
}

// setPlaces are the accounts and regions that a call is for: all of the stack
// set's instances when it names none.
func (c *call) setPlaces(set *stackSet, creating bool) ([]setPlace, error) {
	t, err := c.setTargets(set)
	if err != nil {
		return nil, err
	}
	regions := c.In.strs("Regions")
	if !t.given && len(regions) == 0 && !creating {
		var out []setPlace
		for _, key := range sortedKeys(set.Instances) {
			i := set.Instances[key]
			out = append(out, setPlace{i.Account, i.Region, i.Unit})
		}
		return out, nil
	}
	if len(regions) == 0 || !t.given {
		return nil, invalid("You must specify both targets and Regions")
	}
	for _, r := range regions {
		if !slices.ContainsFunc(awsRegions, func(a awsRegion) bool { return a.name == r }) {
			return nil, invalid("Region '%s' is not supported or doesn't exist", r)
		}
	}
	accounts, err := c.setAccounts(set, t, creating)
	if err != nil {
		return nil, err
	}
	var out []setPlace
	for _, r := range regions {
		for _, a := range accounts {
			out = append(out, setPlace{a.Account, r, a.Unit})
		}
	}
	return out, nil
}

// setAccounts resolves targets to accounts, each with the OU that it was found
// in. The management account is never among those of an OU.
func (c *call) setAccounts(set *stackSet, t setTargets, creating bool) ([]setPlace, error) {
	var out []setPlace
	if set.Model == selfManaged {
		for _, a := range t.accounts {
			out = append(out, setPlace{Account: a})
		}
		return out, nil
	}
	if creating && len(t.units) == 0 {
		return nil, invalid("OrganizationalUnitIds are required")
	}
	if creating && (t.filter == "UNION" || t.filter == "" && len(t.accounts) > 0) {
		return nil, invalid("AccountFilterType should be INTERSECTION or DIFFERENCE when both OrganizationalUnitIds and Accounts are specified")
	}
	seen := map[string]bool{}
	for _, u := range t.units {
		for _, a := range c.accountsBelow(u) {
			listed := slices.Contains(t.accounts, a)
			if seen[a] || a == c.st.Org.Management || t.filter == "INTERSECTION" && !listed || t.filter == "DIFFERENCE" && listed {
				continue
			}
			seen[a] = true
			out = append(out, setPlace{Account: a, Unit: u})
		}
	}
	if t.filter == "INTERSECTION" {
		for _, a := range t.accounts {
			if !seen[a] {
				return nil, invalid("Account %s is not in the specified organizational units, or is the management account", a)
			}
		}
	}
	if t.filter != "INTERSECTION" && t.filter != "DIFFERENCE" {
		for _, a := range t.accounts {
			if m := c.st.Org.Members[a]; m != nil && !seen[a] && a != c.st.Org.Management {
				out = append(out, setPlace{Account: a, Unit: m.Parent})
			}
		}
	}
	return out, nil
}

// accountsBelow are the accounts in an OU and in those below it, by id.
func (s *Sandbox) accountsBelow(unit string) []string {
	out := slices.Clone(s.tree().accounts[unit])
	for _, u := range s.tree().units[unit] {
		out = append(out, s.accountsBelow(u)...)
	}
	slices.Sort(out)
	return out
}

// setPreferences say how an operation goes about its work. Counts that weren't
// given are -1.
type setPreferences struct {
	Parallel     bool     `json:"parallel,omitempty"` // regions
	Order        []string `json:"order,omitempty"`
	Soft         bool     `json:"soft,omitempty"`
	Tolerance    int      `json:"tolerance"`
	TolerancePct int      `json:"tolerance_percentage"`
	Max          int      `json:"max"`
	MaxPct       int      `json:"max_percentage"`
}

func (c *call) setPreferences() (setPreferences, error) {
	p := c.In.obj("OperationPreferences")
	out := setPreferences{Parallel: p.str("RegionConcurrencyType") == "PARALLEL", Order: p.strs("RegionOrder"), Soft: p.str("ConcurrencyMode") == "SOFT_FAILURE_TOLERANCE",
		Tolerance: p.int("FailureToleranceCount", -1), TolerancePct: p.int("FailureTolerancePercentage", -1),
		Max: p.int("MaxConcurrentCount", -1), MaxPct: p.int("MaxConcurrentPercentage", -1)}
	switch {
	case out.Tolerance >= 0 && out.TolerancePct >= 0:
		return out, invalid("You can specify either FailureToleranceCount or FailureTolerancePercentage, but not both")
	case out.Max >= 0 && out.MaxPct >= 0:
		return out, invalid("You can specify either MaxConcurrentCount or MaxConcurrentPercentage, but not both")
	case out.Max == 0 || out.MaxPct == 0 || out.MaxPct > 100 || out.TolerancePct > 100:
		return out, invalid("1 validation error detected: a value at 'operationPreferences' is out of its range")
	}
	return out, nil
}

// tolerance is how many failures a region may have, of so many accounts.
func (p setPreferences) tolerance(accounts int) int {
	switch {
	case p.Tolerance >= 0:
		return p.Tolerance
	case p.TolerancePct >= 0:
		return accounts * p.TolerancePct / 100
	}
	return 0
}

// concurrency is how many accounts of a region are worked on at once, after so
// many failures.
func (p setPreferences) concurrency(accounts, failed int) int {
	n := 1
	switch {
	case p.Max > 0:
		n = p.Max
	case p.MaxPct > 0:
		n = max(1, accounts*p.MaxPct/100)
	}
	if !p.Soft {
		n = min(n, p.tolerance(accounts)+1-failed)
	}
	return n
}

func (p setPreferences) shown() obj {
	o := obj{"RegionOrder": nonNil(p.Order)}
	if p.Parallel {
		o["RegionConcurrencyType"] = "PARALLEL"
	}
	if p.Soft {
		o["ConcurrencyMode"] = "SOFT_FAILURE_TOLERANCE"
	}
	for name, n := range map[string]int{"FailureToleranceCount": p.Tolerance, "FailureTolerancePercentage": p.TolerancePct, "MaxConcurrentCount": p.Max, "MaxConcurrentPercentage": p.MaxPct} {
		if n >= 0 {
			o[name] = n
		}
	}
	return o
}

// order are the operation's regions in the order in which they are worked on.
func (op *setOperation) order() []string {
	var out []string
	for _, r := range op.Order {
		if slices.ContainsFunc(op.Tasks, func(t *setTask) bool { return t.Region == r }) {
			out = append(out, r)
		}
	}
	for _, t := range op.Tasks {
		if !slices.Contains(out, t.Region) {
			out = append(out, t.Region)
		}
	}
	return out
}

// add makes an instance that has no stack yet.
func (set *stackSet) add(p setPlace, overrides map[string]string) {
	put(&set.Instances, p.key(), &stackInstance{Account: p.Account, Region: p.Region, Unit: p.Unit, Status: "OUTDATED", Detail: "PENDING", Overrides: overrides})
}

// stackName is the name of the instance's stack.
func (set *stackSet) stackName(uuid string) string {
	name := "StackSet-" + set.Name
	return strings.TrimSuffix(name[:min(len(name), 128-37)], "-") + "-" + uuid
}
