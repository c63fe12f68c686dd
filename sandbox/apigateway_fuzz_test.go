package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever an OpenAPI document says, it becomes an API that answers, or it is
// refused in API Gateway's words.
func FuzzOpenAPI(f *testing.F) {
	f.Add(`{"openapi":"3.0.1","info":{"title":"x"},"paths":{"/a/{b+}":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST","uri":"arn:aws:lambda:r:1:function:f","payloadFormatVersion":"2.0"}}}},"x-amazon-apigateway-cors":{"allowOrigins":["*"]}}`, "/a/b/c")
	f.Add("swagger: '2.0'\ninfo: {title: x}\npaths:\n  /{a}:\n    get:\n      security: []\n      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, responses: {'2..': {statusCode: 200}, default: {statusCode: 500}}}\n", "/x")
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	admin := s.st.Keys[s.st.Admin]
	f.Fuzz(func(t *testing.T, body, path string) {
		for _, kind := range []struct {
			service, op, deploy string
			in                  params
		}{
			{"apigateway", "ImportRestApi", "restapi_id", params{"Body": []byte(body)}},
			{"apigatewayv2", "ImportApi", "apiId", params{"body": body}},
		} {
			s.lock()
			c := s.callAs(*admin, kind.service, "eu-west-1")
			c.Op, c.In = kind.op, kind.in
			out, err := c.run(s.ops[kind.service][kind.op])
			if e, ok := err.(*apiError); err != nil && (!ok || e.Code == "") {
				t.Errorf("%s: %v", kind.op, err)
			}
			if err == nil {
				id := text(out["id"]) + text(out["apiId"])
				c.Op, c.In = "CreateStage", params{"apiId": id, "stageName": "p", "autoDeploy": true}
				if kind.service == "apigateway" {
					c.Op, c.In = "CreateDeployment", params{"restapi_id": id, "stageName": "p"}
				}
				_, _ = c.run(s.ops[kind.service][c.Op])
				r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
				if p := s.planVisit(&apiVisit{r: r, id: id, path: "/p" + path, reqID: s.uuid(), at: s.now()}); p.answer == nil && (p.done == nil || !json.Valid(p.invoke.Payload)) {
					t.Errorf("%s: no plan for %q", kind.op, path)
				}
				delete(s.st.APIs, id)
			}
			s.unlock()
		}
	})
}

// Input templates that are taken come out as JSON, whatever the event is.
func FuzzInputTemplate(f *testing.F) {
	f.Add(`{"a": <x>, "b": "<x> and <aws.events.rule-name>"}`, "$.detail.a[0]['b']", `{"detail":{"a":[{"b":"\" <x>"}]}}`)
	f.Fuzz(func(t *testing.T, template, path, event string) {
		target := params{"Id": "t", "InputTransformer": map[string]any{"InputTemplate": template, "InputPathsMap": map[string]any{"x": path}}}
		if checkInput(target) != nil {
			return
		}
		if _, err := decodeEvent([]byte(event)); err != nil {
			return
		}
		out, err := inputOf(target, []byte(event), "arn", "rule", "2026-01-01T00:00:00Z")
		if err != nil || json.Valid(out) {
			return
		}
		for line := range strings.Lines(string(out)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%q of %q with %q", out, template, event)
			}
		}
	})
}
