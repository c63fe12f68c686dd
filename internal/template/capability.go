package template

import "axle/internal/diag"

// The capabilities of CloudFormation that a template may need to be acknowledged.
const (
	CapabilityIAM        = "CAPABILITY_IAM"
	CapabilityNamedIAM   = "CAPABILITY_NAMED_IAM"
	CapabilityAutoExpand = "CAPABILITY_AUTO_EXPAND"
)

// Need is a capability that a template needs, and the first resource that does.
type Need struct {
	Capability string
	Resource   string // logical id
	Type       string
	Why        string
	Pos        diag.Pos
}

// iamTypes are the types that CAPABILITY_IAM is for, with the property that gives
// a name of one's own, which needs CAPABILITY_NAMED_IAM; from CloudFormation's API
// reference of CreateChangeSet.
var iamTypes = map[string]string{
	"AWS::IAM::AccessKey":           "",
	"AWS::IAM::Group":               "GroupName",
	"AWS::IAM::InstanceProfile":     "InstanceProfileName",
	"AWS::IAM::ManagedPolicy":       "ManagedPolicyName",
	"AWS::IAM::Policy":              "",
	"AWS::IAM::Role":                "RoleName",
	"AWS::IAM::User":                "UserName",
	"AWS::IAM::UserToGroupAddition": "",
}

// Capabilities are what must be acknowledged for the template as its text stands,
// and for those nested in it that are known: resources under a condition, and what
// others' macros make, don't count, since nobody can know here whether they come
// about.
func (t *Template) Capabilities(inner map[string]*Nested) []Need {
	var iam, named, expand *Need
	for _, d := range t.Expanded(World{}) {
		if d.Condition != "" {
			continue
		}
		if n := inner[d.Name]; n != nil && d.Type == "AWS::CloudFormation::Stack" {
			for _, need := range n.needs() {
				switch {
				case need.Capability == CapabilityIAM && iam == nil:
					iam = &need
				case need.Capability == CapabilityNamedIAM && named == nil:
					named = &need
				case need.Capability == CapabilityAutoExpand && expand == nil:
					expand = &need
				}
			}
		}
		if d.Type == "AWS::CloudFormation::Stack" && d.Of != "" && expand == nil {
			expand = &Need{CapabilityAutoExpand, d.Of, "AWS::Serverless::Application", "is a nested application, which may have transforms of its own", d.Pos}
		}
		property, ok := iamTypes[d.Type]
		if !ok {
			continue
		}
		n := &Need{Capability: CapabilityIAM, Resource: d.Name, Type: d.Type, Why: "is a resource of IAM", Pos: d.Pos}
		if d.Of != "" {
			n.Resource, n.Why = d.Of, "gets a role"
			n.Type = t.Resources[d.Of].Type
		}
		if iam == nil {
			iam = n
		}
		if name := d.Properties.Get(property); property != "" && name != nil && !name.Optional && named == nil {
			n := *n
			n.Capability, n.Why = CapabilityNamedIAM, "is a resource of IAM with a name of its own"
			named = &n
		}
	}
	var out []Need
	if named != nil { // it covers CAPABILITY_IAM
		out = append(out, *named)
	} else if iam != nil {
		out = append(out, *iam)
	}
	if expand != nil {
		out = append(out, *expand)
	}
	return out
}

// needs are those of a nested template: its transforms must be acknowledged, too.
func (n *Nested) needs() []Need {
	out := n.Template.Capabilities(n.Inner)
	if len(n.Template.Transforms) > 0 {
		out = append(out, Need{CapabilityAutoExpand, "Transform", "", "is a transform in a nested stack", diag.Pos{File: n.Template.File}})
	}
	return out
}
