package sandbox

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"axle/internal/late"
)

// httpState is what API Gateway keeps of HTTP APIs in one account and region.
type httpState struct {
	APIs map[string]*httpAPI `json:"apis,omitempty"` // by id
}

// httpAPI is an HTTP API. Settings, and what is below it, are the fields that
// the operations show.
type httpAPI struct {
	ID           string                       `json:"id"`
	Owner        string                       `json:"owner"`
	Region       string                       `json:"region"`
	Settings     map[string]any               `json:"settings"`
	Tags         map[string]string            `json:"tags,omitempty"`
	Routes       map[string]map[string]any    `json:"routes,omitempty"`
	Integrations map[string]map[string]any    `json:"integrations,omitempty"`
	Stages       map[string]map[string]any    `json:"stages,omitempty"`
	Deployments  map[string]*httpSnapshot     `json:"deployments,omitempty"`
	StageTags    map[string]map[string]string `json:"stage_tags,omitempty"`
}

// httpSnapshot is a deployment, with the routes and integrations of its time.
type httpSnapshot struct {
	Shown        map[string]any            `json:"shown"`
	Routes       map[string]map[string]any `json:"routes,omitempty"`
	Integrations map[string]map[string]any `json:"integrations,omitempty"`
}

// httpAPIRoutes are the operations on HTTP APIs.
const httpAPIRoutes = `
POST   /v2/apis                                       201 CreateApi
PUT    /v2/apis                                       201 ImportApi
GET    /v2/apis                                       200 GetApis
PUT    /v2/apis/{apiId}                               201 ReimportApi
GET    /v2/apis/{apiId}                               200 GetApi
PATCH  /v2/apis/{apiId}                               200 UpdateApi
DELETE /v2/apis/{apiId}                               204 DeleteApi
POST   /v2/apis/{apiId}/routes                        201 CreateRoute
GET    /v2/apis/{apiId}/routes                        200 GetRoutes
GET    /v2/apis/{apiId}/routes/{routeId}              200 GetRoute
PATCH  /v2/apis/{apiId}/routes/{routeId}              200 UpdateRoute
DELETE /v2/apis/{apiId}/routes/{routeId}              204 DeleteRoute
POST   /v2/apis/{apiId}/integrations                  201 CreateIntegration
GET    /v2/apis/{apiId}/integrations                  200 GetIntegrations
GET    /v2/apis/{apiId}/integrations/{integrationId}  200 GetIntegration
PATCH  /v2/apis/{apiId}/integrations/{integrationId}  200 UpdateIntegration
DELETE /v2/apis/{apiId}/integrations/{integrationId}  204 DeleteIntegration
POST   /v2/apis/{apiId}/stages                        201 CreateStage
GET    /v2/apis/{apiId}/stages                        200 GetStages
GET    /v2/apis/{apiId}/stages/{stageName}            200 GetStage
PATCH  /v2/apis/{apiId}/stages/{stageName}            200 UpdateStage
DELETE /v2/apis/{apiId}/stages/{stageName}            204 DeleteStage
POST   /v2/apis/{apiId}/deployments                   201 CreateDeployment
GET    /v2/apis/{apiId}/deployments                   200 GetDeployments
GET    /v2/apis/{apiId}/deployments/{deploymentId}    200 GetDeployment
DELETE /v2/apis/{apiId}/deployments/{deploymentId}    204 DeleteDeployment
GET    /v2/tags/{resource-arn}                        200 GetTags
POST   /v2/tags/{resource-arn}                        201 TagResource
DELETE /v2/tags/{resource-arn}                        204 UntagResource
`

