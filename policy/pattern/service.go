package pattern

import (
	"slices"
	"strings"
)

// service is one kind of resource: what its needs come to as actions, and how
// CloudFormation carries its policy. Actions and the ARNs that they take follow
// the Service Authorization Reference; which services take a policy follows the
// IAM User Guide ("AWS services that work with IAM") and their own pages.
type service struct {
	prefix string // of its ARNs and actions
	kind   string // how the last part of the ARN begins, "" for any
	label  string // what it is called: in names of stacks, and with a capital in parameters
	via    string // its name in kms:ViaService, "" where the caller doesn't use the key
	needs  []need
	policy *carrier // nil: it takes no resource policy
	// instead says why policy is nil, or what is to be known of it.
	instead string
	create  func(*created) Map // the resource, where --create can make it
	rate    int                // calls a second of an account by default (the AWS quota), 0: not said
	gateway bool               // its VPC endpoint is a gateway
	api     string             // its name in VPC endpoints, when it isn't the prefix
}

// need is what people say, and its least actions.
type need struct {
	name   string
	also   string // another word for it
	grants []grant
	kms    []string // what the key is used for then
}

// grant is actions on some ARNs.
type grant struct {
	actions []string
	on      []string // what follows the resource's ARN; {glue} is the chain of catalog, database and table
	// own: asked in the caller's own account, whoever owns the resource.
	own bool
}

// carrier is how CloudFormation carries a resource's policy.
type carrier struct {
	typ string
	// property is its path in the resource's own properties; "" when typ is a
	// resource of its own, which can be deployed beside an existing one.
	property string
	build    func(r *resource, doc Map) Map // the properties of typ
	resource string                         // "*", "none", or "" for the ARNs
	limit    int                            // bytes
	exact    bool                           // takes no condition on the principal
	manual   string                         // no CloudFormation type: the command that sets it
	text     bool                           // the property is the policy as a JSON text
	owner    []string                       // what the owner's own statement allows, where the policy takes the place of one
	note     string
}

var (
	self    = []string{""}
	objects = []string{"/*"}
	decrypt = []string{"kms:Decrypt"}
	both    = []string{"kms:Decrypt", "kms:GenerateDataKey"}
	dataKey = []string{"kms:GenerateDataKey"}
)

func on(where []string, actions ...string) grant { return grant{actions: actions, on: where} }

func own(actions ...string) grant { return grant{actions: actions, own: true} }

