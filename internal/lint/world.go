package lint

import (
	"maps"
	"slices"
	"strings"

	"axle/internal/late"
	"axle/internal/template"
	"axle/policy"
)

// unit is a template in one place.
type unit struct {
	src             Source
	t               *template.Template
	world           template.World
	account, region string
	resources       []*template.Declared
	byName          map[string]*template.Declared
	docs            []*document
	docsOf          map[string][]*document // by logical id
	compiled        map[*document]*policy.Policy
	outputs         map[string]*template.Emitted
}

// placed is a resource in its unit.
type placed struct {
	u *unit
	d *template.Declared
}

// index finds resources of all units by what others call them.
type index struct {
	byARN   map[string]placed // sealed ARN, partition "*"
	roles   []placed
	exports map[string][]placed // export's name -> where it is made
	// attached are policies apart from their roles, see attach.
	attached    map[string][]*document
	identities  map[placed]*permissions
	roleARNs    []arn                   // of roles, in their order
	reach       map[*statement][]placed // what statement.reach has found
	named       map[string][]placed     // by the name that a template gives
	permissions map[string][]placed     // AWS::Lambda::Permission by account
	stacks      map[string]string       // stack's name in axle.yaml -> in CloudFormation
}

// load resolves the sources, finds the policies and makes the index.
func (r *run) load() {
	r.byID = map[string]*unit{}
	r.index = &index{byARN: map[string]placed{}, exports: map[string][]placed{}, identities: map[placed]*permissions{}, reach: map[*statement][]placed{},
		named: map[string][]placed{}, permissions: map[string][]placed{}, stacks: map[string]string{}}
	for _, src := range r.in.Sources {
		u := &unit{src: src, t: src.Template, world: src.World, account: src.World.Account, region: src.World.Region,
			byName: map[string]*template.Declared{}, docsOf: map[string][]*document{}, compiled: map[*document]*policy.Policy{}, outputs: map[string]*template.Emitted{}}
		r.wire(u)
		r.resolve(u)
		for _, d := range u.resources {
			r.index.add(u, d)
			docs := u.documentsOf(d)
			u.docsOf[d.Name] = docs
			u.docs = append(u.docs, docs...)
		}
		u.markBoundaries()
		r.docs = append(r.docs, u.docs...)
		r.units = append(r.units, u)
		r.index.stacks[src.Name] = u.world.Stack
		if src.ID != "" {
			r.byID[src.ID] = u
		}
	}
	r.attach()
	for _, d := range r.in.Docs {
		n, err := readNode(d.File, d.Body)
		if err != nil {
			continue // Policies reports it
		}
		doc := &document{kind: d.Kind, name: d.Name, account: d.Account, region: d.Region, service: d.Service, resource: d.Resource, live: d.Live, node: n}
		doc.build()
		if doc.service == "" && doc.kind == policy.ResourcePolicy {
			doc.service = doc.serviceOf()
		}
		r.docs = append(r.docs, doc)
	}
}

// resolve works out the resources and outputs of a unit, as far as its place and
// its parameters say them.
func (r *run) resolve(u *unit) {
	u.resources = u.t.Resolve(u.world)
	for _, e := range u.t.ResolveOutputs(u.world) {
		u.outputs[e.Name] = e
		if name := e.ExportName.Str(); name != "" {
			r.index.exports[name] = append(r.index.exports[name], placed{u: u})
		}
	}
	for _, d := range u.resources {
		u.byName[d.Name] = d
	}
}

// add makes a resource known by what others call it.
func (x *index) add(u *unit, d *template.Declared) {
	here := placed{u, d}
	if arn := u.arn(d); arn != "" {
		x.byARN[u.seal(arn)] = here
		// Others name a secret without the suffix that AWS gives it.
		if bare, ok := strings.CutSuffix(arn, "-${"+d.Name+"}"); ok && d.Type == "AWS::SecretsManager::Secret" {
			x.byARN[u.seal(bare)] = here
		}
	}
	if n := given(d).Str(); n != "" {
		x.named[u.name(d)] = append(x.named[u.name(d)], here)
		if n != u.name(d) {
			x.named[n] = append(x.named[n], here)
		}
	}
	switch d.Type {
	case "AWS::IAM::Role":
		a, _ := splitARN(u.seal(u.arn(d)))
		x.roles = append(x.roles, here)
		x.roleARNs = append(x.roleARNs, a)
	case "AWS::Lambda::Permission":
		x.permissions[u.account] = append(x.permissions[u.account], here)
	}
}

