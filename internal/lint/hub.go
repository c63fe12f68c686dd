package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
	"axle/policy"
)

func hubRules() []Rule {
	return []Rule{
		{ID: "AX033", Severity: Warning, Where: "P", Title: "The hub's role is in the management account",
			Why:   "No service control policy holds there, and from there one reaches everything.",
			Fix:   "Move it to a member account, and delegate to that what it needs of the organization.",
			check: checks(eachStatement(checkManagementHub), checkHubAccount)},
		{ID: "AX034", Severity: Advice, Where: "P", Title: "The management account lacks the spoke role",
			Why:   "What is deployed by StackSets never reaches the management account, so that it can't be entered like the others.",
			Fix:   "Deploy the role there by itself, or except the account by access.overrides.",
			check: eachStatement(checkManagementSpoke)},
		{ID: "AX065", Severity: Error, Where: "TL", Title: "A service control policy shuts out global services or the hub",
			Why:   "IAM, STS and Organizations answer in one region: a restriction of regions must except them, and one of sts:AssumeRole must except the way in.",
			Fix:   "Put iam:*, sts:* and organizations:* into NotAction, and except the hub's role by aws:PrincipalArn.",
			check: eachStatement(checkSCP)},
		{ID: "AX066", Severity: Error, Where: "TLP", Title: "A resource control policy denies what both sides allow",
			Why:   "It holds for every caller, also for AWS services and for the accounts that a policy lets in on purpose.",
			Fix:   "Except services with BoolIfExists aws:PrincipalIsAWSService false, and the parties by aws:PrincipalAccount.",
			check: eachStatement(checkRCP)},
		{ID: "AX095", Severity: Advice, Where: "T", Title: "A list of accounts by hand",
			Why:   "New accounts are forgotten, closed ones stay trusted.",
			Fix:   "Demand aws:PrincipalOrgID or aws:PrincipalOrgPaths, or make the list from the organization.",
			check: eachStatement(checkAccountList)},
		{ID: "AX096", Severity: Advice, Where: "P", Title: "The organization is read by a role of the management account",
			Why:   "Whoever can assume it has a foot in the account that no policy limits.",
			Fix:   "Register a delegated administrator, and read from there.",
			check: eachStatement(checkOrganizationReader)},
		{ID: "AX098", Severity: Advice, Where: "P", Title: "The application may come before the role that it enters",
			Why:   "Its first calls fail while the role isn't there.",
			Fix:   "Let the application's stack depend on the role's, by an output or depends_on.",
			check: eachStatement(checkWave)},
	}
}

// reach finds the roles of other accounts that a statement may assume.
func (s *statement) reach(r *run) []placed {
	u := s.doc.unit
	if u == nil || !s.allow || !s.doc.identity() || !s.does("sts:AssumeRole") || s.notRes != nil {
		return nil
	}
	if known, ok := r.index.reach[s]; ok {
		return known
	}
	var out []placed
	for _, n := range s.resources {
		pattern := u.sealText(n.Str())
		a, ok := splitARN(pattern)
		if !ok || a.service != "iam" {
			continue
		}
		for i, p := range r.index.roles {
			b := &r.index.roleARNs[i]
			if p.u.account != "" && p.u.account != u.account && policy.Match(a.account, b.account) && policy.Match(a.resource, b.resource) {
				out = append(out, p)
			}
		}
	}
	r.index.reach[s] = out
	return out
}

func (r *run) management(account string) bool {
	return r.in.Org != nil && account != "" && r.in.Org.Management == account
}

// wideAssume is the resource by which a statement may assume roles of many
// accounts, or nil.
func (s *statement) wideAssume() *template.Node {
	if !s.allow || !s.doc.identity() || !s.does("sts:AssumeRole") || s.notRes != nil {
		return nil
	}
	for _, n := range s.resources {
		if a, ok := splitARN(n.Str()); ok && a.service == "iam" && strings.Contains(a.account, "*") {
			return n
		}
	}
	return nil
}

func checkManagementHub(r *run, s *statement) {
	if s.doc.account == "" || !r.management(s.doc.account) {
		return
	}
	if n := s.wideAssume(); n != nil {
		r.inDoc(s.doc, n, "%s in the management account %s may enter the others", s.doc.label(), s.doc.account)
	} else if len(s.reach(r)) > 1 {
		r.inDoc(s.doc, s.resources[0], "%s in the management account %s may enter %d roles of others", s.doc.label(), s.doc.account, len(s.reach(r)))
	}
}

func checkHubAccount(r *run) {
	if r.management(r.in.Hub) {
		r.at(r.in.HubPos, "", "the hub %s is the management account", r.in.Hub)
	}
}

func checkManagementSpoke(r *run, s *statement) {
	n := s.wideAssume()
	if n == nil || r.in.Org == nil || r.in.Org.Management == "" || s.doc.unit == nil || r.management(s.doc.account) {
		return
	}
	spokes := s.reach(r)
	there := slices.ContainsFunc(spokes, func(p placed) bool { return r.management(p.u.account) })
	if len(spokes) > 1 && !there {
		r.inDoc(s.doc, n, "the role that %s enters is deployed to %d accounts, but not to the management account %s", s.doc.label(), len(spokes), r.in.Org.Management)
	}
}

