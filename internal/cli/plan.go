package cli

import (
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) planCommand() *cobra.Command {
	var noPeering, detailed, verify, strict bool
	var recovery recoveryFlags
	var target string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a deploy would change in every target",
		Long: `Makes a real change set for every stack whose inputs are known, reads it, deletes it,
and shows the changes, folded where they are the same for many targets. What
depends on outputs that aren't there yet is shown as "known after" the stack that
will have them. Where anything would be done, the checks of "axle doctor" are made
too. Nothing is left behind in any account.`,
		Example: `  axle plan
  axle plan --env prod --region eu-west-1
  axle plan --detailed-exitcode    exits 5 when there are changes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := a.options()
			o.NoPeering, o.Verify = noPeering, verify
			if err := recovery.set(&o); err != nil {
				return err
			}
			ctx, release := interruptible(cmd.Context())
			w, err := control.Open(ctx, o)
			release()
			if err != nil {
				return err
			}
			view := &watcher{app: a, preview: true}
			runCtx, stop, done := a.stoppable(cmd.Context(), view.say)
			defer done()
			var preview *control.Preview
			if target != "" {
				preview, err = w.PreviewTarget(runCtx, target, view.watch, stop)
			} else {
				preview, err = w.Preview(runCtx, false, view.watch, stop)
			}
			view.close()
			if err != nil {
				a.warnings(w)
				return err
			}
			p := report.NewPlan(preview.ID, preview.Plan, preview.Records)
			p.Warnings = w.Warnings
			health, err := w.Preflight(runCtx, preview)
			if err != nil {
				return err
			}
			p.AddPreflight(health.Findings)
			if err := a.print(p, func(out io.Writer, st report.Style) { p.Text(out, st) }); err != nil {
				return err
			}
			return planExit(p, detailed, strict)
		},
	}
	recovery.waiting(cmd)
	recovery.rollback(cmd)
	cmd.Flags().StringVar(&target, "target", "", "only one target, with its own values: ACCOUNT or ACCOUNT/REGION")
	cmd.Flags().BoolVar(&noPeering, "no-peering", false, "leave the peerings out")
	cmd.Flags().BoolVar(&verify, "verify", false, "make a change set for every stack, also where nothing seems changed")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 4 if any target is blocked")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 5 when there are changes")
	return cmd
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
