package pattern

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"axle/policy"
)

const (
	callerARN = "arn:aws:iam::111111111111:role/app/web"
	otherARN  = "arn:aws:iam::111111111111:role/app/other"
	keyARN    = "arn:aws:kms:eu-west-1:222222222222:key/0f0e0d0c-1111-2222-3333-444455556666"
	orgID     = "o-a1b2c3d4e5"
)

// samples are an ARN for each line of the table.
var samples = map[string]string{
	"s3": "arn:aws:s3:::orders", "sns": "arn:aws:sns:eu-west-1:222222222222:orders", "sqs": "arn:aws:sqs:eu-west-1:222222222222:orders",
	"lambda function:": "arn:aws:lambda:eu-west-1:222222222222:function:orders", "kms key/": "arn:aws:kms:eu-west-1:222222222222:key/aaaa",
	"secretsmanager secret:": "arn:aws:secretsmanager:eu-west-1:222222222222:secret:db", "dynamodb table/": "arn:aws:dynamodb:eu-west-1:222222222222:table/orders",
	"events event-bus/": "arn:aws:events:eu-west-1:222222222222:event-bus/orders", "ecr repository/": "arn:aws:ecr:eu-west-1:222222222222:repository/orders",
	"execute-api": "arn:aws:execute-api:eu-west-1:222222222222:a1b2c3/prod/GET/orders", "glue table/": "arn:aws:glue:eu-west-1:222222222222:table/shop/orders",
	"kinesis stream/": "arn:aws:kinesis:eu-west-1:222222222222:stream/orders", "elasticfilesystem file-system/": "arn:aws:elasticfilesystem:eu-west-1:222222222222:file-system/fs-1",
	"backup backup-vault:": "arn:aws:backup:eu-west-1:222222222222:backup-vault:orders", "codeartifact repository/": "arn:aws:codeartifact:eu-west-1:222222222222:repository/shop/orders",
	"codeartifact domain/": "arn:aws:codeartifact:eu-west-1:222222222222:domain/shop", "logs destination:": "arn:aws:logs:eu-west-1:222222222222:destination:orders",
	"logs log-group:": "arn:aws:logs:eu-west-1:222222222222:log-group:orders", "ssm parameter/": "arn:aws:ssm:eu-west-1:222222222222:parameter/orders",
	"states stateMachine:": "arn:aws:states:eu-west-1:222222222222:stateMachine:orders", "firehose deliverystream/": "arn:aws:firehose:eu-west-1:222222222222:deliverystream/orders",
	"rds-db dbuser:": "arn:aws:rds-db:eu-west-1:222222222222:dbuser:db-ABC/app",
}

// eachNeed calls f for every need of every service, with and without a key.
func eachNeed(t *testing.T, f func(t *testing.T, s *service, ask Ask)) {
	for i := range services {
		s := &services[i]
		arn := samples[strings.TrimSpace(s.prefix+" "+s.kind)]
		if arn == "" && len(s.needs) > 0 {
			t.Errorf("%s %s has no sample", s.prefix, s.kind)
		}
		for _, n := range s.needs {
			for _, key := range []bool{false, true} {
				if key && (s.via == "" || len(n.kms) == 0) {
					continue
				}
				ask := Ask{Resources: []string{arn}, Needs: []string{n.name}, ResourceAccount: "222222222222", Region: "eu-west-1", AccessRole: "axle-spoke"}
				name := s.prefix + " " + s.label + " " + n.name
				if key {
					ask.KMSKeys, name = []string{keyARN}, name+" with a key"
				}
				t.Run(name, func(t *testing.T) { f(t, s, ask) })
			}
		}
	}
}

// uses are the requests that a bundle is to allow who.
func uses(t *testing.T, ask Ask, who string) []try {
	t.Helper()
	b := &builder{ask: ask, out: &Bundle{}}
	if err := b.read(); err != nil {
		t.Fatal(err)
	}
	var out []try
	for _, r := range b.resources {
		for _, g := range r.grants {
			for _, action := range g.actions {
				for _, arn := range r.arns(g) {
					u := try{who: who, action: action, arn: concrete(arn), on: r.arn.text, owner: r.account, context: map[string][]string{"aws:PrincipalOrgID": {orgID}, "sts:AWSServiceName": {"codeartifact.amazonaws.com"}}}
					if g.own {
						u.arn, u.on, u.owner = "*", "", strings.Split(who, ":")[4]
					}
					out = append(out, u)
				}
			}
		}
	}
	for _, k := range b.keys {
		for _, r := range k.users {
			for _, action := range r.kms {
				out = append(out, try{who: who, action: action, arn: k.arn.text, on: k.arn.text, owner: k.arn.account,
					context: map[string][]string{"aws:PrincipalOrgID": {orgID}, "kms:ViaService": {r.service.via + "." + r.region + ".amazonaws.com"}}})
			}
		}
	}
	return out
}

