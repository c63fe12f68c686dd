package control

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/template"
	"axle/policy"
)

// The roles of bootstrap: the frames of their templates, with places in <>.
var (
	//go:embed roles/spoke.yaml
	spokeFrame string
	//go:embed roles/hub.yaml
	hubFrame string
)

// What the steps themselves call in a target, beside what CloudFormation calls
// with the same credentials to make the resources.
var (
	stackActions = []string{"cloudformation:ContinueUpdateRollback", "cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet",
		"cloudformation:DeleteStack", "cloudformation:DescribeChangeSet", "cloudformation:DescribeStackEvents", "cloudformation:DescribeStackResources",
		"cloudformation:DescribeStacks", "cloudformation:ExecuteChangeSet", "cloudformation:GetTemplate", "cloudformation:TagResource",
		"cloudformation:UpdateTerminationProtection"}
	readActions = []string{"account:ListRegions", "cloudformation:DescribeStacks", "cloudformation:ListExports", "cloudformation:ListStacks",
		"cloudformation:ValidateTemplate", "ec2:DescribeRegions"}
	// What CloudFormation calls for a template itself: Fn::GetAZs, dynamic
	// references, and the check of parameters whose type is a resource.
	zoneActions      = []string{"ec2:DescribeAvailabilityZones"}
	parameterActions = []string{"ssm:GetParameter", "ssm:GetParameters"}
	typeActions      = map[string]string{
		"AWS::EC2::AvailabilityZone::Name": "ec2:DescribeAvailabilityZones",
		"AWS::EC2::Image::Id":              "ec2:DescribeImages",
		"AWS::EC2::Instance::Id":           "ec2:DescribeInstances",
		"AWS::EC2::KeyPair::KeyName":       "ec2:DescribeKeyPairs",
		"AWS::EC2::SecurityGroup::Id":      "ec2:DescribeSecurityGroups",
		"AWS::EC2::Subnet::Id":             "ec2:DescribeSubnets",
		"AWS::EC2::Volume::Id":             "ec2:DescribeVolumes",
		"AWS::EC2::VPC::Id":                "ec2:DescribeVpcs",
		"AWS::Route53::HostedZone::Id":     "route53:GetHostedZone",
	}
	peeringActions = []string{"ec2:AcceptVpcPeeringConnection", "ec2:CreateRoute", "ec2:CreateTags", "ec2:CreateVpcPeeringConnection",
		"ec2:DeleteRoute", "ec2:DeleteVpcPeeringConnection", "ec2:DescribeRouteTables", "ec2:DescribeVpcPeeringConnections",
		"ec2:DescribeVpcs", "ec2:ModifyVpcPeeringConnectionOptions", "ec2:ReplaceRoute"}
)

// maxInline is what the inline policies of one role may have in all, without
// white space (IAM quotas: 10,240 characters), less the other statements.
const maxInline = 9000

// maxManaged is what one managed policy may have (6,144 characters).
const maxManaged = 5800

// artifactActions are what keeping large templates in the hub's bucket takes.
var artifactActions = []string{"s3:CreateBucket", "s3:GetBucketPolicy", "s3:GetObject", "s3:ListBucket", "s3:PutBucketOwnershipControls",
	"s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration", "s3:PutObject"}

// spokeBody is the template of the spoke role, with the actions that the
// project's templates need. unknown are resource types whose needs aren't known.
func spokeBody(w *Work, allow []string) (body []byte, unknown []string, err error) {
	var types, own []string
	names, execution := map[string]bool{}, map[string]bool{}
	large := false
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		names[s.StackName.Value] = true
		t := w.templates[s.Name]
		large = large || t != nil && len(t.Body) > inlineTemplate
		if role := s.ExecutionRole.Value; role != "" {
			execution[roleARN(role)] = true
		} else if t != nil {
			for _, r := range t.Resources {
				types = append(types, r.Type)
			}
			own = append(own, templateActions(t)...)
		}
	}
	actions, unknown := policy.ActionsFor(types)
	set := map[string]bool{}
	for _, list := range [][]string{actions, own, allow} {
		for _, a := range list {
			set[a] = true
		}
	}
	if len(w.project.Peerings) > 0 {
		for _, a := range peeringActions {
			set[a] = true
		}
	}
	statements := ""
	if len(names) > 0 {
		var arns []string
		for _, name := range slices.Sorted(maps.Keys(names)) {
			arns = append(arns, "!Sub arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stack/"+name+"/*")
		}
		statements += statement(14, "StacksOfTheProject", stackActions, arns)
	}
	if len(execution) > 0 {
		statements += statement(14, "RolesForCloudFormation", []string{"iam:PassRole"}, slices.Sorted(maps.Keys(execution))) +
			"                Condition: {StringEquals: {\"iam:PassedToService\": cloudformation.amazonaws.com}}\n"
	}
	statements += statement(14, "Look", readActions, []string{`"*"`})
	resources := ""
	if large {
		statements += statement(14, "LargeTemplates", []string{"s3:GetObject"}, []string{"!Sub arn:${AWS::Partition}:s3:::axle-artifacts-${HubAccount}-*/*"})
		resources += policyResource("Artifacts", "AWS::IAM::Policy", "    Condition: IsHub\n", "      PolicyName: axle-artifacts\n",
			statement(10, "BucketForLargeTemplates", artifactActions, []string{"!Sub arn:${AWS::Partition}:s3:::axle-artifacts-${AWS::AccountId}-*",
				"!Sub arn:${AWS::Partition}:s3:::axle-artifacts-${AWS::AccountId}-*/*"}))
	}
	policies := ""
	needed := slices.Sorted(maps.Keys(set))
	switch chunks := chunk(needed, maxManaged); {
	case len(needed) == 0:
	case len(strings.Join(needed, `","`)) <= maxInline:
		policies = "        - PolicyName: axle-resources\n          PolicyDocument:\n            Version: \"2012-10-17\"\n            Statement:\n" +
			statement(14, "WhatTheTemplatesNeed", needed, []string{`"*"`})
	case len(chunks) > 10:
		return nil, nil, configError(w.project.Name.Pos, "give the stacks an execution_role, or bootstrap parts of the project apart",
			"the project's templates need %d actions, more than the managed policies of one role can hold", len(needed))
	default:
		for i, actions := range chunks {
			resources += policyResource(fmt.Sprintf("Resources%d", i), "AWS::IAM::ManagedPolicy", "",
				"      Description: What the templates of project <project> need\n", statement(10, "WhatTheTemplatesNeed", actions, []string{`"*"`}))
		}
	}
	text := strings.NewReplacer("# <statements>\n", statements, "# <policies>\n", policies, "# <resources>\n", resources).Replace(spokeFrame)
	return []byte(strings.ReplaceAll(text, "<project>", w.Project())), unknown, nil
}

