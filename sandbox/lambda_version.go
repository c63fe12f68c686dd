package sandbox

import (
	"strconv"
	"strings"
)

// publishLambda makes a version of $LATEST, or gives the last one again when nothing
// has changed since.
func (c *call) publishLambda(f *lambdaFunction, description string) *functionVersion {
	if last := f.Versions[strconv.Itoa(f.Last)]; last != nil && last.same(f.Latest) {
		return last
	}
	v := *f.Latest
	f.Last++
	v.Version, v.Description, v.Revision, v.Created = strconv.Itoa(f.Last), description, c.uuid(), c.now()
	v.Pending, v.Updating = f.Latest.Pending, f.Latest.Updating
	put(&f.Versions, v.Version, &v)
	return &v
}

// same says whether two versions have the same code and configuration.
func (v *functionVersion) same(o *functionVersion) bool {
	return codeDigest(v.Code) == codeDigest(o.Code) && canonical(v.functionConfig) == canonical(o.functionConfig)
}

func publishVersion(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	if err := c.changeable(f, r); err != nil {
		return nil, err
	}
	if want := c.In.str("CodeSha256"); want != "" && want != codeDigest(f.Latest.Code) {
		return nil, invalidLambda("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", want, codeDigest(f.Latest.Code))
	}
	v := c.publishLambda(f, c.In.or("Description", f.Latest.Description))
	return v.shown(c, f, v.Version), nil
}

func listFunctionVersions(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	all := append([]*functionVersion{f.Latest}, f.published()...)
	return lambdaPage(c, "Versions", all, versionOrder, func(v *functionVersion) any { return withoutState(v.shown(c, f, v.Version)) })
}

func (a *functionAlias) shown(f *lambdaFunction) obj {
	out := obj{"AliasArn": f.arn() + ":" + a.Name, "Name": a.Name, "FunctionVersion": a.Version, "Description": a.Description, "RevisionId": a.Revision}
	if len(a.Weights) > 0 {
		out["RoutingConfig"] = obj{"AdditionalVersionWeights": a.Weights}
	}
	return out
}

func noAlias(f *lambdaFunction, name string) error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Cannot find alias arn: " + f.arn() + ":" + name}
}

// setAlias sets what the input gives, after a look at the versions.
func (c *call) setAlias(f *lambdaFunction, a *functionAlias) error {
	a.Version, a.Description = c.In.or("FunctionVersion", a.Version), c.In.or("Description", a.Description)
	exists := func(version string) error {
		if version != latest && f.Versions[version] == nil {
			return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function not found: " + f.arn() + ":" + version}
		}
		return nil
	}
	if err := exists(a.Version); err != nil {
		return err
	}
	if c.In.has("RoutingConfig") {
		a.Weights = map[string]float64{}
		weights := c.In.obj("RoutingConfig").obj("AdditionalVersionWeights")
		for _, version := range sortedKeys(weights) {
			share := weights.float(version)
			if err := exists(version); err != nil {
				return err
			}
			if share < 0 || share > 1 || version == a.Version || version == latest || a.Version == latest || len(weights) > 1 {
				return invalidLambda("The routing configuration of an alias has one further version, published like the alias's, with a weight from 0 to 1.")
			}
			a.Weights[version] = share
		}
	}
	a.Revision = c.uuid()
	return nil
}

