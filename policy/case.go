package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Case is one request with all the policies that have a say in it, as a line of
// JSON. What it has: id, request (principal, action, resource, resourceAccount,
// context), identityPolicies, resourcePolicy, permissionBoundary, sessionPolicy,
// endpointPolicy, and scps and rcps as lists of levels, the root first. A single
// policy may stand for a list of one; fields that aren't known are left alone.
type Case struct {
	ID       string
	Request  *Request
	Policies *Policies
	// Err is a mistake in a request or policy that can be read: the decision is
	// Error.
	Err error
}

// Words for the outcome of a case.
const (
	WordError   = "Error"   // a policy or the request is malformed
	WordUnknown = "Unknown" // it is contested, or depends on keys that aren't known
)

// Outcome is the word for what a decision comes to: Allowed, ImplicitlyDenied,
// ExplicitlyDenied, or Unknown. What policies allow is Allowed even if the
// service doesn't support it.
func (x *Explanation) Outcome() string {
	switch {
	case len(x.Contested) > 0, x.Decision.Verdict == Conditional:
		return WordUnknown
	case x.Decision.Verdict == Unsupported:
		return Allowed.String()
	}
	return x.Decision.Verdict.String()
}

// Outcome decides the case without explaining it: one of Explanation's words,
// or Error.
func (c *Case) Outcome() string {
	if c.Err != nil {
		return WordError
	}
	if v := Evaluate(c.Request, c.Policies).Verdict; v != Conditional && Contested(c.Request, c.Policies) == nil {
		return v.String()
	}
	return WordUnknown
}

// Limits of a request in a case. ARNs have at most 2,048 characters, and a value
// of the context is a header or a claim at most; the time that matching takes may
// grow with the square of them.
const (
	maxName   = 2 << 10 // bytes of a principal, action or resource
	maxField  = 4 << 10 // bytes of a value of the context
	maxValues = 2_000   // of the whole context
)

// CaseReader reads cases. Policies that come again aren't compiled again. It is
// for one goroutine.
type CaseReader struct {
	seen map[string]*Policy
	size int // bytes of the texts in seen
}

// maxSeen is how many bytes of policies are remembered before all are forgotten;
// compiled they take several times as many.
const maxSeen = 4 << 20

type rawCase struct {
	ID      json.RawMessage `json:"id"`
	Request *struct {
		Principal       text                       `json:"principal"`
		Action          text                       `json:"action"`
		Resource        text                       `json:"resource"`
		ResourceAccount text                       `json:"resourceAccount"`
		Context         map[string]json.RawMessage `json:"context"`
	} `json:"request"`
	IdentityPolicies   several `json:"identityPolicies"`
	ResourcePolicy     several `json:"resourcePolicy"`
	PermissionBoundary several `json:"permissionBoundary"`
	SessionPolicy      several `json:"sessionPolicy"`
	EndpointPolicy     several `json:"endpointPolicy"`
	SCPs               several `json:"scps"`
	RCPs               several `json:"rcps"`
}

// text is a string; a number or a list of one will do.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	values, err := contextValues(b)
	switch {
	case err == nil && len(values) == 1:
		*t = text(values[0])
	case err != nil || len(values) > 1:
		return &json.UnmarshalTypeError{Value: "object or list", Type: reflect.TypeFor[string]()}
	}
	return nil
}

// several is a value or a list of them, or null.
type several []json.RawMessage

func (s *several) UnmarshalJSON(b []byte) error {
	*s = nil
	switch b = bytes.TrimSpace(b); {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '[':
		return json.Unmarshal(b, (*[]json.RawMessage)(s))
	}
	*s = several{append(json.RawMessage(nil), b...)}
	return nil
}

// Decode reads one case. The error is for text that isn't a case at all, of
// which only the ID may be there; what is wrong within a policy is the case's Err.
func (r *CaseReader) Decode(src []byte) (*Case, error) {
	var raw rawCase
	err := json.Unmarshal(src, &raw)
	c := &Case{ID: string(raw.ID)}
	var id string
	if json.Unmarshal(raw.ID, &id) == nil {
		c.ID = id
	}
	switch {
	case err != nil:
		return c, jsonProblem(err)
	case raw.Request == nil:
		return c, errors.New("not a case: request is missing")
	}
	if c.Request, c.Err = raw.request(); c.Err != nil {
		return c, nil
	}
	c.Policies, c.Err = r.policies(&raw, c.Request)
	return c, nil
}

func jsonProblem(err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: column %d: %s", syntax.Offset, syntax.Error())
	case errors.As(err, &shape):
		field := shape.Field
		if field == "" {
			return fmt.Errorf("not a case: it is a JSON %s, and should be an object", shape.Value)
		}
		return fmt.Errorf("not a case: column %d: %s can't be a JSON %s", shape.Offset, abridge(field), shape.Value)
	}
	return fmt.Errorf("not JSON: %w", err)
}

