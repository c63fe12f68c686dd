package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// functionConfig is what a version runs with.
type functionConfig struct {
	Runtime     string            `json:"runtime"`
	Handler     string            `json:"handler"`
	Role        string            `json:"role"`    // ARN
	Timeout     int               `json:"timeout"` // seconds
	Memory      int               `json:"memory"`  // MB
	Storage     int               `json:"storage"` // MB of /tmp
	Machine     string            `json:"machine"` // x86_64 or arm64
	Environment map[string]string `json:"environment,omitempty"`
	Key         string            `json:"key,omitempty"` // ARN of the KMS key of the environment
	DeadLetter  string            `json:"dead_letter,omitempty"`
	Tracing     string            `json:"tracing"`
	Layers      []string          `json:"layers,omitempty"` // ARNs of versions
	Subnets     []string          `json:"subnets,omitempty"`
	Groups      []string          `json:"groups,omitempty"`
	VPC         string            `json:"vpc,omitempty"`
	LogFormat   string            `json:"log_format,omitempty"`
	LogGroup    string            `json:"log_group,omitempty"`
	SnapStart   string            `json:"snap_start,omitempty"`
}

// lambdaRuntimes are those that functions can be made with, and what runs them
// here: the package's own bootstrap, this machine's python3 or node, or nothing.
var lambdaRuntimes = map[string]string{
	"provided.al2": "bootstrap", "provided.al2023": "bootstrap",
	"python3.9": "python3", "python3.10": "python3", "python3.11": "python3", "python3.12": "python3", "python3.13": "python3", "python3.14": "python3",
	"nodejs18.x": "node", "nodejs20.x": "node", "nodejs22.x": "node", "nodejs24.x": "node",
	"java8.al2": "", "java11": "", "java17": "", "java21": "", "java25": "",
	"dotnet8": "", "dotnet9": "", "dotnet10": "", "ruby3.2": "", "ruby3.3": "", "ruby3.4": "",
}

// oldRuntimes begin the names of those that new functions can't have any more.
var oldRuntimes = late.MustCompile(`^(nodejs([0-9]|1[0246])?(\.|$)|python(2\.7|3\.[678])$|java8$|dotnetcore|dotnet[5-7]$|ruby2|go1\.x$|provided$)`)

// unservedFunctionInputs are refused rather than ignored.
var unservedFunctionInputs = []string{"FileSystemConfigs", "ImageConfig", "CodeSigningConfigArn", "DurableConfig", "CapacityProviderConfig", "TenancyConfig", "PublishTo"}

var (
	environmentName = late.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
	// reservedVariables are set by Lambda.
	reservedVariables = []string{"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
		"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
		"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"}
)

// refuseUnserved refuses what a function would need that the sandbox hasn't.
func (c *call) refuseUnserved() error {
	for _, name := range unservedFunctionInputs {
		switch v := c.In[name].(type) {
		case nil:
		case []any:
			if len(v) > 0 {
				return invalidLambda("The sandbox doesn't serve %s.", name)
			}
		default:
			return invalidLambda("The sandbox doesn't serve %s.", name)
		}
	}
	if c.In.or("PackageType", "Zip") != "Zip" || c.In.obj("Code").has("ImageUri") || c.In.has("ImageUri") {
		return invalidLambda("The sandbox runs no container images: give the function as a zip (PackageType Zip).")
	}
	return nil
}

