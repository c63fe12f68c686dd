package sandbox_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// pythonFunction makes a function of a Python file; its ARN.
func (c *cloud) pythonFunction(cfg aws.Config, name, code string) string {
	c.t.Helper()
	ctx := context.Background()
	trust := document(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`)
	role := must[*iam.CreateRoleOutput](c.t)(iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})).Role.Arn
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w := must[io.Writer](c.t)(z.Create("app.py"))
	_, _ = w.Write([]byte(code))
	if err := z.Close(); err != nil {
		c.t.Fatal(err)
	}
	out := must[*lambda.CreateFunctionOutput](c.t)(lambda.NewFromConfig(cfg).CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name,
		Role: role, Runtime: lambdatypes.RuntimePython313, Handler: aws.String("app.handler"), Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: b.Bytes()}}))
	return *out.FunctionArn
}

// letIn lets a service invoke a function for a source.
func (c *cloud) letIn(cfg aws.Config, function, service, source string) {
	c.t.Helper()
	must[*lambda.AddPermissionOutput](c.t)(lambda.NewFromConfig(cfg).AddPermission(context.Background(), &lambda.AddPermissionInput{FunctionName: &function,
		StatementId: aws.String(fmt.Sprint("s", time.Now().UnixNano())), Action: aws.String("lambda:InvokeFunction"), Principal: &service, SourceArn: &source}))
}

// visit calls an API by its path form, or by its host when host is set.
type visit struct {
	method, path, host, body string
	header                   map[string]string
	sign                     *aws.Config // with AWS_IAM
}

func (c *cloud) visit(v visit) (int, http.Header, string) {
	c.t.Helper()
	if v.method == "" {
		v.method = http.MethodGet
	}
	r, err := http.NewRequest(v.method, c.url+v.path, strings.NewReader(v.body))
	if err != nil {
		c.t.Fatal(err)
	}
	if v.host != "" {
		r.Host = v.host
	}
	for name, value := range v.header {
		r.Header.Set(name, value)
	}
	if v.sign != nil {
		who, err := v.sign.Credentials.Retrieve(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		sum := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of nothing
		if err := v4.NewSigner().SignHTTP(context.Background(), who, r, sum, "execute-api", v.sign.Region, time.Now()); err != nil {
			c.t.Fatal(err)
		}
	}
	out, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(out.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.StatusCode, out.Header, string(body)
}

// echo gives the event back, or does what the path's end says.
const echo = `
import json
def handler(event, context):
    path = event.get("rawPath") or event["path"]
    if path.endswith("/raise"):
        raise ValueError("secret of the function")
    if path.endswith("/list"):
        return [1, 2]
    if path.endswith("/text"):
        return "hello"
    if path.endswith("/odd"):
        return {"statusCode": 200, "body": {"not": "text"}}
    if path.endswith("/image"):
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "iVBORw==", "isBase64Encoded": True}
    return {"statusCode": 201, "headers": {"x-one": "1", "access-control-allow-origin": "http://function"}, "body": json.dumps(event)}
`

func TestHTTPAPI(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.in(devAccount, "eu-west-1")
	function := c.pythonFunction(dev, "echo", echo)
	client := apigatewayv2.NewFromConfig(dev)
	uri := "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" + function + "/invocations"
	integration := func(version string) string {
		return `{"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST","uri":"` + uri + `","payloadFormatVersion":"` + version + `"}}`
	}
	body := `{"openapi":"3.0.1","info":{"title":"shop","version":"1"},"paths":{
		"/pets/{id}":{"get":` + integration("2.0") + `,"x-amazon-apigateway-any-method":` + integration("1.0") + `},
		"/pets/dog":{"get":` + integration("2.0") + `},
		"/files/{proxy+}":{"x-amazon-apigateway-any-method":` + integration("2.0") + `},
		"/empty":{"get":{}}},
		"x-amazon-apigateway-cors":{"allowOrigins":["https://shop.example"],"allowMethods":["GET","POST"],"allowHeaders":["x-token"],"maxAge":60},
		"tags":[{"name":"by","x-amazon-apigateway-tag-value":"test"}]}`
	api := must[*apigatewayv2.ImportApiOutput](t)(client.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body}))
	if *api.Name != "shop" || api.Tags["by"] != "test" || *api.ApiEndpoint != "https://"+*api.ApiId+".execute-api.eu-west-1.amazonaws.com" {
		t.Fatalf("%+v", api)
	}
	at := "/_aws/execute-api/" + *api.ApiId
	host := *api.ApiId + ".execute-api.eu-west-1.amazonaws.com"
	if status, _, body := c.visit(visit{path: at + "/pets/1"}); status != 404 || body != `{"message":"Not Found"}` {
		t.Errorf("without a stage: %d %s", status, body)
	}
	stage := func(name string) {
		must[*apigatewayv2.CreateStageOutput](t)(client.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: &name,
			AutoDeploy: aws.Bool(true), StageVariables: map[string]string{"v": name}}))
	}
	stage("$default")
	if status, _, body := c.visit(visit{path: at + "/pets/1"}); status != 500 || body != `{"message":"Internal Server Error"}` {
		t.Errorf("without permission: %d %s", status, body)
	}
	c.letIn(dev, function, "apigateway.amazonaws.com", "arn:aws:execute-api:eu-west-1:"+devAccount+":"+*api.ApiId+"/*/*/pets/*")
	stage("prod")

	type event struct {
		Version, RouteKey, RawPath, RawQueryString, Resource, HTTPMethod, Path, Body string
		Cookies                                                                      []string
		Headers, QueryStringParameters, PathParameters, StageVariables               map[string]string
		MultiValueQueryStringParameters                                              map[string][]string
		IsBase64Encoded                                                              bool
		RequestContext                                                               struct {
			AccountID, APIID, Stage, RouteKey, DomainName string
			HTTP                                          struct{ Method, Path string }
			Authorizer                                    struct{ IAM struct{ UserARN string } }
		}
	}
	read := func(body string) (e event) {
		t.Helper()
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return e
	}
	status, header, text := c.visit(visit{host: host, path: "/pets/7?a=1&a=2&b=x%20y", header: map[string]string{"X-Custom": "c", "Cookie": "k=v; l=w"}})
	e := read(text)
	if status != 201 || header.Get("X-One") != "1" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v", status, header)
	}
	if e.Version != "2.0" || e.RouteKey != "GET /pets/{id}" || e.RawPath != "/pets/7" || e.PathParameters["id"] != "7" || e.QueryStringParameters["a"] != "1,2" ||
		e.RawQueryString != "a=1&a=2&b=x%20y" || e.Headers["x-custom"] != "c" || len(e.Cookies) != 2 || e.StageVariables["v"] != "$default" ||
		e.RequestContext.AccountID != devAccount || e.RequestContext.Stage != "$default" || e.RequestContext.DomainName != host || e.RequestContext.HTTP.Method != "GET" {
		t.Errorf("event %s", text)
	}
	_, _, text = c.visit(visit{path: at + "/prod/pets/dog"})
	if e := read(text); e.RouteKey != "GET /pets/dog" || e.RawPath != "/prod/pets/dog" || e.RequestContext.Stage != "prod" {
		t.Errorf("event %s", text)
	}
	_, _, text = c.visit(visit{method: "POST", path: at + "/pets/7?a=1&a=2", body: `{"x":1}`, header: map[string]string{"Content-Type": "application/json"}})
	if e := read(text); e.Version != "1.0" || e.Resource != "/pets/{id}" || e.HTTPMethod != "POST" || e.Body != `{"x":1}` || e.QueryStringParameters["a"] != "2" ||
		len(e.MultiValueQueryStringParameters["a"]) != 2 || e.IsBase64Encoded {
		t.Errorf("event %s", text)
	}
	_, _, text = c.visit(visit{method: "PUT", path: at + "/pets/7", body: "\xff\xfe", header: map[string]string{"Content-Type": "image/png"}})
	if e := read(text); e.Body != "//4=" || !e.IsBase64Encoded {
		t.Errorf("event %s", text)
	}
	for path, want := range map[string]string{
		"/pets/raise":    `500 application/json {"message":"Internal Server Error"}`,
		"/pets/list":     "200 application/json [1, 2]",
		"/pets/text":     "200 application/json hello",
		"/pets/odd":      `500 application/json {"message":"Internal Server Error"}`,
		"/pets/image":    "200 image/png \x89PNG",
		"/other":         `404 application/json {"message":"Not Found"}`,
		"/pets":          `404 application/json {"message":"Not Found"}`,
		"/empty":         `500 application/json {"message":"Internal Server Error"}`,
		"/files/a/b.txt": `500 application/json {"message":"Internal Server Error"}`, // the permission is for pets
	} {
		status, header, text := c.visit(visit{path: at + path})
		if got := fmt.Sprint(status, " ", header.Get("Content-Type"), " ", text); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if status, _, text := c.visit(visit{path: "/_aws/execute-api/nothing/x"}); status != 403 || text != `{"message":"Forbidden"}` {
		t.Errorf("no such API: %d %s", status, text)
	}
	cors(t, c, at)
	must[*apigatewayv2.UpdateApiOutput](t)(client.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{ApiId: api.ApiId, DisableExecuteApiEndpoint: aws.Bool(true)}))
	if status, _, _ := c.visit(visit{path: at + "/pets/7"}); status != 404 {
		t.Errorf("with its endpoint disabled: %d", status)
	}

	must[*apigatewayv2.DeleteApiOutput](t)(client.DeleteApi(ctx, &apigatewayv2.DeleteApiInput{ApiId: api.ApiId}))
	if status, _, _ := c.visit(visit{path: at + "/pets/7"}); status != 403 {
		t.Errorf("after its deletion: %d", status)
	}
}

func cors(t *testing.T, c *cloud, at string) {
	t.Helper()
	ask := func(origin, method string) (int, string) {
		status, h, _ := c.visit(visit{method: "OPTIONS", path: at + "/pets/7", header: map[string]string{"Origin": origin, "Access-Control-Request-Method": method}})
		return status, h.Get("Access-Control-Allow-Origin") + " " + h.Get("Access-Control-Allow-Methods") + " " + h.Get("Access-Control-Allow-Headers") + " " + h.Get("Access-Control-Max-Age")
	}
	if status, got := ask("https://shop.example", "POST"); status != 204 || got != "https://shop.example GET,POST x-token 60" {
		t.Errorf("preflight: %d %s", status, got)
	}
	if status, got := ask("https://other.example", "POST"); status != 204 || strings.TrimSpace(got) != "" {
		t.Errorf("preflight of a stranger: %d %s", status, got)
	}
	_, h, _ := c.visit(visit{path: at + "/pets/7", header: map[string]string{"Origin": "https://shop.example"}})
	if got := h.Get("Access-Control-Allow-Origin"); got != "https://shop.example" {
		t.Errorf("the function's own header is left: %s", got)
	}
}

// With AWS_IAM only who may invoke the route does; deployments keep what was.
func TestHTTPAPIWithIAM(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.in(devAccount, "eu-west-1")
	function := c.pythonFunction(dev, "echo", echo)
	client := apigatewayv2.NewFromConfig(dev)
	api := must[*apigatewayv2.CreateApiOutput](t)(client.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("i"), ProtocolType: types.ProtocolTypeHttp})).ApiId
	c.letIn(dev, function, "apigateway.amazonaws.com", "arn:aws:execute-api:eu-west-1:"+devAccount+":"+*api+"/*")
	to := must[*apigatewayv2.CreateIntegrationOutput](t)(client.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: api, IntegrationType: types.IntegrationTypeAwsProxy,
		IntegrationUri: &function, PayloadFormatVersion: aws.String("2.0")})).IntegrationId
	route := must[*apigatewayv2.CreateRouteOutput](t)(client.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api, RouteKey: aws.String("GET /own"),
		Target: aws.String("integrations/" + *to), AuthorizationType: types.AuthorizationTypeAwsIam})).RouteId
	must[*apigatewayv2.CreateStageOutput](t)(client.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api, StageName: aws.String("live")}))
	at := "/_aws/execute-api/" + *api + "/live/own"
	if status, _, _ := c.visit(visit{path: at, sign: &dev}); status != 404 {
		t.Errorf("before it is deployed: %d", status)
	}
	deployed := must[*apigatewayv2.CreateDeploymentOutput](t)(client.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api, StageName: aws.String("live")})).DeploymentId
	must[*apigatewayv2.DeleteRouteOutput](t)(client.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: api, RouteId: route}))
	if status, _, text := c.visit(visit{path: at, sign: &dev}); status != 201 || !strings.Contains(text, "assumed-role/OrganizationAccountAccessRole/") {
		t.Errorf("signed: %d %s", status, text)
	}
	if status, _, text := c.visit(visit{path: at}); status != 403 || text != `{"message":"Forbidden"}` {
		t.Errorf("not signed: %d %s", status, text)
	}
	qa := c.in(qaAccount, "eu-west-1")
	if status, _, _ := c.visit(visit{path: at, sign: &qa}); status != 403 {
		t.Errorf("of another account: %d", status)
	}
	_, err := client.DeleteDeployment(ctx, &apigatewayv2.DeleteDeploymentInput{ApiId: api, DeploymentId: deployed})
	refused(t, err, "BadRequestException", "Active stages")
	_, err = client.DeleteIntegration(ctx, &apigatewayv2.DeleteIntegrationInput{ApiId: api, IntegrationId: aws.String("none")})
	refused(t, err, "NotFoundException", "Invalid Integration identifier specified")
	for _, bad := range []string{"GET pets", "GET", "GRAB /x", "GET /{a+}/b", "GET /{a", "$other"} {
		_, err := client.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api, RouteKey: &bad})
		if err == nil {
			t.Errorf("route %q is taken", bad)
		}
	}
}

func TestBadOpenAPI(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := apigatewayv2.NewFromConfig(c.in(devAccount, "eu-west-1"))
	head := `{"openapi":"3.0.1","info":{"title":"x"},"paths":`
	for body, want := range map[string]string{
		"": "Invalid OpenAPI input", "[]": "Invalid OpenAPI input", `{"paths":{}}`: "neither openapi 3 nor swagger",
		`{"swagger":"2.0","info":{"title":"x"}}`:           "HTTP APIs take OpenAPI 3",
		`{"openapi":"3.0.1","paths":{}}`:                   "info.title is missing",
		strings.Repeat(`{"openapi":`, 200000):              "Invalid OpenAPI input",
		strings.Repeat("- ", 100000) + "x":                 "Invalid OpenAPI input",
		head + `{"/a/{b+}/c":{"get":{}}}}`:                 "greedy",
		head + `{"a b":{"get":{}}}}`:                       "route key",
		head + `{"/a":{"get":{"security":[{"jwt":[]}]}}}}`: "Security scheme jwt is not defined",
		head + `{"/a":{"get":{"security":[{"jwt":[]}]}}},"components":{"securitySchemes":{"jwt":{"type":"oauth2"}}}}`:                               "neither authorizers",
		head + `{"/a":{"get":{"x-amazon-apigateway-integration":{"$ref":"#/components/x"}}}}}`:                                                      "Unable to resolve reference",
		head + `{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"http_proxy","uri":"https://x"}}}}}`:                                        "Lambda functions (AWS_PROXY) only",
		head + `{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":"https://x"}}}}}`:                                         "Invalid Lambda function ARN",
		head + `{"/a":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":"arn:aws:lambda:r:1:function:f","timeoutInMillis":1}}}}}`: "Timeout",
		head + `{}, "x-amazon-apigateway-cors":{"allowOrigins":["shop"]}}`:                                                                          "Invalid format for origin",
	} {
		_, err := client.ImportApi(ctx, &apigatewayv2.ImportApiInput{Body: &body})
		refused(t, err, "BadRequestException", want)
	}
	left := must[*apigatewayv2.GetApisOutput](t)(client.GetApis(ctx, &apigatewayv2.GetApisInput{}))
	if len(left.Items) != 0 {
		t.Errorf("%d APIs are left of what was refused", len(left.Items))
	}
}
