package cli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"axle"
	"axle/internal/control"
	"axle/internal/report"
	"axle/sandbox"

	"github.com/spf13/cobra"
)

// The sample organization: its accounts, axle.yaml and templates.
//
//go:embed demo
var demoFiles embed.FS

// maxDemoAccounts is how many workload accounts have a network address: the
// second number of 10.x.y.0/24, from 11 up.
const maxDemoAccounts = 240

type demoFlags struct {
	keep         bool
	accounts     int
	dir, listen  string
	stackSeconds float64
}

// keepListen is where the sandbox of a demo that is kept is served.
const keepListen = "127.0.0.1:4566"

func (a *App) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a hub, spokes in two regions and peering, on the sandbox",
		Long: `Starts the embedded sandbox with an organization of a dozen accounts, makes the
roles, plans and deploys a hub network, a network in every workload account and
region, and VPC peering on both sides; then deploys again to show that nothing is
left to change. Needs no AWS account, no credentials and no network.`,
		Example: `  axle demo
  axle demo --accounts 100
  axle demo --keep --dir flights   leaves it running, to try awscli and axle on it`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave the sandbox running until Ctrl-C")
	cmd.Flags().IntVar(&f.accounts, "accounts", 0, "workload accounts in all (default: the sample's 7)")
	cmd.Flags().StringVar(&f.dir, "dir", "", "folder to put the sample project in (default: a new temporary one)")
	cmd.Flags().StringVar(&f.listen, "listen", "", "address of the sandbox (default: a free port; with --keep "+keepListen+")")
	cmd.Flags().Float64Var(&f.stackSeconds, "stack-seconds", 1, "seconds that a stack takes")
	return cmd
}

// demo is the whole demonstration.
func (a *App) demo(ctx context.Context, f demoFlags) error {
	if f.accounts < 0 || f.accounts > maxDemoAccounts {
		return &usageError{fmt.Errorf("--accounts can't be %d", f.accounts), fmt.Sprintf("up to %d: the sample gives each account a network of its own", maxDemoAccounts)}
	}
	dir, err := demoProject(f)
	if err != nil {
		return err
	}
	accounts, err := os.ReadFile(filepath.Join(dir, "accounts.yaml"))
	if err != nil {
		return fmt.Errorf("read the sample organization: %w", err)
	}
	org, err := sandbox.ParseOrgFile("accounts.yaml", accounts)
	if err != nil {
		return err
	}
	if f.listen == "" {
		f.listen = "127.0.0.1:0"
		if f.keep {
			f.listen = keepListen
		}
	}
	box, err := serveSandbox(f.listen, sandbox.Options{Organization: org, StackTime: time.Duration(f.stackSeconds * float64(time.Second)), Seed: 1})
	if err != nil {
		return err
	}
	if err := useSandbox(box, dir); err != nil {
		return errors.Join(err, box.close())
	}
	a.flags.file = filepath.Join(dir, "axle.yaml")
	err = a.demoRuns(ctx, f, box, dir)
	if err == nil && f.keep {
		a.note("\nThe sandbox keeps running. Ctrl-C ends it.")
		waitCtx, release := interruptible(ctx)
		<-waitCtx.Done()
		release()
	}
	return errors.Join(err, box.close())
}

// demoRuns does what a user would do, one command after the other.
func (a *App) demoRuns(ctx context.Context, f demoFlags, box *server, dir string) error {
	view := &watcher{app: a}
	ctx, stop, done := a.stoppable(ctx, view.say)
	defer done()

	w, err := control.Open(ctx, a.options())
	if err != nil {
		return err
	}
	if !a.flags.quiet {
		report.OrgTree(a.Err, a.errStyle(), w.Organization())
	}
	a.heading("axle bootstrap --yes", "the roles: first in every account, then the hub's")
	b, err := w.PlanBootstrap(ctx, control.BootstrapOptions{EntryRole: control.DefaultEntryRole})
	if err != nil {
		return err
	}
	roles, err := b.Run(ctx, view.watch, stop)
	view.close()
	if err := a.demoStep(roles, err); err != nil {
		return err
	}

	a.heading("axle plan", "real change sets where the inputs are known; nothing is left behind")
	if w, err = control.Open(ctx, a.options()); err != nil {
		return err
	}
	preview, err := w.Preview(ctx, false, nil, stop)
	if err != nil {
		return err
	}
	if !a.flags.quiet {
		report.NewPlan(preview.ID, preview.Plan, preview.Records).Text(a.Err, a.errStyle())
	}

	a.heading("axle deploy", "the hub first, for its outputs; then all that can go at once")
	first, err := w.Deploy(ctx, preview, view.watch, stop)
	view.close()
	if err := a.demoStep(first, err); err != nil {
		return err
	}

	a.heading("axle deploy", "again: what is unchanged costs nearly nothing")
	if w, err = control.Open(ctx, a.options()); err != nil {
		return err
	}
	again, err := w.Deploy(ctx, nil, nil, stop)
	if err := a.demoStep(again, err); err != nil {
		return err
	}
	r := report.NewRun(first.Run, first.Plan, first.Records)
	return a.print(r, func(out io.Writer, st report.Style) {
		demoSummary(out, r, report.NewRun(again.Run, again.Plan, again.Records))
		demoNext(out, f, box, dir)
	})
}

