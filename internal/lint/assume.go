package lint

import (
	"strconv"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"
	"axle/internal/template"
	"axle/policy"
)

func assumeRules() []Rule {
	return []Rule{
		{ID: "AX018", Severity: Error, Where: "P", Title: "A role is trusted, and isn't allowed to come in",
			Why:   "Across accounts both sides must allow: its own policies have no sts:AssumeRole for the role.",
			Fix:   "Allow sts:AssumeRole on the role's ARN in the caller's policies.",
			check: eachStatement(checkCallerSide)},
		{ID: "AX019", Severity: Warning, Where: "TL", Title: "sts:AssumeRole in any account",
			Why:   "With a wildcard for the account it can also enter roles of that name in accounts of strangers, and hand its data to them.",
			Fix:   "List the accounts, or add StringEquals aws:ResourceOrgID: ${aws:PrincipalOrgID}.",
			check: eachStatement(checkAnyAccount)},
		{ID: "AX020", Severity: Error, Where: "P", Title: "The role's path is missing in its ARN",
			Why:   "ARNs are compared whole: role/name isn't role/path/name.",
			Fix:   "Write the path between role/ and the name.",
			check: eachStatement(checkPath)},
		{ID: "AX026", Severity: Error, Where: "T", Title: "A session longer or shorter than AWS gives",
			Why:   "A role's maximum is 1 to 12 hours; sessions last from 15 minutes, and at most an hour when one role assumes the next.",
			Fix:   "Stay within 3600 to 43200 seconds for MaxSessionDuration, and 900 to 3600 for a chained session.",
			check: checks(eachResource(checkDuration, "AWS::IAM::Role", "AWS::RolesAnywhere::Profile"), eachCode(checkCodeDuration))},
		{ID: "AX027", Severity: Advice, Where: "T", Title: "Credentials are fetched once, and not again",
			Why:   "Those of an assumed role end after an hour at most; what holds them longer fails then.",
			Fix:   "Let the SDK's assume-role provider renew them, one for each role, external id, session policy and region.",
			Blind: "How a program caches can't be seen from outside; inline code that assumes a role while it is loaded is.",
			check: eachCode(checkOnce)},
		{ID: "AX028", Severity: Advice, Where: "T", Title: "A session without a telling name",
			Why:   "The session's name is what CloudTrail in the other account shows of the caller.",
			Fix:   "Name it after the request or the user.",
			Blind: "Only inline code of functions is looked at.",
			check: eachCode(checkSessionName)},
		{ID: "AX029", Severity: Advice, Where: "T", Title: "The global STS endpoint",
			Why:   "It is in one region only, and its tokens aren't taken in regions that are opted into.",
			Fix:   "Use the regional endpoint: AWS_STS_REGIONAL_ENDPOINTS=regional.",
			check: checks(eachUnit(checkGlobalEndpoint), eachCode(checkEndpointCode))},
	}
}

func checkCallerSide(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || !s.allow || !s.doc.trust() || s.doc.owner == nil || !s.does("sts:AssumeRole") {
		return
	}
	target := evaluable(u.seal(u.arn(s.doc.owner)))
	for _, p := range s.trusted(r) {
		if !r.identityAllows(p.placed, "sts:AssumeRole", target) {
			r.inDoc(s.doc, p.node, "%s trusts %s in %s, whose policies don't allow sts:AssumeRole on %s", s.doc.label(), p.title(), whose(p.u), pretty(target))
		}
	}
}

// trustedRole is a role of the project that a statement lets in.
type trustedRole struct {
	placed
	node *template.Node
}

