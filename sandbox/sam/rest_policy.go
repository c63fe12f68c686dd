package sam

import (
	"slices"
	"strings"
)

// addPolicy adds to the definition who may call a path.
func (d *definition) addPolicy(policy *Dict, path string, stage any) error {
	if d.doc.dict(policyKey) == nil {
		d.doc.own(policyKey, oldDict())
	}
	out := d.doc.dict(policyKey)
	on, err := d.pathResources(path, stage)
	if err != nil {
		return err
	}
	accounts := func(name, effect string) error {
		v := policy.get(name)
		if !truthy(v) {
			return nil
		}
		list, ok := v.([]any)
		if !ok {
			if asDict(v) == nil {
				return badTemplate("Type of '%s' must be a list or dictionary", strings.Trim(oldText(v), "u'"))
			}
			list = []any{v}
		}
		addStatements(out, false, oldDict("Effect", word(effect), "Action", word("execute-api:Invoke"), "Resource", on, "Principal", oldDict("AWS", list)))
		return nil
	}
	if err := accounts("AwsAccountWhitelist", "Allow"); err != nil {
		return err
	}
	if err := accounts("AwsAccountBlacklist", "Deny"); err != nil {
		return err
	}
	except := func(operator string, condition *Dict) {
		one := func(effect string) *Dict {
			return oldDict("Effect", word(effect), "Action", word("execute-api:Invoke"), "Resource", on, "Principal", word("*"))
		}
		deny := one("Deny")
		deny.own("Condition", plainDict(operator, condition))
		addStatements(out, true, one("Allow"), deny)
	}
	for _, ranges := range [][2]string{{"IpRangeWhitelist", "NotIpAddress"}, {"IpRangeBlacklist", "IpAddress"}} {
		if v := policy.get(ranges[0]); truthy(v) {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			except(ranges[1], plainDict("aws:SourceIp", list))
		}
	}
	for _, side := range [][2]string{{"Blacklist", "StringEquals"}, {"Whitelist", "StringNotEquals"}} {
		condition, err := vpcs(policy, side[0])
		if err != nil {
			return err
		}
		if condition.len() > 0 {
			except(side[1], condition)
		}
	}
	return nil
}

// vpcs are the networks and endpoints that a policy is about.
func vpcs(policy *Dict, side string) (*Dict, error) {
	out := oldDict()
	add := func(key string, values ...any) {
		if len(values) > 0 {
			out.own(key, append(slices.Clone(out.list(key)), values...))
		}
	}
	var networks, endpoints []any
	if v := policy.get("SourceVpc" + side); v != nil {
		for _, e := range policy.list("SourceVpc" + side) {
			s, ok := textOf(e)
			switch {
			case !ok:
				return nil, badTemplate("SourceVpc%s must be a list of strings. Use IntrinsicVpc%s instead for values that use Intrinsic Functions", side, side)
			case strings.HasPrefix(s, "vpce-"):
				endpoints = append(endpoints, e)
			case strings.HasPrefix(s, "vpc-"):
				networks = append(networks, e)
			}
		}
	}
	add("aws:SourceVpc", networks...)
	add("aws:SourceVpce", endpoints...)
	add("aws:SourceVpc", policy.list("IntrinsicVpc"+side)...)
	add("aws:SourceVpce", policy.list("IntrinsicVpce"+side)...)
	return out, nil
}

// pathResources are the methods of a path as resources of a policy.
func (d *definition) pathResources(path string, stage any) ([]any, error) {
	items, err := d.items(path)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, item := range items {
		for _, key := range item.names() {
			method := strings.ToUpper(key)
			if methodKey(key) == anyMethod {
				method = "*"
			}
			text := "execute-api:/${__Stage__}/" + method + pathParameter.ReplaceAllString(path, "*")
			out = append(out, plainDict("Fn::Sub", []any{text, plainDict("__Stage__", stage)}))
		}
	}
	return out, nil
}

// addStatements adds statements to a policy, perhaps only those that it lacks.
func addStatements(policy *Dict, once bool, statements ...*Dict) {
	policy.own("Version", word("2012-10-17"))
	have := policy.get("Statement")
	if have == nil && len(statements) == 1 {
		policy.own("Statement", statements[0])
		return
	}
	list, ok := have.([]any)
	if !ok && have != nil {
		list = []any{have}
	}
	for _, s := range statements {
		if !once || !slices.ContainsFunc(list, func(v any) bool { return digest(v) == digest(s) }) {
			list = append(list, s)
		}
	}
	policy.own("Statement", list)
}

// addCustom adds the author's own statements.
func (d *definition) addCustom(v any) {
	if !truthy(v) {
		return
	}
	if d.doc.dict(policyKey) == nil {
		d.doc.own(policyKey, oldDict())
	}
	policy := d.doc.dict(policyKey)
	policy.own("Version", word("2012-10-17"))
	have := policy.get("Statement")
	if have == nil {
		policy.own("Statement", v)
		return
	}
	list, ok := have.([]any)
	if !ok {
		list = []any{have}
	}
	for _, s := range listOf(v) {
		if !slices.ContainsFunc(list, func(h any) bool { return digest(h) == digest(s) }) {
			list = append(list, s)
		}
	}
	policy.own("Statement", list)
}
