package sandbox

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// httpAPIProviders are the resource types of HTTP APIs.
func httpAPIProviders() map[string]provider {
	return map[string]provider{
		"AWS::ApiGatewayV2::Api": httpAPIProvider(),
		"AWS::ApiGatewayV2::Stage": httpPartProvider("Stage", "stageName", "StageName", map[string]property{"ApiId": required | replaces, "StageName": required | replaces,
			"AutoDeploy": mutable, "DeploymentId": mutable, "Description": mutable, "StageVariables": mutable, "DefaultRouteSettings": mutable,
			"RouteSettings": mutable, "AccessLogSettings": mutable, "AccessPolicyId": mutable, "ClientCertificateId": mutable, "Tags": mutable}),
		"AWS::ApiGatewayV2::Route": httpPartProvider("Route", "routeId", "RouteId", map[string]property{"ApiId": required | replaces, "RouteKey": required,
			"Target": mutable, "AuthorizationType": mutable, "AuthorizerId": mutable, "AuthorizationScopes": mutable, "OperationName": mutable, "ApiKeyRequired": mutable,
			"RequestParameters": mutable, "RequestModels": mutable, "ModelSelectionExpression": mutable, "RouteResponseSelectionExpression": mutable}),
		"AWS::ApiGatewayV2::Integration": httpPartProvider("Integration", "integrationId", "IntegrationId", map[string]property{"ApiId": required | replaces,
			"IntegrationType": required, "IntegrationUri": mutable, "IntegrationMethod": mutable, "PayloadFormatVersion": mutable, "TimeoutInMillis": mutable, "Description": mutable,
			"ConnectionType": mutable, "ConnectionId": mutable, "CredentialsArn": mutable, "IntegrationSubtype": mutable, "RequestParameters": mutable, "ResponseParameters": mutable,
			"TlsConfig": mutable, "ContentHandlingStrategy": mutable, "PassthroughBehavior": mutable, "RequestTemplates": mutable, "TemplateSelectionExpression": mutable}),
		"AWS::ApiGatewayV2::Deployment": httpDeploymentProvider(),
	}
}

// wireNames gives properties the names that API Gateway has on the wire, which
// begin with a small letter; what is below maps that users name stays.
func wireNames(v any, inside string) any {
	switch x := v.(type) {
	case params:
		return wireNames(map[string]any(x), inside)
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			name := k
			if inside != "StageVariables" && inside != "Variables" && !strings.HasSuffix(inside, "Parameters") && !strings.HasSuffix(inside, "Templates") && inside != "RouteSettings" {
				name = string(unicode.ToLower(rune(k[0]))) + k[1:]
			}
			below := k
			if inside == "RouteSettings" { // by route, then fields
				below = ""
			}
			out[name] = wireNames(e, below)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = wireNames(e, inside)
		}
		return out
	}
	return v
}

// wire are the named properties, as an operation takes them.
func (rc *resourceCall) wire(names ...string) params {
	return asParams(wireNames(rc.pass(names...), ""))
}

// wireTags are the resource's tags as API Gateway takes them.
func (rc *resourceCall) wireTags() map[string]any {
	out := map[string]any{}
	for k, v := range rc.tags(rc.Props["Tags"]) {
		out[k] = v
	}
	return out
}

// retagGateway brings the tags of an API or a stage to what they should be.
func (rc *resourceCall) retagGateway(service, field, arn string, attrs map[string]any) error {
	wanted := rc.wireTags()
	var stale []any
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, k)
		}
	}
	if len(stale) > 0 {
		if _, err := rc.do(service, "UntagResource", params{field: arn, "tagKeys": stale}); err != nil {
			return err
		}
	}
	rc.noteTags(attrs)
	_, err := rc.do(service, "TagResource", params{field: arn, "tags": wanted})
	return err
}

