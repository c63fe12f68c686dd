package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestCases(t *testing.T) {
	const request = `"request":{"principal":"arn:aws:sts::111111111111:assumed-role/Hub/s1","action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resourceAccount":"111111111111"}`
	full := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	for _, c := range []struct{ name, src, want, err string }{
		{"nothing", `{` + request + `}`, "ImplicitlyDenied", ""},
		{"one policy for a list", `{"identityPolicies":` + full + `,` + request + `}`, "Allowed", ""},
		{"a policy as text", `{"identityPolicies":[` + fmt.Sprintf("%q", full) + `],` + request + `}`, "Allowed", ""},
		{"fields that aren't known", `{"x":{"y":[1]},"identityPolicies":[` + full + `],` + request + `,"category":"c"}`, "Allowed", ""},
		{"nulls", `{"identityPolicies":[` + full + `],"resourcePolicy":null,"sessionPolicy":null,"permissionBoundary":null,"scps":null,"rcps":null,` + request + `}`, "Allowed", ""},
		{"session policies are one union", `{"identityPolicies":[` + full + `],"sessionPolicy":[{"Statement":[]},` + full + `],` + request + `}`, "Allowed", ""},
		{"a level for a list of levels", `{"identityPolicies":[` + full + `],"scps":` + full + `,` + request + `}`, "Allowed", ""},
		{"a policy for a level", `{"identityPolicies":[` + full + `],"scps":[` + full + `,[{"Statement":[]}]],` + request + `}`, "ImplicitlyDenied", ""},
		{"an empty level", `{"identityPolicies":[` + full + `],"scps":[[` + full + `],[]],` + request + `}`, "ImplicitlyDenied", ""},
		{"RCPFullAWSAccess", `{"identityPolicies":[` + full + `],"rcps":[[{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}]],` + request + `}`, "Allowed", ""},
		{"an RCP that allows", `{"identityPolicies":[` + full + `],"rcps":[[{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}]],` + request + `}`, "Error", "rcps[0]: line 1"},
		{"operator", `{"identityPolicies":[{"Statement":[]},{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"SringEquals":{"a:b":"c"}}}}],` + request + `}`, "Error",
			`identityPolicies[1]: line 1, column 88, Statement.Condition.SringEquals.a:b: unknown condition operator "SringEquals" (did you mean "StringEquals"?)`},
		{"identity policy with a principal", `{"identityPolicies":[{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}],` + request + `}`, "Error", "an identity-based policy has no Principal"},
		{"two boundaries", `{"permissionBoundary":[` + full + `,` + full + `],` + request + `}`, "Error", "permissionBoundary: there are 2, and there can be one"},
		{"no principal", `{"request":{"action":"s3:GetObject"}}`, "Error", "request.principal is missing"},
		{"no action", `{"request":{"principal":"anonymous"}}`, "Error", "request.action is missing"},
		{"no service", `{"request":{"principal":"anonymous","action":"GetObject"}}`, "Error", `request.action is "service:Operation", not "GetObject"`},
		{"long resource", `{"request":{"principal":"anonymous","action":"s3:GetObject","resource":"` + strings.Repeat("x", 9000) + `"}}`, "Error", "request.resource has 9000 bytes, more than 2048"},
		{"long value", `{"request":{"principal":"anonymous","action":"s3:GetObject","context":{"a:b":["` + strings.Repeat("x", 9000) + `"]}}}`, "Error", "request.context.a:b: a value has 9000 bytes, more than 4096"},
		{"nested value", `{"request":{"principal":"anonymous","action":"s3:GetObject","context":{"a:b":{"c":"d"}}}}`, "Error", "request.context.a:b: a value is a string"},
		{"values that aren't text", `{"identityPolicies":{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"true"},"NumericEquals":{"a:c":5},"Null":{"a:d":true}}}},` +
			`"request":{"principal":"arn:aws:iam::111111111111:user/u","action":"s3:GetObject","resource":"*","context":{"a:b":true,"A:C":5.0,"a:d":null}}}`, "Allowed", ""},
		{"role with a path", `{"request":{"principal":"arn:aws:sts::111111111111:assumed-role/Hub/s1","action":"sts:AssumeRole","resource":"arn:aws:iam::111111111111:role/R","context":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/ops/Hub"}},` +
			`"resourcePolicy":{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/ops/Hub"},"Action":"sts:AssumeRole"}}}`, "Allowed", ""},
		{"the resource's account from its ARN", `{"request":{"principal":"arn:aws:iam::111111111111:user/u","action":"sqs:SendMessage","resource":"arn:aws:sqs:eu-west-1:222222222222:q"},"identityPolicies":` + full + `}`, "ImplicitlyDenied", ""},
		{"service-linked role", `{"request":{"principal":"arn:aws:sts::111111111111:assumed-role/AWSServiceRoleForX/s","action":"s3:GetObject","resource":"arn:aws:s3:::b","context":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"}},` +
			`"identityPolicies":` + full + `,"scps":[[{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}]]}`, "Allowed", ""},
		{"RCP and a service that it may not cover", `{"identityPolicies":` + full + `,"rcps":[[{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}]],` + strings.ReplaceAll(request, "s3:GetObject", "dynamodb:GetItem") + `}`, "Unknown", ""},
		{"RCP and a service that it doesn't cover", `{"identityPolicies":` + full + `,"rcps":[[{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}]],` + strings.ReplaceAll(request, "s3:GetObject", "sns:Publish") + `}`, "Allowed", ""},
		{"RCP and RetireGrant", `{"resourcePolicy":{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}},"rcps":[[{"Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}]}]],` + strings.ReplaceAll(request, "s3:GetObject", "kms:RetireGrant") + `}`, "Allowed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r CaseReader
			got, err := r.Decode([]byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome() != c.want || (c.err == "") != (got.Err == nil) || (got.Err != nil && !strings.Contains(got.Err.Error(), c.err)) {
				t.Errorf("%s (%v), want %s (%s)", got.Outcome(), got.Err, c.want, c.err)
			}
		})
	}
}

