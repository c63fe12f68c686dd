package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
	"axle/policy"
)

// snsState is what SNS keeps of one account and region: topics by name, and the
// subscriptions that this account owns by ARN. A topic of another account lists
// them too, found through the organization.
type snsState struct {
	Topics        map[string]*topic        `json:"topics,omitempty"`
	Subscriptions map[string]*subscription `json:"subscriptions,omitempty"`
}

// topic is an SNS topic. Attributes hold what was set; defaults are added when
// they are shown.
type topic struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner"`
	Region     string            `json:"region"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Bound      map[string]string `json:"bound,omitempty"` // unique ids of the policy's principals
	Tags       map[string]string `json:"tags,omitempty"`
	Subs       map[string]place  `json:"subs,omitempty"` // its subscriptions' ARNs, and where they are kept
	Deleted    int               `json:"deleted,omitempty"`
	Was        string            `json:"was,omitempty"`    // the policy before the last change, which an unkind sandbox still goes by
	Changed    time.Time         `json:"changed,omitzero"` // of the policy
	Sequence   int64             `json:"sequence,omitempty"`
	Sent       map[string]sent   `json:"sent,omitempty"` // of a FIFO topic, by deduplication id
}

func (t *topic) arn() string { return "arn:aws:sns:" + t.Region + ":" + t.Owner + ":" + t.Name }

var topicName = naming{late.MustCompile(`^[A-Za-z0-9_-]+(\.fifo)?$`), 1, 256}

// topicAttributes are those that can be set.
var topicAttributes = []string{"ArchivePolicy", "ContentBasedDeduplication", "DeliveryPolicy", "DisplayName", "FifoThroughputScope",
	"FifoTopic", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig",
	"HTTPSuccessFeedbackRoleArn", "HTTPSuccessFeedbackSampleRate", "HTTPFailureFeedbackRoleArn",
	"LambdaSuccessFeedbackRoleArn", "LambdaSuccessFeedbackSampleRate", "LambdaFailureFeedbackRoleArn",
	"SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate", "SQSFailureFeedbackRoleArn"}

func (s *Sandbox) snsOps() map[string]operation {
	topicOp := func(run func(*call) (obj, error)) operation {
		return operation{run: run, access: topicAccess("TopicArn")}
	}
	return map[string]operation{
		"CreateTopic":               {run: createTopic, resources: func(c *call) []string { return []string{c.arn(c.In.str("Name"))} }},
		"DeleteTopic":               topicOp(deleteTopic),
		"ListTopics":                {run: listTopics},
		"GetTopicAttributes":        topicOp(getTopicAttributes),
		"SetTopicAttributes":        topicOp(setTopicAttributes),
		"ListSubscriptionsByTopic":  topicOp(listSubscriptionsByTopic),
		"Subscribe":                 topicOp(subscribe),
		"AddPermission":             topicOp(addTopicPermission),
		"RemovePermission":          topicOp(removeTopicPermission),
		"ConfirmSubscription":       {run: confirmSubscription, access: unlessVisiting("TopicArn")},
		"Publish":                   {run: publish, access: publishAccess},
		"PublishBatch":              {run: publishBatch, access: publishAccess},
		"Unsubscribe":               {run: unsubscribe, access: unlessVisiting("")},
		"ListSubscriptions":         {run: listSubscriptions},
		"GetSubscriptionAttributes": {run: getSubscriptionAttributes},
		"SetSubscriptionAttributes": {run: setSubscriptionAttributes},
		"TagResource":               {run: tagTopic, access: topicAccess("ResourceArn")},
		"UntagResource":             {run: untagTopic, access: topicAccess("ResourceArn")},
		"ListTagsForResource":       {run: listTopicTags, access: topicAccess("ResourceArn")},
	}
}

// topicAccess asks for the operation's action on the topic that an input names,
// with the topic's policy, so that other accounts' callers are judged by both.
func topicAccess(param string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		arn := c.In.str(param)
		a := access{Action: "sns:" + c.Op, Resource: arn}
		if parts := strings.Split(arn, ":"); len(parts) == 6 {
			a.Owner = parts[4]
		}
		if t := c.topicAt(arn); t != nil {
			a.Owner, a.Policy = t.Owner, c.bound(t.policy(), t.Bound)
			if c.stale(t.Changed) {
				a.Policy = t.Was
			}
		}
		if c.Op == "Subscribe" {
			a.Context = map[string][]string{"sns:Protocol": {c.In.str("Protocol")}, "sns:Endpoint": {c.In.str("Endpoint")}}
		}
		if c.Op == "TagResource" {
			a.Context = requestTags(c.In.tags("Tags"))
		}
		return []access{a}, nil
	}
}

// topicAt finds any account's topic in the call's region; nil if there is none.
func (c *call) topicAt(arn string) *topic {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sns" || parts[3] != c.Region {
		return nil
	}
	a := c.account(parts[4])
	if a == nil || a.Regions[c.Region] == nil {
		return nil
	}
	return a.Regions[c.Region].SNS.Topics[parts[5]]
}

// topic finds the topic that an input names, or gives SNS's errors.
func (c *call) topic(param string) (*topic, error) {
	arn := c.In.str(param)
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return nil, fail("InvalidParameter", "Invalid parameter: %s Reason: An ARN must have at least 6 elements, not %d", param, len(parts))
	}
	if parts[2] != "sns" || parts[3] != c.Region {
		return nil, fail("InvalidParameter", "Invalid parameter: %s", param)
	}
	if t := c.topicAt(arn); t != nil {
		return t, nil
	}
	if param == "ResourceArn" {
		return nil, &apiError{Status: 404, Code: "ResourceNotFound", Message: "Resource does not exist"}
	}
	return nil, &apiError{Status: 404, Code: "NotFound", Message: "Topic does not exist"}
}

// policy is the topic's policy: AWS's default until another is set.
func (t *topic) policy() string {
	if p := t.Attributes["Policy"]; p != "" {
		return p
	}
	doc, _ := json.Marshal(obj{"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": []obj{{
		"Sid": "__default_statement_ID", "Effect": "Allow", "Principal": obj{"AWS": "*"},
		"Action": []string{"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
			"SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"},
		"Resource": t.arn(), "Condition": obj{"StringEquals": obj{"AWS:SourceOwner": t.Owner}}}}})
	return string(doc)
}

func createTopic(c *call) (obj, error) {
	name := c.In.str("Name")
	attributes := c.In.strMap("Attributes")
	fifo := attributes["FifoTopic"] == "true"
	if !topicName.MatchString(name) || len(name) > 256 || strings.HasSuffix(name, ".fifo") != fifo {
		return nil, fail("InvalidParameter", "Invalid parameter: Topic Name")
	}
	tags, err := snsTags(c.In.tags("Tags"))
	if err != nil {
		return nil, err
	}
	st := &c.here().SNS
	if t := st.Topics[name]; t != nil {
		for k, v := range attributes {
			if t.shown(c)[k] != v {
				return nil, fail("InvalidParameter", "Invalid parameter: Attributes Reason: Topic already exists with different attributes")
			}
		}
		for k, v := range tags {
			if t.Tags[k] != v {
				return nil, fail("InvalidParameter", "Invalid parameter: Tags Reason: Topic already exists with different tags")
			}
		}
		return obj{"TopicArn": t.arn()}, nil
	}
	t := &topic{Name: name, Owner: c.Account.ID, Region: c.Region, Attributes: map[string]string{}, Tags: tags}
	for k, v := range attributes {
		if err := c.setTopicAttribute(t, k, v, true); err != nil {
			return nil, err
		}
	}
	if len(tags) > 0 {
		if err := c.check(access{Action: "sns:TagResource", Resource: t.arn(), Context: requestTags(tags)}); err != nil {
			return nil, err
		}
	}
	put(&st.Topics, name, t)
	return obj{"TopicArn": t.arn()}, nil
}

// setTopicAttribute checks and stores one attribute.
func (c *call) setTopicAttribute(t *topic, name, value string, creating bool) error {
	if !slices.Contains(topicAttributes, name) || name == "FifoTopic" && !creating {
		return fail("InvalidParameter", "Invalid parameter: AttributeName")
	}
	switch name {
	case "Policy":
		bound, err := c.checkResourcePolicy(value, "sns:")
		if err != nil {
			return fail("InvalidParameter", "Invalid parameter: Policy Error: %v", err)
		}
		if t.Was, t.Bound = c.bound(t.policy(), t.Bound), bound; !creating {
			t.Changed = c.now()
		}
	case "DeliveryPolicy", "ArchivePolicy":
		if value != "" && !json.Valid([]byte(value)) {
			return fail("InvalidParameter", "Invalid parameter: %s: failed to parse JSON.", name)
		}
	case "DisplayName":
		if len(value) > 100 {
			return fail("InvalidParameter", "Invalid parameter: DisplayName Reason: must be at most 100 characters long")
		}
	case "SignatureVersion":
		if value != "1" && value != "2" {
			return fail("InvalidParameter", "Invalid parameter: SignatureVersion")
		}
	case "TracingConfig":
		if value != "Active" && value != "PassThrough" {
			return fail("InvalidParameter", "Invalid parameter: TracingConfig")
		}
	}
	put(&t.Attributes, name, value)
	return nil
}

// checkResourcePolicy checks a resource's policy and that its principals exist;
// it returns their unique ids, for bound. Every action must be of the service.
func (c *call) checkResourcePolicy(doc, actions string) (map[string]string, error) {
	p, err := policy.Parse([]byte(doc))
	if err == nil {
		err = p.Check(policy.ResourcePolicy)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range documentActions(doc) {
		if a != "*" && !strings.HasPrefix(strings.ToLower(a), actions) {
			return nil, fail("", "Policy statement action out of service scope!")
		}
	}
	ids := map[string]string{}
	for _, p := range principalsOf(doc) {
		id, ok := c.principalExists(p)
		if !ok {
			return nil, fail("PrincipalNotFound", "%s", p)
		}
		if id != "" {
			ids[p] = id
		}
	}
	return ids, nil
}

// documentActions are the values of Action and NotAction in a policy.
func documentActions(doc string) []string {
	var p struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(doc), &p) != nil {
		return nil
	}
	type statement struct{ Action, NotAction any }
	var many []statement
	if json.Unmarshal(p.Statement, &many) != nil {
		many = make([]statement, 1)
		if json.Unmarshal(p.Statement, &many[0]) != nil {
			return nil
		}
	}
	var out []string
	for _, s := range many {
		for _, v := range []any{s.Action, s.NotAction} {
			switch x := v.(type) {
			case string:
				out = append(out, x)
			case []any:
				for _, e := range x {
					out = append(out, text(e))
				}
			}
		}
	}
	return out
}

// deleteTopic takes the topic's subscriptions with it; a topic that isn't there
// is deleted all the same.
func deleteTopic(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		if e, ok := err.(*apiError); ok && e.Code == "NotFound" {
			return nil, nil
		}
		return nil, err
	}
	for arn, home := range t.Subs {
		delete(c.account(home.Account).region(home.Region).SNS.Subscriptions, arn)
	}
	delete(c.account(t.Owner).region(t.Region).SNS.Topics, t.Name)
	return nil, nil
}

func listTopics(c *call) (obj, error) {
	topics := c.here().SNS.Topics
	page, next, ok := paginate(c.Sandbox, sortedKeys(topics), same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, fail("InvalidParameter", "Invalid parameter: NextToken")
	}
	out := []obj{}
	for _, name := range page {
		out = append(out, obj{"TopicArn": topics[name].arn()})
	}
	return obj{"Topics": out, "NextToken": optional(next)}, nil
}

const defaultDelivery = `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`

// shown are all attributes of a topic.
func (t *topic) shown(c *call) map[string]string {
	confirmed, pending := 0, 0
	for arn, home := range t.Subs {
		if s := c.account(home.Account).region(home.Region).SNS.Subscriptions[arn]; s != nil && s.Pending {
			pending++
		} else {
			confirmed++
		}
	}
	out := map[string]string{"TopicArn": t.arn(), "Owner": t.Owner, "DisplayName": "", "EffectiveDeliveryPolicy": defaultDelivery,
		"SubscriptionsConfirmed": text(confirmed), "SubscriptionsPending": text(pending), "SubscriptionsDeleted": text(t.Deleted)}
	for k, v := range t.Attributes {
		if v != "" {
			out[k] = v
		}
	}
	out["Policy"] = c.bound(t.policy(), t.Bound)
	if d := t.Attributes["DeliveryPolicy"]; d != "" {
		out["EffectiveDeliveryPolicy"] = d
	}
	return out
}

func getTopicAttributes(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	return obj{"Attributes": t.shown(c)}, nil
}

func setTopicAttributes(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	return nil, c.setTopicAttribute(t, c.In.str("AttributeName"), c.In.str("AttributeValue"), false)
}

// snsTags checks tags as SNS does.
func snsTags(tags map[string]string) (map[string]string, error) {
	if len(tags) > 50+3 {
		return nil, fail("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
	}
	for k := range tags {
		if k == "" || len(k) > 128 {
			return nil, fail("InvalidParameter", "Invalid parameter: Tags Reason: tag key is invalid")
		}
	}
	return tags, nil
}

func tagTopic(c *call) (obj, error) {
	t, err := c.topic("ResourceArn")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for k, v := range t.Tags {
		all[k] = v
	}
	for k, v := range c.In.tags("Tags") {
		if strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return nil, fail("InvalidParameter", "Invalid parameter: Tags Reason: aws: prefixed tag key names are not allowed for external use")
		}
		all[k] = v
	}
	if all, err = snsTags(all); err != nil {
		return nil, err
	}
	t.Tags = all
	return obj{}, nil
}

func untagTopic(c *call) (obj, error) {
	t, err := c.topic("ResourceArn")
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(t.Tags, k)
	}
	return obj{}, nil
}

func listTopicTags(c *call) (obj, error) {
	t, err := c.topic("ResourceArn")
	if err != nil {
		return nil, err
	}
	return obj{"Tags": tagList(t.Tags)}, nil
}
