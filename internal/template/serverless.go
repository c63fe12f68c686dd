package template

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ServerlessTransform is the name of the transform that turns AWS::Serverless
// types into others.
const ServerlessTransform = "AWS::Serverless-2016-10-31"

// Serverless says whether the template is one of AWS SAM.
func (t *Template) Serverless() bool { return slices.Contains(t.Transforms, ServerlessTransform) }

// Expanded gives the resources as Resolve does, with those of AWS SAM replaced by
// what AWS's transform makes of them. Only that is in their properties which
// decides what they need: which of them are there, how they are named, what they
// point at. Ids that the transform ends in a digest come without it. Types whose
// making isn't known stay as they are. It follows the SAM specification.
func (t *Template) Expanded(w World) []*Declared {
	list := t.Resolve(w)
	if !t.Serverless() {
		return list
	}
	s := &serverless{given: list, globals: globals(newResolver(t, w)), made: map[string]*Declared{}}
	for _, d := range list {
		s.resource(d)
	}
	return s.out
}

// globals are the Globals section, by kind of resource such as Function.
func globals(r *resolver) *Node { return r.value(r.sections["Globals"], 0) }

// withGlobals puts what the Globals section says of a kind of resource under what a
// resource of that kind says itself.
func (d *Declared) withGlobals(g *Node) {
	if kind, ours := strings.CutPrefix(d.Type, "AWS::Serverless::"); ours && g.Get(kind) != nil {
		d.Properties = merge(without(g.Get(kind), d.ignored), d.Properties)
	}
}

// stageOf is the name of the stage of an API of the template.
func (s *serverless) stageOf(api *Node) string {
	if api == nil {
		return "Prod"
	}
	for _, d := range s.given {
		if len(api.Refs) == 1 && d.Name == api.Refs[0].Name && d.Type == "AWS::Serverless::Api" {
			if name := stageName(d.Properties.Get("StageName")); name != "" {
				return name
			}
		}
	}
	return "Stage"
}

// serverless expands one template.
type serverless struct {
	given   []*Declared
	globals *Node
	out     []*Declared
	made    map[string]*Declared // what several resources share, and who is there, by logical id
	from    *Declared            // the resource that is being expanded
}

// resource adds what becomes of a resource.
func (s *serverless) resource(d *Declared) {
	s.from = d
	if d.connectors {
		defer s.add(d.Name+"Connectors", "AWS::Serverless::Connector", nil)
	}
	kind, ours := strings.CutPrefix(d.Type, "AWS::Serverless::")
	if !ours {
		s.keep(d)
		return
	}
	p := d.Properties
	switch kind {
	case "Function":
		s.function(d.Name, p)
	case "Api":
		s.api(d.Name, p)
	case "HttpApi":
		s.httpAPI(d.Name, p)
	case "SimpleTable":
		s.add(d.Name, "AWS::DynamoDB::Table", p)
	case "LayerVersion":
		if p.Get("LayerName") == nil {
			p = p.with("LayerName", text(d.Name, true))
		}
		s.add(d.Name, "AWS::Lambda::LayerVersion", p.with("Content", location(p.Get("ContentUri"), "S3Bucket", "S3Key", "S3ObjectVersion")))
	case "Application":
		s.add(d.Name, "AWS::CloudFormation::Stack", p)
	case "StateMachine":
		s.stateMachine(d.Name, p)
	default:
		s.keep(d)
	}
}

func (s *serverless) keep(d *Declared) {
	if made := s.made[d.Name]; made != nil { // an event of a function has changed it already
		d.Properties = merge(made.Properties, d.Properties)
	}
	s.made[d.Name] = d
	s.out = append(s.out, d)
}

// add makes a resource with the place and condition of the one that it comes of.
func (s *serverless) add(name, kind string, p *Node) *Declared {
	d := &Declared{Resource: Resource{Name: name, Type: kind, Condition: s.from.Condition, Digest: s.from.Digest, Pos: s.from.Pos}, Properties: p, Metadata: s.from.Metadata, Of: s.from.Name}
	s.out = append(s.out, d)
	return d
}

// once makes what several resources share.
func (s *serverless) once(name, kind string, p *Node) {
	if s.made[name] == nil {
		s.made[name] = s.add(name, kind, p)
		s.made[name].Condition = ""
	}
}

