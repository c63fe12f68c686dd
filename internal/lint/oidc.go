package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
)

func oidcRules() []Rule {
	return []Rule{
		{ID: "AX002", Severity: Error, Where: "TL", Title: "An OIDC condition key without its claim",
			Why:   "The key is the issuer followed by :sub or :aud; the issuer alone is never in a request, so nobody can assume the role.",
			Fix:   "Append :sub (or :aud) to the key.",
			check: eachStatement(checkClaim)},
		{ID: "AX003", Severity: Error, Where: "TL", Title: "An OIDC trust that doesn't say whom",
			Why:   "Everybody to whom the issuer gives tokens, any service account or repository, gets the role.",
			Fix:   "Add StringEquals on <issuer>:sub.",
			check: eachStatement(checkSubject)},
		{ID: "AX004", Severity: Warning, Where: "TL", Title: "An OIDC trust without audience",
			Why:   "Tokens that were made for somebody else are taken as well.",
			Fix:   "Add StringEquals on <issuer>:aud; for EKS and GitHub the audience is sts.amazonaws.com.",
			check: eachStatement(checkAudience)},
		{ID: "AX005", Severity: Error, Where: "TL", Title: "The condition's issuer isn't the trusted provider's",
			Why:   "The key is never in the request, so nobody can assume the role.",
			Fix:   "Write the issuer as in the provider's ARN after oidc-provider/: no https://, no ARN.",
			check: eachStatement(checkIssuer)},
		{ID: "AX007", Severity: Error, Where: "TL", Title: "A subject that spans tenants",
			Why:   "A wildcard in the namespace, or in the organization of a repository, lets in everybody who can make one.",
			Fix:   "Fix the namespace or organization; wildcards belong after it.",
			check: eachStatement(checkTenant)},
		{ID: "AX008", Severity: Error, Where: "TP", Title: "The OIDC provider is in another account than the role",
			Why:   "A role trusts identity providers of its own account only.",
			Fix:   "Make a provider in the role's account and refer to it with ${AWS::AccountId}.",
			check: eachStatement(checkProviderAccount)},
		{ID: "AX009", Severity: Warning, Where: "P", Title: "The account has no provider for the issuer",
			Why:   "The role can't be assumed until the account has one.",
			Fix:   "Deploy an AWS::IAM::OIDCProvider for the issuer to this account.",
			check: eachStatement(checkProviderThere)},
		{ID: "AX010", Severity: Error, Where: "TL", Title: "The action doesn't fit the principal",
			Why:   "Identity providers come in with AssumeRoleWithWebIdentity or AssumeRoleWithSAML, everybody else with AssumeRole: the statement allows nothing.",
			Fix:   "Use the action that goes with the principal.",
			check: eachStatement(checkActionOfPrincipal)},
		{ID: "AX011", Severity: Advice, Where: "T", Title: "A thumbprint written down",
			Why:   "AWS checks the issuer's certificate by its own trusted authorities; a thumbprint only becomes stale.",
			Fix:   "Leave ThumbprintList out, unless the issuer's authority is private.",
			check: eachResource(checkThumbprint, "AWS::IAM::OIDCProvider")},
		{ID: "AX012", Severity: Warning, Where: "TL", Title: "A leftover service in the trust of an OIDC role",
			Why:   "Who may pass the role to that service gets it without a token: a second way in.",
			Fix:   "Remove the service from the trust.",
			check: eachDocument(checkLeftover)},
	}
}

// web finds the OIDC principals that a statement lets in by a token.
func (s *statement) web() []principal {
	if !s.allow || !s.doc.trust() || !s.does("sts:AssumeRoleWithWebIdentity") {
		return nil
	}
	var out []principal
	for _, p := range s.principals {
		if p.kind == "Federated" && !strings.Contains(p.text(), ":saml-provider/") {
			out = append(out, p)
		}
	}
	return out
}

// issuer is what the condition keys of a provider begin with; "" isn't known.
func issuer(p principal) string {
	_, after, ok := strings.Cut(p.text(), ":oidc-provider/")
	if !ok {
		if after = p.text(); strings.Contains(after, ":") || strings.Contains(after, "$") {
			return ""
		}
	}
	return strings.TrimSuffix(after, "/")
}

