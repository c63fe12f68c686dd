package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// resource finds the resource that a call names.
func (c *call) restResource(a *restAPI, field string) (*restResource, error) {
	if r := a.Resources[c.In.str(field)]; r != nil {
		return r, nil
	}
	return nil, noGateway("Invalid Resource identifier specified")
}

// shape shows a resource, its methods in full only when they are asked for.
func (r *restResource) shape(methods bool) obj {
	out := obj{"id": r.ID, "path": r.Path, "parentId": optional(r.Parent), "pathPart": optional(r.Part)}
	shown := obj{}
	for name, m := range r.Methods {
		if shown[name] = (obj{}); methods {
			shown[name] = m.shape()
		}
	}
	if len(shown) > 0 {
		out["resourceMethods"] = shown
	}
	return out
}

func (m *restMethod) shape() obj {
	out := obj(maps.Clone(m.Shown))
	if m.Integration != nil {
		out["methodIntegration"] = m.integrationShape()
	}
	if len(m.Declared) > 0 {
		out["methodResponses"] = shapes(m.Declared)
	}
	return out
}

func (m *restMethod) integrationShape() obj {
	out := obj(maps.Clone(m.Integration))
	if len(m.Responses) > 0 {
		out["integrationResponses"] = shapes(m.Responses)
	}
	return out
}

func shapes(all map[string]map[string]any) obj {
	out := obj{}
	for k, v := range all {
		out[k] = obj(v)
	}
	return out
}

// embedded says whether a reader wants methods in full.
func (c *call) embedded() bool { return slices.Contains(c.In.many("embed"), "methods") }

func getResourcesOf(c *call, a *restAPI) (obj, error) {
	return c.restPage(sortedKeys(a.Resources), func(id string) obj { return a.Resources[id].shape(c.embedded()) })
}

func getResource(c *call, a *restAPI) (obj, error) {
	r, err := c.restResource(a, "resource_id")
	if err != nil {
		return nil, err
	}
	return r.shape(c.embedded()), nil
}

// child makes the resource of a part of a path below another.
func (c *call) child(a *restAPI, parent *restResource, part string) (*restResource, error) {
	if err := apiPath([]string{part}).check(); err != nil || part == "" || strings.Contains(part, "/") {
		return nil, badAPI("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	if strings.HasSuffix(parent.Part, "+}") {
		return nil, badAPI("Cannot create a child of a resource with a greedy path variable.")
	}
	for _, r := range a.Resources {
		if r.Parent == parent.ID && r.Part == part {
			return nil, apiConflict("Another resource with the same parent already has this name: %s", part)
		}
	}
	return &restResource{ID: c.id(6), Parent: parent.ID, Part: part, Path: strings.TrimSuffix(parent.Path, "/") + "/" + part}, nil
}

func createResource(c *call, a *restAPI) (obj, error) {
	parent, err := c.restResource(a, "parent_id")
	if err != nil {
		return nil, err
	}
	r, err := c.child(a, parent, c.In.str("pathPart"))
	if err != nil {
		return nil, err
	}
	a.Resources[r.ID] = r
	return r.shape(false), nil
}

func deleteResource(c *call, a *restAPI) (obj, error) {
	r, err := c.restResource(a, "resource_id")
	if err != nil {
		return nil, err
	}
	if r.Parent == "" {
		return nil, badAPI("Root resource cannot be deleted")
	}
	maps.DeleteFunc(a.Resources, func(_ string, other *restResource) bool {
		return other == r || strings.HasPrefix(other.Path, r.Path+"/")
	})
	return nil, nil
}

// changed puts a copy of a resource, with a copy of one method, in its place.
func (a *restAPI) changed(r *restResource, method string, change func(*restMethod)) *restMethod {
	next, m := *r, &restMethod{}
	if was := r.Methods[method]; was != nil {
		*m = *was
		m.Responses, m.Declared = maps.Clone(was.Responses), maps.Clone(was.Declared)
	}
	next.Methods = maps.Clone(r.Methods)
	change(m)
	put(&next.Methods, method, m)
	a.Resources[r.ID] = &next
	return m
}

// method finds the method that a call names.
func (c *call) method(a *restAPI) (*restResource, *restMethod, error) {
	r, err := c.restResource(a, "resource_id")
	if err != nil {
		return nil, nil, err
	}
	if m := r.Methods[c.In.str("http_method")]; m != nil {
		return r, m, nil
	}
	return nil, nil, noGateway("Invalid Method identifier specified")
}

func putMethod(c *call, a *restAPI) (obj, error) {
	r, err := c.restResource(a, "resource_id")
	if err != nil {
		return nil, err
	}
	name := c.In.str("http_method")
	auth := c.In.str("authorizationType")
	switch {
	case !slices.Contains(routeMethods, name):
		return nil, badAPI("Invalid HTTP method specified: %s", name)
	case auth != "NONE" && auth != "AWS_IAM":
		return nil, badAPI("The sandbox has no authorizers: authorizationType %s can't be checked, NONE and AWS_IAM can.", auth)
	case c.In.bool("apiKeyRequired"):
		return nil, badAPI("The sandbox has no API keys: apiKeyRequired can't be checked.")
	}
	shown := map[string]any{"httpMethod": name, "authorizationType": auth, "apiKeyRequired": false}
	maps.Copy(shown, pick(c.In, "operationName", "requestParameters", "requestModels"))
	for k, v := range asParams(shown["requestParameters"]) {
		asParams(shown["requestParameters"])[k] = text(v) == "true"
	}
	return a.changed(r, name, func(m *restMethod) { m.Shown = shown }).shape(), nil
}

func getMethod(c *call, a *restAPI) (obj, error) {
	_, m, err := c.method(a)
	if err != nil {
		return nil, err
	}
	return m.shape(), nil
}

