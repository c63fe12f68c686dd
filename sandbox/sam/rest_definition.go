package sam

import (
	"slices"
	"strings"

	"axle/internal/late"
)

var openAPIVersions = late.MustCompile(`^[2-3](\.\d)(\.\d)?$`)

// restDefinition completes the definition of a REST API.
func (m *macro) restDefinition(body *Dict) (*Dict, error) {
	if !truthy(body) {
		return body, m.restUndefined()
	}
	p := m.props
	edit := func(asked any, what string, by func(*definition) error) error {
		if !truthy(asked) {
			return nil
		}
		if !validDefinition(body) {
			return badResource(m.id, "Unable to add %s configuration because 'DefinitionBody' does not contain a valid Swagger definition.", what)
		}
		var err error
		body, err = edited(body, by)
		return err
	}
	if err := edit(p.get("Cors"), "Cors", m.restCors); err != nil {
		return nil, err
	}
	if err := edit(p.get("Auth"), "Auth", m.restAuthorizers); err != nil {
		return nil, err
	}
	if truthy(p.get("Auth")) {
		if err := m.toOpenAPI(body); err != nil {
			return nil, err
		}
	}
	if err := edit(p.get("GatewayResponses"), "Auth", m.addResponses); err != nil {
		return nil, err
	}
	if err := edit(p.get("BinaryMediaTypes"), "BinaryMediaTypes", m.restBinary); err != nil {
		return nil, err
	}
	if err := edit(p.get("Models"), "Models", m.addModels); err != nil {
		return nil, err
	}
	if truthy(p.get("Models")) {
		if err := m.toOpenAPI(body); err != nil {
			return nil, err
		}
	}
	if err := edit(p.get("DisableExecuteApiEndpoint") != nil, "DisableExecuteApiEndpoint", m.restEndpoint); err != nil {
		return nil, err
	}
	return body, m.toOpenAPI(body)
}

// restUndefined refuses what only an API whose definition stands in the template can have.
func (m *macro) restUndefined() error {
	for _, name := range []string{"Cors", "Auth", "GatewayResponses", "Models"} {
		if truthy(m.props.get(name)) {
			return badResource(m.id, "%s works only with inline Swagger specified in 'DefinitionBody' property.", name)
		}
	}
	if m.props.get("DisableExecuteApiEndpoint") != nil {
		return badResource(m.id, "DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
	}
	return nil
}

// restBinary says which media types are binary.
func (m *macro) restBinary(d *definition) error {
	d.doc.own("x-amazon-apigateway-binary-media-types", unslash(m.props.get("BinaryMediaTypes")))
	return nil
}

// restEndpoint says whether the API has an address at execute-api.
func (m *macro) restEndpoint(d *definition) error {
	v := m.props.get("DisableExecuteApiEndpoint")
	if openAPI3.MatchString(versionText(d.doc.get("openapi"))) {
		return disableEndpoint(d, v)
	}
	if d.doc.dict(endpointConfiguration) == nil {
		d.doc.own(endpointConfiguration, oldDict())
	}
	d.doc.dict(endpointConfiguration).own("disableExecuteApiEndpoint", v)
	return nil
}

// unslash turns ~1, as which a slash is written in JSON pointers.
func unslash(v any) any {
	switch x := v.(type) {
	case string:
		return strings.ReplaceAll(x, "~1", "/")
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = unslash(x[i])
		}
		return out
	case *Dict:
		out := oldDict()
		for _, k := range x.names() {
			out.Set(strings.ReplaceAll(k, "~1", "/"), unslash(x.get(k)))
		}
		return out
	}
	return v
}

// restCors adds an answer to OPTIONS to every path.
func (m *macro) restCors(d *definition) error {
	cors := map[string]any{"AllowOrigin": word("'*'")}
	switch x := m.props.get("Cors").(type) {
	case string:
		cors["AllowOrigin"] = x
	case *Dict:
		if isIntrinsic(x) {
			cors["AllowOrigin"] = x
			break
		}
		for _, k := range x.names() {
			if !slices.Contains([]string{"AllowMethods", "AllowHeaders", "AllowOrigin", "MaxAge", "AllowCredentials"}, k) {
				return badResource(m.id, "Invalid key '%s' for 'Cors' property.", k)
			}
			cors[k] = x.get(k)
		}
	default:
		return badResource(m.id, "Invalid value for 'Cors' property")
	}
	if s, _ := textOf(cors["AllowOrigin"]); s == "'*'" && cors["AllowCredentials"] == true {
		return badResource(m.id, "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set")
	}
	if !truthy(cors["AllowOrigin"]) {
		return badResource(m.id, "Structure of the SAM template is invalid. Invalid input. Value for AllowedOrigins is required")
	}
	seen := map[string]bool{}
	for _, path := range d.paths.names() {
		bare := path
		if path != "/" {
			bare = strings.TrimRight(path, "/")
		}
		if seen[bare] {
			continue
		}
		seen[bare] = true
		items, err := d.items(path)
		if err != nil {
			return err
		}
		methods := cors["AllowMethods"]
		for _, item := range items {
			if item.has("options") {
				continue
			}
			if !truthy(methods) {
				methods = word("'" + allowedMethods(item) + "'")
			}
			item.own("options", preflight(cors, methods))
		}
	}
	return nil
}

