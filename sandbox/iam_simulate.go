package sandbox

import (
	"maps"
	"slices"
	"strings"

	"axle/policy"
)

func simulateOps() map[string]operation {
	return map[string]operation{
		"SimulatePrincipalPolicy": {run: simulatePrincipal, resources: func(c *call) []string { return []string{c.In.str("PolicySourceArn")} }},
		"SimulateCustomPolicy":    {run: simulateCustom},
	}
}

// simulation is one call of the policy simulator: whose policies are tried,
// each with the name that results give it.
type simulation struct {
	principal policy.Principal
	policies  policy.Policies
	named     []simulated // those of policies.Identity, in its order
	docs      []string    // all documents, for the keys that they ask for
	context   map[string][]string
	boundary  bool // results tell of the boundary
}

type simulated struct{ id, kind string }

// simulatePrincipal tries what a user or role may do, by package policy: its
// identity policies and those given, boundary, resource policy and the
// organization's SCPs. Like IAM's it doesn't see session policies and RCPs.
func simulatePrincipal(c *call) (obj, error) {
	arn := c.In.str("PolicySourceArn")
	who, err := c.simulatedPrincipal(arn)
	if err != nil {
		return nil, err
	}
	s := &simulation{principal: policy.ParsePrincipal(arn)}
	for _, holder := range c.Account.IAM.holders(who) {
		kind := s.kind()
		if holder != who {
			kind = "group"
		}
		for _, name := range sortedKeys(holder.Inline) {
			s.add(c, simulated{kind + "_" + holder.Name + "_" + name, kind}, holder.Inline[name])
		}
		for _, attached := range holder.Attached {
			if doc, ok := c.Account.IAM.managed(attached); ok && !slices.Contains(c.exclusions(), attached) {
				kind := "user-managed"
				if strings.HasPrefix(attached, awsManaged) {
					kind = "aws-managed"
				}
				s.add(c, simulated{policyName(attached), kind}, doc)
			}
		}
	}
	if doc, ok := c.Account.IAM.managed(who.Boundary); ok && !slices.Contains(c.exclusions(), who.Boundary) {
		s.bound(c, doc)
	}
	s.policies.SCP = c.controls(&c.guard.scp, scpType, c.Account.ID)
	s.principal.Management = c.Account.ID == c.st.Org.Management
	s.principal.ID = who.ID
	return c.simulate(s)
}

