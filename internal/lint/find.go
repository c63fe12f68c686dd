package lint

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/template"
	"axle/policy"
)

// carrier says where resources of a type have policy documents.
type carrier struct {
	property string // dotted
	kind     policy.Kind
	service  string
}

// carriers are the properties with policy documents, by resource type.
var carriers = map[string][]carrier{
	"AWS::IAM::Role":                         {{"AssumeRolePolicyDocument", policy.TrustPolicy, "sts"}},
	"AWS::IAM::Policy":                       {{"PolicyDocument", policy.IdentityPolicy, ""}},
	"AWS::IAM::ManagedPolicy":                {{"PolicyDocument", policy.IdentityPolicy, ""}},
	"AWS::IAM::RolePolicy":                   {{"PolicyDocument", policy.IdentityPolicy, ""}},
	"AWS::IAM::UserPolicy":                   {{"PolicyDocument", policy.IdentityPolicy, ""}},
	"AWS::IAM::GroupPolicy":                  {{"PolicyDocument", policy.IdentityPolicy, ""}},
	"AWS::SSO::PermissionSet":                {{"InlinePolicy", policy.IdentityPolicy, ""}},
	"AWS::Serverless::Function":              {{"AssumeRolePolicyDocument", policy.TrustPolicy, "sts"}},
	"AWS::SNS::TopicPolicy":                  {{"PolicyDocument", policy.ResourcePolicy, "sns"}},
	"AWS::SNS::TopicInlinePolicy":            {{"PolicyDocument", policy.ResourcePolicy, "sns"}},
	"AWS::SQS::QueuePolicy":                  {{"PolicyDocument", policy.ResourcePolicy, "sqs"}},
	"AWS::SQS::QueueInlinePolicy":            {{"PolicyDocument", policy.ResourcePolicy, "sqs"}},
	"AWS::S3::BucketPolicy":                  {{"PolicyDocument", policy.ResourcePolicy, "s3"}},
	"AWS::S3::AccessPoint":                   {{"Policy", policy.ResourcePolicy, "s3"}},
	"AWS::KMS::Key":                          {{"KeyPolicy", policy.ResourcePolicy, "kms"}},
	"AWS::KMS::ReplicaKey":                   {{"KeyPolicy", policy.ResourcePolicy, "kms"}},
	"AWS::SecretsManager::ResourcePolicy":    {{"ResourcePolicy", policy.ResourcePolicy, "secretsmanager"}},
	"AWS::DynamoDB::Table":                   {{"ResourcePolicy.PolicyDocument", policy.ResourcePolicy, "dynamodb"}, {"StreamSpecification.ResourcePolicy.PolicyDocument", policy.ResourcePolicy, "dynamodb"}},
	"AWS::ECR::Repository":                   {{"RepositoryPolicyText", policy.ResourcePolicy, "ecr"}},
	"AWS::EFS::FileSystem":                   {{"FileSystemPolicy", policy.ResourcePolicy, "elasticfilesystem"}},
	"AWS::ApiGateway::RestApi":               {{"Policy", policy.ResourcePolicy, "execute-api"}},
	"AWS::Events::EventBus":                  {{"Policy", policy.ResourcePolicy, "events"}},
	"AWS::Backup::BackupVault":               {{"AccessPolicy", policy.ResourcePolicy, "backup"}},
	"AWS::OpenSearchService::Domain":         {{"AccessPolicies", policy.ResourcePolicy, "es"}},
	"AWS::Elasticsearch::Domain":             {{"AccessPolicies", policy.ResourcePolicy, "es"}},
	"AWS::Kinesis::ResourcePolicy":           {{"ResourcePolicy", policy.ResourcePolicy, "kinesis"}},
	"AWS::CodeArtifact::Domain":              {{"PermissionsPolicyDocument", policy.ResourcePolicy, "codeartifact"}},
	"AWS::Logs::ResourcePolicy":              {{"PolicyDocument", policy.ResourcePolicy, "logs"}},
	"AWS::EC2::VPCEndpoint":                  {{"PolicyDocument", policy.EndpointPolicy, ""}},
	"AWS::Organizations::Policy":             {{"Content", policy.ServiceControlPolicy, ""}},
	"AWS::Organizations::ResourcePolicy":     {{"Content", policy.ResourcePolicy, "organizations"}},
	"AWS::EKS::PodIdentityAssociation":       {{"Policy", policy.SessionPolicy, ""}},
	"AWS::RolesAnywhere::Profile":            {{"SessionPolicy", policy.SessionPolicy, ""}},
	"AWS::MediaStore::Container":             {{"Policy", policy.ResourcePolicy, "mediastore"}},
	"AWS::S3ObjectLambda::AccessPointPolicy": {{"PolicyDocument", policy.ResourcePolicy, "s3-object-lambda"}},
}

