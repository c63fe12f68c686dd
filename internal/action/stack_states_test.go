package action

import (
	"errors"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// ladder brings a stack into a status: what it calls and what goes wrong
// meanwhile, then it waits until the status is seen.
type ladder struct {
	*stackWorld
	name   string // of the stack
	client *cloudformation.Client
	opt    func(*cloudformation.Options)
}

// slow is how long stacks take where a status that passes is wanted.
const slow = 2 * time.Second

const ladderTemplate = `Parameters:
  Title: {Type: String, Default: a}
Resources:
  First: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Title}}
  Second: {Type: AWS::SSM::Parameter, DependsOn: First, Properties: {Type: String, Value: !Ref Title}}
`

func (l *ladder) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *ladder) tags() []types.Tag {
	return []types.Tag{{Key: aws.String(cfn.TagProject), Value: aws.String("flights")},
		{Key: aws.String(cfn.TagStack), Value: aws.String(strings.TrimPrefix(l.name, "flights-"))}}
}

func (l *ladder) create(keep bool) {
	in := &cloudformation.CreateStackInput{StackName: &l.name, TemplateBody: aws.String(ladderTemplate), Tags: l.tags()}
	if keep {
		in.DisableRollback = aws.Bool(true)
	}
	_, err := l.client.CreateStack(l.t.Context(), in, l.opt)
	l.must(err)
}

func (l *ladder) update(title string, keep bool) {
	_, err := l.client.UpdateStack(l.t.Context(), &cloudformation.UpdateStackInput{StackName: &l.name, UsePreviousTemplate: aws.Bool(true),
		Tags: l.tags(), DisableRollback: aws.Bool(keep), Parameters: []types.Parameter{{ParameterKey: aws.String("Title"), ParameterValue: &title}}}, l.opt)
	l.must(err)
}

func (l *ladder) remove() {
	_, err := l.client.DeleteStack(l.t.Context(), &cloudformation.DeleteStackInput{StackName: &l.name}, l.opt)
	l.must(err)
}

// shell is what a change set of ours leaves that nobody executes.
func (l *ladder) shell() {
	_, err := l.client.CreateChangeSet(l.t.Context(), &cloudformation.CreateChangeSetInput{StackName: &l.name, ChangeSetName: aws.String("axle-left"),
		ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(ladderTemplate)}, l.opt)
	l.must(err)
}

const keptParameter = "  Kept: {Type: AWS::SSM::Parameter, DeletionPolicy: Retain, Properties: {Name: /kept, Type: String, Value: v}}\n"

// bring imports a parameter, which a deleted stack has left if there is one.
func (l *ladder) bring(left bool) {
	l.t.Helper()
	ctx := l.t.Context()
	if left {
		helper := &ladder{stackWorld: l.stackWorld, name: "helper", client: l.client, opt: l.opt}
		_, err := l.client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &helper.name, TemplateBody: aws.String("Resources:\n" + keptParameter)}, l.opt)
		l.must(err)
		helper.until("CREATE_COMPLETE")
		helper.remove()
		helper.until("DELETE_COMPLETE")
	}
	l.create(false)
	l.until("CREATE_COMPLETE")
	name := aws.String("theirs")
	_, err := l.client.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: &l.name, ChangeSetName: name, ChangeSetType: types.ChangeSetTypeImport,
		TemplateBody: aws.String(ladderTemplate + keptParameter), Tags: l.tags(), ResourcesToImport: []types.ResourceToImport{{
			LogicalResourceId: aws.String("Kept"), ResourceType: aws.String("AWS::SSM::Parameter"), ResourceIdentifier: map[string]string{"Name": "/kept"}}}}, l.opt)
	l.must(err)
	for {
		out, err := l.client.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: &l.name, ChangeSetName: name}, l.opt)
		l.must(err)
		if out.Status == types.ChangeSetStatusFailed {
			l.t.Fatal(aws.ToString(out.StatusReason))
		}
		if out.Status == types.ChangeSetStatusCreateComplete {
			break
		}
		time.Sleep(10 * time.Millisecond) // as in until
	}
	_, err = l.client.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &l.name, ChangeSetName: name}, l.opt)
	l.must(err)
}