// trusted are the roles of the project, in other accounts, that a statement
// names, as principals or by aws:PrincipalArn.
func (s *statement) trusted(r *run) []trustedRole {
	u := s.doc.unit
	nodes := []*template.Node{}
	s.aws(func(p principal) { nodes = append(nodes, p.node) })
	for _, c := range s.conditions {
		if strings.EqualFold(c.key, "aws:PrincipalArn") && c.binds() {
			nodes = append(nodes, c.values...)
		}
	}
	var out []trustedRole
	for _, n := range nodes {
		if p, ok := r.find(u, n.Str()); ok && p.d.Type == "AWS::IAM::Role" && p.u.account != u.account && p.u.account != "" && u.account != "" {
			out = append(out, trustedRole{p, n})
		}
	}
	return out
}

func whose(u *unit) string {
	if u.account == "" {
		return u.t.File
	}
	return "account " + u.account
}

// pretty shows an ARN or name with logical ids for what AWS generates.
func pretty(s string) string {
	s = generatedName.ReplaceAllString(s, "$2")
	return unresolved.ReplaceAllStringFunc(s, func(m string) string {
		if policyVariable(m[2 : len(m)-1]) {
			return m
		}
		return m[2 : len(m)-1]
	})
}

// title is a resource's name for people: its logical id where AWS chooses.
func (p placed) title() string { return pretty(p.u.sealText(p.u.name(p.d))) }

func checkAnyAccount(r *run, s *statement) {
	if !s.allow || !s.doc.identity() || !s.does("sts:AssumeRole") || s.guarded("aws:resourceorgid", "aws:resourceaccount", "aws:resourceorgpaths") || s.notRes != nil {
		return
	}
	for _, n := range s.resources {
		a, ok := splitARN(n.Str())
		switch {
		case n.Str() == "*":
			if s.does("iam:CreateUser") { // AX035 says it
				continue
			}
			r.inDoc(s.doc, n, "%s may assume any role that trusts it, in any account", s.doc.label())
		case ok && a.service == "iam" && strings.ContainsAny(a.account, "*?"):
			r.inDoc(s.doc, n, "%s may assume %s of any account", s.doc.label(), a.resource)
		}
	}
}

func checkPath(r *run, s *statement) {
	u := s.doc.unit
	if u == nil {
		return
	}
	nodes := []*template.Node{}
	if s.doc.identity() && (s.does("sts:AssumeRole") || s.does("iam:PassRole")) {
		nodes = append(nodes, s.resources...)
	}
	s.aws(func(p principal) { nodes = append(nodes, p.node) })
	for _, n := range nodes {
		a, ok := splitARN(u.sealText(n.Str()))
		name, isRole := strings.CutPrefix(a.resource, "role/")
		if !ok || !isRole || strings.Contains(name, "/") || strings.ContainsAny(name, "*?<") {
			continue
		}
		for _, p := range r.index.roles {
			path := p.d.Properties.Get("Path").Str()
			if path == "" || path == "/" || p.u.name(p.d) != name || p.u.account != "" && !policy.Match(a.account, p.u.account) && !strings.Contains(a.account, "<") {
				continue
			}
			if p.u.account == "" && p.u != u {
				continue
			}
			r.inDoc(s.doc, n, "role %s has the path %s", name, path).Fix = "Write role" + path + name + "."
		}
	}
}

func checkDuration(r *run, _ *unit, d *template.Declared) {
	property, low := "MaxSessionDuration", 3600
	if d.Type != "AWS::IAM::Role" {
		property, low = "DurationSeconds", 900
	}
	n := d.Properties.Get(property)
	if seconds, err := strconv.Atoi(n.Str()); err == nil && (seconds < low || seconds > 43200) {
		r.inResource(d, n, "%s of %s is %d; it must be %d to 43200", property, d.Name, seconds, low)
	}
}

// code is the source of a function that stands in the template.
type code struct {
	u    *unit
	d    *template.Declared
	node *template.Node
	text string
}

// eachCode makes a check of one that looks at functions' inline source.
func eachCode(check func(*run, code)) func(*run) {
	return func(r *run) {
		for _, u := range r.units {
			for _, d := range u.resources {
				for _, path := range [][]string{{"Code", "ZipFile"}, {"InlineCode"}} {
					if n := d.Properties.Get(path...); n.Str() != "" {
						check(r, code{u, d, n, n.Str()})
					}
				}
			}
		}
	}
}

