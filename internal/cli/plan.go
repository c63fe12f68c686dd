package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// planFlags are those of plan.
type planFlags struct {
	noPeering, detailed, verify, strict bool
	target, save, role                  string
	prepare                             bool
	group                               int
	validFor                            time.Duration
	recoveryFlags
}

func (a *App) planCommand() *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a deploy would change in every target",
		Long: `Makes a real change set for every stack whose inputs are known, reads it, deletes it,
and shows the changes, folded where they are the same for many targets: what differs
from target to target is shown by how it begins. --group N shows the targets of the
group that has #N, and --target one target, with their own values. Lost data and added access are called out. What depends on outputs
that aren't there yet is shown as "known after" the stack that will have them. Where
anything would be done, the checks of "axle doctor" are made too. Nothing is left
behind in any account.

With --prepare the change sets stay, for "axle execute RUN" with credentials, or a
role, that may only execute; what needs outputs of stacks that change too can't be
prepared. The next plan removes what has expired, and what killed plans have left.

With --save the plan is kept in a file, sealed and without secrets: "axle deploy
FILE" does exactly that, and refuses if any stack has changed since.`,
		Example: `  axle plan
  axle plan --env prod --region eu-west-1
  axle plan --group 2
  axle plan --target dev/eu-west-1
  axle plan --save plan.axle
  axle plan --output markdown      for a pull request
  axle plan --detailed-exitcode    exits 5 when there are changes`,
		Args:        noArgs,
		Annotations: map[string]string{moreForms: "markdown"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context(), &flags) },
	}
	flags.waiting(cmd)
	flags.rollback(cmd)
	flags.importing(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.target, "target", "", "only one target, with its own values: ACCOUNT or ACCOUNT/REGION")
	f.IntVar(&flags.group, "group", 0, "only the targets of the group with this number, with their own values")
	f.StringVar(&flags.save, "save", "", "keep the plan in this file, for axle deploy FILE")
	f.BoolVar(&flags.prepare, "prepare", false, "leave the change sets, for axle execute")
	f.StringVar(&flags.role, "role", "", "assume this role in the targets instead of access.role")
	f.DurationVar(&flags.validFor, "valid-for", 24*time.Hour, "how long what is saved may be deployed")
	f.BoolVar(&flags.noPeering, "no-peering", false, "leave the peerings out")
	f.BoolVar(&flags.verify, "verify", false, "make a change set for every stack, also where nothing seems changed")
	f.BoolVar(&flags.strict, "strict", false, "exit 4 if any target is blocked")
	f.BoolVar(&flags.detailed, "detailed-exitcode", false, "exit 5 when there are changes")
	return cmd
}

func (f *planFlags) check() error {
	switch {
	case f.group < 0 || f.group > 0 && f.target != "":
		return &usageError{errors.New("--group takes a number that the plan shows after #, and no --target"), "axle plan shows the groups"}
	case f.target != "" && f.save != "":
		return &usageError{errors.New("--target shows a part of the plan, and --save keeps all of it"), "--where narrows what is planned"}
	case f.prepare && (f.target != "" || f.save != ""):
		return &usageError{errors.New("--prepare goes with neither --target nor --save"), "--where narrows what is prepared"}
	case f.validFor <= 0:
		return &usageError{fmt.Errorf("--valid-for can't be %s", f.validFor), "such as 24h"}
	}
	return nil
}

func (a *App) plan(ctx context.Context, flags *planFlags) error {
	o := a.options()
	o.NoPeering, o.Verify, o.Save, o.Role = flags.noPeering, flags.verify, flags.save != "", flags.role
	if err := flags.check(); err != nil {
		return err
	}
	if err := flags.set(&o); err != nil {
		return err
	}
	openCtx, release := interruptible(ctx)
	w, err := control.Open(openCtx, o)
	release()
	if err != nil {
		return err
	}
	view := &watcher{app: a, preview: true}
	runCtx, stop, done := a.stoppable(ctx, view.say)
	defer done()
	p, err := a.makePlan(runCtx, w, flags, view, stop)
	if err != nil {
		return err
	}
	p.Warnings = w.Warnings
	shown := p
	if flags.group > 0 {
		if shown, err = planGroup(p, flags.group); err != nil {
			return err
		}
		shown.Saved, shown.Prepared, shown.Warnings = p.Saved, p.Prepared, p.Warnings
	}
	if err := a.printPlan(shown); err != nil {
		return err
	}
	return planExit(p, flags.detailed, flags.strict)
}

// makePlan looks at what would change, checks whether it can be done, and keeps
// what is to be kept of it.
func (a *App) makePlan(ctx context.Context, w *control.Work, flags *planFlags, view *watcher, stop <-chan struct{}) (*report.Plan, error) {
	besides, over := control.UntilStopped(ctx, stop)
	defer over()
	if err := w.DropExpired(besides); err != nil {
		return nil, err
	}
	preview, left, err := flags.preview(ctx, w, view.watch, stop)
	view.close()
	if err != nil {
		a.warnings(w)
		return nil, err
	}
	p := report.NewPlan(preview.ID, preview.Plan, preview.Records)
	if left != nil {
		p.Prepared = &report.PreparedRun{Run: left.Run.ID, Steps: left.Run.Steps, Expires: left.Expires}
	}
	if !flags.prepare && flags.role == "" { // else another role will deploy it
		health, err := w.Preflight(besides, preview)
		if err != nil {
			return nil, err
		}
		p.AddPreflight(health.Findings)
	}
	if flags.save != "" {
		saved, err := w.SavePlan(ctx, preview, flags.save, flags.validFor)
		if err != nil {
			return nil, err
		}
		p.Saved = &report.SavedPlan{File: flags.save, Seal: saved.Seal, Expires: saved.Expires}
	}
	return p, nil
}

// preview makes the change sets that the flags ask for; left are those that stay.
func (f *planFlags) preview(ctx context.Context, w *control.Work, watch control.Watch, stop <-chan struct{}) (preview *control.Preview, left *control.Prepared, err error) {
	switch {
	case f.prepare:
		if left, err = w.Prepare(ctx, f.validFor, watch, stop); err == nil {
			preview = left.Preview
		}
	case f.target != "":
		preview, err = w.PreviewTarget(ctx, f.target, watch, stop)
	default:
		preview, err = w.Preview(ctx, false, watch, stop)
	}
	return preview, left, err
}

// planGroup is the part of a plan that a group was folded of.
func planGroup(p *report.Plan, number int) (*report.Plan, error) {
	if part := p.Group(number); part != nil {
		return part, nil
	}
	return nil, &usageError{fmt.Errorf("the plan has no group %d: it has %d", number, len(p.Groups)), "without --group it shows them"}
}

func (a *App) printPlan(p *report.Plan) error {
	return a.print(p, func(out io.Writer, st report.Style) {
		if a.flags.output == "markdown" {
			p.Markdown(out)
			return
		}
		p.Text(out, st)
	})
}

// planExit is the exit code of a plan. What is blocked, because an account can't
// be entered for one, is never a success.
func planExit(p *report.Plan, detailed, strict bool) error {
	s := p.Summary
	switch {
	case s.Blocked > 0 && !s.Pending() && s.None == 0, strict && p.Blocked():
		return codeError(exitBlocked)
	case p.Blocked():
		return codeError(exitPartial)
	case s.Pending() && detailed:
		return codeError(exitPending)
	}
	return nil
}
