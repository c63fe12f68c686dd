package template

import "strings"

// identity says how CloudFormation names a resource type: which property is
// its name, and what Ref and Fn::GetAtt give. In arn {p}, {r}, {a}, {n}, {path}
// are partition, region, account, name and path (with its slashes).
type identity struct {
	name string // the property; "": always generated
	arn  string
	ref  string // "arn" where Ref gives the ARN, else the name
	attr string // of the ARN; "Arn" when empty
}

// identities are the types that policies and other templates name most, from
// the "Return values" of the CloudFormation User Guide and the ARN formats of
// the Service Authorization Reference.
var identities = map[string]identity{
	"AWS::ApiGateway::RestApi":             {arn: "arn:{p}:execute-api:{r}:{a}:{n}"},
	"AWS::Backup::BackupVault":             {name: "BackupVaultName", arn: "arn:{p}:backup:{r}:{a}:backup-vault:{n}", attr: "BackupVaultArn"},
	"AWS::CloudWatch::Alarm":               {name: "AlarmName", arn: "arn:{p}:cloudwatch:{r}:{a}:alarm:{n}"},
	"AWS::CodeBuild::Project":              {name: "Name", arn: "arn:{p}:codebuild:{r}:{a}:project/{n}"},
	"AWS::DynamoDB::Table":                 {name: "TableName", arn: "arn:{p}:dynamodb:{r}:{a}:table/{n}"},
	"AWS::ECR::Repository":                 {name: "RepositoryName", arn: "arn:{p}:ecr:{r}:{a}:repository/{n}"},
	"AWS::ECS::Cluster":                    {name: "ClusterName", arn: "arn:{p}:ecs:{r}:{a}:cluster/{n}"},
	"AWS::EKS::Cluster":                    {name: "Name", arn: "arn:{p}:eks:{r}:{a}:cluster/{n}"},
	"AWS::Events::EventBus":                {name: "Name", arn: "arn:{p}:events:{r}:{a}:event-bus/{n}"},
	"AWS::Events::Rule":                    {name: "Name", arn: "arn:{p}:events:{r}:{a}:rule/{n}"},
	"AWS::IAM::Group":                      {name: "GroupName", arn: "arn:{p}:iam::{a}:group{path}{n}"},
	"AWS::IAM::InstanceProfile":            {name: "InstanceProfileName", arn: "arn:{p}:iam::{a}:instance-profile{path}{n}"},
	"AWS::IAM::ManagedPolicy":              {name: "ManagedPolicyName", arn: "arn:{p}:iam::{a}:policy{path}{n}", ref: "arn", attr: "PolicyArn"},
	"AWS::IAM::OIDCProvider":               {name: "Url", arn: "arn:{p}:iam::{a}:oidc-provider/{n}", ref: "arn"},
	"AWS::IAM::Role":                       {name: "RoleName", arn: "arn:{p}:iam::{a}:role{path}{n}"},
	"AWS::IAM::User":                       {name: "UserName", arn: "arn:{p}:iam::{a}:user{path}{n}"},
	"AWS::KMS::Alias":                      {name: "AliasName", arn: "arn:{p}:kms:{r}:{a}:{n}"},
	"AWS::KMS::Key":                        {arn: "arn:{p}:kms:{r}:{a}:key/{n}"},
	"AWS::Kinesis::Stream":                 {name: "Name", arn: "arn:{p}:kinesis:{r}:{a}:stream/{n}"},
	"AWS::KinesisFirehose::DeliveryStream": {name: "DeliveryStreamName", arn: "arn:{p}:firehose:{r}:{a}:deliverystream/{n}"},
	"AWS::Lambda::Function":                {name: "FunctionName", arn: "arn:{p}:lambda:{r}:{a}:function:{n}"},
	"AWS::Logs::LogGroup":                  {name: "LogGroupName", arn: "arn:{p}:logs:{r}:{a}:log-group:{n}:*"},
	"AWS::S3::Bucket":                      {name: "BucketName", arn: "arn:{p}:s3:::{n}"},
	"AWS::SNS::Topic":                      {name: "TopicName", arn: "arn:{p}:sns:{r}:{a}:{n}", ref: "arn", attr: "TopicArn"},
	"AWS::SQS::Queue":                      {name: "QueueName", arn: "arn:{p}:sqs:{r}:{a}:{n}", ref: "url"},
	"AWS::SSM::Parameter":                  {name: "Name", arn: "arn:{p}:ssm:{r}:{a}:parameter/{n}"},
	"AWS::SecretsManager::Secret":          {name: "Name", arn: "arn:{p}:secretsmanager:{r}:{a}:secret:{n}", ref: "arn", attr: "Id"},
	"AWS::Serverless::Function":            {name: "FunctionName", arn: "arn:{p}:lambda:{r}:{a}:function:{n}"},
	"AWS::Serverless::SimpleTable":         {name: "TableName", arn: "arn:{p}:dynamodb:{r}:{a}:table/{n}"},
	"AWS::StepFunctions::StateMachine":     {name: "StateMachineName", arn: "arn:{p}:states:{r}:{a}:stateMachine:{n}", ref: "arn"},
}

