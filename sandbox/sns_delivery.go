package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// asService is SNS on its own behalf, for a topic: no account's policies but
// the resource's have a say.
func (c *call) asService(name string) *call {
	other := c.as(&identity{ARN: name, Type: "service"}, c.Account)
	other.Via = ""
	return other
}

// sourceKeys are the condition keys of what a service does for a resource.
func (c *call) sourceKeys(arn, account string) map[string][]string {
	keys := map[string][]string{"aws:SourceArn": {arn}, "aws:SourceAccount": {account}, "aws:PrincipalIsAWSService": {"true"},
		"aws:PrincipalServiceName": {c.Who.ARN}}
	if m := c.st.Org.Members[account]; m != nil {
		keys["aws:SourceOrgID"], keys["aws:SourceOrgPaths"] = []string{c.st.Org.ID}, []string{c.orgPath(m.Parent)}
	}
	return keys
}

// deliver gives a publication to one subscriber. What can't be delivered is
// lost, as in AWS unless delivery status is logged; here the log says why.
func (c *call) deliver(t *topic, s *subscription, p *publication) {
	lost := func(why string, args ...any) {
		c.log.Warn("SNS: message isn't delivered: "+why, append([]any{"topic", t.arn(), "subscription", s.ARN, "endpoint", s.Endpoint}, args...)...)
	}
	switch {
	case s.Pending:
		lost("the subscription isn't confirmed")
	case s.Protocol != "sqs" && s.Protocol != "lambda":
		lost("the sandbox has no " + s.Protocol)
	case !s.wants(p):
		c.log.Debug("SNS: message is filtered out", "topic", t.arn(), "subscription", s.ARN)
	default:
		var err error
		if s.Protocol == "lambda" {
			err = c.toFunction(t, s, c.published(t, s, p))
		} else {
			err = c.toQueue(t, s.Endpoint, c.envelope(t, s, p))
		}
		if err != nil && !c.giveUpOn(t, s, p) {
			lost(err.Error())
		}
	}
}

