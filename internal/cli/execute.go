package cli

import (
	"axle/internal/control"

	"github.com/spf13/cobra"
)

func (a *App) executeCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "execute RUN",
		Short: "Execute the change sets that a plan has prepared, and nothing else",
		Long: `Executes exactly the change sets that "axle plan --prepare" has left, and watches them
to their ends, as a run with its record. The credentials, or the role, need to execute
and to look: "axle access least-privilege --role execute" computes what exactly.

A change set that somebody has executed in the console counts as done. One that is
gone or out of date fails, and has to be prepared again. A run that was interrupted
or partly failed goes on with the same command.`,
		Example: `  axle plan --prepare --role axle-plan
  axle execute r20261121-080501-3fa2c1 --role axle-execute
  axle cancel r20261121-080501-3fa2c1       removes the change sets instead`,
		Args:        exactArg("the id of the run"),
		Annotations: map[string]string{wholeRun: "what is executed: all that was prepared"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o := a.options()
			o.Role = role
			view := &watcher{app: a}
			ctx, stop, done := a.stoppable(cmd.Context(), view.say)
			defer done()
			out, w, err := control.Execute(ctx, o, args[0], view.watch, stop)
			view.close()
			return a.finish(w, out, err)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "assume this role in the targets instead of access.role")
	return cmd
}
