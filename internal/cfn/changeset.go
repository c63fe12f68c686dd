package cfn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/late"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

const (
	// learnChangeSet is what the durations of change sets are learnt as.
	learnChangeSet = "change set"
	// patienceChangeSet is how long change sets wait for another one's duration.
	patienceChangeSet = 10 * time.Second
	// shortestDelay is that between two looks at a change set.
	shortestDelay = 50 * time.Millisecond
)

// changeSetPrefix begins the name of every change set of ours.
const changeSetPrefix = "axle-"

var notInName = late.MustCompile(`[^a-zA-Z0-9]+`)

// ChangeSetName is the name of the change set that a run makes for a step:
// the same after a crash, another one in another run or when what is wanted
// differs. Secret values don't go into it: names are public.
func ChangeSetName(run, step string, w Want, secret map[string]bool) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q", step, w.Spec.Template, w.Spec.ExecutionRole, w.Spec.Capabilities)
	for _, m := range []map[string]string{w.parameters(), w.tags()} {
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			v := m[k]
			if secret[k] || slices.Contains(w.Spec.NoEcho, k) {
				v = ""
			}
			fmt.Fprintf(h, "%q=%q ", k, v)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.Imports)) {
		fmt.Fprintf(h, "import %q %v", id, w.Imports[id])
	}
	run = strings.Trim(notInName.ReplaceAllString(run, "-"), "-")
	return changeSetPrefix + run[:min(len(run), 60)] + "-" + hex.EncodeToString(h.Sum(nil))[:24]
}

// ChangeSet is a change set that CloudFormation has worked out.
type ChangeSet struct {
	Changes []axle.ResourceChange
	// Empty: AWS says that there is nothing to change. An empty list of changes
	// isn't that: outputs and tags of the stack aren't in the list.
	Empty bool
	// Reason is why it failed otherwise.
	Reason string
	// Executed: it can't be executed (again), because it was already.
	Executed bool
	// Contexts are the resources' properties before and after, as JSON, in the
	// order of Changes; only when Operation.Values asks for them.
	Contexts [][2]string

	inner []innerSet
}

// Change sums the changes up. A conditional replacement rarely happens: it says
// that a resource refers to another that changes.
func (o Operation) Change(changes []axle.ResourceChange) axle.Change {
	if o.Kind == axle.Update && slices.ContainsFunc(changes, func(c axle.ResourceChange) bool { return c.Replacement == string(types.ReplacementTrue) }) {
		return axle.Replace
	}
	return o.Kind
}

// CreateChangeSet asks for a change set under the given name, or adopts the
// one that is there. st is the stack as described; nil when there is none.
//
// ErrBusy says that the stack has changed meanwhile: describe it again.
func (d *Driver) CreateChangeSet(ctx context.Context, t axle.Target, w Want, st *Stack, name string) (Operation, error) {
	op := Operation{Kind: axle.Create, Digest: w.Spec.Template}
	in, err := d.changeSetInput(ctx, t, w, st, name)
	if err != nil {
		return op, err
	}
	if st != nil && st.State() != Shell {
		op.Kind = axle.Update
		in.ChangeSetType = types.ChangeSetTypeUpdate
		if d.Reverts {
			in.DeploymentMode = types.DeploymentModeRevertDrift
		}
	}
	if len(w.Imports) > 0 {
		in.ChangeSetType, in.DeploymentMode = types.ChangeSetTypeImport, ""
	}
	if w.nested {
		in.IncludeNestedStacks = aws.Bool(true)
	}
	what := "create change set of stack " + w.Spec.StackName
	client, opt := d.clients.CloudFormation(t)
	for attempt := 1; ; attempt++ {
		in.ClientToken = aws.String(fmt.Sprintf("%s-%d%s", name, attempt, after(st)))
		out, err := client.CreateChangeSet(ctx, in, opt)
		switch {
		case err == nil:
			op.ChangeSet, op.StackID = aws.ToString(out.Id), aws.ToString(out.StackId)
			return op, nil
		case changeSetExists(err) && attempt < 3:
			adopted, err := d.adopt(ctx, t, w.Spec.StackName, name, &op)
			if err != nil || adopted {
				return op, err
			}
		case busy(err), stackExists(err), noStack(err):
			return op, fmt.Errorf("%s: %w: %w", what, ErrBusy, err)
		default:
			return op, refused(what, err)
		}
	}
}