func (raw *rawCase) request() (*Request, error) {
	q := raw.Request
	for _, f := range []struct {
		name  string
		value text
	}{{"principal", q.Principal}, {"action", q.Action}, {"resource", q.Resource}, {"resourceAccount", q.ResourceAccount}} {
		if len(f.value) > maxName {
			return nil, fmt.Errorf("request.%s has %d bytes, more than %d", f.name, len(f.value), maxName)
		}
	}
	switch service, operation, _ := strings.Cut(string(q.Action), ":"); {
	case q.Principal == "":
		return nil, errors.New("request.principal is missing")
	case q.Action == "":
		return nil, errors.New("request.action is missing")
	case service == "" || operation == "":
		return nil, fmt.Errorf(`request.action is "service:Operation", not %q`, abridge(string(q.Action)))
	}
	r := &Request{Principal: ParsePrincipal(string(q.Principal)), Action: string(q.Action), Resource: string(q.Resource),
		ResourceAccount: string(q.ResourceAccount), Context: make(map[string][]string, len(q.Context))}
	if r.Resource == "" {
		r.Resource = "*"
	}
	n := 0
	for k, v := range q.Context {
		values, err := contextValues(v)
		for _, s := range append(values, k) {
			if len(s) > maxField && err == nil {
				err = fmt.Errorf("a value has %d bytes, more than %d", len(s), maxField)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("request.context.%s: %w", abridge(k), err)
		}
		if n += len(values) + 1; n > maxValues {
			return nil, fmt.Errorf("request.context has more than %d values", maxValues)
		}
		if values != nil {
			r.Context[k] = values
		}
	}
	if r.ResourceAccount == "" {
		// Only where the case doesn't say it: a bucket's ARN has none.
		if a := splitARN(r.Resource); a.ok && isAccount(a.parts[4]) {
			r.ResourceAccount = a.parts[4]
		}
	}
	r.Principal.setRole(r.Context)
	return r, nil
}

// setRole takes the role of a session from aws:PrincipalArn: a session's ARN
// doesn't have its role's path.
func (p *Principal) setRole(context map[string][]string) {
	if p.Type != AssumedRole {
		return
	}
	for k, v := range context {
		if !strings.EqualFold(k, "aws:PrincipalArn") || len(v) != 1 {
			continue
		}
		role, short := splitARN(v[0]), splitARN(p.RoleARN)
		name := "/" + short.parts[5][strings.LastIndexByte(short.parts[5], '/')+1:]
		if role.ok && role.parts[4] == p.Account && strings.HasPrefix(role.parts[5], "role/") && strings.HasSuffix(role.parts[5], name) {
			p.RoleARN = v[0]
		}
	}
}

// contextValues reads a value or a list of them; null is no value.
func contextValues(src json.RawMessage) ([]string, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		var s string
		switch item := item.(type) {
		case string:
			s = item
		case json.Number:
			s = item.String()
		case bool:
			s = strconv.FormatBool(item)
		default:
			return nil, errors.New("a value is a string, a number or a boolean, or a list of them")
		}
		out = append(out, s)
	}
	return out, nil
}

func (r *CaseReader) policies(raw *rawCase, req *Request) (*Policies, error) {
	p := &Policies{}
	var err error
	list := func(field string, kind Kind, from several) []*Policy {
		var out []*Policy
		for i, src := range from {
			if err != nil {
				return nil
			}
			doc, problem := r.parse(src, kind)
			if problem != nil {
				if len(from) > 1 {
					field += "[" + strconv.Itoa(i) + "]"
				}
				err = fmt.Errorf("%s: %s", field, strings.TrimPrefix(problem.Error(), "policy: "))
			}
			out = append(out, doc)
		}
		return out
	}
	one := func(field string, kind Kind, from several) *Policy {
		docs := list(field, kind, from)
		switch {
		case err != nil || len(docs) == 0:
			return nil
		case len(docs) > 1:
			err = fmt.Errorf("%s: there are %d, and there can be one", field, len(docs))
		}
		return docs[0]
	}
	levels := func(field string, kind Kind, from several) (out [][]*Policy) {
		for i, src := range from {
			var level several
			if problem := json.Unmarshal(src, &level); problem != nil && err == nil {
				err = fmt.Errorf("%s: %w", field, problem)
			}
			out = append(out, list(field+"["+strconv.Itoa(i)+"]", kind, level))
		}
		return out
	}
	p.Identity = list("identityPolicies", IdentityPolicy, raw.IdentityPolicies)
	p.Resource = one("resourcePolicy", resourceKind(req), raw.ResourcePolicy)
	p.Boundary = one("permissionBoundary", BoundaryPolicy, raw.PermissionBoundary)
	p.Endpoint = one("endpointPolicy", EndpointPolicy, raw.EndpointPolicy)
	p.Session = list("sessionPolicy", SessionPolicy, raw.SessionPolicy)
	p.SCP = levels("scps", ServiceControlPolicy, raw.SCPs)
	p.RCP = levels("rcps", ResourceControlPolicy, raw.RCPs)
	return p, err
}

// parse compiles a policy, which may also be JSON text in a string, and checks
// that it may be used as kind.
func (r *CaseReader) parse(src json.RawMessage, kind Kind) (*Policy, error) {
	p, ok := r.seen[string(src)]
	if !ok {
		doc := []byte(src)
		var text string
		if len(src) > 0 && src[0] == '"' && json.Unmarshal(src, &text) == nil {
			doc = []byte(text)
		}
		var err error
		if p, err = Parse(doc); err != nil {
			return nil, err
		}
		if r.size += len(src); r.seen == nil || r.size > maxSeen {
			r.seen, r.size = map[string]*Policy{}, len(src)
		}
		r.seen[string(src)] = p
	}
	if kind == ResourceControlPolicy && !slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.Effect == Deny }) {
		return p, nil // RCPFullAWSAccess, which AWS attaches itself
	}
	return p, p.Check(kind)
}
