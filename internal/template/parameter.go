package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

// Parameter is one of a template's parameters. Limits that aren't set are nil.
type Parameter struct {
	Name, Type     string
	Description    string
	Default        *string
	Allowed        []string
	AllowedPattern string
	Constraint     string // ConstraintDescription: AWS's message when a value isn't allowed
	MinLength      *int
	MaxLength      *int
	MinValue       *float64
	MaxValue       *float64
	NoEcho         bool
	Pos            diag.Pos
}

var (
	parameterKeys = []string{"AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description",
		"MaxLength", "MaxValue", "MinLength", "MinValue", "NoEcho", "Type"}
	parameterTypes = []string{"String", "Number", "List<Number>", "CommaDelimitedList", "List<String>"}
	awsType        = late.MustCompile(`^(List<)?AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+(<.+>)?>?$`)
)

// SSM says whether the value is the name of an SSM parameter, which
// CloudFormation reads when it runs.
func (p Parameter) SSM() bool { return strings.HasPrefix(p.Type, "AWS::SSM::Parameter::Value<") }

// List says whether the value is a comma-separated list.
func (p Parameter) List() bool {
	return p.Type == "CommaDelimitedList" || strings.HasPrefix(p.Type, "List<")
}

func (p *parser) parameters(n *yaml.Node) {
	all := p.entries(n, "Parameters")
	if len(all) > maxParameters {
		p.diags.Add(p.pos(n), "", "the template has %d parameters; CloudFormation allows %d", len(all), maxParameters)
	}
	for _, e := range all {
		p.parameter(e)
	}
}

func (p *parser) parameter(e entry) {
	name := e.key.Value
	out := Parameter{Name: name, Pos: p.pos(e.key)}
	if !isLogicalID(name) {
		p.diags.Add(p.pos(e.key), "use letters and digits only", "parameter name %q is not alphanumeric", name)
	}
	var def *yaml.Node
	for _, f := range p.entries(e.value, "parameter "+name) {
		if f.value.Kind != yaml.ScalarNode && f.key.Value != "AllowedValues" {
			if f.value.Kind != yaml.AliasNode && slices.Contains(parameterKeys, f.key.Value) {
				p.diags.Add(p.pos(f.value), "", "%s of parameter %s must be a plain value", f.key.Value, name)
			}
			if !slices.Contains(parameterKeys, f.key.Value) {
				p.unknown(f.key, "attribute of parameter "+name, parameterKeys)
			}
			continue
		}
		if f.key.Value == "Default" {
			def = f.value
		}
		p.attribute(&out, f)
	}
	if e.value.Kind == yaml.MappingNode && out.Type == "" {
		p.diags.Add(p.pos(e.key), "such as Type: String", "parameter %s has no Type", name)
	}
	if def != nil && !out.SSM() {
		if err := out.Check(*out.Default); err != nil {
			p.diags.Add(p.pos(def), "", "the default of parameter %s: %v", name, err)
		}
	}
	if out.NoEcho {
		p.t.opaque = append(p.t.opaque, "NoEcho parameter "+name)
	}
	if out.SSM() {
		p.t.opaque = append(p.t.opaque, "parameter "+name+" is read from SSM")
	}
	p.t.Parameters[name] = out
}

func (p *parser) attribute(out *Parameter, f entry) {
	text := f.value.Value
	bad := func(want string) {
		p.diags.Add(p.pos(f.value), "", "%s of parameter %s must be %s, not %q", f.key.Value, out.Name, want, text)
	}
	switch f.key.Value {
	case "Type":
		out.Type = text
		if !slices.Contains(parameterTypes, text) && !awsType.MatchString(text) {
			hint := "the types are String, Number, CommaDelimitedList, List<Number> and AWS-specific ones"
			if near := diag.Nearest(text, parameterTypes); near != "" {
				hint = "did you mean " + near + "?"
			}
			p.diags.Add(p.pos(f.value), hint, "parameter %s has the unknown type %q", out.Name, text)
		}
	case "Default":
		out.Default = &text
	case "Description":
		out.Description = text
	case "ConstraintDescription":
		out.Constraint = text
	case "AllowedPattern":
		out.AllowedPattern = text
	case "AllowedValues":
		if f.value.Kind != yaml.SequenceNode {
			p.diags.Add(p.pos(f.value), "", "AllowedValues of parameter %s must be a list", out.Name)
			return
		}
		for _, v := range f.value.Content {
			out.Allowed = append(out.Allowed, v.Value)
		}
	case "NoEcho":
		switch strings.ToLower(text) {
		case "true", "yes":
			out.NoEcho = true
		case "false", "no":
		default:
			bad("true or false")
			out.NoEcho = true // in doubt it is a secret
		}
	case "MinLength", "MaxLength":
		n, err := strconv.Atoi(text)
		if err != nil {
			bad("a whole number")
		} else if f.key.Value == "MinLength" {
			out.MinLength = &n
		} else {
			out.MaxLength = &n
		}
	case "MinValue", "MaxValue":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			bad("a number")
		} else if f.key.Value == "MinValue" {
			out.MinValue = &n
		} else {
			out.MaxValue = &n
		}
	default:
		p.unknown(f.key, "attribute of parameter "+out.Name, parameterKeys)
	}
}

