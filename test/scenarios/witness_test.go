//go:build scenarios

package scenarios

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// witness is something that answers as AWS does.
type witness struct {
	name string
	// command serves it until it is told to stop, and prints the variables that
	// point an AWS tool at it once it serves.
	command func(t *testing.T) *exec.Cmd
	gaps    gaps
}

// gaps are what a witness doesn't do as AWS does. README.md has a line for each.
type gaps struct {
	outputsIgnored bool // a change set of outputs alone is said to be empty
	noPeeringDNS   bool // peering connections have no options
	noEntryRole    bool // accounts are made without OrganizationAccountAccessRole
	emptyEntryRole bool // that role may do nothing, were it asked
	anyRole        bool // anybody may assume any role, existing or not

	noAutoDeployment bool // stack sets forget their automatic deployment and OUs
	valuesIgnored    bool // a change of parameters alone is no change
	rolesUnread      bool // roles with inline policies from a template can't be listed
	noRevert         bool // change sets know no REVERT_DRIFT
	neverFails       bool // a resource that fails doesn't fail its stack
}

// alone is an organization with nothing but its management account.
var alone = []string{"--org", filepath.Join("testdata", "alone.yaml")}

// on runs a scenario on each witness, several at once: most of the time is waiting.
func on(t *testing.T, scenario func(*world), witnesses ...witness) {
	t.Parallel()
	for _, w := range witnesses {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			scenario(w.start(t))
		})
	}
}

func sandbox(args ...string) witness {
	return witness{name: "sandbox", command: func(t *testing.T) *exec.Cmd {
		return exec.Command(axleBinary, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...)
	}}
}

// unkindSandbox has propagation delays, stale answers, pages of two and an
// occasional throttle.
func unkindSandbox(args ...string) witness {
	w := sandbox(append(args, "--unkind", "--seed", "7")...)
	w.name = "unkind"
	return w
}

func moto() witness {
	return witness{name: "moto", gaps: gaps{anyRole: true, emptyEntryRole: true, noAutoDeployment: true, valuesIgnored: true, rolesUnread: true, neverFails: true}, command: func(t *testing.T) *exec.Cmd {
		return exec.Command(needVenv(t, "python"), script("moto_start.py"))
	}}
}

func ministack() witness {
	return witness{name: "ministack", gaps: gaps{outputsIgnored: true, noPeeringDNS: true, anyRole: true, noRevert: true}, command: func(t *testing.T) *exec.Cmd {
		return exec.Command(needVenv(t, "python"), script("ministack_start.py"))
	}}
}

// ministackIAM is ministack as it enforces IAM.
func ministackIAM() witness {
	return witness{name: "ministack-iam", gaps: gaps{noPeeringDNS: true, noEntryRole: true}, command: func(t *testing.T) *exec.Cmd {
		return exec.Command(needVenv(t, "python"), script("ministack_start.py"), "--auth")
	}}
}

func script(name string) string { return filepath.Join("..", "witness", name) }

// world is a witness that serves, and a folder with a project for it.
type world struct {
	t    *testing.T
	name string
	gaps gaps
	dir  string            // where axle.yaml is
	vars map[string]string // that point an AWS tool at it

	// serves is done once the witness has ended, and with the test.
	serves context.Context
}

// start serves the witness until the test ends.
func (w witness) start(t *testing.T) *world {
	t.Helper()
	cmd := w.command(t)
	log := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = file
	cmd.Env = cleanEnv(nil)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", w.name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may be gone
		killer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // a signal ends some of them
		killer.Stop()
		file.Close()
		if t.Failed() {
			body, _ := os.ReadFile(log)
			t.Logf("end of the log of %s:\n%s", w.name, tail(string(body), 40))
		}
	})
	serves, ended := context.WithCancelCause(t.Context())
	out := &world{t: t, name: w.name, gaps: w.gaps, dir: t.TempDir(), vars: map[string]string{}, serves: serves}
	lines := bufio.NewScanner(stdout)
	for len(out.vars) < 4 && lines.Scan() {
		if assignment, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			name, value, _ := strings.Cut(assignment, "=")
			out.vars[name] = value
		}
	}
	if len(out.vars) < 4 {
		t.Fatalf("%s doesn't serve: it printed %v", w.name, out.vars)
	}
	go func() { // a full pipe would stop it
		for lines.Scan() {
		}
		ended(fmt.Errorf("%s has ended by itself", w.name))
	}()
	out.awaitAnswer()
	return out
}

// awaitAnswer waits until the address answers at all, for as long as its process
// lives.
func (w *world) awaitAnswer() {
	w.t.Helper()
	for {
		ask, err := http.NewRequestWithContext(w.serves, http.MethodGet, w.vars["AWS_ENDPOINT_URL"], nil)
		if err != nil {
			w.t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(ask)
		if err == nil {
			answer.Body.Close()
			return
		}
		select {
		case <-w.serves.Done():
			w.t.Fatalf("before it answered: %v", w.why(err))
		case <-time.After(50 * time.Millisecond): // another process comes up: there is nothing to wait on
		}
	}
}

// why is an error, and that the witness isn't there any more, if it isn't.
func (w *world) why(err error) error {
	if gone := context.Cause(w.serves); gone != nil {
		return fmt.Errorf("%w: %w", gone, err)
	}
	return err
}

// cleanEnv is the environment of a child: ours without anything about AWS or
// Axle, and with the given variables.
func cleanEnv(vars map[string]string) []string {
	env := []string{"NO_COLOR=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "PYTHONUNBUFFERED=1"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "AXLE_") {
			env = append(env, kv)
		}
	}
	for k, v := range vars {
		env = append(env, k+"="+v)
	}
	return env
}

// project fills the world's folder with files of testdata.
func (w *world) project(name string) {
	w.t.Helper()
	if err := os.CopyFS(w.dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces a text of one of the project's files, which must have it once.
func (w *world) edit(file, old, now string) {
	w.t.Helper()
	path := filepath.Join(w.dir, file)
	body, err := os.ReadFile(path)
	if err != nil || strings.Count(string(body), old) != 1 {
		w.t.Fatalf("%s has %q %d times (%v)", file, old, strings.Count(string(body), old), err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(body), old, now, 1)), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// step runs a part of a scenario, and the rest only if it went well.
func (w *world) step(what string, do func()) {
	w.t.Helper()
	began := time.Now()
	do()
	if w.t.Failed() {
		w.t.Fatalf("%s: stopped after: %s", w.name, what)
	}
	w.t.Logf("%5.1fs %s", time.Since(began).Seconds(), what)
}

// command runs a program in the world, for as long as the witness serves, and returns
// what it printed and its exit code.
func (w *world) command(program string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.serves, 3*time.Minute, errors.New("it took more than three minutes"))
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = w.dir, cleanEnv(w.vars)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() < 0 {
		w.t.Fatalf("%s: %s %s: %v\n%s", w.name, filepath.Base(program), strings.Join(args, " "), errors.Join(context.Cause(ctx), err), tail(e.String(), 20))
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = append([]string{fmt.Sprintf("(%d lines before)", len(lines)-n)}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}