func (s *Sandbox) httpAPIOps() map[string]operation {
	ops := map[string]operation{
		"CreateApi": {run: createHTTPAPI}, "ImportApi": {run: importHTTPAPI}, "GetApis": {run: getHTTPAPIs},
	}
	for name, run := range map[string]func(*call, *httpAPI) (obj, error){
		"ReimportApi": reimportHTTPAPI, "GetApi": getHTTPAPI, "UpdateApi": updateHTTPAPI, "DeleteApi": deleteHTTPAPI,
		"CreateDeployment": createHTTPDeployment, "GetDeployments": getHTTPDeployments, "GetDeployment": getHTTPDeployment, "DeleteDeployment": deleteHTTPDeployment,
	} {
		ops[name] = operation{run: func(c *call) (obj, error) {
			a, err := c.httpAPI()
			if err != nil {
				return nil, err
			}
			return run(c, a)
		}}
	}
	for _, p := range httpParts {
		for name, run := range map[string]func(*call, *httpAPI, httpPart) (obj, error){
			"Create": createHTTPPart, "Get": getHTTPPart, "Update": updateHTTPPart, "Delete": deleteHTTPPart, "Gets": getHTTPParts,
		} {
			op := name + p.name
			if name == "Gets" {
				op = "Get" + p.name + "s"
			}
			ops[op] = operation{run: func(c *call) (obj, error) {
				a, err := c.httpAPI()
				if err != nil {
					return nil, err
				}
				return run(c, a, p)
			}}
		}
	}
	for name, run := range gatewayTagOps {
		ops[name] = operation{run: run}
	}
	for name, op := range ops {
		op.access = gatewayAccess
		ops[name] = op
	}
	return ops
}

// gatewayAccess is the permission of an operation of API Gateway: the method of
// its request, on its path. Tags are set by PUT on their own path, also those
// that something is made with.
func gatewayAccess(c *call) ([]access, error) {
	a := access{Context: requestTags(c.In.strMap("tags"))}
	for _, r := range restRoutes[c.Service] {
		if r.op != c.Op {
			continue
		}
		path := ""
		for _, part := range r.path {
			if name, variable := segmentVariable(part); variable {
				part = c.In.str(name)
			}
			if part != "v2" {
				path += "/" + strings.ReplaceAll(url.QueryEscape(part), "%24", "$")
			}
		}
		a.Action, a.Resource = "apigateway:"+r.method, "arn:aws:apigateway:"+c.Region+"::"+path
		break
	}
	if c.Op == "TagResource" {
		a.Action = "apigateway:PUT"
	}
	needs := []access{a}
	if len(c.In.strMap("tags")) > 0 && c.Op != "TagResource" {
		needs = append(needs, access{Action: "apigateway:PUT", Resource: "arn:aws:apigateway:" + c.Region + "::/tags/*", Context: a.Context})
	}
	return needs, nil
}

func noGateway(format string, args ...any) error {
	e := fail("NotFoundException", format, args...)
	e.Status = 404
	return e
}

// httpAPI finds the API that a call is about.
func (c *call) httpAPI() (*httpAPI, error) {
	id := c.In.str("apiId")
	if a := c.here().HTTP.APIs[id]; a != nil {
		return a, nil
	}
	return nil, noGateway("Invalid API identifier specified %s:%s", c.Account.ID, id)
}

// httpPart is a kind of thing below an HTTP API.
type httpPart struct {
	name  string // Route
	id    string // the field that names one
	of    func(*httpAPI) *map[string]map[string]any
	keeps []string // fields that can be set
	// check refuses bad fields, and adds what is so by default.
	check func(c *call, a *httpAPI, in map[string]any) error
}

