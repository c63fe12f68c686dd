package sam

import (
	"slices"
	"strings"
)

// httpRoute has a route of an HTTP API call the function.
func (e *event) httpRoute() ([]*resource, error) {
	path, method := e.props.text("Path"), strings.ToLower(e.props.text("Method"))
	covered, err := e.coveredByDefault(path)
	if err != nil {
		return nil, err
	}
	var out []*resource
	if !covered {
		path := trailingSlash.ReplaceAllString(path, "$1")
		if path == "$default" {
			path = ""
		}
		path = pathParameter.ReplaceAllStringFunc(path, func(s string) string {
			if strings.HasSuffix(s, "+}") && s != "{proxy+}" {
				return s
			}
			return "*"
		})
		verb := strings.ToUpper(method)
		if method == "any" || method == anyMethod {
			verb = "*"
		}
		resource := "/" + verb + path
		if method == "any" && path == "/$default" {
			resource = path
		}
		out = append(out, e.routePermission("${AWS::Partition}", resource, e.props.get("ApiId"), ""))
	}
	if e.api.props.get("DefinitionBody") == nil {
		return out, nil
	}
	return out, e.addHTTPRoute(e.props.text("Path"), method)
}

// coveredByDefault says whether the function may be called by all of the API
// anyway, because it is behind $default.
func (e *event) coveredByDefault(path string) (bool, error) {
	body := e.api.props.get("DefinitionBody")
	if trailingSlash.ReplaceAllString(path, "$1") == "$default" || !truthy(body) {
		return false, nil
	}
	if !validDefinition(body) {
		return false, badResource(e.api.id, "Structure of the SAM template is invalid. Invalid OpenApi document. Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.")
	}
	d := &definition{doc: asDict(body), paths: asDict(body).dict("paths")}
	if leads, err := d.leads("$default", anyMethod); !leads || err != nil {
		return false, err
	}
	methods, err := d.methods("$default", anyMethod)
	if err != nil || e.alias != nil {
		return false, err
	}
	for _, m := range methods {
		for _, uri := range choices(m.dict(integrationKey).get("uri")) {
			if !strings.Contains(asDict(uri).text("Fn::Sub"), "/${"+e.function.id+".Arn}/") {
				return false, nil
			}
		}
	}
	return len(methods) > 0, nil
}

func (e *event) addHTTPRoute(path, method string) error {
	return editDefinition(e.api.props, func(d *definition) error {
		key := methodKey(method)
		leads, err := d.leads(path, key)
		if err != nil {
			return err
		}
		if leads && truthy(e.api.props.get(managedKey)) {
			return badEvent(e.name, "API method '%s' defined multiple times for path '%s'.", method, path)
		}
		condition, _ := e.attributes.get("Condition").(string)
		if !leads {
			err = d.integrate(path, method, e.functionURI("${AWS::Partition}"), condition, func(uri any, item, m *Dict) {
				m.own(integrationKey, oldDict("type", word("aws_proxy"), "httpMethod", word("POST"), "payloadFormatVersion", word("2.0"), "uri", uri))
				if path == "$default" && key == anyMethod {
					m.own("isDefaultRoute", true)
				}
			})
			if err != nil {
				return err
			}
		}
		if truthy(e.props.get("Auth")) {
			if err := e.httpAuth(d, path, key); err != nil {
				return err
			}
		}
		methods, err := d.integrated(path, key)
		if err != nil {
			return err
		}
		for _, m := range methods {
			integration := m.dict(integrationKey)
			if truthy(e.props.get("TimeoutInMillis")) {
				integration.own("timeoutInMillis", e.props.get("TimeoutInMillis"))
			}
			addPathParameters(m, path)
			if truthy(e.props.get("PayloadFormatVersion")) {
				integration.own("payloadFormatVersion", e.props.get("PayloadFormatVersion"))
			}
		}
		return nil
	})
}

// addPathParameters declares what stands in braces in the path.
func addPathParameters(m *Dict, path string) {
	for rest := path; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return
		}
		name, after, ok := strings.Cut(after, "}")
		if !ok {
			return
		}
		rest = after
		list := m.list("parameters")
		at := slices.IndexFunc(list, func(p any) bool { return asDict(p).text("name") == name && asDict(p).has("name") })
		if at < 0 {
			list = append(list, oldDict("name", name, "in", word("path"), "required", true))
		} else {
			asDict(list[at]).own("in", word("path"))
			asDict(list[at]).own("required", true)
		}
		m.own("parameters", list)
	}
}

