package axle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"
)

// sdkClients makes a client of a service for call.
var sdkClients = map[string]func(aws.Config) any{
	"account":        func(c aws.Config) any { return account.NewFromConfig(c) },
	"apigateway":     func(c aws.Config) any { return apigateway.NewFromConfig(c) },
	"apigatewayv2":   func(c aws.Config) any { return apigatewayv2.NewFromConfig(c) },
	"cloudformation": func(c aws.Config) any { return cloudformation.NewFromConfig(c) },
	"cloudwatch":     func(c aws.Config) any { return cloudwatch.NewFromConfig(c) },
	"dynamodb":       func(c aws.Config) any { return dynamodb.NewFromConfig(c) },
	"ec2":            func(c aws.Config) any { return ec2.NewFromConfig(c) },
	"events":         func(c aws.Config) any { return eventbridge.NewFromConfig(c) },
	"iam":            func(c aws.Config) any { return iam.NewFromConfig(c) },
	"kms":            func(c aws.Config) any { return kms.NewFromConfig(c) },
	"lambda":         func(c aws.Config) any { return lambda.NewFromConfig(c) },
	"organizations":  func(c aws.Config) any { return organizations.NewFromConfig(c) },
	"s3":             func(c aws.Config) any { return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }) },
	"scheduler":      func(c aws.Config) any { return scheduler.NewFromConfig(c) },
	"secretsmanager": func(c aws.Config) any { return secretsmanager.NewFromConfig(c) },
	"servicequotas":  func(c aws.Config) any { return servicequotas.NewFromConfig(c) },
	"sns":            func(c aws.Config) any { return sns.NewFromConfig(c) },
	"sqs":            func(c aws.Config) any { return sqs.NewFromConfig(c) },
	"ssm":            func(c aws.Config) any { return ssm.NewFromConfig(c) },
	"sts":            func(c aws.Config) any { return sts.NewFromConfig(c) },
}

// propagation is how long what a policy allows since a moment ago may still be
// refused; an unkind sandbox takes up to three seconds.
const propagation = 5 * time.Second

// cmdCall calls any operation through the SDK: WHO is an account (as its
// administrator), "-" (as the script is), or ROLE-ARN[,ROLE-ARN...], a chain of
// roles that starts from "-" or, after ACCOUNT>, from an account's administrator.
// The input is JSON with the SDK's names, or @FILE. The answer is stdout as
// JSON, a refusal stderr; ! call wants a refusal.
func cmdCall(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: [!] call WHO REGION SERVICE:OPERATION [JSON|@FILE]")
	}
	ctx := context.Background()
	input := "{}"
	if len(args) == 4 {
		input = os.Expand(args[3], ts.Getenv)
		if file, ok := strings.CutPrefix(args[3], "@"); ok {
			input = ts.ReadFile(file)
		}
	}
	service, op, _ := strings.Cut(args[2], ":")
	if sdkClients[service] == nil {
		ts.Fatalf("call knows no service %q", service)
	}
	client := sdkClients[service](scriptConfig(ts, ctx, args[0], args[1]))
	until, tried := time.Now().Add(propagation), time.Now()
	out, err := callSDK(ctx, client, op, input)
	for err != nil && !neg && strings.Contains(err.Error(), "AccessDenied") && tried.Before(until) {
		time.Sleep(100 * time.Millisecond)
		tried = time.Now()
		out, err = callSDK(ctx, client, op, input)
	}
	switch {
	case err != nil && !neg:
		ts.Fatalf("%s: %v", args[2], err)
	case err == nil && neg:
		ts.Fatalf("%s was not refused: %s", args[2], out)
	case err != nil:
		_, _ = fmt.Fprintln(ts.Stderr(), err)
	}
	_, _ = ts.Stdout().Write(out)
}

// scriptConfig is the SDK's configuration for who calls.
func scriptConfig(ts *testscript.TestScript, ctx context.Context, who, region string) aws.Config {
	base, chain, _ := strings.Cut(who, ">")
	if strings.HasPrefix(base, "arn:") {
		base, chain = "-", base
	}
	var cfg aws.Config
	if base == "-" {
		cfg = sdkConfig(ts.Getenv("AWS_ENDPOINT_URL"), region, credentials.NewStaticCredentialsProvider(ts.Getenv("AWS_ACCESS_KEY_ID"),
			ts.Getenv("AWS_SECRET_ACCESS_KEY"), ts.Getenv("AWS_SESSION_TOKEN")))
	} else {
		cfg = administrator(ts, ctx, base, region)
	}
	for role := range strings.SplitSeq(chain, ",") {
		if role != "" {
			cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg.Copy()), role))
		}
	}
	return cfg
}

