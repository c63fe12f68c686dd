package sandbox

import (
	"encoding/json"
	"slices"
)

// topicStatements reads a topic's policy into doc and gives its statements.
func (t *topic) topicStatements(doc params) []any {
	if json.Unmarshal([]byte(t.policy()), &doc) != nil {
		return nil
	}
	if many, ok := doc["Statement"].([]any); ok {
		return many
	}
	return []any{doc["Statement"]}
}

// sharedTopicActions are those that AddPermission grants.
var sharedTopicActions = []string{"Publish", "RemovePermission", "SetTopicAttributes", "DeleteTopic", "ListSubscriptionsByTopic",
	"GetTopicAttributes", "AddPermission", "Subscribe"}

// addTopicPermission adds a statement to the topic's policy under a label.
func addTopicPermission(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	doc, label := params{}, c.In.str("Label")
	statements := t.topicStatements(doc)
	if !queueName.MatchString(label) || slices.ContainsFunc(statements, func(s any) bool { return asParams(s).str("Sid") == label }) {
		return nil, fail("InvalidParameter", "Invalid parameter: Statement already exists")
	}
	var accounts, actions []string
	for _, id := range c.In.strs("AWSAccountId") {
		if !accountIDs.MatchString(id) {
			return nil, fail("InvalidParameter", "Invalid parameter: AWSAccountId")
		}
		accounts = append(accounts, "arn:aws:iam::"+id+":root")
	}
	for _, action := range c.In.strs("ActionName") {
		if !slices.Contains(sharedTopicActions, action) {
			return nil, fail("InvalidParameter", "Invalid parameter: Policy statement action out of service scope!")
		}
		actions = append(actions, "SNS:"+action)
	}
	if len(accounts) == 0 || len(actions) == 0 {
		return nil, fail("InvalidParameter", "Invalid parameter: AWSAccountId and ActionName must have members")
	}
	doc["Statement"] = append(statements, obj{"Sid": label, "Effect": "Allow", "Principal": obj{"AWS": accounts}, "Action": actions, "Resource": t.arn()})
	return nil, c.setTopicAttribute(t, "Policy", documentText(doc), false)
}

func removeTopicPermission(c *call) (obj, error) {
	t, err := c.topic("TopicArn")
	if err != nil {
		return nil, err
	}
	doc, label := params{}, c.In.str("Label")
	statements := t.topicStatements(doc)
	kept := slices.DeleteFunc(slices.Clone(statements), func(s any) bool { return asParams(s).str("Sid") == label })
	if len(kept) == len(statements) { // what isn't there is removed
		return nil, nil
	}
	if doc["Statement"] = kept; len(kept) == 0 {
		t.Was, t.Changed = c.bound(t.policy(), t.Bound), c.now()
		delete(t.Attributes, "Policy")
		t.Bound = nil
		return nil, nil
	}
	return nil, c.setTopicAttribute(t, "Policy", documentText(doc), false)
}
