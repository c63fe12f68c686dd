package cli

import (
	"errors"
	"fmt"
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// moreForms is the annotation of commands that know a form of --output beside
// text and json.
const moreForms = "axle:output"

func (a *App) lintCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Find mistakes in axle.yaml, the templates, and access between accounts",
		Long: `Reads axle.yaml and the templates of its stacks, and looks for what won't work, lets
strangers in, or is a trap: also between templates, where both sides of an access
are in the project. It calls nobody: the accounts are those of the organization's
file or of the last discovery (--refresh discovers them anew). What it couldn't
look at it says.

A finding is suppressed, with a reason, in the metadata of its resource or template:

  Metadata:
    axle:
      ignore:
        - {rule: AX013, reason: the account is the one of our deploy tool}

It exits 1 when there are errors, with --strict also for warnings, and 2 when a
file can't be read. The rules are in docs/lint.md and in axle access lint --rules.`,
		Example: `  axle lint
  axle lint --strict --output sarif > axle.sarif`,
		Args:        noArgs,
		Annotations: map[string]string{moreForms: "sarif"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.wholeProject(); err != nil {
				return err
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			result, err := control.Lint(ctx, a.options())
			if err != nil {
				return err
			}
			return a.printLint(result, strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 for warnings too")
	return cmd
}

// wholeProject refuses to narrow what only makes sense as a whole: an access has
// its other side in another account.
func (a *App) wholeProject() error {
	if a.flags.where != "" || len(a.flags.regions) > 0 {
		return &usageError{errors.New("lint looks at all targets of a project"), "leave --where and --region out; --where narrows axle access lint --live"}
	}
	return nil
}

// printLint prints findings in any form and gives the exit code.
func (a *App) printLint(result *control.LintResult, strict bool) error {
	l := report.NewLint(result.Findings, result.Files, result.Unchecked, result.Unreadable)
	var err error
	if a.flags.output == "sarif" {
		err = l.SARIF(a.Out, Version)
	} else {
		err = a.print(l, func(out io.Writer, st report.Style) { l.Text(out, st) })
	}
	switch {
	case err != nil:
		return fmt.Errorf("write the findings: %w", err)
	case len(l.Unreadable) > 0:
		return codeError(exitUsage)
	case l.Summary.Errors > 0, strict && l.Summary.Warnings > 0:
		return codeError(exitError)
	}
	return nil
}
