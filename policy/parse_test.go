package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseMistakes(t *testing.T) {
	statement := func(s string) string {
		return "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\n  \"Effect\": \"Allow\", " + s + "}]}"
	}
	for _, c := range []struct{ name, src, want string }{
		{"empty", ``, "line 1, column 1: the document ends too early"},
		{"cut off", `{"Statement": [`, "the document ends too early"},
		{"not an object", `[]`, "expected an object, found a list"},
		{"no statement", `{"Version":"2012-10-17"}`, "Statement is missing"},
		{"more text", `{"Statement":[]} x`, "line 1, column 18: there is text after the policy's end"},
		{"version", `{"Version":"2012-10-18","Statement":[]}`, `Version is "2012-10-17"`},
		{"element", `{"Statment":[]}`, `line 1, column 2, Statment: unknown element (did you mean "Statement"?)`},
		{"element's case", statement(`"action": "s3:*", "Resource": "*"`), `line 3, column 22, Statement[0].action: unknown element (did you mean "Action"?)`},
		{"column of characters", `{"Id":"größer","Statment":[]}`, "line 1, column 16, Statment"},
		{"twice", statement(`"Action": "s3:*", "Action": "*", "Resource": "*"`), `"Action" appears twice`},
		{"both forms", statement(`"Action": "s3:*", "NotAction": "*", "Resource": "*"`), "Action and NotAction exclude each other"},
		{"no action", statement(`"Resource": "*"`), "Action or NotAction is missing"},
		{"action", statement(`"Action": "GetObject", "Resource": "*"`), `not "GetObject"`},
		{"resource", statement(`"Action": "*", "Resource": "bucket"`), `not "bucket"`},
		{"effect", `{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`, `Effect is "Allow" or "Deny", not "allow"`},
		{"no effect", `{"Statement":{"Action":"*","Resource":"*"}}`, "Effect is missing"},
		{"operator", statement("\"Action\": \"*\", \"Resource\": \"*\",\n \"Condition\": {\"SringEquals\": {\"a:b\": \"c\"}}"),
			`line 4, column 32, Statement[0].Condition.SringEquals.a:b: unknown condition operator "SringEquals" (did you mean "StringEquals"?)`},
		{"quantifier", statement(`"Action": "*", "Resource": "*", "Condition": {"ForAnyValues:StringEquals": {"a:b": "c"}}`), `(did you mean "ForAnyValue"?)`},
		{"number", statement(`"Action": "*", "Resource": "*", "Condition": {"NumericEquals": {"a:b": "c"}}`), `NumericEquals: "c" isn't a number`},
		{"date", statement(`"Action": "*", "Resource": "*", "Condition": {"DateEquals": {"a:b": "c"}}`), `"c" isn't a date`},
		{"bool", statement(`"Action": "*", "Resource": "*", "Condition": {"Bool": {"a:b": "yes"}}`), `"yes" isn't true or false`},
		{"address", statement(`"Action": "*", "Resource": "*", "Condition": {"IpAddress": {"a:b": "10.0.0"}}`), `"10.0.0" isn't an address`},
		{"null if exists", statement(`"Action": "*", "Resource": "*", "Condition": {"NullIfExists": {"a:b": "true"}}`), "IfExists can't be added to Null"},
		{"no value", statement(`"Action": "*", "Resource": "*", "Condition": {"Bool": {"a:b": []}}`), "needs at least one value"},
		{"nested list", statement(`"Action": [["*"]], "Resource": "*"`), "Statement[0].Action[0]: expected a string, found a list"},
		{"principal", statement(`"Action": "*", "Principal": "arn:aws:iam::111111111111:root"`), `expected "*" or an object, found a string`},
		{"principal's kind", statement(`"Action": "*", "Principal": {"aws": "*"}`), "a principal is AWS, Service, Federated or CanonicalUser"},
		{"variable", statement(`"Action": "*", "Resource": "arn:aws:s3:::${aws:username"`), "no closing brace"},
		{"default", statement(`"Action": "*", "Resource": "arn:aws:s3:::${aws:username, x}"`), "must be in single quotes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.src))
			var parse *ParseError
			if !errors.As(err, &parse) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestParseIsLenient(t *testing.T) {
	for _, src := range []string{
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		`{"Statement":[]}`,
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":true},"NumericLessThan":{"a:c":5},"stringequals":{"a:d":["x"]}}},"Version":"2012-10-17"}`,
		`{"Version":"2008-10-17","Id":"x","Statement":[{"Sid":"s","Effect":"Deny","NotPrincipal":{"AWS":["111111111111"],"Service":"sns.amazonaws.com"},"NotAction":["*:*"],"NotResource":["arn:aws:s3:::a${b"]}]}`,
	} {
		if _, err := Parse([]byte(src)); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestCheck(t *testing.T) {
	const (
		identity  = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
		trust     = `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"111111111111"}}}`
		bucket    = `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"*","Resource":"*"}}`
		perimeter = `{"Statement":{"Effect":"Deny","Action":"s3:*","Principal":"*","Resource":"*"}}`
		bare      = `{"Statement":{"Effect":"Allow","Action":"*"}}`
		sids      = `{"Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Deny","Action":"*","Resource":"*"}]}`
		spaced    = `{"Statement":{"Sid":"Allow all","Effect":"Allow","Action":"sns:Publish","Principal":{"AWS":"111111111111"}}}`
		not       = `{"Statement":{"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"111111111111"}}}`
	)
	for _, c := range []struct {
		src  string
		kind Kind
		want string // "" for fine
	}{
		{identity, IdentityPolicy, ""}, {identity, BoundaryPolicy, ""}, {identity, SessionPolicy, ""}, {identity, ServiceControlPolicy, ""},
		{identity, TrustPolicy, "needs a Principal"}, {identity, ResourcePolicy, "needs a Principal"},
		{sids, IdentityPolicy, `two statements have the Sid "A"`}, {sids, ServiceControlPolicy, ""}, {spaced, TrustPolicy, `the Sid "Allow all" isn't alphanumeric`}, {spaced, ResourcePolicy, ""},
		{trust, TrustPolicy, ""}, {trust, ResourcePolicy, ""}, {trust, IdentityPolicy, "has no Principal"},
		{bucket, ResourcePolicy, ""}, {bucket, TrustPolicy, "has no Resource"}, {bucket, ResourceControlPolicy, "may only deny"},
		{perimeter, ResourceControlPolicy, ""}, {strings.Replace(perimeter, "Action", "NotAction", 1), ResourceControlPolicy, "has no NotAction"}, {bare, IdentityPolicy, "Resource or NotResource is missing"}, {not, TrustPolicy, "no NotPrincipal"},
	} {
		err := mustParse(t, c.src).Check(c.kind)
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s as %s: %v, want %q", c.src, c.kind, err, c.want)
		}
	}
}

// TestHugePolicies: what is longer than MaxSize is refused before it is read,
// and what is just shorter takes bounded time and memory, whatever is in it.
func TestHugePolicies(t *testing.T) {
	fill := func(before, unit, after string) string {
		return before + strings.Repeat(unit, (MaxSize-len(before)-len(after))/len(unit)) + after
	}
	var keys strings.Builder
	for i := range 30_000 {
		keys.WriteString(`"k` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String() + `":"v",`)
	}
	statement := `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`
	for name, src := range map[string]string{
		"statements": fill(`{"Version":"2012-10-17","Statement":[`, statement+",\n", statement+`]}`),
		"actions":    fill(`{"Statement":{"Effect":"Allow","Resource":"*","Action":[`, `"s3:G*t*b*t",`, `"s3:*"]}}`),
		"keys":       `{"Statement":{"Effect":"Allow","Resource":"*","Action":"*","Condition":{"StringEquals":{` + strings.TrimSuffix(keys.String(), ",") + `}}}}`,
		"wildcards":  fill(`{"Statement":{"Effect":"Allow","Resource":"arn:`, "*a:", `*","Action":"*"}}`),
		"questions":  fill(`{"Statement":{"Effect":"Allow","Resource":"arn:aws:s3:::`, "*?", `x","Action":"*"}}`),
		"runs":       fill(`{"Statement":{"Effect":"Allow","Resource":"arn:aws:s3:::`, "*a", `*b","Action":"*"}}`),
		"nesting":    fill(`{"Statement":`, "[", ""),
		"nested":     fill("", `{"Statement":`, ""),
		"conditions": fill(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":`, `{"a":`, ""),
		"variables":  fill(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"arn:aws:s3:::`, "${a:b}", `","Action":"*"}}`),
		"unclosed":   fill(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"arn:aws:s3:::`, "${", `","Action":"*"}}`),
		"number":     fill(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"a:b":"`, "9", `"}}}}`),
		"string":     fill(`{"Statement":{"Effect":"`, "x", `"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			if len(src) > MaxSize {
				t.Fatalf("%d bytes", len(src))
			}
			began := time.Now()
			p, err := Parse([]byte(src))
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if err == nil {
				Evaluate(&Request{Principal: ParsePrincipal("arn:aws:iam::111111111111:user/u"), Action: "s3:GetObject",
					Resource: "arn:aws:s3:::" + strings.Repeat("a:", 900), Context: map[string][]string{"a:b": {strings.Repeat("v", maxField)}}},
					&Policies{Identity: []*Policy{p}})
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%d bytes took %v", len(src), took)
			}
		})
	}
	_, err := Parse([]byte(strings.Repeat(" ", 10<<20)))
	if err == nil || !strings.Contains(err.Error(), "line 1, column 1: the document has 10485760 bytes, more than the 1048576 that are read; AWS's own longest limit is 100 KB") {
		t.Errorf("10 MB: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range readCorpus(f)[:60] {
		var raw rawCase
		if err := json.Unmarshal([]byte(c.Line), &raw); err != nil {
			f.Fatal(err)
		}
		for _, doc := range slices.Concat(raw.IdentityPolicies, raw.ResourcePolicy) {
			f.Add([]byte(doc))
		}
	}
	f.Add([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:*:${aws:username, 'x'}${*}*:?","Condition":{"ForAllValues:DateGreaterThanIfExists":{"a:b":["2026-01-01"]}}}}`))
	req, others := benchCross(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse(src)
		if err != nil {
			if p != nil {
				t.Error("a policy beside an error")
			}
			return
		}
		for kind := IdentityPolicy; kind <= EndpointPolicy; kind++ {
			_ = p.Check(kind)
		}
		with := *others
		with.Identity, with.Resource, with.Boundary = append([]*Policy{p}, others.Identity...), p, p
		Evaluate(req, &with)
	})
}
