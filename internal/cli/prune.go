package cli

import (
	"context"

	"axle/internal/control"

	"github.com/spf13/cobra"
)

// brake adds the flag that releases the brake.
func (f *deployFlags) brake(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.confirm, "confirm-targets", 0, "the exact number of targets, where it has jumped or much is deleted")
}

func (a *App) pruneCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete stacks and peerings of the project that axle.yaml has no more",
		Long: `Looks into every account of the organization that can be entered, in all of its
enabled regions, for stacks and VPC peerings of this project that no environment of
axle.yaml wants there any more: those that were taken out, and those of accounts and
regions that left the targets. Shows them, asks, and deletes them: of a peering the
routes on both sides and then the connection, after these the stacks, readers before
what they read; without a terminal it only shows them, unless --yes is given. Roles of
bootstrap, protected stacks, and stacks whose exports are in use stay, and connections
without all of Axle's tags. A peering is looked for where it was requested, so that is
what --where and --region narrow; where its accepter can't be entered, the routes there
stay and are told of. What couldn't be deleted stays visible as DELETE_FAILED.`,
		Example: `  axle prune
  axle prune --yes --where 'account.tags["env"] == "dev"' --confirm-targets 12`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "don't ask")
	forceReferences(cmd, &flags.forceReferences)
	flags.waiting(cmd)
	flags.retain(cmd)
	flags.brake(cmd)
	return cmd
}

func (a *App) prune(ctx context.Context, flags deployFlags) error {
	o := a.options()
	o.ConfirmTargets, o.ForceReferences = flags.confirm, flags.forceReferences
	if err := flags.set(&o); err != nil {
		return err
	}
	openCtx, release := interruptible(ctx)
	defer release()
	w, p, err := control.PlanPrune(openCtx, o)
	if err != nil {
		a.warnings(w)
		return err
	}
	release()
	view := &watcher{app: a}
	runCtx, stop, done := a.stoppable(ctx, view.say)
	defer done()
	if len(p.Steps) == 0 && !a.json() {
		a.warnings(w)
		a.note("Nothing to prune: no stack or peering of project %s is where axle.yaml doesn't want it.", w.Project())
		return nil
	}
	if !flags.yes {
		view.preview = true
		preview, err := w.PreviewPlan(runCtx, p, view.watch, stop)
		view.close()
		view.preview = false
		if err != nil {
			return err
		}
		if preview, err = a.agree(runCtx, w, preview, true, stop); err != nil || preview == nil {
			a.warnings(w)
			return err
		}
	}
	out, err := w.Prune(runCtx, p, view.watch, stop)
	view.close()
	return a.finish(w, out, err)
}
