package cfn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// StackSet works on one service-managed stack set, with stacks in one region.
// What is in it: at most one operation at a time, and failures of accounts don't
// stop the others.
type StackSet struct {
	clients Clients
	at      axle.Target // who administers it
	as      types.CallAs
	Name    string
}

// NewStackSet names a stack set; delegated: the account administers StackSets
// for the organization without being its management account.
func NewStackSet(clients Clients, at axle.Target, delegated bool, name string) *StackSet {
	s := &StackSet{clients: clients, at: at, as: types.CallAsSelf, Name: name}
	if delegated {
		s.as = types.CallAsDelegatedAdmin
	}
	return s
}

// SetContent is what a stack set is made of.
type SetContent struct {
	Template   string // text
	Parameters map[string]string
	Tags       map[string]string
	// Follow: accounts that come into the OUs get the stack, those that leave
	// them lose it.
	Follow bool
}

// SetTarget are OUs, or of these the accounts alone that are named.
type SetTarget struct {
	Units    []string `json:"organizational_units"`
	Accounts []string `json:"accounts,omitempty"`
}

// SetInstance is the stack set's stack in an account, or what there is instead.
type SetInstance struct {
	Status string // CURRENT, OUTDATED or INOPERABLE
	Reason string
}

// SetState is a stack set as it is.
type SetState struct {
	Exists    bool
	Content   SetContent
	Units     []string
	Instances map[string]SetInstance // by account
	Running   string                 // id of the operation that isn't over, "" for none
}

// SetResult is how an operation went, or goes, in an account.
type SetResult struct {
	Status string // PENDING, RUNNING, SUCCEEDED, FAILED or CANCELLED
	Reason string
}

func (s *StackSet) client() (*cloudformation.Client, func(*cloudformation.Options)) {
	return s.clients.CloudFormation(s.at)
}

// Access says whether StackSets may work in the organization by itself; known is
// false where that can't be asked.
func (s *StackSet) Access(ctx context.Context) (enabled, known bool) {
	client, opt := s.client()
	out, err := client.DescribeOrganizationsAccess(ctx, &cloudformation.DescribeOrganizationsAccessInput{CallAs: s.as}, opt)
	if err != nil {
		return false, false
	}
	return out.Status == types.OrganizationStatusEnabled, true
}

// EnableAccess lets StackSets work in the organization.
func (s *StackSet) EnableAccess(ctx context.Context) error {
	client, opt := s.client()
	_, err := client.ActivateOrganizationsAccess(ctx, &cloudformation.ActivateOrganizationsAccessInput{}, opt)
	return s.explain("enable trusted access for StackSets", err)
}

