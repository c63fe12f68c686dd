package sam

import (
	"slices"
	"strings"

	"axle/internal/late"
)

const (
	anyMethod      = "x-amazon-apigateway-any-method"
	integrationKey = "x-amazon-apigateway-integration"
)

var (
	openAPI3      = late.MustCompile(`^3(\.\d)(\.\d)?$`)
	pathParameter = late.MustCompile(`\{([a-zA-Z0-9._-]+\+?)\}`)
	trailingSlash = late.MustCompile(`^(.+)/$`)
)

// definition is an API's definition being edited.
type definition struct {
	doc, paths *Dict
	security   *Dict // see schemes
}

// editDefinition edits the definition in an API's properties, on a copy as the
// transform does: copying settles the order of what has been added.
func editDefinition(props *Dict, edit func(*definition) error) error {
	body, err := edited(props.get("DefinitionBody"), edit)
	if err == nil {
		props.Set("DefinitionBody", body)
	}
	return err
}

func edited(body any, edit func(*definition) error) (*Dict, error) {
	if !validDefinition(body) {
		return nil, badTemplate("Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.")
	}
	doc := asDict(clone(body))
	d := &definition{doc: doc, paths: doc.dict("paths")}
	if err := edit(d); err != nil {
		return nil, err
	}
	if d.security.len() > 0 {
		doc.own(securityKey, d.security)
	}
	return asDict(clone(doc)), nil
}

// validDefinition says whether it is Swagger or OpenAPI 3.
func validDefinition(v any) bool {
	d := asDict(v)
	return d.dict("paths") != nil && (truthy(d.get("swagger")) || openAPI3.MatchString(versionText(d.get("openapi"))))
}

// versionText is the text of a version, also of one written as a number.
func versionText(v any) string {
	if s, ok := textOf(v); ok {
		return s
	}
	return oldText(v)
}

// choices are what a value can be: itself, or what Fn::If gives.
func choices(v any) []any {
	d := asDict(v)
	if !d.has("Fn::If") {
		return []any{v}
	}
	list := d.list("Fn::If")
	if len(list) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(list[1:]), isNoValue)
}

// methodKey is the name of a method in a definition.
func methodKey(method string) string {
	method = strings.ToLower(method)
	if method == "any" {
		return anyMethod
	}
	return method
}

// items are the maps of methods that a path can have.
func (d *definition) items(path string) ([]*Dict, error) {
	var out []*Dict
	for _, c := range choices(d.paths.get(path)) {
		item := asDict(c)
		if item == nil {
			return nil, badTemplate("Value of '%s' path must be a dictionary according to Swagger spec.", path)
		}
		out = append(out, item)
	}
	return out, nil
}

// add adds a path and method, if they aren't there.
func (d *definition) add(path, method string) (string, error) {
	key := methodKey(method)
	if !d.paths.has(path) {
		d.paths.Set(path, oldDict())
	}
	items, err := d.items(path)
	if err != nil {
		return key, err
	}
	for _, item := range items {
		switch {
		case item.has(key) && item.get(key) != nil:
		case strings.EqualFold(method, "any"):
			item.own(key, oldDict())
		default:
			item.Set(key, oldDict())
		}
	}
	return key, nil
}