// after tells apart the tokens of change sets of one name: one that was executed
// and failed, or became obsolete, is made anew when its step is, and by a token
// that it knows CloudFormation would give the old one back.
func after(st *Stack) string {
	if st == nil || st.ChangeSet == "" && st.Updated.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(st.ChangeSet + " " + st.Updated.UTC().String()))
	return "-" + hex.EncodeToString(sum[:4])
}

// adopt finds the change set that an earlier attempt made. One that failed or
// was executed is of no use: it is deleted, so that it can be made anew.
func (d *Driver) adopt(ctx context.Context, t axle.Target, stack, name string, op *Operation) (bool, error) {
	client, opt := d.clients.CloudFormation(t)
	out, err := client.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: &stack, ChangeSetName: &name}, opt)
	if noChangeSet(err) || noStack(err) {
		return false, nil
	}
	if err != nil {
		return false, called("describe change set "+name, err)
	}
	op.ChangeSet, op.StackID = aws.ToString(out.ChangeSetId), aws.ToString(out.StackId)
	switch out.ExecutionStatus {
	case types.ExecutionStatusExecuteInProgress:
		return true, nil
	case types.ExecutionStatusExecuteComplete, types.ExecutionStatusExecuteFailed, types.ExecutionStatusObsolete:
	default:
		if out.Status != types.ChangeSetStatusFailed {
			return true, nil
		}
	}
	return false, d.deleteChangeSet(ctx, t, *op)
}

func (d *Driver) changeSetInput(ctx context.Context, t axle.Target, w Want, st *Stack, name string) (*cloudformation.CreateChangeSetInput, error) {
	in := &cloudformation.CreateChangeSetInput{StackName: &w.Spec.StackName, ChangeSetName: &name, ChangeSetType: types.ChangeSetTypeCreate}
	role, err := d.role(w, t)
	if err != nil {
		return nil, err
	}
	if role != "" {
		in.RoleARN = &role
	}
	if d.Description != "" {
		in.Description = &d.Description
	}
	for _, c := range w.Spec.Capabilities {
		in.Capabilities = append(in.Capabilities, types.Capability(c))
	}
	for k, v := range w.tags() {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	values := w.parameters()
	for _, key := range w.Spec.NoEcho {
		if _, set := w.Values[key]; set || st == nil || st.State() == Shell {
			continue
		}
		if _, has := st.Parameters[key]; has { // its value isn't known to us, and stays
			delete(values, key)
			in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(key), UsePreviousValue: aws.Bool(true)})
		}
	}
	for k, v := range values {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(k), ParameterValue: aws.String(v)})
	}
	for _, id := range slices.Sorted(maps.Keys(w.Imports)) {
		r := w.Imports[id]
		in.ResourcesToImport = append(in.ResourcesToImport, types.ResourceToImport{LogicalResourceId: aws.String(id),
			ResourceType: aws.String(r.Type), ResourceIdentifier: r.ID})
	}
	slices.SortFunc(in.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	slices.SortFunc(in.Parameters, func(a, b types.Parameter) int { return strings.Compare(*a.ParameterKey, *b.ParameterKey) })
	if err := d.templates.Store(ctx, w.Spec, t); err != nil {
		return nil, err
	}
	in.TemplateBody, in.TemplateURL, err = d.template(ctx, t, w.Spec.Template)
	return in, err
}

// Body is the text of a template that the driver was given.
func (d *Driver) Body(digest string) ([]byte, error) { return d.templates.Body(digest) }

// template gives the text of a template, or where it is when it is too large.
func (d *Driver) template(ctx context.Context, t axle.Target, digest string) (body, url *string, err error) {
	text, err := d.templates.Body(digest)
	if err == nil && len(text) <= maxInline {
		return aws.String(string(text)), nil, nil
	}
	at, err := d.templates.URL(ctx, digest, t)
	if err != nil {
		return nil, nil, fmt.Errorf("template: %w", err)
	}
	return nil, &at, nil
}

