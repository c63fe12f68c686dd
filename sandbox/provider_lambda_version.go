package sandbox

import (
	"reflect"
	"strconv"
	"strings"
)

// versionProvider publishes versions; Ref gives the ARN.
func versionProvider() provider {
	p := provider{
		properties: map[string]property{"CodeSha256": replaces, "Description": replaces, "FunctionName": required | replaces, "FunctionScalingConfig": mutable,
			"ProvisionedConcurrencyConfig": mutable, "RuntimePolicy": mutable},
		attributes: []string{"FunctionArn", "Version"},
	}
	unserved := []string{"FunctionScalingConfig", "ProvisionedConcurrencyConfig", "RuntimePolicy"}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse(unserved...); err != nil {
			return "", nil, err
		}
		r, err := rc.readFunction(rc.Props.str("FunctionName"), "")
		if err != nil {
			return "", nil, &resourceError{Service: "lambda", Err: err}
		}
		last := 0
		if f := rc.functionAt(r); f != nil {
			last = f.Last
		}
		out, err := rc.do("lambda", "PublishVersion", rc.pass("CodeSha256", "Description", "FunctionName"))
		if err != nil {
			return "", nil, err
		}
		number := text(out["Version"])
		if n, _ := strconv.Atoi(number); n <= last { // Lambda gives it again; CloudFormation doesn't take it
			return "", nil, &resourceError{Service: "lambda", Err: fail("AlreadyExists", "A version for this Lambda function exists ( %s ). Modify the function to create a new version.", number)}
		}
		arn := text(out["FunctionArn"])
		return arn, map[string]any{"FunctionArn": arn, "Version": number}, nil
	}
	p.settle = func(rc *resourceCall, verb string) (bool, map[string]any, error) {
		if verb == "delete" {
			return true, nil, nil
		}
		out, err := rc.do("lambda", "GetFunctionConfiguration", params{"FunctionName": rc.PhysicalID})
		return err == nil && out["State"] == "Active", map[string]any{"FunctionArn": out["FunctionArn"], "Version": out["Version"]}, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) { return rc.OldAttrs, rc.refuse(unserved...) }
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteFunction", params{"FunctionName": rc.PhysicalID})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// functionAliasProvider makes aliases; Ref gives the ARN.
func functionAliasProvider() provider {
	p := provider{
		properties: map[string]property{"Description": mutable, "FunctionName": required | replaces, "FunctionVersion": required, "Name": required | replaces,
			"ProvisionedConcurrencyConfig": mutable, "RoutingConfig": mutable},
		attributes: []string{"AliasArn"},
		name:       "Name",
	}
	input := func(rc *resourceCall) params {
		in := rc.pass("FunctionName", "FunctionVersion", "Name", "Description")
		weights := map[string]any{}
		for _, w := range rc.Props.obj("RoutingConfig").list("AdditionalVersionWeights") {
			weights[w.str("FunctionVersion")] = w.str("FunctionWeight")
		}
		in["RoutingConfig"] = map[string]any{"AdditionalVersionWeights": weights}
		return in
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse("ProvisionedConcurrencyConfig"); err != nil {
			return "", nil, err
		}
		out, err := rc.do("lambda", "CreateAlias", input(rc))
		if err != nil {
			return "", nil, err
		}
		arn := text(out["AliasArn"])
		return arn, map[string]any{"AliasArn": arn}, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.refuse("ProvisionedConcurrencyConfig"); err != nil {
			return nil, err
		}
		_, err := rc.do("lambda", "UpdateAlias", input(rc))
		return rc.OldAttrs, err
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteAlias", params{"FunctionName": rc.Props.str("FunctionName"), "Name": rc.Props.str("Name")})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// layerVersionProvider publishes layers; Ref gives the version's ARN.
func layerVersionProvider() provider {
	p := provider{
		properties: map[string]property{"CompatibleArchitectures": replaces, "CompatibleRuntimes": replaces, "Content": required | replaces,
			"Description": replaces, "LayerName": replaces, "LicenseInfo": replaces},
		attributes: []string{"LayerVersionArn"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass(sortedKeys(p.properties)...)
		if in.str("LayerName") == "" {
			in["LayerName"] = rc.generatedName(64)
		}
		out, err := rc.do("lambda", "PublishLayerVersion", in)
		if err != nil {
			return "", nil, err
		}
		arn := text(out["LayerVersionArn"])
		return arn, map[string]any{"LayerVersionArn": arn}, nil
	}
	p.remove = func(rc *resourceCall) error {
		layer, number := splitLast(rc.PhysicalID, ":")
		_, err := rc.do("lambda", "DeleteLayerVersion", params{"LayerName": layer, "VersionNumber": number})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// splitLast cuts around the last separator.
func splitLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}

// layerPermissionProvider adds a statement to a layer version's policy.
func layerPermissionProvider() provider {
	p := provider{
		properties: map[string]property{"Action": required | replaces, "LayerVersionArn": required | replaces, "OrganizationId": replaces, "Principal": required | replaces},
		attributes: []string{"Id"},
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		in := rc.pass("Action", "OrganizationId", "Principal")
		in["LayerName"], in["VersionNumber"] = splitTo(rc.Props.str("LayerVersionArn"))
		in["StatementId"] = rc.generatedName(100)
		if _, err := rc.do("lambda", "AddLayerVersionPermission", in); err != nil {
			return "", nil, err
		}
		id := rc.Props.str("LayerVersionArn") + "#" + in.str("StatementId")
		return id, map[string]any{"Id": id}, nil
	}
	p.remove = func(rc *resourceCall) error {
		arn, statement := splitLast(rc.PhysicalID, "#")
		in := params{"StatementId": statement}
		in["LayerName"], in["VersionNumber"] = splitTo(arn)
		_, err := rc.do("lambda", "RemoveLayerVersionPermission", in)
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

func splitTo(arn string) (layer, number any) { return splitLast(arn, ":") }

// eventInvokeProvider says what becomes of a function's asynchronous events.
func eventInvokeProvider() provider {
	p := provider{properties: map[string]property{"DestinationConfig": mutable, "FunctionName": required | replaces, "MaximumEventAgeInSeconds": mutable,
		"MaximumRetryAttempts": mutable, "Qualifier": required | replaces}}
	put := func(rc *resourceCall) error {
		in := rc.pass("FunctionName", "Qualifier", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
		_, err := rc.do("lambda", "PutFunctionEventInvokeConfig", in)
		return err
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		_, err := rc.do("lambda", "GetFunctionEventInvokeConfig", rc.pass("FunctionName", "Qualifier"))
		if err == nil {
			return "", nil, &resourceError{Service: "lambda", Err: fail("AlreadyExists", "EventInvokeConfig already exists for function %s and qualifier %s", rc.Props.str("FunctionName"), rc.Props.str("Qualifier"))}
		}
		if err := put(rc); err != nil {
			return "", nil, err
		}
		return rc.Props.str("FunctionName") + "|" + rc.Props.str("Qualifier"), nil, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if reflect.DeepEqual(rc.Props, rc.OldProps) {
			return nil, nil
		}
		return nil, put(rc)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteFunctionEventInvokeConfig", rc.pass("FunctionName", "Qualifier"))
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}