// Look reads the stack set, its stacks in a region, and whether something is
// being done to it.
func (s *StackSet) Look(ctx context.Context, region string) (*SetState, error) {
	client, opt := s.client()
	what := "read stack set " + s.Name
	out, err := client.DescribeStackSet(ctx, &cloudformation.DescribeStackSetInput{StackSetName: &s.Name, CallAs: s.as}, opt)
	if _, missing := errors.AsType[*types.StackSetNotFoundException](err); missing {
		return &SetState{}, nil
	}
	if err != nil {
		return nil, s.explain(what, err)
	}
	st := &SetState{Exists: true, Units: out.StackSet.OrganizationalUnitIds, Instances: map[string]SetInstance{}, Content: SetContent{
		Template: aws.ToString(out.StackSet.TemplateBody), Parameters: map[string]string{}, Tags: map[string]string{}}}
	if out.StackSet.PermissionModel != types.PermissionModelsServiceManaged {
		return nil, &axle.Failure{Code: "NotServiceManaged", Blocked: true, Message: fmt.Sprintf("stack set %s in %s is there already, with permissions of its own (%s)", s.Name, s.at.Region, out.StackSet.PermissionModel),
			Hint: "it isn't one of Axle's: rename it, or choose another name for access.role"}
	}
	for _, p := range out.StackSet.Parameters {
		st.Content.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range out.StackSet.Tags {
		st.Content.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if a := out.StackSet.AutoDeployment; a != nil {
		st.Content.Follow = aws.ToBool(a.Enabled)
	}
	for p := cloudformation.NewListStackInstancesPaginator(client, &cloudformation.ListStackInstancesInput{StackSetName: &s.Name, CallAs: s.as, StackInstanceRegion: &region}); p.HasMorePages(); {
		page, err := p.NextPage(ctx, opt)
		if err != nil {
			return nil, s.explain(what, err)
		}
		for _, i := range page.Summaries {
			st.Instances[aws.ToString(i.Account)] = SetInstance{Status: string(i.Status), Reason: aws.ToString(i.StatusReason)}
		}
	}
	ops, err := client.ListStackSetOperations(ctx, &cloudformation.ListStackSetOperationsInput{StackSetName: &s.Name, CallAs: s.as}, opt)
	if err != nil {
		return nil, s.explain(what, err)
	}
	for _, op := range ops.Summaries { // the newest first
		if !ended(op.Status) {
			st.Running = aws.ToString(op.OperationId) // the oldest of those that aren't over
		}
	}
	return st, nil
}

func ended(s types.StackSetOperationStatus) bool {
	return s == types.StackSetOperationStatusSucceeded || s == types.StackSetOperationStatusFailed || s == types.StackSetOperationStatusStopped
}

// Same says whether two contents are the same to CloudFormation.
func (c SetContent) Same(o SetContent) bool {
	return c.Template == o.Template && c.Follow == o.Follow && maps.Equal(c.Parameters, o.Parameters) && maps.Equal(c.Tags, o.Tags)
}

func (c SetContent) parameters() []types.Parameter {
	var out []types.Parameter
	for _, k := range slices.Sorted(maps.Keys(c.Parameters)) {
		out = append(out, types.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(c.Parameters[k])})
	}
	return out
}

func (c SetContent) tags() []types.Tag {
	out := []types.Tag{}
	for _, k := range slices.Sorted(maps.Keys(c.Tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(c.Tags[k])})
	}
	return out
}

// follow is the automatic deployment; off is said too, as an update that leaves
// it out keeps it.
func (c SetContent) follow() *types.AutoDeployment {
	if !c.Follow {
		return &types.AutoDeployment{Enabled: aws.Bool(false)}
	}
	return &types.AutoDeployment{Enabled: aws.Bool(true), RetainStacksOnAccountRemoval: aws.Bool(false)}
}

// Create makes the stack set, without stacks.
func (s *StackSet) Create(ctx context.Context, c SetContent, description string) error {
	client, opt := s.client()
	_, err := client.CreateStackSet(ctx, &cloudformation.CreateStackSetInput{StackSetName: &s.Name, CallAs: s.as, Description: &description,
		TemplateBody: &c.Template, Parameters: c.parameters(), Tags: c.tags(), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		PermissionModel: types.PermissionModelsServiceManaged, AutoDeployment: c.follow()}, opt)
	return s.explain("create stack set "+s.Name, err)
}

// allAtOnce lets no account wait for another, nor stop for another's failure.
func allAtOnce() *types.StackSetOperationPreferences {
	return &types.StackSetOperationPreferences{FailureTolerancePercentage: aws.Int32(100), MaxConcurrentPercentage: aws.Int32(100)}
}

// Update brings the stack set and all its stacks to the content. The id is what
// the operation shall have, so that a call that is repeated starts nothing anew;
// what it has is given back.
func (s *StackSet) Update(ctx context.Context, c SetContent, id string) (string, error) {
	client, opt := s.client()
	out, err := client.UpdateStackSet(ctx, &cloudformation.UpdateStackSetInput{StackSetName: &s.Name, CallAs: s.as, OperationId: &id,
		TemplateBody: &c.Template, Parameters: c.parameters(), Tags: c.tags(), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		AutoDeployment: c.follow(), OperationPreferences: allAtOnce()}, opt)
	if err == nil {
		return aws.ToString(out.OperationId), nil
	}
	return id, s.begun("update stack set "+s.Name, err)
}

