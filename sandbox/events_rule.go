package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxPattern is EventBridge's limit for an event pattern, in letters.
const maxPattern = 4096

// rule finds the rule that an input names on a bus.
func (c *call) rule(b *eventBus, field string) (*eventRule, error) {
	if r := b.Rules[c.In.str(field)]; r != nil {
		return r, nil
	}
	return nil, notThere("Rule %s does not exist on EventBus %s.", c.In.str(field), b.Name)
}

// putRule makes a rule or replaces all of it but its targets and tags.
func putRule(c *call, b *eventBus) (obj, error) {
	name, pattern, schedule, role := c.In.str("Name"), c.In.str("EventPattern"), c.In.str("ScheduleExpression"), c.In.str("RoleArn")
	state := c.In.or("State", "ENABLED")
	switch {
	case !ruleName.MatchString(name):
		return nil, invalidEvent("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", name)
	case pattern == "" && schedule == "":
		return nil, invalidEvent("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case !slices.Contains([]string{"ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}, state):
		return nil, invalidEvent("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [DISABLED, ENABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]", state)
	case len(c.In.str("Description")) > 512:
		return nil, invalidEvent("1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 512")
	case len(pattern) > maxPattern:
		return nil, invalidEvent("1 validation error detected: Value at 'eventPattern' failed to satisfy constraint: Member must have length less than or equal to %d", maxPattern)
	case schedule != "" && b.Name != "default":
		return nil, invalidEvent("ScheduleExpression is supported only on the default event bus.")
	}
	if pattern != "" {
		if _, err := parsePattern(pattern); err != nil {
			return nil, err
		}
	}
	if schedule != "" {
		if _, err := parseSchedule(schedule, true); err != nil {
			return nil, invalidEvent("Parameter ScheduleExpression is not valid.")
		}
	}
	if role != "" {
		if err := c.mayGiveRole(role, "events.amazonaws.com", b.ruleARN(name)); err != nil {
			return nil, err
		}
	}
	r := b.Rules[name]
	if r == nil { // tags are taken at the creation only
		r = &eventRule{Name: name, By: c.Account.ID, Tags: c.In.tags("Tags")}
		put(&b.Rules, name, r)
	}
	r.Pattern, r.Schedule, r.State, r.Role, r.Description = pattern, schedule, state, role, c.In.str("Description")
	c.scheduleRule(b, r)
	return obj{"RuleArn": b.ruleARN(name)}, nil
}

func (b *eventBus) ruleShape(r *eventRule) obj {
	return obj{"Name": r.Name, "Arn": b.ruleARN(r.Name), "EventPattern": optional(r.Pattern), "ScheduleExpression": optional(r.Schedule),
		"State": r.State, "Description": optional(r.Description), "RoleArn": optional(r.Role), "EventBusName": b.Name}
}

func describeRule(c *call, b *eventBus) (obj, error) {
	r, err := c.rule(b, "Name")
	if err != nil {
		return nil, err
	}
	out := b.ruleShape(r)
	out["CreatedBy"] = r.By
	return out, nil
}

// deleteRule deletes a rule that isn't there all the same.
func deleteRule(c *call, b *eventBus) (obj, error) {
	r := b.Rules[c.In.str("Name")]
	if r == nil {
		return nil, nil
	}
	if len(r.Targets) > 0 {
		return nil, invalidEvent("Rule can't be deleted since it has targets.")
	}
	delete(b.Rules, r.Name)
	c.cancel(b.timer(r))
	return nil, nil
}

// switchRule is EnableRule and DisableRule.
func switchRule(c *call, b *eventBus) (obj, error) {
	r, err := c.rule(b, "Name")
	if err != nil {
		return nil, err
	}
	if r.State = "ENABLED"; c.Op == "DisableRule" {
		r.State = "DISABLED"
	}
	c.scheduleRule(b, r)
	return nil, nil
}

func listRules(c *call) (obj, error) {
	b, err := c.bus("EventBusName")
	if err != nil {
		return nil, err
	}
	page, next, err := c.pageOf(sortedKeys(b.Rules))
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, name := range page {
		list = append(list, b.ruleShape(b.Rules[name]))
	}
	return obj{"Rules": list, "NextToken": next}, nil
}

