package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
	"axle/policy"
)

func kmsRules() []Rule {
	return []Rule{
		{ID: "AX040", Severity: Error, Where: "T", Title: "Shared, and encrypted with the AWS-managed key",
			Why:   "The policy of an AWS-managed key can't be changed, so no other account can decrypt.",
			Fix:   "Make a KMS key whose policy lets the other account use it, and name it here.",
			check: eachUnit(checkManagedKey)},
		{ID: "AX041", Severity: Error, Where: "TP", Title: "The key doesn't let in whom the resource does",
			Why:   "Reading what is encrypted needs kms:Decrypt (writing kms:GenerateDataKey) from the key's policy as well.",
			Fix:   "Allow the same principals kms:Decrypt in the key's policy, by kms:ViaService.",
			check: checkKeyConsumers(true)},
		{ID: "AX042", Severity: Error, Where: "TL", Title: "A key by its alias",
			Why:   "An alias in Resource doesn't grant use of its key, and an alias of another account can't be resolved.",
			Fix:   "Name the key's ARN, or all keys of the account with a condition on kms:ResourceAliases.",
			check: checks(eachStatement(checkAlias), eachUnit(checkForeignAlias))},
		{ID: "AX055", Severity: Error, Where: "TL", Title: "The owner has no way into its own key",
			Why:   "Without a statement for its own account nobody can change the policy any more, but AWS support.",
			Fix:   "Allow kms:* to arn:${AWS::Partition}:iam::${AWS::AccountId}:root.",
			check: checks(eachDocument(checkLockOut), eachResource(checkBypass, "AWS::KMS::Key", "AWS::KMS::ReplicaKey"))},
		{ID: "AX082", Severity: Error, Where: "P", Title: "The key of another stack doesn't know the consumer",
			Why:   "The secret can be read, but not decrypted.",
			Fix:   "Add the consumer to the key's policy in its own stack, and deploy that first.",
			check: checkKeyConsumers(false)},
		{ID: "AX083", Severity: Warning, Where: "TL", Title: "kms:Decrypt with every key",
			Why:   "It decrypts whatever any key that trusts this account has encrypted, in any account.",
			Fix:   "Name the keys, or demand kms:ViaService and kms:ResourceAliases.",
			check: eachStatement(checkDecryptAll)},
	}
}

// encrypted says where a type names its key; managed is the alias of AWS's own.
// Where no key means AWS's own key, none is true.
var encrypted = map[string]struct {
	key     []string
	managed string
	none    bool
}{
	"AWS::SecretsManager::Secret": {[]string{"KmsKeyId"}, "alias/aws/secretsmanager", true},
	"AWS::SNS::Topic":             {[]string{"KmsMasterKeyId"}, "alias/aws/sns", false},
	"AWS::SQS::Queue":             {[]string{"KmsMasterKeyId"}, "alias/aws/sqs", false},
	"AWS::DynamoDB::Table":        {[]string{"SSESpecification", "KMSMasterKeyId"}, "alias/aws/dynamodb", false},
	"AWS::SSM::Parameter":         {[]string{"KeyId"}, "alias/aws/ssm", false},
}

// keyOf is the node that names a resource's key; a bucket's is deeper.
func keyOf(d *template.Declared) *template.Node {
	if d.Type == "AWS::S3::Bucket" {
		rules := d.Properties.Get("BucketEncryption", "ServerSideEncryptionConfiguration").List()
		if len(rules) > 0 {
			return rules[0].Get("ServerSideEncryptionByDefault", "KMSMasterKeyID")
		}
		return nil
	}
	return d.Properties.Get(encrypted[d.Type].key...)
}

// managedKey says whether a resource is encrypted with AWS's own key.
func managedKey(d *template.Declared) bool {
	e, key := encrypted[d.Type], keyOf(d)
	text := key.Str()
	switch {
	case strings.Contains(text, "alias/aws/"):
		return true
	case key != nil:
		return false
	case d.Type == "AWS::DynamoDB::Table":
		sse := d.Properties.Get("SSESpecification")
		return sse.Get("SSEEnabled").Str() == "true"
	case d.Type == "AWS::S3::Bucket":
		for _, rule := range d.Properties.Get("BucketEncryption", "ServerSideEncryptionConfiguration").List() {
			if strings.HasPrefix(rule.Get("ServerSideEncryptionByDefault", "SSEAlgorithm").Str(), "aws:kms") {
				return true
			}
		}
	}
	return e.none
}

