package config

import "axle/internal/late"

// roleForm is that of a role's name or ARN.
const roleForm = `^(arn:aws[a-z-]*:iam::[0-9]{12}:role/)?[\w+=,.@/-]+$`

// What texts look like. Lengths are apart: a pattern that counts to 128 is slow
// to compile.
var (
	projectName = &match{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 64, "a project's name",
		"use up to 64 letters, digits and dashes, beginning with a letter: stacks are named after it"}
	stackKey = &match{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 100, "a stack's name",
		"use up to 100 letters, digits and dashes, beginning with a letter"}
	stackName = &match{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 128, "a name that CloudFormation takes",
		"use at most 128 letters, digits and dashes, beginning with a letter"}
	peeringName = &match{late.MustCompile(`^[a-zA-Z][-_a-zA-Z0-9]*$`), 100, "a peering's name",
		"use up to 100 letters, digits, dashes and underscores, beginning with a letter"}
	environmentName = &match{late.MustCompile(`^[a-zA-Z0-9][-_a-zA-Z0-9]*$`), 64, "an environment's name",
		"use up to 64 letters, digits, dashes and underscores"}
	region = &match{late.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$`), 32, "a region",
		"a region is written like eu-west-1"}
	source = &match{late.MustCompile(`^(aws|file:.+|ssm:/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*)$`), 0, "a source of accounts",
		"write aws, file:accounts.yaml or ssm:/axle/accounts"}
	role = &match{late.MustCompile(roleForm), 600, "a role",
		"write a role's name, or its ARN, such as arn:aws:iam::111111111111:role/axle-hub"}
	roleOrNone  = &match{late.MustCompile(`^$|` + roleForm), role.max, role.what, role.hint}
	templateURL = &match{late.MustCompile(`^(s3://[^/\s]+/\S+|https://\S+|[^:\s][^:]*)$`), 0, "a template",
		"write a path, s3://bucket/key or https://..."}
	parameterName = &match{late.MustCompile(`^[a-zA-Z0-9]+$`), 255, "a parameter's name",
		"CloudFormation's parameters have letters and digits only"}
	outputName = &match{late.MustCompile(`^[a-zA-Z0-9]+$`), 255, "the name of an output",
		"write the output's name in the template: letters and digits"}
	tagKey = &match{late.MustCompile(`^[^\x00-\x1f]+$`), 128, "a tag's key",
		"a key has at most 128 characters"}
	identity = &match{late.MustCompile(`^[\w+=,.@-]{2,}$`), 64, "a source identity",
		"STS takes 2 to 64 letters, digits and _+=,.@-"}
	externalID = &match{late.MustCompile(`^$|^[\w+=,.@:/-]{2,}$`), 1224, "an external id",
		"STS takes 2 to 1224 letters, digits and _+=,.@:/-"}
	amount = &match{late.MustCompile(`^[0-9]+%?$`), 7, "a number or a percentage",
		"write 10 or 25%"}
	duration = &match{late.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$|^0$`), 0, "a duration",
		"write 45m, 1h or 1h30m"}
	// A parameter's name begins with neither pa nor sslp: password, passfile, sslpassword.
	storeAddress = &match{late.MustCompile(`^(postgres(ql)?://([^/@:?]+@)?[^/@?]*(/[^?]*)?([?&]([a-oq-rt-z]|p[b-z]|s[a-rt-z]|ss[a-km-z]|ssl[a-oq-z])[a-z0-9_.]*=[^&]*)*|dynamodb://[a-zA-Z0-9_.-]{3,}(\?(region|bucket)=[a-z0-9.-]+(&(region|bucket)=[a-z0-9.-]+)*)?)$`), 0, "the address of a store",
		"write postgres://user@host:5432/database (the password isn't for this file, but for PGPASSWORD, ~/.pgpass or AXLE_STORE), or dynamodb://axle-journal for a table in the hub account"}
	notEmpty = &match{late.MustCompile(`\S`), 0, "text", "it must not be empty"}
)

const (
	aboutSelection  = "An expression (CEL) over account, hub, vars and env that is true for what is meant. A missing tag is \"\"."
	aboutExpression = "May have expressions in ${{ }}, over account, region, hub, vars and env, with output(), outputs(), export(), ssm() and secret()."
)

// file is all that may stand in axle.yaml.
var file = form{is: object, doc: "An Axle project: what is deployed to which accounts of an AWS organization.", keys: []key{
	{"name", form{doc: "The project's name. Every stack is tagged with it (axle:project), and named after it.",
		match: projectName, example: "name: flights"}, true},
	{"organization", form{is: object, doc: "Where the accounts come from.", example: "organization: {source: aws}", keys: []key{
		{"source", form{doc: "aws (Organizations), file:PATH (relative to this file) or ssm:/NAME (a parameter in the hub).",
			match: source, example: "source: aws", deflt: "aws"}, false},
	}}, false},
	{"access", accessForm, false},
	{"store", form{doc: "Where runs and the project's lock are recorded, for teams: postgres://USER@HOST:PORT/DATABASE, or dynamodb://TABLE?region=REGION&bucket=BUCKET for a table and a bucket of the hub account (region and bucket may be left out). Without it, in .axle beside this file. AXLE_STORE overrides it.",
		match: storeAddress, example: "store: postgres://axle@db.example.com:5432/axle"}, false},
	{"hub", form{is: object, doc: "The account that everything is worked from.",
		example: `hub: {account: account.name == "tools", region: eu-west-1}`, keys: []key{
			{"account", form{doc: "The hub: an account id of 12 digits, or an expression that is true for one account.",
				match: notEmpty, also: []string{"integer"}, example: `account: account.name == "tools"`}, true},
			{"region", form{doc: "The hub's region, where IAM is deployed and artifacts are kept.",
				match: region, example: "region: eu-west-1"}, true},
		}}, false},
	{"regions", regionsForm, false},
	{"vars", varsForm, false},
	{"environments", form{is: names, doc: "Variants of the project, chosen with --env.", name: environmentName, of: &form{is: object,
		doc: "What is different in this environment.", keys: []key{
			{"vars", varsForm, false},
			{"regions", regionsForm, false},
			{"targets", form{is: names, doc: "Targets by stack, in place of the stack's own.",
				example: `targets: {network: account.tags["env"] == "prod"}`, of: &targetsForm}, false},
			{"parameters_file", form{is: names, doc: "Files of parameters by stack, in place of the stack's own.",
				example: `parameters_file: {network: params/prod.yaml}`, of: &filesForm}, false},
		}}}, false},
	{"stacks", form{is: names, doc: "CloudFormation stacks, by name.", name: stackKey, of: &stackForm}, false},
	{"peerings", form{is: names, doc: "VPC peering connections: one for every instance of the requester's stack.", name: peeringName, of: &form{
		is: object, doc: "A peering connection, with routes on both sides.", keys: []key{
			{"requester", sideForm("The side that asks. There is a connection for each of its instances."), true},
			{"accepter", sideForm("The side that accepts; its instance is found as output() finds one."), true},
			{"dns", form{is: truth, doc: "Resolve the other side's DNS names to private addresses.", deflt: "false"}, false},
		}}}, false},
	{"subscriptions", form{is: missing}, false},
	{"pipelines", form{is: missing}, false},
	{"tagging", form{is: missing}, false},
	{"inventory", form{is: missing}, false},
	{"cmdb", form{is: missing}, false},
}}

var regionsForm = form{is: items, doc: "Regions of the stacks that name none of their own.", least: 1,
	example: "regions: [eu-west-1]", of: &form{match: region}}

var varsForm = form{is: names, doc: "Values for expressions: vars.a.b. Whole numbers of 12 digits are text, as account ids are.",
	example: `vars: {net: {eu-west-1: "10.1"}}`, of: &form{is: tree}}

var targetsForm = form{doc: "Where the stack goes: hub, or the accounts that an expression is true for. " + aboutSelection,
	match: notEmpty, also: []string{"boolean"}, example: `targets: account.ou.startsWith("/Workloads") && account.tags["env"] in ["dev", "qa"]`}

var filesForm = form{is: items, doc: "Files of parameters: a path relative to this file, or a list in which a later file wins. parameters wins over all. " +
	"YAML or JSON: a mapping, CloudFormation's list of ParameterKey and ParameterValue, or CodePipeline's {\"Parameters\": {}}. May have ${{ }} over env and vars.",
	least: 1, example: "parameters_file: params/${{ env }}.yaml", of: &form{match: notEmpty},
	or: &form{match: notEmpty, doc: "A path relative to this file.", example: "params/${{ env }}.yaml"}}

var accessForm = form{is: object, doc: "How accounts are entered.", keys: []key{
	{"via", form{doc: "A first hop: a role's name in the hub account, or an ARN. Skipped when the caller is that role.", match: role, example: "via: axle-hub"}, false},
	{"role", form{doc: "The role that is assumed in every target account.", match: role, example: "role: axle-spoke", deflt: defaultRole}, false},
	{"external_id", form{doc: "The external id that the role's trust policy asks for.", match: externalID, also: []string{"integer"}}, false},
	{"session_duration", form{doc: "How long a session lasts: 15m to 12h, after a first hop at most 1h.", match: duration, example: "session_duration: 1h"}, false},
	{"session_policy", form{doc: "A policy (JSON) that narrows every session.", match: notEmpty}, false},
	{"source_identity", form{doc: "Who is behind a session, for CloudTrail. Both sides must allow sts:SetSourceIdentity.", match: identity}, false},
	{"overrides", form{is: items, doc: "Access to some accounts that differs. The first that matches wins.",
		example: "overrides: [{where: account.management, role: none}]", of: &form{is: object, keys: []key{
			{"where", form{doc: "The accounts. " + aboutSelection, match: notEmpty, also: []string{"boolean"}, example: "where: account.management"}, true},
			{"role", form{doc: "The role there; none: the credentials after via are used as they are.", match: role, example: "role: none"}, false},
			{"via", form{doc: "Another first hop.", match: role}, false},
			{"external_id", form{doc: "Another external id.", match: externalID, also: []string{"integer"}}, false},
		}}}, false},
}}

var stackForm = form{is: object, doc: "A stack and where it goes.", keys: []key{
	{"template", form{doc: "The template: a path relative to this file, s3:// or https://.", match: templateURL, example: "template: templates/network.yaml"}, true},
	{"targets", targetsForm, true},
	{"regions", form{is: items, doc: "Regions of this stack: a list, home (the hub's region) or enabled (those that the account has opted into).",
		least: 1, example: "regions: [eu-west-1, us-east-1]", of: &form{match: region},
		or: &form{choices: []string{"home", "enabled"}, example: "a list, such as [eu-west-1]", doc: "home: the hub's region. enabled: all that the account has opted into."}}, false},
	{"parameters", form{is: names, doc: "The template's parameters.", name: parameterName,
		of: &form{is: value, doc: aboutExpression, example: "\"a,b\": a list is written as one text"}}, false},
	{"parameters_file", filesForm, false},
	{"tags", form{is: names, doc: "Tags of the stack and of what it makes.", name: tagKey,
		of: &form{is: value, doc: aboutExpression}}, false},
	{"depends_on", form{is: items, doc: "Stacks that come first, beyond those that expressions name.", of: &form{match: stackKey}}, false},
	{"capabilities", form{is: items, doc: "What CloudFormation is to be allowed to make.",
		of: &form{choices: []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}}}, false},
	{"stack_name", form{doc: "The stack's name in CloudFormation; <project>-<stack> otherwise.", match: stackName}, false},
	{"protect", form{is: truth, doc: "Termination protection, on or off. Left out: as it is."}, false},
	{"execution_role", form{doc: "The role that CloudFormation works with: its name in the target account, or an ARN.", match: roleOrNone}, false},
	{"rollout", rolloutForm, false},
}}

var rolloutForm = form{is: object, doc: "In which order and how carefully targets are worked on.", keys: []key{
	{"order_by", form{doc: "An expression that targets are ordered by.", match: notEmpty, example: "order_by: account.ou"}, false},
	{"canary", form{doc: "This many first, alone.", match: amount, also: []string{"integer"}}, false},
	{"wave", form{doc: "Then so many at a time; left out: all the rest.", match: amount, also: []string{"integer"}}, false},
	{"max_concurrent", form{doc: "Never more than this at once.", match: amount, also: []string{"integer"}}, false},
	{"failure_tolerance", form{doc: "Halt when more than this of a wave, or of all, have failed.", match: amount, also: []string{"integer"}, deflt: "0", example: "failure_tolerance: 5%",
		or: &form{is: object, doc: "Wave and overall apart.", keys: []key{
			{"wave", form{doc: "Of one wave.", match: amount, also: []string{"integer"}}, false},
			{"overall", form{doc: "Of all targets.", match: amount, also: []string{"integer"}}, false},
		}}}, false},
	{"pause", form{doc: "Wait after a wave, before its health is checked and the next one begins.", match: duration}, false},
	{"approval", form{doc: "manual: a person approves of each wave after the first.", choices: []string{"manual"}, example: "{after: canary}",
		or: &form{is: object, keys: []key{
			{"after", form{doc: "After which waves a person is asked.", choices: []string{"canary", "wave"}}, true},
		}}}, false},
	{"health", form{is: object, doc: "What must be well after each wave, or the rollout halts.", keys: []key{
		{"alarms", form{is: items, doc: "Names or ARNs of CloudWatch alarms in each target of the wave: all in OK.", least: 1,
			of: &form{is: value, doc: aboutExpression}, example: "alarms: [booking-errors]"}, false},
		{"command", form{is: items, doc: "A command and its arguments, run on this machine: it exits 0. It has AXLE_RUN, AXLE_STACK, AXLE_WAVE and AXLE_ACCOUNTS.", least: 1, twice: true,
			of: &form{match: notEmpty, also: []string{"number", "boolean"}}, example: "command: [./smoke.sh, --quick]"}, false},
		{"timeout", form{doc: "How long alarms may take to come to OK, and the command to exit.", match: duration, deflt: "10m"}, false},
	}}, false},
	{"on_failure", form{doc: "rollback: the stacks of a wave that fails get their previous template and parameters back.", choices: []string{"stop", "rollback"}, deflt: "stop"}, false},
}}

func sideForm(doc string) form {
	return form{is: object, doc: doc, example: "{stack: network, vpc: VpcId, cidr: VpcCidr, route_tables: [RouteTableId]}", keys: []key{
		{"stack", form{doc: "A stack of this file.", match: stackKey}, true},
		{"vpc", form{doc: "The output that has the VPC's id.", match: outputName}, true},
		{"cidr", form{doc: "The output that has the VPC's CIDR block.", match: outputName}, true},
		{"route_tables", form{is: items, doc: "The outputs that have the ids of the route tables that get a route to the other side.", of: &form{match: outputName}}, false},
	}}
}
