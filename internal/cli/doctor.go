package cli

import (
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) doctorCommand() *cobra.Command {
	var strict, all bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check every target before anything is touched",
		Long: `Looks at every account and region of the project: can it be entered, and if not,
which side refuses (identity policy, trust policy, external id, service control
policy, ...); is the region enabled; may the access role do what the templates
need; is each stack in a state that can be deployed; can artifacts be read; would
a quota be hit. Before that, can the journal be written, and is nobody else at
work. It reads and tries, and changes nothing.

Exits with 0 when every target is ready, 3 when some are blocked, and 4 when all
are, or any is and --strict is given.`,
		Example: `  axle doctor
  axle doctor --where 'account.tags["env"] == "prod"' --strict
  axle doctor --all --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, release := interruptible(cmd.Context())
			defer release()
			w, err := control.Open(ctx, a.options())
			if err != nil {
				return err
			}
			health, err := w.Doctor(ctx)
			a.warnings(w)
			if err != nil {
				return err
			}
			out := report.NewDoctor(health.Project, health.Targets, health.Findings, all)
			if err := a.print(out, func(to io.Writer, st report.Style) { out.Text(to, st) }); err != nil {
				return err
			}
			switch s := out.Summary; {
			case s.Blocked == 0:
				return nil
			case strict || s.Blocked == s.Targets:
				return codeError(exitBlocked)
			}
			return codeError(exitPartial)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 4 if any target is blocked")
	cmd.Flags().BoolVar(&all, "all", false, "show what is well, too")
	return cmd
}
