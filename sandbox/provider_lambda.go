package sandbox

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// lambdaProviders are Lambda's resource types.
func lambdaProviders() map[string]provider {
	return map[string]provider{
		"AWS::Lambda::Function":               functionProvider(),
		"AWS::Lambda::Permission":             permissionProvider(),
		"AWS::Lambda::Version":                versionProvider(),
		"AWS::Lambda::Alias":                  functionAliasProvider(),
		"AWS::Lambda::LayerVersion":           layerVersionProvider(),
		"AWS::Lambda::LayerVersionPermission": layerPermissionProvider(),
		"AWS::Lambda::EventInvokeConfig":      eventInvokeProvider(),
		"AWS::Lambda::EventSourceMapping":     mappingProvider(),
		"AWS::Lambda::Url":                    urlProvider(),
	}
}

// unservedFunctionProperties are those that the sandbox refuses to pretend.
var unservedFunctionProperties = []string{"CapacityProviderConfig", "CodeSigningConfigArn", "DurableConfig", "FileSystemConfigs", "FunctionScalingConfig",
	"ImageConfig", "PublishToLatestPublished", "RecursiveLoop", "RuntimeManagementConfig", "TenancyConfig"}

// functionSettings are the properties that UpdateFunctionConfiguration sets,
// with what they are when the template has them not.
var functionSettings = map[string]any{"DeadLetterConfig": map[string]any{"TargetArn": ""}, "Description": "", "Environment": map[string]any{},
	"EphemeralStorage": map[string]any{"Size": "512"}, "Handler": "", "Layers": []any{}, "LoggingConfig": map[string]any{}, "MemorySize": "128", "Role": "",
	"Runtime": "", "SnapStart": map[string]any{"ApplyOn": "None"}, "Timeout": "3", "TracingConfig": map[string]any{"Mode": "PassThrough"}, "VpcConfig": map[string]any{}}