// name is what a resource is called: as the template says, or ${LogicalId}.
func (r *resolver) name(logical string) (name string, known bool) {
	if n := r.names[logical]; n != nil {
		return n.Text, n.Known
	}
	name, known = r.findName(logical)
	r.names[logical] = text(name, known)
	return name, known
}

func (r *resolver) findName(logical string) (name string, known bool) {
	generated := "${" + logical + "}"
	res, ok := r.t.Resources[logical]
	id, listed := identities[res.Type]
	if !ok || !listed || id.name == "" || r.naming[logical] {
		return generated, false
	}
	r.naming[logical] = true // a name that refers to itself isn't known
	defer delete(r.naming, logical)
	given := r.property(logical, id.name)
	if given.Str() == "" {
		return generated, false
	}
	name, known = given.Str(), given.Known
	switch res.Type {
	case "AWS::IAM::OIDCProvider":
		name = strings.TrimPrefix(name, "https://")
	case "AWS::SSM::Parameter":
		name = strings.TrimPrefix(name, "/")
	case "AWS::SecretsManager::Secret": // AWS adds six characters
		name, known = name+"-"+generated, false
	}
	return name, known
}

// arn is a resource's ARN, or "" for types whose ARNs aren't in the table.
func (r *resolver) arn(logical string) (arn string, known bool) {
	id := identities[r.t.Resources[logical].Type]
	if id.arn == "" {
		return "", false
	}
	name, known := r.name(logical)
	path := "/"
	if strings.Contains(id.arn, "{path}") {
		if p := r.property(logical, "Path"); p.Str() != "" {
			path, known = p.Str(), known && p.Known
		}
	}
	parts := []string{"{n}", name, "{path}", path}
	for placeholder, pseudo := range map[string]string{"{p}": "AWS::Partition", "{r}": "AWS::Region", "{a}": "AWS::AccountId"} {
		value, ok := r.pseudo(pseudo)
		parts = append(parts, placeholder, value)
		known = known && (ok || !strings.Contains(id.arn, placeholder))
	}
	return strings.NewReplacer(parts...).Replace(id.arn), known
}

// reference is what Ref of a resource gives.
func (r *resolver) reference(logical string) (text string, known bool) {
	id := identities[r.t.Resources[logical].Type]
	switch id.ref {
	case "arn":
		return r.arn(logical)
	case "url":
		return "${" + logical + "}", false
	}
	text, known = r.name(logical)
	if r.t.Resources[logical].Type == "AWS::SSM::Parameter" && known {
		return r.property(logical, "Name").Str(), true
	}
	return text, known
}

// attribute is what Fn::GetAtt gives.
func (r *resolver) attribute(logical, attr string) (text string, known bool) {
	id, listed := identities[r.t.Resources[logical].Type]
	if listed {
		want := id.attr
		if want == "" {
			want = "Arn"
		}
		switch attr {
		case want:
			if arn, ok := r.arn(logical); arn != "" {
				return arn, ok
			}
		case "KeyId", "QueueName", "TopicName":
			return r.name(logical)
		}
	}
	return "${" + logical + "." + attr + "}", false
}
