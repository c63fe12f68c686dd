package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// forward is a function that fails as its events say, and otherwise answers
// with what it saw, which its destination gets.
const forward = `
def handler(event, context):
    bodies = [r.get("body") or r.get("dynamodb", {}).get("Keys", {}).get("pk", {}).get("S") or r.get("Sns", {}).get("Message") for r in event.get("Records", [])]
    if "poison" in bodies and len(bodies) == 1:
        raise ValueError("poison")
    if "half" in bodies or "poison" in bodies:
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] in ("half", "poison")]}
    return {"saw": bodies, "event": event}
`

// received waits for the next message of a queue.
func received(t *testing.T, client *sqs.Client, url string) string {
	t.Helper()
	for {
		out := must[*sqs.ReceiveMessageOutput](t)(client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5}))
		if len(out.Messages) > 0 {
			must[*sqs.DeleteMessageOutput](t)(client.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: out.Messages[0].ReceiptHandle}))
			return *out.Messages[0].Body
		}
	}
}

// empty waits until a queue has no messages, neither visible nor in flight.
func empty(t *testing.T, client *sqs.Client, url string) {
	t.Helper()
	for ; ; time.Sleep(pollTime) {
		out := must[*sqs.GetQueueAttributesOutput](t)(client.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}}))
		if out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return
		}
	}
}

// A topic invokes a function of another account that lets it; a failing one is
// tried again, and its destinations are told.
func TestLambdaFromTopic(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, queues := c.lambda(qaAccount), c.sqs(qaAccount)
	report, reportARN := c.queue(queues, qaAccount, "report", nil)
	lost, lostARN := c.queue(queues, qaAccount, "lost", nil)
	role := c.lambdaRole(qaAccount, "Runs", `{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:`+qaAccount+`:*"}`)
	arn := c.function(client, "reader", role, "python3.12", map[string]string{"index.py": forward})
	must[*lambda.PutFunctionEventInvokeConfigOutput](t)(client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: &arn, MaximumRetryAttempts: aws.Int32(1),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &reportARN}, OnFailure: &types.OnFailure{Destination: &lostARN}}}))
	topics := sns.NewFromConfig(c.in(devAccount, "eu-west-1"))
	topic := must[*sns.CreateTopicOutput](t)(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("news")})).TopicArn
	open := document(`{"Effect":"Allow","Principal":{"AWS":"` + qaAccount + `"},"Action":"sns:Subscribe","Resource":"` + *topic + `"}`)
	must[*sns.SetTopicAttributesOutput](t)(topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("Policy"), AttributeValue: &open}))
	dead := `{"deadLetterTargetArn":"` + lostARN + `"}`
	theirs := sns.NewFromConfig(c.in(qaAccount, "eu-west-1"))
	must[*sns.SubscribeOutput](t)(theirs.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("lambda"), Endpoint: &arn, Attributes: map[string]string{"RedrivePolicy": dead}}))
	if err := setQueue(t, queues, lost, "Policy", allows(`{"Service":"sns.amazonaws.com"}`, "sqs:SendMessage", lostARN, "")); err != nil {
		t.Fatal(err)
	}
	publish := func(text string) {
		must[*sns.PublishOutput](t)(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: &text}))
	}
	publish("not let in")
	if got := received(t, queues, lost); !strings.Contains(got, "not let in") {
		t.Errorf("the dead-letter queue of the subscription got %s", got)
	}
	must[*lambda.AddPermissionOutput](t)(client.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &arn, StatementId: aws.String("topic"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("sns.amazonaws.com"), SourceArn: topic}))
	publish("hello")
	if got := received(t, queues, report); !strings.Contains(got, `"saw":["hello"]`) || !strings.Contains(got, `"EventSource":"aws:sns"`) {
		t.Errorf("the function saw %s", got)
	}
	publish("poison")
	if got := received(t, queues, lost); !strings.Contains(got, `"condition":"RetriesExhausted"`) || !strings.Contains(got, `"approximateInvokeCount":2`) || !strings.Contains(got, `"errorMessage":"poison"`) {
		t.Errorf("the destination of failures got %s", got)
	}
}

