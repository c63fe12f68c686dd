package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// evaluation gives template values for one stack. What depends on a resource
// that doesn't exist yet is unknown, when the lookups say so.
type evaluation struct {
	t       *template
	params  map[string]any // string or []any, with SSM types resolved
	pseudo  map[string]any
	conds   map[string]bool
	ref     func(id string) (any, error)       // of a resource: its Ref, or unknown{}
	attr    func(id, name string) (any, error) // its attribute, or unknown{}
	export  func(name string) (any, error)     // Fn::ImportValue
	zones   func(region string) ([]any, error) // Fn::GetAZs
	other   func(outputOf) (string, error)     // Fn::GetStackOutput
	block   string                             // for messages: Resources, Outputs
	seen    func(reference)                    // told of every reference followed; may be nil
	imports map[string]bool                    // names given to Fn::ImportValue
	read    map[outputOf]string                // outputs of other stacks that were read
}

// unknown stands for what only the operation will tell. noValue is AWS::NoValue.
type (
	unknown struct{}
	noValue struct{}
)

// isUnknown says whether any part of v is unknown.
func isUnknown(v any) bool {
	switch x := v.(type) {
	case unknown:
		return true
	case []any:
		return slices.ContainsFunc(x, isUnknown)
	case map[string]any:
		for _, c := range x {
			if isUnknown(c) {
				return true
			}
		}
	}
	return false
}

// value evaluates v. Scalars keep their type; asText settles them.
func (e *evaluation) value(v any) (any, error) {
	switch x := v.(type) {
	case []any:
		out := make([]any, 0, len(x))
		for _, c := range x {
			val, err := e.value(c)
			if err != nil {
				return nil, err
			}
			if _, none := val.(noValue); !none {
				out = append(out, val)
			}
		}
		return out, nil
	case map[string]any:
		if len(x) == 1 {
			for k, arg := range x {
				if k == "Ref" || k == "Condition" && e.isCondition(arg) || strings.HasPrefix(k, "Fn::") {
					return e.intrinsic(k, arg)
				}
			}
		}
		out := make(map[string]any, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			val, err := e.value(x[k])
			if err != nil {
				return nil, err
			}
			if _, none := val.(noValue); !none {
				out[k] = val
			}
		}
		return out, nil
	}
	return v, nil
}

// isCondition tells {"Condition": "Name"} from a policy statement's Condition.
func (e *evaluation) isCondition(arg any) bool {
	name, ok := arg.(string)
	_, known := e.t.conditions[name]
	return ok && known
}

// asText turns all scalars into text, as CloudFormation hands them to services.
func asText(v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, c := range x {
			out[i] = asText(c)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, c := range x {
			out[k] = asText(c)
		}
		return out
	case unknown:
		return x
	}
	return scalarText(v)
}

func (e *evaluation) intrinsic(name string, arg any) (any, error) {
	switch name {
	case "Ref":
		s, ok := arg.(string)
		if !ok {
			return nil, invalid("Template error: every Ref object must have a single String value.")
		}
		return e.reference(s)
	case "Condition":
		return e.condition(arg.(string))
	case "Fn::GetAtt":
		return e.getAtt(arg)
	case "Fn::Sub":
		return e.sub(arg)
	case "Fn::If":
		return e.fnIf(arg)
	case "Fn::FindInMap":
		return e.findInMap(arg)
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return e.logic(name, arg)
	case "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Cidr":
		return e.listFunction(name, arg)
	case "Fn::ImportValue", "Fn::Base64", "Fn::GetAZs":
		return e.textFunction(name, arg)
	case "Fn::GetStackOutput":
		return e.stackOutput(arg)
	case "Fn::Length", "Fn::ToJsonString":
		return e.extension(name, arg)
	case "Fn::Transform":
		return nil, invalid("Fn::Transform (%s) is not supported by this version of the sandbox", canonical(arg))
	}
	return nil, invalid("Template error: %s is not supported by this version of the sandbox", name)
}