// markBoundaries finds the managed policies that are permissions boundaries of
// the template's roles and users: they allow nothing.
func (u *unit) markBoundaries() {
	for _, d := range u.resources {
		n := d.Properties.Get("PermissionsBoundary")
		if n == nil {
			continue
		}
		for _, p := range u.resources {
			if p.Type != "AWS::IAM::ManagedPolicy" || !u.refers(n, p) && !u.refers(n.Else, p) {
				continue
			}
			for _, doc := range u.docsOf[p.Name] {
				doc.kind = policy.BoundaryPolicy
			}
		}
	}
}

// wire gives a unit the parameters that are outputs of other units.
func (r *run) wire(u *unit) {
	if len(u.src.Wired) == 0 {
		return
	}
	params := maps.Clone(u.world.Parameters)
	if params == nil {
		params = map[string]string{}
	}
	for name, w := range u.src.Wired {
		from := r.byID[w.Source]
		if from == nil || from.outputs[w.Output] == nil {
			continue
		}
		if text := from.outputs[w.Output].Value.Str(); text != "" {
			params[name] = from.sealText(text)
		}
	}
	u.world.Parameters = params
}

// named are the properties that give a resource its name.
var named = map[string]string{
	"AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::SNS::Topic": "TopicName",
	"AWS::SQS::Queue": "QueueName", "AWS::Lambda::Function": "FunctionName", "AWS::Serverless::Function": "FunctionName",
	"AWS::SecretsManager::Secret": "Name", "AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName", "AWS::KMS::Key": "",
	"AWS::IAM::OIDCProvider": "Url", "AWS::KMS::Alias": "AliasName", "AWS::IAM::Group": "GroupName", "AWS::IAM::InstanceProfile": "InstanceProfileName",
	"AWS::ECR::Repository": "RepositoryName", "AWS::Events::EventBus": "Name", "AWS::CodePipeline::Pipeline": "Name",
	"AWS::Logs::LogGroup": "LogGroupName", "AWS::StepFunctions::StateMachine": "StateMachineName", "AWS::SSM::Parameter": "Name",
}

// arnForms are the ARNs of the types that join with others.
var arnForms = map[string]string{
	"AWS::IAM::Role": "iam::{a}:role{path}{n}", "AWS::IAM::User": "iam::{a}:user{path}{n}", "AWS::IAM::ManagedPolicy": "iam::{a}:policy{path}{n}",
	"AWS::SNS::Topic": "sns:{r}:{a}:{n}", "AWS::SQS::Queue": "sqs:{r}:{a}:{n}", "AWS::Lambda::Function": "lambda:{r}:{a}:function:{n}",
	"AWS::Serverless::Function": "lambda:{r}:{a}:function:{n}", "AWS::SecretsManager::Secret": "secretsmanager:{r}:{a}:secret:{n}",
	"AWS::DynamoDB::Table": "dynamodb:{r}:{a}:table/{n}", "AWS::S3::Bucket": "s3:::{n}", "AWS::KMS::Key": "kms:{r}:{a}:key/{n}",
	"AWS::IAM::OIDCProvider": "iam::{a}:oidc-provider/{n}", "AWS::ECR::Repository": "ecr:{r}:{a}:repository/{n}", "AWS::Events::EventBus": "events:{r}:{a}:event-bus/{n}",
}

// given is the name that a template gives a resource, or nil.
func given(d *template.Declared) *template.Node {
	if p := named[d.Type]; p != "" {
		return d.Properties.Get(p)
	}
	return nil
}

// name is what a resource is called, ${LogicalId} when AWS chooses.
func (u *unit) name(d *template.Declared) string {
	text := given(d).Str()
	generated := "${" + d.Name + "}"
	switch {
	case text == "":
		return generated
	case d.Type == "AWS::SecretsManager::Secret":
		return text + "-" + generated
	case d.Type == "AWS::IAM::OIDCProvider":
		return strings.TrimPrefix(text, "https://")
	}
	return text
}

// arn is a resource's ARN with ${...} for what isn't known; "" for types that
// nothing joins with. The partition is "*".
func (u *unit) arn(d *template.Declared) string {
	form := arnForms[d.Type]
	if form == "" {
		return ""
	}
	path := d.Properties.Get("Path").Str()
	if path == "" {
		path = "/"
	}
	account, region := u.account, u.region
	if account == "" {
		account = "${AWS::AccountId}"
	}
	if region == "" {
		region = "${AWS::Region}"
	}
	return "arn:*:" + strings.NewReplacer("{a}", account, "{r}", region, "{n}", u.name(d), "{path}", path).Replace(form)
}