// callSDK calls a client's method by name with its input as JSON.
func callSDK(ctx context.Context, client any, op, input string) ([]byte, error) {
	method := reflect.ValueOf(client).MethodByName(op)
	if !method.IsValid() {
		return nil, fmt.Errorf("the SDK has no operation %q", op)
	}
	in := reflect.New(method.Type().In(1).Elem())
	d := json.NewDecoder(strings.NewReader(input))
	d.DisallowUnknownFields()
	if err := fill(d, in, input); err != nil {
		return nil, fmt.Errorf("input of %s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if err, _ := results[1].Interface().(error); err != nil {
		return nil, err
	}
	out := results[0].Elem()
	if body := out.FieldByName("Body"); body.IsValid() && !body.IsNil() {
		if r, ok := body.Interface().(io.ReadCloser); ok {
			defer r.Close() //nolint:errcheck // read to its end
			return io.ReadAll(r)
		}
	}
	answer := results[0].Interface()
	if ran, ok := answer.(*lambda.InvokeOutput); ok && len(ran.Payload) > 0 { // which JSON has in base64
		answer = struct {
			*lambda.InvokeOutput
			Answer json.RawMessage
		}{ran, ran.Payload}
	}
	text, err := json.MarshalIndent(answer, "", " ")
	return append(text, '\n'), err
}

// fill decodes the input. DynamoDB's attribute values are a union, which JSON
// can't decode by itself: {"S": "x"} in Key, Item or ExpressionAttributeValues.
func fill(d *json.Decoder, in reflect.Value, input string) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(input), &raw); err != nil {
		return err
	}
	unions := false
	for _, name := range []string{"Key", "Item", "ExpressionAttributeValues"} {
		field := in.Elem().FieldByName(name)
		if !field.IsValid() || raw[name] == nil || field.Type() != reflect.TypeFor[map[string]attributeValue]() {
			continue
		}
		unions = true
		values, err := attributeValues(raw[name])
		if err != nil {
			return err
		}
		field.Set(reflect.ValueOf(values))
		delete(raw, name)
	}
	if payload := in.Elem().FieldByName("Payload"); payload.IsValid() && raw["Payload"] != nil && raw["Payload"][0] != '"' {
		payload.SetBytes(raw["Payload"])
		delete(raw, "Payload")
		unions = true
	}
	if body := in.Elem().FieldByName("Body"); body.IsValid() && raw["Body"] != nil {
		var text string
		if err := json.Unmarshal(raw["Body"], &text); err != nil {
			return err
		}
		body.Set(reflect.ValueOf(strings.NewReader(text)))
		delete(raw, "Body")
		unions = true
	}
	if !unions {
		return d.Decode(in.Interface())
	}
	rest, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	d = json.NewDecoder(bytes.NewReader(rest))
	d.DisallowUnknownFields()
	err = d.Decode(in.Interface())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type attributeValue = dynamodbtypes.AttributeValue

// attributeValues reads {"id": {"S": "x"}}: strings, numbers and booleans.
func attributeValues(raw json.RawMessage) (map[string]attributeValue, error) {
	var given map[string]map[string]any
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, err
	}
	out := map[string]attributeValue{}
	for name, v := range given {
		switch {
		case v["S"] != nil:
			out[name] = &dynamodbtypes.AttributeValueMemberS{Value: fmt.Sprint(v["S"])}
		case v["N"] != nil:
			out[name] = &dynamodbtypes.AttributeValueMemberN{Value: fmt.Sprint(v["N"])}
		case v["BOOL"] != nil:
			out[name] = &dynamodbtypes.AttributeValueMemberBOOL{Value: v["BOOL"] == true}
		default:
			return nil, fmt.Errorf("attribute %s: S, N or BOOL", name)
		}
	}
	return out, nil
}

// cmdKeep puts what a JSON file has at a path into a variable.
func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: keep VARIABLE FILE PATH")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &v))
	found, ok := at(v, args[2])
	if !ok {
		ts.Fatalf("%s has nothing at %s", args[1], args[2])
	}
	ts.Setenv(args[0], fmt.Sprint(found))
}
