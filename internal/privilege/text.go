package privilege

import (
	"bytes"
	"regexp"
	"strings"

	"axle/internal/template"
)

// parameterKinds are what CloudFormation calls to check parameters whose type
// is that of a resource.
var parameterKinds = map[string]string{
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

var dynamicReference = regexp.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}`)

// text adds what CloudFormation needs to read a template, before it makes any
// resource: the values of parameters from SSM, dynamic references, Fn::GetAZs,
// the check of parameters whose type is a resource, and transforms.
func (p *place) text(t *template.Template, into grants) {
	if bytes.Contains(t.Body, []byte("GetAZs")) {
		into.on("ec2:DescribeAvailabilityZones", "*")
	}
	for name, parameter := range t.Parameters {
		inner := strings.TrimSuffix(strings.TrimPrefix(parameter.Type, "AWS::SSM::Parameter::Value<"), ">")
		inner = strings.TrimSuffix(strings.TrimPrefix(inner, "List<"), ">")
		if action, ok := parameterKinds[inner]; ok {
			into.on(action, "*")
		}
		if parameter.SSM() {
			value, ok := p.world.Parameters[name]
			if !ok && parameter.Default != nil {
				value, ok = *parameter.Default, true
			}
			if !ok || value == template.Unknown(name) {
				value = "*"
			}
			into.on("ssm:GetParameters", p.parameter(value))
		}
	}
	p.dynamic(t, into)
	for _, name := range t.Transforms {
		owner := p.account()
		if strings.HasPrefix(name, "AWS::") {
			owner, name = "aws", strings.TrimPrefix(name, "AWS::")
		}
		into.on("cloudformation:CreateChangeSet", "arn:"+p.partition()+":cloudformation:"+orElse(p.world.Region, "*")+":"+owner+":transform/"+name)
	}
}

// parameter is the ARN of an SSM parameter, without its version.
func (p *place) parameter(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "/"), ":")
	return "arn:" + p.partition() + ":ssm:" + orElse(p.world.Region, "*") + ":" + p.account() + ":parameter/" + name
}

// dynamic adds what the dynamic references in the text take. Those that a
// Fn::Sub makes up are patterns.
func (p *place) dynamic(t *template.Template, into grants) {
	text := variable.ReplaceAllStringFunc(string(t.Body), func(v string) string {
		if v == "${AWS::StackName}" {
			return p.world.Stack
		}
		if v == "${AWS::Region}" && p.world.Region != "" {
			return p.world.Region
		}
		return "*"
	})
	for _, m := range dynamicReference.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "secretsmanager":
			into.on("secretsmanager:GetSecretValue", p.secret(m[2]))
		default:
			into.on("ssm:GetParameters", p.parameter(m[2]))
		}
	}
}

// secret is the ARN of the secret in a dynamic reference.
func (p *place) secret(reference string) string {
	if strings.HasPrefix(reference, "arn:") {
		parts := strings.Split(reference, ":")
		return strings.Join(parts[:min(7, len(parts))], ":")
	}
	name, _, _ := strings.Cut(reference, ":")
	return wildcards.ReplaceAllString("arn:"+p.partition()+":secretsmanager:"+orElse(p.world.Region, "*")+":"+p.account()+":secret:"+name+"-*", "*")
}
