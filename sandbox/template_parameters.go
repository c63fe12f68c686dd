package sandbox

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type templateParameter struct {
	name, typ, description, constraint string
	def                                *string
	allowed                            []string
	pattern                            *regexp.Regexp
	patternText                        string
	minLength, maxLength               *int
	minValue, maxValue                 *float64
	noEcho                             bool
}

const ssmValue = "AWS::SSM::Parameter::Value<"

// list says whether Ref gives a list.
func (p *templateParameter) list() bool {
	inner := strings.TrimSuffix(strings.TrimPrefix(p.typ, ssmValue), ">")
	return inner == "CommaDelimitedList" || strings.HasPrefix(inner, "List<")
}

// fromSSM says whether the value given is the name of an SSM parameter.
func (p *templateParameter) fromSSM() bool { return strings.HasPrefix(p.typ, ssmValue) }

func validParameterType(typ string) bool {
	switch typ {
	case "String", "Number", "CommaDelimitedList", "List<Number>", "List<String>", "AWS::SSM::Parameter::Name",
		"AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id", "AWS::EC2::Instance::Id", "AWS::EC2::KeyPair::KeyName",
		"AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id", "AWS::EC2::Subnet::Id", "AWS::EC2::Volume::Id",
		"AWS::EC2::VPC::Id", "AWS::Route53::HostedZone::Id":
		return true
	}
	if inner, ok := strings.CutPrefix(typ, ssmValue); ok && strings.HasSuffix(inner, ">") {
		return validParameterType(strings.TrimSuffix(inner, ">"))
	}
	if inner, ok := strings.CutPrefix(typ, "List<"); ok && strings.HasSuffix(inner, ">") {
		return strings.HasPrefix(inner, "AWS::") && validParameterType(strings.TrimSuffix(inner, ">"))
	}
	return false
}

func (t *template) readParameter(name string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return invalid("Template format error: Every Parameters object must contain a Type member.")
	}
	if !alphanumeric.MatchString(name) {
		return invalid("Template format error: Parameter name %s is non alphanumeric.", name)
	}
	p := &templateParameter{name: name}
	for k, val := range m {
		if err := p.read(k, val); err != nil {
			return err
		}
	}
	if p.typ == "" {
		return invalid("Template format error: Every Parameters object must contain a Type member.")
	}
	if !validParameterType(p.typ) {
		return invalid("Template format error: Unrecognized parameter type: %s", p.typ)
	}
	if p.def != nil && !p.fromSSM() {
		if err := p.check(*p.def); err != nil {
			return err
		}
	}
	put(&t.parameters, name, p)
	return nil
}

func (p *templateParameter) read(key string, v any) error {
	text := scalarText(v)
	bad := func() error {
		return invalid("Template format error: %s of parameter %s is malformed: %s", key, p.name, text)
	}
	var err error
	switch key {
	case "Type":
		p.typ = text
	case "Description":
		p.description = text
	case "ConstraintDescription":
		p.constraint = text
	case "Default":
		switch v.(type) {
		case []any, map[string]any:
			return invalid("Template format error: Every Default member must be a string.")
		}
		p.def = &text
	case "NoEcho":
		p.noEcho = strings.EqualFold(text, "true")
	case "AllowedValues":
		items, ok := v.([]any)
		if !ok {
			return bad()
		}
		for _, i := range items {
			p.allowed = append(p.allowed, scalarText(i))
		}
	case "AllowedPattern":
		p.patternText = text
		if p.pattern, err = regexp.Compile("^(?:" + text + ")$"); err != nil {
			p.pattern = nil // Java's lookarounds: Go has none, so such a pattern isn't checked
		}
	case "MinLength", "MaxLength":
		n, err := strconv.Atoi(text)
		if err != nil {
			return bad()
		}
		if key == "MinLength" {
			p.minLength = &n
		} else {
			p.maxLength = &n
		}
	case "MinValue", "MaxValue":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad()
		}
		if key == "MinValue" {
			p.minValue = &n
		} else {
			p.maxValue = &n
		}
	default:
		return invalid("Invalid template parameter property '%s'", key)
	}
	return nil
}

