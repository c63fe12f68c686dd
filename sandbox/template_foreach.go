package sandbox

import (
	"maps"
	"slices"
	"strings"
)

const forEach = "Fn::ForEach::"

// unrolled writes the loops of AWS::LanguageExtensions out, in place, wherever a
// map may have them: conditions, resources, properties, outputs. See "Fn::ForEach"
// in the Template Reference. Collections must be written out: what a parameter
// says isn't known here.
func unrolled(v any, room *int) (any, error) {
	switch x := v.(type) {
	case []any:
		for i := range x {
			c, err := unrolled(x[i], room)
			if err != nil {
				return nil, err
			}
			x[i] = c
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			if strings.HasPrefix(key, forEach) {
				made, err := loop(key, x[key], room)
				if err != nil {
					return nil, err
				}
				delete(x, key)
				for k, c := range made {
					if _, double := x[k]; double {
						return nil, invalid("Transform AWS::LanguageExtensions failed with: Found duplicate key: %s. (service: cloudformation)", k)
					}
					x[k] = c
				}
				continue
			}
			c, err := unrolled(x[key], room)
			if err != nil {
				return nil, err
			}
			x[key] = c
		}
	}
	return v, nil
}

// loop gives what one Fn::ForEach makes.
func loop(key string, arg any, room *int) (map[string]any, error) {
	args, ok := arg.([]any)
	malformed := invalid("Transform AWS::LanguageExtensions failed with: %s layout is incorrect", key)
	if !ok || len(args) != 3 || !alphanumeric.MatchString(strings.TrimPrefix(key, forEach)) {
		return nil, malformed
	}
	name, isText := args[0].(string)
	body, isMap := args[2].(map[string]any)
	if !isText || !isMap || !alphanumeric.MatchString(name) {
		return nil, malformed
	}
	collection, ok := args[1].([]any)
	if !ok {
		return nil, invalid("%s over anything but a list that is written out is not supported by this version of the sandbox", key)
	}
	out := map[string]any{}
	for _, item := range collection {
		if _, isText := item.(string); !isText && scalarText(item) == "" {
			return nil, malformed
		}
		if *room -= len(canonical(body)); *room < 0 {
			return nil, invalid("Transform AWS::LanguageExtensions failed with: the template is too large once its loops are written out")
		}
		made, err := unrolled(replaced(body, name, scalarText(item)), room)
		if err != nil {
			return nil, err
		}
		for k, v := range made.(map[string]any) {
			if _, double := out[k]; double {
				return nil, invalid("Transform AWS::LanguageExtensions failed with: Found duplicate key: %s. (service: cloudformation)", k)
			}
			out[k] = v
		}
	}
	return out, nil
}

// replaced copies v with a loop's variable replaced: ${X} by the item, &{X} by
// its letters and digits, and a Ref.
func replaced(v any, name, item string) any {
	switch x := v.(type) {
	case string:
		plain := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, item)
		return strings.NewReplacer("${"+name+"}", item, "&{"+name+"}", plain).Replace(x)
	case []any:
		out := make([]any, len(x))
		for i, c := range x {
			out[i] = replaced(c, name, item)
		}
		return out
	case map[string]any:
		if ref, ok := x["Ref"].(string); ok && len(x) == 1 && ref == name {
			return item
		}
		out := make(map[string]any, len(x))
		for k, c := range x {
			out[replaced(k, name, item).(string)] = replaced(c, name, item)
		}
		return out
	}
	return v
}