// simulateCustom tries policies that needn't be anybody's.
func simulateCustom(c *call) (obj, error) {
	if len(c.In.strs("PolicyInputList")) == 0 {
		return nil, iamFail("ValidationError", "1 validation error detected: Value null at 'policyInputList' failed to satisfy constraint: Member must not be null")
	}
	return c.simulate(&simulation{principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::" + c.Account.ID + ":user/simulated", Account: c.Account.ID}})
}

func (c *call) exclusions() []string { return c.In.strs("PolicyExclusionList") }

func (s *simulation) kind() string {
	if s.principal.Type == policy.User {
		return "user"
	}
	return "role"
}

func (c *call) simulatedPrincipal(arn string) (*iamPrincipal, error) {
	kind, path, _ := strings.Cut(strings.TrimPrefix(arn, "arn:aws:iam::"+c.Account.ID+":"), "/")
	name := path[strings.LastIndex(path, "/")+1:]
	switch {
	case kind == "role" && c.Account.IAM.Roles[name] != nil && c.Account.IAM.Roles[name].ARN == arn:
		return &c.Account.IAM.Roles[name].iamPrincipal, nil
	case kind == "user" && c.Account.IAM.Users[name] != nil && c.Account.IAM.Users[name].ARN == arn:
		return &c.Account.IAM.Users[name].iamPrincipal, nil
	case !strings.HasPrefix(arn, "arn:aws:iam::"):
		return nil, iamFail("InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	}
	return nil, iamFail("NoSuchEntity", "The %s with name %s cannot be found.", kind, name)
}

func (s *simulation) add(c *call, name simulated, doc string) {
	s.policies.Identity = append(s.policies.Identity, c.guard.compile(doc))
	s.named, s.docs = append(s.named, name), append(s.docs, doc)
}

func (s *simulation) bound(c *call, doc string) {
	s.policies.Boundary, s.boundary = c.guard.compile(doc), true
	s.docs = append(s.docs, doc)
}

// simulate reads the rest of the input and evaluates each action on each
// resource.
func (c *call) simulate(s *simulation) (obj, error) {
	actions, resources := c.In.strs("ActionNames"), c.In.strs("ResourceArns")
	if len(actions) == 0 {
		return nil, iamFail("ValidationError", "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null")
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	if err := s.read(c); err != nil {
		return nil, err
	}
	type result struct{ action, resource string }
	var all []result
	for _, a := range actions {
		if service, name, ok := strings.Cut(a, ":"); !ok || service == "" || name == "" {
			return nil, iamFail("InvalidInput", "Invalid Action: %s", a)
		}
		for _, r := range resources {
			all = append(all, result{a, r})
		}
	}
	slices.SortFunc(all, func(a, b result) int { return strings.Compare(a.action+"\n"+a.resource, b.action+"\n"+b.resource) })
	return iamPage(c, "EvaluationResults", all, func(r result) string { return r.action + "\n" + r.resource },
		func(r result) any { return c.simulateOne(s, r.action, r.resource) })
}

func (s *simulation) read(c *call) error {
	for i, doc := range c.In.strs("PolicyInputList") {
		if err := checkDocument(doc, policy.IdentityPolicy); err != nil {
			return iamFail("InvalidInput", "Policy input %d is invalid: %s", i+1, err.Error())
		}
		s.add(c, simulated{"PolicyInputList." + text(i+1), "none"}, doc)
	}
	for _, doc := range c.In.strs("PermissionsBoundaryPolicyInputList") {
		if err := checkDocument(doc, policy.BoundaryPolicy); err != nil {
			return iamFail("InvalidInput", "The permissions boundary is invalid: %s", err.Error())
		}
		s.bound(c, doc)
	}
	if doc := c.In.str("ResourcePolicy"); doc != "" {
		if err := checkDocument(doc, policy.ResourcePolicy); err != nil {
			return iamFail("InvalidInput", "The resource policy is invalid: %s", err.Error())
		}
		s.policies.Resource = c.guard.compile(doc)
		s.docs = append(s.docs, doc)
		if caller := c.In.str("CallerArn"); caller != "" {
			s.principal.ARN = caller
		}
	}
	s.context = map[string][]string{}
	for _, e := range c.In.list("ContextEntries") {
		s.context[strings.ToLower(e.str("ContextKeyName"))] = e.strs("ContextKeyValues")
	}
	return nil
}

func (c *call) simulateOne(s *simulation, action, resource string) obj {
	owner := c.In.str("ResourceOwner")
	if m := principalARN.FindStringSubmatch(owner); m != nil {
		owner = m[2]
	}
	req := &policy.Request{Principal: s.principal, Action: action, Resource: resource, ResourceAccount: owner, Context: s.context}
	d := policy.Evaluate(req, &s.policies)
	decision := "implicitDeny"
	switch d.Verdict {
	case policy.Allowed:
		decision = "allowed"
	case policy.ExplicitDeny:
		decision = "explicitDeny"
	}
	out := obj{"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision,
		"MatchedStatements": s.matched(d), "MissingContextValues": s.missing()}
	// Each side's own word: what it comes to when it is the only one to refuse.
	alone := s.policies
	alone.Boundary, alone.Resource = nil, nil
	alone.Identity = []*policy.Policy{c.guard.compile(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}
	if alone.SCP != nil {
		out["OrganizationsDecisionDetail"] = obj{"AllowedByOrganizations": policy.Evaluate(req, &alone).Allowed()}
	}
	if s.boundary {
		alone.SCP, alone.Boundary = nil, s.policies.Boundary
		out["PermissionsBoundaryDecisionDetail"] = obj{"AllowedByPermissionsBoundary": policy.Evaluate(req, &alone).Allowed()}
	}
	return out
}

// matched is the statement that decided, when it is one.
func (s *simulation) matched(d policy.Decision) []obj {
	if d.Statement < 0 || d.Verdict == policy.ImplicitDeny {
		return []obj{}
	}
	show := func(name simulated, p *policy.Policy) []obj {
		line := 1
		if p != nil && d.Statement < len(p.Statements) {
			line = p.Statements[d.Statement].Line
		}
		at := obj{"Line": line, "Column": 1}
		return []obj{{"SourcePolicyId": name.id, "SourcePolicyType": name.kind, "StartPosition": at, "EndPosition": at}}
	}
	switch {
	case d.Kind == policy.IdentityPolicy && d.Policy >= 0 && d.Policy < len(s.named):
		return show(s.named[d.Policy], s.policies.Identity[d.Policy])
	case d.Kind == policy.ResourcePolicy:
		return show(simulated{"ResourcePolicy", "resource"}, s.policies.Resource)
	case d.Kind == policy.BoundaryPolicy:
		return show(simulated{"PermissionsBoundaryPolicyInputList.1", "none"}, s.policies.Boundary)
	}
	return []obj{}
}

// missing are the condition keys that the policies ask for and the call
// doesn't give, without those that follow from the principal.
func (s *simulation) missing() []string {
	keys := map[string]bool{}
	for _, doc := range s.docs {
		for _, st := range statements(doc) {
			for _, operator := range slices.Sorted(maps.Keys(st.obj("Condition"))) {
				for key := range st.obj("Condition").obj(operator) {
					if _, given := s.context[strings.ToLower(key)]; !given && !strings.HasPrefix(strings.ToLower(key), "aws:principal") {
						keys[key] = true
					}
				}
			}
		}
	}
	return sortedKeys(keys)
}

func policyName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
