package cli

import (
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what is deployed where, as CloudFormation says it",
		Long: `Lists the project's stacks in every target with their status, those that axle.yaml
has and nobody deployed, those that are deployed and axle.yaml has no more, and
those that are stale: what they read of other stacks' outputs has changed since.`,
		Example: "  axle status\n  axle status --where 'account.name == \"dev\"' --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stacks(cmd, (*report.Stacks).Text)
		},
	}
}

func (a *App) outputsCommand() *cobra.Command {
	var readers bool
	cmd := &cobra.Command{
		Use:   "outputs",
		Short: "Show the outputs of the project's stacks",
		Long: `Reads the outputs of the project's stacks in every target, live from CloudFormation.

With --readers it says for each output who reads it: stacks of the project by
output(), outputs() and export() in axle.yaml and by Fn::GetStackOutput in their
templates, and all stacks that import its export. --where and --region narrow the
stacks that are read; their readers are shown wherever they are.`,
		Example: "  axle outputs\n  axle outputs --region eu-west-1 --output json\n  axle outputs --readers --where 'account.name == \"network\"'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if readers {
				return a.readers(cmd)
			}
			return a.stacks(cmd, (*report.Stacks).OutputsText)
		},
	}
	cmd.Flags().BoolVar(&readers, "readers", false, "who reads each output")
	return cmd
}

// stacks reads what is deployed and prints it.
func (a *App) stacks(cmd *cobra.Command, text func(*report.Stacks, io.Writer, report.Style)) error {
	ctx, release := interruptible(cmd.Context())
	defer release()
	w, err := control.Open(ctx, a.options())
	if err != nil {
		return err
	}
	found, err := w.Status(ctx)
	var stale []control.Stale
	if err == nil {
		stale, err = w.Stale(ctx, found)
	}
	a.warnings(w)
	if err != nil {
		return err
	}
	out := &report.Stacks{Project: w.Project(), Stacks: []report.Stack{}, Stale: staleStacks(stale)}
	for _, d := range found {
		s := report.Stack{Stack: d.Stack, StackName: d.StackName, Account: d.Account.ID, AccountName: d.Account.Name,
			Region: d.Region, Status: report.NotDeployed, Configured: d.Configured, Error: d.Failure}
		if d.Live != nil {
			s.Status, s.Reason, s.Updated, s.Outputs = d.Live.Status, d.Live.Reason, d.Live.Changed(), d.Live.Outputs
		}
		out.Stacks = append(out.Stacks, s)
	}
	if err := a.print(out, func(w io.Writer, st report.Style) { text(out, w, st) }); err != nil {
		return err
	}
	switch failed := out.Failures(); {
	case failed > 0 && failed == len(out.Stacks):
		return codeError(exitError)
	case failed > 0:
		return codeError(exitPartial)
	}
	return nil
}
