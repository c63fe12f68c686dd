package sandbox

import "slices"

// within says whether a parent is one of the OUs or below one of them.
func (s *Sandbox) within(parent string, units []string) (string, bool) {
	chain := s.st.Org.chain(parent)
	for _, u := range units {
		if slices.Contains(chain, u) {
			return u, true
		}
	}
	return "", false
}

// accountMoved lets stack sets with automatic deployment follow an account that
// came into an OU, left one, or both. Account filters don't count, as AWS says.
func (s *Sandbox) accountMoved(account, from, to string) {
	management := s.account(s.st.Org.Management)
	if management == nil || account == s.st.Org.Management {
		return
	}
	for _, region := range sortedKeys(management.Regions) {
		cfn := &management.Regions[region].CFN
		for _, id := range sortedKeys(cfn.Sets) {
			set := cfn.Sets[id]
			if set.Deleted || set.Auto == nil || !set.Auto.Enabled {
				continue
			}
			_, was := s.within(from, set.Units)
			unit, is := s.within(to, set.Units)
			switch {
			case was && !is:
				s.followAccount(set, account, "", "DELETE")
			case is && !was:
				s.followAccount(set, account, unit, "CREATE")
			case is:
				for _, i := range set.Instances {
					if i.Account == account {
						i.Unit = unit
					}
				}
			}
		}
	}
}

func (s *Sandbox) followAccount(set *stackSet, account, unit, action string) {
	op := &setOperation{ID: s.uuid(), Action: action, Created: s.now(), Status: "QUEUED", Retain: action == "DELETE" && set.Auto.Retain,
		setPreferences: setPreferences{Tolerance: -1, TolerancePct: -1, Max: -1, MaxPct: -1}, Targets: params{"OrganizationalUnitIds": []any{unit}},
		Who: identity{Account: set.Home, Type: "service", ARN: "stacksets.cloudformation.amazonaws.com"}}
	if unit == "" {
		op.Targets = nil
	}
	for _, r := range set.Regions {
		if i := set.Instances[account+"/"+r]; action == "CREATE" || i != nil {
			op.Tasks = append(op.Tasks, &setTask{Account: account, Region: r, Unit: unit})
			if i == nil {
				set.add(setPlace{account, r, unit}, nil)
			}
		}
	}
	if len(op.Tasks) == 0 {
		return
	}
	set.Operations = append(set.Operations, op)
	s.operateLater(set, 0)
}