// Check says what is wrong with a value, as CloudFormation would; nil for
// nothing. The text of NoEcho values is not in the error.
func (p Parameter) Check(value string) error {
	if p.SSM() {
		if value == "" {
			return errors.New("it must be the name of an SSM parameter")
		}
		return nil
	}
	shown := strconv.Quote(value)
	if p.NoEcho {
		shown = "the value"
	}
	items := []string{value}
	if p.List() {
		items = strings.Split(value, ",")
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
	}
	// An allowed value of a list may be the whole of it. What lengths and patterns
	// are held against, the list or its items, isn't documented: left to AWS.
	limited := len(p.Allowed) > 0 && !slices.Contains(p.Allowed, value)
	for _, item := range items {
		if limited && !slices.Contains(p.Allowed, item) {
			return p.refuse("%s is not one of the allowed values %s", shown, strings.Join(p.Allowed, ", "))
		}
		if err := p.checkNumber(item, shown); err != nil {
			return err
		}
	}
	if p.List() {
		return nil
	}
	n := len([]rune(value))
	switch {
	case p.MinLength != nil && n < *p.MinLength:
		return p.refuse("%s is shorter than %d characters", shown, *p.MinLength)
	case p.MaxLength != nil && n > *p.MaxLength:
		return p.refuse("%s is longer than %d characters", shown, *p.MaxLength)
	}
	if p.AllowedPattern != "" {
		// A Java expression; what Go's engine doesn't know is left to AWS.
		if re, err := regexp.Compile(`^(?:` + p.AllowedPattern + `)$`); err == nil && !re.MatchString(value) {
			return p.refuse("%s doesn't match the allowed pattern %s", shown, p.AllowedPattern)
		}
	}
	return nil
}

func (p Parameter) checkNumber(item, shown string) error {
	if p.Type != "Number" && p.Type != "List<Number>" {
		return nil
	}
	n, err := strconv.ParseFloat(item, 64)
	switch {
	case err != nil:
		return p.refuse("%s is not a number", shown)
	case p.MinValue != nil && n < *p.MinValue:
		return p.refuse("%s is less than %v", shown, *p.MinValue)
	case p.MaxValue != nil && n > *p.MaxValue:
		return p.refuse("%s is more than %v", shown, *p.MaxValue)
	}
	return nil
}

func (p Parameter) refuse(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if p.Constraint != "" {
		return fmt.Errorf("%w (%s)", err, p.Constraint)
	}
	return err
}

// Given is a parameter as a user sets it. Known is false when its value comes
// only during the run.
type Given struct {
	Name     string
	Value    string
	Known    bool
	Pos      diag.Pos // of the name
	ValuePos diag.Pos
}

// CheckParameters compares what is given with what is declared: unknown names,
// values that aren't allowed, and required parameters that nobody sets. at is
// where the latter are reported.
func (t *Template) CheckParameters(given []Given, at diag.Pos) diag.List {
	var l diag.List
	names := sortedKeys(t.Parameters)
	set := map[string]bool{}
	for _, g := range given {
		set[g.Name] = true
		p, ok := t.Parameters[g.Name]
		if !ok {
			hint := "the template has no parameters"
			if near := diag.Nearest(g.Name, names); near != "" {
				hint = "did you mean " + near + "?"
			} else if len(names) > 0 {
				hint = "its parameters are " + strings.Join(names, ", ")
			}
			l.Add(g.Pos, hint, "template %s has no parameter %q", t.File, g.Name)
			continue
		}
		if g.Known {
			if err := p.Check(g.Value); err != nil {
				l.Add(g.ValuePos, "", "parameter %s: %v", g.Name, err)
			}
		}
	}
	for _, name := range names {
		if p := t.Parameters[name]; !set[name] && p.Default == nil && !p.NoEcho {
			l.Add(at, "set it under parameters, or give it a default in "+p.Pos.String(),
				"template %s needs parameter %s, which is not set", t.File, name)
		}
	}
	return l
}

// Defaults are the values of the parameters that given doesn't name and that
// have one.
func (t *Template) Defaults(given map[string]bool) map[string]string {
	out := map[string]string{}
	for name, p := range t.Parameters {
		if p.Default != nil && !given[name] {
			out[name] = *p.Default
		}
	}
	return out
}
