package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"axle/internal/apps/access"
	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// accessFlags are what questions about access have in common.
type accessFlags struct {
	planned, templates bool
	owner              string
}

func (f *accessFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.planned, "planned", false, "as it will be after axle deploy: what the templates declare overrides what is there")
	cmd.Flags().BoolVar(&f.templates, "templates", false, "what the templates declare, and nothing else; needs no AWS when the organization is in a file")
	cmd.Flags().StringVar(&f.owner, "resource-account", "", "the account (id or name) that the resource is in, where the ARN doesn't say")
}

func (a *App) openAccess(cmd *cobra.Command, f *accessFlags) (*control.Work, *access.Facts, error) {
	if f.planned && f.templates {
		return nil, nil, &usageError{fmt.Errorf("--planned and --templates exclude each other"), "--planned looks at what is there as well"}
	}
	scope := control.LiveAccess
	switch {
	case f.planned:
		scope = control.PlannedAccess
	case f.templates:
		scope = control.TemplatesAccess
	}
	_, err := os.Stat(a.flags.file)
	w, facts, err := control.OpenAccess(cmd.Context(), a.options(), err == nil || cmd.Flags().Changed("file"), scope)
	if err == nil {
		a.warnings(w)
	}
	return w, facts, err
}

func (a *App) accessCanCommand() *cobra.Command {
	var flags accessFlags
	var pairs []string
	var explain, direct bool
	cmd := &cobra.Command{
		Use:   "can PRINCIPAL ACTION RESOURCE",
		Short: "Say whether somebody can do something, and which side says no",
		Long: `Reads the policies of both sides (identity, boundary, resource, trust, SCP, RCP) and
decides as AWS does. PRINCIPAL is an ARN (of a role, user, session or root), an
account and a role or user in it (dev/app), an OIDC provider's ARN, a service such as
lambda.amazonaws.com, or "*" for anybody. RESOURCE is an ARN, or "*" for actions without resources.

The answer is allowed, denied (with the smallest change that would allow it),
conditional (on condition keys that aren't known; --context says them), unsupported
(policies allow it, the service doesn't do it across accounts), or unknown (some of
what has a say couldn't be read; it says what). Who may not do it directly may get
there by assuming up to three roles, one from the other: then that is the answer.
The key that encrypts the resource is looked at as well.

Policies are read with the access role of each account, which needs
iam:GetAccountAuthorizationDetails and the reading of the resource's policy; what
was read is kept in .axle for 15 minutes (--refresh reads anew). The exit code is 0
when it is allowed, else 1.`,
		Example: `  axle access can dev/app s3:GetObject arn:aws:s3:::bookings/2026.csv
  axle access can arn:aws:iam::111111111111:role/axle-hub sts:AssumeRole arn:aws:iam::222222222222:role/axle-spoke --context sts:ExternalId=x
  axle access can dev/app dynamodb:GetItem arn:aws:dynamodb:eu-west-1:222222222222:table/miles --planned`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 3 {
				return &usageError{fmt.Errorf("%s takes three arguments, got %d", cmd.CommandPath(), len(args)), "PRINCIPAL ACTION RESOURCE, such as dev/app s3:GetObject arn:aws:s3:::bookings/2026.csv"}
			}
			if args[1] == "" || !strings.Contains(args[1], ":") || strings.ContainsAny(args[1], "*? ") {
				return &usageError{fmt.Errorf("%q is no action", args[1]), "one action, such as s3:GetObject"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := contextKeys(pairs)
			if err != nil {
				return err
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			cmd.SetContext(ctx)
			w, facts, err := a.openAccess(cmd, &flags)
			if err != nil {
				return err
			}
			answer, err := facts.Can(ctx, access.Request{Principal: args[0], Action: args[1], Resource: args[2], ResourceAccount: flags.owner, Context: given, Direct: direct})
			if err != nil {
				return err
			}
			err = a.print(answer, func(out io.Writer, st report.Style) {
				report.AccessAnswer(out, st, answer, w.AccountLabel, explain)
			})
			if err == nil && answer.Verdict != access.Allowed {
				err = codeError(exitError)
			}
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringArrayVar(&pairs, "context", nil, "a condition key that is known, as KEY=VALUE; several times for several values, KEY= when it is absent")
	cmd.Flags().BoolVar(&explain, "explain", false, "also tell which policies of the organization allow it")
	cmd.Flags().BoolVar(&direct, "direct", false, "don't look for roles to assume")
	return cmd
}

// contextKeys reads KEY=VALUE. A key without a value is known to be absent.
func contextKeys(pairs []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !strings.Contains(key, ":") {
			return nil, &usageError{fmt.Errorf("--context can't be %q", pair), "KEY=VALUE, such as aws:SourceVpce=vpce-1"}
		}
		if out[key] == nil {
			out[key] = []string{}
		}
		if value != "" {
			out[key] = append(out[key], value)
		}
	}
	return out, nil
}
