package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// typeSchema is what CloudFormation's registry says of a type beyond what its
// provider knows: what identifies a resource, and the permissions that each
// handler needs, by the Service Authorization Reference. Permissions of
// features that the sandbox doesn't serve aren't in it.
type typeSchema struct {
	id                                 string
	create, read, update, delete, list string
	tag                                string // to tag and untag; beside those of create and update
}

const (
	tagsEC2 = "ec2:CreateTags ec2:DeleteTags"
	tagsSNS = "sns:TagResource sns:UntagResource sns:ListTagsForResource"
)

// typeSchemas are by type. An empty one is of a type without handlers.
var typeSchemas = map[string]typeSchema{
	"AWS::CloudFormation::WaitConditionHandle": {},
	customType: {},
	"AWS::CloudFormation::Stack": {id: "StackId", create: "cloudformation:CreateStack cloudformation:DescribeStacks", read: "cloudformation:DescribeStacks cloudformation:GetTemplate",
		update: "cloudformation:UpdateStack cloudformation:DescribeStacks", delete: "cloudformation:DeleteStack cloudformation:DescribeStacks", list: "cloudformation:ListStacks", tag: "cloudformation:TagResource cloudformation:UntagResource"},

	"AWS::DynamoDB::Table": {id: "TableName", create: "dynamodb:CreateTable dynamodb:DescribeTable dynamodb:DescribeContinuousBackups dynamodb:UpdateContinuousBackups dynamodb:DescribeTimeToLive dynamodb:UpdateTimeToLive dynamodb:GetResourcePolicy dynamodb:PutResourcePolicy kms:DescribeKey kms:CreateGrant",
		read: "dynamodb:DescribeTable dynamodb:DescribeContinuousBackups dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource", update: "dynamodb:UpdateTable dynamodb:DescribeTable dynamodb:UpdateContinuousBackups dynamodb:UpdateTimeToLive dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy kms:DescribeKey kms:CreateGrant",
		delete: "dynamodb:DeleteTable dynamodb:DescribeTable", list: "dynamodb:ListTables", tag: "dynamodb:TagResource dynamodb:UntagResource dynamodb:ListTagsOfResource"},

	"AWS::EC2::EIP":             {id: "PublicIp AllocationId", create: "ec2:AllocateAddress ec2:DescribeAddresses", read: "ec2:DescribeAddresses", update: "ec2:DescribeAddresses ec2:AssociateAddress ec2:DisassociateAddress", delete: "ec2:ReleaseAddress ec2:DescribeAddresses ec2:DisassociateAddress", list: "ec2:DescribeAddresses", tag: tagsEC2},
	"AWS::EC2::InternetGateway": {id: "InternetGatewayId", create: "ec2:CreateInternetGateway ec2:DescribeInternetGateways", read: "ec2:DescribeInternetGateways", update: "ec2:DescribeInternetGateways", delete: "ec2:DeleteInternetGateway ec2:DescribeInternetGateways", list: "ec2:DescribeInternetGateways", tag: tagsEC2},
	"AWS::EC2::NatGateway":      {id: "NatGatewayId", create: "ec2:CreateNatGateway ec2:DescribeNatGateways", read: "ec2:DescribeNatGateways", update: "ec2:DescribeNatGateways", delete: "ec2:DeleteNatGateway ec2:DescribeNatGateways", list: "ec2:DescribeNatGateways", tag: tagsEC2},
	"AWS::EC2::Route":           {id: "RouteTableId CidrBlock", create: "ec2:CreateRoute ec2:DescribeRouteTables", read: "ec2:DescribeRouteTables", update: "ec2:ReplaceRoute ec2:DescribeRouteTables", delete: "ec2:DeleteRoute ec2:DescribeRouteTables", list: "ec2:DescribeRouteTables"},
	"AWS::EC2::RouteTable":      {id: "RouteTableId", create: "ec2:CreateRouteTable ec2:DescribeRouteTables", read: "ec2:DescribeRouteTables", update: "ec2:DescribeRouteTables", delete: "ec2:DeleteRouteTable ec2:DescribeRouteTables", list: "ec2:DescribeRouteTables", tag: tagsEC2},
	"AWS::EC2::SecurityGroup": {id: "Id", create: "ec2:CreateSecurityGroup ec2:DescribeSecurityGroups ec2:AuthorizeSecurityGroupIngress ec2:AuthorizeSecurityGroupEgress ec2:RevokeSecurityGroupEgress", read: "ec2:DescribeSecurityGroups ec2:DescribeSecurityGroupRules",
		update: "ec2:DescribeSecurityGroups ec2:AuthorizeSecurityGroupIngress ec2:AuthorizeSecurityGroupEgress ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress", delete: "ec2:DeleteSecurityGroup ec2:DescribeSecurityGroups", list: "ec2:DescribeSecurityGroups", tag: tagsEC2},
	"AWS::EC2::SecurityGroupEgress":         {id: "Id", create: "ec2:AuthorizeSecurityGroupEgress ec2:RevokeSecurityGroupEgress ec2:DescribeSecurityGroupRules", read: "ec2:DescribeSecurityGroupRules", update: "ec2:UpdateSecurityGroupRuleDescriptionsEgress", delete: "ec2:RevokeSecurityGroupEgress ec2:DescribeSecurityGroupRules", list: "ec2:DescribeSecurityGroupRules"},
	"AWS::EC2::SecurityGroupIngress":        {id: "Id", create: "ec2:AuthorizeSecurityGroupIngress ec2:DescribeSecurityGroupRules", read: "ec2:DescribeSecurityGroupRules", update: "ec2:UpdateSecurityGroupRuleDescriptionsIngress", delete: "ec2:RevokeSecurityGroupIngress ec2:DescribeSecurityGroupRules", list: "ec2:DescribeSecurityGroupRules"},
	"AWS::EC2::Subnet":                      {id: "SubnetId", create: "ec2:CreateSubnet ec2:DescribeSubnets ec2:ModifySubnetAttribute", read: "ec2:DescribeSubnets ec2:DescribeNetworkAcls", update: "ec2:DescribeSubnets ec2:ModifySubnetAttribute", delete: "ec2:DeleteSubnet ec2:DescribeSubnets", list: "ec2:DescribeSubnets", tag: tagsEC2},
	"AWS::EC2::SubnetRouteTableAssociation": {id: "Id", create: "ec2:AssociateRouteTable ec2:ReplaceRouteTableAssociation ec2:DescribeRouteTables", read: "ec2:DescribeRouteTables", delete: "ec2:DisassociateRouteTable ec2:DescribeRouteTables", list: "ec2:DescribeRouteTables"},
	"AWS::EC2::VPC":                         {id: "VpcId", create: "ec2:CreateVpc ec2:DescribeVpcs ec2:DescribeVpcAttribute ec2:ModifyVpcAttribute", read: "ec2:DescribeVpcs ec2:DescribeVpcAttribute ec2:DescribeSecurityGroups ec2:DescribeNetworkAcls", update: "ec2:ModifyVpcAttribute ec2:ModifyVpcTenancy ec2:DescribeVpcs ec2:DescribeVpcAttribute", delete: "ec2:DeleteVpc ec2:DescribeVpcs", list: "ec2:DescribeVpcs", tag: tagsEC2},
	"AWS::EC2::VPCGatewayAttachment":        {id: "AttachmentType VpcId", create: "ec2:AttachInternetGateway ec2:AttachVpnGateway ec2:DescribeInternetGateways ec2:DescribeVpnGateways", read: "ec2:DescribeInternetGateways ec2:DescribeVpnGateways", update: "ec2:AttachInternetGateway ec2:DetachInternetGateway ec2:AttachVpnGateway ec2:DetachVpnGateway ec2:DescribeInternetGateways ec2:DescribeVpnGateways", delete: "ec2:DetachInternetGateway ec2:DetachVpnGateway ec2:DescribeInternetGateways ec2:DescribeVpnGateways", list: "ec2:DescribeInternetGateways ec2:DescribeVpnGateways"},
	"AWS::EC2::VPCPeeringConnection":        {id: "Id", create: "ec2:CreateVpcPeeringConnection ec2:AcceptVpcPeeringConnection ec2:DescribeVpcPeeringConnections sts:AssumeRole", read: "ec2:DescribeVpcPeeringConnections", update: "ec2:DescribeVpcPeeringConnections", delete: "ec2:DeleteVpcPeeringConnection ec2:DescribeVpcPeeringConnections", list: "ec2:DescribeVpcPeeringConnections", tag: tagsEC2},

	"AWS::IAM::ManagedPolicy": {id: "PolicyArn", create: "iam:CreatePolicy iam:AttachRolePolicy iam:AttachUserPolicy iam:AttachGroupPolicy", read: "iam:GetPolicy iam:GetPolicyVersion iam:ListEntitiesForPolicy",
		update: "iam:CreatePolicyVersion iam:DeletePolicyVersion iam:ListPolicyVersions iam:AttachRolePolicy iam:AttachUserPolicy iam:AttachGroupPolicy iam:DetachRolePolicy iam:DetachUserPolicy iam:DetachGroupPolicy iam:GetPolicy", delete: "iam:DetachRolePolicy iam:DetachUserPolicy iam:DetachGroupPolicy iam:ListEntitiesForPolicy iam:ListPolicyVersions iam:DeletePolicyVersion iam:DeletePolicy iam:GetPolicy", list: "iam:ListPolicies"},
	"AWS::IAM::OIDCProvider": {id: "Arn", create: "iam:CreateOpenIDConnectProvider iam:GetOpenIDConnectProvider", read: "iam:GetOpenIDConnectProvider", update: "iam:AddClientIDToOpenIDConnectProvider iam:RemoveClientIDFromOpenIDConnectProvider iam:UpdateOpenIDConnectProviderThumbprint iam:GetOpenIDConnectProvider", delete: "iam:DeleteOpenIDConnectProvider", list: "iam:ListOpenIDConnectProviders", tag: "iam:TagOpenIDConnectProvider iam:UntagOpenIDConnectProvider iam:ListOpenIDConnectProviderTags"},
	"AWS::IAM::Policy":       {id: "Id", create: "iam:PutRolePolicy iam:PutUserPolicy iam:PutGroupPolicy", read: "iam:GetRolePolicy iam:GetUserPolicy iam:GetGroupPolicy", update: "iam:PutRolePolicy iam:PutUserPolicy iam:PutGroupPolicy iam:DeleteRolePolicy iam:DeleteUserPolicy iam:DeleteGroupPolicy", delete: "iam:DeleteRolePolicy iam:DeleteUserPolicy iam:DeleteGroupPolicy"},
	"AWS::IAM::Role": {id: "RoleName", create: "iam:CreateRole iam:PutRolePolicy iam:AttachRolePolicy iam:GetRole iam:GetRolePolicy", read: "iam:GetRole iam:ListAttachedRolePolicies iam:ListRolePolicies iam:GetRolePolicy",
		update: "iam:UpdateRole iam:UpdateRoleDescription iam:UpdateAssumeRolePolicy iam:PutRolePolicy iam:DeleteRolePolicy iam:AttachRolePolicy iam:DetachRolePolicy iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary iam:GetRole", delete: "iam:DeleteRole iam:DetachRolePolicy iam:DeleteRolePolicy iam:GetRole iam:ListAttachedRolePolicies iam:ListRolePolicies", list: "iam:ListRoles", tag: "iam:TagRole iam:UntagRole"},

	"AWS::KMS::Alias": {id: "AliasName", create: "kms:CreateAlias", read: "kms:ListAliases", update: "kms:UpdateAlias", delete: "kms:DeleteAlias", list: "kms:ListAliases"},
	"AWS::KMS::Key": {id: "KeyId", create: "kms:CreateKey kms:DescribeKey kms:EnableKeyRotation kms:DisableKey", read: "kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags",
		update: "kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey kms:EnableKeyRotation kms:PutKeyPolicy kms:UpdateKeyDescription", delete: "kms:DescribeKey kms:ScheduleKeyDeletion", list: "kms:ListKeys kms:DescribeKey", tag: "kms:TagResource kms:UntagResource kms:ListResourceTags"},

	"AWS::Lambda::Alias":              {id: "AliasArn", create: "lambda:CreateAlias lambda:GetAlias", read: "lambda:GetAlias", update: "lambda:UpdateAlias lambda:GetAlias", delete: "lambda:DeleteAlias lambda:GetAlias", list: "lambda:ListAliases"},
	"AWS::Lambda::EventInvokeConfig":  {id: "FunctionName Qualifier", create: "lambda:GetFunctionEventInvokeConfig lambda:PutFunctionEventInvokeConfig", read: "lambda:GetFunctionEventInvokeConfig", update: "lambda:GetFunctionEventInvokeConfig lambda:PutFunctionEventInvokeConfig", delete: "lambda:DeleteFunctionEventInvokeConfig", list: "lambda:ListFunctionEventInvokeConfigs"},
	"AWS::Lambda::EventSourceMapping": {id: "Id", create: "lambda:CreateEventSourceMapping lambda:GetEventSourceMapping", read: "lambda:GetEventSourceMapping", update: "lambda:UpdateEventSourceMapping lambda:GetEventSourceMapping", delete: "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping", list: "lambda:ListEventSourceMappings", tag: "lambda:TagResource lambda:UntagResource lambda:ListTags"},
	"AWS::Lambda::Function": {id: "FunctionName", create: "lambda:CreateFunction lambda:GetFunction lambda:GetFunctionConfiguration lambda:PutFunctionConcurrency lambda:GetLayerVersion iam:PassRole s3:GetObject s3:GetObjectVersion ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs kms:CreateGrant kms:Decrypt kms:Encrypt",
		read: "lambda:GetFunction lambda:GetFunctionConfiguration", update: "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration lambda:GetFunction lambda:GetFunctionConfiguration lambda:PutFunctionConcurrency lambda:DeleteFunctionConcurrency lambda:GetLayerVersion iam:PassRole s3:GetObject s3:GetObjectVersion ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs kms:CreateGrant kms:Decrypt kms:Encrypt",
		delete: "lambda:DeleteFunction lambda:GetFunction ec2:DescribeNetworkInterfaces", list: "lambda:ListFunctions", tag: "lambda:TagResource lambda:UntagResource lambda:ListTags"},
	"AWS::Lambda::LayerVersion":           {id: "LayerVersionArn", create: "lambda:PublishLayerVersion lambda:GetLayerVersion s3:GetObject s3:GetObjectVersion", read: "lambda:GetLayerVersion", delete: "lambda:DeleteLayerVersion lambda:GetLayerVersion", list: "lambda:ListLayerVersions"},
	"AWS::Lambda::LayerVersionPermission": {id: "Id", create: "lambda:AddLayerVersionPermission", read: "lambda:GetLayerVersionPolicy", delete: "lambda:RemoveLayerVersionPermission lambda:GetLayerVersionPolicy", list: "lambda:GetLayerVersionPolicy"},
	"AWS::Lambda::Permission":             {id: "FunctionName Id", create: "lambda:AddPermission", read: "lambda:GetPolicy", delete: "lambda:RemovePermission", list: "lambda:GetPolicy"},
	"AWS::Lambda::Url":                    {id: "FunctionArn", create: "lambda:CreateFunctionUrlConfig", read: "lambda:GetFunctionUrlConfig", update: "lambda:UpdateFunctionUrlConfig", delete: "lambda:DeleteFunctionUrlConfig", list: "lambda:ListFunctionUrlConfigs"},
	"AWS::Lambda::Version":                {id: "FunctionArn", create: "lambda:PublishVersion lambda:GetFunctionConfiguration", read: "lambda:GetFunctionConfiguration", update: "lambda:GetFunctionConfiguration", delete: "lambda:DeleteFunction lambda:GetFunctionConfiguration", list: "lambda:ListVersionsByFunction"},

	"AWS::S3::Bucket": {id: "BucketName", create: "s3:CreateBucket s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutBucketPublicAccessBlock s3:PutBucketOwnershipControls s3:PutLifecycleConfiguration s3:PutBucketNotification s3:PutBucketLogging s3:PutBucketCORS s3:PutBucketWebsite",
		read: "s3:ListBucket s3:GetBucketVersioning s3:GetEncryptionConfiguration s3:GetBucketPublicAccessBlock s3:GetBucketOwnershipControls s3:GetLifecycleConfiguration s3:GetBucketNotification s3:GetBucketLogging s3:GetBucketCORS s3:GetBucketWebsite s3:GetBucketTagging", update: "s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutBucketPublicAccessBlock s3:PutBucketOwnershipControls s3:PutLifecycleConfiguration s3:PutBucketNotification s3:PutBucketLogging s3:PutBucketCORS s3:PutBucketWebsite s3:DeleteBucketWebsite",
		delete: "s3:DeleteBucket s3:ListBucket", list: "s3:ListAllMyBuckets", tag: "s3:PutBucketTagging s3:GetBucketTagging"},
	"AWS::S3::BucketPolicy": {id: "Bucket", create: "s3:GetBucketPolicy s3:PutBucketPolicy", read: "s3:GetBucketPolicy", update: "s3:GetBucketPolicy s3:PutBucketPolicy", delete: "s3:GetBucketPolicy s3:DeleteBucketPolicy", list: "s3:GetBucketPolicy s3:ListAllMyBuckets"},

	"AWS::SecretsManager::ResourcePolicy": {id: "Id", create: "secretsmanager:PutResourcePolicy secretsmanager:DescribeSecret", read: "secretsmanager:GetResourcePolicy", update: "secretsmanager:PutResourcePolicy", delete: "secretsmanager:DeleteResourcePolicy secretsmanager:DescribeSecret", list: "secretsmanager:GetResourcePolicy secretsmanager:ListSecrets"},
	"AWS::SecretsManager::Secret":         {id: "Id", create: "secretsmanager:CreateSecret secretsmanager:DescribeSecret secretsmanager:GetRandomPassword kms:Decrypt kms:GenerateDataKey", read: "secretsmanager:DescribeSecret secretsmanager:GetSecretValue", update: "secretsmanager:UpdateSecret secretsmanager:GetRandomPassword secretsmanager:GetSecretValue kms:Decrypt kms:GenerateDataKey", delete: "secretsmanager:DeleteSecret secretsmanager:DescribeSecret", list: "secretsmanager:ListSecrets", tag: "secretsmanager:TagResource secretsmanager:UntagResource"},

	"AWS::SNS::Subscription": {id: "Arn", create: "sns:Subscribe sns:GetSubscriptionAttributes", read: "sns:GetSubscriptionAttributes", update: "sns:SetSubscriptionAttributes sns:GetSubscriptionAttributes", delete: "sns:Unsubscribe sns:GetSubscriptionAttributes", list: "sns:ListSubscriptionsByTopic"},
	"AWS::SNS::Topic":        {id: "TopicArn", create: "sns:CreateTopic sns:Subscribe sns:SetTopicAttributes", read: "sns:GetTopicAttributes sns:ListSubscriptionsByTopic sns:GetDataProtectionPolicy", update: "sns:SetTopicAttributes sns:Subscribe sns:Unsubscribe sns:GetTopicAttributes sns:ListSubscriptionsByTopic", delete: "sns:DeleteTopic", list: "sns:ListTopics", tag: tagsSNS},
	"AWS::SNS::TopicPolicy":  {id: "Id", create: "sns:SetTopicAttributes", read: "sns:GetTopicAttributes", update: "sns:SetTopicAttributes", delete: "sns:SetTopicAttributes"},

	"AWS::SQS::Queue":       {id: "QueueUrl", create: "sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes", read: "sqs:GetQueueAttributes sqs:ListQueueTags", update: "sqs:SetQueueAttributes sqs:GetQueueAttributes", delete: "sqs:DeleteQueue sqs:GetQueueAttributes", list: "sqs:ListQueues", tag: "sqs:TagQueue sqs:UntagQueue sqs:ListQueueTags"},
	"AWS::SQS::QueuePolicy": {id: "Id", create: "sqs:SetQueueAttributes", read: "sqs:GetQueueAttributes", update: "sqs:SetQueueAttributes", delete: "sqs:SetQueueAttributes"},

	"AWS::ApiGateway::Account":       {id: "Id", create: "apigateway:PATCH apigateway:GET iam:PassRole", read: "apigateway:GET", update: "apigateway:PATCH apigateway:GET iam:PassRole", delete: "apigateway:GET"},
	"AWS::ApiGateway::Deployment":    {id: "DeploymentId RestApiId", create: "apigateway:POST", read: "apigateway:GET", update: "apigateway:PATCH apigateway:GET", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET"},
	"AWS::ApiGateway::Method":        {id: "RestApiId ResourceId HttpMethod", create: "apigateway:PUT apigateway:GET iam:PassRole", read: "apigateway:GET", update: "apigateway:GET apigateway:PUT apigateway:DELETE iam:PassRole", delete: "apigateway:DELETE"},
	"AWS::ApiGateway::Resource":      {id: "RestApiId ResourceId", create: "apigateway:POST", read: "apigateway:GET", update: "apigateway:GET apigateway:PATCH", delete: "apigateway:DELETE", list: "apigateway:GET"},
	"AWS::ApiGateway::RestApi":       {id: "RestApiId", create: "apigateway:POST apigateway:PUT apigateway:PATCH apigateway:GET", read: "apigateway:GET", update: "apigateway:GET apigateway:PATCH apigateway:PUT apigateway:DELETE", delete: "apigateway:DELETE", list: "apigateway:GET", tag: "apigateway:PUT apigateway:DELETE"},
	"AWS::ApiGateway::Stage":         {id: "RestApiId StageName", create: "apigateway:POST apigateway:PATCH apigateway:GET", read: "apigateway:GET", update: "apigateway:GET apigateway:PATCH apigateway:PUT apigateway:DELETE", delete: "apigateway:DELETE", list: "apigateway:GET", tag: "apigateway:PUT apigateway:DELETE"},
	"AWS::ApiGatewayV2::Api":         {id: "ApiId", create: "apigateway:PUT apigateway:POST apigateway:PATCH apigateway:GET", read: "apigateway:GET", update: "apigateway:PATCH apigateway:PUT apigateway:GET", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET", tag: "apigateway:PUT apigateway:DELETE"},
	"AWS::ApiGatewayV2::Deployment":  {id: "ApiId DeploymentId", create: "apigateway:POST", read: "apigateway:GET", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET"},
	"AWS::ApiGatewayV2::Integration": {id: "ApiId IntegrationId", create: "apigateway:POST iam:PassRole", read: "apigateway:GET", update: "apigateway:PATCH apigateway:GET iam:PassRole", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET"},
	"AWS::ApiGatewayV2::Route":       {id: "ApiId RouteId", create: "apigateway:POST", read: "apigateway:GET", update: "apigateway:PATCH apigateway:GET", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET"},
	"AWS::ApiGatewayV2::Stage":       {id: "ApiId StageName", create: "apigateway:POST", read: "apigateway:GET", update: "apigateway:PATCH apigateway:GET", delete: "apigateway:GET apigateway:DELETE", list: "apigateway:GET", tag: "apigateway:PUT apigateway:DELETE"},
	"AWS::Scheduler::Schedule":       {id: "Name", create: "scheduler:CreateSchedule scheduler:GetSchedule iam:PassRole", read: "scheduler:GetSchedule", update: "scheduler:UpdateSchedule scheduler:GetSchedule iam:PassRole", delete: "scheduler:DeleteSchedule scheduler:GetSchedule", list: "scheduler:ListSchedules"},

	"AWS::Events::EventBus":       {id: "Name", create: "events:CreateEventBus events:DescribeEventBus events:PutPermission", read: "events:DescribeEventBus events:ListTagsForResource", update: "events:UpdateEventBus events:DescribeEventBus events:PutPermission events:RemovePermission", delete: "events:DeleteEventBus events:DescribeEventBus", list: "events:ListEventBuses", tag: "events:TagResource events:UntagResource events:ListTagsForResource"},
	"AWS::Events::EventBusPolicy": {id: "EventBusName StatementId", create: "events:DescribeEventBus events:PutPermission", read: "events:DescribeEventBus", update: "events:DescribeEventBus events:PutPermission events:RemovePermission", delete: "events:DescribeEventBus events:RemovePermission", list: "events:ListEventBuses"},
	"AWS::Events::Rule":           {id: "Arn", create: "events:PutRule events:PutTargets events:DescribeRule iam:PassRole", read: "events:DescribeRule events:ListTargetsByRule events:ListTagsForResource", update: "events:PutRule events:PutTargets events:RemoveTargets events:DescribeRule iam:PassRole", delete: "events:DeleteRule events:RemoveTargets events:ListTargetsByRule events:DescribeRule", list: "events:ListRules", tag: "events:TagResource events:UntagResource events:ListTagsForResource"},

	"AWS::CloudWatch::Alarm": {id: "AlarmName", create: "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms", read: "cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource", update: "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms", delete: "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms", list: "cloudwatch:DescribeAlarms", tag: "cloudwatch:TagResource cloudwatch:UntagResource cloudwatch:ListTagsForResource"},

	"AWS::SSM::Parameter": {id: "Name", create: "ssm:PutParameter ssm:GetParameters", read: "ssm:GetParameters", update: "ssm:PutParameter ssm:GetParameters", delete: "ssm:DeleteParameter", list: "ssm:DescribeParameters", tag: "ssm:AddTagsToResource ssm:RemoveTagsFromResource ssm:ListTagsForResource"},
}

func typeOps() map[string]operation {
	return map[string]operation{
		"DescribeType":                  {run: describeType},
		"ActivateOrganizationsAccess":   {run: activateOrganizations},
		"DeactivateOrganizationsAccess": {run: deactivateOrganizations},
		"DescribeOrganizationsAccess":   {run: describeOrganizationsAccess},
	}
}

// describeType shows the schema of a resource type that the sandbox serves.
func describeType(c *call) (obj, error) {
	name := c.In.str("TypeName")
	if arn := c.In.str("Arn"); arn != "" {
		name = strings.ReplaceAll(arn[strings.LastIndex(arn, "/")+1:], "-", "::")
	} else if kind := c.In.str("Type"); name == "" || kind == "" {
		return nil, invalid("You must specify either Arn, or Type and TypeName")
	} else if kind != "RESOURCE" {
		name = ""
	}
	p, ok := c.types()[name]
	if !ok {
		return nil, &apiError{Status: 404, Code: "TypeNotFoundException", Message: "The type '" + c.In.or("TypeName", c.In.str("Arn")) + "' cannot be found."}
	}
	schema, err := json.Marshal(schemaOf(name, p))
	if err != nil {
		return nil, err
	}
	provisioning := "FULLY_MUTABLE"
	switch s := typeSchemas[name]; {
	case s.create == "":
		provisioning = "NON_PROVISIONABLE"
	case p.update == nil:
		provisioning = "IMMUTABLE"
	}
	since := time.Date(2019, 11, 18, 0, 0, 0, 0, time.UTC)
	return obj{"Arn": "arn:aws:cloudformation:" + c.Region + "::type/resource/" + strings.ReplaceAll(name, "::", "-"),
		"Type": "RESOURCE", "TypeName": name, "Description": "Resource Type definition for " + name, "Schema": string(schema),
		"ProvisioningType": provisioning, "DeprecatedStatus": "LIVE", "Visibility": "PUBLIC", "IsDefaultVersion": true,
		"TimeCreated": since, "LastUpdated": since}, nil
}

// schemaOf is the resource type's schema. Properties have no types: the
// sandbox leaves checking them to the services.
func schemaOf(name string, p provider) obj {
	s := typeSchemas[name]
	out := obj{"typeName": name, "description": "Resource Type definition for " + name, "additionalProperties": false}
	properties, needed, fixed, readOnly := obj{}, []string{}, []string{}, []string{}
	for _, n := range sortedKeys(p.properties) {
		properties[n] = obj{}
		if p.properties[n]&required != 0 {
			needed = append(needed, n)
		}
		if p.properties[n]&replaces != 0 {
			fixed = append(fixed, "/properties/"+n)
		}
	}
	for _, n := range p.attributes {
		if _, given := p.properties[n]; !given {
			properties[n] = obj{}
			readOnly = append(readOnly, "/properties/"+strings.ReplaceAll(n, ".", "/"))
		}
	}
	ids := []string{}
	for _, n := range strings.Fields(s.id) {
		if properties[n] == nil { // the physical id under the registry's name
			properties[n] = obj{}
			readOnly = append(readOnly, "/properties/"+n)
		}
		ids = append(ids, "/properties/"+n)
	}
	slices.Sort(readOnly)
	out["properties"], out["required"], out["createOnlyProperties"], out["readOnlyProperties"], out["primaryIdentifier"] = properties, needed, fixed, readOnly, ids
	tagging := obj{"taggable": p.tags != ""}
	if p.tags != "" {
		tagging["tagOnCreate"], tagging["tagUpdatable"], tagging["cloudFormationSystemTags"] = true, true, true
		tagging["tagProperty"], tagging["permissions"] = "/properties/"+p.tags, strings.Fields(s.tag)
	}
	out["tagging"] = tagging
	handlers := obj{}
	if p.tags == "" {
		s.tag = ""
	}
	for verb, text := range map[string]string{"create": s.create + " " + s.tag, "read": s.read, "update": s.update + " " + s.tag, "delete": s.delete, "list": s.list} {
		if actions := strings.Fields(text); len(actions) > 0 && s.create != "" && (verb != "update" || p.update != nil) {
			handlers[verb] = obj{"permissions": slices.Compact(slices.Sorted(slices.Values(actions)))}
		}
	}
	out["handlers"] = handlers
	return out
}

// stackSets is the principal whose trusted access lets StackSets work in all
// accounts.
const stackSets = "member.org.stacksets.cloudformation.amazonaws.com"

// ofOrganization refuses callers that neither manage the organization nor
// administer StackSets for it.
func (c *call) ofOrganization(delegates bool) error {
	if c.Account.ID == c.st.Org.Management {
		return nil
	}
	if _, ok := c.st.Org.Delegates[c.Account.ID][stackSets]; ok && delegates && c.In.str("CallAs") == "DELEGATED_ADMIN" {
		return nil
	}
	return fail("InvalidOperationException", "You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED stack set")
}

// activateOrganizations is trusted access by CloudFormation's own operation,
// which AWS asks for: enabled in Organizations alone, StackSets lacks its role.
func activateOrganizations(c *call) (obj, error) {
	if err := c.ofOrganization(false); err != nil {
		return nil, err
	}
	if _, on := c.st.Org.Trusted[stackSets]; on {
		return obj{}, nil
	}
	if _, err := c.invoke("organizations", "EnableAWSServiceAccess", "", params{"ServicePrincipal": stackSets}); err != nil {
		return nil, err
	}
	return obj{}, nil
}

func deactivateOrganizations(c *call) (obj, error) {
	if err := c.ofOrganization(false); err != nil {
		return nil, err
	}
	if _, err := c.invoke("organizations", "DisableAWSServiceAccess", "", params{"ServicePrincipal": stackSets}); err != nil {
		return nil, err
	}
	return obj{}, nil
}

func describeOrganizationsAccess(c *call) (obj, error) {
	if err := c.ofOrganization(true); err != nil {
		return nil, err
	}
	status := "DISABLED"
	if _, on := c.st.Org.Trusted[stackSets]; on {
		status = "ENABLED"
	}
	return obj{"Status": status}, nil
}
