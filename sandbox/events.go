package sandbox

import (
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// eventState is what EventBridge keeps of one account and region: its buses.
// The default one is made when it is first looked at.
type eventState struct {
	Buses map[string]*eventBus `json:"buses,omitempty"` // by name
}

// eventBus is an event bus with its rules.
type eventBus struct {
	Name        string                `json:"name"`
	Owner       string                `json:"owner"`
	Region      string                `json:"region"`
	Description string                `json:"description,omitempty"`
	Settings    map[string]any        `json:"settings,omitempty"` // KmsKeyIdentifier, DeadLetterConfig, LogConfig as they were given
	Policy      string                `json:"policy,omitempty"`
	Bound       map[string]string     `json:"bound,omitempty"` // unique ids of the policy's principals
	Tags        map[string]string     `json:"tags,omitempty"`
	Rules       map[string]*eventRule `json:"rules,omitempty"`
	Created     time.Time             `json:"created"`
	Modified    time.Time             `json:"modified"`
}

func (b *eventBus) arn() string {
	return "arn:aws:events:" + b.Region + ":" + b.Owner + ":event-bus/" + b.Name
}

// ruleARN is that of a rule of the bus, whether it is there or not.
func (b *eventBus) ruleARN(name string) string {
	if b.Name != "default" {
		name = b.Name + "/" + name
	}
	return "arn:aws:events:" + b.Region + ":" + b.Owner + ":rule/" + name
}

// eventRule is a rule of a bus. Targets are as they were given, by id.
type eventRule struct {
	Name        string                    `json:"name"`
	Pattern     string                    `json:"pattern,omitempty"`
	Schedule    string                    `json:"schedule,omitempty"`
	State       string                    `json:"state"`
	Description string                    `json:"description,omitempty"`
	Role        string                    `json:"role,omitempty"`
	By          string                    `json:"by"` // the account that made it
	Tags        map[string]string         `json:"tags,omitempty"`
	Targets     map[string]map[string]any `json:"targets,omitempty"`
}

var (
	busName   = naming{late.MustCompile(`^[/.\-_A-Za-z0-9]+$`), 1, 256}
	ruleName  = naming{late.MustCompile(`^[.\-_A-Za-z0-9]+$`), 1, 64}
	sidFormat = naming{late.MustCompile(`^[a-zA-Z0-9-_]+$`), 1, 64}
)

func (s *Sandbox) eventsOps() map[string]operation {
	onBus := func(run func(*call) (obj, error), field string) operation {
		return operation{run: run, access: busAccess(field)}
	}
	onRule := func(run func(*call, *eventBus) (obj, error), field string) operation {
		return operation{access: ruleAccess(field), run: func(c *call) (obj, error) {
			b, err := c.bus("EventBusName")
			if err != nil {
				return nil, err
			}
			return run(c, b)
		}}
	}
	tagged := func(run func(*call, *map[string]string) (obj, error)) operation {
		return operation{access: eventTagAccess, run: func(c *call) (obj, error) {
			tags, err := c.eventTags()
			if err != nil {
				return nil, err
			}
			return run(c, tags)
		}}
	}
	return map[string]operation{
		"CreateEventBus":      onBus(createEventBus, "Name"),
		"UpdateEventBus":      onBus(updateEventBus, "Name"),
		"DescribeEventBus":    onBus(describeEventBus, "Name"),
		"DeleteEventBus":      onBus(deleteEventBus, "Name"),
		"ListEventBuses":      {run: listEventBuses},
		"PutPermission":       onBus(putBusPermission, "EventBusName"),
		"RemovePermission":    onBus(removeBusPermission, "EventBusName"),
		"PutRule":             onRule(putRule, "Name"),
		"DescribeRule":        onRule(describeRule, "Name"),
		"DeleteRule":          onRule(deleteRule, "Name"),
		"EnableRule":          onRule(switchRule, "Name"),
		"DisableRule":         onRule(switchRule, "Name"),
		"ListRules":           onBus(listRules, "EventBusName"),
		"PutTargets":          onRule(putTargets, "Rule"),
		"RemoveTargets":       onRule(removeTargets, "Rule"),
		"ListTargetsByRule":   onRule(listTargets, "Rule"),
		"PutEvents":           {run: putEvents, access: putEventsAccess},
		"TagResource":         tagged(tagEvents),
		"UntagResource":       tagged(untagEvents),
		"ListTagsForResource": tagged(listEventTags),
	}
}

// busPlace reads a bus's name or ARN: whose it is, where, and its name.
func (c *call) busPlace(given string) (owner, region, name string) {
	if parts := strings.SplitN(given, ":", 6); len(parts) == 6 && parts[0] == "arn" && parts[2] == "events" {
		return parts[4], parts[3], strings.TrimPrefix(parts[5], "event-bus/")
	}
	if given == "" {
		given = "default"
	}
	return c.Account.ID, c.Region, given
}

// busNamed finds the bus of a name or an ARN; nil if there is none.
func (c *call) busNamed(given string) *eventBus {
	owner, region, name := c.busPlace(given)
	a := c.account(owner)
	if a == nil || !c.reachable(owner, region) {
		return nil
	}
	st := &a.region(region).Events
	if b := st.Buses[name]; b != nil || name != "default" {
		return b
	}
	b := &eventBus{Name: name, Owner: owner, Region: region, Created: c.now(), Modified: c.now()}
	put(&st.Buses, name, b)
	return b
}

// bus finds the bus that an input names, or gives EventBridge's error.
func (c *call) bus(field string) (*eventBus, error) {
	given := c.In.str(field)
	if b := c.busNamed(given); b != nil {
		return b, nil
	}
	_, _, name := c.busPlace(given)
	return nil, notThere("Event bus %s does not exist.", name)
}

func notThere(format string, args ...any) error {
	return fail("ResourceNotFoundException", format, args...)
}

// invalidEvent is EventBridge's ValidationException.
func invalidEvent(format string, args ...any) error {
	return fail("ValidationException", format, args...)
}

// onBusAccess is one action on something of a bus, judged by the bus's policy too.
func (c *call) onBusAccess(given, action, resource string) access {
	owner, region, name := c.busPlace(given)
	if resource == "" {
		resource = (&eventBus{Owner: owner, Region: region, Name: name}).arn()
	}
	a := access{Action: "events:" + action, Resource: resource, Owner: owner}
	if b := c.busNamed(given); b != nil && b.Policy != "" {
		a.Policy = c.bound(b.Policy, b.Bound)
	}
	return a
}

// busAccess asks for the operation's action on the bus that an input names.
func busAccess(field string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		a := c.onBusAccess(c.In.str(field), c.Op, "")
		needs := []access{a}
		if tags := c.In.tags("Tags"); len(tags) > 0 && c.Op == "CreateEventBus" {
			needs[0].Context = requestTags(tags)
			needs = append(needs, access{Action: "events:TagResource", Resource: a.Resource, Context: requestTags(tags)})
		}
		return needs, nil
	}
}

