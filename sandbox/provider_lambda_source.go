package sandbox

import "slices"

// mappingProperties are the properties of a mapping that are the API's own;
// all can change.
var mappingProperties = []string{"BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "Enabled", "FilterCriteria", "FunctionResponseTypes",
	"MaximumBatchingWindowInSeconds", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor", "ScalingConfig", "TumblingWindowInSeconds"}

// unservedMappingProperties are those that the sandbox refuses to pretend.
var unservedMappingProperties = []string{"AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "KmsKeyArn", "LoggingConfig", "MetricsConfig",
	"ProvisionedPollerConfig", "Queues", "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations", "StartingPositionTimestamp", "Topics"}

// mappingProvider has functions read queues and streams; Ref gives the UUID.
func mappingProvider() provider {
	p := provider{
		properties: map[string]property{"EventSourceArn": replaces, "FunctionName": required, "StartingPosition": replaces, "Tags": mutable},
		attributes: []string{"EventSourceMappingArn", "Id"},
		tags:       "Tags",
	}
	for _, name := range slices.Concat(mappingProperties, unservedMappingProperties) {
		p.properties[name] = mutable
	}
	attributes := func(rc *resourceCall, out obj) map[string]any {
		attrs := map[string]any{"Id": out["UUID"], "EventSourceMappingArn": out["EventSourceMappingArn"]}
		rc.noteTags(attrs)
		return attrs
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuse(unservedMappingProperties...); err != nil {
			return "", nil, err
		}
		in := rc.pass(append(mappingProperties, "EventSourceArn", "FunctionName", "StartingPosition")...)
		in["Tags"] = stringMap(rc.tags(rc.Props["Tags"]))
		out, err := rc.do("lambda", "CreateEventSourceMapping", in)
		if err != nil {
			return "", nil, err
		}
		return text(out["UUID"]), attributes(rc, out), nil
	}
	p.settle = func(rc *resourceCall, verb string) (bool, map[string]any, error) {
		out, err := rc.do("lambda", "GetEventSourceMapping", params{"UUID": rc.PhysicalID})
		if verb == "delete" {
			return err != nil, nil, tolerate(err, "ResourceNotFoundException")
		}
		if err != nil {
			return false, nil, err
		}
		return out["State"] == "Enabled" || out["State"] == "Disabled", attributes(rc, out), nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.refuse(unservedMappingProperties...); err != nil {
			return nil, err
		}
		in := rc.pass(append(mappingProperties, "FunctionName")...)
		unset := map[string]any{"BatchSize": "10", "Enabled": "true", "FilterCriteria": map[string]any{}, "FunctionResponseTypes": []any{}, "MaximumBatchingWindowInSeconds": "0",
			"MaximumRecordAgeInSeconds": "-1", "MaximumRetryAttempts": "-1", "ParallelizationFactor": "1", "ScalingConfig": map[string]any{}, "BisectBatchOnFunctionError": "false"}
		for name, v := range unset {
			if rc.OldProps.has(name) && !rc.Props.has(name) {
				in[name] = v
			}
		}
		in["UUID"] = rc.PhysicalID
		out, err := rc.do("lambda", "UpdateEventSourceMapping", in)
		if err != nil {
			return nil, err
		}
		return attributes(rc, out), rc.retagLambda(text(out["EventSourceMappingArn"]))
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteEventSourceMapping", params{"UUID": rc.PhysicalID})
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}

// urlProvider gives functions addresses; Ref gives the function's ARN.
func urlProvider() provider {
	p := provider{
		properties: map[string]property{"AuthType": required, "Cors": mutable, "InvokeMode": mutable, "Qualifier": replaces, "TargetFunctionArn": required | replaces},
		attributes: []string{"FunctionArn", "FunctionUrl"},
	}
	input := func(rc *resourceCall) params {
		in := rc.pass("AuthType", "Cors", "InvokeMode", "Qualifier")
		in["FunctionName"] = rc.Props.str("TargetFunctionArn")
		return in
	}
	set := func(rc *resourceCall, op string, in params) (map[string]any, error) {
		out, err := rc.do("lambda", op, in)
		return map[string]any{"FunctionArn": out["FunctionArn"], "FunctionUrl": out["FunctionUrl"]}, err
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		attrs, err := set(rc, "CreateFunctionUrlConfig", input(rc))
		if err != nil {
			return "", nil, err
		}
		return text(attrs["FunctionArn"]), attrs, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		in := input(rc)
		if !rc.Props.has("Cors") {
			in["Cors"] = map[string]any{}
		}
		return set(rc, "UpdateFunctionUrlConfig", in)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("lambda", "DeleteFunctionUrlConfig", input(rc))
		return tolerate(err, "ResourceNotFoundException")
	}
	return p
}
