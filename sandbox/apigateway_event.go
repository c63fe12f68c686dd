package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// The times of a request as events have them.
const apiTime = "02/Jan/2006:15:04:05 -0700"

// textOrNull is a value, or null where an event has no value.
func textOrNull(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// firstEvent is the event of format 1.0: of REST APIs, and of HTTP APIs that
// ask for it. resource is the path of the resource or the route.
func (v *apiVisit) firstEvent(account, resource, path string, variables, stageVariables map[string]string, binary bool) map[string]any {
	headers, queries := map[string]string{}, map[string]string{}
	multi := v.headers()
	for name, values := range multi {
		headers[name] = values[len(values)-1]
	}
	multiQueries := v.query()
	for name, values := range multiQueries {
		queries[name] = values[len(values)-1]
	}
	identity := map[string]any{"sourceIp": v.sourceIP(), "userAgent": v.r.UserAgent()}
	for _, name := range []string{"accountId", "caller", "user", "userArn", "accessKey", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
		"cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId"} {
		identity[name] = nil
	}
	if v.signer != nil {
		identity["accountId"], identity["caller"], identity["user"] = v.signer.Who.Account, v.signer.Who.UserID, v.signer.Who.UserID
		identity["userArn"] = v.signer.Who.ARN
	}
	event := map[string]any{
		"resource": resource, "path": path, "httpMethod": v.r.Method, "headers": headers, "multiValueHeaders": multi,
		"queryStringParameters": textOrNull(queries), "multiValueQueryStringParameters": nil,
		"pathParameters": textOrNull(variables), "stageVariables": textOrNull(stageVariables),
		"body": nil, "isBase64Encoded": false,
		"requestContext": map[string]any{
			"accountId": account, "apiId": v.id, "domainName": v.domain, "domainPrefix": v.id, "extendedRequestId": v.reqID,
			"httpMethod": v.r.Method, "identity": identity, "path": v.path, "protocol": v.r.Proto, "requestId": v.reqID,
			"requestTime": v.at.Format(apiTime), "requestTimeEpoch": v.at.UnixMilli(), "resourcePath": resource, "stage": v.stage,
		},
	}
	if len(multiQueries) > 0 {
		event["multiValueQueryStringParameters"] = multiQueries
	}
	v.putBody(event, binary)
	return event
}

// secondEvent is the event of format 2.0, of HTTP APIs and functions' addresses.
func (v *apiVisit) secondEvent(account, key string, variables, stageVariables map[string]string, binary bool) map[string]any {
	headers := map[string]string{}
	for name, values := range v.headers() {
		if name != "Cookie" {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	context := map[string]any{
		"accountId": account, "apiId": v.id, "domainName": v.domain, "domainPrefix": v.id, "requestId": v.reqID,
		"routeKey": key, "stage": v.stage, "time": v.at.Format(apiTime), "timeEpoch": v.at.UnixMilli(),
		"http": map[string]any{"method": v.r.Method, "path": v.path, "protocol": v.r.Proto, "sourceIp": v.sourceIP(), "userAgent": v.r.UserAgent()},
	}
	if v.signer != nil {
		who := v.signer.Who
		context["authorizer"] = map[string]any{"iam": map[string]any{"accountId": who.Account, "callerId": who.UserID, "userArn": who.ARN, "userId": who.UserID,
			"cognitoIdentity": nil, "principalOrgId": v.signer.st.Org.ID}}
	}
	q := v.query()
	event := map[string]any{"version": "2.0", "routeKey": key, "rawPath": v.path, "rawQueryString": v.r.URL.RawQuery, "headers": headers,
		"requestContext": context, "isBase64Encoded": false}
	if len(q) > 0 {
		queries := map[string]string{}
		for name, values := range q {
			queries[name] = strings.Join(values, ",")
		}
		event["queryStringParameters"] = queries
	}
	var cookies []string
	for _, line := range v.r.Header.Values("Cookie") {
		for c := range strings.SplitSeq(line, ";") {
			cookies = append(cookies, strings.TrimSpace(c))
		}
	}
	if len(cookies) > 0 {
		event["cookies"] = cookies
	}
	if len(variables) > 0 {
		event["pathParameters"] = variables
	}
	if len(stageVariables) > 0 {
		event["stageVariables"] = stageVariables
	}
	v.putBody(event, binary)
	return event
}

func (v *apiVisit) putBody(event map[string]any, binary bool) {
	switch {
	case len(v.body) == 0:
	case binary:
		event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString(v.body), true
	default:
		event["body"] = string(v.body)
	}
}

// functionReply is what a function answers a proxy integration with.
type functionReply struct {
	status  int
	headers http.Header
	body    []byte
	encoded bool // the body was in base64, and is plain now
}

// The members of an answer of format 1.0: REST APIs take no others.
var replyMembers = map[string]bool{"statusCode": true, "headers": true, "multiValueHeaders": true, "body": true, "isBase64Encoded": true, "cookies": true}

// readReply reads a function's answer; ok is false for one that API Gateway
// can't make a response of.
func readReply(payload []byte, strict bool) (out functionReply, ok bool) {
	in, err := decodeEvent(payload)
	if err != nil {
		return out, false
	}
	p := params(in)
	for name := range in {
		if strict && (!replyMembers[name] || name == "cookies") {
			return out, false
		}
	}
	out.status, out.headers = http.StatusOK, http.Header{}
	if p.has("statusCode") {
		if out.status, err = strconv.Atoi(p.str("statusCode")); err != nil || out.status < 100 || out.status > 599 {
			return out, false
		}
	}
	for _, field := range []string{"headers", "multiValueHeaders"} {
		if v := p[field]; v != nil && asParams(v) == nil {
			return out, false
		}
	}
	for name, v := range p.obj("headers") {
		out.headers.Set(name, text(v))
	}
	for name, v := range p.obj("multiValueHeaders") {
		out.headers.Del(name)
		for _, one := range listed(v) {
			out.headers.Add(name, text(one))
		}
	}
	for _, cookie := range p.strs("cookies") {
		out.headers.Add("Set-Cookie", cookie)
	}
	switch body := p["body"].(type) {
	case nil:
	case string:
		out.body = []byte(body)
	case json.Number, bool:
		out.body = []byte(text(body))
	default:
		return out, false
	}
	if out.encoded = p.bool("isBase64Encoded"); out.encoded {
		if out.body, err = base64.StdEncoding.DecodeString(string(out.body)); err != nil {
			return out, false
		}
	}
	return out, true
}

// reply is the response to the client.
func (f functionReply) reply(contentType string) *reply {
	rec := &reply{header: http.Header{}, status: f.status}
	rec.header.Set("Content-Type", contentType)
	for name, values := range f.headers {
		rec.header[name] = values
	}
	rec.header.Del("Content-Length") // what is sent says how long it is
	if f.status != http.StatusNoContent && f.status != http.StatusNotModified && f.status >= 200 {
		_, _ = rec.body.Write(f.body)
	}
	return rec
}
