package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// Situation is what advice depends on, beside what is asked for.
type Situation struct {
	From           string // lambda, ec2, ecs, fargate, eks, kubernetes, onpremises, or ""
	VPCOnly        bool   // traffic may not leave the VPC
	CallsPerSecond int
}

// froms are where code may run.
var froms = []string{"lambda", "ec2", "ecs", "fargate", "eks", "kubernetes", "onpremises"}

// Advice is which pattern to use for each resource, and why.
type Advice struct {
	Resources []Recommendation `json:"resources"`
	Endpoints []Endpoint       `json:"endpoints,omitempty"`
	Order     []string         `json:"order"`
	Notes     []string         `json:"notes,omitempty"`
	Commands  []string         `json:"commands"`
}

// Recommendation is the pattern for one resource.
type Recommendation struct {
	Resource string   `json:"resource"`
	Account  string   `json:"account"`
	Pattern  string   `json:"pattern"`
	Actions  []string `json:"actions"`
	Why      []string `json:"why"`
	r        *resource
}

// Endpoint is a VPC endpoint that is needed, and a statement for its policy.
type Endpoint struct {
	Service   string `json:"service"` // com.amazonaws.eu-west-1.dynamodb
	Type      string `json:"type"`    // Gateway or Interface
	Why       string `json:"why"`
	Statement Map    `json:"policy_statement"`
}

// Advise recommends a pattern for each resource. An error that is a *Mistake is
// the asker's.
func Advise(ask Ask, where Situation) (*Advice, error) {
	if where.From != "" && !slices.Contains(froms, where.From) {
		return nil, mistake(strings.Join(froms, ", "), "--from can't be %q", where.From)
	}
	if where.CallsPerSecond < 0 {
		return nil, mistake("a number of 0 or more", "--calls-per-second can't be %d", where.CallsPerSecond)
	}
	ask.Pattern = Role
	pods := where.From == "eks" || where.From == "kubernetes"
	if pods && ask.Caller == "" {
		ask.Pattern = Kubernetes
	}
	b := &builder{ask: ask, out: &Bundle{}}
	if err := b.read(); err != nil {
		return nil, err
	}
	out := &Advice{}
	for _, r := range b.resources {
		rec := Recommendation{Resource: r.arn.text, Account: r.account, r: r}
		for _, g := range r.grants {
			rec.Actions = append(rec.Actions, g.actions...)
		}
		b.recommend(&rec, where, pods)
		out.Resources = append(out.Resources, rec)
	}
	b.advisePaths(out, where)
	b.adviseOrder(out)
	b.adviseCommands(out, where)
	if len(b.ask.KMSKeys) == 0 {
		b.adviseKeys()
	}
	out.Notes = append(b.out.Notes, out.Notes...)
	return out, nil
}

// recommend decides on one resource.
func (b *builder) recommend(rec *Recommendation, where Situation, pods bool) {
	r := rec.r
	say := func(format string, args ...any) { rec.Why = append(rec.Why, fmt.Sprintf(format, args...)) }
	blocked := b.blocked(r)
	tooMany := r.service.rate > 0 && where.CallsPerSecond*2 > r.service.rate
	switch {
	case b.ask.Pattern == Role && r.account == b.caller.arn.account:
		rec.Pattern = "none"
		say("It is in the caller's own account: the caller's own policy is enough.")
		return
	case pods:
		rec.Pattern = Kubernetes
		say("Pods get a role in account %s by themselves: no code and no ARN changes, one stack on the side of the resource.", r.account)
		say("Calls count against the limits of account %s, which owns it.", r.account)
		if blocked != "" {
			say("A resource policy isn't possible: %s.", blocked)
		}
		return
	case blocked != "":
		rec.Pattern = Role
		say("A resource policy isn't possible: %s.", blocked)
	case tooMany:
		rec.Pattern = Role
		say("%d calls a second are near the default limit of %d a second for an account and region. With a role they count against account %s; with a resource policy they would against %s, together with all that runs there.",
			where.CallsPerSecond, r.service.rate, r.account, b.caller.arn.account)
	case r.service.policy.manual != "":
		rec.Pattern = Role
		say("It takes a resource policy, but CloudFormation has no type for it: a role can be deployed and reviewed.")
	default:
		rec.Pattern = ResourcePolicy
		say("%s takes a resource policy (%s) and these actions from other accounts: no second role, no session that ends.", r.service.prefix, carrierName(r.service.policy))
		say("Calls count against the limits of the caller's account %s.", b.caller.arn.account)
		if r.service.rate > 0 {
			say("The default limit is %d calls a second for an account and region; above half of it a role is better (--calls-per-second).", r.service.rate)
		}
		if r.service.policy.property != "" {
			say("The policy is part of the resource's own template.")
		}
		say("The code must name it by its full ARN.")
		return
	}
	if where.From == "lambda" {
		say("Lambda's credentials are in the environment, which wins over AWS_PROFILE: the client names the profile, one line of code.")
	}
	say("With a role calls count against the limits of account %s, and names work as they do there.", r.account)
	say("Sessions end: after an hour, never later, as the caller is itself a role (role chaining). SDKs renew them by the profile that is generated.")
}

