package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (c *cloud) sqs(account string) *sqs.Client {
	c.t.Helper()
	return sqs.NewFromConfig(c.in(account, "eu-west-1"), func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
}

// queue makes a queue and gives its URL and ARN.
func (c *cloud) queue(client *sqs.Client, account, name string, attributes map[string]string) (url, arn string) {
	c.t.Helper()
	out := must[*sqs.CreateQueueOutput](c.t)(client.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}))
	return *out.QueueUrl, "arn:aws:sqs:eu-west-1:" + account + ":" + name
}

// allows is a policy of one statement; condition may be "".
func allows(principal, action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"%s","Resource":"%s"%s}]}`, principal, action, resource, condition)
}

func setQueue(t *testing.T, client *sqs.Client, url, name, value string) error {
	t.Helper()
	_, err := client.SetQueueAttributes(context.Background(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{name: value}})
	return err
}

// bodies receives what there is, with a wait of seconds.
func bodies(t *testing.T, client *sqs.Client, url string, wait int32) []string {
	t.Helper()
	out := must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &url,
		MaxNumberOfMessages: 10, WaitTimeSeconds: wait, MessageAttributeNames: []string{"All"}}))
	var found []string
	for _, m := range out.Messages {
		found = append(found, *m.Body)
	}
	return found
}

// Another account's queue is reached by its URL when both sides allow it, and
// never for what SQS keeps to the owner.
func TestQueueAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, qa := c.sqs(devAccount), c.sqs(qaAccount)
	url, arn := c.queue(dev, devAccount, "orders", nil)
	if !strings.HasPrefix(url, c.url+"/") {
		t.Fatalf("URL %s isn't of %s", url, c.url)
	}
	send := func(client *sqs.Client) error {
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("hello")})
		return err
	}
	refused(t, send(qa), "AccessDenied", "because no resource-based policy allows the sqs:sendmessage action")
	_, err := qa.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("orders"), QueueOwnerAWSAccountId: aws.String(devAccount)})
	refused(t, err, "AWS.SimpleQueueService.NonExistentQueue", "or you do not have access to it")
	everything := func(principal string) string { return allows(principal, "sqs:*", arn, "") }
	refused(t, setQueue(t, dev, url, "Policy", everything(`{"AWS":"arn:aws:iam::`+qaAccount+`:role/Nobody"}`)), "InvalidAttributeValue", "Nobody")
	if err := setQueue(t, dev, url, "Policy", everything(`{"AWS":"`+qaAccount+`"}`)); err != nil {
		t.Fatal(err)
	}
	if err := send(qa); err != nil {
		t.Fatal(err)
	}
	_, err = qa.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
	refused(t, err, "AccessDenied", "sqs:deletequeue")
	refused(t, setQueue(t, qa, url, "DelaySeconds", "1"), "AccessDenied", "sqs:setqueueattributes")
	if got := bodies(t, qa, url, 0); len(got) != 1 || got[0] != "hello" {
		t.Fatalf("received %v", got)
	}
	missing := url + "-not"
	_, err = qa.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &missing, MessageBody: aws.String("x")})
	refused(t, err, "AWS.SimpleQueueService.NonExistentQueue", "does not exist")
}

// A receiver that waits is answered when a message comes, holds up nobody, and
// may leave.
func TestReceiverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cfg := still(t, sandbox.Options{})
		dev := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		url, _ := (&cloud{t: t}).queue(dev, managementAccount, "slow", nil)
		got := make(chan []string, 1)
		began := time.Now()
		go func() { got <- bodies(t, dev, url, 20) }()
		gone, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := dev.ReceiveMessage(gone, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("who left got an answer, or %v", err)
		}
		if _, err := dev.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("at last")}); err != nil {
			t.Fatal(err)
		}
		if b := <-got; len(b) != 1 || b[0] != "at last" || time.Since(began) > time.Second {
			t.Fatalf("received %v after %s", b, time.Since(began))
		}
	})
}

// What is received too often goes to the dead-letter queue; a FIFO queue keeps
// the order of a group and takes a message once.
func TestQueueOrderAndDeadLetters(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.sqs(devAccount)
	dead, deadARN := c.queue(dev, devAccount, "dead", nil)
	url, _ := c.queue(dev, devAccount, "live", map[string]string{"VisibilityTimeout": "0",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`})
	_ = must[*sqs.SendMessageOutput](t)(dev.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("poison")}))
	for i, want := range []int{1, 1, 0} {
		if got := bodies(t, dev, url, 0); len(got) != want {
			t.Fatalf("receive %d: %v", i+1, got)
		}
	}
	if got := bodies(t, dev, dead, 0); len(got) != 1 {
		t.Fatalf("dead letters %v", got)
	}
	fifo, _ := c.queue(dev, devAccount, "line.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	for _, body := range []string{"a1", "a2", "b1", "a1"} {
		_ = must[*sqs.SendMessageOutput](t)(dev.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &fifo, MessageBody: &body, MessageGroupId: aws.String(body[:1])}))
	}
	take := func() *types.Message {
		out := must[*sqs.ReceiveMessageOutput](t)(dev.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &fifo}))
		if len(out.Messages) == 0 {
			return nil
		}
		return &out.Messages[0]
	}
	first, second := take(), take()
	if *first.Body != "a1" || *second.Body != "b1" || take() != nil {
		t.Fatalf("a group isn't held back: %s, %s", *first.Body, *second.Body)
	}
	_ = must[*sqs.DeleteMessageOutput](t)(dev.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &fifo, ReceiptHandle: first.ReceiptHandle}))
	if third := take(); third == nil || *third.Body != "a2" {
		t.Fatalf("after a1 comes %v", third)
	}
}

