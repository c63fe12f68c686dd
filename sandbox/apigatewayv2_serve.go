package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"axle/policy"
)

// planHTTP finds the stage, the route and the function of a visit.
func (s *Sandbox) planHTTP(v *apiVisit, a *httpAPI) apiPlan {
	say := func(status int, message string) apiPlan {
		rec := apiMessage(status, message, map[string]string{"Apigw-Requestid": v.reqID})
		a.cors().allow(v, rec.header)
		return apiPlan{answer: rec}
	}
	path, ok := a.enter(v)
	if !ok || a.Settings["disableExecuteApiEndpoint"] == true { // there are no domains of its own to call it by
		return say(http.StatusNotFound, "Not Found")
	}
	if rec := a.cors().preflight(v); rec != nil {
		return apiPlan{answer: rec}
	}
	routes, integrations := a.Routes, a.Integrations
	if stage := a.Stages[v.stage]; stage["autoDeploy"] != true {
		d := a.Deployments[text(stage["deploymentId"])]
		if d == nil {
			return say(http.StatusNotFound, "Not Found")
		}
		routes, integrations = d.Routes, d.Integrations
	}
	route, variables := routeFor(routes, v.r.Method, path)
	if route == nil {
		return say(http.StatusNotFound, "Not Found")
	}
	home := place{a.Owner, a.Region}
	_, routePath, _ := strings.Cut(text(route["routeKey"]), " ")
	if text(route["authorizationType"]) == "AWS_IAM" {
		if v.signer == nil || v.bad != nil {
			return say(http.StatusForbidden, "Forbidden")
		}
		if why, ok := s.mayInvokeAPI(v, apiARN(v.id, home, v.stage, v.r.Method, path), a.Owner, ""); !ok {
			s.log.Warn("API Gateway: "+why, "api", v.id)
			return say(http.StatusForbidden, "Forbidden")
		}
	} else {
		v.signer = nil
	}
	integration := params(integrations[strings.TrimPrefix(text(route["target"]), "integrations/")])
	if len(integration) == 0 {
		return say(http.StatusInternalServerError, "Internal Server Error")
	}
	source := apiARN(v.id, home, v.stage, v.r.Method, routePath)
	if text(route["routeKey"]) == "$default" {
		source = "arn:aws:execute-api:" + a.Region + ":" + a.Owner + ":" + a.ID + "/" + v.stage + "/$default"
	}
	return s.askHTTP(v, a, route, integration, variables, source)
}

// askHTTP is the plan to invoke the function of an integration.
func (s *Sandbox) askHTTP(v *apiVisit, a *httpAPI, route, integration params, variables map[string]string, source string) apiPlan {
	home, rules := place{a.Owner, a.Region}, a.cors()
	key := route.str("routeKey")
	stageVariables := params(a.Stages[v.stage]).strMap("stageVariables")
	binary := len(v.body) > 0 && !readable(v.r.Header.Get("Content-Type"), v.body)
	event := v.secondEvent(a.Owner, key, variables, stageVariables, binary)
	second := integration.str("payloadFormatVersion") == "2.0"
	if !second {
		_, resource, _ := strings.Cut(key, " ")
		event = v.firstEvent(a.Owner, resource, v.path, variables, stageVariables, binary)
		event["version"] = "1.0"
	}
	payload, err := plainJSON(event)
	if err != nil {
		return apiPlan{answer: apiMessage(http.StatusInternalServerError, "Internal Server Error", nil)}
	}
	function, _ := functionOf(withVariables(integration.str("integrationUri"), stageVariables))
	who, err := s.invoker(v, home, integration.str("credentialsArn"), source)
	if err != nil {
		s.apiFailed(v, function, "the function isn't invoked: "+err.Error())
		return apiPlan{answer: apiMessage(http.StatusInternalServerError, "Internal Server Error", nil)}
	}
	return apiPlan{
		timeout: time.Duration(integration.int("timeoutInMillis", 30000)) * time.Millisecond,
		invoke:  invocation{Function: function, Payload: payload, Principal: "apigateway.amazonaws.com", SourceARN: source, SourceAccount: a.Owner, Who: who},
		done: func(result invocationResult, err error) *reply {
			rec := apiMessage(http.StatusInternalServerError, "Internal Server Error", nil)
			answer, ok := readHTTPReply(result.Payload, second)
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				rec = apiMessage(http.StatusServiceUnavailable, "Service Unavailable", nil)
			case err != nil && asAPIError(services["lambda"], err).Status == http.StatusRequestEntityTooLarge:
				rec = apiMessage(http.StatusRequestEntityTooLarge, "Request Entity Too Large", nil)
			case err != nil:
				s.apiFailed(v, function, "the function isn't invoked: "+err.Error())
			case result.Error != "":
				s.apiFailed(v, function, "the function failed: "+string(result.Payload))
			case !ok:
				s.apiFailed(v, function, "the function's answer is no response: "+string(result.Payload))
			default:
				rec = answer
			}
			rec.header.Set("Apigw-Requestid", v.reqID)
			rules.allow(v, rec.header)
			return rec
		},
	}
}

