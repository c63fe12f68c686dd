package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"axle/internal/late"
	"axle/sandbox/sam"
)

var (
	jsonNumber = late.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	yamlLine   = late.MustCompile(`line (\d+)`)
)

// templateValue reads a JSON or YAML body into map[string]any, []any, string,
// bool and json.Number, with the short forms of intrinsics spelled out.
func templateValue(body string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		v, err := jsonValue(body)
		if err == nil {
			return v, noNulls(v, "")
		}
		// YAML's flow style begins with a brace too.
		if v, yerr := yamlBody(body); yerr == nil {
			plain := sam.Plain(v)
			return plain, noNulls(plain, "")
		}
		return nil, err
	}
	v, err := yamlBody(body)
	if err != nil {
		return nil, err
	}
	plain := sam.Plain(v)
	return plain, noNulls(plain, "")
}

// orderedTemplate reads a body that templateValue has read, with its maps in
// the order of the text.
func orderedTemplate(body string) (*sam.Dict, error) {
	v, err := sam.ReadJSON([]byte(body))
	if err != nil {
		v, err = yamlBody(body)
	}
	d, ok := v.(*sam.Dict)
	if err == nil && !ok {
		err = invalid("Template format error: unsupported structure.")
	}
	return d, err
}

func jsonValue(body string) (any, error) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil {
		if _, extra := d.Token(); extra != io.EOF {
			err = errors.New("text after the template")
		}
	}
	if err != nil {
		read := body[:min(int(d.InputOffset()), len(body))]
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			read = body[:min(int(syntax.Offset), len(body))]
		}
		line := 1 + strings.Count(read, "\n")
		return nil, invalid("Template format error: JSON not well-formed. (line %d, column %d)", line, len(read)-strings.LastIndex(read, "\n"))
	}
	return v, nil
}

func yamlBody(body string) (any, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(body), &doc); err != nil {
		where := ""
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			where = " (line " + m[1] + ", column 1)"
		}
		return nil, invalid("Template format error: YAML not well-formed.%s", where)
	}
	if len(doc.Content) != 1 {
		return nil, invalid("Template format error: unsupported structure.")
	}
	return yamlValue(doc.Content[0])
}

func yamlValue(n *yaml.Node) (any, error) {
	var v any
	switch n.Kind {
	case yaml.AliasNode:
		return nil, invalid("Template error: YAML aliases are not allowed in CloudFormation templates")
	case yaml.MappingNode:
		m := sam.NewDict()
		for i := 0; i+1 < len(n.Content); i += 2 {
			val, err := yamlValue(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			if n.Content[i].Kind != yaml.ScalarNode {
				return nil, invalid("Template format error: unsupported structure.")
			}
			m.Set(n.Content[i].Value, val)
		}
		v = m
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			val, err := yamlValue(c)
			if err != nil {
				return nil, err
			}
			list = append(list, val)
		}
		v = list
	default:
		v = yamlScalar(n)
	}
	if !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return v, nil
	}
	return longForm(n, v)
}

// yamlScalar keeps the text as written; only what JSON knows too gets a type.
// Dates stay text, as CloudFormation has them.
func yamlScalar(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if jsonNumber.MatchString(n.Value) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// longForm turns !Sub and the like into {"Fn::Sub": ...}.
func longForm(n *yaml.Node, v any) (any, error) {
	name := n.Tag[1:]
	switch name {
	case "Ref", "Condition":
		return single(name, v), nil
	case "GetAtt":
		if s, ok := v.(string); ok {
			id, attr, _ := strings.Cut(s, ".")
			v = []any{id, attr}
		}
	case "Sub", "Join", "Select", "Split", "If", "Equals", "And", "Or", "Not", "FindInMap", "ImportValue", "Base64",
		"Cidr", "GetAZs", "Length", "ToJsonString", "Transform", "GetStackOutput", "ForEach",
		"Contains", "EachMemberEquals", "EachMemberIn", "RefAll", "ValueOf", "ValueOfAll":
	default:
		return nil, invalid("Template format error: YAML not well-formed. (line %d, column %d)", n.Line, n.Column)
	}
	return single("Fn::"+name, v), nil
}

func single(key string, v any) *sam.Dict {
	d := sam.NewDict()
	d.Set(key, v)
	return d
}

func noNulls(v any, path string) error {
	switch x := v.(type) {
	case nil:
		if path == "" {
			return invalid("Template format error: unsupported structure.")
		}
		return invalid("[%s] 'null' values are not allowed in templates", path)
	case map[string]any:
		for k, c := range x {
			if path == "" && c == nil && k != "Resources" {
				delete(x, k) // an empty section
				continue
			}
			if c == nil && strings.HasPrefix(path, "/Resources/") && strings.Count(path, "/") == 2 && k == "Properties" {
				delete(x, k)
				continue
			}
			if err := noNulls(c, path+"/"+k); err != nil {
				return err
			}
		}
	case []any:
		for i, c := range x {
			if err := noNulls(c, fmt.Sprintf("%s/%d", path, i)); err != nil {
				return err
			}
		}
	}
	return nil
}
