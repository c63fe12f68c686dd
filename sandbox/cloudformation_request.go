package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"axle/internal/late"
)

var stackNames = naming{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 1, 128}

// request is what a caller wants a stack to become.
type request struct {
	t      *template // after its transforms
	next   stackVersion
	who    identity
	broken error // why a transform failed, which a change set tells later
}

// readRequest reads template, parameters, tags, capabilities and role, and
// refuses as CloudFormation does before anything is started. old is nil for a
// new stack.
func (c *call) readRequest(old *stack) (*request, error) {
	if err := c.refuseUnsupported(); err != nil {
		return nil, err
	}
	t, err := c.requestedTemplate(old)
	if err != nil {
		return nil, err
	}
	if err := c.checkTypes(t); err != nil {
		return nil, err
	}
	r := &request{t: t, next: stackVersion{Template: t.digest, Role: c.In.str("RoleARN"),
		Capabilities: c.In.strs("Capabilities")}}
	var previous map[string]stackParameter
	if old != nil {
		previous = old.Parameters
		if r.next.Role == "" {
			r.next.Role = old.Role
		}
	}
	if r.next.Parameters, err = t.parametersFor(c.In.list("Parameters"), previous); err != nil {
		return nil, err
	}
	if r.next.Tags, err = c.requestedTags(old); err != nil {
		return nil, err
	}
	if r.broken = c.expand(r); r.broken != nil && c.Op != "CreateChangeSet" {
		return nil, r.broken
	}
	if err := c.checkCapabilities(t, r.t); err != nil {
		return nil, err
	}
	if r.who, err = c.stackPrincipal(r.next.Role); err != nil {
		return nil, err
	}
	as := c.as(&r.who, c.Account)
	if err := as.resolveSSM(t, r.next.Parameters); err != nil {
		return nil, err
	}
	if err := as.evaluation(&stack{Name: c.In.str("StackName")}, t, r.next).checkRules(); err != nil {
		return nil, err
	}
	return r, as.checkExisting(t, r.next.Parameters)
}

// refuseUnsupported refuses what this version of the sandbox would have to
// pretend to do.
func (c *call) refuseUnsupported() error {
	for _, name := range []string{"OnFailure", "OnStackFailure"} {
		if v := c.In.str(name); v != "" && !slices.Contains([]string{"DO_NOTHING", "ROLLBACK", "DELETE"}, v) {
			return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [ROLLBACK, DELETE, DO_NOTHING]", v, strings.ToLower(name[:1])+name[1:])
		}
	}
	switch {
	case c.In.has("TimeoutInMinutes") && c.In.int("TimeoutInMinutes", 0) < 1:
		return invalid("1 validation error detected: Value '%s' at 'timeoutInMinutes' failed to satisfy constraint: Member must have value greater than or equal to 1", c.In.str("TimeoutInMinutes"))
	case len(c.In.obj("RollbackConfiguration").list("RollbackTriggers")) > 0 || c.In.obj("RollbackConfiguration").int("MonitoringTimeInMinutes", 0) != 0:
		return invalid("RollbackConfiguration isn't supported by this version of the sandbox")
	case len(c.In.strs("NotificationARNs")) > 0:
		return invalid("NotificationARNs isn't supported by this version of the sandbox: events aren't sent to topics")
	case c.In.has("DeploymentMode") && (c.Op != "CreateChangeSet" || c.In.str("DeploymentMode") != "REVERT_DRIFT"):
		return invalid("DeploymentMode %s isn't supported by this version of the sandbox", c.In.str("DeploymentMode"))
	case c.In.bool("ImportExistingResources"):
		return invalid("ImportExistingResources isn't supported by this version of the sandbox")
	case len(c.In.list("ResourcesToImport")) > 0 && c.In.str("ChangeSetType") != "IMPORT":
		return invalid("ResourcesToImport is only for change sets of type IMPORT")
	}
	return nil
}

// checkTypes holds the template against the types that the caller permits.
func (c *call) checkTypes(t *template) error {
	permitted := c.In.strs("ResourceTypes")
	if len(permitted) == 0 {
		return nil
	}
	for _, id := range sortedKeys(t.resources) {
		typ := t.resources[id].typ
		if !slices.ContainsFunc(permitted, func(p string) bool {
			prefix, wild := strings.CutSuffix(p, "*")
			return p == typ || wild && strings.HasPrefix(typ, prefix)
		}) {
			return invalid("Resource type %s is not allowed by parameter ResourceTypes [%s]", typ, strings.Join(permitted, ", "))
		}
	}
	return nil
}

