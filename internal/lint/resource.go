package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
	"axle/policy"
)

func resourceRules() []Rule {
	return []Rule{
		{ID: "AX037", Severity: Error, Where: "P", Title: "Only one side of a cross-account access is granted",
			Why:   "Across accounts the caller's policies and the resource's policy must both allow.",
			Fix:   "Add the other side: a statement in the resource's policy, or in the caller's.",
			check: checks(eachStatement(checkOwnerSide), eachStatement(checkGrantee))},
		{ID: "AX038", Severity: Warning, Where: "TP", Title: "The service has no resource policies",
			Why:   "Its resources can't be reached from another account, whatever the caller's policies say.",
			Fix:   "Assume a role in the resource's account.",
			check: eachStatement(checkNoPolicies)},
		{ID: "AX039", Severity: Warning, Where: "TL", Title: "An action that never works from another account",
			Why:   "The service ignores the grant.",
			Fix:   "Remove it, or let the other account assume a role here.",
			check: eachStatement(checkNeverAcross)},
		{ID: "AX044", Severity: Warning, Where: "P", Title: "A resource of another account by its bare name",
			Why:   "A name is looked up in the caller's own account.",
			Fix:   "Give the full ARN.",
			check: eachResource(checkBareName, "AWS::Lambda::Function", "AWS::Serverless::Function")},
		{ID: "AX046", Severity: Advice, Where: "TL", Title: "Data of any account",
			Why:   `Resource "*" is every resource, in every account whose policy lets this role in.`,
			Fix:   "Name the ARNs, with the account; wildcards can stand for what AWS generates.",
			check: eachStatement(checkAnyData)},
		{ID: "AX067", Severity: Error, Where: "TL", Title: "A policy larger than the service takes",
			Why:   "Lists of accounts grow until the deploy of the next one fails.",
			Fix:   "Demand aws:PrincipalOrgID or aws:PrincipalOrgPaths instead of listing accounts.",
			check: eachDocument(checkSize)},
		{ID: "AX068", Severity: Advice, Where: "", Title: "Requests count in the account of whose role makes them",
			Why:   "With a resource policy the caller's account is throttled, with a role of the resource's account that one.",
			Fix:   "axle access advise weighs it.",
			Blind: "Limits and rates aren't in a policy; it is part of the advice on patterns."},
		{ID: "AX070", Severity: Error, Where: "TLP", Title: "ARNs of another partition",
			Why:   "Nothing crosses partitions: arn:aws: names nothing in China or GovCloud.",
			Fix:   "Write arn:${AWS::Partition}:.",
			check: eachStatement(checkPartition)},
		{ID: "AX073", Severity: Advice, Where: "T", Title: "A table's resource policy in CloudFormation",
			Why:   "Drift detection doesn't see it, and it can be changed only every 15 seconds.",
			Fix:   "Compare it with GetResourcePolicy now and then.",
			check: eachResource(checkTablePolicy, "AWS::DynamoDB::Table")},
	}
}

// policed are the services whose resources' policies can grant access to other
// accounts, and of which the types join by ARN.
var policed = []string{"AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::ECR::Repository"}

// checkOwnerSide: a role may do something to a resource of another account,
// whose policy doesn't let it.
func checkOwnerSide(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || !s.allow || !s.doc.identity() || s.notAction != nil || s.notRes != nil || u.account == "" {
		return
	}
	owner := s.doc.ownerRole(r)
	if owner.d == nil {
		return
	}
	who := caller(owner)
	for _, n := range s.resources {
		name := trimSuffixes(n.Str())
		target, ok := r.find(u, name)
		if !ok || target.u.account == "" || target.u.account == u.account || !slices.Contains(policed, target.d.Type) {
			continue
		}
		arn := evaluable(target.u.seal(target.u.arn(target.d)))
		if strings.HasSuffix(n.Str(), "/*") { // the objects of a bucket
			arn += "/x"
		}
		docs := r.attached(target)
		if r.openPolicies(target) {
			continue
		}
		for _, action := range s.concrete(arn) {
			granted := slices.ContainsFunc(docs, func(d *document) bool { return r.resourceAllows(d, who, action, arn, nil) })
			if !granted {
				r.inDoc(s.doc, n, "%s may %s on %s in %s, but the policy there doesn't let it", s.doc.label(), action, target.title(), target.u.account)
				break
			}
		}
	}
}

