package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
)

func lambdaRules() []Rule {
	return []Rule{
		{ID: "AX048", Severity: Error, Where: "TL", Title: "Any resource in the world may call the function",
			Why:   "A service is let in without saying on whose behalf: a stranger's topic or bucket will do.",
			Fix:   "Add SourceArn, and SourceAccount.",
			check: checks(eachResource(checkPermissionSource, "AWS::Lambda::Permission"), eachStatement(checkOpenService))},
		{ID: "AX049", Severity: Warning, Where: "TL", Title: "A bucket as source without its account",
			Why:   "A bucket's ARN has no account: whoever makes one of that name, once it is gone, calls the function.",
			Fix:   "Add SourceAccount.",
			check: checks(eachResource(checkBucketSource, "AWS::Lambda::Permission"), eachStatement(checkBucketStatement))},
		{ID: "AX051", Severity: Error, Where: "TL", Title: "The source isn't of the service that calls",
			Why:   "aws:SourceArn is the resource on whose behalf the service calls, not what is called; like this it never matches.",
			Fix:   "Give the ARN of the topic, rule or bucket.",
			check: checks(eachResource(checkPermissionSourceService, "AWS::Lambda::Permission"), eachStatement(checkSourceService))},
		{ID: "AX088", Severity: Warning, Where: "T", Title: "A full-access policy on an application's role",
			Why:   "Whoever gets into the application has the service as a whole, deleting included.",
			Fix:   "Allow the actions that it calls on the resources that it uses; SAM has policy templates.",
			check: eachResource(checkFullAccess, "AWS::IAM::Role", "AWS::Serverless::Function")},
		{ID: "AX092", Severity: Error, Where: "T", Title: "A runtime that Lambda doesn't create any more",
			Why:   "The stack fails where the function isn't there yet, such as in a new account.",
			Fix:   "Take a supported runtime.",
			check: eachResource(checkRuntime, "AWS::Lambda::Function", "AWS::Serverless::Function", "AWS::Lambda::LayerVersion")},
	}
}

// sourced are services that always call on behalf of a resource.
var sourced = []string{"sns", "s3", "events", "apigateway", "iot", "logs", "config", "cognito-idp", "elasticloadbalancing", "scheduler", "ses", "sqs", "secretsmanager", "alexa-appkit", "cloudwatch", "codecommit", "lex", "bedrock", "lambda"}

func checkPermissionSource(r *run, _ *unit, d *template.Declared) {
	n := d.Properties.Get("Principal")
	name := serviceName(n.Str())
	guard := d.Properties.Get("SourceArn") != nil || d.Properties.Get("SourceAccount") != nil || d.Properties.Get("PrincipalOrgID") != nil || d.Properties.Get("EventSourceToken") != nil
	// Secrets Manager's and CloudFront's documented permissions have no source.
	if n == nil || guard || !strings.Contains(n.Str(), ".") || name == "secretsmanager" || name == "edgelambda" {
		return
	}
	r.inResource(d, n, "%s lets %s call the function for anybody", d.Name, n.Str())
}

// checkOpenService: the same in policies of topics, queues and buckets.
func checkOpenService(r *run, s *statement) {
	if !s.allow || !s.doc.shared() || !slices.Contains([]string{"sns", "sqs", "lambda"}, s.doc.service) {
		return
	}
	if s.guarded("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths") {
		return
	}
	// A key other than these may name the source: leave it to its author.
	if slices.ContainsFunc(s.conditions, func(c condition) bool { return strings.HasPrefix(strings.ToLower(c.key), "aws:source") && !c.ifExists }) {
		return
	}
	for _, p := range s.principals {
		if p.kind == "Service" && slices.Contains(sourced, serviceName(p.text())) {
			f := r.inDoc(s.doc, p.node, "%s lets %s in for anybody", s.doc.label(), p.text())
			f.Severity, f.Fix = Warning, "Add ArnEquals on aws:SourceArn, or StringEquals on aws:SourceAccount."
		}
	}
}

func checkBucketSource(r *run, _ *unit, d *template.Declared) {
	arn := d.Properties.Get("SourceArn")
	if serviceName(d.Properties.Get("Principal").Str()) == "s3" && arn != nil && d.Properties.Get("SourceAccount") == nil {
		r.inResource(d, arn, "%s names a bucket, but not whose", d.Name)
	}
}

