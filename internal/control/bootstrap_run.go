package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"axle"
	"axle/internal/cloud"
	"axle/internal/engine"
	"axle/internal/plan"
)

// propagation bounds the wait for new roles to be assumable.
const propagation = 90 * time.Second

// Run deploys the roles, phase by phase, and then enters every account by the
// access rules, which proves them. A failed account doesn't keep the others
// from their phases.
func (b *Bootstrap) Run(ctx context.Context, watch Watch, stop <-chan struct{}) (*Done, error) {
	if b.Set != nil && b.Set.Blocked != nil {
		return nil, b.Set.Blocked
	}
	entry, err := b.w.entry(ctx, b.entry)
	if err != nil {
		return nil, err
	}
	if b.Set == nil {
		before, started := UntilStopped(ctx, stop)
		defer started()
		if err := b.direct(before, entry); err != nil {
			return nil, err
		}
	} else if len(b.Set.Others) > 0 {
		b.w.warn("stack set %s is also in accounts that it isn't meant for: %s", b.Set.Name, list(b.Set.Others, 10))
	}
	whole := &plan.Plan{Project: b.Project, Command: "bootstrap", Hub: b.w.hub, Accounts: map[string]axle.Account{},
		Specs: map[string]*axle.Spec{}, Templates: map[string][]byte{}}
	done := &Done{Run: axle.Run{ID: b.w.run, Project: b.Project, Command: "bootstrap", Started: time.Now()}, Plan: whole}
	phases, access := b.phaseSteps(whole), b.accessSteps()
	for _, steps := range append(phases, access) {
		whole.Steps = append(whole.Steps, steps...)
	}
	actions := b.w.stackActions(ctx, entry, whole, b.w.run, nil)
	actions[kindAccess], actions[plan.KindSet] = accessAction{b.w.cloud}, b.setAction()
	err = b.runPhases(ctx, done, phases, access, engine.Options{Actions: actions, Journal: discard{}, Inputs: inputsOf(whole),
		Limits: b.w.limits(), Observer: observer(watch, b.w.run, whole.Steps), Stop: stop})
	b.explainEntry(done.Records)
	done.Run.Steps, done.Run.Finished = len(whole.Steps), time.Now()
	done.Run.Status = engine.Status(done.Records)
	if err != nil {
		done.Run.Status = axle.RunInterrupted
	}
	return done, err
}

// phaseSteps are the steps of each phase, the spoke roles all at once.
func (b *Bootstrap) phaseSteps(whole *plan.Plan) [][]axle.Step {
	var phases [][]axle.Step
	for i := range b.Phases {
		steps := b.steps(whole, &b.Phases[i])
		if i > 0 && b.Phases[i-1].Name == b.Phases[i].Name {
			phases[len(phases)-1] = append(phases[len(phases)-1], steps...)
		} else {
			phases = append(phases, steps)
		}
	}
	if set := b.setSteps(whole); len(set) > 0 { // beside the spoke roles that are made directly
		if len(b.Phases) > 0 && b.Phases[0].Name == "spoke" {
			phases[0] = append(set, phases[0]...)
		} else {
			phases = append([][]axle.Step{set}, phases...)
		}
	}
	return phases
}

// runPhases runs one phase after the other, then enters the accounts whose roles
// were made. What is interrupted has no next phase.
func (b *Bootstrap) runPhases(ctx context.Context, done *Done, phases [][]axle.Step, access []axle.Step, o engine.Options) error {
	run := func(steps []axle.Step) error {
		out, err := engine.Run(ctx, b.w.run, steps, nil, o)
		if out != nil {
			done.Records = append(done.Records, out.Records...)
		}
		return err
	}
	for _, steps := range phases {
		if err := run(steps); err != nil {
			return err
		}
	}
	enter, records := reachable(access, done.Records)
	done.Records = records
	before, stopped := UntilStopped(ctx, o.Stop)
	defer stopped()
	return run(b.awaited(before, enter))
}

// entry is the door to accounts that may have no role of ours yet: the caller's
// own credentials assume a role that is there already.
func (w *Work) entry(ctx context.Context, role string) (*cloud.Cloud, error) {
	c, err := cloud.New(ctx, cloud.Options{Region: w.Region(), Run: w.run, Log: w.opts.Log,
		MaxConcurrent: w.limits().Global, UserAgent: "axle/" + w.opts.Version,
		Access: cloud.Access{For: func(a axle.Account) cloud.Role {
			if a.ID == w.identity.Account {
				return cloud.Role{Name: cloud.None}
			}
			return cloud.Role{Name: role}
		}}})
	if err != nil {
		return nil, err
	}
	c.Know(w.org.Accounts)
	return c, nil
}

