package policy

import "testing"

// scene is one decision with its policies as short documents.
type scene struct {
	name                                          string
	who, action, resource, owner                  string
	identity, boundary, session, resourceDoc, rcp string
	scp                                           []string
	context                                       map[string][]string
	unknown                                       []string
	change                                        func(*Request)
	want                                          Verdict
	kind                                          Kind
	reason                                        string
}

const (
	hubSession = "arn:aws:sts::111111111111:assumed-role/Hub/run-1"
	spokeRole  = "arn:aws:iam::222222222222:role/Spoke"
	full       = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	assume     = `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/Spoke"}}`
	trustHub   = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"sts:AssumeRole"}}`
	trustRoot  = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/Hub"},"StringEquals":{"sts:ExternalId":"x"}}}}`
	denyAssume = `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}]}`
	onlyEC2    = `{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`
)

func (s *scene) decide(t *testing.T) (Decision, *Request) {
	t.Helper()
	req := &Request{Principal: ParsePrincipal(s.who), Action: s.action, Resource: s.resource, ResourceAccount: s.owner, Context: s.context, Unknown: s.unknown}
	if s.change != nil {
		s.change(req)
	}
	return Evaluate(req, s.policies(t)), req
}

func (s *scene) policies(t *testing.T) *Policies {
	t.Helper()
	one := func(src string) *Policy {
		if src == "" {
			return nil
		}
		return mustParse(t, src)
	}
	p := &Policies{Boundary: one(s.boundary), Resource: one(s.resourceDoc)}
	if s.identity != "" {
		p.Identity = []*Policy{one(s.identity)}
	}
	if s.session != "" {
		p.Session = []*Policy{one(s.session)}
	}
	for _, level := range s.scp {
		p.SCP = append(p.SCP, []*Policy{one(level)})
	}
	if s.rcp != "" {
		p.RCP = [][]*Policy{{one(s.rcp)}}
	}
	return p
}

