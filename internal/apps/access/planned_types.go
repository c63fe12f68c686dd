package access

import (
	"slices"
	"strings"

	"axle/internal/template"
)

// declaring are the resource types that are principals or have policies and
// keys of their own; attaching are those that say something of others.
var (
	declaring = map[string]func(*planner, *template.Declared){
		"AWS::IAM::Role":              takeRole,
		"AWS::IAM::User":              takeUser,
		"AWS::IAM::Group":             takeGroup,
		"AWS::IAM::ManagedPolicy":     takeManaged,
		"AWS::S3::Bucket":             takeBucket,
		"AWS::SQS::Queue":             takeEncrypted("KmsMasterKeyId"),
		"AWS::SNS::Topic":             takeEncrypted("KmsMasterKeyId"),
		"AWS::SecretsManager::Secret": takeSecret,
		"AWS::DynamoDB::Table":        takeTable,
		"AWS::KMS::Key":               takeKey,
		"AWS::Lambda::Function":       takeEncrypted(""),
		"AWS::Serverless::Function":   takeEncrypted(""),
		"AWS::SSM::Parameter":         takeEncrypted(""),
	}
	attaching = map[string]func(*planner, *template.Declared){
		"AWS::IAM::Policy":                    takePolicy,
		"AWS::IAM::RolePolicy":                takePolicy,
		"AWS::IAM::UserPolicy":                takePolicy,
		"AWS::IAM::GroupPolicy":               takePolicy,
		"AWS::IAM::ManagedPolicy":             takePolicy,
		"AWS::IAM::UserToGroupAddition":       takeMembers,
		"AWS::KMS::Alias":                     takeAlias,
		"AWS::S3::BucketPolicy":               policyOf("bucket policy", "Bucket", "arn:{p}:s3:::"),
		"AWS::SQS::QueuePolicy":               policyOf("policy of the queue", "Queues", "arn:{p}:sqs:{r}:{a}:"),
		"AWS::SNS::TopicPolicy":               policyOf("policy of the topic", "Topics", "arn:{p}:sns:{r}:{a}:"),
		"AWS::SecretsManager::ResourcePolicy": policyOf("resource policy", "SecretId", "arn:{p}:secretsmanager:{r}:{a}:secret:"),
		"AWS::Lambda::Permission":             takePermission,
	}
)

// principal is what roles and users have in common.
func (b *planner) principal(kind string, d *template.Declared) *Principal {
	p := &Principal{ARN: b.arns[d.Name], Planned: b.Name}
	who := kind + " " + p.name()
	for _, inline := range d.Properties.Get("Policies").List() {
		p.Policies = append(p.Policies, b.document(inlineName(who, b.Account, b.text(inline.Get("PolicyName"))), inline.Get("PolicyDocument")))
	}
	for _, n := range d.Properties.Get("ManagedPolicyArns").List() {
		arn := b.target(n, "")
		p.Policies = append(p.Policies, Document{Name: attachedName(who, b.Account, arn[strings.LastIndexByte(arn, '/')+1:]), ARN: arn})
	}
	if n := d.Properties.Get("PermissionsBoundary"); n != nil {
		arn := b.target(n, "")
		p.Boundary = &Document{Name: boundaryName(who, b.Account, arn), ARN: arn}
	}
	for _, tag := range d.Properties.Get("Tags").List() {
		if p.Tags == nil {
			p.Tags = map[string]string{}
		}
		p.Tags[b.text(tag.Get("Key"))] = b.text(tag.Get("Value"))
	}
	b.in.principals = slices.DeleteFunc(b.in.principals, func(have *Principal) bool { return have.ARN == p.ARN })
	b.in.principals = append(b.in.principals, p)
	return p
}

func takeRole(b *planner, d *template.Declared) {
	p := b.principal("role", d)
	trust := b.document(trustName("role "+p.name(), b.Account), d.Properties.Get("AssumeRolePolicyDocument"))
	p.Trust = &trust
}

func takeUser(b *planner, d *template.Declared) {
	p := b.principal("user", d)
	for _, g := range d.Properties.Get("Groups").List() {
		b.in.members[p.name()] = append(b.in.members[p.name()], b.text(g))
	}
}

func takeGroup(b *planner, d *template.Declared) {
	name := b.text(d.Properties.Get("GroupName"))
	if name == "" {
		name = b.clean("${" + d.Name + "}")
	}
	for _, inline := range d.Properties.Get("Policies").List() {
		doc := b.document(inlineName("group "+name, b.Account, b.text(inline.Get("PolicyName"))), inline.Get("PolicyDocument"))
		b.in.groups[name] = append(b.in.groups[name], doc)
	}
}

func takeManaged(b *planner, d *template.Declared) {
	b.in.managed[b.arns[d.Name]] = b.document("policy "+d.Name, d.Properties.Get("PolicyDocument"))
}

func takeMembers(b *planner, d *template.Declared) {
	group := b.text(d.Properties.Get("GroupName"))
	for _, u := range d.Properties.Get("Users").List() {
		b.in.members[b.text(u)] = append(b.in.members[b.text(u)], group)
	}
}

