package sandbox

import (
	"errors"
	"strings"
)

// look is a call with which a resource's handler reads.
type look struct {
	service, op string
	in          params
}

// read asks for the permissions that AWS's handlers read with: after a resource
// was made or changed, to see that it is settled and what Fn::GetAtt gives. What
// they would read is at hand here, so nothing but the permission is asked for.
//
// The calls are from the service authorization reference and from what fails on
// AWS without a permission, on purpose not from the schemas of the types: what
// Axle computes from those is tested against these.
func (rc *resourceCall) read() error { return rc.may(rc.reads()) }

// readBeforeRemove is the same for what handlers read to remove a resource.
func (rc *resourceCall) readBeforeRemove() error {
	switch rc.Type {
	case "AWS::IAM::Role":
		in := params{"RoleName": rc.PhysicalID}
		return rc.may([]look{{"iam", "ListRolePolicies", in}, {"iam", "ListAttachedRolePolicies", in}})
	case "AWS::IAM::ManagedPolicy":
		in := params{"PolicyArn": rc.PhysicalID}
		return rc.may([]look{{"iam", "ListPolicyVersions", in}, {"iam", "ListEntitiesForPolicy", in}})
	}
	return nil
}

func (rc *resourceCall) may(looks []look) error {
	for _, l := range looks {
		op, ok := rc.ops[l.service][l.op]
		if !ok { // a service that isn't served in full can't be asked
			continue
		}
		inner := *rc.call
		if inner.Via == "" {
			inner.Via = rc.Service
		}
		inner.Service, inner.Op, inner.In, inner.HTTP, inner.Body = l.service, l.op, l.in, nil, nil
		if l.service == "sns" && rc.Props.has("Region") {
			inner.Region = rc.Props.str("Region")
		}
		err := inner.permit(op)
		if err == nil && op.open { // it asks itself
			_, err = op.run(&inner)
		}
		var api *apiError
		if errors.As(err, &api) && handlerErrorCode(api.Code) == "AccessDenied" {
			return &resourceError{Service: l.service, Err: err}
		}
	}
	return nil
}

// ec2Looks are the Describe calls of EC2's types.
var ec2Looks = map[string]string{
	"AWS::EC2::VPC": "DescribeVpcs", "AWS::EC2::Subnet": "DescribeSubnets", "AWS::EC2::InternetGateway": "DescribeInternetGateways",
	"AWS::EC2::VPCGatewayAttachment": "DescribeInternetGateways", "AWS::EC2::EIP": "DescribeAddresses", "AWS::EC2::NatGateway": "DescribeNatGateways",
	"AWS::EC2::VPCPeeringConnection": "DescribeVpcPeeringConnections", "AWS::EC2::RouteTable": "DescribeRouteTables", "AWS::EC2::Route": "DescribeRouteTables",
	"AWS::EC2::SubnetRouteTableAssociation": "DescribeRouteTables", "AWS::EC2::SecurityGroup": "DescribeSecurityGroups",
	"AWS::EC2::SecurityGroupIngress": "DescribeSecurityGroupRules", "AWS::EC2::SecurityGroupEgress": "DescribeSecurityGroupRules",
}

func (rc *resourceCall) reads() []look {
	if op, ok := ec2Looks[rc.Type]; ok {
		out := []look{{"ec2", op, params{}}}
		switch rc.Type { // what Fn::GetAtt gives, or the handler compares with
		case "AWS::EC2::VPC":
			out = append(out, look{"ec2", "DescribeVpcAttribute", params{"VpcId": rc.PhysicalID}},
				look{"ec2", "DescribeNetworkAcls", params{}}, look{"ec2", "DescribeSecurityGroups", params{}})
		case "AWS::EC2::Subnet":
			out = append(out, look{"ec2", "DescribeNetworkAcls", params{}})
		case "AWS::EC2::SubnetRouteTableAssociation":
			out = append(out, look{"ec2", "DescribeSubnets", params{}})
		case "AWS::EC2::SecurityGroupIngress":
			out = append(out, look{"ec2", "DescribeSecurityGroups", params{}})
		}
		return out
	}
	service, of, ok := strings.Cut(strings.TrimPrefix(rc.Type, "AWS::"), "::")
	if !ok {
		return nil
	}
	switch service {
	case "IAM":
		return rc.iamReads(of)
	case "S3":
		return rc.s3Reads(of)
	case "SNS":
		return rc.snsReads(of)
	case "KMS":
		return rc.kmsReads(of)
	case "DynamoDB":
		return rc.dynamoReads(of)
	case "Events":
		return rc.eventReads(of)
	case "ApiGateway", "ApiGatewayV2":
		return rc.gatewayReads(service == "ApiGatewayV2", of)
	}
	id := rc.PhysicalID
	switch rc.Type {
	case "AWS::Scheduler::Schedule":
		return []look{{"scheduler", "GetSchedule", params{"Name": id, "GroupName": rc.Props.or("GroupName", "default")}}}
	case "AWS::SSM::Parameter":
		return []look{{"ssm", "GetParameters", params{"Names": []any{id}}},
			{"ssm", "ListTagsForResource", params{"ResourceType": "Parameter", "ResourceId": id}}}
	case "AWS::CloudWatch::Alarm":
		return []look{{"monitoring", "DescribeAlarms", params{"AlarmNames": []any{id}}}}
	case "AWS::SQS::Queue":
		name := id[strings.LastIndexByte(id, '/')+1:]
		return []look{{"sqs", "GetQueueUrl", params{"QueueName": name}}, {"sqs", "GetQueueAttributes", params{"QueueUrl": id}}, {"sqs", "ListQueueTags", params{"QueueUrl": id}}}
	case "AWS::SQS::QueuePolicy":
		var out []look
		for _, url := range rc.Props.strs("Queues") {
			out = append(out, look{"sqs", "GetQueueAttributes", params{"QueueUrl": url}})
		}
		return out
	case "AWS::SecretsManager::Secret":
		return []look{{"secretsmanager", "DescribeSecret", params{"SecretId": id}}}
	case "AWS::SecretsManager::ResourcePolicy":
		return []look{{"secretsmanager", "GetResourcePolicy", params{"SecretId": rc.Props.str("SecretId")}}}
	}
	return nil
}

