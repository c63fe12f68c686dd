package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"axle/internal/control"
	"axle/internal/engine"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// deployFlags are those of deploy and destroy.
type deployFlags struct {
	yes, noPeering, verify, strict bool
	forceReferences, stale         bool
	adopt                          []string
	revert                         bool
	confirm                        int
	recoveryFlags
}

func (a *App) deployCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "deploy [PLANFILE]",
		Short: "Plan, confirm, and deploy to every target",
		Long: `Deploys the stacks and peerings of axle.yaml to all of their targets, in the order
that their references to each other's outputs ask for, everything else at once.

On a terminal the plan is shown first, from real change sets, and nothing is
touched before you agree; a replacement, a deletion or an IAM change that the plan
couldn't show stops the step that would do it. With --yes nothing is asked and
nothing previewed.

With a file of "axle plan --save" exactly that plan is deployed, whatever axle.yaml and
the templates say now. Every stack is read again first: if any has changed since,
nothing is touched.

A run that is interrupted, killed or partly failed goes on with "axle resume".`,
		Example: `  axle deploy
  axle deploy --yes --env prod
  axle deploy plan.axle
  axle deploy --where 'account.ou.startsWith("/Workloads/Dev")' --region eu-west-1
  axle deploy --no-peering`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.deployFile(cmd.Context(), &flags, args[0])
			}
			return a.change(cmd.Context(), flags, false)
		},
	}
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "don't ask")
	cmd.Flags().BoolVar(&flags.noPeering, "no-peering", false, "leave the peerings out")
	cmd.Flags().BoolVar(&flags.verify, "verify", false, "make a change set for every stack, also where nothing seems changed")
	cmd.Flags().BoolVar(&flags.strict, "strict", false, "check every target first, as axle doctor does, and touch nothing if any is blocked")
	cmd.Flags().BoolVar(&flags.stale, "stale", false, "only the stacks whose values aren't any more what they read (see axle status)")
	forceReferences(cmd, &flags.forceReferences)
	flags.waiting(cmd)
	flags.rollback(cmd)
	flags.brake(cmd)
	flags.importing(cmd)
	return cmd
}

