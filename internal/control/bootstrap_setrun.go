package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/plan"
)

// setSteps are the accounts that the stack set reaches.
func (b *Bootstrap) setSteps(whole *plan.Plan) []axle.Step {
	if b.Set == nil {
		return nil
	}
	var steps []axle.Step
	for _, a := range b.Set.Accounts {
		whole.Accounts[a.ID] = a
		steps = append(steps, axle.Step{ID: plan.StackStep("bootstrap-set", axle.Target{Account: a.ID, Region: b.Set.Region}), Kind: plan.KindSet,
			Name: "bootstrap-set", Account: a.ID, AccountName: a.Name, Region: b.Set.Region})
	}
	return steps
}

// setAction drives the stack set for all of its accounts: whichever step asks
// next looks on behalf of all. What it does depends on what it finds alone, so
// that it goes on where another run was left.
type setAction struct {
	p       *SetPhase
	content cfn.SetContent
	run     string
	project string
	turn    chan struct{} // held by the step that looks
	// What follows belongs to who has the turn.
	before   *cfn.SetState
	enabled  bool
	updated  bool         // the update was begun
	made     bool         // the stack set was made by this run
	tried    map[int]bool // targets whose deployment was begun
	began    int          // operations of this run
	op       string       // the operation that is waited for
	ours     bool         // it has the content that is wanted
	busy     bool         // an operation whose id isn't known is waited for
	due      time.Time    // of the next look
	wait     time.Duration
	refused  error
	outcomes map[string]outcome
}

type outcome struct {
	result  axle.Result
	failure *axle.Failure
}

func (b *Bootstrap) setAction() *setAction {
	a := &setAction{p: b.Set, run: b.w.run, project: b.Project, turn: make(chan struct{}, 1), tried: map[int]bool{}, outcomes: map[string]outcome{}}
	if b.Set != nil {
		a.content = b.Set.content(b.Project)
	}
	return a
}

// setPoll is how often an operation is looked at, at first and at last.
const (
	setPollFirst = 250 * time.Millisecond
	setPollLast  = 8 * time.Second
)

// Start implements engine.Action.
func (a *setAction) Start(ctx context.Context, s *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	return a.Check(ctx, s, "")
}

// Check implements engine.Action.
func (a *setAction) Check(ctx context.Context, s *axle.Step, _ string) (axle.Progress, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return axle.Progress{}, ctx.Err()
	}
	if _, known := a.outcomes[s.Account]; !known {
		if again := time.Until(a.due); again > 0 {
			return axle.Progress{Token: a.p.Name, Again: again}, nil
		}
		if err := a.look(ctx); err != nil {
			return axle.Progress{}, err
		}
	}
	o, known := a.outcomes[s.Account]
	switch {
	case !known:
		return axle.Progress{Token: a.p.Name, Again: time.Until(a.due)}, nil
	case o.failure != nil:
		return axle.Progress{}, o.failure
	}
	return axle.Progress{Done: true, Result: o.result}, nil
}

