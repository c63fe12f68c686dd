package sandbox

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// restRoute is one operation of a service that speaks REST with JSON: which
// requests are for it, and the status of its answers.
type restRoute struct {
	method string
	path   []string // segments; "{Name}" is an input, "{Name+}" takes the rest of the path
	query  string   // "name=value" that the request must have, or ""
	op     string
	status int
	// raw bodies aren't JSON: the input has them as Body, and the headers as Header.
	raw bool
}

// restRoutes are the routes of each such service, by signing name. One that
// isn't here has its operations' names as paths.
var restRoutes = map[string][]restRoute{
	"lambda":       routes(lambdaRoutes + layerRoutes + mappingRoutes + urlRoutes),
	"apigateway":   routes(restAPIRoutes),
	"apigatewayv2": routes(httpAPIRoutes),
	"scheduler":    routes(schedulerRoutes),
}

// routes reads a table with a line for each operation: method, path, status,
// name, and "raw" where it applies.
//
//	POST /2015-03-31/functions 201 CreateFunction
func routes(table string) []restRoute {
	var out []restRoute
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		status, _ := strconv.Atoi(f[2])
		path, query, _ := strings.Cut(f[1], "?")
		out = append(out, restRoute{method: f[0], path: strings.Split(strings.Trim(path, "/"), "/"), query: query, status: status, op: f[3], raw: len(f) > 4})
	}
	return out
}

// match holds a path against the route's and gives the inputs in it.
func (r restRoute) match(segments []string) (map[string]any, bool) {
	in := map[string]any{}
	for i, part := range r.path {
		name, variable := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		switch {
		case i >= len(segments):
			return nil, false
		case variable && strings.HasSuffix(name, "+"):
			in[strings.TrimSuffix(name, "+")] = strings.Join(segments[i:], "/")
			return in, true
		case variable:
			in[name] = segments[i]
		case part != segments[i]:
			return nil, false
		}
	}
	return in, len(segments) == len(r.path)
}

// decodeREST finds the operation of a request and its input: the members of
// the body, over them the query's parameters (a list where one is repeated; see
// params.many), over them what the path says.
func decodeREST(c *call, svc service) *apiError {
	table, ok := restRoutes[svc.name]
	if !ok {
		return c.decodeNamed(svc)
	}
	segments := strings.Split(strings.Trim(c.HTTP.URL.EscapedPath(), "/"), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = plain
		}
	}
	for _, r := range table {
		named, ok := r.match(segments)
		if !ok || r.method != c.HTTP.Method || r.query != "" && !strings.Contains("&"+c.HTTP.URL.RawQuery+"&", "&"+r.query+"&") {
			continue
		}
		c.Op, c.Status = r.op, r.status
		if c.In = (params{}); r.raw {
			header := map[string]any{}
			for k := range c.HTTP.Header {
				header[k] = c.HTTP.Header.Get(k)
			}
			c.In["Body"], c.In["Header"] = c.Body, header
		} else if in, err := decodeJSON(c.Body); err == nil {
			if misfit := checkShapes(svc, c.Op, in); misfit != nil {
				return misfit
			}
			c.In = in
		} else {
			return &apiError{Code: restMalformed(svc), Message: "Could not parse request body into json: " + err.Error()}
		}
		for k, v := range c.HTTP.URL.Query() {
			c.In[k] = v[0]
			if len(v) > 1 {
				c.In[k] = v
			}
		}
		for k, v := range named {
			c.In[k] = v
		}
		return nil
	}
	c.Op = strings.Trim(c.HTTP.Method+" "+c.HTTP.URL.Path, "/")
	return nil
}

// restMalformed is a service's code for a body that isn't JSON.
func restMalformed(svc service) string {
	switch svc.name {
	case "lambda":
		return "InvalidRequestContentException"
	case "apigateway", "apigatewayv2":
		return "BadRequestException"
	}
	return "ValidationException"
}

// decodeNamed reads a request of a service whose paths are its operations' names.
func (c *call) decodeNamed(svc service) *apiError {
	in, err := decodeJSON(c.Body)
	if err != nil {
		return fail("ValidationException", "%v", err)
	}
	if name := strings.Trim(c.HTTP.URL.Path, "/"); name != "" {
		c.Op = strings.ToUpper(name[:1]) + name[1:]
	}
	c.In = in
	return checkShapes(svc, c.Op, in)
}

// many reads a list that a query gives by repeating a parameter: one alone is
// plain text.
func (p params) many(name string) []string {
	if one, ok := p[name].(string); ok {
		return []string{one}
	}
	return p.strs(name)
}

// rawReply is the answer of an operation whose body isn't JSON.
type rawReply struct {
	status int // 0: the route's
	header map[string]string
	body   []byte
}

// answer wraps a reply as an operation's output.
func (r rawReply) answer() (obj, error) { return obj{"": r}, nil }

// writeREST answers an operation of REST with JSON.
func (c *call) writeREST(w http.ResponseWriter, out obj) {
	h, status := w.Header(), c.Status
	if status == 0 {
		status = http.StatusOK
	}
	r, raw := out[""].(rawReply)
	if raw {
		for k, v := range r.header {
			if v != "" {
				h.Set(k, v)
			}
		}
		if r.status != 0 {
			status = r.status
		}
	} else {
		h.Set("Content-Type", "application/json")
		if r.body = encodeJSON(out); status == http.StatusNoContent || len(out) == 0 && status == http.StatusAccepted {
			r.body = nil
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(r.body)
}
