package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// subscription belongs to the account that made it, which need not be the
// topic's.
type subscription struct {
	ARN        string            `json:"arn"`
	Topic      string            `json:"topic"` // ARN
	Owner      string            `json:"owner"`
	Protocol   string            `json:"protocol"`
	Endpoint   string            `json:"endpoint"`
	Pending    bool              `json:"pending,omitempty"`   // not confirmed by the endpoint
	Principal  string            `json:"principal,omitempty"` // who made it
	Token      string            `json:"token,omitempty"`     // confirms it
	Attributes map[string]string `json:"attributes,omitempty"`
}

var (
	snsProtocols           = []string{"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}
	subscriptionAttributes = []string{"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy",
		"SubscriptionRoleArn", "ReplayPolicy"}
)

// subscribe adds an endpoint to a topic; the same one again gives the same
// subscription. Queues and functions of the caller's are confirmed at once,
// everything else waits for the endpoint.
func subscribe(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	s := &subscription{Topic: t.arn(), Owner: c.Account.ID, Principal: c.Who.ARN, Protocol: c.In.str("Protocol"), Endpoint: c.In.str("Endpoint"),
		Attributes: map[string]string{}}
	if !slices.Contains(snsProtocols, s.Protocol) {
		return nil, fail("InvalidParameter", "Invalid parameter: Does not support this protocol string: %s", s.Protocol)
	}
	if err := s.checkEndpoint(); err != nil {
		return nil, err
	}
	given := c.In.strMap("Attributes")
	if scope, ok := given["FilterPolicyScope"]; ok { // the policy is read by it
		put(&s.Attributes, "FilterPolicyScope", scope)
	}
	for _, k := range sortedKeys(given) {
		if err := s.set(k, given[k]); err != nil {
			return nil, err
		}
	}
	for _, arn := range sortedKeys(t.Subs) {
		home := t.Subs[arn]
		if o := c.account(home.Account).region(home.Region).SNS.Subscriptions[arn]; o != nil && o.Protocol == s.Protocol && o.Endpoint == s.Endpoint {
			for k, v := range s.Attributes {
				if o.Attributes[k] != v {
					return nil, fail("InvalidParameter", "Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
				}
			}
			return obj{"SubscriptionArn": c.revealed(o)}, nil
		}
	}
	parts := strings.Split(s.Endpoint, ":")
	s.Pending = s.Protocol != "sms" && s.Protocol != "application" && (len(parts) < 6 || parts[4] != c.Account.ID)
	s.ARN = t.arn() + ":" + c.uuid()
	if s.Pending {
		s.Token = c.id(64)
	}
	put(&c.here().SNS.Subscriptions, s.ARN, s)
	put(&t.Subs, s.ARN, place{c.Account.ID, c.Region})
	switch {
	case s.Protocol != "sqs" && s.Protocol != "lambda":
		c.log.Warn("SNS: the sandbox delivers to SQS and Lambda only: nothing will come to this subscription", "topic", t.arn(), "protocol", s.Protocol, "endpoint", s.Endpoint)
	case s.Pending:
		c.askToConfirm(t, s)
	}
	return obj{"SubscriptionArn": c.revealed(s)}, nil
}

// revealed is the ARN that Subscribe gives: only a word while it is pending,
// unless the caller asks for it.
func (c *call) revealed(s *subscription) string {
	if s.Pending && !c.In.bool("ReturnSubscriptionArn") {
		return "pending confirmation"
	}
	return s.ARN
}

func (s *subscription) checkEndpoint() error {
	ok := s.Endpoint != ""
	switch s.Protocol {
	case "http", "https":
		ok = strings.HasPrefix(s.Endpoint, s.Protocol+"://")
	case "sqs", "lambda", "firehose":
		ok = strings.HasPrefix(s.Endpoint, "arn:") && len(strings.Split(s.Endpoint, ":")) >= 6
	case "email", "email-json":
		ok = strings.Contains(s.Endpoint, "@")
	}
	if !ok {
		return fail("InvalidParameter", "Invalid parameter: Endpoint")
	}
	return nil
}

func (s *subscription) set(name, value string) error {
	if !slices.Contains(subscriptionAttributes, name) {
		return fail("InvalidParameter", "Invalid parameter: AttributeName")
	}
	switch name {
	case "FilterPolicy":
		if _, err := readFilter(value, s.Attributes["FilterPolicyScope"]); err != nil {
			return err
		}
	case "DeliveryPolicy", "RedrivePolicy", "ReplayPolicy":
		if value != "" && !json.Valid([]byte(value)) {
			return fail("InvalidParameter", "Invalid parameter: %s: failed to parse JSON.", name)
		}
	case "RawMessageDelivery":
		if l := strings.ToLower(value); l != "true" && l != "false" {
			return fail("InvalidParameter", "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
	case "FilterPolicyScope":
		if value != "MessageAttributes" && value != "MessageBody" {
			return fail("InvalidParameter", "Invalid parameter: FilterPolicyScope: Invalid value [%s].", value)
		}
	}
	put(&s.Attributes, name, value)
	return nil
}

// subscription finds the caller's subscription, or one of the caller's topic.
func (c *call) subscription() (*subscription, error) {
	arn := c.In.str("SubscriptionArn")
	i := strings.LastIndexByte(arn, ':')
	if i < 0 || strings.Count(arn, ":") != 6 {
		return nil, fail("InvalidParameter", "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", strings.Count(arn, ":")+1)
	}
	if s := c.here().SNS.Subscriptions[arn]; s != nil {
		return s, nil
	}
	if t := c.topicAt(arn[:i]); t != nil && t.Owner == c.Account.ID {
		if home, ok := t.Subs[arn]; ok {
			return c.account(home.Account).region(home.Region).SNS.Subscriptions[arn], nil
		}
	}
	return nil, &apiError{Status: 404, Code: "NotFound", Message: "Subscription does not exist"}
}

// unsubscribe is no error for a subscription that isn't there.
func unsubscribe(c *call) (obj, error) {
	s, err := c.subscription()
	if err != nil {
		if e, ok := err.(*apiError); ok && e.Code == "NotFound" {
			return nil, nil
		}
		return nil, err
	}
	if t := c.topicAt(s.Topic); t != nil {
		home := t.Subs[s.ARN]
		delete(t.Subs, s.ARN)
		t.Deleted++
		delete(c.account(home.Account).region(home.Region).SNS.Subscriptions, s.ARN)
	}
	return nil, nil
}

func (s *subscription) show() obj {
	arn := s.ARN
	if s.Pending {
		arn = "PendingConfirmation"
	}
	return obj{"SubscriptionArn": arn, "Owner": s.Owner, "Protocol": s.Protocol, "Endpoint": s.Endpoint, "TopicArn": s.Topic}
}

func (c *call) showSubscriptions(arns []string, find func(string) *subscription) (obj, error) {
	page, next, ok := paginate(c.Sandbox, arns, same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, fail("InvalidParameter", "Invalid parameter: NextToken")
	}
	out := []obj{}
	for _, arn := range page {
		out = append(out, find(arn).show())
	}
	return obj{"Subscriptions": out, "NextToken": optional(next)}, nil
}

func listSubscriptions(c *call) (obj, error) {
	subs := c.here().SNS.Subscriptions
	return c.showSubscriptions(sortedKeys(subs), func(arn string) *subscription { return subs[arn] })
}

func listSubscriptionsByTopic(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	return c.showSubscriptions(sortedKeys(t.Subs), func(arn string) *subscription {
		home := t.Subs[arn]
		return c.account(home.Account).region(home.Region).SNS.Subscriptions[arn]
	})
}

func getSubscriptionAttributes(c *call) (obj, error) {
	s, err := c.subscription()
	if err != nil {
		return nil, err
	}
	out := map[string]string{"SubscriptionArn": s.ARN, "TopicArn": s.Topic, "Owner": s.Owner, "Protocol": s.Protocol,
		"Endpoint": s.Endpoint, "PendingConfirmation": text(s.Pending), "ConfirmationWasAuthenticated": text(!s.Pending),
		"RawMessageDelivery": "false", "SubscriptionPrincipal": s.Principal}
	for k, v := range s.Attributes {
		if v != "" {
			out[k] = v
		}
	}
	return obj{"Attributes": out}, nil
}

func setSubscriptionAttributes(c *call) (obj, error) {
	s, err := c.subscription()
	if err != nil {
		return nil, err
	}
	return nil, s.set(c.In.str("AttributeName"), c.In.str("AttributeValue"))
}
