package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/diag"
	"axle/internal/report"
	"axle/internal/store"
)

// app is the program with its streams in memory.
func app(in string) (a *App, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return &App{In: strings.NewReader(in), Out: out, Err: errs, Getenv: func(string) string { return "" }}, out, errs
}

// TestExit: each kind of error has its exit code, its text and its JSON.
func TestExit(t *testing.T) {
	var one, two diag.List
	one.Add(diag.Pos{File: "axle.yaml", Line: 3, Col: 7}, "do that", "one mistake")
	two = append(append(two, one...), one...)
	wrap := func(err error) error { return fmt.Errorf("wrapped: %w", err) }
	for _, tt := range []struct {
		name  string
		err   error
		code  int
		as    string // error.code in JSON
		shown string
	}{
		{"none", nil, 0, "", ""},
		{"said already", wrap(codeError(exitPartial)), 3, "", ""},
		{"any", errors.New("x"), 1, "Error", "axle: x\n"},
		{"cancelled", wrap(context.Canceled), 130, "Cancelled", "axle: cancelled\n"},
		{"not confirmed", errNoAnswer, 130, "NotConfirmed", "axle: not confirmed; nothing was done\n"},
		{"usage", wrap(&usageError{errors.New("no such flag"), "see --help"}), 2, "Usage", "axle: wrapped: no such flag\n  hint: see --help\n"},
		{"one mistake", one.Err(), 2, "Configuration", "axle.yaml:3:7: one mistake\n  hint: do that\n"},
		{"mistakes", wrap(two.Err()), 2, "Configuration", "axle.yaml:3:7: one mistake\n  hint: do that\naxle.yaml:3:7: one mistake\n  hint: do that\n2 errors; nothing was changed\n"},
		{"failure", wrap(&axle.Failure{Code: "AccessDenied", Message: "denied", Hint: "ask"}), 1, "AccessDenied", "axle: wrapped: denied\n  hint: ask\n"},
		{"blocked", &axle.Failure{Code: "Locked", Message: "locked", Blocked: true}, 4, "Locked", "axle: locked\n"},
		{"store", &store.Error{Err: errors.New("disk full"), Hint: "make room"}, 1, "Store", "axle: "},
		{"unknown command", errors.New(`unknown command "dploy" for "axle"`), 2, "Usage", "axle: unknown command \"dploy\" for \"axle\"\n  hint: did you mean axle deploy?\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, out, errs := app("")
			a.args = []string{"dploy"}
			if code := a.exit(a.command(), tt.err); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.HasPrefix(errs.String(), tt.shown) || tt.shown == "" && errs.Len() > 0 || out.Len() > 0 {
				t.Errorf("stderr %q, stdout %q, want %q", errs, out, tt.shown)
			}
			a, out, errs = app("")
			a.args = []string{"dploy"}
			root := a.command()
			a.flags.output = "json"
			if code := a.exit(root, tt.err); code != tt.code {
				t.Errorf("exit code %d with JSON, want %d", code, tt.code)
			}
			if tt.as == "" {
				if out.Len() > 0 {
					t.Errorf("said twice: %s", out)
				}
				return
			}
			var p problem
			if err := json.Unmarshal(out.Bytes(), &p); err != nil || p.Error.Code != tt.as || p.Error.Message == "" || errs.Len() > 0 {
				t.Errorf("JSON %s, stderr %q: %v", out, errs, err)
			}
		})
	}
}

func TestRunAndPlanExit(t *testing.T) {
	code := func(err error) int {
		var c codeError
		if errors.As(err, &c) {
			return int(c)
		}
		return 0
	}
	for status, want := range map[axle.RunStatus]int{axle.RunSucceeded: 0, axle.RunPartial: 3, axle.RunFailed: 1, axle.RunBlocked: 4, axle.RunInterrupted: 130, axle.RunCancelled: 130} {
		if got := code(runExit(status)); got != want {
			t.Errorf("%s: exit code %d, want %d", status, got, want)
		}
	}
	for _, tt := range []struct {
		s        report.PlanSummary
		detailed bool
		want     int
	}{
		{report.PlanSummary{}, true, 0}, {report.PlanSummary{None: 3}, true, 0}, {report.PlanSummary{Create: 1, None: 3}, false, 0},
		{report.PlanSummary{Create: 1, None: 3}, true, 5}, {report.PlanSummary{Delete: 1}, true, 5}, {report.PlanSummary{Blocked: 2}, false, 4},
		{report.PlanSummary{Blocked: 2, None: 1}, false, 3}, {report.PlanSummary{Blocked: 2, Update: 1}, true, 3},
	} {
		if got := code(planExit(&report.Plan{Summary: tt.s}, tt.detailed, false)); got != tt.want {
			t.Errorf("%+v, detailed %v: exit code %d, want %d", tt.s, tt.detailed, got, tt.want)
		}
		strict := tt.want
		if tt.s.Blocked > 0 {
			strict = exitBlocked
		}
		if got := code(planExit(&report.Plan{Summary: tt.s}, tt.detailed, true)); got != strict {
			t.Errorf("%+v, detailed %v, strict: exit code %d, want %d", tt.s, tt.detailed, got, strict)
		}
	}
	for strict, want := range map[bool]int{false: exitPartial, true: exitBlocked} { // what the preview couldn't see
		p := &report.Plan{Summary: report.PlanSummary{Create: 1}, Preflight: []doctor.Finding{{State: doctor.Blocked}}}
		if got := code(planExit(p, false, strict)); got != want {
			t.Errorf("a finding that blocks, strict %v: exit code %d, want %d", strict, got, want)
		}
	}
}

