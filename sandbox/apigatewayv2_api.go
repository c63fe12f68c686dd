package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// httpSettings are the fields of an API that can be set.
var httpSettings = []string{"name", "description", "version", "corsConfiguration", "disableExecuteApiEndpoint", "routeSelectionExpression", "ipAddressType"}

func (a *httpAPI) arn() string { return "arn:aws:apigateway:" + a.Region + "::/apis/" + a.ID }

// domain is where an API of either kind is called.
func apiDomain(id, region string) string { return id + ".execute-api." + region + ".amazonaws.com" }

func (a *httpAPI) shape() obj {
	out := obj(maps.Clone(a.Settings))
	out["apiId"], out["apiEndpoint"], out["protocolType"] = a.ID, "https://"+apiDomain(a.ID, a.Region), "HTTP"
	out["apiKeySelectionExpression"] = "$request.header.x-api-key"
	if len(a.Tags) > 0 {
		out["tags"] = a.Tags
	}
	return out
}

// newHTTPAPI makes an API and notes where it is.
func (c *call) newHTTPAPI() *httpAPI {
	a := &httpAPI{ID: c.id(10), Owner: c.Account.ID, Region: c.Region, Settings: map[string]any{"createdDate": c.stamp(),
		"routeSelectionExpression": "$request.method $request.path", "disableExecuteApiEndpoint": false, "ipAddressType": "ipv4"}}
	put(&c.here().HTTP.APIs, a.ID, a)
	put(&c.st.APIs, a.ID, place{a.Owner, a.Region})
	return a
}

// createHTTPAPI makes an API; with a target it gets a route and a stage too.
func createHTTPAPI(c *call) (obj, error) {
	set, err := c.given(httpSettings)
	if err != nil {
		return nil, err
	}
	target, key := c.In.str("target"), c.In.or("routeKey", "$default")
	switch {
	case c.In.str("protocolType") != "HTTP":
		return nil, badAPI("The sandbox has HTTP APIs, not those of protocol %s.", c.In.str("protocolType"))
	case c.In.str("name") == "" || len(c.In.str("name")) > 128:
		return nil, badAPI("Invalid API name specified")
	case c.In.has("routeKey") && target == "":
		return nil, badAPI("Target is required with a route key")
	}
	if err := checkCors(set); err != nil {
		return nil, err
	}
	integration := map[string]any{"integrationType": "AWS_PROXY", "integrationUri": target, "payloadFormatVersion": "2.0", "credentialsArn": c.In.str("credentialsArn")}
	route := map[string]any{"routeKey": key}
	if target != "" {
		if err := checkHTTPIntegration(c, nil, integration); err != nil {
			return nil, err
		}
		if err := checkHTTPRoute(c, &httpAPI{}, route); err != nil {
			return nil, err
		}
		delete(integration, "credentialsArn")
	}
	a := c.newHTTPAPI()
	maps.Copy(a.Settings, set)
	a.Tags = c.In.strMap("tags")
	if target != "" {
		a.add(c, route, integration)
		put(&a.Stages, "$default", map[string]any{"stageName": "$default", "autoDeploy": true, "createdDate": c.stamp(), "lastUpdatedDate": c.stamp()})
	}
	return a.shape(), nil
}

// add puts a checked route with its integration into an API.
func (a *httpAPI) add(c *call, route, integration map[string]any) {
	route["routeId"] = c.id(7)
	if integration != nil {
		integration["integrationId"] = c.id(7)
		route["target"] = "integrations/" + text(integration["integrationId"])
		put(&a.Integrations, text(integration["integrationId"]), integration)
	}
	put(&a.Routes, text(route["routeId"]), route)
}

// checkCors refuses what browsers would.
func checkCors(set map[string]any) error {
	cors := asParams(set["corsConfiguration"])
	for _, origin := range cors.strs("allowOrigins") {
		if origin != "*" && !strings.HasPrefix(origin, "http://") && !strings.HasPrefix(origin, "https://") {
			return badAPI("Invalid format for origin: %s. Origin should start with http:// or https://", origin)
		}
		if origin == "*" && cors.bool("allowCredentials") {
			return badAPI("allowCredentials is not supported for origin *")
		}
	}
	for _, m := range cors.strs("allowMethods") {
		if m != "*" && (m == "ANY" || !slices.Contains(routeMethods, m)) {
			return badAPI("Invalid method in CORS configuration: %s", m)
		}
	}
	return nil
}