func TestWhatIsNoCase(t *testing.T) {
	for src, want := range map[string]string{
		``: "not JSON: column 0: unexpected end of JSON input", `{"id":"a"}`: "request is missing", `[]`: "it is a JSON array", `"x"`: "it is a JSON string", `{"request":[]}`: "request can't be a JSON array",
		`{"request":{"principal":{"AWS":"x"}}}`: "can't be a JSON object", `{"a":` + strings.Repeat("[", 20_000): "exceeded max depth",
	} {
		var r CaseReader
		if _, err := r.Decode([]byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", src, err, want)
		}
	}
	var r CaseReader
	if c, err := r.Decode([]byte(`{"id":"a","request":5}`)); err == nil || c.ID != "a" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestCaseReaderForgets: memory stays bounded whatever comes.
func TestCaseReaderForgets(t *testing.T) {
	var r CaseReader
	for i := range 300 {
		src := fmt.Sprintf(`{"request":{"principal":"anonymous","action":"s3:GetObject"},"resourcePolicy":{"Id":"%d%s","Statement":[]}}`, i, strings.Repeat("x", 200_000))
		if _, err := r.Decode([]byte(src)); err != nil {
			t.Fatal(err)
		}
	}
	if r.size > maxSeen || len(r.seen) > maxSeen/200_000 {
		t.Errorf("%d policies of %d bytes are kept", len(r.seen), r.size)
	}
}

// TestContestedSenses: each contested rule comes up, and only where it decides.
func TestContestedSenses(t *testing.T) {
	half := `{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"111111111111"},"Action":"*","Resource":"*"}]}`
	object := scene{who: hubSession, action: "s3:GetObject", resource: "arn:aws:s3:::b/k", identity: full}
	with := func(change func(*scene)) scene { s := object; change(&s); return s }
	for _, c := range []struct {
		scene
		want string // a part of it, "" for not contested
	}{
		{with(func(s *scene) { s.name = "half of NotPrincipal"; s.resourceDoc = half }), "NotPrincipal"},
		{with(func(s *scene) {
			s.name = "all of NotPrincipal"
			s.resourceDoc = strings.Replace(half, `"111111111111"`, `["111111111111","arn:aws:iam::111111111111:role/Hub","`+hubSession+`"]`, 1)
		}), ""},
		{with(func(s *scene) {
			s.name = "none of NotPrincipal"
			s.resourceDoc = strings.Replace(half, "111111111111", "333333333333", 1)
		}), ""},
		{with(func(s *scene) { s.name = "half of it, with a boundary"; s.resourceDoc, s.boundary = half, full }), ""},
		{with(func(s *scene) {
			s.name = "half of it, but denied anyway"
			s.resourceDoc, s.identity = half, denyEverything
		}), ""},
		{with(func(s *scene) {
			s.name = "RCP"
			s.action, s.rcp = "ecr:BatchGetImage", `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`
		}), "resource control policies"},
		{with(func(s *scene) {
			s.name = "role's name"
			s.identity, s.resourceDoc = "", `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/hub"},"Action":"*","Resource":"*"}}`
		}), "differ in case"},
		{with(func(s *scene) {
			s.name = "user's name"
			s.who, s.identity, s.resourceDoc = "arn:aws:iam::111111111111:user/u", "", `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/U"},"Action":"*","Resource":"*"}}`
		}), ""},
		{with(func(s *scene) {
			s.name = "ForAnyValue"
			s.identity = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEqualsIfExists":{"a:b":"c"}}}}`
		}), "IfExists"},
		{with(func(s *scene) {
			s.name = "two at once"
			s.identity = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringEqualsIfExists":{"a:b":"c"}}}}`
			s.resourceDoc = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/hub"},"Action":"*","Resource":"*"}}`
		}), "IfExists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, req := c.decide(t)
			got := strings.Join(Contested(req, c.policies(t)), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("contested: %q, want %q", got, c.want)
			}
		})
	}
}

