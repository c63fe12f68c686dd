package sandbox

import (
	"maps"
	"strings"
	"time"

	"axle/internal/late"
)

// lambdaRoutes are the operations of Lambda; the dates are those of its paths.
const lambdaRoutes = `
GET    /2016-08-19/account-settings                                          200 GetAccountSettings
POST   /2015-03-31/functions                                                 201 CreateFunction
GET    /2015-03-31/functions                                                 200 ListFunctions
GET    /2015-03-31/functions/{FunctionName}                                  200 GetFunction
DELETE /2015-03-31/functions/{FunctionName}                                  204 DeleteFunction
GET    /2015-03-31/functions/{FunctionName}/configuration                    200 GetFunctionConfiguration
PUT    /2015-03-31/functions/{FunctionName}/configuration                    200 UpdateFunctionConfiguration
PUT    /2015-03-31/functions/{FunctionName}/code                             200 UpdateFunctionCode
POST   /2015-03-31/functions/{FunctionName}/versions                         201 PublishVersion
GET    /2015-03-31/functions/{FunctionName}/versions                         200 ListVersionsByFunction
POST   /2015-03-31/functions/{FunctionName}/aliases                          201 CreateAlias
GET    /2015-03-31/functions/{FunctionName}/aliases                          200 ListAliases
GET    /2015-03-31/functions/{FunctionName}/aliases/{Name}                   200 GetAlias
PUT    /2015-03-31/functions/{FunctionName}/aliases/{Name}                   200 UpdateAlias
DELETE /2015-03-31/functions/{FunctionName}/aliases/{Name}                   204 DeleteAlias
POST   /2015-03-31/functions/{FunctionName}/policy                           201 AddPermission
GET    /2015-03-31/functions/{FunctionName}/policy                           200 GetPolicy
DELETE /2015-03-31/functions/{FunctionName}/policy/{StatementId}             204 RemovePermission
POST   /2015-03-31/functions/{FunctionName}/invocations                      200 Invoke raw
PUT    /2017-10-31/functions/{FunctionName}/concurrency                      200 PutFunctionConcurrency
DELETE /2017-10-31/functions/{FunctionName}/concurrency                      204 DeleteFunctionConcurrency
GET    /2019-09-30/functions/{FunctionName}/concurrency                      200 GetFunctionConcurrency
GET    /2017-03-31/tags/{Resource}                                           200 ListTags
POST   /2017-03-31/tags/{Resource}                                           204 TagResource
DELETE /2017-03-31/tags/{Resource}                                           204 UntagResource
PUT    /2019-09-25/functions/{FunctionName}/event-invoke-config              200 PutFunctionEventInvokeConfig
POST   /2019-09-25/functions/{FunctionName}/event-invoke-config              200 UpdateFunctionEventInvokeConfig
GET    /2019-09-25/functions/{FunctionName}/event-invoke-config              200 GetFunctionEventInvokeConfig
DELETE /2019-09-25/functions/{FunctionName}/event-invoke-config              204 DeleteFunctionEventInvokeConfig
GET    /2019-09-25/functions/{FunctionName}/event-invoke-config/list         200 ListFunctionEventInvokeConfigs
`

// lambdaState is what Lambda keeps of one account and region.
type lambdaState struct {
	Functions map[string]*lambdaFunction `json:"functions,omitempty"` // by name
	Layers    map[string]*lambdaLayer    `json:"layers,omitempty"`    // by name
	Mappings  map[string]*eventMapping   `json:"mappings,omitempty"`  // by id
}

// lambdaFunction is a function with its versions.
type lambdaFunction struct {
	Name     string                      `json:"name"`
	Owner    string                      `json:"owner"`
	Region   string                      `json:"region"`
	Tags     map[string]string           `json:"tags,omitempty"`
	Latest   *functionVersion            `json:"latest"`             // $LATEST
	Versions map[string]*functionVersion `json:"versions,omitempty"` // those published, by number
	Last     int                         `json:"last,omitempty"`     // the number of the last one published
	Aliases  map[string]*functionAlias   `json:"aliases,omitempty"`
	// Policies are the resource policies: the function's under "", those of
	// versions and aliases under their names.
	Policies map[string]*functionPolicy `json:"policies,omitempty"`
	Async    map[string]*asyncConfig    `json:"async,omitempty"`    // by qualifier
	URLs     map[string]*functionURL    `json:"urls,omitempty"`     // by alias; the function's under ""
	Reserved *int                       `json:"reserved,omitempty"` // concurrency, if it has its own
}

// functionVersion is $LATEST or a published version: code and configuration.
type functionVersion struct {
	functionConfig
	Version     string    `json:"version"`
	Description string    `json:"description,omitempty"`
	Code        []byte    `json:"code"` // the zip
	Modified    time.Time `json:"modified"`
	Revision    string    `json:"revision"`
	Created     time.Time `json:"created"`
	// Pending says until when the version isn't ready after it was created, and
	// Updating after a change.
	Pending  time.Time `json:"pending,omitzero"`
	Updating time.Time `json:"updating,omitzero"`
}