// check holds a value against the parameter's constraints.
func (p *templateParameter) check(value string) error {
	items := []string{value}
	if p.list() {
		items = strings.Split(value, ",")
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
	}
	for _, item := range items {
		if why := p.violation(item); why != "" {
			if p.constraint != "" && !strings.HasSuffix(why, "must be a number") {
				return invalid("Parameter %s failed to satisfy constraint: %s", p.name, p.constraint)
			}
			return invalid("Parameter '%s' %s", p.name, why)
		}
	}
	return nil
}

func (p *templateParameter) violation(item string) string {
	if strings.Contains(p.typ, "Number") {
		n, err := strconv.ParseFloat(strings.TrimSpace(item), 64)
		switch {
		case err != nil:
			return "must be a number"
		case p.minValue != nil && n < *p.minValue:
			return "must be a number not less than " + strconv.FormatFloat(*p.minValue, 'f', -1, 64)
		case p.maxValue != nil && n > *p.maxValue:
			return "must be a number not greater than " + strconv.FormatFloat(*p.maxValue, 'f', -1, 64)
		}
	}
	switch {
	case len(p.allowed) > 0 && !slices.Contains(p.allowed, item):
		return "must be one of AllowedValues"
	case p.pattern != nil && !p.pattern.MatchString(item):
		return "must match pattern " + p.patternText
	case p.minLength != nil && len(item) < *p.minLength:
		return "must contain at least " + strconv.Itoa(*p.minLength) + " characters"
	case p.maxLength != nil && len(item) > *p.maxLength:
		return "must contain at most " + strconv.Itoa(*p.maxLength) + " characters"
	}
	return ""
}

// stackParameter is a stack's value of a parameter.
type stackParameter struct {
	Value    string `json:"value"`
	Resolved string `json:"resolved,omitempty"` // of an SSM type
	Default  bool   `json:"default,omitempty"`  // nobody gave it: the template's
}

// parametersFor settles the values of a template's parameters from what the
// caller gave ({ParameterKey, ParameterValue, UsePreviousValue}) and what the
// stack had. SSM types aren't resolved yet.
func (t *template) parametersFor(given []params, previous map[string]stackParameter) (map[string]stackParameter, error) {
	out := map[string]stackParameter{}
	var strange, missing []string
	if key, twice := duplicate(given, "ParameterKey"); twice {
		return nil, invalid("Duplicate parameter key: %s", key) // AWS's own words aren't published
	}
	for _, g := range given {
		key := g.str("ParameterKey")
		p := t.parameters[key]
		switch {
		case p == nil:
			strange = append(strange, key)
		case g.bool("UsePreviousValue"):
			if g.has("ParameterValue") {
				return nil, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true and non empty value for a parameter", key)
			}
			old, ok := previous[key]
			if !ok {
				return nil, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", key)
			}
			out[key] = stackParameter{Value: old.Value}
		case !g.has("ParameterValue"):
			return nil, invalid("Invalid input for parameter key %s. Either specify usePreviousValue as true or provide a value", key)
		default:
			out[key] = stackParameter{Value: g.str("ParameterValue")}
		}
	}
	if len(strange) > 0 {
		slices.Sort(strange)
		return nil, invalid("Parameters: [%s] do not exist in the template", strings.Join(strange, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		p := t.parameters[name]
		v, ok := out[name]
		if !ok {
			if p.def == nil {
				missing = append(missing, name)
				continue
			}
			v = stackParameter{Value: *p.def, Default: true}
			out[name] = v
		}
		if p.fromSSM() || v.Default {
			continue
		}
		if err := p.check(v.Value); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, invalid("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	return out, nil
}

// value is what Ref gives.
func (p *templateParameter) value(v stackParameter) any {
	text := v.Value
	if p.fromSSM() {
		text = v.Resolved
	}
	if !p.list() {
		return text
	}
	if text == "" {
		return []any{}
	}
	var out []any
	for _, item := range strings.Split(text, ",") {
		out = append(out, strings.TrimSpace(item))
	}
	return out
}

// parameterValues are the values that an evaluation takes.
func (t *template) parameterValues(given map[string]stackParameter) map[string]any {
	out := make(map[string]any, len(t.parameters))
	for name, p := range t.parameters {
		out[name] = p.value(given[name])
	}
	return out
}
