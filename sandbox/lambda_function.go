package sandbox

import (
	"slices"
	"strings"
	"time"
)

// functionTime is how long a function takes to be made or changed.
func (s *Sandbox) functionTime() time.Duration {
	if s.opts.Unkind {
		return 200*time.Millisecond + time.Duration(s.random()*float64(600*time.Millisecond))
	}
	return s.opts.StackTime / 4
}

// createFunctionAccess: tags given with the function need what giving them
// later needs.
func createFunctionAccess(c *call) ([]access, error) {
	r, err := c.readFunction(c.In.str("FunctionName"), "")
	if err != nil {
		return nil, err
	}
	a := c.functionAccess("CreateFunction", r)
	for k, v := range requestTags(c.In.strMap("Tags")) {
		a.Context[k] = v
	}
	if layers := c.In.strs("Layers"); len(layers) > 0 {
		a.Context["lambda:Layer"] = layers
	}
	for field, key := range map[string]string{"SubnetIds": "lambda:SubnetIds", "SecurityGroupIds": "lambda:SecurityGroupIds"} {
		if ids := c.In.obj("VpcConfig").strs(field); len(ids) > 0 {
			a.Context[key] = ids
		}
	}
	needs := []access{a}
	if len(c.In.strMap("Tags")) > 0 {
		tag := a
		tag.Action = "lambda:TagResource"
		needs = append(needs, tag)
	}
	return needs, nil
}

func createFunction(c *call) (obj, error) {
	r, err := c.readFunction(c.In.str("FunctionName"), "")
	if err != nil {
		return nil, err
	}
	switch {
	case r.Qualifier != "":
		return nil, invalidLambda("The function name %s has a qualifier.", c.In.str("FunctionName"))
	case r.Account != c.Account.ID:
		return nil, refuse(services["lambda"], accessDenied, "A function is made in the caller's own account.")
	case !c.In.has("Role"):
		return nil, breaks("null", "role", "Member must not be null")
	case c.functionAt(r) != nil:
		return nil, &apiError{Status: 409, Code: "ResourceConflictException", Message: "Function already exist: " + r.Name}
	}
	f := &lambdaFunction{Name: r.Name, Owner: r.Account, Region: r.Region, Tags: c.In.strMap("Tags")}
	if err := c.checkLambdaTags(f.Tags); err != nil {
		return nil, err
	}
	v := &functionVersion{Version: latest, functionConfig: functionConfig{Timeout: 3, Memory: 128, Storage: 512, Machine: "x86_64", Tracing: "PassThrough"}}
	if machines := c.In.strs("Architectures"); len(machines) > 0 {
		v.Machine = strings.Join(machines, ", ")
	}
	if err := c.configure(v); err != nil {
		return nil, err
	}
	if err := c.encryptEnvironment(v, f); err != nil {
		return nil, err
	}
	if v.Code, err = c.readCode(c.In.obj("Code")); err != nil {
		return nil, err
	}
	if err := c.fitsLayers(v); err != nil {
		return nil, err
	}
	now := c.now()
	v.Created, v.Modified, v.Revision, v.Pending = now, now, c.uuid(), now.Add(c.functionTime())
	f.Latest = v
	put(&c.here().Lambda.Functions, f.Name, f)
	if c.In.bool("Publish") {
		return c.publishLambda(f, v.Description).shown(c, f, text(f.Last)), nil
	}
	return v.shown(c, f, ""), nil
}

// encryptEnvironment takes the key of the environment, which the caller must be
// able to use and to grant to Lambda.
func (c *call) encryptEnvironment(v *functionVersion, f *lambdaFunction) error {
	if v.Key == "" || !c.In.has("KMSKeyArn") {
		return nil
	}
	if !strings.HasPrefix(v.Key, "arn:") {
		return breaks(v.Key, "kMSKeyArn", `Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`)
	}
	_, err := c.useKeys(f.Owner, v.Key, "lambda", map[string]string{"aws:lambda:FunctionArn": f.arn()}, "kms:CreateGrant", "kms:Encrypt")
	return err
}

func listFunctions(c *call) (obj, error) {
	type item struct {
		key string
		f   *lambdaFunction
		v   *functionVersion
	}
	var items []item
	for _, name := range sortedKeys(c.here().Lambda.Functions) {
		f := c.here().Lambda.Functions[name]
		items = append(items, item{name, f, f.Latest})
		if c.In.str("FunctionVersion") == "ALL" {
			for _, v := range f.published() {
				items = append(items, item{name + ":" + versionOrder(v), f, v})
			}
		}
	}
	return lambdaPage(c, "Functions", items, func(i item) string { return i.key }, func(i item) any {
		out := i.v.shown(c, i.f, "")
		if i.v.Version != latest || c.In.str("FunctionVersion") == "ALL" {
			out["FunctionArn"] = i.f.arn() + ":" + i.v.Version
		}
		return withoutState(out)
	})
}

// withoutState is a description without what lists leave out.
func withoutState(out obj) obj {
	for _, k := range []string{"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RuntimeVersionConfig"} {
		delete(out, k)
	}
	return out
}

