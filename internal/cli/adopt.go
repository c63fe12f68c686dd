package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *App) adoptCommand() *cobra.Command {
	var flags deployFlags
	cmd := &cobra.Command{
		Use:   "adopt STACK...",
		Short: "Take over existing stacks that Axle didn't make",
		Long: `Makes stacks that exist under the names that axle.yaml wants, and have no tags of
Axle's, this project's: describe them in axle.yaml as they are, and adopt them. A
real change set shows what becoming ours changes: the tags alone where template and
parameters are equal, else everything that a deploy would change. Where there is no
such stack, nothing is made. Stacks of other projects, and stacks that can't be
updated, are never adopted.`,
		Example: `  axle adopt network
  axle adopt network --where 'account.name == "dev"' --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("axle adopt takes the names of stacks of axle.yaml"), `run "axle adopt --help"`}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.adopt, flags.noPeering = args, true
			return a.change(cmd.Context(), flags, false)
		},
	}
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "don't ask")
	flags.waiting(cmd)
	return cmd
}
