package pattern

import (
	"slices"
	"strings"
)

// param is a parameter of a template and what axle.yaml gives it.
type param struct {
	name, about, pattern string
	// literal is what stands in its place in the policies as they are given
	// out; value is what axle.yaml says: the same, or an expression.
	literal, value string
	// as is the text in its place, of pseudo parameters and other parameters:
	// it is no parameter itself, but a resource of the same template.
	as string
}

func (p param) given() string {
	if p.value != "" {
		return p.value
	}
	return p.literal
}

// output is the expression for another stack's output.
func output(stack, name string) string { return `${{ output("` + stack + `", "` + name + `") }}` }

// Patterns of parameters: a typing error must not let in a stranger.
const (
	patternRole     = `^arn:[a-z-]+:iam::\d{12}:(role|user)/.+$`
	patternAccount  = `^\d{12}$`
	patternARN      = `^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:.+$`
	patternKey      = `^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/.+$`
	patternProvider = `^arn:[a-z-]+:iam::\d{12}:oidc-provider/.+$`
	patternName     = `^[A-Za-z0-9_+=,.@/-]+$`
)

// template makes a template of resources and outputs: what equals a parameter's
// literal becomes a reference to it, and only parameters that are used are
// declared. It returns these.
func template(about string, all []param, resources, outputs Map) (Map, []param) {
	used := map[string]bool{}
	resources = parametrize(resources, all, used).(Map)
	outputs = parametrize(outputs, all, used).(Map)
	var declared []param
	var decl Map
	for _, p := range all {
		if !used[p.name] || slices.ContainsFunc(declared, func(o param) bool { return o.name == p.name }) {
			continue
		}
		declared = append(declared, p)
		m := Map{{"Type", "String"}, {"Description", p.about}}
		if p.pattern != "" {
			m = append(m, Pair{"AllowedPattern", p.pattern})
		}
		decl = append(decl, Pair{p.name, m})
	}
	out := Map{{"AWSTemplateFormatVersion", "2010-09-09"}, {"Description", about}}
	if len(decl) > 0 {
		out = append(out, Pair{"Parameters", decl})
	}
	out = append(out, Pair{"Resources", resources})
	if len(outputs) > 0 {
		out = append(out, Pair{"Outputs", outputs})
	}
	return out, declared
}

// verbatim are keys whose values are never somebody's name.
var verbatim = []string{"Type", "Description", "Sid", "Effect", "Version", "PolicyName"}

// parametrize replaces literals by references, and notes those that are used.
func parametrize(value any, all []param, used map[string]bool) any {
	switch v := value.(type) {
	case Map:
		out := make(Map, len(v))
		for i, p := range v {
			out[i] = p
			if !slices.Contains(verbatim, p.Key) {
				out[i].Value = parametrize(p.Value, all, used)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = parametrize(item, all, used)
		}
		return out
	case ref:
		used[string(v)] = true
	case sub:
		for _, p := range all {
			if strings.Contains(string(v), "${"+p.name+"}") {
				used[p.name] = true
			}
		}
	case string:
		return parametrizeText(v, all, used)
	}
	return value
}

func parametrizeText(s string, all []param, used map[string]bool) any {
	var best *param
	for i := range all {
		p := &all[i]
		switch {
		case p.literal == "":
		case s == p.literal && p.as == "":
			used[p.name] = true
			return ref(p.name)
		case strings.HasPrefix(p.literal, "arn:") && strings.HasPrefix(s, p.literal) && (best == nil || len(p.literal) > len(best.literal)):
			best = p
		}
	}
	if best != nil && best.as != "" {
		return parametrize(sub(best.as+s[len(best.literal):]), all, used)
	}
	if best != nil {
		used[best.name] = true
		return sub("${" + best.name + "}" + s[len(best.literal):])
	}
	for _, p := range all {
		if p.pattern == patternAccount && strings.HasPrefix(s, "arn:") && strings.HasSuffix(s, ":iam::"+p.literal+":root") {
			used[p.name] = true
			return sub("arn:${AWS::Partition}:iam::${" + p.name + "}:root")
		}
	}
	return s
}

// stack adds a stack with its template.
func (b *builder) stack(s Stack, about string, all []param, resources, outputs Map) {
	s.body, s.params = template(about, all, resources, outputs)
	s.Template = "templates/" + s.Name + ".yaml"
	b.out.Stacks = append(b.out.Stacks, s)
	b.file(s.Template, about, s.body.yaml())
}

func (b *builder) file(path, about, text string) {
	b.out.Files = append(b.out.Files, File{path, about, text})
}

// callerParams are how the caller is known to the templates of others. When it
// is made by this deployment its ARN comes from its stack.
func (b *builder) callerParams() []param {
	arn := param{name: "CallerArn", about: "The role that calls", pattern: patternRole, literal: b.caller.arn.text}
	if b.ask.CreateCaller {
		arn.value = output("caller", "RoleArn")
	}
	return []param{arn,
		{name: "CallerAccount", about: "The account that calls", pattern: patternAccount, literal: b.caller.arn.account},
		{name: "ExternalId", about: "What the caller must say when it assumes the role", literal: b.ask.ExternalID},
		{name: "OrganizationId", about: "The organization that the caller must be of", pattern: `^o-[a-z0-9]{10,32}$`, literal: b.ask.Organization}}
}

// resourceParams are the ARNs of resources and their keys, for the templates
// that speak of them from elsewhere.
func (b *builder) resourceParams(list []*resource) []param {
	var out []param
	for _, r := range list {
		p := param{name: r.param, about: "The " + r.service.label + " that is reached", pattern: patternARN, literal: r.match}
		if r.created {
			p.value = output(r.label, "Arn")
		} else if r.match != r.arn.text {
			p.literal = "" // the pattern for a secret's suffix stays as it is
			out = append(out, param{name: r.param, about: p.about + ", without its last six characters", pattern: patternARN, literal: r.arn.text})
			continue
		}
		out = append(out, p)
		if r.service.prefix == "glue" {
			for i, part := range r.glueChain()[:2] {
				out = append(out, param{name: r.param + []string{"Catalog", "Database"}[i], about: "What the table is in", pattern: patternARN, literal: part})
			}
		}
	}
	for _, k := range b.keys {
		p := param{name: k.param, about: "The key that it is encrypted with", pattern: patternKey, literal: k.arn.text}
		if k.created {
			p.value = output(k.label, "KeyArn")
		}
		out = append(out, p)
	}
	return out
}

// accountsOf are the accounts of resources, each once, in their order.
func accountsOf(list []*resource) []string {
	var out []string
	for _, r := range list {
		if !slices.Contains(out, r.account) {
			out = append(out, r.account)
		}
	}
	return out
}

// in are the resources of one account.
func in(account string, list []*resource) []*resource {
	var out []*resource
	for _, r := range list {
		if r.account == account {
			out = append(out, r)
		}
	}
	return out
}