// ChangeSet waits until a change set is worked out and reads all of it. When
// ctx ends first, the error is ctx's.
//
// axle.ErrNotFound says that it is gone without having been executed.
func (d *Driver) ChangeSet(ctx context.Context, t axle.Target, op Operation) (*ChangeSet, error) {
	start := time.Now()
	// AWS takes some seconds, emulators none: what was seen last decides when
	// to look first, and of many that begin together one finds it out.
	ready, done := d.poll.learned.scout(learnChangeSet)
	defer done()
	select {
	case <-ready:
	case <-time.After(patienceChangeSet):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	waited := time.Since(start)
	delay := shortestDelay
	switch e := d.poll.learned.estimate(learnChangeSet); {
	case e.known && waited > shortestDelay: // for the other, which may have begun earlier
		delay = max(e.median-waited, shortestDelay)
	case e.known:
		delay = e.first()
	}
	var last time.Duration
	for {
		if err := pause(ctx, delay); err != nil {
			return nil, err
		}
		out, ended, err := d.lookAtChangeSet(ctx, t, op)
		if err != nil {
			return nil, err
		}
		took := time.Since(start)
		if ended {
			d.poll.learned.add(learnChangeSet, last, took)
			return out, nil
		}
		last = took
		delay = min(max(took/4, shortestDelay), 5*time.Second)
	}
}

func (d *Driver) lookAtChangeSet(ctx context.Context, t axle.Target, op Operation) (*ChangeSet, bool, error) {
	client, opt := d.clients.CloudFormation(t)
	in := &cloudformation.DescribeChangeSetInput{ChangeSetName: &op.ChangeSet, StackName: &op.StackID}
	if op.Values {
		in.IncludePropertyValues = aws.Bool(true)
	}
	cs := &ChangeSet{}
	for {
		out, err := client.DescribeChangeSet(ctx, in, opt)
		if noChangeSet(err) || noStack(err) {
			return d.goneChangeSet(ctx, t, op)
		}
		if err != nil {
			return nil, false, called("describe change set "+baseName(op.ChangeSet), err)
		}
		switch out.Status {
		case types.ChangeSetStatusCreatePending, types.ChangeSetStatusCreateInProgress:
			return nil, false, nil
		case types.ChangeSetStatusFailed:
			reason := aws.ToString(out.StatusReason)
			return &ChangeSet{Empty: emptyReason(reason), Reason: reason}, true, nil
		case types.ChangeSetStatusCreateComplete:
		default: // being deleted
			return nil, false, fmt.Errorf("change set %s is in %s: %w", baseName(op.ChangeSet), out.Status, axle.ErrNotFound)
		}
		switch out.ExecutionStatus {
		case types.ExecutionStatusExecuteInProgress, types.ExecutionStatusExecuteComplete, types.ExecutionStatusExecuteFailed:
			cs.Executed = true
		case types.ExecutionStatusObsolete:
			return nil, false, fmt.Errorf("change set %s is obsolete: %w", baseName(op.ChangeSet), axle.ErrNotFound)
		}
		for _, c := range out.Changes {
			cs.add(c.ResourceChange, "", op.Values)
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return cs, true, d.addNested(ctx, t, cs, op.Values)
		}
	}
}

// goneChangeSet finds out whether a change set was executed (which removes it)
// or deleted: by somebody, or because another one was executed. Where a stack
// doesn't tell by which change set it was made, it counts as made by ours.
func (d *Driver) goneChangeSet(ctx context.Context, t axle.Target, op Operation) (*ChangeSet, bool, error) {
	st, err := d.Describe(ctx, t, op.StackID)
	if err != nil {
		return nil, false, err
	}
	if st.ChangeSet == op.ChangeSet || st.ChangeSet == "" && op.Kind == axle.Create && st.State() != Shell && st.State() != Gone {
		return &ChangeSet{Executed: true}, true, nil
	}
	return nil, false, fmt.Errorf("change set %s: %w", baseName(op.ChangeSet), axle.ErrNotFound)
}

func changeOf(in *types.ResourceChange) axle.ResourceChange {
	c := axle.ResourceChange{Action: string(in.Action), LogicalID: aws.ToString(in.LogicalResourceId), Type: aws.ToString(in.ResourceType),
		Policy: string(in.PolicyAction)}
	switch {
	case in.Replacement == types.ReplacementTrue, in.Replacement == types.ReplacementConditional:
		c.Replacement = string(in.Replacement)
	case strings.HasPrefix(string(in.PolicyAction), "Replace"):
		c.Replacement = string(types.ReplacementTrue)
	}
	for _, d := range in.Details {
		if d.Target == nil {
			continue
		}
		name := aws.ToString(d.Target.Name)
		if d.Target.Attribute != types.ResourceAttributeProperties || name == "" {
			name = string(d.Target.Attribute)
		}
		if name != "" && !slices.Contains(c.Properties, name) {
			c.Properties = append(c.Properties, name)
		}
		c.Details = addDetail(c.Details, d.Target, name)
	}
	slices.Sort(c.Properties)
	return c
}

// addDetail adds the values of one property, when the change set has any.
// CloudFormation tells a property once for each reason why it changes.
func addDetail(list []axle.PropertyChange, target *types.ResourceTargetDefinition, name string) []axle.PropertyChange {
	d := axle.PropertyChange{Path: name, Before: aws.ToString(target.BeforeValue), After: aws.ToString(target.AfterValue)}
	if path := strings.TrimPrefix(aws.ToString(target.Path), "/Properties/"); path != "" {
		d.Path = strings.TrimPrefix(path, "/")
	}
	if d.Before == "" && d.After == "" || slices.ContainsFunc(list, func(o axle.PropertyChange) bool { return o.Path == d.Path }) {
		return list
	}
	return append(list, d)
}

// Execute executes a change set; one that is being executed already is fine.
//
// axle.ErrNotFound says that it can't be executed any more.
func (d *Driver) Execute(ctx context.Context, t axle.Target, op Operation) error {
	client, opt := d.clients.CloudFormation(t)
	_, err := client.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{
		ChangeSetName: &op.ChangeSet, StackName: &op.StackID, ClientRequestToken: aws.String(token(op))}, opt)
	switch {
	case noChangeSet(err), noStack(err), obsolete(err):
		return fmt.Errorf("execute change set %s: %w", baseName(op.ChangeSet), axle.ErrNotFound)
	case err == nil, notExecutable(err):
		d.poll.begin(op.StackID, op.learnAs())
		return nil
	case busy(err):
		return fmt.Errorf("execute change set %s: %w: %w", baseName(op.ChangeSet), ErrBusy, err)
	}
	return refused("execute change set of stack "+baseName(op.StackID), err)
}

