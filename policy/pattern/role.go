package pattern

import (
	"strings"

	"axle/policy"
)

// madeRole is a role that is made in one account, with what it may do there.
type madeRole struct {
	stack, account, name, arn string
	list                      []*resource
}

// roles plans a role in each account that owns resources.
func (b *builder) roles() []madeRole {
	name := b.name()
	accounts := accountsOf(b.resources)
	var out []madeRole
	for _, account := range accounts {
		stack := "role"
		if len(accounts) > 1 {
			stack += "-" + account
		}
		out = append(out, madeRole{stack, account, name, "arn:" + b.partition + ":iam::" + account + ":role/" + name, in(account, b.resources)})
	}
	return out
}

// roleStack is the stack of a role with its trust.
func (b *builder) roleStack(r madeRole, why string, trust statement, params []param) {
	trustDoc := document(trust)
	b.add(policy.TrustPolicy, r.account, r.arn, trustDoc)
	doc := b.identity(r.account, r.arn, b.onResources(r.list))
	all := append(append([]param{{name: "RoleName", about: "The role's name, by which the caller knows it", pattern: patternName, literal: r.name}}, params...), b.resourceParams(r.list)...)
	about := strings.ToUpper(why[:1]) + why[1:]
	props := Map{
		{"RoleName", ref("RoleName")},
		{"Description", about},
		{"AssumeRolePolicyDocument", trustDoc},
		{"Policies", []any{Map{{"PolicyName", "access"}, {"PolicyDocument", doc}}}},
	}
	b.stack(Stack{Name: r.stack, Accounts: []string{r.account}, Region: b.ask.Region, Why: why, Capabilities: named},
		about, all, Map{{"Role", Map{{"Type", "AWS::IAM::Role"}, {"Properties", props}}}},
		Map{{"RoleArn", Map{{"Description", "The role's ARN"}, {"Value", attr{"Role", "Arn"}}}}})
}

var (
	named    = []string{"CAPABILITY_NAMED_IAM"}
	anyIAM   = []string{"CAPABILITY_IAM"}
	assume   = []string{"sts:AssumeRole"}
	assumeBy = []string{"sts:AssumeRole", "sts:TagSession"}
)

// role is the pattern of a role in the resources' account that the caller assumes.
func (b *builder) role() error {
	if err := b.refuseCreate(); err != nil {
		return err
	}
	b.callerStack()
	roles := b.roles()
	var mayAssume []string
	for _, r := range roles {
		b.roleStack(r, "the role that the caller assumes in the resources' account", b.trust(), b.callerParams())
		b.keyNotes(r)
		mayAssume = append(mayAssume, r.arn)
	}
	b.callerAccess(roles, []statement{{sid: "AssumeAccessRole", actions: assume, resources: mayAssume}})
	b.profile(roles)
	b.credentials(roles)
	b.roleNotes()
	return nil
}

// trust is the trust statement for the caller.
func (b *builder) trust() statement {
	who, conditions := b.letIn(false)
	if b.ask.TrustAccount {
		who = Map{{"AWS", root(b.partition, b.caller.arn.account)}}
		conditions = nil
		if b.ask.Organization != "" {
			conditions = []condition{{"StringEquals", "aws:PrincipalOrgID", []string{b.ask.Organization}}}
		}
	}
	if b.ask.ExternalID != "" {
		conditions = append(conditions, condition{"StringEquals", "sts:ExternalId", []string{b.ask.ExternalID}})
	}
	return statement{sid: "CallerMayAssume", principal: who, actions: assume, conditions: conditions}
}

func (b *builder) refuseCreate() error {
	switch {
	case b.ask.Encrypt && !b.ask.Create:
		return mistake("add --create, or give the key that they have: --kms-key ARN", "--encrypt is for resources that are made")
	case b.ask.Create && b.ask.Pattern != ResourcePolicy:
		return mistake("axle access generate resource-policy --create makes the resource", "--create goes with resource-policy only")
	}
	return nil
}

