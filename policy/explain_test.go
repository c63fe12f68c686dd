package policy

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// policiesOf a scene, named where there may be several.
func (s *scene) explain(t *testing.T) *Explanation {
	t.Helper()
	_, req := s.decide(t)
	return Explain(req, s.policies(t))
}

func TestExplain(t *testing.T) {
	const (
		object    = "arn:aws:s3:::data-b/k"
		readAll   = `{"Statement":{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`
		bucketHub = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/*"}}`
	)
	read := func(s scene) scene {
		s.who, s.action, s.resource = hubSession, "s3:GetObject", object
		return s
	}
	for _, c := range []struct {
		scene
		lines []string // of the tree, trimmed; all of them
	}{
		{read(scene{name: "allowed", identity: readAll}), []string{
			"Allowed",
			"111111111111: identity-based policy allows (statement 0 Read)"}},
		{read(scene{name: "no bucket policy in the other account", owner: "222222222222", identity: readAll}), []string{
			"ImplicitlyDenied: no resource-based policy in 222222222222 allows s3:GetObject",
			"222222222222: resource-based policy isn't there",
			"111111111111: identity-based policy allows (statement 0 Read)",
			`to allow it: add to the bucket policy of arn:aws:s3:::data-b in 222222222222: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/k"}`}},
		{read(scene{name: "both sides", owner: "222222222222", identity: assume, resourceDoc: strings.ReplaceAll(bucketHub, "data-b", "data-a")}), []string{
			"ImplicitlyDenied: no identity-based policy in 111111111111 allows s3:GetObject",
			"222222222222: resource-based policy doesn't allow (statement 0): Principal and Action match, Resource doesn't: arn:aws:s3:::data-b/k isn't arn:aws:s3:::data-a/*",
			"111111111111: identity-based policy doesn't allow (statement 0): Action doesn't: s3:GetObject isn't sts:AssumeRole; Resource doesn't: arn:aws:s3:::data-b/k isn't arn:aws:iam::*:role/Spoke",
			`to allow it: add to an identity-based policy of arn:aws:iam::111111111111:role/Hub: {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/k"}`,
			`to allow it: add to the bucket policy of arn:aws:s3:::data-b in 222222222222: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/k"}`}},
		{read(scene{name: "deny, and a level of SCPs that is silent", identity: readAll,
			scp:      []string{full, onlyEC2},
			boundary: `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"Tls","Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`,
			context:  map[string][]string{"aws:SecureTransport": {"false"}}}), []string{
			"ExplicitlyDenied with an explicit deny in a permissions boundary",
			"111111111111: SCP 0 at the root allows (statement 0)",
			"111111111111: SCP 0 at level 1 doesn't allow (statement 0): Resource matches, Action doesn't: s3:GetObject isn't ec2:*",
			"111111111111: identity-based policy allows (statement 0 Read)",
			"111111111111: permissions boundary denies (statement 1 Tls): Bool aws:SecureTransport is false, the policy has false",
			"to allow it: remove or narrow statement 1 (Tls) of permissions boundary in 111111111111, which denies because Bool aws:SecureTransport is false, the policy has false",
			`to allow it: add to a service control policy at level 1 for 111111111111: {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/k"}`}},
		{scene{name: "condition", who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", identity: assume, resourceDoc: trustRoot}, []string{
			"ImplicitlyDenied: no role trust policy in 222222222222 allows sts:AssumeRole",
			"222222222222: role trust policy doesn't allow (statement 0): Principal and Action match, Condition doesn't: StringEquals sts:ExternalId isn't in the request, the policy has x",
			"111111111111: identity-based policy allows (statement 0)",
			`to allow it: meet the condition of statement 0 of the role trust policy of arn:aws:iam::222222222222:role/Spoke in 222222222222 (StringEquals sts:ExternalId isn't in the request, the policy has x), or add to the role trust policy of arn:aws:iam::222222222222:role/Spoke in 222222222222: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"sts:AssumeRole"}`}},
		{scene{name: "unknown", who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", identity: assume, resourceDoc: trustRoot, unknown: []string{"*"}}, []string{
			"Conditional: it depends on sts:externalid",
			"222222222222: role trust policy depends (statement 0): ArnEquals aws:PrincipalArn is arn:aws:iam::111111111111:role/Hub, the policy has arn:aws:iam::111111111111:role/Hub; StringEquals sts:ExternalId isn't known, the policy has x",
			"111111111111: identity-based policy allows (statement 0)"}},
		{scene{name: "key of the same account", who: hubSession, action: "kms:Decrypt", resource: "arn:aws:kms:eu-west-1:111111111111:key/1",
			resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Other"},"Action":"kms:*","Resource":"*"}}`}, []string{
			"ImplicitlyDenied: no identity-based policy in 111111111111 allows kms:Decrypt",
			"111111111111: resource-based policy doesn't allow (statement 0): Action and Resource match, Principal doesn't: arn:aws:iam::111111111111:role/Hub isn't arn:aws:iam::111111111111:role/Other",
			`to allow it: add to the key policy of arn:aws:kms:eu-west-1:111111111111:key/1 in 111111111111: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"kms:Decrypt","Resource":"*"}`}},
		{scene{name: "unsupported", who: hubSession, action: "kms:ScheduleKeyDeletion", resource: "arn:aws:kms:eu-west-1:222222222222:key/1", owner: "222222222222", identity: full,
			resourceDoc: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`}, []string{
			"Unsupported: kms:ScheduleKeyDeletion isn't taken from other accounts, whatever the policies allow: assume a role in 222222222222",
			"222222222222: resource-based policy allows (statement 0)",
			"111111111111: identity-based policy allows (statement 0)"}},
		{scene{name: "no resource policies", who: hubSession, action: "ec2:DescribeVpcs", resource: "*", owner: "222222222222", identity: full}, []string{
			"ImplicitlyDenied: no resource-based policy in 222222222222 allows ec2:DescribeVpcs",
			"222222222222: resource-based policy isn't there",
			"111111111111: identity-based policy allows (statement 0)",
			"note: EC2 has no resource-based policies: from another account assume a role in 222222222222"}},
		{scene{name: "a service, with what narrows it", who: "sns.amazonaws.com", action: "sqs:SendMessage", resource: "arn:aws:sqs:eu-west-1:222222222222:q", owner: "222222222222",
			context: map[string][]string{"aws:SourceArn": {"arn:aws:sns:eu-west-1:111111111111:t"}}}, []string{
			"ImplicitlyDenied: no resource-based policy in 222222222222 allows sqs:SendMessage",
			"222222222222: resource-based policy isn't there",
			`to allow it: add to the resource-based policy of arn:aws:sqs:eu-west-1:222222222222:q in 222222222222: {"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-west-1:222222222222:q","Condition":{"StringEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:111111111111:t"}}}`}},
		{read(scene{name: "a variable without a value", identity: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:PrincipalTag/team}/*"}}`}), []string{
			"ImplicitlyDenied: no identity-based policy in 111111111111 allows s3:GetObject",
			"111111111111: identity-based policy doesn't allow (statement 0): Action matches, NotResource doesn't: a variable in arn:aws:s3:::${aws:PrincipalTag/team}/* has no value",
			`to allow it: add to an identity-based policy of arn:aws:iam::111111111111:role/Hub: {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data-b/k"}`}},
		{read(scene{name: "contested", session: onlyEC2, resourceDoc: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}`}), []string{
			"Unknown: AWS's documentation leaves open whether a session policy limits what a resource policy gives to the session or to everyone; by its nearer reading: Allowed",
			"111111111111: resource-based policy allows (statement 0)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, line := range c.explain(t).Tree() {
				got = append(got, strings.TrimSpace(line))
			}
			if !slices.Equal(got, c.lines) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.lines, "\n"))
			}
		})
	}
}

func TestExplainNames(t *testing.T) {
	req := &Request{Principal: ParsePrincipal(hubSession), Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
	p := mustParse(t, denyAssume)
	named := p.Named("SCP p-abc (DenyRegions)")
	if p.Name != "" || named.Name == "" {
		t.Errorf("%q and %q", p.Name, named.Name)
	}
	x := Explain(req, &Policies{SCP: [][]*Policy{{named}}})
	if len(x.Consulted) != 2 || x.Consulted[0].Name != "SCP p-abc (DenyRegions)" || x.Consulted[0].Says != "allows" || x.Consulted[1].Says != "isn't there" {
		t.Errorf("%+v", x.Consulted)
	}
}

// TestChangesAllow: with all the changes made it is allowed, and without any one
// of them it isn't.
func TestChangesAllow(t *testing.T) {
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		p := s.policies(t)
		x := Explain(s.req, p)
		if d := Evaluate(s.req, p); x.Decision.Verdict != d.Verdict && (d.Verdict != Allowed || x.Decision.Verdict != Unsupported) {
			t.Fatalf("explained as %v, decided as %v", x.Decision, d)
		}
		if len(x.Tree()) == 0 {
			t.Fatal("nothing to tell")
		}
		if x.Decision.Verdict == Allowed || x.Note != "" {
			if x.Changes != nil {
				t.Fatalf("%v, and yet %v", x.Decision, x.Changes)
			}
			return
		}
		after, ok := applyAll(p, x.Changes)
		if d := Evaluate(s.req, &after); !ok || !d.Allowed() || len(x.Changes) == 0 {
			t.Fatalf("%v: after %+v %v", x.Decision, x.Changes, d)
		}
		changed++
		for i := range x.Changes {
			less, _ := applyAll(p, slices.Delete(slices.Clone(x.Changes), i, i+1))
			if Evaluate(s.req, &less).Allowed() {
				t.Fatalf("not needed: %+v", x.Changes[i])
			}
		}
	})
	if changed == 0 {
		t.Error("nothing was denied")
	}
}

// TestExplainCorpus: changes allow what the corpus denies.
func TestExplainCorpus(t *testing.T) {
	for _, c := range readCorpus(t) {
		if c.Err != nil {
			continue
		}
		x := Explain(c.Request, c.Policies)
		if x.Decision.Verdict != ImplicitDeny && x.Decision.Verdict != ExplicitDeny {
			continue
		}
		after, ok := applyAll(c.Policies, x.Changes)
		if x.Note == "" && (!ok || !Evaluate(c.Request, &after).Allowed()) {
			t.Errorf("%s: %v", c.ID, x.Changes)
		}
	}
}
