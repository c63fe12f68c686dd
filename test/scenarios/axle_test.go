//go:build scenarios

package scenarios

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
)

// run is what the scenarios read of the JSON of a run.
type run struct {
	Run, Status string
	Counts      struct{ Succeeded, Failed, Skipped, Unchanged int }
	Rollouts    []struct {
		Stack, State string
		Wave, Of     int
	}
	Steps []struct {
		ID, Kind, Name, Account, Region, Status, Action, Note string
		Outputs                                               map[string]string
		Error                                                 *failure
	}
}

type failure struct{ Code, Message, Resource, Hint string }

// axle runs axle and wants an exit code.
func (w *world) axle(code int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	stdout, stderr, got := w.command(axleBinary, args...)
	if got != code {
		w.t.Fatalf("axle %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, tail(stdout, 60), tail(stderr, 40))
	}
	return stdout, stderr
}

// run runs a command that changes something and reads its JSON.
func (w *world) run(code int, args ...string) run {
	w.t.Helper()
	stdout, _ := w.axle(code, append(args, "--yes", "--output", "json")...)
	return w.read(stdout)
}

// resume goes on with the latest run and reads its JSON.
func (w *world) resume(code int, args ...string) run {
	w.t.Helper()
	stdout, _ := w.axle(code, append([]string{"resume", "--output", "json"}, args...)...)
	return w.read(stdout)
}

// read reads the JSON of a run.
func (w *world) read(stdout string) run {
	w.t.Helper()
	var r run
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		w.t.Fatalf("%s: the JSON of a run: %v\n%s", w.name, err, stdout)
	}
	return r
}

// kill runs axle and kills it once it has said a text so many times.
func (w *world) kill(text string, times int, args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), axleBinary, args...)
	cmd.Dir, cmd.Env = w.dir, cleanEnv(w.vars)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatalf("%s: start axle %s: %v", w.name, strings.Join(args, " "), err)
	}
	var said []string
	for lines := bufio.NewScanner(stderr); times > 0 && lines.Scan(); {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), text) {
			times--
		}
	}
	_ = cmd.Process.Kill() // it may be over, which the next line tells
	if err := cmd.Wait(); err == nil || times > 0 {
		w.t.Fatalf("%s: axle %s was to be killed, and ended by itself: %v\n%s", w.name, strings.Join(args, " "), err, tail(strings.Join(said, "\n"), 20))
	}
}

// has checks that a text has a part.
func (w *world) has(what, text, part string) {
	w.t.Helper()
	if !strings.Contains(text, part) {
		w.t.Errorf("%s: %s has no %q:\n%s", w.name, what, part, tail(text, 20))
	}
}

// actions counts what the run did, by kind and action: "stack create" -> 7.
func (r run) actions() map[string]int {
	counts := map[string]int{}
	for _, s := range r.Steps {
		counts[s.Kind+" "+s.Action]++
	}
	return counts
}

// failures are those of the failed steps.
func (r run) failures() []failure {
	var out []failure
	for _, s := range r.Steps {
		if s.Error != nil && s.Status == "failed" {
			out = append(out, *s.Error)
		}
	}
	return out
}
