package plan

import (
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/expr"
)

// LeftOut names the accounts that a stack's targets match and that nobody can work
// in, with their states: not active yet, suspended, closed. Expressions that ask for
// the status decide for themselves. It is "" when there are none.
func LeftOut(p *config.Project, hub Hub, org *axle.Organization, where *expr.Selector) string {
	left := map[string][]axle.Account{} // by status
	for _, a := range org.Accounts {
		scope := expr.Scope{Account: a, HubAccount: hub.Account, HubRegion: hub.Region, Vars: p.Vars, Env: p.Env}
		if a.Active() || !matches(where, scope) {
			continue
		}
		if slices.ContainsFunc(p.Stacks, func(s config.Stack) bool {
			return s.Targets != nil && !s.Targets.MentionsStatus() && matches(s.Targets, scope)
		}) {
			left[a.Status] = append(left[a.Status], a)
		}
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(left)) {
		part := labels(left[status]) + " is " + status
		if len(left[status]) > 1 {
			part = labels(left[status]) + " are " + status
		}
		if status == "PENDING_ACTIVATION" {
			part += " until the sign-up is complete"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// matches says whether a selection takes an account in; without one all are in. One
// that fails is told of where it counts.
func matches(s *expr.Selector, scope expr.Scope) bool {
	if s == nil {
		return true
	}
	ok, err := s.Match(scope)
	return err == nil && ok
}
