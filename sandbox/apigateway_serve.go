package sandbox

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restMessage is an answer of a REST API itself.
func (v *apiVisit) restMessage(status int, kind, message string) *reply {
	return apiMessage(status, message, map[string]string{"X-Amzn-Requestid": v.reqID, "X-Amzn-Errortype": kind})
}

// planREST finds the stage, the method and its integration for a visit.
func (s *Sandbox) planREST(v *apiVisit, a *restAPI) apiPlan {
	refused := func(kind, message string) apiPlan {
		return apiPlan{answer: v.restMessage(http.StatusForbidden, kind, message)}
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(v.path, "/"), "/")
	path := "/" + rest
	stage := a.Stages[first]
	if stage == nil || a.Settings["disableExecuteApiEndpoint"] == true { // there are no domains of its own to call it by
		return refused("ForbiddenException", "Forbidden")
	}
	v.stage = first
	d := a.Deployments[text(stage.Settings["deploymentId"])]
	if d == nil {
		return refused("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	resource, method, variables := d.find(v.r.Method, path)
	if method == nil {
		return refused("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	home := place{a.Owner, a.Region}
	iam := text(method.Shown["authorizationType"]) == "AWS_IAM"
	switch {
	case iam && v.bad != nil:
		return refused(v.bad.Code, v.bad.Message)
	case iam && v.signer == nil:
		return refused("MissingAuthenticationTokenException", "Missing Authentication Token")
	case !iam:
		v.signer = nil
	}
	if iam || d.Policy != "" {
		own := strings.ReplaceAll(s.bound(d.Policy, a.Bound), `"execute-api:/`, `"arn:aws:execute-api:`+a.Region+":"+a.Owner+":"+a.ID+"/") // it may be short
		if why, ok := s.mayInvokeAPI(v, apiARN(a.ID, home, v.stage, v.r.Method, path), a.Owner, own); !ok {
			return refused("AccessDeniedException", why)
		}
	}
	if text(method.Integration["type"]) == "MOCK" {
		return apiPlan{answer: v.mock(method)}
	}
	return s.askREST(v, a, d, stage, resource, method, variables)
}

// find is the most specific method of a request.
func (d *restDeployment) find(method, path string) (*restResource, *restMethod, map[string]string) {
	type route struct {
		resource *restResource
		name     string
	}
	var routes []route
	for _, id := range sortedKeys(d.Resources) {
		for _, name := range sortedKeys(d.Resources[id].Methods) {
			routes = append(routes, route{d.Resources[id], name})
		}
	}
	best, variables, ok := mostSpecific(routes, func(r route) (string, string) { return r.name, r.resource.Path }, method, strings.TrimSuffix(path, "/"))
	if !ok {
		return nil, nil, nil
	}
	return best.resource, best.resource.Methods[best.name], variables
}

// mediaTypes says whether a content type, or the first of those that a client
// accepts, is one that the API takes as binary.
func (d *restDeployment) mediaTypes(contentType string) bool {
	first, _, _ := strings.Cut(contentType, ",")
	kind, _, _ := strings.Cut(first, ";")
	kind = strings.TrimSpace(kind)
	return slices.ContainsFunc(d.Binary, func(pattern string) bool {
		head, all := strings.CutSuffix(pattern, "/*")
		return pattern == "*/*" || kind == pattern || all && strings.HasPrefix(kind, head+"/")
	})
}

// askREST is the plan to invoke the function of a method.
func (s *Sandbox) askREST(v *apiVisit, a *restAPI, d *restDeployment, stage *restStage, r *restResource, m *restMethod, variables map[string]string) apiPlan {
	home := place{a.Owner, a.Region}
	stageVariables := params(stage.Settings).strMap("variables")
	event := v.firstEvent(a.Owner, r.Path, strings.TrimPrefix(v.path, "/"+v.stage), variables, stageVariables, d.mediaTypes(v.r.Header.Get("Content-Type")))
	asParams(event["requestContext"])["resourceId"] = r.ID
	payload, err := plainJSON(event)
	if err != nil {
		return apiPlan{answer: v.restMessage(http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")}
	}
	integration := params(m.Integration)
	function, _ := functionOf(withVariables(integration.str("uri"), stageVariables))
	accept := v.r.Header.Get("Accept")
	source := apiARN(a.ID, home, v.stage, v.r.Method, r.Path)
	who, err := s.invoker(v, home, integration.str("credentials"), source)
	if err != nil {
		s.apiFailed(v, function, "the function isn't invoked: "+err.Error())
		return apiPlan{answer: v.restMessage(http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")}
	}
	return apiPlan{
		timeout: time.Duration(integration.int("timeoutInMillis", 29000)) * time.Millisecond,
		invoke: invocation{Function: function, Payload: payload, Principal: "apigateway.amazonaws.com",
			SourceARN: source, SourceAccount: a.Owner, Who: who},
		done: func(result invocationResult, err error) *reply {
			bad := func(status int, why string) *reply {
				s.apiFailed(v, function, why)
				return v.restMessage(status, "InternalServerErrorException", "Internal server error")
			}
			answer, ok := readReply(result.Payload, true)
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				return v.restMessage(http.StatusGatewayTimeout, "InternalServerErrorException", "Endpoint request timed out")
			case err != nil && asAPIError(services["lambda"], err).Status == http.StatusRequestEntityTooLarge:
				return v.restMessage(http.StatusRequestEntityTooLarge, "BadRequestException", "Request Too Long")
			case err != nil:
				return bad(http.StatusInternalServerError, "the function isn't invoked: "+err.Error())
			case result.Error != "":
				return bad(http.StatusBadGateway, "the function failed: "+string(result.Payload))
			case !ok:
				return bad(http.StatusBadGateway, "the function's answer is no response: "+string(result.Payload))
			}
			if answer.encoded && !d.mediaTypes(accept) { // who doesn't accept it gets it as it came
				answer.body = []byte(base64.StdEncoding.EncodeToString(answer.body))
			}
			rec := answer.reply("application/json")
			rec.header.Set("X-Amzn-Requestid", v.reqID)
			return rec
		},
	}
}

// mock answers as a mock integration says: its request template gives the
// status, by which the response is chosen.
func (v *apiVisit) mock(m *restMethod) *reply {
	status := ""
	if doc, err := decodeEvent([]byte(text(asParams(m.Integration["requestTemplates"])["application/json"]))); err == nil {
		status = text(doc["statusCode"])
	}
	var chosen params
	for _, code := range sortedKeys(m.Responses) {
		r := params(m.Responses[code])
		pattern := r.str("selectionPattern")
		if pattern == "" && chosen == nil {
			chosen = r
		}
		if re, err := regexp.Compile("^(?:" + pattern + ")$"); pattern != "" && err == nil && re.MatchString(status) {
			chosen = r
			break
		}
	}
	code, err := strconv.Atoi(chosen.str("statusCode"))
	if status == "" || err != nil {
		return v.restMessage(http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")
	}
	out := functionReply{status: code, headers: http.Header{"X-Amzn-Requestid": {v.reqID}}}
	for name, value := range chosen.strMap("responseParameters") {
		out.headers.Set(strings.TrimPrefix(name, "method.response.header."), strings.Trim(value, "'"))
	}
	out.body = []byte(chosen.obj("responseTemplates").str("application/json"))
	return out.reply("application/json")
}