// Both sides of a resource policy allow exactly the need from exactly the caller.
func TestResourcePolicyIsExact(t *testing.T) {
	eachNeed(t, func(t *testing.T, s *service, ask Ask) {
		for _, exists := range []bool{true, false} {
			ask.Pattern, ask.Caller, ask.CallerExists, ask.Organization = ResourcePolicy, callerARN, exists, orgID
			bundle, err := Generate(ask)
			var m *Mistake
			if s.policy == nil {
				if !errors.As(err, &m) {
					t.Errorf("%s takes no resource policy, and that wasn't said: %v", s.prefix, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t, bundle.Policies}
			list := uses(t, ask, callerARN)
			for _, u := range list {
				exactly(t, w, u)
				if u.on == "" {
					continue // the caller's own affair
				}
				stranger := u
				stranger.context = map[string][]string{"kms:ViaService": u.context["kms:ViaService"], "aws:PrincipalOrgID": {"o-zzzzzzzzzz"}}
				if w.allows(stranger) {
					t.Errorf("%s: --org doesn't count", u.action)
				}
			}
			everyStatement(t, bundle.Policies, list)
		}
	})
}

// exactly holds one use: allowed, but not for others, other actions, other
// resources, or past the service that the key is used through.
func exactly(t *testing.T, w *world, u try) {
	t.Helper()
	if !w.allows(u) {
		t.Errorf("%s on %s isn't allowed", u.action, u.arn)
	}
	if u.on == "" {
		return
	}
	// Within an account an open policy on the resource would be enough.
	foreign := strings.Split(u.who, ":")[4] != u.owner
	openly := func(u *try) {
		if foreign {
			u.resource = open(t, true)
		}
	}
	other := u
	other.who, other.identity = strings.Replace(u.who, "/web", "/other", 1), open(t, false)
	if foreign && other.who != u.who && w.allows(other) {
		t.Errorf("%s on %s is allowed to %s too", u.action, u.arn, other.who)
	}
	prefix, _, _ := strings.Cut(u.action, ":")
	wrong := u
	wrong.action = prefix + ":DeleteEverything"
	if wrong.identity = open(t, false); foreign && len(w.of(policy.ResourcePolicy, u.on)) > 0 && w.allows(wrong) {
		t.Errorf("the resource allows %s", wrong.action)
	}
	wrong.identity = nil
	openly(&wrong)
	if w.allows(wrong) {
		t.Errorf("the caller's side allows %s", wrong.action)
	}
	elsewhere := u
	elsewhere.arn = strings.Replace(u.arn, "orders", "others", 1)
	openly(&elsewhere)
	if elsewhere.arn != u.arn && w.allows(elsewhere) {
		t.Errorf("the caller's side allows %s on %s", u.action, elsewhere.arn)
	}
	if prefix == "kms" && u.context["kms:ViaService"] != nil {
		direct := u
		direct.context = map[string][]string{"aws:PrincipalOrgID": {orgID}}
		if w.allows(direct) {
			t.Errorf("%s is allowed without the service", u.action)
		}
	}
}

// everyStatement: without any one of them something that is needed is denied.
func everyStatement(t *testing.T, docs []Document, list []try) {
	t.Helper()
	for _, fewer := range without(docs) {
		w := &world{t, fewer}
		if !slices.ContainsFunc(list, func(u try) bool { return !w.allows(u) }) {
			t.Errorf("statement %s isn't needed", statementName(docs, fewer))
		}
	}
}

// A role is assumed by the caller alone, with the external id, and may do the
// need alone.
func TestRoleIsExact(t *testing.T) {
	eachNeed(t, func(t *testing.T, s *service, ask Ask) {
		for _, exists := range []bool{true, false} {
			ask.Pattern, ask.Caller, ask.CallerExists, ask.ExternalID, ask.Organization = Role, callerARN, exists, "5f2c-orders", orgID
			bundle, err := Generate(ask)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t, bundle.Policies}
			role := bundleRole(t, bundle)
			context := map[string][]string{"sts:ExternalId": {"5f2c-orders"}, "aws:PrincipalOrgID": {orgID}}
			use := try{who: callerARN, action: "sts:AssumeRole", arn: role, on: role, owner: "222222222222", context: context}
			if !w.allows(use) {
				t.Fatal("the caller can't assume the role")
			}
			for name, change := range map[string]func(*try){
				"without the external id":  func(u *try) { u.context = map[string][]string{"aws:PrincipalOrgID": {orgID}} },
				"of another organization":  func(u *try) { u.context = map[string][]string{"sts:ExternalId": {"5f2c-orders"}} },
				"another role":             func(u *try) { u.who, u.identity = otherARN, open(t, false) },
				"another account's role":   func(u *try) { u.who, u.identity = strings.Replace(callerARN, "1111", "3333", 1), open(t, false) },
				"the caller, another role": func(u *try) { u.arn, u.resource = role+"2", open(t, true) },
				"with tags":                func(u *try) { u.action = "sts:TagSession" },
			} {
				u := use
				if change(&u); w.allows(u) {
					t.Errorf("allowed: %s", name)
				}
			}
			list := uses(t, ask, role)
			owners(t, w, list)
			for _, u := range list {
				exactly(t, w, u)
			}
			everyStatement(t, w.docs, append(list, use))
		}
	})
}

// bundleRole is the role that was made for the resources.
func bundleRole(t *testing.T, b *Bundle) string {
	t.Helper()
	for _, d := range b.Policies {
		if d.Kind == policy.TrustPolicy && d.Account == "222222222222" {
			return d.On
		}
	}
	t.Fatal("there is no role")
	return ""
}

// owners gives keys the policy that they have by default: it leaves all to IAM.
func owners(t *testing.T, w *world, list []try) {
	t.Helper()
	for _, u := range list {
		if strings.HasPrefix(u.action, "kms:") && len(w.of(policy.ResourcePolicy, u.on)) == 0 {
			w.docs = append(w.docs, Document{Kind: policy.ResourcePolicy, On: u.on, Policy: document(statement{sid: "OwnerAdministers",
				principal: Map{{"AWS", root("aws", u.owner)}}, actions: []string{"kms:*"}, resources: []string{"*"}})})
		}
	}
}

// A service account's role is for its tokens alone.
func TestKubernetesIsExact(t *testing.T) {
	const issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
	eachNeed(t, func(t *testing.T, s *service, ask Ask) {
		ask.Pattern, ask.Issuer, ask.ServiceAccount = Kubernetes, "https://"+issuer, "shop/web"
		bundle, err := Generate(ask)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t, bundle.Policies}
		role := bundleRole(t, bundle)
		token := func(sub, aud string) map[string][]string {
			return map[string][]string{issuer + ":sub": {sub}, issuer + ":aud": {aud}}
		}
		use := try{who: "arn:aws:iam::222222222222:oidc-provider/" + issuer, action: "sts:AssumeRoleWithWebIdentity", arn: role, on: role, owner: "222222222222",
			context: token("system:serviceaccount:shop:web", "sts.amazonaws.com")}
		if !w.allows(use) {
			t.Fatal("the service account can't assume the role")
		}
		for name, change := range map[string]func(*try){
			"another service account": func(u *try) { u.context = token("system:serviceaccount:shop:web2", "sts.amazonaws.com") },
			"another namespace":       func(u *try) { u.context = token("system:serviceaccount:shop2:web", "sts.amazonaws.com") },
			"another audience":        func(u *try) { u.context = token("system:serviceaccount:shop:web", "vault") },
			"no claims":               func(u *try) { u.context = nil },
			"another cluster":         func(u *try) { u.who += "D" },
			"a role":                  func(u *try) { u.who, u.action, u.identity = callerARN, "sts:AssumeRole", open(t, false) },
		} {
			u := use
			if change(&u); w.allows(u) {
				t.Errorf("allowed: %s", name)
			}
		}
		list := uses(t, ask, role)
		owners(t, w, list)
		for _, u := range list {
			exactly(t, w, u)
		}
		everyStatement(t, w.docs, append(list, use))
	})
}

