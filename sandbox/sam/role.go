package sam

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
)

// policyTable are SAM's policy templates: a name with its parameters, then a
// statement a line: service, actions, what on, and for some a condition.
//
//go:embed policies.txt
var policyTable string

// statements allow actions on resources.
func statement(action any, on any) *Dict {
	return made("Action", action, "Effect", "Allow", "Resource", on)
}

func trust(service string) *Dict {
	return made("Version", "2012-10-17", "Statement", []any{
		made("Action", []any{"sts:AssumeRole"}, "Effect", "Allow", "Principal", made("Service", []any{service}))})
}

func inlinePolicy(name string, statements ...any) *Dict {
	return made("PolicyName", name, "PolicyDocument", made("Statement", statements))
}

func (t *transform) managedARN(path string) string {
	return "arn:" + t.partition + ":iam::aws:policy/" + path
}

// executionRole makes the role that the function works with, unless it has one.
func (f *function) executionRole(invoked []any) error {
	p := f.props
	assume := p.get("AssumeRolePolicyDocument")
	if assume == nil {
		assume = trust("lambda.amazonaws.com")
	}
	arns := []any{f.managedARN("service-role/AWSLambdaBasicExecutionRole")}
	traced, err := f.traced()
	if err != nil {
		return err
	}
	if traced {
		name := "AWSXrayWriteOnlyAccess"
		if f.partition != "aws" {
			name = "AWSXRayDaemonWriteAccess"
		}
		arns = append(arns, f.managedARN(name))
	}
	if truthy(p.get("VpcConfig")) {
		arns = append(arns, f.managedARN("service-role/AWSLambdaVPCAccessExecutionRole"))
	}
	var inline []any
	if q := p.dict("DeadLetterQueue"); q.len() > 0 {
		action := map[string]string{"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}[q.text("Type")]
		inline = append(inline, made("PolicyName", "DeadLetterQueuePolicy", "PolicyDocument", made("Version", "2012-10-17",
			"Statement", []any{statement(action, q.get("TargetArn"))})))
	}
	inline = append(inline, invoked...)
	if arns, inline, err = f.policies(arns, inline); err != nil {
		return err
	}
	tags, err := f.createdTags()
	if err != nil {
		return err
	}
	props := made("AssumeRolePolicyDocument", assume, "ManagedPolicyArns", arns)
	if len(inline) > 0 {
		props.Set("Policies", inline)
	}
	props.set("Path", p.get("RolePath"))
	props.set("PermissionsBoundary", p.get("PermissionsBoundary"))
	props.Set("Tags", tags)
	f.role = f.new("AWS::IAM::Role", f.id+"Role", props)
	return f.useRole()
}

// useRole gives the function its generated role: always, if a role is given
// never, and for a choice between one and nothing when it is nothing.
func (f *function) useRole() error {
	given := f.lambda.props.get("Role")
	arn := getAtt(f.role.id, "Arn")
	if given == nil {
		f.lambda.props.Set("Role", arn)
		f.made = append(f.made, f.role)
		return nil
	}
	if !isIf(given) {
		return nil
	}
	given, err := f.resolve(given)
	if err != nil {
		return err
	}
	if !isIf(given) || len(asDict(given).list("Fn::If")) != 3 {
		return badResource(f.id, "Malformed 'Role' property: Fn::If requires 3 arguments.")
	}
	cond, yes, no, _ := ifParts(given)
	name, _ := cond.(string)
	switch {
	case isNoValue(yes) && isNoValue(no):
		f.lambda.props.Set("Role", arn)
	case isNoValue(yes):
		f.lambda.props.Set("Role", conditional(cond, arn, no))
		f.role.attributes.Set("Condition", cond)
	case isNoValue(no):
		f.lambda.props.Set("Role", conditional(cond, yes, arn))
		f.role.attributes.Set("Condition", "NOT"+name)
		f.addCondition("NOT"+name, made("Fn::Not", []any{made("Condition", cond)}))
	default:
		return nil
	}
	f.made = append(f.made, f.role)
	return nil
}

func (t *transform) addCondition(name string, v *Dict) {
	if t.out.dict("Conditions") == nil {
		t.out.Set("Conditions", NewDict())
	}
	t.out.dict("Conditions").Set(name, v)
}

// policies adds what Policies names to a role's managed and inline policies.
func (f *function) policies(arns, inline []any) ([]any, []any, error) {
	for i, p := range listOf(f.props.get("Policies")) {
		kind, err := policyKind(p)
		if err != nil {
			return nil, nil, err
		}
		switch kind {
		case "statement":
			name := f.id + "RolePolicy" + strconv.Itoa(i)
			wrap := func(v any) any { return made("PolicyName", name, "PolicyDocument", v) }
			if isIf(p) {
				eachChoice(p, wrap)
				inline = append(inline, p)
			} else {
				inline = append(inline, wrap(p))
			}
		case "managed":
			arn := p
			if s, ok := p.(string); ok {
				arn = f.managed(s)
			} else if isIf(p) {
				eachChoice(p, func(v any) any {
					if s, ok := v.(string); ok {
						return f.managed(s)
					}
					return v
				})
			}
			if !slices.ContainsFunc(arns, func(a any) bool { return digest(a) == digest(arn) }) {
				arns = append(arns, arn)
			}
		default:
			return nil, nil, badResource(f.id, "Policy at index %d in the 'Policies' property is not valid", i)
		}
	}
	return arns, inline, nil
}

func listOf(v any) []any {
	if !truthy(v) {
		return nil
	}
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// eachChoice replaces what the two ways of Fn::If give, in place.
func eachChoice(v any, by func(any) any) {
	list := asDict(v).list("Fn::If")
	for i := 1; i < len(list); i++ {
		if !isNoValue(list[i]) {
			list[i] = by(list[i])
		}
	}
}

func (t *transform) managed(name string) any {
	if t.Managed != nil {
		if arn, ok := t.Managed(name); ok {
			return arn
		}
	}
	return name
}

// policyKind is what an entry of Policies is: a managed policy, statements, a
// policy template or nothing that is known.
func policyKind(p any) (string, error) {
	if _, ok := p.(string); ok {
		return "managed", nil
	}
	if isIf(p) {
		_, yes, no, err := ifParts(p)
		if err != nil {
			return "", err
		}
		a, err := policyKind(yes)
		if err != nil {
			return "", err
		}
		b, err := policyKind(no)
		switch {
		case err != nil:
			return "", err
		case a == b || isNoValue(no):
			return a, nil
		case isNoValue(yes):
			return b, nil
		}
		return "", badTemplate("Different policy types within the same Fn::If statement is unsupported. Separate different policy types into different Fn::If statements")
	}
	if isIntrinsic(p) {
		return "managed", nil
	}
	d := asDict(p)
	if d.has("Statement") {
		return "statement", nil
	}
	if name, _, ok := d.only(); ok && policyLines(name) != nil {
		return "template", nil
	}
	return "", nil
}

// usePolicyTemplates writes the policy templates of a function out.
func (t *transform) usePolicyTemplates(id string, props *Dict) error {
	list := listOf(props.get("Policies"))
	if len(list) == 0 {
		return nil
	}
	var out []any
	for _, p := range list {
		kind, err := policyKind(p)
		if err != nil {
			return err
		}
		if kind != "template" {
			out = append(out, p)
			continue
		}
		var failed error
		write := func(v any) any {
			d, err := fromPolicyTemplate(id, asDict(v))
			if err != nil {
				failed = err
			}
			return d
		}
		if isIf(p) {
			p = clone(p)
			eachChoice(p, write)
		} else {
			p = write(p)
		}
		if failed != nil {
			return failed
		}
		out = append(out, p)
	}
	props.Set("Policies", out)
	return nil
}

// policyLines are the lines of a policy template: its parameters, its statements.
func policyLines(name string) []string {
	var out []string
	for line := range strings.Lines(policyTable) {
		line = strings.TrimSuffix(line, "\n")
		switch body, statement := strings.CutPrefix(line, "\t"); {
		case statement && out != nil:
			out = append(out, body)
		case statement:
		case out != nil:
			return out
		case line == name || strings.HasPrefix(line, name+" "):
			out = append(out, strings.TrimPrefix(line, name))
		}
	}
	return out
}

func fromPolicyTemplate(id string, use *Dict) (*Dict, error) {
	name, given, _ := use.only()
	lines := policyLines(name)
	values := asDict(given)
	if lines == nil || values == nil {
		return nil, badResource(id, "Must specify valid parameter values for policy template '%s'", name)
	}
	var missing []string
	for _, p := range strings.Fields(lines[0]) {
		if !values.has(p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return nil, badResource(id, "Following required parameters of template '%s' don't have values: %s", name, pythonList(missing))
	}
	var out []any
	for _, line := range lines[1:] {
		out = append(out, policyStatement(line, strings.Fields(lines[0]), values))
	}
	return made("Statement", out), nil
}

// policyStatement writes one line of the table out.
func policyStatement(line string, params []string, values *Dict) *Dict {
	what, condition, limited := strings.Cut(line, " if ")
	head, on, _ := strings.Cut(what, " on ")
	service, actions, _ := strings.Cut(head, " ")
	var action any
	if one, single := strings.CutPrefix(actions, "="); single {
		action = service + ":" + one
	} else {
		var list []any
		for a := range strings.SplitSeq(actions, ",") {
			list = append(list, service+":"+a)
		}
		action = list
	}
	target := func(s string) any { return policyResource(s, params, values) }
	var resource any
	if inner, many := strings.CutPrefix(on, "["); many {
		var list []any
		for s := range strings.FieldsSeq(strings.TrimSuffix(inner, "]")) {
			list = append(list, target(s))
		}
		resource = list
	} else {
		resource = target(on)
	}
	out := statement(action, resource)
	if limited {
		key, value, _ := strings.Cut(condition, " ")
		out.Set("Condition", made("StringEquals", made(key, target(value))))
	}
	return out
}

func policyResource(s string, params []string, values *Dict) any {
	if s == "*" {
		return s
	}
	if service, rest, ok := strings.Cut(s, ":"); ok && !strings.HasPrefix(s, "$") {
		if strings.HasPrefix(rest, "::") {
			s = "arn:${AWS::Partition}:" + s
		} else {
			s = "arn:${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}:" + rest
		}
	}
	vars := NewDict()
	for _, m := range subReference.FindAllStringSubmatch(s, -1) {
		for _, p := range params {
			if strings.EqualFold(p, m[1]) {
				vars.Set(m[1], values.get(p))
			}
		}
	}
	if vars.len() == 0 {
		return sub(s)
	}
	return made("Fn::Sub", []any{s, vars})
}