func (a *App) destroyCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete what the project has deployed, in reverse order",
		Long: `Deletes the stacks of axle.yaml in all of their targets, in the reverse order of a
deploy: routes and peerings first, then what needs others' outputs, then these.
Stacks that aren't this project's, and protected ones, are never deleted, nor are
those that stacks and peerings outside of the run still read (see axle outputs
--readers). What couldn't be deleted stays visible as DELETE_FAILED; --retain and
--retain-failed leave such resources alone when it is tried again.`,
		Example: `  axle destroy
  axle destroy --yes --where 'account.tags["env"] == "dev"'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.change(cmd.Context(), flags, true) },
	}
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "don't ask")
	cmd.Flags().BoolVar(&flags.noPeering, "no-peering", false, "leave the peerings alone")
	forceReferences(cmd, &flags.forceReferences)
	flags.waiting(cmd)
	flags.retain(cmd)
	flags.brake(cmd)
	return cmd
}

// options are the globals and the flags of a deploy as the use cases take them.
func (f *deployFlags) options(a *App) (control.Options, error) {
	o := a.options()
	o.ConfirmTargets, o.RevertDrift = f.confirm, f.revert
	o.NoPeering, o.Verify, o.Adopt = f.noPeering, f.verify, f.adopt
	o.ForceReferences, o.Stale = f.forceReferences, f.stale
	return o, f.set(&o)
}

// ofPlan names a flag that says what is planned, if one is given.
func (f *deployFlags) ofPlan() string {
	for _, flag := range []struct {
		given bool
		name  string
	}{{f.noPeering, "--no-peering"}, {f.verify, "--verify"}, {f.stale, "--stale"}, {f.imports != "", "--import"}} {
		if flag.given {
			return flag.name
		}
	}
	return ""
}

// change is deploy and destroy.
func (a *App) change(ctx context.Context, flags deployFlags, destroy bool) error {
	if !flags.yes && !a.InTTY {
		return &usageError{errors.New("there is no terminal to ask on"), "add --yes to go on without asking; axle plan shows what would happen"}
	}
	o, err := flags.options(a)
	if err != nil {
		return err
	}
	o.Presume = flags.yes && !flags.strict
	openCtx, release := interruptible(ctx)
	w, err := control.Open(openCtx, o)
	release()
	if err != nil {
		return err
	}
	if f := w.CheckAdopt(); f != nil {
		return &usageError{f, f.Hint}
	}
	view := &watcher{app: a}
	runCtx, stop, done := a.stoppable(ctx, view.say)
	defer done()
	if flags.strict {
		if err := a.refuseBlocked(runCtx, w, stop); err != nil {
			return err
		}
	}
	var reviewed *control.Preview
	if !flags.yes {
		if reviewed, err = a.review(runCtx, w, view, destroy, stop); err != nil || reviewed == nil {
			a.warnings(w)
			return err
		}
	}
	run := w.Deploy
	if destroy {
		run = w.Destroy
	}
	out, err := run(runCtx, reviewed, view.watch, stop)
	view.close()
	if !flags.yes {
		again := a.options() // what was planned stays; what is allowed on the way does, too
		again.Recovery, again.ForceReferences, again.Verify = o.Recovery, o.ForceReferences, o.Verify
		out, w, err = a.approving(runCtx, again, w, out, err, view, stop)
	}
	return a.finish(w, out, err)
}

// deployFile deploys a saved plan.
func (a *App) deployFile(ctx context.Context, flags *deployFlags, file string) error {
	if flag := flags.ofPlan(); flag != "" {
		return &usageError{fmt.Errorf("%s is of the plan: the file says what is deployed", flag), "leave it out, or make another plan"}
	}
	if !flags.yes && !a.InTTY {
		return &usageError{errors.New("there is no terminal to ask on"), "add --yes to go on without asking"}
	}
	o, err := flags.options(a)
	if err != nil {
		return err
	}
	openCtx, release := interruptible(ctx)
	w, saved, err := control.OpenPlan(openCtx, o, file)
	release()
	if err != nil {
		return err
	}
	view := &watcher{app: a}
	runCtx, stop, done := a.stoppable(ctx, view.say)
	defer done()
	if flags.strict {
		if err := a.refuseBlocked(runCtx, w, stop); err != nil {
			return err
		}
	}
	if !flags.yes {
		shown := report.NewPlan(saved.ID, saved.Plan, saved.Records)
		shown.Text(a.Err, a.errStyle())
		a.note("Made %s, valid until %s, %s", saved.Saved.Made.Format(time.RFC3339), saved.Saved.Expires.Format(time.RFC3339), saved.Saved.Seal)
		if !a.confirm("Deploy this?", stop) {
			return errNoAnswer
		}
	}
	out, err := w.Deploy(runCtx, saved, view.watch, stop)
	view.close()
	var moved *control.MovedError
	if errors.As(err, &moved) && a.json() {
		return a.refuse(moved)
	}
	return a.finish(w, out, err)
}

// refuse is the JSON of a world that has moved.
func (a *App) refuse(moved *control.MovedError) error {
	var doc struct {
		problem
		Moved []control.Moved `json:"moved"`
	}
	doc.Error.Code, doc.Error.Hint = "Moved", "plan again, look at it, and deploy that"
	doc.Error.Message = "the world has moved since the plan was made; nothing was touched"
	doc.Moved = moved.Moved
	if err := a.print(doc, nil); err != nil {
		return err
	}
	return codeError(exitBlocked)
}

// refuseBlocked examines every target; with any blocked nothing is touched.
func (a *App) refuseBlocked(ctx context.Context, w *control.Work, stop <-chan struct{}) error {
	ctx, done := control.UntilStopped(ctx, stop)
	defer done()
	health, err := w.Doctor(ctx)
	if err != nil {
		return err
	}
	found := report.NewDoctor(health.Project, health.Targets, health.Findings, false)
	if found.Summary.Blocked == 0 {
		return nil
	}
	if err := a.print(found, func(to io.Writer, st report.Style) { found.Text(to, st) }); err != nil {
		return err
	}
	a.note("Nothing was touched: --strict deploys only when every target is ready.")
	return codeError(exitBlocked)
}

// review shows the plan and asks. It returns nil when there is nothing to do.
func (a *App) review(ctx context.Context, w *control.Work, view *watcher, destroy bool, stop <-chan struct{}) (*control.Preview, error) {
	view.preview = true
	preview, err := w.Preview(ctx, destroy, view.watch, stop)
	view.close()
	view.preview = false
	if err != nil {
		return nil, err
	}
	return a.agree(ctx, w, preview, destroy, stop)
}

// agree shows what a preview found, and asks.
func (a *App) agree(ctx context.Context, w *control.Work, preview *control.Preview, destroy bool, stop <-chan struct{}) (*control.Preview, error) {
	ctx, done := control.UntilStopped(ctx, stop)
	defer done()
	shown := report.NewPlan(preview.ID, preview.Plan, preview.Records)
	if !destroy {
		health, err := w.Preflight(ctx, preview)
		if err != nil {
			return nil, err
		}
		shown.AddPreflight(health.Findings)
	}
	shown.Text(a.Err, a.errStyle())
	switch pending := shown.Summary.Pending(); {
	case !pending && shown.Summary.Blocked > 0:
		a.note("Nothing was touched: all that would change is blocked.")
		if a.json() {
			if err := a.print(shown, nil); err != nil {
				return nil, err
			}
		}
		return nil, codeError(exitBlocked)
	case !pending:
		a.note("Nothing to change.")
		if a.json() {
			return preview, nil // the run in which nothing changes is the document
		}
		return nil, nil
	}
	if err := w.Brake(ctx, preview.Plan); err != nil {
		return nil, err
	}
	if !a.InTTY { // prune has no other way to look
		return nil, &usageError{errors.New("there is no terminal to ask on"), "add --yes to go on without asking"}
	}
	word := capital(preview.Plan.Command)
	if !a.confirm(word+" this?", stop) {
		return nil, errNoAnswer
	}
	return preview, nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// confirm asks on the terminal; anything but yes is no, and so is Ctrl-C.
func (a *App) confirm(question string, stop <-chan struct{}) bool {
	a.asking.Store(true)
	defer a.asking.Store(false)
	select {
	case <-stop:
		return false
	default:
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a read of a terminal can't be cancelled: after Ctrl-C it ends with the program
		line, _ := bufio.NewReader(a.In).ReadString('\n')
		answer <- line
	}()
	var line string
	select {
	case line = <-answer:
	case <-stop:
	}
	if !strings.HasSuffix(line, "\n") {
		fmt.Fprintln(a.Err)
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes"
}

// finish prints a run, or why there is none.
func (a *App) finish(w *control.Work, out *control.Done, err error) error {
	if out == nil {
		a.warnings(w)
		return err
	}
	r := report.NewRun(out.Run, out.Plan, out.Records)
	r.Stale = staleStacks(out.Stale)
	if w != nil {
		r.Warnings = append(r.Warnings, w.Warnings...)
	}
	if perr := a.print(r, func(o io.Writer, st report.Style) { r.Text(o, st) }); perr != nil {
		return perr
	}
	if err != nil && !errors.Is(err, engine.ErrInterrupted) {
		return err
	}
	return runExit(out.Run.Status)
}