func checkManagedKey(r *run, u *unit) {
	for _, d := range u.resources {
		if _, ok := encrypted[d.Type]; !ok && d.Type != "AWS::S3::Bucket" || !managedKey(d) {
			continue
		}
		for _, doc := range r.attached(placed{u, d}) {
			for _, s := range doc.statements {
				if p, ok := s.strangers(); ok && s.usesKey() && !(p.text() == "*" && s.guarded("aws:principalaccount", "aws:principalarn")) {
					r.inResource(d, keyOf(d), "%s is shared with %s, but encrypted with the AWS-managed key", d.Name, strangerName(p))
				}
			}
		}
	}
}

func strangerName(p principal) string {
	if p.text() == "*" {
		return "other accounts"
	}
	return "account " + shown(p.account())
}

// checkKeyConsumers compares who may read a resource with who may use its key;
// same: both are in one template.
func checkKeyConsumers(same bool) func(*run) {
	return eachResource(func(r *run, u *unit, d *template.Declared) {
		key := keyOf(d)
		if key == nil {
			return
		}
		k, ok := r.findKey(u, key)
		if !ok || same != (k.u == u) {
			return
		}
		arn := evaluable(k.u.seal(k.u.arn(k.d)))
		for _, doc := range r.attached(placed{u, d}) {
			for _, s := range doc.statements {
				for _, p := range s.consumers() {
					if r.keyDenies(k, p, u, arn) {
						r.inDoc(doc, p.node, "%s lets %s in, but the policy of its key %s doesn't allow it kms:Decrypt", doc.label(), pretty(u.sealText(p.text())), k.d.Name)
					}
				}
			}
		}
	}, "AWS::SecretsManager::Secret", "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket")
}

// consumers are the principals of other accounts that a statement lets read.
func (s *statement) consumers() []principal {
	if !s.allow {
		return nil
	}
	reads := s.usesKey()
	var out []principal
	for _, p := range s.principals {
		if reads && p.kind == "AWS" && p.text() != "*" && s.doc.foreign(p.account()) {
			out = append(out, p)
		}
	}
	return out
}

// keyed are the actions that need the resource's key as well. To subscribe to a
// topic, or to look at what there is, needs none.
var keyed = []string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "s3:GetObject", "s3:PutObject", "sqs:ReceiveMessage", "sqs:SendMessage", "sns:Publish",
	"dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PutItem"}

func (s *statement) usesKey() bool { return slices.ContainsFunc(keyed, s.does) }

// findKey is the key that a property names: by Ref, ARN, or an alias of the
// same template.
func (r *run) findKey(u *unit, n *template.Node) (placed, bool) {
	if p, ok := r.find(u, n.Str()); ok && p.d.Type == "AWS::KMS::Key" {
		return p, true
	}
	for _, d := range u.resources {
		if d.Type == "AWS::KMS::Key" && u.refers(n, d) {
			return placed{u, d}, true
		}
		if d.Type == "AWS::KMS::Alias" && (u.refers(n, d) || n.Str() == d.Properties.Get("AliasName").Str()) && n.Str() != "" {
			return r.findKey(u, d.Properties.Get("TargetKeyId"))
		}
	}
	// A key's id given by another stack.
	for _, other := range r.units {
		for _, d := range other.resources {
			if d.Type == "AWS::KMS::Key" && u.sealText(n.Str()) == other.sealText("${"+d.Name+"}") {
				return placed{other, d}, true
			}
		}
	}
	return placed{}, false
}

// keyDenies says whether a key's policy surely doesn't let a principal decrypt.
func (r *run) keyDenies(k placed, p principal, u *unit, arn string) bool {
	docs := k.u.docsOf[k.d.Name]
	if len(docs) == 0 {
		return k.u.account != "" || k.u == u // no KeyPolicy: the owner's account only
	}
	who := policy.ParsePrincipal(evaluable(u.sealText(p.text())))
	if accountForm.MatchString(p.text()) {
		who = policy.ParsePrincipal("arn:aws:iam::" + p.text() + ":root")
	}
	if strings.ContainsAny(who.ARN, "<$") && docs[0].mentions(p, u) {
		return false
	}
	return !slices.ContainsFunc(docs, func(d *document) bool { return d.mentions(p, u) || r.resourceAllows(d, who, "kms:Decrypt", arn, nil) })
}

