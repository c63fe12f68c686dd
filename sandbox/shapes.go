package sandbox

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// shapesText is the types of the members of requests, made from AWS's service
// models by testdata/conformance/shapes.py: a line "service NAME", then one for
// each operation ("=CreateAccount Email=s") and each structure ("Tag Key=s"). A
// type is s (text or bytes), i, l or f (a number), b, t (a time), * (anything),
// the name of a structure, or a list "[" or a map "{" of a type. Of requests that
// are forms it has only what is a number or a boolean, and what leads to one.
//
//go:embed shapes.txt
var shapesText string

// shape is the types of a structure's members.
type shape map[string]string

// inputShapes are the structures by service and name; an operation's input has a "="
// before its name.
var inputShapes = sync.OnceValue(func() map[string]map[string]shape { return readShapes(shapesText) })

func readShapes(text string) map[string]map[string]shape {
	out, of := map[string]map[string]shape{}, map[string]shape{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if f[0] == "service" {
			of = map[string]shape{}
			out[f[1]] = of
			continue
		}
		members := shape{}
		for _, m := range f[1:] {
			name, kind, _ := strings.Cut(m, "=")
			members[name] = kind
		}
		of[f[0]] = members
	}
	return out
}

// checkShapes refuses a request with a member of another type than the service's
// model has, as AWS does before it looks at anything else. What the model doesn't
// know is passed over, as AWS does too.
func checkShapes(svc service, op string, in params) *apiError {
	of := inputShapes()[svc.name]
	for _, name := range sortedKeys(in) {
		if why := misfit(of, svc, of["="+op][name], in[name]); why != "" {
			return fail("SerializationException", "%s", why)
		}
	}
	return nil
}

// misfit says, in the words of AWS's own parser, why a value isn't of a type.
func misfit(of map[string]shape, svc service, kind string, v any) string {
	if kind == "" || kind == "*" || v == nil {
		return ""
	}
	switch x := v.(type) {
	case map[string]any:
		members, structure := of[kind]
		if !structure && kind[0] != '{' {
			return "Start of structure or map found where not expected."
		}
		for _, name := range sortedKeys(x) {
			inner := members[name]
			if !structure {
				inner = kind[1:]
			}
			if why := misfit(of, svc, inner, x[name]); why != "" {
				return why
			}
		}
		return ""
	case []any:
		if kind[0] != '[' {
			return "Start of list found where not expected"
		}
		for _, e := range x {
			if why := misfit(of, svc, kind[1:], e); why != "" {
				return why
			}
		}
		return ""
	}
	switch {
	case kind[0] == '[':
		return "Expected list or null"
	case kind[0] == '{' || len(kind) > 1:
		return "Expected null"
	}
	return misfitScalar(svc, kind, v)
}

// misfitScalar is misfit for text, numbers and booleans.
func misfitScalar(svc service, kind string, v any) string {
	is := "STRING_VALUE"
	switch x := v.(type) {
	case json.Number:
		if strings.Contains("ilft", kind) {
			return ""
		}
		is = "NUMBER_VALUE"
	case bool:
		if kind == "b" {
			return ""
		}
		is = strings.ToUpper(strconv.FormatBool(x)) + "_VALUE"
	case string:
		_, number := strconv.ParseFloat(x, 64)
		_, yes := strconv.ParseBool(x)
		switch {
		case kind == "s" || kind == "t", kind == "b" && yes == nil:
			return ""
		case number == nil && (svc.name == "sqs" || kind == "f" && slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, x)): // SQS takes numbers as text, too
			return ""
		}
	}
	names := map[string]string{"s": "a String", "i": "an Integer", "l": "a Long", "f": "a Double", "b": "a Boolean", "t": "milliseconds since epoch"}
	return is + " can not be converted to " + names[kind]
}

// checkForm refuses a form that has another text where the service's model has a
// number or a boolean, as AWS does before it looks at anything else.
func checkForm(svc service, op string, in params) *apiError {
	of := inputShapes()[svc.name]
	for _, name := range sortedKeys(in) {
		if err := misread(of, svc, of["="+op][name], name, in[name]); err != nil {
			return err
		}
	}
	return nil
}

func misread(of map[string]shape, svc service, kind, name string, v any) *apiError {
	if kind == "" {
		return nil
	}
	switch x := v.(type) {
	case map[string]any:
		for _, member := range sortedKeys(x) {
			inner := of[kind][member]
			if kind[0] == '{' {
				inner = kind[1:]
			}
			if err := misread(of, svc, inner, member, x[member]); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range x {
			if err := misread(of, svc, strings.TrimPrefix(kind, "["), name, e); err != nil {
				return err
			}
		}
	case string:
		return misreadText(svc, kind, name, x)
	}
	return nil
}

// misreadText is misread for a text. EC2 has words of its own.
func misreadText(svc service, kind, name, text string) *apiError {
	var err error
	why := "Invalid Argument"
	switch kind {
	case "i":
		_, err = strconv.ParseInt(text, 10, 32)
	case "l":
		_, err = strconv.ParseInt(text, 10, 64)
	case "f":
		_, err = strconv.ParseFloat(text, 64)
	case "b":
		if why = "boolean must follow xsd1.1 definition"; text == "" {
			why = "missing value for boolean type"
		}
		if _, err = strconv.ParseBool(text); svc.protocol != ec2Protocol && !slices.Contains([]string{"true", "false", "1", "0"}, text) {
			err = strconv.ErrSyntax
		}
	}
	switch {
	case err == nil:
		return nil
	case svc.protocol == ec2Protocol:
		return fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", text, name)
	}
	return fail("MalformedInput", "%s", why)
}
