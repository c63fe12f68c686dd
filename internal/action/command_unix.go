//go:build unix

package action

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// apart gives a command a process group of its own. The Ctrl-C of a terminal goes
// to the whole group: a run that is stopped softly would take the end of its
// command for a verdict. What the command has begun ends with it.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