func createFunctionAlias(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	a := &functionAlias{Name: c.In.str("Name")}
	switch {
	case !aliasName.MatchString(a.Name) || versionNumber.MatchString(a.Name):
		return nil, breaks(a.Name, "name", `Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	case f.Aliases[a.Name] != nil:
		return nil, &apiError{Status: 409, Code: "ResourceConflictException", Message: "Alias already exists: " + f.arn() + ":" + a.Name}
	case c.In.str("FunctionVersion") == "":
		return nil, breaks("null", "functionVersion", "Member must not be null")
	}
	if err := c.setAlias(f, a); err != nil {
		return nil, err
	}
	put(&f.Aliases, a.Name, a)
	return a.shown(f), nil
}

func updateFunctionAlias(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	a := f.Aliases[c.In.str("Name")]
	if a == nil {
		return nil, noAlias(f, c.In.str("Name"))
	}
	if err := c.checkRevision(a.Revision, "GetFunction/GetAlias"); err != nil {
		return nil, err
	}
	changed := *a
	if err := c.setAlias(f, &changed); err != nil {
		return nil, err
	}
	*a = changed
	return a.shown(f), nil
}

func getFunctionAlias(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	a := f.Aliases[c.In.str("Name")]
	if a == nil {
		return nil, noAlias(f, c.In.str("Name"))
	}
	return a.shown(f), nil
}

// deleteFunctionAlias is no error for an alias that isn't there.
func deleteFunctionAlias(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	name := c.In.str("Name")
	delete(f.Aliases, name)
	delete(f.Policies, name)
	return obj{}, nil
}

func listFunctionAliases(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	var names []string
	for _, name := range sortedKeys(f.Aliases) {
		if v := c.In.str("FunctionVersion"); v == "" || v == f.Aliases[name].Version {
			names = append(names, name)
		}
	}
	return lambdaPage(c, "Aliases", names, same, func(name string) any { return f.Aliases[name].shown(f) })
}

// chosen is the version that an invocation runs: of an alias with weights
// sometimes the other one.
func (c *call) chosen(f *lambdaFunction, qualifier string) *functionVersion {
	if a := f.Aliases[qualifier]; a != nil {
		for other, share := range a.Weights {
			if v := f.Versions[other]; v != nil && c.random() < share {
				return v
			}
		}
	}
	return f.version(qualifier)
}

func putConcurrency(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	n := c.In.int("ReservedConcurrentExecutions", -1)
	if n < 0 {
		return nil, breaks(c.In.str("ReservedConcurrentExecutions"), "reservedConcurrentExecutions", "Member must have value greater than or equal to 0")
	}
	owner := c.as(nil, c.account(f.Owner))
	before := 0
	if f.Reserved != nil {
		before = *f.Reserved
	}
	if left := owner.unreserved() + before - n; left < minUnreserved && n > 0 {
		return nil, invalidLambda("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
	}
	f.Reserved = &n
	return obj{"ReservedConcurrentExecutions": n}, nil
}

// minUnreserved is what must be left for functions without reserved concurrency.
const minUnreserved = 100

// unreserved is the concurrency that functions of the account share here.
func (c *call) unreserved() int {
	n := int(c.quota(quotaConcurrency))
	for _, f := range c.here().Lambda.Functions {
		if f.Reserved != nil {
			n -= *f.Reserved
		}
	}
	return n
}

func deleteConcurrency(_ *call, f *lambdaFunction, _ functionRef) (obj, error) {
	f.Reserved = nil
	return obj{}, nil
}

func getConcurrency(_ *call, f *lambdaFunction, _ functionRef) (obj, error) {
	if f.Reserved == nil {
		return obj{}, nil
	}
	return obj{"ReservedConcurrentExecutions": *f.Reserved}, nil
}

// lambdaSettings are the limits and what is used of them.
func lambdaSettings(c *call) (obj, error) {
	size, count := 0, len(c.here().Lambda.Functions)
	for _, f := range c.here().Lambda.Functions {
		size += len(f.Latest.Code)
		for _, v := range f.Versions {
			size += len(v.Code)
		}
	}
	return obj{
		"AccountLimit": obj{"TotalCodeSize": 80530636800, "CodeSizeUnzipped": maxUnzipped, "CodeSizeZipped": maxZipped,
			"ConcurrentExecutions": int(c.quota(quotaConcurrency)), "UnreservedConcurrentExecutions": max(0, c.unreserved())},
		"AccountUsage": obj{"TotalCodeSize": size, "FunctionCount": count},
	}, nil
}

// taggedByARN finds the tags that a call is about: those of a function, or of
// what else of Lambda has them.
func (c *call) taggedByARN(arn string) (*map[string]string, access, error) {
	if id, is := strings.CutPrefix(arn, c.arn("event-source-mapping:")); is {
		m := c.here().Lambda.Mappings[id]
		if m == nil {
			return nil, access{Action: "lambda:" + c.Op, Resource: arn, Context: map[string][]string{}}, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
		}
		return &m.Tags, access{Action: "lambda:" + c.Op, Resource: arn, Context: map[string][]string{}}, nil
	}
	r, err := c.readFunction(arn, "")
	if err != nil || !strings.HasPrefix(arn, "arn:") {
		return nil, access{}, invalidLambda("The ARN %s isn't that of a function or an event source mapping.", arn)
	}
	if r.Qualifier != "" {
		return nil, access{}, invalidLambda("Tags on function aliases and versions are not supported. Please specify either a function ARN.")
	}
	a := c.functionAccess(c.Op, r)
	if f := c.functionAt(r); f != nil {
		return &f.Tags, a, nil
	}
	return nil, a, noFunction(r)
}

func lambdaTagAccess(c *call) ([]access, error) {
	tags, a, err := c.taggedByARN(c.In.str("Resource"))
	if tags == nil && a.Action == "" {
		return nil, err
	}
	for k, v := range requestTags(c.In.strMap("Tags")) {
		a.Context[k] = v
	}
	if keys := c.In.many("tagKeys"); len(keys) > 0 {
		a.Context["aws:TagKeys"] = keys
	}
	return []access{a}, nil
}

func listLambdaTags(c *call) (obj, error) {
	tags, _, err := c.taggedByARN(c.In.str("Resource"))
	if err != nil {
		return nil, err
	}
	out := obj{}
	for k, v := range *tags {
		out[k] = v
	}
	return obj{"Tags": out}, nil
}

func tagLambda(c *call) (obj, error) {
	tags, _, err := c.taggedByARN(c.In.str("Resource"))
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, some := range []map[string]string{*tags, c.In.strMap("Tags")} {
		for k, v := range some {
			all[k] = v
		}
	}
	if err := c.checkLambdaTags(all); err != nil {
		return nil, err
	}
	*tags = all
	return obj{}, nil
}

func untagLambda(c *call) (obj, error) {
	tags, _, err := c.taggedByARN(c.In.str("Resource"))
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.many("tagKeys") {
		delete(*tags, k)
	}
	return obj{}, nil
}
