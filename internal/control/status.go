package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/cfn"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// Deployed is what CloudFormation says of one stack of the project.
type Deployed struct {
	Stack      string // its name in axle.yaml
	StackName  string
	Account    axle.Account
	Region     string
	Configured bool       // axle.yaml has it for this target
	Live       *cfn.Stack // nil when it isn't deployed
	Failure    *axle.Failure
}

// Status reads what is deployed of the project, from CloudFormation itself: one
// listing for each target. A target that can't be read has a Failure.
func (w *Work) Status(ctx context.Context) ([]Deployed, error) {
	p, err := w.build(ctx, true)
	if err != nil {
		return nil, err
	}
	wanted := map[axle.Target][]*axle.Step{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Kind == plan.KindStack {
			wanted[s.Target()] = append(wanted[s.Target()], s)
		}
	}
	driver := w.driver(ctx, w.cloud, p, nil)
	var mu sync.Mutex
	var out []Deployed
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.limits().Global)
	for t, steps := range wanted {
		g.Go(func() error {
			live, err := driver.List(gctx, t, p.Project)
			found := w.match(p.Accounts[t.Account], t, steps, live, cfnFailure(err, p.Accounts[t.Account], t.Region))
			mu.Lock()
			defer mu.Unlock()
			out = append(out, found...)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	rank := w.ranks()
	slices.SortFunc(out, func(a, b Deployed) int {
		if a.Stack != b.Stack {
			if rank[a.Stack] != rank[b.Stack] && rank[a.Stack] > 0 && rank[b.Stack] > 0 {
				return rank[a.Stack] - rank[b.Stack]
			}
			if (rank[a.Stack] == 0) != (rank[b.Stack] == 0) {
				return rank[b.Stack] - rank[a.Stack] // unknown ones last
			}
			return strings.Compare(a.Stack, b.Stack)
		}
		return axle.Target{Account: a.Account.ID, Region: a.Region}.Compare(axle.Target{Account: b.Account.ID, Region: b.Region})
	})
	return out, nil
}

// match puts what a target should have beside what it has.
func (w *Work) match(account axle.Account, t axle.Target, steps []*axle.Step, live []cfn.Stack, err error) []Deployed {
	var out []Deployed
	seen := map[string]bool{}
	for _, s := range steps {
		d := Deployed{Stack: s.Name, StackName: s.Spec.Stack.StackName, Account: account, Region: t.Region, Configured: true, Failure: asFailure(err)}
		for i := range live {
			if live[i].Name == d.StackName {
				d.Live = &live[i]
				seen[d.StackName] = true
			}
		}
		out = append(out, d)
	}
	for i := range live {
		// Roles of bootstrap belong to the project, and to no stack of it.
		if name := live[i].Tags[cfn.TagStack]; !seen[live[i].Name] && !strings.HasPrefix(name, "bootstrap-") {
			out = append(out, Deployed{Stack: name, StackName: live[i].Name, Account: account, Region: t.Region, Live: &live[i]})
		}
	}
	return out
}

// asFailure makes any error one for people.
func asFailure(err error) *axle.Failure {
	if err == nil {
		return nil
	}
	var f *axle.Failure
	if errors.As(err, &f) {
		return f
	}
	return &axle.Failure{Code: "Error", Message: err.Error(), Err: err}
}
