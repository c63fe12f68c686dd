package policy

import (
	"maps"
	"slices"
	"strings"
)

// typeActions has, for the resource types that templates use most, the actions
// that CloudFormation calls with the deployer's permissions to create, read,
// update, tag, roll back and delete a resource. Written from the Service
// Authorization Reference; optional features that reach into other services (a
// function's file system, a bucket's replication) aren't in it.
var typeActions = map[string]string{
	"AWS::ApiGateway::Deployment": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST",
	"AWS::ApiGateway::Method":     "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:PUT",
	"AWS::ApiGateway::Resource":   "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST",
	"AWS::ApiGateway::RestApi":    "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT apigateway:UpdateRestApiPolicy",
	"AWS::ApiGateway::Stage":      "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT",

	"AWS::CloudFormation::WaitCondition":       "",
	"AWS::CloudFormation::WaitConditionHandle": "",

	"AWS::CloudWatch::Alarm":     "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:UntagResource",
	"AWS::CloudWatch::Dashboard": "cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:PutDashboard",

	"AWS::DynamoDB::Table": "dynamodb:CreateTable dynamodb:DeleteResourcePolicy dynamodb:DeleteTable dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource dynamodb:PutResourcePolicy dynamodb:TagResource dynamodb:UntagResource dynamodb:UpdateContinuousBackups dynamodb:UpdateContributorInsights dynamodb:UpdateTable dynamodb:UpdateTimeToLive",

	"AWS::EC2::DHCPOptions":                 "ec2:CreateDhcpOptions ec2:CreateTags ec2:DeleteDhcpOptions ec2:DeleteTags ec2:DescribeDhcpOptions ec2:DescribeTags",
	"AWS::EC2::EIP":                         "ec2:AllocateAddress ec2:AssociateAddress ec2:CreateTags ec2:DeleteTags ec2:DescribeAddresses ec2:DisassociateAddress ec2:ReleaseAddress",
	"AWS::EC2::InternetGateway":             "ec2:CreateInternetGateway ec2:CreateTags ec2:DeleteInternetGateway ec2:DeleteTags ec2:DescribeInternetGateways",
	"AWS::EC2::NatGateway":                  "ec2:CreateNatGateway ec2:CreateTags ec2:DeleteNatGateway ec2:DeleteTags ec2:DescribeNatGateways",
	"AWS::EC2::Route":                       "ec2:CreateRoute ec2:DeleteRoute ec2:DescribeNetworkInterfaces ec2:DescribeRouteTables ec2:ReplaceRoute",
	"AWS::EC2::RouteTable":                  "ec2:CreateRouteTable ec2:CreateTags ec2:DeleteRouteTable ec2:DeleteTags ec2:DescribeRouteTables ec2:DescribeTags",
	"AWS::EC2::SecurityGroup":               "ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:CreateSecurityGroup ec2:CreateTags ec2:DeleteSecurityGroup ec2:DeleteTags ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups ec2:RevokeSecurityGroupEgress ec2:RevokeSecurityGroupIngress ec2:UpdateSecurityGroupRuleDescriptionsEgress ec2:UpdateSecurityGroupRuleDescriptionsIngress",
	"AWS::EC2::SecurityGroupEgress":         "ec2:AuthorizeSecurityGroupEgress ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups ec2:RevokeSecurityGroupEgress ec2:UpdateSecurityGroupRuleDescriptionsEgress",
	"AWS::EC2::SecurityGroupIngress":        "ec2:AuthorizeSecurityGroupIngress ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups ec2:RevokeSecurityGroupIngress ec2:UpdateSecurityGroupRuleDescriptionsIngress",
	"AWS::EC2::Subnet":                      "ec2:AssociateSubnetCidrBlock ec2:CreateSubnet ec2:CreateTags ec2:DeleteSubnet ec2:DeleteTags ec2:DescribeSubnets ec2:DisassociateSubnetCidrBlock ec2:ModifySubnetAttribute",
	"AWS::EC2::SubnetRouteTableAssociation": "ec2:AssociateRouteTable ec2:DescribeRouteTables ec2:DescribeSubnets ec2:DisassociateRouteTable ec2:ReplaceRouteTableAssociation",
	"AWS::EC2::VPC":                         "ec2:CreateTags ec2:CreateVpc ec2:DeleteTags ec2:DeleteVpc ec2:DescribeNetworkAcls ec2:DescribeSecurityGroups ec2:DescribeVpcAttribute ec2:DescribeVpcs ec2:ModifyVpcAttribute ec2:ModifyVpcTenancy",
	"AWS::EC2::VPCCidrBlock":                "ec2:AssociateVpcCidrBlock ec2:DescribeVpcs ec2:DisassociateVpcCidrBlock",
	"AWS::EC2::VPCDHCPOptionsAssociation":   "ec2:AssociateDhcpOptions ec2:DescribeDhcpOptions ec2:DescribeVpcs",
	"AWS::EC2::VPCEndpoint":                 "ec2:CreateTags ec2:CreateVpcEndpoint ec2:DeleteTags ec2:DeleteVpcEndpoints ec2:DescribeVpcEndpoints ec2:ModifyVpcEndpoint",
	"AWS::EC2::VPCGatewayAttachment":        "ec2:AttachInternetGateway ec2:AttachVpnGateway ec2:DescribeInternetGateways ec2:DescribeVpnGateways ec2:DetachInternetGateway ec2:DetachVpnGateway",
	"AWS::EC2::VPCPeeringConnection":        "ec2:AcceptVpcPeeringConnection ec2:CreateTags ec2:CreateVpcPeeringConnection ec2:DeleteTags ec2:DeleteVpcPeeringConnection ec2:DescribeVpcPeeringConnections",

	"AWS::ECR::Repository": "ecr:CreateRepository ecr:DeleteLifecyclePolicy ecr:DeleteRepository ecr:DeleteRepositoryPolicy ecr:DescribeRepositories ecr:GetLifecyclePolicy ecr:GetRepositoryPolicy ecr:ListTagsForResource ecr:PutImageScanningConfiguration ecr:PutImageTagMutability ecr:PutLifecyclePolicy ecr:SetRepositoryPolicy ecr:TagResource ecr:UntagResource",

	"AWS::Events::EventBus": "events:CreateEventBus events:DeleteEventBus events:DescribeEventBus events:ListTagsForResource events:PutPermission events:RemovePermission events:TagResource events:UntagResource events:UpdateEventBus",
	"AWS::Events::Rule":     "events:DeleteRule events:DescribeRule events:ListTagsForResource events:ListTargetsByRule events:PutRule events:PutTargets events:RemoveTargets events:TagResource events:UntagResource",

	"AWS::IAM::InstanceProfile": "iam:AddRoleToInstanceProfile iam:CreateInstanceProfile iam:DeleteInstanceProfile iam:GetInstanceProfile iam:PassRole iam:RemoveRoleFromInstanceProfile",
	"AWS::IAM::ManagedPolicy":   "iam:AttachGroupPolicy iam:AttachRolePolicy iam:AttachUserPolicy iam:CreatePolicy iam:CreatePolicyVersion iam:DeletePolicy iam:DeletePolicyVersion iam:DetachGroupPolicy iam:DetachRolePolicy iam:DetachUserPolicy iam:GetPolicy iam:GetPolicyVersion iam:ListEntitiesForPolicy iam:ListPolicyVersions",
	"AWS::IAM::OIDCProvider":    "iam:AddClientIDToOpenIDConnectProvider iam:CreateOpenIDConnectProvider iam:DeleteOpenIDConnectProvider iam:GetOpenIDConnectProvider iam:RemoveClientIDFromOpenIDConnectProvider iam:TagOpenIDConnectProvider iam:UntagOpenIDConnectProvider iam:UpdateOpenIDConnectProviderThumbprint",
	"AWS::IAM::Policy":          "iam:DeleteGroupPolicy iam:DeleteRolePolicy iam:DeleteUserPolicy iam:GetGroupPolicy iam:GetRolePolicy iam:GetUserPolicy iam:PutGroupPolicy iam:PutRolePolicy iam:PutUserPolicy",
	"AWS::IAM::Role":            "iam:AttachRolePolicy iam:CreateRole iam:DeleteRole iam:DeleteRolePermissionsBoundary iam:DeleteRolePolicy iam:DetachRolePolicy iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies iam:ListRoleTags iam:PutRolePermissionsBoundary iam:PutRolePolicy iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription",
	"AWS::IAM::RolePolicy":      "iam:DeleteRolePolicy iam:GetRolePolicy iam:PutRolePolicy",

	"AWS::KMS::Alias": "kms:CreateAlias kms:DeleteAlias kms:ListAliases kms:UpdateAlias",
	"AWS::KMS::Key":   "kms:CreateKey kms:DescribeKey kms:DisableKey kms:EnableKey kms:EnableKeyRotation kms:DisableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource kms:UpdateKeyDescription",

	"AWS::Lambda::Alias":              "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias lambda:GetProvisionedConcurrencyConfig lambda:PutProvisionedConcurrencyConfig lambda:UpdateAlias",
	"AWS::Lambda::EventSourceMapping": "lambda:CreateEventSourceMapping lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:ListTags lambda:TagResource lambda:UntagResource lambda:UpdateEventSourceMapping",
	"AWS::Lambda::Function":           "iam:PassRole lambda:CreateFunction lambda:DeleteFunction lambda:DeleteFunctionConcurrency lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:GetFunctionConfiguration lambda:GetFunctionRecursionConfig lambda:GetRuntimeManagementConfig lambda:ListTags lambda:PutFunctionConcurrency lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration",
	"AWS::Lambda::LayerVersion":       "lambda:DeleteLayerVersion lambda:GetLayerVersion lambda:PublishLayerVersion",
	"AWS::Lambda::Permission":         "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission",
	"AWS::Lambda::Version":            "lambda:DeleteFunction lambda:GetFunctionConfiguration lambda:GetProvisionedConcurrencyConfig lambda:ListVersionsByFunction lambda:PublishVersion lambda:PutProvisionedConcurrencyConfig",

	"AWS::Logs::LogGroup":           "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteRetentionPolicy logs:DescribeLogGroups logs:ListTagsForResource logs:PutRetentionPolicy logs:TagResource logs:UntagResource",
	"AWS::Logs::SubscriptionFilter": "iam:PassRole logs:DeleteSubscriptionFilter logs:DescribeSubscriptionFilters logs:PutSubscriptionFilter",

	"AWS::S3::Bucket":       "s3:CreateBucket s3:DeleteBucket s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration s3:GetInventoryConfiguration s3:GetLifecycleConfiguration s3:GetMetricsConfiguration s3:GetReplicationConfiguration s3:ListBucket s3:PutAccelerateConfiguration s3:PutBucketCORS s3:PutBucketLogging s3:PutBucketNotification s3:PutBucketOwnershipControls s3:PutBucketPublicAccessBlock s3:PutBucketTagging s3:PutBucketVersioning s3:PutBucketWebsite s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration",
	"AWS::S3::BucketPolicy": "s3:DeleteBucketPolicy s3:GetBucketPolicy s3:PutBucketPolicy",

	"AWS::SecretsManager::ResourcePolicy": "secretsmanager:DeleteResourcePolicy secretsmanager:GetResourcePolicy secretsmanager:PutResourcePolicy",
	"AWS::SecretsManager::Secret":         "secretsmanager:CreateSecret secretsmanager:DeleteSecret secretsmanager:DescribeSecret secretsmanager:GetRandomPassword secretsmanager:TagResource secretsmanager:UntagResource secretsmanager:UpdateSecret",

	"AWS::SNS::Subscription": "sns:GetSubscriptionAttributes sns:ListSubscriptionsByTopic sns:SetSubscriptionAttributes sns:Subscribe sns:Unsubscribe",
	"AWS::SNS::Topic":        "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:PutDataProtectionPolicy sns:SetTopicAttributes sns:Subscribe sns:TagResource sns:Unsubscribe sns:UntagResource",
	"AWS::SNS::TopicPolicy":  "sns:GetTopicAttributes sns:SetTopicAttributes",

	"AWS::SQS::Queue":       "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue",
	"AWS::SQS::QueuePolicy": "sqs:GetQueueAttributes sqs:SetQueueAttributes",

	"AWS::SSM::Parameter": "ssm:AddTagsToResource ssm:DeleteParameter ssm:DescribeParameters ssm:GetParameters ssm:ListTagsForResource ssm:PutParameter ssm:RemoveTagsFromResource",

	"AWS::StepFunctions::StateMachine": "iam:PassRole states:CreateStateMachine states:DeleteStateMachine states:DescribeStateMachine states:ListTagsForResource states:TagResource states:UntagResource states:UpdateStateMachine",
}

// ActionsFor returns the actions that CloudFormation needs to manage resources
// of the types, sorted, and the types that it knows nothing of. Custom
// resources need none: the function behind them has its own role.
func ActionsFor(types []string) (actions, unknown []string) {
	set, odd := map[string]bool{}, map[string]bool{}
	for _, t := range types {
		list, ok := typeActions[t]
		if !ok && t != "AWS::CloudFormation::CustomResource" && !strings.HasPrefix(t, "Custom::") {
			odd[t] = true
		}
		for _, a := range strings.Fields(list) {
			set[a] = true
		}
	}
	return slices.Sorted(maps.Keys(set)), slices.Sorted(maps.Keys(odd))
}
