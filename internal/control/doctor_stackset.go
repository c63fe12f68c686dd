package control

import (
	"context"
	"maps"
	"slices"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/cfn"
	"axle/internal/cloud"
)

// setFindings are the accounts in which bootstrap's stack set isn't as it shall
// be: for one call where there is no stack set. Who may not look isn't told: it
// blocks nothing.
func (w *Work) setFindings(ctx context.Context, door *cloud.Cloud) []doctor.Finding {
	role := roleName(w.project.Access.Role.Value)
	if role == "" || role == cloud.None {
		return nil
	}
	set := cfn.NewStackSet(door, axle.Target{Account: w.identity.Account, Region: w.hub.Region}, w.identity.Account != w.org.Management, stackPrefix+role)
	st, err := set.Look(ctx, w.hub.Region)
	if err != nil || !st.Exists {
		return nil
	}
	var out []doctor.Finding
	for _, id := range slices.Sorted(maps.Keys(st.Instances)) {
		i := st.Instances[id]
		if i.Status == "CURRENT" || st.Running != "" {
			continue
		}
		a, _ := w.org.Account(id)
		f := cfn.SetFailure(set.Name, id, i.Status, i.Reason)
		out = append(out, doctor.Finding{Check: doctor.CheckStackSets, Account: id, AccountName: a.Name, Region: w.hub.Region, State: doctor.Note,
			Cause: f.Message + " (" + i.Status + ")", Fix: f.Hint, Proof: "call"})
	}
	return out
}
