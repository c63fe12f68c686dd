package lint

import (
	"strings"

	"axle/internal/late"
	"axle/internal/template"
	"axle/policy"
)

// compile makes the document one that can be evaluated; nil when IAM refuses it
// (which another rule says) or when it isn't known well enough.
func (u *unit) compile(d *document) *policy.Policy {
	if p, ok := u.compiled[d]; ok {
		return p
	}
	var p *policy.Policy
	if !u.vague(d) {
		body := strings.ReplaceAll(u.sealText(string(d.node.JSON())), "arn:*:", "arn:aws:")
		p, _ = policy.Parse([]byte(body))
	}
	u.compiled[d] = p
	return p
}

// permissions are what the templates give one role.
type permissions struct {
	list []*policy.Policy
	// complete: there is nothing else that isn't known.
	complete bool
}

// attach finds the policies that stand apart from their roles, by account and
// the role's name. "" in the place of the name is of those whose role isn't known.
func (r *run) attach() {
	r.index.attached = map[string][]*document{}
	for _, u := range r.units {
		for _, d := range u.resources {
			var nodes []*template.Node
			switch d.Type {
			case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy":
				nodes = d.Properties.Get("Roles").List()
			case "AWS::IAM::RolePolicy":
				nodes = d.Properties.Get("RoleName").List()
			}
			for _, n := range nodes {
				name := u.sealText(n.Str())
				if u.open(n.Str()) {
					name = ""
				}
				key := u.account + "/" + name
				r.index.attached[key] = append(r.index.attached[key], u.docsOf[d.Name]...)
			}
		}
	}
}

// identity are the permissions of a role.
func (r *run) identity(p placed) *permissions {
	if known := r.index.identities[p]; known != nil {
		return known
	}
	out := &permissions{complete: len(r.index.attached[p.u.account+"/"]) == 0}
	r.index.identities[p] = out
	add := func(docs []*document) {
		for _, d := range docs {
			if c := d.unit.compile(d); c != nil {
				out.list = append(out.list, c)
			} else {
				out.complete = false
			}
		}
	}
	for _, d := range p.u.docsOf[p.d.Name] {
		if d.identity() {
			add([]*document{d})
		}
	}
	add(r.index.attached[p.u.account+"/"+p.u.sealText(p.u.name(p.d))])
	for _, n := range p.d.Properties.Get("ManagedPolicyArns").List() {
		if strings.HasSuffix(n.Str(), ":policy/AdministratorAccess") {
			out.list = append(out.list, everything(""))
			continue
		}
		managed, ok := r.find(p.u, n.Str())
		if !ok || managed.d.Type != "AWS::IAM::ManagedPolicy" {
			out.complete = false
			continue
		}
		add(managed.u.docsOf[managed.d.Name])
	}
	// A boundary can take away, never give: what is denied without one stays so.
	return out
}

// caller is a role as the principal of a request.
func caller(p placed) policy.Principal {
	arn := strings.Replace(p.u.seal(p.u.arn(p.d)), "arn:*:", "arn:aws:", 1)
	return policy.ParsePrincipal(arn)
}

// everything is a policy that allows all: of the side that isn't asked.
func everything(principal string) *policy.Policy {
	p, _ := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + principal + `"Action":"*","Resource":"*"}}`)) // a constant: it parses
	return p
}

var generatedName = late.MustCompile(`<([^.<>]+)\.([A-Za-z0-9]+)>`)

var secretSuffix = late.MustCompile(`-<[^<>]+>$`)

// forms are an ARN as references have it, and as patterns would: with names such
// as CloudFormation generates them.
func (r *run) forms(s string) []string {
	if !generatedName.MatchString(s) {
		return []string{s}
	}
	if strings.Contains(s, ":secretsmanager:") {
		named := secretSuffix.ReplaceAllString(s, "-AbCdEf")
		return []string{s, named, generatedName.ReplaceAllString(named, "$2-1A2B3C4D5E6F-AbCdEf")}
	}
	real := generatedName.ReplaceAllStringFunc(s, func(m string) string {
		part := generatedName.FindStringSubmatch(m)
		if stack := r.index.stacks[part[1]]; stack != "" {
			return stack + "-" + part[2] + "-1A2B3C4D5E6F"
		}
		return part[2] + "-1A2B3C4D5E6F"
	})
	return []string{s, real, strings.ToLower(real)}
}

// identityAllows asks only whether a role's own permissions allow an action. It
// is certain of a no only. It asks as of another account, where the two sides
// are apart.
func (r *run) identityAllows(p placed, action, resource string) bool {
	has := r.identity(p)
	if !has.complete {
		return true
	}
	policies := &policy.Policies{Identity: has.list, Resource: everything(`"Principal":"*",`)}
	return r.allowed(caller(p), action, resource, "000000000000", nil, policies)
}

// allowed decides for each form of the two ARNs.
func (r *run) allowed(who policy.Principal, action, resource, owner string, context map[string][]string, p *policy.Policies) bool {
	principals := []policy.Principal{who}
	if who.ARN != "" && who.Type != policy.Service {
		principals = nil
		for _, arn := range r.forms(who.ARN) {
			principals = append(principals, policy.ParsePrincipal(arn))
		}
	}
	for _, who := range principals {
		for _, arn := range r.forms(resource) {
			got := policy.Evaluate(&policy.Request{Principal: who, Action: action, Resource: arn, ResourceAccount: owner, Context: context, Unknown: []string{"*"}}, p)
			if got.Allowed() || got.Verdict == policy.Conditional {
				return true
			}
		}
	}
	return false
}

// resourceAllows asks only whether a resource's policy lets a principal in. It
// is certain of a no only.
func (r *run) resourceAllows(d *document, who policy.Principal, action, resource string, context map[string][]string) bool {
	c := d.unit.compile(d)
	if c == nil {
		return true
	}
	owner := d.account
	if owner == "" {
		owner = "000000000000"
	}
	p := &policy.Policies{Resource: c}
	if who.Type != policy.Service {
		p.Identity = []*policy.Policy{everything("")}
	}
	return r.allowed(who, action, resource, owner, context, p)
}

// evaluable is an ARN of the index as policies name it.
func evaluable(sealed string) string { return strings.Replace(sealed, "arn:*:", "arn:aws:", 1) }