// methods are the definitions of a path's method.
func (d *definition) methods(path, key string) ([]*Dict, error) {
	items, err := d.items(path)
	if err != nil {
		return nil, err
	}
	var out []*Dict
	for _, item := range items {
		for _, c := range choices(item.get(key)) {
			m := asDict(c)
			if m == nil {
				return nil, badTemplate("Definition of method '%s' for path '%s' should be a map.", key, path)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// integrated are the methods of a path that lead somewhere.
func (d *definition) integrated(path, key string) ([]*Dict, error) {
	all, err := d.methods(path, key)
	return slices.DeleteFunc(all, func(m *Dict) bool { return !truthy(m.get(integrationKey)) }), err
}

// leads says whether the path and method lead somewhere already, on all conditions.
func (d *definition) leads(path, key string) (bool, error) {
	if !d.paths.has(path) {
		return false, nil
	}
	items, err := d.items(path)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if !item.has(key) {
			return false, nil
		}
		if !slices.ContainsFunc(choices(item.get(key)), func(c any) bool { return truthy(asDict(c).get(integrationKey)) }) {
			return false, nil
		}
	}
	return true, nil
}

// integrate has a path and method call a function. made gives the integration.
func (d *definition) integrate(path, method string, uri any, condition string, made func(uri any, item, method *Dict)) error {
	key, err := d.add(path, method)
	if err != nil {
		return err
	}
	if condition != "" {
		uri = wordIf(condition, uri, true)
	}
	items, err := d.items(path)
	if err != nil {
		return err
	}
	for _, item := range items {
		m := item.dict(key)
		if m == nil {
			return badTemplate("Definition of method '%s' for path '%s' should be a map.", key, path)
		}
		made(uri, item, m)
		if !m.has("responses") {
			m.own("responses", oldDict())
		}
		if condition != "" {
			item.Set(key, wordIf(condition, m, true))
		}
	}
	return nil
}

// functionURI is where API Gateway calls the function.
func (e *event) functionURI(partition string) *Dict {
	version, action := "2015-03-31", "invocations"
	if e.props.get("ResponseTransferMode") == "RESPONSE_STREAM" {
		version, action = "2021-11-15", "response-streaming-invocations"
	}
	id := e.function.id + ".Arn"
	if e.alias != nil {
		id = e.alias.id
	}
	text := "arn:" + partition + ":apigateway:${AWS::Region}:lambda:path/" + version + "/functions/${" + id + "}/" + action
	if e.alias != nil {
		return oldDict("Fn::Sub", word(text))
	}
	return oldDict("Fn::Sub", text)
}

// apiLink is the API that an event belongs to.
type apiLink struct {
	id     string
	props  *Dict
	suffix string // of the permission: the stage, if it is known
	stage  any    // the same, the author's or not
}

// link finds the API of an event.
func (f *function) link(name, typ string, props *Dict) (*apiLink, error) {
	property := map[string]string{"Api": "RestApiId", "HttpApi": "ApiId"}[typ]
	if property == "" {
		return nil, nil
	}
	given := props.get(property)
	if d := asDict(given); d.has("Ref") {
		given = d.get("Ref")
	}
	id, ok := textOf(given)
	if !ok {
		return &apiLink{suffix: "AllStages", props: NewDict()}, nil
	}
	r := f.resources().dict(id)
	if r == nil {
		return nil, badEvent(name, "%s property of Api event must reference a valid resource in the same template.", property)
	}
	link := &apiLink{id: id, props: orEmpty(r.dict("Properties")), suffix: "Stage", stage: word("Stage")}
	if stage, ok := textOf(link.props.get("StageName")); ok {
		if stage == "" && typ == "Api" {
			return nil, badResource(id, "StageName cannot be empty.")
		}
		link.suffix, link.stage = stage, link.props.get("StageName")
	}
	return link, nil
}

// routePermission lets the API's path and method call the function.
func (e *event) routePermission(partition, resource string, api any, suffix string) *resource {
	source := made("Fn::Sub", []any{"arn:" + partition + ":execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}" + resource,
		made("__ApiId__", api, "__Stage__", "*")})
	return e.permission("apigateway.amazonaws.com", source, suffix)
}

// bodyLocation is where in S3 an API's definition is.
func bodyLocation(id string, v any) (*Dict, error) {
	var bucket, key, version any
	if d := asDict(v); d != nil {
		bucket, key, version = d.get("Bucket"), d.get("Key"), d.get("Version")
		if !truthy(bucket) || !truthy(key) {
			return nil, badResource(id, "'DefinitionUri' requires Bucket and Key properties to be specified.")
		}
	} else {
		s, _ := textOf(v)
		parts := s3URI(s)
		if parts == nil {
			return nil, badResource(id, "'DefinitionUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.")
		}
		bucket, key = parts[0], parts[1]
		if len(parts) > 2 {
			version = parts[2]
		}
	}
	out := oldDict("Bucket", bucket, "Key", key)
	if version != nil {
		out.own("Version", version)
	}
	return out, nil
}