// Pod Identity: EKS takes the pods' role for the service account, and that role
// alone goes on to the target, with the association's external id.
func TestPodIdentityIsExact(t *testing.T) {
	ask := Ask{Pattern: Kubernetes, PodIdentity: true, Cluster: "shop", ClusterAccount: "111111111111", ServiceAccount: "shop/web",
		Resources: []string{samples["dynamodb table/"]}, Needs: []string{"read"}, AccessRole: "axle-spoke"}
	bundle, err := Generate(ask)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, bundle.Policies}
	const pod, role = "arn:aws:iam::111111111111:role/access-web-orders-pod", "arn:aws:iam::222222222222:role/access-web-orders"
	var list []try
	for _, action := range assumeBy {
		eks := try{who: "pods.eks.amazonaws.com", action: action, arn: pod, on: pod, owner: "111111111111", context: map[string][]string{
			"aws:RequestTag/kubernetes-namespace": {"shop"}, "aws:RequestTag/kubernetes-service-account": {"web"}, "aws:RequestTag/eks-cluster-name": {"shop"}}}
		chain := try{who: pod, action: action, arn: role, on: role, owner: "222222222222",
			context: map[string][]string{"sts:ExternalId": {"eu-west-1/111111111111/shop/a-made-by-stack-association"}}}
		list = append(list, eks, chain)
		other := chain
		other.context = map[string][]string{"sts:ExternalId": {"eu-west-1/111111111111/shop/a-2"}}
		namespace := eks
		namespace.context = map[string][]string{"aws:RequestTag/kubernetes-namespace": {"shop2"}, "aws:RequestTag/kubernetes-service-account": {"web"}, "aws:RequestTag/eks-cluster-name": {"shop"}}
		for _, u := range []try{other, namespace, {who: callerARN, action: action, arn: role, on: role, owner: "222222222222", context: chain.context, identity: open(t, false)}} {
			if w.allows(u) {
				t.Errorf("%s may %s", u.who, u.action)
			}
		}
	}
	list = append(list, uses(t, ask, role)...)
	for _, u := range list {
		if !w.allows(u) {
			t.Errorf("%s can't %s on %s", u.who, u.action, u.arn)
		}
	}
	everyStatement(t, w.docs, list)
}
