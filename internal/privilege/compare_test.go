package privilege

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestAgainstSchemas compares the table with what the handlers of the types'
// schemas name: AXLE_CFN_HANDLERS is a JSON file, type -> verb -> actions. It is
// opt-in because the file isn't ours. Handlers name all that they may call for
// any property, so lacking some is expected, and printed; an action of ours that
// no schema has is a mistake unless it is explained.
func TestAgainstSchemas(t *testing.T) {
	path := os.Getenv("AXLE_CFN_HANDLERS")
	if path == "" {
		t.Skip("AXLE_CFN_HANDLERS names no file of handlers' permissions")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schemas map[string]map[string][]string
	if err := json.Unmarshal(text, &schemas); err != nil {
		t.Fatal(err)
	}
	types := 0
	for _, table := range kindTables() {
		for name, k := range table {
			types++
			theirs := map[string]bool{}
			for verb, actions := range schemas[name] {
				for _, a := range actions {
					if verb != "list" {
						theirs[strings.ToLower(a)] = true
					}
				}
			}
			if len(theirs) == 0 { // no schema, or one without handlers
				t.Logf("%s: no handlers to compare with", name)
				continue
			}
			ours := actionsOf(&k)
			for _, a := range ours {
				if low := strings.ToLower(a); !theirs[low] && extra[name+" "+a] == "" {
					t.Errorf("%s: %s is in no handler, and isn't explained", name, a)
				}
			}
			var lacks []string
			for a := range theirs {
				if !slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, a) }) {
					lacks = append(lacks, a)
				}
			}
			if slices.Sort(lacks); len(lacks) > 0 {
				t.Logf("%s: handlers may also call %s", name, strings.Join(lacks, " "))
			}
		}
	}
	if types < 60 {
		t.Errorf("%d types", types)
	}
}

// actionsOf are all actions that a type may need.
func actionsOf(k *kind) []string {
	lists := k.lists()
	for _, w := range k.when {
		lists = append(lists, w.actions)
	}
	var out []string
	for token := range strings.FieldsSeq(strings.Join(lists, " ")) {
		if a, _, _ := strings.Cut(token, "@"); strings.Contains(a, ":") {
			out = append(out, a)
		}
	}
	if len(k.pass) > 0 {
		out = append(out, "iam:PassRole")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// extra are actions that we grant and the schemas don't name.
var extra = map[string]string{
	"AWS::EC2::VPCEndpoint route53:AssociateVPCWithHostedZone":                 "EC2 asks the caller for it when private DNS is on",
	"AWS::SNS::TopicPolicy sns:GetTopicAttributes":                             "the schema has no read handler",
	"AWS::SQS::QueuePolicy sqs:GetQueueAttributes":                             "the schema has no read handler",
	"AWS::RDS::DBInstance rds:ListTagsForResource":                             "tags are read before they are changed",
	"AWS::RDS::DBInstance iam:CreateServiceLinkedRole":                         "the first database of an account makes it",
	"AWS::RDS::DBSubnetGroup ec2:DescribeSubnets":                              "RDS looks at the subnets as the caller",
	"AWS::RDS::DBSubnetGroup ec2:DescribeVpcs":                                 "RDS looks at the subnets' VPC as the caller",
	"AWS::ECR::Repository ecr:BatchDeleteImage":                                "EmptyOnDelete empties the repository",
	"AWS::ECR::Repository ecr:ListImages":                                      "EmptyOnDelete empties the repository",
	"AWS::SecretsManager::Secret kms:Decrypt":                                  "Secrets Manager asks the caller for it under a key of one's own",
	"AWS::SecretsManager::Secret kms:GenerateDataKey":                          "Secrets Manager asks the caller for it under a key of one's own",
	"AWS::CloudFormation::Stack cloudformation:TagResource":                    "a nested stack has the tags of its parent",
	"AWS::CloudFormation::Stack cloudformation:UntagResource":                  "a nested stack has the tags of its parent",
	"AWS::Lambda::Function ecr:BatchGetImage":                                  "Lambda asks the caller for it when the code is an image",
	"AWS::Lambda::Function ecr:GetDownloadUrlForLayer":                         "Lambda asks the caller for it when the code is an image",
	"AWS::Lambda::Function ecr:GetRepositoryPolicy":                            "Lambda lets itself into the image's repository",
	"AWS::Lambda::Function ecr:SetRepositoryPolicy":                            "Lambda lets itself into the image's repository",
	"AWS::Lambda::Function lambda:GetFunctionConfiguration":                    "CloudFormation waits with it until a change has taken effect",
	"AWS::Lambda::Function lambda:ListTags":                                    "tags are read before they are changed",
	"AWS::Lambda::Version lambda:DeleteProvisionedConcurrencyConfig":           "provisioned concurrency is taken away again",
	"AWS::ApiGateway::Method apigateway:PATCH":                                 "a method is changed by PATCH",
	"AWS::ApiGatewayV2::Stage apigateway:PUT":                                  "tags are set by PUT on /tags",
	"AWS::Scheduler::Schedule kms:Decrypt":                                     "Scheduler asks the caller for it under a key of one's own",
	"AWS::Scheduler::Schedule kms:DescribeKey":                                 "Scheduler asks the caller for it under a key of one's own",
	"AWS::Scheduler::Schedule kms:GenerateDataKey":                             "Scheduler asks the caller for it under a key of one's own",
	"AWS::EC2::LaunchTemplate iam:PassRole":                                    "EC2 asks the caller for it when the template names an instance profile",
	"AWS::EC2::LaunchTemplate ec2:DeleteLaunchTemplateVersions":                "versions go with the template",
	"AWS::EC2::LaunchTemplate ec2:DescribeLaunchTemplateVersions":              "Fn::GetAtt gives the latest version's number",
	"AWS::AutoScaling::AutoScalingGroup autoscaling:DescribeAutoScalingGroups": "the schema says Describe*",
	"AWS::AutoScaling::AutoScalingGroup autoscaling:DescribeScalingActivities": "the schema says Describe*",
	"AWS::AutoScaling::AutoScalingGroup ec2:DescribeLaunchTemplateVersions":    "the schema says Describe*",
	"AWS::ElasticLoadBalancingV2::LoadBalancer iam:CreateServiceLinkedRole":    "the first load balancer of an account makes it",
}
