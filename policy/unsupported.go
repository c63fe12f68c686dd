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

// withoutResourcePolicies are much used services none of whose resources has a
// resource-based policy (IAM User Guide, AWS services that work with IAM, as of
// November 2026): other accounts reach them by assuming a role only, or what
// they share by AWS RAM.
var withoutResourcePolicies = map[string]string{
	"application-autoscaling": "Application Auto Scaling", "athena": "Athena", "autoscaling": "EC2 Auto Scaling", "batch": "AWS Batch",
	"ce": "Cost Explorer", "cloudformation": "CloudFormation", "cloudfront": "CloudFront", "cloudwatch": "CloudWatch", "config": "AWS Config",
	"directconnect": "Direct Connect", "dms": "AWS DMS", "ds": "Directory Service", "ec2": "EC2", "ecs": "ECS", "eks": "EKS",
	"elasticache": "ElastiCache", "elasticbeanstalk": "Elastic Beanstalk", "elasticmapreduce": "EMR", "fsx": "FSx", "guardduty": "GuardDuty",
	"iam": "IAM", "rds": "RDS", "route53": "Route 53", "servicecatalog": "Service Catalog", "states": "Step Functions", "workspaces": "WorkSpaces",
}

// crossAccount says why a service doesn't take an action from another account,
// or "" when it does or isn't in the tables.
func crossAccount(req *Request) string {
	service, operation, _ := strings.Cut(lower(req.Action), ":")
	if name := withoutResourcePolicies[service]; name != "" {
		return fmt.Sprintf("%s has no resource-based policies: from another account assume a role in %s", name, req.resourceAccount())
	}
	actions := crossAccountActions[service]
	if actions == nil || slices.ContainsFunc(actions, func(a string) bool { return lower(a) == operation }) {
		return ""
	}
	return fmt.Sprintf("%s isn't taken from other accounts, whatever the policies allow: assume a role in %s", req.Action, req.resourceAccount())
}
