package sam

import (
	"encoding/json"
	"slices"
	"strings"
)

const prefix = "AWS::Serverless::"

// The properties of resources and events. Behind a name: what it may be (s text,
// d map, l list, b boolean, i whole number, nothing: anything), "e" a list of
// texts and maps, "m" a map of maps; "!" must be there, "=" not by a function.
var schemas = map[string]string{
	prefix + "Function": `FunctionName:sd Handler Runtime CodeUri ImageUri PackageType InlineCode DeadLetterQueue:d Description MemorySize Timeout
 VpcConfig Role:s AssumeRolePolicyDocument:d Policies:sde RolePath PermissionsBoundary:s Environment:m Events:m Tags:d PropagateTags:b Tracing:sd
 KmsKeyArn DeploymentPreference:d ReservedConcurrentExecutions Layers:e EventInvokeConfig:d EphemeralStorage AutoPublishAlias:s AutoPublishCodeSha256:s
 AutoPublishAliasAllProperties:b= VersionDescription ProvisionedConcurrencyConfig FileSystemConfigs ImageConfig CodeSigningConfigArn Architectures
 SnapStart:d FunctionUrlConfig:d RuntimeManagementConfig LoggingConfig RecursiveLoop SourceKMSKeyArn CapacityProviderConfig:d FunctionScalingConfig:d
 VersionDeletionPolicy:s PublishToLatestPublished TenancyConfig DurableConfig:d`,
	prefix + "Api": `__MANAGE_SWAGGER:b Name:sd StageName:sd! Tags:d PropagateTags:b DefinitionBody:d DefinitionUri:sd MergeDefinitions:b=
 CacheClusterEnabled:b CacheClusterSize:s Variables:d EndpointConfiguration:sd MethodSettings:l BinaryMediaTypes:l MinimumCompressionSize:i Cors:sd
 Auth:d GatewayResponses:d AccessLogSetting:d CanarySetting:d TracingEnabled:b OpenApiVersion:s Models:d Domain:d FailOnWarnings:b Description:s
 Mode:s DisableExecuteApiEndpoint:b ApiKeySourceType:s AlwaysDeploy:b= Policy:sd SecurityPolicy:s EndpointAccessMode:s`,
	prefix + "HttpApi": `__MANAGE_SWAGGER:b Name StageName:sd Tags:d PropagateTags:b DefinitionBody:d DefinitionUri:sd StageVariables:d
 CorsConfiguration:bd AccessLogSettings:d DefaultRouteSettings:d Auth:d RouteSettings:d Domain:d FailOnWarnings:b Description:s DisableExecuteApiEndpoint:b`,
	prefix + "Application": `Location:sd! TemplateUrl:s Parameters:d NotificationARNs:e Tags:d TimeoutInMinutes:i`,
	prefix + "SimpleTable": `PointInTimeRecoverySpecification PrimaryKey:d ProvisionedThroughput:d TableName:sd Tags:d SSESpecification:d`,
	prefix + "LayerVersion": `LayerName:sd Description:s PublishLambdaVersion:b ContentUri:sd! CompatibleArchitectures:e CompatibleRuntimes:e
 LicenseInfo:s RetentionPolicy:s`,

	"Api":             `Path:s! Method:s! RestApiId:s! Stage:s Auth:d RequestModel:d RequestParameters:l TimeoutInMillis:i ResponseTransferMode:s`,
	"HttpApi":         `Path:s Method:s ApiId:s Stage:s Auth:d TimeoutInMillis:i RouteSettings:d PayloadFormatVersion:s`,
	"Schedule":        `Schedule:s! RuleName:s Input:s Enabled:b State:s Name:s Description:s DeadLetterConfig:d RetryPolicy:d`,
	"CloudWatchEvent": ruleProperties,
	"EventBridgeRule": ruleProperties,
	"S3":              `Bucket:s! Events:sl!= Filter:d`,
	"SNS":             `Topic:s! Region:s FilterPolicy FilterPolicyScope SqsSubscription:bd RedrivePolicy:d`,
	"CloudWatchLogs":  `LogGroupName:s! FilterPattern:s!`,
	"SQS":             pullProperties + ` Queue!`,
	"DynamoDB":        pullProperties + ` Stream! StartingPosition!`,
	"Kinesis":         pullProperties + ` Stream! StartingPosition!`,
	"ScheduleV2": `PermissionsBoundary:s ScheduleExpression:s! FlexibleTimeWindow:d Name:s State:s Description:s StartDate:s EndDate:s
 ScheduleExpressionTimezone:s GroupName:s KmsKeyArn:s Input:s RoleArn:s DeadLetterConfig:d RetryPolicy:d OmitName:b=`,
}