// takePolicy attaches a policy to the roles, users and groups that it names.
func takePolicy(b *planner, d *template.Declared) {
	name := b.text(d.Properties.Get("PolicyName"))
	naming := inlineName
	if d.Type == "AWS::IAM::ManagedPolicy" {
		arn := b.arns[d.Name]
		name, naming = arn[strings.LastIndexByte(arn, '/')+1:], attachedName
	}
	for _, x := range []struct{ kind, list, single string }{{"role", "Roles", "RoleName"}, {"user", "Users", "UserName"}, {"group", "Groups", "GroupName"}} {
		for _, n := range append(d.Properties.Get(x.list).List(), d.Properties.Get(x.single).List()...) {
			who := b.text(n)
			doc := b.document(naming(x.kind+" "+who, b.Account, name), d.Properties.Get("PolicyDocument"))
			b.in.attached = append(b.in.attached, attachment{x.kind, who, doc})
		}
	}
}

// keyOf is the key that a property names; nil when it names none.
func (b *planner) keyOf(n *template.Node) *Key {
	id := b.target(n, "")
	switch {
	case id == "":
		return nil
	case placeholder.MatchString(id):
		return &Key{ID: id, Unread: "it depends on " + strings.Join(placeholders(id), ", ") + ", which isn't known before the deploy"}
	}
	return encrypted(&id)
}

func takeEncrypted(property string) func(*planner, *template.Declared) {
	return func(b *planner, d *template.Declared) {
		r := b.resource(b.arns[d.Name])
		r.declared = true
		if property != "" {
			r.key = b.keyOf(d.Properties.Get(property))
		}
	}
}

func takeBucket(b *planner, d *template.Declared) {
	r := b.resource(b.arns[d.Name])
	r.declared = true
	for _, rule := range d.Properties.Get("BucketEncryption", "ServerSideEncryptionConfiguration").List() {
		by := rule.Get("ServerSideEncryptionByDefault")
		if algorithm := by.Get("SSEAlgorithm").Str(); algorithm == "" || algorithm == "AES256" {
			continue
		}
		if r.key = b.keyOf(by.Get("KMSMasterKeyID")); r.key == nil {
			r.key = &Key{Managed: true}
		}
	}
}

func takeSecret(b *planner, d *template.Declared) {
	r := b.resource(b.arns[d.Name])
	r.declared = true
	if r.key = b.keyOf(d.Properties.Get("KmsKeyId")); r.key == nil {
		r.key = &Key{Managed: true}
	}
}

func takeTable(b *planner, d *template.Declared) {
	r := b.resource(b.arns[d.Name])
	r.declared = true
	if n := d.Properties.Get("ResourcePolicy", "PolicyDocument"); n != nil {
		doc := b.document("resource policy of "+restOf(r.arn)+" in "+b.Account.Label(), n)
		r.policy = &doc
	}
	if sse := d.Properties.Get("SSESpecification"); sse.Get("SSEEnabled").Str() == "true" {
		if r.key = b.keyOf(sse.Get("KMSMasterKeyId")); r.key == nil {
			r.key = &Key{Managed: true}
		}
	}
}

func takeKey(b *planner, d *template.Declared) {
	r := b.resource(b.arns[d.Name])
	r.declared = true
	doc := Document{Name: "key policy of " + restOf(r.arn) + " in " + b.Account.Label(),
		Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:` + b.World.Partition + `:iam::` + b.Account.ID + `:root"},"Action":"kms:*","Resource":"*"}]}`}
	if n := d.Properties.Get("KeyPolicy"); n != nil {
		doc = b.document(doc.Name, n)
	}
	r.policy = &doc
}

func takeAlias(b *planner, d *template.Declared) {
	r := b.resource(b.arns[d.Name])
	r.alias = b.target(d.Properties.Get("TargetKeyId"), "arn:{p}:kms:{r}:{a}:key/")
}

// policyOf takes a policy that is a resource of its own.
func policyOf(what, property, prefix string) func(*planner, *template.Declared) {
	return func(b *planner, d *template.Declared) {
		for _, n := range d.Properties.Get(property).List() {
			arn := b.target(n, prefix)
			if arn == "" {
				continue
			}
			node := d.Properties.Get("PolicyDocument")
			if node == nil {
				node = d.Properties.Get("ResourcePolicy")
			}
			doc := b.document(what+" "+restOf(arn)+" in "+b.Account.Label(), node)
			b.resource(arn).policy = &doc
		}
	}
}

// takePermission is a statement of a function's policy.
func takePermission(b *planner, d *template.Declared) {
	arn := b.target(d.Properties.Get("FunctionName"), "arn:{p}:lambda:{r}:{a}:function:")
	who := b.text(d.Properties.Get("Principal"))
	principal := any(map[string]any{"AWS": who})
	switch {
	case who == "*":
		principal = "*"
	case strings.Contains(who, ".amazon"):
		principal = map[string]any{"Service": who}
	}
	condition := map[string]any{}
	for _, x := range []struct{ property, operator, key string }{{"SourceArn", "ArnLike", "AWS:SourceArn"},
		{"SourceAccount", "StringEquals", "AWS:SourceAccount"}, {"PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"}} {
		if v := b.text(d.Properties.Get(x.property)); v != "" {
			keys, _ := condition[x.operator].(map[string]any)
			if keys == nil {
				keys = map[string]any{}
			}
			keys[x.key] = v
			condition[x.operator] = keys
		}
	}
	s := map[string]any{"Sid": d.Name, "Effect": "Allow", "Principal": principal, "Action": b.text(d.Properties.Get("Action")), "Resource": arn}
	if len(condition) > 0 {
		s["Condition"] = condition
	}
	r := b.resource(arn)
	r.statements = append(r.statements, s)
}
