package cli

import (
	"io"

	"axle"
	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) runsCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "List the recorded runs",
		Long:    "Lists the deploys and destroys that the journal in .axle beside axle.yaml has, the newest first.",
		Example: "  axle runs\n  axle runs --limit 100 --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := control.Runs(cmd.Context(), a.options(), limit)
			if err != nil {
				return err
			}
			if runs == nil {
				runs = []axle.Run{}
			}
			list := struct {
				Runs []axle.Run `json:"runs"`
			}{runs}
			return a.print(list, func(out io.Writer, st report.Style) { report.Runs(out, st, runs) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list")
	return cmd
}

func (a *App) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "show [RUN]",
		Short:       "Show a run: each step, what failed and why",
		Long:        "Shows a recorded run, the latest when none is named. A unique beginning of the id is enough.",
		Example:     "  axle show\n  axle show r20261121-0805 --output json\n  axle show --output markdown     for a pull request",
		Args:        maxArgs(1),
		Annotations: map[string]string{moreForms: "markdown"},
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := control.Show(cmd.Context(), a.options(), first(args))
			if err != nil {
				return err
			}
			r := report.NewRun(done.Run, done.Plan, done.Records)
			return a.print(r, func(out io.Writer, st report.Style) {
				if a.flags.output == "markdown" {
					r.Markdown(out)
					return
				}
				r.Text(out, st)
			})
		},
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *App) resumeCommand() *cobra.Command {
	var recovery recoveryFlags
	cmd := &cobra.Command{
		Use:   "resume [RUN]",
		Short: "Go on with a run that was interrupted, killed or partly failed",
		Long: `Does what a run has left: steps that ended well are kept, those that were at work
when it stopped are looked up and adopted, failed and skipped ones are tried again.
Without RUN it is the latest run. An older one may have been overtaken by it, and
goes on, with what was planned then, only by its name.`,
		Example: "  axle resume\n  axle resume r20261121-080501-3fa2c1",
		Args:    maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			view := &watcher{app: a}
			ctx, stop, done := a.stoppable(cmd.Context(), view.say)
			defer done()
			o := a.options()
			if err := recovery.set(&o); err != nil {
				return err
			}
			out, w, err := control.Resume(ctx, o, first(args), view.watch, stop)
			view.close()
			out, w, err = a.approving(ctx, w, out, err, view, stop)
			return a.finish(w, out, err)
		},
	}
	recovery.waiting(cmd)
	recovery.rollback(cmd)
	recovery.retain(cmd)
	return cmd
}

func (a *App) cancelCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Give up a run, so that it isn't resumed",
		Long: `Marks a run that was interrupted or failed as cancelled. What it has done stays as
it is. Of one that was prepared the change sets are removed. A run that is at work is stopped with Ctrl-C where it runs.`,
		Example: "  axle cancel r20261121-080501-3fa2c1",
		Args:    exactArg("the id of the run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := a.options()
			o.Role = role
			done, err := control.Cancel(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			r := report.NewRun(done.Run, done.Plan, done.Records)
			r.Warnings = done.Warnings
			return a.print(r, func(out io.Writer, st report.Style) { r.Text(out, st) })
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "of a prepared run: assume this role in the targets instead of access.role")
	return cmd
}
