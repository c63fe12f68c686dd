package plan

import (
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
)

// warnLeftOut tells of accounts that a stack's targets match and that nobody can
// work in: not active yet, suspended, closed. Expressions that ask for the status
// decide for themselves, and are silent.
func (b *builder) warnLeftOut() {
	left := map[string][]axle.Account{} // by status
	var at diag.Pos
	for _, a := range b.in.Org.Accounts {
		if a.Active() {
			continue
		}
		for i := range b.in.Project.Stacks {
			s := &b.in.Project.Stacks[i]
			if s.Targets == nil || s.Targets.MentionsStatus() {
				continue
			}
			scope := b.plan.scope(a, "")
			if ok, err := s.Targets.Match(scope); err != nil || !ok {
				continue
			}
			if b.in.Where != nil {
				if ok, err := b.in.Where.Match(scope); err != nil || !ok {
					continue
				}
			}
			if at.Line == 0 {
				at = s.TargetsPos
			}
			left[a.Status] = append(left[a.Status], a)
			break
		}
	}
	if len(left) == 0 {
		return
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(left)) {
		verb := "is"
		if len(left[status]) > 1 {
			verb = "are"
		}
		part := labels(left[status]) + " " + verb + " " + status
		if status == "PENDING_ACTIVATION" {
			part += " until the sign-up is complete"
		}
		parts = append(parts, part)
	}
	b.problems.Warn(at, "", "left out, as nobody can work there: %s", strings.Join(parts, "; "))
}