// checkBucketStatement: the same in policies of topics, queues and functions.
func checkBucketStatement(r *run, s *statement) {
	if !s.allow || !s.doc.shared() || !slices.Contains([]string{"sns", "sqs", "lambda"}, s.doc.service) || s.guarded("aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths") {
		return
	}
	for _, p := range s.principals {
		for _, c := range s.conditions {
			if p.kind == "Service" && p.text() == "s3.amazonaws.com" && strings.EqualFold(c.key, "aws:SourceArn") && c.binds() {
				r.at(c.keyPos, s.owner(), "%s names a bucket, but not whose", s.doc.label()).Fix = "Add StringEquals on aws:SourceAccount."
			}
		}
	}
}

// sourceServices are the services in aws:SourceArn of those that call by
// another name than the resource's.
var sourceServices = map[string][]string{
	"apigateway": {"execute-api", "apigateway"}, "events": {"events"}, "scheduler": {"scheduler"}, "logs": {"logs"}, "sns": {"sns"}, "s3": {"s3"}, "iot": {"iot"},
	"cognito-idp": {"cognito-idp"}, "ses": {"ses"}, "sqs": {"sqs"}, "elasticloadbalancing": {"elasticloadbalancing"}, "cloudwatch": {"cloudwatch"},
	"secretsmanager": {"secretsmanager"}, "config": {"config"}, "lambda.alarms.cloudwatch": {"cloudwatch"}, "cloudtrail": {"cloudtrail"}, "codecommit": {"codecommit"},
}

func (r *run) sourceMismatch(service string, n *template.Node, resource string) {
	a, ok := splitARN(n.Str())
	want := sourceServices[serviceName(service)]
	if !ok || want == nil || a.service == "*" || strings.Contains(a.service, "$") || slices.Contains(want, a.service) {
		return
	}
	r.at(n.Pos, resource, "%s never calls for a %s resource", service, a.service)
}

func checkPermissionSourceService(r *run, _ *unit, d *template.Declared) {
	if n := d.Properties.Get("SourceArn"); n != nil {
		r.sourceMismatch(d.Properties.Get("Principal").Str(), n, d.Name)
	}
}

func checkSourceService(r *run, s *statement) {
	if !s.allow || len(s.principals) != 1 || s.principals[0].kind != "Service" {
		return
	}
	for _, c := range s.conditions {
		if strings.EqualFold(c.key, "aws:SourceArn") && !c.negated() {
			for _, v := range c.values {
				r.sourceMismatch(s.principals[0].text(), v, s.owner())
			}
		}
	}
}

// checkFullAccess looks at the roles of functions, tasks and instances. The role
// of a person or a pipeline is AX035's and AX058's.
func checkFullAccess(r *run, u *unit, d *template.Declared) {
	nodes := append(d.Properties.Get("ManagedPolicyArns").List(), d.Properties.Get("Policies").List()...)
	app := d.Type == "AWS::Serverless::Function"
	for _, doc := range u.docsOf[d.Name] {
		for _, s := range doc.statements {
			for _, p := range s.principals {
				name := serviceName(p.text())
				app = app || doc.trust() && (name == "lambda" || name == "ecs-tasks" || name == "ec2" || name == "pods.eks" || name == "states" || len(s.web()) > 0)
			}
		}
	}
	for _, n := range nodes {
		text := n.Str()
		if _, after, ok := cutLast(text, "/"); ok {
			text = after
		}
		if app && (strings.HasSuffix(text, "FullAccess") || strings.HasSuffix(text, "PowerUserAccess")) {
			r.inResource(d, n, "%s has %s", d.Name, text)
		}
	}
}

func checkRuntime(r *run, u *unit, d *template.Declared) {
	nodes := append(d.Properties.Get("Runtime").List(), d.Properties.Get("CompatibleRuntimes").List()...)
	for _, n := range nodes {
		if next, soon := ending[n.Str()]; soon {
			f := r.inResource(d, n, "%s runs on %s, which isn't supported much longer", d.Name, n.Str())
			f.Severity, f.Fix = Advice, "Take "+next+"."
		}
		if next, old := runtimes[n.Str()]; old {
			f := r.inResource(d, n, "%s runs on %s", d.Name, n.Str())
			f.Fix = "Take " + next + "."
			if d.Type == "AWS::Lambda::LayerVersion" {
				f.Severity = Advice
			}
		}
	}
}
