package privilege

import (
	"axle/policy"
	"slices"
	"strings"
)

// grant is one permission: an action on a resource, for iam:PassRole with the
// service that the role is passed to. In resources ${AWS::Partition} and
// ${AWS::AccountId} stand for what differs by place.
type grant struct{ action, resource, passed string }

// grants is a set of permissions.
type grants map[grant]bool

// on adds actions, separated by spaces, on resources.
func (g grants) on(actions string, resources ...string) {
	for a := range strings.FieldsSeq(actions) {
		for _, r := range resources {
			g[grant{a, r, ""}] = true
		}
	}
}

// pass adds iam:PassRole for a service.
func (g grants) pass(service string, roles ...string) {
	for _, r := range roles {
		g[grant{"iam:PassRole", r, service}] = true
	}
}

// prune drops what other grants of the same action cover.
func (g grants) prune() {
	byAction := map[[2]string][]string{}
	for one := range g {
		k := [2]string{one.action, one.passed}
		byAction[k] = append(byAction[k], one.resource)
	}
	for k, resources := range byAction {
		for _, r := range resources {
			if slices.ContainsFunc(resources, func(wide string) bool { return wide != r && policy.Covers(wide, r) }) {
				delete(g, grant{k[0], r, k[1]})
			}
		}
	}
}