var httpParts = []httpPart{
	{"Route", "routeId", func(a *httpAPI) *map[string]map[string]any { return &a.Routes },
		[]string{"routeKey", "target", "authorizationType", "authorizationScopes", "authorizerId", "operationName", "apiKeyRequired", "requestParameters"}, checkHTTPRoute},
	{"Integration", "integrationId", func(a *httpAPI) *map[string]map[string]any { return &a.Integrations },
		[]string{"integrationType", "integrationUri", "integrationMethod", "payloadFormatVersion", "timeoutInMillis", "description", "connectionType", "connectionId",
			"credentialsArn", "integrationSubtype", "requestParameters", "responseParameters", "tlsConfig"}, checkHTTPIntegration},
	{"Stage", "stageName", func(a *httpAPI) *map[string]map[string]any { return &a.Stages },
		[]string{"stageName", "autoDeploy", "deploymentId", "description", "stageVariables", "defaultRouteSettings", "routeSettings", "accessLogSettings"}, checkHTTPStage},
}

// Fields that aren't text on the wire, although templates give text.
var (
	gatewayNumbers = []string{"timeoutInMillis", "maxAge", "minimumCompressionSize", "throttlingBurstLimit", "throttlingRateLimit"}
	gatewayBools   = []string{"autoDeploy", "disableExecuteApiEndpoint", "apiKeyRequired", "allowCredentials", "detailedMetricsEnabled", "dataTraceEnabled", "disableSchemaValidation"}
)

// apiValue gives fields the types that they have on the wire.
func apiValue(name string, v any) (any, error) {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			var err error
			if out[k], err = apiValue(k, e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		if slices.Contains(gatewayNumbers, name) {
			if _, err := strconv.ParseFloat(x, 64); err != nil {
				return nil, badAPI("Invalid value for %s: %s", name, x)
			}
			return json.Number(x), nil
		}
		if slices.Contains(gatewayBools, name) {
			b, err := strconv.ParseBool(x)
			if err != nil {
				return nil, badAPI("Invalid value for %s: %s", name, x)
			}
			return b, nil
		}
	}
	return v, nil
}

// given are the fields of a call that something keeps.
func (c *call) given(fields []string) (map[string]any, error) {
	out := map[string]any{}
	for _, name := range fields {
		if v, there := c.In[name]; there && v != nil {
			t, err := apiValue(name, v)
			if err != nil {
				return nil, err
			}
			out[name] = t
		}
	}
	return out, nil
}

func (c *call) stamp() string { return c.now().Format("2006-01-02T15:04:05Z") }

func createHTTPPart(c *call, a *httpAPI, p httpPart) (obj, error) {
	in, err := c.given(p.keeps)
	if err != nil {
		return nil, err
	}
	if err := p.check(c, a, in); err != nil {
		return nil, err
	}
	id := text(in[p.id])
	if p.id != "stageName" {
		id = c.id(7)
		in[p.id] = id
	} else {
		in["createdDate"], in["lastUpdatedDate"] = c.stamp(), c.stamp()
		if tags := c.In.strMap("tags"); len(tags) > 0 {
			put(&a.StageTags, id, tags)
		}
	}
	all := p.of(a)
	if (*all)[id] != nil {
		return nil, apiConflict("%s already exists", p.name)
	}
	put(all, id, in)
	return a.partShape(p, in), nil
}

func apiConflict(format string, args ...any) error {
	e := fail("ConflictException", format, args...)
	e.Status = 409
	return e
}

// partShape is a part as it is shown, stages with their tags and deployment.
func (a *httpAPI) partShape(p httpPart, in map[string]any) obj {
	out := maps.Clone(in)
	if p.name == "Stage" {
		if t := a.StageTags[text(in["stageName"])]; len(t) > 0 {
			out["tags"] = t
		}
	}
	return out
}

// part finds the part that a call names.
func (c *call) part(a *httpAPI, p httpPart) (map[string]any, error) {
	id := c.In.str(p.id)
	if in := (*p.of(a))[id]; in != nil {
		return in, nil
	}
	return nil, noGateway("Invalid %s identifier specified", p.name)
}

func getHTTPPart(c *call, a *httpAPI, p httpPart) (obj, error) {
	in, err := c.part(a, p)
	if err != nil {
		return nil, err
	}
	return a.partShape(p, in), nil
}