const (
	ruleProperties = `EventBusName:s RuleName:s Pattern:d DeadLetterConfig:d RetryPolicy:d Input:s InputPath:s Target:d Enabled:b State:s InputTransformer:d`
	pullProperties = `BatchSize:i StartingPosition StartingPositionTimestamp Enabled:b MaximumBatchingWindowInSeconds:i MaximumRetryAttempts:i
 BisectBatchOnFunctionError:b MaximumRecordAgeInSeconds:i DestinationConfig:d ParallelizationFactor:i Topics:l Queues:l SourceAccessConfigurations:l
 SecretsManagerKmsKeyId:s TumblingWindowInSeconds:i FunctionResponseTypes:l KafkaBootstrapServers:l FilterCriteria:d KmsKeyArn ConsumerGroupId:s
 ScalingConfig:d ProvisionedPollerConfig:d SchemaRegistryConfig:d MetricsConfig:d LoggingConfig:d`
)

// unknownHere are properties of SAM that this version of the sandbox doesn't
// know, by type.
var unknownHere = map[string][]string{
	prefix + "Function": {"CapacityProviderConfig", "FunctionScalingConfig", "TenancyConfig", "DurableConfig", "ImageUri", "ImageConfig"},
	prefix + "Api":      {"Domain", "AlwaysDeploy", "MergeDefinitions"},
	prefix + "HttpApi":  {"Domain"},
}

// checkProperties holds properties against the schema of their type.
func checkProperties(id, typ string, d *Dict) error {
	if d == nil {
		d = NewDict()
	}
	known := map[string]string{}
	var names []string
	for _, field := range strings.Fields(schemas[typ]) {
		name, kinds, _ := strings.Cut(field, ":")
		if bare, must := strings.CutSuffix(name, "!"); must {
			name, kinds = bare, "!"
		}
		if _, again := known[name]; !again {
			names = append(names, name)
		}
		known[name] = kinds
	}
	for _, name := range d.names() {
		if _, ok := known[name]; !ok {
			return badResource(id, "property %s not defined for resource of type %s", name, typ)
		}
	}
	for _, name := range names {
		v, kinds := d.get(name), known[name]
		switch {
		case v == nil && strings.Contains(kinds, "!"):
			return badResource(id, "Missing required property '%s'.", name)
		case v == nil || strings.Trim(kinds, "!") == "" || isIntrinsic(v) && !strings.Contains(kinds, "="):
		case !fits(v, kinds):
			return badResource(id, "%s", wrongType(name, kinds))
		}
	}
	for _, name := range unknownHere[typ] {
		if d.get(name) != nil {
			return badResource(id, "Property '%s' of %s is not supported by this version of the sandbox.", name, typ)
		}
	}
	return nil
}

func fits(v any, kinds string) bool {
	switch x := v.(type) {
	case string, word:
		return strings.Contains(kinds, "s")
	case bool:
		return strings.ContainsAny(kinds, "bi")
	case json.Number:
		return strings.Contains(kinds, "i") && !strings.ContainsAny(x.String(), ".eE")
	case []any:
		return strings.Contains(kinds, "l") || strings.Contains(kinds, "e") && !slices.ContainsFunc(x, func(e any) bool {
			_, isText := textOf(e)
			return !isText && asDict(e) == nil
		})
	case *Dict:
		if strings.Contains(kinds, "m") {
			for _, k := range x.names() {
				if asDict(x.get(k)) == nil {
					return false
				}
			}
			return true
		}
		return strings.Contains(kinds, "d")
	}
	return false
}

func wrongType(name, kinds string) string {
	switch strings.Trim(kinds, "!=") {
	case "d":
		return "Property '" + name + "' should be a map."
	case "l":
		return "Property '" + name + "' should be a list."
	case "s":
		return "Property '" + name + "' should be a string."
	case "i":
		return "Property '" + name + "' should be a integer."
	case "b":
		return "Property '" + name + "' should be a boolean."
	}
	return "Type of property '" + name + "' is invalid."
}
