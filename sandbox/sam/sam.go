// Package sam turns templates of the AWS Serverless Application Model into plain
// CloudFormation templates, as the transform AWS::Serverless-2016-10-31 does on
// AWS: the same resources with the same logical ids. It follows the AWS SAM
// specification; its results are compared with those of AWS's own translator
// (test/sam). It is pure, and refuses what it doesn't know, in the transform's
// words.
package sam

import (
	"maps"
	"slices"
	"strings"
)

// Name is the transform as templates declare it.
const Name = "AWS::Serverless-2016-10-31"

// Options are what a transformation depends on beside the template.
type Options struct {
	// Parameters are the values of the template's parameters that were given.
	Parameters map[string]any
	// Region in which the stack is.
	Region string
	// Managed gives the ARN of a policy that AWS manages, by its name.
	Managed func(name string) (arn string, ok bool)
}

// transform is one transformation under way.
type transform struct {
	Options
	partition string
	template  *Dict // as its author wrote it, with what the plug-ins added
	out       *Dict
	params    *Dict
	refs      map[string]map[string]string // logical id, property: generated logical id
	renamed   map[string]string
	naming    map[string][]string // REST API: names of the functions behind it
	problems  []string
}

// Transform gives the CloudFormation template that a SAM template stands for.
// The template is changed by it. An error is an *Error.
func Transform(template *Dict, o Options) (*Dict, error) {
	t := &transform{Options: o, template: template, partition: partitionOf(o.Region), refs: map[string]map[string]string{},
		renamed: map[string]string{}, naming: map[string][]string{}}
	for _, step := range []func() error{t.checkTemplate, t.prepare, t.expand, t.finish} {
		t.note(step())
		if len(t.problems) > 0 {
			return nil, &Error{Causes: t.problems}
		}
	}
	return t.out, nil
}

func partitionOf(region string) string {
	for start, partition := range map[string]string{"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b",
		"eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f", "eusc-": "aws-eusc"} {
		if strings.HasPrefix(region, start) {
			return partition
		}
	}
	return "aws"
}

func (t *transform) resources() *Dict { return t.template.dict("Resources") }

// ofType are the logical ids of the resources of types, in their order.
func (t *transform) ofType(types ...string) []string {
	var out []string
	for _, id := range t.resources().names() {
		if slices.Contains(types, strings.TrimPrefix(t.resources().dict(id).text("Type"), prefix)) {
			out = append(out, id)
		}
	}
	return out
}

// checkTemplate refuses what isn't a SAM template that the sandbox knows.
func (t *transform) checkTemplate() error {
	if t.resources().len() == 0 {
		return badTemplate("'Resources' section is required")
	}
	for _, id := range t.resources().names() {
		r := t.resources().dict(id)
		if r == nil {
			return badTemplate("All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.")
		}
		typ, _ := r.get("Type").(string)
		if r.has("Connectors") {
			t.note(badResource(id, "Connectors are not supported by this version of the sandbox."))
		}
		if !strings.HasPrefix(typ, prefix) {
			continue
		}
		if _, known := schemas[typ]; !known {
			t.note(badResource(id, "Resources of type %s are not supported by this version of the sandbox.", typ))
			continue
		}
		if v := r.get("Properties"); v != nil && asDict(v) == nil {
			t.note(badResource(id, "Attribute 'Properties' should be a map."))
		}
		if v, has := r.vals["Condition"]; has {
			if _, ok := v.(string); !ok {
				return badTemplate("Every Condition member must be a string.")
			}
		}
	}
	return nil
}

// prepare does what comes before the resources are transformed one by one.
func (t *transform) prepare() error {
	if t.hasRestApi() || t.hasHTTPDefault() {
		t.toOldOrder()
	}
	t.params = NewDict()
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		t.params.Set(name, t.Parameters[name])
	}
	declared := t.template.dict("Parameters")
	for _, name := range declared.names() {
		if def := declared.dict(name).get("Default"); def != nil && !t.params.has(name) {
			t.params.Set(name, def)
		}
	}
	for name, v := range map[string]string{"AWS::Region": t.Region, "AWS::Partition": t.partition} {
		if !t.params.has(name) {
			t.params.Set(name, v)
		}
	}
	t.addDefinitions()
	for _, kind := range []*implicitApi{restApis(), httpApis()} {
		if err := t.addImplicit(kind); err != nil {
			return err
		}
		if len(t.problems) > 0 {
			return nil
		}
	}
	if err := t.applyGlobals(); err != nil {
		return err
	}
	t.settleVersions()
	return nil
}

