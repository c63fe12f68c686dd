package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (c *cloud) events(account, region string) *eventbridge.Client {
	c.t.Helper()
	return eventbridge.NewFromConfig(c.in(account, region))
}

// queueFor makes a queue that takes messages of EventBridge; its ARN and URL.
func (c *cloud) queueFor(cfg aws.Config, name, statement string) (arn, url string) {
	c.t.Helper()
	ctx, client := context.Background(), sqs.NewFromConfig(cfg)
	url = *must[*sqs.CreateQueueOutput](c.t)(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})).QueueUrl
	arn = must[*sqs.GetQueueAttributesOutput](c.t)(client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})).Attributes["QueueArn"]
	if statement != "" {
		must[*sqs.SetQueueAttributesOutput](c.t)(client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url,
			Attributes: map[string]string{"Policy": document(strings.ReplaceAll(statement, "QUEUE", arn))}}))
	}
	return arn, url
}

const fromRules = `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"QUEUE","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/*"}}}`

// waiting are the bodies of the messages in a queue.
func waiting(t *testing.T, cfg aws.Config, url string) []string {
	t.Helper()
	out := must[*sqs.ReceiveMessageOutput](t)(sqs.NewFromConfig(cfg).ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &url,
		MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}}))
	var list []string
	for _, m := range out.Messages {
		text := *m.Body
		if code, ok := m.MessageAttributes["ERROR_CODE"]; ok {
			text = *code.StringValue + " " + text
		}
		list = append(list, text)
	}
	return list
}

func entry(bus, source, detailType, detail string) types.PutEventsRequestEntry {
	e := types.PutEventsRequestEntry{Source: &source, DetailType: &detailType, Detail: &detail}
	if bus != "" {
		e.EventBusName = &bus
	}
	return e
}

func putAll(t *testing.T, client *eventbridge.Client, entries ...types.PutEventsRequestEntry) *eventbridge.PutEventsOutput {
	t.Helper()
	return must[*eventbridge.PutEventsOutput](t)(client.PutEvents(context.Background(), &eventbridge.PutEventsInput{Entries: entries}))
}

func rule(t *testing.T, client *eventbridge.Client, bus, name, pattern string, targets ...types.Target) {
	t.Helper()
	ctx := context.Background()
	must[*eventbridge.PutRuleOutput](t)(client.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: &pattern}))
	must[*eventbridge.PutTargetsOutput](t)(client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: targets}))
}

func TestEventsReachTargets(t *testing.T) {
	c := newCloud(t, sandbox.Options{})
	dev := c.in(devAccount, "eu-west-1")
	client := eventbridge.NewFromConfig(dev)
	all, allURL := c.queueFor(dev, "all", fromRules)
	closed, _ := c.queueFor(dev, "closed", "")
	dead, deadURL := c.queueFor(dev, "dead", fromRules)
	target := func(id, arn string) types.Target { return types.Target{Id: &id, Arn: &arn} }
	made, lost := target("made", all), target("lost", closed)
	made.InputTransformer = &types.InputTransformer{InputPathsMap: map[string]string{"id": "$.detail.id", "lines": "$.detail.lines", "none": "$.detail.none"},
		InputTemplate: aws.String(`{"order": "no <id> of \"<aws.events.rule-name>\"", "id": <id>, "lines": <lines>, "none": <none>}`)}
	lost.DeadLetterConfig, lost.Input = &types.DeadLetterConfig{Arn: &dead}, aws.String(`{"constant":1}`)
	part := target("part", all)
	part.InputPath = aws.String("$.detail.lines[1]")
	rule(t, client, "default", "orders", `{"source":["shop"],"detail":{"total":[{"numeric":[">",10]}]}}`, made, part, lost)

	out := putAll(t, client, entry("", "shop", "order", `{"id":"a1","total":11,"lines":[{"n":1},{"n":2}]}`), entry("", "shop", "order", `{"total":1}`),
		entry("", "aws.s3", "x", `{}`), entry("", "shop", "order", `[1]`), entry("", "", "order", `{}`), entry("nowhere", "shop", "order", `{"total":50}`))
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
	}
	if got := strings.Join(codes, ","); out.FailedEntryCount != 3 || got != ",,NotAuthorizedForSourceException,MalformedDetail,InvalidArgument," {
		t.Fatalf("%d failed: %s", out.FailedEntryCount, got)
	}
	got := waiting(t, dev, allURL)
	want := []string{`{"order": "no a1 of \"orders\"", "id": "a1", "lines": [{"n":1},{"n":2}], "none": ""}`, `{"n":2}`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := waiting(t, dev, deadURL); fmt.Sprint(got) != `[AccessDeniedException {"constant":1}]` {
		t.Errorf("dead letters: %q", got)
	}
	must[*eventbridge.DisableRuleOutput](t)(client.DisableRule(context.Background(), &eventbridge.DisableRuleInput{Name: aws.String("orders")}))
	putAll(t, client, entry("", "shop", "order", `{"total":50}`))
	if got := waiting(t, dev, allURL); len(got) != 0 {
		t.Errorf("a disabled rule gave %q", got)
	}
}