// look advances, and sets the time of the next look. What is refused for good
// is refused for all accounts.
func (a *setAction) look(ctx context.Context) error {
	if a.refused != nil {
		return a.refused
	}
	err := a.advance(ctx)
	if a.op != "" || a.busy {
		a.due, a.wait = time.Now().Add(a.wait), min(a.wait*3/2, setPollLast)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = cloud.Translate(err, "stack set "+a.p.Name, a.p.administrator, a.p.Region)
	var t interface{ Transient() bool }
	if !errors.As(err, &t) || !t.Transient() {
		a.refused = err
	}
	return err
}

// advance looks at the operation that is under way, and begins the next one
// when there is none.
func (a *setAction) advance(ctx context.Context) error {
	if a.op != "" {
		results, over, err := a.p.set.Progress(ctx, a.op)
		if err != nil {
			return err
		}
		if a.ours {
			a.take(results)
		}
		if !over {
			return nil
		}
		a.op = ""
	}
	if a.p.enable && !a.enabled {
		if enabled, _ := a.p.set.Access(ctx); !enabled {
			if err := a.p.set.EnableAccess(ctx); err != nil {
				return err
			}
		}
		a.enabled = true
	}
	st, err := a.p.set.Look(ctx, a.p.Region)
	if err != nil {
		return err
	}
	if a.before == nil {
		a.before = st
	}
	err = a.next(ctx, st)
	if a.busy = errors.Is(err, cfn.ErrSetBusy); a.busy {
		a.watch("", false)
		return nil
	}
	return err
}

// watch waits for an operation; "" for one whose id isn't known yet.
func (a *setAction) watch(op string, ours bool) {
	a.op, a.ours, a.wait = op, ours, setPollFirst
}

// id names the run's next operation: a call that is repeated finds it.
func (a *setAction) id() string {
	a.began++
	return fmt.Sprintf("axle-%s-%d", a.run, a.began)
}

// next begins what is missing, one operation at a time.
func (a *setAction) next(ctx context.Context, st *cfn.SetState) error {
	if st.Running != "" { // another run's, or an account that came or went
		a.watch(st.Running, false)
		return nil
	}
	if !st.Exists {
		if err := a.p.set.Create(ctx, a.content, "Axle deploys project "+a.project+" with this role"); err != nil {
			return err
		}
		a.made = true
	}
	stale := slices.ContainsFunc(a.p.Accounts, func(x axle.Account) bool {
		i, there := st.Instances[x.ID]
		return there && i.Status == "OUTDATED"
	})
	if st.Exists && !a.updated && !a.made && (stale || !st.Content.Same(a.content)) {
		a.updated = true
		id, err := a.p.set.Update(ctx, a.content, a.id())
		if err != nil {
			a.updated = !errors.Is(err, cfn.ErrSetBusy)
			return err
		}
		a.watch(id, true)
		return nil
	}
	for n, t := range a.p.Targets {
		if a.tried[n] || !a.lacks(st, t) {
			continue
		}
		a.tried[n] = true
		id, err := a.p.set.Deploy(ctx, t, a.p.Region, a.id())
		if err != nil {
			a.tried[n] = !errors.Is(err, cfn.ErrSetBusy)
			return err
		}
		a.watch(id, true)
		return nil
	}
	a.finish(st)
	return nil
}

// lacks says whether accounts of a target have no stack yet, or, when accounts
// are to follow OUs, an OU isn't known to the stack set.
func (a *setAction) lacks(st *cfn.SetState, t cfn.SetTarget) bool {
	if len(t.Accounts) == 0 && a.p.Follow && slices.ContainsFunc(t.Units, func(u string) bool { return !slices.Contains(st.Units, u) }) {
		return true
	}
	return slices.ContainsFunc(a.p.Accounts, func(x axle.Account) bool {
		_, there := st.Instances[x.ID]
		meant := slices.Contains(t.Accounts, x.ID) || len(t.Accounts) == 0 && slices.ContainsFunc(x.OUIDs, func(u string) bool { return slices.Contains(t.Units, u) })
		return meant && !there
	})
}

// take keeps the accounts that an operation of ours is through with.
func (a *setAction) take(results map[string]cfn.SetResult) {
	for account, r := range results {
		switch r.Status {
		case "SUCCEEDED":
			a.outcomes[account] = outcome{result: axle.Result{Change: a.change(account)}}
		case "FAILED", "CANCELLED":
			a.outcomes[account] = outcome{failure: cfn.SetFailure(a.p.Name, account, r.Status, r.Reason)}
		}
	}
}

// change is what was done in an account, compared with what was there.
func (a *setAction) change(account string) axle.Change {
	i, there := a.before.Instances[account]
	switch {
	case !there:
		return axle.Create
	case i.Status == "CURRENT" && a.before.Content.Template == a.content.Template && a.before.Content.Same(cfn.SetContent{
		Template: a.content.Template, Parameters: a.content.Parameters, Tags: a.content.Tags, Follow: a.before.Content.Follow}):
		return axle.None
	}
	return axle.Update
}

// finish tells of the accounts that no operation of this run was about.
func (a *setAction) finish(st *cfn.SetState) {
	for _, x := range a.p.Accounts {
		if _, known := a.outcomes[x.ID]; known {
			continue
		}
		switch i, there := st.Instances[x.ID]; {
		case there && i.Status == "CURRENT":
			a.outcomes[x.ID] = outcome{result: axle.Result{Change: a.change(x.ID)}}
		case there:
			a.outcomes[x.ID] = outcome{failure: cfn.SetFailure(a.p.Name, x.ID, i.Status, i.Reason)}
		default:
			a.outcomes[x.ID] = outcome{failure: cfn.SetFailure(a.p.Name, x.ID, "MISSING", "the stack set made no stack there")}
		}
	}
}