var unresolved = late.MustCompile(`\$\{([^{}]*)\}`)

// policyVariable says whether ${...} is IAM's own and not the template's.
func policyVariable(name string) bool {
	if name == "*" || name == "?" || name == "$" {
		return true
	}
	prefix, _, ok := strings.Cut(name, ":")
	return ok && !strings.Contains(name, "::") && prefix == strings.ToLower(prefix)
}

// sealText replaces what a template doesn't know by names that are the same in
// all templates of the project, such as <app.Topic>.
func (u *unit) sealText(s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	return unresolved.ReplaceAllStringFunc(s, func(m string) string {
		name := m[2 : len(m)-1]
		switch {
		case policyVariable(name):
			return m
		case name == "AWS::Partition":
			return "aws"
		case name == "AWS::AccountId" && u.account != "":
			return u.account
		case name == "AWS::Region" && u.region != "":
			return u.region
		}
		stack := u.src.Name
		if stack == "" {
			stack = u.t.File
		}
		return "<" + strings.ReplaceAll(stack, ":", ";") + "." + strings.ReplaceAll(name, "::", "-") + ">"
	})
}

// seal is sealText of an ARN, without its partition.
func (u *unit) seal(s string) string {
	s = u.sealText(s)
	if a, ok := splitARN(s); ok {
		return "arn:*:" + a.service + ":" + a.region + ":" + a.account + ":" + a.resource
	}
	return s
}

// find is the resource that a text of the unit names, of any unit.
func (r *run) find(u *unit, text string) (placed, bool) {
	if text == "" {
		return placed{}, false
	}
	p, ok := r.index.byARN[u.seal(text)]
	return p, ok
}

// open says whether a text depends on what isn't known: a parameter, an import,
// an attribute of a type that isn't in the table.
func (u *unit) open(text string) bool {
	for _, m := range unresolved.FindAllStringSubmatch(text, -1) {
		if policyVariable(m[1]) || m[1] == "AWS::Partition" || m[1] == "AWS::AccountId" || m[1] == "AWS::Region" || u.byName[m[1]] != nil {
			continue
		}
		return true
	}
	return strings.Contains(text, "{{resolve:")
}

// vague says whether a document has parts that aren't known and could decide.
func (u *unit) vague(d *document) bool {
	for _, s := range d.statements {
		for _, n := range slices.Concat(s.actions, s.resources) {
			if u.open(n.Str()) || n.Kind != template.ScalarNode {
				return true
			}
		}
		for _, p := range s.principals {
			if u.open(p.text()) {
				return true
			}
		}
	}
	return false
}

// attached are the documents that are policies of a resource, by the property
// that names it.
func (r *run) attached(p placed) []*document {
	var out []*document
	for _, d := range p.u.docsOf[p.d.Name] {
		if d.kind == policy.ResourcePolicy || d.kind == policy.TrustPolicy {
			out = append(out, d)
		}
	}
	for _, d := range p.u.resources {
		for _, n := range policyTargets(d) {
			if p.u.refers(n, p.d) {
				out = append(out, p.u.docsOf[d.Name]...)
			}
		}
	}
	return out
}

// policyTargets are the nodes by which a policy resource names what it is for.
func policyTargets(d *template.Declared) []*template.Node {
	switch d.Type {
	case "AWS::SNS::TopicPolicy":
		return d.Properties.Get("Topics").List()
	case "AWS::SNS::TopicInlinePolicy":
		return d.Properties.Get("TopicArn").List()
	case "AWS::SQS::QueuePolicy":
		return d.Properties.Get("Queues").List()
	case "AWS::SQS::QueueInlinePolicy":
		return d.Properties.Get("Queue").List()
	case "AWS::S3::BucketPolicy":
		return d.Properties.Get("Bucket").List()
	case "AWS::SecretsManager::ResourcePolicy":
		return d.Properties.Get("SecretId").List()
	}
	return nil
}

// refers says whether a value names a resource of the unit: by Ref, GetAtt, its
// name or its ARN.
func (u *unit) refers(n *template.Node, d *template.Declared) bool {
	if n == nil {
		return false
	}
	for _, ref := range n.Refs {
		if ref.Name == d.Name {
			return true
		}
	}
	text := n.Str()
	return text != "" && (text == "${"+d.Name+"}" || text == u.name(d) || u.seal(text) == u.seal(u.arn(d)))
}
