package store

import (
	"fmt"
	"os"
	"strings"
)

// look finds the process of a number. Its place is this boot of the machine and
// this PID namespace: in another container the same number is another process.
func look(pid int) process {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return process{}
	}
	p := process{place: strings.TrimSpace(string(boot)) + " " + space}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p
	}
	// proc(5): the name in parentheses may hold anything; starttime is field
	// 22, the 20th after it, and the state the first.
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return p
	}
	p.born = fields[19]
	return p
}