// openPolicies says whether a resource may have a policy that isn't in its
// template: one that names what isn't known.
func (r *run) openPolicies(p placed) bool {
	for _, d := range p.u.resources {
		for _, n := range policyTargets(d) {
			if p.u.open(n.Str()) {
				return true
			}
		}
	}
	return false
}

// trimSuffixes takes away what follows a resource's name in policies: /* of a
// bucket's objects, -* and -?????? of a secret.
func trimSuffixes(arn string) string {
	for _, suffix := range []string{"/*", "-??????"} {
		if rest, ok := strings.CutSuffix(arn, suffix); ok {
			return rest
		}
	}
	return arn
}

// ownerRole is the role whose permissions a document is among.
func (d *document) ownerRole(r *run) placed {
	if d.owner == nil {
		return placed{}
	}
	if d.owner.Type == "AWS::IAM::Role" {
		return placed{d.unit, d.owner}
	}
	for _, n := range append(d.owner.Properties.Get("Roles").List(), d.owner.Properties.Get("RoleName").List()...) {
		for _, p := range r.index.roles {
			if p.u == d.unit && d.unit.refers(n, p.d) {
				return p
			}
		}
	}
	return placed{}
}

// concrete are a statement's actions that have no wildcard and are of the
// resource's service.
func (s *statement) concrete(arn string) []string {
	a, _ := splitARN(arn)
	service := a.service
	if service == "iam" {
		service = "sts"
	}
	var out []string
	for _, n := range s.actions {
		prefix, _, _ := strings.Cut(n.Str(), ":")
		if strings.EqualFold(prefix, service) && !strings.ContainsAny(n.Str(), "*?$") {
			out = append(out, n.Str())
		}
	}
	return out
}

// checkGrantee: a resource's policy names a role of the project, which isn't
// allowed any of it. Of trusts AX018 speaks.
func checkGrantee(r *run, s *statement) {
	u := s.doc.unit
	if u == nil || !s.allow || !s.doc.shared() || s.doc.owner == nil {
		return
	}
	for _, p := range s.trusted(r) {
		arns := s.within(s.targets(r))
		denied := len(arns) > 0
		var tried string
		for _, arn := range arns {
			actions := s.concrete(arn)
			denied = denied && len(actions) > 0
			for _, action := range actions {
				tried = action
				denied = denied && !r.identityAllows(p.placed, action, arn)
			}
		}
		if denied && tried != "" {
			r.inDoc(s.doc, p.node, "%s lets %s of account %s in, whose own policies don't allow %s on it", s.doc.label(), p.title(), p.u.account, tried)
		}
	}
}

