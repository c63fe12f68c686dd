package control

import (
	"slices"
	"strings"

	"axle"
	"axle/internal/plan"
	"axle/internal/privilege"
)

// namesApart is how many names of one kind and region have permissions of their
// own; of more it is what they all begin with.
const namesApart = 10

// projectReads are what the project's values read, by the account that it is
// in, and what CloudFormation reads, by stack and account.
type projectReads struct {
	in      map[string][]axle.Read
	dynamic map[string]map[string][]axle.Read
}

// reads finds them out once. Targets that can't be chosen are reported where
// accounts are grouped.
func (w *Work) reads() *projectReads {
	if w.asked != nil {
		return w.asked
	}
	out := &projectReads{in: map[string][]axle.Read{}, dynamic: map[string]map[string][]axle.Read{}}
	w.asked = out
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		if !slices.ContainsFunc(slices.Concat(s.Parameters, s.Tags), plan.AsksAWS) {
			continue
		}
		accounts, problems := plan.SelectAccounts(w.project, s, w.hub, w.org)
		if problems.Err() != nil {
			continue
		}
		regions := w.regionsOf(s)
		if regions == nil {
			regions = []string{""} // any
		}
		out.dynamic[s.Name] = map[string][]axle.Read{}
		for _, a := range accounts {
			for _, region := range regions {
				scope := w.Scope(a)
				scope.Region = region
				for _, p := range slices.Concat(s.Parameters, s.Tags) {
					own, dynamic := plan.ReadsOf(p.Value, scope)
					for _, r := range own {
						out.in[r.Account] = append(out.in[r.Account], r)
					}
					out.dynamic[s.Name][a.ID] = append(out.dynamic[s.Name][a.ID], dynamic...)
				}
			}
		}
	}
	return out
}

// readsFor joins the reads in accounts that share a policy.
func readsFor(by map[string][]axle.Read, accounts []axle.Account) []privilege.Read {
	names := map[privilege.Read][]string{} // of a kind and region
	for _, a := range accounts {
		for _, r := range by[a.ID] {
			k := privilege.Read{Kind: r.Kind, Region: r.Region}
			if !slices.Contains(names[k], r.Name) {
				names[k] = append(names[k], r.Name)
			}
		}
	}
	var out []privilege.Read
	for k, list := range names {
		if len(list) > namesApart {
			list = []string{commonStart(list) + "*"}
		}
		for _, k.Name = range list {
			out = append(out, k)
		}
	}
	return out
}

func commonStart(names []string) string {
	start := names[0]
	for _, n := range names {
		for !strings.HasPrefix(n, start) {
			start = start[:len(start)-1]
		}
	}
	return start
}