// A topic delivers to another account's queue once the queue's policy lets
// SNS, for this topic; until then messages are lost. The topic's owner who
// subscribes it has to have that confirmed.
func TestTopicDeliversAcrossAccounts(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	topics, queues := c.sns(devAccount, "eu-west-1"), c.sqs(qaAccount)
	topic := must[*sns.CreateTopicOutput](t)(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("orders")})).TopicArn
	url, arn := c.queue(queues, qaAccount, "orders", nil)
	say := func(text, size string) {
		t.Helper()
		_ = must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: &text,
			MessageAttributes: snsAttributes(map[string]string{"size": size})}))
	}
	set := func(doc string) {
		t.Helper()
		_ = must[*sns.SetTopicAttributesOutput](t)(topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("Policy"), AttributeValue: &doc}))
	}
	set(allows(`{"AWS":"`+qaAccount+`"}`, "sns:Subscribe", *topic, `{"StringEquals":{"sns:Protocol":"sqs"}}`))
	sub := must[*sns.SubscribeOutput](t)(c.sns(qaAccount, "eu-west-1").Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"),
		Endpoint: &arn, Attributes: map[string]string{"FilterPolicy": `{"size":[{"anything-but":["small"]}]}`}})).SubscriptionArn
	say("lost", "big")
	other := `{"ArnEquals":{"aws:SourceArn":"` + *topic + `-other"}}`
	for _, condition := range []string{other, strings.Replace(other, "-other", "", 1)} {
		if err := setQueue(t, queues, url, "Policy", allows(`{"Service":"sns.amazonaws.com"}`, "sqs:SendMessage", arn, condition)); err != nil {
			t.Fatal(err)
		}
		say("one", "big")
		say("two", "small")
	}
	got := bodies(t, queues, url, 0)
	if len(got) != 1 || !strings.Contains(got[0], `"Message":"one"`) || !strings.Contains(got[0], `"Type":"Notification"`) {
		t.Fatalf("received %q", got)
	}
	_ = must[*sns.SetSubscriptionAttributesOutput](t)(c.sns(qaAccount, "eu-west-1").SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: sub, AttributeName: aws.String("RawMessageDelivery"), AttributeValue: aws.String("true")}))
	say("raw", "big")
	if got := bodies(t, queues, url, 0); len(got) != 1 || got[0] != "raw" {
		t.Fatalf("raw delivery gave %q", got)
	}
	dead, deadARN := c.queue(queues, qaAccount, "dead", map[string]string{"Policy": allows(`{"Service":"sns.amazonaws.com"}`, "sqs:SendMessage", "*", "")})
	_ = must[*sns.SetSubscriptionAttributesOutput](t)(c.sns(qaAccount, "eu-west-1").SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: sub, AttributeName: aws.String("RedrivePolicy"), AttributeValue: aws.String(`{"deadLetterTargetArn":"` + deadARN + `"}`)}))
	if err := setQueue(t, queues, url, "Policy", ""); err != nil {
		t.Fatal(err)
	}
	say("refused", "big")
	if got := bodies(t, queues, dead, 0); len(got) != 1 || got[0] != "refused" {
		t.Fatalf("dead letters %q", got)
	}
	_, err := topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &arn,
		Attributes: map[string]string{"FilterPolicy": `{"ip":[{"cidr":"10.0.0.0"}]}`}})
	refused(t, err, "InvalidParameter", "Malformed CIDR")
	confirm(t, c, *topic)
}

