package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

const urlRoutes = `
POST   /2021-10-31/functions/{FunctionName}/url    201 CreateFunctionUrlConfig
GET    /2021-10-31/functions/{FunctionName}/url    200 GetFunctionUrlConfig
PUT    /2021-10-31/functions/{FunctionName}/url    200 UpdateFunctionUrlConfig
DELETE /2021-10-31/functions/{FunctionName}/url    204 DeleteFunctionUrlConfig
GET    /2021-10-31/functions/{FunctionName}/urls   200 ListFunctionUrlConfigs
`

// functionURL is a function's (or an alias's) own address.
type functionURL struct {
	ID       string         `json:"id"`   // the first part of the host
	Auth     string         `json:"auth"` // NONE or AWS_IAM
	Cors     map[string]any `json:"cors,omitempty"`
	Created  time.Time      `json:"created"`
	Modified time.Time      `json:"modified"`
}

// urlHost is the host of a function URL: the sandbox answers for it by the
// Host header of a request.
var urlHost = late.MustCompile(`^([a-z0-9]{32})\.lambda-url\.([a-z0-9-]+)\.on\.aws$`)

func urlOps() map[string]operation {
	return map[string]operation{
		"CreateFunctionUrlConfig": onFunctionURL(createFunctionURL),
		"GetFunctionUrlConfig":    onFunctionURL(getFunctionURL),
		"UpdateFunctionUrlConfig": onFunctionURL(updateFunctionURL),
		"DeleteFunctionUrlConfig": onFunctionURL(deleteFunctionURL),
		"ListFunctionUrlConfigs":  onFunctionURL(listFunctionURLs),
	}
}

// onFunctionURL is onFunction with the kind of authorization as a condition key.
func onFunctionURL(run func(*call, *lambdaFunction, functionRef) (obj, error)) operation {
	return operation{run: runOnFunction(run), access: func(c *call) ([]access, error) {
		r, err := c.readFunction(c.In.str("FunctionName"), c.In.str("Qualifier"))
		a := c.functionAccess(c.Op, r)
		kind := c.In.str("AuthType")
		if f := c.functionAt(r); kind == "" && f != nil && f.URLs[r.Qualifier] != nil {
			kind = f.URLs[r.Qualifier].Auth
		}
		if kind != "" {
			a.Context["lambda:FunctionUrlAuthType"] = []string{kind}
		}
		return []access{a}, err
	}}
}

func (u *functionURL) shown(f *lambdaFunction, qualifier string) obj {
	out := obj{"FunctionUrl": "https://" + u.ID + ".lambda-url." + f.Region + ".on.aws/", "FunctionArn": f.arn(), "AuthType": u.Auth,
		"CreationTime": u.Created.Format(timeXML), "LastModifiedTime": u.Modified.Format(timeXML), "InvokeMode": "BUFFERED"}
	if qualifier != "" {
		out["FunctionArn"] = f.arn() + ":" + qualifier
	}
	if len(u.Cors) > 0 {
		out["Cors"] = u.Cors
	}
	return out
}

func noURL() error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
}

func (c *call) setURL(u *functionURL) error {
	u.Auth = c.In.or("AuthType", u.Auth)
	switch {
	case !slices.Contains([]string{"NONE", "AWS_IAM"}, u.Auth):
		return breaks(u.Auth, "authType", "Member must satisfy enum value set: [AWS_IAM, NONE]")
	case c.In.or("InvokeMode", "BUFFERED") != "BUFFERED":
		return invalidLambda("The sandbox doesn't serve InvokeMode %s.", c.In.str("InvokeMode"))
	}
	if c.In.has("Cors") {
		u.Cors = c.In.obj("Cors")
	}
	u.Modified = c.now()
	return nil
}

func createFunctionURL(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	switch {
	case r.Qualifier != "" && f.Aliases[r.Qualifier] == nil:
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function does not exist: a URL is of a function or of an alias, not of " + r.arn()}
	case f.URLs[r.Qualifier] != nil:
		return nil, &apiError{Status: 409, Code: "ResourceConflictException", Message: "Failed to create function url config for [functionArn = " + r.arn() + "]. Error message:  FunctionUrlConfig exists for this Lambda function"}
	}
	u := &functionURL{ID: c.id(32), Created: c.now()}
	if err := c.setURL(u); err != nil {
		return nil, err
	}
	put(&f.URLs, r.Qualifier, u)
	out := u.shown(f, r.Qualifier)
	delete(out, "LastModifiedTime")
	return out, nil
}

func getFunctionURL(_ *call, f *lambdaFunction, r functionRef) (obj, error) {
	u := f.URLs[r.Qualifier]
	if u == nil {
		return nil, noURL()
	}
	return u.shown(f, r.Qualifier), nil
}

func updateFunctionURL(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	u := f.URLs[r.Qualifier]
	if u == nil {
		return nil, noURL()
	}
	changed := *u
	if err := c.setURL(&changed); err != nil {
		return nil, err
	}
	*u = changed
	return u.shown(f, r.Qualifier), nil
}

func deleteFunctionURL(_ *call, f *lambdaFunction, r functionRef) (obj, error) {
	if f.URLs[r.Qualifier] == nil {
		return nil, noURL()
	}
	delete(f.URLs, r.Qualifier)
	return obj{}, nil
}

func listFunctionURLs(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	return lambdaPage(c, "FunctionUrlConfigs", sortedKeys(f.URLs), same, func(q string) any { return f.URLs[q].shown(f, q) })
}

