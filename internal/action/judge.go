package action

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"axle"
	"axle/internal/cfn"
	"axle/internal/late"
	"axle/policy"
)

// maxValue is how much of a property's value a preview keeps, in bytes.
const maxValue = 300

// knownAfterApply is how CloudFormation writes what only the operation will tell.
const knownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"

// judge tells of each change what people must not overlook: lost data, and what
// access it adds. Secret inputs are masked in the values.
func judge(cs *cfn.ChangeSet, in axle.Inputs) {
	mask := masking(in)
	for i := range cs.Changes {
		c := &cs.Changes[i]
		c.DataLoss = c.LosesData()
		for j := range c.Details {
			d := &c.Details[j]
			d.Before, d.After = cut(mask(d.Before)), cut(mask(d.After))
		}
		if c.Action == "Remove" {
			continue
		}
		if i < len(cs.Contexts) && cs.Contexts[i][1] != "" {
			c.Access = added(c, properties(cs.Contexts[i][0]), properties(cs.Contexts[i][1]))
			for j := range c.Access {
				c.Access[j] = cut(mask(c.Access[j]))
			}
		} else if c.Action == "Modify" && aboutAccess(c.Type) {
			c.Access = []string{"access may change: the policies before and after aren't both known here"}
		}
	}
}

// masking hides the secret inputs in a text.
func masking(in axle.Inputs) func(string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(in.Secret)) {
		v := in.Values[name]
		if v == "" {
			continue
		}
		pairs = append(pairs, v, "****")
		if quoted, err := json.Marshal(v); err == nil && string(quoted) != `"`+v+`"` {
			pairs = append(pairs, string(quoted[1:len(quoted)-1]), "****")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// storedKey is the key of an artifact: its digest says no more to people than
// that it is another one.
var storedKey = late.MustCompile(`\b((?:code|files|templates)/[0-9a-f]{12})[0-9a-f]{52}`)

// cut shortens a long value.
func cut(value string) string {
	value = strings.ReplaceAll(value, knownAfterApply, "(known after apply)")
	value = storedKey.ReplaceAllString(value, "$1…")
	if len(value) <= maxValue {
		return value
	}
	end := maxValue
	for end > 0 && !utf8.RuneStart(value[end]) {
		end--
	}
	return value[:end] + "…"
}

// aboutAccess says whether a type's resources say who may do what.
func aboutAccess(kind string) bool {
	return strings.HasPrefix(kind, "AWS::IAM::") || strings.HasSuffix(kind, "Policy") && !strings.HasPrefix(kind, "AWS::AutoScaling::") &&
		!strings.HasPrefix(kind, "AWS::ApplicationAutoScaling::") || kind == "AWS::Lambda::Permission"
}

// properties reads a context of a change set; nil when there is none.
func properties(context string) map[string]any {
	var c struct{ Properties map[string]any }
	if json.Unmarshal([]byte(context), &c) != nil {
		return nil
	}
	return c.Properties
}

// added is the access that a resource's properties give after a change and
// didn't before. A policy that only CloudFormation understands is said to be so.
func added(c *axle.ResourceChange, before, after map[string]any) []string {
	var out []string
	had, has := map[string]any{}, map[string]any{}
	documents("", before, had)
	documents("", after, has)
	for _, path := range slices.Sorted(maps.Keys(has)) {
		was, err := parse(had[path])
		will, err2 := parse(has[path])
		if err := cmp.Or(err, err2); err != nil {
			out = append(out, fmt.Sprintf("access may change: %s can't be judged: %v", path, err))
			continue
		}
		for _, g := range policy.Widening(was, will) {
			out = append(out, g.String())
		}
	}
	for _, path := range slices.Sorted(maps.Keys(had)) {
		if was, err := parse(had[path]); has[path] == nil && err == nil {
			for _, g := range policy.Widening(was, nil) { // what it denied
				out = append(out, g.String())
			}
		}
	}
	return append(out, attached(c.Type, before, after)...)
}

func parse(document any) (*policy.Policy, error) {
	if document == nil {
		return nil, nil
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return policy.Parse(text)
}

// documents collects the policy documents below a value, by their paths. Named
// policies of a list are found by their names: their order says nothing.
func documents(path string, v any, into map[string]any) {
	switch x := v.(type) {
	case map[string]any:
		if _, ok := x["Statement"]; ok {
			into[path] = x
			return
		}
		for k, c := range x {
			documents(strings.TrimPrefix(path+"."+k, "."), c, into)
		}
	case []any:
		for i, c := range x {
			at := fmt.Sprintf("%s[%d]", path, i)
			if m, ok := c.(map[string]any); ok && m["PolicyName"] != nil {
				at = fmt.Sprintf("%s[%v]", path, m["PolicyName"])
			}
			documents(at, c, into)
		}
	}
}

// attached tells of access that isn't in documents: managed policies, those that
// a policy is for, boundaries that go, and permissions of functions.
func attached(kind string, before, after map[string]any) []string {
	var out []string
	fresh := func(property, form string) {
		had := texts(before[property])
		for _, v := range texts(after[property]) {
			if !slices.Contains(had, v) {
				out = append(out, fmt.Sprintf(form, v))
			}
		}
	}
	switch kind {
	case "AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group":
		fresh("ManagedPolicyArns", "all that %s allows")
		fresh("Groups", "all that group %s may do")
		if was := texts(before["PermissionsBoundary"]); len(was) > 0 && !slices.Equal(was, texts(after["PermissionsBoundary"])) {
			out = append(out, "no longer bounded by "+was[0])
		}
	case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy":
		if before != nil {
			fresh("Roles", "the policy's access is given to role %s")
			fresh("Users", "the policy's access is given to user %s")
			fresh("Groups", "the policy's access is given to group %s")
		}
	case "AWS::Lambda::Permission":
		if text := permission(after); before == nil || permission(before) != text {
			out = append(out, text)
		}
	}
	return out
}

func permission(props map[string]any) string {
	text := fmt.Sprintf("%v may %v on %v", props["Principal"], props["Action"], props["FunctionName"])
	for _, limit := range []string{"SourceArn", "SourceAccount", "PrincipalOrgID"} {
		if v, ok := props[limit]; ok {
			text += fmt.Sprintf(" from %v", v)
			break
		}
	}
	return text
}

// texts are the strings of a value that is one, or a list of them.
func texts(v any) []string {
	switch x := v.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, c := range x {
			out = append(out, fmt.Sprint(c))
		}
		return out
	}
	return nil
}