// services is the table. Of several with a prefix the first whose kind fits counts.
var services = []service{
	{prefix: "s3", label: "bucket", via: "s3", gateway: true, create: createBucket, needs: []need{
		{"read", "get", []grant{on(objects, "s3:GetObject"), on(self, "s3:ListBucket")}, decrypt},
		{"write", "put", []grant{on(objects, "s3:PutObject", "s3:AbortMultipartUpload")}, both},
		{"list", "", []grant{on(self, "s3:ListBucket")}, nil},
		{"delete", "", []grant{on(objects, "s3:DeleteObject")}, nil},
	}, policy: &carrier{typ: "AWS::S3::BucketPolicy", limit: 20480, build: func(r *resource, doc Map) Map {
		return Map{{"Bucket", r.name()}, {"PolicyDocument", doc}}
	}, note: "A bucket has one policy: if it has one already, add the statements to it instead. Objects belong to the bucket's owner only with ObjectOwnership BucketOwnerEnforced, the default since April 2023."}},
	{prefix: "sns", label: "topic", via: "sns", create: createTopic, needs: []need{
		{"publish", "send", []grant{on(self, "sns:Publish")}, both},
		{"write", "", []grant{on(self, "sns:Publish")}, both},
		{"subscribe", "receive", []grant{on(self, "sns:Subscribe")}, nil},
	}, policy: &carrier{typ: "AWS::SNS::TopicPolicy", limit: 30720, build: func(r *resource, doc Map) Map {
		return Map{{"Topics", []any{r.self()}}, {"PolicyDocument", doc}}
	}, owner: []string{"sns:AddPermission", "sns:DeleteTopic", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish", "sns:RemovePermission", "sns:SetTopicAttributes", "sns:Subscribe"},
		note: "A topic has one policy: if it has one of your own already, add the statements to it instead."}},
	{prefix: "sqs", label: "queue", via: "sqs", create: createQueue, needs: []need{
		{"send", "write", []grant{on(self, "sqs:SendMessage", "sqs:GetQueueUrl")}, both},
		{"receive", "read", []grant{on(self, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:GetQueueUrl")}, decrypt},
	}, policy: &carrier{typ: "AWS::SQS::QueuePolicy", limit: 8192, build: func(r *resource, doc Map) Map {
		return Map{{"Queues", []any{r.queueURL()}}, {"PolicyDocument", doc}}
	}, note: "A queue has one policy: if it has one already, add the statements to it instead."}},
	{prefix: "lambda", kind: "function:", label: "function", needs: []need{
		{"invoke", "", []grant{on(self, "lambda:InvokeFunction")}, nil},
	}, policy: &carrier{typ: "AWS::Lambda::Permission", exact: true, limit: 20480, build: nil,
		note: "Lambda keeps its policy statement by statement and takes no condition on a role: the role itself is named and must exist before."}},
	{prefix: "kms", kind: "key/", label: "key", needs: []need{
		{"decrypt", "read", []grant{on(self, "kms:Decrypt")}, nil},
		{"encrypt", "write", []grant{on(self, "kms:Encrypt", "kms:GenerateDataKey")}, nil},
		{"describe", "", []grant{on(self, "kms:DescribeKey")}, nil},
		{"sign", "", []grant{on(self, "kms:Sign", "kms:GetPublicKey")}, nil},
		{"verify", "", []grant{on(self, "kms:Verify", "kms:GetPublicKey")}, nil},
	}, rate: 10000, policy: &carrier{typ: "AWS::KMS::Key", property: "KeyPolicy", resource: "*", limit: 32768, owner: []string{"kms:*"},
		note: "Keep the owner's own statement (the account's root with kms:*): without it nobody can change the key any more."}},
	{prefix: "secretsmanager", kind: "secret:", label: "secret", via: "secretsmanager", create: createSecret, rate: 10000, needs: []need{
		{"read", "get", []grant{on(self, "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")}, decrypt},
		{"write", "put", []grant{on(self, "secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret")}, both},
	}, policy: &carrier{typ: "AWS::SecretsManager::ResourcePolicy", resource: "*", limit: 20480, build: func(r *resource, doc Map) Map {
		return Map{{"SecretId", r.self()}, {"ResourcePolicy", doc}, {"BlockPublicPolicy", true}}
	}, note: "A secret has one policy and a policy one secret: each secret gets its own. The application asks for the secret by its full ARN."}},
	{prefix: "dynamodb", kind: "table/", label: "table", via: "dynamodb", gateway: true, create: createTable, needs: []need{
		{"read", "get", []grant{on(self, "dynamodb:GetItem", "dynamodb:BatchGetItem"), on([]string{"", "/index/*"}, "dynamodb:Query", "dynamodb:Scan")}, decrypt},
		{"write", "put", []grant{on(self, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")}, both},
		{"delete", "", []grant{on(self, "dynamodb:DeleteItem")}, decrypt},
		{"describe", "", []grant{on(self, "dynamodb:DescribeTable")}, nil},
	}, policy: &carrier{typ: "AWS::DynamoDB::Table", property: "ResourcePolicy.PolicyDocument", limit: 20480,
		note: "The application names the table by its full ARN. CloudFormation detects no drift of this policy."}},
	{prefix: "events", kind: "event-bus/", label: "bus", create: createBus, needs: []need{
		{"send", "put", []grant{on(self, "events:PutEvents")}, nil},
		{"write", "publish", []grant{on(self, "events:PutEvents")}, nil},
	}, policy: &carrier{typ: "AWS::Events::EventBusPolicy", limit: 10240, build: nil}},
	{prefix: "ecr", kind: "repository/", label: "repository", create: createRepository, needs: []need{
		{"read", "pull", []grant{on(self, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"), own("ecr:GetAuthorizationToken")}, nil},
		{"write", "push", []grant{on(self, "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"), own("ecr:GetAuthorizationToken")}, nil},
	}, policy: &carrier{typ: "AWS::ECR::Repository", property: "RepositoryPolicyText", resource: "none", limit: 10240,
		note: "A Lambda function of another account needs lambda.amazonaws.com in this policy too. Pulling also needs the S3 gateway endpoint, where layers are."}},
	{prefix: "execute-api", label: "api", needs: []need{
		{"invoke", "", []grant{on(self, "execute-api:Invoke")}, nil},
	}, policy: &carrier{typ: "AWS::ApiGateway::RestApi", property: "Policy", limit: 8192,
		note: "REST APIs only: HTTP and WebSocket APIs take no policy. The methods need AuthorizationType AWS_IAM, and a change of the policy counts only after a new deployment of the stage."}},
	{prefix: "glue", kind: "table/", label: "table", api: "glue", needs: []need{
		{"read", "get", []grant{on([]string{"{glue}"}, "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions")}, nil},
	}, policy: &carrier{typ: "", limit: 10240, manual: "aws glue put-resource-policy --policy-in-json file://%s --enable-hybrid TRUE",
		note: "The catalog has one policy an account and region, which CloudFormation has no type for. The data in S3 needs access of its own."}},
	{prefix: "kinesis", kind: "stream/", label: "stream", via: "kinesis", create: createStream, needs: []need{
		{"read", "receive", []grant{on(self, "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards")}, decrypt},
		{"write", "send", []grant{on(self, "kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords")}, dataKey},
	}, api: "kinesis-streams", policy: &carrier{typ: "AWS::Kinesis::ResourcePolicy", limit: 20480, build: func(r *resource, doc Map) Map {
		return Map{{"ResourceArn", r.streamARN()}, {"ResourcePolicy", doc}}
	}}},
	{prefix: "elasticfilesystem", kind: "file-system/", label: "filesystem", needs: []need{
		{"read", "mount", []grant{on(self, "elasticfilesystem:ClientMount")}, nil},
		{"write", "", []grant{on(self, "elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite")}, nil},
	}, policy: &carrier{typ: "AWS::EFS::FileSystem", property: "FileSystemPolicy", limit: 20000,
		note: "The mount itself needs a network path: VPC peering or a transit gateway to the file system's mount targets, and mounting with -o tls,iam."}},
	{prefix: "backup", kind: "backup-vault:", label: "vault", needs: []need{
		{"copy", "write", []grant{on(self, "backup:CopyIntoBackupVault")}, nil},
	}, policy: &carrier{typ: "AWS::Backup::BackupVault", property: "AccessPolicy", resource: "*", limit: 20480,
		note: "Copies between accounts also need cross-account backup to be on in the organization's management account, and a customer managed key."}},
	{prefix: "codeartifact", kind: "repository/", label: "packages", needs: []need{
		{"read", "pull", []grant{on(self, "codeartifact:GetRepositoryEndpoint", "codeartifact:ReadFromRepository")}, nil},
	}, api: "codeartifact.api", policy: &carrier{typ: "AWS::CodeArtifact::Repository", property: "PermissionsPolicyDocument", resource: "*", limit: 10240,
		note: "The domain needs a policy too: give its ARN as one more --resource, with the need \"read\"."}},
	{prefix: "codeartifact", kind: "domain/", label: "domain", needs: []need{
		{"read", "token", []grant{on(self, "codeartifact:GetAuthorizationToken"), own("sts:GetServiceBearerToken")}, nil},
	}, api: "codeartifact.api", policy: &carrier{typ: "AWS::CodeArtifact::Domain", property: "PermissionsPolicyDocument", resource: "*", limit: 10240}},
	{prefix: "logs", kind: "destination:", label: "destination", needs: []need{
		{"send", "write", []grant{on(self, "logs:PutSubscriptionFilter")}, nil},
	}, policy: &carrier{typ: "AWS::Logs::Destination", property: "DestinationPolicy", limit: 5120, text: true,
		note: "DestinationPolicy is the policy as a JSON text."}},
	{prefix: "logs", kind: "log-group:", label: "log-group", needs: []need{
		{"read", "get", []grant{on([]string{":*"}, "logs:FilterLogEvents", "logs:GetLogEvents", "logs:DescribeLogStreams")}, nil},
		{"write", "send", []grant{on([]string{":*"}, "logs:CreateLogStream", "logs:PutLogEvents")}, nil},
	}, instead: "a log group's policy is for AWS services; other accounts subscribe to it through a destination (arn:...:destination:NAME), or assume a role"},
	{prefix: "dynamodb", kind: "", label: "table", instead: "only tables (arn:...:table/NAME) are in the table of resource policies"},
	{prefix: "ssm", kind: "parameter/", label: "parameter", via: "ssm", rate: 40, needs: []need{
		{"read", "get", []grant{on(self, "ssm:GetParameter", "ssm:GetParameters")}, decrypt},
		{"write", "put", []grant{on(self, "ssm:PutParameter")}, []string{"kms:Encrypt"}},
	}, instead: "Parameter Store takes no resource policy; only advanced parameters can be shared, through RAM"},
	{prefix: "states", kind: "stateMachine:", label: "statemachine", needs: []need{
		{"start", "invoke", []grant{on(self, "states:StartExecution")}, nil},
	}, instead: "Step Functions takes no resource policy"},
	{prefix: "firehose", kind: "deliverystream/", label: "firehose", api: "kinesis-firehose", needs: []need{
		{"send", "write", []grant{on(self, "firehose:PutRecord", "firehose:PutRecordBatch")}, nil},
	}, instead: "Firehose takes no resource policy"},
	{prefix: "rds-db", kind: "dbuser:", label: "database", api: "rds", needs: []need{
		{"connect", "read", []grant{on(self, "rds-db:connect")}, nil},
	}, instead: "database users take no resource policy, and the connection needs a network path"},
}

// find gives the table's line for an ARN, or one that knows only the prefix.
func find(a arn) *service {
	for i := range services {
		s := &services[i]
		if s.prefix == a.service && strings.HasPrefix(a.rest, s.kind) {
			return s
		}
	}
	return &service{prefix: a.service, label: "resource", instead: "this kind of " + a.service + " resource isn't in Axle's table of those that take a resource policy"}
}

func (s *service) need(name string) *need {
	for i := range s.needs {
		if n := &s.needs[i]; n.name == name || (n.also == name && name != "") {
			return n
		}
	}
	return nil
}

// needNames are the words that the service knows, for hints.
func (s *service) needNames() string {
	var out []string
	for _, n := range s.needs {
		out = append(out, n.name)
		if n.also != "" {
			out = append(out, n.also)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// endpoint is the service in the name of its VPC endpoint.
func (s *service) endpoint() string {
	switch {
	case s.api != "":
		return s.api
	case s.prefix == "ecr":
		return "ecr.api"
	}
	return s.prefix
}
