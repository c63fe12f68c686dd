package sam

import (
	"encoding/json"
	"slices"
	"strings"
)

// restRoute has a method of a REST API call the function.
func (e *event) restRoute() ([]*resource, error) {
	path := trailingSlash.ReplaceAllString(e.props.text("Path"), "$1")
	path = pathParameter.ReplaceAllString(path, "*")
	verb := strings.ToUpper(e.props.text("Method"))
	if verb == "ANY" {
		verb = "*"
	}
	out := []*resource{e.routePermission(e.partition, "/"+verb+path, e.props.get("RestApiId"), e.api.suffix)}
	body := e.api.props.get("DefinitionBody")
	if truthy(e.api.props.get(managedKey)) && body != nil {
		if err := e.addRestRoute(); err != nil {
			return nil, err
		}
	}
	auth := e.props.dict("Auth")
	if !truthy(body) || !truthy(auth.get("OverrideApiAuth")) {
		return out, nil
	}
	if !truthy(auth.get("Authorizer")) && !truthy(auth.get("ApiKeyRequired")) && !truthy(auth.get("ResourcePolicy")) {
		return nil, badEvent(e.name, "Must define one of: Authorizer, ApiKeyRequired or ResourcePolicy when using the OverrideApiAuth property.")
	}
	return out, editDefinition(e.api.props, e.restAuth)
}

func (e *event) addRestRoute() error {
	return editDefinition(e.api.props, func(d *definition) error {
		path, method := e.props.text("Path"), strings.ToLower(e.props.text("Method"))
		leads, err := d.leads(path, methodKey(method))
		if err != nil {
			return err
		}
		if leads {
			return badEvent(e.name, "API method \"%s\" defined multiple times for path \"%s\".", method, path)
		}
		apiAuth := e.api.props.dict("Auth")
		if truthy(e.api.props.get("Auth")) && apiAuth == nil {
			return badResource(e.api.id, "Property 'Auth' should be a map.")
		}
		credentials := e.credentials(apiAuth)
		condition, _ := e.attributes.get("Condition").(string)
		err = d.integrate(path, method, e.functionURI(e.partition), condition, func(uri any, _, m *Dict) {
			integration := oldDict("type", word("aws_proxy"), "httpMethod", word("POST"), "uri", uri)
			if e.props.get("ResponseTransferMode") == "RESPONSE_STREAM" {
				integration.own("responseTransferMode", word("STREAM"))
			}
			if credentials != nil {
				integration.own("credentials", credentials)
			}
			m.own(integrationKey, integration)
		})
		if err != nil {
			return err
		}
		if truthy(e.props.get("Auth")) {
			if err := e.restAuth(d); err != nil {
				return err
			}
		}
		if truthy(e.props.get("TimeoutInMillis")) {
			methods, err := d.integrated(path, methodKey(method))
			if err != nil {
				return err
			}
			for _, m := range methods {
				m.dict(integrationKey).own("timeoutInMillis", e.props.get("TimeoutInMillis"))
			}
		}
		return e.request(d)
	})
}

// credentials are as whom API Gateway calls the function when callers sign
// their requests: the caller, unless a role is named.
func (e *event) credentials(api *Dict) any {
	auth := e.props.dict("Auth")
	if auth.get("Authorizer") != "AWS_IAM" && (api.get("DefaultAuthorizer") != "AWS_IAM" || auth.len() > 0) {
		return nil
	}
	role := auth.get("InvokeRole")
	if !truthy(role) && auth.has("InvokeRole") {
		role = "NONE"
	}
	if !truthy(role) {
		role = api.get("InvokeRole")
		if !truthy(role) && api.has("InvokeRole") {
			role = "NONE"
		}
	}
	switch {
	case role == "NONE":
		return nil
	case !truthy(role) || role == "CALLER_CREDENTIALS":
		return word("arn:" + e.partition + ":iam::*:user/*")
	}
	return role
}