// functionAlias names a version, and may send a share of invocations to others.
type functionAlias struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"` // of other versions
	Revision    string             `json:"revision"`
}

// functionPolicy is a resource policy, made of statements that are added and
// removed one by one.
type functionPolicy struct {
	policyText
	Revision string `json:"revision"`
}

func (f *lambdaFunction) arn() string {
	return "arn:aws:lambda:" + f.Region + ":" + f.Owner + ":function:" + f.Name
}

const latest = "$LATEST"

func (s *Sandbox) lambdaOps() map[string]operation {
	ops := map[string]operation{
		"GetAccountSettings":          {run: lambdaSettings},
		"CreateFunction":              {run: createFunction, access: createFunctionAccess},
		"ListFunctions":               {run: listFunctions},
		"GetFunction":                 onFunction(getFunction),
		"GetFunctionConfiguration":    onFunction(getFunctionConfiguration),
		"DeleteFunction":              onFunction(deleteFunction),
		"UpdateFunctionConfiguration": onFunction(updateFunctionConfiguration),
		"UpdateFunctionCode":          onFunction(updateFunctionCode),
		"PublishVersion":              onFunction(publishVersion),
		"ListVersionsByFunction":      onFunction(listFunctionVersions),
		"CreateAlias":                 onFunction(createFunctionAlias),
		"ListAliases":                 onFunction(listFunctionAliases),
		"GetAlias":                    onFunction(getFunctionAlias),
		"UpdateAlias":                 onFunction(updateFunctionAlias),
		"DeleteAlias":                 onFunction(deleteFunctionAlias),
		"AddPermission":               {run: runOnFunction(addPermission), access: addPermissionAccess},
		"GetPolicy":                   onFunction(getFunctionPolicy),
		"RemovePermission":            onFunction(removePermission),
		"Invoke":                      {run: invoke, access: invokeAccess},
		"PutFunctionConcurrency":      onFunction(putConcurrency),
		"DeleteFunctionConcurrency":   onFunction(deleteConcurrency),
		"GetFunctionConcurrency":      onFunction(getConcurrency),
		"ListTags":                    {run: listLambdaTags, access: lambdaTagAccess},
		"TagResource":                 {run: tagLambda, access: lambdaTagAccess},
		"UntagResource":               {run: untagLambda, access: lambdaTagAccess},
	}
	for _, some := range []map[string]operation{layerOps(), asyncOps(), mappingOps(), urlOps()} {
		maps.Copy(ops, some)
	}
	return ops
}

// functionRef is what an input says of a function, read.
type functionRef struct{ Account, Region, Name, Qualifier string }

// arn is with the qualifier, if there is one.
func (r functionRef) arn() string {
	arn := "arn:aws:lambda:" + r.Region + ":" + r.Account + ":function:" + r.Name
	if r.Qualifier != "" {
		arn += ":" + r.Qualifier
	}
	return arn
}

var (
	functionNames = naming{late.MustCompile(`^[a-zA-Z0-9_-]+$`), 1, 64}
	qualifiers    = naming{late.MustCompile(`^(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9_-]+)$`), 1, 129}
	versionNumber = late.MustCompile(`^[0-9]+$`)
	aliasName     = naming{late.MustCompile(`^[a-zA-Z0-9_-]+$`), 1, 128}
)

func invalidLambda(format string, args ...any) error {
	return fail("InvalidParameterValueException", format, args...)
}

// breaks is how Lambda refuses what its model doesn't take.
func breaks(value, field, constraint string) error {
	return fail("ValidationException", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, constraint)
}

// readFunction reads a name, a partial ARN ("123456789012:function:name") or an
// ARN, each with a qualifier or without.
func (c *call) readFunction(name, qualifier string) (functionRef, error) {
	r := functionRef{Account: c.Account.ID, Region: c.Region, Qualifier: qualifier}
	bad := breaks(name, "functionName", `Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`)
	rest := name
	if after, is := strings.CutPrefix(rest, "arn:aws:lambda:"); is {
		r.Region, rest, _ = strings.Cut(after, ":")
	}
	if len(rest) > 12 && rest[12] == ':' && accountIDs.MatchString(rest[:12]) {
		r.Account, rest = rest[:12], rest[13:]
	}
	rest = strings.TrimPrefix(rest, "function:")
	bare, inside, qualified := strings.Cut(rest, ":")
	if r.Name = bare; !functionNames.MatchString(bare) || qualified && !qualifiers.MatchString(inside) {
		return r, bad
	}
	if qualified && qualifier != "" && qualifier != inside {
		return r, invalidLambda("The derived qualifier from the function name does not match the specified qualifier.")
	}
	if qualified {
		r.Qualifier = inside
	}
	if r.Qualifier != "" && !qualifiers.MatchString(r.Qualifier) {
		return r, breaks(r.Qualifier, "qualifier", `Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)`)
	}
	if r.Region != c.Region {
		return r, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Functions from '" + r.Region + "' are not reachable in this region ('" + c.Region + "')"}
	}
	return r, nil
}

