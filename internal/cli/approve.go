package cli

import (
	"context"
	"errors"
	"io"

	"axle/internal/control"
	"axle/internal/engine"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

func (a *App) approveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "approve RUN WAVE",
		Short: "Approve of a wave that a run waits with",
		Long: `Records that a person approves of the next wave of a stack's rollout, when the run
waits for that (rollout.approval in axle.yaml): WAVE is its number, or STACK/NUMBER
where several stacks wait. The run goes on with "axle resume". An approval is kept
with the run; --yes of other commands never gives one.`,
		Example:     "  axle approve r20261121-080501-3fa2c1 2\n  axle approve r20261121-08 network/2 && axle resume r20261121-08",
		Args:        exactArgs("the id of the run", "the wave"),
		Annotations: map[string]string{wholeRun: "an approval"},
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := control.Approve(cmd.Context(), a.options(), args[0], args[1])
			if err != nil {
				return err
			}
			r := report.NewRun(done.Run, done.Plan, done.Records)
			a.note("Approved. To go on: %s", a.errStyle().Next("resume "+done.Run.ID))
			return a.print(r, func(out io.Writer, st report.Style) { r.Text(out, st) })
		},
	}
}

// approving asks on a terminal for the approvals that a run waits for, and goes
// on with it, and with what o allows it, as long as they are given.
func (a *App) approving(ctx context.Context, o control.Options, w *control.Work, out *control.Done, err error, view *watcher, stop <-chan struct{}) (*control.Done, *control.Work, error) {
	for a.InTTY && !a.json() && errors.Is(err, engine.ErrInterrupted) && out != nil && ctx.Err() == nil {
		select {
		case <-stop:
			return out, w, err
		default:
		}
		given := 0
		waves, questions := report.NewRun(out.Run, out.Plan, out.Records).Waiting()
		for i := range waves {
			if !a.confirm(questions[i], stop) {
				continue
			}
			if _, aerr := control.Approve(ctx, o, out.Run.ID, waves[i]); aerr != nil {
				return out, w, aerr
			}
			given++
		}
		if given == 0 {
			break
		}
		var next *control.Work
		out, next, err = control.Resume(ctx, o, out.Run.ID, view.watch, stop)
		view.close()
		if next != nil {
			w = next
		}
	}
	return out, w, err
}