// httpAuth asks for an authorizer on a route.
func (e *event) httpAuth(d *definition, path, key string) error {
	auth := e.props.dict("Auth")
	api := orEmpty(e.api.props.dict("Auth"))
	name := auth.get("Authorizer")
	if !truthy(name) {
		if !truthy(api.get("DefaultAuthorizer")) {
			return badEvent(e.name, "'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.")
		}
		name = api.get("DefaultAuthorizer")
	}
	text, isText := textOf(name)
	iam := text == "AWS_IAM" && api.get("EnableIamAuthorizer") == true
	authorizers := api.dict("Authorizers")
	at := "on API method [" + strings.ToLower(e.props.text("Method")) + "] for path [" + path + "]"
	switch {
	case !isText || text != "NONE" && !iam && authorizers == nil && api.get("Authorizers") != nil:
		return badEvent(e.name, "Unable to set Authorizer [%s] %s. The method authorizer must be a string with a corresponding dict entry in the api authorizer.", oldText(name), at)
	case text == "NONE" && !truthy(api.get("DefaultAuthorizer")):
		return badEvent(e.name, "Unable to set Authorizer %s because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.", at)
	case text == "NONE" || iam:
	case authorizers == nil:
		return badEvent(e.name, "Unable to set Authorizer [%s] %s. The method authorizer must be a string with a corresponding dict entry in the api authorizer.", text, at)
	case !truthy(authorizers.get(text)):
		return badEvent(e.name, "Unable to set Authorizer [%s] %s because it wasn't defined in the API's Authorizers.", text, at)
	}
	scopes := auth.list("AuthorizationScopes")
	if truthy(auth.get("AuthorizationScopes")) && scopes == nil {
		return badEvent(e.name, "Unable to set Authorizer %s because 'AuthorizationScopes' must be a list of strings.", at)
	}
	of := []any{}
	if text != "NONE" && text != "AWS_IAM" {
		if own := authorizers.dict(text).list("AuthorizationScopes"); len(own) > 0 {
			of = own
		}
		if len(scopes) > 0 {
			of = scopes
		}
	}
	methods, err := d.integrated(path, key)
	for _, m := range methods {
		m.own("security", append(slices.Clone(m.list("security")), made(text, of)))
	}
	return err
}