// withVariables puts a stage's variables into a URI.
func withVariables(uri string, variables map[string]string) string {
	for name, value := range variables {
		uri = strings.ReplaceAll(uri, "${stageVariables."+name+"}", value)
	}
	return uri
}

// enter finds the stage of a visit: the one that the path begins with, else
// $default, and the path within it.
func (a *httpAPI) enter(v *apiVisit) (path string, ok bool) {
	if v.path == "" {
		v.path = "/"
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(v.path, "/"), "/")
	if a.Stages[first] != nil {
		if v.stage = first; first == "$default" { // named by the path of those who can't name it by the host
			v.path = "/" + rest
		}
		return "/" + rest, true
	}
	v.stage = "$default"
	return v.path, a.Stages["$default"] != nil
}

// routeFor is the most specific route of a request, else the default one.
func routeFor(routes map[string]map[string]any, method, path string) (map[string]any, map[string]string) {
	var others []map[string]any
	var fallback map[string]any
	for _, id := range sortedKeys(routes) {
		if text(routes[id]["routeKey"]) == "$default" {
			fallback = routes[id]
		} else {
			others = append(others, routes[id])
		}
	}
	best, variables, ok := mostSpecific(others, func(r map[string]any) (string, string) {
		m, p, _ := strings.Cut(text(r["routeKey"]), " ")
		return m, p
	}, method, path)
	if ok {
		return best, variables
	}
	return fallback, nil
}

// readHTTPReply makes the response of a function's answer. Format 2.0 takes
// what isn't a response as the body of one.
func readHTTPReply(payload []byte, second bool) (*reply, bool) {
	if second {
		if doc, err := decodeEvent(payload); err != nil || doc["statusCode"] == nil {
			body := payload
			var s string
			if json.Unmarshal(payload, &s) == nil {
				body = []byte(s)
			}
			if string(payload) == "null" {
				body = nil
			}
			return functionReply{status: http.StatusOK, body: body}.reply("application/json"), true
		}
	}
	answer, ok := readReply(payload, false)
	return answer.reply("text/plain; charset=utf-8"), ok
}

// corsRules are an API's CORS configuration, nil when it has none.
type corsRules params

func (a *httpAPI) cors() corsRules { return corsRules(asParams(a.Settings["corsConfiguration"])) }

// preflight answers the question of a browser before its request, when the
// API has a CORS configuration.
func (rules corsRules) preflight(v *apiVisit) *reply {
	asked := v.r.Header.Get("Access-Control-Request-Method")
	if rules == nil || v.r.Method != http.MethodOptions || v.origin == "" || asked == "" {
		return nil
	}
	cors := params(rules)
	rec := &reply{header: http.Header{}, status: http.StatusNoContent}
	rec.header.Set("Apigw-Requestid", v.reqID)
	methods := cors.strs("allowMethods")
	if !rules.allow(v, rec.header) || !slices.Contains(methods, "*") && !slices.Contains(methods, asked) {
		return rec
	}
	rec.header.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
	if allowed := cors.strs("allowHeaders"); len(allowed) > 0 {
		rec.header.Set("Access-Control-Allow-Headers", strings.Join(allowed, ","))
	}
	if cors.has("maxAge") {
		rec.header.Set("Access-Control-Max-Age", cors.str("maxAge"))
	}
	return rec
}

// allow puts the headers of the configuration in the place of the function's
// own, and says whether the origin is allowed.
func (rules corsRules) allow(v *apiVisit, h http.Header) bool {
	if rules == nil || v.origin == "" {
		return false
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	cors := params(rules)
	allowed := cors.strs("allowOrigins")
	switch {
	case slices.Contains(allowed, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.ContainsFunc(allowed, func(pattern string) bool { return policy.Match(pattern, v.origin) }):
		h.Set("Access-Control-Allow-Origin", v.origin)
		h.Set("Vary", "Origin")
	default:
		return false
	}
	if cors.bool("allowCredentials") {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if expose := cors.strs("exposeHeaders"); len(expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(expose, ","))
	}
	return true
}
