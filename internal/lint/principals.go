package lint

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"
	"axle/internal/template"
)

var (
	uniqueID   = late.MustCompile(`^(AROA|AIDA|AGPA|ANPA|ASIA|AKIA)[A-Z0-9]{12,}$`)
	regionForm = late.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

func principalRules() []Rule {
	return []Rule{
		{ID: "AX021", Severity: Error, Where: "TL", Title: "A wildcard inside a principal",
			Why:   "Principals are compared literally: AWS refuses it, or it never matches.",
			Fix:   "Name the account, and put the pattern into ArnLike on aws:PrincipalArn.",
			check: eachStatement(checkPrincipalWildcard)},
		{ID: "AX022", Severity: Warning, Where: "P", Title: "A policy names a principal that isn't there yet",
			Why:   "AWS resolves principals when the policy is saved, and refuses those that don't exist.",
			Fix:   "Deploy the principal's stack first (depends_on), or name its account and demand the role with ArnEquals on aws:PrincipalArn.",
			check: eachStatement(checkOrder)},
		{ID: "AX023", Severity: Warning, Where: "TL", Title: "The principal was deleted",
			Why:   "An id in the place of an ARN is what remains of a deleted user or role; one made anew under its name has no access.",
			Fix:   "Write the ARN of the present principal, or remove it.",
			check: eachStatement(checkUniqueID)},
		{ID: "AX024", Severity: Error, Where: "TL", Title: "A Lambda function is trusted",
			Why:   "A function is no principal: it acts as its execution role.",
			Fix:   "Trust the function's role.",
			check: eachStatement(checkFunctionPrincipal(true))},
		{ID: "AX025", Severity: Warning, Where: "TL", Title: "A role's session as principal",
			Why:   "It matches one session name only, and breaks when that changes.",
			Fix:   "Name the role; the session's name can be demanded with sts:RoleSessionName.",
			check: eachStatement(checkSessionPrincipal)},
		{ID: "AX050", Severity: Error, Where: "TL", Title: "Not the name of an AWS service",
			Why:   "The service never matches it; a name of a stranger's domain comes from a mangled copy.",
			Fix:   "Service principals end in .amazonaws.com, such as sns.amazonaws.com.",
			check: checks(eachStatement(checkServicePrincipal), eachResource(checkPermissionPrincipal, "AWS::Lambda::Permission"))},
		{ID: "AX062", Severity: Warning, Where: "TL", Title: "NotPrincipal",
			Why:   "With Allow it lets in the rest of the world; with Deny it also hits the sessions of the roles it lists, and everybody with a permissions boundary.",
			Fix:   `Use Principal "*" with ArnNotEquals on aws:PrincipalArn.`,
			check: eachStatement(checkNotPrincipal)},
		{ID: "AX100", Severity: Error, Where: "TL", Title: "A resource as principal",
			Why:   "Functions, instances and other resources can't be principals; AWS refuses the policy.",
			Fix:   "Name the role that the resource acts as.",
			check: eachStatement(checkFunctionPrincipal(false))},
	}
}

func (s *statement) aws(visit func(principal)) {
	for _, p := range s.principals {
		if p.kind == "AWS" {
			visit(p)
		}
	}
}

func checkPrincipalWildcard(r *run, s *statement) {
	s.aws(func(p principal) {
		if text := p.text(); text != "*" && strings.ContainsAny(text, "*?") {
			r.inDoc(s.doc, p.node, "%q has a wildcard inside a principal", text)
		}
	})
}

// checkOrder: a principal that another template makes, deployed later or at the
// same time; or a literal name of one in the same template without a reference.
func checkOrder(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || !s.doc.shared() && !s.doc.trust() {
		return
	}
	s.aws(func(p principal) {
		who, ok := r.find(u, p.text())
		if !ok || who.d.Type != "AWS::IAM::Role" && who.d.Type != "AWS::IAM::User" {
			return
		}
		name := who.u.name(who.d)
		if who.u == u {
			refers := slices.ContainsFunc(p.node.Refs, func(ref template.Reference) bool { return ref.Name == who.d.Name })
			if !refers && s.doc.owner != nil && s.doc.owner != who.d && !slices.Contains(s.doc.owner.DependsOn, who.d.Name) {
				r.inDoc(s.doc, p.node, "%s is made by %s of this template, but nothing says that it comes first", name, who.d.Name).Fix =
					"Refer to it with !GetAtt " + who.d.Name + ".Arn, or add DependsOn: " + who.d.Name + "."
			}
			return
		}
		if who.u.src.ID == "" || u.src.ID == "" || r.before(who.u.src.ID, u) {
			return
		}
		r.inDoc(s.doc, p.node, "%s is made by stack %s in %s, which needn't be deployed before %s", name, who.u.src.Name, who.u.account, u.src.Name)
	})
}

// before says whether a source is deployed before a unit.
func (r *run) before(id string, u *unit) bool {
	seen := map[string]bool{}
	var needs func(*unit) bool
	needs = func(u *unit) bool {
		for _, n := range u.src.Needs {
			if n == id {
				return true
			}
			if next := r.byID[n]; next != nil && !seen[n] {
				seen[n] = true
				if needs(next) {
					return true
				}
			}
		}
		return false
	}
	return needs(u)
}

func checkUniqueID(r *run, s *statement) {
	s.aws(func(p principal) {
		if uniqueID.MatchString(p.text()) {
			r.inDoc(s.doc, p.node, "%s names %s, the id of a deleted principal", s.doc.label(), p.text())
		}
	})
}

// checkFunctionPrincipal is AX024 for trusts, and AX100 for other policies and
// other resources.
func checkFunctionPrincipal(trust bool) func(*run, *statement) {
	return func(r *run, s *statement) {
		s.aws(func(p principal) {
			a, ok := splitARN(p.text())
			if !ok || a.service == "iam" || a.service == "sts" || a.service == "cloudfront" {
				return
			}
			function := a.service == "lambda"
			if trust != (function && s.doc.trust()) {
				return
			}
			r.inDoc(s.doc, p.node, "%s is a %s resource, not a principal", p.text(), a.service)
		})
	}
}

func checkSessionPrincipal(r *run, s *statement) {
	s.aws(func(p principal) {
		if a, ok := splitARN(p.text()); ok && a.service == "sts" && strings.HasPrefix(a.resource, "assumed-role/") {
			role := strings.Split(a.resource, "/")
			r.inDoc(s.doc, p.node, "%s names one session of role %s", s.doc.label(), role[1])
		}
	})
}

func checkServicePrincipal(r *run, s *statement) {
	for _, p := range s.principals {
		if p.kind == "Service" {
			r.service(p.node, s.owner())
		}
	}
}

func checkPermissionPrincipal(r *run, _ *unit, d *template.Declared) {
	n := d.Properties.Get("Principal")
	text := n.Str()
	if n == nil || text == "*" || accountForm.MatchString(text) || strings.HasPrefix(text, "arn:") {
		return
	}
	r.service(n, d.Name)
}

// service reports a node that isn't the name of a service.
func (r *run) service(n *template.Node, resource string) {
	text := n.Str()
	if text == "" || strings.HasPrefix(text, "${") && strings.HasSuffix(text, "}") && strings.Count(text, "${") == 1 {
		return
	}
	if text == "*" {
		r.at(n.Pos, resource, `there is no Service "*"`)
		return
	}
	good := strings.HasSuffix(text, ".amazonaws.com") || strings.HasSuffix(text, ".amazonaws.com.cn") || strings.HasSuffix(text, ".aws.internal") || strings.HasSuffix(text, ".${AWS::URLSuffix}") || strings.HasSuffix(text, ".eks.amazonaws.com")
	if !good {
		f := r.at(n.Pos, resource, "%q isn't an AWS service", text)
		if before, _, ok := strings.Cut(text, ".amazonaws.com"); ok {
			f.Fix = "Write " + before + ".amazonaws.com."
		}
		return
	}
	name := serviceName(text)
	if len(name) < 3 || slices.Contains(servicePrincipals, name) || strings.Contains(name, "$") {
		return
	}
	if near := diag.NearestWithin(name, servicePrincipals, min(2, len(name)/4)); near != "" {
		f := r.at(n.Pos, resource, "%q isn't a service that is known", text)
		f.Severity, f.Fix = Warning, "Did you mean "+near+".amazonaws.com?"
	}
}

func checkNotPrincipal(r *run, s *statement) {
	if s.notPrinc == nil {
		return
	}
	f := r.at(keyPos(s.node, "NotPrincipal"), s.owner(), "%s denies by NotPrincipal", s.doc.label())
	if s.allow {
		f.Message, f.Severity = s.doc.label()+" allows everybody but a few, by NotPrincipal", Error
	}
}

// keyPos is where a key of a map is, or the map.
func keyPos(n *template.Node, name string) diag.Pos {
	for _, k := range n.Keys {
		if k.Name == name {
			return k.Pos
		}
	}
	return n.Place()
}
