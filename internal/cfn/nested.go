package cfn

import (
	"context"
	"errors"
	"strings"

	"axle"
	"axle/internal/late"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// errNested: the changes within nested stacks can't be worked out beforehand.
var errNested = errors.New("the change sets of nested stacks failed")

// nestedForm finds templates that have nested stacks.
var nestedForm = late.MustCompile(`AWS::(CloudFormation::Stack|Serverless::Application)\b`)

// maxNested is how deep change sets of nested stacks are followed.
const maxNested = 8

// looksInto says whether a preview of the stack can look into its nested stacks:
// when they are there. Those of a new stack are only added.
func (d *Driver) looksInto(w Want, st *Stack) bool {
	if st == nil || st.State() == Shell || d.Reverts || len(w.Imports) > 0 {
		return false
	}
	body, err := d.templates.Body(w.Spec.Template)
	return err == nil && nestedForm.Match(body)
}

// LookInto is Preview, for stacks that have nested stacks: with what changes in
// those. ok is false when the stack has none, or when CloudFormation can't tell.
func (d *Driver) LookInto(ctx context.Context, t axle.Target, w Want, st *Stack, name string) (res axle.Result, ok bool, err error) {
	return d.lookInto(ctx, t, w, st, name, func(*ChangeSet) {})
}

func (d *Driver) lookInto(ctx context.Context, t axle.Target, w Want, st *Stack, name string, judge func(*ChangeSet)) (res axle.Result, ok bool, err error) {
	if w.nested = d.looksInto(w, st); !w.nested {
		return res, false, nil
	}
	res, _, err = d.propose(ctx, t, w, st, name+"-nested", judge, false)
	if errors.Is(err, errNested) {
		return axle.Result{}, false, nil
	}
	return res, err == nil, err
}

// nestedFailed: a change set's status reason "Nested change set arn:... was not
// successfully created: Currently in FAILED." CloudFormation can't work nested
// change sets out for every template that it can deploy: values that other nested
// stacks have yet to give may not fit the inner template's parameters.
func nestedFailed(reason string) bool {
	return strings.HasPrefix(reason, "Nested change set ") && strings.Contains(reason, "was not successfully created")
}

// addNested adds the changes within nested stacks behind those of the stack, with
// names such as Middle/Leaf/Queue.
func (d *Driver) addNested(ctx context.Context, t axle.Target, cs *ChangeSet, values bool) error {
	client, opt := d.clients.CloudFormation(t)
	for depth := 1; len(cs.inner) > 0 && depth <= maxNested; depth++ {
		level := cs.inner
		cs.inner = nil
		for _, n := range level {
			in := &cloudformation.DescribeChangeSetInput{ChangeSetName: &n.changeSet, IncludePropertyValues: &values}
			if n.stack != "" {
				in.StackName = &n.stack
			}
			for {
				out, err := client.DescribeChangeSet(ctx, in, opt)
				if err != nil {
					return called("describe the change set of nested stack "+n.path, err)
				}
				for _, c := range out.Changes {
					cs.add(c.ResourceChange, n.path+"/", values)
				}
				if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
					break
				}
			}
		}
	}
	return nil
}

// innerSet is the change set of a nested stack.
type innerSet struct{ path, stack, changeSet string }

// add adds one line of a change set.
func (cs *ChangeSet) add(in *types.ResourceChange, path string, values bool) {
	if in == nil {
		return
	}
	c := changeOf(in)
	c.LogicalID = path + c.LogicalID
	cs.Changes = append(cs.Changes, c)
	if values {
		cs.Contexts = append(cs.Contexts, [2]string{aws.ToString(in.BeforeContext), aws.ToString(in.AfterContext)})
	}
	if set := aws.ToString(in.ChangeSetId); set != "" {
		cs.inner = append(cs.inner, innerSet{c.LogicalID, aws.ToString(in.PhysicalResourceId), set})
	}
}