func getHTTPAPI(_ *call, a *httpAPI) (obj, error) { return a.shape(), nil }

func getHTTPAPIs(c *call) (obj, error) {
	all := c.here().HTTP.APIs
	return c.gatewayPage(sortedKeys(all), func(id string) obj { return all[id].shape() })
}

func updateHTTPAPI(c *call, a *httpAPI) (obj, error) {
	set, err := c.given(httpSettings)
	if err != nil {
		return nil, err
	}
	if err := checkCors(set); err != nil {
		return nil, err
	}
	maps.Copy(a.Settings, set)
	return a.shape(), nil
}

func deleteHTTPAPI(c *call, a *httpAPI) (obj, error) {
	delete(c.here().HTTP.APIs, a.ID)
	delete(c.st.APIs, a.ID)
	return nil, nil
}

// importHTTPAPI makes an API of an OpenAPI document.
func importHTTPAPI(c *call) (obj, error) {
	n, err := c.readHTTPAPI()
	if err != nil {
		return nil, err
	}
	a := c.newHTTPAPI()
	c.takeHTTPAPI(a, n)
	return a.shape(), nil
}

// reimportHTTPAPI puts what a document says in the place of what was.
func reimportHTTPAPI(c *call, a *httpAPI) (obj, error) {
	n, err := c.readHTTPAPI()
	if err != nil {
		return nil, err
	}
	c.takeHTTPAPI(a, n)
	return a.shape(), nil
}

func (c *call) takeHTTPAPI(a, n *httpAPI) {
	for _, name := range httpSettings {
		if v, there := n.Settings[name]; there {
			a.Settings[name] = v
		} else if name == "corsConfiguration" || name == "description" || name == "version" {
			delete(a.Settings, name)
		}
	}
	a.Routes, a.Integrations = n.Routes, n.Integrations
	for k, v := range n.Tags {
		put(&a.Tags, k, v)
	}
}

// readHTTPAPI reads the document of an import: settings, routes, integrations
// and tags.
func (c *call) readHTTPAPI() (*httpAPI, error) {
	doc, err := readOpenAPI(c.In.str("body"))
	if err != nil {
		return nil, err
	}
	if !doc.doc.has("openapi") {
		return nil, badAPI("Unsupported OpenAPI version: HTTP APIs take OpenAPI 3.")
	}
	n := &httpAPI{Settings: map[string]any{}, Tags: doc.tags()}
	info := doc.doc.obj("info")
	for _, name := range []string{"title", "description", "version"} {
		if v := info.str(name); v != "" {
			n.Settings[strings.Replace(name, "title", "name", 1)] = v
		}
	}
	if text(n.Settings["name"]) == "" {
		return nil, badAPI("Invalid OpenAPI input: info.title is missing.")
	}
	if cors, there := doc.doc["x-amazon-apigateway-cors"]; there {
		if n.Settings["corsConfiguration"], err = apiValue("", cors); err != nil {
			return nil, err
		}
		if err := checkCors(n.Settings); err != nil {
			return nil, err
		}
	}
	for _, o := range doc.operations {
		route := map[string]any{"routeKey": o.method + " " + o.path, "authorizationType": o.auth}
		if o.path == "$default" || o.path == "/$default" {
			route["routeKey"] = "$default"
		}
		if id := o.op.str("operationId"); id != "" {
			route["operationName"] = id
		}
		integration, err := c.importedIntegration(o.integration)
		if err != nil {
			return nil, err
		}
		if err := checkHTTPRoute(c, n, route); err != nil {
			return nil, err
		}
		n.add(c, route, integration)
	}
	return n, nil
}

// importedIntegration is an integration as documents write it.
func (c *call) importedIntegration(in params) (map[string]any, error) {
	if len(in) == 0 { // the route is there, and answers nothing
		return nil, nil
	}
	out := map[string]any{"integrationType": strings.ToUpper(in.str("type"))}
	for ours, theirs := range map[string]string{"integrationUri": "uri", "payloadFormatVersion": "payloadFormatVersion", "timeoutInMillis": "timeoutInMillis",
		"credentialsArn": "credentials", "connectionType": "connectionType", "requestParameters": "requestParameters", "responseParameters": "responseParameters"} {
		if v, there := in[theirs]; there {
			t, err := apiValue(ours, v)
			if err != nil {
				return nil, err
			}
			out[ours] = t
		}
	}
	return out, checkHTTPIntegration(c, nil, out)
}