// What a command line that can't be read says, and that nothing is printed twice.
func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"destroy now":                  "axle destroy takes no arguments",
		"deploy --yess":                "unknown flag: --yess",
		"depoy":                        "hint: did you mean axle deploy?",
		"org acounts":                  "hint: did you mean axle org accounts?",
		"plan --output xml":            "--output can't be \"xml\"",
		"plan --max-concurrent -1":     "--max-concurrent can't be -1",
		"show a b":                     "axle show takes at most 1 argument, got 2",
		"cancel":                       "axle cancel takes one argument: the id of the run",
		"org explain dev":              "axle org explain needs --where",
		"sandbox --latency -1s":        "can't be negative",
		"sandbox --org nowhere.yaml":   "nowhere.yaml",
		"sandbox --accounts 3 --org x": "accounts",
		"deploy":                       "there is no terminal to ask on",
		"drift --yes":                  "--yes needs --revert",
		"drift --wait-others 1m":       "--wait-others needs --revert",
		"runs --limit 0":               "--limit can't be 0",
		"drift --revert --yes --detailed-exitcode": "--detailed-exitcode doesn't go with --revert",
		"demo --accounts 1000":                     "--accounts can't be 1000",
		"plan --group -1":                          "--group takes a number",
		"plan --group 1 --target dev":              "and no --target",
		"plan --target dev --save x.plan":          "--target shows a part of the plan",
		"plan --prepare --save x.plan":             "--prepare goes with neither",
		"plan --prepare --target dev":              "--prepare goes with neither",
		"plan --valid-for 0s":                      "--valid-for can't be 0s",
		"plan --skip A":                            "--skip leaves resources out of a rollback that is continued",
		"deploy --yes --wait-others -1m":           "--wait-others can't be negative",
		"adopt --yes":                              "axle adopt takes the names of stacks",
		"deploy x.plan":                            "there is no terminal to ask on",
		"show --group 1":                           "--group and --target are of saved plans",
		"bootstrap --no-auto-deployment":           "go with --stackset",
		"bootstrap --enable-trusted-access":        "go with --stackset",
		"bootstrap --only-store --no-store":        "--only-store makes no roles",
		"lint --region eu-west-1":                  "lint looks at all targets",
		"access lint --where true":                 "lint looks at all targets",
		"access lint --rules --output sarif":       "--rules has no SARIF form",
		"access who arn:x --planned --templates":   "--planned and --templates exclude each other",
		"access can a b:c d --context x=y":         "--context can't be \"x=y\"",
		"access can a b:c d --context x:y":         "--context can't be \"x:y\"",
	} {
		a, out, errs := app("")
		if code := a.Run(t.Context(), strings.Fields(line)); code != exitUsage {
			t.Errorf("axle %s: exit code %d", line, code)
		}
		if !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("axle %s: stderr %q, stdout %q", line, errs, out)
		}
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " yes \n": true, "y": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		a, _, errs := app(answer)
		if got := a.confirm("Deploy this?", nil); got != want || !strings.HasPrefix(errs.String(), "Deploy this? [y/N] ") {
			t.Errorf("%q: %v, asked %q", answer, got, errs)
		}
	}
}

// TestConfirmInterrupted: Ctrl-C at a question is a no at once, and nothing runs
// that would have to come to a safe point.
func TestConfirmInterrupted(t *testing.T) {
	a, _, errs := app("")
	in, hang := io.Pipe()
	defer hang.Close()
	a.In = asked(func(p []byte) (int, error) {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(os.Interrupt)
		}
		if err != nil {
			t.Error(err)
		}
		return in.Read(p)
	})
	_, stop, done := a.stoppable(t.Context(), func(line string) { t.Errorf("said %q", line) })
	defer done()
	if a.confirm("Deploy this?", stop) || a.confirm("And this?", stop) {
		t.Error("Ctrl-C is a yes")
	}
	if got := errs.String(); got != "Deploy this? [y/N] \n" {
		t.Errorf("asked %q", got)
	}
}

// asked is a terminal that says when it is read.
type asked func([]byte) (int, error)

func (f asked) Read(p []byte) (int, error) { return f(p) }

// TestResultThatCannotBeWritten: a full disk isn't a success.
func TestResultThatCannotBeWritten(t *testing.T) {
	for _, output := range []string{"text", "json"} {
		a, _, errs := app("")
		in, out := io.Pipe()
		in.CloseWithError(syscall.ENOSPC)
		a.Out = out
		if code := a.Run(t.Context(), []string{"version", "--output", output}); code != exitError || !strings.Contains(errs.String(), "write the result: no space left") {
			t.Errorf("%s: exit code %d, stderr %q", output, code, errs)
		}
	}
}

func TestColor(t *testing.T) {
	for env, want := range map[string]bool{"": true, "NO_COLOR=1": false, "TERM=dumb": false, "TERM=xterm": true} {
		a, _, _ := app("")
		name, value, _ := strings.Cut(env, "=")
		a.Getenv = func(k string) string {
			if k == name {
				return value
			}
			return ""
		}
		if got := a.color(); got != want {
			t.Errorf("%s: %v", env, got)
		}
		if a.flags.noColor = true; a.color() {
			t.Errorf("%s: colours with --no-color", env)
		}
	}
}