func deleteMethod(c *call, a *restAPI) (obj, error) {
	r, _, err := c.method(a)
	if err != nil {
		return nil, err
	}
	next := *r
	next.Methods = maps.Clone(r.Methods)
	delete(next.Methods, c.In.str("http_method"))
	a.Resources[r.ID] = &next
	return nil, nil
}

func putMethodResponse(c *call, a *restAPI) (obj, error) {
	r, _, err := c.method(a)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"statusCode": c.In.str("status_code")}
	maps.Copy(out, pick(c.In, "responseModels"))
	given := map[string]any{}
	for k, v := range c.In.obj("responseParameters") {
		given[k] = text(v) == "true"
	}
	if len(given) > 0 {
		out["responseParameters"] = given
	}
	a.changed(r, c.In.str("http_method"), func(m *restMethod) { put(&m.Declared, text(out["statusCode"]), out) })
	return out, nil
}

// integrationFields are those of an integration that can be set.
var integrationFields = []string{"passthroughBehavior", "contentHandling", "timeoutInMillis", "requestParameters", "requestTemplates", "cacheNamespace",
	"cacheKeyParameters", "connectionType", "credentials"}

// checkIntegration makes an integration of its fields, or refuses it.
func (c *call) checkIntegration(in params, id string) (map[string]any, error) {
	kind, uri := strings.ToUpper(in.str("type")), in.str("uri")
	out := map[string]any{"type": kind, "passthroughBehavior": "WHEN_NO_MATCH", "timeoutInMillis": json.Number("29000"), "cacheNamespace": id, "cacheKeyParameters": []any{}}
	for _, name := range integrationFields {
		if v, there := in[name]; there && v != nil {
			t, err := apiValue(name, v)
			if err != nil {
				return nil, err
			}
			out[name] = t
		}
	}
	if n, err := strconv.Atoi(text(out["timeoutInMillis"])); err != nil || n < 50 || n > 29000 {
		return nil, badAPI("Timeout should be between 50 ms and 29000 ms")
	}
	switch kind {
	case "MOCK":
		for _, t := range asParams(out["requestTemplates"]) {
			if err := plainTemplate(text(t)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case "AWS_PROXY":
	default:
		return nil, badAPI("The sandbox has integrations of type AWS_PROXY, to Lambda functions, and MOCK; not %s.", kind)
	}
	if _, ok := functionOf(uri); !ok {
		return nil, badAPI("Invalid ARN specified in the request: the URI of a function's integration is arn:aws:apigateway:<region>:lambda:path/2015-03-31/functions/<function>/invocations, not %s", uri)
	}
	// A function is invoked by POST, whatever the method is.
	if m := in.or("integrationHttpMethod", in.str("httpMethod")); m != "POST" {
		return nil, badAPI("Integrations to Lambda functions use POST, not %q: the function would refuse it.", m)
	}
	if err := c.mayUse(text(out["credentials"])); err != nil {
		return nil, err
	}
	if len(asParams(out["requestParameters"])) > 0 {
		return nil, badAPI("The sandbox doesn't map parameters of requests.")
	}
	out["uri"], out["httpMethod"] = uri, "POST"
	return out, nil
}

// plainTemplate refuses mapping templates that aren't the text that they make.
func plainTemplate(template string) error {
	if strings.ContainsAny(template, "$#") {
		return badAPI("The sandbox doesn't run mapping templates: one with $ or # can't be served.")
	}
	return nil
}

func putIntegration(c *call, a *restAPI) (obj, error) {
	r, _, err := c.method(a)
	if err != nil {
		return nil, err
	}
	in := maps.Clone(c.In)
	in["httpMethod"] = c.In["integrationHttpMethod"] // the method's own is in the path
	if c.In["httpMethod"] != nil {
		in["httpMethod"] = c.In["httpMethod"]
	}
	integration, err := c.checkIntegration(in, r.ID)
	if err != nil {
		return nil, err
	}
	return a.changed(r, c.In.str("http_method"), func(m *restMethod) { m.Integration, m.Responses = integration, nil }).integrationShape(), nil
}

func getIntegration(c *call, a *restAPI) (obj, error) {
	_, m, err := c.method(a)
	if err != nil {
		return nil, err
	}
	if m.Integration == nil {
		return nil, noGateway("Invalid Integration identifier specified")
	}
	return m.integrationShape(), nil
}

// checkResponse makes an integration's response of its fields.
func checkResponse(status string, in params) (map[string]any, error) {
	out := map[string]any{"statusCode": status}
	maps.Copy(out, pick(in, "selectionPattern", "responseParameters", "responseTemplates", "contentHandling"))
	if n, err := strconv.Atoi(status); err != nil || n < 100 || n > 599 {
		return nil, badAPI("Invalid status code: %s", status)
	}
	for name, v := range asParams(out["responseParameters"]) {
		value := text(v)
		if !strings.HasPrefix(name, "method.response.header.") || len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'' {
			return nil, badAPI("The sandbox gives headers of constant values in single quotes, not %s: %s", name, value)
		}
	}
	for _, t := range asParams(out["responseTemplates"]) {
		if err := plainTemplate(text(t)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func putIntegrationResponse(c *call, a *restAPI) (obj, error) {
	r, m, err := c.method(a)
	if err != nil {
		return nil, err
	}
	if m.Integration == nil {
		return nil, noGateway("Invalid Integration identifier specified")
	}
	out, err := checkResponse(c.In.str("status_code"), c.In)
	if err != nil {
		return nil, err
	}
	a.changed(r, c.In.str("http_method"), func(m *restMethod) { put(&m.Responses, text(out["statusCode"]), out) })
	return out, nil
}
