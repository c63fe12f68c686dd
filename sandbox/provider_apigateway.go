package sandbox

import (
	"reflect"
	"slices"
	"strings"
)

// restAPIProviders are the resource types of REST APIs.
func restAPIProviders() map[string]provider {
	return map[string]provider{
		"AWS::ApiGateway::RestApi":    restAPIProvider(),
		"AWS::ApiGateway::Resource":   restResourceProvider(),
		"AWS::ApiGateway::Method":     restMethodProvider(),
		"AWS::ApiGateway::Deployment": restDeploymentProvider(),
		"AWS::ApiGateway::Stage":      restStageProvider(),
		"AWS::ApiGateway::Account":    gatewayAccountProvider(),
	}
}

// change is one patch of an update.
func change(op, path string, value any) any {
	out := map[string]any{"op": op, "path": path}
	if op != "remove" {
		out["value"] = documentText(value)
	}
	return out
}

// changes are the patches for the properties that differ, by the path of each.
func (rc *resourceCall) changes(paths map[string]string) []any {
	var out []any
	for _, name := range sortedKeys(paths) {
		switch {
		case reflect.DeepEqual(rc.Props[name], rc.OldProps[name]):
		case rc.Props.has(name):
			out = append(out, change("replace", paths[name], rc.Props[name]))
		default:
			out = append(out, change("remove", paths[name], nil))
		}
	}
	return out
}

// listChanges are the patches that bring a list of names to what it is now.
func (rc *resourceCall) listChanges(name, path string) []any {
	var out []any
	was, is := rc.OldProps.strs(name), rc.Props.strs(name)
	escaped := func(s string) string {
		return path + "/" + strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
	}
	for _, v := range was {
		if !slices.Contains(is, v) {
			out = append(out, change("remove", escaped(v), nil))
		}
	}
	for _, v := range is {
		if !slices.Contains(was, v) {
			out = append(out, change("add", escaped(v), ""))
		}
	}
	return out
}

// gatewayReads is what the handlers of API Gateway's types read.
func (rc *resourceCall) gatewayReads(second bool, of string) []look {
	if second {
		field := map[string]string{"Route": "routeId", "Integration": "integrationId", "Stage": "stageName", "Deployment": "deploymentId"}[of]
		if field == "" {
			return []look{{"apigatewayv2", "GetApi", params{"apiId": rc.PhysicalID}}}
		}
		return []look{{"apigatewayv2", "Get" + of, params{"apiId": rc.Props.str("ApiId"), field: rc.PhysicalID}}}
	}
	in := params{"restapi_id": rc.Props.str("RestApiId")}
	switch of {
	case "RestApi":
		return []look{{"apigateway", "GetRestApi", params{"restapi_id": rc.PhysicalID}}, {"apigateway", "GetResources", params{"restapi_id": rc.PhysicalID}}}
	case "Account":
		return []look{{"apigateway", "GetAccount", params{}}}
	case "Resource":
		in["resource_id"] = rc.PhysicalID
	case "Deployment":
		in["deployment_id"] = rc.PhysicalID
	case "Stage":
		in["stage_name"] = rc.PhysicalID
	case "Method":
		in["resource_id"], in["http_method"] = rc.Props.str("ResourceId"), rc.Props.str("HttpMethod")
	}
	return []look{{"apigateway", "Get" + of, in}}
}

// restAPIProvider makes REST APIs, of a body or with resources of their own;
// Ref gives the id.
func restAPIProvider() provider {
	p := provider{
		properties: map[string]property{"Body": mutable, "BodyS3Location": mutable, "CloneFrom": replaces, "FailOnWarnings": mutable, "Mode": mutable, "Parameters": mutable,
			"Name": mutable, "Description": mutable, "Policy": mutable, "BinaryMediaTypes": mutable, "MinimumCompressionSize": mutable, "ApiKeySourceType": mutable,
			"EndpointConfiguration": mutable, "DisableExecuteApiEndpoint": mutable, "Tags": mutable},
		attributes: []string{"RestApiId", "RootResourceId"},
		tags:       "Tags",
		documents:  []string{"Body"},
	}
	p.create, p.update = createRestAPIResource, updateRestAPIResource
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("apigateway", "DeleteRestApi", params{"restapi_id": rc.PhysicalID})
		return tolerate(err, "NotFoundException")
	}
	return p
}

func restAPIAttributes(rc *resourceCall, out obj) map[string]any {
	attrs := map[string]any{"RestApiId": text(out["id"]), "RootResourceId": text(out["rootResourceId"])}
	rc.noteTags(attrs)
	return attrs
}

