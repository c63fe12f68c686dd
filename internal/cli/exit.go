package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"axle"
	"axle/internal/cloud"
	"axle/internal/control"
	"axle/internal/diag"
	"axle/internal/report"
	"axle/internal/store"

	"github.com/spf13/cobra"
)

// Exit codes, a contract with scripts.
const (
	exitOK        = 0
	exitError     = 1 // an error, or nothing succeeded
	exitUsage     = 2 // usage or configuration
	exitPartial   = 3 // some succeeded and some failed
	exitBlocked   = 4 // blocked before anything was touched
	exitPending   = 5 // plan --detailed-exitcode: there are changes
	exitCancelled = 130
)

// codeError ends the program with a code; what there was to say has been said.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a wrong command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// runExit is the exit code of a run.
func runExit(status axle.RunStatus) error {
	switch status {
	case axle.RunSucceeded:
		return nil
	case axle.RunPartial:
		return codeError(exitPartial)
	case axle.RunBlocked:
		return codeError(exitBlocked)
	case axle.RunInterrupted, axle.RunCancelled:
		return codeError(exitCancelled)
	}
	return codeError(exitError)
}

// problem is the JSON of an error.
type problem struct {
	Error struct {
		Code        string    `json:"code"`
		Message     string    `json:"message"`
		Hint        string    `json:"hint,omitempty"`
		Diagnostics diag.List `json:"diagnostics,omitempty"`
		// Readers are the stacks that read what would be taken away.
		Readers []report.StillReader `json:"readers,omitempty"`
	} `json:"error"`
}

// exit tells an error and returns the code of it.
func (a *App) exit(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var code codeError
	if errors.As(err, &code) {
		return int(code)
	}
	var p problem
	exit := exitError
	p.Error.Code, p.Error.Message = "Error", err.Error()
	var (
		usage *usageError
		list  diag.List
		fail  *axle.Failure
		kept  *store.Error
		read  *control.StillReadError
	)
	switch {
	case errors.Is(err, context.Canceled):
		exit, p.Error.Code, p.Error.Message = exitCancelled, "Cancelled", "cancelled"
	case errors.Is(err, errNoAnswer):
		exit, p.Error.Code = exitCancelled, "NotConfirmed"
	case errors.As(err, &usage):
		exit, p.Error.Code, p.Error.Hint = exitUsage, "Usage", usage.hint
	case errors.As(err, &list):
		exit, p.Error.Code, p.Error.Diagnostics = exitUsage, "Configuration", list
		p.Error.Message = fmt.Sprintf("%d errors", len(list.Errors()))
		if len(list.Errors()) == 1 {
			p.Error.Message = list.Errors()[0].Summary
		}
	case errors.As(err, &fail):
		p.Error.Code, p.Error.Hint = fail.Code, fail.Hint
		if errors.As(err, &read) {
			p.Error.Readers = stillReaders(read.Readers)
		}
		if fail.Blocked && !errors.Is(err, cloud.ErrNoCredentials) {
			exit = exitBlocked
		}
	case errors.As(err, &kept):
		p.Error.Code, p.Error.Hint = "Store", kept.Hint
		p.Error.Message = strings.TrimSuffix(err.Error(), "\n  hint: "+kept.Hint)
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra's, not typed
		exit, p.Error.Code, p.Error.Hint = exitUsage, "Usage", didYouMean(cmd.Root(), a.args)
	}
	if (a.json() || wantsJSON(a.args)) && !a.answer {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		_ = e.Encode(p) // stdout is gone: nobody is left to be told
		return exit
	}
	a.tell(p)
	return exit
}

// wantsJSON says whether a command line asks for JSON: it may have been refused
// before its flags were read.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--output=json" || arg == "--output" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// didYouMean is the hint for a command that there isn't.
func didYouMean(cmd *cobra.Command, args []string) string {
	cmd.SuggestionsMinimumDistance = 2
	for _, arg := range args {
		if near := cmd.SuggestionsFor(arg); len(near) > 0 {
			best := diag.Nearest(arg, near)
			if best == "" {
				best = near[0]
			}
			return "did you mean " + cmd.CommandPath() + " " + best + "?"
		}
	}
	return `run "` + cmd.CommandPath() + ` --help" for the commands`
}

// tell prints an error for people.
func (a *App) tell(p problem) {
	if list := p.Error.Diagnostics; len(list) > 0 {
		fmt.Fprintln(a.Err, list.Error())
		if n := len(list.Errors()); n > 1 {
			fmt.Fprintf(a.Err, "%d errors; nothing was changed\n", n)
		}
		return
	}
	fmt.Fprintf(a.Err, "axle: %s\n", p.Error.Message)
	if p.Error.Hint != "" {
		fmt.Fprintf(a.Err, "  hint: %s\n", p.Error.Hint)
	}
}
