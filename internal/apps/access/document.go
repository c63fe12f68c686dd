package access

import (
	"encoding/json"
	"slices"
	"strings"

	"axle/policy"
)

// Document is a policy as text, under the name that explanations give it.
type Document struct {
	Name string
	Text string
	// Unread says why the text isn't known.
	Unread string
	// ARN is of a managed policy that a planned principal has, to be read.
	ARN string
	// Vague says what isn't known of a planned policy, such as a parameter's
	// name. Text then has ${...} in these places.
	Vague []string
}

// reading is a compiled document. Where the text isn't wholly known, most allows
// as much as it may, and least as little.
type reading struct {
	most, least *policy.Policy
	keys        []string // the condition keys that it looks at, in lower case
	why         string   // why it isn't known; "" when it is
}

// These stand in for documents whose text isn't known: as much and as little as
// they may allow. Identity policies and SCPs have no Principal.
const (
	allowAll      = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	denyAll       = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
	allowEveryone = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`
	denyEveryone  = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`
)

// read compiles a document; forAll says whether its kind has principals.
func (f *Facts) read(d Document, forAll bool) *reading {
	key := d.Text
	if d.Unread != "" || len(d.Vague) > 0 {
		key = strings.Join(append([]string{d.Text, d.Unread}, d.Vague...), "\x00")
	}
	if forAll {
		key = "P" + key
	}
	f.mu.Lock()
	r := f.documents[key]
	f.mu.Unlock()
	if r != nil {
		return r
	}
	r = compile(d, forAll)
	f.mu.Lock()
	f.documents[key] = r
	f.mu.Unlock()
	return r
}

func compile(d Document, forAll bool) *reading {
	r := &reading{why: d.Unread}
	if d.Unread == "" && len(d.Vague) > 0 {
		if most, least, ok := bounds(d.Text); ok {
			r.most, r.least, r.why = most, least, "it depends on "+strings.Join(d.Vague, ", ")+", which isn't known before the deploy"
			r.keys = keysOf(d.Text)
			return r
		}
		r.why = "it depends on " + strings.Join(d.Vague, ", ")
	}
	if r.why == "" {
		p, err := policy.Parse([]byte(d.Text))
		if err == nil {
			r.most, r.least, r.keys = p, p, keysOf(d.Text)
			return r
		}
		r.why = "it can't be understood: " + err.Error()
	}
	r.most, r.least = fixed(allowAll), fixed(denyAll)
	if forAll {
		r.most, r.least = fixed(allowEveryone), fixed(denyEveryone)
	}
	return r
}

// fixed compiles one of our own documents.
func fixed(text string) *policy.Policy {
	p, err := policy.Parse([]byte(text))
	if err != nil {
		return &policy.Policy{}
	}
	return p
}

// statements are the statements of a document, as JSON has them.
func statements(text string) []map[string]any {
	var doc struct{ Statement any }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil
	}
	var out []map[string]any
	for _, s := range list(doc.Statement) {
		if m, ok := s.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// list is a list; one value stands for a list of one.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func texts(v any) []string {
	var out []string
	for _, item := range list(v) {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// keysOf are the condition keys that a document looks at: in conditions, and in
// policy variables.
func keysOf(text string) []string {
	found := map[string]bool{}
	for _, s := range statements(text) {
		conditions, _ := s["Condition"].(map[string]any)
		for _, operands := range conditions {
			if m, ok := operands.(map[string]any); ok {
				for key := range m {
					found[strings.ToLower(key)] = true
				}
			}
		}
	}
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "${")
		if !ok {
			break
		}
		inner, tail, _ := strings.Cut(after, "}")
		name, _, _ := strings.Cut(inner, ",")
		if name = strings.ToLower(strings.TrimSpace(name)); strings.Contains(name, ":") {
			found[name] = true
		}
		rest = tail
	}
	out := make([]string, 0, len(found))
	for key := range found {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// grantees are whom the allowing statements of a resource or trust policy name.
type grantees struct {
	everyone  bool // *, or everyone but a few
	accounts  []string
	arns      []string
	services  []string
	federated []string
}

func granteesOf(text string) grantees {
	var g grantees
	for _, s := range statements(text) {
		if s["Effect"] != "Allow" {
			continue
		}
		if s["NotPrincipal"] != nil {
			g.everyone = true
		}
		g.add(s["Principal"])
		for _, key := range []string{"aws:principalarn", "aws:principalaccount"} {
			for _, v := range conditionValues(s, key) {
				// Whom a condition names may be outside of the organization.
				if !strings.ContainsAny(v, "*?$") {
					g.addAWS(v)
				}
			}
		}
	}
	return g
}

func (g *grantees) add(principal any) {
	m, ok := principal.(map[string]any)
	if !ok {
		g.everyone = g.everyone || principal == "*"
		return
	}
	for _, v := range texts(m["AWS"]) {
		g.addAWS(v)
	}
	g.services = append(g.services, texts(m["Service"])...)
	g.federated = append(g.federated, texts(m["Federated"])...)
}

func (g *grantees) addAWS(v string) {
	account, _, isRoot := strings.Cut(strings.TrimPrefix(v, "arn:"), ":root")
	switch {
	case v == "*":
		g.everyone = true
	case len(v) == 12 && strings.Trim(v, "0123456789") == "":
		g.accounts = append(g.accounts, v)
	case isRoot:
		g.accounts = append(g.accounts, account[strings.LastIndexByte(account, ':')+1:])
	default:
		g.arns = append(g.arns, v)
	}
}

// inAccounts are the accounts whose principals may be meant.
func (g *grantees) inAccounts() []string {
	out := slices.Clone(g.accounts)
	for _, arn := range g.arns {
		if account := accountOf(arn); account != "" {
			out = append(out, account)
		}
	}
	return out
}

// conditionValues are the values that a statement's conditions compare a key
// with for equality or likeness.
func conditionValues(s map[string]any, key string) []string {
	var out []string
	conditions, _ := s["Condition"].(map[string]any)
	for operator, operands := range conditions {
		m, _ := operands.(map[string]any)
		if strings.Contains(operator, "Not") {
			continue
		}
		for k, v := range m {
			if strings.EqualFold(k, key) {
				out = append(out, texts(v)...)
			}
		}
	}
	slices.Sort(out)
	return out
}

// accountOf is the account in an ARN, or "".
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" {
		return parts[4]
	}
	return ""
}

// serviceOf is the service in an ARN, or "".
func serviceOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" {
		return parts[2]
	}
	return ""
}

func regionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" {
		return parts[3]
	}
	return ""
}

// restOf is what follows an ARN's account.
func restOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" {
		return parts[5]
	}
	return arn
}