// expand transforms each resource: functions, which add to APIs, before APIs.
func (t *transform) expand() error {
	t.out = asDict(clone(t.template))
	for _, types := range [][]string{{"Function"}, {"Api", "HttpApi"}, {"SimpleTable", "LayerVersion", "Application"}} {
		for _, id := range t.ofType(types...) {
			t.note(t.expandOne(id))
		}
	}
	return nil
}

// expandOne puts what a SAM resource stands for in its place.
func (t *transform) expandOne(id string) error {
	r := t.resources().dict(id)
	typ := r.text("Type")
	m := &macro{transform: t, id: id, source: r, props: r.dict("Properties"), attributes: attributesOf(r)}
	if m.props == nil {
		m.props = NewDict()
	}
	if !alphanumeric(id) {
		return badResource(id, "Logical ids must be alphanumeric.")
	}
	if typ == prefix+"Function" {
		if err := t.usePolicyTemplates(id, m.props); err != nil {
			return err
		}
	}
	if err := checkProperties(id, typ, m.props); err != nil {
		return err
	}
	out, err := expanders[strings.TrimPrefix(typ, prefix)](m)
	if err != nil {
		return err
	}
	t.refer(id, strings.TrimPrefix(typ, prefix), out)
	resources := t.out.dict("Resources")
	resources.drop(id)
	for _, g := range out {
		if old := t.resources().dict(g.id); old != nil && !takesPlace(old.text("Type"), g.typ) {
			t.note(&problem{text: "Transforming resource with id [" + id + "] attempts to create a new resource with id [" + g.id + "] and type \"" +
				g.typ + "\". A resource with that id already exists within this template. Please use a different id for that resource."})
			continue
		}
		resources.Set(g.id, g.dict())
	}
	return nil
}

// expanders transform a resource by its type.
var expanders = map[string]func(*macro) ([]*resource, error){
	"Function": (*macro).function, "Api": (*macro).restApi, "HttpApi": (*macro).httpApi,
	"SimpleTable": (*macro).simpleTable, "LayerVersion": (*macro).layer, "Application": (*macro).application,
}

// takesPlace says whether a generated type may stand where one of another was.
func takesPlace(before, after string) bool {
	switch after {
	case "AWS::Lambda::Function":
		return before == prefix+"Function"
	case "AWS::Lambda::LayerVersion":
		return before == prefix+"LayerVersion"
	case "AWS::ApiGateway::RestApi":
		return before == prefix+"Api"
	case "AWS::ApiGatewayV2::Api":
		return before == prefix+"HttpApi"
	case "AWS::DynamoDB::Table":
		return before == prefix+"SimpleTable"
	case "AWS::CloudFormation::Stack":
		return before == prefix+"Application"
	case "AWS::S3::Bucket", "AWS::SNS::Topic":
		return before == after
	}
	return false
}

// referable are the properties by which templates name generated resources.
var referable = map[string]map[string]string{
	"Function": {"Alias": "AWS::Lambda::Alias", "Version": "AWS::Lambda::Version", "DestinationTopic": "AWS::SNS::Topic", "DestinationQueue": "AWS::SQS::Queue"},
	"Api":      {"Stage": "AWS::ApiGateway::Stage", "Deployment": "AWS::ApiGateway::Deployment", "UsagePlan": "AWS::ApiGateway::UsagePlan", "UsagePlanKey": "AWS::ApiGateway::UsagePlanKey", "ApiKey": "AWS::ApiGateway::ApiKey"},
	"HttpApi":  {"Stage": "AWS::ApiGatewayV2::Stage"},
}

func (t *transform) refer(id, typ string, made []*resource) {
	for property, generated := range referable[typ] {
		for _, g := range made { // the last of a type
			if g.typ != generated {
				continue
			}
			if t.refs[id] == nil {
				t.refs[id] = map[string]string{}
			}
			t.refs[id][property] = g.id
		}
	}
}

// finish follows references to what got other names.
func (t *transform) finish() error {
	t.out.drop("Transform")
	t.followDependsOn(t.out)
	v, err := t.followIDs(t.out)
	if err == nil {
		_, err = t.followProperties(v)
	}
	return err
}

func (t *transform) followDependsOn(v any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			t.followDependsOn(e)
		}
	case *Dict:
		switch d := x.get("DependsOn").(type) {
		case string:
			if to := t.renamed[d]; to != "" {
				x.Set("DependsOn", to)
			}
		case []any:
			for i, e := range d {
				if s, ok := e.(string); ok && t.renamed[s] != "" {
					d[i] = t.renamed[s]
				}
			}
		}
		for _, k := range x.names() {
			t.followDependsOn(x.get(k))
		}
	}
}

func alphanumeric(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// pythonList is how the transform shows a list of names.
func pythonList(names []string) string {
	return "['" + strings.Join(names, "', '") + "']"
}
