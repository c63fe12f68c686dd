package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"axle"
	"axle/internal/store"
)

// child is this test binary, started again to run TestHelper.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner // what it prints
}

func helper(t *testing.T, what, path string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], "-test.run=^TestHelper$")}
	c.Env = append(os.Environ(), "STORE_HELPER="+what, "STORE_PATH="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill(t) })
	return c
}

// kill ends the child the hard way and waits until it is gone. It returns what
// the child had still printed.
func (c *child) kill(t *testing.T) (rest []string) {
	if c.ProcessState != nil {
		return nil
	}
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	for c.lines.Scan() {
		rest = append(rest, c.lines.Text())
	}
	_ = c.Wait() // says that it was killed
	return rest
}

// TestHelper is the other process of the tests below.
func TestHelper(t *testing.T) {
	path := os.Getenv("STORE_PATH")
	switch os.Getenv("STORE_HELPER") {
	default:
		t.Skip("runs only as the other process of TestKill and TestLockOfTheDead")
	case "append":
		s := openEither(t, path)
		for g := range 8 {
			go func() {
				for i := 0; ; i++ {
					step := fmt.Sprintf("stack/s%d/%06d", g, i)
					err := s.Append(t.Context(), "r", []axle.Record{
						{Step: step, Status: axle.Running, Token: "token of " + step},
						{Step: step + "/two", Status: axle.Succeeded, Result: axle.Result{Change: axle.Create, Outputs: map[string]string{"Id": strings.Repeat("x", i%5000)}}},
					})
					if err != nil {
						t.Error(err)
						return
					}
					fmt.Println(step)
				}
			}()
		}
		select {}
	case "lock":
		s := openEither(t, path)
		if _, err := s.Lock(t.Context(), "p", axle.Holder{Run: "dead", Who: "them", Host: "here", PID: os.Getpid()}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		select {}
	}
}

// openEither opens the store in a file, or in a table of AWS at an address.
func openEither(t *testing.T, path string) store.Store {
	t.Helper()
	if strings.HasPrefix(path, "http://") {
		return openServed(t, path)
	}
	return open(t, path)
}

// eitherStore runs a test with a store in a file, and one in a table.
func eitherStore(t *testing.T, test func(t *testing.T, path string)) {
	t.Run("file", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "axle.db")) })
	t.Run("table", func(t *testing.T) { test(t, serveTable(t)) })
}

// A process that is killed amid its writes loses nothing of what it was told
// is durable, and the store is as good as before.
func TestKill(t *testing.T) { eitherStore(t, testKill) }

func testKill(t *testing.T, path string) {
	s := openEither(t, path)
	if err := s.CreateRun(t.Context(), axle.Run{ID: "r", Status: axle.RunRunning}, nil); err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{1, 50, 700} {
		acknowledged := map[string]bool{}
		writing := helper(t, "append", path)
		for len(acknowledged) < after {
			if !writing.lines.Scan() {
				t.Fatalf("the helper ended after %d appends", len(acknowledged))
			}
			acknowledged[writing.lines.Text()] = true
		}
		for _, step := range writing.kill(t) {
			acknowledged[step] = true
		}
		records, err := s.Records(t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]axle.Record{}
		for _, r := range records {
			found[r.Step] = r
		}
		for step := range acknowledged {
			if found[step].Token != "token of "+step || found[step+"/two"].Status != axle.Succeeded {
				t.Errorf("%s was acknowledged and is lost", step)
			}
		}
		for step, r := range found { // all of an append or nothing
			if _, both := found[strings.TrimSuffix(step, "/two")]; !both || r.Status == axle.Running && found[step+"/two"].Step == "" {
				t.Errorf("half of the append of %s is there", step)
			}
		}
	}
}

// The lock of a process that was killed is free at once, and its run is known
// to be interrupted.
func TestLockOfTheDead(t *testing.T) { eitherStore(t, testLockOfTheDead) }

func testLockOfTheDead(t *testing.T, path string) {
	s := openEither(t, path)
	for _, id := range []string{"dead", "mine"} {
		if err := s.CreateRun(t.Context(), axle.Run{ID: id, Project: "p", Status: axle.RunRunning}, nil); err != nil {
			t.Fatal(err)
		}
	}
	holder := helper(t, "lock", path)
	if !holder.lines.Scan() {
		t.Fatal("the helper has no lock")
	}
	me := axle.Holder{Run: "mine", Who: "me", Host: "here", PID: os.Getpid()}
	var locked *axle.LockedError
	if _, err := s.Lock(t.Context(), "p", me); !errors.As(err, &locked) || locked.Holder.Run != "dead" {
		t.Fatalf("lock of the living: %v", err)
	}
	holder.kill(t)
	unlock, err := s.Lock(t.Context(), "p", me)
	if err != nil {
		t.Fatalf("lock of the dead: %v", err)
	}
	if run, _, err := s.Run(t.Context(), "dead"); err != nil || run.Status != axle.RunInterrupted {
		t.Errorf("run of the dead: %s, %v", run.Status, err)
	}
	if run, _, err := s.Run(t.Context(), "mine"); err != nil || run.Status != axle.RunRunning {
		t.Errorf("my run: %s, %v", run.Status, err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
