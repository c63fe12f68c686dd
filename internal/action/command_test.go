//go:build unix

package action

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"axle"
)

// TestWaveCommandApart: the Ctrl-C that stops a run isn't the health command's, and
// a command that is given up takes along what it has begun.
func TestWaveCommandApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"told", "held"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &Wave{Run: "r1", Dir: dir}
	step := &axle.Step{ID: "wave/x/1", Name: "x", Spec: &axle.Spec{Wave: &axle.WaveSpec{Stack: "x", Wave: 1, Of: 2, Timeout: time.Minute,
		Command: []string{"sh", "-c", "cat held & echo $! > told; wait"}}}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := a.Check(ctx, step, waveState{phase: waveHealth, Until: time.Now().Add(time.Minute)}.token())
		ended <- err
	}()
	told, err := os.ReadFile(filepath.Join(dir, "told")) // opens with who writes
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(told)))
	if err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the command is in the group of the run: %v", err)
	}
	held, err := os.OpenFile(filepath.Join(dir, "held"), os.O_WRONLY, 0) // opens with cat
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a command that is given up: %v", err)
	}
	for { // until nobody reads any more
		if _, err := held.Write([]byte("x")); errors.Is(err, syscall.EPIPE) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