// claimless are keys that name an issuer and no claim.
func (s *statement) claimless() []condition {
	if len(s.web()) == 0 {
		return nil
	}
	var out []condition
	for _, c := range s.conditions {
		rest := strings.TrimPrefix(c.key, "https://")
		if !strings.Contains(rest, ":") || strings.HasPrefix(c.key, "arn:") && strings.Count(c.key, ":") == 5 {
			out = append(out, c)
		}
	}
	return out
}

func checkClaim(r *run, s *statement) {
	for _, c := range s.claimless() {
		r.at(c.keyPos, s.owner(), "the key %q has no claim", c.key).Fix = "Write " + strings.TrimPrefix(c.key, "https://") + ":" + claimOf(c) + "."
	}
}

// claimOf guesses which claim a value is of.
func claimOf(c condition) string {
	if len(c.values) > 0 && strings.HasSuffix(c.values[0].Str(), "amazonaws.com") {
		return "aud"
	}
	return "sub"
}

// narrowing are claims that say who has a token, in lower case.
var narrowing = []string{":sub", ":amr", ":oaud", ":job_workflow_ref", ":repository", ":repository_id", ":project_id", ":project_path", ":namespace_id", ":email"}

func (s *statement) claims(suffixes ...string) bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool {
		key := strings.ToLower(c.key)
		open := c.ifExists || c.forAll || c.negated() || len(c.values) == 1 && c.values[0].Str() == "*"
		return !open && slices.ContainsFunc(suffixes, func(x string) bool { return strings.HasSuffix(key, x) })
	})
}

func checkSubject(r *run, s *statement) {
	for _, p := range s.web() {
		meant := slices.ContainsFunc(s.claimless(), func(c condition) bool { return claimOf(c) == "sub" })
		if !s.claims(narrowing...) && !meant {
			r.inDoc(s.doc, p.node, "%s trusts every token of %s", s.doc.label(), p.text())
		}
	}
}

func checkAudience(r *run, s *statement) {
	for _, p := range s.web() {
		meant := slices.ContainsFunc(s.claimless(), func(c condition) bool { return claimOf(c) == "aud" })
		if !s.claims(":aud", ":oaud", ":client_id", ":app_id") && !meant {
			r.inDoc(s.doc, p.node, "%s doesn't ask for whom a token of %s was made", s.doc.label(), p.text())
		}
	}
}

func checkIssuer(r *run, s *statement) {
	all := s.web()
	for _, c := range s.conditions {
		at := strings.LastIndex(c.key, ":")
		if len(all) == 0 || at < 0 || !strings.Contains(c.key, ".") {
			continue
		}
		prefix := c.key[:at]
		if c.key == "https" || strings.HasPrefix(c.key[at:], "://") {
			prefix = c.key
		}
		known, found := false, false
		for _, p := range all {
			is := issuer(p)
			known = known || is != "" && !strings.Contains(is, "${")
			found = found || is == prefix || strings.HasPrefix(is, prefix+"/") && is == prefix
		}
		switch {
		case found:
		case strings.HasPrefix(prefix, "https://"), strings.HasPrefix(prefix, "arn:"):
			_, bare, ok := strings.Cut(prefix, "oidc-provider/")
			if !ok {
				bare = strings.TrimPrefix(prefix, "https://")
			}
			if !strings.Contains(bare, "://") {
				r.at(c.keyPos, s.owner(), "the key begins with %q, which no request has", prefix).Fix = "Write " + bare + strings.TrimPrefix(c.key, prefix) + "."
			}
		case known && strings.Contains(prefix, "."):
			r.at(c.keyPos, s.owner(), "the key is of issuer %q, but the statement trusts %s", prefix, all[0].text())
		}
	}
}

func checkTenant(r *run, s *statement) {
	if len(s.web()) == 0 {
		return
	}
	for _, c := range s.conditions {
		if !strings.HasSuffix(strings.ToLower(c.key), ":sub") || c.base != "StringLike" {
			continue
		}
		for _, v := range c.values {
			if wide := tooWide(v.Str()); wide != "" {
				r.inDoc(s.doc, v, "%q takes %s", v.Str(), wide)
			}
		}
	}
}

