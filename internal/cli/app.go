// Package cli is the command line: one file a command, flags to options, one
// call of a use case, one report. The rules of the interface:
//
// Results go to stdout; progress, questions and diagnostics to stderr. With
// --output json stdout has exactly one JSON document, errors included. Nothing
// asks a question when stdin is not a terminal; changes need --yes there. Exit
// codes are in exit.go. A message says what, where and what next.
package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Version is what axle version prints; set by the linker for a release.
var Version = "dev"

// App is the program with its streams.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// Terminals: whether one can ask on In, and what Out and Err can show.
	InTTY, OutTTY, ErrTTY bool

	args   []string // the command line
	flags  globals
	answer bool        // a JSON document has been written
	asking atomic.Bool // a question is on the terminal, and nothing runs
	hungUp atomic.Bool // the terminal is gone
}

// globals are the flags that every command takes.
type globals struct {
	file, env, output, where string
	regions                  []string
	noColor, quiet, debug    bool
	maxConcurrent            int
	refresh                  bool
}

// New is the program on the process's own streams.
func New() *App {
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	return &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
		InTTY: tty(os.Stdin), OutTTY: tty(os.Stdout), ErrTTY: tty(os.Stderr)}
}

// Run runs a command line and returns the exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	root := a.command()
	a.args = args
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

func (a *App) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "axle",
		Short: "Makes an AWS organization of many accounts feel like one place",
		Long: `Axle discovers the accounts of an AWS organization, gets into each of them with
least privilege, and plans, deploys and wires stacks across accounts and regions
as one reviewed and resumable operation.

Start with "axle demo", which needs no AWS account, or with "axle init" in the
folder of your templates.`,
		Example: `  axle demo                      see it work on an embedded AWS organization
  axle init                      write an axle.yaml for your organization
  axle plan                      what would change, in all accounts
  axle deploy                    review it, then do it
  axle resume                    go on with what was interrupted`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Name() == cobra.ShellCompRequestCmd {
				return nil // the shell gives what is to be completed, which may be nothing yet
			}
			if err := a.checkGlobals(cmd); err != nil {
				return err
			}
			return a.refuseEmpty(cmd, args)
		},
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.flags.file, "file", "f", "axle.yaml", "the project's configuration")
	f.StringVar(&a.flags.env, "env", "", "environment of axle.yaml to use")
	f.StringVar(&a.flags.output, "output", "text", "text or json")
	f.StringVar(&a.flags.where, "where", "", `only accounts that match this expression, such as 'account.tags["env"] == "dev"'`)
	f.StringSliceVar(&a.flags.regions, "region", nil, "only these regions")
	f.IntVar(&a.flags.maxConcurrent, "max-concurrent", 0, "steps at work at once (default 1024)")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colours (also: NO_COLOR)")
	f.BoolVar(&a.flags.quiet, "quiet", false, "no progress, only results and errors")
	f.BoolVar(&a.flags.debug, "debug", false, "log what happens underneath to stderr")
	f.BoolVar(&a.flags.refresh, "refresh", false, "discover the organization anew")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, `run "` + cmd.CommandPath() + ` --help" for what it takes`}
	})
	root.AddGroup(&cobra.Group{ID: "start", Title: "Start:"}, &cobra.Group{ID: "work", Title: "Plan and deploy:"},
		&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "more", Title: "More:"})
	for group, commands := range map[string][]*cobra.Command{
		"start": {a.demoCommand(), a.initCommand(), a.bootstrapCommand()},
		"work":  {a.planCommand(), a.deployCommand(), a.executeCommand(), a.destroyCommand(), a.resumeCommand(), a.approveCommand(), a.cancelCommand(), a.adoptCommand(), a.pruneCommand()},
		"look":  {a.doctorCommand(), a.lintCommand(), a.orgCommand(), a.statusCommand(), a.driftCommand(), a.outputsCommand(), a.paramsCommand(), a.runsCommand(), a.showCommand(), a.accessCommand()},
		"more":  {a.credentialsCommand(), a.sandboxCommand(), a.schemaCommand(), a.docsCommand(), a.versionCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.DisableSuggestions = true // the hint has them
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	refuseUnknown(root)
	return root
}

// refuseUnknown makes cobra's own commands refuse what they don't know: as they
// are they show some help and end well.
func refuseUnknown(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = nil
			c.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return cmd.Help()
				}
				return noArgs(cmd, args)
			}
		case "help":
			c.Run = nil
			c.RunE = func(_ *cobra.Command, args []string) error {
				cmd, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = noArgs(cmd, rest)
				}
				if err != nil {
					return err
				}
				cmd.InitDefaultHelpFlag()
				return cmd.Help()
			}
		}
	}
}

