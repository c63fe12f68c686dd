package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// restState is what API Gateway keeps of REST APIs in one account and region.
type restState struct {
	APIs map[string]*restAPI `json:"apis,omitempty"` // by id
	Role string              `json:"role,omitempty"` // for logs, of the account
}

// restAPI is a REST API. Settings are the fields that the operations show.
type restAPI struct {
	ID          string                     `json:"id"`
	Owner       string                     `json:"owner"`
	Region      string                     `json:"region"`
	Settings    map[string]any             `json:"settings"`
	Created     time.Time                  `json:"created"`
	Policy      string                     `json:"policy,omitempty"`
	Bound       map[string]string          `json:"bound,omitempty"`
	Tags        map[string]string          `json:"tags,omitempty"`
	Resources   map[string]*restResource   `json:"resources"`
	Deployments map[string]*restDeployment `json:"deployments,omitempty"`
	Stages      map[string]*restStage      `json:"stages,omitempty"`
}

// restResource is a path with its methods. It isn't changed once it is in an
// API: a change makes another, so that deployments keep what they have.
type restResource struct {
	ID      string                 `json:"id"`
	Parent  string                 `json:"parent,omitempty"`
	Part    string                 `json:"part,omitempty"`
	Path    string                 `json:"path"`
	Methods map[string]*restMethod `json:"methods,omitempty"`
}

// restMethod is a method of a resource, and where its requests go.
type restMethod struct {
	Shown       map[string]any            `json:"shown"`
	Integration map[string]any            `json:"integration,omitempty"`
	Responses   map[string]map[string]any `json:"responses,omitempty"` // of the integration, by status
	Declared    map[string]map[string]any `json:"declared,omitempty"`  // of the method, by status
}

// restDeployment is what a stage serves.
type restDeployment struct {
	ID          string                   `json:"id"`
	Description string                   `json:"description,omitempty"`
	Created     time.Time                `json:"created"`
	Resources   map[string]*restResource `json:"resources"`
	Binary      []string                 `json:"binary,omitempty"`
	Policy      string                   `json:"policy,omitempty"`
}

