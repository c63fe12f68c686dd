package sandbox

import (
	"slices"
	"strings"
)

// openAPI is what API Gateway takes of an OpenAPI document (or Swagger 2.0):
// its operations, each with its integration.
type openAPI struct {
	doc        params
	operations []apiOperation
}

// apiOperation is one method of one path.
type apiOperation struct {
	path, method string // GET, ... or ANY
	op           params
	integration  params
	auth         string // NONE or AWS_IAM
}

// apiMethods are the keys of a path that are methods.
var apiMethods = []string{"delete", "get", "head", "options", "patch", "post", "put", "x-amazon-apigateway-any-method"}

func badAPI(format string, args ...any) *apiError {
	return fail("BadRequestException", format, args...)
}

// readOpenAPI reads a document as JSON or YAML.
func readOpenAPI(body string) (*openAPI, error) {
	v, err := jsonValue(body)
	if err != nil {
		v, err = yamlBody(body)
	}
	doc := asParams(v)
	if err != nil || doc == nil {
		return nil, badAPI("Invalid OpenAPI input.")
	}
	a := &openAPI{doc: doc}
	if doc.str("swagger") != "2.0" && !strings.HasPrefix(doc.str("openapi"), "3.") {
		return nil, badAPI("Invalid OpenAPI input: neither openapi 3 nor swagger 2.0 is declared.")
	}
	paths := doc.obj("paths")
	for _, path := range sortedKeys(paths) {
		item := paths.obj(path)
		for _, method := range apiMethods {
			if !item.has(method) {
				continue
			}
			o := apiOperation{path: path, method: strings.ToUpper(method), op: item.obj(method)}
			if method == "x-amazon-apigateway-any-method" {
				o.method = "ANY"
			}
			if o.integration, err = a.integrationOf(o.op); err != nil {
				return nil, err
			}
			if o.auth, err = a.authOf(o.op); err != nil {
				return nil, err
			}
			a.operations = append(a.operations, o)
		}
	}
	return a, nil
}

// integrationOf is an operation's integration, or the shared one that it names.
func (a *openAPI) integrationOf(op params) (params, error) {
	in := op.obj("x-amazon-apigateway-integration")
	ref := in.str("$ref")
	if ref == "" {
		return in, nil
	}
	name, ok := strings.CutPrefix(ref, "#/components/x-amazon-apigateway-integrations/")
	shared := a.doc.obj("components").obj("x-amazon-apigateway-integrations")
	if !ok || !shared.has(name) {
		return nil, badAPI("Unable to resolve reference %s.", ref)
	}
	return shared.obj(name), nil
}

// authOf is how an operation is secured. What the sandbox can't check it
// doesn't take: an API would be open that isn't on AWS.
func (a *openAPI) authOf(op params) (string, error) {
	needs := a.doc.list("security")
	if op.has("security") {
		needs = op.list("security")
	}
	if t := op.obj("x-amazon-apigateway-auth").str("type"); strings.EqualFold(t, "AWS_IAM") {
		return "AWS_IAM", nil
	}
	schemes := a.doc.obj("components").obj("securitySchemes")
	if len(schemes) == 0 {
		schemes = a.doc.obj("securityDefinitions")
	}
	auth := "NONE"
	for _, need := range needs {
		for _, name := range sortedKeys(need) {
			switch scheme := schemes.obj(name); {
			case len(scheme) == 0:
				return "", badAPI("Security scheme %s is not defined.", name)
			case strings.EqualFold(scheme.str("x-amazon-apigateway-authtype"), "awsSigv4"):
				auth = "AWS_IAM"
			default:
				return "", badAPI("The sandbox has neither authorizers nor API keys, but AWS_IAM only: %s can't be checked.", name)
			}
		}
	}
	return auth, nil
}

// tags are those that the document gives the API.
func (a *openAPI) tags() map[string]string {
	out := map[string]string{}
	for _, t := range a.doc.list("tags") {
		if t.has("x-amazon-apigateway-tag-value") {
			out[t.str("name")] = t.str("x-amazon-apigateway-tag-value")
		}
	}
	return out
}

// functionOf is the ARN of the function of an integration's URI: as it is, or
// within API Gateway's own form of it.
func functionOf(uri string) (string, bool) {
	parts := strings.SplitN(uri, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return "", false
	}
	if parts[2] == "lambda" && strings.HasPrefix(parts[5], "function:") {
		return uri, true
	}
	arn, path := strings.CutPrefix(parts[5], "path/2015-03-31/functions/")
	arn2, whole := strings.CutSuffix(arn, "/invocations")
	return arn2, parts[2] == "apigateway" && parts[4] == "lambda" && path && whole && strings.HasPrefix(arn2, "arn:")
}

// apiPath is a path with variables: /pets/{id} or /files/{proxy+}.
type apiPath []string

func splitPath(path string) apiPath { return strings.Split(strings.Trim(path, "/"), "/") }

// check refuses variables that aren't whole segments, and greedy ones that
// aren't last.
func (p apiPath) check() error {
	for i, segment := range p {
		name, variable := segmentVariable(segment)
		switch {
		case !variable && strings.ContainsAny(segment, "{}"):
			return badAPI("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
		case variable && strings.HasSuffix(name, "+") && i != len(p)-1:
			return badAPI("A greedy path variable must be the last part of a path.")
		}
	}
	return nil
}

func segmentVariable(segment string) (string, bool) {
	name, open := strings.CutPrefix(segment, "{")
	name, shut := strings.CutSuffix(name, "}")
	return name, open && shut && name != "" && !strings.ContainsAny(name, "{}")
}

// match holds a request's segments against the path. The rank orders paths
// that match: text before variables, those before greedy ones, from the left.
func (p apiPath) match(segments []string) (variables map[string]string, rank string, ok bool) {
	variables = map[string]string{}
	for i, part := range p {
		name, variable := segmentVariable(part)
		switch {
		case i >= len(segments):
			return nil, "", false
		case variable && strings.HasSuffix(name, "+"):
			if segments[i] == "" {
				return nil, "", false
			}
			variables[strings.TrimSuffix(name, "+")] = strings.Join(segments[i:], "/")
			return variables, rank + "c", true
		case variable:
			if segments[i] == "" {
				return nil, "", false
			}
			variables[name] = segments[i]
			rank += "b"
		case part != segments[i]:
			return nil, "", false
		default:
			rank += "a"
		}
	}
	return variables, rank, len(segments) == len(p)
}

// mostSpecific finds the best of some routes for a request: by path, then one
// for the method before one for any.
func mostSpecific[T any](routes []T, of func(T) (method, path string), method, path string) (best T, variables map[string]string, found bool) {
	var bestRank string
	segments := splitPath(path)
	for _, r := range routes {
		m, p := of(r)
		if m != method && m != "ANY" {
			continue
		}
		vars, rank, ok := splitPath(p).match(segments)
		if !ok {
			continue
		}
		if rank += "0"; m == "ANY" {
			rank = rank[:len(rank)-1] + "1"
		}
		if !found || rank < bestRank {
			best, variables, bestRank, found = r, vars, rank, true
		}
	}
	return best, variables, found
}

// isText says whether a body of a content type is given to functions as text.
func isText(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		slices.Contains([]string{"application/json", "application/xml", "application/javascript"}, kind)
}
