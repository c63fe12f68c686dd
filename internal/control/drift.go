package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/template"

	"golang.org/x/sync/errgroup"
)

// Drift is what drift detection found of one stack.
type Drift struct {
	Stack     string
	StackName string
	Account   axle.Account
	Region    string
	Resources []axle.Drifted // that differ
	// Phantoms are differences that drift detection finds where there need be
	// none: properties whose value is read by Fn::GetStackOutput. They aren't in
	// Resources.
	Phantoms []string // Resource.Property
	Skipped  string   // why drift can't be detected now, such as the stack's status
	Failure  *axle.Failure
}

// driftAtOnce is how many detections run in one account and region: they are
// slow, and CloudFormation throttles them.
const driftAtOnce = 5

// DetectDrift has CloudFormation look for drift in every stack of the project
// that axle.yaml has and that is deployed.
func (w *Work) DetectDrift(ctx context.Context) ([]Drift, error) {
	stacks, err := w.Status(ctx)
	if err != nil {
		return nil, err
	}
	p, err := w.build(ctx, true)
	if err != nil {
		return nil, err
	}
	driver := w.driver(ctx, w.cloud, p, nil)
	stacks = slices.DeleteFunc(stacks, func(d Deployed) bool { return !d.Configured || d.Live == nil && d.Failure == nil })
	out := make([]Drift, len(stacks))
	gates := map[axle.Target]chan struct{}{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limits().Global)
	for i, d := range stacks {
		t := axle.Target{Account: d.Account.ID, Region: d.Region}
		if gates[t] == nil {
			gates[t] = make(chan struct{}, driftAtOnce)
		}
		gate := gates[t]
		g.Go(func() error {
			select {
			case gate <- struct{}{}:
				defer func() { <-gate }()
			case <-gctx.Done():
				return gctx.Err()
			}
			out[i] = w.driftOf(gctx, driver, t, d)
			return gctx.Err()
		})
	}
	return out, g.Wait()
}

// cfnFailure explains a call that went wrong.
func cfnFailure(err error, account axle.Account, region string) error {
	var call *cfn.CallError
	if errors.As(err, &call) {
		return cloud.Translate(call.Err, call.What, account, region)
	}
	return err
}

func (w *Work) driftOf(ctx context.Context, driver *cfn.Driver, t axle.Target, d Deployed) Drift {
	out := Drift{Stack: d.Stack, StackName: d.StackName, Account: d.Account, Region: d.Region, Failure: d.Failure}
	if d.Live == nil {
		return out
	}
	switch d.Live.State() {
	case cfn.Settled, cfn.Halted:
	default:
		out.Skipped = "the stack is in " + d.Live.Status
		return out
	}
	found, err := driver.Drift(ctx, t, d.Live)
	if err != nil {
		out.Failure = asFailure(cfnFailure(err, d.Account, d.Region))
		return out
	}
	out.Resources, out.Phantoms = found, nil
	if len(found) == 0 {
		return out
	}
	text, err := driver.Template(ctx, t, d.Live.ID)
	if err != nil {
		out.Failure = asFailure(cfnFailure(err, d.Account, d.Region))
		return out
	}
	out.Resources, out.Phantoms = withoutPhantoms(found, text)
	return out
}

// withoutPhantoms leaves out what differs only since it is read by
// Fn::GetStackOutput: drift detection doesn't evaluate that, and compares the
// live value with nothing it could be equal to.
func withoutPhantoms(found []axle.Drifted, text []byte) (real []axle.Drifted, phantoms []string) {
	if !strings.Contains(string(text), "GetStackOutput") {
		return found, nil
	}
	t, _ := template.Parse("template", text)
	if t == nil {
		return found, nil
	}
	declared := map[string]*template.Node{}
	for _, r := range t.Resolve(template.World{}) {
		declared[r.Name] = r.Properties
	}
	for _, r := range found {
		if r.Status != "MODIFIED" {
			real = append(real, r)
			continue
		}
		var left []axle.Difference
		for _, diff := range r.Properties {
			if readsStackOutput(declared[r.LogicalID], strings.Split(strings.Trim(diff.Path, "/"), "/")) {
				phantoms = append(phantoms, r.LogicalID+"."+strings.ReplaceAll(strings.Trim(diff.Path, "/"), "/", "."))
			} else {
				left = append(left, diff)
			}
		}
		if len(left) > 0 || len(r.Properties) == 0 {
			r.Properties = left
			real = append(real, r)
		}
	}
	return real, phantoms
}

// readsStackOutput says whether the value at a path, or anything above or below
// it, is written with Fn::GetStackOutput.
func readsStackOutput(n *template.Node, path []string) bool {
	for _, name := range path {
		if n == nil {
			return false
		}
		if n.Func == "GetStackOutput" {
			return true
		}
		next := n.Get(name)
		if next == nil && n.Kind == template.ListNode {
			return hasStackOutput(n)
		}
		n = next
	}
	return hasStackOutput(n)
}

func hasStackOutput(n *template.Node) bool {
	if n == nil {
		return false
	}
	if n.Func == "GetStackOutput" {
		return true
	}
	for _, k := range n.Keys {
		if hasStackOutput(k.Value) {
			return true
		}
	}
	return slices.ContainsFunc(n.Items, hasStackOutput)
}
