package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible gives a context that the first Ctrl-C cancels: for commands
// that change nothing. The second one ends what doesn't look at the context, such
// as the reading of a file that is a pipe.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	return ctx, release
}

// stoppable is for runs: the first Ctrl-C closes stop, the second cancels ctx. A
// terminal that is closed, or a connection that drops, closes stop too, and never
// more: the shell and the system may both tell of it. Started with nohup a run goes
// on. A reader of the progress that has gone (axle deploy 2>&1 | head) isn't a reason
// to die in the middle of the run.
func (a *App) stoppable(ctx context.Context, say func(string)) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop, over := make(chan struct{}), make(chan struct{})
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	gone := make(chan os.Signal, 1) // nobody listens: what is caught doesn't kill
	signal.Notify(gone, syscall.SIGPIPE)
	go func() {
		stopped := false
		halt := func(line string) {
			if !a.asking.Load() {
				say(line)
			}
			if !stopped {
				close(stop)
			}
			stopped = true
		}
		for n := 0; ; {
			select {
			case <-over:
				return
			case <-hangups:
				a.hungUp.Store(true)
				if !stopped {
					halt("stopping, as the terminal is gone: what runs comes to a safe point; axle resume goes on")
				}
			case <-signals:
				if n++; n > 1 {
					cancel()
					continue
				}
				halt("stopping: what runs comes to a safe point; Ctrl-C again leaves at once")
			}
		}
	}()
	return ctx, stop, func() {
		signal.Stop(signals)
		signal.Stop(hangups)
		signal.Stop(gone)
		close(over)
		cancel()
	}
}

// nobodyReads says whether the result is for a terminal that is gone: that it can't
// be written says nothing of the run then.
func (a *App) nobodyReads() bool { return a.hungUp.Load() && a.OutTTY }
