package sam

import (
	"slices"
	"strings"
)

// globalProperties are those that Globals may give, by section.
var globalProperties = map[string][]string{
	"Function": {"Handler", "Runtime", "CodeUri", "DeadLetterQueue", "Description", "MemorySize", "Timeout", "VpcConfig", "Environment", "Tags",
		"PropagateTags", "Tracing", "KmsKeyArn", "AutoPublishAlias", "AutoPublishAliasAllProperties", "Layers", "DeploymentPreference", "RolePath",
		"PermissionsBoundary", "ReservedConcurrentExecutions", "ProvisionedConcurrencyConfig", "AssumeRolePolicyDocument", "EventInvokeConfig",
		"FileSystemConfigs", "CodeSigningConfigArn", "Architectures", "SnapStart", "EphemeralStorage", "FunctionUrlConfig", "RuntimeManagementConfig",
		"LoggingConfig", "RecursiveLoop", "SourceKMSKeyArn", "TenancyConfig", "DurableConfig", "CapacityProviderConfig", "FunctionScalingConfig",
		"PublishToLatestPublished", "VersionDeletionPolicy"},
	"Api": {"Auth", "Name", "DefinitionUri", "CacheClusterEnabled", "CacheClusterSize", "MergeDefinitions", "Variables", "EndpointConfiguration",
		"MethodSettings", "BinaryMediaTypes", "MinimumCompressionSize", "Cors", "GatewayResponses", "AccessLogSetting", "CanarySetting",
		"TracingEnabled", "OpenApiVersion", "Domain", "AlwaysDeploy", "PropagateTags", "SecurityPolicy", "EndpointAccessMode"},
	"HttpApi": {"Auth", "AccessLogSettings", "StageVariables", "Tags", "CorsConfiguration", "DefaultRouteSettings", "Domain", "RouteSettings",
		"FailOnWarnings", "PropagateTags"},
	"SimpleTable":  {"SSESpecification"},
	"LayerVersion": {"PublishLambdaVersion"},
	"StateMachine": {"PropagateTags"},
}

// applyGlobals merges the Globals section into the resources.
func (t *transform) applyGlobals() error {
	if !t.template.has("Globals") {
		return nil
	}
	sections := t.template.dict("Globals")
	if sections == nil {
		return &problem{text: "'Globals' section is invalid. It must be a non-empty dictionary"}
	}
	for _, name := range sections.names() {
		known, ok := globalProperties[name]
		if !ok {
			return &problem{text: "'Globals' section is invalid. '" + name + "' is not supported. Must be one of the following values - " +
				pythonList(sortedKeys(globalProperties))}
		}
		properties := sections.dict(name)
		if properties == nil {
			return &problem{text: "'Globals' section is invalid. Value of ${section} must be a dictionary"}
		}
		for _, key := range properties.names() {
			if !slices.Contains(known, key) {
				return &problem{text: "'Globals' section is invalid. '" + key + "' is not a supported property of '" + name +
					"'. Must be one of the following values - " + pythonList(known)}
			}
		}
	}
	for _, id := range t.resources().names() {
		r := t.resources().dict(id)
		section, ours := strings.CutPrefix(r.text("Type"), prefix)
		if !ours || !sections.has(section) {
			continue
		}
		global, err := heeded(id, sections.dict(section), r.get("IgnoreGlobals"))
		if err != nil {
			return err
		}
		own := r.dict("Properties")
		if own == nil {
			own = NewDict()
		}
		joined := asDict(merged(global, own))
		if own.has("Architectures") { // a list that replaces, as a function has one
			joined.Set("Architectures", own.get("Architectures"))
		}
		r.Set("Properties", joined)
	}
	t.template.drop("Globals")
	return nil
}

// heeded are the global properties that a resource doesn't ignore.
func heeded(id string, global *Dict, ignored any) (*Dict, error) {
	if !truthy(ignored) {
		return global, nil
	}
	if ignored == "*" {
		return NewDict(), nil
	}
	list, ok := ignored.([]any)
	if !ok {
		return nil, badResource(id, "Resource %s has invalid resource attribute 'IgnoreGlobals'.", id)
	}
	global = asDict(clone(global))
	for _, e := range list {
		key, _ := e.(string)
		if !global.has(key) {
			return nil, badResource(id, "Resource %s has invalid resource attribute 'IgnoreGlobals' on item '%s'.", id, key)
		}
		global.drop(key)
	}
	return global, nil
}

// merged joins a global and a local value: maps by their keys, lists one after
// the other; anything else is the local value.
func merged(global, local any) any {
	switch g := global.(type) {
	case *Dict:
		l := asDict(local)
		if l == nil || isIntrinsic(g) || isIntrinsic(l) {
			return local
		}
		out := g.shallow()
		for _, k := range l.names() {
			switch {
			case out.has(k):
				out.Set(k, merged(out.get(k), l.get(k)))
			case l.ours[k]:
				out.own(k, l.get(k))
			default:
				out.Set(k, l.get(k))
			}
		}
		return out
	case []any:
		if l, ok := local.([]any); ok {
			return append(slices.Clone(g), l...)
		}
	}
	return local
}
