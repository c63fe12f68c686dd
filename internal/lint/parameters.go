package lint

import (
	"slices"
	"strings"

	"axle/internal/late"
	"axle/internal/template"
)

func parameterRules() []Rule {
	return []Rule{
		{ID: "AX056", Severity: Error, Where: "T", Title: "An account id as a number",
			Why:   "Leading zeros vanish: 012345678901 becomes an account that isn't there, or a stranger's.",
			Fix:   "Make the parameter a String with AllowedPattern '^\\d{12}$'.",
			check: eachUnit(checkAccountParameters)},
		{ID: "AX079", Severity: Advice, Where: "T", Title: "An account's number written into a template",
			Why:   "Accounts come and go, and differ by environment; the number tells nobody whose it is.",
			Fix:   "Make it a parameter, filled from the organization by axle.yaml.",
			check: eachStatement(checkLiteralAccount)},
		{ID: "AX080", Severity: Advice, Where: "T", Title: "An account parameter that takes anything",
			Why:   "A slip of the finger lets a stranger in, or nobody.",
			Fix:   "Add AllowedPattern '^\\d{12}$'.",
			check: eachUnit(checkAccountParameters)},
		{ID: "AX102", Severity: Warning, Where: "T", Title: "A generated name written down",
			Why:   "CloudFormation makes another when the resource is replaced, or in the next account.",
			Fix:   "Refer to the resource, or pass its name by output().",
			check: eachStatement(checkGeneratedName)},
	}
}

// checkAccountParameters is AX056 and AX080: it looks at how parameters are used
// in principals and in the account field of ARNs.
func checkAccountParameters(r *run, u *unit) {
	for _, d := range u.docs {
		for _, s := range d.statements {
			var nodes []*template.Node
			s.aws(func(p principal) { nodes = append(nodes, p.node) })
			nodes = append(nodes, s.resources...)
			for _, c := range s.conditions {
				switch strings.ToLower(c.key) {
				case "aws:sourceaccount", "aws:principalaccount":
					for _, v := range c.values {
						r.parameterIsAccount(u, &template.Node{Kind: template.ScalarNode, Refs: v.Refs, Pos: v.Pos}, s.owner())
					}
				case "aws:sourcearn", "aws:principalarn":
					nodes = append(nodes, c.values...)
				}
			}
			for _, n := range nodes {
				r.accountParameter(u, d, n)
			}
		}
	}
	for _, d := range u.resources {
		if n := d.Properties.Get("SourceAccount"); n != nil && d.Type == "AWS::Lambda::Permission" {
			r.parameterIsAccount(u, &template.Node{Kind: template.ScalarNode, Refs: n.Refs, Pos: n.Pos}, d.Name)
		}
	}
}

// accountParameter finds the parameter that an account field was made of.
func (r *run) accountParameter(u *unit, d *document, n *template.Node) {
	text := n.Str()
	a, ok := splitARN(text)
	switch {
	case ok && a.account != "":
		text = a.account
	case ok:
		return
	}
	name := ""
	if d.owner != nil {
		name = d.owner.Name
	}
	for _, ref := range n.Refs {
		param, known := u.t.Parameters[ref.Name]
		if !known {
			continue
		}
		value := u.world.Parameters[ref.Name]
		if value == "" && param.Default != nil {
			value = *param.Default
		}
		if text == "${"+ref.Name+"}" || value != "" && text == value && accountForm.MatchString(value) || param.Type == "Number" && value == text {
			r.parameterIsAccount(u, &template.Node{Kind: template.ScalarNode, Refs: []template.Reference{ref}, Pos: n.Pos, Func: n.Func}, name)
		}
	}
}

var twelve = late.MustCompile(`(\{12\}|(\\d|\[0-9\]){12})`)

func (r *run) parameterIsAccount(u *unit, n *template.Node, resource string) {
	for _, ref := range n.Refs {
		param, ok := u.t.Parameters[ref.Name]
		if !ok || param.List() || param.SSM() || len(param.Allowed) > 0 {
			continue
		}
		switch {
		case r.rule.ID == "AX056" && param.Type == "Number":
			r.at(param.Pos, resource, "parameter %s is an account's id and has the type Number", param.Name)
		case r.rule.ID == "AX080" && param.Type == "String" && !twelve.MatchString(param.AllowedPattern) && !arnParameter(n):
			r.at(param.Pos, resource, "parameter %s is an account's id, and nothing says so", param.Name)
		}
	}
}

// arnParameter says whether the whole principal is the parameter, which then
// may as well be an ARN.
func arnParameter(n *template.Node) bool {
	return n.Func == "Ref"
}

func checkLiteralAccount(r *run, s *statement) {
	if s.doc.unit == nil || s.doc.live {
		return
	}
	for _, n := range s.values() {
		text := n.Str()
		account := text
		if a, ok := splitARN(text); ok {
			account = a.account
		}
		// A value that came from elsewhere isn't written here.
		if accountForm.MatchString(account) && !awsAccounts[account] && s.written(n, account) {
			r.inDoc(s.doc, n, "account %s is written into %s", account, s.doc.label())
		}
	}
}

// values are the resources, principals and values of conditions of a statement.
func (s *statement) values() []*template.Node {
	nodes := slices.Clone(s.resources)
	for _, p := range s.principals {
		nodes = append(nodes, p.node)
	}
	for _, c := range s.conditions {
		nodes = append(nodes, c.values...)
	}
	return nodes
}

// written says whether the text of a node has the account itself, rather than a
// parameter that has it: then the line of the template shows it.
func (s *statement) written(n *template.Node, account string) bool {
	if len(n.Refs) == 0 {
		return true
	}
	lines := strings.Split(string(s.doc.unit.t.Body), "\n")
	if n.Pos.Line < 1 || n.Pos.Line > len(lines) {
		return false
	}
	return strings.Contains(lines[n.Pos.Line-1], account)
}

var generatedForm = late.MustCompile(`[A-Za-z0-9]-[A-Z0-9]{12,13}$`)

func checkGeneratedName(r *run, s *statement) {
	if s.doc.unit == nil || s.doc.live {
		return
	}
	for _, n := range s.values() {
		if a, ok := splitARN(n.Str()); ok && generatedForm.MatchString(a.resource) && len(n.Refs) == 0 && strings.ContainsAny(a.resource[len(a.resource)-12:], "0123456789") {
			r.inDoc(s.doc, n, "%s is a name that CloudFormation made", a.resource)
		}
	}
}
