package pattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"axle/policy"
)

// resourcePolicy is the pattern of policies on the resources themselves.
func (b *builder) resourcePolicy() error {
	if err := b.refuseCreate(); err != nil {
		return err
	}
	for _, what := range []struct {
		given bool
		flag  string
	}{{b.ask.ExternalID != "", "--external-id"}, {b.ask.TrustAccount, "--trust-account"}} {
		if what.given {
			return mistake("it is for the role pattern: a resource's policy names the caller itself", "%s means nothing to a resource policy", what.flag)
		}
	}
	for _, r := range b.resources {
		if err := b.takesPolicy(r); err != nil {
			return err
		}
	}
	b.makeKeys()
	b.callerStack()
	for _, k := range b.keys {
		if k.created {
			b.keyStack(k)
		} else {
			b.keyFragment(k)
		}
	}
	for _, r := range b.resources {
		if err := b.onResource(r); err != nil {
			return err
		}
		b.note("%s", r.service.policy.note)
	}
	b.callerAccess(nil, b.onResources(b.resources))
	b.policyNotes()
	return nil
}

// takesPolicy refuses what a resource policy can't give.
func (b *builder) takesPolicy(r *resource) error {
	s := r.service
	switch {
	case s.policy == nil:
		return mistake("use a role: axle access generate role ...; axle access advise says which pattern fits which resource", "%s: %s", r.arn.text, s.instead)
	case r.account == b.caller.arn.account:
		return mistake("leave it out: the caller's own policy is enough", "%s is in the caller's own account %s", r.arn.text, r.account)
	case r.created && s.prefix == "kms":
		return mistake("leave --create out, or let --encrypt make a key", "a key's id isn't known before it is made, so %s can't be made", r.arn.text)
	case r.created && s.create == nil:
		return mistake("leave --create out and make it yourself", "--create can't make a %s", s.label)
	case r.created && strings.ContainsAny(r.lastName(), "/:"):
		return mistake("leave --create out and make it yourself", "--create can't make %s", r.arn.text)
	case s.policy.exact && b.ask.Organization != "" && s.prefix != "lambda":
		return mistake("leave --org out", "%s takes no condition", s.label)
	}
	for _, g := range r.grants {
		for _, action := range g.actions {
			if !g.own && !acrossAccounts(r, action, b.caller.arn.text) {
				return mistake("use a role for it: axle access generate role ...", "%s ignores %s from other accounts, whatever its policy says", s.prefix, action)
			}
		}
	}
	return nil
}

// acrossAccounts asks the engine whether the service takes an action from other
// accounts when everything allows it.
func acrossAccounts(r *resource, action, caller string) bool {
	everything := statement{sid: "Everything", actions: []string{"*"}, resources: []string{"*"}}
	all, err := compiled(document(everything))
	everything.principal = Map{{"AWS", caller}}
	open, otherErr := compiled(document(everything))
	if err != nil || otherErr != nil {
		return true // the caller's ARN isn't one, which the check of what is generated says
	}
	req := &policy.Request{Principal: policy.ParsePrincipal(caller), Action: action, Resource: r.arn.text, ResourceAccount: r.account}
	return policy.Explain(req, &policy.Policies{Identity: []*policy.Policy{all}, Resource: open}).Decision.Verdict != policy.Unsupported
}

// statements are what the resource's own policy says, or its key's.
func (b *builder) statements(r *resource) []statement {
	c := r.service.policy
	who, conditions := b.letIn(c.exact)
	var out []statement
	for _, g := range r.grants {
		if g.own {
			continue
		}
		s := statement{sid: sid(out, r, g), principal: who, actions: g.actions, conditions: conditions}
		switch c.resource {
		case "*":
			s.resources = []string{"*"}
		case "":
			s.resources = r.arns(g)
		}
		out = append(out, s)
	}
	return out
}

