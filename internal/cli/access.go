package cli

import "github.com/spf13/cobra"

// accessCommand has what proves access: each subcommand is a file beside this.
func (a *App) accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Prove who can do what, and which side says no",
		Long: `Proves, finds and writes access across accounts. All commands ask one engine, which
looks at both sides of a request: identity, resource and trust policies, permissions
boundaries, session policies, SCPs and RCPs. An answer comes with what each policy
says, and the smallest change that would allow what is denied.`,
		Example: `  axle access can dev/app s3:GetObject arn:aws:s3:::bookings/2026.csv
  axle access who arn:aws:s3:::bookings
  axle access advise --caller arn:aws:iam::111111111111:role/app --need read \
    --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders
  axle access least-privilege`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
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