// All attempts of an event are one request, which its function and its
// dead-letter queue know by the same id.
func TestLambdaRetriesAreOneRequest(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, queues := c.lambda(devAccount), c.sqs(devAccount)
	lost, lostARN := c.queue(queues, devAccount, "lost", nil)
	role := c.lambdaRole(devAccount, "Runs", `{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"`+lostARN+`"}`)
	arn := c.function(client, "fails", role, "python3.12", map[string]string{"index.py": `
seen = []
def handler(event, context):
    seen.append(context.aws_request_id)
    raise ValueError(",".join(seen))
`})
	must[*lambda.PutFunctionEventInvokeConfigOutput](t)(client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: &arn, MaximumRetryAttempts: aws.Int32(1),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &lostARN}}}))
	must[*lambda.InvokeOutput](t)(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &arn, InvocationType: types.InvocationTypeEvent}))
	var record struct {
		RequestContext  struct{ RequestID string }
		ResponsePayload struct{ ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(received(t, queues, lost)), &record); err != nil {
		t.Fatal(err)
	}
	if id := record.RequestContext.RequestID; id == "" || record.ResponsePayload.ErrorMessage != id+","+id {
		t.Errorf("request %s was known as %s", id, record.ResponsePayload.ErrorMessage)
	}
}

// An event that Lambda can't run goes to the destination of failures when it is
// too old, or at once when nothing can ever run.
func TestLambdaEventsGrowOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := context.Background(), &cloud{t: t}
		_, cfg := still(t, sandbox.Options{StackTime: time.Hour}) // a function takes a quarter of it
		arn, url := c.queueFor(cfg, "lost", "")
		trust := document(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`)
		people, client := iam.NewFromConfig(cfg), lambda.NewFromConfig(cfg)
		role := must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Runs"), AssumeRolePolicyDocument: &trust})).Role.Arn
		send := document(`{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}`)
		must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("Runs"), PolicyName: aws.String("p"), PolicyDocument: &send}))
		must[*lambda.CreateFunctionOutput](t)(client.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("late"), Role: role, Runtime: "python3.12", Handler: aws.String("index.handler"),
			Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"index.py": ""})}}))
		must[*lambda.PutFunctionEventInvokeConfigOutput](t)(client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("late"),
			MaximumEventAgeInSeconds: aws.Int32(60), DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &arn}}}))
		for _, test := range []struct {
			why  string
			wait time.Duration
		}{{"EventAgeExceeded", 90 * time.Second}, {"ZeroReservedConcurrency", 0}} {
			if test.wait == 0 {
				time.Sleep(15 * time.Minute)
				must[*lambda.PutFunctionConcurrencyOutput](t)(client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("late"), ReservedConcurrentExecutions: aws.Int32(0)}))
			}
			must[*lambda.InvokeOutput](t)(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("late"), InvocationType: types.InvocationTypeEvent}))
			time.Sleep(test.wait)
			synctest.Wait()
			if got := strings.Join(waiting(t, cfg, url), ","); !strings.Contains(got, `"condition":"`+test.why+`"`) {
				t.Errorf("%s: the destination got %q", test.why, got)
			}
		}
	})
}

// What is on its way isn't changed: a function that is made or updated, and a
// mapping.
func TestLambdaOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := context.Background(), &cloud{t: t}
		_, cfg := still(t, sandbox.Options{StackTime: time.Hour})
		arn, _ := c.queueFor(cfg, "orders", "")
		trust := document(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`)
		people, client := iam.NewFromConfig(cfg), lambda.NewFromConfig(cfg)
		role := must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Runs"), AssumeRolePolicyDocument: &trust})).Role.Arn
		all := document(`{"Effect":"Allow","Action":"sqs:*","Resource":"*"}`)
		must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("Runs"), PolicyName: aws.String("p"), PolicyDocument: &all}))
		name, code := aws.String("f"), zipped(t, map[string]string{"index.py": ""})
		must[*lambda.CreateFunctionOutput](t)(client.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: name, Role: role, Runtime: "python3.12", Handler: aws.String("index.handler"),
			Code: &types.FunctionCode{ZipFile: code}}))
		m := must[*lambda.CreateEventSourceMappingOutput](t)(client.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: name, EventSourceArn: &arn}))
		_, err := client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: m.UUID})
		refused(t, err, "ResourceInUseException", "because it is in use")
		_, err = client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code})
		refused(t, err, "ResourceConflictException", "following state: Pending")
		time.Sleep(time.Hour)
		must[*lambda.UpdateFunctionCodeOutput](t)(client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code}))
		_, err = client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(6)})
		refused(t, err, "ResourceConflictException", "An update is in progress")
		must[*lambda.DeleteEventSourceMappingOutput](t)(client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: m.UUID}))
	})
}

