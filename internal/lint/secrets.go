package lint

import (
	"maps"
	"slices"
	"strings"

	"axle/internal/late"
	"axle/internal/template"
)

func secretRules() []Rule {
	return []Rule{
		{ID: "AX043", Severity: Error, Where: "", Title: "A secret whose old versions are under the old key",
			Why:   "A new key encrypts new versions only; the others can't be read from another account.",
			Fix:   "After changing the key put the value again, so that the current version is under it.",
			Blind: "Which key a version is under is told only by the live secret (DescribeSecret, ListSecretVersionIds)."},
		{ID: "AX045", Severity: Error, Where: "TL", Title: "A secret's ARN without its suffix",
			Why:   "AWS adds six characters to the name, so the ARN matches nothing.",
			Fix:   "End it in -??????, or refer to the secret.",
			check: eachStatement(checkSecretSuffix)},
		{ID: "AX078", Severity: Advice, Where: "TP", Title: "The same policy copied for every secret",
			Why:   "A secret has a policy of its own, and copies grow apart.",
			Fix:   "Put what belongs together into one secret, or make the policies of one definition.",
			check: eachUnit(checkCopiedPolicies)},
		{ID: "AX081", Severity: Error, Where: "TP", Title: "A dynamic reference into another account",
			Why:   "{{resolve:ssm:...}} is looked up in the account and region of the stack.",
			Fix:   "Pass the value as a parameter: ${{ output(...) }} in axle.yaml; shared parameters by their full ARN.",
			check: eachUnit(checkResolve)},
		{ID: "AX111", Severity: Error, Where: "T", Title: "A secret in an output or in metadata",
			Why:   "CloudFormation doesn't hide what outputs and metadata say: whoever may describe the stack reads the NoEcho parameter there.",
			Fix:   "Give out the secret's ARN or name, and let readers fetch it with permissions of their own.",
			check: eachUnit(checkShownSecret)},
	}
}

// secretForm is a dynamic reference to a secret. CloudFormation leaves its text in
// outputs and metadata as it is; somebody believes that it is resolved.
var secretForm = late.MustCompile(`\{\{resolve:(ssm-secure|secretsmanager):`)

func checkShownSecret(r *run, u *unit) {
	shown := func(n *template.Node, resource, what string) {
		walk(n, func(_ string, n *template.Node) {
			for _, ref := range n.Refs {
				if p, ok := u.t.Parameters[ref.Name]; ok && p.NoEcho {
					r.at(n.Pos, resource, "%s shows the NoEcho parameter %s", what, p.Name)
					return
				}
			}
			if secretForm.MatchString(n.Text) {
				r.at(n.Pos, resource, "%s has a dynamic reference to a secret", what)
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(u.outputs)) {
		for v := u.outputs[name].Value; v != nil; v = v.Else {
			shown(v, "", "output "+name)
		}
	}
	for _, d := range u.resources {
		shown(d.Metadata, d.Name, "the metadata of "+d.Name)
	}
}

var suffixForm = late.MustCompile(`-[A-Za-z0-9]{6}$`)

func checkSecretSuffix(r *run, s *statement) {
	for _, n := range s.resources {
		a, ok := splitARN(n.Str())
		name, isSecret := strings.CutPrefix(a.resource, "secret:")
		if !ok || a.service != "secretsmanager" || !isSecret || strings.ContainsAny(name, "*?") || strings.HasSuffix(name, "}") || strings.HasSuffix(name, ">") {
			continue
		}
		if m := suffixForm.FindString(name); m != "" && m != strings.ToLower(m) || m != "" && strings.ContainsAny(m, "0123456789") {
			continue
		}
		r.inDoc(s.doc, n, "no secret's ARN ends in %q", name).Fix = "Write " + name + "-??????."
	}
}

func checkCopiedPolicies(r *run, u *unit) {
	first := map[string]*template.Declared{}
	count := map[string]int{}
	for _, d := range u.resources {
		if d.Type != "AWS::SecretsManager::ResourcePolicy" {
			continue
		}
		// Near-equal: but for the name of the secret itself.
		body := string(d.Properties.Get("ResourcePolicy").JSON())
		if id := d.Properties.Get("SecretId").Str(); id != "" {
			body = strings.ReplaceAll(body, id, "")
		}
		if first[body] == nil {
			first[body] = d
		}
		if count[body]++; count[body] == 3 {
			r.inResource(d, nil, "%s says the same as %s and others", d.Name, first[body].Name)
		}
	}
}

var resolveForm = late.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]*)\}\}`)

func checkResolve(r *run, u *unit) {
	for _, d := range u.resources {
		walk(d.Properties, func(_ string, n *template.Node) {
			for _, m := range resolveForm.FindAllStringSubmatch(n.Text, -1) {
				r.resolveReference(u, d, n, m[1], m[2])
			}
		})
	}
}

func (r *run) resolveReference(u *unit, d *template.Declared, n *template.Node, service, name string) {
	if a, ok := splitARN(name); ok {
		// Secrets Manager takes ARNs of other accounts; SSM does of shared
		// parameters, in the same region.
		if strings.HasPrefix(service, "ssm") && u.region != "" && a.region != "" && !strings.Contains(a.region, "$") && a.region != u.region {
			r.inResource(d, n, "parameter %s is in region %s, the stack in %s", a.resource, a.region, u.region)
		}
		return
	}
	name, _, _ = strings.Cut(name, ":")
	if u.account == "" || !strings.HasPrefix(service, "ssm") && service != "secretsmanager" {
		return
	}
	var other *unit
	for _, from := range r.index.named[name] {
		is := from.d.Type == "AWS::SSM::Parameter" && strings.HasPrefix(service, "ssm") || from.d.Type == "AWS::SecretsManager::Secret" && service == "secretsmanager"
		if !is {
			continue
		}
		if from.u.account == u.account && (from.u.region == u.region || u.region == "") {
			return
		}
		other = from.u
	}
	if other != nil {
		r.inResource(d, n, "%s is made in %s/%s; here it is looked for in %s/%s", name, other.account, other.region, u.account, u.region)
	}
}
