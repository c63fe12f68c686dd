package privilege

import (
	"bytes"
	"strings"

	"axle/internal/late"
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

// writtenReference is a dynamic reference without intrinsics in it.
var writtenReference = late.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):([\w/+=.@!:-]+)\}\}`)

var dynamicReference = late.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}`)

// text adds what CloudFormation needs to read a template, before it makes any
// resource: the values of parameters from SSM, dynamic references, Fn::GetAZs,
// the check of parameters whose type is a resource, and transforms.
func (p *place) text(t *template.Template, resources []*template.Declared, into grants) {
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
	p.dynamic(t, resources, into)
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

// dynamic adds what dynamic references take: those of resources, as they are put
// together by intrinsics, and those that are written out, wherever they are.
func (p *place) dynamic(t *template.Template, resources []*template.Declared, into grants) {
	for _, m := range writtenReference.FindAllSubmatch(t.Body, -1) {
		p.refers(string(m[1]), string(m[2]), into)
	}
	for _, d := range resources {
		eachText(d.Properties, func(text string) {
			if !strings.Contains(text, "{{resolve:") {
				return
			}
			text = variable.ReplaceAllStringFunc(text, func(v string) string { return whileCut.Replace(p.fill(v)) })
			for _, m := range dynamicReference.FindAllStringSubmatch(text, -1) {
				p.refers(m[1], m[2], into)
			}
		})
	}
}

// refers adds what one dynamic reference takes.
func (p *place) refers(service, to string, into grants) {
	if service == "secretsmanager" {
		into.on("secretsmanager:GetSecretValue", afterwards.Replace(p.secret(to)))
		return
	}
	into.on("ssm:GetParameters", afterwards.Replace(p.parameter(to)))
}

// References are cut at colons and end at braces, which stand in what isn't known
// of the place, too.
var (
	whileCut   = strings.NewReplacer(partition, "<partition>", account, "<account>")
	afterwards = strings.NewReplacer("<partition>", partition, "<account>", account)
)

// eachText visits the texts of a value, in all branches of its conditions.
func eachText(n *template.Node, visit func(string)) {
	if n == nil {
		return
	}
	eachText(n.Else, visit)
	visit(n.Str())
	for _, item := range n.Items {
		eachText(item, visit)
	}
	for _, k := range n.Keys {
		eachText(k.Value, visit)
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