func putRestAPIBody(rc *resourceCall, id string) (obj, error) {
	return rc.do("apigateway", "PutRestApi", params{"restapi_id": id, "mode": rc.Props.or("Mode", "overwrite"), "Body": []byte(documentText(rc.Props["Body"]))})
}

func createRestAPIResource(rc *resourceCall) (string, map[string]any, error) {
	if err := rc.refuse("BodyS3Location", "CloneFrom"); err != nil {
		return "", nil, err
	}
	in := rc.wire("Name", "Description", "BinaryMediaTypes", "MinimumCompressionSize", "EndpointConfiguration", "DisableExecuteApiEndpoint")
	if kinds := rc.Props.obj("Parameters").str("endpointConfigurationTypes"); kinds != "" && !rc.Props.has("EndpointConfiguration") {
		in["endpointConfiguration"] = map[string]any{"types": []any{kinds}}
	}
	if rc.Props.has("ApiKeySourceType") {
		in["apiKeySource"] = rc.Props["ApiKeySourceType"]
	}
	if rc.Props.has("Policy") {
		in["policy"] = documentText(rc.Props["Policy"])
	}
	if !in.has("name") {
		in["name"] = rc.Props.obj("Body").obj("info").str("title")
	}
	in["tags"] = rc.wireTags()
	out, err := rc.do("apigateway", "CreateRestApi", in)
	if err != nil {
		return "", nil, err
	}
	id := text(out["id"])
	if rc.Props.has("Body") {
		if put, err := putRestAPIBody(rc, id); err != nil {
			return id, restAPIAttributes(rc, out), err
		} else {
			out = put
		}
		if rc.Props.has("Name") { // wins over the body's title
			_, err = rc.do("apigateway", "UpdateRestApi", params{"restapi_id": id, "patchOperations": []any{change("replace", "/name", rc.Props["Name"])}})
		}
	}
	return id, restAPIAttributes(rc, out), err
}

func updateRestAPIResource(rc *resourceCall) (map[string]any, error) {
	if err := rc.refuse("BodyS3Location", "CloneFrom"); err != nil {
		return nil, err
	}
	if rc.Props.has("Body") && documentText(rc.Props["Body"]) != documentText(rc.OldProps["Body"]) {
		if _, err := putRestAPIBody(rc, rc.PhysicalID); err != nil {
			return nil, err
		}
	}
	list := append(rc.changes(map[string]string{"Name": "/name", "Description": "/description", "Policy": "/policy", "MinimumCompressionSize": "/minimumCompressionSize",
		"ApiKeySourceType": "/apiKeySource", "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint"}), rc.listChanges("BinaryMediaTypes", "/binaryMediaTypes")...)
	was, is := rc.OldProps.obj("EndpointConfiguration").strs("Types"), rc.Props.obj("EndpointConfiguration").strs("Types")
	if len(is) > 0 && !reflect.DeepEqual(was, is) {
		list = append(list, change("replace", "/endpointConfiguration/types/0", is[0]))
	}
	out, err := rc.do("apigateway", "UpdateRestApi", params{"restapi_id": rc.PhysicalID, "patchOperations": list})
	if err != nil {
		return nil, err
	}
	attrs := restAPIAttributes(rc, out)
	return attrs, rc.retagGateway("apigateway", "resource_arn", "arn:aws:apigateway:"+rc.Region+"::/restapis/"+rc.PhysicalID, attrs)
}

func restResourceProvider() provider {
	return provider{
		properties: map[string]property{"RestApiId": required | replaces, "ParentId": required | replaces, "PathPart": required | replaces},
		attributes: []string{"ResourceId"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			out, err := rc.do("apigateway", "CreateResource", params{"restapi_id": rc.Props.str("RestApiId"), "parent_id": rc.Props.str("ParentId"), "pathPart": rc.Props.str("PathPart")})
			if err != nil {
				return "", nil, err
			}
			id := text(out["id"])
			return id, map[string]any{"ResourceId": id}, nil
		},
		remove: func(rc *resourceCall) error {
			_, err := rc.do("apigateway", "DeleteResource", params{"restapi_id": rc.Props.str("RestApiId"), "resource_id": rc.PhysicalID})
			return tolerate(err, "NotFoundException")
		},
	}
}