// callerStack is the caller's role, where it is to be made.
func (b *builder) callerStack() {
	if !b.ask.CreateCaller {
		return
	}
	trusted := statement{sid: "MayBeAssumed", principal: Map{{"AWS", b.ask.CallerTrust}}, actions: assume}
	if !strings.HasPrefix(b.ask.CallerTrust, "arn:") {
		trusted.principal = Map{{"Service", b.ask.CallerTrust}}
	}
	doc := document(trusted)
	b.add(policy.TrustPolicy, b.caller.arn.account, b.caller.arn.text, doc)
	path := strings.TrimSuffix(strings.TrimPrefix(b.caller.arn.rest, "role"), b.caller.name)
	props := Map{{"RoleName", ref("RoleName")}, {"Description", "The role that calls resources of other accounts"}, {"AssumeRolePolicyDocument", doc}}
	if path != "/" {
		props = append(Map{{"Path", path}}, props...)
	}
	params := []param{{name: "RoleName", about: "The caller's name", pattern: patternName, literal: b.caller.name}}
	if strings.HasPrefix(b.ask.CallerTrust, "arn:") {
		params = append(params, param{name: "TrustedArn", about: "Who may assume the caller's role", pattern: `^arn:[a-z-]+:(iam|sts)::\d{12}:.+$`, literal: b.ask.CallerTrust})
	}
	b.stack(Stack{Name: "caller", Accounts: []string{b.caller.arn.account}, Region: b.ask.Region, Why: "the caller's role", Capabilities: named},
		"The role that calls resources of other accounts", params,
		Map{{"Role", Map{{"Type", "AWS::IAM::Role"}, {"Properties", props}}}},
		Map{{"RoleArn", Map{{"Description", "The caller's ARN"}, {"Value", attr{"Role", "Arn"}}}},
			{"RoleName", Map{{"Description", "The caller's name"}, {"Value", ref("Role")}}}})
}

// callerAccess is the caller's own side: a managed policy attached to it.
func (b *builder) callerAccess(roles []madeRole, list []statement) {
	doc := b.identity(b.caller.arn.account, b.caller.arn.text, list)
	all := []param{{name: "CallerName", about: "The name of the caller, without its path", pattern: patternName, literal: b.caller.name}}
	if b.ask.CreateCaller {
		all[0].value = output("caller", "RoleName")
	}
	for _, r := range roles {
		p := param{name: "RoleArn", about: "The role that is assumed", pattern: patternRole, literal: r.arn, value: output(r.stack, "RoleArn")}
		if len(roles) > 1 {
			p.name = "Role" + r.account + "Arn"
		}
		all = append(all, p)
	}
	all = append(all, b.resourceParams(b.resources)...)
	attach := Pair{"Roles", []any{ref("CallerName")}}
	if b.caller.user {
		attach.Key = "Users"
	}
	props := Map{{"Description", "What the caller may do in other accounts"}, {"PolicyDocument", doc}, attach}
	b.stack(Stack{Name: "caller-access", Accounts: []string{b.caller.arn.account}, Region: b.ask.Region, Why: "the caller's own side", Capabilities: anyIAM},
		"What the caller may do in other accounts", all,
		Map{{"Access", Map{{"Type", "AWS::IAM::ManagedPolicy"}, {"Properties", props}}}},
		Map{{"PolicyArn", Map{{"Description", "The policy's ARN"}, {"Value", ref("Access")}}}})
	if !b.ask.CallerExists && !b.ask.CreateCaller {
		b.note("%s must be there when stack caller-access is deployed; --create-caller makes it.", b.caller.arn.text)
		if !b.ask.TrustAccount {
			b.note("If it is there now, say --caller-exists: then it is named itself, where now its account is named with aws:PrincipalArn.")
		}
	}
}

func shorten(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, s)
	return strings.Trim(s[:min(len(s), n)], "-")
}

// keyNotes says what a key's own policy must have for a role of its account.
func (b *builder) keyNotes(r madeRole) {
	for _, k := range b.keys {
		s, ok := b.onKey(k, r.list)
		if !ok {
			continue
		}
		s.sid, s.principal, s.resources = "RoleMayUseKey", Map{{"AWS", r.arn}}, []string{"*"}
		if k.arn.account == r.account {
			b.note("The key policy of %s must leave it to IAM of its account (the default: the account's root with kms:*), or else have the statement in fragments/%s.yaml.", k.arn.text, k.label)
		} else {
			b.note("The key %s is in a third account: its key policy needs the statement in fragments/%s.yaml.", k.arn.text, k.label)
			b.add(policy.ResourcePolicy, k.arn.account, k.arn.text, document(s))
		}
		b.fragment(k.label, "AWS::KMS::Key", "KeyPolicy", "the key "+k.arn.text, document(s))
	}
}

// fragment is a policy for a resource whose template is somebody's own.
func (b *builder) fragment(label, typ, property, whose string, doc Map) {
	var inner any = doc
	keys := strings.Split(property, ".")
	for i := len(keys) - 1; i >= 0; i-- {
		inner = Map{{keys[i], inner}}
	}
	text := "# For the template that has " + whose + ":\n# " + typ + " carries its policy as the property " + property + ".\n" +
		"# Put this there, or add its statements to those that are there; it isn't deployed\n# by the axle.yaml beside it.\n"
	b.file("fragments/"+label+".yaml", "the policy of "+whose+", for its own template", text+Map{{"Properties", inner}}.yaml())
}