// onResource writes the resource's side: a stack, or a fragment.
func (b *builder) onResource(r *resource) error {
	c, list := r.service.policy, b.statements(r)
	if c.owner != nil {
		s := statement{sid: "OwnerAdministers", principal: Map{{"AWS", root(b.partition, r.account)}}, actions: c.owner, resources: []string{"*"}}
		if c.resource == "" {
			s.resources = []string{r.arn.text}
		}
		list = append([]statement{s}, list...)
	}
	doc := document(list...)
	b.add(policy.ResourcePolicy, r.account, r.arn.text, doc)
	raw, err := doc.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write the policy of %s: %w", r.arn.text, err)
	}
	if len(raw) > c.limit {
		return mistake("ask for fewer actions, or use a role", "the policy of %s would have %d bytes, and %s takes %d", r.arn.text, len(raw), r.service.prefix, c.limit)
	}
	switch {
	case c.manual != "":
		path := "policies/" + r.label + ".json"
		b.file(path, "the policy of "+r.arn.text, doc.Indented())
		b.note("CloudFormation has no type for the policy of %s: in account %s run %s", r.arn.text, r.account, fmt.Sprintf(c.manual, path))
	case c.property != "" && !r.created:
		b.propertyFragment(r, doc, raw)
	default:
		b.resourceStack(r, doc, list)
	}
	return nil
}

func (b *builder) propertyFragment(r *resource, doc Map, raw json.RawMessage) {
	c := r.service.policy
	b.note("CloudFormation carries the policy of %s only as %s of %s: put fragments/%s.yaml into its template.", r.arn.text, c.property, c.typ, r.label)
	if c.text {
		doc = nil
		b.file("fragments/"+r.label+".yaml", "the policy of "+r.arn.text+", for its own template",
			"# For the template that has "+r.arn.text+" ("+c.typ+").\n"+Map{{"Properties", Map{{c.property, string(raw)}}}}.yaml())
		return
	}
	b.fragment(r.label, c.typ, c.property, r.arn.text, doc)
}

// resourceStack is a stack with the policy, and with the resource if it is made.
func (b *builder) resourceStack(r *resource, doc Map, list []statement) {
	c := r.service.policy
	id := r.logical()
	var resources, outputs Map
	var key any
	all := []param{{name: r.nameParam(), about: "The name of the " + r.service.label, pattern: patternName, literal: r.lastName()}}
	for _, k := range b.keysOf(r) {
		key = ref(k.param)
		if k.created {
			break
		}
	}
	if r.created {
		made := r.service.create(&created{r, key})
		if c.property != "" {
			setProperty(made, c.property, doc)
		}
		resources = append(resources, Pair{id, made})
		value := any(attr{id, "Arn"})
		if r.service.prefix == "secretsmanager" || r.service.prefix == "sns" {
			value = ref(id)
		}
		outputs = Map{{"Arn", Map{{"Description", "Its ARN"}, {"Value", value}}}}
		all = append(all, param{literal: r.bareARN(), as: r.selfText()})
	}
	switch {
	case c.property != "":
	case c.typ == "AWS::Lambda::Permission":
		resources = append(resources, b.permissions(r)...)
	case c.typ == "AWS::Events::EventBusPolicy":
		for i, s := range list {
			one := document(s)[1].Value.([]any)[0].(Map)
			resources = append(resources, Pair{fmt.Sprintf("Policy%d", i+1), Map{{"Type", c.typ}, {"Properties",
				Map{{"EventBusName", r.name()}, {"StatementId", b.ask.statementID(s.sid)}, {"Statement", one}}}}})
		}
	default:
		resources = append(resources, Pair{"Policy", Map{{"Type", c.typ}, {"Properties", c.build(r, doc)}}})
	}
	about := "Lets the caller use a " + r.service.label
	why := "the policy of the " + r.service.label
	if r.created {
		about, why = "A "+r.service.label+" that the caller may use", "the "+r.service.label+" and its policy"
	}
	all = append(all, param{literal: root(b.partition, r.account), as: ownRoot})
	others := []*resource{r}
	if r.created {
		others = nil // its keys only: it doesn't know itself by a parameter
	}
	b.stack(Stack{Name: r.label, Accounts: []string{r.account}, Region: r.region, Why: why}, about,
		append(append(all, b.callerParams()...), b.resourceParams(others)...), resources, outputs)
}

// statementID is unique on a bus, which keeps the statements of all callers.
func (a *Ask) statementID(sid string) string {
	return shorten(sid+"-"+a.Caller[strings.LastIndexByte(a.Caller, '/')+1:], 64)
}

// permissions are Lambda's: one an action, for the role itself.
func (b *builder) permissions(r *resource) Map {
	var out Map
	for _, g := range r.grants {
		for _, action := range g.actions {
			props := Map{{"FunctionName", r.arn.text}, {"Action", action}, {"Principal", b.caller.arn.text}}
			if b.ask.Organization != "" {
				props = append(props, Pair{"PrincipalOrgID", b.ask.Organization})
			}
			out = append(out, Pair{camel(strings.TrimPrefix(action, "lambda:")), Map{{"Type", "AWS::Lambda::Permission"}, {"Properties", props}}})
		}
	}
	return out
}

