package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"axle/internal/config"
	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{Version, revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(v, func(out io.Writer, _ report.Style) {
				fmt.Fprintf(out, "axle %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			})
		},
	}
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// askingEnv is set for the processes that axle credentials starts: one of them
// is axle credentials again when its own profile is the one that asks.
const askingEnv = "AXLE_CREDENTIALS"

func (a *App) credentialsCommand() *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use:   "credentials ACCOUNT",
		Short: "Print temporary credentials for an account (a credential_process)",
		Long: `Enters the account, given by id or name, by the access rules of axle.yaml and prints
the credentials as the SDKs' credential_process wants them, so that any AWS tool
gets into a spoke:

  [profile dev]
  credential_process = axle -f /path/to/axle.yaml credentials dev --profile hub

--profile is the profile that Axle itself starts from. Without it that is
AWS_PROFILE, which tools pass on: then it would be dev, and go round in circles.`,
		Example: "  axle credentials 222222222222\n  AWS_PROFILE=dev aws cloudformation list-stacks",
		Args:    exactArg("an account's id or name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.startFrom(profile); err != nil {
				return err
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			o := a.options()
			o.Presume = true
			w, err := control.OpenOrg(ctx, o, true)
			if err != nil {
				return err
			}
			account, err := w.Account(args[0])
			if err != nil {
				return err
			}
			c, err := w.Credentials(ctx, account)
			if err != nil {
				return err
			}
			a.answer = true
			return json.NewEncoder(a.Out).Encode(c)
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "AWS profile to start from (default: the environment's credentials)")
	return cmd
}

// startFrom makes this process use a profile instead of the environment's
// credentials, and refuses to go round in circles.
func (a *App) startFrom(profile string) error {
	if outer := a.Getenv(askingEnv); outer != "" && outer == "profile "+a.Getenv("AWS_PROFILE") && profile == "" {
		return &usageError{fmt.Errorf("AWS_PROFILE %q starts axle credentials, which starts from AWS_PROFILE %[1]q", a.Getenv("AWS_PROFILE")),
			"say in its credential_process what to start from: axle credentials --profile OTHER ..."}
	}
	vars := map[string]string{askingEnv: "profile " + a.Getenv("AWS_PROFILE")}
	if profile != "" {
		vars = map[string]string{"AWS_PROFILE": profile, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", askingEnv: "profile " + profile}
	}
	for k, v := range vars {
		if err := os.Setenv(k, v); err != nil {
			return fmt.Errorf("set %s: %w", k, err)
		}
	}
	return nil
}

func (a *App) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of axle.yaml",
		Long:  "Prints the JSON Schema that editors complete axle.yaml with; axle init refers to it.",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			a.answer = true
			_, err := a.Out.Write(config.Schema())
			return err
		},
	}
}