// A mapping invokes a function with the messages of a queue, deletes those that
// it dealt with, and leaves the others to come back.
func TestLambdaFromQueue(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, queues := c.lambda(devAccount), c.sqs(devAccount)
	dead, deadARN := c.queue(queues, devAccount, "dead", nil)
	url, arn := c.queue(queues, devAccount, "orders", map[string]string{"VisibilityTimeout": "8", "RedrivePolicy": `{"deadLetterTargetArn":"` + deadARN + `","maxReceiveCount":"2"}`})
	weak := c.lambdaRole(devAccount, "Weak")
	role := c.lambdaRole(devAccount, "Runs", `{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes"],"Resource":"`+arn+`"}`)
	quick := func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(8) }
	c.function(client, "weak", weak, "python3.12", map[string]string{"index.py": forward}, quick)
	c.function(client, "reader", role, "python3.12", map[string]string{"index.py": forward}, quick)
	c.function(client, "slow", role, "python3.12", map[string]string{"index.py": forward})
	try := func(name string, change ...func(*lambda.CreateEventSourceMappingInput)) (*lambda.CreateEventSourceMappingOutput, error) {
		in := &lambda.CreateEventSourceMappingInput{FunctionName: &name, EventSourceArn: &arn, FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
			FilterCriteria: &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":[{"anything-but":"boring"}]}`)}}}}
		for _, f := range change {
			f(in)
		}
		return client.CreateEventSourceMapping(ctx, in)
	}
	_, err := try("weak")
	refused(t, err, "InvalidParameterValueException", "The provided execution role does not have permissions to call ReceiveMessage on SQS")
	_, err = try("slow")
	refused(t, err, "InvalidParameterValueException", "Queue visibility timeout: 8 seconds is less than Function timeout: 20 seconds")
	_, err = try("reader", func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) })
	refused(t, err, "InvalidParameterValueException", "Maximum batch window in seconds must be greater than 0")
	_, err = try("reader", func(in *lambda.CreateEventSourceMappingInput) { in.MaximumRetryAttempts = aws.Int32(1) })
	refused(t, err, "InvalidParameterValueException", "MaximumRetryAttempts")
	_, err = try("nobody")
	refused(t, err, "ResourceNotFoundException", "Function does not exist")
	m := must[*lambda.CreateEventSourceMappingOutput](t)(try("reader"))
	_, err = try("reader")
	refused(t, err, "ResourceConflictException", "already exists. Please update or delete the existing mapping with UUID "+*m.UUID)
	for _, body := range []string{"one", "boring", "half", "poison"} {
		must[*sqs.SendMessageOutput](t)(queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}))
	}
	got := map[string]bool{received(t, queues, dead): true, received(t, queues, dead): true}
	if !got["half"] || !got["poison"] {
		t.Errorf("the dead-letter queue got %v", got)
	}
	empty(t, queues, url)
	must[*lambda.DeleteEventSourceMappingOutput](t)(client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: m.UUID}))
	_, err = client.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: m.UUID})
	refused(t, err, "ResourceNotFoundException", "")
}

// A batch of a queue is no larger than what Lambda takes.
func TestLambdaFromQueueOfLargeMessages(t *testing.T) {
	needs(t, "python3")
	ctx, c, file := context.Background(), newCloud(t, sandbox.Options{}), filepath.Join(t.TempDir(), "counts")
	client, queues := c.lambda(devAccount), c.sqs(devAccount)
	url, arn := c.queue(queues, devAccount, "orders", nil)
	role := c.lambdaRole(devAccount, "Runs", `{"Effect":"Allow","Action":"sqs:*","Resource":"`+arn+`"}`)
	c.function(client, "reader", role, "python3.12", map[string]string{"index.py": `
def handler(event, context):
    with open("` + file + `", "a") as f:
        print(sum(len(r["body"]) for r in event["Records"]), file=f)
`})
	for range 9 {
		body := strings.Repeat("x", 1_000_000)
		must[*sqs.SendMessageOutput](t)(queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}))
	}
	must[*lambda.CreateEventSourceMappingOutput](t)(client.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("reader"), EventSourceArn: &arn}))
	empty(t, queues, url)
	counts, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(string(counts)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if total += n; err != nil || n > 6<<20 {
			t.Errorf("a batch of %s bytes: %v", line, err)
		}
	}
	if total != 9_000_000 {
		t.Errorf("the batches have %d bytes", total)
	}
}

