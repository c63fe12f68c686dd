package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"axle/internal/control"
	"axle/internal/privilege"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) bootstrapCommand() *cobra.Command {
	var yes bool
	var policies string
	o := control.BootstrapOptions{}
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Make the roles that Axle works with, in all accounts",
		Long: `Prints the roles; with --yes deploys them, as stacks in the hub's region.

Phase 1 makes the spoke role (access.role) in every account of the project, the
management and hub accounts included, but for those to which access.overrides gives
another role, or none. Accounts are entered with your own credentials through
OrganizationAccountAccessRole, your own account directly.
Phase 2 makes the hub role (access.via) in the hub account. Then every account is
entered in the way that deploys will, which proves the roles.

The spoke role may do what the templates' resources need, and what the steps
themselves call: accounts with the same stacks get the same. There is room for
changes of the resources' own properties; new resources, and properties that reach
into other services, need it again. --exact leaves no room, as axle access
least-privilege does; --allow adds actions; --policies takes what you have looked
at and kept in a file instead. Only the hub role may assume the spoke role, or in
its place the first hop that an override has of its own, which isn't made here; and
only you, and whom you name with --trust, may assume the hub role.

With --stackset the spoke role comes by way of one service-managed stack set,
` + "`axle-role-<role>`" + `, in the OUs that the project's accounts are in: accounts that
are created in these OUs or moved into them get the role by themselves, and those
that leave them lose it. There is one role for all then, which may do what any
account's stacks take. Automatic deployment takes whole OUs; it is off where only
some accounts of an OU are meant. StackSets doesn't reach the management account:
its role, and the hub's when its OU isn't wholly the project's, stay direct stacks.`,
		Example: `  axle bootstrap --stackset --yes        new accounts get the role by themselves
  axle bootstrap                         prints the roles and where they go
  axle bootstrap --yes
  axle bootstrap --yes --trust arn:aws:iam::111111111111:role/ci --allow 'logs:*'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.bootstrap(cmd.Context(), o, policies, yes) },
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "deploy the roles")
	cmd.Flags().StringVar(&policies, "policies", "", "file of policies for the spoke role (least-privilege --format bootstrap)")
	bootstrapFlags(cmd, &o)
	return cmd
}

func (a *App) bootstrap(ctx context.Context, o control.BootstrapOptions, policies string, yes bool) error {
	if (o.NoAutoDeployment || o.EnableTrustedAccess) && !o.StackSet {
		return &usageError{errors.New("--no-auto-deployment and --enable-trusted-access go with --stackset"), ""}
	}
	if o.OnlyStore && (o.NoStore || o.StackSet) {
		return &usageError{errors.New("--only-store makes no roles: --no-store and --stackset don't go with it"), ""}
	}
	openCtx, release := interruptible(ctx)
	w, err := control.Open(openCtx, a.options())
	if err != nil {
		release()
		return err
	}
	if policies != "" {
		if o.Policies, err = os.ReadFile(policies); err != nil {
			release()
			return &usageError{fmt.Errorf("read the policies: %w", err), ""}
		}
	}
	b, err := w.PlanBootstrap(openCtx, o)
	release()
	if err != nil {
		return err
	}
	a.gaps(b.Gaps)
	if !yes {
		err := a.print(b, func(out io.Writer, st report.Style) { bootstrapText(out, b) })
		if err == nil && b.Set != nil && b.Set.Blocked != nil {
			return b.Set.Blocked
		}
		return err
	}
	view := &watcher{app: a}
	runCtx, stop, done := a.stoppable(ctx, view.say)
	defer done()
	out, err := b.Run(runCtx, view.watch, stop)
	view.close()
	return a.finish(w, out, err)
}

func bootstrapFlags(cmd *cobra.Command, o *control.BootstrapOptions) {
	cmd.Flags().StringVar(&o.EntryRole, "entry-role", control.DefaultEntryRole, "role to enter accounts with that have no role of ours yet")
	cmd.Flags().StringSliceVar(&o.Trust, "trust", nil, "ARN of a principal that may assume the hub role, beside you")
	cmd.Flags().StringSliceVar(&o.Allow, "allow", nil, "action that the spoke role gets beside what is computed")
	cmd.Flags().BoolVar(&o.Exact, "exact", false, "leave no room for changes of the resources' properties")
	cmd.Flags().BoolVar(&o.StackSet, "stackset", false, "make the spoke roles by way of a service-managed stack set")
	cmd.Flags().BoolVar(&o.NoAutoDeployment, "no-auto-deployment", false, "with --stackset: accounts that come into the OUs don't get the role by themselves")
	cmd.Flags().BoolVar(&o.EnableTrustedAccess, "enable-trusted-access", false, "with --stackset: let StackSets into the organization, if it isn't yet")
	cmd.Flags().BoolVar(&o.NoStore, "no-store", false, "leave the table and the bucket of a journal in DynamoDB to somebody else")
	cmd.Flags().BoolVar(&o.OnlyStore, "only-store", false, "make the table and the bucket of a journal in DynamoDB, and no roles")
	cmd.Flags().BoolVar(&o.DescribeTypes, "describe-types", false, "ask CloudFormation what types need that Axle doesn't know")
}

// gaps warns of types whose needs aren't known.
func (a *App) gaps(gaps []privilege.Gap) {
	for _, g := range gaps {
		fmt.Fprintf(a.Err, "warning: what %s (in %s) needs isn't known: %s\n", g.Type, strings.Join(g.Stacks, ", "), g.Why)
	}
	if len(gaps) > 0 {
		fmt.Fprintln(a.Err, "  hint: add the actions with --allow")
	}
}

// bootstrapText prints the roles as YAML with comments: each part can be saved
// and deployed by hand.
func bootstrapText(out io.Writer, b *control.Bootstrap) {
	phase := 0
	if b.Set != nil {
		phase = 1
		setText(out, b)
	}
	for i, p := range b.Phases {
		// The spoke roles are one phase: they differ by what the accounts' stacks take.
		if (i > 0 && b.Phases[i-1].Name != p.Name) || i == 0 && (b.Set == nil || p.Name != "spoke") {
			phase++
		}
		accounts := "1 account"
		if n := len(p.Accounts); n != 1 {
			accounts = fmt.Sprintf("%d accounts", n)
		}
		what := "role " + p.Role
		if p.Role == "" {
			what = "table " + p.Parameters["Table"] + " and bucket " + p.Parameters["Bucket"] + " of the journal"
		}
		fmt.Fprintf(out, "# Phase %d: %s as stack %s in %s, in %s:\n", phase, what, p.StackName, p.Region, accounts)
		for _, account := range p.Accounts {
			fmt.Fprintf(out, "#   %s\n", account.Label())
		}
		fmt.Fprintln(out, "# Parameters:")
		for _, k := range slices.Sorted(maps.Keys(p.Parameters)) {
			fmt.Fprintf(out, "#   %s: %s\n", k, p.Parameters[k])
		}
		fmt.Fprintln(out, p.Template)
	}
	for _, h := range b.OwnHops {
		var labels []string
		for _, account := range h.Accounts {
			labels = append(labels, account.Label())
		}
		fmt.Fprintf(out, "# Not made: role %s, by access.overrides the way into %s: %s\n", h.Role, strings.Join(labels, ", "), b.Expects())
	}
	switch {
	case b.Set != nil:
		fmt.Fprintln(out, "# To deploy them: axle bootstrap --stackset --yes")
		return
	case len(b.Phases) == 0:
		fmt.Fprintln(out, "# Nothing to make: access.overrides names other roles for these accounts, or none")
		return
	case b.Phases[0].Role == "":
		fmt.Fprintln(out, "# To deploy it: axle bootstrap --only-store --yes")
		return
	}
	fmt.Fprintln(out, "# To deploy them: axle bootstrap --yes")
}
