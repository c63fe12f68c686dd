package policy

import (
	"slices"
	"testing"
)

// benchCross are a request of a role in one account for an object in another,
// with everything that has a say.
func benchCross(tb testing.TB) (*Request, *Policies) {
	req := &Request{
		Principal:       ParsePrincipal("arn:aws:sts::111111111111:assumed-role/Hub/run-42"),
		Action:          "s3:GetObject",
		Resource:        "arn:aws:s3:::data-b/reports/2026/x.csv",
		ResourceAccount: "222222222222",
		Context: map[string][]string{
			"aws:PrincipalOrgID": {"o-abc123"}, "aws:RequestedRegion": {"eu-west-1"},
			"aws:SecureTransport": {"true"}, "aws:SourceIp": {"203.0.113.10"}, "aws:PrincipalTag/team": {"network"},
		},
	}
	p := &Policies{
		Identity: []*Policy{
			mustParse(tb, `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":["sts:AssumeRole","ec2:Describe*"],"Resource":"*"},
				{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":["arn:aws:s3:::data-a/*","arn:aws:s3:::data-b/*"],
				 "Condition":{"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}}}]}`),
		},
		Resource: mustParse(tb, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::333333333333:root","arn:aws:iam::111111111111:role/Hub"]},"Action":"s3:GetObject",
			 "Resource":"arn:aws:s3:::data-b/*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abc123"}}},
			{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`),
		SCP: [][]*Policy{
			{mustParse(tb, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)},
			{mustParse(tb, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
				{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1"]}}}]}`)},
		},
		RCP: [][]*Policy{{mustParse(tb, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",
			"Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-abc123"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}}`)}},
	}
	return req, p
}

func mustParse(tb testing.TB, src string) *Policy {
	tb.Helper()
	p, err := Parse([]byte(src))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func BenchmarkCrossAccount(b *testing.B) {
	req, p := benchCross(b)
	if d := Evaluate(req, p); !d.Allowed() {
		b.Fatal(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(req, p)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}

// BenchmarkCorpus runs through all cases, so that everything is in it:
// variables, dates, quantifiers.
func BenchmarkCorpus(b *testing.B) {
	cases := slices.DeleteFunc(readCorpus(b), func(c corpusCase) bool { return c.Err != nil })
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, c := range cases {
			Evaluate(c.Request, c.Policies)
		}
		n += len(cases)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
}

func BenchmarkParse(b *testing.B) {
	src := []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":["s3:Get*","s3:List*"],
		"Resource":["arn:aws:s3:::a/*"],"Condition":{"StringEquals":{"aws:RequestedRegion":["us-east-1"]}}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}