// targetFields are what a target may have, in the sandbox; the others belong to
// targets of kinds that it doesn't have.
var targetFields = []string{"Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "SqsParameters", "DeadLetterConfig", "RetryPolicy"}

// maxTargets is how many targets a rule has at most.
const maxTargets = 5

func putTargets(c *call, b *eventBus) (obj, error) {
	r, err := c.rule(b, "Rule")
	if err != nil {
		return nil, err
	}
	targets := c.In.list("Targets")
	if len(targets) == 0 {
		return nil, invalidEvent("1 validation error detected: Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	all := map[string]map[string]any{}
	for id, t := range r.Targets {
		all[id] = t
	}
	for _, t := range targets {
		if err := c.checkTarget(b, r, t); err != nil {
			return nil, err
		}
		all[t.str("Id")] = t
	}
	if len(all) > maxTargets {
		return nil, fail("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	}
	r.Targets = all
	return obj{"FailedEntryCount": 0, "FailedEntries": []obj{}}, nil
}

// checkTarget refuses what EventBridge refuses of a target, and targets that
// the sandbox delivers nothing to.
func (c *call) checkTarget(b *eventBus, r *eventRule, t params) error {
	id, arn := t.str("Id"), t.str("Arn")
	if !ruleName.MatchString(id) {
		return invalidEvent("1 validation error detected: Value '%s' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", id)
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return invalidEvent("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", arn)
	}
	kind := parts[2]
	if !slices.Contains([]string{"lambda", "sqs", "sns", "events"}, kind) {
		return invalidEvent("Parameter %s is not valid. Reason: the sandbox delivers to Lambda functions, SQS queues, SNS topics and event buses only.", arn)
	}
	for name := range t {
		if !slices.Contains(targetFields, name) {
			return invalidEvent("Parameter(s) %s not valid for target: %s.", name, id)
		}
	}
	switch {
	case kind != "events" && parts[3] != b.Region:
		return invalidEvent("Parameter %s is not valid. Reason: Provided Arn is not in the region of the rule.", arn)
	case t.str("RoleArn") == "" && (kind == "events" || parts[4] != b.Owner):
		return invalidEvent("RoleArn is required for target %s.", arn)
	case strings.HasSuffix(arn, ".fifo") && kind == "sqs" && t.obj("SqsParameters").str("MessageGroupId") == "":
		return invalidEvent("Parameter(s) SqsParameters must be specified for target: %s.", id)
	case kind == "events" && (t.has("Input") || t.has("InputPath") || t.has("InputTransformer")):
		return invalidEvent("Input, InputPath and InputTransformer can't be given for target %s: an event bus gets the event.", id)
	}
	if role := t.str("RoleArn"); role != "" {
		if err := c.mayGiveRole(role, "events.amazonaws.com", b.ruleARN(r.Name)); err != nil {
			return err
		}
	}
	return checkInput(t)
}

// checkInput refuses what can't be made into a target's input.
func checkInput(t params) error {
	given := 0
	for _, name := range []string{"Input", "InputPath", "InputTransformer"} {
		if t.has(name) {
			given++
		}
	}
	id, transformer := t.str("Id"), t.obj("InputTransformer")
	switch {
	case given > 1:
		return invalidEvent("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", id)
	case t.has("Input") && !json.Valid([]byte(t.str("Input"))):
		return invalidEvent("JSON syntax error in input for target %s", id)
	case t.has("InputPath") && parsePath(t.str("InputPath")) == nil:
		return invalidEvent("Invalid InputPath for target %s.", id)
	case !t.has("InputTransformer"):
		return nil
	case transformer.str("InputTemplate") == "":
		return invalidEvent("Parameter InputTemplate is not valid for target %s.", id)
	case len(transformer.obj("InputPathsMap")) > 100:
		return invalidEvent("InputPathsMap of target %s has more than 100 members.", id)
	}
	paths := transformer.strMap("InputPathsMap")
	for name, path := range paths {
		if parsePath(path) == nil || strings.HasPrefix(strings.ToLower(name), "aws") {
			return invalidEvent("Invalid InputPathsMap for target %s: %s.", id, name)
		}
	}
	return checkTemplate(id, transformer.str("InputTemplate"), paths)
}

func removeTargets(c *call, b *eventBus) (obj, error) {
	r, err := c.rule(b, "Rule")
	if err != nil {
		return nil, err
	}
	for _, id := range c.In.strs("Ids") {
		delete(r.Targets, id)
	}
	return obj{"FailedEntryCount": 0, "FailedEntries": []obj{}}, nil
}

func listTargets(c *call, b *eventBus) (obj, error) {
	r, err := c.rule(b, "Rule")
	if err != nil {
		return nil, err
	}
	page, next, err := c.pageOf(sortedKeys(r.Targets))
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, id := range page {
		list = append(list, r.Targets[id])
	}
	return obj{"Targets": list, "NextToken": next}, nil
}