func carrierName(c *carrier) string {
	if c.property == "" {
		return c.typ
	}
	return c.typ + "." + c.property
}

// blocked is why a resource policy can't do, or "".
func (b *builder) blocked(r *resource) string {
	if r.service.policy == nil {
		return r.service.instead
	}
	if b.ask.Pattern != Role {
		return ""
	}
	for _, g := range r.grants {
		for _, action := range g.actions {
			if !g.own && !acrossAccounts(r, action, b.caller.arn.text) {
				return r.service.prefix + " ignores " + action + " from other accounts, whatever its policy says"
			}
		}
	}
	return ""
}

// callsAs is whom the resource's service sees.
func (b *builder) callsAs(out *Advice, rec *Recommendation) string {
	if rec.Pattern == ResourcePolicy || rec.Pattern == "none" {
		return b.caller.arn.text
	}
	var list []*resource
	for _, r := range out.Resources {
		if r.Pattern == rec.Pattern && (b.ask.Cluster == "" || r.Account == rec.Account) {
			list = append(list, r.r)
		}
	}
	return "arn:" + b.partition + ":iam::" + rec.Account + ":role/" + b.nameFor(list)
}

// advisePaths says how the traffic goes, and which VPC endpoints it needs.
func (b *builder) advisePaths(out *Advice, where Situation) {
	switch {
	case where.VPCOnly:
	case where.From == "lambda":
		b.note("A function outside of a VPC calls AWS's public endpoints from Lambda's own network; one in a VPC needs a NAT gateway or the endpoints (--vpc-only lists them).")
		return
	default:
		b.note("Traffic to AWS's public endpoints leaves the VPC through a NAT or internet gateway, unless the VPC has endpoints: --vpc-only lists them.")
		return
	}
	add := func(service, region, why string, s statement) {
		e := Endpoint{Service: "com.amazonaws." + region + "." + service, Type: "Interface", Why: why}
		if service == "s3" || service == "dynamodb" {
			e.Type = "Gateway"
		}
		if b.partition == "aws-cn" {
			e.Service = "cn." + e.Service
		}
		e.Statement = document(s)[1].Value.([]any)[0].(Map)
		if !slices.ContainsFunc(out.Endpoints, func(o Endpoint) bool {
			return o.Service == e.Service && fmt.Sprint(o.Statement) == fmt.Sprint(e.Statement)
		}) {
			out.Endpoints = append(out.Endpoints, e)
		}
	}
	for i := range out.Resources {
		rec := &out.Resources[i]
		as := b.callsAs(out, rec)
		for _, g := range rec.r.grants {
			s := statement{sid: sid(nil, rec.r, g), principal: Map{{"AWS", "*"}}, actions: g.actions, resources: rec.r.arns(g),
				conditions: []condition{{"ArnEquals", "aws:PrincipalArn", []string{as}}}}
			add(rec.r.service.endpoint(), rec.r.region, "for "+rec.Resource, s)
			if rec.r.service.prefix == "ecr" && !g.own {
				add("ecr.dkr", rec.r.region, "for images of "+rec.Resource, s)
				layers := "arn:" + b.partition + ":s3:::prod-" + rec.r.region + "-starport-layer-bucket/*"
				add("s3", rec.r.region, "for the layers of images", statement{sid: "GetLayers", principal: Map{{"AWS", "*"}}, actions: []string{"s3:GetObject"}, resources: []string{layers}})
			}
		}
		b.endpointsOfPattern(rec, as, add)
	}
	b.note("An endpoint's default policy allows everything; where it was narrowed, add these statements. The security group of an interface endpoint lets in port 443 from the callers.")
	b.note("An endpoint serves its own region: from a VPC of another region it takes a route there, by peering or a transit gateway.")
}

func (b *builder) endpointsOfPattern(rec *Recommendation, as string, add func(service, region, why string, s statement)) {
	switch {
	case rec.Pattern == Role:
		add("sts", rec.r.region, "to assume the role; clients use the regional endpoint", statement{sid: "AssumeAccessRole", principal: Map{{"AWS", "*"}},
			actions: assume, resources: []string{as}, conditions: []condition{{"ArnEquals", "aws:PrincipalArn", []string{b.caller.arn.text}}}})
	case rec.Pattern == Kubernetes && b.ask.Cluster != "":
		add("eks-auth", b.ask.Region, "for the Pod Identity Agent on the nodes", statement{sid: "PodIdentity", principal: Map{{"AWS", "*"}},
			actions: []string{"eks-auth:AssumeRoleForPodIdentity"}, resources: []string{"*"}})
	case rec.Pattern == Kubernetes:
		add("sts", rec.r.region, "to exchange the service account's token for credentials", statement{sid: "AssumeAccessRole", principal: Map{{"AWS", "*"}},
			actions: []string{"sts:AssumeRoleWithWebIdentity"}, resources: []string{as}})
	}
}

