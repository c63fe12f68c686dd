package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func TestRESTAPI(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.in(devAccount, "eu-west-1")
	function := c.pythonFunction(dev, "echo", echo)
	client := apigateway.NewFromConfig(dev)
	proxy := func(function string) string {
		return `{"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST","uri":"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/` + function + `/invocations"},"responses":{}}`
	}
	preflight := `{"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\n  \"statusCode\" : 200\n}\n"},"responses":{"default":{"statusCode":"200",
		"responseParameters":{"method.response.header.Access-Control-Allow-Origin":"'*'","method.response.header.Access-Control-Allow-Methods":"'GET,POST'"},"responseTemplates":{"application/json":"{}\n"}}}},
		"responses":{"200":{"description":"cors"}}}`
	body := `{"swagger":"2.0","info":{"title":"shop","version":"1.0"},"paths":{
		"/":{"get":` + proxy(function) + `},
		"/pets/{id}":{"get":` + proxy(function) + `,"options":` + preflight + `},
		"/pets/dog":{"x-amazon-apigateway-any-method":` + proxy(function) + `},
		"/gone":{"get":` + proxy(function+"x") + `},
		"/files/{proxy+}":{"x-amazon-apigateway-any-method":` + proxy(function) + `}}}`
	api := must[*apigateway.ImportRestApiOutput](t)(client.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(body), Parameters: map[string]string{"endpointConfigurationTypes": "REGIONAL"}}))
	if *api.Name != "shop" || api.EndpointConfiguration.Types[0] != types.EndpointTypeRegional {
		t.Fatalf("%+v", api)
	}
	must[*apigateway.CreateDeploymentOutput](t)(client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod"), Variables: map[string]string{"v": "1"}}))
	at := "/_aws/execute-api/" + *api.Id + "/prod"
	if status, _, text := c.visit(visit{path: at + "/pets/1"}); status != 500 || text != `{"message":"Internal server error"}` {
		t.Errorf("without permission: %d %s", status, text)
	}
	c.letIn(dev, function, "apigateway.amazonaws.com", "arn:aws:execute-api:eu-west-1:"+devAccount+":"+*api.Id+"/*/*/*")
	status, header, text := c.visit(visit{method: "GET", host: *api.Id + ".execute-api.eu-west-1.amazonaws.com", path: "/prod/pets/7?a=1&a=2", header: map[string]string{"X-Custom": "c"}})
	var e struct {
		Resource, Path, HTTPMethod                                     string
		Headers, QueryStringParameters, PathParameters, StageVariables map[string]string
		MultiValueQueryStringParameters                                map[string][]string
		Body                                                           *string
		RequestContext                                                 struct{ AccountID, APIID, Stage, Path, ResourcePath string }
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || status != 201 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", status, header, text)
	}
	if e.Resource != "/pets/{id}" || e.Path != "/pets/7" || e.PathParameters["id"] != "7" || e.QueryStringParameters["a"] != "2" || len(e.MultiValueQueryStringParameters["a"]) != 2 ||
		e.Headers["X-Custom"] != "c" || e.StageVariables["v"] != "1" || e.Body != nil || e.RequestContext.Path != "/prod/pets/7" || e.RequestContext.Stage != "prod" || e.RequestContext.AccountID != devAccount {
		t.Errorf("event %s", text)
	}
	for path, want := range map[string]string{
		"/pets/raise":  `502 {"message":"Internal server error"}`,
		"/pets/list":   `502 {"message":"Internal server error"}`,
		"/pets/text":   `502 {"message":"Internal server error"}`,
		"/pets/odd":    `502 {"message":"Internal server error"}`,
		"/pets/image":  "200 iVBORw==", // no media type of the API is binary
		"/gone":        `500 {"message":"Internal server error"}`,
		"/other":       `403 {"message":"Missing Authentication Token"}`,
		"/files/a/odd": `502 {"message":"Internal server error"}`,
	} {
		if status, _, text := c.visit(visit{path: at + path}); fmt.Sprint(status, " ", text) != want {
			t.Errorf("%s: %d %s, want %s", path, status, text, want)
		}
	}
	if status, _, text := c.visit(visit{path: at + "/"}); status != 201 || !strings.Contains(text, `"resource": "/"`) {
		t.Errorf("root: %d %s", status, text)
	}
	if status, _, text := c.visit(visit{method: "POST", path: at + "/pets/7"}); status != 403 || text != `{"message":"Missing Authentication Token"}` {
		t.Errorf("no such method: %d %s", status, text)
	}
	if status, _, text := c.visit(visit{path: "/_aws/execute-api/" + *api.Id + "/nostage/pets/7"}); status != 403 || text != `{"message":"Forbidden"}` {
		t.Errorf("no such stage: %d %s", status, text)
	}
	status, header, text = c.visit(visit{method: "OPTIONS", path: at + "/pets/7"})
	if status != 200 || header.Get("Access-Control-Allow-Methods") != "GET,POST" || text != "{}\n" {
		t.Errorf("mock: %d %v %q", status, header, text)
	}
	// Only the first type that is accepted decides whether an answer is binary.
	for patch, answers := range map[string]map[string]string{"image~1png": {"image/png, */*": "\x89PNG\r\n", "text/html, image/png": "iVBORw=="}} {
		must[*apigateway.UpdateRestApiOutput](t)(client.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: api.Id,
			PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/binaryMediaTypes/" + patch)}}}))
		must[*apigateway.CreateDeploymentOutput](t)(client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")}))
		for accept, want := range answers {
			if _, _, text := c.visit(visit{path: at + "/pets/image", header: map[string]string{"Accept": accept}}); !strings.HasPrefix(want, text) {
				t.Errorf("accepting %s: %q", accept, text)
			}
		}
	}
	if status, _, text := c.visit(visit{method: "POST", path: at + "/files/a", body: strings.Repeat("x", 7<<20)}); status != 413 || text != `{"message":"Request Too Long"}` {
		t.Errorf("a body that Lambda doesn't take: %d %.100s", status, text)
	}
	// What is imported over it isn't served until it is deployed.
	next := strings.Replace(body, `"/gone"`, `"/new"`, 1)
	must[*apigateway.PutRestApiOutput](t)(client.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: api.Id, Mode: types.PutModeOverwrite, Body: []byte(next)}))
	if status, _, _ := c.visit(visit{path: at + "/new"}); status != 403 {
		t.Errorf("not deployed yet: %d", status)
	}
	d := must[*apigateway.CreateDeploymentOutput](t)(client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id})).Id
	must[*apigateway.UpdateStageOutput](t)(client.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api.Id, StageName: aws.String("prod"),
		PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/deploymentId"), Value: d}}}))
	if status, _, _ := c.visit(visit{path: at + "/new"}); status != 500 {
		t.Errorf("deployed: %d", status)
	}
	if status, _, _ := c.visit(visit{path: at + "/gone"}); status != 403 {
		t.Errorf("what was is gone: %d", status)
	}
	must[*apigateway.UpdateRestApiOutput](t)(client.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: api.Id,
		PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/disableExecuteApiEndpoint"), Value: aws.String("true")}}}))
	if status, _, text := c.visit(visit{path: at + "/pets/7"}); status != 403 || text != `{"message":"Forbidden"}` {
		t.Errorf("with its endpoint disabled: %d %s", status, text)
	}
}

// A resource policy decides about everybody, AWS_IAM about who signs.
func TestRESTAPIAccess(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev, qa := c.in(devAccount, "eu-west-1"), c.in(qaAccount, "eu-west-1")
	function := c.pythonFunction(dev, "echo", echo)
	client := apigateway.NewFromConfig(dev)
	api := must[*apigateway.CreateRestApiOutput](t)(client.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("a")}))
	c.letIn(dev, function, "apigateway.amazonaws.com", "arn:aws:execute-api:eu-west-1:"+devAccount+":"+*api.Id+"/*")
	for part, auth := range map[string]string{"open": "NONE", "own": "AWS_IAM"} {
		r := must[*apigateway.CreateResourceOutput](t)(client.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api.Id, ParentId: api.RootResourceId, PathPart: &part})).Id
		must[*apigateway.PutMethodOutput](t)(client.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: r, HttpMethod: aws.String("GET"), AuthorizationType: &auth}))
		must[*apigateway.PutIntegrationOutput](t)(client.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: r, HttpMethod: aws.String("GET"),
			Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: aws.String("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + function + "/invocations")}))
	}
	deploy := func(policy string) {
		must[*apigateway.UpdateRestApiOutput](t)(client.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: api.Id,
			PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/policy"), Value: &policy}}}))
		must[*apigateway.CreateDeploymentOutput](t)(client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("v1")}))
	}
	at := "/_aws/execute-api/" + *api.Id + "/v1"
	is := func(what string, v visit, want int, says string) {
		t.Helper()
		if status, _, text := c.visit(v); status != want || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s, want %d", what, status, text, want)
		}
	}
	deploy("")
	is("open", visit{path: at + "/open"}, 201, "")
	is("not signed", visit{path: at + "/own"}, 403, "Missing Authentication Token")
	is("signed", visit{path: at + "/own", sign: &dev}, 201, "assumed-role/OrganizationAccountAccessRole")
	is("another account", visit{path: at + "/own", sign: &qa}, 403, "is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:eu-west-1:"+devAccount+":"+*api.Id+"/v1/GET/own")
	deploy(document(`{"Effect":"Allow","Principal":{"AWS":"` + qaAccount + `"},"Action":"execute-api:Invoke","Resource":"execute-api:/v1/GET/own"}`))
	is("open, and the policy lets nobody in", visit{path: at + "/open"}, 403, "not authorized")
	is("another account that the policy lets in", visit{path: at + "/own", sign: &qa}, 201, "")
	deploy(document(`{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}`))
	is("open by address", visit{path: at + "/open"}, 201, "")
	_, err := client.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: api.Id,
		PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/policy"), Value: aws.String("{}")}}})
	refused(t, err, "BadRequestException", "Invalid policy document")
}