func (s *serverless) function(name string, p *Node) {
	events := p.Get("Events")
	made := p
	if given := p.Get("Role"); given == nil {
		made = made.with("Role", s.role(name, p))
	} else if given.Optional {
		made = made.with("Role", either(given, s.role(name, p)))
	}
	code := location(p.Get("CodeUri"), "S3Bucket", "S3Key", "S3ObjectVersion")
	if image := p.Get("ImageUri"); image != nil {
		code = fields("ImageUri", image)
	}
	s.add(name, "AWS::Lambda::Function", made.with("Code", code))
	on := pointTo(name)
	if p.Get("AutoPublishAlias") != nil {
		s.add(name+"Version", "AWS::Lambda::Version", fields("FunctionName", on)).As = name + ".Version"
		alias := name + "Alias" + alphanumeric(p.Get("AutoPublishAlias").Str())
		s.add(alias, "AWS::Lambda::Alias", fields("FunctionName", on, "ProvisionedConcurrencyConfig", p.Get("ProvisionedConcurrencyConfig"))).As = name + ".Alias"
		on = pointTo(alias)
		if gradual := p.Get("DeploymentPreference"); gradual != nil && gradual.Get("Enabled").Str() != "false" {
			s.once("ServerlessDeploymentApplication", "AWS::CodeDeploy::Application", nil)
			var role *Node
			if role = p.Get("DeploymentPreference", "Role"); role == nil {
				s.once("CodeDeployServiceRole", "AWS::IAM::Role", fields("ManagedPolicyArns", some()))
				role = pointTo("CodeDeployServiceRole")
			}
			s.add(name+"DeploymentGroup", "AWS::CodeDeploy::DeploymentGroup", fields("ApplicationName", pointTo("ServerlessDeploymentApplication"), "ServiceRoleArn", role))
		}
	}
	if url := p.Get("FunctionUrlConfig"); url != nil {
		s.add(name+"Url", "AWS::Lambda::Url", fields("TargetFunctionArn", on, "Cors", url.Get("Cors")))
		if url.Get("AuthType").Str() != "AWS_IAM" {
			s.add(name+"UrlPublicPermissions", "AWS::Lambda::Permission", fields("FunctionName", on))
			s.add(name+"URLInvokeAllowPublicAccess", "AWS::Lambda::Permission", fields("FunctionName", on))
		}
	}
	if invoke := p.Get("EventInvokeConfig"); invoke != nil {
		s.add(name+"EventInvokeConfig", "AWS::Lambda::EventInvokeConfig", fields("FunctionName", pointTo(name)).with("DestinationConfig", invoke.Get("DestinationConfig")))
		for _, outcome := range []string{"OnSuccess", "OnFailure"} {
			s.destination(name+"EventInvokeConfig"+outcome, invoke.Get("DestinationConfig", outcome))
		}
	}
	for _, e := range entriesOf(events) {
		s.event(name, on, name+e.Name, e.Value)
	}
}

// destination makes the queue or topic of an outcome that names none.
func (s *serverless) destination(name string, d *Node) {
	if d == nil || d.Get("Destination") != nil && !d.Get("Destination").Optional {
		return
	}
	switch d.Get("Type").Str() {
	case "SQS":
		s.add(name+"Queue", "AWS::SQS::Queue", nil)
	case "SNS":
		s.add(name+"Topic", "AWS::SNS::Topic", nil)
	}
}

// role makes the role of a function or state machine that names none.
func (s *serverless) role(name string, p *Node) *Node {
	role := fields("AssumeRolePolicyDocument", some(), "ManagedPolicyArns", some(), "PermissionsBoundary", p.Get("PermissionsBoundary"),
		"Path", p.Get("RolePath"))
	own := p.Get("DeadLetterQueue") != nil || p.Get("EventInvokeConfig", "DestinationConfig") != nil
	for _, policy := range everyOf(p.Get("Policies")) {
		own = own || policy.Kind == MapNode // a document or a policy template, not the name of a managed policy
	}
	for _, e := range entriesOf(p.Get("Events")) {
		own = own || e.Value.Get("Properties", "DestinationConfig") != nil
	}
	if own {
		role = role.with("Policies", some())
	}
	s.add(name+"Role", "AWS::IAM::Role", role)
	return pointTo(name + "Role")
}