// until waits for a status.
func (l *ladder) until(status string) {
	l.t.Helper()
	seen, was := "", ""
	for {
		st, err := l.driver().Describe(l.t.Context(), axle.Target{Account: l.account(), Region: "eu-west-1"}, l.name)
		switch {
		case errors.Is(err, axle.ErrNotFound):
			seen = "DELETE_COMPLETE"
		case err != nil:
			l.t.Fatal(err)
		default:
			seen = st.Status
		}
		if seen == status {
			return
		}
		if seen != was {
			l.t.Logf("stack %s is in %s, and is to be in %s", l.name, seen, status)
			was = seen
		}
		time.Sleep(10 * time.Millisecond) // CloudFormation tells nobody: one has to look
	}
}

// climb has, for each status, what fails and how to get there.
var climb = map[types.StackStatus]struct {
	slow   bool
	faults []sandbox.Fault
	steps  func(*ladder)
}{
	"REVIEW_IN_PROGRESS": {steps: func(l *ladder) { l.shell() }},
	"CREATE_IN_PROGRESS": {slow: true, steps: func(l *ladder) { l.create(false) }},
	"CREATE_FAILED":      {faults: []sandbox.Fault{{Resource: "Second", On: "create", Count: 1}}, steps: func(l *ladder) { l.create(true) }},
	"CREATE_COMPLETE":    {steps: func(l *ladder) { l.create(false) }},
	"ROLLBACK_IN_PROGRESS": {slow: true, faults: []sandbox.Fault{{Resource: "Second", On: "create"}},
		steps: func(l *ladder) { l.create(false) }},
	"ROLLBACK_FAILED": {faults: []sandbox.Fault{{Resource: "Second", On: "create"}, {Resource: "First", On: "delete", Count: 1}},
		steps: func(l *ladder) { l.create(false) }},
	"ROLLBACK_COMPLETE": {faults: []sandbox.Fault{{Resource: "Second", On: "create", Count: 1}}, steps: func(l *ladder) { l.create(false) }},
	"UPDATE_IN_PROGRESS": {slow: true, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", false)
	}},
	"UPDATE_COMPLETE": {steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", false)
	}},
	"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": {slow: true, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		_, err := l.client.UpdateStack(l.t.Context(), &cloudformation.UpdateStackInput{StackName: &l.name, Tags: l.tags(),
			TemplateBody: aws.String(strings.Split(ladderTemplate, "  Second")[0])}, l.opt)
		l.must(err)
	}},
	"UPDATE_FAILED": {faults: []sandbox.Fault{{Resource: "Second", On: "update", Count: 1}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", true)
	}},
	"UPDATE_ROLLBACK_IN_PROGRESS": {slow: true, faults: []sandbox.Fault{{Resource: "Second", On: "update"}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", false)
	}},
	"UPDATE_ROLLBACK_FAILED": {faults: []sandbox.Fault{{Resource: "Second", On: "update", Count: 1}, {Resource: "First", On: "rollback", Count: 1}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", false)
	}},
	"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {slow: true, faults: []sandbox.Fault{{Resource: "Third", On: "create"}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		_, err := l.client.UpdateStack(l.t.Context(), &cloudformation.UpdateStackInput{StackName: &l.name, Tags: l.tags(),
			TemplateBody: aws.String(ladderTemplate + "  Fourth: {Type: AWS::SNS::Topic}\n  Third: {Type: AWS::SNS::Topic, DependsOn: Fourth}\n")}, l.opt)
		l.must(err)
	}},
	"UPDATE_ROLLBACK_COMPLETE": {faults: []sandbox.Fault{{Resource: "Second", On: "update", Count: 1}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.update("theirs", false)
	}},
	"IMPORT_IN_PROGRESS":          {slow: true, steps: func(l *ladder) { l.bring(true) }},
	"IMPORT_COMPLETE":             {steps: func(l *ladder) { l.bring(true) }},
	"IMPORT_ROLLBACK_IN_PROGRESS": {slow: true, faults: []sandbox.Fault{{Resource: "Kept", On: "import"}}, steps: func(l *ladder) { l.bring(true) }},
	"IMPORT_ROLLBACK_FAILED": {faults: []sandbox.Fault{{Resource: "Kept", On: "import"}, {Resource: "Kept", On: "rollback"}},
		steps: func(l *ladder) { l.bring(true) }},
	"IMPORT_ROLLBACK_COMPLETE": {steps: func(l *ladder) { l.bring(false) }},
	"DELETE_IN_PROGRESS": {slow: true, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.remove()
	}},
	"DELETE_FAILED": {faults: []sandbox.Fault{{Resource: "First", On: "delete"}}, steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.remove()
	}},
	"DELETE_COMPLETE": {steps: func(l *ladder) {
		l.create(false)
		l.until("CREATE_COMPLETE")
		l.remove()
	}},
}