// restAuth asks for an authorizer or a key on the event's method.
func (e *event) restAuth(d *definition) error {
	auth := e.props.dict("Auth")
	if auth == nil {
		return badEvent(e.name, "Property 'Auth' should be a map.")
	}
	v, err := e.resolve(e.api.props.get("Auth"))
	if err != nil {
		return err
	}
	api := orEmpty(asDict(v))
	path, method := e.props.text("Path"), strings.ToLower(e.props.text("Method"))
	name := auth.get("Authorizer")
	if err := e.checkAuthorizer(api, name, "on API method ["+method+"] for path ["+path+"]"); err != nil {
		return err
	}
	scopes := auth.get("AuthorizationScopes")
	if truthy(scopes) {
		if _, ok := scopes.([]any); !ok {
			return badEvent(e.name, "Property 'Auth.AuthorizationScopes' should be a list.")
		}
		if !truthy(name) {
			return badEvent(e.name, "AuthorizationScopes works only when Authorizer is set")
		}
	}
	key := auth.get("ApiKeyRequired")
	if key != nil && !truthy(key) && !truthy(api.get("ApiKeyRequired")) {
		return badEvent(e.name, "Unable to set ApiKeyRequired [False] on API method [%s] for path [%s] because the related API does not specify any ApiKeyRequired.", method, path)
	}
	methods, err := d.integrated(path, methodKey(method))
	if err != nil {
		return err
	}
	for _, m := range methods {
		if text, ok := textOf(name); ok && text != "" {
			of := any([]any{})
			if own := api.dict("Authorizers").dict(text); own != nil && text != "NONE" {
				if own.get("AuthorizationScopes") != nil {
					of = own.get("AuthorizationScopes")
				}
				if scopes != nil {
					of = scopes
				}
			}
			one := oldDict()
			one.Set(text, of)
			if err := d.secure(m, append(slices.Clone(m.list("security")), one)); err != nil {
				return err
			}
		}
		if key != nil {
			id := "api_key_false"
			if truthy(key) {
				id = "api_key"
				d.addScheme("api_key", apiKeyScheme())
			}
			m.own("security", append(slices.Clone(m.list("security")), oldDict(id, []any{})))
		}
	}
	return e.restPolicy(d, auth.get("ResourcePolicy"), path)
}

// restPolicy says who may call the event's method.
func (e *event) restPolicy(d *definition, v any, path string) error {
	if !truthy(v) {
		return nil
	}
	policy := asDict(v)
	if policy == nil {
		return badResource(e.name, "Property 'Auth.ResourcePolicy' should be a map.")
	}
	if err := d.addPolicy(policy, path, e.api.stage); err != nil {
		return err
	}
	d.addCustom(policy.get("CustomStatements"))
	return nil
}

func (e *event) checkAuthorizer(api *Dict, name any, at string) error {
	authorizers := api.dict("Authorizers")
	if truthy(api.get("Authorizers")) && authorizers == nil {
		return badResource(e.api.id, "Property 'Auth.Authorizers' should be a map.")
	}
	text, isText := textOf(name)
	switch {
	case !truthy(name) || text == "AWS_IAM":
	case text == "NONE":
		if !truthy(api.get("DefaultAuthorizer")) {
			return badEvent(e.name, "Unable to set Authorizer %s because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.", at)
		}
	case !truthy(authorizers):
		return badEvent(e.name, "Unable to set Authorizer [%s] %s because the related API does not define any Authorizers.", text, at)
	case !isText:
		return badEvent(e.name, "Unable to set Authorizer [%s] %s. The method authorizer must be a string with a corresponding dict entry in the api authorizer.", oldText(name), at)
	case !truthy(authorizers.get(text)):
		return badEvent(e.name, "Unable to set Authorizer [%s] %s because it wasn't defined in the API's Authorizers.", text, at)
	}
	return nil
}

