package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
)

func trustRules() []Rule {
	return []Rule{
		{ID: "AX013", Severity: Warning, Where: "TL", Title: "A trust in a whole account",
			Why:   "Every principal there with sts:AssumeRole gets in, also those that come later.",
			Fix:   "Name the role, or demand it with ArnEquals on aws:PrincipalArn, which also works before it exists.",
			check: eachStatement(checkWholeAccount)},
		{ID: "AX014", Severity: Error, Where: "TL", Title: "Open to everybody",
			Why:   `Principal "*" is every AWS account in the world, and for some services anybody at all.`,
			Fix:   "Name the principals, or add StringEquals on aws:PrincipalOrgID.",
			check: checks(eachStatement(checkEverybody), eachResource(checkOpenFunction, "AWS::Lambda::Permission"))},
		{ID: "AX015", Severity: Warning, Where: "LP", Title: "A third party is trusted without external id",
			Why:   "Another customer of theirs can have them use your role: the confused deputy.",
			Fix:   "Demand sts:ExternalId with a value that the third party gives you alone.",
			check: eachStatement(checkThirdParty)},
		{ID: "AX017", Severity: Warning, Where: "T", Title: "An external id that protects nobody",
			Why:   "It is easily guessed, or the same for roles that trust different parties.",
			Fix:   "Take a random value for each party, as a parameter.",
			check: checks(eachStatement(checkGuessable), checkSharedExternalID)},
		{ID: "AX030", Severity: Error, Where: "TP", Title: "Session tags are passed, and the trust doesn't allow it",
			Why:   "Who passes tags needs sts:TagSession in the trust as well; the whole call is denied.",
			Fix:   "Add sts:TagSession beside sts:AssumeRole.",
			check: checks(eachStatement(checkPodTags), checkTagSession)},
		{ID: "AX099", Severity: Advice, Where: "TL", Title: "A service is trusted on anybody's behalf",
			Why:   "The service would use the role for another account's resource too: the confused deputy.",
			Fix:   "Add aws:SourceAccount or aws:SourceArn; give unrelated services roles of their own.",
			check: checks(eachStatement(checkDeputy), eachDocument(checkManyServices))},
	}
}

func checkWholeAccount(r *run, s *statement) {
	if !s.allow || !s.doc.trust() {
		return
	}
	if s.guarded("aws:principalarn", "sts:externalid", "aws:principaltag/", "aws:userid", "aws:username", "aws:sourceidentity", "sts:sourceidentity", "sts:rolesessionname") {
		return
	}
	for _, p := range s.principals {
		account := p.account()
		if !p.wholeAccount() && !s.accountParameter(p) || !s.doc.foreign(account) {
			continue
		}
		f := r.inDoc(s.doc, p.node, "%s trusts all of account %s", s.doc.label(), shown(account))
		if r.in.Org != nil {
			if _, ours := r.in.Org.Account(account); ours {
				f.Severity = Advice
			}
		}
	}
}

// accountParameter says whether a principal is a parameter that only takes an
// account's id.
func (s *statement) accountParameter(p principal) bool {
	m := parameterForm.FindString(p.text())
	if p.kind != "AWS" || m == "" || s.doc.unit == nil {
		return false
	}
	param, ok := s.doc.unit.t.Parameters[strings.Trim(m, "${}")]
	return ok && (param.Type == "Number" || twelve.MatchString(param.AllowedPattern))
}

// shown is a value for people: ${Param} is said to be one.
func shown(text string) string {
	if m := parameterForm.FindString(text); m != "" {
		return strings.Trim(text, "${}")
	}
	return text
}

func checkEverybody(r *run, s *statement) {
	if !s.allow || !s.doc.trust() && !s.doc.shared() || s.knowsCaller() {
		return
	}
	for _, p := range s.principals {
		if p.kind != "AWS" || p.text() != "*" || s.notPrinc != nil {
			continue
		}
		// Of a key whose use comes through a service, its caller account says enough.
		if s.guarded("kms:viaservice") && s.guarded("kms:calleraccount") {
			continue
		}
		f := r.inDoc(s.doc, p.node, "%s lets everybody in", s.doc.label())
		if s.doc.service == "s3" || s.doc.service == "execute-api" || s.doc.service == "es" { // often meant
			f.Severity = Warning
		}
	}
}

func checkOpenFunction(r *run, _ *unit, d *template.Declared) {
	if n := d.Properties.Get("Principal"); n.Str() == "*" && d.Properties.Get("PrincipalOrgID") == nil && d.Properties.Get("FunctionUrlAuthType") == nil {
		r.inResource(d, n, "%s lets everybody invoke the function", d.Name)
	}
}

func checkThirdParty(r *run, s *statement) {
	if !s.allow || !s.doc.trust() || r.in.Org == nil || s.guarded("sts:externalid") {
		return
	}
	for _, p := range s.principals {
		account := p.account()
		if p.kind != "AWS" || !accountForm.MatchString(account) || s.doc.own(account) {
			continue
		}
		if _, ours := r.in.Org.Account(account); !ours {
			r.inDoc(s.doc, p.node, "account %s isn't of the organization, and needs no external id", account)
		}
	}
}