// inlineTypes have a list Policies of inline identity policies.
var inlineTypes = []string{"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group", "AWS::Serverless::Function", "AWS::Serverless::StateMachine"}

// documentsOf finds every policy document of a resource.
func (u *unit) documentsOf(d *template.Declared) []*document {
	var out []*document
	seen := map[*template.Node]bool{}
	one := func(n *template.Node, kind policy.Kind, service, name string) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if parsed := textDocument(n); parsed != nil {
			n = parsed
		}
		if n.Kind != template.MapNode {
			return
		}
		doc := &document{kind: kind, name: name, service: service, account: u.account, region: u.region, owner: d, unit: u, node: n}
		if doc.build(); doc.service == "" && doc.kind == policy.ResourcePolicy {
			doc.service = doc.serviceOf()
		}
		out = append(out, doc)
	}
	add := func(n *template.Node, kind policy.Kind, service, name string) {
		for ; n != nil; n = n.Else { // what a condition chooses, too
			one(n, kind, service, name)
		}
	}
	short := d.Type[strings.LastIndex(d.Type, ":")+1:]
	list := carriers[d.Type]
	for _, c := range list {
		add(d.Properties.Get(strings.Split(c.property, ".")...), c.kind, c.service, short+" "+d.Name)
	}
	if d.Type == "AWS::Organizations::Policy" && d.Properties.Get("Type").Str() == "RESOURCE_CONTROL_POLICY" && len(out) > 0 {
		out[0].kind = policy.ResourceControlPolicy
	}
	if slices.Contains(inlineTypes, d.Type) {
		for _, p := range d.Properties.Get("Policies").List() {
			n := p.Get("PolicyDocument")
			if n == nil && p.Get("Statement") != nil {
				n = p
			}
			name := short + " " + d.Name
			if text := p.Get("PolicyName").Str(); text != "" {
				name += ", policy " + text
			}
			add(n, policy.IdentityPolicy, "", name)
		}
	}
	if d.Type == "AWS::Events::EventBusPolicy" {
		add(statementDocument(d.Properties.Get("Statement")), policy.ResourcePolicy, "events", short+" "+d.Name)
		return out
	}
	if len(list) == 0 && !slices.Contains(inlineTypes, d.Type) {
		u.looseDocuments(d.Properties, 0, func(n *template.Node) {
			kind := policy.IdentityPolicy
			if first := n.Get("Statement").List(); len(first) > 0 && first[0].Get("Principal") != nil {
				kind = policy.ResourcePolicy
			}
			add(n, kind, "", short+" "+d.Name)
		})
	}
	return out
}

// statementDocument makes a document of one statement, which is all that an
// EventBusPolicy has: EventBridge puts it among the others of the bus.
func statementDocument(statement *template.Node) *template.Node {
	if statement == nil {
		return nil
	}
	version := &template.Node{Kind: template.ScalarNode, Text: "2012-10-17", Tag: "!!str", Known: true, Pos: statement.Pos}
	return &template.Node{Kind: template.MapNode, Known: statement.Known, Pos: statement.Pos, Keys: []template.Key{
		{Name: "Version", Pos: statement.Pos, Value: version}, {Name: "Statement", Pos: statement.Pos, Value: statement}}}
}

// looseDocuments finds what looks like a policy in types that the table lacks.
func (u *unit) looseDocuments(n *template.Node, depth int, found func(*template.Node)) {
	if n == nil || depth > maxDepth {
		return
	}
	if n.Kind == template.MapNode {
		for _, s := range n.Get("Statement").List() {
			if s.Get("Effect") != nil && (s.Get("Action") != nil || s.Get("NotAction") != nil) {
				found(n)
				return
			}
		}
	}
	for _, item := range n.Items {
		u.looseDocuments(item, depth+1, found)
	}
	for _, k := range n.Keys {
		u.looseDocuments(k.Value, depth+1, found)
	}
}

// textDocument reads a document that is written as a JSON string: all of it is
// at the string's place.
func textDocument(n *template.Node) *template.Node {
	if n.Kind != template.ScalarNode || !strings.HasPrefix(strings.TrimSpace(n.Text), "{") || strings.HasPrefix(n.Text, "${") {
		return nil
	}
	parsed, err := readNode(n.Pos.File, []byte(n.Text))
	if err != nil {
		return nil
	}
	place(parsed, n.Pos, 0)
	return parsed
}

func place(n *template.Node, pos diag.Pos, depth int) {
	if n == nil || depth > maxDepth {
		return
	}
	n.Pos = pos
	for _, item := range n.Items {
		place(item, pos, depth+1)
	}
	for i := range n.Keys {
		n.Keys[i].Pos = pos
		place(n.Keys[i].Value, pos, depth+1)
	}
}