const denyEverything = `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// TestMatchingIsBounded counts the steps: as many as the text is long, however
// many * there are; a ? within what is searched for costs some more.
func TestMatchingIsBounded(t *testing.T) {
	const n = 4096
	text := strings.Repeat("a", n)
	for _, c := range []struct {
		pattern string
		most    int
	}{
		{strings.Repeat("*a", 1000) + "*b", 2 * n},
		{strings.Repeat("*a", 100_000), 3 * n},
		{strings.Repeat("a*", 1000) + "b", 2 * n},
		{strings.Repeat("*?", 1000) + "b", 2 * n},
		{strings.Repeat("?", n), n},
		{"*" + strings.Repeat("a", 50) + "b", n},
		{"*" + strings.Repeat("a", n/2) + "b", n},
		{"*" + strings.Repeat("a", n/2) + "b*", 2 * n},
		{strings.Repeat("*"+strings.Repeat("a", 60)+"b", 1000), 2 * n},
		{"*" + strings.Repeat("a", n/2) + "?b", (n/128 + patience + 2) * n},
		{strings.Repeat("*"+strings.Repeat("a", 60)+"?b", 1000), (1000 + patience + 2) * n},
	} {
		_, steps := compileGlob(c.pattern).matchBytes(text, false)
		_, folded := compileGlob(c.pattern).matchBytes(text, true)
		if steps > c.most || folded > (1000+patience+2)*n {
			t.Errorf("%.20s... (%d bytes): %d steps, at most %d", c.pattern, len(c.pattern), steps, c.most)
		}
	}
}

func FuzzCase(f *testing.F) {
	for i, c := range readCorpus(f) {
		if i%17 == 0 {
			f.Add([]byte(c.Line))
		}
	}
	var r CaseReader
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := r.Decode(src)
		if err != nil || c.Err != nil {
			return
		}
		x := Explain(c.Request, c.Policies)
		if got := c.Outcome(); x.Outcome() != got {
			t.Errorf("%s, explained as %s", got, x.Outcome())
		}
		if len(x.Tree()) == 0 {
			t.Error("no explanation")
		}
		if after, ok := applyAll(c.Policies, x.Changes); len(x.Changes) > 0 && (!ok || !Evaluate(c.Request, &after).Allowed()) {
			t.Errorf("%+v don't allow it", x.Changes)
		}
	})
}