// A forwarding rule in each account, one bus in the hub, in another region: the
// role of the sender and the policy of the bus both have a say.
func TestEventsAcrossAccounts(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev, hub := c.in(devAccount, "eu-west-1"), c.in(qaAccount, "us-east-1")
	sender, receiver := eventbridge.NewFromConfig(dev), eventbridge.NewFromConfig(hub)
	bus := *must[*eventbridge.CreateEventBusOutput](t)(receiver.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("central")})).EventBusArn
	arn, url := c.queueFor(hub, "got", fromRules)
	rule(t, receiver, "central", "all", `{"source":[{"prefix":""}]}`, types.Target{Id: aws.String("q"), Arn: &arn})

	forward := types.Target{Id: aws.String("hub"), Arn: &bus}
	put := &eventbridge.PutTargetsInput{Rule: aws.String("out"), Targets: []types.Target{forward}}
	must[*eventbridge.PutRuleOutput](t)(sender.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("out"), EventPattern: aws.String(`{"source":["shop"]}`)}))
	_, err := sender.PutTargets(ctx, put)
	refused(t, err, "ValidationException", "RoleArn is required for target "+bus)
	people := iam.NewFromConfig(dev)
	role := func(name, service string) *string {
		trust := document(`{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"` + devAccount + `"}}}`)
		return must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})).Role.Arn
	}
	put.Targets[0].RoleArn = role("wrong", "lambda.amazonaws.com")
	_, err = sender.PutTargets(ctx, put)
	refused(t, err, "ValidationException", "cannot be assumed by principal 'events.amazonaws.com'")
	put.Targets[0].RoleArn = role("forward", "events.amazonaws.com")
	must[*eventbridge.PutTargetsOutput](t)(sender.PutTargets(ctx, put))

	send := func() []string {
		putAll(t, sender, entry("", "shop", "order", `{}`))
		return waiting(t, hub, url)
	}
	if got := send(); len(got) != 0 {
		t.Fatalf("without any permission %q", got)
	}
	allow := document(`{"Effect":"Allow","Action":"events:PutEvents","Resource":"` + bus + `"}`)
	must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("forward"), PolicyName: aws.String("p"), PolicyDocument: &allow}))
	if got := send(); len(got) != 0 {
		t.Fatalf("without the bus's policy %q", got)
	}
	_, err = sender.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry(bus, "shop", "order", "{}")}})
	refused(t, err, "AccessDeniedException", "events:PutEvents on resource: "+bus)
	must[*eventbridge.PutPermissionOutput](t)(receiver.PutPermission(ctx, &eventbridge.PutPermissionInput{EventBusName: aws.String("central"),
		StatementId: aws.String("dev"), Action: aws.String("events:PutEvents"), Principal: aws.String(devAccount)}))
	got := send()
	if len(got) != 1 {
		t.Fatalf("got %q", got)
	}
	var e struct{ Account, Region, Source string }
	if err := json.Unmarshal([]byte(got[0]), &e); err != nil || e.Account != devAccount || e.Region != "eu-west-1" || e.Source != "shop" {
		t.Errorf("%s: %v", got[0], err)
	}

	// From there it doesn't go on to a third bus, and not back in circles.
	third := *must[*eventbridge.CreateEventBusOutput](t)(receiver.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("third")})).EventBusArn
	on := document(`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}`)
	further := must[*iam.CreateRoleOutput](t)(iam.NewFromConfig(hub).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("on"), AssumeRolePolicyDocument: &on})).Role.Arn
	everything := document(`{"Effect":"Allow","Action":"*","Resource":"*"}`)
	must[*iam.PutRolePolicyOutput](t)(iam.NewFromConfig(hub).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("on"), PolicyName: aws.String("p"), PolicyDocument: &everything}))
	rule(t, receiver, "central", "on", `{"source":["shop"]}`, types.Target{Id: aws.String("t"), Arn: &third, RoleArn: further})
	rule(t, receiver, "third", "all", `{"source":["shop"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
	if got := send(); len(got) != 1 {
		t.Errorf("got %q, want one", got)
	}
	putAll(t, receiver, entry("central", "shop", "order", `{}`))
	if got := waiting(t, hub, url); len(got) != 2 {
		t.Errorf("sent to the bus itself: %q", got)
	}
}

func TestRulesAreChecked(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := c.events(devAccount, "eu-west-1")
	put := func(in eventbridge.PutRuleInput) error {
		if in.Name == nil {
			in.Name = aws.String("r")
		}
		_, err := client.PutRule(ctx, &in)
		return err
	}
	refused(t, put(eventbridge.PutRuleInput{}), "ValidationException", "EventPattern or ScheduleExpression")
	refused(t, put(eventbridge.PutRuleInput{EventPattern: aws.String(`{"source":"a"}`)}), "InvalidEventPatternException", `"source" must be an object or an array`)
	refused(t, put(eventbridge.PutRuleInput{EventPattern: aws.String(`{"a":["` + strings.Repeat("x", 4096) + `"]}`)}), "ValidationException", "4096")
	refused(t, put(eventbridge.PutRuleInput{Name: aws.String("a b"), EventPattern: aws.String(`{"a":["b"]}`)}), "ValidationException", "pattern")
	refused(t, put(eventbridge.PutRuleInput{EventBusName: aws.String("none"), EventPattern: aws.String(`{"a":["b"]}`)}), "ResourceNotFoundException", "Event bus none does not exist.")
	for _, bad := range []string{"rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(5 seconds)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)", "cron(60 12 * * ? *)",
		"cron(0 12 * * ?)", "at(2030-01-01T00:00:00)", "every day", "cron(0/0 12 * * ? *)", "cron(0 12 ? * 2#6 *)", "cron(* * * * ? 2300)"} {
		refused(t, put(eventbridge.PutRuleInput{ScheduleExpression: &bad}), "ValidationException", "Parameter ScheduleExpression is not valid.")
	}
	must[*eventbridge.CreateEventBusOutput](t)(client.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("own")}))
	refused(t, put(eventbridge.PutRuleInput{EventBusName: aws.String("own"), ScheduleExpression: aws.String("rate(1 day)")}), "ValidationException", "only on the default event bus")
	_, err := client.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("own")})
	refused(t, err, "ResourceAlreadyExistsException", "Event bus own already exists.")
	_, err = client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("none")})
	refused(t, err, "ResourceNotFoundException", "Rule none does not exist on EventBus default.")

	rule(t, client, "own", "r", `{"a":["b"]}`, types.Target{Id: aws.String("q"), Arn: aws.String("arn:aws:sqs:eu-west-1:" + devAccount + ":q")})
	_, err = client.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String("r"), EventBusName: aws.String("own")})
	refused(t, err, "ValidationException", "Rule can't be deleted since it has targets.")
	_, err = client.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String("own")})
	refused(t, err, "ValidationException", "rules")
	_, err = client.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String("default")})
	refused(t, err, "ValidationException", "Cannot delete event bus default.")
	for want, target := range map[string]types.Target{
		"the sandbox delivers to":              {Arn: aws.String("arn:aws:states:eu-west-1:" + devAccount + ":stateMachine:x")},
		"not in correct format":                {Arn: aws.String("queue")},
		"JSON syntax error in input":           {Input: aws.String("{")},
		"Invalid InputPath":                    {InputPath: aws.String("detail")},
		"Only one of Input":                    {Input: aws.String("{}"), InputPath: aws.String("$")},
		"SqsParameters must be specified":      {Arn: aws.String("arn:aws:sqs:eu-west-1:" + devAccount + ":q.fifo")},
		"RoleArn is required":                  {Arn: aws.String("arn:aws:sqs:eu-west-1:" + qaAccount + ":q")},
		"isn't JSON":                           {InputTransformer: &types.InputTransformer{InputTemplate: aws.String(`{"a": }`)}},
		"<x>, which InputPathsMap doesn't":     {InputTransformer: &types.InputTransformer{InputTemplate: aws.String(`{"a": <x>}`)}},
		"Parameter(s) KinesisParameters not":   {KinesisParameters: &types.KinesisParameters{PartitionKeyPath: aws.String("$.id")}},
		"Provided Arn is not in the region of": {Arn: aws.String("arn:aws:sqs:us-east-1:" + devAccount + ":q")},
	} {
		if target.Id = aws.String("t"); target.Arn == nil {
			target.Arn = aws.String("arn:aws:sqs:eu-west-1:" + devAccount + ":q")
		}
		_, err := client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("r"), EventBusName: aws.String("own"), Targets: []types.Target{target}})
		refused(t, err, "ValidationException", want)
	}
}

// onSandbox answers the SDK's requests without a network, so that a test's
// clock can stand still.
type onSandbox struct{ http.Handler }

func (h onSandbox) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.RequestURI, r.Host = r.URL.RequestURI(), r.URL.Host
	r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	if r.Body == nil {
		r.Body = http.NoBody
	}
	h.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

// still is a sandbox without a network, for a bubble of synctest, where it is
// 2000-01-01, 00:00 UTC.
func still(t *testing.T, opts sandbox.Options) (*sandbox.Sandbox, aws.Config) {
	t.Helper()
	box, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	cfg := configOf(box, inMemory)
	cfg.RetryMaxAttempts = 0 // the SDK's own
	return box, cfg
}

// Rules with a schedule fire by the clock, and after a restart.
func TestScheduledRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, opts := context.Background(), sandbox.Options{State: t.TempDir() + "/state.json"}
		box, cfg := still(t, opts)
		c := &cloud{t: t}
		arn, url := c.queueFor(cfg, "q", fromRules)
		client := eventbridge.NewFromConfig(cfg)
		for name, schedule := range map[string]string{"often": "rate(5 minutes)", "noon": "cron(0 12 * * ? *)"} {
			must[*eventbridge.PutRuleOutput](t)(client.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, ScheduleExpression: &schedule}))
			must[*eventbridge.PutTargetsOutput](t)(client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{Id: aws.String("q"), Arn: &arn}}}))
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		got := waiting(t, cfg, url)
		if len(got) != 2 || !strings.Contains(got[0], `"detail-type":"Scheduled Event","source":"aws.events"`) || !strings.Contains(got[0], "rule/often") {
			t.Fatalf("in 11 minutes %q", got)
		}
		must[*eventbridge.DisableRuleOutput](t)(client.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("often")}))
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
		box, cfg = still(t, opts)
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		got = waiting(t, cfg, url)
		noon := 0
		for _, body := range got {
			if strings.Contains(body, "rule/noon") && strings.Contains(body, `"time":"2000-01-01T12:00:00Z"`) {
				noon++
			}
		}
		if noon != 1 {
			t.Errorf("after half a day %q", got)
		}
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
