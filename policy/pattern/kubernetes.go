package pattern

import (
	"fmt"
	"net/url"
	"strings"

	"axle/internal/late"
	"axle/policy"
)

// dnsLabel is a Kubernetes name, of up to 253 characters; an EKS cluster's name
// has up to 100.
var (
	dnsLabel    = late.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	clusterName = late.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)
)

// readServiceAccount cuts namespace/name.
func (b *builder) readServiceAccount() (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(b.ask.ServiceAccount, "/")
	if b.ask.ServiceAccount == "" {
		return "", "", mistake("--service-account NAMESPACE/NAME", "--service-account is missing")
	}
	if strings.Contains(b.ask.ServiceAccount, "*") {
		return "", "", mistake("name one service account: a wildcard lets in others of the cluster", "--service-account %q has a wildcard", b.ask.ServiceAccount)
	}
	if !ok || !dnsLabel.MatchString(namespace) || !dnsLabel.MatchString(name) || max(len(namespace), len(name)) > 253 {
		return "", "", mistake("NAMESPACE/NAME, such as shop/checkout", "--service-account can't be %q", b.ask.ServiceAccount)
	}
	return namespace, name, nil
}

// readIssuer gives the issuer without its scheme, as IAM names it.
func (b *builder) readIssuer() (string, error) {
	if b.ask.Issuer == "" {
		return "", mistake("aws eks describe-cluster --name ... --query cluster.identity.oidc.issuer", "--issuer is missing")
	}
	u, err := url.Parse(b.ask.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(b.ask.Issuer, "*?${} ") {
		return "", mistake("the cluster's issuer, with https://: aws eks describe-cluster --name ... --query cluster.identity.oidc.issuer", "--issuer can't be %q", b.ask.Issuer)
	}
	if strings.HasSuffix(b.ask.Issuer, "/") {
		return "", mistake("write it as the cluster gives it, which is without a slash at the end", "--issuer %q ends in a slash", b.ask.Issuer)
	}
	return strings.TrimPrefix(b.ask.Issuer, "https://"), nil
}

// kubernetes is the pattern of a role that a service account gets by itself:
// the cluster's tokens are trusted in each account that owns resources.
func (b *builder) kubernetes() error {
	if err := b.refuseKubernetes(); err != nil {
		return err
	}
	namespace, name, err := b.readServiceAccount()
	if err != nil {
		return err
	}
	issuer, err := b.readIssuer()
	if err != nil {
		return err
	}
	if b.ask.Cluster != "" || b.ask.ClusterAccount != "" {
		return mistake("add --pod-identity, or leave them out", "--cluster and --cluster-account are for --pod-identity")
	}
	audience := b.ask.Audience
	if audience == "" {
		audience = "sts.amazonaws.com"
	}
	roles := b.roles()
	if !b.ask.ProviderExists {
		b.providerStack(issuer, audience, roles)
	}
	for _, r := range roles {
		provider := "arn:" + b.partition + ":iam::" + r.account + ":oidc-provider/" + issuer
		trust := statement{sid: "ServiceAccountMayAssume", principal: Map{{"Federated", provider}}, actions: []string{"sts:AssumeRoleWithWebIdentity"},
			conditions: []condition{{"StringEquals", issuer + ":sub", []string{"system:serviceaccount:" + namespace + ":" + name}}, {"StringEquals", issuer + ":aud", []string{audience}}}}
		p := param{name: "ProviderArn", about: "The OIDC provider of the cluster in this account", pattern: patternProvider, literal: provider}
		if !b.ask.ProviderExists {
			p.value = output("oidc-provider", "ProviderArn")
			if len(roles) > 1 {
				p.value = `${{ output("oidc-provider", "ProviderArn", {"account": "` + r.account + `"}) }}`
			}
		}
		b.roleStack(r, "the role of a Kubernetes service account in the resources' account", trust, []param{p})
		b.keyNotes(r)
	}
	b.serviceAccount(namespace, name, audience, roles)
	b.note("Calls count against the limits of the account that owns the resource, and the code stays as it is: pods get the role's credentials by themselves and renew them.")
	b.note("Whoever may make pods of service account %s in namespace %s of this cluster has the role.", name, namespace)
	return nil
}

func (b *builder) refuseKubernetes() error {
	if err := b.refuseCreate(); err != nil {
		return err
	}
	for _, what := range []struct {
		given bool
		flag  string
	}{{b.ask.Caller != "", "--caller"}, {b.ask.ExternalID != "", "--external-id"}, {b.ask.TrustAccount, "--trust-account"},
		{b.ask.CreateCaller, "--create-caller"}, {b.ask.CallerExists, "--caller-exists"}, {b.ask.CallerTrust != "", "--caller-trust"}, {b.ask.Organization != "", "--org"}} {
		if what.given {
			return mistake("the caller is the service account", "%s means nothing to the kubernetes pattern", what.flag)
		}
	}
	return nil
}

// providerStack is the identity provider, which every account needs of its own.
func (b *builder) providerStack(issuer, audience string, roles []madeRole) {
	var accounts []string
	for _, r := range roles {
		accounts = append(accounts, r.account)
	}
	props := Map{{"Url", ref("IssuerUrl")}, {"ClientIdList", []any{ref("Audience")}}}
	b.stack(Stack{Name: "oidc-provider", Accounts: accounts, Region: b.ask.Region, Why: "trusts the cluster's tokens; one for each account and cluster"},
		"Trusts the tokens of a Kubernetes cluster", []param{
			{name: "IssuerUrl", about: "The cluster's issuer", pattern: "^https://.+$", literal: "https://" + issuer},
			{name: "Audience", about: "Whom the tokens are for", literal: audience}},
		Map{{"Provider", Map{{"Type", "AWS::IAM::OIDCProvider"}, {"Properties", props}}}},
		Map{{"ProviderArn", Map{{"Description", "The provider's ARN"}, {"Value", attr{"Provider", "Arn"}}}}})
	b.note("An account has one provider for an issuer: where there is one already say --provider-exists.")
}

// serviceAccount is the Kubernetes side.
func (b *builder) serviceAccount(namespace, name, audience string, roles []madeRole) {
	notes := Map{{"eks.amazonaws.com/role-arn", roles[0].arn}, {"eks.amazonaws.com/sts-regional-endpoints", "true"}}
	if audience != "sts.amazonaws.com" {
		notes = append(notes, Pair{"eks.amazonaws.com/audience", audience})
	}
	manifest := Map{{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", Map{{"name", name}, {"namespace", namespace}, {"annotations", notes}}}}
	b.file("kubernetes/service-account.yaml", "for kubectl apply; pods name it as serviceAccountName", manifest.yaml())
	if len(roles) == 1 {
		return
	}
	var t strings.Builder
	t.WriteString("# A service account has one role by itself, that of the first account. For the\n# others the same token does, by profile: AWS_CONFIG_FILE=aws-config.\n")
	for _, r := range roles {
		fmt.Fprintf(&t, "\n[profile %s]\nrole_arn = %s\nweb_identity_token_file = /var/run/secrets/eks.amazonaws.com/serviceaccount/token\nrole_session_name = %s\nregion = %s\n",
			b.profileName(r, roles), r.arn, shorten(name, 64), b.regionIn(r.list))
	}
	b.file("aws-config", "AWS profiles for the accounts beside the first", t.String())
}

// podIdentity is the pattern by EKS Pod Identity: a role in the cluster's
// account, from which EKS itself goes on to a role in the resources' account.
func (b *builder) podIdentity() error {
	if err := b.refuseKubernetes(); err != nil {
		return err
	}
	namespace, name, err := b.readServiceAccount()
	if err != nil {
		return err
	}
	switch accounts := accountsOf(b.resources); {
	case b.ask.Issuer != "" || b.ask.Audience != "" || b.ask.ProviderExists:
		return mistake("leave --issuer, --audience and --provider-exists out: Pod Identity needs no OIDC provider", "--issuer and --pod-identity contradict each other")
	case b.ask.ClusterAccount == "":
		return mistake("the account where the EKS cluster is: --cluster-account 111111111111", "--cluster-account is missing")
	case !clusterName.MatchString(b.ask.Cluster) || len(b.ask.Cluster) > 100:
		return mistake("the EKS cluster's name: --cluster shop", "--cluster can't be %q", b.ask.Cluster)
	case len(accounts) > 1:
		return mistake("an association has one target role: generate one for each account, with a service account of its own, or use --issuer", "the resources are in %d accounts", len(accounts))
	case accounts[0] == b.ask.ClusterAccount:
		return mistake("an association without a target role is enough there", "the resources are in the cluster's own account")
	}
	target := b.roles()[0]
	pod := "arn:" + b.partition + ":iam::" + b.ask.ClusterAccount + ":role/" + target.name + "-pod"
	b.podRole(namespace, name, pod)
	b.association(namespace, name, target, pod)
	external := b.ask.Region + "/" + b.ask.ClusterAccount + "/" + b.ask.Cluster + "/a-made-by-stack-association"
	trust := statement{sid: "PodsMayAssume", principal: Map{{"AWS", pod}}, actions: assumeBy, conditions: []condition{{"StringEquals", "sts:ExternalId", []string{external}}}}
	b.roleStack(target, "the role of pods in the resources' account", trust, []param{
		{name: "PodRoleArn", about: "The role of the pods in the cluster's account", pattern: patternRole, literal: pod, value: output("pod-role", "RoleArn")},
		{name: "ExternalId", about: "What EKS says for this association alone", literal: external, value: output("association", "ExternalId")}})
	b.podAccess(target, pod)
	b.keyNotes(target)
	manifest := Map{{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", Map{{"name", name}, {"namespace", namespace}}}}
	b.file("kubernetes/service-account.yaml", "for kubectl apply; the association needs no annotation", manifest.yaml())
	b.note("The association is made in %s, where cluster %s must be: --region says otherwise.", b.ask.Region, b.ask.Cluster)
	b.note("The cluster needs the EKS Pod Identity Agent add-on; pods on Fargate and Windows can't use it.")
	b.note("EKS chains the two roles: sessions last an hour and are renewed by EKS. Calls count against the limits of the account that owns the resource.")
	return nil
}

// podRole is the role in the cluster's account: EKS passes a role of its own
// account only.
func (b *builder) podRole(namespace, name, pod string) {
	account := b.ask.ClusterAccount
	trust := document(statement{sid: "PodsMayAssume", principal: Map{{"Service", "pods.eks.amazonaws.com"}}, actions: assumeBy, conditions: []condition{
		{"StringEquals", "aws:RequestTag/kubernetes-namespace", []string{namespace}},
		{"StringEquals", "aws:RequestTag/kubernetes-service-account", []string{name}},
		{"StringEquals", "aws:RequestTag/eks-cluster-name", []string{b.ask.Cluster}}}})
	b.add(policy.TrustPolicy, account, pod, trust)
	props := Map{{"RoleName", ref("RoleName")}, {"Description", "The pods' role in the cluster's account"}, {"AssumeRolePolicyDocument", trust}}
	b.stack(Stack{Name: "pod-role", Accounts: []string{account}, Region: b.ask.Region, Why: "the pods' role in the cluster's account", Capabilities: named},
		"The pods' role in the cluster's account", []param{
			{name: "RoleName", about: "The role's name", pattern: patternName, literal: pod[strings.LastIndexByte(pod, '/')+1:]}},
		Map{{"Role", Map{{"Type", "AWS::IAM::Role"}, {"Properties", props}}}},
		Map{{"RoleArn", Map{{"Description", "The role's ARN"}, {"Value", attr{"Role", "Arn"}}}},
			{"RoleName", Map{{"Description", "The role's name"}, {"Value", ref("Role")}}}})
}

// podAccess lets the pods' role go on to the target, once that is there.
func (b *builder) podAccess(target madeRole, pod string) {
	doc := b.identity(b.ask.ClusterAccount, pod, []statement{{sid: "AssumeTargetRole", actions: assumeBy, resources: []string{target.arn}}})
	props := Map{{"Description", "Lets pods go on to their role in the resources' account"}, {"PolicyDocument", doc}, {"Roles", []any{ref("PodRoleName")}}}
	b.stack(Stack{Name: "pod-access", Accounts: []string{b.ask.ClusterAccount}, Region: b.ask.Region, Why: "lets the pods' role go on to the other", Capabilities: anyIAM},
		"Lets pods go on to their role in the resources' account", []param{
			{name: "PodRoleName", about: "The pods' role", pattern: patternName, literal: pod[strings.LastIndexByte(pod, '/')+1:], value: output("pod-role", "RoleName")},
			{name: "TargetRoleArn", about: "The role in the resources' account", pattern: patternRole, literal: target.arn, value: output(target.stack, "RoleArn")}},
		Map{{"Access", Map{{"Type", "AWS::IAM::ManagedPolicy"}, {"Properties", props}}}},
		Map{{"PolicyArn", Map{{"Description", "The policy's ARN"}, {"Value", ref("Access")}}}})
}

func (b *builder) association(namespace, name string, target madeRole, pod string) {
	props := Map{{"ClusterName", ref("ClusterName")}, {"Namespace", ref("Namespace")}, {"ServiceAccount", ref("ServiceAccount")},
		{"RoleArn", ref("PodRoleArn")}, {"TargetRoleArn", ref("TargetRoleArn")}}
	b.stack(Stack{Name: "association", Accounts: []string{b.ask.ClusterAccount}, Region: b.ask.Region, Why: "gives the role to the service account"},
		"Gives pods of a service account their role", []param{
			{name: "ClusterName", about: "The EKS cluster", pattern: patternName, literal: b.ask.Cluster},
			{name: "Namespace", about: "The service account's namespace", pattern: patternName, literal: namespace},
			{name: "ServiceAccount", about: "The service account", pattern: patternName, literal: name},
			{name: "PodRoleArn", about: "The pods' role in the cluster's account", pattern: patternRole, literal: pod, value: output("pod-role", "RoleArn")},
			{name: "TargetRoleArn", about: "The role in the resources' account", pattern: patternRole, literal: target.arn}},
		Map{{"Association", Map{{"Type", "AWS::EKS::PodIdentityAssociation"}, {"Properties", props}}}},
		Map{{"ExternalId", Map{{"Description", "What EKS says when it assumes the target role"}, {"Value", attr{"Association", "ExternalId"}}}}})
}
