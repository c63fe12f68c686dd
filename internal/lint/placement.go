package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
)

func placementRules() []Rule {
	return []Rule{
		{ID: "AX036", Severity: Error, Where: "TP", Title: "A named IAM resource in several regions of one account",
			Why:   "IAM is global: the second region's stack finds the name taken.",
			Fix:   "Deploy it to the home region only, or put the region into the name.",
			check: checkSameNames(true)},
		{ID: "AX060", Severity: Error, Where: "P", Title: "An import of another account's or region's export",
			Why:   "Exports are seen in their own account and region only.",
			Fix:   "Pass it as a parameter: ${{ output(...) }} in axle.yaml.",
			check: eachUnit(checkImports)},
		{ID: "AX072", Severity: Warning, Where: "", Title: "Deleting a role that policies name",
			Why:   "They keep the id of the deleted one, and the next of its name has no access.",
			Fix:   "Name the account with ArnEquals on aws:PrincipalArn, which survives it.",
			Blind: "It is a matter of what a run deletes, not of a text; afterwards AX023 sees it in live policies."},
		{ID: "AX077", Severity: Advice, Where: "P", Title: "A fixed role name is the contract between templates",
			Why:   "It can't be there twice, nor be replaced, and a change on one side isn't noticed on the other.",
			Fix:   "Pass the role's ARN by output(), where the order of deployment allows it.",
			check: eachStatement(checkNameContract)},
		{ID: "AX105", Severity: Error, Where: "P", Title: "A fixed name in a stack that goes somewhere several times",
			Why:   "The second stack finds the name taken; a bucket's is unique in the whole world.",
			Fix:   "Leave the name out, or put account and region into it.",
			check: checkSameNames(false)},
	}
}

// oncePer says how far a name of a type must be unique: in the world, in an
// account, or in a region of it.
func oncePer(kind string, u *unit) string {
	switch {
	case kind == "AWS::S3::Bucket":
		return "world"
	case strings.HasPrefix(kind, "AWS::IAM::"):
		return u.account
	}
	return u.account + "/" + u.region
}

// checkSameNames finds names that two stacks give; iam: those of IAM.
func checkSameNames(iam bool) func(*run) {
	return func(r *run) {
		first := map[string]placed{}
		for _, u := range r.units {
			if u.src.ID == "" || u.account == "" {
				continue
			}
			for _, d := range u.resources {
				n := given(d)
				if n == nil || !n.Known || n.Str() == "" || strings.Contains(n.Str(), "<") || iam != strings.HasPrefix(d.Type, "AWS::IAM::") || d.Type == "AWS::IAM::OIDCProvider" && !iam {
					continue
				}
				name := n.Str()
				key := d.Type + " " + oncePer(d.Type, u) + " " + strings.ToLower(name)
				was, twice := first[key]
				if !twice {
					first[key] = placed{u, d}
					continue
				}
				if was.u.account == u.account && was.u.region == u.region && was.u == u {
					r.inResource(d, n, "%s and %s have the same name %s", d.Name, was.d.Name, name)
					continue
				}
				f := r.inResource(d, n, "%s is made in %s/%s and in %s/%s", name, was.u.account, was.u.region, u.account, u.region)
				if d.Condition != "" || was.d.Condition != "" { // perhaps only one of them
					f.Severity = Warning
				}
			}
		}
	}
}

func checkImports(r *run, u *unit) {
	if u.account == "" {
		return
	}
	for _, im := range u.t.Imports {
		if !im.Literal {
			continue
		}
		made := r.index.exports[im.Name]
		here := slices.ContainsFunc(made, func(p placed) bool { return p.u.account == u.account && (p.u.region == u.region || u.region == "") })
		if len(made) > 0 && !here {
			r.at(im.Pos, "", "%s is exported in %s/%s; %s/%s doesn't see it", im.Name, made[0].u.account, made[0].u.region, u.account, u.region)
		}
	}
}

func checkNameContract(r *run, s *statement) {
	u := s.doc.unit
	if u == nil {
		return
	}
	nodes := []*template.Node{}
	s.aws(func(p principal) { nodes = append(nodes, p.node) })
	if s.doc.identity() && s.does("sts:AssumeRole") {
		nodes = append(nodes, s.resources...)
	}
	for _, n := range nodes {
		p, ok := r.find(u, n.Str())
		if !ok || p.d.Type != "AWS::IAM::Role" || p.u.t.File == u.t.File || given(p.d) == nil {
			continue
		}
		wired := slices.ContainsFunc(n.Refs, func(ref template.Reference) bool { _, is := u.src.Wired[ref.Name]; return is })
		if !wired {
			r.inDoc(s.doc, n, "role %s of %s is known here by its name only", p.title(), p.u.t.File)
		}
	}
}