// mentions says whether a key policy allows kms:Decrypt to a principal by the
// same text, or to its whole account.
func (d *document) mentions(p principal, u *unit) bool {
	for _, s := range d.statements {
		if !s.allow || !s.does("kms:Decrypt") {
			continue
		}
		for _, q := range s.principals {
			if q.kind == "AWS" && (q.text() == "*" || d.unit.sealText(q.text()) == u.sealText(p.text()) || q.wholeAccount() && d.unit.sealText(q.account()) == u.sealText(p.account())) {
				return true
			}
		}
	}
	return false
}

func checkAlias(r *run, s *statement) {
	uses := slices.ContainsFunc(s.actions, func(a *template.Node) bool {
		service, action, _ := strings.Cut(strings.ToLower(a.Str()), ":")
		return service == "kms" && !strings.Contains(action, "alias") && action != "*"
	})
	if !uses || !s.doc.identity() {
		return
	}
	for _, n := range s.resources {
		if a, ok := splitARN(n.Str()); ok && a.service == "kms" && strings.HasPrefix(a.resource, "alias/") || strings.HasPrefix(n.Str(), "alias/") {
			r.inDoc(s.doc, n, "%s names a key by its alias %s", s.doc.label(), n.Str())
		}
	}
}

// checkForeignAlias: a resource encrypted by an alias of another account.
func checkForeignAlias(r *run, u *unit) {
	for _, d := range u.resources {
		if _, ok := encrypted[d.Type]; !ok && d.Type != "AWS::S3::Bucket" {
			continue
		}
		n := keyOf(d)
		a, ok := splitARN(n.Str())
		if !ok || !strings.HasPrefix(a.resource, "alias/") || strings.HasPrefix(a.resource, "alias/aws/") {
			continue
		}
		if a.account != u.account && a.account != "${AWS::AccountId}" && !(u.account == "" && accountForm.MatchString(a.account)) {
			r.inResource(d, n, "%s is encrypted by an alias of account %s", d.Name, shown(a.account))
		}
	}
}

func checkLockOut(r *run, d *document) {
	if !d.key() || len(d.statements) == 0 {
		return
	}
	var named *statement
	for _, s := range d.statements {
		if !s.allow || !s.does("kms:PutKeyPolicy") {
			continue
		}
		for _, p := range s.principals {
			// Without an account of our own, any literal account may be it.
			account := p.account()
			unsure := d.account == "" && accountForm.MatchString(account) || strings.HasPrefix(account, "${")
			if p.kind == "AWS" && (p.text() == "*" || p.wholeAccount() && d.own(account) || unsure) {
				return
			}
			if p.kind == "AWS" && d.own(account) {
				named = s
			}
		}
		if s.notPrinc != nil || len(s.principals) == 0 {
			return // not known
		}
	}
	if named != nil {
		r.inDoc(d, named.node.Get("Principal"), "%s is in the hands of named roles: without them nobody can change it", d.label()).Severity = Advice
		return
	}
	r.inDoc(d, nil, "%s lets nobody of its own account change it", d.label())
}

func checkBypass(r *run, _ *unit, d *template.Declared) {
	if n := d.Properties.Get("BypassPolicyLockoutSafetyCheck"); n.Str() == "true" {
		f := r.inResource(d, n, "%s tells KMS not to check that the key stays within reach", d.Name)
		f.Severity = Warning
	}
}

func checkDecryptAll(r *run, s *statement) {
	n := s.anyResource()
	if n == nil {
		for _, res := range s.resources {
			if a, ok := splitARN(res.Str()); ok && a.service == "kms" && strings.Contains(a.account, "*") && s.notRes == nil {
				n = res
			}
		}
	}
	if n == nil || !s.allow || !s.doc.identity() || !s.does("kms:Decrypt") || s.does("iam:CreateUser") || s.guarded("kms:viaservice", "kms:resourcealiases", "kms:requestalias", "aws:resourceaccount", "aws:resourceorgid", "aws:resourcetag/", "kms:calleraccount") {
		return
	}
	r.inDoc(s.doc, n, "%s may decrypt with every key that lets it", s.doc.label())
}
