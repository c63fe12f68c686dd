package pattern

import (
	"slices"
	"strconv"
	"strings"

	"axle/policy"
)

// statement is one Allow.
type statement struct {
	sid        string
	principal  Map // nil in identity policies
	actions    []string
	resources  []string // nil: the element is left out
	conditions []condition
}

// condition is one key with its values.
type condition struct {
	operator, key string
	values        []string
}

// document is a policy of statements.
func document(list ...statement) Map {
	var out []any
	for _, s := range list {
		m := Map{{"Sid", s.sid}, {"Effect", "Allow"}}
		if s.principal != nil {
			m = append(m, Pair{"Principal", s.principal})
		}
		m = append(m, Pair{"Action", oneOrMany(s.actions)})
		if s.resources != nil {
			m = append(m, Pair{"Resource", oneOrMany(s.resources)})
		}
		if len(s.conditions) > 0 {
			m = append(m, Pair{"Condition", conditionMap(s.conditions)})
		}
		out = append(out, m)
	}
	return Map{{"Version", "2012-10-17"}, {"Statement", out}}
}

func conditionMap(list []condition) Map {
	var out Map
	for _, c := range list {
		i := slices.IndexFunc(out, func(p Pair) bool { return p.Key == c.operator })
		if i < 0 {
			out, i = append(out, Pair{c.operator, Map(nil)}), len(out)
		}
		out[i].Value = append(out[i].Value.(Map), Pair{c.key, oneOrMany(c.values)})
	}
	return out
}

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// letIn names the caller in a resource's policy: itself where it exists by
// then, else its account narrowed to it, as IAM and others refuse a principal
// that isn't there yet.
func (b *builder) letIn(exact bool) (Map, []condition) {
	var conditions []condition
	if b.ask.Organization != "" {
		conditions = append(conditions, condition{"StringEquals", "aws:PrincipalOrgID", []string{b.ask.Organization}})
	}
	if exact || b.ask.CallerExists || b.ask.CreateCaller {
		return Map{{"AWS", b.caller.arn.text}}, conditions
	}
	who := Map{{"AWS", root(b.partition, b.caller.arn.account)}}
	return who, append(conditions, condition{"ArnEquals", "aws:PrincipalArn", []string{b.caller.arn.text}})
}

// onResources are the statements for resources in an identity policy: one for
// each service and grant, with the resources that share it.
func (b *builder) onResources(list []*resource) []statement {
	var out []statement
	for _, r := range list {
		for _, g := range r.grants {
			arns := r.arns(g)
			i := slices.IndexFunc(out, func(s statement) bool { return slices.Equal(s.actions, g.actions) })
			if i >= 0 {
				for _, a := range arns {
					if !slices.Contains(out[i].resources, a) {
						out[i].resources = append(out[i].resources, a)
					}
				}
				continue
			}
			s := statement{sid: sid(out, r, g), actions: g.actions, resources: arns}
			if slices.Equal(g.actions, []string{"sts:GetServiceBearerToken"}) {
				s.conditions = []condition{{"StringEquals", "sts:AWSServiceName", []string{r.service.prefix + ".amazonaws.com"}}}
			}
			out = append(out, s)
		}
	}
	for _, k := range b.keys {
		if s, ok := b.onKey(k, list); ok {
			s.sid = uniqueSID(out, "UseKey")
			s.resources = []string{k.arn.text}
			out = append(out, s)
		}
	}
	return out
}

// onKey is what the caller does with a key, through the services of those of
// list that are encrypted with it.
func (b *builder) onKey(k *key, list []*resource) (statement, bool) {
	var via, actions []string
	for _, r := range k.users {
		if slices.Contains(list, r) {
			via = append(via, r.service.via+"."+r.region+"."+suffix(b.partition))
			actions = append(actions, r.kms...)
		}
	}
	slices.Sort(via)
	slices.Sort(actions)
	via, actions = slices.Compact(via), slices.Compact(actions)
	s := statement{sid: "UseKey", actions: actions, conditions: []condition{{"StringEquals", "kms:ViaService", via}}}
	return s, len(via) > 0
}

// sid names a statement by what it is on and what it begins with.
func sid(before []statement, r *resource, g grant) string {
	_, name, _ := strings.Cut(g.actions[0], ":")
	name = camel(name)
	if label := camel(r.service.label); !g.own && !strings.Contains(name, label) {
		name += label
	}
	return uniqueSID(before, name)
}

func uniqueSID(before []statement, name string) string {
	taken := func(s string) bool {
		return slices.ContainsFunc(before, func(o statement) bool { return o.sid == s })
	}
	for candidate, n := name, 2; ; n++ {
		if !taken(candidate) {
			return candidate
		}
		candidate = name + strconv.Itoa(n)
	}
}

// identity records the policy of an identity.
func (b *builder) identity(account, on string, list []statement) Map {
	doc := document(list...)
	b.add(policy.IdentityPolicy, account, on, doc)
	return doc
}
