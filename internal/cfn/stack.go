package cfn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Stack is a stack as CloudFormation describes it.
type Stack struct {
	ID           string
	Name         string
	Status       string
	Reason       string
	Parameters   map[string]string // NoEcho ones are "****"
	Outputs      map[string]string
	Exports      map[string]string // name of the export -> value
	Exported     map[string]string // output -> name of its export
	Tags         map[string]string
	Capabilities []string
	Role         string
	Protected    bool
	Parent       string // id of the stack that this one is nested in
	ChangeSet    string // ARN of the change set that was executed last
	Created      time.Time
	Updated      time.Time // zero: never updated
	Drift        string    // NOT_CHECKED, IN_SYNC, DRIFTED, UNKNOWN
	DriftChecked time.Time
}

// Changed is when the stack changed last.
func (s *Stack) Changed() time.Time {
	if s.Updated.IsZero() {
		return s.Created
	}
	return s.Updated
}

// Describe reads a stack by name or id. A stack that doesn't exist is
// axle.ErrNotFound; one that was deleted is found by its id only.
func (d *Driver) Describe(ctx context.Context, t axle.Target, nameOrID string) (*Stack, error) {
	client, opt := d.clients.CloudFormation(t)
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &nameOrID}, opt)
	switch {
	case noStack(err):
		return nil, fmt.Errorf("stack %s: %w", nameOrID, axle.ErrNotFound)
	case err != nil:
		return nil, called("describe stack "+baseName(nameOrID), err)
	case len(out.Stacks) == 0:
		return nil, fmt.Errorf("stack %s: %w", nameOrID, axle.ErrNotFound)
	}
	return stackOf(&out.Stacks[0]), nil
}

// List returns the stacks of a target that are tagged with a project, or with
// any when project is "", sorted by name.
func (d *Driver) List(ctx context.Context, t axle.Target, project string) ([]Stack, error) {
	client, opt := d.clients.CloudFormation(t)
	var found []Stack
	pages := cloudformation.NewDescribeStacksPaginator(client, &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, called("list stacks", err)
		}
		for i := range page.Stacks {
			s := stackOf(&page.Stacks[i])
			// Nested stacks inherit the tags, and belong to their parents.
			if owner, ok := s.Tags[TagProject]; ok && s.Parent == "" && (project == "" || owner == project) && s.State() != Gone {
				found = append(found, *s)
			}
		}
	}
	slices.SortFunc(found, func(a, b Stack) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// Importers are the names of the stacks that import an export, sorted.
func (d *Driver) Importers(ctx context.Context, t axle.Target, export string) ([]string, error) {
	client, opt := d.clients.CloudFormation(t)
	var out []string
	pages := cloudformation.NewListImportsPaginator(client, &cloudformation.ListImportsInput{ExportName: &export})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if notImported(err) {
			return nil, nil
		}
		if err != nil {
			return nil, called("list who imports "+export, err)
		}
		out = append(out, page.Imports...)
	}
	slices.Sort(out)
	return out, nil
}

// Template reads the text that a stack was made from.
func (d *Driver) Template(ctx context.Context, t axle.Target, stackID string) ([]byte, error) {
	client, opt := d.clients.CloudFormation(t)
	out, err := client.GetTemplate(ctx, &cloudformation.GetTemplateInput{
		StackName: &stackID, TemplateStage: types.TemplateStageOriginal}, opt)
	if err != nil {
		return nil, called("read the template of stack "+baseName(stackID), err)
	}
	return []byte(aws.ToString(out.TemplateBody)), nil
}