func (s *serverless) api(name string, p *Node) {
	api := fields("Body", some(), "BodyS3Location", location(p.Get("DefinitionUri"), "Bucket", "Key", "Version"), "Policy", p.Get("Auth", "ResourcePolicy"))
	s.add(name, "AWS::ApiGateway::RestApi", api)
	s.add(name+"Deployment", "AWS::ApiGateway::Deployment", fields("RestApiId", pointTo(name))).As = name + ".Deployment"
	s.add(name+stageName(p.Get("StageName"))+"Stage", "AWS::ApiGateway::Stage", fields("RestApiId", pointTo(name), "AccessLogSetting", p.Get("AccessLogSetting"))).As = name + ".Stage"
	s.authorizers(name, p, false)
	if plan := p.Get("Auth", "UsagePlan"); plan != nil && plan.Get("CreateUsagePlan").Str() != "NONE" {
		owner, add := name, s.addOnly
		if plan.Get("CreateUsagePlan").Str() == "SHARED" {
			owner, add = "Serverless", s.once
		}
		add(owner+"UsagePlan", "AWS::ApiGateway::UsagePlan", nil)
		add(owner+"ApiKey", "AWS::ApiGateway::ApiKey", nil)
		add(owner+"UsagePlanKey", "AWS::ApiGateway::UsagePlanKey", nil)
	}
	s.domain(name, p.Get("Domain"), "AWS::ApiGateway::DomainName", "AWS::ApiGateway::BasePathMapping")
}

func (s *serverless) addOnly(name, kind string, p *Node) { s.add(name, kind, p) }

func (s *serverless) httpAPI(name string, p *Node) {
	s.add(name, "AWS::ApiGatewayV2::Api", fields("Body", some(), "BodyS3Location", location(p.Get("DefinitionUri"), "Bucket", "Key", "Version")))
	stage := "ApiGatewayDefault"
	if n := p.Get("StageName"); n != nil && n.Str() != "$default" {
		stage = stageName(n)
	}
	s.add(name+stage+"Stage", "AWS::ApiGatewayV2::Stage", fields("ApiId", pointTo(name), "AccessLogSettings", p.Get("AccessLogSettings"))).As = name + ".Stage"
	s.authorizers(name, p, true)
	s.domain(name, p.Get("Domain"), "AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping")
}

// authorizers lets an API call the functions that authorize its callers: REST APIs
// unless that is disabled, HTTP APIs when it is enabled.
func (s *serverless) authorizers(api string, p *Node, http bool) {
	for _, a := range entriesOf(p.Get("Auth", "Authorizers")) {
		permitted := a.Value.Get("DisableFunctionDefaultPermissions").Str() != "true"
		if http {
			enabled := a.Value.Get("EnableFunctionDefaultPermissions")
			permitted = enabled != nil && enabled.Str() != "false"
		}
		if f := a.Value.Get("FunctionArn"); f != nil && permitted {
			s.add(api+a.Name+"AuthorizerPermission", "AWS::Lambda::Permission", fields("FunctionName", f))
		}
	}
}

// domain makes an API's own domain name, its mapping and its DNS record.
func (s *serverless) domain(api string, d *Node, name, mapping string) {
	if d == nil {
		return
	}
	s.add("ApiGatewayDomainName"+api, name, fields("DomainName", d.Get("DomainName")))
	s.add(api+"BasePathMapping", mapping, nil)
	if d.Get("Route53") != nil {
		s.add("RecordSetGroup"+api, "AWS::Route53::RecordSetGroup", nil)
	}
}

func (s *serverless) stateMachine(name string, p *Node) {
	made := fields("RoleArn", p.Get("Role"), "StateMachineName", p.Get("Name"), "EncryptionConfiguration", p.Get("EncryptionConfiguration"),
		"DefinitionS3Location", location(p.Get("DefinitionUri"), "Bucket", "Key", "Version"))
	if given := p.Get("Role"); given == nil {
		made = made.with("RoleArn", s.role(name, p))
	} else if given.Optional {
		made = made.with("RoleArn", either(given, s.role(name, p)))
	}
	s.add(name, "AWS::StepFunctions::StateMachine", made)
	if p.Get("AutoPublishAlias") != nil {
		s.add(name+"Version", "AWS::StepFunctions::StateMachineVersion", fields("StateMachineArn", pointTo(name)))
		s.add(name+"Alias"+alphanumeric(p.Get("AutoPublishAlias").Str()), "AWS::StepFunctions::StateMachineAlias", fields("StateMachineArn", pointTo(name)))
	}
	for _, e := range entriesOf(p.Get("Events")) {
		s.stateMachineEvent(name+e.Name, e.Value)
	}
}

