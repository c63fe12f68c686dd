package cli

import (
	"errors"
	"fmt"
	"io"

	"axle/internal/control"
	"axle/internal/report"
	"axle/policy/pattern"

	"github.com/spf13/cobra"
)

func (a *App) generateStackOutputCommand() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "stack-output",
		Short: "The roles by which Fn::GetStackOutput reads other accounts' outputs",
		Long: `Reads the templates of axle.yaml, and writes each role that a Fn::GetStackOutput of
theirs names as RoleArn: it trusts exactly the roles that CloudFormation works as on
the stacks that read (their execution_role, or the access role), and may describe
exactly the stacks that are read. The stacks go into axle.yaml; those that read
get depends_on them.`,
		Example: `  axle access generate stack-output
  axle access generate stack-output --out . --force`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, release := interruptible(cmd.Context())
			defer release()
			w, err := control.Open(ctx, a.options())
			if err != nil {
				return err
			}
			roles, err := w.ReaderRoles(ctx)
			a.warnings(w)
			if err != nil {
				return err
			}
			if len(roles) == 0 {
				return &usageError{errors.New("no template of " + a.flags.file + " has a Fn::GetStackOutput with a RoleArn"),
					"an output of the same account is read with the stack's own role"}
			}
			bundle, err := pattern.StackOutputs(roles, w.Region())
			if err != nil {
				return patternError(err)
			}
			shown := &report.Pattern{Bundle: bundle, Folder: out}
			if out != "" {
				if err := writeFiles(out, bundle.Files, force); err != nil {
					return err
				}
			}
			return a.print(shown, func(to io.Writer, st report.Style) {
				shown.Text(to, st)
				fmt.Fprintln(to)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write to (default: everything to stdout)")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that exist")
	return cmd
}
