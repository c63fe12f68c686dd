package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/policy"
)

// guard keeps compiled policies: documents by their text, and those of the
// organization by account until the organization changes.
type guard struct {
	docs map[string]*policy.Policy
	scp  map[string][][]*policy.Policy
	rcp  map[string][][]*policy.Policy
}

func newGuard() *guard { return &guard{docs: map[string]*policy.Policy{}} }

// maxCompiled bounds the cache of documents.
const maxCompiled = 20000

// nothing stands for a document that is missing or can't be compiled: it allows
// nothing.
func nothing() *policy.Policy { return &policy.Policy{} }

func (g *guard) compile(doc string) *policy.Policy {
	if p := g.docs[doc]; p != nil {
		return p
	}
	p, err := policy.Parse([]byte(doc))
	if err != nil {
		p = nothing()
	}
	if len(g.docs) >= maxCompiled {
		clear(g.docs)
	}
	g.docs[doc] = p
	return p
}

// reorganized is called after each change of the organization.
func (s *Sandbox) reorganized() {
	s.index = nil
	s.guard.scp, s.guard.rcp = nil, nil
}

// access is one permission that a call needs.
type access struct {
	Action   string              // "s3:GetObject"
	Resource string              // ARN; "" means "*"
	Owner    string              // the resource's account; "" is the caller's
	Policy   string              // the resource's policy as JSON, if it has one
	Context  map[string][]string // condition keys of this request
	// Exempt resources are AWS's own, such as its managed keys: RCPs aren't for them.
	Exempt bool
	// Granted access needs no identity policy: a KMS grant gives it.
	Granted bool
}

// permit refuses the call unless the caller may make it.
func (c *call) permit(op operation) error {
	if op.open {
		return nil
	}
	if op.access != nil {
		needs, err := op.access(c)
		if err != nil {
			return err
		}
		for _, a := range needs {
			if err := c.check(a); err != nil {
				return err
			}
		}
		return nil
	}
	action := op.action
	if action == "" {
		action = iamPrefix(c.Service) + ":" + c.Op
	}
	if op.resources == nil {
		return c.allow(action)
	}
	return c.allow(action, op.resources(c)...)
}

// iamPrefix is the service's name in IAM actions.
func iamPrefix(service string) string {
	if service == "tagging" {
		return "tag"
	}
	if service == "monitoring" {
		return "cloudwatch"
	}
	return service
}

// allow refuses unless the caller has the permission on every resource; none
// means "*".
func (c *call) allow(action string, resources ...string) error {
	if len(resources) == 0 {
		return c.check(access{Action: action})
	}
	for _, r := range resources {
		if err := c.check(access{Action: action, Resource: r}); err != nil {
			return err
		}
	}
	return nil
}

// mayPass refuses unless the caller may give the role to a service, such as
// "cloudformation.amazonaws.com".
func (c *call) mayPass(roleARN, service string) error {
	return c.check(access{
		Action: "iam:PassRole", Resource: roleARN,
		Context: map[string][]string{"iam:passedtoservice": {service}},
	})
}

// check refuses unless all policies that apply let the caller have the access.
func (c *call) check(a access) error {
	d, req, p := c.judge(a)
	if d.Allowed() {
		return nil
	}
	message := c.denial(d, req)
	if c.Service == "ec2" {
		message = "You are not authorized to perform this operation. " + message + ". Encoded authorization failure message: " + c.failureMessage(d, req, p)
	}
	return refuse(services[c.Service], accessDenied, message)
}

// decide evaluates everything that has a say in the access.
func (c *call) decide(a access) (policy.Decision, *policy.Request) {
	d, req, _ := c.judge(a)
	return d, req
}

// judge is decide with the policies that had their say.
func (c *call) judge(a access) (policy.Decision, *policy.Request, *policy.Policies) {
	if a.Resource == "" {
		a.Resource = "*"
	}
	if a.Owner == "" {
		a.Owner = c.Who.Account
	}
	req := &policy.Request{
		Principal: c.principal(), Action: a.Action, Resource: a.Resource, ResourceAccount: a.Owner,
		ResourceInManagement: a.Owner == c.st.Org.Management, Context: c.conditions(a),
	}
	p := c.policies()
	if a.Policy != "" {
		p.Resource = c.guard.compile(a.Policy)
	}
	p.SCP = c.controls(&c.guard.scp, scpType, c.Who.Account)
	if !a.Exempt {
		p.RCP = c.controls(&c.guard.rcp, rcpType, a.Owner)
	}
	if a.Granted {
		p.Identity = append(p.Identity, c.guard.compile(allowAll))
	}
	return policy.Evaluate(req, p), req, p
}