// restStage is a stage of a REST API.
type restStage struct {
	Settings map[string]any    `json:"settings"`
	Created  time.Time         `json:"created"`
	Updated  time.Time         `json:"updated"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// restAPIRoutes are the operations on REST APIs. An import is told from a
// creation by its query.
const restAPIRoutes = `
POST   /restapis?mode=import                                                                           201 ImportRestApi raw
POST   /restapis                                                                                       201 CreateRestApi
GET    /restapis                                                                                       200 GetRestApis
PUT    /restapis/{restapi_id}                                                                          200 PutRestApi raw
GET    /restapis/{restapi_id}                                                                          200 GetRestApi
PATCH  /restapis/{restapi_id}                                                                          200 UpdateRestApi
DELETE /restapis/{restapi_id}                                                                          202 DeleteRestApi
GET    /restapis/{restapi_id}/resources                                                                200 GetResources
GET    /restapis/{restapi_id}/resources/{resource_id}                                                  200 GetResource
POST   /restapis/{restapi_id}/resources/{parent_id}                                                    201 CreateResource
DELETE /restapis/{restapi_id}/resources/{resource_id}                                                  202 DeleteResource
PUT    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}                            201 PutMethod
GET    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}                            200 GetMethod
DELETE /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}                            204 DeleteMethod
PUT    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/responses/{status_code}    201 PutMethodResponse
PUT    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration                201 PutIntegration
GET    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration                200 GetIntegration
PUT    /restapis/{restapi_id}/resources/{resource_id}/methods/{http_method}/integration/responses/{status_code} 201 PutIntegrationResponse
POST   /restapis/{restapi_id}/deployments                                                              201 CreateDeployment
GET    /restapis/{restapi_id}/deployments                                                              200 GetDeployments
GET    /restapis/{restapi_id}/deployments/{deployment_id}                                              200 GetDeployment
PATCH  /restapis/{restapi_id}/deployments/{deployment_id}                                              200 UpdateDeployment
DELETE /restapis/{restapi_id}/deployments/{deployment_id}                                              202 DeleteDeployment
POST   /restapis/{restapi_id}/stages                                                                   201 CreateStage
GET    /restapis/{restapi_id}/stages                                                                   200 GetStages
GET    /restapis/{restapi_id}/stages/{stage_name}                                                      200 GetStage
PATCH  /restapis/{restapi_id}/stages/{stage_name}                                                      200 UpdateStage
DELETE /restapis/{restapi_id}/stages/{stage_name}                                                      202 DeleteStage
GET    /account                                                                                        200 GetAccount
PATCH  /account                                                                                        200 UpdateAccount
GET    /tags/{resource_arn}                                                                            200 GetTags
PUT    /tags/{resource_arn}                                                                            204 TagResource
DELETE /tags/{resource_arn}                                                                            204 UntagResource
`

func (s *Sandbox) restAPIOps() map[string]operation {
	ops := map[string]operation{"CreateRestApi": {run: createRestAPI}, "ImportRestApi": {run: importRestAPI}, "GetRestApis": {run: getRestAPIs},
		"GetAccount": {run: getGatewayAccount}, "UpdateAccount": {run: updateGatewayAccount}}
	for name, run := range map[string]func(*call, *restAPI) (obj, error){
		"PutRestApi": putRestAPI, "GetRestApi": getRestAPI, "UpdateRestApi": updateRestAPI, "DeleteRestApi": deleteRestAPI,
		"GetResources": getResourcesOf, "GetResource": getResource, "CreateResource": createResource, "DeleteResource": deleteResource,
		"PutMethod": putMethod, "GetMethod": getMethod, "DeleteMethod": deleteMethod, "PutMethodResponse": putMethodResponse,
		"PutIntegration": putIntegration, "GetIntegration": getIntegration, "PutIntegrationResponse": putIntegrationResponse,
		"CreateDeployment": createRestDeployment, "GetDeployments": getRestDeployments, "GetDeployment": getRestDeployment,
		"UpdateDeployment": updateRestDeployment, "DeleteDeployment": deleteRestDeployment,
		"CreateStage": createRestStage, "GetStages": getRestStages, "GetStage": getRestStage, "UpdateStage": updateRestStage, "DeleteStage": deleteRestStage,
	} {
		ops[name] = operation{run: func(c *call) (obj, error) {
			a, err := c.restAPI()
			if err != nil {
				return nil, err
			}
			return run(c, a)
		}}
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

func (a *restAPI) arn() string { return "arn:aws:apigateway:" + a.Region + "::/restapis/" + a.ID }

// restAPI finds the API that a call is about.
func (c *call) restAPI() (*restAPI, error) {
	if a := c.here().REST.APIs[c.In.str("restapi_id")]; a != nil {
		return a, nil
	}
	return nil, noGateway("Invalid API identifier specified %s:%s", c.Account.ID, c.In.str("restapi_id"))
}

// restSettings are the fields of an API that can be set.
var restSettings = []string{"name", "description", "version", "binaryMediaTypes", "minimumCompressionSize", "apiKeySource", "endpointConfiguration", "disableExecuteApiEndpoint"}

func (a *restAPI) root() *restResource {
	for _, r := range a.Resources {
		if r.Path == "/" {
			return r
		}
	}
	return &restResource{}
}

func (a *restAPI) shape(c *call) obj {
	out := obj(maps.Clone(a.Settings))
	out["id"], out["createdDate"], out["rootResourceId"] = a.ID, a.Created, a.root().ID
	if a.Policy != "" {
		out["policy"] = strings.ReplaceAll(c.bound(a.Policy, a.Bound), `"`, `\"`) // as API Gateway shows it
	}
	if len(a.Tags) > 0 {
		out["tags"] = a.Tags
	}
	return out
}

// newRestAPI makes an API with its root and notes where it is.
func (c *call) newRestAPI() *restAPI {
	a := &restAPI{ID: c.id(10), Owner: c.Account.ID, Region: c.Region, Created: c.now(), Resources: map[string]*restResource{}, Settings: map[string]any{
		"apiKeySource": "HEADER", "disableExecuteApiEndpoint": false, "endpointConfiguration": map[string]any{"types": []any{"EDGE"}, "ipAddressType": "ipv4"}}}
	root := &restResource{ID: c.id(10), Path: "/"}
	a.Resources[root.ID] = root
	put(&c.here().REST.APIs, a.ID, a)
	put(&c.st.APIs, a.ID, place{a.Owner, a.Region})
	return a
}

func createRestAPI(c *call) (obj, error) {
	set, err := c.restSettings()
	if err != nil {
		return nil, err
	}
	switch {
	case c.In.str("name") == "":
		return nil, badAPI("No API name specified")
	case c.In.has("cloneFrom"):
		return nil, badAPI("The sandbox doesn't clone APIs.")
	}
	policy, bound, err := c.apiPolicy(c.In.str("policy"))
	if err != nil {
		return nil, err
	}
	a := c.newRestAPI()
	maps.Copy(a.Settings, set)
	a.Policy, a.Bound, a.Tags = policy, bound, c.In.strMap("tags")
	return a.shape(c), nil
}

