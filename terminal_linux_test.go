package axle_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// onTerminal is a program of the scripts: it runs a command on a terminal of its
// own, and passes on what that shows. When it is interrupted the terminal is closed,
// as a window is or a connection that drops, which the file then says that it is
// given first. At last it tells the command's exit code.
func onTerminal() {
	if err := runOnTerminal(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "onterminal:", err)
		os.Exit(1)
	}
}

func runOnTerminal(said string, command []string) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGHUP) // what is caught here isn't ignored by the command
	window, terminal, err := openTerminal()
	if err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := terminal.Close(); err != nil {
		return err
	}
	var closing sync.Mutex // the file is written before this program ends
	go func() {
		<-interrupted
		closing.Lock()
		defer closing.Unlock()
		err := window.Close()
		if err == nil {
			err = os.WriteFile(said, []byte("closed"), 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "onterminal:", err)
		}
	}()
	_, _ = io.Copy(os.Stdout, window) // ends when the window is closed, or the command ends
	_ = cmd.Wait()                    // the exit code is told
	closing.Lock()
	fmt.Printf("\nexit code %d\n", cmd.ProcessState.ExitCode())
	return nil
}

// openTerminal makes a pseudo-terminal: the side that shows it, and the side for a
// program.
func openTerminal() (window, terminal *os.File, err error) {
	if window, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	conn, err := window.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var number int
	var failed error
	err = conn.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, nil, err
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	return window, terminal, err
}
