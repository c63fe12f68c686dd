package sam

import "strings"

// httpCors puts the CORS settings of an HTTP API into its definition.
func (m *macro) httpCors(d *definition, v any) error {
	const key = "x-amazon-apigateway-cors"
	out := d.doc.dict(key)
	if out == nil {
		if d.doc.get(key) != nil {
			return badTemplate("Value of '%s' must be a dictionary according to Swagger spec.", key)
		}
		out = NewDict()
	}
	switch x := v.(type) {
	case bool:
		out.Set("allowOrigins", []any{"*"})
	case *Dict:
		if isIntrinsic(x) {
			out.update(asDict(lowerCors(clone(x))))
			break
		}
		origins := x.list("AllowOrigins")
		for _, k := range x.names() {
			low, ok := corsKeys[k]
			if !ok {
				return badResource(m.id, "Invalid key '%s' for 'Cors' property.", k)
			}
			given := x.get(k)
			if truthy(given) && (k != "AllowCredentials" || given == true) || k == "MaxAge" && given != nil {
				out.Set(low, given)
			}
		}
		if x.get("AllowCredentials") == true && len(origins) == 1 && origins[0] == "*" {
			return badResource(m.id, "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set.")
		}
	default:
		return badResource(m.id, "Invalid value for 'Cors' property.")
	}
	d.doc.own(key, out)
	return nil
}

var corsKeys = map[string]string{"AllowOrigins": "allowOrigins", "AllowHeaders": "allowHeaders", "AllowMethods": "allowMethods",
	"ExposeHeaders": "exposeHeaders", "MaxAge": "maxAge", "AllowCredentials": "allowCredentials"}

// lowerCors turns the keys of CORS settings inside of intrinsic functions.
func lowerCors(v any) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = lowerCors(x[i])
		}
	case *Dict:
		out := NewDict()
		for _, k := range x.names() {
			name := k
			if low := corsKeys[k]; low != "" {
				name = low
			}
			out.Set(name, lowerCors(x.get(k)))
		}
		return out
	}
	return v
}

const authorizerKey = "x-amazon-apigateway-authorizer"

// httpAuthorizers puts the authorizers of an HTTP API into its definition, and
// gives the permissions to call those that are functions.
func (m *macro) httpAuthorizers(d *definition, auth *Dict) ([]*resource, error) {
	if auth.len() == 0 {
		return nil, nil
	}
	for _, k := range auth.names() {
		if k != "Authorizers" && k != "DefaultAuthorizer" && k != "EnableIamAuthorizer" {
			return nil, badResource(m.id, "Invalid value for 'Auth' property")
		}
	}
	schemes := NewDict()
	scopes := map[string]any{}
	if auth.get("EnableIamAuthorizer") == true {
		schemes.Set("AWS_IAM", made("type", "apiKey", "name", "Authorization", "in", "header", "x-amazon-apigateway-authtype", "awsSigv4"))
	}
	given := auth.dict("Authorizers")
	if truthy(auth.get("Authorizers")) && given == nil {
		return nil, badResource(m.id, "Property 'Auth.Authorizers' should be a map.")
	}
	var permissions []*resource
	for _, name := range given.names() {
		a := given.dict(name)
		if a == nil {
			return nil, badResource(m.id, "Property 'Auth.Authorizers.%s' should be a map.", name)
		}
		scheme, err := m.httpAuthorizer(name, a)
		if err != nil {
			return nil, err
		}
		schemes.Set(name, scheme)
		scopes[name] = a.get("AuthorizationScopes")
		if truthy(a.get("FunctionArn")) && truthy(a.get("EnableFunctionDefaultPermissions")) {
			permissions = append(permissions, m.authorizerPermission("${AWS::Partition}", name, a.get("FunctionArn")))
		}
	}
	if schemes.len() > 0 {
		if d.doc.dict("components") == nil {
			d.doc.own("components", NewDict())
		}
		if d.doc.dict("components").dict("securitySchemes") == nil {
			d.doc.dict("components").Set("securitySchemes", NewDict())
		}
		d.doc.dict("components").dict("securitySchemes").update(schemes)
	}
	return permissions, m.httpDefault(d, auth.get("DefaultAuthorizer"), schemes, scopes)
}

// authorizerPermission lets API Gateway call an authorizer.
func (m *macro) authorizerPermission(partition, name string, function any) *resource {
	return m.new("AWS::Lambda::Permission", m.id+name+"AuthorizerPermission", made("Action", "lambda:InvokeFunction", "FunctionName", function,
		"Principal", "apigateway.amazonaws.com", "SourceArn", made("Fn::Sub", []any{
			"arn:" + partition + ":execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/authorizers/*", made("__ApiId__", ref(m.id))})))
}

