//go:build unix

package cli

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestHangUp: a terminal that is closed stops a run softly. That it is told more
// than once, by the shell and by the system, doesn't end it at once, as Ctrl-C does
// the second time.
func TestHangUp(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("started with nohup")
	}
	a, _, _ := app("")
	said := make(chan string, 4)
	ctx, stop, done := a.stoppable(t.Context(), func(line string) { said <- line })
	defer done()
	send := func(s syscall.Signal) {
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGHUP)
	if line := <-said; !strings.Contains(line, "axle resume") {
		t.Errorf("said %q", line)
	}
	<-stop
	send(syscall.SIGHUP)
	send(syscall.SIGINT)
	if line := <-said; !strings.Contains(line, "again leaves at once") || ctx.Err() != nil {
		t.Errorf("said %q, %v", line, ctx.Err())
	}
	send(syscall.SIGINT)
	<-ctx.Done()
}