// A mapping invokes a function with the changes of a table, in order; a batch
// that fails is tried again, and then told to the destination.
func TestLambdaFromStream(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, tables, queues := c.lambda(devAccount), c.dynamo(devAccount), c.sqs(devAccount)
	c.table(tables, "orders", func(in *dynamodb.CreateTableInput) {
		in.StreamSpecification = &dynamotypes.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: dynamotypes.StreamViewTypeNewAndOldImages}
	})
	stream := must[*dynamodb.DescribeTableOutput](t)(tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")})).Table.LatestStreamArn
	lost, lostARN := c.queue(queues, devAccount, "lost", nil)
	role := c.lambdaRole(devAccount, "Runs", fmt.Sprintf(`{"Effect":"Allow","Action":["dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:DescribeStream"],"Resource":"%s"}`, *stream),
		`{"Effect":"Allow","Action":["dynamodb:ListStreams","sqs:SendMessage"],"Resource":"*"}`)
	c.function(client, "reader", role, "python3.12", map[string]string{"index.py": forward})
	must[*lambda.CreateEventSourceMappingOutput](t)(client.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("reader"), EventSourceArn: stream,
		StartingPosition: types.EventSourcePositionTrimHorizon, MaximumRetryAttempts: aws.Int32(1), BatchSize: aws.Int32(1),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &lostARN}}}))
	for _, id := range []string{"a", "poison", "b"} {
		must[*dynamodb.PutItemOutput](t)(tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: map[string]dynamotypes.AttributeValue{"pk": text(id), "sk": number("1")}}))
	}
	if got := received(t, queues, lost); !strings.Contains(got, `"startSequenceNumber":"000000000000000000200"`) || !strings.Contains(got, `"batchSize":1`) || !strings.Contains(got, `"approximateInvokeCount":2`) {
		t.Errorf("the destination got %s", got)
	}
	for ; ; time.Sleep(pollTime) {
		all := must[*lambda.ListEventSourceMappingsOutput](t)(client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{}))
		if aws.ToString(all.EventSourceMappings[0].LastProcessingResult) == "OK" {
			break
		}
	}
}

// A function has an address of its own, open to those whom its policy lets.
func TestLambdaURL(t *testing.T) {
	needs(t, "python3")
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := c.lambda(devAccount)
	c.function(client, "site", c.lambdaRole(devAccount, "Runs"), "python3.12", map[string]string{"index.py": `
def handler(event, context):
    return {"statusCode": 201, "headers": {"X-Path": event["rawPath"]}, "body": event["requestContext"]["http"]["method"] + " " + event.get("body", "") + event["queryStringParameters"]["q"]}
`})
	made := must[*lambda.CreateFunctionUrlConfigOutput](t)(client.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("site"), AuthType: types.FunctionUrlAuthTypeNone,
		Cors: &types.Cors{AllowOrigins: []string{"https://example.com"}, AllowMethods: []string{"POST"}, MaxAge: aws.Int32(5)}}))
	host := strings.TrimSuffix(strings.TrimPrefix(*made.FunctionUrl, "https://"), "/")
	var origin string // that the last answer allows
	ask := func() (int, string, string) {
		r, err := http.NewRequest("POST", c.url+"/a/b?q=1", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Origin", "https://example.com")
		out, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close() //nolint:errcheck // read to its end
		body, _ := io.ReadAll(out.Body)
		origin = out.Header.Get("Access-Control-Allow-Origin")
		return out.StatusCode, out.Header.Get("X-Path"), string(body)
	}
	if status, _, body := ask(); status != 403 || !strings.Contains(body, "Forbidden") {
		t.Errorf("without a permission: %d %s", status, body)
	}
	for action, kind := range map[string]types.FunctionUrlAuthType{"lambda:InvokeFunctionUrl": types.FunctionUrlAuthTypeNone, "lambda:InvokeFunction": ""} {
		must[*lambda.AddPermissionOutput](t)(client.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("site"), StatementId: aws.String(strings.Replace(action, ":", "-", 1)),
			Action: &action, Principal: aws.String("*"), FunctionUrlAuthType: kind}))
	}
	r, err := http.NewRequest("OPTIONS", c.url+"/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header = http.Header{"Origin": {"https://example.com"}, "Access-Control-Request-Method": {"POST"}}
	preflight, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = preflight.Body.Close()
	if h := preflight.Header; preflight.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != "https://example.com" || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Max-Age") != "5" {
		t.Errorf("the preflight is answered with %d, %v", preflight.StatusCode, h)
	}
	if status, path, body := ask(); status != 201 || path != "/a/b" || body != "POST hello1" || origin != "https://example.com" {
		t.Errorf("answered %d, %s, %s to origin %q", status, path, body, origin)
	}
}

