package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// eventDelivery is one event on its way from a rule to a target.
type eventDelivery struct {
	bus    *eventBus
	rule   *eventRule
	target params
	event  *event
	came   bool // from another bus
	input  []byte
}

// eventsSender is the unique id of EventBridge as the sender of messages.
const eventsSender = "AIDAJXNJGGKNS7OSV23OI"

// source is the ARN of the rule.
func (d *eventDelivery) source() string { return d.bus.ruleARN(d.rule.Name) }

// deliverEvent gives an event to a target, as the role that the target names,
// or as EventBridge with the permission of the target's own policy.
func (c *call) deliverEvent(d *eventDelivery) error {
	arn := d.target.str("Arn")
	parts := strings.SplitN(arn, ":", 6)
	as := c
	role := d.target.str("RoleArn")
	if role != "" {
		id, err := c.roleFor(role, "events.amazonaws.com", d.source(), "EventBridge")
		if err != nil {
			return err
		}
		as = c.as(id, nil)
	}
	switch parts[2] {
	case "events":
		return as.toBus(d, arn)
	case "sqs":
		return as.eventToQueue(d, arn)
	case "sns":
		return as.eventToTopic(d, arn)
	}
	if role == "" {
		return c.queueLambda(invocation{Function: arn, Payload: d.input, Principal: "events.amazonaws.com",
			SourceARN: d.source(), SourceAccount: d.bus.Owner, Async: true})
	}
	return as.runFunction(arn, d.input)
}

// runFunction queues an event for a function as the caller.
func (c *call) runFunction(arn string, payload []byte) error {
	return c.queueLambda(invocation{Function: arn, Payload: payload, Who: c.Who, Async: true})
}

// direct calls an operation as the caller itself, not on behalf of anybody.
func (c *call) direct(service, op, region string, in params) (obj, error) {
	o, ok := c.ops[service][op]
	if !ok {
		return nil, fail("InvalidAction", "The sandbox has no operation %s of %s.", op, service)
	}
	inner := *c
	inner.Service, inner.Op, inner.Region, inner.In, inner.Via, inner.HTTP, inner.Body = service, op, region, in, "", nil, nil
	return inner.run(o)
}

// toBus sends an event to another bus, where it is what it was: of its own
// account and region.
func (c *call) toBus(d *eventDelivery, arn string) error {
	if d.came {
		return fail("ChainedBus", "an event that came from another bus isn't sent on to a third")
	}
	if err := c.check(c.putAccess(arn, d.event.Source, d.event.DetailType)); err != nil {
		return err
	}
	to := c.busNamed(arn)
	if to == nil {
		return notThere("Event bus %s does not exist.", arn)
	}
	c.eventsFor(to).route(to, d.event, true)
	return nil
}

func (c *call) eventToQueue(d *eventDelivery, arn string) error {
	q := c.queueByARN(arn)
	if q == nil {
		return noQueue()
	}
	if c.Who.Type == "service" {
		m := &queueMessage{ID: c.uuid(), Body: string(d.input), Sent: c.now(), Visible: c.now(), System: map[string]string{"SenderId": eventsSender}}
		if q.fifo() {
			m.System["MessageGroupId"], m.System["MessageDeduplicationId"] = d.target.obj("SqsParameters").str("MessageGroupId"), d.event.ID
		}
		return c.serviceSends(q, m, d.source(), d.bus.Owner)
	}
	return c.sendAs(q, d.target.obj("SqsParameters").str("MessageGroupId"), d.event.ID, string(d.input))
}

// sendAs puts a message into a queue as the caller; group and id are for those
// of FIFO queues.
func (c *call) sendAs(q *queue, group, id, body string) error {
	in := params{"QueueUrl": c.endpoint + "/" + q.Owner + "/" + q.Name, "MessageBody": body}
	if q.fifo() {
		in["MessageGroupId"], in["MessageDeduplicationId"] = group, id
	}
	_, err := c.direct("sqs", "SendMessage", q.Region, in)
	return err
}

