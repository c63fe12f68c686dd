package sandbox

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

func setStackPolicy(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	body, err := c.requestedPolicy("StackPolicy")
	if err != nil {
		return nil, err
	}
	if body == "" {
		return nil, invalid("You must specify either the StackPolicyBody or the StackPolicyURL parameter, but not both.")
	}
	st.Policy = body
	return nil, nil
}

// requestedPolicy is the stack policy that the call gives by body or by URL; ""
// when it gives none.
func (c *call) requestedPolicy(name string) (string, error) {
	body, url := c.In.str(name+"Body"), c.In.str(name+"URL")
	if body != "" && url != "" {
		return "", invalid("You must specify either the %sBody or the %sURL parameter, but not both.", name, name)
	}
	if url != "" {
		var err error
		if body, err = c.templateObject(url); err != nil {
			return "", err
		}
	}
	if body == "" && url == "" {
		return "", nil
	}
	_, err := policyStatements(body)
	return body, err
}

func policyStatements(text string) ([]map[string]any, error) {
	var doc struct{ Statement []map[string]any }
	if json.Unmarshal([]byte(text), &doc) != nil || doc.Statement == nil {
		return nil, invalid("Error validating stack policy: Invalid stack policy")
	}
	return doc.Statement, nil
}

func getStackPolicy(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	return obj{"StackPolicyBody": optional(st.Policy)}, nil
}

// policyAllows refuses changes that a stack policy doesn't allow. Without a
// policy all is allowed.
func policyAllows(policy string, list []resourceChange) error {
	if policy == "" {
		return nil
	}
	statements, err := policyStatements(policy)
	if err != nil {
		return err
	}
	for _, ch := range list {
		action := "Update:Modify"
		switch {
		case ch.Action == "Add":
			continue
		case ch.Action == "Remove":
			action = "Update:Delete"
		case ch.Replacement == "True":
			action = "Update:Replace"
		}
		allowed := false
		for _, s := range statements {
			if !statementCovers(s, ch, action) {
				continue
			}
			if s["Effect"] == "Deny" {
				allowed = false
				break
			}
			allowed = true
		}
		if !allowed {
			return invalid("Action denied by stack policy: Statement [#1] does not allow [%s] for resource [LogicalResourceId/%s]", action, ch.ID)
		}
	}
	return nil
}

// statementCovers says whether a statement is about the change.
func statementCovers(s map[string]any, ch resourceChange, action string) bool {
	matches := func(patterns []string, subject string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, subject)
			return err == nil && ok || p == "*"
		})
	}
	if a := stringOrList(s["Action"]); len(a) > 0 && !matches(a, action) {
		return false
	}
	if a := stringOrList(s["NotAction"]); len(a) > 0 && matches(a, action) {
		return false
	}
	id := "LogicalResourceId/" + ch.ID
	if r := stringOrList(s["Resource"]); len(r) > 0 && !matches(r, id) {
		return false
	}
	if r := stringOrList(s["NotResource"]); len(r) > 0 && matches(r, id) {
		return false
	}
	cond, _ := s["Condition"].(map[string]any)
	for _, c := range cond {
		m, _ := c.(map[string]any)
		if kinds := stringOrList(m["ResourceType"]); len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k string) bool {
			return k == ch.Type || strings.HasSuffix(k, "*") && strings.HasPrefix(ch.Type, strings.TrimSuffix(k, "*"))
		}) {
			return false
		}
	}
	return true
}
