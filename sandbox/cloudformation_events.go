package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// stackEvent is a line of a stack's history. An empty Resource is the stack.
type stackEvent struct {
	Resource   string    `json:"resource,omitempty"`
	Type       string    `json:"type,omitempty"`
	PhysicalID string    `json:"physical_id,omitempty"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason,omitempty"`
	Time       time.Time `json:"time"`
	Token      string    `json:"token,omitempty"`
	Operation  string    `json:"operation,omitempty"`
	Props      string    `json:"props,omitempty"`
}

// maxEvents bounds a stack's history; the oldest go first.
const maxEvents = 2000

func (s *Sandbox) addEvent(st *stack, e stackEvent) {
	e.Time = s.now()
	if st.Op != nil {
		e.Token, e.Operation = st.Op.Token, st.Op.ID
	}
	if len(st.Events) >= maxEvents {
		st.Events = slices.Delete(st.Events, 0, maxEvents/10)
	}
	st.Events = append(st.Events, e)
}

// resourceStatus changes a resource's status and tells it as an event.
func (s *Sandbox) resourceStatus(st *stack, r *stackResource, status, reason string) {
	r.Status, r.Reason, r.Updated = status, reason, s.now()
	s.addEvent(st, stackEvent{Resource: r.ID, Type: r.Type, PhysicalID: r.PhysicalID, Status: status, Reason: reason,
		Props: string(r.shown())})
}

// shown are the resource's properties as anybody may see them. They go with the
// resource: when it is cleaned up, its stack has other parameters.
func (r *stackResource) shown() json.RawMessage {
	if r.Shown != nil {
		return r.Shown
	}
	return r.Props
}

// conceal notes how properties that come of the stack's parameters are shown:
// without the values of those with NoEcho, and without what the type hides.
func (s *Sandbox) conceal(st *stack, r *stackResource) {
	shown := r.Props
	if name, props := s.types()[r.Type].secret, decode(r.Props); props.has(name) {
		props[name] = hidden(props.str(name))
		shown = encode(map[string]any(props))
	}
	if r.Shown = json.RawMessage(s.masked(st, string(shown))); string(r.Shown) == string(r.Props) {
		r.Shown = nil
	}
}

// hidden stands for a value that isn't shown.
func hidden(value string) string {
	if value == "" {
		return ""
	}
	return "****"
}

// eventID is unique in the stack: AWS gives stack events a UUID, others name,
// status and time.
func eventID(st *stack, e stackEvent, i int) string {
	if e.Resource != "" {
		return fmt.Sprintf("%s-%s-%s-%d", e.Resource, e.Status, e.Time.Format(timeXML), i)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", st.ID, e.Time, i))
	h := hex.EncodeToString(sum[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

func describeStackEvents(c *call) (obj, error) {
	st, err := c.anyStack("Stack [%s] does not exist")
	if err != nil {
		return nil, err
	}
	type numbered struct {
		stackEvent
		i int
	}
	items := make([]numbered, 0, len(st.Events))
	for i := len(st.Events) - 1; i >= 0; i-- {
		items = append(items, numbered{st.Events[i], i})
	}
	page, next, ok := paginate(c.Sandbox, items, func(n numbered) string { return fmt.Sprintf("%09d", 999_999_999-n.i) },
		c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := make([]obj, len(page))
	for i, e := range page {
		o := obj{
			"StackId": st.ID, "StackName": st.Name, "EventId": eventID(st, e.stackEvent, e.i), "Timestamp": e.Time,
			"ResourceStatus": e.Status, "ResourceStatusReason": optional(e.Reason), "ClientRequestToken": optional(e.Token),
			"OperationId":       optional(e.Operation),
			"LogicalResourceId": e.Resource, "PhysicalResourceId": e.PhysicalID, "ResourceType": e.Type,
			"ResourceProperties": optional(e.Props),
		}
		if e.Resource == "" {
			o["LogicalResourceId"], o["ResourceType"] = st.Name, "AWS::CloudFormation::Stack"
		}
		out[i] = o
	}
	return obj{"StackEvents": out, "NextToken": optional(next)}, nil
}

// badToken refuses a paging token that isn't ours.
func badToken(c *call) error { return invalid("Token '%s' is not valid", c.In.str("NextToken")) }

// anyStack finds the stack that the call names, deleted ones by id.
func (c *call) anyStack(format string) (*stack, error) {
	name := c.In.str("StackName")
	if name == "" {
		return nil, missing("stackName")
	}
	st := c.findStack(name)
	if st == nil {
		return nil, invalid(format, name)
	}
	return st, nil
}

func resourceObj(st *stack, r *stackResource, when string) obj {
	return obj{
		"StackName": st.Name, "StackId": st.ID, "LogicalResourceId": r.ID, "PhysicalResourceId": optional(r.PhysicalID),
		"ResourceType": r.Type, when: r.Updated, "ResourceStatus": r.Status, "ResourceStatusReason": optional(r.Reason),
		"DriftInformation": r.driftInformation(),
	}
}

func describeStackResource(c *call) (obj, error) {
	st, err := c.anyStack("Stack '%s' does not exist")
	if err != nil {
		return nil, err
	}
	r := st.Resources[c.In.str("LogicalResourceId")]
	if r == nil {
		return nil, invalid("Resource %s does not exist for stack %s", c.In.str("LogicalResourceId"), st.Name)
	}
	o := resourceObj(st, r, "LastUpdatedTimestamp")
	o["Metadata"] = optional(string(r.Metadata))
	return obj{"StackResourceDetail": o}, nil
}

// describeStackResources finds by stack, or by a physical id in any stack.
func describeStackResources(c *call) (obj, error) {
	physical := c.In.str("PhysicalResourceId")
	if physical != "" && c.In.str("StackName") == "" {
		for _, st := range c.cfn().Stacks {
			for _, r := range st.Resources {
				if r.PhysicalID == physical && st.Status != "DELETE_COMPLETE" {
					return obj{"StackResources": stackResourceList(st, c.In.str("LogicalResourceId"))}, nil
				}
			}
		}
		return nil, invalid("Stack for %s does not exist", physical)
	}
	st, err := c.anyStack("Stack with id %s does not exist")
	if err != nil {
		return nil, err
	}
	return obj{"StackResources": stackResourceList(st, c.In.str("LogicalResourceId"))}, nil
}

func stackResourceList(st *stack, only string) []obj {
	var out []obj
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if only == "" || id == only {
			out = append(out, resourceObj(st, st.Resources[id], "Timestamp"))
		}
	}
	return out
}

func listStackResources(c *call) (obj, error) {
	st, err := c.anyStack("Stack with id %s does not exist")
	if err != nil {
		return nil, err
	}
	page, next, ok := paginate(c.Sandbox, slices.Sorted(maps.Keys(st.Resources)), same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	var out []obj
	for _, id := range page {
		o := resourceObj(st, st.Resources[id], "LastUpdatedTimestamp")
		delete(o, "StackName")
		delete(o, "StackId")
		out = append(out, o)
	}
	return obj{"StackResourceSummaries": out, "NextToken": optional(next)}, nil
}