func (a *App) heading(command, what string) {
	if !a.flags.quiet {
		fmt.Fprintf(a.Err, "\n$ %s\n  # %s\n", command, what)
	}
}

// demoStep shows a run on stderr and stops the demonstration when it failed.
func (a *App) demoStep(d *control.Done, err error) error {
	if d == nil {
		return err
	}
	r := report.NewRun(d.Run, d.Plan, d.Records)
	if !a.flags.quiet {
		r.Text(a.Err, a.errStyle())
	}
	if err != nil && d.Run.Status != axle.RunInterrupted {
		return err
	}
	if exit := runExit(d.Run.Status); exit != nil {
		if a.json() {
			_ = a.print(r, nil) // the code says what happened
		}
		return exit
	}
	return nil
}

func demoSummary(out io.Writer, first, again *report.Run) {
	peerings := 0
	for _, s := range first.Steps {
		if s.Kind == "peering-request" {
			peerings++
		}
	}
	stacks := 0
	for _, s := range first.Steps {
		if s.Kind == "stack" {
			stacks++
		}
	}
	fmt.Fprintf(out, "\n%d stacks and %d peering connections came up in %s; the second deploy found all %d steps unchanged in %s.\n",
		stacks, peerings, first.Finished.Sub(first.Started).Round(100*time.Millisecond), again.Counts.Unchanged,
		again.Finished.Sub(again.Started).Round(time.Millisecond))
}

// demoNext says what to try. A sandbox that isn't kept is gone when it is read.
func demoNext(out io.Writer, f demoFlags, box *server, dir string) {
	env := box.env()
	fmt.Fprintf(out, "The project is in %s.\n", dir)
	if f.keep {
		fmt.Fprintln(out, "\nTry next, in another shell:")
	} else {
		dir = "flights"
		env[0][1] = "http://" + keepListen
		fmt.Fprintf(out, "\nTry next, with `axle demo --keep --dir %s` running in one shell, in another:\n", dir)
	}
	for _, v := range env {
		fmt.Fprintf(out, "  export %s=%s\n", v[0], v[1])
	}
	fmt.Fprintf(out, "  cd %s\n", report.Word(dir))
	for _, line := range []string{"axle status", "axle outputs --region eu-west-1", `axle org explain web --where 'account.tags["env"] == "prod"'`,
		"aws organizations list-accounts --query 'Accounts[].Name'", "axle destroy"} {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

// useSandbox points this process's AWS SDK at the sandbox, and keeps it from
// reading the user's own profile.
func useSandbox(box *server, dir string) error {
	vars := append(box.env(), [2]string{"AWS_SESSION_TOKEN", ""}, [2]string{"AWS_PROFILE", ""},
		[2]string{"AWS_CONFIG_FILE", filepath.Join(dir, "none")}, [2]string{"AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none")})
	for _, v := range vars {
		if err := os.Setenv(v[0], v[1]); err != nil {
			return fmt.Errorf("set %s: %w", v[0], err)
		}
	}
	return nil
}

// demoProject writes the sample project into a folder.
func demoProject(f demoFlags) (string, error) {
	dir := f.dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "axle-demo-"); err != nil {
			return "", fmt.Errorf("make a folder for the sample: %w", err)
		}
	} else if dir = filepath.Clean(dir); fileExists(filepath.Join(dir, "axle.yaml")) {
		return "", &usageError{fmt.Errorf("%s has an axle.yaml already", dir), "give --dir a new folder"}
	}
	err := fs.WalkDir(demoFiles, "demo", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, "demo"))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		body, err := demoFiles.ReadFile(path)
		if err != nil {
			return err
		}
		if d.Name() == "accounts.yaml" {
			body = moreAccounts(body, f.accounts)
		}
		return os.WriteFile(to, body, 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("write the sample project: %w", err)
	}
	return dir, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sampleAccounts is how many workload accounts the sample has.
const sampleAccounts = 7

// moreAccounts adds workload accounts to the sample, up to n in all.
func moreAccounts(body []byte, n int) []byte {
	var b strings.Builder
	for i := sampleAccounts; i < n; i++ {
		env := []string{"dev", "qa", "prod"}[i%3]
		fmt.Fprintf(&b, "          - {id: \"2000%08d\", name: service-%03d, email: service-%03d@flights.example, tags: {env: %s, net: \"%d\", team: services}}\n", i+1, i+1, i+1, env, 11+i)
	}
	return []byte(strings.Replace(string(body), "  - name: Sandboxes\n", "      - name: Services\n        accounts:\n"+b.String()+"  - name: Sandboxes\n", min(1, b.Len())))
}
