package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"axle/internal/diag"
	"axle/internal/late"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

var (
	word        = late.MustCompile(`^[a-zA-Z][a-zA-Z.]*$`)
	unexpected  = late.MustCompile(`^(?:mismatched input|extraneous input|token recognition error at:|no viable alternative at input) '(.*?)'(?: expecting .*)?$`)
	noOverload  = late.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	undeclared  = late.MustCompile(`^undeclared reference to '([^']*)'`)
	noField     = late.MustCompile(`^undefined field '([^']*)'`)
	wrongType   = late.MustCompile(`^expected type '([^']*)' but found '([^']*)'`)
	hiddenArgs  = late.MustCompile(`^@lookup\.\(int(?:, )?`)
	noSelection = late.MustCompile(`^type '([^']*)' does not support field selection`)
)

// syntaxErrors puts the parser's messages into our words. The first is the
// cause; what follows it is mostly noise.
func (c *compiled) syntaxErrors(issues *cel.Issues) (list diag.List) {
	for _, e := range issues.Errors() {
		pos := c.pos(c.wordOffset(c.runeOffset(e.Location.Line(), e.Location.Column())))
		text, syntax := strings.CutPrefix(e.Message, "Syntax error: ")
		if syntax && len(list) > 0 {
			continue
		}
		hint := ""
		if syntax {
			hint = syntaxHint(c.source)
			text = "the expression can't be read: " + syntaxText(text)
		}
		list.Add(pos, hint, "%s", text)
	}
	return list
}

// syntaxText puts what the parser says into a few words.
func syntaxText(text string) string {
	m := unexpected.FindStringSubmatch(text)
	switch {
	case m == nil:
		return strings.ReplaceAll(text, "'<EOF>'", "the end")
	case m[1] == "<EOF>":
		return "it ends too early"
	}
	return "unexpected " + strings.TrimSpace(m[1])
}

func syntaxHint(source string) string {
	switch {
	case strings.Contains(source, " and ") || strings.Contains(source, " or ") || strings.Contains(source, " not "):
		return "write && for and, || for or, ! for not"
	case strings.Contains(source, " = "):
		return "compare with =="
	}
	return `expressions are CEL, such as account.ou.startsWith("/Workloads") && account.tags["env"] in ["dev", "qa"]`
}

// typeErrors puts the checker's messages into our words.
func (c *compiled) typeErrors(issues *cel.Issues) (list diag.List) {
	for _, e := range issues.Errors() {
		offset := c.wordOffset(c.runeOffset(e.Location.Line(), e.Location.Column()))
		summary, hint := c.typeError(e.Message)
		list.Add(c.pos(offset), hint, "%s", summary)
	}
	return list
}

func (c *compiled) typeError(message string) (summary, hint string) {
	if m := undeclared.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("unknown name %q", m[1]), unknownHint(m[1])
	}
	if m := noField.FindStringSubmatch(message); m != nil {
		hint = "account has " + strings.Join(fields(accountType), ", ") + "; hub has " + strings.Join(fields(hubType), ", ")
		if near := diag.Nearest(m[1], append(fields(accountType), fields(hubType)...)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Sprintf("there is no field %q", m[1]), hint
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		return noMatch(m[1], m[2])
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("this is %s, where %s is needed", typeName(m[2]), typeName(m[1])), ""
	}
	if m := noSelection.FindStringSubmatch(message); m != nil {
		return typeName(m[1]) + " has no fields", ""
	}
	return message, ""
}

