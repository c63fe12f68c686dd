package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

func (c *cloud) sns(account, region string) *sns.Client {
	c.t.Helper()
	return sns.NewFromConfig(c.in(account, region))
}

func TestTopics(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.sns(devAccount, "eu-west-1")
	create := &sns.CreateTopicInput{Name: aws.String("orders"), Attributes: map[string]string{"DisplayName": "Orders"},
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}
	arn := must[*sns.CreateTopicOutput](t)(dev.CreateTopic(ctx, create)).TopicArn
	if *arn != "arn:aws:sns:eu-west-1:222222222222:orders" {
		t.Fatal(*arn)
	}
	again := must[*sns.CreateTopicOutput](t)(dev.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders")}))
	if *again.TopicArn != *arn {
		t.Fatal("CreateTopic isn't idempotent")
	}
	create.Attributes["DisplayName"] = "Other"
	_, err := dev.CreateTopic(ctx, create)
	refused(t, err, "InvalidParameter", "Topic already exists with different attributes")
	_, err = dev.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("no spaces")})
	refused(t, err, "InvalidParameter", "Topic Name")
	_, err = dev.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(*arn + "x")})
	refused(t, err, "NotFound", "Topic does not exist")
	shown := must[*sns.GetTopicAttributesOutput](t)(dev.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: arn}))
	if shown.Attributes["Owner"] != devAccount || shown.Attributes["DisplayName"] != "Orders" || !strings.Contains(shown.Attributes["Policy"], "__default_statement_ID") {
		t.Fatalf("attributes %v", shown.Attributes)
	}
	tags := must[*sns.ListTagsForResourceOutput](t)(dev.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: arn}))
	if len(tags.Tags) != 1 {
		t.Fatalf("tags %+v", tags.Tags)
	}
	_ = must[*sns.DeleteTopicOutput](t)(dev.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: arn}))
	_ = must[*sns.DeleteTopicOutput](t)(dev.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: arn}))
}

// Another account subscribes once the topic's policy lets it; the subscription
// is the subscriber's, and the topic's owner sees it.
func TestSubscribeAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.sns(devAccount, "eu-west-1"), c.sns(qaAccount, "eu-west-1")
	arn := must[*sns.CreateTopicOutput](t)(dev.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders")})).TopicArn
	ask := &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:" + qaAccount + ":queue")}
	_, err := qa.Subscribe(ctx, ask)
	refused(t, err, "AuthorizationError", "SNS:Subscribe")
	set := func(principal string) error {
		doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sns:Subscribe","Resource":"%s"}]}`, principal, *arn)
		_, err := dev.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: arn, AttributeName: aws.String("Policy"), AttributeValue: &doc})
		return err
	}
	refused(t, set("arn:aws:iam::"+qaAccount+":role/Nobody"), "InvalidParameter", "PrincipalNotFound")
	if err := set(qaAccount); err != nil {
		t.Fatal(err)
	}
	first := must[*sns.SubscribeOutput](t)(qa.Subscribe(ctx, ask))
	second := must[*sns.SubscribeOutput](t)(qa.Subscribe(ctx, ask))
	if *first.SubscriptionArn != *second.SubscriptionArn || !strings.HasPrefix(*first.SubscriptionArn, *arn+":") {
		t.Fatalf("%s, then %s", *first.SubscriptionArn, *second.SubscriptionArn)
	}
	for name, client := range map[string]*sns.Client{"owner": dev, "subscriber": qa} {
		a := must[*sns.GetSubscriptionAttributesOutput](t)(client.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: first.SubscriptionArn}))
		if a.Attributes["Owner"] != qaAccount || a.Attributes["PendingConfirmation"] != "false" {
			t.Errorf("%s sees %v", name, a.Attributes)
		}
	}
	listed := must[*sns.ListSubscriptionsByTopicOutput](t)(dev.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: arn}))
	if len(listed.Subscriptions) != 1 || *listed.Subscriptions[0].Owner != qaAccount {
		t.Fatalf("subscriptions %+v", listed.Subscriptions)
	}
	mail := must[*sns.SubscribeOutput](t)(dev.Subscribe(ctx, &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("email"), Endpoint: aws.String("a@example.com")}))
	if *mail.SubscriptionArn != "pending confirmation" {
		t.Fatalf("unconfirmed mail: %s", *mail.SubscriptionArn)
	}
	_ = must[*sns.DeleteTopicOutput](t)(dev.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: arn}))
	left := must[*sns.ListSubscriptionsOutput](t)(qa.ListSubscriptions(ctx, nil))
	if len(left.Subscriptions) != 0 {
		t.Fatalf("left %+v", left.Subscriptions)
	}
}
