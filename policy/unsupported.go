package policy

import (
	"fmt"
	"slices"
	"strings"
)

// crossAccountActions are the actions that services which have resource-based
// policies take from other accounts: what a policy grants beyond them has no
// effect. As documented in November 2026 (AWS KMS Developer Guide, allowing
// users in other accounts to use a key; Secrets Manager User Guide, access from
// a different account; DynamoDB Developer Guide, API operations supported by
// resource-based policies). Services that aren't here have no such list.
var crossAccountActions = map[string][]string{
	"kms": {"CreateGrant", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
		"GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetKeyRotationStatus", "GetPublicKey",
		"ListGrants", "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "RevokeGrant", "Sign", "Verify", "VerifyMac"},
	"secretsmanager": {"CancelRotateSecret", "DeleteResourcePolicy", "DeleteSecret", "DescribeSecret", "GetRandomPassword", "GetResourcePolicy",
		"GetSecretValue", "ListSecretVersionIds", "PutResourcePolicy", "PutSecretValue", "RestoreSecret", "RotateSecret", "TagResource",
		"UntagResource", "UpdateSecret", "UpdateSecretVersionStage", "ValidateResourcePolicy"},
	"dynamodb": {"BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "DeleteTable", "DescribeStream", "DescribeTable", "GetItem",
		"GetRecords", "GetShardIterator", "ListTagsOfResource", "PutItem", "Query", "Scan", "TagResource", "UntagResource", "UpdateItem", "UpdateTable"},
}

// ownAccountActions are actions of services without such a list that no policy
// gives to another account: those that make or list what is one's own, and what
// SQS keeps to the queue's owner (Developer Guide, limitations of custom
// policies).
var ownAccountActions = map[string][]string{
	"s3":  {"CreateBucket", "ListAllMyBuckets"},
	"sns": {"CreateTopic", "ListSubscriptions", "ListTopics", "TagResource", "UntagResource"},
	"sqs": {"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks", "ListQueueTags", "ListQueues",
		"RemovePermission", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue"},
}

// withoutResourcePolicies are much used services none of whose resources has a
// resource-based policy (IAM User Guide, AWS services that work with IAM, as of
// November 2026): other accounts reach them by assuming a role only, or what
// they share by AWS RAM.
var withoutResourcePolicies = map[string]string{
	"application-autoscaling": "Application Auto Scaling", "athena": "Athena", "autoscaling": "EC2 Auto Scaling", "batch": "AWS Batch",
	"ce": "Cost Explorer", "cloudformation": "CloudFormation", "cloudfront": "CloudFront", "cloudwatch": "CloudWatch", "codecommit": "CodeCommit",
	"codedeploy": "CodeDeploy", "codepipeline": "CodePipeline", "cognito-idp": "Cognito", "config": "AWS Config",
	"directconnect": "Direct Connect", "dms": "AWS DMS", "ds": "Directory Service", "ec2": "EC2", "ecs": "ECS", "eks": "EKS",
	"elasticache": "ElastiCache", "elasticbeanstalk": "Elastic Beanstalk", "elasticmapreduce": "EMR", "firehose": "Data Firehose", "fsx": "FSx",
	"guardduty": "GuardDuty", "iam": "IAM", "rds": "RDS", "rds-db": "RDS", "redshift-data": "Redshift", "route53": "Route 53",
	"servicecatalog": "Service Catalog", "states": "Step Functions", "workspaces": "WorkSpaces",
}

// RolesOnly is the name of a service, by its prefix in actions, whose resources
// other accounts reach by assuming a role only; "" for others.
func RolesOnly(service string) string { return withoutResourcePolicies[lower(service)] }

// OwnAccountOnly says whether no policy gives the action to another account.
func OwnAccountOnly(action string) bool {
	service, operation, _ := strings.Cut(lower(action), ":")
	is := func(a string) bool { return lower(a) == operation }
	if only := crossAccountActions[service]; only != nil {
		return !slices.ContainsFunc(only, is)
	}
	return slices.ContainsFunc(ownAccountActions[service], is)
}

// crossAccount says why a service doesn't take an action from another account,
// or "" when it does or isn't in the tables.
func crossAccount(req *Request) string {
	service, _, _ := strings.Cut(req.Action, ":")
	if name := RolesOnly(service); name != "" {
		return fmt.Sprintf("%s has no resource-based policies: from another account assume a role in %s", name, req.resourceAccount())
	}
	if !OwnAccountOnly(req.Action) {
		return ""
	}
	return fmt.Sprintf("%s isn't taken from other accounts, whatever the policies allow: assume a role in %s", req.Action, req.resourceAccount())
}