// at is the place of an offset of the source. The text of a block begins in the
// line after its indicator, indented by as much as nobody knows: only lines are
// exact.
func (c code) at(offset int) diag.Pos {
	pos := c.node.Pos
	if strings.Contains(c.text, "\n") {
		return diag.Pos{File: pos.File, Line: pos.Line + 1 + strings.Count(c.text[:offset], "\n")}
	}
	return pos
}

var (
	durationCode = late.MustCompile(`DurationSeconds['"]?\s*[=:]\s*(\d+)`)
	assumeCode   = late.MustCompile(`\.assume_role\(|new AssumeRoleCommand\(|\.assumeRole\(`)
	sessionName  = late.MustCompile(`RoleSessionName['"]?\s*[=:]\s*(f?['"` + "`" + `][^'"` + "`" + `{}$]*['"` + "`" + `])`)
)

func checkCodeDuration(r *run, c code) {
	for _, m := range durationCode.FindAllStringSubmatchIndex(c.text, -1) {
		seconds, err := strconv.Atoi(c.text[m[2]:m[3]])
		// A function's own session is a role's: what it assumes is chained.
		if err == nil && (seconds < 900 || seconds > 3600) && assumeCode.MatchString(c.text) {
			r.at(c.at(m[2]), c.d.Name, "%s asks for a session of %d seconds; from its role it gets 900 to 3600", c.d.Name, seconds)
		}
	}
}

func checkOnce(r *run, c code) {
	offset := 0
	for line := range strings.Lines(c.text) {
		if m := assumeCode.FindStringIndex(line); m != nil && line[0] != ' ' && line[0] != '\t' && line[0] != '#' && line[0] != '/' {
			r.at(c.at(offset), c.d.Name, "%s assumes a role while it is loaded, and keeps the credentials as long as it lives", c.d.Name)
		}
		offset += len(line)
	}
}

func checkSessionName(r *run, c code) {
	m := assumeCode.FindStringIndex(c.text)
	if m == nil {
		return
	}
	if name := sessionName.FindStringSubmatchIndex(c.text); name != nil {
		r.at(c.at(name[2]), c.d.Name, "%s names all its sessions %s", c.d.Name, c.text[name[2]:name[3]])
	} else if !strings.Contains(c.text, "RoleSessionName") {
		r.at(c.at(m[0]), c.d.Name, "%s assumes a role without RoleSessionName", c.d.Name)
	}
}

func checkGlobalEndpoint(r *run, u *unit) {
	for _, d := range u.resources {
		walk(d.Properties, func(key string, n *template.Node) {
			switch {
			case key == "AWS_STS_REGIONAL_ENDPOINTS" && n.Text == "legacy":
				r.inResource(d, n, "%s uses the global STS endpoint", d.Name)
			case strings.Contains(n.Text, "https://sts.amazonaws.com") && key != "ZipFile" && key != "InlineCode":
				r.inResource(d, n, "%s names the global STS endpoint", d.Name)
			}
		})
	}
}

func checkEndpointCode(r *run, c code) {
	if i := strings.Index(c.text, "https://sts.amazonaws.com"); i >= 0 {
		r.at(c.at(i), c.d.Name, "%s calls the global STS endpoint", c.d.Name)
	}
}

// walk visits the scalars below a node with the key that they are under.
func walk(n *template.Node, visit func(key string, n *template.Node)) { walkKey("", n, 0, visit) }

func walkKey(key string, n *template.Node, depth int, visit func(string, *template.Node)) {
	if n == nil || depth > maxDepth {
		return
	}
	if n.Kind == template.ScalarNode {
		visit(key, n)
	}
	for _, item := range n.Items {
		walkKey(key, item, depth+1, visit)
	}
	for _, k := range n.Keys {
		walkKey(k.Name, k.Value, depth+1, visit)
	}
}
