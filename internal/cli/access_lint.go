package cli

import (
	"errors"
	"io"
	"os"

	"axle/internal/control"
	"axle/internal/lint"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) accessLintCommand() *cobra.Command {
	var strict, rules, live bool
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Find traps of access across accounts in templates and policies",
		Long: `Looks at templates, or at policy documents by themselves (JSON or YAML), without
needing a project. Files of one call are looked at together; a folder stands for
the templates in it. Without files it is the same as axle lint.

With --live it reads the policies of all roles and users in the accounts (--where
narrows them), and those of the organization; of resources whose ARNs are given,
their own policy too.

It exits 1 when there are errors, with --strict also for warnings, and 2 when a
file can't be read.`,
		Example: `  axle access lint templates/*.yaml
  axle access lint trust-policy.json --output json
  axle access lint --live --where 'account.ou.startsWith("/Workloads")'
  axle access lint --rules           the table of rules`,
		Annotations: map[string]string{moreForms: "sarif"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if rules {
				if a.flags.output == "sarif" {
					return &usageError{errors.New("--rules has no SARIF form"), "text or json"}
				}
				table := lint.Rules()
				return a.print(table, func(out io.Writer, st report.Style) { report.LintRules(out, st, table) })
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			var (
				result *control.LintResult
				err    error
			)
			switch {
			case live:
				_, statErr := os.Stat(a.flags.file)
				result, err = control.LintLive(ctx, a.options(), statErr == nil || cmd.Flags().Changed("file"), args)
			case len(args) > 0:
				result, err = control.LintFiles(args)
			default:
				if err := a.wholeProject(); err != nil {
					return err
				}
				result, err = control.Lint(ctx, a.options())
			}
			if err != nil {
				return err
			}
			return a.printLint(result, strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 for warnings too")
	cmd.Flags().BoolVar(&live, "live", false, "the policies in the accounts; arguments are ARNs of resources whose policies to read too")
	cmd.Flags().BoolVar(&rules, "rules", false, "print the table of rules")
	return cmd
}
