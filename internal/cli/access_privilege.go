package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"axle/internal/control"
	"axle/internal/privilege"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) accessPrivilegeCommand() *cobra.Command {
	o := control.PrivilegeOptions{}
	var role, format string
	cmd := &cobra.Command{
		Use:   "least-privilege",
		Short: "Compute the permissions that the project's roles need, and no more",
		Long: `Computes from the templates what a role needs to create, change, roll back and
delete the project's stacks: the actions that the properties in use take, on ARNs
as far as names are known, and iam:PassRole for exactly the roles that are passed.

  deploy     the spoke role; with an execution_role CloudFormation has that one's
             permissions, and this role only passes it
  plan       makes change sets, reads them and removes them
  execution  the execution_role
  execute    executes change sets that are there

Accounts with the same stacks share a policy: where names or account ids differ
between them, it has a *; narrow with --where for exact ones. Types that Axle
doesn't know are named as gaps; --describe-types asks CloudFormation for their
schemas, which say what their handlers may call (kept in .axle; --refresh).

The policies are for the templates as they are now: what a change removes or
renames needs the permissions of before, so deploy first, then narrow.`,
		Example: `  axle access least-privilege
  axle access least-privilege --role plan --where 'account.name == "dev"'
  axle access least-privilege --role execution --format cloudformation
  axle access least-privilege --format bootstrap > policies.json
  axle bootstrap --policies policies.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Role = privilege.Role(role)
			if !slices.Contains(privilege.Roles(), o.Role) {
				return &usageError{fmt.Errorf("--role %s: no such role", role), "deploy, plan, execution or execute"}
			}
			if !slices.Contains([]string{"policy", "bootstrap", "cloudformation"}, format) {
				return &usageError{fmt.Errorf("--format %s: no such format", format), "policy, bootstrap or cloudformation"}
			}
			if format == "bootstrap" && o.Role != privilege.Deploy {
				return &usageError{fmt.Errorf("--format bootstrap is for the deploy role, which axle bootstrap makes"), "--format policy or cloudformation"}
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			w, err := control.Open(ctx, a.options())
			if err != nil {
				return err
			}
			list, err := w.LeastPrivilege(ctx, o)
			a.warnings(w)
			if err != nil {
				return err
			}
			var gaps []privilege.Gap
			for _, p := range list {
				gaps = control.JoinGaps(gaps, p.Gaps)
			}
			a.gaps(gaps)
			return a.printPrivilege(format, o.Role, list)
		},
	}
	cmd.Flags().StringVar(&role, "role", string(privilege.Deploy), "deploy, plan, execution or execute")
	cmd.Flags().StringVar(&format, "format", "policy", "policy, bootstrap (for axle bootstrap --policies) or cloudformation")
	cmd.Flags().BoolVar(&o.DescribeTypes, "describe-types", false, "ask CloudFormation what types need that Axle doesn't know")
	cmd.Flags().StringSliceVar(&o.Allow, "allow", nil, "action that the role gets beside what is computed")
	return cmd
}

func (a *App) printPrivilege(format string, role privilege.Role, list []control.Privilege) error {
	doc := struct {
		Role   privilege.Role      `json:"role"`
		Groups []control.Privilege `json:"groups"`
	}{role, list}
	if format == "bootstrap" && !a.json() {
		for i := range list { // bootstrap has its own
			list[i].Template = ""
		}
		text, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			return fmt.Errorf("write the policies: %w", err)
		}
		_, err = fmt.Fprintf(a.Out, "%s\n", text)
		return err
	}
	return a.print(doc, func(out io.Writer, _ report.Style) {
		for i, p := range list {
			if i > 0 {
				fmt.Fprintln(out)
			}
			// One policy alone can go into a file or another program as it is.
			to := out
			if len(list) == 1 && (format == "cloudformation" || len(p.Policies) == 1) {
				to = a.Err
			}
			privilegeHead(to, p)
			if format == "cloudformation" {
				fmt.Fprint(out, p.Template)
				continue
			}
			for _, text := range p.Policies {
				var b bytes.Buffer
				_ = json.Indent(&b, text, "", "  ") // it was made by the encoder
				fmt.Fprintln(out, b.String())
			}
		}
	})
}

// privilegeHead says what follows, as comments.
func privilegeHead(out io.Writer, p control.Privilege) {
	what := string(p.Role) + " role"
	if p.ExecutionRole != "" {
		what = "execution role " + p.ExecutionRole
	}
	size := ""
	if n := len(p.Policies); n > 1 {
		size = fmt.Sprintf(", as %d policies: one may have %d characters", n, privilege.MaxManaged)
	}
	stacks := "no stacks"
	if len(p.Stacks) > 0 {
		stacks = strings.Join(p.Stacks, ", ")
	}
	fmt.Fprintf(out, "# %s for %s%s\n", what, stacks, size)
	accounts := p.Accounts
	more := ""
	if len(accounts) > 8 {
		accounts, more = accounts[:8], fmt.Sprintf(" and %d more", len(p.Accounts)-8)
	}
	fmt.Fprintf(out, "# in %s%s\n", strings.Join(accounts, ", "), more)
}