func updateHTTPPart(c *call, a *httpAPI, p httpPart) (obj, error) {
	was, err := c.part(a, p)
	if err != nil {
		return nil, err
	}
	in, err := c.given(p.keeps)
	if err != nil {
		return nil, err
	}
	next := maps.Clone(was)
	maps.Copy(next, in)
	next[p.id] = was[p.id]
	if p.id != "stageName" { // a route doesn't conflict with itself
		delete(*p.of(a), text(was[p.id]))
	} else {
		next["lastUpdatedDate"] = c.stamp()
	}
	if err := p.check(c, a, next); err != nil {
		put(p.of(a), text(was[p.id]), was)
		return nil, err
	}
	put(p.of(a), text(was[p.id]), next)
	return a.partShape(p, next), nil
}

func deleteHTTPPart(c *call, a *httpAPI, p httpPart) (obj, error) {
	in, err := c.part(a, p)
	if err != nil {
		return nil, err
	}
	id := text(in[p.id])
	if p.name == "Integration" {
		for _, r := range a.Routes {
			if text(r["target"]) == "integrations/"+id {
				return nil, apiConflict("Cannot delete Integration '%s', it is referenced by Route '%s'.", id, text(r["routeKey"]))
			}
		}
	}
	delete(*p.of(a), id)
	if p.name == "Stage" {
		delete(a.StageTags, id)
	}
	return nil, nil
}

func getHTTPParts(c *call, a *httpAPI, p httpPart) (obj, error) {
	all := *p.of(a)
	return c.gatewayPage(sortedKeys(all), func(id string) obj { return a.partShape(p, all[id]) })
}

// gatewayPage pages as HTTP APIs do.
func (c *call) gatewayPage(ids []string, shape func(string) obj) (obj, error) {
	page, next, ok := paginate(c.Sandbox, ids, same, c.In.str("nextToken"), min(max(c.In.int("maxResults", 100), 1), 500))
	if !ok {
		return nil, badAPI("Invalid nextToken")
	}
	items := []obj{}
	for _, id := range page {
		items = append(items, shape(id))
	}
	return obj{"items": items, "nextToken": optional(next)}, nil
}

// routeMethods are those that a route's key begins with.
var routeMethods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

