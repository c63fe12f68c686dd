package cli

import "github.com/spf13/cobra"

// accessCommand has what proves access: each subcommand is a file beside this.
func (a *App) accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Prove who can do what, and which side says no",
		Long: `Evaluates IAM policies of both sides of a request: identity, resource and trust
policies, permissions boundaries, session policies, SCPs and RCPs. An answer comes
with its explanation: what each policy says, and the smallest change that would
allow what is denied.`,
		Example: `  axle access evaluate cases.jsonl`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.accessEvaluateCommand(),
		a.accessCanCommand(),
		a.accessWhoCommand(),
		a.accessGenerateCommand(),
		a.accessAdviseCommand(),
		a.accessLintCommand(),
		a.accessPrivilegeCommand(),
	)
	return cmd
}