// configure sets what the input gives and checks the whole.
func (c *call) configure(v *functionVersion) error {
	if err := c.refuseUnserved(); err != nil {
		return err
	}
	cfg := &v.functionConfig
	for field, to := range map[string]*string{"Runtime": &cfg.Runtime, "Handler": &cfg.Handler, "Role": &cfg.Role, "Description": &v.Description, "KMSKeyArn": &cfg.Key} {
		if c.In.has(field) {
			*to = c.In.str(field)
		}
	}
	cfg.Timeout, cfg.Memory = c.In.int("Timeout", cfg.Timeout), c.In.int("MemorySize", cfg.Memory)
	if c.In.has("EphemeralStorage") {
		cfg.Storage = c.In.obj("EphemeralStorage").int("Size", cfg.Storage)
	}
	if c.In.has("Environment") {
		cfg.Environment = c.In.obj("Environment").strMap("Variables")
	}
	if c.In.has("TracingConfig") {
		cfg.Tracing = c.In.obj("TracingConfig").or("Mode", "PassThrough")
	}
	if c.In.has("SnapStart") {
		cfg.SnapStart = c.In.obj("SnapStart").or("ApplyOn", "None")
	}
	if c.In.has("LoggingConfig") {
		cfg.LogFormat, cfg.LogGroup = c.In.obj("LoggingConfig").or("LogFormat", "Text"), c.In.obj("LoggingConfig").str("LogGroup")
	}
	if err := cfg.check(v.Description); err != nil {
		return err
	}
	if c.In.has("Layers") {
		cfg.Layers = c.In.strs("Layers")
		if err := c.checkLayers(cfg.Layers); err != nil {
			return err
		}
	}
	if c.In.has("Role") {
		if err := c.checkFunctionRole(cfg.Role); err != nil {
			return err
		}
	}
	if c.In.has("DeadLetterConfig") {
		cfg.DeadLetter = c.In.obj("DeadLetterConfig").str("TargetArn")
		if err := c.checkDestination(cfg.Role, cfg.DeadLetter); err != nil {
			return err
		}
	}
	if c.In.has("VpcConfig") {
		return c.connect(cfg)
	}
	return nil
}