// httpApi is an AWS::Serverless::HttpApi.
func (m *macro) httpApi() ([]*resource, error) {
	p := m.props
	cors, err := m.resolve(p.get("CorsConfiguration"))
	if err != nil {
		return nil, err
	}
	p.set("CorsConfiguration", cors)
	body := p.dict("DefinitionBody")
	api := &resource{id: m.id, typ: "AWS::ApiGatewayV2::Api", dependsOn: m.source.get("DependsOn"), attributes: m.attributes, props: NewDict()}
	if truthy(p.get("DefinitionUri")) && truthy(body) {
		return nil, badResource(m.id, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if !truthy(body) {
		if truthy(p.get("CorsConfiguration")) {
			return nil, badResource(m.id, "Cors works only with inline OpenApi specified in 'DefinitionBody' property.")
		}
		for _, name := range []string{"Auth", "Tags", "Name", "Description"} {
			if truthy(p.get(name)) {
				return nil, badResource(m.id, "%s works only with inline OpenApi specified in the 'DefinitionBody' property.", name)
			}
		}
	}
	var permissions []*resource
	var tags *Dict
	if truthy(body) {
		if body, permissions, err = m.httpDefinition(body); err != nil {
			return nil, err
		}
		tags = orEmpty(p.dict("Tags")).shallow()
		tags.Set("httpapi:createdBy", "SAM")
	}
	if truthy(p.get("FailOnWarnings")) {
		api.props.Set("FailOnWarnings", p.get("FailOnWarnings"))
	}
	switch {
	case truthy(p.get("DefinitionUri")):
		at, err := bodyLocation(m.id, p.get("DefinitionUri"))
		if err != nil {
			return nil, err
		}
		api.props.Set("BodyS3Location", at)
	case truthy(body):
		api.props.Set("Body", body)
	default:
		return nil, badResource(m.id, "'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi'. Add a value for one of these properties or add a 'HttpApi' event to an 'AWS::Serverless::Function'.")
	}
	return append(append([]*resource{api}, permissions...), m.httpStage(tags)), nil
}

func (m *macro) httpStage(tags *Dict) *resource {
	name := m.props.get("StageName")
	if !truthy(name) {
		name = "$default"
	}
	text, _ := textOf(name)
	id := hashed(m.id+"Stage", text)
	switch {
	case alphanumeric(text):
		id = m.id + text + "Stage"
	case text == "$default":
		id = m.id + "ApiGatewayDefaultStage"
	}
	stage := m.new("AWS::ApiGatewayV2::Stage", id, made("ApiId", ref(m.id), "StageName", name, "AutoDeploy", true))
	copyProps(stage.props, m.props, "StageVariables", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings")
	if tags != nil {
		stage.props.Set("Tags", tags)
	}
	return stage
}

// httpDefinition completes the definition of an HTTP API.
func (m *macro) httpDefinition(body *Dict) (*Dict, []*resource, error) {
	p := m.props
	var permissions []*resource
	out, err := edited(body, func(d *definition) error {
		if truthy(p.get("CorsConfiguration")) {
			if err := m.httpCors(d, p.get("CorsConfiguration")); err != nil {
				return err
			}
		}
		var err error
		if permissions, err = m.httpAuthorizers(d, p.dict("Auth")); err != nil {
			return err
		}
		if err := addTags(d, p.dict("Tags")); err != nil {
			return err
		}
		if v := p.get("DisableExecuteApiEndpoint"); v != nil {
			if err := disableEndpoint(d, v); err != nil {
				return err
			}
		}
		return m.httpTexts(d)
	})
	if err == nil && truthy(p.get("FailOnWarnings")) && out.dict("paths").has("$default") {
		paths := out.dict("paths")
		v := paths.get("$default")
		paths.drop("$default")
		paths.Set("/$default", v)
	}
	return out, permissions, err
}

// httpTexts puts name and description into the definition.
func (m *macro) httpTexts(d *definition) error {
	info := d.doc.dict("info")
	if v := d.doc.get("info"); v != nil && info == nil {
		return badResource(m.id, "Invalid 'DefinitionBody': The value of 'info' should be a map.")
	}
	if name := m.props.get("Name"); truthy(name) {
		if info.dict("title").text("Ref") != "AWS::StackName" {
			return badResource(m.id, "Unable to set Name because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
		}
		info.Set("title", name)
	}
	if text := m.props.get("Description"); truthy(text) {
		if truthy(info.get("description")) {
			return badResource(m.id, "Unable to set Description because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
		}
		if info == nil {
			info = NewDict()
			d.doc.Set("info", info)
		}
		info.Set("description", text)
	}
	return nil
}

// addTags tags an HTTP API, which takes its tags from the definition.
func addTags(d *definition, given *Dict) error {
	tags := orEmpty(given).shallow()
	tags.Set("httpapi:createdBy", "SAM")
	list, ok := d.doc.get("tags").([]any)
	if d.doc.get("tags") != nil && !ok {
		return badTemplate("Tags in OpenApi DefinitionBody needs to be a list.")
	}
	for _, name := range tags.names() {
		at := slices.IndexFunc(list, func(t any) bool { return asDict(t).get("name") == any(name) })
		if at >= 0 {
			asDict(list[at]).Set("x-amazon-apigateway-tag-value", tags.get(name))
			continue
		}
		list = append(list, made("name", name, "x-amazon-apigateway-tag-value", tags.get(name)))
	}
	d.doc.Set("tags", list)
	return nil
}

const endpointConfiguration = "x-amazon-apigateway-endpoint-configuration"

// disableEndpoint says in the definition whether the API has its default address.
func disableEndpoint(d *definition, v any) error {
	servers, ok := d.doc.get("servers").([]any)
	if !ok {
		servers = []any{oldDict()}
	}
	for _, s := range servers {
		server := asDict(s)
		if server == nil {
			return badTemplate("Value of 'servers' item must be a dictionary according to Swagger spec.")
		}
		if server.dict(endpointConfiguration) == nil {
			server.own(endpointConfiguration, oldDict())
		}
		server.dict(endpointConfiguration).own("disableExecuteApiEndpoint", v)
	}
	d.doc.own("servers", servers)
	return nil
}
