// Package process runs programs and tells how long they took and how much
// memory they held. It is for benchmarks alone.
package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Usage is what a program's run cost.
type Usage struct {
	Wall time.Duration
	CPU  time.Duration // of user and system
	Peak int64         // bytes held at once, at most
}

// Run runs a program to its end, with its standard output thrown away unless
// cmd.Stdout is set.
//
// The peak is read while it runs: what wait4 tells of a child's memory has that
// of its parent in it, from before the child's exec.
func Run(cmd *exec.Cmd) (Usage, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return Usage{}, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var u Usage
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.Peak = max(u.Peak, Peak(cmd.Process.Pid))
		case err := <-ended:
			u.Wall = time.Since(begin)
			u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if err != nil {
				return u, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(stderr.String()))
			}
			return u, nil
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// Peak is the most memory in bytes that a process has held so far; 0 where the
// system doesn't tell, which only Linux does.
func Peak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib int64
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			return 0
		}
	}
	return kib << 10
}