func (rc *resourceCall) iamReads(of string) []look {
	var out []look
	switch of {
	case "Role":
		out = append(out, look{"iam", "GetRole", params{"RoleName": rc.PhysicalID}})
		for _, p := range rc.Props.list("Policies") {
			out = append(out, look{"iam", "GetRolePolicy", params{"RoleName": rc.PhysicalID, "PolicyName": p.str("PolicyName")}})
		}
	case "Policy":
		for _, kind := range []string{"Role", "User", "Group"} {
			for _, name := range rc.Props.strs(kind + "s") {
				out = append(out, look{"iam", "Get" + kind + "Policy", params{kind + "Name": name, "PolicyName": rc.Props.str("PolicyName")}})
			}
		}
	case "ManagedPolicy":
		in := params{"PolicyArn": rc.PhysicalID}
		out = append(out, look{"iam", "GetPolicy", in}, look{"iam", "GetPolicyVersion", in})
	case "OIDCProvider":
		out = append(out, look{"iam", "GetOpenIDConnectProvider", params{"OpenIDConnectProviderArn": rc.PhysicalID}})
	}
	return out
}

func (rc *resourceCall) s3Reads(of string) []look {
	if of == "BucketPolicy" {
		return []look{{"s3", "GetBucketPolicy", params{"Bucket": rc.Props.str("Bucket")}}}
	}
	in := params{"Bucket": rc.PhysicalID}
	out := []look{{"s3", "HeadBucket", in}, {"s3", "GetBucketTagging", in}}
	for _, part := range bucketParts {
		if rc.Props.has(part.property) {
			out = append(out, look{"s3", "Get" + part.words, in})
		}
	}
	return out
}

func (rc *resourceCall) snsReads(of string) []look {
	in := params{"TopicArn": rc.PhysicalID}
	switch of {
	case "Topic":
		out := []look{{"sns", "GetTopicAttributes", in}, {"sns", "ListTagsForResource", params{"ResourceArn": rc.PhysicalID}}}
		if rc.Props.has("Subscription") {
			out = append(out, look{"sns", "ListSubscriptionsByTopic", in})
		}
		return out
	case "TopicPolicy":
		var out []look
		for _, arn := range rc.Props.strs("Topics") {
			out = append(out, look{"sns", "GetTopicAttributes", params{"TopicArn": arn}})
		}
		return out
	}
	return []look{{"sns", "GetSubscriptionAttributes", params{"SubscriptionArn": rc.PhysicalID}}}
}

func (rc *resourceCall) kmsReads(of string) []look {
	if of == "Alias" {
		return []look{{"kms", "ListAliases", params{}}}
	}
	in := params{"KeyId": rc.PhysicalID}
	return []look{{"kms", "DescribeKey", in}, {"kms", "GetKeyPolicy", in}, {"kms", "GetKeyRotationStatus", in}, {"kms", "ListResourceTags", in}}
}

func (rc *resourceCall) dynamoReads(of string) []look {
	if of != "Table" {
		return nil
	}
	in := params{"TableName": rc.PhysicalID}
	named := params{"ResourceArn": "arn:aws:dynamodb:" + rc.Region + ":" + rc.Account.ID + ":table/" + rc.PhysicalID}
	out := []look{{"dynamodb", "DescribeTable", in}, {"dynamodb", "ListTagsOfResource", named}}
	if rc.Props.has("ResourcePolicy") {
		out = append(out, look{"dynamodb", "GetResourcePolicy", named})
	}
	for property, op := range map[string]string{"TimeToLiveSpecification": "DescribeTimeToLive", "PointInTimeRecoverySpecification": "DescribeContinuousBackups",
		"ContributorInsightsSpecification": "DescribeContributorInsights"} {
		if rc.Props.has(property) {
			out = append(out, look{"dynamodb", op, in})
		}
	}
	return out
}
