package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/template"
)

// Planned are the principals and resources that templates declare, by account.
// They take the place of those with the same ARN, and policies that templates
// attach to what exists are added to it.
type Planned struct {
	accounts  map[string]*plannedAccount
	resources map[string]*plannedResource // by account and ARN
}

type plannedAccount struct {
	account    axle.Account
	principals []*Principal
	groups     map[string][]Document // by name
	members    map[string][]string   // groups by user
	managed    map[string]Document   // by ARN
	attached   []attachment
}

// attachment is a policy that is attached by its own resource.
type attachment struct {
	kind, name string // role, user or group
	doc        Document
}

// plannedResource is what templates say of a resource: that it is there, its
// policy, the key that encrypts it.
type plannedResource struct {
	arn, account string
	declared     bool
	policy       *Document
	statements   []any // of permissions that are resources of their own
	key          *Key
	alias        string // it is an alias of this key
	tags         map[string]string
}

// NewPlanned has nothing planned.
func NewPlanned() *Planned {
	return &Planned{accounts: map[string]*plannedAccount{}, resources: map[string]*plannedResource{}}
}

// Stack is one stack as it will be.
type Stack struct {
	Name     string
	Account  axle.Account
	World    template.World
	Declared []*template.Declared
}

// Generated puts names in the place of those that CloudFormation will make up,
// ${LogicalId}, so that what refers to one another still does.
func (s *Stack) Generated() func(string) string {
	pairs := make([]string, 0, 2*len(s.Declared))
	for _, d := range s.Declared {
		name := s.Name + "-" + d.Name + "-generated"
		if d.Type == "AWS::SecretsManager::Secret" {
			name = "xxxxxx" // the end of a secret's ARN, as policies allow for it
		}
		pairs = append(pairs, "${"+d.Name+"}", name)
	}
	return strings.NewReplacer(pairs...).Replace
}

func (p *Planned) of(a axle.Account) *plannedAccount {
	if p.accounts[a.ID] == nil {
		p.accounts[a.ID] = &plannedAccount{account: a, groups: map[string][]Document{}, members: map[string][]string{}, managed: map[string]Document{}}
	}
	return p.accounts[a.ID]
}

// Add takes over what a stack declares.
func (p *Planned) Add(s Stack) {
	b := &planner{Planned: p, Stack: &s, clean: s.Generated(), in: p.of(s.Account), arns: map[string]string{}}
	for _, d := range s.Declared { // what others refer to comes first
		b.arns[d.Name] = b.arnOf(d)
		if take := declaring[d.Type]; take != nil {
			take(b, d)
		}
	}
	for _, d := range s.Declared {
		if take := attaching[d.Type]; take != nil {
			take(b, d)
		}
	}
}

// planner reads the resources of one stack.
type planner struct {
	*Planned
	*Stack
	clean func(string) string
	in    *plannedAccount
	arns  map[string]string // by logical id
}

func (b *planner) text(n *template.Node) string { return b.clean(n.Str()) }

// document makes a policy of a template's value.
func (b *planner) document(name string, n *template.Node) Document {
	d := Document{Name: name + ", in stack " + b.Name}
	if n == nil {
		d.Unread = "the template doesn't have it"
		return d
	}
	if d.Text = b.clean(string(n.JSON())); n.Kind == template.ScalarNode {
		d.Text = b.text(n)
	}
	d.Vague = placeholders(d.Text)
	if undecided(n) {
		d.Text, d.Vague, d.Unread = "", nil, "it depends on a condition that isn't known before the deploy"
	}
	return d
}

// undecided says whether a condition that isn't known decides on a part of the
// value; placeholders in texts are another matter.
func undecided(n *template.Node) bool {
	if n == nil || n.Known {
		return false
	}
	children := slices.Clone(n.Items)
	for _, k := range n.Keys {
		children = append(children, k.Value)
	}
	unknown := false
	for _, c := range children {
		unknown = unknown || c != nil && !c.Known
		if undecided(c) {
			return true
		}
	}
	return n.Else != nil || len(children) > 0 && !unknown
}

