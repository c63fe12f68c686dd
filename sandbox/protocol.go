package sandbox

import (
	"bytes"
	"encoding/xml"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

// protocol is how a service speaks.
type protocol int

const (
	queryProtocol protocol = iota
	ec2Protocol
	jsonProtocol
	restJSON
	restXML
	cborProtocol // what a client of a service of jsonProtocol may speak instead
)

// service is one AWS service on the wire.
type service struct {
	name      string // in the credential scope, and the IAM prefix
	protocol  protocol
	namespace string // of its XML
	target    string // prefix of X-Amz-Target
	global    bool   // one endpoint, in us-east-1
}

// services are all that the sandbox answers for, by their signing names.
var services = map[string]service{
	"sts":            {"sts", queryProtocol, "https://sts.amazonaws.com/doc/2011-06-15/", "", false},
	"iam":            {"iam", queryProtocol, "https://iam.amazonaws.com/doc/2010-05-08/", "", true},
	"cloudformation": {"cloudformation", queryProtocol, "http://cloudformation.amazonaws.com/doc/2010-05-15/", "", false},
	"sns":            {"sns", queryProtocol, "http://sns.amazonaws.com/doc/2010-03-31/", "", false},
	"ec2":            {"ec2", ec2Protocol, "http://ec2.amazonaws.com/doc/2016-11-15/", "", false},
	"organizations":  {"organizations", jsonProtocol, "", "AWSOrganizationsV20161128", true},
	"ssm":            {"ssm", jsonProtocol, "", "AmazonSSM", false},
	"tagging":        {"tagging", jsonProtocol, "", "ResourceGroupsTaggingAPI_20170126", false},
	"dynamodb":       {"dynamodb", jsonProtocol, "", "DynamoDB_20120810", false},
	"kms":            {"kms", jsonProtocol, "", "TrentService", false},
	"secretsmanager": {"secretsmanager", jsonProtocol, "", "secretsmanager", false},
	"sqs":            {"sqs", jsonProtocol, "", "AmazonSQS", false},
	"account":        {"account", restJSON, "", "", true},
	"servicequotas":  {"servicequotas", jsonProtocol, "", "ServiceQuotasV20190624", false},
	"monitoring":     {"monitoring", jsonProtocol, "", "GraniteServiceVersion20100801", false},
	"lambda":         {"lambda", restJSON, "", "", false},
	"apigateway":     {"apigateway", restJSON, "", "", false},
	"apigatewayv2":   {"apigatewayv2", restJSON, "", "", false}, // signed as apigateway
	"execute-api":    {"execute-api", restJSON, "", "", false},
	"scheduler":      {"scheduler", restJSON, "", "", false},
	"events":         {"events", jsonProtocol, "", "AWSEvents", false},
	"s3":             {"s3", restXML, "http://s3.amazonaws.com/doc/2006-03-01/", "", false},
}

// jsonType is the content type of a service's answers in JSON.
func (svc service) jsonType() string {
	switch svc.name {
	case "sqs", "dynamodb", "monitoring":
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// refusal is a reason to refuse that every service words in its own way.
type refusal int

const (
	noCredentials refusal = iota
	unknownKey
	badSignature
	staleSignature
	expiredToken
	unknownOperation
	accessDenied
	throttled
	internalFailure
)

// wording is one service's (or protocol's) code and status for a refusal.
type wording struct {
	code   string
	status int
	text   string // "" keeps the caller's
}

// wordings by protocol; a service's own exceptions are in serviceWordings.
var wordings = map[protocol]map[refusal]wording{
	queryProtocol: {
		noCredentials:    {"MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
		unknownKey:       {"InvalidClientTokenId", 403, "The security token included in the request is invalid."},
		badSignature:     {"SignatureDoesNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		staleSignature:   {"SignatureDoesNotMatch", 403, ""},
		expiredToken:     {"ExpiredToken", 403, "The security token included in the request is expired"},
		unknownOperation: {"InvalidAction", 400, ""},
		accessDenied:     {"AccessDenied", 403, ""},
		throttled:        {"Throttling", 400, "Rate exceeded"},
		internalFailure:  {"InternalFailure", 500, ""},
	},
	ec2Protocol: {
		noCredentials:    {"MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
		unknownKey:       {"AuthFailure", 401, "AWS was not able to validate the provided access credentials"},
		badSignature:     {"AuthFailure", 401, "AWS was not able to validate the provided access credentials"},
		staleSignature:   {"RequestExpired", 400, "Request has expired."},
		expiredToken:     {"RequestExpired", 400, "Request has expired."},
		unknownOperation: {"InvalidAction", 400, ""},
		accessDenied:     {"UnauthorizedOperation", 403, ""},
		throttled:        {"RequestLimitExceeded", 503, "Request limit exceeded."},
		internalFailure:  {"InternalError", 500, ""},
	},
	jsonProtocol: {
		noCredentials:    {"MissingAuthenticationTokenException", 400, "Missing Authentication Token"},
		unknownKey:       {"UnrecognizedClientException", 400, "The security token included in the request is invalid."},
		badSignature:     {"InvalidSignatureException", 400, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		staleSignature:   {"InvalidSignatureException", 400, ""},
		expiredToken:     {"ExpiredTokenException", 400, "The security token included in the request is expired"},
		unknownOperation: {"UnknownOperationException", 400, ""},
		accessDenied:     {"AccessDeniedException", 400, ""},
		throttled:        {"ThrottlingException", 400, "Rate exceeded"},
		internalFailure:  {"InternalServerError", 500, ""},
	},
	restJSON: {
		noCredentials:    {"MissingAuthenticationTokenException", 403, "Missing Authentication Token"},
		unknownKey:       {"UnrecognizedClientException", 403, "The security token included in the request is invalid."},
		badSignature:     {"InvalidSignatureException", 403, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		staleSignature:   {"InvalidSignatureException", 403, ""},
		expiredToken:     {"ExpiredTokenException", 403, "The security token included in the request is expired"},
		unknownOperation: {"UnknownOperationException", 404, ""},
		accessDenied:     {"AccessDeniedException", 403, ""},
		throttled:        {"TooManyRequestsException", 429, "Rate exceeded"},
		internalFailure:  {"InternalServerException", 500, ""},
	},
	restXML: {
		noCredentials:    {"AccessDenied", 403, "Access Denied"},
		unknownKey:       {"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."},
		badSignature:     {"SignatureDoesNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
		staleSignature:   {"RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."},
		expiredToken:     {"ExpiredToken", 400, "The provided token has expired."},
		unknownOperation: {"NotImplemented", 501, ""},
		accessDenied:     {"AccessDenied", 403, ""},
		throttled:        {"SlowDown", 503, "Please reduce your request rate."},
		internalFailure:  {"InternalError", 500, ""},
	},
}

var serviceWordings = map[string]map[refusal]wording{
	"sns":           {accessDenied: {"AuthorizationError", 403, ""}, throttled: {"Throttled", 429, "Rate exceeded"}},
	"sqs":           {accessDenied: {"AccessDeniedException", 403, ""}, throttled: {"RequestThrottled", 400, "Request is throttled."}},
	"organizations": {throttled: {"TooManyRequestsException", 400, "AWS Organizations can't complete your request because another request is already in progress. Try again later."}},
	"tagging":       {throttled: {"ThrottledException", 400, "Rate exceeded"}},
}

// refuse makes a service's own error for a common reason.
func refuse(svc service, why refusal, format string) *apiError {
	w, ok := serviceWordings[svc.name][why]
	if svc.protocol == cborProtocol {
		svc.protocol = jsonProtocol
	}
	if !ok {
		w = wordings[svc.protocol][why]
	}
	if w.text != "" {
		format = w.text
	}
	return &apiError{Status: w.status, Code: w.code, Message: format}
}

// sum adds the checksum that DynamoDB gives with each answer, and its clients
// compare.
func (svc service) sum(h http.Header, body []byte) {
	if svc.name == "dynamodb" {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
}

// writeError answers with a refusal in the service's protocol.
func writeError(w http.ResponseWriter, svc service, e *apiError, id string) {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	h := w.Header()
	h.Set("X-Amzn-Requestid", id)
	var body []byte
	switch svc.protocol {
	case cborProtocol:
		h.Set("X-Amzn-Query-Error", e.Code+";Sender")
		body = sendCBOR(h, obj{"__type": "com.amazonaws.cloudwatch#" + e.Code, "message": e.Message})
	case jsonProtocol, restJSON:
		out := obj{"message": e.Message}
		if svc.name == "organizations" {
			out = obj{"Message": e.Message}
		}
		if svc.name == "lambda" {
			out = lambdaError(e, status)
		}
		for k, v := range e.Extra {
			out[k] = v
		}
		if svc.protocol == restJSON {
			h.Set("Content-Type", "application/json")
			h.Set("X-Amzn-Errortype", e.Code)
		} else {
			h.Set("Content-Type", svc.jsonType())
			out["__type"] = e.Code
			if svc.name == "sqs" {
				h.Set("X-Amzn-Query-Error", sqsQueryCode(e.Code)+";Sender")
				out["__type"] = "com.amazonaws.sqs#" + e.Code
			}
		}
		body = encodeJSON(out)
	default:
		h.Set("Content-Type", "text/xml;charset=UTF-8")
		body = errorXML(svc, e, status, id)
	}
	svc.sum(h, body)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func errorXML(svc service, e *apiError, status int, id string) []byte {
	var b bytes.Buffer
	fields := func() {
		writeXML(&b, "Code", e.Code, "member")
		writeXML(&b, "Message", e.Message, "member")
		for _, k := range sortedKeys(e.Extra) {
			writeXML(&b, k, e.Extra[k], "member")
		}
	}
	b.WriteString(xml.Header)
	switch svc.protocol {
	case ec2Protocol:
		b.WriteString("<Response><Errors><Error>")
		fields()
		b.WriteString("</Error></Errors><RequestID>" + id + "</RequestID></Response>")
	case restXML:
		b.WriteString("<Error>")
		fields()
		b.WriteString("<RequestId>" + id + "</RequestId><HostId>" + strings.ReplaceAll(id, "-", "") + "</HostId></Error>")
	default:
		kind := "Sender"
		if status >= 500 {
			kind = "Receiver"
		}
		b.WriteString("<ErrorResponse xmlns=\"" + svc.namespace + "\"><Error><Type>" + kind + "</Type>")
		fields()
		b.WriteString("</Error><RequestId>" + id + "</RequestId></ErrorResponse>")
	}
	return b.Bytes()
}
