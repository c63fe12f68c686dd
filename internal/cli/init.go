package cli

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/control"
	"axle/internal/late"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// initFrame is the axle.yaml of axle init, with places in <>.
//
//go:embed init.yaml
var initFrame string

func (a *App) initCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented axle.yaml for your organization",
		Long: `Asks AWS Organizations what accounts there are and writes an axle.yaml that fits:
the hub is an account that looks like one (tools, shared services, infrastructure,
network, deployment), which you can change. The JSON Schema for your editor goes
to .axle/axle.schema.json beside it.`,
		Example: "  axle init\n  axle init -f infra/axle.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fileExists(a.flags.file) && !force {
				return &usageError{fmt.Errorf("%s exists already", a.flags.file), "--force overwrites it; -f names another file"}
			}
			ctx, release := interruptible(cmd.Context())
			defer release()
			w, err := control.OpenOrg(ctx, a.options(), false)
			if err != nil {
				return err
			}
			a.warnings(w)
			if err := a.writeProject(w); err != nil {
				return err
			}
			done := struct {
				File     string `json:"file"`
				Accounts int    `json:"accounts"`
			}{a.flags.file, len(w.Organization().Accounts)}
			return a.print(done, func(out io.Writer, st report.Style) {
				fmt.Fprintf(out, "Wrote %s for an organization of %d accounts.\n", done.File, done.Accounts)
				fmt.Fprintln(out, "Next: add your stacks to it, then axle bootstrap --yes, axle plan, axle deploy.")
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite axle.yaml")
	return cmd
}

func (a *App) writeProject(w *control.Work) error {
	dir, err := filepath.Abs(filepath.Dir(a.flags.file))
	if err != nil {
		return fmt.Errorf("find the folder of %s: %w", a.flags.file, err)
	}
	org := w.Organization()
	hub := guessHub(org)
	name := "its id"
	for _, account := range org.Accounts {
		if account.ID == hub && account.Name != "" {
			name = strings.Join(strings.Fields(account.Name), " ")
		}
	}
	body := strings.NewReplacer("<schema>", ".axle/axle.schema.json", "<name>", projectName(filepath.Base(dir)),
		"<accounts>", fmt.Sprint(len(org.Accounts)), "<hub>", hub, "<hubname>", name, "<region>", w.Region(), "<ou>", guessOU(org)).Replace(initFrame)
	if err := os.MkdirAll(filepath.Join(dir, ".axle"), 0o700); err != nil {
		return fmt.Errorf("make the folder for the schema: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".axle", "axle.schema.json"), config.Schema(), 0o644); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	if err := os.WriteFile(a.flags.file, []byte(body), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", a.flags.file, err)
	}
	return nil
}

var notInName = late.MustCompile(`[^a-zA-Z0-9-]+`)

func projectName(folder string) string {
	name := strings.Trim(notInName.ReplaceAllString(folder, "-"), "-")
	if name == "" || !(name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z') {
		name = "project-" + name
	}
	return strings.Trim(name[:min(len(name), 64)], "-") // as long as config lets it be
}

// guessHub looks for an account that others usually hang on; without one it is
// a member account, as the management account is discouraged as a hub.
func guessHub(org *axle.Organization) string {
	for _, word := range []string{"tools", "tooling", "shared", "hub", "deploy", "infra", "network", "platform"} {
		for _, account := range org.Accounts {
			if account.Active() && strings.Contains(strings.ToLower(account.Name), word) {
				return account.ID
			}
		}
	}
	for _, account := range org.Accounts {
		if account.Active() && !account.Management {
			return account.ID
		}
	}
	return org.Management
}

// guessOU is the top OU with the most accounts.
func guessOU(org *axle.Organization) string {
	counts := map[string]int{}
	for _, account := range org.Accounts {
		if top, _, _ := strings.Cut(strings.TrimPrefix(account.OU, "/"), "/"); top != "" && account.Active() {
			counts["/"+top]++
		}
	}
	best := "/"
	for _, ou := range slices.Sorted(maps.Keys(counts)) {
		if counts[ou] > counts[best] {
			best = ou
		}
	}
	return best
}
