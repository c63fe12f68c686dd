package lint

import (
	"slices"

	"axle/internal/template"
)

func kubernetesRules() []Rule {
	return []Rule{
		{ID: "AX031", Severity: Error, Where: "TP", Title: "A Pod Identity role of another account",
			Why:   "The association's role must be in the cluster's account, since it is passed to EKS.",
			Fix:   "Associate a role of the cluster's account, and give the other as TargetRoleArn.",
			check: eachResource(checkAssociation, "AWS::EKS::PodIdentityAssociation")},
		{ID: "AX032", Severity: Warning, Where: "TP", Title: "A Pod Identity target that any association may enter",
			Why:   "Without the association's external id every pod whose role may assume it does.",
			Fix:   "Demand the association's ExternalId as sts:ExternalId in the target's trust.",
			check: eachResource(checkTargetRole, "AWS::EKS::PodIdentityAssociation")},
	}
}

func checkAssociation(r *run, u *unit, d *template.Declared) {
	n := d.Properties.Get("RoleArn")
	a, ok := splitARN(n.Str())
	target, hasTarget := splitARN(d.Properties.Get("TargetRoleArn").Str())
	switch {
	case ok && accountForm.MatchString(a.account) && u.account != "" && a.account != u.account:
		r.inResource(d, n, "%s is in account %s, the cluster in %s", a.resource, a.account, u.account)
	case ok && parameterForm.MatchString(a.account) && a.account != "${AWS::AccountId}" && !(hasTarget && target.account == "${AWS::AccountId}"):
		f := r.inResource(d, n, "%s is in account %s, which may not be the cluster's", a.resource, shown(a.account))
		f.Severity = Warning
	}
}

func checkTargetRole(r *run, u *unit, d *template.Declared) {
	target, ok := r.find(u, d.Properties.Get("TargetRoleArn").Str())
	if !ok || target.d.Type != "AWS::IAM::Role" {
		return
	}
	for _, doc := range r.attached(target) {
		for _, s := range doc.statements {
			lets := s.allow && doc.trust() && slices.ContainsFunc(s.principals, func(p principal) bool { return p.kind == "AWS" })
			if lets && !s.guarded("sts:externalid", "aws:requesttag/", "aws:principaltag/") {
				r.inDoc(doc, s.principals[0].node, "%s is a target of Pod Identity association %s, and asks for no external id", doc.label(), d.Name)
			}
		}
	}
}
