package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"axle/internal/diag"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

var (
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	undeclared  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noField     = regexp.MustCompile(`^undefined field '([^']*)'`)
	wrongType   = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'`)
	hiddenArgs  = regexp.MustCompile(`^@lookup\.\(int(?:, )?`)
	noSelection = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
)

// syntaxErrors puts the parser's messages into our words. The first is the
// cause; what follows it is mostly noise.
func (c *compiled) syntaxErrors(issues *cel.Issues) (list diag.List) {
	for _, e := range issues.Errors() {
		pos := c.pos(c.runeOffset(e.Location.Line(), e.Location.Column()))
		text, syntax := strings.CutPrefix(e.Message, "Syntax error: ")
		if syntax && len(list) > 0 {
			continue
		}
		hint := ""
		if syntax {
			hint = syntaxHint(c.source)
			text = "the expression can't be read: " + text
		}
		list.Add(pos, hint, "%s", text)
	}
	return list
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
		offset := c.runeOffset(e.Location.Line(), e.Location.Column())
		summary, hint := c.typeError(e.Message)
		list.Add(c.pos(offset), hint, "%s", summary)
	}
	return list
}

func (c *compiled) typeError(message string) (summary, hint string) {
	if m := undeclared.FindStringSubmatch(message); m != nil {
		name := m[1]
		if n := diag.Nearest(name, names()); n != "" && n != name {
			hint = fmt.Sprintf("did you mean %s?", n)
		} else {
			hint = "there are " + strings.Join(variables, ", ") + "; text goes into quotes"
		}
		return fmt.Sprintf("unknown name %q", name), hint
	}
	if m := noField.FindStringSubmatch(message); m != nil {
		all := append(fields(accountType), fields(hubType)...)
		if n := diag.Nearest(m[1], all); n != "" {
			hint = fmt.Sprintf("did you mean %q? ", n)
		}
		return fmt.Sprintf("there is no field %q", m[1]),
			hint + "account has " + strings.Join(fields(accountType), ", ") + "; hub has " + strings.Join(fields(hubType), ", ")
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

// names are all that an expression can begin with.
func names() []string {
	all := slices.Clone(variables)
	for _, f := range functions {
		all = append(all, f.name)
	}
	return append(all, "has", "size", "string", "int", "true", "false")
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

// failure makes an evaluation's error one with a place. A Lookup's error stays
// in the chain.
func (c *compiled) failure(err error, sc *Scope) error {
	d := diag.Diagnostic{Pos: c.start()}
	var node *types.Err
	if errors.As(err, &node) && node.NodeID() != 0 {
		d.Pos = c.pos(c.exprOffset(c.checked.SourceInfo(), node.NodeID()))
	}
	var m *missing
	if errors.As(err, &m) {
		d.Summary, d.Hint = m.summary, m.hint
	} else {
		d.Summary = fmt.Sprintf("%s (for account %s", err, sc.Account.Label())
		if sc.Region != "" {
			d.Summary += ", " + sc.Region
		}
		d.Summary += ")"
	}
	return &evalError{d, err}
}

// evalError is a diagnostic that keeps its cause.
type evalError struct {
	diag.Diagnostic
	cause error
}

func (e *evalError) Unwrap() []error { return []error{e.Diagnostic, e.cause} }
