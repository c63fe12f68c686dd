package access

import (
	"encoding/json"
	"strings"

	"axle/internal/late"
	"axle/policy"
)

// placeholder is what stands in a planned policy for what isn't known:
// ${Parameter}, ${Resource.Attr}, ${Fn::ImportValue:Name}. A policy variable has
// one colon: ${aws:username}.
var placeholder = late.MustCompile(`\$\{([^}:*?$]+|[^}]*::[^}]*)\}`)

// bounds compiles a document with placeholders twice: so that it allows as much
// as it can turn out to, and as little.
func bounds(text string) (most, least *policy.Policy, ok bool) {
	var doc map[string]any
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil, nil, false
	}
	upper, lower := []any{}, []any{}
	for _, s := range statements(text) {
		raw, err := json.Marshal(s)
		if err != nil {
			return nil, nil, false
		}
		switch wide := s; {
		case !placeholder.Match(raw):
			upper, lower = append(upper, s), append(lower, s)
		case s["Effect"] == "Allow":
			upper = append(upper, widened(wide))
		default:
			lower = append(lower, widened(wide))
		}
	}
	most, errMost := compiled(doc, upper)
	least, errLeast := compiled(doc, lower)
	return most, least, errMost == nil && errLeast == nil
}

func compiled(doc map[string]any, statements []any) (*policy.Policy, error) {
	out := map[string]any{"Version": doc["Version"], "Statement": statements}
	if out["Version"] == nil {
		delete(out, "Version")
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return policy.Parse(body)
}

// widened is a statement that matches whatever the one with placeholders may.
func widened(s map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range s {
		out[key] = v
	}
	for _, key := range []string{"Action", "Resource"} {
		if values := texts(s[key]); len(values) > 0 {
			for i, v := range values {
				values[i] = placeholder.ReplaceAllString(v, "*")
				if key == "Action" && values[i] != v {
					values[i] = "*"
				}
			}
			out[key] = values
		}
	}
	for _, key := range []string{"Action", "Resource"} {
		if values := texts(s["Not"+key]); len(values) > 0 {
			var known []string
			for _, v := range values {
				if !placeholder.MatchString(v) {
					known = append(known, v)
				}
			}
			if out["Not"+key] = known; len(known) == 0 {
				delete(out, "Not"+key)
				out[key] = "*"
			}
		}
	}
	for _, key := range []string{"Principal", "NotPrincipal"} {
		if raw, _ := json.Marshal(s[key]); placeholder.Match(raw) {
			delete(out, key)
			out["Principal"] = "*"
		}
	}
	conditions, _ := s["Condition"].(map[string]any)
	wide := map[string]any{}
	for operator, operands := range conditions {
		m, _ := operands.(map[string]any)
		kept := map[string]any{}
		for key, v := range m {
			if raw, _ := json.Marshal(map[string]any{key: v}); !placeholder.Match(raw) {
				kept[key] = v
			}
		}
		if len(kept) > 0 {
			wide[operator] = kept
		}
	}
	if delete(out, "Condition"); len(wide) > 0 {
		out["Condition"] = wide
	}
	return out
}

// placeholders are the names that a text depends on.
func placeholders(text string) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range placeholder.FindAllString(text, -1) {
		if !seen[m] && !strings.Contains(m, "\n") {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out
}