// externalIDs are the literal values that a statement demands.
func (s *statement) externalIDs() []*template.Node {
	var out []*template.Node
	for _, c := range s.conditions {
		if strings.EqualFold(c.key, "sts:ExternalId") && !c.negated() {
			for _, v := range c.values {
				if v.Known && len(v.Refs) == 0 {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

func checkGuessable(r *run, s *statement) {
	if !s.allow || !s.doc.trust() {
		return
	}
	for _, v := range s.externalIDs() {
		text := v.Str()
		switch {
		case accountForm.MatchString(text):
			r.inDoc(s.doc, v, "the external id %s is an account's id, which isn't secret", text)
		case len(text) < 8 || slices.Contains(guessable, strings.ToLower(text)):
			r.inDoc(s.doc, v, "the external id %q is easily guessed", text)
		}
	}
}

// checkSharedExternalID: one literal in trusts of different accounts.
func checkSharedExternalID(r *run) {
	parties := map[string]map[string]bool{}
	each := func(visit func(*statement, *template.Node, string)) {
		for _, d := range r.docs {
			for _, s := range d.statements {
				if !s.allow || !d.trust() {
					continue
				}
				for _, v := range s.externalIDs() {
					for _, p := range s.principals {
						if p.kind == "AWS" && accountForm.MatchString(p.account()) {
							visit(s, v, p.account())
						}
					}
				}
			}
		}
	}
	each(func(_ *statement, v *template.Node, account string) {
		if parties[v.Str()] == nil {
			parties[v.Str()] = map[string]bool{}
		}
		parties[v.Str()][account] = true
	})
	each(func(s *statement, v *template.Node, _ string) {
		if n := len(parties[v.Str()]); n > 1 {
			r.inDoc(s.doc, v, "the external id %q is given to %d accounts", v.Str(), n)
		}
	})
}

func checkPodTags(r *run, s *statement) {
	if !s.allow || !s.doc.trust() || !s.does("sts:AssumeRole") || s.does("sts:TagSession") {
		return
	}
	for _, p := range s.principals {
		if p.kind != "Service" || p.text() != "pods.eks.amazonaws.com" {
			continue
		}
		other := slices.ContainsFunc(s.doc.statements, func(o *statement) bool {
			return o != s && o.allow && o.does("sts:TagSession") && slices.ContainsFunc(o.principals, func(q principal) bool { return q.text() == p.text() })
		})
		if !other {
			r.inDoc(s.doc, p.node, "EKS Pod Identity tags its sessions, and %s doesn't allow sts:TagSession", s.doc.label())
		}
	}
}

// checkTagSession: a role that may tag sessions of a role that doesn't take them.
func checkTagSession(r *run) {
	for _, d := range r.docs {
		for _, s := range d.statements {
			if !s.allow || !d.identity() || d.unit == nil || d.owner == nil || !s.does("sts:TagSession") || !s.does("sts:AssumeRole") {
				continue
			}
			for _, n := range s.resources {
				target, ok := r.find(d.unit, n.Str())
				if !ok || target.d.Type != "AWS::IAM::Role" {
					continue
				}
				takes := false
				for _, trust := range r.attached(target) {
					takes = takes || slices.ContainsFunc(trust.statements, func(o *statement) bool { return o.allow && o.does("sts:TagSession") })
				}
				if !takes {
					r.inDoc(d, n, "%s passes session tags to role %s, whose trust doesn't allow sts:TagSession", d.label(), target.title()).Severity = Warning
				}
			}
		}
	}
}

// deputies are services whose documentation asks for aws:SourceAccount in the
// trust of the roles they use.
var deputies = []string{"scheduler", "pipes", "bedrock", "vpc-flow-logs", "transfer", "logs", "sagemaker", "kinesisanalytics", "apigateway",
	"export.rds", "datasync", "transcribe", "iot", "ses", "cloudtrail", "config", "sns", "rolesanywhere"}

func checkDeputy(r *run, s *statement) {
	if !s.allow || !s.doc.trust() || s.guarded("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "aws:principaltag/") {
		return
	}
	for _, p := range s.principals {
		if p.kind == "Service" && slices.Contains(deputies, serviceName(p.text())) {
			r.inDoc(s.doc, p.node, "%s trusts %s for whichever account asks it", s.doc.label(), p.text())
		}
	}
}

func checkManyServices(r *run, d *document) {
	if !d.trust() {
		return
	}
	seen := map[string]bool{}
	for _, s := range d.statements {
		for _, p := range s.principals {
			if !s.allow || p.kind != "Service" {
				continue
			}
			seen[serviceName(p.text())] = true
			if len(seen) == 4 {
				r.inDoc(d, p.node, "%s is for %d services: each gets what any of them needs", d.label(), len(seen))
				return
			}
		}
	}
}

// serviceName is a service principal without its region and suffix.
func serviceName(text string) string {
	name := text
	for _, suffix := range []string{".amazonaws.com.cn", ".amazonaws.com", ".aws.internal", ".${AWS::URLSuffix}"} {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			name = rest
			break
		}
	}
	if head, tail, ok := cutLast(name, "."); ok && (regionForm.MatchString(tail) || strings.HasPrefix(tail, "${")) {
		name = head
	}
	return name
}

func cutLast(s, sep string) (string, string, bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