// arnOf is the ARN of a declared resource of the types that matter here.
func (b *planner) arnOf(d *template.Declared) string {
	type form struct{ property, arn string }
	forms := map[string]form{
		"AWS::IAM::Role":              {"RoleName", "arn:{p}:iam::{a}:role{path}{n}"},
		"AWS::IAM::User":              {"UserName", "arn:{p}:iam::{a}:user{path}{n}"},
		"AWS::IAM::ManagedPolicy":     {"ManagedPolicyName", "arn:{p}:iam::{a}:policy{path}{n}"},
		"AWS::S3::Bucket":             {"BucketName", "arn:{p}:s3:::{n}"},
		"AWS::SQS::Queue":             {"QueueName", "arn:{p}:sqs:{r}:{a}:{n}"},
		"AWS::SNS::Topic":             {"TopicName", "arn:{p}:sns:{r}:{a}:{n}"},
		"AWS::KMS::Key":               {"", "arn:{p}:kms:{r}:{a}:key/{n}"},
		"AWS::KMS::Alias":             {"AliasName", "arn:{p}:kms:{r}:{a}:{n}"},
		"AWS::SecretsManager::Secret": {"Name", "arn:{p}:secretsmanager:{r}:{a}:secret:{n}"},
		"AWS::DynamoDB::Table":        {"TableName", "arn:{p}:dynamodb:{r}:{a}:table/{n}"},
		"AWS::Lambda::Function":       {"FunctionName", "arn:{p}:lambda:{r}:{a}:function:{n}"},
		"AWS::Serverless::Function":   {"FunctionName", "arn:{p}:lambda:{r}:{a}:function:{n}"},
		"AWS::SSM::Parameter":         {"Name", "arn:{p}:ssm:{r}:{a}:parameter/{n}"},
	}
	f, ok := forms[d.Type]
	if !ok {
		return ""
	}
	name := d.Properties.Get(f.property).Str()
	switch {
	case name == "":
		name = "${" + d.Name + "}"
	case d.Type == "AWS::SecretsManager::Secret":
		name += "-${" + d.Name + "}"
	case d.Type == "AWS::SSM::Parameter":
		name = strings.TrimPrefix(name, "/")
	}
	path := d.Properties.Get("Path").Str()
	if path == "" {
		path = "/"
	}
	arn := strings.NewReplacer("{p}", b.World.Partition, "{r}", b.World.Region, "{a}", b.Account.ID, "{n}", name, "{path}", path).Replace(f.arn)
	return b.clean(arn)
}

// target is the ARN of the resource that a property refers to: by Ref or
// Fn::GetAtt to a resource of the stack, by ARN, or by name.
func (b *planner) target(n *template.Node, prefix string) string {
	if n != nil {
		for _, ref := range n.Refs {
			if arn := b.arns[ref.Name]; arn != "" && len(n.Refs) == 1 {
				return arn
			}
		}
	}
	text := b.text(n)
	if text == "" || strings.HasPrefix(text, "arn:") {
		return text
	}
	return strings.NewReplacer("{p}", b.World.Partition, "{r}", b.World.Region, "{a}", b.Account.ID).Replace(prefix) + text
}

func (b *planner) resource(arn string) *plannedResource {
	key := b.Account.ID + " " + arn
	if b.resources[key] == nil {
		b.resources[key] = &plannedResource{arn: arn, account: b.Account.ID}
	}
	return b.resources[key]
}

// find is what is planned of a resource; objects are in buckets, indexes in
// tables, and a secret may be given without the end of its ARN.
func (p *Planned) find(arn, account string) *plannedResource {
	if r := p.resources[account+" "+arn]; r != nil {
		return r
	}
	base := arn
	switch serviceOf(arn) {
	case "s3":
		base, _, _ = strings.Cut(arn, "/")
	case "dynamodb":
		base, _, _ = strings.Cut(arn, "/index/")
	case "secretsmanager":
		base += "-xxxxxx"
	}
	return p.resources[account+" "+base]
}

// owner is the account of a resource whose ARN doesn't say it.
func (p *Planned) owner(arn string) string {
	for _, id := range slices.Sorted(maps.Keys(p.accounts)) {
		if r := p.find(arn, id); r != nil && r.declared {
			return id
		}
	}
	return ""
}

// overResource puts what is planned over what is there.
func (p *Planned) overResource(arn, account string, live *Resource, err error) (*Resource, error) {
	planned := p.find(arn, account)
	if planned == nil {
		return live, err
	}
	if planned.alias != "" {
		target := p.resources[account+" "+planned.alias]
		if target == nil {
			return live, err
		}
		planned, arn = target, target.arn
	}
	if live == nil {
		if !errors.Is(err, ErrNotFound) && planned.policy == nil && !planned.declared {
			return nil, err
		}
		live = &Resource{ARN: arn}
		if serviceOf(arn) == "secretsmanager" {
			live.ARN = planned.arn
		}
	}
	out := *live
	if planned.policy != nil {
		out.Policy = planned.policy
	}
	if len(planned.statements) > 0 {
		out.Policy = withStatements(out.Policy, arn, planned.statements)
	}
	if planned.declared {
		out.Key, out.Tags = planned.key, planned.tags
	}
	return &out, nil
}