// explainEntry says what to do about accounts that couldn't be entered: the
// roles to enter them with are what bootstrap would have made. A role that is
// there already is another project's: their stacks are named after the roles.
func (b *Bootstrap) explainEntry(records []axle.Record) {
	by := "bootstrap was called by " + principalARN(b.id)
	for _, r := range records {
		if r.Failure != nil && r.Failure.Code == "NotOurs" {
			r.Failure.Hint = "what bootstrap makes is one project's alone: give this one's access.role and access.via (and its store) other names in axle.yaml"
		}
		if r.Failure == nil || !strings.HasSuffix(r.Failure.Resource, "/"+b.entry) {
			continue
		}
		account, _ := b.w.org.Account(strings.Split(r.Step, "/")[2])
		why := "the role must be there and trust account " + b.id.Account + " (" + by + ")"
		if account.JoinedMethod == "INVITED" {
			why = account.Label() + " was invited into the organization, which made no such role there"
		}
		r.Failure.Hint = fmt.Sprintf("%s: make the role there, or name another that lets you in with --entry-role; or sign in to the account and deploy phase 1, which axle bootstrap prints, as stack %s", why, b.Phases[0].StackName)
	}
}

func (b *Bootstrap) steps(whole *plan.Plan, p *Phase) []axle.Step {
	name, project := "bootstrap-"+p.Name, b.Project
	if p.Role == "" {
		project = storeOwner
	}
	spec := &axle.Spec{Stack: &axle.StackSpec{Project: project, Stack: name, StackName: p.StackName, Template: p.digest,
		Capabilities: []string{"CAPABILITY_NAMED_IAM"}}}
	whole.Specs["stack/"+name+"/"+p.digest] = spec
	whole.Templates[p.digest] = []byte(p.Template)
	var steps []axle.Step
	for _, a := range p.Accounts {
		whole.Accounts[a.ID] = a
		input := make(map[string]axle.Value, len(p.Parameters))
		for k, v := range p.Parameters {
			input[k] = axle.Value{Literal: v}
		}
		steps = append(steps, axle.Step{ID: plan.StackStep(name, axle.Target{Account: a.ID, Region: p.Region}), Kind: plan.KindStack,
			Name: name, Account: a.ID, AccountName: a.Name, Region: p.Region, Spec: spec, Input: input})
	}
	return steps
}

func (b *Bootstrap) accessSteps() []axle.Step {
	var steps []axle.Step
	if b.Set != nil {
		for _, a := range b.Set.Accounts {
			steps = append(steps, axle.Step{ID: "access/" + a.ID, Kind: kindAccess, Name: "enter account", Account: a.ID, AccountName: a.Name, Region: b.w.hub.Region})
		}
	}
	for i := range b.Phases {
		if b.Phases[i].Name != "spoke" {
			continue
		}
		for _, a := range b.Phases[i].Accounts {
			steps = append(steps, axle.Step{ID: "access/" + a.ID, Kind: kindAccess, Name: "enter account", Account: a.ID, AccountName: a.Name, Region: b.w.hub.Region})
		}
	}
	return steps
}

// reachable are the steps of accounts whose roles were made; the others are
// recorded as skipped. Without the hub's role none is.
func reachable(access []axle.Step, records []axle.Record) ([]axle.Step, []axle.Record) {
	blame := map[string]string{} // account -> the step that failed
	all := ""
	for _, r := range records {
		if r.Status.OK() {
			continue
		}
		parts := strings.Split(r.Step, "/")
		if parts[1] == hubStack {
			all = r.Step
		} else {
			blame[parts[2]] = r.Step
		}
	}
	var out []axle.Step
	for _, s := range access {
		failed := blame[s.Account]
		if failed == "" {
			failed = all
		}
		if failed == "" {
			out = append(out, s)
			continue
		}
		records = append(records, axle.Record{Step: s.ID, Status: axle.Skipped, SkippedFor: failed})
	}
	return out, records
}

// accessAction enters an account by the project's access rules, waiting for
// new roles to have arrived everywhere.
type accessAction struct{ cloud *cloud.Cloud }

// Start implements engine.Action.
func (a accessAction) Start(ctx context.Context, s *axle.Step, _ axle.Inputs) (axle.Progress, error) {
	if _, err := a.cloud.CredentialsWait(ctx, axle.Account{ID: s.Account, Name: s.AccountName}, propagation); err != nil {
		return axle.Progress{}, err
	}
	return axle.Progress{Done: true, Result: axle.Result{Change: axle.None, Note: "entered"}}, nil
}

// Check implements engine.Action: there is nothing to come back to.
func (a accessAction) Check(ctx context.Context, s *axle.Step, _ string) (axle.Progress, error) {
	return a.Start(ctx, s, axle.Inputs{})
}
