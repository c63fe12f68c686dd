package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"axle/internal/late"
)

// parsePath reads a path such as $.detail.lines[0].sku into names and indexes;
// nil when it isn't one that EventBridge takes.
func parsePath(path string) []any {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil
	}
	steps := []any{}
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "."):
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				return nil
			}
			steps, rest = append(steps, rest[1:end+1]), rest[end+1:]
		case strings.HasPrefix(rest, "['"):
			name, after, ok := strings.Cut(rest[2:], "']")
			if !ok || name == "" {
				return nil
			}
			steps, rest = append(steps, name), after
		case strings.HasPrefix(rest, "["):
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !ok || err != nil || n < 0 {
				return nil
			}
			steps, rest = append(steps, n), after
		default:
			return nil
		}
	}
	return steps
}

// follow reads what a path leads to; there is false when nothing is there.
func follow(v any, steps []any) (found any, there bool) {
	for _, step := range steps {
		switch key := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if v, there = m[key]; !ok || !there {
				return nil, false
			}
		case int:
			list, ok := v.([]any)
			if !ok || key >= len(list) {
				return nil, false
			}
			v = list[key]
		}
	}
	return v, true
}

// ownPlaceholders are those that a template has without a path for them.
var ownPlaceholders = []string{"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time", "aws.events.event", "aws.events.event.json"}

var placeholder = late.MustCompile(`<([a-zA-Z0-9_.\-]+)>`)

// fillTemplate puts values, given as JSON, for the placeholders of a template:
// as they are, or within a string as its text.
func fillTemplate(template string, value func(name string) (string, bool)) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(template); i++ {
		ch := template[i]
		if ch == '<' {
			if m := placeholder.FindStringSubmatch(template[i:]); m != nil && strings.HasPrefix(template[i:], m[0]) {
				if v, ok := value(m[1]); ok {
					out.WriteString(inPlace(v, quoted))
					i += len(m[0]) - 1
					continue
				}
			}
		}
		if ch == '\\' && quoted && i+1 < len(template) {
			out.WriteByte(ch)
			i++
			ch = template[i]
		} else if ch == '"' {
			quoted = !quoted
		}
		out.WriteByte(ch)
	}
	return out.String()
}

// inPlace is a JSON value as it stands in a template.
func inPlace(value string, quoted bool) string {
	if !quoted {
		return value
	}
	var s string
	if json.Unmarshal([]byte(value), &s) != nil {
		s = value // an object or a number: its own text
	}
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b[1 : len(b)-1])
}

// checkTemplate refuses templates that don't come out as JSON: one document, or
// one in each line.
func checkTemplate(target, template string, paths map[string]string) error {
	unknown := ""
	sample := fillTemplate(template, func(name string) (string, bool) {
		if _, ok := paths[name]; !ok && !slices.Contains(ownPlaceholders, name) {
			unknown = name
		}
		return `"x"`, true
	})
	if unknown != "" {
		return invalidEvent("InputTemplate for target %s contains placeholder <%s>, which InputPathsMap doesn't have.", target, unknown)
	}
	if json.Valid([]byte(sample)) {
		return nil
	}
	for line := range strings.Lines(sample) {
		if !json.Valid([]byte(line)) {
			return invalidEvent("Invalid InputTemplate for target %s : it isn't JSON where its placeholders are filled.", target)
		}
	}
	return nil
}

// inputOf is what a target gets of an event: all of it, a part, a constant, or
// what a template makes of it.
func inputOf(t params, event []byte, rule, ruleName, at string) ([]byte, error) {
	if t.has("Input") {
		return []byte(t.str("Input")), nil
	}
	if !t.has("InputPath") && !t.has("InputTransformer") {
		return event, nil
	}
	doc, err := decodeEvent(event)
	if err != nil {
		return nil, err
	}
	if t.has("InputPath") {
		found, there := follow(doc, parsePath(t.str("InputPath")))
		if !there {
			return []byte("{}"), nil
		}
		return plainJSON(found)
	}
	paths := t.obj("InputTransformer").strMap("InputPathsMap")
	own := map[string]any{"aws.events.rule-arn": rule, "aws.events.rule-name": ruleName, "aws.events.event.ingestion-time": at,
		"aws.events.event": json.RawMessage(event), "aws.events.event.json": json.RawMessage(event)}
	return []byte(fillTemplate(t.obj("InputTransformer").str("InputTemplate"), func(name string) (string, bool) {
		found, there := own[name]
		if path, mapped := paths[name]; mapped {
			found, there = follow(doc, parsePath(path))
		}
		if !there {
			return `""`, true
		}
		b, err := plainJSON(found)
		return string(b), err == nil
	})), nil
}

// plainJSON is a value without the escapes for HTML that Go adds.
func plainJSON(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
