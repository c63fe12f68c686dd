package sandbox

import (
	"maps"
	"strings"
)

// importRestAPI makes an API of an OpenAPI or Swagger document.
func importRestAPI(c *call) (obj, error) {
	doc, err := c.readRestAPI()
	if err != nil {
		return nil, err
	}
	a := c.newRestAPI()
	if err := c.takeRestAPI(a, doc, true); err != nil {
		delete(c.here().REST.APIs, a.ID)
		delete(c.st.APIs, a.ID)
		return nil, err
	}
	if kind := c.In.str("endpointConfigurationTypes"); kind != "" {
		a.Settings["endpointConfiguration"] = map[string]any{"types": []any{kind}, "ipAddressType": "ipv4"}
	}
	return a.shape(c), nil
}

// putRestAPI puts what a document says over an API, or in its place.
func putRestAPI(c *call, a *restAPI) (obj, error) {
	doc, err := c.readRestAPI()
	if err != nil {
		return nil, err
	}
	mode := c.In.or("mode", "merge")
	if mode != "merge" && mode != "overwrite" {
		return nil, badAPI("Invalid mode specified: %s", mode)
	}
	next := *a
	next.Settings, next.Resources = maps.Clone(a.Settings), maps.Clone(a.Resources)
	if err := c.takeRestAPI(&next, doc, mode == "overwrite"); err != nil {
		return nil, err
	}
	*a = next
	return a.shape(c), nil
}

func (c *call) readRestAPI() (*openAPI, error) {
	body, _ := c.In["Body"].([]byte)
	if base := c.In.str("basepath"); base != "" && base != "ignore" {
		return nil, badAPI("The sandbox knows the basepath ignore only.")
	}
	return readOpenAPI(string(body))
}

// takeRestAPI brings an API to what a document says.
func (c *call) takeRestAPI(a *restAPI, doc *openAPI, whole bool) error {
	info := doc.doc.obj("info")
	if info.str("title") == "" {
		return badAPI("Invalid OpenAPI input: info.title is missing.")
	}
	a.Settings["name"] = info.str("title")
	for _, name := range []string{"description", "version"} {
		if v := info.str(name); v != "" {
			a.Settings[name] = v
		}
	}
	if v, there := doc.doc["x-amazon-apigateway-binary-media-types"]; there {
		a.Settings["binaryMediaTypes"] = listed(v)
	}
	for _, known := range []string{"x-amazon-apigateway-request-validators", "x-amazon-apigateway-gateway-responses"} {
		if doc.doc.has(known) {
			c.log.Warn("API Gateway: the sandbox does without "+known, "api", a.ID)
		}
	}
	if v, there := doc.doc["x-amazon-apigateway-policy"]; there {
		policy, bound, err := c.apiPolicy(documentText(v))
		if err != nil {
			return err
		}
		a.Policy, a.Bound = policy, bound
	}
	for k, v := range doc.tags() {
		put(&a.Tags, k, v)
	}
	if whole {
		root := *a.root()
		root.Methods = nil
		a.Resources = map[string]*restResource{root.ID: &root}
	}
	for _, o := range doc.operations {
		if err := c.takeOperation(a, o); err != nil {
			return err
		}
	}
	return nil
}

// takeOperation puts one operation of a document into an API, with the
// resources that its path needs.
func (c *call) takeOperation(a *restAPI, o apiOperation) error {
	at := a.root()
	for _, part := range splitPath(o.path) {
		if part == "" {
			continue
		}
		next := (*restResource)(nil)
		for _, r := range a.Resources {
			if r.Parent == at.ID && r.Part == part {
				next = r
			}
		}
		if next == nil {
			var err error
			if next, err = c.child(a, at, part); err != nil {
				return err
			}
			a.Resources[next.ID] = next
		}
		at = next
	}
	m := &restMethod{Shown: map[string]any{"httpMethod": o.method, "authorizationType": o.auth, "apiKeyRequired": false}}
	if id := o.op.str("operationId"); id != "" {
		m.Shown["operationName"] = id
	}
	if len(o.integration) > 0 {
		var err error
		if m.Integration, err = c.checkIntegration(o.integration, at.ID); err != nil {
			return err
		}
		responses := o.integration.obj("responses")
		for pattern, v := range responses {
			in := maps.Clone(asParams(v))
			if in == nil {
				return badAPI("Invalid integration response: %s", pattern)
			}
			if pattern != "default" {
				in["selectionPattern"] = pattern
			}
			r, err := checkResponse(in.str("statusCode"), in)
			if err != nil {
				return err
			}
			put(&m.Responses, in.str("statusCode"), r)
		}
	}
	for status := range o.op.obj("responses") {
		if !strings.HasPrefix(status, "x-") && status != "default" {
			put(&m.Declared, status, map[string]any{"statusCode": status})
		}
	}
	a.changed(at, o.method, func(to *restMethod) { *to = *m })
	return nil
}
