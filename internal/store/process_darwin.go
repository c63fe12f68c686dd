package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of sys/proc.h: a process that has ended and isn't waited for.
const zombie = 5

// look finds the process of a number. Its place is this boot of the machine.
func look(pid int) process {
	boot, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return process{}
	}
	p := process{place: boot}
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return p
	}
	p.born = fmt.Sprintf("%d.%06d", info.Proc.P_starttime.Sec, info.Proc.P_starttime.Usec)
	return p
}
