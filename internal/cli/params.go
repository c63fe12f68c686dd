package cli

import (
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) paramsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "params [STACK]",
		Short: "Show the parameters of every stack and where each value comes from",
		Long: `Works out each parameter's value in every target, as a deploy would, and says where
it comes from: a line of axle.yaml or of a file of parameters, variables of the
environment, the template's default, an output of another stack, a parameter or a
secret of the target or of the hub. Equal values of many targets are shown once,
secrets as "(secret)". Nothing is changed.`,
		Example: `  axle params
  axle params network --env prod --where 'account.name == "dev"'
  axle params --output json`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, release := interruptible(cmd.Context())
			defer release()
			w, err := control.Open(ctx, a.options())
			if err != nil {
				return err
			}
			stack := ""
			if len(args) > 0 {
				stack = args[0]
			}
			found, err := w.Params(ctx, stack)
			a.warnings(w)
			if err != nil {
				return err
			}
			out := &report.Params{Project: w.Project(), Env: a.flags.env, Stacks: []report.ParamsStack{}}
			for _, p := range found {
				out.Add(p.Stack, report.Parameter{Name: p.Name, Type: p.Type, NoEcho: p.NoEcho},
					report.ParamValue{Value: p.Value, Secret: p.Secret, KnownAfter: p.After, From: p.From, Error: p.Failure},
					report.ParamTarget{Account: p.Account.ID, AccountName: p.Account.Name, Region: p.Region})
			}
			if err := a.print(out, func(w io.Writer, st report.Style) { out.Text(w, st) }); err != nil {
				return err
			}
			switch failed, all := out.Failures(); {
			case failed > 0 && failed == all:
				return codeError(exitError)
			case failed > 0:
				return codeError(exitPartial)
			}
			return nil
		},
	}
}