// statement writes an Allow statement as an item of a YAML list.
func statement(indent int, sid string, actions, resources []string) string {
	in := strings.Repeat(" ", indent)
	items := func(list []string) string { return "\n" + in + "    - " + strings.Join(list, "\n"+in+"    - ") + "\n" }
	return in + "- Sid: " + sid + "\n" + in + "  Effect: Allow\n" + in + "  Action:" + items(actions) + in + "  Resource:" + items(resources)
}

// policyResource writes a policy of the role as a resource of its own.
func policyResource(name, kind, condition, about, statements string) string {
	return "  " + name + ":\n    Type: " + kind + "\n" + condition + "    Properties:\n" + about +
		"      Roles: [!Ref Role]\n      PolicyDocument:\n        Version: \"2012-10-17\"\n        Statement:\n" + statements
}

// templateActions are the actions that CloudFormation needs to read a template.
func templateActions(t *template.Template) []string {
	var out []string
	if bytes.Contains(t.Body, []byte("GetAZs")) {
		out = append(out, zoneActions...)
	}
	params := bytes.Contains(t.Body, []byte("{{resolve:ssm"))
	for _, p := range t.Parameters {
		params = params || strings.HasPrefix(p.Type, "AWS::SSM::Parameter::")
		inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(p.Type, "AWS::SSM::Parameter::Value<"), "List<"), ">")
		if a, ok := typeActions[strings.TrimSuffix(inner, ">")]; ok {
			out = append(out, a)
		}
	}
	if params {
		out = append(out, parameterActions...)
	}
	return out
}

// chunk splits actions into lists of at most size characters.
func chunk(actions []string, size int) [][]string {
	var out [][]string
	room := 0
	for _, a := range actions {
		if need := len(a) + 3; need > room {
			out = append(out, nil)
			room = size
		}
		out[len(out)-1] = append(out[len(out)-1], a)
		room -= len(a) + 3
	}
	return out
}

// hubBody is the template of the hub role.
func hubBody(p *config.Project) []byte {
	return []byte(strings.NewReplacer("<project>", p.Name.Value, "<spoke>", roleName(p.Access.Role.Value)).Replace(hubFrame))
}

// roleARN is a role of the account, or one given by its ARN, in the words of a
// template.
func roleARN(role string) string {
	if strings.HasPrefix(role, "arn:") {
		return role
	}
	return "!Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + strings.TrimPrefix(role, "/")
}

// roleName is the name in a role given by name, path and name, or ARN.
func roleName(role string) string { return role[strings.LastIndexByte(role, '/')+1:] }

// principalARN is the ARN that aws:PrincipalArn has for a caller: of an assumed
// role's session that of the role. Roles of IAM Identity Center have a path,
// which the session's ARN lacks: there a pattern stands for it.
func principalARN(id cloud.Identity) string {
	account, name, ok := id.Role()
	if !ok {
		return id.ARN
	}
	path := ""
	if strings.HasPrefix(name, "AWSReservedSSO_") {
		path = "aws-reserved/sso.amazonaws.com/*"
	}
	return "arn:" + id.Partition + ":iam::" + account + ":role/" + path + name
}

// principals are users and roles of an account, as --trust takes them.
var principals = regexp.MustCompile(`^(arn:[a-z-]+:iam::[0-9]{12}:)((user|role)/\S+|root)$`)

// rootOf is the ARN of a principal's account; "" when it isn't a principal's ARN.
func rootOf(arn string) string {
	m := principals.FindStringSubmatch(arn)
	if m == nil {
		return ""
	}
	return m[1] + "root"
}