// check holds the values against Lambda's limits.
func (cfg *functionConfig) check(description string) error {
	_, known := lambdaRuntimes[cfg.Runtime]
	switch {
	case cfg.Runtime == "" || cfg.Handler == "":
		return invalidLambda("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	case oldRuntimes.MatchString(cfg.Runtime):
		return invalidLambda("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", cfg.Runtime)
	case !known:
		return invalidLambda("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", cfg.Runtime, strings.Join(sortedKeys(lambdaRuntimes), ", "))
	case cfg.Timeout < 1 || cfg.Timeout > 900:
		return breaks(text(cfg.Timeout), "timeout", "Member must have value between 1 and 900")
	case cfg.Memory < 128 || cfg.Memory > 10240:
		return breaks(text(cfg.Memory), "memorySize", "Member must have value between 128 and 10240")
	case cfg.Storage < 512 || cfg.Storage > 10240:
		return breaks(text(cfg.Storage), "ephemeralStorage.size", "Member must have value between 512 and 10240")
	case len(description) > 256:
		return breaks(description, "description", "Member must have length less than or equal to 256")
	case !slices.Contains([]string{"Active", "PassThrough"}, cfg.Tracing):
		return breaks(cfg.Tracing, "tracingConfig.mode", "Member must satisfy enum value set: [Active, PassThrough]")
	case !slices.Contains([]string{"", "None", "PublishedVersions"}, cfg.SnapStart):
		return breaks(cfg.SnapStart, "snapStart.applyOn", "Member must satisfy enum value set: [PublishedVersions, None]")
	case !slices.Contains([]string{"", "Text", "JSON"}, cfg.LogFormat):
		return breaks(cfg.LogFormat, "loggingConfig.logFormat", "Member must satisfy enum value set: [JSON, Text]")
	case cfg.Machine != "x86_64" && cfg.Machine != "arm64":
		return breaks("["+cfg.Machine+"]", "architectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]")
	}
	return cfg.checkEnvironment()
}

func (cfg *functionConfig) checkEnvironment() error {
	size := 0
	var reserved []string
	for _, name := range sortedKeys(cfg.Environment) {
		if !environmentName.MatchString(name) {
			return breaks("{"+name+"=***}", "environment.variables", `Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]`)
		}
		if slices.Contains(reservedVariables, name) {
			reserved = append(reserved, name)
		}
		size += len(name) + len(cfg.Environment[name]) + 6 // quotes, colon and comma of its JSON
	}
	if len(reserved) > 0 {
		return invalidLambda("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if size > 4096 {
		return invalidLambda("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %d bytes", size)
	}
	return nil
}

// checkFunctionRole refuses a role that the caller may not pass, or that
// Lambda may not assume.
func (c *call) checkFunctionRole(arn string) error {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return breaks(arn, "role", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	}
	if m[1] != c.Account.ID {
		return refuse(services["lambda"], accessDenied, "Cross-account pass role is not allowed.")
	}
	if err := c.mayPass(arn, "lambda.amazonaws.com"); err != nil {
		return err
	}
	if !c.lambdaTrusted(c.Account, arn) {
		return invalidLambda("The role defined for the function cannot be assumed by Lambda.")
	}
	return nil
}

// lambdaTrusted says whether the account has such a role, and its trust policy
// lets Lambda in.
func (s *Sandbox) lambdaTrusted(a *account, arn string) bool {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil || a == nil || a.ID != m[1] {
		return false
	}
	r := a.IAM.Roles[m[3]]
	if r == nil || r.ARN != arn {
		return false
	}
	trust, seen := r.trustAt(s.now())
	if !seen {
		return false
	}
	as := &call{Sandbox: s, Service: "sts", Region: "us-east-1", Account: a, In: params{}, Who: &identity{Account: a.ID, ARN: "lambda.amazonaws.com", Type: "service"}}
	d, _ := as.decide(access{Action: "sts:AssumeRole", Resource: r.ARN, Owner: a.ID, Policy: trust})
	return d.Allowed()
}

// asFunction is a call as the function's role, for what Lambda does with it.
func (s *Sandbox) asFunction(role, session, service, region string) (*call, error) {
	m := roleARN.FindStringSubmatch(role)
	if m == nil || !s.lambdaTrusted(s.account(m[1]), role) {
		return nil, refuse(services["lambda"], accessDenied, "The role defined for the function cannot be assumed by Lambda.")
	}
	r := s.account(m[1]).IAM.Roles[m[3]]
	return s.callAs(identity{Account: m[1], Type: "role", Role: r.Name, UserID: r.ID + ":" + session,
		ARN: "arn:aws:sts::" + m[1] + ":assumed-role/" + r.Name + "/" + session}, service, region), nil
}

// checkDestination refuses a queue or topic that the role may not send to.
func (c *call) checkDestination(role, target string) error {
	if target == "" {
		return nil
	}
	parts := strings.SplitN(target, ":", 6)
	actions := map[string]string{"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}
	words := map[string]string{"sqs": "SendMessage on SQS", "sns": "Publish on SNS", "lambda": "InvokeFunction on Lambda"}
	if len(parts) < 6 || actions[parts[2]] == "" {
		return invalidLambda("The sandbox sends failed events to SQS queues, SNS topics and functions, not to %s.", target)
	}
	as, err := c.asFunction(role, "lambda", parts[2], c.Region)
	if err != nil {
		return err
	}
	a := access{Action: actions[parts[2]], Resource: target, Owner: parts[4]}
	if q := c.queueByARN(target); q != nil {
		a.Policy = c.bound(c.effective(q)["Policy"], q.Bound)
	}
	if t := as.topicAt(target); t != nil {
		a.Policy = c.bound(t.policy(), t.Bound)
	}
	if as.check(a) != nil {
		return invalidLambda("The provided execution role does not have permissions to call %s", words[parts[2]])
	}
	return nil
}

// connect puts the function into subnets, which the role must be able to make
// interfaces in. They carry no packets here.
func (c *call) connect(cfg *functionConfig) error {
	spec := c.In.obj("VpcConfig")
	cfg.Subnets, cfg.Groups, cfg.VPC = spec.strs("SubnetIds"), spec.strs("SecurityGroupIds"), ""
	if len(cfg.Subnets) == 0 && len(cfg.Groups) == 0 {
		return nil
	}
	if len(cfg.Subnets) == 0 || len(cfg.Groups) == 0 {
		return invalidLambda("SubnetIds and SecurityIds must coexist or be both empty list.")
	}
	as, err := c.asFunction(cfg.Role, "lambda", "lambda", c.Region)
	if err != nil {
		return err
	}
	for _, op := range []string{"CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"} {
		if as.check(access{Action: "ec2:" + op}) != nil {
			return invalidLambda("The provided execution role does not have permissions to call %s on EC2", op)
		}
	}
	for _, id := range cfg.Subnets {
		s := c.here().EC2.Subnets[id]
		if s == nil {
			return invalidLambda("Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '%s' does not exist", id)
		}
		if cfg.VPC != "" && cfg.VPC != s.VPC {
			return invalidLambda("Network interfaces and the instance are not in the same VPC: the subnets are of several.")
		}
		cfg.VPC = s.VPC
	}
	for _, id := range cfg.Groups {
		if c.here().EC2.Groups[id] == nil {
			return invalidLambda("Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '%s' does not exist", id)
		}
	}
	return nil
}

// state is the version's: Pending, then Active.
func (v *functionVersion) state(now time.Time) string {
	if now.Before(v.Pending) {
		return "Pending"
	}
	return "Active"
}

// ready refuses to change or run a version that is on its way.
func (v *functionVersion) ready(now time.Time, f *lambdaFunction) error {
	conflict := &apiError{Status: 409, Code: "ResourceConflictException"}
	switch {
	case now.Before(v.Pending):
		conflict.Message = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
	case now.Before(v.Updating):
		conflict.Message = "The operation cannot be performed at this time. An update is in progress for resource: " + f.arn()
	default:
		return nil
	}
	return conflict
}

// shown is a version as Lambda describes it. qualifier is the one that it was
// asked by, which its ARN then has.
func (v *functionVersion) shown(c *call, f *lambdaFunction, qualifier string) obj {
	now := c.now()
	out := obj{"FunctionName": f.Name, "FunctionArn": f.arn(), "Runtime": v.Runtime, "Role": v.Role, "Handler": v.Handler,
		"CodeSize": len(v.Code), "CodeSha256": codeDigest(v.Code), "Description": v.Description, "Timeout": v.Timeout, "MemorySize": v.Memory,
		"LastModified": v.Modified.Format("2006-01-02T15:04:05.000+0000"), "Version": v.Version, "RevisionId": v.Revision, "PackageType": "Zip",
		"Architectures": []string{v.Machine}, "EphemeralStorage": obj{"Size": v.Storage}, "TracingConfig": obj{"Mode": v.Tracing},
		"State": v.state(now), "LastUpdateStatus": "Successful", "SnapStart": obj{"ApplyOn": "None", "OptimizationStatus": "Off"},
		"RuntimeVersionConfig": obj{"RuntimeVersionArn": "arn:aws:lambda:" + f.Region + "::runtime:" + digestOf(v.Runtime)},
		"LoggingConfig":        obj{"LogFormat": "Text", "LogGroup": "/aws/lambda/" + f.Name}}
	if qualifier != "" {
		out["FunctionArn"] = f.arn() + ":" + qualifier
	}
	switch {
	case now.Before(v.Pending):
		out["StateReason"], out["StateReasonCode"], out["LastUpdateStatus"] = "The function is being created.", "Creating", nil
	case now.Before(v.Updating):
		out["LastUpdateStatus"], out["LastUpdateStatusReason"] = "InProgress", "The function is being updated."
	}
	v.decorate(out, c)
	return out
}

// decorate adds what is shown only when it is set.
func (v *functionVersion) decorate(out obj, c *call) {
	if len(v.Environment) > 0 {
		out["Environment"] = obj{"Variables": maps.Clone(v.Environment)}
	}
	if v.Key != "" {
		out["KMSKeyArn"] = v.Key
	}
	if v.DeadLetter != "" {
		out["DeadLetterConfig"] = obj{"TargetArn": v.DeadLetter}
	}
	if v.VPC != "" {
		out["VpcConfig"] = obj{"SubnetIds": v.Subnets, "SecurityGroupIds": v.Groups, "VpcId": v.VPC, "Ipv6AllowedForDualStack": false}
	}
	if v.SnapStart == "PublishedVersions" {
		out["SnapStart"] = obj{"ApplyOn": v.SnapStart, "OptimizationStatus": "Off"}
	}
	if v.LogFormat == "JSON" {
		out["LoggingConfig"].(obj)["LogFormat"] = "JSON"
		out["LoggingConfig"].(obj)["ApplicationLogLevel"], out["LoggingConfig"].(obj)["SystemLogLevel"] = "INFO", "INFO"
	}
	if v.LogGroup != "" {
		out["LoggingConfig"].(obj)["LogGroup"] = v.LogGroup
	}
	var layers []obj
	for _, arn := range v.Layers {
		layers = append(layers, obj{"Arn": arn, "CodeSize": c.layerSize(arn)})
	}
	if layers != nil {
		out["Layers"] = layers
	}
}