// ruleAccess asks for the operation's action on the rule that an input names.
func ruleAccess(field string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		given := c.In.str("EventBusName")
		owner, region, bus := c.busPlace(given)
		b := &eventBus{Owner: owner, Region: region, Name: bus}
		a := c.onBusAccess(given, c.Op, b.ruleARN(c.In.str(field)))
		a.Context = c.ruleContext(c.busNamed(given), field)
		needs := []access{a}
		if tags := c.In.tags("Tags"); len(tags) > 0 && c.Op == "PutRule" {
			needs = append(needs, access{Action: "events:TagResource", Resource: a.Resource, Context: requestTags(tags)})
		}
		return needs, nil
	}
}

// ruleContext are the condition keys of what is done with a rule: what PutRule
// gives it, who made it, which targets it gets.
func (c *call) ruleContext(b *eventBus, field string) map[string][]string {
	ctx := requestTags(c.In.tags("Tags"))
	switch c.Op {
	case "PutRule":
		event, err := decodeEvent([]byte(c.In.str("EventPattern")))
		for key, name := range map[string]string{"events:source": "source", "events:detail-type": "detail-type"} {
			for _, v := range listed(event[name]) {
				if s, ok := v.(string); ok && err == nil {
					ctx[key] = append(ctx[key], s)
				}
			}
		}
	case "PutTargets":
		for _, t := range c.In.list("Targets") {
			ctx["events:TargetArn"] = append(ctx["events:TargetArn"], t.str("Arn"))
		}
	}
	if b != nil {
		if r := b.Rules[c.In.str(field)]; r != nil {
			ctx["events:creatorAccount"] = []string{r.By}
			for k, v := range r.Tags {
				ctx["aws:ResourceTag/"+k] = []string{v}
			}
		}
	}
	return ctx
}

func eventTagAccess(c *call) ([]access, error) {
	return []access{{Action: "events:" + c.Op, Resource: c.In.str("ResourceARN"), Context: requestTags(c.In.tags("Tags"))}}, nil
}

// eventTags are the tags of the bus or rule that ResourceARN names.
func (c *call) eventTags() (*map[string]string, error) {
	arn := c.In.str("ResourceARN")
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[2] == "events" && parts[4] == c.Account.ID && parts[3] == c.Region {
		kind, name, _ := strings.Cut(parts[5], "/")
		bus, rule := name, ""
		if kind == "rule" {
			if bus, rule = "default", name; strings.Contains(name, "/") {
				i := strings.LastIndexByte(name, '/')
				bus, rule = name[:i], name[i+1:]
			}
		}
		if b := c.busNamed(bus); b != nil && kind == "event-bus" {
			return &b.Tags, nil
		} else if b != nil && b.Rules[rule] != nil {
			return &b.Rules[rule].Tags, nil
		}
	}
	return nil, notThere("Resource %s does not exist.", arn)
}

func tagEvents(c *call, tags *map[string]string) (obj, error) {
	for k, v := range c.In.tags("Tags") {
		put(tags, k, v)
	}
	return obj{}, nil
}

func untagEvents(c *call, tags *map[string]string) (obj, error) {
	for _, k := range c.In.strs("TagKeys") {
		delete(*tags, k)
	}
	return obj{}, nil
}

func listEventTags(_ *call, tags *map[string]string) (obj, error) {
	return obj{"Tags": tagList(*tags)}, nil
}

// taggedEvents are the buses and rules with tags.
func taggedEvents(c *call) []taggedResource {
	var list []taggedResource
	for _, b := range c.here().Events.Buses {
		list = append(list, taggedResource{b.arn(), b.Tags})
		for name, r := range b.Rules {
			list = append(list, taggedResource{b.ruleARN(name), r.Tags})
		}
	}
	return list
}

// pageOf cuts a page out of names by the fields that EventBridge pages with.
func (c *call) pageOf(names []string) ([]string, any, error) {
	prefix := c.In.str("NamePrefix")
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) })
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), min(max(c.In.int("Limit", 100), 1), 100))
	if !ok {
		return nil, nil, invalidEvent("NextToken is not valid.")
	}
	return page, optional(next), nil
}
