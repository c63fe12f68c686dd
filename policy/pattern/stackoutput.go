package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// StackOutput is the pattern of the roles by which Fn::GetStackOutput reads
// outputs of stacks in another account.
const StackOutput = "stack-output"

// trustLimit is how many characters IAM takes of a trust policy, unless the quota
// was raised.
const trustLimit = 2048

// ReaderRole is a role that reads outputs of stacks in its account.
type ReaderRole struct {
	Account string `json:"account"`
	Name    string `json:"name"` // without its path
	Path    string `json:"path,omitempty"`
	ARN     string `json:"arn"`
	// Stacks are the ARNs of the stacks that are read.
	Stacks []string `json:"stacks"`
	// Readers are the ARNs of the roles that may assume it.
	Readers []string `json:"readers"`
}

// StackOutputs writes the roles as stacks of a project that has the readers
// already: each trusts exactly its readers, and describes exactly its stacks.
func StackOutputs(roles []ReaderRole, region string) (*Bundle, error) {
	out := &Bundle{Pattern: StackOutput}
	var yaml strings.Builder
	yaml.WriteString("stacks:\n")
	for _, r := range roles {
		if err := r.check(); err != nil {
			return nil, err
		}
		name := "reads-outputs-" + strings.ToLower(r.Name)
		if slices.ContainsFunc(roles, func(o ReaderRole) bool { return o.Name == r.Name && o.Account != r.Account }) {
			name += "-" + r.Account
		}
		path := "templates/" + name + ".yaml"
		out.Stacks = append(out.Stacks, Stack{Name: name, Accounts: []string{r.Account}, Region: region, Template: path,
			Capabilities: []string{"CAPABILITY_NAMED_IAM"}, Why: "the role that reads outputs there"})
		out.Files = append(out.Files, File{Path: path, For: "the role " + r.Name + " in " + r.Account, Text: r.template()})
		fmt.Fprintf(&yaml, "  %s:\n    template: %s\n    targets: account.id == %q\n    regions: [%s]\n    capabilities: [CAPABILITY_NAMED_IAM]\n", name, path, r.Account, region)
	}
	out.Files = append(out.Files, File{Path: "stacks.yaml", For: "to be put into axle.yaml", Text: yaml.String()})
	out.Notes = []string{"put the stacks into axle.yaml, and their names into depends_on of the stacks whose templates name the roles",
		"the readers' roles must exist before: IAM refuses to trust what isn't there"}
	return out, nil
}

func (r *ReaderRole) check() error {
	size := 150
	for _, reader := range r.Readers {
		size += len(reader) + 3
	}
	if size > trustLimit {
		return &Mistake{fmt.Sprintf("role %s would have to trust %d roles, which is more than a trust policy of %d characters has room for", r.ARN, len(r.Readers), trustLimit),
			"use output() in axle.yaml for so many readers, or several roles"}
	}
	return nil
}

func (r *ReaderRole) template() string {
	var b strings.Builder
	fmt.Fprintf(&b, `AWSTemplateFormatVersion: "2010-09-09"
Description: Reads outputs of stacks for Fn::GetStackOutput in other accounts.
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      RoleName: %s
`, r.Name)
	if r.Path != "" && r.Path != "/" {
		fmt.Fprintf(&b, "      Path: %s\n", r.Path)
	}
	b.WriteString(`      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: ReadersOnly
            Effect: Allow
            Principal:
              AWS:
`)
	for _, reader := range r.Readers {
		fmt.Fprintf(&b, "                - %s\n", reader)
	}
	b.WriteString(`            Action: sts:AssumeRole
      Policies:
        - PolicyName: outputs
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Sid: TheseStacks
                Effect: Allow
                Action: cloudformation:DescribeStacks
                Resource:
`)
	for _, stack := range r.Stacks {
		fmt.Fprintf(&b, "                  - %s\n", stack)
	}
	b.WriteString(`Outputs:
  RoleArn:
    Value: !GetAtt Reader.Arn
`)
	return b.String()
}
