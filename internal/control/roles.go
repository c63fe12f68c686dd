package control

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	texttemplate "text/template"

	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/template"
	"axle/policy"
)

// The roles of bootstrap, as templates of templates: what differs between
// projects is the list of actions.
var (
	//go:embed roles/spoke.yaml.tmpl
	spokeSource string
	//go:embed roles/hub.yaml.tmpl
	hubSource string

	spokeTemplate = texttemplate.Must(texttemplate.New("spoke").Parse(spokeSource))
	hubTemplate   = texttemplate.Must(texttemplate.New("hub").Parse(hubSource))
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

// spokeRole is what the template of the spoke role is filled with.
type spokeRole struct {
	Project string
	Stacks  []string   // names in CloudFormation
	Steps   []string   // actions on those
	Read    []string   // on anything
	Inline  [][]string // what the resources and peerings need
	Managed [][]string // the same, when it is too long for inline policies
	Bucket  bool
}

// spokeBody is the template of the spoke role, with the actions that the
// project's templates need. unknown are resource types whose needs aren't known.
func spokeBody(w *Work, allow []string) (body []byte, unknown []string, err error) {
	var types, own []string
	names := map[string]bool{}
	large := false
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		names[s.StackName.Value] = true
		if t := w.templates[s.Name]; t != nil && s.ExecutionRole.Value == "" {
			for _, r := range t.Resources {
				types = append(types, r.Type)
			}
			own = append(own, templateActions(t)...)
			large = large || len(t.Body) > inlineTemplate
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
	role := spokeRole{Project: w.Project(), Stacks: slices.Sorted(maps.Keys(names)), Steps: stackActions, Read: readActions, Bucket: large}
	needed := slices.Sorted(maps.Keys(set))
	if size := len(strings.Join(needed, `","`)); size <= maxInline {
		if size > 0 {
			role.Inline = [][]string{needed}
		}
	} else {
		role.Managed = chunk(needed, maxManaged)
	}
	if len(role.Managed) > 10 {
		return nil, nil, configError(w.project.Name.Pos, "give the stacks an execution_role, or bootstrap parts of the project apart",
			"the project's templates need %d actions, more than the managed policies of one role can hold", len(needed))
	}
	var b bytes.Buffer
	if err := spokeTemplate.Execute(&b, role); err != nil {
		return nil, nil, fmt.Errorf("write the template of the spoke role: %w", err)
	}
	return b.Bytes(), unknown, nil
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

// hubRole is what the template of the hub role is filled with.
type hubRole struct {
	Project string
	Spoke   string // name of the spoke role
}

func hubBody(p *config.Project) ([]byte, error) {
	var b bytes.Buffer
	if err := hubTemplate.Execute(&b, hubRole{Project: p.Name.Value, Spoke: roleName(p.Access.Role.Value)}); err != nil {
		return nil, fmt.Errorf("write the template of the hub role: %w", err)
	}
	return b.Bytes(), nil
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