// adviseOrder says what comes before what.
func (b *builder) adviseOrder(out *Advice) {
	uses := func(p string) bool {
		return slices.ContainsFunc(out.Resources, func(r Recommendation) bool { return r.Pattern == p })
	}
	if uses(Role) {
		out.Order = append(out.Order, "role: the role in the resource's account, then the caller's permission, which needs its ARN.")
	}
	if uses(ResourcePolicy) {
		out.Order = append(out.Order, "resource-policy: the caller's role first if its policy is to name it (--caller-exists), then keys, resources with their policies, and the caller's permission.")
	}
	if uses(Kubernetes) && b.ask.Cluster != "" {
		out.Order = append(out.Order, "kubernetes: the pods' role, the association, which gives the external id, and then the role in the resource's account.")
	} else if uses(Kubernetes) {
		out.Order = append(out.Order, "kubernetes: the OIDC provider, then the role in the same account, then the service account; pods that run already must be restarted.")
	}
	if len(out.Order) > 0 {
		out.Order = append(out.Order, "The stacks that are generated refer to each other's outputs: axle deploy finds the order by itself.")
	}
}

func (b *builder) adviseKeys() {
	for _, r := range b.resources {
		if r.service.via != "" && len(r.kms) > 0 {
			b.note("Where a resource is encrypted with a customer managed key, the key must let the caller in as well: say --kms-key. With an AWS managed key (alias/aws/...) only a role works, never a resource policy.")
			return
		}
	}
}

// adviseCommands are the command lines, one for each pattern.
func (b *builder) adviseCommands(out *Advice, where Situation) {
	for _, p := range []string{Role, ResourcePolicy, Kubernetes} {
		var list []*resource
		for _, rec := range out.Resources {
			if rec.Pattern == p {
				list = append(list, rec.r)
			}
		}
		if len(list) == 0 {
			continue
		}
		groups := [][]*resource{list}
		if p == Kubernetes && b.ask.Cluster != "" { // an association has one target role
			groups = nil
			for _, account := range accountsOf(list) {
				groups = append(groups, in(account, list))
			}
		}
		for _, group := range groups {
			out.Commands = append(out.Commands, b.command(p, group, where))
		}
	}
}

func (b *builder) command(p string, list []*resource, where Situation) string {
	words := []string{"axle access generate", p}
	flag := func(name, value string) {
		if value != "" {
			words = append(words, name+" "+value)
		}
	}
	if p == Kubernetes {
		b.podFlags(flag, &words)
	} else {
		flag("--caller", b.ask.Caller)
		if b.ask.CallerExists {
			words = append(words, "--caller-exists")
		}
		flag("--org", b.ask.Organization)
	}
	if p == Role {
		flag("--external-id", b.ask.ExternalID)
		if _, ok := sources[where.From]; ok {
			flag("--from", where.From)
		}
	}
	bare, anywhere := "", ""
	for _, r := range list {
		flag("--resource", r.arn.text)
		if r.arn.account == "" {
			bare = r.account
		}
		if r.arn.region == "" {
			anywhere = r.region
		}
	}
	flag("--resource-account", bare)
	if b.ask.Cluster != "" && p == Kubernetes {
		anywhere = b.ask.Region
	}
	flag("--region", anywhere)
	flag("--need", strings.Join(b.needsOf(list), ","))
	for _, k := range b.keys {
		if slices.ContainsFunc(k.users, func(r *resource) bool { return slices.Contains(list, r) }) {
			flag("--kms-key", k.arn.text)
		}
	}
	flag("--out", p)
	return strings.Join(words, " ")
}

func (b *builder) podFlags(flag func(name, value string), words *[]string) {
	or := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	if b.ask.Cluster != "" {
		*words = append(*words, "--pod-identity")
		flag("--cluster", b.ask.Cluster)
		flag("--cluster-account", or(b.ask.ClusterAccount, b.caller.arn.account))
	} else {
		flag("--issuer", or(b.ask.Issuer, "https://ISSUER"))
		if b.ask.Issuer == "" {
			b.note("Put the cluster's issuer in the place of https://ISSUER: aws eks describe-cluster --name ... --query cluster.identity.oidc.issuer. On EKS with the Pod Identity Agent --cluster and --cluster-account are the other way, without an OIDC provider.")
		}
	}
	flag("--service-account", or(b.ask.ServiceAccount, "NAMESPACE/NAME"))
}

// needsOf are the needs that apply to some of the resources.
func (b *builder) needsOf(list []*resource) []string {
	var out []string
	for _, word := range b.ask.Needs {
		prefix, _, explicit := strings.Cut(word, ":")
		if slices.ContainsFunc(list, func(r *resource) bool {
			return explicit && r.service.prefix == prefix || !explicit && r.service.need(word) != nil
		}) {
			out = append(out, word)
		}
	}
	return out
}