// Owned returns a blocked failure when the stack isn't the project's.
//
// A shell has no tags yet: it is ours when nobody else has change sets in it.
func (d *Driver) Owned(ctx context.Context, t axle.Target, s *Stack, spec *axle.StackSpec) error {
	project, tagged := s.Tags[TagProject]
	stack := s.Tags[TagStack]
	if project == spec.Project && stack == spec.Stack {
		return nil
	}
	if !tagged && d.Adopts && (s.State() == Settled || s.State() == Busy) && s.Parent == "" {
		return nil
	}
	f := &axle.Failure{Code: "NotOurs", Resource: s.Name, Blocked: true}
	if !tagged && s.State() == Shell {
		foreign, err := d.foreignChangeSet(ctx, t, s.Name)
		if err != nil || foreign == "" {
			return err
		}
		f.Message = fmt.Sprintf("stack %s waits for change set %s, which isn't ours, to be executed", s.Name, foreign)
		f.Hint = "execute or delete that change set, or give the stack another stack_name in axle.yaml"
		return f
	}
	switch {
	case !tagged:
		f.Message = fmt.Sprintf("stack %s exists, but isn't ours: it has no tag %s", s.Name, TagProject)
		switch {
		case s.Parent != "":
			f.Message = fmt.Sprintf("stack %s exists, but isn't ours: it is part of stack %s", s.Name, baseName(s.Parent))
			f.Hint = "give the stack another stack_name in axle.yaml"
		case s.State() != Settled && s.State() != Busy:
			f.Message += ", and it is in " + s.Status
			f.Hint = "bring it into order or delete it first; only a stack that can be updated is adopted"
		default:
			f.Hint = fmt.Sprintf("give the stack another stack_name in axle.yaml; or make it this project's, after a look at what would change: axle adopt %s", spec.Stack)
		}
	case project != spec.Project:
		f.Message = fmt.Sprintf("stack %s belongs to project %q", s.Name, project)
		f.Hint = "give the stack another stack_name in axle.yaml"
	default:
		f.Message = fmt.Sprintf("stack %s is stack %q of this project, not %q", s.Name, stack, spec.Stack)
		f.Hint = "two stacks of axle.yaml mustn't share a stack_name; after a renaming, set its tag " + TagStack + " to " + spec.Stack
	}
	return f
}

// Adoption says what becoming ours does to a stack that isn't yet: "" when it is
// ours, or there is none.
func (w Want) Adoption(s *Stack) string {
	if s == nil || s.State() == Shell || s.Tags[TagProject] != "" {
		return ""
	}
	var lost []string
	for k := range s.Tags {
		if _, stays := w.tags()[k]; !stays {
			lost = append(lost, k)
		}
	}
	note := "the stack becomes this project's"
	if len(lost) > 0 {
		slices.Sort(lost)
		note += "; its tags that axle.yaml doesn't have go: " + strings.Join(lost, ", ")
	}
	return note
}

// foreignChangeSet names a change set of the stack that isn't ours.
func (d *Driver) foreignChangeSet(ctx context.Context, t axle.Target, stack string) (string, error) {
	sets, err := d.changeSets(ctx, t, stack)
	if err != nil {
		return "", err
	}
	for _, c := range sets {
		if name := aws.ToString(c.ChangeSetName); !strings.HasPrefix(name, changeSetPrefix) {
			return name, nil
		}
	}
	return "", nil
}

// Protect sets termination protection.
func (d *Driver) Protect(ctx context.Context, t axle.Target, stackID string, on bool) error {
	client, opt := d.clients.CloudFormation(t)
	_, err := client.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{
		StackName: &stackID, EnableTerminationProtection: &on}, opt)
	if err != nil {
		return called("set termination protection of stack "+baseName(stackID), err)
	}
	return nil
}

func stackOf(in *types.Stack) *Stack {
	s := &Stack{
		ID: aws.ToString(in.StackId), Name: aws.ToString(in.StackName),
		Status: string(in.StackStatus), Reason: aws.ToString(in.StackStatusReason),
		Role: aws.ToString(in.RoleARN), Protected: aws.ToBool(in.EnableTerminationProtection),
		ChangeSet: aws.ToString(in.ChangeSetId), Parent: aws.ToString(in.ParentId),
		Created: aws.ToTime(in.CreationTime), Updated: aws.ToTime(in.LastUpdatedTime),
		Parameters: make(map[string]string, len(in.Parameters)),
		Outputs:    make(map[string]string, len(in.Outputs)),
		Exports:    map[string]string{},
		Exported:   map[string]string{},
		Tags:       make(map[string]string, len(in.Tags)),
	}
	for _, p := range in.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range in.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		if name := aws.ToString(o.ExportName); name != "" {
			s.Exports[name] = aws.ToString(o.OutputValue)
			s.Exported[aws.ToString(o.OutputKey)] = name
		}
	}
	for _, tag := range in.Tags {
		if k := aws.ToString(tag.Key); !strings.HasPrefix(k, "aws:") {
			s.Tags[k] = aws.ToString(tag.Value)
		}
	}
	for _, c := range in.Capabilities {
		s.Capabilities = append(s.Capabilities, string(c))
	}
	if in.DriftInformation != nil {
		s.Drift = string(in.DriftInformation.StackDriftStatus)
		s.DriftChecked = aws.ToTime(in.DriftInformation.LastCheckTimestamp)
	}
	return s
}

// baseName is a stack's or change set's name, given that or its ARN:
// arn:aws:cloudformation:eu-west-1:1:stack/name/uuid.
func baseName(nameOrID string) string {
	if parts := strings.Split(nameOrID, "/"); len(parts) == 3 {
		return parts[1]
	}
	return nameOrID
}
