package privilege

import (
	"fmt"
	"strings"
)

// Attached are a role's permissions as they stand in a CloudFormation template:
// Inline, at the indent of a role's properties, or, when they are longer than
// IAM takes inline, Managed, as resources of their own. role is what Roles of a
// managed policy gets.
func Attached(list []Statement, role, about string) (inline, managed string, count int) {
	if len(list) == 0 {
		return "", "", 0
	}
	if Size(list) <= MaxInline {
		return "      Policies:\n        - PolicyName: axle\n          PolicyDocument:\n            Version: \"2012-10-17\"\n            Statement:\n" + YAML(list, 14), "", 1
	}
	managed, count = Managed(list, role, about)
	return "", managed, count
}

// Managed are permissions as resources of type AWS::IAM::ManagedPolicy.
func Managed(list []Statement, roles, about string) (text string, count int) {
	parts := Split(list, MaxManaged)
	var b strings.Builder
	for i, part := range parts {
		fmt.Fprintf(&b, "  Policy%d:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      Description: %s, part %d of %d\n      Roles: %s\n", i+1, about, i+1, len(parts), roles)
		b.WriteString("      PolicyDocument:\n        Version: \"2012-10-17\"\n        Statement:\n" + YAML(part, 10))
	}
	return b.String(), len(parts)
}

// Template is a result as a CloudFormation template: the execution role itself,
// or managed policies for roles that are there.
func (r *Result) Template(project, executionRole string) string {
	head := "AWSTemplateFormatVersion: \"2010-09-09\"\n"
	if r.Role != Execution {
		policies, _ := Managed(r.Statements, "!Ref Roles", "What the "+string(r.Role)+" role of project "+project+" needs")
		return head + "Description: What the " + string(r.Role) + " role of project " + project + " needs\n" +
			"Parameters:\n  Roles:\n    Type: CommaDelimitedList\n    Description: Names of the roles that get the policies\nResources:\n" + policies
	}
	path, name := rolePath(executionRole)
	inline, managed, _ := Attached(r.Statements, "[!Ref Role]", "What CloudFormation needs for project "+project)
	return head + "Description: The role that CloudFormation works as for project " + project + "\nResources:\n" +
		"  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: " + name + "\n      Path: " + path + "\n" +
		"      Description: CloudFormation works as it for project " + project + "\n" +
		"      AssumeRolePolicyDocument:\n        Version: \"2012-10-17\"\n        Statement:\n          - Sid: OnlyCloudFormation\n            Effect: Allow\n" +
		"            Principal: {Service: cloudformation.amazonaws.com}\n            Action: sts:AssumeRole\n" +
		// No aws:SourceAccount: CloudFormation isn't said to send it for service roles,
		// and who hands one over is of the same account anyway.
		inline + managed + "Outputs:\n  RoleArn:\n    Value: !GetAtt Role.Arn\n"
}

// rolePath divides a role, given by its name, path and name, or ARN.
func rolePath(role string) (path, name string) {
	if _, rest, ok := strings.Cut(role, ":role/"); ok {
		role = rest
	}
	role = strings.TrimPrefix(role, "/")
	i := strings.LastIndexByte(role, '/')
	return "/" + role[:i+1], role[i+1:]
}
