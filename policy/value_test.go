package policy

import (
	"strings"
	"testing"
)

// TestConditionValues are the edges of each kind of value: one condition of an
// Allow, and what the request has.
func TestConditionValues(t *testing.T) {
	long := strings.Repeat("9", 400)
	for _, c := range []struct {
		operator, policy string // policy: JSON
		has              []string
		want             bool
	}{
		{"NumericEquals", `"10"`, []string{"10.0"}, true},
		{"NumericEquals", `10`, []string{"+10."}, true},
		{"NumericEquals", `"9007199254740993"`, []string{"9007199254740992"}, false},
		{"NumericLessThan", `"9007199254740993"`, []string{"9007199254740992"}, true},
		{"NumericEquals", `"0.1"`, []string{"0.10000000000000000000001"}, false},
		{"NumericGreaterThan", `"-0.5"`, []string{"-.25"}, true},
		{"NumericEquals", `"` + long + `"`, []string{long}, true},
		{"NumericLessThan", `"` + long + `"`, []string{long + "0"}, false},
		{"NumericEquals", `"0"`, []string{"-0"}, true},
		{"NumericEquals", `"255"`, []string{"0xff"}, false},
		{"NumericNotEquals", `"255"`, []string{"0xff"}, true},
		{"NumericEquals", `"5"`, []string{"inf"}, false},
		{"NumericGreaterThan", `"5"`, []string{"1e999999"}, false},
		{"NumericGreaterThan", `"5"`, []string{"1e300"}, true},
		{"DateEquals", `"2026-06-15T14:30:00+02:00"`, []string{"2026-06-15T12:30:00Z"}, true},
		{"DateEquals", `"1781526600"`, []string{"2026-06-15T12:30:00Z"}, true},
		{"DateLessThan", `"2026"`, []string{"2025-12-31T23:59:59.999Z"}, true},
		{"DateGreaterThan", `"2024-02-29"`, []string{"2024-02-29T00:00Z"}, false},
		{"DateGreaterThan", `"1970-01-01"`, []string{"9223372036854775807"}, false}, // beyond every date
		{"IpAddress", `"10.0.0.0/8"`, []string{"10.255.255.255"}, true},
		{"IpAddress", `"10.1.2.3/8"`, []string{"10.0.0.1"}, true},
		{"IpAddress", `"0.0.0.0/0"`, []string{"2001:db8::1"}, false},
		{"IpAddress", `"::ffff:10.0.0.0/104"`, []string{"10.9.9.9"}, true},
		{"IpAddress", `"10.0.0.0/8"`, []string{"::ffff:10.9.9.9"}, true},
		{"IpAddress", `"2001:DB8::/32"`, []string{"2001:db8:0:0::1"}, true},
		{"NotIpAddress", `"10.0.0.0/8"`, []string{"2001:db8::1"}, true},
		{"IpAddress", `"10.0.0.0/8"`, []string{"10.0.0.1 "}, false},
		{"BinaryEquals", `"QmluYXJ5"`, []string{"QmluYXJ5"}, true},
		{"BinaryEquals", `"QmluYXJ5"`, []string{"Binary"}, false},
		{"Bool", `"True"`, []string{"tRUE"}, true},
		{"Bool", `"true"`, []string{"1"}, false},
		{"StringEquals", `"*"`, []string{"x"}, false},
		{"StringLike", `"a?c"`, []string{"aéc"}, true},
		{"StringLike", `"a${*}c"`, []string{"abc"}, false},
		{"StringLike", `"a${*}c"`, []string{"a*c"}, true},
		{"StringEquals", `"${aws:PrincipalTag/Cost Center}"`, []string{"7"}, true},
		{"StringEquals", `"${aws:PrincipalTag/none, 'a, b}'}"`, []string{"a, b}"}, true},
		{"StringEquals", `"${aws:username}"`, []string{"u"}, true},
		{"StringNotEquals", `"${aws:PrincipalTag/none}"`, []string{"u"}, true},
		{"ArnLike", `"arn:aws:s3:*"`, []string{"arn:aws:s3:::b"}, false},
		{"ArnLike", `"arn:*:s3:::b*"`, []string{"arn:aws:s3:::b/k:v"}, true},
		{"ArnEquals", `"arn:aws:iam::*:role/*"`, []string{"arn:aws:iam::1:2:role/x"}, false},
		{"ForAllValues:StringEquals", `["a","b"]`, []string{"a", "c"}, false},
		{"ForAllValues:StringEquals", `"a"`, []string{}, true},
		{"ForAllValues:StringEquals", `"a"`, []string{""}, true},
		{"ForAnyValue:StringEquals", `""`, []string{""}, false},
		{"ForAnyValue:StringNotEquals", `"a"`, []string{"a", "b"}, true},
		{"ForAllValues:StringNotLike", `"a*"`, []string{"b", "ab"}, false},
		{"StringNotEquals", `["a","b"]`, []string{"c", "b"}, false},
		{"Null", `"true"`, []string{}, true},
		{"Null", `"false"`, []string{"x"}, true},
	} {
		src := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"` + c.operator + `":{"a:b":` + c.policy + `}}}}`
		req := &Request{Principal: ParsePrincipal("arn:aws:iam::111111111111:user/path/u"), Action: "s3:GetObject", Resource: "arn:aws:s3:::b",
			Context: map[string][]string{"A:B": c.has, "aws:PrincipalTag/cost center": {"7"}}}
		if got := Evaluate(req, &Policies{Identity: []*Policy{mustParse(t, src)}}).Allowed(); got != c.want {
			t.Errorf("%s %s and %.50q: %v, want %v", c.operator, c.policy, c.has, got, c.want)
		}
	}
}

// TestKeysOfTheCaller are those that follow from the principal.
func TestKeysOfTheCaller(t *testing.T) {
	for who, keys := range map[string]map[string]string{
		"anonymous":                                      {"aws:principalaccount": "anonymous", "aws:principaltype": "Anonymous", "aws:principalisawsservice": "", "aws:principalarn": "", "aws:username": ""},
		"sns.amazonaws.com":                              {"aws:principalaccount": "", "aws:principalisawsservice": "true", "aws:principalservicename": "sns.amazonaws.com"},
		"arn:aws:iam::111111111111:user/path/u":          {"aws:username": "u", "aws:principalaccount": "111111111111", "aws:principalisawsservice": "false"},
		"arn:aws:sts::111111111111:assumed-role/R/s":     {"aws:username": "", "aws:principalarn": "arn:aws:iam::111111111111:role/R", "aws:principaltype": "AssumedRole"},
		"111111111111":                                   {"aws:principalarn": "arn:aws:iam::111111111111:root", "aws:principaltype": "Account"},
		"arn:aws:iam::222222222222:oidc-provider/issuer": {"aws:principalaccount": "", "aws:principalisawsservice": ""},
	} {
		req := &Request{Principal: ParsePrincipal(who)}
		e := newEvaluation(req, &Policies{}, 0)
		for key, want := range keys {
			if got := e.derived(key); got != want {
				t.Errorf("%s of %s: %q, want %q", key, who, got, want)
			}
		}
	}
}
