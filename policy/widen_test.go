package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"axle/policy"
)

func TestWidening(t *testing.T) {
	doc := func(statements ...string) *policy.Policy {
		p, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	get := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}`
	all := `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	vpn := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`
	noDelete := `{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"}`
	noDeleteA := `{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::a/*"}`
	butIAM := `{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`
	trust := func(who string) string { return `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + who + `}` }
	for _, c := range []struct {
		name          string
		before, after *policy.Policy
		want          string
	}{
		{"the same", doc(get), doc(get), ""},
		{"narrower", doc(all), doc(get), ""},
		{"wider", doc(get), doc(get, all), "s3:* on *"},
		{"new", nil, doc(get), "s3:GetObject on arn:aws:s3:::a/*"},
		{"gone", doc(get), nil, ""},
		{"a condition is added", doc(get), doc(vpn), ""},
		{"a condition is dropped", doc(vpn), doc(get), "s3:GetObject on arn:aws:s3:::a/*"},
		{"with a condition", doc(), doc(vpn), "s3:GetObject on arn:aws:s3:::a/* (under conditions)"},
		{"a denial goes", doc(all, noDelete), doc(all), "no longer denied: s3:DeleteObject on *"},
		{"a denial shrinks", doc(all, noDelete), doc(all, noDeleteA), "no longer denied: s3:DeleteObject on *"},
		{"a denial grows", doc(all, noDeleteA), doc(all, noDelete), ""},
		{"NotAction", doc(all), doc(butIAM), "all but iam:*, sts:* on *"},
		{"NotAction stays", doc(butIAM), doc(get, butIAM), "s3:GetObject on arn:aws:s3:::a/*"},
		{"trust", doc(trust(`{"AWS":"111111111111"}`)), doc(trust(`{"AWS":["arn:aws:iam::111111111111:role/x","222222222222"]}`)), "222222222222 may sts:AssumeRole"},
		{"trust of all", doc(trust(`{"AWS":"111111111111"}`)), doc(trust(`"*"`)), "anybody may sts:AssumeRole"},
		{"case of actions", doc(`{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`), doc(get), ""},
	} {
		var got []string
		for _, g := range policy.Widening(c.before, c.after) {
			got = append(got, fmt.Sprint(g))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}
