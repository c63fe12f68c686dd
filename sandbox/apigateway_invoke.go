package sandbox

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// apiPrefix is the path under which APIs can be called by those who can't
// resolve the host names of API Gateway: /_aws/execute-api/<id>/<stage>/<path>.
const apiPrefix = "/_aws/execute-api/"

// apiVisit is a request for an API: what the client sent, and who signed it.
type apiVisit struct {
	r      *http.Request
	body   []byte
	id     string
	path   string // from the stage on
	signer *call  // nil when nobody signed
	bad    *apiError
	stage  string
	domain string
	origin string
	reqID  string
	at     time.Time
}

// apiAddress tells a request for an API: by its host, or by the prefix.
func apiAddress(r *http.Request) (id, path string, ok bool) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if parts := strings.Split(host, "."); len(parts) >= 4 && parts[1] == "execute-api" {
		return parts[0], r.URL.Path, true
	}
	rest, ok := strings.CutPrefix(r.URL.Path, apiPrefix)
	if !ok {
		return "", "", false
	}
	id, path, _ = strings.Cut(rest, "/")
	return id, "/" + path, true
}

// apiPlan is what is to be done with a visit: answer it, or invoke a function
// and answer with what it says.
type apiPlan struct {
	answer  *reply
	invoke  invocation
	timeout time.Duration
	// done makes the answer of what came of the invocation.
	done func(invocationResult, error) *reply
}

// serveAPI answers a request for an API. Functions run without the lock.
func (s *Sandbox) serveAPI(r *http.Request, body []byte, id, path string) *reply {
	v := &apiVisit{r: r, body: body, id: id, path: path, origin: r.Header.Get("Origin")}
	if sig, signed := readSignature(r); signed {
		c := &call{Sandbox: s, Service: "execute-api", Op: "Invoke", Region: sig.region, HTTP: r, Body: body, In: params{}}
		if v.bad = s.authenticate(c, service{name: "execute-api", protocol: restJSON}, sig, true); v.bad == nil {
			v.signer = c
		}
	}
	s.lock()
	v.reqID, v.at = s.uuid(), s.now()
	s.calls["execute-api:Invoke"]++
	p := s.planVisit(v)
	s.unlock()
	if p.answer != nil {
		return p.answer
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.timeout)
	defer cancel()
	return p.done(s.invokeLambda(ctx, p.invoke))
}

func (s *Sandbox) planVisit(v *apiVisit) apiPlan {
	home, ok := s.st.APIs[v.id]
	v.domain = apiDomain(v.id, home.Region)
	if a := s.account(home.Account); ok && a != nil && s.reachable(home.Account, home.Region) {
		if api := a.region(home.Region).HTTP.APIs[v.id]; api != nil {
			return s.planHTTP(v, api)
		}
		if api := a.region(home.Region).REST.APIs[v.id]; api != nil {
			return s.planREST(v, api)
		}
	}
	return apiPlan{answer: apiMessage(http.StatusForbidden, "Forbidden", nil)}
}

// apiMessage is an answer of API Gateway itself.
func apiMessage(status int, message string, header map[string]string) *reply {
	rec := &reply{header: http.Header{}, status: status}
	rec.header.Set("Content-Type", "application/json")
	for k, v := range header {
		rec.header.Set(k, v)
	}
	_, _ = rec.body.Write(encodeJSON(obj{"message": message}))
	return rec
}

// mayInvokeAPI holds a visit against what the caller's policies, and the API's
// own, say of the method; why is AWS's sentence when they refuse.
func (s *Sandbox) mayInvokeAPI(v *apiVisit, resource, owner, policy string) (why string, ok bool) {
	c := v.signer
	if c == nil {
		c = &call{Sandbox: s, Service: "execute-api", Op: "Invoke", HTTP: v.r, Who: &identity{Type: "anonymous"}, Account: s.account(owner), In: params{}}
	} else if c.Account = s.account(c.Who.Account); c.Account == nil { // closed meanwhile
		return "The security token included in the request is invalid.", false
	}
	d, req := c.decide(access{Action: "execute-api:Invoke", Resource: resource, Owner: owner, Policy: policy})
	return c.denial(d, req), d.Allowed()
}

// callersOwn is what an integration has for credentials when it uses those of
// who calls the API.
const callersOwn = "arn:aws:iam::*:user/*"

// mayUse refuses credentials of an integration that the caller may not give to
// API Gateway.
func (c *call) mayUse(credentials string) error {
	if credentials == "" || credentials == callersOwn {
		return nil
	}
	if !strings.HasPrefix(credentials, "arn:") || !strings.Contains(credentials, ":role/") {
		return badAPI("Invalid ARN specified in the request: %s", credentials)
	}
	return c.mayPass(credentials, "apigateway.amazonaws.com")
}

// invoker is as whom an integration invokes its function: nil for API Gateway
// itself, by the permission of the function's policy.
func (s *Sandbox) invoker(v *apiVisit, home place, credentials, source string) (*identity, error) {
	switch {
	case credentials == "":
		return nil, nil
	case credentials != callersOwn:
		c := s.callAs(identity{Account: home.Account, ARN: "apigateway.amazonaws.com", Type: "service"}, "apigateway", home.Region)
		return c.roleFor(credentials, "apigateway.amazonaws.com", source, "BackplaneAssumeRoleSession")
	case v.signer == nil:
		return nil, fail("AccessDeniedException", "the integration uses the caller's credentials, and the method asks for none")
	}
	return v.signer.Who, nil
}

// apiARN is that of a method of an API, as functions' permissions and policies
// name it.
func apiARN(id string, home place, stage, method, path string) string {
	return "arn:aws:execute-api:" + home.Region + ":" + home.Account + ":" + id + "/" + stage + "/" + method + path
}

// sourceIP is the address that the client has for the API.
func (v *apiVisit) sourceIP() string {
	host, _, err := net.SplitHostPort(v.r.RemoteAddr)
	if err != nil {
		return v.r.RemoteAddr
	}
	return host
}

// headers are those that a function sees: the client's, and API Gateway's.
func (v *apiVisit) headers() http.Header {
	h := v.r.Header.Clone()
	for name, value := range map[string]string{"Host": v.domain, "X-Forwarded-For": v.sourceIP(), "X-Forwarded-Port": "443",
		"X-Forwarded-Proto": "https", "X-Amzn-Trace-Id": "Root=1-" + strings.ReplaceAll(v.reqID, "-", "")[:8] + "-" + strings.ReplaceAll(v.reqID, "-", "")[8:]} {
		h.Set(name, value)
	}
	h.Del("Connection")
	return h
}

// query are the parameters of the request, without those of a signature.
func (v *apiVisit) query() url.Values {
	q := v.r.URL.Query()
	for name := range q {
		if strings.HasPrefix(name, "X-Amz-") {
			delete(q, name)
		}
	}
	return q
}

// readable says whether a body can be given as text.
func readable(contentType string, body []byte) bool {
	if contentType == "" {
		return utf8.Valid(body)
	}
	return isText(contentType)
}

// apiFailed says why a function wasn't invoked, in the log: the client isn't told.
func (s *Sandbox) apiFailed(v *apiVisit, function, why string) {
	s.log.Warn("API Gateway: "+why, "api", v.id, "stage", v.stage, "method", v.r.Method, "path", v.path, "function", function)
}