// wholeRun is the annotation of commands that take recorded runs as they are,
// and says what can't be narrowed.
const wholeRun = "axle:run"

func (a *App) checkGlobals(cmd *cobra.Command) error {
	forms := []string{"text", "json"}
	if more := cmd.Annotations[moreForms]; more != "" {
		forms = append(forms, more)
	}
	if !slices.Contains(forms, a.flags.output) {
		got := a.flags.output
		a.flags.output = "text"
		return &usageError{fmt.Errorf("--output can't be %q", got), strings.Join(forms, " or ")}
	}
	if what := cmd.Annotations[wholeRun]; what != "" && (a.flags.where != "" || len(a.flags.regions) > 0) {
		return &usageError{fmt.Errorf("--where and --region don't narrow %s", what), "leave them out; a new run takes them: axle deploy, axle destroy"}
	}
	if a.flags.maxConcurrent < 0 {
		return &usageError{fmt.Errorf("--max-concurrent can't be %d", a.flags.maxConcurrent), "a number of 1 or more"}
	}
	return nil
}

// refuseEmpty refuses what is given and empty, as a shell's variable that isn't
// set is: a destroy of one account mustn't become one of all.
func (a *App) refuseEmpty(cmd *cobra.Command, args []string) error {
	const hint = "is a variable of the shell not set? Leave it out to mean all, or the latest"
	given := cmd.Flags().Changed
	switch {
	case slices.Contains(args, ""):
		return &usageError{errors.New("an argument is empty"), hint}
	case given("where") && strings.TrimSpace(a.flags.where) == "":
		return &usageError{errors.New("--where is empty"), hint}
	case given("region") && (len(a.flags.regions) == 0 || slices.Contains(a.flags.regions, "")):
		return &usageError{errors.New("--region is empty"), hint}
	}
	return nil
}

// options are the globals as the use cases take them.
func (a *App) options() control.Options {
	level := slog.LevelError + 1
	if a.flags.debug {
		level = slog.LevelDebug
	}
	return control.Options{File: a.flags.file, Env: a.flags.env, Where: a.flags.where, Regions: a.flags.regions,
		Refresh: a.flags.refresh, MaxConcurrent: a.flags.maxConcurrent, Version: Version,
		Say: func(line string) { a.note("%s", line) },
		Log: slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))}
}

func (a *App) json() bool { return a.flags.output == "json" }

// outStyle and errStyle say how to colour the two streams.
func (a *App) outStyle() report.Style {
	return report.NewStyle(a.Out, a.OutTTY && a.color()).For(a.flags.file, a.flags.env)
}

func (a *App) errStyle() report.Style {
	return report.NewStyle(a.Err, a.ErrTTY && a.color()).For(a.flags.file, a.flags.env)
}

func (a *App) color() bool {
	return !a.flags.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// print writes the result: as JSON, or by text.
func (a *App) print(v any, text func(io.Writer, report.Style)) error {
	if !a.json() {
		out := bufio.NewWriter(a.Out) // keeps the first error
		text(out, a.outStyle())
		if err := out.Flush(); err != nil && !a.nobodyReads() {
			return fmt.Errorf("write the result: %w", err)
		}
		return nil
	}
	a.answer = true
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && !a.nobodyReads() {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// note tells something on stderr, unless told to be quiet.
func (a *App) note(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

func (a *App) warnings(w *control.Work) {
	if w == nil {
		return
	}
	for _, warning := range w.Warnings {
		fmt.Fprintf(a.Err, "warning: %s\n", warning)
	}
}

// noArgs refuses arguments with a hint.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return &usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()), didYouMean(cmd, args)}
	}
	return &usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0]), ""}
}

// maxArgs refuses more than n arguments.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return &usageError{fmt.Errorf("%s takes at most %d argument, got %d", cmd.CommandPath(), n, len(args)), `run "` + cmd.CommandPath() + ` --help"`}
	}
}

// exactArg wants one argument, and says which.
func exactArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return &usageError{fmt.Errorf("%s takes one argument: %s", cmd.CommandPath(), what), `run "` + cmd.CommandPath() + ` --help"`}
	}
}

// exactArgs wants as many arguments as it names.
func exactArgs(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(what) {
			return nil
		}
		return &usageError{fmt.Errorf("%s takes %d arguments: %s", cmd.CommandPath(), len(what), strings.Join(what, ", ")), `run "` + cmd.CommandPath() + ` --help"`}
	}
}

var errNoAnswer = errors.New("not confirmed; nothing was done")