// APIs of both kinds answer as before after the state was saved and loaded.
func TestAPIsSurvive(t *testing.T) {
	ctx, file := context.Background(), filepath.Join(t.TempDir(), "state.json")
	first, err := sandbox.New(sandbox.Options{State: file})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(first)
	cfg := configOf(first, server.URL)
	mock := `{"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 200}"},"responses":{"default":{"statusCode":"202","responseTemplates":{"application/json":"pong"}}}}}`
	old := must[*apigateway.ImportRestApiOutput](t)(apigateway.NewFromConfig(cfg).ImportRestApi(ctx, &apigateway.ImportRestApiInput{
		Body: []byte(`{"swagger":"2.0","info":{"title":"x"},"paths":{"/ping/{id}":{"get":` + mock + `}}}`)})).Id
	must[*apigateway.CreateDeploymentOutput](t)(apigateway.NewFromConfig(cfg).CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: old, StageName: aws.String("v1")}))
	second := apigatewayv2.NewFromConfig(cfg)
	api := must[*apigatewayv2.CreateApiOutput](t)(second.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("y"), ProtocolType: v2types.ProtocolTypeHttp,
		Target: aws.String("arn:aws:lambda:eu-west-1:111111111111:function:none"), CorsConfiguration: &v2types.Cors{AllowOrigins: []string{"*"}, AllowMethods: []string{"GET"}, MaxAge: aws.Int32(7)}})).ApiId
	server.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, sandbox.Options{State: file})
	c := &cloud{t: t, url: b.url}
	if status, _, text := c.visit(visit{path: "/_aws/execute-api/" + *old + "/v1/ping/7"}); status != 202 || text != "pong" {
		t.Errorf("REST API: %d %s", status, text)
	}
	if status, _, text := c.visit(visit{path: "/_aws/execute-api/" + *api + "/x"}); status != 500 { // there is no such function
		t.Errorf("HTTP API: %d %s", status, text)
	}
	status, header, _ := c.visit(visit{method: "OPTIONS", path: "/_aws/execute-api/" + *api + "/x", header: map[string]string{"Origin": "http://x", "Access-Control-Request-Method": "GET"}})
	if status != 204 || header.Get("Access-Control-Max-Age") != "7" {
		t.Errorf("CORS: %d %v", status, header)
	}
	again := must[*apigatewayv2.GetApiOutput](t)(apigatewayv2.NewFromConfig(b.top).GetApi(ctx, &apigatewayv2.GetApiInput{ApiId: api}))
	if *again.Name != "y" || *again.CorsConfiguration.MaxAge != 7 {
		t.Errorf("%+v", again)
	}
}