// confirm: a queue of another account is asked before a subscription works
// that its owner didn't make.
func confirm(t *testing.T, c *cloud, topic string) {
	ctx := context.Background()
	topics, queues := c.sns(devAccount, "eu-west-1"), c.sqs(qaAccount)
	url, arn := c.queue(queues, qaAccount, "asked", nil)
	if err := setQueue(t, queues, url, "Policy", allows(`{"Service":"sns.amazonaws.com"}`, "sqs:SendMessage", arn, `{"StringEquals":{"aws:SourceAccount":"`+devAccount+`"}}`)); err != nil {
		t.Fatal(err)
	}
	sub := must[*sns.SubscribeOutput](t)(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &arn})).SubscriptionArn
	if *sub != "pending confirmation" {
		t.Fatalf("subscription %s", *sub)
	}
	_ = must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Message: aws.String("too early")}))
	var ask struct{ Type, SubscribeURL string }
	got := bodies(t, queues, url, 0)
	if len(got) != 1 || json.Unmarshal([]byte(got[0]), &ask) != nil || ask.Type != "SubscriptionConfirmation" {
		t.Fatalf("received %q", got)
	}
	for link, want := range map[string]int{ask.SubscribeURL + "x": 400, ask.SubscribeURL: 200} {
		visited, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		_ = visited.Body.Close()
		if visited.StatusCode != want {
			t.Fatalf("%s: %s", link, visited.Status)
		}
	}
	_ = must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Message: aws.String("now")}))
	if got := bodies(t, queues, url, 0); len(got) != 1 || !strings.Contains(got[0], `"Message":"now"`) {
		t.Fatalf("received %q", got)
	}
}

func snsAttributes(values map[string]string) map[string]snstypes.MessageAttributeValue {
	out := map[string]snstypes.MessageAttributeValue{}
	for k, v := range values {
		out[k] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(v)}
	}
	return out
}

// Whatever an unkind sandbox does to messages and policies, nothing is lost but
// what was refused, and order and policy come in the end.
func TestUnkindQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := stillCloud(t, sandbox.Options{Unkind: true, Seed: 7})
		dev, qa := sqs.NewFromConfig(c.in(devAccount, "eu-west-1")), sqs.NewFromConfig(c.in(qaAccount, "eu-west-1"))
		url, arn := c.queue(dev, devAccount, "orders", nil)
		name := func() error {
			return setQueue(t, dev, url, "Policy", allows(`{"AWS":"`+qaAccount+`"}`, "sqs:SendMessage", arn, ""))
		}
		refused(t, name(), "AWS.SimpleQueueService.NonExistentQueue", "does not exist")
		inTheEnd(t, "AWS.SimpleQueueService.NonExistentQueue", "does not exist", name)
		body := "0"
		send := func() error {
			_, err := qa.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
			return err
		}
		refused(t, send(), "AccessDenied", "because no resource-based policy allows the sqs:sendmessage action")
		inTheEnd(t, "AccessDenied", "because no resource-based policy allows the sqs:sendmessage action", send)
		sent := map[string]bool{body: true}
		for i := range 11 {
			body = fmt.Sprint(i + 1)
			if err := send(); err != nil {
				t.Fatalf("with the policy in force: %v", err)
			}
			sent[body] = true
		}
		for ; len(sent) > 0; time.Sleep(pollTime) {
			for _, b := range bodies(t, dev, url, 0) {
				if !sent[b] {
					t.Errorf("received %s once more", b)
				}
				delete(sent, b)
			}
		}
	})
}

// Queues, messages and subscriptions are there after a restart, at the new
// address.
func TestQueuesSurvive(t *testing.T) {
	ctx := context.Background()
	opts := sandbox.Options{State: filepath.Join(t.TempDir(), "state.json")}
	sb, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	client := sqs.NewFromConfig(configOf(sb, server.URL))
	url := *must[*sqs.CreateQueueOutput](t)(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("kept")})).QueueUrl
	_ = must[*sqs.SendMessageOutput](t)(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("hello"),
		MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}}}}))
	server.Close()
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, opts)
	out := must[*sqs.ReceiveMessageOutput](t)(sqs.NewFromConfig(b.top).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: []string{"All"}}))
	if len(out.Messages) != 1 || *out.Messages[0].Body != "hello" || len(out.Messages[0].MessageAttributes["a"].BinaryValue) != 2 {
		t.Fatalf("messages %+v", out.Messages)
	}
	again := *must[*sqs.GetQueueUrlOutput](t)(sqs.NewFromConfig(b.top).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("kept")})).QueueUrl
	if !strings.HasPrefix(again, b.url+"/") {
		t.Errorf("URL %s, the sandbox is at %s", again, b.url)
	}
}