// TestEvaluate checks what the corpus doesn't have: who decided, the words, and
// the principals with rules of their own.
func TestEvaluate(t *testing.T) {
	externalID := map[string][]string{"sts:ExternalId": {"x"}}
	assuming := func(s scene) scene {
		s.action, s.resource, s.owner = "sts:AssumeRole", spokeRole, "222222222222"
		if s.who == "" {
			s.who = hubSession
		}
		return s
	}
	for _, s := range []scene{
		assuming(scene{name: "assume", identity: assume, resourceDoc: trustHub, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "account and PrincipalArn", identity: assume, resourceDoc: trustRoot, context: externalID, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "wrong external id", identity: assume, resourceDoc: trustRoot, want: ImplicitDeny, kind: TrustPolicy,
			reason: "because no role trust policy allows the sts:AssumeRole action"}),
		assuming(scene{name: "no identity policy", resourceDoc: trustHub, want: ImplicitDeny, kind: IdentityPolicy,
			reason: "because no identity-based policy allows the sts:AssumeRole action"}),
		assuming(scene{name: "identity denies", identity: denyAssume, resourceDoc: trustHub, want: ExplicitDeny, kind: IdentityPolicy,
			reason: "with an explicit deny in an identity-based policy"}),
		assuming(scene{name: "SCP denies", identity: assume, resourceDoc: trustHub, scp: []string{full, denyAssume}, want: ExplicitDeny, kind: ServiceControlPolicy,
			reason: "with an explicit deny in a service control policy"}),
		assuming(scene{name: "SCP silent", identity: assume, resourceDoc: trustHub, scp: []string{full, onlyEC2, full}, want: ImplicitDeny, kind: ServiceControlPolicy,
			reason: "because no service control policy allows the sts:AssumeRole action"}),
		assuming(scene{name: "SCP in the management account", identity: assume, resourceDoc: trustHub, scp: []string{full, denyAssume},
			change: func(r *Request) { r.Principal.Management = true }, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "SCP and a service-linked role", identity: assume, resourceDoc: trustHub, scp: []string{denyAssume},
			change: func(r *Request) { r.Principal.ServiceLinked = true }, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "boundary", identity: assume, resourceDoc: trustHub, boundary: onlyEC2, want: ImplicitDeny, kind: BoundaryPolicy,
			reason: "because no permissions boundary allows the sts:AssumeRole action"}),
		assuming(scene{name: "session policy", identity: assume, resourceDoc: trustHub, session: `{"Statement":[]}`, want: ImplicitDeny, kind: SessionPolicy,
			reason: "because no session policy allows the sts:AssumeRole action"}),
		assuming(scene{name: "trust denies", identity: assume, resourceDoc: `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}`, want: ExplicitDeny, kind: TrustPolicy,
			reason: "with an explicit deny in the role trust policy"}),
		assuming(scene{name: "RCP denies", identity: assume, resourceDoc: trustHub, rcp: `{"Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*","Resource":"*"}}`,
			want: ExplicitDeny, kind: ResourceControlPolicy, reason: "with an explicit deny in a resource control policy"}),
		assuming(scene{name: "RCP and the management account's role", identity: assume, resourceDoc: trustHub,
			rcp:    `{"Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*","Resource":"*"}}`,
			change: func(r *Request) { r.ResourceInManagement = true }, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "role with a path", identity: assume, resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/ops/Hub"},"Action":"sts:AssumeRole"}}`,
			change: func(r *Request) { r.Principal.RoleARN = "arn:aws:iam::111111111111:role/ops/Hub" }, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "unique id", identity: assume, resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"AROAEXAMPLE"},"Action":"sts:AssumeRole"}}`,
			change: func(r *Request) { r.Principal.ID = "AROAEXAMPLE" }, want: Allowed, kind: TrustPolicy}),
		assuming(scene{name: "root of the account", who: "arn:aws:iam::111111111111:root", resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}}`,
			want: Allowed, kind: TrustPolicy}),
		{name: "a role stands for its sessions", who: "arn:aws:iam::111111111111:role/Hub", action: "s3:GetObject", resource: "arn:aws:s3:::b/k", boundary: onlyEC2,
			resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/Hub"},"Action":"*","Resource":"*"}}`, want: ImplicitDeny, kind: BoundaryPolicy,
			reason: "because no permissions boundary allows the s3:GetObject action"},
		{name: "root user at home", who: "arn:aws:iam::111111111111:root", action: "s3:GetObject", resource: "arn:aws:s3:::b/k", want: Allowed, kind: IdentityPolicy},
		{name: "root user and SCP", who: "arn:aws:iam::111111111111:root", action: "s3:GetObject", resource: "arn:aws:s3:::b/k", scp: []string{onlyEC2}, want: ImplicitDeny, kind: ServiceControlPolicy,
			reason: "because no service control policy allows the s3:GetObject action"},
		{name: "federated user whose user is named", who: "arn:aws:sts::111111111111:federated-user/u", action: "s3:GetObject", resource: "arn:aws:s3:::b/k", session: onlyEC2,
			resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/u"},"Action":"*","Resource":"*"}}`, want: ImplicitDeny, kind: SessionPolicy,
			reason: "because no session policy allows the s3:GetObject action"},
		{name: "other partition", who: "arn:aws-cn:sts::111111111111:assumed-role/Hub/s", action: "s3:GetObject", resource: "arn:aws-cn:s3:::b/k", owner: "222222222222", identity: full,
			resourceDoc: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws-cn:iam::111111111111:root"},"Action":"*","Resource":"arn:aws-cn:s3:::b/*"}}`, want: Allowed, kind: ResourcePolicy},
		{name: "unknown external id", who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", identity: assume, resourceDoc: trustRoot,
			unknown: []string{"sts:*"}, want: Conditional, kind: TrustPolicy, reason: "because no role trust policy allows the sts:AssumeRole action"},
		{name: "unknown, but denied anyway", who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", resourceDoc: trustRoot,
			unknown: []string{"*"}, want: ImplicitDeny, kind: IdentityPolicy, reason: "because no identity-based policy allows the sts:AssumeRole action"},
		{name: "unknown, but allowed anyway", who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", identity: assume, resourceDoc: trustHub,
			unknown: []string{"*"}, want: Allowed, kind: TrustPolicy},
		{name: "star beyond the colon", who: hubSession, action: "sqs:SendMessage", resource: "arn:aws:sqs:eu-west-1:111111111111:q",
			identity: `{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*"}}`, want: Allowed, kind: IdentityPolicy},
		{name: "star within a segment", who: hubSession, action: "sqs:SendMessage", resource: "arn:aws:sqs:eu-west-1:111111111111:q",
			identity: `{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:eu*q"}}`, want: ImplicitDeny, kind: IdentityPolicy,
			reason: "because no identity-based policy allows the sqs:SendMessage action"},
		{name: "statement without Resource in an identity policy", who: hubSession, action: "sqs:SendMessage", resource: "*",
			identity: `{"Statement":{"Effect":"Allow","Action":"*"}}`, want: ImplicitDeny, kind: IdentityPolicy, reason: "because no identity-based policy allows the sqs:SendMessage action"},
	} {
		t.Run(s.name, func(t *testing.T) {
			d, req := s.decide(t)
			if d.Verdict != s.want || d.Kind != s.kind {
				t.Errorf("%s by %s, want %s by %s", d.Verdict, d.Kind, s.want, s.kind)
			}
			if got := d.Reason(req.Action); got != s.reason {
				t.Errorf("reason %q, want %q", got, s.reason)
			}
		})
	}
}

func TestDecisionNamesTheStatement(t *testing.T) {
	s := scene{who: hubSession, action: "sts:AssumeRole", resource: spokeRole, owner: "222222222222", identity: assume, resourceDoc: trustHub, scp: []string{full, denyAssume}}
	d, req := s.decide(t)
	if want := (Decision{ExplicitDeny, ServiceControlPolicy, "111111111111", 1, 0, 1}); d != want {
		t.Errorf("%+v, want %+v", d, want)
	}
	const message = "User: arn:aws:sts::111111111111:assumed-role/Hub/run-1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::222222222222:role/Spoke with an explicit deny in a service control policy"
	if got := d.Message(req); got != message {
		t.Errorf("%q\nwant %q", got, message)
	}
	s.scp = nil
	if d, _ := s.decide(t); d != (Decision{Allowed, TrustPolicy, "222222222222", 0, 0, 0}) {
		t.Errorf("%+v", d)
	}
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	req, p := benchCross(t)
	if n := testing.AllocsPerRun(100, func() { Evaluate(req, p) }); n != 0 {
		t.Errorf("%v allocations a decision", n)
	}
}
