package lint

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/template"
	"axle/policy"
)

func broadRules() []Rule {
	return []Rule{
		{ID: "AX035", Severity: Warning, Where: "TL", Title: "A role that may do everything",
			Why:   "Who gets into one account by it has all of it, and the policies and roles that protect it.",
			Fix:   "Allow what its templates need: axle access least-privilege computes it.",
			check: checks(eachStatement(checkEverything), eachResource(checkAdministrator, "AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"))},
		{ID: "AX057", Severity: Warning, Where: "TL", Title: "iam:PassRole for any role",
			Why:   "Who may also make functions or stacks runs them as whichever role is there: it becomes administrator.",
			Fix:   "Name the roles, and demand iam:PassedToService.",
			check: eachStatement(checkPassRole)},
		{ID: "AX058", Severity: Warning, Where: "TL", Title: "Roles may be made without a boundary",
			Why:   "Who may make a role and write its policy may give it everything, and use it.",
			Fix:   "Demand iam:PermissionsBoundary in the condition.",
			check: eachStatement(checkBoundary)},
		{ID: "AX063", Severity: Warning, Where: "TL", Title: "Allow by NotAction or NotResource",
			Why:   "It also grants all that AWS adds later.",
			Fix:   "List what is allowed; or deny what isn't, in another statement.",
			check: eachStatement(checkNotAction)},
		{ID: "AX084", Severity: Warning, Where: "TL", Title: "The service has no such action",
			Why:   "It grants nothing; some services refuse the whole policy for it.",
			Fix:   "Correct or remove it.",
			check: eachStatement(checkActions)},
	}
}

func checkEverything(r *run, s *statement) {
	n := s.anyResource()
	if n == nil || !s.allow || !s.doc.identity() || s.notAction != nil || !slices.ContainsFunc(making, func(a string) bool { return !s.doc.denies(a) }) {
		return // such as a permissions boundary, which keeps IAM to itself
	}
	for _, a := range s.actions {
		if text := a.Str(); text == "*" || text == "*:*" {
			r.inDoc(s.doc, a, "%s may do everything", s.doc.label())
		}
	}
}

func checkAdministrator(r *run, _ *unit, d *template.Declared) {
	for _, n := range d.Properties.Get("ManagedPolicyArns").List() {
		if strings.HasSuffix(n.Str(), ":policy/AdministratorAccess") {
			r.inResource(d, n, "%s has AdministratorAccess", d.Name)
		}
	}
}

func checkPassRole(r *run, s *statement) {
	if !s.allow || !s.doc.identity() || s.notAction != nil || s.does("iam:CreateUser") || s.guarded("iam:passedtoservice", "iam:associatedresourcearn") {
		return
	}
	n := s.anyResource()
	for _, res := range s.resources {
		if a, ok := splitARN(res.Str()); ok && n == nil && a.service == "iam" && (a.resource == "*" || a.resource == "role/*") {
			n = res
		}
	}
	if n != nil && s.does("iam:PassRole") {
		r.inDoc(s.doc, n, "%s may pass any role of the account", s.doc.label())
	}
}

// making are the actions by which one gives oneself permissions.
var making = []string{"iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:CreatePolicyVersion", "iam:AttachUserPolicy", "iam:PutUserPolicy"}

func checkBoundary(r *run, s *statement) {
	if !s.allow || !s.doc.identity() || s.notAction != nil || s.does("ec2:RunInstances") && s.does("s3:GetObject") || s.guarded("iam:permissionsboundary") {
		return
	}
	wide := s.anyResource() != nil || slices.ContainsFunc(s.resources, func(n *template.Node) bool {
		a, ok := splitARN(n.Str())
		return ok && a.service == "iam" && (strings.HasSuffix(a.resource, "/*") || a.resource == "*")
	})
	if !wide || s.guarded("iam:policyarn") {
		return
	}
	for _, action := range making {
		for _, a := range s.actions {
			if policy.MatchAction(a.Str(), action) {
				r.inDoc(s.doc, a, "%s may %s for any role, without a boundary", s.doc.label(), action)
				return
			}
		}
	}
}

func checkNotAction(r *run, s *statement) {
	if !s.allow || s.doc.trust() {
		return
	}
	if s.notAction != nil {
		r.at(keyPos(s.node, "NotAction"), s.owner(), "%s allows all but some actions", s.doc.label())
	}
	if s.notRes != nil {
		r.at(keyPos(s.node, "NotResource"), s.owner(), "%s allows all but some resources", s.doc.label())
	}
}

func checkActions(r *run, s *statement) {
	for _, a := range s.actions {
		service, name, ok := strings.Cut(a.Str(), ":")
		known := actionTable()[strings.ToLower(service)]
		if !ok || known == nil || strings.Contains(a.Str(), "$") {
			continue
		}
		low := strings.ToLower(name)
		if strings.ContainsAny(low, "*?") {
			found := low == "*"
			for k := range known {
				found = found || policy.MatchAction(low, k)
			}
			if !found {
				r.inDoc(s.doc, a, "no action of %s is like %s", service, a.Str())
			}
			continue
		}
		if _, there := known[low]; there {
			continue
		}
		f := r.inDoc(s.doc, a, "%s has no action %s", service, name)
		words := make([]string, 0, len(known))
		for _, w := range known {
			words = append(words, w)
		}
		slices.Sort(words)
		if near := diag.NearestWithin(name, words, 3); near != "" {
			f.Fix = "Did you mean " + service + ":" + near + "?"
		}
	}
}
