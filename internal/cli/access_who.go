package cli

import (
	"io"

	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) accessWhoCommand() *cobra.Command {
	var flags accessFlags
	var actions []string
	cmd := &cobra.Command{
		Use:   "who RESOURCE",
		Short: "List everybody who can get at a resource, and by which way",
		Long: `Lists the users and roles of the organization, services, identities of OIDC
providers, other accounts and the public that can do any of the actions with a
resource, by the way they get there: named by the resource's policy, by their
account's own policies, or through up to three roles that they can assume. Without
--action those are asked that read and write what the service holds.

What couldn't be read is said: there may be more behind it. The exit code is 3 then.`,
		Example: `  axle access who arn:aws:s3:::bookings
  axle access who arn:aws:iam::222222222222:role/axle-spoke
  axle access who arn:aws:secretsmanager:eu-west-1:222222222222:secret:db-AbCdEf --action secretsmanager:GetSecretValue --output json`,
		Args: exactArg("the ARN of a resource"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, release := interruptible(cmd.Context())
			defer release()
			cmd.SetContext(ctx)
			w, facts, err := a.openAccess(cmd, &flags)
			if err != nil {
				return err
			}
			list, err := facts.Who(ctx, args[0], flags.owner, actions)
			if err != nil {
				return err
			}
			err = a.print(list, func(out io.Writer, st report.Style) { report.AccessListing(out, st, list, w.AccountLabel) })
			if err == nil && len(list.Missing) > 0 {
				err = codeError(exitPartial)
			}
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringArrayVar(&actions, "action", nil, "an action to ask for; several times for several")
	return cmd
}