func checkSCP(r *run, s *statement) {
	if s.doc.kind != policy.ServiceControlPolicy || s.allow {
		return
	}
	region := slices.ContainsFunc(s.conditions, func(c condition) bool { return strings.EqualFold(c.key, "aws:RequestedRegion") })
	exempt := slices.ContainsFunc(s.conditions, func(c condition) bool {
		k := strings.ToLower(c.key)
		return k == "aws:principalarn" || strings.HasPrefix(k, "aws:principaltag/")
	})
	if region {
		var missing []string
		for _, g := range globalServices {
			hit := s.notAction == nil && slices.ContainsFunc(s.actions, func(a *template.Node) bool { return policy.MatchAction(a.Str(), g+":Something") })
			if s.notAction != nil {
				hit = !slices.ContainsFunc(s.actions, func(a *template.Node) bool { return policy.MatchAction(a.Str(), g+":Something") })
			}
			if hit {
				missing = append(missing, g)
			}
		}
		if len(missing) > 0 {
			n := s.node.Get("NotAction")
			if n == nil {
				n = s.node.Get("Action")
			}
			r.inDoc(s.doc, n, "%s restricts regions and doesn't except %s", s.doc.label(), strings.Join(missing, ", "))
		}
		return
	}
	if s.does("sts:AssumeRole") && !exempt && len(s.conditions) == 0 && s.anyResource() != nil {
		for _, a := range s.actions {
			if policy.MatchAction(a.Str(), "sts:AssumeRole") {
				r.inDoc(s.doc, a, "%s denies sts:AssumeRole to everybody: no hub works from there", s.doc.label())
			}
		}
	}
}

func checkRCP(r *run, s *statement) {
	if s.doc.kind != policy.ResourceControlPolicy || s.allow {
		return
	}
	for _, c := range s.conditions {
		if strings.EqualFold(c.key, "aws:PrincipalOrgID") && c.negated() && !s.sparesServices() {
			r.at(c.keyPos, s.owner(), "%s denies AWS services too: they have no aws:PrincipalOrgID", s.doc.label())
		}
	}
	if r.in.Org == nil {
		return
	}
	org := slices.ContainsFunc(s.conditions, func(c condition) bool {
		return strings.EqualFold(c.key, "aws:PrincipalOrgID") && c.negated()
	})
	spares := slices.ContainsFunc(s.conditions, func(c condition) bool {
		k := strings.ToLower(c.key)
		return k == "aws:principalaccount" || k == "aws:principalarn" || strings.HasPrefix(k, "aws:resourcetag/")
	})
	if !org || spares {
		return
	}
	for _, d := range r.docs {
		for _, o := range d.statements {
			if !o.allow || !d.trust() && !d.shared() {
				continue
			}
			for _, p := range o.principals {
				account := p.account()
				if _, ours := r.in.Org.Account(account); p.kind == "AWS" && accountForm.MatchString(account) && !ours && slices.ContainsFunc(o.actions, func(a *template.Node) bool { return s.does(a.Str()) }) {
					r.inDoc(d, p.node, "%s lets account %s in, which %s denies", d.label(), account, s.doc.label())
				}
			}
		}
	}
}

func checkAccountList(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || !s.allow || s.guarded("aws:principalorgid", "aws:principalorgpaths", "aws:principalarn", "sts:externalid") {
		return
	}
	told := map[string]bool{}
	s.aws(func(p principal) {
		for _, ref := range p.node.Refs {
			if param, ok := u.t.Parameters[ref.Name]; ok && param.List() && !told[ref.Name] {
				told[ref.Name] = true
				r.inDoc(s.doc, p.node, "the accounts that %s trusts are a list in parameter %s", s.doc.label(), ref.Name)
			}
		}
	})
}

func checkOrganizationReader(r *run, s *statement) {
	if s.doc.unit == nil || s.doc.owner == nil || !s.allow || !s.doc.identity() || !r.management(s.doc.account) {
		return
	}
	entered := slices.ContainsFunc(s.doc.unit.docsOf[s.doc.owner.Name], func(d *document) bool {
		return d.trust() && slices.ContainsFunc(d.statements, func(o *statement) bool { _, ok := o.strangers(); return ok })
	})
	for _, a := range s.actions {
		if strings.HasPrefix(strings.ToLower(a.Str()), "organizations:") && entered {
			r.inDoc(s.doc, a, "%s reads the organization in the management account for another account", s.doc.label())
			return
		}
	}
}

func checkWave(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || u.src.ID == "" || s.doc.owner == nil || s.wideAssume() != nil {
		return
	}
	runs := slices.ContainsFunc(u.resources, func(d *template.Declared) bool {
		switch d.Type {
		case "AWS::Lambda::Function", "AWS::Serverless::Function", "AWS::ECS::Service", "AWS::EC2::Instance", "AWS::Batch::JobDefinition", "AWS::AppRunner::Service":
			return true
		}
		return false
	})
	if !runs {
		return
	}
	for _, p := range s.reach(r) {
		if p.u.src.ID != "" && p.u.src.Name != u.src.Name && !r.before(p.u.src.ID, u) && !r.before(u.src.ID, p.u) {
			r.inDoc(s.doc, s.resources[0], "%s of stack %s enters role %s of stack %s, which may be deployed later", s.doc.label(), u.src.Name, p.title(), p.u.src.Name)
			return
		}
	}
}