// unknownHint says what name may have been meant to be.
func unknownHint(name string) string {
	if near := diag.Nearest(name, names()); near != "" && near != name && (len(name) > 5 || near[0] == name[0]) {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "there are " + strings.Join(variables, ", ") + "; text goes into quotes"
}

// names are variables, functions and methods.
func names() []string {
	all := append(slices.Clone(variables), "has", "exists", "all", "filter", "map", "true", "false")
	if env, err := environment(); err == nil {
		for name := range env.Functions() {
			if word.MatchString(name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// noMatch explains operands or arguments that a function doesn't take.
func noMatch(function, signature string) (summary, hint string) {
	if f, ok := functionNamed(function); ok && hiddenArgs.MatchString(signature) {
		given := strings.TrimSuffix(hiddenArgs.ReplaceAllString(signature, ""), ")")
		return fmt.Sprintf("%s() doesn't take (%s)", function, given), "write " + f.usage
	}
	args := strings.TrimSuffix(strings.TrimPrefix(signature, "("), ")")
	operator := strings.Trim(function, "_")
	switch {
	case function == "_[_]":
		return fmt.Sprintf("[ ] doesn't work on (%s)", args), ""
	case function == "@in":
		return fmt.Sprintf("in doesn't work on (%s)", args), "write x in [a, b], or \"key\" in a map"
	case function == "_?_:_":
		return fmt.Sprintf("? : doesn't work on (%s)", args), "both results must be of one type"
	case strings.HasPrefix(function, "_") || function == "!_" || function == "-_":
		if function == "_+_" && strings.Contains(args, "string") {
			hint = "make text of it with string(...), or quote it"
		} else if function == "_==_" || function == "_!=_" {
			hint = "only values of one type can be compared"
		}
		return fmt.Sprintf("%s doesn't work on (%s)", operator, args), hint
	}
	return fmt.Sprintf("%s() doesn't work on %s", function, signature), ""
}

// typeName names a CEL type for people.
func typeName(t string) string {
	switch t {
	case "string":
		return "text"
	case "int", "uint", "double":
		return "a number"
	case "bool":
		return "true or false"
	case "null_type", "null":
		return "null"
	case accountType:
		return "an account"
	case hubType:
		return "the hub"
	case "timestamp", "google.protobuf.Timestamp":
		return "a time"
	case "duration", "google.protobuf.Duration":
		return "a duration"
	}
	switch {
	case strings.HasPrefix(t, "list("):
		return "a list"
	case strings.HasPrefix(t, "map("):
		return "a map"
	}
	return t
}

// wordOffset moves to the name that is meant: of a call from its bracket, of a
// field from its dot.
func (c *compiled) wordOffset(offset int) int {
	at := c.byteOffset(offset)
	switch {
	case strings.HasPrefix(c.source[at:], "("):
		return utf8.RuneCountInString(c.source[:wordBefore(c.source, at)])
	case strings.HasPrefix(c.source[at:], "."):
		return offset + 1
	}
	return offset
}

// failure makes an evaluation's error one with a place. What a Lookup said stays
// in the chain. What CEL says can have the value in it that it stumbled over, so
// where there are secrets it is kept back.
func (c *compiled) failure(err error, sc *Scope) error {
	d := diag.Diagnostic{Pos: c.start()}
	var node *types.Err
	if errors.As(err, &node) && node.NodeID() != 0 {
		d.Pos = c.pos(c.exprOffset(c.checked.SourceInfo(), node.NodeID()))
	}
	for _, about := range []string{sc.Account.Label(), sc.Region} {
		if about != "" {
			d.Summary += about + " "
		}
	}
	d.Summary = strings.TrimSuffix(d.Summary, " ")
	if d.Summary != "" {
		d.Summary += ": "
	}
	var m *missing
	var l *lookupError
	switch {
	case errors.As(err, &m) && (!c.secret || c.isPlain(m.key, sc)):
		d.Summary, d.Hint = m.summary, m.hint
	case errors.As(err, &l):
		d.Summary += l.Error()
	case errors.As(err, &interpreter.EvalCancelledError{}):
		d.Summary += "the expression takes too much work"
		d.Hint = "make its lists and texts smaller"
	case c.secret:
		d.Summary += "the expression fails"
		d.Hint = "why is not shown: there is a secret in it"
		return d
	default:
		d.Summary += err.Error()
	}
	return &evalError{d, err}
}

// isPlain says whether a key is one that can be shown: written in the expression,
// or a part of the scope, and so not a secret.
func (c *compiled) isPlain(key string, sc *Scope) bool {
	return strings.Contains(c.source, key) || slices.Contains([]string{sc.Region, sc.Account.ID, sc.Account.Name, sc.Env}, key)
}

// lookupError is what a Lookup says.
type lookupError struct{ error }

func (e *lookupError) Unwrap() error { return e.error }

// evalError is a diagnostic that keeps its cause.
type evalError struct {
	diag.Diagnostic
	cause error
}

func (e *evalError) Unwrap() []error { return []error{e.Diagnostic, e.cause} }