func getFunction(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	v, err := c.qualified(f, r)
	if err != nil {
		return nil, err
	}
	out := obj{"Configuration": v.shown(c, f, r.Qualifier), "Code": obj{"RepositoryType": "S3", "Location": c.download(v.Code)}}
	if len(f.Tags) > 0 && c.check(c.functionAccess("ListTags", functionRef{Account: f.Owner, Region: f.Region, Name: f.Name})) == nil {
		out["Tags"] = f.Tags
	}
	if f.Reserved != nil {
		out["Concurrency"] = obj{"ReservedConcurrentExecutions": *f.Reserved}
	}
	return out, nil
}

func getFunctionConfiguration(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	v, err := c.qualified(f, r)
	if err != nil {
		return nil, err
	}
	return v.shown(c, f, r.Qualifier), nil
}

// deleteFunction deletes the function with all versions, or one version that no
// alias names.
func deleteFunction(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	if r.Qualifier == "" {
		delete(c.account(f.Owner).region(f.Region).Lambda.Functions, f.Name)
		c.retire(f, "")
		return obj{}, nil
	}
	if r.Qualifier == latest {
		return nil, invalidLambda("$LATEST version cannot be deleted without deleting the function.")
	}
	if f.Aliases[r.Qualifier] != nil {
		return nil, invalidLambda("%s is an alias: delete it with DeleteAlias.", r.Qualifier)
	}
	for _, name := range sortedKeys(f.Aliases) {
		a := f.Aliases[name]
		if _, weighted := a.Weights[r.Qualifier]; a.Version == r.Qualifier || weighted {
			return nil, &apiError{Status: 409, Code: "ResourceConflictException", Message: "Version was not deleted because it is referenced by one or more aliases: [" + name + "]"}
		}
	}
	delete(f.Versions, r.Qualifier)
	delete(f.Policies, r.Qualifier)
	c.retire(f, r.Qualifier)
	return obj{}, nil
}

// changed ends a change of $LATEST.
func (c *call) changed(f *lambdaFunction, v functionVersion) obj {
	v.Modified, v.Revision, v.Updating = c.now(), c.uuid(), c.now().Add(c.functionTime())
	*f.Latest = v
	c.retire(f, latest)
	return v.shown(c, f, "")
}

// changeable refuses to change a function that is being made or changed, or of
// which the caller knows another revision.
func (c *call) changeable(f *lambdaFunction, r functionRef) error {
	if r.Qualifier != "" {
		return invalidLambda("The function name has a qualifier: only %s can be changed.", latest)
	}
	v := *f.Latest
	if c.Via == "cloudformation" { // which waits between its changes
		v.Updating = time.Time{}
	}
	if err := v.ready(c.now(), f); err != nil {
		return err
	}
	return c.checkRevision(f.Latest.Revision, "GetFunction/GetAlias")
}

func updateFunctionConfiguration(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	if err := c.changeable(f, r); err != nil {
		return nil, err
	}
	v := *f.Latest // so that what is refused changes nothing
	if err := c.configure(&v); err != nil {
		return nil, err
	}
	if err := c.encryptEnvironment(&v, f); err != nil {
		return nil, err
	}
	if err := c.fitsLayers(&v); err != nil {
		return nil, err
	}
	return c.changed(f, v), nil
}

func updateFunctionCode(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	if err := c.changeable(f, r); err != nil {
		return nil, err
	}
	if err := c.refuseUnserved(); err != nil {
		return nil, err
	}
	v := *f.Latest
	var err error
	if v.Code, err = c.readCode(c.In); err != nil {
		return nil, err
	}
	if machines := c.In.strs("Architectures"); len(machines) > 0 {
		v.Machine = strings.Join(machines, ", ")
	}
	if err := v.check(v.Description); err != nil {
		return nil, err
	}
	if err := c.fitsLayers(&v); err != nil {
		return nil, err
	}
	if c.In.bool("DryRun") {
		return v.shown(c, f, ""), nil
	}
	out := c.changed(f, v)
	if c.In.bool("Publish") {
		return c.publishLambda(f, v.Description).shown(c, f, text(f.Last)), nil
	}
	return out, nil
}

// checkLambdaTags refuses too many tags, and those of AWS.
func (c *call) checkLambdaTags(tags map[string]string) error {
	if len(tags) > 50+3 {
		return invalidLambda("The number of tags exceeds the limit of 50.")
	}
	for _, k := range sortedKeys(tags) {
		if k == "" || len(k) > 128 || len(tags[k]) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return invalidLambda("The tag %q isn't valid: keys have 1 to 128 characters, values up to 256, and aws: is AWS's own.", k)
		}
	}
	return nil
}

// published are the versions by number.
func (f *lambdaFunction) published() []*functionVersion {
	var out []*functionVersion
	for _, v := range f.Versions {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *functionVersion) int { return strings.Compare(versionOrder(a), versionOrder(b)) })
	return out
}

// versionOrder sorts versions: $LATEST, then by number.
func versionOrder(v *functionVersion) string {
	if v.Version == latest {
		return ""
	}
	return strings.Repeat("0", max(0, 12-len(v.Version))) + v.Version
}
