package report_test

import (
	"io"
	"testing"

	"axle/internal/apps/access"
	"axle/internal/report"
)

func label(id string) string {
	return map[string]string{"200000000001": "dev (200000000001)", "200000000002": "data (200000000002)"}[id]
}

func accessAnswers() map[string]*access.Answer {
	grant := access.Says{Kind: "identity-based policy", Account: "200000000001", Name: "role app of dev (200000000001), inline policy read", Says: "allows", Matters: true}
	denied := &access.Answer{Principal: "arn:aws:iam::200000000001:role/app", Name: "role app of dev (200000000001)", Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x",
		ResourceAccount: "200000000002", Verdict: access.Denied, Policies: []access.Says{
			{Kind: "service control policy", Account: "200000000001", Name: "SCP FullAWSAccess (p-FullAWSAccess) at the root", Says: "allows", Matters: true},
			{Kind: "resource-based policy", Account: "200000000002", Name: "resource-based policy", Says: "isn't there", Statement: -1, Matters: true}, grant},
		Changes: []access.Change{{Account: "200000000002", Policy: "resource-based policy", Text: "add to the bucket policy of b in data (200000000002): {...}", Add: []byte(`{}`)}}}
	chain := *denied
	hop := access.Answer{Name: denied.Name, Action: "sts:AssumeRole", Resource: "arn:aws:iam::200000000002:role/reader", Verdict: access.Allowed, Policies: []access.Says{grant}}
	last := access.Answer{Name: "role reader of data (200000000002)", Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x", Verdict: access.Allowed, Policies: []access.Says{}}
	chain.Verdict, chain.Direct, chain.Via, chain.Hops = access.Allowed, access.Denied, []string{"arn:aws:iam::200000000002:role/reader"}, []*access.Answer{&hop, &last}
	unknown := *denied
	unknown.Verdict, unknown.Changes = access.Unknown, nil
	unknown.Policies = []access.Says{{Kind: "resource-based policy", Account: "200000000002", Name: "the policy of arn:aws:s3:::b/x", Says: "isn't known", Statement: -1, Why: "AccessDenied", Matters: true}}
	unknown.Missing = []access.Gap{{What: "the policy of arn:aws:s3:::b/x", Why: "AccessDenied", Hint: "let it be read"}}
	sealed := *denied
	sealed.Verdict, sealed.Keys, sealed.Policies, sealed.Changes = access.Conditional, []string{"aws:sourcevpce"}, []access.Says{grant}, nil
	sealed.Encryption = &access.Answer{Name: denied.Name, Action: "kms:Decrypt", Verdict: access.Conditional, Keys: []string{"aws:sourcevpce"}, Policies: []access.Says{
		{Kind: "resource-based policy", Account: "200000000002", Name: "key policy of k in data (200000000002)", Says: "depends", Statement: 1, SID: "Use", Why: "aws:SourceVpce", Matters: true}}}
	return map[string]*access.Answer{"denied": denied, "chain": &chain, "unknown": &unknown, "sealed": &sealed}
}

func TestAccessAnswer(t *testing.T) {
	for name, a := range accessAnswers() {
		golden(t, "access-"+name, text(func(w io.Writer, st report.Style) { report.AccessAnswer(w, st, a, label, false) }))
	}
	golden(t, "access-chain-json", asJSON(t, accessAnswers()["chain"]))
	golden(t, "access-denied-explain", text(func(w io.Writer, st report.Style) { report.AccessAnswer(w, st, accessAnswers()["denied"], label, true) }))
}

func TestAccessListing(t *testing.T) {
	l := &access.Listing{Resource: "arn:aws:s3:::b", ResourceAccount: "200000000002", Actions: []string{"s3:ListBucket"}, Rows: []access.Row{
		{Principal: "*", Kind: "public", Path: access.PathPublic, Actions: []string{"s3:ListBucket"}, Verdict: access.Conditional, Keys: []string{"aws:sourceip"}, Grants: []string{"bucket policy of b"}},
		{Principal: "arn:aws:iam::200000000002:oidc-provider/oidc.example/1", Kind: "oidc", Account: "200000000002", Path: access.PathOIDC, Via: []string{"arn:aws:iam::200000000002:role/pod"},
			Subjects: []string{"system:serviceaccount:shop:orders"}, Actions: []string{"s3:ListBucket"}, Verdict: access.Allowed},
		{Principal: "arn:aws:iam::200000000001:role/spoke", Kind: "role", Account: "200000000001", Path: access.PathIdentity, Actions: []string{"s3:ListBucket"}, Verdict: access.Allowed, Grants: []string{"role spoke of dev (200000000001), policy p"}},
		{Principal: "arn:aws:iam::200000000002:role/spoke", Kind: "role", Account: "200000000002", Path: access.PathIdentity, Actions: []string{"s3:ListBucket"}, Verdict: access.Allowed, Grants: []string{"role spoke of data (200000000002), policy p"}},
	}, Missing: []access.Gap{{What: "who is in x", Why: "AccessDenied", Hint: "let it be read"}}}
	golden(t, "access-who", text(func(w io.Writer, st report.Style) { report.AccessListing(w, st, l, label) }))
	golden(t, "access-who-json", asJSON(t, l))
	golden(t, "access-who-nobody", text(func(w io.Writer, st report.Style) {
		report.AccessListing(w, st, &access.Listing{Resource: "arn:aws:s3:::b", Actions: []string{"s3:ListBucket"}}, label)
	}))
}