// functionAt finds a function of any account; nil if there is none.
func (s *Sandbox) functionAt(r functionRef) *lambdaFunction {
	a := s.account(r.Account)
	if a == nil || a.Regions[r.Region] == nil {
		return nil
	}
	return a.Regions[r.Region].Lambda.Functions[r.Name]
}

func noFunction(r functionRef) error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function not found: " + r.arn()}
}

// version finds what a qualifier stands for: a version, and the alias's one.
func (f *lambdaFunction) version(qualifier string) *functionVersion {
	if a := f.Aliases[qualifier]; a != nil {
		qualifier = a.Version
	}
	if qualifier == "" || qualifier == latest {
		return f.Latest
	}
	return f.Versions[qualifier]
}

// functionAccess is a permission on a function, to which the policy of the
// function, or of the version or alias that is named, has a say.
func (c *call) functionAccess(action string, r functionRef) access {
	if r.Qualifier == latest {
		r.Qualifier = ""
	}
	a := access{Action: "lambda:" + action, Resource: r.arn(), Owner: r.Account, Context: map[string][]string{}}
	if f := c.functionAt(r); f != nil {
		if p := f.Policies[r.Qualifier]; p != nil {
			a.Policy = c.inForce(&p.policyText)
		}
		for k, v := range f.Tags {
			a.Context["aws:ResourceTag/"+k] = []string{v}
		}
	}
	return a
}

// onFunction is an operation on the function of an input, which may be of
// another account that lets the caller.
func onFunction(run func(*call, *lambdaFunction, functionRef) (obj, error)) operation {
	return operation{run: runOnFunction(run), access: func(c *call) ([]access, error) {
		r, err := c.readFunction(c.In.str("FunctionName"), c.In.str("Qualifier"))
		return []access{c.functionAccess(c.Op, r)}, err
	}}
}

func runOnFunction(run func(*call, *lambdaFunction, functionRef) (obj, error)) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		f, r, err := c.namedFunction()
		if err != nil {
			return nil, err
		}
		return run(c, f, r)
	}
}

// namedFunction is the function that a call names, and what it says of it.
func (c *call) namedFunction() (*lambdaFunction, functionRef, error) {
	r, err := c.readFunction(c.In.str("FunctionName"), c.In.str("Qualifier"))
	if err != nil {
		return nil, r, err
	}
	f := c.functionAt(r)
	if f == nil {
		return nil, r, noFunction(r)
	}
	return f, r, nil
}

// qualified is the version that a reference names.
func (c *call) qualified(f *lambdaFunction, r functionRef) (*functionVersion, error) {
	if v := f.version(r.Qualifier); v != nil {
		return v, nil
	}
	return nil, noFunction(r)
}

// checkRevision refuses a change of what has changed since the caller looked.
func (c *call) checkRevision(revision, where string) error {
	if want := c.In.str("RevisionId"); want != "" && want != revision {
		return &apiError{Status: 412, Code: "PreconditionFailedException",
			Message: "The Revision Id provided does not match the latest Revision Id. Call the " + where + " API to retrieve the latest Revision Id"}
	}
	return nil
}

// lambdaPage is a page of a list by its keys: members of name in the answer.
func lambdaPage[T any](c *call, name string, items []T, key func(T) string, show func(T) any) (obj, error) {
	size := c.In.int("MaxItems", 50)
	if size < 1 || size > 10000 {
		return nil, breaks(c.In.str("MaxItems"), "maxItems", "Member must have value between 1 and 10000")
	}
	page, next, ok := paginate(c.Sandbox, items, key, c.In.str("Marker"), min(size, 50))
	if !ok {
		return nil, invalidLambda("Invalid Marker")
	}
	out := []any{}
	for _, item := range page {
		out = append(out, show(item))
	}
	return obj{name: out, "NextMarker": optional(next)}, nil
}

// lambdaError is the body of an error: some of Lambda's have their message
// under a small letter, the others under a capital one.
func lambdaError(e *apiError, status int) obj {
	name := "Message"
	switch strings.TrimSuffix(e.Code, "Exception") {
	case "CodeStorageExceeded", "InvalidParameterValue", "InvalidRequestContent", "PolicyLengthExceeded", "PreconditionFailed",
		"RequestTooLarge", "ResourceConflict", "ResourceNotReady", "TooManyRequests", "UnsupportedMediaType", "Validation":
		name = "message"
	}
	kind := "User"
	if status >= 500 {
		kind = "Service"
	}
	return obj{name: e.Message, "Type": kind}
}

func taggedFunctions(c *call) []taggedResource {
	var list []taggedResource
	for _, f := range c.here().Lambda.Functions {
		list = append(list, taggedResource{f.arn(), f.Tags})
	}
	return list
}
