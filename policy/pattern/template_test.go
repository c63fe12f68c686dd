package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	cfn "axle/internal/template"

	"go.yaml.in/yaml/v3"
)

// inTemplates are the policies that the texts of a bundle have: templates are
// resolved as CloudFormation would, with the values of axle.yaml.
func inTemplates(t *testing.T, b *Bundle) []string {
	t.Helper()
	var out []string
	for _, s := range b.Stacks {
		i := slices.IndexFunc(b.Files, func(f File) bool { return f.Path == s.Template })
		tmpl, problems := cfn.Parse(s.Template, []byte(b.Files[i].Text))
		if err := problems.Err(); err != nil {
			t.Fatalf("%v\n%s", err, b.Files[i].Text)
		}
		params := map[string]string{}
		for _, p := range s.params {
			params[p.name] = p.literal
		}
		for _, account := range s.Accounts {
			w := cfn.World{Partition: "aws", Account: account, Region: s.Region, Stack: "s", Parameters: params}
			for _, r := range tmpl.Resolve(w) {
				out = append(out, policiesOf(t, r)...)
			}
		}
	}
	for _, f := range b.Files {
		if strings.HasPrefix(f.Path, "fragments/") {
			var v any
			if err := yaml.Unmarshal([]byte(f.Text), &v); err != nil {
				t.Fatal(err)
			}
			out = append(out, documentsIn(v)...)
		} else if strings.HasPrefix(f.Path, "policies/") {
			out = append(out, canonical(t, []byte(f.Text)))
		}
	}
	return out
}

// policiesOf are the documents in a resource's properties; Lambda's and
// EventBridge's statements are made into documents.
func policiesOf(t *testing.T, r *cfn.Declared) []string {
	t.Helper()
	p := r.Properties
	switch r.Type {
	case "AWS::Lambda::Permission":
		m := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"InvokeFunction","Effect":"Allow","Principal":{"AWS":%q},"Action":%q,"Resource":%q`,
			p.Get("Principal").Str(), p.Get("Action").Str(), p.Get("FunctionName").Str())
		if org := p.Get("PrincipalOrgID").Str(); org != "" {
			m += fmt.Sprintf(`,"Condition":{"StringEquals":{"aws:PrincipalOrgID":%q}}`, org)
		}
		return []string{canonical(t, []byte(m+"}]}"))}
	case "AWS::Events::EventBusPolicy":
		return []string{canonical(t, []byte(`{"Version":"2012-10-17","Statement":[`+string(p.Get("Statement").JSON())+`]}`))}
	}
	var v any
	if p == nil {
		return nil
	}
	if err := json.Unmarshal(p.JSON(), &v); err != nil {
		t.Fatalf("%v: %s", err, p.JSON())
	}
	return documentsIn(v)
}

// documentsIn finds everything that has a Statement.
func documentsIn(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if v["Statement"] != nil {
			text, _ := json.Marshal(v)
			return []string{string(text)}
		}
		for _, value := range v {
			out = append(out, documentsIn(value)...)
		}
	case []any:
		for _, value := range v {
			out = append(out, documentsIn(value)...)
		}
	case string:
		var doc map[string]any
		if json.Unmarshal([]byte(v), &doc) == nil && doc["Statement"] != nil {
			text, _ := json.Marshal(doc)
			return []string{string(text)}
		}
	}
	return out
}

func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the templates make is what was evaluated: each policy is in them, word
// for word, once their parameters have the values of axle.yaml.
func TestTemplatesSayThePolicies(t *testing.T) {
	eachNeed(t, func(t *testing.T, s *service, ask Ask) {
		for _, kind := range []string{Role, ResourcePolicy, Kubernetes, "create", "pods"} {
			for _, exists := range []bool{true, false} {
				a := ask
				a.Pattern = kind
				switch kind {
				case Role, ResourcePolicy:
					a.Caller, a.CallerExists, a.Organization = callerARN, exists, orgID
				case Kubernetes:
					a.Issuer, a.ServiceAccount, a.ProviderExists = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", "shop/web", exists
				case "create":
					a.Pattern, a.Caller, a.CallerExists, a.Create, a.Encrypt = ResourcePolicy, callerARN, exists, true, len(a.KMSKeys) == 0
				case "pods":
					a.Pattern, a.PodIdentity, a.Cluster, a.ClusterAccount, a.ServiceAccount = Kubernetes, true, "shop", "111111111111", "shop/web"
				}
				b, err := Generate(a)
				var m *Mistake
				if errors.As(err, &m) && (s.policy == nil || s.create == nil) && a.Pattern == ResourcePolicy {
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				texts := inTemplates(t, b)
				for _, d := range b.Policies {
					raw, err := json.Marshal(d.Policy)
					if err != nil {
						t.Fatal(err)
					}
					if want := canonical(t, raw); !slices.Contains(texts, want) {
						t.Errorf("%s: the policy of %s isn't in the templates:\n%s\nthese are:\n%s", kind, d.On, want, strings.Join(texts, "\n"))
					}
				}
			}
		}
	})
}

// Every text is YAML that says what the tree says.
func TestYAML(t *testing.T) {
	m := Map{{"a", "2012-10-17"}, {"b", "*"}, {"c", "yes"}, {"d", "012345678901"}, {"e", "it's \"so\""}, {"f", `^\d{12}$`}, {"g", "a: b"}, {"h", "a #b"},
		{"i", []any{"x", Map{{"y", "z"}, {"n", 1}}, []any{"in"}}}, {"j", Map{}}, {"k", []any{}}, {"l", true}, {"m", "<&>"}, {"n o", ""}, {"p", "ends:"}, {"q", "line\nline"}, {"r", "'\"'"}, {"s", "- x"}, {"t", "~"}, {"u", "1e3"}, {"v", "é"}}
	var got any
	if err := yaml.Unmarshal([]byte(m.yaml()), &got); err != nil {
		t.Fatalf("%v\n%s", err, m.yaml())
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := canonical(t, []byte(m.Indented())); want != canonical(t, raw) {
		t.Errorf("as JSON it is\n%s", m.Indented())
	}
	if want := canonical(t, raw); !bytes.Equal(text, []byte(want)) {
		t.Errorf("got %s\nwant %s\n%s", text, want, m.yaml())
	}
}

// A dozen keys have a dozen statements, whose Sids IAM takes.
func TestManyKeys(t *testing.T) {
	ask := Ask{Pattern: Role, Caller: "arn:aws:iam::111111111111:role/app", CallerExists: true, Needs: []string{"read"}, ResourceAccount: "222222222222", Region: "eu-west-1"}
	for i := range 12 {
		ask.Resources = append(ask.Resources, fmt.Sprintf("arn:aws:s3:::bucket%d", i))
		ask.KMSKeys = append(ask.KMSKeys, fmt.Sprintf("arn:aws:kms:eu-west-1:222222222222:key/00000000-0000-0000-0000-0000000000%02d", i))
	}
	b, err := Generate(ask)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(inTemplates(t, b), "\n"); !strings.Contains(text, `"UseKey12"`) || strings.Contains(text, "UseKey:") {
		t.Errorf("the keys' statements in %s", text)
	}
}