func (e *evaluation) reference(name string) (any, error) {
	if e.seen != nil {
		e.seen(reference{name: name})
	}
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := e.pseudo[name]; ok {
		return v, nil
	}
	if v, ok := e.params[name]; ok {
		return v, nil
	}
	return e.ref(name)
}

func (e *evaluation) getAtt(arg any) (any, error) {
	id, attr := getAttParts(arg)
	if list, ok := arg.([]any); ok && len(list) == 2 && attr == "" {
		v, err := e.value(list[1])
		if err != nil {
			return nil, err
		}
		attr = scalarText(v)
	}
	if id == "" || attr == "" {
		return nil, invalid("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	if e.seen != nil {
		e.seen(reference{id, attr})
	}
	return e.attr(id, attr)
}

// subArguments reads Fn::Sub's text and its own variables, evaluated.
func (e *evaluation) subArguments(arg any) (format string, vars map[string]any, err error) {
	const want = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"
	if text, ok := arg.(string); ok {
		return text, nil, nil
	}
	list, _ := arg.([]any)
	if len(list) != 2 {
		return "", nil, invalid(want)
	}
	format, isText := list[0].(string)
	given, isMap := list[1].(map[string]any)
	if !isText || !isMap {
		return "", nil, invalid(want)
	}
	vars = make(map[string]any, len(given))
	for k, v := range given {
		if vars[k], err = e.value(v); err != nil {
			return "", nil, err
		}
	}
	return format, vars, nil
}

func (e *evaluation) sub(arg any) (any, error) {
	format, vars, err := e.subArguments(arg)
	if err != nil {
		return nil, err
	}
	var failed error
	dark := false
	out := subPart.ReplaceAllStringFunc(format, func(m string) string {
		name := strings.TrimSpace(m[2 : len(m)-1])
		if strings.HasPrefix(name, "!") { // ${!Text} stands for ${Text}; what a variable holds stays as it is
			return "${" + name[1:] + "}"
		}
		if name == "" {
			failed = invalid("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
			return ""
		}
		v, own := vars[name]
		var err error
		if !own {
			if id, attr, dotted := strings.Cut(name, "."); dotted && !isPseudo(name) {
				v, err = e.getAtt([]any{id, attr})
			} else {
				v, err = e.reference(name)
			}
		}
		dark = dark || isUnknown(v)
		switch list := v.(type) {
		case []any:
			return joinText(list, ",")
		case map[string]any:
			err = invalid("Template error: variable %s in Fn::Sub expression does not resolve to a string", name)
		case noValue:
			return ""
		}
		if err != nil && failed == nil {
			failed = err
		}
		return scalarText(v)
	})
	if failed != nil {
		return nil, failed
	}
	if dark {
		return unknown{}, nil
	}
	return out, nil
}

func joinText(list []any, sep string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = scalarText(v)
	}
	return strings.Join(parts, sep)
}

func (e *evaluation) fnIf(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 3 {
		return nil, invalid("Template error: Fn::If requires a list argument with three elements")
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, invalid("Template error: Fn::If requires a condition name as its first argument")
	}
	holds, err := e.condition(name)
	if err != nil {
		return nil, err
	}
	if holds {
		return e.value(list[1])
	}
	return e.value(list[2])
}

// condition gives a named condition, each evaluated once.
func (e *evaluation) condition(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	if v, ok := e.conds[name]; ok {
		return v, nil
	}
	def, ok := e.t.conditions[name]
	if !ok {
		return false, invalid("Template format error: Unresolved condition dependency %s in the %s block of the template", name, e.block)
	}
	v, err := e.value(def)
	if err != nil {
		return false, err
	}
	holds, err := truth(v)
	if err != nil {
		return false, err
	}
	put(&e.conds, name, holds)
	return holds, nil
}

func truth(v any) (bool, error) {
	switch x := v.(type) {
	case bool:
		return x, nil
	case string:
		if b, err := strconv.ParseBool(x); err == nil {
			return b, nil
		}
	}
	return false, invalid("Template error: Every Condition member must evaluate to a boolean.")
}

func (e *evaluation) logic(name string, arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok {
		return nil, invalid("Template error: %s requires a list argument", name)
	}
	switch n := len(list); {
	case name == "Fn::Equals" && n != 2:
		return nil, invalid("Template error: Fn::Equals requires a list argument with two elements")
	case name == "Fn::Not" && n != 1:
		return nil, invalid("Template error: Fn::Not requires a list argument with one element")
	case (name == "Fn::And" || name == "Fn::Or") && (n < 2 || n > 10):
		return nil, invalid("Template error: every %s object requires a list of at least 2 and at most 10 boolean parameters.", name)
	}
	vals := make([]any, len(list))
	for i, a := range list {
		v, err := e.value(a)
		if err != nil {
			return nil, err
		}
		vals[i] = v
	}
	if name == "Fn::Equals" {
		return canonical(asText(vals[0])) == canonical(asText(vals[1])), nil
	}
	all, some := true, false
	for _, v := range vals {
		b, err := truth(v)
		if err != nil {
			return nil, err
		}
		all, some = all && b, some || b
	}
	switch name {
	case "Fn::And":
		return all, nil
	case "Fn::Or":
		return some, nil
	}
	return !all, nil
}

// canonical is a value as JSON with sorted keys: equal values, equal text. It
// keeps <, > and &, as CloudFormation does.
func canonical(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (e *evaluation) findInMap(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) < 3 || len(list) > 4 {
		return nil, invalid("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	keys := make([]string, 3)
	for i := range keys {
		v, err := e.value(list[i])
		if err != nil {
			return nil, err
		}
		keys[i] = scalarText(v)
	}
	m, ok := e.t.mappings[keys[0]].(map[string]any)
	if ok {
		if inner, ok := m[keys[1]].(map[string]any); ok {
			if v, ok := inner[keys[2]]; ok {
				return e.value(v)
			}
		}
	}
	if len(list) == 4 && e.t.has(languageExtensions) {
		if def, isMap := list[3].(map[string]any); isMap {
			if v, has := def["DefaultValue"]; has {
				return e.value(v)
			}
		}
	}
	if !ok {
		return nil, invalid("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", keys[0])
	}
	return nil, invalid("Template error: Unable to get mapping for %s", strings.Join(keys, "::"))
}

// textFunction serves the intrinsics of one string.
func (e *evaluation) textFunction(name string, arg any) (any, error) {
	v, err := e.value(arg)
	if err != nil || isUnknown(v) {
		return v, err
	}
	switch v.(type) {
	case []any, map[string]any:
		return nil, invalid("Template error: every %s object must have a String-typed value.", name)
	}
	text := scalarText(v)
	switch name {
	case "Fn::Base64":
		return base64.StdEncoding.EncodeToString([]byte(text)), nil
	case "Fn::GetAZs":
		if text == "" {
			text = scalarText(e.pseudo["AWS::Region"])
		}
		zones, err := e.zones(text)
		return zones, err
	}
	put(&e.imports, text, true)
	return e.export(text)
}

// extension serves what AWS::LanguageExtensions adds.
func (e *evaluation) extension(name string, arg any) (any, error) {
	if !e.t.has(languageExtensions) {
		return nil, invalid("Template error: intrinsic function %s is only supported with the AWS::LanguageExtensions transform", name)
	}
	v, err := e.value(arg)
	if err != nil {
		return nil, err
	}
	if name == "Fn::ToJsonString" {
		if isUnknown(v) {
			return unknown{}, nil
		}
		return canonical(v), nil
	}
	if _, dark := v.(unknown); dark {
		return v, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, invalid("Template error: Fn::Length requires a list")
	}
	return json.Number(strconv.Itoa(len(list))), nil
}