// functionProvider makes functions; Ref gives the name.
func functionProvider() provider {
	p := provider{
		properties: map[string]property{"Architectures": mutable, "Code": required, "FunctionName": replaces, "KmsKeyArn": mutable, "PackageType": replaces,
			"ReservedConcurrentExecutions": mutable, "Role": required, "Tags": mutable},
		attributes: []string{"Arn", "SnapStartResponse", "SnapStartResponse.ApplyOn", "SnapStartResponse.OptimizationStatus"},
		name:       "FunctionName",
		tags:       "Tags",
		settle:     settleFunction,
		update:     updateFunctionResource,
	}
	for name := range functionSettings {
		p.properties[name] |= mutable
	}
	for _, name := range unservedFunctionProperties {
		p.properties[name] = mutable
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse(unservedFunctionProperties...); err != nil {
			return "", nil, err
		}
		name := rc.Props.str("FunctionName")
		if name == "" {
			name = rc.generatedName(64)
		}
		if rc.roleOnItsWay() {
			return name, nil, nil // settle makes it
		}
		if err := rc.makeFunction(name); err != nil {
			return "", nil, err
		}
		return name, nil, nil // settle gives the attributes
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteFunction", params{"FunctionName": rc.PhysicalID})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// roleOnItsWay says whether the function's role isn't known everywhere yet:
// CloudFormation waits for it.
func (rc *resourceCall) roleOnItsWay() bool {
	m := roleARN.FindStringSubmatch(rc.Props.str("Role"))
	if m == nil || m[1] != rc.Account.ID {
		return false
	}
	r := rc.Account.IAM.Roles[m[3]]
	return r != nil && rc.now().Before(r.Visible) && !rc.lambdaTrusted(rc.Account, rc.Props.str("Role"))
}

// makeFunction creates the function.
func (rc *resourceCall) makeFunction(name string) error {
	in := rc.pass("Architectures", "PackageType")
	for k := range functionSettings {
		if rc.Props.has(k) {
			in[k] = rc.Props[k]
		}
	}
	if rc.Props.has("KmsKeyArn") {
		in["KMSKeyArn"] = rc.Props["KmsKeyArn"]
	}
	code, err := rc.functionCode()
	if err != nil {
		return err
	}
	in["FunctionName"], in["Code"], in["Tags"] = name, map[string]any(code), stringMap(rc.tags(rc.Props["Tags"]))
	if _, err := rc.do("lambda", "CreateFunction", in); err != nil {
		return err
	}
	return rc.reserve(name)
}

// reserve brings the function's own concurrency to what the template has.
func (rc *resourceCall) reserve(name string) error {
	op, in := "DeleteFunctionConcurrency", params{"FunctionName": name}
	if rc.Props.has("ReservedConcurrentExecutions") {
		op, in["ReservedConcurrentExecutions"] = "PutFunctionConcurrency", rc.Props.str("ReservedConcurrentExecutions")
	} else if !rc.OldProps.has("ReservedConcurrentExecutions") {
		return nil
	}
	_, err := rc.do("lambda", op, in)
	return err
}

// functionCode is the property Code in the words of the API. Text in the
// template becomes the file index of a package.
func (rc *resourceCall) functionCode() (params, error) {
	code := rc.Props.obj("Code")
	inline := code.str("ZipFile")
	if !code.has("ZipFile") {
		out := params{}
		for k, v := range code {
			out[k] = v
		}
		return out, nil
	}
	runtime, file := rc.Props.str("Runtime"), ""
	switch {
	case strings.HasPrefix(runtime, "python"):
		file = "index.py"
	case strings.HasPrefix(runtime, "nodejs"):
		file = "index.js"
	default:
		return nil, fail("InvalidRequest", "ZipFile can only be used when Runtime is set to either nodejs or python: it is %q", runtime)
	}
	if len(inline) > 4<<20 {
		return nil, fail("InvalidRequest", "ZipFile has %d characters: a template's code has at most 4 MB", len(inline))
	}
	files := map[string]string{file: inline}
	if strings.Contains(inline, "cfnresponse") || strings.Contains(inline, "cfn-response") { // which CloudFormation adds
		files["cfnresponse.py"], files["node_modules/cfn-response/index.js"] = pythonAnswers, nodeAnswers
	}
	var b bytes.Buffer
	var err error
	z := zip.NewWriter(&b)
	for _, name := range sortedKeys(files) {
		w, werr := z.Create(name)
		if werr == nil {
			_, werr = w.Write([]byte(files[name]))
		}
		err = errors.Join(err, werr)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return params{"ZipFile": base64.StdEncoding.EncodeToString(b.Bytes())}, nil
}

// settleFunction makes a function that had to wait for its role, and waits
// until it is active and its change is over.
func settleFunction(rc *resourceCall, verb string) (bool, map[string]any, error) {
	ref := functionRef{Account: rc.Account.ID, Region: rc.Region, Name: rc.PhysicalID}
	if verb == "delete" {
		return true, nil, nil
	}
	f := rc.functionAt(ref)
	switch late := f == nil || f.Latest.Role != rc.Props.str("Role"); {
	case late && rc.roleOnItsWay():
		return false, nil, nil
	case f == nil && verb == "create":
		if err := rc.makeFunction(rc.PhysicalID); err != nil {
			return false, nil, err
		}
	case f != nil && late:
		if err := rc.setFunction(); err != nil {
			return false, nil, err
		}
	}
	out, err := rc.do("lambda", "GetFunctionConfiguration", params{"FunctionName": rc.PhysicalID})
	if err != nil || out["State"] != "Active" || out["LastUpdateStatus"] != "Successful" {
		return false, nil, err
	}
	snap, _ := out["SnapStart"].(obj)
	attrs := map[string]any{"Arn": out["FunctionArn"], "SnapStartResponse": map[string]any(snap), "SnapStartResponse.ApplyOn": snap["ApplyOn"],
		"SnapStartResponse.OptimizationStatus": snap["OptimizationStatus"]}
	rc.noteTags(attrs)
	return true, attrs, nil
}

// setFunction sets the configuration to what the template has, or to Lambda's
// defaults.
func (rc *resourceCall) setFunction() error {
	in := params{"FunctionName": rc.PhysicalID}
	for k, unset := range functionSettings {
		if in[k] = unset; rc.Props.has(k) {
			in[k] = rc.Props[k]
		}
	}
	in["KMSKeyArn"] = rc.Props.str("KmsKeyArn")
	_, err := rc.do("lambda", "UpdateFunctionConfiguration", in)
	return err
}

func updateFunctionResource(rc *resourceCall) (map[string]any, error) {
	if err := rc.refuse(unservedFunctionProperties...); err != nil {
		return nil, err
	}
	changed := func(name string) bool { return !reflect.DeepEqual(rc.Props[name], rc.OldProps[name]) }
	if changed("Code") || changed("Architectures") {
		in, err := rc.functionCode()
		if err != nil {
			return nil, err
		}
		in["FunctionName"], in["Architectures"] = rc.PhysicalID, []any{"x86_64"}
		if rc.Props.has("Architectures") {
			in["Architectures"] = rc.Props["Architectures"]
		}
		if _, err := rc.do("lambda", "UpdateFunctionCode", in); err != nil {
			return nil, err
		}
	}
	if (slices.ContainsFunc(sortedKeys(functionSettings), changed) || changed("KmsKeyArn")) && !rc.roleOnItsWay() {
		if err := rc.setFunction(); err != nil {
			return nil, err
		}
	}
	if changed("ReservedConcurrentExecutions") {
		if err := rc.reserve(rc.PhysicalID); err != nil {
			return nil, err
		}
	}
	return rc.OldAttrs, rc.retagLambda(functionRef{Account: rc.Account.ID, Region: rc.Region, Name: rc.PhysicalID}.arn())
}

// retagLambda brings the tags to what they should be now.
func (rc *resourceCall) retagLambda(arn string) error {
	wanted := rc.tags(rc.Props["Tags"])
	var stale []any
	for _, k := range listOf(rc.OldAttrs[taggedAttribute]) {
		if _, ok := wanted[k]; !ok {
			stale = append(stale, k)
		}
	}
	if len(stale) > 0 {
		if _, err := rc.do("lambda", "UntagResource", params{"Resource": arn, "tagKeys": stale}); err != nil {
			return err
		}
	}
	_, err := rc.do("lambda", "TagResource", params{"Resource": arn, "Tags": stringMap(wanted)})
	return err
}

// permissionProvider adds a statement to a function's policy; Ref gives its id.
func permissionProvider() provider {
	p := provider{
		properties: map[string]property{"Action": required | replaces, "EventSourceToken": replaces, "FunctionName": required | replaces,
			"FunctionUrlAuthType": replaces, "InvokedViaFunctionUrl": replaces, "Principal": required | replaces, "PrincipalOrgID": replaces,
			"SourceAccount": replaces, "SourceArn": replaces},
		attributes: []string{"Id"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass(sortedKeys(p.properties)...)
		in["StatementId"] = rc.generatedName(100)
		_, err := rc.do("lambda", "AddPermission", in)
		if err != nil {
			return "", nil, err
		}
		return in.str("StatementId"), map[string]any{"Id": in.str("StatementId")}, nil
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "RemovePermission", params{"FunctionName": rc.Props.str("FunctionName"), "StatementId": rc.PhysicalID})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}