// httpAPIProvider makes HTTP APIs, of a body or of properties; Ref gives the id.
func httpAPIProvider() provider {
	set := []string{"Name", "Description", "Version", "CorsConfiguration", "DisableExecuteApiEndpoint", "RouteSelectionExpression", "IpAddressType"}
	p := provider{
		properties: map[string]property{"Body": mutable, "BodyS3Location": mutable, "BasePath": mutable, "FailOnWarnings": mutable, "ProtocolType": replaces, "Target": mutable,
			"RouteKey": mutable, "CredentialsArn": mutable, "ApiKeySelectionExpression": mutable, "DisableSchemaValidation": mutable, "Tags": mutable},
		attributes: []string{"ApiEndpoint", "ApiId"},
		tags:       "Tags",
		documents:  []string{"Body"},
	}
	for _, name := range set {
		p.properties[name] = mutable
	}
	shown := func(rc *resourceCall, id string) map[string]any {
		attrs := map[string]any{"ApiId": id, "ApiEndpoint": "https://" + apiDomain(id, rc.Region)}
		rc.noteTags(attrs)
		return attrs
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse("BodyS3Location", "BasePath", "DisableSchemaValidation"); err != nil {
			return "", nil, err
		}
		if !rc.Props.has("Body") {
			in := rc.wire(append([]string{"ProtocolType", "Target", "RouteKey", "CredentialsArn"}, set...)...)
			in["tags"] = rc.wireTags()
			out, err := rc.do("apigatewayv2", "CreateApi", in)
			if err != nil {
				return "", nil, err
			}
			return text(out["apiId"]), shown(rc, text(out["apiId"])), nil
		}
		out, err := rc.do("apigatewayv2", "ImportApi", params{"body": documentText(rc.Props["Body"])})
		if err != nil {
			return "", nil, err
		}
		id := text(out["apiId"])
		attrs := shown(rc, id)
		if err := rc.overHTTPAPI(id, set); err != nil {
			return id, attrs, err
		}
		return id, attrs, rc.retagGateway("apigatewayv2", "resource-arn", "arn:aws:apigateway:"+rc.Region+"::/apis/"+id, attrs)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		id := rc.PhysicalID
		if rc.Props.has("Body") && documentText(rc.Props["Body"]) != documentText(rc.OldProps["Body"]) {
			if _, err := rc.do("apigatewayv2", "ReimportApi", params{"apiId": id, "body": documentText(rc.Props["Body"])}); err != nil {
				return nil, err
			}
		}
		if err := rc.overHTTPAPI(id, set); err != nil {
			return nil, err
		}
		attrs := shown(rc, id)
		return attrs, rc.retagGateway("apigatewayv2", "resource-arn", "arn:aws:apigateway:"+rc.Region+"::/apis/"+id, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("apigatewayv2", "DeleteApi", params{"apiId": rc.PhysicalID})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// overHTTPAPI sets the properties that stand beside a body.
func (rc *resourceCall) overHTTPAPI(id string, set []string) error {
	in := rc.wire(set...)
	if len(in) == 0 {
		return nil
	}
	in["apiId"] = id
	_, err := rc.do("apigatewayv2", "UpdateApi", in)
	return err
}

// httpPartProvider makes what is below an HTTP API; Ref gives its id.
func httpPartProvider(kind, field, attribute string, properties map[string]property) provider {
	p := provider{properties: properties, attributes: []string{attribute}}
	if kind == "Stage" {
		p.tags, p.attributes = "Tags", nil
	}
	var set []string
	for _, part := range httpParts {
		if part.name == kind {
			set = part.keeps
		}
	}
	input := func(rc *resourceCall) (params, error) {
		in := asParams(wireNames(maps.Clone(rc.Props), ""))
		delete(in, "tags")
		for name := range in {
			if name != "apiId" && !slices.Contains(set, name) {
				return nil, fail("UnsupportedOperation", "The sandbox doesn't serve %s of %s", name, rc.Type)
			}
		}
		if t, ok := asParams(in["stageVariables"]), in["stageVariables"] != nil; ok {
			in["stageVariables"] = map[string]any(t)
		}
		return in, nil
	}
	shown := func(rc *resourceCall, id string) map[string]any {
		attrs := map[string]any{attribute: id}
		if kind == "Stage" {
			rc.noteTags(attrs)
		}
		return attrs
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in, err := input(rc)
		if err != nil {
			return "", nil, err
		}
		if kind == "Stage" {
			in["tags"] = rc.wireTags()
		}
		out, err := rc.do("apigatewayv2", "Create"+kind, in)
		if err != nil {
			return "", nil, err
		}
		return text(out[field]), shown(rc, text(out[field])), nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		in, err := input(rc)
		if err != nil {
			return nil, err
		}
		in[field] = rc.PhysicalID
		if _, err := rc.do("apigatewayv2", "Update"+kind, in); err != nil {
			return nil, err
		}
		attrs := shown(rc, rc.PhysicalID)
		if kind != "Stage" {
			return attrs, nil
		}
		arn := "arn:aws:apigateway:" + rc.Region + "::/apis/" + rc.Props.str("ApiId") + "/stages/" + rc.PhysicalID
		return attrs, rc.retagGateway("apigatewayv2", "resource-arn", arn, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("apigatewayv2", "Delete"+kind, params{"apiId": rc.Props.str("ApiId"), field: rc.PhysicalID})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// httpDeploymentProvider deploys an HTTP API, to a stage if it is named.
func httpDeploymentProvider() provider {
	return provider{
		properties: map[string]property{"ApiId": required | replaces, "StageName": replaces, "Description": replaces},
		attributes: []string{"DeploymentId"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			out, err := rc.do("apigatewayv2", "CreateDeployment", rc.wire("ApiId", "StageName", "Description"))
			if err != nil {
				return "", nil, err
			}
			id := text(out["deploymentId"])
			return id, map[string]any{"DeploymentId": id}, nil
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.do("apigatewayv2", "DeleteDeployment", params{"apiId": rc.Props.str("ApiId"), "deploymentId": rc.PhysicalID})
			return tolerate(err, "NotFoundException")
		},
	}
}
