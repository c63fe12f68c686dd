package sandbox

import "syscall"

// dieWithParent has the kernel end the process should the sandbox be killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
