//go:build scenarios

package scenarios

import (
	"encoding/json"
	"strings"
)

// run is what the scenarios read of the JSON of a run.
type run struct {
	Run, Status string
	Counts      struct{ Succeeded, Failed, Skipped, Unchanged int }
	Steps       []struct {
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

// read reads the JSON of a run.
func (w *world) read(stdout string) run {
	w.t.Helper()
	var r run
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		w.t.Fatalf("%s: the JSON of a run: %v\n%s", w.name, err, stdout)
	}
	return r
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
		if s.Error != nil {
			out = append(out, *s.Error)
		}
	}
	return out
}
