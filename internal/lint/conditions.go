package lint

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/template"
	"axle/policy"
)

func conditionRules() []Rule {
	return []Rule{
		{ID: "AX001", Severity: Error, Where: "TL", Title: "Unknown condition operator",
			Why:   "IAM refuses the policy, so the condition never guards anything.",
			Fix:   "Use one of IAM's operators, such as StringEquals.",
			check: eachStatement(checkOperators)},
		{ID: "AX006", Severity: Error, Where: "TL", Title: "A wildcard under an operator that compares literally",
			Why:   "StringEquals takes * and ? as plain characters, so the condition never holds.",
			Fix:   "Use StringLike, or write the value out.",
			check: eachStatement(checkLiteralWildcards)},
		{ID: "AX016", Severity: Error, Where: "TL", Title: "An external id that may be left out",
			Why:   "With ...IfExists or ForAllValues a call without any external id passes.",
			Fix:   "Demand it with StringEquals.",
			check: eachStatement(checkOptionalExternalID)},
		{ID: "AX052", Severity: Error, Where: "TL", Title: "aws:PrincipalOrgID decides about a service",
			Why:   "Calls of a service principal carry none of the caller's keys: an Allow never holds, a Deny shuts the service out.",
			Fix:   "For services use aws:SourceOrgID, aws:SourceAccount or aws:SourceArn; in a Deny except them with aws:PrincipalIsAWSService.",
			check: eachStatement(checkServiceOrg)},
		{ID: "AX061", Severity: Warning, Where: "TL", Title: "ForAllValues is an Allow's only guard",
			Why:   "A request that doesn't have the key at all satisfies it.",
			Fix:   `Add Null: {key: "false"}, or use ForAnyValue.`,
			check: eachStatement(checkForAll)},
		{ID: "AX064", Severity: Error, Where: "TL", Title: "Policy variables without Version 2012-10-17",
			Why:   "An older or missing Version takes ${...} literally, so nothing ever matches; without one, later additions of the language don't work either.",
			Fix:   `Begin the policy with Version: "2012-10-17".`,
			check: eachDocument(checkVersion)},
	}
}

func checkOperators(r *run, s *statement) {
	for _, c := range s.conditions {
		if slices.Contains(operators, c.base) && (c.base != "Null" || !c.ifExists) {
			continue
		}
		f := r.at(c.opPos, s.owner(), "%s: there is no condition operator %q", s.doc.label(), c.operator)
		if near := diag.NearestWithin(c.base, operators, 3); near != "" {
			f.Fix = "Write " + strings.Replace(c.operator, c.base, near, 1) + "."
		}
	}
}

// owner is the logical id of the resource that a statement stands in.
func (s *statement) owner() string {
	if s.doc.owner == nil {
		return ""
	}
	return s.doc.owner.Name
}

func checkLiteralWildcards(r *run, s *statement) {
	for _, c := range s.conditions {
		switch c.base {
		case "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase":
		default:
			continue
		}
		for _, v := range c.values {
			// ${*} and ${?} are the characters themselves, and other
			// variables aren't ours to read.
			text := unresolved.ReplaceAllString(v.Str(), "")
			if strings.ContainsAny(text, "*?") {
				r.inDoc(s.doc, v, "%s compares %s with %q character by character", c.operator, c.key, v.Str()).Fix =
					"Use " + strings.NewReplacer("EqualsIgnoreCase", "Like", "Equals", "Like").Replace(c.operator) + ", or write the value out."
			}
		}
	}
}

func checkOptionalExternalID(r *run, s *statement) {
	for _, c := range s.conditions {
		if s.allow && strings.EqualFold(c.key, "sts:ExternalId") && (c.ifExists || c.forAll) {
			r.at(c.opPos, s.owner(), "%s lets callers without sts:ExternalId through in %s", c.operator, s.doc.label())
		}
	}
}

// callersOnly are keys that requests of service principals don't have.
var callersOnly = []string{"aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn"}

// calledByServices are services to which other services write on their own behalf.
var calledByServices = []string{"s3", "sns", "sqs", "kms", "lambda", "logs", "events", "kinesis"}

func checkServiceOrg(r *run, s *statement) {
	services := len(s.principals) > 0 && !slices.ContainsFunc(s.principals, func(p principal) bool { return p.kind != "Service" })
	for _, c := range s.conditions {
		if !slices.Contains(callersOnly, strings.ToLower(c.key)) {
			continue
		}
		if s.allow && services && c.binds() {
			r.at(c.keyPos, s.owner(), "%s is never there when %s calls: the statement allows nothing", c.key, s.principals[0].text())
			continue
		}
		everyone := slices.ContainsFunc(s.principals, func(p principal) bool { return p.kind == "AWS" && p.text() == "*" })
		org := strings.HasPrefix(strings.ToLower(c.key), "aws:principalorg")
		if !s.allow && everyone && org && c.negated() && !c.ifExists && slices.Contains(calledByServices, s.doc.service) && !s.sparesServices() {
			f := r.at(c.keyPos, s.owner(), "%s denies AWS services too: they have no %s", s.doc.label(), c.key)
			f.Severity = Warning
		}
	}
}

// sparesServices says whether a Deny excepts service principals.
func (s *statement) sparesServices() bool {
	return slices.ContainsFunc(s.conditions, func(c condition) bool {
		switch strings.ToLower(c.key) {
		case "aws:principalisawsservice", "aws:principalservicename", "aws:principalservicenameslist", "aws:sourceorgid", "aws:sourceaccount", "aws:principaltype":
			return true
		case "aws:principalarn", "aws:principalaccount": // only callers have them
			return c.base == "Null" || c.binds()
		}
		return false
	})
}

func checkForAll(r *run, s *statement) {
	if !s.allow || slices.ContainsFunc(s.conditions, condition.binds) {
		return
	}
	for _, c := range s.conditions {
		if !c.forAll {
			continue
		}
		demanded := slices.ContainsFunc(s.conditions, func(o condition) bool {
			return o.base == "Null" && strings.EqualFold(o.key, c.key) && len(o.values) == 1 && o.values[0].Str() == "false"
		})
		if !demanded {
			r.at(c.opPos, s.owner(), "%s on %s holds for a request without that key, and nothing else guards the statement", c.operator, c.key)
		}
	}
}

func checkVersion(r *run, d *document) {
	version := d.version.Str()
	if version == "2012-10-17" || d.version != nil && !d.version.Known {
		return
	}
	said := "no Version"
	if version != "" {
		said = "Version " + version
	}
	for _, s := range d.statements {
		nodes := slices.Clone(s.resources)
		for _, c := range s.conditions {
			nodes = append(nodes, c.values...)
		}
		for _, n := range nodes {
			if v := variableIn(n); v != "" {
				r.inDoc(d, n, "%s has %s, so %s is no variable in it", d.label(), said, v)
				return
			}
		}
	}
	if version == "" && !d.live && d.kind != policy.ServiceControlPolicy && len(d.statements) > 0 {
		f := r.inDoc(d, nil, "%s has no Version, which means 2008-10-17", d.label())
		f.Severity = Advice
	}
}

func variableIn(n *template.Node) string {
	for _, m := range unresolved.FindAllStringSubmatch(n.Str(), -1) {
		if policyVariable(m[1]) {
			return m[0]
		}
	}
	return ""
}