// restMethodProvider makes methods with their integrations. An update puts the
// method anew, as a new one would be.
func restMethodProvider() provider {
	p := provider{properties: map[string]property{"RestApiId": required | replaces, "ResourceId": required | replaces, "HttpMethod": required | replaces,
		"AuthorizationType": mutable, "AuthorizationScopes": mutable, "AuthorizerId": mutable, "ApiKeyRequired": mutable, "Integration": mutable, "MethodResponses": mutable,
		"OperationName": mutable, "RequestModels": mutable, "RequestParameters": mutable, "RequestValidatorId": mutable}}
	set := func(rc *resourceCall) error {
		if err := rc.refuse("AuthorizerId", "RequestValidatorId"); err != nil {
			return err
		}
		at := func() params {
			return params{"restapi_id": rc.Props.str("RestApiId"), "resource_id": rc.Props.str("ResourceId"), "http_method": rc.Props.str("HttpMethod")}
		}
		put := func(op string, in params, more map[string]any) error {
			for k, v := range more {
				in[k] = v
			}
			_, err := rc.do("apigateway", op, in)
			return err
		}
		method := rc.wire("ApiKeyRequired", "OperationName", "RequestModels", "RequestParameters")
		method["authorizationType"] = rc.Props.or("AuthorizationType", "NONE")
		if err := put("PutMethod", at(), method); err != nil {
			return err
		}
		for _, r := range rc.Props.list("MethodResponses") {
			in := at()
			in["status_code"] = r.str("StatusCode")
			if err := put("PutMethodResponse", in, asParams(wireNames(r, ""))); err != nil {
				return err
			}
		}
		integration := rc.Props.obj("Integration")
		if len(integration) == 0 {
			return nil
		}
		wire := asParams(wireNames(integration, ""))
		delete(wire, "integrationResponses")
		if wire.has("integrationHttpMethod") {
			wire["httpMethod"] = wire["integrationHttpMethod"]
		}
		if err := put("PutIntegration", at(), wire); err != nil {
			return err
		}
		for _, r := range integration.list("IntegrationResponses") {
			in := at()
			in["status_code"] = r.str("StatusCode")
			if err := put("PutIntegrationResponse", in, asParams(wireNames(r, ""))); err != nil {
				return err
			}
		}
		return nil
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		return rc.Props.str("RestApiId") + "|" + rc.Props.str("ResourceId") + "|" + rc.Props.str("HttpMethod"), nil, set(rc)
	}
	p.update = func(rc *resourceCall) (map[string]any, error) { return nil, set(rc) }
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("apigateway", "DeleteMethod", params{"restapi_id": rc.Props.str("RestApiId"), "resource_id": rc.Props.str("ResourceId"), "http_method": rc.Props.str("HttpMethod")})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// restDeploymentProvider deploys a REST API; Ref gives the deployment's id.
func restDeploymentProvider() provider {
	p := provider{
		properties: map[string]property{"RestApiId": required | replaces, "Description": mutable, "StageName": mutable, "StageDescription": mutable, "DeploymentCanarySettings": replaces},
		attributes: []string{"DeploymentId"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse("DeploymentCanarySettings"); err != nil {
			return "", nil, err
		}
		out, err := rc.do("apigateway", "CreateDeployment", params{"restapi_id": rc.Props.str("RestApiId"), "description": rc.Props.str("Description"), "stageName": rc.Props.str("StageName"),
			"variables": rc.Props.obj("StageDescription")["Variables"], "stageDescription": rc.Props.obj("StageDescription").str("Description")})
		if err != nil {
			return "", nil, err
		}
		id := text(out["id"])
		return id, map[string]any{"DeploymentId": id}, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		_, err := rc.do("apigateway", "UpdateDeployment", params{"restapi_id": rc.Props.str("RestApiId"), "deployment_id": rc.PhysicalID,
			"patchOperations": rc.changes(map[string]string{"Description": "/description"})})
		return rc.OldAttrs, err
	}
	p.remove = func(rc *resourceCall) error {
		api, stage := rc.Props.str("RestApiId"), rc.Props.str("StageName")
		if stage != "" { // the stage that the deployment made goes with it
			if s, err := rc.do("apigateway", "GetStage", params{"restapi_id": api, "stage_name": stage}); err == nil && text(s["deploymentId"]) == rc.PhysicalID {
				if _, err := rc.do("apigateway", "DeleteStage", params{"restapi_id": api, "stage_name": stage}); err != nil {
					return err
				}
			}
		}
		_, err := rc.do("apigateway", "DeleteDeployment", params{"restapi_id": api, "deployment_id": rc.PhysicalID})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// methodSettingPaths are the ends of patches, by the property of MethodSettings.
var methodSettingPaths = map[string]string{"MetricsEnabled": "metrics/enabled", "LoggingLevel": "logging/loglevel", "DataTraceEnabled": "logging/dataTrace",
	"ThrottlingBurstLimit": "throttling/burstLimit", "ThrottlingRateLimit": "throttling/rateLimit"}

// methodSettingChanges are the patches that set a stage's MethodSettings.
func (rc *resourceCall) methodSettingChanges() []any {
	var out []any
	for _, m := range rc.Props.list("MethodSettings") {
		path := "/" + strings.ReplaceAll(strings.ReplaceAll(m.or("ResourcePath", "/*"), "~", "~0"), "/", "~1") + "/" + m.or("HttpMethod", "*")
		if m.str("ResourcePath") == "/*" {
			path = "/*/" + m.or("HttpMethod", "*")
		}
		for _, name := range sortedKeys(methodSettingPaths) {
			if m.has(name) {
				out = append(out, change("replace", path+"/"+methodSettingPaths[name], m[name]))
			}
		}
	}
	for _, name := range []string{"DestinationArn", "Format"} {
		if log := rc.Props.obj("AccessLogSetting"); log.has(name) {
			out = append(out, change("replace", "/accessLogSettings/"+strings.ToLower(name[:1])+name[1:], log[name]))
		}
	}
	return out
}

// restStageProvider makes stages; Ref gives the name.
func restStageProvider() provider {
	p := provider{
		properties: map[string]property{"RestApiId": required | replaces, "StageName": replaces, "DeploymentId": mutable, "Description": mutable, "Variables": mutable,
			"TracingEnabled": mutable, "MethodSettings": mutable, "AccessLogSetting": mutable, "CacheClusterEnabled": mutable, "CacheClusterSize": mutable,
			"CanarySetting": mutable, "ClientCertificateId": mutable, "DocumentationVersion": mutable, "Tags": mutable},
		tags: "Tags",
	}
	at := func(rc *resourceCall, stage string) params {
		return params{"restapi_id": rc.Props.str("RestApiId"), "stage_name": stage}
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse("CacheClusterSize", "CanarySetting"); err != nil {
			return "", nil, err
		}
		in := rc.wire("DeploymentId", "StageName", "Description", "Variables", "TracingEnabled", "ClientCertificateId", "DocumentationVersion", "CacheClusterEnabled")
		in["restapi_id"], in["tags"] = rc.Props.str("RestApiId"), rc.wireTags()
		out, err := rc.do("apigateway", "CreateStage", in)
		if err != nil {
			return "", nil, err
		}
		name, attrs := text(out["stageName"]), map[string]any{}
		rc.noteTags(attrs)
		if list := rc.methodSettingChanges(); len(list) > 0 {
			in := at(rc, name)
			in["patchOperations"] = list
			_, err = rc.do("apigateway", "UpdateStage", in)
		}
		return name, attrs, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.refuse("CacheClusterSize", "CanarySetting"); err != nil {
			return nil, err
		}
		list := append(rc.changes(map[string]string{"DeploymentId": "/deploymentId", "Description": "/description", "TracingEnabled": "/tracingEnabled",
			"ClientCertificateId": "/clientCertificateId", "DocumentationVersion": "/documentationVersion"}), rc.methodSettingChanges()...)
		was, is := rc.OldProps.obj("Variables"), rc.Props.obj("Variables")
		for _, name := range sortedKeys(was) {
			if !is.has(name) {
				list = append(list, change("remove", "/variables/"+name, nil))
			}
		}
		for _, name := range sortedKeys(is) {
			list = append(list, change("replace", "/variables/"+name, is[name]))
		}
		in := at(rc, rc.PhysicalID)
		in["patchOperations"] = list
		if _, err := rc.do("apigateway", "UpdateStage", in); err != nil {
			return nil, err
		}
		attrs := map[string]any{}
		return attrs, rc.retagGateway("apigateway", "resource_arn", "arn:aws:apigateway:"+rc.Region+"::/restapis/"+rc.Props.str("RestApiId")+"/stages/"+rc.PhysicalID, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("apigateway", "DeleteStage", at(rc, rc.PhysicalID))
		return tolerate(err, "NotFoundException")
	}
	return p
}

// gatewayAccountProvider sets the role for logs; it stays when the resource goes.
func gatewayAccountProvider() provider {
	set := func(rc *resourceCall) error {
		_, err := rc.do("apigateway", "UpdateAccount", params{"patchOperations": []any{change("replace", "/cloudwatchRoleArn", rc.Props.str("CloudWatchRoleArn"))}})
		return err
	}
	return provider{
		properties: map[string]property{"CloudWatchRoleArn": mutable},
		attributes: []string{"Id"},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			id := rc.generatedName(64)
			return id, map[string]any{"Id": id}, set(rc)
		},
		update: func(rc *resourceCall) (map[string]any, error) { return map[string]any{"Id": rc.PhysicalID}, set(rc) },
		remove: func(*resourceCall) error { return nil },
	}
}
