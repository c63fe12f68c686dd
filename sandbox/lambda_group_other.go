//go:build !unix

package sandbox

import "os/exec"

// ownGroup does nothing where there are no process groups.
func ownGroup(*exec.Cmd) {}

// killGroup ends a process; what it started goes on.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
