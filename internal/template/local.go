package template

import (
	"slices"
	"strings"

	"axle/internal/diag"

	"go.yaml.in/yaml/v3"
)

// Form is how a property names an object in S3.
type Form int

// The forms. Those at home take no intrinsics: they name one region's bucket.
const (
	FormS3      Form = iota // {S3Bucket: ..., S3Key: ...}
	FormBucket              // {Bucket: ..., Key: ...}
	FormURI                 // s3://bucket/key
	FormURL                 // https://..., of a nested template
	FormHomeURI             // s3://bucket/key
	FormHomeURL             // https://..., of a nested template
)

// Content is what a local path stands for.
type Content int

// The contents.
const (
	ContentFile   Content = iota // one file, as it is
	ContentZip                   // a folder or a file, zipped; an archive as it is
	ContentCode                  // the same, of a Lambda function or layer
	ContentNested                // a template
)

// Local is a property whose value is a path of this machine, in the place of an
// object in S3: what `aws cloudformation package` uploads.
type Local struct {
	// Resource is the logical id; "Globals" in SAM's section of that name, and ""
	// for a transform.
	Resource, Type, Property string
	// Path as written: relative to the template's folder, or absolute.
	Path    string
	Form    Form
	Content Content
	// Early: CloudFormation reads it when a change set is worked out, rather
	// than when it is executed.
	Early bool
	// Functions are what is known of the Lambda functions that have this code;
	// none when it isn't a function's.
	Functions []Function
	Pos       diag.Pos

	node *yaml.Node
}

// Function is what decides how a function's code is built.
type Function struct {
	Resource     string
	Runtime      string // "" when it isn't said literally
	Architecture string // x86_64, arm64; "" when it isn't said literally
	BuildMethod  string // of sam build, from the metadata
}

// localProperty is one property of a resource type that may have a path. The
// parts of its name are divided by dots; a * is any name.
type localProperty struct {
	name    string
	form    Form
	content Content
}

var (
	mappingTemplates = []localProperty{{"RequestMappingTemplateS3Location", FormURI, ContentFile},
		{"ResponseMappingTemplateS3Location", FormURI, ContentFile}, {"CodeS3Location", FormURI, ContentFile}}
	// localProperties is the list of `aws cloudformation package` (AWS CLI Command
	// Reference), with what SAM has beside it.
	localProperties = map[string][]localProperty{
		"AWS::ApiGateway::RestApi":                  {{"BodyS3Location", FormBucket, ContentFile}},
		"AWS::AppSync::FunctionConfiguration":       mappingTemplates,
		"AWS::AppSync::GraphQLSchema":               {{"DefinitionS3Location", FormURI, ContentFile}},
		"AWS::AppSync::Resolver":                    mappingTemplates,
		"AWS::CloudFormation::ModuleVersion":        {{"ModulePackage", FormURI, ContentZip}},
		"AWS::CloudFormation::ResourceVersion":      {{"SchemaHandlerPackage", FormURI, ContentZip}},
		"AWS::CloudFormation::Stack":                {{"TemplateURL", FormURL, ContentNested}},
		"AWS::CloudFormation::StackSet":             {{"TemplateURL", FormURL, ContentNested}},
		"AWS::CodeCommit::Repository":               {{"Code.S3", FormBucket, ContentZip}},
		"AWS::ElasticBeanstalk::ApplicationVersion": {{"SourceBundle", FormS3, ContentZip}},
		"AWS::Glue::Job":                            {{"Command.ScriptLocation", FormURI, ContentFile}},
		"AWS::Lambda::Function":                     {{"Code", FormS3, ContentCode}},
		"AWS::Lambda::LayerVersion":                 {{"Content", FormS3, ContentCode}},
		"AWS::Serverless::Api":                      {{"DefinitionUri", FormBucket, ContentFile}},
		"AWS::Serverless::Application":              {{"Location", FormHomeURL, ContentNested}},
		"AWS::Serverless::Function":                 {{"CodeUri", FormBucket, ContentCode}},
		"AWS::Serverless::GraphQLApi": {{"SchemaUri", FormURI, ContentFile}, {"Functions.*.CodeUri", FormURI, ContentFile},
			{"Resolvers.*.*.CodeUri", FormURI, ContentFile}},
		"AWS::Serverless::HttpApi":         {{"DefinitionUri", FormBucket, ContentFile}},
		"AWS::Serverless::LayerVersion":    {{"ContentUri", FormBucket, ContentCode}},
		"AWS::Serverless::StateMachine":    {{"DefinitionUri", FormBucket, ContentFile}},
		"AWS::StepFunctions::StateMachine": {{"DefinitionS3Location", FormBucket, ContentFile}},
	}
	// globalProperties are those of SAM's Globals section, for the resources that
	// don't say it themselves.
	globalProperties = map[string]string{"Function": "AWS::Serverless::Function", "Api": "AWS::Serverless::Api"}
)

// Locals finds the local paths of a template, in the order of its text. Inline
// code, places in S3 and values of intrinsics are none.
func (t *Template) Locals() []Local {
	if t.root == nil {
		return nil
	}
	f := &localFinder{t: t, globals: valueOf(t.root, "Globals")}
	f.resources(valueOf(t.root, "Resources"))
	f.global()
	f.includes(t.root, 0, true)
	slices.SortStableFunc(f.found, func(a, b Local) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return f.found
}

type localFinder struct {
	t       *Template
	globals *yaml.Node
	found   []Local
	// inherit are the functions that take their code from Globals.
	inherit []Function
}

// valueOf is a key's value in a mapping; nil when there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var found *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			found = n.Content[i+1] // of doubles the last counts
		}
	}
	return found
}