// allowAll is the policy of those to whom something else sets the limits.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// principal is the caller in the words of package policy.
func (c *call) principal() policy.Principal {
	p := policy.Principal{ARN: c.Who.ARN, Account: c.Who.Account, Management: c.Who.Account == c.st.Org.Management}
	switch c.Who.Type {
	case "root":
		p.Type = policy.Root
	case "user":
		p.Type, p.ID = policy.User, c.Who.UserID
	case "role":
		p.Type, p.RoleARN = policy.AssumedRole, c.roleOf(c.Who)
		p.ID, _, _ = strings.Cut(c.Who.UserID, ":")
		p.ServiceLinked = strings.Contains(p.RoleARN, ":role/aws-service-role/")
	case "service":
		p.Type = policy.Service
	case "web":
		p.Type = policy.WebIdentity
	}
	return p
}

// policies are the caller's own: identity policies, boundary and session
// policies. A session whose role is gone has none.
func (c *call) policies() *policy.Policies {
	p := &policy.Policies{}
	a := c.account(c.Who.Account)
	if a == nil {
		return p
	}
	var who *iamPrincipal
	switch {
	case c.Who.Type == "role":
		if r := a.IAM.Roles[c.Who.Role]; r != nil && strings.HasPrefix(c.Who.UserID, r.ID+":") {
			who = &r.iamPrincipal
		}
	case c.Who.Type == "user":
		if u := a.IAM.Users[c.Who.User]; u != nil && u.ID == c.Who.UserID {
			who = &u.iamPrincipal
		}
	}
	if who != nil {
		for _, holder := range a.IAM.holders(who) {
			for _, doc := range holder.Inline {
				p.Identity = append(p.Identity, c.guard.compile(doc))
			}
			for _, arn := range holder.Attached {
				if doc, ok := a.IAM.managed(arn); ok {
					p.Identity = append(p.Identity, c.guard.compile(doc))
				}
			}
		}
		if who.Boundary != "" {
			p.Boundary = nothing()
			if doc, ok := a.IAM.managed(who.Boundary); ok {
				p.Boundary = c.guard.compile(doc)
			}
		}
	}
	for _, doc := range c.Who.Policies {
		p.Session = append(p.Session, c.guard.compile(doc))
	}
	return p
}

// controls are the organization's policies of one type that hold for an
// account, by level from the root to the account itself.
func (s *Sandbox) controls(cache *map[string][][]*policy.Policy, kind, account string) [][]*policy.Policy {
	o := &s.st.Org
	m := o.Members[account]
	if m == nil || !o.Types[kind] {
		return nil
	}
	if levels, ok := (*cache)[account]; ok {
		return levels
	}
	compiled := func(ids []string) []*policy.Policy {
		var list []*policy.Policy
		for _, id := range ids {
			if p := o.Policies[id]; p != nil && p.Type == kind {
				list = append(list, s.guard.compile(p.Content))
			}
		}
		return list
	}
	levels := [][]*policy.Policy{compiled(m.Policies)}
	for id := m.Parent; id != ""; {
		u := o.Units[id]
		if u == nil {
			break
		}
		levels = append(levels, compiled(u.Policies))
		id = u.Parent
	}
	slices.Reverse(levels)
	if *cache == nil {
		*cache = map[string][][]*policy.Policy{}
	}
	(*cache)[account] = levels
	return levels
}