// httpAuthorizer is the security scheme of an authorizer: tokens or a function.
func (m *macro) httpAuthorizer(name string, a *Dict) (*Dict, error) {
	if a.has("OpenIdConnectUrl") {
		return nil, badResource(m.id, "'OpenIdConnectUrl' is no longer a supported property for authorizer '%s'. Please refer to the AWS SAM documentation.", name)
	}
	if v := a.get("AuthorizationScopes"); v != nil && a.list("AuthorizationScopes") == nil {
		return nil, badResource(m.id, "AuthorizationScopes must be a list.")
	}
	if truthy(a.get("JwtConfiguration")) {
		jwt := a.dict("JwtConfiguration")
		if jwt == nil {
			return nil, badResource(m.id, "Property 'JwtConfiguration' should be a map.")
		}
		if !truthy(a.get("IdentitySource")) {
			return nil, badResource(m.id, "%s OAuth2 Authorizer must define 'IdentitySource'.", name)
		}
		low := NewDict()
		for _, k := range jwt.names() {
			low.Set(strings.ToLower(k), jwt.get(k))
		}
		return made("type", "oauth2", authorizerKey, made("jwtConfiguration", low, "identitySource", a.get("IdentitySource"), "type", "jwt")), nil
	}
	switch {
	case a.get("AuthorizationScopes") != nil:
		return nil, badResource(m.id, "AuthorizationScopes is only supported for OAuth2 Authorizer.")
	case a.get("IdentitySource") != nil:
		return nil, badResource(m.id, "IdentitySource is only supported for OAuth2 Authorizer. For Lambda Authorizer, use the 'Identity' property instead.")
	case !truthy(a.get("FunctionArn")):
		return nil, badResource(m.id, "%s Lambda Authorizer must define 'FunctionArn'.", name)
	case !truthy(a.get("AuthorizerPayloadFormatVersion")):
		return nil, badResource(m.id, "%s Lambda Authorizer must define 'AuthorizerPayloadFormatVersion'.", name)
	}
	how := made("type", "request", "authorizerUri", m.authorizerURI(a.get("FunctionArn")))
	if role := a.get("FunctionInvokeRole"); truthy(role) && role != "NONE" {
		how.Set("authorizerCredentials", role)
	}
	if truthy(a.get("Identity")) {
		identity := a.dict("Identity")
		if identity == nil {
			return nil, badResource(m.id, "Property 'Auth.Authorizers.%s.Identity' should be a map.", name)
		}
		how.set("authorizerResultTtlInSeconds", identity.get("ReauthorizeEvery"))
		sources, err := m.identitySources(name, identity, "$request.header.", "$request.querystring.", "$stageVariables.", "$context.")
		if err != nil {
			return nil, err
		}
		how.Set("identitySource", sources)
	}
	how.Set("authorizerPayloadFormatVersion", a.get("AuthorizerPayloadFormatVersion"))
	if truthy(a.get("EnableSimpleResponses")) {
		how.Set("enableSimpleResponses", a.get("EnableSimpleResponses"))
	}
	return made("type", "apiKey", "name", "Unused", "in", "header", authorizerKey, how), nil
}

func (m *macro) authorizerURI(function any) *Dict {
	return oldDict("Fn::Sub", []any{word("arn:" + m.partition + ":apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations"),
		oldDict("__FunctionArn__", function)})
}

// identitySources are the places in a request that identify its caller.
func (m *macro) identitySources(name string, identity *Dict, header, query, stage, context string) ([]any, error) {
	out := []any{}
	for _, kind := range [][2]string{{"Headers", header}, {"QueryStrings", query}, {"StageVariables", stage}, {"Context", context}} {
		v := identity.get(kind[0])
		if !truthy(v) {
			continue
		}
		list, ok := v.([]any)
		if !ok {
			return nil, badResource(m.id, "Property 'Authorizers.%s.Identity.%s' should be a list.", name, kind[0])
		}
		for _, e := range list {
			s, ok := textOf(e)
			if !ok {
				return nil, badResource(m.id, "Property 'Authorizers.%s.Identity.%s' should be a list of strings.", name, kind[0])
			}
			out = append(out, kind[1]+s)
		}
	}
	return out, nil
}

// httpDefault asks for the default authorizer on all routes without another.
func (m *macro) httpDefault(d *definition, v any, schemes *Dict, scopes map[string]any) error {
	if !truthy(v) || isNoValue(v) {
		return nil
	}
	name, ok := textOf(v)
	if !ok {
		return badResource(m.id, "Property 'Auth.DefaultAuthorizer' should be a string.")
	}
	if !schemes.has(name) {
		return badResource(m.id, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
	}
	of := any([]any{})
	if scopes[name] != nil {
		of = scopes[name]
	}
	for _, path := range d.paths.names() {
		items, err := d.items(path)
		if err != nil {
			return err
		}
		for _, item := range items {
			for _, key := range item.names() {
				if key == "parameters" || methodKey(key) == "options" {
					continue
				}
				methods, err := d.integrated(path, key)
				if err != nil {
					return err
				}
				for _, method := range methods {
					if !truthy(method.get("security")) {
						method.Set("security", []any{made(name, of)})
					}
				}
			}
		}
	}
	return nil
}