func checkHTTPRoute(_ *call, a *httpAPI, in map[string]any) error {
	key := text(in["routeKey"])
	method, path, two := strings.Cut(key, " ")
	switch {
	case key == "$default":
	case !two || !slices.Contains(routeMethods, method) || !strings.HasPrefix(path, "/") || strings.Contains(path, " "):
		return badAPI("The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
	default:
		if err := splitPath(path).check(); err != nil {
			return err
		}
	}
	for _, r := range a.Routes {
		if text(r["routeKey"]) == key {
			return apiConflict("Route with key %s already exists for this API", key)
		}
	}
	if target := text(in["target"]); target != "" {
		id, ok := strings.CutPrefix(target, "integrations/")
		if !ok || a.Integrations[id] == nil {
			return badAPI("Invalid Integration identifier specified in target: %s", target)
		}
	}
	if in["authorizationType"] == nil {
		in["authorizationType"] = "NONE"
	}
	if t := text(in["authorizationType"]); t != "NONE" && t != "AWS_IAM" {
		return badAPI("The sandbox has no authorizers: authorizationType %s can't be checked, NONE and AWS_IAM can.", t)
	}
	if in["apiKeyRequired"] == nil {
		in["apiKeyRequired"] = false
	}
	return nil
}

func checkHTTPIntegration(c *call, _ *httpAPI, in map[string]any) error {
	if kind := text(in["integrationType"]); kind != "AWS_PROXY" || text(in["integrationSubtype"]) != "" {
		return badAPI("The sandbox integrates HTTP APIs with Lambda functions (AWS_PROXY) only, not %s%s.", kind, text(in["integrationSubtype"]))
	}
	if err := c.mayUse(text(in["credentialsArn"])); err != nil {
		return err
	}
	if len(asParams(in["requestParameters"])) > 0 || len(asParams(in["responseParameters"])) > 0 {
		return badAPI("The sandbox doesn't map parameters of requests and responses.")
	}
	if _, ok := functionOf(text(in["integrationUri"])); !ok {
		return badAPI("Invalid Lambda function ARN: %s", text(in["integrationUri"]))
	}
	for name, v := range map[string]any{"payloadFormatVersion": "1.0", "connectionType": "INTERNET", "timeoutInMillis": json.Number("30000"), "integrationMethod": "POST"} {
		if text(in[name]) == "" {
			in[name] = v
		}
	}
	if v := text(in["payloadFormatVersion"]); v != "1.0" && v != "2.0" {
		return badAPI("PayloadFormatVersion is a required parameter for integration type AWS_PROXY: 1.0 or 2.0")
	}
	if n, err := strconv.Atoi(text(in["timeoutInMillis"])); err != nil || n < 50 || n > 30000 {
		return badAPI("Timeout should be between 50 ms and 30000 ms")
	}
	return nil
}

var stageName = naming{late.MustCompile(`^(\$default|[-A-Za-z0-9_]+)$`), 1, 128}

func checkHTTPStage(_ *call, a *httpAPI, in map[string]any) error {
	if !stageName.MatchString(text(in["stageName"])) {
		return badAPI("Invalid stage name. Stage names must be alphanumeric, or $default.")
	}
	if in["autoDeploy"] == nil {
		in["autoDeploy"] = false
	}
	if id := text(in["deploymentId"]); id != "" && a.Deployments[id] == nil {
		return badAPI("Invalid deployment identifier specified")
	}
	return nil
}

func createHTTPDeployment(c *call, a *httpAPI) (obj, error) {
	stage := c.In.str("stageName")
	if stage != "" && a.Stages[stage] == nil {
		return nil, noGateway("Invalid Stage identifier specified")
	}
	if len(a.Routes) == 0 {
		return nil, badAPI("At least one route is required before deploying the Api.")
	}
	d := &httpSnapshot{Routes: maps.Clone(a.Routes), Integrations: maps.Clone(a.Integrations)}
	id := c.id(6)
	d.Shown = map[string]any{"deploymentId": id, "createdDate": c.stamp(), "deploymentStatus": "DEPLOYED", "autoDeployed": false}
	if v := c.In.str("description"); v != "" {
		d.Shown["description"] = v
	}
	put(&a.Deployments, id, d)
	if stage != "" {
		next := maps.Clone(a.Stages[stage])
		next["deploymentId"], next["lastUpdatedDate"] = id, c.stamp()
		a.Stages[stage] = next
	}
	return d.Shown, nil
}

func (c *call) httpDeployment(a *httpAPI) (*httpSnapshot, error) {
	if d := a.Deployments[c.In.str("deploymentId")]; d != nil {
		return d, nil
	}
	return nil, noGateway("Invalid deployment identifier specified")
}

func getHTTPDeployment(c *call, a *httpAPI) (obj, error) {
	d, err := c.httpDeployment(a)
	if err != nil {
		return nil, err
	}
	return d.Shown, nil
}

func getHTTPDeployments(c *call, a *httpAPI) (obj, error) {
	return c.gatewayPage(sortedKeys(a.Deployments), func(id string) obj { return a.Deployments[id].Shown })
}

func deleteHTTPDeployment(c *call, a *httpAPI) (obj, error) {
	if _, err := c.httpDeployment(a); err != nil {
		return nil, err
	}
	for _, s := range a.Stages {
		if text(s["deploymentId"]) == c.In.str("deploymentId") {
			return nil, badAPI("Active stages pointing to this deployment must be moved or deleted")
		}
	}
	delete(a.Deployments, c.In.str("deploymentId"))
	return nil, nil
}