// tooWide says whom a subject's wildcard lets in, "" when it stays in one tenant.
func tooWide(sub string) string {
	fixed, _, glob := strings.Cut(strings.ReplaceAll(sub, "?", "*"), "*")
	if !glob {
		return ""
	}
	if rest, ok := strings.CutPrefix(fixed, "system:serviceaccount:"); ok {
		if !strings.Contains(rest, ":") {
			return "service accounts of other namespaces"
		}
		return ""
	}
	for _, kind := range []string{"repo:", "project_path:", "organization:"} {
		if rest, ok := strings.CutPrefix(fixed, kind); ok {
			if !strings.ContainsAny(rest, "/:") {
				return "other organizations"
			}
			return ""
		}
	}
	if strings.TrimSpace(fixed) == "" || strings.HasPrefix("system:serviceaccount:", fixed) || strings.HasPrefix("repo:", fixed) {
		return "everybody"
	}
	return ""
}

func checkProviderAccount(r *run, s *statement) {
	for _, p := range s.web() {
		a, ok := splitARN(p.text())
		if ok && accountForm.MatchString(a.account) && s.doc.account != "" && a.account != s.doc.account {
			r.inDoc(s.doc, p.node, "the provider is in account %s, the role goes to %s", a.account, s.doc.account)
		}
	}
}

func checkProviderThere(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || u.account == "" {
		return
	}
	for _, p := range s.web() {
		a, ok := splitARN(u.sealText(p.text()))
		if !ok || a.account != u.account || strings.Contains(a.resource, "<") {
			continue
		}
		here, elsewhere := false, ""
		for _, other := range r.index.named[strings.TrimPrefix(a.resource, "oidc-provider/")] {
			switch {
			case other.d.Type != "AWS::IAM::OIDCProvider":
			case other.u.account == u.account:
				here = true
			default:
				elsewhere = other.u.account
			}
		}
		if !here && elsewhere != "" {
			r.inDoc(s.doc, p.node, "the project makes the provider of %s in %s, but not in %s, where the role is", issuer(p), elsewhere, u.account)
		}
	}
}

func checkActionOfPrincipal(r *run, s *statement) {
	if !s.allow || !s.doc.trust() || s.notAction != nil {
		return
	}
	plain, web, saml := s.does("sts:AssumeRole"), s.does("sts:AssumeRoleWithWebIdentity"), s.does("sts:AssumeRoleWithSAML")
	if !plain && !web && !saml {
		return
	}
	for _, p := range s.principals {
		isSAML := strings.Contains(p.text(), ":saml-provider/")
		want, good := "sts:AssumeRole", plain
		switch {
		case p.kind == "Federated" && isSAML:
			want, good = "sts:AssumeRoleWithSAML", saml
		case p.kind == "Federated":
			// What isn't known yet may be a provider of either kind.
			want, good = "sts:AssumeRoleWithWebIdentity", web || saml && strings.Contains(p.text(), "${")
		}
		if !good {
			r.inDoc(s.doc, p.node, "%s %s comes in by %s, not by %s", p.kind, p.text(), want, s.actions[0].Str())
		}
	}
}

func checkThumbprint(r *run, _ *unit, d *template.Declared) {
	for _, n := range d.Properties.Get("ThumbprintList").List() {
		if len(n.Refs) == 0 && n.Str() != "" {
			r.inResource(d, n, "provider %s pins the thumbprint %s", d.Name, n.Str())
			return
		}
	}
}

func checkLeftover(r *run, d *document) {
	web := slices.ContainsFunc(d.statements, func(s *statement) bool { return len(s.web()) > 0 })
	if !web {
		return
	}
	for _, s := range d.statements {
		for _, p := range s.principals {
			if s.allow && p.kind == "Service" && p.text() != "pods.eks.amazonaws.com" {
				r.inDoc(d, p.node, "%s is for tokens, and trusts %s as well", d.label(), p.text())
			}
		}
	}
}