// TestStackStates takes a stack into every status of CloudFormation, and holds
// what deploy, plan and destroy then do against the table.
func TestStackStates(t *testing.T) {
	known := map[types.StackStatus]bool{}
	for _, rule := range cfn.Rules {
		known[rule.Status] = true
	}
	for _, status := range types.StackStatus("").Values() {
		if !known[status] {
			t.Errorf("there is no rule for %s", status)
		}
	}
	for _, rule := range cfn.Rules {
		t.Run(string(rule.Status), func(t *testing.T) {
			t.Parallel()
			if _, ok := climb[rule.Status]; !ok {
				t.Fatal("nobody has found the way into this status")
			}
			for command, behaviour := range map[string]cfn.Behaviour{"deploy": rule.Deploy, "plan": rule.Plan, "destroy": rule.Destroy} {
				t.Run(command, func(t *testing.T) {
					t.Parallel()
					onItsClock(t, func(t *testing.T) {
						l := climbs(t, rule.Status)
						behaves(t, l.stackWorld, command, rule.Status, behaviour)
					})
				})
			}
		})
	}
}

// climbs makes a world with a stack in a status.
func climbs(t *testing.T, status types.StackStatus) *ladder {
	t.Helper()
	way := climb[status]
	opts := sandbox.Options{}
	if way.slow {
		opts.StackTime = slow
	}
	for _, f := range way.faults {
		f.Kind = "fail"
		opts.Faults = append(opts.Faults, f)
	}
	w := newStackWorld(t, opts)
	client, opt := w.CloudFormation(axle.Target{Account: w.account(), Region: "eu-west-1"})
	l := &ladder{stackWorld: w, name: "flights-x", client: client, opt: opt}
	way.steps(l)
	l.until(string(status))
	return l
}

// behaves runs a command on the stack and checks what came of it.
func behaves(t *testing.T, w *stackWorld, command string, status types.StackStatus, want cfn.Behaviour) {
	t.Helper()
	step := w.step("x", ladderTemplate, nil)
	step.Delete = command == "destroy"
	run := func(r Recovery) (axle.Result, *axle.Failure) {
		stack, preview := NewStack(w.driver(), "r1"), NewStackPreview(w.driver(), "r1")
		stack.Recovery, preview.Recovery = r, r
		var a starter = stack
		if command == "plan" {
			a = preview
		}
		res, err := w.do(a, step, values("Title", "ours"))
		var f *axle.Failure
		if err != nil && !errors.As(err, &f) {
			t.Fatalf("%s of a stack in %s: %v", command, status, err)
		}
		return res, f
	}
	patience := Recovery{OtherTime: time.Minute}
	res, f := axle.Result{}, (*axle.Failure)(nil)
	if want == cfn.Waits {
		res, f = run(Recovery{OtherTime: time.Millisecond})
	} else {
		res, f = run(patience)
	}
	blocked := f != nil && f.Blocked && f.Hint != ""
	good := false
	switch want {
	case cfn.Updates, cfn.Compares:
		good = f == nil && res.Change == axle.Update
	case cfn.Creates, cfn.Fills, cfn.Previews:
		good = f == nil && res.Change == axle.Create && res.Note == ""
	case cfn.Waits:
		good = blocked && f.Code == "Busy"
	case cfn.Remakes, cfn.Foretells:
		good = f == nil && res.Change == axle.Create && strings.Contains(res.Note, "ROLLBACK_COMPLETE")
	case cfn.Refuses, cfn.Warns:
		good = blocked && f.Code == string(status)
	case cfn.Continues:
		good = blocked && strings.Contains(f.Hint, "--continue-rollback")
		if good {
			patience.Continue = true
			res, f = run(patience)
			good = f == nil && res.Change == axle.Update
		}
	case cfn.Deletes, cfn.Drops:
		good = f == nil && res.Change == axle.Delete
	case cfn.Retries:
		good = f != nil && f.Resource == "First" // it fails again
		if good {
			patience.RetainFailed = true
			res, f = run(patience)
			good = f == nil && res.Change == axle.Delete && strings.Contains(res.Note, "First")
		}
	case cfn.Nothing:
		good = f == nil && res.Change == axle.None
	}
	if !good {
		t.Errorf("%s of a stack in %s: %+v, %+v; want it %s", command, status, res, f, want)
	}
}
