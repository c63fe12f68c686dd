// Package template reads CloudFormation and SAM text, YAML or JSON, with short
// and long intrinsics: parameters, outputs, exports, resources, conditions and
// references, each with its place. It finds mistakes of structure that AWS
// would refuse later, and says when a template's text alone can't prove that a
// stack is unchanged. It evaluates intrinsics as far as the place is known, and
// follows the template reference of the CloudFormation User Guide and the AWS SAM
// specification. It is pure. Of transforms it writes loops (Fn::ForEach) out and
// says what SAM makes, as far as permissions depend on it; it runs none, and it
// doesn't know resource types' schemas.
package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest template in bytes that CloudFormation takes, from S3.
const MaxSize = 1 << 20

// Template is what a template's text says.
type Template struct {
	File        string
	Digest      string // Digest of the body
	Body        []byte
	Description string
	Parameters  map[string]Parameter
	Outputs     map[string]Output
	Resources   map[string]Resource
	Conditions  map[string]diag.Pos
	Mappings    map[string]diag.Pos
	// Transforms are the names under Transform and Fn::Transform, in order.
	Transforms []string
	// References are the uses of names: Ref, GetAtt, Sub, DependsOn, conditions.
	References []Reference
	// Imports are the uses of Fn::ImportValue.
	Imports []Import

	root         *yaml.Node
	opaque       []string     // reasons, in order of appearance
	loops        bool         // a loop over what isn't known, or a macro among the resources
	openOutputs  bool         // a macro or loop may make outputs that the text doesn't show
	imports      []*yaml.Node // the arguments of Fn::ImportValue
	stackOutputs []*yaml.Node // and of Fn::GetStackOutput
}

// Nested is the template of a nested stack, with those that are nested in it by
// the logical ids of their stacks.
type Nested struct {
	Template *Template
	Inner    map[string]*Nested
}

// Output is one of a template's outputs.
type Output struct {
	Name string
	// Export is the name under which the value is exported: literal, or the
	// text of its intrinsic such as "!Sub ${AWS::StackName}-VpcId".
	Export    string
	Condition string
	Pos       diag.Pos
}

// Resource is one of a template's resources.
type Resource struct {
	Name, Type, Condition string
	DependsOn             []string
	// Digest is the same for two resources that say the same, whatever their
	// layout and comments.
	Digest string
	Pos    diag.Pos
}

// Reference is one use of a name.
type Reference struct {
	Kind string // Ref, GetAtt, Sub, DependsOn, Condition, FindInMap
	Name string // of the parameter, resource, condition or mapping
	Attr string // of GetAtt and of Sub's ${A.B}
	Pos  diag.Pos
}

// Import is one Fn::ImportValue: Name when it is literal, else the text of its
// intrinsic.
type Import struct {
	Name    string
	Literal bool
	Pos     diag.Pos
}

// Digest is the identity of a template's text: "sha256:" and hex.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Parse reads a template. What could be understood is returned even when there
// are mistakes; the template is never nil.
func Parse(file string, body []byte) (*Template, diag.List) {
	t := &Template{
		File: file, Digest: Digest(body), Body: body,
		Parameters: map[string]Parameter{}, Outputs: map[string]Output{}, Resources: map[string]Resource{},
		Conditions: map[string]diag.Pos{}, Mappings: map[string]diag.Pos{},
	}
	p := &parser{t: t, file: file}
	if len(body) > MaxSize {
		p.diags.Add(diag.Pos{File: file}, "split it into several stacks",
			"the template has %d bytes; CloudFormation takes at most %d", len(body), MaxSize)
		return t, p.diags
	}
	root, err := decode(body)
	if err != nil {
		p.syntax(err)
		return t, p.diags
	}
	t.root = root
	p.document(root)
	p.checkReferences()
	p.diags.Sort()
	return t, p.diags
}

// Readable says whether the text is YAML or JSON at all: of what isn't, nothing is
// known that the template has or hasn't.
func (t *Template) Readable() bool { return t.root != nil }

// decode makes nodes of YAML or JSON text.
func decode(body []byte) (*yaml.Node, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		if node, err := decodeJSON(body); err == nil || !yamlReads(body) {
			return node, err
		}
	}
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, errEmpty
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, err
	case len(second.Content) > 0 && second.Content[0].Tag != "!!null":
		return nil, &secondError{second.Content[0].Line, second.Content[0].Column}
	}
	return doc.Content[0], nil
}

// secondError is where a second document begins, of which CloudFormation takes
// one alone.
type secondError struct{ line, col int }

func (e *secondError) Error() string { return "the template has a second YAML document" }

// yamlReads says whether text that begins with a brace but isn't JSON is YAML
// in flow style.
func yamlReads(body []byte) bool {
	var doc yaml.Node
	return yaml.Unmarshal(body, &doc) == nil
}

var errEmpty = errors.New("the template is empty")

var yamlLine = late.MustCompile(`^yaml: (?:line (\d+): )?`)

func (p *parser) syntax(err error) {
	pos := diag.Pos{File: p.file}
	var at *jsonError
	if errors.As(err, &at) {
		pos.Line, pos.Col = at.line, at.col
		p.diags.Add(pos, "", "%s", at.Error())
		return
	}
	var second *secondError
	if errors.As(err, &second) {
		pos.Line, pos.Col = second.line, second.col
		p.diags.Add(pos, "put everything into one, and remove the ---", "%v", err)
		return
	}
	if errors.Is(err, errEmpty) {
		p.diags.Add(pos, "", "%v", err)
		return
	}
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		pos.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	hint := ""
	if strings.Contains(text, "cannot start any token") {
		hint = "indent with spaces, not with tabs"
	}
	if bytes.Contains(p.t.Body, []byte("\n<<<<<<< ")) {
		hint = "git has left its marks of a merge in it: take one side, and remove them"
	}
	p.diags.Add(pos, hint, "the template is not well-formed YAML: %s", text)
}

// Opaque says why equal text doesn't prove that a stack is unchanged; "" when
// it does.
func (t *Template) Opaque() string {
	if len(t.opaque) == 0 {
		return ""
	}
	return t.opaque[0]
}

// NoEcho names the parameters whose values are never shown, sorted.
func (t *Template) NoEcho() []string {
	var names []string
	for name, p := range t.Parameters {
		if p.NoEcho {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// CheckOutput reports that the template doesn't declare an output, with the
// nearest one as hint. Templates whose outputs are made by macros pass.
func (t *Template) CheckOutput(key string, at diag.Pos) diag.List {
	if _, ok := t.Outputs[key]; ok || t.openOutputs {
		return nil
	}
	names := sortedKeys(t.Outputs)
	hint := "the template has no outputs"
	if near := diag.Nearest(key, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) > 0 {
		hint = "its outputs are " + strings.Join(names, ", ")
	}
	var l diag.List
	l.Add(at, hint, "template %s declares no output %q", t.File, key)
	return l
}

// OutputNames are the names of the outputs, sorted; nil when macros may make some
// that the text doesn't show.
func (t *Template) OutputNames() []string {
	if t.openOutputs {
		return nil
	}
	return sortedKeys(t.Outputs)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