// restApi is an AWS::Serverless::Api.
func (m *macro) restApi() ([]*resource, error) {
	p := m.props
	for _, name := range []string{"BinaryMediaTypes", "Auth"} {
		v, err := m.resolve(p.get(name))
		if err != nil {
			return nil, err
		}
		p.set(name, v)
	}
	api := &resource{id: m.id, typ: "AWS::ApiGateway::RestApi", dependsOn: m.source.get("DependsOn"), attributes: m.attributes, props: NewDict()}
	if truthy(p.get("DefinitionUri")) && truthy(p.get("DefinitionBody")) {
		return nil, badResource(m.id, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if v := p.get("OpenApiVersion"); truthy(v) && !openAPIVersions.MatchString(versionText(v)) {
		return nil, badResource(m.id, "The OpenApiVersion value must be of the format '3.0.0'.")
	}
	copyProps(api.props, p, "BinaryMediaTypes", "MinimumCompressionSize")
	if err := m.endpoints(api.props); err != nil {
		return nil, err
	}
	body, err := m.restDefinition(p.dict("DefinitionBody"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"FailOnWarnings", "Name", "Description", "Mode", "ApiKeySourceType", "Policy", "SecurityPolicy", "EndpointAccessMode"} {
		if truthy(p.get(name)) {
			api.props.Set(name, p.get(name))
		}
	}
	var deployed *Dict
	switch {
	case truthy(p.get("DefinitionUri")):
		if deployed, err = bodyLocation(m.id, p.get("DefinitionUri")); err != nil {
			return nil, err
		}
		api.props.Set("BodyS3Location", deployed)
	case truthy(body):
		deployed = body
		api.props.Set("Body", body)
	}
	stage, deployment := m.deploy(deployed)
	out := []*resource{api, deployment, stage}
	for _, name := range p.dict("Auth").dict("Authorizers").names() {
		a := p.dict("Auth").dict("Authorizers").dict(name)
		if truthy(a.get("FunctionArn")) && !truthy(a.get("DisableFunctionDefaultPermissions")) {
			out = append(out, m.authorizerPermission(m.partition, name, a.get("FunctionArn")))
		}
	}
	plan, err := m.usagePlan(stage)
	if err != nil {
		return nil, err
	}
	out = append(out, plan...)
	m.propagate(out, p.get("PropagateTags"))
	return out, nil
}

// endpoints are the kinds of addresses that the API has.
func (m *macro) endpoints(out *Dict) error {
	v := m.props.get("EndpointConfiguration")
	if !truthy(v) {
		if m.partition == "aws" {
			return nil
		}
		v = "REGIONAL"
	}
	d := asDict(v)
	if !truthy(d.get("Type")) {
		out.Set("EndpointConfiguration", made("Types", []any{v}))
		out.Set("Parameters", made("endpointConfigurationTypes", v))
		return nil
	}
	config := made("Types", []any{d.get("Type")})
	if d.has("VPCEndpointIds") && d.has("VpcEndpointIds") {
		return badResource(m.id, "'VPCEndpointIds' and 'VpcEndpointIds' cannot be used together in EndpointConfiguration.")
	}
	for _, name := range []string{"VPCEndpointIds", "VpcEndpointIds"} {
		if d.has(name) {
			config.Set("VpcEndpointIds", d.get(name))
		}
	}
	copyProps(config, d, "IpAddressType")
	out.Set("EndpointConfiguration", config)
	out.Set("Parameters", made("endpointConfigurationTypes", d.get("Type")))
	return nil
}

// deploy makes stage and deployment. The deployment's logical id changes with
// the definition, so that each change is deployed.
func (m *macro) deploy(body *Dict) (stage, deployment *resource) {
	p := m.props
	name, _ := textOf(p.get("StageName"))
	id := hashed(m.id+"Stage", name)
	if alphanumeric(name) {
		id = m.id + name + "Stage"
	}
	deployment = m.new("AWS::ApiGateway::Deployment", m.id+"Deployment", made("RestApiId", ref(m.id)))
	if !truthy(p.get("OpenApiVersion")) {
		deployment.props.Set("StageName", "Stage")
	}
	if body.len() > 0 {
		input := []string{oldText(body)}
		if v := p.get("OpenApiVersion"); truthy(v) {
			input = append(input, versionText(v))
		}
		if names := m.naming[m.id]; len(names) > 0 {
			input = append(input, strings.Join(names, ""))
		}
		text := strings.Join(input, "||")
		deployment.id = hashed(deployment.id, text)
		deployment.props.Set("Description", "RestApi deployment id: "+digest(text))
	}
	stage = m.new("AWS::ApiGateway::Stage", id, made("RestApiId", ref(m.id), "DeploymentId", ref(deployment.id)))
	copyProps(stage.props, p, "StageName", "CacheClusterEnabled", "CacheClusterSize", "Variables", "MethodSettings", "AccessLogSetting", "CanarySetting", "TracingEnabled")
	if tags := p.dict("Tags"); tags != nil {
		stage.props.Set("Tags", tagList(tags))
	}
	return stage, deployment
}

// usagePlan makes the plan and key of Auth.UsagePlan.
func (m *macro) usagePlan(stage *resource) ([]*resource, error) {
	auth := m.props.dict("Auth")
	if auth.get("UsagePlan") == nil {
		return nil, nil
	}
	given := auth.dict("UsagePlan")
	if given == nil {
		return nil, badResource(m.id, "'UsagePlan' must be a dictionary")
	}
	optional := []string{"UsagePlanName", "Description", "Quota", "Tags", "Throttle"}
	for _, k := range given.names() {
		if k != "CreateUsagePlan" && !slices.Contains(optional, k) {
			return nil, badResource(m.id, "Invalid property for 'UsagePlan'")
		}
	}
	switch given.get("CreateUsagePlan") {
	case nil:
		return nil, badResource(m.id, "'CreateUsagePlan' is a required field for UsagePlan.")
	case "NONE":
		return nil, nil
	case "PER_API":
	case "SHARED":
		return nil, badResource(m.id, "CreateUsagePlan SHARED is not supported by this version of the sandbox; PER_API is.")
	default:
		return nil, badResource(m.id, "'CreateUsagePlan' accepts one of ['SHARED', 'PER_API', 'NONE'].")
	}
	plan := m.new("AWS::ApiGateway::UsagePlan", m.id+"UsagePlan", made("ApiStages", []any{made("ApiId", ref(m.id), "Stage", ref(stage.id))}))
	plan.dependsOn = []any{m.id}
	for _, name := range optional {
		if truthy(given.get(name)) {
			plan.props.Set(name, given.get(name))
		}
	}
	key := m.new("AWS::ApiGateway::ApiKey", m.id+"ApiKey", made("Enabled", true, "StageKeys", []any{made("RestApiId", ref(m.id), "StageName", ref(stage.id))}))
	key.dependsOn = []any{plan.id}
	link := m.new("AWS::ApiGateway::UsagePlanKey", m.id+"UsagePlanKey", made("KeyId", ref(key.id), "KeyType", "API_KEY", "UsagePlanId", ref(plan.id)))
	link.dependsOn = []any{key.id}
	return []*resource{plan, key, link}, nil
}

// nameBehind notes the names of the functions behind an explicit REST API: a
// function that is named otherwise is deployed anew.
func (m *macro) nameBehind() error {
	events := m.props.dict("Events")
	for _, name := range events.names() {
		e := events.dict(name)
		given := e.dict("Properties").get("RestApiId")
		if e.get("Type") != "Api" || !truthy(given) {
			continue
		}
		if d := asDict(given); d.has("Ref") {
			given = d.get("Ref")
		}
		api, ok := textOf(given)
		if !ok {
			continue
		}
		v, err := m.resolved(m.props.get("FunctionName"))
		if err != nil {
			return err
		}
		if !truthy(v) {
			continue
		}
		text, ok := textOf(v)
		if !ok {
			text = oldText(v)
		}
		m.naming[api] = append(m.naming[api], text)
	}
	return nil
}

// settleVersions gives definitions that the transform makes the version that
// OpenApiVersion asks for.
func (t *transform) settleVersions() {
	for _, id := range t.ofType("Api") {
		props := t.resources().dict(id).dict("Properties")
		v := props.get("OpenApiVersion")
		if v == nil || !props.has(managedKey) || !openAPI3.MatchString(versionText(v)) {
			continue
		}
		if _, number := v.(json.Number); number {
			v = word(versionText(v))
			props.Set("OpenApiVersion", v)
		}
		if body := props.dict("DefinitionBody"); body != nil {
			body.own("openapi", v)
			body.drop("swagger")
		}
	}
}
