package sam

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"axle/internal/late"
)

var (
	aliasName        = late.MustCompile(`^[a-zA-Z0-9\-_]+$`)
	onlyDigits       = late.MustCompile(`^[0-9]+$`)
	dynamicReference = late.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):[a-zA-Z0-9_.\-/]+(:\d+)?\}\}`)
)

// function is an AWS::Serverless::Function under way.
type function struct {
	*macro
	lambda, role *resource
	alias        *resource // if it publishes one
	made         []*resource
}

// arn and name are how other resources name the function, or its alias.
func (f *function) arn() any {
	if f.alias != nil {
		return ref(f.alias.id)
	}
	return getAtt(f.id, "Arn")
}

func (f *function) name() any {
	if f.alias != nil {
		return ref(f.alias.id)
	}
	return ref(f.id)
}

func (m *macro) function() ([]*resource, error) {
	f := &function{macro: m}
	if err := m.nameBehind(); err != nil {
		return nil, err
	}
	if err := f.construct(); err != nil {
		return nil, err
	}
	if err := f.publish(); err != nil {
		return nil, err
	}
	if err := f.functionURL(); err != nil {
		return nil, err
	}
	invoked, err := f.eventInvoke()
	if err != nil {
		return nil, err
	}
	if err := f.executionRole(invoked); err != nil {
		return nil, err
	}
	if err := f.events(); err != nil {
		return nil, inFunction(f.id, err)
	}
	m.propagate(f.made, m.props.get("PropagateTags"))
	return f.made, nil
}

// construct makes the Lambda function itself.
func (f *function) construct() error {
	if err := f.checkDeadLetters(); err != nil {
		return err
	}
	p := f.props
	code, err := f.code()
	if err != nil {
		return err
	}
	out := made("Code", code)
	copyProps(out, p, "Description", "Handler", "MemorySize", "PackageType", "Role", "Runtime", "Timeout", "VpcConfig", "Environment", "KmsKeyArn",
		"ReservedConcurrentExecutions", "Layers", "FileSystemConfigs", "Architectures", "SnapStart", "EphemeralStorage", "CodeSigningConfigArn",
		"RuntimeManagementConfig", "LoggingConfig", "RecursiveLoop", "PublishToLatestPublished")
	if err := f.checkDeployment(); err != nil {
		return err
	}
	if truthy(p.get("FunctionName")) {
		out.Set("FunctionName", p.get("FunctionName"))
	}
	tags, err := f.createdTags()
	if err != nil {
		return err
	}
	out.Set("Tags", tags)
	traced, err := f.traced()
	if err != nil {
		return err
	}
	if traced {
		out.Set("TracingConfig", made("Mode", p.get("Tracing")))
	}
	if q := p.dict("DeadLetterQueue"); q.len() > 0 {
		out.Set("DeadLetterConfig", made("TargetArn", q.get("TargetArn")))
	}
	if !truthy(p.get("Runtime")) || !truthy(p.get("Handler")) {
		return badResource(f.id, "Runtime and Handler needs to be present when PackageType is of type `Zip`")
	}
	f.lambda = &resource{id: f.id, typ: "AWS::Lambda::Function", dependsOn: f.source.get("DependsOn"), attributes: f.attributes, props: out}
	f.made = append(f.made, f.lambda)
	return nil
}

func (f *function) traced() (bool, error) {
	mode, err := f.resolved(f.props.get("Tracing"))
	return truthy(f.props.get("Tracing")) && mode != "Disabled", err
}

// code is where the function's code is.
func (f *function) code() (*Dict, error) {
	p := f.props
	switch kind := p.get("PackageType"); {
	case kind == "Image":
		return nil, badResource(f.id, "PackageType Image is not supported by this version of the sandbox.")
	case truthy(kind) && kind != "Zip":
		return nil, badResource(f.id, "invalid 'PackageType' : %s", strings.Trim(oldText(kind), "u'"))
	case p.get("InlineCode") == nil && p.get("CodeUri") == nil:
		return nil, badResource(f.id, "Only one of 'InlineCode' or 'CodeUri' can be set.")
	}
	out := made("ZipFile", p.get("InlineCode"))
	if p.get("InlineCode") == nil {
		var err error
		if out, err = s3Location(f.id, "CodeUri", p.get("CodeUri")); err != nil {
			return nil, err
		}
	}
	if truthy(p.get("SourceKMSKeyArn")) {
		out.Set("SourceKMSKeyArn", p.get("SourceKMSKeyArn"))
	}
	return out, nil
}

// s3Location reads a place in S3: a map or a URI.
func s3Location(id, property string, v any) (*Dict, error) {
	var bucket, key, version, mode any
	switch x := v.(type) {
	case *Dict:
		bucket, key, version, mode = x.get("Bucket"), x.get("Key"), x.get("Version"), x.get("StorageMode")
		if !truthy(bucket) || !truthy(key) {
			return nil, badResource(id, "'%s' requires Bucket and Key properties to be specified.", property)
		}
	case string:
		if strings.Contains(dynamicReference.FindString(x), "/") {
			return nil, badResource(id, "Unsupported dynamic reference detected in '%s'. Please consider using alternative 'FunctionCode' object format.", property)
		}
		parts := s3URI(x)
		if parts == nil {
			return nil, badResource(id, "'%s' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.", property)
		}
		bucket, key = parts[0], parts[1]
		if len(parts) > 2 {
			version = parts[2]
		}
	default:
		return nil, badResource(id, "'%s' must be of type dict or string.", property)
	}
	out := made("S3Bucket", bucket, "S3Key", key)
	out.set("S3ObjectVersion", version)
	out.set("S3ObjectStorageMode", mode)
	return out, nil
}

// s3URI is bucket, key and perhaps version of s3://bucket/key?versionId=v.
func s3URI(s string) []string {
	rest, ok := strings.CutPrefix(s, "s3://")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "#")
	path, query, _ := strings.Cut(rest, "?")
	bucket, key, ok := strings.Cut(path, "/")
	if !ok || bucket == "" {
		return nil
	}
	out := []string{bucket, strings.TrimLeft(key, "/")}
	if values, err := url.ParseQuery(query); err == nil && len(values["versionId"]) == 1 {
		out = append(out, values["versionId"][0])
	}
	return out
}

// checkDeployment refuses gradual deployments, which CodeDeploy would do.
func (f *function) checkDeployment() error {
	preference := f.props.dict("DeploymentPreference")
	if preference.len() == 0 {
		return nil
	}
	enabled := any(true)
	if preference.has("Enabled") {
		v, err := f.resolved(preference.get("Enabled"))
		if err != nil {
			return err
		}
		enabled = f.findInMap(v)
	}
	if s, _ := enabled.(string); enabled == false || strings.EqualFold(s, "false") {
		return nil
	}
	return badResource(f.id, "DeploymentPreference is not supported by this version of the sandbox, unless Enabled is false.")
}

func (f *function) checkDeadLetters() error {
	q := f.props.dict("DeadLetterQueue")
	if q.len() == 0 {
		return nil
	}
	if !truthy(q.get("Type")) || !truthy(q.get("TargetArn")) {
		return badResource(f.id, "'DeadLetterQueue' requires Type and TargetArn properties to be specified.")
	}
	typ, ok := q.get("Type").(string)
	if !ok {
		return badResource(f.id, "Property 'DeadLetterQueue.Type' should be a string.")
	}
	if typ != "SQS" && typ != "SNS" {
		return badResource(f.id, "'DeadLetterQueue' requires Type of ['SQS', 'SNS']")
	}
	return nil
}

// publish makes the version and the alias of AutoPublishAlias.
func (f *function) publish() error {
	p := f.props
	if !truthy(p.get("AutoPublishAlias")) {
		switch {
		case truthy(p.get("ProvisionedConcurrencyConfig")):
			return badResource(f.id, "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function")
		case p.get("VersionDeletionPolicy") != nil:
			return badResource(f.id, "'VersionDeletionPolicy' requires 'AutoPublishAlias'.")
		}
		return nil
	}
	v, err := f.resolved(p.get("AutoPublishAlias"))
	if err != nil {
		return err
	}
	name, ok := v.(string)
	if !ok {
		return badResource(f.id, "'AutoPublishAlias' must be a string or a Ref to a template parameter")
	}
	sha := ""
	if truthy(p.get("AutoPublishCodeSha256")) {
		if sha, err = f.describeCode(); err != nil {
			return err
		}
	}
	version, err := f.version(sha)
	if err != nil {
		return err
	}
	if !aliasName.MatchString(name) || onlyDigits.MatchString(name) {
		return badResource(f.id, "AutoPublishAlias name ('%s') must contain only alphanumeric characters, hyphens, or underscores matching (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern.", name)
	}
	f.alias = f.new("AWS::Lambda::Alias", f.id+"Alias"+strings.NewReplacer("-", "D", "_", "U").Replace(name),
		made("Name", name, "FunctionName", ref(f.id), "FunctionVersion", getAtt(version.id, "Version")))
	if truthy(p.get("ProvisionedConcurrencyConfig")) {
		f.alias.props.Set("ProvisionedConcurrencyConfig", p.get("ProvisionedConcurrencyConfig"))
	}
	f.made = append(f.made, version, f.alias)
	return nil
}

// describeCode puts the code's given hash into the description, so that a
// change of it alone changes the function.
func (f *function) describeCode() (string, error) {
	v, err := f.resolved(f.props.get("AutoPublishCodeSha256"))
	if err != nil {
		return "", err
	}
	sha, ok := v.(string)
	if !ok {
		return "", badResource(f.id, "AutoPublishCodeSha256 must be a string")
	}
	description, err := f.resolve(f.props.get("Description"))
	if err != nil {
		return "", err
	}
	switch text, isText := description.(string); {
	case !truthy(description):
		f.lambda.props.Set("Description", sha)
	case isText:
		f.lambda.props.Set("Description", text+" "+sha)
	default:
		f.lambda.props.Set("Description", made("Fn::Join", []any{" ", []any{description, sha}}))
	}
	return sha, nil
}

// version is a version whose logical id changes with the code.
func (f *function) version(sha string) (*resource, error) {
	p := f.lambda.props
	if _, err := f.resolve(p.get("Code")); err != nil {
		return nil, err
	}
	of := p.dict("Code").shallow()
	if truthy(f.props.get("AutoPublishAliasAllProperties")) {
		of = p.shallow()
		for _, l := range p.list("Layers") {
			layer := orEmpty(f.out.dict("Resources").dict(referred(l)))
			if settings := layer.dict("Properties"); truthy(settings.get("PublishLambdaVersion")) {
				of.Set(referred(l), settings)
			}
		}
	} else {
		of.update(p.dict("Environment"))
		if truthy(p.get("MemorySize")) {
			of.Set("MemorySize", p.get("MemorySize"))
		}
		if snap := p.dict("SnapStart"); snap.len() > 0 && snap.get("ApplyOn") != nil && snap.get("ApplyOn") != "None" {
			of.Set("SnapStart", snap)
		}
	}
	id := hashed(f.id+"Version", of)
	if sha != "" {
		id = f.id + "Version" + sha[:min(hashLength, len(sha))]
	}
	out := f.new("AWS::Lambda::Version", id, made("FunctionName", ref(f.id)))
	out.props.set("Description", f.props.get("VersionDescription"))
	if !out.attributes.has("DeletionPolicy") {
		out.attributes.Set("DeletionPolicy", "Retain")
		if policy := f.props.get("VersionDeletionPolicy"); policy != nil {
			out.attributes.Set("DeletionPolicy", policy)
		}
	}
	return out, nil
}

// orEmpty is a map that may be missing, as an empty one.
func orEmpty(d *Dict) *Dict {
	if d == nil {
		return NewDict()
	}
	return d
}

// functionURL makes the URL of FunctionUrlConfig and who may call it.
func (f *function) functionURL() error {
	config := f.props.dict("FunctionUrlConfig")
	if config.len() == 0 {
		return nil
	}
	if err := f.checkURL(config); err != nil {
		return err
	}
	target := f.name()
	link := f.new("AWS::Lambda::Url", f.id+"Url", NewDict())
	copyProps(link.props, config, "AuthType", "InvokeMode")
	link.props.Set("TargetFunctionArn", target)
	if truthy(config.get("Cors")) {
		link.props.Set("Cors", config.get("Cors"))
	}
	f.made = append(f.made, link)
	if config.get("AuthType") != "NONE" {
		return nil
	}
	f.made = append(f.made,
		f.new("AWS::Lambda::Permission", f.id+"UrlPublicPermissions", made("Action", "lambda:InvokeFunctionUrl", "FunctionName", target,
			"Principal", "*", "FunctionUrlAuthType", "NONE")),
		f.new("AWS::Lambda::Permission", f.id+"URLInvokeAllowPublicAccess", made("Action", "lambda:InvokeFunction", "FunctionName", target,
			"Principal", "*", "InvokedViaFunctionUrl", true)))
	return nil
}

func (f *function) checkURL(config *Dict) error {
	if isIntrinsic(config) {
		return nil
	}
	auth := config.get("AuthType")
	if !isIntrinsic(auth) && auth != "AWS_IAM" && auth != "NONE" {
		return badResource(f.id, "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.")
	}
	if !truthy(config.get("Cors")) || isIntrinsic(config.get("Cors")) {
		return nil
	}
	cors := config.dict("Cors")
	if cors == nil {
		return badResource(f.id, "Property 'FunctionUrlConfig.Cors' should be a map.")
	}
	for _, k := range cors.names() {
		v, kind := cors.get(k), "list"
		var ok bool
		switch k {
		case "AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders":
			_, ok = v.([]any)
		case "AllowCredentials":
			kind = "bool"
			_, ok = v.(bool)
		case "MaxAge":
			kind = "int"
			_, ok = v.(json.Number)
		default:
			return badResource(f.id, "%s is not a valid property for configuring Cors.", k)
		}
		if !ok && !isIntrinsic(v) {
			return badResource(f.id, "%s must be of type %s.", k, kind)
		}
	}
	return nil
}

// addPolicy adds an inline policy to the role, unless its document is there.
func (f *function) addPolicy(policy *Dict) {
	have := f.role.props.list("Policies")
	same := func(e any) bool {
		return digest(asDict(e).get("PolicyDocument")) == digest(policy.get("PolicyDocument"))
	}
	if !slices.ContainsFunc(have, same) {
		f.role.props.Set("Policies", append(have, policy))
	}
}