// toFunction gives a notification to a function, whose policy must let SNS
// invoke it for the topic.
func (c *call) toFunction(t *topic, s *subscription, notification obj) error {
	record := obj{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": s.ARN, "Sns": notification}
	payload, err := json.Marshal(obj{"Records": []obj{record}})
	if err != nil {
		return err
	}
	return c.queueLambda(invocation{Function: s.Endpoint, Payload: payload, Principal: "sns.amazonaws.com", SourceARN: t.arn(), SourceAccount: t.Owner})
}

// published is a publication as functions get it.
func (c *call) published(t *topic, s *subscription, p *publication) obj {
	doc := c.notification("Notification", t, p.ID, p.text("lambda"), p.At)
	doc["Subject"], doc["MessageAttributes"] = optional(p.Subject), messageAttributes(p)
	return c.forFunction(doc, s)
}

// forFunction names the links of a notification as functions know them.
func (c *call) forFunction(doc obj, s *subscription) obj {
	doc["SigningCertUrl"] = doc["SigningCertURL"]
	doc["UnsubscribeUrl"] = c.endpoint + "/?Action=Unsubscribe&SubscriptionArn=" + s.ARN
	delete(doc, "SigningCertURL")
	return doc
}

// messageAttributes are a publication's attributes in a document.
func messageAttributes(p *publication) obj {
	out := obj{}
	for name, v := range p.Attributes {
		a := asParams(v)
		out[name] = obj{"Type": a.str("DataType"), "Value": a.or("StringValue", a.str("BinaryValue"))}
	}
	return out
}

// giveUpOn puts what couldn't be delivered into the subscription's dead-letter
// queue, and says whether it has one that takes it.
func (c *call) giveUpOn(t *topic, s *subscription, p *publication) bool {
	dead := params{}
	if json.Unmarshal([]byte(s.Attributes["RedrivePolicy"]), &dead) != nil {
		return false
	}
	return c.toQueue(t, dead.str("deadLetterTargetArn"), c.envelope(t, s, p)) == nil
}

// toQueue puts a message into a queue for the topic.
func (c *call) toQueue(t *topic, queue string, m *queueMessage) error {
	q := c.queueByARN(queue)
	if q == nil {
		return noQueue()
	}
	if t.Attributes["FifoTopic"] != "true" && q.fifo() {
		return fail("InvalidParameter", "a standard topic doesn't deliver to a FIFO queue")
	}
	return c.asService("sns.amazonaws.com").serviceSends(q, m, t.arn(), t.Owner)
}

// envelope is the message as the queue gets it: the bare text with its
// attributes for raw delivery, else a JSON document around it.
func (c *call) envelope(t *topic, s *subscription, p *publication) *queueMessage {
	m := &queueMessage{ID: c.uuid(), Sent: c.now(), Visible: c.now(), System: map[string]string{"SenderId": "AIDAISMY7JYY5F7RTT6AO"}}
	if p.Group != "" {
		m.System["MessageGroupId"] = p.Group
	}
	if p.Dedup != "" {
		m.System["MessageDeduplicationId"] = p.Dedup
	}
	if strings.EqualFold(s.Attributes["RawMessageDelivery"], "true") {
		m.Body = p.text("sqs")
		if len(p.Attributes) > 0 {
			m.Attributes = p.Attributes
		}
		return m
	}
	doc := c.notification("Notification", t, p.ID, p.text("sqs"), p.At)
	doc["UnsubscribeURL"] = c.endpoint + "/?Action=Unsubscribe&SubscriptionArn=" + s.ARN
	if p.Subject != "" {
		doc["Subject"] = p.Subject
	}
	if attributes := messageAttributes(p); len(attributes) > 0 {
		doc["MessageAttributes"] = attributes
	}
	m.Body = documentText(doc)
	return m
}

// notification is the document around a message. The sandbox has no
// certificate to sign with: Signature is there, but verifies nothing.
func (c *call) notification(kind string, t *topic, id, message string, at time.Time) obj {
	version := t.Attributes["SignatureVersion"]
	if version == "" {
		version = "1"
	}
	return obj{"Type": kind, "MessageId": id, "TopicArn": t.arn(), "Message": message, "Timestamp": at.Format(timeXML),
		"SignatureVersion": version, "Signature": base64.StdEncoding.EncodeToString([]byte(digestOf(id + message))),
		"SigningCertURL": c.endpoint + "/SimpleNotificationService-sandbox.pem"}
}

// askToConfirm sends the queue or function of another account the token with
// which its owner confirms a subscription that isn't theirs.
func (c *call) askToConfirm(t *topic, s *subscription) {
	p := &publication{ID: c.uuid(), At: c.now()}
	text := "You have chosen to subscribe to the topic " + t.arn() + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."
	doc := c.notification("SubscriptionConfirmation", t, p.ID, text, p.At)
	doc["Token"] = s.Token
	doc["SubscribeURL"] = c.endpoint + "/?Action=ConfirmSubscription&TopicArn=" + t.arn() + "&Token=" + s.Token
	refused := func(err error) {
		c.log.Warn("SNS: the request to confirm isn't delivered: "+err.Error(), "topic", t.arn(), "subscription", s.ARN, "endpoint", s.Endpoint)
	}
	if s.Protocol == "lambda" {
		if err := c.toFunction(t, s, c.forFunction(doc, s)); err != nil {
			refused(err)
		}
		return
	}
	body, _ := json.Marshal(doc)
	m := c.envelope(t, s, p)
	m.Body, m.Attributes = string(body), nil
	if t.Attributes["FifoTopic"] == "true" {
		m.System["MessageGroupId"], m.System["MessageDeduplicationId"] = "SubscriptionConfirmation", s.Token
	}
	if err := c.toQueue(t, s.Endpoint, m); err != nil {
		refused(err)
	}
}

// visitor lets somebody in who follows a link of a message, without a
// signature: the token or the subscription's ARN says enough. It acts in the
// account of the topic.
func (s *Sandbox) visitor(c *call) bool {
	parts := strings.Split(c.In.or("TopicArn", c.In.str("SubscriptionArn")), ":")
	if len(parts) < 6 {
		return false
	}
	s.lock()
	defer s.unlock()
	if s.account(parts[4]) == nil {
		return false
	}
	c.Who, c.Region = &identity{Type: "anonymous", Account: parts[4]}, parts[3]
	return true
}

// unlessVisiting is the caller's own permission on what a field names.
func unlessVisiting(field string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		if c.Who.Type == "anonymous" {
			return nil, nil
		}
		return []access{{Action: "sns:" + c.Op, Resource: c.In.str(field)}}, nil
	}
}

// confirmSubscription makes a subscription work with the token that its
// endpoint was sent.
func confirmSubscription(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	for _, arn := range sortedKeys(t.Subs) {
		home := t.Subs[arn]
		s := c.account(home.Account).region(home.Region).SNS.Subscriptions[arn]
		if s != nil && s.Token != "" && s.Token == c.In.str("Token") {
			s.Pending = false
			return obj{"SubscriptionArn": s.ARN}, nil
		}
	}
	return nil, fail("InvalidParameter", "Invalid parameter: Token")
}