// serviceSends puts a message into a queue for a service, if the queue's policy
// lets it do so for the source, and the service may use the queue's key.
func (c *call) serviceSends(q *queue, m *queueMessage, source, account string) error {
	as := *c
	as.Service, as.Op, as.Region = "sqs", "SendMessage", q.Region
	keys := as.sourceKeys(source, account)
	err := as.check(access{Action: "sqs:SendMessage", Resource: q.arn(), Owner: q.Owner, Policy: c.bound(c.effective(q)["Policy"], q.Bound), Context: keys})
	if err != nil {
		return err
	}
	if id := c.effective(q)["KmsMasterKeyId"]; id != "" {
		for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
			k, err := as.useKeyIf(as.keyOf(q.Owner, id, "sqs"), action, "sqs", map[string]string{"aws:sqs:arn": q.arn()}, keys)
			if err != nil {
				return err
			}
			m.Key = k.arn()
		}
	}
	if c.opts.Unkind { // it takes a moment
		m.Visible = m.Visible.Add(time.Duration(c.random() * float64(time.Second)))
	}
	c.enqueue(q, m)
	return nil
}

func (c *call) eventToTopic(d *eventDelivery, arn string) error {
	t := c.topicAt(arn)
	if t == nil {
		return &apiError{Status: 404, Code: "NotFound", Message: "Topic does not exist"}
	}
	if c.Who.Type != "service" {
		_, err := c.direct("sns", "Publish", t.Region, params{"TopicArn": arn, "Message": string(d.input)})
		return err
	}
	as := *c
	as.Service, as.Op, as.Region, as.In = "sns", "Publish", t.Region, params{"TopicArn": arn, "Message": string(d.input)}
	err := as.check(access{Action: "sns:Publish", Resource: arn, Owner: t.Owner, Policy: c.bound(t.policy(), t.Bound), Context: as.sourceKeys(d.source(), d.bus.Owner)})
	if err != nil {
		return err
	}
	_, err = publish(&as)
	return err
}

// giveUpOnEvent puts what couldn't be delivered into the target's dead-letter
// queue, and says whether it has one that takes it.
func (c *call) giveUpOnEvent(d *eventDelivery, why error) bool {
	arn := d.target.obj("DeadLetterConfig").str("Arn")
	q := c.queueByARN(arn)
	if q == nil {
		return false
	}
	api := asAPIError(services["events"], why)
	attributes := map[string]any{}
	for name, value := range map[string]string{"RULE_ARN": d.source(), "TARGET_ARN": d.target.str("Arn"), "ERROR_CODE": api.Code, "ERROR_MESSAGE": api.Message} {
		attributes[name] = map[string]any{"DataType": "String", "StringValue": value}
	}
	m := &queueMessage{ID: c.uuid(), Body: string(d.input), Attributes: attributes, Sent: c.now(), Visible: c.now(), System: map[string]string{"SenderId": eventsSender}}
	err := c.serviceSends(q, m, d.source(), d.bus.Owner)
	if err != nil {
		c.log.Warn("EventBridge: the dead-letter queue takes nothing: "+err.Error(), "queue", arn, "rule", d.source())
	}
	return err == nil
}

// roleNamed finds a role of the call's account by its ARN, if it trusts a
// service that works for a source.
func (c *call) roleNamed(arn, service, source string) *iamRole {
	r := c.Account.IAM.Roles[arn[strings.LastIndex(arn, "/")+1:]]
	if r == nil || r.ARN != arn {
		return nil
	}
	as := c.asService(service)
	d, _ := as.decide(access{Action: "sts:AssumeRole", Resource: r.ARN, Owner: c.Account.ID, Policy: c.bound(r.Trust, r.Bound),
		Context: as.sourceKeys(source, c.Account.ID)})
	if !d.Allowed() {
		return nil
	}
	return r
}

// roleFor is a session of a role that a service takes for a source, a rule or
// a schedule.
func (c *call) roleFor(arn, service, source, session string) (*identity, error) {
	r := c.roleNamed(arn, service, source)
	if r == nil {
		return nil, fail("AccessDeniedException", "Provided role '%s' cannot be assumed by principal '%s'.", arn, service)
	}
	return &identity{Account: c.Account.ID, Type: "role", Role: r.Name, UserID: r.ID + ":" + session,
		ARN: fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition(c.Region), c.Account.ID, r.Name, session)}, nil
}

// mayGiveRole refuses roles that the caller may not pass to a service, or that
// don't let it in for the source.
func (c *call) mayGiveRole(arn, service, source string) error {
	if !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":role/") {
		return fail("ValidationException", "Parameter RoleArn is not valid. Reason: Provided Arn is not in correct format.")
	}
	if err := c.mayPass(arn, service); err != nil {
		return err
	}
	if c.roleNamed(arn, service, source) == nil {
		return fail("ValidationException", "Provided role '%s' cannot be assumed by principal '%s'.", arn, service)
	}
	return nil
}