// bareARN is the ARN of the whole resource: of a bucket without its objects.
func (r *resource) bareARN() string {
	if r.service.prefix != "s3" {
		return r.arn.text
	}
	bucket, _, _ := strings.Cut(r.arn.text, "/")
	return bucket
}

// selfText is the ARN of a resource in the template that makes it.
func (r *resource) selfText() string {
	if r.service.prefix == "s3" {
		return "arn:${AWS::Partition}:s3:::${" + r.nameParam() + "}"
	}
	return "arn:${AWS::Partition}:" + r.service.prefix + ":${AWS::Region}:${AWS::AccountId}:" + r.service.kind + "${" + r.nameParam() + "}"
}

// setProperty puts a value under a path of a resource's properties.
func setProperty(res Map, path string, value any) {
	i := slices.IndexFunc(res, func(p Pair) bool { return p.Key == "Properties" })
	keys := strings.Split(path, ".")
	for j := len(keys) - 1; j > 0; j-- {
		value = Map{{keys[j], value}}
	}
	res[i].Value = append(res[i].Value.(Map), Pair{keys[0], value})
}

// makeKeys plans a key for each account and region that needs one. A secret
// does: the account's own aws/secretsmanager key can't be used from elsewhere.
func (b *builder) makeKeys() {
	if !b.ask.Create {
		return
	}
	for _, r := range b.resources {
		needs := r.service.prefix == "secretsmanager" || b.ask.Encrypt
		if r.service.via == "" || !needs || len(b.keysOf(r)) > 0 {
			continue
		}
		i := slices.IndexFunc(b.keys, func(k *key) bool { return k.created && k.arn.account == r.account && k.arn.region == r.region })
		if i < 0 {
			k := &key{created: true, label: "key", param: "KeyArn"}
			if n := len(b.keys); n > 0 {
				k.label, k.param = fmt.Sprintf("key-%d", n+1), fmt.Sprintf("Key%dArn", n+1)
			}
			k.arn = arn{partition: b.partition, service: "kms", region: r.region, account: r.account, rest: "key/made-by-stack-" + k.label}
			k.arn.text = "arn:" + b.partition + ":kms:" + r.region + ":" + r.account + ":" + k.arn.rest
			b.keys, i = append(b.keys, k), len(b.keys)
		}
		b.keys[i].users = append(b.keys[i].users, r)
	}
}

// ownRoot names the account where the stack is.
const ownRoot = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"

// keyStatements are the caller's in a key policy.
func (b *builder) keyStatements(k *key) []statement {
	var out []statement
	if s, ok := b.onKey(k, b.resources); ok && len(s.actions) > 0 {
		who, conditions := b.letIn(false)
		s.sid, s.principal, s.resources = "CallerMayUseKey", who, []string{"*"}
		s.conditions = append(s.conditions, conditions...)
		out = append(out, s)
	}
	return out
}

func (b *builder) keyStack(k *key) {
	owner := root(b.partition, k.arn.account)
	list := append([]statement{{sid: "OwnerAdministers", principal: Map{{"AWS", owner}}, actions: []string{"kms:*"}, resources: []string{"*"}}}, b.keyStatements(k)...)
	doc := document(list...)
	b.add(policy.ResourcePolicy, k.arn.account, k.arn.text, doc)
	made := createKey(nil)
	setProperty(made, "KeyPolicy", doc)
	all := append(b.callerParams(), param{literal: owner, as: ownRoot})
	b.stack(Stack{Name: k.label, Accounts: []string{k.arn.account}, Region: k.arn.region, Why: "the key that the caller may use through these services"},
		"A key for resources that other accounts use", all, Map{{"Key", made}},
		Map{{"KeyArn", Map{{"Description", "The key's ARN"}, {"Value", attr{"Key", "Arn"}}}}})
}

func (b *builder) keyFragment(k *key) {
	list := b.keyStatements(k)
	doc := document(list...)
	b.add(policy.ResourcePolicy, k.arn.account, k.arn.text, doc)
	b.note("CloudFormation carries a key policy only as KeyPolicy of AWS::KMS::Key: add the statement of fragments/%s.yaml to that of %s, beside what is there.", k.label, k.arn.text)
	b.fragment(k.label, "AWS::KMS::Key", "KeyPolicy", "the key "+k.arn.text, doc)
}
