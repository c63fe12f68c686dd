package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) driftCommand() *cobra.Command {
	var flags deployFlags
	var detailed bool
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Find what isn't as its stack made it, in every target",
		Long: `Has CloudFormation compare the resources of the project's stacks with their
templates, in all targets at once, and shows the differences, folded where they are
the same. Differences of properties that are read by Fn::GetStackOutput, which drift
detection can't evaluate, are left out and said.

With --revert it deploys with drift-aware change sets, which compare with what is
really there: what was changed is set back, what was deleted is made anew, and
changes of axle.yaml and the templates are deployed with it. It is shown first, and asked.`,
		Example: `  axle drift
  axle drift --detailed-exitcode --output json    exits 5 when anything has drifted
  axle drift --revert --where 'account.name == "dev"'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := revertFlags(cmd, flags.revert); err != nil {
				return err
			}
			if flags.revert {
				flags.noPeering = true
				return a.change(cmd.Context(), flags, false)
			}
			return a.drift(cmd.Context(), detailed)
		},
	}
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 5 when anything has drifted")
	cmd.Flags().BoolVar(&flags.revert, "revert", false, "bring what has drifted back to the templates")
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "with --revert: don't ask")
	flags.waiting(cmd)
	flags.brake(cmd)
	return cmd
}

// revertFlags refuses flags that only one of looking and reverting has a use for.
func revertFlags(cmd *cobra.Command, revert bool) error {
	const hint = "axle drift looks, axle drift --revert deploys"
	if revert && cmd.Flags().Changed("detailed-exitcode") {
		return &usageError{errors.New("--detailed-exitcode doesn't go with --revert"), hint}
	}
	for _, name := range []string{"yes", "confirm-targets", "wait-others"} {
		if !revert && cmd.Flags().Changed(name) {
			return &usageError{fmt.Errorf("--%s needs --revert", name), hint}
		}
	}
	return nil
}

func (a *App) drift(ctx context.Context, detailed bool) error {
	ctx, release := interruptible(ctx)
	defer release()
	w, err := control.Open(ctx, a.options())
	if err != nil {
		return err
	}
	found, err := w.DetectDrift(ctx)
	if err != nil {
		a.warnings(w)
		return err
	}
	out := &report.Drift{Project: w.Project(), Stacks: []report.DriftStack{}}
	for _, d := range found {
		s := report.DriftStack{Stack: d.Stack, StackName: d.StackName, Account: d.Account.ID, AccountName: d.Account.Name, Region: d.Region,
			Status: "in_sync", Resources: d.Resources, Phantoms: d.Phantoms, Reason: d.Skipped, Error: d.Failure}
		switch {
		case d.Failure != nil:
			s.Status = "failed"
		case d.Skipped != "":
			s.Status = "skipped"
		case len(d.Resources) > 0:
			s.Status = "drifted"
		}
		out.Stacks = append(out.Stacks, s)
	}
	out.Warnings = w.Warnings
	out.Fold()
	if err := a.print(out, func(to io.Writer, st report.Style) { out.Text(to, st) }); err != nil {
		return err
	}
	switch s := out.Summary; {
	case s.Failed > 0 && s.Failed == len(out.Stacks):
		return codeError(exitError)
	case s.Failed > 0:
		return codeError(exitPartial)
	case s.Drifted > 0 && detailed:
		return codeError(exitPending)
	}
	return nil
}
