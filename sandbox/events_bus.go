package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// busSettings are the fields that a bus only keeps and shows.
var busSettings = []string{"KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"}

func createEventBus(c *call) (obj, error) {
	name := c.In.str("Name")
	switch {
	case !busName.MatchString(name):
		return nil, invalidEvent("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [/\\.\\-_A-Za-z0-9]+", name)
	case strings.Contains(name, "/") || c.In.has("EventSourceName"):
		return nil, invalidEvent("Event bus name must not contain '/'.") // only those of partners do
	case c.busNamed(name) != nil:
		return nil, fail("ResourceAlreadyExistsException", "Event bus %s already exists.", name)
	}
	b := &eventBus{Name: name, Owner: c.Account.ID, Region: c.Region, Tags: c.In.tags("Tags"), Created: c.now()}
	c.setBus(b)
	put(&c.here().Events.Buses, name, b)
	out := c.busShape(b)
	out["EventBusArn"] = b.arn()
	return pick(out, append([]string{"EventBusArn", "Description"}, busSettings...)...), nil
}

// setBus takes what CreateEventBus and UpdateEventBus say.
func (c *call) setBus(b *eventBus) {
	b.Description, b.Settings, b.Modified = c.In.str("Description"), pick(c.In, busSettings...), c.now()
}

func updateEventBus(c *call) (obj, error) {
	b, err := c.bus("Name")
	if err != nil {
		return nil, err
	}
	c.setBus(b)
	return pick(c.busShape(b), append([]string{"Arn", "Name", "Description"}, busSettings...)...), nil
}

func (c *call) busShape(b *eventBus) obj {
	out := obj{"Name": b.Name, "Arn": b.arn(), "CreationTime": b.Created, "LastModifiedTime": b.Modified,
		"Description": optional(b.Description), "Policy": optional(c.bound(b.Policy, b.Bound))}
	for k, v := range b.Settings {
		out[k] = v
	}
	return out
}

func describeEventBus(c *call) (obj, error) {
	b, err := c.bus("Name")
	if err != nil {
		return nil, err
	}
	return c.busShape(b), nil
}

// deleteEventBus takes no bus that still has rules; one that isn't there is
// deleted all the same.
func deleteEventBus(c *call) (obj, error) {
	name := c.In.str("Name")
	if name == "default" {
		return nil, invalidEvent("Cannot delete event bus default.")
	}
	b := c.here().Events.Buses[name]
	if b != nil && len(b.Rules) > 0 {
		return nil, invalidEvent("Event bus can't be deleted since it has rules.")
	}
	delete(c.here().Events.Buses, name)
	return obj{}, nil
}

func listEventBuses(c *call) (obj, error) {
	c.busNamed("default")
	buses := c.here().Events.Buses
	page, next, err := c.pageOf(sortedKeys(buses))
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, name := range page {
		list = append(list, pick(c.busShape(buses[name]), "Name", "Arn", "Description", "Policy", "CreationTime", "LastModifiedTime"))
	}
	return obj{"EventBuses": list, "NextToken": next}, nil
}

// putBusPermission sets the whole policy, or one statement: for an account, or
// all that a condition lets in.
func putBusPermission(c *call) (obj, error) {
	b, err := c.bus("EventBusName")
	if err != nil {
		return nil, err
	}
	if c.In.has("Policy") {
		if c.In.has("StatementId") || c.In.has("Principal") || c.In.has("Action") {
			return nil, invalidEvent("You can't give Policy together with StatementId, Action, Principal or Condition.")
		}
		return nil, c.setBusPolicy(b, c.In.str("Policy"))
	}
	sid, who, action := c.In.str("StatementId"), c.In.str("Principal"), c.In.str("Action")
	switch {
	case !sidFormat.MatchString(sid):
		return nil, invalidEvent("Parameter StatementId is not valid.")
	case action != "events:PutEvents":
		return nil, invalidEvent("Provided value in parameter 'action' is not supported.")
	case who != "*" && !accountIDs.MatchString(who):
		return nil, fail("InvalidParameterValue", "Provided value in parameter 'principal' has to match the regex (\\d{12}|\\*).")
	}
	statement := map[string]any{"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": action, "Resource": b.arn()}
	if who != "*" {
		statement["Principal"] = map[string]any{"AWS": "arn:aws:iam::" + who + ":root"}
	}
	if when := c.In.obj("Condition"); len(when) > 0 {
		statement["Condition"] = map[string]any{when.str("Type"): map[string]any{when.str("Key"): when.str("Value")}}
	}
	return nil, c.setBusPolicy(b, b.withStatement(sid, statement))
}

// withStatement is the bus's policy with one statement more, or another in the
// place of the one that has its id.
func (b *eventBus) withStatement(sid string, statement map[string]any) string {
	kept := slices.DeleteFunc(b.statements(), func(s any) bool { return asParams(s).str("Sid") == sid })
	return documentText(map[string]any{"Version": "2012-10-17", "Statement": append(kept, statement)})
}

func (b *eventBus) statements() []any {
	doc := params{}
	if json.Unmarshal([]byte(b.Policy), &doc) != nil {
		return nil
	}
	return listed(doc["Statement"])
}

// maxBusPolicy is EventBridge's limit for a bus's policy.
const maxBusPolicy = 10240

func (c *call) setBusPolicy(b *eventBus, doc string) error {
	bound, err := c.checkResourcePolicy(doc, "events:")
	switch e, _ := err.(*apiError); {
	case e != nil && e.Code == "PrincipalNotFound":
		return invalidEvent("Parameter Policy is not valid. Reason: invalid principal %s", e.Message)
	case err != nil:
		return invalidEvent("Parameter Policy is not valid. Reason: %s", strings.TrimPrefix(err.Error(), "policy: "))
	case len(doc) > maxBusPolicy:
		return fail("PolicyLengthExceededException", "The policy's length exceeds %d bytes.", maxBusPolicy)
	}
	b.Policy, b.Bound, b.Modified = doc, bound, c.now()
	return nil
}

func removeBusPermission(c *call) (obj, error) {
	b, err := c.bus("EventBusName")
	if err != nil {
		return nil, err
	}
	all := b.statements()
	kept := slices.DeleteFunc(slices.Clone(all), func(s any) bool { return asParams(s).str("Sid") == c.In.str("StatementId") })
	switch {
	case c.In.bool("RemoveAllPermissions"):
		kept = nil
	case len(kept) == len(all) && b.Policy == "":
		return nil, notThere("EventBus does not have a policy.")
	case len(kept) == len(all):
		return nil, notThere("Statement with the provided id does not exist.")
	}
	if b.Modified = c.now(); len(kept) == 0 {
		b.Policy, b.Bound = "", nil
		return nil, nil
	}
	return nil, c.setBusPolicy(b, documentText(map[string]any{"Version": "2012-10-17", "Statement": kept}))
}