// Functions and mappings of a saved sandbox go on when it is loaded.
func TestLambdaFromSavedState(t *testing.T) {
	needs(t, "python3")
	ctx, options := context.Background(), sandbox.Options{State: filepath.Join(t.TempDir(), "state.json")}
	var url string
	t.Run("before", func(t *testing.T) {
		c := newCloud(t, options)
		client, queues := c.lambda(devAccount), c.sqs(devAccount)
		var arn string
		url, arn = c.queue(queues, devAccount, "orders", nil)
		role := c.lambdaRole(devAccount, "Runs", `{"Effect":"Allow","Action":"sqs:*","Resource":"`+arn+`"}`)
		c.function(client, "reader", role, "python3.12", map[string]string{"index.py": forward})
		must[*lambda.CreateEventSourceMappingOutput](t)(client.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("reader"), EventSourceArn: &arn}))
	})
	c := newCloud(t, options)
	if out, _ := invoked(t, c.lambda(devAccount), "reader", `{"Records":[{"body":"a"}]}`); fmt.Sprint(out["saw"]) != "[a]" {
		t.Errorf("answered %v", out)
	}
	url = c.url + url[strings.Index(url, "/"+devAccount):]
	must[*sqs.SendMessageOutput](t)(c.sqs(devAccount).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("b")}))
	empty(t, c.sqs(devAccount), url)
}

// Invocations beyond a function's reserved concurrency, or the account's, are
// refused; events wait.
func TestLambdaConcurrency(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, queues := c.lambda(devAccount), c.sqs(devAccount)
	url, arn := c.queue(queues, devAccount, "done", nil)
	c.goFunction(client, "program", c.lambdaRole(devAccount, "Runs", `{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"`+arn+`"}`), func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(900) })
	reserve := func(n int32) {
		must[*lambda.PutFunctionConcurrencyOutput](t)(client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("program"), ReservedConcurrentExecutions: &n}))
	}
	must[*lambda.PutFunctionEventInvokeConfigOutput](t)(client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("program"),
		MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &arn}}}))
	reserve(0)
	_, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("program")})
	refused(t, err, "TooManyRequestsException", "Rate Exceeded.")
	reserve(1)
	open := filepath.Join(t.TempDir(), "open")
	for _, what := range []string{"wait", "late"} {
		must[*lambda.InvokeOutput](t)(client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("program"), InvocationType: types.InvocationTypeEvent,
			Payload: fmt.Appendf(nil, `{"do":%q,"file":%q}`, what, open)}))
	}
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("program")})
	refused(t, err, "TooManyRequestsException", "Rate Exceeded.")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"wait", "late"} {
		if got := received(t, queues, url); !strings.Contains(got, `"do":"`+what+`"`) {
			t.Errorf("the destination got %s, want that of %s", got, what)
		}
	}
	settings := must[*lambda.GetAccountSettingsOutput](t)(client.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{}))
	if l := settings.AccountLimit; l.ConcurrentExecutions != 1000 || *l.UnreservedConcurrentExecutions != 999 || settings.AccountUsage.FunctionCount != 1 {
		t.Errorf("limits %+v, usage %+v", l, settings.AccountUsage)
	}
}