// The resolver gives a Declared what SAM reads beside the properties.
func (d *Declared) serverlessAttributes(key, value *yaml.Node) {
	switch key.Value {
	case "Connectors":
		d.connectors = true
	case "IgnoreGlobals":
		if value.Kind == yaml.ScalarNode {
			d.ignored = []string{value.Value}
		}
		for _, item := range value.Content {
			d.ignored = append(d.ignored, item.Value)
		}
	}
}

// merge puts a resource's properties over those of Globals: maps are merged,
// lists are joined, other values replaced.
func merge(global, own *Node) *Node {
	switch {
	case global == nil || own != nil && own.Kind != global.Kind:
		return own
	case own == nil:
		return global
	case own.Kind == ListNode:
		out := *own
		out.Items = slices.Concat(global.Items, own.Items)
		return &out
	case own.Kind == MapNode:
		out := *own
		out.Keys = nil
		for _, k := range global.Keys {
			out.Keys = append(out.Keys, Key{k.Name, k.Pos, merge(k.Value, own.Get(k.Name))})
		}
		for _, k := range own.Keys {
			if global.Get(k.Name) == nil {
				out.Keys = append(out.Keys, k)
			}
		}
		return &out
	}
	return own
}

// without leaves names out of a map; all of them for "*".
func without(n *Node, names []string) *Node {
	if len(names) == 0 {
		return n
	}
	out := *n
	out.Keys = slices.DeleteFunc(slices.Clone(n.Keys), func(k Key) bool { return slices.Contains(names, k.Name) || slices.Contains(names, "*") })
	return &out
}

// with is the map with one more entry, or another value for it.
func (n *Node) with(name string, value *Node) *Node {
	out := &Node{Kind: MapNode, Known: true}
	if n != nil {
		*out = *n
		out.Keys = slices.DeleteFunc(slices.Clone(n.Keys), func(k Key) bool { return k.Name == name })
	}
	if value != nil {
		out.Keys = append(out.Keys, Key{name, value.Pos, value})
	}
	return out
}

// fields is a map of names and values; those that are nil are left out.
func fields(pairs ...any) *Node {
	out := &Node{Kind: MapNode, Known: true}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v, _ := pairs[i+1].(*Node); v != nil {
			out.Keys = append(out.Keys, Key{Name: pairs[i].(string), Value: v})
		}
	}
	return out
}

// either is a value that depends on a condition, or another one.
func either(given, other *Node) *Node {
	out := *given
	out.Optional = false
	if out.Else == nil {
		out.Else = other
	} else {
		out.Else = either(out.Else, other)
	}
	return &out
}

// some is a value of which only counts that it is there.
func some() *Node { return text("${AWS::NoValue}", false) }

// pointTo is a reference to another resource.
func pointTo(name string) *Node {
	return text("${"+name+"}", false, Reference{Kind: "Ref", Name: name})
}

// location turns an s3:// address, or a map of Bucket, Key and Version, into the
// names that a type has for these. Local paths give nil.
func location(uri *Node, bucket, key, version string) *Node {
	if uri == nil {
		return nil
	}
	if uri.Kind == MapNode {
		return fields(bucket, uri.Get("Bucket"), key, uri.Get("Key"), version, uri.Get("Version"))
	}
	rest, ok := strings.CutPrefix(uri.Str(), "s3://")
	if !ok {
		return nil
	}
	b, k, _ := strings.Cut(rest, "/")
	return fields(bucket, text(b, uri.Known), key, text(k, uri.Known))
}

// stageName is how a stage's name stands in ids: those that aren't known don't.
func stageName(n *Node) string {
	if n == nil || !n.Known {
		return ""
	}
	return alphanumeric(n.Str())
}

func alphanumeric(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, s)
}

// entriesOf are the entries of a map, in both branches of a condition.
func entriesOf(n *Node) []Key {
	if n == nil {
		return nil
	}
	return append(slices.Clone(n.Keys), entriesOf(n.Else)...)
}

// everyOf are the items of a list, in both branches of a condition.
func everyOf(n *Node) []*Node {
	if n == nil {
		return nil
	}
	return append(slices.Clone(n.List()), everyOf(n.Else)...)
}