// token is the client token of an operation: the same call twice is one.
func token(op Operation) string {
	sum := sha256.Sum256([]byte(string(op.Kind) + op.StackID + op.ChangeSet + op.Request + strings.Join(op.Retain, ",")))
	return changeSetPrefix + hex.EncodeToString(sum[:16])
}

// Discard removes a change set that isn't to be executed, and the shell that a
// new stack's change set is in.
func (d *Driver) Discard(ctx context.Context, t axle.Target, op Operation) error {
	if op.Kind != axle.Create {
		return d.deleteChangeSet(ctx, t, op)
	}
	st, err := d.Describe(ctx, t, op.StackID)
	switch {
	case isGone(st, err):
		return nil
	case err != nil:
		return err
	case st.State() != Shell: // somebody made a stack of it meanwhile
		return d.deleteChangeSet(ctx, t, op)
	}
	sets, err := d.changeSets(ctx, t, op.StackID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(sets, func(c types.ChangeSetSummary) bool { return aws.ToString(c.ChangeSetId) != op.ChangeSet }) {
		return d.deleteChangeSet(ctx, t, op) // the shell is another's too
	}
	return d.deleteShell(ctx, t, op.StackID)
}

// deleteShell removes a stack that has nothing but change sets.
func (d *Driver) deleteShell(ctx context.Context, t axle.Target, stackID string) error {
	drop := shell
	drop.StackID = stackID
	if err := d.Delete(ctx, t, drop); err != nil {
		return err
	}
	_, err := d.Await(ctx, t, drop)
	return err
}

// deleteChangeSet names the stack too: without it the permission is asked for
// the change set's ARN, not for the stack's.
func (d *Driver) deleteChangeSet(ctx context.Context, t axle.Target, op Operation) error {
	client, opt := d.clients.CloudFormation(t)
	_, err := client.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &op.ChangeSet, StackName: &op.StackID}, opt)
	if err != nil && !noChangeSet(err) && !noStack(err) {
		return called("delete change set "+baseName(op.ChangeSet), err)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