// resources looks at each, also at those that a loop makes.
func (f *localFinder) resources(n *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, r := n.Content[i].Value, n.Content[i+1]
		if strings.HasPrefix(name, "Fn::ForEach::") && r.Kind == yaml.SequenceNode && len(r.Content) == 3 {
			f.resources(r.Content[2])
			continue
		}
		kind := valueOf(r, "Type")
		if kind == nil {
			continue
		}
		for _, p := range localProperties[kind.Value] {
			f.property(Local{Resource: name, Type: kind.Value, Form: p.form, Content: p.content, Early: p.content == ContentNested},
				r, valueOf(r, "Properties"), "", strings.Split(p.name, "."))
		}
	}
}

// property follows a property's name to its values.
func (f *localFinder) property(l Local, resource, n *yaml.Node, at string, path []string) {
	if len(path) == 0 {
		if isFunction(l.Type) {
			l.Functions = []Function{f.function(l.Resource, resource)}
		}
		l.Property = at
		f.add(l, n)
		return
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	known := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := n.Content[i].Value; path[0] == "*" || name == path[0] {
			known = true
			f.property(l, resource, n.Content[i+1], strings.TrimPrefix(at+"."+name, "."), path[1:])
		}
	}
	if !known && l.Type == "AWS::Serverless::Function" && valueOf(n, "InlineCode") == nil && valueOf(n, "ImageUri") == nil {
		f.inherit = append(f.inherit, f.function(l.Resource, resource))
	}
}

func isFunction(kind string) bool {
	return kind == "AWS::Serverless::Function" || kind == "AWS::Lambda::Function"
}

// add notes the property if its value is a path.
func (f *localFinder) add(l Local, n *yaml.Node) {
	if !localPath(n) {
		return
	}
	l.Path, l.Pos, l.node = n.Value, diag.Pos{File: f.t.File, Line: n.Line, Col: n.Column}, n
	f.found = append(f.found, l)
}

// localPath says whether a value is a path: literal text that isn't an address.
func localPath(n *yaml.Node) bool {
	if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		return false
	}
	if _, call := shortForm(n); call || strings.Contains(n.Value, "{{resolve:") || strings.Contains(n.Value, "${") {
		return false
	}
	return !strings.Contains(n.Value, "://") && !strings.HasPrefix(n.Value, "arn:")
}

// function is what a resource says of its function, or Globals for it.
func (f *localFinder) function(name string, resource *yaml.Node) Function {
	properties, defaults := valueOf(resource, "Properties"), valueOf(f.globals, "Function")
	if kind := valueOf(resource, "Type"); kind == nil || kind.Value != "AWS::Serverless::Function" {
		defaults = nil
	}
	said := func(key string) *yaml.Node {
		if v := valueOf(properties, key); v != nil {
			return v
		}
		return valueOf(defaults, key)
	}
	fn := Function{Resource: name, Runtime: literal(said("Runtime")), Architecture: "x86_64"}
	if list := said("Architectures"); list != nil {
		fn.Architecture = ""
		if list.Kind == yaml.SequenceNode && len(list.Content) == 1 && list.Tag == "!!seq" {
			fn.Architecture = literal(list.Content[0])
		}
	}
	fn.BuildMethod = literal(valueOf(valueOf(resource, "Metadata"), "BuildMethod"))
	return fn
}

// literal is a scalar's text; "" for what an intrinsic makes.
func literal(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	if _, call := shortForm(n); call {
		return ""
	}
	return n.Value
}

// global looks at SAM's Globals.
func (f *localFinder) global() {
	for section, kind := range globalProperties {
		for _, p := range localProperties[kind] {
			l := Local{Resource: "Globals", Type: kind, Property: section + "." + p.name, Form: p.form, Content: p.content}
			if isFunction(kind) {
				l.Functions = f.inherit
			}
			f.add(l, valueOf(valueOf(f.globals, section), p.name))
		}
	}
}

// includes looks for the transform AWS::Include, which may be anywhere.
func (f *localFinder) includes(n *yaml.Node, depth int, top bool) {
	if n == nil || depth > maxDepth {
		return
	}
	if n.Tag == "!Transform" {
		f.include(n)
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			switch key := n.Content[i-1].Value; {
			case key == "Fn::Transform":
				f.include(c)
			case key == "Transform" && top && c.Kind == yaml.SequenceNode:
				for _, one := range c.Content {
					f.include(one)
				}
			case key == "Transform" && top:
				f.include(c)
			}
		}
		f.includes(c, depth+1, false)
	}
}

func (f *localFinder) include(n *yaml.Node) {
	if literal(valueOf(n, "Name")) == "AWS::Include" {
		f.add(Local{Type: "AWS::Include", Property: "Location", Form: FormHomeURI, Early: true}, valueOf(valueOf(n, "Parameters"), "Location"))
	}
}

// Says names the property for people: "function Hello, CodeUri ./src".
func (l *Local) Says() string {
	what := "resource "
	switch {
	case l.Resource == "":
		return "transform " + l.Type + ", " + l.Property + " " + l.Path
	case l.Resource == "Globals":
		what = ""
	case isFunction(l.Type):
		what = "function "
	case l.Content == ContentNested:
		what = "nested stack "
	case l.Content == ContentCode:
		what = "layer "
	}
	return what + l.Resource + ", " + l.Property + " " + l.Path
}