// conditions are the condition keys that every request has, with those of this
// one. Keys are in lower case, which package policy finds fastest.
func (c *call) conditions(a access) map[string][]string {
	now := c.now()
	ctx := map[string][]string{
		"aws:currenttime":   {now.Format(time.RFC3339)},
		"aws:epochtime":     {strconv.FormatInt(now.Unix(), 10)},
		"aws:viaawsservice": {strconv.FormatBool(c.Via != "")},
		// The sandbox stands in for endpoints that are reached by TLS only.
		"aws:securetransport": {"true"},
	}
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	if services[c.Service].global {
		set("aws:requestedregion", "us-east-1")
	} else {
		set("aws:requestedregion", c.Region)
	}
	set("aws:userid", c.Who.UserID)
	set("aws:username", c.Who.User)
	set("aws:sourceidentity", c.Who.SourceID)
	if c.Via != "" {
		set("aws:calledvia", c.Via+".amazonaws.com")
		set("aws:calledviafirst", c.Via+".amazonaws.com")
		set("aws:calledvialast", c.Via+".amazonaws.com")
	}
	if c.HTTP != nil {
		host := c.HTTP.RemoteAddr
		if i := strings.LastIndex(host, ":"); i > 0 {
			host = strings.Trim(host[:i], "[]")
		}
		set("aws:sourceip", host)
		set("aws:useragent", c.HTTP.UserAgent())
	}
	if c.Who.Token != "" {
		ctx["aws:multifactorauthpresent"] = []string{"false"}
		set("aws:tokenissuetime", c.Who.Created.Format(time.RFC3339))
	}
	set("aws:federatedprovider", c.Who.Federated)
	if c.Who.Type != "web" { // whose account is the role's
		c.organizationKeys(ctx, "aws:principalorg", c.Who.Account)
	}
	c.organizationKeys(ctx, "aws:resourceorg", a.Owner)
	for k, v := range c.Who.Tags {
		ctx["aws:principaltag/"+strings.ToLower(k)] = []string{v}
	}
	for k, v := range a.Context {
		ctx[strings.ToLower(k)] = v
	}
	return ctx
}

// organizationKeys are the id and path of the organization around an account.
func (s *Sandbox) organizationKeys(ctx map[string][]string, prefix, account string) {
	m := s.st.Org.Members[account]
	if m == nil {
		return
	}
	ctx[prefix+"id"] = []string{s.st.Org.ID}
	ctx[prefix+"paths"] = []string{s.orgPath(m.Parent)}
}

// orgPath is the path of an OU or the root by ids: "o-x/r-y/ou-z/".
func (s *Sandbox) orgPath(parent string) string {
	var path string
	for parent != "" {
		u := s.st.Org.Units[parent]
		if u == nil {
			break
		}
		path, parent = parent+"/"+path, u.Parent
	}
	return s.st.Org.ID + "/" + path
}

// mayAssume refuses unless the caller may have a session of the role, with
// the tags and the source identity that it asks for.
func (c *call) mayAssume(role *iamRole, target *account, trust string) error {
	ctx := requestTags(c.In.tags("Tags"))
	set := func(key, value string) {
		if value != "" {
			ctx[key] = []string{value}
		}
	}
	set("sts:externalid", c.In.str("ExternalId"))
	set("sts:rolesessionname", c.In.str("RoleSessionName"))
	set("sts:sourceidentity", c.In.or("SourceIdentity", c.Who.SourceID))
	if keys := c.In.strs("TransitiveTagKeys"); len(keys) > 0 {
		ctx["sts:transitivetagkeys"] = keys
	}
	for k, v := range role.Tags {
		ctx["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
		ctx["iam:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	actions := []string{"sts:AssumeRole"}
	if len(c.In.list("Tags")) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if c.In.has("SourceIdentity") || c.Who.SourceID != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		a := access{Action: action, Resource: role.ARN, Owner: target.ID, Policy: c.bound(trust, role.Bound), Context: ctx}
		d, req := c.decide(a)
		if d.Allowed() {
			continue
		}
		message := "User: " + c.Who.ARN + " is not authorized to perform: " + action + " on resource: " + role.ARN
		// STS doesn't say which side merely fails to allow.
		if d.Verdict == policy.ExplicitDeny || d.Kind == policy.ServiceControlPolicy || d.Kind == policy.ResourceControlPolicy {
			message = d.Message(req)
		}
		return &apiError{Status: 403, Code: "AccessDenied", Message: message}
	}
	return nil
}