// within are the ARNs that a statement speaks of inside of targets, such as a
// bucket's objects; the targets themselves where it says "*" or nothing.
func (s *statement) within(targets []string) []string {
	var out []string
	for _, n := range s.resources {
		text := evaluable(s.doc.unit.seal(n.Str()))
		if slices.ContainsFunc(targets, func(t string) bool { return strings.HasPrefix(text, t) }) {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return targets
	}
	return out
}

// targets are the ARNs of the resources that a resource policy is attached to,
// of a bucket its objects' too.
func (s *statement) targets(r *run) []string {
	u, owner := s.doc.unit, s.doc.owner
	if arn := u.arn(owner); arn != "" {
		return []string{evaluable(u.seal(arn))}
	}
	var out []string
	for _, n := range policyTargets(owner) {
		for _, d := range u.resources {
			if !u.refers(n, d) || u.arn(d) == "" || d == owner {
				continue
			}
			arn := evaluable(u.seal(u.arn(d)))
			out = append(out, arn)
			if d.Type == "AWS::S3::Bucket" {
				out = append(out, arn+"/x")
			}
		}
	}
	return out
}

func checkNoPolicies(r *run, s *statement) {
	if !s.allow || !s.doc.identity() || s.notRes != nil {
		return
	}
	for _, n := range s.resources {
		a, ok := splitARN(n.Str())
		name := policy.RolesOnly(a.service)
		if a.service == "iam" { // a role has its trust
			continue
		}
		if !ok || name == "" || a.account == "" || strings.ContainsAny(a.account, "*?") || a.account == "aws" || s.doc.own(a.account) {
			continue
		}
		if s.doc.account == "" && accountForm.MatchString(a.account) { // may be its own
			continue
		}
		r.inDoc(s.doc, n, "%s resources of account %s can't be reached from here", name, shown(a.account))
	}
}

func checkNeverAcross(r *run, s *statement) {
	p, ok := s.strangers()
	if !ok || !s.doc.shared() || p.text() == "*" {
		return
	}
	// An account beside the owner's own is the owner's way of writing it once.
	if slices.ContainsFunc(s.principals, func(q principal) bool { return q.kind == "AWS" && s.doc.own(q.account()) }) {
		return
	}
	for _, a := range s.actions {
		if !strings.ContainsAny(a.Str(), "*?$") && policy.OwnAccountOnly(a.Str()) {
			r.inDoc(s.doc, a, "%s from account %s has no effect", a.Str(), shown(p.account()))
		}
	}
}

func checkBareName(r *run, u *unit, d *template.Declared) {
	if u.account == "" {
		return
	}
	for _, v := range entries(d.Properties.Get("Environment", "Variables")) {
		text := v.Value.Str()
		if text == "" || strings.ContainsAny(text, ":/${<") || len(v.Value.Refs) > 0 && !v.Value.Known {
			continue
		}
		var elsewhere placed
		own := false
		for _, other := range r.index.named[text] {
			switch other.d.Type {
			case "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::SQS::Queue", "AWS::SNS::Topic":
				own = own || other.u.account == u.account
				elsewhere = other
			}
		}
		if elsewhere.u != nil && !own {
			r.inResource(d, v.Value, "%s is in account %s; by this name %s looks for it in %s", text, elsewhere.u.account, d.Name, u.account)
		}
	}
}

// dataActions are those by which data is read or written, of services whose
// resources have ARNs.
var dataActions = []string{"secretsmanager:GetSecretValue", "s3:GetObject", "s3:PutObject", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem",
	"sqs:ReceiveMessage", "sqs:SendMessage", "sns:Publish", "lambda:InvokeFunction", "ssm:GetParameter"}

func checkAnyData(r *run, s *statement) {
	n := s.anyResource()
	if n == nil || !s.allow || !s.doc.identity() || len(s.conditions) > 0 || s.does("iam:CreateUser") {
		return
	}
	for _, action := range dataActions {
		if s.does(action) {
			r.inDoc(s.doc, n, "%s may %s on everything that lets it, in any account", s.doc.label(), action)
			return
		}
	}
}

func checkSize(r *run, d *document) {
	limit := sizes[d.service]
	body := d.node.JSON()
	size := len(body)
	what := d.service + " policies"
	switch d.kind {
	case policy.TrustPolicy:
		limit, what = 2048, "trust policies (by default)"
	case policy.IdentityPolicy:
		limit, what = 10240, "a role's inline policies"
		if d.owner != nil && d.owner.Type == "AWS::IAM::ManagedPolicy" {
			limit, what = 6144, "managed policies"
		}
	case policy.ServiceControlPolicy, policy.ResourceControlPolicy:
		limit, what = 5120, "policies of an organization"
	case policy.ResourcePolicy:
		if d.service == "lambda" {
			what = "a function's policy"
		}
	default:
		return
	}
	if limit > 0 && size > limit {
		r.inDoc(d, nil, "%s has %d characters; %s have at most %d", d.label(), size, what, limit)
	}
}

func checkPartition(r *run, s *statement) {
	u := s.doc.unit
	partition := ""
	if u != nil {
		partition = u.world.Partition
	}
	region := s.doc.region
	switch {
	case partition != "":
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	case region != "":
		partition = "aws"
	default:
		return
	}
	for _, n := range s.values() {
		if a, ok := splitARN(n.Str()); ok && strings.HasPrefix(a.partition, "aws") && a.partition != partition {
			r.inDoc(s.doc, n, "%s is of partition %s; this goes to %s", n.Str(), a.partition, partition)
		}
	}
}

func checkTablePolicy(r *run, _ *unit, d *template.Declared) {
	if n := d.Properties.Get("ResourcePolicy"); n != nil {
		r.at(keyPos(d.Properties, "ResourcePolicy"), d.Name, "CloudFormation doesn't see when somebody changes the policy of %s", d.Name)
	}
}
