// Package cfn drives CloudFormation stacks: a change set for every change,
// reviewed by the caller and then executed, watched to its end by one shared
// poller for each account and region, and explained by its first failing
// resource when it fails. CloudFormation is the only state; a stack of our name
// without our tags is somebody else's and never touched. It evaluates no
// templates, keeps no journal and decides nothing about order: the actions do.
package cfn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Clients gives the client of a target's region, and the option that makes a
// call act in the target's account.
type Clients interface {
	CloudFormation(axle.Target) (*cloudformation.Client, func(*cloudformation.Options))
}

// Templates gives template texts by their digest. Those that are too large to
// be sent are read by CloudFormation from a URL.
type Templates interface {
	Body(digest string) ([]byte, error)
	URL(ctx context.Context, digest string, t axle.Target) (string, error)
	// Store makes sure that what a stack's template refers to in the hub's buckets
	// is there, as far as it is needed.
	Store(ctx context.Context, spec *axle.StackSpec, t axle.Target) error
}

// Memory is our record of which template a stack has. It holds as long as the
// stack hasn't changed since.
type Memory interface {
	Digest(stackID string) (digest string, lastUpdated time.Time, ok bool)
	Remember(stackID, digest string, lastUpdated time.Time)
}

// TagProject and TagStack are the tags that make a stack ours.
const (
	TagProject = "axle:project"
	TagStack   = "axle:stack"
)

// maxInline is the largest template in bytes that a call takes in its body.
const maxInline = 51200

// Driver works on stacks of any number of targets at once.
type Driver struct {
	// Verify leaves out the fast path: every stack gets a change set.
	Verify bool
	// Continues: the user wants rollbacks that failed to be continued.
	Continues bool
	// Reverts: change sets compare with what is really there, and bring it back.
	Reverts bool
	// Adopts: the user wants stacks of the wanted names that have no tags of
	// ours to become ours.
	Adopts bool
	// Description is that of the change sets that are made.
	Description string
	// Partition is that of the caller (aws, aws-cn, ...), to make an ARN of an
	// execution role that is given by name.
	Partition string

	clients   Clients
	templates Templates
	memory    Memory // may be nil
	poll      *poller

	mu        sync.Mutex
	validated map[string]*validation
}

// New makes a driver; memory may be nil.
func New(clients Clients, templates Templates, memory Memory) *Driver {
	d := &Driver{clients: clients, templates: templates, memory: memory, validated: map[string]*validation{}}
	d.poll = newPoller(looks{d})
	d.poll.learned.add(shell.learnAs(), 0, 0) // nothing is in it: look at once
	return d
}

// Want is a stack as it shall be in one target.
type Want struct {
	Spec *axle.StackSpec
	// Values are the parameters that are set; the spec's defaults come below.
	Values map[string]string
	// Imports are existing resources to take into the stack, by logical id.
	Imports map[string]Import

	nested bool // the change set includes nested stacks
}

// Import is an existing resource by its identifiers.
type Import struct {
	Type string
	ID   map[string]string
}

// parameters are the values that the stack shall have, without those that keep
// what they have.
func (w Want) parameters() map[string]string {
	out := make(map[string]string, len(w.Values)+len(w.Spec.Defaults))
	for k, v := range w.Spec.Defaults {
		out[k] = v
	}
	for k, v := range w.Values {
		out[k] = v
	}
	return out
}

// Tags are the user's and ours.
func (w Want) tags() map[string]string {
	out := make(map[string]string, len(w.Spec.Tags)+2)
	for k, v := range w.Spec.Tags {
		out[k] = v
	}
	out[TagProject], out[TagStack] = w.Spec.Project, w.Spec.Stack
	return out
}

// role is the ARN of the execution role in the target; "" when there is none.
func (d *Driver) role(w Want, t axle.Target) (string, error) {
	role := w.Spec.ExecutionRole
	if role == "" || len(role) > 4 && role[:4] == "arn:" {
		return role, nil
	}
	if d.Partition == "" {
		return "", &axle.Failure{Code: "ExecutionRole", Resource: role, Blocked: true,
			Message: fmt.Sprintf("execution role %q of stack %s isn't an ARN, and the partition isn't known", role, w.Spec.Stack),
			Hint:    "write the role's ARN under execution_role"}
	}
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", d.Partition, t.Account, role), nil
}

// An Operation is one thing that CloudFormation does to a stack: enough to find
// it again after a crash.
type Operation struct {
	Kind    axle.Change // Create, Update or Delete
	StackID string
	// ChangeSet is the ARN of the change set; empty for Delete.
	ChangeSet string
	// Digest of the template, to learn how long it takes.
	Digest string
	// Request tells a deletion from an earlier one of the same stack that failed:
	// CloudFormation takes a client token that it knows for the same request, and
	// does nothing.
	Request string
	// Retain are the resources that a deletion leaves alone.
	Retain []string
	// Values: the values of properties are read with the change set.
	Values bool
}

// shell is the deletion of a stack that has nothing but change sets.
var shell = Operation{Kind: axle.Delete, Digest: "shell"}

// learnAs is under which name durations are learnt: stacks of one template
// take about as long in every target.
func (o Operation) learnAs() string { return string(o.Kind) + " " + o.Digest }
