package privilege

import (
	"axle/policy"
	"encoding/json"
	"slices"
	"strings"
)

// grant is one permission: an action on a resource, for iam:PassRole with the
// service that the role is passed to; when is a condition as JSON. In resources ${AWS::Partition} and
// ${AWS::AccountId} stand for what differs by place.
type grant struct{ action, resource, passed, when string }

// grants is a set of permissions.
type grants map[grant]bool

// on adds actions, separated by spaces, on resources.
func (g grants) on(actions string, resources ...string) {
	for a := range strings.FieldsSeq(actions) {
		for _, r := range resources {
			g[grant{action: a, resource: r}] = true
		}
	}
}

// pass adds iam:PassRole for a service.
func (g grants) pass(service string, roles ...string) {
	for _, r := range roles {
		g[grant{action: "iam:PassRole", resource: r, passed: service}] = true
	}
}

// onlyIf is on with a condition.
func (g grants) onlyIf(when Condition, actions string, resources ...string) {
	text, err := json.Marshal(when)
	if err != nil { // strings alone
		return
	}
	for a := range strings.FieldsSeq(actions) {
		for _, r := range resources {
			g[grant{action: a, resource: r, when: string(text)}] = true
		}
	}
}

// prune drops what other grants of the same action cover.
func (g grants) prune() {
	byAction := map[grant][]string{}
	for one := range g {
		k := one
		k.resource = ""
		byAction[k] = append(byAction[k], one.resource)
	}
	for k, resources := range byAction {
		for _, r := range resources {
			if slices.ContainsFunc(resources, func(wide string) bool { return wide != r && policy.Covers(wide, r) }) {
				narrow := k
				narrow.resource = r
				delete(g, narrow)
			}
		}
	}
}