// requestedTags are the stack's tags. An update that names none keeps them.
func (c *call) requestedTags(old *stack) (map[string]string, error) {
	if old != nil && !c.In.has("Tags") {
		return old.stackVersion.Tags, nil
	}
	if _, twice := duplicate(c.In.list("Tags"), "Key"); twice {
		return nil, invalid("Tags contain duplicate keys; tag keys must be unique")
	}
	tags := c.In.tags("Tags")
	if len(tags) > 50 {
		return nil, invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	for k, v := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return nil, invalid("The tag key %s is reserved: aws: prefixed tag key names are not allowed for external use.", k)
		case k == "" || len(k) > 128:
			return nil, invalid("1 validation error detected: Value '%s' at 'tags.1.member.key' failed to satisfy constraint: Member must have length between 1 and 128", k)
		case v == "" || len(v) > 256:
			return nil, invalid("1 validation error detected: Value '%s' at 'tags.1.member.value' failed to satisfy constraint: Member must have length between 1 and 256", v)
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	return tags, nil
}

// requestedTemplate is the template by body, by URL or the stack's own.
func (c *call) requestedTemplate(old *stack) (*template, error) {
	body, url := c.In.str("TemplateBody"), c.In.str("TemplateURL")
	switch {
	case c.In.bool("UsePreviousTemplate"):
		if body != "" || url != "" {
			return nil, invalid("Specify exactly one of TemplateBody, TemplateURL or UsePreviousTemplate")
		}
		if old == nil || old.Template == "" {
			return nil, invalid("Cannot use previous template: the stack has none")
		}
		return c.keptTemplate(old.original()), nil
	case body != "" && url != "":
		return nil, invalid("Specify exactly one of TemplateBody or TemplateURL")
	case body != "":
		if len(body) > maxTemplateBody && c.Via != "cloudformation" { // StackSets brings what it has read from a URL
			return nil, invalid("1 validation error detected: Value '%s...' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", body[:64], maxTemplateBody)
		}
		return c.keepTemplate(body)
	case url != "":
		text, err := c.templateObject(url)
		if err != nil {
			return nil, err
		}
		return c.keepTemplate(text)
	}
	return nil, invalid("Either Template URL or Template Body must be specified.")
}

// checkCapabilities wants acknowledged what the template, as given and after its
// transforms, asks for. Transforms needn't be for a change set, whose changes are
// reviewed; applications in applications must, whose changes it doesn't show.
func (c *call) checkCapabilities(templates ...*template) error {
	given := c.In.strs("Capabilities")
	for _, g := range given {
		if !slices.Contains([]string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}, g) {
			return invalid("1 validation error detected: Value '[%s]' at 'capabilities' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND]]", strings.Join(given, ", "))
		}
	}
	var lacking []string
	for _, t := range templates {
		want, _ := t.capabilities(c.types())
		for _, w := range want {
			switch {
			case slices.Contains(given, w) || slices.Contains(lacking, w):
			case w == "CAPABILITY_IAM" && slices.Contains(given, "CAPABILITY_NAMED_IAM"):
			case w == "CAPABILITY_AUTO_EXPAND" && c.Op == "CreateChangeSet" && !t.nests():
			default:
				lacking = append(lacking, w)
			}
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		slices.Reverse(lacking) // CloudFormation names those of IAM first
		return fail("InsufficientCapabilitiesException", "Requires capabilities : [%s]", strings.Join(lacking, ", "))
	}
	return nil
}

// stackPrincipal is as whom the stack's resources are made: the service role, which
// the caller must be allowed to pass, or the caller.
func (c *call) stackPrincipal(role string) (identity, error) {
	if role == "" {
		who := *c.Who
		who.Secret, who.Token = "", ""
		return who, nil
	}
	if !strings.HasPrefix(role, "arn:") || !strings.Contains(role, ":role/") {
		return identity{}, invalid("1 validation error detected: Value '%s' at 'roleARN' failed to satisfy constraint: Member must be the ARN of a role", role)
	}
	if err := c.mayPass(role, "cloudformation.amazonaws.com"); err != nil {
		return identity{}, err
	}
	name := role[strings.LastIndex(role, "/")+1:]
	r := c.Account.IAM.Roles[name]
	if r == nil || r.ARN != role || !c.trustsCloudFormation(r) {
		return identity{}, invalid("Role %s is invalid or cannot be assumed", role)
	}
	return identity{
		Account: c.Account.ID, Type: "role", Role: name, UserID: r.ID + ":AWSCloudFormation",
		ARN: fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/AWSCloudFormation", partition(c.Region), c.Account.ID, name),
	}, nil
}

// trustsCloudFormation says whether a role's trust policy lets the service in.
func (c *call) trustsCloudFormation(r *iamRole) bool {
	trust, seen := r.trustAt(c.now())
	if !seen {
		return false
	}
	service := c.as(&identity{Account: c.Account.ID, ARN: "cloudformation.amazonaws.com", Type: "service"}, c.Account)
	d, _ := service.decide(access{Action: "sts:AssumeRole", Resource: r.ARN, Owner: c.Account.ID, Policy: trust})
	return d.Allowed()
}

// checkExisting holds parameters of AWS-specific types against what the
// account has.
func (c *call) checkExisting(t *template, values map[string]stackParameter) error {
	for _, name := range sortedKeys(t.parameters) {
		p := t.parameters[name]
		inner := strings.TrimSuffix(strings.TrimPrefix(p.typ, "List<"), ">")
		var op, field string
		switch inner {
		case "AWS::EC2::VPC::Id":
			op, field = "DescribeVpcs", "VpcId"
		case "AWS::EC2::Subnet::Id":
			op, field = "DescribeSubnets", "SubnetId"
		case "AWS::EC2::SecurityGroup::Id":
			op, field = "DescribeSecurityGroups", "GroupId"
		case "AWS::EC2::AvailabilityZone::Name":
			op, field = "DescribeAvailabilityZones", "ZoneName"
		default:
			continue
		}
		for _, v := range strings.Split(values[name].Value, ",") {
			v = strings.TrimSpace(v)
			if _, err := c.invoke("ec2", op, c.Region, params{field: []any{v}}); err != nil {
				return invalid("Parameter validation failed: parameter value %s for parameter name %s does not exist", v, name)
			}
		}
	}
	return nil
}

var requestTokens = naming{late.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]*$`), 1, 128}

// repeated says whether the call repeats the stack's last operation by its
// token, and refuses a token that belongs to another operation.
func (c *call) repeated(st *stack) (bool, error) {
	token := c.In.str("ClientRequestToken")
	if token != "" && !requestTokens.MatchString(token) {
		return false, invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9][-a-zA-Z0-9]*", token)
	}
	if token == "" || st == nil || st.Last == nil || st.Last.Token != token {
		return false, nil
	}
	if st.Last.Op != c.Op {
		return false, fail("TokenAlreadyExistsException", "A client request token already exists for another operation: %s", token)
	}
	return true, nil
}