// Deploy makes stacks in a region of the accounts that are meant. The id is as
// Update's.
func (s *StackSet) Deploy(ctx context.Context, t SetTarget, region, id string) (string, error) {
	client, opt := s.client()
	targets := &types.DeploymentTargets{OrganizationalUnitIds: t.Units}
	if len(t.Accounts) > 0 {
		targets.Accounts, targets.AccountFilterType = t.Accounts, types.AccountFilterTypeIntersection
	}
	out, err := client.CreateStackInstances(ctx, &cloudformation.CreateStackInstancesInput{StackSetName: &s.Name, CallAs: s.as, OperationId: &id,
		DeploymentTargets: targets, Regions: []string{region}, OperationPreferences: allAtOnce()}, opt)
	if err == nil {
		return aws.ToString(out.OperationId), nil
	}
	err = s.begun("create the stacks of stack set "+s.Name, err)
	if f, ok := errors.AsType[*axle.Failure](err); ok && f.Hint == "" && f.Code == "ValidationError" {
		f.Hint = "the OUs and accounts are those of when the organization was discovered: axle bootstrap --stackset --refresh --yes looks at it anew"
	}
	return id, err
}

// Progress says how an operation goes in each account, and whether it is over.
func (s *StackSet) Progress(ctx context.Context, id string) (results map[string]SetResult, over bool, err error) {
	client, opt := s.client()
	what := "look at operation " + id + " of stack set " + s.Name
	out, err := client.DescribeStackSetOperation(ctx, &cloudformation.DescribeStackSetOperationInput{StackSetName: &s.Name, CallAs: s.as, OperationId: &id}, opt)
	if err != nil {
		return nil, false, s.explain(what, err)
	}
	results = map[string]SetResult{}
	for p := cloudformation.NewListStackSetOperationResultsPaginator(client, &cloudformation.ListStackSetOperationResultsInput{StackSetName: &s.Name, CallAs: s.as, OperationId: &id}); p.HasMorePages(); {
		page, err := p.NextPage(ctx, opt)
		if err != nil {
			return nil, false, s.explain(what, err)
		}
		for _, r := range page.Summaries {
			results[aws.ToString(r.Account)] = SetResult{Status: string(r.Status), Reason: aws.ToString(r.StatusReason)}
		}
	}
	return results, ended(out.StackSetOperation.Status), nil
}

// ErrSetBusy says that another operation of the stack set isn't over.
var ErrSetBusy = errors.New("another operation of the stack set is in progress")

// begun makes nothing of an operation that was begun already by the same call.
func (s *StackSet) begun(what string, err error) error {
	if _, again := errors.AsType[*types.OperationIdAlreadyExistsException](err); again {
		return nil
	}
	if _, busy := errors.AsType[*types.OperationInProgressException](err); busy {
		return fmt.Errorf("%s: %w", what, ErrSetBusy)
	}
	return s.explain(what, err)
}

// explain words what StackSets refuses for reasons that are known.
func (s *StackSet) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	f := &axle.Failure{Blocked: true, Err: err, Message: what + ": " + messageOf(err)}
	switch {
	case noSetAccess(err):
		*f = *NoSetAccess()
		f.Err = err
	case noSetAdministrator(err):
		f.Code = "NotAdministrator"
		f.Hint = "use credentials of the management account, or make account " + s.at.Account + " a delegated administrator there: aws organizations register-delegated-administrator --service-principal member.org.stacksets.cloudformation.amazonaws.com --account-id " + s.at.Account +
			"; if it is one already, allow the caller organizations:ListDelegatedAdministrators: without it CloudFormation says the same"
	default:
		return refused(what, err)
	}
	return f
}

// NoSetAccess is the failure for an organization that doesn't let StackSets in.
func NoSetAccess() *axle.Failure {
	return &axle.Failure{Code: "NoTrustedAccess", Blocked: true, Message: "CloudFormation StackSets has no trusted access to the organization",
		Hint: "axle bootstrap --stackset --enable-trusted-access enables it, or, in the management account: aws cloudformation activate-organizations-access"}
}

// SetFailure is the failure of a stack set in an account.
func SetFailure(name, account, status, reason string) *axle.Failure {
	if reason == "" {
		reason = "AWS gives no reason"
	}
	f := &axle.Failure{Code: "StackSet" + status[:min(1, len(status))] + strings.ToLower(status[min(1, len(status)):]), Resource: name, Message: "stack set " + name + ": " + reason, Hint: hintFor(reason)}
	switch {
	case status == "INOPERABLE":
		f.Hint = "a deletion failed there: aws cloudformation delete-stack-instances --retain-stacks for account " + account + ", delete the stack in the account by hand, and run this again"
	case f.Hint == "":
		f.Hint = "run axle bootstrap --stackset --yes again when it is mended"
	}
	return f
}