func allowedMethods(item *Dict) string {
	list := []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
	if !item.has(anyMethod) {
		list = []string{"OPTIONS"}
		for _, k := range item.names() {
			list = append(list, strings.ToUpper(k))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}

// preflight is the answer to OPTIONS.
func preflight(cors map[string]any, methods any) *Dict {
	kind := func(name string) *Dict { return oldDict("type", word(name)) }
	const key = "method.response.header.Access-Control-Allow-"
	parameters := oldDict(key+"Origin", cors["AllowOrigin"])
	headers := oldDict("Access-Control-Allow-Origin", kind("string"))
	if v := cors["AllowHeaders"]; truthy(v) {
		parameters.own(key+"Headers", v)
		headers.own("Access-Control-Allow-Headers", kind("string"))
	}
	if truthy(methods) {
		parameters.own(key+"Methods", methods)
		headers.own("Access-Control-Allow-Methods", kind("string"))
	}
	if v := cors["MaxAge"]; v != nil {
		parameters.own("method.response.header.Access-Control-Max-Age", v)
		headers.own("Access-Control-Max-Age", kind("integer"))
	}
	if cors["AllowCredentials"] == true {
		parameters.own(key+"Credentials", word("'true'"))
		headers.own("Access-Control-Allow-Credentials", kind("string"))
	}
	return oldDict("summary", word("CORS support"), "consumes", []any{word("application/json")}, "produces", []any{word("application/json")},
		integrationKey, oldDict("type", word("mock"), "requestTemplates", oldDict("application/json", word("{\n  \"statusCode\" : 200\n}\n")),
			"responses", oldDict("default", oldDict("statusCode", word("200"), "responseParameters", parameters,
				"responseTemplates", oldDict("application/json", word("{}\n"))))),
		"responses", oldDict("200", oldDict("description", word("Default response for CORS method"), "headers", headers)))
}

// restAuthorizers puts authorizers and keys into the definition.
func (m *macro) restAuthorizers(d *definition) error {
	auth := m.props.dict("Auth")
	for _, k := range auth.names() {
		switch k {
		case "Authorizers", "DefaultAuthorizer", "InvokeRole", "AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight", "ApiKeyRequired", "UsagePlan", "ResourcePolicy":
		default:
			return badResource(m.id, "Invalid value for 'Auth' property")
		}
	}
	schemes, scopes, err := m.restSchemes(auth)
	if err != nil {
		return err
	}
	for _, name := range schemes.names() {
		d.schemes().Set(name, schemes.dict(name))
	}
	preflight := auth.get("AddDefaultAuthorizerToCorsPreflight") == nil || truthy(auth.get("AddDefaultAuthorizerToCorsPreflight"))
	if v := auth.get("DefaultAuthorizer"); truthy(v) && schemes.len() > 0 {
		name, ok := textOf(v)
		if !ok {
			return badResource(m.id, "DefaultAuthorizer is not a string.")
		}
		if !schemes.has(name) {
			return badResource(m.id, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
		}
		err := d.eachIntegrated(func(key string, method *Dict) error {
			if key == "options" && !preflight {
				return nil
			}
			return d.secureByDefault(method, name, schemes, scopes[name])
		})
		if err != nil {
			return err
		}
	}
	if truthy(auth.get("ApiKeyRequired")) {
		d.addScheme("api_key", apiKeyScheme())
		onPreflight := auth.get("AddApiKeyRequiredToCorsPreflight") == nil || truthy(auth.get("AddApiKeyRequiredToCorsPreflight"))
		err := d.eachIntegrated(func(key string, method *Dict) error { return keyByDefault(method, key == "options" && !onPreflight) })
		if err != nil {
			return err
		}
	}
	if !truthy(auth.get("ResourcePolicy")) {
		return nil
	}
	policy := auth.dict("ResourcePolicy")
	if policy == nil {
		return badTemplate("ResourcePolicy must be a map (ResourcePolicyStatement).")
	}
	for _, path := range d.paths.names() {
		if err := d.addPolicy(policy, path, m.props.get("StageName")); err != nil {
			return err
		}
	}
	d.addCustom(policy.get("CustomStatements"))
	return nil
}

func apiKeyScheme() *Dict {
	return oldDict("type", word("apiKey"), "name", word("x-api-key"), "in", word("header"))
}

func iamScheme() *Dict {
	return oldDict("x-amazon-apigateway-authtype", word("awsSigv4"), "type", word("apiKey"), "name", word("Authorization"), "in", word("header"))
}

const securityKey = "securityDefinitions"

// schemes are the ways to prove who calls. They go into the definition when all
// else that is edited has.
func (d *definition) schemes() *Dict {
	if d.security == nil {
		if d.security = d.doc.dict(securityKey); d.security == nil {
			d.security = oldDict()
		}
	}
	return d.security
}

// addScheme declares one of the transform's own, once.
func (d *definition) addScheme(name string, scheme *Dict) {
	if !d.schemes().has(name) {
		d.schemes().update(oldDict(name, scheme))
	}
}

// secure sets what a method asks for.
func (d *definition) secure(method *Dict, security []any) error {
	if len(security) == 0 {
		return nil
	}
	method.own("security", security)
	if asDict(security[0]).has("AWS_IAM") {
		d.addScheme("AWS_IAM", iamScheme())
	}
	return nil
}

// eachIntegrated goes through all methods that lead somewhere.
func (d *definition) eachIntegrated(do func(key string, method *Dict) error) error {
	for _, path := range d.paths.names() {
		items, err := d.items(path)
		if err != nil {
			return err
		}
		for _, item := range items {
			for _, key := range item.names() {
				if key == "summary" || key == "description" || key == "parameters" {
					continue
				}
				for _, c := range choices(item.get(key)) {
					method := asDict(c)
					if method == nil {
						return badTemplate("Definition of method '%s' for path '%s' should be a map.", key, path)
					}
					if !truthy(method.get(integrationKey)) {
						continue
					}
					if err := do(methodKey(key), method); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// securityOf splits what a method asks for by whether a name is among it.
func securityOf(method *Dict, names ...string) (with, without []any, err error) {
	v := method.get("security")
	list, ok := v.([]any)
	if v != nil && !ok {
		return nil, nil, badTemplate("Type of security must be a list")
	}
	for _, s := range list {
		one := asDict(s)
		if one == nil {
			return nil, nil, badTemplate("Security is not a valid dictionary.")
		}
		if slices.ContainsFunc(names, one.has) {
			with = append(with, s)
		} else {
			without = append(without, s)
		}
	}
	return with, without, nil
}

// secureByDefault asks for the default authorizer where nothing else is asked for.
func (d *definition) secureByDefault(method *Dict, name string, schemes *Dict, scopes any) error {
	with, without, err := securityOf(method, append(schemes.names(), "AWS_IAM")...)
	if err != nil {
		return err
	}
	none := slices.IndexFunc(without, func(s any) bool { return asDict(s).has("NONE") })
	switch {
	case none >= 0:
		without = slices.Delete(without, none, none+1)
		with = nil
	case len(with) == 0:
		one := oldDict()
		if scopes == nil {
			scopes = []any{}
		}
		one.Set(name, scopes)
		with = []any{one}
	}
	return d.secure(method, append(without, with...))
}

// keyByDefault asks for an API key where nothing else is said of keys.
func keyByDefault(method *Dict, not bool) error {
	with, without, err := securityOf(method, "api_key", "api_key_false")
	if err != nil {
		return err
	}
	security := without
	if !slices.ContainsFunc(with, func(s any) bool { return asDict(s).has("api_key_false") }) && !not {
		security = append(slices.Clone(without), oldDict("api_key", []any{}))
	}
	if digest(security) != digest(append([]any{}, method.list("security")...)) {
		if security == nil {
			security = []any{}
		}
		method.own("security", security)
	}
	return nil
}

// toOpenAPI gives a definition of OpenAPI 3 the places where that has things.
func (m *macro) toOpenAPI(body *Dict) error {
	if body.get("swagger") != nil {
		return nil
	}
	version := m.props.get("OpenApiVersion")
	if version == nil {
		version = body.get("openapi")
	}
	if !truthy(version) || !openAPI3.MatchString(versionText(version)) {
		return nil
	}
	for _, move := range [][2]string{{"securityDefinitions", "securitySchemes"}, {"definitions", "schemas"}} {
		if !truthy(body.get(move[0])) {
			continue
		}
		components := body.dict("components")
		if components.len() == 0 {
			components = oldDict()
		}
		components.own(move[1], body.get(move[0]))
		body.own("components", components)
		body.drop(move[0])
	}
	paths := body.dict("paths")
	for _, path := range paths.names() {
		item := paths.dict(path)
		if item == nil {
			return badTemplate("Value of '%s' path must be a dictionary according to Swagger spec.", path)
		}
		options := item.dict("options")
		if options == nil {
			continue
		}
		options.drop("produces")
		options.drop("consumes")
		headers := options.dict("responses").dict("200").dict("headers")
		for _, h := range headers.names() {
			headers.Set(h, oldDict("schema", headers.get(h)))
		}
	}
	return nil
}
