package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"axle"
	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) runsCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:         "runs",
		Short:       "List the recorded runs",
		Long:        "Lists the deploys and destroys that the journal in .axle beside axle.yaml has, the newest first.",
		Example:     "  axle runs\n  axle runs --limit 100 --output json",
		Args:        noArgs,
		Annotations: map[string]string{wholeRun: "a list of runs"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return &usageError{fmt.Errorf("--limit can't be %d", limit), "a number of 1 or more"}
			}
			runs, err := control.Runs(cmd.Context(), a.options(), limit)
			if err != nil {
				return err
			}
			if runs == nil {
				runs = []axle.Run{}
			}
			list := struct {
				Runs []axle.Run `json:"runs"`
			}{runs}
			return a.print(list, func(out io.Writer, st report.Style) { report.Runs(out, st, runs) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list")
	return cmd
}

func (a *App) showCommand() *cobra.Command {
	var group int
	var target string
	cmd := &cobra.Command{
		Use:   "show [RUN|PLANFILE]",
		Short: "Show a run: each step, what failed and why; or a saved plan",
		Long: `Shows a recorded run, the latest when none is named; a unique beginning of the id is
enough. Or shows what axle plan --save has kept in a file, for review, without credentials.`,
		Example: `  axle show
  axle show r20261121-0805 --output json
  axle show --output markdown     for a pull request
  axle show plan.axle --target dev/eu-west-1`,
		Args:        maxArgs(1),
		Annotations: map[string]string{moreForms: "markdown", wholeRun: "what is shown"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(first(args)); err == nil && !info.IsDir() {
				return a.showPlan(args[0], group, target)
			}
			if group != 0 || target != "" {
				return &usageError{errors.New("--group and --target are of saved plans"), "axle show PLANFILE"}
			}
			return a.showRun(cmd.Context(), first(args))
		},
	}
	cmd.Flags().IntVar(&group, "group", 0, "of a saved plan: only the targets of the group with this number, with their own values")
	cmd.Flags().StringVar(&target, "target", "", "of a saved plan: only one target, with its own values: ACCOUNT or ACCOUNT/REGION")
	return cmd
}

func (a *App) showRun(ctx context.Context, id string) error {
	done, err := control.Show(ctx, a.options(), id)
	if err != nil {
		return err
	}
	r := report.NewRun(done.Run, done.Plan, done.Records)
	return a.print(r, func(out io.Writer, st report.Style) {
		if a.flags.output == "markdown" {
			r.Markdown(out)
			return
		}
		r.Text(out, st)
	})
}

// showPlan shows a saved plan, or a part of it.
func (a *App) showPlan(file string, group int, target string) error {
	saved, err := control.ShowPlan(file)
	if err != nil {
		return err
	}
	p := report.NewPlan(saved.ID, saved.Plan, saved.Records)
	switch {
	case group != 0 && target != "":
		return &usageError{errors.New("--group and --target don't go together"), "take one of them"}
	case group != 0:
		if p, err = planGroup(p, group); err != nil {
			return err
		}
	case target != "":
		account, region, _ := strings.Cut(target, "/")
		if p = p.Target(account, region); p == nil {
			return &usageError{fmt.Errorf("the plan has nothing in %s", target), "without --target it shows its targets"}
		}
	}
	p.Saved = &report.SavedPlan{File: file, Seal: saved.Saved.Seal, Expires: saved.Saved.Expires}
	return a.printPlan(p)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *App) resumeCommand() *cobra.Command {
	var recovery recoveryFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "resume [RUN]",
		Short: "Go on with a run that was interrupted, killed or partly failed",
		Long: `Does what a run has left: steps that ended well are kept, those that were at work
when it stopped are looked up and adopted, failed and skipped ones are tried again.
Without RUN it is the latest run. An older one may have been overtaken by it, and
goes on, with what was planned then, only by its name.`,
		Example:     "  axle resume\n  axle resume r20261121-080501-3fa2c1",
		Args:        maxArgs(1),
		Annotations: map[string]string{wholeRun: "a run that goes on: it does all that is left"},
		RunE: func(cmd *cobra.Command, args []string) error {
			view := &watcher{app: a}
			ctx, stop, done := a.stoppable(cmd.Context(), view.say)
			defer done()
			o := a.options()
			if err := recovery.set(&o); err != nil {
				return err
			}
			o.ForceReferences = force
			out, w, err := control.Resume(ctx, o, first(args), view.watch, stop)
			view.close()
			out, w, err = a.approving(ctx, o, w, out, err, view, stop)
			return a.finish(w, out, err)
		},
	}
	recovery.waiting(cmd)
	recovery.rollback(cmd)
	recovery.retain(cmd)
	forceReferences(cmd, &force)
	return cmd
}

func (a *App) cancelCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Give up a run, so that it isn't resumed",
		Long: `Marks a run that was interrupted or failed as cancelled. What it has done stays as
it is. Of one that was prepared the change sets are removed. A run that is at work is stopped with Ctrl-C where it runs.`,
		Example:     "  axle cancel r20261121-080501-3fa2c1",
		Args:        exactArg("the id of the run"),
		Annotations: map[string]string{wholeRun: "what is cancelled"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o := a.options()
			o.Role = role
			done, err := control.Cancel(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			r := report.NewRun(done.Run, done.Plan, done.Records)
			r.Warnings = done.Warnings
			return a.print(r, func(out io.Writer, st report.Style) { r.Text(out, st) })
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "of a prepared run: assume this role in the targets instead of access.role")
	return cmd
}
