package sam

import (
	"encoding/json"
	"strings"
)

// restSchemes are the authorizers of a REST API and their scopes.
func (m *macro) restSchemes(auth *Dict) (*Dict, map[string]any, error) {
	out := oldDict()
	scopes := map[string]any{}
	if auth.get("DefaultAuthorizer") == "AWS_IAM" {
		out.Set("AWS_IAM", oldDict("type", word("apiKey"), "name", word("Authorization"), "in", word("header"), "x-amazon-apigateway-authtype", word("awsSigv4")))
	}
	if !truthy(auth.get("Authorizers")) {
		return out, scopes, nil
	}
	given := auth.dict("Authorizers")
	if given == nil {
		return nil, nil, badResource(m.id, "Property 'Auth.Authorizers' should be a map.")
	}
	for _, name := range given.names() {
		a := given.dict(name)
		if a == nil {
			return nil, nil, badResource(m.id, "Property 'Auth.Authorizers.%s' should be a map.", name)
		}
		scheme, err := m.restAuthorizer(name, a)
		if err != nil {
			return nil, nil, err
		}
		out.Set(name, scheme)
		scopes[name] = a.get("AuthorizationScopes")
	}
	return out, scopes, nil
}

// restAuthorizer is the scheme of one authorizer: a user pool's or a function's.
func (m *macro) restAuthorizer(name string, a *Dict) (*Dict, error) {
	identity := orEmpty(a.dict("Identity"))
	if truthy(a.get("Identity")) && a.dict("Identity") == nil {
		return nil, badResource(m.id, "Auth.Authorizers.<Authorizer>.Identity must be a dict (LambdaTokenAuthorizationIdentity, LambdaRequestAuthorizationIdentity or CognitoAuthorizationIdentity).")
	}
	payload := a.get("FunctionPayloadType")
	switch {
	case payload != nil && payload != "TOKEN" && payload != "REQUEST":
		return nil, badResource(m.id, "%s Authorizer has invalid 'FunctionPayloadType': %s.", name, strings.Trim(oldText(payload), "u'"))
	case payload == "REQUEST" && !identifies(identity):
		return nil, badResource(m.id, "%s Authorizer must specify Identity with at least one of Headers, QueryStrings, StageVariables, or Context.", name)
	}
	if v := a.get("AuthorizationScopes"); v != nil && a.list("AuthorizationScopes") == nil {
		return nil, badResource(m.id, "Property 'Authorizers.%s.AuthorizationScopes' should be a list.", name)
	}
	header := any(word("Authorization"))
	if truthy(identity.get("Header")) {
		header = identity.get("Header")
	}
	pool := a.get("UserPoolArn")
	if truthy(pool) {
		arns, ok := pool.([]any)
		if !ok {
			arns = []any{pool}
		}
		how := oldDict("type", word("cognito_user_pools"), "providerARNs", arns)
		if truthy(identity.get("ValidationExpression")) {
			how.own("identityValidationExpression", identity.get("ValidationExpression"))
		}
		return oldDict("type", word("apiKey"), "name", header, "in", word("header"), "x-amazon-apigateway-authtype", word("cognito_user_pools"), authorizerKey, how), nil
	}
	kind := word("token")
	if payload == "REQUEST" {
		kind, header = "request", word("Unused")
	}
	how := oldDict("type", kind, "authorizerUri", m.authorizerURI(a.get("FunctionArn")))
	if v := identity.get("ReauthorizeEvery"); v != nil {
		how.own("authorizerResultTtlInSeconds", v)
	}
	if role := a.get("FunctionInvokeRole"); truthy(role) && role != "NONE" {
		how.own("authorizerCredentials", role)
	}
	if payload == "REQUEST" {
		sources, err := m.identitySources(name, identity, "method.request.header.", "method.request.querystring.", "stageVariables.", "context.")
		if err != nil {
			return nil, err
		}
		var texts []string
		for _, s := range sources {
			texts = append(texts, s.(string))
		}
		if len(texts) > 0 {
			how.own("identitySource", strings.Join(texts, ", "))
		}
	} else if truthy(identity.get("ValidationExpression")) {
		how.own("identityValidationExpression", identity.get("ValidationExpression"))
	}
	return oldDict("type", word("apiKey"), "name", header, "in", word("header"), "x-amazon-apigateway-authtype", word("custom"), authorizerKey, how), nil
}

// identifies says whether a request authorizer is told what to look at; it needn't
// be when nothing is remembered.
func identifies(identity *Dict) bool {
	for _, k := range []string{"Headers", "QueryStrings", "StageVariables", "Context"} {
		if truthy(identity.get(k)) {
			return true
		}
	}
	n, ok := identity.get("ReauthorizeEvery").(json.Number)
	return ok && n.String() == "0"
}