// restSettings are those that a call gives.
func (c *call) restSettings() (map[string]any, error) {
	set, err := c.given(restSettings)
	if err != nil {
		return nil, err
	}
	for _, kind := range asParams(set["endpointConfiguration"]).strs("types") {
		if !slices.Contains([]string{"EDGE", "REGIONAL", "PRIVATE"}, kind) {
			return nil, badAPI("Invalid EndpointTypes specified: %s", kind)
		}
	}
	return set, nil
}

// apiPolicy checks a resource policy, in which an API's own ARN can be short.
func (c *call) apiPolicy(doc string) (string, map[string]string, error) {
	if doc == "" {
		return "", nil, nil
	}
	bound, err := c.checkResourcePolicy(doc, "execute-api:")
	if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
		return "", nil, badAPI("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	if err != nil {
		return "", nil, badAPI("Invalid policy document. Please check the policy syntax and ensure that Principals are valid. %s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	return doc, bound, nil
}

func getRestAPI(c *call, a *restAPI) (obj, error) { return a.shape(c), nil }

func getRestAPIs(c *call) (obj, error) {
	all := c.here().REST.APIs
	return c.restPage(sortedKeys(all), func(id string) obj { return all[id].shape(c) })
}

// restPage pages as REST APIs do.
func (c *call) restPage(ids []string, shape func(string) obj) (obj, error) {
	page, next, ok := paginate(c.Sandbox, ids, same, c.In.str("position"), min(max(c.In.int("limit", 25), 1), 500))
	if !ok {
		return nil, badAPI("Invalid position parameter specified: %s", c.In.str("position"))
	}
	items := []obj{}
	for _, id := range page {
		items = append(items, shape(id))
	}
	return obj{"item": items, "position": optional(next)}, nil
}

// patches are the changes that an update asks for, each a path and a value.
func (c *call) patches(each func(op, path, value string) error) error {
	list := c.In.list("patchOperations")
	if len(list) > 100 {
		return badAPI("Too many patch operations")
	}
	for _, p := range list {
		op := p.str("op")
		if !slices.Contains([]string{"replace", "add", "remove"}, op) {
			return badAPI("Invalid patch operation specified. Must be one of: [add, remove, replace]")
		}
		if err := each(op, p.str("path"), p.str("value")); err != nil {
			return err
		}
	}
	return nil
}

// pointer undoes the escapes of a patch's path.
func pointer(s string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(s) }

func noPatch(path string) error { return badAPI("Invalid patch path %s", path) }

func updateRestAPI(c *call, a *restAPI) (obj, error) {
	next := maps.Clone(a.Settings)
	policy, bound := a.Policy, a.Bound
	err := c.patches(func(op, path, value string) error {
		name, rest, nested := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch {
		case name == "policy":
			var err error
			policy, bound, err = c.apiPolicy(value)
			return err
		case name == "binaryMediaTypes" && nested:
			var list []any
			for _, v := range listed(next[name]) {
				if v != nil && text(v) != pointer(rest) {
					list = append(list, v)
				}
			}
			if op != "remove" {
				list = append(list, pointer(rest))
			}
			next[name] = list
			return nil
		case path == "/endpointConfiguration/types/0" || strings.HasPrefix(path, "/endpointConfiguration/types/"):
			next["endpointConfiguration"] = map[string]any{"types": []any{value}, "ipAddressType": "ipv4"}
			return nil
		case nested || !slices.Contains(restSettings, name) || name == "endpointConfiguration":
			return noPatch(path)
		}
		if op == "remove" {
			delete(next, name)
			return nil
		}
		v, err := apiValue(name, value)
		next[name] = v
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Settings, a.Policy, a.Bound = next, policy, bound
	return a.shape(c), nil
}

func deleteRestAPI(c *call, a *restAPI) (obj, error) {
	delete(c.here().REST.APIs, a.ID)
	delete(c.st.APIs, a.ID)
	return nil, nil
}

func getGatewayAccount(c *call) (obj, error) {
	return obj{"cloudwatchRoleArn": optional(c.here().REST.Role), "throttleSettings": obj{"burstLimit": 5000, "rateLimit": 10000.0},
		"features": []string{"UsagePlans"}, "apiKeyVersion": "4"}, nil
}

// updateGatewayAccount sets the role with which API Gateway writes logs.
func updateGatewayAccount(c *call) (obj, error) {
	err := c.patches(func(op, path, value string) error {
		if path != "/cloudwatchRoleArn" {
			return noPatch(path)
		}
		if op == "remove" {
			value = ""
		}
		if value != "" {
			if err := c.mayPass(value, "apigateway.amazonaws.com"); err != nil {
				return err
			}
			if c.roleNamed(value, "apigateway.amazonaws.com", "") == nil {
				return badAPI("The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.")
			}
		}
		c.here().REST.Role = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return getGatewayAccount(c)
}
