package report

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"axle/internal/diag"
	"axle/internal/lint"
)

// Lint is the JSON of a linter's findings.
type Lint struct {
	Summary    LintSummary    `json:"summary"`
	Findings   []lint.Finding `json:"findings"`
	Unreadable diag.List      `json:"unreadable,omitempty"`
	// Unchecked says what wasn't looked at, and why.
	Unchecked []string `json:"unchecked,omitempty"`
}

// LintSummary counts findings. Suppressed ones count nowhere else.
type LintSummary struct {
	Errors     int `json:"errors"`
	Warnings   int `json:"warnings"`
	Advice     int `json:"advice"`
	Suppressed int `json:"suppressed"`
	Files      int `json:"files"`
}

// NewLint counts what was found.
func NewLint(findings []lint.Finding, files int, unchecked []string, unreadable diag.List) *Lint {
	l := &Lint{Findings: findings, Unchecked: unchecked, Unreadable: unreadable, Summary: LintSummary{Files: files}}
	if l.Findings == nil {
		l.Findings = []lint.Finding{}
	}
	for _, f := range findings {
		switch {
		case f.Suppressed != "":
			l.Summary.Suppressed++
		case f.Severity == lint.Error:
			l.Summary.Errors++
		case f.Severity == lint.Warning:
			l.Summary.Warnings++
		default:
			l.Summary.Advice++
		}
	}
	return l
}

// Text prints the findings for people: place, severity, rule, what is wrong; why
// it matters and what to do.
func (l *Lint) Text(w io.Writer, st Style) {
	for _, d := range l.Unreadable {
		fmt.Fprintln(w, d.Error())
	}
	for _, f := range l.Findings {
		if f.Suppressed != "" {
			continue
		}
		fmt.Fprintf(w, "%s: %s %s %s\n", f.Pos, lintSeverity(st, f.Severity), st.bold.Render(f.Rule), f.Message)
		fmt.Fprintf(w, "    why: %s\n", st.dim.Render(f.Why))
		if f.Fix != "" {
			fmt.Fprintf(w, "    fix: %s\n", f.Fix)
		}
	}
	for _, u := range l.Unchecked {
		fmt.Fprintf(w, "%s\n", st.dim.Render("not looked at: "+u))
	}
	s := l.Summary
	line := fmt.Sprintf("%s, %s, %d advice in %s", plural(s.Errors, "error"), plural(s.Warnings, "warning"), s.Advice, plural(s.Files, "file"))
	if n := len(l.Unreadable); n > 0 {
		line += fmt.Sprintf("; %d can't be read", n)
	}
	if s.Suppressed > 0 {
		line += fmt.Sprintf("; %d suppressed with a reason", s.Suppressed)
	}
	fmt.Fprintln(w, line)
}

func lintSeverity(st Style, s lint.Severity) string {
	switch s {
	case lint.Error:
		return st.bad.Render(string(s))
	case lint.Warning:
		return st.warn.Render(string(s))
	}
	return st.dim.Render(string(s))
}

// LintRules prints the table of rules.
func LintRules(w io.Writer, st Style, rules []lint.Rule) {
	rows := make([][]string, 0, len(rules))
	for _, r := range rules {
		rows = append(rows, []string{st.bold.Render(r.ID), lintSeverity(st, r.Severity), r.Where, r.Title})
	}
	columns(w, "", rows)
	fmt.Fprintln(w, st.dim.Render("T: seen in a template, L: in live policies, P: between the templates of a project"))
}

// The members of SARIF 2.1.0 that are used here (OASIS, "Static Analysis Results
// Interchange Format").
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Results     []sarifResult     `json:"results"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Short   sarifText   `json:"shortDescription"`
		Full    sarifText   `json:"fullDescription"`
		Help    sarifText   `json:"help"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
)

// SARIF writes the findings as one SARIF 2.1.0 document.
func (l *Lint) SARIF(w io.Writer, version string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "axle", Version: version}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints"}
	index := map[string]int{}
	for i, r := range lint.Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.ID, Short: sarifText{r.Title}, Full: sarifText{r.Why}, Help: sarifText{r.Fix}, Default: sarifConfig{sarifLevel(r.Severity)}})
	}
	for _, f := range l.Findings {
		text := f.Message
		if f.Fix != "" {
			text += ". " + f.Fix
		}
		r := sarifResult{RuleID: f.Rule, RuleIndex: index[f.Rule], Level: sarifLevel(f.Severity), Message: sarifText{text}, Locations: []sarifLocation{sarifPlace(f.Pos)}}
		if f.Suppressed != "" {
			r.Suppressions = []sarifSuppression{{"inSource", f.Suppressed}}
		}
		run.Results = append(run.Results, r)
	}
	inv := sarifInvocation{Successful: len(l.Unreadable) == 0}
	for _, d := range l.Unreadable {
		inv.Notifications = append(inv.Notifications, sarifNotification{"error", sarifText{d.Error()}})
	}
	for _, u := range l.Unchecked {
		inv.Notifications = append(inv.Notifications, sarifNotification{"note", sarifText{u}})
	}
	run.Invocations = []sarifInvocation{inv}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifPlace(p diag.Pos) sarifLocation {
	var at sarifLocation
	at.Physical.Artifact.URI = strings.ReplaceAll(filepath.ToSlash(p.File), " ", "%20")
	if p.Line > 0 {
		at.Physical.Region = &sarifRegion{StartLine: p.Line, StartColumn: p.Col}
	}
	return at
}

func sarifLevel(s lint.Severity) string {
	if s == lint.Advice {
		return "note"
	}
	return string(s)
}
