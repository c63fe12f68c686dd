//go:build unix && !linux

package sandbox

import "syscall"

// dieWithParent does nothing where the kernel can't: a process whose sandbox
// was killed ends when it asks for its next event.
func dieWithParent(*syscall.SysProcAttr) {}