func withStatements(d *Document, arn string, more []any) *Document {
	out := Document{Name: "policy of " + arn}
	all := []any{}
	if d != nil {
		if d.Unread != "" {
			return d
		}
		out.Name = d.Name
		for _, s := range statements(d.Text) {
			all = append(all, s)
		}
	}
	body, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": append(all, more...)})
	if err != nil {
		out.Unread = err.Error()
		return &out
	}
	out.Text = string(body)
	out.Vague = placeholders(out.Text)
	return &out
}

// over puts what is planned in an account over who is there.
func (p *Planned) over(live *Account) *Account {
	in := p.accounts[live.ID]
	if in == nil {
		return live
	}
	out := &Account{ID: live.ID}
	for _, have := range live.Principals {
		if !slices.ContainsFunc(in.principals, func(n *Principal) bool { return n.ARN == have.ARN }) {
			kept := *have
			kept.Policies = slices.Clone(have.Policies)
			out.Principals = append(out.Principals, &kept)
		}
	}
	for _, planned := range in.principals {
		n := *planned
		n.Policies = nil
		for _, d := range planned.Policies {
			n.Policies = append(n.Policies, in.resolve(d))
		}
		if n.Boundary != nil {
			d := in.resolve(*n.Boundary)
			n.Boundary = &d
		}
		for _, group := range in.members[n.name()] {
			if !n.role() {
				n.Policies = append(n.Policies, in.groups[group]...)
			}
		}
		out.Principals = append(out.Principals, &n)
	}
	for _, a := range in.attached {
		for _, have := range out.Principals {
			member := a.kind == "group" && !have.role() && slices.Contains(in.members[have.name()], a.name)
			if member || have.kind() == a.kind && have.name() == a.name {
				have.Policies = slices.DeleteFunc(have.Policies, func(d Document) bool { return d.Name == a.doc.Name })
				have.Policies = append(have.Policies, a.doc)
			}
		}
	}
	slices.SortFunc(out.Principals, func(a, b *Principal) int { return strings.Compare(a.ARN, b.ARN) })
	return out
}

// resolve finds a managed policy that is planned as well.
func (in *plannedAccount) resolve(d Document) Document {
	if planned, ok := in.managed[d.ARN]; ok {
		planned.Name = d.Name
		return planned
	}
	return d
}

// managedReader is a source that can read managed policies by ARN.
type managedReader interface {
	Managed(ctx context.Context, a axle.Account, arn string) (string, error)
}

// readManaged reads the managed policies that planned principals have.
func (f *Facts) readManaged(ctx context.Context, a axle.Account, found *Account) {
	for _, p := range found.Principals {
		docs := make([]*Document, 0, len(p.Policies)+1)
		for i := range p.Policies {
			docs = append(docs, &p.Policies[i])
		}
		if p.Boundary != nil {
			docs = append(docs, p.Boundary)
		}
		for _, d := range docs {
			if d.ARN == "" || d.Text != "" || d.Unread != "" {
				continue
			}
			if strings.HasSuffix(d.ARN, ":iam::aws:policy/AdministratorAccess") {
				d.Text = allowAll
				continue
			}
			reader, ok := f.source.(managedReader)
			if !ok {
				d.Unread = fmt.Sprintf("%s isn't in the templates", d.ARN)
				continue
			}
			text, err := reader.Managed(ctx, a, d.ARN)
			if err != nil {
				d.Unread = gapOf("", err).Why
				continue
			}
			d.Text = text
		}
	}
}

// Nothing is a source for templates alone: nothing else is there, and no policy
// of the organization stands in the way.
type Nothing struct{}

// Account implements Source.
func (Nothing) Account(_ context.Context, a axle.Account) (*Account, error) {
	return &Account{ID: a.ID}, nil
}

// Guardrails implements Source.
func (Nothing) Guardrails(context.Context, axle.Account) (*Guardrails, error) {
	return &Guardrails{Note: "taken for granted: no policy of the organization stands in the way (only templates were read)"}, nil
}

// Owner implements Source.
func (Nothing) Owner(context.Context, string, []axle.Account) (string, error) { return "", nil }

// Resource implements Source.
func (Nothing) Resource(_ context.Context, arn, _ string) (*Resource, error) {
	return nil, fmt.Errorf("no template declares %s: %w", arn, ErrNotFound)
}
