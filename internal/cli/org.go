package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"axle"
	"axle/internal/control"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) orgCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "org",
		Short: "Show the organization: OUs and accounts",
		Long: `Shows the tree of organizational units and accounts that the credentials, or the
organization source of axle.yaml, give. Without axle.yaml AWS Organizations is asked.`,
		Example: `  axle org
  axle org accounts --where 'account.tags["env"] == "prod"'
  axle org explain dev --where 'account.ou.startsWith("/Workloads")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.openOrg(cmd)
			if err != nil {
				return err
			}
			org := w.Organization()
			return a.print(report.Org{Organization: org, Calls: org.Calls}, func(out io.Writer, st report.Style) { report.OrgTree(out, st, org) })
		},
	}
	cmd.AddCommand(a.orgAccountsCommand(), a.orgExplainCommand())
	return cmd
}

// openOrg discovers the organization; axle.yaml is used when it is there.
func (a *App) openOrg(cmd *cobra.Command) (*control.Work, error) {
	_, err := os.Stat(a.flags.file)
	haveFile := err == nil || cmd.Flags().Changed("file")
	ctx, release := interruptible(cmd.Context())
	defer release()
	w, err := control.OpenOrg(ctx, a.options(), haveFile)
	if err == nil {
		a.warnings(w)
	}
	return w, err
}

func (a *App) orgAccountsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "accounts",
		Short: "List accounts, narrowed by --where",
		Example: `  axle org accounts
  axle org accounts --where '"net" in account.tags' --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.openOrg(cmd)
			if err != nil {
				return err
			}
			accounts := []axle.Account{}
			for _, account := range w.Organization().Accounts {
				in, err := selected(w, account)
				if err != nil {
					return fmt.Errorf("--where for account %s: %w", account.Label(), err)
				}
				if in {
					accounts = append(accounts, account)
				}
			}
			if len(accounts) == 0 {
				fmt.Fprintln(a.Err, "warning: no account matches")
			}
			list := struct {
				Accounts []axle.Account `json:"accounts"`
			}{accounts}
			return a.print(list, func(out io.Writer, st report.Style) { report.Accounts(out, st, accounts) })
		},
	}
}

// selected says whether --where has the account; without it all are.
func selected(w *control.Work, account axle.Account) (bool, error) {
	if w.Where() == nil {
		return true, nil
	}
	if !account.Active() && !w.Where().MentionsStatus() {
		return false, nil
	}
	return w.Where().Match(w.Scope(account))
}

func (a *App) orgExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "explain ACCOUNT",
		Short:   "Tell why an account is in or out of --where",
		Long:    "Evaluates each part of the expression for one account, given by id or name.",
		Example: `  axle org explain dev --where 'account.tags["env"] in ["dev", "qa"] && account.ou.startsWith("/Workloads")'`,
		Args:    exactArg("an account's id or name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(a.flags.where) == "" {
				return &usageError{fmt.Errorf("axle org explain needs --where"), "the expression to explain, such as the targets of a stack"}
			}
			sel, problems := expr.CompileSelector(a.flags.where, diag.Pos{File: "--where", Line: 1, Col: 1})
			if err := problems.Err(); err != nil {
				return err
			}
			w, err := a.openOrg(cmd)
			if err != nil {
				return err
			}
			account, err := w.Account(args[0])
			if err != nil {
				return err
			}
			e, err := explain(w, sel, account)
			if err != nil {
				return err
			}
			return a.print(e, func(out io.Writer, st report.Style) { e.Text(out, st) })
		},
	}
}

func explain(w *control.Work, sel *expr.Selector, account axle.Account) (*report.Explanation, error) {
	e := &report.Explanation{Account: account, Where: sel.String(), Clauses: []report.Clause{}}
	in, err := selected(w, account)
	if err != nil {
		return nil, fmt.Errorf("--where for account %s: %w", account.Label(), err)
	}
	e.Selected = in
	if !account.Active() && !sel.MentionsStatus() {
		e.Reason = "its status is " + account.Status + ", and the expression doesn't ask for account.status"
	}
	clauses, err := sel.Explain(w.Scope(account))
	if err != nil {
		return nil, fmt.Errorf("--where for account %s: %w", account.Label(), err)
	}
	for _, c := range clauses {
		e.Clauses = append(e.Clauses, clause(c))
	}
	return e, nil
}

func clause(c expr.Clause) report.Clause {
	return report.Clause{Text: strings.TrimSpace(c.Op + " " + c.Text), Holds: c.True, Depth: c.Depth, Because: c.Because}
}