// byURL finds the function of a host; nil if there is none.
func (s *Sandbox) byURL(host string) (*lambdaFunction, functionRef) {
	m := urlHost.FindStringSubmatch(hostName(host))
	if m == nil {
		return nil, functionRef{}
	}
	for _, a := range s.st.Accounts {
		if a.Regions[m[2]] == nil {
			continue
		}
		for _, f := range a.Regions[m[2]].Lambda.Functions {
			for q, u := range f.URLs {
				if u.ID == m[1] {
					return f, functionRef{Account: f.Owner, Region: f.Region, Name: f.Name, Qualifier: q}
				}
			}
		}
	}
	return nil, functionRef{}
}

func hostName(host string) string {
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	return name
}

// serveFunctionURL answers a request to a function's address.
func (s *Sandbox) serveFunctionURL(r *http.Request, body []byte, sig signature, signed bool) *reply {
	rec := &reply{header: http.Header{}, status: http.StatusOK}
	rec.Header().Set("Content-Type", "application/json")
	refused := func(status int, message string) *reply {
		rec.WriteHeader(status)
		_, _ = rec.Write(encodeJSON(obj{"Message": message}))
		return rec
	}
	svc := services["lambda"]
	c := &call{Sandbox: s, Service: "lambda", Op: "InvokeFunctionUrl", HTTP: r, Body: body, In: params{}, Region: urlHost.FindStringSubmatch(hostName(r.Host))[2]}
	if signed {
		if err := s.authenticate(c, svc, sig, signed); err != nil {
			return refused(http.StatusForbidden, err.Message)
		}
	}
	s.lock()
	f, ref := s.byURL(r.Host)
	if f == nil {
		s.unlock()
		return refused(http.StatusNotFound, "Not Found")
	}
	if f.URLs[ref.Qualifier].crossOrigin(rec, r) {
		s.unlock()
		return rec
	}
	run, err := c.startByURL(f, ref, signed)
	s.unlock()
	if err != nil {
		e := asAPIError(svc, err)
		if e.Status == http.StatusForbidden {
			return refused(http.StatusForbidden, "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")
		}
		return refused(max(e.Status, http.StatusBadRequest), e.Message)
	}
	select {
	case <-run.done:
	case <-r.Context().Done():
		return nil
	}
	if run.err != nil || run.result.Error != "" {
		return refused(http.StatusBadGateway, "Internal Server Error")
	}
	answer, ok := readHTTPReply(run.result.Payload, true)
	if !ok {
		return refused(http.StatusBadGateway, "Internal Server Error")
	}
	rec.Header().Del("Content-Type")
	maps.Copy(answer.header, rec.header)
	return answer
}

// crossOrigin adds to an answer what browsers ask of other origins, by the
// address's configuration. It says whether that is all of the answer: Lambda
// answers a preflight by itself.
func (u *functionURL) crossOrigin(rec *reply, r *http.Request) bool {
	cors, origin := params(u.Cors), r.Header.Get("Origin")
	allowed := cors.strs("AllowOrigins")
	if len(u.Cors) == 0 || origin == "" || !slices.Contains(allowed, "*") && !slices.Contains(allowed, origin) {
		return false
	}
	h := rec.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Vary", "Origin")
	if cors.bool("AllowCredentials") {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if list := cors.strs("ExposeHeaders"); len(list) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(list, ","))
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	for name, field := range map[string]string{"Access-Control-Allow-Methods": "AllowMethods", "Access-Control-Allow-Headers": "AllowHeaders"} {
		if list := cors.strs(field); len(list) > 0 {
			h.Set(name, strings.Join(list, ","))
		}
	}
	if age := cors.str("MaxAge"); age != "" {
		h.Set("Access-Control-Max-Age", age)
	}
	return true
}

// startByURL begins an invocation if the caller may use the address: signed by
// somebody with the permission, or by anybody where the policy says so.
func (c *call) startByURL(f *lambdaFunction, ref functionRef, signed bool) (*lambdaRun, error) {
	u := f.URLs[ref.Qualifier]
	if !signed || u.Auth == "NONE" {
		if u.Auth == "AWS_IAM" {
			return nil, refuse(services["lambda"], accessDenied, "")
		}
		c.Who = &identity{ARN: "*", Type: "anonymous", Account: "anonymous"}
	}
	c.Account = c.account(f.Owner)
	for _, action := range []string{"InvokeFunctionUrl", "InvokeFunction"} {
		a := c.functionAccess(action, ref)
		a.Context["lambda:FunctionUrlAuthType"] = []string{u.Auth}
		a.Context["lambda:InvokedViaFunctionUrl"] = []string{"true"}
		if err := c.check(a); err != nil {
			return nil, err
		}
	}
	event, err := c.urlEvent(u)
	if err == nil && len(event) > maxPayload {
		err = tooLarge(maxPayload)
	}
	if err != nil {
		return nil, err
	}
	return c.startLambda(f, ref, c.uuid(), event, "")
}

// urlEvent is the request as functions get it: payload format 2.0.
func (c *call) urlEvent(u *functionURL) ([]byte, error) {
	v := &apiVisit{r: c.HTTP, body: c.Body, id: u.ID, path: c.HTTP.URL.Path, stage: "$default", domain: hostName(c.HTTP.Host), reqID: c.uuid(), at: c.now()}
	account := "anonymous"
	if c.Who.Type != "anonymous" {
		v.signer, account = c, c.Who.Account
	}
	if v.path == "" {
		v.path = "/"
	}
	binary := len(c.Body) > 0 && !readable(c.HTTP.Header.Get("Content-Type"), c.Body)
	return plainJSON(v.secondEvent(account, "$default", nil, nil, binary))
}

// hosted says whether a request is for a function's address.
func hosted(r *http.Request) bool { return urlHost.MatchString(hostName(r.Host)) }
